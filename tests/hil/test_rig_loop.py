"""A loop on the pump, judged: decisions, the numbers behind them, carbs, guardrails, and a controller of one's own.

Goal: the pump's loop does what the rules give; a pump that does not fails, and what a run counts is what it did.
Method: short runs in lockstep with the real firmware, and readings of their records.
"""

import json

import pytest

from hil.rig_bench import command, every_5_minutes, fault, firmware_copy
from pumprig.verdict import Verdict

OREF = 'controller = "oref"'
PUMP = """
[pump]
basal_profile = [{ duration_minutes = 1440, rate_iu_per_h = 1 }]
isf_profile = [{ duration_minutes = 1440, isf_mg_dl_per_iu = 45 }]
icho_profile = [{ duration_minutes = 1440, icho_ratio_g_per_iu = 9.5 }]
target_profile = [{ duration_minutes = 1440, low_mg_dl = 100, high_mg_dl = 110 }]
"""
SMB = "[oref]\nsmb = true\nsmb_always = true\n"
RISING = [110, 112, 118, 126, 137, 150, 164, 177, 190, 201, 210, 216]


def decided(run):
    """Decisions with their numbers."""
    return [(event["action"], event["detail"]) for event in run.events("decision")]


def test_a_loop_doses_and_tells_why(bench):
    """D-1101 to D-1110: each decision has its numbers, the oracle's are the same, and small boluses are counted."""
    run = bench.run(OREF, PUMP, SMB, readings=every_5_minutes(RISING))
    assert run.verdict is Verdict.PASS, run.outcome.reasons
    told = decided(run)
    assert len(told) == len(RISING) and all(detail["rule"] for _, detail in told if detail)
    summary = run.outcome.summary
    assert sum(summary["decisions_by_rule"].values()) == len(RISING)
    given = [event for event in run.events("bolus") if event.get("automatic")]
    assert summary["small_boluses"] == len(given) > 0
    assert summary["checks"]["reasons"]["passed"] >= len(RISING)


def test_carbs_are_counted_and_shown(bench):
    """D-1108: announced at 600 s, they are on board from the next decision on."""
    carbs = command(600, "announce_carbs", carbs_g=40, minutes_ago=10)
    run = bench.run(OREF, PUMP, SMB, carbs, readings=every_5_minutes(RISING))
    assert run.verdict is Verdict.PASS, run.outcome.reasons
    [event] = run.events("carbs")
    assert (event["carbs_g"], event["at_s"] - event["eaten_s"]) == (40, 600)
    on_board = [detail.get("cob_tenths") for _, detail in decided(run)]
    assert not on_board[1] and on_board[4]


@pytest.mark.parametrize(("rail", "number"), [("bolus_mu = 50", "2"), ("interval_minutes = 9", "6")])
def test_guardrails_are_counted(bench, rail, number):
    """D-1203, D-1206: an automatic bolus is cut down, or comes too soon."""
    run = bench.run(OREF, PUMP, SMB, f"[guardrails]\n{rail}", readings=every_5_minutes(RISING))
    assert run.verdict is Verdict.PASS, run.outcome.reasons
    assert set(run.outcome.summary["guardrails_held"]) == {number}


def test_without_a_profile_the_loop_does_nothing(bench):
    """D-1101: a template that is reset beneath it cannot be; another controller first, then oref without a target."""
    later = command(400, "set_controller", controller="oref")
    run = bench.run('controller = "manual"', "[pump]\nmax_bolus_iu = 5", later, readings=every_5_minutes([120] * 6))
    assert run.verdict is Verdict.PASS, run.outcome.reasons
    assert run.outcome.summary["decisions"]["not configured"] == 4


def test_after_a_power_cut_insulin_on_board_is_unknown(bench):
    """D-1109: no decision of the loop before T has passed."""
    run = bench.run(OREF, PUMP, fault(900, "power_cut", for_seconds=30), readings=every_5_minutes([150] * 8))
    assert run.verdict is Verdict.PASS, run.outcome.reasons
    assert run.outcome.summary["decisions"].get("therapy not running")


@pytest.mark.parametrize("without", [(), ("reasons",)])
def test_a_wrong_number_is_a_violation(bench, tmp_path, without):
    """D-1110: told as the numbers that differ, and not judged where the check is off."""
    wrong = firmware_copy(tmp_path, pump__control__loop=("_s16(decision.deviation)", "_s16(decision.deviation + 1)"))
    run = bench.run(OREF, PUMP, readings=every_5_minutes(RISING), firmware=wrong, without=frozenset(without))
    assert run.verdict is (Verdict.PASS if without else Verdict.FAIL)
    if not without:
        assert {reason.check for reason in run.outcome.reasons} == {"reasons"}
        assert "deviation_mg_dl" in run.outcome.reasons[0].message


def test_a_zero_temp_of_a_loop_is_no_suspension(bench):
    """D-306: run line and report have one word for one thing; the report names the devices."""
    devices = 'pump_profile = "omnipod_dash"\ncgm_profile = "dexcom_g6"'
    falling = every_5_minutes([130, 118, 106, 94, 82, 74, 68, 66, 64, 63, 62, 62])
    run = bench.run(OREF, devices, PUMP, readings=falling, report=True)
    assert run.verdict is Verdict.PASS, run.explain()
    rates = run.events("rate")
    assert any(event["tbr"] and not event["rate_iu_per_h"] for event in rates)
    assert not any(event["suspended"] for event in rates)
    assert run.outcome.summary["suspensions"] == 0
    page = (run.folder / "report.html").read_text(encoding="utf-8")
    assert "<dt>Suspended</dt><dd>never" in page
    assert "Omnipod DASH" in page and "Dexcom G6" in page
    assert page.index("Why each dose") < page.index('id="checks"')


def test_the_record_is_plain_data(bench):
    """A loop's run.json can be read by anybody."""
    run = bench.run(OREF, PUMP, readings=every_5_minutes(RISING[:3]))
    assert json.loads((run.folder / "run.json").read_text(encoding="utf-8"))["own_controller"] is None
