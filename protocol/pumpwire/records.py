"""IDD Record Access Control Point: how the history is asked for (IDS 1.0.2, 3.9)."""

from __future__ import annotations

from typing import Any

from construct import Struct

from pumpwire.database import RECORD_ACCESS_CONTROL_POINT
from pumpwire.declare import TO_CLIENT, TO_PUMP, Example, Message
from pumpwire.enums import RacpFilter, RacpOpcode, RacpOperator, RacpResponseCode
from pumpwire.fields import Int8ul, Int32ul, PresentWhen, Word

_BOUNDED = (RacpOperator.LESS_THAN_OR_EQUAL, RacpOperator.GREATER_THAN_OR_EQUAL, RacpOperator.WITHIN_RANGE)


def _selection() -> Any:
    return Struct(
        "operator" / Word(Int8ul, RacpOperator),
        "filter" / PresentWhen("operator", _BOUNDED, Word(Int8ul, RacpFilter)),
        "minimum_sequence" / PresentWhen("operator", _BOUNDED[1:], Int32ul),
        "maximum_sequence" / PresentWhen("operator", (_BOUNDED[0], _BOUNDED[2]), Int32ul),
    )


RACP_REPORT_STORED_RECORDS = Message(
    "RacpReportStoredRecords", opcode=RacpOpcode.REPORT_STORED_RECORDS, on=RECORD_ACCESS_CONTROL_POINT,
    direction=TO_PUMP, body=_selection(), clause="IDS 1.0.2, 3.9", answer="RacpResponseCode",
    examples=[
        Example("3333", operator=RacpOperator.ALL),
        Example(
            "33550f10000000", operator=RacpOperator.GREATER_THAN_OR_EQUAL, filter=RacpFilter.SEQUENCE_NUMBER,
            minimum_sequence=16,
        ),
        Example(
            "335a0f1000000020000000", operator=RacpOperator.WITHIN_RANGE, filter=RacpFilter.SEQUENCE_NUMBER,
            minimum_sequence=16, maximum_sequence=32,
        ),
    ],
    doc="The records come as IDD History Data first, oldest first.",
)  # fmt: skip
RACP_DELETE_STORED_RECORDS = Message(
    "RacpDeleteStoredRecords", opcode=RacpOpcode.DELETE_STORED_RECORDS, on=RECORD_ACCESS_CONTROL_POINT,
    direction=TO_PUMP, body=_selection(), clause="IDS 1.0.2, 3.9", answer="RacpResponseCode",
    examples=[
        Example(
            "3c3c0f20000000", operator=RacpOperator.LESS_THAN_OR_EQUAL, filter=RacpFilter.SEQUENCE_NUMBER,
            maximum_sequence=32,
        )
    ],
    doc="Numbers that were deleted are never given again. A part of a group of records is not deleted: 0x0A.",
)  # fmt: skip
RACP_ABORT = Message(
    "RacpAbort", opcode=RacpOpcode.ABORT, on=RECORD_ACCESS_CONTROL_POINT, direction=TO_PUMP,
    body=Struct("operator" / Word(Int8ul, RacpOperator) * "Null"), clause="IDS 1.0.2, 3.9",
    answer="RacpResponseCode", examples=[Example("550f", operator=RacpOperator.NULL)],
    doc="The one request that is taken while another procedure runs. With nothing to stop it succeeds; 0x07 when "
    "records are already being deleted.",
)  # fmt: skip
RACP_REPORT_NUMBER_OF_STORED_RECORDS = Message(
    "RacpReportNumberOfStoredRecords", opcode=RacpOpcode.REPORT_NUMBER_OF_STORED_RECORDS,
    on=RECORD_ACCESS_CONTROL_POINT, direction=TO_PUMP, body=_selection(), clause="IDS 1.0.2, 3.9",
    answer="RacpNumberOfStoredRecordsResponse",
    examples=[
        Example(
            "5a3c3320000000", operator=RacpOperator.LESS_THAN_OR_EQUAL,
            filter=RacpFilter.SEQUENCE_NUMBER_REFERENCE_TIME_EVENTS, maximum_sequence=32,
        )
    ],
)  # fmt: skip
RACP_NUMBER_OF_STORED_RECORDS_RESPONSE = Message(
    "RacpNumberOfStoredRecordsResponse", opcode=RacpOpcode.NUMBER_OF_STORED_RECORDS_RESPONSE,
    on=RECORD_ACCESS_CONTROL_POINT, direction=TO_CLIENT,
    body=Struct("operator" / Word(Int8ul, RacpOperator) * "Null", "record_count" / Int32ul),
    clause="IDS 1.0.2, 3.9", examples=[Example("660f2c010000", operator=RacpOperator.NULL, record_count=300)],
)  # fmt: skip
RACP_RESPONSE_CODE = Message(
    "RacpResponseCode", opcode=RacpOpcode.RESPONSE_CODE, on=RECORD_ACCESS_CONTROL_POINT, direction=TO_CLIENT,
    body=Struct(
        "operator" / Word(Int8ul, RacpOperator) * "Null",
        "request_opcode" / Int8ul,
        "response_code" / Word(Int8ul, RacpResponseCode),
    ),
    clause="IDS 1.0.2, 3.9",
    examples=[
        Example(
            "0f0f33f0", operator=RacpOperator.NULL, request_opcode=0x33, response_code=RacpResponseCode.SUCCESS
        )
    ],
    doc="Success is 0xF0 here, and 0x0F at the other control points.",
)  # fmt: skip
