/**
 * A backup set's manifest: what one run recorded of one volume and where it lies. The same JSON is `manifest.json` in the
 * set's index file on tape and, without `chunks`, the set's record in the store. index-format/FORMAT.md is its prose.
 */
import { check } from './errors.ts';
import { Fields } from './json-fields.ts';

/** Version of the tape and index format. Every release reads every earlier one. */
export const FORMAT_VERSION = 1;

export interface Manifest {
  readonly format: typeof FORMAT_VERSION;
  /** 128 random bits, 32 hexadecimal digits. */
  readonly set: string;
  readonly kind: 'full' | 'incremental';
  /** The set whose pages and blocks this one builds on; null for a full one. */
  readonly base: string | null;
  readonly volume: VolumeIdentity;
  readonly snapshot: { readonly provider: string; readonly consistency: string };
  /** ISO 8601, UTC. */
  readonly startedAt: string;
  readonly finishedAt: string;
  /** `reelmap 0.1.0` */
  readonly program: string;
  /** Bytes of every record of the set's tape files. */
  readonly recordSize: number;
  readonly filesystems: readonly FilesystemRecord[];
  /** Of a volume that is divided into partitions or logical volumes; missing: it is one filesystem, or one item. */
  readonly disk?: DiskRecord;
  /** Bytes of volume ranges that the chunks store (gaps read through included), and tape records in all. */
  readonly storedBytes: number;
  readonly allocatedBytes: number;
  /** SHA-256 over the index pages in key order, hexadecimal; see FORMAT.md "Seal". */
  readonly indexDigest: string;
  /** Rows under the digest. */
  readonly indexRows: number;
  readonly chunks: readonly ChunkRecord[];
  /** Every cartridge of the set, in the order of writing. */
  readonly cartridges: readonly { readonly id: string; readonly barcode: string }[];
  /** First object of the index or end-of-cartridge file before this one on the same cartridge; null: none. */
  readonly previousIndexObject: number | null;
  /** False in the copy at the end of a cartridge from which the set goes on. */
  readonly complete: boolean;
}

export interface VolumeIdentity {
  /** The user's name for it, lasting. */
  readonly name: string;
  /** What it is: `filesystem:ext4:UUID:SIZE` or `file:SHA-256 of its path:SIZE`; never a path alone. */
  readonly identity: string;
  /** Bytes. */
  readonly byteLength: number;
  /** Where it was found, for people. */
  readonly source: string;
}

/** How a volume is divided. */
export interface DiskRecord {
  /** `gpt`, `dos` or `lvm` (a physical volume without partitions around it). */
  readonly type: string;
  /** As `sfdisk` and `pvs` print it; empty when it has none. */
  readonly id: string;
  readonly notes: readonly string[];
}

export interface FilesystemRecord {
  /** 0 for a volume that is one filesystem; partition number otherwise, 32768 and up: logical volumes. Part of the index keys. */
  readonly number: number;
  /** Where paths of the set have it: `/1`, `/vg/lv`. Missing: the set is this filesystem, its root is `/`. */
  readonly path?: string;
  readonly type: string;
  readonly uuid: string;
  readonly label: string;
  readonly blockSize: number;
  /** Bytes of the volume that it covers. */
  readonly volumeOffset: number;
  readonly byteLength: number;
  /** Where it lies, in its order, when that is more than one piece. */
  readonly segments?: readonly { readonly volumeOffset: number; readonly byteLength: number }[];
  readonly rootInode: number;
  /** It has rows in the index. `reason` is set when they are one item, the volume, and not its files; and why. */
  readonly indexed: boolean;
  readonly reason: string | null;
  readonly notes: readonly string[];
  readonly entries: number;
  readonly inodes: number;
  /** Entries of which something could not be backed up exactly. */
  readonly problems: number;
}

export interface ChunkRecord {
  /** 0, 1, 2, ... in volume order. */
  readonly number: number;
  /** The chunks' ranges tile the volume. */
  readonly volumeOffset: number;
  readonly byteLength: number;
  readonly storedBytes: number;
  readonly extentCount: number;
  /**
   * Hexadecimal SHA-256 of the chunk's whole tape file, all its records from header to trailer: what the mover computes beside the
   * copy and what `sha256sum` says of an exported tape file; null: not computed.
   */
  readonly sha256: string | null;
  /** Hexadecimal SHA-256 of the chunk's plan; also in its pax comment. */
  readonly planDigest: string;
  readonly copies: readonly ChunkCopy[];
}

export interface ChunkCopy {
  /** Cartridge id (not barcode). */
  readonly cartridge: string;
  /** Logical object of the archive's first record. */
  readonly firstObject: number;
  /** Logical object of the first record of data: firstObject + header records. */
  readonly dataObject: number;
  /** Records of the whole tape file, header and trailer included, its filemark not. */
  readonly records: number;
}

/** A manifest as `manifest.json`: indented, for people. */
export const encodeManifest = (manifest: Manifest): Uint8Array =>
  new TextEncoder().encode(`${JSON.stringify(manifest, undefined, 1)}\n`);

