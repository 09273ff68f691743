"""What a real board's data says beside the constants of its firmware."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pumplink.boards import BoardData, board_names, load_board
from pumplink.stacks import limits_of, stack_of

__all__ = ["Hardware", "hardware_of", "real_boards"]

_VIRTUAL = "virtual"
_NEEDED: dict[str, dict[str, type]] = {
    "hardware": {"vendor": str, "chip": str, "unverified": list},
    "usb": {"ids": list, "machine": str},
    "micropython": {"version": str, "page": str, "install": str, "stubs": str},
    "bearers": {"usb": bool, "serial": bool, "ble": bool},
    "limits": {"ble_stack": str, "ble_cannot": list},
    "budget": {"flash_bytes": int, "ram_bytes": int},
}
# As mpy-cross has them.
_ARCHS = (
    "x86", "x64", "armv6", "armv6m", "armv7m", "armv7em", "armv7emsp", "armv7emdp", "xtensa", "xtensawin", "rv32imc",
)  # fmt: skip


@dataclass(frozen=True)
class Hardware:
    """A real board.

    Attributes:
        data: all of its board.toml.
        usb_ids: `vendor:product`, four hexadecimal digits each, that a board of this kind may have.
        machine: text that is in the `sys.implementation._machine` of its MicroPython.
        micropython: the version that the firmware is compiled for.
        micropython_too: further ones on which it has been seen to run.
        page: where this MicroPython is downloaded.
        install: how it gets onto the board.
        flash_bytes: what the firmware may take of the file system.
        ram_bytes: what the firmware may take of the heap.
        unverified: keys of the file that nobody has held against the board.
    """

    data: BoardData
    usb_ids: tuple[str, ...]
    machine: str
    micropython: str
    micropython_too: tuple[str, ...]
    page: str
    install: str
    flash_bytes: int
    ram_bytes: int
    unverified: tuple[str, ...]

    @property
    def name(self) -> str:
        """What the command line calls it."""
        return self.data.name

    @property
    def arch(self) -> str:
        """Whose machine code it runs, in the words of mpy-cross; empty for none."""
        return str(self.data.sections["micropython"].get("arch", ""))


def hardware_of(data: BoardData) -> Hardware:
    """Reads what a real board's data has to say.

    Raises:
        ValueError: something is missing or of another kind; the message names file and key.
    """
    path = data.folder / "board.toml"
    for section, keys in _NEEDED.items():
        table: Mapping[str, object] = data.sections.get(section, {})
        for key, kind in keys.items():
            if not isinstance(table.get(key), kind):
                raise ValueError(f"{path}: {section}.{key}: {_KINDS[kind]} is needed; boards/README.md says for what")
    arch = data.sections["micropython"].get("arch")
    if arch is not None and arch not in _ARCHS:
        raise ValueError(f"{path}: micropython.arch: {arch!r} is no machine code; allowed is {', '.join(_ARCHS)}")
    too = data.sections["micropython"].get("too", [])
    if not isinstance(too, list):
        raise ValueError(f"{path}: micropython.too: a list of versions is needed; boards/README.md says for what")
    stack_of(data)
    limits_of(data)
    texts, budget = data.sections, data.sections["budget"]
    ids = texts["usb"]["ids"]
    assert isinstance(ids, list)
    unverified = texts["hardware"]["unverified"]
    assert isinstance(unverified, list)
    return Hardware(
        data,
        tuple(str(item).lower() for item in ids),
        str(texts["usb"]["machine"]),
        str(texts["micropython"]["version"]),
        tuple(str(item) for item in too),
        str(texts["micropython"]["page"]),
        str(texts["micropython"]["install"]).strip(),
        int(str(budget["flash_bytes"])),
        int(str(budget["ram_bytes"])),
        tuple(str(item) for item in unverified),
    )


_KINDS = {str: "a text", list: "a list", bool: "true or false", int: "a whole number"}


def real_boards() -> dict[str, Hardware]:
    """All boards that can be plugged in, by name.

    Raises:
        ValueError: the data of one of them is wrong.
    """
    loaded = (load_board(name) for name in board_names())
    return {data.name: hardware_of(data) for data in loaded if data.kind != _VIRTUAL}
