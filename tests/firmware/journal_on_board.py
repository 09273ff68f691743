"""Runs on MicroPython: proves that intent, pulse and done allocate nothing, and measures what they cost.

Prints `locked ok True`, `leak N bytes` and `pulse N us`. The heap is locked while pulses leave, records are written,
groups become durable and blocks are turned.
"""

import gc
import time

import micropython

# As main.py has it: compiling leaves much behind.
gc.threshold(8192)

from whole_pump import Pump  # noqa: E402

import settings as product  # noqa: E402
from flash import Flash  # noqa: E402
from journal.history import History  # noqa: E402
from journal.ring import Ring  # noqa: E402
from journal.store import Store  # noqa: E402

gc.threshold(-1)

BLOCK_BYTES = 4096
BLOCKS = 8


class Device:
    """A block device in memory that allocates nothing."""

    def __init__(self):
        gc.collect()
        self.image = bytearray(BLOCK_BYTES * BLOCKS)
        for i in range(len(self.image)):
            self.image[i] = 0xFF
        self.operations = 0

    def readblocks(self, block, buf, offset=0):
        """Fill buf."""
        at = block * BLOCK_BYTES + offset
        for i in range(len(buf)):
            buf[i] = self.image[at + i]

    def writeblocks(self, block, buf, offset):
        """Program without erasing."""
        at = block * BLOCK_BYTES + offset
        for i in range(len(buf)):
            self.image[at + i] &= buf[i]
        self.operations += 1

    def ioctl(self, operation, block):
        """Erase a block."""
        for at in range(block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES):
            self.image[at] = 0xFF
        self.operations += 1


class Board:
    """A pump, its journal, and a motor that turns at once."""

    def __init__(self):
        self.device = Device()
        flash = Flash(self.device, BLOCKS, BLOCK_BYTES, 16)
        self.store = Store(Ring(flash, 0, 4))
        self.history = History(Ring(flash, 4, 4), self.store)
        self.data = bytearray(10)
        self.pulses = 0
        self.queued = 0
        self.pump = Pump(product, self.emit, self, self.store)
        self.store.connect(self.pump, self.history)
        self.store.restart()

    def emit(self, event, s, a, b, c, d, e):
        """One record for each event."""
        if event:
            self.history.append(event, s, self.data, 10)

    def ready(self, s):
        """No occlusion here."""
        return True

    def pulse(self, s):
        """One pulse waits."""
        self.queued += 1

    def run(self, first_s, last_s):
        """Second by second, with boluses and TBRs."""
        s = first_s
        while s <= last_s:
            self.pump.advance(s)
            while self.queued:
                self.queued -= 1
                self.pulses += 1
                self.store.intend()
                self.store.done()
            self.store.commit()
            self.store.tend()
            if s % 3600 == 60:
                self.pump.set_bolus(s, 0x33, 1000, 0, 0, 0, 0, 0, 0)
                self.pump.set_bolus(s, 0x55, 500, 1000, 40, 0, 0, 0, 0)
            if s % 3600 == 1800:
                self.pump.set_tbr(s, 0x33, 2000, 20, False, 0x3C, 0)
            self.store.commit()
            s += 20


def main():
    """Prove and measure."""
    board = Board()
    pump = board.pump
    pump.write_block(0, 0x33, 1, 1, 1440, 3000, 0)
    pump.complete_profile(0, 0x33, 1)
    pump.activate(0, [1], 0, 1)
    pump.set_therapy_state(0, 0x55)
    board.run(20, 20000)
    before = board.pulses, board.device.operations
    micropython.heap_lock()
    try:
        board.run(20020, 60000)
        locked = "ok"
    except MemoryError:
        locked = "MemoryError"
    finally:
        micropython.heap_unlock()
    print("locked", locked, board.pulses > before[0] + 500 and board.device.operations > before[1] + 1500)
    gc.collect()
    used = gc.mem_alloc()
    board.run(60020, 70000)
    print("leak", gc.mem_alloc() - used, "bytes")
    start = time.ticks_us()
    for _ in range(1000):
        board.store.queue(0x33)
        board.store.intend()
        board.store.done()
        board.store.tend()
    print("pulse", time.ticks_diff(time.ticks_us(), start) // 1000, "us")


main()
