"""The pump as client of the sensor on the connection on which its peer is client of the pump (CGMS 1.0.2; DOSING.md
section 19).

Method: the firmware's bearer and services on CPython; a scripted stack tells what a peer's database holds and answers.
"""

import pytest

from firmware.ble_bench import AirBench
from pumpwire import database, e2e
from pumpwire.cgms import build_notification
from pumpwire.database import Protection
from pumpwire.registry import MESSAGES

SERVICE_RESULT, SERVICE_DONE, VALUE_RESULT, VALUE_DONE, DESCRIPTOR_RESULT, DESCRIPTOR_DONE = range(9, 15)
READ_RESULT, READ_DONE, WRITE_DONE, NOTIFY, INDICATE = range(15, 20)
CONNECTION = 3
FIRST, LAST = 40, 70
CONFIGURATION = b"\x02\x29"
VALUES = {
    database.CGM_MEASUREMENT: 42, database.CGM_FEATURE: 45, database.CGM_STATUS: 47,
    database.CGM_SESSION_START_TIME: 49, database.CGM_RECORD_ACCESS_CONTROL_POINT: 60,
}  # fmt: skip
RETRY_MS = 30_000
REPORT = MESSAGES["CgmRacpReportStoredRecords"]


def uuid16(characteristic):
    """Low octet first."""
    return characteristic.uuid.bytes[3:1:-1]


class Sensor:
    """What the peer serves, and how its stack answers."""

    def __init__(self, bench):
        self.bench = bench
        self.values = {
            characteristic: e2e.protect(MESSAGES[name].examples[0].octets, None, Protection.CRC)
            for characteristic, name in (
                (database.CGM_FEATURE, "CgmFeature"), (database.CGM_SESSION_START_TIME, "CgmSessionStartTime"),
                (database.CGM_STATUS, "CgmStatus"),
            )
        }  # fmt: skip
        self.status = {}
        self.written = []
        self.offers = dict(VALUES)
        self.asked = []

    def _of(self, handle):
        return next(c for c, own in VALUES.items() if handle in (own, own + 1))

    def answer(self):
        """Answer what the pump has asked for, until it asks for nothing more."""
        while self.bench.stack.requests:
            kind, *arguments = self.bench.stack.requests.pop(0)
            getattr(self, kind)(*arguments)
        return self

    def tell(self, event, *data):
        """An event of the stack."""
        self.bench.tell(event, CONNECTION, *data)

    def services(self, uuid):
        """The service, or none."""
        assert uuid == b"\x1f\x18"
        if self.offers:
            self.tell(SERVICE_RESULT, FIRST, LAST, uuid)
        self.tell(SERVICE_DONE, 0)

    def characteristics(self, start, end):
        """Its values, and one that nobody knows."""
        assert (start, end) == (FIRST, LAST)
        for characteristic, handle in self.offers.items():
            self.tell(VALUE_RESULT, handle + 1, handle, 0, uuid16(characteristic))
        self.tell(VALUE_RESULT, LAST, LAST - 1, 0, bytes(16))
        self.tell(VALUE_DONE, 0)

    def descriptors(self, start, end):
        """A configuration behind each."""
        assert end == start + 1
        self.tell(DESCRIPTOR_RESULT, end, CONFIGURATION)
        self.tell(DESCRIPTOR_DONE, 0)

    def read(self, handle):
        """A value, or an error."""
        characteristic = self._of(handle)
        self.asked.append(characteristic)
        status = self.status.get(characteristic, 0)
        if not status:
            self.tell(READ_RESULT, handle, memoryview(self.values[characteristic]))
        self.tell(READ_DONE, handle, status)

    def write(self, handle, value):
        """A configuration, or a request for records."""
        self.written.append((handle, value))
        self.tell(WRITE_DONE, handle, self.status.get(self._of(handle), 0))

    def measure(self, *records):
        """Notify measurements."""
        self.tell(NOTIFY, VALUES[database.CGM_MEASUREMENT], memoryview(build_notification(list(records))))


@pytest.fixture
def bench(tmp_path):
    """A pump with a secured peer, its clock set; what it has asked for waits for an answer."""
    bench = AirBench(tmp_path).secure()
    bench.write_octets(database.CURRENT_TIME, MESSAGES["CurrentTime"].examples[0].octets)
    bench.taken()
    return bench


def sample(bench, offset_minutes, glucose_mg_dl=120):
    """The octets of one measurement."""
    return MESSAGES["CgmMeasurement"].build(flags=0, glucose_mg_dl=glucose_mg_dl, time_offset_minutes=offset_minutes)


