"""What a power cut leaves of a pump, and the second 0 of the restarted one (D-921 to D-928)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime

from pumprig.errors import UsageError
from pumprig.oracle.events import ReservoirChanged
from pumprig.oracle.machine import Given, Machine
from pumprig.oracle.terms import LOOPED, AnnunciationType, EndReason, PrimingReason, TherapyState

__all__ = ["SOURCES", "restart"]

SOURCES = ("basal", "bolus", "extended", "prime")
_LOST_CLOCK = datetime(2000, 1, 1)


def _kept(given: list[Given], counted: Mapping[str, int]) -> list[Given]:
    """The pulses that count: of each source so many of the first."""
    kept: Counter[str] = Counter()
    pulses = []
    for pulse in given:
        kept[pulse.source] += 1
        if kept[pulse.source] <= counted.get(pulse.source, 0):
            pulses.append(pulse)
    for source in counted:
        if source not in SOURCES or counted[source] > kept[source]:
            raise UsageError(
                f"{counted[source]} {source} pulses are counted", where="power cut", allowed=f"up to {kept[source]}"
            )
    return pulses


class _Aftermath:
    """What pulses brought about that the cut kept from being recorded (D-927)."""

    def __init__(self) -> None:
        self.steps_mu: list[int] = []
        self.low = False

    def count(self, pump: Machine, pulse: Given) -> None:
        """A pulse left and nothing of it was recorded.

        Raises:
            UsageError: it is of a bolus or a priming that was not durable itself, which D-923 and D-926 rule out.
        """
        known = (
            pump.delivery.priming is not None if pulse.source == "prime" else pulse.bolus_id in pump.delivery.boluses
        )
        if pulse.source != "basal" and not known:
            raise UsageError(
                f"{pulse.source} pulses count whose command is not among the records that are durable",
                where="power cut", allowed="pulses of what was answered before",
            )  # fmt: skip
        _count(pump, pulse, 1)
        step_mu, low = pump.take_from_reservoir()
        self.low |= low
        if step_mu is not None:
            self.steps_mu.append(step_mu)


def _count(pump: Machine, pulse: Given, pulses: int) -> None:
    delivery = pump.delivery
    bolus = delivery.boluses.get(pulse.bolus_id or 0)
    if bolus is not None:
        delivery.count_silently(pulse.source, bolus.parts[pulse.spread], pulses, active=bolus.active)
    else:
        delivery.count_silently(pulse.source, delivery.priming, pulses, active=delivery.priming is not None)
    if pulse.source != "prime":
        pump.count_insulin("basal" if pulse.source == "basal" else "bolus", pulses * pump.settings.pulse_mu)


def restart(
    durable: Machine, given: list[Given], counted: Mapping[str, int], doubt: str | None, ended_s: int
) -> Machine:
    """The restarted pump at its second 0.

    Args:
        durable: the machine with all that had been made durable but pulses; it is used up.
        given: all pulses of this life, in order.
        counted: how many of each source count (D-924, D-925).
        doubt: source of the pulse in doubt.
        ended_s: the last pump second that was made durable.
    """
    after = _Aftermath()
    kept = _kept(given, counted)
    left, told = set(kept), set(durable.given)
    for pulse in durable.given:
        if pulse not in left:
            # D-925: recorded for an answer, but the power took it before it left.
            _count(durable, pulse, -1)
            durable.reservoir_pulses += 1
    for pulse in kept:
        if pulse not in told:
            after.count(durable, pulse)
    pump = _second_0(durable, ended_s)
    _record(pump, after, doubt)
    return pump


def _second_0(old: Machine, ended_s: int) -> Machine:
    """A machine with what survives, and what ran still running; the reference time is recorded (D-921, D-922)."""
    pump = Machine(old.settings, _LOST_CLOCK, old.history.next_sequence)
    pump.history.groups[:0] = old.history.groups
    pump.controller, pump.guardrails = old.controller, old.guardrails
    pump.iob.configure(old.controller.dia_minutes, old.controller.peak_minutes)
    pump.templates, pump.max_bolus_mu, pump.last_bolus_id = old.templates, old.max_bolus_mu, old.last_bolus_id
    pump.reservoir_pulses, pump.reservoir_attached = old.reservoir_pulses, old.reservoir_attached
    pump.force = old.force
    pump.day, pump.day_mu, pump.shown_mu = old.day, old.day_mu, old.shown_mu
    pump.windows.begin(sum(old.day_mu.values()) // old.settings.pulse_mu)
    pump.elapsed_before_s = old.elapsed_before_s + ended_s
    pump.operation_before_s = old.operation_before_s + ended_s
    pump.pulses_in_doubt, pump.doubt_source = old.pulses_in_doubt, old.doubt_source
    pump.annunciations.take_over(old.annunciations)
    pump.therapy, pump.delivered_mu_per_h = old.therapy, old.delivered_mu_per_h
    pump.delivery = old.delivery
    pump.delivery.restart()
    # What ran began before second 0, on the clock of the restarted pump.
    for bolus in pump.delivery.active():
        bolus.programmed_s -= ended_s
        bolus.start_s -= ended_s
    if old.tbr is not None:
        pump.tbr = old.tbr
        pump.tbr.start_s -= ended_s
        pump.tbr.suspension = pump.tbr.automatic = False
    pump.loop.restart(old.loop)
    if pump.controller.controller in LOOPED:
        pump.loop.choose(pump, 0)
    pump.load_block(0)
    return pump


def _record(pump: Machine, after: _Aftermath, doubt: str | None) -> None:
    """What second 0 records beside the reference time, in the order of D-905 (D-922, D-924, D-927)."""
    pump.tell_unloaded(0)
    for step_mu in after.steps_mu:
        pump.history.add(ReservoirChanged, 0, "D-927", remaining_mu=step_mu)
    named = None
    if after.low:
        pump.annunciations.raise_one(AnnunciationType.RESERVOIR_LOW, 0, "D-927")
    if pump.reservoir_pulses == 0 and after.steps_mu:
        named = pump.annunciations.raise_one(AnnunciationType.RESERVOIR_EMPTY, 0, "D-927")
    if doubt is not None:
        named = pump.annunciations.raise_one(AnnunciationType.SYSTEM_ISSUE, 0, "D-924")
        pump.pulses_in_doubt, pump.doubt_source = pump.pulses_in_doubt + 1, doubt
    pump.annunciations.wake_all(0, "D-922")
    for bolus in pump.delivery.active():
        reason = EndReason.DELIVERED if bolus.complete else EndReason.ERROR_ABORT
        pump.end_bolus(0, bolus, reason, "D-922", named)
    if pump.therapy is not TherapyState.STOP:
        pump.stop(0, EndReason.ERROR_ABORT, "D-922", named)
    if pump.delivery.priming is not None:
        done = PrimingReason.REACHED if pump.delivery.priming.complete else PrimingReason.ERROR_ABORT
        pump.end_priming(0, done, "D-922", named)
