"""The sections of the report's page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import PurePath

from pumprig.broken_off import Ending
from pumprig.report import summary
from pumprig.report.chart import mark_text, mark_title
from pumprig.report.html import Html, esc, join, section, table, tag, verdict_icon
from pumprig.report.metrics import GlucoseMetrics, glucose_metrics
from pumprig.report.reading import Event, Record, run_title
from pumprig.report.reasons import reasons
from pumprig.report.summary import time_of
from pumprig.report.words import action_words, compact, count, duration_words, iu, plain, proven, reason_words

ROWS_MAX = 500
SHOWN_ELSEWHERE = frozenset({
    "verdict", "reasons", "checks", "ledger_mu", "decisions", "pulses", "boluses", "violations", "samples_sent",
    "suspensions", "suspended_s", "latency_dut_ms_max", "latency_host_ms_max", "lateness_ms_max",
    "pulse_lateness_ms_max", "host_seconds", "free_heap_octets", "basal_profile", "own_controller",
    "decisions_by_rule", "complete",
})  # fmt: skip
LATENCY_BOUNDS_MS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 250.0, 500.0, 1000.0)


def title_of(record: Record) -> str:
    """What the run is called: its trace, or its scenario."""
    return run_title(record.info) or record.text("id", default=record.folder.name)


def wall(record: Record, at_s: float) -> str:
    """Local time of a pump second, to the second."""
    return (record.wall_start + timedelta(seconds=at_s - record.start_s)).strftime("%Y-%m-%d %H:%M:%S")


def hours_of(record: Record) -> str:
    """How much was replayed."""
    hours = record.info.get("hours")
    seconds = float(hours) * 3600 if isinstance(hours, int | float) else record.end_s - record.start_s
    return duration_words(seconds)


def sees_pulses(record: Record) -> bool:
    """Whether the motor itself was seen."""
    return record.info.get("sees_pulses") is not False


def _pairs(rows: Iterable[tuple[str, object]], class_: str = "pairs") -> Html:
    return tag("dl", *(tag("div", tag("dt", name), tag("dd", value)) for name, value in rows), class_=class_)


def head(record: Record) -> Html:
    """The verdict, what was run, and what that proves."""
    verdict = record.verdict
    board = record.text("board", default="virtual")
    facts = [
        ("Controller", record.text("controller", default="unknown")),
        ("Clock", record.text("clock", default="unknown")),
        ("Replayed", f"{hours_of(record)} from {wall(record, record.start_s)[:16]}" if record.begun else "nothing"),
        ("Board", board),
        ("Seed", record.text("seed", default="none")),
    ]
    if isinstance(probe := record.info.get("probe"), dict) and probe.get("board"):
        facts.append(("Motor", f"seen by a probe on {probe.get('board')}, by {probe.get('capture')}"))
    if patient := record.text("patient"):
        facts.insert(0, ("Patient", patient))
    devices = record.info.get("devices")
    for kind, label in (("pump", "Pump"), ("cgm", "Sensor")):
        if isinstance(devices, dict) and devices.get(kind):
            facts.insert(-1, (label, devices[kind]["title"]))
    if own := record.text("own_controller"):
        facts.insert(1, ("Decisions", f"of {own}, not judged"))
    if errors := record.info.get("controller_errors"):
        facts.insert(2, ("It failed", "; ".join(errors)))
    claim, limit = proven(record.text("clock"), sees_pulses(record))
    if verdict not in ("PASS", "RUNNING"):
        broken = "The pump broke a rule of its specification."
        claim = {
            "FAIL": broken if summary.misses(record)[0] else "The pump failed before a rule could be judged.",
            "ERROR": "The rig broke: nothing was proven.",
        }.get(verdict, "The bench or the data did not allow a verdict.")
    if record.broken_off:
        limit = record.broken_off
    if verdict == "RUNNING":
        claim, limit = "No verdict yet: the run goes on.", f"So far: {record.verdict_so_far}."
    return tag(
        "header",
        tag("p", verdict_icon(verdict), tag("span", verdict), class_="badge"),
        tag(
            "div",
            tag("p", "pumprig run ", tag("code", record.text("id", default=record.folder.name)), class_="eyebrow"),
            tag("h1", title_of(record)),
            _pairs(facts, "facts"),
            class_="what",
        ),
        tag("p", tag("strong", claim), " ", limit, class_="proven"),
        class_="head", data_verdict=verdict,
    )  # fmt: skip


def notices(record: Record) -> Html:
    """Why the verdict is what it is, and what of the record could not be read."""
    reasons = record.reasons
    parts = []
    if reasons:
        word = "Reason" if len(reasons) == 1 else "Reasons"
        parts.append(
            section(
                f"{word} for {record.verdict}", tag("ul", *(tag("li", reason) for reason in reasons)), id_="reasons"
            )
        )
    if record.notes:
        parts.append(tag("aside", *(tag("p", note) for note in record.notes), class_="notice", role="note"))
    return join(parts)


def _tile(label: str, value: object, note: str) -> Html:
    return tag("div", tag("dt", label), tag("dd", value, tag("small", note)), class_="tile")


def key_figures(record: Record) -> Html:
    """The run in eight numbers."""
    counts = summary.pulse_counts(record)
    spans, holes = summary.suspensions(record), summary.gaps(record)
    suspended_s = sum(span.seconds for span in spans)
    actions: Counter[str] = Counter()
    for action, _, times in summary.decisions(record):
        actions[action] += times
    acted = f"{actions['suspend']} suspend, {actions['resume']} resume"
    if loops := actions["set_tbr"] + actions["cancel_tbr"]:
        acted = f"{count(loops, 'TBR')} set or canceled"
    dut, host = summary.latency(record, "latency_dut_ms"), summary.latency(record, "latency_host_ms")
    boluses = {event.get("id") for event in record.of("bolus")}
    run_s = max(record.end_s - record.start_s, 1)
    gap_note = (
        f"{count(len(holes), 'gap')}, {duration_words(sum(span.seconds for span in holes))}" if holes else "no gaps"
    )
    in_iu = {name: pulses * record.pulse_mu / 1000 for name, pulses in counts.items()}
    unit = tag("span", " U", class_="unit")
    rows = {row.id: row.missed for row in summary.checks(record)}
    listed, unfit = map(len, summary.misses(record))
    violations = max(listed, sum(missed for name, missed in rows.items() if not summary.of_the_bench(name)))
    violation_note = f"{listed:,} listed below" if listed else "nothing to list"
    if record.verdict == "FAIL" and not violations:
        violation_note = "the pump failed, see the reason"
    elif unfit:
        violation_note = f"the bench was unfit {count(unfit, 'time')}"
    strange = counts["unexpected"]
    lost = max(rows.get("pulse", 0) - strange, 0)
    motor, by_rule = [f"{sum(counts.values()):,}", "{} by the rules" if strange or lost else "{}"]
    primed = f", {counts['prime']:,} to prime" if counts["prime"] else ""
    pulse_note = f"of {record.pulse_mu / 1000:g} U, each compared{primed}"
    if strange or lost:
        wrong = [f"{strange:,} that no rule gives"] * bool(strange) + [f"{lost:,} due did not come"] * bool(lost)
        pulse_note = f"{iu(sum(in_iu.values()))} U; {', '.join(wrong)}"
    if not sees_pulses(record):
        told = record.info.get("pulses")
        counted = told.get("counted") if isinstance(told, dict) else None
        motor, by_rule = "not seen", "no motor seen"
        pulse_note = "no motor on this line" if counted is None else f"{count(counted, 'pulse')} by the pump's word"
    tiles = [
        _tile("CGM samples", f"{len(record.of('sample')):,}", gap_note),
        _tile("Decisions", f"{len(record.of('decision')):,}",
              acted),
        _tile("Basal", join([iu(in_iu.get("basal", 0)), unit]), by_rule.format(count(counts["basal"], "pulse"))),
        _tile("Bolus", join([iu(in_iu.get("bolus", 0)), unit]),
              f"{count(len(boluses), 'bolus', 'boluses')}, {by_rule.format(count(counts['bolus'], 'pulse'))}"),
        _tile("Suspended", duration_words(suspended_s) if spans else "never",
              f"{count(len(spans), 'time')}, {100 * suspended_s / run_s:.1f} % of the run"),
        _tile("Slowest decision", f"{dut.max_ms:.3g} ms" if dut else "–",
              f"pump time; host {host.max_ms:.3g} ms" if host else "no decision"),
        _tile("Motor pulses", motor, pulse_note),
        _tile("Violations", f"{violations:,}", violation_note),
    ]  # fmt: skip
    return tag("dl", *tiles, class_="tiles", aria_label="Key figures")


LEGEND = (
    ("glucose", "Glucose"), ("low", "Below 70"), ("high", "Above 180"), ("gap", "Gap in the trace"),
    ("suspension", "Suspended"), ("rate", "Basal profile"), ("tbr", "TBR"), ("bolus", "Bolus"), ("iob", "IOB"),
    ("violation", "Violation"),
)  # fmt: skip
LOOP_LEGEND = (("automatic", "Automatic bolus"), ("carbs", "Carbs announced"))
PATIENT_LEGEND = (("plasma", "Plasma glucose"), ("meal", "Meal"))


def timeline(record: Record) -> Html:
    """The linked charts; the script draws them into the empty element, which is there if there is anything to draw."""
    if not record.begun:
        nothing = tag("p", "The run never began: there is nothing to draw.", class_="empty")
        return section("Timeline", nothing, id_="timeline", class_="card wide")
    legend = LEGEND if not summary.has_patient(record) else (LEGEND[0], *PATIENT_LEGEND, *LEGEND[1:])
    if record.of("carbs") or any(event.get("automatic") for event in record.of("bolus")):
        legend = (*legend[:-1], *LOOP_LEGEND, legend[-1])
    ranges = (("all", "All"), ("72", "3 days"), ("24", "24 h"), ("6", "6 h"), ("1", "1 h"))
    run_h = (record.end_s - record.first_s) / 3600
    shown = [(key, name) for key, name in ranges if key == "all" or float(key) < run_h]
    buttons = [tag("button", name, type="button", data_hours=key) for key, name in shown]
    steps = [
        tag("button", "←", type="button", data_step="-1", aria_label="Earlier"),
        tag("button", "→", type="button", data_step="1", aria_label="Later"),
    ]
    label = (
        f"Timeline of {hours_of(record)}: glucose, events, basal rate, motor pulses, insulin on board and boluses. "
        "The tables below tell the same in words. Arrow keys move, plus and minus zoom."
    )
    return section(
        "Timeline",
        tag("div", tag("div", *buttons, class_="buttons"), tag("div", *steps, class_="buttons"),
            tag("ul", *(tag("li", tag("i", class_=f"key {key}"), name) for key, name in legend), class_="legend"),
            class_="toolbar"),
        tag("p", "", id="readout", aria_live="off"),
        tag("div", id="chart", role="img", tabindex="0", aria_label=label),
        tag("noscript", tag("p", "The timeline needs JavaScript; the tables below do not.")),
        id_="timeline", class_="card wide", note="Drag to zoom, double-click for the whole run.",
    )  # fmt: skip


def _nothing(record: Record, so_far: str) -> Html:
    """What stands where there is nothing to tell, while a run goes on and after it."""
    return tag("p", so_far if record.ending is Ending.GOES_ON else "None in this run.", class_="empty")


def _zoom_link(record: Record, event: Event) -> Html:
    at_s = time_of(event)
    if not record.begun:
        return tag("span", f"pump second {at_s:g}")
    return tag(
        "a",
        wall(record, at_s),
        href="#timeline",
        data_at=f"{at_s:g}",
        title=f"Pump second {at_s:g}: show it in the timeline",
    )


def violations(record: Record) -> Html:
    """Every violation with its numbers, and apart from them the moments of an unfit bench; empty without any."""
    broken, unfit = summary.misses(record)
    return join([
        _misses(record, broken, "Violations", "violations"), _misses(record, unfit, "Bench unfit", "unfit"),
    ])  # fmt: skip


def _misses(record: Record, found: list[Event], heading: str, id_: str) -> Html:
    if not found:
        return Html("")
    rows = [
        (
            _zoom_link(record, event), tag("strong", event.get("rule", "")), tag("code", event.get("check", "")),
            event.get("message", ""), compact(event.get("expected")), compact(event.get("observed")),
            "–" if event.get("offset_minutes") is None else f"{event['offset_minutes']} min",
        )
        for event in found[:ROWS_MAX]
    ]  # fmt: skip
    more = f"The first {ROWS_MAX} of {len(found):,}; all are in events.jsonl." if len(found) > ROWS_MAX else ""
    headings = ("When", "Rule", "Check", "What", "Expected", "Observed", "Sample")
    return section(
        f"{heading} ({len(found):,})",
        table(headings, rows, (6,)),
        id_=id_,
        class_="card wide bad long" if id_ == "violations" else "card wide long",
        note=more,
    )


def checks(record: Record) -> Html:
    """What the run was judged by: each check with its rules, how often it held and how often not."""
    states = {"broken": "✕ broken", "held": "✓ held", "idle": "○ no occasion", "off": "– not judged"}
    rows = []
    for row in summary.checks(record):
        state = "off" if not row.judged else "broken" if row.missed else "held" if row.passed else "idle"
        rules = join(tag("span", rule, class_="rule") for rule in row.rules)
        counts = (f"{row.passed:,}", f"{row.missed:,}")
        title = f"{row.title} ({row.why_not})" if row.why_not else row.title
        rows.append((tag("span", states[state], class_=f"state {state}"), title, rules, *counts))
    headings = ("", "What holds", "Rules of DOSING.md", "Held", "Missed")
    found = table(headings, rows, (3, 4)) if rows else _nothing(record, "Recorded with the verdict.")
    off = any(not row.judged and not row.why_not for row in summary.checks(record))
    note = "Checks of speed are judged where time is real." if off else ""
    return section("Checks", found, id_="checks", class_="card wide", note=note)


def ledger(record: Record) -> Html:
    """Commanded = delivered + remaining + dropped, to the milliunit."""
    rows = []
    for account in summary.accounts(record):
        state = tag("span", "✓ closes", class_="state held")
        if account.balance_mu:
            state = tag("span", f"✕ off by {iu(account.balance_mu / 1000, 3)} U", class_="state broken")
        amounts = (account.commanded_mu, account.delivered_mu, account.remaining_mu, account.dropped_mu)
        rows.append((tag("strong", plain(account.name)), *(iu(amount / 1000, 3) for amount in amounts), state))
    headings = ("In U", "Commanded", "= Delivered", "+ Remaining", "+ Dropped", "")
    body: object = table(headings, rows, (1, 2, 3, 4)) if rows else _nothing(record, "Recorded with the verdict.")
    return section("Ledger", body, id_="ledger", note="The pump's word, its motor and its reservoir, to the pulse.")


def range_shares(metrics: GlucoseMetrics) -> tuple[tuple[str, str, float], ...]:
    """The ranges from low to high: class, words in mg/dL, and share in percent."""
    return (
        ("very-low", "Below 54", metrics.very_low_percent),
        ("low", "54 to 69", metrics.low_percent - metrics.very_low_percent),
        ("in-range", "70 to 180", metrics.in_range_percent),
        ("high", "181 to 250", metrics.high_percent - metrics.very_high_percent),
        ("very-high", "Above 250", metrics.very_high_percent),
    )


def _range_bar(metrics: GlucoseMetrics) -> Html:
    parts = range_shares(metrics)
    bar = [
        tag("i", class_=name, style=f"flex-grow:{share:.4f}", title=f"{text}: {share:.1f} %")
        for name, text, share in parts
        if share
    ]
    items = [tag("li", tag("i", class_=f"key {name}"), text, tag("b", f"{share:.1f} %")) for name, text, share in parts]
    return join(
        [
            tag("div", *bar, class_="range-bar", role="img", aria_label="Time in ranges"),
            tag("ul", *items, class_="ranges"),
        ]
    )


def glucose(record: Record) -> Html:
    """Outcome metrics of the trace that was replayed, or of the patient: as the sensor told it, and in the plasma."""
    metrics = glucose_metrics([event.get("glucose_mg_dl") or 0 for event in record.of("sample")])
    if metrics is None:
        return section("Glucose", _nothing(record, "No sample yet."), id_="glucose")
    in_plasma = glucose_metrics([value for _, value in summary.plasma(record)])
    if in_plasma is None:
        note = f"{metrics.readings:,} readings. A replayed trace does not respond to the pump."
        return section("Glucose", *_outcome(metrics), id_="glucose", note=note)
    note = f"{metrics.readings:,} readings of a patient who gets what the pump delivers."
    parts = [tag("p", "As the sensor told it", class_="note"), *_outcome(metrics)]
    parts += [tag("p", "In the plasma", class_="note chart-title"), *_outcome(in_plasma)]
    return section("Glucose", *parts, id_="glucose", note=note)


def _outcome(metrics: GlucoseMetrics) -> tuple[Html, Html]:
    rows = [
        ("Mean", f"{metrics.mean_mg_dl:.1f} mg/dL"), ("SD", f"{metrics.sd_mg_dl:.1f} mg/dL"),
        ("CV", f"{metrics.cv_percent:.1f} %"), ("GMI", f"{metrics.gmi_percent:.1f} %"),
        ("LBGI", f"{metrics.lbgi:.2f}"), ("HBGI", f"{metrics.hbgi:.2f}"),
    ]  # fmt: skip
    return _range_bar(metrics), _pairs(rows)


def decisions(record: Record) -> Html:
    """What the controller decided, and why."""
    found = summary.decisions(record)
    total = sum(count for _, _, count in found) or 1
    rows = [
        (
            action_words(action),
            reason_words(reason),
            f"{count:,}",
            tag("i", class_="meter", style=f"width:{100 * count / total:.1f}%"),
        )
        for action, reason, count in found
    ]
    body: object = (
        table(("Action", "Reason", "Samples", ""), rows, (2,)) if rows else _nothing(record, "No decision yet.")
    )
    return section("Decisions", body, id_="decisions", note="One for each CGM sample.")


def _bars(counts: list[int]) -> Html:
    peak = max(counts) or 1
    names = [f"{bound:g}" for bound in LATENCY_BOUNDS_MS] + ["more"]
    bars = [
        tag(
            "li",
            tag("i", style=f"height:{max(100 * count / peak, 2 if count else 0):.1f}%"),
            tag("span", name),
            title=f"up to {name} ms: {count:,}",
        )
        for name, count in zip(names, counts, strict=True)
    ]
    return tag("ol", *bars, class_="histogram", aria_label="Decisions by host time, up to so many ms")


def bench(record: Record) -> Html:
    """How fit the bench was: times from sample to decision, and what the rig measured of itself."""
    rows = []
    for name, text in (("latency_dut_ms", "Pump time"), ("latency_host_ms", "Host time")):
        times = summary.latency(record, name)
        if times:
            rows.append((text, *(f"{value:.3g} ms" for value in (times.median_ms, times.p99_ms, times.max_ms))))
    parts: list[object] = []
    if rows:
        parts.append(table(("Sample to decision", "Median", "99 %", "Longest"), rows, (1, 2, 3)))
        parts.append(tag("p", "Decisions by host time, up to so many ms", class_="note chart-title"))
        parts.append(_bars(summary.histogram(record, "latency_host_ms", LATENCY_BOUNDS_MS)))
    pairs: list[tuple[str, object]] = [*summary.bench_numbers(record)]
    speed = summary.speed(record)
    if speed:
        pairs.append(("Speed", f"{speed:,.0f} times real time" if speed >= 2 else f"{speed:.2f} times real time"))
    parts.append(_pairs(pairs))
    return section("Bench fitness", *parts, id_="bench", note="A decision is due within 1000 ms (D-951).")


def happenings(record: Record) -> Html:
    """Faults, annunciations, commands and meals, each with its place in the timeline."""
    kinds = ("fault", "annunciation", "command", "carbs", "meal")
    events = sorted((event for kind in kinds for event in record.of(kind)), key=time_of)
    if not events:
        return section("Faults, annunciations, commands", tag("p", "None in this run.", class_="empty"), id_="events")
    rows = [
        (_zoom_link(record, event), event["kind"], mark_title(event), mark_text(event)) for event in events[:ROWS_MAX]
    ]
    more = f"The first {ROWS_MAX} of {len(events):,}." if len(events) > ROWS_MAX else ""
    body = table(("When", "Kind", "What", "Details"), rows)
    return section("Faults, annunciations, commands", body, id_="events", class_="card wide long", note=more)


def _entries(name: str, value: object) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _entries(f"{name} · {plain(key)}", item)
    elif value not in (None, "", []):
        text = compact(value)
        # Folders and trace files belong to the machine that ran this, and often name a person.
        if name.endswith("folder"):
            text = PurePath(text).name
        elif name.endswith("meals") and text != "none":
            text = f"a file ({PurePath(text).suffix or 'no suffix'})"
        elif name.endswith("trace"):
            text = "bundled" if text == "bundled" else f"a file ({PurePath(text).suffix or 'no suffix'})"
        yield name, text


def provenance(record: Record) -> Html:
    """What the run was made of, and the command that makes it again."""
    shown = {name: value for name, value in record.info.items() if name not in SHOWN_ELSEWHERE}
    rows = [(name, tag("code", text)) for key, value in shown.items() for name, text in _entries(plain(key), value)]
    command = f"pumprig replay {record.folder.absolute().parent.name}/{record.folder.name}"
    replay = tag(
        "div",
        tag("code", command, id="replay"),
        tag("button", "Copy", type="button", data_copy="replay"),
        class_="replay",
    )
    note = "This command repeats the run."
    return section("Record", replay, table(("What", "Value"), rows), id_="record", class_="card wide", note=note)


def body(record: Record) -> Html:
    """The whole page but its scripts."""
    pairs = [(ledger(record), glucose(record)), (decisions(record), bench(record))]
    grid = [tag("div", *pair, class_="pair") for pair in pairs]
    return join([
        head(record),
        tag("main", notices(record), key_figures(record), timeline(record), violations(record),
            reasons(record, _zoom_link), checks(record), *grid, happenings(record), provenance(record)),
        tag("footer", tag("p", "pumprig is a test tool. It is not for therapy."),
            tag("p", "Made by pumprig from this run's record. Charts: plotly.js, MIT licence.")),
    ])  # fmt: skip


__all__ = ["body", "esc", "range_shares", "title_of"]
