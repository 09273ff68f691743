"""The devices of a run: the scenario is fitted to them, or refused with what they allow."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from pumplink.pump_data import PumpValue
from pumprig.devices.cgm import CgmProfile, load_cgm
from pumprig.devices.pump import PumpProfile, load_pump
from pumprig.devices.sensing import in_range, sensed
from pumprig.errors import ScenarioError, UsageError
from pumprig.oracle import OracleSettings
from pumprig.scenario_commands import (
    Command,
    SetBolus,
    SetBolusTemplate,
    SetController,
    SetMaxBolus,
    SetTbr,
    SetTbrTemplate,
    SetTherapyState,
    StartPriming,
    WriteBasalProfile,
)
from pumprig.scenario_values import MINUTES_OF_DAY, BasalBlock, most_on_the_wire
from pumprig.toml_lines import Location
from pumprig.trace import Sample, Trace

if TYPE_CHECKING:
    from pumprig.scenario import Scenario

__all__ = ["Devices"]

_MANUAL = "manual"
Problem = tuple[Location, str]


@dataclass(frozen=True)
class Devices:
    """A pump and a sensor, either of them or none.

    Attributes:
        pump: None for the pump that the firmware is without pump data.
        cgm: None for a trace as it is.
    """

    pump: PumpProfile | None = None
    cgm: CgmProfile | None = None

    @classmethod
    def of(cls, scenario: Scenario) -> Devices:
        """Those that a scenario names.

        Raises:
            UsageError: there is none of a name, or its file is wrong.
        """
        return cls.named(scenario.pump_profile, scenario.cgm_profile)

    @classmethod
    def named(cls, pump: str | None, cgm: str | None) -> Devices:
        """Those of the names; None for none.

        Raises:
            UsageError: there is none of a name, or its file is wrong.
        """
        return cls(load_pump(pump) if pump is not None else None, load_cgm(cgm) if cgm is not None else None)

    @property
    def oracle_settings(self) -> OracleSettings:
        """What the oracle knows of the pump."""
        return self.pump.oracle_settings() if self.pump is not None else OracleSettings()

    @property
    def pump_data(self) -> dict[str, PumpValue]:
        """What the firmware is told of the pump that it is."""
        return self.pump.pump_data() if self.pump is not None else {}

    @property
    def monitoring_only(self) -> bool:
        """Whether no dose may rest on the sensor (D-1301)."""
        return self.cgm is not None and not self.cgm.dosing.value

    @property
    def latency_s(self) -> int:
        """From a measurement to its arrival."""
        return self.cgm.latency_s.value if self.cgm is not None else 0

    def sensed(self, trace: Trace, age_minutes: int | None, *, measured: bool) -> Trace:
        """The trace as the sensor sends it.

        Args:
            trace: what is there.
            age_minutes: of the sensor's session; None when its warm-up has just ended.
            measured: false for times alone, whose glucose is measured as a run goes.
        """
        return trace if self.cgm is None else sensed(trace, self.cgm, age_minutes, measured=measured)

    @property
    def told(self) -> Callable[[Sample], Sample] | None:
        """A reading as the sensor tells it; None without a sensor."""
        cgm = self.cgm
        return None if cgm is None else lambda sample: in_range(sample, cgm)

    def kept(self, sample: Sample, age_s: int) -> bool:
        """Whether the sensor still has a reading of this age when the pump asks for it (D-1303)."""
        return self.cgm is None or age_s <= 60 * self.cgm.backfill_minutes.value

    def as_toml(self) -> list[str]:
        """The lines by which a scenario names them."""
        fields = (("pump_profile", self.pump), ("cgm_profile", self.cgm))
        return [f'{field} = "{device.name}"' for field, device in fields if device is not None]

    def record(self) -> dict[str, Any]:
        """The devices with all their values, for a run's record."""
        return {
            name: {"name": device.name, "title": device.title, "sha256": device.sha256, **device.numbers()}
            for name, device in (("pump", self.pump), ("cgm", self.cgm))
            if device is not None
        }

    # --- The scenario -------------------------------------------------------------------------------------------

    def fitted(self, scenario: Scenario, given: frozenset[str]) -> Scenario:
        """The scenario with what it leaves open as the pump can be set: rates cut down to a step, its own maximum.

        Args:
            scenario: what is done.
            given: fields of `[pump]` that it names itself; they stay as they are.
        """
        pump = self.pump
        if pump is None:
            return scenario
        blocks = scenario.pump.basal_profile
        if pump.basal_fixed_mu_per_h is not None:
            fixed = [BasalBlock(duration_minutes=MINUTES_OF_DAY, rate_iu_per_h=_iu(pump.basal_fixed_mu_per_h.value))]
        else:
            fixed = [block.model_copy(update={"rate_iu_per_h": _cut(pump, block.rate_iu_per_h)}) for block in blocks]
        own = {
            "basal_profile": fixed, "max_bolus_iu": _iu(pump.max_bolus_mu),
            "reservoir_iu": _iu(pump.reservoir_mu.value),
        }  # fmt: skip
        left_open = {name: value for name, value in own.items() if name not in given}
        return scenario.model_copy(update={"pump": scenario.pump.model_copy(update=left_open)})

    def refuse(self, scenario: Scenario, given: frozenset[str]) -> None:
        """Refuses what the devices cannot do.

        Args:
            scenario: what is done.
            given: fields of `[pump]` that it names itself.

        Raises:
            ScenarioError: with one line for each, and what is allowed.
            UsageError: a controller that doses on a sensor for monitoring only, or that cannot act on the pump.
        """
        self.refuse_controller(scenario.controller)
        problems: list[Problem] = list(self._doses(scenario)) if self.monitoring_only else []
        if self.pump is not None:
            problems += _settings(self.pump, scenario, given)
            for index, command in enumerate(scenario.commands):
                place: Location = ("command", index)
                problems += [((*place, field), told) for field, told in _of_command(self.pump, command)]
        if problems:
            told = [scenario.problem(place, message) for place, message in problems]
            raise ScenarioError(told, remedy="`pumprig devices NAME` shows what a device can do.")

    def refuse_controller(self, controller: str) -> None:
        """Refuses a controller that doses where it must not, or that has nothing to act on.

        Raises:
            UsageError: the sensor is for monitoring only, or the pump's basal cannot be adjusted.
        """
        if controller == _MANUAL:
            return
        if self.monitoring_only and self.cgm is not None:
            raise UsageError(
                f"controller {controller} doses, and {_watches(self.cgm)}", where=f"--cgm {self.cgm.name}",
                allowed="--controller manual, with which therapy is not started", remedy="Or choose another sensor.",
            )  # fmt: skip
        if self.pump is not None and not self.pump.basal_adjustable.value:
            raise UsageError(
                f"controller {controller} cannot act on {self.pump.title}: no basal to adjust (D-205)",
                where=f"--pump {self.pump.name}", allowed="--controller manual", remedy="Or choose another pump.",
            )  # fmt: skip

    def _doses(self, scenario: Scenario) -> Iterator[Problem]:
        assert self.cgm is not None
        why = _watches(self.cgm)
        for index, command in enumerate(scenario.commands):
            runs = isinstance(command, SetTherapyState) and command.state != "stop"
            doses = isinstance(command, SetController) and command.controller != _MANUAL
            if runs or doses or isinstance(command, SetBolus | StartPriming):
                yield ("command", index, "kind"), f"{command.kind}: {why}"


