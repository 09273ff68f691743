"""What the receiver of a message does when it cannot take it (IDS 1.0.2, 1.8 and 3.6 to 3.9; CGMS 1.0.2, 3.6 and 3.7).

A server answers, each way to be wrong in its own way; a client drops what it does not understand.
"""

from __future__ import annotations

from dataclasses import dataclass

from pumpwire import database
from pumpwire.att import AttErrorCode
from pumpwire.database import Characteristic
from pumpwire.declare import TO_PUMP, Outcome
from pumpwire.enums import CgmRacpResponseCode, CgmResponseCode, RacpResponseCode, ResponseCode

_Code = ResponseCode | RacpResponseCode | CgmRacpResponseCode | CgmResponseCode


@dataclass(frozen=True)
class Reaction:
    """What a receiver does.

    Args:
        does: "answers" with a response code, "refuses" with an ATT error, "ignores" or "drops".
        answer: the message that carries the code, when it answers.
        code: the response code or the ATT error.
    """

    does: str
    answer: str = ""
    code: _Code | AttErrorCode | None = None

    def plain(self) -> dict[str, str | int]:
        """As JSON can hold it."""
        out: dict[str, str | int] = {"does": self.does}
        if self.answer:
            out["answer"] = self.answer
        if self.code is not None:
            out |= {"code": int(self.code), "code_name": self.code.name}
        return out


# Codes of each control point: unknown opcode, wrong structure or reserved value, beyond a limit.
_CODES: dict[Characteristic, tuple[str, _Code, _Code, _Code]] = {
    database.STATUS_READER_CONTROL_POINT: (
        "ReaderResponseCode", ResponseCode.OPCODE_NOT_SUPPORTED, ResponseCode.INVALID_OPERAND,
        ResponseCode.PARAMETER_OUT_OF_RANGE,
    ),
    database.COMMAND_CONTROL_POINT: (
        "CommandResponseCode", ResponseCode.OPCODE_NOT_SUPPORTED, ResponseCode.INVALID_OPERAND,
        ResponseCode.PARAMETER_OUT_OF_RANGE,
    ),
    database.RECORD_ACCESS_CONTROL_POINT: (
        "RacpResponseCode", RacpResponseCode.OPCODE_NOT_SUPPORTED, RacpResponseCode.INVALID_OPERAND,
        RacpResponseCode.INVALID_OPERAND,
    ),
    database.CGM_RECORD_ACCESS_CONTROL_POINT: (
        "CgmRacpResponseCode", CgmRacpResponseCode.OPCODE_NOT_SUPPORTED, CgmRacpResponseCode.INVALID_OPERAND,
        CgmRacpResponseCode.INVALID_OPERAND,
    ),
    database.CGM_SPECIFIC_OPS_CONTROL_POINT: (
        "CgmResponseCode", CgmResponseCode.OPCODE_NOT_SUPPORTED, CgmResponseCode.INVALID_OPERAND,
        CgmResponseCode.PARAMETER_OUT_OF_RANGE,
    ),
}  # fmt: skip
# The record access control points have codes of their own for two fields.
_OF_FIELD: dict[tuple[Characteristic, str], _Code] = {
    (database.RECORD_ACCESS_CONTROL_POINT, "operator"): RacpResponseCode.OPERATOR_NOT_SUPPORTED,
    (database.RECORD_ACCESS_CONTROL_POINT, "filter"): RacpResponseCode.OPERAND_NOT_SUPPORTED,
    (database.CGM_RECORD_ACCESS_CONTROL_POINT, "operator"): CgmRacpResponseCode.OPERATOR_NOT_SUPPORTED,
    (database.CGM_RECORD_ACCESS_CONTROL_POINT, "filter"): CgmRacpResponseCode.OPERAND_NOT_SUPPORTED,
}


def is_server(characteristic: Characteristic, direction: str) -> bool:
    """Whether who receives a message is the server of its characteristic."""
    return (characteristic.handle < database.RIG_HANDLES_FROM) == (direction == TO_PUMP)


def reaction(characteristic: Characteristic, direction: str, octets: bytes, outcome: Outcome, field: str) -> Reaction:
    """What the receiver does with a message that has an outcome other than OK.

    Args:
        characteristic: on which it came.
        direction: "to_pump" or "to_client".
        octets: of the message, end-to-end protection removed.
        outcome: of decoding it.
        field: the field that the outcome is about, or "opcode", or "".
    """
    if not is_server(characteristic, direction):
        return Reaction("drops")
    if outcome is Outcome.PROHIBITED:
        return Reaction("ignores")
    codes = _CODES.get(characteristic)
    if codes is None:
        length = AttErrorCode.INVALID_ATTRIBUTE_VALUE_LENGTH
        return Reaction("refuses", code=length if outcome is Outcome.BAD_STRUCTURE else AttErrorCode.OUT_OF_RANGE)
    if len(octets) < characteristic.opcode_octets:
        return Reaction("refuses", code=AttErrorCode.INVALID_ATTRIBUTE_VALUE_LENGTH)
    answer, unknown, invalid, beyond = codes
    if field == "opcode":
        return Reaction("answers", answer, unknown)
    if outcome is Outcome.OUT_OF_RANGE:
        return Reaction("answers", answer, beyond)
    if outcome is Outcome.RFU:
        invalid = _OF_FIELD.get((characteristic, field), invalid)
    return Reaction("answers", answer, invalid)


def reaction_to_protection(characteristic: Characteristic, direction: str, counter: bool) -> Reaction:
    """What the receiver does with a value whose CRC, or whose counter, is wrong.

    Args:
        characteristic: on which it came.
        direction: "to_pump" or "to_client".
        counter: whether the counter is wrong, with a right CRC.
    """
    if not is_server(characteristic, direction):
        return Reaction("drops")
    return Reaction("refuses", code=AttErrorCode.INVALID_COUNTER if counter else AttErrorCode.INVALID_CRC)
