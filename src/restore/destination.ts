/**
 * The folder that a restore writes to, and nothing outside it.
 *
 * Invariants
 * - Every name is a single checked component, used relative to a directory opened below the folder without following any
 *   link. Links inside the folder, old or just restored, are never followed.
 * - Everything but a directory is made under a temporary name in its directory, given its content and attributes, and only
 *   then renamed; without `replace` the rename fails when the name is taken.
 */
import {
  accessSync,
  chmodSync,
  closeSync,
  fchmodSync,
  fchownSync,
  constants as fs,
  lstatSync,
  openSync,
} from 'node:fs';
import { UserError } from '../bytes/errors.ts';
import { makeFolders } from '../storage/make-folders.ts';
import { type HeldLock, isHeld, type LockHolder, tryLock } from '../storage/process-lock.ts';
import { FileType } from '../tape-index/entry.ts';
import type { RestoreJob } from './job.ts';
import { type Libc, libc, type Nanoseconds, SystemError } from './libc.ts';

/** Directories kept open. */
const OPEN_DIRECTORIES_MAX = 64;

const codeOf = (error: unknown): string => String((error as NodeJS.ErrnoException | undefined)?.code ?? '');

/** What the system's codes mean here; the rest by their code. */
const WORDS: Readonly<Record<string, string>> = {
  EEXIST: 'something of that name is there',
  EACCES: 'permission denied',
  EPERM: 'not permitted',
  ENOTSUP: 'the file system there has no such attribute',
  EOPNOTSUPP: 'the file system there has no such attribute',
  ENAMETOOLONG: 'the name is too long for the file system there',
  ELOOP: 'a symbolic link is in the way',
  ENOTDIR: 'something that is no directory is in the way',
  EISDIR: 'a directory is in the way',
  EILSEQ: 'the file system there does not admit the name',
  EINVAL: 'the file system there does not admit it',
  EFBIG: 'too large for the file system there',
  EMLINK: 'too many links for the file system there',
  E2BIG: 'too large for the file system there',
};
export const reasonOf = (error: unknown): string => {
  const code = codeOf(error);
  if (code === '') throw error;
  return WORDS[code] ?? code;
};

/** What file systems without hard links say to link(2). */
const NO_LOCKS = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EINVAL']);

/** Codes that end the whole restore: nothing more can be written. */
const FATAL = new Set(['ENOSPC', 'EDQUOT', 'EROFS', 'EIO', 'EMFILE', 'ENFILE', 'ENOMEM']);

export interface DestinationOptions {
  /** Printable. */
  readonly label: string;
  readonly job: RestoreJob;
  /** Replace files that are there. */
  readonly replace: boolean;
}

/** Ids that a new file has without further ado. */
interface Self {
  readonly uid: number;
  readonly gid: number;
  readonly root: boolean;
}

export class Destination implements AsyncDisposable {
  readonly #label: string;
  readonly #job: RestoreJob;
  readonly #replace: boolean;
  readonly #libc: Libc;
  readonly #root: number;
  readonly #self: Self;
  #lock: HeldLock | undefined;
  /** The folder was made by us. */
  readonly made: boolean;
  /** Node to descriptor, least recently used first. */
  readonly #open = new Map<number, number>();
  /** Entries whose owner could not be set, because we are not root. */
  ownersNotSet = 0;

  constructor(path: Uint8Array, options: DestinationOptions) {
    this.#label = options.label;
    this.#job = options.job;
    this.#replace = options.replace;
    this.#libc = libc();
    this.#self = {
      uid: process.geteuid?.() ?? -1,
      gid: process.getegid?.() ?? -1,
      root: process.geteuid?.() === 0,
    };
    const opened = openFolder(path, options.label);
    this.#root = opened.descriptor;
    this.made = opened.made;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const descriptor of this.#open.values()) closeSync(descriptor);
    this.#open.clear();
    this.unlock();
    closeSync(this.#root);
  }

