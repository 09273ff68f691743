"""Cases: temporary basal rates and their templates (IDS 1.0.2, 3.7.2)."""

from __future__ import annotations

from decimal import Decimal

from pumprig.conformance.model import NotPossible, case
from pumprig.conformance.octets import ANY_RFU, NAN, request, sf, u8, u16
from pumprig.conformance.session import CCP, SRCP, Session
from pumprig.conformance.steps import KINDS, configurable, of_type, outside, run_therapy, set_tbr, tbr_operand, therapy
from pumpwire.enums import DeliveryContext, IddFeatureFlags, ResponseCode, TbrType, TemplateType, TherapyControlState

SUCCESS, INVALID = ResponseCode.SUCCESS, ResponseCode.INVALID_OPERAND
OUT_OF_RANGE, NOT_APPLICABLE = ResponseCode.PARAMETER_OUT_OF_RANGE, ResponseCode.PROCEDURE_NOT_APPLICABLE
F = IddFeatureFlags
FEATURE_OF = {TbrType.ABSOLUTE: F.TBR_ABSOLUTE, TbrType.RELATIVE: F.TBR_RELATIVE}
VALUES = {TbrType.ABSOLUTE: ("0.5", "2"), TbrType.RELATIVE: ("0.5", "1.1")}
HUGE = sf(Decimal(2047).scaleb(7))
SET = "SetTbrAdjustment"


def active(s: Session) -> dict[str, object]:
    """The fields of the active basal rate."""
    answer = s.answered(SRCP, request("GetActiveBasalRateDelivery"), "GetActiveBasalRateDeliveryResponse")
    return dict(answer.fields)


def any_tbr(s: Session) -> TbrType:
    """A TBR type that the server has."""
    for kind, feature in FEATURE_OF.items():
        if s.bench.features & feature:
            return kind
    raise NotPossible("the server has no TBR")


def _tbr_case(kind: TbrType) -> None:
    name = f"tbr.{kind.name.lower()}"
    needs = FEATURE_OF[kind]
    value, other = VALUES[kind]

    @case(f"{name}.start", "3.7.2.7", f"A TBR of the type {kind.name.lower()} starts, and is told as it was set.",
          needs=needs, command=True)  # fmt: skip
    def _start(s: Session) -> None:
        run_therapy(s)
        minutes = set_tbr(s, kind, value)
        fields = active(s)
        seen = (fields["tbr_type"], fields["tbr_value"], fields["tbr_programmed_duration_minutes"])
        s.equal("type, value and duration", str(seen), str((kind, Decimal(value), minutes)))

    @case(f"{name}.zero", "3.7.2.7", f"A TBR of 0 of the type {kind.name.lower()} is a TBR.", needs=needs, command=True)
    def _zero(s: Session) -> None:
        run_therapy(s)
        set_tbr(s, kind, "0")
        s.equal("TBR value", active(s)["tbr_value"], Decimal(0))

    @case(f"{name}.change", "3.7.2.7", f"With the change bit a TBR of the type {kind.name.lower()} is changed.",
          needs=needs, command=True)  # fmt: skip
    def _change(s: Session) -> None:
        run_therapy(s)
        set_tbr(s, kind, value)
        set_tbr(s, kind, other, change=True)
        s.equal("TBR value", active(s)["tbr_value"], Decimal(other))

    @case(f"{name}.cancel", "3.7.2.8", f"A TBR of the type {kind.name.lower()} that is cancelled is none.", needs=needs,
          command=True)  # fmt: skip
    def _cancel(s: Session) -> None:
        run_therapy(s)
        set_tbr(s, kind, value)
        s.code(CCP, request("CancelTbrAdjustment"), SUCCESS)
        s.equal("TBR type", active(s)["tbr_type"], None)

    @case(f"{name}.ends", "3.7.2.7", f"A TBR of the type {kind.name.lower()} ends after its duration.", needs=needs,
          command=True, seconds=3700)  # fmt: skip
    def _ends(s: Session) -> None:
        run_therapy(s)
        minutes = set_tbr(s, kind, value)
        s.wait(60 * minutes - 30)
        s.equal("TBR type half a minute before the end", active(s)["tbr_type"], kind)
        s.wait(32)
        s.equal("TBR type after the end", active(s)["tbr_type"], None)


