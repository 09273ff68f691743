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
from pumprig.oracle.terms import BolusType, TbrType, TemplateKind, TimeReason

__all__ = [
    "Annunciation",
    "BasalChanged",
    "BlockChanged",
    "BolusCalculated",
    "BolusEnded",
    "BolusStarted",
    "BolusTemplateChanged",
    "CarbsAnnounced",
    "DailyInsulin",
    "Event",
    "GuardrailHeld",
    "History",
    "IchoBlockChanged",
    "IsfBlockChanged",
    "MaxBolusChanged",
    "OperationalChanged",
    "PrimingDone",
    "PrimingStarted",
    "ProfileActivated",
    "Pulse",
    "ReferenceTime",
    "ReservoirChanged",
    "SettingsWritten",
    "TargetBlockChanged",
    "TbrChanged",
    "TbrEnded",
    "TbrStarted",
    "TbrTemplateChanged",
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
    """A motor pulse (D-101).

    Its source is `basal`, `bolus` (the fast bolus), `extended` (the extended or multiwave bolus, its fast part too), or
    `prime`.
    """

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
class OperationalChanged(Event):
    """Operational state changed (D-511)."""

    codes: ClassVar[tuple[int, ...]] = (0x030C,)

    old: str
    new: str


@dataclass(frozen=True, kw_only=True)
class TbrStarted(Event):
    """TBR started (D-302, D-308); a BasalChanged follows in the same group.

    `value` is mU/h when absolute, thousandths of the factor when relative; `template` 0 is none.
    """

    codes: ClassVar[tuple[int, ...]] = (0x00A5,)

    tbr_type: str = TbrType.ABSOLUTE
    value: int
    duration_minutes: int
    context: str
    template: int = 0

    @property
    def rate_mu_per_h(self) -> int:
        """The value of an absolute one."""
        return self.value


@dataclass(frozen=True, kw_only=True)
class TbrChanged(Event):
    """TBR changed (D-303); fields as of its start, a BasalChanged follows in the same group."""

    codes: ClassVar[tuple[int, ...]] = (0x00C3,)

    tbr_type: str = TbrType.ABSOLUTE
    value: int
    duration_minutes: int
    elapsed_minutes: int
    context: str
    template: int = 0

    @property
    def rate_mu_per_h(self) -> int:
        """The value of an absolute one."""
        return self.value


@dataclass(frozen=True, kw_only=True)
class TbrEnded(Event):
    """TBR ended (D-302 to D-306); a BasalChanged follows in the same group."""

    codes: ClassVar[tuple[int, ...]] = (0x00AA,)

    tbr_type: str = TbrType.ABSOLUTE
    reason: str
    effective_minutes: int
    template: int = 0
    annunciation_id: int | None = None


@dataclass(frozen=True, kw_only=True)
class BolusStarted(Event):
    """Bolus programmed (D-402).

    `delay_minutes` and `activation` are None where the command had none, `template` 0 is none. With a template, delay
    and reasons are the template's.
    """

    codes: ClassVar[tuple[int, ...]] = (0x005A, 0x0066)

    bolus_id: int
    bolus_type: str = BolusType.FAST
    fast_mu: int = 0
    extended_mu: int = 0
    duration_minutes: int = 0
    delay_minutes: int | None = None
    template: int = 0
    activation: str | None = None
    reasons: frozenset[str] = frozenset()

    @property
    def amount_mu(self) -> int:
        """Both parts together."""
        return self.fast_mu + self.extended_mu


@dataclass(frozen=True, kw_only=True)
class BolusEnded(Event):
    """Bolus delivered, wholly or in part (D-106, D-108, D-404, D-415); amounts are what was delivered."""

    codes: ClassVar[tuple[int, ...]] = (0x0069, 0x0096)

    bolus_id: int
    bolus_type: str = BolusType.FAST
    fast_mu: int = 0
    extended_mu: int = 0
    effective_minutes: int = 0
    start_offset_s: int = 0
    activation: str | None = None
    reason: str
    annunciation_id: int | None = None

    @property
    def delivered_mu(self) -> int:
        """Both parts together."""
        return self.fast_mu + self.extended_mu


@dataclass(frozen=True, kw_only=True)
class BolusCalculated(Event):
    """What a bolus calculator recommended and what was confirmed (D-909).

    Each is fast meal, fast correction, extended meal, extended correction in mU.
    """

    codes: ClassVar[tuple[int, ...]] = (0x003C, 0x0055)

    recommended: tuple[int, int, int, int]
    confirmed: tuple[int, int, int, int]


@dataclass(frozen=True, kw_only=True)
class ProfileActivated(Event):
    """Profile template activated (D-204, D-910); old 0 is none."""

    codes: ClassVar[tuple[int, ...]] = (0x00CC,)

    kind: str = TemplateKind.BASAL
    old: int
    new: int


@dataclass(frozen=True, kw_only=True)
class BlockChanged(Event):
    """One block of a basal profile that was written (D-204); blocks count from 1, the value is in mU/h."""

    codes: ClassVar[tuple[int, ...]] = (0x00F0,)

    template: int
    block: int
    duration_minutes: int
    value: int

    @property
    def rate_mu_per_h(self) -> int:
        """The value of a basal one."""
        return self.value


@dataclass(frozen=True, kw_only=True)
class IsfBlockChanged(BlockChanged):
    """One block of an insulin sensitivity profile (D-910): tenths of mg/dL per U."""

    codes: ClassVar[tuple[int, ...]] = (0x0359,)


@dataclass(frozen=True, kw_only=True)
class IchoBlockChanged(BlockChanged):
    """One block of a carbohydrate ratio profile (D-910): tenths of g per U."""

    codes: ClassVar[tuple[int, ...]] = (0x0365,)


@dataclass(frozen=True, kw_only=True)
class TargetBlockChanged(BlockChanged):
    """One block of a target range profile (D-910): `value` is the low limit, both in tenths of mg/dL."""

    codes: ClassVar[tuple[int, ...]] = (0x036A,)

    high: int


@dataclass(frozen=True, kw_only=True)
class TbrTemplateChanged(Event):
    """TBR template set (D-307)."""

    codes: ClassVar[tuple[int, ...]] = (0x03F3,)

    template: int
    tbr_type: str
    value: int
    duration_minutes: int


@dataclass(frozen=True, kw_only=True)
class BolusTemplateChanged(Event):
    """Bolus template set (D-412); `delay_minutes` None where it has none."""

    codes: ClassVar[tuple[int, ...]] = (0x03C0, 0x03CF)

    template: int
    bolus_type: str
    fast_mu: int
    extended_mu: int
    duration_minutes: int
    delay_minutes: int | None = None
    reasons: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class PrimingStarted(Event):
    """Priming started (D-511)."""

    codes: ClassVar[tuple[int, ...]] = (0x0395,)

    amount_mu: int


@dataclass(frozen=True, kw_only=True)
class PrimingDone(Event):
    """Priming done (D-511, D-512)."""

    codes: ClassVar[tuple[int, ...]] = (0x039A,)

    delivered_mu: int
    reason: str
    annunciation_id: int | None = None


@dataclass(frozen=True, kw_only=True)
class MaxBolusChanged(Event):
    """Maximum bolus changed (D-802)."""

    codes: ClassVar[tuple[int, ...]] = (0x03FC,)

    old_mu: int
    new_mu: int


@dataclass(frozen=True, kw_only=True)
class SettingsWritten(Event):
    """Settings of the controller or its guardrails written, as a pointer event (D-905)."""

    codes: ClassVar[tuple[int, ...]] = (0x03A9,)


@dataclass(frozen=True, kw_only=True)
class GuardrailHeld(Event):
    """A guardrail refused or limited something (D-1201).

    `asked_by` is `client`, `controller` or `device`; `asked` and `allowed` are in the guardrail's unit. What is asked
    of IOB is known within `doubt_mu` (D-703).
    """

    codes: ClassVar[tuple[int, ...]] = (0xF00F,)

    guardrail: int
    asked_by: str
    asked: int
    allowed: int
    doubt_mu: float = field(default=0.0, compare=False)


@dataclass(frozen=True, kw_only=True)
class CarbsAnnounced(Event):
    """Carbs announced over the controller service (D-1108)."""

    codes: ClassVar[tuple[int, ...]] = (0xF033,)

    carbs_g: int
    minutes_ago: int


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
    """The expected events in order, each with its place in the pump's history (D-905).

    Args:
        next_sequence: number of the first record.
    """

    def __init__(self, next_sequence: int = 0) -> None:
        self._events: list[Event] = []
        self.next_sequence = next_sequence
        self.reference_due_s = 0
        self._reference_s = 0
        # What stands together: number of the first record, how many they are, whether it is a reference time.
        self.groups: list[tuple[int, int, bool]] = []

    def add(self, kind: type[E], at_s: int, rule: str, /, **fields: Any) -> E:
        """Record an event of a kind at a pump second under a rule."""
        if not kind.codes:
            event = kind(at_s=at_s, rule=rule, **fields)
        else:
            event = kind(at_s=at_s, rule=rule, sequence=self.next_sequence, offset_s=at_s - self._reference_s, **fields)
            self.groups.append((self.next_sequence, len(kind.codes), kind is ReferenceTime))
            self.next_sequence += len(kind.codes)
        self._events.append(event)
        return event

    def join(self) -> None:
        """Let the newest records stand together with those before them."""
        (first, count, _), (_, more, _) = self.groups[-2:]
        self.groups[-2:] = [(first, count + more, False)]

    def groups_within(
        self, least: int | None, most: int | None, only: str | None
    ) -> tuple[list[tuple[int, int, bool]], bool]:
        """The groups that lie from one number to another, and whether one more lies there in part (D-911)."""
        first = 0 if least is None else least
        last = self.next_sequence if most is None else most
        asked = [
            group for group in self.groups
            if (only is None or group[2] == (only == "reference")) and group[0] <= last and sum(group[:2]) > first
        ]  # fmt: skip
        whole = [group for group in asked if first <= group[0] and sum(group[:2]) - 1 <= last]
        return whole, len(whole) < len(asked)

    def reference(self, at_s: int, wall: datetime, reason: TimeReason) -> None:
        """Record a reference time; its own offset counts from the one before (D-906)."""
        self.add(ReferenceTime, at_s, "D-906", wall=wall, reason=reason)
        self._reference_s = at_s
        self.reference_due_s = at_s + REFERENCE_TIME_S

    def take(self) -> list[Event]:
        """The events since the last call."""
        events, self._events = self._events, []
        return events
