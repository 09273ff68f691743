"""A plain list of all messages, fields and words, for reading and searching."""

from __future__ import annotations

from pumpwire import database
from pumpwire.declare import Message
from pumpwire.generate.enumerations import enumerations
from pumpwire.layout import Field
from pumpwire.registry import MESSAGES


def field_text(field: Field) -> str:
    """One field as name(type, scale, limits, condition)."""
    parts = [field.kind]
    if field.kind == "counted":
        parts = [f"{field.count_low}..{field.count_high} x {field.element}, list"]
    elif field.kind == "octets":
        parts = [f"bytes{'' if field.length_from else f' {field.octets}'}"]
    if field.scale != 1:
        parts.append(f"x{field.scale} on the board")
    if field.members is not None:
        parts.append(field.members.__name__)
    if field.specials:
        parts.append("or NaN")
    if field.low is not None:
        parts.append(f"{field.low}..{field.high}" + ("" if field.also is None else f" or {field.also}"))
    if field.condition is not None:
        parts.append("optional")
    return f"{field.name}({', '.join(parts)})"


def message_text(message: Message) -> str:
    """One message with its fields on one line."""
    opcode = "" if message.opcode is None else f" {message.opcode:#0{2 + 2 * message.on.opcode_octets}x}"
    return f"{message.name}{opcode} [{message.direction}]: " + "; ".join(map(field_text, message.fields))


def names() -> str:
    """The whole list."""
    lines = ["# Messages by characteristic: Message opcode [direction]: field(type, ...); ..."]
    for service in database.SERVICES:
        for characteristic in service.characteristics:
            configuration = characteristic.configuration_handle
            lines += ["", f"## {characteristic.constant} handle {characteristic.handle:#06x}"
                      + (f" cccd {configuration:#06x}" if configuration else "")
                      + f" ({', '.join(characteristic.properties)}; {characteristic.protection.value})"]  # fmt: skip
            lines += [message_text(message) for message in MESSAGES.values() if message.on is characteristic]
    lines += ["", "# Enumerations and flags (pumpwire.enums)"]
    for members in enumerations():
        lines.append(f"{members.__name__}: " + ", ".join(f"{member.name} {member.value:#x}" for member in members))
    return "\n".join(lines) + "\n"
