"""What a command must be answered, and what it does when accepted. Refusals are judged in the order given here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

from pumprig.errors import UsageError
from pumprig.oracle import commands as c
from pumprig.oracle import questions as q
from pumprig.oracle.bolus import BolusPlan
from pumprig.oracle.commands import Command, Expected
from pumprig.oracle.events import BolusCalculated, CarbsAnnounced, MaxBolusChanged, SettingsWritten
from pumprig.oracle.guardrails import Guardrail, Held, bolus_total_held, client_held, tbr_on_iob_held
from pumprig.oracle.judgement import amount_held, judge_bolus, judge_tbr, rate_held
from pumprig.oracle.machine import Machine
from pumprig.oracle.profile import WallClock
from pumprig.oracle.readouts import READOUTS
from pumprig.oracle.replies import pulses_of, reply
from pumprig.oracle.template_answers import TEMPLATE_ANSWERS
from pumprig.oracle.terms import (
    ATT_OK,
    ATT_VALUE_REFUSED,
    INVALID_OPERAND,
    LOOPED,
    NO_RECORDS,
    NOT_APPLICABLE,
    NOT_COMPLETED,
    OPCODE_NOT_SUPPORTED,
    OUT_OF_RANGE,
    RACP_NOT_APPLICABLE,
    RACP_SUCCESS,
    SUCCESS,
    TOO_MANY_BOLUSES,
    Activation,
    AnnunciationType,
    Context,
    Controller,
    EndReason,
    PrimingReason,
    TbrType,
    TemplateKind,
    TherapyState,
)

__all__ = ["answer"]

_CARBS_G_MAX, _CARBS_MINUTES_MAX = 250, 360
_STOP, _PAUSE, _RUN = TherapyState.STOP, TherapyState.PAUSE, TherapyState.RUN
_TRANSITIONS = {(_STOP, _RUN), (_RUN, _PAUSE), (_RUN, _STOP), (_PAUSE, _RUN), (_PAUSE, _STOP)}


def _reservoir_usable(pump: Machine) -> bool:
    return pump.reservoir_attached and pump.reservoir_pulses > 0


def _set_therapy_state(pump: Machine, at_s: int, command: c.SetTherapyState) -> Expected:
    states = {str(state): state for state in (_STOP, _PAUSE, _RUN)}
    state = states.get(command.state)
    if state is None:
        return reply(INVALID_OPERAND, "D-501")
    if state is pump.therapy:
        return reply(SUCCESS, "D-501")
    if (pump.therapy, state) not in _TRANSITIONS:
        return reply(NOT_APPLICABLE, "D-501")
    if state is _RUN and not _reservoir_usable(pump):
        return reply(NOT_APPLICABLE, "D-501")
    if pump.delivery.priming is not None:
        return reply(NOT_APPLICABLE, "D-511")
    if state is _STOP:
        pump.stop(at_s, EndReason.CANCELED, "D-502")
    else:
        pump.set_therapy(at_s, state)
    return reply(SUCCESS, "D-501")


def _set_tbr(pump: Machine, at_s: int, command: c.SetTbr) -> Expected:
    number = command.template_number
    if number is None:
        plan = judge_tbr(pump, command.tbr_type, command.value, command.duration_minutes)
        if isinstance(plan, Expected):
            return plan
    elif not pump.templates.is_one(TemplateKind.TBR, number):
        return reply(OUT_OF_RANGE, "D-301")
    elif number not in pump.templates.tbrs:
        return reply(NOT_APPLICABLE, "D-301")
    else:
        plan = pump.templates.tbrs[number]
        if not (pump.settings.tbr_relative or plan.tbr_type is TbrType.ABSOLUTE):
            return reply(INVALID_OPERAND, "D-109")
    if rate_held(pump, at_s, plan):
        return reply(OUT_OF_RANGE, "D-1202")
    if pump.therapy is not _RUN or command.change != (pump.tbr is not None):
        return reply(NOT_APPLICABLE, "D-301")
    if tbr_on_iob_held(pump, at_s, pump.tbr_rate_mu_per_h(plan.tbr_type, plan.value), Held.COMMAND):
        return reply(NOT_COMPLETED, "D-1204")
    context = command.context or Context.REMOTE_CONTROL
    if command.change:
        pump.change_tbr(at_s, plan, context, number or 0)
    else:
        pump.start_tbr(at_s, plan, context, number or 0)
    return reply(SUCCESS, "D-301")


def _cancel_tbr(pump: Machine, at_s: int, command: c.CancelTbr) -> Expected:
    if pump.tbr is None:
        return reply(NOT_APPLICABLE, "D-304")
    pump.cancel_tbr(at_s)
    return reply(SUCCESS, "D-304")


def _plan_of(pump: Machine, command: c.SetBolus) -> BolusPlan | Expected:
    """What a Set Bolus programs, from its operand or from its template (D-401, D-412)."""
    number = command.template_number
    if number is None:
        return judge_bolus(
            pump,
            command.bolus_type,
            command.amount_iu,
            command.extended_amount_iu,
            command.duration_minutes,
            command.delay_minutes,
            command.reasons,
        )
    if not pump.templates.is_one(TemplateKind.BOLUS, number):
        return reply(OUT_OF_RANGE, "D-401")
    plan = pump.templates.boluses.get(number)
    if plan is None:
        return reply(NOT_APPLICABLE, "D-401")
    if plan.pulses * pump.settings.pulse_mu > pump.max_bolus_mu:
        return reply(OUT_OF_RANGE, "D-412")
    return plan


def _set_bolus(pump: Machine, at_s: int, command: c.SetBolus) -> Expected:
    if command.activation is not None and command.activation not in {str(word) for word in Activation}:
        return reply(INVALID_OPERAND, "D-401")
    plan = _plan_of(pump, command)
    if isinstance(plan, Expected):
        return plan
    if amount_held(pump, at_s, plan.pulses):
        return reply(OUT_OF_RANGE, "D-1203")
    if pump.therapy is not _RUN:
        return reply(NOT_APPLICABLE, "D-401")
    if pump.delivery.place(plan.bolus_type) is not None:
        return reply(TOO_MANY_BOLUSES, "D-403")
    if plan.pulses > pump.reservoir_pulses - pump.delivery.bolus_missing:
        return reply(NOT_COMPLETED, "D-401")
    held = bolus_total_held(pump, at_s, plan.pulses * pump.settings.pulse_mu)
    if held:
        return reply(NOT_COMPLETED, "D-1204" if held is Guardrail.IOB else "D-1205")
    bolus_id = pump.start_bolus(at_s, plan, command.template_number or 0, command.activation)
    return reply(SUCCESS, "D-401", bolus_id=bolus_id)


def _cancel_bolus(pump: Machine, at_s: int, command: c.CancelBolus) -> Expected:
    for bolus in pump.delivery.active():
        if bolus.bolus_id == command.bolus_id:
            pump.end_bolus(at_s, bolus, EndReason.CANCELED, "D-404")
            return reply(SUCCESS, "D-404", bolus_id=command.bolus_id)
    return reply(NOT_APPLICABLE, "D-404")


def _set_max_bolus(pump: Machine, at_s: int, command: c.SetMaxBolus) -> Expected:
    pulse_mu = pump.settings.pulse_mu
    pulses = pulses_of(command.amount_iu, pulse_mu, 1, pump.settings.bolus_limit_mu)
    if pulses is None:
        return reply(OUT_OF_RANGE, "D-802")
    if amount_held(pump, at_s, pulses):
        return reply(OUT_OF_RANGE, "D-1203")
    old_mu, pump.max_bolus_mu = pump.max_bolus_mu, pulses * pulse_mu
    if old_mu != pump.max_bolus_mu:
        pump.history.add(MaxBolusChanged, at_s, "D-802", old_mu=old_mu, new_mu=pump.max_bolus_mu)
    return reply(SUCCESS, "D-802")


def _start_priming(pump: Machine, at_s: int, command: c.StartPriming) -> Expected:
    pulses = pulses_of(command.amount_iu, pump.settings.pulse_mu, 1, pump.settings.bolus_limit_mu)
    if pulses is None:
        return reply(OUT_OF_RANGE, "D-511")
    if pump.therapy is not _STOP or pump.delivery.priming is not None or not _reservoir_usable(pump):
        return reply(NOT_APPLICABLE, "D-511")
    if pulses > pump.reservoir_pulses:
        return reply(NOT_COMPLETED, "D-511")
    pump.start_priming(at_s, pulses)
    return reply(SUCCESS, "D-511")


def _stop_priming(pump: Machine, at_s: int, command: c.StopPriming) -> Expected:
    if pump.delivery.priming is None:
        return reply(NOT_APPLICABLE, "D-512")
    pump.end_priming(at_s, PrimingReason.USER, "D-512")
    return reply(SUCCESS, "D-512")


def _set_fill_level(pump: Machine, at_s: int, command: c.SetFillLevel) -> Expected:
    pulses = pulses_of(command.amount_iu, pump.settings.pulse_mu, 0, pump.settings.reservoir_capacity_mu)
    if pulses is None:
        return reply(OUT_OF_RANGE, "D-513")
    if pump.therapy is not _STOP or pump.delivery.priming is not None or not pump.reservoir_attached:
        return reply(NOT_APPLICABLE, "D-513")
    pump.set_reservoir(at_s, pulses, attached=True)
    return reply(SUCCESS, "D-513")


def _reset_operation_time(pump: Machine, at_s: int, command: c.ResetOperationTime) -> Expected:
    pump.operation_before_s = -at_s
    return reply(SUCCESS, "D-513")


def _calculate_bolus(pump: Machine, at_s: int, command: c.CalculateBolus) -> Expected:
    pulse_mu = pump.settings.pulse_mu
    most_mu = pump.settings.bolus_limit_mu
    amounts = [pulses_of(amount, pulse_mu, 0, most_mu) for amount in command.recommended + command.confirmed]
    if None in amounts:
        return reply(ATT_VALUE_REFUSED, "D-909")
    told = [pulses * pulse_mu for pulses in amounts if pulses is not None]
    pump.history.add(BolusCalculated, at_s, "D-909", recommended=tuple(told[:4]), confirmed=tuple(told[4:]))
    return reply(ATT_OK, "D-909")


def _set_clock(pump: Machine, at_s: int, command: c.SetClock) -> Expected:
    pump.set_clock(at_s, WallClock(command.wall, at_s))
    return reply(ATT_OK, "D-203")


def _configure(pump: Machine, at_s: int, command: c.Configure) -> Expected:
    given = {item.name: getattr(command, item.name) for item in fields(command)}
    settings = replace(pump.controller, **{name: value for name, value in given.items() if value is not None})
    if settings.refusal():
        return reply(ATT_VALUE_REFUSED, "D-616")
    if not pump.settings.basal_adjustable and settings.controller != Controller.MANUAL:
        return reply(ATT_VALUE_REFUSED, "D-205")
    if client_held(pump, at_s, Guardrail.STALE, settings.stale_minutes, pump.guardrails.stale_minutes):
        return reply(ATT_VALUE_REFUSED, "D-1207")
    another, pump.controller = settings.controller != pump.controller.controller, settings
    pump.iob.configure(settings.dia_minutes, settings.peak_minutes)
    pump.history.add(SettingsWritten, at_s, "D-905")
    if another:
        pump.end_automatic_tbr(at_s, "D-616")
    if settings.controller in LOOPED:
        pump.loop.choose(pump, at_s)
    pump.tell_unloaded(at_s)
    return reply(ATT_OK, "D-616")


def _configure_oref(pump: Machine, at_s: int, command: c.ConfigureOref) -> Expected:
    settings, rails = command.settings, pump.guardrails
    if settings.refusal():
        return reply(ATT_VALUE_REFUSED, "D-1102")
    asked = (
        (Guardrail.BASAL, settings.max_basal_mu_per_h, rails.basal_mu_per_h),
        (Guardrail.IOB, settings.max_iob_mu, rails.iob_mu),
    )
    if any(client_held(pump, at_s, *one) for one in asked):
        return reply(ATT_VALUE_REFUSED, "D-1208")
    pump.loop.settings = settings
    pump.history.add(SettingsWritten, at_s, "D-905")
    return reply(ATT_OK, "D-1102")


def _announce_carbs(pump: Machine, at_s: int, command: c.AnnounceCarbs) -> Expected:
    if not (1 <= command.carbs_g <= _CARBS_G_MAX and 0 <= command.minutes_ago <= _CARBS_MINUTES_MAX):
        return reply(ATT_VALUE_REFUSED, "D-1108")
    if not pump.loop.announce(pump, at_s, command.carbs_g, command.minutes_ago):
        return reply(ATT_VALUE_REFUSED, "D-1108")
    pump.history.add(CarbsAnnounced, at_s, "D-1108", carbs_g=command.carbs_g, minutes_ago=command.minutes_ago)
    return reply(ATT_OK, "D-1108")


def _set_guardrails(pump: Machine, at_s: int, command: c.SetGuardrails) -> Expected:
    given = {item.name: getattr(command, item.name) for item in fields(command)}
    wanted = replace(pump.guardrails, **{name: value for name, value in given.items() if value is not None})
    if wanted.refusals(pump.settings.guardrails, pump.settings.pulse_mu, pump.settings.basal_min_mu_per_h):
        return reply(ATT_VALUE_REFUSED, "D-1201")
    pump.history.add(SettingsWritten, at_s, "D-1201")
    pump.guard(at_s, wanted)
    return reply(ATT_OK, "D-1201")


def _confirm(pump: Machine, at_s: int, command: c.ConfirmAnnunciation) -> Expected:
    if not pump.annunciations.confirm(command.annunciation_id, at_s):
        return reply(NOT_APPLICABLE, "D-831")
    return reply(SUCCESS, "D-831", annunciation_id=command.annunciation_id)


def _snooze(pump: Machine, at_s: int, command: c.SnoozeAnnunciation) -> Expected:
    if not pump.annunciations.snooze(command.annunciation_id, at_s):
        return reply(NOT_APPLICABLE, "D-831")
    return reply(SUCCESS, "D-831", annunciation_id=command.annunciation_id)


def _set_force(pump: Machine, at_s: int, command: c.SetForce) -> Expected:
    pump.force = command.value
    return reply(ATT_OK, "D-821")


def _inject_occlusion(pump: Machine, at_s: int, command: c.InjectOcclusion) -> Expected:
    pump.occluded = command.active
    return reply(ATT_OK, "D-821")


def _set_reservoir(pump: Machine, at_s: int, command: c.SetReservoir) -> Expected:
    if command.pulses * pump.settings.pulse_mu > pump.settings.reservoir_capacity_mu:
        return reply(ATT_VALUE_REFUSED, "D-814")
    pump.set_reservoir(at_s, command.pulses, pump.reservoir_attached)
    return reply(ATT_OK, "D-814")


def _attach_reservoir(pump: Machine, at_s: int, command: c.AttachReservoir) -> Expected:
    if command.attached != pump.reservoir_attached:
        pump.set_reservoir(at_s, pump.reservoir_pulses, command.attached)
    return reply(ATT_OK, "D-814")


def _set_battery(pump: Machine, at_s: int, command: c.SetBattery) -> Expected:
    if not 0 <= command.percent <= 100:
        return reply(ATT_VALUE_REFUSED, "D-841")
    pump.set_battery(at_s, command.percent)
    return reply(ATT_OK, "D-841")


def _raise_annunciation(pump: Machine, at_s: int, command: c.RaiseAnnunciation) -> Expected:
    if command.type not in {str(kind) for kind in AnnunciationType}:
        return reply(ATT_VALUE_REFUSED, "D-842")
    pump.annunciations.raise_one(AnnunciationType(command.type), at_s, "D-842")
    return reply(ATT_OK, "D-842")


def _delete_records(pump: Machine, at_s: int, command: c.DeleteRecords) -> Expected:
    gone, parts = pump.history.groups_within(command.least, command.most, command.only)
    if parts:
        return reply(RACP_NOT_APPLICABLE, "D-911")
    if not gone:
        return reply(NO_RECORDS, "D-911")
    pump.history.groups = [group for group in pump.history.groups if group not in gone]
    return reply(RACP_SUCCESS, "D-911", deleted=sum(count for _, count, _ in gone))


def _open_session(pump: Machine, at_s: int, command: c.OpenCgmSession) -> Expected:
    if pump.cgm.open(command.session_start, pump.clock.pump_second(command.session_start)):
        pump.loop.begin_session()
    return reply(ATT_OK, "D-601")


_ANSWERS: dict[type[Command], Callable[[Machine, int, Any], Expected]] = {
    c.SetTherapyState: _set_therapy_state,
    c.SetTbr: _set_tbr,
    c.CancelTbr: _cancel_tbr,
    c.SetBolus: _set_bolus,
    c.CancelBolus: _cancel_bolus,
    c.SetMaxBolus: _set_max_bolus,
    c.StartPriming: _start_priming,
    c.StopPriming: _stop_priming,
    c.SetFillLevel: _set_fill_level,
    c.ResetOperationTime: _reset_operation_time,
    c.CalculateBolus: _calculate_bolus,
    c.SetClock: _set_clock,
    c.Configure: _configure,
    c.SetGuardrails: _set_guardrails,
    c.ConfigureOref: _configure_oref,
    c.AnnounceCarbs: _announce_carbs,
    c.ConfirmAnnunciation: _confirm,
    c.SnoozeAnnunciation: _snooze,
    c.SetForce: _set_force,
    c.InjectOcclusion: _inject_occlusion,
    c.SetReservoir: _set_reservoir,
    c.AttachReservoir: _attach_reservoir,
    c.SetBattery: _set_battery,
    c.RaiseAnnunciation: _raise_annunciation,
    c.DeleteRecords: _delete_records,
    c.OpenCgmSession: _open_session,
    **TEMPLATE_ANSWERS,
    **READOUTS,
}


# D-205: what only a pump has whose basal can be adjusted.
_ADJUSTABLE = (c.SetTbr, c.CancelTbr, c.SetTbrTemplate, q.GetTbrTemplate)


def _of_adjustable_basal(command: Command) -> bool:
    if isinstance(command, c.WriteProfile | q.ReadProfile):
        return command.kind == TemplateKind.BASAL
    return isinstance(command, _ADJUSTABLE)


def answer(pump: Machine, at_s: int, command: Command) -> Expected:
    """Do what a command asks at the second reached and return the answer it must get.

    Args:
        pump: the machine, advanced to `at_s`.
        at_s: the pump second of effect.
        command: one of `pumprig.oracle.commands`.

    Raises:
        UsageError: a command that the specification does not have.
    """
    if not pump.settings.basal_adjustable and _of_adjustable_basal(command):
        return reply(OPCODE_NOT_SUPPORTED, "D-205")
    handler = _ANSWERS.get(type(command))
    if handler is None:
        known = ", ".join(kind.__name__ for kind in _ANSWERS)
        raise UsageError(f"{type(command).__name__} is no command of the pump", where="oracle", allowed=known)
    return handler(pump, at_s, command)
