"""Sensors as data: how often each measures, in which range, and when it is silent."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from pumprig.devices.facts import Device, Fact, device_names, read_device

__all__ = ["SENSORS", "CgmProfile", "cgm_names", "load_cgm"]

SENSORS = Path(__file__).with_name("sensors")

Glucose = Annotated[int, Field(ge=1, le=1000)]


class CgmProfile(Device):
    """A sensor.

    Attributes:
        dosing: false for one that only watches: no dose may rest on it (D-1301).
        interval_minutes: from one reading to the next.
        latency_s: from a measurement to its arrival at the pump.
        least_mg_dl, most_mg_dl: the range in which it says a number.
        below_mg_dl, above_mg_dl: the numbers that stand for Low and High.
        warm_up_minutes: without a reading at the start of a session.
        session_hours: how long a session lasts; another one begins at its end.
        backfill_minutes: how old a reading that it kept may be when it is asked for it; 0 when it keeps none.
    """

    dosing: Fact[bool]
    interval_minutes: Fact[Annotated[int, Field(ge=1, le=60)]]
    latency_s: Fact[Annotated[int, Field(ge=0, le=3600)]]
    least_mg_dl: Fact[Glucose]
    most_mg_dl: Fact[Glucose]
    below_mg_dl: Fact[Glucose]
    above_mg_dl: Fact[Glucose]
    warm_up_minutes: Fact[Annotated[int, Field(ge=0, le=10_080)]]
    session_hours: Fact[Annotated[int, Field(ge=1, le=8784)]]
    backfill_minutes: Fact[Annotated[int, Field(ge=0, le=65_535)]]

    def misfit(self) -> tuple[str, str] | None:
        """(field, message) of values that do not go together; None when all do."""
        values = [self.below_mg_dl.value, self.least_mg_dl.value, self.most_mg_dl.value, self.above_mg_dl.value]
        if values != sorted(set(values)):
            return "below_mg_dl", "below, least, most and above must rise in this order"
        if self.warm_up_minutes.value >= 60 * self.session_hours.value:
            return "warm_up_minutes", "must be shorter than the session"
        return None


def cgm_names() -> tuple[str, ...]:
    """Names of all sensors, sorted."""
    return device_names(SENSORS)


def load_cgm(name: str, option: str = "--cgm") -> CgmProfile:
    """A sensor by name.

    Args:
        name: case, hyphens and blanks do not matter.
        option: who asks, for the message.

    Raises:
        UsageError: there is none of this name, or its file is wrong.
    """
    return read_device(CgmProfile, SENSORS, name, option)
