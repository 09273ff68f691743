"""The radio as a bearer, against a pump in the air that has no firmware."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from pumplink.btsnoop import capture_link, pdus
from pumplink.client import Client
from pumplink.errors import AttError, BearerLost, BearerMissing, PairingFailed
from pumplink.link import Link
from pumpwire import database
from pumpwire.att import AttErrorCode, AttOpcode

pytest.importorskip("bumble", reason="the extra `ble` is not installed")

from bumble.core import UUID
from bumble.device import Peer
from bumble.keys import MemoryKeyStore

from pumplink.ble import bumble_port, finding
from pumplink.ble.bonds import BondFile
from pumplink.ble.finding import Wanted
from radio_pump import HOST_ADDRESS, PUMP_ADDRESS, Bench, RadioPump, serve_until


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.close()


def opened(bench: Bench, **options: object) -> Link:
    link = Link(bench.bearer(**options))
    link.open()
    return link


# --- PDUs -----------------------------------------------------------------------------------------------------------


def test_reads_and_writes_have_the_handles_of_the_table(bench: Bench) -> None:
    """Goal: nothing above the bearer knows the handles of the radio. Method: a read, a write, and a handle that only
    the serial bearer has, which is refused as one that there is not."""
    bench.pump.values["IDD_FEATURES"] = b"\x01\x02\x03"
    link = opened(bench)
    assert link.request_read(database.FEATURES.handle) == b"\x01\x02\x03"
    link.request_write(database.COMMAND_CONTROL_POINT.handle, b"\x04\x05")
    assert bench.pump.written == [("IDD_COMMAND_CONTROL_POINT", b"\x04\x05")]
    for handle in (database.EMULATOR_RADIO.handle, 0x00FE):
        with pytest.raises(AttError) as refused:
            link.request_read(handle)
        assert refused.value.code == AttErrorCode.INVALID_HANDLE
        assert refused.value.handle == handle


def test_a_write_is_answered_by_its_result(bench: Bench) -> None:
    """Goal: a write that the pump refuses is refused, although its stack has acknowledged it, and one that it takes is
    answered after it was done. Method: both results, for a vendor value and the Current Time."""
    link = opened(bench)
    link.request_write(database.EMULATOR_FAULT.handle, b"\x01")
    bench.pump.refusals = {"EMULATOR_FAULT": AttErrorCode.OUT_OF_RANGE, "CURRENT_TIME": AttErrorCode.INVALID_CRC}
    for characteristic, code in ((database.EMULATOR_FAULT, 0xFF), (database.CURRENT_TIME, 0x81)):
        with pytest.raises(AttError) as refused:
            link.request_write(characteristic.handle, b"\x02")
        assert refused.value.code == code
    link.request_write(database.CARB_ANNOUNCEMENT.handle, b"\x03")
    assert link.dropped_frames == 0


def test_values_come_by_notification_and_indication(bench: Bench) -> None:
    """Goal: what the pump sends is confirmed and handed on. Method: one value of each kind, after subscribing."""
    link = opened(bench)
    Client(link).subscribe(database.HISTORY_DATA)
    link.subscribe(database.STATUS.handle, indicate=True)
    got: list[tuple[int, bytes]] = []
    for characteristic in (database.CONTROLLER_DECISION, database.STATUS):
        link.on_arrival(characteristic.handle, lambda value: value)
        link.on_value(
            characteristic.handle, lambda value, _at_s, handle=characteristic.handle: got.append((handle, value))
        )
    bench.air.loop.create_task(bench.pump.notify("CONTROLLER_DECISION", b"\x01"))
    confirmed = bench.air.loop.create_task(bench.pump.indicate("IDD_STATUS", b"\x02"))
    serve_until(link, confirmed.done)
    assert got == [(database.CONTROLLER_DECISION.handle, b"\x01"), (database.STATUS.handle, b"\x02")]


def test_the_pump_is_a_client_of_the_sensor_on_the_same_connection(bench: Bench) -> None:
    """Goal: the sensor that the link serves is there for the pump. Method: the pump discovers it, reads, subscribes,
    and gets a measurement."""
    link = opened(bench)
    told: list[bytes] = []
    link.serve(database.CGM_FEATURE.handle, read=lambda: b"\x01\x02")
    link.serve(database.CGM_MEASUREMENT.handle + 1, write=told.append)
    got: list[bytes] = []

    async def use() -> bytes:
        assert bench.pump.connection is not None
        peer = Peer(bench.pump.connection)
        (service,) = await peer.discover_service(UUID.from_16_bits(0x181F))
        await service.discover_characteristics()
        by_uuid = {str(one.uuid).upper(): one for one in service.characteristics}
        measurement = next(one for name, one in by_uuid.items() if "2AA7" in name)
        await measurement.subscribe(got.append)
        return bytes(await next(one for name, one in by_uuid.items() if "2AA8" in name).read_value())

    task = bench.air.loop.create_task(use())
    serve_until(link, task.done)
    assert task.result() == b"\x01\x02"
    assert told == [b"\x01\x00"]
    link.notify(database.CGM_MEASUREMENT.handle, b"\x09")
    serve_until(link, lambda: got == [b"\x09"])


def test_the_mtu_is_exchanged_on_request(bench: Bench) -> None:
    """Goal: long values fit after an exchange, and only then. Method: exchange, then a value of 62 octets."""
    bench.pump.values["EMULATOR_PUMP_DATA"] = bytes(range(62))
    link = opened(bench)
    assert len(link.request_read(database.EMULATOR_PUMP_DATA.handle)) == 22
    assert link.exchange_mtu(65) == 65
    assert link.request_read(database.EMULATOR_PUMP_DATA.handle) == bytes(range(62))


def test_a_capture_is_the_same_as_on_a_serial_line(bench: Bench, tmp_path: Path) -> None:
    """Goal: a capture has table handles and no PDUs of the radio's own. Method: a read and a refused write."""
    bench.pump.refusals = {"EMULATOR_FAULT": AttErrorCode.OUT_OF_RANGE}
    link = Link(bench.bearer())
    with capture_link(link, tmp_path / "a.btsnoop"):
        link.open()
        link.request_read(database.FEATURES.handle)
        with pytest.raises(AttError):
            link.request_write(database.EMULATOR_FAULT.handle, b"\x02")
    seen = [pdu.octets for pdu in pdus(tmp_path / "a.btsnoop")]
    read, write = database.FEATURES.handle, database.EMULATOR_FAULT.handle
    assert seen == [
        None,
        bytes((AttOpcode.READ_REQUEST, read, 0)), bytes((AttOpcode.READ_RESPONSE,)),
        bytes((AttOpcode.WRITE_REQUEST, write, 0, 2)), bytes((AttOpcode.ERROR_RESPONSE, 0x12, write, 0, 0xFF)),
    ]  # fmt: skip


