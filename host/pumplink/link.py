"""ATT over a bearer: connections, and client and server on the one link.

One request is under way at a time. Values that the other end sends meanwhile are confirmed at once and handed to
their handlers afterwards, in order, so that a handler may make requests of its own and is never entered twice.
"""

from __future__ import annotations

import heapq
import itertools
import secrets
from collections import deque
from collections.abc import Callable, Collection
from typing import NamedTuple

from pumplink.bearer import Bearer
from pumplink.errors import AttError, AttTimeout, BearerLost, E2EError, WireMismatch
from pumpwire import att, frame
from pumpwire.att import AttErrorCode, AttOpcode, Pdu
from pumpwire.errors import FrameError, PduError
from pumpwire.frame import Frame, FrameType, OpenStatus
from pumpwire.vendor import WIRE_VERSION

__all__ = ["Link", "Value"]

ATT_TIMEOUT_S = 2.0
INDICATION_TIMEOUT_S = 30.0
OPEN_ATTEMPTS = 5
MISSED_KEEP_ALIVES_MAX = 3
# A bearer's time may stop short of a moment by its own smallest step.
CLOCK_STEP_S = 0.000002

_EXPECTED = {
    AttOpcode.READ_REQUEST: AttOpcode.READ_RESPONSE,
    AttOpcode.WRITE_REQUEST: AttOpcode.WRITE_RESPONSE,
    AttOpcode.EXCHANGE_MTU_REQUEST: AttOpcode.EXCHANGE_MTU_RESPONSE,
    AttOpcode.INDICATION: AttOpcode.CONFIRMATION,
}
_RESPONSES = (*_EXPECTED.values(), AttOpcode.ERROR_RESPONSE)
_NOTIFY, _INDICATE = b"\x01\x00", b"\x02\x00"

Handler = Callable[[bytes, float], None]
Check = Callable[[bytes], bytes | None]


