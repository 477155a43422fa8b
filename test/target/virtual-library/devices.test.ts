import { describe, expect, it } from 'vitest';
import { FormatError } from '../../../src/bytes/errors.ts';
import { openChanger } from '../../../src/initiator/changer.ts';
import { openTapeDrive } from '../../../src/initiator/tape-drive.ts';
import { MemoryStore } from '../../../src/storage/memory-store.ts';
import { formatMedium, openMedium } from '../../../src/tape/file-medium.ts';
import type { TapeMedium } from '../../../src/tape/medium.ts';
import type { CartridgeInfo } from '../../../src/target/tape-drive-state.ts';
import { type LibraryOfCartridges, openVirtualDevices } from '../../../src/target/virtual-library/devices.ts';
import { DRIVE, MapLibrary, SLOT } from '../../support/changers.ts';
import { send, takeAttentions } from '../../support/scsi-send.ts';
import { recordOf } from '../../support/tape-model.ts';

/** Cartridges in memory that outlive their media. */
class MemoryLibrary extends MapLibrary implements LibraryOfCartridges {
  readonly id = '0123456789abcdef0123456789abcdef';
  readonly stores = new Map<string, { data: MemoryStore; map: MemoryStore }>();
  open = 0;
  unreadable: string | undefined;
  noSpace = false;

  async openCartridge(address: number): Promise<{ medium: TapeMedium; cartridge: CartridgeInfo }> {
    const barcode = this.held.get(address)?.barcode ?? 'none';
    if (barcode === this.unreadable)
      throw new FormatError('corrupt', `cartridge ${barcode}`, 'map header checksum wrong');
    let stores = this.stores.get(barcode);
    if (stores === undefined) {
      stores = { data: new MemoryStore(), map: new MemoryStore() };
      this.stores.set(barcode, stores);
      await formatMedium({ ...stores, name: barcode }, { capacity: 1e6 });
    }
    const medium = await openMedium({ ...stores, name: barcode, bufferBytes: 65536 });
    this.open++;
    const dispose = medium[Symbol.asyncDispose].bind(medium);
    const flush = medium.flush.bind(medium);
    medium[Symbol.asyncDispose] = async () => {
      this.open--;
      await dispose();
    };
    medium.flush = async () => {
      if (this.noSpace) throw new FormatError('io', barcode, 'ENOSPC: no space left on device');
      await flush();
    };
    return { medium, cartridge: { barcode, serialNumber: barcode.slice(2, 6), manufacturer: 'REELMAP' } };
  }
}

const library = (): MemoryLibrary => new MemoryLibrary(3, ['RM0001L9', 'RM0002L9']);

describe('the devices of a virtual library', () => {
  it('a move into a drive loads the cartridge there, a move out keeps what was written', async () => {
    const shelves = library();
    await using devices = await openVirtualDevices(shelves);
    const changer = await openChanger(devices.changer.forNexus('a'));
    const [first, second] = await Promise.all(devices.drives.map((unit) => openTapeDrive(unit.forNexus('a'))));
    expect([await first.ready(), await second.ready()]).toEqual([false, false]);
    await changer.move(SLOT, DRIVE);
    expect([await first.ready(), await second.ready()]).toEqual([true, false]);
    expect((await first.attributes()).barcode).toBe('RM0001L9');
    await first.write(recordOf(1, 500));
    await changer.move(DRIVE, SLOT + 2);
    expect(await first.ready()).toBe(false);
    await changer.move(SLOT + 2, DRIVE + 1);
    expect(await second.ready()).toBe(true);
    expect(await second.read(new Uint8Array(500))).toEqual({ kind: 'record', length: 500, data: recordOf(1, 500) });
    expect(shelves.open).toBe(1);
  });

  it('cartridges that are in drives are loaded at the start, and let go of at the end', async () => {
    const shelves = library();
    shelves.held.set(DRIVE + 1, { barcode: 'RM0009L9', source: null });
    const devices = await openVirtualDevices(shelves);
    const drive = await openTapeDrive(devices.drives[1].forNexus('a'));
    expect(await drive.ready()).toBe(true);
    expect(shelves.open).toBe(1);
    await devices[Symbol.asyncDispose]();
    expect(shelves.open).toBe(0);
  });

  it('serial numbers and designators stay the same from one process to the next', async () => {
    const identities = async (): Promise<unknown> => {
      await using devices = await openVirtualDevices(library());
      return [devices.changer, ...devices.drives].map(({ designator }) => designator);
    };
    expect(await identities()).toEqual(await identities());
    await using devices = await openVirtualDevices(library());
    expect(devices.drives.map(({ serialNumber }) => serialNumber)).toEqual(['RM01234567D0', 'RM01234567D1']);
    expect(devices.drive(DRIVE + 1)).toBe(devices.drives[1]);
    const changer = await openChanger(devices.changer.forNexus('a'));
    const drives = (await changer.elements()).filter(({ type }) => type === 'drive');
    expect(drives.map(({ drive }) => drive?.designator)).toEqual(devices.drives.map(({ designator }) => designator));
  });

  it('a locked drive keeps its cartridge, and goes on', async () => {
    await using devices = await openVirtualDevices(library());
    const changer = await openChanger(devices.changer.forNexus('a'));
    await changer.move(SLOT, DRIVE);
    const execute = devices.drives[0].forNexus('a');
    await takeAttentions(execute);
    await send(execute, '1e0000000100');
    await expect(changer.move(DRIVE, SLOT)).rejects.toThrow('locked in the drive');
    expect((await send(execute, '000000000000')).status).toBe('good');
    await send(execute, '1e0000000000');
    await changer.move(DRIVE, SLOT);
  });

  it('a move that cannot be does not unload the drive', async () => {
    await using devices = await openVirtualDevices(library());
    const changer = await openChanger(devices.changer.forNexus('a'));
    await changer.move(SLOT, DRIVE);
    const execute = devices.drives[0].forNexus('a');
    await takeAttentions(execute);
    await expect(changer.move(DRIVE, SLOT + 1)).rejects.toThrow('the destination holds a cartridge already');
    expect((await send(execute, '000000000000')).status).toBe('good');
  });

  it('a cartridge that cannot be opened goes back to its slot', async () => {
    const shelves = library();
    shelves.unreadable = 'RM0001L9';
    await using devices = await openVirtualDevices(shelves);
    const changer = await openChanger(devices.changer.forNexus('a'));
    await expect(changer.move(SLOT, DRIVE)).rejects.toThrow('4h');
    expect(shelves.held.get(SLOT)?.barcode).toBe('RM0001L9');
    await changer.move(SLOT + 1, DRIVE);
    expect((await changer.elements()).find(({ address }) => address === DRIVE)?.barcode).toBe('RM0002L9');
  });

  it('when buffered data cannot be saved the move fails once, and the cartridge is loaded as it is', async () => {
    const shelves = library();
    const told: string[] = [];
    await using devices = await openVirtualDevices(shelves, {
      onFailure: (drive, { during }) => told.push(`${drive} ${during}`),
    });
    const changer = await openChanger(devices.changer.forNexus('a'));
    await changer.move(SLOT, DRIVE);
    const drive = await openTapeDrive(devices.drives[0].forNexus('a'));
    await drive.ready();
    await drive.write(recordOf(1, 500));
    shelves.noSpace = true;
    await expect(changer.move(DRIVE, SLOT)).rejects.toThrow('4h');
    shelves.noSpace = false;
    expect(told).toEqual(['drive 0 UNLOAD']);
    expect(await drive.ready()).toBe(true);
    await changer.move(DRIVE, SLOT);
    expect(shelves.open).toBe(0);
  });
});
