/**
 * A TCP connection as PDUs need it: bytes are read into memory that the reader names, and what is written in one turn of the
 * event loop goes out in one system call.
 *
 * An accepted socket is taken over from net.Server by its handle, since only a socket made here can have the `onread` of
 * net.connect (measured: 1.0 to 2.0 GB/s against 0.5 to 0.7 with 'data' events, 256 KiB at a time over loopback). Where Node
 * has no such handle the socket is read by 'data' events.
 */
import { connect, Socket } from 'node:net';
import type { Bytes } from '../bytes/units.ts';

/** Who reads a stream: says where the next bytes go, and is told how many came. */
export interface StreamReader {
  next(): Uint8Array;
  received(count: number): void;
}

/** What net.Socket takes beside its documented options. */
interface HandleOptions {
  readonly handle: unknown;
  readonly onread: { readonly buffer: () => Uint8Array; readonly callback: (count: number) => boolean };
}

export class ByteStream {
  readonly #socket: Socket;
  #corked = false;
  #paused = false;
  #failure: string | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.#failure = error.code ?? error.message; // 'close' follows and says so
    });
  }

  /** Takes over an accepted socket, which was made with `pauseOnConnect`. */
  static adopt(accepted: Socket, reader: StreamReader): ByteStream {
    const owner = accepted as unknown as { _handle: { useUserBuffer?: unknown } | null };
    const handle = owner._handle;
    if (handle === null || typeof handle.useUserBuffer !== 'function') return ByteStream.#listening(accepted, reader);
    owner._handle = null; // the shell is left: closing it no longer closes the connection
    accepted.destroy();
    const options: HandleOptions = { handle, onread: onreadOf(reader) };
    return new ByteStream(new Socket(options as unknown as ConstructorParameters<typeof Socket>[0]));
  }

  /** By 'data' events, copied to where the reader wants them. */
  static #listening(socket: Socket, reader: StreamReader): ByteStream {
    const stream = new ByteStream(socket);
    socket.on('data', (data: Uint8Array) => {
      for (let at = 0; at < data.length; ) {
        const part = reader.next();
        const count = Math.min(part.length, data.length - at);
        part.set(data.subarray(at, at + count));
        at += count;
        reader.received(count);
      }
    });
    return stream;
  }

  /** Connects; 'close' tells of a failure as of any end. */
  static connect(host: string, port: number, reader: StreamReader): ByteStream {
    return new ByteStream(
      connect({ host, port, onread: onreadOf(reader) } as unknown as Parameters<typeof connect>[0]),
    );
  }

  get remoteAddress(): string {
    return this.#socket.remoteAddress ?? '';
  }
  get remotePort(): number {
    return this.#socket.remotePort ?? 0;
  }
  get localAddress(): string {
    return this.#socket.localAddress ?? '';
  }
  get localPort(): number {
    return this.#socket.localPort ?? 0;
  }
  /** Bytes that were written and that the system has not taken yet. */
  get backlog(): Bytes {
    return this.#socket.writableLength;
  }
  get destroyed(): boolean {
    return this.#socket.destroyed;
  }

  /** Writes; the memory is the stream's until `sent` is called, which it is not when the connection ends before. */
  write(data: Uint8Array, sent?: () => void): void {
    const socket = this.#socket;
    if (!socket.writable) return;
    if (!this.#corked) {
      this.#corked = true;
      socket.cork();
      process.nextTick(() => {
        this.#corked = false;
        socket.uncork();
      });
    }
    if (sent === undefined) socket.write(data);
    else socket.write(data, (error) => (error ? undefined : sent()));
  }

  pause(): void {
    if (this.#paused) return;
    this.#paused = true;
    this.#socket.pause();
  }
  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#socket.resume();
  }

  /** `failure`: the system's word for why, if it was not closed in order. */
  onClose(listener: (failure: string | undefined) => void): void {
    this.#socket.once('close', () => listener(this.#failure));
  }
  onConnect(listener: () => void): void {
    this.#socket.once('connect', listener);
  }
  onDrain(listener: () => void): void {
    this.#socket.once('drain', listener);
  }
  /** Calls `listener` when the other end has not been heard for `ms`, and again each further time. */
  onSilence(ms: number, listener: () => void): void {
    this.#socket.setTimeout(ms);
    this.#socket.on('timeout', listener);
  }

  /** Sends what was written, then ends the connection. */
  end(): void {
    this.#socket.end(() => this.#socket.destroy());
  }
  destroy(): void {
    this.#socket.destroy();
  }
}

const onreadOf = (reader: StreamReader): HandleOptions['onread'] => ({
  buffer: () => reader.next(),
  callback: (count) => {
    reader.received(count);
    return true;
  },
});
