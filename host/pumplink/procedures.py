"""What the parts of a pump's client share: the client itself, and exact numbers there and back."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from pumplink.client import Client
from pumplink.errors import WireError
from pumpwire.numbers import Special

__all__ = ["Amount", "Procedures", "exact", "number"]

Amount = Decimal | int | str
"""An amount or a rate: exact, so no float. Texts such as "0.85" are fine."""


class Procedures:
    """A part of a pump's client; `Pump` is all of them together.

    Attributes:
        client: the messages of the connection.
    """

    client: Client


def exact(amount: Amount, name: str) -> Decimal:
    """An amount as the wire takes it.

    Raises:
        ValueError: it is a float, or no number.
    """
    if isinstance(amount, bool) or not isinstance(amount, Decimal | int | str):
        raise ValueError(f'{name} is {amount!r}; give a text such as "0.85", a Decimal or a whole number, no float')
    try:
        return Decimal(amount)
    except InvalidOperation:
        raise ValueError(f'{name} is {amount!r}, which is no number; give a text such as "0.85"') from None


def number(value: Decimal | Special) -> Decimal:
    """A number of the pump.

    Fields that can be no number are looked at where they are read; elsewhere NaN breaks the message's contract.

    Raises:
        WireError: it is NaN, an infinity or the like.
    """
    if isinstance(value, Special):
        raise WireError(f"the pump sent {value.name} where a number is due")
    return value
