/** What commands need of the rest of the program, as small interfaces. compose.ts wires them; tests bring their own. */
import type { FormatError } from '../bytes/errors.ts';
import type { Manifest } from '../bytes/manifest.ts';
import type { Bytes, TapeObject } from '../bytes/units.ts';
import type { ChunkSource, DriveModel } from '../plan/restore-plan.ts';
import type { CartridgeSource } from '../restore/read-plan.ts';
import type { IndexEntry } from '../tape-index/entry.ts';
import type { Proof } from '../tape-index/proofs.ts';
import type { UnreadableSet } from '../tape-index/sets.ts';

/** A set as the store knows it. `damaged`: what is wrong with its index, if that was found. */
export type SetRecord = Omit<Manifest, 'chunks'> & { readonly damaged?: string | null };

/** An entry of a listing. `secondName`: a directory that has its place elsewhere; nobody goes down here. */
export type ListedEntry = IndexEntry & { readonly secondName?: boolean };

/** The sealed sets of a state directory. */
export interface IndexService extends AsyncDisposable {
  /** Oldest first. `unreadable` is told of sets whose records are damaged; without it that is thrown. */
  sets(unreadable?: (set: UnreadableSet) => void): Promise<readonly SetRecord[]>;
  open(set: SetRecord): Promise<SetView>;
  /** Forgets a set; its tape is not touched. */
  drop(set: SetRecord): Promise<void>;
}

/** One set, for look-ups. `filesystem`: a number of the set's; missing: the first that is indexed. */
export interface SetView extends ChunkSource {
  readonly record: SetRecord;
  /** Undefined: the filesystem is not indexed. */
  root(filesystem?: number): Promise<ListedEntry | undefined>;
  /** Undefined: there is no such path. */
  resolve(names: readonly Uint8Array[], filesystem?: number): Promise<ListedEntry | undefined>;
  /** `damaged` is told of entries that are lost, and the rest comes; without it that is thrown. */
  list(directory: IndexEntry, damaged?: (error: FormatError) => void): AsyncIterable<readonly ListedEntry[]>;
  /** Everything below a directory; `parents`: names down to the directory of `entries`. `damaged`: as in `list`, and where. */
  walk(
    directory: IndexEntry,
    damaged?: (error: FormatError, parents: readonly Uint8Array[]) => void,
  ): AsyncIterable<{ readonly parents: readonly Uint8Array[]; readonly entries: readonly ListedEntry[] }>;
  /** How well an entry is proven, and when that was found; undefined: nobody has looked. */
  proof?(entry: IndexEntry): Promise<Proof | undefined>;
}

/** Drives and cartridges for one set. */
export interface TapeService extends CartridgeSource, AsyncDisposable {
  readonly model: DriveModel;
  /** Lower: better within reach. */
  rank(cartridge: string): number;
  /** The barcode, or the id where there is none. */
  labelOf(cartridge: string): string;
}

export interface TapeOptions {
  readonly note: (text: string) => void;
  /** Wait for a drive, or a cartridge in one, that another process uses. */
  readonly wait?: boolean;
  readonly signal?: AbortSignal;
}

export interface VolumeRestoreRequest {
  readonly set: SetRecord;
  /** Path of a file or block device. */
  readonly target: string;
  readonly overwrite: boolean;
  /** Zeros also where the set stores nothing. A new or emptied file has them anyway. */
  readonly zero: boolean;
  /** Wait for a drive, or a cartridge in one, that another process uses. */
  readonly wait: boolean;
  readonly progress: (state: {
    readonly phase: string;
    readonly bytes: Bytes;
    readonly totalBytes: Bytes;
    readonly label: string;
  }) => void;
  readonly note: (text: string) => void;
  readonly signal: AbortSignal;
}

export interface VolumeRestoreOutcome {
  readonly bytes: Bytes;
  readonly chunks: number;
  readonly cartridges: readonly string[];
  /** Ranges of the volume that could not be read, with the reason. */
  readonly lost: readonly { readonly volumeOffset: Bytes; readonly byteLength: Bytes; readonly reason: string }[];
}

export interface Services {
  openIndex(home: string): Promise<IndexService>;
  openTapes(home: string, set: SetRecord, options: TapeOptions): Promise<TapeService>;
  /** Bytes of virtual cartridges' `data` files at which objects begin; undefined for what is not a virtual cartridge of this home. */
  dataOffsets?(
    home: string,
    places: readonly { readonly barcode: string; readonly object: TapeObject }[],
  ): Promise<readonly (Bytes | undefined)[]>;
  restoreVolume(home: string, index: IndexService, request: VolumeRestoreRequest): Promise<VolumeRestoreOutcome>;
}
