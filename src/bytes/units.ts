/** Units that must not be mixed up, as branded numbers. The only file that converts between them. */

declare const unit: unique symbol;
/** A number of one unit. Exact up to 2^53; readers throw above. */
export type Unit<Name extends string> = number & { readonly [unit]?: Name };

/** A count of bytes, or a byte address. */
export type Bytes = Unit<'bytes'>;
/** Logical block address of a SCSI block device; block size from READ CAPACITY. */
export type Lba = Unit<'lba'>;
/** Block number of a filesystem; block size from its superblock. */
export type FsBlock = Unit<'fs-block'>;
/** Logical object identifier on a tape partition: records and filemarks, counted from 0. SSC-4, "Logical objects". */
export type TapeObject = Unit<'tape-object'>;
/** Logical file identifier on a tape partition: the number of filemarks before it. */
export type TapeFile = Unit<'tape-file'>;

export const KiB = 1024;
export const MiB = 1024 * 1024;
export const GiB = 1024 * 1024 * 1024;

export const bytes = (n: number): Bytes => n as Bytes;
export const lba = (n: number): Lba => n as Lba;
export const fsBlock = (n: number): FsBlock => n as FsBlock;
export const tapeObject = (n: number): TapeObject => n as TapeObject;
export const tapeFile = (n: number): TapeFile => n as TapeFile;

export const fsBlockToBytes = (block: FsBlock, blockSize: Bytes): Bytes => bytes(block * blockSize);
export const lbaToBytes = (address: Lba, blockSize: Bytes): Bytes => bytes(address * blockSize);

/** `n` rounded down to a multiple of `step`. Exact for any n below 2^53. */
export const alignDown = (n: number, step: number): number => n - (n % step);
/** `n` rounded up to a multiple of `step`. */
export const alignUp = (n: number, step: number): number => {
  const over = n % step;
  return over === 0 ? n : n + step - over;
};

/** The value of two 32-bit halves. @throws RangeError above 2^53 */
export function joinU64(high: number, low: number): number {
  const value = high * 0x1_0000_0000 + low;
  if (value > Number.MAX_SAFE_INTEGER) throw new RangeError(`64-bit value ${high}:${low} is above 2^53`);
  return value;
}
