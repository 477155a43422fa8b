/** Tape Data Encryption security protocol, 20h: its pages. SSC-4, 8.5. */
import { FormatError } from '../../bytes/errors.ts';
import { bit, bits, layout, u8, u16be, u32be, u64be, viewOf } from '../../bytes/layout.ts';

/** Pages of SECURITY PROTOCOL IN. SSC-4, table 165. */
export const EncryptionInPage = {
  inSupport: 0x0000,
  outSupport: 0x0001,
  capabilities: 0x0010,
  keyFormats: 0x0011,
  managementCapabilities: 0x0012,
  status: 0x0020,
  nextBlockStatus: 0x0021,
} as const;
/** Pages of SECURITY PROTOCOL OUT. SSC-4, table 191. */
export const EncryptionOutPage = { setDataEncryption: 0x0010 } as const;

/** SCOPE. SSC-4, table 193. */
export const EncryptionScope = { public: 0, local: 1, allNexuses: 2 } as const;
export const EncryptionMode = { disable: 0, external: 1, encrypt: 2 } as const;
export const DecryptionMode = { disable: 0, raw: 1, decrypt: 2, mixed: 3 } as const;
/** Kinds of key-associated data. SSC-4, table 200. */
export const KadType = { unauthenticated: 0, authenticated: 1, nonce: 2, metadata: 3 } as const;

/** Algorithm index of AES-256-GCM, the one there is. */
export const ALGORITHM_AES_256_GCM = 1;
/** SECURITY ALGORITHM CODE of AES-256 in Galois/counter mode with a tag of 16 bytes. SPC-4, table 598. */
const AES_256_GCM_CODE = 0x0001_0014;
export const KEY_BYTES = 32;
/** What LTO drives take. */
export const UNAUTHENTICATED_KAD_MAX = 32;
export const AUTHENTICATED_KAD_MAX = 60;

function page(code: number, body: Uint8Array): Uint8Array {
  const out = new Uint8Array(4 + body.length);
  const view = viewOf(out);
  view.setUint16(0, code);
  view.setUint16(2, body.length);
  out.set(body, 4);
  return out;
}

/** In Support and Out Support pages. */
export function encodePageList(code: number, pages: readonly number[]): Uint8Array {
  const body = new Uint8Array(2 * pages.length);
  for (const [i, one] of pages.entries()) viewOf(body).setUint16(2 * i, one);
  return page(code, body);
}

/** Data encryption algorithm descriptor. SSC-4, table 172. */
const AlgorithmDescriptor = layout(24, {
  algorithmIndex: u8(0),
  descriptorLength: u16be(2), // 14h
  macC: bit(4, 5), // blocks carry an authentication tag
  dedC: bit(4, 4), // tells encrypted blocks from others
  decryptC: bits(4, 3, 2), // 2: by the drive
  encryptC: bits(4, 1, 0),
  nonceC: bits(5, 5, 4), // 1: the drive makes it
  ukadf: bit(5, 1), // unauthenticated KAD of fixed length
  akadf: bit(5, 0),
  maximumUnauthenticatedKad: u16be(6),
  maximumAuthenticatedKad: u16be(8),
  keyLength: u16be(10),
  securityAlgorithmCode: u32be(20),
});

export function encodeEncryptionCapabilities(): Uint8Array {
  const descriptor = AlgorithmDescriptor.encode({
    algorithmIndex: ALGORITHM_AES_256_GCM,
    descriptorLength: 0x14,
    macC: true,
    dedC: true,
    decryptC: 2,
    encryptC: 2,
    nonceC: 1,
    maximumUnauthenticatedKad: UNAUTHENTICATED_KAD_MAX,
    maximumAuthenticatedKad: AUTHENTICATED_KAD_MAX,
    keyLength: KEY_BYTES,
    securityAlgorithmCode: AES_256_GCM_CODE,
  });
  return page(EncryptionInPage.capabilities, Buffer.concat([new Uint8Array(16), descriptor]));
}

/** Plain-text keys. */
export const encodeKeyFormats = (): Uint8Array => page(EncryptionInPage.keyFormats, Uint8Array.of(0));

const ManagementCapabilities = layout(12, {
  ckodC: bit(1, 2), // a key can be cleared when the volume is taken out
  aitnC: bit(3, 2), // scopes
  localC: bit(3, 1),
  publicC: bit(3, 0),
});
export const encodeManagementCapabilities = (): Uint8Array =>
  page(
    EncryptionInPage.managementCapabilities,
    ManagementCapabilities.encode({ ckodC: true, aitnC: true, localC: true, publicC: true }),
  );

