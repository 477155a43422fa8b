/** `reelmap tape ls`: the cartridges: where they are, what may be done with them, what is on them. */

import type { CartridgeRecord } from '../../tape-index/records.ts';
import type { StoredSet } from '../../tape-index/sets.ts';
import type { CartridgePlace, VirtualLibrary } from '../../target/virtual-library/library.ts';
import type { CommandContext, CommandModule } from '../command.ts';
import { ExitStatus, problemOf } from '../exit.ts';
import { hasIndex, lostIndex } from '../lost-index.ts';
import { formatBytes } from '../progress.ts';
import { safeText } from '../quoting.ts';
import { SHORT_ID } from '../set-spec.ts';
import { libraryOf } from '../tape-library.ts';
import { openIndexStore } from '../workplace.ts';

export const define: CommandModule['define'] = (command, act) => {
  command
    .addHelpText(
      'after',
      '\nStates: blank; append (more can be written); full; error (closed after a write error); read-only;\n' +
        'unknown (written, and not in the index); damaged (its map cannot be read).\n\nExample:\n  reelmap tape ls',
    )
    .action(() => {
      act(list);
    });
};

interface Known {
  readonly records: readonly CartridgeRecord[];
  readonly sets: readonly StoredSet[];
  /** Records of the index that are damaged. */
  readonly problems: readonly string[];
}

async function list(context: CommandContext): Promise<ExitStatus> {
  const { output, home } = context;
  const lost = await lostIndex(home);
  const library = libraryOf(home);
  if (library === undefined) {
    if (output.json) await output.array([]);
    else output.note('no tape library yet; `reelmap backup VOLUME` or `reelmap tape label BARCODE` makes one');
    return ExitStatus.done;
  }
  const known = await knownTo(home);
  const rows = [];
  for (const place of library.inventory()) rows.push(await row(library, place, known));
  if (output.json) await output.array(rows);
  else {
    output.line('barcode     where        state      capacity        used  sets');
    for (const one of rows) output.line(text(one));
  }
  if (lost !== undefined) output.note(`note: ${lost.message}`);
  for (const problem of known.problems) output.error(problemOf(problem));
  const whole =
    known.problems.length === 0 && rows.every(({ state, problems }) => state !== 'damaged' && !problems.length);
  return whole ? ExitStatus.done : ExitStatus.partial;
}

async function knownTo(home: string): Promise<Known> {
  if (!hasIndex(home)) return { records: [], sets: [], problems: [] };
  const [{ listCartridges }, { listSets }] = await Promise.all([
    import('../../tape-index/records.ts'),
    import('../../tape-index/sets.ts'),
  ]);
  await using store = await openIndexStore(home, { command: 'tape ls' });
  const problems: string[] = [];
  const records = await listCartridges(store, (error) => problems.push(error.message));
  const sets = await listSets(store, ({ reason }) => problems.push(reason));
  return { records, sets, problems };
}

interface Row {
  readonly barcode: string;
  readonly where: CartridgePlace['type'];
  /** Which drive or slot, from 0. */
  readonly number: number | null;
  readonly state: string;
  readonly reason: string | null;
  readonly worm: boolean;
  readonly writeProtected: boolean;
  /** Bytes of record data; null: its map cannot be read. */
  readonly capacity: number | null;
  readonly used: number | null;
  readonly tapeFiles: number | null;
  readonly sets: readonly string[];
  readonly usedBy: string | null;
  /** Damage of its map that costs nothing yet. */
  readonly problems: readonly string[];
}

async function row(library: VirtualLibrary, place: CartridgePlace, { records, sets }: Known): Promise<Row> {
  const { barcode, type, number = null, address } = place;
  const holder = type === 'drive' && address !== undefined ? library.driveHolder(address) : undefined;
  const common = {
    barcode,
    where: type,
    number,
    sets: sets.flatMap(({ manifest }) =>
      manifest.cartridges.some((one) => one.barcode === barcode) ? [manifest.set] : [],
    ),
    usedBy: holder === undefined ? null : `process ${holder.pid} (${holder.command}) since ${holder.since}`,
  };
  const record = records.find((one) => one.barcode === barcode);
  try {
    await using map = await library.cartridgeMap(barcode);
    return {
      ...common,
      state: record?.state ?? (map.end.objects === 0 ? 'blank' : 'unknown'),
      reason: record?.reason ?? null,
      worm: map.worm,
      writeProtected: map.case.writeProtected,
      capacity: map.capacity,
      used: map.end.dataEnd,
      tapeFiles: map.end.files,
      problems: map.warnings,
    };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return {
      ...common,
      state: 'damaged',
      reason,
      worm: false,
      writeProtected: false,
      capacity: null,
      used: null,
      tapeFiles: null,
      problems: [],
    };
  }
}

function text(one: Row): string {
  const place = one.where === 'outside' ? 'outside' : `${one.where} ${one.number}`;
  const size = (count: number | null): string => (count === null ? '?' : formatBytes(count)).padStart(10);
  const marks = [
    ...one.sets.map((set) => set.slice(0, SHORT_ID)),
    ...(one.worm ? ['(WORM)'] : []),
    ...(one.writeProtected ? ['(write-protected)'] : []),
    ...(one.reason === null ? [] : [`(${safeText(one.reason)})`]),
    ...one.problems.map((problem) => `(${safeText(problem)})`),
    ...(one.usedBy === null ? [] : [`(${safeText(one.usedBy)})`]),
  ];
  return [
    one.barcode.padEnd(10),
    place.padEnd(11),
    one.state.padEnd(9),
    size(one.capacity),
    size(one.used),
    marks.join(' '),
  ]
    .join('  ')
    .trimEnd();
}
