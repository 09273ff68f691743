"""The timeline's data as compact JSON: times in whole pump seconds, columns instead of objects."""

from __future__ import annotations

import json
from datetime import UTC
from typing import Any

from pumprig.report import summary
from pumprig.report.reading import Event, Record, number
from pumprig.report.reasons import carbs_title, why
from pumprig.report.summary import time_of
from pumprig.report.words import action_words, compact, plain, reason_words, response_words

LANES = ("violation", "fault", "annunciation", "command", "therapy", "carbs", "meal")
THERAPY_EVENT = "HistoryTherapyControlStateChanged"


def _seconds(value: float) -> int | float:
    """Whole seconds where nothing is lost by it."""
    return int(value) if value == int(value) else round(value, 3)


def _glucose(record: Record) -> dict[str, list[Any]]:
    """Samples with what was decided on each; a gap is an empty value between two samples."""
    decided = {event.get("offset_minutes"): event for event in record.of("decision")}
    words: dict[tuple[Any, Any], int] = {}
    columns: dict[str, list[Any]] = {"s": [], "v": [], "decision": [], "predicted": [], "why": []}
    breaks = {span.from_s for span in summary.gaps(record)}
    for sample in record.of("sample"):
        decision = decided.get(sample.get("offset_minutes"), {})
        said = (decision.get("action"), decision.get("reason"))
        index = words.setdefault(said, len(words)) if decision else -1
        at_s = time_of(sample)
        row = (_seconds(at_s), sample.get("glucose_mg_dl"), index, decision.get("predicted_mg_dl"), why(decision))
        for column, value in zip(columns.values(), row, strict=True):
            column.append(value)
        if at_s in breaks:
            for column, value in zip(columns.values(), (_seconds(at_s) + 1, None, -1, None, ""), strict=True):
                column.append(value)
    columns["words"] = [f"{action_words(action)}: {reason_words(reason)}" for action, reason in words]
    return columns


def _rate(record: Record) -> dict[str, list[Any]]:
    """Basal rate as steps. A suspension that interrupts a TBR makes two changes in one second: the last one counts."""
    columns: dict[str, list[Any]] = {"s": [], "v": [], "tbr": []}
    events = record.of("rate")
    for event, following in zip(events, [*events[1:], {}], strict=False):
        if following and time_of(following) == time_of(event):
            continue
        row = (_seconds(time_of(event)), number(event.get("rate_iu_per_h")) or 0.0, int(bool(event.get("tbr"))))
        for column, value in zip(columns.values(), row, strict=True):
            column.append(value)
    return columns


def _profile(record: Record) -> dict[str, list[Any]]:
    """The profile's rate as steps, also while a TBR hides it; between two reports of it a change of rate tells when."""
    columns: dict[str, list[Any]] = {"s": [], "v": []}
    changes = [(time_of(event), number(event.get("rate_iu_per_h"))) for event in record.of("rate")]
    told_s = record.start_s
    for event in record.of("progress"):
        at_s, rate = time_of(event), number(event.get("profile_rate_iu_per_h"))
        if rate is not None and (not columns["v"] or columns["v"][-1] != rate):
            exact = [change_s for change_s, value in changes if told_s < change_s <= at_s and value == rate]
            columns["s"].append(_seconds(exact[-1] if exact and columns["v"] else at_s if columns["v"] else told_s))
            columns["v"].append(rate)
        told_s = at_s
    return columns


def _boluses(record: Record) -> list[dict[str, Any]]:
    """Boluses by their number, with start, end and what was delivered."""
    found: dict[Any, dict[str, Any]] = {}
    for event in record.of("bolus"):
        entry = found.setdefault(event.get("id"), {"id": event.get("id"), "s": _seconds(time_of(event)), "end": None})
        if event.get("programmed_iu") is not None:
            entry["programmed"] = number(event["programmed_iu"])
        if event.get("automatic"):
            entry["automatic"] = 1
        if event.get("phase") == "end":
            entry["end"] = _seconds(time_of(event))
            entry["delivered"] = number(event.get("delivered_iu"))
    return list(found.values())


def _iob(record: Record) -> dict[str, list[Any]]:
    """IOB from the decisions, or from the progress where no decision tells it."""
    events = [event for event in record.of("decision") if event.get("iob_iu") is not None] or record.of("progress")
    known = [event for event in events if event.get("iob_iu") is not None]
    return {
        "s": [_seconds(time_of(event)) for event in known],
        "v": [number(event["iob_iu"]) or 0.0 for event in known],
    }


