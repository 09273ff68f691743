"""The pictures of a measurement as SVG: trumpet curve, start-up, boluses, drift."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from fractions import Fraction

from pumprig.accuracy.basal import START_UP_MINUTES, BasalResult
from pumprig.accuracy.bolus import BolusResult
from pumprig.accuracy.drift import DriftResult
from pumprig.report.html import Html, esc, join

__all__ = ["bolus_chart", "drift_chart", "start_up_chart", "trumpet_chart"]

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 400, 210, 46, 8, 8, 34
_CLAIM_PERCENT = 5

Point = tuple[float, float]


class _Plot:
    """A frame of two axes; values beyond the vertical axis stay at its end."""

    def __init__(self, x: Point, y: Point) -> None:
        self._x, self._y = x, y
        self._parts: list[Html] = []

    def place(self, x: float, y: float) -> Point:
        """A pair of values in the picture."""
        left, right = self._x
        low, high = self._y
        y = min(max(y, low), high)
        across = (x - left) / (right - left) * (_WIDTH - _LEFT - _RIGHT)
        down = (high - y) / (high - low) * (_HEIGHT - _TOP - _BOTTOM)
        return round(_LEFT + across, 1), round(_TOP + down, 1)

    def level(self, y: float, text: str = "", class_: str = "") -> None:
        """A horizontal line over the whole width, with its value beside it."""
        x1, at = self.place(self._x[0], y)
        x2, _ = self.place(self._x[1], y)
        self._add(f'<line class="{class_}" x1="{x1}" x2="{x2}" y1="{at}" y2="{at}"/>')
        if text:
            self._text(x1 - 5, at + 4, text, "end")

    def mark(self, x: float, text: str) -> None:
        """A value below the horizontal axis."""
        at, _ = self.place(x, self._y[0])
        self._text(at, _HEIGHT - _BOTTOM + 15, text, "middle")

    def title(self, text: str) -> None:
        """What the horizontal axis shows."""
        self._text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 4, text, "middle")

    def line(self, points: Iterable[Point], class_: str = "line") -> None:
        """A line through points."""
        self._add(f'<polyline class="{class_}" points="{self._points(points)}"/>')

    def band(self, low: Sequence[Point], high: Sequence[Point], class_: str) -> None:
        """The space between two lines."""
        self._add(f'<polygon class="{class_}" points="{self._points([*low, *reversed(high)])}"/>')

    def dots(self, points: Iterable[tuple[float, float, bool]], radius: float = 2.5) -> None:
        """Points of which each says whether it is right."""
        for x, y, right in points:
            at_x, at_y = self.place(x, y)
            self._add(f'<circle class="dot{"" if right else " off"}" cx="{at_x}" cy="{at_y}" r="{radius}"/>')

    def svg(self, label: str) -> Html:
        """The picture, and what it shows for those who do not see it."""
        return Html(
            f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{esc(label)}">{join(self._parts)}</svg>'
        )

    def _points(self, points: Iterable[Point]) -> str:
        return " ".join(f"{x},{y}" for x, y in (self.place(*point) for point in points))

    def _text(self, x: float, y: float, text: str, anchor: str) -> None:
        self._add(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{esc(text)}</text>')

    def _add(self, markup: str) -> None:
        self._parts.append(Html(markup))


def _top_of(value: float) -> float:
    """The next round number from a value on: 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= value * (1 - 1e-9))


