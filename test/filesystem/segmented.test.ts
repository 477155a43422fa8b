// A filesystem in segments of a disk: the walk in the disk's addresses, extents cut where segments end, nothing else changed.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { runsOf } from '../../src/bytes/extents.ts';
import { bytesOf } from '../../src/bytes/layout.ts';
import { SegmentMap } from '../../src/bytes/segments.ts';
import { openExt4 } from '../../src/filesystem/ext4/ext4.ts';
import { ExtentKind, type Filesystem, type InodeBatch } from '../../src/filesystem/filesystem.ts';
import { onSegments } from '../../src/filesystem/segmented.ts';
import { readAtOfSegments } from '../../src/filesystem/volume.ts';
import { expectWalkConforms } from '../conformance/filesystem.ts';
import { memoryVolume } from '../support/memory-volume.ts';
import { patterned } from '../support/mover.ts';
import { describeWithTools, tempFolder } from '../support/tools.ts';
import { mustWalk, walkToMap } from '../support/walked.ts';
import { imageFolder, makeImage } from './ext4/support/images.ts';

/** One inode with these extents: kind, file offset, length, volume offset. */
function walkOf(extents: readonly (readonly [number, number, number, number])[]): Filesystem {
  const column = (at: number): Float64Array => Float64Array.from(extents, (one) => one[at]);
  const zero = new Uint32Array(1);
  const batch = {
    kind: 'inodes',
    count: 1,
    inode: Float64Array.of(2),
    generation: zero,
    mode: Uint16Array.of(0o100644),
    linkCount: Uint32Array.of(1),
    uid: zero,
    gid: zero,
    size: Float64Array.of(1000),
    atimeSeconds: new Float64Array(1),
    atimeNanoseconds: zero,
    mtimeSeconds: new Float64Array(1),
    mtimeNanoseconds: zero,
    ctimeSeconds: new Float64Array(1),
    ctimeNanoseconds: zero,
    device: new Float64Array(1),
    flags: new Uint16Array(1),
    extentStart: Uint32Array.of(0, extents.length),
    extentKind: Uint8Array.from(extents, ([kind]) => kind),
    extentFileOffset: column(1),
    extentLength: column(2),
    extentVolumeOffset: column(3),
    literals: new Uint8Array(10),
    xattrs: [],
    problems: [],
  } satisfies InodeBatch;
  return {
    identity: { type: 'test', uuid: '', label: '', blockSize: 10, byteLength: 300 },
    rootInode: 2,
    inodeEstimate: 1,
    notes: ['a note'],
    damage: ['some damage'],
    allocated: async () => runsOf([[0, 300]]),
    async *walk() {
      yield batch;
    },
  };
}

const MAP = new SegmentMap([
  { volumeOffset: 5000, byteLength: 100 },
  { volumeOffset: 1000, byteLength: 50 },
  { volumeOffset: 7000, byteLength: 150 },
]);

async function extentsOf(filesystem: Filesystem): Promise<number[][]> {
  const out: number[][] = [];
  for await (const batch of filesystem.walk())
    if (batch.kind === 'inodes')
      for (let i = 0; i < batch.extentStart[batch.count]; i++)
        out.push([batch.extentKind[i], batch.extentFileOffset[i], batch.extentLength[i], batch.extentVolumeOffset[i]]);
  return out;
}

const { stored, zero, literal, escaped } = ExtentKind;

