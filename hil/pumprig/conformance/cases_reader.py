"""Cases: the Status Reader Control Point (IDS 1.0.2, 3.6)."""

from __future__ import annotations

from decimal import Decimal

from pumprig.conformance.model import Failed, NotAdvertised, NotPossible, case
from pumprig.conformance.octets import ANY_RFU, request, u8, u16
from pumprig.conformance.session import SRCP, Session
from pumprig.conformance.steps import active_ids, calm, run_therapy, set_bolus, set_tbr
from pumpwire import database
from pumpwire.enums import (
    ActiveBasalFlags,
    BolusType,
    BolusValueSelection,
    CounterSelection,
    CounterType,
    DeliveryContext,
    IddFeatureFlags,
    ResponseCode,
    TbrType,
)

ANY_BOLUS = (BolusType.FAST, BolusType.EXTENDED, BolusType.MULTIWAVE)
FEATURE_OF = {
    BolusType.FAST: IddFeatureFlags.FAST_BOLUS,
    BolusType.EXTENDED: IddFeatureFlags.EXTENDED_BOLUS,
    BolusType.MULTIWAVE: IddFeatureFlags.MULTIWAVE_BOLUS,
}
BASAL, FAST = IddFeatureFlags.BASAL_RATE, IddFeatureFlags.FAST_BOLUS
INVALID, NOT_APPLICABLE = ResponseCode.INVALID_OPERAND, ResponseCode.PROCEDURE_NOT_APPLICABLE
SHORT = {
    "ResetStatus": "reset-status", "GetActiveBolusIds": "get-active-bolus-ids",
    "GetActiveBolusDelivery": "get-active-bolus-delivery",
    "GetActiveBasalRateDelivery": "get-active-basal-rate-delivery",
    "GetTotalDailyInsulinStatus": "get-total-daily-insulin-status", "GetCounter": "get-counter",
    "GetDeliveredInsulin": "get-delivered-insulin", "GetInsulinOnBoard": "get-insulin-on-board",
}  # fmt: skip
CLAUSE = {
    "ResetStatus": "3.6.2.2", "GetActiveBolusIds": "3.6.2.3", "GetActiveBolusDelivery": "3.6.2.4",
    "GetActiveBasalRateDelivery": "3.6.2.6", "GetTotalDailyInsulinStatus": "3.6.2.7", "GetCounter": "3.6.2.8",
    "GetDeliveredInsulin": "3.6.2.9", "GetInsulinOnBoard": "3.6.2.10",
}  # fmt: skip
NEEDED = {"GetActiveBasalRateDelivery": BASAL, "GetInsulinOnBoard": IddFeatureFlags.INSULIN_ON_BOARD}
_OPTIONAL = ("GetCounter", "GetDeliveredInsulin")
_RIGHT_OPERANDS = {
    "ResetStatus": u16(0), "GetActiveBolusDelivery": u16(1) + u8(0x0F), "GetCounter": u8(0x0F) + u8(0x33),
}  # fmt: skip


def any_bolus(s: Session) -> BolusType:
    """A bolus type that the server has."""
    for kind in ANY_BOLUS:
        if s.bench.features & FEATURE_OF[kind]:
            return kind
    raise NotAdvertised("IDD Features has no bolus type")


def number(value: object, what: str) -> Decimal:
    """A field that must be a number that is not negative."""
    if not isinstance(value, Decimal) or value < 0:
        raise Failed(f"{what} is a number that is not negative", str(value))
    return value


# --- Opcodes and operands ---------------------------------------------------------------------------------------


