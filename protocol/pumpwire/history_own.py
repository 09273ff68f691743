"""History events of this pump's own (IDS 1.0.2, 3.10 leaves 0xF000 to 0xFFF0 to the manufacturer)."""

from __future__ import annotations

from construct import Struct

from pumpwire.database import HISTORY_DATA
from pumpwire.declare import TO_CLIENT, Example, Message
from pumpwire.enums import AskedBy
from pumpwire.fields import InRange, Int8ul, Int16ul, Int32ul, Word

_AT = {"sequence": 10, "relative_offset_s": 3480}
_SEQUENCE = "0a000000" + "980d"

HISTORY_GUARDRAIL_EVENT = Message(
    "HistoryGuardrailEvent", opcode=0xF00F, on=HISTORY_DATA, direction=TO_CLIENT,
    clause="vendor event: IDS 1.0.2, 3.10",
    body=Struct(
        "guardrail" / InRange(Int8ul, 1, 8) * "its number, as ControllerGuardrails has them",
        "asked_by" / Word(Int8ul, AskedBy),
        "asked" / Int32ul * "in the unit of the guardrail",
        "allowed" / Int32ul * "in the unit of the guardrail",
    ),
    examples=[
        Example(
            "0ff0" + _SEQUENCE + "02" + "3c" + "70170000" + "88130000", **_AT, guardrail=2, asked_by=AskedBy.CLIENT,
            asked=6000, allowed=5000,
        )
    ],
    doc="A guardrail refused or limited what was asked.",
)  # fmt: skip
HISTORY_CARBS_EVENT = Message(
    "HistoryCarbsEvent", opcode=0xF033, on=HISTORY_DATA, direction=TO_CLIENT,
    clause="vendor event: IDS 1.0.2, 3.10",
    body=Struct("carbs_g" / Int16ul, "minutes_ago" / Int16ul * "before the record"),
    examples=[Example("33f0" + _SEQUENCE + "2d00" + "0f00", **_AT, carbs_g=45, minutes_ago=15)],
    doc="Carbs were announced.",
)  # fmt: skip
