"""The CSV exports of Dexcom Clarity, LibreView, CareLink and the Nightscout exporter.

cgm-format knows the vendors' event kinds, sections and words and decides which records are CGM readings. It reads
leniently, though: it gives no lines, takes an ambiguous date day first, and a cell that it cannot read becomes an
empty one. So every time and glucose cell is judged here first, with its line; cgm-format is given the file with
those cells in an unambiguous form and without the cells that may name the wearer; and each of its readings must
be found again among the judged cells.
"""

from __future__ import annotations

import csv
import io
import logging
import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from pumprig.errors import TraceError
from pumprig.trace.cells import DateOrder, read_glucose, read_times, unit_of
from pumprig.trace.model import HIGH_MG_DL, LOW_MG_DL, OutOfRange, Record
from pumprig.trace.sheet import Row, cell, delimiter_of, read_rows, refuse_short_end

HEADER_LINE_MAX = 40


@dataclass(frozen=True)
class Layout:
    """Where a vendor keeps time and glucose, and the form in which cgm-format is given them.

    Attributes:
        name: the format's name in a trace.
        cgm_format: name of cgm-format's format.
        time_columns: column names of the time, one or two.
        glucose_column: pattern of the glucose columns; its group is the unit.
        time_formats: strftime form of each time column.
        keep_columns: patterns of the other columns that cgm-format needs with their content.
        low_high: mg/dL that stand for Low and High.
        minutes_only: times have no seconds.
        preamble: lines that cgm-format expects above the header.
        delimiter: delimiter that cgm-format expects.
    """

    name: str
    cgm_format: str
    time_columns: tuple[str, ...]
    glucose_column: re.Pattern[str]
    time_formats: tuple[str, ...]
    keep_columns: tuple[str, ...]
    low_high: tuple[int, int] = (LOW_MG_DL, HIGH_MG_DL)
    minutes_only: bool = False
    preamble: tuple[str, ...] = ()
    delimiter: str = ","


# The cells are given in mg/dL already, and cgm-format's readers want every column of the mg/dL export.
def _in_mg_dl(name: str) -> str:
    name = re.sub(r"\(mmol/L\)$", "(mg/dL)", name)
    return re.sub(r"^(Historic|Scan|Strip) Glucose mmol/L$", r"\1 Glucose mg/dL", name)


LAYOUTS = (
    Layout(
        "dexcom", "DEXCOM", ("Timestamp (YYYY-MM-DDThh:mm:ss)",),
        re.compile(r"Glucose Value \(([^)]*)\)$"), ("%Y-%m-%dT%H:%M:%S",),
        ("Index", "Event Type", "Event Subtype"),
    ),
    Layout(
        "libre", "LIBRE", ("Device Timestamp",),
        re.compile(r"(?:Historic|Scan) Glucose (\S+)$"),
        ("%d-%m-%Y %H:%M",), ("Record Type",),
        # Libre sensors report 40 to 500 mg/dL.
        low_high=(LOW_MG_DL, 501), minutes_only=True, preamble=("Glucose Data",),
    ),
    Layout(
        "carelink", "MEDTRONIC", ("Date", "Time"),
        re.compile(r"Sensor Glucose \(([^)]*)\)$"), ("%Y/%m/%d", "%H:%M:%S"),
        ("Index",), delimiter=";",
    ),
    Layout(
        "nightscout", "NIGHTSCOUT", ("Date", "Time"),
        re.compile(r"Glucose \(([^)]*)\)$"), ("%Y-%m-%d", "%H:%M:%S"),
        ("Type",), preamble=("# CGM ENTRIES",),
    ),
)  # fmt: skip

# Columns that cgm-format's CareLink reader looks up, and that older exports may lack.
_CARELINK_COLUMNS = (
    "BG Reading (mg/dL)", "Bolus Volume Delivered (U)", "Basal Rate (U/h)", "BWZ Carb Input (grams)", "Event Marker",
)  # fmt: skip


