"""Cases: what is recorded, when, and beside what (IDS 1.0.2, 3.10)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

from pumprig.conformance.model import Failed, NotPossible, case
from pumprig.conformance.octets import request, sf, u8, u16
from pumprig.conformance.session import CCP, SRCP, Session
from pumprig.conformance.steps import (
    KINDS,
    Kind,
    Record,
    activate,
    calm,
    configurable,
    history,
    kind_blocks,
    needs_clock,
    newest,
    run_therapy,
    set_bolus,
    set_tbr,
    therapy,
    write_profile,
)
from pumpwire import database
from pumpwire.clock import from_datetime, to_datetime
from pumpwire.enums import (
    BolusType,
    FaultKind,
    IddFeatureFlags,
    RecordingReason,
    TbrType,
    TemplateType,
    TherapyControlState,
)
from pumpwire.registry import MESSAGES

F = IddFeatureFlags
REFERENCE, REFERENCE_OFFSET = 0x000F, 0x0033
OFFSET_S_MAX = 65535
NOON = datetime(2026, 3, 4, 12, 0, 0)


def since(s: Session, action: Callable[[], object]) -> list[Record]:
    """The records that an action brings."""
    before = newest(s)
    action()
    return history(s, before + 1)


def named(records: list[Record], *names: str) -> list[Record]:
    """Those of some messages."""
    return [one for one in records if one.name in names]


def one(s: Session, records: list[Record], name: str) -> Record:
    """The one record of a message."""
    found = named(records, name)
    s.holds(len(found) == 1, f"one {name}", "; ".join(map(str, records)) or "no records")
    return found[0]


def references(s: Session, records: list[Record], count: int) -> list[Record]:
    """The reference times, of which there must be some number."""
    found = [item for item in records if item.event in (REFERENCE, REFERENCE_OFFSET)]
    s.equal("reference times", len(found), count)
    return found


def together(s: Session, records: list[Record], *names: str) -> list[Record]:
    """Records that must stand one behind the other, with the same offset."""
    for place in range(len(records) - len(names) + 1):
        group = records[place : place + len(names)]
        if [item.name for item in group] == list(names):
            s.equal("sequence numbers of the group", [item.sequence - group[0].sequence for item in group],
                    list(range(len(group))))  # fmt: skip
            s.equal("offsets of the group", {item.offset_s for item in group}, {group[0].offset_s})
            return group
    raise Failed(f"a group of {', '.join(names)}", "; ".join(map(str, records)) or "no records")


def says(s: Session, what: str, record: Record, at: int, wanted: bytes) -> None:
    """Wants a record to say, from octet `at` of its data on, what other octets say."""
    octets = record.octets
    s.same(what, database.HISTORY_DATA, octets, octets[: 8 + at] + wanted + octets[8 + at + len(wanted) :])


def set_clock(s: Session, moment: datetime) -> None:
    """Sets the server's clock."""
    needs_clock(s)
    message = MESSAGES["CurrentTime"].build(
        **from_datetime(moment), day_of_week=moment.isoweekday(), fractions_256=0, adjust_reason=1
    )
    error = s.write_octets(database.CURRENT_TIME.handle, message)
    s.equal("ATT error of the clock", error, 0)


# --- The store --------------------------------------------------------------------------------------------------


@case("history.sequence", "3.10", "Sequence numbers go up by one.", history=True)
def _sequence(s: Session) -> None:
    if s.bench.has(CCP):
        run_therapy(s)
    records = history(s)
    first = records[0].sequence if records else 0
    s.equal("sequence numbers", [item.sequence for item in records], list(range(first, first + len(records))))


@case("history.first-is-reference", "3.10", "The first record ever, sequence number 0, is a reference time.",
      history=True, fresh=True)  # fmt: skip
