/**
 * Messages between the process that has LevelDB and those that use it over a Unix socket. Little-endian.
 *
 *     request    length u32, id u32, operation u8, body        response   length u32, id u32, status u8, body
 *
 * `length` counts what follows it. Ids are the client's; responses may come in any order. Bodies:
 *
 *     hello      protocol u16, store id (32 characters)         -> empty
 *     get        key                                            -> 0, or 1 and the value
 *     getMany    count u32, then length u32 and key each        -> 0, or 1, length u32 and value each
 *     scan       flags u8 (1 gte, 2 lt, 4 reverse), limit u32   -> done u8, then key length u32, key,
 *                (0: none), gte, lt: length u32 and bytes each     value length u32, value each
 *     batch      sync u8, count u32, then type u8 (0 put,       -> empty
 *                1 del), length u32 and key, for a put
 *                length u32 and value each
 *
 * Status 0: done; 1: failed, the body is a JSON array [kind, where, what]; 2 (id 0): the server leaves, connect elsewhere.
 */
import { FormatError, type FormatErrorKind } from '../bytes/errors.ts';
import type { KeyRange, KvOperation } from './kv-store.ts';

export const PROTOCOL = 1;
/** Bytes of one message, at most. */
export const MESSAGE_MAX = 64 << 20;
/** Rows of a scan response stop after so many bytes. */
export const SCAN_BYTES = 256 << 10;
/** Keys of one getMany, operations of one batch, at most. */
const COUNT_MAX = 1 << 20;

export const Operation = { hello: 0, get: 1, getMany: 2, scan: 3, batch: 4 } as const;
export const Status = { done: 0, failed: 1, leaving: 2 } as const;

export type Row = readonly [key: Uint8Array, value: Uint8Array];

/** Cuts a stream of bytes into messages. */
export class MessageCutter {
  #chunks: Buffer[] = [];
  #length = 0;

