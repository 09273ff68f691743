"""The steps of a pump, its pulse, and a basal that nobody can adjust (D-109, D-205).

Method: benches with other pump data, up to and beyond each step; pulses of every size that pumps have.
"""

import pytest

from firmware.plgs_bench import configure
from firmware.pump_bench import Bench
from pump import events
from pump.restart import Restart
from pump.steps import Steps

FINE = {
    "PULSE_MU": 25, "BASAL_LIMIT_MU_PER_H": 35000, "BASAL_MIN_MU_PER_H": 25,
    "BASAL_STEPS": ((1000, 25), (10000, 50), (35001, 100)), "BOLUS_MIN_MU": 50,
    "BOLUS_STEPS": ((1001, 25), (10001, 50), (25001, 100)), "BOLUS_MAX_MU": 25000, "GUARD_BASAL_MU_PER_H": 35000,
}  # fmt: skip
FIXED = {"BASAL_ADJUSTABLE": 0, "BASAL_FIXED_MU_PER_H": 500}
OK, OUT, NOT_OFFERED, REFUSED = (
    events.SUCCESS, events.OUT_OF_RANGE, events.INVALID_OPERAND, events.NOT_APPLICABLE,
)  # fmt: skip


@pytest.mark.parametrize(
    ("rate", "code"),
    [
        (0, OK), (24, OUT), (25, OK), (30, OUT), (975, OK), (999, OUT), (1000, OK), (1025, OUT), (1050, OK),
        (9950, OK), (9975, OUT), (10000, OK), (10050, OUT), (10100, OK), (35000, OK), (35001, OUT), (35100, OUT),
    ],
)  # fmt: skip
def test_a_rate_is_on_a_step(rate, code):
    """D-109, D-201, D-301: 0, or from the least on in its step; TBR, TBR template and profile alike."""
    bench = Bench(FINE).dose(1000)
    assert bench.tbr(10, rate, 30) == code
    assert bench.do(11, "set_tbr_template", 4, events.ABSOLUTE, rate, 30) == code
    assert bench.write(12, 2, (1440, rate)) == code


@pytest.mark.parametrize(
    ("amount", "code"),
    [
        (25, OUT), (50, OK), (60, OUT), (75, OK), (1000, OK), (1025, OUT), (1050, OK), (10000, OK),
        (10050, OUT), (10100, OK), (25000, OK), (25100, OUT),
    ],
)  # fmt: skip
def test_an_amount_is_on_a_step(amount, code):
    """D-109, D-401: fast, extended and of a template."""
    bench = Bench(FINE).dose(1000)
    assert bench.bolus(10, fast_mu=amount) == code
    assert bench.bolus(11, extended_mu=amount, minutes=60) == code
    assert bench.do(12, "set_bolus_template", 7, 0, events.FAST, amount, 0, 0, 0) == code


def test_each_part_is_judged_and_not_the_sum():
    """D-109: 1.025 U is no step, as a sum of two amounts it is."""
    bench = Bench(FINE).dose(1000)
    assert bench.bolus(10, fast_mu=975, extended_mu=50, minutes=60) == OK


def test_maximum_bolus_and_priming_are_whole_pulses():
    """D-109, D-802, D-511: 0.025 U is below the least bolus and yet a maximum and a priming."""
    bench = Bench(FINE)
    assert bench.do(1, "set_max_bolus", 25) == OK
    assert bench.do(2, "start_priming", 25) == OK


def test_amounts_are_whole_pulses_beside_their_steps():
    """D-109, D-401: steps of 0.01 U do not help a pulse of 0.05."""
    bench = Bench({"BOLUS_MIN_MU": 10, "BOLUS_STEPS": ((25001, 10),)}).dose(1000)
    assert [bench.bolus(10, fast_mu=mu) for mu in (60, 100)] == [OUT, OK]


@pytest.mark.parametrize(("minutes", "code"), [(30, OK), (45, OUT), (720, OK), (750, OUT), (15, OUT)])
def test_minutes_of_a_tbr_have_a_step(minutes, code):
    """D-109: half hours up to twelve hours."""
    bench = Bench({"TBR_MINUTES_STEP": 30, "TBR_MINUTES_MAX": 720}).dose(1000)
    assert bench.tbr(10, 500, minutes) == code


@pytest.mark.parametrize(("factor", "code"), [(0, OK), (500, OK), (505, OUT), (2000, OK), (2010, OUT)])
def test_a_factor_has_a_step(factor, code):
    """D-109: in hundredths up to 2."""
    bench = Bench({"TBR_FACTOR_STEP": 10, "TBR_FACTOR_MAX": 2000}).dose(1000)
    assert bench.factor(10, factor, 30) == code


@pytest.mark.parametrize(("kinds", "absolute", "relative"), [(1, OK, NOT_OFFERED), (2, NOT_OFFERED, OK)])
def test_a_type_of_tbr_that_is_not_offered(kinds, absolute, relative):
    """D-109: 0x71, for a template and for the preset as well."""
    bench = Bench({"TBR_KINDS": kinds}).dose(1000)
    assert bench.tbr(10, 500, 30) == absolute
    assert bench.factor(11, 500, 30, change=absolute == OK) == relative
    assert bench.do(12, "set_tbr_template", 4, events.RELATIVE, 500, 30) == relative
    assert bench.do(13, "set_tbr", 0, 0, 0, True, 0, 6) == relative


