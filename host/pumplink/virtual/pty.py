"""The virtual board's UART as a pseudo-terminal, for any program that speaks to a serial port."""

from __future__ import annotations

import contextlib
import os
import select
import threading
import tty
from typing import TYPE_CHECKING

from pumplink.errors import BearerError
from pumplink.virtual.clocks import Lockstep

if TYPE_CHECKING:
    from pumplink.virtual.board import VirtualBoard

__all__ = ["BoardPty"]

_STOP_S = 0.05
_READ_OCTETS = 4096


class BoardPty:
    """Joins a running board's UART to a pseudo-terminal, in a thread of its own, until `close`.

    Made by `VirtualBoard.pty`. Callbacks of the board (`on_pulse`, `on_pin`) are called from that thread meanwhile.

    Args:
        board: a started board whose clock runs by itself: a pty has no place for the grants of lockstep.
    Raises:
        ValueError: the board's clock is lockstep.
        BearerBusy: the board's UART is in use.

    Attributes:
        path: the device that the other program opens.
        error: what ended the board, if it ended.
    """

    def __init__(self, board: VirtualBoard) -> None:
        if isinstance(board.clock, Lockstep):
            raise ValueError("a pty needs a clock that runs by itself; start the board with scaled:N or realtime")
        self.error: BearerError | None = None
        self._board = board
        self._bearer = board.bearer()
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.path = os.ttyname(self._slave)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Takes the pty away; the board runs on. A second call does nothing."""
        if self._stop.is_set():
            return
        self._stop.set()
        self._thread.join()
        self._bearer.close()
        for end in (self._master, self._slave):
            with contextlib.suppress(OSError):
                os.close(end)

    def __enter__(self) -> BoardPty:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def _run(self) -> None:
        board, bearer = self._board, self._bearer
        try:
            while not self._stop.is_set():
                ready = select.select([self._master, board.fileno()], [], [], _STOP_S)[0]
                if self._master in ready:
                    bearer.write(os.read(self._master, _READ_OCTETS))
                while not self._stop.is_set() and (data := bearer.receive(bearer.now_s)):
                    self._pass_on(data)
        except BearerError as error:
            self.error = error

    def _pass_on(self, data: bytes) -> None:
        # A terminal that nobody reads fills up; what it does not take waits, but never longer than the board is open.
        left = memoryview(data)
        while left and not self._stop.is_set():
            if select.select([], [self._master], [], _STOP_S)[1]:
                left = left[self._written(left) :]

    def _written(self, data: memoryview) -> int:
        try:
            return os.write(self._master, data)
        except BlockingIOError:
            return 0
