/** Bundles TypeScript into a program of its own, for tests and benchmarks that start real processes. */
import { mkdirSync, mkdtempSync } from 'node:fs';
import { basename, join } from 'node:path';
import { build } from 'esbuild';

/** The project's folder, from wherever this runs (vitest or a bundle). */
const root = process.cwd();

/**
 * Bundles one script (a path inside the project) into a new folder inside the project, so that packages are found.
 * @returns the program and the folder to remove afterwards
 */
export async function bundleScript(script: string): Promise<{ readonly program: string; readonly folder: string }> {
  mkdirSync(join(root, '.test-work'), { recursive: true });
  const folder = mkdtempSync(join(root, '.test-work', 'bundle-'));
  await build({
    entryPoints: [join(root, script)],
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    packages: 'external',
    outdir: folder,
    logLevel: 'warning',
  });
  return { program: join(folder, basename(script).replace(/\.ts$/, '.js')), folder };
}

export { plainEnvironment } from './environment.ts';
