"""The oracle's guardrails, DOSING.md section 16.

Goal: D-1201 to D-1208 hold of the oracle, each at its bound, with the record that tells of it.
Method: guardrails tightened before a run, commands just at and just above them; answers, records and due seconds.
"""

from decimal import Decimal

import pytest

from hil.oracle_bench import MIDNIGHT, accept, at, code, plgs, profile, pulses, running, take
from pumprig.errors import UsageError
from pumprig.oracle import Guardrails, Oracle, OracleSettings
from pumprig.oracle.commands import (
    ActivateProfile,
    CancelTbr,
    Configure,
    OpenCgmSession,
    SetBolus,
    SetBolusTemplate,
    SetGuardrails,
    SetMaxBolus,
    SetTbr,
    SetTbrTemplate,
    SetTherapyState,
    StartPriming,
    WriteProfile,
)
from pumprig.oracle.events import (
    Annunciation,
    BasalChanged,
    BolusEnded,
    BolusStarted,
    GuardrailHeld,
    Pulse,
    SettingsWritten,
    TbrEnded,
    TbrStarted,
    TherapyChanged,
)
from pumprig.oracle.guardrails import AutomaticTbr, Guardrail, Held, automatic_bolus, automatic_tbr

U = Decimal


def guarded(*blocks, **guardrails):
    """A pump in Run whose guardrails a client has tightened, its events so far taken."""
    oracle = running(*blocks)
    accept(oracle, 0, SetGuardrails(**guardrails))
    oracle.take_events()
    return oracle


def held(at_s, guardrail, asked, allowed, by="client"):
    """The record of a guardrail."""
    return GuardrailHeld(at_s=at_s, guardrail=guardrail, asked_by=by, asked=asked, allowed=allowed)


# --- D-1201 ---


@pytest.mark.parametrize(
    ("name", "least", "most"),
    [
        ("basal_mu_per_h", 50, 30_000),
        ("bolus_mu", 50, 25_000),
        ("iob_mu", 50, 50_000),
        ("hour_mu", 50, 60_000),
        ("day_mu", 50, 300_000),
        ("interval_minutes", 1, 240),
        ("stale_minutes", 5, 60),
        ("decision_minutes", 5, 240),
    ],
)
def test_what_a_client_may_write(name, least, most):
    """D-1201: from one pulse, or five minutes, to the bound; 6 from the bound to 240 min; else 0xFF and no change."""
    oracle = running()
    for value, answer in ((least, 0), (most, 0), (least - 1, 0xFF), (most + 1, 0xFF)):
        before = oracle.state().guardrails
        assert code(oracle, 10, SetGuardrails(**{name: value})) == answer
        assert (oracle.state().guardrails == before) == (answer != 0 or getattr(before, name) == value)
        assert take(oracle, SettingsWritten) == ([] if answer else [SettingsWritten(at_s=10)])


def test_the_bounds_are_data_of_the_pump():
    """D-1201: the guardrails begin at the pump's own bounds, and no client loosens them."""
    oracle = running(settings=OracleSettings(guardrails=Guardrails(basal_mu_per_h=5000, interval_minutes=3)))
    assert oracle.state().guardrails == Guardrails(basal_mu_per_h=5000, interval_minutes=3)
    assert code(oracle, 1, SetGuardrails(basal_mu_per_h=5001)) == 0xFF
    assert code(oracle, 2, SetGuardrails(interval_minutes=2)) == 0xFF
    assert code(oracle, 3, SetTbr(U("5.0"), 30)) == 0x0F
    assert code(oracle, 4, SetTbr(U("5.1"), 30, change=True)) == 0x73


def test_the_worked_example():
    """D-1201: basal 2 U/h written at 100, Set TBR 2.5 at 200: 0x73 and its record."""
    oracle = running()
    accept(oracle, 100, SetGuardrails(basal_mu_per_h=2000))
    oracle.advance(200)
    oracle.take_events()
    assert code(oracle, 200, SetTbr(U("2.5"), 30)) == 0x73
    assert take(oracle) == [held(200, 1, 2500, 2000)]


def test_guardrails_survive_a_power_cut():
    """D-1201, D-921."""
    oracle = guarded(hour_mu=1000)
    oracle.advance(100)
    assert oracle.power_cut().state().guardrails.hour_mu == 1000


# --- D-1202 ---


