"""Guardrails: what nobody passes, whoever asks (D-1201 to D-1208).

A client is refused, a controller is cut down or gets nothing, and either is recorded. Every function here that returns
a guardrail's number has recorded it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, IntEnum
from fractions import Fraction
from math import floor
from typing import TYPE_CHECKING

from pumprig.oracle.events import GuardrailHeld
from pumprig.oracle.steps import cut_down

if TYPE_CHECKING:
    from pumprig.oracle.iob import Iob
    from pumprig.oracle.machine import Machine

__all__ = [
    "CLIENT",
    "CONTROLLER",
    "DEVICE",
    "AutomaticBolus",
    "AutomaticTbr",
    "Guardrail",
    "Heard",
    "Held",
    "Windows",
    "automatic_bolus",
    "automatic_tbr",
    "bolus_total_held",
    "client_held",
    "pulse_held",
    "tbr_on_iob_held",
    "whole_bolus_mu",
]

CLIENT, CONTROLLER, DEVICE = "client", "controller", "device"
Heard = Callable[["Held"], bool | None]
"""Whether the pump held something for its insulin on board; None where nobody knows."""
_HOUR_MINUTES = 60
_DAY_HOURS = 24


class Guardrail(IntEnum):
    """Their numbers; 0 is none."""

    NONE = 0
    BASAL = 1
    BOLUS = 2
    IOB = 3
    HOUR = 4
    DAY = 5
    INTERVAL = 6
    STALE = 7
    DECISION = 8


class Held(Enum):
    """What guardrail 3 may hold: a command, or of a decision the TBR, the one that goes on, or the small bolus."""

    COMMAND = "command"
    TBR = "TBR"
    RUNNING_TBR = "running TBR"
    BOLUS = "bolus"


_RULES = {
    Guardrail.BASAL: "D-1202",
    Guardrail.BOLUS: "D-1203",
    Guardrail.IOB: "D-1204",
    Guardrail.HOUR: "D-1205",
    Guardrail.DAY: "D-1205",
    Guardrail.INTERVAL: "D-1206",
    Guardrail.STALE: "D-1207",
    Guardrail.DECISION: "D-1208",
}


class Windows:
    """Pulses delivered in the last 60 pump minutes and the last 24 pump hours (D-1205)."""

    def __init__(self) -> None:
        self._minutes: deque[tuple[int, int]] = deque()
        self._hours: deque[tuple[int, int]] = deque()

    def add(self, at_s: int) -> None:
        """Count a pulse of a pump second."""
        _count(self._minutes, at_s // 60, 1)
        _count(self._hours, at_s // 3600, 1)

    def begin(self, pulses: int) -> None:
        """After a restart: the hour is empty, and the newest hour holds the total of the day (D-928)."""
        self._minutes.clear()
        self._hours.clear()
        _count(self._hours, 0, pulses)

    def hour(self, at_s: int) -> int:
        """Pulses of the pump minute of a second and the 59 before it."""
        return _sum(self._minutes, at_s // 60 - _HOUR_MINUTES)

    def day(self, at_s: int) -> int:
        """Pulses of the pump hour of a second and the 23 before it."""
        return _sum(self._hours, at_s // 3600 - _DAY_HOURS)


def _count(counts: deque[tuple[int, int]], number: int, pulses: int) -> None:
    if counts and counts[-1][0] == number:
        pulses += counts.pop()[1]
    counts.append((number, pulses))


def _sum(counts: deque[tuple[int, int]], over: int) -> int:
    while counts and counts[0][0] <= over:
        counts.popleft()
    return sum(pulses for _, pulses in counts)


def _held(
    pump: Machine, at_s: int, guardrail: Guardrail, asked_by: str, asked: int, allowed: int, doubt_mu: float = 0.0
) -> Guardrail:
    pump.history.add(
        GuardrailHeld,
        at_s,
        _RULES[guardrail],
        guardrail=guardrail.value,
        asked_by=asked_by,
        asked=asked,
        allowed=allowed,
        doubt_mu=doubt_mu,
    )
    return guardrail


def client_held(pump: Machine, at_s: int, guardrail: Guardrail, asked: int, allowed: int) -> bool:
    """Whether a client's value lies above a guardrail (1, 2, 3, 7), which is recorded then."""
    if asked <= allowed:
        return False
    _held(pump, at_s, guardrail, CLIENT, asked, allowed)
    return True


