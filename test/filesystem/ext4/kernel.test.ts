// Trees that the Linux kernel wrote, walked and compared with what it says of them itself: lstat, listxattr, FIEMAP.
// Only for root where loop mounts work; images.test.ts proves the same with debugfs everywhere.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { expectWalkConforms } from '../../conformance/filesystem.ts';
import { canMount, withMount } from '../../support/mount.ts';
import { hasTools } from '../../support/tools.ts';
import { pathsOf, type WalkedInode, walkToMap } from '../../support/walked.ts';
import { type Image, imageFolder, makeImage, openImage } from './support/images.ts';

interface KernelRow {
  readonly path: string;
  readonly inode: number;
  readonly mode: number;
  readonly links: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly times: readonly string[];
  readonly device: readonly number[];
  readonly xattrs: Readonly<Record<string, string>>;
  readonly target?: string;
  readonly extents?: readonly (readonly [number, number, number, boolean])[];
  readonly inline?: boolean;
  readonly content?: string;
}

// What only the kernel can make: fragmented, preallocated, punched, shifted, with attributes of every size, and sockets.
const FILL = `
import ctypes, os, socket, struct, sys
root = sys.argv[1]; os.chdir(root)
libc = ctypes.CDLL(None, use_errno=True)
def fallocate(fd, mode, offset, length):
    if libc.fallocate(fd, mode, ctypes.c_long(offset), ctypes.c_long(length)) != 0: print('no fallocate', mode, ctypes.get_errno())
def attribute(path, name, value):
    try: os.setxattr(path, name, value, follow_symlinks=False)
    except OSError as e: print('no', name, e)
def write(path, data):
    with open(path, 'wb') as f: f.write(data)
write('small', b'hello'); os.link('small', 'hard'); os.symlink('small', 'fast'); os.symlink('x' * 200, 'slow')
write('m100k', os.urandom(100000))
for n in (1, 59, 60, 61, 100, 130, 150, 160): write('in%d' % n, os.urandom(n))
os.makedirs('d/e/f')
for i in range(400): write('d/file_number_%d' % i, b'%d' % i)
os.mkdir('tiny'); write('tiny/a', b'')
for i in range(100): os.unlink('d/file_number_%d' % (i * 3))
fd = os.open('frag', os.O_CREAT | os.O_RDWR)
for i in range(0, 800, 2): os.pwrite(fd, os.urandom(1024), i * 4096); 
os.fsync(fd)
fd = os.open('unwritten', os.O_CREAT | os.O_RDWR); fallocate(fd, 0, 0, 1 << 20); os.pwrite(fd, os.urandom(4096), 65536); os.fsync(fd)
fd = os.open('keep', os.O_CREAT | os.O_RDWR); os.write(fd, os.urandom(100000)); os.fsync(fd); fallocate(fd, 1, 204800, 1 << 20); os.fsync(fd)
fd = os.open('punch', os.O_CREAT | os.O_RDWR); os.write(fd, os.urandom(2 << 20)); os.fsync(fd)
fallocate(fd, 3, 65536, 131072); fallocate(fd, 16, 524288, 65536); fallocate(fd, 8, 1 << 20, 65536); fallocate(fd, 32, 786432, 65536); os.fsync(fd)
fd = os.open('sparse', os.O_CREAT | os.O_RDWR); os.pwrite(fd, b'x' * 4096, 4096000); os.ftruncate(fd, 10 << 20)
os.mknod('c1', 0o20600, os.makedev(5, 1)); os.mknod('cbig', 0o20600, os.makedev(300, 70000)); os.mknod('b1', 0o60600, os.makedev(3000, 500000)); os.mkfifo('ff')
s = socket.socket(socket.AF_UNIX); s.bind('sock')
attribute('small', 'user.a', b'val'); attribute('m100k', 'trusted.t', b'zz'); attribute('m100k', 'security.x', b'sec'); attribute('fast', 'trusted.link', b'l')
for i, n in enumerate((0, 100, 900)): attribute('in60', 'user.n%d' % i, b'q' * n)
for i in range(5): write('share%d' % i, b''); attribute('share%d' % i, 'user.k', b'v' * 500)
attribute('d', 'user.dir', b'w' * 300)
value = os.urandom(10000)
attribute('m100k', 'user.dup', value); attribute('in130', 'user.dup', value); attribute('in130', 'user.most', os.urandom(65535)); attribute('d', 'user.ondir', os.urandom(9000))
acl = struct.pack('<I', 2) + b''.join(struct.pack('<HHI', *e) for e in ((1,7,0xffffffff),(2,7,1001),(4,5,0xffffffff),(8,4,1002),(16,7,0xffffffff),(32,5,0xffffffff)))
attribute('d', 'system.posix_acl_access', acl); attribute('d', 'system.posix_acl_default', acl)
os.chown('small', 70000, 80000); os.chmod('m100k', 0o6755)
for name, t in (('in1', -631152000123456789), ('in59', 4102444800987654321), ('in61', 10413792000500000000), ('in100', -250000000)): os.utime(name, ns=(t, t + 1))
write(b'bad\\xff\\xfename', b'1'); write('new\\nline', b'2'); write('n' * 255, b'3')
`;

