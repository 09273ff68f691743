# The probe's loop: tells of each edge of the motor pin as it finds it, and answers when it is asked for its time.
#
# An answer follows all edges that were there at its time: who has it has seen all until then.
import os
import select
import struct
import sys

import board
import frames
from line import line
from ticking import Ticking


# An RP2 notes edges by a state machine, any other chip by the pin's interrupt.
def _way_to_note():
    if sys.platform == "rp2":
        import edges_pio

        return edges_pio
    import edges_irq

    return edges_irq


class Witness:
    def __init__(self):
        self._clock = Ticking()
        way = _way_to_note()
        self._kind = way.KIND
        self._look_ms = way.LOOK_MS
        self._edges = way.Edges(board.MOTOR_PIN, self._clock)
        self._line = line()
        self._receiver = frames.Receiver()
        self._start = os.urandom(4)
        self._next = 0
        self._poller = select.poll()
        self._poller.register(self._line.stream, select.POLLIN)

    def run(self):
        while True:
            self._poller.poll(self._look_ms)
            self._clock.read()
            self._tell_edges()
            for kind, body in self._receiver.take(self._line.read()):
                if kind == frames.HELLO:
                    self._tell_self()
                elif kind == frames.SYNC and len(body) == 2:
                    self._tell_time(body)

    def _tell_edges(self):
        for second, us, level in self._edges.take():
            self._send(frames.EDGE, struct.pack("<IIIB", self._next, second, us, level))
            self._next += 1

    def _tell_self(self):
        body = struct.pack("<H4sB8s", frames.VERSION, self._start, self._kind, board.FIRMWARE_HASH)
        self._send(frames.I_AM, body + board.NAME.encode()[:16])

    def _tell_time(self, number):
        self._clock.read()
        second, us = self._clock.s, self._clock.us
        self._tell_edges()
        overflows = min(self._edges.overflows, 0xFFFF)
        body = struct.pack("<IIIHB", second, us, self._next, overflows, self._edges.level())
        self._send(frames.TIME, number + self._start + body)

    def _send(self, kind, body):
        self._line.write(frames.encoded(kind, body))
