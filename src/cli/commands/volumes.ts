/** `reelmap volumes`: this machine's block devices, what is on them, and whether they can be backed up now. */
import { FormatError } from '../../bytes/errors.ts';
import { lookAt, type VolumeLook } from '../../catalog/source.ts';
import { readAtOf } from '../../filesystem/volume.ts';
import { openFileStore } from '../../storage/file-store.ts';
import { encodeArgument } from '../argv.ts';
import type { CommandContext, CommandModule } from '../command.ts';
import { ExitStatus } from '../exit.ts';
import type { BlockDeviceFacts, Machine } from '../machine/facts.ts';
import { readMachine } from '../machine/read-machine.ts';
import { type Probe, type VolumeRow, volumeRows } from '../machine/verdict.ts';
import { formatBytes } from '../progress.ts';
import { quote, safeText } from '../quoting.ts';
import { filesystemOpeners } from '../workplace.ts';

export const define: CommandModule['define'] = (command, act) => {
  command
    .argument('[volumes...]', 'only these devices; default: all')
    .addHelpText('after', '\nNothing is written, and no tape moves.\n\nExample:\n  reelmap volumes')
    .action((words: string[]) => {
      act((context) => listVolumes(context, words));
    });
};

async function listVolumes({ output, signal }: CommandContext, words: readonly string[]): Promise<ExitStatus> {
  const machine = readMachine();
  const rows = volumeRows(machine, await probeAll(machine, signal()), (path) => quote(encodeArgument(path)));
  const chosen = words.length === 0 ? rows : rows.filter((row) => isNamed(row, words));
  if (output.json) {
    await output.array(chosen);
    return ExitStatus.done;
  }
  if (chosen.length === 0) output.note('no block devices here; an image file can be backed up as well');
  for (const row of chosen) {
    output.line(headLine(row));
    output.line(`    ${verdictWords(row)}`);
  }
  return ExitStatus.done;
}

const isNamed = ({ volume, mountPoints }: VolumeRow, words: readonly string[]): boolean =>
  words.some((word) => volume === word || volume.startsWith(`${word}#`) || mountPoints.includes(word));

function headLine({ volume, kind, byteLength, type, label, uuid, mountPoints }: VolumeRow): string {
  const words = [quote(encodeArgument(volume)), kind, byteLength === 0 ? '' : formatBytes(byteLength), safeText(type)];
  if (label !== '') words.push(`"${safeText(label)}"`);
  if (uuid !== '') words.push(safeText(uuid));
  if (mountPoints.length > 0) words.push(`at ${mountPoints.map((one) => quote(encodeArgument(one))).join(', ')}`);
  return words.filter((word) => word !== '').join('  ');
}

function verdictWords({ verdict, why, how }: VolumeRow): string {
  if (verdict === 'now') return `can be backed up now (${safeText(why)}): ${how}`;
  return `${verdict === 'snapshot' ? 'not as it is' : 'no'}: ${safeText(why)}`;
}

async function probeAll(machine: Machine, signal: AbortSignal): Promise<Map<string, Probe>> {
  const probes = new Map<string, Probe>();
  for (const device of machine.devices)
    if (device.byteLength > 0 && device.path !== undefined)
      probes.set(device.name, await probe(device, device.path, signal));
  return probes;
}

async function probe(device: BlockDeviceFacts, path: string, signal: AbortSignal): Promise<Probe> {
  const { byteLength, sectorSize } = device;
  try {
    await using store = await openFileStore(path, { writable: false, direct: 'never' });
    return probeOf(
      await lookAt({ readAt: readAtOf(store, path), byteLength, source: path, sectorSize }, filesystemOpeners, signal),
    );
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return { error: error.what, type: '', label: '', uuid: '', reason: null, parts: [] };
  }
}

function probeOf({ disk, parts }: VolumeLook): Probe {
  const [first] = parts;
  const whole = disk === undefined ? first : undefined;
  return {
    type: whole?.described?.type ?? disk?.type ?? '',
    label: whole?.described?.label ?? '',
    uuid: whole?.described?.uuid ?? disk?.id ?? '',
    reason: whole?.reason ?? null,
    parts: disk === undefined ? [] : parts.map(probedPart),
  };
}

const probedPart = ({ path = '', map, described, reason }: VolumeLook['parts'][number]): Probe['parts'][number] => ({
  name: path.slice(1),
  byteLength: map.byteLength,
  type: described?.type ?? '',
  label: described?.label ?? '',
  uuid: described?.uuid ?? '',
  reason,
  ranges: map.segments.map((one) => ({ start: one.volumeOffset, end: one.volumeOffset + one.byteLength })),
});