describe('a filesystem in segments', () => {
  it('an extent over the end of segments becomes several, of the same kind', async () => {
    const extents = await extentsOf(
      onSegments(
        walkOf([
          [stored, 0, 200, 80],
          [escaped, 200, 30, 95],
        ]),
        MAP,
      ),
    );
    expect(extents).toEqual([
      [stored, 0, 20, 5080],
      [stored, 20, 50, 1000],
      [stored, 70, 130, 7000],
      [escaped, 200, 5, 5095],
      [escaped, 205, 25, 1000],
    ]);
  });

  it('zeros and literal bytes have no address, and keep what stands there', async () => {
    const extents = await extentsOf(
      onSegments(
        walkOf([
          [literal, 0, 4, 6],
          [zero, 10, 500, 123_456],
          [stored, 600, 10, 290],
        ]),
        MAP,
      ),
    );
    expect(extents).toEqual([
      [literal, 0, 4, 6],
      [zero, 10, 500, 123_456],
      [stored, 600, 10, 7140],
    ]);
  });

  it('an extent past the end of the volume is refused: behind it lies what is another', async () => {
    for (const extent of [
      [stored, 0, 11, 290],
      [stored, 0, 400, 90],
    ] as const)
      await expect(extentsOf(onSegments(walkOf([extent]), MAP))).rejects.toThrow(/ends past its volume of 300 bytes/);
  });

  it('notes, damage and what is allocated come through', async () => {
    const there = onSegments(walkOf([]), MAP);
    expect([there.notes, there.damage]).toEqual([['a note'], ['some damage']]);
    const { starts, lengths } = await there.allocated();
    expect([[...starts], [...lengths]]).toEqual([
      [1000, 5000, 7000],
      [50, 100, 150],
    ]);
  });
});

describeWithTools(['mke2fs'], 'an ext4 volume cut in pieces', () => {
  it('walks as it does in one piece, with its bytes where the disk has them', async () => {
    const tree = tempFolder();
    mkdirSync(join(tree, 'a/b'), { recursive: true });
    for (let i = 0; i < 40; i++) writeFileSync(join(tree, `a/b/${i}`), patterned(i * 5000, i));
    const size = 6 << 20;
    const image = readFileSync(makeImage(imageFolder(), { size, mke2fs: ['-t', 'ext4', '-b', '1024'], tree }).path);
    // Pieces of odd numbers of sectors, from back to front, with foreign bytes between.
    const disk = Buffer.alloc(2 * size, 0xee);
    const segments: { volumeOffset: number; byteLength: number }[] = [];
    for (let at = 0; at < size; ) {
      const byteLength = Math.min(size - at, 512 * (101 + 2 * (segments.length % 37)));
      const volumeOffset = 2 * size - 2 * at - byteLength;
      image.copy(disk, volumeOffset, at, at + byteLength);
      segments.push({ volumeOffset, byteLength });
      at += byteLength;
    }
    const map = new SegmentMap(segments);
    const readAt = readAtOfSegments(memoryVolume(disk).readAt, map, 'cut');
    const cut = onSegments(mustWalk(await openExt4(readAt, size)), map);
    await expectWalkConforms(cut, disk.length);
    const whole = await walkToMap(mustWalk(await openExt4(memoryVolume(image).readAt, size)));
    const pieces = await walkToMap(cut);
    expect(pieces.names).toEqual(whole.names);
    const content = (bytes: Buffer, extents: readonly { volumeOffset: number; length: number; kind: number }[]) =>
      Buffer.concat(
        extents
          .filter(({ kind }) => kind === stored)
          .map((one) => bytes.subarray(one.volumeOffset, one.volumeOffset + one.length)),
      );
    for (const [inode, { extents }] of whole.inodes)
      expect(
        content(disk, pieces.inodes.get(inode)?.extents ?? []).equals(content(image, extents)),
        `inode ${inode}`,
      ).toBe(true);
    // What is allocated is, byte for byte, what the volume in one piece says of itself.
    const allocated = await cut.allocated();
    const expected = map.runs(await mustWalk(await openExt4(memoryVolume(image).readAt, size)).allocated());
    expect([allocated.starts, allocated.lengths]).toEqual([expected.starts, expected.lengths]);
  });

  it('reads that cross segments give the bytes in order, into the buffer that was lent', async () => {
    const disk = Buffer.from(patterned(10_000, 1));
    const readAt = readAtOfSegments(memoryVolume(disk).readAt, MAP, 'lent');
    const lent = new Uint8Array(400);
    const view = await readAt(50, 200, undefined, lent);
    expect(view.buffer).toBe(lent.buffer);
    const wanted = Buffer.concat([disk.subarray(5050, 5100), disk.subarray(1000, 1050), disk.subarray(7000, 7100)]);
    expect(Buffer.from(bytesOf(view)).equals(wanted)).toBe(true);
    await expect(readAt(290, 11)).rejects.toThrow(/end past the volume of 300 bytes/);
  });
});
