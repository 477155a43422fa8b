/** Task management functions. RFC 7143, 11.5, 11.6; SAM-5, clause 7. Each nexus has a task set of its own, so that CLEAR TASK SET is ABORT TASK SET. */
import { decodeLun } from '../../scsi/common/commands.ts';
import {
  NO_TAG,
  Opcode,
  serialBefore,
  TaskFunction,
  TaskManagementRequestPdu,
  TaskManagementResponsePdu,
  TaskResponse,
} from '../pdu.ts';
import { draft } from '../sender.ts';
import type { Session } from './session.ts';
import type { Task } from './task.ts';

/** Units let go of aborted commands within this time, or the response goes out without them. */
const ABORT_MS = 30_000;

interface ManagementRequest {
  readonly tag: number;
  readonly function: number;
  readonly lun: number | undefined;
  readonly referencedTaskTag: number;
  readonly refCmdSn: number;
  readonly cmdSn: number;
}

/** Carries out a request; the response goes out when the tasks that it names have ended. */
export function manageTasks(session: Session, view: DataView): void {
  const f = TaskManagementRequestPdu;
  const request: ManagementRequest = {
    tag: f.initiatorTaskTag.get(view, 0),
    function: f.function.get(view, 0),
    lun: decodeLun(f.lun.get(view, 0)),
    referencedTaskTag: f.referencedTaskTag.get(view, 0),
    refCmdSn: f.refCmdSn.get(view, 0),
    cmdSn: f.cmdSn.get(view, 0),
  };
  const { response, ends } = carryOut(session, request);
  void Promise.race([ends, later(ABORT_MS)]).then(() => respond(session, request.tag, response));
}

interface Outcome {
  readonly response: number;
  readonly ends: Promise<unknown>;
}
const at = (response: number): Outcome => ({ response, ends: Promise.resolve() });
const after = (ends: Promise<unknown>): Outcome => ({ response: TaskResponse.functionComplete, ends });

function carryOut(session: Session, request: ManagementRequest): Outcome {
  const { device } = session;
  if (device === undefined) return at(TaskResponse.functionRejected);
  const ofLun = ({ lun }: Task): boolean => decodeLun(lun) === request.lun;
  switch (request.function) {
    case TaskFunction.abortTask:
      return abortOne(session, request);
    case TaskFunction.abortTaskSet:
    case TaskFunction.clearTaskSet:
      return after(session.abortTasks((task) => ofLun(task) && olderThan(task, request)));
    case TaskFunction.logicalUnitReset: {
      const ends = abortEverywhere(session, ofLun);
      const known = request.lun !== undefined && device.resetUnit(request.lun);
      return known ? after(ends) : at(TaskResponse.lunDoesNotExist);
    }
    case TaskFunction.targetWarmReset:
    case TaskFunction.targetColdReset: {
      const ends = abortEverywhere(session, () => true);
      device.resetAll();
      return after(ends);
    }
    case TaskFunction.taskReassign:
      return at(TaskResponse.reassignmentNotSupported);
    default:
      return at(TaskResponse.functionNotSupported);
  }
}

/** A task that is gone has ended, or never came: the initiator gave its CmdSN, and then it is not to come any more either. */
function abortOne(session: Session, request: ManagementRequest): Outcome {
  for (const task of session.tasks) if (task.tag === request.referencedTaskTag) return after(task.abort());
  return at(TaskResponse.taskDoesNotExist);
}

const olderThan = (task: Task, request: ManagementRequest): boolean =>
  task.immediate || serialBefore(task.cmdSn, request.cmdSn) || task.cmdSn === request.cmdSn;

function abortEverywhere(session: Session, which: (task: Task) => boolean): Promise<unknown> {
  return Promise.all([...session.peers()].map((peer) => peer.abortTasks(which)));
}

const later = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms).unref();
  });

function respond(session: Session, tag: number, response: number): void {
  if (tag === NO_TAG) return;
  const pdu = draft(Opcode.taskManagementResponse);
  TaskManagementResponsePdu.initiatorTaskTag.set(pdu.view, 0, tag);
  TaskManagementResponsePdu.response.set(pdu.view, 0, response);
  session.numbers.status(pdu);
  session.sender.send(pdu);
}
