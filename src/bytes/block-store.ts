/**
 * The seam under everything that keeps bytes at addresses: an image file, a block device, a virtual tape's files, memory.
 * Types only; implementations are in storage/.
 */
import type { Bytes } from './units.ts';

/** Bytes at addresses. All calls may overlap in time; the caller keeps overlapping ranges in order. */
export interface BlockStore extends AsyncDisposable {
  /** Size in bytes, as of the last `size()`, `write` or `truncate`. */
  readonly byteLength: Bytes;
  readonly writable: boolean;
  /** Fills `into` from `offset`. Bytes past the end read as zeros. @throws FormatError `io` */
  read(offset: Bytes, into: Uint8Array): Promise<void>;
  /** Writes `from` at `offset`, growing the store where its kind can grow; no bytes change nothing. Durable only after `flush`. @throws FormatError `io` */
  write(offset: Bytes, from: Uint8Array): Promise<void>;
  /** Everything written before is on stable storage when this resolves. */
  flush(): Promise<void>;
  /** Cuts or extends with zeros. */
  truncate(byteLength: Bytes): Promise<void>;
  /** Lets go of a range; it reads as zeros afterwards. Where that cannot be done, zeros are written. */
  unmap(offset: Bytes, length: Bytes): Promise<void>;
  /**
   * The run that holds `offset`: whether its bytes are stored or a hole, and where it ends, the store's end at most. Missing:
   * the store cannot tell. @throws FormatError `io`
   */
  runAt?(offset: Bytes): Promise<{ readonly stored: boolean; readonly end: Bytes }>;
}
