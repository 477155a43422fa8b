/**
 * The index store over a Unix socket: LevelDB admits one process, which serves the others, so that browsing works while a
 * backup runs. Messages: store-protocol.ts. Loaded only by a process that serves or is served.
 */
import { createHash, randomBytes } from 'node:crypto';
import { chmodSync, lstatSync, mkdirSync, realpathSync, rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FormatError } from '../bytes/errors.ts';
import { type KeyRange, type KvOperation, type KvStore, rangeAfter } from './kv-store.ts';
import {
  decodeBatch,
  decodeFailure,
  decodeScan,
  encodeBatch,
  encodeFailure,
  encodeScan,
  MessageCutter,
  MessageReader,
  MessageWriter,
  Operation,
  PROTOCOL,
  type Row,
  SCAN_BYTES,
  Status,
} from './store-protocol.ts';

/** Bytes of a socket's path: Linux has 108 with the final zero, and Node 20 cuts a longer one without a word. */
const SOCKET_PATH_MAX = 107;
/** Processes served at once, requests of one of them under way, and bytes waiting for one of them, at most. */
const CLIENTS_MAX = 256;
const REQUESTS_MAX = 256;
const UNSENT_MAX = 16 << 20;
/** How long a leaving server waits for the answers of a client that does not go. */
const FAREWELL_MS = 10_000;

/** The server is gone or leaves; the caller opens the store anew and asks again. */
export class StoreGone extends Error {
  constructor() {
    super('the process that serves the index store has left');
    this.name = 'StoreGone';
  }
}

/** A path for the store's socket: short, unguessable, in a folder that is ours alone. @throws FormatError */
export function socketPath(folder: string): string {
  const hash = createHash('sha256').update(realpathSync(folder)).digest('hex').slice(0, 12);
  const name = `${hash}-${randomBytes(4).toString('hex')}.sock`;
  const bases = [process.env.XDG_RUNTIME_DIR, tmpdir(), '/tmp'];
  for (const base of bases) {
    if (base === undefined || base === '') continue;
    const path = join(base, `reelmap-${process.getuid?.() ?? 0}`, name);
    if (Buffer.byteLength(path) <= SOCKET_PATH_MAX && privateFolder(join(path, '..'))) return path;
  }
  throw new FormatError('io', 'index store', `no private folder for its socket in ${bases.filter(Boolean).join(', ')}`);
}

function privateFolder(path: string): boolean {
  try {
    mkdirSync(path, { mode: 0o700, recursive: true });
    const stat = lstatSync(path);
    return stat.isDirectory() && stat.uid === (process.getuid?.() ?? stat.uid) && (stat.mode & 0o077) === 0;
  } catch {
    return false;
  }
}

/** Serves `store` on a socket. */
export class StoreServer {
  readonly path: string;
  readonly #server: Server;
  readonly #clients = new Set<ServedClient>();

  private constructor(path: string, server: Server) {
    this.path = path;
    this.#server = server;
  }

