"""How quick a link is: requests to their responses, commands to their indications, and data while it streams.

All in host time. In real time that is the pump's as well; in lockstep it is what exchanging PDUs costs this machine.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from pumplink.link import Link
from pumpwire import database
from pumpwire.att import AttOpcode

__all__ = ["LinkFigures", "LinkMeter", "Spread"]

_STREAM_VALUES_MIN = 5
"""A procedure that brought fewer values says nothing of throughput."""

_REQUESTS = (AttOpcode.READ_REQUEST, AttOpcode.WRITE_REQUEST)
_RESPONSES = (AttOpcode.READ_RESPONSE, AttOpcode.WRITE_RESPONSE, AttOpcode.ERROR_RESPONSE)
_CONTROL_POINTS = frozenset(
    characteristic.handle
    for service in database.SERVICES
    for characteristic in service.characteristics
    if service.owner == "pump" and {"write", "indicate"} <= set(characteristic.properties)
)


@dataclass(frozen=True)
class Spread:
    """Many durations in short.

    Args:
        count: how many.
        median, p99: milliseconds that half of them, and 99 of a hundred, took at most.
    """

    count: int
    median: float
    p99: float

    @staticmethod
    def of(seconds: Sequence[float]) -> Spread | None:
        """The spread of some durations in seconds; None without any."""
        if not seconds:
            return None
        ordered, last = sorted(seconds), len(seconds) - 1
        return Spread(len(ordered), *(round(ordered[last * part // 100] * 1000, 3) for part in (50, 99)))


@dataclass(frozen=True)
class LinkFigures:
    """What a meter has measured.

    Args:
        response: from a read or write request to its response.
        command: from the write of a control point to its indication.
        octets_per_s: of values, while a procedure streamed them; None when none did.
    """

    response: Spread | None
    command: Spread | None
    octets_per_s: float | None


class LinkMeter:
    """Measures a link from now on.

    Args:
        link: the connection.
    """

    def __init__(self, link: Link) -> None:
        self._asked_s = 0.0
        self._written_s: dict[int, float] = {}
        self._responses: list[float] = []
        self._commands: list[float] = []
        self._values = self._octets = 0
        self._streamed_octets, self._streamed_s = 0, 0.0
        link.watch(self._seen)

    @property
    def figures(self) -> LinkFigures:
        """What was measured so far."""
        rate = self._streamed_octets / self._streamed_s if self._streamed_s else None
        return LinkFigures(
            Spread.of(self._responses), Spread.of(self._commands), None if rate is None else round(rate)
        )

    def _seen(self, direction: str, data: bytes) -> None:
        if not data:
            return
        opcode = data[0]
        if direction == "to_pump":
            if opcode in _REQUESTS:
                self._asked_s = time.perf_counter()
                handle = int.from_bytes(data[1:3], "little")
                if opcode == AttOpcode.WRITE_REQUEST and handle in _CONTROL_POINTS:
                    self._written_s[handle] = self._asked_s
                    self._values = self._octets = 0
        elif opcode in _RESPONSES:
            if self._asked_s:
                self._responses.append(time.perf_counter() - self._asked_s)
                self._asked_s = 0.0
        elif opcode == AttOpcode.NOTIFICATION:
            self._values += 1
            self._octets += len(data) - 3
        elif opcode == AttOpcode.INDICATION:
            self._answered(int.from_bytes(data[1:3], "little"))

    def _answered(self, handle: int) -> None:
        written_s = self._written_s.pop(handle, None)
        if written_s is None:
            return
        took_s = time.perf_counter() - written_s
        if self._values < _STREAM_VALUES_MIN:
            self._commands.append(took_s)
            return
        self._streamed_octets += self._octets
        self._streamed_s += took_s