class Header(NamedTuple):
    """The header of a vendor file: its layout, line, delimiter and names."""

    layout: Layout
    line: int
    delimiter: str
    names: tuple[str, ...]


def find_header(text: str) -> Header | None:
    """The header row of a vendor export among the first lines, or None."""
    for number, line in enumerate(text.splitlines()[:HEADER_LINE_MAX], 1):
        delimiter = delimiter_of(line)
        names = _names(next(csv.reader([line], delimiter=delimiter), []))
        for layout in LAYOUTS:
            if set(layout.time_columns) <= set(names) and any(layout.glucose_column.match(n) for n in names):
                return Header(layout, number, delimiter, names)
    return None


def _names(cells: list[str]) -> tuple[str, ...]:
    return tuple(name.strip().strip('\ufeff\u201c\u201d"') for name in cells)


class _Cell(NamedTuple):
    row: Row
    column: int
    time: datetime
    glucose_mg_dl: int
    flag: OutOfRange
    written: str


def read_vendor(
    text: str, header: Header, file: str, date_order: DateOrder | None, now: datetime, notes: list[str]
) -> list[Record]:
    """The CGM readings of a vendor export, in the order of the file.

    Args:
        text: the whole file.
        header: its header as `find_header` gave it.
        file: name for messages.
        date_order: order of day and month, None to let the file settle it.
        now: time that no record may lie more than a day after.
        notes: gets how times were read and what was left out.

    Raises:
        TraceError: anything that cannot be read, with its line.
    """
    layout = header.layout
    where = f"{file}:{header.line}"
    matches = {i: match for i, name in enumerate(header.names) if (match := layout.glucose_column.match(name))}
    columns = list(matches)
    units = {unit_of(match[1], where) for match in matches.values()}
    if len(units) != 1:
        raise TraceError("two glucose units in one header", where=where, allowed="one unit")
    unit = units.pop()
    time_columns = [header.names.index(name) for name in layout.time_columns]
    rows = _data_rows(read_rows(text, header.delimiter, file), header, time_columns)
    refuse_short_end(rows, file)
    rows, glucose_columns = _readings_only(rows, header, columns, file, notes)
    times, time_notes = read_times(
        [(row.line, _time_text(row, time_columns, file)) for row in rows], file, date_order, now
    )
    notes += time_notes
    cells: list[_Cell] = []
    for row, time in zip(rows, times, strict=True):
        for column in glucose_columns:
            written = cell(row, column, file, "glucose")
            if written:
                value, flag = read_glucose(written, unit, f"{file}:{row.line}", layout.low_high)
                cells.append(_Cell(row, column, time, value, flag, written if flag else f"{written} {unit}"))
    if not cells:
        return []
    chosen = _chosen_by_cgm_format(_canonical(header, rows, times, cells), layout, file)
    return _found_again(cells, chosen, file)


# Rows below the header that carry a time: not the vendor's remarks, not a repeated header, not another section.
def _data_rows(rows: list[Row], header: Header, time_columns: list[int]) -> list[Row]:
    body: list[Row] = []
    in_section = True
    for row in rows:
        if row.line <= header.line:
            continue
        first = row.cells[0]
        if header.layout.name == "nightscout" and first.startswith("#"):
            in_section = first.startswith("# CGM ENTRIES")
        elif in_section and not first.startswith("-------"):
            written = [row.cells[i] for i in time_columns if i < len(row.cells)]
            is_header = written == list(header.layout.time_columns)
            if not is_header and (len(written) < len(time_columns) or any(written)):
                body.append(row)
    return body


def _time_text(row: Row, time_columns: list[int], file: str) -> str:
    return " ".join(cell(row, column, file, "time") for column in time_columns)


