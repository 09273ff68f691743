"""Runs with devices: real firmware that counts as a pump does, under what a sensor would send.

Goal: the pump is the one that was named, to the pulse, over a power cut too; a sensor that only watches starts no
therapy, and any pulse beside it fails the run. Method: short runs in lockstep, and a firmware that delivers where it
must not.
"""

import json
from decimal import Decimal
from itertools import pairwise

import pytest

from hil.rig_bench import MANUAL, PLGS, command, fault, firmware_copy, pump
from pumplink import VirtualBoard
from pumplink.boards import default_firmware, firmware_hash
from pumplink.pump_data import settings_names, with_pump_data
from pumplink.virtual.clocks import parse_clock
from pumprig.devices.pump import load_pump, pump_names
from pumprig.runs import RunOptions, execute, make_plan
from pumprig.scenario import Scenario
from pumprig.verdict import Verdict

PASS, FAIL = Verdict.PASS, Verdict.FAIL

# It delivers basal in Stop, too.
IN_STOP = "return self._deliver_prime(s, seconds) if self._priming.active else "
DELIVERS_IN_STOP = (f"{IN_STOP}NOTHING", f"{IN_STOP}(self._deliver_basal(s) if s % 300 == 0 else NOTHING)")


def device(pump_name="", cgm_name=""):
    named = (("pump_profile", pump_name), ("cgm_profile", cgm_name))
    return "\n".join(f'{field} = "{name}"' for field, name in named if name)


def at_the_limits(kind):
    """Commands of the least and the most that a pump can do, each with time to come to its end."""
    least, most = (Decimal(amount.value) / 1000 for amount in (kind.bolus_least_mu, kind.bolus_most_mu))
    yield command(60, "set_bolus", amount_iu=least)
    yield command(300, "set_max_bolus", amount_iu=most)
    yield command(360, "set_bolus", amount_iu=most)
    if kind.tbr_step_minutes is None:
        return
    shortest, longest = kind.tbr_step_minutes.value, kind.tbr_most_minutes.value
    if "absolute" in kind.tbr_kinds.value:
        rate = Decimal(kind.basal_least_mu_per_h.value) / 1000
        yield command(2400, "set_tbr", rate_iu_per_h=rate, duration_minutes=shortest)
        fastest = Decimal(kind.basal_limit_mu_per_h) / 1000
        yield command(2500, "set_tbr", rate_iu_per_h=fastest, duration_minutes=longest, change=True)
        yield command(2600, "cancel_tbr")
    if "relative" in kind.tbr_kinds.value:
        factors = (kind.tbr_factor_step_thousandths.value, kind.tbr_factor_most_thousandths.value)
        slow, fast = (Decimal(factor) / 1000 for factor in factors)
        yield command(2700, "set_tbr", factor=slow, duration_minutes=longest)
        yield command(2800, "set_tbr", factor=fast, duration_minutes=shortest, change=True)


@pytest.mark.parametrize("name", pump_names())
def test_a_pump_takes_its_least_and_its_most(bench, name):
    run = bench.run(device(name), MANUAL, *at_the_limits(load_pump(name)))
    assert run.verdict is PASS, run.explain()
    assert set(run.answers()) == {0x0F} and run.outcome.summary["boluses"] == 2


@pytest.mark.parametrize(
    ("name", "bolus_iu", "pulse_mu", "every_s"),
    [("minimed_x23", "0.1", 25, 1), ("ypsopump", "0.3", 100, 1), ("omnipod_dash", "0.15", 50, 2)],
)
def test_a_bolus_comes_in_the_pulses_of_the_pump_at_its_speed(bench, name, bolus_iu, pulse_mu, every_s):
    run = bench.run(device(name), MANUAL, pump((1440, 0)), command(600, "set_bolus", amount_iu=Decimal(bolus_iu)))
    assert run.verdict is PASS, run.explain()
    count = int(Decimal(bolus_iu) * 1000) // pulse_mu
    assert len(run.pulses) == count and run.pulses[-1] - run.pulses[0] <= every_s * (count - 1)
    assert run.events("run")[0]["pulse_mu"] == pulse_mu


