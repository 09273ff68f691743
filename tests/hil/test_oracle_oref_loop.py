"""The closed loop on the oracle's pump, DOSING.md section 15.

Goal: D-1101 to D-1110 hold of the oracle, each at its boundary and with its worked number.
Method: a pump with all four profiles (1 U/h, ISF 50, 10 g/U, 100 to 110 mg/dL), the session at second 0, and samples a
second after their measurement; what oref0 makes of the same numbers is held in the tests beside it.
"""

from dataclasses import replace
from decimal import Decimal

import pytest

from hil.oracle_bench import MIDNIGHT, accept, at, code, pulses, running, take
from pumprig.oracle import OracleSettings, OrefSettings, Wanted
from pumprig.oracle.commands import (
    ActivateTemplates,
    AnnounceCarbs,
    CancelTbr,
    Configure,
    ConfigureOref,
    OpenCgmSession,
    SetBolus,
    SetGuardrails,
    SetTbr,
    SetTherapyState,
    WriteProfile,
)
from pumprig.oracle.events import (
    BolusStarted,
    CarbsAnnounced,
    GuardrailHeld,
    SettingsWritten,
    TbrChanged,
    TbrEnded,
    TbrStarted,
)

ALL_DAY = {"isf": ("50",), "icho": ("10",), "target": ("100", "110")}
PLAIN = OrefSettings(flat_cgm="ignored", max_iob_mu=5000)
SMB = replace(PLAIN, smb=True, smb_always=True)
RULE = "controller rule"


def looped(oref=None, *, profiles=("isf", "icho", "target"), controller="oref", **parameters):
    """A pump in Run under a controller, its events so far taken."""
    settings = OracleSettings(**parameters, oref=oref or PLAIN)
    oracle = running(settings=settings.with_controller(controller=controller))
    for number, kind in zip((10, 12, 14), ("isf", "icho", "target"), strict=True):
        if kind in profiles:
            accept(oracle, 0, WriteProfile(number, ((1440, *map(Decimal, ALL_DAY[kind])),), kind))
            accept(oracle, 0, ActivateTemplates((number,)))
    accept(oracle, 0, OpenCgmSession(MIDNIGHT))
    oracle.take_events()
    return oracle


def said(decision):
    return str(decision.action), str(decision.reason)


# --- D-1101 ---


def test_every_usable_sample_gets_a_decision_of_the_controller():
    """D-1101: action and reason; the detail names the rule."""
    decision = looped().sample(1, 0, 160)
    assert said(decision) == ("set TBR", RULE)
    assert decision.detail.rule == 1050


def test_an_unusable_sample_gets_none():
    """D-1101, D-602: stale, invalid sample."""
    oracle = looped()
    assert at(oracle, 2000, 0, 160) == ("none", "stale")
    assert at(oracle, 2001, 0, None) == ("none", "invalid sample")


@pytest.mark.parametrize("missing", ["isf", "icho", "target"])
def test_without_a_profile_it_is_not_configured(missing):
    """D-1101: each of the four profiles is needed."""
    oracle = looped(profiles={"isf", "icho", "target"} - {missing})
    assert at(oracle, 1, 0, 160) == ("none", "not configured")
    assert take(oracle) == []


def test_not_running_comes_before_not_configured():
    """D-1101: in Stop and not configured."""
    oracle = looped(profiles=())
    accept(oracle, 1, SetTherapyState("stop"))
    assert at(oracle, 2, 0, 160) == ("none", "therapy not running")


def test_under_manual_nothing_is_decided_and_samples_are_kept():
    """D-1101, D-1102: the samples of before count for the first decision."""
    oracle = looped(controller="manual")
    for offset, glucose in ((0, 100), (5, 110), (10, 120)):
        assert at(oracle, 60 * offset + 1, offset, glucose) == ("none", "manual")
    assert oracle.state().detail.rule == 0
    accept(oracle, 800, Configure(controller="oref"))
    decision = oracle.sample(901, 15, 130)
    assert decision.detail.deviation_mg_dl == 60


# --- D-1102 ---


@pytest.mark.parametrize(("at_s", "action"), [(60, "keep"), (61, "set TBR")])
def test_remaining_minutes_are_rounded_up(at_s, action):
    """D-1102, D-305, D-1050: a TBR of 3 U/h is kept with 301 s left; 300 s are 5 min, and it is set anew."""
    oracle = looped()
    accept(oracle, 1, SetTbr(Decimal(3), 6))
    assert oracle.sample(at_s, 1, 160).action == action


