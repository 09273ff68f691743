"""What can go wrong on the wire.

    WireError                 any of the below
    ├── FieldError            a value that a message cannot carry (building)
    ├── ValueNotExact         a number that SFLOAT or FLOAT cannot say exactly
    ├── FrameError            a damaged or oversized serial frame
    ├── PduError              octets that are no ATT PDU
    ├── E2EError              a wrong CRC, a wrong counter or a missing trailer
    └── DeclarationError      a message declaration that cannot be generated from
"""

from __future__ import annotations


class WireError(Exception):
    """Base of every error that pumpwire raises on purpose."""


class FieldError(WireError):
    """A value that cannot be put into a field.

    Args:
        message: name of the message.
        field: name of the field, or of the unknown key.
        offset: octet of the message at which the field starts, or None.
        value: what was given.
        allowed: what would have been accepted.
    """

    def __init__(self, message: str, field: str, offset: int | None, value: object, allowed: str) -> None:
        where = f"{message}.{field}" + ("" if offset is None else f" at octet {offset}")
        super().__init__(f"{where}: {value!r} cannot be sent; allowed: {allowed}")
        self.message = message
        self.field = field
        self.offset = offset
        self.value = value
        self.allowed = allowed


class ValueNotExact(WireError):
    """A number that has no exact SFLOAT or FLOAT; `numbers.toward_zero` gives the nearest that has one."""


class FrameError(WireError):
    """A serial frame that is damaged, too long or of an unknown type."""


class PduError(WireError):
    """Octets that are not one of the ATT PDUs in use."""


class E2EError(WireError):
    """A characteristic value whose CRC or counter is wrong or missing."""


class DeclarationError(WireError):
    """A message declaration outside the subset that the generator understands; names message and field."""
