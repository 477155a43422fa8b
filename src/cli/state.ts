/** Where things lie in the state directory. */
import { join } from 'node:path';

export const libraryFolder = (home: string): string => join(home, 'library');
export const indexFolder = (home: string): string => join(home, 'index');
export const temporaryFolder = (home: string): string => join(home, 'tmp');
/** Of data movers: an identity that outlives the process, journals, and where running ones can be asked. */
export const moverFolder = (home: string): string => join(home, 'mover');