def test_the_record_names_the_devices_with_their_numbers(bench):
    run = bench.run(device("tslim_x2", "dexcom_g7"), PLGS)
    assert run.verdict is PASS, run.explain()
    meta = json.loads((run.folder / "run.json").read_text(encoding="utf-8"))
    assert meta["devices"]["pump"]["pulse_mu"] == 10 and meta["devices"]["cgm"]["interval_minutes"] == 5
    assert meta["scenario"]["pump_profile"] == "tslim_x2" and any("Dexcom G7" in note for note in meta["trace_notes"])
    assert meta["firmware_hash"] == firmware_hash(default_firmware()).hex()


def test_a_pump_is_the_same_one_after_a_power_cut(bench):
    parts = (pump((1440, 6)), fault(1000, "power_cut", for_seconds=60), command(1200, "set_therapy_state", state="run"))
    run = bench.run(device("minimed_x23"), MANUAL, *parts)
    assert run.verdict is PASS, run.explain()
    # 6 U/h in pulses of 0.025 U: one in 15 s.
    later = [second for second in run.pulses if second > 1300]
    assert {after - before for before, after in pairwise(later)} == {15}


def test_a_connection_that_comes_back_brings_what_the_sensor_has_kept(bench):
    down = fault(700, "bearer_down", for_seconds=1100)
    counts = {}
    for name in ("dexcom_g6", "eversense"):
        run = bench.run(device(cgm_name=name), PLGS, down)
        assert run.verdict is PASS, run.explain()
        counts[name] = len(run.events("sample"))
    assert counts == {"dexcom_g6": 12, "eversense": 9}


@pytest.mark.parametrize("name", ["libre2", "libre3"])
def test_a_patient_is_measured_as_often_as_the_sensor_does(bench, name):
    lines = ["hours = 1", device(cgm_name=name), '[patient]\nname = "adult#001"']
    plan = make_plan(Scenario.from_toml("\n".join(lines)))
    outcome = execute(plan, RunOptions("virtual", parse_clock("lockstep"), bench.folder / "runs", report=False))
    assert outcome.verdict is PASS
    assert outcome.summary["samples_sent"] == {"libre2": 4, "libre3": 60}[name]


# --- D-1301 ---


def test_a_sensor_for_monitoring_only_starts_no_therapy(bench):
    run = bench.run(device("omnipod_dash", "libre_rio"), MANUAL, pump((1440, 10)))
    assert run.verdict is PASS, run.explain()
    assert run.pulses == [] and run.of("TherapyControlStateChanged") == [] and len(run.events("sample")) >= 56
    assert {event["reason"] for event in run.events("decision")} == {"manual"}


def test_a_pulse_beside_a_sensor_for_monitoring_only_fails(bench, tmp_path):
    wrong = firmware_copy(tmp_path, pump__delivery=DELIVERS_IN_STOP)
    run = bench.run(device("omnipod_dash", "libre_rio"), MANUAL, pump((1440, 10)), firmware=wrong)
    assert run.verdict is FAIL
    assert "D-1301" in {reason.rule for reason in run.outcome.reasons}


# --- pump data ---


def test_pump_data_keeps_lines_and_changes_values_alone():
    text = (default_firmware() / "settings.py").read_text(encoding="utf-8")
    changed = with_pump_data(text, {"PULSE_MU": 25, "TEMPLATE_TYPES": b"\x00\x33"})
    was, now = text.splitlines(), changed.splitlines()
    assert len(was) == len(now) and sum(a != b for a, b in zip(was, now, strict=True)) == 2
    assert "PULSE_MU = const(25)" in now and {"PULSE_MU", "BLOCKS_MAX"} <= settings_names(default_firmware())


def test_pump_data_that_the_firmware_does_not_have_is_refused():
    with pytest.raises(ValueError, match="PULS_MU"):
        VirtualBoard(pump_data={"PULS_MU": 25})
    with pytest.raises(ValueError, match="PULS_MU"):
        with_pump_data("PULSE_MU = 50\n", {"PULS_MU": 25})
