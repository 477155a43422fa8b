/**
 * The system calls that Node does not have: openat2, mkdirat and kin, utimensat with nanoseconds, xattrs, mknodat, renameat2.
 * Linux, 64-bit. Names go in as bytes and relative to a directory's descriptor, so that no path is ever looked up twice.
 *
 * koffi's JavaScript wrapper costs 6 ms and its addon alone 2, so the addon is loaded directly where it is found.
 */
import { constants as fileConstants } from 'node:fs';
import { createRequire } from 'node:module';
import { constants } from 'node:os';
import { getSystemErrorName } from 'node:util';

interface Koffi {
  load(path: string | null): { func(prototype: string): KoffiFunction };
  errno(): number;
}
type KoffiArgument = number | bigint | Uint8Array | null;
interface KoffiFunction {
  (...args: KoffiArgument[]): number;
  async(...args: [...KoffiArgument[], (error: unknown, result: number) => void]): void;
}

// Linux uapi: fcntl.h, openat2.h, fs.h; system call numbers of the 64-bit architectures that Node runs on.
const AT_SYMLINK_NOFOLLOW = 0x100;
const RESOLVE_NO_MAGICLINKS = 0x02;
const RESOLVE_NO_SYMLINKS = 0x04;
const RESOLVE_BENEATH = 0x08;
const RENAME_NOREPLACE = 1;
const SYS_OPENAT2 = 437;
const SYS_RENAMEAT2: Readonly<Record<string, number>> = {
  x64: 316,
  arm64: 276,
  riscv64: 276,
  loong64: 276,
  s390x: 347,
  ppc64: 357,
};

/** A failed system call: `code` is `ENOSPC` and the like, as Node's own errors have it. */
export class SystemError extends Error {
  readonly code: string;
  readonly errno: number;
  readonly syscall: string;

  constructor(syscall: string, errno: number) {
    const code = getSystemErrorName(-errno);
    super(`${syscall}: ${code}`);
    this.name = 'SystemError';
    this.code = code;
    this.errno = errno;
    this.syscall = syscall;
  }
}

export interface Nanoseconds {
  readonly seconds: number;
  readonly nanoseconds: number;
}

export interface Libc {
  /** Opens `path` (several names joined by `/`) below `directory`, following no link and never leaving it. */
  openBeneath(directory: number, names: readonly Uint8Array[], flags: number): number;
  openAt(directory: number, name: Uint8Array, flags: number, mode: number): number;
  mkdirAt(directory: number, name: Uint8Array, mode: number): void;
  unlinkAt(directory: number, name: Uint8Array): void;
  symlinkAt(target: Uint8Array, directory: number, name: Uint8Array): void;
  linkAt(fromDirectory: number, from: Uint8Array, toDirectory: number, to: Uint8Array): void;
  mknodAt(directory: number, name: Uint8Array, mode: number, major: number, minor: number): void;
  /** `replace: false`: fails with EEXIST when `to` is there. */
  renameAt(directory: number, from: Uint8Array, to: Uint8Array, replace: boolean): void;
  /** Not of what a link points to. -1: leave. */
  chownAt(directory: number, name: Uint8Array, uid: number, gid: number): void;
  /** Of a link: the link. */
  utimensAt(directory: number, name: Uint8Array, atime: Nanoseconds, mtime: Nanoseconds): void;
  futimens(descriptor: number, atime: Nanoseconds, mtime: Nanoseconds): void;
  fsetxattr(descriptor: number, name: Uint8Array, value: Uint8Array): void;
  /** By path, for what cannot be opened; follows no link at its end. */
  lsetxattr(path: Uint8Array, name: Uint8Array, value: Uint8Array): void;
  /** Everything written to the file system that `descriptor` is on is on stable storage. */
  syncfs(descriptor: number): Promise<void>;
}

function loadKoffi(): Koffi {
  const require = createRequire(import.meta.url);
  const { arch } = process;
  for (const kind of ['linux', 'musl']) {
    try {
      return require(`@koromix/koffi-linux-${arch}/${kind}_${arch}/koffi.node`) as Koffi;
    } catch {
      // not this C library, or another packing: the wrapper finds it
    }
  }
  return require('koffi') as Koffi;
}

const cString = (data: Uint8Array): Uint8Array => {
  const out = new Uint8Array(data.length + 1);
  out.set(data);
  return out;
};

