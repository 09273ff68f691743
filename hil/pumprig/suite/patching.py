"""Patches on a copy of the firmware. The firmware itself carries no switch for a fault."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pumprig.errors import RigError

__all__ = ["Edit", "PatchError", "copy_firmware", "patched"]


class PatchError(RigError):
    """A patch that does not apply: the firmware has moved on, and the patch must follow it."""


@dataclass(frozen=True)
class Edit:
    """One replacement in one file of the firmware.

    Args:
        file: path below the firmware's folder.
        old: text that must be there exactly once.
        new: text that takes its place.
    """

    file: str
    old: str
    new: str


def patched(firmware: Path, edits: Iterable[Edit], name: str) -> dict[str, str]:
    """The files that a patch changes, with their text after it.

    Args:
        firmware: the folder of the firmware.
        edits: the replacements, done one after another.
        name: what the patch is called, for messages.

    Raises:
        PatchError: a file is missing, or holds the old text not exactly once.
    """
    texts: dict[str, str] = {}
    for edit in edits:
        if edit.file not in texts:
            try:
                texts[edit.file] = (firmware / edit.file).read_text(encoding="utf-8")
            except OSError as error:
                raise PatchError(
                    f"the patch {name} does not apply: the file cannot be read: {error.strerror}",
                    where=str(firmware / edit.file), remedy="Name the file in which the code stands now.",
                ) from None  # fmt: skip
        count = texts[edit.file].count(edit.old)
        if count != 1:
            first = edit.old.strip().splitlines()[0] if edit.old.strip() else ""
            raise PatchError(
                f"the patch {name} does not apply: `{first}` stands there {count} times",
                where=str(firmware / edit.file), allowed="exactly once",
                remedy="Let the patch follow the firmware.",
            )  # fmt: skip
        texts[edit.file] = texts[edit.file].replace(edit.old, edit.new)
    return texts


def copy_firmware(firmware: Path, target: Path, texts: Mapping[str, str]) -> Path:
    """Copy a firmware with some files replaced.

    Args:
        firmware: the folder of the firmware.
        target: the folder of the copy; must not exist.
        texts: files by their path below the folder.

    Returns:
        `target`.
    """
    shutil.copytree(firmware, target, ignore=shutil.ignore_patterns("__pycache__"))
    for file, text in texts.items():
        (target / file).write_text(text, encoding="utf-8")
    return target
