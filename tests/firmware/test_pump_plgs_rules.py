"""The published rules of predictive low glucose suspend, each with its boundary, as numbers of one controller.

Basal-IQ is the defaults; suspend before low is another row (D-618). Method: straight lines of samples whose
prediction is exact, up to each published number and beyond it.
"""

import pytest

from firmware.plgs_bench import KEEP, RESUME, SUSPEND, configure, last_of, plgs, sample, samples
from pump import events

LOW = 70
SUSPEND_BEFORE_LOW = {
    "predicted": LOW + 20, "now": LOW + 1, "near": LOW + 70, "resume": LOW + 20, "resume_predicted": LOW + 40,
    "minimum": 30, "flags": 0,
}  # fmt: skip
"""The published rules with a low limit of 70 mg/dL."""


def line(last, predicted):
    """Four samples that end at `last` and point to `predicted` 30 min later; both differ by a multiple of 6."""
    step = (predicted - last) // 6
    assert step * 6 == predicted - last
    return [(offset, last - step * (15 - offset) // 5) for offset in (0, 5, 10, 15)]


def decided(last, prediction, **rules):
    """What is decided on such a line by a pump that is not suspended: (action, reason)."""
    decision, shown = last_of(*line(last, prediction), **rules)
    assert shown == prediction
    return decision


def suspended(until, last, prediction, **rules):
    """The decision `until` minutes after a suspension began, on a line that ends then."""
    bench = plgs(stale=60, **rules)
    sample(bench, 0, 60)
    assert bench.pump.tbr.suspension
    first = line(last, prediction)
    return samples(bench, *[(offset + until - 15, glucose) for offset, glucose in first])


# --- Basal-IQ: below 80 predicted in 30 min, or below 70 now; back when rising; 5 min at least; 2 h in 2.5 h ----------


@pytest.mark.parametrize(("predicted", "action"), [(78, SUSPEND), (84, KEEP)])
def test_basal_iq_suspends_below_80_in_30_minutes(predicted, action):
    """D-606, D-605: suspend if < 80 predicted in 30 min; lines of whole numbers come to 78 and 84."""
    assert decided(120, predicted)[0] == action


@pytest.mark.parametrize(("predicted", "action"), [(79, SUSPEND), (80, KEEP)])
def test_basal_iq_80_itself_is_not_below_80(predicted, action):
    """D-606: strict."""
    assert decided(80 + (predicted - 80) + 6, predicted)[0] == action


@pytest.mark.parametrize(("glucose", "action"), [(69, SUSPEND), (70, KEEP)])
def test_basal_iq_suspends_below_70_now(glucose, action):
    """D-606: suspend if < 70 now, without a prediction."""
    assert sample(plgs(), 0, glucose)[0] == action


def test_basal_iq_resumes_when_rising():
    """D-610: one mg/dL more is enough, though low; the same is not."""
    for last, action in ((61, RESUME), (60, KEEP)):
        bench = plgs()
        sample(bench, 0, 60)
        assert sample(bench, 5, last)[0] == action


def test_basal_iq_holds_five_minutes():
    """D-610: 299 s is too short, 300 s is enough."""
    for at_s, action in ((299, KEEP), (300, RESUME)):
        bench = plgs()
        sample(bench, 0, 60)
        assert sample(bench, 5, 70, s=at_s)[0] == action


def test_basal_iq_is_suspended_two_hours_of_two_and_a_half():
    """D-611: ends after 120 min, and may begin again 35 min later for five."""
    bench = plgs(stale=60)
    for offset in range(0, 120, 5):
        sample(bench, offset, 60)
    bench.run(7200)
    assert not bench.pump.tbr.active
    assert [sample(bench, offset, 60)[0] for offset in (125, 150, 154)] == [KEEP] * 3
    assert sample(bench, 155, 60)[0] == SUSPEND
    assert bench.pump.tbr.duration_minutes == 5


def test_basal_iq_does_not_suspend_while_rising():
    """D-608: it would undo its own resume."""
    bench = plgs()
    bench.do(0, "set_therapy_state", events.STOP)
    sample(bench, 0, 60)
    bench.do(1, "set_therapy_state", events.RUN)
    assert sample(bench, 5, 61) == (KEEP, events.REASON_RISING)


# --- Suspend before low: within 70 above the limit and predicted within 20 above it in 30 min ------------------------


@pytest.mark.parametrize(("glucose", "action"), [(140, SUSPEND), (141, KEEP), (146, KEEP)])
def test_suspend_before_low_only_within_70_above_the_limit(glucose, action):
    """D-606, D-618: at the near limit is near, one above is not."""
    assert decided(glucose, glucose - 60, **SUSPEND_BEFORE_LOW)[0] == action


@pytest.mark.parametrize(("predicted", "action"), [(89, SUSPEND), (90, KEEP)])
def test_suspend_before_low_predicted_within_20_above_the_limit(predicted, action):
    """D-606, D-618: strictly."""
    assert decided(predicted + 36, predicted, **SUSPEND_BEFORE_LOW)[0] == action


@pytest.mark.parametrize(("glucose", "action"), [(70, SUSPEND), (71, KEEP)])
def test_suspend_before_low_at_the_limit(glucose, action):
    """D-606, D-618: at or below the limit, predicted or not."""
    assert sample(plgs(**SUSPEND_BEFORE_LOW), 0, glucose)[0] == action


def test_suspend_before_low_does_not_mind_rising():
    """D-607, D-608: low and rising suspends; low and rising does not resume."""
    bench = plgs(**SUSPEND_BEFORE_LOW)
    bench.do(0, "set_therapy_state", events.STOP)
    sample(bench, 0, 60)
    bench.do(1, "set_therapy_state", events.RUN)
    assert sample(bench, 5, 61) == (SUSPEND, events.REASON_LOW_NOW)
    assert samples(bench, *[(offset, 61 + offset // 5) for offset in range(10, 40, 5)])[0] == KEEP


@pytest.mark.parametrize(
    ("glucose", "predicted", "decision"),
    [
        (90, 114, (RESUME, events.REASON_NOT_LOW)),
        (89, 113, (KEEP, events.REASON_PREDICTED_LOW)),
        (92, 110, (RESUME, events.REASON_NOT_LOW)),
        (91, 109, (KEEP, events.REASON_PREDICTED_LOW)),
        (140, 110, (RESUME, events.REASON_NOT_LOW)),
    ],
)
def test_suspend_before_low_resumes_20_above_and_predicted_40_above(glucose, predicted, decision):
    """D-610, D-618: both must be reached; equal is reached."""
    assert suspended(30, glucose, predicted, **SUSPEND_BEFORE_LOW) == decision


def test_suspend_before_low_holds_thirty_minutes():
    """D-610, D-618: 1799 s is too short, 1800 s is enough."""
    for at_s, decision in ((1799, (KEEP, events.REASON_MINIMUM_TIME)), (1800, (RESUME, events.REASON_NOT_LOW))):
        bench = plgs(**SUSPEND_BEFORE_LOW)
        sample(bench, 0, 60)
        samples(bench, (15, 90), (20, 95), (25, 100))
        assert sample(bench, 30, 105, s=at_s) == decision


def test_suspend_before_low_without_a_prediction_does_not_resume():
    """D-610: a limit for the prediction is not reached without one."""
    bench = plgs(stale=60, **SUSPEND_BEFORE_LOW)
    sample(bench, 0, 60)
    assert samples(bench, (30, 150), (35, 155)) == (KEEP, events.REASON_PREDICTED_LOW)
    assert sample(bench, 40, 160) == (RESUME, events.REASON_NOT_LOW)


def test_suspend_before_low_lasts_two_hours():
    """D-609, D-611, D-618."""
    bench = plgs(**SUSPEND_BEFORE_LOW)
    sample(bench, 0, 60)
    assert bench.pump.tbr.duration_minutes == 120


def test_suspend_before_low_waits_thirty_minutes_after_a_resume_by_hand():
    """D-614, D-618."""
    bench = plgs(**SUSPEND_BEFORE_LOW)
    sample(bench, 0, 60)
    bench.do(600, "cancel_tbr")
    assert sample(bench, 39, 60, s=2399) == (KEEP, events.REASON_LOCKOUT)
    assert sample(bench, 40, 60, s=2400)[0] == SUSPEND


# --- The numbers ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("near", 400, 0x0F), ("near", 401, 0x73), ("resume", 400, 0x0F), ("resume", 401, 0x73),
        ("resume_predicted", 400, 0x0F), ("resume_predicted", 401, 0x73), ("minimum", 5, 0x0F), ("minimum", 4, 0x73),
        ("minimum", 60, 0x0F), ("minimum", 61, 0x73), ("flags", 0, 0x0F), ("flags", 4, 0x73),
    ],
)  # fmt: skip
def test_numbers_have_bounds(name, value, code):
    """D-616."""
    assert configure(plgs(), 1, **{name: value}) == code


@pytest.mark.parametrize(("flags", "first", "second"), [(1, SUSPEND, RESUME), (2, KEEP, KEEP)])
def test_rising_holds_and_resumes_apart(flags, first, second):
    """D-607: bit 0 resumes, bit 1 holds."""
    bench = plgs(flags=flags)
    bench.do(0, "set_therapy_state", events.STOP)
    sample(bench, 0, 60)
    bench.do(1, "set_therapy_state", events.RUN)
    assert sample(bench, 5, 61)[0] == first
    assert samples(bench, (10, 61), (15, 62))[0] == second
