"""What the oracle expects of the pump's account of itself, DOSING.md section 11.

Goal: D-901 to D-907 hold of the oracle: sums of the day and since the start, counters, ledger, history, reference time.
Method: known rates over known hours, clock changes on both sides of midnight, and the sequence of all records.
"""

from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest

from hil.oracle_bench import MIDNIGHT, accept, plgs, profile, running, take
from pumprig.errors import UsageError
from pumprig.oracle import ControllerSettings, Guardrails, Oracle, OracleSettings
from pumprig.oracle.commands import (
    ActivateProfile,
    CancelTbr,
    Configure,
    SetBolus,
    SetClock,
    SetMaxBolus,
    SetTbr,
    SetTherapyState,
    SnoozeAnnunciation,
    WriteProfile,
)
from pumprig.oracle.events import (
    BasalChanged,
    DailyInsulin,
    MaxBolusChanged,
    Pulse,
    ReferenceTime,
    SettingsWritten,
    TbrEnded,
    TherapyChanged,
)


def test_day_is_recorded_at_midnight_and_begins_at_zero():
    """D-901: bolus and basal of each day from delivered pulses, also of a day without any."""
    oracle = running()
    accept(oracle, 1000, SetBolus(Decimal("2.5")))
    oracle.advance(86_399)
    assert (oracle.state().day_bolus_mu, oracle.state().day_basal_mu) == (2500, 479 * 50)
    oracle.advance(86_400)
    accept(oracle, 86_400, SetTherapyState("stop"))
    oracle.advance(2 * 86_400)
    assert take(oracle, DailyInsulin) == [
        DailyInsulin(at_s=86_400, day=date(2000, 1, 1), bolus_mu=2500, basal_mu=24_000),
        DailyInsulin(at_s=172_800, day=date(2000, 1, 2), bolus_mu=0, basal_mu=0),
    ]


@pytest.mark.parametrize(
    ("wall", "recorded"),
    [
        (datetime(2000, 1, 1, 23, 59, 59), False),
        (datetime(2000, 1, 1), False),
        (datetime(2000, 1, 2), True),
        (datetime(1999, 12, 31, 12), True),
    ],
)
def test_clock_change_to_another_date_records_the_day(wall, recorded):
    """D-901, D-905: with its flag and its old date, before the reference time; to the same date nothing."""
    oracle = running()
    oracle.advance(1800)
    oracle.take_events()
    accept(oracle, 1800, SetClock(wall))
    day = [DailyInsulin(at_s=1800, day=date(2000, 1, 1), bolus_mu=0, basal_mu=500, clock_changed=True)]
    assert take(oracle) == (day if recorded else []) + [ReferenceTime(at_s=1800, wall=wall, reason="set date time")]
    assert oracle.state().day_basal_mu == (0 if recorded else 500)


def test_clock_change_order_with_the_rate():
    """D-905: total daily insulin, reference time, rate."""
    oracle = running((360, "0.8"), (1080, "1.0"))
    accept(oracle, 100, SetClock(datetime(2024, 6, 1, 12)))
    assert [type(event) for event in take(oracle)] == [DailyInsulin, ReferenceTime, BasalChanged]


def test_midnight_of_the_changed_clock():
    """D-901, D-001: set to 23:59:50 at 100, the day ends at 110 and again a day later."""
    oracle = running()
    accept(oracle, 100, SetClock(datetime(2000, 1, 1, 23, 59, 50)))
    oracle.advance(100_000)
    assert [event.at_s for event in take(oracle, DailyInsulin)] == [110, 110 + 86_400]


def test_delivered_sums():
    """D-902, D-903: 16 basal pulses: 0.80; counters exact."""
    oracle = running((1440, "0.82"))
    accept(oracle, 10, SetBolus(Decimal("0.15")))
    oracle.advance(3600)
    state = oracle.state()
    assert (state.delivered_basal_mu, state.delivered_bolus_mu) == (800, 150)
    assert (state.counters.basal_pulses, state.counters.bolus_pulses, state.counters.prime_pulses) == (16, 3, 0)


def test_delivered_sum_rolls_over_above_eighty_thousand_units():
    """D-902: 80,000 itself is still shown, the pulse that would go above makes the sum 0; counters go on."""
    pulse_mu = 5_000_000
    oracle = running(
        (1440, "30.0"),
        pulse_mu=pulse_mu,
        basal_limit_mu_per_h=30_000,
        reservoir_capacity_mu=10**9,
        max_bolus_mu=pulse_mu,
        guardrails=Guardrails(hour_mu=10**9, day_mu=10**9),
    )
    hours = pulse_mu // 30_000 + 1
    shown = []
    for number in range(1, 19):
        oracle.advance(number * hours * 3600)
        shown.append(oracle.state().delivered_basal_mu)
    assert 80_000_000 in shown
    assert shown[16] == 0
    assert shown[17] == pulse_mu
    assert oracle.state().counters.basal_pulses == 18


