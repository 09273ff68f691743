"""Goal: a pump under a closed loop doses as D-1101 to D-1112 say.

Method: scenarios through the pump on CPython, samples at the seconds that the rules name; what is decided by itself is
held against oref0 in tests/oref0, so here is only what the pump makes of it.
"""

import pytest

from firmware.loop_bench import (
    CANCEL,
    CONTROLLER,
    KEEP,
    NONE,
    RULE,
    SET,
    SMB,
    TARGET,
    control,
    loop,
    oref_settings,
    profiles,
    sample,
    still,
)  # fmt: skip
from firmware.pump_bench import Bench
from pump import events
from pump.control import oref_settings as places
from pump.control.control import DETAIL_NONE
from pump.scheduled import Scheduled

S16_NONE = 32767


def tbrs(bench):
    """Seconds of TBRs that began or were changed, with rate and minutes."""
    lines = bench.all("TBR_STARTED", "TBR_CHANGED")
    return [(line[0], line[1][4:], line[2], line[3]) for line in lines]


def ended(bench):
    return [(line[0], line[2]) for line in bench.all("TBR_ENDED")]


def detail(bench):
    return list(bench.pump.decision.detail)


# --- when it acts, D-1101 ---


def test_every_usable_sample_is_decided():
    """D-1101."""
    bench = loop()
    assert sample(bench, 0, 160) == (SET, RULE)
    assert sample(bench, 0, 160) == (NONE, events.REASON_INVALID_SAMPLE)
    assert detail(bench) == list(DETAIL_NONE)
    assert sample(bench, 5, 160, s=60 * 21) == (NONE, events.REASON_STALE)


def test_outside_run_nothing_is_decided():
    """D-1101."""
    bench = loop()
    bench.do(10, "set_therapy_state", events.PAUSE)
    assert sample(bench, 1, 160) == (NONE, events.REASON_NOT_RUNNING)
    assert tbrs(bench) == []


@pytest.mark.parametrize("missing", [(10,), (12,), (14,), (10, 12, 14)])
def test_without_its_profiles_it_decides_nothing(missing):
    """D-1101."""
    bench = Bench().dose(1000)
    for template, block in ((10, (1440, 500)), (12, (1440, 100)), (14, (1440, 1000, 1100))):
        if template not in missing:
            assert bench.write(0, template, block) == events.SUCCESS
            assert bench.do(0, "activate", [template], 0, 1) == events.SUCCESS
    assert control(bench, 0, events.OREF) == events.SUCCESS
    bench.pump.cgm_session(0, 0)
    assert sample(bench, 0, 160) == (NONE, events.REASON_NOT_CONFIGURED)


@pytest.mark.parametrize(("dia", "bilinear", "minutes"), [(300, False, 300), (180, False, 300), (180, True, 180)])
def test_iob_is_unknown_for_as_long_as_insulin_works(dia, bilinear, minutes):
    """D-1109, D-1012: no exponential curve is shorter than 300 min, whatever the controller settings say."""
    bench = loop(flags=places.FLAG_BILINEAR_CURVE if bilinear else 0)
    assert control(bench, 0, events.OREF, dia=dia, peak=60) == events.SUCCESS
    bench.pump.resumed = True
    assert sample(bench, minutes - 10, 160) == (NONE, events.REASON_IOB_UNKNOWN)
    assert sample(bench, minutes - 1, 160, s=60 * minutes - 1) == (NONE, events.REASON_IOB_UNKNOWN)
    assert sample(bench, minutes, 160) == (SET, RULE)


# --- what it decides on, D-1102 ---


def test_age_and_status_of_the_samples():
    """D-1102."""
    bench = loop()
    sample(bench, 0, 150, s=2)
    sample(bench, 5, 160, s=302)
    glucose = bench.pump.control.loop(bench.pump).inputs.glucose
    assert (glucose.mg_dl, glucose.delta, glucose.age_ms) == (160, 10, 2000)


