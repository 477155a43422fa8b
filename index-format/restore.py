#!/usr/bin/env python3
"""Reads Reelmap tapes with Python's standard library alone (Python 3.6 or later).

  restore.py INPUT list [--files] [--set SET]           what is there
  restore.py INPUT file PATH OUT [--set SET]            one file
  restore.py INPUT volume OUT [--set SET]               the whole volume

INPUT is a tape drive (/dev/nst0), a folder with one file per tape file (as dd
makes them), or a virtual cartridge (a folder with "data" and "map").
--also INPUT (before the command, repeatable) gives more cartridges. A drive
asks for the cartridges that it needs. Without --set the newest set is taken.

Exit status: 0 done, 1 failed, 2 wrong usage, 3 done but something is missing.
FORMAT.md, beside this file, describes what is read here.
"""
import argparse
import base64
import bisect
import errno
import fcntl
import gzip
import hashlib
import json
import os
import re
import stat
import struct
import sys

FORMAT = 1
BLOCK = 512
RECORD_MAX = 16 * 1024 * 1024
PIECE = 1024 * 1024


class Problem(Exception):
    """Something a person must know: printed without a traceback."""


# --- Inputs ------------------------------------------------------------------
# A tape file has read(offset, length), which answers fewer bytes at its end.


class PlainFile:
    """A tape file that is a file."""

    def __init__(self, path):
        self.name = path

    def read(self, offset, length):
        with open(self.name, 'rb') as file:
            file.seek(offset)
            return file.read(length)


