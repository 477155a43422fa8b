/** `reelmap status`: who uses drives and index, since when, and backups that were begun and are not finished. */
import type { LockHolder } from '../../storage/process-lock.ts';
import { chunks as chunksOf } from '../../tape-index/chunks.ts';
import { listRuns, type RunRecord } from '../../tape-index/records.ts';
import { type Holder, readHolder } from '../../tape-index/store-files.ts';
import type { CommandContext, CommandModule } from '../command.ts';
import { ExitStatus } from '../exit.ts';
import { hasIndex, lostIndex } from '../lost-index.ts';
import { formatBytes } from '../progress.ts';
import { quote, safeText } from '../quoting.ts';
import { indexFolder } from '../state.ts';
import { libraryOf } from '../tape-library.ts';

export const define: CommandModule['define'] = (command, act) => {
  command.addHelpText('after', '\nExample:\n  reelmap status').action(() => {
    act(status);
  });
};

type User = Pick<LockHolder, 'pid' | 'command' | 'since'>;

interface DriveStatus {
  readonly drive: number;
  readonly cartridge: string | null;
  readonly usedBy: User | null;
}

interface RunStatus {
  readonly set: string;
  readonly volume: string;
  readonly source: string;
  readonly startedAt: string;
  readonly updatedAt: string;
  readonly committedChunks: number;
  readonly committedBytes: number;
  readonly cartridges: readonly string[];
  /** The process that works on it; null: it was stopped, and the same backup goes on with it. */
  readonly pid: number | null;
}

interface IndexStatus {
  readonly usedBy: User | null;
  readonly runs: readonly RunStatus[];
}

async function status({ home, output }: CommandContext): Promise<ExitStatus> {
  const lost = await lostIndex(home);
  const drives = drivesOf(home);
  const index = hasIndex(home) ? await indexOf(home, drives) : undefined;
  if (output.json) {
    output.value({ home, drives, index: index ? { usedBy: index.usedBy } : null, runs: index?.runs ?? [] });
    return ExitStatus.done;
  }
  output.line(`state      ${quote(Buffer.from(home))}`);
  for (const { drive, cartridge, usedBy } of drives)
    output.line(`drive ${drive}    ${cartridge ?? 'empty'}, ${userText(usedBy)}`);
  if (drives.length === 0) output.line('library    none yet');
  if (lost !== undefined) output.line(`index      ${lost.what}; ${lost.remedy}`);
  else output.line(`index      ${index === undefined ? 'none yet' : userText(index.usedBy)}`);
  for (const run of index?.runs ?? []) output.line(runText(run));
  return ExitStatus.done;
}

const userText = (user: User | null): string =>
  user === null
    ? 'not in use'
    : `used by process ${user.pid} (${safeText(user.command)}) since ${safeText(user.since)}`;

function drivesOf(home: string): DriveStatus[] {
  const library = libraryOf(home);
  if (library === undefined) return [];
  const places = library.inventory();
  return library.driveAddresses.map((address, drive) => ({
    drive,
    cartridge: places.find((one) => one.address === address)?.barcode ?? null,
    usedBy: userOf(library.driveHolder(address)),
  }));
}

const userOf = (holder: LockHolder | Holder | undefined): User | null =>
  holder === undefined ? null : { pid: holder.pid, command: holder.command, since: holder.since };

async function indexOf(home: string, drives: readonly DriveStatus[]): Promise<IndexStatus> {
  const { openStore } = await import('../../tape-index/level-store.ts');
  await using store = await openStore(indexFolder(home), { command: 'status' });
  const usedBy = store.shared ? userOf(readHolder(indexFolder(home))) : null;
  const runs: RunStatus[] = [];
  for (const run of await listRuns(store)) runs.push(await runStatus(run, drives, await chunksOf(store, run.set)));
  return { usedBy, runs };
}

/** A run whose process has a drive is at work; a process id alone may be another's by now. */
function runStatus(
  run: RunRecord,
  drives: readonly DriveStatus[],
  chunks: readonly { readonly storedBytes: number }[],
): RunStatus {
  const { set, volume, startedAt, updatedAt, committedChunks, pid, detail } = run;
  const cartridges = Array.isArray(detail.cartridges) ? detail.cartridges : [];
  return {
    set,
    volume: volume.name,
    source: volume.source,
    startedAt,
    updatedAt,
    committedChunks,
    committedBytes: chunks.reduce((sum, { storedBytes }) => sum + storedBytes, 0),
    cartridges: cartridges.map((one: { readonly barcode?: unknown }) => String(one.barcode)),
    pid: drives.some(({ usedBy }) => usedBy?.pid === pid) ? pid : null,
  };
}

function runText(run: RunStatus): string {
  const { volume, source, startedAt, committedChunks, committedBytes, cartridges, pid } = run;
  const on = cartridges.length > 0 ? ` on ${safeText(cartridges.join(', '))}` : '';
  const how =
    pid === null
      ? 'stopped; the same `reelmap backup` goes on with it, `reelmap backup --abandon` gives it up'
      : `process ${pid} works on it`;
  return (
    `backup     of ${safeText(volume)} (${quote(Buffer.from(source))}) since ${startedAt}: ` +
    `${committedChunks} chunks, ${formatBytes(committedBytes)} safe${on}; ${how}`
  );
}
