// Mutated tables, labels and metadata, checksums put right again or not: never a crash, never a hang, never a part that lies
// outside the disk or twice on it. REELMAP_FUZZ says how many mutations of each seed; tools/nightly runs many.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32, gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { lookAt } from '../../../src/catalog/source.ts';
import { filesystemOpeners } from '../../../src/cli/workplace.ts';
import { lvmCrc } from '../../../src/filesystem/lvm/physical-volume.ts';
import { type Disk, readDisk } from '../../../src/filesystem/partition/disk.ts';
import type { ReadAt } from '../../../src/filesystem/volume.ts';
import { seededPick } from '../../../src/storage/crash-store.ts';
import { memoryVolume } from '../../support/memory-volume.ts';
import { MIB } from './support/disks.ts';

const COUNT = Number(process.env.REELMAP_FUZZ ?? 150);
const FIRST_SEED = Number(process.env.REELMAP_FUZZ_SEED ?? 1);
/** Of one look at a disk of a few MiB: it takes some milliseconds. */
const MILLISECONDS_MAX = 3000;
const READ_BYTES_MAX = 64 * MIB;

type Pick = (below: number) => number;

interface Seed {
  readonly bytes: Buffer;
  /** Where the structures are. */
  readonly hot: readonly (readonly [start: number, length: number])[];
  /** Puts checksums right again, so that what is behind them is reached. */
  readonly refit: (bytes: Buffer, pick: Pick) => void;
}

const SECTOR = 512;

function gptSeed(): Seed {
  const bytes = Buffer.from(gunzipSync(readFileSync(join(import.meta.dirname, '../../fixtures/disks/lvm.img.gz'))));
  const end = bytes.length;
  const physical = [MIB, 5 * MIB];
  return {
    bytes,
    hot: [
      [440, 72],
      [SECTOR, 92],
      [2 * SECTOR, 4 * 128],
      [end - 33 * SECTOR, 4 * 128],
      [end - SECTOR, 92],
      ...physical.flatMap((at): [number, number][] => [
        [at + SECTOR, 200],
        [at + 4096, 64],
        [at + 4096 + SECTOR, 12 * 1024],
      ]),
    ],
    refit(disk, pick) {
      if (pick(4) > 0) for (const at of [SECTOR, end - SECTOR]) refitGpt(disk, at);
      if (pick(4) > 0) for (const at of physical) refitLvm(disk, at);
    },
  };
}

function refitGpt(disk: Buffer, at: number): void {
  const entries = Number(disk.readBigUInt64LE(at + 72)) * SECTOR;
  const length = disk.readUInt32LE(at + 80) * disk.readUInt32LE(at + 84);
  if (entries + length <= disk.length) disk.writeUInt32LE(crc32(disk.subarray(entries, entries + length)), at + 88);
  disk.writeUInt32LE(0, at + 16);
  const size = disk.readUInt32LE(at + 12);
  if (size <= SECTOR) disk.writeUInt32LE(crc32(disk.subarray(at, at + size)), at + 16);
}

/** Label, header and text of a physical volume whose metadata area begins at its byte 4096. */
function refitLvm(disk: Buffer, physical: number): void {
  const label = physical + SECTOR;
  disk.writeUInt32LE(lvmCrc(disk.subarray(label + 20, label + SECTOR)), label + 16);
  const header = physical + 4096;
  const start = Number(disk.readBigUInt64LE(header + 40));
  const length = Number(disk.readBigUInt64LE(header + 48));
  if (header + start + length <= disk.length)
    disk.writeUInt32LE(lvmCrc(disk.subarray(header + start, header + start + length)), header + 56);
  disk.writeUInt32LE(lvmCrc(disk.subarray(header + 4, header + SECTOR)), header);
}

/** A master boot record with a chain of five logical partitions. */
function mbrSeed(): Seed {
  const bytes = Buffer.alloc(4 * MIB);
  const put = (lba: number, slot: number, type: number, start: number, sectors: number): void => {
    const at = lba * SECTOR + 446 + slot * 16;
    bytes[at + 4] = type;
    bytes.writeUInt32LE(start, at + 8);
    bytes.writeUInt32LE(sectors, at + 12);
    bytes.writeUInt16LE(0xaa55, lba * SECTOR + 510);
  };
  put(0, 0, 0x83, 64, 1000);
  put(0, 1, 0x05, 2000, 6000);
  const hot: [number, number][] = [[440, 72]];
  for (let i = 0; i < 5; i++) {
    const lba = 2000 + i * 1000;
    put(lba, 0, 0x83, 16, 900);
    if (i < 4) put(lba, 1, 0x05, (i + 1) * 1000, 1000);
    hot.push([lba * SECTOR + 446, 66]);
  }
  return { bytes, hot, refit: () => undefined };
}