def test_a_temp_target_is_both_ends_of_the_range():
    """D-1102: 120 instead of 100 to 110; without one the middle of the range is 105."""
    assert looped().sample(1, 0, 160).detail.target_mg_dl == 105
    assert looped(replace(PLAIN, temp_target_mg_dl=120)).sample(1, 0, 160).detail.target_mg_dl == 120


def test_limits_are_the_lesser_of_setting_and_guardrail():
    """D-1102, D-1201: max basal 4 and guardrail 2.5 U/h."""
    oracle = looped()
    accept(oracle, 1, SetGuardrails(basal_mu_per_h=2500))
    assert oracle.sample(2, 0, 300).detail.decided_mu_per_h == 2500


def test_samples_of_another_session_do_not_count():
    """D-1102: a rise over the sample of the session before is none."""
    oracle = looped()
    oracle.sample(1, 0, 100)
    accept(oracle, 200, OpenCgmSession(MIDNIGHT.replace(minute=3)))
    assert oracle.sample(301, 2, 160).detail.deviation_mg_dl == 0


@pytest.mark.parametrize(("bolus_type", "given"), [("fast", False), ("extended", True)])
def test_the_last_bolus_counts_unless_it_is_extended(bolus_type, given):
    """D-1102, D-1048: a client's bolus 3 min before holds the small bolus back."""
    oracle = looped(SMB)
    if bolus_type == "fast":
        accept(oracle, 121, SetBolus(Decimal("0.05")))
    else:
        accept(oracle, 121, SetBolus(Decimal(0), "extended", Decimal("0.05"), 60))
    assert bool(oracle.sample(301, 5, 160).detail.small_bolus_mu) == given


# --- D-1103 ---


def test_basal_as_scheduled_is_no_insulin_on_board():
    """D-1103: delivered and scheduled pulses of one second are one dose of 0."""
    oracle = looped()
    oracle.advance(7000)
    assert oracle.sample(7021, 117, 105).detail.net_iob_mu == 0


def test_what_was_scheduled_and_not_delivered_counts_negative():
    """D-1103: an hour of 0 U/h is 20 pulses fewer."""
    oracle = looped()
    accept(oracle, 1, SetTbr(Decimal(0), 120))
    decision = oracle.sample(3601, 60, 105)
    assert decision.detail.net_iob_mu == pytest.approx(-917, abs=2)
    # What the body holds is not less than nothing (D-702).
    assert decision.iob_mu == 0


def test_the_schedule_goes_on_in_stop():
    """D-1103: the schedule earns in Stop, too."""
    oracle = looped()
    accept(oracle, 1, SetTherapyState("stop"))
    accept(oracle, 3600, SetTherapyState("run"))
    assert oracle.sample(3601, 60, 105).detail.net_iob_mu < -900


# --- D-1104 ---


def test_a_clients_tbr_gives_way():
    """D-1104, D-1107: TBR ended (canceled), TBR started, at the second of the decision."""
    oracle = looped()
    accept(oracle, 1, SetTbr(Decimal("0.5"), 120))
    oracle.take_events()
    oracle.sample(301, 5, 160)
    ended, _, started, _ = take(oracle)
    assert ended == TbrEnded(at_s=301, reason="canceled", effective_minutes=5)
    assert isinstance(started, TbrStarted)
    assert (started.context, started.duration_minutes, started.tbr_type) == ("AP controller", 30, "absolute")


def test_the_controllers_own_tbr_is_changed():
    """D-1104, D-303: the second decision changes what the first set."""
    oracle = looped()
    oracle.sample(1, 0, 160)
    oracle.take_events()
    assert oracle.sample(301, 5, 90).action == "set TBR"
    changed = take(oracle, TbrChanged)
    assert [(one.value, one.context, one.elapsed_minutes) for one in changed] == [(0, "AP controller", 5)]


def test_a_rate_is_cut_down_to_the_pumps_steps():
    """D-1104, D-109: 0.13 U/h of D-1049 on steps of 0.05 is 0.1; the detail tells what was decided."""
    oracle = looped(SMB, basal_steps=((35_001, 50),))
    decision = oracle.sample(1, 0, 102)
    assert (decision.detail.rule, decision.detail.decided_mu_per_h) == (1049, 130)
    assert take(oracle, TbrStarted)[0].value == 100


