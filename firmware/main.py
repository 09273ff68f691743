# Where a board starts.
#
# Compiling leaves much behind. Collected early and often, it leaves the heap in one piece for the buffers.
import gc

gc.threshold(8192)

import board  # noqa: E402

# Before the watchdog runs and the firmware takes the USB line, Ctrl-C ends the program: then the board has its REPL.
# What the keys of a REPL send besides is passed over, and any other octet ends the wait.
if board.REPL_WINDOW_MS:
    import select
    import sys

    import micropython

    # A frame of a host that asks already may hold the octet of Ctrl-C: it must not end the program.
    micropython.kbd_intr(-1)
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

from loop import Firmware  # noqa: E402

gc.threshold(-1)
Firmware().run()
