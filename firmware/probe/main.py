# Where a probe starts: a second board whose pin is joined to the motor pin of a pump, and which tells of each edge.
#
# It shares no code with the pump, so that it cannot share a mistake with what it witnesses.
import board

# Before the probe takes the USB line, Ctrl-C ends the program: then the board has its REPL. Any other octet ends the
# wait.
if board.REPL_WINDOW_MS:
    import select
    import sys

    print("pumprig: Ctrl-C now gives the REPL")
    line = select.poll()
    line.register(sys.stdin, select.POLLIN)
    line.poll(board.REPL_WINDOW_MS)

from witness import Witness  # noqa: E402

Witness().run()
