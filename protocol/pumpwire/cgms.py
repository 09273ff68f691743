"""CGM Service: what the rig, as the sensor, sends to the pump (CGMS 1.0.2)."""

from __future__ import annotations

from decimal import Decimal

from construct import Struct

from pumpwire.clock import date_time_fields, zone_fields
from pumpwire.database import CGM_FEATURE as CGM_FEATURE_CHARACTERISTIC
from pumpwire.database import CGM_MEASUREMENT as CGM_MEASUREMENT_CHARACTERISTIC
from pumpwire.database import CGM_SESSION_START_TIME as CGM_SESSION_START_TIME_CHARACTERISTIC
from pumpwire.declare import BOTH, TO_PUMP, Decoded, Example, Message, Outcome
from pumpwire.e2e import crc16
from pumpwire.enums import (
    CgmCalibrationTemperatureFlags,
    CgmFeatureFlags,
    CgmMeasurementFlags,
    CgmStatusFlags,
    CgmWarningFlags,
    DstOffset,
)
from pumpwire.errors import E2EError
from pumpwire.fields import Bits, Int8ul, Int16ul, Int24ul, Present, Rounding, Sfloat
from pumpwire.numbers import Special

RECORD_OCTETS_MIN = 6

CGM_MEASUREMENT = Message(
    "CgmMeasurement", on=CGM_MEASUREMENT_CHARACTERISTIC, direction=TO_PUMP, clause="CGMS 1.0.2, 3.1",
    body=Struct(
        "flags" / Bits(Int8ul, CgmMeasurementFlags),
        "glucose_mg_dl"
        / Sfloat(1, specials=True, rounding=Rounding.HALF_UP)
        * "mg/dL; NaN when there is no valid measurement",
        "time_offset_minutes" / Int16ul * "since the session's start; serves as sequence number",
        "sensor_status" / Present(CgmMeasurementFlags.STATUS_PRESENT, Bits(Int8ul, CgmStatusFlags)),
        "sensor_calibration_temperature"
        / Present(
            CgmMeasurementFlags.CALIBRATION_TEMPERATURE_PRESENT, Bits(Int8ul, CgmCalibrationTemperatureFlags)
        ),
        "sensor_warning" / Present(CgmMeasurementFlags.WARNING_PRESENT, Bits(Int8ul, CgmWarningFlags)),
        "trend_mg_dl_per_minute"
        / Present(CgmMeasurementFlags.TREND_PRESENT, Sfloat(1000, specials=True, rounding=Rounding.TOWARD_ZERO)),
        "quality_percent"
        / Present(CgmMeasurementFlags.QUALITY_PRESENT, Sfloat(10, specials=True, rounding=Rounding.TOWARD_ZERO)),
    ),
    examples=[
        Example(
            "00" + "7800" + "0500", flags=CgmMeasurementFlags(0), glucose_mg_dl=Decimal(120), time_offset_minutes=5
        ),
        Example(
            "a1" + "2700" + "2c01" + "08" + "40" + "fe0f",
            flags=CgmMeasurementFlags.STATUS_PRESENT | CgmMeasurementFlags.WARNING_PRESENT
            | CgmMeasurementFlags.TREND_PRESENT,
            glucose_mg_dl=Decimal(39), time_offset_minutes=300, sensor_status=CgmStatusFlags.SENSOR_MALFUNCTION,
            sensor_warning=CgmWarningFlags.BELOW_DEVICE_RANGE, trend_mg_dl_per_minute=Decimal(-2),
        ),
        Example("00" + "ff07" + "0a00", flags=CgmMeasurementFlags(0), glucose_mg_dl=Special.NAN,
                time_offset_minutes=10),
    ],
    doc="One record; on the wire it stands between its size octet and its CRC, and several can follow one another.",
)  # fmt: skip
CGM_FEATURE = Message(
    "CgmFeature", on=CGM_FEATURE_CHARACTERISTIC, direction=TO_PUMP, clause="CGMS 1.0.2, 3.2",
    body=Struct(
        "flags" / Bits(Int24ul, CgmFeatureFlags),
        "type_and_location" / Int8ul * "CgmSampleType in the low, CgmSampleLocation in the high four bits",
    ),
    examples=[Example("00100059", flags=CgmFeatureFlags.E2E_CRC, type_and_location=0x59)],
)  # fmt: skip
CGM_SESSION_START_TIME = Message(
    "CgmSessionStartTime", on=CGM_SESSION_START_TIME_CHARACTERISTIC, direction=BOTH, clause="CGMS 1.0.2, 3.4",
    body=Struct(*date_time_fields(), *zone_fields()),
    examples=[
        Example(
            "e707" + "0601" + "0c1e00" + "04" + "04", year=2023, month=6, day=1, hour=12, minute=30, second=0,
            time_zone_quarter_hours=4, dst_offset=DstOffset.ONE_HOUR,
        )
    ],
    doc="Read: when the session began. A client that writes it writes its own present time; the sensor reckons back.",
)  # fmt: skip


def check_feature(value: bytes) -> bytes:
    """The message in a CGM Feature value, whose last two octets are 0xFFFF without E2E-CRC (CGMS 1.0.2, 3.2).

    Args:
        value: what was read.

    Raises:
        E2EError: the value is too short, or its CRC is wrong, or is one where none should be.
    """
    if len(value) != 6:
        raise E2EError(f"CGM Feature: {len(value)} octets where 6 are due")
    crc = int.from_bytes(value[4:], "little")
    expected = crc16(value[:4]) if int.from_bytes(value[:3], "little") & CgmFeatureFlags.E2E_CRC else 0xFFFF
    if crc != expected:
        raise E2EError(f"CGM Feature: CRC {crc:#06x} where {expected:#06x} was expected")
    return value[:4]


def build_notification(records: list[bytes], with_crc: bool = True) -> bytes:
    """The value of a CGM Measurement notification (CGMS 1.0.2, 3.1).

    Args:
        records: octets that `CGM_MEASUREMENT.build` gave.
        with_crc: whether CGM Feature announces E2E-CRC.
    """
    out = bytearray()
    for record in records:
        framed = bytes([len(record) + (3 if with_crc else 1)]) + record
        out += framed
        if with_crc:
            out += crc16(framed).to_bytes(2, "little")
    return bytes(out)


def parse_notification(value: bytes, with_crc: bool = True) -> list[Decoded]:
    """The records of a CGM Measurement notification (CGMS 1.0.2, 3.1).

    A size octet that cannot be ends the list with BAD_STRUCTURE, since what follows cannot be found.

    Args:
        value: the notification's value.
        with_crc: whether CGM Feature announces E2E-CRC.

    Raises:
        E2EError: the CRC of a record is wrong.
    """
    out: list[Decoded] = []
    start = 0
    while start < len(value):
        size = value[start]
        end = start + size
        if size < RECORD_OCTETS_MIN + (2 if with_crc else 0) or end > len(value):
            left = len(value) - start
            out.append(Decoded(Outcome.BAD_STRUCTURE, {}, "", f"record at octet {start}: size {size} of {left} left"))
            break
        if with_crc:
            end -= 2
            if crc16(value[start:end]) != int.from_bytes(value[end : end + 2], "little"):
                raise E2EError(f"CGM Measurement: the CRC of the record at octet {start} is wrong")
        out.append(CGM_MEASUREMENT.parse(value[start + 1 : end]))
        start += size
    return out