@pytest.mark.parametrize(
    ("command", "answer", "recorded"),
    [
        (SetTbr(U("2.0"), 30), 0x0F, False),
        (SetTbr(U("2.01"), 30), 0x73, True),
        (SetTbr(U("2.01"), 0), 0x73, False),
        (SetTbr(U("30.1"), 30), 0x73, False),
        (SetTbr(U("2.01"), 30, change=True), 0x73, True),
        (SetTbr(U("2.5"), 30, tbr_type="relative"), 0x0F, False),
        (SetTbrTemplate(4, "absolute", U("2.01"), 30), 0x73, True),
        (SetTbrTemplate(6, "absolute", U("2.01"), 30), 0x73, True),
        (SetTbrTemplate(3, "absolute", U("2.01"), 30), 0x73, False),
        (SetTbrTemplate(4, "relative", U("2.5"), 30), 0x0F, False),
        (WriteProfile(2, profile((1440, "2.0"))), 0x0F, False),
        (WriteProfile(2, profile((720, "1.0"), (720, "2.01"))), 0x73, True),
        (WriteProfile(2, profile((0, "2.01"), (1440, "1.0"))), 0x73, False),
    ],
)
def test_basal_guardrail_of_a_client(command, answer, recorded):
    """D-1202: after every other refusal of the value, before those of 0x74."""
    oracle = guarded(basal_mu_per_h=2000)
    assert code(oracle, 10, command) == answer
    assert take(oracle, GuardrailHeld) == ([held(10, 1, 2010, 2000)] if recorded else [])


def test_template_above_a_tightened_guardrail():
    """D-1202: judged when it is set, and again when it is used."""
    oracle = running()
    accept(oracle, 1, SetTbrTemplate(4, "absolute", U("3.0"), 30))
    accept(oracle, 2, SetGuardrails(basal_mu_per_h=2000))
    accept(oracle, 3, SetTherapyState("stop"))
    oracle.take_events()
    assert code(oracle, 10, SetTbr(U(0), 1, template_number=4)) == 0x73
    assert take(oracle) == [held(10, 1, 3000, 2000)]


def test_what_runs_is_cut_down_and_comes_back():
    """D-1202: profile 1 U/h, guardrail 0.5 at 100: rate 0.5 from 100, without a record of its own; looser at 200."""
    oracle = running()
    accept(oracle, 100, SetGuardrails(basal_mu_per_h=500))
    assert take(oracle) == [
        SettingsWritten(at_s=100),
        BasalChanged(at_s=100, old_mu_per_h=1000, new_mu_per_h=500, context="device"),
    ]
    assert oracle.state().profile_rate_mu_per_h == 1000
    accept(oracle, 200, SetGuardrails(basal_mu_per_h=800))
    assert oracle.state().rate_in_force_mu_per_h == 800


@pytest.mark.parametrize(("kind", "value"), [("absolute", "1.5"), ("relative", "1.5")])
def test_a_running_tbr_is_cut_down(kind, value):
    """D-1202: an absolute one as well as a relative one."""
    oracle = running()
    accept(oracle, 10, SetTbr(U(value), 60, tbr_type=kind))
    accept(oracle, 100, SetGuardrails(basal_mu_per_h=1200))
    state = oracle.state()
    assert state.rate_in_force_mu_per_h == state.tbr.rate_mu_per_h == 1200
    assert state.tbr.value == 1500


# --- D-1203 ---


@pytest.mark.parametrize(
    ("command", "answer", "asked"),
    [
        (SetBolus(U("2.0")), 0x0F, None),
        (SetBolus(U("2.05")), 0x73, 2050),
        (SetBolus(U("2.07")), 0x73, None),
        (SetBolus(U("1.0"), "multiwave", U("1.05"), 60), 0x73, 2050),
        (SetBolus(U("1.0"), "multiwave", U("1.05"), 721), 0x73, None),
        (SetBolus(U("10.05")), 0x73, None),
        (SetBolusTemplate(7, "fast", U("2.05")), 0x73, 2050),
        (SetBolusTemplate(6, "fast", U("2.05")), 0x73, None),
        (SetMaxBolus(U("2.0")), 0x0F, None),
        (SetMaxBolus(U("2.05")), 0x73, 2050),
        (SetMaxBolus(U("25.05")), 0x73, None),
    ],
)
def test_bolus_guardrail_of_a_client(command, answer, asked):
    """D-1203: 2.0 accepted, 2.05 answers 0x73; what D-401 and D-802 refuse is not recorded."""
    oracle = guarded(bolus_mu=2000)
    assert code(oracle, 10, command) == answer
    assert take(oracle, GuardrailHeld) == ([] if asked is None else [held(10, 2, asked, 2000)])


