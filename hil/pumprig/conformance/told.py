"""What a server tells: octets and fields that fail a case when they lack what the case looks for.

A server can answer with anything. Where it says too little, the server is at fault and not the case that asked.
"""

from __future__ import annotations

from typing import Any, SupportsIndex, overload

from pumprig.conformance.model import Failed
from pumprig.conformance.octets import hex_of

__all__ = ["Fields", "Octets"]


class Octets(bytes):
    """A message of the server.

    Raises:
        Failed: an octet is asked for that it does not have.
    """

    @overload
    def __getitem__(self, at: SupportsIndex, /) -> int: ...
    @overload
    def __getitem__(self, at: slice, /) -> bytes: ...
    def __getitem__(self, at: SupportsIndex | slice, /) -> int | bytes:
        """An octet, or some of them, of which there may be fewer than asked for."""
        try:
            return super().__getitem__(at)
        except IndexError:
            raise Failed(f"an octet {at}", f"{len(self)} octets: {hex_of(self)}") from None


class Fields(dict[str, Any]):
    """The fields of a message of the server.

    Raises:
        Failed: a field is asked for that the message does not have.
    """

    def __missing__(self, name: str) -> Any:
        """There is no such field."""
        raise Failed(f"a message with the field {name}", f"the fields {', '.join(self) or 'none'}")
