"""`pumprig boards`: what is plugged in, which build it runs, and who holds it."""

from __future__ import annotations

import json
from typing import Any

import click

from pumprig.errors import BlockedError, UsageError

__all__ = ["command"]


@click.command("boards")
@click.option("--known", is_flag=True, help="Show the boards whose data is installed, and how to install MicroPython.")
@click.option("--ask/--no-ask", default=True, help="Ask known boards which build they run.  [default: ask]")
@click.option("--forget", metavar="ADDRESS", help="Remove this host's bond with the pump of that radio.")
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON.")
def command(known: bool, ask: bool, forget: str | None, as_json: bool) -> int:
    """Show the boards that are plugged in: which build each runs, and who holds it.

    A board that is held is not asked, and neither is a device that no board is known by. `--board` takes a name where
    one board of that name is plugged in, otherwise `id:` with the serial number, or `port:` with the device.
    """
    from pumplink.plugged.hardware import real_boards

    if forget is not None:
        return _forget(forget)
    try:
        real_boards()
    except ValueError as error:
        raise UsageError(str(error)) from None
    rows = _known() if known else _plugged(ask)
    if as_json:
        click.echo(json.dumps(rows, indent=1))
    elif known:
        for row in rows:
            click.echo(f"{row['name']:14}{row['title']}\n              {row['page']}\n              {row['install']}")
            if row["unverified"]:
                click.echo(f"              not held against a board yet: {', '.join(row['unverified'])}")
    else:
        for row in rows:
            name = f"id:{row['serial_number']}" if row["serial_number"] else f"port:{row['device']}"
            click.echo(f"{name}  {row['device']}  {' or '.join(row['boards']) or 'unknown'}  {row['description']}")
            click.echo(f"    build: {row['build']}; held by: {row['holder'] or 'nobody'}")
        if not rows:
            click.echo("no serial device is there; plug a board in, or start one: pumprig board --usb")
    return 0


def _forget(address: str) -> int:
    from pumplink.ble.radios import need_radio
    from pumplink.errors import BearerError

    try:
        need_radio()
        from pumplink.ble.bonds import BondFile

        bonds = BondFile()
        if not bonds.forget(address):
            there = ", ".join(bonds.addresses) or "none, this host has no bonds"
            raise UsageError(f"there is no bond with {address}", where="--forget", allowed=there)
    except BearerError as error:
        raise BlockedError(str(error)) from None
    click.echo(f"the bond with {address} is gone; the next run pairs anew")
    return 0


def _known() -> list[dict[str, Any]]:
    from pumplink.plugged.hardware import real_boards

    return [
        {
            "name": board.name, "title": board.data.title, "micropython": board.micropython, "page": board.page,
            "install": board.install, "usb_ids": board.usb_ids, "folder": str(board.data.folder),
            "unverified": board.unverified,
        }
        for board in real_boards().values()
    ]  # fmt: skip


def _plugged(ask: bool) -> list[dict[str, Any]]:
    from pumplink.plugged.lock import foreign_holders, holder_of
    from pumplink.plugged.ports import plugged_in
    from pumprig.plugged import build_of

    rows: list[dict[str, Any]] = []
    for port in plugged_in():
        holder = holder_of(port.device)
        others = [] if holder else foreign_holders(port.device)
        build = build_of(port) if ask and port.candidates and not others else "not asked"
        rows.append({
            "device": port.device, "serial_number": port.serial_number, "usb_id": port.usb_id,
            "description": port.description, "boards": port.candidates, "build": build,
            "holder": str(holder or (others[0] if others else "")),
        })  # fmt: skip
    return rows
