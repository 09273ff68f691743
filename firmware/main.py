# Where a board starts.
#
# A host that asks already sends the octet of Ctrl-C with every open: until it is known whether this line carries
# frames, none of them ends the program.
import micropython

try:
    micropython.kbd_intr(-1)
except KeyboardInterrupt:
    # Whoever means it sends another one in the time that is theirs below.
    micropython.kbd_intr(-1)

# Compiling leaves much behind. Collected early and often, it leaves the heap in one piece for the buffers.
import gc  # noqa: E402

gc.threshold(8192)

import board  # noqa: E402

# Before the watchdog runs and the firmware takes the USB line, Ctrl-C ends the program: then the board has its REPL.
# What the keys of a REPL send besides is passed over, and any other octet ends the wait.
if board.REPL_WINDOW_MS:
    import select
    import sys

    print("pumprig: Ctrl-C now gives the REPL")
    line = select.poll()
    line.register(sys.stdin, select.POLLIN)
    while line.poll(board.REPL_WINDOW_MS):
        octet = sys.stdin.buffer.read(1)
        if octet == b"\x03":
            micropython.kbd_intr(3)
            raise KeyboardInterrupt
        if octet not in b"\0\r\n\x01\x02\x04":
            break
else:
    micropython.kbd_intr(3)

from loop import Firmware  # noqa: E402

firmware = Firmware()
gc.threshold(-1)
firmware.run()
