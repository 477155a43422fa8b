// A session's full feature phase over a socket: data in and out, numbering, task management, liveness, shutdown.
import { afterEach, describe, expect, it } from 'vitest';
import { toHex } from '../../src/bytes/random.ts';
import {
  AsyncMessagePdu,
  DataInPdu,
  DataOutPdu,
  LogoutRequestPdu,
  LogoutResponsePdu,
  NopInPdu,
  NopOutPdu,
  Opcode,
  R2tPdu,
  RejectPdu,
  RejectReason,
  TaskFunction,
  TaskManagementRequestPdu,
  TaskManagementResponsePdu,
  TaskResponse,
} from '../../src/iscsi/pdu.ts';
import type { DeviceSession, TargetDevice } from '../../src/iscsi/target/node.ts';
import { encodeLun } from '../../src/scsi/common/commands.ts';
import { decodeSense } from '../../src/scsi/common/sense.ts';
import { type Execute, good } from '../../src/scsi/execute.ts';
import { NO_TAG, openTestPortal, type TestPortal, testDevice, WireInitiator } from '../support/iscsi-wire.ts';
import { patterned } from '../support/mover.ts';
import { codeOf, hex } from '../support/scsi-send.ts';

const open: AsyncDisposable[] = [];
const initiators: WireInitiator[] = [];
afterEach(async () => {
  for (const one of initiators.splice(0)) one.close();
  for (const one of open.splice(0)) await one[Symbol.asyncDispose]();
});

async function serve(device: TargetDevice): Promise<TestPortal> {
  const made = await openTestPortal(device);
  open.push(made);
  return made;
}
async function loggedIn(port: number, keys: [string, string][] = [], isid?: string): Promise<WireInitiator> {
  const client = await WireInitiator.connect(port);
  initiators.push(client);
  expect((await client.login(keys, { isid }))?.status).toBe(0);
  return client;
}
/** A session with a memory disk whose unit attention is gone. */
async function withDisk(keys: [string, string][] = []) {
  const device = testDevice();
  const portal = await serve(device.router);
  const client = await loggedIn(portal.port, keys);
  await client.run('00 0000000000');
  await client.run('00 0000000000', { lun: 2 });
  return { ...device, portal, client };
}
const senseCode = (answer: { readonly sense: Uint8Array | undefined } | undefined): string => {
  const sense = answer?.sense && decodeSense(answer.sense);
  return sense ? codeOf(sense) : '';
};
const writeCdb = (lba: number, blocks: number): string =>
  `2a 00 ${lba.toString(16).padStart(8, '0')} 00 ${blocks.toString(16).padStart(4, '0')} 00`;
const readCdb = (lba: number, blocks: number): string => writeCdb(lba, blocks).replace('2a', '28');

/** A unit whose commands end when the test says so. */
function slowDevice() {
  const waiting: { readonly cdb: Uint8Array; end(): void; readonly signal: AbortSignal | undefined }[] = [];
  const execute: Execute = ({ cdb }, signal) =>
    new Promise((resolve) => {
      waiting.push({ cdb: cdb.slice(), end: () => resolve(good()), signal });
      signal?.addEventListener('abort', () => resolve({ status: 'task-aborted' }));
    });
  const lost: string[] = [];
  const device: TargetDevice = {
    open: (nexus): DeviceSession => ({
      lun: () => execute,
      resetUnit: () => true,
      resetAll: () => {},
      lose: () => lost.push(nexus),
    }),
  };
  return { device, waiting, lost };
}

