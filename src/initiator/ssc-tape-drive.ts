/**
 * A tape drive behind an `Execute`, by SSC-4 commands. What a drive may leave out is worked around: LOCATE(16) by
 * LOCATE(10), the long READ POSITION by the short one and counting filemarks, medium attributes by the capacity log page.
 *
 * Invariants
 * - Reads and writes are of variable blocks: the mode is looked at before the first one after a load, and set if need be.
 * - Only `ready` and opening take a unit attention that tells of a reset or another medium; every other command fails with it.
 */
import { assert, FormatError } from '../bytes/errors.ts';
import { viewOf } from '../bytes/layout.ts';
import { type Bytes, bytes, MiB, type TapeFile, type TapeObject, tapeFile } from '../bytes/units.ts';
import { decodeAttributes, readAttributeValues } from '../scsi/common/attribute.ts';
import { testUnitReady } from '../scsi/common/commands.ts';
import { decodeLogPage, decodeLogParameters, type LogParameter, logSense } from '../scsi/common/log.ts';
import {
  decodeModeParameters,
  encodeModeParameters,
  type ModeParameters,
  modeSelect6,
  modeSense6,
  splitModePages,
} from '../scsi/common/mode.ts';
import { OperationCode } from '../scsi/common/operation-codes.ts';
import { type Sense, SenseKey } from '../scsi/common/sense.ts';
import type { Designator } from '../scsi/copy/list.ts';
import type { Execute, ScsiCommand } from '../scsi/execute.ts';
import { AttributeId, attributeNumber, attributeText } from '../scsi/stream/attributes.ts';
import {
  Erase6,
  Locate10,
  Locate16,
  PositionForm,
  ReadPosition,
  ReadWrite6,
  Rewind,
  Space6,
  SpaceCode,
  WriteFilemarks6,
} from '../scsi/stream/commands.ts';
import { decodeFileDigest, decodeTapeCapacity, fileDigestCode, StreamLogPage } from '../scsi/stream/log-pages.ts';
import { DeviceSpecificParameter, StreamPage } from '../scsi/stream/mode-pages.ts';
import {
  decodeLongPosition,
  decodeShortPosition,
  LongPosition,
  ShortPosition,
  type StreamPosition,
} from '../scsi/stream/position.ts';
import type { DeviceIdentity } from './identity.ts';
import { type Completed, executeWithRetry } from './retry.ts';
import { locateAnswer, readAnswer, spaceAnswer, writeAnswer } from './tape-answers.ts';
import type { DrivePosition, MediumAttributes, TapeDrive, TapeRead, TapeWrite } from './tape-drive.ts';
import { refusal } from './words.ts';

/** How long commands may take; winding a full tape from end to end takes minutes. */
const SHORT_MS = 60_000;
const TRANSFER_MS = 900_000;
const WINDING_MS = 3_600_000;
const ATTRIBUTE_BYTES = 8192;
const LOG_BYTES = 4096;
const MODE_BYTES = 255;
/** Most filemarks one SPACE(6) passes. */
const SPACE6_MAX = 0x7f_ffff;

export interface DriveIdentity extends DeviceIdentity {
  readonly designator: Designator;
  readonly blockLengthMax: Bytes;
}

export class SscTapeDrive implements TapeDrive {
  readonly execute: Execute;
  readonly #identity: DriveIdentity;
  #variableBlocks = false;
  #hasLocate16 = true;
  #hasLongPosition = true;

  constructor(execute: Execute, identity: DriveIdentity) {
    this.execute = execute;
    this.#identity = identity;
  }

  get vendor(): string {
    return this.#identity.vendor;
  }
  get product(): string {
    return this.#identity.product;
  }
  get serialNumber(): string {
    return this.#identity.serialNumber;
  }
  get designator(): Designator {
    return this.#identity.designator;
  }
  get blockLengthMax(): Bytes {
    return this.#identity.blockLengthMax;
  }
  get device(): string {
    return this.#identity.device;
  }

  async ready(signal?: AbortSignal): Promise<boolean> {
    const words = 'TEST UNIT READY';
    this.#variableBlocks = false;
    const how = { device: this.device, words, ...(signal && { signal }) };
    const result = await executeWithRetry(this.execute, { cdb: testUnitReady(), timeoutMs: SHORT_MS }, how);
    if (result.status !== 'check-condition') return true;
    if (result.sense.key === SenseKey.notReady) return false;
    throw refusal(this.device, words, result);
  }

