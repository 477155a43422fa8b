// Logging in, as an initiator sees it over a socket.
import { connect } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { chapResponse } from '../../src/iscsi/chap.ts';
import { LoginResponsePdu, LoginStatus, Opcode, TextRequestPdu } from '../../src/iscsi/pdu.ts';
import type { Admission } from '../../src/iscsi/target/node.ts';
import { binaryOf, binaryText, decodePairs, encodePairs } from '../../src/iscsi/text.ts';
import {
  INITIATOR,
  NO_TAG,
  openTestPortal,
  TARGET,
  type TestPortal,
  testDevice,
  WireInitiator,
} from '../support/iscsi-wire.ts';

const secret = (text: string): Uint8Array => new TextEncoder().encode(text);
const CHAP = { name: 'alice', secret: secret('a secret of 20 bytes') };
const MUTUAL = { name: 'mover', secret: secret('another secret') };

const open: AsyncDisposable[] = [];
const initiators: WireInitiator[] = [];
afterEach(async () => {
  for (const one of initiators.splice(0)) one.close();
  for (const one of open.splice(0)) await one[Symbol.asyncDispose]();
});

async function portal(admit?: (name: string) => Admission | undefined): Promise<TestPortal> {
  const made = await openTestPortal(testDevice().router, admit);
  open.push(made);
  return made;
}
async function initiator(port: number): Promise<WireInitiator> {
  const made = await WireInitiator.connect(port);
  initiators.push(made);
  return made;
}

const WHO: [string, string][] = [
  ['InitiatorName', INITIATOR],
  ['TargetName', TARGET],
];

/** The security stage with CHAP; the last answer. */
async function chap(
  client: WireInitiator,
  account: { readonly name: string; readonly secret: Uint8Array },
  more: readonly [string, string][] = [],
) {
  const method = await client.loginStep([...WHO, ['AuthMethod', 'CHAP,None']], { current: 0, next: 1, transit: false });
  expect(method?.pairs.get('AuthMethod')).toBe('CHAP');
  const asked = await client.loginStep([['CHAP_A', '7,5']], { current: 0, next: 1, transit: false });
  const { pairs } = asked ?? { pairs: new Map<string, string>() };
  expect(pairs.get('CHAP_A')).toBe('7');
  const challenge = binaryOf(pairs.get('CHAP_C') ?? '', 1024) ?? new Uint8Array(0);
  const response = chapResponse('7', Number(pairs.get('CHAP_I')), account.secret, challenge);
  const proof: [string, string][] = [
    ['CHAP_N', account.name],
    ['CHAP_R', binaryText(response)],
  ];
  return { challenge, answer: await client.loginStep([...proof, ...more], { current: 0, next: 1 }) };
}

