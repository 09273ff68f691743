"""Boards as data: a folder per board with a `board.toml`, and the firmware that goes onto them."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = [
    "PROBE_FOLDER",
    "BoardData",
    "board_module",
    "board_names",
    "default_firmware",
    "firmware_hash",
    "firmware_sources",
    "has_single_floats",
    "load_board",
]

PROBE_FOLDER = "probe"
"""Where the firmware of the probe lies, in that of the pump."""

_FIRMWARE_HASH_BYTES = 8
_ASKED = re.compile(r"\bboard\.([A-Z][A-Z0-9_]*)\b")
_FLOATS = ("double", "single")
_RESERVED = ("NAME", "FIRMWARE_HASH", "BLE_STACK")
_STACKS = ("nimble", "btstack")


@dataclass(frozen=True)
class BoardData:
    """What a `board.toml` says.

    Attributes:
        name: what the command line calls the board.
        title: one line for people.
        kind: `virtual`, or the MicroPython port.
        folder: where the data stands.
        firmware: constants of the module `board` that the firmware imports.
        sections: every other table of the file.
    """

    name: str
    title: str
    kind: str
    folder: Path
    firmware: Mapping[str, int | str]
    sections: Mapping[str, Mapping[str, object]]


def _asset_roots() -> list[Path]:
    roots = [Path(__file__).resolve().parent / "_assets"]
    spec = importlib.util.find_spec("pumprig")
    if spec is not None and spec.submodule_search_locations:
        roots += [Path(place) / "_assets" for place in spec.submodule_search_locations]
    return [*roots, Path(__file__).resolve().parents[2]]


def _board_folders() -> list[Path]:
    added = [Path(part) for part in os.environ.get("PUMPRIG_BOARDS", "").split(os.pathsep) if part]
    return [*added, *(root / "boards" for root in _asset_roots())]


def board_names() -> list[str]:
    """Names of all boards that can be found, sorted."""
    found = {path.parent.name for folder in _board_folders() for path in folder.glob("*/board.toml")}
    return sorted(found)


def load_board(board: str | Path) -> BoardData:
    """Reads a board's data.

    Args:
        board: a board's name, or the path of its folder.
    Raises:
        ValueError: no such board, or its `board.toml` is wrong; the message names the file and what is allowed.
    """
    if isinstance(board, Path):
        return _read(board)
    for folder in _board_folders():
        if (folder / board / "board.toml").is_file():
            return _read(folder / board)
    known = ", ".join(board_names()) or "none"
    raise ValueError(f"no board named {board!r}; known are: {known}. PUMPRIG_BOARDS adds folders of boards.")


def has_single_floats(board: BoardData) -> bool:
    """Whether a board's data says that its MicroPython has floats of single precision.

    Raises:
        ValueError: it says neither that nor the other; the message names the file and what is allowed.
    """
    precision = board.sections.get("limits", {}).get("floats", "double")
    if precision not in _FLOATS:
        path = board.folder / "board.toml"
        raise ValueError(f"{path}: [limits] floats: is {precision!r}; allowed are {', '.join(_FLOATS)}")
    return precision == _FLOATS[1]


def _read(folder: Path) -> BoardData:
    path = folder / "board.toml"
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: {error}") from error
    texts = {}
    for key in ("name", "title", "kind"):
        if not isinstance(data.get(key), str):
            raise ValueError(f"{path}: {key}: a text is needed")
        texts[key] = data[key]
    firmware = data.get("firmware")
    if not isinstance(firmware, dict):
        raise ValueError(f"{path}: a table [firmware] with the constants of the module `board` is needed")
    for key, value in firmware.items():
        if not key.isidentifier() or key != key.upper() or key in _RESERVED:
            raise ValueError(f"{path}: firmware.{key}: constants have upper-case names other than {_RESERVED}")
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise ValueError(f"{path}: firmware.{key}: is {value!r}; allowed are whole numbers and texts")
    sections = {key: value for key, value in data.items() if isinstance(value, dict) and key != "firmware"}
    stack = sections.get("limits", {}).get("ble_stack")
    if firmware.get("BLE") and stack not in _STACKS:
        raise ValueError(f"{path}: limits.ble_stack: is {stack!r}; a board with firmware.BLE needs one of {_STACKS}")
    return BoardData(folder=folder.resolve(), firmware=firmware, sections=sections, **texts)


def default_firmware() -> Path:
    """The folder of the firmware that came with this installation.

    Raises:
        FileNotFoundError: the installation has none.
    """
    for root in _asset_roots():
        if (root / "firmware" / "main.py").is_file():
            return (root / "firmware").resolve()
    raise FileNotFoundError("no firmware found beside pumplink; reinstall pumprig, or name a firmware folder")


def firmware_sources(folder: Path) -> list[Path]:
    """The modules of a firmware, in order of name: the probe beside the pump's is a firmware of its own.

    Args:
        folder: the folder with `main.py`.
    """
    probe = folder / PROBE_FOLDER
    return [path for path in sorted(folder.rglob("*.py")) if probe not in path.parents]


def firmware_hash(folder: Path) -> bytes:
    """Eight octets that change with any module of the firmware: its names and contents, in order of name."""
    digest = hashlib.sha256()
    for path in firmware_sources(folder):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(folder).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.digest()[:_FIRMWARE_HASH_BYTES]


def board_module(board: BoardData, firmware: Path) -> str:
    """Source of the module `board` that the firmware imports on this board.

    Raises:
        ValueError: its `board.toml` lacks constants that the firmware asks for.
    """
    asked = {name for path in firmware_sources(firmware) for name in _ASKED.findall(path.read_text(encoding="utf-8"))}
    if missing := sorted(asked - {*board.firmware, *_RESERVED, "BLE"}):
        path = board.folder / "board.toml"
        raise ValueError(f"{path}: [firmware] lacks {', '.join(missing)}; copy them from the board most like it")
    lines = [f"# Written from {board.name}/board.toml; a change belongs there.", f"NAME = {board.name!r}"]
    lines += [f"{key} = {value!r}" for key, value in {"BLE": 0, **board.firmware}.items()]
    lines.append(f"BLE_STACK = {board.sections.get('limits', {}).get('ble_stack', '')!r}")
    lines.append(f"FIRMWARE_HASH = {firmware_hash(firmware)!r}")
    return "\n".join(lines) + "\n"
