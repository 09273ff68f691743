"""The sensor answers every procedure of CGMS 1.0.2 as it must, its refusals included.

Goal: each opcode and operator with each of its codes; what is stored, told and set stays in agreement. Method: a
scripted client writes octets over a link and reads every PDU that comes back.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pumplink import CgmServer, Link
from pumplink.cgm_records import CgmRecord, CgmRecords, notifications
from pumplink.cgm_server import FEATURES
from pumplink_tools import Peer, accept, att
from pumpwire import database, e2e
from pumpwire.cgms import parse_notification
from pumpwire.database import Protection
from pumpwire.declare import TO_PUMP
from pumpwire.enums import (
    CgmCalibrationTemperatureFlags,
    CgmFeatureFlags,
    CgmMeasurementFlags,
    CgmRacpOperator,
    CgmStatusFlags,
    CgmWarningFlags,
)
from pumpwire.frame import Frame, FrameType
from pumpwire.numbers import Special
from pumpwire.registry import MESSAGES, decode

START = datetime(2023, 6, 1, 12, 30)
RACP, SOCP = database.CGM_RECORD_ACCESS_CONTROL_POINT, database.CGM_SPECIFIC_OPS_CONTROL_POINT
MEASUREMENT, SESSION_START = database.CGM_MEASUREMENT, database.CGM_SESSION_START_TIME
SUCCESS, NO_RECORDS = 1, 6
MISSING_CRC, INVALID_CRC, CCCD, IN_PROGRESS, OUT_OF_RANGE = 0x80, 0x81, 0xFD, 0xFE, 0xFF
NO_CRC = FEATURES & ~CgmFeatureFlags.E2E_CRC


class Bench:
    """A client with a sensor at the other end; it confirms indications while `confirms`."""

    def __init__(self, start: datetime | None = START, subscribe: bool = True, **options: Any) -> None:
        self.confirms = True
        self.peer = Peer(self._answer)
        self.link = Link(self.peer)
        self.sensor = CgmServer(self.link, start, **options)
        self.protected = CgmFeatureFlags.E2E_CRC in self.sensor.features
        self.open(subscribe)

    def open(self, subscribe: bool = True) -> None:
        """A connection, with every client configuration set."""
        self.link.open()
        self.peer.sent.clear()
        if subscribe:
            for characteristic, bits in ((MEASUREMENT, 1), (RACP, 2), (SOCP, 2)):
                assert self.write(characteristic.handle + 1, bytes((bits, 0))) == 0

    def _answer(self, frame: Frame) -> list[bytes | tuple[float, bytes]]:
        if frame.type == FrameType.OPEN:
            return [accept(frame)]
        if frame.type == FrameType.ATT and frame.body[0] == 0x1D and self.confirms:
            return [att(b"\x1e")]
        return []

    def run_for(self, seconds: float) -> None:
        """Let time pass."""
        self.link.run_until(self.link.now_s + seconds)

    def exchange(self, pdu: bytes) -> bytes:
        """Send a request and return its answer; it stands before whatever the sensor does then."""
        count = len(self.peer.sent)
        self.peer.come(0, att(pdu))
        self.run_for(0.001)
        return self.peer.sent[count].body

    def read(self, characteristic: Any) -> bytes:
        """A value, its CRC checked and taken away."""
        answer = self.exchange(b"\x0a" + characteristic.handle.to_bytes(2, "little"))
        assert answer[0] == 0x0B, answer.hex()
        return e2e.check(answer[1:], Protection.CRC).payload if self.protected else answer[1:]

    def fields(self, name: str) -> dict[str, Any]:
        """The characteristic of a message."""
        message = MESSAGES[name]
        decoded = message.parse(self.read(message.on))
        assert decoded.ok
        return decoded.fields

    def write(self, handle: int, value: bytes) -> int:
        """The ATT error code, 0 for none."""
        answer = self.exchange(b"\x12" + handle.to_bytes(2, "little") + value)
        if answer == b"\x13":
            return 0
        assert answer[:4] == b"\x01\x12" + handle.to_bytes(2, "little"), answer.hex()
        return answer[4]

    def control(self, characteristic: Any, octets: bytes) -> int:
        """Write to a control point with its CRC; the ATT error code."""
        protects = self.protected and characteristic is SOCP
        return self.write(characteristic.handle, e2e.protect(octets, protection=Protection.CRC) if protects else octets)

    def told(self, characteristic: Any) -> list[bytes]:
        """Values notified and indicated of a characteristic so far; they are taken away."""
        mine = [
            frame for frame in self.peer.sent
            if frame.body[0] in (0x1B, 0x1D) and frame.body[1:3] == characteristic.handle.to_bytes(2, "little")
        ]  # fmt: skip
        self.peer.sent = [frame for frame in self.peer.sent if frame not in mine]
        return [frame.body[3:] for frame in mine]

    def answer(self, characteristic: Any, octets: bytes) -> tuple[str, dict[str, Any]]:
        """Run a procedure to its end: (message name, fields) of its answer."""
        assert self.control(characteristic, octets) == 0
        self.run_for(30)
        (value,) = self.told(characteristic)
        if self.protected and characteristic is SOCP:
            value = e2e.check(value, Protection.CRC).payload
        message, decoded = decode(characteristic, value, TO_PUMP)
        assert message is not None and decoded.ok, decoded.detail
        return message.name, decoded.fields

    def code(self, characteristic: Any, octets: bytes) -> int:
        """The response code of a procedure."""
        name, fields = self.answer(characteristic, octets)
        assert name in ("CgmRacpResponseCode", "CgmResponseCode")
        assert fields["request_opcode"] == octets[0]
        return int(fields["response_code"])

    def do(self, name: str, **fields: Any) -> tuple[str, dict[str, Any]]:
        """Run a procedure that is given as a message."""
        message = MESSAGES[name]
        return self.answer(message.on, message.build(**fields))

    def measured(self) -> list[int]:
        """Offsets of the records notified so far."""
        records = [record for value in self.told(MEASUREMENT) for record in parse_notification(value, self.protected)]
        assert all(record.ok for record in records)
        return [record.fields["time_offset_minutes"] for record in records]


def stored(*offsets: int, **options: Any) -> Bench:
    """A sensor that has measured while nobody listened."""
    bench = Bench(subscribe=False, **options)
    for offset in offsets:
        assert not bench.sensor.send(offset, 100 + offset % 50)
    bench.open()
    return bench


# --- Values that are read ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("features", [FEATURES, NO_CRC])
def test_feature_has_its_crc_field_always(features: CgmFeatureFlags) -> None:
    bench = Bench(features=features)
    value = bench.exchange(b"\x0a" + database.CGM_FEATURE.handle.to_bytes(2, "little"))[1:]
    assert int.from_bytes(value[:3], "little") == int(features)
    assert value[3] == 0x59
    assert value[4:] == (e2e.crc16(value[:4]).to_bytes(2, "little") if bench.protected else b"\xff\xff")


def test_status_always_has_three_octets() -> None:
    bench = Bench(elapsed_s=3599)
    assert bench.read(database.CGM_STATUS) == bytes.fromhex("3b00" + "000000")
    bench.sensor.send(61, 40, status=CgmStatusFlags.DEVICE_BATTERY_LOW,
                      calibration_temperature=CgmCalibrationTemperatureFlags(0x04))  # fmt: skip
    bench.sensor.setup.device_alert = True
    assert bench.read(database.CGM_STATUS) == bytes.fromhex("3d00" + "120405")


def test_run_time_and_start() -> None:
    bench = Bench(run_time_hours=336)
    assert bench.fields("CgmSessionRunTime") == {"session_run_time_hours": 336}
    fields = bench.fields("CgmSessionStartTime")
    assert [fields[name] for name in ("year", "month", "day", "hour", "minute")] == [2023, 6, 1, 12, 30]
    assert (fields["time_zone_quarter_hours"], fields["dst_offset"]) == (-128, 255)


def test_a_client_tells_its_time_and_the_sensor_reckons_back() -> None:
    bench = Bench(None, elapsed_s=0)
    assert bench.fields("CgmSessionStartTime")["year"] == 0
    bench.run_for(3600)
    now = MESSAGES["CgmSessionStartTime"].build(
        year=2024, month=3, day=1, hour=0, minute=20, second=30, time_zone_quarter_hours=4, dst_offset=4
    )
    assert bench.write(SESSION_START.handle, e2e.protect(now, protection=Protection.CRC)) == 0
    assert bench.sensor.session_start == datetime(2024, 2, 29, 23, 20, 30)
    assert bench.fields("CgmSessionStartTime")["time_zone_quarter_hours"] == 4


@pytest.mark.parametrize(("payload", "error"), [
    ("e8070301001e0f8000", 0), ("e8070301001e0f80", 0x0D), ("e8070301001e0f800000", 0x0D), ("", MISSING_CRC),
    ("e8070d01001e0f8000", OUT_OF_RANGE), ("e8070302001e0f8003", OUT_OF_RANGE), ("00000301001e0f8000", OUT_OF_RANGE),
    ("e807021e001e0f8000", OUT_OF_RANGE), ("e8070301001e0f7f00", OUT_OF_RANGE),
])  # fmt: skip
def test_a_start_time_that_cannot_be_is_refused(payload: str, error: int) -> None:
    bench = Bench()
    octets = bytes.fromhex(payload)
    value = e2e.protect(octets, protection=Protection.CRC) if octets else b""
    assert bench.write(SESSION_START.handle, value) == error
    if error:
        assert bench.sensor.session_start == START


# --- Measurements -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("given_fields", "flags", "octets"), [
    ({}, 0, 6),
    ({"status": CgmStatusFlags(0x02)}, 0x80, 7),
    ({"calibration_temperature": CgmCalibrationTemperatureFlags(0x01)}, 0x40, 7),
    ({"warning": CgmWarningFlags.BELOW_DEVICE_RANGE}, 0x20, 7),
    ({"trend_mg_dl_per_minute": Decimal("-1.5")}, 0x01, 8),
    ({"quality_percent": Decimal("97.5")}, 0x02, 8),
    ({"status": CgmStatusFlags(0x02), "calibration_temperature": CgmCalibrationTemperatureFlags(0x01),
      "warning": CgmWarningFlags.BELOW_DEVICE_RANGE, "trend_mg_dl_per_minute": Decimal("-1.5"),
      "quality_percent": Decimal("97.5")}, 0xE3, 13),
])  # fmt: skip
@pytest.mark.parametrize("features", [FEATURES, NO_CRC])
def test_octets_are_there_when_they_say_something(
    given_fields: dict[str, Any], flags: int, octets: int, features: CgmFeatureFlags
) -> None:
    bench = Bench(features=features)
    assert bench.sensor.send(5, 120, **given_fields)
    (value,) = bench.told(MEASUREMENT)
    assert (value[0], value[1]) == (octets + 2 * bench.protected, flags)
    (record,) = parse_notification(value, bench.protected)
    assert record.fields["trend_mg_dl_per_minute"] == given_fields.get("trend_mg_dl_per_minute")
    assert record.fields["quality_percent"] == given_fields.get("quality_percent")


@pytest.mark.parametrize(("glucose", "trend", "warning"), [
    (70, 3, 0), (69, -3, 0x01), (180, None, 0), (181, None, 0x02), (54, None, 0x01), (53, None, 0x05),
    (250, None, 0x02), (251, None, 0x0A), (100, Decimal("-3.1"), 0x10), (100, Decimal("3.1"), 0x20), (None, None, 0),
])  # fmt: skip
def test_the_sensor_warns_beyond_its_levels(glucose: int | None, trend: Any, warning: int) -> None:
    bench = Bench()
    bench.sensor.send(5, glucose, trend_mg_dl_per_minute=None if trend is None else Decimal(trend))
    (record,) = parse_notification(bench.told(MEASUREMENT)[0])
    assert int(record.fields["sensor_warning"] or 0) == warning
    assert (record.fields["glucose_mg_dl"] is Special.NAN) == (glucose is None)


def test_interval_0_turns_notifications_off_but_not_the_sensor() -> None:
    bench = Bench()
    bench.sensor.setup.interval_minutes = 0
    assert not bench.sensor.send(5, 100)
    assert bench.measured() == []
    assert len(bench.sensor.records) == 1


RECORDS = st.lists(
    st.builds(
        CgmServer.record, st.integers(0, 65535), st.none() | st.integers(0, 2000),
        st.integers(0, 63).map(CgmStatusFlags), st.integers(0, 255).map(CgmWarningFlags),
        st.none() | st.integers(-100, 100).map(Decimal),
        st.integers(0, 127).map(CgmCalibrationTemperatureFlags), st.none() | st.integers(0, 100).map(Decimal),
    ),
    max_size=40,
)  # fmt: skip


@given(RECORDS, st.integers(23, 247), st.booleans())
def test_records_share_notifications_as_far_as_the_mtu_allows(records: list[bytes], mtu: int, with_crc: bool) -> None:
    given_records = [CgmRecord.of(octets) for octets in records]
    groups = notifications(given_records, mtu, with_crc)
    assert [record for group in groups for record in group] == given_records
    frame = 3 if with_crc else 1
    sizes = [[len(record.octets) + frame for record in group] for group in groups]
    assert all(sum(size) <= mtu - 3 for size in sizes)
    assert all(sum(size) + following[0] > mtu - 3 for size, following in pairwise(sizes))


@given(st.lists(st.integers(0, 65535), max_size=30), st.integers(0, 65535), st.integers(0, 65535))
def test_what_is_stored_is_selected_by_its_bounds(offsets: list[int], low: int, high: int) -> None:
    records = CgmRecords()
    for offset in offsets:
        records.add(CgmRecord.of(CgmServer.record(offset, 100)))
    there = sorted(set(offsets))
    within = records.select(CgmRacpOperator.WITHIN_RANGE, low, high)
    assert [record.offset_minutes for record in records] == there
    assert [record.offset_minutes for record in within] == [offset for offset in there if low <= offset <= high]
    records.delete(within)
    assert [record.offset_minutes for record in records] == [offset for offset in there if not low <= offset <= high]


# --- Record access ----------------------------------------------------------------------------------------------

SELECTIONS = [
    ("01", [0, 5, 10, 15, 20]), ("02010a00", [0, 5, 10]), ("03010a00", [10, 15, 20]), ("03010b00", [15, 20]),
    ("040105000f00", [5, 10, 15]), ("040105000500", [5]), ("05", [0]), ("06", [20]), ("03011500", []),
    ("02010000", [0]), ("040106000900", []),
]  # fmt: skip


@pytest.mark.parametrize(("selection", "offsets"), SELECTIONS)
@pytest.mark.parametrize("features", [FEATURES, NO_CRC])
def test_report(selection: str, offsets: list[int], features: CgmFeatureFlags) -> None:
    """Oldest first, copies, then the code; the control point has no CRC."""
    bench = stored(10, 0, 20, 5, 15, features=features)
    code = bench.code(RACP, bytes.fromhex("01" + selection))
    assert bench.measured() == offsets
    assert code == (SUCCESS if offsets else NO_RECORDS)
    assert len(bench.sensor.records) == 5


@pytest.mark.parametrize(("selection", "offsets"), SELECTIONS)
def test_number(selection: str, offsets: list[int]) -> None:
    bench = stored(10, 0, 20, 5, 15)
    name, fields = bench.answer(RACP, bytes.fromhex("04" + selection))
    assert (name, fields["stored_record_count"]) == ("CgmRacpNumberOfStoredRecordsResponse", len(offsets))


@pytest.mark.parametrize(("selection", "offsets"), SELECTIONS)
def test_delete(selection: str, offsets: list[int]) -> None:
    bench = stored(10, 0, 20, 5, 15)
    assert bench.code(RACP, bytes.fromhex("02" + selection)) == (SUCCESS if offsets else NO_RECORDS)
    assert bench.measured() == []
    left = [record.offset_minutes for record in bench.sensor.records]
    assert left == [offset for offset in (0, 5, 10, 15, 20) if offset not in offsets]


@pytest.mark.parametrize(("octets", "code"), [
    ("0701", 2), ("0001", 2), ("060001", 2), ("0500", 2), ("0100", 3), ("0200", 3), ("0400", 3), ("0301", 3),
    ("0107", 4), ("01ff", 4), ("0207", 4), ("01", 5), ("0101ff", 5), ("010301", 5), ("0103010a", 5), ("03010a00", 5),
    ("010401", 5), ("01040110000f00", 5), ("0105010a00", 5), ("0103020a00", 9), ("0203020a00", 9), ("0403ff0a00", 9),
    ("0300", 1),
])  # fmt: skip
def test_refusals(octets: str, code: int) -> None:
    bench = stored(0, 5)
    assert bench.code(RACP, bytes.fromhex(octets)) == code
    assert len(bench.sensor.records) == 2


def test_record_access_needs_its_configurations() -> None:
    bench = stored(0, 5)
    assert bench.write(MEASUREMENT.handle + 1, b"\0\0") == 0
    assert bench.control(RACP, b"\x01\x01") == CCCD
    assert bench.code(RACP, b"\x02\x05") == SUCCESS
    assert bench.write(RACP.handle + 1, b"\0\0") == 0
    assert bench.control(RACP, b"\x04\x01") == CCCD
    assert bench.write(RACP.handle, b"") == CCCD


def test_a_second_procedure_while_one_runs_is_refused() -> None:
    bench = stored(*range(0, 300, 5))
    assert bench.control(RACP, b"\x01\x01") == 0
    for octets in (b"\x01\x01", b"\x04\x01", b"\x02\x01", b"\x09\x01", b""):
        assert bench.control(RACP, octets) == IN_PROGRESS
    bench.run_for(10)
    assert bench.told(RACP) == [b"\x06\x00\x01\x01"]
    assert bench.measured() == list(range(0, 300, 5))
    assert bench.code(RACP, b"\x02\x01") == SUCCESS


def test_a_procedure_lasts_until_its_indication_is_confirmed() -> None:
    bench = stored(0)
    bench.confirms = False
    assert bench.control(RACP, b"\x04\x01") == 0
    assert bench.control(RACP, b"\x03\x00") == IN_PROGRESS
    assert bench.sensor.send(5, 100)
    assert bench.measured() == []
    bench.confirms = True
    bench.peer.come(0, att(b"\x1e"))
    bench.run_for(0.1)
    assert bench.measured() == [5]
    assert bench.told(RACP) == [b"\x05\x00\x01\x00"]
    assert bench.code(RACP, b"\x03\x00") == SUCCESS


def test_a_report_pauses_and_can_be_aborted() -> None:
    bench = stored(*range(0, 600, 5))
    assert bench.control(RACP, b"\x01\x01") == 0
    bench.run_for(0.3)
    assert bench.control(RACP, b"\x03\x01") == 0
    bench.run_for(0.1)
    assert bench.told(RACP) == [b"\x06\x00\x03\x03"]
    assert bench.sensor.busy
    assert bench.control(RACP, b"\x03\x00") == 0
    bench.run_for(10)
    assert bench.told(RACP) == [b"\x06\x00\x03\x01"]
    told = bench.measured()
    assert told == list(range(0, 600, 5))[: len(told)]
    assert 0 < len(told) < 120
    assert not bench.sensor.busy


def test_a_report_ends_when_measurements_are_no_longer_wanted_and_with_the_connection() -> None:
    bench = stored(*range(0, 600, 5))
    assert bench.control(RACP, b"\x01\x01") == 0
    assert bench.write(MEASUREMENT.handle + 1, b"\0\0") == 0
    bench.run_for(10)
    assert bench.told(RACP) == [b"\x06\x00\x01\x08"]
    assert bench.write(MEASUREMENT.handle + 1, b"\1\0") == 0
    assert bench.control(RACP, b"\x01\x01") == 0
    bench.open()
    bench.run_for(10)
    assert (bench.measured(), bench.told(RACP)) == ([], [])
    assert bench.code(RACP, b"\x01\x01") == SUCCESS


def test_live_measurements_wait_for_the_end_of_a_report() -> None:
    bench = stored(*range(0, 300, 5))
    sent: list[tuple[int, bool]] = []
    bench.sensor.on_sent(lambda record, from_store: sent.append((record.offset_minutes, from_store)))
    assert bench.control(RACP, b"\x01\x01") == 0
    assert bench.sensor.send(300, 99)
    bench.run_for(10)
    assert bench.measured() == list(range(0, 305, 5))
    assert sent == [*((offset, True) for offset in range(0, 300, 5)), (300, False)]


# --- Specific operations ----------------------------------------------------------------------------------------

LEVELS = [
    ("PatientHigh", "patient_high_mg_dl"), ("PatientLow", "patient_low_mg_dl"), ("Hypo", "hypo_mg_dl"),
    ("Hyper", "hyper_mg_dl"), ("RateOfDecrease", "rate_of_decrease_mg_dl_per_minute"),
    ("RateOfIncrease", "rate_of_increase_mg_dl_per_minute"),
]  # fmt: skip


@pytest.mark.parametrize(("title", "name"), LEVELS)
@pytest.mark.parametrize("features", [FEATURES, NO_CRC])
def test_levels(title: str, name: str, features: CgmFeatureFlags) -> None:
    bench = Bench(features=features)
    set_opcode = MESSAGES[f"CgmSet{title}"].opcode
    assert set_opcode is not None
    assert bench.do(f"CgmGet{title}")[1] == {name: getattr(bench.sensor.setup.levels, name)}
    assert bench.do(f"CgmSet{title}", **{name: Decimal(60)})[1]["response_code"] == SUCCESS
    assert bench.do(f"CgmGet{title}") == (f"CgmGet{title}Response", {name: Decimal(60)})
    for word in ("0000", "f2ff", "ff07", "fe07", "7a30"):
        assert bench.code(SOCP, bytes((set_opcode,)) + bytes.fromhex(word)) == 5, word
    for octets in ("", "64", "640000"):
        assert bench.code(SOCP, bytes((set_opcode,)) + bytes.fromhex(octets)) == 3
    assert getattr(bench.sensor.setup.levels, name) == 60


@pytest.mark.parametrize(("minutes", "code", "then"), [
    (0, SUCCESS, 0), (1, 5, 5), (2, SUCCESS, 2), (254, SUCCESS, 254), (255, SUCCESS, 2),
])  # fmt: skip
def test_communication_interval(minutes: int, code: int, then: int) -> None:
    bench = Bench()
    bench.sensor.setup.fastest_interval_minutes = 2
    assert bench.do("CgmSetCommunicationInterval", communication_interval_minutes=minutes)[1]["response_code"] == code
    assert bench.do("CgmGetCommunicationInterval")[1] == {"communication_interval_minutes": then}


def calibration(glucose: Any, minutes: int = 10) -> dict[str, Any]:
    """Fields of a calibration; its number and status are the sensor's affair."""
    return {
        "calibration_glucose_mg_dl": glucose, "calibration_time_minutes": minutes, "type_and_location": 0x11,
        "next_calibration_minutes": 730, "calibration_record_number": 99, "calibration_status": 7,
    }  # fmt: skip


