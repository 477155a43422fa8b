// Tape drive units over cartridges in memory.
import { naaDesignator } from '../../src/scsi/common/vpd.ts';
import type { Execute } from '../../src/scsi/execute.ts';
import type { TapeMedium } from '../../src/tape/medium.ts';
import { TapeDriveUnit } from '../../src/target/tape-drive.ts';
import { memoryMedium } from '../../src/target/virtual-library/memory-cartridge.ts';
import type { DriveUnderTest } from '../conformance/tape-drive.ts';

export const CARTRIDGE = { barcode: 'RM0001L9', serialNumber: '0001', manufacturer: 'REELMAP' };

export const emptyDrive = (): TapeDriveUnit =>
  new TapeDriveUnit({ name: 'drive 0', serialNumber: 'DRV0', designator: naaDesignator('test drive') });

export interface TestDrive extends AsyncDisposable {
  readonly unit: TapeDriveUnit;
  readonly medium: TapeMedium;
  readonly execute: Execute;
}

/** A drive with a cartridge, blank unless given; `execute` is nexus `a`. */
export async function loadedDrive(options: DriveUnderTest = {}, given?: TapeMedium): Promise<TestDrive> {
  const { writeProtected, ...blank } = options;
  const medium = given ?? (await memoryMedium({ ...blank, ...(writeProtected && { writable: false }) }));
  const unit = emptyDrive();
  await unit.load(medium, CARTRIDGE);
  return {
    unit,
    medium,
    execute: unit.forNexus('a'),
    async [Symbol.asyncDispose]() {
      await unit.unload().catch(() => undefined);
      await Promise.resolve(medium[Symbol.asyncDispose]()).catch(() => undefined);
    },
  };
}
