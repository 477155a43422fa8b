/** Sense data. SPC-4, 4.5 "Sense data": fixed format 70h/71h and descriptor format 72h/73h. */

/** SPC-4, table 53 "Sense key descriptions". */
export const SenseKey = {
  noSense: 0x0,
  recoveredError: 0x1,
  notReady: 0x2,
  mediumError: 0x3,
  hardwareError: 0x4,
  illegalRequest: 0x5,
  unitAttention: 0x6,
  dataProtect: 0x7,
  blankCheck: 0x8,
  copyAborted: 0xa,
  abortedCommand: 0xb,
  volumeOverflow: 0xd,
  miscompare: 0xe,
  completed: 0xf,
} as const;

/** Decoded sense data, format-independent. */
export interface Sense {
  readonly key: number;
  /** ADDITIONAL SENSE CODE. */
  readonly asc: number;
  /** ADDITIONAL SENSE CODE QUALIFIER. */
  readonly ascq: number;
  /** Of an earlier command (71h, 73h). */
  readonly deferred?: boolean;
  readonly filemark?: boolean;
  readonly endOfMedium?: boolean;
  readonly incorrectLength?: boolean;
  /** INFORMATION; present only when VALID is 1. Two's complement for tape (SSC: requested less actual). */
  readonly information?: number;
  /** SENSE KEY SPECIFIC field pointer (ILLEGAL REQUEST, COPY ABORTED). */
  readonly fieldPointer?: {
    /** Into the CDB (`cdb`), or the parameter list or segment (`data`): bit C/D or SD, see SPC-4 4.5.2.4. */
    readonly in: 'cdb' | 'data' | 'segment';
    readonly byte: number;
    readonly bit?: number;
  };
  /** EXTENDED COPY only: which segment failed and what its devices said. SPC-4, 5.17.7.4. */
  readonly copy?: {
    readonly segment: number;
    readonly source?: { readonly status: number; readonly sense: Uint8Array };
    readonly destination?: { readonly status: number; readonly sense: Uint8Array };
  };
}
