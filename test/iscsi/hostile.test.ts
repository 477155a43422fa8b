// Hostile bytes: mutated logins, PDUs, CDBs and parameter lists. No crash, no hang, no growth, no other session disturbed.
// REELMAP_FUZZ=100000 is the nightly size (PDUs); REELMAP_SEED=n replays one.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { viewOf } from '../../src/bytes/layout.ts';
import { LoginRequestPdu, NO_TAG, Opcode, ScsiCommandPdu, TextRequestPdu } from '../../src/iscsi/pdu.ts';
import { encodePairs } from '../../src/iscsi/text.ts';
import { encodeLun } from '../../src/scsi/common/commands.ts';
import { naaDesignator } from '../../src/scsi/common/vpd.ts';
import { MemoryStore } from '../../src/storage/memory-store.ts';
import { ChangerUnit } from '../../src/target/changer.ts';
import { diskUnit } from '../../src/target/disk.ts';
import { MapLibrary } from '../support/changers.ts';
import { INITIATOR, openTestPortal, TARGET, type TestPortal, WireInitiator } from '../support/iscsi-wire.ts';
import { type Mover, mover, patterned } from '../support/mover.ts';

const PDUS = Number(process.env.REELMAP_FUZZ ?? 600);
const SEED = Number(process.env.REELMAP_SEED ?? Date.now() % 1_000_000);
const VICTIM = 'iqn.2026-11.org.example:victim';

/** mulberry32: small, and the same everywhere. */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

class Mutator {
  readonly #random: () => number;
  constructor(seed: number) {
    this.#random = generator(seed);
  }
  /** 0 to n - 1. */
  below(n: number): number {
    return Math.floor(this.#random() * n);
  }
  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)];
  }
  bytes(n: number): Uint8Array {
    return Uint8Array.from({ length: n }, () => this.below(256));
  }
  /** A copy with some bytes changed: one bit, a border value, or anything. */
  mutate(data: Uint8Array): Uint8Array {
    const out = data.slice();
    for (let n = this.below(4); n > 0 && out.length > 0; n--) {
      const at = this.below(out.length);
      out[at] = this.pick([out[at] ^ (1 << this.below(8)), 0, 0xff, 0x7f, 0x80, this.below(256)]);
    }
    return out;
  }
}

/** CDBs that some unit serves, with what a wrong one could do most with. */
const CDBS = (
  '000000000000 030000001200 080000000100 0a0000000100 120000002400 120180ff00 1a003f00ff00 150000001800 160000000000 170000000000 ' +
  '1b0000000100 1e0000000100 250000000000000000 280000000000000800 2a0000000000000800 2e0200000000000800 2f0200000000000800 ' +
  '340000000000000000 350000000000000000 3700080000000000ff 410000000000000100 4200000000000018 4d0040000000ff00 5500000000000018 5a003f0000000000ff ' +
  '5e0000000000000100 5f0000000000000018 830000000000000000000000010000 840300000000000000000001000000 880000000000000000000000000800 ' +
  '890000000000000000000000000100 8a0000000000000000000000000800 8b0000000000000000000000000800 8c0000000000000000000000100000 8d00000000000000000000001000 ' +
  '8f0000000000000000000000000800 910000000000000000000000000000 920000000000000000000000000000 930000000000000000000000000800 9c0000000000000000000000000800 ' +
  '9e1000000000000000000000200000 9e1200000000000000000000200000 a00000000000000010000000 a30c00000000000010000000 a5000001100010010000 a6000001100010010000 ' +
  'b8100000ffff00000fff0000 a2200000000000000100 b5200010000000000034 010000000000 050000000000 100000000100 110100000100 190000000000 2b0000000000000000 340600000000000000 440000000000000100'
)
  .split(' ')
  .map((text) => {
    const cdb = new Uint8Array(16);
    cdb.set(Buffer.from(text, 'hex').subarray(0, 16));
    return cdb;
  });

/** A parameter list that begins like one of an EXTENDED COPY, so that its insides are reached. */
function copyList(m: Mutator, designators: readonly Uint8Array[]): Uint8Array {
  const cscds = Array.from({ length: m.below(4) }, () => {
    const out = new Uint8Array(32);
    out.set([0xe4, m.below(2), 0, 0, 0x01, 0x03, 0, 16]);
    out.set(m.pick(designators), 8);
    return m.below(3) === 0 ? m.mutate(out) : out;
  });
  const segments = Array.from({ length: m.below(4) }, () => {
    const type = m.pick([0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x10, 0x11, 0x12, 0x13]);
    const body = m.pick([8, 12, 16, 20, 24, 28]);
    const out = new Uint8Array(4 + body);
    out.set([type, m.below(4), 0, body, 0, m.below(4), 0, m.below(4)]);
    for (let i = 8; i < out.length; i++) out[i] = m.below(4) === 0 ? m.below(256) : 0;
    return out;
  });
  const [targets, segs] = [Buffer.concat(cscds), Buffer.concat(segments)];
  const head = new Uint8Array(16);
  const view = viewOf(head);
  head[0] = m.below(256);
  head[1] = m.pick([0, 0x10, 0x18]);
  view.setUint16(2, targets.length);
  view.setUint32(8, segs.length);
  return Buffer.concat([m.below(4) === 0 ? m.mutate(head) : head, targets, segs, m.bytes(m.below(32))]);
}