describe('login', () => {
  it('gives a session, a TSIH, the portal group and the parameters', async () => {
    const { port } = await portal();
    const client = await initiator(port);
    const answer = await client.loginStep([...WHO, ['InitialR2T', 'No'], ['HeaderDigest', 'CRC32C,None']], {
      current: 1,
      next: 3,
    });
    expect(answer?.status).toBe(LoginStatus.success);
    expect(LoginResponsePdu.tsih.get(answer?.view as DataView, 0)).toBeGreaterThan(0);
    expect(Object.fromEntries(answer?.pairs ?? [])).toEqual({
      TargetPortalGroupTag: '1',
      InitialR2T: 'No',
      HeaderDigest: 'CRC32C',
      MaxRecvDataSegmentLength: '262144',
    });
  });

  it('text in parts is put together before it is answered', async () => {
    const { port } = await portal();
    const client = await initiator(port);
    const text = encodePairs([...WHO, ['SessionType', 'Normal']]);
    const { LoginRequestPdu } = await import('../../src/iscsi/pdu.ts');
    const part = (continues: boolean) =>
      LoginRequestPdu.encode({
        immediate: true,
        opcode: Opcode.loginRequest,
        continues,
        transit: !continues,
        currentStage: 1,
        nextStage: 3,
      });
    client.send(part(true), text.subarray(0, 30));
    expect((await client.receive())?.data.length).toBe(0);
    client.send(part(false), text.subarray(30));
    const answer = await client.receive();
    expect(decodePairs(answer?.data ?? new Uint8Array(0)).get('TargetPortalGroupTag')).toBe('1');
  });

  it.each([
    ['without a name', [['TargetName', TARGET]], LoginStatus.missingParameter],
    [
      'with a name that is none',
      [
        ['InitiatorName', 'me'],
        ['TargetName', TARGET],
      ],
      LoginStatus.initiatorError,
    ],
    ['without a target', [['InitiatorName', INITIATOR]], LoginStatus.missingParameter],
    [
      'to a target that is not there',
      [
        ['InitiatorName', INITIATOR],
        ['TargetName', 'iqn.2001-04.com.example:no'],
      ],
      LoginStatus.notFound,
    ],
    ['of an unknown type', [...WHO, ['SessionType', 'Other']], LoginStatus.sessionTypeNotSupported],
  ] as const)('%s is refused, and the connection ends', async (_what, pairs, status) => {
    const { port } = await portal();
    const client = await initiator(port);
    expect((await client.loginStep(pairs, { current: 1, next: 3 }))?.status).toBe(status);
    expect(await client.untilClosed()).toBe(true);
  });

  it('as a second connection of a session is refused', async () => {
    const { port } = await portal();
    const client = await initiator(port);
    const answer = await client.loginStep(WHO, { current: 1, next: 3 }, { tsih: 5 });
    expect(answer?.status).toBe(LoginStatus.sessionDoesNotExist);
  });

  it('of an initiator that is not admitted is refused, to discovery too', async () => {
    const { port } = await portal((name) => (name.endsWith(':b') ? {} : undefined));
    expect((await (await initiator(port)).login())?.status).toBe(LoginStatus.authorizationFailure);
    expect((await (await initiator(port)).login([], { target: null }))?.status).toBe(LoginStatus.authorizationFailure);
    const other = { initiator: 'iqn.2026-11.org.example:b' };
    expect((await (await initiator(port)).login([], other))?.status).toBe(LoginStatus.success);
  });

  it('again with the same name and ISID ends the session before', async () => {
    const { port, lines } = await portal();
    const [first, second, other] = [await initiator(port), await initiator(port), await initiator(port)];
    expect((await first.login())?.status).toBe(0);
    expect((await other.login([], { isid: '00023d000002' }))?.status).toBe(0);
    expect((await second.login())?.status).toBe(0);
    expect(await first.untilClosed()).toBe(true);
    expect(lines.some((line) => line.includes('has logged in anew'))).toBe(true);
    expect((await second.run('00 0000000000'))?.status).toBe(2); // a unit attention
    expect((await other.run('00 0000000000'))?.status).toBe(2);
  });
});

