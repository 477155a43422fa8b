/** `reelmap backup VOLUME...`: a full backup, and what it would do with -n. */
import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type BackupRequest,
  type BackupResult,
  backupVolume,
  neededBytes,
  refuseUnlessIndexed,
} from '../../backup/backup.ts';
import type { BackupEnvironment, BackupEvent } from '../../backup/environment.ts';
import { UserError } from '../../bytes/errors.ts';
import { totalBytes } from '../../bytes/extents.ts';
import type { FilesystemRecord, Manifest } from '../../bytes/manifest.ts';
import { systemRandom } from '../../bytes/random.ts';
import {
  inodeEstimateOf,
  notIndexedReason,
  openSource,
  type SourcePart,
  type VolumeSource,
} from '../../catalog/source.ts';
import { readAtOf } from '../../filesystem/volume.ts';
import { GAP_BYTES_DEFAULT, storedRuns } from '../../plan/stored-runs.ts';
import { openSpool } from '../../storage/spool.ts';
import { readLabelDocuments } from '../../tape/archive/label-documents.ts';
import { encodeArgument } from '../argv.ts';
import type { CommandContext, CommandModule } from '../command.ts';
import { ExitStatus, failureOf } from '../exit.ts';
import { formatBytes, formatSeconds } from '../progress.ts';
import { quote, safeText } from '../quoting.ts';
import { recordSizeOf } from '../record-size.ts';
import { parseSize } from '../sizes.ts';
import { PROGRAM } from '../version.ts';
import { type FoundVolume, findVolume } from '../volume.ts';
import { openVolume } from '../volume-store.ts';
import { filesystemOpeners, openWorkplace, type Workplace } from '../workplace.ts';

interface Options {
  readonly name?: string;
  readonly dryRun?: boolean;
  readonly requireIndex?: boolean;
  readonly recordSize?: string;
  readonly chunkSize?: string;
  readonly commitEvery?: string;
  readonly cartridge?: string[];
  readonly chunkHash?: boolean;
  readonly waitTape?: boolean;
  readonly wait?: boolean;
  readonly abandon?: boolean;
  readonly partition?: string;
}

export const define: CommandModule['define'] = (command, act) => {
  command
    .argument('<volumes...>', 'an image file, a block device, a mount point, UUID=... or LABEL=...; disk.img#2: a part')
    .option('--name <name>', 'the name of the volume, lasting; default: what it had, else its label or file name')
    .option('-n, --dry-run', 'only tell bytes, cartridges and time')
    .option('--partition <part>', 'only this partition (2) or logical volume (vg/lv), as VOLUME#2')
    .option('--require-index', 'refuse a volume whose files cannot be indexed')
    .option('--record-size <size>', 'bytes of a tape record, 512 to 512K', '256K')
    .option('--chunk-size <size>', 'most bytes of one tape file', '4G')
    .option('--commit-every <size>', 'a synchronous mark after this much', '64G')
    .option('--cartridge <barcode...>', 'write to these cartridges only')
    .option('--chunk-hash', 'SHA-256 of each chunk beside the copy; default where a processor is to spare (3 or more)')
    .option('--no-chunk-hash', 'none: records still have their CRC-32C')
    .option('--wait-tape', 'with no cartridge left: wait for one instead of stopping')
    .option('--wait', 'wait for a busy drive or index')
    .option('--abandon', 'back nothing up: give up what an interrupted backup of these volumes left')
    .addHelpText(
      'after',
      '\nA backup that was interrupted goes on when the same command is run again.\n\nExample:\n  reelmap backup /var/lib/libvirt/images/mail.img --name mail',
    )
    .action((volumes: string[], options: Options) => {
      act((context) => backupAll(context, volumes, options));
    });
};

async function backupAll(context: CommandContext, words: readonly string[], options: Options): Promise<ExitStatus> {
  if (options.abandon) return (await import('../abandon-run.ts')).abandonAll(context, words);
  for (const option of ['name', 'partition'] as const) {
    if (options[option] === undefined || words.length === 1) continue;
    throw new UserError(`--${option}`, 'is for one volume', 'back up the others by themselves', { kind: 'usage' });
  }
  if (options.name === '') throw new UserError('--name', 'is empty', 'leave it out, or give one', { kind: 'usage' });
  const sizes = sizesOf(options);
  context.signal('run the same command again to go on, or with --abandon to give it up');
  let worst: ExitStatus = ExitStatus.done;
  for (const [i, word] of words.entries()) {
    try {
      const status = await backupOne(context, word, options, sizes);
      if (worst !== ExitStatus.failed && status !== ExitStatus.done) worst = status;
    } catch (error) {
      // One bad volume does not cost the others.
      if (i === words.length - 1 || context.signal().aborted) throw error;
      context.output.error(failureOf(error));
      worst = ExitStatus.failed;
    }
  }
  return worst;
}

type Sizes = Pick<BackupRequest, 'recordSize' | 'chunkBytes' | 'commitBytes'>;

