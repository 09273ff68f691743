"""A pump without hardware: the firmware in a process of its own, with the host as its clock and its world."""

from pumplink.virtual.board import LinkFrame, Reset, VirtualBoard
from pumplink.virtual.clocks import Clock, Lockstep, Realtime, Scaled, parse_clock

__all__ = ["Clock", "LinkFrame", "Lockstep", "Realtime", "Reset", "Scaled", "VirtualBoard", "parse_clock"]