class RecordFile:
    """A tape file of records: read(offset, length) out of records of one size."""

    def __init__(self, name):
        self.name = name
        self.size = 0       # bytes of a record, known after the first
        self.at = -1        # number of the record at hand
        self.record = b''
        self.end = None     # number of records, once known

    def fetch(self, number):
        """Record `number`, or None behind the last."""
        raise NotImplementedError

    def get(self, number):
        if self.end is not None and number >= self.end:
            return None
        if number != self.at:
            record = self.fetch(number)
            if record is None:
                self.end = number if self.end is None else min(self.end, number)
                return None
            self.at, self.record = number, record
        return self.record

    def read(self, offset, length):
        if self.size == 0:
            self.size = len(self.get(0) or b'')
            if self.size == 0:
                return b''
        parts = []
        while length > 0:
            record = self.get(offset // self.size)
            part = (record or b'')[offset % self.size:][:length]
            if not part:
                break
            parts.append(part)
            offset += len(part)
            length -= len(part)
        return b''.join(parts)


class Folder:
    """A folder with one file per tape file."""

    def __init__(self, path):
        self.name = path
        self.label = None
        self.chunks = {}    # (set, chunk) -> tape files, last one first
        self.indexes = []   # last one first
        self.ends = []
        names = sorted(os.listdir(path), reverse=True)
        for name in names:
            full = os.path.join(path, name)
            if not os.path.isfile(full):
                continue
            file = PlainFile(full)
            kind = classify(file.read(0, BLOCK))
            if kind[0] == 'label':
                self.label = read_label(file)
            elif kind[0] == 'chunk':
                self.chunks.setdefault(kind[1:], []).append(file)
            elif kind[0] == 'index':
                self.indexes.append(file)
            elif kind[0] == 'end':
                self.ends.append(file)
        if not (self.label or self.chunks or self.indexes):
            raise Problem('%s: no tape file of Reelmap in this folder' % path)

    def load(self):
        pass

    def index_files(self):
        return self.indexes

    def chunk_files(self, set_id, chunk):
        return self.chunks.get((set_id, chunk['number']), [])


class VirtualCartridge:
    """Reelmap's own virtual cartridge. FORMAT.virtual-tape.md."""

    HEADER = struct.Struct('<8sIB3x16sQQ')
    SLOT = struct.Struct('<QQQII')
    ENTRY = struct.Struct('<QIIIB3xII')
    ENTRIES = 16384

    def __init__(self, path):
        self.name = path
        self.map = open(os.path.join(path, 'map'), 'rb')
        self.data = open(os.path.join(path, 'data'), 'rb')
        self.id = self.read_header()
        self.seed = crc32c(self.id)
        self.label = None
        self.indexes = []
        for first, count in reversed(self.tape_files()):
            file = VirtualFile(self, first, count)
            kind = classify(file.read(0, BLOCK))
            if kind[0] == 'index':
                self.indexes.append(file)
            elif kind[0] == 'label':
                self.label = read_label(file)
        if self.label is None:
            raise Problem('%s: a blank cartridge, or not one of Reelmap' % path)

    def read_header(self):
        for at in (0, 12288):
            self.map.seek(at)
            block = self.map.read(4096)
            if len(block) < 4096 or struct.unpack('<I', block[4092:])[0] != crc32c(block[:4092]):
                continue
            magic, version, _, cartridge, _, _ = self.HEADER.unpack_from(block)
            if magic != b'RMVTAPE1' or version != 1:
                raise Problem('%s: not a virtual cartridge that this program reads' % self.name)
            return cartridge
        raise Problem('%s: the map of this virtual cartridge is damaged' % self.name)

    def commit(self):
        """(objects, data bytes, filemarks, epoch) known to be on stable storage; epoch None: no slot can be read."""
        best = None
        for at in (4096, 8192):
            self.map.seek(at)
            block = self.map.read(64)
            if len(block) == 64 and struct.unpack('<I', block[60:])[0] == crc32c(block[:60], self.seed):
                best = max(best or (0,), self.SLOT.unpack_from(block))
        return best[1:] if best else (0, 0, 0, None)

    def tape_files(self):
        """(first object, number of records) of each. Entries behind the commit must follow on each other in its epoch."""
        committed, data_end, marks, epoch = self.commit()
        any_epoch, epoch = epoch is None, epoch or 1
        data_size = os.fstat(self.data.fileno()).st_size
        files = []
        first = number = 0
        for raw in self.entries():
            mark = raw[20] == 2
            if number >= committed:
                entry = self.checked(raw, number)
                if entry is None or entry[0] != data_end or entry[3] != marks or entry[0] + entry[1] > data_size:
                    break
                if entry[5] != epoch and not (any_epoch and entry[5] > epoch):
                    break
                epoch = entry[5]
                data_end += entry[1]
                marks += mark
            number += 1
            if mark:
                files.append((first, number - 1 - first))
                first = number
        if number > first:
            files.append((first, number - first))
        return files

    def entries(self):
        self.map.seek(self.ENTRIES)
        while True:
            part = self.map.read(32 * 32768)
            for at in range(0, len(part) - 31, 32):
                yield part[at:at + 32]
            if len(part) < 32 * 32768:
                return

    def checked(self, raw, number):
        entry = self.ENTRY.unpack(raw)
        good = crc32c(struct.pack('<Q', number) + raw[:28], self.seed)
        return entry if entry[6] == good else None

    def record(self, number):
        self.map.seek(self.ENTRIES + 32 * number)
        raw = self.map.read(32)
        entry = self.checked(raw, number) if len(raw) == 32 else None
        if entry is None or entry[4] != 1:
            raise Problem('%s: object %d cannot be found, the map is damaged' % (self.name, number))
        self.data.seek(entry[0])
        record = self.data.read(entry[1])
        if len(record) != entry[1] or (not self.hashed and crc32c(record) != entry[2]):
            raise Problem('%s: object %d is damaged (checksum)' % (self.name, number))
        return record

    hashed = False  # a SHA-256 over the whole tape file is checked instead: it is 50 times as fast here

    def load(self):
        pass

    def index_files(self):
        return self.indexes

    def chunk_files(self, set_id, chunk):
        copies = [copy for copy in chunk['copies'] if copy['cartridge'] == self.label['cartridge']]
        return [VirtualFile(self, copy['firstObject'], copy['records']) for copy in copies]


class VirtualFile(RecordFile):
    def __init__(self, cartridge, first, count):
        RecordFile.__init__(self, '%s, object %d' % (cartridge.name, first))
        self.cartridge, self.first, self.end = cartridge, first, count

    def fetch(self, number):
        return self.cartridge.record(self.first + number)


class Device:
    """A tape drive: Linux st, variable block size. Linux include/uapi/linux/mtio.h."""

    MTIOCTOP, MTIOCPOS = 0x40086D01, 0x80086D03
    MTFSF, MTBSF, MTREW, MTEOM, MTSETBLK, MTSEEK = 1, 2, 6, 12, 20, 22

    def __init__(self, path):
        self.name = path
        self.fd = None

    def open(self):
        self.close()
        try:
            self.fd = os.open(self.name, os.O_RDONLY)
        except OSError as error:
            raise Problem('%s: %s' % (self.name, error.strerror))
        self.operate(self.MTSETBLK, 0)

    def close(self):
        if self.fd is not None:
            os.close(self.fd)
            self.fd = None

    def operate(self, operation, count=1):
        """False: the drive met the beginning or end of the tape."""
        try:
            fcntl.ioctl(self.fd, self.MTIOCTOP, struct.pack('hi', operation, count))
            return True
        except OSError as error:
            if error.errno == errno.EIO:
                return False
            raise Problem('%s: %s' % (self.name, error.strerror))

    def rewind(self):
        self.operate(self.MTREW)

    def to_end(self):
        self.operate(self.MTEOM)

    def seek(self, number):
        if not self.operate(self.MTSEEK, number):
            raise Problem('%s: object %d cannot be reached' % (self.name, number))

    def tell(self):
        return struct.unpack('l', fcntl.ioctl(self.fd, self.MTIOCPOS, struct.pack('l', 0)))[0]

    def back_files(self, count):
        return self.operate(self.MTBSF, count)

    def forward_files(self, count):
        return self.operate(self.MTFSF, count)

    def read(self):
        """A record; b'' for a filemark; None at the end of data."""
        try:
            return os.read(self.fd, RECORD_MAX)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.ENODATA):
                return None
            raise Problem('%s: %s' % (self.name, error.strerror))