def test_ledger_at_every_change():
    """D-904: commanded = delivered + remaining + dropped through boluses, Pause, Stop and TBRs, to zero."""
    oracle = running()
    script = [
        (100, SetBolus(Decimal("1.0"))),
        (117, SetTherapyState("pause")),
        (333, SetTherapyState("run")),
        (340, SetTherapyState("stop")),
        (400, SetTherapyState("run")),
        (410, SetTbr(Decimal("0.777"), 17)),
        (900, CancelTbr()),
    ]
    for at_s, command in script:
        accept(oracle, at_s, command)
        oracle.advance(at_s + 5)
        ledger = oracle.ledger()
        accounts = [ledger.basal, ledger.bolus, *ledger.boluses.values()]
        assert all(account.balanced for account in accounts)
        assert ledger.pulses == ledger.reservoir_used_pulses
        assert ledger.basal.delivered_mu + ledger.bolus.delivered_mu == 50 * ledger.pulses


def test_sequence_has_no_gap_and_groups_stand_together():
    """D-905: numbers from 0, one for each record an event stands for; offsets count from the reference before."""
    oracle = Oracle(OracleSettings().with_controller(controller="plgs"))
    accept(oracle, 5, WriteProfile(1, profile((360, "0.8"), (1080, "1.0"))))
    accept(oracle, 6, ActivateProfile(1))
    accept(oracle, 7, SetTherapyState("run"))
    accept(oracle, 100, SetBolus(Decimal("1.0")))
    accept(oracle, 4000, SetTbr(Decimal("2.0"), 30))
    accept(oracle, 90_000, SetClock(datetime(2010, 1, 1)))
    accept(oracle, 90_010, SetTherapyState("pause"))
    oracle.advance(100_000)
    accept(oracle, 100_001, SnoozeAnnunciation(1))
    events = [event for event in oracle.take_events() if not isinstance(event, Pulse)]
    expected, reference_s = 0, 0
    for event in events:
        assert event.sequence == expected, event
        assert event.offset_s == event.at_s - reference_s
        expected += len(event.codes)
        if isinstance(event, ReferenceTime):
            reference_s = event.at_s
    assert events[0] == ReferenceTime(at_s=0, wall=MIDNIGHT, reason="date time loss")
    assert all(0 <= event.offset_s <= 3600 for event in events)
    assert [event.at_s for event in events] == sorted(event.at_s for event in events)


def test_every_event_names_its_rule():
    """D-905: a difference in the history can be reported with the rule that was broken."""
    oracle = plgs()
    oracle.sample(600, 10, 60)
    accept(oracle, 610, SetBolus(Decimal("1.0")))
    accept(oracle, 700, SetTherapyState("pause"))
    oracle.advance(90_000)
    assert all(event.rule.startswith("D-") for event in oracle.take_events())


def test_reference_times():
    """D-906: at 0 (date-time loss), exactly 3600 s after the one before (periodic), anew from a clock change."""
    oracle = Oracle()
    accept(oracle, 5000, SetClock(datetime(2024, 2, 29, 23)))
    oracle.advance(8600)
    assert take(oracle, ReferenceTime) == [
        ReferenceTime(at_s=0, wall=MIDNIGHT, reason="date time loss"),
        ReferenceTime(at_s=3600, wall=MIDNIGHT + timedelta(hours=1), reason="periodic"),
        ReferenceTime(at_s=5000, wall=datetime(2024, 2, 29, 23), reason="set date time"),
        ReferenceTime(at_s=8600, wall=datetime(2024, 3, 1), reason="periodic"),
    ]


def test_periodic_reference_is_the_first_of_its_second():
    """D-003 (0), D-906: whatever else happens at 3600 has offset 0 to it."""
    oracle = running(reservoir_pulses=401)
    accept(oracle, 3420, SetBolus(Decimal("0.05")))
    accept(oracle, 3600, SetTherapyState("stop"))
    events = [event for event in oracle.take_events() if event.at_s == 3600]
    assert isinstance(events[0], ReferenceTime)
    assert (events[0].offset_s, events[0].sequence + 1) == (3600, events[2].sequence)
    assert {event.offset_s for event in events[2:]} == {0}


def test_stop_and_run_record_the_delivered_rate():
    """D-907: Stop at 1 U/h: old 1.0, new 0; without a rate there is nothing to record."""
    oracle = running()
    accept(oracle, 10, SetTherapyState("stop"))
    assert take(oracle) == [
        TherapyChanged(at_s=10, old="run", new="stop"),
        BasalChanged(at_s=10, old_mu_per_h=1000, new_mu_per_h=0, context="device"),
    ]
    oracle = running((1440, "0"))
    accept(oracle, 10, SetTherapyState("stop"))
    assert take(oracle) == [TherapyChanged(at_s=10, old="run", new="stop")]


