/** Finds the documents that go onto every cartridge: the only file of this folder that reads files, once per labelled cartridge. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { FormatError } from '../../bytes/errors.ts';
import type { LabelDocuments } from './label.ts';

/** The package's FORMAT.md and restore.py, beside the sources and beside dist/ alike. @throws FormatError `io` */
export async function readLabelDocuments(
  from: string = dirname(fileURLToPath(import.meta.url)),
): Promise<LabelDocuments> {
  for (let folder = from; ; folder = dirname(folder)) {
    const documents = join(folder, 'index-format');
    if (existsSync(join(documents, 'restore.py'))) {
      return {
        format: await readFile(join(documents, 'FORMAT.md')),
        restore: await readFile(join(documents, 'restore.py')),
      };
    }
    if (folder === dirname(folder)) {
      throw new FormatError('io', 'index-format/restore.py', `not found above ${from}; install reelmap again`);
    }
  }
}
