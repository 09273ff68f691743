"""Guardrails: what no command and no controller gets past (DOSING.md section 16).

Method: a bench whose guardrails are tightened, each asked for what is just allowed and what is just not; events are
(second, number, who asked, asked, allowed).
"""

import pytest

from firmware.plgs_bench import configure, plgs, sample
from firmware.pump_bench import Bench
from pump import events
from pump.restart import Restart

OK, OUT, NOT_NOW, REFUSED = events.SUCCESS, events.OUT_OF_RANGE, events.NOT_COMPLETED, events.NOT_APPLICABLE
CLIENT, DEVICE, CONTROLLER = events.REMOTE_CONTROL, events.DEVICE, events.AP_CONTROLLER
BOUNDS = {
    "basal": 30000, "bolus": 25000, "iob": 50000, "hour": 60000, "day": 300000, "interval": 1, "stale": 60,
    "decision": 240,
}  # fmt: skip


def guard(bench, s, **tighter):
    """Write the guardrails, the bounds with some tighter; returns the response code."""
    return bench.do(s, "guard", *{**BOUNDS, **tighter}.values())


def guarded(rate=1000, **tighter):
    """A pump in Run with guardrails."""
    bench = Bench().dose(rate)
    assert guard(bench, 0, **tighter) == OK
    return bench


def recorded(bench):
    """The guardrail events."""
    return [line[:5] for line in bench.all("GUARDRAIL")]


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("basal", 50, OK), ("basal", 49, OUT), ("basal", 30001, OUT), ("bolus", 50, OK), ("bolus", 49, OUT),
        ("bolus", 25001, OUT), ("iob", 50, OK), ("iob", 49, OUT), ("iob", 50001, OUT), ("hour", 50, OK),
        ("hour", 49, OUT), ("hour", 60001, OUT), ("day", 50, OK), ("day", 49, OUT), ("day", 300001, OUT),
        ("interval", 0, OUT), ("interval", 1, OK), ("interval", 240, OK), ("interval", 241, OUT), ("stale", 4, OUT),
        ("stale", 5, OK), ("stale", 61, OUT), ("decision", 4, OUT), ("decision", 5, OK), ("decision", 241, OUT),
    ],
)  # fmt: skip
def test_only_tighter_values_can_be_written(name, value, code):
    """D-1201: within the bounds of section 10, recorded as a pointer event; else nothing changes."""
    bench = Bench()
    assert guard(bench, 5, **{name: value}) == code
    assert len(bench.all("POINTER")) == (code == OK)
    assert recorded(bench) == []


def test_the_least_rate_is_the_least_guardrail():
    """D-1202: one that would leave nothing of any rate is refused, so that no basal stops without a word."""
    bench = Bench({"BASAL_MIN_MU_PER_H": 100, "BASAL_STEPS": ((35001, 50),)}).dose(1000)
    assert [guard(bench, 1, basal=rate) for rate in (99, 100)] == [OUT, OK]
    assert bench.pump.delivered_rate_mu_per_h() == 100


def test_a_refused_write_changes_nothing():
    """D-1201: one value out of its range keeps all others from taking effect."""
    bench = guarded()
    assert guard(bench, 1, bolus=1000, day=0) == OUT
    assert bench.bolus(2, fast_mu=2000) == OK


def test_a_value_can_be_written_back_to_the_bound():
    """D-1201: what a client made tighter it may make wider again."""
    bench = guarded(bolus=1000)
    assert guard(bench, 1) == OK
    assert bench.bolus(2, fast_mu=1050) == OK


# --- Basal rate (1) -----------------------------------------------------------------------------------------------


def test_a_client_asks_for_more_than_the_basal_guardrail():
    """D-1202: TBR, template and block above it answer 0x73; equal passes."""
    bench = guarded(basal=2000)
    assert [bench.tbr(1, 2001, 30), bench.tbr(2, 2000, 30)] == [OUT, OK]
    template = "set_tbr_template", 4, events.ABSOLUTE
    assert [bench.do(3, *template, 2001, 30), bench.do(4, *template, 2000, 30)] == [OUT, OK]
    assert [bench.write(5, 2, (720, 2000), (720, 2001)), bench.write(6, 2, (1440, 2000))] == [OUT, OK]
    assert recorded(bench) == [(s, 1, CLIENT, 2001, 2000) for s in (1, 3, 5)]


