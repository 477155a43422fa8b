/** Mode pages of a medium changer, each with its two-byte page header. SMC-3, 7.3. */
import { bit, bits, layout, u8, u16be } from '../../bytes/layout.ts';

export const ChangerPage = { elementAddresses: 0x1d, transportGeometry: 0x1e, deviceCapabilities: 0x1f } as const;

/** Element Address Assignment page. SMC-3, 7.3.4. */
export const ElementAddressPage = layout(20, {
  ps: bit(0, 7),
  pageCode: bits(0, 5, 0),
  pageLength: u8(1), // 12h
  firstTransport: u16be(2),
  transports: u16be(4),
  firstSlot: u16be(6),
  slots: u16be(8),
  firstMailSlot: u16be(10),
  mailSlots: u16be(12),
  firstDrive: u16be(14),
  drives: u16be(16),
});

/** Transport Geometry page for one transport. SMC-3, 7.3.5. */
export const TransportGeometryPage = layout(4, {
  ps: bit(0, 7),
  pageCode: bits(0, 5, 0),
  pageLength: u8(1), // 02h
  rotate: bit(2, 0),
  memberNumber: u8(3),
});

/** Bits of a row of the move matrix, and of the storable types. SMC-3, 7.3.3. */
export const ElementBit = { transport: 1, slot: 2, mailSlot: 4, drive: 8 } as const;

/** Device Capabilities page. SMC-3, 7.3.3. `mask` values are ElementBit sums. */
export const DeviceCapabilitiesPage = layout(20, {
  ps: bit(0, 7),
  pageCode: bits(0, 5, 0),
  pageLength: u8(1), // 12h
  storable: bits(2, 3, 0), // elements that may keep a cartridge
  moveFromTransport: bits(4, 3, 0),
  moveFromSlot: bits(5, 3, 0),
  moveFromMailSlot: bits(6, 3, 0),
  moveFromDrive: bits(7, 3, 0),
  exchangeFromTransport: bits(12, 3, 0),
  exchangeFromSlot: bits(13, 3, 0),
  exchangeFromMailSlot: bits(14, 3, 0),
  exchangeFromDrive: bits(15, 3, 0),
});
