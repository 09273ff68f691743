"""Cases: profile templates of the four kinds, and what all templates have in common (IDS 1.0.2, 3.7.2, 3.8)."""

from __future__ import annotations

from collections.abc import Callable

from pumprig.conformance.model import Failed, NotPossible, case
from pumprig.conformance.octets import NAN, hex_of, request, sf, u8, u16
from pumprig.conformance.session import CCP, RACP, SRCP, Session
from pumprig.conformance.steps import (
    DAY_MINUTES,
    KINDS,
    Kind,
    activate,
    block_of,
    configurable,
    kind_blocks,
    of_type,
    outside,
    read_profile,
    selection,
    templates,
    write_profile,
)
from pumpwire import database
from pumpwire.enums import IddFeatureFlags, RacpOperator, ResponseCode, TemplateType

SUCCESS, INVALID = ResponseCode.SUCCESS, ResponseCode.INVALID_OPERAND
OUT_OF_RANGE, NOT_APPLICABLE = ResponseCode.PARAMETER_OUT_OF_RANGE, ResponseCode.PROCEDURE_NOT_APPLICABLE
IMPLAUSIBLE = ResponseCode.PLAUSIBILITY_CHECK_FAILED
F = IddFeatureFlags
ANY_TEMPLATE = {
    TemplateType.BASAL_RATE_PROFILE: F.BASAL_RATE, TemplateType.TBR: F.TBR_TEMPLATE,
    TemplateType.BOLUS: F.BOLUS_TEMPLATE, TemplateType.ISF_PROFILE: F.ISF_PROFILE_TEMPLATE,
    TemplateType.ICHO_RATIO_PROFILE: F.ICHO_RATIO_PROFILE_TEMPLATE,
    TemplateType.TARGET_GLUCOSE_RANGE_PROFILE: F.TARGET_GLUCOSE_RANGE_PROFILE_TEMPLATE,
}  # fmt: skip
PROFILES = tuple(kind.type for kind in KINDS)

# --- Writing and reading ----------------------------------------------------------------------------------------


def _number(s: Session, kind: Kind) -> int:
    return configurable(s, kind.type)[0]


def _same(s: Session, kind: Kind, number: int, blocks: list[tuple[int, str]]) -> None:
    _, read = read_profile(s, kind, number)
    s.equal("block numbers", [index for index, _ in read], list(range(1, len(blocks) + 1)))
    for (index, seen), (minutes, value) in zip(read, blocks, strict=True):
        s.equal(f"block {index}", seen, block_of(kind.block(minutes, value)))


def _one_day(s: Session, kind: Kind) -> None:
    number = _number(s, kind)
    blocks = [(DAY_MINUTES, kind.values[0])]
    write_profile(s, kind, number, blocks)
    _same(s, kind, number, blocks)


def _example(s: Session, kind: Kind) -> None:
    number = _number(s, kind)
    write_profile(s, kind, number, kind_blocks(kind))
    _same(s, kind, number, kind_blocks(kind))


def _flags_when_read(s: Session, kind: Kind) -> None:
    number = _number(s, kind)
    write_profile(s, kind, number, kind_blocks(kind))
    answer, _ = read_profile(s, kind, number)
    wanted = []
    for first in range(0, 5, kind.per_write):
        count = min(kind.per_write, 5 - first)
        wanted.append(((1 << count - 1) - 1, first + 1))
    s.equal("flags and first block numbers", [(octets[2], octets[4]) for octets in answer.data], wanted)


def _any_order(s: Session, kind: Kind) -> None:
    number = _number(s, kind)
    blocks = kind_blocks(kind)
    late = kind.part(number, 4, blocks[3:5], False)
    s.equal("completed", s.answered(CCP, late, kind.written).fields["flags"], 0)
    for first in range(0, 3, kind.per_write):
        part = blocks[first : min(3, first + kind.per_write)]
        end = first + len(part) == 3
        answer = s.answered(CCP, kind.part(number, first + 1, part, end), kind.written)
        s.equal("completed", answer.fields["flags"], int(end))
    _same(s, kind, number, blocks)