def test_calibrations() -> None:
    bench = Bench()
    none = bench.do("CgmGetCalibration", calibration_record_number=0xFFFF)[1]
    assert (none["calibration_record_number"], none["calibration_glucose_mg_dl"]) == (0, Special.NAN)
    for glucose in (100, 120):
        assert bench.do("CgmSetCalibration", **calibration(Decimal(glucose)))[1]["response_code"] == SUCCESS
    for number, glucose, wanted in ((1, 100, 1), (2, 120, 2), (0xFFFF, 120, 2)):
        told = bench.do("CgmGetCalibration", calibration_record_number=number)[1]
        assert told == calibration(Decimal(glucose)) | {"calibration_record_number": wanted, "calibration_status": 0}
    for number in (0, 3, 0xFFFE):
        name, told = bench.do("CgmGetCalibration", calibration_record_number=number)
        assert (name, told["response_code"]) == ("CgmResponseCode", 5)
    for bad in (Special.NAN, Special.NRES, Decimal(0), Decimal(1010)):
        assert bench.do("CgmSetCalibration", **calibration(bad))[1]["response_code"] == 5
    bench.sensor.session.stop()
    assert bench.do("CgmSetCalibration", **calibration(Decimal(100)))[1]["response_code"] == 4
    assert len(bench.sensor.setup.calibrations) == 2


