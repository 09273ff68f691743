"""The oracle's two places for boluses, DOSING.md D-107, D-108, D-401 to D-415.

Goal: extended and multiwave boluses, delays, templates and what the wire says of them, at their boundaries. Method: the
rules' worked examples and their neighbours, on a pump in Run whose profile is 0 where only boluses matter.
"""

from decimal import Decimal

import pytest

from hil.oracle_bench import accept, code, pulses, running, take
from pumprig.oracle.commands import (
    AttachReservoir,
    CancelBolus,
    SetBolus,
    SetBolusTemplate,
    SetForce,
    SetMaxBolus,
    SetReservoir,
    SetTherapyState,
)
from pumprig.oracle.events import (
    Annunciation,
    BolusEnded,
    BolusStarted,
    BolusTemplateChanged,
    ReservoirChanged,
    TherapyChanged,
)
from pumprig.oracle.questions import GetActiveBolus, GetActiveBolusIds, GetAvailableBoluses, GetBolusTemplate

QUIET = (1440, "0")
HOUR = 3600


def iu(text):
    """An amount as on the wire."""
    return Decimal(text)


def extended(amount, minutes, **more):
    """Set Bolus of an extended bolus."""
    return SetBolus(iu("0"), "extended", iu(amount), minutes, **more)


def multiwave(fast, amount, minutes, **more):
    """Set Bolus of a multiwave bolus."""
    return SetBolus(iu(fast), "multiwave", iu(amount), minutes, **more)


def active(oracle, at_s):
    """The active bolus IDs in their order."""
    return accept(oracle, at_s, GetActiveBolusIds())["bolus_ids"]


# --- delivery ---


def test_extended_is_spread_evenly():
    """D-108: 0.20 U over 1 min from 100: pulses at 115, 130, 145, 160."""
    oracle = running(QUIET)
    accept(oracle, 100, extended("0.20", 1))
    assert pulses(oracle, HOUR, "extended") == [115, 130, 145, 160]
    assert oracle.state().boluses == ()


