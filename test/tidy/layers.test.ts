// Folders are tiers and imports go down only. See ARCHITECTURE.md.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const src = resolve(import.meta.dirname, '../../src');

const TIERS: Record<string, number> = {
  bytes: 1,
  storage: 2,
  filesystem: 2,
  'tape-index': 2,
  tape: 2,
  scsi: 2,
  plan: 3,
  snapshot: 3,
  library: 3,
  catalog: 3,
  initiator: 3,
  target: 3,
  iscsi: 3,
  sg: 3,
  backup: 4,
  restore: 4,
  verify: 4,
  schedule: 4,
  cli: 5,
};
// Within a tier folders do not know each other, but for these.
const ALLOWED_SIDEWAYS = new Set(['target>initiator', 'library>initiator', 'catalog>library', 'catalog>initiator']);
const TOP_FILES = new Set(['main.ts', 'api.ts']);

function files(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    return statSync(path).isDirectory() ? files(path) : path.endsWith('.ts') ? [path] : [];
  });
}

const folderOf = (path: string): string => relative(src, path).split('/')[0];

function importsOf(path: string): string[] {
  const text = readFileSync(path, 'utf8');
  return [...text.matchAll(/(?:from|import\()\s*'(\.[^']+)'/g)].map((match) => resolve(dirname(path), match[1]));
}

describe('layers', () => {
  it('every folder of src has a tier', () => {
    const unknown = readdirSync(src).filter((name) => !(name in TIERS) && !TOP_FILES.has(name));
    expect(unknown).toEqual([]);
  });

  it('imports go down only', () => {
    const wrong: string[] = [];
    for (const path of files(src)) {
      const from = folderOf(path);
      if (TOP_FILES.has(from)) continue;
      for (const target of importsOf(path)) {
        const to = folderOf(target);
        if (to === from || TIERS[to] < TIERS[from] || ALLOWED_SIDEWAYS.has(`${from}>${to}`)) continue;
        wrong.push(`${relative(src, path)} imports ${relative(src, target)}`);
      }
    }
    expect(wrong).toEqual([]);
  });
});