def _lengths(name: str) -> None:
    needs = NEEDED.get(name, IddFeatureFlags(0))
    right = _RIGHT_OPERANDS.get(name, b"")

    def wrong(s: Session, *operands: bytes) -> None:
        if name in ("GetActiveBolusIds", "GetActiveBolusDelivery"):
            any_bolus(s)
        for operand in operands:
            answer = s.ask(SRCP, request(name, operand))
            s.supported(answer, optional=name in _OPTIONAL)
            s.has_code(answer, INVALID)

    @case(f"srcp.{SHORT[name]}.too-long", CLAUSE[name], "Octets behind the operand answer 0x71.", needs=needs)
    def _long(s: Session) -> None:
        wrong(s, right + b"\x00", right + bytes(15 - len(right)))

    if right:

        @case(f"srcp.{SHORT[name]}.too-short", CLAUSE[name], "A truncated operand answers 0x71.", needs=needs)
        def _short(s: Session) -> None:
            wrong(s, *(right[:length] for length in range(len(right))))


for _name in SHORT:
    _lengths(_name)


@case("srcp.opcode.rfu", "3.6.1", "RFU opcodes, and opcodes of answers, answer 0x70.")
def _rfu_opcodes(s: Session) -> None:
    for opcode in (0x0505, 0x0F3C, 0x0001, 0x0333, 0xFFFF, 0x033F, 0x0303, 0x0F5A):
        s.code(SRCP, request(opcode), ResponseCode.OPCODE_NOT_SUPPORTED)


@case("srcp.opcode.rfu-with-operand", "3.6.1", "An RFU opcode answers 0x70 whatever its operand is.")
def _rfu_operand(s: Session) -> None:
    s.code(SRCP, request(0x0505, bytes(15)), ResponseCode.OPCODE_NOT_SUPPORTED)


@case("srcp.opcode.prohibited", "3.6.1", "Opcodes from 0x03FD to 0x0504 are neither carried out nor answered.",
      seconds=9)  # fmt: skip
def _prohibited(s: Session) -> None:
    for opcode in (0x03FD, 0x0400, 0x0504):
        answer = s.ask(SRCP, request(opcode), s.bench.quiet_s)
        s.holds(answer.octets is None, f"no indication to opcode 0x{opcode:04X}", str(answer))


@case("srcp.opcode.prohibited-then-next", "3.6.1", "After a prohibited opcode the next procedure is carried out.",
      seconds=3)  # fmt: skip
def _prohibited_next(s: Session) -> None:
    s.ask(SRCP, request(0x0500), s.bench.quiet_s)
    s.answered(SRCP, request("GetTotalDailyInsulinStatus"), "GetTotalDailyInsulinStatusResponse")


@case("srcp.opcode.none", "3.6", "A value too short for an opcode leaves the control point working.")
def _no_opcode(s: Session) -> None:
    s.write_octets(SRCP.handle, s.protected(SRCP, b"\x03"))
    s.wait(1.0)
    s.open()
    s.answered(SRCP, request("GetTotalDailyInsulinStatus"), "GetTotalDailyInsulinStatusResponse")


# --- Boluses ----------------------------------------------------------------------------------------------------


@case("srcp.get-active-bolus-ids.none", "3.6.2.3", "With no bolus active the answer counts 0 and lists none.")
def _ids_none(s: Session) -> None:
    any_bolus(s)
    calm(s)
    s.equal("active bolus IDs", active_ids(s), [])


@case("srcp.get-active-bolus-ids.lists", "3.6.2.3", "An active bolus is listed with its ID, once.", command=True)
def _ids_list(s: Session) -> None:
    kind = any_bolus(s)
    run_therapy(s)
    bolus_id, _ = set_bolus(s, kind)
    s.equal("active bolus IDs", active_ids(s), [bolus_id])


@case("srcp.get-active-bolus-ids.not-supported", "3.6.2.3",
      "Without any bolus type the opcode need not be there: 0x70.")  # fmt: skip
def _ids_unsupported(s: Session) -> None:
    if s.bench.features & (FAST | IddFeatureFlags.EXTENDED_BOLUS | IddFeatureFlags.MULTIWAVE_BOLUS):
        raise NotPossible("the server has boluses")
    s.code(SRCP, request("GetActiveBolusIds"), ResponseCode.OPCODE_NOT_SUPPORTED)


