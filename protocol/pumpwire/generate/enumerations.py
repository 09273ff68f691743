"""The enumerations and flags that messages use, in the order of their declaration."""

from __future__ import annotations

import enum
from typing import Any

from pumpwire import enums


def enumerations() -> list[Any]:
    """Every enumeration and flags class of `pumpwire.enums`."""
    return [
        value
        for value in vars(enums).values()
        if isinstance(value, type) and issubclass(value, (enum.IntEnum, enum.IntFlag)) and len(value)
    ]
