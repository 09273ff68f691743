"""What a command must be answered, and what it does when accepted. Refusals are judged in the order given here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from decimal import Decimal
from typing import Any

from pumprig.errors import UsageError
from pumprig.oracle import commands as c
from pumprig.oracle.commands import Command, Expected
from pumprig.oracle.events import BlockChanged, MaxBolusChanged, ProfileActivated
from pumprig.oracle.machine import Machine
from pumprig.oracle.profile import Profile, WallClock
from pumprig.oracle.terms import (
    ATT_OK,
    ATT_VALUE_REFUSED,
    INVALID_OPERAND,
    NOT_APPLICABLE,
    NOT_COMPLETED,
    OUT_OF_RANGE,
    PLAUSIBILITY,
    SUCCESS,
    TOO_MANY_BOLUSES,
    Context,
    Controller,
    EndReason,
    TherapyState,
)

__all__ = ["answer"]

_DAY_MINUTES = 1440
_BLOCKS_MAX = 24
_MAX_BOLUS_LIMIT_MU = 25_000
_STOP, _PAUSE, _RUN = TherapyState.STOP, TherapyState.PAUSE, TherapyState.RUN
_TRANSITIONS = {(_STOP, _RUN), (_RUN, _PAUSE), (_RUN, _STOP), (_PAUSE, _RUN), (_PAUSE, _STOP)}


def _expected(code: int, rule: str, **values: Any) -> Expected:
    return Expected(frozenset({code}), values, rule)


def _milli(value: Decimal) -> int | None:
    """A decimal number of units as whole milliunits, or None when it is not whole or no number."""
    if not value.is_finite():
        return None
    scaled = value * 1000
    return int(scaled) if scaled == int(scaled) else None


def _set_therapy_state(pump: Machine, at_s: int, command: c.SetTherapyState) -> Expected:
    states = {str(state): state for state in (_STOP, _PAUSE, _RUN)}
    state = states.get(command.state)
    if state is None:
        return _expected(INVALID_OPERAND, "D-501")
    if state is pump.therapy:
        return _expected(SUCCESS, "D-501")
    if (pump.therapy, state) not in _TRANSITIONS:
        return _expected(NOT_APPLICABLE, "D-501")
    if state is _RUN and not (pump.reservoir_attached and pump.reservoir_pulses):
        return _expected(NOT_APPLICABLE, "D-501")
    if state is _STOP:
        pump.stop(at_s, EndReason.CANCELED, "D-502")
    else:
        pump.set_therapy(at_s, state)
    return _expected(SUCCESS, "D-501")


def _set_tbr(pump: Machine, at_s: int, command: c.SetTbr) -> Expected:
    if command.tbr_type != "absolute" or command.template_number is not None:
        return _expected(INVALID_OPERAND, "D-301")
    rate = _milli(command.value)
    if rate is None or not 0 <= rate <= pump.settings.basal_limit_mu_per_h:
        return _expected(OUT_OF_RANGE, "D-801" if rate is not None and rate > 0 else "D-301")
    if not 1 <= command.duration_minutes <= _DAY_MINUTES:
        return _expected(OUT_OF_RANGE, "D-301")
    if pump.therapy is not _RUN or command.change != (pump.tbr is not None):
        return _expected(NOT_APPLICABLE, "D-301")
    context = command.context or Context.REMOTE_CONTROL
    if command.change:
        pump.change_tbr(at_s, rate, command.duration_minutes, context)
    else:
        pump.start_tbr(at_s, rate, command.duration_minutes, context)
    return _expected(SUCCESS, "D-301")


def _cancel_tbr(pump: Machine, at_s: int, command: c.CancelTbr) -> Expected:
    if pump.tbr is None:
        return _expected(NOT_APPLICABLE, "D-304")
    pump.cancel_tbr(at_s)
    return _expected(SUCCESS, "D-304")


def _set_bolus(pump: Machine, at_s: int, command: c.SetBolus) -> Expected:
    if command.bolus_type != "fast" or command.extended_amount_iu or command.duration_minutes:
        return _expected(INVALID_OPERAND, "D-401")
    amount_mu = _milli(command.amount_iu)
    pulse_mu = pump.settings.pulse_mu
    if amount_mu is None or amount_mu < pulse_mu or amount_mu % pulse_mu:
        return _expected(OUT_OF_RANGE, "D-401")
    if amount_mu > pump.max_bolus_mu:
        return _expected(OUT_OF_RANGE, "D-802")
    if pump.therapy is not _RUN:
        return _expected(NOT_APPLICABLE, "D-401")
    if pump.delivery.bolus is not None:
        return _expected(TOO_MANY_BOLUSES, "D-403")
    pulses = amount_mu // pulse_mu
    if pulses > pump.reservoir_pulses:
        return _expected(NOT_COMPLETED, "D-401")
    return _expected(SUCCESS, "D-401", bolus_id=pump.start_bolus(at_s, pulses))


def _cancel_bolus(pump: Machine, at_s: int, command: c.CancelBolus) -> Expected:
    bolus = pump.delivery.bolus
    if bolus is None or bolus.bolus_id != command.bolus_id:
        return _expected(NOT_APPLICABLE, "D-404")
    pump.end_bolus(at_s, EndReason.CANCELED, "D-404")
    return _expected(SUCCESS, "D-404", bolus_id=command.bolus_id)


def _set_max_bolus(pump: Machine, at_s: int, command: c.SetMaxBolus) -> Expected:
    amount_mu = _milli(command.amount_iu)
    pulse_mu = pump.settings.pulse_mu
    if amount_mu is None or not pulse_mu <= amount_mu <= _MAX_BOLUS_LIMIT_MU or amount_mu % pulse_mu:
        return _expected(OUT_OF_RANGE, "D-802")
    old_mu, pump.max_bolus_mu = pump.max_bolus_mu, amount_mu
    if old_mu != amount_mu:
        pump.history.add(MaxBolusChanged, at_s, "D-802", old_mu=old_mu, new_mu=amount_mu)
    return _expected(SUCCESS, "D-802")


def _write_profile(pump: Machine, at_s: int, command: c.WriteProfile) -> Expected:
    blocks = []
    if not 1 <= command.template <= pump.settings.templates or len(command.blocks) > _BLOCKS_MAX:
        return _expected(OUT_OF_RANGE, "D-201")
    for duration_minutes, rate_iu_per_h in command.blocks:
        rate = _milli(rate_iu_per_h)
        if rate is None or not 0 <= rate <= pump.settings.basal_limit_mu_per_h:
            return _expected(OUT_OF_RANGE, "D-201")
        if not 1 <= duration_minutes <= _DAY_MINUTES:
            return _expected(OUT_OF_RANGE, "D-201")
        blocks.append((duration_minutes, rate))
    if sum(duration for duration, _ in blocks) != _DAY_MINUTES:
        return _expected(PLAUSIBILITY, "D-201")
    pump.profiles[command.template] = Profile(tuple(blocks))
    for number, (duration_minutes, rate) in enumerate(blocks, 1):
        pump.history.add(
            BlockChanged,
            at_s,
            "D-204",
            template=command.template,
            block=number,
            duration_minutes=duration_minutes,
            value=rate,
        )
    if command.template == pump.active_template:
        pump.apply_profile(at_s, "D-204")
    return _expected(SUCCESS, "D-201")


def _activate_profile(pump: Machine, at_s: int, command: c.ActivateProfile) -> Expected:
    if command.template not in pump.profiles:
        return _expected(NOT_APPLICABLE, "D-204")
    old, pump.active_template = pump.active_template, command.template
    pump.history.add(ProfileActivated, at_s, "D-204", old=old, new=command.template)
    pump.apply_profile(at_s, "D-204")
    return _expected(SUCCESS, "D-204")


def _reset_profile(pump: Machine, at_s: int, command: c.ResetProfile) -> Expected:
    if command.template not in pump.profiles or command.template == pump.active_template:
        return _expected(NOT_APPLICABLE, "D-204")
    del pump.profiles[command.template]
    return _expected(SUCCESS, "D-204")


def _set_clock(pump: Machine, at_s: int, command: c.SetClock) -> Expected:
    pump.set_clock(at_s, WallClock(command.wall, at_s))
    return _expected(ATT_OK, "D-203")


def _configure(pump: Machine, at_s: int, command: c.Configure) -> Expected:
    given = {item.name: getattr(command, item.name) for item in fields(command)}
    settings = replace(pump.controller, **{name: value for name, value in given.items() if value is not None})
    if settings.refusal():
        return _expected(ATT_VALUE_REFUSED, "D-616")
    pump.controller = settings
    pump.iob.configure(settings.dia_minutes, settings.peak_minutes)
    if settings.controller != Controller.PLGS:
        pump.end_suspension(at_s, "D-616")
    return _expected(ATT_OK, "D-616")


def _confirm(pump: Machine, at_s: int, command: c.ConfirmAnnunciation) -> Expected:
    if not pump.annunciations.confirm(command.annunciation_id, at_s):
        return _expected(NOT_APPLICABLE, "D-831")
    return _expected(SUCCESS, "D-831", annunciation_id=command.annunciation_id)


def _snooze(pump: Machine, at_s: int, command: c.SnoozeAnnunciation) -> Expected:
    if not pump.annunciations.snooze(command.annunciation_id, at_s):
        return _expected(NOT_APPLICABLE, "D-831")
    return _expected(SUCCESS, "D-831", annunciation_id=command.annunciation_id)


def _set_force(pump: Machine, at_s: int, command: c.SetForce) -> Expected:
    pump.force = command.value
    return _expected(ATT_OK, "D-821")


def _inject_occlusion(pump: Machine, at_s: int, command: c.InjectOcclusion) -> Expected:
    pump.occluded = command.active
    return _expected(ATT_OK, "D-821")


def _set_reservoir(pump: Machine, at_s: int, command: c.SetReservoir) -> Expected:
    pump.set_reservoir(at_s, command.pulses, pump.reservoir_attached)
    return _expected(ATT_OK, "D-814")


def _attach_reservoir(pump: Machine, at_s: int, command: c.AttachReservoir) -> Expected:
    if command.attached != pump.reservoir_attached:
        pump.set_reservoir(at_s, pump.reservoir_pulses, command.attached)
    return _expected(ATT_OK, "D-814")


def _open_session(pump: Machine, at_s: int, command: c.OpenCgmSession) -> Expected:
    pump.cgm.open(command.session_start, pump.clock.pump_second(command.session_start))
    return _expected(ATT_OK, "D-601")


_ANSWERS: dict[type[Command], Callable[[Machine, int, Any], Expected]] = {
    c.SetTherapyState: _set_therapy_state,
    c.SetTbr: _set_tbr,
    c.CancelTbr: _cancel_tbr,
    c.SetBolus: _set_bolus,
    c.CancelBolus: _cancel_bolus,
    c.SetMaxBolus: _set_max_bolus,
    c.WriteProfile: _write_profile,
    c.ActivateProfile: _activate_profile,
    c.ResetProfile: _reset_profile,
    c.SetClock: _set_clock,
    c.Configure: _configure,
    c.ConfirmAnnunciation: _confirm,
    c.SnoozeAnnunciation: _snooze,
    c.SetForce: _set_force,
    c.InjectOcclusion: _inject_occlusion,
    c.SetReservoir: _set_reservoir,
    c.AttachReservoir: _attach_reservoir,
    c.OpenCgmSession: _open_session,
}


def answer(pump: Machine, at_s: int, command: Command) -> Expected:
    """Do what a command asks at the second reached and return the answer it must get.

    Args:
        pump: the machine, advanced to `at_s`.
        at_s: the pump second of effect.
        command: one of `pumprig.oracle.commands`.

    Raises:
        UsageError: a command that the specification does not have.
    """
    handler = _ANSWERS.get(type(command))
    if handler is None:
        known = ", ".join(kind.__name__ for kind in _ANSWERS)
        raise UsageError(f"{type(command).__name__} is no command of the pump", where="oracle", allowed=known)
    return handler(pump, at_s, command)