def _replaces(s: Session, kind: Kind) -> None:
    number = _number(s, kind)
    write_profile(s, kind, number, kind_blocks(kind))
    _one_day(s, kind)


def _refused(s: Session, kind: Kind, code: int, *parts: tuple[int, list[tuple[int, str]]]) -> None:
    """Writes parts, the last with the end bit; that one, or one before it, must be refused."""
    number = _number(s, kind)
    write_profile(s, kind, number, [(DAY_MINUTES, kind.values[0])])
    for place, (first, blocks) in enumerate(parts, 1):
        answer = s.ask(CCP, kind.part(number, first, blocks, place == len(parts)))
        if answer.code is not None or place == len(parts):
            s.has_code(answer, code)
            break
    _same(s, kind, number, [(DAY_MINUTES, kind.values[0])])


def _sum_low(s: Session, kind: Kind) -> None:
    _refused(s, kind, IMPLAUSIBLE, (1, [(DAY_MINUTES - 1, kind.values[0])]))


def _sum_high(s: Session, kind: Kind) -> None:
    _refused(s, kind, IMPLAUSIBLE, (1, [(721, kind.values[0]), (720, kind.values[1])]))


def _gap(s: Session, kind: Kind) -> None:
    _refused(s, kind, IMPLAUSIBLE, (1, [(720, kind.values[0])]), (3, [(720, kind.values[1])]))


def _first_missing(s: Session, kind: Kind) -> None:
    _refused(s, kind, IMPLAUSIBLE, (2, [(DAY_MINUTES, kind.values[0])]))


def _overlap(s: Session, kind: Kind) -> None:
    block = [(720, kind.values[0])]
    _refused(s, kind, IMPLAUSIBLE, (1, block), (1, block), (2, block))


def _drops(s: Session, kind: Kind) -> None:
    """After a refusal the blocks written before it are gone."""
    number = _number(s, kind)
    block = [(720, kind.values[0])]
    s.answered(CCP, kind.part(number, 1, block, False), kind.written)
    s.code(CCP, kind.part(number, 1, block, False), IMPLAUSIBLE)
    s.code(CCP, kind.part(number, 2, block, True), IMPLAUSIBLE)


def _block_zero(s: Session, kind: Kind) -> None:
    s.code(CCP, kind.part(_number(s, kind), 0, [(DAY_MINUTES, kind.values[0])], True), OUT_OF_RANGE)


def _too_many(s: Session, kind: Kind) -> None:
    found = of_type(s, kind.type)
    if found.max_blocks >= 255:
        raise NotPossible("255 blocks are allowed")
    number = _number(s, kind)
    s.code(CCP, kind.part(number, found.max_blocks + 1, [(60, kind.values[0])], False), OUT_OF_RANGE)


def _no_template(s: Session, kind: Kind) -> None:
    number = outside(s)
    s.code(CCP, kind.part(number, 1, [(DAY_MINUTES, kind.values[0])], True), OUT_OF_RANGE)
    s.code(CCP, request(kind.read, u8(number)), OUT_OF_RANGE)
    s.code(CCP, request(kind.read, u8(0)), OUT_OF_RANGE)


def _other_type(s: Session, kind: Kind) -> None:
    others = [number for one in templates(s).values() if one.type != kind.type for number in one.numbers]
    if not others:
        raise NotPossible("there are no templates of another type")
    s.code(CCP, kind.part(others[0], 1, [(DAY_MINUTES, kind.values[0])], True), OUT_OF_RANGE)
    s.code(CCP, request(kind.read, u8(others[0])), OUT_OF_RANGE)


def _not_configured(s: Session, kind: Kind) -> None:
    found = of_type(s, kind.type)
    empty = [number for number in found.numbers if number not in found.configured]
    if not empty:
        raise NotPossible("all templates are configured")
    s.code(CCP, request(kind.read, u8(empty[0])), NOT_APPLICABLE)