  async position(): Promise<DrivePosition> {
    const { object, file, atBeginning, pastEarlyWarning } = await this.#position();
    return { object, file: file ?? (await this.#countFile(object)), atBeginning, pastEarlyWarning };
  }

  async attributes(): Promise<MediumAttributes> {
    const command = { cdb: readAttributeValues(0, ATTRIBUTE_BYTES), dataInLength: ATTRIBUTE_BYTES };
    const words = 'READ ATTRIBUTE';
    const result = await this.#run(words, command);
    if (result.status === 'check-condition') {
      if (!notSupported(result.sense)) throw refusal(this.device, words, result);
      return this.#capacityLog();
    }
    const all = decodeAttributes(result.dataIn);
    const find = (id: number) => all.find(({ identifier }) => identifier === id);
    const remaining = attributeNumber(find(AttributeId.remainingCapacity));
    const maximum = attributeNumber(find(AttributeId.maximumCapacity));
    const barcode = attributeText(find(AttributeId.barcode));
    const serialNumber = attributeText(find(AttributeId.mediumSerialNumber));
    return {
      ...(remaining !== undefined && { remainingCapacity: bytes(remaining * MiB) }),
      ...(maximum !== undefined && { maximumCapacity: bytes(maximum * MiB) }),
      ...(barcode !== undefined && { barcode }),
      ...(serialNumber !== undefined && { serialNumber }),
    };
  }

  async medium(): Promise<{ readonly writeProtected: boolean; readonly worm: boolean }> {
    const parameters = (await this.#modeSense(StreamPage.mediumConfiguration)) ?? (await this.#modeHeader());
    const specific = viewOf(Uint8Array.of(parameters.deviceSpecificParameter));
    const page = splitModePages(parameters.pages).find(({ pageCode }) => pageCode === StreamPage.mediumConfiguration);
    const worm = page !== undefined && page.body.length >= 1 && (page.body[0] & WORM_BIT) !== 0;
    return { writeProtected: DeviceSpecificParameter.wp.get(specific, 0), worm };
  }

  async rewind(): Promise<void> {
    const cdb = Rewind.encode({ operationCode: OperationCode.rewind });
    await this.#good('REWIND', { cdb, timeoutMs: WINDING_MS });
  }

  async locate(object: TapeObject): Promise<boolean> {
    if (this.#hasLocate16) {
      const cdb = Locate16.encode({ operationCode: OperationCode.locate16, logicalIdentifier: object });
      const result = await this.#run('LOCATE(16)', { cdb, timeoutMs: WINDING_MS });
      if (result.status !== 'check-condition' || !unknownCommand(result.sense))
        return locateAnswer(this.device, 'LOCATE(16)', result);
      this.#hasLocate16 = false;
    }
    const cdb = Locate10.encode({ operationCode: OperationCode.locate10, logicalObjectIdentifier: object });
    return locateAnswer(this.device, 'LOCATE(10)', await this.#run('LOCATE(10)', { cdb, timeoutMs: WINDING_MS }));
  }

  async locateEndOfData(): Promise<void> {
    const cdb = Space6.encode({ operationCode: OperationCode.space6, code: SpaceCode.endOfData });
    await this.#good('SPACE to end of data', { cdb, timeoutMs: WINDING_MS });
  }

  async spaceFilemarks(count: number): Promise<number> {
    let left = Math.abs(count);
    while (left > 0) {
      const step = Math.min(left, SPACE6_MAX);
      const notPassed = await this.#space(count < 0 ? -step : step);
      left -= step - notPassed;
      if (notPassed > 0) break;
    }
    return left;
  }

  async read(into: Uint8Array): Promise<TapeRead> {
    assert(into.length > 0, 'a READ of no bytes reads no record');
    const target = into.length <= this.blockLengthMax ? into : into.subarray(0, this.blockLengthMax);
    const transferLength = target.length;
    const cdb = ReadWrite6.encode({ operationCode: OperationCode.read6, transferLength });
    const command = { cdb, dataIn: target, dataInLength: bytes(transferLength), timeoutMs: TRANSFER_MS };
    return readAnswer(this.device, 'READ', await this.#atPosition('READ', command), target);
  }

  async write(record: Uint8Array): Promise<TapeWrite> {
    assert(record.length > 0, 'a WRITE of no bytes writes no record');
    if (record.length > this.blockLengthMax)
      throw new FormatError(
        'unsupported',
        this.device,
        `records of ${record.length} bytes, at most ${this.blockLengthMax}`,
      );
    const cdb = ReadWrite6.encode({ operationCode: OperationCode.write6, transferLength: record.length });
    const result = await this.#atPosition('WRITE', { cdb, dataOut: record, timeoutMs: TRANSFER_MS });
    return writeAnswer(this.device, 'WRITE', result);
  }

  async writeFilemarks(count: number, options: { readonly immediate: boolean }): Promise<TapeWrite> {
    const cdb = WriteFilemarks6.encode({
      operationCode: OperationCode.writeFilemarks6,
      immed: options.immediate,
      filemarkCount: count,
    });
    const result = await this.#atPosition('WRITE FILEMARKS', { cdb, timeoutMs: TRANSFER_MS });
    return writeAnswer(this.device, 'WRITE FILEMARKS', result);
  }

  async erase(): Promise<void> {
    const cdb = Erase6.encode({ operationCode: OperationCode.erase });
    const result = await this.#atPosition('ERASE', { cdb, timeoutMs: WINDING_MS });
    if (result.status === 'check-condition') throw refusal(this.device, 'ERASE', result);
  }

  async fileDigest(file: TapeFile): Promise<Uint8Array | undefined> {
    if (this.vendor !== 'REELMAP') return undefined; // elsewhere page 3Eh is something else
    const parameters = await this.#log(StreamLogPage.fileDigests, fileDigestCode(file));
    for (const { code, value } of parameters ?? []) {
      if (code !== fileDigestCode(file)) continue;
      const found = this.#decoded('LOG SENSE, page 3Eh', () => decodeFileDigest(value));
      if (found.file === file) return found.sha256;
    }
    return undefined;
  }

  async #position(): Promise<StreamPosition> {
    if (this.#hasLongPosition) {
      const long = await this.#readPosition(PositionForm.long, LongPosition.byteLength);
      if (long !== undefined) return this.#known(this.#decoded(POSITION_WORDS, () => decodeLongPosition(long)));
      this.#hasLongPosition = false;
    }
    const short = await this.#readPosition(PositionForm.short, ShortPosition.byteLength);
    if (short === undefined) throw new FormatError('unsupported', this.device, 'the drive has no READ POSITION');
    return this.#known(this.#decoded(POSITION_WORDS, () => decodeShortPosition(short)));
  }

  #known(position: StreamPosition | { readonly problem: string }): StreamPosition {
    if ('problem' in position) throw new FormatError('io', this.device, `READ POSITION: ${position.problem}`);
    if (position.partition !== 0)
      throw new FormatError('unsupported', this.device, `the drive stands in partition ${position.partition}`);
    return position;
  }

  /** Position data of one form; undefined when the drive does not have it. @throws FormatError when they are cut short */
  async #readPosition(serviceAction: number, length: number): Promise<DataView | undefined> {
    const cdb = ReadPosition.encode({ operationCode: OperationCode.readPosition, serviceAction });
    const result = await this.#run(POSITION_WORDS, { cdb, dataInLength: length });
    if (result.status === 'check-condition') {
      if (notSupported(result.sense)) return undefined;
      throw refusal(this.device, POSITION_WORDS, result);
    }
    if (result.dataIn.length < length)
      throw new FormatError('corrupt', this.device, `READ POSITION gave ${result.dataIn.length} bytes of ${length}`);
    return viewOf(result.dataIn);
  }

  /** Filemarks before `object`, for drives that do not count: spaces back to the beginning and returns. */
  async #countFile(object: TapeObject): Promise<TapeFile> {
    let passed = 0;
    for (;;) {
      const notPassed = await this.#space(-SPACE6_MAX);
      passed += SPACE6_MAX - notPassed;
      if (notPassed > 0) break;
    }
    if (!(await this.locate(object))) throw new FormatError('io', this.device, `object ${object} is no longer there`);
    return tapeFile(passed);
  }

  async #space(count: number): Promise<number> {
    const cdb = Space6.encode({ operationCode: OperationCode.space6, code: SpaceCode.filemarks, count });
    const result = await this.#atPosition('SPACE', { cdb, timeoutMs: WINDING_MS });
    return spaceAnswer(this.device, 'SPACE', result, count);
  }