def test_a_relative_tbr_is_cut_down_to_a_step():
    """D-109, D-308: 1.1 over 0.95 is 1.045, on a step 1.0; 0.02 over it is nothing."""
    bench = Bench(FINE).dose(950)
    bench.factor(10, 1100, 30)
    assert bench.pump.delivered_rate_mu_per_h() == 1000
    bench.factor(20, 20, 30, change=True)
    assert bench.pump.delivered_rate_mu_per_h() == 0


@pytest.mark.parametrize(
    ("value", "cut"),
    [(1049, 1000), (1000, 1000), (999, 975), (24, 0), (25, 25), (10099, 10000), (35000, 35000), (99999, 35000)],
)
def test_cut_down(value, cut):
    """D-109: the greatest on a step that is not above it."""
    assert Steps(25, FINE["BASAL_STEPS"]).cut(value) == cut


def test_cut_is_the_greatest_on_any_steps():
    """D-109: also where steps do not divide each other."""
    for least, pairs in ((7, ((50, 7), (101, 30))), (0, ((1010, 25), (3001, 300))), (40, ((100, 40), (300, 70)))):
        steps = Steps(least, pairs)
        on = [value for value in range(pairs[-1][0] + 50) if value and steps.on(value)]
        for value in range(pairs[-1][0] + 50):
            assert steps.cut(value) == max([each for each in on if each <= value], default=0), value


@pytest.mark.parametrize("pulse", [10, 25, 50, 100, 500, 2000])
def test_every_size_of_pulse(pulse):
    """D-101, D-102, D-106, D-811, D-902: basal, bolus and reservoir, to the pulse and the second."""
    bench = Bench(
        {"PULSE_MU": pulse, "BOLUS_MIN_MU": pulse, "BOLUS_STEPS": ((25001, pulse),), "RESERVOIR_CAPACITY_MU": 200000}
    ).dose(5000)
    assert bench.bolus(100, fast_mu=10000) == OK
    assert bench.bolus(100, extended_mu=10000, minutes=60) == OK
    pump = bench.run(20000)
    basal = [-(-n * 3600 * pulse // 5000) for n in range(1, 20000 * 5000 // (3600 * pulse) + 1)]
    count = 10000 // pulse
    fast = [100 + -(-n * 60 * pulse // 1500) for n in range(1, count + 1)]
    extended = [100 + -(-n * 3600 // count) for n in range(1, count + 1)]
    assert bench.pulses == sorted(basal + fast + extended)
    assert pump.delivery.basal_mu == len(basal) * pulse
    assert pump.delivery.bolus_mu == 20000
    assert pump.reservoir.remaining_mu == 200000 - 20000 - len(basal) * pulse


@pytest.mark.parametrize("pulse", [10, 25, 50, 100, 500, 2000])
def test_delivered_insulin_starts_again_for_every_pulse(pulse):
    """D-902: 80,000 IU are still shown, the pulse beyond makes 0."""
    pump = Bench({"PULSE_MU": pulse}).pump
    Restart(pump).restore_pulses(80000000 // pulse, 80000000 // pulse + 1)
    delivery = pump.delivery
    assert (delivery.basal_mu, delivery.bolus_mu) == (80000000, 0)


def test_a_fixed_basal():
    """D-205: from second 0, whatever a client wants."""
    bench = Bench(FIXED)
    assert bench.do(0, "set_therapy_state", events.RUN) == OK
    bench.run(1000)
    assert bench.pulses == [360, 720]
    assert bench.write(1001, 1, (1440, 1000)) == OUT
    assert bench.do(1002, "activate", [1], 0, 1) == REFUSED
    assert bench.do(1003, "reset_templates", [6], 0, 1) == REFUSED
    bench.do(1004, "set_clock", 2026, 11, 22, 5, 0, 0, 0, 0)
    assert bench.pump.delivered_rate_mu_per_h() == 500
    assert bench.bolus(1005, fast_mu=100) == OK


def test_a_fixed_basal_knows_pause_and_stop():
    """D-205, D-503, D-502: withheld in Pause, dropped by Stop."""
    bench = Bench(FIXED)
    bench.do(0, "set_therapy_state", events.RUN)
    bench.do(300, "set_therapy_state", events.PAUSE)
    bench.do(400, "set_therapy_state", events.RUN)
    bench.do(500, "set_therapy_state", events.STOP)
    bench.do(600, "set_therapy_state", events.RUN)
    bench.run(1000)
    assert bench.pulses == [401, 960]


def test_no_basal_at_all():
    """D-205: a pump that gives boluses alone."""
    bench = Bench({"BASAL_ADJUSTABLE": 0})
    bench.do(0, "set_therapy_state", events.RUN)
    assert bench.bolus(100, fast_mu=100) == OK
    bench.run(9000)
    assert bench.pulses == [102, 104]


def test_controllers_are_for_a_basal_that_can_be_adjusted():
    """D-205, D-616."""
    bench = Bench(FIXED)
    assert configure(bench, 1) == OUT
    assert configure(bench, 2, controller=events.MANUAL) == OK
