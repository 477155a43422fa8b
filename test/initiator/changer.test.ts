import { describe, expect, it } from 'vitest';
import { openChanger } from '../../src/initiator/changer.ts';
import { ScsiError } from '../../src/initiator/scsi-error.ts';
import { illegalRequest } from '../../src/scsi/common/sense.ts';
import { naaDesignator } from '../../src/scsi/common/vpd.ts';
import { cutsData, failsWith, operation, withFaults } from '../../src/scsi/wrap/faults.ts';
import { changerOver, DRIVE, MAIL_SLOT, MapLibrary, SLOT, TRANSPORT } from '../support/changers.ts';
import { emptyDrive } from '../support/drives.ts';

const READ_ELEMENT_STATUS = 0xb8;

describe('openChanger', () => {
  it('tells who it is and what is where, drives by their designators', async () => {
    const changer = await openChanger(changerOver(new MapLibrary(2, ['RM0001L9'])).forNexus('a'));
    expect([changer.vendor, changer.product, changer.serialNumber]).toEqual(['REELMAP', 'VIRTUAL-LIBRARY', 'CHG0']);
    const empty = { full: false, barcode: null, source: null };
    expect(await changer.elements()).toEqual([
      { type: 'transport', address: TRANSPORT, ...empty },
      { type: 'slot', address: SLOT, full: true, barcode: 'RM0001L9', source: null },
      { type: 'slot', address: SLOT + 1, ...empty },
      { type: 'mail-slot', address: MAIL_SLOT, ...empty },
      { type: 'drive', address: DRIVE, ...empty, drive: { designator: naaDesignator('drive 0') } },
      { type: 'drive', address: DRIVE + 1, ...empty, drive: { designator: naaDesignator('drive 1') } },
    ]);
  });

  it('moves a cartridge and remembers where it came from', async () => {
    const changer = await openChanger(changerOver(new MapLibrary(2, ['RM0001L9'])).forNexus('a'));
    await changer.move(SLOT, DRIVE);
    const drive = (await changer.elements()).find(({ address }) => address === DRIVE);
    expect(drive).toMatchObject({ full: true, barcode: 'RM0001L9', source: SLOT });
  });

  it('reads a library whose status does not fit the first answer', async () => {
    const library = new MapLibrary(
      1200,
      Array.from({ length: 1000 }, (_, i) => `RM${i}L9`),
    );
    const changer = await openChanger(changerOver(library).forNexus('a'));
    const slots = (await changer.elements()).filter(({ type }) => type === 'slot');
    expect(slots.map(({ barcode }) => barcode)).toEqual(
      Array.from({ length: 1200 }, (_, i) => (i < 1000 ? `RM${i}L9` : null)),
    );
  });

  it('says in plain words why a move was refused', async () => {
    const library = new MapLibrary(2, ['RM0001L9']);
    const changer = await openChanger(changerOver(library).forNexus('a'));
    await expect(changer.move(SLOT + 1, DRIVE)).rejects.toThrow(
      'REELMAP VIRTUAL-LIBRARY CHG0: MOVE MEDIUM from 4097 to 256: there is no cartridge at the source',
    );
    await expect(changer.move(9, DRIVE)).rejects.toThrow('the library has no such element');
    await changer.move(SLOT, DRIVE);
    library.locked = true;
    await expect(changer.move(DRIVE, SLOT)).rejects.toThrow('locked in the drive by another program');
    await expect(changer.move(DRIVE, SLOT)).rejects.toBeInstanceOf(ScsiError);
  });

  it('does without drive identification where the library refuses it', async () => {
    const execute = changerOver(new MapLibrary(2, ['RM0001L9'])).forNexus('a');
    const withoutDvcid = withFaults(execute, [
      {
        matches: ({ cdb }) => cdb[0] === READ_ELEMENT_STATUS && (cdb[6] & 1) === 1,
        occurrence: 'every',
        action: failsWith(illegalRequest(0x24, 0)),
      },
    ]);
    const elements = await (await openChanger(withoutDvcid)).elements();
    expect(elements.filter(({ type }) => type === 'drive').map(({ drive }) => drive)).toEqual([undefined, undefined]);
  });

  it('refuses cut and senseless answers', async () => {
    for (const length of [0, 7, 40]) {
      const execute = withFaults(changerOver(new MapLibrary(2, [])).forNexus('a'), [
        { matches: operation(READ_ELEMENT_STATUS), occurrence: 'every', action: cutsData(length) },
      ]);
      const changer = await openChanger(execute);
      await expect(changer.elements()).rejects.toMatchObject({ name: 'FormatError', kind: 'corrupt' });
    }
    await expect(openChanger(emptyDrive().forNexus('a'))).rejects.toThrow('device type 1 is no medium changer');
  });
});
