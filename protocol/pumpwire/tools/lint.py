"""The rules that every declaration keeps, beyond what the generator needs to accept it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from pumpwire.database import SERVICES, Characteristic
from pumpwire.declare import TO_CLIENT, TO_PUMP, Message
from pumpwire.errors import WireError
from pumpwire.hamming import is_word
from pumpwire.registry import MESSAGES
from pumpwire.tools.show import octets_max

__all__ = ["RULES", "Finding", "lint"]

_RANGES: Final = {
    "u8": (0, 0xFF), "u16": (0, 0xFFFF), "u24": (0, 0xFFFFFF), "u32": (0, 0xFFFFFFFF),
    "s8": (-0x80, 0x7F), "s16": (-0x8000, 0x7FFF), "s32": (-0x80000000, 0x7FFFFFFF),
}  # fmt: skip
_TIME_UNITS: Final = ("hours", "minutes", "s", "ms", "256")
_UNITS: Final = (*_TIME_UNITS, "iu", "mu", "dl", "h", "ml", "g", "minute", "percent", "celsius", "octets")
# IDS gives its response codes, and the Bluetooth DST offset, values that are no code words.
_NO_WORDS: Final = ("ResponseCode", "RacpResponseCode", "DstOffset")


_RIGS: Final = tuple(service for service in SERVICES if service.owner == "rig")


@dataclass(frozen=True, slots=True)
class Finding:
    """A breach.

    Args:
        rule: its name.
        where: message, and field where there is one.
        text: what is wrong and what to do.
    """

    rule: str
    where: str
    text: str

    def __str__(self) -> str:
        return f"{self.where}: {self.rule}: {self.text}"


Found = Iterator[tuple[str, str]]
RULES: Final[dict[str, Callable[[Message], Found]]] = {}


def _rule(function: Callable[[Message], Found]) -> Callable[[Message], Found]:
    RULES[function.__name__.strip("_").replace("_", "-")] = function
    return function


def lint(messages: Iterable[Message] | None = None) -> list[Finding]:
    """All breaches of all rules, in the order of the messages.

    Args:
        messages: all declared ones when None.
    """
    return [
        Finding(name, f"{message.name}.{field}" if field else message.name, text)
        for message in (MESSAGES.values() if messages is None else messages)
        for name, rule in RULES.items()
        for field, text in rule(message)
    ]


def _bare(name: str) -> str:
    return re.sub(r"_?\d+$", "", name)


@_rule
def _message_names(message: Message) -> Found:
    """CamelCase, as the specification titles it."""
    if not re.fullmatch(r"(?:[A-Z][a-z0-9]*)+", message.name):
        yield "", "name it in CamelCase: capital first, no two capitals in a row that are no word"


@_rule
def _field_names(message: Message) -> Found:
    """snake_case, minutes spelt out."""
    for field in message.fields:
        if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", field.name):
            yield field.name, "name it in snake_case"
        elif re.search(r"_mins?(_\d+)?$", field.name):
            yield field.name, "write _minutes; a bound follows its unit (delay_ms_min)"


@_rule
def _units(message: Message) -> Found:
    """A number with a dimension says its unit, last in its name or in its remark."""
    for field in message.fields:
        if field.members is not None:
            continue
        last = _bare(field.name).rpartition("_")[2]
        timed = re.search(r"(^|_)(duration|delay|offset|period|interval|uptime)(_|$)", field.name)
        if timed and last not in _TIME_UNITS:
            yield field.name, f"a time without its unit; allowed at the end: {', '.join(_TIME_UNITS)}"
        elif field.kind in ("sfloat", "float") and last not in _UNITS and not field.doc:
            yield field.name, f"a decimal number without its unit; allowed at the end: {', '.join(_UNITS)}, or a remark"


@_rule
def _limits(message: Message) -> Found:
    """The lower limit is not above the upper, and both can be sent."""
    for field in message.fields:
        if field.low is None or field.high is None:
            continue
        low, high = _RANGES.get(field.kind, (field.low, field.high))
        if field.low > field.high:
            yield field.name, f"{field.low} to {field.high} allows nothing"
        elif field.low < low or field.high > high:
            yield field.name, f"{field.low} to {field.high} is beyond {field.kind}, which holds {low} to {high}"
        elif field.also is not None and field.low <= field.also <= field.high:
            yield field.name, f"{field.also} is among {field.low} to {field.high} already"


@_rule
def _examples(message: Message) -> Found:
    """Every example decodes to its values and is built from them again."""
    for example in message.examples:
        decoded = message.parse(example.octets)
        values = {name: value for name, value in decoded.fields.items() if value is not None}
        if not decoded.ok:
            yield "", f"example {example.octets.hex()}: {decoded.detail}"
        elif values != example.fields:
            wrong = sorted(name for name in {*values, *example.fields} if values.get(name) != example.fields.get(name))
            yield wrong[0], f"example {example.octets.hex()} means {values.get(wrong[0])!r}"
        else:
            yield from _built(message, example.octets, values)


def _built(message: Message, octets: bytes, values: dict[str, object]) -> Found:
    try:
        built = message.build(**values)
    except WireError as error:
        yield "", f"example {octets.hex()} cannot be built: {error}"
        return
    if built != octets:
        yield "", f"example {octets.hex()} is built as {built.hex()}; write the canonical encoding"


@_rule
def _examples_reach_every_field(message: Message) -> Found:
    """A conditional field that no example has is a field nobody has seen."""
    shown = {name for example in message.examples for name in example.fields}
    if message.direction == TO_PUMP and message.fields and not shown:
        yield "", "no example has a field"


@_rule
def _opcodes(message: Message) -> Found:
    """Opcodes of the Insulin Delivery Service are words of the extended Hamming code, outside the prohibited range."""
    if message.opcode is None:
        return
    if _insulin_delivery(message.on) and not is_word(message.opcode):
        yield "", f"opcode 0x{message.opcode:X} is no word of the extended Hamming code"
    low, high = message.on.prohibited or (1, 0)
    if low <= message.opcode <= high:
        yield "", f"opcode 0x{message.opcode:X} is in the prohibited range 0x{low:X} to 0x{high:X}"


@_rule
def _words(message: Message) -> Found:
    """Values of enumerations of insulin delivery are words of the extended Hamming code, so that 0 is never one."""
    for field in message.fields:
        if field.members is None or field.is_flags or field.members.__name__ in _NO_WORDS:
            continue
        if _insulin_delivery(message.on) or _vendor(message.on):
            for member in field.members:
                if not is_word(member.value):
                    yield field.name, f"{member.name} 0x{member.value:X} is no word of the extended Hamming code"


@_rule
def _flags(message: Message) -> Found:
    """Each flag is one bit, and fits its field."""
    for field in message.fields:
        if field.members is None or not field.is_flags:
            continue
        for member in field.members.__members__.values():
            if member.value.bit_count() != 1:
                yield field.name, f"{member.name} is no single bit"
            elif member.value > _RANGES[field.kind][1]:
                yield field.name, f"{member.name} does not fit {field.kind}"


@_rule
def _length(message: Message) -> Found:
    """Every value fits what its characteristic has room for, 20 octets mostly, end-to-end protection included."""
    octets = octets_max(message)
    if octets > message.on.operand_octets_max:
        yield "", f"up to {octets} octets; {message.on.operand_octets_max} leave room for the end-to-end protection"


@_rule
def _answers(message: Message) -> Found:
    """What is written to a control point is answered on it."""
    server = TO_CLIENT if any(message.on in service.characteristics for service in _RIGS) else TO_PUMP
    asks = message.on.opcode_octets and message.direction == server and "indicate" in message.on.properties
    answer = MESSAGES.get(message.answer) if message.answer else None
    if asks and answer is None:
        yield "", "a request of a control point names its answer"
    elif answer is not None and (answer.on is not message.on or answer.direction == message.direction):
        yield "", f"its answer {answer.name} is not indicated on {message.on.name}"


@_rule
def _clause(message: Message) -> Found:
    """Whoever doubts a message can look it up."""
    if not re.search(r"\d|vendor", message.clause):
        yield "", "name the specification and the clause"


def _insulin_delivery(characteristic: Characteristic) -> bool:
    return any(service.name == "Insulin Delivery" and characteristic in service.characteristics for service in SERVICES)


def _vendor(characteristic: Characteristic) -> bool:
    return characteristic.clause.startswith("vendor")