function scsiCommand(
  m: Mutator,
  cmdSn: number,
  designators: readonly Uint8Array[],
): { header: Uint8Array; data: Uint8Array } {
  const cdb = m.below(3) === 0 ? m.pick(CDBS) : m.mutate(m.pick(CDBS));
  const copies = cdb[0] === 0x83 && m.below(2) === 0;
  const writes = copies || m.below(2) === 0;
  const data = copies
    ? copyList(m, designators)
    : writes
      ? m.bytes(m.pick([0, 4, 8, 16, 24, 52, 64, 512, 4096]))
      : new Uint8Array(0);
  const own = cdb.slice();
  if (copies) viewOf(own).setUint32(10, data.length);
  const header = ScsiCommandPdu.encode({
    opcode: Opcode.scsiCommand,
    immediate: m.below(8) === 0,
    final: m.below(8) !== 0,
    reads: !writes,
    writes,
    attributes: m.below(5),
    lun: encodeLun(m.below(6)),
    initiatorTaskTag: m.below(1000),
    expectedDataTransferLength: m.pick([data.length, data.length, data.length + 512, 512, 65536, 2 ** 24, 0xffff_ffff]),
    cmdSn: m.below(20) === 0 ? m.below(2 ** 32) : cmdSn,
    cdb: own,
  });
  return { header, data };
}

const WHO: [string, string][] = [
  ['InitiatorName', INITIATOR],
  ['TargetName', TARGET],
  ['HeaderDigest', 'None'],
  ['MaxRecvDataSegmentLength', '65536'],
  ['InitialR2T', 'No'],
];

/** One connection's worth of hostility; answers how many PDUs it was. */
async function attack(m: Mutator, port: number, designators: readonly Uint8Array[]): Promise<number> {
  const client = await WireInitiator.connect(port);
  const kind = m.below(10);
  let sent = 1;
  if (kind === 0) client.raw(m.bytes(1 + m.below(500)));
  else if (kind === 1) {
    const text = m.mutate(encodePairs(WHO));
    const header = LoginRequestPdu.encode({
      immediate: true,
      opcode: Opcode.loginRequest,
      transit: true,
      currentStage: m.below(4),
      nextStage: m.below(4),
      continues: m.below(4) === 0,
    });
    client.send(m.mutate(header), text);
    if (m.below(2) === 0)
      client.send(
        header,
        m.mutate(
          encodePairs([
            ['AuthMethod', 'CHAP'],
            ['CHAP_A', '5'],
            ['CHAP_R', '0x00'],
          ]),
        ),
      );
    sent = 2;
  } else {
    await client.loginStep(WHO, { current: 1, next: 3 }, { isid: `00023d00000${m.below(4)}` });
    for (let n = m.below(24); n > 0 && !client.closed; n--, sent++) {
      const { header, data } = scsiCommand(m, client.cmdSn, designators);
      if ((header[0] & 0x40) === 0) client.cmdSn++;
      const other = m.below(12);
      if (other === 0) client.send(m.mutate(header), data);
      else if (other === 1) client.raw(m.mutate(Buffer.concat([header, data])));
      else if (other === 2)
        client.send(
          m.mutate(
            TextRequestPdu.encode({
              opcode: m.below(64),
              final: true,
              initiatorTaskTag: m.below(9),
              targetTransferTag: NO_TAG,
              cmdSn: client.cmdSn,
            }),
          ),
          m.bytes(m.below(99)),
        );
      else client.send(header, data);
    }
    await client.receive(m.pick([0, 1, 5]));
  }
  client.close();
  return sent;
}

describe(`hostile bytes, seed ${SEED}`, () => {
  let device: Mover;
  let portal: TestPortal;
  let victim: WireInitiator;
  const own = patterned(64 * 1024, 9);

  beforeAll(async () => {
    device = await mover({ disks: [patterned(2 ** 20, 1), patterned(2 ** 20, 2)], tapes: [{ capacity: 8 * 2 ** 20 }] });
    const identity = { name: 'changer', serialNumber: 'C', designator: naaDesignator('fuzz changer') };
    device.router.add(new ChangerUnit(identity, new MapLibrary(4, ['A00001L9', 'A00002L9'])));
    const store = new MemoryStore({ content: own });
    const about = { name: 'victim', serialNumber: 'V', designator: naaDesignator('victim') };
    device.router.add(diskUnit(store, about), 9);
    const admit = (name: string) => ({ luns: new Set(name === VICTIM ? [9] : [1, 2, 3, 4]) });
    portal = await openTestPortal(device.router, admit, { loginMs: 2000 });
    victim = await WireInitiator.connect(portal.port);
    await victim.login([], { initiator: VICTIM });
    await victim.run('00 0000000000', { lun: 9 });
  });
  afterAll(async () => {
    victim?.close();
    await portal?.[Symbol.asyncDispose]();
  });

  it(`${PDUS} PDUs do no harm`, { timeout: 60_000 + PDUS * 20 }, async () => {
    const m = new Mutator(SEED);
    const designators = [...device.router.units.values()].map(({ designator }) => designator.value);
    const check = async (): Promise<void> => {
      const answer = await victim.run('28 00 00000000 00 0080 00', { lun: 9, expect: 65536 });
      expect(answer?.status).toBe(0);
      expect(Buffer.compare(answer?.data ?? new Uint8Array(0), own)).toBe(0);
    };
    let memory = 0;
    for (let sent = 0, rounds = 0; sent < PDUS; rounds++) {
      sent += await attack(m, portal.port, designators);
      if (rounds % 20 === 0) await check();
      if (memory === 0 && sent > PDUS / 4) memory = process.memoryUsage().rss;
    }
    await check();
    const faults = portal.lines.filter((line) => /internal error|a unit failed/.test(line));
    expect(faults).toEqual([]);
    // Commands of sessions that are gone have ended, and nothing of theirs is left.
    await expect.poll(() => portal.portal.sessions().length, { timeout: 5000 }).toBe(1);
    await expect.poll(() => device.router.copyManager.copies, { timeout: 10_000 }).toBe(0);
    expect(process.memoryUsage().rss - memory).toBeLessThan(300 * 2 ** 20);
  });
});
