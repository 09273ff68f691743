"""Where the coroutines of a radio run, and how time passes there: with a virtual board, or on this machine."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Protocol

from pumplink.errors import BearerBusy

if TYPE_CHECKING:
    from pumplink.virtual.board import VirtualBoard

__all__ = ["Air", "BoardAir", "HostAir"]

_END_S = 3.0


class Air(Protocol):
    """An event loop that runs only while somebody waits for the radio."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop; its time is DUT time."""

    @property
    def now_s(self) -> float:
        """DUT seconds."""

    def run_until(self, until_s: float, stop: Callable[[], bool]) -> None:
        """Lets DUT time pass until `stop()`, at most until `until_s`."""

    def wake(self) -> None:
        """Has `stop` looked at again."""

    def settle(self) -> None:
        """Runs what can be run without time passing."""

    def end(self, last: Coroutine[Any, Any, None]) -> None:
        """Runs a last coroutine, as far as it comes, and ends the loop where it is this object's own."""


class BoardAir:
    """The radio of a virtual board, whose time is the board's.

    Args:
        board: started, with a radio.
    """

    def __init__(self, board: VirtualBoard) -> None:
        if board.radio is None:
            raise BearerBusy("the virtual board has no radio; start it with one")
        self.board = board
        self.radio = board.radio
        self.loop: asyncio.AbstractEventLoop = board.radio.loop

    @property
    def now_s(self) -> float:
        """DUT seconds of the board."""
        return self.board.now_s

    def run_until(self, until_s: float, stop: Callable[[], bool]) -> None:
        """Lets DUT time pass; see `Air.run_until`."""
        self.board.run_until(until_s, stop)

    def wake(self) -> None:
        """The board looks at `stop` after each thing that happens."""

    def settle(self) -> None:
        """Runs what can be run at the present DUT time."""
        self.radio.settle()

    def end(self, last: Coroutine[Any, Any, None]) -> None:
        """Runs a last coroutine as far as it comes without time passing; the loop is the board's."""
        task = self.loop.create_task(last)
        self.radio.settle()
        if not task.done():
            task.cancel()
            self.radio.settle()


class HostAir:
    """A loop of this machine, for a real radio. DUT time is this machine's, from the start of the loop on."""

    def __init__(self) -> None:
        self.loop: asyncio.AbstractEventLoop = asyncio.new_event_loop()
        self._zero_s = time.monotonic()
        self._wake = asyncio.Event()

    @property
    def now_s(self) -> float:
        """Seconds since the loop was made."""
        return time.monotonic() - self._zero_s

    def run_until(self, until_s: float, stop: Callable[[], bool]) -> None:
        """Lets time pass; see `Air.run_until`."""
        self.loop.run_until_complete(self._wait(until_s, stop))

    async def _wait(self, until_s: float, stop: Callable[[], bool]) -> None:
        while not stop():
            left_s = until_s - self.now_s
            if left_s <= 0:
                return
            self._wake.clear()
            try:
                await asyncio.wait_for(self._wake.wait(), left_s)
            except TimeoutError:
                return

    def wake(self) -> None:
        """Has `stop` looked at again."""
        self._wake.set()

    def settle(self) -> None:
        """Runs what is ready."""
        self.loop.run_until_complete(asyncio.sleep(0))

    def end(self, last: Coroutine[Any, Any, None]) -> None:
        """Runs a last coroutine, for some seconds at most, and ends the loop with all that still runs on it."""
        if self.loop.is_closed():
            last.close()
            return
        with contextlib.suppress(TimeoutError):
            self.loop.run_until_complete(asyncio.wait_for(last, _END_S))
        tasks = asyncio.all_tasks(self.loop)
        for task in tasks:
            task.cancel()
        if tasks:
            self.loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.close()
