"""What the pump makes of a notification: every record that is whole, in order, and nothing else.

CGMS 1.0.2, 3.1; D-602, D-617. Goal: for any records, with any optional fields, alone or together, whole or damaged, the
samples that reach the pump are those that the declarations read; and whatever the sensor answers, requests follow one
another. Method: the firmware's client runs on CPython with a scripted sensor on one side and a list of samples on the
other; hypothesis chooses the records.
"""

from datetime import datetime
from decimal import ROUND_FLOOR, Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatt import handles
from gatt.cgms_client import CgmsClient
from gatt.codec import Codec
from pumpwire import e2e
from pumpwire.cgms import build_notification
from pumpwire.database import Protection
from pumpwire.enums import (
    CgmCalibrationTemperatureFlags,
    CgmMeasurementFlags,
    CgmStatusFlags,
    CgmWarningFlags,
    DstOffset,
)
from pumpwire.numbers import Special
from pumpwire.registry import MESSAGES

READ_RESPONSE, WRITE_RESPONSE = 0x0B, 0x13
RETRY_MS = 30000
STALE_MINUTES = 15
RACP, RACP_CCCD = handles.CGM_RECORD_ACCESS_CONTROL_POINT, handles.CGM_RECORD_ACCESS_CONTROL_POINT_CCCD
FEATURE, START, STATUS = handles.CGM_FEATURE, handles.CGM_SESSION_START_TIME, handles.CGM_STATUS
MEASUREMENT, MEASUREMENT_CCCD = handles.CGM_MEASUREMENT, handles.CGM_MEASUREMENT_CCCD
# In the order in which they are asked.
REQUESTS = [FEATURE, START, STATUS, RACP_CCCD, MEASUREMENT_CCCD, RACP]


class Clock:
    """Milliseconds that the test sets."""

    ticks_ms = 0


class Wall:
    """A clock that shows the start of the session."""

    @staticmethod
    def day(s):
        """Days since 2000-01-01."""
        return (datetime(2024, 3, 1) - datetime(2000, 1, 1)).days

    @staticmethod
    def second_of_day(s):
        """Noon."""
        return 12 * 3600


class Bench:
    """A client between a sensor and a pump; both are this object."""

    def __init__(self, protected=True):
        self.protected = protected
        self.clock = Clock()
        self.samples = []
        self.sessions = []
        self.requests = []
        self.offset_minutes = 100
        self.started = datetime(2024, 3, 1, 12)
        self.wall = Wall()
        self.control = self.settings = self
        self.stale_minutes = STALE_MINUTES
        self.client = CgmsClient(self, Codec(), self, self.clock)

    # The server's side of the firmware: what is requested of the sensor.

    def request_read(self, handle):
        """A read."""
        self.requests.append((handle, b""))

    def request_write(self, handle, value):
        """A write."""
        self.requests.append((handle, bytes(value)))

    # The pump's side.

    def cgm_session(self, s, start_s):
        """A session was placed."""
        self.sessions.append(start_s)

    def cgm_sample(self, s, offset_minutes, glucose_mg_dl, status):
        """A sample came."""
        self.samples.append((offset_minutes, glucose_mg_dl, status))

    # The sensor's side.

    def value(self, handle):
        """What a read of a good sensor gives."""
        if handle == FEATURE:
            payload = MESSAGES["CgmFeature"].build(flags=0x1000 if self.protected else 0, type_and_location=0x59)
            return self.guarded(payload) if self.protected else payload + b"\xff\xff"
        if handle == STATUS:
            return self.guarded(MESSAGES["CgmStatus"].build(
                time_offset_minutes=self.offset_minutes, sensor_status=CgmStatusFlags(0),
                sensor_calibration_temperature=CgmCalibrationTemperatureFlags(0), sensor_warning=CgmWarningFlags(0),
            ))  # fmt: skip
        at = self.started
        return self.guarded(MESSAGES["CgmSessionStartTime"].build(
            year=at.year, month=at.month, day=at.day, hour=at.hour, minute=at.minute, second=at.second,
            time_zone_quarter_hours=-128, dst_offset=DstOffset.UNKNOWN,
        ))  # fmt: skip

    def guarded(self, payload):
        """A payload as the sensor protects it."""
        return e2e.protect(payload, protection=Protection.CRC) if self.protected else payload

    def answer(self, *refused):
        """Let the client ask until it asks no more, and refuse the handles named; the handles it asked."""
        asked = []
        self.client.run()
        while self.requests:
            handle, value = self.requests.pop(0)
            assert not self.requests
            asked.append(handle)
            if handle in refused:
                self.client.refused(0, 0x0A)
            elif value:
                self.client.response(0, WRITE_RESPONSE, b"", 0, 0)
            else:
                octets = self.value(handle)
                self.client.response(0, READ_RESPONSE, octets, 0, len(octets))
            if handle == RACP:
                self.report = value
            self.client.run()
        return asked

    report = None

    def connect(self, *refused, clock_set=True):
        """A connection; the handles asked for."""
        self.report = None
        self.client.reset()
        if clock_set:
            self.client.clock_set(0)
        self.client.opened()
        return self.answer(*refused)

    def notify(self, value, handle=MEASUREMENT):
        """A value comes at some place of a buffer; the samples it brings."""
        self.samples.clear()
        self.client.notified(0, handle, b"\xaa\xbb" + value + b"\xcc", 2, 2 + len(value))
        return list(self.samples)

    def records(self, *offsets):
        """A notification of plain records."""
        return self.notify(build_notification([record(offset) for offset in offsets], self.protected))

    def after(self, ms):
        """Time passes."""
        self.clock.ticks_ms += ms
        return self