class Drive:
    """The cartridge in a tape drive."""

    def __init__(self, device):
        self.device = device
        self.name = device.name
        self.position = None
        self.label = None
        self.load()

    def load(self):
        """Looks at what is in the drive now."""
        self.device.open()
        self.device.rewind()
        self.position = 0
        self.label = None
        file = DriveFile(self, 0)
        kind = classify(file.read(0, BLOCK))
        if kind[0] != 'label':
            raise Problem('%s: no cartridge of Reelmap (%s)' % (self.name, ' '.join(map(str, kind))))
        self.label = read_label(file)

    def record(self, number):
        if self.position != number:
            self.device.seek(number)
            self.position = number
        record = self.device.read()
        if record is None:
            return None
        self.position += 1
        return record or None

    def index_files(self):
        """From the end of data backwards: index files name the one before them."""
        device = self.device
        device.to_end()
        reached = device.back_files(1) and device.forward_files(1)
        while reached:
            first = self.position = device.tell()
            file = DriveFile(self, first)
            try:
                kind = classify(file.read(0, BLOCK))
            except Problem as problem:
                complain(str(problem))
                kind = ('unknown',)
            if kind[0] == 'label':
                return
            if kind[0] in ('index', 'end'):
                if kind[0] == 'index':
                    yield file
                head = read_manifest(file) if kind[0] == 'index' else read_end(file)
                before = head['previousIndexObject']
                if before is None:
                    return
                device.seek(before)
                continue
            device.seek(first)
            reached = device.back_files(2) and device.forward_files(1)

    def chunk_files(self, set_id, chunk):
        copies = [copy for copy in chunk['copies'] if copy['cartridge'] == self.label['cartridge']]
        return [DriveFile(self, copy['firstObject']) for copy in copies]


class DriveFile(RecordFile):
    def __init__(self, drive, first):
        RecordFile.__init__(self, '%s, object %d' % (drive.name, first))
        self.drive, self.first = drive, first
        self.label = drive.label

    def fetch(self, number):
        if self.label is not self.drive.label:
            raise Problem('%s: another cartridge is in the drive now' % self.name)
        return self.drive.record(self.first + number)


def open_input(path):
    if not os.path.exists(path):
        raise Problem('%s: no such file or folder' % path)
    if not os.path.isdir(path):
        if stat.S_ISCHR(os.stat(path).st_mode):
            return Drive(Device(path))
        raise Problem('%s: neither a tape drive nor a folder' % path)
    if os.path.isfile(os.path.join(path, 'map')) and os.path.isfile(os.path.join(path, 'data')):
        return VirtualCartridge(path)
    return Folder(path)


# --- The archives: POSIX pax, GNU sparse format 1.0 -----------------------------


