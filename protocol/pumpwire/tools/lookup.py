"""Finds what a person names: a characteristic, a message, octets."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

from pumpwire.database import CHARACTERISTICS, Characteristic
from pumpwire.declare import Message
from pumpwire.errors import WireError
from pumpwire.registry import MESSAGES

__all__ = ["InputError", "by_handle", "characteristic_called", "message_called", "octets_of", "short_uuid"]

_ASSIGNED = "-0000-1000-8000-00805f9b34fb"


class InputError(WireError):
    """Something given by a person that cannot be used.

    Args:
        what: what is wrong.
        where: the argument, message or field it was found in.
        allowed: what would have been accepted.
    """

    def __init__(self, what: str, where: str = "", allowed: str = "") -> None:
        super().__init__(f"{where}: {what}" if where else what)
        self.what = what
        self.where = where
        self.allowed = allowed


def _key(text: str) -> str:
    return re.sub(r"[^0-9a-z]", "", text.lower())


def short_uuid(characteristic: Characteristic) -> str:
    """`0x2B25` of an assigned number, the whole UUID of a vendor's."""
    text = str(characteristic.uuid)
    return f"0x{text[4:8].upper()}" if text.endswith(_ASSIGNED) else text


def characteristic_called(text: str) -> Characteristic:
    """The characteristic of a name, of a part of one that only it has, of its UUID or of its handle.

    Args:
        text: such as "IDD Command Control Point", "command control point", "0x2B25" or "handle:0x0021".

    Raises:
        InputError: there is none, or there are several.
    """
    if text.lower().startswith("handle:"):
        return _handled(text)
    key = _key(text)
    found = [
        item
        for item in CHARACTERISTICS.values()
        if key in {_key(item.constant), _key(item.name), _key(str(item.uuid)), _key(short_uuid(item))}
        or (len(key) == 4 and _key(short_uuid(item)) == f"0x{key}")
    ]
    found = found or [item for item in CHARACTERISTICS.values() if key and key in _key(item.name)]
    if len(found) == 1:
        return found[0]
    if found:
        raise InputError(f"{text!r} names several characteristics", "--on", ", ".join(item.name for item in found))
    names = [item.name for item in CHARACTERISTICS.values()]
    raise InputError(f"no characteristic is called {text!r}", "--on", _close(text, names) or ", ".join(names))


def _handled(text: str) -> Characteristic:
    number = text.partition(":")[2]
    try:
        found = by_handle(int(number, 16))
    except ValueError:
        raise InputError(f"{number!r} is no handle", "--on", "a hexadecimal number, as in handle:0x0021") from None
    if found is None:
        raise InputError(f"no characteristic has its value at handle {number}", "--on", "see `pumprig spec list`")
    return found


def by_handle(handle: int) -> Characteristic | None:
    """The characteristic whose value has a handle."""
    return next((item for item in CHARACTERISTICS.values() if item.handle == handle), None)


def message_called(text: str) -> Message:
    """The message of a name, written in any case, or of an opcode that only one message has.

    Raises:
        InputError: there is none, or there are several.
    """
    if text in MESSAGES:
        return MESSAGES[text]
    found = [message for message in MESSAGES.values() if _key(message.name) == _key(text)]
    if not found and re.fullmatch(r"0x[0-9a-fA-F]+", text):
        found = [message for message in MESSAGES.values() if message.opcode == int(text, 16)]
    if len(found) == 1:
        return found[0]
    if found:
        raise InputError(f"{text} is the opcode of several messages", "", ", ".join(message.name for message in found))
    close = _close(text, MESSAGES)
    raise InputError(f"no message is called {text!r}", "", close or "a name that `pumprig spec list` shows")


def _close(text: str, names: Iterable[str]) -> str:
    """The names that resemble a text, or contain it, joined; empty when there are none."""
    by_key = {_key(name): name for name in names}
    inside = [name for key, name in by_key.items() if _key(text) and _key(text) in key]
    near = [by_key[key] for key in difflib.get_close_matches(_key(text), by_key, n=3)]
    return ", ".join(dict.fromkeys([*near, *inside[:8]]))


def octets_of(text: str) -> bytes:
    """The octets of hexadecimal text, with or without spaces, colons and 0x.

    Raises:
        InputError: other characters, or half an octet.
    """
    plain = re.sub(r"[\s:,_-]|0x(?=[0-9a-fA-F]{2})", "", text)
    wrong = re.search(r"[^0-9a-fA-F]", plain)
    if wrong:
        raise InputError(f"{wrong.group()!r} at digit {wrong.start()} is no hexadecimal digit", "HEX", "0-9 and a-f")
    if len(plain) % 2:
        raise InputError(f"{len(plain)} digits end in the middle of an octet", "HEX", "two digits for each octet")
    return bytes.fromhex(plain)
