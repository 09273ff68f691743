"""The oracle over power cuts, DOSING.md D-921 to D-928.

Goal: the restarted pump's second 0, what survives and what does not, and the pulse in doubt. Method: a pump cut in the
middle of what runs, told how many pulses the motor showed and which records stayed.
"""

from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal

import pytest

from hil.oracle_bench import accept, code, plgs, profile, pulses, running, take
from pumprig.errors import UsageError
from pumprig.oracle import Oracle
from pumprig.oracle.commands import (
    ActivateProfile,
    AttachReservoir,
    ConfirmAnnunciation,
    DeleteRecords,
    RaiseAnnunciation,
    ResetOperationTime,
    SetBattery,
    SetBolus,
    SetClock,
    SetMaxBolus,
    SetReservoir,
    SetTbr,
    SetTbrTemplate,
    SetTherapyState,
    SnoozeAnnunciation,
    StartPriming,
    WriteProfile,
)
from pumprig.oracle.events import (
    Annunciation,
    BasalChanged,
    BolusEnded,
    BolusStarted,
    DailyInsulin,
    OperationalChanged,
    PrimingDone,
    ReferenceTime,
    ReservoirChanged,
    TbrEnded,
    TherapyChanged,
)
from pumprig.oracle.questions import GetActivatedProfiles, GetCounter, GetTbrTemplate

LOST = ReferenceTime(at_s=0, wall=datetime(2000, 1, 1), reason="date time loss")
STOPPED = TherapyChanged(at_s=0, old="run", new="stop")
QUIET = (1440, "0")


def iu(text):
    """An amount as on the wire."""
    return Decimal(text)


def minutes(oracle, at_s, counter):
    """What a counter has counted."""
    return accept(oracle, at_s, GetCounter(counter, "elapsed"))["minutes"]


def test_cut_in_a_bolus():
    """D-922: bolus of 2 U cut after 7 pulses: reference time, delivered 0.35 error abort, Stop, rate 1.0 to 0."""
    oracle = running()
    accept(oracle, 100, SetBolus(iu("2.0")))
    oracle.advance(115)
    first = oracle.records_stored()[-1][1] + 1
    after = oracle.power_cut()
    events = after.take_events()
    assert events == [
        LOST,
        BolusEnded(at_s=0, bolus_id=1, fast_mu=350, reason="error abort"),
        STOPPED,
        BasalChanged(at_s=0, old_mu_per_h=1000, new_mu_per_h=0, context="device"),
    ]
    assert [event.sequence for event in events] == [first, first + 1, first + 3, first + 4]
    assert [event.offset_s for event in events] == [0, 0, 0, 0]


def test_what_survives():
    """D-921: reservoir, counters, sums, templates, settings, IDs."""
    oracle = running()
    accept(oracle, 1, SetMaxBolus(iu("5.0")))
    accept(oracle, 1, SetTbrTemplate(4, "absolute", iu("2.0"), 30))
    accept(oracle, 1, SetBolus(iu("0.10")))
    oracle.advance(500)
    before = oracle.state()
    after = oracle.power_cut()
    state = after.state()
    assert (state.counters, state.reservoir_pulses) == (before.counters, 6000 - 4)
    assert (state.day_basal_mu, state.day_bolus_mu, state.delivered_basal_mu) == (100, 100, 100)
    assert (state.max_bolus_mu, state.active_template) == (5000, 1)
    assert accept(after, 1, GetTbrTemplate(4))["value"] == 2000
    assert accept(after, 1, GetActivatedProfiles()) == {"numbers": (1,)}
    assert (state.therapy, state.at_s, state.wall) == ("stop", 0, datetime(2000, 1, 1))
    accept(after, 1, SetTherapyState("run"))
    assert accept(after, 2, SetBolus(iu("0.10"))) == {"bolus_id": 2}


def test_what_does_not_survive():
    """D-921: IOB, the remainder, the CGM session, a lockout, an injected occlusion; the battery shows 100 % (D-841)."""
    oracle = plgs()
    accept(oracle, 10, SetBolus(iu("1.0")))
    accept(oracle, 11, SetBattery(50))
    oracle.sample(61, 1, 100)
    oracle.advance(170)
    assert oracle.state().remainder_mu > 0
    after = oracle.power_cut()
    state = after.state()
    assert (state.iob_mu, state.remainder_mu, state.battery_percent) == (0, 0, 100)
    assert state.controller.controller == "plgs"
    # The session is unknown, so no sample is usable; decisions are numbered anew.
    decision = after.sample(400, 6, 50)
    assert (decision.reason, decision.sequence) == ("invalid sample", 1)
    accept(after, 401, SetTherapyState("run"))
    assert pulses(after, 600, "basal") == [581]