/**
 * Reads `manifest.json`, every field checked, unknown ones passed over.
 * @param where names the thing for the error: `cartridge RM0001L9 object 40`
 * @throws FormatError `corrupt`; `unsupported` for another format version
 */
export function parseManifest(text: Uint8Array | string, where: string): Manifest {
  const fields = Fields.parse(text, `${where}, manifest`);
  fields.version('format', FORMAT_VERSION);
  const manifest: Manifest = {
    format: FORMAT_VERSION,
    set: fields.hex('set', 32),
    kind: fields.oneOf('kind', ['full', 'incremental']),
    base: fields.nullable('base', (key) => fields.hex(key, 32)),
    volume: readVolume(fields.object('volume')),
    snapshot: readSnapshot(fields.object('snapshot')),
    startedAt: fields.string('startedAt'),
    finishedAt: fields.string('finishedAt'),
    program: fields.string('program'),
    recordSize: fields.integer('recordSize'),
    filesystems: fields.objects('filesystems', readFilesystem),
    ...(fields.has('disk') && { disk: readDisk(fields.object('disk')) }),
    storedBytes: fields.integer('storedBytes'),
    allocatedBytes: fields.integer('allocatedBytes'),
    indexDigest: fields.hex('indexDigest', 64),
    indexRows: fields.integer('indexRows'),
    chunks: fields.objects('chunks', readChunk),
    cartridges: fields.objects('cartridges', (one) => ({ id: one.hex('id', 32), barcode: one.string('barcode') })),
    previousIndexObject: fields.nullable('previousIndexObject', (key) => fields.integer(key)),
    complete: fields.boolean('complete'),
  };
  check(manifest.recordSize > 0, where, 'the manifest says records of 0 bytes');
  check(
    (manifest.kind === 'full') === (manifest.base === null),
    where,
    'a full set has a base, or an incremental one none',
  );
  checkTiling(manifest, where);
  return manifest;
}

/** Chunks tile the volume, of a complete set all of it. */
function checkTiling(manifest: Manifest, where: string): void {
  const { chunks, volume } = manifest;
  let at = 0;
  for (const [i, chunk] of chunks.entries()) {
    check(chunk.number === i, where, `chunk ${i} of the manifest has number ${chunk.number}`);
    check(chunk.volumeOffset === at, where, `chunk ${i} starts at byte ${chunk.volumeOffset}, not at ${at}`);
    at += chunk.byteLength;
  }
  check(at <= volume.byteLength, where, `the chunks end at byte ${at}, behind the volume's ${volume.byteLength}`);
  check(!manifest.complete || at === volume.byteLength, where, `the chunks end at byte ${at} of ${volume.byteLength}`);
}

const readVolume = (fields: Fields): VolumeIdentity => ({
  name: fields.string('name'),
  identity: fields.string('identity'),
  byteLength: fields.integer('byteLength'),
  source: fields.string('source'),
});

const readSnapshot = (fields: Fields): Manifest['snapshot'] => ({
  provider: fields.string('provider'),
  consistency: fields.string('consistency'),
});

const readDisk = (fields: Fields): DiskRecord => ({
  type: fields.string('type'),
  id: fields.string('id'),
  notes: fields.strings('notes'),
});

const readSegment = (fields: Fields): { volumeOffset: number; byteLength: number } => ({
  volumeOffset: fields.integer('volumeOffset'),
  byteLength: fields.integer('byteLength'),
});

const readFilesystem = (fields: Fields): FilesystemRecord => ({
  number: fields.integer('number'),
  ...(fields.has('path') && { path: fields.string('path') }),
  type: fields.string('type'),
  uuid: fields.string('uuid'),
  label: fields.string('label'),
  blockSize: fields.integer('blockSize'),
  volumeOffset: fields.integer('volumeOffset'),
  byteLength: fields.integer('byteLength'),
  ...(fields.has('segments') && { segments: fields.objects('segments', readSegment) }),
  rootInode: fields.integer('rootInode'),
  indexed: fields.boolean('indexed'),
  reason: fields.nullable('reason', (key) => fields.string(key)),
  notes: fields.strings('notes'),
  entries: fields.integer('entries'),
  inodes: fields.integer('inodes'),
  problems: fields.integer('problems'),
});

const readChunk = (fields: Fields): ChunkRecord => ({
  number: fields.integer('number'),
  volumeOffset: fields.integer('volumeOffset'),
  byteLength: fields.integer('byteLength'),
  storedBytes: fields.integer('storedBytes'),
  extentCount: fields.integer('extentCount'),
  sha256: fields.nullable('sha256', (key) => fields.hex(key, 64)),
  planDigest: fields.hex('planDigest', 64),
  copies: fields.objects('copies', readCopy),
});

function readCopy(fields: Fields): ChunkCopy {
  return {
    cartridge: fields.hex('cartridge', 32),
    firstObject: fields.integer('firstObject'),
    dataObject: fields.integer('dataObject'),
    records: fields.integer('records'),
  };
}
