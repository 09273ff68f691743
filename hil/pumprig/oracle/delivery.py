"""Insulin from rates to whole pulses (D-101 to D-108, D-511), and the accounts of it (D-904).

All arithmetic is exact, in Python's unbounded integers over one common denominator each, which costs a tenth of
`Fraction` and rounds as little. Rates are whole mU/h (D-201, D-301), so what the basal earns in a second is a whole
number of mU/3600: a pulse of P mU is 3600 x P of them. The delivery speed is whole mU/min, so its unit is mU/60 and a
pulse is 60 x P. What leaves this module is a `Fraction` of mU.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from pumprig.oracle.bolus import Bolus, BolusPlan, Part
from pumprig.oracle.terms import BolusType

__all__ = ["NEVER", "Account", "Delivery", "Ledger"]

NEVER = 1 << 62
_BASAL = 3600
_SPEED = 60


@dataclass(frozen=True)
class Account:
    """One line of the ledger in mU: commanded = delivered + remaining + dropped (D-904)."""

    commanded_mu: Fraction
    delivered_mu: Fraction
    remaining_mu: Fraction
    dropped_mu: Fraction

    @property
    def balanced(self) -> bool:
        """Whether not the least part of a milliunit is missing or too much."""
        return self.commanded_mu == self.delivered_mu + self.remaining_mu + self.dropped_mu


@dataclass(frozen=True)
class Ledger:
    """Accounts of the basal, of all boluses together, of each by its ID, and of all priming (D-904)."""

    basal: Account
    bolus: Account
    boluses: dict[int, Account]
    prime: Account
    pulses: int
    reservoir_used_pulses: int


class _Whole:
    """An account of whole pulses."""

    def __init__(self) -> None:
        self.commanded = 0
        self.delivered = 0
        self.dropped = 0

    def account(self, pulse_mu: int) -> Account:
        remaining = self.commanded - self.delivered - self.dropped
        values = (self.commanded, self.delivered, remaining, self.dropped)
        return Account(*(Fraction(pulses * pulse_mu) for pulses in values))


class Delivery:
    """Accumulators of the basal, of two boluses and of a priming, side by side (D-107).

    Args:
        pulse_mu: pulse size P in mU.
        speed_mu_per_minute: delivery speed V.
    """

    def __init__(self, pulse_mu: int, speed_mu_per_minute: int) -> None:
        self.pulse_mu = pulse_mu
        self.speed_mu_per_minute = speed_mu_per_minute
        self.now_s = 0
        self.rate_mu_per_h = 0
        self.running = False
        self.fast: Bolus | None = None
        self.other: Bolus | None = None
        self.priming: Part | None = None
        self.basal_pulses = 0
        self.reservoir_pulses_used = 0
        self._basal_pulse = _BASAL * pulse_mu
        self._earned = 0
        self._remainder = 0
        self._dropped = 0
        self._accepted = 0
        self._bolus = _Whole()
        self._prime = _Whole()
        self.boluses: dict[int, Bolus] = {}

    @property
    def bolus_pulses(self) -> int:
        """Pulses of all boluses."""
        return self._bolus.delivered

    @property
    def prime_pulses(self) -> int:
        """Pulses of all primings."""
        return self._prime.delivered

    # --- time ---

    def next_s(self) -> int:
        """The next second with a pulse due if nothing changes: an exact ceiling, never a step through the seconds."""
        due_s = NEVER
        if self.priming is not None:
            due_s = self.now_s + (1 if self.priming.complete else self.priming.due_after_s())
        if not self.running:
            return due_s
        missing = self._basal_pulse - self._remainder
        if missing <= 0:
            # D-103: what has accrued beyond one pulse waits for the following second.
            due_s = self.now_s + 1
        elif self.rate_mu_per_h:
            due_s = self.now_s - -missing // self.rate_mu_per_h
        for bolus in (self.fast, self.other):
            if bolus is not None:
                due_s = min(due_s, bolus.next_s(self.now_s))
        return due_s

    def integrate(self, to_s: int) -> None:
        """Earn from the second reached up to `to_s` at what was in force (D-102, D-106, D-108)."""
        from_s, self.now_s = self.now_s, to_s
        earned = self.rate_mu_per_h * (to_s - from_s)
        self._earned += earned
        self._remainder += earned
        if self.running:
            for bolus in (self.fast, self.other):
                if bolus is not None:
                    bolus.earn(from_s, to_s)
        if self.priming is not None:
            self.priming.accumulator += self.priming.gain * (to_s - from_s)

    # --- basal ---

    def basal_due(self) -> bool:
        """Whether a basal pulse is due now (D-102)."""
        return self._remainder >= self._basal_pulse

    def take_basal_pulse(self) -> None:
        """Count a basal pulse as delivered."""
        self._remainder -= self._basal_pulse
        self.basal_pulses += 1

    def drop_remainder(self) -> None:
        """Give up what was earned and not delivered (D-105)."""
        self._dropped += self._remainder
        self._remainder = 0

    @property
    def remainder_mu(self) -> Fraction:
        """What the basal has earned and not delivered."""
        return Fraction(self._remainder, _BASAL)

    # --- boluses ---

    def active(self) -> list[Bolus]:
        """The boluses that have not ended, in the order of D-411."""
        boluses = [bolus for bolus in (self.fast, self.other) if bolus is not None]
        return sorted(boluses, key=lambda bolus: (bolus.start_s, bolus.accepted))

    def place(self, bolus_type: BolusType) -> Bolus | None:
        """What holds the place of a bolus of that type (D-403)."""
        return self.fast if bolus_type is BolusType.FAST else self.other

    def start_bolus(self, bolus_id: int, at_s: int, plan: BolusPlan, template: int, activation: str | None) -> Bolus:
        """Take a bolus in, with empty accumulators (D-106, D-108, D-413)."""
        self._accepted += 1
        bolus = self.boluses[bolus_id] = Bolus(
            bolus_id=bolus_id,
            plan=plan,
            fast=self.part(plan.fast),
            extended=Part(plan.extended, max(1, plan.extended), max(1, _SPEED * plan.duration_minutes), spread=True),
            programmed_s=at_s,
            start_s=at_s + 60 * (plan.delay_minutes or 0),
            accepted=self._accepted,
            template=template,
            activation=activation,
        )
        if plan.bolus_type is BolusType.FAST:
            self.fast = bolus
        else:
            self.other = bolus
        self._bolus.commanded += plan.pulses
        return bolus

    def take_bolus_pulse(self, part: Part) -> None:
        """Count a pulse of a bolus as delivered."""
        part.take()
        self._bolus.delivered += 1

    def end_bolus(self, bolus: Bolus) -> None:
        """End a bolus; what is missing counts as dropped (D-904)."""
        bolus.active = False
        self._bolus.dropped += bolus.missing
        if bolus is self.fast:
            self.fast = None
        else:
            self.other = None

    @property
    def bolus_missing(self) -> int:
        """Pulses that the active boluses have still to deliver."""
        return sum(bolus.missing for bolus in (self.fast, self.other) if bolus is not None)

    # --- priming ---

    def part(self, pulses: int) -> Part:
        """An amount at the delivery speed (D-106)."""
        return Part(pulses, self.speed_mu_per_minute, _SPEED * self.pulse_mu)

    def start_priming(self, pulses: int) -> None:
        """Start a priming with an empty accumulator (D-511)."""
        self.priming = self.part(pulses)
        self._prime.commanded += pulses

    def take_prime_pulse(self) -> None:
        """Count a prime pulse as delivered."""
        assert self.priming is not None
        self.priming.take()
        self._prime.delivered += 1

    def end_priming(self) -> int:
        """End the priming and return how many pulses it delivered."""
        part = self.priming
        assert part is not None
        self.priming = None
        self._prime.dropped += part.pulses - part.delivered
        return part.delivered

    # --- after a power cut ---

    def count_silently(self, source: str, part: Part | None, pulses: int, *, active: bool) -> None:
        """Count a pulse that left beside the records of it, or take back one that did not leave (D-924, D-925).

        Args:
            source: whose pulse it is.
            part: of its bolus or priming; None for a basal one and for a priming that has ended.
            pulses: 1 or -1.
            active: whether the bolus or priming has not ended.
        """
        self.reservoir_pulses_used += pulses
        if source == "basal":
            self.basal_pulses += pulses
            self._remainder -= pulses * self._basal_pulse
            return
        whole = self._prime if source == "prime" else self._bolus
        whole.delivered += pulses
        if part is not None:
            part.delivered += pulses
        if not active:
            whole.dropped -= pulses

    def restart(self) -> None:
        """Begin at second 0 with nothing earned."""
        self.drop_remainder()
        self.now_s, self.rate_mu_per_h, self.running = 0, 0, False

    # --- accounts ---

    def ledger(self) -> Ledger:
        """The accounts at the second reached (D-904)."""
        basal = Account(
            Fraction(self._earned, _BASAL),
            Fraction(self.basal_pulses * self.pulse_mu),
            self.remainder_mu,
            Fraction(self._dropped, _BASAL),
        )
        return Ledger(
            basal=basal,
            bolus=self._bolus.account(self.pulse_mu),
            boluses={number: self._account(bolus) for number, bolus in self.boluses.items()},
            prime=self._prime.account(self.pulse_mu),
            pulses=self.basal_pulses + self.bolus_pulses + self.prime_pulses,
            reservoir_used_pulses=self.reservoir_pulses_used,
        )

    def _account(self, bolus: Bolus) -> Account:
        line = _Whole()
        line.commanded, line.delivered = bolus.plan.pulses, bolus.delivered
        line.dropped = 0 if bolus.active else bolus.missing
        return line.account(self.pulse_mu)
