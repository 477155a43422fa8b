/**
 * A filesystem in pieces of a disk, with the disk's addresses: its walker sees a volume of its own, its readers the disk.
 *
 * An extent that crosses the end of a segment becomes several. Content, names and attributes are not touched.
 */
import { FormatError } from '../bytes/errors.ts';
import type { SegmentMap } from '../bytes/segments.ts';
import { ExtentKind, type Filesystem, type InodeBatch } from './filesystem.ts';

/** `filesystem` lies in the segments of `map`; the answer speaks in addresses of the volume around it. */
export function onSegments(filesystem: Filesystem, map: SegmentMap): Filesystem {
  const { segments } = map;
  if (segments.length === 1 && segments[0].volumeOffset === 0) return filesystem;
  const mapper = new ExtentMapper(map, `${filesystem.identity.type} filesystem`);
  return {
    identity: filesystem.identity,
    rootInode: filesystem.rootInode,
    get inodeEstimate() {
      return filesystem.inodeEstimate;
    },
    get notes() {
      return filesystem.notes;
    },
    get damage() {
      return filesystem.damage ?? [];
    },
    allocated: async (signal) => map.runs(await filesystem.allocated(signal)),
    async *walk(signal) {
      for await (const batch of filesystem.walk(signal)) yield batch.kind === 'inodes' ? mapper.map(batch) : batch;
    },
  };
}

/** Keeps its columns from batch to batch: a batch is good until the next. */
class ExtentMapper {
  readonly #map: SegmentMap;
  readonly #where: string;
  #volumeOffset = new Float64Array(1024);

  constructor(map: SegmentMap, where: string) {
    this.#map = map;
    this.#where = where;
  }

  map(batch: InodeBatch): InodeBatch {
    const count = batch.extentStart[batch.count];
    if (this.#volumeOffset.length < count) this.#volumeOffset = new Float64Array(count * 2);
    const out = this.#volumeOffset;
    const { segments, byteLength } = this.#map;
    for (let i = 0; i < count; i++) {
      const offset = batch.extentVolumeOffset[i];
      const kind = batch.extentKind[i];
      if (kind !== ExtentKind.stored && kind !== ExtentKind.escaped) {
        out[i] = offset;
        continue;
      }
      const end = offset + batch.extentLength[i];
      if (end > byteLength) throw this.#pastTheEnd(offset, end);
      const segment = segments.length === 1 ? 0 : this.#map.segmentAt(offset);
      const from = this.#map.offsetOf(segment);
      if (end > from + segments[segment].byteLength) return this.#split(batch);
      out[i] = segments[segment].volumeOffset + offset - from;
    }
    return { ...batch, extentVolumeOffset: out };
  }

  /** As `map`, when an extent of the batch lies in more than one segment. */
  #split(batch: InodeBatch): InodeBatch {
    const extentStart = new Uint32Array(batch.count + 1);
    const kinds: number[] = [];
    const fileOffsets: number[] = [];
    const lengths: number[] = [];
    const volumeOffsets: number[] = [];
    const add = (kind: number, fileOffset: number, length: number, volumeOffset: number): void => {
      kinds.push(kind);
      fileOffsets.push(fileOffset);
      lengths.push(length);
      volumeOffsets.push(volumeOffset);
    };
    for (let row = 0; row < batch.count; row++) {
      for (let i = batch.extentStart[row]; i < batch.extentStart[row + 1]; i++) {
        const kind = batch.extentKind[i];
        const offset = batch.extentVolumeOffset[i];
        const length = batch.extentLength[i];
        let fileOffset = batch.extentFileOffset[i];
        if (kind !== ExtentKind.stored && kind !== ExtentKind.escaped) {
          add(kind, fileOffset, length, offset);
          continue;
        }
        if (offset + length > this.#map.byteLength) throw this.#pastTheEnd(offset, offset + length);
        for (const { volumeOffset, byteLength } of this.#map.pieces(offset, length)) {
          add(kind, fileOffset, byteLength, volumeOffset);
          fileOffset += byteLength;
        }
      }
      extentStart[row + 1] = kinds.length;
    }
    return {
      ...batch,
      extentStart,
      extentKind: Uint8Array.from(kinds),
      extentFileOffset: Float64Array.from(fileOffsets),
      extentLength: Float64Array.from(lengths),
      extentVolumeOffset: Float64Array.from(volumeOffsets),
    };
  }

  #pastTheEnd(from: number, to: number): FormatError {
    const what = `an extent at bytes ${from} to ${to} ends past its volume of ${this.#map.byteLength} bytes`;
    return new FormatError('corrupt', this.#where, what);
  }
}
