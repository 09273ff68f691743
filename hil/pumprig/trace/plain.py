"""The plain CSV: `time,glucose_mg_dl` or `time,glucose_mmol_l`, local times, lines with # are comments.

`t,mgdl` and `t,mmoll` are accepted as header too, and so is a third column `flag` with low or high.
"""

from __future__ import annotations

import re
from datetime import datetime

from pumprig.errors import TraceError
from pumprig.trace.cells import DateOrder, read_glucose, read_times, unit_of
from pumprig.trace.model import HIGH_MG_DL, LOW_MG_DL, OutOfRange, Record
from pumprig.trace.sheet import Row, cell, delimiter_of, read_rows, refuse_short_end

_TIME_NAMES = ("time", "t")
_GLUCOSE_NAME = re.compile(r"glucose[ _]?\(?([\w/]*)\)?$|(mgdl|mmol_?l)$")


def header_of(text: str) -> str | None:
    """The header line of a plain CSV, or None where the text is none."""
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            names = [name.strip().strip('"').lower() for name in line.split(delimiter_of(line))]
            is_plain = len(names) >= 2 and names[0] in _TIME_NAMES and _GLUCOSE_NAME.match(names[1])
            return line if is_plain else None
    return None


def read_plain(
    text: str, header: str, file: str, date_order: DateOrder | None, now: datetime, notes: list[str]
) -> list[Record]:
    """The records of a plain CSV.

    Args:
        text: the whole file.
        header: its header line.
        file: name for messages.
        date_order: order of day and month, None to let the file settle it.
        now: time that no record may lie more than a day after.
        notes: gets how the times were read.

    Raises:
        TraceError: anything that cannot be read, with its line.
    """
    delimiter = delimiter_of(header)
    # Comments are blanked rather than removed, so that lines keep their numbers.
    lines = ["" if line.startswith("#") else line for line in text.splitlines()]
    rows = read_rows("\n".join(lines), delimiter, file)
    head, body = rows[0], rows[1:]
    name = _GLUCOSE_NAME.match(head.cells[1].lower())
    where = f"{file}:{head.line}"
    unit = unit_of((name[1] or name[2] or "") if name else "", where)
    refuse_short_end(rows, file)
    if body and not text.endswith(("\n", "\r")):
        raise TraceError(
            "truncated file: the last line has no line end, so its glucose may be cut",
            where=f"{file}:{body[-1].line}",
            remedy="Copy the file again, or end the last line if it is complete.",
        )
    times, time_notes = read_times([(row.line, row.cells[0]) for row in body], file, date_order, now)
    notes += time_notes
    flag_column = head.cells.index("flag") if "flag" in head.cells else None
    records: list[Record] = []
    empty = 0
    for row, time in zip(body, times, strict=True):
        written = cell(row, 1, file, "glucose")
        if not written:
            empty += 1
            continue
        glucose_mg_dl, flag = read_glucose(written, unit, f"{file}:{row.line}", (LOW_MG_DL, HIGH_MG_DL))
        flag = _flag(row, flag_column, file) or flag
        shown = written if flag == written.lower() else f"{written} {unit}"
        records.append(Record(row.line, time, glucose_mg_dl, flag, shown))
    if empty:
        notes.append(f"Records without a glucose value, left out: {empty}.")
    return records


def _flag(row: Row, column: int | None, file: str) -> OutOfRange:
    text = row.cells[column].lower() if column is not None and column < len(row.cells) else ""
    if text == "low":
        return "low"
    if text == "high":
        return "high"
    if text:
        raise TraceError("unknown flag", where=f"{file}:{row.line}", allowed="low, high or nothing")
    return ""
