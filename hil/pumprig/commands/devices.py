"""`pumprig devices`: the pumps and sensors that are known, with every number and its source."""

from __future__ import annotations

import json
from typing import Any

import click

from pumprig.errors import UsageError

__all__ = ["command"]


@click.command("devices")
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print the data as JSON, and nothing else.")
def command(name: str | None, as_json: bool) -> int:
    """List the pumps and sensors that a run can have, or show NAME with the source of each number.

    \b
    Examples:
      pumprig devices
      pumprig devices omnipod_dash
      pumprig run export.csv --pump omnipod_dash --cgm libre3
    """
    from pumprig.devices.cgm import cgm_names, load_cgm
    from pumprig.devices.pump import load_pump, pump_names
    from pumprig.devices.show import as_dict, show_device, show_devices

    pumps, sensors = [load_pump(each) for each in pump_names()], [load_cgm(each) for each in cgm_names()]
    if name is not None:
        device = _named(name, [*pumps, *sensors])
        if as_json:
            click.echo(json.dumps(as_dict(device), indent=1))
        else:
            show_device(device)
        return 0
    if as_json:
        shown: dict[str, list[dict[str, Any]]] = {
            "pumps": [as_dict(pump) for pump in pumps], "sensors": [as_dict(sensor) for sensor in sensors],
        }  # fmt: skip
        click.echo(json.dumps(shown, indent=1))
    else:
        show_devices(pumps, sensors)
    return 0


def _named(name: str, devices: list[Any]) -> Any:
    from pumprig.devices.facts import near_names, plain_name

    known = {plain_name(device.name): device for device in devices}
    if plain_name(name) in known:
        return known[plain_name(name)]
    near = near_names(name, [device.name for device in devices])
    raise UsageError(
        f"no device is called {name}", where="devices", allowed=", ".join(device.name for device in devices),
        remedy=f"Do you mean {' or '.join(near)}?" if near else "",
    )  # fmt: skip
