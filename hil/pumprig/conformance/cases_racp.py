"""Cases: the IDD Record Access Control Point (IDS 1.0.2, 3.9)."""

from __future__ import annotations

from pumprig.conformance.model import Failed, NotPossible, case
from pumprig.conformance.octets import ANY_RFU, hex_of, request, u8, u32
from pumprig.conformance.session import CCP, RACP, Answer, Session
from pumprig.conformance.steps import (
    KINDS,
    Record,
    configurable,
    from_sequence,
    of_type,
    record_of,
    report,
    run_therapy,
    selection,
    therapy,
    unsupported,
    write_profile,
)
from pumpwire import database
from pumpwire.enums import (
    IddFeatureFlags,
    RacpFilter,
    RacpOpcode,
    RacpOperator,
    RacpResponseCode,
    TherapyControlState,
)

SUCCESS, NONE_FOUND = RacpResponseCode.SUCCESS, RacpResponseCode.NO_RECORDS_FOUND
OPERATOR, NO_OPERATOR = RacpResponseCode.INVALID_OPERATOR, RacpResponseCode.OPERATOR_NOT_SUPPORTED
OPERAND, NO_FILTER = RacpResponseCode.INVALID_OPERAND, RacpResponseCode.OPERAND_NOT_SUPPORTED
NO_OPCODE, NOT_APPLICABLE = RacpResponseCode.OPCODE_NOT_SUPPORTED, RacpResponseCode.PROCEDURE_NOT_APPLICABLE
ALL, LE, GE = RacpOperator.ALL, RacpOperator.LESS_THAN_OR_EQUAL, RacpOperator.GREATER_THAN_OR_EQUAL
RANGE, FIRST, LAST = RacpOperator.WITHIN_RANGE, RacpOperator.FIRST, RacpOperator.LAST
BY_NUMBER = RacpFilter.SEQUENCE_NUMBER
REFERENCES, OTHERS = RacpFilter.SEQUENCE_NUMBER_REFERENCE_TIME_EVENTS, RacpFilter.SEQUENCE_NUMBER_OTHER_EVENTS
REFERENCE_EVENTS = (0x000F, 0x0033)
SOME_RECORDS = 12
MANY_RECORDS = 2000
_ROUNDS_MAX = 400
_REPORT, _NUMBER = "RacpReportStoredRecords", "RacpReportNumberOfStoredRecords"


def some_records(s: Session, count: int = SOME_RECORDS) -> list[Record]:
    """The history, once it holds some records."""
    records = [record_of(octets) for octets in s.has_code(report(s, selection(ALL)), SUCCESS, NONE_FOUND).data]
    if len(records) < count and s.bench.has(CCP):
        run_therapy(s)
        for _ in range(count):
            therapy(s, TherapyControlState.STOP)
            therapy(s, TherapyControlState.RUN)
        therapy(s, TherapyControlState.STOP)
        records = [record_of(octets) for octets in s.code(RACP, request(_REPORT, selection(ALL)), SUCCESS).data]
    if len(records) < count:
        raise NotPossible(f"the history holds {len(records)} records, {count} are needed")
    return records


def counted(s: Session, chosen: bytes) -> int:
    """The number of records that a selection tells."""
    answer = s.ask(RACP, request(_NUMBER, chosen))
    unsupported(answer, f"the selection {hex_of(chosen)}")
    if answer.message is None or answer.message.name != "RacpNumberOfStoredRecordsResponse":
        raise Failed("RacpNumberOfStoredRecordsResponse", str(answer))
    return int(answer.fields["record_count"])


def _reported(s: Session, chosen: bytes) -> list[Record]:
    answer = report(s, chosen)
    unsupported(answer, f"the selection {hex_of(chosen)}")
    s.has_code(answer, SUCCESS if answer.data else NONE_FOUND)
    return [record_of(octets) for octets in answer.data]


def _compare(s: Session, chosen: bytes, wanted: list[Record]) -> None:
    seen = _reported(s, chosen)
    s.equal("sequence numbers", [one.sequence for one in seen], [one.sequence for one in wanted])
    for one, other in zip(seen, wanted, strict=True):
        s.equal("the record", hex_of(one.octets), hex_of(other.octets))
    s.equal("number of records", counted(s, chosen), len(wanted))