@pytest.mark.parametrize(("amount", "minutes"), [("0.35", 7), ("0.05", 720), ("10.0", 7), ("9.95", 719), ("0.15", 1)])
def test_extended_pulse_k_falls_at_the_ceiling(amount, minutes):
    """D-108: pulse k of n over D minutes at ceil(k x 60 D / n), the last at 60 D exactly."""
    oracle = running(QUIET)
    accept(oracle, 1000, extended(amount, minutes))
    count = int(iu(amount) / iu("0.05"))
    due = [1000 - (-k * 60 * minutes // count) for k in range(1, count + 1)]
    assert pulses(oracle, 1000 + 60 * minutes, "extended") == due
    assert due[-1] == 1000 + 60 * minutes


def test_pause_makes_an_extended_bolus_longer():
    """D-108, D-503: what is not earned in Pause comes later."""
    oracle = running(QUIET)
    accept(oracle, 100, extended("0.20", 1))
    accept(oracle, 120, SetTherapyState("pause"))
    accept(oracle, 420, SetTherapyState("run"))
    assert pulses(oracle, HOUR, "extended") == [115, 430, 445, 460]


def test_all_may_have_a_pulse_at_one_second():
    """D-003, D-107: fast, then the other bolus with its fast part first, then basal; none slows another."""
    oracle = running()
    accept(oracle, 120, multiwave("1.50", "0.20", 1))
    accept(oracle, 120, SetBolus(iu("5.0")))
    oracle.advance(180)
    last = [event.source for event in oracle.take_events() if event.codes == () and event.at_s == 180]
    assert last == ["bolus", "extended", "extended", "basal"]


def test_basal_and_bolus_of_the_worked_example():
    """D-107: basal 1 U/h from 0 and a bolus of 5 U from 100: at 180 a basal and a bolus pulse."""
    oracle = running()
    accept(oracle, 100, SetBolus(iu("5.0")))
    oracle.advance(180)
    assert [e.source for e in oracle.take_events() if not e.codes and e.at_s == 180] == ["bolus", "basal"]


def test_multiwave_parts_start_together():
    """D-414: 0.10 U and 0.10 U over 2 min from 0: fast at 2 and 4, extended at 60 and 120, and the end."""
    oracle = running(QUIET)
    accept(oracle, 0, multiwave("0.10", "0.10", 2))
    oracle.advance(HOUR)
    events = oracle.take_events()
    assert [event.at_s for event in events if not event.codes] == [2, 4, 60, 120]
    assert [event.source for event in events if not event.codes] == ["extended"] * 4
    assert [event for event in events if isinstance(event, BolusEnded)] == [
        BolusEnded(
            at_s=120, bolus_id=1, bolus_type="multiwave", fast_mu=100, extended_mu=100, effective_minutes=2,
            reason="programmed amount delivered",
        )
    ]  # fmt: skip


def test_multiwave_whose_fast_part_is_the_later_one():
    """D-414: the bolus ends with the last pulse of the later part."""
    oracle = running(QUIET)
    accept(oracle, 0, multiwave("2.0", "0.05", 1))
    oracle.advance(HOUR)
    (end,) = take(oracle, BolusEnded)
    assert (end.at_s, end.fast_mu, end.extended_mu, end.effective_minutes) == (80, 2000, 50, 1)


def test_cancel_ends_both_parts():
    """D-404, D-414: the pulse of that very second is included."""
    oracle = running(QUIET)
    accept(oracle, 0, multiwave("1.0", "0.10", 2))
    accept(oracle, 6, CancelBolus(1))
    (end,) = take(oracle, BolusEnded)
    assert (end.fast_mu, end.extended_mu, end.reason, end.effective_minutes) == (150, 0, "canceled", 0)
    assert pulses(oracle, HOUR) == []


# --- delay ---


def test_delay_of_the_worked_example():
    """D-413: 0.10 U with a delay of 1 min accepted at 42: pulses at 104 and 106; nothing is recorded at the start."""
    oracle = running(QUIET)
    accept(oracle, 42, SetBolus(iu("0.10"), delay_minutes=1))
    oracle.advance(200)
    events = oracle.take_events()
    assert [event.at_s for event in events if not event.codes] == [104, 106]
    assert [event for event in events if event.codes] == [
        BolusStarted(at_s=42, bolus_id=1, fast_mu=100, delay_minutes=1),
        BolusEnded(at_s=106, bolus_id=1, fast_mu=100, start_offset_s=60, reason="programmed amount delivered"),
    ]


def test_delay_runs_on_in_pause():
    """D-413: only the time, not the earning."""
    oracle = running(QUIET)
    accept(oracle, 42, SetBolus(iu("0.10"), delay_minutes=1))
    accept(oracle, 50, SetTherapyState("pause"))
    accept(oracle, 110, SetTherapyState("run"))
    assert pulses(oracle, HOUR) == [112, 114]


def test_a_delay_of_0_is_none():
    """D-413: recorded as programmed, delivered at once."""
    oracle = running(QUIET)
    accept(oracle, 42, SetBolus(iu("0.10"), delay_minutes=0))
    assert take(oracle, BolusStarted)[0].delay_minutes == 0
    assert pulses(oracle, HOUR) == [44, 46]


@pytest.mark.parametrize(("cancel_s", "offset_s", "minutes"), [(700, 600, 0), (699, 599, 0), (760, 600, 1)])
def test_start_offset_of_a_bolus_that_had_not_started(cancel_s, offset_s, minutes):
    """D-415: seconds to the start of delivery, or to the end when it came before."""
    oracle = running(QUIET)
    accept(oracle, 100, extended("0.20", 10, delay_minutes=10))
    accept(oracle, cancel_s, CancelBolus(1))
    (end,) = take(oracle, BolusEnded)
    assert (end.start_offset_s, end.effective_minutes, end.extended_mu) == (offset_s, minutes, 0)


# --- which are active ---


def test_order_of_the_active_ones():
    """D-411: extended with a delay of 10 min at 100, fast at 200: the fast one is first."""
    oracle = running(QUIET)
    accept(oracle, 100, extended("1.0", 60, delay_minutes=10))
    assert active(oracle, 150) == [1]
    accept(oracle, 200, SetBolus(iu("1.0"), delay_minutes=5))
    assert active(oracle, 201) == [2, 1]
    accept(oracle, 300, CancelBolus(2))
    accept(oracle, 400, SetBolus(iu("1.0"), delay_minutes=5))
    # Both start at 700: by their acceptance.
    assert active(oracle, 401) == [1, 3]


def test_stop_ends_them_in_that_order():
    """D-502, D-905: boluses, then therapy state."""
    oracle = running(QUIET)
    accept(oracle, 100, extended("1.0", 60, delay_minutes=10))
    accept(oracle, 200, SetBolus(iu("1.0")))
    take(oracle)
    accept(oracle, 204, SetTherapyState("stop"))
    assert take(oracle) == [
        BolusEnded(at_s=204, bolus_id=2, fast_mu=100, reason="canceled"),
        BolusEnded(at_s=204, bolus_id=1, bolus_type="extended", start_offset_s=104, reason="canceled"),
        TherapyChanged(at_s=204, old="run", new="stop"),
    ]


def test_both_end_at_one_second_in_that_order():
    """D-003 (2): by the second at which delivery starts."""
    oracle = running(QUIET)
    accept(oracle, 100, extended("0.10", 2))
    accept(oracle, 216, SetBolus(iu("0.10")))
    oracle.advance(HOUR)
    assert [(end.at_s, end.bolus_id) for end in take(oracle, BolusEnded)] == [(220, 1), (220, 2)]


def test_one_of_each_kind():
    """D-403: 0.10 U from 42 ends at 46; refused at 45, accepted at 46; an extended one is accepted at 45."""
    oracle = running(QUIET)
    accept(oracle, 42, SetBolus(iu("0.10")))
    assert code(oracle, 45, SetBolus(iu("0.10"))) == 0x76
    assert accept(oracle, 45, extended("0.10", 60)) == {"bolus_id": 2}
    assert accept(oracle, 45, GetAvailableBoluses()) == {"fast": False, "extended": False, "multiwave": False}
    assert code(oracle, 45, multiwave("0.10", "0.10", 60)) == 0x76
    assert accept(oracle, 46, GetAvailableBoluses()) == {"fast": True, "extended": False, "multiwave": False}
    assert accept(oracle, 46, SetBolus(iu("0.10"))) == {"bolus_id": 3}


def test_a_delay_holds_the_place():
    """D-403: the wait of its delay included."""
    oracle = running(QUIET)
    accept(oracle, 42, SetBolus(iu("0.10"), delay_minutes=720))
    assert code(oracle, 50, SetBolus(iu("0.10"))) == 0x76


# --- what is accepted ---


@pytest.mark.parametrize(
    ("bolus", "expected"),
    [
        (extended("6.0", 4), 0x0F),
        (extended("6.0", 3), 0x73),
        (multiwave("1.0", "6.0", 4), 0x0F),
        (multiwave("9.0", "1.0", 720), 0x0F),
        (multiwave("9.0", "1.05", 720), 0x73),
        (multiwave("0", "1.0", 60), 0x73),
        (multiwave("1.0", "0", 60), 0x73),
        (multiwave("1.0", "1.0", 0), 0x73),
        (extended("0.05", 1), 0x0F),
        (extended("0.05", 0), 0x73),
        (extended("0.05", 720), 0x0F),
        (extended("0.05", 721), 0x73),
        (extended("0.07", 60), 0x73),
        (extended("0", 60), 0x73),
        (extended("10.05", 720), 0x73),
        (extended("NaN", 60), 0x73),
        (SetBolus(iu("1.0"), "extended", iu("1.0"), 60), 0x71),
        (SetBolus(iu("0.07"), "extended", iu("0"), 0), 0x71),
        (SetBolus(iu("1.0"), "undetermined"), 0x71),
        (SetBolus(iu("1.0"), delay_minutes=720), 0x0F),
        (SetBolus(iu("1.0"), delay_minutes=721), 0x73),
        (SetBolus(iu("1.0"), activation="manually changed recommended"), 0x0F),
        (SetBolus(iu("1.0"), template_number=7), 0x74),
        (SetBolus(iu("1.0"), template_number=6), 0x73),
        (SetBolus(iu("1.0"), template_number=10), 0x73),
    ],
)
def test_what_is_accepted(bolus, expected):
    """D-401: each limit; an extended amount is at most what the speed brings out in its duration."""
    assert code(running(), 10, bolus) == expected


def test_the_order_of_the_refusals():
    """D-401: 0x71, 0x73, 0x74, 0x76, 0x72, and no refusal uses an ID (D-402)."""
    oracle = running(QUIET, reservoir_pulses=30)
    accept(oracle, 10, extended("1.0", 60))
    both = SetBolus(iu("0.07"), "extended", iu("0.07"), 60)
    accept(oracle, 20, SetTherapyState("pause"))
    assert code(oracle, 21, both) == 0x71
    assert code(oracle, 21, extended("0.07", 60)) == 0x73
    assert code(oracle, 21, extended("2.0", 60)) == 0x74
    accept(oracle, 22, SetTherapyState("run"))
    assert code(oracle, 23, extended("2.0", 60)) == 0x76
    assert code(oracle, 23, SetBolus(iu("0.55"))) == 0x72
    assert accept(oracle, 23, SetBolus(iu("0.50"))) == {"bolus_id": 2}


def test_the_reservoir_beyond_what_running_boluses_take():
    """D-401: what was delivered of them is out of the reservoir already."""
    oracle = running(QUIET, reservoir_pulses=21)
    accept(oracle, 0, extended("1.0", 10))
    oracle.advance(300)
    assert oracle.state().reservoir_pulses == 11
    assert code(oracle, 300, SetBolus(iu("0.10"))) == 0x72
    accept(oracle, 300, SetBolus(iu("0.05")))


# --- faults ---


def test_an_empty_reservoir_ends_both():
    """D-813, D-905: reservoir, annunciation, boluses, therapy."""
    oracle = running(QUIET, reservoir_pulses=410, reservoir_low_mu=50)
    accept(oracle, 10, extended("2.0", 60))
    accept(oracle, 10, SetBolus(iu("1.0")))
    accept(oracle, 20, SetReservoir(3))
    take(oracle)
    oracle.advance(100)
    assert take(oracle) == [
        Annunciation(at_s=24, annunciation_id=1, type="reservoir low", status="pending"),
        ReservoirChanged(at_s=26, remaining_mu=0),
        Annunciation(at_s=26, annunciation_id=2, type="reservoir empty", status="pending"),
        BolusEnded(at_s=26, bolus_id=1, bolus_type="extended", reason="error abort", annunciation_id=2),
        BolusEnded(at_s=26, bolus_id=2, fast_mu=400, reason="error abort", annunciation_id=2),
        TherapyChanged(at_s=26, old="run", new="stop"),
    ]


def test_an_occlusion_withholds_the_pulses_behind_it():
    """D-003 (1), D-821: each pulse stands behind the check."""
    oracle = running(QUIET)
    accept(oracle, 100, extended("0.20", 1))
    accept(oracle, 111, SetBolus(iu("1.0")))
    oracle.command(115, SetForce(65_535))
    oracle.advance(HOUR)
    ends = take(oracle, BolusEnded)
    # The fast bolus is at 113; at 115 both have a pulse due, and the first check stops all.
    assert [(end.at_s, end.fast_mu, end.extended_mu) for end in ends] == [(115, 0, 0), (115, 50, 0)]


def test_a_bolus_that_the_emptying_pulse_completes():
    """D-003 (2): it ends as delivered, after the Stop; the other one is aborted."""
    oracle = running(QUIET, reservoir_pulses=12, reservoir_low_mu=1)
    accept(oracle, 0, extended("0.50", 60))
    accept(oracle, 10, SetBolus(iu("0.10")))
    accept(oracle, 11, SetReservoir(2))
    take(oracle)
    oracle.advance(HOUR)
    assert [(end.bolus_id, end.reason) for end in take(oracle, BolusEnded)] == [
        (1, "error abort"),
        (2, "programmed amount delivered"),
    ]


def test_a_detached_reservoir_ends_both():
    """D-814: without an annunciation."""
    oracle = running(QUIET)
    accept(oracle, 0, extended("0.50", 60))
    accept(oracle, 0, SetBolus(iu("0.50")))
    accept(oracle, 4, AttachReservoir(False))
    assert [(end.bolus_id, end.annunciation_id) for end in take(oracle, BolusEnded)] == [(1, None), (2, None)]


# --- what the wire says ---


def told(oracle, at_s, bolus_id, selection):
    """Amounts, duration and delay of a selection."""
    fields = accept(oracle, at_s, GetActiveBolus(bolus_id, selection))
    return fields["fast_mu"], fields["extended_mu"], fields["duration_minutes"], fields["delay_minutes"]


def test_durations_of_the_worked_example():
    """D-415: extended over 10 min, after 90 s: elapsed 1, remaining 9, effective 1."""
    oracle = running(QUIET)
    accept(oracle, 100, extended("1.0", 10))
    assert told(oracle, 190, 1, "delivered") == (0, 150, 1, None)
    assert told(oracle, 190, 1, "remaining") == (0, 850, 9, None)
    assert told(oracle, 190, 1, "programmed") == (0, 1000, 10, None)
    accept(oracle, 190, CancelBolus(1))
    (end,) = take(oracle, BolusEnded)
    assert (end.effective_minutes, end.extended_mu) == (1, 150)


def test_pause_counts_as_effective_and_not_as_elapsed():
    """D-415: and a fast bolus has none of the durations."""
    oracle = running(QUIET)
    accept(oracle, 100, extended("1.0", 10))
    accept(oracle, 160, SetTherapyState("pause"))
    accept(oracle, 400, SetTherapyState("run"))
    accept(oracle, 401, SetBolus(iu("10.0")))
    assert told(oracle, 459, 1, "delivered")[2] == 1
    assert told(oracle, 460, 1, "delivered")[2] == 2
    assert told(oracle, 530, 2, "delivered")[2:] == (0, None)
    accept(oracle, 470 + 60, CancelBolus(1))
    accept(oracle, 530, CancelBolus(2))
    assert [end.effective_minutes for end in take(oracle, BolusEnded)] == [7, 0]


def test_delay_of_each_selection():
    """D-415: a remaining delay is rounded up, of the delivered values it is 65535."""
    oracle = running(QUIET)
    accept(oracle, 100, multiwave("0.50", "0.50", 10, delay_minutes=10))
    assert told(oracle, 101, 1, "programmed") == (500, 500, 10, 10)
    assert told(oracle, 101, 1, "remaining") == (500, 500, 10, 10)
    assert told(oracle, 160, 1, "remaining")[3] == 9
    assert told(oracle, 699, 1, "remaining")[3] == 1
    assert told(oracle, 700, 1, "remaining")[3] == 0
    assert told(oracle, 701, 1, "delivered") == (0, 0, 0, 65_535)


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        (GetActiveBolus(1, "undetermined"), 0x71),
        (GetActiveBolus(2, "delivered"), 0x74),
        (GetActiveBolus(1, "delivered"), 0x0F),
    ],
)
def test_questions_refused(question, expected):
    """D-411, D-415: an ID never given or no longer active: 0x74."""
    oracle = running(QUIET)
    accept(oracle, 100, extended("1.0", 10))
    assert code(oracle, 110, question) == expected
    accept(oracle, 120, CancelBolus(1))
    assert code(oracle, 121, GetActiveBolus(1, "delivered")) == 0x74
    assert active(oracle, 121) == []


