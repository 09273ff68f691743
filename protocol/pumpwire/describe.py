"""The declarations as plain data: what `protocol/wire.lock.json` holds, and by what generated code knows its message.

    {"wire_version", "services", "characteristics", "messages", "enumerations", "frames", "att"}
"""

from __future__ import annotations

import enum
import hashlib
import json
from typing import Any

from pumpwire import att, database, frame
from pumpwire.database import Characteristic
from pumpwire.declare import Message
from pumpwire.layout import Field
from pumpwire.vendor import WIRE_VERSION

# Goes up when generated functions are called in another way.
_CODEC_SHAPE = 2


def field(declared: Field) -> dict[str, Any]:
    """One field of a message; what has its default value is left out."""
    out: dict[str, Any] = {"name": declared.name, "kind": declared.kind, "octets": declared.octets}
    if declared.members is not None:
        out["enumeration"] = declared.members.__name__
    if declared.requires:
        out["requires"] = [list(pair) for pair in declared.requires]
    if declared.kind in ("sfloat", "float"):
        out |= {"scale": declared.scale, "specials": declared.specials, "rounding": declared.rounding.name.lower()}
    for bound in ("low", "high", "also"):
        value = getattr(declared, bound)
        if value is not None:
            out[bound] = value if isinstance(value, int) else str(value)
    if declared.condition is not None:
        condition = declared.condition
        out["present_when"] = {"field": condition.field}
        out["present_when"] |= {"mask": condition.mask} if condition.mask else {"values": list(condition.values)}
    if declared.kind == "counted":
        out |= {"element": declared.element, "count_low": declared.count_low, "count_high": declared.count_high}
    if declared.length_from is not None:
        out["length_from"] = {"field": declared.length_from[0], "entries_per_octet": declared.length_from[1]}
    if declared.doc:
        out["doc"] = declared.doc
    return out


def message(declared: Message) -> dict[str, Any]:
    """One message; `draft` stands there only when it is one."""
    return ({"draft": True} if declared.draft else {}) | {
        "on": declared.on.constant, "opcode": declared.opcode, "direction": declared.direction,
        "fields": [field(item) for item in declared.fields], "answer": declared.answer,
        "changes_delivery": declared.changes_delivery, "served": declared.served, "clause": declared.clause,
        "doc": declared.doc,
    }  # fmt: skip


def enumeration(members: Any) -> dict[str, Any]:
    """One enumeration or set of flags."""
    return {
        "flags": issubclass(members, enum.IntFlag),
        "members": {member.name: int(member) for member in members},
        "doc": (members.__doc__ or "").strip(),
    }


def characteristic(declared: Characteristic) -> dict[str, Any]:
    """One characteristic."""
    return {
        "name": declared.name, "uuid": str(declared.uuid), "handle": declared.handle,
        "configuration_handle": declared.configuration_handle, "properties": list(declared.properties),
        "protection": declared.protection.name.lower(), "opcode_octets": declared.opcode_octets,
        "prohibited": None if declared.prohibited is None else list(declared.prohibited), "clause": declared.clause,
        "bearers": list(declared.bearers),
    }  # fmt: skip


def digest(declared: Message) -> str:
    """A short word that changes with everything of a message that its octets or values depend on."""
    wire = message(declared) | {"doc": "", "clause": "", "served": True, "answer": None, "changes_delivery": False}
    wire.pop("draft", None)
    for item in wire["fields"]:
        item.pop("doc", None)
    used = [item.members for item in declared.fields if item.members is not None]
    wire["codec"] = _CODEC_SHAPE
    wire["enumerations"] = {members.__name__: enumeration(members)["members"] for members in used}
    return hashlib.sha256(json.dumps(wire, sort_keys=True).encode()).hexdigest()[:16]


def wire(messages: dict[str, Message], enumerations: list[Any]) -> dict[str, Any]:
    """The whole wire.

    Args:
        messages: by name.
        enumerations: classes of `pumpwire.enums`.
    """
    return {
        "wire_version": WIRE_VERSION,
        "services": {
            service.name: {
                "uuid": str(service.uuid), "owner": service.owner, "first_handle": service.first_handle,
                "characteristics": [item.constant for item in service.characteristics],
            }
            for service in database.SERVICES
        },
        "characteristics": {name: characteristic(item) for name, item in database.CHARACTERISTICS.items()},
        "messages": {name: message(item) for name, item in messages.items()},
        "enumerations": {members.__name__: enumeration(members) for members in enumerations},
        "frames": {kind.name.lower(): kind.value for kind in frame.FrameType},
        "att": {
            "opcodes": {opcode.name.lower(): opcode.value for opcode in att.AttOpcode},
            "errors": {code.name.lower(): code.value for code in att.AttErrorCode},
        },
    }  # fmt: skip
