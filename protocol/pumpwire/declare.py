"""What a message is: one declaration from which everything else about it is generated.

    SET_TBR_ADJUSTMENT = Message("SetTbrAdjustment", opcode=0x0FFF, on=COMMAND_CONTROL_POINT, direction=TO_PUMP, ...)
    SET_TBR_ADJUSTMENT.build(flags=0, tbr_type=TbrType.ABSOLUTE, value=0, duration_minutes=30)
    SET_TBR_ADJUSTMENT.parse(octets).fields["duration_minutes"]

End-to-end counter and CRC are not part of a message; `pumpwire.e2e` adds and removes them.
"""

from __future__ import annotations

import enum
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, NamedTuple, TypeAlias

import construct

from pumpwire import layout
from pumpwire.database import Characteristic
from pumpwire.errors import DeclarationError, FieldError
from pumpwire.fields import BadStructure, OutOfRange, Refused, RfuValue
from pumpwire.numbers import Special

TO_PUMP: Final = "to_pump"
TO_CLIENT: Final = "to_client"
BOTH: Final = "both"


class Outcome(enum.IntEnum):
    """How a message was understood; each is answered differently (IDS 1.0.2, 1.8 and 3.7.2)."""

    OK = 0
    BAD_STRUCTURE = 1
    RFU = 2
    PROHIBITED = 3
    OUT_OF_RANGE = 4


_OK: Final = Outcome.OK


class Decoded(NamedTuple):
    """A decoded message.

    Args:
        outcome: OK or what is wrong.
        fields: name -> value; absent optional fields are None. Filled for OK and OUT_OF_RANGE.
        field: the field that RFU or OUT_OF_RANGE is about, "opcode" for an unknown opcode, else "".
        detail: one sentence on what is wrong, else "".
    """

    outcome: Outcome
    fields: dict[str, Any]
    field: str = ""
    detail: str = ""

    @property
    def ok(self) -> bool:
        """Whether the message was understood and is within its limits."""
        return self.outcome is Outcome.OK


# Without the detour over the arguments' names: every value of a replay passes here.
_decoded: Final = tuple.__new__


@dataclass(frozen=True)
class Example:
    """A worked example: octets without end-to-end protection, and the values they mean."""

    octets: bytes
    fields: dict[str, Any]

    def __init__(self, octets: str, **fields: Any) -> None:
        object.__setattr__(self, "octets", bytes.fromhex(octets))
        object.__setattr__(self, "fields", fields)


# A parser, and what makes a builder from the one by construct alone.
Codec: TypeAlias = tuple[
    Callable[[bytes], "dict[str, Any] | None"], Callable[[Callable[..., bytes]], Callable[..., bytes]]
]


def _nothing(*_: Any, **__: Any) -> None:
    return None


