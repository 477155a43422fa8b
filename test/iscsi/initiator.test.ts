// Our initiator: against our own portal, and against a target that does what a test says.
import { afterEach, describe, expect, it } from 'vitest';
import { viewOf } from '../../src/bytes/layout.ts';
import type { ChapAccount } from '../../src/iscsi/chap.ts';
import { isIscsiUrl, parseIscsiUrl } from '../../src/iscsi/initiator/address.ts';
import { type ConnectOptions, connectIscsi, type IscsiConnection } from '../../src/iscsi/initiator/connection.ts';
import {
  AsyncEvent,
  AsyncMessagePdu,
  DataInPdu,
  DataOutPdu,
  LogoutResponsePdu,
  NopInPdu,
  NopOutPdu,
  Opcode,
  R2tPdu,
  Request,
  ScsiCommandPdu,
  ScsiResponsePdu,
  TaskFunction,
  TaskManagementRequestPdu,
  TaskManagementResponsePdu,
} from '../../src/iscsi/pdu.ts';
import type { Admission, TargetDevice } from '../../src/iscsi/target/node.ts';
import { type Execute, good, type ScsiResult } from '../../src/scsi/execute.ts';
import { INITIATOR, NO_TAG, openTestPortal, type Received, TARGET, testDevice } from '../support/iscsi-wire.ts';
import { WireTarget } from '../support/iscsi-wire-target.ts';
import { patterned } from '../support/mover.ts';
import { hex } from '../support/scsi-send.ts';

const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one[Symbol.asyncDispose]();
});
const kept = <T extends AsyncDisposable>(one: T): T => {
  open.push(one);
  return one;
};

const at = (port: number) => ({ host: '127.0.0.1', port, targetName: TARGET });
const connected = async (port: number, options: Partial<ConnectOptions> = {}): Promise<IscsiConnection> =>
  kept(await connectIscsi(at(port), { initiatorName: INITIATOR, ...options }));
const served = async (device: TargetDevice, admission: Admission = {}) =>
  kept(await openTestPortal(device, () => admission));

const account = (name: string, secret: string): ChapAccount => ({ name, secret: new TextEncoder().encode(secret) });

const TEST_UNIT_READY = hex('00 0000000000');
const INQUIRY = hex('12 00 00 00 60 00');
const blocks = (operation: string, lba: number, count: number): Uint8Array => {
  const cdb = new Uint8Array(10);
  cdb.set(hex(operation));
  viewOf(cdb).setUint32(2, lba);
  viewOf(cdb).setUint16(7, count);
  return cdb;
};
const statuses = (results: readonly ScsiResult[]): string[] => [...new Set(results.map(({ status }) => status))];

