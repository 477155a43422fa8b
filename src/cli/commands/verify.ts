/** `reelmap verify SET`: reads the tape back and says what is proven and what is lost. */
import { FormatError, UserError } from '../../bytes/errors.ts';
import { readAtOf } from '../../filesystem/volume.ts';
import { checkChunks, checkSet } from '../../tape-index/check.ts';
import type { KvStore } from '../../tape-index/kv-store.ts';
import { getProof, type Proof, putProof } from '../../tape-index/proofs.ts';
import type { SetManifest, StoredSet } from '../../tape-index/sets.ts';
import type { VirtualLibrary } from '../../target/virtual-library/library.ts';
import { type Finding, findingText } from '../../verify/finding.ts';
import { proofOfSet } from '../../verify/proof-map.ts';
import { type UnreadRange, type VerifyResult, verifySet } from '../../verify/verify.ts';
import type { CommandContext, CommandModule } from '../command.ts';
import { ExitStatus } from '../exit.ts';
import { formatBytes } from '../progress.ts';
import { jsonBytes, quote, safeText } from '../quoting.ts';
import { findStoredSet } from '../set-spec.ts';
import { findVolume } from '../volume.ts';
import { openVolume } from '../volume-store.ts';
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
  const stored = await findStoredSet(place.store, word);
  const { manifest } = stored;
  const found = options.against === undefined ? undefined : findVolume(options.against);
  await using volume = found === undefined ? undefined : await openVolume(found, false);
  const against = volume?.store;
  if (against !== undefined && against.byteLength !== manifest.volume.byteLength) {
    throw new UserError(
      options.against ?? '',
      `is ${against.byteLength} bytes, the set's volume ${manifest.volume.byteLength}`,
      'name the volume that was backed up',
    );
  }
  const progress = context.progress();
  const checked = (rows: number): void => progress.update({ phase: 'checking the index', done: rows, unit: 'rows' });
  const { store, library } = place;
  const checks = await checkSet(store, manifest, { checked, signal: context.signal() });
  const problems = [...checks.problems, ...(await checkChunks(store, stored))];
  const warnings = await warningsOf(library, manifest);
  const at = new Date(context.clock()).toISOString();
  const result = await verifySet({
    store,
    set: stored,
    station: place.station,
    ...(against && found && { against: readAtOf(against, found.name) }),
    at,
    progress: (done, total) => progress.update({ phase: 'verifying', done, total, unit: 'bytes' }),
    looked: (entries) => progress.update({ phase: 'looking for what is lost', done: entries, unit: 'entries' }),
    signal: context.signal(),
  });
  progress.end();
  await recordProof(store, stored, result, problems, at);
  if (result.stopped !== undefined) throw result.stopped;
  report(context, manifest.set, result, { problems, warnings });
  if (result.records === 0 && result.unread.length > 0) return ExitStatus.failed;
  const told = result.findings.length + result.unread.length + problems.length + warnings.length;
  return told > 0 ? ExitStatus.partial : ExitStatus.done;
}

/** Of all cartridges together. */
const WARNINGS_MAX = 1000;

/** Damage of the virtual cartridges' maps that costs nothing yet: a drive does not tell of it. */
async function warningsOf(library: VirtualLibrary, { cartridges }: SetManifest): Promise<string[]> {
  const here = new Set(library.inventory().map(({ barcode }) => barcode));
  const out: string[] = [];
  for (const { barcode } of cartridges) {
    if (!here.has(barcode)) continue;
    try {
      await using map = await library.cartridgeMap(barcode);
      out.push(...map.warnings);
      for await (const { index, known } of map.damaged())
        if (known && out.length < WARNINGS_MAX)
          out.push(`cartridge ${barcode} map: entry ${index} is damaged; a filemark, by what its neighbours say`);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error; // the drive will tell the same
    }
  }
  return out;
}

/** What was found now; of what was not read, what had been found before. */
async function recordProof(
  store: KvStore,
  { manifest: { set, volume } }: StoredSet,
  { proven }: VerifyResult,
  problems: readonly string[],
  at: string,
): Promise<void> {
  const index: Proof =
    problems.length === 0
      ? { level: 'hash-equal', at, reason: null }
      : { level: 'damaged', at, reason: `the index: ${problems[0]}` };
  await putProof(store, set, proofOfSet(volume.byteLength, proven, await getProof(store, set), index));
}

interface BesideTape {
  readonly problems: readonly string[];
  readonly warnings: readonly string[];
}

/** Lines of one kind shown to people; --json has all. */
const SHOWN_MAX = 100;

function report({ output }: CommandContext, set: string, result: VerifyResult, beside: BesideTape): void {
  const { level, records, bytes, findings, unread, files, fileCount } = result;
  const { problems, warnings } = beside;
  if (output.json) {
    output.value({
      event: 'result',
      set,
      level,
      records,
      bytes,
      findings,
      unread,
      warnings,
      indexProblems: problems,
      fileCount,
      files: files.map(({ path, inode, reason }) => ({ ...jsonBytes('path', join(path)), inode, reason })),
    });
    return;
  }
  const lines = (all: readonly string[], more: number = all.length): void => {
    for (const line of all.slice(0, SHOWN_MAX)) output.line(safeText(line));
    if (more > SHOWN_MAX) output.line(`... and ${more - SHOWN_MAX} more (--json has them)`);
  };
  lines(problems.map((problem) => `index: ${problem}`));
  lines(warnings.map((warning) => `damaged: ${warning}`));
  lines(findings.map(findingLine));
  lines(unread.map(unreadLine));
  lines(
    files.map(({ path, reason }) => `lost: ${quote(join(path))}: ${reason}`),
    fileCount,
  );
  output.line(`set ${set.slice(0, 8)}: ${records} records, ${formatBytes(bytes)} read: ${verdict(result)}`);
}

function findingLine(finding: Finding): string {
  const { kind, volumeOffset, byteLength } = finding;
  const what = byteLength > 0 ? `${byteLength} bytes of the volume at ${volumeOffset}` : 'no content of a file';
  return `${kind === 'differs' ? 'differs' : 'damaged'}: ${findingText(finding)} (${what})`;
}

const unreadLine = ({ volumeOffset, byteLength, reason }: UnreadRange): string =>
  byteLength === 0
    ? `not read: ${reason}`
    : `not read: ${byteLength} bytes of the volume at ${volumeOffset}: ${reason}`;

function verdict({ level, findings, unread, fileCount }: VerifyResult): string {
  const damaged = findings.filter(({ kind }) => kind !== 'differs').length;
  const parts: string[] = [];
  if (level === 'damaged')
    parts.push(
      `${damaged} damaged places, ${fileCount} files lost with them; everything else can be restored. Back them up again while they are there`,
    );
  else {
    parts.push(level);
    if (damaged > 0)
      parts.push(`${damaged} damaged places cost no file; back the volume up again to have all of it whole on tape`);
  }
  if (unread.length > 0) parts.push('not all could be read');
  return parts.join('; ');
}

const SLASH = Uint8Array.of(0x2f);
const join = (names: readonly Uint8Array[]): Uint8Array =>
  new Uint8Array(Buffer.concat(names.flatMap((name) => [SLASH, name])));
