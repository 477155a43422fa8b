/** What a tape drive knows between commands: its medium, its mode, and what it owes its initiators. */
import { FormatError } from '../bytes/errors.ts';
import type { Bytes, TapeObject } from '../bytes/units.ts';
import type { Attribute } from '../scsi/common/attribute.ts';
import { mediumError, type Sense } from '../scsi/common/sense.ts';
import { checkCondition, type ScsiCommand, type ScsiResult } from '../scsi/execute.ts';
import { TapeAlert } from '../scsi/stream/log-pages.ts';
import {
  cleaningCartridge,
  deferredWriteError,
  mediumNotPresent,
  positionError,
  spaceAllocationFailed,
} from '../scsi/stream/sense.ts';
import type { TapeMedium } from '../tape/medium.ts';
import { isHostFull } from './host-full.ts';
import type { CommandContext, Handler } from './logical-unit.ts';
import { Encryption } from './tape-drive-encryption.ts';

/** What is written on a cartridge and in its chip. */
export interface CartridgeInfo {
  /** At most 32 characters of ASCII. */
  readonly barcode: string;
  readonly serialNumber: string;
  /** At most 8 characters. */
  readonly manufacturer: string;
  /** Cleans drives and holds no data. */
  readonly cleaning?: boolean;
  /** Attributes that hosts have written; missing: none can be. */
  readonly chip?: CartridgeChip;
}

/** Medium auxiliary memory. */
export interface CartridgeChip {
  read(): readonly Attribute[];
  /** All of them; on stable storage when it returns. @throws FormatError `io` */
  write(attributes: readonly Attribute[]): void;
}

/** READ BLOCK LIMITS: any length from one byte to 8 MiB. */
export const BLOCK_LENGTH_MIN: Bytes = 1;
export const BLOCK_LENGTH_MAX: Bytes = 8 * 1024 * 1024;
/** Failures kept for the log; older ones are forgotten. */
const FAILURES_MAX = 16;
/** Tape files remembered for page 3Eh. A page of 64 KiB holds 1489. */
const FILES_MAX = 4096;

export interface DriveFailure {
  /** `WRITE`, `READ`, ... */
  readonly during: string;
  readonly cause: unknown;
}

/** A handler of a command that needs a medium. */
export type MediumHandler = (
  medium: TapeMedium,
  command: ScsiCommand,
  context: CommandContext,
) => ScsiResult | Promise<ScsiResult>;

/** Data that WRITE had taken with GOOD could not be put on the medium; `cause` is what the host said. */
class BufferedWriteError extends FormatError {
  constructor(cause: FormatError) {
    super(cause.kind, cause.where, cause.what, { cause });
    this.name = 'BufferedWriteError';
  }
}

/** Sense data for a write that failed: the medium's fault, or that of a full disk below it. */
export const writeFailureSense = (error: unknown): Sense =>
  isHostFull(error) ? spaceAllocationFailed() : deferredWriteError();

/** What the drive has done since a medium was loaded or its counters were reset, for log pages. */
export interface DriveCounters {
  bytesWritten: Bytes;
  recordsWritten: number;
  bytesRead: Bytes;
  recordsRead: number;
  filemarksWritten: number;
  writeErrors: number;
  readErrors: number;
}
export const noCounts = (): DriveCounters => ({
  bytesWritten: 0,
  recordsWritten: 0,
  bytesRead: 0,
  recordsRead: 0,
  filemarksWritten: 0,
  writeErrors: 0,
  readErrors: 0,
});

/** Logical block protection: each block travels with a CRC-32C of four bytes behind it. SSC-4, 4.2.29. */
export interface BlockProtection {
  readonly write: boolean;
  readonly read: boolean;
}
/** Bytes of protection information behind a block. */
export const PROTECTION_BYTES: Bytes = 4;
export const UNPROTECTED: BlockProtection = { write: false, read: false };

export class DriveState {
  readonly encryption = new Encryption();
  counters = noCounts();
  /** DCE of the data compression page. Nothing is compressed: the flag is the host's to see again. */
  compression = true;
  protection = UNPROTECTED;
  medium: TapeMedium | undefined;
  cartridge: CartridgeInfo | undefined;
  /** LOAD UNLOAD took the medium out of the path; the cartridge is still in the drive. */
  unthreaded = false;
  /** Block length of the mode block descriptor; 0: variable. */
  blockLength: Bytes = 0;
  /** Mode parameter header: WRITE ends as soon as its data are in the buffer. */
  buffered = true;
  /** Nexuses that prevent removal. */
  readonly preventedBy = new Set<string>();
  /** TapeAlert flags since the log page was last read. */
  readonly alerts = new Set<number>();
  /** What the host below did to the drive, latest last. Sense data alone cannot say "no space left". */
  readonly failures: DriveFailure[] = [];
  /** Written and not known to be on stable storage: from which object on, and how much. */
  unsynced: { firstObject: TapeObject; bytes: Bytes } | undefined;
  readonly #files = new Set<number>();
  #writingFile: number | undefined;
  readonly #onFailure: (failure: DriveFailure) => void;

