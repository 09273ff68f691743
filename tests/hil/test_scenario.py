"""Scenario files.

Goal: a scenario says exactly what a run does, and a file with mistakes is refused with every one of them and its line.
Method: TOML texts written here, each with its mistakes and the lines expected for them.
"""

from datetime import datetime
from decimal import Decimal

import pytest

from pumprig.errors import ScenarioError
from pumprig.scenario import Scenario, demo_scenario_path
from pumprig.scenario_parts import CgmDrop, ControllerSettings, SetBolus, SetTbr
from pumprig.toml_lines import TomlLines

WHOLE = """
name = "A night"
seed = 7
trace = "night.csv"
start = 2026-03-04T22:00:00
hours = 8.5
controller = "plgs"

[settings]
suspend_predicted_mg_dl = 85
stale_minutes = 20

[pump]
max_bolus_iu = 6
reservoir_iu = 120.05
basal_profile = [
  { duration_minutes = 720, rate_iu_per_h = 0.825 },
  { duration_minutes = 720, rate_iu_per_h = 1 },
]

[[command]]
at = "01:00:00"
kind = "set_tbr"
rate_iu_per_h = 0.3
duration_minutes = 30

[[command]]
at = 02:30:15
kind = "set_bolus"
amount_iu = 1.55

[[fault]]
at = "03:00:00"
kind = "cgm_drop"
for_minutes = 20

[expect]
verdict = "PASS"
bolus_iu = 1.55
suspensions_at_least = 1
violations = { decision = 0 }
"""


def problems(text: str) -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        Scenario.from_toml(text, file="night.toml")
    assert caught.value.exit_code == 2
    return [line.removeprefix("night.toml:") for line in caught.value.problems]


def minimal(*lines: str) -> str:
    return "\n".join(["trace = 'bundled'", *lines])


def test_a_whole_scenario_is_read(tmp_path):
    path = tmp_path / "night.toml"
    path.write_text(WHOLE)
    scenario = Scenario.load(path)
    assert scenario.trace_path == tmp_path / "night.csv"
    assert (scenario.seed, scenario.start, scenario.hours) == (7, datetime(2026, 3, 4, 22), 8.5)
    assert scenario.settings == ControllerSettings(suspend_predicted_mg_dl=85, stale_minutes=20)
    assert [block.rate_iu_per_h for block in scenario.pump.basal_profile] == [Decimal("0.825"), Decimal(1)]
    tbr, bolus = scenario.commands
    assert tbr == SetTbr(at="01:00:00", rate_iu_per_h=Decimal("0.3"), duration_minutes=30)
    assert bolus == SetBolus(at="02:30:15", amount_iu=Decimal("1.55"))
    assert bolus.at == 9015
    assert scenario.faults == [CgmDrop(at="03:00:00", for_minutes=20)]
    assert scenario.expect.bolus_iu == Decimal("1.55")


def test_a_scenario_survives_its_record(tmp_path):
    path = tmp_path / "night.toml"
    path.write_text(WHOLE)
    scenario = Scenario.load(path)
    again = Scenario.from_json(scenario.to_json())
    assert again.trace_path == scenario.trace_path
    assert again.model_dump(exclude={"trace"}) == scenario.model_dump(exclude={"trace"})
    assert again.to_json() == scenario.to_json()


def test_the_scenario_of_a_trace_has_defaults_only(tmp_path):
    scenario = Scenario.from_trace(tmp_path / "trace.csv", controller="manual", start="1.5", hours=2, seed=3)
    assert (scenario.commands, scenario.faults) == ([], [])
    assert (scenario.start, scenario.hours, scenario.controller, scenario.seed) == (1.5, 2.0, "manual", 3)
    assert len(scenario.pump.basal_profile) > 1
    assert sum(block.duration_minutes for block in scenario.pump.basal_profile) == 1440


