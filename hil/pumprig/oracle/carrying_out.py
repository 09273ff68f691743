"""What comes of a controller's decision: the one place between what is decided and what the pump does (D-1104, D-1105).

Steps and guardrails stand in `pumprig.oracle.guardrails`; nothing automatic goes past them.
"""

from __future__ import annotations

from dataclasses import dataclass

from pumprig.oracle.bolus import BolusPlan
from pumprig.oracle.guardrails import Held, automatic_bolus, automatic_tbr, tbr_on_iob_held, whole_bolus_mu
from pumprig.oracle.machine import Machine
from pumprig.oracle.oref import Decision
from pumprig.oracle.oref.numbers import rounded
from pumprig.oracle.templates import TbrPlan
from pumprig.oracle.terms import Action, Activation, BolusType, Context, EndReason, TbrType

__all__ = ["Done", "Wanted", "carry_out", "end_held_tbr", "wanted_of"]


@dataclass(frozen=True)
class Wanted:
    """What a controller decided, in mU and minutes; a rate of None leaves all as it is, 0 minutes cancel.

    An own controller has rule numbers of its own, and may have `failed` to decide (D-1112). `single` says that it was
    decided on a board with single-precision floats (D-1111).
    """

    rate_mu_per_h: int | None = None
    minutes: int = 0
    small_bolus_mu: int = 0
    rule: int = 0
    failed: bool = False
    single: bool = False


def wanted_of(decision: Decision) -> Wanted:
    """A decision of section 14 in whole mU/h and mU, halves upward (D-1104, D-1105)."""
    small_bolus_mu = int(rounded(1000 * decision.small_bolus))
    if decision.tbr is None:
        return Wanted(small_bolus_mu=small_bolus_mu)
    return Wanted(int(rounded(1000 * decision.tbr.rate)), int(decision.tbr.minutes), small_bolus_mu)


@dataclass(frozen=True)
class Done:
    """What was done, and the guardrail that limited it, 0 for none."""

    action: Action
    guardrail: int


def carry_out(pump: Machine, at_s: int, wanted: Wanted) -> Done:
    """Set, change or cancel a TBR and give a small bolus, as far as the pump and its guardrails allow it.

    Args:
        pump: the machine in Run, advanced to `at_s`.
        at_s: the second of the decision.
        wanted: what was decided.
    """
    action, tbr_held = _tbr(pump, at_s, wanted)
    bolus_held = _bolus(pump, at_s, wanted.small_bolus_mu)
    return Done(action, tbr_held or bolus_held)


def _tbr(pump: Machine, at_s: int, wanted: Wanted) -> tuple[Action, int]:
    """D-1104."""
    if wanted.rate_mu_per_h is None:
        held = end_held_tbr(pump, at_s)
        return Action.CANCEL_TBR if held else Action.KEEP, held
    if wanted.minutes == 0:
        if pump.tbr is None:
            return Action.KEEP, 0
        pump.end_tbr(at_s, EndReason.CANCELED, "D-1104")
        return Action.CANCEL_TBR, 0
    allowed = automatic_tbr(pump, at_s, wanted.rate_mu_per_h, wanted.minutes)
    if not allowed.allowed:
        # D-1204: what a controller may not raise does not go on either.
        ended = pump.end_automatic_tbr(at_s, "D-1204")
        return Action.CANCEL_TBR if ended else Action.KEEP, allowed.guardrail
    plan = TbrPlan(TbrType.ABSOLUTE, allowed.rate_mu_per_h, allowed.minutes)
    if pump.tbr is not None and pump.tbr.automatic:
        pump.change_tbr(at_s, plan, Context.AP_CONTROLLER, automatic=True)
    else:
        pump.start_tbr(at_s, plan, Context.AP_CONTROLLER, automatic=True)
    return Action.SET_TBR, allowed.guardrail


def end_held_tbr(pump: Machine, at_s: int) -> int:
    """End a running TBR of the controller's own when IOB lets it go on no longer; the guardrail, 0 for none (D-1204).

    Args:
        pump: the machine in Run, advanced to `at_s`.
        at_s: the second of a decision that sets and cancels nothing.
    """
    tbr = pump.tbr
    if tbr is None or not tbr.automatic:
        return 0
    held = tbr_on_iob_held(pump, at_s, pump.tbr_rate_mu_per_h(tbr.tbr_type, tbr.value), Held.RUNNING_TBR)
    if held:
        pump.end_automatic_tbr(at_s, "D-1204")
    return held


def _bolus(pump: Machine, at_s: int, amount_mu: int) -> int:
    """D-1105."""
    whole_mu = whole_bolus_mu(pump, amount_mu)
    pulses = whole_mu // pump.settings.pulse_mu
    if pulses == 0 or pump.delivery.place(BolusType.FAST) is not None or whole_mu > pump.max_bolus_mu:
        return 0
    if pulses > pump.reservoir_pulses - pump.delivery.bolus_missing:
        return 0
    allowed = automatic_bolus(pump, at_s, whole_mu)
    if allowed.pulses:
        pump.last_automatic_bolus_s = at_s
        pump.start_bolus(at_s, BolusPlan(BolusType.FAST, allowed.pulses, 0, 0), activation=Activation.COMMANDED)
    return allowed.guardrail
