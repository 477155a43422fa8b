/**
 * Operational parameters of a session and their negotiation, from either end. RFC 7143, clause 13.
 *
 * Boolean and numerical results follow from both sides' offers; MaxRecvDataSegmentLength is not negotiated: each side
 * declares its own.
 */
import { Answer, numberOf, type Pairs } from './text.ts';

/** What a session runs by. Lengths in bytes, times in seconds. */
export interface SessionParameters {
  readonly headerDigest: boolean;
  readonly dataDigest: boolean;
  readonly initialR2T: boolean;
  readonly immediateData: boolean;
  /** Of the other side: what may be sent to it. */
  readonly maxSendDataSegmentLength: number;
  readonly maxBurstLength: number;
  readonly firstBurstLength: number;
  readonly maxOutstandingR2T: number;
  readonly defaultTime2Wait: number;
  readonly defaultTime2Retain: number;
  readonly errorRecoveryLevel: number;
}

/** Before and without negotiation. RFC 7143, clause 13, the defaults. */
export const PARAMETER_DEFAULTS: SessionParameters = {
  headerDigest: false,
  dataDigest: false,
  initialR2T: true,
  immediateData: true,
  maxSendDataSegmentLength: 8192,
  maxBurstLength: 262144,
  firstBurstLength: 65536,
  maxOutstandingR2T: 1,
  defaultTime2Wait: 2,
  defaultTime2Retain: 20,
  errorRecoveryLevel: 0,
};

/** What this side admits and declares. */
export interface Offer {
  /** Best first: `CRC32C`, `None`. */
  readonly headerDigest: readonly Digest[];
  readonly dataDigest: readonly Digest[];
  /** Declared: the longest data segment this side takes. */
  readonly maxRecvDataSegmentLength: number;
  readonly initialR2T: boolean;
  readonly immediateData: boolean;
  readonly maxBurstLength: number;
  readonly firstBurstLength: number;
  readonly maxOutstandingR2T: number;
  readonly defaultTime2Wait: number;
  readonly defaultTime2Retain: number;
}
export type Digest = 'CRC32C' | 'None';

type Result = 'min' | 'max' | 'and' | 'or';
interface Key {
  readonly result: Result;
  /** Numbers' range; RFC 7143. */
  readonly low?: number;
  readonly high?: number;
}

/** The negotiated keys and how their result follows from two values. RFC 7143, clause 13. */
const NEGOTIATED: Readonly<Record<string, Key>> = {
  MaxConnections: { result: 'min', low: 1, high: 65535 },
  InitialR2T: { result: 'or' },
  ImmediateData: { result: 'and' },
  MaxBurstLength: { result: 'min', low: 512, high: 16777215 },
  FirstBurstLength: { result: 'min', low: 512, high: 16777215 },
  DefaultTime2Wait: { result: 'max', low: 0, high: 3600 },
  DefaultTime2Retain: { result: 'min', low: 0, high: 3600 },
  MaxOutstandingR2T: { result: 'min', low: 1, high: 65535 },
  DataPDUInOrder: { result: 'or' },
  DataSequenceInOrder: { result: 'or' },
  ErrorRecoveryLevel: { result: 'min', low: 0, high: 2 },
  IFMarker: { result: 'and' },
  OFMarker: { result: 'and' },
};
const RECV_LENGTH_RANGE: Key = { result: 'min', low: 512, high: 16777215 };
/** They count nothing once markers are off; RFC 7143, 13.25. */
const IRRELEVANT = new Set(['IFMarkInt', 'OFMarkInt']);

/** This side's values of the negotiated keys. One connection a session, everything in order, no recovery above a session's. */
const valuesOf = (offer: Offer): Readonly<Record<string, string>> => ({
  MaxConnections: '1',
  InitialR2T: yesNo(offer.initialR2T),
  ImmediateData: yesNo(offer.immediateData),
  MaxBurstLength: String(offer.maxBurstLength),
  FirstBurstLength: String(offer.firstBurstLength),
  DefaultTime2Wait: String(offer.defaultTime2Wait),
  DefaultTime2Retain: String(offer.defaultTime2Retain),
  MaxOutstandingR2T: String(offer.maxOutstandingR2T),
  DataPDUInOrder: 'Yes',
  DataSequenceInOrder: 'Yes',
  ErrorRecoveryLevel: '0',
  IFMarker: 'No',
  OFMarker: 'No',
});

const yesNo = (value: boolean): string => (value ? 'Yes' : 'No');

/** One side of a negotiation: what was settled so far, and what is yet to be declared. */
export class Negotiation {
  readonly #offer: Offer;
  readonly #own: Readonly<Record<string, string>>;
  readonly #settled = new Map<string, string>();
  #declared = false;

  constructor(offer: Offer) {
    this.#offer = offer;
    this.#own = valuesOf(offer);
  }

