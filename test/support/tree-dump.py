#!/usr/bin/env python3
"""A tree as the kernel tells it, one JSON line a path, to compare two with: attributes, links, content.
usage: tree-dump.py FOLDER"""
import base64
import hashlib
import json
import os
import stat
import sys


def one(path, name, firsts):
    st = os.lstat(path)
    kind = stat.S_IFMT(st.st_mode)
    row = {
        'path': name.decode('latin1'), 'mode': oct(st.st_mode), 'uid': st.st_uid, 'gid': st.st_gid,
        'mtime': str(st.st_mtime_ns), 'atime': str(st.st_atime_ns),
        'xattrs': {x: base64.b64encode(os.getxattr(path, x, follow_symlinks=False)).decode()
                   for x in sorted(os.listxattr(path, follow_symlinks=False))},
    }
    if kind == stat.S_IFDIR:
        del row['atime']  # and listing a directory
    else:
        row['links'] = st.st_nlink
        row['same'] = firsts.setdefault((st.st_dev, st.st_ino), name.decode('latin1'))
        row['size'] = st.st_size
    if kind in (stat.S_IFCHR, stat.S_IFBLK):
        row['device'] = [os.major(st.st_rdev), os.minor(st.st_rdev)]
    if kind == stat.S_IFLNK:
        row['target'] = os.readlink(path).decode('latin1')
        del row['atime']  # reading a link changes it
    if kind == stat.S_IFREG:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | getattr(os, 'O_NOATIME', 0))
        digest = hashlib.sha256()
        while True:
            part = os.read(fd, 1 << 20)
            if not part:
                break
            digest.update(part)
        os.close(fd)
        row['sha256'] = digest.hexdigest()
    return row


def main():
    root = os.fsencode(sys.argv[1]).rstrip(b'/')
    paths = [b'/']
    for folder, folders, files in os.walk(root):
        paths += [folder[len(root):] + b'/' + name for name in folders + files]
    firsts = {}
    for path in sorted(paths):
        print(json.dumps(one(root + path if path != b'/' else root, path, firsts), sort_keys=True))


main()
