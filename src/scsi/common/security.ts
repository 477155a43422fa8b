/** SECURITY PROTOCOL IN and OUT: commands, and protocol 00h, which lists the others. SPC-4, 6.40, 6.41, 7.7. */
import { bit, layout, u8, u16be, u32be, viewOf } from '../../bytes/layout.ts';

const securityProtocol = {
  operationCode: u8(0), // A2h IN, B5h OUT
  securityProtocol: u8(1),
  securityProtocolSpecific: u16be(2),
  inc512: bit(4, 7), // lengths count 512 bytes
  length: u32be(6),
  control: u8(11),
};
export const SecurityProtocolIn = layout(12, securityProtocol);
export const SecurityProtocolOut = layout(12, securityProtocol);

/** SECURITY PROTOCOL. SPC-4, table 245. */
export const SecurityProtocol = { information: 0x00, tapeEncryption: 0x20 } as const;

/** Supported Security Protocols list. SPC-4, table 557. */
export function encodeSecurityProtocols(protocols: readonly number[]): Uint8Array {
  const out = new Uint8Array(8 + protocols.length);
  viewOf(out).setUint16(6, protocols.length);
  out.set(protocols, 8);
  return out;
}
/** Certificate data: there is none. SPC-4, 7.7.1.4. */
export const noCertificates = (): Uint8Array => new Uint8Array(4);