def test_a_tbr_has_run_until_the_last_durable_second():
    """D-922, D-905: the TBR's group with the profile's rate of the lost clock, then therapy and rate."""
    oracle = running((60, "0.5"), (1380, "1.0"))
    accept(oracle, 4000, SetTbr(iu("2.0"), 60, context="AP controller"))
    oracle.advance(4200)
    assert oracle.power_cut(durable_s=4119).take_events() == [
        LOST,
        TbrEnded(at_s=0, reason="error abort", effective_minutes=1),
        BasalChanged(at_s=0, old_mu_per_h=2000, new_mu_per_h=500, context="device"),
        STOPPED,
        BasalChanged(at_s=0, old_mu_per_h=500, new_mu_per_h=0, context="device"),
    ]
    assert take(oracle.power_cut(), TbrEnded)[0].effective_minutes == 3


def test_a_pump_in_stop_records_the_reference_time_alone():
    """D-922: and the one in Pause has no rate to change."""
    assert Oracle().power_cut().take_events() == [LOST]
    oracle = running()
    accept(oracle, 10, SetTherapyState("pause"))
    assert oracle.power_cut().take_events() == [LOST, TherapyChanged(at_s=0, old="pause", new="stop")]


def test_a_priming_ends():
    """D-922, D-905: priming, then operational state."""
    oracle = Oracle()
    accept(oracle, 42, StartPriming(iu("1.0")))
    oracle.advance(50)
    assert oracle.power_cut({"prime": 4}, doubt="prime").take_events() == [
        LOST,
        Annunciation(at_s=0, annunciation_id=1, type="system issue", status="pending"),
        PrimingDone(at_s=0, delivered_mu=200, reason="error abort", annunciation_id=1),
        OperationalChanged(at_s=0, old="priming", new="ready"),
    ]


def test_a_snoozed_annunciation_is_pending_again():
    """D-922: and that is recorded; one that is pending is not."""
    oracle = running()
    accept(oracle, 10, RaiseAnnunciation("temperature"))
    accept(oracle, 11, RaiseAnnunciation("battery full"))
    accept(oracle, 12, SnoozeAnnunciation(2))
    accept(oracle, 13, RaiseAnnunciation("max delivery"))
    accept(oracle, 14, ConfirmAnnunciation(3))
    after = oracle.power_cut()
    assert take(after, Annunciation) == [Annunciation(at_s=0, annunciation_id=2, type="battery full", status="pending")]
    assert [notice.annunciation_id for notice in after.state().annunciations] == [1, 2]
    accept(after, 1, RaiseAnnunciation("max delivery"))
    assert take(after, Annunciation)[0].annunciation_id == 4
    after.advance(4000)
    assert take(after, Annunciation) == []


# --- pulses ---


def test_the_pulse_in_doubt_counts():
    """D-924: cut while basal pulse 17 turns: 17 pulses, one in doubt, source basal; the ends name *system issue*."""
    oracle = running()
    accept(oracle, 180 * 17, SetBolus(iu("2.0")))
    oracle.advance(180 * 17)
    after = oracle.power_cut(doubt="basal")
    counters = after.state().counters
    assert (counters.basal_pulses, counters.pulses_in_doubt, counters.doubt_source) == (17, 1, "basal")
    assert take(after, Annunciation, BolusEnded) == [
        Annunciation(at_s=0, annunciation_id=1, type="system issue", status="pending"),
        BolusEnded(at_s=0, bolus_id=1, reason="error abort", annunciation_id=1),
    ]
    again = after.power_cut(doubt="bolus")
    assert again.state().counters.pulses_in_doubt == 2
    assert again.take_events() == [LOST]


def test_a_pulse_that_left_before_its_records():
    """D-927: the pulse that brings 290 U leaves and the power goes: the reservoir event stands at second 0."""
    oracle = running(reservoir_pulses=5801)
    accept(oracle, 179, RaiseAnnunciation("temperature"))
    durable = oracle.records_stored()[-1][1] + 1
    oracle.advance(180)
    after = oracle.power_cut({"basal": 1}, records=durable)
    assert after.take_events()[:2] == [LOST, ReservoirChanged(at_s=0, remaining_mu=290_000)]
    assert after.state().reservoir_pulses == 5800
    assert after.state().counters.basal_pulses == 1
    assert after.state().day_basal_mu == 50


def test_the_pulse_that_empties_the_reservoir():
    """D-927, D-813: reservoir, both annunciations; the bolus whose last pulse it was is complete."""
    oracle = running(QUIET, reservoir_pulses=402)
    accept(oracle, 0, SetReservoir(402))
    accept(oracle, 10, SetBolus(iu("0.05")))
    accept(oracle, 10, SetReservoir(1))
    durable = oracle.records_stored()[-1][1] + 1
    oracle.advance(12)
    after = oracle.power_cut(records=durable)
    assert take(after) == [
        LOST,
        ReservoirChanged(at_s=0, remaining_mu=0),
        Annunciation(at_s=0, annunciation_id=1, type="reservoir empty", status="pending"),
        BolusEnded(at_s=0, bolus_id=1, fast_mu=50, reason="programmed amount delivered", annunciation_id=1),
        STOPPED,
    ]
    assert code(after, 1, SetTherapyState("run")) == 0x74


