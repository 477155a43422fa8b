/** PERSISTENT RESERVE IN and OUT: commands and parameter data. SPC-4, 6.15, 6.16. */
import { big64be, bit, bits, layout, u8, u16be, u32be, viewOf } from '../../bytes/layout.ts';

/** SPC-4, table 218. */
export const PersistentReserveIn = layout(10, {
  operationCode: u8(0), // 5Eh
  serviceAction: bits(1, 4, 0),
  allocationLength: u16be(7),
  control: u8(9),
});
export const ReserveIn = { readKeys: 0, readReservation: 1, reportCapabilities: 2, readFullStatus: 3 } as const;

/** SPC-4, table 230. */
export const PersistentReserveOut = layout(10, {
  operationCode: u8(0), // 5Fh
  serviceAction: bits(1, 4, 0),
  scope: bits(2, 7, 4),
  type: bits(2, 3, 0),
  parameterListLength: u32be(5),
  control: u8(9),
});
/** SPC-4, table 231. */
export const ReserveOut = {
  register: 0,
  reserve: 1,
  release: 2,
  clear: 3,
  preempt: 4,
  preemptAndAbort: 5,
  registerAndIgnoreExistingKey: 6,
  registerAndMove: 7,
} as const;
/** SPC-4, table 233. */
export const ReserveOutList = layout(24, {
  reservationKey: big64be(0),
  serviceActionReservationKey: big64be(8),
  specIPt: bit(20, 3),
  allTgPt: bit(20, 2),
  aptpl: bit(20, 0),
});

/** SPC-4, table 225. */
export const ReservationType = {
  writeExclusive: 1,
  exclusiveAccess: 3,
  writeExclusiveRegistrantsOnly: 5,
  exclusiveAccessRegistrantsOnly: 6,
  writeExclusiveAllRegistrants: 7,
  exclusiveAccessAllRegistrants: 8,
} as const;
/** The one scope that is left: the logical unit. */
export const LOGICAL_UNIT_SCOPE = 0;

export const isReservationType = (type: number): boolean => Object.values<number>(ReservationType).includes(type);
/** All registrants hold it. */
export const isAllRegistrants = (type: number): boolean => type >= ReservationType.writeExclusiveAllRegistrants;
/** Registrants may do what its holder may. */
export const admitsRegistrants = (type: number): boolean => type >= ReservationType.writeExclusiveRegistrantsOnly;
/** Reading is for everyone. */
export const isWriteExclusive = (type: number): boolean =>
  type === ReservationType.writeExclusive ||
  type === ReservationType.writeExclusiveRegistrantsOnly ||
  type === ReservationType.writeExclusiveAllRegistrants;

const Header = layout(8, { generation: u32be(0), additionalLength: u32be(4) });

/** READ KEYS. SPC-4, table 221. */
export function encodeKeys(generation: number, keys: readonly bigint[]): Uint8Array {
  const out = new Uint8Array(8 + 8 * keys.length);
  const view = viewOf(out);
  Header.write(view, 0, { generation, additionalLength: 8 * keys.length });
  for (const [i, key] of keys.entries()) view.setBigUint64(8 + 8 * i, key);
  return out;
}

const ReservationDescriptor = layout(16, { key: big64be(0), scope: bits(13, 7, 4), type: bits(13, 3, 0) });

/** READ RESERVATION. SPC-4, tables 222 and 223. The key of an all-registrants reservation is 0. */
export function encodeReservation(
  generation: number,
  reservation: { readonly key: bigint; readonly type: number } | undefined,
): Uint8Array {
  if (reservation === undefined) return Header.encode({ generation });
  const out = new Uint8Array(24);
  Header.write(viewOf(out), 0, { generation, additionalLength: 16 });
  ReservationDescriptor.write(viewOf(out), 8, { ...reservation, scope: LOGICAL_UNIT_SCOPE });
  return out;
}

/** REPORT CAPABILITIES: all types, nothing that outlives a loss of power. SPC-4, table 226. */
export function encodeReservationCapabilities(): Uint8Array {
  return Capabilities.encode({ length: 8, tmv: true, typeMask: 0xea01 });
}
const Capabilities = layout(8, {
  length: u16be(0),
  crh: bit(2, 4),
  sipC: bit(2, 3),
  atpC: bit(2, 2),
  ptplC: bit(2, 0),
  tmv: bit(3, 7), // the type mask counts
  ptplA: bit(3, 0),
  typeMask: u16be(4),
});

const FullStatusDescriptor = layout(24, {
  key: big64be(0),
  allTgPt: bit(12, 1),
  rHolder: bit(12, 0),
  scope: bits(13, 7, 4),
  type: bits(13, 3, 0),
  relativeTargetPortIdentifier: u16be(18),
  additionalDescriptorLength: u32be(20),
});

export interface RegistrantStatus {
  readonly key: bigint;
  readonly holder: boolean;
  /** 0 where it is no holder. */
  readonly type: number;
  /** `iqn....,i,0x00023d000000`. */
  readonly initiatorPort: string;
}

/** READ FULL STATUS. SPC-4, tables 228 and 229. */
export function encodeFullStatus(generation: number, registrants: readonly RegistrantStatus[]): Uint8Array {
  const parts = registrants.map(({ key, holder, type, initiatorPort }) => {
    const transportId = iscsiTransportId(initiatorPort);
    const descriptor = FullStatusDescriptor.encode({
      key,
      rHolder: holder,
      type,
      relativeTargetPortIdentifier: 1,
      additionalDescriptorLength: transportId.length,
    });
    return Buffer.concat([descriptor, transportId]);
  });
  const body = Buffer.concat(parts);
  return Buffer.concat([Header.encode({ generation, additionalLength: body.length }), body]);
}

/** TransportID of an iSCSI initiator port, format 01b. SPC-4, 7.6.4.6: padded with zeros to a multiple of 4, 24 bytes or more. */
function iscsiTransportId(initiatorPort: string): Uint8Array {
  const name = new TextEncoder().encode(initiatorPort);
  const length = Math.max(20, Math.ceil((name.length + 1) / 4) * 4);
  const out = new Uint8Array(4 + length);
  out[0] = 0x45; // format 01b, protocol 5h
  viewOf(out).setUint16(2, length);
  out.set(name, 4);
  return out;
}