describe('reading', () => {
  it('keeps to the segment and burst lengths that were agreed on', async () => {
    const keys: [string, string][] = [
      ['MaxRecvDataSegmentLength', '1024'],
      ['MaxBurstLength', '2048'],
    ];
    const { client, stores } = await withDisk(keys);
    const content = patterned(5120, 1);
    stores[0].writeSync(0, content);
    client.command(readCdb(0, 10), { expect: 5120 });
    const seen: [number, number, boolean, boolean][] = [];
    const parts: Uint8Array[] = [];
    for (let last = false; !last; ) {
      const pdu = await client.receive();
      if (pdu === undefined) throw new Error('nothing came');
      const f = DataInPdu;
      last = f.statusPresent.get(pdu.view, 0);
      seen.push([f.dataSn.get(pdu.view, 0), f.bufferOffset.get(pdu.view, 0), f.final.get(pdu.view, 0), last]);
      parts.push(pdu.data);
    }
    expect(seen).toEqual([
      [0, 0, false, false],
      [1, 1024, true, false],
      [2, 2048, false, false],
      [3, 3072, true, false],
      [4, 4096, true, true],
    ]);
    expect(toHex(Buffer.concat(parts))).toBe(toHex(content));
  });

  it('counts what was not there, and what did not fit', async () => {
    const { client } = await withDisk();
    expect((await client.run(readCdb(0, 1), { expect: 10000 }))?.residual).toBe(10000 - 512);
    const cut = await client.run(readCdb(0, 2), { expect: 200 });
    expect([cut?.data.length, cut?.residual]).toEqual([200, 200 - 1024]);
    expect((await client.run(readCdb(0, 1)))?.residual).toBe(-512);
  });

  it('failed gives sense data', async () => {
    const { client } = await withDisk();
    const answer = await client.run(readCdb(0xffff, 1), { expect: 512 });
    expect([answer?.status, senseCode(answer), answer?.residual]).toEqual([2, '5h/21/00', 512]);
  });

  it('many commands at once are all answered', async () => {
    const { client, stores } = await withDisk();
    stores[0].writeSync(0, patterned(64 * 512, 5));
    const tags = Array.from({ length: 48 }, (_, i) => client.command(readCdb(i, 1), { expect: 512 }));
    const answers = new Map<number, Uint8Array>();
    for (const _ of tags) {
      const answer = await client.answer();
      if (answer !== undefined) answers.set(answer.tag, answer.data);
    }
    for (const [i, tag] of tags.entries())
      expect(toHex(answers.get(tag) ?? new Uint8Array(0))).toBe(
        toHex(patterned(64 * 512, 5).subarray(i * 512, i * 512 + 512)),
      );
  });
});