def test_a_bolus_whose_last_pulse_had_left_is_complete():
    """D-922: also when the record of its end was not durable."""
    oracle = running(QUIET)
    accept(oracle, 10, SetBolus(iu("0.10")))
    durable = oracle.records_stored()[-1][1] + 1
    oracle.advance(20)
    after = oracle.power_cut(records=durable)
    (end,) = take(after, BolusEnded)
    assert (end.reason, end.fast_mu, end.at_s) == ("programmed amount delivered", 100, 0)
    assert after.ledger().boluses[1].balanced


def test_a_pulse_that_the_power_took():
    """D-925: told of in an answer, and not counted any more; the record stays, the account says what left."""
    oracle = running(QUIET)
    accept(oracle, 10, SetBolus(iu("0.10")))
    oracle.advance(14)
    assert take(oracle, BolusEnded)[0].fast_mu == 100
    after = oracle.power_cut({"bolus": 1})
    state = after.state()
    assert (state.counters.bolus_pulses, state.reservoir_pulses, state.day_bolus_mu) == (1, 5999, 50)
    assert take(after, BolusEnded) == []
    account = after.ledger().boluses[1]
    assert (account.delivered_mu, account.dropped_mu, account.balanced) == (50, 50, True)
    assert after.ledger().bolus == account


def test_pulses_that_were_not_given_are_refused():
    """D-925: a mistake of the caller is told."""
    oracle = running()
    with pytest.raises(UsageError, match="1 basal pulses"):
        oracle.power_cut({"basal": 1})
    with pytest.raises(UsageError, match="doubt"):
        oracle.power_cut(doubt="none")


def test_which_part_of_a_multiwave_bolus_counts():
    """D-414, D-925: pulses are taken back from the newest on."""
    oracle = running(QUIET)
    accept(oracle, 0, SetBolus(iu("0.20"), "multiwave", iu("0.20"), 1))
    oracle.advance(15)
    assert oracle.pulses_given() == ("extended",) * 5
    (end,) = take(oracle.power_cut({"extended": 4}), BolusEnded)
    assert (end.fast_mu, end.extended_mu) == (200, 0)


def test_a_waiting_bolus_ends():
    """D-411, D-415, D-922: nothing delivered, the start offset is that to the end."""
    oracle = running(QUIET)
    accept(oracle, 100, SetBolus(iu("0"), "extended", iu("1.0"), 60, delay_minutes=10))
    accept(oracle, 200, SetBolus(iu("1.0")))
    oracle.advance(210)
    assert take(oracle.power_cut(), BolusEnded) == [
        BolusEnded(at_s=0, bolus_id=2, fast_mu=250, reason="error abort"),
        BolusEnded(at_s=0, bolus_id=1, bolus_type="extended", start_offset_s=110, reason="error abort"),
    ]


# --- records ---


def test_what_was_not_durable_never_was():
    """D-926: cut between the two records of a bolus: neither is there, and the bolus never was."""
    oracle = running(QUIET)
    accept(oracle, 10, SetMaxBolus(iu("5.0")))
    durable = oracle.records_stored()[-1][1] + 1
    accept(oracle, 20, SetBolus(iu("1.0")))
    (started,) = take(oracle, BolusStarted)
    for records in (durable, durable + 1):
        after = oracle.power_cut(records=records)
        events = after.take_events()
        assert events == [LOST, STOPPED]
        assert events[0].sequence == durable == started.sequence
        assert after.state().max_bolus_mu == 5000
        assert after.ledger().boluses == {}
    whole = oracle.power_cut(records=durable + 2)
    assert [type(event) for event in whole.take_events()] == [ReferenceTime, BolusEnded, TherapyChanged]


def test_a_tbr_that_ended_just_before_the_cut():
    """D-926: without the record of its end it has run until the cut."""
    oracle = running()
    accept(oracle, 0, SetTbr(iu("2.0"), 10))
    oracle.advance(590)
    durable = oracle.records_stored()[-1][1] + 1
    oracle.advance(600)
    (end,) = take(oracle.power_cut(records=durable), TbrEnded)
    assert (end.reason, end.effective_minutes) == ("error abort", 10)
    assert take(oracle.power_cut(), TbrEnded) == []