  /**
   * One restore at a time: two would take each other's temporary names for what they left themselves. A file system without
   * hard links has no locks of this kind, and goes without.
   * @throws UserError naming who restores there
   */
  lock(): void {
    const path = procPath(this.#root, Buffer.from(`${TEMPORARY_PREFIX}lock`)).toString();
    let lock: HeldLock | LockHolder;
    try {
      lock = tryLock(path, 'restore');
    } catch (error) {
      const cause = (error as Error).cause;
      this.fatal(cause);
      if (!NO_LOCKS.has(codeOf(cause))) throw error;
      return;
    }
    if (!isHeld(lock))
      throw new UserError(
        this.#label,
        `process ${lock.pid} restores there since ${lock.since}`,
        'wait for it to end, or name another folder with --to',
      );
    this.#lock = lock;
  }

  /** Nothing more is made here. */
  unlock(): void {
    this.#lock?.[Symbol.dispose]();
    this.#lock = undefined;
  }

  /** Turns a failed call into the end of the restore where going on makes no sense. */
  fatal(error: unknown): void {
    const code = codeOf(error);
    if (!FATAL.has(code)) return;
    const what =
      code === 'ENOSPC' || code === 'EDQUOT'
        ? 'no space left'
        : code === 'EROFS'
          ? 'the file system is read-only'
          : `cannot be written (${code})`;
    const remedy = 'put that right and run the same command again: it goes on where it stopped';
    throw new UserError(this.#label, what, remedy, { cause: error });
  }

  /** The descriptor of a directory node. Good until the next call. @throws SystemError */
  #directory(node: number): number {
    if (node === 0) return this.#root;
    const known = this.#open.get(node);
    if (known !== undefined) {
      this.#open.delete(node);
      this.#open.set(node, known);
      return known;
    }
    // From the nearest open ancestor down, in one call.
    const names: Uint8Array[] = [];
    let at = node;
    while (at !== 0 && !this.#open.has(at)) {
      names.unshift(this.#job.name(at));
      at = this.#job.parent(at);
    }
    const from = at === 0 ? this.#root : (this.#open.get(at) ?? this.#root);
    const descriptor = this.#libc.openBeneath(from, names, fs.O_RDONLY | fs.O_DIRECTORY | fs.O_NOFOLLOW);
    this.#open.set(node, descriptor);
    if (this.#open.size > OPEN_DIRECTORIES_MAX) {
      for (const [oldest, handle] of this.#open) {
        closeSync(handle);
        this.#open.delete(oldest);
        break;
      }
    }
    return descriptor;
  }

  /** `lstat` of a node's place; undefined: nothing is there. */
  stat(node: number): import('node:fs').BigIntStats | undefined {
    try {
      const path = procPath(this.#directory(this.#job.parent(node)), this.#job.name(node));
      return lstatSync(path, { bigint: true, throwIfNoEntry: false });
    } catch (error) {
      if (['ENOENT', 'ENOTDIR', 'ELOOP', 'EACCES', 'ENAMETOOLONG'].includes(codeOf(error))) return undefined;
      throw error;
    }
  }

  /** Makes a directory, or takes the one that is there. Closed to others until its attributes are set. */
  makeDirectory(node: number): void {
    const parent = this.#directory(this.#job.parent(node));
    const name = this.#job.name(node);
    try {
      this.#libc.mkdirAt(parent, name, 0o700);
      return;
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error;
    }
    const there = this.stat(node);
    if (there?.isDirectory()) return;
    if (!this.#replace) throw new SystemError('mkdirat', 20); // ENOTDIR
    this.#libc.unlinkAt(parent, name);
    this.#libc.mkdirAt(parent, name, 0o700);
  }

  /** A new, empty file under the node's temporary name. @returns its descriptor */
  createFile(node: number): number {
    const flags = fs.O_RDWR | fs.O_CREAT | fs.O_EXCL | fs.O_NOFOLLOW | 0o2000000;
    return this.#anew(node, (directory, name) => this.#libc.openAt(directory, name, flags, 0o600));
  }

  /** The file again, after its descriptor was closed. */
  reopenFile(node: number): number {
    const directory = this.#directory(this.#job.parent(node));
    return this.#libc.openAt(directory, this.temporaryName(node), fs.O_RDWR | fs.O_NOFOLLOW | 0o2000000, 0);
  }

  makeSymlink(node: number, target: Uint8Array): void {
    this.#anew(node, (directory, name) => this.#libc.symlinkAt(target, directory, name));
  }

  makeSpecial(node: number): void {
    const { major, minor } = this.#job.device(node) ?? { major: 0, minor: 0 };
    const mode = this.#job.type(node) | 0o600;
    this.#anew(node, (directory, name) => this.#libc.mknodAt(directory, name, mode, major, minor));
  }

  /** A further name of a file that was restored, or was there whole. */
  makeHardLink(node: number, first: number): void {
    const from = this.#job.name(first);
    const source = this.#directory(this.#job.parent(first));
    this.#anew(node, (directory, name) => this.#libc.linkAt(source, from, directory, name), first);
    this.publish(node);
  }

  /** Runs `make` with the node's directory and temporary name; what an earlier, interrupted run left there goes first. */
  #anew<T>(node: number, make: (directory: number, name: Uint8Array) => T, keepOpen?: number): T {
    const directory = this.#directory(this.#job.parent(node));
    // A hard link needs two directories: opening the second must not close the first.
    if (keepOpen !== undefined) this.#directory(this.#job.parent(keepOpen));
    const name = this.temporaryName(node);
    try {
      return make(directory, name);
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error;
      this.#libc.unlinkAt(directory, name);
      return make(directory, name);
    }
  }

  /** `.reelmap-` and what the entry is: the same in every run, so that a later one finds what an earlier one left. */
  temporaryName(node: number): Uint8Array {
    const job = this.#job;
    const further = job.hardLinks.has(node) ? `-${node}` : '';
    return Buffer.from(`${TEMPORARY_PREFIX}${job.filesystem(node)}-${job.inode(node)}${further}`);
  }

  /** Gives the temporary name up, if it is there. */
  discard(node: number): void {
    try {
      this.#libc.unlinkAt(this.#directory(this.#job.parent(node)), this.temporaryName(node));
    } catch {
      // was never made
    }
  }

  /** The temporary name becomes the real one. @throws SystemError EEXIST when the name is taken and nothing is to be replaced */
  publish(node: number): void {
    const directory = this.#directory(this.#job.parent(node));
    const from = this.temporaryName(node);
    try {
      this.#libc.renameAt(directory, from, this.#job.name(node), this.#replace);
      // rename(2) of two names of one inode does nothing and leaves both.
      if (this.#replace && this.#job.hardLinks.has(node)) this.discard(node);
    } catch (error) {
      this.discard(node);
      throw error;
    }
  }

  /** Owner, mode, xattrs, times of an open file or directory, in the order in which none undoes another. */
  setAttributes(node: number, descriptor: number): void {
    const job = this.#job;
    const owned = this.#setOwner(node, (uid, gid) => fchownSync(descriptor, uid >>> 0, gid >>> 0));
    this.#try(node, 'mode', () => fchmodSync(descriptor, this.#modeOf(node, owned)));
    for (const { name, value } of job.xattrs(node))
      this.#tryXattr(node, name, () => this.#libc.fsetxattr(descriptor, name, value));
    this.#try(node, 'times', () => this.#libc.futimens(descriptor, timeOf(job.atime(node)), timeOf(job.mtime(node))));
  }

  /** The same by name, for what cannot be opened: links, devices, pipes, sockets; still under the temporary name. */
  setAttributesByName(node: number): void {
    const job = this.#job;
    const directory = this.#directory(job.parent(node));
    const name = this.temporaryName(node);
    const owned = this.#setOwner(node, (uid, gid) => this.#libc.chownAt(directory, name, uid, gid));
    const path = procPath(directory, name);
    if (job.type(node) !== FileType.symlink) this.#try(node, 'mode', () => this.#chmodSpecial(path, node, owned));
    for (const xattr of job.xattrs(node))
      this.#tryXattr(node, xattr.name, () => this.#libc.lsetxattr(path, xattr.name, xattr.value));
    this.#try(node, 'times', () =>
      this.#libc.utimensAt(directory, name, timeOf(job.atime(node)), timeOf(job.mtime(node))),
    );
  }

  /** By an O_PATH descriptor: between making it and here nobody can have put a link in its place. */
  #chmodSpecial(path: Uint8Array, node: number, owned: boolean): void {
    const descriptor = openSync(Buffer.from(path), O_PATH | fs.O_NOFOLLOW);
    try {
      chmodDescriptor(descriptor, this.#modeOf(node, owned));
    } finally {
      closeSync(descriptor);
    }
  }

  /** Set-user-ID and set-group-ID only go with the right owner. */
  #modeOf(node: number, owned: boolean): number {
    const mode = this.#job.mode(node) & 0o7777;
    if (owned || (mode & 0o6000) === 0 || this.#job.type(node) === FileType.directory) return mode;
    this.#job.problem(node, 'inexact', 'set-user-ID and set-group-ID bits left off: its owner could not be set');
    return mode & 0o1777;
  }

  /** @returns whether the owner is right now. Only root may give files away: others are told once, with a count. */
  #setOwner(node: number, chown: (uid: number, gid: number) => void): boolean {
    const uid = this.#job.uid(node);
    const gid = this.#job.gid(node);
    try {
      chown(uid, gid);
      return true;
    } catch (error) {
      this.fatal(error);
      if (this.#self.root) {
        this.#job.problem(node, 'inexact', `owner ${uid}:${gid} not set: ${reasonOf(error)}`);
        return false;
      }
    }
    this.ownersNotSet++;
    try {
      if (gid !== this.#self.gid) chown(-1, gid);
    } catch (error) {
      this.fatal(error);
    }
    return uid === this.#self.uid && gid === this.#self.gid;
  }

  /** What cannot be set is recorded, and the rest goes on. */
  #try(node: number, what: string, set: () => void): void {
    try {
      set();
    } catch (error) {
      this.fatal(error);
      this.#job.problem(node, 'inexact', `${what} not set: ${reasonOf(error)}`);
    }
  }

  /** setxattr(2) says ENOSPC, too, when a value is larger than the file system there can hold: that is no full disk. */
  #tryXattr(node: number, name: Uint8Array, set: () => void): void {
    try {
      set();
    } catch (error) {
      const full = codeOf(error) === 'ENOSPC';
      if (!full) this.fatal(error);
      const reason = full ? 'no room for it in the file system there' : reasonOf(error);
      this.#job.problem(node, 'inexact', `xattr ${printable(name)} not set: ${reason}`);
    }
  }

  /** Attributes of a directory, when all that is in it is there. */
  finishDirectory(node: number): void {
    this.setAttributes(node, this.#directory(node));
  }

  /** Everything written so far is on stable storage. */
  async sync(): Promise<void> {
    try {
      await this.#libc.syncfs(this.#root);
    } catch (error) {
      this.fatal(error);
      throw error;
    }
  }

  /** For the journal: the folder's descriptor. */
  get descriptor(): number {
    return this.#root;
  }
}

/** Of every temporary name. */
export const TEMPORARY_PREFIX = '.reelmap-';

const O_PATH = 0o10000000;

const timeOf = (time: Nanoseconds): Nanoseconds =>
  time.nanoseconds >= 0 && time.nanoseconds < 1_000_000_000 ? time : { seconds: time.seconds, nanoseconds: 0 };

const printable = (name: Uint8Array): string =>
  Buffer.from(name)
    .toString('latin1')
    .replace(/[^\x21-\x7e]/g, '?');

/** A path that stays in the directory of the descriptor, for calls that Node has. */
export function procPath(directory: number, name: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(`/proc/self/fd/${directory}/`), name]);
}

/** fchmod(2) refuses O_PATH descriptors; chmod(2) through /proc follows to exactly the open inode. */
function chmodDescriptor(descriptor: number, mode: number): void {
  chmodSync(`/proc/self/fd/${descriptor}`, mode);
}

/** Opens the folder that the user named (following links in its path: it is theirs), and makes it when it is not there. */
function openFolder(path: Uint8Array, label: string): { readonly descriptor: number; readonly made: boolean } {
  const folder = Buffer.from(path);
  try {
    const made = makeFolders(folder);
    accessSync(folder, fs.W_OK | fs.X_OK);
    return { descriptor: openSync(folder, fs.O_RDONLY | fs.O_DIRECTORY), made };
  } catch (error) {
    const code = codeOf(error);
    if (code === '') throw error;
    const words: Readonly<Record<string, string>> = {
      ENOTDIR: 'is not a directory',
      ENOENT: 'cannot be made there',
      EACCES: 'permission denied',
      EROFS: 'the file system is read-only',
      ENOSPC: 'no space left',
    };
    throw new UserError(label, words[code] ?? code, 'name a folder that can be written with --to', { cause: error });
  }
}
