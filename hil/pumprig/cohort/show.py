"""What a cohort prints: a table for a person, plain data for a program."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from pumprig.cohort.cohort import Cohort, PatientOutcome, Settings, groups
from pumprig.report.metrics import GlucoseMetrics
from pumprig.report.words import count
from pumprig.suite.show import suite_console

__all__ = ["as_dict", "group_name", "meals_words", "mean_of", "show_cohort"]

_STYLES = {"PASS": "green", "FAIL": "red", "ERROR": "magenta", "INCONCLUSIVE": "yellow"}
_PLURALS = {"child": "children"}


def mean_of(metrics: list[GlucoseMetrics]) -> GlucoseMetrics | None:
    """The mean of each metric over patients, each patient counting the same; None without any."""
    if not metrics:
        return None
    rows = [asdict(one) for one in metrics]
    means = {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]}
    return GlucoseMetrics(**means | {"readings": sum(row["readings"] for row in rows)})


def group_name(group: str, number: int) -> str:
    """How many of a group, as people say it."""
    return count(number, group, _PLURALS.get(group, ""))


def meals_words(settings: Settings) -> str:
    """What they eat, and whether the pump knows."""
    if settings.meals is None:
        return "no meals"
    return f"meals {'announced' if settings.announced else 'not announced'}"


def _cells(metrics: GlucoseMetrics | None) -> list[str]:
    if metrics is None:
        return ["-"] * 9
    shares = (
        metrics.in_range_percent, metrics.low_percent, metrics.very_low_percent, metrics.high_percent,
        metrics.very_high_percent, metrics.mean_mg_dl, metrics.cv_percent, metrics.lbgi, metrics.hbgi,
    )  # fmt: skip
    return [f"{value:.1f}" for value in shares]


def show_cohort(cohort: Cohort, page: str, console: Console | None = None) -> None:
    """Print the table of outcomes, then what is new or gone."""
    console = console or suite_console()
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("Patient", no_wrap=True)
    for heading in ("70-180 %", "<70 %", "<54 %", ">180 %", ">250 %", "mean", "CV %", "LBGI", "HBGI", "U/day", "susp."):
        table.add_column(heading, justify="right")
    table.add_column("Verdict")
    found = groups(cohort.outcomes)
    for group, outcomes in found.items():
        for outcome in outcomes:
            table.add_row(cohort.label(outcome), *_cells(outcome.sensor), *_insulin(cohort, outcome), _verdict(outcome))
        for suffix, part in cohort.means(outcomes):
            means = mean_of([outcome.sensor for outcome in part if outcome.sensor is not None])
            table.add_row(f"{group_name(group, len(part))}{suffix}", *_cells(means), "", "", "", style="bold")
        table.add_section()
    console.print(table)
    for outcome, violation in cohort.new:
        line = f"NEW: {cohort.label(outcome)}: {violation['message']} ({violation['rule']}, {violation['check']})"
        console.print(line, style="red", markup=False)
    for finding in cohort.gone:
        line = f"GONE: {finding.patient}: {finding.check} ({finding.rule}) is listed, and was not missed"
        console.print(line, style="red", markup=False)
    for finding in cohort.known:
        console.print(f"known: {finding.patient}: {finding.check}: {finding.why}", markup=False)
    told = (
        count(len(cohort.settings.patients), "patient"), f"{count(cohort.settings.days, 'day')} each",
        cohort.settings.controller, meals_words(cohort.settings),
        f"{count(len(cohort.new) + len(cohort.known), 'violation')} ({len(cohort.known)} known)",
    )  # fmt: skip
    console.print(f"[bold {_STYLES[cohort.verdict]}]{cohort.verdict}[/]  {', '.join(told)}  {cohort.seconds:.0f} s")
    console.print(f"page {page}", markup=False, soft_wrap=True)


def _insulin(cohort: Cohort, outcome: PatientOutcome) -> tuple[str, str]:
    delivered = outcome.insulin_iu("basal") + outcome.insulin_iu("bolus") + outcome.insulin_iu("extended")
    return f"{delivered / cohort.settings.days:.1f}", f"{outcome.summary.get('suspensions', 0)}"


def _verdict(outcome: PatientOutcome) -> str:
    return f"[{_STYLES.get(outcome.run.verdict, '')}]{outcome.run.verdict}[/]"


def as_dict(cohort: Cohort, page: str) -> dict[str, Any]:
    """The cohort as plain data."""
    settings = cohort.settings
    return {
        "exit_code": cohort.exit_code, "verdict": cohort.verdict, "controller": settings.controller,
        "days": settings.days, "meals": settings.meals_name, "announced": settings.announced, "seed": settings.seed,
        "seconds": round(cohort.seconds, 1),
        "page": page,
        "patients": [
            {
                "name": outcome.name, "controller": outcome.controller, "verdict": outcome.run.verdict,
                "run": outcome.run.folder,
                "seconds": outcome.run.seconds, "reasons": outcome.run.reasons,
                "sensor": asdict(outcome.sensor) if outcome.sensor else None,
                "plasma": asdict(outcome.plasma) if outcome.plasma else None,
                "basal_iu": round(outcome.insulin_iu("basal"), 3), "bolus_iu": round(outcome.insulin_iu("bolus"), 3),
                "suspensions": outcome.summary.get("suspensions", 0),
                "suspended_s": outcome.summary.get("suspended_s", 0),
                "doses_sha256": outcome.summary.get("doses_sha256"),
            }
            for outcome in cohort.outcomes
        ],
        "new": [
            {"patient": outcome.name, "controller": outcome.controller, **violation}
            for outcome, violation in cohort.new
        ],
        "known": [finding.model_dump() for finding in cohort.known],
        "gone": [finding.model_dump() for finding in cohort.gone],
    }  # fmt: skip
