/** `npm run demo`, small: what the README promises a newcomer keeps working. */
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { builtProgram } from '../support/program.ts';
import { describeWithTools, tempFolder } from '../support/tools.ts';

const BYTES = '6000000';

describeWithTools(['mke2fs', 'e2fsck', 'debugfs', 'tar', 'cmp', 'diff', 'python3'], 'the demo', () => {
  const demo = join(builtProgram(), 'tools/demo/main.mjs');

  it('does every step of the main job, finds all as expected, and keeps to one folder', { timeout: 120_000 }, () => {
    const cwd = tempFolder();
    const { INIT_CWD: _, ...env } = process.env;
    const { status, stdout, stderr } = spawnSync(process.execPath, [demo], {
      cwd,
      env: { ...env, REELMAP_DEMO_BYTES: BYTES },
      encoding: 'utf8',
    });
    expect({ status, stderr, wrong: /.*(NOT RIGHT|instead of).*/.exec(stdout)?.[0] }).toEqual({
      status: 0,
      stderr: '',
      wrong: undefined,
    });
    expect(readdirSync(cwd)).toEqual(['reelmap-demo']);
    for (const words of [
      'reelmap backup',
      'reelmap find',
      'reelmap plan demo@latest',
      'reelmap restore demo@latest',
      'killed with -9 in the middle',
      'going on with the run',
      'reelmap index rebuild',
      'reelmap restore-volume',
      'tar -b 512 -xSf',
      'lost with the record',
      'All as expected',
    ])
      expect(stdout).toContain(words);
    // Each command is shown with its time.
    expect(stdout.match(/^\$ reelmap .* # \d+\.\d\d s/gm)?.length).toBeGreaterThan(20);
  });

  it('names what is missing', () => {
    const cwd = tempFolder();
    const { status, stderr } = spawnSync(process.execPath, [demo, 'nowhere.img'], { cwd, encoding: 'utf8' });
    expect(status).toBe(1);
    expect(stderr).toMatch(/^demo: .*nowhere\.img: there is no such volume\n$/);
  });
});