def test_the_device_specific_alert_is_reset() -> None:
    bench = Bench()
    bench.sensor.setup.device_alert = True
    assert bench.fields("CgmStatus")["sensor_status"] == CgmStatusFlags.DEVICE_SPECIFIC_ALERT
    assert bench.code(SOCP, b"\x19") == SUCCESS
    assert bench.fields("CgmStatus")["sensor_status"] == 0


def test_stopping_and_starting_a_session() -> None:
    bench = Bench(elapsed_s=600)
    bench.sensor.send(5, 100, status=CgmStatusFlags.DEVICE_BATTERY_LOW)
    bench.do("CgmSetCalibration", **calibration(Decimal(100)))
    assert bench.code(SOCP, b"\x1b") == SUCCESS
    assert bench.code(SOCP, b"\x1b") == 2
    bench.run_for(600)
    stopped = bench.fields("CgmStatus")
    assert stopped["time_offset_minutes"] == 10
    assert stopped["sensor_status"] == CgmStatusFlags.SESSION_STOPPED | CgmStatusFlags.DEVICE_BATTERY_LOW
    assert not bench.sensor.send(10, 100)
    assert len(bench.sensor.records) == 1
    assert bench.code(SOCP, b"\x1a") == SUCCESS
    assert bench.fields("CgmStatus") == {
        "time_offset_minutes": 0, "sensor_status": 0, "sensor_calibration_temperature": 0, "sensor_warning": 0
    }  # fmt: skip
    assert (len(bench.sensor.records), bench.sensor.setup.calibrations, bench.sensor.session_start) == (0, [], None)
    assert bench.fields("CgmSessionStartTime")["year"] == 0
    assert bench.code(SOCP, b"\x1a") == SUCCESS