def test_bolus_template_above_a_tightened_guardrail():
    """D-1203: when it is used, before the therapy state is looked at."""
    oracle = running()
    accept(oracle, 1, SetBolusTemplate(7, "fast", U("3.0")))
    accept(oracle, 2, SetGuardrails(bolus_mu=2000))
    accept(oracle, 3, SetTherapyState("stop"))
    oracle.take_events()
    assert code(oracle, 10, SetBolus(U(0), template_number=7)) == 0x73
    assert take(oracle) == [held(10, 2, 3000, 2000)]


# --- D-1204 ---


def test_iob_and_what_is_to_come():
    """D-1204: limit 3 U: 2 U at 0 is accepted, 1.05 U more at 1 answers 0x72, 1.00 U is accepted."""
    oracle = guarded((1440, "0"), iob_mu=3000)
    accept(oracle, 0, SetBolus(U("2.0")))
    assert code(oracle, 1, SetBolus(U(0), "extended", U("1.05"), 60)) == 0x72
    assert take(oracle) == [BolusStarted(at_s=0, bolus_id=1, fast_mu=2000), held(1, 3, 3050, 3000)]
    accept(oracle, 1, SetBolus(U(0), "extended", U("1.0"), 60))


def test_iob_itself_forbids():
    """D-1204: about half of a bolus is left after 104 min, and counts; what is asked holds whole mU of it."""
    oracle = guarded((1440, "0"))
    accept(oracle, 0, SetBolus(U("2.0")))
    oracle.advance(6240)
    left_mu = int(oracle.state().iob_mu)
    assert 990 < left_mu < 1010
    accept(oracle, 6240, SetGuardrails(iob_mu=left_mu + 2001))
    oracle.take_events()
    assert code(oracle, 6241, SetBolus(U("2.05"))) == 0x72
    (event,) = take(oracle)
    assert event == held(6241, 3, left_mu + 2050, left_mu + 2001)
    assert event.doubt_mu == oracle.state().iob_tolerance_mu
    accept(oracle, 6242, SetBolus(U("2.0")))


@pytest.mark.parametrize(
    ("rate", "kind", "answer"),
    [("1.0", "absolute", 0x0F), ("1.01", "absolute", 0x72), ("1.0", "relative", 0x0F), ("1.1", "relative", 0x72)],
)
def test_high_tbr_while_iob_is_above(rate, kind, answer):
    """D-1204: only one above the profile's rate, absolute or relative, and only while IOB is above."""
    oracle = running()
    accept(oracle, 0, SetBolus(U("2.0")))
    oracle.advance(100)
    accept(oracle, 100, SetGuardrails(iob_mu=1900))
    oracle.take_events()
    assert code(oracle, 101, SetTbr(U(rate), 30, tbr_type=kind)) == answer
    assert take(oracle, GuardrailHeld) == ([held(101, 3, 1999, 1900)] if answer == 0x72 else [])


@pytest.mark.parametrize("told", [True, False, None])
@pytest.mark.parametrize("off_mu", [-2, -1, 0, 1, 2])
def test_the_answer_of_the_pump_within_the_tolerance(told, off_mu):
    """D-1204, D-703: asked for there, and there alone, once; without an answer the oracle's own holds."""
    oracle = guarded((1440, "0"))
    accept(oracle, 0, SetBolus(U("2.0")))
    oracle.advance(6240)
    iob_mu, tolerance_mu = oracle.state().iob_mu, oracle.state().iob_tolerance_mu
    limit_mu = int(iob_mu) + 50 + off_mu
    accept(oracle, 6240, SetGuardrails(iob_mu=limit_mu))
    asked = []

    def heard(held):
        asked.append(held)
        return told

    answer = oracle.command(6241, SetBolus(U("0.05")), heard)
    within, above = abs(iob_mu + 50 - limit_mu) <= tolerance_mu, iob_mu + 50 > limit_mu
    assert asked == ([Held.COMMAND] if within else [])
    assert answer.code == (0x72 if (above if told is None or not within else told) else 0x0F)
    assert (len(take(oracle, GuardrailHeld)) == 1) == (answer.code == 0x72)
    # A life that is played again asks nobody a second time.
    oracle.advance(6300)
    oracle.power_cut(records=oracle.records_stored()[-1][1] - 1)
    assert len(asked) == within


