"""ATT over the serial bearer: connections, and client and server on the one link.

One request is under way at a time. Values that the other end sends meanwhile are confirmed at once and handed to
their handlers afterwards, in order, so that a handler may make requests of its own and is never entered twice.
"""

from __future__ import annotations

import secrets
import struct
from collections import deque
from collections.abc import Callable, Collection
from typing import NamedTuple

from pumplink import framing
from pumplink.bearer import Bearer
from pumplink.errors import AttError, AttTimeout, BearerLost, E2EError
from pumplink.framing import Deframer, build_frame
from pumpwire.vendor import WIRE_VERSION

__all__ = ["Link", "Value"]

ATT_TIMEOUT_S = 2.0
OPEN_RETRY_S = 1.0
OPEN_ATTEMPTS = 5
MISSED_KEEP_ALIVES_MAX = 3
ATT_MTU_MIN = 23

_ERROR, _MTU_REQUEST, _MTU_RESPONSE = 0x01, 0x02, 0x03
_READ_REQUEST, _READ_RESPONSE = 0x0A, 0x0B
_WRITE_REQUEST, _WRITE_RESPONSE = 0x12, 0x13
_NOTIFY, _INDICATE, _CONFIRM = 0x1B, 0x1D, 0x1E
_RESPONSES = (_ERROR, _MTU_RESPONSE, _READ_RESPONSE, _WRITE_RESPONSE, _CONFIRM)

_INVALID_HANDLE, _READ_NOT_PERMITTED, _WRITE_NOT_PERMITTED = 0x01, 0x02, 0x03
_INVALID_PDU, _NOT_SUPPORTED = 0x04, 0x06

_OPEN_BODY = struct.Struct("<IHH")
_OPEN_ACK_BODY = struct.Struct("<IHB")
_HANDLE = struct.Struct("<BH")

Handler = Callable[[bytes, float], None]
Check = Callable[[bytes], bytes | None]


class Value(NamedTuple):
    """A notified or indicated value, and the DUT second of its coming."""

    handle: int
    value: bytes
    at_s: float


class _Served(NamedTuple):
    read: Callable[[], bytes] | None
    write: Callable[[bytes], None] | None


