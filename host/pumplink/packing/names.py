"""Short names for what only the firmware names; what is never met in one place shares them.

An attribute has one name in the whole firmware, because an expression does not say of which class its value is; so has
what a module defines. But no object has the attributes of all classes, and no file the globals of all others: places
where names must differ are a class with its family, a file, and the body of a class, which sees its file's globals.
"""

from __future__ import annotations

import ast
import builtins
import hashlib
import keyword
import re
import string
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from pumplink.packing.classes import Family, families, of_any_object
from pumplink.packing.relink import known_names
from pumplink.packing.scopes import Scope
from pumplink.packing.sharing import shared
from pumplink.packing.sources import Firmware, Source

__all__ = ["Namer"]

# Not `_`: MicroPython does not keep a constant of a module whose name begins with it.
_FIRST = string.ascii_letters
_NEXT = string.ascii_letters + string.digits + "_"
# What MicroPython calls by name on objects of a program: streams and block devices.
_CALLED = {"readinto", "read", "readline", "write", "flush", "close", "ioctl", "readblocks", "writeblocks"}
# What objects have that MicroPython makes: open files and generators.
_CALLED |= {"seek", "tell", "readlines", "send", "throw", "pend_throw"}
_ARGUMENTS = "abcdefghijklmnopqrst"
_BUILTINS = "builtins"
_BEGIN, _END = "\1", "\2"
_STAND_IN = re.compile(f"{_BEGIN}(\\d+){_END}")
# What MicroPython itself looks for on objects, other than `_CALLED`.
_LOOKED_FOR = {"keys", "args", "errno", "value", "name"}


@cache
def _never_on_the_heap() -> tuple[str, ...]:
    """Names that every MicroPython has in its flash, but for those that mean something to it, and names of types."""
    return tuple(
        name for name in known_names().values()
        if name.isalpha() and name.islower() and name not in _CALLED | _LOOKED_FOR
        and not isinstance(getattr(builtins, name, None), type)
    )  # fmt: skip


@cache
def _of_micropython() -> dict[str, set[str]]:
    """Names that MicroPython's modules, and objects of their classes, have on any board."""
    text = (Path(__file__).parent / "micropython.names").read_text(encoding="utf-8")
    lines = (line.split() for line in text.splitlines() if not line.startswith("#"))
    return {words[0]: set(words[1:]) for words in lines if words}


class Node(NamedTuple):
    """What has one name in the whole firmware: an attribute, or what a module defines.

    Attributes:
        module: empty for an attribute.
        name: in the sources.
    """

    module: str
    name: str