def _delivery(s: Session, bolus_id: int, selection: int) -> dict[str, object]:
    message = request("GetActiveBolusDelivery", u16(bolus_id), u8(selection))
    return dict(s.answered(SRCP, message, "GetActiveBolusDeliveryResponse").fields)


def _bolus_values(kind: BolusType) -> None:
    prefix = f"srcp.get-active-bolus-delivery.{kind.name.lower()}"

    @case(f"{prefix}.programmed", "3.6.2.4", f"Of a {kind.name.lower()} bolus the programmed values are those set.",
          needs=FEATURE_OF[kind], command=True)  # fmt: skip
    def _programmed(s: Session) -> None:
        run_therapy(s)
        bolus_id, bolus = set_bolus(s, kind)
        fields = _delivery(s, bolus_id, BolusValueSelection.PROGRAMMED)
        s.equal("bolus ID", fields["bolus_id"], bolus_id)
        s.equal("bolus type", fields["bolus_type"], kind)
        s.equal("fast amount", fields["fast_amount_iu"], Decimal(str(bolus.fast)))
        s.equal("extended amount", fields["extended_amount_iu"], Decimal(str(bolus.extended)))
        s.equal("duration", fields["duration_minutes"], bolus.minutes)

    @case(f"{prefix}.sums", "3.6.2.4", f"Of a {kind.name.lower()} bolus delivered and remaining add up to programmed.",
          needs=FEATURE_OF[kind], command=True, seconds=4)  # fmt: skip
    def _sums(s: Session) -> None:
        run_therapy(s)
        bolus_id, _ = set_bolus(s, kind, ("2", "1", "0.5"))
        s.wait(4)
        values = {selection: _delivery(s, bolus_id, selection) for selection in BolusValueSelection}
        for field in ("fast_amount_iu", "extended_amount_iu"):
            programmed, remaining, delivered = (
                number(values[selection][field], field)
                for selection in (
                    BolusValueSelection.PROGRAMMED, BolusValueSelection.REMAINING, BolusValueSelection.DELIVERED,
                )
            )  # fmt: skip
            # Some insulin may leave between the three questions.
            off = abs(programmed - remaining - delivered)
            s.holds(off <= Decimal("0.2"), f"{field}: {programmed} = {remaining} + {delivered}", f"off by {off}")
        if kind is BolusType.FAST:
            s.equal("durations of a fast bolus", {value["duration_minutes"] for value in values.values()}, {0})


for _kind in ANY_BOLUS:
    _bolus_values(_kind)


@case("srcp.get-active-bolus-delivery.unknown-id", "3.6.2.4", "An ID that was never given answers 0x74.")
def _unknown_id(s: Session) -> None:
    any_bolus(s)
    for bolus_id in (0, 0xFFF0):
        operand = u16(bolus_id) + u8(BolusValueSelection.PROGRAMMED)
        s.code(SRCP, request("GetActiveBolusDelivery", operand), NOT_APPLICABLE)


@case("srcp.get-active-bolus-delivery.ended", "3.6.2.4", "The ID of a bolus that has ended answers 0x74.", command=True)
def _ended(s: Session) -> None:
    kind = any_bolus(s)
    run_therapy(s)
    bolus_id, _ = set_bolus(s, kind)
    calm(s)
    operand = u16(bolus_id) + u8(BolusValueSelection.REMAINING)
    s.code(SRCP, request("GetActiveBolusDelivery", operand), NOT_APPLICABLE)


@case("srcp.get-active-bolus-delivery.rfu-selection", "3.6.2.4", "An RFU value selection answers 0x71.", command=True)
def _rfu_selection(s: Session) -> None:
    kind = any_bolus(s)
    run_therapy(s)
    bolus_id, _ = set_bolus(s, kind)
    for selection in (ANY_RFU, 0x00, 0x55, 0xFF):
        s.code(SRCP, request("GetActiveBolusDelivery", u16(bolus_id), u8(selection)), INVALID)