def test_nothing_on_board_leaves_no_doubt():
    """D-1204: a bolus of exactly the limit is accepted, whatever anybody says."""
    oracle = guarded((1440, "0"), iob_mu=1000)
    assert oracle.command(5, SetBolus(U("1.0")), lambda held: True).code == 0x0F


def test_low_iob_lets_a_high_tbr_run():
    """D-1204: at the limit is not above it."""
    oracle = running()
    accept(oracle, 0, SetBolus(U("2.0")))
    accept(oracle, 100, SetGuardrails(iob_mu=2000))
    assert code(oracle, 101, SetTbr(U("2.0"), 30)) == 0x0F


def test_guardrails_come_last():
    """D-1204, D-1201: a bolus that its place, its reservoir or therapy refuse is not recorded."""
    oracle = guarded((1440, "0"), iob_mu=1000)
    accept(oracle, 0, SetBolus(U("0.5")))
    assert code(oracle, 1, SetBolus(U("1.0"))) == 0x76
    accept(oracle, 2, SetTherapyState("stop"))
    assert code(oracle, 3, SetBolus(U("2.0"))) == 0x74
    assert take(oracle, GuardrailHeld) == []


# --- D-1205 ---


def test_the_hour_stops_delivery_at_its_limit():
    """D-1205: 0.1 U an hour, 1 U/h from 0: pulses at 180 and 360, at 540 the pump stops with max delivery."""
    oracle = guarded(hour_mu=100)
    assert pulses(oracle, 3600) == [180, 360]
    oracle = guarded(hour_mu=100)
    oracle.advance(3600)
    assert [event for event in take(oracle) if event.at_s == 540] == [
        held(540, 4, 150, 100, "device"),
        Annunciation(at_s=540, annunciation_id=1, type="max delivery", status="pending"),
        TherapyChanged(at_s=540, old="run", new="stop"),
        BasalChanged(at_s=540, old_mu_per_h=1000, new_mu_per_h=0, context="device"),
    ]


def test_what_runs_ends_as_by_an_occlusion():
    """D-1205, D-821: a bolus and a TBR end with error abort and name the annunciation."""
    oracle = guarded((1440, "0"), hour_mu=200)
    accept(oracle, 0, SetTbr(U("1.0"), 30))
    accept(oracle, 171, SetBolus(U("0.2")))
    oracle.advance(400)
    events = take(oracle, Pulse, BolusEnded, TbrEnded, GuardrailHeld)
    assert [event.at_s for event in events if isinstance(event, Pulse)] == [173, 175, 177, 179]
    assert events[4:] == [
        BolusEnded(at_s=179, bolus_id=1, fast_mu=200, reason="programmed amount delivered"),
        held(180, 4, 250, 200, "device"),
        TbrEnded(at_s=180, reason="error abort", effective_minutes=3, annunciation_id=1),
    ]


@pytest.mark.parametrize(("at_s", "answer"), [(3599, 0x72), (3600, 0x0F)])
def test_the_hour_counts_pump_minutes(at_s, answer):
    """D-1205: a pulse of minute 0 counts up to the last second of minute 59."""
    oracle = guarded((1440, "0"), hour_mu=1000)
    accept(oracle, 0, SetBolus(U("1.0")))
    oracle.advance(3000)
    oracle.take_events()
    assert code(oracle, at_s, SetBolus(U("0.05"))) == answer
    assert take(oracle, GuardrailHeld) == ([held(at_s, 4, 1050, 1000)] if answer == 0x72 else [])


@pytest.mark.parametrize(("at_s", "answer"), [(24 * 3600 - 1, 0x72), (24 * 3600, 0x0F)])
def test_the_day_counts_pump_hours(at_s, answer):
    """D-1205: a pulse of hour 0 counts up to the last second of hour 23."""
    oracle = guarded((1440, "0"), day_mu=1000)
    accept(oracle, 3598 - 38, SetBolus(U("1.0")))
    oracle.advance(at_s)
    oracle.take_events()
    assert code(oracle, at_s, SetBolus(U("0.05"))) == answer
    assert take(oracle, GuardrailHeld) == ([held(at_s, 5, 1050, 1000)] if answer == 0x72 else [])


