"""Frames of the one link between host and virtual board, as `shims/virtual_link.py` packs and takes them."""

from __future__ import annotations

import struct
from typing import NamedTuple

HEAD = struct.Struct("<BH")
HELLO = struct.Struct("<QI")
STAMP = struct.Struct("<Q")
EDGE = struct.Struct("<QQBB")
IDLE = struct.Struct("<QQ")
WATCHDOG = struct.Struct("<QI")
RESET = struct.Struct("<QB")
CUT = struct.Struct("<QI")
GRANT = struct.Struct("<BHQ")
ANALOG = struct.Struct("<BHBH")
LEVEL = struct.Struct("<BHBB")

HELLO_KIND, UART_KIND, PIN_KIND, IDLE_KIND, WATCHDOG_KIND, RESET_KIND, CUT_KIND, RADIO_KIND = b"HUPIWRCB"
GRANT_KIND, ANALOG_KIND, LEVEL_KIND = b"GAL"


class LinkFrame(NamedTuple):
    """UART octets as they crossed the link. `direction` is `to_board` or `to_host`; `at_s` is DUT seconds."""

    at_s: float
    direction: str
    uart: int
    data: bytes


class Reset(NamedTuple):
    """A reset of the board: when (DUT seconds), and what `machine.reset_cause()` says after it."""

    at_s: float
    cause: int
