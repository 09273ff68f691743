"""What commands about templates must be answered, and what they do (D-201, D-204, D-307, D-412, D-910)."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from pumprig.oracle import commands as c
from pumprig.oracle.commands import Command, Expected
from pumprig.oracle.events import (
    BlockChanged,
    BolusTemplateChanged,
    IchoBlockChanged,
    IsfBlockChanged,
    ProfileActivated,
    TargetBlockChanged,
    TbrTemplateChanged,
)
from pumprig.oracle.guardrails import Guardrail, client_held
from pumprig.oracle.judgement import amount_held, judge_bolus, judge_tbr, rate_held, rate_on_step
from pumprig.oracle.machine import Machine
from pumprig.oracle.profile import Profile
from pumprig.oracle.replies import reply, scaled
from pumprig.oracle.templates import BLOCKS_MAX, PROFILE_KINDS
from pumprig.oracle.terms import NOT_APPLICABLE, OUT_OF_RANGE, PLAUSIBILITY, SUCCESS, TemplateKind

__all__ = ["TEMPLATE_ANSWERS"]

_DAY_MINUTES = 1440
# D-910: least and most value of a block in tenths; a basal rate is in thousandths, up to the basal limit.
_TENTHS = {
    TemplateKind.ISF: (10, 10_000),
    TemplateKind.ICHO: (10, 3000),
    TemplateKind.TARGET: (400, 4000),
}
_BLOCK_EVENTS = {
    TemplateKind.BASAL: BlockChanged,
    TemplateKind.ISF: IsfBlockChanged,
    TemplateKind.ICHO: IchoBlockChanged,
    TemplateKind.TARGET: TargetBlockChanged,
}


def _values(pump: Machine, kind: TemplateKind, values: tuple[Decimal, ...]) -> tuple[int, ...] | None:
    """The values of a block as whole numbers, None when one is out of range or not whole."""
    least, most = _TENTHS.get(kind, (0, pump.settings.basal_limit_mu_per_h))
    whole = [scaled(value, 1000 if kind is TemplateKind.BASAL else 10) for value in values]
    allowed = [value for value in whole if value is not None and least <= value <= most]
    return tuple(allowed) if len(allowed) == len(values) else None


def _write_profile(pump: Machine, at_s: int, command: c.WriteProfile) -> Expected:
    kind = TemplateKind(command.kind)
    rule = "D-201" if kind is TemplateKind.BASAL else "D-910"
    if kind not in PROFILE_KINDS or not pump.templates.is_one(kind, command.template):
        return reply(OUT_OF_RANGE, rule)
    blocks: list[tuple[int, ...]] = []
    for minutes, *told in command.blocks:
        values = _values(pump, kind, tuple(told))
        if len(blocks) == BLOCKS_MAX or not 1 <= minutes <= _DAY_MINUTES or values is None:
            return reply(OUT_OF_RANGE, rule)
        if kind is TemplateKind.BASAL and not rate_on_step(pump.settings, values[0]):
            return reply(OUT_OF_RANGE, "D-109")
        if values[0] > values[-1]:
            return reply(PLAUSIBILITY, rule)
        rails = pump.guardrails
        if kind is TemplateKind.BASAL and client_held(pump, at_s, Guardrail.BASAL, values[0], rails.basal_mu_per_h):
            return reply(OUT_OF_RANGE, "D-1202")
        blocks.append((minutes, *values))
    if sum(block[0] for block in blocks) != _DAY_MINUTES:
        return reply(PLAUSIBILITY, rule)
    _keep_profile(pump, at_s, kind, command.template, tuple(blocks))
    return reply(SUCCESS, rule)


def _keep_profile(
    pump: Machine, at_s: int, kind: TemplateKind, template: int, blocks: tuple[tuple[int, ...], ...]
) -> None:
    pump.templates.profiles[template] = Profile(blocks)
    rule = "D-204" if kind is TemplateKind.BASAL else "D-910"
    for number, (minutes, *values) in enumerate(blocks, 1):
        high = {"high": values[1]} if kind is TemplateKind.TARGET else {}
        pump.history.add(
            _BLOCK_EVENTS[kind],
            at_s,
            rule,
            template=template,
            block=number,
            duration_minutes=minutes,
            value=values[0],
            **high,
        )
        if number > 1:
            pump.history.join()
    if template == pump.active_template:
        pump.apply_profile(at_s, "D-204")


def _activate(pump: Machine, at_s: int, command: c.ActivateTemplates) -> Expected:
    templates = pump.templates
    kinds = [templates.kind_of(number) for number in command.numbers if number in templates.profiles]
    # D-910: one of each type at most.
    if not kinds or len(kinds) < len(command.numbers) or len(set(kinds)) < len(kinds):
        return reply(NOT_APPLICABLE, "D-204")
    for kind, number in zip(kinds, command.numbers, strict=True):
        assert kind is not None
        old, templates.activated[kind] = templates.activated.get(kind, 0), number
        pump.history.add(ProfileActivated, at_s, "D-204", kind=kind, old=old, new=number)
    if TemplateKind.BASAL in kinds:
        pump.apply_profile(at_s, "D-204")
    return reply(SUCCESS, "D-204", numbers=command.numbers)


def _activate_one(pump: Machine, at_s: int, command: c.ActivateProfile) -> Expected:
    return _activate(pump, at_s, c.ActivateTemplates((command.template,)))


def _reset(pump: Machine, at_s: int, command: c.ResetTemplates) -> Expected:
    if not command.numbers or not all(pump.templates.resettable(number) for number in command.numbers):
        return reply(NOT_APPLICABLE, "D-204")
    for number in command.numbers:
        pump.templates.reset(number)
    return reply(SUCCESS, "D-204", numbers=command.numbers)


def _reset_one(pump: Machine, at_s: int, command: c.ResetProfile) -> Expected:
    return _reset(pump, at_s, c.ResetTemplates((command.template,)))


def _set_tbr_template(pump: Machine, at_s: int, command: c.SetTbrTemplate) -> Expected:
    plan = judge_tbr(pump, command.tbr_type, command.value, command.duration_minutes)
    if isinstance(plan, Expected):
        return plan
    if not pump.templates.is_one(TemplateKind.TBR, command.number):
        return reply(OUT_OF_RANGE, "D-307")
    if rate_held(pump, at_s, plan):
        return reply(OUT_OF_RANGE, "D-1202")
    if not pump.templates.configurable(command.number):
        return reply(NOT_APPLICABLE, "D-307")
    pump.templates.tbrs[command.number] = plan
    pump.history.add(
        TbrTemplateChanged,
        at_s,
        "D-307",
        template=command.number,
        tbr_type=plan.tbr_type,
        value=plan.value,
        duration_minutes=plan.duration_minutes,
    )
    return reply(SUCCESS, "D-307", number=command.number)


def _set_bolus_template(pump: Machine, at_s: int, command: c.SetBolusTemplate) -> Expected:
    plan = judge_bolus(
        pump,
        command.bolus_type,
        command.amount_iu,
        command.extended_amount_iu,
        command.duration_minutes,
        command.delay_minutes,
        command.reasons,
    )
    if isinstance(plan, Expected):
        return plan
    if not pump.templates.is_one(TemplateKind.BOLUS, command.number):
        return reply(OUT_OF_RANGE, "D-412")
    if amount_held(pump, at_s, plan.pulses):
        return reply(OUT_OF_RANGE, "D-1203")
    pump.templates.boluses[command.number] = plan
    pulse_mu = pump.settings.pulse_mu
    pump.history.add(
        BolusTemplateChanged,
        at_s,
        "D-412",
        template=command.number,
        bolus_type=plan.bolus_type,
        fast_mu=plan.fast * pulse_mu,
        extended_mu=plan.extended * pulse_mu,
        duration_minutes=plan.duration_minutes,
        delay_minutes=plan.delay_minutes,
        reasons=plan.reasons,
    )
    return reply(SUCCESS, "D-412", number=command.number)


TEMPLATE_ANSWERS: dict[type[Command], Callable[[Machine, int, Any], Expected]] = {
    c.WriteProfile: _write_profile,
    c.ActivateTemplates: _activate,
    c.ActivateProfile: _activate_one,
    c.ResetTemplates: _reset,
    c.ResetProfile: _reset_one,
    c.SetTbrTemplate: _set_tbr_template,
    c.SetBolusTemplate: _set_bolus_template,
}
"""Answers by command."""
