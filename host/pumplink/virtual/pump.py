"""A pump on a virtual board, in one line."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

from pumplink.bearer import Bearer
from pumplink.link import Link
from pumplink.pump import Pump
from pumplink.virtual.board import VirtualBoard
from pumplink.virtual.clocks import Clock

__all__ = ["VirtualPump", "virtual_pump"]


class VirtualPump(Pump):
    """A pump whose board is a virtual one; leaving the context stops the board, too.

    Attributes:
        board: the board, for its pulses, pins, analog inputs and output.
    """

    def __init__(self, board: VirtualBoard, bearer: Bearer | None = None, *, strict: bool = True) -> None:
        self.board = board
        super().__init__(Link(bearer or board.bearer()), strict=strict)

    def __enter__(self) -> Self:
        try:
            return super().__enter__()
        except BaseException:
            self.board.stop()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            super().__exit__(kind, error, traceback)
        finally:
            self.board.stop()


def virtual_pump(
    clock: Clock | None = None, firmware_dir: Path | None = None, board: str | Path = "virtual"
) -> VirtualPump:
    """Starts a virtual board; used as a context manager, it is a connected and subscribed pump.

    Args:
        clock: lockstep when None.
        firmware_dir: the installed firmware when None.
        board: name or folder of a board's data.
    Raises:
        BearerError: the board cannot be started, or its firmware does not run; the message says why.
    """
    return VirtualPump(VirtualBoard(board, firmware_dir, clock).start())
