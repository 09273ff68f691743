"""The plan of a run: everything that decides it, before a board is touched."""

from __future__ import annotations

from dataclasses import dataclass

from pumprig.scenario import Scenario
from pumprig.schedule import Schedule
from pumprig.trace import Trace

__all__ = ["BRING_UP_S", "RunPlan"]

BRING_UP_S = 60
"""Pump seconds before the first sample: room for the bring-up, each step at a second of its own."""


@dataclass(frozen=True)
class RunPlan:
    """What a run is made of.

    Args:
        scenario: what is done.
        trace: the CGM.
        schedule: both as stimuli at pump seconds, the first sample at `schedule.start_s`.
        without: checks that are switched off.
        expected_firmware: hash that the board must report, None to accept any.
    """

    scenario: Scenario
    trace: Trace
    schedule: Schedule
    without: frozenset[str] = frozenset()
    expected_firmware: bytes | None = None
