"""History events of calculated boluses, priming, templates and of the store itself (IDS 1.0.2, 3.10)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from construct import Struct

from pumpwire.clock import date_time_fields
from pumpwire.database import HISTORY_DATA
from pumpwire.declare import TO_CLIENT, Example, Message
from pumpwire.enums import (
    BolusTemplateFlags,
    BolusType,
    PrimingDoneFlags,
    PrimingEndReason,
    RecordingReason,
    TbrType,
)
from pumpwire.fields import Bits, Int8ul, Int16sl, Int16ul, Present, Word
from pumpwire.reader import AMOUNT_IU, RATE_IU_PER_H
from pumpwire.templates import ICHO_RATIO_G_PER_IU, ISF_MG_DL_PER_IU, TARGET_MG_DL


def _event(name: str, event: int, body: Any, **details: Any) -> Message:
    return Message(
        name, opcode=event, on=HISTORY_DATA, direction=TO_CLIENT, body=body, clause="IDS 1.0.2, 3.10", **details
    )


_AT = {"sequence": 10, "relative_offset_s": 3480}
_SEQUENCE = "0a000000" + "980d"
_AT_PART_2 = {"sequence": 11, "relative_offset_s": 3480}
_SEQUENCE_PART_2 = "0b000000" + "980d"


def _calculated() -> Any:
    return Struct(
        "fast_meal_amount_iu" / AMOUNT_IU,
        "fast_correction_amount_iu" / AMOUNT_IU,
        "extended_meal_amount_iu" / AMOUNT_IU,
        "extended_correction_amount_iu" / AMOUNT_IU,
    )


def _block(*values: Any) -> Any:
    return Struct(
        "template_number" / Int8ul, "block_number" / Int8ul * "from 1", "duration_minutes" / Int16ul, *values
    )


HISTORY_REFERENCE_TIME_BASE_OFFSET = _event(
    "HistoryReferenceTimeBaseOffset", 0x0033,
    Struct(
        "recording_reason" / Word(Int8ul, RecordingReason),
        *date_time_fields(),
        "base_offset_minutes" / Int16sl * "to add to the base time",
    ),
    examples=[
        Example(
            "3300" + "00000000" + "0000" + "3c" + "e707" + "0601" + "0c0000" + "c4ff", sequence=0,
            relative_offset_s=0, recording_reason=RecordingReason.PERIODIC, year=2023, month=6, day=1, hour=12,
            minute=0, second=0, base_offset_minutes=-60,
        )
    ],
    doc="The other time base: a pump records either this or HistoryReferenceTime, never both.", served=False,
)  # fmt: skip
HISTORY_BOLUS_CALCULATED_1 = _event(
    "HistoryBolusCalculated1", 0x003C, _calculated(),
    examples=[
        Example(
            "3c00" + _SEQUENCE + "19f0" + "05f0" + "0000" + "0000", **_AT, fast_meal_amount_iu=Decimal("2.5"),
            fast_correction_amount_iu=Decimal("0.5"), extended_meal_amount_iu=Decimal(0),
            extended_correction_amount_iu=Decimal(0),
        )
    ],
    doc="What was recommended.",
)  # fmt: skip
HISTORY_BOLUS_CALCULATED_2 = _event(
    "HistoryBolusCalculated2", 0x0055, _calculated(),
    examples=[
        Example(
            "5500" + _SEQUENCE_PART_2 + "19f0" + "0000" + "0000" + "0000", **_AT_PART_2,
            fast_meal_amount_iu=Decimal("2.5"), fast_correction_amount_iu=Decimal(0),
            extended_meal_amount_iu=Decimal(0), extended_correction_amount_iu=Decimal(0),
        )
    ],
    doc="What was confirmed.",
)  # fmt: skip
HISTORY_ISF_BLOCK_CHANGED = _event(
    "HistoryIsfBlockChanged", 0x0359, _block("isf_mg_dl_per_iu" / ISF_MG_DL_PER_IU),
    examples=[
        Example(
            "5903" + _SEQUENCE + "08" + "01" + "a005" + "3200", **_AT, template_number=8, block_number=1,
            duration_minutes=1440, isf_mg_dl_per_iu=Decimal(50),
        )
    ],
    doc="One event for each block of the whole profile.",
)  # fmt: skip
HISTORY_ICHO_RATIO_BLOCK_CHANGED = _event(
    "HistoryIchoRatioBlockChanged", 0x0365, _block("icho_ratio_g_per_iu" / ICHO_RATIO_G_PER_IU),
    examples=[
        Example(
            "6503" + _SEQUENCE + "0a" + "01" + "a005" + "7df0", **_AT, template_number=10, block_number=1,
            duration_minutes=1440, icho_ratio_g_per_iu=Decimal("12.5"),
        )
    ],
    doc="One event for each block of the whole profile.",
)  # fmt: skip
HISTORY_TARGET_GLUCOSE_RANGE_BLOCK_CHANGED = _event(
    "HistoryTargetGlucoseRangeBlockChanged", 0x036A,
    _block("target_low_mg_dl" / TARGET_MG_DL, "target_high_mg_dl" / TARGET_MG_DL),
    examples=[
        Example(
            "6a03" + _SEQUENCE + "0c" + "01" + "a005" + "6400" + "7800", **_AT, template_number=12, block_number=1,
            duration_minutes=1440, target_low_mg_dl=Decimal(100), target_high_mg_dl=Decimal(120),
        )
    ],
    doc="One event for each block of the whole profile.",
)  # fmt: skip
HISTORY_PRIMING_STARTED = _event(
    "HistoryPrimingStarted", 0x0395, Struct("priming_amount_iu" / AMOUNT_IU),
    examples=[Example("9503" + _SEQUENCE + "0a00", **_AT, priming_amount_iu=Decimal(10))],
)  # fmt: skip
HISTORY_PRIMING_DONE = _event(
    "HistoryPrimingDone", 0x039A,
    Struct(
        "flags" / Bits(Int8ul, PrimingDoneFlags),
        "priming_delivered_iu" / AMOUNT_IU,
        "priming_end_reason" / Word(Int8ul, PrimingEndReason),
        "annunciation_id" / Present(PrimingDoneFlags.ANNUNCIATION_ID_PRESENT, Int16ul),
    ),
    examples=[
        Example(
            "9a03" + _SEQUENCE + "01" + "2df0" + "55" + "0700", **_AT,
            flags=PrimingDoneFlags.ANNUNCIATION_ID_PRESENT, priming_delivered_iu=Decimal("4.5"),
            priming_end_reason=PrimingEndReason.ERROR_ABORT, annunciation_id=7,
        )
    ],
)  # fmt: skip
HISTORY_DATA_CORRUPTION = _event(
    "HistoryDataCorruption", 0x03A6, Struct(),
    examples=[Example("a603" + "ffffffff" + "0000", sequence=0xFFFFFFFF, relative_offset_s=0)],
    doc="Stands where a record cannot be read; its sequence number is 0xFFFFFFFF.",
)  # fmt: skip
HISTORY_POINTER_EVENT = _event(
    "HistoryPointerEvent", 0x03A9, Struct(), examples=[Example("a903" + _SEQUENCE, **_AT)],
    doc="Marks a place in a log of the manufacturer's own.",
)  # fmt: skip
HISTORY_BOLUS_TEMPLATE_CHANGED_1 = _event(
    "HistoryBolusTemplateChanged1", 0x03C0,
    Struct(
        "template_number" / Int8ul,
        "bolus_type" / Word(Int8ul, BolusType),
        "fast_amount_iu" / AMOUNT_IU,
        "extended_amount_iu" / AMOUNT_IU,
        "duration_minutes" / Int16ul,
    ),
    examples=[
        Example(
            "c003" + _SEQUENCE + "06" + "55" + "0ff0" + "0300" + "7800", **_AT, template_number=6,
            bolus_type=BolusType.MULTIWAVE, fast_amount_iu=Decimal("1.5"), extended_amount_iu=Decimal(3),
            duration_minutes=120,
        )
    ],
)  # fmt: skip
HISTORY_BOLUS_TEMPLATE_CHANGED_2 = _event(
    "HistoryBolusTemplateChanged2", 0x03CF,
    Struct(
        "flags" / Bits(Int8ul, BolusTemplateFlags),
        "delay_minutes" / Present(BolusTemplateFlags.DELAY_PRESENT, Int16ul),
    ),
    examples=[
        Example(
            "cf03" + _SEQUENCE_PART_2 + "05" + "0f00", **_AT_PART_2,
            flags=BolusTemplateFlags.DELAY_PRESENT | BolusTemplateFlags.REASON_MEAL, delay_minutes=15,
        )
    ],
)  # fmt: skip
HISTORY_TBR_TEMPLATE_CHANGED = _event(
    "HistoryTbrTemplateChanged", 0x03F3,
    Struct(
        "template_number" / Int8ul,
        "tbr_type" / Word(Int8ul, TbrType),
        "value" / RATE_IU_PER_H * "IU/h when absolute, a factor when relative",
        "duration_minutes" / Int16ul,
    ),
    examples=[
        Example(
            "f303" + _SEQUENCE + "04" + "3c" + "0ff0" + "5a00", **_AT, template_number=4, tbr_type=TbrType.RELATIVE,
            value=Decimal("1.5"), duration_minutes=90,
        )
    ],
)  # fmt: skip
