// Extended attributes: in the inode, in a shared block, in inodes of their own; ACLs; and what is wrong with bad ones.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { FormatError } from '../../../src/bytes/errors.ts';
import { aclForSetxattr, parseXattrs } from '../../../src/filesystem/ext4/xattr.ts';
import { describeWithTools } from '../../support/tools.ts';
import { pathsOf, type WalkedInode, walkToMap } from '../../support/walked.ts';
import { type Image, imageFolder, loaded, makeImage, openImage, openMemory } from './support/images.ts';
import { noise } from './support/tree.ts';

const folder = imageFolder();
const hex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text.replaceAll(/\s/g, ''), 'hex'));

// What the kernel keeps and gives for `setfacl -m u:1001:rwx,g:1002:r` on a directory of mode 755:
// getfattr --only-values -n system.posix_acl_access, and the value in the attribute block.
const ACL_ON_DISK = hex(`01000000 0100 0700 0200 0700 e9030000 0400 0500 0800 0400 ea030000 1000 0700 2000 0500`);
const ACL_FOR_SETXATTR = hex(`02000000 0100 0700 ffffffff 0200 0700 e9030000 0400 0500 ffffffff
  0800 0400 ea030000 1000 0700 ffffffff 2000 0500 ffffffff`);

describe('ACLs', () => {
  it('come out in the form that setxattr takes', () => {
    expect(Buffer.from(aclForSetxattr(ACL_ON_DISK))).toEqual(Buffer.from(ACL_FOR_SETXATTR));
  });

  it('of another version, or cut short, are refused', () => {
    expect(() => aclForSetxattr(hex('02000000'))).toThrow(FormatError);
    expect(() => aclForSetxattr(hex('01'))).toThrow(/version/);
    expect(() => aclForSetxattr(ACL_ON_DISK.subarray(0, 14))).toThrow(/entry at byte 8 is cut short/);
    expect(() => aclForSetxattr(ACL_ON_DISK.subarray(0, 6))).toThrow(/cut short/);
  });
});

describe('entries that cannot be trusted', () => {
  const area = (text: string): DataView => new DataView(hex(text).buffer);

  it('end past their area', () => {
    expect(parseXattrs(area('ff01 0000 00000000 00000000 00000000 61626364'), 0, 0).problems).toEqual([
      'extended attribute entry at byte 0 ends past its area',
    ]);
  });
  it('have a value past their area', () => {
    const parsed = parseXattrs(area('0101 1000 00000000 40000000 00000000 61000000 00000000'), 0, 0);
    expect(parsed.problems).toEqual(['extended attribute user.a: value ends past its area']);
    expect(parsed.list).toEqual([]);
  });
  it('have an unknown prefix', () => {
    const parsed = parseXattrs(area('0163 0000 00000000 00000000 00000000 61000000 00000000'), 0, 0);
    expect(parsed.problems).toEqual(['extended attribute with unknown name index 99']);
  });
  it('have a value longer than Linux takes', () => {
    const parsed = parseXattrs(area('0101 0000 0c000000 01000100 00000000 61000000 00000000'), 0, 0);
    expect(parsed.problems).toEqual(['extended attribute user.a of 65537 bytes']);
  });
});

