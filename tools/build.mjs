// Builds dist/: one bundle per program, shared code in chunks, packages left in node_modules.
// A bundle is a start-up measure: one file to read from a cold disk instead of a hundred.
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const out = join(root, 'dist');
const entries = {
  main: 'src/main.ts',
  api: 'src/api.ts',
  'mover-thread': 'src/cli/mover-thread-main.ts',
  'tools/demo/main': 'tools/demo/main.ts',
  'bench/main': 'bench/main.ts',
};
rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
await build({
  absWorkingDir: root,
  entryPoints: Object.fromEntries(Object.entries(entries).filter(([, file]) => existsSync(join(root, file)))),
  outdir: out,
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  packages: 'external',
  define: { REELMAP_VERSION: JSON.stringify(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version) },
  sourcemap: 'linked',
  chunkNames: 'chunks/[name]-[hash]',
  logLevel: 'warning',
});
if (existsSync(join(out, 'main.js'))) chmodSync(join(out, 'main.js'), 0o755);
