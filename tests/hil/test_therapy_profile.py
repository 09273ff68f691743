"""A wearer's own profile beside a trace: `pumprig run export.csv --controller oref --profile profile.json`.

Goal: the exports of Nightscout and oref0 give basal, ISF, I:CHO and target with the right units, and a mistake is named
with its line before anything starts. Method: small files of both shapes, each mistake alone; one run from end to end.
"""

import json
from decimal import Decimal

import pytest

from hil.rig_bench import every_5_minutes, trace_csv
from pumprig.cli import main
from pumprig.errors import ScenarioError, UsageError
from pumprig.runs import make_plan
from pumprig.scenario import Scenario
from pumprig.scenario_values import PumpSettings
from pumprig.therapy_profile import load_profile

STORE = {
    "dia": 3, "units": "mmol", "timezone": "Europe/London",
    "basal": [{"time": "00:00", "value": "0.8", "timeAsSeconds": "0"}, {"time": "06:30", "value": 2.125}],
    "sens": [{"time": "00:00", "value": "2.5"}, {"time": "12:00", "value": 12}],
    "carbratio": [{"time": "00:00", "value": 10}],
    "target_low": [{"time": "00:00", "value": 5.5}],
    "target_high": [{"time": "00:00", "value": 5.5}, {"time": "22:00", "value": 7}],
}  # fmt: skip
OREF0 = {
    "basalprofile": [{"minutes": 0, "rate": 0.63, "start": "00:00:00"}],
    "isfProfile": {"units": "mg/dL", "sensitivities": [{"sensitivity": 100, "start": "00:00:00"}]},
    "carb_ratios": {"units": "grams", "schedule": [{"ratio": 20, "start": "00:00:00"}]},
    "bg_targets": {"units": "mg/dL", "targets": [{"low": 110, "high": 110, "start": "00:00:00"}]},
}


def nightscout(**changes):
    """What the site gives: the newest record and an older one, with some keys of the newest profile changed."""
    store = {key: value for key, value in (STORE | changes).items() if value is not None}
    old = {"startDate": "2020-01-01T00:00:00Z", "defaultProfile": "Old", "store": {"Old": {}}}
    return [old, {"startDate": "2025-01-01T00:00:00Z", "defaultProfile": "Mine", "store": {"Mine": store}}]


@pytest.fixture
def written(tmp_path):
    """Write a profile, one key or item a line; gives its path."""

    def write(content):
        path = tmp_path / "profile.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content, indent=1), encoding="utf-8")
        return path

    return write


def test_what_is_not_taken_is_told(written):
    """DIA and limits are the scenario's, and nobody should think otherwise."""
    assert load_profile(written(nightscout())).note.endswith(
        "profile.json: taken are basal, ISF, I:CHO and target, not dia 3; a scenario sets dia_minutes in [settings], "
        "and limits of a loop in [oref]"
    )
    assert "not dia 4, max_iob 3.5;" in load_profile(written(OREF0 | {"dia": 4, "max_iob": 3.5})).note
    assert load_profile(written(OREF0)).note == ""


def refused(path):
    """The message without the folder."""
    with pytest.raises(UsageError) as refusal:
        load_profile(path)
    return refusal.value.message.replace(str(path), "P")


def test_nightscout_in_mmol(written):
    """The newest record's default profile; 18.02 mg/dL are 1 mmol/L; rates that cannot be sent are rounded down."""
    read = PumpSettings.model_validate(load_profile(written(nightscout())).pump)
    assert [(block.duration_minutes, block.rate_iu_per_h) for block in read.basal_profile] == [
        (390, Decimal("0.8")), (1050, Decimal("2.12")),
    ]  # fmt: skip
    assert [block.isf_mg_dl_per_iu for block in read.isf_profile] == [Decimal("45.1"), Decimal(216)]
    assert [block.icho_ratio_g_per_iu for block in read.icho_profile] == [Decimal(10)]
    assert [(block.duration_minutes, block.low_mg_dl, block.high_mg_dl) for block in read.target_profile] == [
        (1320, Decimal("99.1"), Decimal("99.1")), (120, Decimal("99.1"), Decimal("126.1")),
    ]  # fmt: skip


@pytest.mark.parametrize("shape", [lambda record: record, lambda record: record["store"]["Mine"]])
def test_a_record_or_profile_alone_will_do(written, shape):
    assert load_profile(written(shape(nightscout()[1]))).pump == load_profile(written(nightscout())).pump


