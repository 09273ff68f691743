"""Where the passkey of a pairing comes from: the pump shows it, and this host must be told."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

__all__ = ["PASSKEY_MAX", "Console", "Source", "redacted"]

PASSKEY_MAX = 999_999
_SHOWN = re.compile(r"(passkey\D{0,20})(\d{6})\b", re.IGNORECASE)

Source = Callable[[], int | None]
"""Gives the passkey that is shown now; None while there is none. It is asked again and again."""


class Console:
    """Reads the passkey off the lines that a board prints.

    Args:
        lines: gives the lines so far, oldest first.
    """

    def __init__(self, lines: Callable[[], Sequence[str]]) -> None:
        self._lines = lines
        self._told = 0

    def __call__(self) -> int | None:
        """The newest passkey that was printed and not given before."""
        keys = [found[2] for line in self._lines() for found in _SHOWN.finditer(line)]
        if len(keys) <= self._told:
            return None
        self._told = len(keys)
        return int(keys[-1])


def redacted(lines: Iterable[str]) -> list[str]:
    """Lines of a board's console without the passkeys in them."""
    return [_SHOWN.sub(r"\1******", line) for line in lines]
