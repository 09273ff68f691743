"""CGM: which samples count, when they are stale, and where the straight line through them leads.

Method: samples on the bench at the boundaries of D-601 to D-605; predictions against exact fractions, and the widest
sums against the small int of a 32-bit board.
"""

import itertools
from fractions import Fraction

import pytest

from firmware.plgs_bench import KEEP, NONE, SUSPEND, configure, exact, last_of, plgs, sample, samples, suspensions
from firmware.pump_bench import Bench
from pump import cgm, events

# --- which samples count ---


@pytest.mark.parametrize("status", [1 << 0, 1 << 2, 1 << 3, 1 << 5])
def test_a_faulty_status_makes_a_sample_unusable(status):
    """D-602: session stopped, sensor type incorrect, malfunction, general fault."""
    bench = plgs()
    assert sample(bench, 0, 60, status=status) == (NONE, events.REASON_INVALID_SAMPLE)
    assert sample(bench, 1, 60, status=0xFFFFFF & ~0x2D) == (SUSPEND, events.REASON_LOW_NOW)


@pytest.mark.parametrize("glucose, usable", [(-1, False), (0, False), (1, True), (1000, True), (1001, False)])
def test_the_range_of_glucose(glucose, usable):
    """D-602: a number from 1 to 1000 mg/dL."""
    assert (sample(plgs(), 0, glucose)[0] != NONE) is usable


@pytest.mark.parametrize("offset, usable", [(15, False), (10, False), (16, True)])
def test_offsets_grow(offset, usable):
    """D-602: equal is not greater, and 10 after 15 is not usable."""
    bench = plgs()
    sample(bench, 15, 120)
    assert (sample(bench, offset, 120, s=1000)[0] != NONE) is usable


@pytest.mark.parametrize("s, usable", [(600, True), (540, True), (539, False)])
def test_no_more_than_a_minute_ahead(s, usable):
    """D-602: measured up to 60 s after the pump second."""
    assert (sample(plgs(), 10, 120, s=s) != (NONE, events.REASON_INVALID_SAMPLE)) is usable


@pytest.mark.parametrize("s, reason", [(1500, events.REASON_NO_PREDICTION), (1501, events.REASON_STALE)])
def test_age_is_counted_from_the_measurement(s, reason):
    """D-601, D-602: the limit itself is usable; one that is only too old is called stale and changes nothing."""
    bench = plgs()
    assert sample(bench, 10, 120, s=s)[1] == reason
    assert bench.pump.decision.predicted_mg_dl == events.NO_PREDICTION_MG_DL
    if reason == events.REASON_STALE:
        assert sample(bench, 11, -1, s=s)[1] == events.REASON_INVALID_SAMPLE
        assert sample(bench, 10, 120, s=s)[1] == events.REASON_STALE


def test_too_old_and_invalid_is_invalid():
    """D-602: stale only when nothing but the age is wrong."""
    assert sample(plgs(), 1, 0, s=5000) == (NONE, events.REASON_INVALID_SAMPLE)


def test_without_a_session_no_sample_is_usable():
    """D-601: there is no second at which it was measured."""
    bench = Bench().dose(1000)
    configure(bench, 0)
    assert sample(bench, 0, 60) == (NONE, events.REASON_INVALID_SAMPLE)


def test_the_same_session_again_keeps_its_samples_and_another_starts_afresh():
    """D-602, D-604: samples of the session."""
    bench = plgs()
    samples(bench, (0, 120), (5, 120), (10, 120))
    bench.do(700, "cgm_session", 0)
    assert bench.pump.control.cgm.predicted
    bench.do(700, "cgm_session", 600)
    assert sample(bench, 2, 65, s=720) == (SUSPEND, events.REASON_LOW_NOW)


def test_setting_the_clock_moves_no_measurement():
    """D-601: counted on the pump's clock."""
    bench = plgs()
    sample(bench, 5, 120)
    bench.do(310, "set_clock", 2030, 1, 1, 0, 0, 0, 0, 0)
    bench.run(300 + 900)
    assert not bench.pump.control.cgm.stale
    bench.run(300 + 901)
    assert bench.pump.control.cgm.stale


# --- stale ---


def test_stale_one_second_after_the_limit():
    """D-603: measured at 360, limit 15 min, stale at 1261; told once, and ended by a usable sample."""
    bench = Bench().dose(1000)
    configure(bench, 0)
    bench.do(0, "cgm_session", 60)
    sample(bench, 5, 120, s=400)
    bench.run(1260)
    assert bench.all("ANNUNCIATION") == []
    bench.run(9000)
    assert bench.all("ANNUNCIATION") == [(1261, 1, events.CGM_STALE, events.PENDING, 0, 0)]
    sample(bench, 150, 120, s=9060)
    assert not bench.pump.control.cgm.stale


