"""All messages by name, and the way from octets on a characteristic to a message."""

from __future__ import annotations

from types import ModuleType
from typing import Final

from pumpwire import (
    cgms,
    cgms_control,
    clock,
    command,
    controller,
    device,
    history,
    history_further,
    history_own,
    radio,
    reader,
    records,
    status,
    templates,
    vendor,
)
from pumpwire.database import Characteristic
from pumpwire.declare import BOTH, Codec, Decoded, Message, Outcome
from pumpwire.errors import DeclarationError

_MODULES: Final[tuple[ModuleType, ...]] = (
    status, reader, command, templates, records, history, history_further, history_own, cgms, cgms_control, clock,
    controller, vendor, radio, device,
)  # fmt: skip


def _collect() -> dict[str, Message]:
    out: dict[str, Message] = {}
    for module in _MODULES:
        for value in vars(module).values():
            if isinstance(value, Message):
                if value.name in out:
                    raise DeclarationError(f"{value.name}: declared twice")
                out[value.name] = value
    for message in out.values():
        if message.answer is not None and message.answer not in out:
            raise DeclarationError(f"{message.name}: its answer {message.answer} is not declared")
    return out


def generated_codec(message: Message) -> Codec | None:
    """The generated parser and builder of a message, None when they were generated from another declaration.

    Code that does not load is left alone, too: construct does its work until the generator has run.

    Args:
        message: any message.
    """
    from pumpwire import describe

    try:
        from pumpwire._host_codec import CODEC
    except (ImportError, AttributeError, SyntaxError):
        return None
    digest, parse, build = CODEC.get(message.name, ("", None, None))
    if parse is None or build is None or digest != describe.digest(message):
        return None
    return parse, build


MESSAGES: Final[dict[str, Message]] = _collect()
for _message in MESSAGES.values():
    _message.speed_up(generated_codec)


def messages_of(characteristic: Characteristic, direction: str | None = None) -> list[Message]:
    """The messages of a characteristic in the order of their declarations.

    Args:
        characteristic: of the database.
        direction: "to_pump" or "to_client"; None for all.
    """
    return [
        message
        for message in MESSAGES.values()
        if message.on is characteristic and (direction is None or message.direction in (direction, BOTH))
    ]


def is_served(characteristic: Characteristic) -> bool:
    """Whether the pump's firmware has the characteristic, as a server or as a client of it."""
    return any(message.served for message in MESSAGES.values() if message.on is characteristic)


def _index() -> dict[tuple[Characteristic, str], dict[int | None, Message]]:
    out: dict[tuple[Characteristic, str], dict[int | None, Message]] = {}
    for message in MESSAGES.values():
        for direction in ("to_pump", "to_client"):
            if message.direction in (direction, BOTH):
                table = out.setdefault((message.on, direction), {})
                if message.opcode in table:
                    raise DeclarationError(f"{message.name}: another message has its opcode")
                table[message.opcode] = message
    return out


_BY_OPCODE: Final = _index()


def decode(characteristic: Characteristic, data: bytes, direction: str) -> tuple[Message | None, Decoded]:
    """Understands the octets of a characteristic value, end-to-end protection already removed.

    Args:
        characteristic: on which they came.
        data: the octets.
        direction: "to_pump" or "to_client".

    Returns:
        The message and what it says. An opcode that is not known gives no message and the outcome RFU with the
        field "opcode"; a prohibited one the outcome PROHIBITED; too few octets for one BAD_STRUCTURE.
    """
    table = _BY_OPCODE.get((characteristic, direction), {})
    size = characteristic.opcode_octets
    if len(data) < size:
        detail = f"{characteristic.name}: {len(data)} octets are too few for an opcode"
        return None, Decoded(Outcome.BAD_STRUCTURE, {}, "", detail)
    opcode = int.from_bytes(data[:size], "little") if size else None
    message = table.get(opcode)
    if message is not None:
        return message, message.parse(data)
    if opcode is None:
        return None, Decoded(Outcome.BAD_STRUCTURE, {}, "", f"{characteristic.name}: nothing is sent {direction}")
    low, high = characteristic.prohibited or (1, 0)
    outcome = Outcome.PROHIBITED if low <= opcode <= high else Outcome.RFU
    return None, Decoded(outcome, {}, "opcode", f"{characteristic.name}: opcode {opcode:#06x} is not known")