def _random_nonce() -> int:
    # No octet of it is 0, so that a frame that opens a connection never begins as Ctrl-C does: a board that boots
    # would take it for that.
    return int.from_bytes(bytes(1 + secrets.randbelow(255) for _ in range(4)), "little")


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
        att_timeout_s: how long a request waits for its response where nobody says otherwise, DUT seconds.

    Attributes:
        dropped_frames: damaged frames and PDUs that made no sense, so far.
        mtu: ATT_MTU of the connection.
    """

    def __init__(
        self,
        bearer: Bearer,
        *,
        wire_version: int = WIRE_VERSION,
        nonce: Callable[[], int] | None = None,
        att_timeout_s: float = ATT_TIMEOUT_S,
    ) -> None:
        self.bearer = bearer
        self.att_timeout_s = att_timeout_s
        self.wire_version = wire_version
        self.mtu = att.MTU_DEFAULT
        self.is_open = False
        self._nonce = nonce or _random_nonce
        self._decoder = frame.Decoder()
        self._unexpected = 0
        self._served: dict[int, _Served] = {}
        self._handlers: dict[int, list[Handler]] = {}
        self._checks: dict[int, Check] = {}
        self._failed: E2EError | None = None
        self._open_callbacks: list[Callable[[], None]] = []
        self._values: deque[Value] = deque()
        self._request_pdu: Pdu | None = None
        self._response: Pdu | None = None
        self._offered: int | None = None
        self._refused: int | None = None
        self._busy = False
        self._dispatching = False
        self._keep_alive_s = 0.0
        self._keep_alive_due_s = 0.0
        self._unanswered = 0
        self._watchers: list[Callable[[str, bytes], None]] = []
        self._later: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._indications: deque[tuple[Pdu, Callable[[], None]]] = deque()

    @property
    def now_s(self) -> float:
        """DUT seconds, as the bearer counts them."""
        return self.bearer.now_s

    @property
    def dropped_frames(self) -> int:
        """Damaged frames, and PDUs nobody waited for."""
        return self._decoder.dropped + self._unexpected

    # --- Connection ---------------------------------------------------------------------------------------------

    def open(self, keep_alive_ms: int = 0, attempts: int = OPEN_ATTEMPTS) -> None:
        """Opens a connection; a connection that was open before is gone with all that was tied to it.

        Args:
            keep_alive_ms: period of the keep-alives in DUT milliseconds; 0 for none.
            attempts: how often it is asked for, each within what the bearer needs.
        Raises:
            BearerLost: no answer.
            WireMismatch: the pump does not speak this wire version.
        """
        self._decoder.clear()
        self._values.clear()
        self._later.clear()
        self._indications.clear()
        self.is_open = False
        self._refused = None
        self.mtu = att.MTU_DEFAULT
        self._offered = self._nonce()
        for _ in range(attempts):
            self._send(FrameType.OPEN, nonce=self._offered, wire_version=self.wire_version, keep_alive_ms=keep_alive_ms)
            self._pump_until(self.now_s + self.bearer.open_within_s, lambda: self.is_open or self._refused is not None)
            if self.is_open or self._refused is not None:
                break
        else:
            raise BearerLost(
                f"no answer to {attempts} attempts to open a connection; "
                "is the pump firmware running on the other end, at the same baud rate?"
            )
        if self._refused is not None:
            raise WireMismatch(
                f"the pump does not speak wire version {self.wire_version} but {self._refused}; flash the firmware of "
                "this pumprig, or use the pumprig of that firmware"
            )
        self._keep_alive_s = keep_alive_ms / 1000
        self._keep_alive_due_s = self.now_s + self._keep_alive_s
        self._unanswered = 0

    def close(self) -> None:
        """Ends the connection; the bearer stays. A second call does nothing."""
        if self.is_open:
            self.is_open = False
            self._send(FrameType.CLOSE)

    def on_open(self, callback: Callable[[], None]) -> None:
        """Calls `callback()` when a connection begins, before anything else of it is looked at."""
        self._open_callbacks.append(callback)

    def watch(self, watcher: Callable[[str, bytes], None]) -> None:
        """Calls `watcher(direction, pdu)` for every ATT PDU, `direction` being "to_pump" or "to_client"."""
        self._watchers.append(watcher)

    # --- Client role --------------------------------------------------------------------------------------------

    def request_read(self, handle: int, timeout_s: float | None = None) -> bytes:
        """Reads a value.

        Raises:
            AttError: the other end refused.
            AttTimeout: no answer within `timeout_s` DUT seconds, `att_timeout_s` of them when None.
        """
        return self._request(Pdu(AttOpcode.READ_REQUEST, handle), timeout_s).value

    def begin_read(self, handle: int, timeout_s: float | None = None) -> Callable[[], bytes]:
        """Asks for a value and returns at once; the other end works meanwhile.

        Returns:
            What `request_read` does after asking. The link is not to be used before it has been called.
        """
        wait = self._begin(Pdu(AttOpcode.READ_REQUEST, handle), timeout_s)
        if not (self._later and self._later[0][0] <= self.now_s + CLOCK_STEP_S):
            within_s = self.att_timeout_s if timeout_s is None else timeout_s
            self.bearer.go_on(self._wake_s(self.now_s + within_s))
        return lambda: wait().value

    def request_write(self, handle: int, value: bytes, timeout_s: float | None = None) -> None:
        """Writes a value and waits for the write response.

        Raises:
            AttError: the other end refused.
            AttTimeout: no answer within `timeout_s` DUT seconds, `att_timeout_s` of them when None.
        """
        self._request(Pdu(AttOpcode.WRITE_REQUEST, handle, value), timeout_s)

    def exchange_mtu(self, mtu: int, timeout_s: float | None = None) -> int:
        """Offers an ATT_MTU and returns the one both ends use from now on."""
        offer = self._request(Pdu(AttOpcode.EXCHANGE_MTU_REQUEST, mtu=mtu), timeout_s).mtu
        self.mtu = max(att.MTU_DEFAULT, min(mtu, offer))
        return self.mtu

    def subscribe(self, handle: int, *, indicate: bool = False) -> None:
        """Writes the client configuration beside a value: notifications, or indications."""
        self.request_write(handle + 1, _INDICATE if indicate else _NOTIFY)

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

    def _request(self, pdu: Pdu, timeout_s: float | None) -> Pdu:
        return self._begin(pdu, timeout_s)()

    def _begin(self, pdu: Pdu, timeout_s: float | None) -> Callable[[], Pdu]:
        if not self.is_open:
            raise BearerLost("the connection is not open; call open() first")
        if self._busy:
            raise RuntimeError("a request is already under way on this link")
        self._busy = True
        self._response = None
        self._request_pdu = pdu
        try:
            self._send_att(pdu)
        except BaseException:
            self._busy = False
            raise
        within_s = self.att_timeout_s if timeout_s is None else timeout_s
        until_s = self.now_s + within_s
        return lambda: self._await(pdu, until_s, within_s)

    def _await(self, pdu: Pdu, until_s: float, timeout_s: float) -> Pdu:
        try:
            self._pump_until(until_s, lambda: self._response is not None)
            response = self._response
        finally:
            self._busy = False
            self._request_pdu = None
        what = pdu.opcode.name.lower().replace("_", " ")
        if response is None:
            raise AttTimeout(f"no answer within {timeout_s:g} s to the {what} of handle 0x{pdu.handle:04X}")
        if response.opcode is AttOpcode.ERROR_RESPONSE:
            raise AttError(response.error, pdu.handle, what)
        if response.opcode is not _EXPECTED[pdu.opcode]:
            raise BearerLost(f"a {what} was answered by 0x{response.opcode:02X}; open the connection again")
        return response

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
        self._send_att(Pdu(AttOpcode.NOTIFICATION, handle, value))

    def indicate(self, handle: int, value: bytes, timeout_s: float = INDICATION_TIMEOUT_S) -> None:
        """Sends an indication and waits for its confirmation."""
        if self._indications:
            raise RuntimeError("an indication is already under way on this link")
        self._request(Pdu(AttOpcode.INDICATION, handle, value), timeout_s)

    def indicate_soon(self, handle: int, value: bytes, confirmed: Callable[[], None] = lambda: None) -> None:
        """Sends an indication, after the confirmation of those before it, without waiting for its own.

        Args:
            handle: of the value.
            value: what is indicated.
            confirmed: called once the other end has confirmed it; never when the connection ends before.
        """
        self._indications.append((Pdu(AttOpcode.INDICATION, handle, value), confirmed))
        if len(self._indications) == 1:
            self._send_att(self._indications[0][0])

    # --- Time ---------------------------------------------------------------------------------------------------

    def after(self, delay_s: float, callback: Callable[[], None]) -> None:
        """Calls `callback()` once, in so many DUT seconds, after the answer under way; it must not make requests.

        It is called while the link waits or serves, and never when the connection ends before.
        """
        heapq.heappush(self._later, (self.now_s + delay_s, next(self._numbers), callback))

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
        while self.is_open and self._later and self._later[0][0] <= self.now_s + CLOCK_STEP_S:
            heapq.heappop(self._later)[2]()
        wait_s = self._wake_s(until_s)
        data = self.bearer.receive(wait_s)
        if data:
            at_s = self.bearer.received_at_s
            for got in self._decoder.feed(data):
                self._take(got, at_s)
            if self._failed is not None:
                failed, self._failed = self._failed, None
                raise failed
            return True
        if wait_s < until_s:
            if self._keep_alive_s and self._keep_alive_due_s <= wait_s:
                self._keep_alive()
            return True
        return False

    # Until when the bearer may let time pass by itself.
    def _wake_s(self, until_s: float) -> float:
        wait_s = until_s
        if self._keep_alive_s and self.is_open:
            wait_s = min(wait_s, self._keep_alive_due_s)
        if self._later and self.is_open:
            wait_s = min(wait_s, self._later[0][0])
        return wait_s

    def _keep_alive(self) -> None:
        if self._unanswered >= MISSED_KEEP_ALIVES_MAX:
            self.is_open = False
            raise BearerLost(f"{MISSED_KEEP_ALIVES_MAX} keep-alives went unanswered; open the connection again")
        self._unanswered += 1
        self._keep_alive_due_s = self.now_s + self._keep_alive_s
        self._send(FrameType.KEEP_ALIVE)

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

    def _send(self, kind: FrameType, **values: int) -> None:
        self.bearer.write(frame.encode(kind, frame.body(kind, **values)))

    def _send_att(self, pdu: Pdu) -> None:
        data = att.build(pdu)
        for watcher in self._watchers:
            watcher("to_pump", data)
        self.bearer.write(frame.encode(FrameType.ATT, data))

    def _take(self, got: Frame, at_s: float) -> None:
        if got.type is FrameType.ATT:
            if self.is_open:
                self._unanswered = 0
                self._take_att(got.body, at_s)
            else:
                self._unexpected += 1
        elif got.type is FrameType.OPEN_ACK:
            self._take_open_ack(got)
        elif got.type is FrameType.KEEP_ALIVE:
            self._unanswered = 0
        elif got.type is FrameType.CLOSE:
            if self.is_open:
                self.is_open = False
                why = self.bearer.why_closed or "the pump closed the connection"
                raise BearerLost(f"{why}; open it again")
        else:
            self._unexpected += 1

    # An answer to an earlier attempt, late, is none to this connection. What follows the right one may be ATT already.
    def _take_open_ack(self, got: Frame) -> None:
        try:
            values = frame.parse_body(got)
        except FrameError:
            self._unexpected += 1
            return
        if values["nonce"] != self._offered:
            return
        self._offered = None
        self.is_open = values["status"] == OpenStatus.OK
        self._refused = None if self.is_open else int(values["wire_version"])
        if self.is_open:
            for callback in self._open_callbacks:
                callback()

    def _take_att(self, data: bytes, at_s: float) -> None:
        for watcher in self._watchers:
            watcher("to_client", data)
        try:
            pdu = att.parse(data)
        except PduError:
            self._refuse(data)
            return
        if pdu.opcode in (AttOpcode.NOTIFICATION, AttOpcode.INDICATION):
            value = self._check(pdu.handle, pdu.value)
            if value is not None:
                self._values.append(Value(pdu.handle, value, at_s))
            if pdu.opcode is AttOpcode.INDICATION:
                self._send_att(Pdu(AttOpcode.CONFIRMATION))
        elif pdu.opcode is AttOpcode.CONFIRMATION and self._indications:
            self._indications.popleft()[1]()
            if self._indications:
                self._send_att(self._indications[0][0])
        elif pdu.opcode in _RESPONSES:
            asked = self._request_pdu
            if asked is None or self._response is not None or not _can_answer(pdu, asked):
                self._unexpected += 1
                return
            if pdu.opcode is AttOpcode.READ_RESPONSE:
                pdu = pdu._replace(value=self._check(asked.handle, pdu.value) or b"")
            self._response = pdu
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

    # Requests have even opcodes without the command bit; whatever else makes no sense gets no answer.
    def _refuse(self, data: bytes) -> None:
        self._unexpected += 1
        if data and not data[0] & 0x41:
            known = data[0] in _EXPECTED
            code = AttErrorCode.INVALID_PDU if known else AttErrorCode.REQUEST_NOT_SUPPORTED
            self._send_att(Pdu(AttOpcode.ERROR_RESPONSE, request_opcode=data[0], error=code))

    def _answer(self, pdu: Pdu) -> None:
        try:
            if pdu.opcode is AttOpcode.EXCHANGE_MTU_REQUEST:
                self.mtu = max(att.MTU_DEFAULT, pdu.mtu)
                answer = Pdu(AttOpcode.EXCHANGE_MTU_RESPONSE, mtu=self.mtu)
            elif pdu.opcode is AttOpcode.READ_REQUEST:
                answer = Pdu(AttOpcode.READ_RESPONSE, value=self._serve_read(pdu.handle))
            else:
                self._serve_write(pdu.handle, pdu.value)
                answer = Pdu(AttOpcode.WRITE_RESPONSE)
        except AttError as error:
            answer = Pdu(AttOpcode.ERROR_RESPONSE, pdu.handle, request_opcode=pdu.opcode, error=error.code)
        self._send_att(answer)

    def _serve_read(self, handle: int) -> bytes:
        served = self._served.get(handle)
        if served is None:
            raise AttError(AttErrorCode.INVALID_HANDLE, handle)
        if served.read is None:
            raise AttError(AttErrorCode.READ_NOT_PERMITTED, handle)
        return served.read()

    def _serve_write(self, handle: int, value: bytes) -> None:
        served = self._served.get(handle)
        if served is None:
            raise AttError(AttErrorCode.INVALID_HANDLE, handle)
        if served.write is None:
            raise AttError(AttErrorCode.WRITE_NOT_PERMITTED, handle)
        served.write(value)


# An error response names the request it is for: a late one must not end another request.
def _can_answer(pdu: Pdu, asked: Pdu) -> bool:
    if pdu.opcode is not AttOpcode.ERROR_RESPONSE:
        return True
    return pdu.request_opcode == asked.opcode and pdu.handle in (0, asked.handle)
