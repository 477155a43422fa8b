/**
 * Mutations of XFS volumes that no checksum shows: one structure is changed and its checksum made anew. Structures are
 * found by their magic numbers, so a volume of any tool's making will do.
 */
import { crc32c } from '../../../../src/bytes/crc32c.ts';
import type { Draw } from '../../../support/draw.ts';

interface Kind {
  readonly name: string;
  readonly bytes: number;
  /** Byte of the checksum; missing: none. */
  readonly crc?: number;
}

export interface Structure extends Kind {
  readonly at: number;
}

/** By the first word; checksums of the whole structure. */
function kindOf(bytes: Buffer, at: number, sector: number, block: number, inode: number): Kind | undefined {
  const magic = bytes.readUInt32BE(at);
  const blocks: Record<number, readonly [string, number]> = {
    1094857538: ['bnobt', 52],
    1229013555: ['inobt', 52],
    1112359219: ['bmbt', 64],
    1480868403: ['directory block', 4],
    1480868915: ['directory data', 4],
    1481854029: ['symlink', 12],
    1480675917: ['attribute value', 12],
  };
  const sectors: Record<number, readonly [string, number]> = {
    1481003842: ['superblock', 224],
    1480673094: ['AGF', 216],
    1480673097: ['AGI', 312],
  };
  if (magic in sectors) return { name: sectors[magic][0], bytes: sector, crc: sectors[magic][1] };
  if (magic in blocks && at % block === 0) return { name: blocks[magic][0], bytes: block, crc: blocks[magic][1] };
  const da = bytes.readUInt16BE(at + 8);
  if ((da === 0x3bee || da === 0x3ebe) && at % block === 0 && bytes.readUInt16BE(at + 10) === 0) {
    return { name: 'attribute block', bytes: block, crc: 12 };
  }
  if (magic >>> 16 === 0x494e && at % inode === 0 && bytes.readUInt16BE(at + 2) !== 0) {
    return { name: 'inode', bytes: inode, crc: 100 };
  }
  if (magic === 0xfeedbabe) return { name: 'log record', bytes: 512 };
  return undefined;
}

/** All structures of a volume, by kind. */
export function structuresOf(bytes: Buffer): Map<string, Structure[]> {
  const block = bytes.readUInt32BE(4);
  const sector = bytes.readUInt16BE(102);
  const inode = bytes.readUInt16BE(104);
  const found = new Map<string, Structure[]>();
  for (let at = 0; at < bytes.length; at += 512) {
    const kind = kindOf(bytes, at, sector, block, inode);
    if (kind === undefined) continue;
    found.set(kind.name, [...(found.get(kind.name) ?? []), { ...kind, at }]);
  }
  return found;
}

/** A mutation that can be undone. */
export interface Mutation {
  readonly what: string;
  undo(): void;
}

/** Changes a few fields of one structure drawn at random, and makes its checksum fit. */
export function mutate(bytes: Buffer, structures: ReadonlyMap<string, readonly Structure[]>, draw: Draw): Mutation {
  const structure = draw.pick(structures.get(draw.pick([...structures.keys()])) ?? []);
  const end = structure.name === 'log record' ? recordEnd(bytes, structure.at) : structure.at + structure.bytes;
  const saved = Buffer.from(bytes.subarray(structure.at, end));
  const changes = 1 + draw.below(3);
  const at: number[] = [];
  for (let i = 0; i < changes; i++) at.push(change(bytes, structure, end - structure.at, draw));
  seal(bytes, structure, end);
  return {
    what: `${structure.name} at ${structure.at}, bytes ${at.join(', ')}`,
    undo: () => saved.copy(bytes, structure.at),
  };
}

/** Fields near the front matter most: counts, levels, pointers. Returns the byte changed. */
function change(bytes: Buffer, structure: Structure, length: number, draw: Draw): number {
  const from = structure.name === 'log record' ? 512 : 0;
  const room = length - from - 4;
  const near = Math.min(room, structure.name === 'inode' ? 250 : 200);
  const offset = from + (draw.below(3) > 0 ? draw.below(near) : draw.below(room));
  const at = structure.at + offset;
  switch (draw.below(6)) {
    case 0:
      bytes[at] ^= 1 << draw.below(8);
      break;
    case 1:
      bytes[at] = draw.pick([0, 1, 0x7f, 0x80, 0xff]);
      break;
    case 2:
      bytes.writeUInt16BE(draw.pick([0, 1, 0x7fff, 0xffff, draw.below(0x10000)]), at & ~1);
      break;
    case 3:
      bytes.writeUInt32BE(draw.pick([0, 1, 0x7fffffff, 0xffffffff, draw.below(2 ** 32)]), at & ~3);
      break;
    case 4:
      bytes[at] = (bytes[at] + draw.pick([1, 255])) & 0xff;
      break;
    default:
      bytes.copy(bytes, at & ~7, structure.at + (draw.below(room) & ~7), structure.at + (draw.below(room) & ~7) + 8);
  }
  return offset;
}

function seal(bytes: Buffer, structure: Structure, end: number): void {
  if (structure.name === 'log record') sealRecord(bytes, structure.at, end);
  else if (structure.crc !== undefined) {
    bytes.writeUInt32LE(0, structure.at + structure.crc);
    bytes.writeUInt32LE(crc32c(bytes.subarray(structure.at, end)), structure.at + structure.crc);
  }
}

/** Blocks of a record's header: one for each 32 KiB of its writer's buffer. */
const headerBlocks = (bytes: Buffer, at: number): number =>
  Math.min(8, Math.max(1, Math.ceil(bytes.readUInt32BE(at + 320) / 32768)));

function recordEnd(bytes: Buffer, at: number): number {
  const end = at + headerBlocks(bytes, at) * 512 + bytes.readUInt32BE(at + 12);
  return Math.min(bytes.length, Math.max(at + 1024, Math.min(end, at + 300_000)));
}

/** The checksum of a record: header, extended headers, content. See xlog_cksum. */
function sealRecord(bytes: Buffer, at: number, end: number): void {
  const headers = headerBlocks(bytes, at);
  const length = bytes.readUInt32BE(at + 12);
  bytes.writeUInt32LE(0, at + 32);
  let crc = crc32c(bytes.subarray(at, at + 328));
  for (let i = 1; i < Math.min(headers, Math.ceil(length / 32768)); i++) {
    crc = crc32c(bytes.subarray(at + i * 512, at + i * 512 + 260), crc);
  }
  bytes.writeUInt32LE(
    crc32c(bytes.subarray(at + headers * 512, Math.min(end, at + headers * 512 + length)), crc),
    at + 32,
  );
}
