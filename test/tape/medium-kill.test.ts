// A real process that writes a cartridge on disk and is killed at some moment, several times over.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { expect, it } from 'vitest';
import { bytes, tapeObject } from '../../src/bytes/units.ts';
import { createCartridge, openCartridge } from '../../src/target/virtual-library/cartridge.ts';

const RECORD = 200_000; // not a multiple of a page: tails are written again and again
const content = (object: number): Buffer => Buffer.alloc(RECORD, `object ${object} `);
const isMark = (object: number): boolean => object % 11 === 10;

/** Appends at end of data until it is killed; prints the number of objects after each flush. */
const WRITER = `
import { openCartridge } from './src/target/virtual-library/cartridge.ts';
const { medium } = await openCartridge(process.argv[2], 'K1', { command: 'writer', digest: true });
await medium.locateEndOfData();
for (;;) {
  const { object } = medium.position;
  if (object % 11 === 10) await medium.writeFilemarks(1);
  else await medium.append(Buffer.alloc(${RECORD}, 'object ' + object + ' '));
  if (object % 23 !== 22) continue;
  await medium.flush();
  process.stdout.write(medium.position.object + '\\n');
}`;

/** Runs the writer, kills it `ms` after its first flush, and answers how many objects its last flush covered. */
function killedAfter(script: string, folder: string, ms: number): Promise<number> {
  const child = spawn(process.execPath, [script, folder], { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', (data) => {
    if (output === '') setTimeout(() => child.kill('SIGKILL'), ms);
    output += data;
  });
  return new Promise((resolve) => {
    // The last line may be cut.
    child.on('close', () => resolve(Number(output.split('\n').at(-2) ?? 0)));
  });
}

async function checkTape(folder: string, flushed: number): Promise<number> {
  const { medium } = await openCartridge(folder, 'K1', { command: 'check', readOnly: true });
  await using _medium = medium;
  const into = new Uint8Array(RECORD);
  await medium.locate(tapeObject(0));
  for (let object = 0; ; object++) {
    const outcome = await medium.read(into);
    if (outcome.kind === 'end-of-data') {
      expect(object).toBeGreaterThanOrEqual(flushed);
      return object;
    }
    expect(outcome.kind).toBe(isMark(object) ? 'filemark' : 'record');
    if (outcome.kind === 'record') expect(Buffer.compare(outcome.data, content(object))).toBe(0);
  }
}

it('a process that is killed while it writes loses nothing that was flushed, and the next goes on', async () => {
  const folder = fs.mkdtempSync(join(tmpdir(), 'reelmap-kill-'));
  try {
    const script = join(folder, 'writer.mjs');
    await build({
      stdin: { contents: WRITER, resolveDir: join(import.meta.dirname, '../..') },
      outfile: script,
      bundle: true,
      platform: 'node',
      format: 'esm',
      target: 'node20.19',
      packages: 'external', // without the packages: checksums fall back to JavaScript
    });
    await createCartridge(folder, { barcode: 'K1', capacity: bytes(1e9) });
    let there = 0;
    for (let run = 0; run < 3; run++) {
      const flushed = await killedAfter(script, folder, 5 + 40 * run);
      expect(flushed).toBeGreaterThan(there);
      there = await checkTape(folder, flushed);
    }
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
});
