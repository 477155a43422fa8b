/**
 * Files and directories from tape to a folder: what is wanted, the plan, the reads, and everything that is made of them.
 *
 * Order: directories (closed), files in tape order, pipes and devices, symbolic links, further names, and last the
 * attributes of directories, deepest first.
 */
import { UserError } from '../bytes/errors.ts';
import type { Bytes } from '../bytes/units.ts';
import { planRestore, type RestorePlan, WantedExtents } from '../plan/restore-plan.ts';
import { FileType } from '../tape-index/entry.ts';
import { createBreath } from './breath.ts';
import { type Collected, collect, type RestoreIndex, type Selection } from './collect.ts';
import { Destination, reasonOf } from './destination.ts';
import { FileSink } from './file-sink.ts';
import type { RestoreJob } from './job.ts';
import { type Journal, openJournal } from './journal.ts';
import { type CartridgeSource, type PieceSink, readPlan } from './read-plan.ts';
import { splitPath } from './split-path.ts';

export interface RestoreOptions {
  /** Bytes between two reads of one cartridge that are read rather than located over. */
  readonly gapBytesMax: Bytes;
  /** Lower: better reached. */
  readonly rank?: (cartridge: string) => number;
  readonly signal?: AbortSignal;
}

export interface RestoreRequest extends RestoreOptions {
  readonly index: RestoreIndex;
  readonly cartridges: CartridgeSource;
  /** Set id. */
  readonly set: string;
  readonly selection: Selection;
  /** Folder, bytes; made when it is not there. */
  readonly destination: Uint8Array;
  /** Replace what is there. */
  readonly overwrite: boolean;
  readonly progress?: (state: RestoreProgress) => void;
}

export interface RestoreProgress {
  readonly phase: 'looking up' | 'making directories' | 'restoring' | 'making links' | 'finishing directories';
  readonly unit: 'bytes' | 'entries';
  /** Bytes of files or entries, so far and, where that is known, in all. */
  readonly done: number;
  readonly total?: number;
  /** What is being read: `cartridge RM0001L9`. */
  readonly label?: string;
}

export interface RestoreOutcome {
  readonly files: number;
  readonly directories: number;
  readonly links: number;
  readonly specials: number;
  /** Entries that an earlier, interrupted run had finished. */
  readonly kept: number;
  /** Content written. */
  readonly bytes: Bytes;
  /** Records read, and those of them that were only passed. */
  readonly records: number;
  readonly gapRecords: number;
  readonly recordSize: Bytes;
  readonly cartridges: readonly string[];
  /** Most of them; the counts are whole. */
  readonly problems: readonly {
    readonly path: Uint8Array;
    readonly kind: 'lost' | 'inexact';
    readonly reason: string;
  }[];
  readonly lost: number;
  readonly inexact: number;
  /** Reasons among the problems that are those of a whole cartridge. */
  readonly unreached: readonly string[];
  readonly ownersNotSet: number;
}

export interface PlannedRestore extends Collected {
  readonly plan: RestorePlan;
}

/** What a restore would do. Reads the index, touches nothing. */
export async function planFiles(
  index: RestoreIndex,
  selection: Selection,
  options: RestoreOptions,
): Promise<PlannedRestore> {
  const collected = await collect(index, selection, options.signal);
  return { ...collected, plan: await planRestore(collected.job.wanted, index, options) };
}

/**
 * Restores. Damage costs only the files that have it; the outcome lists them.
 * @throws UserError when a path is not in the set, the destination is taken, or nothing more can be written
 */
export async function restoreFiles(request: RestoreRequest): Promise<RestoreOutcome> {
  const { selection, signal } = request;
  const { job, targets } = await collect(request.index, selection, signal, (done) =>
    request.progress?.({ phase: 'looking up', unit: 'entries', done }),
  );
  const label = selection.print(request.destination);
  await using destination = new Destination(request.destination, { label, job, replace: request.overwrite });
  destination.lock();
  const journal = needsJournal(job)
    ? openJournal(destination.descriptor, { ...selection, set: request.set })
    : undefined;
  const run = new RestoreRun(request, job, destination, journal);
  if (!request.overwrite && journal?.resumed !== true) {
    try {
      refuseTaken(targets, job, destination, selection);
    } catch (error) {
      journal?.remove();
      throw error;
    }
  }
  return await run.run(); // the destination is closed after it
}

