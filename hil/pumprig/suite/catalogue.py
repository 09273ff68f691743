"""The firmwares that are wrong on purpose, and the scenarios that show it."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

from pumprig.checks import CHECKS
from pumprig.errors import RigError, UsageError
from pumprig.suite.patching import Edit

__all__ = ["WrongFirmware", "chosen", "load_wrong", "over_air", "read_entries", "scenario_path", "scenario_paths"]

_FOLDER = Path(__file__).parent
_TEXTS = ("name", "about", "rule", "scenario", "check", "says")


@dataclass(frozen=True)
class WrongFirmware:
    """A firmware that is wrong on purpose, and what must catch it.

    Args:
        name: what it is called.
        about: what is wrong with it, in one sentence.
        rule: the rule of DOSING.md that it breaks, named before any run.
        scenario: name of the scenario that shows it.
        check: the check that must catch it.
        says: what the check's message must hold.
        edits: the patch.
        cites: the rule that the check must cite, where it is not `rule`.
        second: the check that catches it with `check` switched off; empty when it must survive then.
    """

    name: str
    about: str
    rule: str
    scenario: str
    check: str
    says: str
    edits: tuple[Edit, ...]
    cites: str = ""
    second: str = ""


def scenario_path(name: str) -> Path:
    """The file of a scenario of the suite."""
    return _FOLDER / "scenarios" / f"{name}.toml"


def scenario_paths() -> dict[str, Path]:
    """All scenarios of the suite by name."""
    return {path.stem: path for path in sorted((_FOLDER / "scenarios").glob("*.toml"))}


def load_wrong(path: Path | None = None) -> tuple[WrongFirmware, ...]:
    """Read the catalogue.

    Args:
        path: another catalogue than the one that comes with pumprig.

    Raises:
        RigError: the catalogue is wrong; the message names the entry.
    """
    entries = read_entries(path or _FOLDER / "wrong.toml", _TEXTS, ("cites", "second"))
    return tuple(_read(entry, where) for where, entry in entries)


def read_entries(
    path: Path, needed: Sequence[str], optional: Sequence[str]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The entries `[[wrong]]` of a catalogue, each with where it stands; its `edit` holds `Edit`s.

    Args:
        path: the catalogue.
        needed: keys that an entry has beside `edit`, `name` among them.
        optional: keys that it may have.

    Raises:
        RigError: it cannot be read, or an entry has not these keys; the message names the entry.
    """
    try:
        entries = [dict(entry) for entry in tomllib.loads(path.read_text(encoding="utf-8"))["wrong"]]
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise RigError(f"the catalogue cannot be read: {error}", where=str(path)) from None
    seen: set[str] = set()
    for number, entry in enumerate(entries, 1):
        where = f"{path}: {entry.get('name', number)}"
        unknown = set(entry) - {*needed, *optional, "edit"}
        missing = [name for name in (*needed, "edit") if not entry.get(name)]
        if unknown or missing:
            raise RigError(f"unknown: {sorted(unknown)}, missing: {missing}", where=where)
        if entry["name"] in seen:
            raise RigError("it stands there twice", where=where)
        seen.add(entry["name"])
        try:
            edits = tuple(Edit(**edit) for edit in entry["edit"])
        except TypeError:
            raise RigError("an edit is not as it must be", where=where, allowed="file, old and new") from None
        yield where, {**entry, "edit": edits}


def _read(entry: dict[str, Any], where: str) -> WrongFirmware:
    wrong = WrongFirmware(
        **{name: entry[name] for name in _TEXTS}, cites=entry.get("cites", ""), second=entry.get("second", ""),
        edits=entry["edit"],
    )  # fmt: skip
    rules = {rule for check in CHECKS.values() for rule in check.rules}
    for what, value, allowed in (
        ("rule", wrong.rule, rules),
        ("check", wrong.check, set(CHECKS)),
        ("second", wrong.second or wrong.check, set(CHECKS)),
        ("scenario", wrong.scenario, set(scenario_paths())),
    ):
        if value not in allowed:
            raise RigError(f"{what} {value!r} does not exist", where=where, allowed=", ".join(sorted(allowed)))
    return wrong


class _Named(Protocol):
    @property
    def name(self) -> str: ...


_CABLE = "bearer/serial.py"
_Wrong = TypeVar("_Wrong", bound=_Named)


def over_air(wrong: Sequence[WrongFirmware]) -> tuple[WrongFirmware, ...]:
    """Those that are wrong over the air, too: a fault of the serial bearer is none there, and what is judged on the
    cable alone catches nothing.

    Args:
        wrong: what there is.
    """
    kept = (one for one in wrong if not CHECKS[one.check].exact and all(edit.file != _CABLE for edit in one.edits))
    return tuple(replace(one, second="") if one.second and CHECKS[one.second].exact else one for one in kept)


def chosen(wrong: Sequence[_Wrong], names: Sequence[str], what: str = "wrong firmware") -> tuple[_Wrong, ...]:
    """Those named, or all without a name.

    Args:
        wrong: what there is.
        names: given with --only.
        what: what they are, for a message.

    Raises:
        UsageError: a name that none has.
    """
    known = [one.name for one in wrong]
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known)
            allowed = f"names such as {', '.join(near)}" if near else ", ".join(known)
            raise UsageError(f"no {what} is called {name}", where="--only", allowed=allowed)
    return tuple(one for one in wrong if not names or one.name in names)