# --- what the body and the windows hold ---


@dataclass(frozen=True)
class _Asked:
    """One guardrail's total that would be reached, and what it allows."""

    guardrail: Guardrail
    total: Fraction
    allowed: int
    doubt_mu: float = 0.0


def _above_iob(pump: Machine, held: Held, total: Fraction, iob: Iob) -> bool:
    """Whether a total lies above guardrail 3; the pump's answer where both are right (D-1204)."""
    allowed = pump.guardrails.iob_mu
    # Without any insulin at work there is nothing to differ about.
    if iob.mu and abs(total - allowed) <= iob.tolerance_mu and pump.heard is not None:
        told = pump.heard(held)
        if told is not None:
            return told
    return total > allowed


def _first_above(pump: Machine, at_s: int, amount_mu: int, held: Held) -> _Asked | None:
    """The first of IOB, hour and day that a bolus would bring above what it allows (D-1204, D-1205)."""
    pulse_mu, rails = pump.settings.pulse_mu, pump.guardrails
    coming_mu = pump.delivery.bolus_missing * pulse_mu + amount_mu
    iob = pump.iob.at(at_s)
    total = Fraction(iob.mu) + coming_mu
    if _above_iob(pump, held, total, iob):
        return _Asked(Guardrail.IOB, total, rails.iob_mu, iob.tolerance_mu)
    windows = (
        _Asked(Guardrail.HOUR, Fraction(pump.windows.hour(at_s) * pulse_mu + coming_mu), rails.hour_mu),
        _Asked(Guardrail.DAY, Fraction(pump.windows.day(at_s) * pulse_mu + coming_mu), rails.day_mu),
    )
    return next((asked for asked in windows if asked.total > asked.allowed), None)


def _total_held(pump: Machine, at_s: int, asked_by: str, asked: _Asked) -> Guardrail:
    return _held(pump, at_s, asked.guardrail, asked_by, floor(asked.total), asked.allowed, asked.doubt_mu)


def bolus_total_held(pump: Machine, at_s: int, amount_mu: int) -> Guardrail:
    """Which of IOB, hour and day forbids a client's bolus of so many mU, 0 for none (D-1204, D-1205)."""
    asked = _first_above(pump, at_s, amount_mu, Held.COMMAND)
    return Guardrail.NONE if asked is None else _total_held(pump, at_s, CLIENT, asked)


def tbr_on_iob_held(
    pump: Machine, at_s: int, rate_mu_per_h: int, held: Held, *, unrecorded: bool = False
) -> Guardrail:
    """Whether IOB forbids a TBR of a rate above the profile's, which is recorded unless told otherwise (D-1204)."""
    if rate_mu_per_h <= pump.profile_rate_mu_per_h:
        return Guardrail.NONE
    iob = pump.iob.at(at_s)
    if not _above_iob(pump, held, Fraction(iob.mu), iob):
        return Guardrail.NONE
    if unrecorded:
        return Guardrail.IOB
    asked_by = CLIENT if held is Held.COMMAND else CONTROLLER
    return _held(pump, at_s, Guardrail.IOB, asked_by, floor(iob.mu), pump.guardrails.iob_mu, iob.tolerance_mu)


def pulse_held(pump: Machine, at_s: int) -> Guardrail:
    """Which window a pulse that is due now would bring above its limit (D-1205)."""
    pulse_mu, rails = pump.settings.pulse_mu, pump.guardrails
    for guardrail, pulses, allowed in (
        (Guardrail.HOUR, pump.windows.hour(at_s), rails.hour_mu),
        (Guardrail.DAY, pump.windows.day(at_s), rails.day_mu),
    ):
        if (pulses + 1) * pulse_mu > allowed:
            return _held(pump, at_s, guardrail, DEVICE, (pulses + 1) * pulse_mu, allowed)
    return Guardrail.NONE


