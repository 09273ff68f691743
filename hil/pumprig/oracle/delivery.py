"""Insulin from rates to whole pulses (D-101 to D-107), and the accounts of it (D-904).

All arithmetic is exact, in Python's unbounded integers over one common denominator each, which costs a tenth of
`Fraction` and rounds as little. Rates are whole mU/h (D-201, D-301), so what the basal earns in a second is a whole
number of mU/3600: a pulse of P mU is 3600 x P of them. The bolus speed is whole mU/min, so its unit is mU/60 and a
pulse is 60 x P. What leaves this module is a `Fraction` of mU.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

__all__ = ["NEVER", "Account", "Bolus", "Delivery", "Ledger"]

NEVER = 1 << 62
_BASAL = 3600
_BOLUS = 60


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
    """Accounts of the basal, of all boluses together and of each bolus by its ID (D-904)."""

    basal: Account
    bolus: Account
    boluses: dict[int, Account]
    pulses: int
    reservoir_used_pulses: int


@dataclass
class Bolus:
    """A bolus in pulses, with its accumulator in mU/60 (D-106)."""

    bolus_id: int
    pulses: int
    delivered: int = 0
    accumulator: int = 0
    active: bool = True

    @property
    def complete(self) -> bool:
        """Whether the whole amount is out."""
        return self.delivered == self.pulses


class Delivery:
    """Basal and bolus accumulators side by side (D-107).

    Args:
        pulse_mu: pulse size P in mU.
        speed_mu_per_minute: bolus delivery speed V.
    """

    def __init__(self, pulse_mu: int, speed_mu_per_minute: int) -> None:
        self.pulse_mu = pulse_mu
        self.now_s = 0
        self.rate_mu_per_h = 0
        self.running = False
        self.bolus: Bolus | None = None
        self.basal_pulses = 0
        self.bolus_pulses = 0
        self.reservoir_pulses_used = 0
        self._speed = speed_mu_per_minute
        self._basal_pulse = _BASAL * pulse_mu
        self._bolus_pulse = _BOLUS * pulse_mu
        self._earned = 0
        self._remainder = 0
        self._dropped = 0
        self._boluses: dict[int, Bolus] = {}
        self._bolus_pulses_commanded = 0
        self._bolus_pulses_dropped = 0

    def next_s(self) -> int:
        """The next second with a pulse due if nothing changes: an exact ceiling, never a step through the seconds."""
        if not self.running:
            return NEVER
        due_s = NEVER
        missing = self._basal_pulse - self._remainder
        if missing <= 0:
            # D-103: what has accrued beyond one pulse waits for the following second.
            due_s = self.now_s + 1
        elif self.rate_mu_per_h:
            due_s = self.now_s - -missing // self.rate_mu_per_h
        if self.bolus is not None:
            missing = self._bolus_pulse - self.bolus.accumulator
            due_s = min(due_s, self.now_s - -missing // self._speed)
        return due_s

    def integrate(self, to_s: int) -> None:
        """Earn from the second reached up to `to_s` at what was in force (D-102, D-106)."""
        elapsed_s = to_s - self.now_s
        self.now_s = to_s
        earned = self.rate_mu_per_h * elapsed_s
        self._earned += earned
        self._remainder += earned
        if self.bolus is not None and self.running:
            self.bolus.accumulator += self._speed * elapsed_s

    def bolus_due(self) -> bool:
        """Whether a bolus pulse is due now (D-106)."""
        return self.bolus is not None and not self.bolus.complete and self.bolus.accumulator >= self._bolus_pulse

    def basal_due(self) -> bool:
        """Whether a basal pulse is due now (D-102)."""
        return self._remainder >= self._basal_pulse

    def take_bolus_pulse(self) -> int:
        """Count a bolus pulse as delivered and return the ID of its bolus."""
        bolus = self.bolus
        assert bolus is not None
        bolus.accumulator -= self._bolus_pulse
        bolus.delivered += 1
        self.bolus_pulses += 1
        return bolus.bolus_id

    def take_basal_pulse(self) -> None:
        """Count a basal pulse as delivered."""
        self._remainder -= self._basal_pulse
        self.basal_pulses += 1

    def drop_remainder(self) -> None:
        """Give up what was earned and not delivered (D-105)."""
        self._dropped += self._remainder
        self._remainder = 0

    def start_bolus(self, bolus_id: int, pulses: int) -> None:
        """Start a bolus with an empty accumulator (D-106)."""
        self.bolus = self._boluses[bolus_id] = Bolus(bolus_id, pulses)
        self._bolus_pulses_commanded += pulses

    def end_bolus(self) -> Bolus:
        """End the active bolus; what is missing counts as dropped (D-904)."""
        bolus = self.bolus
        assert bolus is not None
        bolus.active = False
        self._bolus_pulses_dropped += bolus.pulses - bolus.delivered
        self.bolus = None
        return bolus

    @property
    def remainder_mu(self) -> Fraction:
        """What the basal has earned and not delivered."""
        return Fraction(self._remainder, _BASAL)

    @property
    def bolus_remaining_mu(self) -> int:
        """What is missing of the active bolus; 0 without one."""
        return 0 if self.bolus is None else (self.bolus.pulses - self.bolus.delivered) * self.pulse_mu

    def ledger(self) -> Ledger:
        """The accounts at the second reached (D-904)."""
        basal = Account(
            Fraction(self._earned, _BASAL),
            Fraction(self.basal_pulses * self.pulse_mu),
            self.remainder_mu,
            Fraction(self._dropped, _BASAL),
        )
        total = Account(
            Fraction(self._bolus_pulses_commanded * self.pulse_mu),
            Fraction(self.bolus_pulses * self.pulse_mu),
            Fraction(self.bolus_remaining_mu),
            Fraction(self._bolus_pulses_dropped * self.pulse_mu),
        )
        boluses = {number: self._account(bolus) for number, bolus in self._boluses.items()}
        return Ledger(basal, total, boluses, self.basal_pulses + self.bolus_pulses, self.reservoir_pulses_used)

    def _account(self, bolus: Bolus) -> Account:
        missing = Fraction((bolus.pulses - bolus.delivered) * self.pulse_mu)
        none = Fraction(0)
        return Account(
            Fraction(bolus.pulses * self.pulse_mu),
            Fraction(bolus.delivered * self.pulse_mu),
            missing if bolus.active else none,
            none if bolus.active else missing,
        )
