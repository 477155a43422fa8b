/** Images of filesystems that were in use when the machine stopped, and what the kernel makes of them. */
import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { withMount } from '../../../support/mount.ts';
import { fileReadAt, type Image, makeImage } from './images.ts';

export interface DirtyOptions {
  /** Bytes. */
  readonly size: number;
  readonly mke2fs: readonly string[];
  /** Mount options while it works. */
  readonly mount?: string;
  readonly seed: number;
  readonly operations: number;
  /** Operations for fast commits at the end. */
  readonly tail?: number;
  /** New folders in the tail too. */
  readonly folders?: boolean;
}

const script = (name: string): string => join(import.meta.dirname, '../../../support', name);

/** A mounted filesystem at work, copied in the middle of it. Nothing is committed or written back but what the work asks for. */
export function makeDirty(folder: string, options: DirtyOptions): Image {
  const { size, mke2fs, mount = 'defaults', seed, operations, tail = 0, folders = false } = options;
  const live = makeImage(folder, { size, mke2fs });
  const copy = live.path.replace(/\.img$/, '-crashed.img');
  const at = join(folder, 'at-work');
  mkdirSync(at, { recursive: true });
  withMount(live.path, at, `commit=300,${mount}`, () =>
    execFileSync(
      'python3',
      [
        script('crash-workload.py'),
        at,
        `${seed}`,
        `${operations}`,
        live.path,
        copy,
        `${tail}`,
        folders ? 'folders' : '',
      ],
      {
        stdio: ['ignore', 'ignore', 'pipe'],
      },
    ),
  );
  rmSync(live.path);
  return { path: copy, byteLength: size, readAt: fileReadAt(copy) };
}

/** One path as tree-dump.py tells it. */
export interface DumpedRow {
  readonly path: string;
  readonly mode: string;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: string;
  readonly atime?: string;
  readonly xattrs: Readonly<Record<string, string>>;
  readonly links?: number;
  readonly same?: string;
  readonly size?: number;
  readonly device?: readonly number[];
  readonly target?: string;
  readonly sha256?: string;
}

/** The tree of a mounted image. */
export function dumpTree(image: string, folder: string, options = 'ro'): DumpedRow[] {
  const at = join(folder, 'looked-at');
  mkdirSync(at, { recursive: true });
  return withMount(image, at, options, () => dumpFolder(at));
}

export function dumpFolder(folder: string): DumpedRow[] {
  const out = execFileSync('python3', [script('tree-dump.py'), folder], { encoding: 'utf8', maxBuffer: 1 << 28 });
  return out
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as DumpedRow);
}

/** What the kernel shows after its own replay, which a copy is mounted writable for; undefined: it refuses the mount. */
export function kernelTree(image: string, folder: string): DumpedRow[] | undefined {
  const copy = `${image}.replayed`;
  copyFileSync(image, copy);
  const at = join(folder, 'looked-at');
  mkdirSync(at, { recursive: true });
  try {
    if (spawnSync('mount', ['-o', 'loop,noatime', copy, at]).status !== 0) return undefined;
    execFileSync('umount', [at]);
    return dumpTree(copy, folder);
  } finally {
    rmSync(copy);
  }
}