def test_the_defaults_of_the_controller_are_those_of_the_dosing_specification():
    assert ControllerSettings().model_dump() == {
        "suspend_predicted_mg_dl": 80,
        "suspend_now_mg_dl": 70,
        "horizon_minutes": 30,
        "suspend_limit_minutes": 120,
        "limit_window_minutes": 150,
        "stale_minutes": 15,
        "lockout_minutes": 30,
        "dia_minutes": 300,
        "peak_minutes": 75,
        "near_mg_dl": 0,
        "resume_mg_dl": 0,
        "resume_predicted_mg_dl": 0,
        "minimum_minutes": 5,
        "rising_resumes": True,
        "rising_holds": True,
    }


def test_the_demonstration_is_a_scenario_of_the_bundled_day():
    scenario = Scenario.load(demo_scenario_path())
    assert scenario.trace == "bundled"
    assert len(scenario.load_trace().samples) == 280
    kinds = {command.kind for command in scenario.commands}
    assert {"set_bolus", "cancel_bolus", "set_tbr", "cancel_tbr"} <= kinds


def test_all_mistakes_are_named_at_once_with_their_lines():
    text = """seed = -1
trace = "bundled"
controler = "plgs"

[settings]
suspend_now_mg_dl = 20

[pump]
max_bolus_iu = 2.0789
basal_profile = [
  { duration_minutes = 1000, rate_iu_per_h = 0.8 },
  { duration_minutes = 0, rate_iu_per_h = "much" },
]

[[command]]
at = "01:00:00"
kind = "set_tbr"
rate_iu_per_h = 0.5

[[command]]
at = "1:0"
kind = "set_bolsu"

[[fault]]
at = 01:00:00.5
kind = "occlusion"
on = 3
"""
    found = problems(text)
    assert [line.split(": ")[0:2] for line in found] == [
        ["1", "seed"],
        ["3", "controler"],
        ["6", "settings.suspend_now_mg_dl"],
        ["9", "pump.max_bolus_iu"],
        ["12", "pump.basal_profile.2.duration_minutes"],
        ["12", "pump.basal_profile.2.rate_iu_per_h"],
        ["15", "command.1.duration_minutes"],
        ["20", "command.2"],
        ["21", "command.2.at"],
        ["25", "fault.1.at"],
        ["27", "fault.1.on"],
    ]
    assert found[1].endswith("unknown field; do you mean controller?")
    assert found[6].endswith("is missing")
    assert "unknown kind 'set_bolsu'; allowed: set_tbr, cancel_tbr, set_tbr_template, set_bolus" in found[7]


