// Encrypted folders without their key: names, link targets and sizes as the kernel shows them, content as ciphertext, marked.
// Only for root where loop mounts work; the hashes of names are judged by debugfs everywhere.
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { directoryHash } from '../../../src/filesystem/ext4/directory-hash.ts';
import { ExtentKind, InodeFlag } from '../../../src/filesystem/filesystem.ts';
import { canMount, withMount } from '../../support/mount.ts';
import { describeWithTools, hasTools } from '../../support/tools.ts';
import { pathsOf, walkToMap } from '../../support/walked.ts';
import { debugfs, imageFolder, makeImage, openImage } from './support/images.ts';

const folder = imageFolder();
const mountPoint = join(folder, 'mnt');
mkdirSync(mountPoint);
const MIB = 2 ** 20;

describeWithTools(['mke2fs', 'debugfs'], 'the hash of a name', () => {
  it('is that of debugfs, in every version and length', () => {
    const { path } = makeImage(folder, { size: MIB, mke2fs: [] });
    const seed = '89fd75a6-4726-4950-86e7-b0bca2ec0179';
    const bytes = Buffer.from(seed.replaceAll('-', ''), 'hex');
    const seedWords = [0, 4, 8, 12].map((at) => bytes.readUInt32LE(at));
    const names = [
      'a',
      'ab',
      'hello',
      'sixteen letters!',
      'n'.repeat(31),
      'm'.repeat(33),
      'x'.repeat(255),
      'ünïcøde-ÿÿÿ',
    ];
    const kinds = ['legacy', 'half_md4', 'tea'];
    for (const [version, kind] of kinds.entries()) {
      for (const name of names) {
        for (const withSeed of [true, false]) {
          const option = withSeed ? `-s ${seed} ` : '';
          const command = `dx_hash -h ${kind} ${option}"${Buffer.from(name).toString('latin1')}"`;
          const said = /Hash of .* is 0x([0-9a-f]+) \(minor 0x([0-9a-f]+)\)/.exec(debugfs(path, [command]));
          const { major, minor } = directoryHash(Buffer.from(name), version, withSeed ? seedWords : [0, 0, 0, 0]);
          expect([major, minor], command).toEqual(
            [said?.[1], said?.[2]].map((text) => Number.parseInt(text ?? '', 16)),
          );
        }
      }
    }
  });

  it('differs for unsigned characters above 127 alone', () => {
    for (const version of [0, 1, 2]) {
      const plain = directoryHash(Buffer.from('plain'), version, [1, 2, 3, 4]);
      expect(directoryHash(Buffer.from('plain'), version + 3, [1, 2, 3, 4])).toEqual(plain);
      const high = directoryHash(Buffer.from([0xff, 0x80, 0xc3]), version, [1, 2, 3, 4]);
      expect(directoryHash(Buffer.from([0xff, 0x80, 0xc3]), version + 3, [1, 2, 3, 4])).not.toEqual(high);
    }
  });
});

/** linux/fscrypt.h: FS_IOC_ADD_ENCRYPTION_KEY, FS_IOC_SET_ENCRYPTION_POLICY with a policy of version 2. */
const FILL = `
import fcntl, os, struct, sys
root = sys.argv[1]; os.chdir(root)
fd = os.open('.', os.O_RDONLY)
key = bytearray(struct.pack('=II32sII32s', 2, 0, bytes(32), 64, 0, bytes(32)) + bytes(range(64)))
fcntl.ioctl(fd, 0xc0506617, key)
identifier = bytes(key[8:24])
os.mkdir('one'); os.mkdir('many'); os.mkdir('plain')
for name in ('one', 'many'):
    folder = os.open(name, os.O_RDONLY)
    fcntl.ioctl(folder, 0x800c6613, struct.pack('=BBBBB3s16s', 2, 1, 4, 3, 0, bytes(3), identifier))
for n in (1, 5, 16, 17, 100, 148, 160, 200, 255): open('one/' + 'n' * n, 'w').close()
for i in range(300): open('many/%d-%s' % (i, 'q' * (i % 90)), 'w').write('%d' % i)
os.mkdir('many/below'); open('many/below/file', 'wb').write(os.urandom(9000))
os.symlink('t', 'one/short'); os.symlink('u' * 40, 'one/middle'); os.symlink('v' * 300, 'one/long')
open('plain/open', 'w').write('not encrypted')
`;

const LIST = `
import json, os, sys
root = sys.argv[1]
for folder, folders, files in os.walk(root):
    for name in folders + files:
        path = os.path.join(folder, name); st = os.lstat(path)
        print(json.dumps([path[len(root):], oct(st.st_mode), st.st_size, os.readlink(path) if os.path.islink(path) else None]))
`;

const mountable =
  hasTools('mke2fs', 'python3', 'mount') &&
  canMount(makeImage(folder, { size: 8 * MIB, mke2fs: ['-t', 'ext4', '-O', 'encrypt'] }).path, mountPoint, 'ro');

describe.skipIf(!mountable)('an encrypted folder without its key', () => {
  const KINDS = {
    'with indexed folders': ['-b', '1024'],
    'without dir_index': ['-b', '1024', '-O', '^dir_index'],
    'with 4 KiB blocks': ['-b', '4096'],
  };
  it.each(Object.entries(KINDS))('has the names, sizes and targets that the kernel shows, %s', async (_title, args) => {
    const image = makeImage(folder, { size: 24 * MIB, mke2fs: ['-t', 'ext4', '-O', 'encrypt', ...args] });
    withMount(image.path, mountPoint, 'rw', () => execFileSync('python3', ['-c', FILL, mountPoint]));
    const lines = withMount(image.path, mountPoint, 'ro', () =>
      execFileSync('python3', ['-c', LIST, mountPoint], { encoding: 'utf8' }),
    );
    const kernel = lines
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as [string, string, number, string | null]);
    const walked = await walkToMap(await openImage(image));
    const ours = [...pathsOf(walked, 2)].slice(1).map(([path, inode]) => {
      const row = walked.inodes.get(inode);
      const isLink = row !== undefined && (row.mode & 0o170000) === 0o120000;
      const target = isLink ? (row.extents[0].literal?.toString('latin1') ?? '') : null;
      return [path, `0o${row?.mode.toString(8)}`, row?.size, target];
    });
    expect(ours.sort()).toEqual(kernel.sort());
    expect(ours.length).toBeGreaterThan(310);

    const encrypted = [...pathsOf(walked, 2)].filter(([path]) => /^\/(one|many)/.test(path));
    for (const [path, inode] of encrypted) {
      const row = walked.inodes.get(inode);
      expect((row?.flags ?? 0) & InodeFlag.encrypted, path).toBe(InodeFlag.encrypted);
      const [extent] = row?.extents ?? [];
      // The cipher needs whole blocks.
      if (extent?.kind === ExtentKind.stored) expect(extent.length % 1024).toBe(0);
    }
    expect(walked.inodes.get(pathsOf(walked, 2).get('/plain/open') ?? 0)?.flags).toBe(0);
  });
});
