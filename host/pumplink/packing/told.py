"""Tells what a board prints in the names and lines of the firmware's sources."""

from __future__ import annotations

import json
import re
from functools import cached_property
from pathlib import Path
from typing import Any

from pumplink.packing.merge import Merged

__all__ = ["Told", "written"]

_FRAME = re.compile(r'File "([^"]+)", line (\d+), in (\S+)')
# Where MicroPython names things: in messages of errors, and of objects.
_ERROR = re.compile(r"^\w*(?:Error|Exception|Interrupt|Iteration)\w*(?::|$)")
_CLASS = re.compile(r"(?<=')(\w+)(?=' object)|(?<=<)(\w+)(?= object at )")
_QUOTED = re.compile(r"'(\w+)'(?! object)|\bname (\w+)$|(?<=<function )(\w+)|(?<=^)(\w+)(?=\(\) )")
_ATTRIBUTE = re.compile(r"'(\w+)' object has no attribute '(\w+)'")
_TAGGED = re.compile(r"^\w+:[0-9a-f]{4}$")
_FOLDER = "/firmware/"


def written(merged: Merged, numbers: dict[str, dict[str, list[int]]]) -> str:
    """What is kept beside packed files, for `Told`.

    Args:
        merged: the files.
        numbers: for each file that was relinked, what its functions' lines are.
    """
    files = {}
    for file in merged.files:
        if file.tag:
            places = [
                [*place, file.functions.get(place, ""), names]
                for place, names in zip(file.lines, file.names, strict=False)
            ]
            own = numbers.get(file.name)
            functions = {"": places} if own is None else {
                name: [places[line - 1] for line in lines] for name, lines in own.items()
            }  # fmt: skip
            files[f"{file.name}:{file.tag}"] = {"modules": file.paths, "functions": functions}
    return json.dumps({"files": files, "names": merged.names, "classes": merged.classes}, separators=(",", ":"))


class Told:
    """What the names and lines of a packed firmware were.

    Args:
        kept: the file with them; one that is not there stands for a firmware with its own names.
    """

    def __init__(self, kept: Path) -> None:
        self._kept = kept
        # What names were in the line that a traceback named last.
        self._here: dict[str, str] = {}

    @cached_property
    def _known(self) -> dict[str, Any]:
        try:
            return json.loads(self._kept.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {"files": {}, "names": {}, "classes": []}

    def line(self, text: str) -> str:
        """A line that a board printed, with names, files and lines as the sources have them.

        Args:
            text: the line, without its end.
        """
        if 'File "' in text:
            return _FRAME.sub(self._frame, text)
        if _ERROR.match(text) or " object at " in text:
            missing = _ATTRIBUTE.search(text)
            text = self._missing(missing, text) if missing else _QUOTED.sub(self._quoted, text)
            text = _CLASS.sub(self._class, text)
        self._here = {}
        return text

    def unknown(self, text: str) -> str:
        """The packed file that a line of a traceback speaks of, when it is not one of these; empty otherwise."""
        found = _FRAME.search(text)
        return found[1] if found and _TAGGED.search(found[1]) and found[1] not in self._known["files"] else ""

    def _name(self, short: str) -> str:
        return str(self._known["names"].get(short) or self._here.get(short, short))

    def _frame(self, found: re.Match[str]) -> str:
        file, number, function = found.groups()
        known = self._known["files"].get(file, {"functions": {}})
        places = known["functions"].get(function) or known["functions"].get("") or []
        if not 0 < int(number) <= len(places):
            self._here = {}
            return found[0]
        module, line, inside, self._here = places[int(number) - 1]
        name = self._known["names"].get(function) or (function if function[0] == "<" else inside or function)
        return f'File "{_FOLDER}{known["modules"][module]}", line {line}, in {name}'

    def _missing(self, found: re.Match[str], text: str) -> str:
        owner, short = found.groups()
        of_owner: dict[str, str] = next((names for classes, names in self._known["classes"] if owner in classes), {})
        was = self._here.get(short, "")
        if not was or (short in of_owner and " or " in was):
            was = of_owner.get(short) or self._name(short)
        return f"{text[:found.start(2)]}{was}{text[found.end(2):]}"

    def _class(self, found: re.Match[str]) -> str:
        short = found[0]
        return next((str(classes[short]) for classes, _ in self._known["classes"] if short in classes), short)

    def _quoted(self, found: re.Match[str]) -> str:
        short = next(group for group in found.groups() if group is not None)
        return found[0].replace(short, self._name(short))
