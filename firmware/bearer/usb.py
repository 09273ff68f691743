# The board's own USB serial line, on which the REPL lives, as the stream of octets that a UART is.
#
# All octets belong to the firmware: the interrupt key is disarmed. A zero and six Ctrl-C, with which no frame begins,
# ask for the REPL: the board resets, because a watchdog cannot be stopped, and its start waits for Ctrl-C.
import select
import sys

import micropython
from micropython import const

import machine

_CTRL_C = const(3)
_ASKED = const(6)


class UsbLine:
    def __init__(self):
        micropython.kbd_intr(-1)
        # Whoever has just reset the board waits for this: before, a Ctrl-C in a frame would end the program.
        print("pumprig: the firmware has the line")
        # What a poll takes: the text stream; its octets come from the one below.
        self.stream = sys.stdin
        self._in = sys.stdin.buffer
        self._out = sys.stdout.buffer
        self._octet = bytearray(1)
        # Ctrl-C since the last zero, -1 when anything else came first.
        self._asked = 0
        self._poller = select.poll()
        self._poller.register(self.stream, select.POLLIN)

    # Reads what has come, as a UART does. The stream itself would wait until all of buf is full.
    def readinto(self, buf):
        count = 0
        octet = self._octet
        while count < len(buf) and self._come():
            self._in.readinto(octet)
            buf[count] = octet[0]
            count += 1
            self._look(octet[0])
        return count

    def write(self, buf):
        return self._out.write(buf)

    def _come(self):
        for _ in self._poller.ipoll(0):
            return True
        return False

    def _look(self, octet):
        if octet == 0:
            self._asked = 0
        elif self._asked >= 0:
            self._asked = self._asked + 1 if octet == _CTRL_C else -1
            if self._asked == _ASKED:
                machine.reset()
