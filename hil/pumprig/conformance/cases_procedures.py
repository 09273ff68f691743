"""Cases: what all procedures have in common: configuration, collisions, confirmations (IDS 1.0.2, 3.11)."""

from __future__ import annotations

from pumprig.conformance.model import Failed, NotPossible, case
from pumprig.conformance.octets import hex_of, request, u8
from pumprig.conformance.session import CCP, RACP, SRCP, Answer, Session
from pumprig.conformance.steps import (
    DAY_MINUTES,
    KINDS,
    configurable,
    from_sequence,
    record_of,
    report,
    run_therapy,
    selection,
    set_bolus,
    therapy,
    write_profile,
)
from pumpwire import database
from pumpwire.database import Characteristic
from pumpwire.enums import (
    BolusType,
    IddFeatureFlags,
    RacpOperator,
    RacpResponseCode,
    ResponseCode,
    TemplateType,
    TherapyControlState,
)

BASAL = IddFeatureFlags.BASAL_RATE
IMPROPER, IN_PROGRESS = 0xFD, 0xFE
ENOUGH_RECORDS = 24
# What needs a stack that lets the server refuse a write.
REFUSES = ("write_error",)
_SHORT = {SRCP: "srcp", CCP: "ccp", RACP: "racp"}
_HARMLESS = {
    SRCP: request("GetTotalDailyInsulinStatus"),
    CCP: request("SetTherapyControlState", u8(TherapyControlState.STOP)),
    RACP: request("RacpReportNumberOfStoredRecords", selection(RacpOperator.ALL)),
}


def _att(s: Session, answer: Answer, error: int) -> None:
    s.holds(answer.error == error, f"ATT error 0x{error:02X}", str(answer))


# --- Client configuration ---------------------------------------------------------------------------------------


def _unconfigured(on: Characteristic) -> None:
    short = _SHORT[on]

    @case(f"cccd.{short}.off", "3.11", f"A write to the {on.name} without indications asked for: ATT error 0xFD.",
          command=on is CCP, history=on is RACP, stack=REFUSES)  # fmt: skip
    def _off(s: Session) -> None:
        s.configure(on, 0)
        _att(s, s.ask(on, _HARMLESS[on]), IMPROPER)

    @case(f"cccd.{short}.on-again", "3.11", f"Once indications are asked for, the {on.name} works again.",
          command=on is CCP, history=on is RACP)  # fmt: skip
    def _again(s: Session) -> None:
        s.configure(on, 0)
        s.ask(on, _HARMLESS[on])
        s.open()
        answer = s.ask(on, _HARMLESS[on])
        s.holds(answer.octets is not None, "an indication", str(answer))


for _on in (SRCP, CCP, RACP):
    _unconfigured(_on)


@case("cccd.history-data.off", "3.11", "A report without notifications of History Data asked for: ATT error 0xFD.",
      history=True, stack=REFUSES)  # fmt: skip
def _history_off(s: Session) -> None:
    s.configure(database.HISTORY_DATA, 0)
    _att(s, report(s, from_sequence(0)), IMPROPER)


@case("cccd.history-data.not-for-number", "3.11",
      "The number of records is told without notifications of History Data.",
      history=True)  # fmt: skip
def _number_without(s: Session) -> None:
    s.configure(database.HISTORY_DATA, 0)
    s.answered(RACP, _HARMLESS[RACP], "RacpNumberOfStoredRecordsResponse")


@case("cccd.command-data.off", "3.11",
      "Reading a profile without notifications of Command Data asked for: ATT error 0xFD.",
      needs=BASAL, command=True, stack=REFUSES)  # fmt: skip
def _data_off(s: Session) -> None:
    number = configurable(s, TemplateType.BASAL_RATE_PROFILE)[0]
    write_profile(s, KINDS[0], number, [(DAY_MINUTES, "1")])
    s.configure(database.COMMAND_DATA, 0)
    _att(s, s.ask(CCP, request("ReadBasalRateTemplate", u8(number))), IMPROPER)


@case("cccd.command-data.status-off", "3.11",
      "Get Template Status without notifications of Command Data asked for: ATT error 0xFD.", needs=BASAL,
      command=True, stack=REFUSES)  # fmt: skip
def _status_off(s: Session) -> None:
    s.configure(database.COMMAND_DATA, 0)
    _att(s, s.ask(CCP, request("GetTemplateStatusAndDetails")), IMPROPER)


@case("cccd.command-data.not-for-others", "3.11", "Commands without Command Data need no notifications of it.",
      command=True)  # fmt: skip
def _others(s: Session) -> None:
    s.configure(database.COMMAND_DATA, 0)
    s.code(CCP, _HARMLESS[CCP], ResponseCode.SUCCESS)