def test_samples_are_kept_for_45_min_and_a_session():
    """D-1102."""
    bench = loop()
    glucose = bench.pump.control.loop(bench.pump).inputs.glucose
    for offset, mg_dl in ((0, 100), (5, 120), (45, 130)):
        sample(bench, offset, mg_dl)
    assert glucose.long_delta == 1.25
    bench.pump.cgm_session(3000, 2760)
    sample(bench, 4, 130, s=3000)
    assert (glucose.delta, glucose.long_delta) == (0, 0)


def test_settings_of_the_block_in_force():
    """D-1102."""
    bench = loop(1000)
    bench.profile(0, (10, 1000), (1430, 2345))
    assert bench.write(0, TARGET, (10, 1000, 1105), (1430, 1200, 1300)) == events.SUCCESS
    assert bench.do(0, "activate", [TARGET], 0, 1) == events.SUCCESS
    settings = bench.pump.control.loop(bench.pump).settings
    sample(bench, 9, 160, s=599)
    assert (settings.current_basal, settings.min_bg, settings.max_bg) == (1.0, 100, 110.5)
    sample(bench, 10, 160, s=600)
    assert (settings.current_basal, settings.max_daily_basal, settings.min_bg) == (2.345, 2.345, 120)
    assert (settings.isf, settings.carb_ratio, settings.bolus_increment) == (50, 10, 0.05)
    assert (settings.max_basal, settings.max_iob) == (4, 3)


def test_limits_are_the_lesser_of_setting_and_guardrail_and_a_temp_target_is_both_ends():
    """D-1102."""
    bench = loop(max_iob_mu=5000, max_basal_mu_per_h=3000, temp_target_mg_dl=140)
    assert bench.do(0, "guard", 2500, 25000, 2000, 60000, 300000, 1, 60, 240) == events.SUCCESS
    settings = bench.pump.control.loop(bench.pump).settings
    sample(bench, 0, 160)
    assert (settings.max_basal, settings.max_iob) == (2.5, 2)
    assert (settings.min_bg, settings.max_bg, settings.temp_target) == (140, 140, True)


def test_a_clients_bolus_is_the_last_bolus():
    """D-1102, D-1048."""
    bench = loop(flags=SMB)
    bench.bolus(420, extended_mu=50, minutes=10)
    sample(bench, 10, 200)
    assert [line[0] for line in bench.all("BOLUS_STARTED")] == [420, 600]
    bench = loop(flags=SMB)
    bench.bolus(420, fast_mu=50)
    sample(bench, 10, 200)
    assert [line[0] for line in bench.all("BOLUS_STARTED")] == [420]


# --- scheduled basal, D-1103 ---


def entries(doses):
    rows = [(doses.first + n) % doses.room for n in range(doses.count)]
    return [(doses.second_at(row), doses.doses_at(row)) for row in rows]


def test_scheduled_pulses_go_on_in_stop():
    """D-1103."""
    bench = Bench().dose(1000)
    bench.do(100, "set_therapy_state", events.STOP)
    bench.run(600)
    scheduled = bench.pump.iob.scheduled
    scheduled.advance(600)
    assert entries(scheduled.doses) == [(180, -1), (360, -1), (540, -1)]


def test_basal_as_scheduled_is_nothing():
    """D-1103."""
    bench = Bench().dose(1000)
    bench.run(3600)
    bench.pump.iob.scheduled.advance(3600)
    assert {count for _, count in entries(bench.pump.iob.scheduled.doses)} == {0}


def test_a_rate_change_keeps_what_was_earned():
    """D-1103."""
    scheduled = Scheduled(50)
    scheduled.follow(0, 1000)
    scheduled.follow(100, 500)
    scheduled.advance(1000)
    assert entries(scheduled.doses) == [(260, -1), (620, -1), (980, -1)]


def test_doses_are_kept_for_so_long_and_no_more_than_there_is_room():
    """D-1103."""
    scheduled = Scheduled(50)
    for s in (0, 1, 36060, 36061):
        scheduled.deliver(s)
    scheduled.forget(36061, 300)
    assert entries(scheduled.doses) == [(1, 1), (36060, 1), (36061, 1)]
    # The first is too old to count in the place of the next.
    for s in range(36062, 36062 + 1022):
        scheduled.deliver(s)
    assert entries(scheduled.doses)[0] == (36060, 1)
    scheduled.deliver(40000)
    assert entries(scheduled.doses)[0] == (36061, 2)
    assert scheduled.doses.count == 1024


