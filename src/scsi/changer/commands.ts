/** Command descriptor blocks of a medium changer. SMC-3, clause 6. Bits 7-5 of byte 1 may carry an old LUN and are ignored. */
import { bit, bits, layout, u8, u16be, u24be } from '../../bytes/layout.ts';

export const ChangerOp = {
  initializeElementStatus: 0x07,
  positionToElement: 0x2b,
  initializeElementStatusWithRange: 0x37,
  moveMedium: 0xa5,
  readElementStatus: 0xb8,
  initializeElementStatusWithRangeVendor: 0xe7,
} as const;

/** INITIALIZE ELEMENT STATUS. SMC-3, 6.3. */
export const InitializeElementStatus = layout(6, { operationCode: u8(0), control: u8(5) });

/** INITIALIZE ELEMENT STATUS WITH RANGE. SMC-3, 6.4. */
export const InitializeElementStatusWithRange = layout(10, {
  operationCode: u8(0),
  fast: bit(1, 1),
  range: bit(1, 0),
  startingElement: u16be(2),
  numberOfElements: u16be(6),
  control: u8(9),
});

/** POSITION TO ELEMENT. SMC-3, 6.8. */
export const PositionToElement = layout(10, {
  operationCode: u8(0),
  transport: u16be(2),
  destination: u16be(4),
  invert: bit(8, 0),
  control: u8(9),
});

/** MOVE MEDIUM. SMC-3, 6.6. */
export const MoveMedium = layout(12, {
  operationCode: u8(0),
  transport: u16be(2), // 0: whichever the changer likes
  source: u16be(4),
  destination: u16be(6),
  invert: bit(10, 0),
  control: u8(11),
});

/** EXCHANGE MEDIUM. SMC-3, 6.3: what is at the first destination goes to the second, what is at the source to the first. */
export const ExchangeMedium = layout(12, {
  operationCode: u8(0),
  transport: u16be(2),
  source: u16be(4),
  firstDestination: u16be(6),
  secondDestination: u16be(8),
  invert: bits(10, 1, 0), // INV1, INV2
  control: u8(11),
});

/** READ ELEMENT STATUS. SMC-3, 6.12. */
export const ReadElementStatus = layout(12, {
  operationCode: u8(0),
  voltag: bit(1, 4),
  elementType: bits(1, 3, 0), // 0: all
  startingElement: u16be(2),
  numberOfElements: u16be(4),
  curdata: bit(6, 1),
  dvcid: bit(6, 0),
  allocationLength: u24be(7),
  control: u8(11),
});
