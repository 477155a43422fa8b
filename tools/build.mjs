// Builds dist/: one bundle per program, shared code in chunks, packages bundled but for those with native parts or WebAssembly.
// A bundle is a start-up measure: `reelmap sets` spent three quarters of its time finding and reading some 60 small files of
// packages (measured below, tools/build-plugins.mjs).
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import {
  builtinsDirectly,
  lazyChildProcess,
  nativeBinding,
  nativeBindingOfPrograms,
  requireBanner,
} from './build-plugins.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const out = join(root, 'dist');
/** Programs: one CommonJS file each, read and compiled without the ES module loader (measured: a fifth off a one-file restore). */
const programs = { program: 'src/main.ts', 'mover-thread': 'src/cli/mover-thread-main.ts' };
/** What is imported, or run for long: ES modules that share chunks. */
const modules = { api: 'src/api.ts', 'tools/demo/main': 'tools/demo/main.ts', 'bench/main': 'bench/main.ts' };
rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
const common = {
  write: false,
  absWorkingDir: root,
  outdir: out,
  bundle: true,
  platform: 'node',
  target: 'node20.19',
  // Native addons find their files beside them; zstd-codec (WebAssembly) starts slower when bundled.
  external: ['koffi', '@koromix/*', '@node-rs/*', 'zstd-codec', 'esbuild', 'vitest'],
  metafile: true,
  minify: true, // two thirds of a bundle are comments and long names, and all of it is parsed at every start
  sourcemap: 'linked',
  logLevel: 'warning',
};
const version = {
  REELMAP_VERSION: JSON.stringify(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version),
};
const existing = (entries) =>
  Object.fromEntries(Object.entries(entries).filter(([, file]) => existsSync(join(root, file))));
const programBanner = 'const __fileUrl=require("node:url").pathToFileURL(__filename).href;';
const results = await Promise.all([
  build({
    ...common,
    entryPoints: existing(programs),
    format: 'cjs',
    // The launcher's script cannot import: what stays outside is required.
    supported: { 'dynamic-import': false },
    plugins: [nativeBindingOfPrograms, lazyChildProcess],
    banner: { js: programBanner },
    define: { ...version, 'import.meta.url': '__fileUrl' },
  }),
  build({
    ...common,
    entryPoints: existing(modules),
    format: 'esm',
    splitting: true,
    plugins: [nativeBinding, lazyChildProcess],
    banner: { js: requireBanner },
    define: version,
    outExtension: { '.js': '.mjs' },
    chunkNames: 'chunks/[name]-[hash]',
  }),
]);
for (const { path, text } of results.flatMap(({ outputFiles }) => outputFiles)) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, path.endsWith('.mjs') ? builtinsDirectly(text) : text);
}
writeFileSync(join(out, 'package.json'), '{ "type": "commonjs" }\n');
copyFileSync(join(root, 'tools/launcher.cjs'), join(out, 'main.js'));
chmodSync(join(out, 'main.js'), 0o755);
spawnSync(process.execPath, [join(root, 'tools/code-cache.mjs'), join(out, 'program.js')], { stdio: 'ignore' });
writeFileSync(
  join(out, 'THIRD-PARTY-LICENSES.txt'),
  licences(results.flatMap(({ metafile }) => Object.keys(metafile.inputs))),
);

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
