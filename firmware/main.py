# Where a board starts.
#
# Compiling leaves much behind. Collected early and often, it leaves the heap in one piece for the buffers.
import gc

gc.threshold(8192)

import board  # noqa: E402

# Before the watchdog runs and the firmware takes the USB line, Ctrl-C ends the program: then the board has its REPL.
# Any other octet ends the wait.
if board.REPL_WINDOW_MS:
    import select
    import sys

    print("pumprig: Ctrl-C now gives the REPL")
    line = select.poll()
    line.register(sys.stdin, select.POLLIN)
    line.poll(board.REPL_WINDOW_MS)

from loop import Firmware  # noqa: E402

gc.threshold(-1)
Firmware().run()
