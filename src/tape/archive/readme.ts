/** README.txt of a cartridge's label: how to read the tape with tools that every system has. The tests run its tar and dd commands on files. */
import type { Label } from './label.ts';

/** The text for one cartridge; plain ASCII, at most 78 columns. */
export function readmeText(label: Label): string {
  const { recordSize } = label;
  const b = recordSize / 512;
  return `HOW TO READ THIS TAPE
=====================

Cartridge ${label.barcode.replace(/[^\x20-\x7e]/g, '?')}, id ${label.cartridge}
Labelled  ${label.createdAt} by ${label.program}
Records   ${recordSize} bytes (tar -b ${b})

This tape was written by Reelmap, but nothing on it needs Reelmap to be read.
It is a row of tape files with a filemark after each. Every tape file is a
POSIX pax archive with records of ${recordSize} bytes. There are four kinds:

  label    tape file 0: this text, FORMAT.md (the format in full), restore.py
  chunk    one address range of a backed-up volume (disk), as one sparse file
  index    ends a backup set: its manifest, its files and where they lie
  end      ends a full cartridge: a table of its tape files, and which is next

The commands below use /dev/nst0, the first tape drive that does not rewind.
Let the drive take records of any size first:

  mt -f /dev/nst0 setblk 0


1. The quick way: restore.py (Python 3.6 or later, nothing else)
-----------------------------------------------------------------
  mt -f /dev/nst0 rewind
  tar -b ${b} -xf /dev/nst0
  python3 reelmap/restore.py /dev/nst0 list
  python3 reelmap/restore.py /dev/nst0 list --files
  python3 reelmap/restore.py /dev/nst0 file /etc/hosts /tmp/hosts
  python3 reelmap/restore.py /dev/nst0 volume /tmp/volume.img

It asks for further cartridges when a set is spread over several. A folder of
tape files (section 4) does in place of /dev/nst0; more of them are given so:

  python3 restore.py FOLDER1 --also FOLDER2 list


2. What is on the tape
----------------------
  mt -f /dev/nst0 rewind
  while tar -b ${b} -tvf /dev/nst0; do mt -f /dev/nst0 fsf 1 || break; done

A chunk's name says all:

  VOLUME/SETTIME-SET/chunk-NUMBER-at-BYTEADDRESS.img

One set's chunks in the order of their numbers are the volume.


3. A volume with tar alone
--------------------------
Only for full sets; the chunks of an incremental set hold what changed, their
holes mean "as before", and restore.py applies them.

A volume of one chunk in tape file 1 (GNU tar; holes stay holes):

  mt -f /dev/nst0 rewind
  mt -f /dev/nst0 fsf 1
  tar -b ${b} -xSf /dev/nst0
  mount -o loop,ro VOLUME/SETTIME-SET/chunk-*.img /mnt

bsdtar -b ${b} -xSf and Python's tarfile give the same file.

A volume of several chunks, each put in its place without spare space.
For every chunk, ADDRESS being the byte address in its name:

  tar -b ${b} -xOf /dev/nst0 | dd of=volume.img bs=64K iflag=fullblock \\
    oflag=seek_bytes seek=ADDRESS conv=sparse,notrunc

volume.img must be new, or a device that was zeroed before: dd passes over
zeros and leaves there what there was.


4. Tape files as plain files
----------------------------
  mt -f /dev/nst0 rewind
  for i in 0000 0001 0002 0003; do
    dd if=/dev/nst0 of=$i.tar bs=${recordSize}
  done

One dd reads one tape file, up to its filemark. "sha256sum 0001.tar" must
give what the index says of the chunk (column sha256 of chunks.tsv).


5. The index of a set
---------------------
The last tape file of a set (on a cartridge in use: the last but one, or the
last). Members of reelmap/sets/SET/:

  manifest.json      the volume, its filesystems, chunks and cartridges
  chunks.tsv         where each chunk is: cartridge, object, address, sha256
  files-*.tsv.gz     every file: path, type, size, ..., and where its bytes
                     lie in the volume (zcat files-*.tsv.gz | grep ...)
  pages-*.bin, extents-*.bin   the same for Reelmap itself

FORMAT.md explains each of them to the last byte.
`;
}
