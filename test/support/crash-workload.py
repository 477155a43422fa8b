#!/usr/bin/env python3
"""Works on a mounted filesystem as a busy machine would, from a seed, and copies the image under it in the middle of it:
what a machine that loses power leaves behind. Files are still open then, some of them without a name.
With TAIL the work ends, behind a last full commit, in that many operations of the kind that ext4's fast commits can hold,
most of them followed by an fsync; new folders only when asked for, since Linux 6.18 often refuses to replay them.
usage: crash-workload.py MOUNTPOINT SEED OPERATIONS IMAGE COPY [TAIL [folders]]"""
import os
import random
import subprocess
import sys

MAGIC = bytes.fromhex('c03b3998')


class Work:
    def __init__(self, root, seed):
        self.root, self.random = root, random.Random(seed)
        self.folders, self.files, self.open = [root], [], []
        self.folders_too = False

    def name(self):
        r = self.random
        text = 'n%d' % r.randrange(10 ** 9)
        return text + 'x' * r.choice([0, 0, 0, 20, 90, 200])

    def content(self):
        """Bytes that often begin as a journal's own blocks do."""
        r = self.random
        size = r.choice([0, 10, 100, 1000, 5000, 5000, 20000, 80000])
        data = bytearray(r.randbytes(size))
        if r.random() < 0.3:
            for at in range(0, len(data) - 4, 1024):
                data[at:at + 4] = MAGIC
        return bytes(data)

    def place(self):
        return os.path.join(self.random.choice(self.folders), self.name())

    def any_file(self):
        return self.random.choice(self.files)

    def create(self):
        path = self.place()
        fd = os.open(path, os.O_CREAT | os.O_RDWR, self.random.choice([0o644, 0o600, 0o4755]))
        os.write(fd, self.content())
        if self.random.random() < 0.4:
            os.fsync(fd)
        os.close(fd)
        self.files.append(path)

    def folder(self):
        path = self.place()
        os.mkdir(path)
        self.folders.append(path)

    def many(self):
        """A folder of many small files, and another one removed whole: its blocks are revoked and used again."""
        path = self.place()
        os.mkdir(path)
        names = [os.path.join(path, self.name()) for _ in range(self.random.choice([30, 150]))]
        for name in names:
            with open(name, 'wb') as file:
                file.write(self.random.randbytes(self.random.choice([0, 50, 3000])))
        if self.random.random() < 0.5:
            if self.random.random() < 0.7:
                os.sync()
            for name in names:
                os.unlink(name)
            os.rmdir(path)
        else:
            self.folders.append(path)
            self.files += names

    def rename(self):
        old = self.any_file()
        new = self.place() if self.random.random() < 0.6 else self.any_file()
        if old == new:
            return
        os.rename(old, new)
        self.files.remove(old)
        if new not in self.files:
            self.files.append(new)

    def move_folder(self):
        old = self.random.choice(self.folders)
        parent = self.random.choice(self.folders)
        if old == self.root or (parent + '/').startswith(old + '/'):
            return
        new = os.path.join(parent, self.name())
        os.rename(old, new)
        moved = lambda path: new + path[len(old):] if (path + '/').startswith(old + '/') else path
        self.folders, self.files = [moved(p) for p in self.folders], [moved(p) for p in self.files]

    def unlink(self):
        path = self.any_file()
        if self.random.random() < 0.3 and os.path.isfile(path) and not os.path.islink(path) and len(self.open) < 40:
            self.open.append(os.open(path, os.O_RDWR))
        os.unlink(path)
        self.files.remove(path)

    def link(self):
        old, new = self.any_file(), self.place()
        os.link(old, new, follow_symlinks=False)
        self.files.append(new)

    def symlink(self):
        path = self.place()
        os.symlink('t' * self.random.choice([1, 20, 59, 60, 300, 900]), path)
        self.files.append(path)

    def node(self):
        path = self.place()
        os.mknod(path, 0o20600, os.makedev(self.random.randrange(300), self.random.randrange(70000)))
        self.files.append(path)

    def write(self):
        path = self.any_file()
        if not os.path.isfile(path) or os.path.islink(path):
            return
        fd = os.open(path, os.O_RDWR)
        size = os.fstat(fd).st_size
        kind = self.random.randrange(5)
        if kind == 0:
            os.ftruncate(fd, self.random.choice([0, size // 2, size + 10000]))
        elif kind == 1:
            os.pwrite(fd, self.content(), self.random.choice([0, size, 4096 * self.random.randrange(100)]))
        elif kind == 2:
            os.posix_fallocate(fd, size, 4096 * self.random.randrange(1, 30))
        elif kind == 3:
            for i in range(self.random.randrange(30)):
                os.pwrite(fd, self.random.randbytes(100), 8192 * i)
        else:
            os.pwrite(fd, (MAGIC + self.random.randbytes(1020)) * 8, 0)
        if self.random.random() < 0.5:
            os.fsync(fd)
        os.close(fd)

    def attributes(self):
        path, r = self.any_file(), self.random
        if os.path.islink(path):
            return
        kind = r.randrange(4)
        if kind == 0:
            value = r.randbytes(r.choice([5, 40, 300, 800]))
            try:
                os.setxattr(path, 'user.' + 'a' * r.randrange(1, 20), value, follow_symlinks=False)
            except OSError:
                pass  # no room, or no attributes on devices
        elif kind == 1:
            os.chown(path, r.randrange(100000), r.randrange(100000), follow_symlinks=False)
        elif kind == 2:
            os.chmod(path, r.randrange(0o10000))
        else:
            os.utime(path, ns=(r.randrange(10 ** 18), r.randrange(10 ** 18)), follow_symlinks=False)

    def settle(self):
        if self.random.random() < 0.5:
            os.sync()
        else:
            fd = os.open(self.root, os.O_RDONLY)
            os.fsync(fd)
            os.close(fd)

    def step(self):
        r = self.random.random()
        if r < 0.3 or len(self.files) < 20:
            self.create()
        elif r < 0.36:
            self.folder()
        elif r < 0.40:
            self.many()
        elif r < 0.48:
            self.rename()
        elif r < 0.52:
            self.move_folder()
        elif r < 0.64:
            self.unlink()
        elif r < 0.68:
            self.link()
        elif r < 0.72:
            self.symlink()
        elif r < 0.73:
            self.node()
        elif r < 0.88:
            self.write()
        elif r < 0.97:
            self.attributes()
        else:
            self.settle()


    def fast(self):
        r = self.random.random()
        before = set(self.files)
        if r < 0.35:
            self.create()
        elif r < 0.42:
            if self.folders_too:
                self.folder()
        elif r < 0.54:
            self.rename()
        elif r < 0.66:
            path = self.any_file()  # a file that is still open would make the kernel refuse its own fast commit
            os.unlink(path)
            self.files.remove(path)
        elif r < 0.74:
            self.link()
        elif r < 0.78:
            self.symlink()
        else:
            self.write()
        changed = [path for path in self.files if path not in before and os.path.isfile(path)]
        regular = [path for path in changed or [self.any_file()] if os.path.isfile(path) and not os.path.islink(path)]
        if regular and self.random.random() < 0.8:
            fd = os.open(regular[0], os.O_RDWR)
            os.fsync(fd)
            os.close(fd)


def main():
    root, seed, operations, image, copy = sys.argv[1:6]
    tail = int(sys.argv[6]) if len(sys.argv) > 6 else 0
    work = Work(root, int(seed))
    work.folders_too = sys.argv[7:] == ['folders']

    def repeat(count, step):
        for _ in range(count):
            try:
                step()
            except OSError as error:
                if error.errno != 28:  # a full volume is as good as any
                    raise

    repeat(int(operations), work.step)
    if tail > 0:
        os.sync()
        repeat(tail, work.fast)
        subprocess.run(['cp', '--sparse=always', image, copy], check=True)
        return
    fd = os.open(root, os.O_RDONLY)
    if work.random.random() < 0.7:
        os.fsync(fd)
    subprocess.run(['cp', '--sparse=always', image, copy], check=True)


main()
