"""Fuzzing over the air: what a hostile client can send there, and what a pump must do that can send no ATT error."""

from __future__ import annotations

import random
from collections.abc import Callable

from pumplink.virtual.board import VirtualBoard
from pumprig.bearers import BearerChoice, radio_of_board
from pumprig.fuzz.cases import Maker
from pumprig.fuzz.peer import Broken, Peer, must_be_refused
from pumpwire.att import AttOpcode
from pumpwire.database import (
    COMMAND_CONTROL_POINT,
    RECORD_ACCESS_CONTROL_POINT,
    STATUS_READER_CONTROL_POINT,
)

__all__ = ["AirMaker", "AirPeer"]

ENDS_S = 1.0
_HEAP_TOLD_S = 62.0
_ANSWERED_S = 1.0
_CONTROL_POINTS = [
    item.handle for item in (STATUS_READER_CONTROL_POINT, COMMAND_CONTROL_POINT, RECORD_ACCESS_CONTROL_POINT)
]
# What is wrong with a frame never reaches the air.
_OF_FRAMES = ("_damaged_frame", "_delimiters", "_other_frame", "_open", "_garbage", "_at_once")
_COMMAND_FLAG = 0x40
_WHOLE = {AttOpcode.READ_REQUEST: 3, AttOpcode.EXCHANGE_MTU_REQUEST: 3}


class AirMaker(Maker):
    """Makes cases for the air.

    Args:
        dice: all chance comes from here.
    """

    def __init__(self, dice: random.Random) -> None:
        super().__init__(dice)
        self.leave_out(_OF_FRAMES)


class AirPeer(Peer):
    """Client and sensor of a virtual board in lockstep, over its radio.

    Args:
        board: started, with a radio.
    """

    def __init__(self, board: VirtualBoard) -> None:
        super().__init__(board, radio_of_board(board, BearerChoice.of("ble")))
        self._must_end = False

    def check(self) -> None:
        """As `Peer.check`; and a control point that was written wrongly has ended the connection (D-1510)."""
        if self._must_end:
            self._until(self.now_s + ENDS_S, lambda: not self._must_end)
        if self._must_end:
            raise Broken("the connection stands after a control point was written with a wrong length, counter or CRC")
        super().check()

    # Over the air the pump looks at its heap once a minute: what it tells then has in it what was loaded.
    def _load_late(self) -> None:
        super()._load_late()
        self._until(self.now_s + _HEAP_TOLD_S)

    # A client has one request under way: the radio of a board may leave one that is no PDU without an answer.
    def _att(self, pdu: bytes) -> None:
        if len(pdu) > self._mtu:
            # No radio carries it.
            return
        super()._att(pdu)
        if pdu and not pdu[0] & 1 and not pdu[0] & _COMMAND_FLAG and pdu[0] != AttOpcode.CONFIRMATION:
            self._until(self.now_s + _ANSWERED_S, lambda: not self._awaited)
            whole = _WHOLE.get(AttOpcode(pdu[0])) if pdu[0] in list(AttOpcode) else None
            if self._awaited and whole == len(pdu) and self._connected:
                raise Broken(f"no answer to {pdu.hex()} within {_ANSWERED_S:g} s")
            self._awaited.clear()

    def _lose(self) -> None:
        super()._lose()
        self._must_end = False

    def _value_leaves(self, handle: int, value: bytes) -> Callable[[], None] | None:
        taken = super()._value_leaves(handle, value)
        if handle in _CONTROL_POINTS:
            if taken is must_be_refused:
                self._must_end = True
                return None
            # The stack acknowledges whatever comes: what is right counts as taken when it leaves, unless the pump does
            # not look at it any more.
            if taken is not None and not self._must_end:
                taken()
            return None
        return taken

    def _is_reply(self, asked: int, opcode: int) -> bool:
        # The pump's stack knows all of ATT.
        return opcode == asked + 1