# --- what a controller asks for ---


@dataclass(frozen=True)
class AutomaticTbr:
    """A controller's TBR as steps and guardrails leave it; without `allowed` none is set."""

    rate_mu_per_h: int
    minutes: int
    allowed: bool
    guardrail: Guardrail


@dataclass(frozen=True)
class AutomaticBolus:
    """A controller's bolus as steps and guardrails leave it: 0 pulses are none."""

    pulses: int
    guardrail: Guardrail


def automatic_tbr(pump: Machine, at_s: int, rate_mu_per_h: int, minutes: int) -> AutomaticTbr:
    """Cut a controller's TBR down to steps and guardrails; the first guardrail that held is recorded.

    Args:
        pump: the machine, advanced to `at_s`.
        at_s: the pump second of effect.
        rate_mu_per_h: the rate decided.
        minutes: the duration decided.
    """
    settings, rails, held = pump.settings, pump.guardrails, Guardrail.NONE
    least, steps = settings.basal_min_mu_per_h, settings.basal_steps
    rate = cut_down(min(rate_mu_per_h, settings.basal_limit_mu_per_h, rails.basal_mu_per_h), least, steps)
    if rate_mu_per_h > rails.basal_mu_per_h:
        held = _held(pump, at_s, Guardrail.BASAL, CONTROLLER, rate_mu_per_h, rails.basal_mu_per_h)
    on_iob = tbr_on_iob_held(pump, at_s, rate, Held.TBR, unrecorded=bool(held))
    if on_iob:
        return AutomaticTbr(rate, minutes, False, held or on_iob)
    if minutes > rails.decision_minutes:
        held = held or _held(pump, at_s, Guardrail.DECISION, CONTROLLER, minutes, rails.decision_minutes)
        minutes = rails.decision_minutes
    return AutomaticTbr(rate, minutes, True, held)


def automatic_bolus(pump: Machine, at_s: int, amount_mu: int) -> AutomaticBolus:
    """Cut a controller's bolus down to its guardrail, or forbid it; the first guardrail that held is recorded.

    Args:
        pump: the machine, advanced to `at_s`.
        at_s: the pump second of effect.
        amount_mu: the amount decided, for which place and reservoir are there; it is cut down to a step.
    """
    settings, rails, held = pump.settings, pump.guardrails, Guardrail.NONE
    amount_mu = whole_bolus_mu(pump, amount_mu)
    if not amount_mu:
        return AutomaticBolus(0, held)
    if amount_mu > rails.bolus_mu:
        held = _held(pump, at_s, Guardrail.BOLUS, CONTROLLER, amount_mu, rails.bolus_mu)
        amount_mu = whole_bolus_mu(pump, rails.bolus_mu)
    asked = _first_above(pump, at_s, amount_mu, Held.BOLUS)
    if asked is not None:
        return AutomaticBolus(0, held or _total_held(pump, at_s, CONTROLLER, asked))
    last_s = pump.last_automatic_bolus_s
    if last_s is not None and at_s - last_s < 60 * rails.interval_minutes:
        since_minutes = (at_s - last_s) // 60
        held = held or _held(pump, at_s, Guardrail.INTERVAL, CONTROLLER, since_minutes, rails.interval_minutes)
        return AutomaticBolus(0, held)
    return AutomaticBolus(amount_mu // settings.pulse_mu, held)


def whole_bolus_mu(pump: Machine, amount_mu: int) -> int:
    """The greatest amount that is no greater, on a step and of whole pulses (D-109)."""
    settings = pump.settings
    while amount_mu > 0:
        amount_mu = cut_down(amount_mu, settings.bolus_least_mu, settings.bolus_amounts)
        rest = amount_mu % settings.pulse_mu
        if not rest:
            return amount_mu
        amount_mu -= rest
    return 0
