"""The client of a probe: a second board on the motor pin of a pump, which tells when it rose and fell.

The probe's frames are those of firmware/probe/frames.py; its line is any bearer. Its edges come by themselves, each
with a number; an answer to `exchange` follows all edges until its time. So nothing is missed unseen: not an edge that
was lost on the way, not one that came faster than the probe could note it, not a probe that started anew.
"""

from __future__ import annotations

import struct
import time
import zlib
from collections.abc import Callable
from typing import NamedTuple

from cobs import cobs

from pumplink.bearer import Bearer
from pumplink.clock_relation import ClockRelation
from pumplink.errors import ProbeBlind, ProbeSilent

__all__ = ["PROBE_VERSION", "Probe", "ProbeIdentity", "ProbePulse"]

PROBE_VERSION = 1

_HELLO, _SYNC, _I_AM, _TIME, _EDGE = 0x01, 0x02, 0x81, 0x82, 0x83
_IDENTITY = struct.Struct("<H4sB8s")
_TIME_BODY = struct.Struct("<H4sIIIHB")
_EDGE_BODY = struct.Struct("<IIIB")
_CRC = struct.Struct("<I")
_KINDS = ("interrupt", "PIO")
_LATE = 2
_US = 1_000_000
_FIRST_LOOKS = 8
_ANSWER_S = 1.0
_HIGH_S_MAX = 1.0
# Quartzes part by less than 100 ppm, and a host whose clock is being set may add 500.
_DRIFT_PPM_MAX = 600


class ProbeIdentity(NamedTuple):
    """Who a probe is: version of its frames, build of its firmware, how it notes edges, name of its board."""

    version: int
    firmware_hash: bytes
    capture: str
    board: str


class ProbePulse(NamedTuple):
    """A pulse at the motor pin.

    Attributes:
        at_s: when the pin rose, in the time of `now_s`.
        doubt_s: by how much that can be wrong.
        width_s: for how long the pin was high; None where the probe could not tell, infinite while it still is.
    """

    at_s: float
    doubt_s: float
    width_s: float | None


