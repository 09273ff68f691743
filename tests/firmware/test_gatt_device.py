"""Device Information and Battery: what the pump is, and what it notifies of its battery (DIS 1.1; BAS 1.0; D-841).

Method: the real firmware; the strings are those of its settings and of its board.
"""

import pytest

from firmware.gatt_bench import GattBench
from pumpwire import database

BATTERY = database.BATTERY_LEVEL
LEVEL = 0x5A
ANNUNCIATION = 0x66


@pytest.fixture
def bench():
    """A subscribed pump in Stop."""
    bench = GattBench(confirms=True)
    bench.subscribed()
    yield bench
    bench.close()


@pytest.mark.parametrize(("name", "text"), [
    ("ManufacturerName", "pumprig"), ("ModelNumber", "virtual"), ("SerialNumber", "70756d7072696730"),
    ("HardwareRevision", "1"), ("FirmwareRevision", "0.1.0"),
])  # fmt: skip
def test_the_strings(bench, name, text):
    """The serial number is the board's own identifier in hexadecimal."""
    for _ in range(2):
        assert bench.fields(name) == {"text": text}


def test_the_system_id(bench):
    told = bench.fields("SystemId")
    assert told == {"manufacturer_identifier": b"pumpr", "organizationally_unique_identifier": bytes(3)}


def test_the_pnp_id(bench):
    told = bench.fields("PnpId")
    assert told == {"vendor_id_source": 1, "vendor_id": 0xFFFF, "product_id": 1, "product_version": 0x0010}


def set_battery(bench, percent):
    assert bench.write_message("EmulatorFault", fault_kind=LEVEL, fault_value=percent) == 0


def test_the_battery_is_full_until_it_is_told_otherwise(bench):
    assert bench.fields("BatteryLevel") == {"battery_percent": 100}
    for percent in (99, 20, 1, 0):
        set_battery(bench, percent)
        assert bench.fields("BatteryLevel") == {"battery_percent": percent}


def test_the_level_is_notified_when_it_changes(bench):
    """BAS 1.0, 3.1.2: not when it is set to what it is."""
    for percent in (100, 50, 50, 49, 100):
        set_battery(bench, percent)
    assert [told["battery_percent"] for _, told in bench.told(BATTERY)] == [50, 49, 100]
    bench.write(BATTERY.configuration_handle, b"\0\0")
    set_battery(bench, 7)
    assert bench.told(BATTERY) == []


@pytest.mark.parametrize(("percent", "kind", "therapy"), [
    (21, None, 0x55), (20, 0x00C3, 0x55), (1, 0x00C3, 0x55), (0, 0x00AA, 0x33),
])  # fmt: skip
def test_a_low_and_an_empty_battery(bench, percent, kind, therapy):
    """D-841: 20 is low, 0 is empty alone and stops therapy."""
    bench.running()
    set_battery(bench, percent)
    shown = bench.fields("IddAnnunciationStatus")
    assert shown["annunciation_type"] == kind
    assert bench.fields("IddStatus")["therapy_control_state"] == therapy


@pytest.mark.parametrize("kind", [0x000F, 0x00FF, 0x0303, 0x0365, 0xF00F])
def test_an_injected_annunciation_is_shown_and_changes_nothing_else(bench, kind):
    """D-842."""
    bench.running()
    bench.procedure("ResetStatus", flags=0xFF)
    assert bench.write_message("EmulatorFault", fault_kind=ANNUNCIATION, fault_value=kind) == 0
    shown = bench.fields("IddAnnunciationStatus")
    assert (shown["annunciation_type"], shown["annunciation_status"]) == (kind, 0x33)
    assert int(bench.fields("IddStatusChanged")["flags"]) == 0x88
    assert bench.fields("IddStatus")["therapy_control_state"] == 0x55
