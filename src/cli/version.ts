/** The program's version: package.json's, put in by the build; read from the file when run from source. */
import { readFileSync } from 'node:fs';

declare const REELMAP_VERSION: string | undefined;

export const VERSION: string =
  typeof REELMAP_VERSION === 'string'
    ? REELMAP_VERSION
    : String(JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')).version);

/** As it stands in labels and manifests. */
export const PROGRAM = `reelmap ${VERSION}`;
