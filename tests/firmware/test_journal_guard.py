"""What the journal keeps of guardrails and rule sets, of pulses of every size, and of a reservoir that was filled.

Method: a pump on a flash in memory that is booted again, also while a pulse waits for its motor.
"""

import struct
import sys

import pytest

import settings as product
from firmware.loop_bench import CONTROLLER
from firmware.test_journal import again, running
from journal import parts
from journal.ring import PAYLOAD
from pump import events
from pump.control.settings import ControllerSettings

GUARDRAILS = (20000, 9000, 12000, 15000, 90000, 7, 20, 45)


def test_guardrails_and_rule_sets_survive():
    """D-921, D-1201: all numbers of both."""
    bench = running()
    values = (events.PLGS, 90, 71, 30, 120, 150, 15, 30, 300, 75, 140, 90, 110, 30, 0)
    assert bench.do(2, "configure", *values) == events.SUCCESS
    assert bench.do(3, "guard", *GUARDRAILS) == events.SUCCESS
    pump = again(bench).pump
    kept = pump.control.settings
    assert (kept.near_mg_dl, kept.resume_mg_dl, kept.resume_predicted_mg_dl) == values[10:13]
    assert (kept.minimum_minutes, kept.plgs_flags) == values[13:]
    guardrails = pump.guardrails
    assert (guardrails.basal_mu_per_h, guardrails.bolus_mu, guardrails.iob_mu, guardrails.hour_mu) == GUARDRAILS[:4]
    assert (guardrails.day_mu, guardrails.interval_minutes) == GUARDRAILS[4:6]
    assert (guardrails.stale_minutes, guardrails.decision_minutes) == GUARDRAILS[6:]


def older(parts, out):
    """Settings as a firmware before rule sets wrote them; behind them stands what a bolus left there."""
    settings = parts._pump.control.settings
    struct.pack_into(
        "<BHHBHHBBHBHHHBBB", out, PAYLOAD, settings.controller, 90, 65, 25, 100, 200, 20, 45, 360, 80, 0, 0, 0, 20, 3, 0
    )  # fmt: skip


def test_settings_of_an_older_firmware_do_not_survive(monkeypatch):
    """D-921: none of them, even where what stands behind them could be read as values."""
    bench = running()
    with monkeypatch.context() as before:
        before.setattr(parts.Parts, "_save_settings", older)
        values = (events.PLGS, 90, 65, 25, 100, 200, 20, 45, 360, 80)
        assert bench.do(2, "configure", *values, 0, 0, 0, 5, 3) == events.SUCCESS
    pump = again(bench).pump
    kept, first = pump.control.settings, ControllerSettings(product)
    assert vars(kept) == vars(first)
    assert pump.max_bolus_mu == bench.pump.max_bolus_mu


def test_a_controller_that_cannot_be_loaded_is_told_at_the_restart(monkeypatch):
    """D-1112: the settings stand."""
    bench = running()
    assert bench.do(2, "configure", events.OWN, *CONTROLLER) == events.SUCCESS
    monkeypatch.setitem(sys.modules, "pump.control.own", None)
    monkeypatch.delattr("pump.control.own")
    restarted = again(bench)
    told = [event for event in restarted.events if event[0] == events.ANNUNCIATION]
    assert [event[2] for event in told] == [events.SYSTEM_ISSUE]
    assert restarted.pump.control.settings.controller == events.OWN


def test_the_day_of_a_guardrail_goes_on_over_a_cut():
    """D-1205, D-928: what was delivered before the cut is in the window of 24 h, and not in that of 60 min."""
    bench = running()
    bench.do(2, "guard", 30000, 25000, 50000, 1000, 2000, 1, 60, 240)
    bench.bolus(3, 1000)
    bench.wake(100)
    bench = again(bench)
    bench.do(1, "set_therapy_state", events.RUN)
    assert bench.bolus(2, 1000) == events.SUCCESS
    bench.wake(3700)
    assert bench.pump.therapy == events.STOP
    assert bench.pump.daily.basal_mu + bench.pump.daily.bolus_mu == 2000


