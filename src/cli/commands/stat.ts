/** `reelmap stat SET PATH`: one entry with all that the index knows, and where on tape it lies. */

import type { Bytes, TapeObject } from '../../bytes/units.ts';
import { ExtentKind } from '../../filesystem/filesystem.ts';
import { planRestore, type RestorePlan, WantedExtents } from '../../plan/restore-plan.ts';
import type { IndexedExtent } from '../../tape-index/entry.ts';
import type { Proof } from '../../tape-index/proofs.ts';
import type { CommandContext, CommandModule } from '../command.ts';
import { entryJson, filesystemJson, filesystemText, modeText, targetOf, timeText, typeWord } from '../entry-text.ts';
import { ExitStatus } from '../exit.ts';
import { entryAt, filesystemNumber, openSet, pathOf } from '../open-set.ts';
import { formatBytes } from '../progress.ts';
import { jsonBytes, quote, safeText } from '../quoting.ts';
import type { ListedEntry, SetView } from '../services.ts';

/** Extents and positions shown to people; --json has all. */
const SHOWN_MAX = 20;

export const define: CommandModule['define'] = (command, act) => {
  command
    .argument('<set>', 'an id, a prefix of one, NAME, NAME@latest, NAME@DATE, or latest')
    .argument('<path>', 'the entry')
    .option('--partition <part>', 'the filesystem of one partition (2) or logical volume (vg/lv), as if it were all')
    .addHelpText('after', '\nExample:\n  reelmap stat home@latest /etc/fstab')
    .action((set: string, path: string, options: { readonly partition?: string }) => {
      act((context) => show(context, set, path, options.partition));
    });
};

/** A piece of the entry's content on tape: bytes in a row there and in the file. */
interface TapePosition {
  readonly barcode: string;
  /** The record in which it begins, where in it, and how many records it touches. */
  readonly object: TapeObject;
  readonly byteInRecord: Bytes;
  readonly records: number;
  readonly fileOffset: Bytes;
  readonly byteLength: Bytes;
  /** Of a virtual cartridge: byte of its `data` file. */
  readonly dataFileOffset?: Bytes;
}

async function show(
  context: CommandContext,
  word: string,
  path: string,
  partition: string | undefined,
): Promise<ExitStatus> {
  const { output } = context;
  await using open = await openSet(async () => (await context.services()).openIndex(context.home), word);
  const wanted = pathOf(path);
  const entry = await entryAt(open.view, wanted, filesystemNumber(open.record, partition));
  const plan = await planEntry(open.view, entry);
  const onTape = positionsOf(plan, open.record.cartridges);
  const positions = await withDataOffsets(context, onTape);
  const proof = await open.view.proof?.(entry);
  const status = plan.unknown.count > 0 ? ExitStatus.partial : ExitStatus.done;
  const within = open.record.filesystems.find(({ number }) => number === entry.filesystem);
  if (output.json) {
    const { set } = open.record;
    const extents = entry.extents.map(({ literal, ...rest }) =>
      literal === undefined ? rest : { ...rest, bytes: literal.length },
    );
    const xattrs = entry.xattrs.map(({ name, value }) => ({
      ...jsonBytes('name', name),
      valueBytes: Buffer.from(value).toString('base64'),
    }));
    output.value({
      set,
      ...jsonBytes('path', wanted),
      ...entryJson(entry),
      ...(within && { within: filesystemJson(within) }),
      extents,
      xattrs,
      tape: positions,
      tapeUnknown: plan.unknownReasons[0] ?? null,
      proof: proof ?? null,
    });
    return status;
  }
  const of = within === undefined ? [] : [`within     ${within.path ?? '/'} (${filesystemText(within)})`];
  for (const line of [...headLines(entry, wanted), ...of, ...extentLines(entry.extents), ...tapeLines(positions)])
    output.line(line);
  if (plan.unknown.count > 0) output.line(`tape       not known: ${plan.unknownReasons[0]}`);
  output.line(`proof      ${proofText(proof)}`);
  return status;
}

function proofText(proof: Proof | undefined): string {
  const reason = proof?.reason ? `: ${safeText(proof.reason)}` : '';
  if (proof === undefined || proof.at === null)
    return `unread since it was written${reason}; \`reelmap verify\` reads it`;
  return `${proof.level}, ${proof.at}${reason}`;
}

