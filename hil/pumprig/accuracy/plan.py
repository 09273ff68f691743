"""What is measured: the rates, the boluses and the profile that suit a pump (D-1405)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from pumplink.results import PumpData
from pumprig.devices.pump import PumpProfile
from pumprig.errors import UsageError
from pumpwire import numbers
from pumpwire.errors import ValueNotExact

__all__ = ["BOLUSES", "DAYS", "PROFILE", "Block", "Settings", "profile_for", "programmed_mu_s", "rates_for"]

BOLUSES = 25
"""Successive boluses at each setting (D-1403)."""
DAYS = 30
INTERMEDIATE_MU_PER_H = 1000
_MINUTES_PER_DAY = 1440
_SECONDS_PER_DAY = 86400

# Whole minutes and mU/h; none of the rates earns a whole number of pulses in its block.
PROFILE = ((185, 620), (175, 845), (115, 1275), (245, 955), (61, 1330), (299, 735), (157, 1115), (203, 805))


@dataclass(frozen=True)
class Settings:
    """What a measurement is asked for.

    Attributes:
        rates_mu_per_h: basal rates; the pump's own least, middle and greatest where none is named.
        days: length of the drift measurement.
        firmware: another firmware folder.
        pump: the kind of pump; None for the one that the firmware is by itself.
        jobs: measurements at a time.
    """

    rates_mu_per_h: tuple[int, ...] = ()
    days: int = DAYS
    firmware: Path | None = None
    pump: PumpProfile | None = None
    jobs: int = 2


@dataclass(frozen=True)
class Block:
    """A block of the basal profile: whole minutes, and what they give."""

    minutes: int
    rate_mu_per_h: int


def rates_for(
    pump: PumpData, asked_mu_per_h: Sequence[int] = (), profile: PumpProfile | None = None
) -> tuple[int, ...]:
    """The basal rates to measure at: least, intermediate and greatest of the pump (D-1405).

    Args:
        pump: what it says it is made of.
        asked_mu_per_h: the caller's own rates instead.
        profile: its kind, whose steps the rates are on.

    Raises:
        UsageError: a rate that the pump does not take, or that cannot be written.
    """
    least, limit = _least_mu_per_h(pump), pump.basal_rate_limit_mu_per_h
    if not pump.basal_adjustable:
        if asked_mu_per_h:
            raise UsageError("the basal of this pump cannot be adjusted", where="--rate", remedy="Leave it out.")
        return (pump.basal_fixed_mu_per_h,) if pump.basal_fixed_mu_per_h else ()
    for rate in asked_mu_per_h:
        problem = profile.basal_problem(Decimal(rate) / 1000) if profile is not None else ""
        if problem or not 0 < rate <= limit or not _writable(rate):
            raise UsageError(
                problem or f"{rate / 1000:g} U/h cannot be programmed", where="--rate",
                allowed=f"above 0 to {limit / 1000:g} U/h, in four digits that an SFLOAT holds",
            )  # fmt: skip
    if asked_mu_per_h:
        return tuple(sorted(set(asked_mu_per_h)))
    return tuple(sorted({_programmable(pump, rate, profile) for rate in (least, INTERMEDIATE_MU_PER_H, limit)}))


def _least_mu_per_h(pump: PumpData) -> int:
    # Below a pulse an hour an analysis of 25 h holds too few pulses to say anything.
    return min(max(pump.basal_min_mu_per_h, pump.pulse_mu), pump.basal_rate_limit_mu_per_h)


def _programmable(pump: PumpData, rate_mu_per_h: int, profile: PumpProfile | None) -> int:
    rate = min(max(rate_mu_per_h, _least_mu_per_h(pump)), pump.basal_rate_limit_mu_per_h)
    cut = profile.basal_cut if profile is not None else int
    rate = cut(rate)
    while rate and not _writable(rate):
        rate = cut(rate - 1)
    return rate


def _writable(rate_mu_per_h: int) -> bool:
    try:
        numbers.encode(numbers.SFLOAT, Decimal(rate_mu_per_h) / 1000)
    except ValueNotExact:
        return False
    return True


def profile_for(pump: PumpData, profile: PumpProfile | None = None) -> tuple[Block, ...]:
    """The profile of the drift measurement, as far as the pump can be set; none where it has no basal.

    Args:
        pump: what it says it is made of.
        profile: its kind, whose steps the rates are on.
    """
    if not pump.basal_adjustable:
        return (Block(_MINUTES_PER_DAY, pump.basal_fixed_mu_per_h),) if pump.basal_fixed_mu_per_h else ()
    return tuple(Block(minutes, _programmable(pump, rate, profile)) for minutes, rate in PROFILE)


def programmed_mu_s(profile: Sequence[Block], seconds: int) -> int:
    """What a profile gives from midnight on, in mU/h x s: 3600 of them are a milliunit.

    Args:
        profile: blocks of one day.
        seconds: since the midnight at which it began.
    """
    days, left_s = divmod(seconds, _SECONDS_PER_DAY)
    total = days * sum(60 * block.minutes * block.rate_mu_per_h for block in profile)
    for block in profile:
        within_s = min(left_s, 60 * block.minutes)
        total += within_s * block.rate_mu_per_h
        left_s -= within_s
    return total