/** struct timespec[2]; time_t is signed. */
function timespecs(atime: Nanoseconds, mtime: Nanoseconds): Uint8Array {
  const out = new BigInt64Array(4);
  out[0] = BigInt(atime.seconds);
  out[1] = BigInt(atime.nanoseconds);
  out[2] = BigInt(mtime.seconds);
  out[3] = BigInt(mtime.nanoseconds);
  return new Uint8Array(out.buffer);
}

/** glibc's gnu_dev_makedev. */
const makeDevice = (major: number, minor: number): bigint => {
  const high = BigInt(major);
  const low = BigInt(minor);
  return ((high & 0xfff_ff000n) << 32n) | ((high & 0xfffn) << 8n) | ((low & 0xffff_ff00n) << 12n) | (low & 0xffn);
};

let loaded: Libc | undefined;

/** The system's C library, loaded at the first call. */
export function libc(): Libc {
  loaded ??= bind(loadKoffi());
  return loaded;
}

/** For kernels before 5.6 and sandboxes: as `libc()`, but never with openat2. */
export const libcWithoutOpenat2 = (): Libc => bind(loadKoffi(), false);

function bind(koffi: Koffi, openat2 = true): Libc {
  const library = koffi.load(null);
  const functions = new Map<string, KoffiFunction>();
  const call = (name: string, prototype: string, ...args: KoffiArgument[]): number => {
    let found = functions.get(name);
    if (found === undefined) {
      found = library.func(prototype);
      functions.set(name, found);
    }
    for (;;) {
      const result = Number(found(...args));
      if (result >= 0) return result;
      const errno = koffi.errno();
      if (errno !== constants.errno.EINTR) throw new SystemError(name, errno);
    }
  };
  return { ...openCalls(call, openat2), ...nameCalls(call), ...attributeCalls(call), ...syncCalls(library) };
}

type Call = (name: string, prototype: string, ...args: KoffiArgument[]) => number;

/** A path below openat2's limit of PATH_MAX. */
const PATH_BYTES_MAX = 4000;

