import { describe, expect, it } from 'vitest';
import { FormatError } from '../../src/bytes/errors.ts';
import { fromHex, toHex } from '../../src/bytes/random.ts';
import {
  decodeAttributes,
  encodeAttributeList,
  encodeAttributes,
  readAttributeValues,
} from '../../src/scsi/common/attribute.ts';
import { decodeLun, decodeLunList, encodeLun, encodeLunList, reportLuns } from '../../src/scsi/common/commands.ts';
import { decodeInquiryData, encodeInquiryData, inquiry, inquiryVpd } from '../../src/scsi/common/inquiry.ts';
import {
  decodeLogPage,
  decodeLogParameters,
  encodeLogPage,
  encodeLogParameters,
  logSense,
} from '../../src/scsi/common/log.ts';
import {
  decodeModeParameters,
  encodeModeParameters,
  modePage,
  modeSelect6,
  modeSense6,
  modeSense10,
  splitModePages,
} from '../../src/scsi/common/mode.ts';
import { statusCode, statusOf } from '../../src/scsi/common/status.ts';
import {
  decodeDesignators,
  designatorForCopy,
  designatorKey,
  encodeDesignators,
  naaDesignator,
  sameDesignator,
  t10Designator,
  vpdBody,
  vpdPage,
} from '../../src/scsi/common/vpd.ts';

const hex = (text: string): Uint8Array => fromHex(text.replaceAll(/\s/g, ''));
const ascii = (text: string): string => toHex(new TextEncoder().encode(text));

describe('INQUIRY', () => {
  it('has the CDBs of SPC-4 table 137', () => {
    expect(toHex(inquiry(36))).toBe('120000002400');
    expect(toHex(inquiryVpd(0x83, 252))).toBe('12018300fc00');
  });

  it('reads standard data laid out by SPC-4 table 139', () => {
    const data = hex(
      `01 80 06 12 45 00 01 30 ${ascii('HP      ')} ${ascii('Ultrium 5-SCSI  ')} ${ascii('Z65U')} ${'00'.repeat(22)} 00a0 0960 0000`,
    );
    expect(decodeInquiryData(data)).toEqual({
      peripheralQualifier: 0,
      peripheralDeviceType: 1,
      removable: true,
      thirdPartyCopy: false,
      vendor: 'HP',
      product: 'Ultrium 5-SCSI',
      revision: 'Z65U',
      versionDescriptors: [0x00a0, 0x0960],
    });
  });

  it('writes 3PC at byte 5 bit 3 and texts padded with spaces', () => {
    const data = encodeInquiryData({
      peripheralQualifier: 0,
      peripheralDeviceType: 0,
      removable: false,
      thirdPartyCopy: true,
      vendor: 'AB',
      product: 'C',
      revision: '1',
      versionDescriptors: [0x0460],
    });
    expect(data.length).toBe(74);
    expect(toHex(data.subarray(0, 8))).toBe('0000061245080002');
    expect(toHex(data.subarray(8, 36))).toBe(ascii('AB      C               1   '));
    expect(decodeInquiryData(data).versionDescriptors).toEqual([0x0460]);
  });

  it('throws on a short answer', () => {
    expect(() => decodeInquiryData(new Uint8Array(20))).toThrow(RangeError);
  });
});

describe('VPD pages', () => {
  // By hand from SPC-4 tables 607, 613 and 620: a T10 designator behind an NAA-6 one of 001405h, the OUI of Linux targets.
  const page = hex(`01 03 00 10 60 01 40 5a 1b 2c 3d 4e 5f 60 71 82 93 a4 b5 c6
    02 01 00 0c ${ascii('LIO-ORG disk')}`);

  it('reads and writes designation descriptors', () => {
    const [naa, t10] = decodeDesignators(page);
    expect(naa).toMatchObject({ codeSet: 1, association: 0, type: 3 });
    expect(toHex(naa.value)).toBe('6001405a1b2c3d4e5f60718293a4b5c6');
    expect(t10).toMatchObject({ codeSet: 2, type: 1 });
    expect(toHex(encodeDesignators([naa, t10]))).toBe(toHex(page));
  });

  it('refuses a designator that ends past the page, and another page', () => {
    const damaged = page.slice();
    damaged[3] = 0xff;
    expect(() => decodeDesignators(damaged)).toThrow(FormatError);
    expect(() => decodeDesignators(page.subarray(0, 22))).toThrow(FormatError);
    expect(() => vpdBody(vpdPage(0, 0x80, new Uint8Array(4)), 0x83)).toThrow(/page 80h came instead/);
    expect(() => vpdBody(hex('0083'), 0x83)).toThrow(FormatError);
  });

  it('makes NAA-6 designators that depend on the seed alone', () => {
    const one = naaDesignator('disk 1');
    expect(one.value.length).toBe(16);
    expect(one.value[0] >>> 4).toBe(6);
    expect(one.value[0] & 0x0f).toBe(0x5); // 52h: locally administered
    expect(sameDesignator(one, naaDesignator('disk 1'))).toBe(true);
    expect(designatorKey(one)).not.toBe(designatorKey(naaDesignator('disk 2')));
  });

  it('chooses the NAA designator for copies', () => {
    const naa = naaDesignator('x');
    expect(designatorForCopy([t10Designator('V', 'p'), { ...naa, association: 1 }, naa])).toBe(naa);
    expect(designatorForCopy([t10Designator('V', 'a product that is too long for it')])).toBeUndefined();
  });
});