def test_a_field_that_is_near_one_of_its_own_kind_is_pointed_at():
    command = ["[[command]]", 'at = "01:00:00"', 'kind = "set_bolus"', "amount_iu = 1", "extended_amount_iu = 2"]
    assert problems(minimal(*command)) == ["6: command.1.extended_amount_iu: unknown field; do you mean extended_iu?"]


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (["hours = 0"], "2: hours: must be more than 0 and at most 8784"),
        (["start = 'noon'"], "2: start: must be hours since the first reading, or a time such as 2026-03-04T06:00:00"),
        (["controller = 'auto'"], "2: controller: must be 'manual', 'plgs' or 'oref', or a file"),
        (["seed = true"], "2: seed: must be a whole number from 0 to 9223372036854775807"),
        (["[settings]", "peak_minutes = 120", "dia_minutes = 240"], "2: settings: peak_minutes may not exceed two"),
        (["[settings]", "suspend_limit_minutes = 200"], "2: settings: suspend_limit_minutes may not exceed"),
        (
            ["[pump]", "basal_profile = [{ duration_minutes = 1439, rate_iu_per_h = 1 }]"],
            "3: pump.basal_profile: the blocks last 1439 minutes together, a day has 1440",
        ),
        (["[pump]", "basal_profile = []"], "3: pump.basal_profile: must hold at least 1, not 0"),
        (["[pump]", "reservoir_iu = 0.0005"], "3: pump.reservoir_iu: 0.0005 is no whole number of milliunits"),
        (
            ["[[command]]", "at = '00:10:00'", "kind = 'set_bolus'", "amount_iu = 0.0005"],
            "5: command.1.amount_iu: 0.0005 is no whole number of milliunits",
        ),
        (["[pump]", "reservoir_iu = nan"], "3: pump.reservoir_iu: must be a number"),
        (["[pump]", "reservoir_iu = -1"], "3: pump.reservoir_iu: must be a number from 0 to 999999"),
        (["[expect]", "verdict = 'pass'"], "3: expect.verdict: must be 'PASS', 'FAIL', 'ERROR'"),
        (["[[command]]", "at = '00:00:01'"], "2: command.1: kind is missing"),
        (
            ["[[command]]", "at = '00:00:01'", "kind = 'set_bolus'", "amount_iu = 20.55"],
            "5: command.1.amount_iu: 20.55 cannot be sent, it has too many digits; the nearest that can: 20.5 and 20.6",
        ),
        (["[settings]", "horizon_minutes = 61"], "3: settings.horizon_minutes: must be from 10 to 60"),
        (["[settings]", "lockout_minutes = '5'"], "3: settings.lockout_minutes: must be a whole number from 0 to 240"),
        (["hours = '8'"], "2: hours: must be a number more than 0 and at most 8784, without quotes"),
        (["start = true"], "2: start: must be hours since the first reading, or a time such as 2026-03-04T06:00:00"),
        (["name = 5"], "2: name: must be text in quotes"),
        (["pump = 5"], "2: pump: must be a table of fields"),
        (["command = 5"], "2: command: must be a list"),
        (["[expect]", "suspensions_at_least = -1"], "3: expect.suspensions_at_least: must be at least 0"),
        (["[expect]", "violations = { pulse = -1 }"], "3: expect.violations.pulse: must be at least 0"),
        (
            ["[[command]]", "at = '00:00:01'", "kind = 'set_tbr'", "rate_iu_per_h = 1", "duration_minutes = '60'"],
            "6: command.1.duration_minutes: must be a whole number from 1 to 1440, without quotes",
        ),
        (
            ["[[command]]", "at = '00:00:01'", "kind = 'set_clock'", "to = '2026-03-04T06:00:00'"],
            "5: command.1.to: must be a local time such as 2026-03-04T06:00:00, without quotes",
        ),
        (
            ["[[fault]]", "at = '00:00:01'", "kind = 'occlusion'", "on = 'true'"],
            "5: fault.1.on: must be true or false, without quotes",
        ),
        (
            ["[[command]]", "at = '00:60:00'", "kind = 'cancel_tbr'"],
            "3: command.1.at: must be hours, minutes and whole seconds since the run began, such as 01:30:00",
        ),
        (
            ["[[command]]", "at = '00:00:01'", "kind = 'set_clock'", "to = 2026-03-04T06:00:00Z"],
            "5: command.1.to: must be a local time without a zone",
        ),
    ],
)
def test_a_mistake_has_its_line_and_says_what_is_allowed(lines, problem):
    assert problems(minimal(*lines))[0].startswith(problem)


@pytest.mark.parametrize("amount", ["0", "0.05", "20.45", "204.5", "2045", "0.001", "300", "100000"])
def test_amounts_that_an_sfloat_holds_exactly_are_accepted(amount):
    lines = ["[[command]]", "at = '00:00:01'", "kind = 'set_bolus'", f"amount_iu = {amount}"]
    assert Scenario.from_toml(minimal(*lines)).commands[0].amount_iu == Decimal(amount)


