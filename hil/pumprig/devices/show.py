"""Devices on a terminal, as plain data, and as the document hil/DEVICES.md, which is

    python -m pumprig.devices.show > hil/DEVICES.md
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from pumprig.devices.cgm import CgmProfile, cgm_names, load_cgm
from pumprig.devices.facts import Device, Fact
from pumprig.devices.pump import PumpProfile, load_pump, pump_names
from pumprig.suite.show import suite_console

__all__ = ["as_dict", "document", "show_device", "show_devices"]

UNVERIFIED = "unverified"
_PUMP_HEADINGS = ("Pump", "", "Pulse, U", "Basal, U/h", "Bolus, U", "U/min", "TBR", "Reservoir, U")
_CGM_HEADINGS = ("Sensor", "", "Every", "mg/dL", "Warm-up", "Session", "Back-fill", "For dosing")
_INTRODUCTION = """\
# Devices

<!-- Written by `python -m pumprig.devices.show`; a change belongs into hil/pumprig/devices/. -->

The pumps and sensors that `pumprig run --pump NAME --cgm NAME` takes. Each is one file in `hil/pumprig/devices/`, and
each number there has its source beside it, or says that nobody has held it against one: what rests on such a number
stands in *italics* here. They make the virtual pump **count** as the device does. They are neither the device nor its
protocol, and no advice to anybody.
"""


def units(value_mu: int) -> str:
    """Milliunits as units."""
    return f"{value_mu / 1000:g}"


def steps_text(steps: Sequence[tuple[int, int]]) -> str:
    """Steps with the values from which they hold."""
    parts = [units(steps[0][1])]
    for (below, _), (_, step) in pairwise(steps):
        # A limit of 1001 is what "up to 1 U" is in milliunits.
        since = f"beyond {units(below - 1)}" if below % 10 == 1 else f"from {units(below)}"
        parts.append(f"{units(step)} {since}")
    return ", ".join(parts)


def minutes_text(minutes: int) -> str:
    """Minutes in the greatest unit that is whole."""
    for size, word in ((1440, "d"), (60, "h")):
        if minutes and minutes % size == 0 and minutes >= 2 * size:
            return f"{minutes // size} {word}"
    return f"{minutes} min"


def basal_text(pump: PumpProfile) -> str:
    """What basal a pump can give."""
    fixed, least = pump.basal_fixed_mu_per_h, pump.basal_least_mu_per_h
    if fixed is not None:
        return f"{units(fixed.value)}, fixed" if fixed.value else "none"
    assert least is not None
    return f"{units(least.value)} to {units(pump.basal_limit_mu_per_h)} by {steps_text(pump.basal_steps)}"


def bolus_text(pump: PumpProfile) -> str:
    """What boluses a pump can give."""
    return f"{units(pump.bolus_least_mu.value)} to {units(pump.bolus_most_mu.value)} by {steps_text(pump.bolus_steps)}"


def tbr_text(pump: PumpProfile) -> str:
    """What TBRs a pump has."""
    if pump.tbr_step_minutes is None or pump.tbr_most_minutes is None:
        return "none"
    kinds = " or ".join(pump.tbr_kinds.value)
    return f"{kinds}, to {minutes_text(pump.tbr_most_minutes.value)} by {pump.tbr_step_minutes.value} min"


# The cells of a device, each with the facts that it rests on.
def _pump_cells(pump: PumpProfile) -> list[tuple[str, tuple[Fact[Any] | None, ...]]]:
    return [
        (units(pump.pulse_mu.value), (pump.pulse_mu,)),
        (basal_text(pump), (pump.basal_fixed_mu_per_h, pump.basal_most_mu_per_h, pump.basal_steps_mu_per_h)),
        (bolus_text(pump), (pump.bolus_least_mu, pump.bolus_most_mu, pump.bolus_steps_mu)),
        (units(pump.delivery_speed_mu_per_minute.value), (pump.delivery_speed_mu_per_minute,)),
        (tbr_text(pump), (pump.tbr_kinds, pump.tbr_step_minutes, pump.tbr_most_minutes)),
        (units(pump.reservoir_mu.value), (pump.reservoir_mu,)),
    ]


def _cgm_cells(cgm: CgmProfile) -> list[tuple[str, tuple[Fact[Any] | None, ...]]]:
    backfill = cgm.backfill_minutes.value
    return [
        (f"{cgm.interval_minutes.value} min", (cgm.interval_minutes,)),
        (f"{cgm.least_mg_dl.value} to {cgm.most_mg_dl.value}", (cgm.least_mg_dl, cgm.most_mg_dl)),
        (minutes_text(cgm.warm_up_minutes.value), (cgm.warm_up_minutes,)),
        (minutes_text(60 * cgm.session_hours.value), (cgm.session_hours,)),
        (minutes_text(backfill) if backfill else "none", (cgm.backfill_minutes,)),
        ("yes" if cgm.dosing.value else "no: monitoring only", (cgm.dosing,)),
    ]


def _sure(facts: Sequence[Fact[Any] | None]) -> bool:
    return all(fact is None or not fact.unverified for fact in facts)


def _table(headings: Sequence[str], devices: Sequence[Device]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading in headings:
        table.add_column(heading, no_wrap=heading == headings[0])
    for device in devices:
        cells = _pump_cells(device) if isinstance(device, PumpProfile) else _cgm_cells(device)  # type: ignore[arg-type]
        told = [text if _sure(facts) else f"[italic]{text}[/]" for text, facts in cells]
        table.add_row(f"[bold]{device.name}[/]", device.title, *told)
    return table


def show_devices(pumps: Sequence[PumpProfile], sensors: Sequence[CgmProfile]) -> None:
    """Print all devices as two tables."""
    console = suite_console()
    console.print(_table(_PUMP_HEADINGS, pumps))
    console.print(_table(_CGM_HEADINGS, sensors))
    console.print("In italics: rests on a number that nobody has held against a source. `pumprig devices NAME` tells.")


def show_device(device: Device) -> None:
    """Print a device with the source of each number."""
    console = suite_console()
    console.print(f"[bold]{device.title}[/], {device.maker} ({device.name})")
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading in ("", "Value", "Source"):
        table.add_column(heading)
    for name, fact in device.facts():
        source = f"[italic]{UNVERIFIED}[/]" if fact.unverified else device.source_of(fact)
        table.add_row(name, _plain(fact.value), source)
    console.print(table)


def as_dict(device: Device) -> dict[str, Any]:
    """A device as plain data."""
    facts = {
        name: {"is": fact.value, **({UNVERIFIED: True} if fact.unverified else {"source": device.source_of(fact)})}
        for name, fact in device.facts()
    }
    kind = "pump" if isinstance(device, PumpProfile) else "sensor"
    return {"name": device.name, "kind": kind, "title": device.title, "maker": device.maker, "facts": facts}


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        items = (f"below {item[0]}: {item[1]}" if isinstance(item, list) else str(item) for item in value)
        return "; ".join(items) or "-"
    return str(value)


# --- The document -----------------------------------------------------------------------------------------------


def _markdown(headings: Sequence[str], devices: Sequence[Device]) -> list[str]:
    lines = ["| " + " | ".join(headings) + " |", "|" + "---|" * len(headings)]
    for device in devices:
        cells = _pump_cells(device) if isinstance(device, PumpProfile) else _cgm_cells(device)  # type: ignore[arg-type]
        told = [text if _sure(facts) else f"*{text}*" for text, facts in cells]
        lines.append("| " + " | ".join([f"`{device.name}`", device.title, *told]) + " |")
    return lines


def _sources(devices: Sequence[Device]) -> list[str]:
    lines = []
    for device in devices:
        groups: dict[str, list[str]] = {}
        for name, fact in device.facts():
            groups.setdefault(device.source_of(fact), []).append(f"`{name}`")
        told = [f"{source or 'unverified'}: {', '.join(names)}" for source, names in groups.items()]
        lines.append(f"- **{device.title}** ({device.maker}): " + "; ".join(told) + ".")
    return lines


def document() -> str:
    """The text of hil/DEVICES.md."""
    pumps, sensors = [load_pump(name) for name in pump_names()], [load_cgm(name) for name in cgm_names()]
    parts = [
        _INTRODUCTION,
        "## Pumps",
        "A step holds from the value beside it on. Rates may be 0, too; times of a TBR are minutes.",
        "",
        *_markdown(_PUMP_HEADINGS, pumps),
        "",
        "## Sensors",
        "",
        *_markdown(_CGM_HEADINGS, sensors),
        "",
        "## Where the numbers stand",
        "",
        *_sources([*pumps, *sensors]),
    ]
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    sys.stdout.write(document())
