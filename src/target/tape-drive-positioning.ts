/** REWIND, SPACE, LOCATE, READ POSITION, LOAD UNLOAD and PREVENT ALLOW. SSC-4, clauses 6 and 7. */
import { viewOf } from '../bytes/layout.ts';
import { invalidFieldInCdb } from '../scsi/common/sense.ts';
import { checkCondition, good, type ScsiResult } from '../scsi/execute.ts';
import {
  LoadUnload,
  Locate10,
  Locate16,
  LocateDestination,
  PositionForm,
  PreventAllow,
  ReadPosition,
  Space6,
  Space16,
  SpaceCode,
} from '../scsi/stream/commands.ts';
import {
  ExtendedPosition,
  encodeExtendedPosition,
  encodeLongPosition,
  encodeShortPosition,
  type StreamPosition,
} from '../scsi/stream/position.ts';
import { beginningMet, endOfDataMet, filemarkMet, mediumNotPresent, removalPrevented } from '../scsi/stream/sense.ts';
import type { SpaceOutcome, TapeMedium } from '../tape/medium.ts';
import { dataIn, type Handler } from './logical-unit.ts';
import type { DriveState } from './tape-drive-state.ts';

export function rewind(state: DriveState): Handler {
  return state.onMedium('REWIND', async (medium) => {
    await beforeMove(state, medium);
    await medium.locate(0);
    return good();
  });
}

export function space6(state: DriveState): Handler {
  return state.onMedium('SPACE', (medium, { cdb }) => {
    const view = viewOf(cdb);
    return space(state, medium, Space6.code.get(view, 0), Space6.count.get(view, 0));
  });
}

export function space16(state: DriveState): Handler {
  return state.onMedium('SPACE', (medium, { cdb }) => {
    const view = viewOf(cdb);
    if (Space16.parameterListLength.get(view, 0) !== 0) return checkCondition(invalidFieldInCdb(12));
    const count = clampedCount(view);
    return space(state, medium, Space16.code.get(view, 0), count);
  });
}

/** COUNT, held within what a number has exactly: no medium has more objects. */
function clampedCount(view: DataView): number {
  const count = view.getBigInt64(4);
  const limit = BigInt(Number.MAX_SAFE_INTEGER);
  return Number(count > limit ? limit : count < -limit ? -limit : count);
}

async function space(state: DriveState, medium: TapeMedium, code: number, count: number): Promise<ScsiResult> {
  const what = code === SpaceCode.logicalBlocks ? 'records' : code === SpaceCode.filemarks ? 'filemarks' : undefined;
  if (what === undefined && code !== SpaceCode.endOfData) return checkCondition(invalidFieldInCdb(1, 3));
  if (what !== undefined && count === 0) return good();
  await beforeMove(state, medium);
  if (what !== undefined) return spaceAnswer(await medium.space(what, count));
  await medium.locateEndOfData();
  return good();
}

function spaceAnswer(outcome: SpaceOutcome): ScsiResult {
  switch (outcome.kind) {
    case 'done':
      return good();
    case 'filemark':
      return checkCondition(filemarkMet(outcome.left));
    case 'end-of-data':
      return checkCondition(endOfDataMet(outcome.left));
    case 'beginning':
      return checkCondition(beginningMet(outcome.left));
  }
}

export function locate10(state: DriveState): Handler {
  return state.onMedium('LOCATE(10)', async (medium, { cdb }) => {
    const view = viewOf(cdb);
    if (Locate10.cp.get(view, 0) && Locate10.partition.get(view, 0) !== 0) return checkCondition(invalidFieldInCdb(8));
    await beforeMove(state, medium);
    return located(await medium.locate(Locate10.logicalObjectIdentifier.get(view, 0)));
  });
}

