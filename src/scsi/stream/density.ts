/** REPORT DENSITY SUPPORT parameter data. SSC-4, 7.8.2 and 7.8.3. */
import { asciiField, bit, layout, u8, u16be, u24be, u32be, viewOf } from '../../bytes/layout.ts';

const DensityHeader = layout(4, { availableLength: u16be(0) }); // bytes after this field

/** Density support data block descriptor. SSC-4, table 67. */
export const DensityDescriptor = layout(52, {
  primaryDensityCode: u8(0),
  secondaryDensityCode: u8(1),
  wrtok: bit(2, 7),
  dup: bit(2, 6),
  deflt: bit(2, 5),
  dlv: bit(2, 0),
  descriptorLength: u16be(3),
  bitsPerMillimetre: u24be(5),
  mediaWidth: u16be(8), // tenths of a millimetre
  tracks: u16be(10),
  capacity: u32be(12), // 10^6 bytes
  assigningOrganization: asciiField(16, 8),
  densityName: asciiField(24, 8),
  description: asciiField(32, 20),
});

export interface Density {
  readonly code: number;
  readonly writable: boolean;
  /** 10^6 bytes. */
  readonly capacityMB: number;
  readonly organization: string;
  readonly name: string;
  readonly description: string;
}

export function encodeDensities(densities: readonly Density[]): Uint8Array {
  const body = densities.length * DensityDescriptor.byteLength;
  const out = new Uint8Array(DensityHeader.byteLength + body);
  DensityHeader.write(viewOf(out), 0, { availableLength: body + 2 });
  densities.forEach((density, i) => {
    DensityDescriptor.write(viewOf(out), DensityHeader.byteLength + i * DensityDescriptor.byteLength, {
      primaryDensityCode: density.code,
      secondaryDensityCode: density.code,
      wrtok: density.writable,
      deflt: i === 0,
      capacity: Math.min(0xffff_ffff, density.capacityMB),
      assigningOrganization: density.organization,
      densityName: density.name,
      description: density.description,
    });
  });
  return out;
}
