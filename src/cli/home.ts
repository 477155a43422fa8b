/** Where state lives: --home, $REELMAP_HOME, /var/lib/reelmap for root, else the XDG Base Directory Specification's data home. */
import { isAbsolute, join, resolve } from 'node:path';

export interface HomeEnvironment {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly uid: number;
  readonly userHome: string;
}

/** The state directory, absolute. An empty variable counts as unset; a relative $XDG_DATA_HOME is ignored, as XDG says. */
export function homeOf(option: string | undefined, { env, uid, userHome }: HomeEnvironment): string {
  if (option !== undefined && option !== '') return resolve(option);
  if (env.REELMAP_HOME) return resolve(env.REELMAP_HOME);
  if (uid === 0) return '/var/lib/reelmap';
  const data = env.XDG_DATA_HOME;
  return data && isAbsolute(data) ? join(data, 'reelmap') : join(userHome, '.local/share/reelmap');
}
