"""What an exchange exercised of the wire: messages, enumeration values, flags, and error codes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from pumpwire.att import AttErrorCode
from pumpwire.database import CHARACTERISTICS
from pumpwire.declare import Message
from pumpwire.registry import MESSAGES
from pumpwire.tools.exchange import Step

__all__ = ["Coverage", "Share"]


@dataclass(frozen=True, slots=True)
class Share:
    """How much of one kind of thing was seen.

    Args:
        seen: name -> how often.
        missing: names that never came.
    """

    seen: dict[str, int]
    missing: tuple[str, ...]

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.seen) + len(self.missing)


@dataclass
class Coverage:
    """Counts what comes; several exchanges add up.

    Attributes:
        pdus: how many PDUs were taken.
    """

    pdus: int = 0
    _messages: Counter[str] = field(default_factory=Counter)
    _fields: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    _present: Counter[tuple[str, str]] = field(default_factory=Counter)
    _errors: Counter[int] = field(default_factory=Counter)
    _outcomes: Counter[str] = field(default_factory=Counter)
    _characteristics: Counter[str] = field(default_factory=Counter)

    def add(self, steps: Iterable[Step]) -> Coverage:
        """Counts an exchange."""
        for step in steps:
            self.pdus += 1
            if step.error is not None:
                self._errors[step.error] += 1
            if step.characteristic is not None:
                self._characteristics[step.characteristic.name] += 1
            for value in step.values:
                self._outcomes[value.outcome.name] += 1
                if value.message is not None and value.wrong is None:
                    self._count(value.message, value.fields)
        return self

    def _count(self, message: Message, values: dict[str, Any]) -> None:
        self._messages[message.name] += 1
        for declared in message.fields:
            value = values.get(declared.name)
            if value is None:
                continue
            if declared.condition is not None:
                self._present[message.name, declared.name] += 1
            for member in declared.members or ():
                if member & value if declared.is_flags else member == value:
                    self._fields[message.name, declared.name, member.name] += 1

    def messages(self) -> Share:
        """Messages."""
        return _share(self._messages, MESSAGES)

    def values(self) -> Share:
        """Enumeration values and flags, as Message.field=VALUE."""
        seen = {f"{message}.{name}={value}": count for (message, name, value), count in self._fields.items()}
        declared = [
            f"{message.name}.{one.name}={member.name}"
            for message in MESSAGES.values()
            for one in message.fields
            for member in one.members or ()
        ]
        return _share(seen, declared)

    def optional_fields(self) -> Share:
        """Fields that are not always there, as Message.field."""
        seen = {f"{message}.{name}": count for (message, name), count in self._present.items()}
        declared = [
            f"{message.name}.{one.name}"
            for message in MESSAGES.values()
            for one in message.fields
            if one.condition is not None
        ]
        return _share(seen, declared)

    def errors(self) -> Share:
        """ATT error codes."""
        seen = {_error_name(code): count for code, count in self._errors.items()}
        return _share(seen, [code.name for code in AttErrorCode])

    def characteristics(self) -> Share:
        """Characteristics that were read, written, notified, indicated or configured."""
        return _share(self._characteristics, [item.name for item in CHARACTERISTICS.values()])

    def shares(self) -> dict[str, Share]:
        """All of it by title."""
        return {
            "characteristics": self.characteristics(),
            "messages": self.messages(),
            "enumeration values and flags": self.values(),
            "optional fields": self.optional_fields(),
            "ATT errors": self.errors(),
        }

    def as_json(self) -> dict[str, Any]:
        """The same as JSON can hold it."""
        return {
            "pdus": self.pdus,
            "outcomes": dict(sorted(self._outcomes.items())),
            **{
                title.replace(" ", "_").lower(): {
                    "declared": share.count, "seen": dict(sorted(share.seen.items())), "missing": list(share.missing),
                }
                for title, share in self.shares().items()
            },
        }  # fmt: skip


def _error_name(code: int) -> str:
    return AttErrorCode(code).name if code in AttErrorCode.__members__.values() else f"0x{code:02X}"


def _share(seen: dict[str, int], declared: Iterable[str]) -> Share:
    return Share(dict(seen), tuple(name for name in declared if name not in seen))
