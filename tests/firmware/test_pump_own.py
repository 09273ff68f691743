"""Goal: a controller of one's own doses what it decides, and nothing when it fails; it reaches nothing else (D-1112).

Method: functions in the place of the shipped one, through the pump on CPython.
"""

import sys

import pytest

from firmware.loop_bench import CANCEL, KEEP, NONE, RULE, SET, control, loop, sample, still
from firmware.test_pump_oref import detail, tbrs
from pump import events
from pump.control import own
from pump.control.control import DETAIL_NONE


@pytest.mark.parametrize("limit_mu", [5000, 1000])
def test_guardrail_3_ends_the_loops_own_high_tbr_whatever_is_decided(monkeypatch, limit_mu):
    """D-1204: of decisions that keep or fail; a TBR of the profile's rate goes on."""
    bench = loop(controller=events.OWN)
    decided = []
    monkeypatch.setattr(own, "decide", lambda inputs, settings, it: decided.pop(0)(it))
    bench.bolus(2, fast_mu=3000)
    assert bench.do(200, "guard", 30000, 25000, 50000, 60000, 300000, 1, 60, 240) == events.SUCCESS
    seen = []
    for number, (rate, then) in enumerate(((1, lambda it: None), (2, lambda it: None), (2, lambda it: 1 / 0))):
        decided += [lambda it, rate=rate: it.set(rate, 30), then]
        sample(bench, 10 * number, 160, s=600 * number + 300)
        bench.do(600 * number + 400, "guard", 30000, 25000, limit_mu, 60000, 300000, 1, 60, 240)
        action, _ = sample(bench, 10 * number + 5, 160, s=600 * number + 600)
        seen.append((action, bench.pump.tbr.active, detail(bench)[15]))
        bench.do(600 * number + 601, "guard", 30000, 25000, 50000, 60000, 300000, 1, 60, 240)
    goes_on = limit_mu == 5000
    assert seen[0] == (KEEP, True, 0)
    assert seen[1:] == ([(KEEP, True, 0), (NONE, True, 0)] if goes_on else [(CANCEL, False, 3), (NONE, False, 3)])
    assert len(bench.all("GUARDRAIL")) == (0 if goes_on else 2)


def raises(inputs, settings, decision):
    raise ZeroDivisionError


def is_no_number(inputs, settings, decision):
    decision.set(float("nan"), 30)


def is_below_zero(inputs, settings, decision):
    decision.set(-0.1, 30)


def is_too_long(inputs, settings, decision):
    decision.set(1, 1441)


def is_text(inputs, settings, decision):
    decision.set("1", 30)


def is_more_than_the_detail_tells(inputs, settings, decision):
    decision.set(65.001, 30)


def is_a_bolus_beyond_the_detail(inputs, settings, decision):
    decision.smb = 65.001


def is_a_bolus_without_end(inputs, settings, decision):
    decision.smb = float("inf")


@pytest.mark.parametrize(
    "decide",
    [
        raises, is_no_number, is_below_zero, is_too_long, is_text, is_more_than_the_detail_tells,
        is_a_bolus_beyond_the_detail, is_a_bolus_without_end,
    ],
)  # fmt: skip
def test_a_controller_that_fails_doses_nothing(monkeypatch, decide):
    """D-1112."""
    bench = loop(controller=events.OWN)
    monkeypatch.setattr(own, "decide", decide)
    for offset in (5, 10):
        assert sample(bench, offset, 160) == (NONE, RULE)
    expected = list(DETAIL_NONE)
    expected[0] = 1112
    assert detail(bench) == expected
    assert [line[2] for line in bench.all("ANNUNCIATION")] == [events.SYSTEM_ISSUE]
    bench.run(900)
    assert bench.pulses == [180, 360, 540, 720, 900]


def test_a_controller_that_cannot_be_loaded_doses_nothing(monkeypatch):
    """D-1112."""
    monkeypatch.setitem(sys.modules, "pump.control.own", None)
    monkeypatch.delattr("pump.control.own")
    bench = loop(controller=events.OWN)
    assert [(line[0], line[2]) for line in bench.all("ANNUNCIATION")] == [(0, events.SYSTEM_ISSUE)]
    assert bench.pump.control.settings.controller == events.OWN
    assert bench.do(1, "confirm", 1) == events.SUCCESS
    assert sample(bench, 5, 160) == (NONE, RULE)
    assert detail(bench)[0] == 1112
    told = bench.all("ANNUNCIATION")[-1]
    assert (told[0], told[2]) == (300, events.SYSTEM_ISSUE)


def test_an_own_controller_decides(monkeypatch):
    """D-1101, D-1110."""

    def decide(inputs, settings, decision):
        decision.set(settings.current_basal / 2 if inputs.glucose.mg_dl < 150 else 2 * settings.current_basal, 30)

    bench = loop(controller=events.OWN)
    monkeypatch.setattr(own, "decide", decide)
    assert sample(bench, 5, 149) == (SET, RULE)
    assert sample(bench, 10, 150) == (SET, RULE)
    assert [line[2:] for line in tbrs(bench)] == [(500, 30), (2000, 30)]
    assert detail(bench)[:9] + detail(bench)[12:] == [*DETAIL_NONE[:9], 2000, 30, 0, 0]


def test_what_a_controller_changes_is_not_the_next_ones(monkeypatch):
    """D-1102, D-1110: it is handed numbers of its own, and what is told of IOB and COB is what it was handed."""

    def decide(inputs, settings, decision):
        assert inputs.cgm is None and inputs.suspensions is None
        inputs.iob.iob, inputs.meal.cob, settings.autosens_ratio_max, settings.noisy_target_multiplier = 9, 9, 9, 9
        settings.remaining_carbs_fraction, inputs.iob.last_temp_rate, inputs.glucose.simulated = 9, 9, True

    bench = loop(controller=events.OWN)
    monkeypatch.setattr(own, "decide", decide)
    assert sample(bench, 5, 160) == (KEEP, RULE)
    assert detail(bench)[9:11] == [0, 0]
    handed = bench.pump.control.loop(bench.pump)
    inputs, settings = handed.inputs, handed.settings
    assert control(bench, 301, events.OREF) == events.SUCCESS
    assert sample(bench, 10, 160) == (SET, RULE)
    assert handed.inputs is not inputs and handed.settings is not settings
    assert not handed.inputs.glucose.simulated


def test_the_shipped_own_controller_keeps():
    """D-1101."""
    bench = loop(controller=events.OWN)
    assert still(bench, 300, 0, 30) == (KEEP, RULE)
    assert (tbrs(bench), detail(bench)[12:]) == ([], list(DETAIL_NONE[12:]))
