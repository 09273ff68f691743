"""A radio for the virtual board: Bumble on both sides of a virtual air, in the time of the DUT."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pumplink.errors import BoardUnavailable
from pumplink.virtual.radio.frames import Stack

if TYPE_CHECKING:
    from pumplink.virtual.radio.radio import Board, Radio

__all__ = ["STACKS", "open_radio"]

STACKS = {"nimble": Stack.NIMBLE, "btstack": Stack.BTSTACK}


def open_radio(board: Board, stack: Stack, interval_s: float) -> Radio:
    """The radio of a board.

    Args:
        board: the board.
        stack: whose limits it has.
        interval_s: DUT seconds from one connection event to the next; 0.0 for none.
    Raises:
        BoardUnavailable: Bumble is not installed.
    """
    try:
        from pumplink.virtual.radio.radio import Radio
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "bumble":
            raise
        raise BoardUnavailable(
            "the virtual radio needs the package bumble; install pumprig with its extra: pip install 'pumprig[ble]'"
        ) from error
    return Radio(board, stack, interval_s)
