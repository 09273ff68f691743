"""Short names for what only the firmware names, each of them once."""

from __future__ import annotations

import ast
import hashlib
import keyword
import string
from functools import cache
from pathlib import Path

from pumplink.packing.classes import families, shared_numbers
from pumplink.packing.scopes import Scope
from pumplink.packing.sources import Firmware, Source

__all__ = ["Namer"]

_FIRST = string.ascii_letters + "_"
_NEXT = string.ascii_letters + string.digits + "_"
# What MicroPython calls by name on objects of a program: streams and block devices.
_CALLED = {"readinto", "read", "readline", "write", "flush", "close", "ioctl", "readblocks", "writeblocks"}
# What objects have that MicroPython makes: open files and generators.
_CALLED |= {"seek", "tell", "readlines", "send", "throw", "pend_throw"}
_ARGUMENTS = "abcdefghijklmnopqrst"
_BUILTINS = "builtins"


@cache
def _of_micropython() -> dict[str, set[str]]:
    """Names that MicroPython's modules, and objects of their classes, have on any board."""
    text = (Path(__file__).parent / "micropython.names").read_text(encoding="utf-8")
    lines = (line.split() for line in text.splitlines() if not line.startswith("#"))
    return {words[0]: set(words[1:]) for words in lines if words}


class Namer:
    """Gives names.

    A name of a module becomes one that no other name is; an attribute becomes the same wherever it is met, unless
    MicroPython itself, or a text in the firmware, has one of that name.

    Args:
        firmware: all its modules.
        open_modules: those whose names are met as attributes.
    """

    def __init__(self, firmware: Firmware, open_modules: set[str]) -> None:
        self._firmware = firmware
        self._open = open_modules
        self._taken = set(keyword.kwlist) | set(keyword.softkwlist) | _of_micropython()[_BUILTINS]
        self._keywords: set[str] = set()
        for source in firmware.sources.values():
            self._taken.update(use.name for use in source.scopes.uses)
            self._taken.update(node.attr for node, _ in source.scopes.attributes)
            self._taken.update(own for node, _, _ in source.scopes.imports for own, _, _ in firmware.targets(node))
            self._keywords |= source.scopes.keywords
        self._taken |= self._keywords
        self._symbols: dict[tuple[str, str], str] = {}
        self._was: dict[str, str] = {}
        ours = self._attributes_of_ours()
        self.families = families(firmware)
        numbers = shared_numbers(firmware, self.families, self._not_of_modules(ours))
        shared = [self.fresh("", f"private {number}") for number in range(max(numbers.values(), default=-1) + 1)]
        self._attributes = {
            name: shared[numbers[name]] if name in numbers else self.fresh(name) for name in sorted(ours)
        }
        self._private = frozenset(numbers)
        self._locals: dict[Scope, dict[str, str]] = {}

    def fresh(self, was: str, key: str = "") -> str:
        """A name that nothing else has: one that another name coming or going seldom changes.

        Args:
            was: what it stands for.
            key: what it is made from, where that is not enough.
        """
        number = int.from_bytes(hashlib.sha256(f"{key} {was}".encode()).digest()[:4], "big")
        while True:
            name = _FIRST[number % len(_FIRST)] + _NEXT[number // len(_FIRST) % len(_NEXT)]
            if name not in self._taken:
                break
            number += 1
        self._taken.add(name)
        if was:
            self._was[name] = was
        return name

    def was(self) -> dict[str, str]:
        """What each short name was, where it stands for one only."""
        return dict(self._was)

    def private(self) -> list[tuple[list[str], dict[str, str]]]:
        """Classes that belong together, by their short names, and what of theirs each other short name was."""
        return [
            (
                [self.symbol(module, name) for module, name in family.classes],
                {self._attributes[name]: name for name in sorted(family.defined & self._private)},
            )
            for family in dict.fromkeys(self.families.values())
        ]

    # --- Attributes ---------------------------------------------------------------------------------------------

    def _attributes_of_ours(self) -> set[str]:
        ours: set[str] = set()
        foreign = set(_CALLED) | _of_micropython()[_BUILTINS] | self._keywords
        for source in self._firmware.sources.values():
            foreign |= source.scopes.strings
            ours.update(
                node.attr for node, _ in source.scopes.attributes if not isinstance(node.ctx, ast.Load)
            )
            for scope in source.scopes.scopes:
                if isinstance(scope.node, ast.ClassDef):
                    ours.update(scope.bound)
            if source.name in self._open and source.name != self._firmware.entry:
                ours.update(source.scopes.module.bound)
            foreign |= self._of_foreign_modules(source)
        return {name for name in ours - foreign if not (name.startswith("__") and name.endswith("__"))}

    def _not_of_modules(self, names: set[str]) -> set[str]:
        """Those that no module has that is met as a value."""
        return names.difference(*(self._firmware.sources[name].scopes.module.bound for name in self._open))

    def _of_foreign_modules(self, source: Source) -> set[str]:
        """What must be called as it is because of what a module imports."""
        known = _of_micropython()
        found: set[str] = set()
        for node, _, _ in source.scopes.imports:
            for (own, module, _), alias in zip(self._firmware.targets(node), node.names, strict=True):
                if module:
                    continue
                origin = alias.name if isinstance(node, ast.Import) else str(node.module)
                if origin in known:
                    found |= known[origin]
                elif origin == "board":
                    # Plain data: only what is taken out of it.
                    found |= {
                        each.attr
                        for each, _ in source.scopes.attributes
                        if isinstance(each.value, ast.Name) and each.value.id in (own, "board")
                    }
                else:
                    found |= {each.attr for each, _ in source.scopes.attributes}
        return found

    def attribute(self, name: str) -> str:
        """The name of an attribute."""
        return self._attributes.get(name, name)

    # --- Names of modules ---------------------------------------------------------------------------------------

    def symbol(self, module: str, name: str) -> str:
        """The name of what a module defines."""
        if module == self._firmware.entry or name.startswith("__"):
            return name
        if module in self._open:
            return self.attribute(name)
        if (module, name) not in self._symbols:
            self._symbols[module, name] = self.fresh(name, module)
        return self._symbols[module, name]

    @cache  # noqa: B019
    def rebound(self, module: str) -> frozenset[str]:
        """Names of a module that its functions bind again."""
        scopes = self._firmware.sources[module].scopes.scopes
        return frozenset(name for scope in scopes for name in scope.globals)

    # --- Arguments ----------------------------------------------------------------------------------------------

    def local(self, source: Source, scope: Scope, name: str) -> str:
        """The name of an argument: the same few for all functions. Other names of a function are in no file."""
        if name not in scope.arguments:
            return name
        if scope not in self._locals:
            self._locals[scope] = self._arguments(source, scope)
        return self._locals[scope].get(name, name)

    def _arguments(self, source: Source, scope: Scope) -> dict[str, str]:
        if source.scopes.native:
            return {}
        inside = set(scope.inside)
        # What stands around is seen from inside.
        outer = scope.parent
        while outer is not None:
            inside |= {self.local(source, outer, name) for name in outer.arguments}
            outer = outer.parent
        names: dict[str, str] = {}
        free = iter([name for name in _ARGUMENTS if name not in inside])
        for name in scope.arguments:
            if name == "self" or name in self._keywords:
                continue
            new = next(free, None)
            if new is not None:
                names[name] = new
        return names