describeWithTools(['mke2fs', 'debugfs'], 'attributes that debugfs set', () => {
  let image: Image;
  let files: Map<string, WalkedInode>;
  // debugfs takes at most 1024 bytes from a file: on blocks of 1 KiB that is too much for an attribute block.
  const big = noise(700, 1);
  const huge = noise(1024, 2);
  const most = noise(1023, 3);
  const value = (name: string, bytes: Uint8Array): string => {
    writeFileSync(join(folder, name), bytes);
    return join(folder, name);
  };

  beforeAll(async () => {
    const write = ['a', 'b', 'c', 'shared1', 'shared2', 'e'].map((name) => `write /dev/null ${name}`);
    const shared = value('shared', Buffer.alloc(500, 'v'));
    image = makeImage(folder, {
      size: 16 << 20,
      mke2fs: ['-t', 'ext4', '-b', '1024', '-O', 'ea_inode', '-N', '256'],
      debugfs: [
        ...write,
        'mkdir d',
        'ea_set a user.in inside',
        'ea_set a trusted.t tt',
        'ea_set a security.selinux unconfined',
        'ea_set a user.empty ""',
        `ea_set b -f ${value('big', big)} user.big`,
        `ea_set c -f ${value('huge', huge)} user.huge`,
        `ea_set c -f ${value('most', most)} user.most`,
        `ea_set d -f ${value('huge', huge)} user.ondir`,
        `ea_set e -f ${value('acl', ACL_FOR_SETXATTR)} system.posix_acl_access`,
        `ea_set shared1 -f ${shared} user.k`,
        `ea_set shared2 -f ${shared} user.k`,
      ],
    });
    files = await walk();
  });

  async function walk(volume = loaded(image)): Promise<Map<string, WalkedInode>> {
    const walked = await walkToMap(await openMemory(volume));
    const found = new Map<string, WalkedInode>();
    for (const [path, inode] of pathsOf(walked, 2)) {
      const row = walked.inodes.get(inode);
      if (row !== undefined) found.set(path, row);
    }
    return found;
  }

  const of = (path: string): Record<string, string> =>
    Object.fromEntries([...(files.get(path)?.xattrs ?? [])].map(([name, bytes]) => [name, bytes.toString('latin1')]));

  it('have their whole names, wherever they lie', () => {
    expect(of('/a')).toEqual({
      'user.in': 'inside',
      'trusted.t': 'tt',
      'security.selinux': 'unconfined',
      'user.empty': '',
    });
    expect(of('/b')).toEqual({ 'user.big': big.toString('latin1') });
    expect(of('/shared1')).toEqual({ 'user.k': 'v'.repeat(500) });
    expect(of('/shared2')).toEqual(of('/shared1'));
  });

  it('are read from inodes of their own, which are not files', async () => {
    expect(of('/c')).toEqual({ 'user.huge': huge.toString('latin1'), 'user.most': most.toString('latin1') });
    expect(of('/d')).toEqual({ 'user.ondir': huge.toString('latin1') });
    const walked = await walkToMap(await openImage(image));
    expect(new Set(walked.names.map(({ child }) => child)).size + 1).toBe(walked.inodes.size);
  });

  it('are ACLs as setxattr takes them', () => {
    expect(files.get('/e')?.xattrs.get('system.posix_acl_access')).toEqual(Buffer.from(ACL_FOR_SETXATTR));
  });

  it('in a damaged block cost that file its attributes, and nobody else', async () => {
    const volume = loaded(image);
    volume.bytes[volume.bytes.indexOf(big) + 5] ^= 1;
    const damaged = await walk(volume);
    expect(damaged.get('/b')?.problems).toEqual([
      expect.stringMatching(/^extended attribute block \d+: checksum wrong$/),
    ]);
    expect(damaged.get('/b')?.xattrs.size).toBe(0);
    expect([...damaged].filter(([, { problems }]) => problems.length > 0).length).toBe(1);
  });

  it('in a damaged inode of their own are refused by their hash', async () => {
    const volume = loaded(image);
    volume.bytes[volume.bytes.indexOf(most) + 5] ^= 1;
    const damaged = await walk(volume);
    expect(damaged.get('/c')?.problems).toEqual([
      expect.stringMatching(/^extended attribute value in inode \d+: hash wrong$/),
    ]);
    expect([...(damaged.get('/c')?.xattrs.keys() ?? [])]).toEqual(['user.huge']);
  });

  it('in a block that cannot be read are reported', async () => {
    const volume = loaded(image);
    const start = volume.bytes.indexOf(big) & ~1023;
    volume.unreadable.push({ start, end: start + 1024 });
    expect((await walk(volume)).get('/b')?.problems).toEqual([
      expect.stringMatching(/block \d+ cannot be read: medium error/),
    ]);
  });
});
