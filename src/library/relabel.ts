/** What a new label would destroy, and writing one: tape and index together. */
import type { Clock, Random } from '../bytes/random.ts';
import type { Bytes } from '../bytes/units.ts';
import type { TapeDrive } from '../initiator/tape-drive.ts';
import type { LabelDocuments } from '../tape/archive/label.ts';
import type { KvStore } from '../tape-index/kv-store.ts';
import {
  type CartridgeRecord,
  dropCartridge,
  dropRun,
  listRuns,
  putCartridge,
  type RunRecord,
} from '../tape-index/records.ts';
import { dropSet, dropUnsealedSet, listSets, type SetManifest } from '../tape-index/sets.ts';
import { newCartridgeRecord } from './cartridge-record.ts';
import { type CartridgeContent, labelCartridge } from './label-cartridge.ts';
import type { TapeStation } from './station.ts';

export interface HeldByCartridge {
  /** Its id, if it has a label. */
  readonly id: string | undefined;
  /** Sets that have something on it, as the index knows them. */
  readonly sets: readonly SetManifest[];
  /** Unfinished backups that have something on it. */
  readonly runs: readonly RunRecord[];
  /** There is something behind the label. */
  readonly data: boolean;
}

/** @param content what `readCartridge` found on the cartridge in the drive */
export async function heldBy(store: KvStore, drive: TapeDrive, content: CartridgeContent): Promise<HeldByCartridge> {
  if (content.kind !== 'labelled') return { id: undefined, sets: [], runs: [], data: content.kind === 'foreign' };
  const id = content.label.cartridge;
  const sets = (await listSets(store)).map(({ manifest }) => manifest);
  const runs = await listRuns(store);
  await drive.locateEndOfData();
  return {
    id,
    sets: sets.filter(({ cartridges }) => cartridges.some((one) => one.id === id)),
    runs: runs.filter((run) => cartridgesOf(run).includes(id)),
    data: (await drive.position()).object > content.labelEnd,
  };
}

/** A run's own record of its cartridges; another kind of run may have none. */
function cartridgesOf({ detail }: RunRecord): string[] {
  const { cartridges } = detail;
  return Array.isArray(cartridges) ? cartridges.map((one: { readonly id?: unknown }) => String(one.id)) : [];
}

export interface RelabelRequest {
  readonly barcode: string;
  readonly recordSize: Bytes;
  readonly program: string;
  readonly worm: boolean;
  /** The cartridge is in its drive. */
  readonly station: TapeStation;
  readonly store: KvStore;
  /** Goes. */
  readonly held: HeldByCartridge;
  readonly documents: LabelDocuments;
  readonly clock: Clock;
  readonly random: Random;
}

export interface Relabelled {
  readonly record: CartridgeRecord;
  /** Sets that were on this cartridge alone, and are not in the index any more. */
  readonly dropped: readonly string[];
  /** Sets of which something is left on other cartridges. */
  readonly cut: readonly string[];
}

/**
 * Writes a label on the cartridge in the drive; whatever was on it is gone. The index forgets first: a crash in between
 * leaves a tape that `index rebuild` finds again, never a set in the index that is not on tape.
 */
export async function labelForUse(request: RelabelRequest): Promise<Relabelled> {
  const { store, station, held, barcode, recordSize, program, clock, random, worm } = request;
  const [dropped, cut]: [string[], string[]] = [[], []];
  for (const { set, cartridges } of held.sets) {
    const whole = cartridges.every(({ id }) => id === held.id) && (await dropSet(store, set)).length === 0;
    (whole ? dropped : cut).push(set);
  }
  for (const run of held.runs) {
    await store.batch([dropRun(run.id)], { sync: true });
    await dropUnsealedSet(store, run.set);
  }
  if (held.id !== undefined) await store.batch([dropCartridge(held.id)], { sync: true });
  const { label, labelEnd } = await labelCartridge(
    station.drive,
    { barcode, recordSize, program, pool: 'default' },
    request.documents,
    clock,
    random,
  );
  const record = newCartridgeRecord(label, labelEnd, worm, new Date(clock()).toISOString());
  await store.batch([putCartridge(record)], { sync: true });
  return { record, dropped, cut };
}