def _refusals(kind: TbrType) -> None:
    name = f"tbr.{kind.name.lower()}"
    needs = FEATURE_OF[kind]

    @case(f"{name}.value-out-of-range", "3.7.2.7",
          f"A value of the type {kind.name.lower()} out of range answers 0x73.",
          needs=needs, command=True)  # fmt: skip
    def _value(s: Session) -> None:
        run_therapy(s)
        for wrong in (HUGE, sf("-1")):
            s.code(CCP, request(SET, tbr_operand(kind, wrong, 30)), OUT_OF_RANGE)
        s.equal("TBR type", active(s)["tbr_type"], None)

    @case(f"{name}.duration-out-of-range", "3.7.2.7",
          f"A duration of 65535 min of the type {kind.name.lower()} answers 0x73.", needs=needs,
          command=True)  # fmt: skip
    def _duration(s: Session) -> None:
        run_therapy(s)
        s.code(CCP, request(SET, tbr_operand(kind, VALUES[kind][0], 65535)), OUT_OF_RANGE)

    @case(f"{name}.no-number", "3.7.2.7", f"NaN of the type {kind.name.lower()} answers 0x71 or 0x73.", needs=needs,
          command=True)  # fmt: skip
    def _nan(s: Session) -> None:
        run_therapy(s)
        s.code(CCP, request(SET, tbr_operand(kind, NAN, 30)), INVALID, OUT_OF_RANGE)


for _kind in FEATURE_OF:
    _tbr_case(_kind)
    _refusals(_kind)


@case("tbr.second", "3.7.2.7", "A TBR beside an active one, without the change bit, answers 0x74.", command=True)
def _second(s: Session) -> None:
    kind = any_tbr(s)
    run_therapy(s)
    set_tbr(s, kind, VALUES[kind][0])
    s.code(CCP, request(SET, tbr_operand(kind, VALUES[kind][1], 30)), NOT_APPLICABLE)
    s.equal("TBR value", active(s)["tbr_value"], Decimal(VALUES[kind][0]))


@case("tbr.change-without", "3.7.2.7", "The change bit without an active TBR answers 0x74.", command=True)
def _change_without(s: Session) -> None:
    kind = any_tbr(s)
    run_therapy(s)
    s.code(CCP, request(SET, tbr_operand(kind, VALUES[kind][0], 30, change=True)), NOT_APPLICABLE)
    s.equal("TBR type", active(s)["tbr_type"], None)


@case("tbr.cancel-without", "3.7.2.8", "Cancelling without an active TBR answers 0x74.", command=True)
def _cancel_without(s: Session) -> None:
    any_tbr(s)
    run_therapy(s)
    s.code(CCP, request("CancelTbrAdjustment"), NOT_APPLICABLE)


@case("tbr.rfu-type", "3.7.2.7", "An RFU TBR type, and undetermined, answer 0x71.", command=True)
def _rfu_type(s: Session) -> None:
    any_tbr(s)
    run_therapy(s)
    for kind in (ANY_RFU, 0x00, TbrType.UNDETERMINED, 0x55, 0xFF):
        s.code(CCP, request(SET, tbr_operand(kind, "1", 30)), INVALID)


@case("tbr.unsupported-type", "3.7.2.7", "A TBR type that is not advertised answers 0x71.", command=True)
def _unsupported(s: Session) -> None:
    any_tbr(s)
    run_therapy(s)
    missing = [kind for kind, feature in FEATURE_OF.items() if not s.bench.features & feature]
    if not missing:
        raise NotPossible("the server has both TBR types")
    s.code(CCP, request(SET, tbr_operand(missing[0], "1", 30)), INVALID)


@case("tbr.context", "3.7.2.7", "A delivery context that is given is told with the active basal rate.", command=True)
def _context(s: Session) -> None:
    kind = any_tbr(s)
    run_therapy(s)
    set_tbr(s, kind, VALUES[kind][0], context=DeliveryContext.AP_CONTROLLER)
    seen = active(s)["context"]
    s.holds(seen in (None, DeliveryContext.AP_CONTROLLER), "AP_CONTROLLER, or none", str(seen))


