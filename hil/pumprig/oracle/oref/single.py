"""What a board with single-precision floats may decide instead (D-1111)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from pumprig.oracle.oref.decide import Decision, decide
from pumprig.oracle.oref.inputs import Inputs, WantedTbr

__all__ = ["decide_beside"]

_OFF = 0.0005
_STEP, _STEP_FROM_10 = 0.05, 0.1
_HALF_HOUR = 30
_NOTHING_OFF = 1e-9

_GLUCOSE = ("mg_dl", "delta", "short", "long")
_MEAL = ("carbs", "cob", "slope_from_max", "slope_from_min")
_SETTINGS = (
    "basal", "basal_max", "basal_day_max", "iob_max", "isf", "carb_ratio", "low", "high", "delta_share",
)  # fmt: skip


def decide_beside(inputs: Inputs, rule: int, tbr: WantedTbr | None, small_bolus: float) -> Decision:
    """What section 14 decides, or what a pump has decided instead where D-1111 allows it.

    Args:
        inputs: what is decided on.
        rule, tbr, small_bolus: what the pump says that it decided; U/h, minutes and U.

    Returns:
        The pump's dose with the numbers that lead to it; the decision of doubles where the pump's is not allowed.
    """
    decision = decide(inputs)
    if _allows(inputs, decision, rule, tbr, small_bolus):
        return replace(decision, tbr=tbr, small_bolus=small_bolus)
    for moved in _moved(inputs):
        other = decide(moved)
        if _allows(inputs, other, rule, tbr, small_bolus):
            return replace(other, tbr=tbr, small_bolus=small_bolus)
    return decision


def _allows(inputs: Inputs, decision: Decision, rule: int, tbr: WantedTbr | None, small_bolus: float) -> bool:
    """Whether a dose is that of a decision to one step."""
    if decision.rule != rule or (decision.tbr is None) != (tbr is None):
        return False
    if abs(decision.small_bolus - small_bolus) > inputs.settings.bolus_increment + _NOTHING_OFF:
        return False
    if decision.tbr is None or tbr is None:
        return True
    # To cancel is another thing than to set, however short.
    if (decision.tbr.minutes == 0) != (tbr.minutes == 0) or abs(decision.tbr.minutes - tbr.minutes) > _HALF_HOUR:
        return False
    step = _STEP_FROM_10 if max(decision.tbr.rate, tbr.rate) >= 10 else _STEP
    return abs(decision.tbr.rate - tbr.rate) <= step + _NOTHING_OFF


def _moved(inputs: Inputs) -> Iterator[Inputs]:
    """The same with one of its numbers a little off, or all deltas, or all activities."""
    glucose, now, meal, settings = inputs.glucose, inputs.now, inputs.meal, inputs.settings
    for off in (-_OFF, _OFF):
        for name in _GLUCOSE:
            yield replace(inputs, glucose=replace(glucose, **{name: getattr(glucose, name) + off}))
        deltas = {name: getattr(glucose, name) + off for name in _GLUCOSE[1:]}
        yield replace(inputs, glucose=replace(glucose, **deltas))
        yield replace(inputs, now=replace(now, iob=now.iob + off))
        yield replace(inputs, now=replace(now, activity=now.activity * (1 + off)))
        yield replace(
            inputs,
            points=tuple(
                replace(
                    one, activity=one.activity * (1 + off), zero_temp_activity=one.zero_temp_activity * (1 + off)
                )
                for one in inputs.points
            ),
        )
        yield replace(inputs, tbr=replace(inputs.tbr, rate=inputs.tbr.rate + off))
        yield replace(inputs, autosens=inputs.autosens * (1 + off))
        for name in _MEAL:
            yield replace(inputs, meal=replace(meal, **{name: getattr(meal, name) + off}))
        for name in _SETTINGS:
            yield replace(inputs, settings=replace(settings, **{name: getattr(settings, name) * (1 + off)}))
