// Commands from hand-written hexadecimal, and answers in one line, for tests of device servers.
import { fromHex, toHex } from '../../src/bytes/random.ts';
import { encodeSense, type Sense } from '../../src/scsi/common/sense.ts';
import type { Execute, ScsiResult } from '../../src/scsi/execute.ts';

/** Bytes from hexadecimal with spaces. */
export const hex = (text: string): Uint8Array => fromHex(text.replaceAll(/\s/g, ''));

export interface Sent {
  readonly status: ScsiResult['status'];
  readonly sense: Sense | undefined;
  /** `8h/00/05`, with FM, EOM, ILI, deferred behind; empty for GOOD. */
  readonly code: string;
  readonly information: number | undefined;
  readonly data: Uint8Array;
  readonly residual: number;
  /** Fixed-format sense data as they go over the wire. */
  readonly senseBytes: string;
}

/** Sends a CDB given in hexadecimal; `take` is the length of the Data-In Buffer. */
export async function send(
  execute: Execute,
  cdb: string,
  buffers: { readonly out?: Uint8Array; readonly take?: number; readonly into?: Uint8Array } = {},
): Promise<Sent> {
  const { out, take, into } = buffers;
  const result = await execute({
    cdb: hex(cdb),
    ...(out && { dataOut: out }),
    ...((take !== undefined || into) && { dataInLength: take ?? into?.length ?? 0 }),
    ...(into && { dataIn: into }),
  });
  const sense = result.status === 'check-condition' ? result.sense : undefined;
  return {
    status: result.status,
    sense,
    code: sense === undefined ? '' : codeOf(sense),
    information: sense?.information,
    data: 'dataIn' in result ? result.dataIn : new Uint8Array(0),
    residual: 'residual' in result ? result.residual : 0,
    senseBytes: sense === undefined ? '' : toHex(encodeSense(sense)),
  };
}

export function codeOf({ key, asc, ascq, filemark, endOfMedium, incorrectLength, deferred }: Sense): string {
  const two = (n: number): string => n.toString(16).toUpperCase().padStart(2, '0');
  const flags = [filemark && 'FM', endOfMedium && 'EOM', incorrectLength && 'ILI', deferred && 'deferred'];
  return [`${key.toString(16).toUpperCase()}h/${two(asc)}/${two(ascq)}`, ...flags.filter(Boolean)].join(' ');
}

/** TEST UNIT READY until no unit attention is left; the codes that came. */
export async function takeAttentions(execute: Execute): Promise<string[]> {
  const codes: string[] = [];
  for (let i = 0; i < 16; i++) {
    const { code } = await send(execute, '000000000000');
    if (!code.startsWith('6h')) return codes;
    codes.push(code);
  }
  throw new Error(`unit attentions without end: ${codes.join(', ')}`);
}
