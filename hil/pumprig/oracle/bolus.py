"""A bolus: what it was programmed with, and how its parts earn their pulses (D-106, D-108, D-413 to D-415)."""

from __future__ import annotations

from dataclasses import dataclass, field

from pumprig.oracle.terms import BolusType

__all__ = ["Bolus", "BolusPlan", "Part"]


@dataclass(frozen=True)
class BolusPlan:
    """What a command or a template says of a bolus: amounts in pulses, times in minutes, no delay as None."""

    bolus_type: BolusType
    fast: int
    extended: int
    duration_minutes: int
    delay_minutes: int | None = None
    reasons: frozenset[str] = frozenset()

    @property
    def pulses(self) -> int:
        """Both amounts together."""
        return self.fast + self.extended


@dataclass
class Part:
    """Pulses that are earned evenly: each second adds `gain`, a pulse costs `price`; both are whole numbers.

    `spread` tells the extended part of a bolus from what comes at the delivery speed.
    """

    pulses: int
    gain: int
    price: int
    spread: bool = False
    delivered: int = 0
    accumulator: int = 0

    @property
    def complete(self) -> bool:
        """Whether the whole amount is out."""
        return self.delivered == self.pulses

    @property
    def due(self) -> bool:
        """Whether a pulse is due now."""
        return self.accumulator >= self.price and self.delivered < self.pulses

    def due_after_s(self) -> int:
        """Seconds of earning until the next pulse of a part that is not complete: an exact ceiling."""
        return -((self.accumulator - self.price) // self.gain)

    def take(self) -> None:
        """Count a pulse as delivered."""
        self.accumulator -= self.price
        self.delivered += 1


@dataclass
class Bolus:
    """A bolus from its acceptance on.

    Args:
        bolus_id: its number (D-402).
        plan: what it was programmed with.
        fast: the part at the delivery speed; its pulse costs 60 x P in mU/60 (D-106).
        extended: the part that is spread; of n pulses over D minutes each costs 60 x D (D-108).
        programmed_s: when it was accepted.
        start_s: from when on it earns.
        accepted: its place in the order of acceptance (D-411).
        template, activation: as the command had them.
        earned_s: seconds that it has earned.
        active: whether it has not ended.
    """

    bolus_id: int
    plan: BolusPlan
    fast: Part
    extended: Part
    programmed_s: int
    start_s: int
    accepted: int
    template: int = 0
    activation: str | None = None
    earned_s: int = 0
    active: bool = True
    parts: tuple[Part, Part] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Keep both parts in the order of D-003."""
        self.parts = (self.fast, self.extended)

    @property
    def source(self) -> str:
        """What its pulses are counted under: its place (D-403)."""
        return "bolus" if self.plan.bolus_type is BolusType.FAST else "extended"

    @property
    def delivered(self) -> int:
        """Pulses delivered by both parts."""
        return self.fast.delivered + self.extended.delivered

    @property
    def missing(self) -> int:
        """Pulses still to deliver."""
        return self.plan.pulses - self.delivered

    @property
    def complete(self) -> bool:
        """Whether the whole amount of both parts is out."""
        return self.fast.complete and self.extended.complete

    def earn(self, from_s: int, to_s: int) -> None:
        """Earn over [from_s, to_s), as far as it lies behind the delay (D-413)."""
        elapsed_s = to_s - max(from_s, self.start_s)
        if elapsed_s > 0:
            self.earned_s += elapsed_s
            for part in self.parts:
                part.accumulator += part.gain * elapsed_s

    def next_s(self, now_s: int) -> int:
        """The second of its next pulse if nothing changes; of a complete bolus the next one, at which it ends."""
        waits_s = [part.due_after_s() for part in self.parts if not part.complete]
        return max(now_s, self.start_s) + min(waits_s, default=1)

    # --- What the wire and the history say (D-415) ---

    @property
    def elapsed_minutes(self) -> int:
        """Whole minutes of earning; 0 for a fast bolus."""
        return 0 if self.plan.bolus_type is BolusType.FAST else self.earned_s // 60

    @property
    def remaining_minutes(self) -> int:
        """Minutes of the duration that are left, rounded up; 0 for a fast bolus."""
        return max(0, -((self.earned_s - 60 * self.plan.duration_minutes) // 60))

    def remaining_delay_minutes(self, at_s: int) -> int:
        """Minutes until its delivery starts, rounded up."""
        return max(0, -((at_s - self.start_s) // 60))

    def effective_minutes(self, at_s: int) -> int:
        """Whole minutes from the start of delivery to an end at a second; 0 for a fast bolus."""
        return 0 if self.plan.bolus_type is BolusType.FAST else max(0, at_s - self.start_s) // 60

    def start_offset_s(self, at_s: int) -> int:
        """Seconds from its acceptance to the start of delivery, or to its end at a second before."""
        return min(self.start_s, at_s) - self.programmed_s
