"""Why a cell of the matrix is what it is, in a sentence made from the devices' numbers and from what happened."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pumprig.devices.cgm import CgmProfile
from pumprig.devices.pump import PumpProfile
from pumprig.oracle.settings import PREDICTION_SAMPLES, PREDICTION_WINDOW_MINUTES

__all__ = ["why_of"]


def why_of(
    pump: PumpProfile, cgm: CgmProfile, numbers: dict[str, Any], suspends: Sequence[dict[str, Any]], start_s: int
) -> str:
    """The sentence.

    Args:
        pump, cgm: the devices.
        numbers: those of the cell.
        suspends: the decisions that suspended.
        start_s: pump second of the first sample.
    """
    if not cgm.dosing.value:
        return (
            f"{cgm.title} is for monitoring only, so therapy is never started: {numbers['samples']} samples, and any "
            "pulse would be a FAIL (D-1301)."
        )
    if not pump.basal_adjustable.value:
        return f"{_no_basal(pump)}, so no automatic decision can act: the sensor changes nothing."
    if numbers["controller"] == "manual":
        return f"The controller is manual: {pump.title} gives its profile{_cut(pump)}, whatever the sensor says."
    if numbers["controller"] == "oref":
        return _loop(pump, numbers)
    return f"{_sensor(cgm)}; {_first(suspends, start_s)}{_pump(pump)}."


def _no_basal(pump: PumpProfile) -> str:
    fixed = pump.basal_fixed_mu_per_h
    if fixed is None or not fixed.value:
        return f"{pump.title} has no basal, only boluses of {pump.bolus_least_mu.value / 1000:g} U steps"
    return f"{pump.title} has a fixed basal of {fixed.value / 1000:g} U/h"


def _sensor(cgm: CgmProfile) -> str:
    interval = cgm.interval_minutes.value
    held = PREDICTION_WINDOW_MINUTES // interval + 1
    if held < PREDICTION_SAMPLES:
        return (
            f"A reading in {interval} min never gives plgs {PREDICTION_SAMPLES} in {PREDICTION_WINDOW_MINUTES} min, so "
            "it cannot predict, and only a low now suspends"
        )
    kept = cgm.backfill_minutes.value
    gap = "fetched after the connection's loss" if kept else "with a gap where the connection was lost"
    return f"plgs fits {held} readings, {gap}"


def _first(suspends: Sequence[dict[str, Any]], start_s: int) -> str:
    if not suspends:
        return "nothing was low enough to suspend"
    first = suspends[0]
    second = first["at_s"] - start_s
    at = f"{second // 3600:02d}:{second // 60 % 60:02d}"
    seen = f"at {first['glucose_mg_dl']} mg/dL"
    if first.get("predicted_mg_dl") is not None and "predicted" in str(first["reason"]):
        seen += f", foreseeing {first['predicted_mg_dl']}"
    more = f", {len(suspends)} times in all" if len(suspends) > 1 else ""
    return f"it suspends first at {at} {seen}{more}"


def _loop(pump: PumpProfile, numbers: dict[str, Any]) -> str:
    given = f"{numbers['small_boluses']} small boluses, {float(numbers['small_bolus_iu']):g} U"
    rates, amounts = (min(step for _, step in steps) / 1000 for steps in (pump.basal_steps, pump.bolus_steps))
    return (
        f"oref decides on each of {numbers['samples']} samples and gives {given}: rates are cut down to {rates:g} U/h, "
        f"amounts to {amounts:g} U or the pump's step there."
    )


def _pump(pump: PumpProfile) -> str:
    return f"; {pump.title} counts in pulses of {pump.pulse_mu.value / 1000:g} U{_cut(pump)}"


# The rate of the usual profile that tells steps apart.
def _cut(pump: PumpProfile) -> str:
    cut = pump.basal_cut(1050)
    return f" and cuts 1.05 U/h down to {cut / 1000:g}" if cut != 1050 else ""
