/** An index file on tape back into the store. */
import { check, FormatError } from '../bytes/errors.ts';
import type { Manifest } from '../bytes/manifest.ts';
import { readIndexFile } from '../tape/archive/index-file.ts';
import type { NextRecord } from '../tape/archive/record-stream.ts';
import { checkSet } from '../tape-index/check.ts';
import type { KvStore } from '../tape-index/kv-store.ts';
import { dropUnsealedSet, sealSet } from '../tape-index/sets.ts';
import { importRows } from './set-rows.ts';

/**
 * Reads an index file and puts its set into the store, sealed: visible at once and whole, or not at all.
 * @throws FormatError when the file is damaged or its rows are not those under its digest
 */
export async function importIndexFile(store: KvStore, next: NextRecord, where: string): Promise<Manifest> {
  let manifest: Manifest | undefined;
  try {
    for await (const part of readIndexFile(next, where)) {
      if (part.kind === 'manifest') {
        manifest = part.manifest;
        await dropUnsealedSet(store, manifest.set);
        continue;
      }
      check(manifest !== undefined, where, 'no manifest at its beginning');
      if (part.kind === 'pages' || part.kind === 'extents') await importRows(store, manifest.set, part.rows, where);
    }
    check(manifest !== undefined, where, 'holds no manifest');
    const found = await checkSet(store, manifest);
    if (!found.whole)
      throw new FormatError('corrupt', where, found.problems[0] ?? 'its rows are not those under its digest');
    await sealSet(store, manifest);
    return manifest;
  } catch (error) {
    if (manifest !== undefined && error instanceof FormatError) await dropUnsealedSet(store, manifest.set);
    throw error;
  }
}
