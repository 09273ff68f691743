"""What the answers share: how a reply is put, and how amounts of the wire become whole numbers."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from pumprig.oracle.commands import Expected

__all__ = ["pulses_of", "reply", "scaled"]


def reply(code: int, rule: str, **values: Any) -> Expected:
    """The one answer that a rule allows."""
    return Expected(frozenset({code}), values, rule)


def scaled(value: Decimal, scale: int = 1000) -> int | None:
    """A decimal number in whole parts of which `scale` make one, or None when it is not whole or no number."""
    if not value.is_finite():
        return None
    parts = value * scale
    return int(parts) if parts == int(parts) else None


def pulses_of(amount_iu: Decimal, pulse_mu: int, least: int, most_mu: int) -> int | None:
    """An amount in pulses, or None when it is no whole number of them, or not from `least` pulses to `most_mu`."""
    amount_mu = scaled(amount_iu)
    if amount_mu is None or not least * pulse_mu <= amount_mu <= most_mu or amount_mu % pulse_mu:
        return None
    return amount_mu // pulse_mu
