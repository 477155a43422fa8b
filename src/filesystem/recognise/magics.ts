/** Formats that a magic number at a fixed place tells, and that are only named. As libblkid's superblocks/ has them. */
import { bytesOf } from '../../bytes/layout.ts';
import { bytes, KiB } from '../../bytes/units.ts';
import type { NotWalkable } from '../filesystem.ts';
import { type Look, latin1, peek, textOf, uuidOf } from './peek.ts';

interface Magic {
  readonly type: string;
  readonly at: number;
  readonly magic: string;
  /** Where its id (16 bytes) and its label stand. */
  readonly uuidAt?: number;
  readonly label?: readonly [at: number, length: number];
}

const MAGICS: readonly Magic[] = [
  { type: 'xfs', at: 0, magic: 'XFSB', uuidAt: 32, label: [108, 12] },
  { type: 'BitLocker', at: 3, magic: '-FVE-FS-' },
  { type: 'ReFS', at: 3, magic: 'ReFS\0\0\0\0' },
  { type: 'bcache', at: 4096 + 24, magic: '\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81' },
  { type: 'squashfs', at: 0, magic: 'hsqs' },
  { type: 'erofs', at: 1024, magic: '\xe2\xe1\xf5\xe0', uuidAt: 1024 + 48, label: [1024 + 64, 16] },
  { type: 'f2fs', at: 1024, magic: '\x10\x20\xf5\xf2', uuidAt: 1024 + 108 },
  { type: 'apfs', at: 32, magic: 'NXSB', uuidAt: 72 },
  { type: 'hfsplus', at: 1024, magic: 'H+\0\x04' },
  { type: 'hfsplus', at: 1024, magic: 'HX\0\x05' },
  { type: 'jfs', at: 32 * KiB, magic: 'JFS1', uuidAt: 32 * KiB + 136, label: [32 * KiB + 152, 16] },
  { type: 'iso9660', at: 32 * KiB + 1, magic: 'CD001', label: [32 * KiB + 40, 32] },
  { type: 'reiserfs', at: 64 * KiB + 52, magic: 'ReIsEr', uuidAt: 64 * KiB + 84, label: [64 * KiB + 100, 16] },
];

export async function recogniseMagic(look: Look): Promise<NotWalkable | undefined> {
  for (const { type, at, magic, uuidAt, label } of MAGICS) {
    const view = await peek(look, bytes(at), bytes(magic.length));
    if (view === undefined || latin1(bytesOf(view)) !== magic) continue;
    const uuid = uuidAt === undefined ? undefined : await peek(look, bytes(uuidAt), 16);
    const named = label === undefined ? undefined : await peek(look, bytes(label[0]), bytes(label[1]));
    return {
      identity: {
        type,
        uuid: uuid === undefined ? '' : uuidOf(bytesOf(uuid)),
        label: named === undefined ? '' : textOf(bytesOf(named)).trimEnd(),
        blockSize: bytes(512),
        byteLength: look.volumeBytes,
      },
      reason: `files of ${type} are not indexed`,
    };
  }
  return undefined;
}
