"""The pump as a client of the sensor: how it asks, what it takes for a sample, and where a session stands on its clock.

CGMS 1.0.2; D-601, D-602, D-615. Method: the test is the sensor and answers the pump's requests octet by octet. It
stores no records and tells no status, which the pump must put up with; test_cgms_missed.py has the sensor that does.
"""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from firmware.gatt_bench import DECISION, GattBench
from pumpwire import database, e2e
from pumpwire.cgms import build_notification
from pumpwire.database import Protection
from pumpwire.e2e import crc16
from pumpwire.numbers import Special
from pumpwire.registry import MESSAGES

FEATURE, START = database.CGM_FEATURE.handle, database.CGM_SESSION_START_TIME.handle
MEASUREMENT = database.CGM_MEASUREMENT.handle
STATUS, RECORDS = database.CGM_STATUS.handle, database.CGM_RECORD_ACCESS_CONTROL_POINT.handle
# In the order in which the pump asks.
ASKED = [FEATURE, START, STATUS, RECORDS + 1, MEASUREMENT + 1]
SESSION = datetime(2024, 3, 1, 12, 0, 0)
E2E_CRC = 0x1000
NONE, KEEP = 0x0F, 0x33
MANUAL, INVALID, STALE = 0x0F, 0xC3, 0x99
ATT_ERROR = 0x0A


class Sensor:
    """A sensor that answers; `refuses` names handles it refuses, `silent` those it does not answer."""

    def __init__(self, session=SESSION, protected=True):
        self.session = session
        self.protected = protected
        self.refuses = set()
        self.silent = set()
        self.damage = set()
        self.subscriptions = 0

    def __call__(self, pdu):
        handle = pdu[1] | pdu[2] << 8
        if handle in self.silent:
            return None
        if handle in self.refuses or handle in (STATUS, RECORDS + 1):
            return bytes((0x01, pdu[0], pdu[1], pdu[2], ATT_ERROR))
        if pdu[0] == 0x12:
            assert (handle, pdu[3:]) == (MEASUREMENT + 1, b"\x01\0")
            self.subscriptions += 1
            return b"\x13"
        value = bytearray(self.feature() if handle == FEATURE else self.start())
        if handle in self.damage:
            value[0] ^= 1
        return b"\x0b" + bytes(value)

    def feature(self):
        payload = MESSAGES["CgmFeature"].build(flags=E2E_CRC if self.protected else 0, type_and_location=0x59)
        return e2e.protect(payload, protection=Protection.CRC) if self.protected else payload + b"\xff\xff"

    def start(self):
        at = self.session
        payload = MESSAGES["CgmSessionStartTime"].build(
            year=at.year if at else 0, month=at.month if at else 0, day=at.day if at else 0, hour=at.hour if at else 0,
            minute=at.minute if at else 0, second=at.second if at else 0, time_zone_quarter_hours=-128, dst_offset=255,
        )  # fmt: skip
        return e2e.protect(payload, protection=Protection.CRC) if self.protected else payload


@pytest.fixture
def bench():
    """A board that nobody has spoken to."""
    bench = GattBench(confirms=True)
    yield bench
    bench.close()


def connect(bench, sensor=None, clock=SESSION):
    """Open with a sensor and set the clock, so that the session began about now."""
    bench.sensor = sensor or Sensor()
    bench.subscribed()
    if clock is not None:
        set_clock(bench, clock)
    return bench.sensor


def set_clock(bench, at):
    """Set the pump's clock: `at` is the local time at the second of effect."""
    assert bench.write_message(
        "CurrentTime", year=at.year, month=at.month, day=at.day, hour=at.hour, minute=at.minute, second=at.second,
        day_of_week=0, fractions_256=0, adjust_reason=1,
    ) == 0  # fmt: skip


def record(offset_minutes, glucose, **fields):
    """One record, without size and CRC."""
    values = {"flags": 0, "time_offset_minutes": offset_minutes, "glucose_mg_dl": glucose, **fields}
    return MESSAGES["CgmMeasurement"].build(**values)


