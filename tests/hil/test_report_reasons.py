"""Why a dose was given, as reports and the live view tell it.

Goal: each decision of a loop can be traced to its numbers; what has none shows nothing.
Method: records written by hand, read by the page, the chart and the live line.
"""

import json
import re
from pathlib import Path

import pytest

from pumprig.live_view import LiveState, decision_line
from pumprig.report.chart import chart_data
from pumprig.report.page import body
from pumprig.report.reading import read_record
from pumprig.report.reasons import why
from pumprig.rule_titles import GUARDRAIL_TITLES, RULE_TITLES

DOSING = (Path(__file__).resolve().parents[2] / "DOSING.md").read_text(encoding="utf-8")
DETAIL = {
    "decision_sequence": 3, "rule": 1050, "title": "High temp", "target_mg_dl": 105, "threshold_mg_dl": 70,
    "eventual_mg_dl": 162, "guard_mg_dl": 125, "insulin_required_mu": 888, "net_iob_mu": -20, "cob_tenths": 125,
    "decided_mu_per_h": 3200, "decided_minutes": 30, "small_bolus_mu": 500, "guardrail": 1,
}  # fmt: skip


def decision(**changed):
    """A decision's event."""
    return {
        "kind": "decision", "t": 361, "at_s": 361, "offset_minutes": 5, "glucose_mg_dl": 160, "action": "set TBR",
        "reason": "controller rule", "iob_iu": 0.2, "detail": DETAIL,
    } | changed  # fmt: skip


def record(tmp_path, *events):
    """A record of these events."""
    (tmp_path / "run.json").write_text(json.dumps({"controller": "oref"}), encoding="utf-8")
    lines = [
        {"kind": "run", "t": 0, "start_s": 60, "end_s": 3660, "wall_start": "2026-01-05T00:00:00"},
        {"kind": "sample", "t": 361, "at_s": 361, "offset_minutes": 5, "glucose_mg_dl": 160},
        *events,
    ]
    (tmp_path / "events.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return read_record(tmp_path)


def test_a_row_has_the_numbers_of_its_decision(tmp_path):
    page = str(body(record(tmp_path, decision())))
    row = next(part for part in page.split("<tr") if "D-1050 High temp" in part)
    for text in ("160", "-0.02", "12.5", "162", "125", "0.888", "3.20 U/h for 30 min", "0.50", "1 basal rate"):
        assert f">{text}<" in row, text


def test_the_tile_counts_what_a_loop_set(tmp_path):
    """A loop neither suspends nor resumes."""
    assert "1 TBR set or canceled" in str(body(record(tmp_path, decision())))


def test_the_chart_says_why(tmp_path):
    data = chart_data(record(tmp_path, decision()))
    assert data["glucose"]["why"] == [
        "D-1050 High temp; IOB -0.02; COB 12.5; eventual 162; min guard 125; required 0.888; "
        "TBR 3.20 U/h for 30 min; small bolus 0.50; guardrail 1 basal rate"
    ]


def test_automatic_boluses_and_carbs_are_told_apart(tmp_path):
    bolus = {"kind": "bolus", "t": 361, "at_s": 361, "phase": "start", "id": 7, "programmed_iu": 0.5}
    carbs = {"kind": "carbs", "t": 361, "at_s": 361, "carbs_g": 45, "eaten_s": -539}
    found = record(tmp_path, {**bolus, "automatic": True}, {**bolus, "id": 8}, carbs)
    data = chart_data(found)
    assert [entry.get("automatic") for entry in data["boluses"]] == [1, None]
    assert data["marks"]["carbs"] == {"s": [361], "title": ["45 g announced"], "text": ["eaten 15 min before"]}
    assert "Automatic bolus" in str(body(found))


def test_a_controller_of_ones_own_is_said_to_be_believed(tmp_path):
    own = {"decision_sequence": 1, "decided_mu_per_h": 900, "decided_minutes": 30}
    page = str(body(record(tmp_path, decision(detail=own))))
    assert "they were not judged" in page and "its own" in page


@pytest.mark.parametrize("detail", [None, {"decision_sequence": 1}])
def test_without_numbers_there_is_no_table(tmp_path, detail):
    assert why(decision(detail=detail)) == ""
    assert "Why each dose" not in str(body(record(tmp_path, decision(detail=detail))))


def test_the_live_line_names_the_rule():
    state = LiveState()
    state.apply({"kind": "run", "t": 0, "start_s": 1, "wall_start": "2026-01-05T00:00:00"})
    state.apply(decision(at_s=1))
    line = decision_line(state)
    assert line == "00:00 Set a TBR: D-1050 High temp, eventual 162, bolus 0.50 U"
    assert len(line) < 68


def test_titles_are_those_of_the_rules():
    for number, title in RULE_TITLES.items():
        assert f"**D-{number} {title}.**" in DOSING, number
    told = re.search(r"at first: (1 .*?)\.", DOSING.replace("\n", " "))[1]
    assert [int(part.split()[0]) for part in told.split("; ")] == list(GUARDRAIL_TITLES)
