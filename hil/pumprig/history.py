"""The pump's history against the history that the rules give, record by record."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pumprig.checks import CheckBook
from pumprig.expected_records import ANNUNCIATION_TYPES, Within, records_of
from pumprig.oracle import events as expected

__all__ = ["ANNUNCIATION_TYPES", "HistoryWitness", "Record", "records_of"]

_REFERENCE = "HistoryReferenceTime"


@dataclass(frozen=True)
class Record:
    """One history record as read from a pump: sequence, seconds since the last reference time, name and fields."""

    sequence: int
    offset_s: int
    name: str
    fields: Mapping[str, Any]


@dataclass(frozen=True)
class _Due:
    sequence: int
    at_s: int
    offset_s: int
    rule: str
    name: str
    fields: Mapping[str, Any]

    @property
    def is_reference(self) -> bool:
        return self.name == _REFERENCE


class HistoryWitness:
    """Compares history records with expected ones in order.

    Args:
        checks: where each judgement goes.
        on_record: called with (record, pump second) for every record read.
        on_unread: called with (record, pump second) for every record that was deleted before it was read, as the rules
            give it.
    """

    def __init__(
        self,
        checks: CheckBook,
        on_record: Callable[[Record, int], None],
        on_unread: Callable[[Record, int], None] = lambda record, at_s: None,
    ) -> None:
        self._checks = checks
        self._on_record = on_record
        self._on_unread = on_unread
        self._due: deque[_Due] = deque()
        self._read: deque[Record] = deque()
        self._reference_s = 0
        self._lost = False
        self._stored: dict[int, _Due] = {}
        self._restarts_s: dict[int, int] = {}
        self._unread: dict[int, _Due] = {}
        self.next_sequence = 0

    def due(self, event: expected.Event) -> None:
        """An event that the rules give."""
        for sequence, (name, fields) in enumerate(records_of(event), event.sequence):
            due = _Due(sequence, event.at_s, event.offset_s, event.rule, name, fields)
            self._due.append(due)
            self._stored[sequence] = due

    def deleted(self, least: int | None, most: int | None, only: str | None) -> None:
        """Records that the rules have given were deleted (D-911); those that were not read yet, never will be.

        Args:
            least, most: sequence numbers that bound them, None for no bound.
            only: `reference` or `other` for these alone, None for all.
        """
        kind = None if only is None else only == "reference"
        gone = {
            sequence
            for sequence, due in self._stored.items()
            if (least is None or sequence >= least)
            and (most is None or sequence <= most)
            and kind in (None, due.is_reference)
        }
        for sequence in gone:
            del self._stored[sequence]
        unread = {due.sequence: due for due in self._due if due.sequence in gone and due.sequence >= self.next_sequence}
        self._unread |= unread
        self._due = deque(due for due in self._due if due.sequence not in unread)
        self._skip()

    def last_s_before(self, sequence: int | None) -> int:
        """The second of the last record before a sequence number; of all records without one."""
        seconds = [due.at_s for number, due in self._stored.items() if sequence is None or number < sequence]
        return max(seconds, default=0)

    def restarted(self, first: int, at_s: int) -> None:
        """The pump has lost its power: what was due from a sequence number on was not durable and never was (D-926).

        Args:
            first: sequence number of the first record after the restart.
            at_s: the second at which it was recorded.
        """
        self._due = deque(due for due in self._due if due.sequence < first)
        self._stored = {sequence: due for sequence, due in self._stored.items() if sequence < first}
        self._restarts_s[first] = at_s

    def _skip(self) -> None:
        while (due := self._unread.pop(self.next_sequence, None)) is not None:
            self.next_sequence += 1
            if due.is_reference:
                self._reference_s = due.at_s
            self._on_unread(Record(due.sequence, due.offset_s, due.name, due.fields), due.at_s)

    @property
    def stored(self) -> int:
        """How many records the pump must hold."""
        return len(self._stored)

    def stored_ends(self) -> tuple[int, int]:
        """Sequence numbers of the first and the last record that the pump must hold; of none, twice 0."""
        # They come in the order of their numbers.
        return (next(iter(self._stored)), next(reversed(self._stored))) if self._stored else (0, 0)

    def read(self, record: Record, at_s: float) -> None:
        """A record read from the pump at pump second `at_s`. Records come in the order they were sent."""
        in_order = self._checks.expect(
            "history-sequence",
            record.sequence == self.next_sequence,
            at_s,
            message=f"history record {record.sequence} came where {self.next_sequence} was due",
            expected=self.next_sequence,
            observed=record.sequence,
        )
        self.next_sequence = record.sequence + 1
        if not in_order:
            # Sequence numbers skipped or repeated: what follows cannot be told apart from what was missed.
            self._lost = True
        recorded_s = self._restarts_s.get(record.sequence, self._reference_s + record.offset_s)
        if record.name == _REFERENCE:
            self._reference_s = recorded_s
        self._skip()
        self._read.append(record)
        self._on_record(record, recorded_s)

    def settle(self, until_s: int, at_s: float) -> None:
        """Judge all records that were due up to `until_s` and must have been read by now."""
        while self._due and self._read and not self._lost:
            self._compare(self._due.popleft(), self._read.popleft(), at_s)
        if self._lost:
            return
        if self._due and self._due[0].at_s <= until_s:
            due = self._due[0]
            self._lost = True
            self._checks.expect(
                "history", False, at_s,
                message=f"{due.name} of second {due.at_s} is missing from the history",
                expected=f"{due.name} {_plain(due.fields)}", observed=None, rule=due.rule or "D-905",
            )  # fmt: skip

    def finish(self, at_s: float) -> None:
        """Judge what is left over when the run is over: a record that no rule gives."""
        if self._read and not self._lost:
            record = self._read[0]
            self._checks.expect(
                "history", False, at_s, message=f"{record.name} ({record.sequence}) was recorded without cause",
                expected=None, observed=f"{record.name} {_plain(record.fields)}", rule="D-905",
            )  # fmt: skip

    def _compare(self, due: _Due, record: Record, at_s: float) -> None:
        # A field that no rule gives must not be there, either.
        names = dict.fromkeys((*due.fields, *record.fields))
        wrong = [name for name in names if not _same(due.fields.get(name), record.fields.get(name))]
        if record.name != due.name:
            message = f"{record.name} (sequence {record.sequence}) stands where {due.name} was due"
            self._lost = True
        elif wrong:
            message = f"{due.name} (sequence {record.sequence}): {', '.join(wrong)} wrong"
        elif record.offset_s != due.offset_s:
            message = (
                f"{due.name} (sequence {record.sequence}) is stamped {record.offset_s} s after the reference time, "
                f"due {due.offset_s}"
            )
        else:
            self._checks.expect("history", True, at_s)
            if due.name == _REFERENCE:
                self._checks.expect("reference-time", True, at_s)
            return
        seen = {name: record.fields[name] for name in names if name in record.fields}
        check = "reference-time" if due.name == _REFERENCE else "history"
        self._checks.expect(
            check, False, due.at_s, message=message,
            expected=f"{due.name} {_plain(due.fields)} +{due.offset_s} s",
            observed=f"{record.name} {_plain(seen)} +{record.offset_s} s",
            rule=due.rule or "D-905",
        )  # fmt: skip


def _same(due: Any, told: Any) -> bool:
    return due.holds(told) if isinstance(due, Within) else bool(_value(told) == _value(due))


def _value(value: Any) -> Any:
    return int(value) if isinstance(value, int) else value


def _plain(fields: Mapping[str, Any]) -> str:
    # No flags at all have no name.
    return " ".join(f"{key}={getattr(value, 'name', None) or value}" for key, value in fields.items())
