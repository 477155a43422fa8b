#!/usr/bin/env python3
"""Random changes to a mounted XFS from several processes, then the machine 'stops': the filesystem is shut down.
usage: workload.py MOUNTPOINT SEED OPERATIONS flush|noflush MIX [HOLD]
flush: the log is written out first; noflush: what is in memory is lost. MIX: all, or shared (writes to shared blocks, for
mappings cut in two by the stop). HOLD: 1 keeps unlinked files open until the end."""
import ctypes
import errno
import fcntl
import os
import random
import struct
import sys
import time

root, seed, count, mode, mix = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], sys.argv[5]
os.chdir(root)
libc = ctypes.CDLL(None, use_errno=True)
FICLONE, FICLONERANGE, XFS_IOC_GOINGDOWN = 0x40049409, 0x4020940D, 0x8004587D
PROCESSES = 3
held = []


def fallocate(fd, mode, offset, length):
    libc.fallocate(fd, mode, ctypes.c_long(offset), ctypes.c_long(length))


class Worker:
    def __init__(self, number):
        self.rnd = random.Random(seed * 100 + number)
        self.top = 'w%d' % number
        self.dirs = [self.top]
        self.files = []
        self.serial = 0
        os.mkdir(self.top)

    def name(self):
        self.serial += 1
        long = self.rnd.random() < 0.2
        return '%s/%s%d' % (self.rnd.choice(self.dirs), 'n' * self.rnd.randint(20, 180) if long else 'f', self.serial)

    def pick(self):
        return self.rnd.choice(self.files) if self.files else None

    def write(self, path, offset, length):
        with open(path, 'r+b' if os.path.exists(path) else 'w+b') as f:
            f.seek(offset)
            f.write(self.rnd.randbytes(length))

    def step(self):
        r = self.rnd.random
        kind = self.rnd.choice(KINDS)
        try:
            getattr(self, kind)()
            if r() < 0.08 and self.files:
                fd = os.open(self.pick(), os.O_RDONLY)
                os.fsync(fd)
                os.close(fd)
            if r() < 0.005:
                os.sync()
        except OSError as e:
            if e.errno in (errno.EIO, errno.ESHUTDOWN):
                raise
            if e.errno not in (errno.ENOENT, errno.ENOSPC, errno.EOPNOTSUPP, errno.EINVAL, errno.EEXIST, errno.ENOTEMPTY, errno.ENODATA, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EBADF, errno.EISDIR):
                raise

    def create(self):
        path = self.name()
        self.write(path, 0, self.rnd.choice((0, 10, 3000, 9000, 70000)))
        self.files.append(path)

    def many(self):
        directory = self.rnd.choice(self.dirs)
        for _ in range(self.rnd.randint(5, 60)):
            self.serial += 1
            path = '%s/%s_%d' % (directory, 'm' * self.rnd.randint(1, 120), self.serial)
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY))
            self.files.append(path)

    def overwrite(self):
        path = self.pick()
        if path and not os.path.islink(path):
            self.write(path, self.rnd.randint(0, 20) * 4096, self.rnd.choice((100, 4096, 30000)))

    def scatter(self):
        path = self.pick()
        if path and not os.path.islink(path):
            fd = os.open(path, os.O_RDWR)
            step = self.rnd.choice((8192, 16384))
            for i in range(self.rnd.randint(5, 60)):
                os.pwrite(fd, b's' * 100, i * step)
            os.fsync(fd)
            os.close(fd)

    def truncate(self):
        path = self.pick()
        if path and not os.path.islink(path):
            os.truncate(path, self.rnd.choice((0, 100, 5000, 100000)))

    def rename(self):
        path = self.pick()
        if path:
            new = self.name()
            if self.rnd.random() < 0.3 and len(self.files) > 3:
                new = self.pick()
            if new != path:
                os.rename(path, new)
                self.files.remove(path)
                if new not in self.files:
                    self.files.append(new)

    def unlink(self):
        for _ in range(self.rnd.choice((1, 1, 1, 30))):
            path = self.pick()
            if path:
                if self.rnd.random() < 0.2 and not os.path.islink(path):
                    held.append(os.open(path, os.O_RDONLY))
                os.unlink(path)
                self.files.remove(path)

    def link(self):
        path = self.pick()
        if path:
            new = self.name()
            os.link(path, new, follow_symlinks=False)
            self.files.append(new)

    def symlink(self):
        path = self.name()
        os.symlink('t' * self.rnd.choice((5, 100, 400, 1000)), path)
        self.files.append(path)

    def mkdir(self):
        self.serial += 1
        path = '%s/d%d' % (self.rnd.choice(self.dirs), self.serial)
        os.mkdir(path)
        self.dirs.append(path)

    def rmtree(self):
        path = self.rnd.choice(self.dirs)
        if path == self.top:
            return
        inside = path + '/'
        for f in [f for f in self.files if f.startswith(inside)]:
            os.unlink(f)
            self.files.remove(f)
        for d in sorted((d for d in self.dirs if d.startswith(inside) or d == path), reverse=True):
            os.rmdir(d)
            self.dirs.remove(d)

    def attribute(self):
        path = self.pick() if self.rnd.random() < 0.8 else self.rnd.choice(self.dirs)
        if path:
            kind = 'trusted.' if os.path.islink(path) or self.rnd.random() < 0.2 else 'user.'
            for _ in range(self.rnd.choice((1, 1, 3, 12))):
                name = kind + 'a%d' % self.rnd.randint(0, 15)
                size = self.rnd.choice((0, 5, 40, 200, 900, 3000, 20000))
                os.setxattr(path, name, self.rnd.randbytes(size), follow_symlinks=False)

    def unattribute(self):
        path = self.pick()
        if path:
            for name in os.listxattr(path, follow_symlinks=False)[:self.rnd.randint(1, 5)]:
                os.removexattr(path, name, follow_symlinks=False)

    def clone(self):
        path = self.pick()
        if path and not os.path.islink(path):
            new = self.name()
            source, target = os.open(path, os.O_RDONLY), os.open(new, os.O_CREAT | os.O_RDWR)
            self.files.append(new)
            try:
                fcntl.ioctl(target, FICLONE, source)
                for i in range(self.rnd.randint(0, 6)):
                    os.pwrite(target, b'c' * 4096, i * 8192)
                os.fsync(target)
            finally:
                os.close(source)
                os.close(target)

    def shared(self):
        path = self.top + '/shared'
        if not os.path.exists(path):
            with open(path, 'wb') as f:
                for i in range(256):
                    f.write(struct.pack('>I', i) * 1024)
        new = self.top + '/clone%d' % self.rnd.randint(0, 5)
        source, target = os.open(path, os.O_RDONLY), os.open(new, os.O_CREAT | os.O_RDWR)
        fcntl.ioctl(target, FICLONE, source)
        for i in range(0, 250, self.rnd.randint(2, 5)):
            os.pwrite(target, b'c' * 4096, i * 4096)
        os.fdatasync(target)
        os.close(source)
        os.close(target)

    def force(self):
        fd = os.open(self.top, os.O_RDONLY)
        for _ in range(20):
            os.utime(self.top)
            os.fsync(fd)
        os.close(fd)

    def allocate(self):
        path = self.pick()
        if path and not os.path.islink(path):
            fd = os.open(path, os.O_RDWR)
            for _ in range(3):
                # plain, keep size, punch, collapse, zero, insert
                fallocate(fd, self.rnd.choice((0, 1, 3, 8, 16, 32)), self.rnd.randint(0, 15) * 4096, self.rnd.randint(1, 8) * 4096)
            os.close(fd)

    def attributes(self):
        path = self.pick()
        if path:
            os.chown(path, self.rnd.randint(0, 9), self.rnd.randint(0, 9), follow_symlinks=False)
            os.utime(path, ns=(self.rnd.randint(0, 1 << 61), self.rnd.randint(0, 1 << 61)), follow_symlinks=False)
            if not os.path.islink(path):
                os.chmod(path, self.rnd.randint(0, 0o777))

    def special(self):
        path = self.name()
        os.mknod(path, self.rnd.choice((0o10600, 0o20600)), os.makedev(self.rnd.randint(1, 500), self.rnd.randint(0, 200000)))
        held.append(os.open(self.top, os.O_TMPFILE | os.O_RDWR))


