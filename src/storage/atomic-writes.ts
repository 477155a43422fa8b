/**
 * Writes that happen wholly or not at all, whatever is killed when: each is put into a journal first.
 *
 *     journal  byte 0     8  "RMATOMIC"
 *                   8     8  offset of the write, little-endian
 *                  16     4  its length; 0: nothing is pending
 *                  20     4  CRC-32C of its bytes
 *                  24     4  CRC-32C of bytes 0 to 23
 *                4096     n  the bytes
 *
 * Invariants
 * - The journal is durable before the first byte of the write goes where it belongs, and empty again, durably, before the
 *   write is reported: an old one is never written over newer data.
 * - A pending write is done again when the journal is opened.
 */
import type { BlockStore } from '../bytes/block-store.ts';
import { crc32c } from '../bytes/crc32c.ts';
import { FormatError } from '../bytes/errors.ts';
import { asciiField, layout, u32le, u64le, viewOf } from '../bytes/layout.ts';
import { type Bytes, MiB } from '../bytes/units.ts';

const MAGIC = 'RMATOMIC';
const DATA_AT: Bytes = 4096;
/** Longest write. */
export const ATOMIC_BYTES_MAX: Bytes = 1 * MiB;

const JournalHeader = layout(28, {
  magic: asciiField(0, 8),
  offset: u64le(8),
  length: u32le(16),
  dataCrc: u32le(20),
  headerCrc: u32le(24),
});

export class AtomicWriter {
  readonly byteLengthMax: Bytes = ATOMIC_BYTES_MAX;
  readonly #store: BlockStore;
  readonly #journal: BlockStore;
  #last: Promise<unknown> = Promise.resolve();

  private constructor(store: BlockStore, journal: BlockStore) {
    this.#store = store;
    this.#journal = journal;
  }

  /** Does a write that was pending, then takes new ones. `journal` may be empty. @throws FormatError `io` */
  static async open(store: BlockStore, journal: BlockStore): Promise<AtomicWriter> {
    const writer = new AtomicWriter(store, journal);
    await writer.#recover();
    return writer;
  }

  /** One at a time. Durable when it resolves. @throws FormatError `io` */
  write(offset: Bytes, from: Uint8Array): Promise<void> {
    if (from.length > ATOMIC_BYTES_MAX)
      throw new RangeError(`${from.length} bytes are more than one atomic write takes`);
    const done = this.#last.then(() => this.#write(offset, from));
    this.#last = done.catch(() => undefined); // the caller has the failure
    return done;
  }

  async #write(offset: Bytes, from: Uint8Array): Promise<void> {
    await this.#journal.write(DATA_AT, from);
    await this.#journal.write(0, headerOf(offset, from));
    await this.#journal.flush();
    await this.#store.write(offset, from);
    await this.#store.flush();
    await this.#clear();
  }

  async #clear(): Promise<void> {
    await this.#journal.write(0, headerOf(0, new Uint8Array(0)));
    await this.#journal.flush();
  }

  async #recover(): Promise<void> {
    const pending = await readPending(this.#journal);
    if (pending === undefined) return;
    if (pending.offset + pending.data.length > this.#store.byteLength)
      throw new FormatError(
        'corrupt',
        'journal of atomic writes',
        'its write lies past the end of the disk: it is of another one',
      );
    await this.#store.write(pending.offset, pending.data);
    await this.#store.flush();
    await this.#clear();
  }
}

function headerOf(offset: Bytes, data: Uint8Array): Uint8Array {
  const out = JournalHeader.encode({ magic: MAGIC, offset, length: data.length, dataCrc: crc32c(data) });
  JournalHeader.headerCrc.set(viewOf(out), 0, crc32c(out.subarray(0, 24)));
  return out;
}

/** The write that a journal holds whole; one that was cut short was never begun where it belongs. */
async function readPending(journal: BlockStore): Promise<{ offset: Bytes; data: Uint8Array } | undefined> {
  const head = new Uint8Array(JournalHeader.byteLength);
  await journal.read(0, head);
  const view = viewOf(head);
  const f = JournalHeader;
  if (f.magic.get(view, 0) !== MAGIC || f.headerCrc.get(view, 0) !== crc32c(head.subarray(0, 24))) return undefined;
  const length = f.length.get(view, 0);
  if (length === 0 || length > ATOMIC_BYTES_MAX) return undefined;
  const data = new Uint8Array(length);
  await journal.read(DATA_AT, data);
  return crc32c(data) === f.dataCrc.get(view, 0) ? { offset: f.offset.get(view, 0), data } : undefined;
}