  /** Every key with this side's value, as the side that begins sends them. */
  offers(): [string, string][] {
    this.#declared = true;
    return [
      ['HeaderDigest', this.#offer.headerDigest.join(',')],
      ['DataDigest', this.#offer.dataDigest.join(',')],
      ['MaxRecvDataSegmentLength', String(this.#offer.maxRecvDataSegmentLength)],
      ...Object.entries(this.#own).filter(([key]) => !key.endsWith('FMarker')),
    ];
  }

  /** The answers to an offer, this side's declaration among them once. `undefined`: a key that is not of this negotiation. */
  answers(pairs: Pairs): [string, string][] {
    const out: [string, string][] = [];
    for (const [key, value] of pairs) {
      const answer = this.#answer(key, value);
      if (answer !== undefined) out.push([key, answer]);
    }
    if (!this.#declared) out.push(['MaxRecvDataSegmentLength', String(this.#offer.maxRecvDataSegmentLength)]);
    this.#declared = true;
    return out;
  }

  /** Takes the other side's answers to `offers`. Answers the first key whose value is no possible result. */
  take(pairs: Pairs): string | undefined {
    for (const [key, value] of pairs) {
      if (key === 'MaxRecvDataSegmentLength') {
        if (this.#answer(key, value) !== undefined) return key;
        continue;
      }
      if (!Object.hasOwn(NEGOTIATED, key) && key !== 'HeaderDigest' && key !== 'DataDigest') continue;
      // RFC 7143, 13.14: so where nothing goes unasked.
      if (key === 'FirstBurstLength' && value === Answer.irrelevant) continue;
      if (this.#answer(key, value) !== value) return key;
    }
    return undefined;
  }

  get parameters(): SessionParameters {
    const settled = this.#settled;
    const flag = (key: string, otherwise: boolean): boolean =>
      settled.has(key) ? settled.get(key) === 'Yes' : otherwise;
    const count = (key: string, otherwise: number): number => numberOf(settled.get(key) ?? '') ?? otherwise;
    const d = PARAMETER_DEFAULTS;
    const maxBurstLength = count('MaxBurstLength', d.maxBurstLength);
    return {
      headerDigest: settled.get('HeaderDigest') === 'CRC32C',
      dataDigest: settled.get('DataDigest') === 'CRC32C',
      initialR2T: flag('InitialR2T', d.initialR2T),
      immediateData: flag('ImmediateData', d.immediateData),
      maxSendDataSegmentLength: count('MaxRecvDataSegmentLength', d.maxSendDataSegmentLength),
      maxBurstLength,
      firstBurstLength: Math.min(maxBurstLength, count('FirstBurstLength', d.firstBurstLength)),
      maxOutstandingR2T: count('MaxOutstandingR2T', d.maxOutstandingR2T),
      defaultTime2Wait: count('DefaultTime2Wait', d.defaultTime2Wait),
      defaultTime2Retain: count('DefaultTime2Retain', d.defaultTime2Retain),
      errorRecoveryLevel: 0,
    };
  }

  #answer(key: string, value: string): string | undefined {
    if (key === 'HeaderDigest' || key === 'DataDigest') return this.#digest(key, value);
    if (key === 'MaxRecvDataSegmentLength') {
      if (combine(RECV_LENGTH_RANGE, value, value) === undefined) return Answer.reject;
      this.#settled.set(key, value);
      return undefined; // declarative: no answer
    }
    if (IRRELEVANT.has(key)) return Answer.irrelevant;
    const rule = Object.hasOwn(NEGOTIATED, key) ? NEGOTIATED[key] : undefined;
    if (rule === undefined) return Answer.notUnderstood;
    const result = combine(rule, value, this.#own[key]);
    if (result === undefined) return Answer.reject;
    this.#settled.set(key, result);
    return result;
  }

  /** The first of the other side's list that this side admits. RFC 7143, 6.2.1. */
  #digest(key: 'HeaderDigest' | 'DataDigest', value: string): string {
    const own = key === 'HeaderDigest' ? this.#offer.headerDigest : this.#offer.dataDigest;
    const chosen = value.split(',').find((one) => own.some((admitted) => admitted === one));
    if (chosen === undefined) return Answer.reject;
    this.#settled.set(key, chosen);
    return chosen;
  }
}

/** The result of two values; undefined: the other side's is none of the key's. RFC 7143, 6.2.2. */
function combine({ result, low = 0, high = 0 }: Key, theirs: string, own: string): string | undefined {
  if (result === 'and' || result === 'or') {
    if (theirs !== 'Yes' && theirs !== 'No') return undefined;
    const both = theirs === 'Yes' && own === 'Yes';
    const either = theirs === 'Yes' || own === 'Yes';
    return yesNo(result === 'and' ? both : either);
  }
  const given = numberOf(theirs);
  if (given === undefined || given < low || given > high) return undefined;
  return String(result === 'min' ? Math.min(given, Number(own)) : Math.max(given, Number(own)));
}
