/** What the index of a set answers, as text to compare; and damage to its tape files. */
import { expectTapesWellFormed, type TapeFileSeen } from './judge.ts';
import type { Session, Site } from './site.ts';

/** All that the index answers of a set: every path with its attributes, extents and chunks. */
export async function answers(session: Session, set: string): Promise<string[]> {
  const view = await session.view(set);
  const out: string[] = [];
  const root = await view.root();
  if (root === undefined) return out;
  for await (const { parents, entries } of view.walk(root)) {
    for (const entry of entries) {
      const path = Buffer.concat([...parents, entry.name].flatMap((name) => [Buffer.from('/'), Buffer.from(name)]));
      const places = [];
      for (const extent of entry.extents)
        if (extent.kind === 'stored') places.push(await view.chunkAt(extent.volumeOffset));
      const text = JSON.stringify({ ...entry, name: '', places }, (_, value: unknown) =>
        typeof value === 'bigint'
          ? `${value}n`
          : value instanceof Uint8Array
            ? Buffer.from(value).toString('hex')
            : value,
      );
      out.push(`${path.toString('latin1')} ${text}`);
    }
  }
  return out.sort();
}

/** Flips a bit in every record of the tape files that `which` names; the record's checksum then tells. */
export async function damage(
  site: Site,
  barcode: string,
  which: (file: TapeFileSeen) => boolean,
  record?: number,
): Promise<void> {
  const tapes = await expectTapesWellFormed(site, barcode);
  const data = site.media.get(barcode)?.data;
  if (data === undefined) throw new Error(`no cartridge ${barcode}`);
  let offset = 0;
  for (const file of tapes.get(barcode) ?? []) {
    for (const [i, bytes] of file.records.entries()) {
      if (which(file) && (record === undefined || record === i)) {
        const byte = new Uint8Array(1);
        await data.read(offset + 100, byte);
        await data.write(offset + 100, Uint8Array.of(byte[0] ^ 4));
      }
      offset += bytes.length;
    }
  }
}
