/** What of a set lies on a cartridge beside its chunks: the label, the set's index file or its copy, the end file. */
import { FormatError } from '../bytes/errors.ts';
import type { Manifest } from '../bytes/manifest.ts';
import type { TapeObject } from '../bytes/units.ts';
import { scanForwards } from '../catalog/scan.ts';
import type { TapeDrive } from '../initiator/tape-drive.ts';
import { readCartridge } from '../library/label-cartridge.ts';
import { openTapeFile } from '../library/tape-file.ts';
import { readEndOfCartridge } from '../tape/archive/end-of-cartridge.ts';
import { readIndexFile } from '../tape/archive/index-file.ts';
import { sealDigest } from '../tape-index/check.ts';
import type { CartridgeRecord } from '../tape-index/records.ts';
import { RowDigest } from '../tape-index/row-sink.ts';
import type { SetManifest } from '../tape-index/sets.ts';
import type { Finding } from './finding.ts';

export interface DocumentsToVerify {
  readonly set: SetManifest;
  /** Cartridge id. */
  readonly cartridge: string;
  readonly barcode: string;
  /** What the index knows of the cartridge. */
  readonly record: CartridgeRecord | undefined;
  /** First object behind the set's chunks on it. */
  readonly behind: TapeObject;
  readonly signal?: AbortSignal;
}

/** Reads them all, and answers what is wrong with them. */
export async function verifyDocuments(drive: TapeDrive, request: DocumentsToVerify): Promise<Finding[]> {
  const { set, barcode, signal } = request;
  const findings: Finding[] = [];
  const add = (kind: Finding['kind'], object: TapeObject, reason: string): void => {
    findings.push({ kind, cartridge: barcode, object, reason, volumeOffset: 0, byteLength: 0 });
  };
  const label = await labelProblem(drive, request);
  if (label !== undefined) add('label', 0, label);
  const { indexFiles, end } = await placesOf(drive, request);
  if (indexFiles.length === 0 && isLast(request))
    add('index file', request.behind, "the set's index file is not on it");
  for (const object of indexFiles) {
    signal?.throwIfAborted();
    const problem = await problemOf(() => readIndex(drive, barcode, object, set));
    if (problem !== undefined) add('index file', object, `the set's index file: ${problem}`);
  }
  if (end !== undefined) {
    const problem = await problemOf(async () => {
      await readEndOfCartridge(await openTapeFile(drive, barcode, end));
      return undefined;
    });
    if (problem !== undefined) add('end file', end, `the cartridge's table of contents: ${problem}`);
  }
  return findings;
}

const isLast = ({ set, cartridge }: DocumentsToVerify): boolean => set.cartridges.at(-1)?.id === cartridge;

async function problemOf(read: () => Promise<string | undefined>): Promise<string | undefined> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof FormatError) return `${error.what} (${error.where})`;
    throw error;
  }
}

async function labelProblem(drive: TapeDrive, { barcode, cartridge }: DocumentsToVerify): Promise<string | undefined> {
  const content = await readCartridge(drive, barcode);
  if (content.kind === 'blank') return 'it is blank';
  if (content.kind === 'foreign') return content.damaged ? `its label: ${content.what}` : `no label: ${content.what}`;
  if (content.label.cartridge !== cartridge) return `it was labelled anew on ${content.label.createdAt.slice(0, 10)}`;
  return content.label.barcode === barcode ? undefined : `its label says that it is ${content.label.barcode}`;
}

/** From the index; where that does not know, from the tape. */
async function placesOf(
  drive: TapeDrive,
  request: DocumentsToVerify,
): Promise<{ readonly indexFiles: readonly TapeObject[]; readonly end: TapeObject | undefined }> {
  const { set, barcode, record, behind } = request;
  const { indexFiles = [], lastIndexObject = null } = record ?? {};
  const known = indexFiles.filter((one) => one.set === set.set).map(({ object }) => object);
  const isEnd = lastIndexObject !== null && indexFiles.every(({ object }) => object !== lastIndexObject);
  const end = isEnd && record?.state === 'full' ? lastIndexObject : undefined;
  // On a cartridge from which the set went on there may be no copy, or what is left of one that met a write error.
  if (known.length > 0 || !isLast(request)) return { indexFiles: known, end };
  for await (const { object, what } of scanForwards(drive, barcode, behind)) {
    if (what.kind === 'index' && what.set === set.set) known.push(object);
    if (what.kind === 'chunk' && what.set !== set.set) break;
  }
  return { indexFiles: known, end };
}

/** Reads an index file through: every row's checksum, the text twin, and the digest over the rows of the pages. */
async function readIndex(
  drive: TapeDrive,
  barcode: string,
  object: TapeObject,
  set: SetManifest,
): Promise<string | undefined> {
  let manifest: Manifest | undefined;
  const digests = new Map<number, RowDigest>();
  for await (const part of readIndexFile(await openTapeFile(drive, barcode, object), `object ${object}`)) {
    if (part.kind === 'manifest') manifest = part.manifest;
    if (part.kind !== 'pages') continue;
    for (const [key, value] of part.rows) {
      const filesystem = key[17] * 256 + key[18];
      const digest = digests.get(filesystem) ?? new RowDigest();
      digests.set(filesystem, digest);
      digest.add(key, value);
    }
  }
  if (manifest?.set !== set.set) return `it is that of set ${manifest?.set.slice(0, 8)}`;
  const parts = [...digests].map(([filesystem, one]) => ({ filesystem, rows: one.rows, digest: one.digest() }));
  if (sealDigest(parts) !== manifest.indexDigest) return 'its rows are not those under its digest';
  // A copy from before a crash is of an earlier walk.
  const same = !manifest.complete || manifest.indexDigest === set.indexDigest;
  return same ? undefined : 'it is another index than the one in the store';
}