def notify(bench, value):
    """Notify a value and return the decisions it brought."""
    bench.notifications.clear()
    bench.send(bytes((0x1B, MEASUREMENT & 0xFF, MEASUREMENT >> 8)) + value)
    bench.run_for(0.1)
    return [fields for _, fields in bench.told(DECISION)]


def measure(bench, *records, protected=True):
    """The same for records."""
    return notify(bench, build_notification(list(records), protected))


# --- how the pump asks ---


def test_the_pump_asks_for_feature_start_and_measurements(bench):
    bench.sensor = Sensor()
    bench.open()
    assert bench.requests == [
        bytes((0x0A, FEATURE & 0xFF, 1)), bytes((0x0A, START & 0xFF, 1)), bytes((0x0A, STATUS & 0xFF, 1)),
        bytes((0x12, (RECORDS + 1) & 0xFF, 1, 2, 0)), bytes((0x12, (MEASUREMENT + 1) & 0xFF, 1, 1, 0)),
    ]  # fmt: skip
    bench.run_for(100)
    assert len(bench.requests) == 5


def test_one_request_at_a_time(bench):
    bench.sensor = Sensor()
    bench.sensor.silent = {FEATURE}
    bench.open()
    bench.run_for(20)
    assert len(bench.requests) == 1


@pytest.mark.parametrize("handle", [FEATURE, START, MEASUREMENT + 1])
def test_a_refusal_is_tried_again_from_the_start(bench, handle):
    sensor = bench.sensor = Sensor()
    sensor.refuses = {handle}
    bench.open()
    bench.run_for(65)
    asked = [pdu[1] | pdu[2] << 8 for pdu in bench.requests]
    assert asked == ASKED[: ASKED.index(handle) + 1] * 3
    sensor.refuses = set()
    bench.run_for(30)
    assert sensor.subscriptions == 1


def test_a_silent_sensor_is_asked_again(bench):
    sensor = bench.sensor = Sensor()
    sensor.silent = {START}
    bench.open()
    bench.run_for(45)
    sensor.silent = set()
    bench.run_for(30)
    assert sensor.subscriptions == 1


@pytest.mark.parametrize("handle", [FEATURE, START])
def test_a_damaged_answer_is_no_answer(bench, handle):
    sensor = bench.sensor = Sensor()
    sensor.damage = {handle}
    bench.open()
    bench.run_for(5)
    assert sensor.subscriptions == 0
    assert bench.fields("EmulatorHealth")["e2e_failures"] == 1
    sensor.damage = set()
    bench.run_for(30)
    assert sensor.subscriptions == 1


def test_every_connection_asks_anew(bench):
    sensor = connect(bench)
    bench.subscribed()
    assert sensor.subscriptions == 2


def test_answers_nobody_asked_for_do_nothing(bench):
    """Also not one that comes after the connection of its request."""
    bench.sensor = Sensor()
    bench.sensor.silent = {FEATURE, START}
    bench.open()
    bench.open()
    bench.send(b"\x0b" + bench.sensor.start())
    bench.run_for(1)
    assert len(bench.requests) == 1


# --- what is a sample ---


def test_a_sample_brings_one_decision(bench):
    """D-615: the second of effect, the glucose and the reason are the pump's."""
    connect(bench)
    bench.run_until(int(bench.now_s) + 1.5)
    (told,) = measure(bench, record(0, 120))
    assert (told["decision_sequence"], told["time_offset_minutes"], told["glucose_mg_dl"]) == (1, 0, 120)
    assert (told["action"], told["reason"]) == (NONE, MANUAL)
    assert told["at_s"] == int(bench.now_s) + 1
    assert bench.fields("ControllerDecision") == told


def test_several_records_bring_a_decision_each_in_order(bench):
    connect(bench, clock=SESSION + timedelta(minutes=15))
    told = measure(bench, *(record(minutes, 100 + minutes) for minutes in (0, 5, 10, 15)))
    assert [one["decision_sequence"] for one in told] == [1, 2, 3, 4]
    assert [one["glucose_mg_dl"] for one in told] == [100, 105, 110, 115]
    assert [one["reason"] for one in told] == [MANUAL] * 4


