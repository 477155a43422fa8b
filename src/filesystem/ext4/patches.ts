/** What fast commits make of files and directories beyond their inodes: the walk takes these for what is on the disk. */
import type { FileExtent } from './journal/fast-commits.ts';

export interface Patches {
  /** All extents of a file, ascending. */
  readonly extents: ReadonlyMap<number, readonly FileExtent[]>;
  /** All names of a directory, bytes as latin1, with the inodes that they name. */
  readonly names: ReadonlyMap<number, ReadonlyMap<string, number>>;
}