def _first(s: Session) -> None:
    records = history(s)
    if not records or records[0].sequence:
        raise NotPossible("the first record is gone")
    s.holds(records[0].event in (REFERENCE, REFERENCE_OFFSET), "a reference time", str(records[0]))
    s.equal("its offset", records[0].offset_s, 0)


@case("history.one-time-base", "3.10", "A server uses one of the two reference time events, never both.", history=True)
def _one_base(s: Session) -> None:
    if s.bench.has(database.CURRENT_TIME):
        set_clock(s, NOON)
    kinds = {item.event for item in history(s)} & {REFERENCE, REFERENCE_OFFSET}
    s.holds(len(kinds) < 2, "one kind", "both 0x000F and 0x0033")


@case("history.offsets", "3.10", "Offsets do not fall between two reference times.", history=True, seconds=10)
def _offsets(s: Session) -> None:
    if s.bench.has(CCP):
        run_therapy(s)
        s.wait(10)
        therapy(s, TherapyControlState.STOP)
    last = 0
    for item in history(s):
        reference = item.event in (REFERENCE, REFERENCE_OFFSET)
        s.holds(item.offset_s >= last, f"an offset of at least {last} s", str(item))
        last = 0 if reference else item.offset_s


@case("history.offset-is-true", "3.10", "An offset is the time since the last reference time.", history=True,
      command=True, seconds=100)  # fmt: skip
def _true(s: Session) -> None:
    set_clock(s, NOON)
    s.wait(90)
    state = one(s, since(s, lambda: run_therapy(s)), "HistoryTherapyControlStateChanged")
    slack = 2 if s.bench.lockstep else 10
    s.holds(90 <= state.offset_s <= 90 + slack, f"an offset of 90 to {90 + slack} s", str(state))


@case("history.powers", "3.10", "Sequence numbers go on over a power cut, and no record is lost.",
      history=True, fresh=True)  # fmt: skip
def _power(s: Session) -> None:
    if s.bench.has(CCP):
        run_therapy(s)
    before = history(s)
    if not before:
        raise NotPossible("the server has recorded nothing")
    s.bench.power_cycle(s)
    after = history(s)
    kept = after[: len(before)]
    s.holds([item.octets for item in kept] == [item.octets for item in before],
            f"the {len(before)} records from before the cut first", "; ".join(map(str, kept)))  # fmt: skip
    sequences = [item.sequence for item in after]
    s.equal("sequence numbers", sequences, list(range(sequences[0], sequences[0] + len(sequences))))


@case("history.power-reference", "3.10", "After a power cut that took the clock a reference time is recorded first.",
      history=True, fresh=True)  # fmt: skip
def _power_reference(s: Session) -> None:
    before = newest(s)
    s.bench.power_cycle(s)
    records = history(s, before + 1)
    if not records:
        raise NotPossible("the clock goes on without power")
    s.holds(records[0].event in (REFERENCE, REFERENCE_OFFSET), "a reference time", str(records[0]))
    s.equal("recording reason", records[0].fields["recording_reason"], RecordingReason.DATE_TIME_LOSS)


# --- Time -------------------------------------------------------------------------------------------------------


@case("history.clock-set", "3.10", "A clock that is set is recorded as a reference time with that time.", history=True)
def _clock(s: Session) -> None:
    records = since(s, lambda: set_clock(s, NOON))
    found = references(s, records, 1)
    s.equal("recording reason", found[0].fields["recording_reason"], RecordingReason.SET_DATE_TIME)
    if found[0].event == REFERENCE:
        seen = to_datetime(dict(found[0].fields))
        off = abs(seen - NOON) if seen else timedelta.max
        s.holds(off <= timedelta(seconds=2), f"{NOON}", str(seen))


@case("history.clock-offset", "3.10", "A reference time's own offset counts from the one before.", history=True,
      seconds=60)  # fmt: skip
