// Text, negotiation, names and CHAP, by RFC 7143's rules and by values that other programs made.
import { describe, expect, it } from 'vitest';
import { fromHex, toHex } from '../../src/bytes/random.ts';
import { chapResponse, chooseAlgorithm } from '../../src/iscsi/chap.ts';
import { isIscsiName, portalText } from '../../src/iscsi/names.ts';
import { Negotiation } from '../../src/iscsi/parameters.ts';
import { TARGET_OFFER } from '../../src/iscsi/target/limits.ts';
import { binaryOf, decodePairs, encodePairs, numberOf } from '../../src/iscsi/text.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describe('text', () => {
  it('is pairs, each ended by a zero byte', () => {
    const text = encodePairs([
      ['InitiatorName', 'iqn.1993-08.org.debian:01:a'],
      ['AuthMethod', 'CHAP,None'],
    ]);
    expect(Buffer.from(text).toString('latin1')).toBe(
      'InitiatorName=iqn.1993-08.org.debian:01:a\0AuthMethod=CHAP,None\0',
    );
    expect([...decodePairs(text)]).toEqual([
      ['InitiatorName', 'iqn.1993-08.org.debian:01:a'],
      ['AuthMethod', 'CHAP,None'],
    ]);
    expect(decodePairs(bytes('A=x=y\0')).get('A')).toBe('x=y');
  });

  it.each([
    'no pair\0',
    '=x\0',
    'A=1\0A=2\0',
    `${'K'.repeat(64)}=1\0`,
    `K=${'v'.repeat(8193)}\0`,
    'a b=1\0',
  ])('that is none is refused: %#', (text) => {
    expect(() => decodePairs(bytes(text))).toThrow(/iSCSI text/);
  });

  it('numbers are decimal or hexadecimal, and nothing else', () => {
    expect(['0', '8192', '0x2000', '007', '-1', '1.5', '', '0x', '99999999999999999'].map(numberOf)).toEqual([
      0,
      8192,
      8192,
      undefined,
      undefined,
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
  });

  it('large binary values are hexadecimal or base64, and bounded', () => {
    expect(toHex(binaryOf('0x0aFF', 4) ?? new Uint8Array(0))).toBe('0aff');
    expect(toHex(binaryOf('0xaff', 4) ?? new Uint8Array(0))).toBe('0aff');
    expect(toHex(binaryOf('0bCv8=', 4) ?? new Uint8Array(0))).toBe('0aff');
    expect([binaryOf('0x0102030405', 4), binaryOf('12', 4), binaryOf('0xzz', 4)]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });
});

describe('names', () => {
  it('are iqn, eui or naa', () => {
    const right = [
      'iqn.2001-04.com.example:storage:disk2',
      'iqn.1991-05.com.microsoft:HOST',
      'eui.02004567A425678D',
      'naa.52004567BA64678D',
    ];
    expect(right.map(isIscsiName)).toEqual([true, true, true, true]);
    const wrong = [
      '',
      'disk',
      'iqn.2001',
      'eui.12',
      'iqn.2001-04.com.example:a b',
      `iqn.2001-04.com.example:${'a'.repeat(210)}`,
    ];
    expect(wrong.map(isIscsiName)).toEqual(wrong.map(() => false));
  });

  it('portals are addresses as initiators can use them', () => {
    expect(portalText('::ffff:10.0.0.1', 3260)).toBe('10.0.0.1:3260');
    expect(portalText('fe80::1%eth0', 3260)).toBe('[fe80::1]:3260');
  });
});

describe('CHAP', () => {
  it('responses are those of RFC 1994, as Python makes them', () => {
    // hashlib.md5(bytes([1]) + b'secretsecret' + bytes(range(16))).hexdigest(), and sha256
    const challenge = fromHex('000102030405060708090a0b0c0d0e0f');
    expect(toHex(chapResponse('5', 1, bytes('secretsecret'), challenge))).toBe(MD5);
    expect(toHex(chapResponse('7', 1, bytes('secretsecret'), challenge))).toBe(SHA256);
  });

  it('takes the first algorithm of the list that it knows', () => {
    expect([chooseAlgorithm('8,7,5'), chooseAlgorithm('5'), chooseAlgorithm('1,2')]).toEqual(['7', '5', undefined]);
    expect(chooseAlgorithm('constructor')).toBeUndefined();
  });
});

const MD5 = '226dc576c33f04ff9c3a200ffe35f442';
const SHA256 = '024aef34e176668b34ec2bf7f5525e3bf7f0e94d7cec77cb07d08c3d5a8e23ca';

describe('negotiation', () => {
  const answer = (key: string, value: string): string | undefined =>
    new Map(new Negotiation(TARGET_OFFER).answers(new Map([[key, value]]))).get(key);

  it.each([
    ['MaxBurstLength', '262144', '262144'],
    ['MaxBurstLength', '16777215', '16776704'],
    ['FirstBurstLength', '65536', '65536'],
    ['InitialR2T', 'No', 'No'],
    ['InitialR2T', 'Yes', 'Yes'],
    ['ImmediateData', 'No', 'No'],
    ['ErrorRecoveryLevel', '2', '0'],
    ['MaxConnections', '8', '1'],
    ['DataPDUInOrder', 'No', 'Yes'],
    ['DefaultTime2Wait', '5', '5'],
    ['HeaderDigest', 'None,CRC32C', 'None'],
    ['HeaderDigest', 'CRC32C,None', 'CRC32C'],
    ['DataDigest', 'SHA1', 'Reject'],
    ['MaxBurstLength', '17', 'Reject'],
    ['InitialR2T', 'Maybe', 'Reject'],
    ['IFMarker', 'Yes', 'No'],
    ['OFMarkInt', '2048~8192', 'Irrelevant'],
    ['X-com.example.feature', 'Yes', 'NotUnderstood'],
    ['constructor', 'Yes', 'NotUnderstood'],
  ])('%s=%s is answered %s', (key, value, expected) => {
    expect(answer(key, value)).toBe(expected);
  });

  it('declares what this side takes once, and remembers what the other side takes', () => {
    const negotiation = new Negotiation(TARGET_OFFER);
    const first = new Map(negotiation.answers(new Map([['MaxRecvDataSegmentLength', '4096']])));
    expect([...first]).toEqual([['MaxRecvDataSegmentLength', '262144']]);
    expect(negotiation.answers(new Map([['ImmediateData', 'Yes']])).map(([key]) => key)).toEqual(['ImmediateData']);
    expect(negotiation.parameters.maxSendDataSegmentLength).toBe(4096);
  });

  it('both ends come to the same parameters', () => {
    const [client, target] = [new Negotiation(TARGET_OFFER), new Negotiation(TARGET_OFFER)];
    const answers = target.answers(new Map(client.offers()));
    expect(client.take(new Map(answers))).toBeUndefined();
    expect(client.parameters).toEqual(target.parameters);
    expect(new Negotiation(TARGET_OFFER).take(new Map([['InitialR2T', 'Perhaps']]))).toBe('InitialR2T');
  });
});
