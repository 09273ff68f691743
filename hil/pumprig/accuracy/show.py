"""What a measurement of accuracy prints: tables for a person, plain data for a program, JUnit for a CI."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import asdict
from fractions import Fraction
from typing import Any
from xml.etree import ElementTree

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from pumprig.accuracy.basal import BasalResult, words_of
from pumprig.accuracy.bolus import BolusResult
from pumprig.accuracy.campaign import Accuracy, Outcome, Result
from pumprig.accuracy.drift import DriftResult
from pumprig.accuracy.windows import Count, Window
from pumprig.report.words import count
from pumprig.suite.show import suite_console

__all__ = ["as_dict", "as_junit", "percent", "show_accuracy"]

_STYLES = {"PASS": "green", "FAIL": "red", "ERROR": "magenta", "INCONCLUSIVE": "yellow"}
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def percent(value: Fraction) -> str:
    """A deviation in percent, with its sign; 0 only where nothing is off."""
    return "0" if value == 0 else f"{float(value):+.3g}"


def show_accuracy(accuracy: Accuracy, page: str, console: Console | None = None) -> None:
    """Print the trumpet curves, the boluses and the drift, then what failed."""
    console = console or suite_console()
    if accuracy.basal:
        console.print(_trumpets(accuracy.basal))
    if accuracy.boluses:
        console.print(_boluses(accuracy.boluses))
    for outcome in accuracy.outcomes:
        for reason in outcome.reasons:
            line = f"{reason.verdict.name}: {outcome.name}: {reason.message} ({reason.rule}, {reason.check})"
            console.print(line, style="red", markup=False)
    drift = accuracy.drift
    if drift is not None:
        last = drift.days[-1]
        console.print(
            f"{count(last.day, 'day')} of basal: {last.pulses:,} pulses, {last.due:,} due, "
            f"{count(abs(drift.pulses_off), 'pulse')} off", markup=False,
        )  # fmt: skip
    name = accuracy.verdict.name
    seen = sum(len(outcome.pulses) for outcome in accuracy.outcomes)
    told = f"{count(len(accuracy.outcomes), 'measurement')}, {seen:,} motor pulses"
    console.print(f"[bold {_STYLES[name]}]{name}[/]  {accuracy.title}  {told}  {accuracy.seconds:.0f} s")
    console.print(f"page {page}", markup=False, soft_wrap=True)


def _trumpets(results: Iterable[BasalResult]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    headings = ("Basal", "Window", "Programmed", "Pulses", "Fewest", "Most", "Error min %", "Error max %", "Outside")
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="right" if number else "left", no_wrap=True)
    for result in results:
        for window in (*result.windows, result.whole):
            first, last = window is result.windows[0], window is result.whole
            table.add_row(
                f"{result.rate_mu_per_h / 1000:g} U/h" if first else "", "A" if last else f"{window.minutes} min",
                f"{float(window.programmed_mu) / 1000:.5g} U", words_of(window.pulses_min, window.pulses_max),
                f"{window.least.pulses}", f"{window.greatest.pulses}", percent(window.error_percent_min),
                percent(window.error_percent_max), f"{window.outside:,} of {window.positions:,}",
                style="red" if window.outside else None, end_section=last,
            )  # fmt: skip
    return table


def _boluses(results: Iterable[BolusResult]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    headings = ("Bolus", "Times", "Pulses", "Fewest", "Most", "Mean %", "Least %", "Greatest %", "Refills")
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="right" if number else "left", no_wrap=True)
    for result in results:
        errors = result.errors_percent
        table.add_row(
            f"{result.amount_mu / 1000:g} U", f"{len(errors)}", f"{result.amount_mu // result.pulse_mu}",
            f"{min(result.pulses)}", f"{max(result.pulses)}", percent(result.mean_percent), percent(min(errors)),
            percent(max(errors)), f"{result.refills}", style="red" if any(errors) else None,
        )  # fmt: skip
    return table


# --- For programs ---------------------------------------------------------------------------------------------------


def as_dict(accuracy: Accuracy, page: str = "") -> dict[str, Any]:
    """The measurement as plain data; exact fractions as texts."""
    return {
        "verdict": accuracy.verdict.name, "exit_code": accuracy.exit_code, "seconds": round(accuracy.seconds, 1),
        "page": page, "profile": accuracy.profile_name, "pump": asdict(accuracy.pump),
        "measurements": [
            {
                "name": outcome.name, "verdict": outcome.verdict.name,
                "reasons": [reason.as_dict() for reason in outcome.reasons],
                "violations": [asdict(violation) for violation in outcome.violations],
                "checks": outcome.counts, "pulses": len(outcome.pulses), "result": _result(outcome.result),
            }
            for outcome in accuracy.outcomes
        ],
    }  # fmt: skip


def _result(result: Result | None) -> dict[str, Any] | None:
    if isinstance(result, BasalResult):
        return {
            "kind": "basal", "rate_mu_per_h": result.rate_mu_per_h, "pulse_mu": result.pulse_mu,
            "pulses": result.pulses, "overall_percent": float(result.overall_percent),
            "windows": [_window(window) for window in (*result.windows, result.whole)],
            "start_up_mu_per_h": [float(flow) for flow in result.start_up_mu_per_h],
        }  # fmt: skip
    if isinstance(result, BolusResult):
        errors = result.errors_percent
        return {
            "kind": "bolus", "amount_mu": result.amount_mu, "pulse_mu": result.pulse_mu, "pulses": list(result.pulses),
            "mean_percent": float(result.mean_percent), "percent_min": float(min(errors)),
            "percent_max": float(max(errors)), "refills": result.refills,
        }  # fmt: skip
    if isinstance(result, DriftResult):
        return {
            "kind": "drift", "pulse_mu": result.pulse_mu, "profile": [asdict(block) for block in result.profile],
            "pulses_off": result.pulses_off, "days": [asdict(day) for day in result.days],
        }  # fmt: skip
    return None


def _window(window: Window) -> dict[str, Any]:
    def told(at: Count) -> dict[str, int]:
        return {"pulses": at.pulses, "from_s": at.from_s}

    return {
        "minutes": window.minutes, "programmed_mu": str(window.programmed_mu), "pulses_min": window.pulses_min,
        "pulses_max": window.pulses_max, "least": told(window.least), "greatest": told(window.greatest),
        "error_percent_min": float(window.error_percent_min), "error_percent_max": float(window.error_percent_max),
        "positions": window.positions, "outside": window.outside,
    }  # fmt: skip


def as_junit(accuracy: Accuracy, name: str) -> str:
    """One test case for each check of each measurement; one that had no occasion is left out.

    Args:
        accuracy: what was measured.
        name: of the suite.
    """
    suite = ElementTree.Element("testsuite", {"name": name, "time": f"{accuracy.seconds:.3f}"})
    for outcome in accuracy.outcomes:
        for check, counted in outcome.counts.items():
            if counted["passed"] or counted["missed"]:
                _case(suite, outcome, check, counted)
    counts = {"tests": "testcase", "failures": "testcase/failure", "errors": "testcase/error"}
    suite.attrib.update({key: str(len(suite.findall(path))) for key, path in counts.items()})
    ElementTree.indent(suite)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(suite, encoding="unicode") + "\n"


def _case(suite: ElementTree.Element, outcome: Outcome, check: str, counted: dict[str, Any]) -> None:
    label = f"{outcome.name}: {check}: {counted['title']} ({', '.join(counted['rules'])})"
    case = ElementTree.SubElement(suite, "testcase", {"classname": "pumprig.accuracy", "name": label})
    found = [violation for violation in outcome.violations if violation.check == check]
    if found:
        message = f"{found[0].message} ({counted['missed']} of {counted['missed'] + counted['passed']} missed)"
        lines = [
            f"{one.rule} at {one.at_s} s: {one.message} (expected {one.expected}, observed {one.observed})"
            for one in found
        ]
        failure = ElementTree.SubElement(case, "failure", {"message": _clean(message), "type": "failure"})
        failure.text = _clean("\n".join(lines))


def _clean(text: str) -> str:
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)