def _clock_offset(s: Session) -> None:
    set_clock(s, NOON)
    s.wait(60)
    records = since(s, lambda: set_clock(s, NOON - timedelta(hours=1)))
    found = references(s, records, 1)[0]
    s.holds(60 <= found.offset_s <= 70, "an offset of about 60 s", str(found))
    second = references(s, since(s, lambda: set_clock(s, NOON)), 1)[0]
    s.holds(second.offset_s < 10, "an offset near 0 after it", str(second))


@case("history.clock-each", "3.10", "Each clock change is recorded.", history=True)
def _clock_each(s: Session) -> None:
    def change() -> None:
        for hours in range(5):
            set_clock(s, NOON + timedelta(hours=hours))
            s.wait(2)

    references(s, since(s, change), 5)


@case("history.clock-reads-back", "CTS 1.1, 3.1", "The clock reads back as it was set, and goes on.", seconds=60)
def _reads_back(s: Session) -> None:
    set_clock(s, NOON)
    s.wait(60)
    seen = to_datetime(dict(s.fields(database.CURRENT_TIME)))
    off = (seen - NOON).total_seconds() if seen else 0
    s.holds(58 <= off <= 65, f"about {NOON + timedelta(seconds=60)}", str(seen))


@case("history.reference-in-time", "3.10", "Reference times come at the latest every 65,535 s.", history=True,
      seconds=140000, fresh=True)  # fmt: skip
def _in_time(s: Session) -> None:
    before = newest(s)
    s.wait(140000)
    records = history(s, before + 1)
    found = [item for item in records if item.event in (REFERENCE, REFERENCE_OFFSET)]
    s.holds(len(found) >= 2, "two reference times or more in 140,000 s", str(len(found)))
    s.equal("recording reasons", {item.fields["recording_reason"] for item in found}, {RecordingReason.PERIODIC})


# --- Midnight ---------------------------------------------------------------------------------------------------


@case("history.midnight", "3.10", "At midnight the day's insulin is recorded with its date.", history=True,
      command=True,
      seconds=15)  # fmt: skip
def _midnight(s: Session) -> None:
    run_therapy(s)
    set_clock(s, datetime(2026, 3, 4, 23, 59, 50))
    records = since(s, lambda: s.wait(15))
    day = one(s, records, "HistoryTotalDailyInsulin")
    s.equal("date", tuple(day.fields[name] for name in ("year", "month", "day")), (2026, 3, 4))
    s.equal("flags", int(day.fields["flags"]), 0)


@case("history.midnight-starts-anew", "3.6.2.7",
      "After midnight the daily sums begin at 0; the record has the old ones.",
      history=True, command=True, needs=F.FAST_BOLUS, seconds=120)  # fmt: skip
def _anew(s: Session) -> None:
    def daily() -> Decimal:
        message = request("GetTotalDailyInsulinStatus")
        answer = s.answered(SRCP, message, "GetTotalDailyInsulinStatusResponse")
        value = answer.fields["bolus_delivered_iu"]
        s.holds(isinstance(value, Decimal), "a number", str(answer))
        return Decimal(value)

    set_clock(s, datetime(2026, 3, 4, 23, 57, 50))
    run_therapy(s)
    set_bolus(s, BolusType.FAST)
    s.wait(60)
    before = daily()
    s.holds(before > 0, "some bolus insulin before midnight", str(before))
    day = one(s, since(s, lambda: s.wait(75)), "HistoryTotalDailyInsulin")
    s.equal("bolus of the record", day.fields["bolus_delivered_iu"], before)
    s.equal("bolus of the day that began", daily(), Decimal(0))


@case("history.date-change", "3.10",
      "A clock set to another date records the day with the flag of the date-time change.",
      history=True, command=True, seconds=5)  # fmt: skip
def _date_change(s: Session) -> None:
    set_clock(s, NOON)
    run_therapy(s)
    s.wait(5)
    day = one(s, since(s, lambda: set_clock(s, NOON + timedelta(days=1))), "HistoryTotalDailyInsulin")
    s.equal("flags", int(day.fields["flags"]), 1)
    s.equal("day", day.fields["day"], NOON.day)


