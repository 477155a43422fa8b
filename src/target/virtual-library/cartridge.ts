/**
 * A virtual cartridge: a folder with the tape's two files and what is written on its case.
 *
 *     <library>/cartridges/<BARCODE>/data             record data, contiguous
 *                                    map              record boundaries and checksums (tape/map-format.ts)
 *                                    cartridge.json   case: barcode, switch
 *                                    chip.json        chip.ts, once something is written to it
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statfsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { FormatError } from '../../bytes/errors.ts';
import { Fields } from '../../bytes/json-fields.ts';
import { systemRandom, toHex } from '../../bytes/random.ts';
import { type Bytes, bytes, type TapeObject } from '../../bytes/units.ts';
import { replaceFile, syncFolderAside, writeNewFile } from '../../storage/atomic-file.ts';
import { openFileStore } from '../../storage/file-store.ts';
import { makeFolders } from '../../storage/make-folders.ts';
import { isHeld, tryLock } from '../../storage/process-lock.ts';
import { formatMedium, openMedium } from '../../tape/file-medium.ts';
import type { TapeMedium } from '../../tape/medium.ts';
import { ObjectMap } from '../../tape/object-map.ts';
import type { CartridgeInfo } from '../tape-drive-state.ts';
import { openChip } from './chip.ts';

/** cartridge.json */
export interface CartridgeCase {
  readonly barcode: string;
  /** Medium serial number, in the chip. */
  readonly serialNumber: string;
  /** The switch on the case. */
  readonly writeProtected: boolean;
  readonly createdAt: string;
}

export interface NewCartridge {
  readonly barcode: string;
  readonly capacity: Bytes;
  /** Default: a 32nd of the capacity. */
  readonly earlyWarningZone?: Bytes;
  readonly worm?: boolean;
}

/** Volume tags hold 32 characters; these are also safe as folder names. */
export const BARCODE = /^[A-Z0-9]{1,32}$/;

/** Libraries know cleaning cartridges by their barcode. */
const CLEANING = /^CLN/;

const folderOf = (cartridges: string, barcode: string): string => join(cartridges, barcode);

/** Makes a blank cartridge; it is there whole or not at all. @throws FormatError when the barcode is taken or no barcode */
export async function createCartridge(cartridges: string, spec: NewCartridge): Promise<void> {
  const { barcode } = spec;
  if (!BARCODE.test(barcode))
    throw new FormatError('unsupported', `cartridge ${barcode}`, 'a barcode has 1 to 32 capital letters and digits');
  const folder = folderOf(cartridges, barcode);
  if (existsSync(folder)) throw new FormatError('unsupported', `cartridge ${barcode}`, 'is there already');
  makeFolders(cartridges);
  removeLeftOver(cartridges, barcode);
  const making = join(cartridges, `.${barcode}.${process.pid}.new`);
  try {
    await fillCartridge(making, folder, spec);
    publish(making, folder, barcode);
  } catch (error) {
    rmSync(making, { recursive: true, force: true });
    throw error;
  }
  await syncFolderAside(cartridges);
}

/** What killed processes left of this cartridge. */
function removeLeftOver(cartridges: string, barcode: string): void {
  for (const name of readdirSync(cartridges)) {
    const [, left, pid] = /^\.([A-Z0-9]+)\.(\d+)\.new$/.exec(name) ?? [];
    if (left === barcode && (Number(pid) === process.pid || !existsSync(`/proc/${pid}`)))
      rmSync(join(cartridges, name), { recursive: true, force: true });
  }
}

function publish(making: string, folder: string, barcode: string): void {
  try {
    renameSync(making, folder);
  } catch (cause) {
    if (!existsSync(folder)) throw cause;
    throw new FormatError('unsupported', `cartridge ${barcode}`, 'is there already', { cause });
  }
}

/** @param folder what it will be called, for errors */
async function fillCartridge(making: string, folder: string, spec: NewCartridge): Promise<void> {
  const { barcode, capacity, earlyWarningZone, worm } = spec;
  mkdirSync(making);
  {
    const store = (file: string) =>
      openFileStore(join(making, file), { writable: true, create: true, name: join(folder, file) });
    await using data = await store('data');
    await using map = await store('map');
    await formatMedium(
      { data, map, name: `cartridge ${barcode}` },
      { capacity, ...(earlyWarningZone !== undefined && { earlyWarningZone }), ...(worm !== undefined && { worm }) },
    );
  }
  const info = {
    barcode,
    serialNumber: toHex(systemRandom(5)).toUpperCase(),
    writeProtected: false,
    createdAt: new Date().toISOString(),
  };
  await writeNewFile(join(making, CASE_FILE), caseText(info), join(folder, CASE_FILE));
  await syncFolderAside(making);
}

const CASE_FILE = 'cartridge.json';
const caseText = (info: CartridgeCase): string => `${JSON.stringify(info, undefined, 1)}\n`;

const writeCase = (folder: string, info: CartridgeCase): void => replaceFile(join(folder, CASE_FILE), caseText(info));