def test_return_from_pause_records_the_rate_of_the_tbr():
    """D-907: the TBR's while one runs, with context device: it is no start or change."""
    oracle = running()
    accept(oracle, 10, SetTbr(Decimal("2.0"), 30))
    accept(oracle, 20, SetTherapyState("pause"))
    oracle.take_events()
    accept(oracle, 30, SetTherapyState("run"))
    assert take(oracle, BasalChanged) == [BasalChanged(at_s=30, old_mu_per_h=0, new_mu_per_h=2000, context="device")]


def test_maximum_bolus_is_recorded_when_it_changes():
    """D-905, D-802: the same value again is no change."""
    oracle = Oracle()
    oracle.take_events()
    accept(oracle, 10, SetMaxBolus(Decimal("10.0")))
    accept(oracle, 11, SetMaxBolus(Decimal("5.0")))
    assert take(oracle) == [MaxBolusChanged(at_s=11, old_mu=10_000, new_mu=5000)]


def test_state_of_a_pump_at_work():
    """D-811, D-907: what the pump may be asked at any second: reservoir, bolus, rates."""
    oracle = running((1440, "0.8"))
    accept(oracle, 10, SetTbr(Decimal("2.0"), 30))
    accept(oracle, 20, SetBolus(Decimal("1.0")))
    oracle.advance(27)
    state = oracle.state()
    assert (state.bolus.bolus_id, state.bolus.amount_mu, state.bolus.delivered_mu, state.bolus.remaining_mu) == (
        1, 1000, 150, 850
    )  # fmt: skip
    assert (state.reservoir_pulses, state.reservoir_mu) == (5997, 299_850)
    rates = (state.rate_in_force_mu_per_h, state.delivered_rate_mu_per_h, state.profile_rate_mu_per_h)
    assert rates == (2000, 2000, 800)
    accept(oracle, 28, SetTherapyState("pause"))
    state = oracle.state()
    assert (state.rate_in_force_mu_per_h, state.delivered_rate_mu_per_h) == (2000, 0)
    accept(oracle, 29, SetTherapyState("stop"))
    assert (oracle.state().rate_in_force_mu_per_h, oracle.state().bolus, oracle.state().tbr) == (0, None, None)


def test_defaults_are_those_of_the_table():
    """Section 10: the defaults, and 300 U of 50 mU pulses in the reservoir."""
    settings = OracleSettings()
    assert (settings.pulse_mu, settings.bolus_speed_mu_per_minute, settings.basal_limit_mu_per_h) == (50, 1500, 30_000)
    assert (settings.max_bolus_mu, settings.reservoir_low_mu, settings.occlusion_force) == (10_000, 20_000, 50_000)
    assert (settings.reservoir_capacity_mu, settings.initial_pulses) == (300_000, 6000)
    controller = settings.controller
    assert (controller.suspend_predicted_mg_dl, controller.suspend_now_mg_dl, controller.horizon_minutes) == (
        80,
        70,
        30,
    )
    assert (controller.suspend_limit_minutes, controller.limit_window_minutes) == (120, 150)
    assert (controller.stale_minutes, controller.lockout_minutes) == (15, 30)
    assert (controller.dia_minutes, controller.peak_minutes, controller.controller) == (300, 75, "manual")


@pytest.mark.parametrize(
    "values",
    [
        {"pulse_mu": 0},
        {"bolus_speed_mu_per_minute": 0},
        {"reservoir_pulses": -1},
        {"wall_start": datetime(2000, 1, 1, 0, 0, 0, 1)},
        {"controller": ControllerSettings(peak_minutes=34)},
    ],
)
def test_a_pump_that_cannot_be_is_refused(values):
    """Section 10: the oracle's own settings are judged before a run, with the value and what is allowed."""
    with pytest.raises(UsageError, match="oracle settings"):
        OracleSettings(**values)


def test_a_write_of_the_controller_settings_is_pointed_at():
    """D-905: as a pointer event, whether it changes anything or not, and not when it is refused."""
    oracle = running()
    accept(oracle, 10, Configure(controller="plgs"))
    accept(oracle, 11, Configure(controller="plgs"))
    assert oracle.command(12, Configure(stale_minutes=4)).code == 0xFF
    assert take(oracle) == [SettingsWritten(at_s=10), SettingsWritten(at_s=11)]


def test_a_write_that_ends_a_suspension():
    """D-616, D-905: the pointer event stands before the TBR's group."""
    oracle = plgs(lockout_minutes=0)
    for offset, glucose in ((0, 100), (5, 90), (10, 65)):
        oracle.sample(60 * offset + 1, offset, glucose)
    take(oracle)
    accept(oracle, 1000, Configure(controller="manual"))
    assert [type(event) for event in take(oracle)] == [SettingsWritten, TbrEnded, BasalChanged]
