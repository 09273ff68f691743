"""The oracle's insulin on board, DOSING.md section 8.

Goal: D-701 to D-704 hold of the oracle, and the curve is the published one, not merely self-consistent.
Method: closed values worked out by hand, the numerical integral of the activity curve whose primitive D-701 is, and a
plain sum over pulses in `math` beside the oracle's arrays.
"""

import math
from decimal import Decimal

import numpy as np
import pytest

from hil.oracle_bench import MIDNIGHT, accept, running, take
from pumprig.oracle import OracleSettings
from pumprig.oracle.commands import Configure, OpenCgmSession, SetBolus
from pumprig.oracle.events import Pulse
from pumprig.oracle.iob import iob_curve

SHAPES = [(300, 75), (360, 75), (300, 55), (180, 35), (480, 120), (180, 89), (480, 35)]
QUICK = {"bolus_speed_mu_per_minute": 60_000}


def iob_of_one(dia, peak, age):
    """D-701 as it stands, for one age."""
    if age >= dia:
        return 0.0
    tau = peak * (1 - peak / dia) / (1 - 2 * peak / dia)
    a = 2 * tau / dia
    s = 1 / (1 - a + (1 + a) * math.exp(-dia / tau))
    return 1 - s * (1 - a) * ((age**2 / (tau * dia * (1 - a)) - age / tau - 1) * math.exp(-age / tau) + 1)


@pytest.mark.parametrize(("dia", "peak"), SHAPES)
def test_curve_is_what_the_activity_leaves(dia, peak):
    """D-701: 1 minus the integral of S / tau^2 t (1 - t/T) e^(-t/tau), which peaks at p and is used up at T."""
    tau = peak * (1 - peak / dia) / (1 - 2 * peak / dia)
    a = 2 * tau / dia
    s = 1 / (1 - a + (1 + a) * math.exp(-dia / tau))
    steps = 100
    t = np.linspace(0, dia, dia * steps + 1)
    activity = s / tau**2 * t * (1 - t / dia) * np.exp(-t / tau)
    assert abs(t[np.argmax(activity)] - peak) <= 1 / steps
    used = np.concatenate([[0], np.cumsum((activity[1:] + activity[:-1]) / 2 / steps)])
    ages = np.arange(0, dia + 1, dtype=float)
    assert np.max(np.abs(iob_curve(dia, peak, ages) - (1 - used[::steps]))) < 1e-7
    assert used[-1] == pytest.approx(1, abs=1e-7)


@pytest.mark.parametrize(("dia", "peak"), SHAPES)
def test_curve_falls_from_one_to_zero(dia, peak):
    """D-701: 1 at 0, 0 from T on, and never rising between."""
    curve = iob_curve(dia, peak, np.arange(0, dia + 10, dtype=float))
    assert curve[0] == pytest.approx(1, abs=1e-12)
    assert np.all(curve[dia:] == 0)
    assert np.all(np.diff(curve) <= 0)
    assert np.max(np.abs(curve - [iob_of_one(dia, peak, age) for age in range(dia + 10)])) < 1e-9


def dosed(pulses, at_s=0, **parameters):
    """A pump without basal that has delivered a number of pulses in the second after `at_s`."""
    oracle = running((1440, "0"), bolus_speed_mu_per_minute=60_000 * pulses, **parameters)
    accept(oracle, at_s, SetBolus(Decimal(pulses) / 20))
    oracle.advance(at_s + 1)
    assert len(take(oracle, Pulse)) == pulses
    return oracle


def test_worked_sum():
    """D-701, D-702: 20 pulses at minute 0, T = 300, p = 75: 0.4987 U at minute 104."""
    assert round(dosed(20).iob(104 * 60).mu / 1000, 4) == 0.4987


@pytest.mark.parametrize(("at_s", "age"), [(119, 0), (120, 1), (179, 1), (180, 2)])
def test_age_is_the_difference_of_whole_minutes(at_s, age):
    """D-702: a pulse at 119 has age 1 at 120."""
    assert dosed(1, at_s=118).iob(at_s).mu == pytest.approx(50 * iob_of_one(300, 75, age), abs=1e-9)


@pytest.mark.parametrize(
    ("minute", "left"), [(298, True), (299, True), (300, False), (10_000, False), (200_000, False)]
)
def test_nothing_is_left_from_the_duration_on(minute, left):
    """D-701: t = T gives 0; long after the last pulse too."""
    iob = dosed(20).iob(minute * 60)
    assert (iob.mu > 0) == left
    assert iob.tolerance_mu == (1 + 1000 / 32768 if left else 1)


def test_basal_and_bolus_both_count():
    """D-702: a day of 1.3 U/h with boluses equals the plain sum over the pulses seen."""
    oracle = running((1440, "1.3"))
    for hour in range(0, 24, 3):
        accept(oracle, 3600 * hour + 7, SetBolus(Decimal("2.5")))
    oracle.advance(86_000)
    due = [pulse.due_s for pulse in take(oracle, Pulse)]
    assert len(due) == 8 * 50 + 86_000 * 1300 // 180_000
    expected = math.fsum(50 * iob_of_one(300, 75, 86_000 // 60 - second // 60) for second in due)
    assert oracle.iob().mu == pytest.approx(expected, abs=1e-9)


def test_sum_goes_on_past_the_first_weeks():
    """D-702: after 20 days of 1 U/h the sum is that of any other day."""
    oracle = running(reservoir_pulses=20_000)
    oracle.advance(5 * 86_400)
    fifth = oracle.iob()
    oracle.advance(20 * 86_400)
    assert oracle.iob() == fifth


def test_other_curve_weighs_the_pulses_before_too():
    """D-702, D-616: T and p written later hold for all pulses."""
    oracle = dosed(20)
    accept(oracle, 6000, Configure(dia_minutes=360, peak_minutes=55))
    assert oracle.iob().mu == pytest.approx(1000 * iob_of_one(360, 55, 100), abs=1e-9)


def test_tolerance():
    """D-703: 20 U in 5 h: 1.6 mU; equal is within is for whoever compares."""
    assert dosed(400, settings=None, max_bolus_mu=25_000).iob(60).tolerance_mu == pytest.approx(1.6, abs=0.02)


def test_decision_gives_whole_milliunits_rounded_down():
    """D-704: 498.7 mU is told as 498; the pulse of the sample's second counts (D-003)."""
    oracle = dosed(20, settings=OracleSettings(bolus_speed_mu_per_minute=1_200_000))
    accept(oracle, 1, OpenCgmSession(MIDNIGHT))
    decision = oracle.sample(104 * 60, 104, 100)
    assert decision.iob_mu == pytest.approx(498.7, abs=0.05)
    assert decision.iob_displayed_mu == 498
    oracle = running()
    accept(oracle, 1, OpenCgmSession(MIDNIGHT))
    assert oracle.sample(180, 3, 100).iob_mu == pytest.approx(50)


def test_a_decision_shows_no_more_than_its_field_holds():
    """D-704: 32767 mU for anything above; Get Insulin On Board tells the rest."""
    oracle = running((1440, "30.0"))
    accept(oracle, 1, OpenCgmSession(MIDNIGHT))
    assert oracle.sample(3600, 60, 100).iob_displayed_mu < 32_767
    decision = oracle.sample(7200, 120, 100)
    assert decision.iob_displayed_mu == 32_767
    assert oracle.iob().mu > 40_000
