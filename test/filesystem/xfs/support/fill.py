#!/usr/bin/env python3
"""Fills a mounted XFS with every form a walker meets: forks, directories, attributes, links, reflinks, holes.
usage: fill.py MOUNTPOINT BYTES-OF-A-DIRECTORY-BLOCK"""
import ctypes
import fcntl
import os
import random
import socket
import struct
import sys

root = sys.argv[1]
os.chdir(root)
random.seed(7)
libc = ctypes.CDLL(None, use_errno=True)
FICLONE = 0x40049409


def fallocate(fd, mode, offset, length):
    if libc.fallocate(fd, mode, ctypes.c_long(offset), ctypes.c_long(length)) != 0:
        print('no fallocate', mode, ctypes.get_errno())


def attribute(path, name, value):
    os.setxattr(path, name, value, follow_symlinks=False)


def write(path, data):
    with open(path, 'wb') as f:
        f.write(data)


def opened(path):
    return os.open(path, os.O_CREAT | os.O_RDWR)


write('small', b'hello'); os.link('small', 'hard'); os.symlink('small', 'fast'); write('empty', b'')
for n in (200, 335, 336, 337, 400, 1000, 1023):
    os.symlink('x' * n, 'link%d' % n)
write('m100k', os.urandom(100000))
# Directories: in the inode, of one block, with an index, with an index of two levels, of many extents, deep.
for name, count, length in (('sf', 3, 4), ('blk', 30, 20), ('leaf', 300, 40), ('node', 1800, 60)):
    os.mkdir(name)
    for i in range(count):
        write('%s/%s_%d' % (name, 'n' * length, i), b'')
os.makedirs('d/e/f/g')
# All free space taken but for pieces of one directory block that do not touch: the directory filled then, with further
# names of files that there are, has an extent for each.
os.mkdir('one'); os.mkdir('pool')
for i in range(300):
    write('pool/%d' % i, b'')
os.sync()
filler = opened('filler')
XFS_IOC_SET_RESBLKS = 0xC0105872
fcntl.ioctl(filler, XFS_IOC_SET_RESBLKS, bytearray(struct.pack('=QQ', 0, 0)))
size = 1 << 27
while size >= 1024:
    if libc.fallocate(filler, 0, ctypes.c_long(os.fstat(filler).st_size), ctypes.c_long(size)) != 0:
        size //= 2
step = int(sys.argv[2])
for i in range(0, os.fstat(filler).st_size, 4 * step):
    fallocate(filler, 3, i, step)
for i in range(3000):
    os.link('pool/%d' % (i % 300), 'one/%s_%d' % ('o' * 200, i))
# Pieces of 16 KiB are too small for 64 inodes together: chunks of inodes with holes.
os.mkdir('holes')
for i in range(2 * step, min(os.fstat(filler).st_size, 1 << 22), 128 << 10):
    fallocate(filler, 3, i // 65536 * 65536 + 32768, 32768)
try:
    for i in range(1000):
        write('holes/%d' % i, b'')
except OSError as e:
    assert e.errno == 28, e  # a filesystem without them
os.close(filler); os.unlink('filler')
for i in range(0, 300, 3):
    os.unlink('leaf/%s_%d' % ('n' * 40, i))
for i in range(400, 1400):
    os.unlink('node/%s_%d' % ('n' * 60, i))
# Files: of many extents, unwritten, past their end, punched, shifted, sparse, shared.
fd = opened('frag')
for i in range(0, 1200, 2):
    os.pwrite(fd, os.urandom(512), i * 4096)
os.fsync(fd)
fd = opened('unwritten'); fallocate(fd, 0, 0, 1 << 20); os.pwrite(fd, os.urandom(4096), 65536); os.fsync(fd)
fd = opened('keep'); os.write(fd, os.urandom(100000)); os.fsync(fd); fallocate(fd, 1, 204800, 1 << 20); os.fsync(fd)
fd = opened('punch'); os.write(fd, os.urandom(2 << 20)); os.fsync(fd)
fallocate(fd, 3, 65536, 131072); fallocate(fd, 16, 524288, 65536); fallocate(fd, 8, 1 << 20, 65536); fallocate(fd, 32, 786432, 65536); os.fsync(fd)
fd = opened('sparse'); os.pwrite(fd, b'x' * 4096, 4096000); os.ftruncate(fd, 10 << 20); os.fsync(fd)
fd = opened('far'); os.pwrite(fd, b'y' * 100, 1 << 42); os.fsync(fd)
try:
    for name in ('m100k', 'frag'):
        source = os.open(name, os.O_RDONLY); clone = opened('clone_' + name)
        fcntl.ioctl(clone, FICLONE, source)
        os.pwrite(clone, os.urandom(8192), 20480); os.fsync(clone)
except OSError as e:
    assert e.errno == 95, e  # a filesystem without it
# Others.
os.mknod('c1', 0o20600, os.makedev(5, 1)); os.mknod('cbig', 0o20600, os.makedev(300, 70000)); os.mknod('b1', 0o60600, os.makedev(511, 200000)); os.mkfifo('ff')
s = socket.socket(socket.AF_UNIX); s.bind('sock')
# Attributes: in the inode, in a leaf, in a tree, values elsewhere, ACLs, on every type.
attribute('small', 'user.a', b'val'); attribute('small', 'user.none', b''); attribute('m100k', 'trusted.t', b'zz'); attribute('m100k', 'security.x', b'sec')
attribute('fast', 'trusted.link', b'l'); attribute('c1', 'trusted.dev', b'd'); attribute('ff', 'trusted.fifo', b'q' * 300)
attribute('empty', 'user.leaf', os.urandom(2000)); attribute('d', 'user.dir', b'w' * 300)
for i in range(60):
    attribute('frag', 'user.node%d' % i, os.urandom(1000))
for i in range(300):
    attribute('d/e', 'user.%s%d' % ('k' * 100, i), os.urandom(random.randint(0, 400)))
for n in (1, 3000, 4040, 4041, 10000, 60000, 65536):
    attribute('d/e/f', 'user.remote%d' % n, os.urandom(n))
attribute('link1000', 'trusted.remote', os.urandom(9000))
for i in range(0, 60, 2):
    os.removexattr('frag', 'user.node%d' % i)
acl = struct.pack('<I', 2) + b''.join(struct.pack('<HHI', *e) for e in ((1, 7, 0xffffffff), (2, 7, 1001), (4, 5, 0xffffffff), (8, 4, 1002), (16, 7, 0xffffffff), (32, 5, 0xffffffff)))
attribute('d', 'system.posix_acl_access', acl); attribute('d', 'system.posix_acl_default', acl); attribute('m100k', 'system.posix_acl_access', acl)
write('d/heir', b'1')
os.chown('small', 70000, 80000); os.chmod('m100k', 0o6755)
for name, t in (('empty', -631152000123456789), ('sparse', 4102444800987654321), ('link200', -250000000), ('keep', 1), ('far', 7258118400123456789)):
    os.utime(name, ns=(t, t + 1), follow_symlinks=False)
write(b'bad\xff\xfename', b'1'); write('new\nline', b'2'); write('n' * 255, b'3'); write('日本 ünïcode', b'4')