/** One file is whole or not there: nothing to remember. */
const needsJournal = (job: RestoreJob): boolean => job.count > 2;

function refuseTaken(
  targets: readonly number[],
  job: RestoreJob,
  destination: Destination,
  selection: Selection,
): void {
  for (const node of targets) {
    if (destination.stat(node) === undefined) continue;
    const path = selection.print(job.path(node));
    throw new UserError(path, 'exists in the destination', 'use --overwrite, or name another folder with --to');
  }
}

/** Entries between two words of progress. */
const TELL_EVERY = 1024;

interface Made {
  readonly links: number;
  readonly specials: number;
}

class RestoreRun {
  readonly #request: RestoreRequest;
  readonly #job: RestoreJob;
  readonly #destination: Destination;
  readonly #journal: Journal | undefined;
  readonly #files: FileSink;
  readonly #cartridges = new Set<string>();
  readonly #unreached = new Set<string>();
  readonly #breath: () => Promise<void> | undefined;
  #kept = 0;
  #bytes = 0;
  #records = 0;
  #gapRecords = 0;

  constructor(request: RestoreRequest, job: RestoreJob, destination: Destination, journal: Journal | undefined) {
    this.#request = request;
    this.#job = job;
    this.#destination = destination;
    this.#journal = journal;
    this.#files = new FileSink(job, destination);
    this.#breath = createBreath(request.signal);
  }

  async run(): Promise<RestoreOutcome> {
    const job = this.#job;
    let made: Made;
    let directories: number;
    try {
      const there = this.#journal?.resumed ? await this.#finishedBefore() : new Set<number>();
      this.#kept = there.size;
      await this.#makeDirectories();
      await this.#filesWithoutTape(there);
      await this.#filesFromTape(there);
      await this.#files.flush();
      made = await this.#makeTheRest();
      directories = await this.#finishDirectories();
    } catch (error) {
      await this.#stop(error);
      throw error;
    }
    if (job.count > 2) await this.#destination.sync();
    if (job.lostCount === 0) this.#journal?.remove();
    this.#destination.unlock();
    // That changed the folder's time of change once more.
    if (this.#fillsOwnFolder() && !job.lost.has(0)) this.#attempt(0, () => this.#destination.finishDirectory(0));
    return {
      files: this.#files.finished,
      directories,
      ...made,
      kept: this.#kept,
      bytes: this.#bytes,
      records: this.#records,
      gapRecords: this.#gapRecords,
      recordSize: this.#request.index.recordSize,
      cartridges: [...this.#cartridges],
      problems: job.problems.map(({ node, kind, reason }) => ({ path: job.path(node), kind, reason })),
      lost: job.lostCount,
      inexact: job.inexactCount,
      unreached: [...this.#unreached],
      ownersNotSet: this.#destination.ownersNotSet,
    };
  }

  /** Asked to stop: what is whole gets its name first. Out of space: nothing more is tried. */
  async #stop(error: unknown): Promise<void> {
    if (this.#request.signal?.aborted && error === this.#request.signal.reason) {
      await this.#files.flush().catch(() => {});
    }
    this.#files.abandon();
  }

  /** Files that an earlier run of this restore finished. */
  async #finishedBefore(): Promise<Set<number>> {
    const job = this.#job;
    const since = this.#journal?.sinceNs ?? 0n;
    const out = new Set<number>();
    for (let node = 1; node < job.count; node++) {
      await this.#breath();
      if (job.type(node) === FileType.directory) continue;
      const there = this.#destination.stat(node);
      if (there === undefined || there.ctimeNs < since) continue;
      const { seconds, nanoseconds } = job.mtime(node);
      const sameTime = there.mtimeNs === BigInt(seconds) * 1_000_000_000n + BigInt(nanoseconds);
      const sameType = (Number(there.mode) & 0o170000) === job.type(node);
      const sameSize = job.type(node) !== FileType.regular || Number(there.size) === job.size(node);
      if (sameType && sameTime && sameSize) out.add(node);
    }
    return out;
  }

  #at(phase: RestoreProgress['phase'], done: number): void {
    this.#request.progress?.({ phase, unit: 'entries', done, total: this.#job.count });
  }

