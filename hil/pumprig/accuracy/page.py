"""The page of a measurement: one file that opens offline, without any script."""

from __future__ import annotations

from collections.abc import Iterable

from pumprig.accuracy.basal import BasalResult, moment, words_of
from pumprig.accuracy.bolus import BolusResult
from pumprig.accuracy.campaign import Accuracy
from pumprig.accuracy.charts import bolus_chart, drift_chart, start_up_chart, trumpet_chart
from pumprig.accuracy.show import percent
from pumprig.accuracy.windows import ANALYSIS_HOURS, STABILISATION_HOURS, Window
from pumprig.report.html import Html, join, section, still_page, table, tag, verdict_icon
from pumprig.report.words import count, duration_words

__all__ = ["page_of"]

_CLAIMS = {
    "PASS": "Every window, bolus and day is exact to the pulse.",
    "FAIL": "The pump breaks a bound.",
}


def page_of(accuracy: Accuracy, name: str) -> str:
    """The page as HTML.

    Args:
        accuracy: what was measured.
        name: of its record.
    """
    body = join([
        _head(accuracy, name),
        tag("main", _problems(accuracy), _tiles(accuracy), _basal(accuracy.basal), _boluses(accuracy.boluses),
            _drift(accuracy), _checks(accuracy)),
        tag("footer", tag("p", "pumprig is a test tool. It is not for therapy."),
            tag("p", "Windows, 24 h to settle and 25 h of analysis after IEC 60601-2-24; DOSING.md, section 18, tells "
                "what of it is verified.")),
    ])  # fmt: skip
    return still_page(f"{accuracy.verdict.name}: delivery accuracy", body, "accuracy/accuracy.css")


def _head(accuracy: Accuracy, name: str) -> Html:
    verdict, pump = accuracy.verdict.name, accuracy.pump
    title = "Delivery accuracy" + (f" of {accuracy.title}" if accuracy.profile_name else "")
    facts = (
        ("Pulse", f"{pump.pulse_mu / 1000:g} U"), ("Basal limit", f"{pump.basal_rate_limit_mu_per_h / 1000:g} U/h"),
        ("Bolus limit", f"{pump.bolus_limit_mu / 1000:g} U"),
        ("Bolus speed", f"{pump.bolus_speed_mu_per_minute / 1000:g} U/min"), ("Clock", "lockstep"),
        ("Took", duration_words(accuracy.seconds)),
    )  # fmt: skip
    return tag(
        "header",
        tag("p", verdict_icon(verdict), tag("span", verdict), class_="badge"),
        tag("div", tag("p", "pumprig accuracy ", tag("code", name), class_="eyebrow"),
            tag("h1", title),
            tag("dl", *(tag("div", tag("dt", name), tag("dd", value)) for name, value in facts), class_="facts"),
            class_="what"),
        tag("p", tag("strong", _CLAIMS.get(verdict, "Not every measurement came to its end.")),
            " Counted are the pulses of the motor of the real firmware, not the pump's word; the volume of a pulse is "
            "taken as exact.", class_="proven"),
        class_="head", data_verdict=verdict,
    )  # fmt: skip


def _problems(accuracy: Accuracy) -> Html:
    said = [
        f"{outcome.name}: {reason.message} ({reason.rule})"
        for outcome in accuracy.outcomes
        for reason in outcome.reasons
    ]
    if not said:
        return Html("")
    lines = tag("ul", *(tag("li", line) for line in said))
    return section(f"Why {accuracy.verdict.name}", lines, id_="reasons", class_="card bad")


def _off(pulses: int) -> str:
    return f"{pulses:+d}" if pulses else "0"


def _tile(label: str, value: object, note: str) -> Html:
    return tag("div", tag("dt", label), tag("dd", value, tag("small", note)), class_="tile")


def _tiles(accuracy: Accuracy) -> Html:
    basal, boluses, drift = accuracy.basal, accuracy.boluses, accuracy.drift
    windows = [window for result in basal for window in (*result.windows, result.whole)]
    positions, outside = sum(one.positions for one in windows), sum(one.outside for one in windows)
    overall = max((result.overall_percent for result in basal), key=abs, default=None)
    off = [
        pulses - result.amount_mu // result.pulse_mu for result in boluses for pulses in result.pulses
    ]  # fmt: skip
    seen = sum(len(outcome.pulses) for outcome in accuracy.outcomes)
    days = len(drift.days) if drift is not None else 0
    counts = [counted for outcome in accuracy.outcomes for counted in outcome.counts.values()]
    held, missed = sum(one["passed"] for one in counts), sum(one["missed"] for one in counts)
    late_s = max((pulse.late_s for outcome in accuracy.outcomes for pulse in outcome.pulses), default=0.0)
    tiles = [
        _tile("Motor pulses", f"{seen:,}", f"of {accuracy.pump.pulse_mu / 1000:g} U"),
        _tile("Window positions", f"{positions:,}", f"{outside:,} outside the bounds"),
        _tile("Overall error A", "-" if overall is None else f"{percent(overall)} %", "the greatest of all rates"),
        _tile("Boluses", f"{len(off):,}", f"{sum(map(bool, off))} not to the pulse"),
        _tile("Drift", _off(drift.pulses_off) if drift else "-", f"pulses after {count(days, 'day')}"),
        _tile("Latest pulse", f"{late_s * 1000:.0f} ms", "after its second began"),
        _tile("Judgements", f"{held:,}", "that held"),
        _tile("Violations", f"{missed:,}", "listed above" if missed else "nothing to list"),
    ]  # fmt: skip
    return tag("dl", *tiles, class_="tiles", aria_label="Key figures")


