"""Lines of the values in a JSON text, so that a mistake can be named with its line.

json gives values without their lines. This need not judge the text, because json has done that before.
"""

from __future__ import annotations

import json
import re

from pumprig.toml_lines import Location

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')


class JsonLines:
    """The line of each key and item of a text that json has read.

    Args:
        text: the JSON text.
    """

    def __init__(self, text: str) -> None:
        self._lines: dict[Location, int] = {(): 1}
        place: list[str | int] = []
        is_key = False
        line, counted = 1, 0
        for token in _TOKEN.finditer(text):
            line, counted = line + text.count("\n", counted, token.start()), token.start()
            word = token[0]
            if word in "}]":
                place.pop()
            elif word == ",":
                is_key = not isinstance(place[-1], int)
                if isinstance(place[-1], int):
                    place[-1] += 1
            elif word == ":":
                is_key = False
            elif is_key:
                place[-1] = str(json.loads(word))
                self._lines.setdefault(tuple(place), line)
            else:
                self._lines.setdefault(tuple(place), line)
                if word in "{[":
                    place.append("" if word == "{" else 0)
                    is_key = word == "{"

    def line_of(self, location: Location) -> int:
        """Line of a location, or of the nearest thing around it that has one."""
        while location not in self._lines:
            location = location[:-1]
        return self._lines[location]
