"""The UART of a virtual board as a bearer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pumplink.bearer import Bearer

if TYPE_CHECKING:
    from pumplink.virtual.board import VirtualBoard

__all__ = ["VirtualBearer"]

_US = 1_000_000


class VirtualBearer(Bearer):
    """The UART of a virtual board."""

    def __init__(self, board: VirtualBoard) -> None:
        super().__init__()
        self.board = board
        self._open = True

    @property
    def now_s(self) -> float:
        """DUT seconds."""
        return self.board.now_s

    @property
    def received_at_s(self) -> float:
        """DUT second at which the board sent the octets last received."""
        return self.board._received_us / _US

    def write(self, data: bytes) -> None:
        """Sends octets; see `Bearer.write`."""
        if not self._open:
            raise self._closed()
        self.board.write_uart(data)

    def _receive(self, until_s: float) -> bytes:
        if not self._open:
            raise self._closed()
        return self.board.read_uart(until_s)

    def _go_on(self, until_s: float) -> None:
        board, until_us = self.board, round(until_s * _US)
        # A radio has things to do in between.
        lockstep = not board.clock.scale and board.radio is None
        if lockstep and not board.uart_waiting and board._now_us < until_us:
            board._grant(until_us, wait=False)

    def close(self) -> None:
        """Gives the UART free; the board runs on."""
        if self._open:
            self._open = False
            self.board._bearer = None

    def board_ended(self) -> None:
        """The board was stopped under the bearer."""
        self._open = False
