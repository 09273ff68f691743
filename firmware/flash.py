# Flash: the board's own blocks for the journal, as one space of octets that is erased by the block.
#
# A board offers block devices in two ways: by name (esp32.Partition) and by place (rp2.Flash). A folder of its file
# system can be one, too: then the label is a path. Programming only clears bits, and octets of 0xFF leave what stands
# there: so a device that takes whole pages gets the rest of its page as 0xFF.
import struct

from micropython import const

_ERASE = const(6)
_BLANK_PAGE = b"\xff" * 256


# The device that board.py describes.
def device(board):
    if board.FLASH_LABEL[:1] == "/":
        from block_files import BlockFiles

        return BlockFiles(board.FLASH_LABEL)
    if board.FLASH_LABEL:
        from esp32 import Partition

        return Partition.find(Partition.TYPE_DATA, label=board.FLASH_LABEL)[0]
    from rp2 import Flash as Rp2Flash

    return Rp2Flash(start=board.FLASH_START, len=board.FLASH_BLOCKS * board.FLASH_BLOCK_BYTES)


class Flash:
    # program_bytes: the least that the device programs at once; 256, or what divides a record of the journal.
    def __init__(self, device, blocks, block_bytes, program_bytes):
        self.blocks = blocks
        self.block_bytes = block_bytes
        self._device = device
        self._page = bytearray(_BLANK_PAGE) if program_bytes == len(_BLANK_PAGE) else None

    def read(self, address, buf):
        block_bytes = self.block_bytes
        self._device.readblocks(address // block_bytes, buf, address % block_bytes)

    # Neither a page nor a block ends within buf.
    def program(self, address, buf):
        block_bytes = self.block_bytes
        block = address // block_bytes
        offset = address % block_bytes
        page = self._page
        if page is None:
            self._device.writeblocks(block, buf, offset)
            return
        at = offset % len(page)
        struct.pack_into("32s" if len(buf) == 32 else "16s", page, at, buf)
        self._device.writeblocks(block, page, offset - at)
        struct.pack_into("256s", page, 0, _BLANK_PAGE)

    def erase(self, block):
        self._device.ioctl(_ERASE, block)