# --- TBR, D-1104 ---


def test_the_first_tbr_starts_and_the_next_changes_it():
    """D-1104."""
    bench = loop()
    assert sample(bench, 0, 160) == (SET, RULE)
    sample(bench, 5, 100)
    assert tbrs(bench)[0] == (0, "STARTED", 3000, 30)
    assert [name for _, name, *_ in tbrs(bench)] == ["STARTED", "CHANGED"]
    assert ended(bench) == []
    assert bench.all("TBR_STARTED")[0][3] == events.AP_CONTROLLER


def test_rates_are_rounded_and_guarded():
    """D-1104, D-1110."""
    bench = loop()
    assert bench.do(0, "guard", 1200, 25000, 50000, 60000, 300000, 1, 60, 20) == events.SUCCESS
    sample(bench, 0, 115)
    assert tbrs(bench) == [(0, "STARTED", 1200, 20)]
    assert (detail(bench)[12:14], detail(bench)[15]) == ([1200, 30], 8)


def test_a_clients_tbr_ends_first():
    """D-1104, D-1107."""
    bench = loop()
    assert bench.tbr(10, 500, 60) == events.SUCCESS
    sample(bench, 5, 160)
    assert ended(bench) == [(300, events.CANCELED)]
    assert tbrs(bench)[-1] == (300, "STARTED", 3000, 30)


def test_a_decision_that_keeps_leaves_a_clients_tbr():
    """D-1107."""
    bench = loop()
    assert bench.tbr(10, 3000, 60) == events.SUCCESS
    assert sample(bench, 1, 160) == (KEEP, RULE)
    assert bench.pump.tbr.active
    assert not bench.pump.tbr.automatic


def test_skipped_neutral_temps_cancel():
    """D-1104."""
    bench = loop(flags=1)
    sample(bench, 0, 160)
    assert sample(bench, 55, 160, s=3300) == (KEEP, RULE)
    assert sample(bench, 5, 160) == (NONE, events.REASON_INVALID_SAMPLE)
    bench = loop(flags=1)
    sample(bench, 50, 160)
    assert sample(bench, 55, 160) == (CANCEL, RULE)
    assert ended(bench) == [(3300, events.CANCELED)]
    assert detail(bench)[12:14] == [0, 0]


def test_guardrail_3_ends_the_loops_own_tbr_alone():
    """D-1104."""
    for own_tbr in (True, False):
        bench = loop(max_iob_mu=30000)
        if own_tbr:
            sample(bench, 0, 160)
        else:
            bench.tbr(0, 500, 60)
        bench.bolus(2, fast_mu=5000)
        assert bench.do(200, "guard", 30000, 25000, 1000, 60000, 300000, 1, 60, 240) == events.SUCCESS
        bench.pump.control.loop(bench.pump).prepare = lambda controller: lambda inputs, settings, it: it.set(2, 30)
        assert sample(bench, 5, 300) == ((CANCEL, RULE) if own_tbr else (KEEP, RULE))
        assert bench.pump.tbr.active != own_tbr
        assert detail(bench)[15] == 3


# --- small bolus, D-1105 ---


def test_a_small_bolus_follows_the_tbr():
    """D-1105."""
    bench = loop(flags=SMB)
    sample(bench, 0, 160)
    names = [name for s, name, *_ in bench.told if s == 0]
    assert names[-4:] == ["TBR_STARTED", "BASAL_CHANGED", "BOLUS_STARTED", "DECISION"]
    bolus = bench.pump.boluses[0]
    assert (bolus.fast_mu, bolus.activation, bolus.flags, bolus.template) == (500, 0x5A, 4, 0)
    bench.run(30)
    assert bench.pulses == list(range(2, 21, 2))


def decides(bench, smb, rate=None):
    """Let the controller decide a small bolus, whatever the sample."""

    def decide(inputs, settings, decision):
        decision.smb = smb
        if rate is not None:
            decision.set(rate, 30)

    bench.pump.control.loop(bench.pump).prepare = lambda controller: decide


