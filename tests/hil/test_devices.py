"""Pumps and sensors as data.

Goal: every number of a device has its source or says that it has none; a mistake in a file is named with its line; a
scenario that a device cannot do is refused before the start, with what is allowed; the document is that of the data.
Method: the files that come with pumprig, texts that are wrong in one place, and the command line.
"""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from hil.rig_bench import MANUAL, PLGS, command, flat, profile, pump
from pumprig.cli import main
from pumprig.devices.cgm import CgmProfile, cgm_names, load_cgm
from pumprig.devices.choice import Devices
from pumprig.devices.facts import device_of_text
from pumprig.devices.pump import PUMPS, PumpProfile, load_pump, pump_names, step_of
from pumprig.devices.show import as_dict, document
from pumprig.errors import ScenarioError, UsageError
from pumprig.runs import make_plan

DASH = (PUMPS / "omnipod_dash.toml").read_text(encoding="utf-8")
DEVICES_MD = Path(__file__).resolve().parents[2] / "hil" / "DEVICES.md"


def cli(*arguments):
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    return ended.value.code


def refusal(text, kind=PumpProfile, file="omnipod_dash.toml"):
    with pytest.raises(UsageError) as refused:
        device_of_text(kind, text, file)
    return refused.value.message


# --- the data ---


def test_there_is_a_pump_of_each_kind_and_a_sensor_that_only_watches():
    pumps, sensors = [load_pump(name) for name in pump_names()], [load_cgm(name) for name in cgm_names()]
    assert len(pumps) >= 16 and len(sensors) >= 7
    assert {each.name for each in pumps if not each.basal_adjustable.value} >= {"cequr_simplicity", "v_go_20"}
    assert [each.name for each in sensors if not each.dosing.value] == ["libre_rio"]


@pytest.mark.parametrize("name", pump_names())
def test_a_pump_takes_its_own_limits(name):
    profile = load_pump(name)
    for amount in (profile.bolus_least_mu.value, profile.bolus_most_mu.value, profile.max_bolus_mu):
        assert not profile.bolus_problem(Decimal(amount) / 1000)
    if profile.basal_adjustable.value:
        assert not profile.basal_problem(Decimal(profile.basal_limit_mu_per_h) / 1000)
        assert not profile.basal_problem(Decimal(0))
        assert profile.basal_cut(profile.basal_least_mu_per_h.value - 1) == 0
    settings, data = profile.oracle_settings(), profile.pump_data()
    assert (settings.pulse_mu, settings.reservoir_capacity_mu) == (data["PULSE_MU"], data["RESERVOIR_CAPACITY_MU"])


def test_a_step_belongs_to_the_values_below_its_limit():
    steps = load_pump("ypsopump").basal_steps
    assert [step_of(steps, rate) for rate in (990, 1000, 1980, 2000, 15_000)] == [10, 20, 20, 100, 500]


@pytest.mark.parametrize("name", ["Omnipod-DASH", "omnipod dash", "omnipoddash"])
def test_a_name_may_be_written_as_people_do(name):
    assert load_pump(name).name == "omnipod_dash"


def test_the_document_is_that_of_the_data():
    assert DEVICES_MD.read_text(encoding="utf-8") == document(), "python -m pumprig.devices.show > hil/DEVICES.md"