class Link:
    """A connection over a bearer.

    Args:
        bearer: the way to the pump.
        wire_version: what `open` offers.
        nonce: gives the nonce of a connection; random when None.

    Attributes:
        dropped_frames: damaged frames and PDUs that made no sense, so far.
        mtu: ATT_MTU of the connection.
    """

    def __init__(
        self, bearer: Bearer, *, wire_version: int = WIRE_VERSION, nonce: Callable[[], int] | None = None
    ) -> None:
        self.bearer = bearer
        self.wire_version = wire_version
        self.mtu = ATT_MTU_MIN
        self.is_open = False
        self._nonce = nonce or (lambda: secrets.randbits(32))
        self._deframer = Deframer()
        self._unexpected = 0
        self._served: dict[int, _Served] = {}
        self._handlers: dict[int, list[Handler]] = {}
        self._checks: dict[int, Check] = {}
        self._failed: E2EError | None = None
        self._open_callbacks: list[Callable[[], None]] = []
        self._values: deque[Value] = deque()
        self._reading: int | None = None
        self._response: bytes | None = None
        self._offered: int | None = None
        self._refused = False
        self._busy = False
        self._dispatching = False
        self._keep_alive_s = 0.0
        self._keep_alive_due_s = 0.0
        self._unanswered = 0
        self._watchers: list[Callable[[str, bytes], None]] = []

    @property
    def now_s(self) -> float:
        """DUT seconds, as the bearer counts them."""
        return self.bearer.now_s

    @property
    def dropped_frames(self) -> int:
        """Damaged frames, and PDUs nobody waited for."""
        return self._deframer.dropped + self._unexpected

    # --- Connection ---------------------------------------------------------------------------------------------

    def open(self, keep_alive_ms: int = 0) -> None:
        """Opens a connection; a connection that was open before is gone with all that was tied to it.

        Args:
            keep_alive_ms: period of the keep-alives in DUT milliseconds; 0 for none.
        Raises:
            BearerLost: no answer, or the pump does not speak this wire version.
        """
        self._deframer.clear()
        self._values.clear()
        self.is_open = False
        self._refused = False
        self.mtu = ATT_MTU_MIN
        self._offered = self._nonce()
        for _ in range(OPEN_ATTEMPTS):
            self._send(framing.OPEN, _OPEN_BODY.pack(self._offered, self.wire_version, keep_alive_ms))
            self._pump_until(self.now_s + OPEN_RETRY_S, lambda: self.is_open or self._refused)
            if self.is_open or self._refused:
                break
        else:
            raise BearerLost(
                f"no answer to {OPEN_ATTEMPTS} attempts to open a connection; "
                "is the pump firmware running on the other end, at the same baud rate?"
            )
        if self._refused:
            raise BearerLost(
                f"the pump does not speak wire version {self.wire_version}; flash the firmware of this pumprig"
            )
        self._keep_alive_s = keep_alive_ms / 1000
        self._keep_alive_due_s = self.now_s + self._keep_alive_s
        self._unanswered = 0

    def close(self) -> None:
        """Ends the connection; the bearer stays. A second call does nothing."""
        if self.is_open:
            self.is_open = False
            self._send(framing.CLOSE, b"")

    def on_open(self, callback: Callable[[], None]) -> None:
        """Calls `callback()` when a connection begins, before anything else of it is looked at."""
        self._open_callbacks.append(callback)

    def watch(self, watcher: Callable[[str, bytes], None]) -> None:
        """Calls `watcher(direction, pdu)` for every ATT PDU, `direction` being "to_pump" or "to_client"."""
        self._watchers.append(watcher)

    # --- Client role --------------------------------------------------------------------------------------------

    def request_read(self, handle: int, timeout_s: float = ATT_TIMEOUT_S) -> bytes:
        """Reads a value.

        Raises:
            AttError: the other end refused.
            AttTimeout: no answer within `timeout_s` DUT seconds.
        """
        return self._request(_HANDLE.pack(_READ_REQUEST, handle), _READ_RESPONSE, handle, timeout_s)

    def request_write(self, handle: int, value: bytes, timeout_s: float = ATT_TIMEOUT_S) -> None:
        """Writes a value and waits for the write response.

        Raises:
            AttError: the other end refused.
            AttTimeout: no answer within `timeout_s` DUT seconds.
        """
        self._request(_HANDLE.pack(_WRITE_REQUEST, handle) + value, _WRITE_RESPONSE, handle, timeout_s)

    def exchange_mtu(self, mtu: int, timeout_s: float = ATT_TIMEOUT_S) -> int:
        """Offers an ATT_MTU and returns the one both ends use from now on."""
        pdu = struct.pack("<BH", _MTU_REQUEST, mtu)
        answer = self._request(pdu, _MTU_RESPONSE, 0, timeout_s)
        self.mtu = max(ATT_MTU_MIN, min(mtu, int.from_bytes(answer, "little")))
        return self.mtu

    def subscribe(self, handle: int, *, indicate: bool = False) -> None:
        """Writes the client configuration beside a value: notifications, or indications."""
        self.request_write(handle + 1, b"\x02\x00" if indicate else b"\x01\x00")

    def unsubscribe(self, handle: int) -> None:
        """Takes a subscription back."""
        self.request_write(handle + 1, b"\x00\x00")

    def on_value(self, handle: int, handler: Handler) -> None:
        """Calls `handler(value, at_s)` for every value notified or indicated on a handle that nobody waited for."""
        self._handlers.setdefault(handle, []).append(handler)

    def on_arrival(self, handle: int, check: Check) -> None:
        """Passes every value of a handle, read, notified or indicated, through `check` in the order of arrival.

        `check(value)` returns what it leaves of the value, None to drop it, or raises `E2EError`, which then leaves
        the call that is under way.
        """
        self._checks[handle] = check

    def wait_value(self, handles: Collection[int], until_s: float) -> Value | None:
        """The next value of any of the handles, or None when `until_s` came first."""
        if self._busy:
            raise RuntimeError("a request is already under way on this link")
        self._busy = True
        try:
            self._pump_until(until_s, lambda: any(value.handle in handles for value in self._values))
        finally:
            self._busy = False
        for value in self._values:
            if value.handle in handles:
                self._values.remove(value)
                return value
        return None

    def _request(self, pdu: bytes, expected: int, handle: int, timeout_s: float) -> bytes:
        if not self.is_open:
            raise BearerLost("the connection is not open; call open() first")
        if self._busy:
            raise RuntimeError("a request is already under way on this link")
        self._busy = True
        self._response = None
        self._reading = handle if pdu[0] == _READ_REQUEST else None
        try:
            self._send_att(pdu)
            self._pump_until(self.now_s + timeout_s, lambda: self._response is not None)
            response = self._response
        finally:
            self._busy = False
            self._reading = None
        if response is None:
            raise AttTimeout(f"no answer within {timeout_s:g} s to ATT request 0x{pdu[0]:02X} of 0x{handle:04X}")
        if response[0] == _ERROR:
            if len(response) == 5:
                raise AttError(response[4], handle, "read" if pdu[0] == _READ_REQUEST else "write")
            raise BearerLost("an ATT error response has a wrong length; the other end is no pump of this wire version")
        if response[0] != expected:
            raise BearerLost(f"ATT request 0x{pdu[0]:02X} was answered by 0x{response[0]:02X}; close and open again")
        return response[1:]

    # --- Server role --------------------------------------------------------------------------------------------

    def serve(
        self,
        handle: int,
        read: Callable[[], bytes] | None = None,
        write: Callable[[bytes], None] | None = None,
    ) -> None:
        """Serves a handle. The functions are called as the request comes, must not make requests, and refuse by
        raising `AttError`."""
        self._served[handle] = _Served(read, write)

    def notify(self, handle: int, value: bytes) -> None:
        """Sends a notification."""
        self._send_att(_HANDLE.pack(_NOTIFY, handle) + value)

    def indicate(self, handle: int, value: bytes, timeout_s: float = 30.0) -> None:
        """Sends an indication and waits for its confirmation."""
        self._request(_HANDLE.pack(_INDICATE, handle) + value, _CONFIRM, handle, timeout_s)

    # --- Time ---------------------------------------------------------------------------------------------------

    def run_until(self, until_s: float) -> float:
        """Lets DUT time pass until `until_s`, serving and dispatching; returns the lateness in DUT seconds.

        Raises:
            BearerLost: the connection or the bearer is gone.
        """
        if self._busy or self._dispatching:
            raise RuntimeError("run_until is not for handlers, nor for use while a request is under way")
        self._dispatch()
        while self._step(until_s):
            self._dispatch()
        return max(0.0, self.now_s - until_s)

    def _pump_until(self, until_s: float, done: Callable[[], bool]) -> None:
        while not done() and self._step(until_s):
            pass

    # One wait on the bearer; false when `until_s` was reached.
    def _step(self, until_s: float) -> bool:
        wait_s = until_s
        if self._keep_alive_s and self.is_open:
            wait_s = min(until_s, self._keep_alive_due_s)
        data = self.bearer.receive(wait_s)
        if data:
            at_s = self.bearer.received_at_s
            for frame in self._deframer.feed(data):
                self._take(frame.type, frame.body, at_s)
            if self._failed is not None:
                failed, self._failed = self._failed, None
                raise failed
            return True
        if wait_s < until_s:
            self._keep_alive()
            return True
        return False

    def _keep_alive(self) -> None:
        if self._unanswered >= MISSED_KEEP_ALIVES_MAX:
            self.is_open = False
            raise BearerLost(f"{MISSED_KEEP_ALIVES_MAX} keep-alives went unanswered; open the connection again")
        self._unanswered += 1
        self._keep_alive_due_s = self.now_s + self._keep_alive_s
        self._send(framing.KEEP_ALIVE, b"")

    def _dispatch(self) -> None:
        if self._dispatching:
            return
        self._dispatching = True
        try:
            while self._values:
                value = self._values.popleft()
                for handler in self._handlers.get(value.handle, ()):
                    handler(value.value, value.at_s)
        finally:
            self._dispatching = False

    # --- Frames -------------------------------------------------------------------------------------------------

    def _send(self, type_: int, body: bytes) -> None:
        self.bearer.write(build_frame(type_, body))

    def _send_att(self, pdu: bytes) -> None:
        for watcher in self._watchers:
            watcher("to_pump", pdu)
        self._send(framing.ATT, pdu)

    def _take(self, type_: int, body: bytes, at_s: float) -> None:
        if type_ == framing.ATT:
            if self.is_open and body:
                self._unanswered = 0
                self._take_att(body, at_s)
            else:
                self._unexpected += 1
        elif type_ == framing.OPEN_ACK and len(body) == _OPEN_ACK_BODY.size:
            nonce, _version, status = _OPEN_ACK_BODY.unpack(body)
            # An answer to an earlier attempt, late, is none to this connection. What follows it may be ATT already.
            if nonce == self._offered:
                self._offered = None
                self.is_open = status == 0
                self._refused = status != 0
                if self.is_open:
                    for callback in self._open_callbacks:
                        callback()
        elif type_ == framing.KEEP_ALIVE:
            self._unanswered = 0
        elif type_ == framing.CLOSE:
            if self.is_open:
                self.is_open = False
                raise BearerLost("the pump closed the connection; open it again")
        else:
            self._unexpected += 1

    def _take_att(self, pdu: bytes, at_s: float) -> None:
        for watcher in self._watchers:
            watcher("to_client", pdu)
        opcode = pdu[0]
        if opcode in (_NOTIFY, _INDICATE) and len(pdu) >= 3:
            handle = pdu[1] | pdu[2] << 8
            value = self._check(handle, pdu[3:])
            if value is not None:
                self._values.append(Value(handle, value, at_s))
            if opcode == _INDICATE:
                self._send_att(bytes((_CONFIRM,)))
        elif opcode in _RESPONSES:
            if self._busy and self._response is None:
                self._response = pdu
                if opcode == _READ_RESPONSE and self._reading is not None:
                    self._response = pdu[:1] + (self._check(self._reading, pdu[1:]) or b"")
            else:
                self._unexpected += 1
        else:
            self._answer(pdu)

    # The error waits until the frames that came with the value are taken: they are lost otherwise.
    def _check(self, handle: int, value: bytes) -> bytes | None:
        check = self._checks.get(handle)
        if check is None:
            return value
        try:
            return check(value)
        except E2EError as error:
            self._failed = self._failed or error
            return None

    def _answer(self, pdu: bytes) -> None:
        opcode = pdu[0]
        handle = pdu[1] | pdu[2] << 8 if len(pdu) >= 3 else 0
        try:
            if len(pdu) < 3:
                raise AttError(_INVALID_PDU, handle)
            if opcode == _MTU_REQUEST:
                self.mtu = max(ATT_MTU_MIN, handle)
                answer = _HANDLE.pack(_MTU_RESPONSE, self.mtu)
            elif opcode == _READ_REQUEST:
                answer = bytes((_READ_RESPONSE,)) + self._serve_read(handle)
            elif opcode == _WRITE_REQUEST:
                self._serve_write(handle, pdu[3:])
                answer = bytes((_WRITE_RESPONSE,))
            else:
                raise AttError(_NOT_SUPPORTED, 0)
        except AttError as error:
            answer = struct.pack("<BBHB", _ERROR, opcode, handle, error.code)
        self._send_att(answer)

    def _serve_read(self, handle: int) -> bytes:
        served = self._served.get(handle)
        if served is None:
            raise AttError(_INVALID_HANDLE, handle)
        if served.read is None:
            raise AttError(_READ_NOT_PERMITTED, handle)
        return served.read()

    def _serve_write(self, handle: int, value: bytes) -> None:
        served = self._served.get(handle)
        if served is None:
            raise AttError(_INVALID_HANDLE, handle)
        if served.write is None:
            raise AttError(_WRITE_NOT_PERMITTED, handle)
        served.write(value)
