"""What is allowed of a TBR and of a bolus, whether a command or a template says it (D-301, D-307, D-401, D-412)."""

from __future__ import annotations

from decimal import Decimal

from pumprig.oracle.bolus import BolusPlan
from pumprig.oracle.commands import Expected
from pumprig.oracle.machine import Machine
from pumprig.oracle.replies import pulses_of, reply, scaled
from pumprig.oracle.templates import TbrPlan
from pumprig.oracle.terms import INVALID_OPERAND, OUT_OF_RANGE, BolusType, TbrType

__all__ = ["judge_bolus", "judge_tbr"]

_DAY_MINUTES = 1440
_FACTOR_MAX = 2500
_MINUTES_MAX = 720


def judge_tbr(pump: Machine, tbr_type: str, value: Decimal, duration_minutes: int) -> TbrPlan | Expected:
    """A TBR as D-301 allows it, or its refusal."""
    if tbr_type not in (TbrType.ABSOLUTE, TbrType.RELATIVE):
        return reply(INVALID_OPERAND, "D-301")
    limit = pump.settings.basal_limit_mu_per_h if tbr_type == TbrType.ABSOLUTE else _FACTOR_MAX
    parts = scaled(value)
    if parts is None or not 0 <= parts <= limit:
        above = parts is not None and parts > 0 and tbr_type == TbrType.ABSOLUTE
        return reply(OUT_OF_RANGE, "D-801" if above else "D-301")
    if not 1 <= duration_minutes <= _DAY_MINUTES:
        return reply(OUT_OF_RANGE, "D-301")
    return TbrPlan(TbrType(tbr_type), parts, duration_minutes)


def judge_bolus(
    pump: Machine,
    bolus_type: str,
    fast_iu: Decimal,
    extended_iu: Decimal,
    duration_minutes: int,
    delay_minutes: int | None,
    reasons: frozenset[str],
) -> BolusPlan | Expected:
    """A bolus as D-401 allows it, or its refusal."""
    fast_only, extended_only = bolus_type == BolusType.FAST, bolus_type == BolusType.EXTENDED
    if bolus_type not in (BolusType.FAST, BolusType.EXTENDED, BolusType.MULTIWAVE):
        return reply(INVALID_OPERAND, "D-401")
    if (fast_only and (extended_iu or duration_minutes)) or (extended_only and fast_iu):
        return reply(INVALID_OPERAND, "D-401")
    pulse_mu = pump.settings.pulse_mu
    fast = 0 if extended_only else pulses_of(fast_iu, pulse_mu, 1, pump.max_bolus_mu)
    extended = 0 if fast_only else pulses_of(extended_iu, pulse_mu, 1, pump.max_bolus_mu)
    if fast is None or extended is None or (fast + extended) * pulse_mu > pump.max_bolus_mu:
        amounts = [scaled(amount) or 0 for amount in (fast_iu, extended_iu)]
        return reply(OUT_OF_RANGE, "D-802" if sum(amounts) > pump.max_bolus_mu else "D-401")
    if not fast_only and not 1 <= duration_minutes <= _MINUTES_MAX:
        return reply(OUT_OF_RANGE, "D-401")
    if extended * pulse_mu > pump.settings.bolus_speed_mu_per_minute * duration_minutes:
        return reply(OUT_OF_RANGE, "D-401")
    if delay_minutes is not None and not 0 <= delay_minutes <= _MINUTES_MAX:
        return reply(OUT_OF_RANGE, "D-401")
    return BolusPlan(BolusType(bolus_type), fast, extended, duration_minutes, delay_minutes, frozenset(reasons))
