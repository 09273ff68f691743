"""Dates and times as the services carry them (CTS 1.1; GATT Specification Supplement, Date Time)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from construct import Struct

from pumpwire.database import CURRENT_TIME as CURRENT_TIME_CHARACTERISTIC
from pumpwire.declare import BOTH, Example, Message
from pumpwire.enums import AdjustReasonFlags, DstOffset
from pumpwire.fields import Bits, InRange, Int8sl, Int8ul, Int16ul, Word


def date_time_fields() -> list[Any]:
    """The seven octets of Date Time as fields; year, month and day 0 mean unknown."""
    return [
        "year" / InRange(Int16ul, 1582, 9999, also=0) * "0 when unknown",
        "month" / InRange(Int8ul, 0, 12) * "0 when unknown",
        "day" / InRange(Int8ul, 0, 31) * "0 when unknown",
        "hour" / InRange(Int8ul, 0, 23),
        "minute" / InRange(Int8ul, 0, 59),
        "second" / InRange(Int8ul, 0, 59),
    ]


def zone_fields() -> list[Any]:
    """Time zone and daylight saving time as fields."""
    return [
        "time_zone_quarter_hours" / InRange(Int8sl, -48, 56, also=-128) * "quarters of an hour; -128 when unknown",
        "dst_offset" / Word(Int8ul, DstOffset),
    ]


CURRENT_TIME = Message(
    "CurrentTime", on=CURRENT_TIME_CHARACTERISTIC, direction=BOTH, clause="CTS 1.1, 3.1", changes_delivery=True,
    body=Struct(
        *date_time_fields(),
        "day_of_week" / InRange(Int8ul, 0, 7) * "1 Monday to 7 Sunday; 0 when unknown",
        "fractions_256" / Int8ul * "256ths of a second",
        "adjust_reason" / Bits(Int8ul, AdjustReasonFlags),
    ),
    examples=[
        Example(
            "e707" + "0601" + "0c1e00" + "04" + "00" + "01", year=2023, month=6, day=1, hour=12, minute=30, second=0,
            day_of_week=4, fractions_256=0, adjust_reason=AdjustReasonFlags.MANUAL,
        )
    ],
    doc="Writing sets the pump's local time, and with it the place in the basal profile and midnight.",
)  # fmt: skip


def from_datetime(moment: datetime) -> dict[str, int]:
    """The Date Time fields of a local time."""
    return {
        "year": moment.year, "month": moment.month, "day": moment.day,
        "hour": moment.hour, "minute": moment.minute, "second": moment.second,
    }  # fmt: skip


def to_datetime(fields: dict[str, Any]) -> datetime | None:
    """The local time that Date Time fields mean, or None when the date is unknown."""
    if not (fields["year"] and fields["month"] and fields["day"]):
        return None
    date = datetime(fields["year"], fields["month"], fields["day"])
    return date + timedelta(hours=fields["hour"], minutes=fields["minute"], seconds=fields["second"])
