"""The steps of a fuzz case, and their text: what `pumprig fuzz --replay` takes.

    open                 opens a connection (an open one ends)
    subscribe            asks for all notifications and indications
    value:HANDLE:HEX     writes a message with its next counter and a right CRC
    att:HEX              an ATT PDU in a sound frame
    raw:HEX              octets as they are
    wait:SECONDS         lets the pump's time pass
    mute, unmute         indications are not confirmed; they are again
    check                asks for health, and judges it
    sensor:HEX           the PDU that answers the pump's next request to the sensor; nothing for no answer
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pumprig.errors import UsageError

__all__ = ["Step", "parse", "text"]

_WORDS = ("open", "subscribe", "mute", "unmute", "check")
_FORMS = {
    "value": r"[0-9a-f]{4}:(?:[0-9a-f]{2})*",
    "att": r"(?:[0-9a-f]{2})+",
    "raw": r"(?:[0-9a-f]{2})+",
    "wait": r"\d+(?:\.\d+)?",
    "sensor": r"(?:[0-9a-f]{2})*",
}


@dataclass(frozen=True, slots=True)
class Step:
    """One step.

    Args:
        kind: as in the text.
        octets: of a value, PDU or raw step.
        handle: of a value step.
        seconds: of a wait.
    """

    kind: str
    octets: bytes = b""
    handle: int = 0
    seconds: float = 0.0

    def __str__(self) -> str:
        if self.kind in _WORDS:
            return self.kind
        if self.kind == "wait":
            return f"wait:{self.seconds:g}"
        if self.kind == "value":
            return f"value:{self.handle:04x}:{self.octets.hex()}"
        return f"{self.kind}:{self.octets.hex()}"


def text(steps: list[Step]) -> str:
    """Steps as `--replay` takes them."""
    return " ".join(map(str, steps))


def parse(script: str) -> list[Step]:
    """The steps in a text.

    Raises:
        UsageError: a word that is no step.
    """
    return [_step(word) for word in script.split()]


def _step(word: str) -> Step:
    kind, _, rest = word.partition(":")
    if word in _WORDS:
        return Step(word)
    if kind not in _FORMS or not re.fullmatch(_FORMS[kind], rest):
        raise UsageError(
            f"{word!r} is no step", where="--replay",
            allowed=", ".join((*_WORDS, "value:HANDLE:HEX", "att:HEX", "raw:HEX", "wait:SECONDS", "sensor:HEX")),
        )  # fmt: skip
    if kind == "wait":
        return Step(kind, seconds=float(rest))
    if kind == "value":
        handle, _, octets = rest.partition(":")
        return Step(kind, bytes.fromhex(octets), int(handle, 16))
    return Step(kind, bytes.fromhex(rest))