@case("tbr.rfu-context", "3.7.2.7", "An RFU delivery context answers 0x71.", command=True)
def _rfu_context(s: Session) -> None:
    kind = any_tbr(s)
    run_therapy(s)
    for context in (ANY_RFU, 0x00, 0xFF):
        s.code(CCP, request(SET, tbr_operand(kind, VALUES[kind][0], 30, context=context)), INVALID)


@case("tbr.rfu-flags", "1.8", "RFU bits of the flags are ignored.", command=True)
def _rfu_flags(s: Session) -> None:
    kind = any_tbr(s)
    run_therapy(s)
    set_tbr(s, kind, VALUES[kind][0], more_flags=0xF8)


@case("tbr.flags-lie", "3.7.2.7", "Flags that announce fields which are not there answer 0x71.", command=True)
def _flags_lie(s: Session) -> None:
    kind = any_tbr(s)
    run_therapy(s)
    for flags in (0b001, 0b010, 0b011):
        s.code(CCP, request(SET, tbr_operand(kind, VALUES[kind][0], 30, more_flags=flags)), INVALID)


@case("tbr.ends-with-stop", "3.7.2.2", "Stop ends a TBR: afterwards none is active.", command=True)
def _stop(s: Session) -> None:
    kind = any_tbr(s)
    run_therapy(s)
    set_tbr(s, kind, VALUES[kind][0])
    therapy(s, TherapyControlState.STOP)
    s.code(CCP, request("CancelTbrAdjustment"), NOT_APPLICABLE)


@case("tbr.template-without-feature", "3.7.2.7", "A template number without TBR templates answers 0x71.", command=True)
def _template_without(s: Session) -> None:
    kind = any_tbr(s)
    if s.bench.features & F.TBR_TEMPLATE:
        raise NotPossible("the server has TBR templates")
    run_therapy(s)
    s.code(CCP, request(SET, tbr_operand(kind, "1", 30, template=1)), INVALID)


# --- Templates --------------------------------------------------------------------------------------------------

TEMPLATE = F.TBR_TEMPLATE


def _set_template(s: Session, number: int, kind: TbrType, value: str, minutes: int = 30) -> None:
    message = request("SetTbrTemplate", u8(number), u8(kind), sf(value), u16(minutes))
    answer = s.answered(CCP, message, "SetTbrTemplateResponse")
    s.equal("template number of the answer", answer.fields["template_number"], number)


@case("tbr-template.set-get", "3.7.2", "A TBR template reads back as it was set, and is configured.", needs=TEMPLATE,
      command=True)  # fmt: skip
def _set_get(s: Session) -> None:
    kind = any_tbr(s)
    number = configurable(s, TemplateType.TBR)[0]
    _set_template(s, number, kind, VALUES[kind][0])
    answer = s.answered(CCP, request("GetTbrTemplate", u8(number)), "GetTbrTemplateResponse")
    wanted = request("GetTbrTemplateResponse", u8(number), u8(kind), sf(VALUES[kind][0]), u16(30))
    s.same("the template", CCP, answer.octets, wanted)
    s.holds(number in of_type(s, TemplateType.TBR).configured, f"template {number} configured", "it is not")


@case("tbr-template.get-not-configured", "3.7.2", "Reading a TBR template that is not configured answers 0x74.",
      needs=TEMPLATE, command=True)  # fmt: skip
def _get_empty(s: Session) -> None:
    found = of_type(s, TemplateType.TBR)
    empty = [number for number in found.numbers if number not in found.configured]
    if not empty:
        raise NotPossible("all TBR templates are configured")
    s.code(CCP, request("GetTbrTemplate", u8(empty[0])), NOT_APPLICABLE)


@case("tbr-template.number", "3.7.2", "A template number that is no TBR template's answers 0x73.", needs=TEMPLATE,
      command=True)  # fmt: skip
def _number(s: Session) -> None:
    kind = any_tbr(s)
    others = [outside(s), 0]
    if s.bench.features & F.BASAL_RATE:
        others.append(of_type(s, KINDS[0].type).first)
    for number in others:
        s.code(CCP, request("GetTbrTemplate", u8(number)), OUT_OF_RANGE)
        s.code(CCP, request("SetTbrTemplate", u8(number), u8(kind), sf("1"), u16(30)), OUT_OF_RANGE)