def _watches(cgm: CgmProfile) -> str:
    return f"{cgm.title} is for monitoring only, and no dose may rest on it (D-1301)"


def _iu(amount_mu: int) -> Decimal:
    return Decimal(amount_mu) / 1000


def _cut(pump: PumpProfile, rate_iu_per_h: Decimal) -> Decimal:
    """Down to a rate that the pump has a step for and a client can send."""
    rate_mu = pump.basal_cut(int(rate_iu_per_h * 1000))
    while rate_mu and most_on_the_wire(_iu(rate_mu)) != _iu(rate_mu):
        rate_mu = pump.basal_cut(rate_mu - 1)
    return _iu(rate_mu)


def _settings(pump: PumpProfile, scenario: Scenario, given: frozenset[str]) -> Iterator[Problem]:
    settings = scenario.pump
    if "basal_profile" in given:
        if pump.basal_fixed_mu_per_h is not None:
            yield ("pump", "basal_profile"), f"{pump.title} has no basal that can be adjusted"
        else:
            yield from (
                (("pump", "basal_profile", index, "rate_iu_per_h"), problem)
                for index, block in enumerate(settings.basal_profile)
                if (problem := pump.basal_problem(block.rate_iu_per_h))
            )
    if "max_bolus_iu" in given and (problem := _max_bolus(pump, settings.max_bolus_iu)):
        yield ("pump", "max_bolus_iu"), problem