export function locate16(state: DriveState): Handler {
  return state.onMedium('LOCATE(16)', async (medium, { cdb }) => {
    const view = viewOf(cdb);
    if (Locate16.bam.get(view, 0)) return checkCondition(invalidFieldInCdb(2, 0));
    if (Locate16.cp.get(view, 0) && Locate16.partition.get(view, 0) !== 0) return checkCondition(invalidFieldInCdb(3));
    const asked = view.getBigUint64(4);
    const identifier = asked > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : Number(asked);
    switch (Locate16.destinationType.get(view, 0)) {
      case LocateDestination.object:
        await beforeMove(state, medium);
        return located(await medium.locate(identifier));
      case LocateDestination.file:
        await beforeMove(state, medium);
        return located(await medium.locateFile(identifier));
      case LocateDestination.endOfData:
        await beforeMove(state, medium);
        await medium.locateEndOfData();
        return good();
      default:
        return checkCondition(invalidFieldInCdb(1, 5));
    }
  });
}

const located = (found: boolean): ScsiResult => (found ? good() : checkCondition(endOfDataMet()));

/** What was buffered is written before the medium moves away from it. SSC-4, 4.2.8. */
async function beforeMove(state: DriveState, medium: TapeMedium): Promise<void> {
  await state.synchronize(medium);
  state.leaveFile();
}

export function readPosition(state: DriveState): Handler {
  return state.onMedium('READ POSITION', (medium, command) => {
    const view = viewOf(command.cdb);
    const now = positionOf(state, medium);
    switch (ReadPosition.serviceAction.get(view, 0)) {
      case PositionForm.short:
      case PositionForm.shortVendor:
        return dataIn(command, encodeShortPosition(now), Number.POSITIVE_INFINITY);
      case PositionForm.long:
        return dataIn(command, encodeLongPosition(now), Number.POSITIVE_INFINITY);
      case PositionForm.extended: {
        const allocated = ReadPosition.allocationLength.get(view, 0);
        if (allocated < ExtendedPosition.byteLength) return checkCondition(invalidFieldInCdb(7));
        return dataIn(command, encodeExtendedPosition(now), allocated);
      }
      default:
        return checkCondition(invalidFieldInCdb(1, 4));
    }
  });
}

function positionOf(state: DriveState, medium: TapeMedium): StreamPosition {
  const { object, file, atBeginning, pastEarlyWarning } = medium.position;
  const { unsynced } = state;
  const onMedium = unsynced === undefined ? object : Math.min(object, unsynced.firstObject);
  const bufferedBytes = unsynced?.bytes ?? 0;
  return { object, file, atBeginning, pastEarlyWarning, partition: 0, onMedium, bufferedBytes };
}

export function loadUnload(state: DriveState, onLoad: () => void): Handler {
  return async ({ cdb }) => {
    const view = viewOf(cdb);
    const { medium } = state;
    const load = LoadUnload.load.get(view, 0);
    if (LoadUnload.hold.get(view, 0)) return checkCondition(invalidFieldInCdb(4, 3));
    if (LoadUnload.eot.get(view, 0)) return checkCondition(invalidFieldInCdb(4, 2));
    if (medium === undefined) return load ? checkCondition(mediumNotPresent()) : good();
    if (!load && state.preventedBy.size > 0) return checkCondition(removalPrevented());
    if (!load && state.unthreaded) return good();
    return load ? loadAgain(state, onLoad) : unthread(state);
  };
}

const NO_NEXUS = { nexus: '', signal: undefined };

async function loadAgain(state: DriveState, onLoad: () => void): Promise<ScsiResult> {
  if (state.unthreaded) {
    state.unthreaded = false;
    state.forgetMedium();
    onLoad();
  }
  return rewind(state)({ cdb: new Uint8Array(6) }, NO_NEXUS);
}

async function unthread(state: DriveState): Promise<ScsiResult> {
  const result = await rewind(state)({ cdb: new Uint8Array(6) }, NO_NEXUS);
  if (result.status === 'good') state.unthreaded = true;
  return result;
}

export function preventAllow(state: DriveState): Handler {
  return ({ cdb }, { nexus }) => {
    const prevent = PreventAllow.prevent.get(viewOf(cdb), 0);
    if (prevent > 1) return checkCondition(invalidFieldInCdb(4, 1));
    if (prevent === 1) state.preventedBy.add(nexus);
    else state.preventedBy.delete(nexus);
    return good();
  };
}
