"""What a CGM sample does to the pump: one decision each (D-602 to D-615, D-1101)."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import floor

from pumprig.oracle import oref
from pumprig.oracle.carrying_out import Wanted, carry_out, end_held_tbr, wanted_of
from pumprig.oracle.detail import ExpectedDetail, detail_of
from pumprig.oracle.machine import Machine
from pumprig.oracle.plgs import Glucose, Prediction, Situation, decide, whole_glucose
from pumprig.oracle.terms import LOOPED, Action, AnnunciationType, Controller, Reason, TherapyState

__all__ = ["DECISION_IOB_MU_MAX", "ExpectedDecision", "allowance_s", "judge_sample"]

_FAILED = 1112
DECISION_IOB_MU_MAX = 32_767.0
"""Most insulin on board that a decision can show (D-704)."""


@dataclass(frozen=True, slots=True)
class ExpectedDecision:
    """The one decision that a sample must get (D-615).

    `sequence` counts from 1. `glucose_mg_dl` is 0 when the sample holds no usable number. `predicted` is exact and
    `predicted_mg_dl` what is displayed of it; both are None without a prediction. IOB is that of `at_s` (D-702, D-703),
    as far as a decision can show it (D-704). `detail` has the numbers behind it, those of another controller than oref
    being none (D-1110).
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
    detail: ExpectedDetail

    @property
    def iob_displayed_mu(self) -> int:
        """Whole mU, rounded down (D-704)."""
        return floor(self.iob_mu)


def allowance_s(pump: Machine) -> int:
    """Seconds that a suspension starting at the second reached may last (D-611)."""
    settings = pump.controller
    return pump.limiter.allowance_s(pump.now_s, 60 * settings.suspend_limit_minutes, 60 * settings.limit_window_minutes)


def judge_sample(
    pump: Machine,
    at_s: int,
    offset_minutes: int,
    glucose_mg_dl: Glucose,
    status_bits: int,
    own: Wanted | None = None,
) -> ExpectedDecision:
    """Let a sample take effect at the second reached and say what is decided.

    Args:
        pump: the machine, advanced to `at_s`.
        at_s: the pump second of effect.
        offset_minutes: time offset in the session.
        glucose_mg_dl: glucose; None for no measurement.
        status_bits: sensor status annunciation, bit 0 first.
        own: what an own controller, or any on a board with single-precision floats, decided; None for nothing.
    """
    pump.decisions = pump.decisions % 65_535 + 1
    pump.detail = ExpectedDetail(pump.decisions)
    glucose = whole_glucose(glucose_mg_dl)
    refused = pump.cgm.refusal(at_s, offset_minutes, glucose, status_bits, pump.stale_s)
    prediction = None
    if refused is not None or glucose is None:
        action, reason = Action.NONE, refused or Reason.INVALID_SAMPLE
    else:
        rising = pump.cgm.keep(offset_minutes, glucose)
        pump.loop.keep(pump, at_s, pump.cgm.measured_s(offset_minutes), glucose)
        prediction = pump.cgm.predict(pump.controller.horizon_minutes)
        if pump.controller.controller in LOOPED:
            action, reason = _looped(pump, at_s, own)
        else:
            action, reason = _suspending(pump, at_s, glucose, rising, prediction)
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
        detail=pump.detail,
    )


def _suspending(
    pump: Machine, at_s: int, glucose: int, rising: bool, prediction: Prediction | None
) -> tuple[Action, Reason]:
    """Manual and plgs (D-608 to D-615)."""
    situation = Situation(
        running=pump.therapy is TherapyState.RUN,
        glucose=glucose,
        rising=rising,
        prediction=prediction,
        suspended_for_s=at_s - pump.tbr.start_s if pump.tbr is not None and pump.tbr.suspension else None,
        locked_out=at_s < pump.lockout_end_s,
        allowance_s=allowance_s(pump),
    )
    action, reason = decide(pump.controller, situation)
    if action is Action.SUSPEND:
        pump.suspend(at_s, situation.allowance_s // 60)
    elif action is Action.RESUME:
        pump.end_automatic_tbr(at_s, "D-610")
    return action, reason


def _of_own(pump: Machine, at_s: int, inputs: oref.Inputs, wanted: Wanted) -> tuple[Action, Reason]:
    """What comes of an own controller's decision, or of its failure (D-1110, D-1112)."""
    if wanted.failed:
        pump.annunciations.raise_one(AnnunciationType.SYSTEM_ISSUE, at_s, "D-1112")
        pump.detail = ExpectedDetail(pump.decisions, _FAILED, guardrail=end_held_tbr(pump, at_s))
        return Action.NONE, Reason.CONTROLLER_RULE
    done = carry_out(pump, at_s, wanted)
    tbr = None if wanted.rate_mu_per_h is None else oref.WantedTbr(wanted.rate_mu_per_h / 1000, wanted.minutes)
    decision = oref.Decision(wanted.rule, tbr, wanted.small_bolus_mu / 1000)
    pump.detail = detail_of(pump.decisions, inputs, decision, done.guardrail)
    return done.action, Reason.CONTROLLER_RULE


def _beside(inputs: oref.Inputs, told: Wanted) -> oref.Decision:
    """What a board with single-precision floats decided, where it may differ (D-1111)."""
    tbr = None if told.rate_mu_per_h is None else oref.WantedTbr(told.rate_mu_per_h / 1000, told.minutes)
    return oref.decide_beside(inputs, told.rule, tbr, told.small_bolus_mu / 1000)


def _looped(pump: Machine, at_s: int, own: Wanted | None) -> tuple[Action, Reason]:
    """The closed loop (D-1101, D-1104)."""
    if pump.therapy is not TherapyState.RUN:
        return Action.NONE, Reason.NOT_RUNNING
    if not pump.loop.configured(pump):
        return Action.NONE, Reason.NOT_CONFIGURED
    if not pump.loop.iob_known(pump, at_s):
        return Action.NONE, Reason.IOB_UNKNOWN
    inputs = pump.loop.inputs(pump, at_s)
    if pump.controller.controller == Controller.OWN:
        loads = pump.settings.own_loads
        return _of_own(pump, at_s, inputs, own or Wanted() if loads else Wanted(failed=True))
    decision = oref.decide(inputs) if own is None or not own.single else _beside(inputs, own)
    done = carry_out(pump, at_s, wanted_of(decision))
    pump.detail = detail_of(pump.decisions, inputs, decision, done.guardrail)
    return done.action, Reason.CONTROLLER_RULE