export interface KeyAssociatedData {
  readonly type: number;
  /** 0: nothing is known of it; 1 not authenticated, 2 authenticated. SSC-4, table 201. */
  readonly authenticated?: number;
  readonly value: Uint8Array;
}

const KadDescriptor = layout(4, { type: u8(0), authenticated: bits(1, 2, 0), length: u16be(2) });

function encodeKad(list: readonly KeyAssociatedData[]): Uint8Array {
  return Buffer.concat(
    list.flatMap(({ type, authenticated = 0, value }) => [
      KadDescriptor.encode({ type, authenticated, length: value.length }),
      value,
    ]),
  );
}

/** What a nexus' blocks go through. */
export interface EncryptionParameters {
  readonly scope: number;
  readonly encryptionMode: number;
  readonly decryptionMode: number;
  readonly key: Uint8Array;
  readonly kad: readonly KeyAssociatedData[];
  /** CKOD: the key goes with the volume. */
  readonly clearOnDemount: boolean;
}

const StatusBody = layout(20, {
  itNexusScope: bits(0, 7, 5),
  keyScope: bits(0, 2, 0),
  encryptionMode: u8(1),
  decryptionMode: u8(2),
  algorithmIndex: u8(3),
  keyInstanceCounter: u32be(4),
  parametersControl: bits(8, 6, 4), // 1: by SECURITY PROTOCOL OUT of any nexus
  vcelb: bit(8, 3), // the volume has encrypted blocks
});

/** Data Encryption Status page. SSC-4, table 181. */
export function encodeEncryptionStatus(
  parameters: EncryptionParameters | undefined,
  keyInstanceCounter: number,
): Uint8Array {
  const on = parameters !== undefined;
  const body = StatusBody.encode({
    itNexusScope: parameters?.scope ?? EncryptionScope.public,
    keyScope: parameters?.scope ?? EncryptionScope.public,
    encryptionMode: parameters?.encryptionMode ?? EncryptionMode.disable,
    decryptionMode: parameters?.decryptionMode ?? DecryptionMode.disable,
    algorithmIndex: on ? ALGORITHM_AES_256_GCM : 0,
    keyInstanceCounter,
    parametersControl: 1,
  });
  return page(EncryptionInPage.status, Buffer.concat([body, encodeKad(parameters?.kad ?? [])]));
}

/** ENCRYPTION STATUS of the next block. SSC-4, table 185. */
export const BlockEncryption = {
  noBlock: 2,
  notEncrypted: 3,
  unknownAlgorithm: 4,
  readable: 5,
  otherKey: 6,
} as const;

const NextBlockBody = layout(12, {
  logicalObjectNumber: u64be(0),
  encryptionStatus: bits(8, 3, 0),
  algorithmIndex: u8(9),
});

/** Next Block Encryption Status page. SSC-4, table 183. */
export function encodeNextBlockStatus(
  logicalObjectNumber: number,
  encryptionStatus: number,
  kad: readonly KeyAssociatedData[],
): Uint8Array {
  const encrypted = encryptionStatus === BlockEncryption.readable || encryptionStatus === BlockEncryption.otherKey;
  const algorithmIndex = encrypted ? ALGORITHM_AES_256_GCM : 0;
  const body = NextBlockBody.encode({ logicalObjectNumber, encryptionStatus, algorithmIndex });
  return page(EncryptionInPage.nextBlockStatus, Buffer.concat([body, encodeKad(kad)]));
}

/** Set Data Encryption page, up to the key. SSC-4, table 192. */
export const SetDataEncryption = layout(20, {
  pageCode: u16be(0), // 0010h
  pageLength: u16be(2),
  scope: bits(4, 7, 5),
  lock: bit(4, 0),
  ceem: bits(5, 7, 6),
  rdmc: bits(5, 5, 4),
  sdk: bit(5, 3),
  ckod: bit(5, 2),
  ckorp: bit(5, 1),
  ckorl: bit(5, 0),
  encryptionMode: u8(6),
  decryptionMode: u8(7),
  algorithmIndex: u8(8),
  keyFormat: u8(9),
  kadFormat: u8(10),
  keyLength: u16be(18),
});

/** Key-associated data descriptors behind the key. @throws FormatError when one ends past the list */
export function decodeKad(data: Uint8Array): KeyAssociatedData[] {
  const out: KeyAssociatedData[] = [];
  const view = viewOf(data);
  for (let at = 0; at < data.length; ) {
    const end = at + 4 <= data.length ? at + 4 + KadDescriptor.length.get(view, at) : data.length + 1;
    if (end > data.length)
      throw new FormatError('corrupt', 'key-associated data', `descriptor at ${at} ends past the list`);
    out.push({ type: KadDescriptor.type.get(view, at), value: data.slice(at + 4, end) });
    at = end;
  }
  return out;
}
