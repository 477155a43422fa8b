/** Which parts of a sparse file hold data: lseek(2) with SEEK_DATA and SEEK_HOLE. Node has no lseek, so libc by koffi, loaded here only. */
import { closeSync, openSync } from 'node:fs';
import { createRequire } from 'node:module';
import { FormatError } from '../bytes/errors.ts';
import { type Runs, RunsBuilder, runsOf } from '../bytes/extents.ts';
import type { Bytes } from '../bytes/units.ts';

const SEEK_DATA = 3;
const SEEK_HOLE = 4;
/** Runs of a file at most; beyond, the rest counts as data. */
const RUNS_MAX = 1_000_000;

type Lseek = (fd: number, offset: number, whence: number) => number;

function loadLseek(): Lseek {
  const koffi = createRequire(import.meta.url)('koffi') as {
    load(name: string): { func(definition: string): (...args: unknown[]) => unknown };
  };
  const lseek = koffi.load('libc.so.6').func('int64_t lseek(int fd, int64_t offset, int whence)');
  return (fd, offset, whence) => Number(lseek(fd, offset, whence));
}

let seek: Lseek | undefined;

/** Whether the bytes of an open file at `offset` are stored, and where that ends. A filesystem without SEEK_DATA stores all. */
export function runAt(fd: number, offset: Bytes, byteLength: Bytes): { stored: boolean; end: Bytes } {
  seek ??= loadLseek();
  const data = seek(fd, offset, SEEK_DATA);
  if (data < 0) {
    const hole = seek(fd, offset, SEEK_HOLE);
    return { stored: hole < 0, end: byteLength }; // ENXIO: a hole to the end; EINVAL on both: not supported
  }
  if (data > offset) return { stored: false, end: Math.min(data, byteLength) };
  const hole = seek(fd, offset, SEEK_HOLE);
  return { stored: true, end: hole < 0 ? byteLength : Math.min(hole, byteLength) };
}

/** The data runs of the first `byteLength` bytes of a file. A filesystem without SEEK_DATA calls all of it data. @throws FormatError `io` */
export function dataRuns(path: string, byteLength: Bytes): Runs {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch (cause) {
    throw new FormatError('io', path, (cause as Error).message, { cause });
  }
  try {
    const lseek = loadLseek();
    const builder = new RunsBuilder();
    for (let at = 0; at < byteLength; ) {
      // -1 with ENXIO: nothing but a hole follows; with EINVAL: not supported here, and then the very first call says so.
      const data = builder.count >= RUNS_MAX ? at : lseek(fd, at, SEEK_DATA);
      if (data < 0) {
        if (at === 0 && lseek(fd, 0, SEEK_HOLE) < 0) return runsOf([[0, byteLength]]);
        break;
      }
      const hole = builder.count >= RUNS_MAX ? byteLength : lseek(fd, data, SEEK_HOLE);
      const end = hole < 0 ? byteLength : Math.min(hole, byteLength);
      if (data >= byteLength || end <= data) break;
      builder.add(data, end - data);
      at = end;
    }
    return builder.finish();
  } finally {
    closeSync(fd);
  }
}