class Namer:
    """Gives names.

    Until all is known that stands beside it, a name is a stand-in, for which `named` puts the name itself.

    Args:
        firmware: all its modules.
        open_modules: those whose names are met as attributes.
    """

    def __init__(self, firmware: Firmware, open_modules: set[str]) -> None:
        self._firmware = firmware
        self._open = open_modules
        self._taken = set(keyword.kwlist) | set(keyword.softkwlist) | _of_micropython()[_BUILTINS]
        self._keywords: set[str] = set()
        # What may be asked for as it is written.
        self._as_attributes: set[str] = set()
        self._met: set[str] = {part for name in firmware.sources for part in name.split(".")}
        for source in firmware.sources.values():
            self._met.update(use.name for use in source.scopes.uses)
            self._met.update(own for node, _, _ in source.scopes.imports for own, _, _ in firmware.targets(node))
            self._as_attributes.update(node.attr for node, _ in source.scopes.attributes)
            self._as_attributes |= source.scopes.strings | source.scopes.keywords
            self._keywords |= source.scopes.keywords
        self._met |= self._as_attributes
        self._taken |= self._met
        self.families = families(firmware)
        self._ours = self._attributes_of_ours()
        self._palette = [*_ARGUMENTS, *_never_on_the_heap()]
        self._numbers: dict[Node, int] = {}
        self._nodes: list[Node] = []
        self._places: dict[Hashable, set[Node]] = {}
        self._globals: set[Node] = set()
        self._names: dict[Node, str] = {}
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
        return name

    # --- Stand-ins ----------------------------------------------------------------------------------------------

    def _stand_in(self, node: Node) -> str:
        if node not in self._numbers:
            self._numbers[node] = len(self._nodes)
            self._nodes.append(node)
        return f"{_BEGIN}{self._numbers[node]}{_END}"

    def nodes(self, text: str) -> Iterator[Node]:
        """What the stand-ins in a text stand for."""
        return (self._nodes[int(found[1])] for found in _STAND_IN.finditer(text))

    def named(self, text: str) -> str:
        """A text with the names that its stand-ins stand for."""
        return _STAND_IN.sub(lambda found: self._names[self._nodes[int(found[1])]], text)

    def settle(self, first: str, rest: str) -> None:
        """Gives all names that stand in texts.

        Args:
            first: what a start loads: names that stand there come first, because they are always on the heap.
            rest: everything else.
        """
        uses, later = Counter(self.nodes(first)), Counter(self.nodes(rest))
        nodes = sorted(
            uses | later, key=lambda node: (not uses[node], -uses[node].bit_length(), -later[node].bit_length(), node)
        )
        numbers = shared(nodes, self._rooms(set(nodes)), self._may_have)
        self._names = {node: self._name(number) for node, number in numbers.items()}

    def _rooms(self, nodes: set[Node]) -> list[set[Node]]:
        """Places in which names must differ."""
        anywhere = {Node("", name) for name in of_any_object(self._firmware, self.families)} & nodes
        found = [{Node("", name) for name in family.defined} & nodes | anywhere for family in self._families()]
        found += [
            {Node("", name) for name in self._firmware.sources[module].scopes.module.bound} & nodes | anywhere
            for module in sorted(self._open)
        ]
        found += [place & nodes for place in self._places.values()]
        # Whoever reads what a board prints is told of a class by its name.
        found.append({Node(*each) for family in self._families() for each in family.classes} & nodes)
        return found

    def _families(self) -> list[Family]:
        return list(dict.fromkeys(self.families.values()))

    def _may_have(self, number: int, node: Node) -> bool:
        """An argument is seen where a global is, and what MicroPython names may be meant where it is written."""
        name = self._name(number)
        if len(name) == 1:
            return node not in self._globals and name not in self._as_attributes
        return name not in self._met

    def _name(self, number: int) -> str:
        """The name of that number: first those that the heap has anyway or never has, then short ones."""
        while number >= len(self._palette):
            self._palette.append(self.fresh("", f"shared {len(self._palette)}"))
        return self._palette[number]

    def was(self) -> dict[str, str]:
        """What each short name was, where it stands for one only."""
        several: dict[str, list[str]] = {}
        for node, name in self._names.items():
            several.setdefault(name, []).append(node.name)
        return {name: names[0] for name, names in several.items() if len(set(names)) == 1}

    def was_in(self, text: str) -> dict[str, str]:
        """What each short name in a text was; for two of one name both."""
        found: dict[str, dict[str, None]] = {}
        for node in self.nodes(text):
            found.setdefault(self._names[node], {})[node.name] = None
        return {short: " or ".join(names) for short, names in found.items()}

    def classes(self) -> list[tuple[dict[str, str], dict[str, str]]]:
        """Classes that belong together: what their short names were, and those of their attributes."""
        found = []
        for family in self._families():
            classes = (Node(*each) for each in family.classes)
            attributes = (Node("", name) for name in sorted(family.defined))
            found.append((self._were(classes), self._were(attributes)))
        return found

    def _were(self, nodes: Iterable[Node]) -> dict[str, str]:
        return {self._names[node]: node.name for node in nodes if node in self._names}

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
                foreign |= {own for node, _, _ in source.scopes.imports for own, _, _ in self._firmware.targets(node)}
            foreign |= self._of_foreign_modules(source)
        return {name for name in ours - foreign if not (name.startswith("__") and name.endswith("__"))}

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
        return self._stand_in(Node("", name)) if name in self._ours else name

    # --- Names of modules ---------------------------------------------------------------------------------------

    def symbol(self, module: str, name: str, *places: Hashable) -> str:
        """The name of what a module defines.

        Args:
            module: the module.
            name: in its source.
            places: in which it is a global, each under the name of the file or as the scope of a class.
        """
        if module == self._firmware.entry or name.startswith("__"):
            return name
        if module in self._open and name not in self._ours:
            return name
        node = Node("" if module in self._open else module, name)
        self._globals.add(node)
        for place in places:
            self._places.setdefault(place, set()).add(node)
        return self._stand_in(node)

    def beside(self, scope: Scope, name: str) -> None:
        """Notes that the body of a class binds a name. Around one in a function are the function's arguments."""
        if name in self._ours:
            self._places.setdefault(scope, set()).add(Node("", name))
            if scope.parent is not None and scope.parent.parent is not None:
                self._globals.add(Node("", name))

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