@case("cccd.reads-back", "3.6", "A client configuration reads back as it was written.")
def _reads_back(s: Session) -> None:
    from pumpwire import att
    from pumpwire.att import AttOpcode, Pdu

    for bits in (0, 2):
        s.configure(SRCP, bits)
        response = s.channel.request(att.build(Pdu(AttOpcode.READ_REQUEST, SRCP.handle + 1)))
        if response is None or response.opcode is not AttOpcode.READ_RESPONSE:
            raise Failed("the client configuration can be read", repr(response))
        s.equal("client configuration", response.value.hex(), bits.to_bytes(2, "little").hex())


# --- Collisions -------------------------------------------------------------------------------------------------


def long_report(s: Session) -> Answer:
    """Begins a report of many records, and comes back while it is under way."""
    count = s.answered(RACP, _HARMLESS[RACP], "RacpNumberOfStoredRecordsResponse").fields["record_count"]
    if count < ENOUGH_RECORDS and not s.bench.has(CCP):
        raise NotPossible(f"the history holds {count} records; {ENOUGH_RECORDS} are needed")
    if count < ENOUGH_RECORDS:
        run_therapy(s)
        for _ in range(ENOUGH_RECORDS // 2):
            therapy(s, TherapyControlState.STOP)
            therapy(s, TherapyControlState.RUN)
        s.open()
    message = request("RacpReportStoredRecords", from_sequence(0))
    error = s.write_octets(RACP.handle, s.protected(RACP, message))
    s.equal("ATT error of the report", error, 0)
    first = s.channel.value((database.HISTORY_DATA.handle, RACP.handle), 30.0)
    if first is None or first.handle == RACP.handle:
        raise Failed("records", "none" if first is None else hex_of(first.octets))
    return Answer(RACP, message, error, data=[s.unprotected(database.HISTORY_DATA, first.octets)])


def _collision(on: Characteristic) -> None:
    @case(f"collision.{_SHORT[on]}", "3.11",
          f"While a report runs, a write to the {on.name} is refused: ATT error 0xFE.",
          command=on is CCP, history=True, stack=REFUSES)  # fmt: skip
    def _refused(s: Session) -> None:
        running = long_report(s)
        answer = Answer(on, _HARMLESS[on], s.write_octets(on.handle, s.protected(on, _HARMLESS[on])))
        _att(s, answer, IN_PROGRESS)
        s.has_code(s.finish(running), RacpResponseCode.SUCCESS)

    @case(f"collision.{_SHORT[on]}.goes-on", "3.11", f"A write to the {on.name} that collides leaves the report whole.",
          command=on is CCP, history=True)  # fmt: skip
    def _whole(s: Session) -> None:
        running = long_report(s)
        s.write_octets(on.handle, s.protected(on, _HARMLESS[on]))
        s.has_code(s.finish(running), RacpResponseCode.SUCCESS)
        sequences = [record_of(octets).sequence for octets in running.data]
        s.equal("sequence numbers", sequences, list(range(sequences[0], sequences[0] + len(sequences))))


for _on in (SRCP, CCP, RACP):
    _collision(_on)


@case("collision.set-bolus", "3.11", "A Set Bolus that collides starts nothing.", command=True, history=True,
      needs=IddFeatureFlags.FAST_BOLUS, stack=REFUSES)  # fmt: skip
def _bolus(s: Session) -> None:
    from pumprig.conformance.octets import Bolus
    from pumprig.conformance.steps import active_ids

    run_therapy(s)
    running = long_report(s)
    message = Bolus(BolusType.FAST, "1").request()
    _att(s, Answer(CCP, message, s.write_octets(CCP.handle, s.protected(CCP, message))), IN_PROGRESS)
    s.finish(running)
    s.equal("active boluses", active_ids(s), [])


@case("collision.abort-passes", "3.11", "Abort is the one write that is let through while a report runs.", history=True)
def _abort_passes(s: Session) -> None:
    long_report(s)
    message = request("RacpAbort", selection(RacpOperator.NULL))
    answer = s.ask(RACP, message)
    s.holds(answer.error == 0, "Abort is taken", str(answer))


@case("collision.free-afterwards", "3.11", "When the report has ended, each control point takes a procedure again.",
      history=True)  # fmt: skip
def _free(s: Session) -> None:
    s.finish(long_report(s))
    s.answered(SRCP, _HARMLESS[SRCP], "GetTotalDailyInsulinStatusResponse")
    if s.bench.has(CCP):
        s.code(CCP, _HARMLESS[CCP], ResponseCode.SUCCESS)
    s.answered(RACP, _HARMLESS[RACP], "RacpNumberOfStoredRecordsResponse")


@case("collision.ends-with-connection", "3.11", "A connection that ends takes its procedure with it.", history=True)
def _ends(s: Session) -> None:
    long_report(s)
    s.open()
    s.answered(SRCP, _HARMLESS[SRCP], "GetTotalDailyInsulinStatusResponse")
    value = s.take(database.HISTORY_DATA, 3.0)
    s.holds(value is None, "no record on the next connection", hex_of(value))


@case("collision.read-goes-on", "3.11", "Reads are answered while a procedure runs.", history=True)
def _reads(s: Session) -> None:
    long_report(s)
    s.read(database.STATUS)
    s.read(database.FEATURES)


# --- Confirmations ----------------------------------------------------------------------------------------------


def _unconfirmed(s: Session) -> None:
    s.channel.confirming = False
    answer = s.ask(SRCP, _HARMLESS[SRCP])
    s.holds(answer.octets is not None, "an indication", str(answer))


@case("confirmation.one-at-a-time", "3.11", "No second indication leaves before the first is confirmed.", command=True)
def _one(s: Session) -> None:
    s.subscribe(database.STATUS_CHANGED)
    s.code(SRCP, request("ResetStatus", b"\xff\xff"), ResponseCode.SUCCESS)
    s.channel.values.clear()
    s.channel.confirming = False
    s.write_octets(CCP.handle, s.protected(CCP, request("SetTherapyControlState", u8(TherapyControlState.RUN))))
    s.wait(3.0)
    indicated = [value for value in s.channel.values if value.indicated]
    s.equal("indications before the first is confirmed", len(indicated), 1)


@case("confirmation.lost", "3.11", "Without a confirmation for 30 s the server sends nothing any more.", command=True,
      needs=IddFeatureFlags.FAST_BOLUS, seconds=180)  # fmt: skip
def _lost(s: Session) -> None:
    run_therapy(s)
    s.subscribe(database.STATUS_CHANGED)
    # Its end is something to tell.
    set_bolus(s, BolusType.FAST, ("2", "1", "0.5"))
    s.code(SRCP, request("ResetStatus", b"\xff\xff"), ResponseCode.SUCCESS)
    _unconfirmed(s)
    s.wait(31.0)
    s.channel.values.clear()
    s.write_octets(CCP.handle, s.protected(CCP, request("SetTherapyControlState", u8(TherapyControlState.RUN))))
    s.channel.confirm()
    s.wait(120.0)
    values = [hex_of(value.octets) for value in s.channel.values]
    s.holds(not values, "no indication or notification after 30 s without a confirmation", "; ".join(values))


@case("confirmation.lost-then-reconnect", "3.11", "On the next connection procedures are answered again.", seconds=40)
def _lost_reconnect(s: Session) -> None:
    _unconfirmed(s)
    s.wait(35.0)
    s.open()
    s.answered(SRCP, _HARMLESS[SRCP], "GetTotalDailyInsulinStatusResponse")


@case("confirmation.late-but-in-time", "3.11", "A confirmation after 25 s is in time: the server goes on.", seconds=30)
def _late(s: Session) -> None:
    _unconfirmed(s)
    s.wait(25.0)
    s.channel.confirming = True
    s.channel.confirm()
    s.answered(SRCP, _HARMLESS[SRCP], "GetTotalDailyInsulinStatusResponse")


@case("confirmation.stray", "3.11", "A confirmation that nothing asked for is ignored.")
def _stray(s: Session) -> None:
    for _ in range(3):
        s.channel.confirm()
    s.answered(SRCP, _HARMLESS[SRCP], "GetTotalDailyInsulinStatusResponse")


# --- Size -------------------------------------------------------------------------------------------------------


def _too_long(on: Characteristic) -> None:
    @case(f"size.{_SHORT[on]}", "3", f"A value beyond 20 octets leaves the {on.name} working, and the pump as it was.",
          command=on is CCP, history=on is RACP)  # fmt: skip
    def _long(s: Session) -> None:
        for length in (18, 30, 100):
            s.write_octets(on.handle, s.protected(on, _HARMLESS[on] + bytes(length)))
            s.wait(1.0)
        s.open()
        answer = s.ask(on, _HARMLESS[on])
        s.holds(answer.octets is not None, "an indication", str(answer))


for _on in (SRCP, CCP, RACP):
    _too_long(_on)


@case("size.whole-pdu", "3",
      "The longest values of the server fit 20 octets: a profile of three blocks, a bolus with all.",
      needs=BASAL, command=True)  # fmt: skip
def _whole(s: Session) -> None:
    from pumprig.conformance.steps import kind_blocks, read_profile

    number = configurable(s, TemplateType.BASAL_RATE_PROFILE)[0]
    write_profile(s, KINDS[0], number, kind_blocks(KINDS[0]))
    before = len(s.bench.noted)
    answer, _ = read_profile(s, KINDS[0], number)
    s.equal("octets of the longest notification", max(map(len, answer.data)), 17)
    wrong = [noted.text for noted in s.bench.noted[before:] if noted.kind == "size"]
    s.holds(not wrong, "values of at most 20 octets", "; ".join(wrong))
