/**
 * A direct access block device over a BlockStore. SBC-4.
 *
 * The capacity is that of the store when the unit is made, rounded up to whole blocks: the part of the last block that
 * the store does not have reads as zeros, and zeros written there are dropped, so that a file keeps its odd size.
 */
import type { BlockStore } from '../bytes/block-store.ts';
import { type Bytes, MiB } from '../bytes/units.ts';
import { BlockCharacteristicsPage, BlockLimitsPage, ProvisioningPage } from '../scsi/block/commands.ts';
import { VersionDescriptor } from '../scsi/common/inquiry.ts';
import { DeviceType } from '../scsi/common/operation-codes.ts';
import { VpdPage } from '../scsi/common/vpd.ts';
import type { Designator } from '../scsi/copy/list.ts';
import { diskAccess, diskCommands, diskSupported } from './disk/commands.ts';
import { UNMAP_BLOCKS_MAX, UNMAP_RANGES_MAX } from './disk/provisioning.ts';
import { type AtomicWrites, DISK_TRANSFER_BYTES_MAX, type Disk } from './disk/state.ts';
import { Turns } from './disk/turns.ts';
import { atomicGranularity } from './disk/writing.ts';
import { DeviceServer, type VpdBodies } from './logical-unit.ts';

export { DISK_TRANSFER_BYTES_MAX } from './disk/state.ts';

export interface DiskOptions {
  readonly name: string;
  readonly serialNumber: string;
  readonly designator: Designator;
  /** 512 (default) or 4096. */
  readonly blockLength?: Bytes;
  /** Default: as the store. */
  readonly writable?: boolean;
  /** Makes WRITE ATOMIC work; without it the unit does not have that command. */
  readonly atomic?: AtomicWrites;
}

const OPTIMAL_TRANSFER_BYTES: Bytes = 4 * MiB;
/** Blocks of one COMPARE AND WRITE: its length is a byte. */
const COMPARE_AND_WRITE_BLOCKS_MAX = 255;

/** A disk unit over `store`, which stays the caller's to close. */
export function diskUnit(store: BlockStore, options: DiskOptions): DeviceServer {
  const blockLength = options.blockLength ?? 512;
  const disk: Disk = {
    store,
    blockLength,
    blocks: Math.ceil(store.byteLength / blockLength),
    writable: options.writable ?? store.writable,
    byteLength: store.byteLength,
    atomic: options.atomic,
    turns: new Turns(),
    softwareWriteProtect: false,
  };
  const identity = {
    peripheralDeviceType: DeviceType.disk,
    name: options.name,
    vendor: 'REELMAP',
    product: 'DISK',
    revision: '0001',
    serialNumber: options.serialNumber,
    designator: options.designator,
    removable: false,
    versionDescriptors: [VersionDescriptor.sbc3],
  };
  const server: DeviceServer = new DeviceServer(identity, {
    commands: diskCommands(disk, (nexus) => server.raise(0x2a, 0x01, nexus)),
    supported: diskSupported(disk),
    access: diskAccess,
    vpdPages: pagesOf(disk),
    reset: () => {
      disk.softwareWriteProtect = false;
    },
  });
  return server;
}

function pagesOf(disk: Disk): VpdBodies {
  const { blockLength, atomic, writable } = disk;
  const granularity = atomicGranularity(blockLength);
  return {
    [VpdPage.blockLimits]: () =>
      BlockLimitsPage.encode({
        maximumCompareAndWriteLength: COMPARE_AND_WRITE_BLOCKS_MAX,
        optimalTransferLengthGranularity: Math.max(1, 4096 / blockLength),
        maximumTransferLength: DISK_TRANSFER_BYTES_MAX / blockLength,
        optimalTransferLength: OPTIMAL_TRANSFER_BYTES / blockLength,
        maximumUnmapLbaCount: writable ? UNMAP_BLOCKS_MAX : 0,
        maximumUnmapBlockDescriptorCount: writable ? UNMAP_RANGES_MAX : 0,
        optimalUnmapGranularity: Math.max(1, 4096 / blockLength),
        maximumWriteSameLength: 0, // no limit
        ...(atomic && {
          maximumAtomicTransferLength: Math.floor(atomic.byteLengthMax / blockLength),
          atomicAlignment: granularity,
          atomicTransferLengthGranularity: granularity,
        }),
      }),
    [VpdPage.blockCharacteristics]: () => BlockCharacteristicsPage.encode({ mediumRotationRate: 1 }),
    [VpdPage.logicalBlockProvisioning]: () =>
      ProvisioningPage.encode({
        lbpu: writable,
        lbpws: writable,
        lbpws10: writable,
        provisioningType: writable ? 2 : 0,
      }),
  };
}
