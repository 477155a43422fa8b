/**
 * A backup set's manifest: what one run recorded of one volume and where it lies. The same JSON is `manifest.json` in the
 * set's index file on tape and, without `chunks`, the set's record in the store. index-format/FORMAT.md is its prose.
 */

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

export interface FilesystemRecord {
  /** 0 for a volume that is one filesystem; partition number otherwise. Part of the index keys. */
  readonly number: number;
  readonly type: string;
  readonly uuid: string;
  readonly label: string;
  readonly blockSize: number;
  /** Bytes of the volume that it covers. */
  readonly volumeOffset: number;
  readonly byteLength: number;
  readonly rootInode: number;
  /** `reason` is set when the filesystem is stored but not indexed file by file. */
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
  /** Hexadecimal SHA-256 of the chunk's stored bytes (the sparse member's data without header, map and padding); null: not computed. */
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
