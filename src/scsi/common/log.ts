/** LOG SENSE: CDB, page header, log parameters. SPC-4, 6.8, 7.3. */
import { FormatError } from '../../bytes/errors.ts';
import { bit, bits, layout, u8, u16be, viewOf } from '../../bytes/layout.ts';
import { OperationCode } from './operation-codes.ts';

export const LogSense = layout(10, {
  operationCode: u8(0), // 4Dh
  sp: bit(1, 0),
  pageControl: bits(2, 7, 6), // 1: cumulative values
  pageCode: bits(2, 5, 0),
  subpageCode: u8(3),
  parameterPointer: u16be(5),
  allocationLength: u16be(7),
  control: u8(9),
});
/** SPC-4, 6.5. */
export const LogSelect = layout(10, {
  operationCode: u8(0), // 4Ch
  pcr: bit(1, 1), // parameter code reset
  sp: bit(1, 0),
  pageControl: bits(2, 7, 6),
  pageCode: bits(2, 5, 0),
  subpageCode: u8(3),
  parameterListLength: u16be(7),
  control: u8(9),
});
export const logSense = (
  pageCode: number,
  allocationLength = 4096,
  subpageCode = 0,
  parameterPointer = 0,
): Uint8Array =>
  LogSense.encode({
    operationCode: OperationCode.logSense,
    pageControl: 1,
    pageCode,
    subpageCode,
    parameterPointer,
    allocationLength,
  });

/** Log page header. SPC-4, table 349. */
export const LogPageHeader = layout(4, {
  ds: bit(0, 7),
  spf: bit(0, 6), // a subpage
  pageCode: bits(0, 5, 0),
  subpageCode: u8(1),
  pageLength: u16be(2),
});
/** Log parameter header. SPC-4, table 351. */
export const LogParameterHeader = layout(4, {
  parameterCode: u16be(0),
  parameterControl: u8(2), // low bits: 03h binary list, 01h ASCII list
  parameterLength: u8(3),
});

export interface LogParameter {
  readonly code: number;
  readonly control: number;
  readonly value: Uint8Array;
}
export interface LogPage {
  readonly pageCode: number;
  readonly subpageCode: number;
  /** Bytes after the header; for most pages a list of parameters. */
  readonly body: Uint8Array;
}

export function encodeLogParameters(parameters: readonly LogParameter[]): Uint8Array {
  const out = new Uint8Array(parameters.reduce((sum, p) => sum + 4 + p.value.length, 0));
  const view = viewOf(out);
  let at = 0;
  for (const { code, control, value } of parameters) {
    LogParameterHeader.write(view, at, {
      parameterCode: code,
      parameterControl: control,
      parameterLength: value.length,
    });
    out.set(value, at + 4);
    at += 4 + value.length;
  }
  return out;
}

/** @throws FormatError when a parameter ends past the body */
export function decodeLogParameters(body: Uint8Array): LogParameter[] {
  const view = viewOf(body);
  const out: LogParameter[] = [];
  for (let at = 0; at < body.length; ) {
    const end = at + 4 <= body.length ? at + 4 + body[at + 3] : body.length + 1;
    if (end > body.length) throw new FormatError('corrupt', 'log page', `parameter at ${at} ends past the page`);
    const head = LogParameterHeader.decodeAll(view, at);
    out.push({ code: head.parameterCode, control: head.parameterControl, value: body.subarray(at + 4, end) });
    at = end;
  }
  return out;
}

export function encodeLogPage(page: LogPage): Uint8Array {
  const out = new Uint8Array(4 + page.body.length);
  LogPageHeader.write(viewOf(out), 0, {
    spf: page.subpageCode !== 0,
    pageCode: page.pageCode,
    subpageCode: page.subpageCode,
    pageLength: page.body.length,
  });
  out.set(page.body, 4);
  return out;
}

/** A page as far as it was transferred. @throws FormatError when the header is cut */
export function decodeLogPage(data: Uint8Array): LogPage {
  if (data.byteLength < 4) throw new FormatError('corrupt', 'log page', `${data.byteLength} bytes, a header has 4`);
  const head = LogPageHeader.decodeAll(viewOf(data));
  const end = Math.min(data.byteLength, 4 + head.pageLength);
  return { pageCode: head.pageCode, subpageCode: head.subpageCode, body: data.subarray(4, end) };
}
