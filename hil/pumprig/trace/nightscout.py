"""Nightscout entries as JSON, as its API and the oref0 rigs write them.

cgm-format reads these too, but only where every entry has a `dateString`, without lines, and it skips what it
cannot read; oref0 rigs write `date` alone.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from pumprig.errors import TraceError
from pumprig.trace.cells import YEAR_MIN, read_glucose, shown
from pumprig.trace.model import HIGH_MG_DL, LOW_MG_DL, OutOfRange, Record

_FLAGS: dict[int, OutOfRange] = {LOW_MG_DL: "low", HIGH_MG_DL: "high"}
_REMEDY = "Download the entries again: /api/v1/entries.json?count=… of the Nightscout site."


def is_entries(text: str) -> bool:
    """Whether a text begins as an array of entries does."""
    at = _skip(text, 0, "[")
    return at > 0 and text[_skip(text, at) :][:1] in ("{", "]")


def read_entries(text: str, file: str, now: datetime, notes: list[str]) -> list[Record]:
    """The CGM readings among Nightscout entries; calibrations and meter readings are no readings.

    A glucose below 39 mg/dL is an error code of the sensor there, so that entry becomes part of a gap.

    Args:
        text: a JSON array of entries.
        file: name for messages.
        now: time that no entry may lie more than a day after.
        notes: gets what was left out.

    Raises:
        TraceError: no such array, or an entry that cannot be read, with its line.
    """
    records: list[Record] = []
    error_codes = without = 0
    for line, entry in _entries(text, file):
        where = f"{file}:{line}"
        if entry.get("type", "sgv") != "sgv":
            continue
        glucose = entry.get("sgv", entry.get("glucose"))
        if glucose is None:
            without += 1
            continue
        units = entry.get("units", "mg/dl")
        if str(units).lower() not in ("mg/dl", "mgdl"):
            raise TraceError("unknown glucose unit", where=where, allowed="mg/dL in entries", remedy=_REMEDY)
        time = _time(entry, where, now)
        if isinstance(glucose, int | float | Decimal) and not isinstance(glucose, bool) and 0 <= glucose < LOW_MG_DL:
            error_codes += 1
            continue
        value, flag = read_glucose(str(glucose), "mg/dL", where, (LOW_MG_DL, HIGH_MG_DL))
        records.append(Record(line, time, value, flag or _FLAGS.get(value, ""), f"{glucose} mg/dL"))
    if error_codes:
        notes.append(f"Error codes of the sensor (below {LOW_MG_DL}), left out: {error_codes}.")
    if without:
        notes.append(f"Entries without a glucose value, left out: {without}.")
    notes.append("Times are UTC, as Nightscout keeps them.")
    return records


# Entries are decoded one by one, because json.loads tells no lines.
def _entries(text: str, file: str) -> list[tuple[int, dict[str, Any]]]:
    decoder = json.JSONDecoder(parse_float=Decimal)
    entries: list[tuple[int, dict[str, Any]]] = []
    at, line, counted = _skip(text, 0, "["), 1, 0
    while True:
        at = _skip(text, at)
        line += text.count("\n", counted, max(at, counted))
        counted = max(at, counted)
        if text[at : at + 1] == "]":
            return entries
        try:
            entry, at = decoder.raw_decode(text, at)
        except json.JSONDecodeError as error:
            ended = error.pos >= len(text.rstrip()) - 1 or "Unterminated" in error.msg
            raise TraceError(
                "truncated file: the JSON ends inside an entry" if ended else "damaged JSON",
                where=f"{file}:{error.lineno}",
                remedy=_REMEDY,
            ) from None
        if not isinstance(entry, dict):
            raise TraceError("an entry is no JSON object", where=f"{file}:{line}", remedy=_REMEDY)
        entries.append((line, entry))
        at = _skip(text, at)
        if text[at : at + 1] not in (",", "]"):
            ended = at >= len(text)
            raise TraceError(
                "truncated file: the JSON array is never closed" if ended else "damaged JSON",
                where=f"{file}:{line + text.count(chr(10), counted, at)}",
                remedy=_REMEDY,
            )
        at = _skip(text, at, ",") if text[at] == "," else at


# The place after blanks and, where one is wanted, after that character; -1 where it is missing.
def _skip(text: str, at: int, wanted: str = "") -> int:
    while at < len(text) and text[at] in " \t\r\n":
        at += 1
    if wanted:
        at = at + 1 if text[at : at + 1] == wanted else -1
    return at


def _shown(written: object) -> str:
    return str(written) if isinstance(written, int | Decimal) else shown(str(written))


def _time(entry: dict[str, Any], where: str, now: datetime) -> datetime:
    written = entry.get("date", entry.get("dateString"))
    time: datetime | None = None
    try:
        if isinstance(written, int | Decimal) and not isinstance(written, bool):
            time = datetime(1970, 1, 1) + timedelta(seconds=int(written) // 1000)
        elif isinstance(written, str):
            stamp = datetime.fromisoformat(written)
            time = stamp.astimezone(UTC).replace(tzinfo=None, microsecond=0) if stamp.tzinfo else stamp
    except (ValueError, OverflowError):
        time = None
    if time is None or time.year < YEAR_MIN or time > now + timedelta(days=1):
        raise TraceError(
            f"impossible time {_shown(written)}",
            where=where,
            allowed=f"milliseconds since 1970, or an ISO time, from {YEAR_MIN}-01-01 to one day from now",
            remedy="Correct the entry or leave it out; the uploader's clock may have been wrong.",
        )
    return time
