/**
 * The login phase as a target runs it: requests in, responses out, no I/O. RFC 7143, 6.3, 12, 13.
 *
 * Invariant: `established` is answered only after the initiator is admitted and, where its admission says so, has proven its
 * secret. Until then it gets nothing but login responses.
 */
import { FormatError } from '../../bytes/errors.ts';
import type { Random } from '../../bytes/random.ts';
import {
  CHALLENGE_BYTES,
  CHALLENGE_BYTES_MAX,
  chapResponse,
  chooseAlgorithm,
  RESPONSE_BYTES_MAX,
  sameResponse,
} from '../chap.ts';
import { isIscsiName, sameName } from '../names.ts';
import { Negotiation, type Offer, type SessionParameters } from '../parameters.ts';
import { LoginStage, LoginStatus } from '../pdu.ts';
import { binaryOf, binaryText, decodePairs, type Pairs } from '../text.ts';
import type { Admission, TargetNode } from './node.ts';

/** The one version there is. RFC 7143, 11.12.4. */
export const ISCSI_VERSION = 0x00;
/** The portal group of every portal here. */
export const PORTAL_GROUP_TAG = 1;
/** Text of a login request and what continues it. */
const TEXT_BYTES_MAX = 16 * 1024;
/** Requests of one login; ten are more than any initiator sends. */
const REQUESTS_MAX = 64;

export interface LoginRequest {
  readonly transit: boolean;
  readonly continues: boolean;
  readonly currentStage: number;
  readonly nextStage: number;
  readonly versionMin: number;
  readonly tsih: number;
  readonly text: Uint8Array;
}

export interface Identity {
  readonly initiatorName: string;
  readonly initiatorAlias: string | undefined;
  /** Undefined: a discovery session. */
  readonly node: TargetNode | undefined;
  readonly admission: Admission;
  readonly parameters: SessionParameters;
}

export type LoginStep =
  | { readonly kind: 'refuse'; readonly status: LoginStatus; readonly reason: string }
  | { readonly kind: 'go-on'; readonly transit: boolean; readonly pairs: [string, string][] }
  | { readonly kind: 'established'; readonly pairs: [string, string][]; readonly identity: Identity };

export interface LoginEnvironment {
  readonly nodes: readonly TargetNode[];
  readonly offer: Offer;
  readonly random: Random;
  /** How discovery sessions are let in; undefined: not at all. */
  discovery(initiatorName: string): Admission | undefined;
}

type Authentication =
  | { readonly state: 'open' }
  | { readonly state: 'chap' }
  | {
      readonly state: 'challenged';
      readonly algorithm: string;
      readonly identifier: number;
      readonly challenge: Uint8Array;
    }
  | { readonly state: 'done' };

const refuse = (status: LoginStatus, reason: string): LoginStep => ({ kind: 'refuse', status, reason });

export class LoginPhase {
  readonly #environment: LoginEnvironment;
  readonly #negotiation: Negotiation;
  #requests = 0;
  #text: Uint8Array[] = [];
  #textBytes = 0;
  #who: Omit<Identity, 'parameters'> | undefined;
  #authentication: Authentication = { state: 'open' };
  #stage: number | undefined;

  constructor(environment: LoginEnvironment) {
    this.#environment = environment;
    this.#negotiation = new Negotiation(environment.offer);
  }

  /** Who logs in, once that is known; for the log. */
  get initiatorName(): string | undefined {
    return this.#who?.initiatorName;
  }

