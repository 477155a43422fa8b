/** Blocks that something waits for, read in disk order: a list of requests and one call for each. */
import { FormatError } from '../../bytes/errors.ts';
import type { Bytes } from '../../bytes/units.ts';
import { ascendingOrder, readPieces } from '../ext4/read-pieces.ts';
import type { ReadAt } from '../volume.ts';

/** One read; a FormatError is an answer here. @throws whatever is not */
export async function readOne(
  readAt: ReadAt,
  address: Bytes,
  length: Bytes,
  signal?: AbortSignal,
): Promise<{ readonly view: DataView | undefined; readonly reason: string }> {
  try {
    return { view: await readAt(address, length, signal), reason: '' };
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return { view: undefined, reason: error.what };
  }
}

/** Something that waits for the block at `address`. */
export interface BlockRequest {
  readonly address: Bytes;
}

/**
 * Reads `length` bytes for each request, the nearest first to last on disk, and calls `take` with the view and the byte in
 * it, or with the reason why it cannot be read.
 */
export async function readBlocks<R extends BlockRequest>(
  readAt: ReadAt,
  requests: readonly R[],
  length: Bytes,
  take: (request: R, view: DataView | undefined, at: number, reason: string) => void,
  signal?: AbortSignal,
): Promise<void> {
  const at = Float64Array.from(requests, ({ address }) => address);
  const order = ascendingOrder(at, at.length);
  for await (const piece of readPieces(readAt, { at, count: at.length, length, order }, signal)) {
    for (let i = piece.from; i < piece.to; i++) {
      const request = requests[order[i]];
      take(request, piece.view, request.address - piece.base, piece.reason);
    }
  }
}