/** Numbers that tables stumble over. */
const ODD = [0, 1, 2, 7, 63, 255, 256, 2048, 0x7fff_ffff, 0x8000_0000, 0xffff_fffe, 0xffff_ffff];

function mutate(seed: Seed, pick: Pick): Buffer {
  const bytes = Buffer.from(seed.bytes);
  for (let change = 1 + pick(6); change > 0; change--) {
    const [start, length] = seed.hot[pick(seed.hot.length)];
    const at = start + pick(length);
    switch (pick(6)) {
      case 0:
        bytes[at] ^= 1 << pick(8);
        break;
      case 1:
        bytes[at] = pick(256);
        break;
      case 2:
        bytes.writeUInt32LE(ODD[pick(ODD.length)], at - (at % 4));
        break;
      case 3: {
        // A piece of one structure over another.
        const [from, span] = seed.hot[pick(seed.hot.length)];
        bytes.copy(bytes, at, from, from + 1 + pick(Math.min(span, 256)));
        break;
      }
      case 4:
        bytes.writeUInt32LE((bytes.readUInt32LE(at - (at % 4)) + pick(5)) >>> 0, at - (at % 4));
        break;
      default: {
        // A digit of a text, or a whole word of it.
        const digit = bytes.subarray(at).findIndex((byte) => byte >= 0x30 && byte <= 0x39);
        if (digit >= 0) bytes[at + digit] = 0x30 + pick(10);
      }
    }
  }
  seed.refit(bytes, pick);
  return bytes;
}

/** What holds for every disk, whatever its tables say. */
function expectSound(disk: Disk, byteLength: number): void {
  const numbers = disk.parts.map(({ number }) => number);
  expect(new Set(numbers).size).toBe(numbers.length);
  expect(numbers.every((number) => number > 0 && number < 0xffff)).toBe(true);
  const paths = disk.parts.map(({ path }) => path);
  expect(new Set(paths).size).toBe(paths.length);
  for (const { segments, reason } of disk.parts) {
    if (segments.length === 0) expect(reason).toBeTruthy();
    const ordered = [...segments].sort((a, b) => a.volumeOffset - b.volumeOffset);
    for (const [i, one] of ordered.entries()) {
      expect(one.byteLength).toBeGreaterThan(0);
      expect(one.volumeOffset).toBeGreaterThanOrEqual(
        i === 0 ? 0 : ordered[i - 1].volumeOffset + ordered[i - 1].byteLength,
      );
      expect(one.volumeOffset + one.byteLength).toBeLessThanOrEqual(byteLength);
    }
  }
  for (let i = 0; i < disk.free.count; i++)
    expect(disk.free.starts[i] + disk.free.lengths[i]).toBeLessThanOrEqual(byteLength);
}

async function look(bytes: Buffer): Promise<Disk | undefined> {
  const volume = memoryVolume(bytes);
  let read = 0;
  const readAt: ReadAt = (offset, length, signal) => {
    read += length;
    return volume.readAt(offset, length, signal);
  };
  const started = performance.now();
  const disk = await readDisk(readAt, bytes.length);
  if (disk !== undefined) expectSound(disk, bytes.length);
  await lookAt({ readAt: volume.readAt, byteLength: bytes.length, source: 'fuzz' }, filesystemOpeners);
  expect(performance.now() - started).toBeLessThan(MILLISECONDS_MAX);
  expect(read).toBeLessThan(READ_BYTES_MAX);
  return disk;
}

describe('hostile tables and volume groups', () => {
  for (const [title, seed] of [
    ['GPT with LVM', gptSeed()],
    ['a master boot record with logical partitions', mbrSeed()],
  ] as const)
    it(`${title}: ${COUNT} mutations from seed ${FIRST_SEED} on`, async () => {
      const good = await look(seed.bytes);
      expect(good?.parts.length).toBeGreaterThan(3);
      const before = JSON.stringify(good?.parts);
      let changed = 0;
      for (let number = FIRST_SEED; number < FIRST_SEED + COUNT; number++) {
        const bytes = mutate(seed, seededPick(number));
        try {
          if (JSON.stringify((await look(bytes))?.parts) !== before) changed++;
        } catch (cause) {
          throw new Error(`seed ${number} of ${title}`, { cause });
        }
      }
      // Mutations reach what is behind the checksums.
      expect(changed).toBeGreaterThan(COUNT / 20);
    }, 3_600_000);
});