  step(request: LoginRequest): LoginStep {
    this.#requests++;
    this.#textBytes += request.text.length;
    if (this.#requests > REQUESTS_MAX || this.#textBytes > TEXT_BYTES_MAX)
      return refuse(LoginStatus.initiatorError, 'a login without end');
    if (request.versionMin > ISCSI_VERSION)
      return refuse(LoginStatus.unsupportedVersion, `version ${request.versionMin} of iSCSI`);
    this.#text.push(request.text);
    if (request.continues) return { kind: 'go-on', transit: false, pairs: [] };
    let pairs: Pairs;
    try {
      pairs = decodePairs(Buffer.concat(this.#text));
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      return refuse(LoginStatus.initiatorError, error.what);
    }
    this.#text = [];
    return this.#who === undefined ? this.#first(request, pairs) : this.#next(request, pairs, []);
  }

  #first(request: LoginRequest, pairs: Pairs): LoginStep {
    if (request.tsih !== 0) return refuse(LoginStatus.sessionDoesNotExist, 'a second connection of a session');
    const initiatorName = pairs.get('InitiatorName');
    if (initiatorName === undefined) return refuse(LoginStatus.missingParameter, 'no InitiatorName');
    if (!isIscsiName(initiatorName)) return refuse(LoginStatus.initiatorError, 'InitiatorName is no iSCSI name');
    const type = pairs.get('SessionType') ?? 'Normal';
    if (type !== 'Normal' && type !== 'Discovery')
      return refuse(LoginStatus.sessionTypeNotSupported, 'an unknown SessionType');
    const found =
      type === 'Discovery' ? this.#discovery(initiatorName) : this.#node(initiatorName, pairs.get('TargetName'));
    if ('kind' in found) return found;
    this.#who = { initiatorName, initiatorAlias: pairs.get('InitiatorAlias'), ...found };
    return this.#next(request, pairs, found.node === undefined ? [] : aboutNode(found.node));
  }

  #discovery(initiatorName: string): Pick<Identity, 'node' | 'admission'> | LoginStep {
    const admission = this.#environment.discovery(initiatorName);
    if (admission === undefined) return refuse(LoginStatus.authorizationFailure, 'not admitted');
    return { node: undefined, admission };
  }

  #node(initiatorName: string, targetName: string | undefined): Pick<Identity, 'node' | 'admission'> | LoginStep {
    if (targetName === undefined) return refuse(LoginStatus.missingParameter, 'no TargetName');
    const node = this.#environment.nodes.find(({ name }) => sameName(name, targetName));
    if (node === undefined) return refuse(LoginStatus.notFound, 'no target of that name');
    const admission = node.admit(initiatorName);
    if (admission === undefined) return refuse(LoginStatus.authorizationFailure, 'not admitted');
    return { node, admission };
  }

  #next(request: LoginRequest, pairs: Pairs, about: [string, string][]): LoginStep {
    const { currentStage, nextStage, transit } = request;
    if (this.#stage !== undefined && currentStage !== this.#stage)
      return refuse(LoginStatus.initiatorError, 'another stage than was agreed on');
    this.#stage = currentStage;
    if (transit && (nextStage <= currentStage || nextStage === 2))
      return refuse(LoginStatus.initiatorError, 'no stage to go to');
    if (currentStage === LoginStage.security) return this.#security(request, pairs, about);
    if (currentStage === LoginStage.operational) return this.#operational(request, pairs, about);
    return refuse(LoginStatus.initiatorError, 'no stage of a login');
  }

