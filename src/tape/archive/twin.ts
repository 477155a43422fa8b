/**
 * The text twin of the index, `files-NNNNNN.tsv.gz`: one line per name, for people, for restore.py, and for any script.
 * index-format/FORMAT.md, "Text twin".
 *
 *     path  type  size  mode  uid  gid  mtime  filesystem  inode  extents        (separated by tabs)
 *     /etc/motd  f  286  0644  0  0  1700000000.000000000  0  1312  0+286@1048576
 */
import { MiB } from '../../bytes/units.ts';

/** Longest text of one part before compression. */
export const TWIN_PART_BYTES_MAX = 16 * MiB;
/** A writer that has this much is to be emptied. */
export const TWIN_PART_BYTES = 4 * MiB;

/** A line's columns before the extents. All numbers, so that no object is made per file. */
export type TwinStart = (
  path: Uint8Array,
  mode: number,
  size: number,
  uid: number,
  gid: number,
  mtimeSeconds: number,
  mtimeNanoseconds: number,
  filesystem: number,
  inode: number,
) => void;

/** First line of every part. */
export const TWIN_HEADER = '#path\ttype\tsize\tmode\tuid\tgid\tmtime\tfilesystem\tinode\textents\n';

/** File types as `find -printf %y` names them, by the four bits of st_mode. */
const TYPES = '?pc?d?b?f?l?s???';

/** Writes lines into one buffer that grows by doubling. Order of calls: start, extents or device, end. */
export class TwinWriter {
  #out: Buffer = Buffer.allocUnsafe(1 * MiB);
  #at = 0;
  #separator = '';

  /** Bytes of lines not taken yet. */
  get byteLength(): number {
    return this.#at;
  }

  /**
   * Begins a line.
   * @param path from the filesystem's root, with a leading slash, bytes as they are; control characters and `\` are escaped here
   * @param mode st_mode
   */
  readonly start: TwinStart = (path, mode, size, uid, gid, mtimeSeconds, mtimeNanoseconds, filesystem, inode) => {
    if (this.#at === 0) this.#text(TWIN_HEADER);
    this.#path(path);
    const permissions = (mode & 0o7777).toString(8).padStart(4, '0');
    const time = `${mtimeSeconds}.${String(mtimeNanoseconds).padStart(9, '0')}`;
    this.#text(
      `\t${TYPES[(mode >>> 12) & 15]}\t${size}\t${permissions}\t${uid}\t${gid}\t${time}\t${filesystem}\t${inode}\t`,
    );
    this.#separator = '';
  };

  /** Bytes of the file that are bytes of the volume. `escaped`: an escaped copy in a journal. */
  stored(fileOffset: number, length: number, volumeOffset: number, escaped = false): void {
    this.#text(`${this.#separator}${fileOffset}+${length}${escaped ? '!' : '@'}${volumeOffset}`);
    this.#separator = ' ';
  }
  /** Bytes of the file that read as zeros. */
  zero(fileOffset: number, length: number): void {
    this.#text(`${this.#separator}${fileOffset}+${length}-`);
    this.#separator = ' ';
  }
  /** Bytes of the file, or a symbolic link's target. */
  literal(fileOffset: number, data: Uint8Array): void {
    const text = Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('base64');
    this.#text(`${this.#separator}${fileOffset}+${data.length}=${text}`);
    this.#separator = ' ';
  }
  /** In place of extents, for device nodes. */
  device(major: number, minor: number): void {
    this.#text(`${major}:${minor}`);
  }

  end(): void {
    this.#text('\n');
  }

  /** The lines so far, as a part; the writer is empty after it. */
  take(): Uint8Array {
    const part = Uint8Array.prototype.slice.call(this.#out, 0, this.#at);
    this.#at = 0;
    return part;
  }

  #text(text: string): void {
    this.#room(text.length);
    this.#at += this.#out.write(text, this.#at, 'latin1');
  }

  /** Escapes are a backslash and three octal digits, as in /proc/mounts: `printf %b` undoes them. */
  #path(path: Uint8Array): void {
    this.#room(path.length * 4);
    const out = this.#out;
    let at = this.#at;
    for (let i = 0; i < path.length; i++) {
      const byte = path[i];
      if (byte > 0x1f && byte !== 0x5c && byte !== 0x7f) {
        out[at++] = byte;
        continue;
      }
      out[at++] = 0x5c;
      out[at++] = 0x30 + (byte >>> 6);
      out[at++] = 0x30 + ((byte >>> 3) & 7);
      out[at++] = 0x30 + (byte & 7);
    }
    this.#at = at;
  }

  #room(length: number): void {
    if (this.#at + length <= this.#out.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#out.length * 2, this.#at + length));
    this.#out.copy(larger, 0, 0, this.#at);
    this.#out = larger;
  }
}