def test_oref0(written):
    read = PumpSettings.model_validate(load_profile(written(OREF0)).pump)
    assert read.basal_profile[0].rate_iu_per_h == Decimal("0.63")
    assert read.isf_profile[0].isf_mg_dl_per_iu == 100
    assert read.icho_profile[0].icho_ratio_g_per_iu == 20
    assert (read.target_profile[0].low_mg_dl, read.target_profile[0].high_mg_dl) == (110, 110)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"units": None}, 'units: is missing; allowed: "mg/dl", "mmol"'),
        ({"units": "g"}, 'units: is no unit of glucose; allowed: "mg/dl", "mmol"'),
        ({"units": "mg/dl"}, "isf_profile"),
        ({"sens": None}, "sens: is missing; a list of times and values is needed"),
        ({"sens": []}, "sens: is missing; a list of times and values is needed"),
        ({"basal": [{"time": "01:00", "value": 1}]}, "the first block must begin at 00:00"),
        ({"basal": [{"time": "24:00", "value": 1}]}, "must be a time of the day such as 06:30"),
        ({"basal": [{"time": "00:00", "value": "one"}]}, "value: must be a number from 0 to 999999"),
        ({"basal": [{"time": "00:00", "value": "1e999999999"}]}, "value: must be a number from 0 to 999999"),
        ({"basal": [{"time": "00:00", "value": float("nan")}]}, "value: must be a number from 0 to 999999"),
        ({"basal": [{"time": "00:00", "value": True}]}, "value: must be a number from 0 to 999999"),
        ({"basal": [{"time": "00:00", "value": 1}] * 2}, "the blocks must follow each other through the day"),
        ({"carbratio": [{"time": "00:00", "value": 0}]}, "icho_ratio_g_per_iu is 0.0; allowed: 1 to 300 (D-910)"),
        ({"target_high": [{"time": "00:00", "value": 5}]}, "low_mg_dl 99.1 lies above high_mg_dl 90.1 (D-910)"),
    ],
)
def test_a_mistake_is_named_with_its_line(written, changes, message):
    if changes == {"units": "mg/dl"}:
        # Numbers in mmol/L under another name: targets of 5.5 mg/dL are none.
        message = "low_mg_dl is 5.5; allowed: 40 to 400 (D-910)"
    told = refused(written(nightscout(**changes)))
    assert message in told
    assert told.startswith("P:") and told.split(":")[1].isdigit()
    assert "Nightscout profile (/api/v1/profile.json of the site)" in told


def test_the_line_is_that_of_the_value(written):
    path = written(nightscout(sens=[{"time": "00:00", "value": 2.5}, {"time": "xx", "value": 3}]))
    line = 1 + path.read_text(encoding="utf-8").splitlines().index('      "time": "xx",')
    assert refused(path).startswith(f"P:{line}: 2.store.Mine.sens.2.time: must be a time of the day")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "P:1: this is no JSON"),
        ("", "P:1: this is no JSON"),
        ("[]", "P: there is no profile in it"),
        ("3", "P: there is no profile in it"),
        ("9" * 5000, "P: there is no profile in it"),
        ("[" * 100_000, "P: this JSON is nested too deeply"),
        ('{"defaultProfile": "A", "store": {"B": {}}}', "P: defaultProfile names none of its profiles; allowed: 'B'"),
    ],
)
def test_what_is_no_profile(written, content, message):
    assert refused(written(content)).startswith(message)


def test_a_run_with_it(written, tmp_path, capsys):
    """The profile reaches the pump, and its names no record."""
    trace = tmp_path / "trace.csv"
    trace.write_text(trace_csv(every_5_minutes([100, 130, 170, 210, 240, 250])), encoding="utf-8")
    arguments = ["run", str(trace), "--controller", "oref", "--profile", str(written(nightscout())), "--no-live"]
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--out", str(tmp_path / "runs")])
    assert ended.value.code == 0, capsys.readouterr().err
    (folder,) = (tmp_path / "runs").iterdir()
    record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    assert "Mine" not in json.dumps(record)
    assert record["scenario"]["pump"]["isf_profile"][0] == {"duration_minutes": 720, "isf_mg_dl_per_iu": "45.1"}


def test_without_one_the_remedy_is_named():
    with pytest.raises(UsageError, match=r"^--controller: controller oref .* --profile FILE, a Nightscout"):
        make_plan(Scenario.from_trace("bundled", controller="oref"))


def test_what_the_pump_cannot_be_set_to_is_named_in_the_profile(written):
    """The rates of another pump: the line of the profile, not one of a scenario."""
    path = written(nightscout())
    scenario = Scenario.from_trace("bundled", pump_profile="omnipod_dash").with_profile(load_profile(path))
    with pytest.raises(ScenarioError) as refusal:
        make_plan(scenario)
    (problem,) = refusal.value.problems
    assert problem.startswith(f"{path}:") and "basal_profile.2.rate_iu_per_h" in problem


def test_it_counts_more_than_the_scenario(written):
    text = 'trace = "bundled"\n[pump]\nmax_bolus_iu = 5\nbasal_profile = [{duration_minutes=1440, rate_iu_per_h=1}]'
    pump = Scenario.from_toml(text).with_profile(load_profile(written(OREF0))).pump
    assert (pump.basal_profile[0].rate_iu_per_h, pump.max_bolus_iu) == (Decimal("0.63"), 5)