def octal(field, where):
    text = field.strip(b' \0')
    if not re.match(b'^[0-7]+$', text):
        raise Problem('%s: bad number in a tar header' % where)
    return int(text, 8)


def tar_header(block, where):
    """(name, size, type)"""
    if len(block) < BLOCK or block[257:262] != b'ustar':
        raise Problem('%s: no tar header where one belongs' % where)
    if octal(block[148:156], where) != sum(block[:148]) + 8 * 32 + sum(block[156:512]):
        raise Problem('%s: the checksum of a tar header is wrong' % where)
    name = block[:100].split(b'\0')[0]
    prefix = block[345:500].split(b'\0')[0]
    full = prefix + b'/' + name if prefix else name
    return full.decode('utf-8', 'replace'), octal(block[124:136], where), chr(block[156])


def members(file):
    """(name, size, offset of the data) of an ordinary archive."""
    at = 0
    while True:
        block = file.read(at, BLOCK)
        if not block.strip(b'\0'):
            if len(block) < BLOCK:
                raise Problem('%s: the archive has no end' % file.name)
            return
        name, size, _ = tar_header(block, file.name)
        yield name, size, at + BLOCK
        at += BLOCK + padded(size)


def padded(size):
    return (size + BLOCK - 1) // BLOCK * BLOCK


def read_all(file, offset, size):
    data = file.read(offset, size)
    if len(data) != size:
        raise Problem('%s: ends too early' % file.name)
    return data


def classify(block):
    """What a tape file is, from its first 512 bytes."""
    try:
        name = tar_header(block, '')[0]
    except Problem:
        return ('unknown', 'no tar archive')
    match = re.match(r'^reelmap/chunk/([0-9a-f]{32})/([0-9]{8})$', name)
    if match:
        return ('chunk', match.group(1), int(match.group(2)))
    match = re.match(r'^reelmap/sets/([0-9a-f]{32})/manifest\.json$', name)
    if match:
        return ('index', match.group(1))
    kinds = {'reelmap/label.json': 'label', 'reelmap/end-of-cartridge.json': 'end'}
    return (kinds[name],) if name in kinds else ('foreign', name)


def read_json(file, name):
    """The first member, which must be `name` (a regular expression)."""
    for member, size, offset in members(file):
        if not re.match(name, member):
            break
        value = json.loads(read_all(file, offset, size).decode('utf-8'))
        if value.get('format') != FORMAT:
            raise Problem('%s: format %s, this program reads %d' % (file.name, value.get('format'), FORMAT))
        return value
    raise Problem('%s: no member %s' % (file.name, name))


def read_label(file):
    return read_json(file, r'^reelmap/label\.json$')


def read_manifest(file):
    return read_json(file, r'^reelmap/sets/[0-9a-f]{32}/manifest\.json$')


def read_end(file):
    return read_json(file, r'^reelmap/end-of-cartridge\.json$')


class Chunk:
    """A chunk's header: which bytes of the volume it holds and where."""

    def __init__(self, file):
        self.file = file
        name, size, kind = tar_header(file.read(0, BLOCK), file.name)
        if kind != 'x':
            raise Problem('%s: no chunk' % file.name)
        pax = pax_records(read_all(file, BLOCK, size), file.name)
        at = BLOCK + padded(size)
        _, self.member_size, _ = tar_header(file.read(at, BLOCK), file.name)
        at += BLOCK
        self.comment = json.loads(pax['comment'])
        self.length = int(pax['GNU.sparse.realsize'])
        self.offset = self.comment['volumeOffset']
        text, at = self.read_map(at)
        self.data = at      # offset of the first stored byte in the tape file
        plan = 'reelmap-plan 1 %d %d %d\n' % (self.offset, self.length, self.comment['recordSize'])
        self.plan = hashlib.sha256(plan.encode('ascii') + text).hexdigest()
        if self.plan != self.comment['planDigest']:
            raise Problem('%s: the header of the chunk is damaged' % file.name)
        self.places = [0]   # where each extent's bytes begin among the stored bytes
        for length in self.lengths:
            self.places.append(self.places[-1] + length)

    def read_map(self, at):
        text = b''
        needed = 1
        while text.count(b'\n') < needed:
            part = self.file.read(at, 64 * BLOCK if len(text) > 64 * BLOCK else BLOCK)
            if not part:
                raise Problem('%s: ends in the map of the chunk' % self.file.name)
            text += part
            at += len(part)
            if needed == 1 and b'\n' in text:
                needed = 1 + 2 * int(text.split(b'\n', 1)[0])
        lines = text.split(b'\n')[:needed]
        end = sum(map(len, lines)) + len(lines)
        numbers = list(map(int, lines[1:]))
        self.starts = numbers[0:-2:2]
        self.lengths = numbers[1:-2:2]
        return text[:end], at - len(text) + padded(end)

    def pieces(self, start, end):
        """(from, to, place of the bytes or None for a hole) that tile start..end, addresses in the volume."""
        at = start - self.offset
        end -= self.offset
        i = max(0, bisect.bisect_right(self.starts, at) - 1)
        while at < end:
            while i < len(self.starts) and self.starts[i] + self.lengths[i] <= at:
                i += 1
            if i == len(self.starts) or self.starts[i] >= end:
                yield at + self.offset, end + self.offset, None
                return
            if self.starts[i] > at:
                yield at + self.offset, self.starts[i] + self.offset, None
                at = self.starts[i]
            stop = min(end, self.starts[i] + self.lengths[i])
            yield at + self.offset, stop + self.offset, self.data + self.places[i] + at - self.starts[i]
            at = stop


