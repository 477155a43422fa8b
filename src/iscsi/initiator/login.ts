/** The login phase as an initiator runs it. RFC 7143, 6.3, 12. */
import { FormatError } from '../../bytes/errors.ts';
import type { Random } from '../../bytes/random.ts';
import {
  CHALLENGE_BYTES,
  CHALLENGE_BYTES_MAX,
  type ChapAccount,
  chapAlgorithms,
  chapResponse,
  chooseAlgorithm,
  RESPONSE_BYTES_MAX,
  sameResponse,
} from '../chap.ts';
import { Negotiation, type Offer, type SessionParameters } from '../parameters.ts';
import { LoginStage, LoginStatus } from '../pdu.ts';
import { binaryOf, binaryText, type Pairs } from '../text.ts';

export interface LoginAnswer {
  readonly status: number;
  readonly transit: boolean;
  readonly nextStage: number;
  readonly pairs: Pairs;
}

export interface LoginRequest {
  readonly currentStage: number;
  readonly nextStage: number;
  readonly transit: boolean;
  readonly pairs: readonly (readonly [string, string])[];
}

/** Sends one login request and gives the answer, its parts put together. @throws FormatError */
export type LoginExchange = (request: LoginRequest) => Promise<LoginAnswer>;

export interface LoginAs {
  /** For errors. */
  readonly where: string;
  readonly initiatorName: string;
  readonly targetName: string;
  /** What this side proves, if the target wants a proof. */
  readonly chap?: ChapAccount;
  /** What the target must prove. */
  readonly mutualChap?: ChapAccount;
  readonly offer: Offer;
  readonly random: Random;
}

/** Exchanges of a login; ten are more than any target needs. */
const EXCHANGES_MAX = 32;

const WORDS: Readonly<Record<number, string>> = {
  [LoginStatus.authenticationFailure]: 'the target refuses the CHAP name or secret, or wants one',
  [LoginStatus.authorizationFailure]: 'this initiator is not admitted; its name must be on the target’s list',
  [LoginStatus.notFound]: 'there is no target of that name at this address',
  [LoginStatus.outOfResources]: 'the target has no room for another session',
  [LoginStatus.serviceUnavailable]: 'the target shuts down or is not ready',
};

/** Logs in; the parameters that were agreed on. @throws FormatError `io` saying what the target refuses */
export async function logIn(as: LoginAs, exchange: LoginExchange): Promise<SessionParameters> {
  const negotiation = new Negotiation(as.offer);
  const who: [string, string][] = [
    ['InitiatorName', as.initiatorName],
    ['SessionType', 'Normal'],
    ['TargetName', as.targetName],
  ];
  if (as.chap === undefined) return operational(as, negotiation, exchange, who);
  const next = await authenticate(as, as.chap, exchange, who);
  if (next === LoginStage.fullFeature) return negotiation.parameters;
  return operational(as, negotiation, exchange, []);
}

const failed = (as: LoginAs, what: string): FormatError => new FormatError('io', as.where, `login: ${what}`);

function checked(as: LoginAs, answer: LoginAnswer): LoginAnswer {
  if (answer.status === LoginStatus.success) return answer;
  const code = `${answer.status.toString(16).padStart(4, '0')}h`;
  throw failed(as, WORDS[answer.status] ?? `refused with status ${code}`);
}

async function operational(
  as: LoginAs,
  negotiation: Negotiation,
  exchange: LoginExchange,
  who: readonly [string, string][],
): Promise<SessionParameters> {
  let pairs: readonly (readonly [string, string])[] = [...who, ...negotiation.offers()];
  for (let n = 0; n < EXCHANGES_MAX; n++) {
    const stage = { currentStage: LoginStage.operational, nextStage: LoginStage.fullFeature, transit: true };
    const answer = checked(as, await exchange({ ...stage, pairs }));
    const wrong = negotiation.take(answer.pairs);
    if (wrong !== undefined) throw failed(as, `the target's ${wrong} is no answer to what was offered`);
    if (answer.transit) return negotiation.parameters;
    pairs = [];
  }
  throw failed(as, 'the target does not come to an end');
}

/** CHAP, one way or both. Answers the stage that follows. RFC 7143, 12.1.3. */
async function authenticate(
  as: LoginAs,
  account: ChapAccount,
  exchange: LoginExchange,
  who: readonly [string, string][],
): Promise<number> {
  const stage = { currentStage: LoginStage.security, nextStage: LoginStage.operational };
  const method = checked(as, await exchange({ ...stage, transit: false, pairs: [...who, ['AuthMethod', 'CHAP']] }));
  if (method.pairs.get('AuthMethod') !== 'CHAP') throw failed(as, 'the target does not do CHAP');
  const asked = checked(
    as,
    await exchange({ ...stage, transit: false, pairs: [['CHAP_A', chapAlgorithms().join(',')]] }),
  );
  const algorithm = chooseAlgorithm(asked.pairs.get('CHAP_A') ?? '');
  const identifier = Number(asked.pairs.get('CHAP_I'));
  const challenge = binaryOf(asked.pairs.get('CHAP_C') ?? '', CHALLENGE_BYTES_MAX);
  if (algorithm === undefined || challenge === undefined || !(identifier >= 0 && identifier <= 255))
    throw failed(as, 'the CHAP challenge is malformed');
  const proof: [string, string][] = [
    ['CHAP_N', account.name],
    ['CHAP_R', binaryText(chapResponse(algorithm, identifier, account.secret, challenge))],
  ];
  const [own] = as.random(1);
  const ownChallenge = as.random(CHALLENGE_BYTES);
  if (as.mutualChap !== undefined) proof.push(['CHAP_I', String(own)], ['CHAP_C', binaryText(ownChallenge)]);
  const answer = checked(as, await exchange({ ...stage, transit: true, pairs: proof }));
  if (as.mutualChap !== undefined) proveTarget(as, as.mutualChap, answer, algorithm, own, ownChallenge);
  if (!answer.transit) throw failed(as, 'the target does not go on after CHAP');
  return answer.nextStage;
}

function proveTarget(
  as: LoginAs,
  account: ChapAccount,
  answer: LoginAnswer,
  algorithm: string,
  identifier: number,
  challenge: Uint8Array,
): void {
  const response = binaryOf(answer.pairs.get('CHAP_R') ?? '', RESPONSE_BYTES_MAX);
  const wanted = chapResponse(algorithm, identifier, account.secret, challenge);
  if (response === undefined || answer.pairs.get('CHAP_N') !== account.name || !sameResponse(response, wanted))
    throw failed(as, 'the target does not prove that it is the one; its CHAP name or secret is wrong');
}
