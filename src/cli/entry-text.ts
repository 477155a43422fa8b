/** Entries of the index for people (as `ls -l`) and for programs. */
import type { FilesystemRecord } from '../bytes/manifest.ts';
import { FileType, fileTypeOf, type IndexEntry, type Timestamp } from '../tape-index/entry.ts';
import { jsonBytes, quote, safeText } from './quoting.ts';

const TYPE_WORDS: Readonly<Record<number, readonly [letter: string, word: string]>> = {
  [FileType.fifo]: ['p', 'fifo'],
  [FileType.characterDevice]: ['c', 'character-device'],
  [FileType.directory]: ['d', 'directory'],
  [FileType.blockDevice]: ['b', 'block-device'],
  [FileType.regular]: ['-', 'file'],
  [FileType.symlink]: ['l', 'symlink'],
  [FileType.socket]: ['s', 'socket'],
};

export const typeWord = (entry: IndexEntry): string => TYPE_WORDS[fileTypeOf(entry.mode)]?.[1] ?? 'unknown';

/** `drwxr-sr-t`. */
export function modeText(mode: number): string {
  const letter = TYPE_WORDS[fileTypeOf(mode)]?.[0] ?? '?';
  const triple = (shift: number, special: boolean, sign: string): string => {
    const x = ((mode >> shift) & 1) === 1;
    const last = special ? (x ? sign : sign.toUpperCase()) : x ? 'x' : '-';
    return `${(mode >> (shift + 2)) & 1 ? 'r' : '-'}${(mode >> (shift + 1)) & 1 ? 'w' : '-'}${last}`;
  };
  const special = (bit: number): boolean => (mode & bit) !== 0;
  return letter + triple(6, special(0o4000), 's') + triple(3, special(0o2000), 's') + triple(0, special(0o1000), 't');
}

/** `2026-03-14T12:30:00.123456789Z`. Beyond the calendar of JavaScript: seconds since 1970. */
export function timeText({ seconds, nanoseconds }: Timestamp): string {
  const date = new Date(seconds * 1000);
  if (Number.isNaN(date.getTime())) return `@${seconds}.${String(nanoseconds).padStart(9, '0')}`;
  return date.toISOString().replace(/\.\d{3}Z$/, `.${String(nanoseconds).padStart(9, '0')}Z`);
}

/** What a symbolic link points to, if it is one and the index has it. */
export function targetOf(entry: IndexEntry): Uint8Array | undefined {
  if (fileTypeOf(entry.mode) !== FileType.symlink) return undefined;
  return entry.extents.find((extent) => extent.kind === 'literal')?.literal;
}

/** A line as `ls -l` has it, times in UTC to the second. */
export function longLine(entry: IndexEntry, name: Uint8Array): string {
  const size = entry.device === null ? String(entry.size) : `${entry.device.major}, ${entry.device.minor}`;
  const time = timeText(entry.mtime).replace(/\.\d+Z$/, 'Z');
  const target = targetOf(entry);
  const columns = [
    modeText(entry.mode),
    String(entry.linkCount).padStart(3),
    String(entry.uid).padStart(6),
    String(entry.gid).padStart(6),
    size.padStart(12),
    time,
    quote(name),
  ];
  return `${columns.join(' ')}${target === undefined ? '' : ` -> ${quote(target)}`}${entry.problems.length > 0 ? ' (!)' : ''}`;
}

/** For --json. */
export function entryJson(entry: IndexEntry): Readonly<Record<string, unknown>> {
  const target = targetOf(entry);
  return {
    type: typeWord(entry),
    mode: `0${(entry.mode & 0o7777).toString(8)}`,
    size: entry.size,
    uid: entry.uid,
    gid: entry.gid,
    links: entry.linkCount,
    inode: entry.inode,
    filesystem: entry.filesystem,
    atime: timeText(entry.atime),
    mtime: timeText(entry.mtime),
    ctime: timeText(entry.ctime),
    ...(entry.device === null ? {} : { device: entry.device }),
    ...(target === undefined ? {} : jsonBytes('target', target)),
    ...(entry.problems.length === 0 ? {} : { problems: entry.problems }),
  };
}

/** A filesystem as people know it: type, label, id. */
export function filesystemText({ type, label, uuid }: FilesystemRecord): string {
  const words = [safeText(type)];
  if (label !== '') words.push(`"${safeText(label)}"`);
  if (uuid !== '') words.push(safeText(uuid));
  return words.join(' ');
}

/** The filesystem whose root directory an entry is, in a set of several. */
export const filesystemAt = (
  filesystems: readonly FilesystemRecord[],
  { filesystem, inode }: IndexEntry,
): FilesystemRecord | undefined =>
  filesystems.find((one) => one.path !== undefined && one.number === filesystem && one.rootInode === inode);

/** For --json: which filesystem of the set it is. */
export const filesystemJson = ({ number, path, type, uuid, label, reason }: FilesystemRecord) => ({
  number,
  path: path ?? '/',
  type,
  uuid,
  label,
  reason,
});