def pax_records(data, where):
    records = {}
    at = 0
    while at < len(data):
        match = re.match(rb'([0-9]{1,8}) ([^=]+)=', data[at:at + 256])
        length = int(match.group(1)) if match else 0
        if not match or length <= match.end() or data[at + length - 1:at + length] != b'\n':
            raise Problem('%s: a damaged extended header' % where)
        records[match.group(2).decode('utf-8')] = data[at + match.end():at + length - 1].decode('utf-8')
        at += length
    return records


# --- Sets ---------------------------------------------------------------------


class Sets:
    """All sets that the inputs know of."""

    def __init__(self, inputs):
        self.inputs = inputs
        self.manifests = {}
        self.files = {}     # set -> tape file of its index
        self.opened = {}
        for one in inputs:
            self.learn(one)

    def learn(self, one):
        for file in one.index_files():
            manifest = read_manifest(file)
            known = self.manifests.get(manifest['set'])
            if known is None or (manifest['complete'] and not known['complete']):
                self.manifests[manifest['set']] = manifest
                self.files[manifest['set']] = file

    def newest_first(self):
        return sorted(self.manifests.values(), key=lambda one: one['startedAt'], reverse=True)

    def find(self, prefix):
        found = [one for one in self.newest_first() if one['set'].startswith(prefix or '')]
        if prefix is None:
            found = [one for one in found if one['complete']][:1]
        if len(found) == 1:
            return found[0]
        if found:
            raise Problem('"%s" could be %s' % (prefix, ', '.join(one['set'] for one in found)))
        raise Problem('no such set' if prefix else 'no complete set: a set goes on at the cartridge that "list" names')

    def chain(self, manifest):
        """The set and those it builds on, newest first."""
        chain = [manifest]
        while chain[-1]['base'] is not None:
            base = chain[-1]['base']
            while base not in self.manifests:
                self.ask('a cartridge with the index of set %s, on which set %s builds' % (base, chain[-1]['set']))
            if any(one['set'] == base for one in chain):
                raise Problem('set %s builds on itself' % base)
            chain.append(self.manifests[base])
        for one in chain:
            if not one['complete']:
                raise Problem('set %s is not complete: give the cartridge that it ends on too' % one['set'])
        return chain

    def chunk_at(self, manifest, offset):
        offsets = [chunk['volumeOffset'] for chunk in manifest['chunks']]
        return manifest['chunks'][bisect.bisect_right(offsets, offset) - 1]

    def chunk_file(self, manifest, chunk):
        """The tape file of a chunk; asks for the cartridge if it must."""
        while True:
            found = [file for one in self.inputs for file in one.chunk_files(manifest['set'], chunk)]
            for file in found:
                if self.is_chunk(file, manifest, chunk):
                    return file
            if found:
                raise Problem('no whole copy of it is there: %s' % ', '.join(file.name for file in found))
            names = {one['id']: one['barcode'] for one in manifest['cartridges']}
            where = [names.get(copy['cartridge'], copy['cartridge']) for copy in chunk['copies']]
            self.ask('cartridge %s, for chunk %d of set %s' % (' or '.join(where), chunk['number'], manifest['set']))

    def is_chunk(self, file, manifest, chunk):
        """Of several tries of one chunk only that of the manifest's plan counts, and only if it is whole."""
        try:
            if classify(file.read(0, BLOCK)) != ('chunk', manifest['set'], chunk['number']):
                return False
            header = Chunk(file)
        except Problem as problem:
            complain(str(problem))
            return False
        last = header.data + header.places[-1] - 1
        whole = not isinstance(file, PlainFile) or header.places[-1] == 0 or len(file.read(last, 1)) == 1
        return header.plan == chunk['planDigest'] and whole

    def ask(self, what):
        drives = [one for one in self.inputs if isinstance(one, Drive)]
        if not drives:
            raise Problem('needs %s: give it with --also' % what)
        sys.stderr.write('Put %s into %s and press Enter: ' % (what, drives[0].name))
        sys.stderr.flush()
        if not sys.stdin.readline():
            raise Problem('needs %s' % what)
        try:
            drives[0].load()
            self.learn(drives[0])
        except Problem as problem:
            complain(str(problem))

    def header(self, manifest, chunk):
        key = (manifest['set'], chunk['number'])
        if key not in self.opened:
            if len(self.opened) >= 8:   # maps can be large
                self.opened.clear()
            self.opened[key] = Chunk(self.chunk_file(manifest, chunk))
        return self.opened[key]

    def volume_bytes(self, chain, start, end):
        """(address, bytes or None for a hole) that tile start..end, from the newest set that holds them."""
        if not chain:
            yield start, None
            return
        while start < end:
            chunk = self.chunk_at(chain[0], start)
            stop = min(end, chunk['volumeOffset'] + chunk['byteLength'])
            if stop <= start:
                raise Problem('byte %d lies behind the end of the volume' % start)
            for low, high, place in list(self.header(chain[0], chunk).pieces(start, stop)):
                if place is None:
                    for piece in self.volume_bytes(chain[1:], low, high):
                        yield piece
                    continue
                file = self.header(chain[0], chunk).file
                for at in range(low, high, PIECE):
                    yield at, read_all(file, place + at - low, min(PIECE, high - at))
            start = stop

    def twin(self, manifest):
        """Lines of the text twin: (filesystem, list of columns as bytes)."""
        file = self.files[manifest['set']]
        filesystem = 0
        rest = b''
        for name, size, offset in members(file):
            if not re.search(r'/files-[0-9]{6}\.tsv\.gz$', name):
                continue
            lines = (rest + gzip.decompress(read_all(file, offset, size))).split(b'\n')
            rest = lines.pop()      # a part may end within a line
            for line in lines:
                head = re.match(b'^#reelmap files\\.tsv 1\tfilesystem ([0-9]+)', line)
                if head:
                    filesystem = int(head.group(1))
                elif not line.startswith(b'#'):
                    yield filesystem, line.split(b'\t')


