"""What a client's questions must be answered. Nothing here changes the pump."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pumprig.oracle import questions as q
from pumprig.oracle.bolus import Bolus
from pumprig.oracle.commands import Command, Expected
from pumprig.oracle.machine import Machine
from pumprig.oracle.replies import reply
from pumprig.oracle.templates import PROFILE_KINDS
from pumprig.oracle.terms import (
    INVALID_OPERAND,
    NOT_APPLICABLE,
    OUT_OF_RANGE,
    SUCCESS,
    BolusType,
    CounterType,
    Selection,
    TemplateKind,
    TherapyState,
)

__all__ = ["NO_DELAY_LEFT_MINUTES", "READOUTS"]

NO_DELAY_LEFT_MINUTES = 65_535
"""What the delay reads among the delivered values (D-415)."""

_TOTAL_MINUTES = {
    CounterType.LIFETIME: 2_102_400,
    CounterType.WARRANTY: 2_102_400,
    CounterType.LOANER: 259_200,
    CounterType.OPERATION_TIME: 10_080,
}


def _active_ids(pump: Machine, at_s: int, question: q.GetActiveBolusIds) -> Expected:
    return reply(SUCCESS, "D-411", bolus_ids=[bolus.bolus_id for bolus in pump.delivery.active()])


def _active_bolus(pump: Machine, at_s: int, question: q.GetActiveBolus) -> Expected:
    if question.selection not in {str(word) for word in Selection}:
        return reply(INVALID_OPERAND, "D-415")
    for bolus in pump.delivery.active():
        if bolus.bolus_id == question.bolus_id:
            values = _selected(bolus, Selection(question.selection), at_s, pump.settings.pulse_mu)
            return reply(
                SUCCESS,
                "D-415",
                bolus_id=bolus.bolus_id,
                bolus_type=bolus.plan.bolus_type,
                template=bolus.template,
                activation=bolus.activation,
                reasons=bolus.plan.reasons,
                **values,
            )
    return reply(NOT_APPLICABLE, "D-411")


def _selected(bolus: Bolus, selection: Selection, at_s: int, pulse_mu: int) -> dict[str, int | None]:
    plan = bolus.plan
    amounts = [part.pulses for part in bolus.parts]
    minutes, delay = plan.duration_minutes, plan.delay_minutes
    if selection is Selection.DELIVERED:
        amounts = [part.delivered for part in bolus.parts]
        minutes, delay = bolus.elapsed_minutes, NO_DELAY_LEFT_MINUTES
    elif selection is Selection.REMAINING:
        amounts = [part.pulses - part.delivered for part in bolus.parts]
        minutes, delay = bolus.remaining_minutes, bolus.remaining_delay_minutes(at_s)
    return {
        "fast_mu": amounts[0] * pulse_mu,
        "extended_mu": amounts[1] * pulse_mu,
        "duration_minutes": minutes,
        "delay_minutes": None if plan.delay_minutes is None else delay,
    }


def _active_basal(pump: Machine, at_s: int, question: q.GetActiveBasal) -> Expected:
    if pump.active_template == 0 or pump.therapy is TherapyState.STOP:
        return reply(NOT_APPLICABLE, "D-204")
    values: dict[str, Any] = {
        "template": pump.active_template,
        "profile_rate_mu_per_h": pump.profile_rate_mu_per_h,
        "tbr_type": None,
    }
    if pump.tbr is not None:
        values |= {
            "tbr_type": pump.tbr.tbr_type,
            "tbr_value": pump.tbr.value,
            "programmed_minutes": pump.tbr.programmed_minutes,
            "remaining_minutes": pump.tbr.remaining_minutes(at_s),
            "tbr_template": pump.tbr.template,
            "context": pump.tbr.context,
        }
    return reply(SUCCESS, "D-305", **values)


def _available(pump: Machine, at_s: int, question: q.GetAvailableBoluses) -> Expected:
    running = pump.therapy is TherapyState.RUN
    free = {str(kind): running and pump.delivery.place(kind) is None for kind in BolusType}
    return reply(SUCCESS, "D-403", **free)


def _counter(pump: Machine, at_s: int, question: q.GetCounter) -> Expected:
    known = {str(kind) for kind in CounterType}
    if question.counter not in known or question.selection not in ("remaining", "elapsed"):
        return reply(INVALID_OPERAND, "D-514")
    kind = CounterType(question.counter)
    operation = kind is CounterType.OPERATION_TIME
    elapsed = (at_s + (pump.operation_before_s if operation else pump.elapsed_before_s)) // 60
    minutes = elapsed if question.selection == "elapsed" else _TOTAL_MINUTES[kind] - elapsed
    return reply(SUCCESS, "D-514", minutes=minutes)


def _template_status(pump: Machine, at_s: int, question: q.GetTemplateStatus) -> Expected:
    return reply(SUCCESS, "D-204", types=pump.templates.status())


def _activated(pump: Machine, at_s: int, question: q.GetActivatedProfiles) -> Expected:
    return reply(SUCCESS, "D-910", numbers=tuple(sorted(pump.templates.activated.values())))


def _read_profile(pump: Machine, at_s: int, question: q.ReadProfile) -> Expected:
    kind = TemplateKind(question.kind)
    if kind not in PROFILE_KINDS or not pump.templates.is_one(kind, question.template):
        return reply(OUT_OF_RANGE, "D-910")
    profile = pump.templates.profiles.get(question.template)
    if profile is None:
        return reply(NOT_APPLICABLE, "D-204")
    return reply(SUCCESS, "D-910", blocks=profile.blocks)


def _tbr_template(pump: Machine, at_s: int, question: q.GetTbrTemplate) -> Expected:
    if not pump.templates.is_one(TemplateKind.TBR, question.number):
        return reply(OUT_OF_RANGE, "D-307")
    plan = pump.templates.tbrs.get(question.number)
    if plan is None:
        return reply(NOT_APPLICABLE, "D-307")
    return reply(
        SUCCESS,
        "D-307",
        number=question.number,
        tbr_type=plan.tbr_type,
        value=plan.value,
        duration_minutes=plan.duration_minutes,
    )


def _bolus_template(pump: Machine, at_s: int, question: q.GetBolusTemplate) -> Expected:
    if not pump.templates.is_one(TemplateKind.BOLUS, question.number):
        return reply(OUT_OF_RANGE, "D-412")
    plan = pump.templates.boluses.get(question.number)
    if plan is None:
        return reply(NOT_APPLICABLE, "D-412")
    return reply(
        SUCCESS,
        "D-412",
        number=question.number,
        bolus_type=plan.bolus_type,
        fast_mu=plan.fast * pump.settings.pulse_mu,
        extended_mu=plan.extended * pump.settings.pulse_mu,
        duration_minutes=plan.duration_minutes,
        delay_minutes=plan.delay_minutes,
        reasons=plan.reasons,
    )


READOUTS: dict[type[Command], Callable[[Machine, int, Any], Expected]] = {
    q.GetActiveBolusIds: _active_ids,
    q.GetActiveBolus: _active_bolus,
    q.GetActiveBasal: _active_basal,
    q.GetAvailableBoluses: _available,
    q.GetCounter: _counter,
    q.GetTemplateStatus: _template_status,
    q.GetActivatedProfiles: _activated,
    q.ReadProfile: _read_profile,
    q.GetTbrTemplate: _tbr_template,
    q.GetBolusTemplate: _bolus_template,
}
"""Answers by question."""
