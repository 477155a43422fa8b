/** `reelmap tape label BARCODE...`: writes labels, on new virtual cartridges where there are none of these barcodes. */
import { UserError } from '../../bytes/errors.ts';
import { systemRandom } from '../../bytes/random.ts';
import { type CartridgeContent, readCartridge } from '../../library/label-cartridge.ts';
import { type HeldByCartridge, heldBy, labelForUse } from '../../library/relabel.ts';
import { readLabelDocuments } from '../../tape/archive/label-documents.ts';
import { BARCODE } from '../../target/virtual-library/cartridge.ts';
import { LIBRARY_DEFAULTS } from '../../target/virtual-library/library.ts';
import type { CommandContext, CommandModule } from '../command.ts';
import { ExitStatus } from '../exit.ts';
import { formatBytes } from '../progress.ts';
import { quote, safeText } from '../quoting.ts';
import { recordSizeOf } from '../record-size.ts';
import { SHORT_ID } from '../set-spec.ts';
import { parseSize } from '../sizes.ts';
import { loadInto } from '../tape-library.ts';
import { PROGRAM } from '../version.ts';
import { openWorkplace, type Workplace } from '../workplace.ts';

interface Options {
  readonly capacity?: string;
  readonly worm?: boolean;
  readonly overwrite?: boolean;
  readonly recordSize?: string;
  readonly wait?: boolean;
}

/** The label itself, a few records, and something to write. */
const CAPACITY_MIN = 4 * 2 ** 20;

export const define: CommandModule['define'] = (command, act) => {
  command
    .argument('<barcodes...>', 'cartridges; a virtual one is made where there is none of that barcode')
    .option('--capacity <size>', 'of a cartridge that is made; default: 1T')
    .option('--worm', 'make it write-once')
    .option('--overwrite', 'although something is on it: that is gone then, and so are the sets that it holds whole')
    .option('--record-size <size>', 'bytes of a tape record, 512 to 512K', '256K')
    .option('--wait', 'wait for a busy drive or index')
    .addHelpText('after', '\nExample:\n  reelmap tape label RM0100L9 RM0101L9 --capacity 100G')
    .action((barcodes: string[], options: Options) => {
      act((context) => labelAll(context, barcodes, options));
    });
};

async function labelAll(context: CommandContext, words: readonly string[], options: Options): Promise<ExitStatus> {
  const barcodes = words.map(barcodeOf);
  const capacity = options.capacity === undefined ? undefined : parseSize(options.capacity, '--capacity', CAPACITY_MIN);
  const recordSize = recordSizeOf(options.recordSize);
  await using place = await openWorkplace(context.home, {
    command: `tape label ${barcodes.join(' ')}`,
    wait: options.wait === true,
    createIndex: true,
    disks: [],
    note: (text) => context.output.note(text),
    signal: context.signal(),
  });
  for (const barcode of barcodes) await labelOne(context, place, barcode, { ...options, capacity, recordSize });
  return ExitStatus.done;
}

function barcodeOf(word: string): string {
  const barcode = word.toUpperCase();
  if (BARCODE.test(barcode)) return barcode;
  throw new UserError(
    `barcode ${quote(Buffer.from(word))}`,
    'has other characters than letters and digits',
    'write RM0100L9',
    {
      kind: 'usage',
    },
  );
}

interface Wanted {
  readonly capacity: number | undefined;
  readonly worm?: boolean;
  readonly overwrite?: boolean;
  readonly recordSize: number;
}

async function labelOne(context: CommandContext, place: Workplace, barcode: string, wanted: Wanted): Promise<void> {
  const { library, station, store } = place;
  const made = await addIfMissing(place, barcode, wanted);
  const there = library.inventory().find((one) => one.barcode === barcode);
  if (there !== undefined) await loadInto(place, there);
  const medium = await station.drive.medium();
  const thing = `cartridge ${barcode}`;
  if (medium.writeProtected) throw new UserError(thing, 'is write-protected', 'turn its switch, or use another');
  const content = await readCartridge(station.drive, barcode);
  const held = await heldBy(store, station.drive, content);
  if (wanted.overwrite !== true) refuseIfUsed(thing, content, held);
  if (content.kind !== 'blank' && medium.worm)
    throw new UserError(thing, 'is write-once and not blank', 'use another cartridge');
  const { record, dropped, cut } = await labelForUse({
    barcode,
    recordSize: wanted.recordSize,
    program: PROGRAM,
    worm: medium.worm,
    station,
    store,
    held,
    documents: await readLabelDocuments(),
    clock: context.clock,
    random: systemRandom,
  });
  const { output } = context;
  const ids = (sets: readonly string[]): string => sets.map((set) => set.slice(0, SHORT_ID)).join(', ');
  if (output.json) output.value({ barcode, cartridge: record.id, made, dropped, cut });
  else {
    output.line(`${thing}: ${made ? 'made and ' : ''}labelled`);
    if (dropped.length > 0) output.line(`  was on it, and is gone: ${ids(dropped)}`);
    if (cut.length > 0) output.line(`  was partly on it, and cannot be restored whole any more: ${ids(cut)}`);
  }
}

async function addIfMissing({ library }: Workplace, barcode: string, wanted: Wanted): Promise<boolean> {
  const there = library.inventory().some((one) => one.barcode === barcode);
  if (!there) {
    await library.addCartridge(barcode, wanted.capacity ?? LIBRARY_DEFAULTS.capacity, { worm: wanted.worm === true });
    return true;
  }
  if (wanted.capacity === undefined && wanted.worm !== true) return false;
  await using map = await library.cartridgeMap(barcode);
  throw new UserError(
    `cartridge ${barcode}`,
    `is there already, ${formatBytes(map.capacity)}${map.worm ? ', write-once' : ''}`,
    '--capacity and --worm are for new ones: leave them out, or name another barcode',
  );
}

/** @throws UserError when a new label would destroy something */
function refuseIfUsed(thing: string, content: CartridgeContent, held: HeldByCartridge): void {
  const anyway = 'use another, or --overwrite';
  if (content.kind === 'blank') return;
  if (content.kind === 'foreign') throw new UserError(thing, `holds something else: ${safeText(content.what)}`, anyway);
  const sets = held.sets.map(({ set, volume }) => `${set.slice(0, SHORT_ID)} of ${safeText(volume.name)}`);
  if (sets.length > 0) throw new UserError(thing, `holds sets: ${sets.join(', ')}`, anyway);
  const runs = held.runs.map(({ volume }) => safeText(volume.name));
  if (runs.length > 0)
    throw new UserError(thing, `holds an unfinished backup of ${runs.join(', ')}`, `finish it, or ${anyway}`);
  if (held.data)
    throw new UserError(
      thing,
      'holds data that the index does not know',
      `run \`reelmap index rebuild\`, or ${anyway}`,
    );
}
