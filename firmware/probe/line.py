# The probe's line to the host, as octets: its USB serial line, or a UART.
#
# On the USB line lives the REPL. A zero and six Ctrl-C, with which no frame begins, ask for it: the board resets, and
# its start waits for Ctrl-C.
import select
import sys

import board
import micropython

import machine

_CTRL_C = 3
_ASKED = 6
_READ_OCTETS = 64


class UsbLine:
    def __init__(self):
        micropython.kbd_intr(-1)
        # Whoever has just reset the board waits for this.
        print("pumprig: the firmware has the line")
        self.stream = sys.stdin
        self._poller = select.poll()
        self._poller.register(self.stream, select.POLLIN)
        # Ctrl-C since the last zero, -1 when anything else came first.
        self._asked = 0

    def write(self, octets):
        sys.stdout.buffer.write(octets)

    # What has come, without waiting.
    def read(self):
        octets = bytearray()
        while len(octets) < _READ_OCTETS and self._poller.poll(0):
            octet = sys.stdin.buffer.read(1)
            if not octet:
                break
            octets += octet
            self._look(octet[0])
        return octets

    def _look(self, octet):
        if octet == 0:
            self._asked = 0
        elif self._asked >= 0:
            self._asked = self._asked + 1 if octet == _CTRL_C else -1
            if self._asked == _ASKED:
                machine.reset()


class UartLine:
    def __init__(self):
        self.stream = machine.UART(board.UART_ID, board.BAUD, rxbuf=board.UART_RX_BYTES)

    def write(self, octets):
        self.stream.write(octets)

    def read(self):
        return self.stream.read() or b""


def line():
    return UsbLine() if board.USB_LINE else UartLine()