@pytest.mark.parametrize("pulse", [10, 25, 50, 100, 500, 2000])
def test_pulses_of_every_size_survive(pulse):
    """D-921, D-811: counters, day and reservoir."""
    bench = running(rate=20000, PULSE_MU=pulse, BOLUS_MIN_MU=pulse, BOLUS_STEPS=((25001, pulse),), BOLUS_MAX_MU=10000)
    assert bench.bolus(2, 10000) == events.SUCCESS
    bench.wake(3000)
    before = bench.pump
    pump = again(bench).pump
    assert pump.delivery.bolus_mu == before.delivery.bolus_mu == 10000
    assert pump.delivery.basal_mu == before.delivery.basal_mu > 16000 - pulse
    assert pump.reservoir.remaining_mu == before.reservoir.remaining_mu
    assert pump.daily.basal_mu == before.daily.basal_mu


def answered(bench, s, *commands):
    """Commands that take effect at s and are answered while the pulses of s still wait for the motor."""
    bench.wake(s - 1)
    bench.pump.advance(s)
    for command, *operands in commands:
        assert getattr(bench.pump, command)(s, *operands) == events.SUCCESS
    bench._committed()


def test_a_pulse_of_the_fill_before_is_not_given_to_the_new_one():
    """D-513, D-925: the power goes before the pulse that was counted has left."""
    for level in (300000, 100000):
        bench = running()
        answered(bench, 151, ("set_therapy_state", events.STOP), ("set_fill_level", level))
        assert bench.pump.delivery.basal_pulses == 1
        pump = again(bench).pump
        assert pump.delivery.basal_pulses == 0
        assert pump.reservoir.remaining_mu == level


def test_a_pulse_of_this_fill_is_given_back():
    """D-925: as ever."""
    bench = running()
    answered(bench, 151, ("set_therapy_state", events.STOP))
    assert bench.pump.reservoir.remaining_pulses == 5999
    assert again(bench).pump.reservoir.remaining_pulses == 6000


def test_a_pulse_before_the_fill_and_one_after_it():
    """D-925: of both only the later one goes back."""
    bench = running()
    answered(bench, 151, ("set_therapy_state", events.STOP), ("set_fill_level", 200000), ("start_priming", 100))
    bench.pump.advance(153)
    bench.pump.stop_priming(153)
    bench._committed()
    assert bench.pump.reservoir.remaining_pulses == 3999
    pump = again(bench).pump
    assert (pump.delivery.basal_pulses, pump.delivery.prime_pulses) == (0, 0)
    assert pump.reservoir.remaining_pulses == 4000


def test_a_fill_is_forgotten_with_the_pulses_that_were_lost():
    """D-925: after the restart the next pulse has the number of the lost one, and is of the new fill."""
    bench = running()
    answered(bench, 151, ("set_therapy_state", events.STOP), ("set_fill_level", 200000))
    bench = again(bench)
    bench.do(1, "set_therapy_state", events.RUN)
    answered(bench, 151, ("set_therapy_state", events.STOP))
    assert bench.pump.reservoir.remaining_pulses == 3999
    assert again(bench).pump.reservoir.remaining_pulses == 4000


def test_a_level_that_the_emulator_sets_is_a_fill():
    """D-925: in Run, with the pulse of the same second waiting."""
    bench = running()
    answered(bench, 151, ("inject", events.FAULT_RESERVOIR_LEVEL, 100))
    assert again(bench).pump.reservoir.remaining_pulses == 100


def test_what_ended_with_a_pulse_that_never_left():
    """D-922, D-925: the only pulse of the first bolus, and of the first priming."""
    bench = running(rate=0)
    bench.bolus(2, 50)
    answered(bench, 4)
    assert bench.pump.delivery.bolus_pulses == 1
    pump = again(bench).pump
    assert (pump.delivery.bolus_pulses, pump.reservoir.remaining_pulses) == (0, 6000)
    assert not pump.boluses[0].active


def test_a_pulse_of_the_fill_before_that_leaves_does_not_count_twice():
    """D-513: it was counted when it fell due."""
    bench = running()
    answered(bench, 151, ("set_therapy_state", events.STOP), ("set_fill_level", 200000))
    bench._turn()
    pump = again(bench).pump
    assert pump.delivery.basal_pulses == 1
    assert pump.reservoir.remaining_pulses == 4000
