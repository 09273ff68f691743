"""A pump on a board and a sensor on a link: what was measured while there was no connection reaches the pump after all.

D-617, D-601 to D-603, D-615. Method: the virtual board in lockstep, with the sensor of pumplink at the other end; what
the pump decides is held against what was measured and when.
"""

import random
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from pumplink import CgmServer, Link, Pump, VirtualBoard
from pumplink.cgm_server import FEATURES
from pumpwire import database
from pumpwire.enums import (
    CgmCalibrationTemperatureFlags,
    CgmFeatureFlags,
    CgmStatusFlags,
    CgmWarningFlags,
    DecisionReason,
)

SESSION = datetime(2024, 3, 1, 12)
MANUAL, STALE, INVALID = DecisionReason.MANUAL, DecisionReason.STALE, DecisionReason.INVALID_SAMPLE
RACP = database.CGM_RECORD_ACCESS_CONTROL_POINT
NO_CRC = FEATURES & ~CgmFeatureFlags.E2E_CRC


class Bench:
    """A board, a pump whose clock is set to the session's start, and a sensor that comes with the next connection."""

    def __init__(self, **options):
        self.board = VirtualBoard("virtual").start()
        self.bearer = self.board.bearer()
        self.link = Link(self.bearer)
        self.pump = Pump(self.link)
        self.decisions = []
        self.pump.on_decision(lambda decision, at_s: self.decisions.append(decision))
        self.link.open()
        self.pump.set_clock(SESSION)
        self.link.close()
        self.began_s = self.board.now_s
        self.sensor = CgmServer(self.link, SESSION, **options)

    def open(self, mtu=None):
        """A connection on which decisions are told."""
        # A report waits until the client is ready to hear of it.
        self.sensor.record_access.delay_s = lambda bursts: 0.25
        self.link.open()
        if mtu:
            self.link.exchange_mtu(mtu)
        self.pump.subscribe()
        self.link.run_until(self.link.now_s + 0.1)
        return self

    def close(self):
        """The connection ends, what was under way on it done."""
        self.link.run_until(self.link.now_s + 0.1)
        self.link.close()

    def minute(self, minute):
        """Let time pass to a minute of the session."""
        at_s = self.began_s + 60 * minute
        (self.link.run_until if self.link.is_open else self.bearer.wait_until)(at_s)

    def told(self):
        """(offset, glucose, reason) of the decisions since the last call."""
        self.link.run_until(self.link.now_s + 10)
        told = [(one.offset_minutes, one.glucose_mg_dl, one.reason) for one in self.decisions]
        self.decisions.clear()
        return told


@pytest.fixture
def make_bench():
    """Makes a bench and ends it; the board must not have printed anything."""
    made = []

    def make(**options):
        made.append(Bench(**options))
        return made[-1]

    yield make
    for bench in made:
        output = list(bench.board.output)
        bench.board.stop()
        assert output == [], output


def every_5(bench, first, last):
    """Measure every five minutes, 100 mg/dL and the minutes; whoever is connected is told."""
    for minute in range(first, last, 5):
        bench.minute(minute)
        bench.sensor.send(minute, 100 + minute)


@pytest.mark.parametrize("mtu", [None, 247])
@pytest.mark.parametrize("features", [FEATURES, NO_CRC])
def test_a_lost_connection_loses_no_sample(make_bench, features, mtu):
    """Those that have grown stale change nothing, the others are as good as ever."""
    bench = make_bench(features=features)
    bench.open(mtu)
    every_5(bench, 0, 11)
    assert bench.told() == [(minute, 100 + minute, MANUAL) for minute in (0, 5, 10)]
    bench.close()
    every_5(bench, 15, 41)
    bench.open(mtu)
    told = bench.told()
    assert told == [(minute, 100 + minute, STALE if minute < 25 else MANUAL) for minute in range(15, 41, 5)]
    every_5(bench, 45, 51)
    assert bench.told() == [(45, 145, MANUAL), (50, 150, MANUAL)]


def test_nothing_is_fetched_twice(make_bench):
    bench = make_bench()
    bench.open()
    every_5(bench, 0, 31)
    assert len(bench.told()) == 7
    for _ in range(3):
        bench.close()
        bench.open()
        assert bench.told() == []


def test_live_samples_come_after_those_missed(make_bench):
    bench = make_bench()
    bench.open()
    every_5(bench, 0, 6)
    bench.close()
    every_5(bench, 10, 21)
    bench.minute(25)
    bench.open()
    bench.sensor.send(25, 99)
    assert [offset for offset, _, _ in bench.told()] == [0, 5, 10, 15, 20, 25]


def test_a_session_that_is_new_to_the_pump_gives_what_is_not_stale(make_bench):
    """As after a restart of the pump: the fit has its samples at once."""
    bench = make_bench()
    every_5(bench, 0, 61)
    bench.open()
    assert bench.told() == [(minute, 100 + minute, MANUAL) for minute in (45, 50, 55, 60)]
    assert bench.pump.controller_settings().stale_minutes == 15