def test_a_sensor_of_one_session_cannot_be_started_again() -> None:
    bench = Bench(features=FEATURES & ~CgmFeatureFlags.MULTIPLE_SESSIONS)
    assert bench.code(SOCP, b"\x1b") == SUCCESS
    assert bench.code(SOCP, b"\x1a") == 4


@pytest.mark.parametrize(("feature", "opcodes"), [
    (CgmFeatureFlags.CALIBRATION, ("05ffff", "0464000a0011da02010000")),
    (CgmFeatureFlags.PATIENT_HIGH_LOW_ALERTS, ("08", "0b", "076400", "0a6400")),
    (CgmFeatureFlags.HYPO_ALERTS, ("0e", "0d6400")), (CgmFeatureFlags.HYPER_ALERTS, ("11", "106400")),
    (CgmFeatureFlags.RATE_OF_CHANGE_ALERTS, ("14", "17", "130300", "160300")),
    (CgmFeatureFlags.DEVICE_SPECIFIC_ALERT, ("19",)),
])  # fmt: skip
def test_what_the_sensor_does_not_support_is_no_opcode(feature: CgmFeatureFlags, opcodes: tuple[str, ...]) -> None:
    bench = Bench(features=FEATURES & ~feature)
    for octets in opcodes:
        assert bench.code(SOCP, bytes.fromhex(octets)) == 2
    assert bench.answer(SOCP, b"\x02")[0] == "CgmGetCommunicationIntervalResponse"


