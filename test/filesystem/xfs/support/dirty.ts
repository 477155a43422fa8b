/** Volumes whose machine stopped: made by a seed, and compared with what the kernel makes of a copy. */
import { execFileSync } from 'node:child_process';
import { copyFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { openXfs } from '../../../../src/filesystem/xfs/xfs.ts';
import { differences, kernelRows, walkedRows } from '../../../support/kernel-view.ts';
import { withMount } from '../../../support/mount.ts';
import { mustWalk, walkToMap } from '../../../support/walked.ts';
import { type Image, makeImage } from './images.ts';

export interface Workload {
  readonly seed: number;
  /** Bytes of the volume. */
  readonly size: number;
  readonly mkfs: readonly string[];
  readonly operations: number;
  /** Whether the log in memory is written out before the filesystem stops. */
  readonly flush: boolean;
  /** Unlinked files stay open until then. */
  readonly hold: boolean;
}

/** A workload drawn from a seed. */
export function workloadOf(seed: number): Workload {
  const mkfs = [
    [],
    ['-m', 'rmapbt=1', '-i', 'nrext64=1'],
    ['-b', 'size=1024', '-n', 'size=4096'],
    ['-i', 'size=1024', '-s', 'size=4096'],
    ['-m', 'reflink=0,finobt=0,inobtcount=0,bigtime=0', '-i', 'sparse=0'],
    ['-l', 'su=32k'],
  ];
  return {
    seed,
    size: 64 << 20,
    mkfs: mkfs[seed % mkfs.length],
    operations: [40, 150, 400, 1200][seed % 4],
    flush: seed % 3 === 0,
    hold: seed % 5 === 0,
  };
}

/** Makes the volume: the kernel at work, and then no more. */
export function stoppedVolume(folder: string, mountPoint: string, load: Workload): Image {
  const image = makeImage(folder, load.size, load.mkfs);
  const script = join(import.meta.dirname, 'workload.py');
  const args = [mountPoint, `${load.seed}`, `${load.operations}`, load.flush ? 'flush' : 'noflush'];
  withMount(image.path, mountPoint, 'rw', () =>
    execFileSync('python3', [script, ...args, ...(load.hold ? ['1'] : [])], { stdio: ['ignore', 'ignore', 'pipe'] }),
  );
  return image;
}

/** What differs between our walk and the kernel's tree after it replayed a copy's log. */
export async function compareReplay(
  image: Image,
  mountPoint: string,
): Promise<{ readonly wrong: string[]; readonly entries: number; readonly notes: readonly string[] }> {
  const copy = `${image.path}.copy`;
  try {
    copyFileSync(image.path, copy);
    withMount(copy, mountPoint, 'rw', () => undefined);
    const kernel = withMount(copy, mountPoint, 'ro,norecovery', () => kernelRows(mountPoint));
    const filesystem = mustWalk(await openXfs(image.readAt, image.byteLength));
    const walked = await walkToMap(filesystem);
    const wrong = [
      ...differences(walkedRows(walked, filesystem.rootInode), kernel),
      ...walked.directoryProblems.map(({ inode, reason }) => `directory ${inode}: ${reason}`),
      ...[...walked.inodes.values()].flatMap(({ inode, problems }) => problems.map((what) => `${inode}: ${what}`)),
    ];
    return { wrong, entries: kernel.length, notes: filesystem.notes };
  } finally {
    rmSync(copy, { force: true });
  }
}
