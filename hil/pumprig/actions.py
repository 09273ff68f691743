"""A scenario's commands and faults, done to the pump and told to the oracle.

Each command is given twice: to the pump as a message, to the oracle as what DOSING.md calls it. The answers are
held against each other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pumplink import results
from pumplink.errors import AttError, ProcedureError
from pumplink.pump import Pump
from pumprig import scenario_parts as parts
from pumprig.dut import Dut
from pumprig.errors import ScenarioError
from pumprig.oracle import commands as oracle
from pumpwire.enums import Controller, FaultKind, TherapyControlState

__all__ = ["Action", "action_of", "fault_of", "perform"]

SUCCESS = 0x0F


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


def _blocks(profile: list[parts.BasalBlock]) -> tuple[tuple[int, Any], ...]:
    return tuple((block.duration_minutes, block.rate_iu_per_h) for block in profile)


def action_of(command: parts.Command, *, newest_bolus_id: int, shown_annunciation_id: int) -> Action:
    """The action of a scenario's command.

    Args:
        command: the command.
        newest_bolus_id: for a cancel that names none.
        shown_annunciation_id: for a confirm or snooze that names none.
    """
    fields = command.model_dump(mode="json", exclude={"at", "kind"}, exclude_none=True)
    name = command.kind

    def make(told: oracle.Command, call: Callable[[Pump], dict[str, Any]], **more: Any) -> Action:
        return Action(name, {**fields, **more}, told, call)

    match command:
        case parts.SetTbr(rate_iu_per_h=rate, duration_minutes=minutes, change=change):
            return make(
                oracle.SetTbr(rate, minutes, change), _void(lambda pump: pump.set_tbr(rate, minutes, change=change))
            )
        case parts.CancelTbr():
            return make(oracle.CancelTbr(), _void(lambda pump: pump.cancel_tbr()))
        case parts.SetBolus(amount_iu=amount):
            return make(oracle.SetBolus(amount), lambda pump: {"bolus_id": pump.set_bolus(amount)})
        case parts.CancelBolus(bolus_id=asked):
            bolus_id = newest_bolus_id if asked is None else asked
            return make(
                oracle.CancelBolus(bolus_id), _void(lambda pump: pump.cancel_bolus(bolus_id)), bolus_id=bolus_id
            )
        case parts.SetMaxBolus(amount_iu=amount):
            return make(oracle.SetMaxBolus(amount), _void(lambda pump: pump.set_max_bolus(amount)))
        case parts.SetTherapyState(state=state):
            word = TherapyControlState[state.upper()]
            return make(oracle.SetTherapyState(state), _void(lambda pump: pump.set_therapy_state(word)))
        case parts.SetClock(to=moment):
            return make(oracle.SetClock(moment), _void(lambda pump: pump.set_clock(moment)))
        case parts.ConfirmAnnunciation(annunciation_id=asked):
            shown = shown_annunciation_id if asked is None else asked
            return make(
                oracle.ConfirmAnnunciation(shown), _void(lambda pump: pump.confirm_annunciation(shown)),
                annunciation_id=shown,
            )  # fmt: skip
        case parts.SnoozeAnnunciation(annunciation_id=asked):
            shown = shown_annunciation_id if asked is None else asked
            return make(
                oracle.SnoozeAnnunciation(shown), _void(lambda pump: pump.snooze_annunciation(shown)),
                annunciation_id=shown,
            )  # fmt: skip
        case parts.WriteBasalProfile(template_number=template, basal_profile=profile):
            blocks = _blocks(profile)
            return make(
                oracle.WriteProfile(template, blocks), _void(lambda pump: pump.write_basal_profile(blocks, template))
            )
        case parts.ActivateBasalProfile(template_number=template):
            return make(oracle.ActivateProfile(template), _void(lambda pump: pump.activate(template)))
        case parts.ResetBasalProfile(template_number=template):
            return make(oracle.ResetProfile(template), _void(lambda pump: pump.reset_templates(template)))
        case parts.SetController(controller=controller, settings=settings):
            return configure(controller, settings)
    raise TypeError(f"no action for the command {command!r}")


def configure(controller: str, settings: parts.WrittenSettings) -> Action:
    """The action that chooses the controller and its settings (D-616)."""
    values = settings.model_dump()
    written = results.ControllerSettings(controller=Controller[controller.upper()], **values)
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
    plain_write = action.name in {"set_controller", "set_clock"}
    try:
        return Answered(0 if plain_write else SUCCESS, action.call(pump))
    except ProcedureError as error:
        return Answered(error.code, {})
    except AttError as error:
        return Answered(error.code, {})
    except ValueError as error:
        raise ScenarioError([f"{action.name} cannot be sent: {error}"]) from None


