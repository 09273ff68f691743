"""What must be seen of the pump: motor pulses and, in order, the history (D-905).

An event's class says which history records it stands for (`codes`, IDS 1.0.2, 3.10); the records of one event have
the sequence numbers `sequence`, `sequence` + 1 ... and the same relative offset. Equality leaves out the rule, the
sequence number and the offset, so that a scenario can be written as a list of events.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, ClassVar, TypeVar

from pumprig.oracle.settings import REFERENCE_TIME_S
from pumprig.oracle.terms import TimeReason

__all__ = [
    "Annunciation",
    "BasalChanged",
    "BlockChanged",
    "BolusEnded",
    "BolusStarted",
    "DailyInsulin",
    "Event",
    "History",
    "MaxBolusChanged",
    "ProfileActivated",
    "Pulse",
    "ReferenceTime",
    "ReservoirChanged",
    "TbrChanged",
    "TbrEnded",
    "TbrStarted",
    "TherapyChanged",
]


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that must have happened at a pump second, with the rule that says so."""

    codes: ClassVar[tuple[int, ...]] = ()

    at_s: int
    rule: str = field(default="", compare=False)
    sequence: int = field(default=-1, compare=False)
    offset_s: int = field(default=-1, compare=False)


@dataclass(frozen=True, kw_only=True)
class Pulse(Event):
    """A motor pulse, from `basal` or `bolus` (D-101)."""

    source: str
    bolus_id: int | None = None

    @property
    def due_s(self) -> int:
        """The second at which the pulse is due."""
        return self.at_s


@dataclass(frozen=True, kw_only=True)
class ReferenceTime(Event):
    """Local time that the records after it count from (D-906)."""

    codes: ClassVar[tuple[int, ...]] = (0x000F,)

    wall: datetime
    reason: str


@dataclass(frozen=True, kw_only=True)
class TherapyChanged(Event):
    """Therapy control state changed (D-501)."""

    codes: ClassVar[tuple[int, ...]] = (0x0303,)

    old: str
    new: str


@dataclass(frozen=True, kw_only=True)
class BasalChanged(Event):
    """Delivered basal rate changed (D-907), in mU/h."""

    codes: ClassVar[tuple[int, ...]] = (0x0099,)

    old_mu_per_h: int
    new_mu_per_h: int
    context: str


@dataclass(frozen=True, kw_only=True)
class TbrStarted(Event):
    """TBR started (D-302); a BasalChanged follows in the same group."""

    codes: ClassVar[tuple[int, ...]] = (0x00A5,)

    rate_mu_per_h: int
    duration_minutes: int
    context: str


@dataclass(frozen=True, kw_only=True)
class TbrChanged(Event):
    """TBR changed (D-303); a BasalChanged follows in the same group."""

    codes: ClassVar[tuple[int, ...]] = (0x00C3,)

    rate_mu_per_h: int
    duration_minutes: int
    elapsed_minutes: int
    context: str


@dataclass(frozen=True, kw_only=True)
class TbrEnded(Event):
    """TBR ended (D-302 to D-306); a BasalChanged follows in the same group."""

    codes: ClassVar[tuple[int, ...]] = (0x00AA,)

    reason: str
    effective_minutes: int
    annunciation_id: int | None = None


@dataclass(frozen=True, kw_only=True)
class BolusStarted(Event):
    """Bolus programmed (D-402)."""

    codes: ClassVar[tuple[int, ...]] = (0x005A, 0x0066)

    bolus_id: int
    amount_mu: int


@dataclass(frozen=True, kw_only=True)
class BolusEnded(Event):
    """Bolus delivered, wholly or in part (D-106, D-404)."""

    codes: ClassVar[tuple[int, ...]] = (0x0069, 0x0096)

    bolus_id: int
    delivered_mu: int
    reason: str
    annunciation_id: int | None = None


@dataclass(frozen=True, kw_only=True)
class ProfileActivated(Event):
    """Basal profile template activated (D-204); old 0 is none."""

    codes: ClassVar[tuple[int, ...]] = (0x00CC,)

    old: int
    new: int


@dataclass(frozen=True, kw_only=True)
class BlockChanged(Event):
    """One block of a basal profile that was written (D-204); blocks count from 1."""

    codes: ClassVar[tuple[int, ...]] = (0x00F0,)

    template: int
    block: int
    duration_minutes: int
    rate_mu_per_h: int


@dataclass(frozen=True, kw_only=True)
class MaxBolusChanged(Event):
    """Maximum bolus changed (D-802)."""

    codes: ClassVar[tuple[int, ...]] = (0x03FC,)

    old_mu: int
    new_mu: int


@dataclass(frozen=True, kw_only=True)
class ReservoirChanged(Event):
    """Reservoir recorded (D-814): what it holds, None when it is detached."""

    codes: ClassVar[tuple[int, ...]] = (0x0330,)

    remaining_mu: int | None


@dataclass(frozen=True, kw_only=True)
class Annunciation(Event):
    """An annunciation and its status (D-831)."""

    codes: ClassVar[tuple[int, ...]] = (0x033F, 0x0356)

    annunciation_id: int
    type: str
    status: str


@dataclass(frozen=True, kw_only=True)
class DailyInsulin(Event):
    """Insulin of a day (D-901); `clock_changed` when a clock change ended it."""

    codes: ClassVar[tuple[int, ...]] = (0x00FF,)

    day: date
    bolus_mu: int
    basal_mu: int
    clock_changed: bool = False


E = TypeVar("E", bound=Event)


class History:
    """The expected events in order, each with its place in the pump's history (D-905)."""

    def __init__(self) -> None:
        self._events: list[Event] = []
        self.next_sequence = 0
        self.reference_due_s = 0
        self._reference_s = 0

    def add(self, kind: type[E], at_s: int, rule: str, **fields: Any) -> E:
        """Record an event of a kind at a pump second under a rule."""
        if not kind.codes:
            event = kind(at_s=at_s, rule=rule, **fields)
        else:
            event = kind(at_s=at_s, rule=rule, sequence=self.next_sequence, offset_s=at_s - self._reference_s, **fields)
            self.next_sequence += len(kind.codes)
        self._events.append(event)
        return event

    def reference(self, at_s: int, wall: datetime, reason: TimeReason) -> None:
        """Record a reference time; its own offset counts from the one before (D-906)."""
        self.add(ReferenceTime, at_s, "D-906", wall=wall, reason=reason)
        self._reference_s = at_s
        self.reference_due_s = at_s + REFERENCE_TIME_S

    def take(self) -> list[Event]:
        """The events since the last call."""
        events, self._events = self._events, []
        return events