# The wire holds numbers up to 2045 exactly, and greater ones in coarser steps.
@pytest.mark.parametrize(
    ("amount", "near"),
    [("20.475", "20.45 and 20.5"), ("2.0789", "2.07 and 2.08"), ("0.12345", "0.123 and 0.124"),
     ("2046", "2045 and 2050"), ("999999", "999000"), ("0.000000001", "0 and 0.001")],
)  # fmt: skip
def test_an_amount_that_cannot_be_sent_is_refused_with_the_nearest_that_can(amount, near):
    lines = ["[[command]]", "at = '00:00:01'", "kind = 'set_bolus'", f"amount_iu = {amount}"]
    assert problems(minimal(*lines))[0].endswith(f"too many digits; the nearest that can: {near}")


@pytest.mark.parametrize(
    ("option", "problem"),
    [({"hours": -1.0}, "--hours: must be more than 0 and at most 8784"), ({"seed": -1}, "--seed: must be from 0 to 92"),
     ({"start": "noon"}, "--start: must be hours since the first reading"),
     ({"date_order": "ymd"}, "--date-order: must be 'mdy' or 'dmy'")],
)  # fmt: skip
def test_an_option_of_the_command_line_is_refused_by_its_name(option, problem):
    scenario = Scenario.from_toml(minimal())
    for make in (lambda: Scenario.from_trace("x.csv", **option), lambda: scenario.changed(**option)):
        with pytest.raises(ScenarioError) as caught:
            make()
        assert caught.value.message.startswith(problem)


def test_a_trace_that_is_not_there_is_refused_with_the_line_that_names_it(tmp_path):
    path = tmp_path / "night.toml"
    path.write_text("seed = 1\ntrace = 'nihgt.csv'\n")
    with pytest.raises(ScenarioError) as caught:
        Scenario.load(path).load_trace()
    assert caught.value.message.startswith(f"{path}:2: trace: there is no file {tmp_path / 'nihgt.csv'}")


@pytest.mark.parametrize(
    ("text", "line"), [("trace = \n", 1), ("a = 1\na = 2\n", 2), ("trace = 'x'\n[", 2), ("x = '''", 1)]
)
def test_a_file_that_is_no_toml_is_refused_with_its_line(text, line):
    assert problems(text)[0].startswith(f"{line}: this is no TOML: ")


def test_a_missing_scenario_is_refused(tmp_path):
    with pytest.raises(ScenarioError, match="cannot be read"):
        Scenario.load(tmp_path / "nothing.toml")


def test_a_missing_trace_is_named():
    assert problems("seed = 1\n") == ["1: trace: is missing"]


# Commands count from the first sample's effect; the run ends after `hours`, its last second not included.
@pytest.mark.parametrize(("at", "is_refused"), [("00:59:59", False), ("01:00:00", True), ("30:00:00", True)])
def test_a_command_after_the_end_of_the_run_is_refused(at, is_refused):
    text = minimal("hours = 1", "[[command]]", f"at = '{at}'", "kind = 'cancel_tbr'")
    if is_refused:
        assert problems(text) == [f"4: command.1.at: {at} lies after the run, which ends at 01:00:00"]
    else:
        assert Scenario.from_toml(text).commands[0].at == 3599


@pytest.mark.parametrize(
    ("at", "is_refused"), [("00:10:00", False), ("00:10:01", True), ("00:10:59", True), ("00:11:00", False)]
)
def test_a_command_while_the_bearer_is_down_is_refused(at, is_refused):
    text = minimal(
        "[[fault]]", "at = '00:10:00'", "kind = 'bearer_down'", "for_seconds = 60",
        "[[command]]", f"at = '{at}'", "kind = 'cancel_tbr'",
    )  # fmt: skip
    if is_refused:
        assert problems(text) == ["7: command.1.at: the bearer is down then, until 00:11:00"]
    else:
        assert Scenario.from_toml(text)


