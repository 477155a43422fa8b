// Chunks written by us, read by programs no one here wrote: GNU tar, bsdtar and Python's tarfile.
import { execFileSync, spawnSync } from 'node:child_process';
import { closeSync, openSync, readFileSync, readSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { type Runs, runsOf, totalBytes } from '../../../src/bytes/extents.ts';
import { GiB, KiB } from '../../../src/bytes/units.ts';
import type { ChunkHeaderSpec } from '../../../src/tape/archive/chunk.ts';
import { describeWithTools, tempFolder } from '../../support/tools.ts';
import { chunkSpec, volumeBytes, writeChunkFile } from './support/tape-files.ts';

const PYTHON_EXTRACT = `
import sys, tarfile
with tarfile.open(sys.argv[1], 'r:', bufsize=int(sys.argv[3])) as tar:
    members = tar.getmembers()
    assert len(members) == 1, members
    tar.extract(members[0], sys.argv[2])
`;

/** Reader programs: extract `archive` in `folder`. */
const READERS: Record<string, (archive: string, folder: string, recordSize: number) => void> = {
  'GNU tar': (archive, folder, recordSize) => {
    run('tar', ['-b', String(recordSize / 512), '-xSf', archive, '-C', folder]);
  },
  bsdtar: (archive, folder, recordSize) => {
    run('bsdtar', ['-b', String(recordSize / 512), '-xSf', archive, '-C', folder]);
  },
  "Python's tarfile": (archive, folder, recordSize) => {
    run('python3', ['-c', PYTHON_EXTRACT, archive, folder, String(recordSize)]);
  },
};

/** Silent success only: a warning is a defect of the archive. */
function run(command: string, args: string[]): void {
  const { status, stderr } = spawnSync(command, args, {
    encoding: 'utf8',
    env: { ...process.env, PYTHONWARNINGS: 'ignore' },
  });
  expect(stderr).toBe('');
  expect(status).toBe(0);
}

/** The extracted file has the right size, the stored bytes in place, zeros elsewhere, and holes for them where the reader makes any. */
function expectFile(path: string, spec: ChunkHeaderSpec, holes: boolean): void {
  const { realSize, extents, comment } = spec;
  const { size, blocks } = statSync(path);
  expect(size).toBe(realSize);
  const stored = totalBytes(extents);
  if (holes) expect(blocks * 512).toBeLessThanOrEqual(stored + extents.count * 8192);
  if (realSize < 64 * 1024 * 1024) {
    const expected = Buffer.alloc(realSize);
    forEach(extents, (start, length) => expected.set(volumeBytes(comment.volumeOffset + start, length), start));
    expect(readFileSync(path).equals(expected)).toBe(true);
    return;
  }
  // Too long to hold: the extents, and the bytes around each.
  const file = openSync(path, 'r');
  forEach(extents, (start, length) => {
    const before = Math.min(start, 512);
    const found = Buffer.alloc(before + length + 512);
    const count = readSync(file, found, 0, found.length, start - before);
    expect(found.subarray(before, before + length).equals(volumeBytes(comment.volumeOffset + start, length))).toBe(
      true,
    );
    expect(found.subarray(0, before).every((byte) => byte === 0)).toBe(true);
    expect(found.subarray(before + length, count).every((byte) => byte === 0)).toBe(true);
  });
  closeSync(file);
}

function forEach(runs: Runs, visit: (start: number, length: number) => void): void {
  for (let i = 0; i < runs.count; i++) visit(runs.starts[i], runs.lengths[i]);
}

const pairs = (count: number, step: number, length: number): [number, number][] =>
  Array.from({ length: count }, (_, i) => [i * step, length]);

const CASES: Record<string, Parameters<typeof chunkSpec>[0]> = {
  'one extent': { recordSize: 256 * KiB, realSize: 1_000_448, extents: [[65_536, 131_072]] },
  'an extent at the start': { recordSize: 64 * KiB, realSize: 409_600, extents: [[0, 4096]] },
  'an extent at the end': { recordSize: 64 * KiB, realSize: 409_600, extents: [[405_504, 4096]] },
  'extents at both ends': {
    recordSize: 10_240,
    realSize: 409_600,
    extents: [
      [0, 8192],
      [401_408, 8192],
    ],
  },
  'the whole range stored': { recordSize: 32 * KiB, realSize: 262_144, extents: [[0, 262_144]] },
  'nothing stored': { recordSize: 256 * KiB, realSize: 1_048_576, extents: [] },
  'an empty range': { recordSize: 4096, realSize: 0, extents: [] },
  'a hole at the end': { recordSize: 256 * KiB, realSize: 10_485_760, extents: [[0, 512]] },
  'an odd size, stored to the end': { recordSize: 256 * KiB, realSize: 100_001, extents: [[98_304, 1697]] },
  'an odd size, a hole at the end': { recordSize: 256 * KiB, realSize: 100_001, extents: [[4096, 8192]] },
  'a size under one block': { recordSize: 512, realSize: 5, extents: [[0, 5]] },
  'stored bytes that just fill the records': { recordSize: 4096, realSize: 40_960, extents: [[8192, 8192]] },
  '512 zero bytes left in the last record': { recordSize: 4096, realSize: 40_960, extents: [[8192, 3584]] },
  '1,024 zero bytes left in the last record': { recordSize: 4096, realSize: 40_960, extents: [[8192, 3072]] },
  'records of 512 bytes': {
    recordSize: 512,
    realSize: 40_960,
    extents: [
      [512, 512],
      [4096, 1536],
    ],
  },
  'records of 1,024 bytes': { recordSize: 1024, realSize: 40_960, extents: [[512, 512]] },
  'records of 512 KiB': { recordSize: 512 * KiB, realSize: 1_048_576, extents: [[512, 4096]] },
  'a map over 256 KiB': { recordSize: 256 * KiB, realSize: 20_000 * 2048, extents: pairs(20_000, 2048, 512) },
  'a range far into a volume': {
    recordSize: 256 * KiB,
    realSize: 409_600,
    extents: [[4096, 4096]],
    comment: { volumeOffset: 2 ** 44, chunk: 4096, volumeBytes: 2 ** 45 },
  },
  'a volume name in other scripts': {
    recordSize: 64 * KiB,
    realSize: 8192,
    extents: [[0, 512]],
    comment: { volumeName: 'Büro/データ "1"\n' },
  },
  'a range of nearly 8 GiB': {
    recordSize: 256 * KiB,
    realSize: 8 * GiB - 512,
    extents: [
      [0, 4096],
      [4 * GiB - 512, 1024],
      [8 * GiB - 4608, 4096],
    ],
  },
  'a range over 8 GiB': { recordSize: 256 * KiB, realSize: 20 * GiB, extents: [[9 * GiB, 4096]] },
};

describeWithTools(['tar', 'bsdtar', 'python3'], 'chunks in the hands of stock tools', () => {
  for (const [title, input] of Object.entries(CASES)) {
    for (const [reader, extract] of Object.entries(READERS)) {
      it(`${reader} gives back ${title}`, () => {
        const folder = tempFolder();
        const archive = join(folder, 'chunk.tar');
        const spec = chunkSpec(input);
        writeChunkFile(archive, spec);
        extract(archive, folder, input.recordSize);
        // Python and bsdtar seek over holes as well; bsdtar's own last write may fill a block.
        expectFile(join(folder, spec.memberName), spec, true);
        rmSync(folder, { recursive: true });
      });
    }
  }

  it('GNU tar finds nothing to complain of at the end of the archive, whatever is left of the last record', () => {
    const folder = tempFolder();
    const archive = join(folder, 'chunk.tar');
    for (const recordSize of [512, 1024, 4096]) {
      for (let stored = 0; stored <= 4608; stored += 512) {
        writeChunkFile(
          archive,
          chunkSpec({ recordSize, realSize: 8192, extents: stored === 0 ? [] : [[512, stored]] }),
        );
        const said = execFileSync('sh', ['-c', `tar -b ${recordSize / 512} -tf "$0" 2>&1 >/dev/null`, archive]);
        expect(said.toString()).toBe('');
      }
    }
  });

  it('the recipe with dd puts ranges in place without spare space, holes kept', () => {
    const folder = tempFolder();
    const volume = join(folder, 'volume.img');
    const specs = [
      chunkSpec({
        recordSize: 64 * KiB,
        realSize: 1_048_576,
        extents: [[4096, 8192]],
        comment: { volumeBytes: 2_500_001 },
      }),
      chunkSpec({
        recordSize: 64 * KiB,
        realSize: 1_451_425,
        extents: runsOf([
          [0, 512],
          [1_000_448, 4096],
        ]),
        comment: { chunk: 1, volumeOffset: 1_048_576, volumeBytes: 2_500_001 },
      }),
    ];
    for (const spec of specs) {
      const archive = join(folder, 'chunk.tar');
      writeChunkFile(archive, spec);
      const offset = spec.comment.volumeOffset;
      const dd = `dd of="$1" bs=64K iflag=fullblock oflag=seek_bytes conv=sparse,notrunc seek=${offset} status=none`;
      execFileSync('sh', ['-c', `tar -b 128 -xOf "$0" | ${dd}`, archive, volume]);
    }
    const expected = Buffer.alloc(2_500_001);
    for (const { comment, extents } of specs) {
      forEach(extents, (start, length) => {
        expected.set(volumeBytes(comment.volumeOffset + start, length), comment.volumeOffset + start);
      });
    }
    expect(readFileSync(volume).equals(expected)).toBe(true);
    expect(statSync(volume).blocks * 512).toBeLessThanOrEqual(4 * 64 * KiB);
  });
});