describe('writing', () => {
  it('takes immediate data', async () => {
    const { client, stores } = await withDisk();
    const data = patterned(4096, 2);
    expect((await client.run(writeCdb(3, 8), { out: data }))?.status).toBe(0);
    expect(toHex(stores[0].content().subarray(1536, 1536 + 4096))).toBe(toHex(data));
  });

  /** Sends `data` from `offset` to `end` as Data-Out PDUs of 512 bytes. */
  function sendData(
    client: WireInitiator,
    tag: number,
    ttt: number,
    data: Uint8Array,
    offset: number,
    end: number,
  ): void {
    for (let at = offset, dataSn = 0; at < end; at += 512, dataSn++) {
      const part = data.subarray(at, Math.min(at + 512, end));
      const header = DataOutPdu.encode({
        opcode: Opcode.dataOut,
        final: at + part.length === end,
        lun: encodeLun(1),
        initiatorTaskTag: tag,
        targetTransferTag: ttt,
        dataSn,
        bufferOffset: at,
      });
      client.send(header, part);
    }
  }

  it('takes immediate, unsolicited and solicited data in one command, and asks as was agreed on', async () => {
    const keys: [string, string][] = [
      ['InitialR2T', 'No'],
      ['FirstBurstLength', '2048'],
      ['MaxBurstLength', '2048'],
      ['MaxOutstandingR2T', '2'],
    ];
    const { client, stores } = await withDisk(keys);
    const data = patterned(5120, 3);
    const tag = client.command(writeCdb(0, 10), { out: data, immediate: data.subarray(0, 512), final: false });
    sendData(client, tag, NO_TAG, data, 512, 2048);
    for (const [r2tSn, asked] of [2048, 1024].entries()) {
      const r2t = await client.receive();
      if (r2t === undefined) throw new Error('no R2T');
      const f = R2tPdu;
      expect([r2t.opcode, f.r2tSn.get(r2t.view, 0), f.bufferOffset.get(r2t.view, 0)]).toEqual([
        Opcode.r2t,
        r2tSn,
        2048 + r2tSn * 2048,
      ]);
      expect(f.desiredDataTransferLength.get(r2t.view, 0)).toBe(asked);
      const offset = f.bufferOffset.get(r2t.view, 0);
      sendData(client, tag, f.targetTransferTag.get(r2t.view, 0), data, offset, offset + asked);
    }
    expect((await client.answer())?.status).toBe(0);
    expect(toHex(stores[0].content().subarray(0, 5120))).toBe(toHex(data));
  });

  it('does not ask for more at once than it may hold, and gets all of it', async () => {
    const { client, stores } = await withDisk();
    const data = patterned(256 * 1024, 7);
    const tags = [0, 1, 2, 3].map((i) =>
      client.command(writeCdb(i * 512, 512), { out: data, immediate: new Uint8Array(0) }),
    );
    let ended = 0;
    while (ended < tags.length) {
      const pdu = await client.receive();
      if (pdu === undefined) throw new Error('nothing came');
      if (pdu.opcode === Opcode.r2t) {
        const f = R2tPdu;
        const offset = f.bufferOffset.get(pdu.view, 0);
        const end = offset + f.desiredDataTransferLength.get(pdu.view, 0);
        sendData(client, f.initiatorTaskTag.get(pdu.view, 0), f.targetTransferTag.get(pdu.view, 0), data, offset, end);
      } else ended++;
    }
    for (const i of [0, 1, 2, 3])
      expect(Buffer.compare(stores[0].content().subarray(i * 262144, (i + 1) * 262144), data)).toBe(0);
  });

  it.each([
    ['with a wrong DataSN', { dataSn: 5, bufferOffset: 0, length: 512 }],
    ['at a wrong offset', { dataSn: 0, bufferOffset: 512, length: 512 }],
    ['past what was asked for', { dataSn: 0, bufferOffset: 0, length: 2048 }],
  ])('data %s end the command and not the session', async (_what, { dataSn, bufferOffset, length }) => {
    const { client, stores } = await withDisk([['ImmediateData', 'No']]);
    const tag = client.command(writeCdb(0, 2), { out: new Uint8Array(1024).fill(1), immediate: new Uint8Array(0) });
    const r2t = await client.receive();
    const targetTransferTag = r2t === undefined ? 0 : R2tPdu.targetTransferTag.get(r2t.view, 0);
    const header = DataOutPdu.encode({
      opcode: Opcode.dataOut,
      final: true,
      initiatorTaskTag: tag,
      targetTransferTag,
      dataSn,
      bufferOffset,
    });
    client.send(header, new Uint8Array(length).fill(1));
    const answer = await client.answer();
    expect([answer?.tag, senseCode(answer)]).toEqual([tag, 'Bh/0C/0D']);
    expect((await client.run('00 0000000000'))?.status).toBe(0);
    expect(stores[0].content().every((byte) => byte === 0)).toBe(true);
  });

  it('immediate data that were not agreed on end the session', async () => {
    const { client } = await withDisk([['ImmediateData', 'No']]);
    client.command(writeCdb(0, 1), { out: new Uint8Array(512) });
    expect(await client.untilClosed()).toBe(true);
  });

  it('commands reach the unit in the order of their numbers, whatever data they wait for', async () => {
    const { device, waiting } = slowDevice();
    const { port } = await serve(device);
    const client = await loggedIn(port, [
      ['ImmediateData', 'No'],
      ['InitialR2T', 'Yes'],
    ]);
    const tag = client.command(writeCdb(1, 1), { out: new Uint8Array(512), immediate: new Uint8Array(0) });
    client.command(readCdb(2, 1), { expect: 512 });
    const r2t = await client.receive();
    expect(waiting.length).toBe(0);
    sendData(client, tag, r2t ? R2tPdu.targetTransferTag.get(r2t.view, 0) : 0, new Uint8Array(512), 0, 512);
    await expect.poll(() => waiting.map(({ cdb }) => cdb[0])).toEqual([0x2a, 0x28]);
  });
});

describe('task attributes', () => {
  it('an ordered command waits for those before it, and those after it wait; head of queue waits for none', async () => {
    const { device, waiting } = slowDevice();
    const { port } = await serve(device);
    const client = await loggedIn(port);
    const [SIMPLE, ORDERED, HEAD] = [1, 2, 3];
    client.command('00 0000000001', { attributes: SIMPLE });
    client.command('00 0000000002', { attributes: ORDERED });
    client.command('00 0000000003', { attributes: SIMPLE });
    client.command('00 0000000004', { attributes: HEAD });
    const begun = (): number[] => waiting.map(({ cdb }) => cdb[5]);
    await expect.poll(begun).toEqual([1, 4]);
    waiting[0].end();
    waiting[1].end();
    await expect.poll(begun).toEqual([1, 4, 2]);
    waiting[2].end();
    await expect.poll(begun).toEqual([1, 4, 2, 3]);
  });
});

