"""Loading a trace: which format it is, and the way from its records to a `Trace`."""

from __future__ import annotations

import hashlib
from datetime import datetime
from pathlib import Path
from statistics import median_low

from pumprig.errors import TraceError
from pumprig.trace.cells import UNIT_MISMATCH_MG_DL, DateOrder
from pumprig.trace.model import Record, Trace
from pumprig.trace.nightscout import is_entries, read_entries
from pumprig.trace.plain import header_of, read_plain
from pumprig.trace.series import in_order, interval_and_gaps, on_minutes, window
from pumprig.trace.vendor import find_header, read_vendor

ACCEPTED_FORMATS = (
    "the CSV exports of Dexcom Clarity, LibreView, CareLink and the Nightscout exporter (English headers), "
    "Nightscout entries as JSON, and a plain CSV with the header time,glucose_mg_dl or time,glucose_mmol_l"
)
FILE_BYTES_MAX = 200_000_000


def bundled_trace_path() -> Path:
    """The synthetic day that comes with pumprig."""
    return Path(__file__).resolve().parent.parent / "data" / "synthetic_day.csv"


def load_trace(
    path: str | Path,
    start: float | str | datetime | None = None,
    hours: float | None = None,
    *,
    date_order: DateOrder | None = None,
    now: datetime | None = None,
) -> Trace:
    """Reads a CGM trace.

    Gaps stay gaps. Low and High become 39 and 401 mg/dL with a flag (501 for a Libre, which reads to 500). mmol/L
    are converted with 18.02, as CGMS 1.0.2 says, and rounded half up to whole mg/dL.

    Args:
        path: the file.
        start: where to begin: hours after the first reading, or a local time; None for the first reading.
        hours: how many hours to take; None for all.
        date_order: `mdy` or `dmy` where the file writes the year last and does not settle the order itself.
        now: time that no reading may lie more than a day after; None for the computer's clock.

    Raises:
        TraceError: the file cannot be used; the message names file, line, what is allowed and the remedy.
        UsageError: start or hours cannot be used with this file.
    """
    file = str(path)
    data = _read(Path(path), file)
    text = _decode(data, file)
    if not text.strip():
        raise TraceError("the file is empty", where=file, allowed=ACCEPTED_FORMATS, remedy="Export the trace again.")
    notes: list[str] = []
    name, records = _records(text, file, date_order, now or datetime.now(), notes)
    if not records:
        raise TraceError(
            "the file holds no CGM reading", where=file, remedy="Check that the export covers days with a sensor."
        )
    _refuse_other_unit(records, file)
    ordered, duplicates = in_order(records, file, name == "libre", notes)
    samples = on_minutes(part := window(ordered, start, hours, file), notes)
    interval, gaps = interval_and_gaps(samples)
    return Trace(
        samples, part[0].time, hashlib.sha256(data).hexdigest(), name, interval, gaps, duplicates, tuple(notes)
    )


def _read(path: Path, file: str) -> bytes:
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise TraceError("the file is too large for a CGM trace", where=file, allowed=ACCEPTED_FORMATS)
        return path.read_bytes()
    except FileNotFoundError:
        raise TraceError("there is no such file", where=file, remedy="Check the path.") from None
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise TraceError(f"the file cannot be read: {reason}", where=file, remedy="Name a readable file.") from None


def _decode(data: bytes, file: str) -> str:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        encoding = "utf-16"
    elif b"\x00" in data[:4096] or data[:2] == b"PK":
        raise _no_export(file)
    else:
        encoding = "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        # Every byte is a character in Latin-1; only remarks that are never read hold more than ASCII.
        return data.decode("latin-1")


def _records(
    text: str, file: str, date_order: DateOrder | None, now: datetime, notes: list[str]
) -> tuple[str, list[Record]]:
    if is_entries(text):
        return "nightscout", read_entries(text, file, now, notes)
    if plain_header := header_of(text):
        return "plain", read_plain(text, plain_header, file, date_order, now, notes)
    if header := find_header(text):
        return header.layout.name, read_vendor(text, header, file, date_order, now, notes)
    raise _no_export(file)


def _no_export(file: str) -> TraceError:
    return TraceError(
        "this is no CGM export that pumprig knows",
        where=file,
        allowed=ACCEPTED_FORMATS,
        remedy="Export the trace as one of these; a spreadsheet file must be saved as CSV first.",
    )


# No CGM sensor reports a whole file below 36 mg/dL, but every value in mmol/L lies there.
def _refuse_other_unit(records: list[Record], file: str) -> None:
    if median_low([record.glucose_mg_dl for record in records]) < UNIT_MISMATCH_MG_DL:
        raise TraceError(
            "the glucose values are too small for mg/dL; they look like mmol/L",
            where=f"{file}:{records[0].line}",
            allowed="values in the unit that the header names",
            remedy="Correct the unit in the header.",
        )
