/** What a backup is given: every edge to the outside is a parameter, so that tests and the simulation bring their own. */
import type { Clock, Random } from '../bytes/random.ts';
import type { Bytes } from '../bytes/units.ts';
import type { CopyManager } from '../initiator/copy-manager.ts';
import type { TapeStation } from '../library/station.ts';
import type { Designator } from '../scsi/copy/list.ts';
import type { LabelDocuments } from '../tape/archive/label.ts';
import type { KvStore } from '../tape-index/kv-store.ts';

/** The volume as the mover's logical unit. */
export interface SourceDisk {
  readonly designator: Designator;
  readonly blockLength: Bytes;
  /** Reads for the one case in which no copy list can move a record. Offset and length in whole blocks. */
  read(offset: Bytes, into: Uint8Array): Promise<void>;
}

export interface BackupEnvironment {
  readonly store: KvStore;
  readonly station: TapeStation;
  readonly mover: CopyManager;
  readonly disk: SourceDisk;
  readonly documents: () => Promise<LabelDocuments>;
  readonly clock: Clock;
  readonly random: Random;
  /** `reelmap 0.1.0` */
  readonly program: string;
  readonly report: (event: BackupEvent) => void;
  /** Whether a process works on a backup now; missing: none but this one does. */
  readonly isAtWork?: (pid: number) => boolean;
  /** Called when no cartridge is left: resolves when one was put in, or answers false to stop resumably. */
  readonly waitForCartridge: (message: string) => Promise<boolean>;
}

/** What a backup says while it runs. */
export type BackupEvent =
  | {
      readonly kind: 'start';
      readonly set: string;
      readonly resumed: boolean;
      readonly totalBytes: Bytes;
      readonly chunksKept: number;
    }
  | { readonly kind: 'cartridge'; readonly barcode: string; readonly labelled: boolean }
  /** `bytes`: stored so far by this run, kept chunks included. */
  | { readonly kind: 'copied'; readonly bytes: Bytes; readonly totalBytes: Bytes }
  | { readonly kind: 'walked'; readonly inodes: number; readonly inodeEstimate: number }
  | { readonly kind: 'committed'; readonly bytes: Bytes }
  | { readonly kind: 'phase'; readonly phase: 'copy' | 'walked' | 'index' | 'seal' }
  /** For the user, worth a line: a cartridge full, a write error, a host copy. */
  | { readonly kind: 'note'; readonly text: string };