@case("srcp.get-active-bolus-delivery.delay", "3.6.2.4", "A delay that was set is told; for delivered it reads 0xFFFF.",
      needs=IddFeatureFlags.BOLUS_DELAY_TIME, command=True)  # fmt: skip
def _delay(s: Session) -> None:
    kind = any_bolus(s)
    run_therapy(s)
    bolus_id, _ = set_bolus(s, kind, delay=30)
    s.equal("delay", _delivery(s, bolus_id, BolusValueSelection.PROGRAMMED)["delay_minutes"], 30)
    delivered = _delivery(s, bolus_id, BolusValueSelection.DELIVERED)
    s.holds(delivered["delay_minutes"] in (None, 0xFFFF), "no delay, or 0xFFFF", str(delivered["delay_minutes"]))


@case("srcp.get-active-bolus-delivery.activation", "3.6.2.4", "The activation type of an active bolus is told.",
      needs=IddFeatureFlags.BOLUS_ACTIVATION_TYPE, command=True)  # fmt: skip
def _activation(s: Session) -> None:
    kind = any_bolus(s)
    run_therapy(s)
    bolus_id, _ = set_bolus(s, kind, activation=0x5A)
    fields = _delivery(s, bolus_id, BolusValueSelection.PROGRAMMED)
    s.equal("activation type", fields["activation_type"], 0x5A)


# --- Basal ------------------------------------------------------------------------------------------------------


@case("srcp.get-active-basal-rate-delivery.profile", "3.6.2.6", "The active profile and its configured rate are told.",
      needs=BASAL, command=True)  # fmt: skip
def _basal(s: Session) -> None:
    template = run_therapy(s, "1.5")
    answer = s.answered(SRCP, request("GetActiveBasalRateDelivery"), "GetActiveBasalRateDeliveryResponse")
    s.equal("profile template number", answer.fields["profile_template_number"], template)
    s.equal("configured rate", answer.fields["configured_rate_iu_per_h"], Decimal("1.5"))
    s.equal("TBR type", answer.fields["tbr_type"], None)


@case("srcp.get-active-basal-rate-delivery.under-tbr", "3.6.2.6",
      "Under a TBR the configured rate is still the profile's.",
      needs=BASAL | IddFeatureFlags.TBR_ABSOLUTE, command=True)  # fmt: skip
def _under_tbr(s: Session) -> None:
    run_therapy(s, "1.5")
    minutes = set_tbr(s, TbrType.ABSOLUTE, "2", context=DeliveryContext.AP_CONTROLLER)
    fields = s.answered(SRCP, request("GetActiveBasalRateDelivery"), "GetActiveBasalRateDeliveryResponse").fields
    s.equal("configured rate", fields["configured_rate_iu_per_h"], Decimal("1.5"))
    s.equal("TBR type", fields["tbr_type"], TbrType.ABSOLUTE)
    s.equal("TBR value", fields["tbr_value"], Decimal(2))
    s.equal("programmed duration", fields["tbr_programmed_duration_minutes"], minutes)
    remaining = fields["tbr_remaining_duration_minutes"]
    s.holds(remaining in (minutes - 1, minutes), f"remaining {minutes - 1} to {minutes} min", str(remaining))
    if fields["flags"] & ActiveBasalFlags.CONTEXT_PRESENT:
        s.equal("context", fields["context"], DeliveryContext.AP_CONTROLLER)


@case("srcp.get-active-basal-rate-delivery.stopped", "3.6.2.6", "Without an active basal rate the answer is 0x74.",
      needs=BASAL, command=True)  # fmt: skip
def _stopped(s: Session) -> None:
    calm(s)
    s.code(SRCP, request("GetActiveBasalRateDelivery"), NOT_APPLICABLE)


