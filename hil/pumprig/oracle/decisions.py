"""What a CGM sample does to the pump: one decision each (D-602 to D-615)."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import floor

from pumprig.oracle.machine import Machine
from pumprig.oracle.plgs import Glucose, Situation, decide, whole_glucose
from pumprig.oracle.terms import Action, Reason, TherapyState

__all__ = ["DECISION_IOB_MU_MAX", "ExpectedDecision", "allowance_s", "judge_sample"]

DECISION_IOB_MU_MAX = 32_767.0
"""Most insulin on board that a decision can show (D-704)."""


@dataclass(frozen=True, slots=True)
class ExpectedDecision:
    """The one decision that a sample must get (D-615).

    `sequence` counts from 1. `glucose_mg_dl` is 0 when the sample holds no usable number. `predicted` is exact and
    `predicted_mg_dl` what is displayed of it; both are None without a prediction. IOB is that of `at_s` (D-702, D-703),
    as far as a decision can show it (D-704).
    """

    sequence: int
    offset_minutes: int
    at_s: int
    glucose_mg_dl: int
    predicted: Fraction | None
    predicted_mg_dl: int | None
    iob_mu: float
    iob_tolerance_mu: float
    action: Action
    reason: Reason

    @property
    def iob_displayed_mu(self) -> int:
        """Whole mU, rounded down (D-704)."""
        return floor(self.iob_mu)


def allowance_s(pump: Machine) -> int:
    """Seconds that a suspension starting at the second reached may last (D-611)."""
    settings = pump.controller
    return pump.limiter.allowance_s(pump.now_s, 60 * settings.suspend_limit_minutes, 60 * settings.limit_window_minutes)


def judge_sample(
    pump: Machine, at_s: int, offset_minutes: int, glucose_mg_dl: Glucose, status_bits: int
) -> ExpectedDecision:
    """Let a sample take effect at the second reached and say what is decided.

    Args:
        pump: the machine, advanced to `at_s`.
        at_s: the pump second of effect.
        offset_minutes: time offset in the session.
        glucose_mg_dl: glucose; None for no measurement.
        status_bits: sensor status annunciation, bit 0 first.
    """
    settings = pump.controller
    glucose = whole_glucose(glucose_mg_dl)
    refused = pump.cgm.refusal(at_s, offset_minutes, glucose, status_bits, pump.stale_s)
    prediction = None
    if refused is not None or glucose is None:
        action, reason = Action.NONE, refused or Reason.INVALID_SAMPLE
    else:
        rising = pump.cgm.keep(offset_minutes, glucose)
        prediction = pump.cgm.predict(settings.horizon_minutes)
        situation = Situation(
            running=pump.therapy is TherapyState.RUN,
            glucose=glucose,
            rising=rising,
            prediction=prediction,
            suspended_for_s=at_s - pump.tbr.start_s if pump.tbr is not None and pump.tbr.suspension else None,
            locked_out=at_s < pump.lockout_end_s,
            allowance_s=allowance_s(pump),
        )
        action, reason = decide(settings, situation)
        if action is Action.SUSPEND:
            pump.suspend(at_s, situation.allowance_s // 60)
        elif action is Action.RESUME:
            pump.end_suspension(at_s, "D-610")
    pump.decisions = pump.decisions % 65_535 + 1
    iob = pump.iob.at(at_s)
    return ExpectedDecision(
        sequence=pump.decisions,
        offset_minutes=offset_minutes,
        at_s=at_s,
        glucose_mg_dl=glucose or 0,
        predicted=None if prediction is None else prediction.exact,
        predicted_mg_dl=None if prediction is None else prediction.displayed,
        iob_mu=min(iob.mu, DECISION_IOB_MU_MAX),
        iob_tolerance_mu=iob.tolerance_mu,
        action=action,
        reason=reason,
    )
