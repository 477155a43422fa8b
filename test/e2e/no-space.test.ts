// No space: at the destination of a restore, and where the virtual tapes and the index are, whatever is being written when it
// runs out. One line says so, nothing that was there is harmed, and the run goes on, or is given up, when there is room.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, statfsSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, it, type TestContext } from 'vitest';
import {
  complaints,
  expectBaseIntact,
  expectFailure,
  type Ground,
  homeCopy,
  makeGround,
  makeVolume,
} from '../support/ground.ts';
import { canMountTmpfs, resizeTmpfs, withLoop, withTmpfs } from '../support/mount.ts';
import { patterned } from '../support/mover.ts';
import { type Ended, reelmap, startReelmap } from '../support/program.ts';
import { describeWithTools, requireRoot } from '../support/tools.ts';

let ground: Ground;
let small: string;

function usedKib(folder: string): number {
  const { blocks, bfree, bsize } = statfsSync(folder);
  return ((blocks - bfree) * bsize) / 1024;
}

const sameTree = (a: string, b: string): string =>
  spawnSync('diff', ['-r', '--no-dereference', a, b], { encoding: 'utf8' }).stdout;

/** Fills what is left; answers the file to remove. */
function fill(folder: string): string {
  const path = join(folder, 'filling');
  const block = Buffer.alloc(4096, 1);
  try {
    for (;;) writeFileSync(path, block, { flag: 'a' });
  } catch {
    return path;
  }
}

