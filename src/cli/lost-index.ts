/** Whether a state directory has its index; a missing one beside written cartridges was lost, not never made. */
import { UserError } from '../bytes/errors.ts';
import { storeExists } from '../tape-index/store-files.ts';
import { checkHome } from './home-access.ts';
import { indexFolder, libraryFolder } from './state.ts';

export const hasIndex = (home: string): boolean => storeExists(indexFolder(home));

/** What to say when the index is gone and cartridges hold data; undefined: it is there, or nothing was ever backed up. */
export async function lostIndex(home: string): Promise<UserError | undefined> {
  checkHome(home);
  if (hasIndex(home)) return undefined;
  const { libraryHoldsData } = await import('../target/virtual-library/library.ts');
  if (!libraryHoldsData(libraryFolder(home))) return undefined;
  return new UserError(
    indexFolder(home),
    'the index is missing, and there is data on cartridges of the library',
    'run `reelmap index rebuild`',
  );
}

/** @throws UserError when there is no index to read */
export async function requireIndex(home: string): Promise<void> {
  const lost = await lostIndex(home);
  if (lost !== undefined) throw lost;
  if (!hasIndex(home)) throw noSets(home);
}

export const noSets = (home: string): UserError =>
  new UserError(`index in ${home}`, 'there are no sets yet', '`reelmap backup VOLUME` makes one');