@pytest.mark.parametrize("opcode", [0x00, 0x03, 0x06, 0x09, 0x1C, 0x1D, 0x81, 0xFF])
def test_opcodes_that_are_no_requests(opcode: int) -> None:
    assert Bench().code(SOCP, bytes((opcode,))) == 2


@pytest.mark.parametrize(("value", "error"), [
    ("", MISSING_CRC), ("02", MISSING_CRC), ("0205", MISSING_CRC), ("076400", MISSING_CRC),
    ("0464000a0011da02010000", MISSING_CRC), ("020000", INVALID_CRC), ("0764000000", INVALID_CRC),
    ("0464000a0011da020100000000", INVALID_CRC),
])  # fmt: skip
def test_a_missing_crc_is_told_from_a_wrong_one(value: str, error: int) -> None:
    bench = Bench()
    assert bench.write(SOCP.handle, bytes.fromhex(value)) == error
    assert bench.told(SOCP) == []


def test_the_start_time_s_crc_is_judged_likewise() -> None:
    bench = Bench()
    payload = MESSAGES["CgmSessionStartTime"].examples[0].octets
    assert bench.write(SESSION_START.handle, payload) == MISSING_CRC
    assert bench.write(SESSION_START.handle, payload + b"\0\0") == INVALID_CRC


