"""Makes octets of a message from values as a person or JSON gives them."""

from __future__ import annotations

import enum
import json
import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from pumpwire import e2e
from pumpwire.cgms import build_notification
from pumpwire.database import Protection
from pumpwire.declare import Message
from pumpwire.errors import FieldError
from pumpwire.layout import Field
from pumpwire.numbers import Special
from pumpwire.tools.lookup import InputError

__all__ = ["compose", "protected", "values_of"]


def values_of(text: str) -> dict[str, Any]:
    """The object in some JSON text, numbers with a point as exact decimals.

    Raises:
        InputError: it is no JSON, or no object.
    """
    try:
        values = json.loads(text, parse_float=Decimal)
    except json.JSONDecodeError as error:
        raise InputError(f"no JSON: {error.msg} at line {error.lineno}, column {error.colno}", "--json") from None
    if not isinstance(values, dict):
        raise InputError("the values must be an object", "--json", '{"field": value, ...}')
    return values


def compose(message: Message, values: Mapping[str, Any]) -> bytes:
    """The octets of a message, without end-to-end protection.

    A flag that only says that a field is there is set by itself when its field is given.

    Args:
        message: the message.
        values: field name -> value as `spec decode --json` shows it; numbers serve for enumerations, too.

    Raises:
        InputError: a field is missing, unknown, or has a value that cannot be; message, field, octet, value and what
            was allowed are named.
    """
    fields = {field.name: field for field in message.fields}
    converted: dict[str, Any] = {}
    for name, value in values.items():
        field = fields.get(name)
        if field is None:
            raise InputError(f"there is no field {name!r}", f"{message.name}.{name}", ", ".join(fields) or "no field")
        converted[name] = None if value is None else _convert(message, field, value)
    for field in message.fields:
        if field.is_flags and field.name not in converted and field.condition is None:
            converted[field.name] = _implied(message, field, converted)
    try:
        return message.build(**converted)
    except FieldError as error:
        where = f"{message.name}.{error.field}" + ("" if error.offset is None else f" at octet {error.offset}")
        what = "a value is missing" if error.value is None else f"{_shown(error.value)} cannot be sent"
        raise InputError(what, where, error.allowed) from None


def protected(message: Message, payload: bytes, counter: int) -> bytes:
    """A message as a characteristic value, with its end-to-end protection.

    Args:
        message: the message.
        payload: its octets.
        counter: 1 to 255; not used where the value has none.
    """
    if message.on.protection is Protection.RECORD:
        return build_notification([payload])
    return e2e.protect(payload, counter, message.on.protection)


def _shown(value: Any) -> str:
    return value.name if isinstance(value, (enum.Enum,)) and value.name else str(value)


def _implied(message: Message, flags: Field, values: Mapping[str, Any]) -> Any:
    bits = 0
    for field in message.fields:
        condition = field.condition
        if condition is not None and condition.field == flags.name and values.get(field.name) is not None:
            bits |= condition.mask
    return flags.members(bits)


_NUMBER = r"0x[0-9a-fA-F]+|\d+"


def _number(text: str) -> int:
    return int(text, 16 if "x" in text else 10)


def _convert(message: Message, field: Field, value: Any) -> Any:
    if field.members is not None:
        return _flags(message, field, value) if field.is_flags else _member(message, field, value)
    if field.kind in ("sfloat", "float"):
        return _decimal(message, field, value)
    if field.kind == "octets":
        return _octets(message, field, value)
    if isinstance(value, str) and re.fullmatch(r"[us]\d+", field.kind) and re.fullmatch(f"-?({_NUMBER})", value):
        return _number(value)
    return value


def _refuse(message: Message, field: Field, value: Any, allowed: str) -> InputError:
    return InputError(f"{value!r} cannot be sent", f"{message.name}.{field.name}", allowed)


def _names(field: Field) -> str:
    return ", ".join(f"{member.name} 0x{member.value:02X}" for member in field.members)


def _member(message: Message, field: Field, value: Any) -> Any:
    if isinstance(value, str) and not re.fullmatch(_NUMBER, value):
        member = field.members.__members__.get(re.sub(r"[\s-]+", "_", value.strip()).upper())
        if member is None:
            raise _refuse(message, field, value, _names(field))
        return member
    return _number(value) if isinstance(value, str) else value


def _flags(message: Message, field: Field, value: Any) -> Any:
    if isinstance(value, str):
        value = [part for part in re.split(r"[|,\s]+", value) if part]
    if not isinstance(value, list):
        return value
    bits = 0
    for name in value:
        if isinstance(name, str) and not re.fullmatch(_NUMBER, name):
            member = field.members.__members__.get(name.upper())
            if member is None:
                raise _refuse(message, field, name, _names(field))
            bits |= member
        else:
            bits |= _number(name) if isinstance(name, str) else name
    return bits


def _decimal(message: Message, field: Field, value: Any) -> Any:
    if isinstance(value, str):
        if value.upper() in Special.__members__:
            return Special[value.upper()]
        try:
            return Decimal(value)
        except InvalidOperation:
            names = ", ".join(Special.__members__) if field.specials else ""
            raise _refuse(message, field, value, f"a decimal number{' or ' + names if names else ''}") from None
    return value


def _octets(message: Message, field: Field, value: Any) -> Any:
    try:
        return bytes.fromhex(value) if isinstance(value, str) else bytes(value)
    except (TypeError, ValueError):
        raise _refuse(message, field, value, "hexadecimal text") from None