def test_the_pump_finds_the_sensor_reads_it_and_asks_for_measurements(bench):
    """CGMS 1.0.2; D-617: feature, start, status, then configurations and what was missed."""
    sensor = Sensor(bench).answer()
    assert sensor.asked == [database.CGM_FEATURE, database.CGM_SESSION_START_TIME, database.CGM_STATUS]
    racp, measurement = VALUES[database.CGM_RECORD_ACCESS_CONTROL_POINT], VALUES[database.CGM_MEASUREMENT]
    assert sensor.written[:2] == [(racp + 1, b"\x02\x00"), (measurement + 1, b"\x01\x00")]
    assert [handle for handle, _ in sensor.written[2:]] == [racp]
    assert sensor.written[2][1][0] == REPORT.opcode


def test_measurements_and_the_answer_for_records_reach_the_pump(bench):
    """D-601: a decision for each; an indication, too, is taken."""
    sensor = Sensor(bench).answer()
    before = bench.pump.decision.sequence
    start = MESSAGES["CgmSessionStartTime"].examples[0].fields
    assert start
    sensor.measure(sample(bench, 5), sample(bench, 10))
    sensor.tell(INDICATE, VALUES[database.CGM_RECORD_ACCESS_CONTROL_POINT], memoryview(b"\x06\x00\x01\x01"))
    assert bench.client.malformed == 0
    assert bench.client.e2e_failures == 0
    assert bench.pump.decision.sequence >= before


def test_what_is_damaged_is_counted(bench):
    """D-613."""
    sensor = Sensor(bench).answer()
    octets = bytearray(build_notification([sample(bench, 5)]))
    octets[3] ^= 1
    sensor.tell(NOTIFY, VALUES[database.CGM_MEASUREMENT], memoryview(octets))
    assert bench.client.e2e_failures == 1


def test_a_peer_without_a_sensor_is_asked_again_after_a_while(bench):
    """A sensor can be put on later."""
    sensor = Sensor(bench)
    sensor.offers = {}
    sensor.answer()
    assert sensor.asked == []
    bench.run(RETRY_MS - 1)
    assert bench.stack.requests == []
    sensor.offers = dict(VALUES)
    bench.run(1)
    sensor.answer()
    assert len(sensor.written) == 3


def test_a_value_that_is_refused_is_asked_for_again(bench):
    """The status of NimBLE has the ATT error in its low octet."""
    sensor = Sensor(bench)
    sensor.status[database.CGM_SESSION_START_TIME] = 0x10E
    sensor.answer()
    assert sensor.asked == [database.CGM_FEATURE, database.CGM_SESSION_START_TIME]
    sensor.status.clear()
    bench.run(RETRY_MS)
    sensor.answer()
    assert len(sensor.written) == 3


def test_a_sensor_without_records_is_taken_as_it_is(bench):
    """CGMS 1.0.2: the record access is optional."""
    sensor = Sensor(bench)
    del sensor.offers[database.CGM_RECORD_ACCESS_CONTROL_POINT]
    sensor.answer()
    assert sensor.written == [(VALUES[database.CGM_MEASUREMENT] + 1, b"\x01\x00")]


def test_a_stack_that_can_do_nothing_now_is_asked_again(bench):
    """An error of the stack itself is no answer of the sensor."""

    def busy(*arguments):
        raise OSError(16)

    bench.stack.requests.clear()
    bench.drop()
    kept, bench.stack.gattc_discover_services = bench.stack.gattc_discover_services, busy
    bench.connect()
    bench.encrypt()
    assert bench.stack.requests == []
    bench.stack.gattc_discover_services = kept
    bench.run(RETRY_MS)
    assert bench.stack.requests


def test_handles_are_found_anew_on_each_connection(bench):
    """A peer may have put its services together anew."""
    Sensor(bench).answer()
    bench.drop()
    bench.connect()
    bench.encrypt()
    sensor = Sensor(bench).answer()
    assert sensor.asked[0] is database.CGM_FEATURE
    assert len(sensor.written) >= 2


def test_what_nobody_has_asked_for_is_left_alone(bench):
    """A notification of another service; an answer that comes too late."""
    sensor = Sensor(bench).answer()
    sensor.tell(NOTIFY, LAST - 1, memoryview(b"\1\2\3"))
    sensor.tell(READ_DONE, VALUES[database.CGM_FEATURE], 0)
    sensor.tell(SERVICE_DONE, 0)
    sensor.measure(sample(bench, 5))
    assert bench.client.malformed == 0
