"""Which boards are plugged in, and which of them a name means.

A board is known by its USB serial number: the order in which ports are numbered is that of plugging in.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from pumplink.errors import BearerMissing
from pumplink.plugged.hardware import real_boards

__all__ = ["Port", "choose", "plugged_in"]


class Port(NamedTuple):
    """A serial device.

    Attributes:
        device: its path.
        serial_number: that of its USB descriptor, empty when it has none.
        usb_id: `vendor:product` in hexadecimal, empty when it is no USB device.
        description: what the device calls itself.
        candidates: names of the boards that have this USB id.
    """

    device: str
    serial_number: str
    usb_id: str
    description: str
    candidates: tuple[str, ...]

    def __str__(self) -> str:
        number = f" (id:{self.serial_number})" if self.serial_number else ""
        return f"port:{self.device}{number}"


def plugged_in() -> list[Port]:
    """All serial devices of this machine, in order of their paths.

    Raises:
        ValueError: the data of a board is wrong.
    """
    from serial.tools import list_ports

    boards = real_boards()
    found = []
    for port in sorted(list_ports.comports()):
        usb_id = "" if port.vid is None else f"{port.vid:04x}:{port.pid:04x}"
        names = tuple(name for name, board in boards.items() if usb_id in board.usb_ids)
        description = "" if port.description in (None, "n/a") else str(port.description)
        found.append(Port(str(port.device), str(port.serial_number or ""), usb_id, description, names))
    return found


def choose(name: str, says: Callable[[Port], str | None] = lambda port: None) -> Port:
    """The device that a name of the command line means.

    Args:
        name: `id:SERIAL`, `port:DEVICE`, or the name of a board.
        says: asks a device which board it is, where its USB id fits several; None when it does not say.
    Raises:
        BearerMissing: nothing fits, or several do; the message lists what there is.
        ValueError: there is no board of this name, or the data of one is wrong.
    """
    ports = plugged_in()
    if name.startswith("port:"):
        device = name.removeprefix("port:")
        known = [port for port in ports if port.device == device]
        return known[0] if known else Port(device, "", "", "", ())
    if name.startswith("id:"):
        found = [port for port in ports if port.serial_number and port.serial_number == name.removeprefix("id:")]
    else:
        boards = real_boards()
        if name not in boards:
            raise ValueError(f"no real board named {name!r}; known are: {', '.join(boards)}")
        found = [port for port in ports if name in port.candidates]
        if any(len(port.candidates) > 1 for port in found) and len(found) > 1:
            found = [port for port in found if says(port) in (None, name)]
    if len(found) == 1:
        return found[0]
    listed = ", ".join(str(port) for port in (found or ports)) or "none"
    if found:
        raise BearerMissing(f"{name}: fits several devices, {listed}; name one of them as it stands here")
    raise BearerMissing(f"{name}: no such board is plugged in; devices that are there: {listed}")