@pytest.mark.parametrize(("glucose", "shown"), [
    (Decimal("120.5"), 121), (Decimal("120.4"), 120), (Decimal("0.5"), 1), (Decimal("0.4"), 0), (1000, 1000),
    (Decimal(1001), 0), (0, 0), (-1, 0), (39, 39), (401, 401), (Special.NAN, 0), (Special.NRES, 0), (Special.PINF, 0),
    (Special.NINF, 0), (200000000, 0),
])  # fmt: skip
def test_what_glucose_can_be(bench, glucose, shown):
    """D-602: rounded half up; 1 to 1000 is usable, everything else is an invalid sample."""
    connect(bench)
    (told,) = measure(bench, record(0, glucose))
    assert told["glucose_mg_dl"] == shown
    assert told["reason"] == (MANUAL if shown else INVALID)


@pytest.mark.parametrize(("status", "usable"), [
    ({"flags": 0x80, "sensor_status": 0x01}, False), ({"flags": 0x80, "sensor_status": 0x04}, False),
    ({"flags": 0x80, "sensor_status": 0x08}, False), ({"flags": 0x80, "sensor_status": 0x20}, False),
    ({"flags": 0x80, "sensor_status": 0x12}, True),
    ({"flags": 0x40, "sensor_calibration_temperature": 0x7F}, True), ({"flags": 0x20, "sensor_warning": 0xFF}, True),
    ({"flags": 0xE3, "sensor_status": 0x02, "sensor_calibration_temperature": 0x01, "sensor_warning": 0x08,
      "trend_mg_dl_per_minute": Decimal("-2.5"), "quality_percent": 99}, True),
    ({"flags": 0xE3, "sensor_status": 0x08, "sensor_calibration_temperature": 0x01, "sensor_warning": 0x08,
      "trend_mg_dl_per_minute": Special.NAN, "quality_percent": 0}, False),
])  # fmt: skip
def test_which_status_makes_a_sample_unusable(bench, status, usable):
    """D-602: session stopped, sensor type, malfunction, general fault; nothing else."""
    connect(bench)
    (told,) = measure(bench, record(0, 120, **status))
    assert told["reason"] == (MANUAL if usable else INVALID)


@pytest.mark.parametrize("protected", [True, False])
def test_protection_is_as_the_sensor_says(bench, protected):
    connect(bench, Sensor(protected=protected))
    assert len(measure(bench, record(0, 120), protected=protected)) == 1
    assert measure(bench, record(5, 120), protected=not protected) == []


