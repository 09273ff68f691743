"""`pumprig logs`: what a board prints."""

from __future__ import annotations

import sys

import click

__all__ = ["command"]


@click.command("logs")
@click.option("--board", required=True, metavar="NAME|id:SERIAL|port:DEVICE", help="The board.")
@click.option("--seconds", type=click.FloatRange(min=0), help="End after so many seconds.  [default: on Ctrl-C]")
def command(board: str, seconds: float | None) -> int:
    """Show what a board prints, tracebacks above all; its firmware goes on running.

    Frames of the wire are left out. The board is held meanwhile.
    """
    from pumplink.plugged.logs import printed
    from pumplink.serial_bearer import SerialBearer
    from pumprig.plugged import held, port_of, told

    device = port_of(board).device
    with told(), held(device), SerialBearer(device) as bearer:
        for line in printed(bearer, seconds):
            click.echo(line)
            sys.stdout.flush()
    return 0
