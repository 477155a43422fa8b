/** What a tape file is, from the first 512 bytes of its first record: names are chosen so that they tell. */
import { FormatError } from '../../bytes/errors.ts';
import { viewOf } from '../../bytes/layout.ts';
import { parseChunkHeaderName } from './chunk.ts';
import { END_NAME } from './end-of-cartridge.ts';
import { parseManifestName } from './index-file.ts';
import { LABEL_NAME } from './label.ts';
import { decodeUstar, TAR_BLOCK } from './pax.ts';

export type TapeFileKind =
  | { readonly kind: 'label' }
  | { readonly kind: 'chunk'; readonly set: string; readonly chunk: number }
  | { readonly kind: 'index'; readonly set: string }
  | { readonly kind: 'end' }
  /** A tar archive that is not ours. */
  | { readonly kind: 'foreign-tar'; readonly firstMember: string }
  | { readonly kind: 'unknown'; readonly reason: string };

/** Never throws: the bytes may be anything. */
export function classifyFile(firstRecord: Uint8Array): TapeFileKind {
  if (firstRecord.length < TAR_BLOCK)
    return { kind: 'unknown', reason: `a first record of ${firstRecord.length} bytes` };
  try {
    const { path, typeflag } = decodeUstar(viewOf(firstRecord), 0, 'first record');
    const chunk = typeflag === 'x' ? parseChunkHeaderName(path) : undefined;
    if (chunk !== undefined) return { kind: 'chunk', ...chunk };
    const set = parseManifestName(path);
    if (set !== undefined) return { kind: 'index', set };
    if (path === LABEL_NAME) return { kind: 'label' };
    if (path === END_NAME) return { kind: 'end' };
    return { kind: 'foreign-tar', firstMember: path };
  } catch (error) {
    if (error instanceof FormatError) return { kind: 'unknown', reason: error.what };
    throw error;
  }
}
