"""The figures of a run, taken from its events."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise

from pumprig.checks import CHECKS
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
    commanded_mu: float
    delivered_mu: float
    remaining_mu: float
    dropped_mu: float

    @property
    def balance_mu(self) -> float:
        """What is missing or too much; 0 when the account closes. The record rounds exact fractions to floats."""
        balance = self.commanded_mu - self.delivered_mu - self.remaining_mu - self.dropped_mu
        return 0.0 if abs(balance) < 1e-3 else balance


@dataclass(frozen=True)
class CheckRow:
    """One check of the run.

    Attributes:
        id, title: its name and what holds when it passes.
        rules: the dosing rules it enforces.
        passed, missed: how often.
        judged: whether this run judged it at all.
        why_not: why it did not, as far as the record says it.
    """

    id: str
    title: str
    rules: tuple[str, ...]
    passed: int
    missed: int
    judged: bool
    why_not: str = ""


@dataclass(frozen=True)
class Latency:
    """Times from samples to their decisions, in ms."""

    count: int
    median_ms: float
    p99_ms: float
    max_ms: float


def time_of(event: Event) -> float:
    """The pump second of an event: of its effect, or of its record."""
    value = event.get("at_s", event.get("due_s", event.get("t")))
    if type(value) is int or type(value) is float:
        return value
    return number(value) or number(event.get("t")) or 0.0


def suspended(event: Event) -> bool:
    """Whether a change of the rate is that to a suspension, or to another rate within one."""
    if "suspended" in event:
        return bool(event["suspended"])
    # A record of before this was told; no loop ran on a pump then.
    stopped = bool(event.get("tbr")) and not number(event.get("rate_iu_per_h"))
    return stopped and "controller" in key_of(event.get("context"))


def suspensions(record: Record) -> list[Span]:
    """Stretches in which plgs suspended the basal; a TBR of 0 of a client or a loop is none (D-306)."""
    spans: list[Span] = []
    since: float | None = None
    for event in record.of("rate"):
        held = suspended(event)
        if held and since is None:
            since = time_of(event)
        elif not held and since is not None:
            spans.append(Span(since, time_of(event)))
            since = None
    if since is not None:
        spans.append(Span(since, record.end_s))
    return spans


def gaps(record: Record) -> list[Span]:
    """The trace's gaps as far as the run has come, as the record names them or as its samples show them."""
    named = [
        Span(time_of(event), number(event.get("until_s")) or 0) for event in record.of("gap") if event.get("until_s")
    ]
    if named:
        return [span for span in named if span.from_s < record.end_s]
    times = [time_of(event) for event in record.of("sample")]
    steps = [later - earlier for earlier, later in pairwise(times)]
    if not steps:
        return []
    limit_s = GAP_INTERVALS * sorted(steps)[len(steps) // 2]
    return [Span(times[index], times[index + 1]) for index, step in enumerate(steps) if step > limit_s]


def has_patient(record: Record) -> bool:
    """Whether a virtual patient wore the pump."""
    return bool(record.of("patient"))


def plasma(record: Record) -> list[tuple[float, float]]:
    """(pump second, mg/dL) of a virtual patient's plasma glucose; empty where a trace was replayed."""
    return [(time_of(event), number(event.get("plasma_mg_dl")) or 0.0) for event in record.of("patient")]


def pulse_kind(event: Event) -> str:
    """What a motor pulse belongs to: `basal`, `bolus` (of any type), `prime`, or `unexpected`."""
    source = str(event.get("source"))
    return "bolus" if source == "extended" else source


def pulse_counts(record: Record) -> Counter[str]:
    """Motor pulses by what they belong to."""
    return Counter(pulse_kind(event) for event in record.of("pulse"))


def decisions(record: Record) -> list[tuple[str, str, int]]:
    """(action, reason, how often), most frequent first."""
    counts = Counter((str(event.get("action")), str(event.get("reason"))) for event in record.of("decision"))
    return [(key_of(action), key_of(reason), count) for (action, reason), count in counts.most_common()]


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
    rows = record.info.get("ledger_mu")
    parts = ("commanded", "delivered", "remaining", "dropped")
    return [
        Account(str(name), *(number(row.get(part)) or 0.0 for part in parts))
        for name, row in (rows.items() if isinstance(rows, dict) else ())
        if isinstance(row, dict)
    ]


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
            str(entry.get("why_not") or ""),
        )
        for name, entry in counted.items()
        if isinstance(entry, dict)
    ]
    return rows or [CheckRow(name, name, (), 0, count, True) for name, count in missed.items()]


def of_the_bench(check_id: object) -> bool:
    """Whether a miss of this check tells of an unfit bench, not of a wrong pump."""
    check = CHECKS.get(str(check_id))
    return check is not None and check.fitness


def misses(record: Record) -> tuple[list[Event], list[Event]]:
    """What was missed: violations by the pump, and moments at which the bench was unfit."""
    found = record.of("violation")
    unfit = [event for event in found if of_the_bench(event.get("check"))]
    return [event for event in found if not of_the_bench(event.get("check"))], unfit


def bench_numbers(record: Record) -> list[tuple[str, str]]:
    """What the rig measured of itself and of the board, as (name, value with its unit)."""
    known = (
        ("lateness_ms_max", "Latest stimulus", "ms"),
        ("pulse_lateness_ms_max", "Latest pulse", "ms"),
        ("pulse_ms_min", "Shortest pulse", "ms"),
        ("pulse_ms_max", "Longest pulse", "ms"),
        ("host_seconds", "Host time", "s"),
        ("free_heap_octets", "Free heap at the end", "octets"),
    )
    found = ((text, number(record.info.get(name)), unit) for name, text, unit in known)
    rows = [(text, f"{value:,.6g} {unit}") for text, value, unit in found if value is not None]
    return [*rows, *_link_rows(record)]


def _link_rows(record: Record) -> list[tuple[str, str]]:
    link = record.info.get("link")
    if not isinstance(link, dict):
        return []
    rows = [("Way to the pump", str(link.get("bearer")))]
    if link.get("cgm_bearer") != link.get("bearer"):
        rows.append(("Way of the sensor", str(link.get("cgm_bearer"))))
    if interval_ms := number(link.get("connection_interval_ms")):
        rows.append(("Connection interval", f"{interval_ms:g} ms of the pump's time"))
    for text, key in (("Request to response", "response_ms"), ("Command to indication", "command_ms")):
        spread = link.get(key)
        if isinstance(spread, dict):
            most = f"{spread.get('p99')} ms for 99 % of {spread.get('count')}"
            rows.append((text, f"{spread.get('median')} ms, {most}, host time"))
    for text, key, unit in (("Throughput of data", "octets_per_s", "octets/s"), ("Encrypted in", "secured_ms", "ms")):
        value = number(link.get(key))
        if value is not None:
            rows.append((text, f"{value:,.6g} {unit}, host time"))
    return rows


def speed(record: Record) -> float | None:
    """Pump seconds per host second over the whole run."""
    return (record.end_s - record.start_s) / record.host_s if record.host_s > 0 else None
