/**
 * What a cartridge holds behind the last object that the store knows of. A crash leaves there what was never committed, and
 * that may be overwritten; but a complete index file means a whole set (written, and not sealed when the crash came, or lost
 * with the store's last records), and an end file a full cartridge.
 */
import { FormatError } from '../bytes/errors.ts';
import type { Manifest } from '../bytes/manifest.ts';
import { importIndexFile } from '../catalog/import-index.ts';
import { type ScannedFile, scanForwards } from '../catalog/scan.ts';
import type { TapeDrive } from '../initiator/tape-drive.ts';
import { openTapeFile } from '../library/tape-file.ts';
import type { EndOfCartridge } from '../tape/archive/end-of-cartridge.ts';
import { readIndexFile } from '../tape/archive/index-file.ts';
import type { KvStore } from '../tape-index/kv-store.ts';
import { type CartridgeRecord, dropRun, listRuns } from '../tape-index/records.ts';
import { getSet } from '../tape-index/sets.ts';

export type Reconciled =
  /** `record` says what may be kept; what follows its `endObject` may be overwritten. */
  | {
      readonly kind: 'record';
      readonly record: CartridgeRecord;
      readonly imported: readonly Manifest[];
      /** Of an end file: the cartridge that it says is next. */
      readonly next: EndOfCartridge['next'];
    }
  /** Writing on might destroy a set. */
  | { readonly kind: 'refused'; readonly reason: string };

/** Reads forward from the record's end of data, first records only. Seals what is whole. Leaves the drive anywhere. */
export async function reconcile(drive: TapeDrive, store: KvStore, known: CartridgeRecord): Promise<Reconciled> {
  await drive.locateEndOfData();
  const imported: Manifest[] = [];
  let record = known;
  let next: EndOfCartridge['next'] = null;
  if ((await drive.position()).object <= known.endObject) return { kind: 'record', record, imported, next };
  const files: ScannedFile[] = [];
  for await (const file of scanForwards(drive, known.barcode, known.endObject)) files.push(file);
  for (const file of files) {
    if (file.what.kind === 'index') {
      const outcome = await sealIndexFile(drive, store, known, file);
      if (outcome === 'not committed') continue;
      if (typeof outcome === 'string') return { kind: 'refused', reason: outcome };
      if (outcome.imported) imported.push(outcome.manifest);
      record = await behind(drive, record, file, outcome.manifest.set);
    } else if (file.end !== undefined && (await isClosed(drive, file))) {
      const indexFiles = file.end.files.flatMap(({ kind, object, set }) =>
        kind === 'index' && set !== null ? [{ object, set }] : [],
      );
      record = { ...(await behind(drive, record, file)), state: 'full', indexFiles };
      ({ next } = file.end);
    }
  }
  return { kind: 'record', record, imported, next };
}

interface Sealed {
  readonly manifest: Manifest;
  readonly imported: boolean;
}

async function sealIndexFile(
  drive: TapeDrive,
  store: KvStore,
  { barcode }: CartridgeRecord,
  file: ScannedFile,
): Promise<Sealed | 'not committed' | string> {
  const { manifest, what, object } = file;
  const set = what.kind === 'index' ? what.set : '';
  // Closed by a filemark or not, it is no more than a copy at a cartridge's end that never came.
  if (manifest?.complete === false) return 'not committed';
  if (!(await isClosed(drive, file))) return 'not committed';
  if (manifest !== undefined && (await getSet(store, set)) !== undefined) return { manifest, imported: false };
  const run = (await listRuns(store)).find((one) => one.set === set);
  try {
    const where = `cartridge ${barcode}, object ${object}`;
    // Read to its end before anything of the run is dropped for it.
    for await (const _ of readIndexFile(await openTapeFile(drive, barcode, object), where));
    const whole = await importIndexFile(store, await openTapeFile(drive, barcode, object), where);
    if (run !== undefined) await store.batch([dropRun(run.id)], { sync: true });
    return { manifest: whole, imported: true };
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    // The run is still there: its index file was never reported as done, and is written again.
    if (run !== undefined) return 'not committed';
    return `holds set ${set.slice(0, 8)}, which is not in the index, and its index file is damaged (${error.what}); run \`reelmap index rebuild\``;
  }
}

/** Whether a filemark closes the file. Leaves the drive behind it. */
async function isClosed(drive: TapeDrive, { object }: ScannedFile): Promise<boolean> {
  return (await drive.locate(object)) && (await drive.spaceFilemarks(1)) === 0;
}

/** The record with the end of data behind `file`. */
async function behind(
  drive: TapeDrive,
  record: CartridgeRecord,
  { object }: ScannedFile,
  set?: string,
): Promise<CartridgeRecord> {
  await drive.locate(object);
  await drive.spaceFilemarks(1);
  const { indexFiles = [] } = record;
  return {
    ...record,
    endObject: (await drive.position()).object,
    lastIndexObject: object,
    ...(set !== undefined && { indexFiles: [...indexFiles, { object, set }] }),
  };
}
