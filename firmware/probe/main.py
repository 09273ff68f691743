# Where a probe starts: a second board whose pin is joined to the motor pin of a pump, and which tells of each edge.
#
# It shares no code with the pump, so that it cannot share a mistake with what it witnesses.
#
# A host that asks already may send the octet of Ctrl-C: until it is known whether this line carries frames, none of
# them ends the program.
import micropython

try:
    micropython.kbd_intr(-1)
except KeyboardInterrupt:
    # Whoever means it sends another one in the time that is theirs below.
    micropython.kbd_intr(-1)

import board  # noqa: E402

# Before the probe takes the USB line, Ctrl-C ends the program: then the board has its REPL. What the keys of a
# REPL send besides is passed over, and any other octet ends the wait.
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

from witness import Witness  # noqa: E402

Witness().run()
