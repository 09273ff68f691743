"""Drift over weeks: at the end of every day the pulses since the start against what the profile gave."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pumprig.accuracy.plan import Block, programmed_mu_s
from pumprig.accuracy.stand import Stand
from pumprig.checks import CheckBook

__all__ = ["DriftResult", "EndOfDay", "measure_drift"]

_HOUR_S = 3600
_DAY_S = 24 * _HOUR_S


@dataclass(frozen=True)
class EndOfDay:
    """The pulses since delivery began, at the end of a day.

    Args:
        day: from 1.
        pulses: seen at the motor.
        due: those of the profile (D-1404).
        programmed_mu_s: what it gave so far, in mU/h x s.
    """

    day: int
    pulses: int
    due: int
    programmed_mu_s: int


@dataclass(frozen=True)
class DriftResult:
    """Days of basal with a profile of several blocks.

    Args:
        profile: its blocks.
        pulse_mu: the pulse size.
        days: the end of each.
    """

    profile: tuple[Block, ...]
    pulse_mu: int
    days: tuple[EndOfDay, ...]

    @property
    def pulses_off(self) -> int:
        """How far the pulses are off at the last day's end; 0 is right."""
        return self.days[-1].pulses - self.days[-1].due


def measure_drift(stand: Stand, checks: CheckBook, profile: Sequence[Block], days: int) -> DriftResult:
    """Deliver a profile day after day, beginning at midnight.

    Args:
        stand: a fresh pump.
        checks: where the end of each day is judged.
        profile: blocks of one day.
        days: how many.

    Raises:
        Stopped: see `Stand.run_to`.
        PumpLinkError: the pump refused a command, or is gone.
    """
    full = _HOUR_S * stand.data.pulse_mu
    start_s = stand.begin(profile)
    ends: list[EndOfDay] = []
    for day in range(1, days + 1):
        for hour in range(24 * day - 23, 24 * day + 1):
            stand.run_to(start_s + hour * _HOUR_S)
            if stand.used_mu() > stand.data.reservoir_capacity_mu // 2:
                stand.top_up()
        end_s = start_s + day * _DAY_S
        stand.run_to_input(end_s + 1)
        counted = stand.pump.pulse_counters().basal
        stand.run_to(end_s + 2)
        programmed = programmed_mu_s(profile, day * _DAY_S)
        ends.append(EndOfDay(day, stand.counted(start_s, end_s), programmed // full, programmed))
        _judge(checks, ends[-1], end_s)
        # The answer tells the state at the second that follows (D-002).
        seen = stand.counted(0, end_s + 1)
        checks.expect(
            "counters", counted == seen, end_s + 1,
            message=f"after {day} days the pump counts {counted:,} basal pulses, its motor made {seen:,}",
            expected=seen, observed=counted,
        )  # fmt: skip
    return DriftResult(tuple(profile), stand.data.pulse_mu, tuple(ends))


def _judge(checks: CheckBook, end: EndOfDay, end_s: int) -> None:
    checks.expect(
        "drift", end.pulses == end.due, end_s,
        message=(
            f"at the end of day {end.day} the motor had made {end.pulses:,} pulses, {end.due:,} were programmed: "
            f"{end.pulses - end.due:+d}"
        ),
        expected=end.due, observed=end.pulses,
    )  # fmt: skip
