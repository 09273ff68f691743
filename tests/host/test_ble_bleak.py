"""The operating system's radio as a bearer: bleak, on a radio of the tests; the sensor stays on the cable."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal

import pytest

pytest.importorskip("bumble", reason="the extra `ble` is not installed")
pytest.importorskip("bleak", reason="the extra `ble` is not installed")

from pumplink.ble.air import Air, BoardAir
from pumplink.ble.bearer import BleBearer
from pumplink.ble.bleak_port import BleakPort
from pumplink.ble.finding import Wanted
from pumplink.ble.passkey import Console
from pumplink.ble.split import SplitBearer
from pumplink.cgm_server import CgmServer
from pumplink.errors import AttError, BearerLost, BearerMissing, PairingFailed
from pumplink.link import Link
from pumplink.pump import Pump
from pumplink.virtual import Lockstep, VirtualBoard
from pumpwire import database
from pumpwire.att import AttErrorCode
from radio_bleak import bleak_on
from radio_pump import HOST_ADDRESS, PUMP_ADDRESS, Bench, on_air, serve_until

MORNING = datetime(2026, 3, 4, 6)


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.close()


def bleak_bearer(bench: Bench, passkey: Callable[[], int | None] | None = None) -> BleBearer:
    # The pump may show it a moment after the system asks.
    shown = bench.pump.shown
    typed = passkey or (lambda: shown[-1] if shown else None)
    backend = bleak_on(lambda: on_air(bench.link, "host", HOST_ADDRESS), typed)
    air: Air = bench.air
    return BleBearer(BleakPort(air, wanted=Wanted(PUMP_ADDRESS), backend=backend), air)


def test_reads_writes_and_values_through_bleak(bench: Bench) -> None:
    """Goal: the bearer over bleak does what the bearer over Bumble does. Method: a value of each kind, a refusal by the
    stack, one by the pump, a handle that there is not, and the MTU."""
    bench.pump.values["IDD_FEATURES"] = b"\x01\x02\x03"
    bench.pump.refusals = {"EMULATOR_FAULT": AttErrorCode.OUT_OF_RANGE}
    link = Link(bleak_bearer(bench))
    link.open()
    assert link.request_read(database.FEATURES.handle) == b"\x01\x02\x03"
    link.request_write(database.COMMAND_CONTROL_POINT.handle, b"\x04")
    assert bench.pump.written == [("IDD_COMMAND_CONTROL_POINT", b"\x04")]
    for handle, code in ((database.EMULATOR_FAULT.handle, 0xFF), (0x00FE, 0x01)):
        with pytest.raises(AttError) as refused:
            link.request_write(handle, b"\x01")
        assert refused.value.code == code
    got: list[bytes] = []
    link.subscribe(database.STATUS.handle, indicate=True)
    link.on_value(database.STATUS.handle, lambda value, _at_s: got.append(value))
    bench.air.loop.create_task(bench.pump.indicate("IDD_STATUS", b"\x02"))
    serve_until(link, lambda: got == [b"\x02"])
    assert link.exchange_mtu(65) == 65
    link.bearer.close()


def test_what_is_told_before_anybody_asked_is_heard(bench: Bench) -> None:
    """Goal: nothing is lost between the moment at which the pump trusts the link and that at which a client asks for
    values. Method: values before a subscription, across it, and on a second connection; then one is not wanted."""
    link = Link(bleak_bearer(bench))
    got: list[bytes] = []
    handle = database.STATUS_CHANGED.handle
    link.on_value(handle, lambda value, _at_s: got.append(value))
    wanted: list[bytes] = []
    for connection in (1, 2):
        link.open()
        for number in (1, 2):
            wanted.append(bytes([connection, number]))
            bench.air.loop.create_task(bench.pump.indicate("IDD_STATUS_CHANGED", wanted[-1]))
            serve_until(link, lambda: got == wanted)
            link.subscribe(handle, indicate=True)
        link.close()
        bench.settle()
    link.open()
    link.request_write(handle + 1, b"\0\0")
    bench.air.loop.create_task(bench.pump.indicate("IDD_STATUS_CHANGED", b"\x03"))
    link.run_until(link.now_s + 0.1)
    assert len(got) == 4


def test_a_connection_that_ends_and_a_new_one(bench: Bench) -> None:
    """Method: the pump disconnects, and the bond serves the next connection."""
    link = Link(bleak_bearer(bench))
    link.open()
    assert bench.pump.connection is not None
    bench.air.loop.create_task(bench.pump.connection.disconnect())
    with pytest.raises(BearerLost, match="the connection to the pump ended; open it again"):
        link.run_until(link.now_s + 20)
    link.open()
    link.request_write(database.EMULATOR_FAULT.handle, b"\x01")
    assert len(bench.pump.shown) == 1


def test_a_wrong_passkey_names_the_remedy(bench: Bench) -> None:
    with pytest.raises(PairingFailed, match=r"could not pair.*remove the pump from the system's Bluetooth devices"):
        Link(bleak_bearer(bench, lambda: 1)).open()


def test_no_adapter_is_told_of(bench: Bench) -> None:
    """Goal: one clear message. Method: bleak as it is, on a machine whose Bluetooth it cannot reach."""
    bearer = BleBearer(BleakPort(bench.air, wanted=Wanted()), bench.air)
    try:
        Link(bearer).open()
    except BearerMissing as error:
        if "no Bluetooth adapter can be used" not in str(error):
            pytest.skip(f"this machine has an adapter: {error}")
    else:
        pytest.skip("this machine has an adapter, and a pump is near")


def test_the_pump_doses_over_bleak_with_the_sensor_on_the_cable() -> None:
    """Goal: the firmware, a client-only radio and the cable work together. Method: the virtual board in lockstep; the
    pump is set up over the air and gets its samples over the UART."""
    with VirtualBoard(clock=Lockstep(), ble=True) as board:
        air = BoardAir(board)
        radio = air.radio
        console = Console(lambda: board.output)
        backend = bleak_on(lambda: radio.attach("host", HOST_ADDRESS), console)
        port = BleakPort(air, wanted=Wanted(radio.address), backend=backend)
        link = Link(SplitBearer(BleBearer(port, air), board.bearer(), lambda: board.uart_waiting))
        sensor = CgmServer(link, MORNING)
        link.open()
        pump = Pump(link)
        pump.subscribe()
        pump.set_clock(MORNING)
        link.close()
        link.open()
        pump.subscribe()
        pump.write_basal_profile([(1440, Decimal(6))])
        pump.activate(1)
        pump.start()
        pump.run_for(60)
        assert sensor.subscribed
        assert sensor.send(1, 112)
        pump.run_for(60)
        assert pump.pulse_counters().basal > 0
        assert link.dropped_frames == 0