describe('against our own target', () => {
  it.each([
    ['by default', {}, {}],
    ['with digests', { digests: true }, {}],
    ['with CHAP', { chap: account('me', 'a secret of 17 c.') }, { chap: account('me', 'a secret of 17 c.') }],
    [
      'with CHAP both ways',
      { chap: account('me', 'a secret of 17 c.'), mutualChap: account('you', 'another secret 1.') },
      { chap: account('me', 'a secret of 17 c.'), mutualChap: account('you', 'another secret 1.') },
    ],
  ] as [string, Partial<ConnectOptions>, Admission][])('writes and reads back: %s', async (_, options, admission) => {
    const { router } = testDevice();
    const { port } = await served(router, admission);
    const connection = await connected(port, options);
    const disk = connection.lun(1);
    await disk({ cdb: TEST_UNIT_READY });
    // Of one block, of what goes with the command, unasked, and asked for.
    for (const count of [1, 8, 300, 2048]) {
      const data = patterned(count * 512, count);
      expect((await disk({ cdb: blocks('2a', 0, count), dataOut: data })).status).toBe('good');
      const into = new Uint8Array(count * 512);
      const read = await disk({ cdb: blocks('28', 0, count), dataIn: into, dataInLength: into.length });
      expect(read).toMatchObject({ status: 'good', residual: 0 });
      expect(Buffer.compare(into, data)).toBe(0);
    }
  });

  it('gives sense data, and what a short answer left of the buffer', async () => {
    const { port } = await served(testDevice().router);
    const disk = (await connected(port)).lun(1);
    expect(await disk({ cdb: TEST_UNIT_READY })).toMatchObject({
      status: 'check-condition',
      sense: { key: 6, asc: 0x29 },
    });
    const inquiry = await disk({ cdb: INQUIRY, dataInLength: 0x60 });
    expect(inquiry).toMatchObject({ status: 'good' });
    expect('dataIn' in inquiry && inquiry.dataIn.length + inquiry.residual).toBe(0x60);
    expect(await disk({ cdb: blocks('28', 0xffffffff, 1), dataInLength: 512 })).toMatchObject({
      status: 'check-condition',
      sense: { key: 5, asc: 0x21 },
      residual: 512,
    });
  });

  it('carries many more commands at once than the target takes', async () => {
    const { router } = testDevice();
    const { port } = await served(router);
    const disk = (await connected(port)).lun(1);
    await disk({ cdb: TEST_UNIT_READY });
    const writes = Array.from({ length: 500 }, (_, n) =>
      disk({ cdb: blocks('2a', n * 4, 4), dataOut: patterned(2048, n) }),
    );
    expect(statuses(await Promise.all(writes))).toEqual(['good']);
    const reads = Array.from({ length: 500 }, (_, n) => disk({ cdb: blocks('28', n * 4, 4), dataInLength: 2048 }));
    const results = await Promise.all(reads);
    expect(
      results.every((result, n) => 'dataIn' in result && Buffer.compare(result.dataIn, patterned(2048, n)) === 0),
    ).toBe(true);
  });

  it.each([
    ['no secret', {}, { chap: account('me', 'a secret of 17 c.') }, /CHAP name or secret/],
    [
      'a wrong secret',
      { chap: account('me', 'not the secret...') },
      { chap: account('me', 'a secret of 17 c.') },
      /CHAP name or secret/,
    ],
    [
      'a target that does not know its own secret',
      { chap: account('me', 'a secret of 17 c.'), mutualChap: account('you', 'another secret 1.') },
      { chap: account('me', 'a secret of 17 c.'), mutualChap: account('you', 'some other secret') },
      /does not prove/,
    ],
  ] as [
    string,
    Partial<ConnectOptions>,
    Admission,
    RegExp,
  ][])('does not log in with %s', async (_, options, admission, why) => {
    const { port } = await served(testDevice().router, admission);
    await expect(connected(port, options)).rejects.toThrow(why);
  });

  it('says that there is no such target, and that there is nobody', async () => {
    const portal = await openTestPortal(testDevice().router);
    const other = { ...at(portal.port), targetName: 'iqn.2026-11.net.reelmap:other' };
    await expect(connectIscsi(other, { initiatorName: INITIATOR })).rejects.toThrow(/no target of that name/);
    await portal[Symbol.asyncDispose]();
    await expect(connected(portal.port)).rejects.toThrow(/ECONNREFUSED/);
  });

  it('logs out when the target shuts down, after the commands under way have ended', async () => {
    let finish: (result: ScsiResult) => void = () => undefined;
    const slow: Execute = () =>
      new Promise((resolve) => {
        finish = resolve;
      });
    const portal = await openTestPortal(oneUnit(slow));
    const connection = await connected(portal.port);
    const pending = connection.lun(0)({ cdb: TEST_UNIT_READY });
    await until(() => portal.portal.sessions().length === 1);
    await new Promise((resolve) => setTimeout(resolve, 50));
    const closed = portal[Symbol.asyncDispose]();
    await new Promise((resolve) => setTimeout(resolve, 50));
    finish(good());
    expect((await pending).status).toBe('good');
    await closed;
    await expect(connection.lun(0)({ cdb: TEST_UNIT_READY })).rejects.toThrow(/session|logged out|closed/);
  });

  it('aborts a command at the target when its caller wants that, and goes on', async () => {
    const aborted: string[] = [];
    const execute: Execute = ({ cdb }, signal) =>
      cdb[0] === 0
        ? Promise.resolve(good())
        : new Promise((resolve) => {
            signal?.addEventListener('abort', () => {
              aborted.push('here');
              resolve({ status: 'task-aborted' });
            });
          });
    const { port } = await served(oneUnit(execute));
    const connection = await connected(port);
    const controller = new AbortController();
    const pending = connection.lun(0)({ cdb: INQUIRY, dataInLength: 96 }, controller.signal);
    expect((await connection.lun(0)({ cdb: TEST_UNIT_READY })).status).toBe('good');
    controller.abort();
    expect(await pending).toEqual({ status: 'task-aborted' });
    expect(aborted).toEqual(['here']);
    await expect(connection.lun(0)({ cdb: INQUIRY, dataInLength: 96, timeoutMs: 60 })).rejects.toThrow(/within 0.06 s/);
    expect(aborted).toEqual(['here', 'here']);
    expect((await connection.lun(0)({ cdb: TEST_UNIT_READY })).status).toBe('good');
  });
});

