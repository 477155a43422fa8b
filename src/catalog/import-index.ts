/** An index file on tape back into the store. */
import { check, FormatError } from '../bytes/errors.ts';
import type { Manifest } from '../bytes/manifest.ts';
import { readIndexFile } from '../tape/archive/index-file.ts';
import type { NextRecord } from '../tape/archive/record-stream.ts';
import { checkChunks, checkSet } from '../tape-index/check.ts';
import type { KvStore } from '../tape-index/kv-store.ts';
import { dropUnsealedSet, forgetSet, getSet, sealSet, wholeManifest } from '../tape-index/sets.ts';
import { importRows } from './set-rows.ts';

/**
 * Reads an index file and puts its set into the store, sealed: visible at once and whole, or not at all. A set that is there
 * already stays if it is whole, and at least as complete; else it is replaced.
 * @throws FormatError when the file is damaged or its rows are not those under its digest
 */
export async function importIndexFile(store: KvStore, next: NextRecord, where: string): Promise<Manifest> {
  let manifest: Manifest | undefined;
  try {
    for await (const part of readIndexFile(next, where)) {
      if (part.kind === 'manifest') {
        const kept = await replaced(store, part.manifest);
        if (kept !== undefined) return kept;
        manifest = part.manifest;
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

/** Makes room for the set of a manifest. Answers the set that is there, if it is to stay. */
async function replaced(store: KvStore, manifest: Manifest): Promise<Manifest | undefined> {
  const whole = await wholeSet(store, manifest.set);
  if (whole !== undefined && whole.chunks.length >= manifest.chunks.length) return whole;
  await forgetSet(store, manifest.set);
  return undefined;
}

/** A sealed set of which every row is there and right. */
export async function wholeSet(store: KvStore, id: string): Promise<Manifest | undefined> {
  try {
    const stored = await getSet(store, id);
    if (stored === undefined || !(await checkSet(store, stored.manifest)).whole) return undefined;
    return (await checkChunks(store, stored)).length > 0 ? undefined : await wholeManifest(store, stored);
  } catch (error) {
    if (error instanceof FormatError) return undefined;
    throw error;
  }
}
