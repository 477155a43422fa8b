/** Writes what ends a set on tape: the index file, and at the end of a full cartridge a copy of it and the table of contents. */
import { FormatError } from '../bytes/errors.ts';
import type { Manifest } from '../bytes/manifest.ts';
import { extentRows, filesOnCartridge, sealedRows } from '../catalog/set-rows.ts';
import type { CartridgeFile } from '../tape/archive/end-of-cartridge.ts';
import { indexFileMembers } from '../tape/archive/index-file.ts';
import type { BackupEnvironment } from './environment.ts';
import type { TapeSession } from './tape-session.ts';

export interface IndexFileParts {
  readonly env: BackupEnvironment;
  readonly session: TapeSession;
  /** gzip members of the text twin. */
  readonly text: () => AsyncIterable<Uint8Array>;
}

/**
 * Writes the set's index file to the cartridge in use, or, where it does not fit, to the next. Synchronous: on the medium
 * when it resolves. Answers the manifest as written.
 */
export async function writeIndexFile(manifest: Manifest, parts: IndexFileParts): Promise<Manifest> {
  const { session, env } = parts;
  for (let tries = 0; ; tries++) {
    const { id, barcode, lastIndexObject } = session.cartridge;
    const known = manifest.cartridges.some((one) => one.id === id);
    const written: Manifest = {
      ...manifest,
      previousIndexObject: lastIndexObject,
      cartridges: known ? manifest.cartridges : [...manifest.cartridges, { id, barcode }],
    };
    const object = session.object;
    if (await session.writeArchive(membersOf(written, parts))) {
      session.committedRecord({ lastIndexObject: object });
      return written;
    }
    if (session.isEmpty || tries > 0)
      throw new FormatError(
        'io',
        `cartridge ${barcode}`,
        'too small to hold the index of this set; use larger cartridges',
      );
    env.report({ kind: 'note', text: `cartridge ${barcode} is full: the index goes to the next one` });
    await session.closeFull(await contents(manifest, parts));
    await session.openNext();
  }
}

/** At the end of a full cartridge: a copy of the index as it is so far, if there is room for it, and the table of contents. */
export async function writeEndCopy(manifest: Manifest, parts: IndexFileParts): Promise<void> {
  const { session, env } = parts;
  const object = session.object;
  const partial: Manifest = {
    ...manifest,
    previousIndexObject: session.cartridge.lastIndexObject,
    complete: false,
  };
  if (await session.writeArchive(membersOf(partial, parts))) session.committedRecord({ lastIndexObject: object });
  else env.report({ kind: 'note', text: `cartridge ${session.cartridge.barcode} has no room for a copy of the index` });
  await session.closeFull(await contents(manifest, parts));
}

const membersOf = (manifest: Manifest, parts: IndexFileParts): ReturnType<typeof indexFileMembers> => {
  const set = manifest.set;
  const { store } = parts.env;
  return indexFileMembers({
    manifest,
    pages: sealedRows(store, set),
    extents: extentRows(store, set),
    files: parts.text(),
  });
};

/** Every whole tape file of the cartridge that the index knows of, this set's included. */
async function contents(manifest: Manifest, parts: IndexFileParts): Promise<readonly CartridgeFile[]> {
  const { id, lastIndexObject } = parts.session.cartridge;
  const files = new Map<number, CartridgeFile>();
  files.set(0, { object: 0, kind: 'label', set: null, chunk: null });
  const own = manifest.chunks.flatMap((chunk) => chunk.copies.map((copy) => ({ chunk, copy })));
  for (const { chunk, copy } of own) {
    if (copy.cartridge === id)
      files.set(copy.firstObject, { object: copy.firstObject, kind: 'chunk', set: manifest.set, chunk: chunk.number });
  }
  for (const file of await filesOnCartridge(parts.env.store, id)) files.set(file.object, file);
  if (lastIndexObject !== null && !files.has(lastIndexObject)) {
    files.set(lastIndexObject, { object: lastIndexObject, kind: 'index', set: manifest.set, chunk: null });
  }
  return [...files.values()].sort((a, b) => a.object - b.object);
}