KINDS = (
    'create', 'create', 'create', 'many', 'overwrite', 'overwrite', 'scatter', 'truncate', 'rename', 'rename', 'unlink',
    'unlink', 'link', 'symlink', 'mkdir', 'mkdir', 'rmtree', 'attribute', 'attribute', 'attribute', 'unattribute', 'clone',
    'clone', 'allocate', 'attributes', 'special',
)


def work(number):
    worker = Worker(number)
    for _ in range(count if mix == 'all' else 1 << 20):
        try:
            if mix == 'all':
                worker.step()
            elif number == 0:
                worker.force()
            else:
                worker.shared()
        except OSError as e:
            if e.errno not in (errno.EIO, errno.ESHUTDOWN):
                raise
            return


children = []
for number in range(PROCESSES):
    pid = os.fork()
    if pid == 0:
        work(number)
        if len(sys.argv) > 6:
            os.kill(os.getpid(), 19)  # wait, with what is open, until the filesystem is down
        os._exit(0)
    children.append(pid)
if mix == 'shared':
    time.sleep(0.1 + random.Random(seed).random() / 3)
elif len(sys.argv) > 6:
    for pid in children:
        os.waitpid(pid, os.WUNTRACED)
else:
    os.waitpid(children[seed % PROCESSES], 0)  # the others are at work when it stops
fd = os.open('.', os.O_RDONLY)
fcntl.ioctl(fd, XFS_IOC_GOINGDOWN, struct.pack('=I', 1 if mode == 'flush' else 2))
failed = 0
for pid in children:
    try:
        os.kill(pid, 9)
        status = os.waitpid(pid, 0)[1]
        failed |= os.WIFEXITED(status) and os.WEXITSTATUS(status) != 0
    except (ProcessLookupError, ChildProcessError):
        pass
sys.exit(1 if failed else 0)
