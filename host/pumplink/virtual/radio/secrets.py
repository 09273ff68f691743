"""Where a stack keeps its bonds."""

from __future__ import annotations

import struct
from collections.abc import Awaitable, Callable

from pumplink.virtual.radio.frames import Event, Irq, Stack

__all__ = ["BoardSecrets"]

Ask = Callable[[Irq | Event, bytes], Awaitable[bytes]]


class BoardSecrets:
    """Bonds in the firmware's hands (NimBLE), or in the memory of the stack until it is turned off (BTstack).

    Args:
        stack: which one.
        ask: tells the board of an event and gives what its handler makes of it.
    """

    def __init__(self, stack: Stack, ask: Ask) -> None:
        self._memory: dict[tuple[int, bytes], bytes] | None = {} if stack is Stack.BTSTACK else None
        self._ask = ask
        self._seen: dict[tuple[int, bytes], bytes | None] = {}

    async def get(self, kind: int, key: bytes) -> bytes | None:
        """A secret, or None."""
        if self._memory is not None:
            value = self._memory.get((kind, key))
        else:
            answer = await self._ask(Irq.GET_SECRET, struct.pack("<BBB", kind, 0, len(key)) + key)
            value = answer[1:] if answer[0] else None
        self._seen[(kind, key)] = value
        return value

    async def first(self, kind: int) -> bytes | None:
        """The first secret of a kind, whoever it is about."""
        if self._memory is not None:
            return next((value for (found, _), value in self._memory.items() if found == kind), None)
        answer = await self._ask(Irq.GET_SECRET, struct.pack("<BBB", kind, 0, 0))
        return answer[1:] if answer[0] else None

    def last(self, kind: int, key: bytes) -> bytes | None:
        """What `get` gave last: the key that the link has just been encrypted with."""
        return self._seen.get((kind, key))

    def put(self, kind: int, key: bytes, value: bytes) -> Awaitable[bool]:
        """Tells at once of a secret to be kept; False when the firmware did not."""
        self._seen[(kind, key)] = value
        if self._memory is not None:
            self._memory[(kind, key)] = value
            return _kept(None)
        return _kept(self._ask(Irq.SET_SECRET, struct.pack("<BB", kind, len(key)) + key + value))

    async def delete(self, kind: int, key: bytes) -> None:
        """Forgets a secret."""
        self._seen.pop((kind, key), None)
        if self._memory is not None:
            self._memory.pop((kind, key), None)
        else:
            await self._ask(Event.SECRET_DELETE, struct.pack("<BB", kind, len(key)) + key)

    def forget(self) -> None:
        """The stack is turned on: what it held in its own memory is gone."""
        self._seen.clear()
        if self._memory is not None:
            self._memory.clear()


async def _kept(answer: Awaitable[bytes] | None) -> bool:
    return answer is None or bool((await answer)[0])
