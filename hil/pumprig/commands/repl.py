"""`pumprig repl`: the REPL of a board."""

from __future__ import annotations

import subprocess
import sys

import click

from pumprig.errors import UsageError

__all__ = ["command"]


@click.command("repl")
@click.option("--board", required=True, metavar="NAME|id:SERIAL|port:DEVICE", help="The board.")
@click.option("--as", "kind", metavar="NAME", help="Take the board for this one, whatever it says that it is.")
@click.option("--run", "code", metavar="CODE", help="Run this, print what it prints, and start the firmware.")
def command(board: str, kind: str | None, code: str | None) -> int:
    """Stop the firmware of a board and give its REPL; Ctrl-X leaves it.

    The firmware stays stopped until `pumprig reset`.

    \b
    Examples:
      pumprig repl --board pico_w
      pumprig repl --board port:/dev/ttyACM0 --run "import os; print(os.listdir())"
    """
    from pumprig.plugged import in_repl

    if code is None and not sys.stdin.isatty():
        raise UsageError("a REPL needs a terminal", where="--run", remedy="Give the code with --run.")
    with in_repl(board, kind) as (repl, _):
        if code is not None:
            click.echo(repl.run(code), nl=False)
            (repl.start if "/main.py" in repl.files(("/lib", "/rom")) else repl.reset)()
            return 0
        repl.close()
        # mpremote has the terminal; the board stays held meanwhile.
        return subprocess.run(
            [sys.executable, "-m", "mpremote", "connect", repl.device, "resume", "repl"], check=False
        ).returncode