def mark_title(event: Event) -> str:
    """What a mark on the timeline is called."""
    kind = event.get("kind")
    if kind == "violation":
        return f"{event.get('rule', '')} {event.get('check', '')}".strip()
    if kind == "annunciation":
        return f"{plain(event.get('type'))} ({plain(event.get('status'))})"
    if kind == "meal":
        return f"{number(event.get('carbohydrate_g')) or 0:g} g of carbohydrate"
    if kind == "carbs":
        return carbs_title(event)
    if kind == "therapy":
        return f"therapy {plain(event.get('new_therapy_control_state'))}"
    return plain(event.get("name", kind))


def mark_text(event: Event) -> str:
    """What a mark says beyond its title."""
    kind = event.get("kind")
    if kind == "violation":
        numbers = f"Expected {compact(event.get('expected'))}, observed {compact(event.get('observed'))}."
        return f"{event.get('message', '')} {numbers}"
    if kind == "command":
        return f"{compact(event.get('fields') or {})} → {response_words(event.get('response'))}"
    if kind == "meal":
        return "Eaten; what the pump is told of it stands under carbs."
    if kind == "carbs":
        return f"eaten {max(0, time_of(event) - (number(event.get('eaten_s')) or 0)) / 60:g} min before"
    if kind == "annunciation":
        return f"id {event.get('id')}"
    if kind == "therapy":
        return f"before: {plain(event.get('old_therapy_control_state'))}"
    left_out = {"kind", "t", "host", "at_s", "name", "fields"}
    fields = event["fields"] if isinstance(event.get("fields"), dict) else {}
    return compact({**{key: value for key, value in event.items() if key not in left_out}, **fields})


def _therapy(record: Record) -> list[Event]:
    """Changes of the therapy control state, as the pump's history tells them."""
    return [
        {"kind": "therapy", "at_s": time_of(event), **event["fields"]}
        for event in record.of("history")
        if event.get("event") == THERAPY_EVENT and isinstance(event.get("fields"), dict)
    ]


def _marks(record: Record) -> dict[str, dict[str, list[Any]]]:
    lanes: dict[str, dict[str, list[Any]]] = {}
    for kind in LANES:
        events = _therapy(record) if kind == "therapy" else record.of(kind)
        if events:
            lanes[kind] = {
                "s": [_seconds(time_of(event)) for event in events],
                "title": [mark_title(event) for event in events],
                "text": [mark_text(event) for event in events],
            }
    if "violation" in lanes:
        checks = [str(event.get("check")) for event in record.of("violation")]
        firsts = {check: place for place, check in reversed(list(enumerate(checks)))}
        lanes["violation"]["first"] = [int(firsts[check] == place) for place, check in enumerate(checks)]
    return lanes


def _plasma(record: Record) -> dict[str, list[Any]]:
    points = summary.plasma(record)
    return {"s": [_seconds(at_s) for at_s, _ in points], "v": [round(value, 1) for _, value in points]}


def chart_data(record: Record) -> dict[str, Any]:
    """Everything that the timeline draws."""
    pulses: dict[str, list[Any]] = {"basal": [], "bolus": []}
    for event in record.of("pulse"):
        pulses.setdefault(summary.pulse_kind(event), []).append(_seconds(time_of(event)))
    return {
        "wall_ms": int(record.wall_start.replace(tzinfo=UTC).timestamp() * 1000),
        "start_s": _seconds(record.start_s),
        "first_s": _seconds(record.first_s),
        "end_s": _seconds(record.end_s),
        "pulse_mu": record.pulse_mu,
        "glucose": _glucose(record),
        "plasma": _plasma(record),
        "gaps": [[_seconds(span.from_s), _seconds(span.to_s)] for span in summary.gaps(record)],
        "suspensions": [[_seconds(span.from_s), _seconds(span.to_s)] for span in summary.suspensions(record)],
        "rate": _rate(record),
        "profile": _profile(record),
        "boluses": _boluses(record),
        "iob": _iob(record),
        "pulses": pulses,
        "marks": _marks(record),
    }


def chart_json(record: Record) -> str:
    """The timeline's data, safe inside a script element: no `<` survives, so nothing can close it."""
    text = json.dumps(chart_data(record), separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