# --- Connections ----------------------------------------------------------------------------------------------------


def test_a_second_connection_uses_the_bond(bench: Bench) -> None:
    """Goal: one passkey is enough. Method: open, close, open again; the pump has shown one passkey."""
    link = opened(bench)
    link.close()
    link.open()
    assert bench.pump.shown == [123456]
    assert link.bearer.port.secured_in_s > 0
    assert link.request_read(database.FEATURES.handle) == b""


def test_a_pump_that_closes_the_connection_is_told_of(bench: Bench) -> None:
    """Goal: the end of a connection leaves as on a serial line. Method: the pump disconnects."""
    link = opened(bench)
    bench.air.loop.create_task(bench.pump.connection.disconnect())
    with pytest.raises(BearerLost, match="the pump closed the connection; open it again"):
        link.run_until(link.now_s + 20)
    assert not link.is_open
    link.open()
    assert link.request_read(database.FEATURES.handle) == b""


def test_a_wrong_passkey_is_refused(bench: Bench) -> None:
    """Goal: one clear message. Method: another passkey than the pump shows; then none at all; then the right one."""
    with pytest.raises(PairingFailed, match="wrong passkey; three in a row"):
        opened(bench, passkey=lambda: 654321)
    bench.settle()
    assert opened(bench).request_read(database.FEATURES.handle) == b""


