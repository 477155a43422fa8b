/** Starts store-child.ts as real processes. */
import { type ChildProcess, spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { bundleScript, plainEnvironment } from '../support/bundle.ts';

let built: ReturnType<typeof bundleScript> | undefined;

/** Call after the last test. */
export async function removeChildren(): Promise<void> {
  if (built !== undefined) rmSync((await built).folder, { recursive: true, force: true });
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
  built ??= bundleScript('test/tape-index/store-child.ts');
  const { program } = await built;
  const child = spawn(process.execPath, [program, folder, ...steps.map((step) => JSON.stringify(step))], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: plainEnvironment(),
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
