"""A pump without hardware: the firmware in a process of its own, with the host as its clock and its world."""

from pumplink.virtual.board import VirtualBoard
from pumplink.virtual.clocks import Clock, Lockstep, Realtime, Scaled, parse_clock
from pumplink.virtual.frames import LinkFrame, Reset

__all__ = ["Clock", "LinkFrame", "Lockstep", "Realtime", "Reset", "Scaled", "VirtualBoard", "parse_clock"]