def _not_configurable(s: Session, kind: Kind) -> None:
    found = of_type(s, kind.type)
    fixed = [number for number in found.numbers if number not in found.configurable]
    if not fixed:
        raise NotPossible("all templates are configurable")
    s.code(CCP, kind.part(fixed[0], 1, [(DAY_MINUTES, kind.values[0])], True), NOT_APPLICABLE)


def _flags_lie(s: Session, kind: Kind) -> None:
    """A block that the flags announce and that is not there, and one that is there and not announced."""
    number, block = _number(s, kind), kind.block(DAY_MINUTES, kind.values[0])
    s.code(CCP, request(kind.write, u8(0b011), u8(number), u8(1), block), INVALID)
    s.code(CCP, request(kind.write, u8(0b001), u8(number), u8(1), block, block), INVALID)


def _third_alone(s: Session, kind: Kind) -> None:
    number, block = _number(s, kind), kind.block(480, kind.values[0])
    s.code(CCP, request(kind.write, u8(0b101), u8(number), u8(1), *[block] * kind.per_write), INVALID)


def _no_value(s: Session, kind: Kind) -> None:
    number = _number(s, kind)
    block = u16(DAY_MINUTES) + NAN * (1 if kind.high is None else 2)
    s.code(CCP, request(kind.write, u8(1), u8(number), u8(1), block), INVALID, OUT_OF_RANGE)


def _connection(s: Session, kind: Kind) -> None:
    number = _number(s, kind)
    s.answered(CCP, kind.part(number, 1, [(720, kind.values[0])], False), kind.written)
    s.open()
    s.code(CCP, kind.part(number, 2, [(720, kind.values[1])], True), IMPLAUSIBLE)


def _configures(s: Session, kind: Kind) -> None:
    number = _number(s, kind)
    write_profile(s, kind, number, [(DAY_MINUTES, kind.values[0])])
    s.holds(number in of_type(s, kind.type).configured, f"template {number} configured", "it is not")


def _resets(s: Session, kind: Kind) -> None:
    number = configurable(s, kind.type, 2)[1]
    write_profile(s, kind, number, [(DAY_MINUTES, kind.values[0])])
    _reset_one(s, number)
    s.holds(number not in of_type(s, kind.type).configured, f"template {number} not configured", "it is")
    s.code(CCP, request(kind.read, u8(number)), NOT_APPLICABLE)


def _activates(s: Session, kind: Kind) -> None:
    for number in configurable(s, kind.type)[:2]:
        write_profile(s, kind, number, [(DAY_MINUTES, kind.values[0])])
        answer = activate(s, number)
        s.equal("the answer's octets", hex_of(answer.octets), f"47 12 01 {number:02x}")
        active = [one for one in _activated(s) if one in of_type(s, kind.type).numbers]
        s.equal("activated templates of the type", active, [number])


def _active_not_reset(s: Session, kind: Kind) -> None:
    number = _number(s, kind)
    write_profile(s, kind, number, [(DAY_MINUTES, kind.values[0])])
    activate(s, number)
    s.code(CCP, request("ResetTemplateStatus", u8(1), u8(number)), NOT_APPLICABLE)
    _same(s, kind, number, [(DAY_MINUTES, kind.values[0])])


