"""IDD History Data: one record for everything that happened (IDS 1.0.2, 3.10).

Events in two parts have consecutive sequence numbers and the same relative offset; part 2 is never left out.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from construct import Struct

from pumpwire.clock import date_time_fields, zone_fields
from pumpwire.database import HISTORY_DATA
from pumpwire.declare import TO_CLIENT, Example, Message
from pumpwire.enums import (
    AnnunciationEvent1Flags,
    AnnunciationEvent2Flags,
    AnnunciationStatus,
    AnnunciationType,
    BasalRateChangedFlags,
    BolusActivationType,
    BolusDeliveredFlags,
    BolusEndReason,
    BolusFlags,
    BolusType,
    DeliveryContext,
    DstOffset,
    OperationalState,
    ProfileTemplateType,
    RecordingReason,
    TbrEndedFlags,
    TbrEndReason,
    TbrEventFlags,
    TbrType,
    TherapyControlState,
    TotalDailyInsulinFlags,
)
from pumpwire.fields import Bits, InRange, Int8ul, Int16ul, Int32ul, Present, Sfloat, Word
from pumpwire.numbers import Special
from pumpwire.reader import AMOUNT_IU, RATE_IU_PER_H


def _event(name: str, event: int, body: Any, **details: Any) -> Message:
    return Message(name, opcode=event, on=HISTORY_DATA, direction=TO_CLIENT, body=body, **details)


_AT = {"sequence": 10, "relative_offset_s": 3480}
_SEQUENCE = "0a000000" + "980d"

HISTORY_REFERENCE_TIME = _event(
    "HistoryReferenceTime", 0x000F,
    Struct("recording_reason" / Word(Int8ul, RecordingReason), *date_time_fields(), *zone_fields()),
    clause="IDS 1.0.2, 3.10",
    examples=[
        Example(
            "0f00" + "00000000" + "0000" + "33" + "e707" + "0601" + "0c0000" + "04" + "04", sequence=0,
            relative_offset_s=0, recording_reason=RecordingReason.SET_DATE_TIME, year=2023, month=6, day=1, hour=12,
            minute=0, second=0, time_zone_quarter_hours=4, dst_offset=DstOffset.ONE_HOUR,
        )
    ],
    doc="The time of an event is the last reference time plus the event's relative offset.",
)  # fmt: skip
HISTORY_BOLUS_PROGRAMMED_1 = _event(
    "HistoryBolusProgrammed1", 0x005A,
    Struct(
        "bolus_id" / Int16ul,
        "bolus_type" / Word(Int8ul, BolusType),
        "fast_amount_iu" / AMOUNT_IU,
        "extended_amount_iu" / AMOUNT_IU,
        "duration_minutes" / Int16ul,
    ),
    clause="IDS 1.0.2, 3.10",
    examples=[
        Example(
            "5a00" + _SEQUENCE + "0500" + "33" + "19f0" + "0000" + "0000", **_AT, bolus_id=5,
            bolus_type=BolusType.FAST, fast_amount_iu=Decimal("2.5"), extended_amount_iu=Decimal(0),
            duration_minutes=0,
        )
    ],
)  # fmt: skip
HISTORY_BOLUS_PROGRAMMED_2 = _event(
    "HistoryBolusProgrammed2", 0x0066,
    Struct(
        "flags" / Bits(Int8ul, BolusFlags),
        "delay_minutes" / Present(BolusFlags.DELAY_PRESENT, Int16ul),
        "template_number" / Present(BolusFlags.TEMPLATE_NUMBER_PRESENT, Int8ul),
        "activation_type" / Present(BolusFlags.ACTIVATION_TYPE_PRESENT, Word(Int8ul, BolusActivationType)),
    ),
    clause="IDS 1.0.2, 3.10",
    examples=[
        Example(
            "6600" + "0b000000" + "980d" + "04" + "33", sequence=11, relative_offset_s=3480,
            flags=BolusFlags.ACTIVATION_TYPE_PRESENT, activation_type=BolusActivationType.MANUAL,
        )
    ],
)  # fmt: skip
HISTORY_BOLUS_DELIVERED_1 = _event(
    "HistoryBolusDelivered1", 0x0069,
    Struct(
        "bolus_id" / Int16ul,
        "bolus_type" / Word(Int8ul, BolusType),
        "fast_delivered_iu" / AMOUNT_IU,
        "extended_delivered_iu" / AMOUNT_IU,
        "effective_duration_minutes" / Int16ul * "0 for a fast bolus",
    ),
    clause="IDS 1.0.2, 3.10",
    examples=[
        Example(
            "6900" + _SEQUENCE + "0500" + "33" + "19f0" + "0000" + "0000", **_AT, bolus_id=5,
            bolus_type=BolusType.FAST, fast_delivered_iu=Decimal("2.5"), extended_delivered_iu=Decimal(0),
            effective_duration_minutes=0,
        )
    ],
)  # fmt: skip
HISTORY_BOLUS_DELIVERED_2 = _event(
    "HistoryBolusDelivered2", 0x0096,
    Struct(
        "flags" / Bits(Int8ul, BolusDeliveredFlags),
        "start_offset_s" / Int32ul * "start of delivery after the event bolus programmed, part 1",
        "activation_type" / Present(BolusDeliveredFlags.ACTIVATION_TYPE_PRESENT, Word(Int8ul, BolusActivationType)),
        "bolus_end_reason" / Present(BolusDeliveredFlags.END_REASON_PRESENT, Word(Int8ul, BolusEndReason)),
        "annunciation_id" / Present(BolusDeliveredFlags.ANNUNCIATION_ID_PRESENT, Int16ul),
    ),
    clause="IDS 1.0.2, 3.10",
    examples=[
        Example(
            "9600" + "0b000000" + "980d" + "03" + "3c000000" + "33" + "33", sequence=11, relative_offset_s=3480,
            flags=BolusDeliveredFlags.ACTIVATION_TYPE_PRESENT | BolusDeliveredFlags.END_REASON_PRESENT,
            start_offset_s=60, activation_type=BolusActivationType.MANUAL,
            bolus_end_reason=BolusEndReason.PROGRAMMED_AMOUNT_DELIVERED,
        )
    ],
)  # fmt: skip
HISTORY_DELIVERED_BASAL_RATE_CHANGED = _event(
    "HistoryDeliveredBasalRateChanged", 0x0099,
    Struct(
        "flags" / Bits(Int8ul, BasalRateChangedFlags),
        "old_rate_iu_per_h" / RATE_IU_PER_H,
        "new_rate_iu_per_h" / RATE_IU_PER_H,
        "context" / Present(BasalRateChangedFlags.CONTEXT_PRESENT, Word(Int8ul, DeliveryContext)),
    ),
    clause="IDS 1.0.2, 3.10",
    examples=[
        Example(
            "9900" + _SEQUENCE + "01" + "55e0" + "0000" + "55", **_AT, flags=BasalRateChangedFlags.CONTEXT_PRESENT,
            old_rate_iu_per_h=Decimal("0.85"), new_rate_iu_per_h=Decimal(0), context=DeliveryContext.AP_CONTROLLER,
        )
    ],
)  # fmt: skip
HISTORY_TBR_STARTED = _event(
    "HistoryTbrStarted", 0x00A5,
    Struct(
        "flags" / Bits(Int8ul, TbrEventFlags),
        "tbr_type" / Word(Int8ul, TbrType),
        "value" / RATE_IU_PER_H * "IU/h when absolute, a factor when relative",
        "duration_minutes" / Int16ul,
        "template_number" / Present(TbrEventFlags.TEMPLATE_NUMBER_PRESENT, Int8ul),
    ),
    clause="IDS 1.0.2, 3.10",
    examples=[
        Example(
            "a500" + _SEQUENCE + "00" + "3c" + "0bf0" + "1e00", **_AT, flags=TbrEventFlags(0),
            tbr_type=TbrType.RELATIVE, value=Decimal("1.1"), duration_minutes=30,
        )
    ],
)  # fmt: skip
HISTORY_TBR_ENDED = _event(
    "HistoryTbrEnded", 0x00AA,
    Struct(
        "flags" / Bits(Int8ul, TbrEndedFlags),
        "tbr_type" / Word(Int8ul, TbrType),
        "effective_duration_minutes" / Int16ul,
        "tbr_end_reason" / Word(Int8ul, TbrEndReason),
        "template_number" / Present(TbrEndedFlags.TEMPLATE_NUMBER_PRESENT, Int8ul),
        "annunciation_id" / Present(TbrEndedFlags.ANNUNCIATION_ID_PRESENT, Int16ul),
    ),
    clause="IDS 1.0.2, 3.10",
    examples=[
        Example(
            "aa00" + _SEQUENCE + "02" + "3c" + "1f00" + "33" + "0700", **_AT,
            flags=TbrEndedFlags.ANNUNCIATION_ID_PRESENT, tbr_type=TbrType.RELATIVE, effective_duration_minutes=31,
            tbr_end_reason=TbrEndReason.DURATION_OVER, annunciation_id=7,
        )
    ],
)  # fmt: skip
HISTORY_TBR_CHANGED = _event(
    "HistoryTbrChanged", 0x00C3,
    Struct(
        "flags" / Bits(Int8ul, TbrEventFlags),
        "tbr_type" / Word(Int8ul, TbrType),
        "value" / RATE_IU_PER_H * "IU/h when absolute, a factor when relative",
        "duration_minutes" / Int16ul,
        "elapsed_minutes" / Int16ul * "of the TBR before the change",
        "template_number" / Present(TbrEventFlags.TEMPLATE_NUMBER_PRESENT, Int8ul),
    ),
    clause="IDS 1.0.2, 3.10",
    examples=[
        Example(
            "c300" + _SEQUENCE + "00" + "3c" + "0cf0" + "1e00" + "0100", **_AT, flags=TbrEventFlags(0),
            tbr_type=TbrType.RELATIVE, value=Decimal("1.2"), duration_minutes=30, elapsed_minutes=1,
        )
    ],
)  # fmt: skip
HISTORY_PROFILE_TEMPLATE_ACTIVATED = _event(
    "HistoryProfileTemplateActivated", 0x00CC,
    Struct(
        "profile_template_type" / Word(Int8ul, ProfileTemplateType),
        "old_template_number" / Int8ul * "0 when there was none",
        "new_template_number" / Int8ul,
    ),
    clause="IDS 1.0.2, 3.10",
    examples=[
        Example(
            "cc00" + _SEQUENCE + "33" + "00" + "01", **_AT, profile_template_type=ProfileTemplateType.BASAL_RATE,
            old_template_number=0, new_template_number=1,
        )
    ],
)  # fmt: skip
HISTORY_BASAL_BLOCK_CHANGED = _event(
    "HistoryBasalBlockChanged", 0x00F0,
    Struct(
        "template_number" / Int8ul,
        "block_number" / Int8ul * "from 1",
        "duration_minutes" / Int16ul,
        "rate_iu_per_h" / RATE_IU_PER_H,
    ),
    clause="IDS 1.0.2, 3.10",
    examples=[
        Example(
            "f000" + _SEQUENCE + "01" + "02" + "4a01" + "0ff0", **_AT, template_number=1, block_number=2,
            duration_minutes=330, rate_iu_per_h=Decimal("1.5"),
        )
    ],
    doc="One event for each block of the whole profile.",
)  # fmt: skip
HISTORY_TOTAL_DAILY_INSULIN = _event(
    "HistoryTotalDailyInsulin", 0x00FF,
    Struct(
        "flags" / Bits(Int8ul, TotalDailyInsulinFlags),
        "bolus_delivered_iu" / AMOUNT_IU,
        "basal_delivered_iu" / AMOUNT_IU,
        "year" / InRange(Int16ul, 1582, 9999, also=0) * "0 when unknown",
        "month" / InRange(Int8ul, 0, 12) * "0 when unknown",
        "day" / InRange(Int8ul, 0, 31) * "0 when unknown",
    ),
    clause="IDS 1.0.2, 3.10",
    examples=[
        Example(
            "ff00" + _SEQUENCE + "00" + "4bf0" + "c9f0" + "e707" + "06" + "01", **_AT,
            flags=TotalDailyInsulinFlags(0), bolus_delivered_iu=Decimal("7.5"), basal_delivered_iu=Decimal("20.1"),
            year=2023, month=6, day=1,
        )
    ],
    doc="Recorded at local midnight for the day that ends.",
)  # fmt: skip
HISTORY_THERAPY_CONTROL_STATE_CHANGED = _event(
    "HistoryTherapyControlStateChanged", 0x0303,
    Struct(
        "old_therapy_control_state" / Word(Int8ul, TherapyControlState),
        "new_therapy_control_state" / Word(Int8ul, TherapyControlState),
    ),
    clause="IDS 1.0.2, 3.10",
    examples=[
        Example(
            "0303" + _SEQUENCE + "33" + "55", **_AT, old_therapy_control_state=TherapyControlState.STOP,
            new_therapy_control_state=TherapyControlState.RUN,
        )
    ],
)  # fmt: skip
HISTORY_OPERATIONAL_STATE_CHANGED = _event(
    "HistoryOperationalStateChanged", 0x030C,
    Struct(
        "old_operational_state" / Word(Int8ul, OperationalState),
        "new_operational_state" / Word(Int8ul, OperationalState),
    ),
    clause="IDS 1.0.2, 3.10",
    examples=[
        Example(
            "0c03" + _SEQUENCE + "96" + "66", **_AT, old_operational_state=OperationalState.READY,
            new_operational_state=OperationalState.WAITING,
        )
    ],
)  # fmt: skip
HISTORY_RESERVOIR_REMAINING_CHANGED = _event(
    "HistoryReservoirRemainingChanged", 0x0330,
    Struct(
        "reservoir_remaining_iu" / InRange(Sfloat(1000, specials=True), 0, 500000) * "IU; NaN without a reservoir"
    ),
    clause="IDS 1.0.2, 3.10",
    examples=[
        Example("3003" + _SEQUENCE + "c3f7", **_AT, reservoir_remaining_iu=Decimal("198.7")),
        Example("3003" + _SEQUENCE + "ff07", **_AT, reservoir_remaining_iu=Special.NAN),
    ],
)  # fmt: skip
HISTORY_ANNUNCIATION_STATUS_CHANGED_1 = _event(
    "HistoryAnnunciationStatusChanged1", 0x033F,
    Struct(
        "flags" / Bits(Int8ul, AnnunciationEvent1Flags),
        "annunciation_id" / Int16ul,
        "annunciation_type" / Word(Int16ul, AnnunciationType),
        "annunciation_status" / Word(Int8ul, AnnunciationStatus),
        "aux1" / Present(AnnunciationEvent1Flags.AUX1_PRESENT, Int16ul),
        "aux2" / Present(AnnunciationEvent1Flags.AUX2_PRESENT, Int16ul),
    ),
    clause="IDS 1.0.2, 3.10",
    examples=[
        Example(
            "3f03" + _SEQUENCE + "01" + "0700" + "0ff0" + "33" + "1900", **_AT,
            flags=AnnunciationEvent1Flags.AUX1_PRESENT, annunciation_id=7,
            annunciation_type=AnnunciationType.CGM_STALE, annunciation_status=AnnunciationStatus.PENDING, aux1=25,
        )
    ],
)  # fmt: skip
HISTORY_ANNUNCIATION_STATUS_CHANGED_2 = _event(
    "HistoryAnnunciationStatusChanged2", 0x0356,
    Struct(
        "flags" / Bits(Int8ul, AnnunciationEvent2Flags),
        "aux3" / Present(AnnunciationEvent2Flags.AUX3_PRESENT, Int16ul),
        "aux4" / Present(AnnunciationEvent2Flags.AUX4_PRESENT, Int16ul),
        "aux5" / Present(AnnunciationEvent2Flags.AUX5_PRESENT, Int16ul),
    ),
    clause="IDS 1.0.2, 3.10",
    examples=[
        Example("5603" + "0b000000" + "980d" + "00", sequence=11, relative_offset_s=3480,
                flags=AnnunciationEvent2Flags(0))
    ],
)  # fmt: skip
HISTORY_MAX_BOLUS_CHANGED = _event(
    "HistoryMaxBolusChanged", 0x03FC,
    Struct("old_max_bolus_iu" / AMOUNT_IU, "new_max_bolus_iu" / AMOUNT_IU),
    clause="IDS 1.0.2, 3.10",
    examples=[
        Example(
            "fc03" + _SEQUENCE + "0a00" + "7df0", **_AT, old_max_bolus_iu=Decimal(10),
            new_max_bolus_iu=Decimal("12.5"),
        )
    ],
)  # fmt: skip
