"""Insulin on board: the curve and the sum over delivered pulses.

Method: the closed form of D-701 in double precision against the pump's table; sums against the worked examples and,
over random deliveries, against the tolerance of D-703.
"""

from math import exp

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.pump_bench import Bench
from pump import events
from pump.iob import Iob


def share(t, dia, peak):
    """What is left of a dose after t minutes (D-701)."""
    if t >= dia:
        return 0.0
    tau = peak * (1 - peak / dia) / (1 - 2 * peak / dia)
    a = 2 * tau / dia
    s = 1 / (1 - a + (1 + a) * exp(-dia / tau))
    return 1 - s * (1 - a) * ((t * t / (tau * dia * (1 - a)) - t / tau - 1) * exp(-t / tau) + 1)


def given_at_0(iob, pulses):
    """Pulses at second 0."""
    for _ in range(pulses):
        iob.add(0)
    return iob


@pytest.mark.parametrize("dia, peak", [(300, 75), (180, 35), (180, 89), (480, 120), (480, 35), (360, 75), (241, 120)])
def test_the_table_is_the_published_curve(dia, peak):
    """D-701, D-703: to half of the table's last bit, over all ages and at the bounds of T and p."""
    iob = given_at_0(Iob(1000, dia, peak), 100)
    for t in range(dia + 2):
        expected = 100_000 * share(t, dia, peak)
        assert abs(iob.total_mu(60 * t) - expected) <= 1 + 100_000 / 65536 + 0.01


def test_the_worked_dose():
    """D-702: 20 pulses at minute 0, read at minute 104: 0.4987 U."""
    assert given_at_0(Iob(50, 300, 75), 20).total_mu(60 * 104) == 498


def test_nothing_is_left_at_the_end_of_action():
    """D-701: t = T gives 0, and the minutes are used again without a trace."""
    iob = given_at_0(Iob(50, 300, 75), 2000)
    assert iob.total_mu(60 * 290) > 0
    assert iob.total_mu(60 * 300) == 0
    assert iob.total_mu(60 * 481) == 0
    iob.add(60 * 960)
    assert iob.total_mu(60 * 960) == 50


def test_age_is_a_difference_of_whole_pump_minutes():
    """D-702: a pulse at 119 has age 1 at 120."""
    iob = Iob(1000, 180, 35)
    for _ in range(30):
        iob.add(119)
    assert iob.total_mu(119) == 30000
    assert abs(iob.total_mu(120) - 30000 * share(1, 180, 35)) < 2
    assert iob.total_mu(179) == iob.total_mu(120) > iob.total_mu(180)


def test_changed_settings_recount_what_was_delivered():
    """D-616, D-702: the pulses stay, the curve is the new one from its second."""
    bench = Bench().dose(0)
    bench.bolus(0, 1000)
    bench.run(6240)
    before = bench.pump.iob.total_mu(6240)
    bench.do(6240, "configure", events.MANUAL, 80, 70, 30, 120, 150, 15, 30, 480, 120, 0, 0, 0, 5, 3)
    after = bench.pump.iob.total_mu(6240)
    assert before < 510 < 800 * share(104, 480, 120) < after


def test_basal_and_bolus_count():
    """D-702: all delivered pulses, and only those."""
    bench = Bench().dose(1000)
    bench.bolus(0, 200)
    assert bench.run(59).iob.total_mu(59) == 200
    assert bench.run(180).iob.total_mu(180) > 240
    bench.occluded = True
    assert bench.run(400).iob.total_mu(400) < 250


@given(
    st.lists(st.tuples(st.integers(0, 40000), st.integers(1, 40)), max_size=40),
    st.sampled_from([(300, 75), (180, 89), (480, 120), (480, 35)]),
)
def test_any_delivery_within_the_tolerance(deliveries, curve):
    """D-703: 1 mU and 1/32768 of what was delivered within T; whole mU, rounded down (D-704)."""
    iob = Iob(50, *curve)
    now, expected, delivered = 40000, 0.0, 0
    for s, pulses in sorted(deliveries):
        for _ in range(pulses):
            iob.add(s)
        age = now // 60 - s // 60
        if age < curve[0]:
            expected += 50 * pulses * share(age, *curve)
            delivered += 50 * pulses
    total = iob.total_mu(now)
    assert isinstance(total, int)
    assert abs(total - expected) <= 1 + delivered / 32768