# --- Therapy and rates ------------------------------------------------------------------------------------------


@case("history.therapy", "3.10", "A change of the therapy control state is recorded with old and new.", history=True,
      command=True)  # fmt: skip
def _therapy(s: Session) -> None:
    run = one(s, since(s, lambda: run_therapy(s)), "HistoryTherapyControlStateChanged")
    s.equal("old and new state", run.octets[8:10].hex(), "3355")
    stop = one(s, since(s, lambda: therapy(s, TherapyControlState.STOP)), "HistoryTherapyControlStateChanged")
    s.equal("old and new state", stop.octets[8:10].hex(), "5533")


RATE = "HistoryDeliveredBasalRateChanged"


def _rates(record: Record) -> tuple[object, object]:
    old, new = (record.fields[name] for name in record.fields if name.endswith("iu_per_h"))
    return old, new


@case("history.rate.run", "3.10", "Entering and leaving Run record the delivered basal rate.", history=True,
      command=True,
      needs=F.BASAL_RATE)  # fmt: skip
def _rate_run(s: Session) -> None:
    s.equal("old and new rate", _rates(one(s, since(s, lambda: run_therapy(s)), RATE)), (Decimal(0), Decimal(1)))
    stopped = since(s, lambda: therapy(s, TherapyControlState.STOP))
    s.equal("old and new rate", _rates(one(s, stopped, RATE)), (Decimal(1), Decimal(0)))


@case("history.rate.profile-edited", "3.10",
      "An active profile that is edited records the rate and each of its blocks.",
      history=True, command=True, needs=F.BASAL_RATE)  # fmt: skip
def _rate_edited(s: Session) -> None:
    number = run_therapy(s)
    records = since(s, lambda: write_profile(s, KINDS[0], number, [(1440, "2")]))
    s.equal("old and new rate", _rates(one(s, records, RATE)), (Decimal(1), Decimal(2)))
    one(s, records, KINDS[0].block_event)


@case("history.rate.activated", "3.10", "Another profile that is activated is recorded, and the rate with it.",
      history=True, command=True, needs=F.BASAL_RATE)  # fmt: skip
def _rate_activated(s: Session) -> None:
    number = run_therapy(s)
    other = next(item for item in configurable(s, TemplateType.BASAL_RATE_PROFILE, 2) if item != number)
    write_profile(s, KINDS[0], other, [(1440, "2")])
    records = since(s, lambda: activate(s, other))
    activated = one(s, records, "HistoryProfileTemplateActivated")
    s.equal("type, old and new template", activated.octets[8:11].hex(), bytes((0x33, number, other)).hex())
    s.equal("old and new rate", _rates(one(s, records, RATE)), (Decimal(1), Decimal(2)))


@case("history.rate.block", "3.10", "A block boundary of the profile records the rate.", history=True, command=True,
      needs=F.BASAL_RATE, seconds=15)  # fmt: skip
def _rate_block(s: Session) -> None:
    number = run_therapy(s)
    write_profile(s, KINDS[0], number, [(720, "1"), (720, "2")])
    set_clock(s, datetime(2026, 3, 4, 11, 59, 50))
    changed = one(s, since(s, lambda: s.wait(15)), RATE)
    s.equal("old and new rate", _rates(changed), (Decimal(1), Decimal(2)))


