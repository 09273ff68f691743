"""Which attributes objects of a class may have: those that the class, its bases or the classes derived from it bind.

They are bound in the body of a class or as `self.NAME` in a method. What is stored by another expression may be an
attribute of any object.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field

from pumplink.packing.scopes import NotFollowed, Scope
from pumplink.packing.sources import Firmware, Source

__all__ = ["Family", "families", "of_any_object"]


_OF_NO_OBJECT = ("staticmethod", "classmethod")


@dataclass(eq=False)
class Family:
    """A class with all that it is derived from and that is derived from it.

    Attributes:
        classes: module and name of each.
        defined: attributes that they define.
    """

    classes: list[tuple[str, str]] = field(default_factory=list)
    defined: set[str] = field(default_factory=set)


def families(firmware: Firmware) -> dict[Scope, Family]:
    """The family of each class, by its scope."""
    found: dict[Scope, Family] = {}
    by_name: dict[tuple[str, str], Scope] = {}
    for source in firmware.sources.values():
        for scope in source.scopes.scopes:
            if isinstance(scope.node, ast.ClassDef):
                found[scope] = Family([(source.name, scope.node.name)], set(scope.bound))
                if scope.parent is source.scopes.module:
                    by_name[source.name, scope.node.name] = scope
    for source in firmware.sources.values():
        for scope in source.scopes.scopes:
            if isinstance(scope.node, ast.ClassDef):
                for base in scope.node.bases:
                    other = by_name.get(_class_of(firmware, source, scope, base))
                    if other is None:
                        _make_sure_it_is_foreign(firmware, source, scope, base)
                    elif found[other] is not found[scope]:
                        _join(found, found[other], found[scope])
        for node, scope in source.scopes.attributes:
            _make_sure_it_is_of_the_family(firmware, source, scope, node, by_name, found)
            family = _own(found, node, scope)
            if family is not None and not isinstance(node.ctx, ast.Load):
                family.defined.add(node.attr)
    return found


def _join(found: dict[Scope, Family], one: Family, other: Family) -> None:
    one.classes += other.classes
    one.defined |= other.defined
    for scope in [scope for scope, family in found.items() if family is other]:
        found[scope] = one


def _make_sure_it_is_foreign(firmware: Firmware, source: Source, scope: Scope, base: ast.expr) -> None:
    """A base class that is MicroPython's own has none of our names. Of any other it must be known which one it is."""
    name = base.value if isinstance(base, ast.Attribute) else base
    if isinstance(name, ast.Name):
        owner = scope.owner(name.id)
        imported = name.id in firmware.externals.get(owner, {})
        builtin = owner.parent is None and name.id not in owner.bound and base is name
        if imported or builtin:
            return
    raise NotFollowed(f"{source.path}:{base.lineno}: of which class this one is derived is not followed")


def _make_sure_it_is_of_the_family(
    firmware: Firmware, source: Source, scope: Scope, node: ast.Attribute,
    by_name: dict[tuple[str, str], Scope], found: dict[Scope, Family],
) -> None:  # fmt: skip
    """A method that is taken out of its class may meet an object of another one, which has other names."""
    if not isinstance(node.value, (ast.Name, ast.Attribute)):
        return
    if isinstance(node.value, ast.Name) and scope.owner(node.value.id).parent is not None and firmware.alias(
        scope, node.value.id) is None:  # fmt: skip
        return
    owner = by_name.get(_class_of(firmware, source, scope, node.value))
    if owner is None or not any(
        isinstance(each, ast.FunctionDef) and each.name == node.attr and not each.decorator_list
        for each in getattr(owner.node, "body", [])
    ):
        return
    around: Scope | None = scope
    while around is not None and not isinstance(around.node, ast.ClassDef):
        around = around.parent
    if around is None or found[around] is not found[owner]:
        raise NotFollowed(f"{source.path}:{node.lineno}: the method {node.attr} is taken out of its class")


def _class_of(firmware: Firmware, source: Source, scope: Scope, base: ast.expr) -> tuple[str, str]:
    if isinstance(base, ast.Attribute) and isinstance(base.value, ast.Name):
        alias = firmware.alias(scope, base.value.id)
        return firmware.symbol(alias.module, base.attr) if alias is not None and not alias.name else ("", "")
    if isinstance(base, ast.Name):
        alias = firmware.alias(scope, base.id)
        if alias is not None:
            return firmware.symbol(alias.module, alias.name) if alias.name else ("", "")
        return source.name, base.id
    return "", ""


def _own(found: dict[Scope, Family], node: ast.Attribute, scope: Scope) -> Family | None:
    """The family whose object it is that an attribute is named of; None when that is not certain."""
    if not (isinstance(node.value, ast.Name) and node.value.id == "self"):
        return None
    method = scope.owner("self")
    if method.arguments[:1] != ["self"] or method.bound["self"] != 1 or method.parent is None:
        return None
    if any(getattr(each, "id", "") in _OF_NO_OBJECT for each in getattr(method.node, "decorator_list", ())):
        return None
    return found.get(method.parent)


def of_any_object(firmware: Firmware, found: dict[Scope, Family]) -> set[str]:
    """Attributes that any object may have or be asked for.

    They are stored on what is not `self`, asked for at a venture, or asked of a `self` that has none of that name.
    """
    names: set[str] = set()
    for source in firmware.sources.values():
        names |= source.scopes.ventured
        for node, scope in source.scopes.attributes:
            family = _own(found, node, scope)
            # What is added to was there before.
            set_anew = isinstance(node.ctx, ast.Store) and id(node) not in source.scopes.added
            if node.attr not in family.defined if family is not None else set_anew:
                names.add(node.attr)
    return names
