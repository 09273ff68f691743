"""What is allowed of a TBR and of a bolus, whether a command or a template says it.

D-109, D-301, D-307, D-401, D-412, and the guardrails of a client (D-1202, D-1203).
"""

from __future__ import annotations

from decimal import Decimal

from pumprig.oracle.bolus import BolusPlan
from pumprig.oracle.commands import Expected
from pumprig.oracle.guardrails import Guardrail, client_held
from pumprig.oracle.machine import Machine
from pumprig.oracle.replies import pulses_of, reply, scaled
from pumprig.oracle.settings import OracleSettings
from pumprig.oracle.steps import on_step
from pumprig.oracle.templates import TbrPlan
from pumprig.oracle.terms import INVALID_OPERAND, OUT_OF_RANGE, BolusType, TbrType

__all__ = ["amount_held", "judge_bolus", "judge_tbr", "rate_held", "rate_on_step"]

_MINUTES_MAX = 720


def judge_tbr(pump: Machine, tbr_type: str, value: Decimal, duration_minutes: int) -> TbrPlan | Expected:
    """A TBR as D-301 allows it, or its refusal."""
    settings = pump.settings
    offered = {TbrType.ABSOLUTE: settings.tbr_absolute, TbrType.RELATIVE: settings.tbr_relative}
    if tbr_type not in offered:
        return reply(INVALID_OPERAND, "D-301")
    kind = TbrType(tbr_type)
    if not offered[kind]:
        return reply(INVALID_OPERAND, "D-109")
    absolute, parts = kind is TbrType.ABSOLUTE, scaled(value)
    limit = settings.basal_limit_mu_per_h if absolute else settings.tbr_factor_max
    if parts is None or not 0 <= parts <= limit:
        above = parts is not None and parts > 0 and absolute
        return reply(OUT_OF_RANGE, "D-801" if above else "D-301")
    if not 1 <= duration_minutes <= settings.tbr_minutes_max:
        return reply(OUT_OF_RANGE, "D-301")
    if not (rate_on_step(settings, parts) if absolute else parts % settings.tbr_factor_step == 0):
        return reply(OUT_OF_RANGE, "D-109")
    if duration_minutes % settings.tbr_minutes_step:
        return reply(OUT_OF_RANGE, "D-109")
    return TbrPlan(kind, parts, duration_minutes)


def rate_on_step(settings: OracleSettings, rate_mu_per_h: int) -> bool:
    """Whether the pump can be set to a rate: none, or one on a step (D-109)."""
    return rate_mu_per_h == 0 or on_step(rate_mu_per_h, settings.basal_min_mu_per_h, settings.basal_steps)


def rate_held(pump: Machine, at_s: int, plan: TbrPlan) -> bool:
    """Whether guardrail 1 refuses what a client says of a TBR (D-1202)."""
    if plan.tbr_type is not TbrType.ABSOLUTE:
        return False
    return client_held(pump, at_s, Guardrail.BASAL, plan.value, pump.guardrails.basal_mu_per_h)


def amount_held(pump: Machine, at_s: int, pulses: int) -> bool:
    """Whether guardrail 2 refuses a client's amount (D-1203)."""
    return client_held(pump, at_s, Guardrail.BOLUS, pulses * pump.settings.pulse_mu, pump.guardrails.bolus_mu)


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
    settings = pump.settings
    for pulses in (fast, extended):
        if pulses and not on_step(pulses * pulse_mu, settings.bolus_least_mu, settings.bolus_amounts):
            return reply(OUT_OF_RANGE, "D-109")
    return BolusPlan(BolusType(bolus_type), fast, extended, duration_minutes, delay_minutes, frozenset(reasons))
