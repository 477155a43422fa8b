#!/usr/bin/env python3
"""Reads one row of the Reelmap index and prints it as JSON: a second reader of the format, written from FORMAT.md.

    read_page.py KEY_HEX VALUE_FILE

Standard library alone; rows with codec 1 need the `zstd` program. Ends with status 1 and one line on standard error when
the row is damaged.
"""
import json
import struct
import subprocess
import sys


class Damaged(Exception):
    pass


def need(condition, what):
    if not condition:
        raise Damaged(what)


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def varint(data, at):
    value = shift = 0
    while True:
        need(at < len(data) and shift < 70, "varint cut")
        value |= (data[at] & 0x7F) << shift
        at += 1
        if data[at - 1] < 0x80:
            return value, at
        shift += 7


def zigzag(value):
    return (value >> 1) ^ -(value & 1)


def read_frame(key, value):
    need(len(value) >= 7, "too short")
    need(struct.unpack_from("<I", value, 2)[0] == crc32c(key + value[:2] + value[6:]), "checksum wrong")
    need(value[0] == 1, "format version %d" % value[0])
    length, at = varint(value, 6)
    need(length <= 1 << 22, "raw length over 4 MiB")
    payload = value[at:]
    if value[1] == 1:
        tail, at = varint(payload, 0)
        need(at + tail <= len(payload), "tail cut")
        end = len(payload) - tail
        frame = b"\x28\xb5\x2f\xfd" + payload[at:end]
        payload = subprocess.run(["zstd", "-dcq"], input=frame, stdout=subprocess.PIPE, check=True).stdout + payload[end:]
    else:
        need(value[1] == 0, "codec %d" % value[1])
    need(len(payload) == length, "raw length wrong")
    return payload


def fields(message):
    """Field number -> list of raw values (integers, or bytes)."""
    out = {}
    at = 0
    while at < len(message):
        tag, at = varint(message, at)
        if tag & 7 == 0:
            value, at = varint(message, at)
        else:
            need(tag & 7 == 2, "wire type %d" % (tag & 7))
            length, at = varint(message, at)
            need(at + length <= len(message), "field cut")
            value, at = message[at : at + length], at + length
        out.setdefault(tag >> 3, []).append(value)
    return out


