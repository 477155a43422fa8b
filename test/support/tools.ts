/** What tests need from the machine: system tools (skipped and counted without them) and a folder of their own. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, it, type TestContext } from 'vitest';
import { fullPath, hasTool, installCommand } from '../../tools/system-tools.mjs';

process.env.PATH = fullPath();

const missingOf = (names: readonly string[]): string[] => names.filter((name) => !hasTool(name));

/** Whether every named program can be run. */
export const hasTools = (...names: string[]): boolean => missingOf(names).length === 0;

const mustHave = (): boolean => process.env.CI === 'true';

/**
 * A suite that needs system tools. Without them it is skipped, and one line names them and how to get them; with CI=true
 * it fails instead.
 */
export function describeWithTools(names: readonly string[], title: string, suite: () => void): void {
  const missing = missingOf(names);
  if (missing.length === 0) {
    describe(title, suite);
    return;
  }
  const line = `${title}: needs ${missing.join(', ')}; ${installCommand(missing)}`;
  if (mustHave()) {
    describe(title, () => {
      it(`has its system tools: ${missing.join(', ')}`, () => {
        throw new Error(line);
      });
    });
    return;
  }
  console.warn(`skipped: ${line}`);
  describe.skip(title, suite);
}

/** For one test: skips it (fails with CI=true) when a tool is missing. */
export function requireTools(context: TestContext, ...names: string[]): void {
  const missing = missingOf(names);
  if (missing.length === 0) return;
  const line = `needs ${missing.join(', ')}; ${installCommand(missing)}`;
  if (mustHave()) throw new Error(line);
  context.skip(line);
}

/** For a test that can only be run as root: skipped otherwise, and fails with CI=true. */
export function requireRoot(context: TestContext): void {
  if (process.getuid?.() === 0) return;
  if (mustHave()) throw new Error('needs root');
  context.skip('needs root');
}

const made: string[] = [];
afterAll(() => {
  // Not rmSync: paths in it may be longer than PATH_MAX, and folders closed.
  for (const folder of made.splice(0)) spawnSync('rm', ['-rf', '--', folder]);
});

/** A new folder, removed after the file's last test. In $REELMAP_TEST_TMP or the system's temporary folder. */
export function tempFolder(name = 'reelmap-test-'): string {
  const folder = mkdtempSync(join(process.env.REELMAP_TEST_TMP ?? tmpdir(), name));
  made.push(folder);
  return folder;
}
