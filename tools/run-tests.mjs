// What `npm test` runs: names missing system tools (installs them with CI=true), builds, checks types and style, runs the
// tests, and ends with one plain line. Exit status 0 only when nothing failed; with CI=true a skipped test is a failure.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fullPath, hasTool, installCommand, PACKAGES, packagesOf } from './system-tools.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const ci = process.env.CI === 'true';
process.env.PATH = fullPath();

/** Runs a program with our own output; true when it ended with 0. */
function run(program, args, options = {}) {
  const { status, error } = spawnSync(program, args, { cwd: root, stdio: 'inherit', ...options });
  if (error) console.error(`${program}: ${error.message}`);
  return status === 0;
}

function systemTools() {
  const missing = () => Object.keys(PACKAGES).filter((name) => !hasTool(name));
  const before = missing();
  if (before.length === 0) return true;
  if (ci) {
    const sudo = process.getuid?.() !== 0 && hasTool('sudo') ? ['sudo'] : [];
    const apt = (...args) => {
      const [program, ...rest] = [...sudo, 'apt-get', ...args];
      return run(program, rest, { env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } });
    };
    apt('update', '-qq');
    apt('install', '-y', '-qq', '--no-install-recommends', ...packagesOf(before));
  }
  const after = missing();
  if (after.length > 0) {
    console.error(`missing system tools: ${after.join(', ')}; install them with: ${installCommand(after)}`);
  }
  return after.length === 0 || !ci;
}

/** The counts of a vitest run, from its JSON report; undefined when it wrote none. */
function counts(file) {
  if (!existsSync(file)) return undefined;
  const report = JSON.parse(readFileSync(file, 'utf8'));
  return {
    passed: report.numPassedTests,
    failed: report.numFailedTests,
    skipped: report.numPendingTests + (report.numTodoTests ?? 0),
    success: report.success,
  };
}

function vitest() {
  const folder = mkdtempSync(join(tmpdir(), 'reelmap-tests-'));
  const file = join(folder, 'report.json');
  const bin = join(root, 'node_modules/vitest/vitest.mjs');
  const args = ['run', '--reporter=default', '--reporter=json', `--outputFile.json=${file}`];
  const ended = run(process.execPath, [bin, ...args, ...process.argv.slice(2)]);
  const found = counts(file);
  rmSync(folder, { recursive: true, force: true });
  return { ended, found };
}

const failures = [];
const step = (name, passed) => {
  if (!passed) failures.push(name);
};
const local = (name) => join(root, 'node_modules/.bin', name);

step('system tools', systemTools());
step('build', run(process.execPath, [join(root, 'tools/build.mjs')]));
step('types', run(local('tsc'), ['--noEmit']));
step('style', run(local('biome'), ['check']));
const { ended, found } = vitest();
step('tests', ended && found?.success === true);
if (ci && found !== undefined && found.skipped > 0) step(`${found.skipped} skipped tests`, false);

if (failures.length > 0) console.log(`not right: ${failures.join(', ')}`);
const { passed, failed, skipped } = found ?? { passed: 0, failed: 1, skipped: 0 };
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
process.exit(failures.length === 0 ? 0 : 1);
