/** Text of `files-NNNNNN.tsv.gz`, put together by hand from the format description: lines of columns, and gzip parts of it. */
import { gzipSync } from 'node:zlib';

export interface TwinLine {
  /** Escaped as the format says; characters 80h to FFh are bytes. */
  readonly path: string;
  readonly type: string;
  readonly size: number;
  readonly extents?: string;
  readonly mode?: string;
  readonly mtime?: string;
  readonly inode?: number;
}

export function twinText(lines: readonly TwinLine[], filesystem = 0): Buffer {
  const head = `#reelmap files.tsv 1\tfilesystem ${filesystem}\n#path\ttype\tsize\textents\tmode\tuid\tgid\tmtime\tinode\n`;
  const body = lines.map(
    ({ path, type, size, extents = '', mode = '0644', mtime = '1600000000.250000000', inode = 12 }) =>
      [path, type, size, extents, mode, 0, 0, mtime, inode].join('\t'),
  );
  return Buffer.from(`${head}${body.map((line) => `${line}\n`).join('')}`, 'latin1');
}

/** The text in gzip parts of at most `partBytes`, lines cut wherever a part ends. */
export function twinParts(text: Uint8Array, partBytes = 100): Uint8Array[] {
  const parts: Uint8Array[] = [];
  for (let at = 0; at < text.length; at += partBytes) parts.push(gzipSync(text.subarray(at, at + partBytes)));
  return parts;
}
