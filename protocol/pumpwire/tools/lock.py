"""What changed between two descriptions of the wire, and whether those who keep the old one can still talk.

Old is the world as it stands, new the pump to come: what was sent to the old pump must be taken by the new one, and
what the new one sends must be understood by those who read the old one. Each change has a level: `wire` changes octets
or what they mean, `source` the names in code, `docs` only words. Messages that were drafts are exempt.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pumpwire.tools.lookup import InputError

__all__ = ["Change", "Level", "announced", "compare", "worst"]

Description = Mapping[str, Any]
_PARTS: Final = ("wire_version", "services", "characteristics", "messages", "enumerations", "frames", "att")


class Level(enum.IntEnum):
    """What a change touches; each includes those below it."""

    DOCS = 0
    SOURCE = 1
    WIRE = 2


@dataclass(frozen=True, slots=True)
class Change:
    """One change.

    Args:
        level: what it touches.
        breaking: whether it breaks somebody at that level.
        where: such as `SetBolus.flags`.
        text: what changed, and why that breaks.
    """

    level: Level
    breaking: bool
    where: str
    text: str

    def __str__(self) -> str:
        kind = "BREAKING " if self.breaking else ""
        return f"{kind}{self.level.name.lower()}: {self.where}: {self.text}"


def compare(old: Description, new: Description) -> list[Change]:
    """All changes, those that break first, the gravest level first.

    Args:
        old, new: as `pumpwire.describe.wire` gives them.

    Raises:
        InputError: one of them is no description of a wire.
    """
    for name, wire in (("OLD", old), ("NEW", new)):
        missing = [part for part in _PARTS if part not in wire]
        if missing:
            raise InputError(f"lacks {', '.join(missing)}", name, "a wire.lock.json, as `make generate` writes it")
    changes = [
        *_version(old, new),
        *_tables("service", old["services"], new["services"], _SERVICE),
        *_tables("characteristic", old["characteristics"], new["characteristics"], _CHARACTERISTIC),
        *_messages(old, new),
        *_enumerations(old, new),
        *_numbers("frame type", old["frames"], new["frames"]),
        *_numbers("ATT opcode", old["att"]["opcodes"], new["att"]["opcodes"]),
        *_numbers("ATT error", old["att"]["errors"], new["att"]["errors"]),
    ]
    return sorted(changes, key=lambda change: (not change.breaking, -change.level))


def worst(changes: list[Change]) -> Level | None:
    """The gravest level that is broken, None when nothing is."""
    return max((change.level for change in changes if change.breaking), default=None)


def announced(old: Description, new: Description) -> bool:
    """Whether the wire version was raised, so that old and new refuse each other instead of misunderstanding."""
    return bool(new["wire_version"] > old["wire_version"])


def _version(old: Description, new: Description) -> Iterator[Change]:
    was, now = old["wire_version"], new["wire_version"]
    if now > was:
        yield Change(Level.WIRE, False, "wire version", f"{was} became {now}: old and new refuse each other")
    elif now < was:
        yield Change(Level.WIRE, True, "wire version", f"{was} became {now}: a version is never given back")


# --- Services and characteristics -------------------------------------------------------------------------------

# What of an entry is part of the wire; the rest is words.
_SERVICE: Final = ("uuid", "owner", "first_handle")
_CHARACTERISTIC: Final = ("uuid", "handle", "configuration_handle", "protection", "opcode_octets", "prohibited")


def _tables(kind: str, old: Description, new: Description, wired: tuple[str, ...]) -> Iterator[Change]:
    for name, was in old.items():
        now = new.get(name)
        if now is None:
            yield Change(Level.WIRE, True, name, f"the {kind} is gone")
            continue
        for key in was:
            before, after = was[key], now.get(key)
            if before == after or key == "characteristics":
                continue
            if key in ("properties", "bearers"):
                yield from _properties(name, before, after)
            elif key in wired:
                yield Change(Level.WIRE, True, name, f"{key} was {_shown(before)}, is {_shown(after)}")
            else:
                yield Change(Level.DOCS, False, name, f"{key} was {before!r}, is {after!r}")
    for name in new:
        if name not in old:
            yield Change(Level.WIRE, False, name, f"a {kind} was added")


def _properties(name: str, was: list[str], now: list[str]) -> Iterator[Change]:
    for lost in sorted(set(was) - set(now)):
        yield Change(Level.WIRE, True, name, f"{lost} is no longer offered")
    for won in sorted(set(now) - set(was)):
        yield Change(Level.WIRE, False, name, f"{won} is offered, too")


def _shown(value: Any) -> str:
    return f"0x{value:04X}" if isinstance(value, int) and value > 9 else str(value)


def _numbers(kind: str, old: Description, new: Description) -> Iterator[Change]:
    for name, was in old.items():
        if name not in new:
            renamed = next((key for key, value in new.items() if value == was and key not in old), None)
            if renamed:
                yield Change(Level.SOURCE, True, f"{kind} {name}", f"is called {renamed} now")
            else:
                yield Change(Level.WIRE, True, f"{kind} {name}", "is gone")
        elif new[name] != was:
            yield Change(Level.WIRE, True, f"{kind} {name}", f"was {_shown(was)}, is {_shown(new[name])}")
    for name, now in new.items():
        if name not in old and now not in old.values():
            yield Change(Level.WIRE, False, f"{kind} {name}", f"{_shown(now)} was added")


# --- Messages ---------------------------------------------------------------------------------------------------


def _address(message: Description) -> tuple[Any, ...]:
    return message["on"], message["opcode"], message["direction"]


def _messages(old: Description, new: Description) -> Iterator[Change]:
    before, after = old["messages"], new["messages"]
    by_address = {_address(message): name for name, message in after.items() if name not in before}
    renamed: set[str] = set()
    for name, was in before.items():
        now = after.get(name)
        if now is None:
            called = by_address.get(_address(was))
            if called is None:
                yield _exempt(was, Change(Level.WIRE, True, name, "the message is gone"))
                continue
            renamed.add(called)
            yield _exempt(was, Change(Level.SOURCE, True, name, f"is called {called} now"))
            now = after[called]
        for change in _message(name, was, now, old, new):
            yield _exempt(was, change)
    for name in after:
        if name not in before and name not in renamed:
            yield Change(Level.WIRE, False, name, "a message was added")


def _exempt(was: Description, change: Change) -> Change:
    if not was.get("draft") or not change.breaking:
        return change
    return Change(change.level, False, change.where, f"{change.text} (was a draft)")


def _message(name: str, was: Description, now: Description, old: Description, new: Description) -> Iterator[Change]:
    for key in ("on", "opcode"):
        if was[key] != now[key]:
            yield Change(Level.WIRE, True, name, f"{key} was {_shown(was[key])}, is {_shown(now[key])}")
    if was["direction"] != now["direction"]:
        text = f"direction was {was['direction']}, is {now['direction']}"
        yield Change(Level.WIRE, now["direction"] != "both", name, text)
    if was["answer"] != now["answer"] and not _renamed(was["answer"], now["answer"], old, new):
        yield Change(Level.WIRE, True, name, f"was answered by {was['answer']}, is answered by {now['answer']}")
    if was.get("served", True) != now.get("served", True):
        gone = bool(was.get("served", True))
        yield Change(Level.WIRE, gone, name, "the firmware serves it no longer" if gone else "the firmware serves it")
    if was["changes_delivery"] != now["changes_delivery"]:
        changes = "can" if now["changes_delivery"] else "can no longer"
        yield Change(Level.SOURCE, False, name, f"{changes} change what insulin is delivered")
    for key in ("clause", "doc"):
        if was[key] != now[key]:
            yield Change(Level.DOCS, False, name, f"{key} was {was[key]!r}, is {now[key]!r}")
    if bool(was.get("draft")) != bool(now.get("draft")):
        yield Change(Level.DOCS, False, name, "is a draft now" if now.get("draft") else "is no draft any more")
    yield from _fields(name, was, now, old, new)


def _renamed(was: str | None, now: str | None, old: Description, new: Description) -> bool:
    if was is None or now is None or was in new["messages"] or now in old["messages"]:
        return False
    return _address(old["messages"][was]) == _address(new["messages"][now])


# Fields stand one behind the other: one that comes, goes or changes its length moves all that follow.
def _fields(name: str, was: Description, now: Description, old: Description, new: Description) -> Iterator[Change]:
    before, after = was["fields"], now["fields"]
    kept = min(len(before), len(after))
    same_layout = [_shape(field) for field in before[:kept]] == [_shape(field) for field in after[:kept]]
    if not same_layout or _moved(before[:kept], after[:kept]):
        yield from _layout(name, before, after)
        return
    names: dict[str, str] = {}
    for one, other in zip(before, after, strict=False):
        where = f"{name}.{one['name']}"
        names[one["name"]] = other["name"]
        if one["name"] != other["name"]:
            yield Change(Level.SOURCE, True, where, f"is called {other['name']} now")
        yield from _field(where, one, other, names, was["direction"], old, new)
    for gone in before[kept:]:
        yield Change(Level.WIRE, True, f"{name}.{gone['name']}", "the field is gone; readers find too few octets")
    for added in after[kept:]:
        yield _appended(name, added, was, old)


# A name that another field has now was not changed: the fields changed places.
def _moved(before: list[Description], after: list[Description]) -> bool:
    old_names, new_names = {field["name"] for field in before}, {field["name"] for field in after}
    changed = [(one["name"], other["name"]) for one, other in zip(before, after, strict=True)]
    return any(one != other and (one in new_names or other in old_names) for one, other in changed)


def _shape(field: Description) -> tuple[Any, ...]:
    return field["kind"], field["octets"], field.get("element"), "present_when" in field


def _layout(name: str, before: list[Description], after: list[Description]) -> Iterator[Change]:
    old_names, new_names = [field["name"] for field in before], [field["name"] for field in after]
    told = False
    for field in before:
        other = next((item for item in after if item["name"] == field["name"]), None)
        if other is None:
            told = True
            yield Change(Level.WIRE, True, f"{name}.{field['name']}", "the field is gone, and others moved")
        elif _shape(field) != _shape(other):
            told = True
            text = f"was {_kind(field)}, is {_kind(other)}"
            yield Change(Level.WIRE, True, f"{name}.{field['name']}", text)
    for added in new_names:
        if added not in old_names:
            told = True
            yield Change(Level.WIRE, True, f"{name}.{added}", "a field was added before others, which moved")
    if not told:
        yield Change(Level.WIRE, True, name, f"the fields were {', '.join(old_names)}, are {', '.join(new_names)}")


def _kind(field: Description) -> str:
    optional = "optional " if "present_when" in field else ""
    return f"{optional}{field['kind']} of {field['octets']} octets"


# A field at the end that only comes with a flag nobody has set yet is no business of those who never set it.
def _appended(name: str, field: Description, was: Description, old: Description) -> Change:
    where = f"{name}.{field['name']}"
    when = field.get("present_when", {})
    flags = next((item for item in was["fields"] if item["name"] == when.get("field")), None)
    if flags is not None and "mask" in when and was["direction"] == "to_pump":
        known = old["enumerations"].get(flags.get("enumeration"), {}).get("members", {}).values()
        if not any(bit & when["mask"] for bit in known):
            return Change(Level.WIRE, False, where, "a field was added behind a flag that was not used")
    return Change(Level.WIRE, True, where, "a field was added; those who do not know it send or expect fewer octets")


# --- One field --------------------------------------------------------------------------------------------------


def _field(
    where: str, was: Description, now: Description, names: Mapping[str, str], direction: str, old: Description,
    new: Description,
) -> Iterator[Change]:  # fmt: skip
    when = was.get("present_when")
    if when is not None:
        when = {**when, "field": names.get(when["field"], when["field"])}
    if when != now.get("present_when"):
        yield Change(Level.WIRE, True, where, f"was there when {when}, is there when {now.get('present_when')}")
    if was.get("length_from") != now.get("length_from"):
        yield Change(Level.WIRE, True, where, f"its length came from {was.get('length_from')}")
    if was.get("enumeration") != now.get("enumeration"):
        yield _other_enumeration(where, was.get("enumeration"), now.get("enumeration"), old, new)
    yield from _rounding(where, was, now, direction)
    yield from _bounds(where, was, now, direction)
    yield from _requires(where, was, now, direction)
    if was.get("doc") != now.get("doc"):
        yield Change(Level.DOCS, False, where, f"was said to be {was.get('doc')!r}, is said to be {now.get('doc')!r}")


def _other_enumeration(where: str, was: str | None, now: str | None, old: Description, new: Description) -> Change:
    before, after = old["enumerations"].get(was, {}), new["enumerations"].get(now, {})
    same = bool(before) and before.get("members") == after.get("members")
    text = f"had the values of {was or 'no enumeration'}, has those of {now or 'no enumeration'}"
    return Change(Level.SOURCE if same else Level.WIRE, True, where, text)


def _sent(direction: str) -> bool:
    return direction in ("to_pump", "both")


def _read(direction: str) -> bool:
    return direction in ("to_client", "both")


def _narrower(where: str, direction: str, text: str) -> Change:
    why = "; what was sent is refused now" if _sent(direction) else ""
    return Change(Level.WIRE, _sent(direction), where, text + why)


def _wider(where: str, direction: str, text: str) -> Change:
    why = "; readers do not take what may come now" if _read(direction) else ""
    return Change(Level.WIRE, _read(direction), where, text + why)


def _bounds(where: str, was: Description, now: Description, direction: str) -> Iterator[Change]:
    keys = ("low", "high") if "low" in was or "low" in now else ("count_low", "count_high")
    low, high = ((_number(was.get(key)), _number(now.get(key))) for key in keys)
    text = f"limits were {was.get(keys[0])} to {was.get(keys[1])}, are {now.get(keys[0])} to {now.get(keys[1])}"
    if low != high and (low[0], high[0]) != (low[1], high[1]):
        endless = float("inf")
        old_low, old_high = -endless if low[0] is None else low[0], endless if high[0] is None else high[0]
        new_low, new_high = -endless if low[1] is None else low[1], endless if high[1] is None else high[1]
        if new_low > old_low or new_high < old_high:
            yield _narrower(where, direction, text)
        if new_low < old_low or new_high > old_high:
            yield _wider(where, direction, text)
    if was.get("also") != now.get("also"):
        if was.get("also") is not None:
            yield _narrower(where, direction, f"{was['also']} is no extra value any more")
        if now.get("also") is not None:
            yield _wider(where, direction, f"{now['also']} is an extra value")


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _rounding(where: str, was: Description, now: Description, direction: str) -> Iterator[Change]:
    before, after = was.get("scale"), now.get("scale")
    if before is not None and after is not None and before != after:
        text = f"steps were 1/{before}, are 1/{after}"
        yield _narrower(where, direction, text) if after < before else _wider(where, direction, text)
    if was.get("rounding") != now.get("rounding"):
        text = f"rounding was {was.get('rounding')}, is {now.get('rounding')}"
        if now.get("rounding") == "refuse":
            yield _narrower(where, direction, text)
        else:
            yield Change(Level.WIRE, False, where, text)
    if was.get("specials") != now.get("specials"):
        if now.get("specials"):
            yield _wider(where, direction, "NaN and its kin are values now")
        else:
            yield _narrower(where, direction, "NaN and its kin are no values any more")


def _requires(where: str, was: Description, now: Description, direction: str) -> Iterator[Change]:
    before, after = was.get("requires", []), now.get("requires", [])
    for pair in after:
        if pair not in before:
            yield _narrower(where, direction, f"flag {pair[0]:#x} needs flag {pair[1]:#x} now")
    for pair in before:
        if pair not in after:
            yield _wider(where, direction, f"flag {pair[0]:#x} comes without flag {pair[1]:#x} now")


# --- Enumerations -----------------------------------------------------------------------------------------------


def _enumerations(old: Description, new: Description) -> Iterator[Change]:
    for name, was in old["enumerations"].items():
        now = new["enumerations"].get(name)
        if now is None:
            # Whoever used it uses another one: told there.
            yield Change(Level.SOURCE, True, name, "the enumeration is gone")
            continue
        directions = _used(name, old)
        yield from _members(name, was, now, directions)
        if was["doc"] != now["doc"]:
            yield Change(Level.DOCS, False, name, f"was said to be {was['doc']!r}, is said to be {now['doc']!r}")
    for name in new["enumerations"]:
        if name not in old["enumerations"]:
            yield Change(Level.SOURCE, False, name, "an enumeration was added")


# Where the values of an enumeration went, drafts left out.
def _used(name: str, wire: Description) -> str:
    directions = {
        message["direction"]
        for message in wire["messages"].values()
        if not message.get("draft") and any(field.get("enumeration") == name for field in message["fields"])
    }
    return directions.pop() if len(directions) == 1 else "both" if directions else ""


def _members(name: str, was: Description, now: Description, direction: str) -> Iterator[Change]:
    before, after = was["members"], now["members"]
    added = {member: value for member, value in after.items() if value not in before.values()}
    for member, value in before.items():
        where = f"{name}.{member}"
        if member in after and after[member] != value:
            text = f"was {_shown(value)}, is {_shown(after[member])}"
            yield Change(Level.WIRE, bool(direction), where, text)
        elif member not in after:
            called = next((key for key, number in after.items() if number == value), None)
            if called is not None:
                yield Change(Level.SOURCE, True, where, f"is called {called} now")
            else:
                yield _narrower(where, direction, f"0x{value:02X} is gone")
    for member, value in added.items():
        if member in before:
            continue
        if was["flags"]:
            yield Change(Level.WIRE, False, f"{name}.{member}", f"bit 0x{value:02X} was added; others ignore it")
        else:
            yield _wider(f"{name}.{member}", direction, f"0x{value:02X} was added")
