// Logs with torn, lost and damaged records: what the kernel makes of a copy (it may refuse it) is what we make of it.
// XFS_LOG_DAMAGE=n tries n damages of each volume.
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type DirtyRange, findDirtyRange } from '../../../src/filesystem/xfs/log/find-tail.ts';
import { LogRing } from '../../../src/filesystem/xfs/log/ring.ts';
import { decodeSuperblock, fsBlockAddress } from '../../../src/filesystem/xfs/superblock.ts';
import { openXfs } from '../../../src/filesystem/xfs/xfs.ts';
import { Draw } from '../../support/draw.ts';
import { canMount } from '../../support/mount.ts';
import { hasTools } from '../../support/tools.ts';
import { fileReadAt, imageFolder } from '../ext4/support/images.ts';
import { compareWith, kernelReplay, stoppedVolume, workloadOf } from './support/dirty.ts';
import { type Image, makeImage } from './support/images.ts';

const folder = imageFolder();
const mountPoint = join(folder, 'mnt');
mkdirSync(mountPoint);
const mountable =
  hasTools('mkfs.xfs', 'python3', 'mount') && canMount(makeImage(folder, 64 << 20).path, mountPoint, 'ro,norecovery');
const damages = Number(process.env.XFS_LOG_DAMAGE ?? 3);

interface Log extends DirtyRange {
  readonly at: number;
  readonly blocks: number;
}

async function logOf(image: Image): Promise<Log> {
  const head = await image.readAt(0, 4096);
  const g = decodeSuperblock(new DataView(head.buffer, head.byteOffset, head.getUint16(102)));
  const at = fsBlockAddress(g, g.logStart, g.logBlocks);
  const ring = new LogRing(image.readAt, at, g.logBlocks * g.blockSize);
  const range = await findDirtyRange(ring, true);
  if (range === undefined) throw new Error('the log is clean');
  return { ...range, at, blocks: ring.blocks };
}

/** Damages the log near its head or its tail, and says how. */
function damage(bytes: Buffer, log: Log, draw: Draw): string {
  const block = (n: number): number => log.at + (((n % log.blocks) + log.blocks) % log.blocks) * 512;
  const used = (log.head - log.tail + log.blocks) % log.blocks;
  const back = 1 + draw.below(Math.min(used, draw.pick([8, 64, 600])));
  switch (draw.below(4)) {
    case 0: {
      const at = block(log.head - back) + draw.below(512);
      bytes[at] ^= 1 << draw.below(8);
      return `bit of byte ${at}, ${back} blocks before the head`;
    }
    case 1:
      for (let i = 0; i < Math.min(back, 1 + draw.below(20)); i++)
        bytes.fill(0, block(log.head - back + i), block(log.head - back + i) + 512);
      return `zeros ${back} blocks before the head`;
    case 2: {
      const at = block(log.tail + draw.below(4)) + draw.below(512);
      bytes[at] ^= 0x40;
      return `byte ${at} at the tail`;
    }
    default: {
      // What was there in the round before: the write never came.
      for (let i = 0; i < back; i++) {
        const at = block(log.head - back + i);
        const isHeader = bytes.readUInt32BE(at) === 0xfeedbabe;
        bytes.writeUInt32BE(bytes.readUInt32BE(at + (isHeader ? 4 : 0)) - 1, at);
      }
      return `the last ${back} blocks not written`;
    }
  }
}

describe('a damaged log', () => {
  if (!mountable) it('cannot be had here', () => expect(mountable).toBe(false));
  for (const seed of mountable ? [4, 15] : []) {
    it(`is replayed as far as the kernel replays it, or not at all: volume of seed ${seed}`, async () => {
      const image = stoppedVolume(folder, mountPoint, workloadOf(seed));
      const good = readFileSync(image.path);
      const log = await logOf(image);
      const verdicts = { replayed: 0, refused: 0 };
      for (let i = 0; i < damages; i++) {
        const path = join(folder, 'damaged.img');
        copyFileSync(image.path, path);
        const bytes = Buffer.from(good);
        const how = `${damage(bytes, log, new Draw(seed * 1000 + i))} (damage ${i})`;
        writeFileSync(path, bytes);
        const readAt = fileReadAt(path);
        const kernel = replayOrRefuse(path);
        const opened = await openXfs(readAt, bytes.length);
        if (kernel === undefined) {
          verdicts.refused++;
          expect({ how, opened }).toMatchObject({ how, opened: { reason: expect.stringMatching(/log cannot be/) } });
        } else {
          verdicts.replayed++;
          expect({ how, wrong: 'walk' in (opened ?? {}) ? [] : opened }).toEqual({ how, wrong: [] });
          const { wrong } = await compareWith({ readAt, byteLength: bytes.length }, kernel);
          expect({ how, wrong: wrong.slice(0, 3) }).toEqual({ how, wrong: [] });
        }
        rmSync(path);
      }
      expect(verdicts.replayed).toBeGreaterThan(0);
      if (process.env.XFS_LOG_DAMAGE !== undefined) console.log(verdicts);
    });
  }
});

function replayOrRefuse(path: string): ReturnType<typeof kernelReplay> | undefined {
  try {
    return kernelReplay(path, mountPoint);
  } catch {
    return undefined;
  }
}
