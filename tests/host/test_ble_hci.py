"""A Bluetooth controller on an HCI transport, as a dongle is: one of Bumble, behind a TCP port of this machine."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("bumble", reason="the extra `ble` is not installed")

from bumble.controller import Controller
from bumble.transport import open_transport

from pumplink.ble import radios
from pumplink.ble.finding import Wanted
from pumplink.errors import BearerMissing
from pumplink.link import Link
from pumpwire import database
from radio_pump import PUMP_ADDRESS, Bench


def test_a_controller_on_a_transport_reaches_the_pump(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Goal: what `ble+hci:TRANSPORT` names is opened, and does both roles with a bond in a file. Method: the controller
    of the test serves HCI on a port, the pump is on its air; both run on the loop of the bearer."""
    bench = Bench()
    monkeypatch.setattr(radios, "HostAir", lambda: bench.air)

    async def serve() -> Any:
        transport = await open_transport("tcp-server:127.0.0.1:0")
        Controller("dongle", host_source=transport.source, host_sink=transport.sink, link=bench.link)
        return transport

    served = bench.air.loop.run_until_complete(serve())
    port = served.server.sockets[0].getsockname()[1]
    bench.pump.values["IDD_FEATURES"] = b"\x05"
    bearer = radios.hci_bearer(
        f"tcp-client:127.0.0.1:{port}", wanted=Wanted(PUMP_ADDRESS), bonds=tmp_path / "bonds.json",
        passkey=lambda: bench.pump.shown[-1] if bench.pump.shown else None,
    )  # fmt: skip
    link = Link(bearer)
    for _ in range(2):
        link.open()
        assert link.request_read(database.FEATURES.handle) == b"\x05"
        link.close()
    assert bench.pump.shown == [123456]
    assert (tmp_path / "bonds.json").is_file()
    bench.run(bearer.port.close())
    served.server.close()
    bench.run(served.close())
    bench.settle()
    bench.close()


@pytest.mark.parametrize("transport", ["usb:99", "serial:/dev/nothing", "pigeon:1"])
def test_a_transport_that_is_not_there_is_named(tmp_path: Path, transport: str) -> None:
    bearer = radios.hci_bearer(transport, wanted=Wanted(), passkey=lambda: None, bonds=tmp_path / "bonds.json")
    with pytest.raises(BearerMissing, match=f"no Bluetooth controller at {transport} .*usb:0"):
        Link(bearer).open()
    bearer.close()


def test_a_missing_extra_is_told_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bumble", None)
    with pytest.raises(BearerMissing, match=r"needs the package bumble.* -m pip install .*\[ble\]'"):
        radios.need_radio()
