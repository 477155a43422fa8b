/** Volumes whose machine stopped: made by a seed, and compared with what the kernel makes of a copy. */
import { execFileSync } from 'node:child_process';
import { copyFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { openXfs } from '../../../../src/filesystem/xfs/xfs.ts';
import { differences, type KernelRow, kernelRows, walkedRows } from '../../../support/kernel-view.ts';
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
  /** Of changes: of every kind, or writes to shared blocks. */
  readonly mix: 'all' | 'shared';
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
    ['-l', 'su=32k'],
    ['-m', 'reflink=0,finobt=0,inobtcount=0,bigtime=0', '-i', 'sparse=0'],
  ];
  const isShared = seed % 7 === 3;
  return {
    seed,
    size: 64 << 20,
    mkfs: mkfs[seed % (isShared ? mkfs.length - 1 : mkfs.length)],
    operations: [40, 150, 400, 3000][seed % 4],
    flush: seed % 3 === 0,
    mix: isShared ? 'shared' : 'all',
    hold: seed % 5 === 0,
  };
}

/** Makes the volume: the kernel at work, and then no more. */
export function stoppedVolume(folder: string, mountPoint: string, load: Workload): Image {
  const image = makeImage(folder, load.size, load.mkfs);
  const script = join(import.meta.dirname, 'workload.py');
  const args = [mountPoint, `${load.seed}`, `${load.operations}`, load.flush ? 'flush' : 'noflush', load.mix];
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
  const kernel = kernelReplay(image.path, mountPoint);
  return compareWith(image, kernel);
}

/** The tree that the kernel has after it replayed the log of a copy. */
export function kernelReplay(path: string, mountPoint: string): KernelRow[] {
  const copy = `${path}.copy`;
  try {
    copyFileSync(path, copy);
    withMount(copy, mountPoint, 'rw', () => undefined);
    return withMount(copy, mountPoint, 'ro,norecovery', () => kernelRows(mountPoint));
  } finally {
    rmSync(copy, { force: true });
  }
}

export async function compareWith(
  image: Pick<Image, 'readAt' | 'byteLength'>,
  kernel: readonly KernelRow[],
): Promise<{ readonly wrong: string[]; readonly entries: number; readonly notes: readonly string[] }> {
  const filesystem = mustWalk(await openXfs(image.readAt, image.byteLength));
  const walked = await walkToMap(filesystem);
  const wrong = [
    ...differences(walkedRows(walked, filesystem.rootInode), kernel),
    ...walked.directoryProblems.map(({ inode, reason }) => `directory ${inode}: ${reason}`),
    ...[...walked.inodes.values()].flatMap(({ inode, problems }) => problems.map((what) => `${inode}: ${what}`)),
  ];
  return { wrong, entries: kernel.length, notes: filesystem.notes };
}
