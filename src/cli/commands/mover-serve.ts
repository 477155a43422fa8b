/** `reelmap mover serve`: makes this machine a data mover: disks, tape drives, a changer and the copy manager over iSCSI. */
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { loadNativeCrc32c } from '../../bytes/crc32c.ts';
import { UserError } from '../../bytes/errors.ts';
import { portalText } from '../../iscsi/names.ts';
import { Portal } from '../../iscsi/target/portal.ts';
import type { CommandContext, CommandModule } from '../command.ts';
import { ExitStatus } from '../exit.ts';
import { openServedDevice, type ServedDevice, type ServedLun } from '../mover/device.ts';
import { chapAccount, parseDisk, parseIqn, parseListen } from '../mover/options.ts';
import { type MoverStatus, serveStatus } from '../mover/status.ts';
import { formatBytes } from '../progress.ts';
import { quote, safeText } from '../quoting.ts';
import { moverFolder } from '../state.ts';

interface Options {
  readonly listen: string;
  readonly iqn?: string;
  readonly disk: readonly string[];
  readonly library?: string;
  readonly chap?: string;
  readonly chapSecretFile?: string;
  readonly mutualChap?: string;
  readonly mutualChapSecretFile?: string;
}

const collect = (value: string, before: readonly string[]): string[] => [...before, value];

export const define: CommandModule['define'] = (command: Command, act) => {
  command
    .option('--listen <host:port>', 'where initiators connect', '127.0.0.1:3260')
    .option('--iqn <name>', "the target's iSCSI name; default: one made of the machine's name")
    .option('--disk <file>', 'a disk image or block device, FILE[:ro][:4096]; the first is LUN 1', collect, [])
    .option(
      '--library <dir>',
      'a virtual tape library, made when there is none; its drives and changer follow the disks',
    )
    .option('--chap <name>', 'initiators prove by CHAP that they know a secret')
    .option('--chap-secret-file <file>', 'that secret; default: $REELMAP_CHAP_SECRET')
    .option('--mutual-chap <name>', 'the name under which the target proves itself to initiators that ask for it')
    .option('--mutual-chap-secret-file <file>', 'its secret; default: $REELMAP_MUTUAL_CHAP_SECRET')
    .addHelpText(
      'after',
      '\nSIGTERM ends it: initiators are asked to log out, tapes are flushed.\n\nExample:\n' +
        '  reelmap mover serve --listen 10.0.0.5 --disk /dev/vg0/home-snapshot:ro --library /srv/tapes',
    )
    .action((options: Options) => {
      act((context) => serve(context, options));
    });
};

async function serve(context: CommandContext, options: Options): Promise<ExitStatus> {
  const { output, home } = context;
  const listen = parseListen(options.listen);
  const iqn = parseIqn(options.iqn);
  const admission = admissionOf(options);
  const disks = options.disk.map(parseDisk);
  const library = options.library === undefined ? undefined : resolve(options.library);
  if (disks.length === 0 && library === undefined)
    throw new UserError('mover serve', 'has nothing to serve', 'name a --disk or a --library', { kind: 'usage' });
  loadNativeCrc32c();
  const folder = moverFolder(home);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const signal = context.signal();
  const note = (text: string): void => output.note(text);
  await using device = await openServedDevice({ disks, library, folder, command: `mover serve ${iqn}`, note });
  await using portal = await Portal.open({
    ...listen,
    nodes: [{ name: iqn, device: device.router, admit: () => admission }],
    log: note,
  });
  const status = statusOf(iqn, device, portal);
  await using _status = await serveStatus(folder, status);
  announce(context, status());
  if (!signal.aborted) await once(signal, 'abort');
  return ExitStatus.done;
}

function admissionOf(options: Options) {
  const chap = chapAccount(options.chap, options.chapSecretFile, 'REELMAP_CHAP_SECRET', '--chap');
  const mutualChap = chapAccount(
    options.mutualChap,
    options.mutualChapSecretFile,
    'REELMAP_MUTUAL_CHAP_SECRET',
    '--mutual-chap',
  );
  if (chap && mutualChap && Buffer.compare(chap.secret, mutualChap.secret) === 0)
    throw new UserError('--mutual-chap', 'has the same secret as --chap', 'RFC 7143 wants two; choose another', {
      kind: 'usage',
    });
  if (mutualChap && !chap)
    throw new UserError('--mutual-chap', 'goes with --chap alone', 'give --chap too', { kind: 'usage' });
  return { ...(chap && { chap }), ...(mutualChap && { mutualChap }) };
}

function statusOf(iqn: string, device: ServedDevice, portal: Portal): () => MoverStatus {
  const since = new Date().toISOString();
  const { host, port } = portal.address;
  return () => ({
    pid: process.pid,
    since,
    listen: portalText(host, port),
    iqn,
    luns: device.luns,
    sessions: portal.sessions(),
    copies: device.router.copyManager.copies,
  });
}

function announce({ output }: CommandContext, status: MoverStatus): void {
  if (output.json) output.value(status);
  else {
    for (const lun of status.luns) output.line(lunText(lun));
    output.line(`serving ${status.iqn} at ${status.listen}`);
  }
  output.flush();
}

/** `LUN 1   disk        /srv/home.img, 256 MiB, read-only`. */
export function lunText({ lun, kind, name, serialNumber, byteLength, writable }: ServedLun): string {
  const size = byteLength === undefined ? '' : `, ${formatBytes(byteLength)}`;
  const access = writable === false ? ', read-only' : '';
  const what = kind === 'disk' || kind === 'changer' ? quote(Buffer.from(name)) : safeText(name);
  return `LUN ${String(lun).padEnd(3)} ${kind.padEnd(10)} ${what}${size}${access}, serial number ${serialNumber}`;
}