def test_hour_comes_before_day_and_iob_before_both():
    """D-1201: the first in the order of numbers is recorded, and it alone."""
    oracle = guarded((1440, "0"), iob_mu=100, hour_mu=100, day_mu=100)
    assert code(oracle, 10, SetBolus(U("0.15"))) == 0x72
    accept(oracle, 11, SetGuardrails(iob_mu=1000))
    assert code(oracle, 12, SetBolus(U("0.15"))) == 0x72
    accept(oracle, 13, SetGuardrails(hour_mu=1000))
    assert code(oracle, 14, SetBolus(U("0.15"))) == 0x72
    assert [event.guardrail for event in take(oracle, GuardrailHeld)] == [3, 4, 5]


def test_prime_pulses_count_for_nothing():
    """D-1205."""
    oracle = guarded((1440, "0"), hour_mu=100)
    accept(oracle, 0, SetTherapyState("stop"))
    accept(oracle, 1, StartPriming(U("1.0")))
    assert len(pulses(oracle, 100, "prime")) == 20
    accept(oracle, 101, SetTherapyState("run"))
    assert code(oracle, 102, SetBolus(U("0.1"))) == 0x0F


def test_after_a_power_cut_the_day_goes_on_and_the_hour_is_empty():
    """D-1205, D-928: 1 U of before counts for the day, not for the hour."""
    oracle = guarded((1440, "0"), hour_mu=1000, day_mu=1500)
    accept(oracle, 0, SetBolus(U("1.0")))
    oracle.advance(100)
    again = oracle.power_cut()
    accept(again, 1, SetTherapyState("run"))
    again.take_events()
    assert code(again, 2, SetBolus(U("0.55"))) == 0x72
    assert take(again) == [held(2, 5, 1550, 1500)]
    assert code(again, 3, SetBolus(U("0.5"))) == 0x0F


def test_the_least_rate_is_the_least_guardrail():
    """D-1202: one that would leave nothing of any rate is refused."""
    oracle = running(settings=OracleSettings(basal_min_mu_per_h=100, basal_steps=((30_001, 50),)))
    assert [code(oracle, 1, SetGuardrails(basal_mu_per_h=rate)) for rate in (99, 100)] == [0xFF, 0x00]
    assert oracle.state().rate_in_force_mu_per_h == 100


# --- a controller's own ---


def test_automatic_tbr_is_cut_down():
    """D-1202, D-1208: to rate and duration; the first in the order of numbers is recorded."""
    oracle = guarded(basal_mu_per_h=2000, decision_minutes=60)
    pump = oracle._pump
    assert automatic_tbr(pump, 0, 2000, 60) == AutomaticTbr(2000, 60, True, Guardrail.NONE)
    cut = automatic_tbr(pump, 0, 2500, 120)
    assert (cut.rate_mu_per_h, cut.minutes, cut.allowed, cut.guardrail) == (2000, 60, True, 1)
    assert automatic_tbr(pump, 0, 0, 120).guardrail == 8
    assert take(oracle) == [held(0, 1, 2500, 2000, "controller"), held(0, 8, 120, 60, "controller")]


def test_automatic_tbr_while_iob_is_above():
    """D-1204: none above the profile's rate; a lower one is set."""
    oracle = running()
    accept(oracle, 0, SetBolus(U("2.0")))
    accept(oracle, 100, SetGuardrails(iob_mu=1900))
    oracle.take_events()
    assert not automatic_tbr(oracle._pump, 100, 1001, 30).allowed
    assert automatic_tbr(oracle._pump, 100, 1000, 30).allowed
    assert take(oracle) == [held(100, 3, 1999, 1900, "controller")]


def test_automatic_bolus():
    """D-1203 to D-1206: cut down to the guardrail; IOB, hour, day and interval forbid it."""
    oracle = guarded((1440, "0"), bolus_mu=500, iob_mu=700, interval_minutes=3)
    pump = oracle._pump
    oracle.advance(600)
    assert (automatic_bolus(pump, 600, 500).pulses, automatic_bolus(pump, 600, 550).pulses) == (10, 10)
    assert take(oracle) == [held(600, 2, 550, 500, "controller")]
    accept(oracle, 600, SetBolus(U("0.3")))
    assert automatic_bolus(pump, 601, 450).pulses == 0
    assert take(oracle, GuardrailHeld) == [held(601, 3, 750, 700, "controller")]