@pytest.mark.parametrize(("smb", "given"), [(0.049, 0), (0.05, 50), (0.1249, 100), (10, 10000), (10.05, 0)])
def test_amounts_are_whole_pulses_up_to_the_maximum_bolus(smb, given):
    """D-1105."""
    bench = loop()
    decides(bench, smb)
    assert sample(bench, 0, 160) == (KEEP, RULE)
    assert sum(line[2] for line in bench.all("BOLUS_STARTED")) == given
    assert detail(bench)[14] == int(1000 * smb + 0.5)


def test_a_small_bolus_needs_its_place_and_its_insulin():
    """D-1105."""
    bench = loop()
    decides(bench, 0.5)
    bench.bolus(290, fast_mu=5000)
    sample(bench, 5, 160)
    assert len(bench.all("BOLUS_STARTED")) == 1
    bench = loop()
    decides(bench, 0.5)
    bench.pump.reservoir.fill(0, 10)
    sample(bench, 0, 160)
    assert len(bench.all("BOLUS_STARTED")) == 1
    bench = loop()
    decides(bench, 0.5)
    bench.pump.reservoir.fill(0, 9)
    sample(bench, 0, 160)
    assert len(bench.all("BOLUS_STARTED")) == 0


def test_a_guardrail_takes_the_bolus_and_leaves_the_tbr():
    """D-1105, D-1206."""
    bench = loop()
    assert bench.do(0, "guard", 30000, 25000, 50000, 60000, 300000, 10, 60, 240) == events.SUCCESS
    decides(bench, 0.1, 2)
    sample(bench, 0, 160)
    decides(bench, 0.1, 3)
    assert sample(bench, 5, 160) == (SET, RULE)
    assert len(bench.all("BOLUS_STARTED")) == 1
    assert (tbrs(bench)[-1][2], detail(bench)[15]) == (3000, 6)


# --- expiry and the client beside it, D-1106, D-1107 ---


def test_stale_cgm_ends_the_loops_tbr():
    """D-1106."""
    bench = loop(stale=15)
    sample(bench, 10, 160)
    bench.run(1500)
    assert bench.pump.tbr.active
    bench.run(1501)
    assert ended(bench) == [(1501, events.CANCELED)]


def test_stale_cgm_leaves_a_clients_tbr_whatever_its_context():
    """D-1106."""
    bench = loop()
    sample(bench, 10, 160)
    assert bench.tbr(700, 500, 60, change=True, context=events.AP_CONTROLLER) == events.SUCCESS
    bench.run(1600)
    assert ended(bench) == []


@pytest.mark.parametrize(
    ("to", "ends"), [(events.MANUAL, True), (events.PLGS, True), (events.OWN, True), (events.OREF, False)]
)
def test_leaving_the_loop_ends_its_tbr(to, ends):
    """D-1106."""
    bench = loop()
    sample(bench, 0, 160)
    assert control(bench, 100, to) == events.SUCCESS
    assert ended(bench) == ([(100, events.CANCELED)] if ends else [])


def test_a_client_cancels_and_the_next_sample_sets_again():
    """D-1107."""
    bench = loop()
    sample(bench, 5, 160)
    assert bench.do(400, "cancel_tbr") == events.SUCCESS
    assert sample(bench, 10, 160) == (SET, RULE)
    assert not bench.pump.control.suspensions.locked_out(400)


# --- carbs, D-1108 ---


def test_carbs_are_kept_and_count():
    """D-1108."""
    bench = loop()
    for offset in range(0, 50, 5):
        sample(bench, offset, 120)
    assert bench.do(3000, "announce_carbs", 40, 20) == events.SUCCESS
    sample(bench, 50, 120)
    meal = bench.pump.control.loop(bench.pump).inputs.meal
    assert (meal.carbs, meal.last_carb_age_ms) == (40, 1200000)
    assert 30 < meal.cob < 40
    assert bench.all("CARBS") == [(3000, 40, 20, 0, 0, 0)]


