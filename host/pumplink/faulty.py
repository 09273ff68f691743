"""A bearer that misbehaves on purpose, the same way for the same seed."""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

from pumplink.bearer import Bearer, WrappedBearer

__all__ = ["Cut", "Faults", "FaultyBearer", "Injected"]


@dataclass(frozen=True)
class Faults:
    """What happens to the frames of one direction; each share is a probability per frame, 0 to 1.

    Attributes:
        drop: the frame is lost.
        corrupt: one octet of it is changed.
        duplicate: it comes twice.
        delay: it, and all behind it, comes `delay_s` DUT seconds late.
        delay_s: length of a delay, in DUT seconds.
    """

    drop: float = 0.0
    corrupt: float = 0.0
    duplicate: float = 0.0
    delay: float = 0.0
    delay_s: float = 0.5

    def __post_init__(self) -> None:
        for name in ("drop", "corrupt", "duplicate", "delay"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}; allowed is a share from 0 to 1")
        if self.delay_s < 0:
            raise ValueError(f"delay_s is {self.delay_s}; allowed is 0 or more")


class Cut(NamedTuple):
    """From `at_s` on and for `for_s` DUT seconds nothing passes in either direction."""

    at_s: float
    for_s: float


class Injected(NamedTuple):
    """A fault that was injected: when, into which direction, and what."""

    at_s: float
    direction: str
    kind: str


class FaultyBearer(WrappedBearer):
    """Wraps a bearer and injects faults by frame.

    Args:
        inner: the bearer to wrap; closed with this one.
        seed: the same seed does the same to the same frames.
        to_pump: faults of the frames that go to the pump.
        to_client: faults of the frames that come from it.
        cuts: times at which the line is dead.

    Attributes:
        injected: every fault so far, in order.
    """

    def __init__(
        self,
        inner: Bearer,
        seed: int,
        to_pump: Faults | None = None,
        to_client: Faults | None = None,
        cuts: tuple[Cut, ...] = (),
    ) -> None:
        super().__init__(inner)
        self.cuts = cuts
        self.injected: list[Injected] = []
        self._ways = {
            "to_pump": _Way("to_pump", to_pump or Faults(), random.Random(f"{seed} to pump"), self.injected),
            "to_client": _Way("to_client", to_client or Faults(), random.Random(f"{seed} to client"), self.injected),
        }

    @property
    def received_at_s(self) -> float:
        """DUT seconds: what is delayed comes when it is let through."""
        return self.now_s

    def write(self, data: bytes) -> None:
        """Sends octets, or does not; see `Bearer.write`."""
        self._ways["to_pump"].take(data, self.now_s, self._is_cut())
        self._send_due(self.now_s)

    def _receive(self, until_s: float) -> bytes:
        out, back = self._ways["to_pump"], self._ways["to_client"]
        reached_s = self.now_s
        while True:
            self._send_due(reached_s)
            if data := back.due(reached_s):
                return data
            if reached_s >= until_s:
                return b""
            wait_s = min(until_s, out.next_s, back.next_s)
            data = self.inner.receive(wait_s)
            # Nothing means that the time was reached, also where the inner clock rounds it to a microsecond.
            reached_s = self.now_s if data else max(self.now_s, wait_s)
            back.take(data, self.now_s, self._is_cut())

    def _send_due(self, now_s: float) -> None:
        if data := self._ways["to_pump"].due(now_s):
            self.inner.write(data)

    def _is_cut(self) -> bool:
        return any(cut.at_s <= self.now_s < cut.at_s + cut.for_s for cut in self.cuts)


class _Way:
    def __init__(self, direction: str, faults: Faults, choice: random.Random, injected: list[Injected]) -> None:
        self._direction = direction
        self._faults = faults
        self._choice = choice
        self._injected = injected
        self._held = b""
        self._waiting: deque[tuple[float, bytes]] = deque()

    @property
    def next_s(self) -> float:
        return self._waiting[0][0] if self._waiting else float("inf")

    def due(self, now_s: float) -> bytes:
        out = b""
        while self._waiting and self._waiting[0][0] <= now_s:
            out += self._waiting.popleft()[1]
        return out

    def take(self, data: bytes, now_s: float, cut: bool) -> None:
        *frames, self._held = (self._held + data).split(b"\0")
        for frame in frames:
            if cut:
                self._note(now_s, "cut")
            else:
                self._pass(frame, now_s)

    def _pass(self, frame: bytes, now_s: float) -> None:
        faults = self._faults
        # Every frame draws the same number of times, so that one fault's share does not move the others' places.
        drop, corrupt, duplicate, delay, place, change = (self._choice.random() for _ in range(6))
        if drop < faults.drop:
            self._note(now_s, "drop")
            return
        if corrupt < faults.corrupt and frame:
            self._note(now_s, "corrupt")
            at = int(place * len(frame))
            frame = frame[:at] + bytes((frame[at] ^ 1 + int(change * 255),)) + frame[at + 1 :]
        due_s = now_s
        if delay < faults.delay:
            self._note(now_s, "delay")
            due_s += faults.delay_s
        if self._waiting:
            due_s = max(due_s, self._waiting[-1][0])
        self._waiting.append((due_s, frame + b"\0"))
        if duplicate < faults.duplicate:
            self._note(now_s, "duplicate")
            self._waiting.append((due_s, frame + b"\0"))

    def _note(self, at_s: float, kind: str) -> None:
        self._injected.append(Injected(at_s, self._direction, kind))
