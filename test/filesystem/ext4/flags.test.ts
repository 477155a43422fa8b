// Inodes whose flags change what their blocks mean: encrypted, verity, preallocated past the end; and what is unlinked.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { InodeFlag } from '../../../src/filesystem/filesystem.ts';
import { describeWithTools } from '../../support/tools.ts';
import { pathsOf, type Walked, type WalkedInode, walkToMap } from '../../support/walked.ts';
import { debugfs, imageFolder, makeImage, openImage } from './support/images.ts';
import { noise } from './support/tree.ts';

const folder = imageFolder();
const ENCRYPT = 0x800;
const VERITY = 0x10_0000;
const EXTENTS = 0x8_0000;

describeWithTools(['mke2fs', 'debugfs'], 'flags of an inode', () => {
  let walked: Walked;
  let paths: Map<string, number>;
  beforeAll(async () => {
    const tree = join(folder, 'tree');
    mkdirSync(join(tree, 'secret'), { recursive: true });
    for (const name of ['plain', 'verity', 'cipher', 'gone', 'truncating'])
      writeFileSync(join(tree, name), noise(20_000, 1));
    writeFileSync(join(tree, 'secret', 'abc'), 'x');
    writeFileSync(join(tree, 'secret', 'm'.repeat(255)), 'y');
    const image = makeImage(folder, {
      size: 16 << 20,
      mke2fs: ['-t', 'ext4', '-O', 'encrypt,verity', '-N', '256'],
      tree,
    });
    debugfs(
      image.path,
      [
        'sif plain size 5000',
        'sif verity size 5000',
        `sif verity flags ${EXTENTS | VERITY}`,
        'sif cipher size 5000',
        `sif cipher flags ${EXTENTS | ENCRYPT}`,
        `sif secret flags ${EXTENTS | ENCRYPT}`,
        'sif gone links_count 0',
        'sif truncating dtime 12',
      ],
      true,
    );
    walked = await walkToMap(await openImage(image));
    paths = pathsOf(walked, 2);
  });
  const file = (path: string): WalkedInode => {
    const inode = walked.inodes.get(paths.get(path) ?? 0);
    if (inode === undefined) throw new Error(`no ${path}`);
    return inode;
  };
  const bytes = (path: string): number => file(path).extents.reduce((sum, { length }) => sum + length, 0);

  it('blocks past the end of an ordinary file are left out', () => {
    expect(bytes('/plain')).toBe(5000);
    expect(file('/plain').flags).toBe(0);
  });

  it('blocks past the end of a verity file are its Merkle tree: kept, and flagged', () => {
    expect(bytes('/verity')).toBe(20_480);
    expect(file('/verity').flags).toBe(InodeFlag.verity);
  });

  it('an encrypted file keeps its last block whole, and is flagged', () => {
    expect(bytes('/cipher')).toBe(8192);
    expect(file('/cipher').flags).toBe(InodeFlag.encrypted);
  });

  it('names in an encrypted directory are shown as the kernel shows them without the key, none over 255 bytes', () => {
    expect(file('/secret').flags).toBe(InodeFlag.encrypted);
    const names = walked.names.filter(({ parent }) => parent === paths.get('/secret')).map(({ name }) => name);
    const ciphertexts = names.map((name) => Buffer.from(name, 'base64url').subarray(8).toString('latin1'));
    expect(ciphertexts).toContain('abc');
    expect(names).toHaveLength(2);
    expect(names.every((name) => /^[A-Za-z0-9_-]{1,252}$/.test(name))).toBe(true);
  });

  it('an inode without links is no file, and a name of it is reported', () => {
    expect(paths.has('/gone')).toBe(false);
    expect(walked.directoryProblems).toEqual([
      { inode: 2, reason: expect.stringMatching(/^entry "gone" names inode \d+, which is not in use$/) },
    ]);
  });

  it('a file in the middle of a truncation is on the orphan list and has a deletion time: it is a file all the same', () => {
    expect(bytes('/truncating')).toBe(20_000);
  });
});
