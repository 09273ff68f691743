"""Status Reader Control Point: questions about the pump's state (IDS 1.0.2, 3.6)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from construct import Struct

from pumpwire.database import STATUS_READER_CONTROL_POINT
from pumpwire.declare import TO_CLIENT, TO_PUMP, Example, Message
from pumpwire.enums import (
    ActiveBasalFlags,
    BolusActivationType,
    BolusFlags,
    BolusType,
    BolusValueSelection,
    CounterSelection,
    CounterType,
    DeliveryContext,
    InsulinOnBoardFlags,
    ResponseCode,
    StatusChangedFlags,
    TbrType,
)
from pumpwire.fields import Bits, Counted, Float, InRange, Int8ul, Int16ul, Int32sl, Present, Sfloat, Word

AMOUNT_IU = InRange(Sfloat(1000), 0, 500000)
RATE_IU_PER_H = InRange(Sfloat(1000), 0, 500000)


def _request(name: str, opcode: int, body: Any, **details: Any) -> Message:
    return Message(name, opcode=opcode, on=STATUS_READER_CONTROL_POINT, direction=TO_PUMP, body=body, **details)


def _response(name: str, opcode: int, body: Any, **details: Any) -> Message:
    return Message(name, opcode=opcode, on=STATUS_READER_CONTROL_POINT, direction=TO_CLIENT, body=body, **details)


READER_RESPONSE_CODE = _response(
    "ReaderResponseCode", 0x0303, Struct("request_opcode" / Int16ul, "response_code" / Word(Int8ul, ResponseCode)),
    clause="IDS 1.0.2, 3.6.2",
    examples=[Example("03030c030f", request_opcode=0x030C, response_code=ResponseCode.SUCCESS)],
)  # fmt: skip
RESET_STATUS = _request(
    "ResetStatus", 0x030C, Struct("flags" / Bits(Int16ul, StatusChangedFlags) * "bits to clear"),
    clause="IDS 1.0.2, 3.6.2", answer="ReaderResponseCode",
    examples=[Example("0c038000", flags=StatusChangedFlags.HISTORY_EVENT_RECORDED)],
)  # fmt: skip
GET_ACTIVE_BOLUS_IDS = _request(
    "GetActiveBolusIds", 0x0330, Struct(), clause="IDS 1.0.2, 3.6.2", answer="GetActiveBolusIdsResponse",
    examples=[Example("3003")],
)  # fmt: skip
GET_ACTIVE_BOLUS_IDS_RESPONSE = _response(
    "GetActiveBolusIdsResponse", 0x033F, Struct("bolus_ids" / Counted(Int16ul, 0, 7) * "oldest start first"),
    clause="IDS 1.0.2, 3.6.2",
    examples=[Example("3f0300", bolus_ids=[]), Example("3f030205000600", bolus_ids=[5, 6])],
)  # fmt: skip
GET_ACTIVE_BOLUS_DELIVERY = _request(
    "GetActiveBolusDelivery", 0x0356,
    Struct("bolus_id" / Int16ul, "value_selection" / Word(Int8ul, BolusValueSelection)),
    clause="IDS 1.0.2, 3.6.2", answer="GetActiveBolusDeliveryResponse",
    examples=[Example("560305003c", bolus_id=5, value_selection=BolusValueSelection.DELIVERED)],
)  # fmt: skip
GET_ACTIVE_BOLUS_DELIVERY_RESPONSE = _response(
    "GetActiveBolusDeliveryResponse", 0x0359,
    Struct(
        "flags" / Bits(Int8ul, BolusFlags),
        "bolus_id" / Int16ul,
        "bolus_type" / Word(Int8ul, BolusType),
        "fast_amount_iu" / AMOUNT_IU,
        "extended_amount_iu" / AMOUNT_IU,
        "duration_minutes" / Int16ul * "programmed, remaining or elapsed, as selected",
        "delay_minutes" / Present(BolusFlags.DELAY_PRESENT, Int16ul) * "65535 when delivered amounts are selected",
        "template_number" / Present(BolusFlags.TEMPLATE_NUMBER_PRESENT, Int8ul),
        "activation_type" / Present(BolusFlags.ACTIVATION_TYPE_PRESENT, Word(Int8ul, BolusActivationType)),
    ),
    clause="IDS 1.0.2, 3.6.2",
    examples=[
        Example(
            "5903" + "04" + "0500" + "33" + "19f0" + "0000" + "0000" + "5a",
            flags=BolusFlags.ACTIVATION_TYPE_PRESENT, bolus_id=5, bolus_type=BolusType.FAST,
            fast_amount_iu=Decimal("2.5"), extended_amount_iu=Decimal(0), duration_minutes=0,
            activation_type=BolusActivationType.COMMANDED,
        )
    ],
)  # fmt: skip
GET_ACTIVE_BASAL_RATE_DELIVERY = _request(
    "GetActiveBasalRateDelivery", 0x0365, Struct(), clause="IDS 1.0.2, 3.6.2",
    answer="GetActiveBasalRateDeliveryResponse", examples=[Example("6503")],
)  # fmt: skip
GET_ACTIVE_BASAL_RATE_DELIVERY_RESPONSE = _response(
    "GetActiveBasalRateDeliveryResponse", 0x036A,
    Struct(
        "flags"
        / Bits(
            Int8ul, ActiveBasalFlags,
            requires={ActiveBasalFlags.TBR_TEMPLATE_NUMBER_PRESENT: ActiveBasalFlags.TBR_PRESENT},
        ),
        "profile_template_number" / Int8ul,
        "configured_rate_iu_per_h" / RATE_IU_PER_H * "IU/h of the profile, also while a TBR runs",
        "tbr_type" / Present(ActiveBasalFlags.TBR_PRESENT, Word(Int8ul, TbrType)),
        "tbr_value" / Present(ActiveBasalFlags.TBR_PRESENT, RATE_IU_PER_H)
        * "IU/h when absolute, a factor when relative",
        "tbr_programmed_duration_minutes" / Present(ActiveBasalFlags.TBR_PRESENT, Int16ul),
        "tbr_remaining_duration_minutes" / Present(ActiveBasalFlags.TBR_PRESENT, Int16ul),
        "tbr_template_number" / Present(ActiveBasalFlags.TBR_TEMPLATE_NUMBER_PRESENT, Int8ul),
        "context" / Present(ActiveBasalFlags.CONTEXT_PRESENT, Word(Int8ul, DeliveryContext)),
    ),
    clause="IDS 1.0.2, 3.6.2",
    examples=[
        Example(
            "6a03" + "05" + "01" + "55e0" + "33" + "0000" + "1e00" + "0c00" + "55",
            flags=ActiveBasalFlags.TBR_PRESENT | ActiveBasalFlags.CONTEXT_PRESENT, profile_template_number=1,
            configured_rate_iu_per_h=Decimal("0.85"), tbr_type=TbrType.ABSOLUTE, tbr_value=Decimal(0),
            tbr_programmed_duration_minutes=30, tbr_remaining_duration_minutes=12,
            context=DeliveryContext.AP_CONTROLLER,
        )
    ],
)  # fmt: skip
GET_TOTAL_DAILY_INSULIN_STATUS = _request(
    "GetTotalDailyInsulinStatus", 0x0395, Struct(), clause="IDS 1.0.2, 3.6.2",
    answer="GetTotalDailyInsulinStatusResponse", examples=[Example("9503")],
)  # fmt: skip
GET_TOTAL_DAILY_INSULIN_STATUS_RESPONSE = _response(
    "GetTotalDailyInsulinStatusResponse", 0x039A,
    Struct(
        "bolus_delivered_iu" / AMOUNT_IU * "IU since local midnight",
        "basal_delivered_iu" / AMOUNT_IU * "IU since local midnight",
        "total_delivered_iu" / AMOUNT_IU * "IU since local midnight; rounded on its own",
    ),
    clause="IDS 1.0.2, 3.6.2",
    examples=[
        Example(
            "9a03" + "4bf0" + "7de0" + "58e3", bolus_delivered_iu=Decimal("7.5"),
            basal_delivered_iu=Decimal("1.25"), total_delivered_iu=Decimal("8.56"),
        )
    ],
)  # fmt: skip
GET_COUNTER = _request(
    "GetCounter", 0x03A6,
    Struct("counter_type" / Word(Int8ul, CounterType), "counter_selection" / Word(Int8ul, CounterSelection)),
    clause="IDS 1.0.2, 3.6.2", answer="GetCounterResponse",
    examples=[
        Example("a6030f33", counter_type=CounterType.LIFETIME, counter_selection=CounterSelection.ELAPSED)
    ],
)  # fmt: skip
GET_COUNTER_RESPONSE = _response(
    "GetCounterResponse", 0x03A9,
    Struct(
        "counter_type" / Word(Int8ul, CounterType),
        "counter_selection" / Word(Int8ul, CounterSelection),
        "counter_minutes" / Int32sl * "below 0 when the time is exceeded",
    ),
    clause="IDS 1.0.2, 3.6.2",
    examples=[
        Example(
            "a903" + "55" + "0f" + "c4ffffff", counter_type=CounterType.RESERVOIR_INSULIN_OPERATION_TIME,
            counter_selection=CounterSelection.REMAINING, counter_minutes=-60,
        )
    ],
)  # fmt: skip
GET_DELIVERED_INSULIN = _request(
    "GetDeliveredInsulin", 0x03C0, Struct(), clause="IDS 1.0.2, 3.6.2", answer="GetDeliveredInsulinResponse",
    examples=[Example("c003")],
)  # fmt: skip
GET_DELIVERED_INSULIN_RESPONSE = _response(
    "GetDeliveredInsulinResponse", 0x03CF,
    Struct(
        "bolus_delivered_iu" / InRange(Float(1000), 0, 80000) * "IU since the last rollover",
        "basal_delivered_iu" / InRange(Float(1000), 0, 80000) * "IU since the last rollover",
    ),
    clause="IDS 1.0.2, 3.6.2",
    examples=[
        Example(
            "cf03" + "075000fe" + "49e201fd", bolus_delivered_iu=Decimal("204.87"),
            basal_delivered_iu=Decimal("123.465"),
        )
    ],
    doc="Each sum starts again at 0 above 80 000 IU.",
)  # fmt: skip
GET_INSULIN_ON_BOARD = _request(
    "GetInsulinOnBoard", 0x03F3, Struct(), clause="IDS 1.0.2, 3.6.2", answer="GetInsulinOnBoardResponse",
    examples=[Example("f303")],
)  # fmt: skip
GET_INSULIN_ON_BOARD_RESPONSE = _response(
    "GetInsulinOnBoardResponse", 0x03FC,
    Struct(
        "flags" / Bits(Int8ul, InsulinOnBoardFlags),
        "insulin_on_board_iu" / InRange(Sfloat(1000), -500000, 500000),
        "remaining_duration_minutes" / Present(InsulinOnBoardFlags.REMAINING_DURATION_PRESENT, Int16ul),
    ),
    clause="IDS 1.0.2, 3.6.2",
    examples=[
        Example(
            "fc03" + "01" + "c5d4" + "7800", flags=InsulinOnBoardFlags.REMAINING_DURATION_PRESENT,
            insulin_on_board_iu=Decimal("1.221"), remaining_duration_minutes=120,
        )
    ],
)  # fmt: skip