@case("srcp.get-active-basal-rate-delivery.not-supported", "3.6.2.6",
      "Without basal the opcode need not be there: 0x70.")  # fmt: skip
def _basal_unsupported(s: Session) -> None:
    if s.bench.features & BASAL:
        raise NotPossible("the server has a basal rate")
    s.code(SRCP, request("GetActiveBasalRateDelivery"), ResponseCode.OPCODE_NOT_SUPPORTED)


# --- Sums, counters, insulin on board ---------------------------------------------------------------------------


@case("srcp.get-total-daily-insulin-status.format", "3.6.2.7", "Bolus and basal add up to the total, but for rounding.")
def _daily(s: Session) -> None:
    fields = s.answered(SRCP, request("GetTotalDailyInsulinStatus"), "GetTotalDailyInsulinStatusResponse").fields
    parts = [number(fields[name], name) for name in ("bolus_delivered_iu", "basal_delivered_iu")]
    total = number(fields["total_delivered_iu"], "total")
    rounding = max(Decimal("0.11"), total / 100)
    s.holds(abs(sum(parts) - total) <= rounding, f"total {sum(parts)}", str(total))
    if not s.bench.features & BASAL:
        s.equal("basal without basal support", parts[1], Decimal(0))


@case("srcp.get-total-daily-insulin-status.counts-bolus", "3.6.2.7", "A bolus that was delivered counts for the day.",
      needs=FAST, command=True, seconds=90)  # fmt: skip
def _daily_bolus(s: Session) -> None:
    def bolus() -> Decimal:
        message = request("GetTotalDailyInsulinStatus")
        fields = s.answered(SRCP, message, "GetTotalDailyInsulinStatusResponse").fields
        return number(fields["bolus_delivered_iu"], "bolus")

    run_therapy(s)
    before = bolus()
    _, asked = set_bolus(s, BolusType.FAST)
    s.wait(90)
    if active_ids(s):
        raise NotPossible("the bolus takes longer than 90 s")
    s.equal("bolus of the day", bolus() - before, Decimal(str(asked.fast)))


@case("srcp.get-delivered-insulin.format", "3.6.2.9", "Delivered bolus and basal are numbers up to 80,000 IU.")
def _delivered(s: Session) -> None:
    answer = s.answered(SRCP, request("GetDeliveredInsulin"), "GetDeliveredInsulinResponse", optional=True)
    for name in ("bolus_delivered_iu", "basal_delivered_iu"):
        value = number(answer.fields[name], name)
        s.holds(value <= 80000, f"{name} up to 80,000 IU", str(value))


@case("srcp.get-delivered-insulin.counts-bolus", "3.6.2.9", "A bolus that was delivered is counted.", needs=FAST,
      command=True, seconds=90)  # fmt: skip
def _delivered_bolus(s: Session) -> None:
    def bolus() -> Decimal:
        answer = s.answered(SRCP, request("GetDeliveredInsulin"), "GetDeliveredInsulinResponse", optional=True)
        return number(answer.fields["bolus_delivered_iu"], "bolus")

    run_therapy(s)
    before = bolus()
    _, asked = set_bolus(s, BolusType.FAST)
    s.wait(90)
    if active_ids(s):
        raise NotPossible("the bolus takes longer than 90 s")
    s.equal("delivered bolus", bolus() - before, Decimal(str(asked.fast)))


@case("srcp.get-insulin-on-board.format", "3.6.2.10", "Insulin on board is a number that is not negative.",
      needs=IddFeatureFlags.INSULIN_ON_BOARD)  # fmt: skip
def _iob(s: Session) -> None:
    answer = s.answered(SRCP, request("GetInsulinOnBoard"), "GetInsulinOnBoardResponse")
    number(answer.fields["insulin_on_board_iu"], "insulin on board")


