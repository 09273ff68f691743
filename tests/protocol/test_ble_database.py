"""The module that registers the database with a board's Bluetooth stack says what the declarations say.

Method: the generated module runs here, with a UUID class that keeps its octets; the numbers of MicroPython's flags
stand here once more.
"""

from __future__ import annotations

import runpy
import sys
from types import ModuleType
from uuid import UUID

import pytest

from pumpwire import database
from pumpwire.generate.files import checkout
from pumpwire.registry import is_served

READ, WRITE, NOTIFY, INDICATE = 0x0002, 0x0008, 0x0010, 0x0020
ENCRYPTED, AUTHENTICATED = {"read": 0x0200, "write": 0x1000}, {"read": 0x0400, "write": 0x2000}
BITS = {"read": READ, "write": WRITE, "notify": NOTIFY, "indicate": INDICATE}
BASE = UUID("00000000-0000-1000-8000-00805f9b34fb").bytes


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """The names of the generated module."""
    micropython = ModuleType("micropython")
    micropython.const = lambda value: value
    monkeypatch.setitem(sys.modules, "micropython", micropython)
    return runpy.run_path(str(checkout() / "firmware/gatt/ble_database.py"))


def whole(octets: bytes) -> UUID:
    """A UUID as a stack gets it, low octet first, of 2 or 16 octets."""
    return UUID(bytes=octets[::-1] if len(octets) == 16 else BASE[:2] + octets[::-1] + BASE[4:])


SPARED = ("SERIAL_NUMBER", "HARDWARE_REVISION", "FIRMWARE_REVISION", "PNP_ID")
# Of BTstack's table in MicroPython: its whole, its end, and what the stack's own two services take.
BTSTACK_OCTETS, END_OCTETS, OWN_OCTETS = 512, 3, 10 + 21 + 10 + 21


def on_air(service, authenticated):
    items = [item for item in service.characteristics if is_served(item) and "ble" in item.bearers]
    if authenticated:
        return items
    return [item for item in items if item.constant not in SPARED and not item.clause.startswith("vendor")]


PUMP = [service for service in database.SERVICES if service.owner == "pump"]


@pytest.mark.parametrize("authenticated", [True, False])
def test_services_characteristics_and_what_they_ask_of_the_link(module, authenticated):
    expected = []
    for service in PUMP:
        items = []
        for item in on_air(service, authenticated):
            flags = sum(BITS[name] for name in item.properties)
            for name, bit in ENCRYPTED.items():
                if name in item.properties:
                    flags |= bit | (AUTHENTICATED[name] if authenticated else 0)
            items.append((item.uuid, flags))
        if items:
            expected.append((service.uuid, tuple(items)))
    assert module["services"](whole, authenticated) == tuple(expected)


@pytest.mark.parametrize("authenticated", [True, False])
def test_handles_come_in_the_order_of_the_registration(module, authenticated):
    handles = [item.handle for service in PUMP for item in on_air(service, authenticated)]
    assert list(module["table_handles"](authenticated)) == handles


def test_what_a_small_stack_takes_fits_its_table(module):
    """BTstack keeps 10 octets of a service, 21 of a characteristic with a short UUID, 10 more with a configuration."""
    octets = OWN_OCTETS + END_OCTETS
    for own, characteristics in module["services"](bytes, False):
        assert len(own) == 2
        octets += 10 + sum(21 + 10 * bool(flags & (NOTIFY | INDICATE)) for _, flags in characteristics)
    assert octets <= BTSTACK_OCTETS


def test_what_is_on_one_bearer_alone():
    alone = {item.constant: item.bearers for item in database.CHARACTERISTICS.values() if len(item.bearers) == 1}
    assert alone == {
        "EMULATOR_RADIO": ("serial",), "EMULATOR_RADIO_COMMAND": ("serial",), "EMULATOR_WRITE_RESULT": ("ble",),
    }  # fmt: skip


def test_assigned_numbers_go_in_two_octets_and_others_in_sixteen(module):
    lengths = set()
    for own, characteristics in module["services"](bytes, True):
        lengths.add((len(own), *{len(uuid) for uuid, _ in characteristics}))
    assert lengths == {(2, 2), (16, 16)}
