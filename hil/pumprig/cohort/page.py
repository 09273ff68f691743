"""The page of a cohort: one file that opens offline, without any script."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from urllib.parse import quote

from pumprig.cohort.cohort import Cohort, PatientOutcome, by_controller, groups
from pumprig.cohort.show import group_name, meals_words, mean_of
from pumprig.report.html import Html, join, section, still_page, table, tag, verdict_icon, write_whole
from pumprig.report.metrics import GlucoseMetrics
from pumprig.report.page import range_shares
from pumprig.report.words import count, duration_words

__all__ = ["write_page"]

PAGE = "cohort.html"
_BINS_OF_DAY = 288
_WIDTH, _HEIGHT, _LEFT, _BOTTOM = 380, 190, 34, 20
_TOP_MG_DL_MAX = 450.0
_FLOOR_MG_DL = 30


def write_page(cohort: Cohort) -> Path:
    """Write the page of a cohort into its folder.

    Raises:
        RigError: it cannot be written.
    """
    path = cohort.folder / PAGE
    write_whole(path, still_page(f"{cohort.verdict}: {_title(cohort)}", _body(cohort), "cohort/cohort.css"))
    return path


def _title(cohort: Cohort) -> str:
    settings = cohort.settings
    return f"{count(len(settings.patients), 'patient')}, {count(settings.days, 'day')} each, {settings.controller}"


def _body(cohort: Cohort) -> Html:
    return join([
        _head(cohort),
        tag("main", _problems(cohort), _tiles(cohort), _patients(cohort), _days(cohort), _violations(cohort)),
        tag("footer", tag("p", "pumprig is a test tool. It is not for therapy."),
            tag("p", "Patients: UVA/Padova 2008, numbers as in simglucose (MIT).")),
    ])  # fmt: skip


def _head(cohort: Cohort) -> Html:
    settings, verdict = cohort.settings, cohort.verdict
    facts = (
        ("Controller", settings.controller), ("Eating", meals_words(settings)),
        ("Length", count(settings.days, "day")), ("Seed", settings.seed), ("Clock", "lockstep"),
        ("Took", duration_words(cohort.seconds)),
        *((kind.capitalize(), told["title"]) for kind, told in settings.devices.record().items()),
    )  # fmt: skip
    claim = {
        "PASS": "Proved logic and order of every dose that every patient got.",
        "FAIL": "A pump broke a rule, or a known finding is gone.",
    }.get(verdict, "Not every run came to a verdict.")
    return tag(
        "header",
        tag("p", verdict_icon(verdict), tag("span", verdict), class_="badge"),
        tag("div", tag("p", "pumprig cohort ", tag("code", cohort.folder.name), class_="eyebrow"),
            tag("h1", _title(cohort)),
            tag("dl", *(tag("div", tag("dt", name), tag("dd", value)) for name, value in facts), class_="facts"),
            class_="what"),
        tag("p", tag("strong", claim), " Each patient wore the real firmware and got what its motor delivered.",
            class_="proven"),
        class_="head", data_verdict=verdict,
    )  # fmt: skip


def _problems(cohort: Cohort) -> Html:
    said = [
        f"{cohort.label(outcome)}: {violation['message']} ({violation['rule']})" for outcome, violation in cohort.new
    ]
    said += [f"{finding.patient}: {finding.check} is a known finding, and was not missed." for finding in cohort.gone]
    said += [
        f"{cohort.label(outcome)}: {outcome.run.reasons[0]['message']}"
        for outcome in cohort.outcomes
        if outcome.run.verdict in ("ERROR", "INCONCLUSIVE") and outcome.run.reasons
    ]
    if not said:
        return Html("")
    return section(f"Why {cohort.verdict}", tag("ul", *(tag("li", line) for line in said)), id_="reasons")


def _tile(label: str, value: object, note: str) -> Html:
    return tag("div", tag("dt", label), tag("dd", value, tag("small", note)), class_="tile")


def _tiles(cohort: Cohort) -> Html:
    shares = [
        (controller, mean_of([outcome.sensor for outcome in part if outcome.sensor is not None]))
        for controller, part in by_controller(cohort.outcomes).items()
    ]
    in_range = " / ".join(f"{one.in_range_percent:.1f}" if one else "-" for _, one in shares)
    means = " / ".join(f"{one.mean_mg_dl:.0f}" if one else "-" for _, one in shares)
    gmi = " / ".join(f"{one.gmi_percent:.1f}" if one else "-" for _, one in shares)
    whose = "" if len(shares) == 1 else f" ({' / '.join(controller for controller, _ in shares)})"
    worst = min(cohort.outcomes, key=lambda one: one.sensor.in_range_percent if one.sensor else 101)
    minima = ((min(one.plasma_mg_dl), cohort.label(one)) for one in cohort.outcomes if one.plasma_mg_dl)
    lowest = min(minima, default=(0.0, "-"))
    pulses = sum(sum(outcome.summary.get("pulses", {}).values()) for outcome in cohort.outcomes)
    judged = sum(check["passed"] for outcome in cohort.outcomes for check in outcome.summary.get("checks", {}).values())
    suspensions = sum(outcome.summary.get("suspensions", 0) for outcome in cohort.outcomes)
    suspended_s = sum(outcome.summary.get("suspended_s", 0) for outcome in cohort.outcomes)
    violations = len(cohort.new) + len(cohort.known)
    tiles = [
        _tile("In range", f"{in_range} %", f"mean of all patients, 70 to 180 mg/dL{whose}"),
        _tile("Least in range", f"{worst.sensor.in_range_percent:.1f} %" if worst.sensor else "-", cohort.label(worst)),
        _tile("Mean glucose", f"{means} mg/dL", f"GMI {gmi} %{whose}"),
        _tile("Lowest plasma", f"{lowest[0]:.0f} mg/dL", lowest[1]),
        _tile("Motor pulses", f"{pulses:,}", "each compared"),
        _tile("Judgements", f"{judged:,}", "that held"),
        _tile("Suspended", duration_words(suspended_s) if suspended_s else "never", count(suspensions, "time")),
        _tile("Violations", f"{violations:,}", f"{len(cohort.known)} known" if violations else "nothing to list"),
    ]  # fmt: skip
    return tag("dl", *tiles, class_="tiles", aria_label="Key figures")


def _bar(metrics: GlucoseMetrics | None) -> Html:
    if metrics is None:
        return tag("span", "no sample", class_="empty")
    shares = range_shares(metrics)
    words = ", ".join(f"{text} {share:.1f} %" for _, text, share in shares)
    parts = [tag("i", class_=name, style=f"width:{share:.3f}%") for name, _, share in shares if share]
    return tag("div", *parts, class_="row-bar", role="img", aria_label=words, title=words)


def _numbers(metrics: GlucoseMetrics | None) -> tuple[object, ...]:
    if metrics is None:
        return ("-",) * 7
    return (
        tag("b", f"{metrics.in_range_percent:.1f}"), f"{metrics.low_percent:.1f}", f"{metrics.very_low_percent:.1f}",
        f"{metrics.mean_mg_dl:.0f}", f"{metrics.cv_percent:.1f}", f"{metrics.lbgi:.2f}", f"{metrics.hbgi:.2f}",
    )  # fmt: skip


def _row(cohort: Cohort, outcome: PatientOutcome) -> tuple[object, ...]:
    state = "held" if outcome.run.verdict == "PASS" else "broken"
    sign = "✓" if state == "held" else "✕"
    name: object = cohort.label(outcome)
    if outcome.run.folder and state == "broken":
        address = quote(os.path.relpath(Path(outcome.run.folder) / "report.html", cohort.folder))
        name = tag("a", cohort.label(outcome), href=address)
    delivered = sum(outcome.insulin_iu(source) for source in ("basal", "bolus", "extended"))
    verdict = tag("span", f"{sign} {outcome.run.verdict}", class_=f"state {state}")
    per_day, suspensions = f"{delivered / cohort.settings.days:.1f}", f"{outcome.summary.get('suspensions', 0)}"
    return (name, _bar(outcome.sensor), *_numbers(outcome.sensor), per_day, suspensions, verdict)


def _patients(cohort: Cohort) -> Html:
    rows: list[tuple[object, ...]] = []
    found = groups(cohort.outcomes)
    for group, outcomes in found.items():
        for suffix, part in cohort.means(outcomes):
            mean = mean_of([outcome.sensor for outcome in part if outcome.sensor is not None])
            name = tag("strong", f"{group_name(group, len(part))}{suffix}")
            rows.append((name, _bar(mean), *_numbers(mean), "", "", ""))
        rows += [_row(cohort, outcome) for outcome in outcomes]
    headings = (
        "Patient", "Time in ranges", "70-180 %", "< 70 %", "< 54 %", "Mean", "CV %", "LBGI", "HBGI", "U/day",
        "Susp.", "",
    )  # fmt: skip
    shown = table(headings, rows, tuple(range(2, 11)), caption="Outcomes of each patient, by its sensor")
    names = ("very-low", "low", "in-range", "high", "very-high")
    texts = ("Below 54", "54 to 69", "70 to 180", "181 to 250", "Above 250")
    keys = zip(names, texts, strict=True)
    legend = tag("ul", *(tag("li", tag("i", class_=f"key {name}"), text) for name, text in keys), class_="ranges")
    note = "As the sensor told it, mg/dL."
    return section("Patients", legend, shown, id_="patients", class_="card wide", note=note)


def _days(cohort: Cohort) -> Html:
    peak = max((max(outcome.plasma_mg_dl, default=0) for outcome in cohort.outcomes), default=0)
    top = min(max(peak, 260.0), _TOP_MG_DL_MAX)
    panels = [
        tag("figure", _profile(part, top), tag("figcaption", f"{group_name(group, len(part))}, {controller}"))
        for group, outcomes in groups(cohort.outcomes).items()
        for controller, part in by_controller(outcomes).items()
        if any(len(outcome.plasma_mg_dl) > 1 for outcome in part)
    ]
    note = "Plasma glucose over the day, all days and patients: median, 25 to 75 %, 5 to 95 %."
    if peak > top:
        note += f" Cut off at {top:.0f} mg/dL; the highest is {peak:.0f}."
    return section("The day", tag("div", *panels, class_="panels"), id_="day", class_="card wide", note=note)


def _quantiles(outcomes: Iterable[PatientOutcome], shares: Sequence[float]) -> list[list[float]]:
    # For every quarter of an hour of the day, over patients and days.
    step = 3
    bins: list[list[float]] = [[] for _ in range(_BINS_OF_DAY // step)]
    for outcome in outcomes:
        # The last value is that of the midnight after the run.
        for number, value in enumerate(outcome.plasma_mg_dl[:-1]):
            bins[number % _BINS_OF_DAY // step].append(value)
    lines: list[list[float]] = [[] for _ in shares]
    for values in filter(None, bins):
        values.sort()
        for line, share in zip(lines, shares, strict=True):
            line.append(values[round(share * (len(values) - 1))])
    return lines


def _place(index: int, of: int, value: float, top: float) -> str:
    x = _LEFT + (_WIDTH - _LEFT) * index / max(of - 1, 1)
    y = (_HEIGHT - _BOTTOM) * (1 - (min(value, top) - _FLOOR_MG_DL) / (top - _FLOOR_MG_DL))
    return f"{x:.1f},{y:.1f}"


def _profile(outcomes: Sequence[PatientOutcome], top: float) -> Html:
    low, lower, middle, upper, high = _quantiles(outcomes, (0.05, 0.25, 0.5, 0.75, 0.95))
    size = len(middle)

    def points(values: Sequence[float]) -> list[str]:
        return [_place(index, size, value, top) for index, value in enumerate(values)]

    def band(under: Sequence[float], over: Sequence[float], name: str) -> Html:
        return Html(f'<polygon class="{name}" points="{" ".join(points(under) + points(over)[::-1])}"/>')

    marks = []
    for value in (70, 180, 250, 400)[: 3 if top < 400 else 4]:
        _, y = _place(0, size, value, top).split(",")
        marks.append(
            f'<line x1="{_LEFT}" x2="{_WIDTH}" y1="{y}" y2="{y}"/><text x="{_LEFT - 5}" y="{float(y) + 4}" '
            f'text-anchor="end">{value}</text>'
        )
    for hour in range(0, 25, 6):
        x = _LEFT + (_WIDTH - _LEFT) * hour / 24
        anchor = "end" if hour == 24 else "start" if hour == 0 else "middle"
        marks.append(f'<text x="{x:.0f}" y="{_HEIGHT - 4}" text-anchor="{anchor}">{hour:02d}:00</text>')
    inner = join([
        Html("".join(marks)), band(low, high, "outer"), band(lower, upper, "inner"),
        Html(f'<polyline class="median" points="{" ".join(points(middle))}"/>'),
    ])  # fmt: skip
    label = f"Median plasma glucose from {min(middle):.0f} to {max(middle):.0f} mg/dL over the day"
    return Html(f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{label}">{inner}</svg>')


def _violations(cohort: Cohort) -> Html:
    known = {(one.patient, one.controller, one.check, one.rule): one.why for one in cohort.known}
    rows = [
        (
            cohort.label(outcome), tag("strong", violation["rule"]), tag("code", violation["check"]),
            violation["message"],
            f"{outcome.missed(violation['check']):,}",
            known.get(
                (outcome.name, outcome.controller, violation["check"], violation["rule"]),
                tag("b", "new: not understood yet"),
            ),
        )
        for outcome in cohort.outcomes
        for violation in outcome.violations
    ]  # fmt: skip
    if not rows:
        return section("Violations", tag("p", "None, by any patient's pump.", class_="empty"), id_="violations")
    headings = ("Patient", "Rule", "Check", "First of them", "Times", "Explanation")
    return section(
        f"Violations ({len(rows)})", table(headings, rows, (4,)), id_="violations", class_="card wide bad long"
    )
