"""Goal: on days that people recorded, the oracle's pump under controller oref is told what oref0 would have told it.

Method: the traces of PUMPRIG_SAMPLES go through the oracle, which doses as it decides, so that each decision has the
insulin on board of those before it; what every decision was made on goes to the npm package, and the answers are equal.
Half of the days have small boluses, UAM and carbs.
"""

import os
from decimal import Decimal
from math import isinf, isnan
from pathlib import Path

import pytest

import pumprig.oracle.decisions as decisions
from hil.oracle_bench import MIDNIGHT, accept, running
from oref0.cases import NOW_MS
from oref0.oracle_reading import FLAGS, NOT_ZERO, NUMBERS, said_of
from pumprig.oracle import OracleSettings, OrefSettings
from pumprig.oracle.commands import ActivateTemplates, AnnounceCarbs, OpenCgmSession, WriteProfile
from pumprig.trace.loader import load_trace

TRACES = {
    "dexcom_clarity_8_days.csv": 2148, "librelink_68_days.csv": 4302, "loop_capture_2023.csv": 120,
    "loop_suspend_2023.csv": 120, "oref0_rig_2018/glucose.json": 288,
}  # fmt: skip
MINUTE_MS = 60000
TEMP = OrefSettings(uam=False, max_iob_mu=6000)
SMB = OrefSettings(smb=True, smb_always=True, max_iob_mu=6000)


def profile_of(settings):
    """Settings of section 14 as oref0's profile."""
    profile = {key: getattr(settings, ours) for key, ours in (FLAGS | NUMBERS | NOT_ZERO).items()}
    return {key: value for key, value in profile.items() if not (isinstance(value, float) and isnan(value))} | {
        "maxSMBBasalMinutes": settings.smb_basal_minutes, "maxUAMSMBBasalMinutes": settings.uam_smb_basal_minutes,
    }  # fmt: skip


def asked_of(inputs):
    """What a decision was made on, with oref0's keys, at a moment with its minute of the hour."""
    now = NOW_MS - NOW_MS % 3600000 + inputs.minute * MINUTE_MS
    glucose, meal, bolus = inputs.glucose, inputs.meal, inputs.bolus_age_minutes
    points = [
        {"iob": one.iob, "activity": one.activity, "iobWithZeroTemp": {"activity": one.zero_temp_activity}}
        for one in inputs.points
    ]
    points[0]["lastBolusTime"] = 0 if isinf(bolus) else now - round(bolus * MINUTE_MS)
    told = {"carbs": meal.carbs, "mealCOB": meal.cob, "slopeFromMaxDeviation": meal.slope_from_max,
            "slopeFromMinDeviation": meal.slope_from_min}  # fmt: skip
    if not isnan(meal.age_minutes):
        told["lastCarbTime"] = now - meal.age_minutes * MINUTE_MS
    asked = {
        "glucose_status": {
            "glucose": glucose.mg_dl, "delta": glucose.delta, "short_avgdelta": glucose.short,
            "long_avgdelta": glucose.long, "date": now - round(inputs.age_minutes * MINUTE_MS),
        },
        "currenttemp": {"rate": inputs.tbr.rate, "duration": inputs.tbr.minutes, "temp": "absolute"},
        "profile": profile_of(inputs.settings), "meal": told, "microBolusAllowed": inputs.small_boluses, "now": now,
        "iob": points,
    }  # fmt: skip
    return asked if isnan(inputs.autosens) else asked | {"autosens": {"ratio": inputs.autosens}}


def pump_of(settings):
    parameters = OracleSettings(oref=settings, reservoir_capacity_mu=100_000_000, basal_limit_mu_per_h=10_000)
    oracle = running((360, "0.8"), (1080, "0.95"), settings=parameters.with_controller(controller="oref"))
    for number, kind, values in ((10, "isf", ("45",)), (12, "icho", ("10",)), (14, "target", ("100", "110"))):
        accept(oracle, 0, WriteProfile(number, ((1440, *map(Decimal, values)),), kind))
        accept(oracle, 0, ActivateTemplates((number,)))
    accept(oracle, 0, OpenCgmSession(MIDNIGHT))
    return oracle


def replay(reference, monkeypatch, name, count, settings):
    path = Path(os.environ.get("PUMPRIG_SAMPLES", "../shared")) / "traces" / name
    if not path.exists():
        pytest.skip(f"recorded samples are not there: {path} (set PUMPRIG_SAMPLES)")
    made = []
    real = decisions.oref.decide
    monkeypatch.setattr(decisions.oref, "decide", lambda inputs: made.append((inputs, real(inputs))) or made[-1][1])
    samples = load_trace(path).samples[:count]
    oracle = pump_of(settings)
    for i, sample in enumerate(samples):
        s = 60 * (sample.offset_minutes - samples[0].offset_minutes) + 1
        if settings.smb and i % 60 == 30:
            accept(oracle, s, AnnounceCarbs(45, 5))
        oracle.sample(s, s // 60, sample.glucose_mg_dl)
    boluses = 0
    for inputs, decision in made:
        asked = asked_of(inputs)
        there = reference.ask("determine", **asked)
        there.pop("reason")
        there.pop("reservoir", None)
        assert said_of(asked, decision) == there, asked
        boluses += decision.small_bolus > 0
    print(f"{name}: {len(samples)} readings, {len(made)} decisions, {boluses} small boluses, no differences")
    assert len(made) > 0.9 * len(samples)


@pytest.mark.parametrize("name", TRACES)
def test_the_first_hours_of_recorded_days(reference, monkeypatch, name):
    replay(reference, monkeypatch, name, 50, SMB)


@pytest.mark.slow
@pytest.mark.parametrize("settings", [TEMP, SMB], ids=["temp", "smb"])
@pytest.mark.parametrize("name", TRACES)
def test_recorded_days(reference, monkeypatch, name, settings):
    replay(reference, monkeypatch, name, TRACES[name], settings)
