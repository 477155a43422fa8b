/** fallocate(2) with FALLOC_FL_PUNCH_HOLE, which Node does not have. The foreign function library is loaded at first use. */

const FALLOC_FL_KEEP_SIZE = 1;
const FALLOC_FL_PUNCH_HOLE = 2;
const LIBRARIES = ['libc.so.6', 'libc.so']; // glibc, musl

type Fallocate = (fd: number, mode: number, offset: number, length: number) => Promise<number>;
let loaded: Promise<Fallocate | undefined> | undefined;

/** Whether the range now reads as zeros and takes no room; `false`: this file system, device or machine cannot. */
export async function punchHole(fd: number, offset: number, length: number): Promise<boolean> {
  loaded ??= load();
  const fallocate = await loaded;
  return (await fallocate?.(fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, offset, length)) === 0;
}

async function load(): Promise<Fallocate | undefined> {
  const koffi = await import('koffi').catch(() => undefined);
  for (const name of koffi ? LIBRARIES : []) {
    try {
      // off64_t is the plain off_t wherever Node runs on 64 bits.
      const call = koffi?.load(name).func('int fallocate(int fd, int mode, int64_t offset, int64_t length)');
      if (!call) continue;
      return (...args) =>
        new Promise((resolve) => {
          call.async(...args, (error: unknown, result: number) => resolve(error ? -1 : result));
        });
    } catch {} // the next name
  }
  return undefined;
}