# Columns of a line.
PATH, TYPE, SIZE, EXTENTS, MODE, MTIME = 0, 1, 2, 3, 4, 7


def complain(message):
    sys.stderr.write('restore.py: %s\n' % message)


# --- Commands -----------------------------------------------------------------


def list_sets(sets, options):
    if options.files:
        manifest = sets.find(options.set)
        for filesystem, columns in sets.twin(manifest):
            path = path_in_set(manifest, filesystem, columns)
            sys.stdout.buffer.write(b'\t'.join([columns[TYPE], columns[SIZE], columns[MTIME], path]) + b'\n')
        return 0
    for one in sets.inputs:
        if one.label is not None:
            print('cartridge %s (%s), labelled %s' % (one.label['barcode'], one.label['cartridge'], one.label['createdAt']))
    for manifest in sets.newest_first():
        cartridges = ', '.join(one['barcode'] for one in manifest['cartridges'])
        state = '' if manifest['complete'] else ', goes on at another cartridge'
        print('set %s  %s  %s  %s  %d bytes in %d chunks on %s%s' % (
            manifest['set'], manifest['startedAt'], manifest['kind'], manifest['volume']['name'],
            manifest['storedBytes'], len(manifest['chunks']), cartridges, state))
    return 0


def escape(path):
    names = {9: b'\\t', 10: b'\\n', 92: b'\\\\'}
    return re.sub(b'[\0-\x1f\\\\\x7f]', lambda match: names.get(match.group(0)[0], b'\\x%02x' % match.group(0)[0]), path)


