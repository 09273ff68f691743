"""What the firmware takes of a board's heap.

Goal: after boot there is room for what a pump does, on 32 bits, too.
Method: main.py of the packed firmware, as a board gets it, run on MicroPython's ports up to its loop.
"""

from pathlib import Path

import pytest

from ports import Port
from pumplink.boards import board_module, default_firmware, load_board
from pumplink.pack import pack

HEAP_BYTES_MAX = 100 * 1024


@pytest.fixture(scope="module")
def taken(tmp_path_factory):
    """Octets of the heap of the 32-bit port that are taken after boot."""
    folder = tmp_path_factory.mktemp("boot") / "firmware"
    pack(default_firmware(), folder)
    (folder / "board.py").write_text(board_module(load_board("virtual"), default_firmware()), encoding="utf-8")
    with Port.of("wasm", "boot_on_board", [folder, Path(__file__).parent]) as port:
        port.ask("heap")
        (before,) = port.ask("heap")
        # The port has the first folder there.
        port.ask("/path0")
        port.ask("heap")
        (after,) = port.ask("heap")
    return int(after) - int(before)


def test_after_boot_at_most_100_kb_of_a_heap_of_32_bits_are_taken(taken):
    assert taken <= HEAP_BYTES_MAX
