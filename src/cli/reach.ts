/** Where a virtual cartridge is, and getting at one that another process has. */
import { FormatError, UserError } from '../bytes/errors.ts';
import { ScsiError } from '../initiator/scsi-error.ts';
import type { TapeStation } from '../library/station.ts';
import type { VirtualLibrary } from '../target/virtual-library/library.ts';
import { sleep } from './sleep.ts';

export interface Reach {
  readonly command: string;
  /** Wait for a cartridge that another process uses. */
  readonly wait: boolean;
  readonly note: (text: string) => void;
  readonly signal?: AbortSignal;
}

/** How often a busy drive or cartridge is asked for again with --wait. */
export const LOOK_MS = 500;

/** Why a cartridge cannot be had, and what to do: it is outside, or in a drive that another process uses. */
export function whereabouts(
  library: VirtualLibrary,
  barcode: string,
): { readonly what: string; readonly remedy: string; readonly busy: boolean } | undefined {
  const place = library.inventory().find((one) => one.barcode === barcode);
  if (place?.type === 'outside')
    return { what: 'outside the library', remedy: `\`reelmap tape import ${barcode}\` takes it in`, busy: false };
  const holder =
    place?.type === 'drive' && place.address !== undefined ? library.driveHolder(place.address) : undefined;
  if (holder === undefined || holder.pid === process.pid) return undefined;
  const what = `in drive ${place?.number}, which process ${holder.pid} (${holder.command}) uses since ${holder.since}`;
  return { what, remedy: 'wait for it', busy: true };
}

/** The station of drive `mine`, which gets at cartridges in other drives once nobody uses those. */
export function reachingStation(
  library: VirtualLibrary,
  station: TapeStation,
  mine: number,
  options: Reach,
): TapeStation {
  const reach = async (barcode: string, signal = options.signal): Promise<string | undefined> => {
    for (let told = false; ; told = true) {
      const why = whereabouts(library, barcode);
      if (why === undefined) {
        library.emptyIdleDrives(mine, options.command);
        return undefined;
      }
      if (!why.busy) return `${why.what}; ${why.remedy}`;
      if (!options.wait) throw new UserError(`cartridge ${barcode}`, why.what, `${why.remedy}, or use --wait`);
      if (!told) options.note(`waiting for cartridge ${barcode}: ${why.what}`);
      await sleep(LOOK_MS, signal);
    }
  };
  return {
    ...station,
    reach,
    async load(barcode) {
      const why = (await station.barcodes()).includes(barcode) ? undefined : await reach(barcode);
      if (why !== undefined) throw new FormatError('io', `cartridge ${barcode}`, why);
      try {
        await station.load(barcode);
      } catch (error) {
        throw (error instanceof ScsiError && (await damageOf(library, barcode))) || error;
      }
    },
  };
}

/** Why a cartridge does not load: sense data cannot carry it, its own files tell. */
async function damageOf(library: VirtualLibrary, barcode: string): Promise<FormatError | undefined> {
  try {
    await using _map = await library.cartridgeMap(barcode);
    return undefined;
  } catch (error) {
    return error instanceof FormatError ? error : undefined;
  }
}