function sizesOf({ recordSize: word, chunkSize, commitEvery }: Options): Sizes {
  const recordSize = recordSizeOf(word);
  return {
    recordSize,
    ...(chunkSize !== undefined && { chunkBytes: parseSize(chunkSize, '--chunk-size', recordSize) }),
    ...(commitEvery !== undefined && { commitBytes: parseSize(commitEvery, '--commit-every') }),
  };
}

async function backupOne(context: CommandContext, word: string, options: Options, sizes: Sizes): Promise<ExitStatus> {
  const started = context.clock();
  const found = findVolume(options.partition === undefined ? word : `${word}#${options.partition}`);
  const signal = context.signal();
  await using volume = await openVolume(found, false);
  const { store, dataRuns } = volume;
  if (store.byteLength === 0)
    throw new UserError(quote(encodeArgument(word)), 'is empty', 'name a volume with a filesystem on it');
  context.progress().update({ phase: 'reading the metadata', unit: 'bytes' });
  const source = await openSource(
    {
      readAt: readAtOf(store, found.name),
      byteLength: store.byteLength,
      source: found.name,
      changeMark: found.changeMark,
      ...(found.sectorSize !== undefined && { sectorSize: found.sectorSize }),
      ...(dataRuns && { dataRuns }),
    },
    filesystemOpeners,
    signal,
  );
  if (options.requireIndex) refuseUnlessIndexed(source);
  if (options.dryRun) return tellPlan(context, source);
  await using place = await openWorkplace(context.home, {
    command: `backup ${found.name}`,
    wait: options.wait === true,
    createIndex: true,
    disks: [volume.disk],
    digest: options.chunkHash ?? availableParallelism() > BUSY_PROCESSORS,
    thread: true,
    note: (text) => context.output.note(text),
  });
  await place.requireSpace(
    await neededBytes({ source, recordSize: sizes.recordSize }, { store: place.store, disk: place.disks[0] }),
  );
  context.output.note(`backing up ${quote(encodeArgument(found.name))} to ${place.station.name}`);
  const result = await run(context, place, source, found, options, sizes);
  report(context, result, (context.clock() - started) / 1000);
  return result.partial ? ExitStatus.partial : ExitStatus.done;
}

async function run(
  context: CommandContext,
  place: Workplace,
  source: VolumeSource,
  found: FoundVolume,
  options: Options,
  sizes: Sizes,
): Promise<BackupResult> {
  await using spool = await openSpool(place.temporaryPath('files'));
  const progress = context.progress();
  const disk = place.disks[0];
  const env: BackupEnvironment = {
    store: place.store,
    station: place.station,
    mover: place.mover,
    disk,
    documents: () => readLabelDocuments(),
    clock: context.clock,
    random: systemRandom,
    program: PROGRAM,
    report: teller(context),
    waitForCartridge: (message) => waitForCartridge(context, place, message, options.waitTape === true),
    isAtWork: (pid) => place.library.driveAddresses.some((one) => place.library.driveHolder(one)?.pid === pid),
  };
  try {
    return await backupVolume(
      {
        source,
        ...(options.name !== undefined && { name: options.name }),
        ...sizes,
        ...(options.cartridge && { barcodes: options.cartridge }),
        ...(options.requireIndex && { requireIndex: true }),
        snapshot: {
          provider: 'none',
          consistency: found.isDevice ? 'not mounted writable' : 'file not mounted writable',
        },
        spool,
        signal: context.signal(),
      },
      env,
    );
  } finally {
    progress.end();
  }
}

/** Walk and copy keep this many busy; a hash on one of them would cost a backup a third of its time. */
const BUSY_PROCESSORS = 2;

/** Seconds between two looks for a new cartridge. */
const LOOK_EVERY_MS = 5000;

async function waitForCartridge(
  context: CommandContext,
  { station }: Workplace,
  message: string,
  wait: boolean,
): Promise<boolean> {
  if (!wait) return false;
  // What is in the drive is of no use here, and may be to somebody else.
  await station.unload();
  context.output.note(`${message}; waiting`);
  await sleep(LOOK_EVERY_MS, undefined, { signal: context.signal() });
  return true;
}

/** Says what the backup does. Copy and walk go on side by side: the copy is shown while there is any left. */
function teller(context: CommandContext): (event: BackupEvent) => void {
  const { output } = context;
  const progress = context.progress();
  let copied = false;
  let walked = false;
  const show = (): void => {
    if (copied) progress.update({ phase: walked ? 'writing the index to tape' : 'indexing', unit: 'bytes' });
  };
  return (event) => {
    switch (event.kind) {
      case 'copied':
        copied = event.bytes >= event.totalBytes;
        progress.update({ phase: 'copying', done: event.bytes, total: event.totalBytes, unit: 'bytes' });
        show();
        return;
      case 'walked': {
        const { inodes, inodeEstimate } = event;
        if (copied) progress.update({ phase: 'walking', done: inodes, total: inodeEstimate, unit: 'inodes' });
        return;
      }
      case 'phase':
        walked ||= event.phase === 'walked';
        show();
        if (output.json) output.value({ event: event.kind, ...event, seconds: performance.now() / 1000 });
        return;
      case 'committed':
        if (output.json) output.value({ event: event.kind, ...event, seconds: performance.now() / 1000 });
        return;
      case 'start':
        if (event.resumed) output.note(`going on with the run that stopped: ${event.chunksKept} chunks are on tape`);
        if (output.json)
          output.value({ event: 'start', set: event.set, resumed: event.resumed, totalBytes: event.totalBytes });
        return;
      case 'cartridge':
        output.note(`cartridge ${event.barcode}${event.labelled ? ', labelled' : ''}`);
        return;
      case 'note':
        output.note(event.text);
    }
  };
}

