// A router over memory disks and tape drives, as the built-in mover is one, and shorthand for copy lists.
import { type CopyManager, openCopyManager } from '../../src/initiator/copy-manager.ts';
import { naaDesignator } from '../../src/scsi/common/vpd.ts';
import type { Cscd, Segment } from '../../src/scsi/copy/list.ts';
import type { Execute, ScsiCommand, ScsiResult } from '../../src/scsi/execute.ts';
import { MemoryStore } from '../../src/storage/memory-store.ts';
import type { TapeMedium } from '../../src/tape/medium.ts';
import type { CopyManagerOptions } from '../../src/target/copy/manager.ts';
import { diskUnit } from '../../src/target/disk.ts';
import type { LogicalUnit } from '../../src/target/logical-unit.ts';
import { Router } from '../../src/target/router.ts';
import { TapeDriveUnit } from '../../src/target/tape-drive.ts';
import { memoryMedium } from '../../src/target/virtual-library/memory-cartridge.ts';
import { CARTRIDGE } from './drives.ts';

export interface MoverOptions extends CopyManagerOptions {
  /** Contents of the disks. */
  readonly disks: readonly Uint8Array[];
  readonly tapes?: readonly { readonly capacity?: number; readonly earlyWarningZone?: number }[];
  readonly blockLength?: number;
  /** Replaces a unit by a wrapper of it: faults. */
  readonly wrap?: (unit: LogicalUnit, name: string) => LogicalUnit;
}

export interface Mover {
  readonly router: Router;
  readonly stores: readonly MemoryStore[];
  readonly media: readonly TapeMedium[];
  /** Units of disks, then of tapes: LUN 1 and up. */
  readonly units: readonly LogicalUnit[];
  /** LUN as nexus `a` sees it. */
  lun(number: number): Execute;
  copyManager(lun?: number): Promise<CopyManager>;
}

export async function mover(options: MoverOptions): Promise<Mover> {
  const router = new Router({ serialNumber: 'TEST', copyManager: options });
  const wrap = options.wrap ?? ((unit: LogicalUnit) => unit);
  const stores = options.disks.map((content) => new MemoryStore({ content }));
  const media: TapeMedium[] = [];
  const units: LogicalUnit[] = [];
  for (const [i, store] of stores.entries()) {
    const blockLength = options.blockLength ?? 512;
    const about = { name: `disk ${i}`, serialNumber: `D${i}`, designator: naaDesignator(`disk ${i}`), blockLength };
    units.push(wrap(diskUnit(store, about), `disk ${i}`));
  }
  for (const [i, { capacity = 64 * 2 ** 20, ...rest }] of (options.tapes ?? [{}]).entries()) {
    const medium = await memoryMedium({ capacity, ...rest });
    const about = { name: `tape ${i}`, serialNumber: `T${i}`, designator: naaDesignator(`tape ${i}`) };
    const unit = new TapeDriveUnit(about);
    await unit.load(medium, CARTRIDGE);
    media.push(medium);
    units.push(wrap(unit, `tape ${i}`));
  }
  for (const unit of units) router.add(unit);
  return {
    router,
    stores,
    media,
    units,
    lun: (number) => router.lun('a', number),
    copyManager: (lun = 0) => openCopyManager(router.lun('a', lun)),
  };
}

export const disk = (n: number, more: { blockLength?: number; pad?: boolean } = {}): Cscd => ({
  kind: 'block',
  designator: naaDesignator(`disk ${n}`),
  blockLength: more.blockLength ?? 0,
  pad: more.pad ?? false,
});
export const tape = (n: number, more: { fixed?: number; pad?: boolean } = {}): Cscd => ({
  kind: 'stream',
  designator: naaDesignator(`tape ${n}`),
  fixedBlockLength: more.fixed ?? 0,
  pad: more.pad ?? false,
});
export const list = (
  cscds: readonly Cscd[],
  segments: readonly Segment[],
  inlineData: Uint8Array = new Uint8Array(0),
) => ({
  listId: 1,
  cscds,
  segments,
  inlineData,
});

/** Everything on a medium from its beginning: records, and `null` for filemarks. */
export async function tapeObjects(medium: TapeMedium): Promise<(Uint8Array | null)[]> {
  const out: (Uint8Array | null)[] = [];
  const into = new Uint8Array(1 << 20);
  await medium.locate(0);
  for (;;) {
    const read = await medium.read(into);
    if (read.kind === 'end-of-data') return out;
    if (read.kind === 'damaged') throw new Error(`damaged record: ${read.reason}`);
    out.push(read.kind === 'filemark' ? null : read.data.slice());
  }
}

export async function putObjects(medium: TapeMedium, objects: readonly (Uint8Array | null)[]): Promise<void> {
  for (const object of objects) {
    if (object === null) await medium.writeFilemarks(1);
    else await medium.append(object);
  }
  await medium.locate(0);
}

/** A unit that asks `fault` before (`undefined`: go on) and after each command of the copy manager. */
export function faulty(
  unit: LogicalUnit,
  fault: {
    readonly before?: (command: ScsiCommand) => ScsiResult | undefined;
    readonly after?: (command: ScsiCommand, result: ScsiResult) => ScsiResult;
  },
): LogicalUnit {
  return {
    peripheralDeviceType: unit.peripheralDeviceType,
    designator: unit.designator,
    name: unit.name,
    forNexus(nexus, additions) {
      const execute = unit.forNexus(nexus, additions);
      if (nexus !== 'copy-manager') return execute;
      return async (command, signal) => {
        const instead = fault.before?.(command);
        if (instead !== undefined) return instead;
        const result = await execute(command, signal);
        return fault.after?.(command, result) ?? result;
      };
    },
  };
}

/** Bytes that tell where they are from. */
export function patterned(byteLength: number, seed: number): Uint8Array {
  const out = new Uint8Array(byteLength);
  let state = (seed * 2654435761 + 12345) >>> 0;
  for (let i = 0; i < byteLength; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    out[i] = state >>> 24;
  }
  return out;
}