def test_other_refusals_come_before_the_basal_guardrail():
    """D-1202, D-1201: duration and number out of range are found first, what is not applicable after it."""
    bench = guarded(basal=2000)
    assert bench.tbr(1, 2001, 1441) == OUT
    assert bench.do(2, "set_tbr_template", 7, events.ABSOLUTE, 2001, 30) == OUT
    assert recorded(bench) == []
    assert bench.do(3, "set_tbr_template", 6, events.ABSOLUTE, 2001, 30) == OUT
    assert bench.tbr(4, 2001, 30, change=True) == OUT
    assert len(recorded(bench)) == 2


def test_a_block_above_it_drops_the_transaction():
    """D-1202, D-201."""
    bench = guarded(basal=2000)
    assert bench.do(1, "write_block", events.TEMPLATE_BASAL, 2, 1, 720, 1000, 0) == OK
    assert bench.do(2, "write_block", events.TEMPLATE_BASAL, 2, 2, 720, 2001, 0) == OUT
    assert bench.do(3, "complete_profile", events.TEMPLATE_BASAL, 2) == events.NOT_PLAUSIBLE


def test_a_template_set_before_is_judged_when_it_is_used():
    """D-1202."""
    bench = Bench().dose(1000)
    bench.do(1, "set_tbr_template", 4, events.ABSOLUTE, 2001, 30)
    guard(bench, 2, basal=2000)
    assert bench.do(3, "set_tbr", 0, 0, 0, False, CLIENT, 4) == OUT
    assert recorded(bench) == [(3, 1, CLIENT, 2001, 2000)]


def test_the_rate_in_force_is_cut_to_a_tightened_guardrail():
    """D-1202: the worked example, and back."""
    bench = Bench().dose(2000)
    guard(bench, 100, basal=1500)
    guard(bench, 200)
    assert bench.all("BASAL_CHANGED")[-2:] == [(100, 2000, 1500, DEVICE, 0, 0), (200, 1500, 2000, DEVICE, 0, 0)]
    assert [name for s, name in bench.since(100) if s == 100] == ["POINTER", "BASAL_CHANGED"]
    assert recorded(bench) == []


def test_tbrs_that_run_are_cut_and_stay_what_they_were():
    """D-1202: absolute and relative; relative is never refused."""
    bench = Bench().dose(1000)
    bench.tbr(1, 4000, 30)
    guard(bench, 2, basal=1500)
    assert (bench.pump.delivered_rate_mu_per_h(), bench.pump.tbr.value) == (1500, 4000)
    assert bench.factor(3, 2000, 30, change=True) == OK
    assert bench.pump.delivered_rate_mu_per_h() == 1500
    assert recorded(bench) == []


def test_a_cut_keeps_to_the_steps_of_the_pump():
    """D-1202, D-109."""
    bench = Bench({"BASAL_STEPS": ((35001, 100),)}).dose(2000)
    guard(bench, 1, basal=1550)
    assert bench.pump.delivered_rate_mu_per_h() == 1500


# --- Bolus (2) ----------------------------------------------------------------------------------------------------


def test_a_client_asks_for_more_than_the_bolus_guardrail():
    """D-1203, D-1201: bolus, sum of a template, maximum bolus."""
    bench = guarded(bolus=2000)
    assert [bench.bolus(1, fast_mu=2050), bench.bolus(2, fast_mu=2000)] == [OUT, OK]
    assert bench.bolus(3, extended_mu=2050, minutes=60) == OUT
    template = "set_bolus_template", 7, 0, events.MULTIWAVE, 1000
    assert [bench.do(4, *template, 1050, 60, 0), bench.do(5, *template, 1000, 60, 0)] == [OUT, OK]
    assert [bench.do(6, "set_max_bolus", 2050), bench.do(7, "set_max_bolus", 2000)] == [OUT, OK]
    assert recorded(bench) == [(s, 2, CLIENT, 2050, 2000) for s in (1, 3, 4, 6)]