def trumpet_chart(result: BasalResult) -> Html:
    """Least and greatest error over the length of the window, and what whole pulses allow."""
    windows = result.windows
    allowed = [
        tuple(100 * (pulses * one.pulse_mu - one.programmed_mu) / one.programmed_mu
              for pulses in (one.pulses_min, one.pulses_max))
        for one in windows
    ]  # fmt: skip
    errors = [(one.error_percent_min, one.error_percent_max) for one in windows]
    top = _top_of(max(2.0 * _CLAIM_PERCENT, *(abs(float(value)) for pair in (*allowed, *errors) for value in pair)))
    last = len(windows) - 1
    plot = _Plot((-0.25, last + 0.25), (-top, top))
    plot.band(_at(low for low, _ in allowed), _at(high for _, high in allowed), "allowed")
    for value in (-top, -top / 2, top / 2, top):
        plot.level(value, f"{value:+g} %")
    for value in (-_CLAIM_PERCENT, _CLAIM_PERCENT):
        plot.level(value, class_="guide")
    plot.level(0, "0", class_="zero")
    plot.level(float(result.overall_percent), class_="overall")
    for pair in (0, 1):
        plot.line(_at(one[pair] for one in errors), "line off" if any(one.outside for one in windows) else "line")
        plot.dots(
            (number, float(one[pair]), not window.outside)
            for number, (one, window) in enumerate(zip(errors, windows, strict=True))
        )
    for number, window in enumerate(windows):
        plot.mark(number, str(window.minutes))
    plot.title("window, minutes")
    shown = ", ".join(f"{one.minutes} min {float(low):+.3g} to {float(high):+.3g} %"
                      for one, (low, high) in zip(windows, errors, strict=True))  # fmt: skip
    return plot.svg(f"Trumpet curve at {result.rate_mu_per_h / 1000:g} U/h: {shown}")


def _at(values: Iterable[Fraction]) -> list[Point]:
    return [(number, float(value)) for number, value in enumerate(values)]


def start_up_chart(result: BasalResult) -> Html:
    """What was delivered in the first day, half an hour after half an hour, as a rate."""
    rate = result.rate_mu_per_h / 1000
    flows = [float(flow) / 1000 for flow in result.start_up_mu_per_h]
    top = _top_of(max(2 * rate, *flows))
    plot = _Plot((0, 24), (0, top))
    for value in (0, top / 2, top):
        plot.level(value, f"{value:g}")
    plot.level(rate, class_="overall")
    step = START_UP_MINUTES / 60
    plot.line(((number + end) * step, flow) for number, flow in enumerate(flows) for end in (0, 1))
    for hour in range(0, 25, 6):
        plot.mark(hour, str(hour))
    plot.title("hours since the start; U/h")
    return plot.svg(f"Start-up at {rate:g} U/h: from {min(flows):g} to {max(flows):g} U/h")


def bolus_chart(result: BolusResult) -> Html:
    """How many pulses each bolus is off."""
    due = result.amount_mu // result.pulse_mu
    off = [pulses - due for pulses in result.pulses]
    top = _top_of(max(2, *(abs(value) for value in off)))
    plot = _Plot((0, len(off) + 1), (-top, top))
    for value in (-top, -top / 2, top / 2, top):
        plot.level(value, f"{value:+g}")
    plot.level(0, "0", class_="zero")
    plot.dots((number, value, value == 0) for number, value in enumerate(off, 1))
    for number in range(1, len(off) + 1, 4):
        plot.mark(number, str(number))
    plot.title("bolus; pulses too many or too few")
    return plot.svg(f"Boluses of {result.amount_mu / 1000:g} U: from {min(off):+d} to {max(off):+d} pulses off")


def drift_chart(result: DriftResult) -> Html:
    """What was delivered less what was programmed at the end of each day, in pulses: from -1 to 0 is the remainder."""
    full = 3600 * result.pulse_mu
    off = [day.pulses - day.programmed_mu_s / full for day in result.days]
    top = _top_of(max(2.0, *(abs(value) for value in off)))
    last = len(off) + 1
    plot = _Plot((0, last), (-top, top))
    plot.band([(0, -1), (last, -1)], [(0, 0), (last, 0)], "allowed")
    for value in (-top, -top / 2, top / 2, top):
        plot.level(value, f"{value:+g}")
    plot.level(0, "0", class_="zero")
    plot.dots((day.day, value, day.pulses == day.due) for day, value in zip(result.days, off, strict=True))
    for day in range(1, last, max(1, round(last / 8))):
        plot.mark(day, str(day))
    plot.title("end of day; pulses")
    return plot.svg(f"Delivered less programmed over {len(off)} days: from {min(off):+.2f} to {max(off):+.2f} pulses")