@pytest.mark.parametrize(
    ("grams", "ago", "taken"),
    [(0, 0, False), (1, 360, True), (250, 0, True), (251, 0, False), (9, 361, False)],
)
def test_bounds_of_carbs(grams, ago, taken):
    """D-1108."""
    bench = Bench()
    assert (bench.do(0, "announce_carbs", grams, ago) == events.SUCCESS) == taken
    assert len(bench.all("CARBS")) == taken


def test_there_is_room_for_24():
    """D-1108."""
    bench = Bench()
    for n in range(24):
        assert bench.do(n, "announce_carbs", 5, 0) == events.SUCCESS
    assert bench.do(30, "announce_carbs", 5, 0) == events.OUT_OF_RANGE
    assert bench.do(21600, "announce_carbs", 5, 0) == events.SUCCESS
    assert len(bench.all("CARBS")) == 25


# --- detail, D-1110 ---


def test_detail_of_a_high_temp():
    """D-1110."""
    bench = loop()
    assert bench.do(0, "guard", 3000, 25000, 50000, 60000, 300000, 1, 60, 240) == events.SUCCESS
    sample(bench, 0, 160)
    assert detail(bench) == [1050, 105, 70, 160, 160, 160, 0, 0, 1100, 0, 0, S16_NONE, 3000, 30, 0, 0]


def test_what_a_rule_did_not_reach_is_none():
    """D-1110."""
    bench = loop()
    bench.tbr(0, 2000, 60)
    sample(bench, 0, 38)
    expected = list(DETAIL_NONE)
    expected[0], expected[9], expected[10], expected[12], expected[13] = 1014, 0, 0, 1000, 30
    assert detail(bench) == expected
    sample(bench, 5, 65)
    assert detail(bench)[0] == 1041
    assert detail(bench)[8] == S16_NONE


# --- settings ---


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("flat_cgm", (0x33, 0x3C), (0x55,)), ("autosens_thousandths", (0, 500, 2000), (499, 2001)),
        ("autosens_max_thousandths", (1000, 2000), (999, 2001)), ("temp_target_mg_dl", (0, 60, 250), (59, 251)),
        ("half_basal_target_mg_dl", (101, 250), (100, 251)), ("smb_high_bg_mg_dl", (0, 100, 400), (99, 401)),
        ("smb_interval_minutes", (1, 10), (0, 11)), ("delta_share_percent", (1, 30), (0, 31)),
        ("noisy_target_percent", (110, 200), (109, 201)), ("daily_basal_multiplier_tenths", (10, 100), (9, 101)),
    ],
)  # fmt: skip
def test_bounds_of_the_settings(name, good, bad):
    """D-616."""
    bench = Bench()
    for value in good:
        assert oref_settings(bench, 0, **{name: value}) == events.SUCCESS
    before = list(bench.pump.control.oref.values)
    for value in bad:
        assert oref_settings(bench, 0, **{name: value}) == events.OUT_OF_RANGE
    assert list(bench.pump.control.oref.values) == before
    assert len(bench.all("POINTER")) == len(good)


def test_settings_above_a_guardrail_are_refused_and_recorded():
    """D-1208."""
    bench = Bench()
    assert bench.do(0, "guard", 3000, 25000, 2000, 60000, 300000, 1, 60, 240) == events.SUCCESS
    assert oref_settings(bench, 10, max_basal_mu_per_h=3001, max_iob_mu=2001) == events.OUT_OF_RANGE
    assert oref_settings(bench, 20, max_basal_mu_per_h=3000, max_iob_mu=2001) == events.OUT_OF_RANGE
    assert oref_settings(bench, 30, max_basal_mu_per_h=3000, max_iob_mu=2000) == events.SUCCESS
    assert [line[:2] for line in bench.all("GUARDRAIL")] == [(10, 1), (20, 3)]


def test_a_pump_without_a_loop_does_not_load_it():
    """D-1102."""
    bench = Bench().dose(1000)
    profiles(bench, 0)
    bench.do(0, "configure", events.PLGS, *CONTROLLER)
    bench.pump.cgm_session(0, 0)
    still(bench, 60, 0, 30)
    assert bench.pump.control._loop is None