  #security(request: LoginRequest, pairs: Pairs, about: [string, string][]): LoginStep {
    const answer = this.#authenticate(pairs);
    if ('kind' in answer) return answer;
    return this.#transit(request, [...about, ...answer.pairs]);
  }

  #operational(request: LoginRequest, pairs: Pairs, about: [string, string][]): LoginStep {
    if (!this.#mayPass()) return refuse(LoginStatus.authenticationFailure, 'authentication was left out');
    const operational = new Map([...pairs].filter(([key]) => !LOGIN_KEYS.has(key)));
    return this.#transit(request, [...about, ...this.#negotiation.answers(operational)]);
  }

  /** Done, or never asked for. */
  #mayPass(): boolean {
    return this.#authentication.state === 'done' || this.#who?.admission.chap === undefined;
  }

  #transit({ transit, nextStage }: LoginRequest, pairs: [string, string][]): LoginStep {
    if (!transit || !this.#mayPass()) return { kind: 'go-on', transit: false, pairs };
    this.#stage = nextStage;
    if (nextStage !== LoginStage.fullFeature) return { kind: 'go-on', transit: true, pairs };
    const who = this.#who;
    if (who === undefined) return refuse(LoginStatus.initiatorError, 'nobody has logged in');
    return { kind: 'established', pairs, identity: { ...who, parameters: this.#negotiation.parameters } };
  }

  /** One step of the security stage. RFC 7143, 12.1. */
  #authenticate(pairs: Pairs): { readonly pairs: [string, string][] } | LoginStep {
    const now = this.#authentication;
    switch (now.state) {
      case 'open':
        return this.#method(pairs.get('AuthMethod'));
      case 'chap':
        return this.#challenge(pairs.get('CHAP_A'));
      case 'challenged':
        return this.#proof(now, pairs);
      case 'done':
        return { pairs: [] };
    }
  }

  #method(offered: string | undefined): { readonly pairs: [string, string][] } | LoginStep {
    if (offered === undefined) return { pairs: [] };
    const methods = offered.split(',');
    const needed = this.#who?.admission.chap === undefined ? 'None' : 'CHAP';
    if (!methods.includes(needed))
      return refuse(LoginStatus.authenticationFailure, `${needed} is not among the initiator's methods`);
    this.#authentication = { state: needed === 'CHAP' ? 'chap' : 'done' };
    return { pairs: [['AuthMethod', needed]] };
  }

  #challenge(offered: string | undefined): { readonly pairs: [string, string][] } | LoginStep {
    const algorithm = offered === undefined ? undefined : chooseAlgorithm(offered);
    if (algorithm === undefined) return refuse(LoginStatus.authenticationFailure, 'no CHAP algorithm in common');
    const [identifier] = this.#environment.random(1);
    const challenge = this.#environment.random(CHALLENGE_BYTES);
    this.#authentication = { state: 'challenged', algorithm, identifier, challenge };
    const pairs: [string, string][] = [
      ['CHAP_A', algorithm],
      ['CHAP_I', String(identifier)],
      ['CHAP_C', binaryText(challenge)],
    ];
    return { pairs };
  }

  #proof(
    { algorithm, identifier, challenge }: Extract<Authentication, { state: 'challenged' }>,
    pairs: Pairs,
  ): { readonly pairs: [string, string][] } | LoginStep {
    const { chap, mutualChap } = this.#who?.admission ?? {};
    const failed = (reason: string): LoginStep => refuse(LoginStatus.authenticationFailure, reason);
    const response = binaryOf(pairs.get('CHAP_R') ?? '', RESPONSE_BYTES_MAX);
    if (chap === undefined || response === undefined) return failed('no CHAP response');
    const right = sameResponse(response, chapResponse(algorithm, identifier, chap.secret, challenge));
    if (!right || pairs.get('CHAP_N') !== chap.name) return failed('wrong CHAP name or secret');
    this.#authentication = { state: 'done' };
    const theirs = pairs.get('CHAP_C');
    if (theirs === undefined) return { pairs: [] };
    const theirChallenge = binaryOf(theirs, CHALLENGE_BYTES_MAX);
    const theirIdentifier = Number(pairs.get('CHAP_I'));
    if (
      theirChallenge === undefined ||
      !Number.isInteger(theirIdentifier) ||
      theirIdentifier < 0 ||
      theirIdentifier > 255
    )
      return failed('a malformed CHAP challenge');
    if (sameResponse(theirChallenge, challenge)) return failed('our own CHAP challenge came back');
    if (mutualChap === undefined) return failed('the initiator asks for a proof, and this target has no secret for it');
    const proof = chapResponse(algorithm, theirIdentifier, mutualChap.secret, theirChallenge);
    return {
      pairs: [
        ['CHAP_N', mutualChap.name],
        ['CHAP_R', binaryText(proof)],
      ],
    };
  }
}

/** Keys of the login itself, which are answered by what comes of it. */
const LOGIN_KEYS = new Set(['InitiatorName', 'InitiatorAlias', 'TargetName', 'SessionType', 'AuthMethod']);

const aboutNode = ({ alias }: TargetNode): [string, string][] => [
  ...(alias === undefined ? [] : [['TargetAlias', alias] as [string, string]]),
  ['TargetPortalGroupTag', String(PORTAL_GROUP_TAG)],
];
