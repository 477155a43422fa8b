import { describe, expect, it } from 'vitest';
import { MiB } from '../../../src/bytes/units.ts';
import { SenseKey, sense } from '../../../src/scsi/common/sense.ts';
import { checkCondition, type Execute, good } from '../../../src/scsi/execute.ts';
import { cutsData, failsWith, operation, withFaults } from '../../../src/scsi/wrap/faults.ts';
import { recorded, replayed } from '../../../src/scsi/wrap/record.ts';
import { traced } from '../../../src/scsi/wrap/trace.ts';
import { describeTapeDrive } from '../../conformance/tape-drive.ts';
import { loadedDrive } from '../../support/drives.ts';
import { hex, send } from '../../support/scsi-send.ts';

/** Answers READ with four bytes, WRITE with end of medium, the rest with BUSY; counts what it did. */
function device(): { execute: Execute; done: number[] } {
  const done: number[] = [];
  const overflow = sense(SenseKey.volumeOverflow, 0, 2, { endOfMedium: true, information: 7 });
  const execute: Execute = async ({ cdb }) => {
    done.push(cdb[0]);
    if (cdb[0] === 0x08) return good(hex('01020304'), 1);
    return cdb[0] === 0x0a ? checkCondition(overflow) : { status: 'busy' };
  };
  return { execute, done };
}

describe('traced', () => {
  it('tells CDB, data both ways, status, sense and time of each command, and passes the answer on', async () => {
    const lines: string[] = [];
    let now = 0;
    const execute = traced(
      device().execute,
      (line) => lines.push(line),
      () => now++,
    );
    expect((await send(execute, '080000000500', { take: 5 })).data).toEqual(hex('01020304'));
    await send(execute, '0a0000000700', { out: new Uint8Array(40) });
    await send(execute, '000000000000');
    expect(lines).toEqual([
      'cdb 080000000500 -> good in 4:01020304 residual 1 1.000 ms',
      `cdb 0a0000000700 out 40:${'00'.repeat(32)}.. -> check-condition Dh/00/02 EOM info 7 1.000 ms`,
      'cdb 000000000000 -> busy 1.000 ms',
    ]);
  });

  it('tells of a lost transport, and throws it on', async () => {
    const lines: string[] = [];
    const execute = traced(
      () => Promise.reject(new Error('connection lost')),
      (line) => lines.push(line),
      () => 0,
    );
    await expect(send(execute, '000000000000')).rejects.toThrow('connection lost');
    expect(lines).toEqual(['cdb 000000000000 -> threw connection lost 0.000 ms']);
  });
});

describe('withFaults', () => {
  it('fails the n-th matching command alone, before the device sees it', async () => {
    const { execute, done } = device();
    const bad = sense(SenseKey.mediumError, 0x11, 0);
    const faulty = withFaults(execute, [{ matches: operation(0x08), occurrence: 2, action: failsWith(bad) }]);
    const codes: string[] = [];
    for (const cdb of ['080000000500', '000000000000', '080000000500', '080000000500'])
      codes.push((await send(faulty, cdb, { take: 5 })).code);
    expect(codes).toEqual(['', '', '3h/11/00', '']);
    expect(done).toEqual([0x08, 0x00, 0x08]);
  });

  it('loses the transport before or after the device did the command', async () => {
    const { execute, done } = device();
    const faulty = withFaults(execute, [
      { matches: operation(0x08), action: { kind: 'lost' } },
      { matches: operation(0x0a), action: { kind: 'lost-after' } },
    ]);
    await expect(send(faulty, '080000000500', { take: 5 })).rejects.toThrow('connection lost before');
    await expect(send(faulty, '0a0000000500')).rejects.toThrow('connection lost after');
    expect(done).toEqual([0x0a]);
  });

  it('cuts data and counts them as residual', async () => {
    const faulty = withFaults(device().execute, [
      { matches: operation(0x08), occurrence: 'every', action: cutsData(3) },
    ]);
    for (let i = 0; i < 2; i++) {
      const sent = await send(faulty, '080000000500', { take: 5 });
      expect([sent.data.length, sent.residual]).toEqual([3, 2]);
    }
  });
});

describe('recorded and replayed', () => {
  const session = async (execute: Execute): Promise<unknown[]> => {
    const into = new Uint8Array(5);
    return [
      await send(execute, '080000000500', { into }),
      await send(execute, '0a0000000700', { out: hex('0102') }),
      await send(execute, '000000000000'),
      into,
    ];
  };

  it('a replayed session gives the answers of the recorded one', async () => {
    const lines: string[] = [];
    const first = await session(recorded(device().execute, (line) => lines.push(line)));
    expect(lines[1]).toBe(
      '{"cdb":"0a0000000700","out":"0102","status":"check-condition","sense":"f0004d000000070a00000000000200000000","in":"","residual":0}',
    );
    const again = await session(replayed(lines));
    expect(again.slice(0, 3)).toEqual(first.slice(0, 3));
    expect(again[3]).toEqual(hex('0102030400'));
  });

  it('another command, one too many, and lines that are no recording are refused', async () => {
    const lines: string[] = [];
    await send(
      recorded(device().execute, (line) => lines.push(line)),
      '0a0000000700',
      { out: hex('0102') },
    );
    await expect(send(replayed(lines), '0a0000000800', { out: hex('0102') })).rejects.toThrow('line 1: has command');
    await expect(send(replayed(lines), '0a0000000700', { out: hex('0103') })).rejects.toThrow('line 1: has command');
    await expect(send(replayed([]), '000000000000')).rejects.toThrow('ends before command');
    await expect(send(replayed(['{']), '000000000000')).rejects.toThrow('not JSON');
    const noSense = lines[0].replace(/"sense":"[0-9a-f]*"/, '"sense":""');
    await expect(send(replayed([noSense]), '0a0000000700', { out: hex('0102') })).rejects.toThrow('without sense data');
  });
});

describeTapeDrive(
  'the drive unit through traced, withFaults and recorded',
  async (options) => {
    const drive = await loadedDrive({ capacity: MiB, ...options });
    const nothing = (): void => undefined;
    const execute = recorded(traced(withFaults(drive.execute, []), nothing), nothing);
    return { ...drive, execute, [Symbol.asyncDispose]: () => drive[Symbol.asyncDispose]() };
  },
  5,
);