def _tbr_history(kind: TbrType, value: str, other: str, rate: str, other_rate: str) -> None:
    needs = F.BASAL_RATE | (F.TBR_ABSOLUTE if kind is TbrType.ABSOLUTE else F.TBR_RELATIVE)

    @case(f"history.tbr.{kind.name.lower()}", "3.10",
          f"A TBR of the type {kind.name.lower()} that starts, changes and ends stands with its rate.", history=True,
          command=True, needs=needs)  # fmt: skip
    def _groups(s: Session) -> None:
        run_therapy(s)
        start, changed = together(s, since(s, lambda: set_tbr(s, kind, value)), "HistoryTbrStarted", RATE)
        says(s, "type and value", start, 1, u8(kind) + sf(value))
        s.equal("old and new rate", _rates(changed), (Decimal(1), Decimal(rate)))
        _, changed = together(s, since(s, lambda: set_tbr(s, kind, other, change=True)), "HistoryTbrChanged", RATE)
        s.equal("old and new rate", _rates(changed), (Decimal(rate), Decimal(other_rate)))
        records = since(s, lambda: s.ask(CCP, request("CancelTbrAdjustment")))
        ended, changed = together(s, records, "HistoryTbrEnded", RATE)
        s.equal("end reason", ended.octets[12], 0x3C)
        s.equal("old and new rate", _rates(changed), (Decimal(other_rate), Decimal(1)))


_tbr_history(TbrType.ABSOLUTE, "2", "3", "2", "3")
_tbr_history(TbrType.RELATIVE, "0.5", "2", "0.5", "2")


@case("history.tbr.over", "3.10", "A TBR whose duration is over ends with that reason and its effective duration.",
      history=True, command=True, needs=F.BASAL_RATE | F.TBR_ABSOLUTE, seconds=3700)  # fmt: skip
def _over(s: Session) -> None:
    run_therapy(s)
    minutes = set_tbr(s, TbrType.ABSOLUTE, "2")
    ended, _ = together(s, since(s, lambda: s.wait(60 * minutes + 5)), "HistoryTbrEnded", RATE)
    s.equal("end reason", ended.octets[12], 0x33)
    s.equal("effective duration", int.from_bytes(ended.octets[10:12], "little"), minutes)


# --- Boluses ----------------------------------------------------------------------------------------------------

PROGRAMMED = ("HistoryBolusProgrammed1", "HistoryBolusProgrammed2")
DELIVERED = ("HistoryBolusDelivered1", "HistoryBolusDelivered2")
BOLUS_FEATURE = {
    BolusType.FAST: F.FAST_BOLUS, BolusType.EXTENDED: F.EXTENDED_BOLUS, BolusType.MULTIWAVE: F.MULTIWAVE_BOLUS,
}  # fmt: skip


def _bolus_history(kind: BolusType) -> None:
    name = kind.name.lower()

    @case(f"history.bolus.{name}.programmed", "3.10",
          f"A {name} bolus that is set is recorded in two parts, as it was set.",
          history=True, command=True, needs=BOLUS_FEATURE[kind])  # fmt: skip
    def _programmed(s: Session) -> None:
        run_therapy(s)
        before = newest(s)
        bolus_id, bolus = set_bolus(s, kind)
        first, second = together(s, history(s, before + 1), *PROGRAMMED)
        says(s, "part 1", first, 0, u16(bolus_id) + bolus.operand()[1:8])
        s.equal("flags of part 2", second.octets[8], bolus.flags)

    @case(f"history.bolus.{name}.cancelled", "3.10", f"A {name} bolus that is cancelled is recorded so, in two parts.",
          history=True, command=True, needs=BOLUS_FEATURE[kind], seconds=5)  # fmt: skip
    def _cancelled(s: Session) -> None:
        run_therapy(s)
        bolus_id, _ = set_bolus(s, kind)
        s.wait(5)
        records = since(s, lambda: s.ask(CCP, request("CancelBolus", u16(bolus_id))))
        first, second = together(s, records, *DELIVERED)
        s.equal("bolus ID", first.fields["bolus_id"], bolus_id)
        s.holds(second.fields["bolus_end_reason"] in (None, 0x3C), "the end reason canceled", str(second))

    @case(f"history.bolus.{name}.delivered", "3.10", f"A {name} bolus that is delivered is recorded with its amounts.",
          history=True, command=True, needs=BOLUS_FEATURE[kind],
          seconds=90 if kind is BolusType.FAST else 2000)  # fmt: skip
    def _delivered(s: Session) -> None:
        run_therapy(s)
        before = newest(s)
        bolus_id, bolus = set_bolus(s, kind)
        s.wait(90 if kind is BolusType.FAST else 2000)
        first, second = together(s, history(s, before + 1), *DELIVERED)
        says(s, "ID, type and amounts", first, 0, u16(bolus_id) + bolus.operand()[1:6])
        s.equal("effective duration", int.from_bytes(first.octets[15:17], "little"), bolus.minutes)
        s.holds(second.fields["bolus_end_reason"] in (None, 0x33), "the end reason programmed amount", str(second))

    @case(f"history.bolus.{name}.stopped", "3.10", f"A {name} bolus that Stop ends is recorded as delivered.",
          history=True,
          command=True, needs=BOLUS_FEATURE[kind])  # fmt: skip
    def _stopped(s: Session) -> None:
        run_therapy(s)
        set_bolus(s, kind)
        together(s, since(s, lambda: therapy(s, TherapyControlState.STOP)), *DELIVERED)