/** @throws FormatError when it is not there or damaged */
export function readCase(cartridges: string, barcode: string): CartridgeCase {
  const path = join(folderOf(cartridges, barcode), 'cartridge.json');
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new FormatError('io', `cartridge ${barcode}`, `${path} cannot be read`, { cause });
  }
  const fields = Fields.parse(text, path);
  return {
    barcode: fields.string('barcode'),
    serialNumber: fields.string('serialNumber'),
    writeProtected: fields.boolean('writeProtected'),
    createdAt: fields.string('createdAt'),
  };
}

/** Turns the write-protect switch. */
export function setWriteProtect(cartridges: string, barcode: string, writeProtected: boolean): void {
  writeCase(folderOf(cartridges, barcode), { ...readCase(cartridges, barcode), writeProtected });
}

export const listCartridges = (cartridges: string): string[] =>
  existsSync(cartridges)
    ? readdirSync(cartridges)
        .filter((name) => BARCODE.test(name))
        .sort()
    : [];

export interface OpenedCartridge {
  readonly medium: TapeMedium;
  readonly cartridge: CartridgeInfo;
}

export interface OpenCartridgeOptions {
  /** What this process does, for others who find the cartridge in use. */
  readonly command: string;
  /** SHA-256 of tape files beside the writing. */
  readonly digest?: boolean;
  /** As if the write-protect switch were on: saves the flushes of a start that may write. */
  readonly readOnly?: boolean;
}

/** Opens a cartridge; no other process can while it is open. @throws FormatError naming who has it */
export async function openCartridge(
  cartridges: string,
  barcode: string,
  options: OpenCartridgeOptions,
): Promise<OpenedCartridge> {
  const { command, digest = false, readOnly = false } = options;
  const folder = folderOf(cartridges, barcode);
  const info = readCase(cartridges, barcode);
  const lock = tryLock(join(folder, 'lock'), command);
  if (!isHeld(lock))
    throw new FormatError(
      'io',
      `cartridge ${barcode}`,
      `in use by process ${lock.pid} (${lock.command}) since ${lock.since}`,
    );
  const writable = !info.writeProtected && !readOnly;
  const name = `cartridge ${barcode}`;
  const release = { [Symbol.asyncDispose]: async () => lock[Symbol.dispose]() };
  const opened: AsyncDisposable[] = [release];
  try {
    const data = await openFileStore(join(folder, 'data'), { writable, name: `${name}, data` });
    opened.push(data);
    const map = await openFileStore(join(folder, 'map'), { writable, direct: 'never', name: `${name}, map` });
    opened.push(map);
    const medium = await openMedium({ data, map, name, writable, digest, release });
    const { serialNumber } = info;
    const cleaning = CLEANING.test(barcode);
    return { medium, cartridge: { barcode, serialNumber, manufacturer: 'REELMAP', chip: openChip(folder), cleaning } };
  } catch (error) {
    for (const one of opened.reverse()) await one[Symbol.asyncDispose]();
    throw error;
  }
}

/** A cartridge's case and map, looked at without a drive. Nothing is locked: of what another process writes, the committed part is seen. */
export interface CartridgeMap extends AsyncDisposable {
  readonly case: CartridgeCase;
  readonly capacity: Bytes;
  readonly worm: boolean;
  /** Objects, filemarks and bytes of record data up to end of data. */
  readonly end: { readonly objects: number; readonly files: number; readonly dataEnd: Bytes };
  /** Damage that costs nothing yet, each naming its place. */
  readonly warnings: readonly string[];
  /** Objects whose entries are damaged, ascending; `known`: what they were is known all the same. Reads all of the map. */
  damaged(): AsyncIterable<{ readonly index: number; readonly known: boolean }>;
  /** Byte of the `data` file at which an object begins; undefined: there is no such object. */
  dataOffset(object: TapeObject): Promise<Bytes | undefined>;
}

/** @throws FormatError when it is not there or damaged */
export async function openCartridgeMap(cartridges: string, barcode: string): Promise<CartridgeMap> {
  const name = `cartridge ${barcode}`;
  const folder = folderOf(cartridges, barcode);
  const info = readCase(cartridges, barcode);
  const store = await openFileStore(join(folder, 'map'), { direct: 'never', name: `${name}, map` });
  try {
    const map = await ObjectMap.open(store, name, statSync(join(folder, 'data')).size, false);
    return {
      case: info,
      capacity: bytes(map.header.capacity),
      worm: map.header.worm,
      end: { ...map.end, dataEnd: bytes(map.end.dataEnd) },
      warnings: map.warnings,
      damaged: () => map.damaged(),
      dataOffset: async (object) => {
        if (object >= map.end.objects) return undefined;
        const { offset, exact } = await map.placeOf(object);
        return exact ? bytes(offset) : undefined;
      },
      [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
    };
  } catch (error) {
    await store[Symbol.asyncDispose]();
    throw error;
  }
}

/** Whether anything was ever written to one of the cartridges. */
export const anyWritten = (cartridges: string): boolean =>
  listCartridges(cartridges).some((barcode) => {
    const data = statSync(join(folderOf(cartridges, barcode), 'data'), { throwIfNoEntry: false });
    return data !== undefined && data.size > 0;
  });

/** Bytes that are free where the cartridges are. */
export function freeBytes(folder: string): Bytes {
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize;
}