_PROFILE_CASES: tuple[tuple[str, str, Callable[[Session, Kind], None]], ...] = (
    ("one-day", "A profile of one block is written and reads back.", _one_day),
    ("five-blocks", "A profile of five blocks is written in parts and reads back (appendix B).", _example),
    ("flags-when-read", "Blocks that are read are announced by bits 0 and 1, and numbered from 1.", _flags_when_read),
    ("any-order", "The parts of a profile may come in any order.", _any_order),
    ("replaces", "A profile that is written again takes the place of the one before.", _replaces),
    ("sum-too-low", "Durations of 1439 minutes answer 0x75, and the profile stays as it was.", _sum_low),
    ("sum-too-high", "Durations of 1441 minutes answer 0x75, and the profile stays as it was.", _sum_high),
    ("gap", "A block that is missing answers 0x75, and the profile stays as it was.", _gap),
    ("first-missing", "A profile that begins with block 2 answers 0x75.", _first_missing),
    ("overlap", "A block that comes twice answers 0x75, and the profile stays as it was.", _overlap),
    ("refusal-drops", "A refusal drops the blocks that were written before it.", _drops),
    ("block-zero", "A first block number of 0 answers 0x73.", _block_zero),
    ("too-many-blocks", "A block beyond the maximum answers 0x73.", _too_many),
    ("no-such-template", "A template number that no type has answers 0x73.", _no_template),
    ("other-type", "A template number of another type answers 0x73.", _other_type),
    ("not-configured", "Reading a template that is not configured answers 0x74.", _not_configured),
    ("not-configurable", "Writing a template that is not configurable answers 0x74.", _not_configurable),
    ("flags-lie", "Flags that announce other blocks than are there answer 0x71.", _flags_lie),
    ("third-without-second", "A third block without a second one answers 0x71.", _third_alone),
    ("no-number", "A value that is no number answers 0x71 or 0x73.", _no_value),
    ("ends-with-connection", "A connection that ends drops the transaction.", _connection),
    ("configures", "A profile that was written is configured.", _configures),
    ("reset", "A template that was reset is not configured any more.", _resets),
    ("activate", "One profile of a type is activated, the last one.", _activates),
    ("activated-not-reset", "An activated profile cannot be reset: 0x74.", _active_not_reset),
)


def _profile_case(kind: Kind, name: str, about: str, run: Callable[[Session, Kind], None]) -> None:
    @case(f"profile.{kind.name}.{name}", "3.7.2.6" if kind.name == "basal" else "3.7.2", about, needs=kind.feature,
          command=True)  # fmt: skip
    def _run(s: Session) -> None:
        if name == "third-without-second" and kind.high is not None:
            raise NotPossible("a write holds two blocks at most")
        run(s, kind)


for _kind in KINDS:
    for _name, _about, _function in _PROFILE_CASES:
        _profile_case(_kind, _name, _about, _function)

@case("profile.target.low-above-high", "3.7.2", "A target range whose low is above its high answers 0x73 or 0x75.",
      needs=F.TARGET_GLUCOSE_RANGE_PROFILE_TEMPLATE, command=True)  # fmt: skip
def _low_above_high(s: Session) -> None:
    number = _number(s, KINDS[-1])
    block = u16(DAY_MINUTES) + sf("120") + sf("90")
    s.code(CCP, request(KINDS[-1].write, u8(1), u8(number), u8(1), block), OUT_OF_RANGE, IMPLAUSIBLE)


# --- Intruders --------------------------------------------------------------------------------------------------

_INTRUDERS = {
    "reader": (SRCP, request("GetTotalDailyInsulinStatus"), "a procedure of the Status Reader Control Point"),
    "refused-reader": (SRCP, request(0x0505), "an opcode that is not supported"),
    "command": (CCP, request("GetActivatedProfileTemplates"), "another command"),
    "racp": (RACP, request("RacpReportNumberOfStoredRecords", selection(RacpOperator.ALL)), "one of the IDD RACP"),
    "template-status": (CCP, request("GetTemplateStatusAndDetails"), "a command with Command Data"),
}


def _intruder(kind: Kind, name: str) -> None:
    on, message, about = _INTRUDERS[name]

    @case(f"profile.{kind.name}.intruder.{name}", "3.7.2.6", f"A write transaction is dropped by {about}.",
          needs=kind.feature, command=True, history=on is RACP)  # fmt: skip
    def _drops_it(s: Session) -> None:
        number = _number(s, kind)
        write_profile(s, kind, number, [(DAY_MINUTES, kind.values[2])])
        s.answered(CCP, kind.part(number, 1, [(720, kind.values[0])], False), kind.written)
        answer = s.ask(on, message)
        s.holds(answer.octets is not None, "the intruder is answered", str(answer))
        s.code(CCP, kind.part(number, 2, [(720, kind.values[1])], True), IMPLAUSIBLE)
        _same(s, kind, number, [(DAY_MINUTES, kind.values[2])])