describeWithTools(['mke2fs', 'diff', 'cmp'], 'no space', () => {
  beforeAll(() => {
    ground = makeGround();
    small = mkdtempSync(join(ground.folder, 'small-'));
  });

  beforeEach((context) => {
    requireRoot(context as TestContext);
    if (!canMountTmpfs(small)) (context as TestContext).skip('no tmpfs mounts here');
  });

  describe('at the destination', () => {
    const run = (...args: string[]): Ended => reelmap(args, { home: ground.home, cwd: small });

    it('of a restore: nothing half under its name, and the same command goes on', () =>
      withTmpfs(small, 1024, () => {
        const line = /to: no space left; put that right and run the same command again: it goes on where it stopped$/;
        expectFailure(run('restore', 'base', '/docs', '--to', 'to'), 1, line);
        for (const name of readdirSync(join(small, 'to/docs')).filter((one) => /^f\d+$/.test(one)))
          expect(spawnSync('cmp', [join(small, 'to/docs', name), join(ground.tree, 'docs', name)]).status).toBe(0);
        resizeTmpfs(small, 16_384);
        expect(run('restore', 'base', '/docs', '--to', 'to')).toMatchObject({ status: 0, stderr: '' });
        expect(sameTree(join(small, 'to/docs'), join(ground.tree, 'docs'))).toBe('');
        expect(readdirSync(join(small, 'to'))).toEqual(['docs']);
      }));

    it('of a volume: said before anything is written', () =>
      withTmpfs(small, 1024, () => {
        const line =
          /v\.img: (1020 KiB|1\.0 MiB) are free there, the volume needs [\d.]+ MiB; free some, or name another target$/;
        expectFailure(run('restore-volume', 'base', 'v.img'), 1, line);
        expect(readdirSync(small)).toEqual([]);
        resizeTmpfs(small, 16_384);
        expect(run('restore-volume', 'base', 'v.img')).toMatchObject({ status: 0, stderr: '' });
        expect(spawnSync('cmp', [join(small, 'v.img'), ground.image]).status).toBe(0);
      }));

    it('of a volume on a device that turns out to have less', (context) =>
      withTmpfs(small, 2048, async () => {
        writeFileSync(join(small, 'thin.img'), '');
        spawnSync('truncate', ['-s', '16M', join(small, 'thin.img')]);
        const used = await withLoop(join(small, 'thin.img'), (device) => {
          const line =
            /\/dev\/loop\d+: (no space left there; free some|cannot be written: .*; look at the kernel log), or name another target$/;
          expectFailure(run('restore-volume', 'base', device), 1, line);
          return true;
        });
        if (used === undefined) context.skip('no loop devices here');
      }));

    it('of exported tape files: the file is named, and no half file has its name', () =>
      withTmpfs(small, 1024, () => {
        const line =
          /files\/00000\d\.\w+\.tar: no space left on that file system; free some and run the same command again$/;
        expectFailure(run('tape', 'export-files', 'base', 'files'), 1, line);
        expect(
          readdirSync(join(small, 'files')).filter((name) => name.includes('chunk') || name.startsWith('.')),
        ).toEqual([]);
      }));
  });

  describe('in the library', () => {
    it('for a volume: said before anything is written', () =>
      withTmpfs(small, 8192, () => {
        const home = homeCopy(ground, join(small, 'home'));
        const line =
          /library: [\d.]+ [KM]iB are free where the virtual tapes are, the backup needs about [\d.]+ MiB; free some, or name a home/;
        expectFailure(reelmap(['backup', ground.image], { home }), 1, line);
        expectBaseIntact(home, ground);
      }));

    it('for even a first cartridge: said, nothing half is left, and the next command makes the rest', () =>
      withTmpfs(small, 120, () => {
        const home = join(small, 'home');
        expectFailure(
          reelmap(['backup', ground.image], { home }),
          1,
          /cartridges\/RM000\dL9\/[\w.]+: .*no space left on that file system; free some/,
        );
        expect(readdirSync(join(home, 'library/cartridges')).filter((name) => name.startsWith('.'))).toEqual([]);
        resizeTmpfs(small, 32_768);
        expect(reelmap(['backup', ground.image, '--name', 'base'], { home }).status).toBe(0);
        expectBaseIntact(home, ground);
      }));

    it('at all: every command says so, harms nothing, and does its work when there is room', () =>
      withTmpfs(small, 24_576, () => {
        const home = homeCopy(ground, join(small, 'home'));
        const filling = fill(small);
        const to = mkdtempSync(join(ground.folder, 'to-'));
        const commands = [
          ['backup', ground.image],
          ['ls', 'base'],
          ['restore', 'base', '/docs', '--to', to],
          ['restore-volume', 'base', join(to, 'v.img')],
          ['verify', 'base'],
          ['sets', 'drop', 'base'],
          ['tape', 'ls'],
          ['tape', 'label', 'X1'],
          ['index', 'check'],
          ['index', 'rebuild'],
        ];
        for (const words of commands)
          expectFailure(reelmap(words, { home }), 1, /no space left on that file system; free some/);
        rmSync(filling);
        expectBaseIntact(home, ground);
        expect(reelmap(['index', 'check'], { home }).status).toBe(0);
        expect(reelmap(['index', 'rebuild'], { home }).status).toBe(0);
        expect(reelmap(['backup', ground.image], { home }).status).toBe(0);
        expectBaseIntact(home, ground);
      }));
  });

  describe('in the library, in the middle of a backup', () => {
    const MIDDLE_KIB = 90_000;
    let big: string;
    let stopped = 0;

    beforeAll(() => {
      const tree = mkdtempSync(join(ground.folder, 'big-'));
      for (let i = 0; i < 800; i++) writeFileSync(join(tree, `file ${i}`), patterned(300, i));
      writeFileSync(join(tree, 'large'), Buffer.alloc(24 * 2 ** 20, patterned(65_521, 11)));
      big = join(ground.folder, 'big.img');
      makeVolume(big, tree, 40 * 2 ** 20);
      rmSync(tree, { recursive: true });
    });

    /** Takes the free space away but for `left` KiB when the copy has begun. */
    async function cutShort(home: string, left: number): Promise<Ended> {
      const words = ['backup', big, '--name', 'big', '--chunk-size', '2M', '--commit-every', '2M'];
      const { child, ended } = startReelmap(words, { home });
      const tape = join(home, 'library/cartridges/RM0001L9/data');
      const before = statSync(tape).size;
      const watch = setInterval(() => {
        if (statSync(tape).size < before + 4 * 2 ** 20 && child.exitCode === null) return;
        clearInterval(watch);
        resizeTmpfs(small, Math.ceil(usedKib(small)) + left);
      }, 3);
      const result = await ended;
      clearInterval(watch);
      return result;
    }

    it.each([0, 64, 6000])('with %i KiB left: one line, and it goes on', (left) =>
      withTmpfs(small, MIDDLE_KIB, async () => {
        const home = homeCopy(ground, join(small, 'home'));
        const ended = await cutShort(home, left);
        stopped += Number(ended.status === 1);
        stopped += Number(ended.status === 1);
        if (ended.status !== 0) {
          expect(ended.status).toBe(1);
          expect(complaints(ended)).toEqual([expect.stringMatching(/^reelmap: .*no space (is )?left.*; free some/)]);
        }
        resizeTmpfs(small, MIDDLE_KIB);
        expect(reelmap(['ls', 'base', '/docs/sub'], { home })).toMatchObject({ status: 0, stdout: 'big\n' });
        if (left === 64) {
          // Given up instead: what was there is all there is.
          if (ended.status !== 0) expect(reelmap(['backup', '--abandon', big], { home }).status).toBe(0);
          expect(reelmap(['status'], { home }).stdout).not.toContain('stopped');
        }
        const again = reelmap(['backup', big, '--name', 'big', '--chunk-size', '2M', '--commit-every', '2M'], { home });
        expect(again.status).toBe(0);
        if (ended.status !== 0 && left !== 64)
          expect(again.stderr).toMatch(/going on with the run that stopped|was whole/);
        expect(reelmap(['verify', 'big', '--against', big], { home }).stdout).toMatch(/equal-to-snapshot$/m);
        expectBaseIntact(home, ground);
      }));

    it('was met in the middle', () => expect(stopped).toBeGreaterThan(0));
  });
});