for _kind in BOLUS_FEATURE:
    _bolus_history(_kind)


# --- Profiles, templates and settings ---------------------------------------------------------------------------


def _blocks(kind: Kind) -> None:
    @case(f"history.profile.{kind.name}", "3.10",
          f"A {kind.name} profile that is written records all blocks of its day.",
          history=True, command=True, needs=kind.feature)  # fmt: skip
    def _all_blocks(s: Session) -> None:
        number = configurable(s, kind.type)[0]
        write_profile(s, kind, number, [(1440, kind.values[1])])
        records = since(s, lambda: write_profile(s, kind, number, kind_blocks(kind)))
        found = together(s, records, *[kind.block_event] * 5)
        for place, (item, (minutes, value)) in enumerate(zip(found, kind_blocks(kind), strict=True), 1):
            says(s, f"block {place}", item, 0, u8(number) + u8(place) + kind.block(minutes, value))


for _item in KINDS:
    _blocks(_item)


@case("history.tbr-template", "3.10", "A TBR template that is set is recorded.", history=True, command=True,
      needs=F.TBR_TEMPLATE)  # fmt: skip
def _tbr_template(s: Session) -> None:
    number = configurable(s, TemplateType.TBR)[0]
    kind = TbrType.ABSOLUTE if s.bench.features & F.TBR_ABSOLUTE else TbrType.RELATIVE
    operand = u8(number) + u8(kind) + sf("1.5") + u16(30)
    found = one(s, since(s, lambda: s.ask(CCP, request("SetTbrTemplate", operand))), "HistoryTbrTemplateChanged")
    says(s, "the template", found, 0, operand)


@case("history.bolus-template", "3.10", "A bolus template that is set is recorded in two parts.", history=True,
      command=True, needs=F.BOLUS_TEMPLATE | F.FAST_BOLUS)  # fmt: skip
def _bolus_template(s: Session) -> None:
    number = configurable(s, TemplateType.BOLUS)[0]
    operand = u8(number) + u8(0) + u8(BolusType.FAST) + sf("1") + sf("0") + u16(0)
    records = since(s, lambda: s.ask(CCP, request("SetBolusTemplate", operand)))
    first, second = together(s, records, "HistoryBolusTemplateChanged1", "HistoryBolusTemplateChanged2")
    says(s, "part 1", first, 0, operand[:1] + operand[2:])
    s.equal("flags of part 2", second.octets[8], 0)


@case("history.bolus-calculated", "3.10",
      "What a bolus calculator recommended and what was confirmed is one group of two.",
      history=True)  # fmt: skip
