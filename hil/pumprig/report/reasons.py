"""Why each dose of a loop was given: what a decision rests on, in words and as rows."""

from __future__ import annotations

from collections.abc import Callable

from pumprig.report.html import Html, section, table
from pumprig.report.reading import Event, Record
from pumprig.report.words import iu, plain
from pumprig.rule_titles import GUARDRAIL_TITLES

__all__ = ["carbs_title", "reasons", "why", "why_in_short"]

_ROWS_MAX = 500
_NONE = "–"
_HEADINGS = (
    "When", "Glucose", "IOB, U", "COB, g", "Eventual", "Min guard", "Required, U", "Rule", "TBR", "Small bolus, U",
    "Guardrail",
)  # fmt: skip


def _units(value_mu: int | None) -> str:
    return _NONE if value_mu is None else iu(value_mu / 1000)


def _whole(value: int | None, scale: int = 1) -> str:
    return _NONE if value is None else f"{value / scale:g}"


def _tbr(detail: Event) -> str:
    rate, minutes = detail.get("decided_mu_per_h"), detail.get("decided_minutes")
    if rate is None:
        return "as it was"
    return f"{iu(rate / 1000)} U/h for {minutes} min" if minutes else "canceled"


def _rule(detail: Event) -> str:
    rule = detail.get("rule")
    return f"D-{rule} {detail.get('title') or ''}".strip() if rule else "its own"


def _guardrail(detail: Event) -> str:
    number = detail.get("guardrail") or 0
    return f"{number} {GUARDRAIL_TITLES.get(number, '')}".strip() if number else ""


def why(decision: Event) -> str:
    """What a decision rests on in one line; empty where nobody asked for its numbers."""
    detail = decision.get("detail")
    if not isinstance(detail, dict) or ("decided_mu_per_h" not in detail and "rule" not in detail):
        return ""
    said = [
        ("IOB", _units(detail.get("net_iob_mu"))),
        ("COB", _whole(detail.get("cob_tenths"), 10)),
        ("eventual", _whole(detail.get("eventual_mg_dl"))),
        ("min guard", _whole(detail.get("guard_mg_dl"))),
        ("required", _units(detail.get("insulin_required_mu"))),
        ("TBR", _tbr(detail)),
        ("small bolus", _units(detail.get("small_bolus_mu") or None)),
        ("guardrail", _guardrail(detail) or _NONE),
    ]
    return "; ".join([_rule(detail), *(f"{name} {value}" for name, value in said if value != _NONE)])


def why_in_short(decision: Event) -> str:
    """Rule, eventual glucose and small bolus of a decision, in a few words; empty where nobody asked for them."""
    detail = decision.get("detail")
    if not why(decision) or not isinstance(detail, dict):
        return ""
    said = [_rule(detail)]
    if detail.get("eventual_mg_dl") is not None:
        said.append(f"eventual {detail['eventual_mg_dl']}")
    if _small(decision):
        said.append(f"bolus {_units(detail['small_bolus_mu'])} U")
    return ", ".join(said)


def carbs_title(event: Event) -> str:
    """What carbs that were announced are called."""
    return f"{event.get('carbs_g')} g announced"


def _row(event: Event, link: Html) -> tuple[object, ...]:
    detail: Event = event["detail"]
    return (
        link, event.get("glucose_mg_dl") or _NONE, _units(detail.get("net_iob_mu")),
        _whole(detail.get("cob_tenths"), 10), _whole(detail.get("eventual_mg_dl")), _whole(detail.get("guard_mg_dl")),
        _units(detail.get("insulin_required_mu")), _rule(detail), _tbr(detail),
        _units(detail.get("small_bolus_mu") or None), _guardrail(detail),
    )  # fmt: skip


def reasons(record: Record, link: Callable[[Record, Event], Html]) -> Html:
    """A row for each decision of a loop, with the numbers that led to it; nothing for other controllers.

    Args:
        record: the run.
        link: leads to the moment of an event in the timeline.
    """
    found = [event for event in record.of("decision") if why(event)]
    if not found:
        return Html("")
    acted = [event for event in found if plain(event.get("action")) not in ("none", "keep") or _small(event)]
    shown = (found if len(found) <= _ROWS_MAX else acted)[:_ROWS_MAX]
    note = f"All {len(found):,} decisions."
    if len(shown) < len(found):
        note = f"{len(shown):,} of {len(found):,} decisions, those that changed something first; events.jsonl has all."
    own = "" if any(event["detail"].get("rule") for event in found) else (
        " The decisions are those of a controller of one's own: they were not judged, what came of them was."
    )
    rows = [_row(event, link(record, event)) for event in shown]
    body = table(_HEADINGS, rows, (1, 2, 3, 4, 5, 6, 9))
    return section("Why each dose", body, id_="why", class_="card wide long", note=note + own)


def _small(event: Event) -> bool:
    return bool(event["detail"].get("small_bolus_mu"))