def test_deleted_records_stay_deleted():
    """D-911: and numbers are not given again."""
    oracle = running()
    accept(oracle, 10, SetMaxBolus(iu("5.0")))
    last = oracle.records_stored()[-1][1]
    assert code(oracle, 11, DeleteRecords()) == 0xF0
    after = oracle.power_cut()
    assert after.records_stored()[0][0] == last + 1


def test_this_oracle_goes_on_as_it_was():
    """D-922: the restarted pump is another one."""
    oracle = running()
    accept(oracle, 100, SetBolus(iu("2.0")))
    oracle.advance(115)
    before = (oracle.state(), oracle.ledger())
    oracle.power_cut(doubt="bolus").advance(5000)
    assert (oracle.state(), oracle.ledger()) == before
    oracle.advance(180)
    assert oracle.state().bolus is None


def test_two_cuts_one_after_the_other():
    """D-926: the second life is found again from its own second 0."""
    oracle = running()
    accept(oracle, 100, SetBolus(iu("2.0")))
    oracle.advance(115)
    second = oracle.power_cut()
    accept(second, 10, SetTherapyState("run"))
    durable = second.records_stored()[-1][1] + 1
    accept(second, 20, SetBolus(iu("1.0")))
    second.advance(30)
    assert second.pulses_given() == ("bolus",) * 5
    third = second.power_cut({"bolus": 0}, records=durable)
    assert third.state().counters.bolus_pulses == 7
    assert take(third)[1:] == [STOPPED, BasalChanged(at_s=0, old_mu_per_h=1000, new_mu_per_h=0, context="device")]
    assert all(account.balanced for account in (third.ledger().basal, third.ledger().bolus))


# --- the day, and the counters of minutes ---


def day_of_the_cut():
    """A pump that delivered on 2 May, cut."""
    oracle = running(QUIET)
    accept(oracle, 1, SetClock(datetime(2026, 5, 2, 12)))
    accept(oracle, 2, SetBolus(iu("10.0")))
    oracle.advance(1000)
    after = oracle.power_cut()
    take(after)
    return after


def test_another_date_records_the_day_of_the_cut():
    """D-928: cut on 2 May after 10 U, clock set to 3 May: 10 U are recorded for 2 May, date changed."""
    after = day_of_the_cut()
    accept(after, 60, SetClock(datetime(2026, 5, 3, 8)))
    assert take(after)[:2] == [
        DailyInsulin(at_s=60, day=date(2026, 5, 2), bolus_mu=10_000, basal_mu=0, clock_changed=True),
        ReferenceTime(at_s=60, wall=datetime(2026, 5, 3, 8), reason="set date time"),
    ]
    assert after.state().day_bolus_mu == 0


def test_the_same_date_goes_on():
    """D-928: nothing is recorded."""
    after = day_of_the_cut()
    accept(after, 60, SetClock(datetime(2026, 5, 2, 13)))
    assert take(after, DailyInsulin) == []
    assert after.state().day_bolus_mu == 10_000
    assert after.state().day == date(2026, 5, 2)


def test_midnight_on_the_lost_clock():
    """D-928: the day is recorded with the date that it had, also over a second cut."""
    after = day_of_the_cut().power_cut()
    after.advance(86_400)
    assert take(after, DailyInsulin) == [
        DailyInsulin(at_s=86_400, day=date(2026, 5, 2), bolus_mu=10_000, basal_mu=0, clock_changed=False)
    ]
    after.advance(2 * 86_400)
    assert take(after, DailyInsulin)[0].day == date(2000, 1, 2)


def test_counters_go_on():
    """D-514: over power cuts, of what was durable; the operation time from its reset."""
    oracle = running()
    accept(oracle, 60, ResetOperationTime())
    oracle.advance(150)
    after = oracle.power_cut(durable_s=130)
    assert minutes(after, 49, "lifetime") == 2
    assert minutes(after, 50, "lifetime") == 3
    assert minutes(after, 50, "reservoir insulin operation time") == 2
    accept(after, 70, ResetOperationTime())
    assert minutes(after, 129, "reservoir insulin operation time") == 0
    third = after.power_cut(durable_s=100)
    assert minutes(third, 30, "reservoir insulin operation time") == 1


def test_a_detached_reservoir_stays_detached():
    """D-921: whether it is attached survives, and so does what a write to the activated profile brought."""
    oracle = running()
    accept(oracle, 10, WriteProfile(2, profile((1440, "2.0"))))
    accept(oracle, 11, ActivateProfile(2))
    accept(oracle, 20, AttachReservoir(False))
    after = oracle.power_cut()
    assert not after.state().reservoir_attached
    accept(after, 1, AttachReservoir(True))
    accept(after, 10, SetTherapyState("run"))
    assert replace(after.state().counters, reservoir_pulses=0) == replace(oracle.state().counters, reservoir_pulses=0)
    assert after.state().rate_in_force_mu_per_h == 2000
