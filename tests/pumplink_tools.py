"""Boards with a few lines of firmware, and a peer that follows a script."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pumplink import Bearer, Link
from pumpwire import e2e
from pumpwire.database import Characteristic
from pumpwire.frame import Decoder, Frame, FrameType, encode
from pumpwire.registry import MESSAGES

HEAD = """
import machine, select, time
import board
from machine import ADC, Pin, UART, WDT

uart = UART(board.UART_ID, baudrate=board.BAUD, rxbuf=64)
motor = Pin(board.MOTOR_PIN, Pin.OUT, value=0)
poller = select.poll()
poller.register(uart, select.POLLIN)
"""

ECHO = """
while True:
    poller.poll(-1)
    uart.write(uart.read())
"""

# Sends without end once it was sent something: more than a terminal keeps for whoever reads late.
FLOOD = """
poller.poll(-1)
uart.read()
while True:
    uart.write(b"x" * 512)
    time.sleep_ms(1)
"""

PULSES = """
period_ms = 20_000
due_ms = time.ticks_add(time.ticks_ms(), period_ms)
while True:
    left_ms = time.ticks_diff(due_ms, time.ticks_ms())
    if left_ms <= 0:
        motor.on()
        time.sleep_ms(board.MOTOR_PULSE_MS)
        motor.off()
        due_ms = time.ticks_add(due_ms, period_ms)
    elif poller.poll(left_ms):
        uart.write(uart.read())
"""


def write_firmware(folder: Path, source: str, head: str = HEAD) -> Path:
    """A firmware folder whose main.py is the head and the source."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "main.py").write_text(head + textwrap.dedent(source), encoding="utf-8")
    return folder


class Peer(Bearer):
    """A bearer whose other end is a function of the test: it gets each frame and returns what comes back.

    DUT time passes only in `receive`; an answer may be `(after_s, octets)` to come later.
    """

    def __init__(self, answer: Callable[[Frame], list[bytes | tuple[float, bytes]]]) -> None:
        super().__init__()
        self.answer = answer
        self.sent: list[Frame] = []
        self.closed = False
        self._time_s = 0.0
        self._coming: list[tuple[float, bytes]] = []
        self._decoder = Decoder()

    @property
    def now_s(self) -> float:
        return self._time_s

    def write(self, data: bytes) -> None:
        for frame in self._decoder.feed(data):
            self.sent.append(frame)
            for item in self.answer(frame):
                after_s, octets = item if isinstance(item, tuple) else (0.0, item)
                self.come(after_s, octets)

    def come(self, after_s: float, octets: bytes) -> None:
        """Octets that arrive later by themselves."""
        self._coming.append((self._time_s + after_s, octets))
        self._coming.sort(key=lambda item: item[0])

    def _receive(self, until_s: float) -> bytes:
        if not self._coming or self._coming[0][0] > until_s:
            self._time_s = max(self._time_s, until_s)
            return b""
        self._time_s = max(self._time_s, self._coming[0][0])
        data = b""
        while self._coming and self._coming[0][0] <= self._time_s:
            data += self._coming.pop(0)[1]
        return data

    def close(self) -> None:
        self.closed = True


def accept(frame: Frame, status: int = 0) -> bytes:
    """The frame that answers an open frame."""
    return encode(FrameType.OPEN_ACK, frame.body[:4] + b"\x01\x00" + bytes((status,)))


def att(pdu: bytes) -> bytes:
    """An ATT PDU in its frame."""
    return encode(FrameType.ATT, pdu)


class ScriptedPump:
    """Answers writes by `on_write`, reads by `on_read`; counts its values as a server does.

    `exchanges` are the MTUs that were offered; it answers with `mtu`. A read of a handle in `refuses` gets its error.
    """

    def __init__(self) -> None:
        self.peer = Peer(self._answer)
        self.link = Link(self.peer)
        self.writes: list[tuple[int, bytes]] = []
        self.on_write: Callable[[int, bytes], list[bytes]] = lambda _handle, _value: [att(b"\x13")]
        self.on_read: Callable[[int], bytes] = lambda _handle: b""
        self.counters: dict[int, int] = {}
        self.mtu = 247
        self.exchanges: list[int] = []
        self.refuses: dict[int, int] = {}

    def _answer(self, frame: Frame) -> list[bytes | tuple[float, bytes]]:
        if frame.type == FrameType.OPEN:
            self.counters.clear()
            return [accept(frame)]
        pdu = frame.body
        if frame.type == FrameType.ATT and pdu[0] == 0x02:
            self.exchanges.append(pdu[1] | pdu[2] << 8)
            return [att(b"\x03" + self.mtu.to_bytes(2, "little"))]
        if frame.type != FrameType.ATT or pdu[0] not in (0x0A, 0x12):
            return []
        handle = pdu[1] | pdu[2] << 8
        if pdu[0] == 0x0A:
            if handle in self.refuses:
                return [att(bytes((0x01, *pdu, self.refuses[handle])))]
            return [att(b"\x0b" + self.on_read(handle))]
        self.writes.append((handle, pdu[3:]))
        return list(self.on_write(handle, pdu[3:]))

    def value(self, on: Characteristic, payload: bytes, skip: int = 0) -> bytes:
        """The payload with the next counter, `skip` of them left out."""
        last = self.counters.get(on.handle, 0)
        for _ in range(skip + 1):
            last = last % 255 + 1
        self.counters[on.handle] = last
        return e2e.protect(payload, last, on.protection)

    def indicate(self, name: str, skip: int = 0, opcode: int = 0x1D, **fields: Any) -> bytes:
        """A message of the pump, indicated or notified."""
        message = MESSAGES[name]
        value = self.value(message.on, message.build(**fields), skip)
        return att(bytes((opcode,)) + message.on.handle.to_bytes(2, "little") + value)
