/**
 * A BlockStore over a file or a block device.
 *
 * Large aligned requests go by O_DIRECT through a second descriptor, the rest through the page cache; Linux keeps the two
 * coherent (a direct request writes back and drops the cached pages of its range). Where the file system refuses O_DIRECT
 * everything is buffered. Buffered writes go one at a time: measured, parallel buffered writers of one file spend seconds of
 * system time on each other (reading in parallel costs nothing).
 */
import fs from 'node:fs';
import { alignedBuffer, DIRECT_ALIGNMENT, isPageAligned } from '../bytes/aligned.ts';
import type { BlockStore } from '../bytes/block-store.ts';
import { FormatError } from '../bytes/errors.ts';
import { alignDown, type Bytes, bytes, KiB, MiB } from '../bytes/units.ts';
import { majorMinor } from './device-number.ts';
import { punchHole } from './punch-hole.ts';

/** Shorter requests are not worth going round the page cache. */
const DIRECT_BYTES_MIN = 128 * KiB;
const ZEROS_BYTES = MiB;

export interface FileStoreOptions {
  /** Default false. */
  readonly writable?: boolean;
  /** Make the file if it is not there; needs `writable`. */
  readonly create?: boolean;
  /** `bulk` (default): requests of 128 KiB and more, aligned to 4 KiB in file and memory, go round the page cache. */
  readonly direct?: 'never' | 'bulk';
  /** For errors; the path by default. */
  readonly name?: string;
}

/** @throws FormatError `io` */
export async function openFileStore(path: string, options: FileStoreOptions = {}): Promise<FileStore> {
  const { writable = false, create = false, name = path } = options;
  const flags = writable ? fs.constants.O_RDWR | (create ? fs.constants.O_CREAT : 0) : fs.constants.O_RDONLY;
  let fd: number | undefined;
  try {
    fd = await openFile(path, flags);
    const size = await sizeOf(fd);
    return new FileStore(fd, size, { ...options, writable, name });
  } catch (error) {
    if (fd !== undefined) fs.closeSync(fd);
    throw ioError(name, 'cannot be opened', error);
  }
}

export class FileStore implements BlockStore {
  readonly writable: boolean;
  readonly #name: string;
  readonly #fd: number;
  readonly #flags: number;
  #byteLength: number;
  #direct: Promise<number | undefined> | undefined; // descriptor; undefined inside: refused
  #refused: Promise<number | undefined> | undefined;
  #bufferedWrite: Promise<unknown> = Promise.resolve();
  #closed = false;
  #isFile: boolean | undefined;

  constructor(fd: number, byteLength: number, options: FileStoreOptions & { readonly name: string }) {
    this.#fd = fd;
    this.#byteLength = byteLength;
    this.#name = options.name;
    this.writable = options.writable ?? false;
    this.#flags = this.writable ? fs.constants.O_RDWR : fs.constants.O_RDONLY;
    if (options.direct === 'never' || fs.constants.O_DIRECT === undefined) this.#direct = Promise.resolve(undefined);
  }