  /** Whole messages (without their length) that `chunk` completes. @throws FormatError when one says it is too long */
  push(chunk: Buffer): Buffer[] {
    this.#chunks.push(chunk);
    this.#length += chunk.length;
    const out: Buffer[] = [];
    for (;;) {
      if (this.#length < 4) return out;
      const head = this.#chunks[0].length >= 4 ? this.#chunks[0] : this.#join();
      const length = head.readUInt32LE(0);
      if (length < 5 || length > MESSAGE_MAX)
        throw new FormatError('corrupt', 'index store socket', `message of ${length} bytes`);
      if (this.#length < 4 + length) return out;
      const whole = this.#join();
      out.push(whole.subarray(4, 4 + length));
      this.#chunks = [whole.subarray(4 + length)];
      this.#length -= 4 + length;
    }
  }

  #join(): Buffer {
    if (this.#chunks.length > 1) this.#chunks = [Buffer.concat(this.#chunks)];
    return this.#chunks[0];
  }
}

/** Writes a message's fields in order; `finish` puts the length in front. */
export class MessageWriter {
  #bytes: Buffer;
  #at = 9;

  constructor(id: number, code: number, expected = 256) {
    this.#bytes = Buffer.allocUnsafe(9 + expected);
    this.#bytes.writeUInt32LE(id, 4);
    this.#bytes[8] = code;
  }

  get length(): number {
    return this.#at;
  }

  u8(value: number): this {
    this.#room(1);
    this.#bytes[this.#at++] = value;
    return this;
  }

  u32(value: number): this {
    this.#room(4);
    this.#at = this.#bytes.writeUInt32LE(value, this.#at);
    return this;
  }

  raw(bytes: Uint8Array): this {
    this.#room(bytes.length);
    this.#bytes.set(bytes, this.#at);
    this.#at += bytes.length;
    return this;
  }

  /** Length and bytes. */
  bytes(bytes: Uint8Array): this {
    return this.u32(bytes.length).raw(bytes);
  }

  finish(): Buffer {
    if (this.#at - 4 > MESSAGE_MAX) throw new RangeError(`a message of ${this.#at} bytes to the index store`);
    this.#bytes.writeUInt32LE(this.#at - 4, 0);
    return this.#bytes.subarray(0, this.#at);
  }

  #room(bytes: number): void {
    if (this.#at + bytes <= this.#bytes.length) return;
    const grown = Buffer.allocUnsafe((this.#at + bytes) * 2);
    this.#bytes.copy(grown, 0, 0, this.#at);
    this.#bytes = grown;
  }
}

/** Reads a message's fields in order. @throws FormatError past its end */
export class MessageReader {
  readonly id: number;
  readonly code: number;
  readonly #bytes: Buffer;
  #at = 5;

  constructor(message: Buffer) {
    this.#bytes = message;
    this.id = message.readUInt32LE(0);
    this.code = message[4];
  }

  get done(): boolean {
    return this.#at === this.#bytes.length;
  }

  u8(): number {
    return this.#take(1)[0];
  }

  u32(): number {
    return this.#take(4).readUInt32LE(0);
  }

  count(): number {
    const count = this.u32();
    if (count > COUNT_MAX) throw new FormatError('corrupt', 'index store socket', `a list of ${count}`);
    return count;
  }

  bytes(): Uint8Array {
    return this.#take(this.u32());
  }

  rest(): Buffer {
    return this.#take(this.#bytes.length - this.#at);
  }

  #take(length: number): Buffer {
    if (length > this.#bytes.length - this.#at)
      throw new FormatError('corrupt', 'index store socket', 'message ends too early');
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }
}

export function encodeScan(id: number, range: KeyRange): Buffer {
  const flags = (range.gte ? 1 : 0) | (range.lt ? 2 : 0) | (range.reverse === true ? 4 : 0);
  const none = new Uint8Array(0);
  return new MessageWriter(id, Operation.scan)
    .u8(flags)
    .u32(range.limit ?? 0)
    .bytes(range.gte ?? none)
    .bytes(range.lt ?? none)
    .finish();
}

export function decodeScan(reader: MessageReader): KeyRange {
  const flags = reader.u8();
  const limit = reader.u32();
  const gte = reader.bytes();
  const lt = reader.bytes();
  return {
    ...((flags & 1) !== 0 && { gte }),
    ...((flags & 2) !== 0 && { lt }),
    ...(limit > 0 && { limit }),
    reverse: (flags & 4) !== 0,
  };
}

export function encodeBatch(id: number, operations: readonly KvOperation[], sync: boolean): Buffer {
  const bytes = operations.reduce((sum, op) => sum + 9 + op.key.length + (op.type === 'put' ? op.value.length : 0), 5);
  const writer = new MessageWriter(id, Operation.batch, bytes).u8(sync ? 1 : 0).u32(operations.length);
  for (const operation of operations) {
    writer.u8(operation.type === 'put' ? 0 : 1).bytes(operation.key);
    if (operation.type === 'put') writer.bytes(operation.value);
  }
  return writer.finish();
}

export function decodeBatch(reader: MessageReader): { operations: KvOperation[]; sync: boolean } {
  const sync = reader.u8() === 1;
  const operations: KvOperation[] = [];
  for (let left = reader.count(); left > 0; left--) {
    const type = reader.u8();
    const key = reader.bytes();
    operations.push(type === 0 ? { type: 'put', key, value: reader.bytes() } : { type: 'del', key });
  }
  return { operations, sync };
}

export function encodeFailure(id: number, error: unknown): Buffer {
  const body =
    error instanceof FormatError
      ? [error.kind, error.where, error.what]
      : ['io', 'index store', error instanceof Error ? error.message : String(error)];
  return new MessageWriter(id, Status.failed).raw(Buffer.from(JSON.stringify(body))).finish();
}

export function decodeFailure(reader: MessageReader): FormatError {
  let kind: FormatErrorKind = 'io';
  let where = 'index store';
  let what = 'failed';
  try {
    const body: unknown = JSON.parse(reader.rest().toString('utf8'));
    if (Array.isArray(body)) {
      if (body[0] === 'corrupt' || body[0] === 'unsupported') kind = body[0];
      where = String(body[1]);
      what = String(body[2]);
    }
  } catch {
    what = 'failed, and said so in a way that cannot be read';
  }
  return new FormatError(kind, where, what);
}
