"""Goal: `pumprig decide` answers each line as its help says, and refuses a bad one with its number and key.

Method: the command as the console script calls it, on one small input with one thing changed at a time. What it decides
is for tests/oref0.
"""

import json

import pytest
from click.testing import CliRunner

from pumprig import cli
from pumprig.commands.decide import command
from pumprig.decide.oref import KEYS
from pumprig.errors import PumprigError, UsageError

POINT = {"iob": 0.5, "activity": 0.004, "iobWithZeroTemp": {"activity": 0.002}}
INPUT = {
    "glucose_status": {
        "glucose": 160, "delta": 4, "short_avgdelta": 3.5, "long_avgdelta": 2, "date": 1542441600000, "noise": 1,
    },
    "currenttemp": {"rate": 0, "duration": 0, "temp": "absolute"},
    "iob": [POINT] * 48,
    "profile": {
        "current_basal": 1.03, "max_basal": 4, "max_daily_basal": 1.3, "max_iob": 3, "sens": 40, "carb_ratio": 10,
        "min_bg": 100, "max_bg": 120, "out_units": "mg/dL",
    },
    "autosens": {"ratio": 1}, "meal": {}, "microBolusAllowed": False, "reservoir": 120, "now": "2018-11-17T08:00:00Z",
}  # fmt: skip


def decide(text, *options):
    """Calls the command; its errors are raised, as they are for the command line."""
    return CliRunner().invoke(command, ["--controller", "oref", *options], input=text, standalone_mode=False)


def changed(key, value):
    """INPUT with a value of its own at a key; without the key when there is no value."""
    data = json.loads(json.dumps(INPUT))
    holder = data
    *outer, last = (int(name) if name.isdigit() else name for name in key.split("."))
    for name in outer:
        holder = holder[name]
    if value is ...:
        del holder[last]
    else:
        holder[last] = value
    return data


def refusal(text):
    result = decide(text)
    assert isinstance(result.exception, UsageError)
    return str(result.exception)


def test_one_decision_a_line():
    result = decide(f"{json.dumps(INPUT)}\n\n{json.dumps(changed('glucose_status.glucose', 60))}\n")
    first, second = map(json.loads, result.output.splitlines())
    assert (first["duration"], first["eventualBG"], first["reservoir"], first["tick"]) == (30, 166, 120, "+4")
    assert set(first["predBGs"]) == {"IOB", "ZT"}
    assert first["reason"].startswith("D-1050: ")
    assert (second["rate"], second["reason"][:6]) == (0, "D-1041")


def test_exact_leaves_the_pumps_steps_out():
    rounded, exact = (json.loads(decide(json.dumps(INPUT), *more).output)["rate"] for more in ([], ["--exact"]))
    assert rounded == pytest.approx(round(exact * 20) / 20)
    assert rounded != exact


@pytest.mark.parametrize(
    ("option", "told", "rule"),
    [("detect", True, 1050), ("told", True, 1014), ("told", False, 1050), ("ignore", True, 1050)],
)
def test_who_says_that_the_cgm_is_flat(option, told, rule):
    result = decide(json.dumps(changed("flatBGsDetected", told)), "--flat-cgm", option)
    assert json.loads(result.output)["reason"].startswith(f"D-{rule}")


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("profile.sens", ..., "line 2: profile.sens: is missing; allowed: a number from 1 to 10000."),
        ("profile.sens", 0, "line 2: profile.sens: is 0; allowed: a number from 1 to 10000."),
        ("profile.sens", "40", 'line 2: profile.sens: is "40";'),
        ("profile.sens", True, "line 2: profile.sens: is true;"),
        ("profile.max_iob", 10**400, "line 2: profile.max_iob: is 1000"),
        ("now", 1e13, "line 2: now: is 10000000000000.0; allowed: milliseconds since 1970, or a time as"),
        ("profile.max_iob", None, "line 2: profile.max_iob: is null;"),
        ("profile.maxSMBBasalMinutes", None, "line 2: profile.maxSMBBasalMinutes: is null;"),
        ("profile.enableUAM", 1, "line 2: profile.enableUAM: is 1; allowed: true or false."),
        ("profile.temptargetSet", True, "line 2: profile.autosens_max: is missing"),
        ("glucose_status", ..., "line 2: glucose_status: is missing; allowed: an object."),
        ("glucose_status", 5, "line 2: glucose_status: is 5"),
        ("glucose_status.noise", 2, "line 2: profile.noisyCGMTargetMultiplier: is missing"),
        ("glucose_status.date", "yesterday", 'line 2: glucose_status.date: is "yesterday";'),
        ("glucose_status.delta", ..., "line 2: glucose_status.delta: is missing"),
        ("meal", None, "line 2: meal: is missing; allowed: an object, {} without carbs."),
        ("meal", {"carbs": 20, "mealCOB": 5}, "line 2: meal.lastCarbTime: is missing"),
        ("meal", {"mealCOB": 5}, "line 2: meal.carbs: is 0 or missing"),
        ("autosens", {}, "line 2: autosens.ratio: is missing"),
        ("iob", ..., "line 2: iob: is missing; allowed: an array of 48 objects."),
        ("iob", [], "line 2: iob: is no object and no array"),
        ("iob", [POINT] * 49, "line 2: iob: has 49 points"),
        ("iob.7.activity", "x", 'line 2: iob[7].activity: is "x";'),
        ("iob.0", {"iob": 1, "activity": 0, "lastTemp": 5}, "line 2: iob[0].lastTemp: is 5"),
        ("glucose_status.date", None, "line 2: glucose_status.date: is null;"),
        ("iob.0", POINT | {"lastBolusTime": None}, "line 2: iob[0].lastBolusTime: is null;"),
        ("now", ..., "line 2: now: is missing"),
        ("now", "noon", 'line 2: now: is "noon"'),
        ("micro_bolus_allowed", True, "line 2: micro_bolus_allowed: is no key; allowed: microBolusAllowed."),
    ],
)
def test_a_bad_line_is_named_with_its_key(key, value, said):
    assert said in refusal(f"{json.dumps(INPUT)}\n{json.dumps(changed(key, value))}\n")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "line 1: no JSON: "),
        ("[]", "line 1: is []; allowed: one JSON object a line."),
        ('{"now": NaN}', "line 1: NaN is no JSON."),
        ('{"now": ' + "1" * 5000 + "}", "line 1: a number too long"),
        ("[" * 100_000, "line 1: a number too long, or nested too deep."),
        (b"\xff\xfe", "after line 0: is no UTF-8;"),
        ('{"now": 1e999}', "line 1: glucose_status: is missing"),
    ],
)
def test_what_is_no_json_object_is_refused(text, said):
    assert said in refusal(text)


def test_decisions_before_a_bad_line_are_kept():
    result = decide(f"{json.dumps(INPUT)}\n{{\n")
    assert json.loads(result.output)["duration"] == 30


def test_without_micropython_the_message_says_so(monkeypatch):
    monkeypatch.setenv("PUMPRIG_MICROPYTHON", "no-such-micropython")
    result = decide(json.dumps(INPUT))
    assert isinstance(result.exception, PumprigError)
    assert (result.exception.exit_code, "PUMPRIG_MICROPYTHON" in str(result.exception)) == (3, True)


def test_the_help_names_every_key(capsys):
    with pytest.raises(SystemExit):
        cli.main(["decide", "--help"])
    said = capsys.readouterr().out
    assert [key for key in KEYS if key not in said] == []