  get byteLength(): Bytes {
    return bytes(this.#byteLength);
  }

  async read(offset: Bytes, into: Uint8Array): Promise<void> {
    try {
      let done = 0;
      while (done < into.length) {
        const rest = into.subarray(done);
        const got = (await this.#readDirect(offset + done, rest)) ?? (await readAt(this.#fd, rest, offset + done));
        if (got === 0) {
          rest.fill(0);
          return;
        }
        done += got;
      }
    } catch (error) {
      throw ioError(this.#name, `reading ${into.length} bytes at ${offset}`, error);
    }
  }

  async write(offset: Bytes, from: Uint8Array): Promise<void> {
    if (!this.writable) throw new FormatError('io', this.#name, 'opened for reading only');
    if (from.length === 0) return;
    try {
      const done = await this.#writeDirect(offset, from);
      if (done < from.length) await this.#writeBuffered(offset + done, from.subarray(done));
    } catch (error) {
      throw ioError(this.#name, `writing ${from.length} bytes at ${offset}`, error);
    }
    this.#byteLength = Math.max(this.#byteLength, offset + from.length);
  }

  async flush(): Promise<void> {
    if (!this.writable) return;
    await this.#call('flushing', (done) => fs.fdatasync(this.#fd, done));
  }

  async truncate(byteLength: Bytes): Promise<void> {
    await this.#call(`setting the size to ${byteLength}`, (done) => fs.ftruncate(this.#fd, byteLength, done));
    this.#byteLength = byteLength;
  }

  async unmap(offset: Bytes, length: Bytes): Promise<void> {
    const end = Math.min(this.#byteLength, offset + length);
    if (!this.writable) throw new FormatError('io', this.#name, 'opened for reading only');
    if (end <= offset || (await punchHole(this.#fd, offset, end - offset))) return;
    const zeros = alignedBuffer(Math.min(ZEROS_BYTES, end - offset));
    for (let at: number = offset; at < end; ) {
      const part = Math.min(zeros.length, end - at);
      // Up to a page first, so that what follows can go direct.
      const over = at % DIRECT_ALIGNMENT;
      const step = over === 0 ? part : Math.min(part, DIRECT_ALIGNMENT - over);
      await this.write(bytes(at), zeros.subarray(0, step));
      at += step;
    }
  }

  async runAt(offset: Bytes): Promise<{ stored: boolean; end: Bytes }> {
    this.#isFile ??= fs.fstatSync(this.#fd).isFile();
    if (!this.#isFile) return { stored: true, end: bytes(this.#byteLength) };
    const { runAt } = await import('./holes.ts'); // loads the foreign function library
    return runAt(this.#fd, offset, this.#byteLength);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const direct of [await this.#direct, await this.#refused]) if (direct !== undefined) fs.closeSync(direct);
    fs.closeSync(this.#fd);
  }

  #call(what: string, call: (done: fs.NoParamCallback) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      call((error) => (error ? reject(ioError(this.#name, what, error)) : resolve()));
    });
  }

  /** Bytes read, or `undefined` where this request does not go direct. */
  async #readDirect(offset: number, into: Uint8Array): Promise<number | undefined> {
    const fd = suitsDirect(offset, into) ? await this.#directDescriptor() : undefined;
    if (fd === undefined) return undefined;
    try {
      return await readAt(fd, into, offset);
    } catch (error) {
      this.#refuse(error);
      return undefined;
    }
  }

  /** Bytes written; 0 where this request does not go direct. */
  async #writeDirect(offset: number, from: Uint8Array): Promise<number> {
    const fd = suitsDirect(offset, from) ? await this.#directDescriptor() : undefined;
    if (fd === undefined) return 0;
    try {
      // What a short write leaves over may start anywhere, and goes buffered.
      return alignDown(await writeAt(fd, from, offset), DIRECT_ALIGNMENT);
    } catch (error) {
      this.#refuse(error);
      return 0;
    }
  }

  async #writeBuffered(offset: number, from: Uint8Array): Promise<void> {
    const before = this.#bufferedWrite;
    const write = (async () => {
      await before;
      for (let done = 0; done < from.length; ) done += await writeAt(this.#fd, from.subarray(done), offset + done);
    })();
    this.#bufferedWrite = write.catch(() => {}); // its own caller sees the failure
    await write;
  }

  #directDescriptor(): Promise<number | undefined> {
    // By way of /proc it is the same file even if its name was moved or removed meanwhile.
    this.#direct ??= openFile(`/proc/self/fd/${this.#fd}`, this.#flags | fs.constants.O_DIRECT).catch(() => undefined);
    return this.#direct;
  }

  /** A file system may admit O_DIRECT at opening and refuse it (EINVAL) at the first request. */
  #refuse(error: unknown): void {
    if ((error as NodeJS.ErrnoException).code !== 'EINVAL') throw error;
    this.#refused ??= this.#direct; // closed at the end: other requests may be on their way through it
    this.#direct = Promise.resolve(undefined);
  }
}

const suitsDirect = (offset: number, memory: Uint8Array): boolean =>
  memory.length >= DIRECT_BYTES_MIN &&
  offset % DIRECT_ALIGNMENT === 0 &&
  memory.length % DIRECT_ALIGNMENT === 0 &&
  isPageAligned(memory);

function ioError(name: string, what: string, cause: unknown): FormatError {
  const words = cause instanceof Error ? cause.message : String(cause);
  return new FormatError('io', name, `${what}: ${words}`, { cause });
}

const openFile = (path: string, flags: number): Promise<number> =>
  new Promise((resolve, reject) => {
    fs.open(path, flags, 0o666, (error, fd) => (error ? reject(error) : resolve(fd)));
  });

const readAt = (fd: number, into: Uint8Array, offset: number): Promise<number> =>
  new Promise((resolve, reject) => {
    fs.read(fd, into, 0, into.length, offset, (error, count) => (error ? reject(error) : resolve(count)));
  });

const writeAt = (fd: number, from: Uint8Array, offset: number): Promise<number> =>
  new Promise((resolve, reject) => {
    fs.write(fd, from, 0, from.length, offset, (error, count) => (error ? reject(error) : resolve(count)));
  });

async function sizeOf(fd: number): Promise<number> {
  const stat = fs.fstatSync(fd);
  if (stat.isFile()) return stat.size;
  if (!stat.isBlockDevice()) throw new Error('neither a file nor a block device');
  return deviceSize(fd, stat.rdev);
}

/** stat tells no size of a device: sysfs does, in sectors of 512 bytes; where there is none, the last byte that reads. */
async function deviceSize(fd: number, rdev: number): Promise<number> {
  try {
    return 512 * Number(fs.readFileSync(`/sys/dev/block/${majorMinor(rdev)}/size`, 'ascii'));
  } catch {
    return readableBytes(fd);
  }
}

/** Bytes that can be read, by bisection: some 50 small reads. */
export async function readableBytes(fd: number): Promise<number> {
  const one = new Uint8Array(1);
  let low = 0; // readable bytes, at least
  let high = 2 ** 52; // not readable
  while (low < high) {
    const middle = low + Math.floor((high - low) / 2);
    if ((await readAt(fd, one, middle)) === 1) low = middle + 1;
    else high = middle;
  }
  return low;
}