# --- files that are wrong ---


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("pulse_mu =", "puls_mu =", ":5: puls_mu: unknown field; do you mean pulse_mu?"),
        ('is = 50, source = "omnible" }\ndeliv', 'is = 50 }\ndeliv', ":5: pulse_mu: needs either source"),
        ('is = 50, source = "omnible" }\ndeliv', 'is = 50, sorce = "omnible" }\ndeliv', "do you mean source?"),
        ("is = 50_000, unverified = true", "is = 50_000, unverified = false", "reservoir_low_mu.unverified"),
        ('is = 50_000, unverified = true', 'is = 50_000, unverified = true, source = "aaps"', "needs either source"),
        ('omnible = "LoopKit', 'omniblee = "LoopKit', "omnible does not stand in [sources]"),
        ('name = "omnipod_dash"', 'name = "omnipod"', ":2: name: must be that of the file, omnipod_dash"),
        ("[[30001, 50]]", "[[30001, 70]]", "is not on a step of 70"),
        ("[[30001, 50]]", "[[30000, 50]]", "must reach beyond 30000"),
        ("is = 50, ", 'is = "50", ', "pulse_mu.is: "),
        ('name = "omnipod_dash"', "name = omnipod", "this is no TOML"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_file_is_named_with_its_line(old, new, told):
    assert DASH.count(old) >= 1
    message = refusal(DASH.replace(old, new))
    assert "omnipod_dash.toml:" in message and told in message


def test_a_basal_that_cannot_be_adjusted_has_no_steps_and_no_tbr():
    fixed = DASH.replace("basal_adjustable = { is = true", "basal_adjustable = { is = false")
    assert "must not be there" in refusal(fixed)


def test_a_sensor_whose_range_does_not_rise_is_refused():
    text = (PUMPS.with_name("sensors") / "libre3.toml").read_text(encoding="utf-8")
    wrong = text.replace("below_mg_dl = { is = 39", "below_mg_dl = { is = 40")
    assert "must rise" in refusal(wrong, CgmProfile, "libre3.toml")


# --- the command line ---


def test_devices_are_listed_and_shown(capsys):
    assert cli("devices") == 0 and "omnipod_dash" in capsys.readouterr().out
    assert cli("devices", "libre-rio") == 0 and "K233861" in capsys.readouterr().out
    assert cli("devices", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert [each["name"] for each in told["pumps"]] == list(pump_names())
    assert cli("devices", "v_go_20", "--json") == 0
    assert json.loads(capsys.readouterr().out) == as_dict(load_pump("v_go_20"))


@pytest.mark.parametrize(
    "arguments",
    [("devices", "omnipod_dahs"), ("run", "--pump", "omnipod_dahs"), ("run", "--cgm", "libre_4", "--pump", "dana_i")],
)
def test_an_unknown_name_is_refused_with_the_near_ones(capsys, arguments):
    assert cli(*arguments) == 2
    told = capsys.readouterr().err
    assert ("Do you mean omnipod_dash" if "omnipod_dahs" in arguments else "Do you mean libre") in told


def test_a_sensor_for_monitoring_only_is_refused_beside_a_controller_that_doses(capsys, tmp_path):
    assert cli("run", "--cgm", "libre_rio", "--no-live", "--out", str(tmp_path)) == 2
    told = capsys.readouterr().err
    assert "D-1301" in told and "--controller manual" in told and not list(tmp_path.iterdir())


def test_a_controller_that_cannot_act_on_a_pump_is_refused(capsys, tmp_path):
    assert cli("run", "--pump", "v_go_20", "--no-live", "--out", str(tmp_path)) == 2
    told = capsys.readouterr().err
    assert "D-205" in told and "--controller manual" in told and not list(tmp_path.iterdir())


# --- what a scenario asks of a device ---


def refused(bench, *parts):
    bench.trace(flat(60))
    with pytest.raises(ScenarioError) as wrong:
        make_plan(bench.scenario(*parts))
    return wrong.value.problems


@pytest.mark.parametrize(
    ("device", "part", "told"),
    [
        ("ypsopump", pump((1440, Decimal("1.05"))), "basal_profile.1.rate_iu_per_h: 1.05 IU/h is no rate of"),
        ("minimed_x23", pump(max_bolus_iu=26), "pump.max_bolus_iu: 26 IU is no maximum"),
        ("minimed_x22", command(60, "set_bolus", amount_iu=Decimal("0.05")), "amount_iu: 0.05 IU is no amount"),
        ("omnipod_dash", command(60, "set_bolus", amount_iu=Decimal("0.03")), "allowed: 0.05 to 30 in steps of 0.05"),
        ("dana_i", command(60, "set_tbr", rate_iu_per_h=1, duration_minutes=60), "has no absolute TBR"),
        ("omnipod_dash", command(60, "set_tbr", factor=1, duration_minutes=30), "has no relative TBR"),
        ("omnipod_dash", command(60, "set_tbr", rate_iu_per_h=Decimal("0.07"), duration_minutes=30), "no rate"),
        ("omnipod_dash", command(60, "set_tbr", rate_iu_per_h=1, duration_minutes=45), "allowed: 30 to 720"),
        ("dana_i", command(60, "set_tbr", factor=Decimal("1.05"), duration_minutes=60), "in steps of 0.1"),
        ("v_go_20", command(60, "set_tbr", rate_iu_per_h=0, duration_minutes=30), "V-Go 20 has no TBR"),
        ("v_go_20", pump((1440, 1)), "has no basal that can be adjusted"),
        ("cequr_simplicity", command(60, "set_bolus", amount_iu=3), "3 IU is no amount"),
        ("dana_i", command(60, "write_basal_profile", basal_profile=profile((1440, Decimal("0.035")))), "no rate"),
    ],
)  # fmt: skip
def test_what_is_not_on_a_step_is_refused_before_the_start(bench, device, part, told):
    problems = refused(bench, f'pump_profile = "{device}"', MANUAL, part)
    assert len(problems) == 1 and told in problems[0] and "scenario.toml:" in problems[0]


def test_what_a_scenario_leaves_open_is_cut_down_to_a_step(bench):
    bench.trace(flat(60))
    plan = make_plan(bench.scenario('pump_profile = "ypsopump"', "[pump]\nmax_bolus_iu = 5"))
    settings = plan.scenario.pump
    assert [str(block.rate_iu_per_h) for block in settings.basal_profile] == ["0.75", "1.04", "0.9", "0.8", "0.95"]
    assert (settings.max_bolus_iu, settings.reservoir_iu) == (5, 160)
    fixed = make_plan(bench.scenario('pump_profile = "v_go_30"', MANUAL)).scenario.pump
    assert [(block.duration_minutes, block.rate_iu_per_h) for block in fixed.basal_profile] == [(1440, Decimal("1.25"))]


@pytest.mark.parametrize(
    "part",
    [
        command(60, "set_therapy_state", state="run"), command(60, "set_bolus", amount_iu=1),
        command(60, "start_priming", amount_iu=1), command(60, "set_controller", controller="plgs"),
    ],
)  # fmt: skip
def test_nothing_that_doses_goes_beside_a_sensor_for_monitoring_only(bench, part):
    problems = refused(bench, 'cgm_profile = "libre_rio"', 'controller = "manual"', part)
    assert len(problems) == 1 and "D-1301" in problems[0]


def test_a_scenario_without_devices_is_as_it_was(bench):
    bench.trace(flat(60))
    scenario = bench.scenario(PLGS)
    plan = make_plan(scenario)
    assert plan.devices == Devices() and plan.devices.pump_data == {} and plan.scenario == scenario