def record(offset, glucose=120):
    """A plain record."""
    return MESSAGES["CgmMeasurement"].build(
        flags=CgmMeasurementFlags(0), time_offset_minutes=offset, glucose_mg_dl=Decimal(glucose)
    )


def asked_from(bench):
    """The offset from which records were asked for, None when they were not."""
    if bench.report is None:
        return None
    fields = MESSAGES["CgmRacpReportStoredRecords"].parse(bench.report).fields
    assert (fields["operator"].name, fields["filter"]) == ("GREATER_THAN_OR_EQUAL", 1)
    return fields["minimum_time_offset_minutes"]


# --- Records of every kind ---

SPECIALS = [Special.NAN, Special.NRES, Special.PINF, Special.NINF]
GLUCOSE = st.one_of(
    st.integers(-2000, 2000).map(Decimal), st.decimals(-200, 200, places=1), st.sampled_from(SPECIALS),
    st.sampled_from([Decimal("0.4"), Decimal("0.5"), Decimal(1000), Decimal(10000), Decimal(200000000)]),
)  # fmt: skip


@st.composite
def records(draw):
    """(octets, the sample that they are)."""
    fields = {
        "sensor_status": draw(st.none() | st.integers(0, 63)),
        "sensor_calibration_temperature": draw(st.none() | st.integers(0, 127)),
        "sensor_warning": draw(st.none() | st.integers(0, 255)),
        "trend_mg_dl_per_minute": draw(st.none() | st.decimals(-20, 20, places=2) | st.sampled_from(SPECIALS)),
        "quality_percent": draw(st.none() | st.decimals(0, 100, places=1) | st.sampled_from(SPECIALS)),
    }
    flags = sum(
        bit for bit, name in zip((0x80, 0x40, 0x20, 0x01, 0x02), fields, strict=True) if fields[name] is not None
    )
    offset, glucose = draw(st.integers(0, 65535)), draw(GLUCOSE)
    octets = MESSAGES["CgmMeasurement"].build(
        flags=CgmMeasurementFlags(flags), glucose_mg_dl=glucose, time_offset_minutes=offset, **fields
    )
    status = [fields[name] or 0 for name in list(fields)[:3]]
    return octets, (offset, whole(glucose), status[0] | status[1] << 8 | status[2] << 16)


def whole(glucose):
    """Glucose as the pump counts it: rounded half up, None for what is no number to it."""
    if isinstance(glucose, Special):
        return None
    return int((glucose + Decimal("0.5")).to_integral_value(ROUND_FLOOR))


def same(told, wanted):
    """Whether samples are those; what is no number, or none that a decision takes, may be told in any such way."""
    return len(told) == len(wanted) and all(
        (offset, status) == (right_offset, right_status)
        and (glucose == right or not (1 <= glucose <= 1000 or 1 <= (right or 0) <= 1000))
        for (offset, glucose, status), (right_offset, right, right_status) in zip(told, wanted, strict=True)
    )