describe('REPORT LUNS', () => {
  it('codes LUNs as SAM-5 does', () => {
    expect(toHex(reportLuns(4096))).toBe('a00000000000000010000000');
    expect(toHex(encodeLun(5))).toBe('0005000000000000');
    expect(toHex(encodeLun(300))).toBe('412c000000000000');
    for (const lun of [0, 5, 255, 256, 300, 0x3fff]) expect(decodeLun(encodeLun(lun))).toBe(lun);
    expect(decodeLun(hex('c1 01 00 00 00 00 00 00'))).toBeUndefined(); // well known
    expect(() => encodeLun(0x4000)).toThrow(RangeError);
  });

  it('reads as many as came, and refuses a cut header', () => {
    const list = encodeLunList([0, 1, 7]);
    expect(toHex(list.subarray(0, 8))).toBe('0000001800000000');
    expect(decodeLunList(list)).toEqual([0, 1, 7]);
    expect(decodeLunList(list.subarray(0, 20))).toEqual([0]);
    expect(() => decodeLunList(list.subarray(0, 7))).toThrow(FormatError);
  });
});

describe('mode parameters', () => {
  it('has the CDBs that st and tapeinfo send', () => {
    expect(toHex(modeSense6(0, 12))).toBe('1a0000000c00');
    expect(toHex(modeSense10(0x0f, 1024))).toBe('5a000f00000000040000');
    expect(toHex(modeSelect6(12))).toBe('151000000c00');
  });

  it('reads the 12 bytes that st asks for: buffered, density 58h, variable', () => {
    const data = hex('0b 00 10 08 58 00 00 00 00 00 00 00');
    const parameters = decodeModeParameters(data, 6);
    expect(parameters).toMatchObject({
      deviceSpecificParameter: 0x10,
      blockDescriptor: { densityCode: 0x58, numberOfBlocks: 0, blockLength: 0 },
    });
    expect(toHex(encodeModeParameters(parameters, 6))).toBe(toHex(data));
  });

  it('frames pages and subpages', () => {
    const pages = Buffer.concat([modePage(0x0f, new Uint8Array(14)), modePage(0x0a, new Uint8Array(28), 0xf0)]);
    expect(toHex(pages.subarray(16, 20))).toBe('4af0001c');
    expect(splitModePages(pages).map((p) => [p.pageCode, p.subpageCode, p.body.length, p.at])).toEqual([
      [0x0f, 0, 14, 0],
      [0x0a, 0xf0, 28, 16],
    ]);
    const long = encodeModeParameters({ mediumType: 0, deviceSpecificParameter: 0x80, pages }, 10);
    expect(decodeModeParameters(long, 10).pages.length).toBe(pages.length);
    expect(long[1]).toBe(long.length - 2);
    expect(encodeModeParameters({ mediumType: 0, deviceSpecificParameter: 0, pages }, 6, true)[0]).toBe(0);
  });

  it('refuses cut headers, descriptors and pages', () => {
    expect(() => decodeModeParameters(hex('0b 00'), 6)).toThrow(FormatError);
    expect(() => decodeModeParameters(hex('0b 00 10 08 58'), 6)).toThrow(/block descriptors/);
    expect(() => splitModePages(hex('0f 0e 00'))).toThrow(FormatError);
    expect(() => splitModePages(hex('4a f0 00'))).toThrow(FormatError);
  });
});

describe('log pages', () => {
  it('asks for cumulative values and reads a TapeAlert page', () => {
    expect(toHex(logSense(0x2e, 0xfffc))).toBe('4d006e00000000fffc00');
    const data = hex('2e 00 00 0a 00 01 40 01 00 00 02 40 01 01');
    const page = decodeLogPage(data);
    expect(page.pageCode).toBe(0x2e);
    const parameters = decodeLogParameters(page.body);
    expect(parameters.map((p) => [p.code, p.control, p.value[0]])).toEqual([
      [1, 0x40, 0],
      [2, 0x40, 1],
    ]);
    expect(toHex(encodeLogPage({ ...page, body: encodeLogParameters(parameters) }))).toBe(toHex(data));
  });

  it('refuses a parameter that ends past the page, and a cut header', () => {
    expect(() => decodeLogParameters(hex('00 01 40 05 00'))).toThrow(FormatError);
    expect(() => decodeLogPage(hex('2e 00'))).toThrow(FormatError);
  });
});

describe('attributes', () => {
  const barcode = hex(`00000025 0806 01 0020 ${ascii('RM0001L9'.padEnd(32))}`);

  it('asks for values and reads a barcode', () => {
    expect(toHex(readAttributeValues(0, 8192))).toBe('8c000000000000000000000020000000');
    const [attribute] = decodeAttributes(barcode);
    expect(attribute).toMatchObject({ identifier: 0x0806, readOnly: false, format: 1 });
    expect(toHex(encodeAttributes([attribute]))).toBe(toHex(barcode));
    expect(toHex(encodeAttributeList([0x0000, 0x0806]))).toBe('0000000400000806');
  });

  it('keeps whole attributes of a list cut by the allocation length, and refuses a wrong one', () => {
    expect(decodeAttributes(barcode.subarray(0, 20))).toEqual([]);
    const damaged = barcode.slice();
    damaged[8] = 0x40;
    expect(() => decodeAttributes(damaged)).toThrow(FormatError);
    expect(() => decodeAttributes(hex('0000'))).toThrow(FormatError);
  });
});

describe('status codes', () => {
  it('are those of SAM-5', () => {
    expect(['good', 'check-condition', 'busy', 'task-set-full'].map((s) => statusCode(s as 'good'))).toEqual([
      0, 2, 8, 0x28,
    ]);
    expect(statusOf(0x18)).toBe('reservation-conflict');
    expect(statusOf(0x99)).toBeUndefined();
  });
});