class Page:
    """Columns by the names of tape-index.proto."""

    NUMBERS = dict(
        page_count=1, next_name=2, name_lead=3, name_more=4, name_bytes=5, name_row=6, inode_step=7, extent_start=8,
        class_mode=9, class_uid=10, class_gid=11, class_of=12, generation=13, size=14, ctime_step=15, mtime_offset=16,
        mtime_step=17, atime_offset=18, atime_step=19, ctime_ns=20, mtime_ns_offset=21, mtime_ns=22, atime_ns_offset=23,
        atime_ns=24, link_row=25, link_count=26, device_row=27, device_major=28, device_minor=29, flag_row=30,
        flag_bits=31, unit_shift=32, extent_count=33, extent_kind=34, extent_gap=35, extent_length=36, record_row=37,
        literals=38, xattr_row=39, xattr_index=40, xattr_name=41, xattr_value=42, problem_row=43, problem_index=44,
        problem_text=45, name_place=46, ctime_base=47, ctime_step_ns=48, mtime_offset_ns=49, atime_offset_ns=50,
    )  # fmt: skip

    def __init__(self, message):
        self.raw = fields(message)

    def one(self, name, default):
        return self.raw.get(self.NUMBERS[name], [default])[-1]

    def many(self, name):
        return self.raw.get(self.NUMBERS[name], [])

    def ints(self, name):
        out = []
        for part in self.many(name):
            at = 0
            while at < len(part):
                value, at = varint(part, at)
                out.append(value)
        return out

    def signed(self, name):
        return [zigzag(value) for value in self.ints(name)]

    def fixed(self, name):
        data = b"".join(self.many(name))
        return list(struct.unpack("<%dI" % (len(data) // 4), data))


def sums(steps, start=0):
    out = []
    for step in steps:
        start += step
        out.append(start)
    return out


def names_of(page):
    data, at, before, out = page.one("name_bytes", b""), 0, b"", []
    more = iter(page.ints("name_more"))
    for lead in page.one("name_lead", b""):
        shared = lead >> 4 if lead >> 4 < 15 else 15 + next(more)
        length = lead & 15 if lead & 15 < 15 else 15 + next(more)
        before = before[:shared] + data[at : at + length]
        at += length
        out.append(before)
    need(at == len(data), "names cut")
    return out


def order_of(page, count):
    """Row of each name."""
    places = page.one("name_place", None)
    if places is None:
        steps, row, out = page.one("name_row", b"") or bytes(count), -1, []
        for step in steps:
            row = (row + 1 + step) & 0xFF
            out.append(row)
        return out
    bits, rest, out = int.from_bytes(places, "little"), list(range(count)), []
    while rest:
        width = (len(rest) - 1).bit_length()
        out.append(rest.pop(bits & ((1 << width) - 1)))
        bits >>= width
    return out


def inodes_of(page):
    out, inode = [], 0
    for step in page.signed("inode_step"):
        for _ in range(max(1, -step)):
            inode += 1 if step < 0 else step
            out.append(inode)
    return out


def times_of(page, n):
    def seconds(base, offset, step):
        if step:
            return sums(step)
        return [b + o for b, o in zip(base, offset or [0] * n)]

    def fraction(base, offset, plain):
        return plain or [(b + o) % 10**9 for b, o in zip(base, offset or [0] * n)]

    steps = page.signed("ctime_step_ns")
    if steps:
        base = zigzag(page.one("ctime_base", 0)) * 10**9
        ctime, ctime_ns = zip(*(divmod(base + ns, 10**9) for ns in sums(steps)))
    else:
        ctime = sums(page.signed("ctime_step") or [0] * n)
        ctime_ns = page.fixed("ctime_ns") or [0] * n
    out = {"ctime": list(zip(ctime, ctime_ns))}
    for name in ("mtime", "atime"):
        offsets = page.signed(name + "_offset_ns")
        if offsets:
            out[name] = [divmod(s * 10**9 + ns + o, 10**9) for (s, ns), o in zip(out["ctime"], offsets)]
            continue
        s = seconds(ctime, page.signed(name + "_offset"), page.signed(name + "_step"))
        ns = fraction(ctime_ns, page.fixed(name + "_ns_offset"), page.fixed(name + "_ns"))
        out[name] = list(zip(s, ns))
    return out


REGULAR, DIRECTORY, SYMLINK = 0o100000, 0o040000, 0o120000
KINDS = ["stored", "zero", "literal", "escaped"]


def extents_of(page, modes, sizes):
    unit = 1 << page.one("unit_shift", 0)
    usual = [1 if size > 0 and mode & 0o170000 in (REGULAR, SYMLINK) else 0 for mode, size in zip(modes, sizes)]
    counts = page.ints("extent_count") or usual
    total = sum(counts)
    kinds = page.one("extent_kind", None)
    gaps = page.signed("extent_gap") or [0] * total
    lengths = page.signed("extent_length") or [0] * total
    starts = iter(page.signed("extent_start"))
    literals, literal_at, volume_end, e, out = page.one("literals", b""), 0, 0, 0, []
    for mode, size, count in zip(modes, sizes, counts):
        row, end, after_literal = [], 0, False
        for i in range(count):
            kind = kinds[e] if kinds is not None else (2 if mode & 0o170000 == SYMLINK else 0)
            literal = kind == 2
            offset = end + gaps[e] * (1 if literal or after_literal else unit)
            expected = 0
            if i == count - 1:
                expected = max(0, size - offset if literal else -((offset - size) // unit))
            length = (lengths[e] + expected) * (1 if literal else unit)
            extent = {"kind": KINDS[kind], "fileOffset": offset, "byteLength": length}
            if literal:
                extent["literal"] = literals[literal_at : literal_at + length].hex()
                literal_at += length
            elif kind != 1:
                extent["volumeOffset"] = volume_end + next(starts) * unit
                volume_end = extent["volumeOffset"] + length
            row.append(extent)
            end, after_literal, e = offset + length, literal, e + 1
        out.append(row)
    return out


def sparse(page, row_name, n, *columns):
    out = [[] for _ in range(n)]
    for row, *values in zip(sums(page.ints(row_name)), *columns):
        need(row < n, "sparse row")
        out[row].append(values)
    return out


def rows_of(page):
    inodes = inodes_of(page)
    records = set(sums(page.ints("record_row")))
    own = [i for i in range(len(inodes)) if i not in records]
    n = len(own)
    class_of = page.one("class_of", b"") or bytes(n)
    modes = [page.ints("class_mode")[k] for k in class_of]
    uids = page.ints("class_uid") or [0] * len(page.ints("class_mode"))
    gids = page.ints("class_gid") or uids
    sizes = page.ints("size") or [0] * n
    links = sparse(page, "link_row", n, page.ints("link_count"))
    devices = sparse(page, "device_row", n, page.ints("device_major"), page.ints("device_minor"))
    flags = sparse(page, "flag_row", n, page.ints("flag_bits"))
    table = list(zip(page.many("xattr_name"), page.many("xattr_value")))
    xattrs = sparse(page, "xattr_row", n, page.ints("xattr_index"))
    problems = sparse(page, "problem_row", n, page.ints("problem_index"))
    times = times_of(page, n)
    extents = extents_of(page, modes, sizes) if n else []
    rows = [{"inode": inode, "record": True} for inode in inodes]
    for i, row in enumerate(own):
        usual_links = 2 if modes[i] & 0o170000 == DIRECTORY else 1
        rows[row] = {
            "inode": inodes[row],
            "mode": modes[i],
            "uid": uids[class_of[i]],
            "gid": gids[class_of[i]],
            "generation": (page.fixed("generation") or [0] * n)[i],
            "linkCount": links[i][0][0] if links[i] else usual_links,
            "size": sizes[i],
            **{name: list(values[i]) for name, values in times.items()},
            "device": devices[i][0] if devices[i] else [0, 0],
            "flags": flags[i][0][0] if flags[i] else 0,
            "extents": extents[i],
            "xattrs": [[table[k][0].hex(), table[k][1].hex()] for [k] in xattrs[i]],
            "problems": [page.many("problem_text")[k].decode() for [k] in problems[i]],
        }
    return rows


def read_page(key, value):
    page = Page(read_frame(key, value))
    names, rows = names_of(page), rows_of(page)
    listing = [{"name": name.hex(), **rows[row]} for name, row in zip(names, order_of(page, len(names)))]
    next_name = page.one("next_name", None)
    return {
        "pageCount": page.one("page_count", 0),
        "nextName": None if next_name is None else next_name.hex(),
        "rows": listing if names else rows,
    }


if __name__ == "__main__":
    try:
        with open(sys.argv[2], "rb") as file:
            print(json.dumps(read_page(bytes.fromhex(sys.argv[1]), file.read())))
    except (Damaged, subprocess.CalledProcessError) as error:
        sys.exit("read_page.py: damaged: %s" % error)