@settings(max_examples=300)
@given(st.lists(records(), max_size=12), st.booleans())
def test_every_record_of_a_notification_is_one_sample(found, protected):
    bench = Bench(protected)
    bench.connect()
    told = bench.notify(build_notification([octets for octets, _ in found], protected))
    assert same(told, [sample for _, sample in found])
    assert (bench.client.malformed, bench.client.e2e_failures) == (0, 0)


@settings(max_examples=300)
@given(st.lists(records(), min_size=1, max_size=8), st.data())
def test_a_damaged_record_is_left_out_and_the_others_stay(found, data):
    """Any bit but those of its size, which is how the next one is found."""
    bench = Bench()
    bench.connect()
    which = data.draw(st.integers(0, len(found) - 1))
    parts = [bytearray(build_notification([octets])) for octets, _ in found]
    bit = data.draw(st.integers(8, 8 * len(parts[which]) - 1))
    parts[which][bit // 8] ^= 1 << bit % 8
    told = bench.notify(b"".join(map(bytes, parts)))
    assert same(told, [sample for number, (_, sample) in enumerate(found) if number != which])
    assert bench.client.e2e_failures == 1


@given(st.binary(max_size=244), st.booleans())
def test_any_octets_are_survived(value, protected):
    bench = Bench(protected)
    bench.connect()
    for offset, glucose, status in bench.notify(value):
        assert 0 <= offset <= 0xFFFF
        assert -0x20000000 < glucose < 0x20000000
        assert 0 <= status < 1 << 24
    bench.notify(value, RACP)
    assert bench.records(65535) == [(65535, 120, 0)]


@given(st.integers(0, 11), st.booleans())
def test_a_notification_that_is_cut_short_gives_its_whole_records(cut, protected):
    bench = Bench(protected)
    bench.connect()
    value = build_notification([record(offset) for offset in (0, 5, 10)], protected)
    octets = len(value) // 3
    told = bench.notify(value[: len(value) - cut])
    assert [offset for offset, _, _ in told] == [0, 5, 10][: (3 * octets - cut) // octets]


# --- What is asked, and in which order ---


@pytest.mark.parametrize("protected", [True, False])
def test_the_way_to_measurements_and_to_what_was_missed(protected):
    bench = Bench(protected)
    assert bench.connect() == REQUESTS
    assert bench.after(10 * RETRY_MS).answer() == []
    assert bench.client.wait_ms() == -1


@pytest.mark.parametrize("refused", [(STATUS,), (RACP_CCCD,), (RACP,), (STATUS, RACP_CCCD), (STATUS, RACP)])
def test_a_sensor_without_status_or_records_is_no_problem(refused):
    bench = Bench()
    asked = bench.connect(*refused)
    assert MEASUREMENT_CCCD in asked
    assert (RACP in asked) == (not {STATUS, RACP_CCCD}.intersection(refused))
    assert bench.after(10 * RETRY_MS).answer() == []
    assert bench.records(5) == [(5, 120, 0)]


@pytest.mark.parametrize("handle", [FEATURE, START, MEASUREMENT_CCCD])
def test_without_the_rest_the_sensor_is_asked_again(handle):
    bench = Bench()
    asked = bench.connect(handle)
    assert asked == REQUESTS[: REQUESTS.index(handle) + 1]
    assert bench.after(RETRY_MS).answer() == REQUESTS


@pytest.mark.parametrize("handle", [STATUS, RACP_CCCD, RACP])
def test_a_sensor_that_never_answers_that_gives_measurements_all_the_same(handle):
    bench = Bench()
    bench.client.clock_set(0)
    bench.client.opened()
    for silent in REQUESTS:
        bench.client.run()
        ((asked, value),) = bench.requests
        bench.requests.clear()
        assert asked == silent
        if silent == handle:
            bench.after(RETRY_MS)
            break
        octets = b"" if value else bench.value(asked)
        bench.client.response(0, WRITE_RESPONSE if value else READ_RESPONSE, octets, 0, len(octets))
    later = bench.answer()
    assert later == [item for item in REQUESTS[REQUESTS.index(handle) + 1 :] if item != RACP]
    assert bench.after(10 * RETRY_MS).answer() == []


@pytest.mark.parametrize("damage", range(6))
def test_a_damaged_status_tells_nothing(damage):
    bench = Bench()
    good = bench.value
    octets = bytearray(good(STATUS))
    octets[damage] ^= 0x10
    bench.value = lambda handle: bytes(octets) if handle == STATUS else good(handle)
    assert RACP not in bench.connect()
    assert bench.client.e2e_failures == 1


# --- What is missing ---


def test_in_a_session_seen_first_what_is_not_stale_is_missing():
    for offset, wanted in ((0, 0), (STALE_MINUTES, 0), (100, 100 - STALE_MINUTES), (65535, 65535 - STALE_MINUTES)):
        bench = Bench()
        bench.offset_minutes = offset
        bench.connect()
        assert asked_from(bench) == wanted


@given(st.lists(st.integers(0, 65534), min_size=1, max_size=10))
def test_what_follows_the_newest_is_missing(offsets):
    """Late and repeated records move nothing back, and the same session stays the same over connections."""
    bench = Bench()
    bench.offset_minutes = 0
    bench.connect()
    bench.records(*offsets[:5])
    bench.records(*offsets[5:])
    bench.offset_minutes = 65535
    bench.connect()
    assert asked_from(bench) == max(offsets) + 1


def test_nothing_follows_the_last_offset_there_can_be():
    bench = Bench()
    bench.connect()
    bench.records(65535)
    assert bench.connect() == REQUESTS[:-1]


def test_a_connection_without_a_sample_loses_nothing():
    bench = Bench()
    bench.connect()
    bench.offset_minutes = 400
    bench.connect()
    assert asked_from(bench) == 100 - STALE_MINUTES


def test_a_damaged_record_is_not_taken_as_received():
    bench = Bench()
    bench.connect()
    bench.records(200)
    damaged = bytearray(build_notification([record(205)]))
    damaged[3] ^= 1
    assert bench.notify(bytes(damaged)) == []
    bench.connect()
    assert asked_from(bench) == 201


def test_another_session_begins_anew():
    bench = Bench()
    bench.connect()
    bench.records(200)
    bench.started = datetime(2024, 3, 1, 11)
    bench.offset_minutes = 40
    bench.connect()
    assert asked_from(bench) == 40 - STALE_MINUTES


def test_before_the_clock_is_set_nothing_is_asked_and_setting_it_asks():
    bench = Bench()
    assert bench.connect(clock_set=False) == REQUESTS[:-1]
    bench.client.clock_set(0)
    assert bench.answer() == [RACP]
    bench.client.clock_set(0)
    assert bench.answer() == []


def test_the_clock_set_amid_the_requests_asks_once():
    bench = Bench()
    bench.client.opened()
    bench.client.run()
    bench.client.clock_set(0)
    assert bench.answer() == REQUESTS


@pytest.mark.parametrize(("code", "again"), [
    *((code, False) for code in (1, 2, 3, 4, 5, 6, 7, 9)), (8, True), (10, True),
])  # fmt: skip
def test_a_busy_sensor_is_asked_again_for_what_is_missing_then(code, again):
    bench = Bench()
    bench.connect()
    bench.records(90, 95)
    assert bench.notify(bytes((6, 0, 1, code)), RACP) == []
    assert bench.client.wait_ms() == (RETRY_MS if again else -1)
    assert bench.after(RETRY_MS).answer() == [RACP] * again
    if again:
        assert asked_from(bench) == 96


@pytest.mark.parametrize("octets", ["", "06", "060001", "0600010800", "06000100", "060001ff", "05000800"])
def test_an_answer_that_makes_no_sense_asks_nothing(octets):
    bench = Bench()
    bench.connect()
    bench.notify(bytes.fromhex(octets), RACP)
    assert bench.after(10 * RETRY_MS).answer() == []


def test_the_last_offset_that_comes_before_the_question_leaves_nothing_to_ask():
    """A busy sensor is about to be asked again when a record with the greatest offset comes."""
    bench = Bench()
    bench.connect()
    bench.notify(bytes((6, 0, 1, 8)), RACP)
    bench.records(65535)
    assert bench.after(RETRY_MS).answer() == []
    assert bench.client.wait_ms() == -1
