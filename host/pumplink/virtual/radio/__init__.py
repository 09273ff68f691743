"""A radio for the virtual board: Bumble on both sides of a virtual air, in the time of the DUT."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pumplink.boards import BoardData
from pumplink.errors import BoardUnavailable
from pumplink.extras import install_command
from pumplink.stacks import stack_of
from pumplink.virtual.radio.frames import Stack

if TYPE_CHECKING:
    from pumplink.virtual.radio.radio import Board, Radio

__all__ = ["Stack", "open_radio", "with_radio", "without_radio"]

_STACKS = {"nimble": Stack.NIMBLE, "btstack": Stack.BTSTACK}


def with_radio(data: BoardData, stack: str | None) -> tuple[BoardData, Stack]:
    """A board's data with the radio in use.

    Args:
        data: the board's own.
        stack: whose limits it has, `nimble` or `btstack`; that of the data when None.
    Returns:
        The data for the firmware, and the stack.
    Raises:
        ValueError: no such stack, or the board has no radio and none is named.
    """
    name = stack or stack_of(data)
    if name not in _STACKS:
        raise ValueError(f"Bluetooth stack of board {data.name} is {name!r}; allowed are {', '.join(_STACKS)}")
    limits = {**data.sections.get("limits", {}), "ble_stack": name}
    sections = {**data.sections, "limits": limits}
    return replace(data, firmware={**data.firmware, "BLE": 1}, sections=sections), _STACKS[name]


def without_radio(data: BoardData) -> BoardData:
    """A board's data with the radio left alone."""
    return replace(data, firmware={**data.firmware, "BLE": 0})


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
            f"the virtual radio needs the package bumble, which is not installed: {install_command('ble')}"
        ) from error
    return Radio(board, stack, interval_s)
