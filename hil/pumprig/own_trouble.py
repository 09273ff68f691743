"""What a board says of a controller of one's own, with the name of its file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

__all__ = ["controller_errors", "with_its_name"]

# What the firmware's loop begins such a line with.
_FAILED = "pumprig: the controller failed: "
_COPY = "/firmware/pump/control/own.py"


def controller_errors(output: Iterable[str], own: Path | None) -> list[str]:
    """What a controller raised, each once, in the order in which it first did (D-1112).

    Args:
        output: the lines that the board printed.
        own: the file of a controller of one's own, None without.
    """
    told = (line.removeprefix(_FAILED) for line in output if line.startswith(_FAILED))
    return list(dict.fromkeys(with_its_name(line, own) for line in told))


def with_its_name(text: str, own: Path | None) -> str:
    """A text in which the copy that runs on the board has the name of the file that it is a copy of."""
    return text if own is None else text.replace(_COPY, own.name)