describe('numbering', () => {
  it('ignores commands outside the window, and drops a session with a gap', async () => {
    const { client } = await withDisk();
    const next = client.cmdSn;
    client.command('00 0000000000', { cmdSn: next + 1000 });
    client.command('00 0000000000', { cmdSn: next - 1 });
    expect(await client.receive(200)).toBeUndefined();
    expect((await client.run('00 0000000000'))?.status).toBe(0);
    client.command('00 0000000000', { cmdSn: client.cmdSn + 2 });
    expect(await client.untilClosed()).toBe(true);
  });

  it('opens the window as commands are taken; immediate ones leave it as it is', async () => {
    const { client } = await withDisk();
    const before = (await client.run('00 0000000000'))?.maxCmdSn ?? 0;
    expect((await client.run('00 0000000000'))?.maxCmdSn).toBe(before + 1);
    expect((await client.run('00 0000000000', { immediateDelivery: true }))?.maxCmdSn).toBe(before + 1);
  });

  it('a tag that is in use is refused', async () => {
    const { device } = slowDevice();
    const { port } = await serve(device);
    const client = await loggedIn(port);
    client.command('00 0000000000');
    client.tag--;
    client.command('00 0000000000');
    const reject = await client.receive();
    expect(reject && RejectPdu.reason.get(reject.view, 0)).toBe(RejectReason.taskInProgress);
  });

  it('an unknown operation code and a SNACK are rejected with their header', async () => {
    const { client } = await withDisk();
    for (const [opcode, reason] of [
      [0x1e, RejectReason.commandNotSupported],
      [Opcode.snackRequest, RejectReason.snackReject],
    ]) {
      const header = NopOutPdu.encode({ opcode, final: true, immediate: true, cmdSn: client.cmdSn });
      client.send(header);
      const reject = await client.receive();
      expect(reject?.opcode).toBe(Opcode.reject);
      expect(reject && RejectPdu.reason.get(reject.view, 0)).toBe(reason);
      expect(toHex(reject?.data ?? new Uint8Array(0))).toBe(toHex(header));
    }
  });
});

describe('task management', () => {
  async function manage(
    client: WireInitiator,
    request: { function: number; referencedTaskTag?: number; lun?: number },
  ): Promise<number> {
    const header = TaskManagementRequestPdu.encode({
      immediate: true,
      opcode: Opcode.taskManagementRequest,
      final: true,
      function: request.function,
      lun: encodeLun(request.lun ?? 1),
      initiatorTaskTag: 0x7000,
      referencedTaskTag: request.referencedTaskTag ?? NO_TAG,
      cmdSn: client.cmdSn,
    });
    client.send(header);
    const answer = await client.receive();
    expect(answer?.opcode).toBe(Opcode.taskManagementResponse);
    return answer === undefined ? -1 : TaskManagementResponsePdu.response.get(answer.view, 0);
  }

  it('ABORT TASK ends a command without a response, running or not', async () => {
    const { device, waiting } = slowDevice();
    const { port } = await serve(device);
    const client = await loggedIn(port, [['ImmediateData', 'No']]);
    const running = client.command('00 0000000000');
    const gathering = client.command(writeCdb(0, 1), { out: new Uint8Array(512), immediate: new Uint8Array(0) });
    expect((await client.receive())?.opcode).toBe(Opcode.r2t);
    await expect.poll(() => waiting.length).toBe(1);
    expect(await manage(client, { function: TaskFunction.abortTask, referencedTaskTag: running })).toBe(
      TaskResponse.functionComplete,
    );
    expect(waiting[0].signal?.aborted).toBe(true);
    expect(await manage(client, { function: TaskFunction.abortTask, referencedTaskTag: gathering })).toBe(
      TaskResponse.functionComplete,
    );
    expect(await manage(client, { function: TaskFunction.abortTask, referencedTaskTag: 999 })).toBe(
      TaskResponse.taskDoesNotExist,
    );
    client.command('00 0000000009');
    await expect.poll(() => waiting.map(({ cdb }) => cdb[5])).toEqual([0, 9]);
  });

  it('LOGICAL UNIT RESET ends commands of every session, tells all of it, and releases what RESERVE held', async () => {
    const { portal, client } = await withDisk();
    const other = await loggedIn(portal.port, [], '00023d000009');
    await other.run('00 0000000000');
    expect((await client.run('16 0000000000'))?.status).toBe(0);
    expect((await other.run(readCdb(0, 1), { expect: 512 }))?.status).toBe(0x18);
    expect(await manage(client, { function: TaskFunction.logicalUnitReset })).toBe(TaskResponse.functionComplete);
    expect(senseCode(await other.run('00 0000000000'))).toBe('6h/29/03');
    expect((await other.run(readCdb(0, 1), { expect: 512 }))?.status).toBe(0);
    expect(await manage(client, { function: TaskFunction.logicalUnitReset, lun: 77 })).toBe(
      TaskResponse.lunDoesNotExist,
    );
    expect(await manage(client, { function: TaskFunction.taskReassign })).toBe(TaskResponse.reassignmentNotSupported);
  });
});

