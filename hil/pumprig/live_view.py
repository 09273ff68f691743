"""What the live view shows: the state of a run, taken from its events one by one, and the frame drawn from it."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from textwrap import wrap
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pumprig.live_chart import column_chart, line_chart
from pumprig.report.reading import number, reason_text
from pumprig.report.reasons import why_in_short
from pumprig.report.summary import of_the_bench, suspended
from pumprig.report.words import action_words, count, duration_words, proven, reason_words

Event = dict[str, Any]

WINDOW_S = 86400
LABELS = 6
KINDS = ("run", "sample", "patient", "meal", "rate", "bolus", "decision", "pulse", "violation", "progress", "verdict")
_STYLES = {"PASS": "green", "FAIL": "red", "ERROR": "magenta", "INCONCLUSIVE": "yellow"}
_SIGNS = {"PASS": "✓", "FAIL": "✕", "ERROR": "!", "INCONCLUSIVE": "?"}
_SUSPENDED = "on grey19"


@dataclass
class LiveState:
    """A run so far.

    Attributes:
        run: the first event.
        title: what the run is called.
        now_s: pump second of the newest event; `host_s` its host second.
        share: how much of the run is over, 0 to 1.
        glucose: (pump second, mg/dL); None where a gap begins.
        plasma: (pump second, mg/dL) of a virtual patient.
        meal: the newest event of its kind.
        rates: (pump second, U/h, whether a TBR, whether suspended).
        boluses: (pump second, U programmed, whether a controller gave it).
        violation_count, unfit_count: checks that the pump missed, and those that an unfit bench did.
        violations: the newest of the pump's; those of the bench while there are no others.
        verdict, reasons: so far, or final when `ended`.
    """

    run: Event = field(default_factory=dict)
    title: str = ""
    now_s: float = 0.0
    host_s: float = 0.0
    share: float = 0.0
    glucose: deque[tuple[float, float] | None] = field(default_factory=lambda: deque(maxlen=4096))
    plasma: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=4096))
    meal: Event = field(default_factory=dict)
    rates: deque[tuple[float, float, bool, bool]] = field(default_factory=lambda: deque(maxlen=4096))
    boluses: deque[tuple[float, float, bool]] = field(default_factory=lambda: deque(maxlen=256))
    violations: deque[Event] = field(default_factory=lambda: deque(maxlen=16))
    decision: Event = field(default_factory=dict)
    iob_iu: float | None = None
    reservoir_iu: float | None = None
    violation_count: int = 0
    unfit_count: int = 0
    pulses: int = 0
    verdict: str = "PASS"
    reasons: list[str] = field(default_factory=list)
    ended: bool = False

    @property
    def start_s(self) -> float:
        """Pump second of the first sample."""
        return number(self.run.get("start_s")) or 0.0

    @property
    def length_s(self) -> float:
        """How long the run is to be."""
        return 3600 * (number(self.run.get("hours")) or 24.0)

    def apply(self, event: Event) -> None:
        """Take one event; kinds that are not shown are passed over."""
        self.now_s = max(self.now_s, number(event.get("t")) or 0.0)
        self.host_s = max(self.host_s, number(event.get("host")) or 0.0)
        if event.get("kind") in KINDS:
            getattr(self, f"_{event['kind']}")(event)

    def clock(self, at_s: float) -> datetime:
        """Local time of a pump second."""
        try:
            start = datetime.fromisoformat(str(self.run.get("wall_start"))).replace(tzinfo=None)
        except ValueError:
            start = datetime(2000, 1, 1)
        return start + timedelta(seconds=at_s - self.start_s)

    def speed(self) -> float:
        """Pump seconds per host second so far."""
        return max(self.now_s - self.start_s, 0) / self.host_s if self.host_s > 0 else 0.0

    def _run(self, event: Event) -> None:
        self.run = event

    def _sample(self, event: Event) -> None:
        at_s, value = number(event.get("at_s")), number(event.get("glucose_mg_dl"))
        if at_s is None or value is None:
            return
        last = self.glucose[-1] if self.glucose else None
        limit_s = 90 * (number(self.run.get("interval_minutes")) or 5)
        if last is not None and at_s - last[0] > limit_s:
            self.glucose.append(None)
        self.glucose.append((at_s, value))

    def _patient(self, event: Event) -> None:
        self.plasma.append((number(event.get("at_s")) or 0.0, number(event.get("plasma_mg_dl")) or 0.0))

    def _meal(self, event: Event) -> None:
        self.meal = event

    def _rate(self, event: Event) -> None:
        rate, tbr = number(event.get("rate_iu_per_h")) or 0.0, bool(event.get("tbr"))
        self.rates.append((number(event.get("at_s")) or 0.0, rate, tbr, suspended(event)))

    def _bolus(self, event: Event) -> None:
        if event.get("phase") == "start":
            amount = number(event.get("programmed_iu")) or 0.0
            self.boluses.append((number(event.get("at_s")) or 0.0, amount, bool(event.get("automatic"))))

    def _decision(self, event: Event) -> None:
        self.decision = event
        self.iob_iu = number(event.get("iob_iu"))

    def _pulse(self, _event: Event) -> None:
        self.pulses += 1

    def _violation(self, event: Event) -> None:
        unfit = of_the_bench(event.get("check"))
        if not unfit and not self.violation_count:
            self.violations.clear()
        self.unfit_count += int(unfit)
        self.violation_count += int(not unfit)
        if not unfit or not self.violation_count:
            self.violations.append(event)
        if self.verdict not in ("FAIL", "ERROR"):
            self.verdict = "INCONCLUSIVE" if unfit else "FAIL"

    def _progress(self, event: Event) -> None:
        self.share = min(max(number(event.get("share")) or 0.0, 0.0), 1.0)
        self.reservoir_iu = number(event.get("reservoir_iu"))
        if event.get("iob_iu") is not None:
            self.iob_iu = number(event["iob_iu"])
        self.verdict = str(event.get("verdict") or self.verdict)

    def _verdict(self, event: Event) -> None:
        self.ended = True
        self.verdict = str(event.get("verdict"))
        self.share = 1.0 if self.verdict in ("PASS", "FAIL") else self.share
        self.reasons = [reason_text(reason) for reason in event.get("reasons") or []]


def violation_line(state: LiveState, event: Event) -> str:
    """A violation in one line: when, rule, what."""
    when = state.clock(number(event.get("at_s")) or 0)
    return f"{when:%a %H:%M:%S} {event.get('rule') or ''} {event.get('message') or ''}"


def decision_line(state: LiveState) -> str:
    """The last decision with its reason in words."""
    event = state.decision
    if not event:
        return "no decision yet"
    predicted = number(event.get("predicted_mg_dl"))
    ahead = "" if predicted is None else f", predicted {predicted:.0f} mg/dL"
    when = state.clock(number(event.get("at_s")) or 0)
    if because := why_in_short(event):
        return f"{when:%H:%M} {action_words(event.get('action'))}: {because}"
    return f"{when:%H:%M} {action_words(event.get('action'))}: {reason_words(event.get('reason'))}{ahead}"


class Frame:
    """Draws a state into a terminal of a size.

    Args:
        width, height: of the terminal, in characters; 80 by 24 shows everything.
        ascii_only: use only ASCII characters, where the terminal has no others.
    """

    def __init__(self, width: int, height: int, ascii_only: bool = False) -> None:
        self.width, self.height, self.ascii_only = max(width, 40), max(height, 12), ascii_only
        self.across = self.width - LABELS - 1
        # Seven lines beside the charts and the list, and one that stays free for the prompt.
        spare = self.height - 8
        self.rate_rows = 1 if spare < 8 else 3 if spare < 24 else 5
        self.list_rows = min(max(spare // 6, 1), 6)
        self.glucose_rows = spare - self.rate_rows - self.list_rows

    def draw(self, state: LiveState) -> RenderableType:
        """The whole frame: never more lines than the terminal has."""
        from_s = max(state.start_s, state.now_s - WINDOW_S if state.length_s > WINDOW_S else state.start_s)
        window = (from_s, from_s + min(max(state.length_s, 600), WINDOW_S))
        parts: list[RenderableType] = [self._head(state), self._glucose_title(state)]
        parts += self._glucose(state, window)
        parts.append(self._insulin_title(state))
        parts += self._insulin(state, window)
        parts += [self._hours(state, window), self._labelled("decision", Text(decision_line(state)))]
        parts += self._verdict(state)
        parts.append(self._progress(state))
        return Group(*parts)

    def _sign(self, sign: str, plain_sign: str) -> str:
        return plain_sign if self.ascii_only else sign

    def _row(self, left: Text, right: Text) -> RenderableType:
        grid = Table.grid(expand=True)
        grid.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        grid.add_column(no_wrap=True)
        grid.add_row(left, right)
        return grid

    def _labelled(self, label: str, text: Text) -> Text:
        line = Text.assemble((f"{label:<10}", "dim"), text, no_wrap=True, overflow="ellipsis")
        return line

    def _head(self, state: LiveState) -> RenderableType:
        run = state.run
        facts = [str(run.get(name)) for name in ("controller", "clock", "board") if run.get(name)]
        left = Text.assemble(("pumprig ", "bold"), (state.title, "bold cyan"), ("  " + " · ".join(facts), "dim"))
        style = _STYLES.get(state.verdict, "yellow")
        sign = self._sign(_SIGNS.get(state.verdict, "?") + " ", "")
        suffix = "" if state.ended else " so far"
        return self._row(left, Text(f" {sign}{state.verdict}{suffix} ", f"bold reverse {style}"))

    def _glucose_title(self, state: LiveState) -> RenderableType:
        values = [point for point in state.glucose if point is not None]
        left = Text("Glucose ", "bold")
        if values:
            value = values[-1][1]
            before = values[-2][1] if len(values) > 1 else value
            arrow = self._sign("↗" if value > before + 2 else "↘" if value < before - 2 else "→", "")
            left.append(f"{value:.0f} mg/dL {arrow}", _glucose_style(value))
        if state.plasma:
            left.append(f"  plasma {state.plasma[-1][1]:.0f}", "magenta")
        if state.meal:
            when = state.clock(number(state.meal.get("at_s")) or 0)
            left.append(f"  ate {number(state.meal.get('carbohydrate_g')) or 0:g} g at {when:%H:%M}", "dim")
        right = Text(f"{state.clock(state.now_s):%a %d %b %H:%M}" if state.run else "", "bold")
        return self._row(left, right)

    def _glucose(self, state: LiveState, window: tuple[float, float]) -> list[Text]:
        points = [point for point in state.glucose if point is None or point[0] >= window[0]]
        plasma = [point for point in state.plasma if point[0] >= window[0]]
        top = max([260.0, *(point[1] + 10 for point in (*points, *plasma) if point is not None)])
        rows = line_chart(
            points, window, (40, top), (self.across, self.glucose_rows), style=_glucose_style,
            guides=((180, "grey42"), (70, "grey42")), spans=self._spans(state, window), ascii_only=self.ascii_only,
            under=plasma, under_style="magenta",
        )  # fmt: skip
        labels = {0: f"{top:.0f}", self.glucose_rows - 1: "40"}
        for value in (180, 70):
            labels[round((top - value) / (top - 40) * (self.glucose_rows - 1))] = str(value)
        return [Text.assemble((f"{labels.get(row, ''):>{LABELS}} ", "dim"), line) for row, line in enumerate(rows)]

    def _spans(self, state: LiveState, window: tuple[float, float]) -> Sequence[tuple[float, float, str]]:
        rates = list(state.rates)
        ends = [rate[0] for rate in rates[1:]] + [state.now_s] * bool(rates)
        return [
            (max(rate[0], window[0]), end, _SUSPENDED)
            for rate, end in zip(rates, ends, strict=True)
            if rate[3] and end >= window[0]
        ]

    def _insulin_title(self, state: LiveState) -> RenderableType:
        left = Text("Basal ", "bold")
        if state.rates:
            _, rate, tbr, suspended = state.rates[-1]
            kind = "suspended" if suspended else "TBR" if tbr else "profile"
            left.append(f"{rate:.3g} U/h {kind}", "yellow" if tbr else "magenta")
        right = Text()
        for name, value in (("IOB ", state.iob_iu), ("  reservoir ", state.reservoir_iu)):
            if value is not None:
                right.append(name, "dim").append(f"{value:.2f} U", "cyan" if name == "IOB " else "")
        return self._row(left, right)

    def _insulin(self, state: LiveState, window: tuple[float, float]) -> list[Text]:
        rates = list(state.rates)
        top = 1.2 * max([0.1, *(rate[1] for rate in rates)])
        step = (window[1] - window[0]) / max(self.across - 1, 1)
        values, styles, index = [], [], -1
        for column in range(self.across):
            at_s = window[0] + column * step
            while index + 1 < len(rates) and rates[index + 1][0] <= at_s + step / 2:
                index += 1
            known = index >= 0 and at_s <= state.now_s
            values.append(rates[index][1] if known else 0.0)
            back = _SUSPENDED if known and rates[index][3] else ""
            styles.append(f"{'yellow' if known and rates[index][2] else 'magenta'} {back}".strip())
        rows = column_chart(values, top, self.rate_rows, styles, self.ascii_only)
        marks = self._bolus_marks(state, window)
        return [
            Text.assemble((f"{'bolus':>{LABELS}} ", "dim"), marks),
            *(
                Text.assemble((f"{f'{top / 1.2:.3g}' if row == 0 else '':>{LABELS}} ", "dim"), line)
                for row, line in enumerate(rows)
            ),
        ]

    def _bolus_marks(self, state: LiveState, window: tuple[float, float]) -> Text:
        cells = [" "] * self.across
        span = window[1] - window[0]
        columns = [round((at_s - window[0]) / span * (self.across - 1)) for at_s, _, _ in state.boluses]
        followings = [*columns[1:], self.across]
        for (_, amount, automatic), column, following in zip(state.boluses, columns, followings, strict=False):
            sign, told = self._sign("▽", "a") if automatic else self._sign("▼", "v"), f"{amount:g}"
            # Half an amount would be read as another one.
            label = sign + (told if column + len(told) < following else "")
            if 0 <= column < self.across:
                cells[column : column + len(label)] = label
        return Text("".join(cells), "cyan")

    def _hours(self, state: LiveState, window: tuple[float, float]) -> Text:
        cells = [" "] * (self.across + 6)
        step = 3 if self.across > 100 else 6
        if window[1] - window[0] < 6 * 3600:
            step = 1
        first = state.clock(window[0])
        mark = first.replace(minute=0, second=0, microsecond=0)
        while mark <= state.clock(window[1]):
            column = round((mark - first).total_seconds() / (window[1] - window[0]) * (self.across - 1))
            if mark.hour % step == 0 and 0 <= column <= self.across - 5:
                cells[column : column + 5] = f"{mark:%H:%M}"
            mark += timedelta(hours=1)
        return Text(" " * (LABELS + 1) + "".join(cells[: self.across]), "dim")

    def _verdict(self, state: LiveState) -> list[RenderableType]:
        lines: list[RenderableType] = []
        if state.ended and state.reasons:
            for reason in state.reasons:
                lines += self._wrapped("reason", reason, _STYLES.get(state.verdict, ""))
            lines = lines[: self.list_rows]
        elif state.violations:
            broken = state.violation_count
            kind, style = (f"broken {broken}", "red") if broken else (f"unfit {state.unfit_count}", "yellow")
            newest, *earlier = reversed(state.violations)
            lines = self._wrapped(kind, violation_line(state, newest), style)
            lines += [self._labelled("", Text(violation_line(state, event), style)) for event in earlier]
            lines = lines[: self.list_rows]
        else:
            seen = state.run.get("sees_pulses") is not False
            claim, limit = proven(str(state.run.get("clock", "")), seen)
            so_far = f"in {count(state.pulses, 'pulse')}" if seen else "so far; the motor is not seen"
            texts = [claim, limit] if state.ended else [f"no violation {so_far}"]
            for row, text in enumerate(texts[: self.list_rows]):
                lines.append(self._labelled("" if row else "verdict", Text(text, "" if row else "green")))
        lines += [Text("")] * (self.list_rows - len(lines))
        return lines

    def _wrapped(self, label: str, text: str, style: str) -> list[RenderableType]:
        rows = wrap(text, max(self.width - 10, 20)) or [""]
        return [self._labelled("" if number_ else label, Text(row, style)) for number_, row in enumerate(rows)]

    def _progress(self, state: LiveState) -> RenderableType:
        done, total = state.share * state.length_s, state.length_s
        speed = state.speed()
        fast = f"{speed:,.0f}x" if speed >= 10 else f"{speed:.1f}x"
        right = Text(f" {100 * state.share:3.0f} %  {duration_words(done)} of {duration_words(total)}  {fast} ", "dim")
        width = max(self.width - right.cell_len - 1, 8)
        full = round(width * state.share)
        bar = Text(self._sign("━", "=") * full, _STYLES.get(state.verdict, "cyan"))
        bar.append(self._sign("━", "-") * (width - full), "grey23")
        return self._row(bar, right)


def _glucose_style(value: float) -> str:
    return "red" if value < 70 else "yellow" if value > 180 else "bright_blue"


__all__ = ["Frame", "LiveState", "decision_line", "violation_line"]
