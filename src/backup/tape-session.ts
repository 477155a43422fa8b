/**
 * A backup's hold on its cartridges: which one is in the drive, where the next tape file begins, what closes a full one.
 *
 * Invariants
 * - `object` is where the next tape file begins, and the drive stands there between tape files.
 * - Nothing before `object` is overwritten, and on WORM nothing at all.
 * - A cartridge's record in the store never names an object behind its last synchronous mark.
 */
import { FormatError } from '../bytes/errors.ts';
import { FORMAT_VERSION } from '../bytes/manifest.ts';
import { toHex } from '../bytes/random.ts';
import type { Bytes, TapeObject } from '../bytes/units.ts';
import { newCartridgeRecord } from '../library/cartridge-record.ts';
import { type CartridgeContent, labelCartridge, readCartridge } from '../library/label-cartridge.ts';
import { type CartridgeFile, type EndOfCartridge, endOfCartridgeMembers } from '../tape/archive/end-of-cartridge.ts';
import type { Label } from '../tape/archive/label.ts';
import { archiveRecords, type Member } from '../tape/archive/members.ts';
import { type CartridgeRecord, type CartridgeState, listCartridges, putCartridge } from '../tape-index/records.ts';
import type { BackupEnvironment } from './environment.ts';
import { reconcile } from './reconcile.ts';
import { writeFailure } from './write-failure.ts';

export interface SessionOptions {
  readonly recordSize: Bytes;
  /** Only these cartridges, in this order; empty: any in the library. */
  readonly barcodes: readonly string[];
  readonly pool: string;
}

/** Why a cartridge was passed over. */
interface Refusal {
  readonly barcode: string;
  readonly reason: string;
}

/** What became of a tape file written by the host. `failed`: the cartridge is closed, and none is open. */
export type ArchiveOutcome =
  | { readonly kind: 'written'; readonly object: TapeObject }
  | { readonly kind: 'no-room' }
  | { readonly kind: 'failed' };

/** Refusals that are named one by one; more are counted. */
const REFUSALS_NAMED_MAX = 8;

export class TapeSession {
  readonly #env: BackupEnvironment;
  readonly #options: SessionOptions;
  #record: CartridgeRecord | undefined;
  #object: TapeObject = 0;
  #worm = false;
  /** First object behind the label of the cartridge in use. */
  #labelEnd: TapeObject = 0;
  /** Cartridges that could not be labelled: not tried again by this run. */
  readonly #unusable = new Map<string, string>();

  constructor(env: BackupEnvironment, options: SessionOptions) {
    this.#env = env;
    this.#options = options;
  }

