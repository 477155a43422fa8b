/** What must hold of a site after a backup, whatever happened on the way; throws by expect. */
import { createHash } from 'node:crypto';
import { expect } from 'vitest';
import type { Manifest } from '../../src/bytes/manifest.ts';
import { chunkTrailer, parseChunkHeader } from '../../src/tape/archive/chunk.ts';
import { classifyFile } from '../../src/tape/archive/classify.ts';
import { type EndOfCartridge, readEndOfCartridge } from '../../src/tape/archive/end-of-cartridge.ts';
import { readIndexFile } from '../../src/tape/archive/index-file.ts';
import { type Label, readLabel } from '../../src/tape/archive/label.ts';
import type { NextRecord } from '../../src/tape/archive/record-stream.ts';
import type { Finding } from '../../src/verify/finding.ts';
import type { Site } from './site.ts';

export interface TapeFileSeen {
  /** First object. */
  readonly object: number;
  readonly records: readonly Uint8Array[];
  readonly kind: string;
  readonly label?: Label;
  readonly manifest?: Manifest;
  readonly end?: EndOfCartridge;
  readonly chunk?: { readonly set: string; readonly number: number };
}

const recordsOf = (records: readonly Uint8Array[]): NextRecord => {
  let at = 0;
  return async () => records[at++];
};

/** Reads all of a cartridge by its archives: every file must be whole and of a known kind, but for a fragment at the end. */
export async function readCartridge(site: Site, barcode: string): Promise<TapeFileSeen[]> {
  const out: TapeFileSeen[] = [];
  let object = 0;
  const objects = await site.objects(barcode);
  const files = await site.tapeFiles(barcode);
  // What met the end of the medium stays as a fragment behind the last filemark.
  if (objects.length > 0 && objects.at(-1) !== null) files.pop();
  for (const records of files) {
    out.push(await readTapeFile(records, object, `${barcode} object ${object}`));
    object += records.length + 1;
  }
  return out;
}

async function readTapeFile(records: readonly Uint8Array[], object: number, where: string): Promise<TapeFileSeen> {
  expect(records.length, where).toBeGreaterThan(0);
  for (const record of records) expect(record.length, where).toBe(records[0].length);
  const what = classifyFile(records[0]);
  const seen = { object, records, kind: what.kind };
  switch (what.kind) {
    case 'label':
      return { ...seen, label: await readLabel(recordsOf(records), where) };
    case 'end':
      return { ...seen, end: await readEndOfCartridge(recordsOf(records), where) };
    case 'chunk': {
      const header = await parseChunkHeader(recordsOf(records), where);
      const trailer = chunkTrailer(header.storedBytes, header.recordSize);
      expect(records.length, `${where}: records of the chunk`).toBe(header.headerRecords + trailer.records);
      return { ...seen, chunk: { set: what.set, number: what.chunk } };
    }
    case 'index': {
      let manifest: Manifest | undefined;
      for await (const part of readIndexFile(recordsOf(records), where))
        if (part.kind === 'manifest') manifest = part.manifest;
      return { ...seen, ...(manifest && { manifest }) };
    }
    default:
      throw new Error(`${where}: ${JSON.stringify(what)}`);
  }
}

/** Cartridges of the site (or `only` one) that are not blank, with all that is on them, and every cross-reference between them right. */
export async function expectTapesWellFormed(site: Site, only?: string): Promise<Map<string, TapeFileSeen[]>> {
  const all = new Map<string, TapeFileSeen[]>();
  for (const barcode of only === undefined ? site.media.keys() : [only]) {
    const files = await readCartridge(site, barcode);
    if (files.length > 0) all.set(barcode, files);
  }
  for (const [barcode, files] of all) {
    expect(files[0].kind, barcode).toBe('label');
    expect(files[0].label?.barcode).toBe(barcode);
    let previous: number | null = null;
    for (const [i, file] of files.entries()) {
      const where = `${barcode} object ${file.object}`;
      expect(i === 0 || file.kind !== 'label', where).toBe(true);
      if (file.manifest !== undefined) expect(file.manifest.previousIndexObject, where).toBe(previous);
      if (file.end !== undefined) expectEndRight(file.end, files.slice(0, i), previous, all, where);
      if (file.manifest !== undefined || file.end !== undefined) previous = file.object;
    }
    const ends = files.filter(({ kind }) => kind === 'end');
    expect(
      ends.length === 0 || (ends.length === 1 && files.at(-1) === ends[0]),
      `${barcode}: an end file ends it`,
    ).toBe(true);
  }
  return all;
}

