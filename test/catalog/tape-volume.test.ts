// A volume read from its chunks on tape gives the volume's bytes, also to walkers that read ahead.
import { expect, it } from 'vitest';
import { runsOf } from '../../src/bytes/extents.ts';
import { bytesOf } from '../../src/bytes/layout.ts';
import { tapeVolume } from '../../src/catalog/tape-volume.ts';
import { seededPick } from '../../src/storage/crash-store.ts';
import { MemoryStore } from '../../src/storage/memory-store.ts';
import { listCartridges } from '../../src/tape-index/records.ts';
import { chunksOn } from '../../src/verify/walk-again.ts';
import { patterned } from '../support/mover.ts';
import { RECORD, Site, sourceOf } from '../support/site.ts';

it('many reads at once give each its own bytes, and zeros where nothing is stored', async () => {
  const size = 300 * RECORD;
  const stored: [number, number][] = [
    [0, 100 * RECORD],
    [180 * RECORD, 100 * RECORD],
  ];
  const content = patterned(size, 3);
  content.fill(0, 100 * RECORD, 180 * RECORD);
  content.fill(0, 280 * RECORD);
  const volume = new MemoryStore({ content: Uint8Array.from(content) });
  const site = await Site.make({ cartridges: [{ barcode: 'RM1' }] });
  await using session = await site.open(volume);
  const source = { ...(await sourceOf(volume)), allocated: runsOf(stored) };
  const { manifest } = await session.backup(source, { chunkBytes: 30 * RECORD });
  const [cartridge] = await listCartridges(site.kv);
  const { station, store } = session;
  const known = { id: cartridge.id, barcode: 'RM1', labelEnd: 0 };
  const env = { store, station, openers: [], clock: () => 0, program: '', note: () => {} };
  const chunks = await chunksOn(manifest.set, known, env, (words) => expect(words).toBe(''));
  expect(chunks.length).toBeGreaterThan(5);
  const readAt = tapeVolume(chunks, RECORD, size, station);
  const pick = seededPick(7);
  const places = Array.from({ length: 60 }, () => [pick(size - 5 * RECORD), 1 + pick(5 * RECORD)]);
  const found = await Promise.all(places.map(([offset, length]) => readAt(offset, length)));
  for (const [i, [offset, length]] of places.entries())
    expect(Buffer.compare(bytesOf(found[i]), content.subarray(offset, offset + length)), `${offset} ${length}`).toBe(0);
});
