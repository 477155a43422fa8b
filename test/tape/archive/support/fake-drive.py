"""Runs restore.py against drives made of folders: each folder is a cartridge, each file in it a tape file.

fake-drive.py RESTORE.PY RECORDSIZE LOADED,FOLDER,... ARGUMENTS: the input "drive" is a drive with LOADED in it; each time the
program opens it again the next folder is in it.
"""
import importlib.util
import os
import sys

spec = importlib.util.spec_from_file_location('restore', sys.argv[1])
sys.dont_write_bytecode = True
restore = importlib.util.module_from_spec(spec)
spec.loader.exec_module(restore)
record_size = int(sys.argv[2])
folders = sys.argv[3].split(',')


class FakeDevice:
    """Objects in a list: records, and b'' for filemarks. Positions as SSC has them."""

    name = 'drive'

    def open(self):
        self.objects = []
        folder = folders.pop(0)
        for name in sorted(os.listdir(folder)):
            with open(os.path.join(folder, name), 'rb') as file:
                data = file.read()
            self.objects += [data[at:at + record_size] for at in range(0, len(data), record_size)]
            self.objects.append(b'')
        self.at = 0

    def rewind(self):
        self.at = 0

    def to_end(self):
        self.at = len(self.objects)

    def seek(self, number):
        if number > len(self.objects):
            raise restore.Problem('object %d cannot be reached' % number)
        self.at = number

    def tell(self):
        return self.at

    def back_files(self, count):
        while count and self.at:
            self.at -= 1
            count -= self.objects[self.at] == b''
        return count == 0

    def forward_files(self, count):
        while count and self.at < len(self.objects):
            count -= self.objects[self.at] == b''
            self.at += 1
        return count == 0

    def read(self):
        if self.at == len(self.objects):
            return None
        self.at += 1
        return self.objects[self.at - 1]


real = restore.open_input
restore.open_input = lambda path: restore.Drive(FakeDevice()) if path == 'drive' else real(path)
sys.exit(restore.main(sys.argv[4:]))
