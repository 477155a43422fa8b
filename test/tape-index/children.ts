/** Starts store-child.ts as real processes. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { build } from 'esbuild';

const root = join(import.meta.dirname, '../..');
/** Inside the project, so that packages are found. */
const out = join(root, '.test-work', `index-${process.pid}`);
let built: Promise<unknown> | undefined;

export const childFolder = out;

/** Bundles a script of this folder to JavaScript and gives its path. */
export async function bundled(script: string): Promise<string> {
  mkdirSync(out, { recursive: true });
  built ??= build({
    entryPoints: ['test/tape-index/store-child.ts', 'test/tape-index/look-up-child.ts'].map((path) => join(root, path)),
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    packages: 'external',
    outdir: out,
    logLevel: 'warning',
  });
  await built;
  return join(out, script.replace(/\.ts$/, '.js'));
}

export interface Child {
  readonly process: ChildProcess;
  /** The next line it prints, parsed; null at its end. */
  next(): Promise<Record<string, unknown> | null>;
  /** All lines until its end. */
  rest(): Promise<Record<string, unknown>[]>;
}

type Step = readonly (string | number)[];

export async function startChild(folder: string, ...steps: Step[]): Promise<Child> {
  const script = await bundled('store-child.ts');
  const environment: NodeJS.ProcessEnv = { ...process.env };
  delete environment.NODE_EXTRA_CA_CERTS; // 46 ms at each start
  const child = spawn(process.execPath, [script, folder, ...steps.map((step) => JSON.stringify(step))], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: environment,
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async (): Promise<Record<string, unknown> | null> => {
    const { value, done } = await lines.next();
    return done === true ? null : (JSON.parse(value) as Record<string, unknown>);
  };
  return {
    process: child,
    next,
    async rest() {
      const all: Record<string, unknown>[] = [];
      for (let line = await next(); line !== null; line = await next()) all.push(line);
      return all;
    },
  };
}
