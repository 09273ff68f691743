"""Goal: the oracle's glucose status and insulin on board are those of oref0: D-1011 to D-1013.

Method: random readings with jitter, gaps, faults, calibrations and other sensors go to glucose-get-last; random doses,
negative ones too, as treatments to lib/iob/total.js, with and without those of a zero temp from now on. What the
oracle makes of the same is equal to the last digit told.
"""

from random import Random

import pytest

from oref0.cases import NOW_MS
from pumprig.oracle.oref.glucose import Reading, status_of
from pumprig.oracle.oref.insulin import bilinear, exponential, points_of

HOUR_S = 3600


def readings_of(r):
    """Readings as oref0 takes them, newest first."""
    date, mg_dl, device = NOW_MS, r.randrange(39, 300), "a"
    every_ms = r.choice([60_000, 300_000, 300_000, 900_000])
    readings = []
    for _ in range(r.choice([1, 3, 12, 50])):
        readings.append(
            {"date": date, "glucose": mg_dl, "device": device} | ({"type": "cal"} if r.random() < 0.02 else {})
        )
        date -= every_ms + r.choice(
            [0, 0, 0, 1000, -1000, 30_000, -30_000, 29_999, 449_999, 450_000, 750_001, -every_ms]
        )
        mg_dl = r.choice([38, 39]) if r.random() < 0.03 else max(39, mg_dl + r.randrange(-10, 11))
        device = "b" if r.random() < 0.05 else "a"
    return readings


def oracle_status(readings):
    first = readings[0]
    newest, *older = (
        Reading(one["date"], one["glucose"], one["device"] == first["device"], one.get("type") == "cal")
        for one in readings
    )
    status = status_of(newest, older)
    glucose = status.glucose
    return {
        "glucose": glucose.mg_dl, "delta": glucose.delta, "short_avgdelta": glucose.short,
        "long_avgdelta": glucose.long, "date": status.at_ms,
    }  # fmt: skip


def test_status_is_that_of_oref0(reference):
    for seed in range(1500):
        readings = readings_of(Random(seed))
        there = reference.ask("glucose", readings=readings)
        here = oracle_status(readings)
        assert here == {key: there[key] for key in here}, seed


def curve_of(r):
    """A curve, and the settings that give oref0 the same."""
    hours = r.choice([2, 3, 4, 5, 5.5, 6, 7, 8, 10])
    if r.random() < 0.3:
        return bilinear(int(60 * hours)), {"dia": hours, "curve": "bilinear"}
    name, least, most = r.choice([("rapid-acting", 50, 120), ("ultra-rapid", 35, 100)])
    peak = r.randrange(least, most + 1, 5)
    settings = {"dia": hours, "curve": name, "useCustomPeakTime": True, "insulinPeakTime": peak}
    return exponential(int(60 * hours), peak), settings


def doses_of(r, now_s, pulse_mu):
    """Doses of the last hours, of one a second each, and those that a zero temp leaves out."""
    seconds = sorted(r.sample(range(now_s - 11 * HOUR_S, now_s + 1), r.choice([0, 2, 40, 300])))
    past = [(s, r.choice([pulse_mu, -pulse_mu, pulse_mu, -pulse_mu, 6 * pulse_mu])) for s in seconds]
    coming, s = [], now_s
    while s < now_s + 4 * HOUR_S:
        s += r.choice([1, 60, 180, 450])
        coming.append((s, -pulse_mu))
    return past, coming


def treatments(doses):
    return [{"date": NOW_MS + 1000 * s, "insulin": mu / 1000} for s, mu in doses]


def compare(reference, seeds):
    for seed in seeds:
        r = Random(seed)
        curve, profile = curve_of(r)
        now_s = 12 * HOUR_S + r.randrange(60)
        past, coming = doses_of(r, now_s, r.choice([10, 25, 50]))
        times = [NOW_MS + 1000 * (now_s + 300 * i) for i in range(48)]
        there = reference.ask("total", treatments=treatments(past), profile=profile, times=times)
        zero = reference.ask("total", treatments=treatments(past + coming), profile=profile, times=times)
        points = points_of(past, coming, now_s, curve)
        assert points[0].iob == there[0]["iob"], seed
        assert [point.activity for point in points] == [one["activity"] for one in there], seed
        assert [point.zero_temp_activity for point in points] == [one["activity"] for one in zero], seed


def test_insulin_on_board_is_that_of_oref0(reference):
    compare(reference, range(60))


@pytest.mark.slow
def test_insulin_on_board_is_that_of_oref0_in_two_thousand_histories(reference):
    compare(reference, range(1000, 3000))