  constructor(onFailure: (failure: DriveFailure) => void = () => undefined) {
    this.#onFailure = onFailure;
  }

  /** The medium if commands can reach it. */
  get ready(): TapeMedium | undefined {
    return this.unthreaded || this.cartridge?.cleaning ? undefined : this.medium;
  }

  get notReady(): Sense | undefined {
    if (this.ready !== undefined) return undefined;
    return this.cartridge?.cleaning && !this.unthreaded ? cleaningCartridge() : mediumNotPresent();
  }

  /** Tape files written since the medium was loaded, ascending. */
  get filesWritten(): number[] {
    return [...this.#files].sort((a, b) => a - b);
  }

  /** A fresh or another medium: whatever was known of the old one is gone. */
  forgetMedium(): void {
    this.#files.clear();
    this.#writingFile = undefined;
    this.unsynced = undefined;
    this.blockLength = 0;
    this.encryption.demounted();
  }

  /** Mode parameters as they are at the start. SPC-4, 5.10. */
  resetMode(): void {
    this.buffered = true;
    this.blockLength = 0;
    this.compression = true;
    this.protection = UNPROTECTED;
    this.encryption.reset();
  }

  /** Called before a write: notes from where on the medium lags behind, and which file is written, for page 3Eh. */
  noteWrite(medium: TapeMedium): void {
    if (this.#writingFile === undefined || this.unsynced === undefined) {
      const { file, object } = medium.position;
      this.#writingFile = file;
      this.unsynced ??= { firstObject: object, bytes: 0 };
      if (medium.fileDigest !== undefined) this.#rememberFile(file);
    }
  }

  /** Called after a write that the medium took. */
  noteWritten(length: Bytes): void {
    this.counters.bytesWritten += length;
    this.counters.recordsWritten++;
    if (this.unsynced !== undefined) this.unsynced.bytes += length;
  }

  /** The position changes by other than a WRITE of a record: the file under the head is to be asked anew. */
  leaveFile(): void {
    this.#writingFile = undefined;
  }

  #rememberFile(file: number): void {
    const oldest = this.#files.values().next();
    if (this.#files.size >= FILES_MAX && !oldest.done) this.#files.delete(oldest.value);
    this.#files.add(file);
  }

  /**
   * All that was written is on stable storage when this resolves; costs nothing when it is already.
   * @throws BufferedWriteError once, when something written earlier is lost; reading and moving go on afterwards
   */
  async synchronize(medium: TapeMedium): Promise<void> {
    if (this.unsynced === undefined) return;
    this.unsynced = undefined;
    try {
      await medium.flush();
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      throw new BufferedWriteError(error);
    }
  }

  note(during: string, cause: unknown, alert: number): void {
    this.alerts.add(alert);
    if (alert === TapeAlert.writeFailure) this.counters.writeErrors++;
    else this.counters.readErrors++;
    if (this.failures.length >= FAILURES_MAX) this.failures.shift();
    const failure = { during, cause: cause instanceof BufferedWriteError ? cause.cause : cause };
    this.failures.push(failure);
    this.#onFailure(failure);
  }

  /**
   * A handler that answers NOT READY without a medium, and turns what the medium throws into sense data. Our own mistakes
   * (anything but FormatError) pass through.
   */
  onMedium(words: string, run: MediumHandler): Handler {
    return async (command, context) => {
      const medium = this.ready;
      if (medium === undefined)
        return checkCondition(this.notReady ?? mediumNotPresent(), undefined, command.dataInLength ?? 0);
      try {
        return await run(medium, command, context);
      } catch (error) {
        if (!(error instanceof FormatError)) throw error;
        return checkCondition(this.#senseOf(words, error), undefined, command.dataInLength ?? 0);
      }
    };
  }

  #senseOf(words: string, error: FormatError): Sense {
    if (error instanceof BufferedWriteError) {
      this.note(words, error, TapeAlert.writeFailure);
      return writeFailureSense(error);
    }
    this.note(words, error, TapeAlert.hardError);
    return error.kind === 'io' ? mediumError(0x11, 0x00) : positionError();
  }
}
