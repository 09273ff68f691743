"""Bluetooth stacks of boards: what MicroPython cannot do with them, so that nobody can expect it of a pump on one.

A board names its stack and what that cannot do by keys, in `[limits] ble_stack` and `ble_cannot` of its `board.toml`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pumplink.boards import BoardData

__all__ = ["CANNOT", "STACKS", "limits_of", "stack_of"]

STACKS: Final = ("none", "nimble", "btstack")
"""What `ble_stack` can say; none: the board has no radio."""

CANNOT: Final[Mapping[str, str]] = {
    "write_error": "the board's stack acknowledges every write by itself, so no ATT error can answer one",
    "cccd_known": "the board's stack keeps the client configurations to itself",
    "cccd_kept": "the board's stack keeps one client configuration for all connections",
    "read_counted": "the board's stack answers reads by itself and does not tell of them, so no counter goes up",
    "vendor_services": "the board's stack has room for 512 octets of attributes, which the standard's services fill",
    "bonds_kept": "the board's stack keeps bonds in memory, so that they are gone when it starts",
    "passkey": "the board's stack can show no passkey, so that nobody can be authenticated",
    "accept_list": "the board's stack takes no accept list, so that strangers connect before they are sent away",
}
"""Key -> why something is not possible with such a stack."""


def stack_of(data: BoardData) -> str:
    """The stack of a board.

    Raises:
        ValueError: it is none of `STACKS`; the message names the file and what is allowed.
    """
    stack = data.sections.get("limits", {}).get("ble_stack", "none")
    if stack not in STACKS:
        raise ValueError(f"{_where(data)} ble_stack: is {stack!r}; allowed are {', '.join(STACKS)}")
    return str(stack)


def limits_of(data: BoardData) -> dict[str, str]:
    """What a board's stack cannot do: key -> why.

    Raises:
        ValueError: a key is none of `CANNOT`; the message names the file and what is allowed.
    """
    keys = data.sections.get("limits", {}).get("ble_cannot", [])
    unknown = [key for key in keys if key not in CANNOT] if isinstance(keys, list) else [keys]
    if unknown:
        raise ValueError(f"{_where(data)} ble_cannot: is {unknown[0]!r}; allowed are {', '.join(CANNOT)}")
    assert isinstance(keys, list)
    return {key: CANNOT[key] for key in keys}


def _where(data: BoardData) -> str:
    return f"{data.folder / 'board.toml'}: [limits]"
