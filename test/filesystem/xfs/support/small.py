#!/usr/bin/env python3
"""Fills a mounted XFS with a little of everything: what a walker looks at, each form once or twice.
usage: small.py MOUNTPOINT"""
import os
import sys

os.chdir(sys.argv[1])


def write(path, data):
    with open(path, 'wb') as f:
        f.write(data)


write('small', b'hello'); os.link('small', 'hard'); os.symlink('small', 'fast'); os.symlink('x' * 900, 'long')
for name, count, length in (('sf', 3, 4), ('blk', 20, 20), ('leaf', 60, 80)):
    os.mkdir(name)
    for i in range(count):
        write('%s/%s_%d' % (name, 'n' * length, i), b'')
os.makedirs('d/e/f')
os.mkdir('many')
for i in range(400):
    os.link('small', 'many/%s_%d' % ('m' * 150, i))
for name, step in (('frag', 2), ('frag2', 3)):
    fd = os.open(name, os.O_CREAT | os.O_RDWR)
    for i in range(0, 400, step):
        os.pwrite(fd, b'f' * 512, i * 4096)
    os.fsync(fd)
    os.close(fd)
os.mknod('c1', 0o20600, os.makedev(5, 1)); os.mkfifo('ff')
os.setxattr('small', 'user.a', b'val'); os.setxattr('d', 'user.dir', b'w' * 300)
for i in range(30):
    os.setxattr('frag', 'user.node%d' % i, b'v' * 900)
os.setxattr('d/e', 'user.remote', b'r' * 20000); os.setxattr('blk', 'user.leaf', b'l' * 2000)