def test_without_e2e_crc_one_that_comes_is_too_much() -> None:
    bench = Bench(features=NO_CRC)
    assert bench.code(SOCP, e2e.protect(b"\x02", protection=Protection.CRC)) == 3
    payload = MESSAGES["CgmSessionStartTime"].examples[0].octets
    assert bench.write(SESSION_START.handle, e2e.protect(payload, protection=Protection.CRC)) == 0x0D
    assert bench.write(SESSION_START.handle, payload) == 0


def test_specific_operations_need_their_configuration_and_one_runs_at_a_time() -> None:
    bench = Bench()
    assert bench.write(SOCP.handle + 1, b"\0\0") == 0
    assert bench.control(SOCP, b"\x02") == CCCD
    assert bench.write(SOCP.handle + 1, b"\2\0") == 0
    bench.confirms = False
    assert bench.control(SOCP, b"\x02") == 0
    assert bench.control(SOCP, b"\x02") == IN_PROGRESS
    bench.confirms = True
    bench.peer.come(0, att(b"\x1e"))
    bench.run_for(0.1)
    assert bench.control(SOCP, b"\x02") == 0


@pytest.mark.parametrize(("characteristic", "bits"), [(MEASUREMENT, 2), (RACP, 1), (SOCP, 1), (SOCP, 3)])
def test_configurations_take_what_their_characteristic_can(characteristic: Any, bits: int) -> None:
    bench = Bench()
    assert bench.write(characteristic.handle + 1, bytes((bits, 0))) == CCCD
    assert bench.write(characteristic.handle + 1, b"\0") == 0x0D
    assert bench.exchange(b"\x0a" + (characteristic.handle + 1).to_bytes(2, "little"))[1] != bits


@given(st.binary(max_size=20), st.sampled_from([RACP, SOCP, SESSION_START]))
def test_whatever_is_written_is_answered(value: bytes, characteristic: Any) -> None:
    bench = stored(0, 5)
    if characteristic is SOCP:
        value = e2e.protect(value, protection=Protection.CRC)
    error = bench.write(characteristic.handle, value)
    bench.run_for(5)
    assert len(bench.told(characteristic)) == (not error and characteristic is not SESSION_START)
    assert not bench.sensor.busy


def test_measurement_flags_are_those_of_the_declaration() -> None:
    assert {flag.value for flag in CgmMeasurementFlags} == {0x01, 0x02, 0x20, 0x40, 0x80}
