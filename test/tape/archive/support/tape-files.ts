/** Tape files made as a backup makes them: header, the volume's bytes, trailer; and given back record by record. */
import { createHash } from 'node:crypto';
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { type Runs, runsOf, totalBytes } from '../../../../src/bytes/extents.ts';
import {
  type ChunkComment,
  type ChunkHeaderSpec,
  chunkHeader,
  chunkMemberName,
  chunkTrailer,
  planDigest,
} from '../../../../src/tape/archive/chunk.ts';
import type { NextRecord } from '../../../../src/tape/archive/record-stream.ts';

export const SET = '1a2b3c4d5e6f708192a3b4c5d6e7f809';
export const SET_TIME = '2026-03-14T02:00:00.000Z';
export const MTIME = Date.parse(SET_TIME) / 1000;

/** Bytes that tell where they belong: no two 512-byte blocks of a volume are alike, none is zero. */
export function volumeBytes(offset: number, length: number): Uint8Array {
  const out = Buffer.alloc(length);
  for (let at = 0; at < length; at++) {
    const place = offset + at;
    const block = Math.floor(place / 512);
    const inBlock = place % 512;
    out[at] = inBlock < 8 ? 1 + ((block >>> (inBlock * 4)) & 15) : 33 + ((block * 7 + inBlock) % 90);
  }
  return out;
}

export interface ChunkInput {
  readonly recordSize: number;
  readonly realSize: number;
  readonly extents: Runs | readonly (readonly [number, number])[];
  readonly comment?: Partial<ChunkComment>;
}

/** A valid specification with defaults for everything that the test does not care about. */
export function chunkSpec(input: ChunkInput): ChunkHeaderSpec {
  const { recordSize, realSize } = input;
  const extents = 'count' in input.extents ? input.extents : runsOf(input.extents);
  const volumeOffset = input.comment?.volumeOffset ?? 0;
  const chunk = input.comment?.chunk ?? 0;
  const comment: ChunkComment = {
    set: SET,
    chunk,
    kind: 'full',
    volumeName: 'home',
    volumeBytes: volumeOffset + realSize,
    volumeOffset,
    planDigest: planDigest({ volumeOffset, byteLength: realSize, recordSize, extents }),
    ...input.comment,
  };
  const memberName = chunkMemberName(comment.volumeName, SET_TIME, comment.set, chunk, volumeOffset);
  return { recordSize, memberName, realSize, extents, comment, mtime: MTIME };
}

/** Writes a chunk's tape file to `path`; answers its SHA-256. */
export function writeChunkFile(path: string, spec: ChunkHeaderSpec, volume = volumeBytes): string {
  const { extents, recordSize } = spec;
  const hash = createHash('sha256');
  const file = openSync(path, 'w');
  const put = (data: Uint8Array): void => {
    hash.update(data);
    writeSync(file, data);
  };
  put(chunkHeader(spec));
  for (let i = 0; i < extents.count; i++) {
    put(volume(spec.comment.volumeOffset + extents.starts[i], extents.lengths[i]));
  }
  const trailer = chunkTrailer(totalBytes(extents), recordSize);
  put(new Uint8Array(trailer.padding + trailer.extraRecords * recordSize));
  closeSync(file);
  return hash.digest('hex');
}

/** Bytes as records. */
export function recordsOf(data: Uint8Array, recordSize: number): NextRecord {
  let at = 0;
  return async () => {
    if (at >= data.length) return undefined;
    const record = data.subarray(at, at + recordSize);
    at += recordSize;
    return record;
  };
}

export const recordsOfFile = (path: string, recordSize: number): NextRecord =>
  recordsOf(readFileSync(path), recordSize);

export async function collect(parts: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const all: Uint8Array[] = [];
  for await (const part of parts) all.push(Buffer.from(part));
  return Buffer.concat(all);
}
