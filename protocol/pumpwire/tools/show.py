"""Messages as text for a terminal: one line each, or one message whole."""

from __future__ import annotations

from typing import Any

from pumpwire.database import SERVICES, Protection
from pumpwire.declare import Message, plain
from pumpwire.layout import Field
from pumpwire.registry import MESSAGES
from pumpwire.tools.lookup import short_uuid

__all__ = ["as_json", "listing", "octets_max", "page"]

_ARROWS = {"to_pump": "-> pump", "to_client": "<- pump", "both": "<> pump"}


def opcode_text(message: Message) -> str:
    """The opcode with as many digits as it has on the wire; empty when there is none."""
    return "" if message.opcode is None else f"0x{message.opcode:0{2 * message.on.opcode_octets}X}"


def octets_max(message: Message) -> int:
    """The greatest length of a message, opcode included."""
    always, flagged = message.on.opcode_octets, 0
    chosen: dict[str, dict[int, int]] = {}
    for field in message.fields:
        octets = 1 + field.octets * field.count_high if field.kind == "counted" else field.octets
        if field.condition is None:
            always += octets
        elif field.condition.mask:
            flagged += octets
        else:
            # Fields of different values of one enumeration are never there together.
            for value in field.condition.values:
                by_value = chosen.setdefault(field.condition.field, {})
                by_value[value] = by_value.get(value, 0) + octets
    return always + flagged + sum(max(by_value.values()) for by_value in chosen.values())


def listing(word: str = "") -> list[str]:
    """One line for each message, under its service and characteristic.

    Args:
        word: only lines that contain it, in any case, or whose characteristic does.
    """
    lines: list[str] = []
    for service in SERVICES:
        for characteristic in service.characteristics:
            title = f"{characteristic.name} {short_uuid(characteristic)} handle 0x{characteristic.handle:04X}"
            found = [
                f"  {opcode_text(message) or '-':6} {_ARROWS[message.direction]}  {message.name}"
                + ("  *" if message.changes_delivery else "")
                for message in MESSAGES.values()
                if message.on is characteristic and word.lower() in f"{message.name} {title} {service.name}".lower()
            ]
            lines += [title, *found] if found else []
    starred = any(line.endswith("*") for line in lines)
    return [*lines, "* can change what insulin is delivered"] if starred else lines


def page(message: Message) -> list[str]:
    """Everything that is declared of a message."""
    on = message.on
    trailer = {Protection.NONE: 0, Protection.CRC: 2}.get(on.protection, 3)
    octets = octets_max(message)
    lines = [
        f"{message.name}  {opcode_text(message)}".rstrip(),
        f"  on         {on.name} ({short_uuid(on)}, handle 0x{on.handle:04X}; {', '.join(on.properties)})",
        f"  direction  {message.direction}",
        f"  clause     {message.clause}",
        f"  length     at most {octets} octets, {octets + trailer} with {on.protection.value}",
    ]
    if message.draft:
        lines.append("  draft      may still change without breaking anybody")
    if not message.served:
        lines.append("  served     not by this firmware")
    if message.answer:
        lines.append(f"  answer     {message.answer}")
    if message.changes_delivery:
        lines.append("  delivery   can change what insulin is delivered")
    if message.doc:
        lines.append(f"  {message.doc}")
    if message.fields:
        lines += ["", "  octet  field"]
    offset: int | None = on.opcode_octets
    for field in message.fields:
        lines.append(f"  {offset if offset is not None else '..':>5}  {field.name:34} {type_text(field)}")
        lines += [f"{'':9}{text}" for text in details(field)]
        fixed = field.condition is None and field.is_fixed
        offset = offset + field.octets if offset is not None and fixed else None
    for example in message.examples:
        lines += ["", f"  example {example.octets.hex()}"]
        lines += [f"    {name} = {_value_text(value)}" for name, value in example.fields.items()]
    return lines


def type_text(field: Field) -> str:
    """The type of a field on the wire."""
    if field.kind == "counted":
        return f"count u8, then {field.count_low} to {field.count_high} x {field.element}"
    if field.kind == "octets":
        return f"at most {field.octets} octets" if field.length_from else f"{field.octets} octets"
    return field.kind.upper() if field.kind in ("sfloat", "float") else field.kind


def details(field: Field) -> list[str]:
    """What is said of a field beside its type, one fact a line."""
    out: list[str] = []
    if field.condition is not None:
        out.append(f"only when {condition_text(field)}")
    if field.doc:
        out.append(field.doc)
    if field.low is not None:
        out.append(f"{field.low} to {field.high}" + ("" if field.also is None else f", or {field.also}"))
    if field.scale != 1:
        out.append(f"in steps of 1/{field.scale}")
    if field.specials:
        out.append("or NAN, NRES, PINF, NINF")
    if field.members is not None:
        word = "bits " if field.is_flags else ""
        out.append(word + ", ".join(f"{member.name} 0x{member.value:02X}" for member in field.members))
    return out


def condition_text(field: Field) -> str:
    """When a field is there, in words; empty when always."""
    condition = field.condition
    if condition is None:
        return ""
    if condition.mask:
        return f"bit {condition.mask.bit_length() - 1} of {condition.field} is set"
    return f"{condition.field} is " + " or ".join(f"0x{value:02X}" for value in condition.values)


def _value_text(value: Any) -> str:
    shown = plain(value)
    return (" | ".join(shown) or "none") if isinstance(shown, list) and not isinstance(value, list) else str(shown)


def as_json(message: Message) -> dict[str, Any]:
    """The declaration of a message as JSON can hold it."""
    return {
        "name": message.name,
        "opcode": message.opcode,
        "characteristic": message.on.name,
        "uuid": str(message.on.uuid),
        "direction": message.direction,
        "clause": message.clause,
        "changes_delivery": message.changes_delivery,
        "served": message.served,
        "draft": message.draft,
        "answer": message.answer,
        "octets_max": octets_max(message),
        "doc": message.doc,
        "fields": [_field_json(field) for field in message.fields],
        "examples": [
            {"octets": example.octets.hex(), "fields": {name: _json(value) for name, value in example.fields.items()}}
            for example in message.examples
        ],
    }


def _json(value: Any) -> Any:
    return [_json(item) for item in value] if isinstance(value, (list, tuple)) else plain(value)


def _field_json(field: Field) -> dict[str, Any]:
    out: dict[str, Any] = {"name": field.name, "type": type_text(field), "octets": field.octets}
    if field.doc:
        out["doc"] = field.doc
    if field.condition is not None:
        out["only_when"] = condition_text(field)
    if field.low is not None:
        out["low"], out["high"] = _json(field.low), _json(field.high)
    if field.also is not None:
        out["also"] = field.also
    if field.scale != 1:
        out["scale"] = field.scale
    if field.members is not None:
        out["flags" if field.is_flags else "values"] = {member.name: int(member) for member in field.members}
    return out
