"""A folder of files as flash: what is programmed stays, bits are only cleared, and what is erased is blank.

Goal: a journal cannot tell it from flash. Method: the same operations on it and on a model that is octets in memory.
"""

from random import Random

import pytest

from block_files import BlockFiles
from flash import Flash, device

BLOCKS, BLOCK_BYTES = 4, 512
ERASE = 6


class Board:
    FLASH_START = 0
    FLASH_BLOCKS = BLOCKS
    FLASH_BLOCK_BYTES = BLOCK_BYTES


@pytest.fixture
def board(tmp_path):
    board = Board()
    board.FLASH_LABEL = str(tmp_path / "blocks")
    return board


@pytest.mark.parametrize("seed", range(8))
def test_it_behaves_as_flash_does(board, seed):
    random = Random(seed)
    model = bytearray(b"\xff" * (BLOCKS * BLOCK_BYTES))
    blocks = device(board)
    flash = Flash(blocks, BLOCKS, BLOCK_BYTES, 16)
    for _ in range(300):
        block, at = random.randrange(BLOCKS), random.randrange(BLOCK_BYTES // 16) * 16
        address = block * BLOCK_BYTES + at
        match random.randrange(4):
            case 0:
                octets = random.randbytes(16)
                flash.program(address, octets)
                for i, octet in enumerate(octets):
                    model[address + i] &= octet
            case 1 if not random.randrange(8):
                flash.erase(block)
                model[block * BLOCK_BYTES : (block + 1) * BLOCK_BYTES] = b"\xff" * BLOCK_BYTES
            case 2:
                # Another start of the board finds what this one left.
                blocks.close()
                blocks = device(board)
                flash = Flash(blocks, BLOCKS, BLOCK_BYTES, 16)
            case _:
                read = bytearray(16)
                flash.read(address, read)
                assert read == model[address : address + 16]
    blocks.close()


def test_a_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="Not a directory"):
        BlockFiles(str(tmp_path / "file" / "blocks"))