  static async start(store: KvStore, storeId: string, path: string): Promise<StoreServer> {
    const server = createServer();
    const self = new StoreServer(path, server);
    server.on('connection', (socket) => {
      if (self.#clients.size >= CLIENTS_MAX) {
        socket.destroy();
        return;
      }
      const client = new ServedClient(socket, store, storeId);
      self.#clients.add(client);
      socket.once('close', () => self.#clients.delete(client));
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(path, resolve);
    });
    chmodSync(path, 0o600);
    server.unref();
    return self;
  }

  get clients(): number {
    return this.#clients.size;
  }

  /** Takes no new clients, asks those it has to go, answers what they asked, and resolves when all have left. */
  async leave(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    rmSync(this.path, { force: true });
    for (const client of this.#clients) client.sayGoodbye();
    const timer = setTimeout(() => {
      for (const client of this.#clients) client.destroy();
    }, FAREWELL_MS);
    await closed;
    clearTimeout(timer);
  }
}

class ServedClient {
  readonly #socket: Socket;
  readonly #store: KvStore;
  readonly #storeId: string;
  readonly #cutter = new MessageCutter();
  #known = false;
  #underWay = 0;

  constructor(socket: Socket, store: KvStore, storeId: string) {
    this.#socket = socket;
    this.#store = store;
    this.#storeId = storeId;
    socket.unref();
    socket.on('error', () => socket.destroy());
    socket.on('drain', () => this.#resume());
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
  }

  sayGoodbye(): void {
    if (!this.#socket.destroyed) this.#socket.write(new MessageWriter(0, Status.leaving).finish());
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #take(chunk: Buffer): void {
    try {
      for (const message of this.#cutter.push(chunk)) this.#start(new MessageReader(message));
    } catch {
      this.#socket.destroy(); // not our protocol
    }
  }

  #start(request: MessageReader): void {
    this.#underWay++;
    if (this.#underWay >= REQUESTS_MAX) this.#socket.pause();
    this.#answer(request)
      .catch((error: unknown) => encodeFailure(request.id, error))
      .then((response) => {
        this.#underWay--;
        if (this.#socket.destroyed) return;
        this.#socket.write(response);
        if (this.#socket.writableLength > UNSENT_MAX) this.#socket.pause();
        else this.#resume();
      });
  }

  #resume(): void {
    if (this.#underWay < REQUESTS_MAX && this.#socket.writableLength <= UNSENT_MAX) this.#socket.resume();
  }

  async #answer(request: MessageReader): Promise<Buffer> {
    if (!this.#known && request.code !== Operation.hello)
      throw new FormatError('unsupported', 'index store socket', 'no hello');
    switch (request.code) {
      case Operation.hello: {
        const protocol = request.u8() + request.u8() * 256;
        const id = request.rest().toString('latin1');
        if (protocol !== PROTOCOL || id !== this.#storeId)
          throw new FormatError('unsupported', 'index store socket', `protocol ${protocol} or another store`);
        this.#known = true;
        return new MessageWriter(request.id, Status.done).finish();
      }
      case Operation.get:
        return optional(new MessageWriter(request.id, Status.done), await this.#store.get(request.rest())).finish();
      case Operation.getMany: {
        const keys = Array.from({ length: request.count() }, () => request.bytes());
        const writer = new MessageWriter(request.id, Status.done);
        for (const value of await this.#store.getMany(keys)) {
          writer.u8(value === undefined ? 0 : 1);
          if (value !== undefined) writer.bytes(value);
        }
        return writer.finish();
      }
      case Operation.scan:
        return this.#scan(request.id, decodeScan(request));
      case Operation.batch: {
        const { operations, sync } = decodeBatch(request);
        await this.#store.batch(operations, { sync });
        return new MessageWriter(request.id, Status.done).finish();
      }
      default:
        throw new FormatError('unsupported', 'index store socket', `operation ${request.code}`);
    }
  }

  async #scan(id: number, range: KeyRange): Promise<Buffer> {
    const writer = new MessageWriter(id, Status.done, 4096).u8(1);
    for await (const rows of this.#store.scan(range)) {
      for (const [key, value] of rows) {
        if (writer.length > SCAN_BYTES) return markUnfinished(writer.finish());
        writer.bytes(key).bytes(value);
      }
    }
    return writer.finish();
  }
}

/** Byte 9 of a scan response says whether the range is done. */
function markUnfinished(response: Buffer): Buffer {
  response[9] = 0;
  return response;
}

function optional(writer: MessageWriter, value: Uint8Array | undefined): MessageWriter {
  return value === undefined ? writer.u8(0) : writer.u8(1).raw(value);
}

/** The store of another process. Every call may throw `StoreGone`. */
export class SocketStore implements KvStore {
  readonly #socket: Socket;
  readonly #cutter = new MessageCutter();
  readonly #waiting = new Map<number, { resolve(response: MessageReader): void; reject(error: Error): void }>();
  #nextId = 1;
  #leaving = false;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#gone());
  }

  /** `undefined` when nobody answers there within `timeoutMs`. */
  static async connect(path: string, storeId: string, timeoutMs: number): Promise<SocketStore | undefined> {
    const socket = connect(path);
    const timer = setTimeout(() => socket.destroy(), timeoutMs); // a stopped process accepts and says nothing
    const connected = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true));
      socket.once('error', () => resolve(false));
      socket.once('close', () => resolve(false));
    });
    if (!connected) {
      clearTimeout(timer);
      return undefined;
    }
    const store = new SocketStore(socket);
    try {
      const hello = new MessageWriter(0, Operation.hello).u8(PROTOCOL).u8(0).raw(Buffer.from(storeId, 'latin1'));
      await store.#ask((id) => {
        const message = hello.finish();
        message.writeUInt32LE(id, 4);
        return message;
      });
      return store;
    } catch {
      socket.destroy();
      return undefined;
    } finally {
      clearTimeout(timer);
    }
  }

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    const response = await this.#ask((id) => new MessageWriter(id, Operation.get, key.length).raw(key).finish());
    return response.u8() === 0 ? undefined : response.rest();
  }

  async getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    const response = await this.#ask((id) => {
      const writer = new MessageWriter(id, Operation.getMany).u32(keys.length);
      for (const key of keys) writer.bytes(key);
      return writer.finish();
    });
    return keys.map(() => (response.u8() === 0 ? undefined : response.bytes()));
  }

  async *scan(range: KeyRange): AsyncGenerator<readonly Row[]> {
    let rest = range;
    for (;;) {
      const response = await this.#ask((id) => encodeScan(id, rest));
      const done = response.u8() === 1;
      const rows: Row[] = [];
      while (!response.done) rows.push([response.bytes(), response.bytes()]);
      if (rows.length > 0) yield rows;
      if (done || rows.length === 0) return;
      rest = rangeAfter(rest, rows);
    }
  }

  async batch(operations: readonly KvOperation[], options?: { readonly sync?: boolean }): Promise<void> {
    await this.#ask((id) => encodeBatch(id, operations, options?.sync === true));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#leaving = true;
    this.#socket.destroy();
  }

  #ask(encode: (id: number) => Buffer): Promise<MessageReader> {
    if (this.#leaving || this.#socket.destroyed) return Promise.reject(new StoreGone());
    const id = this.#nextId;
    this.#nextId = (id + 1) >>> 0 || 1;
    const message = encode(id);
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#socket.write(message);
    });
  }

  #take(chunk: Buffer): void {
    try {
      for (const message of this.#cutter.push(chunk)) this.#answer(new MessageReader(message));
    } catch {
      this.#socket.destroy();
    }
  }

  #answer(response: MessageReader): void {
    if (response.code === Status.leaving) this.#leaving = true;
    const waiting = this.#waiting.get(response.id);
    if (waiting !== undefined) {
      this.#waiting.delete(response.id);
      if (response.code === Status.done) waiting.resolve(response);
      else waiting.reject(decodeFailure(response));
    }
    if (this.#leaving && this.#waiting.size === 0) this.#socket.destroy();
  }

  #gone(): void {
    this.#leaving = true;
    for (const { reject } of this.#waiting.values()) reject(new StoreGone());
    this.#waiting.clear();
  }
}
