# esp32: what its Partition offers of the flash, backed by a file in the board's directory.
#
# Programming only clears bits. The host may have the power go at one of the operations (a programming or an erasing),
# counted from the start of the board: the operation is lost, half done, or leaves garbage, and no other follows.
import os

import virtual_link as link

_PATH = "/flash.bin"
_BLOCKS = 4
_BLOCK_BYTES = 5
_ERASE = 6
_BLANK_32 = b"\xff" * 32

LOST = 1
HALF = 2
GARBAGE = 3

_cut_at = int(os.getenv("PUMPRIG_FLASH_CUT_AT"))
_cut_kind = int(os.getenv("PUMPRIG_FLASH_CUT_KIND"))
_operations = 0


# Octets that depend on nothing but the number of the operation.
def _garbage(count):
    state = _operations * 2654435761 + 12345 & 0xFFFFFFFF
    octets = bytearray(count)
    for i in range(count):
        state = state * 1664525 + 1013904223 & 0xFFFFFFFF
        octets[i] = state >> 24
    return octets


class Partition:
    TYPE_APP = 0
    TYPE_DATA = 1

    @staticmethod
    def find(type=TYPE_APP, subtype=0xFF, label=None, block_size=4096):
        if type != Partition.TYPE_DATA or label != "journal":
            return []
        return [Partition(block_size)]

    def __init__(self, block_bytes):
        self._block_bytes = block_bytes
        self._bytes = os.stat(_PATH)[6]
        self._file = open(_PATH, "r+b")
        self._old = bytearray(32)
        self._blank = b"\xff" * block_bytes

    def info(self):
        return (Partition.TYPE_DATA, 0x40, 0, self._bytes, "journal", False)

    def readblocks(self, block, buf, offset=0):
        self._file.seek(block * self._block_bytes + offset)
        self._file.readinto(buf)

    def writeblocks(self, block, buf, offset=None):
        if offset is None:
            self.ioctl(_ERASE, block)
            offset = 0
        address = block * self._block_bytes + offset
        kind = self._count()
        if kind != LOST:
            octets = buf
            if kind == HALF:
                octets = bytearray(buf[: len(buf) // 2])
            elif kind == GARBAGE:
                octets = _garbage(len(buf))
            self._program(address, octets)
        if kind:
            link.power_cut(_operations)

    # What stands there keeps its cleared bits.
    def _program(self, address, octets):
        count = len(octets)
        old = self._old if count == len(self._old) else bytearray(count)
        self._file.seek(address)
        self._file.readinto(old)
        if old != (_BLANK_32 if count == len(_BLANK_32) else b"\xff" * count):
            for i in range(count):
                old[i] &= octets[i]
            octets = old
        self._file.seek(address)
        self._file.write(octets)

    def ioctl(self, operation, argument):
        if operation == _BLOCKS:
            return self._bytes // self._block_bytes
        if operation == _BLOCK_BYTES:
            return self._block_bytes
        if operation == _ERASE:
            self._erase(argument)
        return 0

    def _erase(self, block):
        kind = self._count()
        octets = self._blank
        if kind == HALF:
            octets = octets[: len(octets) // 2]
        elif kind == GARBAGE:
            octets = _garbage(len(octets))
        if kind != LOST:
            self._file.seek(block * self._block_bytes)
            self._file.write(octets)
        if kind:
            link.power_cut(_operations)

    # Counts an operation; the kind of cut that happens in it, 0 for none.
    @staticmethod
    def _count():
        global _operations
        _operations += 1
        return _cut_kind if _operations == _cut_at else 0
