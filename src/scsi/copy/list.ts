/**
 * The EXTENDED COPY parameter list as values. SPC-4, 6.4 "EXTENDED COPY(LID1)", 6.4.5 "CSCD descriptors", 6.4.6 "Segment
 * descriptors". The bytes are in parameter-list.ts.
 */
import type { Bytes, Lba, TapeObject } from '../../bytes/units.ts';

/** A VPD 83h designator; what an identification descriptor CSCD (E4h) names. SPC-4, 7.8.6. */
export interface Designator {
  /** 1 binary, 2 ASCII, 3 UTF-8. */
  readonly codeSet: number;
  /** 0: the logical unit. */
  readonly association: number;
  /** 3: NAA. */
  readonly type: number;
  /** 1 to 20 bytes in a CSCD descriptor. */
  readonly value: Uint8Array;
}

/** A copy source or copy destination. SPC-4, 6.4.5. */
export type Cscd =
  | { readonly kind: 'block'; readonly designator: Designator; readonly blockLength: Bytes; readonly pad: boolean }
  /** `fixedBlockLength` 0: variable blocks (FIXED=0). */
  | {
      readonly kind: 'stream';
      readonly designator: Designator;
      readonly fixedBlockLength: Bytes;
      readonly pad: boolean;
    };

/** Index into the list's CSCDs, or FFFFh for the logical unit that got the command. */
export type CscdId = number;

/** `cat`: keep leftovers for the next segment. `streamTransferLength`: bytes (variable) or blocks (fixed) of each tape READ or WRITE. */
export type Segment =
  /** 00h: whole blocks from a block device to a stream device. At most 65535 blocks. */
  | {
      readonly type: 'block-to-stream';
      readonly cat: boolean;
      readonly source: CscdId;
      readonly destination: CscdId;
      readonly streamTransferLength: number;
      readonly blocks: number;
      readonly lba: Lba;
    }
  /** 01h. */
  | {
      readonly type: 'stream-to-block';
      readonly cat: boolean;
      readonly source: CscdId;
      readonly destination: CscdId;
      readonly streamTransferLength: number;
      readonly blocks: number;
      readonly lba: Lba;
    }
  /** 02h. `dc`: the count is of destination blocks. */
  | {
      readonly type: 'block-to-block';
      readonly cat: boolean;
      readonly dc: boolean;
      readonly source: CscdId;
      readonly destination: CscdId;
      readonly blocks: number;
      readonly sourceLba: Lba;
      readonly destinationLba: Lba;
    }
  /** 03h. */
  | {
      readonly type: 'stream-to-stream';
      readonly cat: boolean;
      readonly source: CscdId;
      readonly destination: CscdId;
      readonly sourceTransferLength: number;
      readonly destinationTransferLength: number;
      readonly byteCount: Bytes;
    }
  /** 04h. `inlineOffset` is a multiple of 4. */
  | {
      readonly type: 'inline-to-stream';
      readonly cat: boolean;
      readonly destination: CscdId;
      readonly streamTransferLength: number;
      readonly inlineOffset: Bytes;
      readonly byteCount: Bytes;
    }
  /** 06h. */
  | {
      readonly type: 'stream-to-discard';
      readonly cat: boolean;
      readonly source: CscdId;
      readonly streamTransferLength: number;
      readonly byteCount: Bytes;
    }
  /** 08h. */
  | {
      readonly type: 'block-bytes-to-stream';
      readonly cat: boolean;
      readonly source: CscdId;
      readonly destination: CscdId;
      readonly streamTransferLength: number;
      readonly byteCount: Bytes;
      readonly lba: Lba;
      readonly byteOffset: Bytes;
    }
  /** 09h. */
  | {
      readonly type: 'stream-to-block-bytes';
      readonly cat: boolean;
      readonly source: CscdId;
      readonly destination: CscdId;
      readonly streamTransferLength: number;
      readonly byteCount: Bytes;
      readonly lba: Lba;
      readonly byteOffset: Bytes;
    }
  /** 10h. Does not flush residue. */
  | {
      readonly type: 'write-filemarks';
      readonly destination: CscdId;
      readonly immediate: boolean;
      readonly count: number;
    }
  /** 12h. */
  | { readonly type: 'locate'; readonly destination: CscdId; readonly object: TapeObject };

export interface CopyList {
  /** LIST IDENTIFIER, 0 to 255. */
  readonly listId: number;
  readonly cscds: readonly Cscd[];
  readonly segments: readonly Segment[];
  readonly inlineData: Uint8Array;
}

/** What a copy manager admits: RECEIVE COPY OPERATING PARAMETERS (SPC-4, 6.22). */
export interface CopyLimits {
  readonly cscdsMax: number;
  readonly segmentsMax: number;
  /** Bytes of CSCD and segment descriptors together. */
  readonly descriptorListBytesMax: Bytes;
  /** Bytes that one segment may move; 0: no limit. */
  readonly segmentBytesMax: Bytes;
  readonly inlineBytesMax: Bytes;
  /** Bytes of one tape READ or WRITE. */
  readonly streamTransferBytesMax: Bytes;
  /** Descriptor type codes (CSCD and segment) it implements, ascending. */
  readonly descriptorTypes: readonly number[];
}
