"""What a board prints between the frames on its USB line."""

from __future__ import annotations

from collections.abc import Iterator

from pumplink.bearer import Bearer

__all__ = ["printed"]

_LOOK_EVERY_S = 0.2
_LINE_OCTETS_MAX = 4096
_TAB, _FIRST_PRINTABLE = 0x09, 0x20


def printed(bearer: Bearer, seconds: float | None = None) -> Iterator[str]:
    """Lines of text as they come.

    A frame ends with a zero and is no text: of a line, what stands before its last zero is left out, and so are lines
    with other octets that no terminal shows.

    Args:
        bearer: the board's line.
        seconds: how long to listen; None for as long as the bearer holds.
    Raises:
        BearerLost: the board went away.
    """
    waiting = bytearray()
    until_s = None if seconds is None else bearer.now_s + seconds
    while until_s is None or bearer.now_s < until_s:
        next_s = bearer.now_s + _LOOK_EVERY_S
        waiting += bearer.receive(next_s if until_s is None else min(next_s, until_s))
        *lines, rest = bytes(waiting).split(b"\n")
        for line in lines:
            line = line.rpartition(b"\x00")[2].rstrip(b"\r")
            if all(octet >= _FIRST_PRINTABLE or octet == _TAB for octet in line):
                yield line.decode("utf-8", "replace")
        waiting = bytearray(rest[-_LINE_OCTETS_MAX:])