describe('the end of a session', () => {
  it('aborts its commands and loses its nexus; RESERVE goes with it', async () => {
    const { device, waiting, lost } = slowDevice();
    const { port } = await serve(device);
    const client = await loggedIn(port);
    client.command('00 0000000000');
    await expect.poll(() => waiting.length).toBe(1);
    client.close();
    await expect.poll(() => waiting[0].signal?.aborted).toBe(true);
    expect(lost).toEqual(['iqn.2026-11.org.example:a,i,0x00023d000001,iqn.2026-11.net.reelmap:test,t,0x0001']);
  });

  it('leaves a copy under way', async () => {
    const { device, waiting } = slowDevice();
    const { port } = await serve(device);
    const client = await loggedIn(port);
    client.command('83 00 00000000000000000000000000 00'.replaceAll(' ', '').padEnd(32, '0'));
    client.command('00 0000000000');
    await expect.poll(() => waiting.length).toBe(2);
    client.close();
    await expect.poll(() => waiting[1].signal?.aborted).toBe(true);
    expect(waiting[0].signal?.aborted).toBe(false);
    waiting[0].end();
  });

  it('logout is answered, then the connection closed', async () => {
    const { client } = await withDisk();
    client.send(
      LogoutRequestPdu.encode({
        immediate: true,
        opcode: Opcode.logoutRequest,
        final: true,
        reason: 0,
        initiatorTaskTag: 5,
        cmdSn: client.cmdSn,
      }),
    );
    const answer = await client.receive();
    expect(answer?.opcode).toBe(Opcode.logoutResponse);
    expect(answer && LogoutResponsePdu.response.get(answer.view, 0)).toBe(0);
    expect(await client.untilClosed()).toBe(true);
  });

  it('at shutdown initiators are asked to log out, and get time for it', async () => {
    const device = testDevice();
    const portal = await openTestPortal(device.router);
    const client = await loggedIn(portal.port);
    const closing = portal[Symbol.asyncDispose]();
    const asked = await client.receive();
    expect(asked?.opcode).toBe(Opcode.asyncMessage);
    expect(asked && AsyncMessagePdu.asyncEvent.get(asked.view, 0)).toBe(1);
    expect(senseCode(await client.run('00 0000000000'))).toBe('6h/29/00'); // still served
    client.send(
      LogoutRequestPdu.encode({
        immediate: true,
        opcode: Opcode.logoutRequest,
        final: true,
        reason: 0,
        initiatorTaskTag: 5,
        cmdSn: client.cmdSn,
      }),
    );
    await closing;
    await expect(WireInitiator.connect(portal.port)).rejects.toThrow();
  });
});

describe('NOP', () => {
  it('-Out is echoed with its data', async () => {
    const { client } = await withDisk();
    const data = patterned(333, 8);
    client.send(
      NopOutPdu.encode({
        immediate: true,
        opcode: Opcode.nopOut,
        final: true,
        initiatorTaskTag: 77,
        targetTransferTag: NO_TAG,
        cmdSn: client.cmdSn,
      }),
      data,
    );
    const answer = await client.receive();
    expect([
      answer?.opcode,
      answer && NopInPdu.initiatorTaskTag.get(answer.view, 0),
      toHex(answer?.data ?? new Uint8Array(0)),
    ]).toEqual([Opcode.nopIn, 77, toHex(data)]);
  });
});

