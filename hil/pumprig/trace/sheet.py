"""A CSV file as numbered rows, read once for every format."""

from __future__ import annotations

import csv
import io
from typing import NamedTuple

from pumprig.errors import TraceError


class Row(NamedTuple):
    """One CSV record, the line it starts on, and its cells without surrounding blanks."""

    line: int
    cells: list[str]


def delimiter_of(line: str) -> str:
    """The delimiter of a header line."""
    return max(",;\t", key=line.count)


def read_rows(text: str, delimiter: str, file: str) -> list[Row]:
    """All records that hold anything, with their lines.

    Raises:
        TraceError: a quote that is never closed.
    """
    reader = csv.reader(io.StringIO(text), delimiter=delimiter, strict=True)
    rows: list[Row] = []
    line = 1
    try:
        for cells in reader:
            if any(cells):
                rows.append(Row(line, [cell.strip() for cell in cells]))
            line = reader.line_num + 1
    except csv.Error as error:
        raise TraceError(
            "the file ends inside a quoted cell, or a quote is misplaced",
            where=f"{file}:{line}",
            remedy="The file is truncated or damaged: export it again.",
        ) from error
    return rows


def refuse_short_end(rows: list[Row], file: str) -> None:
    """Refuses a file whose last record has fewer cells than every other record of its kind of file.

    Raises:
        TraceError: with the line of the cut record.
    """
    if len(rows) < 2:
        return
    last, cells_min = rows[-1], min(len(row.cells) for row in rows[:-1])
    if len(last.cells) < cells_min:
        raise TraceError(
            f"truncated file: the last record has {len(last.cells)} cells, all others have {cells_min} or more",
            where=f"{file}:{last.line}",
            remedy="Export or copy the file again; or remove that line if the rest is what you want.",
        )


def cell(row: Row, column: int, file: str, what: str) -> str:
    """One cell of a row.

    Raises:
        TraceError: the row is too short to have it.
    """
    if column >= len(row.cells):
        raise TraceError(
            f"the record has {len(row.cells)} cells, the {what} would be cell {column + 1}",
            where=f"{file}:{row.line}",
            remedy="The line is damaged: export the trace again, or remove the line.",
        )
    return row.cells[column]