def test_cancel():
    """D-1104, D-1042: at minute 55 a client's TBR ends; with none running it is keep."""
    for before, action in ((True, "cancel TBR"), (False, "keep")):
        oracle = looped(replace(PLAIN, skip_neutral_temps=True))
        if before:
            accept(oracle, 3000, SetTbr(Decimal(2), 60))
        decision = oracle.sample(3301, 55, 160)
        assert (decision.action, decision.detail.decided_minutes) == (action, 0)
        assert len(take(oracle, TbrEnded)) == before


# --- D-1105 ---


def test_a_small_bolus_comes_after_the_tbr_of_its_decision():
    """D-1105: commanded, fast, at the second of the decision; pulses at the delivery speed."""
    oracle = looped(SMB)
    decision = oracle.sample(1, 0, 160)
    started = [one for one in take(oracle) if isinstance(one, TbrStarted | BolusStarted)]
    assert [type(one) for one in started] == [TbrStarted, BolusStarted]
    assert decision.detail.small_bolus_mu == started[1].fast_mu == 500
    assert (started[1].activation, started[1].at_s) == ("commanded", 1)
    assert pulses(oracle, 11, "bolus") == [3, 5, 7, 9, 11]


def test_no_small_bolus_while_the_fast_place_is_taken():
    """D-1105: the TBR stays."""
    oracle = looped(SMB)
    accept(oracle, 1, SetBolus(Decimal(10)))
    oracle.take_events()
    decision = oracle.sample(302, 5, 300)
    assert decision.detail.small_bolus_mu == 0 or take(oracle, BolusStarted) == []


def test_no_small_bolus_beyond_the_reservoir():
    """D-1105: 0.45 U are left, 0.5 are asked for."""
    oracle = looped(SMB, reservoir_pulses=9)
    assert oracle.sample(1, 0, 160).action == "set TBR"
    assert take(oracle, BolusStarted) == []


def test_a_guardrail_stands_between_decision_and_dose():
    """D-1105, D-1203: 0.5 U decided, 0.2 U allowed."""
    oracle = looped(SMB)
    accept(oracle, 1, SetGuardrails(bolus_mu=200))
    decision = oracle.sample(2, 0, 160)
    assert (decision.detail.small_bolus_mu, decision.detail.guardrail) == (500, 2)
    assert take(oracle, BolusStarted)[0].fast_mu == 200


# --- D-1106, D-1107 ---


def test_stale_cgm_ends_the_controllers_tbr():
    """D-1106: measured at 300, stale at 1201."""
    oracle = looped()
    oracle.sample(301, 5, 160)
    oracle.advance(1200)
    oracle.take_events()
    oracle.advance(1201)
    assert TbrEnded(at_s=1201, reason="canceled", effective_minutes=15) in take(oracle)


def test_another_controller_ends_it_and_the_same_does_not():
    """D-1106, D-616."""
    oracle = looped()
    oracle.sample(301, 5, 160)
    accept(oracle, 400, Configure(controller="oref"))
    assert oracle.state().tbr is not None
    accept(oracle, 500, Configure(controller="manual"))
    assert oracle.state().tbr is None


def test_what_a_client_changed_is_the_clients():
    """D-1107: it outlives stale CGM, whatever context is named."""
    oracle = looped()
    oracle.sample(301, 5, 160)
    accept(oracle, 500, SetTbr(Decimal(2), 60, change=True, context="AP controller"))
    oracle.advance(2000)
    assert oracle.state().tbr.value == 2000


def test_after_a_clients_cancel_there_is_no_lockout():
    """D-1107: the next decision sets one."""
    oracle = looped()
    oracle.sample(301, 5, 160)
    accept(oracle, 310, CancelTbr())
    assert oracle.sample(601, 10, 160).action == "set TBR"


# --- D-1108 ---


@pytest.mark.parametrize(
    ("grams", "minutes", "expected"),
    [(1, 0, 0), (250, 360, 0), (0, 0, 0xFF), (251, 0, 0xFF), (10, 361, 0xFF), (10, -1, 0xFF)],
)
def test_carbs_that_may_be_announced(grams, minutes, expected):
    """D-1108."""
    oracle = looped()
    assert code(oracle, 10, AnnounceCarbs(grams, minutes)) == expected
    recorded = [] if expected else [CarbsAnnounced(at_s=10, carbs_g=grams, minutes_ago=minutes)]
    assert take(oracle) == recorded


