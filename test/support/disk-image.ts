/**
 * A disk with something of everything: partitions with filesystems, swap, boot code and noise, and a volume group with a
 * filesystem in three segments over two of them. What is in each part is known from outside: the kernel and LVM say it.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeImage } from '../filesystem/ext4/support/images.ts';
import { INACTIVE, type SaidSegment, saidByLvs, withLvm } from '../filesystem/lvm/support/groups.ts';
import { blankFile, MIB, putInto, saidBySfdisk, sfdiskDisk } from '../filesystem/partition/support/disks.ts';
import { patterned } from './mover.ts';

/** A filesystem of the disk by itself: the same bytes in a file of their own. */
export interface DiskFilesystem {
  /** As the set has it. */
  readonly path: string;
  readonly file: string;
  readonly segments: readonly SaidSegment[];
  readonly type: string;
  readonly label: string;
}

export interface DiskImage {
  readonly path: string;
  readonly filesystems: readonly DiskFilesystem[];
  /** Byte ranges that are copied whole: start, length, what it is. */
  readonly whole: readonly { readonly start: number; readonly byteLength: number; readonly what: string }[];
}

export const DISK_BYTES = 56 * MIB;

const SCRIPT = [
  'label: gpt',
  'label-id: 0FA1AFE1-1111-2222-3333-444455556666',
  'size=10M, name=boot',
  'size=12M',
  'size=1M, type=S',
  'size=1M, type=21686148-6449-6E6F-744E-656564454649',
  'size=1M',
  'size=14M, type=V',
  'size=10M, type=V',
].join('\n');

const SEGMENTS: readonly (readonly [device: number, size: string])[] = [
  [0, '4M'],
  [1, '5M'],
  [0, '2M'],
];

/** A tree with names that other filesystems of the disk have too, and content that says whose it is. */
function makeTree(folder: string, seed: number): string {
  const tree = join(folder, `tree${seed}`);
  mkdirSync(join(tree, 'etc/deep'), { recursive: true });
  writeFileSync(join(tree, 'who'), `filesystem ${seed}\n`);
  for (let i = 0; i < 20; i++) writeFileSync(join(tree, `etc/deep/${i}`), patterned(i * 3001, seed * 100 + i));
  writeFileSync(join(tree, 'large'), patterned(1_200_000, seed));
  execFileSync('ln', [join(tree, 'who'), join(tree, 'etc/hard')]);
  execFileSync('ln', ['-s', '../who', join(tree, 'etc/soft')]);
  return tree;
}

/** Root, with loop devices. */
export function makeDiskImage(folder: string): DiskImage {
  const path = sfdiskDisk(folder, DISK_BYTES, SCRIPT);
  const { partitions } = saidBySfdisk(path);
  const placeOf = (number: number) => {
    const found = partitions.find((one) => one.number === number);
    if (found === undefined) throw new Error(`no partition ${number}`);
    return { volumeOffset: found.start, byteLength: found.byteLength };
  };
  const starts = partitions.filter(({ number }) => number >= 6).map(({ start }) => start);
  const root = withLvm(folder, path, [6, 7], (lvm) => {
    lvm.run('pvcreate', ...lvm.devices);
    lvm.run('vgcreate', '-s', '1M', 'vg', ...lvm.devices);
    lvm.run('lvcreate', ...INACTIVE, '-L', '2M', '-n', 'first', 'vg', lvm.devices[0]);
    for (const [i, [device, size]] of SEGMENTS.entries()) {
      const how =
        i === 0 ? ['lvcreate', ...INACTIVE, '-n', 'root', '-L', size, 'vg'] : ['lvextend', '-L', `+${size}`, 'vg/root'];
      lvm.run(how[0], ...how.slice(1), lvm.devices[device]);
      if (i === 0) lvm.run('lvcreate', ...INACTIVE, '-L', '1M', '-n', 'between', 'vg', lvm.devices[0]);
    }
    lvm.run('lvcreate', ...INACTIVE, '-i', '2', '-L', '2M', '-n', 'striped', 'vg');
    return saidByLvs(lvm, 'vg', starts);
  }).get('root');
  if (root?.length !== 3) throw new Error('vg/root has not three segments');
  const filesystem = (
    name: string,
    segments: readonly SaidSegment[],
    type: string,
    seed: number,
    more: readonly string[],
  ) => {
    const size = segments.reduce((sum, { byteLength }) => sum + byteLength, 0);
    const label = `part ${seed}`;
    const mke2fs = ['-t', type, '-L', label, '-U', `00000000-0000-0000-0000-00000000000${seed}`, ...more];
    const { path: file } = makeImage(folder, { size, mke2fs, tree: makeTree(folder, seed) });
    place(path, segments, file);
    return { path: name, file, segments, type, label };
  };
  const filesystems = [
    filesystem('/1', [placeOf(1)], 'ext4', 1, ['-b', '1024', '-N', '256']),
    filesystem('/2', [placeOf(2)], 'ext3', 2, ['-b', '4096', '-N', '256']),
    filesystem('/vg/root', root, 'ext4', 3, ['-b', '2048', '-N', '256']),
  ];
  const swap = blankFile(folder, placeOf(3).byteLength);
  execFileSync('mkswap', ['-q', '-L', 'swapped', swap], { stdio: 'ignore' });
  place(path, [placeOf(3)], swap);
  const noise = (name: string, { volumeOffset, byteLength }: SaidSegment, seed: number) => {
    const file = join(folder, name);
    writeFileSync(file, patterned(byteLength, seed));
    putInto(path, volumeOffset, file);
    return { start: volumeOffset, byteLength, what: name };
  };
  const last = partitions.at(-1);
  const end = (last?.start ?? 0) + (last?.byteLength ?? 0);
  const whole = [
    noise('boot code', placeOf(4), 41),
    noise('unknown partition', placeOf(5), 51),
    noise('gap before the first partition', { volumeOffset: 64 * 1024, byteLength: 128 * 1024 }, 61),
    noise('gap behind the last partition', { volumeOffset: end, byteLength: 64 * 1024 }, 71),
    { start: placeOf(3).volumeOffset, byteLength: placeOf(3).byteLength, what: 'swap' },
    { start: 0, byteLength: 34 * 512, what: 'primary table' },
    { start: DISK_BYTES - 33 * 512, byteLength: 33 * 512, what: 'backup table' },
    ...starts.map((start) => ({ start, byteLength: MIB, what: 'metadata of a physical volume' })),
  ];
  return { path, filesystems, whole };
}

/** Puts a file's bytes into segments of a disk. */
function place(disk: string, segments: readonly SaidSegment[], file: string): void {
  const bytes = readFileSync(file);
  let at = 0;
  for (const [i, { volumeOffset, byteLength }] of segments.entries()) {
    const piece = `${file}.${i}`;
    writeFileSync(piece, bytes.subarray(at, at + byteLength));
    putInto(disk, volumeOffset, piece);
    at += byteLength;
  }
}

/** The bytes of a filesystem in a disk. */
export const gathered = (disk: Uint8Array, segments: readonly SaidSegment[]): Buffer =>
  Buffer.concat(segments.map((one) => disk.subarray(one.volumeOffset, one.volumeOffset + one.byteLength)));
