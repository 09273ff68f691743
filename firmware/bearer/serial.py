# The serial bearer: connections and ATT PDUs in frames on a UART.
#
# A frame is COBS(type u8 | body | CRC-16/MCRF4XX u16, low octet first) 0x00. An open frame begins a connection; a
# close, another open, a reset or three missed keep-alives end it. A damaged frame is dropped and counted.
#
# The other side is the `link`: connected(), disconnected(), receive(buffer, start, end). It writes a PDU into
# `pdu` from `pdu_start` on and calls send(end).
from time import ticks_diff

from clock import Timeout
from gatt.wire_tables import WIRE_VERSION
from octets import CODE, DAMAGED, LEFT, STATE_OCTETS, USED, crc16, stuff, unstuff

ATT_MTU_MAX = 247

_OPEN = 1
_OPEN_ACK = 2
_CLOSE = 3
_KEEP_ALIVE = 4
_ATT = 5
_OPEN_OCTETS = 9
_OK = 0
_VERSION_UNSUPPORTED = 1
_MISSED_MAX = 3

_FRAME_OCTETS = 1 + ATT_MTU_MAX + 2
_CHUNK_OCTETS = 64
_BITS_PER_OCTET = 10  # A start and a stop bit travel with the eight.
# What a UART takes without making its sender wait, with a frame on top.
_AHEAD_OCTETS = 128


class SerialBearer:
    over_air = False

    def __init__(self, uart, baud, clock):
        self.link = None
        self.pdu = bytearray(_FRAME_OCTETS)
        self.pdu_start = 1
        self.connected = False
        self.dropped_frames = 0
        self._uart = uart
        self._octets_per_s = baud // _BITS_PER_OCTET
        self._chunk = bytearray(_CHUNK_OCTETS)
        self._in = bytearray(_FRAME_OCTETS)
        self._state = bytearray(STATE_OCTETS)
        self._out = bytearray(_FRAME_OCTETS + 3)
        self._views = {}
        self._clock = clock
        # What still waits in the UART, in thousandths of an octet, at a reading of the clock.
        self._waiting = 0
        self._waiting_ticks_ms = 0
        self._alive = Timeout(clock)
        self._alive_ms = 0

    # --- Receiving ------------------------------------------------------------------------------------------------

    # Takes what the UART has and hands on each complete frame.
    def receive(self):
        count = self._uart.readinto(self._chunk)
        while count:
            at = self._take(0, count)
            while at < count:
                self._end_of_frame()
                at = self._take(at + 1, count)
            count = self._uart.readinto(self._chunk)

    # Takes octets of the chunk as far as the end of a frame; returns where that stands.
    def _take(self, at, count):
        return unstuff(self._chunk, at, count, self._in, _FRAME_OCTETS, self._state)

    def _end_of_frame(self):
        state = self._state
        end = state[USED]
        intact = not state[LEFT] and not state[DAMAGED] and end >= 3 and self._crc_matches(end)
        empty = not state[CODE]
        state[USED] = state[CODE] = state[LEFT] = state[DAMAGED] = 0
        # A zero on its own is how a sender flushes the line.
        if empty:
            return
        if not intact or not self._handle(end - 2):
            self.dropped_frames += 1

    def _crc_matches(self, end):
        crc = crc16(self._in, 0, end - 2)
        return self._in[end - 2] == crc & 0xFF and self._in[end - 1] == crc >> 8

    # False when the frame means nothing here.
    def _handle(self, end):
        kind = self._in[0]
        if kind == _OPEN and end == _OPEN_OCTETS:
            self._open()
            return True
        if not self.connected:
            return False
        if self._alive_ms:
            self._alive.start(self._alive_ms)
        if kind == _ATT and end > 1:
            self.link.receive(self._in, 1, end)
        elif kind == _KEEP_ALIVE and end == 1:
            self._send_frame(_KEEP_ALIVE, 1)
        elif kind == _CLOSE and end == 1:
            self.disconnect()
        else:
            return False
        return True

    # --- Connections ----------------------------------------------------------------------------------------------

    def _open(self):
        self.disconnect()
        frame = self._in
        supported = (frame[5] | frame[6] << 8) == WIRE_VERSION
        self.pdu[1:5] = frame[1:5]
        self.pdu[5] = WIRE_VERSION & 0xFF
        self.pdu[6] = WIRE_VERSION >> 8
        self.pdu[7] = _OK if supported else _VERSION_UNSUPPORTED
        self._send_frame(_OPEN_ACK, 8)
        if not supported:
            return
        self.connected = True
        self._alive_ms = (frame[7] | frame[8] << 8) * _MISSED_MAX
        if self._alive_ms:
            self._alive.start(self._alive_ms)
        self.link.connected()

    def disconnect(self):
        if not self.connected:
            return
        self.connected = False
        self._alive.stop()
        self.link.disconnected()

    # Ends the connection from this side.
    def quiet(self):
        self._send_frame(_CLOSE, 1)
        self.disconnect()

    # Ends a connection whose keep-alives stay away; to be called after each reading of the clock.
    def run(self):
        if self._alive.over():
            self.disconnect()

    # Milliseconds until `run` has something to do, or -1.
    def wait_ms(self):
        return self._alive.left_ms() if self._alive.running else -1

    # --- Sending --------------------------------------------------------------------------------------------------

    # Sends the PDU that stands in `pdu` up to `end`.
    def send(self, end):
        self._send_frame(_ATT, end)

    # Milliseconds until the UART has room for more: who streams waits for it, so that a write never waits itself, and
    # so that the line can also say stop.
    def drain_ms(self):
        self._drain()
        ahead = self._waiting - _AHEAD_OCTETS * 1000
        return ahead // self._octets_per_s + 1 if ahead > 0 else 0

    def _drain(self):
        ticks_ms = self._clock.ticks_ms
        passed_ms = ticks_diff(ticks_ms, self._waiting_ticks_ms)
        self._waiting_ticks_ms = ticks_ms
        # Longer than the fullest UART takes at the slowest rate; so the product stays a small int.
        if passed_ms > 1000:
            self._waiting = 0
        else:
            self._waiting = max(0, self._waiting - passed_ms * self._octets_per_s)

    def _send_frame(self, kind, end):
        raw = self.pdu
        raw[0] = kind
        crc = crc16(raw, 0, end)
        raw[end] = crc & 0xFF
        raw[end + 1] = crc >> 8
        count = stuff(raw, end + 2, self._out)
        view = self._views.get(count)
        if view is None:
            # One view per length ever sent, kept, so that sending takes nothing from the heap.
            view = memoryview(self._out)[:count]
            self._views[count] = view
        self._uart.write(view)
        self._drain()
        self._waiting += count * 1000
