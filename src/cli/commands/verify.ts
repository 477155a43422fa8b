/** `reelmap verify SET`: reads the tape back and says what is proven and what is lost. */
import { UserError } from '../../bytes/errors.ts';
import { readAtOf } from '../../filesystem/volume.ts';
import { openFileStore } from '../../storage/file-store.ts';
import { checkSet } from '../../tape-index/check.ts';
import type { KvStore } from '../../tape-index/kv-store.ts';
import { putProofs } from '../../tape-index/records.ts';
import { listSets, openSet, type StoredSet, wholeManifest } from '../../tape-index/sets.ts';
import { type VerifyResult, verifySet } from '../../verify/verify.ts';
import type { CommandContext, CommandModule } from '../command.ts';
import { ExitStatus } from '../exit.ts';
import { formatBytes } from '../progress.ts';
import { jsonBytes, quote } from '../quoting.ts';
import { resolveSet } from '../set-spec.ts';
import { findVolume } from '../volume.ts';
import { openWorkplace } from '../workplace.ts';

interface Options {
  readonly against?: string;
  readonly wait?: boolean;
}

export const define: CommandModule['define'] = (command, act) => {
  command
    .argument('<set>', 'an id, a prefix of one, NAME, NAME@latest, NAME@DATE, or latest')
    .option('--against <volume>', 'compare with the volume, unchanged since the backup')
    .option('--wait', 'wait for a busy drive or index')
    .addHelpText('after', '\nExample:\n  reelmap verify home@latest')
    .action((set: string, options: Options) => {
      act((context) => verify(context, set, options));
    });
};

async function verify(context: CommandContext, word: string, options: Options): Promise<ExitStatus> {
  const { output } = context;
  await using place = await openWorkplace(context.home, {
    command: `verify ${word}`,
    wait: options.wait === true,
    disks: [],
    note: output.note,
    signal: context.signal(),
  });
  const sets = await listSets(place.store);
  const record = resolveSet(
    word,
    sets.map((set) => set.manifest),
  );
  const stored = sets.find((set) => set.manifest.set === record.set) as StoredSet;
  const manifest = await wholeManifest(place.store, stored);
  const found = options.against === undefined ? undefined : findVolume(options.against);
  await using volume =
    found === undefined ? undefined : await openFileStore(found.path, { writable: false, direct: 'bulk' });
  if (volume !== undefined && volume.byteLength !== manifest.volume.byteLength) {
    throw new UserError(
      options.against ?? '',
      `is ${volume.byteLength} bytes, the set's volume ${manifest.volume.byteLength}`,
      'name the volume that was backed up',
    );
  }
  const progress = context.progress();
  const checked = (rows: number): void => progress.update({ phase: 'checking the index', done: rows, unit: 'rows' });
  const index = await checkSet(place.store, manifest, { checked, signal: context.signal() });
  const result = await verifySet({
    manifest,
    index: await openSet(place.store, stored),
    station: place.station,
    ...(volume && found && { against: readAtOf(volume, found.path) }),
    progress: (done, total) => progress.update({ phase: 'verifying', done, total, unit: 'bytes' }),
    looked: (entries) => progress.update({ phase: 'looking for what is lost', done: entries, unit: 'entries' }),
    signal: context.signal(),
  });
  progress.end();
  await recordProof(place.store, manifest.set, result, new Date(context.clock()).toISOString());
  report(context, manifest.set, result, index.problems);
  return result.damaged.length > 0 || !index.whole ? ExitStatus.partial : ExitStatus.done;
}

/** What was found of the set, and of each file that is not so well: unless these are too many to list. */
async function recordProof(store: KvStore, set: string, result: VerifyResult, at: string): Promise<void> {
  const { level, damaged, files, fileCount } = result;
  const reason = damaged.length > 0 ? `${damaged.length} damaged ranges, ${fileCount} files affected` : null;
  // Damage outside of files (metadata, and of sets that are not indexed) has no file to be told of.
  const told = damaged.length === 0 || (fileCount > 0 && fileCount === files.length);
  await putProofs(
    store,
    set,
    { level: told ? level : 'damaged', at, reason },
    told ? files.map((file) => ({ ...file, proof: { level: 'damaged' as const, at, reason: file.reason } })) : [],
  );
}

function report({ output }: CommandContext, set: string, result: VerifyResult, indexProblems: readonly string[]): void {
  const { level, records, bytes, damaged, files, fileCount } = result;
  if (output.json) {
    output.value({
      event: 'result',
      set,
      level: damaged.length > 0 ? 'damaged' : level,
      records,
      bytes,
      damaged,
      indexProblems,
      fileCount,
      files: files.map(({ path, inode, reason }) => ({ ...jsonBytes('path', join(path)), inode, reason })),
    });
    return;
  }
  for (const problem of indexProblems) output.line(`index: ${problem}`);
  for (const range of damaged.slice(0, 100)) {
    output.line(
      `damaged: cartridge ${range.cartridge}, object ${range.object}: ${range.reason} (${range.byteLength} bytes of the volume at ${range.volumeOffset})`,
    );
  }
  for (const { path, reason } of files.slice(0, 100)) output.line(`lost: ${quote(join(path))}: ${reason}`);
  if (fileCount > 100) output.line(`... and ${fileCount - Math.min(100, files.length)} more files`);
  const verdict =
    damaged.length > 0
      ? `${damaged.length} damaged ranges, ${fileCount} files affected; everything else can be restored`
      : level;
  output.line(`set ${set.slice(0, 8)}: ${records} records, ${formatBytes(bytes)} read: ${verdict}`);
}

const SLASH = Uint8Array.of(0x2f);
const join = (names: readonly Uint8Array[]): Uint8Array =>
  new Uint8Array(Buffer.concat(names.flatMap((name) => [SLASH, name])));