def path_in_set(manifest, filesystem, columns):
    """Path of a line: below /1 or /vg/lv where the volume was a disk with several filesystems."""
    above = [one.get('path', '') for one in manifest['filesystems'] if one['number'] == filesystem]
    above = escape(os.fsencode(above[0])) if above else b''
    return above if above and columns[PATH] == b'/' else above + columns[PATH]


def find_line(sets, manifest, options):
    """(filesystem, columns) of the path."""
    wanted = escape(os.fsencode('/' + options.path.strip('/')))
    if options.filesystem is not None:
        found = [line for line in sets.twin(manifest) if line[0] == options.filesystem and line[1][PATH] == wanted]
    else:
        found = [line for line in sets.twin(manifest) if path_in_set(manifest, line[0], line[1]) == wanted]
    if not found:
        raise Problem('%s: not in set %s' % (options.path, manifest['set']))
    if len(found) > 1:
        numbers = ', '.join(str(line[0]) for line in found)
        raise Problem('%s is in several filesystems: choose with --filesystem (%s)' % (options.path, numbers))
    return found[0]


def parse_extent(text):
    """(kind, file offset, length, volume offset or bytes)"""
    match = re.match(rb'^(?:([sez])([0-9]*)\+([0-9]+)|l([A-Za-z0-9+/=]*))@([0-9]+)$', text)
    if not match:
        raise Problem('extent "%s" is not understood' % text.decode('ascii', 'replace'))
    offset = int(match.group(5))
    if match.group(1) is None:
        data = base64.b64decode(match.group(4))
        return 'l', offset, len(data), data
    return match.group(1).decode(), offset, int(match.group(3)), int(match.group(2) or 0)


def restore_file(sets, options):
    manifest = sets.find(options.set)
    filesystem, columns = find_line(sets, manifest, options)
    kind, size = columns[TYPE], int(columns[SIZE])
    extents = [parse_extent(text) for text in columns[EXTENTS].split(b',') if text]
    refuse_existing(options)
    if kind == b'l':
        os.symlink(b''.join(extent[3] for extent in extents if extent[0] == 'l'), os.fsencode(options.out))
        return 0
    if kind != b'f':
        raise Problem('%s is no regular file (type %s)' % (options.path, kind.decode()))
    chain = sets.chain(manifest)
    block_size = [one['blockSize'] for one in manifest['filesystems'] if one['number'] == filesystem]
    partial = options.out + '.partial'
    try:
        with open(partial, 'wb') as out:
            for extent in extents:
                write_extent(sets, chain, out, extent, size, block_size)
            out.truncate(size)
    except BaseException:
        os.unlink(partial)
        raise
    os.chmod(partial, int(columns[MODE], 8))
    seconds, _, nanoseconds = columns[MTIME].partition(b'.')
    time = int(seconds) * 10 ** 9 + int(nanoseconds or 0)
    os.utime(partial, ns=(time, time))
    os.rename(partial, options.out)
    return 0


def write_extent(sets, chain, out, extent, size, block_size):
    kind, file_offset, length, value = extent
    length = min(length, size - file_offset)
    if kind == 'z' or length <= 0:
        return
    if kind == 'l':
        out.seek(file_offset)
        out.write(value[:length])
        return
    for at, data in sets.volume_bytes(chain, value, value + length):
        if data is not None:
            out.seek(file_offset + at - value)
            out.write(data)
    if kind == 'e':
        # An escaped copy in a journal: the first four bytes of each block are the journal's magic in truth.
        for at in range(file_offset, file_offset + length, block_size[0]):
            out.seek(at)
            out.write(b'\xc0\x3b\x39\x98'[:file_offset + length - at])


def restore_volume(sets, options):
    manifest = sets.find(options.set)
    chain = sets.chain(manifest)
    if not any(isinstance(one, Drive) for one in sets.inputs):
        for one in chain:       # what is missing shows before hours of copying
            for chunk in one['chunks']:
                if not any(source.chunk_files(one['set'], chunk) for source in sets.inputs):
                    sets.chunk_file(one, chunk)
    refuse_existing(options)
    is_device = os.path.exists(options.out)
    bad = []
    with open(options.out, 'r+b' if is_device else 'wb') as out:
        if not is_device:
            out.truncate(manifest['volume']['byteLength'])
        for one in reversed(chain):
            for chunk in one['chunks']:
                restore_chunk(sets, one, chunk, out, is_device and one['base'] is None, bad)
        if not is_device:
            out.truncate(manifest['volume']['byteLength'])
        out.flush()
        os.fsync(out.fileno())
    for text in bad:
        complain(text)
    return 3 if bad else 0