def test_a_passkey_that_nobody_tells_ends_the_pairing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Goal: the remedy is told. Method: a source that has none, and less patience than a person would have."""
    monkeypatch.setattr(bumble_port, "PASSKEY_S", 0.1)
    with pytest.raises(PairingFailed, match="nobody told it to this host; give it with --passkey"):
        opened(bench, passkey=lambda: None)


def test_a_pump_that_has_lost_the_bond_is_not_paired_with_unasked(bench: Bench) -> None:
    """Goal: who has lost the bond may be somebody else, so a person decides. Method: the pump forgets."""
    link = opened(bench)
    link.close()
    bench.settle()
    bench.pump.forget_bonds()
    with pytest.raises(PairingFailed, match=f"does not know this host any more.*--forget {PUMP_ADDRESS}"):
        link.open()


def test_a_stack_that_keeps_no_bonds_is_paired_with_anew() -> None:
    """Goal: a power cut of a board that is lab only is no work for a person, and no way around a passkey. Method: such
    a pump forgets; then one whose bond was authenticated."""
    lab = Bench(passkey=None)
    link = opened(lab, lab=True)
    link.close()
    lab.settle()
    lab.pump.forget_bonds()
    link.open()
    assert link.bearer.port.lab_only and link.request_read(database.FEATURES.handle) == b""
    lab.close()
    proven = Bench()
    link = opened(proven, lab=True)
    link.close()
    proven.settle()
    proven.pump.forget_bonds()
    with pytest.raises(PairingFailed, match="does not know this host any more"):
        link.open()
    proven.close()


def test_a_pump_without_a_display_is_lab_only(bench: Bench) -> None:
    """Goal: nobody is dosed by who has only a pump's address. Method: a pump that can show nothing, which is taken
    where its stack is known to be such a one; elsewhere not, and its bond is not kept."""
    assert not opened(bench).bearer.port.lab_only
    other = Bench(passkey=None)
    assert opened(other, lab=True).bearer.port.lab_only
    other.close()
    other = Bench(passkey=None)
    bonds = MemoryKeyStore()
    for _ in range(2):
        with pytest.raises(PairingFailed, match=f"^{PUMP_ADDRESS} paired without a passkey"):
            opened(other, bonds=bonds)
        assert bonds.all_keys == {}
    other.close()


def test_nobody_in_the_air(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Goal: what was looked for, and what was heard instead. Method: an address that no pump has."""
    monkeypatch.setattr(finding, "SCAN_S", 0.2)
    with pytest.raises(BearerMissing, match=f"C0:.*does not advertise; heard: {PUMP_ADDRESS} .pump.; is it on"):
        opened(bench, wanted=Wanted("C0:00:00:00:00:99"))


def test_two_pumps_are_listed_and_none_is_taken(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Goal: never guess. Method: two pumps, without an address; then by address, and by name."""
    monkeypatch.setattr(finding, "LISTEN_S", 0.2)
    second = RadioPump(bench.link, "F0:F1:F2:F3:F4:F6", "other")
    bench.run(second.start())
    with pytest.raises(BearerMissing, match=r"2 pumps advertise: F0.*:F5 \(pump\), F0.*:F6 \(other\); name one"):
        opened(bench, wanted=Wanted())
    assert bench.pump.connection is None
    opened(bench, wanted=Wanted(name="pump")).close()


def test_bonds_are_kept_in_a_file_that_only_its_owner_reads(bench: Bench, tmp_path: Path) -> None:
    """Goal: a bond outlives the program, its file is private, and a damaged one is told of. Method: pair, then connect
    with the bonds read anew."""
    path = tmp_path / "state" / "bonds.json"
    link = opened(bench, bonds=BondFile(path))
    bench.run(link.bearer.port.close())
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(json.loads(path.read_text())["bonds"]) == [PUMP_ADDRESS]
    opened(bench, bonds=BondFile(path)).close()
    assert bench.pump.shown == [123456]
    assert BondFile(path).own_address == BondFile(path).own_address != HOST_ADDRESS
    assert BondFile(path).addresses == [PUMP_ADDRESS]
    assert BondFile(path).forget(PUMP_ADDRESS.lower())
    assert not BondFile(path).forget(PUMP_ADDRESS)
    path.write_text("{}")
    with pytest.raises(BearerMissing, match="is damaged; remove it"):
        BondFile(path)
