"""The other end of the link while a pump is fuzzed: sends steps, and judges everything that comes back."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable
from typing import Any

from pumplink.bearer import Bearer
from pumplink.virtual.board import VirtualBoard
from pumprig.fuzz.authority import Authority, is_valid
from pumprig.fuzz.steps import Step
from pumpwire import att, database, e2e
from pumpwire.att import AttErrorCode, AttOpcode
from pumpwire.cgms import CGM_FEATURE, CGM_SESSION_START_TIME
from pumpwire.controller import CONTROLLER_SETTINGS
from pumpwire.database import Characteristic, Protection
from pumpwire.declare import TO_CLIENT, TO_PUMP
from pumpwire.enums import Controller
from pumpwire.errors import E2EError, FrameError
from pumpwire.frame import Decoder, Frame, FrameType, body, encode, parse_body
from pumpwire.registry import MESSAGES, decode
from pumpwire.vendor import WIRE_VERSION

__all__ = ["Broken", "Peer", "must_be_refused"]

ANSWER_S = 2.0
HEAP_NOISE_OCTETS = 4096
WARM_UP_CHECKS = 64
# In one second: one of the fast bolus, of the other one's fast and its extended part, and of the basal (D-107).
PULSES_TO_COME_MAX = 4
PART_OCTETS = 256
PART_S = 0.025
_MTU_REQUEST_OCTETS = 3
_PUMP_MTU = 247
_PROTECTION_ERRORS = (e2e.ATT_ERROR_INVALID_CRC, e2e.ATT_ERROR_INVALID_COUNTER)
_RIG_HANDLES = 0x0100

_VALUES = {item.handle: item for item in database.CHARACTERISTICS.values()}
_CONFIGURATIONS = {item.configuration_handle: item for item in database.CHARACTERISTICS.values()}
# Procedures whose code is loaded with the first of their kind.
_LOADING = (MESSAGES["GetActivatedProfileTemplates"], MESSAGES["RacpReportNumberOfStoredRecords"])
_PROCEDURE_S = 0.5
_REPLIES: dict[int, int] = {
    AttOpcode.READ_REQUEST: AttOpcode.READ_RESPONSE,
    AttOpcode.WRITE_REQUEST: AttOpcode.WRITE_RESPONSE,
    AttOpcode.EXCHANGE_MTU_REQUEST: AttOpcode.EXCHANGE_MTU_RESPONSE,
}
_READ = AttOpcode.READ_REQUEST
_COMMAND_FLAG = 0x40


def _read_of(characteristic: Characteristic) -> bytes:
    return bytes((_READ,)) + characteristic.handle.to_bytes(2, "little")


# Where one number stands in a message that is read once for every case.
class _Place:
    def __init__(self, message: str, name: str) -> None:
        self.start = 0
        for field in MESSAGES[message].fields:
            if field.name == name:
                self.end = self.start + field.octets
                break
            self.start += field.octets

    def of(self, payload: bytes) -> int:
        return int.from_bytes(payload[self.start : self.end], "little")


_HEALTH = database.EMULATOR_HEALTH
_COUNTERS = database.EMULATOR_COUNTERS
_UPTIME = _Place("EmulatorHealth", "uptime_s")
_FREE = _Place("EmulatorHealth", "free_heap_octets")
_PULSES = [_Place("EmulatorCounters", f"{source}_pulses") for source in ("basal", "bolus", "prime")]


class Broken(Exception):
    """The pump did what it must not; the message says what."""


def must_be_refused() -> None:
    """What being taken means of a value that is wrong."""
    raise Broken("it took a value whose length, counter or CRC is wrong")


class Peer:
    """Client and sensor of a virtual board in lockstep.

    Args:
        board: started.
        bearer: another way to it than its cable.

    Attributes:
        requests: ATT requests sent so far.
        free_heap_octets: as the pump told last.
        pulses: of the motor, so far.
    """

    def __init__(self, board: VirtualBoard, bearer: Bearer | None = None) -> None:
        self.board = board
        self.requests = 0
        self.free_heap_octets = 0
        self._bearer = bearer or board.bearer()
        self._nonce = 0
        self._authority: Authority | None = None
        self._in = Decoder()
        self._out = Decoder()
        self._connected = False
        self._disturbed = False
        self._muted = False
        self.pulses = 0
        self._pulses_known = 0
        self._heap_low: list[int] = []
        self._uptime_s = 0
        # Opcode, handle, what being taken means, and the ATT_MTU of the answer.
        self._awaited: deque[tuple[int, int, Callable[[], None] | None, int]] = deque()
        self._mtu = att.MTU_DEFAULT
        self._healths: deque[bytes] = deque()
        self._counts: deque[bytes] = deque()
        self._sent: dict[int, int] = {}
        self._received: dict[int, int] = {}
        self._sensor: deque[bytes] = deque()
        self._pump_data: list[dict[str, Any]] = []
        self._acks = 0
        self._unread_octets = 0
        self._opening = 0
        board.on_pulse(self._pulse)

    @property
    def now_s(self) -> float:
        """DUT seconds."""
        return self._bearer.now_s

    def _pulse(self, _at_us: int, _due_us: int) -> None:
        self.pulses += 1

    # --- Steps --------------------------------------------------------------------------------------------------

    def run(self, step: Step) -> None:
        """Carries one step out.

        Raises:
            Broken: the pump did what it must not.
            BearerError: it died, hangs, or was reset.
        """
        if self._unread_octets > PART_OCTETS:
            self._until(self.now_s + PART_S)
        if step.kind == "raw":
            self._write_long(step.octets)
        elif step.kind == "att":
            with contextlib.suppress(FrameError):
                self._att(step.octets)
        elif step.kind == "value":
            self._write_value(step.handle, step.octets)
        elif step.kind == "wait":
            self._until(self.now_s + step.seconds)
        elif step.kind == "open":
            self.open()
        elif step.kind == "subscribe":
            self._subscribe()
        elif step.kind == "sensor":
            self._sensor.append(step.octets)
        elif step.kind == "check":
            self.check()
        elif step.kind == "mute":
            self._muted = True
        elif self._muted:
            self._muted = False
            self._att(bytes((AttOpcode.CONFIRMATION,)))

    def _write_value(self, handle: int, payload: bytes) -> None:
        characteristic = _VALUES.get(handle)
        if characteristic is not None and characteristic.protection is Protection.TRAILER:
            payload = e2e.protect(payload, self._sent.get(handle, 0) % 255 + 1)
        with contextlib.suppress(FrameError):
            self._att(bytes((AttOpcode.WRITE_REQUEST,)) + handle.to_bytes(2, "little") + payload)

    def open(self) -> None:
        """Opens a connection."""
        acks = self._acks
        self._write(b"\0")
        self._nonce += 1
        within_s = max(ANSWER_S, self._bearer.open_within_s)
        values = {"nonce": self._nonce, "wire_version": WIRE_VERSION, "keep_alive_ms": 0}
        self._write(encode(FrameType.OPEN, body(FrameType.OPEN, **values)))
        self._until(self.now_s + within_s, lambda: self._acks > acks)
        if self._acks == acks:
            raise Broken(f"no answer to an open within {within_s:g} s")
        self._muted = False
        if self._authority is None:
            self._authority = Authority(self._pulse_mu())
            self._load_late()

    def _pulse_mu(self) -> int:
        self._att(bytes((AttOpcode.EXCHANGE_MTU_REQUEST, _PUMP_MTU, 0)))
        self._att(_read_of(database.EMULATOR_PUMP_DATA))
        self._until(self.now_s + ANSWER_S, lambda: bool(self._pump_data))
        if not self._pump_data:
            raise Broken("it does not tell its pump data")
        return int(self._pump_data[0]["pulse_mu"])

    # What a pump loads when a closed loop is first chosen, or templates or records are first asked for, stays on its
    # heap, and is no leak.
    def _load_late(self) -> None:
        self._subscribe()
        for message in _LOADING:
            self._write_value(message.on.handle, message.build(**message.examples[0].fields))
            self._until(self.now_s + _PROCEDURE_S)
        self._subscribe(to_nothing=True)
        settings = CONTROLLER_SETTINGS.examples[0].fields
        for controller in (Controller.OREF, Controller.MANUAL):
            value = CONTROLLER_SETTINGS.build(**settings | {"controller": controller})
            self._write_value(database.CONTROLLER_SETTINGS.handle, value)
            self._until(self.now_s + ANSWER_S, lambda: not self._awaited)

    def _subscribe(self, *, to_nothing: bool = False) -> None:
        for handle, item in _CONFIGURATIONS.items():
            if handle is not None and handle < _RIG_HANDLES:
                bits = 0 if to_nothing else 2 if "indicate" in item.properties else 1
                self._att(bytes((AttOpcode.WRITE_REQUEST,)) + handle.to_bytes(2, "little") + bytes((bits, 0)))
        self._until(self.now_s + ANSWER_S, lambda: not self._awaited)

    # --- Sending ------------------------------------------------------------------------------------------------

    def _att(self, pdu: bytes) -> None:
        self._write(encode(FrameType.ATT, pdu))

    # Whatever leaves is read as the pump must read it, so that what comes back can be judged.
    def _write(self, octets: bytes) -> None:
        for frame in self._out.feed(octets):
            self._leaves(frame)
        self._unread_octets += len(octets)
        self._bearer.write(octets)

    # A line takes its time, and so the pump has it for reading.
    def _write_long(self, octets: bytes) -> None:
        for start in range(0, len(octets), PART_OCTETS):
            self._write(octets[start : start + PART_OCTETS])
            if len(octets) > PART_OCTETS:
                self._until(self.now_s + PART_S)

    def _leaves(self, frame: Frame) -> None:
        if frame.type is FrameType.OPEN:
            self._open_leaves(frame)
        elif not self._connected:
            return
        elif frame.type is FrameType.CLOSE and not frame.body:
            self._lose()
        elif frame.type is FrameType.ATT and frame.body:
            self._pdu_leaves(frame.body)

    def _open_leaves(self, frame: Frame) -> None:
        try:
            values = parse_body(frame)
        except FrameError:
            return
        self._lose()
        self._opening += 1
        self._connected = values["wire_version"] == WIRE_VERSION
        self._disturbed = not self._connected or values["keep_alive_ms"] != 0

    def _lose(self) -> None:
        self._connected = False
        self._disturbed = True
        # What was validly asked may have been done, although its answer went under.
        for _, _, taken, _ in self._awaited:
            if taken not in (None, must_be_refused):
                taken()
        if self._authority is not None:
            self._authority.disconnected()
        self._awaited.clear()
        self._mtu = att.MTU_DEFAULT
        self._healths.clear()
        self._sent.clear()
        self._received.clear()

    def _pdu_leaves(self, pdu: bytes) -> None:
        opcode = pdu[0]
        if opcode & 1 or opcode & _COMMAND_FLAG or opcode == AttOpcode.CONFIRMATION:
            return
        self.requests += 1
        handle = int.from_bytes(pdu[1:3], "little") if len(pdu) >= 3 else 0
        taken = self._value_leaves(handle, pdu[3:]) if opcode == AttOpcode.WRITE_REQUEST and len(pdu) >= 3 else None
        self._awaited.append((opcode, handle, taken, self._mtu))
        if opcode == AttOpcode.EXCHANGE_MTU_REQUEST and len(pdu) == _MTU_REQUEST_OCTETS:
            self._mtu = max(att.MTU_DEFAULT, min(handle, _PUMP_MTU))

    def _value_leaves(self, handle: int, value: bytes) -> Callable[[], None] | None:
        characteristic = _VALUES.get(handle)
        if characteristic is None or handle >= _RIG_HANDLES or "write" not in characteristic.properties:
            return None
        if characteristic.protection is Protection.TRAILER:
            if len(value) <= 3 or len(value) > min(characteristic.value_octets_max, self._mtu - 3):
                return must_be_refused
            try:
                value, counter = e2e.check(value)
            except E2EError:
                return must_be_refused
            if counter is None or counter != self._sent.get(handle, 0) % 255 + 1:
                return must_be_refused
            self._sent[handle] = counter
        message, decoded = decode(characteristic, value, TO_PUMP)
        at_s = self.now_s

        def taken() -> None:
            if message is not None and self._authority is not None and is_valid(message, decoded):
                self._authority.asked(message, decoded.fields, at_s)

        return taken

    # --- Receiving ----------------------------------------------------------------------------------------------

    def _until(self, at_s: float, done: Callable[[], bool] = lambda: False) -> None:
        while not done():
            self._unread_octets = 0
            data = self._bearer.receive(at_s)
            if not data:
                break
            before = self._in.dropped
            for frame in self._in.feed(data):
                self._comes(frame)
            if self._in.dropped != before:
                raise Broken(f"it sent a damaged frame: {data.hex()}")

    def _comes(self, frame: Frame) -> None:
        if frame.type is FrameType.OPEN_ACK:
            self._acks += 1
            self._opening -= 1
            return
        if frame.type is FrameType.CLOSE and not self._opening:
            self._lose()
        # Until an open is acknowledged, what comes belongs to the connection before it.
        if frame.type is not FrameType.ATT or not self._connected or self._opening:
            return
        pdu = frame.body
        opcode = pdu[0] if pdu else 0
        handle = int.from_bytes(pdu[1:3], "little") if len(pdu) >= 3 else 0
        if opcode in (AttOpcode.INDICATION, AttOpcode.NOTIFICATION):
            self._value_comes(handle, pdu[3:], opcode)
        elif opcode in (AttOpcode.READ_REQUEST, AttOpcode.WRITE_REQUEST):
            self._answer(opcode, handle, pdu[3:])
        elif opcode == AttOpcode.CONFIRMATION:
            return
        else:
            self._reply_comes(opcode, pdu)

    def _reply_comes(self, opcode: int, pdu: bytes) -> None:
        if not self._awaited:
            raise Broken(f"it answered what nobody asked: {pdu.hex()}")
        asked, handle, taken, mtu = self._awaited.popleft()
        if opcode == AttOpcode.ERROR_RESPONSE:
            if len(pdu) != 5 or pdu[1] != asked or pdu[4] not in AttErrorCode.__members__.values():
                raise Broken(f"request {asked:#04x} of handle {handle:#06x} was answered by the error {pdu.hex()}")
            if taken not in (None, must_be_refused) and pdu[4] in _PROTECTION_ERRORS:
                raise Broken(f"it refused a right counter or CRC on handle {handle:#06x}: error {pdu[4]:#04x}")
            return
        if not self._is_reply(asked, opcode):
            raise Broken(f"request {asked:#04x} of handle {handle:#06x} was answered by {pdu.hex()}")
        if opcode == AttOpcode.READ_RESPONSE:
            self._value_comes(handle, pdu[1:], opcode, mtu - 1)
        elif taken is not None:
            taken()

    def _is_reply(self, asked: int, opcode: int) -> bool:
        return opcode == _REPLIES.get(asked)

    def _value_comes(self, handle: int, value: bytes, opcode: int, carried_octets: int | None = None) -> None:
        characteristic = _VALUES.get(handle)
        if characteristic is None:
            return
        if len(value) > characteristic.value_octets_max:
            raise Broken(f"{characteristic.name}: a value of {len(value)} octets ({value.hex()})")
        if len(value) == carried_octets and carried_octets < characteristic.value_octets_max:
            # Cut off by the MTU: it was counted, and says nothing.
            self._received[handle] = self._received.get(handle, 0) % 255 + 1
            return
        try:
            payload, counter = e2e.check(value, characteristic.protection)
        except E2EError as error:
            raise Broken(f"{characteristic.name}: {error}") from None
        if counter is not None:
            due = self._received.get(handle, 0) % 255 + 1
            if counter != due:
                raise Broken(f"{characteristic.name}: counter {counter} where {due} is due")
            self._received[handle] = counter
        if characteristic is _HEALTH:
            self._healths.append(payload)
        elif characteristic is _COUNTERS:
            self._counts.append(payload)
        else:
            self._message_comes(characteristic, payload)
        if opcode == AttOpcode.INDICATION and not self._muted:
            self._att(bytes((AttOpcode.CONFIRMATION,)))

    def _message_comes(self, characteristic: Characteristic, payload: bytes) -> None:
        message, decoded = decode(characteristic, payload, TO_CLIENT)
        if message is None or not decoded.ok:
            raise Broken(f"it sent {payload.hex()} on {characteristic.name}: {decoded.detail}")
        if characteristic is database.EMULATOR_PUMP_DATA:
            self._pump_data.append(decoded.fields)
        if characteristic is database.COMMAND_CONTROL_POINT and self._authority is not None:
            wrong = self._authority.answered(message, decoded.fields, self.now_s)
            if wrong:
                raise Broken(wrong)

    # The sensor that the pump asks: sound, but for what a case put in its place.
    def _answer(self, opcode: int, handle: int, value: bytes) -> None:
        if self._sensor:
            answer = self._sensor.popleft()
        elif opcode == AttOpcode.WRITE_REQUEST:
            answer = bytes((AttOpcode.WRITE_RESPONSE,))
        elif handle == database.CGM_FEATURE.handle:
            answer = bytes((AttOpcode.READ_RESPONSE,)) + e2e.protect(CGM_FEATURE.examples[0].octets, 0, Protection.CRC)
        else:
            start = CGM_SESSION_START_TIME.examples[0].octets
            answer = bytes((AttOpcode.READ_RESPONSE,)) + e2e.protect(start, 0, Protection.CRC)
        if answer:
            self._att(answer)

    # --- Checks -------------------------------------------------------------------------------------------------

    def check(self) -> None:
        """Asks for the pump's health and judges it, with its memory, its time and the insulin it moved.

        Raises:
            Broken: the pump did what it must not.
            BearerError: it died, hangs, or was reset.
        """
        if self._unread_octets > PART_OCTETS:
            self._until(self.now_s + PART_S)
        self._write(b"\0")
        if self._disturbed or not self._connected:
            self.open()
            self._disturbed = False
            self._subscribe()
        self._healths.clear()
        self._att(_read_of(_HEALTH))
        asks_counts = self.pulses != self._pulses_known or (
            self._authority is not None and self._authority.needs_counters
        )
        if asks_counts:
            self._counts.clear()
            self._att(_read_of(_COUNTERS))
        self._until(self.now_s + ANSWER_S, lambda: self._told(asks_counts))
        if self._disturbed:
            # The pump ended the connection by itself, as flight mode does.
            self.check()
            return
        if not self._told(asks_counts):
            raise Broken(f"no answer to a health request within {ANSWER_S:g} s")
        self._judge_health(self._healths[-1])
        if asks_counts:
            self._judge_pulses(self._counts[-1])

    def _told(self, counts: bool) -> bool:
        return self._disturbed or bool(self._healths and (self._counts or not counts))

    def _judge_health(self, payload: bytes) -> None:
        uptime_s, free = _UPTIME.of(payload), _FREE.of(payload)
        if uptime_s < self._uptime_s or abs(uptime_s - self.now_s) > ANSWER_S:
            raise Broken(f"it has been up for {uptime_s} s at {self.now_s:.3f} s, and for {self._uptime_s} s before")
        self._uptime_s = uptime_s
        self.free_heap_octets = free
        if len(self._heap_low) < WARM_UP_CHECKS:
            self._heap_low.append(free)
        elif free < min(self._heap_low) - HEAP_NOISE_OCTETS:
            raise Broken(f"free heap fell from {min(self._heap_low)} to {free} octets")

    def _judge_pulses(self, payload: bytes) -> None:
        basal, bolus, prime = (count.of(payload) for count in _PULSES)
        # The pump answers for the second to come, so that pulses may be counted which the motor makes only then.
        if not 0 <= basal + bolus + prime - self.pulses <= PULSES_TO_COME_MAX:
            raise Broken(f"the motor pulsed {self.pulses} times; the pump counts {basal} + {bolus} + {prime}")
        self._pulses_known = self.pulses
        if self._authority is not None:
            wrong = self._authority.judge(basal, bolus, prime, self.now_s)
            if wrong:
                raise Broken(wrong)
