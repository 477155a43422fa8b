/** Time and memory of a full backup and size of its index, as the number of files grows. */
import { join } from 'node:path';
import {
  type BenchContext,
  folderBytes,
  grouped,
  type Row,
  remove,
  type ScenarioResult,
  scratchFolder,
} from '../support/context.ts';
import { smallFilesImage } from '../support/images.ts';
import { spread, timedNode } from '../support/measure.ts';

const MEMORY_TARGET_MB = 400;

export function benchGrowth(context: BenchContext, counts: readonly number[]): ScenarioResult {
  const rows = counts.flatMap((files) => {
    const rowsOfCount = grow(context, files);
    context.say(`${grouped(files)} files: ${rowsOfCount.map(({ median, unit }) => `${median} ${unit}`).join(', ')}`);
    return rowsOfCount;
  });
  return { scenario: 'growth', about: `${counts.map(grouped).join(', ')} small files`, rows };
}

function grow(context: BenchContext, files: number): Row[] {
  const image = smallFilesImage(context.work, files);
  const scratch = scratchFolder(context, 'growth');
  const home = join(scratch, 'home');
  const ms: number[] = [];
  const megabytes: number[] = [];
  const bytes: number[] = [];
  try {
    for (let round = 0; round < context.rounds; round++) {
      context.settle();
      const command = [...context.reelmap, 'backup', image, '--name', 'bench', '--no-chunk-hash', '--home', home];
      const result = timedNode(command, scratch);
      ms.push(result.ms);
      megabytes.push(result.peakBytes / 1e6);
      bytes.push(folderBytes(join(home, 'index')) / files);
      remove(home);
    }
  } finally {
    remove(scratch);
  }
  const name = `${grouped(files)} files`;
  return [
    { name: `${name}: backup`, unit: 'ms', ...spread(ms) },
    {
      name: `${name}: peak memory`,
      unit: 'MB',
      ...spread(megabytes),
      ...(files <= 200_000 && { target: MEMORY_TARGET_MB }),
    },
    { name: `${name}: index on disk`, unit: 'bytes/file', ...spread(bytes) },
  ];
}