  /** The cartridge in use. */
  get cartridge(): CartridgeRecord {
    if (this.#record === undefined) throw new Error('no cartridge is open');
    return this.#record;
  }
  get isOpen(): boolean {
    return this.#record !== undefined;
  }
  get object(): TapeObject {
    return this.#object;
  }
  /** Nothing on it but its label: a chunk that does not fit here fits nowhere. */
  get isEmpty(): boolean {
    return this.#record !== undefined && this.#object === this.#labelEnd;
  }

  /** Loads a cartridge that can be written, labelling a blank one. Stands at its append position. */
  async openNext(): Promise<void> {
    for (;;) {
      const refused = await this.#tryAll();
      if (refused === undefined) return;
      const message = `no cartridge left to write to (${refusalWords(refused)}); add a blank one and run the same command again`;
      if (!(await this.#env.waitForCartridge(message))) throw new FormatError('io', 'tape library', message);
    }
  }

  /**
   * Loads the cartridge that a run was writing, unless it was closed since or cannot be had: then none is open, and the run
   * goes on with another.
   */
  async reopenIfAppendable(id: string): Promise<void> {
    const record = (await listCartridges(this.#env.store)).find((one) => one.id === id);
    if (record?.state !== 'append') return;
    const { barcode } = record;
    const within = await this.#env.station.barcodes();
    const refusal = within.includes(barcode) ? await this.#open(barcode) : 'not in the library';
    if (refusal === undefined) return;
    this.#env.report({ kind: 'note', text: `cartridge ${barcode}: ${refusal}; the run goes on with another` });
  }

  async #tryAll(): Promise<readonly Refusal[] | undefined> {
    const { usable, refused } = await this.#candidates();
    for (const barcode of usable) {
      const reason = await this.#open(barcode);
      if (reason === undefined) return undefined;
      refused.push({ barcode, reason });
    }
    return refused;
  }

  /** Barcodes worth a try, those already being filled first, then those the index does not know; and why the others are not. */
  async #candidates(): Promise<{ readonly usable: readonly string[]; readonly refused: Refusal[] }> {
    const known = new Map((await listCartridges(this.#env.store)).map((record) => [record.barcode, record]));
    const { barcodes } = this.#options;
    const within = await this.#env.station.barcodes();
    const usable: string[] = [];
    const refused: Refusal[] = [];
    for (const barcode of barcodes.length > 0 ? barcodes : within) {
      const state = known.get(barcode)?.state ?? 'blank';
      const reason =
        this.#unusable.get(barcode) ??
        (within.includes(barcode) ? (isOpen(state) ? undefined : STATE_WORDS[state]) : 'not in the library');
      if (reason === undefined) usable.push(barcode);
      else refused.push({ barcode, reason });
    }
    const loaded = await this.#env.station.loaded();
    const rank = (barcode: string): number => (known.get(barcode)?.state !== 'append' ? 2 : barcode === loaded ? 0 : 1);
    return { usable: usable.sort((a, b) => rank(a) - rank(b)), refused };
  }

  /** Loads, checks the label, finds the append position. Answers why not, or nothing. */
  async #open(barcode: string): Promise<string | undefined> {
    const { station, store } = this.#env;
    await station.load(barcode);
    const medium = await station.drive.medium();
    if (medium.writeProtected) return 'write protected';
    this.#worm = medium.worm;
    const content = await readCartridge(station.drive, barcode);
    if (content.kind === 'labelled') return this.#openLabelled(barcode, content);
    const begun = (await listCartridges(store)).find((one) => one.barcode === barcode && one.state === 'blank');
    if (content.kind === 'foreign' && !(content.damaged && begun !== undefined)) return `not ours: ${content.what}`;
    if (content.kind === 'foreign' && this.#worm) return 'its label was cut short, and it is write-once';
    try {
      return await this.#label(barcode, begun?.id);
    } catch (error) {
      const failure = writeFailure(error) ?? (error instanceof FormatError ? error.what : undefined);
      if (failure === undefined) throw error;
      this.#unusable.set(barcode, failure);
      this.#env.report({ kind: 'note', text: `cartridge ${barcode} cannot be labelled: ${failure}` });
      return failure;
    }
  }

  /**
   * Labels a blank cartridge. The store is told before: a label that a crash cuts short is then known to be ours, with
   * nothing behind it.
   */
  async #label(barcode: string, begun: string | undefined): Promise<undefined> {
    const { env, options } = { env: this.#env, options: this.#options };
    const cartridge = begun ?? toHex(env.random(16));
    if (begun === undefined)
      await env.store.batch([putCartridge(this.#blankRecord(cartridge, barcode))], { sync: true });
    const { label, labelEnd } = await labelCartridge(
      env.station.drive,
      { barcode, recordSize: options.recordSize, pool: options.pool, program: env.program, cartridge },
      await env.documents(),
      env.clock,
      env.random,
    );
    this.#labelEnd = labelEnd;
    this.#record = this.#newRecord(label, labelEnd);
    await this.#save(this.#record);
    this.#object = labelEnd;
    env.report({ kind: 'cartridge', barcode, labelled: true });
    return undefined;
  }

  async #openLabelled(
    barcode: string,
    { label, labelEnd }: Extract<CartridgeContent, { kind: 'labelled' }>,
  ): Promise<string | undefined> {
    const { store, station } = this.#env;
    if (label.barcode !== barcode) return `its label says ${label.barcode}`;
    if (label.recordSize !== this.#options.recordSize) return `has records of ${label.recordSize} bytes`;
    const known = (await listCartridges(store)).find((one) => one.id === label.cartridge);
    const labelOnly = known === undefined || known.state === 'blank';
    if (labelOnly && (await this.endOfData()) !== labelEnd)
      return 'labelled, holds data, and is not in the index; run `reelmap index rebuild` first';
    if (!labelOnly && known.state !== 'append') return `marked ${known.state}`;
    const found = labelOnly ? this.#newRecord(label, labelEnd) : known;
    const reconciled = await reconcile(station.drive, store, found);
    if (reconciled.kind === 'refused') return reconciled.reason;
    const { record, imported, next } = reconciled;
    for (const { set, volume } of imported)
      this.#env.report({
        kind: 'note',
        text: `set ${set.slice(0, 8)} of ${volume.name} was whole on ${barcode}: kept`,
      });
    if (record !== known) await this.#save(record, next);
    if (record.state !== 'append') return STATE_WORDS[record.state];
    if (!(await station.drive.locate(record.endObject))) {
      return `ends before object ${record.endObject}, where the index says data is; was it written elsewhere? run \`reelmap verify\``;
    }
    this.#labelEnd = labelEnd;
    this.#record = record;
    this.#object = record.endObject;
    this.#env.report({ kind: 'cartridge', barcode, labelled: false });
    return undefined;
  }

  #newRecord(label: Pick<Label, 'cartridge' | 'barcode' | 'createdAt'>, labelEnd: TapeObject): CartridgeRecord {
    return newCartridgeRecord(label, labelEnd, this.#worm, new Date(this.#env.clock()).toISOString());
  }

  /** `promised`: a cartridge that an end file names and that is to get this id with its label. */
  async #save(record: CartridgeRecord, promised: EndOfCartridge['next'] = null): Promise<void> {
    const known = (await listCartridges(this.#env.store)).some(({ barcode }) => barcode === promised?.barcode);
    const blank = promised === null || known ? [] : [putCartridge(this.#blankRecord(promised.id, promised.barcode))];
    await this.#env.store.batch([putCartridge(record), ...blank], { sync: true });
  }

  #blankRecord(cartridge: string, barcode: string): CartridgeRecord {
    const createdAt = new Date(this.#env.clock()).toISOString();
    return { ...this.#newRecord({ cartridge, barcode, createdAt }, 0), state: 'blank' };
  }

  /** First object behind everything on the cartridge. Leaves the drive there. */
  async endOfData(): Promise<TapeObject> {
    await this.#env.station.drive.locateEndOfData();
    return (await this.#env.station.drive.position()).object;
  }

  /**
   * Stands where the next tape file is to begin. On WORM that is the end of data, a fragment closed by a filemark; else
   * `object`, and what follows it will be overwritten.
   */
  async standAtAppend(): Promise<void> {
    const { drive } = this.#env.station;
    if (this.#worm) {
      const end = await this.endOfData();
      if (end > this.#object) {
        await drive.writeFilemarks(1, { immediate: true });
        this.#object = (await drive.position()).object;
      }
      return;
    }
    const { object } = await drive.position();
    if (object !== this.#object && !(await drive.locate(this.#object))) {
      throw new FormatError('corrupt', `cartridge ${this.cartridge.barcode}`, `ends before object ${this.#object}`);
    }
  }

  /** The tape file that began at `object` is whole; the next begins at `next`. */
  advance(next: TapeObject): void {
    this.#object = next;
  }

  /** Gives up the tape file that began at `object`: it will be overwritten. */
  async giveUp(): Promise<void> {
    await this.standAtAppend();
  }

  /** Bytes that fit before early warning and in all, as far as the drive says. */
  async room(): Promise<{ readonly remaining: Bytes | undefined; readonly capacity: Bytes | undefined }> {
    const attributes = await this.#env.station.drive.attributes();
    return { remaining: attributes.remainingCapacity, capacity: attributes.maximumCapacity };
  }

  /**
   * Writes one archive as a tape file, its filemark synchronous. Early warning does not stop it; the physical end does, and
   * then the file is given up. A write error closes the cartridge.
   */
  async writeArchive(members: AsyncIterable<Member> | Iterable<Member>): Promise<ArchiveOutcome> {
    await this.standAtAppend();
    const object = this.#object;
    const words = await this.#writeTapeFile(members);
    if (words === undefined) {
      this.#object = (await this.#env.station.drive.position()).object;
      return { kind: 'written', object };
    }
    if (words === 'end-of-medium') {
      await this.giveUp();
      return { kind: 'no-room' };
    }
    await this.closeFailed(words.failure);
    return { kind: 'failed' };
  }

  async #writeTapeFile(
    members: AsyncIterable<Member> | Iterable<Member>,
  ): Promise<undefined | 'end-of-medium' | { readonly failure: string }> {
    const { drive } = this.#env.station;
    try {
      for await (const record of archiveRecords(members, this.#options.recordSize)) {
        if ((await drive.write(record)) === 'end-of-medium') return 'end-of-medium';
      }
      const end = await drive.writeFilemarks(1, { immediate: false });
      return end === 'end-of-medium' ? end : undefined;
    } catch (error) {
      const failure = writeFailure(error);
      if (failure === undefined) throw error;
      return { failure };
    }
  }

  /** All buffered data is on the medium when this resolves with nothing; else it says why it is not, and may not be. */
  async synchronise(): Promise<string | undefined> {
    try {
      const outcome = await this.#env.station.drive.writeFilemarks(0, { immediate: false });
      return outcome === 'end-of-medium'
        ? 'the end of the medium came before all buffered data was written'
        : undefined;
    } catch (error) {
      const failure = writeFailure(error);
      if (failure === undefined) throw error;
      return failure;
    }
  }

  /** The record of the cartridge with what is committed on it now. */
  committedRecord(changes: Partial<CartridgeRecord> = {}): CartridgeRecord {
    this.#record = {
      ...this.cartridge,
      endObject: this.#object,
      updatedAt: new Date(this.#env.clock()).toISOString(),
      ...changes,
    };
    return this.#record;
  }

  /** The index file of `set` that was just written at `object`, for the cartridge's record. */
  indexWritten(object: TapeObject, set: string): void {
    const { indexFiles = [] } = this.cartridge;
    this.committedRecord({ lastIndexObject: object, indexFiles: [...indexFiles, { object, set }] });
  }

  /** Closes a full cartridge: its table of contents, and where the set goes on. */
  async closeFull(files: readonly CartridgeFile[]): Promise<void> {
    const { id, barcode, lastIndexObject } = this.cartridge;
    const next = await this.#nextCartridge();
    const outcome = await this.writeArchive(
      endOfCartridgeMembers({
        format: FORMAT_VERSION,
        cartridge: id,
        barcode,
        closedAt: new Date(this.#env.clock()).toISOString(),
        next,
        previousIndexObject: lastIndexObject,
        files,
      }),
    );
    if (outcome.kind === 'failed') return;
    const last = outcome.kind === 'written' ? outcome.object : lastIndexObject;
    await this.#save(this.committedRecord({ state: 'full', lastIndexObject: last }), next);
    this.#record = undefined;
  }

  /** The cartridge that will probably be next, so that the tape itself says where the set goes on. */
  async #nextCartridge(): Promise<EndOfCartridge['next']> {
    const { usable } = await this.#candidates();
    const barcode = usable.find((one) => one !== this.cartridge.barcode);
    if (barcode === undefined) return null;
    const known = (await listCartridges(this.#env.store)).find((record) => record.barcode === barcode);
    return { id: known?.id ?? toHex(this.#env.random(16)), barcode };
  }

  /** Flags a cartridge that could not be written; it ends at its last committed mark. */
  async closeFailed(words: string): Promise<void> {
    await this.#save({ ...this.cartridge, state: 'error', reason: words });
    this.#env.report({
      kind: 'note',
      text: `cartridge ${this.cartridge.barcode}: ${words}; closed at its last committed mark`,
    });
    this.#record = undefined;
  }
}

const isOpen = (state: CartridgeState): state is 'append' | 'blank' => state === 'append' || state === 'blank';

const STATE_WORDS: Readonly<Record<Exclude<CartridgeState, 'append'>, string>> = {
  blank: 'blank',
  full: 'full',
  error: 'closed after a write error',
  'read-only': 'only to be read',
  missing: 'missing',
};

function refusalWords(refused: readonly Refusal[]): string {
  if (refused.length === 0) return 'the library is empty';
  const named = refused.slice(0, REFUSALS_NAMED_MAX).map(({ barcode, reason }) => `${barcode}: ${reason}`);
  const more = refused.length - named.length;
  return [...named, ...(more > 0 ? [`${more} more`] : [])].join('; ');
}
