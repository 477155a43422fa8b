import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { installCommand, packagesOf } from '../../tools/system-tools.mjs';
import { describeWithTools, hasTools, tempFolder } from './tools.ts';

describe('system tools', () => {
  it('a program of the machine is found and an invented one is not', () => {
    expect(hasTools('tar')).toBe(true);
    expect(hasTools('tar', 'no-such-program-here')).toBe(false);
  });

  it('the install command names each Debian package once', () => {
    expect(packagesOf(['debugfs', 'mke2fs', 'bsdtar'])).toEqual(['e2fsprogs', 'libarchive-tools']);
    expect(installCommand(['bsdtar'])).toContain('apt-get install -y --no-install-recommends libarchive-tools');
  });

  it('a temporary folder exists', () => {
    expect(existsSync(tempFolder())).toBe(true);
  });
});

describeWithTools(['tar'], 'a suite whose tools are there', () => {
  it('runs', () => expect(hasTools('tar')).toBe(true));
});
