/**
 * LVM2 on disk, little-endian. lvm2 lib/label/label.h and lib/format_text/layout.h; the names are theirs. There is no other
 * specification.
 */
import { byteField, layout, u32le, u64le } from '../../bytes/layout.ts';

/** `struct label_header`: in one of the first four sectors of a physical volume. */
export const label_header = layout(32, {
  id: byteField(0, 8), // "LABELONE"
  sector_xl: u64le(8), // the sector that it stands in
  crc_xl: u32le(16), // from the next field to the end of the sector
  offset_xl: u32le(20), // of the pv_header in this sector
  type: byteField(24, 8), // "LVM2 001"
});

/** `struct pv_header`; two lists of `disk_locn` follow, of data and of metadata areas, each ended by one of zeros. */
export const pv_header = layout(40, {
  pv_uuid: byteField(0, 32), // ASCII
  device_size_xl: u64le(32), // bytes
});

/** `struct disk_locn`. */
export const disk_locn = layout(16, { offset: u64le(0), size: u64le(8) });

/** `struct mda_header`, 512 bytes at the start of a metadata area; up to four `raw_locn` follow. */
export const mda_header = layout(40, {
  checksum_xl: u32le(0), // over the rest of the 512 bytes
  magic: byteField(4, 16),
  version: u32le(20),
  start: u64le(24), // of the area on the physical volume, bytes
  size: u64le(32), // of the area, this header included
});

/** `struct raw_locn`: a text, from the area's start; it goes on behind the header when it reaches the area's end. */
export const raw_locn = layout(24, {
  offset: u64le(0),
  size: u64le(8),
  checksum: u32le(16),
  flags: u32le(20), // 1: ignored
});