def restore_chunk(sets, manifest, chunk, out, zero_holes, bad):
    """Writes one chunk's bytes in their place, and checks the SHA-256 of its whole tape file."""
    checked = chunk['sha256'] is not None
    name = 'set %s, chunk %d (bytes %d to %d of the volume)' % (
        manifest['set'], chunk['number'], chunk['volumeOffset'], chunk['volumeOffset'] + chunk['byteLength'])
    try:
        file = sets.chunk_file(manifest, chunk)
        if isinstance(file, VirtualFile):
            file.cartridge.hashed = checked
        header = Chunk(file)
        hash_of = hashlib.sha256()
        if checked:
            for at in range(0, header.data, PIECE):
                hash_of.update(read_all(file, at, min(PIECE, header.data - at)))
        for low, high, place in header.pieces(header.offset, header.offset + header.length):
            out.seek(low)
            if place is None:
                for at in range(low, high, PIECE) if zero_holes else ():
                    out.write(bytes(min(PIECE, high - at)))
                continue
            for at in range(low, high, PIECE):
                data = read_all(file, place + at - low, min(PIECE, high - at))
                hash_of.update(data)
                out.write(data)
        at = header.data + header.places[-1]
        while checked:
            data = file.read(at, PIECE)
            if not data:
                break
            hash_of.update(data)
            at += len(data)
        if checked and hash_of.hexdigest() != chunk['sha256']:
            bad.append('%s: the SHA-256 is not that of the index: do not trust these bytes' % name)
    except Problem as problem:
        bad.append('%s: %s' % (name, problem))


def refuse_existing(options):
    """A file that is there stays, unless --overwrite; a device needs it too."""
    if os.path.lexists(options.out):
        if not options.overwrite:
            raise Problem('%s exists (--overwrite replaces it)' % options.out)
        if stat.S_ISREG(os.lstat(options.out).st_mode) or os.path.islink(options.out):
            os.unlink(options.out)


def make_table():
    table = []
    for n in range(256):
        for _ in range(8):
            n = (n >> 1) ^ (0x82F63B78 if n & 1 else 0)
        table.append(n)
    return table


TABLE = make_table()


def crc32c(data, seed=0):
    crc = seed ^ 0xFFFFFFFF
    table = TABLE
    for byte in data:
        crc = table[(crc ^ byte) & 255] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('input', metavar='INPUT', help='tape drive, folder of tape files, or virtual cartridge')
    parser.add_argument('--also', metavar='INPUT', action='append', default=[], help='another cartridge')
    commands = parser.add_subparsers(dest='command', metavar='list | file | volume')
    commands.required = True
    one = commands.add_parser('list', help='cartridges and sets, or the files of a set')
    one.add_argument('--files', action='store_true', help='the files of one set')
    two = commands.add_parser('file', help='one file')
    two.add_argument('path', metavar='PATH')
    two.add_argument('out', metavar='OUT')
    two.add_argument('--filesystem', type=int, help='its number in manifest.json; the path is then that from its root')
    three = commands.add_parser('volume', help='the whole volume')
    three.add_argument('out', metavar='OUT', help='a new file, or with --overwrite a device')
    for command in (one, two, three):
        command.add_argument('--set', metavar='SET', help='id of a set, or its first digits')
        command.add_argument('--overwrite', action='store_true')
    options = parser.parse_args(arguments)
    run = {'list': list_sets, 'file': restore_file, 'volume': restore_volume}[options.command]
    try:
        return run(Sets([open_input(path) for path in [options.input] + options.also]), options)
    except Problem as problem:
        complain(str(problem))
    except BrokenPipeError:
        os._exit(1)
    except (OSError, ValueError, KeyError) as error:
        complain('%s: %s' % (type(error).__name__, error))
    except KeyboardInterrupt:
        complain('stopped')
    return 1


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