describe('silence', () => {
  it('is broken by a question; who answers stays, who does not is cut off', async () => {
    const made = await openTestPortal(testDevice().router, undefined, { silenceMs: 300 });
    open.push(made);
    const [lively, dead] = [await loggedIn(made.port), await loggedIn(made.port, [], '00023d000007')];
    const asked = await lively.receive();
    expect([asked?.opcode, asked && NopInPdu.initiatorTaskTag.get(asked.view, 0)]).toEqual([Opcode.nopIn, NO_TAG]);
    const targetTransferTag = asked === undefined ? 0 : NopInPdu.targetTransferTag.get(asked.view, 0);
    const header = { immediate: true, opcode: Opcode.nopOut, final: true, initiatorTaskTag: NO_TAG };
    lively.send(NopOutPdu.encode({ ...header, targetTransferTag, cmdSn: lively.cmdSn }));
    expect(await dead.untilClosed()).toBe(true);
    expect(lively.closed).toBe(false);
    expect(made.lines.some((line) => line.includes('does not answer'))).toBe(true);
  });

  it('before login ends the connection', async () => {
    const made = await openTestPortal(testDevice().router, undefined, { loginMs: 200 });
    open.push(made);
    const client = await WireInitiator.connect(made.port);
    initiators.push(client);
    expect(await client.untilClosed()).toBe(true);
  });
});

describe('several sessions', () => {
  it('do not disturb each other', async () => {
    const { portal, client } = await withDisk();
    const others = await Promise.all(['10', '11', '12'].map((n) => loggedIn(portal.port, [], `00023d0000${n}`)));
    others[0].raw(new Uint8Array(48).fill(0xff));
    others[1].close();
    expect(await others[0].untilClosed()).toBe(true);
    expect((await client.run('00 0000000000'))?.status).toBe(0);
    expect(senseCode(await others[2].run('00 0000000000'))).toBe('6h/29/00');
    expect(
      portal.portal
        .sessions()
        .map(({ isid }) => isid)
        .sort(),
    ).toEqual(['00023d000001', '00023d000012']);
  });

  it('an initiator sees the LUNs that it may see, and copies between no others', async () => {
    const { router } = testDevice();
    const made = await openTestPortal(router, () => ({ luns: new Set([2]) }));
    open.push(made);
    const client = await loggedIn(made.port);
    await client.run('00 0000000000', { lun: 2 });
    const luns = await client.run('a0 00 00 000000 00000100 00 00', { lun: 0, expect: 256 });
    expect(toHex(luns?.data ?? new Uint8Array(0))).toBe('00000010000000000000000000000000' + '0002000000000000');
    expect(senseCode(await client.run('00 0000000000', { lun: 1 }))).toBe('5h/25/00');
    expect((await client.run('00 0000000000', { lun: 2 }))?.status).toBe(0);
    const hidden = router.units.get(1)?.designator;
    const cscd = (value: Uint8Array): Uint8Array =>
      Buffer.concat([hex('e4000000 01030010'), value, new Uint8Array(4), hex('00 000200')]);
    const segment = hex('02000018 0000 0001 0000 0001 0000000000000000 0000000000000000');
    const own = router.units.get(2)?.designator;
    const list = Buffer.concat([
      hex('01100040 00000000 0000001c 00000000'),
      cscd(hidden?.value as Uint8Array),
      cscd(own?.value as Uint8Array),
      segment,
    ]);
    const copy = await client.run(`83 00 0000000000000000 ${list.length.toString(16).padStart(8, '0')} 0000`, {
      lun: 2,
      out: list,
    });
    expect(senseCode(copy)).toBe('Ah/08/04');
  });
});

describe('an initiator that takes nothing', () => {
  it('is not read from beyond a bound, and gets everything when it takes it', async () => {
    const { client, portal } = await withDisk();
    client.pause();
    const count = 60;
    for (let i = 0; i < count; i++) client.command(readCdb(0, 2048), { expect: 2 ** 20 });
    await expect.poll(() => portal.portal.sessions()[0].dataHeld).toBe(32 * 2 ** 20);
    client.resume();
    for (let i = 0; i < count; i++) expect((await client.answer())?.data.length).toBe(2 ** 20);
  });
});
