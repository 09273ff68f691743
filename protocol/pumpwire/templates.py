"""Templates beside the basal profile: TBR, bolus, ISF, I:CHO ratio, target glucose range (IDS 1.0.2, 3.7, 3.8)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from construct import Struct

from pumpwire.database import COMMAND_CONTROL_POINT, COMMAND_DATA
from pumpwire.declare import TO_CLIENT, TO_PUMP, Example, Message
from pumpwire.enums import (
    BolusTemplateFlags,
    BolusType,
    ProfileDataFlags,
    ProfileWriteFlags,
    ProfileWriteResponseFlags,
    TargetDataFlags,
    TargetWriteFlags,
    TbrType,
)
from pumpwire.fields import Bits, InRange, Int8ul, Int16ul, Present, Sfloat, Word
from pumpwire.reader import AMOUNT_IU, RATE_IU_PER_H

_RESPONSE = "CommandResponseCode"
ISF_MG_DL_PER_IU = InRange(Sfloat(10), 0, 2000)
ICHO_RATIO_G_PER_IU = InRange(Sfloat(10), 0, 1000)
TARGET_MG_DL = InRange(Sfloat(10), 0, 2000)


def _message(name: str, opcode: int, body: Any, **details: Any) -> Message:
    details.setdefault("on", COMMAND_CONTROL_POINT)
    details.setdefault("clause", "IDS 1.0.2, 3.7.2")
    return Message(name, opcode=opcode, body=body, **details)


def _request(name: str, opcode: int, body: Any, **details: Any) -> Message:
    return _message(name, opcode, body, direction=TO_PUMP, **details)


def _response(name: str, opcode: int, body: Any, **details: Any) -> Message:
    return _message(name, opcode, body, direction=TO_CLIENT, **details)


def _data(name: str, opcode: int, body: Any, **details: Any) -> Message:
    return _message(name, opcode, body, direction=TO_CLIENT, on=COMMAND_DATA, clause="IDS 1.0.2, 3.8", **details)


def _template_number() -> Any:
    return Struct("template_number" / Int8ul)


def _profile(flags: Any, present: Any, values: list[tuple[str, Any]], blocks: int) -> Any:
    # A profile message: flags, template, number of the first block, then the blocks of duration and value or values.
    second = present.SECOND_BLOCK_PRESENT
    third = present.THIRD_BLOCK_PRESENT if blocks == 3 else None
    fields: list[Any] = [
        "flags" / flags,
        "template_number" / Int8ul,
        "first_block_number" / InRange(Int8ul, 1, 255) * "number of the first block in this message, from 1",
    ]
    for number, flag in ((1, None), (2, second), (3, third))[:blocks]:
        for name, kind in [("duration_minutes", Int16ul), *values]:
            fields.append(f"{name}_{number}" / (kind if flag is None else Present(flag, kind)))
    return Struct(*fields)


def _three_blocks(present: Any) -> Any:
    return Bits(Int8ul, present, requires={present.THIRD_BLOCK_PRESENT: present.SECOND_BLOCK_PRESENT})


_ISF = [("isf_mg_dl_per_iu", ISF_MG_DL_PER_IU)]
_ICHO = [("icho_ratio_g_per_iu", ICHO_RATIO_G_PER_IU)]
_TARGET = [("target_low_mg_dl", TARGET_MG_DL), ("target_high_mg_dl", TARGET_MG_DL)]


def _write_response() -> Any:
    return Struct(
        "flags" / Bits(Int8ul, ProfileWriteResponseFlags), "template_number" / Int8ul, "first_block_number" / Int8ul
    )


def _tbr_template() -> Any:
    return Struct(
        "template_number" / Int8ul,
        "tbr_type" / Word(Int8ul, TbrType),
        "value" / RATE_IU_PER_H * "IU/h when absolute, a factor when relative",
        "duration_minutes" / InRange(Int16ul, 1, 1440),
    )


def _bolus_template() -> Any:
    return Struct(
        "template_number" / Int8ul,
        "flags" / Bits(Int8ul, BolusTemplateFlags),
        "bolus_type" / Word(Int8ul, BolusType),
        "fast_amount_iu" / AMOUNT_IU,
        "extended_amount_iu" / AMOUNT_IU,
        "duration_minutes" / Int16ul * "0 for a fast bolus",
        "delay_minutes" / Present(BolusTemplateFlags.DELAY_PRESENT, Int16ul),
    )


_TBR_TEMPLATE = {
    "template_number": 4, "tbr_type": TbrType.RELATIVE, "value": Decimal("1.5"), "duration_minutes": 90,
}  # fmt: skip
_BOLUS_TEMPLATE = {
    "template_number": 6, "flags": BolusTemplateFlags.DELAY_PRESENT | BolusTemplateFlags.REASON_MEAL,
    "bolus_type": BolusType.MULTIWAVE, "fast_amount_iu": Decimal("1.5"), "extended_amount_iu": Decimal(3),
    "duration_minutes": 120, "delay_minutes": 15,
}  # fmt: skip
_BOLUS_TEMPLATE_OCTETS = "06" + "05" + "55" + "0ff0" + "0300" + "7800" + "0f00"

GET_TBR_TEMPLATE = _request(
    "GetTbrTemplate", 0x111E, _template_number(), answer="GetTbrTemplateResponse",
    examples=[Example("1e1104", template_number=4)],
)  # fmt: skip
GET_TBR_TEMPLATE_RESPONSE = _response(
    "GetTbrTemplateResponse", 0x1122, _tbr_template(), examples=[Example("2211043c0ff05a00", **_TBR_TEMPLATE)]
)
SET_TBR_TEMPLATE = _request(
    "SetTbrTemplate", 0x112D, _tbr_template(), answer="SetTbrTemplateResponse",
    examples=[Example("2d11043c0ff05a00", **_TBR_TEMPLATE)], doc="The template becomes configured.",
)  # fmt: skip
SET_TBR_TEMPLATE_RESPONSE = _response(
    "SetTbrTemplateResponse", 0x1144, _template_number(), examples=[Example("441104", template_number=4)]
)
GET_BOLUS_TEMPLATE = _request(
    "GetBolusTemplate", 0x11BB, _template_number(), answer="GetBolusTemplateResponse",
    examples=[Example("bb1106", template_number=6)],
)  # fmt: skip
GET_BOLUS_TEMPLATE_RESPONSE = _response(
    "GetBolusTemplateResponse", 0x11D2, _bolus_template(),
    examples=[Example("d211" + _BOLUS_TEMPLATE_OCTETS, **_BOLUS_TEMPLATE)],
)  # fmt: skip
SET_BOLUS_TEMPLATE = _request(
    "SetBolusTemplate", 0x11DD, _bolus_template(), answer="SetBolusTemplateResponse",
    examples=[Example("dd11" + _BOLUS_TEMPLATE_OCTETS, **_BOLUS_TEMPLATE)], doc="The template becomes configured.",
)  # fmt: skip
SET_BOLUS_TEMPLATE_RESPONSE = _response(
    "SetBolusTemplateResponse", 0x11E1, _template_number(), examples=[Example("e11106", template_number=6)]
)

READ_ISF_TEMPLATE = _request(
    "ReadIsfTemplate", 0x12B8, _template_number(), answer=_RESPONSE,
    examples=[Example("b81208", template_number=8)], doc="The blocks come as IsfTemplateData first.",
)  # fmt: skip
WRITE_ISF_TEMPLATE = _request(
    "WriteIsfTemplate", 0x12DE, _profile(_three_blocks(ProfileWriteFlags), ProfileWriteFlags, _ISF, 3),
    answer="WriteIsfTemplateResponse",
    examples=[
        Example(
            "de12" + "03" + "08" + "01" + "d002" + "3200" + "d002" + "c3f1",
            flags=ProfileWriteFlags.END_TRANSACTION | ProfileWriteFlags.SECOND_BLOCK_PRESENT, template_number=8,
            first_block_number=1, duration_minutes_1=720, isf_mg_dl_per_iu_1=Decimal(50), duration_minutes_2=720,
            isf_mg_dl_per_iu_2=Decimal("45.1"),
        )
    ],
)  # fmt: skip
WRITE_ISF_TEMPLATE_RESPONSE = _response(
    "WriteIsfTemplateResponse", 0x12E2, _write_response(),
    examples=[
        Example(
            "e212010801", flags=ProfileWriteResponseFlags.TRANSACTION_COMPLETED, template_number=8,
            first_block_number=1,
        )
    ],
)  # fmt: skip
READ_ICHO_RATIO_TEMPLATE = _request(
    "ReadIchoRatioTemplate", 0x12ED, _template_number(), answer=_RESPONSE,
    examples=[Example("ed120a", template_number=10)], doc="The blocks come as IchoRatioTemplateData first.",
)  # fmt: skip
WRITE_ICHO_RATIO_TEMPLATE = _request(
    "WriteIchoRatioTemplate", 0x141B, _profile(_three_blocks(ProfileWriteFlags), ProfileWriteFlags, _ICHO, 3),
    answer="WriteIchoRatioTemplateResponse",
    examples=[
        Example(
            "1b14" + "01" + "0a" + "01" + "a005" + "7df0", flags=ProfileWriteFlags.END_TRANSACTION,
            template_number=10, first_block_number=1, duration_minutes_1=1440,
            icho_ratio_g_per_iu_1=Decimal("12.5"),
        )
    ],
)  # fmt: skip
WRITE_ICHO_RATIO_TEMPLATE_RESPONSE = _response(
    "WriteIchoRatioTemplateResponse", 0x1427, _write_response(),
    examples=[
        Example("2714000a01", flags=ProfileWriteResponseFlags(0), template_number=10, first_block_number=1)
    ],
)  # fmt: skip
READ_TARGET_GLUCOSE_RANGE_TEMPLATE = _request(
    "ReadTargetGlucoseRangeTemplate", 0x1428, _template_number(), answer=_RESPONSE,
    examples=[Example("28140c", template_number=12)], doc="The blocks come as TargetGlucoseRangeTemplateData first.",
)  # fmt: skip
WRITE_TARGET_GLUCOSE_RANGE_TEMPLATE = _request(
    "WriteTargetGlucoseRangeTemplate", 0x144E,
    _profile(Bits(Int8ul, TargetWriteFlags), TargetWriteFlags, _TARGET, 2),
    answer="WriteTargetGlucoseRangeTemplateResponse",
    examples=[
        Example(
            "4e14" + "03" + "0c" + "01" + "a401" + "6400" + "7800" + "fc03" + "5a00" + "6e00",
            flags=TargetWriteFlags.END_TRANSACTION | TargetWriteFlags.SECOND_BLOCK_PRESENT, template_number=12,
            first_block_number=1, duration_minutes_1=420, target_low_mg_dl_1=Decimal(100),
            target_high_mg_dl_1=Decimal(120), duration_minutes_2=1020, target_low_mg_dl_2=Decimal(90),
            target_high_mg_dl_2=Decimal(110),
        )
    ],
)  # fmt: skip
WRITE_TARGET_GLUCOSE_RANGE_TEMPLATE_RESPONSE = _response(
    "WriteTargetGlucoseRangeTemplateResponse", 0x1472, _write_response(),
    examples=[
        Example(
            "7214010c01", flags=ProfileWriteResponseFlags.TRANSACTION_COMPLETED, template_number=12,
            first_block_number=1,
        )
    ],
)  # fmt: skip

ISF_TEMPLATE_DATA = _data(
    "IsfTemplateData", 0x12D1, _profile(_three_blocks(ProfileDataFlags), ProfileDataFlags, _ISF, 3),
    examples=[
        Example(
            "d112" + "00" + "08" + "01" + "a005" + "3200", flags=ProfileDataFlags(0), template_number=8,
            first_block_number=1, duration_minutes_1=1440, isf_mg_dl_per_iu_1=Decimal(50),
        )
    ],
)  # fmt: skip
ICHO_RATIO_TEMPLATE_DATA = _data(
    "IchoRatioTemplateData", 0x1414, _profile(_three_blocks(ProfileDataFlags), ProfileDataFlags, _ICHO, 3),
    examples=[
        Example(
            "1414" + "03" + "0a" + "01" + "e001" + "0a00" + "e001" + "7df0" + "e001" + "0f00",
            flags=ProfileDataFlags.SECOND_BLOCK_PRESENT | ProfileDataFlags.THIRD_BLOCK_PRESENT, template_number=10,
            first_block_number=1, duration_minutes_1=480, icho_ratio_g_per_iu_1=Decimal(10), duration_minutes_2=480,
            icho_ratio_g_per_iu_2=Decimal("12.5"), duration_minutes_3=480, icho_ratio_g_per_iu_3=Decimal(15),
        )
    ],
)  # fmt: skip
TARGET_GLUCOSE_RANGE_TEMPLATE_DATA = _data(
    "TargetGlucoseRangeTemplateData", 0x1441,
    _profile(Bits(Int8ul, TargetDataFlags), TargetDataFlags, _TARGET, 2),
    examples=[
        Example(
            "4114" + "00" + "0c" + "01" + "a005" + "6400" + "7800", flags=TargetDataFlags(0), template_number=12,
            first_block_number=1, duration_minutes_1=1440, target_low_mg_dl_1=Decimal(100),
            target_high_mg_dl_1=Decimal(120),
        )
    ],
    doc="Two blocks are as many as fit.",
)  # fmt: skip
