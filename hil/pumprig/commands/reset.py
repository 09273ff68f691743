"""`pumprig reset`: starts a board's firmware again."""

from __future__ import annotations

import click

__all__ = ["command"]


@click.command("reset")
@click.option("--board", required=True, metavar="NAME|id:SERIAL|port:DEVICE", help="The board.")
@click.option("--as", "kind", metavar="NAME", help="Take the board for this one, whatever it says that it is.")
def command(board: str, kind: str | None) -> int:
    """Reset a board and wait until its firmware has started; ends with 5 when it does not."""
    from pumprig.plugged import build_at, in_repl

    with in_repl(board, kind) as (repl, hardware):
        repl.start()
        repl.close()
        build = build_at(repl.device, int(hardware.data.firmware["BAUD"]))
    click.echo(f"{hardware.name} on {repl.device} runs build {build}")
    return 0
