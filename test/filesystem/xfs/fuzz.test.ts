// Volumes with one structure changed and its checksum made to fit: nothing hangs, nothing but a FormatError is thrown, the
// walk keeps its contract, memory stays bounded. XFS_FUZZ=first-last runs other seeds (a nightly run: 1-100000).
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { FormatError } from '../../../src/bytes/errors.ts';
import { openXfs } from '../../../src/filesystem/xfs/xfs.ts';
import { expectWalkConforms } from '../../conformance/filesystem.ts';
import { Draw } from '../../support/draw.ts';
import { type MemoryVolume, memoryVolume } from '../../support/memory-volume.ts';
import { canMount, withMount } from '../../support/mount.ts';
import { hasTools } from '../../support/tools.ts';
import { imageFolder } from '../ext4/support/images.ts';
import { type Image, makeImage } from './support/images.ts';
import { mutate, type Structure, structuresOf } from './support/mutate.ts';

const folder = imageFolder();
const mountPoint = join(folder, 'mnt');
mkdirSync(mountPoint);
const SIZE = 20 << 20;
const mountable =
  hasTools('mkfs.xfs', 'python3', 'mount') && canMount(makeImage(folder, SIZE).path, mountPoint, 'ro,norecovery');
const [first, last] = (process.env.XFS_FUZZ ?? '1-300').split('-').map(Number);
/** No volume of this size takes longer, whatever is in it. */
const MILLISECONDS_MAX = 10_000;
/** Nor more memory than this, vitest and the volumes themselves included. */
const RESIDENT_MAX = 1.5 * 1024 ** 3;

interface Subject {
  readonly volume: MemoryVolume;
  readonly structures: Map<string, Structure[]>;
}

function subject(mkfs: readonly string[], script: string, ...args: readonly string[]): Subject {
  const image: Image = makeImage(folder, SIZE, mkfs);
  const path = join(import.meta.dirname, 'support', script);
  withMount(image.path, mountPoint, 'rw', () =>
    execFileSync('python3', [path, mountPoint, ...args], { stdio: 'ignore' }),
  );
  const volume = memoryVolume(readFileSync(image.path));
  return { volume, structures: structuresOf(volume.bytes) };
}

const asIt = (name: string, test: () => Promise<void>, timeout: number): void => {
  if (mountable) it(name, test, timeout);
  else it(`${name}: cannot be had here`, () => expect(mountable).toBe(false));
};

describe('a mutated XFS volume', () => {
  let subjects: readonly Subject[] = [];
  beforeAll(() => {
    if (!mountable) return;
    subjects = [
      subject([], 'small.py'),
      subject(['-b', 'size=1024', '-n', 'size=4096', '-m', 'rmapbt=1', '-i', 'nrext64=1'], 'small.py'),
      subject([], 'workload.py', '5', '60', 'flush', 'all'),
    ];
  });

  asIt(
    'is walked to its end, refused, or copied whole',
    async () => {
      const outcomes = { walked: 0, refused: 0, problems: 0 };
      for (let seed = first; seed <= last; seed++) {
        const { volume, structures } = subjects[seed % subjects.length];
        const { what, undo } = mutate(volume.bytes, structures, new Draw(seed));
        const begin = performance.now();
        try {
          const opened = await openXfs(volume.readAt, volume.bytes.length);
          if (opened === undefined || !('walk' in opened)) outcomes.refused++;
          else {
            outcomes.walked++;
            const { problems } = await expectWalkConforms(opened, volume.bytes.length);
            if (problems.length > 0) outcomes.problems++;
          }
        } catch (error) {
          if (!(error instanceof FormatError)) throw new Error(`seed ${seed}: ${what}`, { cause: error });
          outcomes.refused++;
        } finally {
          undo();
        }
        const took = performance.now() - begin;
        if (took > MILLISECONDS_MAX) throw new Error(`seed ${seed}: ${what}: ${took} ms`);
      }
      expect(process.resourceUsage().maxRSS * 1024).toBeLessThan(RESIDENT_MAX);
      // The mutations are worth something: most are told, and most volumes are walked all the same.
      expect(outcomes.problems).toBeGreaterThan((last - first) / 16);
      expect(outcomes.walked).toBeGreaterThan((last - first) / 2);
      if (process.env.XFS_FUZZ !== undefined) console.log(outcomes, process.resourceUsage().maxRSS);
    },
    24 * 3600_000,
  );
});
