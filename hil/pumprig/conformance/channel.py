"""ATT octets over a bearer: what is sent is sent as it is, and nothing that comes is hidden.

`pumplink.Link` speaks as a good client does. Here a confirmation can be held back, a second request can follow the
first one at once, and a PDU can be anything.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from pumplink.bearer import Bearer
from pumplink.errors import BearerLost
from pumpwire import att, frame
from pumpwire.att import AttErrorCode, AttOpcode, Pdu
from pumpwire.errors import FrameError, PduError
from pumpwire.frame import Frame, FrameType, OpenStatus
from pumpwire.vendor import WIRE_VERSION

__all__ = ["Channel", "Value"]

OPEN_S = 1.0
OPEN_ATTEMPTS = 5
RESPONSE_S = 30.0
KEPT_PDUS = 24

_RESPONSES = (
    AttOpcode.READ_RESPONSE, AttOpcode.WRITE_RESPONSE, AttOpcode.EXCHANGE_MTU_RESPONSE, AttOpcode.ERROR_RESPONSE,
)  # fmt: skip


class Value(NamedTuple):
    """A notified or indicated value as it came.

    Args:
        handle: of the value.
        octets: with counter and CRC.
        indicated: whether it asked for a confirmation.
        at_s: DUT seconds.
    """

    handle: int
    octets: bytes
    indicated: bool
    at_s: float


class Channel:
    """A connection, octet by octet.

    Args:
        bearer: the way to the server.
        on_strange: called with a PDU that makes no sense.

    Attributes:
        on_open: called when an open is acknowledged: what comes from then on belongs to the new connection.
        on_arrival: called with handle and octets of each value, in the order of coming, and whether it was read, and
            not notified or indicated.
        confirming: whether indications are confirmed as they come.
        values: notified and indicated values nobody has taken yet.
        closed: whether the server has ended the connection.
        log: the last PDUs, as (direction, octets).
    """

    def __init__(self, bearer: Bearer, on_strange: Callable[[bytes], None]) -> None:
        self.bearer = bearer
        self.on_strange = on_strange
        self.on_open: Callable[[], None] = lambda: None
        self.on_arrival: Callable[[int, bytes, bool], None] = lambda handle, octets, was_read: None
        self.confirming = True
        self.closed = False
        self.values: deque[Value] = deque()
        self.log: deque[tuple[str, bytes]] = deque(maxlen=KEPT_PDUS)
        self._responses: deque[Pdu] = deque()
        self._asked = 0
        self._decoder = frame.Decoder()
        self._nonce = 0
        self._acknowledged: int | None = None

    @property
    def now_s(self) -> float:
        """DUT seconds."""
        return self.bearer.now_s

    def open(self) -> None:
        """Begins a connection; the one before is gone.

        Raises:
            BearerLost: nobody answers, or not in this wire version.
        """
        self._decoder.clear()
        self.values.clear()
        self._responses.clear()
        self.confirming = True
        self.closed = False
        self._acknowledged = None
        self._nonce = self._nonce + 1 & 0xFFFFFFFF
        body = frame.body(FrameType.OPEN, nonce=self._nonce, wire_version=WIRE_VERSION, keep_alive_ms=0)
        for _ in range(OPEN_ATTEMPTS):
            # An empty frame ends whatever stood on the line before.
            self.bearer.write(frame.DELIMITER + frame.encode(FrameType.OPEN, body))
            until_s = self.now_s + max(OPEN_S, self.bearer.open_within_s)
            while self._acknowledged is None and self._step(until_s):
                pass
            if self._acknowledged is not None:
                break
        if self._acknowledged is None:
            raise BearerLost("no answer to an open; is a server running on the other end, at the same baud rate?")
        if self._acknowledged != OpenStatus.OK:
            raise BearerLost(f"the server does not speak wire version {WIRE_VERSION}")

    def close(self) -> None:
        """Ends the connection."""
        self.bearer.write(frame.encode(FrameType.CLOSE, b""))

    def send(self, pdu: bytes) -> None:
        """Sends a PDU, right or wrong."""
        self.log.append((">", pdu))
        self.bearer.write(frame.encode(FrameType.ATT, pdu))

    def confirm(self) -> None:
        """Confirms an indication that was held back."""
        self.send(att.build(Pdu(AttOpcode.CONFIRMATION)))

    def request(self, pdu: bytes, timeout_s: float = RESPONSE_S) -> Pdu | None:
        """Sends a request and gives its response, None when none comes in time."""
        self._responses.clear()
        self._asked = int.from_bytes(pdu[1:3], "little")
        self.send(pdu)
        return self.response(timeout_s)

    def response(self, timeout_s: float = RESPONSE_S) -> Pdu | None:
        """The next response, None when none comes in time."""
        until_s = self.now_s + timeout_s
        while not self._responses and self._step(until_s):
            pass
        return self._responses.popleft() if self._responses else None

    def value(self, handles: tuple[int, ...], timeout_s: float) -> Value | None:
        """The next value of one of the handles, None when none comes in time."""
        until_s = self.now_s + timeout_s
        while True:
            for found in self.values:
                if found.handle in handles:
                    self.values.remove(found)
                    return found
            if not self._step(until_s):
                return None

    def wait(self, seconds: float) -> None:
        """Lets DUT time pass."""
        until_s = self.now_s + seconds
        while self._step(until_s):
            pass

    # One wait on the bearer; false when `until_s` was reached.
    def _step(self, until_s: float) -> bool:
        octets = self.bearer.receive(until_s)
        for got in self._decoder.feed(octets):
            self._take(got)
        return bool(octets)

    def _take(self, got: Frame) -> None:
        if got.type is FrameType.ATT:
            # What comes before an open is acknowledged is of the connection before it.
            if self._acknowledged is not None:
                self._take_att(got.body)
        elif got.type is FrameType.OPEN_ACK:
            try:
                values = frame.parse_body(got)
            except FrameError:
                return
            if values["nonce"] == self._nonce:
                self._acknowledged = int(values["status"])
                self.on_open()
        elif got.type is FrameType.CLOSE:
            self.closed = True

    def _take_att(self, octets: bytes) -> None:
        self.log.append(("<", octets))
        try:
            pdu = att.parse(octets)
        except PduError:
            self.on_strange(octets)
            return
        if pdu.opcode in _RESPONSES:
            if pdu.opcode is AttOpcode.READ_RESPONSE:
                self.on_arrival(self._asked, pdu.value, True)
            self._responses.append(pdu)
        elif pdu.opcode in (AttOpcode.NOTIFICATION, AttOpcode.INDICATION):
            indicated = pdu.opcode is AttOpcode.INDICATION
            self.on_arrival(pdu.handle, pdu.value, False)
            self.values.append(Value(pdu.handle, pdu.value, indicated, self.now_s))
            if indicated and self.confirming:
                self.confirm()
        elif pdu.opcode is not AttOpcode.CONFIRMATION:
            # The server may look for services of its client's; there are none.
            refused, code = AttOpcode.ERROR_RESPONSE, AttErrorCode.INVALID_HANDLE
            self.send(att.build(Pdu(refused, pdu.handle, request_opcode=pdu.opcode, error=code)))