function openCalls(call: Call, withOpenat2: boolean): Pick<Libc, 'openBeneath' | 'openAt'> {
  let hasOpenat2 = withOpenat2;
  const openAt = (directory: number, name: Uint8Array, flags: number, mode: number): number =>
    call(
      'openat',
      'int openat(int fd, const char *name, int flags, uint32_t mode)',
      directory,
      cString(name),
      flags,
      mode,
    );
  const openat2 = (directory: number, path: Uint8Array, flags: number): number => {
    const how = new BigUint64Array(3); // struct open_how
    how[0] = BigInt(flags);
    how[2] = BigInt(RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
    const prototype = 'int64_t syscall(int64_t number, int64_t fd, const void *path, const void *how, int64_t size)';
    return call('openat2', prototype, SYS_OPENAT2, directory, cString(path), new Uint8Array(how.buffer), 24);
  };
  const { O_NOFOLLOW, O_DIRECTORY } = fileConstants;
  /** For kernels before 5.6 and sandboxes that refuse openat2: one name at a time. */
  const descend = (
    directory: number,
    names: readonly Uint8Array[],
    flags: number,
    close: (fd: number) => void,
  ): number => {
    let at = directory;
    for (const [i, name] of names.entries()) {
      const last = i === names.length - 1;
      try {
        const next = openAt(at, name, (last ? flags : O_DIRECTORY | O_CLOEXEC) | O_NOFOLLOW, 0);
        if (at !== directory) close(at);
        at = next;
      } catch (error) {
        if (at !== directory) close(at);
        throw error;
      }
    }
    return at;
  };
  const close = (fd: number): void => void call('close', 'int close(int fd)', fd);
  return {
    openAt,
    openBeneath(directory, names, flags) {
      const length = names.reduce((sum, name) => sum + name.length + 1, 0);
      if (hasOpenat2 && length <= PATH_BYTES_MAX) {
        try {
          return openat2(directory, joinNames(names), flags | O_CLOEXEC);
        } catch (error) {
          const code = error instanceof SystemError ? error.code : '';
          if (code !== 'ENOSYS' && code !== 'EPERM') throw error;
          hasOpenat2 = false;
        }
      }
      return descend(directory, names, flags | O_CLOEXEC, close);
    },
  };
}

/** Node has the architecture's O_DIRECTORY and O_NOFOLLOW; O_CLOEXEC is the same on all it runs on. */
const O_CLOEXEC = 0o2000000;

function joinNames(names: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(names.reduce((sum, name) => sum + name.length + 1, -1));
  let at = 0;
  for (const name of names) {
    if (at > 0) out[at++] = 0x2f;
    out.set(name, at);
    at += name.length;
  }
  return out;
}

type NameCalls = Pick<Libc, 'mkdirAt' | 'unlinkAt' | 'symlinkAt' | 'linkAt' | 'mknodAt' | 'renameAt'>;

function nameCalls(call: Call): NameCalls {
  const unlinkAt = (directory: number, name: Uint8Array): void =>
    void call('unlinkat', 'int unlinkat(int fd, const char *name, int flags)', directory, cString(name), 0);
  const linkAt = (fromDirectory: number, from: Uint8Array, toDirectory: number, to: Uint8Array): void => {
    const prototype = 'int linkat(int fd, const char *name, int fd2, const char *name2, int flags)';
    call('linkat', prototype, fromDirectory, cString(from), toDirectory, cString(to), 0);
  };
  const rename = (directory: number, from: Uint8Array, to: Uint8Array): void => {
    const prototype = 'int renameat(int fd, const char *from, int fd2, const char *to)';
    call('renameat', prototype, directory, cString(from), directory, cString(to));
  };
  return {
    unlinkAt,
    linkAt,
    mkdirAt: (directory, name, mode) =>
      void call('mkdirat', 'int mkdirat(int fd, const char *name, uint32_t mode)', directory, cString(name), mode),
    symlinkAt: (target, directory, name) =>
      void call(
        'symlinkat',
        'int symlinkat(const char *to, int fd, const char *name)',
        cString(target),
        directory,
        cString(name),
      ),
    mknodAt: (directory, name, mode, major, minor) => {
      const prototype = 'int mknodat(int fd, const char *name, uint32_t mode, uint64_t device)';
      call('mknodat', prototype, directory, cString(name), mode, makeDevice(major, minor));
    },
    renameAt(directory, from, to, replace) {
      if (replace) return rename(directory, from, to);
      const number = SYS_RENAMEAT2[process.arch];
      const prototype =
        'int64_t syscall(int64_t number, int64_t fd, const char *from, int64_t fd2, const char *to, int64_t flags)';
      try {
        if (number === undefined) throw new SystemError('renameat2', constants.errno.ENOSYS);
        call('renameat2', prototype, number, directory, cString(from), directory, cString(to), RENAME_NOREPLACE);
      } catch (error) {
        // File systems without RENAME_NOREPLACE: a link never replaces anything either.
        if (!(error instanceof SystemError) || !['EINVAL', 'ENOSYS', 'EOPNOTSUPP'].includes(error.code)) throw error;
        linkAt(directory, from, directory, to);
        unlinkAt(directory, from);
      }
    },
  };
}

type AttributeCalls = Pick<Libc, 'chownAt' | 'utimensAt' | 'futimens' | 'fsetxattr' | 'lsetxattr'>;

function attributeCalls(call: Call): AttributeCalls {
  return {
    chownAt: (directory, name, uid, gid) => {
      const prototype = 'int fchownat(int fd, const char *name, uint32_t uid, uint32_t gid, int flags)';
      call('fchownat', prototype, directory, cString(name), uid >>> 0, gid >>> 0, AT_SYMLINK_NOFOLLOW);
    },
    utimensAt: (directory, name, atime, mtime) => {
      const prototype = 'int utimensat(int fd, const char *name, const void *times, int flags)';
      call('utimensat', prototype, directory, cString(name), timespecs(atime, mtime), AT_SYMLINK_NOFOLLOW);
    },
    futimens: (descriptor, atime, mtime) =>
      void call('futimens', 'int futimens(int fd, const void *times)', descriptor, timespecs(atime, mtime)),
    fsetxattr: (descriptor, name, value) => {
      const prototype = 'int fsetxattr(int fd, const char *name, const void *value, uint64_t size, int flags)';
      call('fsetxattr', prototype, descriptor, cString(name), value, value.length, 0);
    },
    lsetxattr: (path, name, value) => {
      const prototype =
        'int lsetxattr(const char *path, const char *name, const void *value, uint64_t size, int flags)';
      call('lsetxattr', prototype, cString(path), cString(name), value, value.length, 0);
    },
  };
}

function syncCalls(library: ReturnType<Koffi['load']>): Pick<Libc, 'syncfs'> {
  return {
    // The error number is the worker thread's and cannot be had: a failure is EIO, which is what syncfs(2) gives.
    syncfs: (descriptor) =>
      new Promise((resolve, reject) => {
        library.func('int syncfs(int fd)').async(descriptor, (error, result) => {
          if (error !== null && error !== undefined) reject(error);
          else if (result < 0) reject(new SystemError('syncfs', constants.errno.EIO));
          else resolve();
        });
      }),
  };
}