@case("srcp.get-insulin-on-board.rises", "3.6.2.10", "A bolus brings insulin on board, not more than it has.",
      needs=IddFeatureFlags.INSULIN_ON_BOARD | FAST, command=True, seconds=90)  # fmt: skip
def _iob_rises(s: Session) -> None:
    def on_board() -> Decimal:
        fields = s.answered(SRCP, request("GetInsulinOnBoard"), "GetInsulinOnBoardResponse").fields
        return number(fields["insulin_on_board_iu"], "insulin on board")

    run_therapy(s, "0.5")
    before = on_board()
    _, asked = set_bolus(s, BolusType.FAST)
    s.wait(90)
    after = on_board()
    most = before + Decimal(str(asked.fast)) + Decimal("0.1")
    s.holds(before < after <= most, f"more than {before}, at most {most}", str(after))


def _counter(s: Session, kind: int, selection: int) -> int:
    message = request("GetCounter", u8(kind), u8(selection))
    answer = s.ask(SRCP, message)
    s.supported(answer)
    if answer.code == INVALID:
        raise NotPossible(f"the server has no counter of the type 0x{kind:02X} with the selection 0x{selection:02X}")
    if answer.message is None or answer.message.name != "GetCounterResponse" or not answer.fields:
        raise Failed("GetCounterResponse", str(answer))
    s.equal("type and selection", answer.octets[2:4].hex() if answer.octets else "", message[2:4].hex())
    return int(answer.fields[next(name for name in answer.fields if name not in ("counter_type", "counter_selection"))])


def _counters(kind: CounterType) -> None:
    name = kind.name.lower().replace("_", "-")

    @case(f"srcp.get-counter.{name}", "3.6.2.8", f"Of the counter {name}, elapsed goes up as remaining goes down.",
          seconds=120)  # fmt: skip
    def _get(s: Session) -> None:
        elapsed, remaining = (_counter(s, kind, selection) for selection in
                              (CounterSelection.ELAPSED, CounterSelection.REMAINING))  # fmt: skip
        s.holds(elapsed >= 0, "elapsed is not negative", str(elapsed))
        s.wait(120)
        s.equal("elapsed after two minutes", _counter(s, kind, CounterSelection.ELAPSED) - elapsed, 2)
        s.equal("remaining after two minutes", _counter(s, kind, CounterSelection.REMAINING) - remaining, -2)


for _counter_type in CounterType:
    _counters(_counter_type)


def _counter_refused(s: Session, kind: int, selection: int) -> None:
    answer = s.ask(SRCP, request("GetCounter", u8(kind), u8(selection)))
    s.supported(answer)
    s.has_code(answer, INVALID)


@case("srcp.get-counter.rfu-type", "3.6.2.8", "An RFU counter type answers 0x71.")
def _rfu_type(s: Session) -> None:
    for kind in (ANY_RFU, 0x00, 0x5A, 0xFF):
        _counter_refused(s, kind, CounterSelection.ELAPSED)


@case("srcp.get-counter.rfu-selection", "3.6.2.8", "An RFU counter selection answers 0x71.")
def _rfu_counter_selection(s: Session) -> None:
    for selection in (ANY_RFU, 0x00, 0x3C, 0xFF):
        _counter_refused(s, CounterType.LIFETIME, selection)


# --- Reset Status -----------------------------------------------------------------------------------------------


@case("srcp.reset-status.answers", "3.6.2.2", "Reset Status answers with success, also when no bit was set.")
def _reset(s: Session) -> None:
    for flags in (0x0000, 0x00FF, 0x00FF):
        s.code(SRCP, request("ResetStatus", u16(flags)), ResponseCode.SUCCESS)
    s.read(database.STATUS_CHANGED)


@case("srcp.reset-status.rfu-bits", "3.6.2.2", "RFU bits of Reset Status are ignored.")
def _reset_rfu(s: Session) -> None:
    s.code(SRCP, request("ResetStatus", u16(0xFF00)), ResponseCode.SUCCESS)


