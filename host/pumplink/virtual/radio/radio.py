"""The radio of a virtual board: the air around it, its stack, and the loop that both run in, on the time of the DUT."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar

from bumble.controller import Controller
from bumble.device import Device
from bumble.hci import Address
from bumble.host import Host

from pumplink.virtual.radio.agent import Agent
from pumplink.virtual.radio.air import SUPERVISION_TIMEOUT_S, HostController, RadioLink
from pumplink.virtual.radio.frames import Stack
from pumplink.virtual.radio.loop import DutLoop
from pumplink.virtual.radio.quick import QuickHost

__all__ = ["Radio"]

BOARD_ADDRESS = "C0:50:55:4D:50:01"
_PASSKEYS_KEPT = 100

# It says passkeys and keys at its finer levels, and no log of ours may have them.
logging.getLogger("bumble").setLevel(logging.CRITICAL)

_T = TypeVar("_T")


class Board(Protocol):
    """What the radio needs of its board."""

    @property
    def now_s(self) -> float:
        """DUT seconds."""

    def run_until(self, until_s: float, stop: Callable[[], bool]) -> bool:
        """Lets DUT time pass."""

    def send_radio(self, frame: bytes) -> None:
        """Gives a frame to the board with its next grant."""

    def reply_radio(self, frame: bytes) -> None:
        """Gives a frame to the board, which waits for it."""


class Radio:
    """Everything that a board with a radio has beside its UART.

    Args:
        board: the board.
        stack: whose limits the module `bluetooth` has.
        interval_s: DUT seconds from one connection event to the next; 0.0: packets travel at once.

    Attributes:
        link: the air; a central of one's own is put on it.
        loop: the asyncio loop of everything on it; `time()` is DUT seconds.
        address: the board's own address.
        passkeys: what the board was to show, the latest last. For tests: a user reads them where the board shows them.
    """

    def __init__(self, board: Board, stack: Stack, interval_s: float = 0.0) -> None:
        self.loop = DutLoop(lambda: board.now_s)
        self.link = RadioLink(self.loop, interval_s)
        self.address = BOARD_ADDRESS
        self.passkeys: list[int] = []
        self._board = board
        self._stack = stack
        self._agent: Agent | None = None
        self._awaited = False

    def settle(self) -> None:
        """Runs everything that can be run at the present DUT time. No time passes, and nothing blocks.

        Raises:
            BearerError: the board ended meanwhile.
        """
        self.loop.settle()
        self.link.wake()
        self.loop.settle()

    @property
    def next_timer_s(self) -> float:
        """DUT second of the earliest timer; inf when there is none."""
        return self.loop.next_timer_s

    def task(self, work: Coroutine[Any, Any, _T]) -> asyncio.Task[_T]:
        """Starts a coroutine. It goes on whenever DUT time passes, through any bearer of the board."""
        return self.loop.create_task(work)

    def run(self, work: Coroutine[Any, Any, _T], within_s: float = 10.0) -> _T:
        """Lets DUT time pass until a coroutine has come to its end. Not for callbacks and coroutines of the loop.

        What came last may still be on its way to the board.

        Args:
            work: the coroutine.
            within_s: DUT seconds that it may take.
        Raises:
            TimeoutError: it takes longer; it is cancelled.
            BearerError: the board ended meanwhile.
        """
        task = self.task(work)
        if not self._board.run_until(self._board.now_s + within_s, task.done):
            task.cancel()
            self.settle()
            raise TimeoutError(f"not done within {within_s:g} s of the pump's time")
        return task.result()

    async def attach(self, name: str, address: str) -> Device:
        """A device on a controller of its own in this air; configure it, then call its `power_on`.

        Args:
            name: how it calls itself.
            address: its static random address.
        """
        host = QuickHost(HostController(name, self.link), self.loop)
        return Device(name=name, address=Address(address, Address.RANDOM_DEVICE_ADDRESS), host=host)

    def vanish(self, device: Device) -> None:
        """Takes a device off the air without a word: the others see its links drop after the supervision timeout."""
        for controller in list(self.link.controllers):
            if isinstance(controller.host, Host) and controller.host is device.host:
                self.link.lose(controller, SUPERVISION_TIMEOUT_S)

    # --- The board's side ----------------------------------------------------------------------------------------

    def board_starts(self) -> None:
        """A board begins: its radio is off, and knows nothing."""
        self.board_ends()
        self._agent = Agent(
            self.link, self._stack, self.address, self._board.send_radio, self._board.reply_radio, self.passkeys
        )
        self.link.on_arrived = self._agent.arrived

    def board_ends(self) -> None:
        """The board has no power any more: whoever was connected to it sees the link drop."""
        agent, self._agent = self._agent, None
        if agent is not None:
            agent.end()
            self.link.on_arrived = _nobody
            if not self.loop.is_running():
                self.settle()
        del self.passkeys[:-_PASSKEYS_KEPT]

    def take(self, frame: bytes) -> None:
        """Takes a frame of the board's."""
        if self._agent is not None and self._agent.take(frame):
            self._awaited = True

    def serve(self) -> None:
        """Answers the board, if it waits."""
        if self._awaited:
            self._awaited = False
            self.settle()

    def close(self) -> None:
        """Ends the radio with its board."""
        self.board_ends()
        self.loop.end()


def _nobody(_controller: Controller, _packet: bytes) -> None:
    pass