def test_a_25th_announcement_finds_no_room_until_the_first_is_six_hours_old():
    """D-1108."""
    oracle = looped()
    for second in range(24):
        accept(oracle, 10 + second, AnnounceCarbs(10))
    assert code(oracle, 21_609, AnnounceCarbs(10)) == 0xFF
    assert code(oracle, 21_610, AnnounceCarbs(10)) == 0


def test_announced_carbs_are_on_board():
    """D-1102, D-1065: 40 g just now, and half an hour of still glucose."""
    oracle = looped()
    for offset in range(0, 30, 5):
        oracle.sample(60 * offset + 1, offset, 120)
    accept(oracle, 1750, AnnounceCarbs(40))
    assert oracle.sample(1801, 30, 120).detail.cob_tenths == 400
    # Three buckets since the reading before the meal have no deviation (D-1062), the fourth absorbs.
    later = [oracle.sample(60 * offset + 1, offset, 120).detail.cob_tenths for offset in (35, 40)]
    assert later[0] == 400 > later[1] >= 380


def test_samples_count_for_meals_from_the_first_choice_on_and_those_that_were_kept():
    """D-1102: chosen at 3000, samples of 45 min before are there, so that there is a COB."""
    oracle = looped(controller="manual")
    for offset in range(0, 50, 5):
        oracle.sample(60 * offset + 1, offset, 120)
    accept(oracle, 3000, Configure(controller="oref"))
    accept(oracle, 3000, AnnounceCarbs(40))
    assert oracle.sample(3001, 50, 120).detail.cob_tenths == 400
    accept(oracle, 3002, OpenCgmSession(MIDNIGHT.replace(minute=50, second=2)))
    assert oracle.sample(3303, 5, 120).detail.cob_tenths == 0


# --- D-1109 ---


def test_after_a_power_cut_insulin_on_board_is_unknown_for_as_long_as_it_works():
    """D-1109: T = 300: from second 18000 on; a first start knows."""
    oracle = looped()
    oracle.sample(1, 0, 160)
    oracle.advance(100)
    after = oracle.power_cut()
    accept(after, 10, SetTherapyState("run"))
    accept(after, 10, OpenCgmSession(MIDNIGHT))
    assert at(after, 17_999, 299, 160) == ("none", "IOB unknown")
    assert at(after, 18_000, 300, 160) == ("set TBR", RULE)


# --- D-1110, settings ---


def test_the_detail_of_a_decision():
    """D-1110: the numbers of the still glucose of 160, and none where nothing was reached."""
    detail = looped().sample(1, 0, 160).detail
    assert replace(detail, guardrail=0).wire() == {
        "decision_sequence": 1, "rule": 1050, "target_mg_dl": 105, "threshold_mg_dl": 70, "eventual_mg_dl": 160,
        "guard_mg_dl": 160, "pred_mg_dl": 160, "bgi_hundredths": 0, "deviation_mg_dl": 0,
        "insulin_required_mu": 1100, "net_iob_mu": 0, "cob_tenths": 0, "carbs_required_g": 0x7FFF,
        "decided_mu_per_h": 3000, "decided_minutes": 30, "small_bolus_mu": 0, "guardrail": 0,
    }  # fmt: skip


def test_the_detail_of_a_cgm_not_to_be_trusted():
    """D-1110, D-1014: rule, IOB and COB, and with a TBR its rate and minutes."""
    detail = looped().sample(1, 0, 38).detail
    assert (detail.rule, detail.target_mg_dl, detail.net_iob_mu, detail.decided_minutes) == (1014, None, 0, None)


def test_an_own_controller_goes_the_same_way():
    """D-1104, D-1110: what it wants is carried out; its numbers alone are told."""
    oracle = looped(controller="own")
    decision = oracle.sample(1, 0, 160, own=Wanted(1500, 300, 120))
    assert said(decision) == ("set TBR", RULE)
    assert (decision.detail.decided_minutes, decision.detail.guardrail, decision.detail.rule) == (300, 8, 0)
    assert (decision.detail.net_iob_mu, decision.detail.target_mg_dl) == (0, None)
    assert [one.duration_minutes for one in take(oracle, TbrStarted)] == [240]