function tellPlan({ output }: CommandContext, source: VolumeSource): ExitStatus {
  const { byteLength } = source.volume;
  const stored = totalBytes(
    storedRuns(source.allocated, { volumeBytes: byteLength, blockLength: 512, gapBytes: GAP_BYTES_DEFAULT }),
  );
  const reason = notIndexedReason(source);
  const plan = {
    volume: source.volume.source,
    identity: source.identity,
    filesystem: source.disk === undefined ? (source.parts[0].described?.type ?? null) : null,
    ...(source.disk && { disk: { type: source.disk.type, id: source.disk.id, notes: source.disk.notes } }),
    filesystems: source.parts.map(planOfPart),
    indexed: reason === null,
    reason,
    allocatedBytes: totalBytes(source.allocated),
    storedBytes: stored,
    inodes: inodeEstimateOf(source),
  };
  if (output.json) output.value(plan);
  else {
    const what = source.disk === undefined ? (plan.filesystem ?? 'no known filesystem') : `${source.disk.type} disk`;
    output.line(
      `${quote(encodeArgument(plan.volume))}: ${what}, ${formatBytes(byteLength)}, ${formatBytes(plan.allocatedBytes)} allocated`,
    );
    if (source.disk !== undefined) for (const part of plan.filesystems) output.line(`  ${partLine(part)}`);
    for (const note of source.disk?.notes ?? []) output.note(`note: ${safeText(note)}`);
    const single = plan.indexed ? `about ${plan.inodes} inodes indexed` : `one item, because ${plan.reason}`;
    const items = source.disk === undefined ? single : `about ${plan.inodes} inodes indexed`;
    output.line(`to tape: ${formatBytes(stored)}; ${items}`);
    for (const [drive, floor] of [
      ['LTO-9', 300e6],
      ['LTO-6', 160e6],
    ] as const)
      output.line(`at ${drive}'s native rate: ${formatSeconds(stored / floor)}`);
  }
  return reason === null ? ExitStatus.done : ExitStatus.partial;
}

const planOfPart = ({ number, path, described, filesystem, map, reason }: SourcePart) => ({
  number,
  path: path ?? null,
  type: described?.type ?? 'unknown',
  uuid: described?.uuid ?? '',
  label: described?.label ?? '',
  byteLength: map.byteLength,
  inodes: filesystem?.inodeEstimate ?? 0,
  reason,
});

function partLine({ path, type, label, byteLength, reason }: ReturnType<typeof planOfPart>): string {
  const named = label === '' ? '' : ` "${safeText(label)}"`;
  const what = byteLength === 0 ? 'not read' : `${safeText(type)}${named}, ${formatBytes(byteLength)}`;
  const why = reason === null ? '' : `; one item, because ${safeText(reason)}`;
  return `${safeText(path ?? '/').padEnd(16)} ${what}${byteLength === 0 ? `: ${safeText(reason ?? '')}` : why}`;
}

function report({ output }: CommandContext, { manifest, partial, resumed }: BackupResult, seconds: number): void {
  if (output.json) {
    output.value({ event: 'result', ...manifest, resumed, partial, seconds });
    return;
  }
  const { set, volume, storedBytes, cartridges, chunks, filesystems, disk } = manifest;
  const entries = filesystems.reduce((sum, one) => sum + one.entries, 0);
  output.line(
    `set ${set.slice(0, 8)} of ${volume.name}: ${entries} entries, ${formatBytes(storedBytes)} in ${chunks.length} chunks on ${cartridges.map(({ barcode }) => barcode).join(', ')}, ${seconds.toFixed(1)} s`,
  );
  for (const note of disk?.notes ?? []) output.note(`note: ${safeText(note)}`);
  for (const filesystem of filesystems) for (const line of notesOf(filesystem, manifest)) output.note(line);
}

/** What the user must know of a filesystem of the set. */
function notesOf({ path, notes, reason, problems }: FilesystemRecord, { set, volume }: Manifest): string[] {
  const where = path === undefined ? '' : `${path}: `;
  const out = notes.map((note) => `note: ${where}${safeText(note)}`);
  const what = path ?? quote(encodeArgument(volume.source));
  if (reason !== null)
    out.push(
      `${what}: copied whole, not indexed file by file: ${safeText(reason)}; \`reelmap restore-volume\` brings it back`,
    );
  else if (problems > 0)
    out.push(
      `${where}${problems} entries could not be backed up exactly; \`reelmap find --problems --set ${set.slice(0, 8)}\` lists them`,
    );
  return out;
}
