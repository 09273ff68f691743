"""The loop: pulses leave at their second, the tick counter's wrap is not noticed, the watchdog is fed, nothing drifts.

Method: the real firmware in lockstep; the motor pin's edges are what the board did.
"""

from decimal import Decimal
from itertools import pairwise

import pytest

from firmware.gatt_bench import COMMAND, RACP, GattBench
from pumpwire.database import EMULATOR_PUMP_DATA

TICKS_PERIOD_MS = 1 << 30
DAY_S = 86400


@pytest.fixture
def make_bench():
    """Makes boards, and stops them at the end."""
    benches = []

    def make(**options):
        benches.append(GattBench(confirms=True, **options))
        edges = benches[-1].edges = []
        benches[-1].board.on_pin(lambda pin, level, at_us, due_us: edges.append((at_us, level)))
        return benches[-1]

    yield make
    for bench in benches:
        bench.close()


def bolus(bench, amount_iu):
    """Start a bolus."""
    bench.procedure("SetBolus", flags=0, bolus_type=0x33, fast_amount_iu=Decimal(amount_iu), extended_amount_iu=0,
                    duration_minutes=0)  # fmt: skip


def test_a_pulse_is_high_for_its_width_within_its_second(make_bench):
    """D-953: in [s, s + 1)."""
    bench = make_bench()
    bench.running()
    start_s = bench.board.now_s
    bench.run_until(1000)
    rises = [at_us for at_us, level in bench.edges if level]
    falls = [at_us for at_us, level in bench.edges if not level]
    assert len(rises) == len(falls) == (1000 - int(start_s) - 1) // 180
    for rise, fall in zip(rises, falls, strict=True):
        assert 5000 <= fall - rise < 7000
    assert [rise // 1_000_000 for rise in rises] == bench.pulses
    assert all(rise % 1_000_000 < 10_000 for rise in rises)


@pytest.mark.parametrize("late", ["read", "records", "templates"])
def test_what_is_loaded_late_waits_for_the_end_of_a_pulse(make_bench, late):
    """D-953, D-958: loading takes a board some tens of milliseconds, in which nobody would end the pulse.

    The board's clock stands still while it computes: so the answer, which comes when the pulse has ended, tells.
    """
    bench = make_bench()
    bench.subscribed()
    # Without a profile: writing one would load what is to be loaded during the pulse.
    bench.procedure("SetTherapyControlState", therapy_control_state=0x55)
    bolus(bench, 1)
    while not bench.edges or not bench.edges[-1][1]:
        bench.run_for(0.001)
    rise_us = bench.edges[-1][0]
    bench.indications.clear()
    before = len(bench.answers) + len(bench.indications)
    if late == "read":
        bench.send(bytes((0x0A, EMULATOR_PUMP_DATA.handle, 0)))
    elif late == "records":
        bench.send(bytes((0x12, RACP.handle, 0)) + bench.protected(RACP, bytes((0x5A, 0x33))))
    else:
        bench.send(bytes((0x12, COMMAND.handle, 0)) + bench.protected(COMMAND, bytes((0x48, 0x12))))
    while len(bench.answers) + len(bench.indications) == before:
        bench.run_for(0.0005)
    fall_us = next(at_us for at_us, level in bench.edges if at_us > rise_us and not level)
    assert 4000 <= fall_us - rise_us < 7000
    assert 1_000_000 * bench.now_s >= fall_us


def test_two_pulses_of_one_second_are_two_pulses(make_bench):
    """D-107: a bolus pulse and a basal pulse due together are both seen, apart."""
    bench = make_bench()
    bench.running(rate_mu_per_h=30000)
    bench.run_until(int(bench.now_s) + 0.5)
    bolus(bench, 5)
    bench.run_for(200)
    twice = [s for s, later in pairwise(bench.pulses) if s == later]
    assert len(twice) > 5
    bench.code("SetTherapyControlState", therapy_control_state=0x33)
    bench.run_for(2)
    basal_pulses = bench.fields("EmulatorCounters")["basal_pulses"]
    assert len(bench.pulses) == sum(level for _, level in bench.edges) == basal_pulses + 100
    rises = [at_us for at_us, level in bench.edges if level]
    assert all(later - earlier > 9_000 for earlier, later in pairwise(rises))


@pytest.mark.parametrize("before_ms", [1, 999, 1000, 90_000, 100_500])
def test_the_wrap_of_the_ticks_changes_nothing(make_bench, before_ms):
    """D-001: the same pulses, to the microsecond of the pin, as from a counter that starts at 0."""
    edges = []
    for ticks_start_ms in (0, TICKS_PERIOD_MS - before_ms):
        bench = make_bench(ticks_start_ms=ticks_start_ms)
        bench.running(rate_mu_per_h=10000)
        bench.run_until(90.5)
        bolus(bench, "0.5")
        bench.run_until(300)
        assert bench.fields("EmulatorHealth")["uptime_s"] == 300
        edges.append([at_us // 1000 for at_us, _ in bench.edges])
    assert edges[0] and edges[0] == edges[1]


def test_keep_alives_across_the_wrap(make_bench):
    """A silent connection ends after three periods, not before, also when the ticks wrap meanwhile."""
    bench = make_bench(ticks_start_ms=TICKS_PERIOD_MS - 2000)
    bench.sensor = lambda pdu: None
    bench.open(keep_alive_ms=1000)
    bench.run_until(2.9)
    assert bench.exchange(b"\x0a\x15\x00")
    bench.run_for(3.1)
    assert bench.exchange(b"\x0a\x15\x00") == []


def test_a_board_that_nobody_speaks_to_feeds_its_watchdog(make_bench):
    """D-954: no reset in a day of silence; a reset would be an error of the bench."""
    bench = make_bench()
    bench.run_until(DAY_S)
    bench.open()
    health = bench.fields("EmulatorHealth")
    assert (health["uptime_s"], health["reset_cause"]) == (DAY_S, 0x33)


def test_the_loop_does_not_drift(make_bench):
    """Every pulse of a day at its second: 480 at 1 U/h, 180 s apart from the first to the last."""
    bench = make_bench()
    bench.running(rate_mu_per_h=1000)
    bench.run_until(DAY_S)
    assert len(bench.pulses) == 479
    assert {later - earlier for earlier, later in pairwise(bench.pulses)} == {180}


@pytest.mark.slow
def test_past_the_wrap_of_the_ticks_in_one_run(make_bench):
    """14 days: the ticks wrap after 12.4."""
    bench = make_bench()
    bench.running(rate_mu_per_h=100)
    bench.run_until(14 * DAY_S)
    assert bench.fields("EmulatorHealth")["uptime_s"] == 14 * DAY_S
    assert {later - earlier for earlier, later in pairwise(bench.pulses)} == {1800}
    assert len(bench.pulses) == 14 * 48 - 1
