"""A pump whose firmware is older than the host is told apart as soon as the link is secure.

Method: the real firmware with the wire version of before, over the virtual radio.
"""

import re

import pytest

from pumplink import VirtualBoard
from pumplink.boards import default_firmware
from pumplink.errors import PumpLinkError
from pumplink.link import Link
from pumprig.suite.patching import copy_firmware
from pumpwire.vendor import WIRE_VERSION
from radio.central import NEEDS_RADIO

pytestmark = NEEDS_RADIO


def test_the_wire_version_is_told(tmp_path):
    from pumplink.ble.radios import virtual_bearer

    text = (default_firmware() / "gatt/wire_tables.py").read_text(encoding="utf-8")
    older, count = re.subn(r"^(WIRE_VERSION = const\()\d+\)", rf"\g<1>{WIRE_VERSION - 1})", text, flags=re.MULTILINE)
    assert count == 1
    firmware = copy_firmware(default_firmware(), tmp_path / "firmware", {"gatt/wire_tables.py": older})
    board = VirtualBoard("virtual", firmware, ble=True).start()
    try:
        with pytest.raises(PumpLinkError, match="wire version"):
            Link(virtual_bearer(board)).open()
    finally:
        board.stop()
