"""Cells of a CGM export: times, glucose values and units, judged with their line.

Nothing but the time and the glucose of a line is ever shown in a message: the rest may name the wearer.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

from pumprig.errors import TraceError
from pumprig.trace.model import GLUCOSE_MG_DL_MAX, GLUCOSE_MG_DL_MIN, OutOfRange, Unit, to_mg_dl

DateOrder = Literal["mdy", "dmy"]

_CLOCK = r"[T ,]+(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,]\d+)?)?\s*([AaPp])?\.?(?:[Mm]\.?)?\s*(Z|[+-]\d{2}:?\d{2})?$"
_YEAR_FIRST = re.compile(r"(\d{4})([-/.])(\d{1,2})\2(\d{1,2})" + _CLOCK)
_YEAR_LAST = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2(\d{4}|\d{2})" + _CLOCK)
_NUMBER = re.compile(r"[+-]?\d{1,6}(?:[.,]\d{1,6})?$")
_WORDS: dict[str, OutOfRange] = {"low": "low", "lo": "low", "high": "high", "hi": "high"}
_UNITS: dict[str, Unit] = {"mg/dl": "mg/dL", "mg_dl": "mg/dL", "mgdl": "mg/dL",
                           "mmol/l": "mmol/L", "mmol_l": "mmol/L", "mmoll": "mmol/L", "mmol": "mmol/L"}  # fmt: skip
# Made like a time or a number: a digit first, no letters but those of a time, and no number as long as a serial's.
_SHOWABLE = re.compile(r"(?!.*\d{6})[+-]?\d[\d\s:/.,+\-TZAPMapm]*$")
SHOWN_CHARACTERS_MAX = 32
UNIT_CHARACTERS_MAX = 12
YEAR_MIN = 2000
UNIT_MISMATCH_MG_DL = 36


def shown(cell: str) -> str:
    """A cell as a message may show it: short, in quotes, and only where it is made like a time or a number.

    In a damaged line any other cell may have moved into its place, the wearer's name or a serial number among them.
    """
    text = cell.strip()
    if len(text) > SHOWN_CHARACTERS_MAX or not _SHOWABLE.match(text):
        return f"({len(text)} characters, not shown)"
    return f'"{text}"'


def unit_of(name: str, where: str) -> Unit:
    """The unit that a header names.

    Raises:
        TraceError: for any unit but mg/dL and mmol/L.
    """
    unit = _UNITS.get(name.strip().lower())
    if unit is None:
        raise TraceError(
            f'unknown glucose unit "{name.strip()[:UNIT_CHARACTERS_MAX]}"'
            if name
            else "the header names no glucose unit",
            where=where,
            allowed="mg/dL and mmol/L",
            remedy="Export the trace again in one of them, or convert it and name the unit in the header.",
        )
    return unit


def read_glucose(cell: str, unit: Unit, where: str, low_high: tuple[int, int]) -> tuple[int, OutOfRange]:
    """Whole mg/dL and the out-of-range flag of one cell.

    Args:
        cell: a number with a point or a comma, or Low or High.
        unit: unit of a number.
        where: `file:line`.
        low_high: mg/dL that stand for Low and High.

    Raises:
        TraceError: no number, or a glucose that no sensor can report.
    """
    text = cell.strip()
    flag = _WORDS.get(text.lower(), "")
    if flag:
        return low_high[0] if flag == "low" else low_high[1], flag
    if not _NUMBER.match(text):
        raise TraceError(
            f"glucose {shown(text)} is no number",
            where=where,
            allowed="a number, Low or High",
            remedy="Correct the line, or leave the record out: a gap stays a gap.",
        )
    glucose_mg_dl = to_mg_dl(Decimal(text.replace(",", ".")), unit)
    if not GLUCOSE_MG_DL_MIN <= glucose_mg_dl <= GLUCOSE_MG_DL_MAX:
        other = "; it looks like mg/dL" if unit == "mmol/L" and not text.startswith("-") else ""
        allowed = "0.1 to 55 mmol/L" if unit == "mmol/L" else f"{GLUCOSE_MG_DL_MIN} to {GLUCOSE_MG_DL_MAX} mg/dL"
        raise TraceError(
            f"impossible glucose {text} {unit}{other}",
            where=where,
            allowed=allowed,
            remedy="Check the unit in the header, or leave the record out: a gap stays a gap.",
        )
    return glucose_mg_dl, flag


def read_times(
    cells: Sequence[tuple[int, str]], file: str, date_order: DateOrder | None, now: datetime
) -> tuple[list[datetime], list[str]]:
    """The times of a whole file, read in one date order.

    Args:
        cells: (line, cell) in the order of the file.
        file: the file's name for messages.
        date_order: order of day and month where the year comes last; None to let the file settle it.
        now: time that no record may lie more than a day after.

    Returns:
        The times without a zone, and notes on how they were read.

    Raises:
        TraceError: an unreadable, impossible or ambiguous time.
    """
    matches: list[tuple[int, str, re.Match[str], bool]] = []
    for line, cell in cells:
        text = cell.strip()
        match = _YEAR_FIRST.match(text)
        year_first = match is not None
        match = match or _YEAR_LAST.match(text)
        if match is None:
            raise TraceError(
                f"unreadable time {shown(text)}",
                where=f"{file}:{line}",
                allowed="YYYY-MM-DDThh:mm:ss, or day, month and year with hh:mm",
                remedy="Correct the line, or export the trace again.",
            )
        matches.append((line, text, match, year_first))
    notes: list[str] = []
    year_last = [(line, text, match) for line, text, match, first in matches if not first]
    order = _settled_order(year_last, file, date_order, notes) if year_last else "dmy"
    zones = {match[9] for _, _, match, _ in matches}
    if len(zones) > 1:
        odd = next(line for line, _, match, _ in matches if match[9] != matches[0][2][9])
        raise TraceError(
            "the times change their zone",
            where=f"{file}:{odd}",
            allowed="one zone in a whole file, or none",
            remedy="Write all times in one zone.",
        )
    zone = zones.pop() if zones else None
    if zone:
        notes.append(f"Times are those of the zone {'UTC' if zone == 'Z' else zone}, as the file gives them.")
    latest = now + timedelta(days=1)
    return [_time(f"{file}:{line}", text, match, first, order, latest) for line, text, match, first in matches], notes


def _time(
    where: str, text: str, match: re.Match[str], year_first: bool, order: DateOrder, latest: datetime
) -> datetime:
    first, second, third = int(match[1]), int(match[3]), int(match[4])
    if year_first:
        year, month, day = first, second, third
    else:
        day, month = (first, second) if order == "dmy" else (second, first)
        year = third + 2000 if len(match[4]) == 2 else third
    hour, minute, second_ = int(match[5]), int(match[6]), int(match[7] or 0)
    if match[8]:
        hour = hour % 12 + (12 if match[8] in "pP" else 0) if 1 <= hour <= 12 else 99
    try:
        time = datetime(year, month, day, hour, minute, second_)
    except ValueError:
        time = datetime.min
    if time.year < YEAR_MIN or time > latest:
        raise TraceError(
            f"impossible time {shown(text)}",
            where=where,
            allowed=f"a calendar time from {YEAR_MIN}-01-01 to one day from now",
            remedy="Correct the line or leave the record out; the device's clock may have been wrong.",
        )
    return time


def _settled_order(
    year_last: list[tuple[int, str, re.Match[str]]], file: str, given: DateOrder | None, notes: list[str]
) -> DateOrder:
    witness: dict[DateOrder, tuple[int, str]] = {}
    for line, text, match in year_last:
        if match[2] == "." or int(match[1]) > 12:
            witness.setdefault("dmy", (line, text))
        elif int(match[3]) > 12:
            witness.setdefault("mdy", (line, text))
    words: dict[DateOrder, str] = {"mdy": "month before day", "dmy": "day before month"}
    if len(witness) == 2:
        (line, text), (other_line, other) = sorted(witness.values())
        raise TraceError(
            f"the dates change their order: {shown(text)} here, {shown(other)} on line {other_line}",
            where=f"{file}:{line}",
            allowed="one order of day and month in a whole file",
            remedy="Export the trace again; a spreadsheet may have turned some of the dates round.",
        )
    if not witness:
        if given is not None:
            notes.append(f"Dates were read {words[given]}, as told; no date in the file settles it.")
            return given
        line, text, _ = year_last[0]
        raise TraceError(
            f"ambiguous date {shown(text)}: no day after the 12th tells day from month in this file",
            where=f"{file}:{line}",
            allowed="dates that can be read in one way only",
            remedy="Say --date-order mdy (month first) or --date-order dmy (day first).",
        )
    found, (line, text) = next(iter(witness.items()))
    if given not in (None, found):
        raise TraceError(
            f"date {shown(text)} cannot be read {words[given]}",
            where=f"{file}:{line}",
            remedy=f"Leave --date-order out, or say --date-order {found}.",
        )
    notes.append(f"Dates were read {words[found]}: line {line} settles it for the whole file.")
    return found