def _panels(pictures: Iterable[tuple[Html, str]]) -> Html:
    return tag("div", *(tag("figure", picture, tag("figcaption", text)) for picture, text in pictures), class_="panels")


def _basal(results: list[BasalResult]) -> Html:
    if not results:
        return Html("")
    trumpets = _panels((trumpet_chart(one), f"{one.rate_mu_per_h / 1000:g} U/h") for one in results)
    keys = tag("ul", tag("li", "Lines: least and greatest error of all positions"), tag("li", "Band: what whole pulses "
               "allow (D-1402)"), tag("li", "Dashed: overall error A"), tag("li", "Dotted: ±5 %, a usual claim"),
               class_="keys")  # fmt: skip
    headings = (
        "Basal", "Window", "Programmed", "Right pulses", "Fewest", "first at", "Most", "first at", "Error min %",
        "Error max %", "Outside",
    )  # fmt: skip
    rows = [
        (f"{one.rate_mu_per_h / 1000:g} U/h" if window is one.windows[0] else "", *_row(window, window is one.whole))
        for one in results
        for window in (*one.windows, one.whole)
    ]
    note = (
        f"{STABILISATION_HOURS} h to settle, {ANALYSIS_HOURS} h of analysis, a window at every second. Extremes are "
        "shown; the axis is the length of a window, not time."
    )
    numbers = table(headings, rows, tuple(range(1, 11)), caption="Windows of each basal rate")
    start_up = _panels((start_up_chart(one), f"{one.rate_mu_per_h / 1000:g} U/h") for one in results)
    return join([
        section("Trumpet curves", trumpets, keys, id_="trumpet", class_="card wide", note=note),
        section("Windows", numbers, id_="windows", class_="card wide", note="First at: since delivery began."),
        section("Start-up", start_up, id_="start-up", class_="card wide", note="The first 24 h, every 30 min."),
    ])  # fmt: skip


def _row(window: Window, whole: bool) -> tuple[object, ...]:
    outside = f"{window.outside:,} of {window.positions:,}"
    return (
        "A" if whole else f"{window.minutes} min", f"{float(window.programmed_mu) / 1000:.5g} U",
        words_of(window.pulses_min, window.pulses_max), window.least.pulses, moment(window.least.from_s),
        window.greatest.pulses, moment(window.greatest.from_s), percent(window.error_percent_min),
        percent(window.error_percent_max), tag("span", outside, class_="off-by") if window.outside else outside,
    )  # fmt: skip


def _boluses(results: list[BolusResult]) -> Html:
    if not results:
        return Html("")
    pictures = _panels((bolus_chart(one), f"{count(len(one.pulses), 'bolus', 'boluses')} of {one.amount_mu / 1000:g} U")
                       for one in results)  # fmt: skip
    rows = [
        (
            f"{one.amount_mu / 1000:g} U", len(one.pulses), one.amount_mu // one.pulse_mu, min(one.pulses),
            max(one.pulses), percent(one.mean_percent), percent(min(one.errors_percent)),
            percent(max(one.errors_percent)), one.refills,
        )
        for one in results
    ]  # fmt: skip
    headings = ("Bolus", "Times", "Pulses", "Fewest", "Most", "Mean %", "Least %", "Greatest %", "Refills")
    note = "No basal beside them. Refilled between two by Stop, Set Initial Reservoir Fill Level, Run."
    return section("Boluses", pictures, table(headings, rows, tuple(range(1, 9)), caption="Boluses of each setting"),
                   id_="boluses", class_="card wide", note=note)  # fmt: skip


def _drift(accuracy: Accuracy) -> Html:
    drift = accuracy.drift
    if drift is None:
        return Html("")
    days = count(len(drift.days), "day")
    pictures = _panels([(drift_chart(drift), f"{days}; the band is the remainder below a pulse")])
    first, last = drift.days[0], drift.days[-1]
    rows = [(day.day, f"{day.programmed_mu_s / 3.6e6:.3f} U", f"{day.due:,}", f"{day.pulses:,}",
             tag("span", _off(day.pulses - day.due), class_="off-by" if day.pulses != day.due else None))
            for day in drift.days if day in (first, last) or day.pulses != day.due]  # fmt: skip
    headings = ("End of day", "Programmed", "Pulses due", "Pulses", "Off by")
    note = f"A profile of {count(len(drift.profile), 'block')}. Listed: first and last day, and any that is off."
    shown = table(headings, rows, tuple(range(5)), caption="Pulses at the end of a day")
    return section("Drift", pictures, shown, id_="drift", class_="card wide", note=note)


def _checks(accuracy: Accuracy) -> Html:
    rows = [
        (
            outcome.name, tag("code", check), counted["title"], ", ".join(counted["rules"]), f"{counted['passed']:,}",
            tag("span", f"{counted['missed']:,}", class_="off-by") if counted["missed"] else "0",
        )
        for outcome in accuracy.outcomes
        for check, counted in outcome.counts.items()
        if counted["passed"] or counted["missed"]
    ]  # fmt: skip
    headings = ("Measurement", "Check", "What holds", "Rules", "Held", "Missed")
    return section("Checks", table(headings, rows, (4, 5), caption="Every check of every measurement"),
                   id_="checks", class_="card wide")  # fmt: skip