  async #capacityLog(): Promise<MediumAttributes> {
    const parameters = await this.#log(StreamLogPage.tapeCapacity);
    if (parameters === undefined) return {};
    const { remaining, maximum } = this.#decoded('LOG SENSE, page 31h', () => decodeTapeCapacity(parameters));
    return {
      ...(remaining !== undefined && { remainingCapacity: remaining }),
      ...(maximum !== undefined && { maximumCapacity: maximum }),
    };
  }

  /** Parameters of a log page from `pointer` on; undefined when the drive does not have it. */
  async #log(page: number, pointer = 0): Promise<LogParameter[] | undefined> {
    const words = `LOG SENSE, page ${page.toString(16)}h`;
    const result = await this.#run(words, { cdb: logSense(page, LOG_BYTES, 0, pointer), dataInLength: LOG_BYTES });
    if (result.status === 'check-condition') {
      if (notSupported(result.sense)) return undefined;
      throw refusal(this.device, words, result);
    }
    const found = decodeLogPage(result.dataIn);
    if (found.pageCode !== page)
      throw new FormatError('corrupt', this.device, `${words}: page ${found.pageCode.toString(16)}h came instead`);
    return wholeParameters(found.body);
  }

  async #modeHeader(): Promise<ModeParameters> {
    const found = (await this.#modeSense(StreamPage.none)) ?? (await this.#modeSense(StreamPage.all));
    if (found === undefined) throw new FormatError('unsupported', this.device, 'the drive has no MODE SENSE(6)');
    return found;
  }

  /** Mode parameters with one page; undefined when the drive does not have it. */
  async #modeSense(page: number): Promise<ModeParameters | undefined> {
    const words = `MODE SENSE, page ${page.toString(16)}h`;
    const result = await this.#run(words, { cdb: modeSense6(page, MODE_BYTES), dataInLength: MODE_BYTES });
    if (result.status !== 'check-condition') return decodeModeParameters(result.dataIn, 6);
    if (notSupported(result.sense)) return undefined;
    throw refusal(this.device, words, result);
  }

  /** Variable blocks, as others may have left fixed ones. */
  async #ensureVariableBlocks(): Promise<void> {
    if (this.#variableBlocks) return;
    const { deviceSpecificParameter, blockDescriptor } = await this.#modeHeader();
    if (blockDescriptor !== undefined && blockDescriptor.blockLength !== 0) {
      const wanted = {
        mediumType: 0,
        deviceSpecificParameter: deviceSpecificParameter & ~WRITE_PROTECT_BIT, // reserved in MODE SELECT
        blockDescriptor: { densityCode: blockDescriptor.densityCode, numberOfBlocks: 0, blockLength: 0 },
        pages: new Uint8Array(0),
      };
      const dataOut = encodeModeParameters(wanted, 6, true);
      await this.#good('MODE SELECT to variable blocks', { cdb: modeSelect6(dataOut.length), dataOut });
    }
    this.#variableBlocks = true;
  }

  /** A command on records or filemarks: the mode must be right for it. */
  async #atPosition(words: string, command: ScsiCommand): Promise<Completed> {
    await this.#ensureVariableBlocks();
    return this.#run(words, command);
  }

  /**
   * Runs a command. A unit attention that tells of a reset or of another medium is an error: whoever meant to write to the
   * old one must hear of it, and the drive says so only once.
   */
  async #run(words: string, command: ScsiCommand): Promise<Completed> {
    const how = { device: this.device, words, unitAttention: 'report' as const };
    const result = await executeWithRetry(this.execute, { timeoutMs: SHORT_MS, ...command }, how);
    if (result.status !== 'check-condition' || result.sense.key !== SenseKey.unitAttention) return result;
    this.#variableBlocks = false;
    throw refusal(this.device, words, result);
  }

  async #good(words: string, command: ScsiCommand): Promise<void> {
    const result = await this.#run(words, command);
    if (result.status === 'check-condition') throw refusal(this.device, words, result);
  }

  /** Data that end too early, or numbers above 2^53, in the drive's name. */
  #decoded<T>(words: string, decode: () => T): T {
    try {
      return decode();
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      throw new FormatError('corrupt', this.device, `${words}: ${error.message}`, { cause: error });
    }
  }
}

const POSITION_WORDS = 'READ POSITION';
const WRITE_PROTECT_BIT = 0x80;
const WORM_BIT = 1 << 0;

/** 5h/20/00: the drive does not know the command. */
const unknownCommand = (sense: Sense): boolean => sense.key === SenseKey.illegalRequest && sense.asc === 0x20;
/** The same, or 5h/24/00: it does not know this page or form of it. */
const notSupported = (sense: Sense): boolean =>
  unknownCommand(sense) || (sense.key === SenseKey.illegalRequest && sense.asc === 0x24);

/** The parameters that came whole: the allocation length may have cut the last. */
function wholeParameters(body: Uint8Array): LogParameter[] {
  let end = 0;
  while (end + 4 <= body.length && end + 4 + body[end + 3] <= body.length) end += 4 + body[end + 3];
  return decodeLogParameters(body.subarray(0, end));
}