@case("tbr-template.preset", "3.7.2", "Setting a TBR template that is not configurable answers 0x74.", needs=TEMPLATE,
      command=True)  # fmt: skip
def _preset(s: Session) -> None:
    kind = any_tbr(s)
    found = of_type(s, TemplateType.TBR)
    fixed = [number for number in found.numbers if number not in found.configurable]
    if not fixed:
        raise NotPossible("all TBR templates are configurable")
    s.code(CCP, request("SetTbrTemplate", u8(fixed[0]), u8(kind), sf("1"), u16(30)), NOT_APPLICABLE)
    if fixed[0] in found.configured:
        s.answered(CCP, request("GetTbrTemplate", u8(fixed[0])), "GetTbrTemplateResponse")
        s.code(CCP, request("ResetTemplateStatus", u8(1), u8(fixed[0])), NOT_APPLICABLE)


@case("tbr-template.wrong-values", "3.7.2", "An RFU type answers 0x71; a value or duration out of range 0x73.",
      needs=TEMPLATE, command=True)  # fmt: skip
def _wrong(s: Session) -> None:
    kind = any_tbr(s)
    number = configurable(s, TemplateType.TBR)[0]

    def refused(code: int, word: int, value: bytes, minutes: int) -> None:
        s.code(CCP, request("SetTbrTemplate", u8(number), u8(word), value, u16(minutes)), code)

    for word in (ANY_RFU, TbrType.UNDETERMINED, 0xFF):
        refused(INVALID, word, sf("1"), 30)
    refused(OUT_OF_RANGE, kind, HUGE, 30)
    refused(OUT_OF_RANGE, kind, sf("1"), 65535)


@case("tbr-template.used", "3.7.2.7", "Set TBR with a template takes its settings; the operand's values are ignored.",
      needs=TEMPLATE, command=True)  # fmt: skip
def _used(s: Session) -> None:
    kind = any_tbr(s)
    run_therapy(s)
    number = configurable(s, TemplateType.TBR)[0]
    _set_template(s, number, kind, VALUES[kind][0])
    s.code(CCP, request(SET, tbr_operand(kind, HUGE, 65535, template=number)), SUCCESS)
    fields = active(s)
    s.equal("TBR value", fields["tbr_value"], Decimal(VALUES[kind][0]))
    s.equal("TBR duration", fields["tbr_programmed_duration_minutes"], 30)
    seen = fields["tbr_template_number"]
    s.holds(seen in (None, number), f"template {number}, or none told", str(seen))


@case("tbr-template.use-not-configured", "3.7.2.7", "Set TBR with a template that is not configured answers 0x74.",
      needs=TEMPLATE, command=True)  # fmt: skip
def _use_empty(s: Session) -> None:
    kind = any_tbr(s)
    run_therapy(s)
    found = of_type(s, TemplateType.TBR)
    empty = [number for number in found.numbers if number not in found.configured]
    if not empty:
        raise NotPossible("all TBR templates are configured")
    s.code(CCP, request(SET, tbr_operand(kind, "1", 30, template=empty[0])), NOT_APPLICABLE)


@case("tbr-template.use-no-template", "3.7.2.7", "Set TBR with a template number out of range answers 0x73.",
      needs=TEMPLATE, command=True)  # fmt: skip
def _use_outside(s: Session) -> None:
    kind = any_tbr(s)
    run_therapy(s)
    s.code(CCP, request(SET, tbr_operand(kind, "1", 30, template=outside(s))), OUT_OF_RANGE)


@case("tbr-template.reset", "3.7.2", "A TBR template that was reset is not configured any more.", needs=TEMPLATE,
      command=True)  # fmt: skip
def _reset(s: Session) -> None:
    kind = any_tbr(s)
    number = configurable(s, TemplateType.TBR)[0]
    _set_template(s, number, kind, VALUES[kind][0])
    s.answered(CCP, request("ResetTemplateStatus", u8(1), u8(number)), "ResetTemplateStatusResponse")
    s.code(CCP, request("GetTbrTemplate", u8(number)), NOT_APPLICABLE)