def _calculated(s: Session) -> None:
    characteristic = database.EMULATOR_BOLUS_CALCULATION
    if not s.bench.has(characteristic):
        raise NotPossible("the server has no emulator service to tell of a bolus calculation")
    amounts = [sf(value) for value in ("2", "0.5", "0", "0", "1.5", "0.5", "0", "0")]

    def tell() -> None:
        s.write_octets(characteristic.handle, s.protected(characteristic, b"".join(amounts)))

    first, second = together(s, since(s, tell), "HistoryBolusCalculated1", "HistoryBolusCalculated2")
    says(s, "recommended", first, 0, b"".join(amounts[:4]))
    says(s, "confirmed", second, 0, b"".join(amounts[4:]))


@case("history.reservoir", "3.10", "A reservoir that is attached again is recorded with what it holds.", history=True)
def _reservoir(s: Session) -> None:
    def change() -> None:
        for detached in (1, 0):
            s.bench.fault(s, FaultKind.RESERVOIR_DETACHED, detached)
            s.wait(2.0)

    found = named(since(s, change), "HistoryReservoirRemainingChanged")
    s.holds(bool(found), "HistoryReservoirRemainingChanged", "none")
    held = s.fields(database.STATUS)["reservoir_remaining_iu"]
    s.equal("reservoir", found[-1].fields["reservoir_remaining_iu"], held)


@case("history.max-bolus", "3.10", "A maximum bolus that is set is recorded with old and new.", history=True,
      command=True)  # fmt: skip
def _max_bolus(s: Session) -> None:
    answer = s.answered(CCP, request("GetMaxBolusAmount"), "GetMaxBolusAmountResponse", optional=True)
    before = answer.fields["max_bolus_iu"]
    s.holds(isinstance(before, Decimal), "a number", str(answer))

    def change() -> None:
        s.supported(s.ask(CCP, request("SetMaxBolusAmount", sf("4"))))

    found = one(s, since(s, change), "HistoryMaxBolusChanged")
    s.ask(CCP, request("SetMaxBolusAmount", sf(before)))
    s.equal("old and new maximum", tuple(found.fields.values())[-2:], (before, Decimal(4)))


@case("history.priming", "3.10", "Priming is recorded when it starts and when it is done.", history=True, command=True,
      seconds=60)  # fmt: skip
def _priming(s: Session) -> None:
    def prime() -> None:
        answer = s.ask(CCP, request("StartPriming", sf("1")))
        s.supported(answer)
        s.has_code(answer, 0x0F)
        s.wait(60)

    records = since(s, prime)
    started, done = one(s, records, "HistoryPrimingStarted"), one(s, records, "HistoryPrimingDone")
    says(s, "amount", started, 0, sf("1"))
    says(s, "delivered and reason", done, 1, sf("1") + u8(0x3C))
    s.equal("operational states", len(named(records, "HistoryOperationalStateChanged")), 2)


@case("history.annunciation", "3.10", "An annunciation is recorded in two parts, when raised and when confirmed.",
      history=True, command=True, needs=F.FAST_BOLUS)  # fmt: skip
def _annunciation(s: Session) -> None:
    from pumprig.conformance.cases_status import raise_annunciation

    parts = ("HistoryAnnunciationStatusChanged1", "HistoryAnnunciationStatusChanged2")
    run_therapy(s)
    before = newest(s)
    shown, kind = raise_annunciation(s)
    first, _ = together(s, history(s, before + 1), *parts)
    s.equal("ID, type and status", first.octets[9:14].hex(), (u16(shown) + u16(kind) + u8(0x33)).hex())
    records = since(s, lambda: s.ask(CCP, request("ConfirmAnnunciation", u16(shown))))
    first, _ = together(s, records, *parts)
    s.equal("status", first.octets[13], 0x55)


@case("history.nothing-without-cause", "3.10", "A command that is refused records nothing.", history=True, command=True)
def _nothing(s: Session) -> None:
    calm(s)
    records = since(s, lambda: s.ask(CCP, request("SetTherapyControlState", u8(0x01))))
    s.equal("records", [str(item) for item in records], [])
