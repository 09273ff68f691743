"""Bolus accuracy: 25 boluses one after another at one setting, each to the pulse."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from pumplink.results import PumpData
from pumprig.accuracy.plan import BOLUSES, Block
from pumprig.accuracy.stand import Stand, iu
from pumprig.checks import CheckBook

__all__ = ["BolusResult", "bolus_hours", "measure_boluses"]

_REST_S = 60
# Boluses that come to more than this in all are given at this distance, so that no guardrail of IOB or of insulin per
# hour refuses one.
_SPREAD_MU = 20_000
_SPREAD_S = 7200
_MINUTES_PER_DAY = 1440


@dataclass(frozen=True)
class BolusResult:
    """What the motor did in successive boluses.

    Args:
        amount_mu: as programmed, each.
        pulse_mu: the pulse size.
        pulses: in each bolus, in order.
        refills: how often the reservoir was filled between two of them.
    """

    amount_mu: int
    pulse_mu: int
    pulses: tuple[int, ...]
    refills: int

    @property
    def errors_percent(self) -> tuple[Fraction, ...]:
        """The deviation of each from what was programmed."""
        return tuple(
            Fraction(100 * (pulses * self.pulse_mu - self.amount_mu), self.amount_mu) for pulses in self.pulses
        )

    @property
    def mean_percent(self) -> Fraction:
        """The mean deviation."""
        return sum(self.errors_percent, Fraction()) / len(self.pulses)


def bolus_hours(pump: PumpData, amount_mu: int) -> int:
    """About how many hours of pump time the boluses of an amount take."""
    each_s = 60 * amount_mu // pump.bolus_speed_mu_per_minute + _REST_S
    return BOLUSES * max(each_s, _spread_s(amount_mu)) // 3600


def _spread_s(amount_mu: int) -> int:
    return _SPREAD_S if BOLUSES * amount_mu > _SPREAD_MU else 0


def measure_boluses(stand: Stand, checks: CheckBook, amount_mu: int) -> BolusResult:
    """Deliver the boluses with no basal beside them that can be left out, and count what each brings.

    Args:
        stand: a fresh pump.
        checks: where each is judged.
        amount_mu: whole pulses, up to the pump's limit.

    Raises:
        Stopped: see `Stand.run_to`.
        PumpLinkError: the pump refused a command, or is gone.
    """
    data = stand.data
    due = amount_mu // data.pulse_mu
    speed = data.bolus_speed_mu_per_minute
    wanted = [-(-60 * data.pulse_mu * number // speed) for number in range(1, due + 1)]
    stand.begin([Block(_MINUTES_PER_DAY, 0)])
    stand.pump.set_max_bolus(iu(data.bolus_limit_mu))
    counts: list[int] = []
    refills = 0
    for number in range(1, BOLUSES + 1):
        if stand.used_mu() + amount_mu > data.reservoir_capacity_mu:
            stand.refill()
            refills += 1
        start_s = stand.next_input_s()
        stand.run_to_input(start_s)
        stand.pump.set_bolus(iu(amount_mu))
        until_s = start_s + max(wanted[-1] + _REST_S, _spread_s(amount_mu))
        stand.run_to(until_s + 1)
        seen, basal = stand.seconds(start_s, until_s), stand.fixed_basal_s(start_s, until_s)
        counts.append(len(seen) - len(basal))
        _judge(checks, number, seen, sorted([*wanted, *basal]), start_s)
    return BolusResult(amount_mu, data.pulse_mu, tuple(counts), refills)


def _judge(checks: CheckBook, number: int, seen: list[int], wanted: list[int], start_s: int) -> None:
    right = checks.expect(
        "bolus-amount", len(seen) == len(wanted), start_s + wanted[-1],
        message=f"bolus {number} brought {len(seen)} pulses, {len(wanted)} were programmed",
        expected=len(wanted), observed=len(seen),
    )  # fmt: skip
    if not right:
        return
    late = next((place for place, (is_s, due_s) in enumerate(zip(seen, wanted, strict=True)) if is_s != due_s), None)
    place = late or 0
    checks.expect(
        "bolus-speed", late is None, start_s + seen[place],
        message=f"pulse {place + 1} of bolus {number} came {seen[place]} s after its start, {wanted[place]} are right",
        expected=wanted[place], observed=seen[place],
    )  # fmt: skip
