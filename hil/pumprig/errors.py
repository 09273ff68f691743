"""The rig's errors: each says what is wrong, where, what was allowed and what to do next.

    PumprigError            4
    ├── UsageError          2   the caller's input cannot be used
    │   ├── TraceError          a file that is no usable CGM trace
    │   └── ScenarioError       a scenario file with mistakes, all of them named
    ├── BlockedError        3   the bench cannot run: no board, board busy, bench unfit from the start
    ├── RigError            4   the rig itself broke; the record up to that moment is kept
    ├── BuildMismatch       5   the board does not run this build
    └── WireBreak           6   a change of the wire that breaks its readers

The numbers are the exit codes of the command line. 0, 1 and 7 belong to verdicts (pass, fail, inconclusive), and
130 to an interruption. An error is shown as its message alone, never with a traceback.
"""

from __future__ import annotations

__all__ = [
    "BlockedError",
    "BuildMismatch",
    "PumprigError",
    "RigError",
    "ScenarioError",
    "TraceError",
    "UsageError",
    "WireBreak",
]


def _sentence(text: str) -> str:
    text = text.strip()
    return text if text.endswith((".", "!", "?", ":")) else text + "."


class PumprigError(Exception):
    """An error that ends a command with one clear message.

    Args:
        what: what is wrong.
        where: file, `file:line`, board or device that it was found in.
        allowed: what would have been accepted.
        remedy: what to do next.
    """

    exit_code = 4

    def __init__(self, what: str, *, where: str = "", allowed: str = "", remedy: str = "") -> None:
        self.what = what
        self.where = where
        self.allowed = allowed
        self.remedy = remedy
        text = f"{where}: {what}" if where else what
        if allowed:
            text = f"{text.strip().removesuffix('.')}; allowed: {allowed}"
        parts = [_sentence(text)]
        if remedy:
            parts.append(_sentence(remedy))
        super().__init__(" ".join(parts))

    @property
    def message(self) -> str:
        """The whole message, ready for the terminal."""
        return str(self)


class UsageError(PumprigError):
    """The caller's input cannot be used."""

    exit_code = 2


class TraceError(UsageError):
    """A file that is no usable CGM trace."""


class ScenarioError(UsageError):
    """A scenario file with mistakes: one line `file:line: field: message` for each.

    Args:
        problems: the lines, in the order of the file.
        remedy: what to do next.
    """

    def __init__(self, problems: list[str], *, remedy: str = "") -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(problems), remedy=remedy)
        text = "\n".join(problems)
        self.args = (f"{text}\n{_sentence(remedy)}" if remedy else text,)


class BlockedError(PumprigError):
    """The bench cannot run: no board, board busy, bench unfit from the start."""

    exit_code = 3


class RigError(PumprigError):
    """The rig itself broke. The record up to that moment is kept."""

    exit_code = 4


class BuildMismatch(PumprigError):
    """The board does not run this build."""

    exit_code = 5


class WireBreak(PumprigError):
    """A change of the wire that breaks its readers."""

    exit_code = 6