def test_other_refusals_come_before_the_bolus_guardrail():
    """D-1203: not whole, above the maximum and a wrong number tell nothing; not in Run comes after it."""
    bench = guarded(bolus=2000)
    assert bench.bolus(1, fast_mu=2060) == OUT
    assert bench.bolus(2, fast_mu=10050) == OUT
    assert bench.do(3, "set_bolus_template", 4, 0, events.FAST, 2050, 0, 0, 0) == OUT
    assert recorded(bench) == []
    bench.do(4, "set_therapy_state", events.STOP)
    assert [bench.bolus(5, fast_mu=2050), bench.bolus(6, fast_mu=2000)] == [OUT, REFUSED]


def test_a_bolus_template_set_before_is_judged_when_it_is_used():
    """D-1203."""
    bench = Bench().dose(1000)
    bench.do(1, "set_bolus_template", 7, 0, events.FAST, 2050, 0, 0, 0)
    guard(bench, 2, bolus=2000)
    assert bench.do(3, "set_bolus", 0, 0, 0, 0, 0, 7, 0, 2) == OUT
    assert recorded(bench) == [(3, 2, CLIENT, 2050, 2000)]


# --- IOB (3) ------------------------------------------------------------------------------------------------------


def test_a_bolus_adds_to_insulin_on_board():
    """D-1204: with what is still to come, up to the limit."""
    bench = guarded(0, iob=4000)
    assert bench.bolus(0, fast_mu=3000) == OK
    assert bench.bolus(1, extended_mu=500, minutes=60, delay=60) == OK
    bench.run(130)
    iob_mu = bench.pump.iob.total_mu(130)
    most = (4000 - 500 - iob_mu) // 50 * 50
    assert 0 < most < 4000
    assert bench.bolus(130, fast_mu=most + 50) == NOT_NOW
    assert bench.bolus(130, fast_mu=most) == OK
    assert recorded(bench) == [(130, 3, CLIENT, iob_mu + 500 + most + 50, 4000)]


def test_exactly_the_iob_limit_is_allowed():
    """D-1204: the first 2 U of a pump with a limit of 2 U."""
    bench = guarded(0, iob=2000)
    assert [bench.bolus(1, fast_mu=2050), bench.bolus(1, fast_mu=2000)] == [NOT_NOW, OK]


def test_a_tbr_above_the_profile_needs_room_for_insulin():
    """D-1204: equal to the profile's rate or below it passes, whatever is on board; templates and factors too."""
    bench = guarded(1000, iob=2000)
    bench.bolus(0, fast_mu=2000)
    bench.run(600)
    guard(bench, 600, iob=1000)
    iob_mu = bench.pump.iob.total_mu(600)
    assert bench.tbr(600, 1001, 30) == NOT_NOW
    assert bench.factor(600, 1100, 30) == NOT_NOW
    assert bench.tbr(600, 1000, 30) == OK
    assert bench.factor(600, 500, 30, change=True) == OK
    assert bench.tbr(600, 1001, 30, change=True) == NOT_NOW
    assert recorded(bench) == [(600, 3, CLIENT, iob_mu, 1000)] * 3


def test_a_full_reservoir_comes_before_insulin_on_board():
    """D-1201: guardrails are looked for last."""
    bench = guarded(0, iob=1000)
    bench.do(1, "inject", events.FAULT_RESERVOIR_LEVEL, 10)
    assert bench.bolus(2, fast_mu=2000) == NOT_NOW
    assert recorded(bench) == []


# --- The windows (4, 5) -------------------------------------------------------------------------------------------


def test_a_bolus_keeps_to_the_windows():
    """D-1205: what was delivered, what is still to come and the amount; equal passes; 4 before 5."""
    bench = guarded(0, hour=3000, day=3000)
    bench.bolus(0, fast_mu=1000)
    bench.bolus(1, extended_mu=500, minutes=60)
    bench.run(100)
    assert [bench.bolus(100, fast_mu=1550), bench.bolus(100, fast_mu=1500)] == [NOT_NOW, OK]
    assert recorded(bench) == [(100, 4, CLIENT, 3050, 3000)]


def test_a_minute_leaves_the_hour_as_a_whole():
    """D-1205: pulses of minute 0 count up to minute 59, and no longer in minute 60."""
    bench = guarded(0, hour=1000)
    bench.bolus(0, fast_mu=1000)
    assert bench.bolus(3599, fast_mu=50) == NOT_NOW
    assert bench.bolus(3600, fast_mu=1000) == OK