class Probe:
    """A probe that is listened to.

    Args:
        bearer: its line.
        now_s: the clock that pulses are told by, such as that of the pump's bearer.
        scale: how many seconds of that clock pass in one of the host.

    Attributes:
        identity: who it is, from `open` on.
    """

    def __init__(self, bearer: Bearer, now_s: Callable[[], float], scale: int = 1) -> None:
        self.identity: ProbeIdentity | None = None
        self._bearer = bearer
        self._now_s = now_s
        self._scale = scale
        self._octets = bytearray()
        self._relation = ClockRelation(_DRIFT_PPM_MAX)
        self._start: bytes | None = None
        self._number = 0
        self._next: int | None = None
        self._overflows = 0
        self._rose: float | None = None
        self._found: list[tuple[float, float | None]] = []
        self._answered = -1
        self._told_s = 0.0

    def open(self, attempts: int = 5) -> ProbeIdentity:
        """Finds out who the probe is, and how its clock stands to ours. Pulses count from here on.

        Args:
            attempts: how often it is asked, a second each.
        Raises:
            ProbeSilent: nobody answers as a probe does, or one of another version.
            BearerLost: the line broke.
        """
        for _ in range(attempts):
            # The zero ends whatever the line has carried before.
            self._bearer.write(b"\0" + _encoded(_HELLO, b""))
            if self._until(lambda: self.identity is not None):
                break
        else:
            raise ProbeSilent(
                "no probe answers; is it the right device, and was it flashed with `pumprig flash --role probe`?"
            )
        assert self.identity is not None
        if self.identity.version != PROBE_VERSION:
            raise ProbeSilent(
                f"the probe speaks version {self.identity.version} of its frames, and this is {PROBE_VERSION}; flash "
                "it anew: pumprig flash --role probe"
            )
        for _ in range(_FIRST_LOOKS):
            self.exchange()
        self._found.clear()
        return self.identity

    def exchange(self) -> float:
        """Asks the probe for its time, and takes all edges that were there then.

        Returns:
            The moment in the time of `now_s` until which all pulses are known, but for one that has not ended.
        Raises:
            ProbeBlind: edges were lost, on the way or in the probe, or it has started anew.
            ProbeSilent: it does not answer.
            BearerLost: the line broke.
        """
        self._number = (self._number + 1) % 0x10000
        before_s = self._now_s()
        self._bearer.write(_encoded(_SYNC, struct.pack("<H", self._number)))
        if not self._until(lambda: self._answered == self._number):
            raise ProbeSilent(f"the probe has not answered for {_ANSWER_S:g} s")
        after_s = self._now_s()
        self._relation.look(before_s, self._told_s, after_s)
        if self._rose is None:
            return before_s
        if self._told_s - self._rose > _HIGH_S_MAX:
            self._found.append((self._rose, float("inf")))
            self._rose = None
            return before_s
        return min(before_s, self._relation.at(self._rose)[0])

    @property
    def doubt_s(self) -> float:
        """By how much the time of a pulse can be wrong now."""
        return self._relation.at(self._told_s)[1]

    def poll(self) -> None:
        """Takes what the probe has told meanwhile.

        Raises:
            ProbeBlind: edges were lost, on the way or in the probe, or it has started anew.
            BearerLost: the line broke.
        """
        while data := self._bearer.receive(self._bearer.now_s):
            self._received(data)

    def take(self) -> list[ProbePulse]:
        """The pulses told since the last call, in order. One is told when the pin has fallen, or after a second."""
        found, self._found = self._found, []
        return [ProbePulse(*self._relation.at(at_s), width_s) for at_s, width_s in found]

    def close(self) -> None:
        """Gives the line free; a second call does nothing."""
        self._bearer.close()

    # --- What comes -------------------------------------------------------------------------------------------------

    def _until(self, done: Callable[[], bool]) -> bool:
        """Listens until something has come, for a second of the host at most."""
        until_s = time.monotonic() + _ANSWER_S
        while not done():
            left_s = until_s - time.monotonic()
            if left_s <= 0:
                return False
            self._received(self._bearer.receive(self._bearer.now_s + left_s * self._scale))
        return True

    def _received(self, data: bytes) -> None:
        self._octets += data
        *frames, self._octets = self._octets.split(b"\0")
        for frame in frames:
            if (found := _decoded(frame)) is not None:
                self._frame(*found)

    def _frame(self, kind: int, body: bytes) -> None:
        if kind == _I_AM and len(body) >= _IDENTITY.size:
            version, self._start, capture, build = _IDENTITY.unpack_from(body)
            name = body[_IDENTITY.size :].decode("utf-8", "replace")
            self.identity = ProbeIdentity(version, build, _KINDS[capture % len(_KINDS)], name)
        elif kind == _TIME and len(body) == _TIME_BODY.size:
            number, start, second, us, following, overflows, _ = _TIME_BODY.unpack(body)
            if start != self._start:
                raise ProbeBlind("the probe has started anew, and what the motor did meanwhile is not known")
            self._expect(following, overflows)
            self._answered, self._told_s = number, second + us / _US
        elif kind == _EDGE and len(body) == _EDGE_BODY.size:
            number, second, us, level = _EDGE_BODY.unpack(body)
            self._expect(number, self._overflows)
            self._next = number + 1
            self._edge(second + us / _US, level)

    def _expect(self, following: int, overflows: int) -> None:
        """Nothing that came before `following` may be missing."""
        if self._next is None:
            self._next, self._overflows = following, overflows
        if self._next != following:
            raise ProbeBlind(f"{following - self._next} reports of the probe were lost on its line")
        if self._overflows != overflows:
            raise ProbeBlind("edges came faster than the probe could note them; is the pin joined, and not floating?")

    def _edge(self, at_s: float, level: int) -> None:
        if level & 1:
            self._rose = at_s
        elif self._rose is not None:
            self._found.append((self._rose, None if level & _LATE else at_s - self._rose))
            self._rose = None


def _encoded(kind: int, body: bytes) -> bytes:
    raw = bytes([kind]) + body
    return cobs.encode(raw + _CRC.pack(zlib.crc32(raw))) + b"\0"


def _decoded(octets: bytes | bytearray) -> tuple[int, bytes] | None:
    """Type and body of a frame, None when it is damaged: a number that is missing then tells of it."""
    try:
        raw = cobs.decode(bytes(octets))
    except cobs.DecodeError:
        return None
    if len(raw) <= _CRC.size or zlib.crc32(raw[: -_CRC.size]) != _CRC.unpack(raw[-_CRC.size :])[0]:
        return None
    return raw[0], raw[1 : -_CRC.size]
