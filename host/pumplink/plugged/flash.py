"""Puts the firmware onto a board: only what is new is copied, and the board says over the wire what it runs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pumplink.boards import board_module, firmware_hash
from pumplink.client import Client
from pumplink.errors import BoardFull, BoardRefused
from pumplink.link import ATT_TIMEOUT_S, Link
from pumplink.pack import packed
from pumplink.plugged.factory import MARK, MODULES
from pumplink.plugged.hardware import Hardware, real_boards
from pumplink.plugged.repl import BoardFile, Repl, System
from pumplink.probe import Probe, ProbeIdentity
from pumplink.pump_data import PumpData
from pumplink.results import Identity
from pumplink.serial_bearer import SerialBearer

__all__ = ["Image", "checked", "flash", "identity_at", "image_of", "name_of", "probe_at"]

_ENTRY = "/main.py"
_BOARD = "/board.py"
_MODULES = (".py", ".mpy")
# boot.py is the owner's, /lib what they installed, and /rom came with the board.
_KEPT = ("/boot.py",)
_KEPT_FOLDERS = ("/lib", "/rom")
_MPY_VERSION = 6


@dataclass(frozen=True)
class Image:
    """The firmware as a board of one kind gets it.

    Attributes:
        hardware: the board.
        files: content by path.
        firmware_hash: what the board says when it runs this build.
    """

    hardware: Hardware
    files: Mapping[str, bytes]
    firmware_hash: bytes

    @property
    def octets(self) -> int:
        """What all files hold."""
        return sum(len(content) for content in self.files.values())


def image_of(hardware: Hardware, firmware: Path, pump_data: PumpData | None = None) -> Image:
    """Packs and compiles the firmware for a board, and writes its data as the module `board`.

    Args:
        hardware: the board.
        firmware: the folder with `main.py`.
        pump_data: constants of the module `settings` with other values than the firmware's own.
    Raises:
        ValueError: the firmware has no such constant.
        OSError: there is no room for the compiled modules here.
    """
    made = packed(firmware, pump_data=pump_data, arch=hardware.arch)
    files = {
        f"/{path.relative_to(made.path).as_posix()}": path.read_bytes()
        for path in sorted(made.path.rglob("*"))
        if path.is_file()
    }
    files[_BOARD] = board_module(hardware.data, firmware).encode()
    return Image(hardware, files, firmware_hash(firmware))


def name_of(system: System, device: str) -> Hardware:
    """Which board it is that a MicroPython runs on.

    Raises:
        BoardRefused: none whose data there is.
    """
    # "Pico 2 W" is no "Pico W", but the texts of two boards may begin alike: the longest says most.
    fitting = [board for board in real_boards().values() if board.machine in system.machine]
    if not fitting:
        raise BoardRefused(
            f"{device}: an unknown board, which calls itself {system.machine!r}; add a folder for it as "
            "boards/README.md says, or name the board whose data fits with --as"
        )
    return max(fitting, key=lambda board: len(board.machine))


def checked(system: System, hardware: Hardware, device: str) -> None:
    """Refuses what the firmware is not compiled for.

    Raises:
        BoardRefused: another version of MicroPython; the message says where the right one is.
    """
    wanted = hardware.micropython
    taken = system.release in (wanted, *hardware.micropython_too)
    if system.name != "micropython" or system.mpy != _MPY_VERSION or not taken:
        raise BoardRefused(
            f"{device}: it runs {system.name} {system.release} (.mpy version {system.mpy}), and the firmware is "
            f"compiled for MicroPython {wanted} (.mpy version {_MPY_VERSION}). "
            f"Get it from {hardware.page}. {hardware.install}"
        )


def flash(
    repl: Repl, image: Image, *, left_alone: bool = False, tell: Callable[[str], None] = lambda line: None
) -> tuple[list[str], list[str]]:
    """Makes a board's files those of an image; the firmware does not run yet.

    A board that goes away meanwhile has no `main.py`, or all of the build: it never runs a part of one.

    Args:
        repl: the board's, with nothing running.
        image: what goes onto it.
        left_alone: write nothing, only say what would be.
        tell: called with a line for each step.
    Returns:
        The paths that were written, and those that were removed.
    Raises:
        BoardFull: there is no room for it.
        BoardRefused: a factory reset of the board has begun, and the image cannot go through with it.
        BearerLost: the board went away.
    """
    journal = str(image.hardware.data.firmware.get("FLASH_LABEL", ""))
    there = repl.files(tuple(folder for folder in (journal, *_KEPT_FOLDERS) if folder.startswith("/")))
    _make_sure_of_reset(repl, image, there)
    new = [path for path, content in image.files.items() if there.get(path) != _file(content)]
    old = [path for path in there if path not in image.files and path not in _KEPT and _is_ours(path)]
    if left_alone or not (new or old):
        return new, old
    # The entry goes first and comes last; what says which build it is comes just before it.
    new = sorted({*new, _ENTRY}, key=lambda path: (path == _ENTRY, path == _BOARD, path))
    gone = [*([_ENTRY] if _ENTRY in there else []), *old]
    repl.run("import os\nfor path in " + repr(gone) + ":\n os.remove(path)")
    _make_folders(repl, new)
    needed = sum(len(image.files[path]) for path in new)
    _make_sure_of_room(repl, image, new)
    for path in new:
        tell(f"{path} {len(image.files[path])} octets")
        repl.write(path, image.files[path])
    repl.run("import os\nif hasattr(os,'sync'): os.sync()")
    tell(f"{len(new)} files, {needed} octets")
    return new, old


def _file(content: bytes) -> BoardFile:
    return BoardFile(len(content), hashlib.sha256(content).digest()[:8].hex())


def _is_ours(path: str) -> bool:
    return path.endswith((*_MODULES, ".new"))


def _make_folders(repl: Repl, paths: list[str]) -> None:
    folders = sorted({str(folder) for path in paths for folder in PurePosixPath(path).parents} - {"/"})
    repl.run(
        "import os\nfor path in " + repr(folders) + ":\n try:\n  os.mkdir(path)\n except OSError as e:\n"
        "  if e.errno!=17: raise"
    )


def _make_sure_of_reset(repl: Repl, image: Image, there: Mapping[str, BoardFile]) -> None:
    """A pump that does not know the mark would take what is left of a journal for its past."""
    if f"/{MARK}" in there and not any(f"/{name}" in image.files for name in MODULES):
        repl.reset()
        raise BoardRefused(
            f"{repl.device}: a factory reset of its pump is not done to its end, and this firmware knows none; flash "
            "the pump of this pumprig first, which goes through with it"
        )


def _make_sure_of_room(repl: Repl, image: Image, paths: list[str]) -> None:
    block, free = (int(word) for word in repl.run("import os\ns=os.statvfs('/')\nprint(s[0],s[3])").split())
    # Of what is replaced the old stands beside the new until it is whole: that is one file at a time.
    there = repl.run(
        "import os\nfor path in " + repr(paths) + ":\n try: print(os.stat(path)[6])\n except OSError: print(-1)"
    ).split()
    blocks = sum(
        -(-len(image.files[path]) // block) - max(0, -(-int(size) // block))
        for path, size in zip(paths, there, strict=True)
    )
    if blocks > free:
        raise BoardFull(
            f"{repl.device}: the board's file system is full: {blocks} blocks of {block} octets are needed, {free} are "
            "free; remove files of yours from it"
        )


def identity_at(device: str, *, baud: int = 115200, attempts: int = 5, slower: float = 1) -> Identity:
    """Asks the firmware on a board which build it is.

    Args:
        device: the serial device.
        baud: octets go at this rate where there is a wire.
        attempts: how often a connection is asked for, a second each.
        slower: how many times as long as a chip's its answers may take.
    Raises:
        BearerError: nobody answers, or the port cannot be opened.
        PumpLinkError: who answers is no pump of ours.
    """
    with SerialBearer(device, baud) as bearer:
        bearer.open_within_s *= slower
        link = Link(bearer, att_timeout_s=ATT_TIMEOUT_S * slower)
        link.open(attempts=attempts)
        identity = Identity(**Client(link).read("EmulatorIdentity"))
        link.close()
        return identity


def probe_at(device: str, *, baud: int = 115200, attempts: int = 5) -> ProbeIdentity:
    """Asks the probe on a board which build it is.

    Args:
        device: the serial device.
        baud: octets go at this rate where there is a wire.
        attempts: how often it is asked, a second each.
    Raises:
        BearerError: the port cannot be opened, or went away.
        ProbeError: who answers, if anybody, is no probe of ours.
    """
    with SerialBearer(device, baud) as bearer:
        return Probe(bearer, lambda: bearer.now_s).open(attempts)
