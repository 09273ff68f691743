"""Basal accuracy at one rate: a day to settle, 25 h of analysis, every window at every position."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from pumprig.accuracy.plan import Block
from pumprig.accuracy.stand import Stand
from pumprig.accuracy.windows import (
    ANALYSIS_HOURS,
    STABILISATION_HOURS,
    WINDOWS_MINUTES,
    Window,
    flow_mu_per_h,
    windows_of,
)
from pumprig.checks import CheckBook

__all__ = ["START_UP_MINUTES", "BasalResult", "measure_basal", "moment", "words_of"]

START_UP_MINUTES = 30
_HOUR_S = 3600
_MINUTES_PER_DAY = 1440


@dataclass(frozen=True)
class BasalResult:
    """What the motor did at one basal rate.

    Args:
        rate_mu_per_h: as programmed.
        pulse_mu: the pulse size.
        windows: of the trumpet curve, shortest first.
        whole: the analysis as a single window: the overall error A.
        start_up_mu_per_h: what was delivered in the first 24 h, as a rate, every START_UP_MINUTES.
        pulses: in the analysis.
    """

    rate_mu_per_h: int
    pulse_mu: int
    windows: tuple[Window, ...]
    whole: Window
    start_up_mu_per_h: tuple[Fraction, ...]
    pulses: int

    @property
    def overall_percent(self) -> Fraction:
        """The overall error A (D-1401)."""
        return self.whole.error_percent_max


def measure_basal(stand: Stand, checks: CheckBook, rate_mu_per_h: int) -> BasalResult:
    """Deliver at one rate and count.

    Args:
        stand: a fresh pump.
        checks: where each window is judged.
        rate_mu_per_h: above 0.

    Raises:
        Stopped: see `Stand.run_to`.
        PumpLinkError: the pump refused a command, or is gone.
    """
    start_s = stand.begin([Block(_MINUTES_PER_DAY, rate_mu_per_h)])
    for hour in range(1, STABILISATION_HOURS + ANALYSIS_HOURS + 1):
        stand.run_to(start_s + hour * _HOUR_S)
        if stand.used_mu() > stand.data.reservoir_capacity_mu // 2:
            stand.top_up()
    # A pulse of the last second has left by its end.
    from_s, until_s = STABILISATION_HOURS * _HOUR_S, (STABILISATION_HOURS + ANALYSIS_HOURS) * _HOUR_S
    stand.run_to(start_s + until_s + 1)
    seen = stand.seconds(start_s, start_s + until_s)
    pulse_mu = stand.data.pulse_mu
    *windows, whole = windows_of(
        seen, rate_mu_per_h, pulse_mu, from_s=from_s, until_s=until_s, minutes=(*WINDOWS_MINUTES, 60 * ANALYSIS_HOURS)
    )
    for window in (*windows, whole):
        _judge(checks, window, rate_mu_per_h, start_s)
    start_up = flow_mu_per_h(seen, pulse_mu, from_s=0, until_s=from_s, minutes=START_UP_MINUTES)
    return BasalResult(
        rate_mu_per_h, pulse_mu, tuple(windows), whole, tuple(start_up), sum(second > from_s for second in seen)
    )


def _judge(checks: CheckBook, window: Window, rate_mu_per_h: int, start_s: int) -> None:
    least, most = window.pulses_min, window.pulses_max
    worst = window.least if window.least.pulses < least else window.greatest
    expected = words_of(least, most)
    checks.expect(
        "window", not window.outside, start_s + worst.from_s + 60 * window.minutes,
        message=(
            f"{rate_mu_per_h / 1000:g} U/h: {worst.pulses} pulses in the {window.minutes} min from "
            f"{moment(worst.from_s)}, {expected} are right ({window.outside:,} of {window.positions:,} positions)"
        ),
        expected=expected, observed=worst.pulses,
    )  # fmt: skip


def words_of(least: int, most: int) -> str:
    """The pulses that are right: one number, or two."""
    return f"{least}" if least == most else f"{least} or {most}"


def moment(second: int) -> str:
    """A second since delivery began, as h:mm:ss."""
    return f"{second // 3600}:{second // 60 % 60:02d}:{second % 60:02d}"
