"""The plan of a run: everything that decides it, before a board is touched."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from pumprig.devices.choice import Devices
from pumprig.patients.plan import PatientPlan
from pumprig.scenario import Scenario
from pumprig.scenario_commands import ActivateBasalProfile, Command, SetMaxBolus, WriteBasalProfile
from pumprig.schedule import Schedule
from pumprig.trace import Sample, Trace

__all__ = ["BRING_UP_S", "RunPlan", "start_second"]

BRING_UP_S = 60
"""Pump seconds that the bring-up takes, each of its steps at a second of its own."""


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
    """

    scenario: Scenario
    trace: Trace
    schedule: Schedule
    without: frozenset[str] = frozenset()
    expected_firmware: bytes | None = None
    patient: PatientPlan | None = None
    devices: Devices = field(default_factory=Devices)

    def first_commands(self) -> list[Command]:
        """What the pump is set to before it runs: maximum bolus, basal profile."""
        pump = self.scenario.pump
        return [
            SetMaxBolus.model_construct(amount_iu=pump.max_bolus_iu),
            WriteBasalProfile.model_construct(template_number=1, basal_profile=pump.basal_profile),
            ActivateBasalProfile.model_construct(template_number=1),
        ]

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