for _kind in KINDS:
    for _name in _INTRUDERS:
        _intruder(_kind, _name)


@case("profile.basal.intruder.other-template", "3.7.2.6", "A write to another template drops the transaction.",
      needs=F.BASAL_RATE, command=True)  # fmt: skip
def _other_number(s: Session) -> None:
    kind = KINDS[0]
    one, other = configurable(s, kind.type, 2)[:2]
    s.answered(CCP, kind.part(one, 1, [(720, kind.values[0])], False), kind.written)
    s.ask(CCP, kind.part(other, 1, [(720, kind.values[0])], False))
    s.code(CCP, kind.part(one, 2, [(720, kind.values[1])], True), IMPLAUSIBLE)


@case("profile.basal.read-is-no-intruder", "3.7.2.6", "Reading a characteristic leaves a write transaction alone.",
      needs=F.BASAL_RATE, command=True)  # fmt: skip
def _reading(s: Session) -> None:
    kind = KINDS[0]
    number = _number(s, kind)
    s.answered(CCP, kind.part(number, 1, [(720, kind.values[0])], False), kind.written)
    s.read(database.STATUS)
    answer = s.answered(CCP, kind.part(number, 2, [(720, kind.values[1])], True), kind.written)
    s.equal("completed", answer.fields["flags"], 1)


# --- Template status, reset, activation ---------------------------------------------------------------------------


def _activated(s: Session) -> list[int]:
    answer = s.answered(CCP, request("GetActivatedProfileTemplates"), "GetActivatedProfileTemplatesResponse")
    return list(answer.fields["template_numbers"])


def _reset_one(s: Session, number: int) -> None:
    answer = s.answered(CCP, request("ResetTemplateStatus", u8(1), u8(number)), "ResetTemplateStatusResponse")
    s.equal("template numbers of the answer", list(answer.fields["template_numbers"]), [number])


def _any_profile(s: Session) -> Kind:
    for kind in KINDS:
        if s.bench.features & kind.feature:
            return kind
    raise NotPossible("the server has no profile templates")


@case("templates.types", "3.8", "Each type of template that is advertised is told once, and no other one.",
      command=True)  # fmt: skip
def _types(s: Session) -> None:
    wanted = sorted(kind for kind, feature in ANY_TEMPLATE.items() if s.bench.features & feature)
    if not wanted:
        raise NotPossible("the server has no templates")
    answer = s.code(CCP, request("GetTemplateStatusAndDetails"), SUCCESS)
    s.equal("template types", sorted(octets[2] for octets in answer.data), [int(kind) for kind in wanted])


@case("templates.numbers", "3.8", "No template number belongs to two types.", command=True)
def _numbers(s: Session) -> None:
    _any_profile(s)
    numbers = [number for one in templates(s).values() for number in one.numbers]
    s.equal("numbers that stand twice", sorted({one for one in numbers if numbers.count(one) > 1}), [])


@case("templates.max-blocks", "3.8",
      "The maximum of blocks is 0 for types that are no profiles, and positive for profiles.",
      command=True)  # fmt: skip
def _max_blocks(s: Session) -> None:
    _any_profile(s)
    for one in templates(s).values():
        profile = one.type in PROFILES
        s.holds((one.max_blocks > 0) == profile, f"type 0x{one.type:02X}: {'some' if profile else '0'}", str(one))


@case("templates.padding", "3.8", "The states take two bits for each template, and the bits left over are 0.",
      command=True)  # fmt: skip
