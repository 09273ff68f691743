"""How a device's file says what it knows: a value, and beside it where that stands or that nobody has checked it.

    pulse_mu = { is = 50, source = "omnible" }
    reservoir_low_mu = { is = 50_000, unverified = true }

    [sources]
    omnible = "LoopKit/OmniBLE, Pod.swift"
"""

from __future__ import annotations

import difflib
import hashlib
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from pumprig.errors import UsageError
from pumprig.toml_lines import Location, TomlLines

__all__ = ["Device", "Fact", "device_names", "device_of_text", "near_names", "plain_name", "read_device"]

Value = TypeVar("Value")
DeviceKind = TypeVar("DeviceKind", bound="Device")

_Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
_Text = Annotated[str, Field(min_length=1)]


class Strict(BaseModel):
    """No unknown field, no silent conversion, never changed."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, populate_by_name=True)


class Fact(Strict, Generic[Value]):
    """A value, and where it stands.

    Attributes:
        value: in the file `is`; its unit is the last word of the field's name.
        source: a key of the file's `[sources]`; None for an unverified value.
        unverified: nobody has held it against a source.
    """

    value: Value = Field(alias="is")
    source: _Text | None = None
    unverified: Literal[True] | None = None

    @model_validator(mode="after")
    def _judge(self) -> Fact[Value]:
        if (self.source is None) == (self.unverified is None):
            raise ValueError('needs either source = "..." or unverified = true')
        return self


class Device(Strict):
    """What every device has.

    Attributes:
        name: its file's name; the command line's, too.
        title: for people.
        maker: whose it is.
        sources: what the sources of its facts are, in words.
    """

    name: _Name
    title: _Text
    maker: _Text
    sources: dict[str, _Text] = {}

    def facts(self) -> Iterator[tuple[str, Fact[Any]]]:
        """The facts by name, in the order of their declaration."""
        for name in type(self).model_fields:
            fact = getattr(self, name)
            if isinstance(fact, Fact):
                yield name, fact

    def source_of(self, fact: Fact[Any]) -> str:
        """Where a fact stands, in words; empty for one that is unverified."""
        return self.sources[fact.source] if fact.source is not None else ""

    def numbers(self) -> dict[str, Any]:
        """The values alone, as plain data."""
        return {name: fact.value for name, fact in self.facts()}

    @property
    def sha256(self) -> str:
        """Changes with any of the values."""
        return hashlib.sha256(repr((self.name, self.numbers())).encode()).hexdigest()

    def misfit(self) -> tuple[str, str] | None:
        """(field, message) of values that do not go together; None when all do."""
        return None


def device_names(folder: Path) -> tuple[str, ...]:
    """Names of the devices of a folder, sorted."""
    return tuple(sorted(path.stem for path in folder.glob("*.toml")))


def read_device(kind: type[DeviceKind], folder: Path, name: str, option: str) -> DeviceKind:
    """Reads a device of a folder.

    Args:
        kind: what it is.
        folder: where its kind stands.
        name: as people write it: case, hyphens and blanks do not matter.
        option: who asks, for the message.

    Raises:
        UsageError: there is none of this name, or its file is wrong; every mistake stands with its line.
    """
    names = device_names(folder)
    plain = {plain_name(known): known for known in names}
    if plain_name(name) not in plain:
        near = near_names(name, names)
        raise UsageError(
            f"no device is called {name}", where=option, allowed=", ".join(names),
            remedy=f"Do you mean {' or '.join(near)}?" if near else "`pumprig devices` shows them all.",
        )  # fmt: skip
    path = folder / f"{plain[plain_name(name)]}.toml"
    return device_of_text(kind, path.read_text(encoding="utf-8"), path.name)


def device_of_text(kind: type[DeviceKind], text: str, file: str) -> DeviceKind:
    """Reads the text of a device's file.

    Args:
        kind: what it is.
        text: the TOML.
        file: its name, which the device's must be, for messages.

    Raises:
        UsageError: with a line `file:line: field: message` for each mistake.
    """
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"this is no TOML: {error}", where=file) from None
    lines = TomlLines(text)
    try:
        device = kind.model_validate(raw)
    except ValidationError as error:
        found = [_problem(details, kind) for details in error.errors(include_url=False)]
    else:
        found = list(_faults(device, file))
        if not found:
            return device
    told = sorted((lines.line_of(place), f"{'.'.join(map(str, place))}: {message}") for place, message in found)
    raise UsageError("\n".join(f"{file}:{line}: {message}" for line, message in told))


def near_names(name: str, names: Sequence[str]) -> list[str]:
    """Up to three names that somebody may have meant, the nearest first."""
    plain = {plain_name(known): known for known in names}
    return [plain[key] for key in difflib.get_close_matches(plain_name(name), plain, n=3, cutoff=0.5)]


def plain_name(name: str) -> str:
    """A name without case, hyphens and blanks."""
    return "".join(character for character in name.lower() if character.isalnum())


def _faults(device: Device, file: str) -> Iterator[tuple[Location, str]]:
    if device.name != file.removesuffix(".toml"):
        yield ("name",), f"must be that of the file, {file.removesuffix('.toml')}"
    used = set()
    for name, fact in device.facts():
        if fact.source is not None:
            used.add(fact.source)
            if fact.source not in device.sources:
                yield (name, "source"), f"{fact.source} does not stand in [sources]"
    for key in device.sources:
        if key not in used:
            yield ("sources", key), "is the source of nothing"
    if misfit := device.misfit():
        yield (misfit[0],), misfit[1]


def _problem(details: ErrorDetails, kind: type[Device]) -> tuple[Location, str]:
    place = tuple(details["loc"])
    what = details["type"]
    name = str(place[-1]) if place else ""
    if what == "missing":
        return place, "is missing"
    if what == "extra_forbidden":
        known = [*kind.model_fields, "is", "source", "unverified"]
        near = difflib.get_close_matches(name, known, n=1)
        return place, "unknown field" + (f"; do you mean {near[0]}?" if near else "")
    if what == "value_error":
        return place, str(details["ctx"]["error"])
    return place, details["msg"][:1].lower() + details["msg"][1:]
