"""Command Control Point and Command Data: what changes the pump (IDS 1.0.2, 3.7 and 3.8)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from construct import Struct

from pumpwire.database import COMMAND_CONTROL_POINT, COMMAND_DATA
from pumpwire.declare import TO_CLIENT, TO_PUMP, Example, Message
from pumpwire.enums import (
    AvailableBolusesFlags,
    BolusActivationType,
    BolusFlags,
    BolusType,
    DeliveryContext,
    ProfileDataFlags,
    ProfileWriteFlags,
    ProfileWriteResponseFlags,
    ResponseCode,
    TbrFlags,
    TbrType,
    TemplateType,
    TherapyControlState,
)
from pumpwire.fields import Bits, Counted, InRange, Int8ul, Int16ul, Octets, Present, Word
from pumpwire.reader import AMOUNT_IU, RATE_IU_PER_H

_RESPONSE = "CommandResponseCode"


def _request(name: str, opcode: int, body: Any, **details: Any) -> Message:
    return Message(name, opcode=opcode, on=COMMAND_CONTROL_POINT, direction=TO_PUMP, body=body, **details)


def _response(name: str, opcode: int, body: Any, **details: Any) -> Message:
    return Message(name, opcode=opcode, on=COMMAND_CONTROL_POINT, direction=TO_CLIENT, body=body, **details)


def _data(name: str, opcode: int, body: Any, **details: Any) -> Message:
    return Message(name, opcode=opcode, on=COMMAND_DATA, direction=TO_CLIENT, body=body, **details)


def _blocks(second: Any, third: Any) -> list[Any]:
    return [
        "duration_minutes_1" / Int16ul,
        "rate_iu_per_h_1" / RATE_IU_PER_H,
        "duration_minutes_2" / Present(second, Int16ul),
        "rate_iu_per_h_2" / Present(second, RATE_IU_PER_H),
        "duration_minutes_3" / Present(third, Int16ul),
        "rate_iu_per_h_3" / Present(third, RATE_IU_PER_H),
    ]


COMMAND_RESPONSE_CODE = _response(
    "CommandResponseCode", 0x0F55, Struct("request_opcode" / Int16ul, "response_code" / Word(Int8ul, ResponseCode)),
    clause="IDS 1.0.2, 3.7.2",
    examples=[Example("550fff0f74", request_opcode=0x0FFF, response_code=ResponseCode.PROCEDURE_NOT_APPLICABLE)],
)  # fmt: skip
SET_THERAPY_CONTROL_STATE = _request(
    "SetTherapyControlState", 0x0F5A, Struct("therapy_control_state" / Word(Int8ul, TherapyControlState)),
    clause="IDS 1.0.2, 3.7.2", changes_delivery=True, answer=_RESPONSE,
    examples=[Example("5a0f55", therapy_control_state=TherapyControlState.RUN)],
)  # fmt: skip
SET_FLIGHT_MODE = _request(
    "SetFlightMode", 0x0F66, Struct(), clause="IDS 1.0.2, 3.7.2", answer=_RESPONSE, examples=[Example("660f")],
    doc="The radio goes quiet once the answer is confirmed.",
)  # fmt: skip
SNOOZE_ANNUNCIATION = _request(
    "SnoozeAnnunciation", 0x0F69, Struct("annunciation_id" / Int16ul), clause="IDS 1.0.2, 3.7.2",
    answer="SnoozeAnnunciationResponse", examples=[Example("690f0700", annunciation_id=7)],
)  # fmt: skip
SNOOZE_ANNUNCIATION_RESPONSE = _response(
    "SnoozeAnnunciationResponse", 0x0F96, Struct("annunciation_id" / Int16ul), clause="IDS 1.0.2, 3.7.2",
    examples=[Example("960f0700", annunciation_id=7)],
)  # fmt: skip
CONFIRM_ANNUNCIATION = _request(
    "ConfirmAnnunciation", 0x0F99, Struct("annunciation_id" / Int16ul), clause="IDS 1.0.2, 3.7.2",
    answer="ConfirmAnnunciationResponse", examples=[Example("990f0700", annunciation_id=7)],
)  # fmt: skip
CONFIRM_ANNUNCIATION_RESPONSE = _response(
    "ConfirmAnnunciationResponse", 0x0FA5, Struct("annunciation_id" / Int16ul), clause="IDS 1.0.2, 3.7.2",
    examples=[Example("a50f0700", annunciation_id=7)],
)  # fmt: skip
READ_BASAL_RATE_TEMPLATE = _request(
    "ReadBasalRateTemplate", 0x0FAA, Struct("template_number" / Int8ul), clause="IDS 1.0.2, 3.7.2",
    answer=_RESPONSE, examples=[Example("aa0f01", template_number=1)],
    doc="The blocks come as BasalRateTemplateData first.",
)  # fmt: skip
WRITE_BASAL_RATE_TEMPLATE = _request(
    "WriteBasalRateTemplate", 0x0FCC,
    Struct(
        "flags"
        / Bits(
            Int8ul, ProfileWriteFlags,
            requires={ProfileWriteFlags.THIRD_BLOCK_PRESENT: ProfileWriteFlags.SECOND_BLOCK_PRESENT},
        ),
        "template_number" / Int8ul,
        "first_block_number" / InRange(Int8ul, 1, 255) * "number of the first block in this message, from 1",
        *_blocks(ProfileWriteFlags.SECOND_BLOCK_PRESENT, ProfileWriteFlags.THIRD_BLOCK_PRESENT),
    ),
    clause="IDS 1.0.2, 3.7.2", changes_delivery=True, answer="WriteBasalRateTemplateResponse",
    examples=[
        Example(
            "cc0f" + "06" + "01" + "01" + "b400" + "0100" + "4a01" + "0ff0" + "5901" + "0200",
            flags=ProfileWriteFlags.SECOND_BLOCK_PRESENT | ProfileWriteFlags.THIRD_BLOCK_PRESENT,
            template_number=1, first_block_number=1, duration_minutes_1=180, rate_iu_per_h_1=Decimal(1),
            duration_minutes_2=330, rate_iu_per_h_2=Decimal("1.5"), duration_minutes_3=345,
            rate_iu_per_h_3=Decimal(2),
        ),
        Example(
            "cc0f" + "03" + "01" + "04" + "5901" + "05f0" + "f000" + "0100",
            flags=ProfileWriteFlags.SECOND_BLOCK_PRESENT | ProfileWriteFlags.END_TRANSACTION,
            template_number=1, first_block_number=4, duration_minutes_1=345, rate_iu_per_h_1=Decimal("0.5"),
            duration_minutes_2=240, rate_iu_per_h_2=Decimal(1),
        ),
    ],
)  # fmt: skip
WRITE_BASAL_RATE_TEMPLATE_RESPONSE = _response(
    "WriteBasalRateTemplateResponse", 0x0FF0,
    Struct(
        "flags" / Bits(Int8ul, ProfileWriteResponseFlags), "template_number" / Int8ul, "first_block_number" / Int8ul
    ),
    clause="IDS 1.0.2, 3.7.2",
    examples=[
        Example(
            "f00f010104", flags=ProfileWriteResponseFlags.TRANSACTION_COMPLETED, template_number=1,
            first_block_number=4,
        )
    ],
)  # fmt: skip
SET_TBR_ADJUSTMENT = _request(
    "SetTbrAdjustment", 0x0FFF,
    Struct(
        "flags" / Bits(Int8ul, TbrFlags),
        "tbr_type" / Word(Int8ul, TbrType),
        "value" / RATE_IU_PER_H * "IU/h when absolute, a factor when relative",
        "duration_minutes" / InRange(Int16ul, 1, 1440),
        "template_number" / Present(TbrFlags.TEMPLATE_NUMBER_PRESENT, Int8ul),
        "context" / Present(TbrFlags.CONTEXT_PRESENT, Word(Int8ul, DeliveryContext)),
    ),
    clause="IDS 1.0.2, 3.7.2.7", changes_delivery=True, answer=_RESPONSE,
    examples=[
        Example(
            "ff0f" + "02" + "33" + "0000" + "1e00" + "3c", flags=TbrFlags.CONTEXT_PRESENT,
            tbr_type=TbrType.ABSOLUTE, value=Decimal(0), duration_minutes=30,
            context=DeliveryContext.REMOTE_CONTROL,
        ),
        Example(
            "ff0f" + "04" + "33" + "55e0" + "a005", flags=TbrFlags.CHANGE_TBR, tbr_type=TbrType.ABSOLUTE,
            value=Decimal("0.85"), duration_minutes=1440,
        ),
    ],
)  # fmt: skip
CANCEL_TBR_ADJUSTMENT = _request(
    "CancelTbrAdjustment", 0x1111, Struct(), clause="IDS 1.0.2, 3.7.2", changes_delivery=True, answer=_RESPONSE,
    examples=[Example("1111")],
)  # fmt: skip
SET_BOLUS = _request(
    "SetBolus", 0x114B,
    Struct(
        "flags" / Bits(Int8ul, BolusFlags),
        "bolus_type" / Word(Int8ul, BolusType),
        "fast_amount_iu" / AMOUNT_IU,
        "extended_amount_iu" / AMOUNT_IU,
        "duration_minutes" / Int16ul * "0 for a fast bolus",
        "delay_minutes" / Present(BolusFlags.DELAY_PRESENT, Int16ul),
        "template_number" / Present(BolusFlags.TEMPLATE_NUMBER_PRESENT, Int8ul),
        "activation_type" / Present(BolusFlags.ACTIVATION_TYPE_PRESENT, Word(Int8ul, BolusActivationType)),
    ),
    clause="IDS 1.0.2, 3.7.2", changes_delivery=True, answer="SetBolusResponse",
    examples=[
        Example(
            "4b11" + "14" + "33" + "19f0" + "0000" + "0000" + "33",
            flags=BolusFlags.ACTIVATION_TYPE_PRESENT | BolusFlags.REASON_MEAL, bolus_type=BolusType.FAST,
            fast_amount_iu=Decimal("2.5"), extended_amount_iu=Decimal(0), duration_minutes=0,
            activation_type=BolusActivationType.MANUAL,
        )
    ],
)  # fmt: skip
SET_BOLUS_RESPONSE = _response(
    "SetBolusResponse", 0x1177, Struct("bolus_id" / Int16ul), clause="IDS 1.0.2, 3.7.2",
    examples=[Example("77110500", bolus_id=5)],
)  # fmt: skip
CANCEL_BOLUS = _request(
    "CancelBolus", 0x1178, Struct("bolus_id" / Int16ul), clause="IDS 1.0.2, 3.7.2", changes_delivery=True,
    answer="CancelBolusResponse", examples=[Example("78110500", bolus_id=5)],
)  # fmt: skip
CANCEL_BOLUS_RESPONSE = _response(
    "CancelBolusResponse", 0x1187, Struct("bolus_id" / Int16ul), clause="IDS 1.0.2, 3.7.2",
    examples=[Example("87110500", bolus_id=5)],
)  # fmt: skip
GET_AVAILABLE_BOLUSES = _request(
    "GetAvailableBoluses", 0x1188, Struct(), clause="IDS 1.0.2, 3.7.2", answer="GetAvailableBolusesResponse",
    examples=[Example("8811")],
)  # fmt: skip
GET_AVAILABLE_BOLUSES_RESPONSE = _response(
    "GetAvailableBolusesResponse", 0x11B4, Struct("flags" / Bits(Int8ul, AvailableBolusesFlags)),
    clause="IDS 1.0.2, 3.7.2", examples=[Example("b41101", flags=AvailableBolusesFlags.FAST_AVAILABLE)],
)  # fmt: skip
GET_TEMPLATE_STATUS_AND_DETAILS = _request(
    "GetTemplateStatusAndDetails", 0x11EE, Struct(), clause="IDS 1.0.2, 3.7.2", answer=_RESPONSE,
    examples=[Example("ee11")], doc="One TemplateStatusData for each supported kind of template comes first.",
)  # fmt: skip
RESET_TEMPLATE_STATUS = _request(
    "ResetTemplateStatus", 0x121D, Struct("template_numbers" / Counted(Int8ul, 1, 14)),
    clause="IDS 1.0.2, 3.7.2", answer="ResetTemplateStatusResponse",
    examples=[Example("1d12020203", template_numbers=[2, 3])],
)  # fmt: skip
RESET_TEMPLATE_STATUS_RESPONSE = _response(
    "ResetTemplateStatusResponse", 0x1221, Struct("template_numbers" / Counted(Int8ul, 1, 14)),
    clause="IDS 1.0.2, 3.7.2", examples=[Example("2112020203", template_numbers=[2, 3])],
)  # fmt: skip
ACTIVATE_PROFILE_TEMPLATES = _request(
    "ActivateProfileTemplates", 0x122E, Struct("template_numbers" / Counted(Int8ul, 1, 14)),
    clause="IDS 1.0.2, 3.7.2", changes_delivery=True, answer="ActivateProfileTemplatesResponse",
    examples=[Example("2e120101", template_numbers=[1])],
)  # fmt: skip
ACTIVATE_PROFILE_TEMPLATES_RESPONSE = _response(
    "ActivateProfileTemplatesResponse", 0x1247, Struct("template_numbers" / Counted(Int8ul, 1, 14)),
    clause="IDS 1.0.2, 3.7.2", examples=[Example("47120101", template_numbers=[1])],
)  # fmt: skip
GET_ACTIVATED_PROFILE_TEMPLATES = _request(
    "GetActivatedProfileTemplates", 0x1248, Struct(), clause="IDS 1.0.2, 3.7.2",
    answer="GetActivatedProfileTemplatesResponse", examples=[Example("4812")],
)  # fmt: skip
GET_ACTIVATED_PROFILE_TEMPLATES_RESPONSE = _response(
    "GetActivatedProfileTemplatesResponse", 0x1274, Struct("template_numbers" / Counted(Int8ul, 0, 14)),
    clause="IDS 1.0.2, 3.7.2", examples=[Example("74120101", template_numbers=[1])],
)  # fmt: skip
START_PRIMING = _request(
    "StartPriming", 0x127B, Struct("priming_amount_iu" / AMOUNT_IU), clause="IDS 1.0.2, 3.7.2",
    changes_delivery=True, answer=_RESPONSE,
    examples=[Example("7b120a00", priming_amount_iu=Decimal(10))], doc="Not while therapy runs.",
)  # fmt: skip
STOP_PRIMING = _request(
    "StopPriming", 0x1284, Struct(), clause="IDS 1.0.2, 3.7.2", changes_delivery=True, answer=_RESPONSE,
    examples=[Example("8412")],
)  # fmt: skip
SET_INITIAL_RESERVOIR_FILL_LEVEL = _request(
    "SetInitialReservoirFillLevel", 0x128B, Struct("reservoir_fill_level_iu" / AMOUNT_IU),
    clause="IDS 1.0.2, 3.7.2", answer=_RESPONSE,
    examples=[Example("8b122c01", reservoir_fill_level_iu=Decimal(300))],
)  # fmt: skip
RESET_RESERVOIR_INSULIN_OPERATION_TIME = _request(
    "ResetReservoirInsulinOperationTime", 0x12B7, Struct(), clause="IDS 1.0.2, 3.7.2", answer=_RESPONSE,
    examples=[Example("b712")],
    doc="The counter's elapsed time becomes 0 and its remaining time the default.",
)  # fmt: skip
GET_MAX_BOLUS_AMOUNT = _request(
    "GetMaxBolusAmount", 0x147D, Struct(), clause="IDS 1.0.2, 3.7.2", answer="GetMaxBolusAmountResponse",
    examples=[Example("7d14")],
)  # fmt: skip
GET_MAX_BOLUS_AMOUNT_RESPONSE = _response(
    "GetMaxBolusAmountResponse", 0x1482, Struct("max_bolus_iu" / AMOUNT_IU), clause="IDS 1.0.2, 3.7.2",
    examples=[Example("82140a00", max_bolus_iu=Decimal(10))],
)  # fmt: skip
SET_MAX_BOLUS_AMOUNT = _request(
    "SetMaxBolusAmount", 0x148D, Struct("max_bolus_iu" / AMOUNT_IU), clause="IDS 1.0.2, 3.7.2",
    answer=_RESPONSE, examples=[Example("8d147df0", max_bolus_iu=Decimal("12.5"))],
    doc="Limits what Set Bolus accepts; a bolus that runs is not touched.",
)  # fmt: skip

BASAL_RATE_TEMPLATE_DATA = _data(
    "BasalRateTemplateData", 0x0FC3,
    Struct(
        "flags"
        / Bits(
            Int8ul, ProfileDataFlags,
            requires={ProfileDataFlags.THIRD_BLOCK_PRESENT: ProfileDataFlags.SECOND_BLOCK_PRESENT},
        ),
        "template_number" / Int8ul,
        "first_block_number" / InRange(Int8ul, 1, 255) * "number of the first block in this message, from 1",
        *_blocks(ProfileDataFlags.SECOND_BLOCK_PRESENT, ProfileDataFlags.THIRD_BLOCK_PRESENT),
    ),
    clause="IDS 1.0.2, 3.8",
    examples=[
        Example(
            "c30f" + "01" + "01" + "04" + "5901" + "05f0" + "f000" + "0100",
            flags=ProfileDataFlags.SECOND_BLOCK_PRESENT, template_number=1, first_block_number=4,
            duration_minutes_1=345, rate_iu_per_h_1=Decimal("0.5"), duration_minutes_2=240,
            rate_iu_per_h_2=Decimal(1),
        )
    ],
)  # fmt: skip
TEMPLATE_STATUS_DATA = _data(
    "TemplateStatusData", 0x1212,
    Struct(
        "template_type" / Word(Int8ul, TemplateType),
        "first_template_number" / Int8ul,
        "template_count" / Int8ul,
        "max_blocks" / Int8ul * "time blocks of a profile; 0 for other kinds",
        "template_states"
        / Octets(count_field="template_count", per_octet=4, high=11)
        * "2 bits a template from bit 0: configurable, configured",
    ),
    clause="IDS 1.0.2, 3.8",
    examples=[
        Example(
            "1212" + "33" + "01" + "03" + "18" + "39", template_type=TemplateType.BASAL_RATE_PROFILE,
            first_template_number=1, template_count=3, max_blocks=24, template_states=bytes([0b00111001]),
        )
    ],
)  # fmt: skip


def template_states(states: list[tuple[bool, bool]]) -> bytes:
    """Packs (configurable, configured) pairs as TemplateStatusData carries them (IDS 1.0.2, 3.8).

    Args:
        states: one pair for each template, in the order of their numbers.
    """
    octets = bytearray(-(-len(states) // 4))
    for index, (configurable, configured) in enumerate(states):
        octets[index // 4] |= (int(configurable) | int(configured) << 1) << 2 * (index % 4)
    return bytes(octets)


def unpack_template_states(octets: bytes, count: int) -> list[tuple[bool, bool]]:
    """The (configurable, configured) pairs of TemplateStatusData (IDS 1.0.2, 3.8).

    Args:
        octets: the field template_states.
        count: the field template_count.
    """
    pairs = [octets[index // 4] >> 2 * (index % 4) & 3 for index in range(count)]
    return [(bool(pair & 1), bool(pair & 2)) for pair in pairs]
