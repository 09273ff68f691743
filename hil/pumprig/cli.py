"""The command line: `pumprig run`, `replay`, `report`, `verify-suite`, `doctor`, `board`.

Commands are loaded when they are used, so that `--help` is quick. Every error of ours ends as one message on
standard error and the exit code of its class.
"""

from __future__ import annotations

import contextlib
import errno
import gc
import importlib
import json
import signal
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any

import click

from pumprig.errors import PumprigError
from pumprig.verdict import INTERRUPTED_EXIT_CODE

__all__ = ["main"]

RIG_ERROR_EXIT_CODE = 4

_COMMANDS = {
    "run": ("pumprig.commands.run", "Replay a CGM trace or a scenario into a pump and prove every dose."),
    "replay": ("pumprig.commands.replay", "Repeat a run from its record and compare the doses."),
    "report": ("pumprig.commands.report", "Make the report of a run again, also while it goes on."),
    "verify-suite": ("pumprig.commands.verify_suite", "Show that the rig catches pumps that are wrong on purpose."),
    "cohort": ("pumprig.commands.cohort", "Run virtual patients through real firmware, and tell how each fared."),
    "accuracy": ("pumprig.commands.accuracy", "Measure how exactly a pump delivers: windows, boluses, weeks."),
    "interop": ("pumprig.commands.interop", "Run every sensor with every pump, and tell what each pair gives and why."),
    "conformance": ("pumprig.commands.conformance", "Hold a live Insulin Delivery Service against the standard."),
    "spec": ("pumprig.commands.spec", "Read, decode, build and judge the messages of the wire."),
    "decide": ("pumprig.commands.decide", "Say what a controller of the firmware decides on inputs of yours."),
    "fuzz": ("pumprig.commands.fuzz", "Throw damaged and hostile octets at the pump, and see that it stays safe."),
    "devices": ("pumprig.commands.devices", "Show the pumps and sensors that a run can have, with their sources."),
    "doctor": ("pumprig.commands.doctor", "Say what this machine can run, and what is missing."),
    "boards": ("pumprig.commands.boards", "Show the boards that are plugged in: which build each runs, who holds it."),
    "flash": ("pumprig.commands.flash", "Put the firmware onto a board, and let it prove which build it runs."),
    "reset": ("pumprig.commands.reset", "Start the firmware of a board again."),
    "repl": ("pumprig.commands.repl", "Stop the firmware of a board and give its REPL."),
    "logs": ("pumprig.commands.logs", "Show what a board prints."),
    "size": ("pumprig.commands.size", "Show what the firmware takes of a board's flash and heap."),
    "board": ("pumprig.commands.board", "Start a virtual board on a serial device for other programs."),
}

_EXIT_CODES = """\b
Exit codes:
  0 pass   1 fail   2 usage   3 blocked (no board, board busy, bench unfit from the start)
  4 rig error   5 the board does not run this build   6 breaking change of the wire
  7 inconclusive   130 interrupted"""


class _LazyGroup(click.Group):
    """A group that imports a command's module only when the command is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        # What a command imports stays: to look for garbage in it takes a tenth of the time, and finds none.
        gc.disable()
        try:
            command: click.Command = importlib.import_module(_COMMANDS[cmd_name][0]).command
        finally:
            gc.freeze()
            gc.enable()
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])


@click.group(cls=_LazyGroup, epilog=_EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="pumprig", message="%(prog)s %(version)s")
def _cli() -> None:
    """An open bench for insulin pumps: replay recorded CGM into real pump firmware, prove every dose.

    A test tool. Not for therapy.

    \b
    Try:
      pumprig run                                    the bundled demo day, live
      pumprig run export.csv --controller plgs       a recorded trace
      pumprig run scenario.toml --clock realtime     a scenario in real time
    """


def _tell_json(argv: list[str], message: str, exit_code: int, error: PumprigError | None = None) -> None:
    # Who asked for JSON gets the refusal as JSON, too; standard error has it in words either way. What `spec encode`
    # takes after --json is its input.
    if "--json" in argv and argv[:2] != ["spec", "encode"]:
        refusal: dict[str, Any] = {"error": message, "exit_code": exit_code}
        if error is not None:
            refusal |= {"what": error.what, "where": error.where, "allowed": error.allowed, "remedy": error.remedy}
        click.echo(json.dumps(refusal, indent=1))


def _refuse(argv: list[str], message: str, exit_code: int, error: PumprigError | None = None) -> None:
    click.echo(f"pumprig: {message}", err=True)
    _tell_json(argv, message, exit_code, error)


def _last_words(error: Exception) -> str:
    folder = tempfile.gettempdir()
    # Any write of any command may meet a full disk: that is no defect.
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror}. Make room where the records go, and in {folder}."
    path = Path(folder) / "pumprig-defect.txt"
    with contextlib.suppress(OSError):
        path.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
    return f"a defect of pumprig: {type(error).__name__}: {error}. Report it with {path}."


# What is half written when Ctrl-C comes may fail to be closed; that error then stands in the place of the interruption.
def _of_an_interruption(error: BaseException) -> bool:
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, KeyboardInterrupt):
            return True
        seen = seen.__cause__ or seen.__context__
    return False


def main(argv: list[str] | None = None) -> Any:
    """Run the command line and leave with its exit code."""
    # A polite request to end is an interruption: the run still writes its report, and no virtual board stays behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    given = sys.argv[1:] if argv is None else argv
    try:
        code = _cli.main(args=argv, prog_name="pumprig", standalone_mode=False)
    except PumprigError as error:
        code = error.exit_code
        _refuse(given, error.message, code, error)
    except click.exceptions.Abort:
        code = INTERRUPTED_EXIT_CODE
        _refuse(given, "interrupted", code)
    except click.exceptions.Exit as leaving:
        code = leaving.exit_code
    except click.ClickException as error:
        error.show()
        code = 2
        _tell_json(given, error.format_message(), code)
    except KeyboardInterrupt:
        code = INTERRUPTED_EXIT_CODE
        _refuse(given, "interrupted", code)
    except BrokenPipeError:
        code = 0
    except Exception as error:  # noqa: BLE001 - the last resort: a defect ends with its own exit code
        code, before = RIG_ERROR_EXIT_CODE, ""
        if _of_an_interruption(error):
            code, before = INTERRUPTED_EXIT_CODE, "interrupted, so that what was being written may not be whole; then "
        _refuse(given, before + _last_words(error), code)
    sys.exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main()