@pytest.mark.parametrize(
    ("kind", "needs_bearer"),
    [
        ("'reservoir_level'\namount_iu = 5", True), ("'reservoir_detached'\non = true", True),
        ("'repeat_command'", True), ("'cgm_sample'\noffset_minutes = 10", True), ("'occlusion'\non = true", False),
        ("'cgm_late'\nby_minutes = 2", False), ("'cgm_drop'\nfor_minutes = 2", False), ("'cgm_duplicate'", False),
    ],
)  # fmt: skip
def test_a_fault_that_comes_over_the_bearer_is_refused_while_that_is_down(kind, needs_bearer):
    text = minimal(
        "[[fault]]", "at = '00:10:00'", "kind = 'bearer_down'", "for_seconds = 60",
        "[[fault]]", "at = '00:10:30'", f"kind = {kind}",
    )  # fmt: skip
    if needs_bearer:
        assert problems(text) == ["7: fault.2.at: the bearer is down then, until 00:11:00"]
    else:
        assert Scenario.from_toml(text)


def test_bearers_that_go_down_twice_at_once_are_refused():
    down = ["kind = 'bearer_down'", "for_seconds = 60"]
    text = minimal("[[fault]]", "at = '00:10:00'", *down, "[[fault]]", "at = '00:10:30'", *down)
    assert problems(text) == ["7: fault.2.at: the bearer is down already"]


def test_lines_are_found_around_strings_comments_and_nested_values():
    lines = TomlLines(
        '# [no]\na = 1\n[x]\nb.c = """\n[no]\nd = 1\n"""  # e\n"q r" = [1,\n  2]\n[[y]]\nk = "[x]" # ]\n'
        "m = [ # {\n  {n = 1},\n  {n = 2, o = ']'},\n]\n[[y]]\nk = 1\n[y.z]\nv = 2\n"
    )
    places = {
        ("a",): 2, ("no",): 1, ("x",): 3, ("x", "b", "c"): 4, ("x", "q r", 0): 8, ("x", "q r", 1): 9,
        ("y", 0): 10, ("y", 0, "k"): 11, ("y", 0, "m", 0, "n"): 13, ("y", 0, "m", 1, "o"): 14,
        ("y", 1): 16, ("y", 1, "missing"): 16, ("y", 1, "z", "v"): 19,
    }  # fmt: skip
    assert {place: lines.line_of(place) for place in places} == places


def test_what_the_pump_must_refuse_may_be_sent_but_not_set():
    scenario = Scenario.from_toml(
        """
trace = "bundled"

[[command]]
at = "00:01:00"
kind = "set_controller"
controller = "plgs"
settings = { suspend_limit_minutes = 200, limit_window_minutes = 100 }

[[command]]
at = "00:02:00"
kind = "write_basal_profile"
basal_profile = [{ duration_minutes = 1439, rate_iu_per_h = 1 }]
"""
    )
    assert [command.kind for command in scenario.commands] == ["set_controller", "write_basal_profile"]
    with pytest.raises(ScenarioError, match="may not exceed limit_window_minutes"):
        Scenario.from_toml('trace = "x"\n[settings]\nsuspend_limit_minutes = 200\nlimit_window_minutes = 100\n')
    with pytest.raises(ScenarioError, match="1439 minutes together"):
        Scenario.from_toml('trace = "x"\n[pump]\nbasal_profile = [{ duration_minutes = 1439, rate_iu_per_h = 1 }]\n')


def test_a_sample_beside_the_trace_has_any_time_any_glucose_and_a_known_status():
    text = "trace = 'x'\n[[fault]]\nat = '00:01:30'\nkind = 'cgm_sample'\noffset_minutes = 2\n"
    [sample] = Scenario.from_toml(text + "status = ['sensor_malfunction']\n").faults
    assert (sample.offset_minutes, sample.glucose_mg_dl, sample.status) == (2, None, ["sensor_malfunction"])
    [sample] = Scenario.from_toml(text + "glucose_mg_dl = 69.5\n").faults
    assert sample.glucose_mg_dl == Decimal("69.5")
    with pytest.raises(ScenarioError, match="status"):
        Scenario.from_toml(text + "status = ['tired']\n")