@pytest.mark.parametrize(("at_s", "given"), [(779, 0), (780, 2)])
def test_interval_between_automatic_boluses(at_s, given):
    """D-1206: 3 min: one at 600, the next from 780 on."""
    oracle = guarded((1440, "0"), interval_minutes=3)
    oracle._pump.last_automatic_bolus_s = 600
    oracle.advance(at_s)
    assert automatic_bolus(oracle._pump, at_s, 100).pulses == given
    assert take(oracle) == ([] if given else [held(at_s, 6, 2, 3, "controller")])


def test_a_suspension_is_no_longer_than_a_decision_may_last():
    """D-1208, D-609: guardrail 60 min, allowance 120 min: programmed for 60, the record before the TBR."""
    oracle = plgs()
    accept(oracle, 1, SetGuardrails(decision_minutes=60))
    oracle.take_events()
    assert at(oracle, 60, 1, 60) == ("suspend", "low now")
    assert take(oracle)[:2] == [
        held(60, 8, 120, 60, "controller"),
        TbrStarted(at_s=60, value=0, duration_minutes=60, context="AP controller"),
    ]
    accept(oracle, 61, CancelTbr())
    accept(oracle, 62, SetTbr(U("1.0"), 120))


# --- D-1207 ---


@pytest.mark.parametrize(("stale_minutes", "answer"), [(10, 0), (11, 0xFF)])
def test_stale_limit(stale_minutes, answer):
    """D-1207: guardrail 10 min: a stale limit of 10 is accepted, 11 is not, and that is recorded."""
    oracle = guarded(stale_minutes=10)
    assert code(oracle, 10, Configure(controller="plgs", stale_minutes=stale_minutes)) == answer
    assert take(oracle) == ([held(10, 7, 11, 10)] if answer else [SettingsWritten(at_s=10)])


def test_values_that_no_settings_hold_are_no_matter_of_the_guardrail():
    """D-1207: looked for after D-616."""
    oracle = guarded(stale_minutes=10)
    assert code(oracle, 10, Configure(stale_minutes=61)) == 0xFF
    assert take(oracle) == []


def test_a_tightened_stale_limit_is_in_force_and_not_read():
    """D-1207: the lesser of both, from the next second."""
    oracle = running()
    accept(oracle, 0, OpenCgmSession(MIDNIGHT))
    at(oracle, 1, 0, 100)
    accept(oracle, 700, SetGuardrails(stale_minutes=5))
    assert not oracle.state().cgm_stale
    oracle.advance(701)
    assert oracle.state().cgm_stale
    assert oracle.state().controller.stale_minutes == 15


# --- D-205 ---


def test_a_basal_that_cannot_be_adjusted():
    """D-205: fixed at 1 U/h, Run at 0: pulses at 180, 360; Set TBR answers 0x70, a controller 0xFF."""
    oracle = fixed(1000)
    accept(oracle, 0, SetTherapyState("run"))
    assert pulses(oracle, 400) == [180, 360]
    for command in (SetTbr(U("1.0"), 30), CancelTbr(), SetTbrTemplate(4, "absolute", U("1.0"), 30)):
        assert code(oracle, 400, command) == 0x70
    assert code(oracle, 400, WriteProfile(1, profile((1440, "1.0")))) == 0x70
    assert code(oracle, 400, ActivateProfile(1)) == 0x74
    assert code(oracle, 400, Configure(controller="plgs")) == 0xFF
    assert code(oracle, 400, Configure(controller="manual")) == 0
    assert code(oracle, 401, SetBolus(U("1.0"))) == 0x0F


def test_no_basal_at_all():
    """D-205: without a rate no basal pulse falls due."""
    oracle = fixed(0)
    accept(oracle, 0, SetTherapyState("run"))
    assert pulses(oracle, 100_000) == []


def fixed(rate_mu_per_h):
    """A pump whose basal cannot be adjusted, in Stop."""
    oracle = Oracle(OracleSettings(basal_adjustable=False, basal_fixed_mu_per_h=rate_mu_per_h))
    oracle.take_events()
    return oracle


def test_settings_that_no_pump_has():
    """D-1201: bounds are whole numbers from 1."""
    with pytest.raises(UsageError):
        OracleSettings(basal_min_mu_per_h=0)