def _max_bolus(pump: PumpProfile, amount_iu: Decimal) -> str:
    pulse, most = pump.pulse_mu.value, pump.bolus_most_mu.value
    if 0 < amount_iu * 1000 <= most and amount_iu * 1000 % pulse == 0:
        return ""
    return f"{amount_iu} IU is no maximum of {pump.title}; allowed: whole pulses of {pulse} mU up to {most / 1000:g} IU"


def _tbr(pump: PumpProfile, command: SetTbr | SetTbrTemplate) -> Iterator[tuple[str, str]]:
    kinds = pump.tbr_kinds.value
    if not kinds or pump.tbr_step_minutes is None or pump.tbr_most_minutes is None:
        yield "kind", f"{pump.title} has no TBR"
        return
    for field, kind in (("rate_iu_per_h", "absolute"), ("factor", "relative")):
        if getattr(command, field) is not None and kind not in kinds:
            yield field, f"{pump.title} has no {kind} TBR; allowed: {', '.join(kinds)}"
            return
    if command.rate_iu_per_h is not None and (problem := pump.basal_problem(command.rate_iu_per_h)):
        yield "rate_iu_per_h", problem
    step, most = pump.tbr_factor_step_thousandths, pump.tbr_factor_most_thousandths
    if command.factor is not None and step is not None and most is not None:
        factor = command.factor * 1000
        if factor > most.value or factor % step.value:
            allowed = f"0 to {most.value / 1000:g} in steps of {step.value / 1000:g}"
            yield "factor", f"{command.factor} is no factor of {pump.title}; allowed: {allowed}"
    minutes, every, longest = command.duration_minutes, pump.tbr_step_minutes.value, pump.tbr_most_minutes.value
    if minutes is not None and (minutes > longest or minutes % every):
        allowed = f"{every} to {longest} in steps of {every}"
        yield "duration_minutes", f"{minutes} min is no duration of a TBR of {pump.title}; allowed: {allowed}"


def _bolus(pump: PumpProfile, command: SetBolus | SetBolusTemplate) -> Iterator[tuple[str, str]]:
    for field in ("amount_iu", "extended_iu"):
        amount = getattr(command, field)
        if amount is not None and (problem := pump.bolus_problem(amount)):
            yield field, problem


def _profile(pump: PumpProfile, command: WriteBasalProfile) -> Iterator[tuple[str, str]]:
    for block in command.basal_profile:
        if problem := pump.basal_problem(block.rate_iu_per_h):
            yield "basal_profile", problem


def _of_command(pump: PumpProfile, command: Command) -> Iterator[tuple[str, str]]:
    judges: dict[type[Any], Callable[[PumpProfile, Any], Iterator[tuple[str, str]]]] = {
        SetTbr: _tbr, SetTbrTemplate: _tbr, SetBolus: _bolus, SetBolusTemplate: _bolus, WriteBasalProfile: _profile,
    }  # fmt: skip
    if judge := judges.get(type(command)):
        yield from judge(pump, command)
    elif isinstance(command, SetMaxBolus) and (problem := _max_bolus(pump, command.amount_iu)):
        yield "amount_iu", problem
