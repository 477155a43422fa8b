/** Parts kept in one temporary file until they are wanted again, in order: the text twin between the walk and the index file. */
import { type FileHandle, open, unlink } from 'node:fs/promises';
import { FormatError } from '../bytes/errors.ts';

export interface Spool extends AsyncDisposable {
  add(part: Uint8Array): Promise<void>;
  /** Parts so far. */
  readonly length: number;
  /** Forgets all parts but the first `length`. */
  cut(length: number): void;
  /** The parts in order, each its own buffer. May be read more than once. */
  parts(): AsyncIterable<Uint8Array>;
  readonly byteLength: number;
}

/** A spool in a new file at `path`, which is unlinked at once: it never outlives the process. */
export async function openSpool(path: string): Promise<Spool> {
  let file: FileHandle;
  try {
    file = await open(path, 'w+', 0o600);
    await unlink(path);
  } catch (cause) {
    throw new FormatError('io', path, `cannot be made: ${(cause as Error).message}`, { cause });
  }
  let lengths: number[] = [];
  let end = 0;
  return {
    get byteLength() {
      return end;
    },
    get length() {
      return lengths.length;
    },
    cut(length) {
      lengths = lengths.slice(0, length);
      end = lengths.reduce((sum, one) => sum + one, 0);
    },
    async add(part) {
      const at = end;
      lengths.push(part.length);
      end += part.length;
      const { bytesWritten } = await file.write(part, 0, part.length, at);
      if (bytesWritten !== part.length) throw new FormatError('io', path, 'the disk is full');
    },
    async *parts() {
      let at = 0;
      for (const length of lengths) {
        const part = new Uint8Array(length);
        await file.read(part, 0, length, at);
        at += length;
        yield part;
      }
    },
    [Symbol.asyncDispose]: () => file.close(),
  };
}
