"""The plan of a run: everything that decides it, before a board is touched."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from pumprig.devices.choice import Devices
from pumprig.oracle.settings import OracleSettings
from pumprig.patients.plan import PatientPlan
from pumprig.scenario import Scenario
from pumprig.scenario_commands import (
    ActivateBasalProfile,
    ActivateTemplates,
    Command,
    SetGuardrails,
    SetMaxBolus,
    SetOref,
    WriteBasalProfile,
    WriteIchoProfile,
    WriteIsfProfile,
    WriteTargetProfile,
)
from pumprig.scenario_control import OrefSettings
from pumprig.schedule import Schedule
from pumprig.trace import Sample, Trace

__all__ = ["BRING_UP_S", "RunPlan", "start_second"]

BRING_UP_S = 60
"""Pump seconds that the bring-up takes, each of its steps at a second of its own."""


_WRITES: dict[str, tuple[type[WriteIsfProfile | WriteIchoProfile | WriteTargetProfile], int]] = {
    "isf": (WriteIsfProfile, 10), "icho": (WriteIchoProfile, 12), "target": (WriteTargetProfile, 14),
}  # fmt: skip


def start_second(scale: int) -> int:
    """Pump second of the first sample, a whole minute: a host second passes before it at any speed of the clock.

    Args:
        scale: pump seconds in a second of the host; 0 in lockstep.
    """
    return BRING_UP_S * max(1, -(-scale // BRING_UP_S))


@dataclass(frozen=True)
class RunPlan:
    """What a run is made of.

    Args:
        scenario: what is done.
        trace: the CGM.
        schedule: both as stimuli at pump seconds, the first sample at `schedule.start_s`.
        without: checks that are switched off.
        expected_firmware: hash that the board must report, None to accept any.
        patient: whose glucose is measured as the run goes, None where a trace is replayed.
        devices: the kind of pump, and of sensor.
        own_loads: whether MicroPython can load the file of a controller of one's own (D-1112).
    """

    scenario: Scenario
    trace: Trace
    schedule: Schedule
    without: frozenset[str] = frozenset()
    expected_firmware: bytes | None = None
    patient: PatientPlan | None = None
    devices: Devices = field(default_factory=Devices)
    own_loads: bool = True

    @property
    def oracle_settings(self) -> OracleSettings:
        """What the oracle knows of the pump before it starts."""
        return replace(self.devices.oracle_settings, own_loads=self.own_loads)

    def first_commands(self) -> list[Command]:
        """What the pump is set to before it runs: maximum bolus, profiles, oref's settings, guardrails."""
        scenario, pump = self.scenario, self.scenario.pump
        commands: list[Command] = [SetMaxBolus.model_construct(amount_iu=pump.max_bolus_iu)]
        if self.devices.oracle_settings.basal_adjustable:
            commands += [
                WriteBasalProfile.model_construct(template_number=1, basal_profile=pump.basal_profile),
                ActivateBasalProfile.model_construct(template_number=1),
            ]
        numbers = []
        for kind, blocks in (("isf", pump.isf_profile), ("icho", pump.icho_profile), ("target", pump.target_profile)):
            if blocks is not None:
                write, number = _WRITES[kind]
                fields: dict[str, Any] = {"template_number": number, f"{kind}_profile": blocks}
                commands.append(write.model_construct(**fields))
                numbers.append(number)
        if numbers:
            commands.append(ActivateTemplates.model_construct(template_numbers=numbers))
        if scenario.controller == "oref" or scenario.oref != OrefSettings():
            commands.append(SetOref.model_construct(oref=scenario.oref))
        if scenario.guardrails.given():
            commands.append(SetGuardrails.model_construct(guardrails=scenario.guardrails))
        return commands

    def missed(self, until_s: int) -> list[Sample]:
        """The samples that came before a pump second while the bearer was down, as far as the sensor has kept them."""
        schedule = self.schedule
        return [
            sample
            for sample in schedule.missed(until_s)
            if self.devices.kept(sample, until_s - schedule.start_s - 60 * sample.offset_minutes)
        ]

    def later(self, by_s: int) -> RunPlan:
        """The same plan, its first sample and all that follows so many pump seconds later."""
        return replace(self, schedule=self.schedule.later(by_s))
