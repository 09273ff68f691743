"""What several cases do to come into the state that they are about."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeAlias

from pumprig.conformance.model import Failed, NotAdvertised, NotPossible
from pumprig.conformance.octets import Bolus, hex_of, request, sf, u8, u16, u32
from pumprig.conformance.session import CCP, RACP, SRCP, Answer, Session
from pumprig.conformance.told import Fields
from pumpwire import database, numbers
from pumpwire.command import unpack_template_states
from pumpwire.declare import TO_CLIENT
from pumpwire.enums import (
    BolusType,
    IddFeatureFlags,
    RacpFilter,
    RacpOperator,
    RacpResponseCode,
    ResponseCode,
    TbrType,
    TemplateType,
    TherapyControlState,
)
from pumpwire.numbers import Special
from pumpwire.registry import decode

__all__ = [
    "AMOUNTS",
    "BLOCKS_PER_WRITE",
    "DAY_MINUTES",
    "EXAMPLE_MINUTES",
    "KINDS",
    "SUCCESS",
    "TBR_MINUTES",
    "Block",
    "Kind",
    "Record",
    "Templates",
    "activate",
    "active_ids",
    "basal_profile",
    "block_of",
    "calm",
    "configurable",
    "from_sequence",
    "history",
    "kind_blocks",
    "needs_clock",
    "newest",
    "of_type",
    "outside",
    "read_profile",
    "record_of",
    "report",
    "run_therapy",
    "selection",
    "set_bolus",
    "set_tbr",
    "tbr_operand",
    "templates",
    "therapy",
    "unsupported",
    "write_profile",
]

SUCCESS = ResponseCode.SUCCESS
# Amounts of which a pump takes at least one, and the durations of a TBR likewise.
AMOUNTS = ("1", "0.5", "2", "0.1")
TBR_MINUTES = (30, 60, 15)
BLOCKS_PER_WRITE = 3
DAY_MINUTES = 1440


# --- Therapy ------------------------------------------------------------------------------------------------------


def therapy(s: Session, state: TherapyControlState) -> Answer:
    """Set Therapy Control State."""
    return s.ask(CCP, request("SetTherapyControlState", u8(state)))


def run_therapy(s: Session, rate: str = "1") -> int:
    """Therapy in Run, with a basal profile of one rate where there is basal; returns the profile's number, else 0.

    Raises:
        NotPossible: it is refused, and IDD Status tells of no reservoir or of an empty one.
        Failed: it is refused.
    """
    number = 0
    if s.bench.features & IddFeatureFlags.BASAL_RATE:
        number = basal_profile(s, rate)
    answer = therapy(s, TherapyControlState.RUN)
    if answer.code == ResponseCode.PROCEDURE_NOT_APPLICABLE:
        # A refusal counts for the server only with a reason that the server itself tells.
        status = s.fields(database.STATUS)
        if not status["flags"] & 1:
            raise NotPossible("no reservoir is attached, so therapy cannot run")
        if status["reservoir_remaining_iu"] == 0:
            raise NotPossible("the reservoir is empty, so therapy cannot run")
    s.holds(answer.code == SUCCESS, "Run is accepted, as IDD Status tells of a reservoir with insulin", answer)
    return number


def calm(s: Session) -> None:
    """Ends boluses, TBR and priming, and puts therapy into Stop; what is not under way is refused, and that is well."""
    answer = s.ask(SRCP, request("GetActiveBolusIds"))
    for bolus_id in answer.fields.get("bolus_ids") or ():
        s.ask(CCP, request("CancelBolus", u16(bolus_id)))
    s.ask(CCP, request("CancelTbrAdjustment"))
    s.ask(CCP, request("StopPriming"))
    therapy(s, TherapyControlState.STOP)


def active_ids(s: Session) -> list[int]:
    """IDs of the boluses that run."""
    answer = s.answered(SRCP, request("GetActiveBolusIds"), "GetActiveBolusIdsResponse")
    return list(answer.fields["bolus_ids"])


def set_bolus(s: Session, kind: BolusType, amounts: Iterable[str] = AMOUNTS, **more: Any) -> tuple[int, Bolus]:
    """Starts a bolus of some amount that the server takes; returns its ID and what was asked for.

    Raises:
        Failed: no amount is accepted.
    """
    answer = None
    for amount in amounts:
        values: dict[str, Any] = {}
        if kind is not BolusType.EXTENDED:
            values["fast"] = amount
        if kind is not BolusType.FAST:
            values |= {"extended": amount, "minutes": 30}
        bolus = Bolus(kind, **(values | more))
        answer = s.ask(CCP, bolus.request())
        if answer.message is not None and answer.message.name == "SetBolusResponse" and answer.fields:
            return int(answer.fields["bolus_id"]), bolus
        if answer.code != ResponseCode.PARAMETER_OUT_OF_RANGE:
            break
    raise Failed(f"Set Bolus accepts a {kind.name.lower()} bolus of {' or '.join(amounts)} IU", str(answer))


def tbr_operand(
    kind: int, value: str | bytes, minutes: int, *, template: int | None = None, context: int | None = None,
    change: bool = False, more_flags: int = 0,
) -> bytes:  # fmt: skip
    """The operand of Set TBR Adjustment; each field can be wrong."""
    flags = (template is not None) | (context is not None) << 1 | change << 2 | more_flags
    tail = b"".join(u8(part) for part in (template, context) if part is not None)
    amount = value if isinstance(value, bytes) else sf(value)
    return u8(flags) + u8(kind) + amount + u16(minutes) + tail


def set_tbr(s: Session, kind: TbrType, value: str, **more: Any) -> int:
    """Starts a TBR of some duration that the server takes; returns it in minutes.

    Raises:
        Failed: no duration is accepted.
    """
    answer = None
    for minutes in TBR_MINUTES:
        answer = s.ask(CCP, request("SetTbrAdjustment", tbr_operand(kind, value, minutes, **more)))
        if answer.code == SUCCESS:
            return minutes
        if answer.code != ResponseCode.PARAMETER_OUT_OF_RANGE:
            break
    raise Failed(f"Set TBR Adjustment accepts {value} for {' or '.join(map(str, TBR_MINUTES))} min", str(answer))


# --- Templates ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Templates:
    """The templates of a type, as Get Template Status and Details tells them.

    Args:
        type: the type.
        first, count: their numbers.
        max_blocks: 0 for types that are no profiles.
        configurable, configured: numbers.
    """

    type: int
    first: int
    count: int
    max_blocks: int
    configurable: tuple[int, ...]
    configured: tuple[int, ...]

    @property
    def numbers(self) -> range:
        """All of them."""
        return range(self.first, self.first + self.count)


def templates(s: Session) -> dict[int, Templates]:
    """All templates by type.

    Raises:
        Failed: the server does not tell them.
    """
    answer = s.code(CCP, request("GetTemplateStatusAndDetails"), SUCCESS)
    found: dict[int, Templates] = {}
    for octets in answer.data:
        message, understood = decode(database.COMMAND_DATA, octets, TO_CLIENT)
        if message is None or message.name != "TemplateStatusData" or not understood.fields:
            raise Failed("TemplateStatusData", f"{hex_of(octets)}: {understood.detail}")
        fields = understood.fields
        first, count = fields["first_template_number"], fields["template_count"]
        if 4 * len(fields["template_states"]) < count:
            raise Failed(f"the states of {count} templates", hex_of(octets))
        states = unpack_template_states(fields["template_states"], count)
        found[int(fields["template_type"])] = Templates(
            int(fields["template_type"]), first, count, fields["max_blocks"],
            tuple(first + index for index, (able, _) in enumerate(states) if able),
            tuple(first + index for index, (_, done) in enumerate(states) if done),
        )  # fmt: skip
    return found


def of_type(s: Session, kind: TemplateType) -> Templates:
    """The templates of a type.

    Raises:
        Failed: the server does not tell them, although it advertises them.
    """
    found = templates(s)
    if kind not in found:
        raise Failed(f"a TemplateStatusData of the type {kind.name}", f"types {sorted(map(hex, found))}")
    return found[kind]


def configurable(s: Session, kind: TemplateType, at_least: int = 1) -> list[int]:
    """Numbers of templates that can be written.

    Raises:
        NotPossible: there are too few.
    """
    numbers = list(of_type(s, kind).configurable)
    if len(numbers) < at_least:
        raise NotPossible(f"the server has {len(numbers)} configurable templates of the type {kind.name}")
    return numbers


def outside(s: Session) -> int:
    """A template number that no type has.

    Raises:
        NotPossible: each has one.
    """
    taken = {number for one in templates(s).values() for number in one.numbers}
    free = next((number for number in range(255, 0, -1) if number not in taken), None)
    if free is None:
        raise NotPossible("every number from 1 to 255 is a template's")
    return free


# --- Profiles -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Kind:
    """A kind of profile template, and how it is written and read.

    Args:
        name: short, for ids.
        feature: that advertises it.
        type: in the template status.
        write, written, read, data: message names.
        values: some values of its blocks, exact as SFLOAT.
        high: what is added to a value for the upper bound; None when a block has one value.
        block_event: message name of the history record of one block.
    """

    name: str
    feature: IddFeatureFlags
    type: TemplateType
    write: str
    written: str
    read: str
    data: str
    values: tuple[str, ...]
    high: int | None
    block_event: str

    @property
    def per_write(self) -> int:
        """Blocks that one message holds."""
        return BLOCKS_PER_WRITE if self.high is None else BLOCKS_PER_WRITE - 1

    def block(self, minutes: int, value: str) -> bytes:
        """The octets of one block."""
        if self.high is None:
            return u16(minutes) + sf(value)
        return u16(minutes) + sf(value) + sf(Decimal(value) + self.high)

    def part(self, number: int, first: int, blocks: Iterable[tuple[int, str]], end: bool) -> bytes:
        """A write of some blocks of one template."""
        octets = [self.block(minutes, value) for minutes, value in blocks]
        flags = end | (len(octets) > 1) << 1 | (len(octets) > 2) << 2
        return request(self.write, u8(flags), u8(number), u8(first), *octets)


KINDS = (
    Kind("basal", IddFeatureFlags.BASAL_RATE, TemplateType.BASAL_RATE_PROFILE, "WriteBasalRateTemplate",
         "WriteBasalRateTemplateResponse", "ReadBasalRateTemplate", "BasalRateTemplateData",
         ("1", "1.5", "2", "0.5", "1"), None, "HistoryBasalBlockChanged"),
    Kind("isf", IddFeatureFlags.ISF_PROFILE_TEMPLATE, TemplateType.ISF_PROFILE, "WriteIsfTemplate",
         "WriteIsfTemplateResponse", "ReadIsfTemplate", "IsfTemplateData",
         ("50", "45", "40", "55", "50"), None, "HistoryIsfBlockChanged"),
    Kind("icho", IddFeatureFlags.ICHO_RATIO_PROFILE_TEMPLATE, TemplateType.ICHO_RATIO_PROFILE,
         "WriteIchoRatioTemplate", "WriteIchoRatioTemplateResponse", "ReadIchoRatioTemplate", "IchoRatioTemplateData",
         ("10", "12", "9", "11", "10"), None, "HistoryIchoRatioBlockChanged"),
    Kind("target", IddFeatureFlags.TARGET_GLUCOSE_RANGE_PROFILE_TEMPLATE, TemplateType.TARGET_GLUCOSE_RANGE_PROFILE,
         "WriteTargetGlucoseRangeTemplate", "WriteTargetGlucoseRangeTemplateResponse",
         "ReadTargetGlucoseRangeTemplate", "TargetGlucoseRangeTemplateData",
         ("90", "95", "100", "105", "90"), 30, "HistoryTargetGlucoseRangeBlockChanged"),
)  # fmt: skip
EXAMPLE_MINUTES = (180, 330, 345, 345, 240)


Block: TypeAlias = tuple[int, tuple[Decimal | Special, ...]]


def block_of(octets: bytes) -> Block:
    """Minutes and values of a block; a number may be encoded in more than one way."""
    words = [int.from_bytes(octets[at : at + 2], "little") for at in range(0, len(octets), 2)]
    return words[0], tuple(numbers.decode(numbers.SFLOAT, word) for word in words[1:])


def kind_blocks(kind: Kind) -> list[tuple[int, str]]:
    """Five blocks that make a day (IDS 1.0.2, appendix B)."""
    return list(zip(EXAMPLE_MINUTES, kind.values, strict=True))


def write_profile(s: Session, kind: Kind, number: int, blocks: list[tuple[int, str]]) -> Answer:
    """Writes a whole profile; returns the last answer.

    Raises:
        Failed: a part is refused.
    """
    answer = None
    for first in range(0, len(blocks), kind.per_write):
        part = blocks[first : first + kind.per_write]
        end = first + len(part) == len(blocks)
        answer = s.answered(CCP, kind.part(number, first + 1, part, end), kind.written)
        s.equal("transaction completed", bool(answer.fields["flags"] & 1), end)
        s.equal("the first block number of the answer", answer.fields["first_block_number"], first + 1)
    assert answer is not None
    return answer


def read_profile(s: Session, kind: Kind, number: int) -> tuple[Answer, list[tuple[int, Block]]]:
    """A profile as it is read: the answer, and for each block its number and what it says.

    Raises:
        Failed: it cannot be read.
    """
    answer = s.code(CCP, request(kind.read, u8(number)), SUCCESS)
    octets = 4 if kind.high is None else 6
    blocks: list[tuple[int, Block]] = []
    for message in answer.data:
        if decode(database.COMMAND_DATA, message, TO_CLIENT)[0] is None or message[3] != number:
            raise Failed(f"{kind.data} of template {number}", hex_of(message))
        for index, at in enumerate(range(5, len(message), octets)):
            blocks.append((message[4] + index, block_of(message[at : at + octets])))
    return answer, blocks


def activate(s: Session, *numbers: int) -> Answer:
    """Activate Profile Templates."""
    return s.ask(CCP, request("ActivateProfileTemplates", u8(len(numbers)), bytes(numbers)))


def basal_profile(s: Session, rate: str = "1") -> int:
    """A basal profile of one rate, written and activated; returns its number."""
    number = configurable(s, TemplateType.BASAL_RATE_PROFILE)[0]
    write_profile(s, KINDS[0], number, [(DAY_MINUTES, rate)])
    answer = activate(s, number)
    if answer.message is None or answer.message.name != "ActivateProfileTemplatesResponse":
        raise Failed("ActivateProfileTemplatesResponse", str(answer))
    return number


# --- History ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Record:
    """A record of the history.

    Args:
        octets: as it came, without its CRC.
        event: its number.
        sequence: its sequence number.
        offset_s: seconds since the reference time before it.
        name: message name, empty for a manufacturer's event.
        fields: of its data.
    """

    octets: bytes
    event: int
    sequence: int
    offset_s: int
    name: str
    fields: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{self.name or 'event'} {hex_of(self.octets)}"


def record_of(octets: bytes) -> Record:
    """A record from its octets.

    Raises:
        Failed: it is none.
    """
    message, understood = decode(database.HISTORY_DATA, octets, TO_CLIENT)
    if len(octets) < 8 or (message is not None and not understood.fields):
        raise Failed("a history record", f"{hex_of(octets)}: {understood.detail}")
    return Record(
        octets, int.from_bytes(octets[:2], "little"), int.from_bytes(octets[2:6], "little"),
        int.from_bytes(octets[6:8], "little"), message.name if message is not None else "", Fields(understood.fields),
    )  # fmt: skip


def selection(operator: int, *operand: bytes, filter: int | None = None) -> bytes:
    """Operator and operand of an IDD RACP request."""
    return u8(operator) + (b"" if filter is None else u8(filter)) + b"".join(operand)


def from_sequence(sequence: int) -> bytes:
    """The selection of all records from a sequence number on."""
    return selection(RacpOperator.GREATER_THAN_OR_EQUAL, u32(sequence), filter=RacpFilter.SEQUENCE_NUMBER)


def report(s: Session, chosen: bytes) -> Answer:
    """Report Stored Records."""
    return s.ask(RACP, request("RacpReportStoredRecords", chosen))


def history(s: Session, sequence: int = 0) -> list[Record]:
    """The records from a sequence number on.

    Raises:
        Failed: they are not told.
    """
    answer = report(s, from_sequence(sequence))
    s.has_code(answer, RacpResponseCode.SUCCESS, RacpResponseCode.NO_RECORDS_FOUND)
    return [record_of(octets) for octets in answer.data]


def newest(s: Session) -> int:
    """Sequence number of the newest record, -1 when there is none."""
    answer = report(s, selection(RacpOperator.LAST))
    if answer.code == RacpResponseCode.SUCCESS and answer.data:
        return record_of(answer.data[-1]).sequence
    if answer.code == RacpResponseCode.NO_RECORDS_FOUND:
        return -1
    records = history(s)
    return records[-1].sequence if records else -1


def needs_clock(s: Session) -> None:
    """Wants a clock that can be set.

    Raises:
        NotPossible: there is none.
    """
    if not s.bench.has(database.CURRENT_TIME):
        raise NotPossible("the server has no Current Time service to set its clock with")


def unsupported(answer: Answer, what: str) -> None:
    """Ends the case when something optional of the IDD RACP is not supported.

    Raises:
        NotAdvertised: it is not.
    """
    if answer.code in (RacpResponseCode.OPERATOR_NOT_SUPPORTED, RacpResponseCode.OPERAND_NOT_SUPPORTED,
                       RacpResponseCode.OPCODE_NOT_SUPPORTED):  # fmt: skip
        raise NotAdvertised(f"{what} is not supported, and is optional")