class Message:
    """One message of one characteristic.

    Args:
        name: the specification's title in CamelCase.
        on: the characteristic.
        direction: TO_PUMP, TO_CLIENT or BOTH.
        body: construct.Struct of the fields after opcode and header.
        clause: specification and clause.
        opcode: opcode or event number, for characteristics that have one.
        changes_delivery: whether it can change what insulin is delivered.
        answer: name of the message that answers it.
        served: whether this pump's firmware speaks it; only then has it a program there.
        draft: whether it may still change without breaking anybody.
        examples: worked examples, at least one.
        doc: one sentence for the interface document.

    Raises:
        DeclarationError: nothing could be generated from the declaration.
    """

    def __init__(
        self,
        name: str,
        *,
        on: Characteristic,
        direction: str,
        body: construct.Struct,
        clause: str,
        opcode: int | None = None,
        changes_delivery: bool = False,
        answer: str | None = None,
        served: bool = True,
        draft: bool = False,
        examples: Sequence[Example],
        doc: str = "",
    ) -> None:
        if (opcode is None) != (on.opcode_octets == 0):
            raise DeclarationError(f"{name}: {on.name} needs {'an' if on.opcode_octets else 'no'} opcode")
        if direction not in (TO_PUMP, TO_CLIENT, BOTH):
            raise DeclarationError(f"{name}: direction {direction!r} is none of to_pump, to_client, both")
        if not examples:
            raise DeclarationError(f"{name}: needs at least one worked example")
        self.name = name
        self.on = on
        self.direction = direction
        self.body = body
        self.clause = clause
        self.opcode = opcode
        self.changes_delivery = changes_delivery
        self.answer = answer
        self.served = served
        self.draft = draft
        self.examples = tuple(examples)
        self.doc = doc
        self.layout = layout.fields_of(body, name)
        self.header_layout = layout.fields_of(construct.Struct(*on.header), f"{on.name} header")
        self.fields = self.header_layout + self.layout
        self.names = tuple(field.name for field in self.fields)
        self._known = frozenset(self.names)
        self._prefix = b"" if opcode is None else opcode.to_bytes(on.opcode_octets, "little")
        self._struct = construct.Struct(*on.header, *body.subcons)
        self._source: Callable[[Message], Codec | None] | None = None
        self._fast_parse: Callable[[bytes], dict[str, Any] | None] = self._first_parse

    def __repr__(self) -> str:
        return f"<Message {self.name}>"

    def speed_up(self, source: Callable[[Message], Codec | None]) -> None:
        """Takes a generated codec for what is right; everything else is still construct's to judge.

        Args:
            source: called at the first message; gives parser and builder, or None when there are none.
        """

        self._source = source

    def _bind(self) -> None:
        # Builders take their place on the object itself: a call less for each message of a replay.
        found = self._source(self) if self._source is not None else None
        self._source = None
        self._fast_parse = found[0] if found is not None else _nothing
        self.__dict__["build"] = found[1](self.build_declared) if found is not None else self.build_declared

    def _first_parse(self, data: bytes) -> dict[str, Any] | None:
        self._bind()
        return self._fast_parse(data)

    def build(self, **values: Any) -> bytes:
        """The octets of this message, opcode included, end-to-end protection not.

        Args:
            **values: one value for each field; optional fields that are absent may be left out or None.

        Raises:
            FieldError: a field is missing, unknown, absent by its flag, of the wrong type or beyond its limits.
        """
        self._bind()
        return self.build(**values)

    def build_declared(self, **values: Any) -> bytes:
        """As `build`, by construct alone."""
        if not self._known.issuperset(values):
            name = next(name for name in values if name not in self._known)
            raise FieldError(self.name, name, None, values[name], "only " + (", ".join(self.names) or "no field"))
        for field in self.fields:
            value = values.get(field.name)
            condition = field.condition
            if condition is not None and not condition.holds(values):
                if value is not None:
                    raise FieldError(self.name, field.name, None, value, f"no value while {condition.field} denies it")
                values[field.name] = None
            elif value is None:
                raise FieldError(self.name, field.name, self._offset(field.name, values), None, _allowed(field))
        try:
            return self._prefix + bytes(self._struct.build(values))
        except (Refused, BadStructure, construct.ConstructError):
            raise self._explain(values) from None

    def _explain(self, values: dict[str, Any]) -> FieldError:
        # The exact field is looked for only once building has failed.
        for subcon, field in zip(self._struct.subcons, self.fields, strict=True):
            try:
                construct.Struct(subcon).build({field.name: values[field.name]}, **values) if (
                    field.condition is None and field.length_from is None
                ) else self._upto(field.name).build(values)
            except (Refused, BadStructure, construct.ConstructError) as error:
                allowed = error.allowed if isinstance(error, Refused) else _allowed(field)
                return FieldError(self.name, field.name, self._offset(field.name, values), values[field.name], allowed)
        raise AssertionError(f"{self.name}: building failed, yet every field is good")

    def _upto(self, name: str) -> Any:
        return construct.Struct(*self._struct.subcons[: self.names.index(name) + 1])

    def _offset(self, name: str, values: dict[str, Any]) -> int:
        offset = len(self._prefix)
        for field in self.fields:
            if field.name == name:
                break
            offset += field.length_in(values)
        return offset

    def parse(self, data: bytes) -> Decoded:
        """Understands the octets of this message, opcode included, end-to-end protection not."""
        if data.startswith(self._prefix):
            fields = self._fast_parse(data)
            if fields is not None:
                return _decoded(Decoded, (_OK, fields, "", ""))
        return self.parse_declared(data)

    def parse_declared(self, data: bytes) -> Decoded:
        """As `parse`, by construct alone."""
        prefix = self._prefix
        if not data.startswith(prefix):
            return Decoded(Outcome.BAD_STRUCTURE, {}, "", f"{self.name}: does not start with {prefix.hex()}")
        findings: list[OutOfRange] = []
        stream = io.BytesIO(data)
        stream.seek(len(prefix))
        try:
            container = self._struct.parse_stream(stream, findings=findings)
        except RfuValue as error:
            field = error.path.rsplit(" -> ", 1)[-1]
            return Decoded(Outcome.RFU, {}, field, f"{self.name}.{field}: {error}")
        except construct.StreamError:
            return Decoded(Outcome.BAD_STRUCTURE, {}, "", f"{self.name}: {len(data)} octets are too few")
        except BadStructure as error:
            return Decoded(Outcome.BAD_STRUCTURE, {}, "", f"{self.name}: {error}")
        used = stream.tell()
        if used != len(data):
            return Decoded(Outcome.BAD_STRUCTURE, {}, "", f"{self.name}: {len(data) - used} octets too many")
        fields = {name: container[name] for name in self.names}
        if findings:
            field = findings[0].path.rsplit(" -> ", 1)[-1]
            where = f"{self.name}.{field} at octet {self._offset(field, fields)}"
            return Decoded(Outcome.OUT_OF_RANGE, fields, field, f"{where}: {findings[0]}")
        return Decoded(Outcome.OK, fields)


def _allowed(field: layout.Field) -> str:
    if field.low is not None:
        return f"{field.low} to {field.high}" + ("" if field.also is None else f", or {field.also}")
    if field.members is not None:
        return ", ".join(f"{member.name}" for member in field.members)
    if field.kind in ("sfloat", "float"):
        return f"a Decimal in steps of {Decimal(1) / field.scale}"
    return {"u8": "0 to 255", "u16": "0 to 65535", "u32": "0 to 4294967295", "s8": "-128 to 127",
            "s16": "-32768 to 32767", "s32": "-2147483648 to 2147483647"}.get(
        field.kind, f"a value of type {field.kind}"
    )


def plain(value: Any) -> Any:
    """A field's value as JSON can hold it: enumerations by name, decimals as strings, octets as hex."""
    if isinstance(value, enum.IntFlag):
        return [member.name for member in value]
    if isinstance(value, (enum.IntEnum, Special)):
        return value.name
    if isinstance(value, Decimal):
        return str(value)
    return value.hex() if isinstance(value, bytes) else value