# --- templates ---


def test_a_template_takes_the_operands_place():
    """D-401, D-412: type, amounts, duration, delay and reasons are the template's; the activation is the command's."""
    oracle = running(QUIET)
    template = SetBolusTemplate(8, "multiwave", iu("0.50"), iu("1.0"), 30, 5, frozenset({"meal"}))
    assert accept(oracle, 10, template) == {"number": 8}
    told_fields = {
        "bolus_type": "multiwave", "fast_mu": 500, "extended_mu": 1000, "duration_minutes": 30, "delay_minutes": 5,
        "reasons": frozenset({"meal"}),
    }  # fmt: skip
    assert take(oracle) == [BolusTemplateChanged(at_s=10, template=8, **told_fields)]
    assert accept(oracle, 11, GetBolusTemplate(8)) == {"number": 8, **told_fields}
    operand = SetBolus(
        iu("99"), "undetermined", template_number=8, activation="recommended", reasons=frozenset({"correction"})
    )
    accept(oracle, 20, operand)
    assert take(oracle) == [BolusStarted(at_s=20, bolus_id=1, template=8, activation="recommended", **told_fields)]
    accept(oracle, 21, CancelBolus(1))
    assert take(oracle)[0].activation == "recommended"


def test_a_template_is_judged_when_set_and_when_used():
    """D-412: template of 2 U, maximum lowered to 1 U: 0x73."""
    oracle = running(QUIET)
    accept(oracle, 10, SetBolusTemplate(7, "fast", iu("2.0")))
    accept(oracle, 11, SetMaxBolus(iu("1.0")))
    assert code(oracle, 12, SetBolus(iu("0"), template_number=7)) == 0x73
    assert code(oracle, 12, SetBolusTemplate(7, "fast", iu("2.0"))) == 0x73
    accept(oracle, 13, SetMaxBolus(iu("2.0")))
    accept(oracle, 14, SetBolus(iu("0"), template_number=7))


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        (SetBolusTemplate(6, "fast", iu("1.0")), 0x73),
        (SetBolusTemplate(10, "fast", iu("1.0")), 0x73),
        (SetBolusTemplate(6, "undetermined", iu("1.0")), 0x71),
        (SetBolusTemplate(7, "fast", iu("1.0"), iu("1.0")), 0x71),
        (SetBolusTemplate(7, "fast", iu("0.07")), 0x73),
        (SetBolusTemplate(9, "fast", iu("1.0"), delay_minutes=721), 0x73),
        (SetBolusTemplate(9, "fast", iu("1.0"), delay_minutes=720), 0x0F),
    ],
)
def test_templates_refused(template, expected):
    """D-412: judged as D-401 does; a number that is no bolus template's: 0x73."""
    assert code(running(), 10, template) == expected


def test_reading_a_template_that_holds_nothing():
    """D-412: 0x74, and 0x73 for one that is no bolus template's."""
    oracle = running()
    assert code(oracle, 10, GetBolusTemplate(7)) == 0x74
    assert code(oracle, 10, GetBolusTemplate(6)) == 0x73