async function planEntry(view: SetView, entry: ListedEntry): Promise<RestorePlan> {
  const wanted = new WantedExtents();
  for (const { kind, fileOffset, volumeOffset, byteLength } of entry.extents)
    if (kind === 'stored' || kind === 'escaped') wanted.add(0, ExtentKind[kind], fileOffset, volumeOffset, byteLength);
  return planRestore(wanted, view, { gapBytesMax: 0 });
}

/** In the order of the file. */
function positionsOf(
  { chunks, cartridges, pieces, recordSize }: RestorePlan,
  known: readonly { readonly id: string; readonly barcode: string }[],
): TapePosition[] {
  const out: TapePosition[] = [];
  for (const { cartridge, reads } of cartridges) {
    const barcode = known.find((one) => one.id === cartridge)?.barcode ?? cartridge;
    for (const { chunk, pieceFrom, pieceTo } of reads) {
      const { dataObject } = chunks[chunk].copy;
      for (let row = pieceFrom; row < pieceTo; row++) {
        const [place, byteLength] = [pieces.place[row], pieces.length[row]];
        const first = Math.floor(place / recordSize);
        out.push({
          barcode,
          object: dataObject + first,
          byteInRecord: place % recordSize,
          records: Math.floor((place + byteLength - 1) / recordSize) - first + 1,
          fileOffset: pieces.fileOffset[row],
          byteLength,
        });
      }
    }
  }
  return out.sort((a, b) => a.fileOffset - b.fileOffset);
}

async function withDataOffsets(context: CommandContext, positions: readonly TapePosition[]): Promise<TapePosition[]> {
  const services = await context.services();
  const offsets = (await services.dataOffsets?.(context.home, positions).catch(() => undefined)) ?? [];
  return positions.map((one, i) => {
    const at = offsets[i];
    return at === undefined ? one : { ...one, dataFileOffset: at + one.byteInRecord };
  });
}

function headLines(entry: ListedEntry, path: Uint8Array): string[] {
  const target = targetOf(entry);
  const device = entry.device === null ? '' : `, device ${entry.device.major}:${entry.device.minor}`;
  return [
    `path       ${quote(path)}${target === undefined ? '' : ` -> ${quote(target)}`}`,
    `type       ${typeWord(entry)}${device}`,
    `size       ${entry.size} (${formatBytes(entry.size)})`,
    `mode       ${modeText(entry.mode)} (0${(entry.mode & 0o7777).toString(8)})`,
    `owner      ${entry.uid}:${entry.gid}`,
    `links      ${entry.linkCount}, inode ${entry.inode}, generation ${entry.generation}`,
    `accessed   ${timeText(entry.atime)}`,
    `modified   ${timeText(entry.mtime)}`,
    `changed    ${timeText(entry.ctime)}`,
    ...entry.xattrs.map(({ name, value }) => `xattr      ${quote(name)} (${value.length} bytes)`),
    ...entry.problems.map((problem) => `problem    ${safeText(problem)}`),
  ];
}

function extentLines(extents: readonly IndexedExtent[]): string[] {
  const lines = extents.slice(0, SHOWN_MAX).map(({ kind, fileOffset, byteLength, volumeOffset }) => {
    const at = kind === 'stored' || kind === 'escaped' ? ` at volume byte ${volumeOffset}` : '';
    return `extent     file byte ${fileOffset}, ${byteLength} bytes, ${kind}${at}`;
  });
  if (extents.length > SHOWN_MAX) lines.push(`extent     ... ${extents.length - SHOWN_MAX} more (--json has all)`);
  return lines;
}

function tapeLines(positions: readonly TapePosition[]): string[] {
  const lines = positions
    .slice(0, SHOWN_MAX)
    .map(({ barcode, object, byteInRecord, records, byteLength, dataFileOffset }) => {
      const data = dataFileOffset === undefined ? '' : `; byte ${dataFileOffset} of its data file`;
      return `tape       cartridge ${safeText(barcode)}, object ${object}, byte ${byteInRecord} of the record: ${byteLength} bytes in ${records} records${data}`;
    });
  if (positions.length > SHOWN_MAX) lines.push(`tape       ... ${positions.length - SHOWN_MAX} more (--json has all)`);
  return lines;
}