const oneUnit = (execute: Execute): TargetDevice => ({
  open: () => ({ lun: () => execute, resetUnit: () => true, resetAll: () => undefined, lose: () => undefined }),
});
async function until(met: () => boolean, ms = 5000): Promise<void> {
  for (const end = Date.now() + ms; !met(); ) {
    if (Date.now() > end) throw new Error('it did not come about');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const tagOf = ({ view }: Received): number => Request.initiatorTaskTag.get(view, 0);
const statusTo = (pdu: Received, target: WireTarget, status = 0): void =>
  target.send(
    ScsiResponsePdu.encode({ opcode: Opcode.scsiResponse, initiatorTaskTag: tagOf(pdu), status }),
    undefined,
    { status: true },
  );
/** Logs out whoever asks; everything else is the test's. */
const polite =
  (handle: (pdu: Received, target: WireTarget) => void) =>
  (pdu: Received, target: WireTarget): void => {
    if (pdu.opcode !== Opcode.logoutRequest) handle(pdu, target);
    else
      target.send(
        LogoutResponsePdu.encode({ opcode: Opcode.logoutResponse, initiatorTaskTag: tagOf(pdu) }),
        undefined,
        {
          status: true,
        },
      );
  };

describe('against a target with a mind of its own', () => {
  const scripted = async (
    handle: (pdu: Received, target: WireTarget) => void,
    answers: [string, string][] = [['MaxRecvDataSegmentLength', '8192']],
  ): Promise<WireTarget> => kept(await WireTarget.open(answers, polite(handle)));

  it('sends no command beyond MaxCmdSN, and the next when there is room', async () => {
    const commands: Received[] = [];
    const target = await scripted((pdu) => commands.push(pdu));
    target.window = 3;
    const connection = await connected(target.port);
    const results = Array.from({ length: 7 }, () => connection.lun(0)({ cdb: TEST_UNIT_READY }));
    await until(() => commands.length === 3);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(commands.length).toBe(3);
    for (let n = 0; n < 7; n++) {
      await until(() => commands.length > n);
      target.expCmdSn = n + 2;
      statusTo(commands[n], target);
    }
    expect(statuses(await Promise.all(results))).toEqual(['good']);
    expect(commands.map(({ view }) => Request.cmdSn.get(view, 0))).toEqual([1, 2, 3, 4, 5, 6, 7]);
  });

  it('sends data as the keys and R2Ts have it, and nothing more', async () => {
    const out: string[] = [];
    const target = await scripted(
      (pdu) => {
        const { view, opcode, data } = pdu;
        if (opcode === Opcode.scsiCommand) {
          out.push(`command ${data.length} ${ScsiCommandPdu.final.get(view, 0)}`);
          target.send(
            R2tPdu.encode({
              opcode: Opcode.r2t,
              initiatorTaskTag: tagOf(pdu),
              targetTransferTag: 7,
              bufferOffset: 2048,
              desiredDataTransferLength: 3000,
            }),
          );
        } else if (opcode === Opcode.dataOut) {
          const f = DataOutPdu;
          const final = f.final.get(view, 0);
          const asked = f.targetTransferTag.get(view, 0);
          out.push(`data ${f.bufferOffset.get(view, 0)}+${data.length} sn ${f.dataSn.get(view, 0)} ${final} ${asked}`);
          if (final && asked === 7) statusTo(pdu, target);
        }
      },
      [
        ['MaxRecvDataSegmentLength', '1024'],
        ['InitialR2T', 'No'],
        ['ImmediateData', 'Yes'],
        ['FirstBurstLength', '2048'],
      ],
    );
    const connection = await connected(target.port);
    const result = await connection.lun(0)({ cdb: blocks('2a', 0, 10), dataOut: patterned(5120, 1) });
    expect(result.status).toBe('good');
    expect(out).toEqual([
      'command 1024 false',
      `data 1024+1024 sn 0 true ${NO_TAG}`,
      'data 2048+1024 sn 0 false 7',
      'data 3072+1024 sn 1 false 7',
      'data 4096+952 sn 2 true 7',
    ]);
  });

  it.each([
    ['data beyond the buffer', { bufferOffset: 0 }, 200, /out of place/],
    ['data at the wrong place', { bufferOffset: 4 }, 8, /out of place/],
    ['a Data-In too few', { dataSn: 1 }, 8, /missing/],
  ] as [string, object, number, RegExp][])('gives the connection up at %s', async (_, fields, length, why) => {
    const target = await scripted((pdu) =>
      target.send(
        DataInPdu.encode({ opcode: Opcode.dataIn, initiatorTaskTag: tagOf(pdu), targetTransferTag: NO_TAG, ...fields }),
        new Uint8Array(length),
      ),
    );
    const connection = await connected(target.port);
    await expect(connection.lun(0)({ cdb: INQUIRY, dataInLength: 96 })).rejects.toThrow(why);
    expect(connection.lost?.message).toMatch(why);
    await expect(connection.lun(0)({ cdb: TEST_UNIT_READY })).rejects.toThrow(why);
  });

  it('gives the connection up when an R2T asks for what there is not', async () => {
    const target = await scripted((pdu) =>
      target.send(
        R2tPdu.encode({
          opcode: Opcode.r2t,
          initiatorTaskTag: tagOf(pdu),
          targetTransferTag: 1,
          bufferOffset: 0,
          desiredDataTransferLength: 5121,
        }),
      ),
    );
    const connection = await connected(target.port);
    await expect(connection.lun(0)({ cdb: blocks('2a', 0, 10), dataOut: new Uint8Array(5120) })).rejects.toThrow(
      /more data than there are/,
    );
  });

  it('fails what is under way when the connection breaks, and says so', async () => {
    const target = await scripted((_, it) => it.drop());
    const connection = await connected(target.port);
    let told = 0;
    connection.onLost(() => told++);
    await expect(connection.lun(0)({ cdb: TEST_UNIT_READY })).rejects.toThrow(/closed|ECONNRESET/);
    expect(told).toBe(1);
  });

  it('answers a target that asks whether it lives', async () => {
    const target = await scripted((pdu) => {
      if (pdu.opcode === Opcode.scsiCommand)
        target.send(
          NopInPdu.encode({ opcode: Opcode.nopIn, initiatorTaskTag: NO_TAG, targetTransferTag: 99 }),
          new TextEncoder().encode('ping'),
        );
      else statusTo(target.seen[0], target);
    });
    const connection = await connected(target.port);
    await connection.lun(0)({ cdb: TEST_UNIT_READY });
    const [, answer] = target.seen;
    expect(answer.opcode).toBe(Opcode.nopOut);
    expect(NopOutPdu.targetTransferTag.get(answer.view, 0)).toBe(99);
    expect(Buffer.from(answer.data).toString()).toBe('ping');
  });

  it('asks a silent target whether it lives, waits on when it does, and gives it up when it does not', async () => {
    let lives = 3;
    const target = await scripted((pdu) => {
      if (pdu.opcode !== Opcode.nopOut || lives-- <= 0) return;
      target.send(
        NopInPdu.encode({ opcode: Opcode.nopIn, initiatorTaskTag: tagOf(pdu), targetTransferTag: NO_TAG }),
        undefined,
        { status: true },
      );
    });
    const connection = await connected(target.port, { silenceMs: 40 });
    await expect(connection.lun(0)({ cdb: TEST_UNIT_READY })).rejects.toThrow(/said nothing/);
    expect(target.seen.filter(({ opcode }) => opcode === Opcode.nopOut).length).toBe(4);
  });

  it('names the command in an abort, takes its answer if that was first, and ends it otherwise', async () => {
    const done = (pdu: Received, target: WireTarget): void =>
      target.send(
        TaskManagementResponsePdu.encode({
          opcode: Opcode.taskManagementResponse,
          initiatorTaskTag: tagOf(pdu),
          response: 0,
        }),
        undefined,
        { status: true },
      );
    let answersFirst = true;
    const target = await scripted((pdu) => {
      if (pdu.opcode !== Opcode.taskManagementRequest) return;
      const command = target.seen.filter(({ opcode }) => opcode === Opcode.scsiCommand).at(-1);
      const f = TaskManagementRequestPdu;
      expect(f.function.get(pdu.view, 0)).toBe(TaskFunction.abortTask);
      expect(f.referencedTaskTag.get(pdu.view, 0)).toBe(command && tagOf(command));
      expect(f.refCmdSn.get(pdu.view, 0)).toBe(command && Request.cmdSn.get(command.view, 0));
      expect(f.lun.get(pdu.view, 0)).toEqual(command && ScsiCommandPdu.lun.get(command.view, 0));
      if (answersFirst && command) statusTo(command, target, 8);
      done(pdu, target);
    });
    const connection = await connected(target.port);
    await expect(connection.lun(5)({ cdb: TEST_UNIT_READY, timeoutMs: 20 })).resolves.toEqual({ status: 'busy' });
    answersFirst = false;
    await expect(connection.lun(5)({ cdb: TEST_UNIT_READY, timeoutMs: 20 })).rejects.toThrow(/not answered/);
    expect(connection.lost).toBeUndefined();
  });

  it('logs out when the target asks for it', async () => {
    const target = await scripted((pdu) => {
      statusTo(pdu, target);
      target.send(
        AsyncMessagePdu.encode({
          opcode: Opcode.asyncMessage,
          asyncEvent: AsyncEvent.targetRequestsLogout,
          parameter3: 5,
        }),
        undefined,
        { status: true },
      );
    });
    const connection = await connected(target.port);
    expect((await connection.lun(0)({ cdb: TEST_UNIT_READY })).status).toBe('good');
    await until(() => connection.lost !== undefined);
    expect(target.seen.at(-1)?.opcode).toBe(Opcode.logoutRequest);
  });

  it.each([
    ['0'],
    ['16777216'],
    ['-1'],
    ['many'],
  ])('does not log in to a target that takes segments of %s bytes', async (length) => {
    const target = await scripted(() => undefined, [['MaxRecvDataSegmentLength', length]]);
    await expect(connected(target.port)).rejects.toThrow(/MaxRecvDataSegmentLength/);
  });

  it('does not log in without digests where they are insisted on', async () => {
    const target = await scripted(() => undefined, []);
    await expect(connected(target.port, { digests: true })).rejects.toThrow(/digest/);
  });
});

describe('addresses', () => {
  it.each([
    ['iscsi://host/iqn.2026-11.org.example:m', 'host', 3260, undefined, undefined],
    ['iscsi://10.0.0.1:99/iqn.2026-11.org.example:m/3', '10.0.0.1', 99, 3, undefined],
    ['iscsi://me@[fe80::1]:99/iqn.2026-11.org.example:m', 'fe80::1', 99, undefined, 'me'],
  ])('%s', (url, host, port, lun, user) => {
    expect(isIscsiUrl(url)).toBe(true);
    expect(parseIscsiUrl(url)).toMatchObject({ host, port, lun, user, targetName: 'iqn.2026-11.org.example:m' });
  });

  it.each([
    'iscsi://host',
    'iscsi://host/target',
    'iscsi://host:0/iqn.2026-11.org.example:m',
    'iscsi://host:70000/iqn.2026-11.org.example:m',
    'iscsi://host/iqn.2026-11.org.example:m/99999',
    'iscsi://me%secret@host/iqn.2026-11.org.example:m',
    'iscsi://me:secret@host/iqn.2026-11.org.example:m',
  ])('refuses %s and says what is wrong', (url) => {
    expect(() => parseIscsiUrl(url)).toThrow(/iSCSI address/);
  });

  it('never repeats a secret', () => {
    expect(() => parseIscsiUrl('iscsi://me%hushhush@host/iqn.2026-11.org.example:m')).not.toThrow(/hushhush/);
  });
});
