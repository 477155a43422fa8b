/** `reelmap tape export-files SET DIR`: each tape file of a set as a file, byte for byte what `dd` of the tape would give. */
import { closeSync, fsyncSync, openSync, readdirSync, renameSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { FormatError, UserError } from '../../bytes/errors.ts';
import type { Manifest } from '../../bytes/manifest.ts';
import type { Bytes, TapeObject } from '../../bytes/units.ts';
import { scanForwards } from '../../catalog/scan.ts';
import type { TapeDrive } from '../../initiator/tape-drive.ts';
import { RECORD_BYTES_MAX } from '../../library/tape-file.ts';
import { type StationCartridges, stationCartridges } from '../../restore/station-cartridges.ts';
import { makeFolders } from '../../storage/make-folders.ts';
import { wholeManifest } from '../../tape-index/sets.ts';
import { encodeArgument } from '../argv.ts';
import type { CommandContext, CommandModule } from '../command.ts';
import { ExitStatus } from '../exit.ts';
import { formatBytes } from '../progress.ts';
import { quote, safeText } from '../quoting.ts';
import { findStoredSet } from '../set-spec.ts';
import { systemWords } from '../system-words.ts';
import { textPath } from '../text-path.ts';
import { openWorkplace } from '../workplace.ts';

interface Options {
  readonly overwrite?: boolean;
  readonly wait?: boolean;
}

export const define: CommandModule['define'] = (command, act) => {
  command
    .argument('<set>', 'an id, a prefix of one, NAME, NAME@latest, NAME@DATE, or latest')
    .argument('<dir>', 'a folder for the files; made when it is not there')
    .option('--overwrite', 'although the folder is not empty')
    .option('--wait', 'wait for a busy drive or index')
    .addHelpText(
      'after',
      '\nNNNNNN.chunk.tar in the order of the volume; before them the label of the first cartridge, with restore.py in it,\n' +
        "behind them the set's index. Stock tar reads them: `for f in *.chunk.tar; do tar -b 512 -xSf $f; done`.\n\n" +
        'Example:\n  reelmap tape export-files home@latest /mnt/usb/home-files',
    )
    .action((set: string, dir: string, options: Options) => {
      act((context) => exportFiles(context, set, dir, options));
    });
};

/** A tape file to copy. */
interface Wanted {
  readonly kind: 'label' | 'chunk' | 'index';
  /** Cartridge id. */
  readonly cartridge: string;
  readonly object: TapeObject;
}

async function exportFiles(context: CommandContext, word: string, dir: string, options: Options): Promise<ExitStatus> {
  const { output } = context;
  await using place = await openWorkplace(context.home, {
    command: `tape export-files ${word}`,
    wait: options.wait === true,
    disks: [],
    note: (text) => output.note(text),
    signal: context.signal(),
  });
  const stored = await findStoredSet(place.store, word);
  const manifest = await wholeManifest(place.store, stored);
  makeFolder(textPath(dir), options.overwrite === true);
  const cartridges = await stationCartridges(place.station, manifest.cartridges, (text) => output.note(text));
  const total = manifest.chunks.reduce((sum, { copies: [copy] }) => sum + copy.records * manifest.recordSize, 0);
  const copier = new Copier(context, cartridges, dir, total);
  for (const wanted of filesOf(manifest)) await copier.copy(wanted);
  const index = await findIndex(cartridges, manifest);
  if (typeof index === 'string') copier.problem(index);
  else await copier.copy(index);
  return copier.report(manifest);
}

function makeFolder(dir: string, overwrite: boolean): void {
  const shown = quote(encodeArgument(dir));
  try {
    makeFolders(dir);
    if (readdirSync(dir).length > 0 && !overwrite)
      throw new UserError(shown, 'is not empty', 'name a new folder, or use --overwrite');
  } catch (cause) {
    if (cause instanceof UserError) throw cause;
    const { code } = cause as NodeJS.ErrnoException;
    const words = code === 'ENOTDIR' ? 'is no folder' : `cannot be made: ${systemWords(cause)}`;
    throw new UserError(shown, words, 'name another folder', { cause });
  }
}

function filesOf({ cartridges, chunks }: Manifest): Wanted[] {
  const chunkFiles = chunks.map(({ copies: [copy] }) => ({
    kind: 'chunk' as const,
    cartridge: copy.cartridge,
    object: copy.firstObject,
  }));
  const [first] = cartridges;
  return first === undefined ? chunkFiles : [{ kind: 'label', cartridge: first.id, object: 0 }, ...chunkFiles];
}

/** The set's index file: on its last cartridge, behind its last chunk there. A text: why it is not to be had. */
async function findIndex(cartridges: StationCartridges, manifest: Manifest): Promise<Wanted | string> {
  const last = manifest.cartridges[manifest.cartridges.length - 1];
  const loaded = await cartridges.load(last.id);
  if (typeof loaded === 'string') return loaded;
  const behind = manifest.chunks
    .flatMap(({ copies }) => copies)
    .filter(({ cartridge }) => cartridge === last.id)
    .reduce((end, { firstObject, records }) => Math.max(end, firstObject + records + 1), 0);
  for await (const { object, what } of scanForwards(loaded.drive, last.barcode, behind)) {
    if (what.kind === 'index' && what.set === manifest.set) return { kind: 'index', cartridge: last.id, object };
  }
  return `${loaded.label}: the set's index file is not found behind object ${behind}`;
}

class Copier {
  readonly #context: CommandContext;
  readonly #cartridges: StationCartridges;
  readonly #dir: string;
  readonly #buffer = new Uint8Array(RECORD_BYTES_MAX);
  readonly #files: { readonly name: string; readonly byteLength: Bytes }[] = [];
  readonly #problems: string[] = [];
  /** About what there is to copy: label and index come on top. */
  readonly #total: Bytes;
  #bytes = 0;

  constructor(context: CommandContext, cartridges: StationCartridges, dir: string, total: Bytes) {
    this.#context = context;
    this.#total = total;
    this.#cartridges = cartridges;
    this.#dir = dir;
  }

  problem(words: string): void {
    this.#problems.push(words);
  }

  /** One tape file; it has its name only when it is whole. Numbers are given to files that cannot be had, too. */
  async copy({ kind, cartridge, object }: Wanted): Promise<void> {
    const number = this.#files.length;
    const name = `${String(number).padStart(6, '0')}.${kind}.tar`;
    const making = join(this.#dir, `.${name}.part`);
    const loaded = await this.#cartridges.load(cartridge);
    this.#files.push({ name, byteLength: 0 });
    if (typeof loaded === 'string') return this.problem(`${name}: ${loaded}`);
    const fd = openSync(making, 'w', 0o600);
    try {
      if (!(await loaded.drive.locate(object)))
        throw new FormatError('corrupt', loaded.label, `ends before object ${object}`);
      const byteLength = await this.#records(loaded.drive, fd, `${name}: ${loaded.label}`, object);
      fsyncSync(fd);
      this.#files[number] = { name, byteLength };
      renameSync(making, join(this.#dir, name));
    } catch (error) {
      rmSync(making, { force: true });
      // write(2) by descriptor knows no path.
      if (!(error instanceof FormatError)) throw Object.assign(error as Error, { path: join(this.#dir, name) });
      this.problem(`${name}: ${error.message}`);
    } finally {
      closeSync(fd);
    }
  }

  /** Records up to the filemark. A damaged one is zeros, as `dd conv=noerror,sync` has it, so that what follows keeps its place. */
  async #records(drive: TapeDrive, fd: number, where: string, first: TapeObject): Promise<Bytes> {
    let byteLength = 0;
    let recordBytes = 0;
    for (let object = first; ; object++) {
      this.#context.signal().throwIfAborted();
      const read = await drive.read(this.#buffer);
      if (read.kind === 'filemark' || read.kind === 'end-of-data') return byteLength;
      if (read.kind === 'record' && read.length > this.#buffer.length)
        throw new FormatError('unsupported', where, `object ${object} is a record of ${read.length} bytes`);
      if (read.kind === 'damaged') {
        if (recordBytes === 0) throw new FormatError('io', where, `object ${object} is damaged`);
        this.problem(`${where}, object ${object}: the record is damaged; ${recordBytes} zeros in its place`);
      }
      const data = read.kind === 'record' ? read.data : new Uint8Array(recordBytes);
      recordBytes ||= data.length;
      for (let at = 0; at < data.length; ) at += writeSync(fd, data, at);
      byteLength += data.length;
      this.#bytes += data.length;
      const { name } = this.#files[this.#files.length - 1];
      const total = Math.max(this.#bytes, this.#total);
      this.#context.progress().update({ phase: 'copying', done: this.#bytes, total, unit: 'bytes', detail: name });
    }
  }

  report({ set }: Manifest): ExitStatus {
    const { output, progress } = this.#context;
    progress().end();
    const files = this.#files.filter(({ byteLength }) => byteLength > 0);
    if (output.json) output.value({ event: 'result', set, files, problems: this.#problems });
    else {
      for (const words of this.#problems) output.note(safeText(words));
      output.line(`${files.length} tape files, ${formatBytes(this.#bytes)}, in ${quote(encodeArgument(this.#dir))}`);
    }
    return this.#problems.length > 0 ? ExitStatus.partial : ExitStatus.done;
  }
}
