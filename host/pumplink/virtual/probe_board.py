"""The probe on a second virtual board, whose pin follows the motor pin of the first."""

from __future__ import annotations

import struct

from pumplink.boards import PROBE_FOLDER, default_firmware
from pumplink.virtual.board import VirtualBoard
from pumplink.virtual.clocks import Lockstep

__all__ = ["drive", "virtual_probe"]

_US = 1_000_000
# As `VirtualBoard.set_level` has it, and the microsecond of the board's clock that an interrupt of the pin finds.
_TIMED_LEVEL = struct.Struct("<BHBBQ")
_LEVEL_KIND = ord("L")


def virtual_probe(pump: VirtualBoard) -> VirtualBoard:
    """Starts a probe whose pin is joined to the motor pin of a board.

    The edges cross this process, late and in order; their times do not suffer from it.

    Args:
        pump: a started board whose clock runs by itself.
    Raises:
        ValueError: the board's clock is lockstep, in which no second board has a place.
        BearerError: the probe does not start.
    """
    if isinstance(pump.clock, Lockstep):
        raise ValueError("a probe needs a clock that runs by itself; start the board with scaled:N or realtime")
    probe = VirtualBoard(pump.data, default_firmware() / PROBE_FOLDER, pump.clock)
    probe.start()

    def follow(pin: int, level: int, at_us: int, _due_us: int) -> None:
        if pin == pump.motor_pin and probe.running:
            drive(probe, pin, level, at_us / _US + (pump._zero - probe._zero) * pump.clock.scale)

    pump.on_pin(follow)
    return probe


def drive(probe: VirtualBoard, pin: int, level: int, at_s: float) -> None:
    """Sets the level of an input pin of a board whose clock runs by itself.

    Args:
        probe: the board.
        pin: its number.
        level: the level.
        at_s: the DUT second that an interrupt of the pin finds.
    """
    at_us = max(0, round(at_s * _US) - probe._base_us)
    probe._send(_TIMED_LEVEL.pack(_LEVEL_KIND, 10, pin, level, at_us))
