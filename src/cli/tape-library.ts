/** What the `tape` commands share: the library of a state directory, its cartridges by barcode, and a drive of it. */
import { UserError } from '../bytes/errors.ts';
import {
  type CartridgePlace,
  libraryExists,
  openLibrary,
  type VirtualLibrary,
} from '../target/virtual-library/library.ts';
import type { CommandContext } from './command.ts';
import { checkHome } from './home-access.ts';
import { quote } from './quoting.ts';
import { whereabouts } from './reach.ts';
import { libraryFolder } from './state.ts';
import { type MoverPlace, openMoverPlace } from './workplace.ts';

/** The library, if there is one; nothing is made. */
export function libraryOf(home: string): VirtualLibrary | undefined {
  checkHome(home);
  return libraryExists(libraryFolder(home)) ? openLibrary(libraryFolder(home)) : undefined;
}

/** @throws UserError when there is none */
export function requireLibrary(home: string): VirtualLibrary {
  const library = libraryOf(home);
  if (library !== undefined) return library;
  const remedy = '`reelmap backup VOLUME` or `reelmap tape label BARCODE` makes one; --home names another';
  throw new UserError(libraryFolder(home), 'there is no tape library yet', remedy);
}

/** Where the cartridge is that the user named. @throws UserError when there is none */
export function requireCartridge(library: VirtualLibrary, word: string): CartridgePlace {
  const barcode = word.toUpperCase();
  const place = library.inventory().find((one) => one.barcode === barcode);
  if (place !== undefined) return place;
  throw new UserError(
    `cartridge ${quote(Buffer.from(word))}`,
    'there is none of that barcode',
    '`reelmap tape ls` lists them',
  );
}

export const placeText = ({ type, number }: CartridgePlace): string =>
  type === 'outside' ? 'outside' : `${type} ${number}`;

/** A drive of the library, for one command. */
export async function openDrive(context: CommandContext, command: string, wait: boolean): Promise<MoverPlace> {
  requireLibrary(context.home);
  return openMoverPlace(context.home, {
    command,
    wait,
    disks: [],
    note: (text) => context.output.note(text),
    signal: context.signal(),
  });
}

/** Puts a cartridge into the drive. @throws UserError naming who has it */
export async function loadInto(
  { library, station }: Pick<MoverPlace, 'library' | 'station'>,
  place: CartridgePlace,
): Promise<void> {
  const why = whereabouts(library, place.barcode);
  if (why?.busy === false) throw new UserError(`cartridge ${place.barcode}`, why.what, why.remedy);
  await station.load(place.barcode);
}