# --- What is chosen ---------------------------------------------------------------------------------------------


@case("racp.all", "3.9", "Report and number with All tell every record, oldest first, each once.", history=True)
def _all(s: Session) -> None:
    records = some_records(s)
    sequences = [one.sequence for one in records]
    s.equal("sequence numbers in their order", sequences, sorted(set(sequences)))
    s.equal("number of records", counted(s, selection(ALL)), len(records))


@case("racp.copies", "3.9", "A report leaves the records where they are: the next one tells the same.", history=True)
def _copies(s: Session) -> None:
    records = some_records(s)
    s.open()
    _compare(s, selection(ALL), records)


@case("racp.ge", "3.9", "At or above a sequence number: that record and those after it.", history=True)
def _ge(s: Session) -> None:
    records = some_records(s)
    for place in (0, len(records) // 2, len(records) - 1):
        _compare(s, from_sequence(records[place].sequence), records[place:])


@case("racp.ge.beyond", "3.9", "At or above a number beyond the newest: 0x06, and the number 0.", history=True)
def _ge_beyond(s: Session) -> None:
    records = some_records(s)
    for sequence in (records[-1].sequence + 1000, 0xFFFFFFFE):
        s.has_code(report(s, from_sequence(sequence)), NONE_FOUND)
        s.equal("number of records", counted(s, from_sequence(sequence)), 0)


@case("racp.le", "3.9", "At or below a sequence number: that record and those before it.", history=True)
def _le(s: Session) -> None:
    records = some_records(s)
    for place in (0, len(records) // 2, len(records) - 1):
        chosen = selection(LE, u32(records[place].sequence), filter=BY_NUMBER)
        _compare(s, chosen, records[: place + 1])


@case("racp.range", "3.9", "Within a range: both bounds are in it.", history=True)
def _range(s: Session) -> None:
    records = some_records(s)
    for low, high in ((2, 5), (3, 3), (0, len(records) - 1)):
        bounds = u32(records[low].sequence) + u32(records[high].sequence)
        _compare(s, selection(RANGE, bounds, filter=BY_NUMBER), records[low : high + 1])


@case("racp.range.contradiction", "3.9", "A range whose minimum is above its maximum answers 0x05.", history=True)
def _contradiction(s: Session) -> None:
    for name in (_REPORT, _NUMBER):
        answer = s.ask(RACP, request(name, selection(RANGE, u32(5), u32(2), filter=BY_NUMBER)))
        unsupported(answer, "the operator within range")
        s.has_code(answer, OPERAND)


@case("racp.range.none", "3.9", "A range without a record: 0x06, and the number 0.", history=True)
def _range_none(s: Session) -> None:
    chosen = selection(RANGE, u32(0xFFFF0000), u32(0xFFFF0010), filter=BY_NUMBER)
    s.equal("records", _reported(s, chosen), [])
    s.equal("number of records", counted(s, chosen), 0)


@case("racp.first", "3.9", "First tells the oldest record alone.", history=True)
def _first(s: Session) -> None:
    _compare(s, selection(FIRST), some_records(s)[:1])


@case("racp.last", "3.9", "Last tells the newest record alone.", history=True)
def _last(s: Session) -> None:
    _compare(s, selection(LAST), some_records(s)[-1:])


def _filtered(name: str, operator: RacpOperator) -> None:
    @case(f"racp.filter.{name}", "3.9", f"With {name}, reference time events and the others are told apart.",
          history=True)  # fmt: skip
    def _apart(s: Session) -> None:
        records = some_records(s)
        low, high = records[1].sequence, records[-2].sequence
        bounds = {LE: u32(high), GE: u32(low), RANGE: u32(low) + u32(high)}[operator]
        inside = [one for one in records if (operator is LE or one.sequence >= low)
                  and (operator is GE or one.sequence <= high)]  # fmt: skip
        for chosen, wanted in ((REFERENCES, True), (OTHERS, False)):
            matching = [one for one in inside if (one.event in REFERENCE_EVENTS) == wanted]
            _compare(s, selection(operator, bounds, filter=chosen), matching)


_filtered("le", LE)
_filtered("ge", GE)
_filtered("range", RANGE)

# --- What is refused --------------------------------------------------------------------------------------------


def _refused(s: Session, message: bytes, code: int) -> None:
    answer = s.ask(RACP, message)
    s.has_code(answer, code)
    s.equal("records", len(answer.data), 0)


@case("racp.opcode.rfu", "3.9", "RFU opcodes, and opcodes of answers, answer 0x02.", history=True)
def _rfu_opcode(s: Session) -> None:
    for opcode in (0x00, 0x01, 0x69, 0xFF, RacpOpcode.NUMBER_OF_STORED_RECORDS_RESPONSE, RacpOpcode.RESPONSE_CODE):
        _refused(s, u8(opcode) + u8(ALL), NO_OPCODE)


@case("racp.operator.rfu", "3.9", "An RFU operator answers 0x04.", history=True)
def _rfu_operator(s: Session) -> None:
    for name in (_REPORT, _NUMBER):
        for operator in (0x00, ANY_RFU, 0x96, 0xFF):
            _refused(s, request(name, u8(operator)), NO_OPERATOR)


@case("racp.operator.null", "3.9", "The operator Null with a report or number answers 0x03.", history=True)
def _null(s: Session) -> None:
    for name in (_REPORT, _NUMBER):
        _refused(s, request(name, selection(RacpOperator.NULL)), OPERATOR)


@case("racp.filter.rfu", "3.9", "An RFU filter answers 0x09.", history=True)
def _rfu_filter(s: Session) -> None:
    for name in (_REPORT, _NUMBER):
        for filter_word in (0x00, ANY_RFU, 0x55, 0xFF):
            _refused(s, request(name, selection(GE, u32(0), filter=filter_word)), NO_FILTER)


@case("racp.operand.short", "3.9", "A truncated operand answers 0x05.", history=True)
def _short(s: Session) -> None:
    right = selection(GE, u32(1), filter=BY_NUMBER)
    for name in (_REPORT, _NUMBER):
        for length in range(1, len(right)):
            _refused(s, request(name, right[:length]), OPERAND)


@case("racp.operand.long", "3.9", "Octets behind the operand answer 0x05.", history=True)
def _long(s: Session) -> None:
    too_long = (selection(ALL, b"\x0f"), selection(GE, u32(0), b"\x00", filter=BY_NUMBER), selection(ALL, bytes(9)))
    for name in (_REPORT, _NUMBER):
        for chosen in too_long:
            _refused(s, request(name, chosen), OPERAND)


@case("racp.operand.range-short", "3.9", "A range with one bound answers 0x05.", history=True)
def _range_short(s: Session) -> None:
    answer = s.ask(RACP, request(_REPORT, selection(RANGE, u32(0), filter=BY_NUMBER)))
    unsupported(answer, "the operator within range")
    s.has_code(answer, OPERAND)


@case("racp.operator.missing", "3.9", "A request without an operator is answered with a refusal.", history=True)
def _missing(s: Session) -> None:
    for opcode in (RacpOpcode.REPORT_STORED_RECORDS, RacpOpcode.REPORT_NUMBER_OF_STORED_RECORDS):
        answer = s.ask(RACP, u8(opcode))
        s.has_code(answer, OPERAND, OPERATOR, NO_OPERATOR)


# --- Abort ------------------------------------------------------------------------------------------------------


def _begin(s: Session, chosen: bytes) -> None:
    error = s.write_octets(RACP.handle, s.protected(RACP, request(_REPORT, chosen)))
    s.equal("ATT error of the report", error, 0)
    value = s.channel.value((database.HISTORY_DATA.handle, RACP.handle), 30.0)
    if value is None or value.handle == RACP.handle:
        raise Failed("a record", "none" if value is None else hex_of(value.octets))


def _abort(s: Session) -> Answer:
    return s.ask(RACP, request("RacpAbort", selection(RacpOperator.NULL)))


@case("racp.abort", "3.9", "Abort ends a report: it is answered with success, and no record comes after that.",
      history=True)  # fmt: skip
def _stops(s: Session) -> None:
    count = len(some_records(s, 60))
    _begin(s, selection(ALL))
    answer = s.has_code(_abort(s), SUCCESS)
    s.holds(len(answer.data) + 1 < count, f"fewer than {count} records", f"{len(answer.data) + 1}")
    late = s.take(database.HISTORY_DATA, 3.0)
    s.holds(late is None, "no record after the answer", hex_of(late))
    more = s.take(RACP, 1.0)
    s.holds(more is None, "one indication", hex_of(more))


@case("racp.abort.then-report", "3.9", "After an abort a report tells everything again.", history=True)
def _then_report(s: Session) -> None:
    records = some_records(s, 60)
    _begin(s, selection(ALL))
    s.has_code(_abort(s), SUCCESS)
    _compare(s, selection(ALL), records)


@case("racp.abort.idle", "3.9", "Abort without a procedure answers with success, 0x07 or 0x0A.", history=True)
def _idle(s: Session) -> None:
    s.has_code(_abort(s), SUCCESS, RacpResponseCode.ABORT_UNSUCCESSFUL, NOT_APPLICABLE)


@case("racp.abort.operator", "3.9", "Abort with another operator than Null is refused: 0x03, or 0x04 for an RFU one.",
      history=True)  # fmt: skip
def _abort_operator(s: Session) -> None:
    _refused(s, request("RacpAbort", selection(ALL)), OPERATOR)
    _refused(s, request("RacpAbort", u8(ANY_RFU)), NO_OPERATOR)


@case("racp.abort.long", "3.9", "Octets behind an abort's operator answer 0x05.", history=True)
def _abort_long(s: Session) -> None:
    _refused(s, request("RacpAbort", selection(RacpOperator.NULL, b"\x00")), OPERAND)


@case("racp.interrupted", "3.9", "A report whose notifications are taken back ends: no more records, and 0x08.",
      history=True, stack=("cccd_known",))  # fmt: skip
def _interrupted(s: Session) -> None:
    count = len(some_records(s, 60))
    _begin(s, selection(ALL))
    s.configure(database.HISTORY_DATA, 0)
    answer = s.finish(Answer(RACP, request(_REPORT, selection(ALL)), 0))
    s.holds(len(answer.data) + 1 < count, f"fewer than {count} records", f"{len(answer.data) + 1}")
    s.has_code(answer, RacpResponseCode.PROCEDURE_NOT_COMPLETED)


# --- Thousands --------------------------------------------------------------------------------------------------


def _thousands(s: Session) -> int:
    kind = KINDS[0]
    number = configurable(s, kind.type)[0]
    count = min(24, of_type(s, kind.type).max_blocks)
    blocks = [(60, "1")] * (count - 1) + [(1440 - 60 * (count - 1), "1")]
    for _ in range(_ROUNDS_MAX):
        if counted(s, selection(ALL)) >= MANY_RECORDS:
            return counted(s, selection(ALL))
        for _ in range(8):
            write_profile(s, kind, number, blocks)
    raise NotPossible(f"the history does not come to {MANY_RECORDS} records")


@case("racp.thousands", "3.9", "A report of thousands of records tells each once, in their order; an abort stops one.",
      needs=IddFeatureFlags.BASAL_RATE, command=True, history=True, seconds=240, fresh=True)  # fmt: skip
def _many(s: Session) -> None:
    count = _thousands(s)
    records = _reported(s, selection(ALL))
    s.equal("records", len(records), count)
    first = records[0].sequence
    s.equal("sequence numbers", [one.sequence for one in records] == list(range(first, first + count)), True)
    middle = records[count // 2].sequence
    s.equal("number from the middle on", counted(s, from_sequence(middle)), count - count // 2)
    _begin(s, selection(ALL))
    answer = s.has_code(_abort(s), SUCCESS)
    s.holds(len(answer.data) < count // 2, "fewer than half of the records", f"{len(answer.data)}")


# --- Delete -----------------------------------------------------------------------------------------------------


def _delete(s: Session, chosen: bytes) -> Answer:
    answer = s.ask(RACP, request("RacpDeleteStoredRecords", chosen))
    return s.supported(answer)


def _group_at(records: list[Record], sequence: int) -> bool:
    """Whether a record begins a group of two."""
    pairs = {0x003C: 0x0055, 0x005A: 0x0066, 0x0069: 0x0096, 0x033F: 0x0356, 0x03C0: 0x03CF}
    events = {one.sequence: one.event for one in records}
    return pairs.get(events.get(sequence, 0)) == events.get(sequence + 1)


@case("racp.delete.all", "3.9", "Deleting all leaves none; the next record goes on with the numbers.", history=True,
      command=True, fresh=True)  # fmt: skip
def _delete_all(s: Session) -> None:
    records = some_records(s)
    s.has_code(_delete(s, selection(ALL)), SUCCESS)
    s.equal("number of records", counted(s, selection(ALL)), 0)
    s.has_code(report(s, selection(ALL)), NONE_FOUND)
    run_therapy(s)
    rest = _reported(s, selection(ALL))
    s.holds(bool(rest) and rest[0].sequence == records[-1].sequence + 1,
            f"sequence number {records[-1].sequence + 1} first", str([one.sequence for one in rest]))  # fmt: skip


@case("racp.delete.le", "3.9", "Deleting up to a number leaves the records after it.", history=True, fresh=True)
def _delete_le(s: Session) -> None:
    records = some_records(s)
    cut = next((place for place in range(2, len(records)) if not _group_at(records, records[place].sequence)), None)
    if cut is None:
        raise NotPossible("each record begins a group")
    answer = _delete(s, selection(LE, u32(records[cut].sequence), filter=BY_NUMBER))
    unsupported(answer, "deleting up to a number")
    if answer.code == NOT_APPLICABLE:
        raise NotPossible("what is deleted would break a group")
    s.has_code(answer, SUCCESS)
    _compare(s, selection(ALL), records[cut + 1 :])


@case("racp.delete.none", "3.9", "Deleting where there is nothing answers 0x06.", history=True, fresh=True)
def _delete_none(s: Session) -> None:
    records = some_records(s)
    answer = _delete(s, selection(GE, u32(records[-1].sequence + 1000), filter=BY_NUMBER))
    unsupported(answer, "deleting from a number on")
    s.has_code(answer, NONE_FOUND)


@case("racp.delete.part-of-group", "3.9", "Deleting a part of a group answers 0x0A, and deletes nothing.", history=True,
      needs=IddFeatureFlags.FAST_BOLUS, command=True, fresh=True)  # fmt: skip
def _delete_part(s: Session) -> None:
    from pumprig.conformance.steps import calm, set_bolus
    from pumpwire.enums import BolusType

    _delete(s, selection(RacpOperator.NULL))
    run_therapy(s)
    set_bolus(s, BolusType.FAST)
    calm(s)
    records = _reported(s, selection(ALL))
    first = next((one.sequence for one in records if _group_at(records, one.sequence)), None)
    if first is None:
        raise Failed("a group of bolus programmed", "none")
    answer = _delete(s, selection(LE, u32(first), filter=BY_NUMBER))
    unsupported(answer, "deleting up to a number")
    s.has_code(answer, NOT_APPLICABLE)
    _compare(s, selection(ALL), records)


@case("racp.delete.operators", "3.9", "Delete refuses operators and filters as a report does.",
      history=True, fresh=True)  # fmt: skip
def _delete_operators(s: Session) -> None:
    s.has_code(_delete(s, selection(RacpOperator.NULL)), OPERATOR)
    s.has_code(_delete(s, u8(ANY_RFU)), NO_OPERATOR)
    s.has_code(_delete(s, selection(GE, u32(0), filter=ANY_RFU)), NO_FILTER, NO_OPERATOR)
    s.has_code(_delete(s, selection(ALL, b"\x00")), OPERAND)