# A LibreView file holds the history that the sensor stores and the scans that its wearer makes: two series of one
# sensor, which may differ at one minute. The stored history is the trace; scans alone are one too.
def _readings_only(
    rows: list[Row], header: Header, columns: list[int], file: str, notes: list[str]
) -> tuple[list[Row], list[int]]:
    if header.layout.name != "libre" or "Record Type" not in header.names:
        return rows, columns
    kind = header.names.index("Record Type")
    kinds = Counter(cell(row, kind, file, "record type") for row in rows)
    chosen = "0" if kinds["0"] else "1"
    if chosen == "0" and kinds["1"]:
        notes.append(f"Scans left out, because the file holds the sensor's stored history: {kinds['1']}.")
    word = "Historic" if chosen == "0" else "Scan"
    return (
        [row for row in rows if row.cells[kind] == chosen],
        [column for column in columns if header.names[column].startswith(word)],
    )


def _canonical(header: Header, rows: list[Row], times: list[datetime], cells: list[_Cell]) -> str:
    layout = header.layout
    by_row: dict[int, list[_Cell]] = defaultdict(list)
    for item in cells:
        by_row[item.row.line].append(item)
    names = [_in_mg_dl(name) for name in header.names]
    if layout.name == "carelink":
        names += [name for name in _CARELINK_COLUMNS if name not in names]
    keep = [i for i, name in enumerate(header.names) if name in layout.keep_columns]
    time_columns = [header.names.index(name) for name in layout.time_columns]
    out = io.StringIO()
    for line in layout.preamble:
        out.write(line + "\n")
    writer = csv.writer(out, delimiter=layout.delimiter, lineterminator="\n")
    writer.writerow(names)
    for row, time in zip(rows, times, strict=True):
        blank = [""] * len(names)
        for i in keep:
            blank[i] = row.cells[i] if i < len(row.cells) else ""
        for column, form in zip(time_columns, layout.time_formats, strict=True):
            blank[column] = time.strftime(form)
        for item in by_row[row.line]:
            blank[item.column] = (
                item.flag.capitalize() if layout.name == "dexcom" and item.flag else str(item.glucose_mg_dl)
            )
        writer.writerow(blank)
    return out.getvalue()


def _chosen_by_cgm_format(text: str, layout: Layout, file: str) -> Counter[tuple[datetime, int]]:
    # polars takes a fifth of a second to import, so only a vendor file pays for it.
    from cgm_format import FormatParser, SupportedCGMFormat, UnifiedEventType
    from polars.exceptions import PolarsError

    logging.getLogger("cgm_format").setLevel(logging.ERROR)
    try:
        frame = FormatParser.parse_to_unified(text, SupportedCGMFormat[layout.cgm_format])
    # cgm-format's own errors are ValueErrors. The text of either kind may quote the file, so it is not passed on.
    except (ValueError, PolarsError) as error:
        raise TraceError(
            f"cgm-format cannot read this {layout.name} export ({type(error).__name__})",
            where=file,
            remedy="Export it again, or convert it to the plain CSV with the header time,glucose_mg_dl.",
        ) from None
    frame = frame.filter(frame["event_type"] == UnifiedEventType.GLUCOSE.value).drop_nulls("glucose")
    readings = zip(frame["datetime"].to_list(), frame["glucose"].to_list(), strict=True)
    return Counter((time, round(glucose)) for time, glucose in readings)


def _found_again(cells: list[_Cell], chosen: Counter[tuple[datetime, int]], file: str) -> list[Record]:
    left = chosen.copy()
    records: list[Record] = []
    for item in cells:
        key = (item.time, item.glucose_mg_dl)
        if left[key] > 0:
            left[key] -= 1
            records.append(Record(item.row.line, item.time, item.glucose_mg_dl, item.flag, item.written))
    lost = sum(left.values())
    if lost:
        raise TraceError(
            f"cgm-format finds {lost} readings that stand on no line of the file",
            where=file,
            remedy="Convert the file to the plain CSV with the header time,glucose_mg_dl.",
        )
    return records