def test_every_flipped_bit_of_a_record_loses_it(bench):
    connect(bench)
    value = build_notification([record(0, 120)])
    for bit in range(8, 8 * len(value)):
        damaged = bytearray(value)
        damaged[bit // 8] ^= 1 << bit % 8
        assert notify(bench, bytes(damaged)) == []
    assert bench.fields("EmulatorHealth")["e2e_failures"] == 8 * len(value) - 8
    assert len(notify(bench, value)) == 1


def test_a_damaged_record_leaves_the_others(bench):
    connect(bench, clock=SESSION + timedelta(minutes=10))
    value = bytearray(build_notification([record(minutes, 100 + minutes) for minutes in (0, 5, 10)]))
    value[len(value) // 2] ^= 4
    assert [told["time_offset_minutes"] for told in notify(bench, bytes(value))] == [0, 10]


@pytest.mark.parametrize("size", [0, 1, 5, 6, 7, 9, 255])
def test_a_size_that_cannot_be_ends_the_value(bench, size):
    connect(bench)
    value = bytearray(build_notification([record(0, 120)]))
    value[0] = size
    assert notify(bench, bytes(value)) == []
    assert len(measure(bench, record(0, 120))) == 1


@pytest.mark.parametrize("cut", range(1, 8))
def test_a_truncated_record_is_no_sample(bench, cut):
    connect(bench)
    assert notify(bench, build_notification([record(0, 120)])[:-cut]) == []


@pytest.mark.parametrize("flags", [0x01, 0x02, 0x20, 0x40, 0x80, 0xE3])
def test_a_record_shorter_than_its_flags_is_no_sample(bench, flags):
    connect(bench)
    payload = bytes((flags,)) + record(0, 120)[1:]
    framed = bytes((len(payload) + 3,)) + payload
    assert notify(bench, framed + crc16(framed).to_bytes(2, "little")) == []


def test_without_its_notifications_a_decision_can_be_read(bench):
    connect(bench)
    bench.write(database.CONTROLLER_DECISION.configuration_handle, b"\0\0")
    assert measure(bench, record(0, 120)) == []
    assert bench.fields("ControllerDecision")["glucose_mg_dl"] == 120


def test_before_the_first_sample_there_is_no_decision(bench):
    connect(bench)
    told = bench.fields("ControllerDecision")
    assert (told["decision_sequence"], told["glucose_mg_dl"], told["predicted_mg_dl"]) == (0, 0, 0x7FFF)


# --- where the session stands ---


def age_limit(bench, offset_minutes):
    """The reason of the one decision on a sample of this offset: whether it is too old, or ahead of its time."""
    (told,) = measure(bench, record(offset_minutes, 120))
    return told["reason"]


@pytest.mark.parametrize(("minutes_ago", "offset", "reason"), [
    (0, 0, MANUAL), (0, 1, MANUAL), (0, 2, INVALID), (15, 0, MANUAL), (16, 0, STALE), (600, 590, MANUAL),
    (600, 584, STALE), (600, 602, INVALID), (-1, 0, MANUAL), (-2, 0, INVALID), (60 * 24 * 10, 60 * 24 * 10, MANUAL),
])  # fmt: skip
def test_age_counts_from_the_session_s_start_on_the_pump_s_clock(bench, minutes_ago, offset, reason):
    """D-601, D-602: stale beyond 15 min, invalid more than 60 s ahead."""
    connect(bench, clock=SESSION + timedelta(minutes=minutes_ago))
    assert age_limit(bench, offset) == reason


def test_setting_the_clock_again_moves_no_measurement(bench):
    """D-601: the session was placed when the clock was first known."""
    connect(bench)
    set_clock(bench, SESSION + timedelta(hours=5))
    assert age_limit(bench, 0) == MANUAL


def test_the_same_start_read_again_is_the_same_session(bench):
    """After a reconnect, with the clock set in between: same second, and offsets go on."""
    sensor = connect(bench)
    assert age_limit(bench, 0) == MANUAL
    set_clock(bench, SESSION + timedelta(hours=5))
    bench.subscribed()
    assert sensor.subscriptions == 2
    assert age_limit(bench, 1) == MANUAL
    assert age_limit(bench, 1) == INVALID


def test_another_start_is_another_session(bench):
    sensor = connect(bench)
    bench.run_for(300)
    assert age_limit(bench, 5) == MANUAL
    sensor.session = SESSION + timedelta(minutes=5)
    bench.subscribed()
    assert age_limit(bench, 0) == MANUAL


def test_a_session_read_before_the_clock_is_set_is_placed_when_it_is(bench):
    connect(bench, clock=None)
    assert age_limit(bench, 0) == INVALID
    set_clock(bench, SESSION + timedelta(minutes=5))
    assert age_limit(bench, 5) == MANUAL


def test_a_session_on_the_clock_that_was_never_set(bench):
    """Until it is set the clock counts from 2000-01-01 00:00:00 (D-906)."""
    connect(bench, Sensor(session=datetime(2000, 1, 1, 0, 0, 0)), clock=None)
    assert age_limit(bench, 0) == MANUAL


def test_a_session_without_a_date_makes_every_sample_invalid(bench):
    connect(bench, Sensor(session=None))
    assert age_limit(bench, 0) == INVALID


@pytest.mark.parametrize("session", [datetime(1900, 1, 1), datetime(9999, 12, 31, 23, 59, 59)])
def test_a_session_of_another_age_is_harmless(bench, session):
    connect(bench, Sensor(session=session))
    assert age_limit(bench, 0) in (INVALID, STALE)
    assert bench.fields("IddStatus")