def _padding(s: Session) -> None:
    _any_profile(s)
    answer = s.code(CCP, request("GetTemplateStatusAndDetails"), SUCCESS)
    for octets in answer.data:
        count, states = octets[4], octets[6:]
        s.equal("octets of states", len(states), -(-count // 4))
        left = int.from_bytes(states, "little") >> 2 * count
        s.holds(left == 0, "bits behind the last template 0", hex_of(octets))


@case("templates.reset-unknown", "3.7.2", "Resetting a template that does not exist answers 0x74, and resets nothing.",
      command=True)  # fmt: skip
def _reset_unknown(s: Session) -> None:
    kind = _any_profile(s)
    number = configurable(s, kind.type, 2)[1]
    write_profile(s, kind, number, [(DAY_MINUTES, kind.values[0])])
    s.code(CCP, request("ResetTemplateStatus", u8(2), u8(number), u8(outside(s))), NOT_APPLICABLE)
    _same(s, kind, number, [(DAY_MINUTES, kind.values[0])])


@case("templates.reset-not-configured", "3.7.2", "Resetting a template that is not configured answers 0x74.",
      command=True)  # fmt: skip
def _reset_empty(s: Session) -> None:
    kind = _any_profile(s)
    found = of_type(s, kind.type)
    empty = [number for number in found.configurable if number not in found.configured]
    if not empty:
        raise NotPossible("all templates are configured")
    s.code(CCP, request("ResetTemplateStatus", u8(1), u8(empty[0])), NOT_APPLICABLE)


@case("templates.count-lies", "3.7.2", "A count of templates that does not fit the operand answers 0x71.", command=True)
def _count_lies(s: Session) -> None:
    _any_profile(s)
    for name in ("ResetTemplateStatus", "ActivateProfileTemplates"):
        for operand in (u8(2) + u8(1), u8(1) + u8(1) + u8(2), u8(0), u8(15) + bytes(14)):
            s.code(CCP, request(name, operand), INVALID)


@case("templates.activate-unknown", "3.7.2",
      "Activating a template that does not exist answers 0x74, activates nothing.",
      command=True)  # fmt: skip
def _activate_unknown(s: Session) -> None:
    kind = _any_profile(s)
    one, other = configurable(s, kind.type, 2)[:2]
    for number in (one, other):
        write_profile(s, kind, number, [(DAY_MINUTES, kind.values[0])])
    activate(s, one)
    s.has_code(activate(s, other, outside(s)), NOT_APPLICABLE)
    s.holds(one in _activated(s), f"template {one} still activated", str(_activated(s)))


@case("templates.activate-not-configured", "3.7.2", "Activating a template that is not configured answers 0x74.",
      command=True)  # fmt: skip
def _activate_empty(s: Session) -> None:
    kind = _any_profile(s)
    found = of_type(s, kind.type)
    empty = [number for number in found.configurable if number not in found.configured]
    if not empty:
        raise NotPossible("all templates are configured")
    s.has_code(activate(s, empty[0]), NOT_APPLICABLE)


@case("templates.activate-no-profile", "3.7.2", "Activating a template that is no profile answers 0x74.", command=True)
def _activate_other(s: Session) -> None:
    _any_profile(s)
    others = [number for one in templates(s).values() if one.type not in PROFILES for number in one.numbers]
    if not others:
        raise NotPossible("all templates are profiles")
    s.has_code(activate(s, others[0]), NOT_APPLICABLE)


@case("templates.activate-one-of-each", "3.7.2", "A profile of each type is activated beside the others.", command=True)
def _one_of_each(s: Session) -> None:
    kinds = [kind for kind in KINDS if s.bench.features & kind.feature]
    if len(kinds) < 2:
        raise NotPossible("the server has one kind of profile")
    numbers = []
    for kind in kinds:
        numbers.append(_number(s, kind))
        write_profile(s, kind, numbers[-1], [(DAY_MINUTES, kind.values[0])])
    answer = activate(s, *numbers)
    if answer.message is None or answer.message.name != "ActivateProfileTemplatesResponse":
        raise Failed("ActivateProfileTemplatesResponse", str(answer))
    s.equal("activated templates", sorted(_activated(s)), sorted(numbers))
