/** A tape medium with chosen faults, over any other: what a worn or short cartridge does, on demand. */
import { FormatError } from '../bytes/errors.ts';
import type { Lender } from '../bytes/lender.ts';
import type { Bytes, TapeFile, TapeObject } from '../bytes/units.ts';
import type { ReadOutcome, SpaceOutcome, TapeMedium, TapePosition, WriteOutcome } from './medium.ts';

/** By object number, filemarks counted too. */
export interface MediumFaults {
  /** This object and all after it are written with early warning. */
  readonly earlyWarningAt?: TapeObject;
  /** A record here or further on does not fit. Filemarks still do. */
  readonly endOfMediumAt?: TapeObject;
  /** Writing this object fails, each time. */
  readonly writeErrorAt?: TapeObject;
  /** These records are damaged. */
  readonly damaged?: ReadonlySet<TapeObject>;
}

export class FaultyMedium implements TapeMedium {
  readonly #inner: TapeMedium;
  /** May be changed at any time. */
  faults: MediumFaults;

  constructor(inner: TapeMedium, faults: MediumFaults = {}) {
    this.#inner = inner;
    this.faults = faults;
  }

  get writable(): boolean {
    return this.#inner.writable;
  }
  get worm(): boolean {
    return this.#inner.worm;
  }
  get capacity(): Bytes {
    return this.#inner.capacity;
  }
  get used(): Bytes {
    return this.#inner.used;
  }
  get earlyWarningZone(): Bytes {
    return this.#inner.earlyWarningZone;
  }
  get position(): TapePosition {
    const position = this.#inner.position;
    return { ...position, pastEarlyWarning: position.pastEarlyWarning || this.#warnedBefore(position.object) };
  }

  async read(into: Uint8Array): Promise<ReadOutcome> {
    const object = this.#inner.position.object;
    const outcome = await this.#inner.read(into);
    if (outcome.kind !== 'record' || !this.faults.damaged?.has(object)) return outcome;
    return { kind: 'damaged', length: outcome.length, reason: 'a fault was asked for here' };
  }

  async append(record: Uint8Array, lender?: Lender, encrypted?: boolean): Promise<WriteOutcome> {
    const object = this.#inner.position.object;
    if (object >= (this.faults.endOfMediumAt ?? Number.POSITIVE_INFINITY)) return 'end-of-medium';
    this.#mustNotFail(object, object);
    return this.#warned(await this.#inner.append(record, lender, encrypted));
  }

  async writeFilemarks(count: number): Promise<WriteOutcome> {
    const object = this.#inner.position.object;
    if (count > 0) this.#mustNotFail(object, object + count - 1);
    return this.#warned(await this.#inner.writeFilemarks(count));
  }

  flush(): Promise<void> {
    return this.#inner.flush();
  }
  locate(object: TapeObject): Promise<boolean> {
    return this.#inner.locate(object);
  }
  locateFile(file: TapeFile): Promise<boolean> {
    return this.#inner.locateFile(file);
  }
  locateEndOfData(): Promise<void> {
    return this.#inner.locateEndOfData();
  }
  space(what: 'records' | 'filemarks', count: number): Promise<SpaceOutcome> {
    return this.#inner.space(what, count);
  }
  erase(): Promise<void> {
    return this.#inner.erase();
  }
  async fileDigest(file: TapeFile): Promise<Uint8Array | undefined> {
    return this.#inner.fileDigest?.(file);
  }
  [Symbol.asyncDispose](): PromiseLike<void> {
    return this.#inner[Symbol.asyncDispose]();
  }

  #warnedBefore(object: TapeObject): boolean {
    return object > (this.faults.earlyWarningAt ?? Number.POSITIVE_INFINITY);
  }

  #warned(outcome: WriteOutcome): WriteOutcome {
    return outcome === 'written' && this.#warnedBefore(this.#inner.position.object) ? 'early-warning' : outcome;
  }

  #mustNotFail(first: TapeObject, last: TapeObject): void {
    const at = this.faults.writeErrorAt;
    if (at === undefined || at < first || at > last) return;
    throw new FormatError('io', `object ${at}`, 'a write error was asked for here');
  }
}