def test_an_hour_leaves_the_day_as_a_whole():
    """D-1205: 24 pump hours, the one of s included."""
    bench = guarded(0, day=1000)
    bench.bolus(3599 - 60, fast_mu=1000)
    assert bench.bolus(86399, fast_mu=50) == NOT_NOW
    assert bench.bolus(86400, fast_mu=1000) == OK
    assert recorded(bench) == [(86399, 5, CLIENT, 1050, 1000)]


def test_a_pulse_too_many_stops_the_pump():
    """D-1205: the worked example: event, annunciation, Stop; nothing is read from the motor for it."""
    bench = guarded(1000, hour=1000)
    bench.bolus(0, fast_mu=1000)
    bench.tbr(1, 1000, 30)
    bench.run(200)
    assert len(bench.pulses) == 20
    assert 180 not in bench.readings
    assert bench.pump.therapy == events.STOP
    assert [name for s, name in bench.since(180)] == [
        "GUARDRAIL", "ANNUNCIATION", "TBR_ENDED", "BASAL_CHANGED", "THERAPY", "BASAL_CHANGED"
    ]  # fmt: skip
    assert recorded(bench) == [(180, 4, DEVICE, 1050, 1000)]
    announced = bench.all("ANNUNCIATION")[-1]
    assert announced[2] == events.MAX_DELIVERY
    assert bench.all("TBR_ENDED")[-1][2:4] == (events.ERROR_ABORT, announced[1])


def test_a_bolus_that_would_pass_the_day_ends():
    """D-1205: an extended bolus and a basal together; what was delivered is told."""
    bench = guarded(0, day=2000)
    bench.bolus(0, extended_mu=1000, minutes=60)
    bench.profile(1, (1440, 1000), template=2)
    assert bench.bolus(1, fast_mu=1000) == OK
    bench.run(3600)
    assert len(bench.pulses) == 40
    at_s = bench.all("THERAPY")[-1][0]
    assert recorded(bench) == [(at_s, 5, DEVICE, 2050, 2000)]
    ended = [line for line in bench.all("BOLUS_ENDED") if line[3] == events.ERROR_ABORT]
    assert [line[0] for line in ended] == [at_s]


def test_an_occlusion_and_a_full_window_at_once():
    """D-1205: the window is looked for first."""
    bench = guarded(1000, hour=50)
    bench.run(300)
    bench.occluded = True
    bench.run(360)
    assert bench.all("ANNUNCIATION")[-1][2] == events.MAX_DELIVERY


def test_prime_pulses_count_in_no_window():
    """D-1205."""
    bench = guarded(0, hour=100, day=100)
    bench.do(1, "set_therapy_state", events.STOP)
    bench.do(2, "start_priming", 1000)
    bench.do(60, "set_therapy_state", events.RUN)
    assert len(bench.pulses) == 20
    assert bench.bolus(61, fast_mu=100) == OK


def test_after_a_restart_the_day_goes_on_and_the_hour_is_empty():
    """D-1205: total daily insulin is in the newest hour of the day."""
    bench = Bench()
    bench.pump.daily.basal_mu = 900
    Restart(bench.pump).begin(0, 0, 0, 0, False)
    guard(bench, 1, hour=1000, day=1000)
    bench.dose(0, s=2)
    assert [bench.bolus(3, fast_mu=150), bench.bolus(4, fast_mu=100)] == [NOT_NOW, OK]
    assert recorded(bench) == [(3, 5, CLIENT, 1050, 1000)]


# --- Automatic decisions (1 to 3, 6, 8) ---------------------------------------------------------------------------


def tbr_allowed(guardrails, *asked):
    """What is allowed of a controller's TBR: rate, minutes and the guardrail that limited it; None when it is not."""
    if not guardrails.judge_tbr(*asked):
        return None
    return guardrails.tbr_mu_per_h, guardrails.tbr_minutes, guardrails.limited


def test_a_controllers_tbr():
    """D-1202, D-1208, D-109: cut to the guardrails and to a step; the first in the order of numbers is told."""
    bench = Bench({"BASAL_STEPS": ((35001, 100),)}).dose(1000)
    guard(bench, 1, basal=2550, decision=60)
    guardrails = bench.pump.guardrails
    assert tbr_allowed(guardrails, 2, 2600, 90, 1000, 0) == (2500, 60, 1)
    assert tbr_allowed(guardrails, 2, 2550, 90, 1000, 0) == (2500, 60, 8)
    assert tbr_allowed(guardrails, 2, 1030, 60, 1000, 0) == (1000, 60, 0)
    assert recorded(bench) == [(2, 1, CONTROLLER, 2600, 2550), (2, 8, CONTROLLER, 90, 60)]