describe('CHAP', () => {
  const admit = (): Admission => ({ chap: CHAP, mutualChap: MUTUAL });

  it('lets in who knows the secret', async () => {
    const { port } = await portal(admit);
    const client = await initiator(port);
    expect((await chap(client, CHAP)).answer?.status).toBe(0);
    expect((await client.loginStep([], { current: 1, next: 3 }))?.status).toBe(0);
    expect((await client.run('00 0000000000'))?.status).toBe(2);
  });

  it.each([
    ['a wrong secret', { ...CHAP, secret: secret('not the secret at all') }],
    ['a wrong name', { ...CHAP, name: 'bob' }],
  ])('refuses %s', async (_what, account) => {
    const { port } = await portal(admit);
    const client = await initiator(port);
    expect((await chap(client, account)).answer?.status).toBe(LoginStatus.authenticationFailure);
    expect(await client.untilClosed()).toBe(true);
  });

  it('cannot be left out, by going on to the next stage or by another method', async () => {
    const { port } = await portal(admit);
    expect((await (await initiator(port)).login())?.status).toBe(LoginStatus.authenticationFailure);
    const none = await (await initiator(port)).loginStep([...WHO, ['AuthMethod', 'None']], { current: 0, next: 3 });
    expect(none?.status).toBe(LoginStatus.authenticationFailure);
    const silent = await (await initiator(port)).loginStep(WHO, { current: 0, next: 3 });
    expect(silent && LoginResponsePdu.transit.get(silent.view, 0)).toBe(false);
    const half = await initiator(port);
    await half.loginStep([...WHO, ['AuthMethod', 'CHAP']], { current: 0, next: 3, transit: false });
    const skipped = await half.loginStep([['CHAP_A', '5']], { current: 0, next: 3 });
    expect(skipped && LoginResponsePdu.transit.get(skipped.view, 0)).toBe(false);
    expect((await half.loginStep([], { current: 0, next: 3 }))?.status).toBe(LoginStatus.authenticationFailure);
  });

  it('proves the target when the initiator asks for it', async () => {
    const { port } = await portal(admit);
    const challenge = new Uint8Array(24).fill(9);
    const asked: [string, string][] = [
      ['CHAP_I', '77'],
      ['CHAP_C', binaryText(challenge)],
    ];
    const { answer } = await chap(await initiator(port), CHAP, asked);
    expect(answer?.pairs.get('CHAP_N')).toBe('mover');
    expect(answer?.pairs.get('CHAP_R')).toBe(binaryText(chapResponse('7', 77, MUTUAL.secret, challenge)));
  });

  it('does not answer its own challenge', async () => {
    const { port } = await portal(admit);
    const client = await initiator(port);
    await client.loginStep([...WHO, ['AuthMethod', 'CHAP']], { current: 0, next: 1, transit: false });
    const asked = await client.loginStep([['CHAP_A', '5']], { current: 0, next: 1, transit: false });
    const challenge = binaryOf(asked?.pairs.get('CHAP_C') ?? '', 1024) ?? new Uint8Array(0);
    const right = chapResponse('5', Number(asked?.pairs.get('CHAP_I')), CHAP.secret, challenge);
    const answer = await client.loginStep(
      [
        ['CHAP_N', CHAP.name],
        ['CHAP_R', binaryText(right)],
        ['CHAP_I', '1'],
        ['CHAP_C', binaryText(challenge)],
      ],
      { current: 0, next: 1 },
    );
    expect(answer?.status).toBe(LoginStatus.authenticationFailure);
  });

  it('guards discovery as well, and no log has a secret', async () => {
    const { port, lines } = await portal(admit);
    expect((await (await initiator(port)).login([], { target: null }))?.status).toBe(LoginStatus.authenticationFailure);
    await chap(await initiator(port), { ...CHAP, secret: secret('guessed wrongly!') });
    expect(lines.join('\n')).not.toMatch(/a secret of 20 bytes|another secret|guessed wrongly/);
  });
});

describe('before login', () => {
  it.each([
    ['a SCSI command', Buffer.concat([Buffer.of(0x01, 0x80), Buffer.alloc(46)])],
    ['a text request', Buffer.concat([Buffer.of(0x04, 0x80), Buffer.alloc(46)])],
    ['a long data segment', Buffer.concat([Buffer.of(0x43, 0x87, 0, 0, 0, 0x00, 0x20, 0x04), Buffer.alloc(40)])],
    [
      'HTTP',
      Buffer.from('GET / HTTP/1.1\r\nHost: example.org\r\nUser-Agent: a client that means another port\r\n\r\n'),
    ],
  ])('%s ends the connection without an answer', async (_what, bytes) => {
    const { port } = await portal();
    const client = await initiator(port);
    client.raw(bytes);
    expect(await client.receive()).toBeUndefined();
    expect(client.closed).toBe(true);
  });

  it('connections beyond the most that are admitted are closed', async () => {
    const { port } = await portal();
    const sockets = Array.from({ length: 70 }, () => connect(port, '127.0.0.1').on('error', () => {}));
    let closed = 0;
    for (const socket of sockets) socket.on('close', () => closed++);
    await expect.poll(() => closed, { timeout: 5000 }).toBe(70 - 64);
    for (const socket of sockets) socket.destroy();
  });
});

describe('discovery', () => {
  it('answers with the address that the initiator has connected to, and only with targets that admit it', async () => {
    const { port } = await portal();
    const client = await initiator(port);
    expect((await client.login([], { target: null }))?.status).toBe(0);
    const request = TextRequestPdu.encode({
      opcode: Opcode.textRequest,
      final: true,
      initiatorTaskTag: 9,
      targetTransferTag: NO_TAG,
      cmdSn: 1,
    });
    client.send(request, encodePairs([['SendTargets', 'All']]));
    const answer = await client.receive();
    expect([...decodePairs(answer?.data ?? new Uint8Array(0))]).toEqual([
      ['TargetName', TARGET],
      ['TargetAddress', `127.0.0.1:${port},1`],
    ]);
  });

  it('sessions reach no unit', async () => {
    const { port } = await portal();
    const client = await initiator(port);
    await client.login([], { target: null });
    client.command('00 0000000000');
    expect((await client.receive())?.opcode).toBe(Opcode.reject);
    expect(await client.untilClosed()).toBe(true);
  });
});
