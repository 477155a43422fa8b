/** Whether this user can use a state directory: asked first, so that nothing later fails on it in worse words. */
import { accessSync, constants, statSync } from 'node:fs';
import { UserError } from '../bytes/errors.ts';
import { makeFolders } from '../storage/make-folders.ts';
import { quote } from './quoting.ts';
import { indexFolder, libraryFolder, temporaryFolder } from './state.ts';
import { systemWords } from './system-words.ts';

const { R_OK, W_OK, X_OK } = constants;

const ANOTHER = 'name another with --home or $REELMAP_HOME';

/** Who could: the owner of a directory that denies it to us. */
function remedyFor(folder: string, error: unknown): string {
  if ((error as NodeJS.ErrnoException).code !== 'EACCES') return ANOTHER;
  const owner = ownerOf(folder);
  if (owner === undefined || owner === process.geteuid?.()) return ANOTHER;
  return `run as ${owner === 0 ? 'root' : `user ${owner}`}, or ${ANOTHER}`;
}

function ownerOf(folder: string): number | undefined {
  try {
    return statSync(folder).uid;
  } catch {
    return undefined;
  }
}

function refuse(folder: string, verb: 'read' | 'written', cause: unknown): never {
  const words = `the state directory cannot be ${verb}: ${systemWords(cause)}`;
  throw new UserError(quote(Buffer.from(folder)), words, remedyFor(folder, cause), { cause });
}

/** False when it is not there. */
function checkAccess(folder: string, mode: number): boolean {
  try {
    if (statSync(folder).isDirectory()) {
      accessSync(folder, mode);
      return true;
    }
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return false;
    refuse(folder, (mode & W_OK) === 0 ? 'read' : 'written', cause);
  }
  return refuse(folder, 'read', { code: 'ENOTDIR' });
}

/**
 * Passes a state directory that is not there. LevelDB writes even when it is only read from.
 * @throws UserError when the state directory, or what is in it, is not ours to read and its index not ours to write
 */
export function checkHome(home: string): void {
  if (!checkAccess(home, R_OK | X_OK)) return;
  checkAccess(libraryFolder(home), R_OK | X_OK);
  if (checkAccess(indexFolder(home), R_OK | X_OK)) checkAccess(indexFolder(home), R_OK | W_OK | X_OK);
}

/** Makes the state directory, and checks that all of it can be written. @throws UserError */
export function makeHome(home: string): void {
  try {
    makeFolders(temporaryFolder(home), 0o700);
  } catch (cause) {
    refuse(home, 'written', cause);
  }
  for (const folder of [home, temporaryFolder(home), libraryFolder(home), indexFolder(home)])
    checkAccess(folder, R_OK | W_OK | X_OK);
}