def test_a_controllers_tbr_needs_room_for_insulin():
    """D-1204: above the profile's rate after its cut; equal to the limit and equal to the profile's rate pass."""
    bench = Bench({"BASAL_STEPS": ((35001, 100),)}).dose(1000)
    guard(bench, 1, iob=1000)
    guardrails = bench.pump.guardrails
    assert tbr_allowed(guardrails, 2, 1100, 30, 1000, 1000) == (1100, 30, 0)
    assert tbr_allowed(guardrails, 2, 1099, 30, 1000, 1001) == (1000, 30, 0)
    assert tbr_allowed(guardrails, 3, 1100, 30, 1000, 1001) is None
    assert guardrails.limited == 3
    assert recorded(bench) == [(3, 3, CONTROLLER, 1001, 1000)]


def test_a_controllers_bolus():
    """D-1203 to D-1205: cut to the guardrail, what is cut is judged by the others; one event for each dose."""
    bench = guarded(0, bolus=500, iob=2000, hour=1000)
    judge = bench.pump.guardrails.judge_bolus
    assert judge(1, 1200, 1500, 0) == 500
    assert judge(100, 500, 1501, 0) == 0
    assert judge(200, 300, 1000, 750) == 0
    assert judge(300, 40, 0, 0) == 0
    assert judge(400, 500, 0, 550) == 0
    assert judge(500, 1200, 1501, 0) == 0
    assert recorded(bench) == [
        (1, 2, CONTROLLER, 1200, 500), (100, 3, CONTROLLER, 2001, 2000), (200, 3, CONTROLLER, 2050, 2000),
        (400, 4, CONTROLLER, 1050, 1000), (500, 2, CONTROLLER, 1200, 500),
    ]  # fmt: skip


def test_automatic_boluses_keep_their_distance():
    """D-1206: exactly the time is enough; a client's does not count."""
    bench = guarded(0, interval=5)
    bench.bolus(0, fast_mu=50)
    guardrails = bench.pump.guardrails
    assert guardrails.judge_bolus(10, 100, 0, 0) == 100
    guardrails.note_automatic_bolus(10)
    assert [guardrails.judge_bolus(s, 100, 0, 0) for s in (309, 310)] == [0, 100]
    assert recorded(bench) == [(309, 6, CONTROLLER, 4, 5)]


@pytest.mark.parametrize(("minutes", "code"), [(15, OK), (16, OUT)])
def test_a_stale_limit_above_its_guardrail(minutes, code):
    """D-1207: refused with an event, and nothing changes."""
    bench = guarded(stale=15)
    bench.told.clear()
    assert configure(bench, 1, stale=minutes) == code
    assert recorded(bench) == [(1, 7, CLIENT, 16, 15)] * (code == OUT)
    assert len(bench.all("POINTER")) == (code == OK)


def test_other_settings_out_of_bounds_come_before_the_stale_limit():
    """D-1207."""
    bench = guarded(stale=15)
    assert configure(bench, 1, stale=20, horizon=9) == OUT
    assert recorded(bench) == []


def test_a_stale_guardrail_below_the_limit_holds_from_the_next_second():
    """D-1207, D-603: and the limit reads as it was written."""
    bench = plgs(stale=15)
    sample(bench, 0, 120)
    guard(bench, 400, stale=5)
    assert not bench.pump.control.cgm.stale
    bench.run(401)
    assert bench.pump.control.cgm.stale
    assert bench.pump.control.settings.stale_minutes == 15


@pytest.mark.parametrize(("longest", "minutes"), [(60, 60), (120, 120), (119, 119)])
def test_a_suspension_is_no_longer_than_its_guardrail(longest, minutes):
    """D-1208, D-609."""
    bench = plgs()
    guard(bench, 0, decision=longest)
    sample(bench, 5, 60)
    assert bench.all("TBR_STARTED")[-1][2] == minutes
    assert recorded(bench) == [(300, 8, CONTROLLER, 120, longest)] * (longest < 120)
