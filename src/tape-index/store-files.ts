/**
 * The files beside LevelDB that let a lost record show. LevelDB alone opens without a word after its CURRENT has vanished
 * (a new, empty database, the old tables deleted), its MANIFEST was cut, or its log was damaged in the middle.
 *
 *     STORE/store.json    what this store is; a generation that every synchronous batch raises, there and in LevelDB;
 *                         the sealed sets
 *     STORE/session       random text of whoever opened LevelDB last
 *     STORE/clean.json    at a clean end: that session, size and CRC-32C of LevelDB's small files, sizes of its tables
 *     STORE/holder.json   who serves the store now, and on which socket
 *     STORE/db/           LevelDB
 *
 * store.json and clean.json are one line of JSON, and one with the CRC-32C of the first, eight hexadecimal digits. A damaged
 * store.json is named, and `index rebuild` makes it anew; a damaged clean.json is as good as none.
 *
 * Invariants
 * - store.json's generation and sets never run ahead of LevelDB: it is written after the batch is on stable storage, but
 *   before it for a set that goes.
 * - `session` is written after LevelDB's lock was got; clean.json, after LevelDB was closed, counts only with the session
 *   that is still the last one. So a clean.json that comes late, when the next process has LevelDB already, is void.
 */
import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { crc32c } from '../bytes/crc32c.ts';
import { FormatError } from '../bytes/errors.ts';
import { REMEDY } from './frame.ts';

/** Layout of the files of a store. */
const STORE_FORMAT = 1;
/** Bytes of a JSON file of ours, at most. */
const JSON_MAX = 4 << 20;

export interface StoreMarker {
  readonly format: number;
  /** 32 hexadecimal digits; also in LevelDB. */
  readonly id: string;
  readonly generation: number;
  /** Ids of the sealed sets: a set record that a damaged log lost would else never be missed. */
  readonly sets: readonly string[];
}

export interface CleanMarker {
  readonly session: string;
  /** Generation at the clean end. */
  readonly generation: number;
  /** LevelDB's files: bytes, and CRC-32C of those that are not tables. */
  readonly files: Readonly<Record<string, { readonly bytes: number; readonly crc: number | null }>>;
}

export interface Holder {
  readonly pid: number;
  readonly command: string;
  /** ISO 8601. */
  readonly since: string;
  readonly socket: string;
}

export const databaseFolder = (folder: string): string => join(folder, 'db');
const markerPath = (folder: string): string => join(folder, 'store.json');
const sessionPath = (folder: string): string => join(folder, 'session');
const cleanPath = (folder: string): string => join(folder, 'clean.json');
const holderPath = (folder: string): string => join(folder, 'holder.json');

/** `undefined`: there is none. @throws FormatError when it cannot be used */
export function readMarker(folder: string): StoreMarker | undefined {
  const value = readJson(markerPath(folder)) as Partial<StoreMarker> | 'damaged' | undefined;
  if (value === undefined) return undefined;
  const where = `index store ${folder}`;
  const isId = (id: unknown): boolean => /^[0-9a-f]{32}$/.test(String(id));
  if (value !== 'damaged' && Number.isSafeInteger(value.format) && value.format !== STORE_FORMAT)
    throw new FormatError('unsupported', where, `store format ${value.format}, this program reads ${STORE_FORMAT}`);
  if (
    value === 'damaged' ||
    value.format !== STORE_FORMAT ||
    !isId(value.id) ||
    !Number.isSafeInteger(value.generation) ||
    !Array.isArray(value.sets) ||
    !value.sets.every(isId)
  )
    throw new FormatError('corrupt', where, `store.json is damaged ${REMEDY}`);
  return { format: STORE_FORMAT, id: String(value.id), generation: Number(value.generation), sets: value.sets };
}

/** Whether there is a store, or what is left of one. */
export const storeExists = (folder: string): boolean => existsSync(markerPath(folder)) || hasDatabase(folder);

/** On stable storage when it returns. */
export function writeMarker(folder: string, marker: Omit<StoreMarker, 'format'>): void {
  writeJson(markerPath(folder), { format: STORE_FORMAT, ...marker }, true);
}

/** Whether LevelDB's files are there at all. */
export function hasDatabase(folder: string): boolean {
  try {
    return readdirSync(databaseFolder(folder)).some(
      (name) => name === 'CURRENT' || /\.(ldb|sst|log)$|^MANIFEST-/.test(name),
    );
  } catch {
    return false;
  }
}

export type FilesState =
  | { readonly state: 'clean' }
  /** The last holder was stopped before its end. `since`: generation of the last clean end known; 0: none. */
  | { readonly state: 'unclean'; readonly since: number }
  /** A file was changed since the clean end (or another process is opening LevelDB just now: look again). */
  | { readonly state: 'damaged'; readonly what: string };

/** Compares LevelDB's files with what they were at the last clean end, before LevelDB can make it worse. */
export function assessFiles(folder: string): FilesState {
  try {
    return assess(folder, databaseFolder(folder));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return { state: 'damaged', what: `a file of LevelDB is missing (${(error as NodeJS.ErrnoException).path})` };
  }
}