const IMAGES: Record<string, readonly string[]> = {
  ext4: ['-t', 'ext4', '-N', '1024'],
  'ext4 with 1 KiB blocks, inline data, attributes in inodes': [
    '-t',
    'ext4',
    '-b',
    '1024',
    '-O',
    'inline_data,ea_inode',
    '-N',
    '1024',
  ],
  'ext3 with 1 KiB blocks': ['-t', 'ext3', '-b', '1024', '-N', '1024'],
  'ext2 with 128-byte inodes': ['-t', 'ext2', '-I', '128', '-N', '1024'],
  bigalloc: ['-t', 'ext4', '-O', 'bigalloc', '-C', '16384', '-N', '1024'],
};

const folder = imageFolder();
const mountPoint = join(folder, 'mnt');
mkdirSync(mountPoint);
const mountable = hasTools('mke2fs', 'python3', 'mount') && canMount(made([]).path, mountPoint, 'ro');
if (!mountable) console.warn('not run: comparisons with the kernel, which need root and loop mounts');

function made(args: readonly string[]): Image {
  return makeImage(folder, { size: 48 << 20, mke2fs: args });
}

describe('a tree that the kernel wrote', () => {
  if (!mountable) {
    it('cannot be had here; the empty image conforms at least', async () => {
      const image = made([]);
      expect((await expectWalkConforms(await openImage(image), image.byteLength)).inodes).toBe(2);
    });
  }
  for (const [title, args] of mountable ? Object.entries(IMAGES) : []) {
    it(`is walked as the kernel sees it: ${title}`, async () => {
      const image = made(args);
      withMount(image.path, mountPoint, 'rw', () =>
        execFileSync('python3', ['-c', FILL, mountPoint], { encoding: 'utf8' }),
      );
      const rows = withMount(image.path, mountPoint, 'ro', () => dump());
      const walked = await walkToMap(await openImage(image));
      const paths = pathsOf(walked, 2);
      expect([...paths.keys()].sort()).toEqual(rows.map(({ path }) => path).sort());
      const wrong: unknown[] = [];
      for (const row of rows) {
        const inode = walked.inodes.get(row.inode);
        const ours = inode === undefined || paths.get(row.path) !== row.inode ? undefined : asKernel(inode, row.path);
        if (JSON.stringify(ours) !== JSON.stringify(normal(row))) wrong.push({ ours, kernel: normal(row) });
      }
      expect(wrong.slice(0, 2)).toEqual([]);
      expect((await expectWalkConforms(await openImage(image), image.byteLength)).problems).toEqual([]);
      expect(spawnSync('e2fsck', ['-fn', image.path]).status).toBe(0);
    });
  }
});

function dump(): KernelRow[] {
  const script = join(import.meta.dirname, '../../support/kernel-dump.py');
  const out = execFileSync('python3', [script, mountPoint], { encoding: 'utf8', maxBuffer: 1 << 28 });
  return out
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as KernelRow);
}

/** Extents joined and cut at the file's size, as the walker gives them. */
function normal(row: KernelRow): KernelRow {
  const extents: [number, number, number, boolean][] = [];
  for (const [from, at, length, unwritten] of row.extents ?? []) {
    const cut = Math.min(length, row.size - from);
    if (cut <= 0) continue;
    const last = extents.at(-1);
    const touches = last !== undefined && last[0] + last[2] === from && last[3] === unwritten;
    if (touches && (unwritten || last[1] + last[2] === at)) last[2] += cut;
    else extents.push([from, unwritten ? 0 : at, cut, unwritten]);
  }
  return {
    ...row,
    xattrs: Object.fromEntries(Object.entries(row.xattrs).sort()),
    ...(row.extents === undefined ? {} : { extents }),
  };
}

function asKernel(inode: WalkedInode, path: string): KernelRow {
  const type = inode.mode & 0o170000;
  const literal = inode.extents[0]?.literal;
  const row = {
    path,
    inode: inode.inode,
    mode: inode.mode,
    links: inode.linkCount,
    uid: inode.uid,
    gid: inode.gid,
    size: inode.size,
    times: [inode.atime, inode.mtime, inode.ctime].map(String),
    device: [inode.major, inode.minor],
    xattrs: Object.fromEntries([...inode.xattrs].map(([name, value]) => [name, value.toString('base64')]).sort()),
  };
  if (type === 0o120000) return { ...row, target: literal?.toString('latin1') ?? '' };
  if (type !== 0o100000) return row;
  const inline = literal !== undefined;
  const extents = inline
    ? []
    : inode.extents.map((e) => [e.fileOffset, e.kind === 1 ? 0 : e.volumeOffset, e.length, e.kind === 1] as const);
  return { ...row, inline, extents, ...(inline ? { content: literal.toString('base64') } : {}) };
}
