/** The embedded data mover: router, disk units, the drive and the changer of the virtual library, and what their units are. */

import type { BlockStore } from '../bytes/block-store.ts';
import { FormatError } from '../bytes/errors.ts';
import type { Segment } from '../bytes/segments.ts';
import { naaDesignator } from '../scsi/common/vpd.ts';
import type { Execute } from '../scsi/execute.ts';
import { diskUnit } from '../target/disk.ts';
import { CONTROLLER_LUN, Router } from '../target/router.ts';
import type { LibraryOfCartridges } from '../target/virtual-library/devices.ts';
import { openVirtualDevices } from '../target/virtual-library/devices.ts';
import { NEXUS } from './nexus.ts';

export interface DiskToServe {
  readonly store: BlockStore;
  readonly path: string;
  readonly writable: boolean;
  /** The store is these pieces of what is at `path`; missing: all of it. */
  readonly segments?: readonly Segment[];
}

/** The client's ways in. */
export interface MoverUnits {
  readonly controller: Execute;
  readonly changer: Execute;
  readonly drive: Execute;
  readonly disks: readonly Execute[];
}

export interface EmbeddedMover extends AsyncDisposable {
  readonly units: MoverUnits;
}

/** Units over a drive that this process has reserved. */
export async function makeMover(
  view: LibraryOfCartridges,
  driveAddress: number,
  disks: readonly DiskToServe[],
): Promise<EmbeddedMover> {
  const devices = await openVirtualDevices(view);
  const router = new Router({ serialNumber: `${view.id}-${process.pid}` });
  const drive = devices.drive(driveAddress);
  if (drive === undefined) throw new FormatError('io', 'tape library', `no drive at element ${driveAddress}`);
  const lun = (n: number): Execute => router.lun(NEXUS, n);
  const units: MoverUnits = {
    controller: lun(CONTROLLER_LUN),
    changer: lun(router.add(devices.changer)),
    drive: lun(router.add(drive)),
    disks: disks.map(({ store, path, writable }, i) => {
      const serialNumber = `${view.id}-disk-${i}`;
      const designator = naaDesignator(`${serialNumber} ${path}`);
      return lun(router.add(diskUnit(store, { name: path, serialNumber, designator, writable })));
    }),
  };
  return { units, [Symbol.asyncDispose]: () => devices[Symbol.asyncDispose]() };
}
