"""What a board with single-precision floats may decide instead (D-1111)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from pumprig.oracle.oref.aim import Aim, aim_of
from pumprig.oracle.oref.decide import Decision, decide
from pumprig.oracle.oref.inputs import Inputs, WantedTbr
from pumprig.oracle.oref.numbers import rounded

__all__ = ["decide_beside"]

_OFF = 0.0005

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
        The decision with the pump's dose and the numbers that lead to it, of doubles where there is none such.
    """
    decision = decide(inputs)
    if _is_dose(decision, rule, tbr, small_bolus):
        return decision
    for moved, aim in _moved(inputs, aim_of(inputs)):
        other = decide(moved, aim)
        if _is_dose(other, rule, tbr, small_bolus):
            return other
    return decision


def _is_dose(decision: Decision, rule: int, tbr: WantedTbr | None, small_bolus: float) -> bool:
    """Whether a dose is that of a decision, in the thousandths in which it is told."""
    if decision.rule != rule or rounded(decision.small_bolus, 3) != rounded(small_bolus, 3):
        return False
    if decision.tbr is None or tbr is None:
        return decision.tbr is tbr
    return decision.tbr.minutes == tbr.minutes and rounded(decision.tbr.rate, 3) == rounded(tbr.rate, 3)


def _moved(inputs: Inputs, aim: Aim) -> Iterator[tuple[Inputs, Aim | None]]:
    """The same with one of its numbers a little off, or all deltas, or all activities; with an aim where that is."""
    for one in _moved_inputs(inputs):
        yield one, None
    # These were rounded, so that moving what they come of may not reach them.
    for off in (-_OFF, _OFF):
        yield inputs, replace(aim, basal=aim.basal * (1 + off))
        yield inputs, replace(aim, isf=aim.isf * (1 + off))


def _moved_inputs(inputs: Inputs) -> Iterator[Inputs]:
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