  async #makeDirectories(): Promise<void> {
    const job = this.#job;
    for (let node = 1; node < job.count; node++) {
      await this.#breath();
      if (node % TELL_EVERY === 0) this.#at('making directories', node);
      if (job.lost.has(job.parent(node))) job.lose(node, 'its directory could not be made');
      else if (job.type(node) === FileType.directory) this.#attempt(node, () => this.#destination.makeDirectory(node));
    }
  }

  /** Makes one thing; a failure costs only it. */
  #attempt(node: number, make: () => void): boolean {
    if (this.#job.lost.has(node)) return false;
    try {
      make();
      return true;
    } catch (error) {
      this.#destination.fatal(error);
      this.#job.lose(node, `cannot be made: ${reasonOf(error)}`);
      return false;
    }
  }

  /** Empty files, holes, and content that is in the index. */
  async #filesWithoutTape(there: ReadonlySet<number>): Promise<void> {
    const job = this.#job;
    let literal = 0;
    for (let node = 1; node < job.count; node++) {
      const skip = job.type(node) !== FileType.regular || job.hardLinks.has(node) || there.has(node);
      for (; literal < job.literalNode.length && job.literalNode.get(literal) <= node; literal++) {
        if (skip || job.literalNode.get(literal) !== node) continue;
        const data = literalAt(job, literal);
        this.#files.write(node, 0, job.literalOffset.get(literal), data);
        this.#bytes += data.length;
      }
      await this.#breath();
      if (skip || job.remaining.get(node) > 0) continue;
      this.#files.complete(node);
      if (this.#files.full) await this.#files.flush();
    }
  }

  async #filesFromTape(there: ReadonlySet<number>): Promise<void> {
    const { index, cartridges, gapBytesMax, rank, signal } = this.#request;
    let wanted = without(this.#job, there);
    const reasons = new Map<number, string>();
    for (let attempt = 0; wanted.count > 0; attempt++) {
      const plan = await planRestore(wanted, index, { gapBytesMax, attempt, ...(rank === undefined ? {} : { rank }) });
      this.#lose(plan.missing, () => 'part of it is not on tape: the set does not store it');
      for (let row = 0; row < plan.unknown.count; row++)
        this.#files.lose(plan.unknown.file[row], `the index does not tell where it lies: ${plan.unknownReasons[row]}`);
      this.#lose(plan.withoutCopy, (node) => reasons.get(node) ?? 'no copy of a part of it is recorded');
      this.#records += plan.records;
      this.#gapRecords += plan.gapRecords;
      for (const { cartridge } of plan.cartridges) this.#cartridges.add(cartridge);
      const failed = new WantedExtents();
      const sink = this.#pieceSink(plan, failed, reasons);
      const progress = this.#progress(plan);
      await readPlan(plan, cartridges, sink, { ...(signal === undefined ? {} : { signal }), progress });
      wanted = failed;
    }
  }

  #lose(extents: WantedExtents, reason: (node: number) => string): void {
    for (let row = 0; row < extents.count; row++) this.#files.lose(extents.file[row], reason(extents.file[row]));
  }

  #progress(plan: RestorePlan): (tapeBytes: Bytes, label: string) => void {
    const total = plan.bytes + this.#bytes;
    return (_, label) =>
      this.#request.progress?.({ phase: 'restoring', unit: 'bytes', done: this.#bytes, total, label });
  }

  #pieceSink(plan: RestorePlan, failed: WantedExtents, reasons: Map<number, string>): PieceSink {
    const { pieces } = plan;
    const job = this.#job;
    const files = this.#files;
    return {
      data: (piece, fileOffset, data) => {
        const node = pieces.file[piece];
        files.write(node, pieces.kind[piece], fileOffset, data);
        this.#bytes += data.length;
        const left = job.remaining.get(node) - data.length;
        job.remaining.set(node, left);
        if (left === 0) files.complete(node);
      },
      failed: (piece, from, length, reason) => {
        const node = pieces.file[piece];
        if (job.lost.has(node)) return;
        if (!reasons.has(node)) reasons.set(node, reason);
        failed.add(
          node,
          pieces.kind[piece],
          pieces.fileOffset[piece] + from,
          pieces.volumeOffset[piece] + from,
          length,
        );
      },
      unreached: (reason) => void this.#unreached.add(reason),
      pause: () => (files.full ? files.flush() : undefined),
    };
  }

  /** Pipes, devices and sockets; then symbolic links; then further names of whatever there is. */
  async #makeTheRest(): Promise<Made> {
    const job = this.#job;
    const there = this.#journal?.resumed ? await this.#finishedBefore() : new Set<number>();
    let links = 0;
    let specials = 0;
    const first = (node: number): boolean => !job.hardLinks.has(node) && !there.has(node);
    this.#at('making links', 0);
    for (let node = 1; node < job.count; node++) {
      const type = job.type(node);
      if (!first(node) || type === FileType.directory || type === FileType.regular || type === FileType.symlink)
        continue;
      const made = this.#attempt(node, () => {
        this.#destination.makeSpecial(node);
        this.#destination.setAttributesByName(node);
        this.#destination.publish(node);
      });
      if (made) specials++;
    }
    for (let literal = 0; literal < job.literalNode.length; literal++) {
      await this.#breath();
      const node = job.literalNode.get(literal);
      if (!first(node) || job.type(node) !== FileType.symlink) continue;
      const made = this.#attempt(node, () => {
        this.#destination.makeSymlink(node, literalAt(job, literal));
        this.#destination.setAttributesByName(node);
        this.#destination.publish(node);
      });
      if (made) links++;
    }
    for (const [node, original] of job.hardLinks) {
      await this.#breath();
      if (job.lost.has(original)) job.lose(node, 'the file that it is another name of could not be restored');
      else if (!there.has(node) && this.#attempt(node, () => this.#destination.makeHardLink(node, original))) links++;
    }
    return { links, specials };
  }

  /** Deepest first: making something in a directory changes its mtime. The folder itself only if it is ours. */
  async #finishDirectories(): Promise<number> {
    const job = this.#job;
    let count = 0;
    for (let node = job.count - 1; node >= 0; node--) {
      await this.#breath();
      if (node % TELL_EVERY === 0) this.#at('finishing directories', job.count - node);
      if (job.type(node) !== FileType.directory || job.lost.has(node)) continue;
      if (node === 0 && !this.#fillsOwnFolder()) continue;
      if (this.#attempt(node, () => this.#destination.finishDirectory(node)) && node > 0) count++;
    }
    return count;
  }

  /** `/` was restored to a folder that was not there before. */
  #fillsOwnFolder(): boolean {
    const { paths, print } = this.#request.selection;
    return this.#destination.made && paths.some((path) => splitPath(path, print).length === 0);
  }
}

function literalAt(job: RestoreJob, literal: number): Uint8Array {
  const end = literal + 1 < job.literalStart.length ? job.literalStart.get(literal + 1) : job.literalBytes.length;
  return job.literalBytes.view(job.literalStart.get(literal), end);
}

/** What of the job's extents belongs to files that are still to be made. */
function without(job: RestoreJob, there: ReadonlySet<number>): WantedExtents {
  if (there.size === 0 && job.lost.size === 0) return job.wanted;
  const { wanted } = job;
  const out = new WantedExtents();
  for (let row = 0; row < wanted.count; row++) {
    const node = wanted.file[row];
    if (there.has(node) || job.lost.has(node)) continue;
    out.add(node, wanted.kind[row], wanted.fileOffset[row], wanted.volumeOffset[row], wanted.length[row]);
  }
  return out;
}
