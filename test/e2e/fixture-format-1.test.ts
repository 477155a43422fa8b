// Every release reads every earlier format: test/fixtures/format-1/README.md.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { builtProgram } from '../support/program.ts';
import { describeWithTools, tempFolder } from '../support/tools.ts';

const fixture = join(process.cwd(), 'test/fixtures/format-1');

describeWithTools(['tar', 'sha256sum'], 'a cartridge of format version 1', () => {
  const work = tempFolder();
  const home = join(work, 'home');
  const reelmap = (...words: string[]): { status: number | null; text: string } => {
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [join(builtProgram(), 'main.js'), ...words, '--home', home],
      {
        encoding: 'utf8',
      },
    );
    return { status, text: `${stdout}${stderr}` };
  };

  it('gives its index, its files and its volume back', () => {
    mkdirSync(home);
    expect(spawnSync('tar', ['-xzf', join(fixture, 'home.tar.gz'), '-C', home]).status).toBe(0);
    expect(reelmap('index', 'rebuild')).toMatchObject({ status: 0 });
    const to = join(work, 'to');
    expect(reelmap('restore', 'fixture@latest', '/', '--to', to)).toMatchObject({ status: 0 });
    const sums = spawnSync('sha256sum', ['--check', '--quiet', join(fixture, 'SHA256SUMS')], {
      cwd: to,
      encoding: 'utf8',
    });
    expect(`${sums.stdout}${sums.stderr}`).toBe('');
    expect(readlinkSync(join(to, 'dir/link'))).toBe('../BSD');
    expect(statSync(join(to, 'dir/hard')).ino).toBe(statSync(join(to, 'BSD')).ino);
    expect(reelmap('verify', 'fixture@latest')).toMatchObject({ status: 0 });
    expect(reelmap('restore-volume', 'fixture@latest', join(work, 'back.img'))).toMatchObject({ status: 0 });
    expect(statSync(join(work, 'back.img')).size).toBe(1024 * 1024);
  }, 60_000);
});
