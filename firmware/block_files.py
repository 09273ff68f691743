# A folder of the board's file system as a block device, for boards whose flash is the file system's as a whole.
#
# Each block is a file with what was programmed from its start on; what is not there is erased. The file system makes
# each programming whole or undone, which is more than the journal asks for.
import os

_ERASE = 6


class BlockFiles:
    def __init__(self, folder):
        self._folder = folder
        try:
            os.mkdir(folder)
        except OSError:
            # It is there.
            os.stat(folder)
        # One file stays open: a scan of the journal goes through a block record by record.
        self._block = -1
        self._file = None

    def readblocks(self, block, buf, offset=0):
        count = 0
        if self._open(block, False):
            self._file.seek(offset)
            count = self._file.readinto(buf)
        for i in range(count, len(buf)):
            buf[i] = 0xFF

    # Programming only clears bits.
    def writeblocks(self, block, buf, offset=0):
        octets = bytearray(len(buf))
        self.readblocks(block, octets, offset)
        for i in range(len(buf)):
            octets[i] &= buf[i]
        self._open(block, True)
        end = self._file.seek(0, 2)
        if end < offset:
            self._file.write(b"\xff" * (offset - end))
        self._file.seek(offset)
        self._file.write(octets)
        self._file.flush()

    def ioctl(self, operation, block):
        if operation == _ERASE and self._open(block, False):
            self.close()
            os.remove(self._path(block))

    def _path(self, block):
        return "%s/%d" % (self._folder, block)

    def close(self):
        if self._file is not None:
            self._file.close()
        self._file = None
        self._block = -1

    # False when there is no such file and none is to be made.
    def _open(self, block, make):
        if self._block == block:
            return True
        self.close()
        path = self._path(block)
        try:
            self._file = open(path, "r+b")
        except OSError:
            if not make:
                return False
            self._file = open(path, "w+b")
        self._block = block
        return True
