import { describe, expect, it } from 'vitest';
import { assert, FormatError, UserError } from '../../src/bytes/errors.ts';
import { ExitStatus, failureOf } from '../../src/cli/exit.ts';
import { homeOf } from '../../src/cli/home.ts';
import { Interrupted } from '../../src/cli/signals.ts';
import { ScsiError } from '../../src/initiator/scsi-error.ts';

const systemError = (code: string, path?: string): Error =>
  Object.assign(new Error(`${code}: words`), { code, syscall: 'open', ...(path === undefined ? {} : { path }) });

describe('errors to exit statuses', () => {
  it.each([
    [
      new UserError('set x', 'there is none', '`reelmap sets` lists them'),
      1,
      'set x: there is none; `reelmap sets` lists them',
    ],
    [new UserError('ls', 'too many', 'see --help', { kind: 'usage' }), 2, 'ls: too many; see --help'],
    [new FormatError('corrupt', 'ext4 inode 12', 'depth 9'), 1, 'ext4 inode 12: depth 9'],
    [
      new ScsiError('drive 1', 'LOCATE(16)', 'check-condition', undefined, 'medium error'),
      1,
      'drive 1: LOCATE(16): medium error',
    ],
    [new Interrupted('SIGINT'), 130, 'stopped by SIGINT; run the same command again'],
    [new Interrupted('SIGTERM', 'go on'), 143, 'stopped by SIGTERM; go on'],
    [systemError('ENOENT', '/no\nwhere'), 1, '/no where: no such file or directory; check the path'],
    [systemError('ENOSPC'), 1, 'no space left on that file system; free some and run the same command again'],
    [
      new FormatError('io', 'cartridge A', 'cannot be read', { cause: systemError('EACCES') }),
      1,
      'cartridge A: cannot be read: permission denied; run as a user who may, or as root',
    ],
    [
      new FormatError('io', 'cartridge A, map', 'writing 9 bytes: ENOSPC: words', { cause: systemError('ENOSPC') }),
      1,
      'cartridge A, map: writing 9 bytes: no space left on that file system; free some and run the same command again',
    ],
    [new RangeError('x\x1b'), 1, 'RangeError: x\\x1b; REELMAP_DEBUG=1 tells where'],
    ['thrown text', 1, 'thrown text; REELMAP_DEBUG=1 tells where'],
  ])('%s', (error, status, line) => {
    expect(failureOf(error)).toMatchObject({ status, line, json: { event: 'error', status, message: line } });
  });

  it('a broken invariant asks for a report', () => {
    let caught: unknown;
    try {
      assert(false, 'two chunks overlap');
    } catch (error) {
      caught = error;
    }
    expect(failureOf(caught).line).toBe('internal error: two chunks overlap; please report this with REELMAP_DEBUG=1');
  });

  it('statuses are as documented', () => {
    expect(ExitStatus).toEqual({ done: 0, failed: 1, usage: 2, partial: 3, interrupted: 130, terminated: 143 });
  });
});

describe('the state directory', () => {
  const user = { env: {}, uid: 1000, userHome: '/home/u' };
  it.each([
    ['/x', { ...user, env: { REELMAP_HOME: '/y' } }, '/x'],
    [undefined, { ...user, env: { REELMAP_HOME: '/y', XDG_DATA_HOME: '/z' } }, '/y'],
    [undefined, { ...user, uid: 0, env: { XDG_DATA_HOME: '/z' } }, '/var/lib/reelmap'],
    [undefined, { ...user, env: { XDG_DATA_HOME: '/z' } }, '/z/reelmap'],
    [undefined, { ...user, env: { XDG_DATA_HOME: 'relative', REELMAP_HOME: '' } }, '/home/u/.local/share/reelmap'],
  ] as const)('--home %s with %j is %s', (option, environment, expected) => {
    expect(homeOf(option, environment)).toBe(expected);
  });
});
