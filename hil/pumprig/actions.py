"""A scenario's commands and faults, done to the pump and told to the oracle.

Each command is given twice: to the pump as a message, to the oracle as what DOSING.md calls it. The answers are
held against each other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, astuple, dataclass, field
from decimal import Decimal
from typing import Any

from pumplink import results
from pumplink.errors import AttError, ProcedureError
from pumplink.pump import Pump
from pumprig import scenario_parts as parts
from pumprig.dut import Dut
from pumprig.errors import ScenarioError
from pumprig.expected_records import ANNUNCIATION_TYPES
from pumprig.oracle import Guardrails
from pumprig.oracle import commands as oracle
from pumprig.oracle.oref_settings import FLAGS, OrefSettings
from pumpwire.enums import (
    AnnunciationType,
    BolusActivationType,
    BolusFlags,
    BolusTemplateFlags,
    BolusType,
    Controller,
    FaultKind,
    FlatCgm,
    OrefFlags,
    PlgsFlags,
    RacpFilter,
    RacpOperator,
    RacpResponseCode,
    TbrType,
    TherapyControlState,
)

__all__ = ["Action", "Answered", "Known", "action_of", "configure", "fault_of", "perform"]

SUCCESS = 0x0F
_ANNUNCIATION_WORDS = {kind: word for word, kind in ANNUNCIATION_TYPES.items()}
_PLAIN_WRITES = ("set_controller", "set_oref", "set_guardrails", "announce_carbs", "set_clock", "bolus_calculated")


@dataclass(frozen=True)
class Action:
    """One command, ready to be given.

    Args:
        name: kind of the command, as in scenarios.
        fields: what it asks for, as plain data.
        command: the same for the oracle.
        call: gives it to the pump and returns what the answer holds.
    """

    name: str
    fields: dict[str, Any]
    command: oracle.Command
    call: Callable[[Pump], dict[str, Any]]


def _void(call: Callable[[Pump], object]) -> Callable[[Pump], dict[str, Any]]:
    def run(pump: Pump) -> dict[str, Any]:
        call(pump)
        return {}

    return run


def _blocks(profile: Sequence[parts.Part]) -> tuple[tuple[Any, ...], ...]:
    return tuple(tuple(getattr(block, name) for name in type(block).model_fields) for block in profile)


@dataclass(frozen=True)
class Known:
    """What the rig knows of the pump, for commands that leave it to the rig.

    Args:
        newest_bolus_id: for a cancel that names none.
        shown_annunciation_id: for a confirm or snooze that names none.
        stored: sequence numbers of the first and the last record, for a deletion of either.
        guardrails: those in force, for a write that leaves some as they are.
    """

    newest_bolus_id: int = 0
    shown_annunciation_id: int = 0
    stored: tuple[int, int] = (0, 0)
    guardrails: Guardrails = field(default_factory=Guardrails)


_Made = tuple[oracle.Command, Callable[[Pump], dict[str, Any]], dict[str, Any]]


def _made(told: oracle.Command, call: Callable[[Pump], object], **fields: Any) -> _Made:
    return told, _void(call), fields


def _set_tbr(command: parts.SetTbr, known: Known) -> _Made:
    template, change = command.template_number, command.change
    minutes = command.duration_minutes or 1
    value, kind = _tbr_value(command.rate_iu_per_h, command.factor)
    return _made(
        oracle.SetTbr(value, minutes, change, tbr_type=_told(kind), template_number=template),
        lambda pump: pump.set_tbr(value, minutes, change=change, tbr_type=kind, template=template),
    )


def _tbr_value(rate: Decimal | None, factor: Decimal | None) -> tuple[Decimal, TbrType]:
    if factor is not None:
        return factor, TbrType.RELATIVE
    return rate or Decimal(0), TbrType.ABSOLUTE


def _set_tbr_template(command: parts.SetTbrTemplate, known: Known) -> _Made:
    template, minutes = command.template_number, command.duration_minutes
    value, kind = _tbr_value(command.rate_iu_per_h, command.factor)
    return _made(
        oracle.SetTbrTemplate(template, _told(kind), value, minutes),
        lambda pump: pump.set_tbr_template(template, value, minutes, kind),
    )


def _set_bolus(command: parts.SetBolus, known: Known) -> _Made:
    fast, extended = command.amount_iu or Decimal(0), command.extended_iu or Decimal(0)
    kind = _bolus_type(command.type, fast, extended)
    activation = None if command.activation == "none" else BolusActivationType[command.activation.upper()]
    told = oracle.SetBolus(
        fast, _told(kind), extended, command.duration_minutes, command.delay_minutes, command.template_number,
        None if activation is None else _told(activation), frozenset(command.reasons),
    )  # fmt: skip
    reasons = BolusFlags(0)
    for reason in command.reasons:
        reasons |= BolusFlags[f"REASON_{reason.upper()}"]
    return told, lambda pump: {
        "bolus_id": pump.set_bolus(
            fast, extended, command.duration_minutes, bolus_type=kind, delay_minutes=command.delay_minutes,
            template=command.template_number, activation=activation, reasons=reasons,
        )
    }, {}  # fmt: skip


def _bolus_type(word: str | None, fast: Decimal, extended: Decimal) -> BolusType:
    if word is not None:
        return BolusType[word.upper()]
    if not extended:
        return BolusType.FAST
    return BolusType.MULTIWAVE if fast else BolusType.EXTENDED


def _told(word: BolusType | TbrType | BolusActivationType) -> str:
    return word.name.lower().replace("_", " ")


def _set_bolus_template(command: parts.SetBolusTemplate, known: Known) -> _Made:
    fast, extended = command.amount_iu or Decimal(0), command.extended_iu or Decimal(0)
    kind = _bolus_type(command.type, fast, extended)
    reasons = BolusTemplateFlags(0)
    for reason in command.reasons:
        reasons |= BolusTemplateFlags[f"REASON_{reason.upper()}"]
    written = results.BolusTemplate(
        command.template_number, kind, fast, extended, command.duration_minutes, command.delay_minutes, reasons
    )
    told = oracle.SetBolusTemplate(
        command.template_number, _told(kind), fast, extended, command.duration_minutes, command.delay_minutes,
        frozenset(command.reasons),
    )  # fmt: skip
    return _made(told, lambda pump: pump.set_bolus_template(written))


def _cancel_bolus(command: parts.CancelBolus, known: Known) -> _Made:
    bolus_id = known.newest_bolus_id if command.bolus_id is None else command.bolus_id
    return _made(oracle.CancelBolus(bolus_id), lambda pump: pump.cancel_bolus(bolus_id), bolus_id=bolus_id)


def _set_therapy_state(command: parts.SetTherapyState, known: Known) -> _Made:
    word = TherapyControlState[command.state.upper()]
    return _made(oracle.SetTherapyState(command.state), lambda pump: pump.set_therapy_state(word))


def _confirm(command: parts.ConfirmAnnunciation, known: Known) -> _Made:
    shown = known.shown_annunciation_id if command.annunciation_id is None else command.annunciation_id
    return _made(
        oracle.ConfirmAnnunciation(shown), lambda pump: pump.confirm_annunciation(shown), annunciation_id=shown
    )


def _snooze(command: parts.SnoozeAnnunciation, known: Known) -> _Made:
    shown = known.shown_annunciation_id if command.annunciation_id is None else command.annunciation_id
    return _made(oracle.SnoozeAnnunciation(shown), lambda pump: pump.snooze_annunciation(shown), annunciation_id=shown)


def _write_basal(command: parts.WriteBasalProfile, known: Known) -> _Made:
    template, blocks = command.template_number, _blocks(command.basal_profile)
    return _made(
        oracle.WriteProfile(template, blocks, "basal"), lambda pump: pump.write_basal_profile(blocks, template)
    )


def _write_isf(command: parts.WriteIsfProfile, known: Known) -> _Made:
    template, blocks = command.template_number, _blocks(command.isf_profile)
    return _made(oracle.WriteProfile(template, blocks, "isf"), lambda pump: pump.write_isf_profile(blocks, template))


def _write_icho(command: parts.WriteIchoProfile, known: Known) -> _Made:
    template, blocks = command.template_number, _blocks(command.icho_profile)
    return _made(oracle.WriteProfile(template, blocks, "icho"), lambda pump: pump.write_icho_profile(blocks, template))


def _write_target(command: parts.WriteTargetProfile, known: Known) -> _Made:
    template, blocks = command.template_number, _blocks(command.target_profile)
    return _made(
        oracle.WriteProfile(template, blocks, "target"), lambda pump: pump.write_target_profile(blocks, template)
    )


_OPERATORS = {
    "all": RacpOperator.ALL, "at_most": RacpOperator.LESS_THAN_OR_EQUAL, "at_least": RacpOperator.GREATER_THAN_OR_EQUAL,
    "within": RacpOperator.WITHIN_RANGE, "first": RacpOperator.FIRST, "last": RacpOperator.LAST,
}  # fmt: skip
_FILTERS = {
    "all": RacpFilter.SEQUENCE_NUMBER, "reference_times": RacpFilter.SEQUENCE_NUMBER_REFERENCE_TIME_EVENTS,
    "others": RacpFilter.SEQUENCE_NUMBER_OTHER_EVENTS,
}  # fmt: skip
_ONLY = {"all": None, "reference_times": "reference", "others": "other"}


def _delete(command: parts.DeleteRecords, known: Known) -> _Made:
    least, most = command.minimum_sequence, command.maximum_sequence
    if command.operator in ("first", "last"):
        least = most = known.stored[0 if command.operator == "first" else 1]
    operator, which = _OPERATORS[command.operator], _FILTERS[command.which]

    def call(pump: Pump) -> dict[str, Any]:
        found = pump.delete_records(
            operator, which, minimum_sequence=command.minimum_sequence, maximum_sequence=command.maximum_sequence
        )
        return {"code": RacpResponseCode.SUCCESS if found else RacpResponseCode.NO_RECORDS_FOUND}

    return oracle.DeleteRecords(least, most, _ONLY[command.which]), call, {}


def _calculated(command: parts.BolusCalculated, known: Known) -> _Made:
    recommended, confirmed = (
        results.BolusAmounts(**amounts.model_dump()) for amounts in (command.recommended, command.confirmed)
    )
    return _made(
        oracle.CalculateBolus(astuple(recommended), astuple(confirmed)),
        lambda pump: pump.tell_calculated(recommended, confirmed),
    )


def _guardrails(command: parts.SetGuardrails, known: Known) -> _Made:
    given = command.guardrails.given()
    written = results.Guardrails(**(asdict(known.guardrails) | given))
    return _made(oracle.SetGuardrails(**given), lambda pump: pump.set_guardrails(written))


def _oref(command: parts.SetOref, known: Known) -> _Made:
    told = OrefSettings(**command.oref.model_dump())
    values: dict[str, Any] = {name: value for name, value in asdict(told).items() if name not in FLAGS}
    values |= {"oref_flags": OrefFlags(told.oref_flags), "flat_cgm": FlatCgm[told.flat_cgm.upper()]}
    written = results.OrefSettings(**values)
    return _made(oracle.ConfigureOref(told), lambda pump: pump.set_oref_settings(written))


_MAKERS: dict[type[parts.Part], Callable[[Any, Known], _Made]] = {
    parts.SetTbr: _set_tbr,
    parts.CancelTbr: lambda command, known: _made(oracle.CancelTbr(), lambda pump: pump.cancel_tbr()),
    parts.SetTbrTemplate: _set_tbr_template,
    parts.SetBolus: _set_bolus,
    parts.CancelBolus: _cancel_bolus,
    parts.SetBolusTemplate: _set_bolus_template,
    parts.SetMaxBolus: lambda command, known: _made(
        oracle.SetMaxBolus(command.amount_iu), lambda pump: pump.set_max_bolus(command.amount_iu)
    ),
    parts.SetTherapyState: _set_therapy_state,
    parts.SetClock: lambda command, known: _made(oracle.SetClock(command.to), lambda pump: pump.set_clock(command.to)),
    parts.ConfirmAnnunciation: _confirm,
    parts.SnoozeAnnunciation: _snooze,
    parts.WriteBasalProfile: _write_basal,
    parts.WriteIsfProfile: _write_isf,
    parts.WriteIchoProfile: _write_icho,
    parts.WriteTargetProfile: _write_target,
    parts.ActivateBasalProfile: lambda command, known: _made(
        oracle.ActivateProfile(command.template_number), lambda pump: pump.activate(command.template_number)
    ),
    parts.ActivateTemplates: lambda command, known: _made(
        oracle.ActivateTemplates(tuple(command.template_numbers)), lambda pump: pump.activate(*command.template_numbers)
    ),
    parts.ResetBasalProfile: lambda command, known: _made(
        oracle.ResetProfile(command.template_number), lambda pump: pump.reset_templates(command.template_number)
    ),
    parts.ResetTemplates: lambda command, known: _made(
        oracle.ResetTemplates(tuple(command.template_numbers)),
        lambda pump: pump.reset_templates(*command.template_numbers),
    ),
    parts.StartPriming: lambda command, known: _made(
        oracle.StartPriming(command.amount_iu), lambda pump: pump.start_priming(command.amount_iu)
    ),
    parts.StopPriming: lambda command, known: _made(oracle.StopPriming(), lambda pump: pump.stop_priming()),
    parts.SetFillLevel: lambda command, known: _made(
        oracle.SetFillLevel(command.amount_iu), lambda pump: pump.set_fill_level(command.amount_iu)
    ),
    parts.ResetOperationTime: lambda command, known: _made(
        oracle.ResetOperationTime(), lambda pump: pump.reset_operation_time()
    ),
    parts.DeleteRecords: _delete,
    parts.BolusCalculated: _calculated,
    parts.SetGuardrails: _guardrails,
    parts.SetOref: _oref,
    parts.AnnounceCarbs: lambda command, known: _made(
        oracle.AnnounceCarbs(command.carbs_g, command.minutes_ago),
        lambda pump: pump.announce_carbs(command.carbs_g, command.minutes_ago),
    ),
}


def action_of(command: parts.Command, known: Known) -> Action:
    """The action of a scenario's command.

    Args:
        command: the command.
        known: what it leaves to the rig.
    """
    if isinstance(command, parts.SetController):
        return configure(command.controller, command.settings)
    fields = command.model_dump(mode="json", exclude={"at", "kind"}, exclude_none=True)
    told, call, more = _MAKERS[type(command)](command, known)
    return Action(command.kind, {**fields, **more}, told, call)


def configure(controller: str, settings: parts.WrittenSettings) -> Action:
    """The action that chooses the controller and its settings (D-616)."""
    values = settings.written()
    words: dict[str, Any] = {
        "controller": Controller[controller.upper()], "plgs_flags": PlgsFlags(values["plgs_flags"])
    }  # fmt: skip
    written = results.ControllerSettings(**values | words)
    return Action(
        "set_controller",
        {"controller": controller, **values},
        oracle.Configure(controller=controller, **values),
        _void(lambda pump: pump.set_controller_settings(written)),
    )


def fault_of(fault: Any, dut: Dut, pulse_mu: int) -> tuple[str, dict[str, Any], oracle.Command, Callable[[Pump], None]]:
    """A hardware fault: name, plain fields, what the oracle is told, and how it is done.

    An occlusion is put on the analog input of a virtual board, and injected over the emulator service elsewhere.

    Raises:
        ScenarioError: a reservoir level that is no whole number of pulses.
    """
    fields = fault.model_dump(mode="json", exclude={"at", "kind"})
    match fault:
        case parts.Occlusion(on=on):
            value = 0xFFFF if on else 0
            board = dut.board
            if board is not None:
                pin = int(board.data.firmware["FORCE_ADC_PIN"])
                return fault.kind, fields, oracle.SetForce(value), lambda pump: board.set_analog(pin, value)
            return (
                fault.kind, fields, oracle.InjectOcclusion(on),
                lambda pump: pump.inject_fault(FaultKind.OCCLUSION, int(on)),
            )  # fmt: skip
        case parts.ReservoirLevel(amount_iu=amount):
            pulses, rest = divmod(amount * 1000, pulse_mu)
            if rest:
                raise ScenarioError([f"reservoir level {amount} IU is no whole number of pulses of {pulse_mu} mU"])
            return (
                fault.kind, fields, oracle.SetReservoir(int(pulses)),
                lambda pump: pump.inject_fault(FaultKind.RESERVOIR_LEVEL, int(pulses)),
            )  # fmt: skip
        case parts.ReservoirDetached(on=on):
            return (
                fault.kind, fields, oracle.AttachReservoir(not on),
                lambda pump: pump.inject_fault(FaultKind.RESERVOIR_DETACHED, int(on)),
            )  # fmt: skip
        case parts.BatteryLevel(percent=percent):
            return (
                fault.kind, fields, oracle.SetBattery(percent),
                lambda pump: pump.inject_fault(FaultKind.BATTERY_LEVEL, percent),
            )  # fmt: skip
        case parts.Annunciation(type=word):
            kind = AnnunciationType[word.upper()]
            return (
                fault.kind, fields, oracle.RaiseAnnunciation(_ANNUNCIATION_WORDS[kind]),
                lambda pump: pump.inject_fault(FaultKind.ANNUNCIATION, kind),
            )  # fmt: skip
    raise TypeError(f"no such fault {fault!r}")


@dataclass(frozen=True)
class Answered:
    """What the pump answered: the response code (an ATT error code for plain writes), and its fields."""

    code: int
    fields: dict[str, Any]


def perform(action: Action, pump: Pump) -> Answered:
    """Give an action to the pump.

    Raises:
        ScenarioError: the wire cannot carry it.
        PumpLinkError: anything but an answer.
    """
    try:
        fields = action.call(pump)
        return Answered(fields.get("code", 0 if action.name in _PLAIN_WRITES else SUCCESS), fields)
    except ProcedureError as error:
        return Answered(error.code, {})
    except AttError as error:
        return Answered(error.code, {})
    except ValueError as error:
        raise ScenarioError([f"{action.name} cannot be sent: {error}"]) from None
