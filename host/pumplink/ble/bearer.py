"""BLE as a bearer: the frames of the serial line towards the host, a radio towards the pump.

So a `Link`, a capture or a fuzzer needs to know nothing of it: an `open` finds the pump and connects, pairs or
encrypts, a `close` disconnects, and ATT PDUs keep the handles of the table. What differs on the radio is put right
here: the stack answers writes before the pump has looked at them, so the answer to a write, other than a control
point's, is held until the pump has told its result.
"""

from __future__ import annotations

import asyncio
from collections import deque

from pumplink.bearer import Bearer
from pumplink.ble.air import Air
from pumplink.ble.port import Port
from pumplink.errors import BearerError
from pumpwire import att, database, e2e, frame
from pumpwire.att import AttErrorCode, AttOpcode, Pdu
from pumpwire.errors import E2EError
from pumpwire.frame import Frame, FrameType, OpenStatus
from pumpwire.radio import EMULATOR_WRITE_RESULT

__all__ = ["BleBearer"]

_OPEN_WITHIN_S = 90.0
# A pump that was left alone for long advertises every few seconds.
_APPROACH_S = 5.0


class BleBearer(Bearer):
    """A pump over the radio.

    Args:
        port: the radio; closed with the bearer.
        air: where it runs.
    """

    open_within_s = _OPEN_WITHIN_S
    prepares_values = True
    approach_s = _APPROACH_S

    def __init__(self, port: Port, air: Air) -> None:
        super().__init__()
        self.port = port
        self.air = air
        self.why_closed = ""
        self.misses_first_values = not port.hears_all
        self._decoder = frame.Decoder()
        self._inbox: deque[tuple[float, bytes]] = deque()
        self._early: list[bytes] = []
        # The answer to the question for the wire version, while it is awaited, and for its first reader.
        self._asked: asyncio.Future[bytes] | None = None
        self._identity = b""
        self._received_at_s = 0.0
        self._nonce: int | None = None
        self._opening: asyncio.Task[None] | None = None
        self._ending: asyncio.Task[None] | None = None
        self._reaching: asyncio.Task[None] | None = None
        self._connected = False
        self._shut = False
        self._problem: BaseException | None = None
        self._held = 0
        self._answered = False
        self._result: int | None = None
        port.on_pdu = self._from_pump
        port.on_lost = self._lost

    @property
    def now_s(self) -> float:
        """DUT seconds."""
        return self.air.now_s

    @property
    def received_at_s(self) -> float:
        """DUT second at which what was last received came from the radio."""
        return self._received_at_s

    @property
    def connected(self) -> bool:
        """Whether there is a connection to a pump."""
        return self._connected

    def waiting(self) -> bool:
        """Whether something came, or went wrong, that `receive` has not told yet."""
        return bool(self._inbox or self._problem)

    def write(self, data: bytes) -> None:
        """Takes frames; see `Bearer.write`. What they bring about happens when time passes."""
        if self._shut:
            raise self._closed()
        for got in self._decoder.feed(data):
            self._take(got)

    def _receive(self, until_s: float) -> bytes:
        if self._shut:
            raise self._closed()
        self.air.run_until(until_s, self.waiting)
        if self._problem is not None and not self._inbox:
            problem, self._problem = self._problem, None
            raise problem
        if not self._inbox:
            return b""
        # What came at one moment is one reading, so that its time is right.
        self._received_at_s = self._inbox[0][0]
        data = b""
        while self._inbox and self._inbox[0][0] == self._received_at_s:
            data += self._inbox.popleft()[1]
        return data

    def close(self) -> None:
        """Disconnects and gives the radio up; a second call does nothing."""
        if self._shut:
            return
        self._shut = True
        self._forget()
        for task in (self._opening, self._reaching):
            if task is not None:
                task.cancel()
        self.air.end(self.port.close())

    def approach(self) -> None:
        """Connects and secures the link; what the pump says waits for the `open`."""
        if not self._shut and self._nonce is None and self._reaching is None:
            self._reaching = self.air.loop.create_task(self._reach())
            self._reaching.add_done_callback(_looked_at)

    # --- Frames of the host -------------------------------------------------------------------------------------

    def _take(self, got: Frame) -> None:
        if got.type is FrameType.OPEN:
            self._open(got)
        elif got.type is FrameType.CLOSE:
            self._end()
        elif got.type is FrameType.KEEP_ALIVE and self._connected:
            self._emit(FrameType.KEEP_ALIVE, b"")
        elif got.type is FrameType.ATT and self._connected:
            self._to_pump(got.body)

    def _open(self, got: Frame) -> None:
        fields = frame.parse_body(got)
        if fields["nonce"] == self._nonce:
            return
        if self._nonce is not None:
            self._end()
        self._nonce = fields["nonce"]
        self.why_closed = ""
        self._opening = self.air.loop.create_task(self._connect(fields["nonce"], fields["wire_version"]))
        self._opening.add_done_callback(self._opened)

    # What no port should raise is a defect, and is not to be waited for.
    def _opened(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._problem = error
            self.air.wake()

    async def _connect(self, nonce: int, wire_version: int) -> None:
        try:
            if self._ending is not None:
                await self._ending
            reaching, self._reaching = self._reaching, None
            if reaching is not None:
                # What went wrong there is met again here, if it lasts.
                await asyncio.wait([reaching])
            if not self.port.connected:
                await self._reach()
        except BearerError as error:
            self._nonce = None
            self._problem = error
            self.air.wake()
            return
        spoken = await self._wire_version(wire_version)
        status = OpenStatus.OK if spoken == wire_version else OpenStatus.VERSION_UNSUPPORTED
        self._emit(FrameType.OPEN_ACK, frame.body(FrameType.OPEN_ACK, nonce=nonce, wire_version=spoken, status=status))
        if status is not OpenStatus.OK:
            self._opening = None
            self._end()
            return
        self._connected = True
        for pdu in self._early:
            self._from_pump(pdu)
        self._early.clear()

    async def _wire_version(self, wanted: int) -> int:
        """What the pump speaks, which a cable tells with its open; what is wanted where it does not say.

        The value is kept for whoever reads it first, so that nobody misses a counter.
        """
        if not self.port.has(_IDENTITY):
            return wanted
        self._asked = self.air.loop.create_future()
        self.port.send(_READ_IDENTITY)
        try:
            answer = await asyncio.wait_for(self._asked, _VERSION_S)
        except TimeoutError:
            return wanted
        finally:
            self._asked = None
        if answer[0] != AttOpcode.READ_RESPONSE or len(answer) < _HEAD_OCTETS:
            return wanted
        self._identity = answer
        return int.from_bytes(answer[1:3], "little")

    async def _reach(self) -> None:
        if self._ending is not None:
            await self._ending
        self._early.clear()
        await self.port.connect()

    def _end(self) -> None:
        for task in (self._opening, self._reaching):
            if task is not None:
                task.cancel()
        self._reaching = None
        if self._nonce is not None or self.port.connected:
            self._ending = self.air.loop.create_task(self.port.disconnect())
        self._forget()

    def _forget(self) -> None:
        self._nonce = None
        self._connected = False
        self._held = 0
        self._identity = b""
        self._early.clear()

    def _to_pump(self, data: bytes) -> None:
        if data == _READ_IDENTITY and self._identity:
            self._emit(FrameType.ATT, self._identity)
            self._identity = b""
            return
        if len(data) >= _HEAD_OCTETS and data[0] in _REQUESTS:
            handle = data[1] | data[2] << 8
            if not self.port.has(handle):
                refusal = Pdu(
                    AttOpcode.ERROR_RESPONSE, handle, request_opcode=data[0], error=AttErrorCode.INVALID_HANDLE
                )
                self._emit(FrameType.ATT, att.build(refusal))
                return
            if data[0] == AttOpcode.WRITE_REQUEST and handle in _TOLD and self.port.tells_results:
                self._held, self._answered, self._result = handle, False, None
        self.port.send(data)

    # --- PDUs of the pump ---------------------------------------------------------------------------------------

    def _from_pump(self, data: bytes) -> None:
        if self._asked is not None and not self._asked.done() and data[:1] in _ANSWERS:
            self._asked.set_result(data)
            return
        if not self._connected:
            # A pump that was quicker than our `open` waits for it.
            self._early.append(data)
            return
        if self._held and data[:1] == _WRITE_RESPONSE:
            self._answered = True
            self._answer_held()
            return
        if self._held and data[0] == AttOpcode.ERROR_RESPONSE:
            self._held = 0
        if data[:_HEAD_OCTETS] == _RESULT_HEAD:
            self._take_result(data[_HEAD_OCTETS:])
            return
        self._emit(FrameType.ATT, data)

    def _take_result(self, value: bytes) -> None:
        try:
            payload, _ = e2e.check(value, database.EMULATOR_WRITE_RESULT.protection)
        except E2EError:
            return
        result = EMULATOR_WRITE_RESULT.parse(payload)
        if result.ok and self._held == result.fields["written_handle"]:
            self._result = int(result.fields["written_error"])
            self._answer_held()

    def _answer_held(self) -> None:
        if not self._answered or self._result is None:
            return
        answer = Pdu(AttOpcode.WRITE_RESPONSE)
        if self._result:
            answer = Pdu(
                AttOpcode.ERROR_RESPONSE, self._held, request_opcode=AttOpcode.WRITE_REQUEST, error=self._result
            )
        self._held = 0
        self._emit(FrameType.ATT, att.build(answer))

    def _lost(self, why: str) -> None:
        self._early.clear()
        if self._connected:
            self._forget()
            self.why_closed = why
            self._emit(FrameType.CLOSE, b"")

    def _emit(self, kind: FrameType, body: bytes) -> None:
        self._inbox.append((self.air.now_s, frame.encode(kind, body)))
        self.air.wake()


def _looked_at(task: asyncio.Task[None]) -> None:
    if not task.cancelled():
        task.exception()


_HEAD_OCTETS = 3
_REQUESTS = (AttOpcode.READ_REQUEST, AttOpcode.WRITE_REQUEST)
_VERSION_S = 5.0
_IDENTITY = database.EMULATOR_IDENTITY.handle
_READ_IDENTITY = att.build(Pdu(AttOpcode.READ_REQUEST, _IDENTITY))
_ANSWERS = (bytes((AttOpcode.READ_RESPONSE,)), bytes((AttOpcode.ERROR_RESPONSE,)))
_WRITE_RESPONSE = att.build(Pdu(AttOpcode.WRITE_RESPONSE))
_RESULT_HEAD = att.build(Pdu(AttOpcode.NOTIFICATION, database.EMULATOR_WRITE_RESULT.handle))
_TOLD = frozenset(
    characteristic.handle
    for service in database.SERVICES
    for characteristic in service.characteristics
    if service.owner == "pump" and "write" in characteristic.properties and not characteristic.opcode_octets
)
"""Values whose writes the pump tells the result of: all but those of control points, which answer by themselves."""