def test_stale_ends_a_suspension():
    """D-603: canceled, at its second; also before its five minutes are over."""
    bench = plgs()
    assert sample(bench, 0, 60, s=700)[0] == SUSPEND
    bench.run(2000)
    assert suspensions(bench) == ([(700, 120)], [(901, events.CANCELED)])


def test_before_the_first_usable_sample_nothing_is_stale():
    """D-603: nor by an unusable one."""
    bench = plgs()
    sample(bench, 0, -1)
    bench.run(86400)
    assert bench.all("ANNUNCIATION") == []


def test_a_shorter_limit_counts_from_its_second():
    """D-603, D-616: what is older than the new limit is stale at the next second, not in the past."""
    bench = plgs()
    sample(bench, 0, 120)
    configure(bench, 600, stale=5)
    bench.run(700)
    assert bench.all("ANNUNCIATION") == [(601, 1, events.CGM_STALE, events.PENDING, 0, 0)]


def test_a_new_session_does_not_stop_the_ageing():
    """D-603: the newest usable sample is still the old session's."""
    bench = plgs()
    assert sample(bench, 0, 60)[0] == SUSPEND
    bench.do(500, "cgm_session", 500)
    bench.run(1000)
    assert suspensions(bench)[1] == [(901, events.CANCELED)]


# --- prediction ---


def test_the_worked_prediction():
    """D-605, D-606: slope -1.6, 48 at 45 min; 96 is low by its prediction."""
    assert last_of((0, 120), (5, 112), (10, 104), (15, 96)) == ((SUSPEND, events.REASON_PREDICTED_LOW), 48)


def test_two_samples_are_no_prediction():
    """D-604: three are."""
    bench = plgs()
    assert samples(bench, (0, 120), (5, 100)) == (KEEP, events.REASON_NO_PREDICTION)
    assert sample(bench, 10, 80) == (SUSPEND, events.REASON_PREDICTED_LOW)


@pytest.mark.parametrize("newest, predicted", [(17, True), (18, False)])
def test_the_window_is_seventeen_minutes(newest, predicted):
    """D-604: newest - 17 is in, newest - 18 is out."""
    bench = plgs()
    samples(bench, (0, 120), (10, 120), (newest, 120))
    assert (bench.pump.decision.predicted_mg_dl == 120) is predicted


def test_compared_before_rounding():
    """D-605: 79.9… is below 80 and shows as 80; exactly 80 is not low."""
    points = ((0, 103), (5, 102), (10, 97))
    assert exact(points, 30) == Fraction(239, 3)
    assert last_of(*points) == ((SUSPEND, events.REASON_PREDICTED_LOW), 80)
    points = ((0, 100), (5, 98), (10, 96))
    assert exact(points, 30) == 84
    assert last_of(*points, predicted=84) == ((KEEP, events.REASON_NOT_LOW), 84)
    assert last_of(*points, predicted=85) == ((SUSPEND, events.REASON_PREDICTED_LOW), 84)


def test_every_prediction_equals_the_exact_one():
    """D-605: against fractions, all windows of up to five samples, all horizons at their bounds."""
    random = itertools.cycle([40, 401, 39, 180, 77, 250, 1000, 1, 95, 96, 63])
    for offsets in itertools.combinations((0, 1, 4, 9, 12, 17), 4):
        for horizon in (10, 30, 60):
            model = cgm.Cgm()
            model.session(0)
            points = [(offset, next(random)) for offset in offsets]
            for offset, glucose in points:
                assert model.accept(60 * offset, offset, glucose, 0, 15) == cgm.USABLE
            model.predict(horizon)
            value = exact(points, horizon)
            assert model.predicted_mg_dl() == (value + Fraction(1, 2)).__floor__()
            for limit in (60, 80, 120):
                assert model.prediction_below(limit) is (value < limit)


def test_the_fit_stays_a_small_int():
    """D-605: over every set of offsets in the window, the worst glucose and the longest horizon keep below 2**30."""
    worst = 0
    for chosen in range(1 << 17):
        offsets = [0] + [-x for x in range(1, 18) if chosen >> (x - 1) & 1]
        n, sum_x = len(offsets), sum(offsets)
        spread = n * sum(x * x for x in offsets) - sum_x * sum_x
        factors = [spread + (n * x - sum_x) * (60 * n - sum_x) for x in offsets]
        worst = max(worst, 1000 * sum(f for f in factors if f > 0), -1000 * sum(f for f in factors if f < 0))
        if n == 18:
            assert 1000 * n * spread < 2**30
    assert worst < 2**30
