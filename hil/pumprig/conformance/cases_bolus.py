"""Cases: boluses and their templates (IDS 1.0.2, 3.7.2)."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from pumprig.conformance.model import NotAdvertised, NotPossible, case
from pumprig.conformance.octets import ANY_RFU, NAN, Bolus, hex_of, request, sf, u8, u16
from pumprig.conformance.session import CCP, SRCP, Session
from pumprig.conformance.steps import (
    KINDS,
    active_ids,
    configurable,
    of_type,
    outside,
    run_therapy,
    set_bolus,
)
from pumpwire.enums import BolusType, FaultKind, IddFeatureFlags, ResponseCode, TemplateType

SUCCESS, INVALID = ResponseCode.SUCCESS, ResponseCode.INVALID_OPERAND
OUT_OF_RANGE, NOT_APPLICABLE = ResponseCode.PARAMETER_OUT_OF_RANGE, ResponseCode.PROCEDURE_NOT_APPLICABLE
NOT_COMPLETED = ResponseCode.PROCEDURE_NOT_COMPLETED
MAXIMUM = ResponseCode.MAXIMUM_BOLUS_NUMBER_REACHED
F = IddFeatureFlags
FEATURE_OF = {
    BolusType.FAST: F.FAST_BOLUS, BolusType.EXTENDED: F.EXTENDED_BOLUS, BolusType.MULTIWAVE: F.MULTIWAVE_BOLUS,
}  # fmt: skip
AVAILABLE_BIT = {BolusType.FAST: 1, BolusType.EXTENDED: 2, BolusType.MULTIWAVE: 4}
HUGE = sf(Decimal(2047).scaleb(7))


def kinds_of(s: Session) -> list[BolusType]:
    """The bolus types that the server has."""
    found = [kind for kind, feature in FEATURE_OF.items() if s.bench.features & feature]
    if not found:
        raise NotAdvertised("IDD Features has no bolus type")
    return found


def right(kind: BolusType, amount: str | bytes = "1", **more: Any) -> Bolus:
    """A bolus that only its amount or what is given can make wrong."""
    fast = amount if kind is not BolusType.EXTENDED else "0"
    extended = amount if kind is not BolusType.FAST else "0"
    return Bolus(kind, fast, extended, more.pop("minutes", 0 if kind is BolusType.FAST else 30), **more)


def _available(s: Session) -> int:
    answer = s.answered(CCP, request("GetAvailableBoluses"), "GetAvailableBolusesResponse")
    return int(answer.fields["flags"])


# --- One bolus --------------------------------------------------------------------------------------------------


def _set(s: Session, kind: BolusType) -> None:
    run_therapy(s)
    bolus_id, _ = set_bolus(s, kind)
    s.equal("active boluses", active_ids(s), [bolus_id])


def _fresh_ids(s: Session, kind: BolusType) -> None:
    run_therapy(s)
    seen = []
    for _ in range(3):
        bolus_id, _ = set_bolus(s, kind)
        seen.append(bolus_id)
        s.answered(CCP, request("CancelBolus", u16(bolus_id)), "CancelBolusResponse")
    s.equal("different IDs", len(set(seen)), 3)


def _cancel(s: Session, kind: BolusType) -> None:
    run_therapy(s)
    bolus_id, _ = set_bolus(s, kind)
    answer = s.answered(CCP, request("CancelBolus", u16(bolus_id)), "CancelBolusResponse")
    s.equal("ID of the answer", answer.fields["bolus_id"], bolus_id)
    s.equal("active boluses", active_ids(s), [])


def _cancel_twice(s: Session, kind: BolusType) -> None:
    run_therapy(s)
    bolus_id, _ = set_bolus(s, kind)
    s.answered(CCP, request("CancelBolus", u16(bolus_id)), "CancelBolusResponse")
    s.code(CCP, request("CancelBolus", u16(bolus_id)), NOT_APPLICABLE)


def _ends(s: Session, kind: BolusType) -> None:
    run_therapy(s)
    bolus_id, _ = set_bolus(s, kind)
    s.wait(120 if kind is BolusType.FAST else 2000)
    s.equal("active boluses", active_ids(s), [])
    s.code(CCP, request("CancelBolus", u16(bolus_id)), NOT_APPLICABLE)


def _too_much(s: Session, kind: BolusType) -> None:
    run_therapy(s)
    for amount in (HUGE, sf("-1")):
        s.code(CCP, right(kind, amount).request(), OUT_OF_RANGE)
    s.equal("active boluses", active_ids(s), [])


def _no_number(s: Session, kind: BolusType) -> None:
    run_therapy(s)
    s.code(CCP, right(kind, NAN).request(), INVALID, OUT_OF_RANGE)
    s.equal("active boluses", active_ids(s), [])


def _nothing(s: Session, kind: BolusType) -> None:
    run_therapy(s)
    s.code(CCP, right(kind, "0").request(), INVALID, OUT_OF_RANGE)
    s.equal("active boluses", active_ids(s), [])


def _too_many(s: Session, kind: BolusType) -> None:
    run_therapy(s)
    for _ in range(8):
        bit = _available(s) & AVAILABLE_BIT[kind]
        answer = s.ask(CCP, right(kind).request())
        if not bit:
            s.has_code(answer, MAXIMUM)
            return
        s.holds(answer.message is not None and answer.message.name == "SetBolusResponse",
                "an available bolus type is accepted", str(answer))  # fmt: skip
    raise NotPossible("eight boluses of one type run side by side")


def _available_again(s: Session, kind: BolusType) -> None:
    run_therapy(s)
    s.holds(bool(_available(s) & AVAILABLE_BIT[kind]), "the type available", f"0x{_available(s):02X}")
    bolus_id, _ = set_bolus(s, kind)
    s.answered(CCP, request("CancelBolus", u16(bolus_id)), "CancelBolusResponse")
    s.holds(bool(_available(s) & AVAILABLE_BIT[kind]), "the type available again", f"0x{_available(s):02X}")


def _duration(s: Session, kind: BolusType) -> None:
    run_therapy(s)
    s.code(CCP, right(kind, minutes=65535).request(), OUT_OF_RANGE)


def _slow_part(s: Session, kind: BolusType) -> None:
    run_therapy(s)
    s.code(CCP, Bolus(kind, "1", "1", 30).request(), INVALID)
    s.code(CCP, Bolus(kind, "1", "0", 30).request(), INVALID)
    s.equal("active boluses", active_ids(s), [])


def _fast_part(s: Session, kind: BolusType) -> None:
    run_therapy(s)
    s.code(CCP, Bolus(kind, "1", "1", 30).request(), INVALID)
    s.equal("active boluses", active_ids(s), [])


def _reasons(s: Session, kind: BolusType) -> None:
    run_therapy(s)
    bolus_id, _ = set_bolus(s, kind, more_flags=0b11000)
    answer = s.ask(SRCP, request("GetActiveBolusDelivery", u16(bolus_id), u8(0x0F)))
    s.equal("reason bits", int(answer.fields.get("flags") or 0) & 0b11000, 0b11000)


def _side_by_side(s: Session, kind: BolusType) -> None:
    others = [other for other in kinds_of(s) if other is not kind]
    run_therapy(s)
    first, _ = set_bolus(s, kind)
    for other in others:
        if _available(s) & AVAILABLE_BIT[other]:
            second, _ = set_bolus(s, other)
            s.equal("active boluses", sorted(active_ids(s)), sorted([first, second]))
            return
    raise NotPossible("no other type is available beside it")


_BOLUS_CASES: tuple[tuple[str, str, str, float, Callable[[Session, BolusType], None]], ...] = (
    ("set", "3.7.2.14", "A bolus that is accepted is active with the ID of the answer.", 0, _set),
    ("ids", "3.7.2.14", "Each bolus has an ID of its own.", 0, _fresh_ids),
    ("cancel", "3.7.2.15", "A bolus that is cancelled is active no longer.", 0, _cancel),
    ("cancel-twice", "3.7.2.15", "Cancelling a bolus that is not active any more answers 0x74.", 0, _cancel_twice),
    ("ends", "3.7.2.14", "A bolus that is delivered is active no longer.", 2000, _ends),
    ("amount-out-of-range", "3.7.2.14", "An amount out of range answers 0x73, and starts nothing.", 0, _too_much),
    ("no-number", "3.7.2.14", "An amount that is no number answers 0x71 or 0x73, and starts nothing.", 0, _no_number),
    ("nothing", "3.7.2.14", "A bolus of 0 answers 0x71 or 0x73, and starts nothing.", 0, _nothing),
    ("maximum", "3.7.2.14", "A type that is not available answers 0x76, one that is available not.", 0, _too_many),
    ("available-again", "3.7.2", "A type is available again when its bolus has ended.", 0, _available_again),
    ("duration-out-of-range", "3.7.2.14", "A duration of 65535 min answers 0x73.", 0, _duration),
    ("extended-part", "3.7.2.14", "A fast bolus with an extended amount or a duration answers 0x71.", 0, _slow_part),
    ("fast-part", "3.7.2.14", "An extended bolus with a fast amount answers 0x71.", 0, _fast_part),
    ("reasons", "3.6.2.4", "The reasons meal and correction are told as they were given.", 0, _reasons),
    ("side-by-side", "3.6.2.3", "Boluses of two types that run are both listed.", 0, _side_by_side),
)
_ONLY_OF = {
    "duration-out-of-range": (BolusType.EXTENDED, BolusType.MULTIWAVE),
    "extended-part": (BolusType.FAST,),
    "fast-part": (BolusType.EXTENDED,),
}


def _bolus_case(kind: BolusType, name: str, clause: str, about: str, seconds: float,
                run: Callable[[Session, BolusType], None]) -> None:  # fmt: skip
    @case(f"bolus.{kind.name.lower()}.{name}", clause, about, needs=FEATURE_OF[kind], command=True, seconds=seconds)
    def _run(s: Session) -> None:
        run(s, kind)


for _kind in FEATURE_OF:
    for _entry in _BOLUS_CASES:
        if _kind in _ONLY_OF.get(_entry[0], FEATURE_OF):
            _bolus_case(_kind, *_entry)


@case("bolus.rfu-type", "3.7.2.14", "An RFU bolus type, and undetermined, answer 0x71.", command=True)
def _rfu_type(s: Session) -> None:
    kinds_of(s)
    run_therapy(s)
    for kind in (ANY_RFU, 0x00, BolusType.UNDETERMINED, 0x5A, 0xFF):
        s.code(CCP, Bolus(kind, "1").request(), INVALID)


@case("bolus.unsupported-type", "3.7.2.14", "A bolus type that is not advertised answers 0x71.", command=True)
def _unsupported(s: Session) -> None:
    missing = [kind for kind in FEATURE_OF if kind not in kinds_of(s)]
    if not missing:
        raise NotPossible("the server has all bolus types")
    run_therapy(s)
    for kind in missing:
        s.code(CCP, right(kind).request(), INVALID)


def _without(name: str, feature: IddFeatureFlags, about: str, **more: Any) -> None:
    @case(f"bolus.{name}-without-feature", "3.7.2.14", f"A {about} that is not advertised answers 0x71.", command=True)
    def _unadvertised(s: Session) -> None:
        kind = kinds_of(s)[0]
        if s.bench.features & feature:
            raise NotPossible("the server advertises it")
        run_therapy(s)
        s.code(CCP, right(kind, **more).request(), INVALID)


_without("delay", F.BOLUS_DELAY_TIME, "delay", delay=30)
_without("template", F.BOLUS_TEMPLATE, "template number", template=1)
_without("activation", F.BOLUS_ACTIVATION_TYPE, "activation type", activation=0x33)


@case("bolus.rfu-activation", "3.7.2.14", "An RFU activation type answers 0x71.", needs=F.BOLUS_ACTIVATION_TYPE,
      command=True)  # fmt: skip
def _rfu_activation(s: Session) -> None:
    kind = kinds_of(s)[0]
    run_therapy(s)
    for activation in (ANY_RFU, 0x00, 0x66, 0xFF):
        s.code(CCP, right(kind, activation=activation).request(), INVALID)


@case("bolus.delay-out-of-range", "3.7.2.14", "A delay of 65535 min answers 0x73.", needs=F.BOLUS_DELAY_TIME,
      command=True)  # fmt: skip
def _delay_range(s: Session) -> None:
    kind = kinds_of(s)[0]
    run_therapy(s)
    s.code(CCP, right(kind, delay=65535).request(), OUT_OF_RANGE)


@case("bolus.delay-waits", "3.7.2.14", "A bolus with a delay is active, and delivers nothing before it is over.",
      needs=F.BOLUS_DELAY_TIME, command=True, seconds=300)  # fmt: skip
def _delay_waits(s: Session) -> None:
    kind = kinds_of(s)[0]
    run_therapy(s)
    bolus_id, _ = set_bolus(s, kind, delay=10)
    s.wait(300)
    s.equal("active boluses", active_ids(s), [bolus_id])
    message = request("GetActiveBolusDelivery", u16(bolus_id), u8(0x3C))
    fields = s.answered(SRCP, message, "GetActiveBolusDeliveryResponse").fields
    s.equal("delivered", (fields["fast_amount_iu"], fields["extended_amount_iu"]), (Decimal(0), Decimal(0)))


@case("bolus.rfu-flags", "1.8", "RFU bits of the flags are ignored.", command=True)
def _rfu_flags(s: Session) -> None:
    kind = kinds_of(s)[0]
    run_therapy(s)
    set_bolus(s, kind, more_flags=0xE0)


@case("bolus.flags-lie", "3.7.2.14", "Flags that announce fields which are not there answer 0x71.", command=True)
def _flags_lie(s: Session) -> None:
    kind = kinds_of(s)[0]
    run_therapy(s)
    for flags in (0b001, 0b010, 0b100, 0b111):
        s.code(CCP, right(kind, more_flags=flags).request(), INVALID)
    s.equal("active boluses", active_ids(s), [])


@case("bolus.cancel-unknown", "3.7.2.15", "Cancelling an ID that was never given answers 0x74.", command=True)
def _unknown(s: Session) -> None:
    kinds_of(s)
    run_therapy(s)
    for bolus_id in (0, 0xFFF0):
        s.code(CCP, request("CancelBolus", u16(bolus_id)), NOT_APPLICABLE)


@case("bolus.more-than-reservoir", "3.7.2.14",
      "A bolus of more than the reservoir holds is refused, and starts nothing.",
      command=True, needs=F.FAST_BOLUS, fresh=True)  # fmt: skip
def _reservoir(s: Session) -> None:
    run_therapy(s)
    s.bench.fault(s, FaultKind.RESERVOIR_LEVEL, 2)
    s.wait(2.0)
    s.code(CCP, right(BolusType.FAST, "2").request(), NOT_COMPLETED, OUT_OF_RANGE, NOT_APPLICABLE)
    s.equal("active boluses", active_ids(s), [])


@case("bolus.available-flags", "3.7.2", "Only types that are advertised are available, and RFU bits are 0.",
      command=True)  # fmt: skip
def _available_flags(s: Session) -> None:
    allowed = sum(AVAILABLE_BIT[kind] for kind in kinds_of(s))
    run_therapy(s)
    octets = s.answered(CCP, request("GetAvailableBoluses"), "GetAvailableBolusesResponse").octets or b""
    s.holds(not octets[2] & ~allowed, f"no bits but 0x{allowed:02X}", hex_of(octets))


# --- Templates --------------------------------------------------------------------------------------------------

TEMPLATE = F.BOLUS_TEMPLATE


def _operand(number: int, bolus: Bolus) -> bytes:
    flags = (bolus.delay is not None) | (bolus.more_flags >> 3 & 0b11) << 1
    octets = bolus.operand()
    return u8(number) + u8(flags) + octets[1:8] + (b"" if bolus.delay is None else u16(bolus.delay))


def _set_template(s: Session, number: int, bolus: Bolus) -> None:
    answer = s.answered(CCP, request("SetBolusTemplate", _operand(number, bolus)), "SetBolusTemplateResponse")
    s.equal("template number of the answer", answer.fields["template_number"], number)


@case("bolus-template.set-get", "3.7.2", "A bolus template reads back as it was set, and is configured.",
      needs=TEMPLATE,
      command=True)  # fmt: skip
def _set_get(s: Session) -> None:
    number = configurable(s, TemplateType.BOLUS)[0]
    for kind in kinds_of(s):
        delay = 20 if s.bench.features & F.BOLUS_DELAY_TIME else None
        bolus = Bolus(kind, right(kind).fast, right(kind).extended, right(kind).minutes, delay, more_flags=0b01000)
        _set_template(s, number, bolus)
        answer = s.answered(CCP, request("GetBolusTemplate", u8(number)), "GetBolusTemplateResponse")
        s.same("the template", CCP, answer.octets, request("GetBolusTemplateResponse", _operand(number, bolus)))
    s.holds(number in of_type(s, TemplateType.BOLUS).configured, f"template {number} configured", "it is not")


@case("bolus-template.get-not-configured", "3.7.2", "Reading a bolus template that is not configured answers 0x74.",
      needs=TEMPLATE, command=True)  # fmt: skip
def _get_empty(s: Session) -> None:
    found = of_type(s, TemplateType.BOLUS)
    empty = [number for number in found.numbers if number not in found.configured]
    if not empty:
        raise NotPossible("all bolus templates are configured")
    s.code(CCP, request("GetBolusTemplate", u8(empty[0])), NOT_APPLICABLE)


@case("bolus-template.number", "3.7.2", "A template number that is no bolus template's answers 0x73.", needs=TEMPLATE,
      command=True)  # fmt: skip
def _number(s: Session) -> None:
    bolus = right(kinds_of(s)[0])
    others = [outside(s), 0]
    if s.bench.features & F.BASAL_RATE:
        others.append(of_type(s, KINDS[0].type).first)
    for number in others:
        s.code(CCP, request("GetBolusTemplate", u8(number)), OUT_OF_RANGE)
        s.code(CCP, request("SetBolusTemplate", _operand(number, bolus)), OUT_OF_RANGE)


@case("bolus-template.wrong-values", "3.7.2", "An RFU type answers 0x71, an amount out of range 0x73.", needs=TEMPLATE,
      command=True)  # fmt: skip
def _wrong(s: Session) -> None:
    kind = kinds_of(s)[0]
    number = configurable(s, TemplateType.BOLUS)[0]
    for word in (ANY_RFU, BolusType.UNDETERMINED, 0xFF):
        s.code(CCP, request("SetBolusTemplate", _operand(number, Bolus(word, "1"))), INVALID)
    s.code(CCP, request("SetBolusTemplate", _operand(number, right(kind, HUGE))), OUT_OF_RANGE)


@case("bolus-template.used", "3.7.2.14", "Set Bolus with a template takes its settings; the operand's are ignored.",
      needs=TEMPLATE, command=True)  # fmt: skip
def _used(s: Session) -> None:
    kind = kinds_of(s)[0]
    run_therapy(s)
    number = configurable(s, TemplateType.BOLUS)[0]
    _set_template(s, number, right(kind))
    answer = s.answered(CCP, Bolus(kind, HUGE, "0", 0, template=number).request(), "SetBolusResponse")
    message = request("GetActiveBolusDelivery", u16(answer.fields["bolus_id"]), u8(0x0F))
    fields = s.answered(SRCP, message, "GetActiveBolusDeliveryResponse").fields
    seen = (fields["fast_amount_iu"], fields["extended_amount_iu"])
    s.equal("amounts", seen, (Decimal(str(right(kind).fast)), Decimal(str(right(kind).extended))))


@case("bolus-template.use-not-configured", "3.7.2.14", "Set Bolus with a template that is not configured answers 0x74.",
      needs=TEMPLATE, command=True)  # fmt: skip
def _use_empty(s: Session) -> None:
    kind = kinds_of(s)[0]
    run_therapy(s)
    found = of_type(s, TemplateType.BOLUS)
    empty = [number for number in found.numbers if number not in found.configured]
    if not empty:
        raise NotPossible("all bolus templates are configured")
    s.code(CCP, right(kind, template=empty[0]).request(), NOT_APPLICABLE)


@case("bolus-template.use-no-template", "3.7.2.14", "Set Bolus with a template number out of range answers 0x73.",
      needs=TEMPLATE, command=True)  # fmt: skip
def _use_outside(s: Session) -> None:
    kind = kinds_of(s)[0]
    run_therapy(s)
    s.code(CCP, right(kind, template=outside(s)).request(), OUT_OF_RANGE)


@case("bolus-template.reset", "3.7.2", "A bolus template that was reset is not configured any more.", needs=TEMPLATE,
      command=True)  # fmt: skip
def _reset(s: Session) -> None:
    number = configurable(s, TemplateType.BOLUS)[0]
    _set_template(s, number, right(kinds_of(s)[0]))
    s.answered(CCP, request("ResetTemplateStatus", u8(1), u8(number)), "ResetTemplateStatusResponse")
    s.code(CCP, request("GetBolusTemplate", u8(number)), NOT_APPLICABLE)
