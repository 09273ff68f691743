"""The figures of a run, taken from its events."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise

from pumprig.report.reading import Event, Record, number
from pumprig.report.words import key_of

GAP_INTERVALS = 1.5


@dataclass(frozen=True)
class Span:
    """A stretch of pump seconds."""

    from_s: float
    to_s: float

    @property
    def seconds(self) -> float:
        """Length of the span."""
        return self.to_s - self.from_s


@dataclass(frozen=True)
class Account:
    """One line of the ledger, in mU: commanded = delivered + remaining + dropped."""

    name: str
    commanded_mu: int
    delivered_mu: int
    remaining_mu: int
    dropped_mu: int

    @property
    def balance_mu(self) -> int:
        """What is missing or too much; 0 when the account closes."""
        return self.commanded_mu - self.delivered_mu - self.remaining_mu - self.dropped_mu


@dataclass(frozen=True)
class CheckRow:
    """One check of the run.

    Attributes:
        id, title: its name and what holds when it passes.
        rules: the dosing rules it enforces.
        passed, missed: how often.
        judged: whether this run judged it at all.
    """

    id: str
    title: str
    rules: tuple[str, ...]
    passed: int
    missed: int
    judged: bool


@dataclass(frozen=True)
class Latency:
    """Times from samples to their decisions, in ms."""

    count: int
    median_ms: float
    p99_ms: float
    max_ms: float


def time_of(event: Event) -> float:
    """The pump second of an event: of its effect, or of its record."""
    for name in ("at_s", "due_s", "t"):
        value = number(event.get(name))
        if value is not None:
            return value
    return 0.0


def suspensions(record: Record) -> list[Span]:
    """Stretches in which the controller held the basal at 0; a client's TBR of 0 is none (D-306)."""
    spans: list[Span] = []
    since: float | None = None
    for event in record.of("rate"):
        held = (
            bool(event.get("tbr"))
            and not number(event.get("rate_iu_per_h"))
            and "controller" in key_of(event.get("context"))
        )
        if held and since is None:
            since = time_of(event)
        elif not held and since is not None:
            spans.append(Span(since, time_of(event)))
            since = None
    if since is not None:
        spans.append(Span(since, record.end_s))
    return spans


def gaps(record: Record) -> list[Span]:
    """Stretches between neighbouring samples that are more than one and a half intervals apart."""
    times = [time_of(event) for event in record.of("sample")]
    steps = [later - earlier for earlier, later in pairwise(times)]
    if not steps:
        return []
    limit_s = GAP_INTERVALS * sorted(steps)[len(steps) // 2]
    return [Span(times[index], times[index + 1]) for index, step in enumerate(steps) if step > limit_s]


def pulse_counts(record: Record) -> Counter[str]:
    """Motor pulses by source."""
    return Counter(key_of(event.get("source")) for event in record.of("pulse"))


def decisions(record: Record) -> list[tuple[str, str, int]]:
    """(action, reason, how often), most frequent first."""
    counts = Counter((key_of(event.get("action")), key_of(event.get("reason"))) for event in record.of("decision"))
    return [(action, reason, count) for (action, reason), count in counts.most_common()]


def latency(record: Record, name: str) -> Latency | None:
    """How long decisions took.

    Args:
        name: `latency_dut_ms` or `latency_host_ms`.
    """
    values = sorted(float(event[name]) for event in record.of("decision") if event.get(name) is not None)
    if not values:
        return None
    count = len(values)
    return Latency(count, values[count // 2], values[min(count - 1, count * 99 // 100)], values[-1])


def histogram(record: Record, name: str, bounds: tuple[float, ...]) -> list[int]:
    """How many decisions took up to each bound, and how many longer than the last."""
    counts = [0] * (len(bounds) + 1)
    for event in record.of("decision"):
        if event.get(name) is not None:
            counts[bisect_left(bounds, float(event[name]))] += 1
    return counts


def accounts(record: Record) -> list[Account]:
    """The ledger as the run's end recorded it; empty while the run goes on."""
    rows = record.verdict_event.get("ledger") or record.info.get("ledger") or []
    if isinstance(rows, dict):
        rows = [{"account": name, **row} for name, row in rows.items() if isinstance(row, dict)]
    found = []
    for row in rows:
        numbers = [
            round(float(row.get(f"{name}_mu") or 0)) for name in ("commanded", "delivered", "remaining", "dropped")
        ]
        found.append(Account(str(row.get("account", "")), *numbers))
    return found


def checks(record: Record) -> list[CheckRow]:
    """The checks with what each saw, in the order of the record; while the run goes on, those that were missed."""
    counted = record.verdict_event.get("checks") or record.info.get("checks") or {}
    missed = Counter(str(event.get("check")) for event in record.of("violation"))
    rows = [
        CheckRow(
            str(name),
            str(entry.get("title") or name),
            tuple(map(str, entry.get("rules") or ())),
            int(entry.get("passed") or 0),
            int(entry.get("missed") or 0),
            bool(entry.get("judged", True)),
        )
        for name, entry in counted.items()
        if isinstance(entry, dict)
    ]
    return rows or [CheckRow(name, name, (), 0, count, True) for name, count in missed.items()]


def bench_numbers(record: Record) -> dict[str, float | str]:
    """Numbers of the bench's fitness that the run's end recorded."""
    bench = record.verdict_event.get("bench") or record.info.get("bench") or {}
    return {str(name): value for name, value in bench.items() if isinstance(value, int | float | str)}


def speed(record: Record) -> float | None:
    """Pump seconds per host second over the whole run."""
    return (record.end_s - record.start_s) / record.host_s if record.host_s > 0 else None
