"""The sensor's octets are those that public code of others tests with.

Goal: a CGM Service that other collectors would understand. Method: the sensor is put into the state that a published
sample shows, and must then send that very sample; where one number has several encodings, the values are compared.
PUMPRIG_SAMPLES names the folder that holds vectors/ids_cgms.json; without it the tests are skipped.
"""

from __future__ import annotations

import json
import os
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest

from host.test_cgm_server import NO_CRC, RACP, SOCP, SUCCESS, Bench
from pumplink.cgm_operations import CgmCalibration
from pumpwire import database, e2e
from pumpwire.cgms import parse_notification
from pumpwire.database import Protection
from pumpwire.declare import TO_PUMP
from pumpwire.enums import (
    CgmCalibrationStatusFlags,
    CgmCalibrationTemperatureFlags,
    CgmStatusFlags,
    CgmWarningFlags,
    DstOffset,
)
from pumpwire.generate.files import checkout
from pumpwire.registry import decode

SAMPLES = Path(os.environ.get("PUMPRIG_SAMPLES") or checkout().parent / "shared") / "vectors" / "ids_cgms.json"
pytestmark = pytest.mark.skipif(
    not SAMPLES.is_file(), reason=f"no published samples at {SAMPLES}; PUMPRIG_SAMPLES names their folder"
)


def sample(name: str) -> bytes:
    """The octets of a published sample."""
    samples = json.loads(SAMPLES.read_text(encoding="utf-8"))
    (found,) = {item["hex"] for item in samples if item["name"] == name}
    return bytes.fromhex(found)


def value_of(bench: Bench, characteristic: database.Characteristic) -> bytes:
    """What is read, with its CRC."""
    return bench.exchange(b"\x0a" + characteristic.handle.to_bytes(2, "little"))[1:]


def indicated(bench: Bench, request: bytes) -> bytes:
    """What the Specific Ops Control Point answers, with its CRC."""
    assert bench.control(SOCP, request) == 0
    bench.run_for(1)
    return bench.told(SOCP)[0]


def test_run_time() -> None:
    assert value_of(Bench(run_time_hours=2), database.CGM_SESSION_RUN_TIME) == sample("run time CRC")


def test_start_time() -> None:
    bench = Bench()
    bench.sensor.session.tell_time(datetime(2018, 4, 24, 13, 8, 24), 8, DstOffset.ONE_HOUR)
    assert value_of(bench, database.CGM_SESSION_START_TIME) == sample("start time CRC")
    assert bench.write(database.CGM_SESSION_START_TIME.handle, sample("start time bad CRC")) == 0x81
    assert bench.write(database.CGM_SESSION_START_TIME.handle, sample("start time CRC")) == 0


def test_status() -> None:
    bench = Bench(elapsed_s=300)
    sensor = bench.sensor
    sensor.status, sensor.warning = CgmStatusFlags(0x3F), CgmWarningFlags(0xFF)
    sensor.calibration_temperature = CgmCalibrationTemperatureFlags(0x3F)
    assert value_of(bench, database.CGM_STATUS) == sample("status all flags with CRC")


def test_a_measurement() -> None:
    bench = Bench(features=NO_CRC)
    published = parse_notification(sample("measurement small"), False)[0].fields
    glucose = published["glucose_mg_dl"]
    assert isinstance(glucose, Decimal)
    bench.sensor.send_records([bench.sensor.record(published["time_offset_minutes"], glucose)])
    (value,) = bench.told(database.CGM_MEASUREMENT)
    assert parse_notification(value, False)[0].fields == published


def test_interval_and_calibration() -> None:
    bench = Bench()
    assert bench.code(SOCP, b"\x01\x0a") == SUCCESS
    assert indicated(bench, b"\x02") == sample("SOCP comm interval response (u8) CRC")
    published = sample("SOCP calibration response CRC")
    _, told = decode(SOCP, e2e.check(published, Protection.CRC).payload, TO_PUMP)
    fields = told.fields
    number = fields["calibration_record_number"]
    bench.sensor.setup.calibrations += [
        CgmCalibration(
            fields["calibration_glucose_mg_dl"], fields["calibration_time_minutes"], fields["type_and_location"],
            fields["next_calibration_minutes"], number, CgmCalibrationStatusFlags(fields["calibration_status"]),
        )
    ] * number  # fmt: skip
    value = indicated(bench, b"\x05\xff\xff")
    assert decode(SOCP, e2e.check(value, Protection.CRC).payload, TO_PUMP)[1].fields == fields


def test_composed_requests_are_understood() -> None:
    bench = Bench(features=NO_CRC)
    assert bench.code(SOCP, sample("CgmControlComposerTest.composeSetCommunicationIntervalTest")) == SUCCESS
    assert bench.sensor.setup.interval_minutes == 123
    assert bench.code(SOCP, sample("CgmControlComposerTest.integrationTestOfComposeMethod")) == SUCCESS
    assert bench.sensor.setup.levels.patient_high_mg_dl == 57


@pytest.mark.parametrize(("request_octets", "name"), [
    ("0101", "RACP response success"), ("0100", "RACP response invalid operator"),
    ("010301", "RACP response invalid operand"), ("0203020a00", "RACP response operand not supported"),
])  # fmt: skip
def test_response_codes_of_record_access(request_octets: str, name: str) -> None:
    bench = Bench()
    bench.sensor.send(5, 100)
    assert bench.control(RACP, bytes.fromhex(request_octets)) == 0
    bench.run_for(1)
    assert bench.told(RACP) == [sample(name)]


def test_a_damaged_or_short_request_is_told_from_a_good_one() -> None:
    bench = Bench()
    assert bench.write(SOCP.handle, sample("SOCP response bad CRC")) == 0x81
    assert bench.code(RACP, sample("RACP too short (reject)")[:1]) == 5
