"""Lines of the keys in a TOML text, so that a mistake can be named with its line.

tomllib gives values without their lines. This finds where keys and tables begin; it need not judge the text, because
tomllib has done that before.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from typing import Protocol, cast

Location = tuple[str | int, ...]

_KEY = r"(?:[A-Za-z0-9_-]+|\"[^\"]*\"|'[^']*')"
_PATH = re.compile(rf"\s*({_KEY}(?:\s*\.\s*{_KEY})*)\s*")
_TABLE = re.compile(rf"\s*(\[\[?)\s*({_KEY}(?:\s*\.\s*{_KEY})*)\s*\]\]?")


class Lines(Protocol):
    """Whatever knows the lines of a file."""

    def line_of(self, location: Location) -> int:
        """Line of a location, or of the nearest thing around it that has one."""


class TomlLines:
    """The line of each key, table and array item of a text that tomllib has read.

    Args:
        text: the TOML text.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._newlines = [match.start() for match in re.finditer("\n", text)]
        self._lines: dict[Location, int] = {(): 1}
        self._counts: dict[Location, int] = {}
        self._scan()

    def line_of(self, location: Location) -> int:
        """Line of a location, or of the nearest thing around it that has one."""
        while location not in self._lines:
            location = location[:-1]
        return self._lines[location]

    def _scan(self) -> None:
        text, table, at = self._text, cast(Location, ()), 0
        while at < len(text):
            end = _line_end(text, at)
            if head := _TABLE.match(text, at, end):
                table = self._enter(_split(head[2]), head[1] == "[[", at)
            elif key := self._key_at(at):
                location = table + _split(key[1])
                self._note(location, at)
                end = _line_end(text, self._value(key.end() + 1, location))
            at = end + 1

    def _key_at(self, at: int) -> re.Match[str] | None:
        key = _PATH.match(self._text, at)
        return key if key and self._text[key.end() : key.end() + 1] == "=" else None

    def _note(self, location: Location, at: int) -> None:
        line = bisect_left(self._newlines, at) + 1
        for length in range(1, len(location) + 1):
            self._lines.setdefault(location[:length], line)

    def _enter(self, path: Location, is_array: bool, at: int) -> Location:
        table: Location = ()
        for part in path[:-1]:
            table += (part,)
            if table in self._counts:
                table += (self._counts[table],)
        table += path[-1:]
        if is_array:
            self._counts[table] = self._counts.get(table, -1) + 1
            table += (self._counts[table],)
        self._note(table, at)
        return table

    # Walks over one value, which may span lines, and notes the items of its arrays and inline tables. Returns the
    # place of the line end after it.
    def _value(self, at: int, location: Location) -> int:
        text = self._text
        open_: list[_Open] = []
        while at < len(text):
            char = text[at]
            top = open_[-1] if open_ else None
            if char == "#":
                at = _line_end(text, at)
            elif char == "\n" and top is None:
                return at
            elif char in "]}":
                open_.pop()
                at += 1
            elif char == "," and top:
                top.item += 1
                at += 1
            elif char.isspace():
                at += 1
            elif top and top.bracket == "{" and not top.in_value and (key := self._key_at(at)):
                top.key, top.key_of_item = _split(key[1]), top.item
                self._note(top.place(), at)
                at = key.end() + 1
            else:
                place = top.place() if top else location
                self._note(place, at)
                if char in "[{":
                    open_.append(_Open(char, place))
                    at += 1
                else:
                    at = _after_string(text, at) if char in "\"'" else _after_word(text, at)
        return at


class _Open:
    """An array or inline table that is not closed yet."""

    def __init__(self, bracket: str, location: Location) -> None:
        self.bracket = bracket
        self.location = location
        self.key: Location = ()
        self.key_of_item = -1
        self.item = 0

    @property
    def in_value(self) -> bool:
        return self.key_of_item == self.item

    def place(self) -> Location:
        return self.location + self.key if self.bracket == "{" else (*self.location, self.item)


def _after_word(text: str, at: int) -> int:
    while at < len(text) and text[at] not in ",]}#\n":
        at += 1
    return at


def _split(path: str) -> Location:
    return tuple(part.strip("\"'") for part in re.findall(_KEY, path))


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end


def _after_string(text: str, at: int) -> int:
    quote = text[at]
    if text.startswith(quote * 3, at):
        end = text.find(quote * 3, at + 3)
        return len(text) if end < 0 else end + 3
    at += 1
    while at < len(text) and text[at] not in (quote, "\n"):
        at += 2 if text[at] == "\\" and quote == '"' else 1
    return at + 1
