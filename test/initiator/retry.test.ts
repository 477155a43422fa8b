import { describe, expect, it } from 'vitest';
import { executeGood, executeWithRetry } from '../../src/initiator/retry.ts';
import { ScsiError } from '../../src/initiator/scsi-error.ts';
import { notReady, type Sense, unitAttention } from '../../src/scsi/common/sense.ts';
import { checkCondition, type Execute, good, type ScsiResult } from '../../src/scsi/execute.ts';

const how = { device: 'disk', words: 'READ(16)' };
const command = { cdb: new Uint8Array(16) };
/** Answers in order, the last one for ever. */
function answers(...results: ScsiResult[]): Execute & { calls: number } {
  const execute = Object.assign(
    async () => {
      execute.calls++;
      return results[Math.min(execute.calls, results.length) - 1];
    },
    { calls: 0 },
  );
  return execute;
}
const attention = (asc: number): ScsiResult => checkCondition(unitAttention(asc, 0));

describe('retries', () => {
  it('repeat a command that met unit attentions, BUSY, TASK SET FULL or a unit becoming ready', async () => {
    const execute = answers(
      attention(0x29),
      attention(0x2a),
      { status: 'busy' },
      { status: 'task-set-full' },
      checkCondition(notReady(0x04, 0x01)),
      good(),
    );
    expect((await executeGood(execute, command, how)).status).toBe('good');
    expect(execute.calls).toBe(6);
  });

  it('end: a device that reports unit attentions for ever is not asked for ever', async () => {
    const execute = answers(attention(0x29));
    await expect(executeGood(execute, command, how)).rejects.toThrow(/unit attention/);
    expect(execute.calls).toBeLessThan(20);
  });

  it('do not repeat commands that depend on a position after a reset or another medium, but do after a mode change', async () => {
    for (const asc of [0x28, 0x29, 0x2f]) {
      const execute = answers(attention(asc), good());
      const result = await executeWithRetry(execute, command, { ...how, unitAttention: 'report' });
      expect([result.status, execute.calls]).toEqual(['check-condition', 1]);
    }
    const execute = answers(attention(0x2a), attention(0x3f), good());
    expect((await executeWithRetry(execute, command, { ...how, unitAttention: 'report' })).status).toBe('good');
  });

  it('leave every other answer to the caller', async () => {
    const medium: Sense = { key: 3, asc: 0x11, ascq: 0 };
    const result = await executeWithRetry(answers(checkCondition(medium)), command, how);
    expect(result).toMatchObject({ status: 'check-condition', sense: medium });
    const failure = await executeGood(answers(checkCondition(medium)), command, how).catch((e: unknown) => e);
    expect(failure).toBeInstanceOf(ScsiError);
    expect(failure).toMatchObject({ device: 'disk', command: 'READ(16)', sense: medium });
  });

  it('give up at once on a reservation conflict, and when told to stop', async () => {
    await expect(executeWithRetry(answers({ status: 'reservation-conflict' }), command, how)).rejects.toThrow(
      /reservation conflict/,
    );
    const stop = new AbortController();
    const waiting = executeWithRetry(answers({ status: 'busy' }), command, { ...how, signal: stop.signal });
    setTimeout(() => stop.abort(new Error('enough')), 5);
    await expect(waiting).rejects.toThrow('enough');
  });
});