def test_a_day_without_a_connection(make_bench):
    """More than a UART holds, at the smallest MTU: the sensor's pauses are what the pump needs."""
    bench = make_bench()
    bench.open()
    every_5(bench, 0, 1)
    bench.told()
    bench.close()
    for minute in range(5, 1441, 5):
        bench.minute(minute)
        bench.sensor.send(minute, 100, status=CgmStatusFlags.DEVICE_BATTERY_LOW)
    bench.open()
    bench.link.run_until(bench.link.now_s + 60)
    told = bench.told()
    assert [offset for offset, _, _ in told] == list(range(5, 1441, 5))
    assert [reason for _, _, reason in told] == [STALE] * 285 + [MANUAL] * 3
    assert bench.pump.health().dropped_frames == 0


def test_a_connection_that_is_lost_amid_the_report(make_bench):
    bench = make_bench()
    bench.open()
    every_5(bench, 0, 1)
    bench.told()
    bench.close()
    every_5(bench, 5, 601)
    bench.open()
    bench.link.run_until(bench.link.now_s + 0.6)
    bench.close()
    first = [one.offset_minutes for one in bench.decisions]
    assert 0 < len(first) < 120
    bench.open()
    bench.link.run_until(bench.link.now_s + 30)
    assert [offset for offset, _, _ in bench.told()] == list(range(5, 601, 5))


@pytest.mark.parametrize("gone", ["deleted", "refused", "unknown"])
def test_a_sensor_without_records_gives_live_ones_all_the_same(make_bench, gone):
    bench = make_bench()
    bench.open()
    every_5(bench, 0, 6)
    bench.close()
    every_5(bench, 10, 16)
    if gone == "deleted":
        bench.sensor.records.clear()
    elif gone == "refused":
        bench.link.serve(RACP.handle + 1)
    else:
        bench.link.serve(RACP.handle, write=lambda value: bench.link.after(0, answer_unknown))

    def answer_unknown():
        bench.link.indicate_soon(RACP.handle, b"\x06\x00\x01\x02")

    bench.open()
    every_5(bench, 20, 26)
    assert [offset for offset, _, _ in bench.told()] == [0, 5, 20, 25]


def test_a_session_that_was_started_anew_while_the_pump_was_away(make_bench):
    bench = make_bench()
    bench.open()
    every_5(bench, 0, 31)
    bench.told()
    bench.close()
    bench.minute(35)
    bench.sensor.session.begin()
    bench.sensor.session.tell_time(SESSION + timedelta(minutes=35), -128, 255)
    bench.sensor.records.clear()
    for minute in (0, 5):
        bench.minute(35 + minute)
        bench.sensor.send(minute, 90 + minute)
    bench.open()
    assert bench.told() == [(0, 90, MANUAL), (5, 95, MANUAL)]


def any_record(numbers, offset):
    """Octets of a record with whatever it can hold, its glucose as a decision shows it, and whether it is usable."""
    glucose = numbers.choice([None, 0, 1, 1000, 1001, *(numbers.randint(20, 450) for _ in range(8))])
    if glucose is not None and glucose < 200 and numbers.random() < 0.3:
        glucose += Decimal(numbers.randint(1, 9)) / 10
    status = CgmStatusFlags(numbers.choice([0, 0, 0, *range(64)]))
    octets = CgmServer.record(
        offset, glucose, status, CgmWarningFlags(numbers.choice([0, numbers.randrange(256)])),
        numbers.choice([None, Decimal(numbers.randint(-99, 99)) / 10]),
        CgmCalibrationTemperatureFlags(numbers.choice([0, numbers.randrange(128)])),
        numbers.choice([None, Decimal(numbers.randint(0, 1000)) / 10]),
    )  # fmt: skip
    whole = 0 if glucose is None else int(glucose + Decimal("0.5"))
    shown = whole if 1 <= whole <= 1000 else None
    return octets, shown, bool(shown) and not status & 0x2D


@pytest.mark.parametrize("features", [FEATURES, NO_CRC])
@pytest.mark.parametrize("seed", range(4))
def test_notifications_of_many_records_with_any_fields(make_bench, seed, features):
    """On the board each record is what it is on the host, stored or live, alone or together."""
    numbers = random.Random(seed)
    bench = make_bench(features=features)
    bench.open(247)
    bench.minute(60)
    wanted = []
    offset = 47
    while offset < 60:
        group = []
        for _ in range(numbers.randint(1, 5)):
            octets, shown, usable = any_record(numbers, offset)
            group.append(octets)
            wanted.append((offset, shown, MANUAL if usable else INVALID))
            offset += 1
        if numbers.random() < 0.5:
            bench.sensor.send_records(group)
            continue
        bench.close()
        bench.sensor.send_records(group)
        bench.open(247)
        bench.link.run_until(bench.link.now_s + 1)
    assert bench.told() == wanted
