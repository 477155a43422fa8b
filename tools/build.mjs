// Builds dist/, or the folder in this project that is named: one bundle per program, shared code in chunks, packages bundled but for those with native parts or WebAssembly.
// A bundle is a start-up measure: `reelmap sets` spent three quarters of its time finding and reading some 60 small files of
// packages (measured below, tools/build-plugins.mjs).
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { builtinsDirectly, lazyChildProcess, nativeBinding, requireBanner } from './build-plugins.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const out = resolve(root, process.argv[2] ?? 'dist');
const entries = {
  main: 'src/main.ts',
  api: 'src/api.ts',
  'mover-thread': 'src/cli/mover-thread-main.ts',
  'tools/demo/main': 'tools/demo/main.ts',
  'bench/main': 'bench/main.ts',
};
rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
const { metafile, outputFiles } = await build({
  write: false,
  absWorkingDir: root,
  entryPoints: Object.fromEntries(Object.entries(entries).filter(([, file]) => existsSync(join(root, file)))),
  outdir: out,
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  // Native addons find their files beside them; zstd-codec (WebAssembly) starts slower when bundled.
  external: ['koffi', '@koromix/*', '@node-rs/*', 'zstd-codec', 'esbuild', 'vitest'],
  plugins: [nativeBinding, lazyChildProcess],
  banner: { js: requireBanner },
  metafile: true,
  minify: true, // two thirds of a bundle are comments and long names, and all of it is parsed at every start
  define: { REELMAP_VERSION: JSON.stringify(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version) },
  sourcemap: 'linked',
  chunkNames: 'chunks/[name]-[hash]',
  logLevel: 'warning',
});
for (const { path, text } of outputFiles) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, path.endsWith('.js') ? builtinsDirectly(text) : text);
}
if (existsSync(join(out, 'main.js'))) chmodSync(join(out, 'main.js'), 0o755);
writeFileSync(join(out, 'THIRD-PARTY-LICENSES.txt'), licences(Object.keys(metafile.inputs)));

/** The licences of all packages of which something is in the bundles. */
function licences(inputs) {
  const found = inputs.flatMap((path) => /.*node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.slice(0, 2) ?? []);
  const packages = new Map();
  for (let i = 0; i < found.length; i += 2) packages.set(found[i + 1], join(root, found[i]));
  const texts = [...packages].sort().map(([name, folder]) => {
    const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
    const { version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    return `${name} ${version} (${license})\n\n${file === undefined ? '' : readFileSync(join(folder, file), 'utf8')}`;
  });
  return texts.join(`\n${'-'.repeat(78)}\n\n`);
}