def test_an_own_controller_that_fails_doses_nothing():
    """D-1112: none, rule 1112 alone, system issue; what runs goes on."""
    oracle = looped(controller="own")
    oracle.sample(1, 0, 160, own=Wanted(1500, 30, rule=7))
    assert oracle.state().detail.rule == 7
    oracle.take_events()
    decision = oracle.sample(301, 5, 160, own=Wanted(failed=True))
    assert said(decision) == ("none", RULE)
    assert (decision.detail.rule, decision.detail.net_iob_mu) == (1112, None)
    assert [one.type for one in take(oracle)] == ["system issue"]
    assert oracle.state().tbr is not None


@pytest.mark.parametrize(("own", "action"), [(Wanted(), "cancel TBR"), (Wanted(failed=True), "none")])
@pytest.mark.parametrize(("limit_mu", "ends"), [(1990, True), (2010, False)])
def test_a_high_tbr_goes_on_only_while_iob_allows_it(own, action, limit_mu, ends):
    """D-1204: looked for at each decision, one that keeps or fails, too; recorded before the end."""
    oracle = looped(controller="own")
    oracle.sample(1, 0, 160, own=Wanted(1500, 30))
    accept(oracle, 2, SetBolus(Decimal("2.0")))
    accept(oracle, 3, SetGuardrails(iob_mu=limit_mu))
    oracle.advance(120)
    oracle.take_events()
    decision = oracle.sample(120, 2, 160, own=own)
    assert str(decision.action) == (action if ends else "none" if own.failed else "keep")
    assert decision.detail.guardrail == (3 if ends else 0)
    events = take(oracle, GuardrailHeld, TbrEnded)
    assert [type(one) for one in events] == ([GuardrailHeld, TbrEnded] if ends else [])
    assert not ends or (events[0].asked, events[0].allowed, events[1].reason) == (1999, limit_mu, "canceled")


@pytest.mark.parametrize("rate", ["1.0", "1.5"])
def test_what_is_not_above_the_profile_or_the_clients_goes_on_whatever_is_on_board(rate):
    """D-1204, D-1107: the controller's own at the profile's rate, and what a client has changed."""
    oracle = looped(controller="own")
    oracle.sample(1, 0, 160, own=Wanted(1000, 30))
    if rate != "1.0":
        accept(oracle, 2, SetTbr(Decimal(rate), 30, change=True))
    accept(oracle, 3, SetBolus(Decimal("2.0")))
    accept(oracle, 4, SetGuardrails(iob_mu=100))
    decision = oracle.sample(60, 1, 160, own=Wanted())
    assert (str(decision.action), decision.detail.guardrail) == ("keep", 0)
    assert oracle.state().tbr is not None


def test_settings_that_are_written_hold_and_survive_a_cut():
    """D-1102, D-921: recorded as a pointer event."""
    oracle = looped()
    wanted = OrefSettings(uam=False, max_iob_mu=1000)
    assert code(oracle, 10, ConfigureOref(wanted)) == 0
    assert take(oracle) == [SettingsWritten(at_s=10)]
    assert oracle.power_cut().state().oref == wanted


@pytest.mark.parametrize(
    "wrong",
    [{"autosens_thousandths": 499}, {"temp_target_mg_dl": 59}, {"smb_interval_minutes": 0}, {"flat_cgm": "told"},
     {"half_basal_target_mg_dl": 100}, {"carbs_required_threshold_g": 0}, {"noisy_target_percent": 109}],
)  # fmt: skip
def test_settings_out_of_range_are_refused(wrong):
    """D-1102."""
    oracle = looped()
    assert code(oracle, 10, ConfigureOref(OrefSettings(**wrong))) == 0xFF
    assert take(oracle) == []


def test_settings_beyond_a_guardrail_are_refused_and_recorded():
    """D-1208: max IOB above guardrail 3."""
    oracle = looped()
    assert code(oracle, 10, ConfigureOref(OrefSettings(max_iob_mu=50_001))) == 0xFF
    assert [one.guardrail for one in take(oracle, GuardrailHeld)] == [3]


def test_flags_as_bits():
    """D-1102: bit 1 small boluses, bit 7 UAM, bit 11 sensitivity raises target."""
    assert OrefSettings(smb=True).oref_flags == 1 << 1 | 1 << 7 | 1 << 11
