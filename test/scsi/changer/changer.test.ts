import { describe, expect, it } from 'vitest';
import { FormatError } from '../../../src/bytes/errors.ts';
import { toHex } from '../../../src/bytes/random.ts';
import { MoveMedium, PositionToElement, ReadElementStatus } from '../../../src/scsi/changer/commands.ts';
import {
  decodeElementStatus,
  type ElementStatus,
  elementStatusLength,
  encodeElementStatus,
} from '../../../src/scsi/changer/element-status.ts';
import { DeviceCapabilitiesPage, ElementAddressPage } from '../../../src/scsi/changer/mode-pages.ts';
import { hex } from '../../support/scsi-send.ts';

const golden = (encoded: Uint8Array, expected: string): void =>
  expect(toHex(encoded)).toBe(expected.replaceAll(' ', ''));
const tag = (text: string): string => `${Buffer.from(text.padEnd(32)).toString('hex')} 0000 0000`;

describe('command descriptor blocks', () => {
  it('have their fields where SMC-3 has them', () => {
    golden(
      MoveMedium.encode({ operationCode: 0xa5, transport: 1, source: 0x1001, destination: 0x100 }),
      'a500 0001 1001 0100 0000 00 00',
    );
    golden(
      ReadElementStatus.encode({
        operationCode: 0xb8,
        voltag: true,
        elementType: 2,
        startingElement: 0x1000,
        numberOfElements: 0xffff,
        dvcid: true,
        allocationLength: 0x10000,
      }),
      'b812 1000 ffff 01 010000 00 00',
    );
    golden(
      PositionToElement.encode({ operationCode: 0x2b, transport: 1, destination: 0x101 }),
      '2b00 0001 0101 0000 00 00',
    );
  });
});

describe('mode pages', () => {
  it('have their fields where SMC-3 has them', () => {
    golden(
      ElementAddressPage.encode({
        pageCode: 0x1d,
        pageLength: 0x12,
        firstTransport: 0,
        transports: 1,
        firstSlot: 0x400,
        slots: 40,
        firstMailSlot: 0x300,
        mailSlots: 4,
        firstDrive: 0x100,
        drives: 2,
      }),
      '1d12 0000 0001 0400 0028 0300 0004 0100 0002 0000',
    );
    golden(
      DeviceCapabilitiesPage.encode({
        pageCode: 0x1f,
        pageLength: 0x12,
        storable: 0xe,
        moveFromSlot: 0xe,
        moveFromDrive: 0xe,
      }),
      '1f12 0e 00 00 0e 00 0e 0000000000000000 00000000',
    );
  });
});

// One drive and two slots, laid out by hand from the tables of SMC-3.
const STATUS = `
  0001 0003 00 0000b4
  02 80 0034 00 000068
    0001 09 00 0000 000000 80 0002  ${tag('RM0001L9')} 00000000
    0002 08 00 0000 000000 00 0000  ${'00'.repeat(36)} 00000000
  04 80 003c 00 00003c
    0100 08 00 0000 000000 00 0000  ${'00'.repeat(36)} 02000008 4452563030303031`;

const ELEMENTS: ElementStatus[] = [
  { typeCode: 2, address: 1, full: true, access: true, source: 2, barcode: 'RM0001L9' },
  { typeCode: 2, address: 2, full: false, access: true },
  {
    typeCode: 4,
    address: 0x100,
    full: false,
    access: true,
    device: { codeSet: 2, type: 0, value: new TextEncoder().encode('DRV00001') },
  },
];

describe('element status', () => {
  it('is encoded and decoded as the standard lays it out', () => {
    golden(encodeElementStatus(ELEMENTS, true, true), STATUS.replaceAll(/\s/g, ''));
    expect(decodeElementStatus(hex(STATUS), 'library')).toEqual(ELEMENTS);
    expect(elementStatusLength(hex(STATUS).subarray(0, 8))).toBe(hex(STATUS).length);
  });

  it('without volume tags and identifiers has 16 bytes an element', () => {
    golden(
      encodeElementStatus(ELEMENTS.slice(0, 1), false, false),
      '0001 0001 00 000018 02 00 0010 00 000010 0001 09 00 0000 000000 80 0002 00000000',
    );
    golden(encodeElementStatus([], true, false), '0000 0000 00 000000');
  });

  it('mail slots, exceptions and odd barcodes read back', () => {
    const element: ElementStatus = {
      typeCode: 3,
      address: 0x300,
      full: true,
      access: true,
      importExport: { byOperator: true, exportEnabled: true, importEnabled: false },
      exception: { asc: 0x83, ascq: 1 },
    };
    const bytes = encodeElementStatus([element], true, false);
    expect(decodeElementStatus(bytes, 'library')).toEqual([element]);
    bytes.set([0x1b, 0x41], 28);
    expect(decodeElementStatus(bytes, 'library')[0].barcode).toBe('?A');
  });

  const damaged: [string, (bytes: Uint8Array) => Uint8Array, string][] = [
    ['cut short', (b) => b.subarray(0, 100), 'came'],
    ['less than a header', (b) => b.subarray(0, 7), 'cut short'],
    ['a page longer than the data', (b) => set(b, 15, 0xff), 'ends past the data'],
    ['descriptors shorter than their fields', (b) => set(b, 11, 0x08), 'element descriptors of 8 bytes'],
    ['descriptors of no length', (b) => set(b, 11, 0x00), 'element descriptors of 0 bytes'],
    ['descriptors that do not fill their page', (b) => set(b, 11, 0x35), 'element descriptors of 53 bytes'],
    ['a page header cut short', (b) => set(b, 7, 0x74), 'cut short'],
  ];
  for (const [title, damage, words] of damaged) {
    it(`${title}: refused`, () => {
      const bytes = damage(hex(STATUS));
      expect(() => decodeElementStatus(bytes, 'library')).toThrow(FormatError);
      expect(() => decodeElementStatus(bytes, 'library')).toThrow(words);
    });
  }

  it('an identifier that ends past its descriptor is not believed', () => {
    const bytes = set(hex(STATUS), hex(STATUS).length - 9, 9);
    expect(decodeElementStatus(bytes, 'library')[2].device).toBeUndefined();
  });
});

function set(bytes: Uint8Array, at: number, value: number): Uint8Array {
  bytes[at] = value;
  return bytes;
}
