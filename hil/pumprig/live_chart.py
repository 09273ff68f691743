"""Charts out of characters: a line in braille dots, and columns in eighths of a block."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

from rich.text import Text

Point = tuple[float, float]

# The bit of each dot in a braille character, by row and column (Unicode 15.1, 21.1).
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
_BRAILLE = 0x2800
_EIGHTHS = " ▁▂▃▄▅▆▇█"


class Canvas:
    """A grid of braille cells, each with one style. Dots outside are left out.

    Args:
        width, height: in characters; a character holds two dots by four.
    """

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = max(width, 1), max(height, 1)
        self._bits = [[0] * self.width for _ in range(self.height)]
        self._styles = [[""] * self.width for _ in range(self.height)]
        self._backs = [""] * self.width

    def dot(self, x: int, y: int, style: str) -> None:
        """Set a dot; x and y count dots from the upper left corner."""
        column, row = x // 2, y // 4
        if 0 <= column < self.width and 0 <= row < self.height:
            self._bits[row][column] |= _DOTS[y % 4][x % 2]
            self._styles[row][column] = style

    def line(self, start: tuple[int, int], end: tuple[int, int], style: Callable[[float], str]) -> None:
        """Set the dots between two dots, both included; the style may depend on the height."""
        steps = max(abs(end[0] - start[0]), abs(end[1] - start[1]), 1)
        for step in range(steps + 1):
            x = start[0] + (end[0] - start[0]) * step / steps
            y = start[1] + (end[1] - start[1]) * step / steps
            self.dot(round(x), round(y), style(y))

    def shade(self, columns: Iterable[int], style: str) -> None:
        """Give columns of characters a background."""
        for column in columns:
            if 0 <= column < self.width:
                self._backs[column] = style

    def rows(self, ascii_only: bool = False) -> list[Text]:
        """The picture, a line of text for each row."""
        lines = []
        for bits, styles in zip(self._bits, self._styles, strict=True):
            line = Text()
            for column, value in enumerate(bits):
                sign = ("*" if value else " ") if ascii_only else chr(_BRAILLE + value) if value else " "
                line.append(sign, f"{styles[column]} {self._backs[column]}".strip())
            lines.append(line)
        return lines


def line_chart(
    points: Sequence[Point | None],
    x_range: Point,
    y_range: Point,
    size: tuple[int, int],
    *,
    style: Callable[[float], str],
    guides: Sequence[tuple[float, str]] = (),
    spans: Sequence[tuple[float, float, str]] = (),
    ascii_only: bool = False,
    under: Sequence[Point] = (),
    under_style: str = "",
) -> list[Text]:
    """A line through points.

    Args:
        points: (x, y) in rising x; None ends the line, as at a gap.
        x_range, y_range: what the edges stand for.
        size: width and height in characters.
        style: the style of a value.
        guides: dotted horizontal lines, each a value and a style.
        spans: stretches of x with a background, each (from, to, style).
        ascii_only: use only ASCII characters.
        under: another line, drawn beneath, in `under_style`.

    Returns:
        One text for each row.
    """
    canvas = Canvas(*size)
    across, down = canvas.width * 2 - 1, canvas.height * 4 - 1
    x_span, y_span = max(x_range[1] - x_range[0], 1e-9), max(y_range[1] - y_range[0], 1e-9)

    def place(point: Point) -> tuple[int, int]:
        y = min(max(point[1], y_range[0]), y_range[1])
        return round((point[0] - x_range[0]) / x_span * across), round((y_range[1] - y) / y_span * down)

    def value(y: float) -> float:
        return y_range[1] - y / down * y_span

    for first, last, back in spans:
        columns = [(edge - x_range[0]) / x_span * (canvas.width - 1) for edge in (first, last)]
        canvas.shade(range(round(columns[0]), round(columns[1]) + 1), back)
    for height, guide_style in guides:
        for x in range(0, across + 1, 4):
            canvas.dot(x, place((x_range[0], height))[1], guide_style)
    lower = [place(point) for point in under]
    for start, end in pairwise(lower):
        canvas.line(start, end, lambda y: under_style)
    before: tuple[int, int] | None = None
    for point in points:
        here = place(point) if point is not None else None
        if here is not None:
            canvas.line(before or here, here, lambda y: style(value(y)))
        before = here
    return canvas.rows(ascii_only)


def column_chart(
    values: Sequence[float], y_max: float, height: int, styles: Sequence[str], ascii_only: bool = False
) -> list[Text]:
    """Columns from the bottom up, each one character wide.

    Args:
        values: one for each column.
        y_max: the value that fills the height.
        height: in characters.
        styles: one for each column.
        ascii_only: use only ASCII characters.
    """
    rows = []
    for row in range(height - 1, -1, -1):
        line = Text()
        for value, style in zip(values, styles, strict=True):
            eighths = min(max(round(value / max(y_max, 1e-9) * height * 8) - row * 8, 0), 8)
            if value > 0 and row == 0:
                eighths = max(eighths, 1)
            line.append(("#" if eighths > 3 else " ") if ascii_only else _EIGHTHS[eighths], style)
        rows.append(line)
    return rows
