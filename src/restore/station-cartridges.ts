/** A set's cartridges through one drive and its changer; each is known by its label before anything is believed of it. */
import { FormatError } from '../bytes/errors.ts';
import type { TapeStation } from '../library/station.ts';
import { nextRecordOf, RECORD_BYTES_MAX, withFirst } from '../library/tape-file.ts';
import type { CartridgeSource, LoadedCartridge } from './read-plan.ts';

export interface SetCartridge {
  /** From the label; 32 hexadecimal digits. */
  readonly id: string;
  readonly barcode: string;
}

export interface StationCartridges extends CartridgeSource {
  /** 0: in the drive; 1: in the library; 2: elsewhere. As of when this was made. */
  rank(cartridge: string): number;
  /** The barcode, or the beginning of an id that is not the set's. */
  labelOf(cartridge: string): string;
}

/**
 * @param cartridges those of the set, from its manifest
 * @param note for the user: a cartridge whose label cannot be read
 */
export async function stationCartridges(
  station: TapeStation,
  cartridges: readonly SetCartridge[],
  note: (text: string) => void,
): Promise<StationCartridges> {
  const barcodes = new Map(cartridges.map(({ id, barcode }) => [id, barcode]));
  const inDrive = await station.loaded();
  const within = new Set(await station.barcodes());
  const labelOf = (cartridge: string): string => barcodes.get(cartridge) ?? cartridge.slice(0, 8);
  /** Whose label was read, and that is in the drive since. */
  let known: string | undefined;
  return {
    labelOf,
    rank(cartridge) {
      const barcode = barcodes.get(cartridge);
      if (barcode === undefined) return 2;
      return barcode === inDrive ? 0 : within.has(barcode) ? 1 : 2;
    },
    async load(cartridge, signal) {
      const label = `cartridge ${labelOf(cartridge)}`;
      const barcode = barcodes.get(cartridge);
      if (barcode === undefined) return `${label}: the set does not name it`;
      if (!(await station.barcodes()).includes(barcode)) {
        const why = await station.reach?.(barcode, signal);
        if (why !== undefined) return `${label}: ${why}`;
        if (!(await station.barcodes()).includes(barcode))
          return `${label}: not in the library; put it in and run the command again`;
      }
      if (known !== cartridge) {
        known = undefined;
        await station.load(barcode);
        const wrong = await whyNot(station, cartridge, barcode, note);
        if (wrong !== undefined) return `${label}: ${wrong}`;
        known = cartridge;
      }
      // The drive is the station's, and stays.
      const loaded: LoadedCartridge = { drive: station.drive, label, async [Symbol.asyncDispose]() {} };
      return loaded;
    },
  };
}

/**
 * Why the cartridge in the drive is not the one that the set was written to; undefined: it is. A label that cannot be read
 * costs nothing but certainty: the barcode and every record's checksum still speak for the cartridge.
 */
async function whyNot(
  { drive }: TapeStation,
  cartridge: string,
  barcode: string,
  note: (text: string) => void,
): Promise<string | undefined> {
  await drive.rewind();
  const buffer = new Uint8Array(RECORD_BYTES_MAX);
  const read = await drive.read(buffer);
  if (read.kind === 'filemark' || read.kind === 'end-of-data') return 'it is blank: what the set had on it is gone';
  const unread = (why: string): undefined => {
    note(`cartridge ${barcode}: its label cannot be read (${why}); known by its barcode alone`);
    return undefined;
  };
  if (read.kind === 'damaged') return unread('the record is damaged');
  const { classifyFile } = await import('../tape/archive/classify.ts');
  const kind = classifyFile(read.data);
  if (kind.kind === 'foreign-tar')
    return `it was not written by reelmap: a tar archive that begins with ${kind.firstMember}`;
  if (kind.kind !== 'label')
    return `it has no label: ${kind.kind === 'unknown' ? kind.reason : `a ${kind.kind} is in its place`}`;
  try {
    const { readLabel } = await import('../tape/archive/label.ts');
    const label = await readLabel(
      withFirst(read.data.slice(), nextRecordOf(drive, barcode, 1)),
      `cartridge ${barcode}`,
    );
    if (label.cartridge === cartridge) return undefined;
    return `it was labelled anew on ${label.createdAt.slice(0, 10)}: what the set had on it is gone`;
  } catch (error) {
    if (error instanceof FormatError) return unread(error.what);
    throw error;
  }
}
