/** Writes what ends a set on tape: the index file, and at the end of a full cartridge a copy of it and the table of contents. */
import { FormatError } from '../bytes/errors.ts';
import type { Manifest } from '../bytes/manifest.ts';
import { extentRows, filesOnCartridge, sealedRows } from '../catalog/set-rows.ts';
import type { CartridgeFile } from '../tape/archive/end-of-cartridge.ts';
import { indexFileMembers } from '../tape/archive/index-file.ts';
import type { CartridgeRecord } from '../tape-index/records.ts';
import type { BackupEnvironment } from './environment.ts';
import { withCartridge } from './run.ts';
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
  for (let noRoom = 0; ; ) {
    if (!session.isOpen) await session.openNext();
    const { barcode } = session.cartridge;
    const written = manifestFor(manifest, session.cartridge);
    const outcome = await session.writeArchive(membersOf(written, parts));
    if (outcome.kind === 'written') {
      session.indexWritten(outcome.object, manifest.set);
      return written;
    }
    if (outcome.kind === 'failed') continue;
    if (session.isEmpty || noRoom > 0)
      throw new FormatError(
        'io',
        `cartridge ${barcode}`,
        'too small to hold the index of this set; use larger cartridges',
      );
    noRoom++;
    env.report({ kind: 'note', text: `cartridge ${barcode} is full: the index goes to the next one` });
    await session.closeFull(await contents(manifest, parts));
  }
}

/** With the cartridge that the index file goes to, and the index file before it there. */
function manifestFor(manifest: Manifest, { id, barcode, lastIndexObject }: CartridgeRecord): Manifest {
  return {
    ...manifest,
    previousIndexObject: lastIndexObject,
    cartridges: withCartridge(manifest.cartridges, { id, barcode }),
  };
}

/** At the end of a full cartridge: a copy of the index as it is so far, if there is room for it, and the table of contents. */
export async function writeEndCopy(manifest: Manifest, parts: IndexFileParts): Promise<void> {
  const { session, env } = parts;
  const { barcode } = session.cartridge;
  const partial = { ...manifestFor(manifest, session.cartridge), complete: false };
  const outcome = await session.writeArchive(membersOf(partial, parts));
  if (outcome.kind === 'failed') return;
  if (outcome.kind === 'written') session.indexWritten(outcome.object, manifest.set);
  else env.report({ kind: 'note', text: `cartridge ${barcode} has no room for a copy of the index` });
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
  const { id, indexFiles = [] } = parts.session.cartridge;
  const files = new Map<number, CartridgeFile>();
  files.set(0, { object: 0, kind: 'label', set: null, chunk: null });
  const own = manifest.chunks.flatMap((chunk) => chunk.copies.map((copy) => ({ chunk, copy })));
  for (const { chunk, copy } of own) {
    if (copy.cartridge === id)
      files.set(copy.firstObject, { object: copy.firstObject, kind: 'chunk', set: manifest.set, chunk: chunk.number });
  }
  for (const file of await filesOnCartridge(parts.env.store, id)) files.set(file.object, file);
  for (const { object, set } of indexFiles) files.set(object, { object, kind: 'index', set, chunk: null });
  return [...files.values()].sort((a, b) => a.object - b.object);
}