function assess(folder: string, database: string): FilesState {
  const now = new Set(listFiles(database));
  if (!now.has('CURRENT')) return { state: 'damaged', what: "LevelDB's file CURRENT is missing" };
  const clean = readClean(folder);
  if (clean === undefined || clean.session !== readSession(folder))
    return { state: 'unclean', since: clean?.generation ?? 0 };
  // Another MANIFEST than then: somebody opened LevelDB since and was stopped before the session was written.
  const current = readText(join(database, 'CURRENT')).trim();
  if (!(current in clean.files) && now.has(current)) return { state: 'unclean', since: clean.generation };
  for (const [name, { bytes, crc }] of Object.entries(clean.files)) {
    const what = compareFile(join(database, name), name, bytes, crc);
    if (what !== undefined) return { state: 'damaged', what };
  }
  return { state: 'clean' };
}

function compareFile(path: string, name: string, bytes: number, crc: number | null): string | undefined {
  const size = statSync(path, { throwIfNoEntry: false })?.size;
  if (size === undefined) return `LevelDB's file ${name} is missing`;
  if (size !== bytes) return `LevelDB's file ${name} has ${size} bytes instead of ${bytes}`;
  return crc !== null && crc32c(readFileSync(path)) !== crc ? `LevelDB's file ${name} is damaged` : undefined;
}

/** Whether the last session ended cleanly, judged without LevelDB's files. */
export function endedCleanly(folder: string): boolean {
  const clean = readClean(folder);
  return clean !== undefined && clean.session === readSession(folder);
}

/** Call when LevelDB has been opened. */
export function beginSession(folder: string, session: string): void {
  writeFileSync(sessionPath(folder), session, { mode: 0o600 });
}

/**
 * Call after LevelDB was closed. Does nothing when another process has it already: its session is the one that counts.
 * Where it cannot be written the end counts as unclean, which costs the next process a look at the newest sets.
 */
export function endSession(folder: string, session: string, generation: number): void {
  try {
    writeClean(folder, session, generation);
  } catch {
    // no room, or the next process is opening LevelDB: what the command did is done all the same
  }
}

function writeClean(folder: string, session: string, generation: number): void {
  const database = databaseFolder(folder);
  const files: Record<string, { bytes: number; crc: number | null }> = {};
  for (const name of listFiles(database)) {
    const path = join(database, name);
    const table = /\.(ldb|sst)$/.test(name);
    files[name] = { bytes: statSync(path).size, crc: table ? null : crc32c(readFileSync(path)) };
  }
  if (readSession(folder) === session)
    writeJson(cleanPath(folder), { session, generation, files } satisfies CleanMarker, false);
}

export function readHolder(folder: string): Holder | undefined {
  const value = readJson(holderPath(folder)) as Partial<Holder> | 'damaged' | undefined;
  if (
    value === undefined ||
    value === 'damaged' ||
    typeof value.socket !== 'string' ||
    !Number.isSafeInteger(value.pid)
  )
    return undefined;
  return { pid: value.pid ?? 0, command: String(value.command), since: String(value.since), socket: value.socket };
}

export function writeHolder(folder: string, holder: Holder): void {
  writeJson(holderPath(folder), holder, false);
}

/** Removes the holder file if it is still the one that names this socket. */
export function removeHolder(folder: string, socket: string): void {
  if (readHolder(folder)?.socket === socket) rmSync(holderPath(folder), { force: true });
}

/** LevelDB's files that hold something: not its lock and its diary. */
function listFiles(database: string): string[] {
  return readdirSync(database).filter((name) => /^CURRENT$|^MANIFEST-\d+$|^\d+\.(log|ldb|sst)$/.test(name));
}

function readSession(folder: string): string | undefined {
  try {
    return readText(sessionPath(folder));
  } catch {
    return undefined;
  }
}

function readClean(folder: string): CleanMarker | undefined {
  const value = readJson(cleanPath(folder)) as Partial<CleanMarker> | 'damaged' | undefined;
  if (
    value === undefined ||
    value === 'damaged' ||
    typeof value.files !== 'object' ||
    typeof value.session !== 'string' ||
    !Number.isSafeInteger(value.generation)
  )
    return undefined;
  return value as CleanMarker;
}

function readText(path: string): string {
  return readFileSync(path, 'latin1').slice(0, 4096);
}

/** `undefined` when there is no such file. Files of programs before the checksum have no second line. */
function readJson(path: string): object | 'damaged' | undefined {
  let text: string;
  try {
    if (statSync(path).size > JSON_MAX) return 'damaged';
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new FormatError('io', path, 'cannot be read', { cause: error });
  }
  const [line, sum, ...more] = text.split('\n');
  if (sum !== '' && (sum !== sumOf(line) || more.join() !== '')) return 'damaged';
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? value : 'damaged';
  } catch {
    return 'damaged';
  }
}

const sumOf = (line: string): string => crc32c(Buffer.from(line)).toString(16).padStart(8, '0');

function writeJson(path: string, value: object, durable: boolean): void {
  const temporary = `${path}.${process.pid}.new`;
  try {
    const line = JSON.stringify(value);
    const file = openSync(temporary, 'w', 0o600);
    try {
      writeFileSync(file, `${line}\n${sumOf(line)}\n`); // all of it: write(2) alone may stop short on a full disk
      if (durable) fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
  if (!durable) return;
  const parent = openSync(join(path, '..'), 'r');
  try {
    fsyncSync(parent);
  } finally {
    closeSync(parent);
  }
}
