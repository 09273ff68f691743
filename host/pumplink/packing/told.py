"""Tells what a board prints in the names and lines of the firmware's sources."""

from __future__ import annotations

import json
import re
from functools import cached_property
from pathlib import Path

from pumplink.packing.merge import Merged

__all__ = ["Told", "written"]

_FRAME = re.compile(r'File "([^"]+)", line (\d+)(?:, in (\S+))?')
# Where MicroPython names things: in messages of errors, and of objects.
_ERROR = re.compile(r"^\w*(?:Error|Exception|Interrupt|Iteration)\w*(?::|$)")
_QUOTED = re.compile(r"'(\w+)'|\bname (\w+)$|(?<=<)(\w+)(?= object at )|(?<=<function )(\w+)|(?<=^)(\w+)(?=\(\) )")
_TAGGED = re.compile(r"^\w+:[0-9a-f]{4}$")
_FOLDER = "/firmware/"


def written(merged: Merged) -> str:
    """What is kept beside packed files, for `Told`."""
    sources = {
        f"{file.name}:{file.tag}": {"modules": file.paths, "lines": file.lines} for file in merged.files if file.tag
    }
    return json.dumps({"files": sources, "names": merged.names}, separators=(",", ":"))


class Told:
    """What the names and lines of a packed firmware were.

    Args:
        kept: the file with them; one that is not there stands for a firmware with its own names.
    """

    def __init__(self, kept: Path) -> None:
        self._kept = kept

    @cached_property
    def _known(self) -> dict[str, dict[str, dict[str, list[list[int]]]]]:
        try:
            return json.loads(self._kept.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {"files": {}, "names": {}}

    def line(self, text: str) -> str:
        """A line that a board printed, with names, files and lines as the sources have them.

        Args:
            text: the line, without its end.
        """
        if 'File "' in text:
            return _FRAME.sub(self._frame, text)
        if _ERROR.match(text) or " object at " in text:
            return _QUOTED.sub(self._quoted, text)
        return text

    def unknown(self, text: str) -> str:
        """The packed file that a line of a traceback speaks of, when it is not one of these; empty otherwise."""
        found = _FRAME.search(text)
        return found[1] if found and _TAGGED.search(found[1]) and found[1] not in self._known["files"] else ""

    def _name(self, short: str) -> str:
        return str(self._known["names"].get(short, short))

    def _frame(self, found: re.Match[str]) -> str:
        file, line, function = found.groups()
        within = "" if function is None else f", in {self._name(function)}"
        known = self._known["files"].get(file)
        if known is None or int(line) > len(known["lines"]):
            return found[0] if known is None else f'File "{file}", line {line}{within}'
        module, number = known["lines"][int(line) - 1]
        return f'File "{_FOLDER}{known["modules"][module]}", line {number}{within}'

    def _quoted(self, found: re.Match[str]) -> str:
        short = next(group for group in found.groups() if group is not None)
        return found[0].replace(short, self._name(short))