function expectEndRight(
  end: EndOfCartridge,
  before: readonly TapeFileSeen[],
  previous: number | null,
  all: ReadonlyMap<string, readonly TapeFileSeen[]>,
  where: string,
): void {
  expect(end.previousIndexObject, where).toBe(previous);
  const label = before[0].label;
  expect([end.cartridge, end.barcode], where).toEqual([label?.cartridge, label?.barcode]);
  const table = end.files.map(({ object, kind, set, chunk }) => ({ object, kind, set, chunk }));
  const there = before.map((file) => ({
    object: file.object,
    kind: file.kind,
    set: file.manifest?.set ?? file.chunk?.set ?? null,
    chunk: file.chunk?.number ?? null,
  }));
  expect(table, `${where}: table of contents`).toEqual(there);
  if (end.next === null) return;
  const next = all.get(end.next.barcode)?.[0].label;
  if (next !== undefined) expect(next.cartridge, `${where}: id of the next cartridge`).toBe(end.next.id);
}

/** A sealed set gives its volume back. */
export async function expectRestores(site: Site, set: string, volume: Uint8Array): Promise<void> {
  const back = await site.restoreVolume(set);
  expect(back.lost).toEqual([]);
  expectSameVolume(back.volume, volume);
}

/**
 * A sealed set: its manifest in the store and on tape, its chunks where it says, and the volume as it was.
 * @param damaged kinds of findings that the test has seen to
 */
export async function expectSetWhole(
  site: Site,
  set: string,
  volume: Uint8Array,
  damaged: readonly Finding['kind'][] = [],
): Promise<Manifest> {
  const manifest = await manifestOf(site, set);
  expect(manifest.complete).toBe(true);
  let end = 0;
  const tapes = new Map<string, (Uint8Array | null)[]>();
  for (const chunk of manifest.chunks) {
    expect(chunk.volumeOffset).toBe(end);
    end += chunk.byteLength;
    expect(chunk.copies.length).toBe(1);
    const [copy] = chunk.copies;
    const cartridge = manifest.cartridges.find(({ id }) => id === copy.cartridge);
    if (cartridge === undefined)
      throw new Error(`chunk ${chunk.number} lies on a cartridge that the set does not name`);
    const { barcode } = cartridge;
    const objects = tapes.get(barcode) ?? (await site.objects(barcode));
    tapes.set(barcode, objects);
    const records = objects.slice(copy.firstObject, copy.firstObject + copy.records);
    expect(objects[copy.firstObject + copy.records], `chunk ${chunk.number} ends with a filemark`).toBe(null);
    if (chunk.sha256 !== null) expect(chunk.sha256).toBe(digestOf(records));
  }
  expect(end).toBe(manifest.volume.byteLength);
  await expectRestores(site, set, volume);
  await using session = await site.open();
  const result = await session.verify(set);
  expect(result.findings.filter(({ kind }) => !damaged.includes(kind))).toEqual([]);
  expect(result.unread).toEqual([]);
  return manifest;
}

async function manifestOf(site: Site, set: string): Promise<Manifest> {
  await using session = await site.open();
  return session.manifest(set);
}

function digestOf(records: readonly (Uint8Array | null)[]): string {
  const hash = createHash('sha256');
  for (const record of records) hash.update(record ?? 'a filemark in a chunk');
  return hash.digest('hex');
}

export function expectSameVolume(found: Uint8Array, expected: Uint8Array): void {
  expect(found.length).toBe(expected.length);
  if (Buffer.compare(found, expected) === 0) return;
  const at = found.findIndex((byte, i) => byte !== expected[i]);
  throw new Error(`volumes differ from byte ${at} on`);
}
