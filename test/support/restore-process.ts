/** A program for the tests: the command line over a set in memory whose tape is slow, so that it can be stopped in the middle. */
import { main } from '../../src/cli/main.ts';
import { memoryServices, setRecord } from './memory-services.ts';
import { directory, entry, file, MemorySet, stored, symlink, utf8 } from './memory-set.ts';

const FILES = 40;
const volume = Uint8Array.from({ length: FILES * 4096 }, (_, i) => (i * 31 + (i >> 9)) & 0xff);

const tree = [
  {
    entry: directory('d', { inode: 50 }),
    children: Array.from({ length: FILES }, (_, i) =>
      file(`f${i}`, 4000, [stored(0, i * 4096, 4000)], { inode: 1000 + i }),
    ),
  },
  symlink('link', 'd/f0', { inode: 51 }),
  file('owned', 10, [stored(0, 0, 10)], { inode: 52, uid: 0, gid: 0, mode: 0o106755 }),
  entry('device', 0o020600, { inode: 53, device: { major: 1, minor: 3 } }),
  file('secured', 0, [], { inode: 54, xattrs: [{ name: utf8('trusted.x'), value: utf8('y') }] }),
];
const set = new MemorySet({ volume, recordSize: 4096, tree });
const wait = new Int32Array(new SharedArrayBuffer(4));
set.beforeRead = () => void Atomics.wait(wait, 0, 0, Number(process.env.READ_MS ?? '0'));

process.exitCode = await main(process.argv.slice(2), async () =>
  memoryServices([[setRecord('ab', 'v', '2026-01-01T00:00:00Z'), set]]),
);
