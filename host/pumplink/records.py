"""The pump's clock and its history (CTS 1.1; IDS 1.0.2, 3.9 and 3.10)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pumplink.client import Received
from pumplink.errors import WireError
from pumplink.procedures import Procedures
from pumplink.results import CarbsEvent, GuardrailEvent, HistoryRecord
from pumpwire.clock import from_datetime, to_datetime
from pumpwire.enums import AdjustReasonFlags, RacpFilter, RacpOperator, RacpResponseCode

__all__ = ["Records"]

GUARDRAIL, CARBS = "HistoryGuardrailEvent", "HistoryCarbsEvent"
_BOUNDED = (RacpOperator.LESS_THAN_OR_EQUAL, RacpOperator.GREATER_THAN_OR_EQUAL, RacpOperator.WITHIN_RANGE)


class Records(Procedures):
    """Reads and sets the clock; reads, counts and deletes records."""

    def set_clock(self, moment: datetime, reason: AdjustReasonFlags = AdjustReasonFlags.MANUAL) -> None:
        """Sets the pump's local time (CTS 1.1, 3.1); whole seconds."""
        self.client.write(
            "CurrentTime",
            **from_datetime(moment),
            day_of_week=moment.isoweekday(),
            fractions_256=0,
            adjust_reason=reason,
        )

    def clock(self) -> datetime | None:
        """The pump's local time, None when it does not know it.

        Raises:
            WireError: there is no such date.
        """
        fields = self.client.read("CurrentTime")
        try:
            return to_datetime(dict(fields))
        except ValueError as error:
            raise WireError(f"the pump's clock shows no date that there is: {error}") from None

    def history(self, from_sequence: int = 0) -> list[HistoryRecord]:
        """The records from a sequence number on, oldest first (IDS 1.0.2, 3.9)."""
        return self.records(RacpOperator.GREATER_THAN_OR_EQUAL, minimum_sequence=from_sequence)

    def guardrail_events(self, from_sequence: int = 0) -> list[GuardrailEvent]:
        """What guardrails refused or limited, from a sequence number on, oldest first (D-1201)."""
        return [GuardrailEvent(sequence, **told) for sequence, told in self._events(GUARDRAIL, from_sequence)]

    def carbs_events(self, from_sequence: int = 0) -> list[CarbsEvent]:
        """The carbs that were announced, from a sequence number on, oldest first."""
        return [CarbsEvent(sequence, **told) for sequence, told in self._events(CARBS, from_sequence)]

    def _events(self, event: str, from_sequence: int) -> list[tuple[int, dict[str, Any]]]:
        found = [record for record in self.history(from_sequence) if record.event == event]
        return [(record.sequence, dict(record.fields)) for record in found]

    def history_count(self) -> int:
        """How many records the pump holds (IDS 1.0.2, 3.9)."""
        return self.count_records()

    def records(
        self,
        operator: RacpOperator = RacpOperator.ALL,
        which: RacpFilter = RacpFilter.SEQUENCE_NUMBER,
        *,
        minimum_sequence: int | None = None,
        maximum_sequence: int | None = None,
    ) -> list[HistoryRecord]:
        """The records that are selected, oldest first; none when there is none (IDS 1.0.2, 3.9).

        Args:
            operator: all, up to a number, from a number on, within a range, the first, the last.
            which: with a number or a range, whether only reference times, only others, or both.
            minimum_sequence: the least sequence number, for `GREATER_THAN_OR_EQUAL` and `WITHIN_RANGE`.
            maximum_sequence: the greatest, for `LESS_THAN_OR_EQUAL` and `WITHIN_RANGE`.
        Raises:
            ProcedureError: the RACP's response code.
        """
        selection = _selection(operator, which, minimum_sequence, maximum_sequence)
        answer = self.client.procedure("RacpReportStoredRecords", **selection)
        return [_record(received) for received in answer.data]

    def count_records(
        self,
        operator: RacpOperator = RacpOperator.ALL,
        which: RacpFilter = RacpFilter.SEQUENCE_NUMBER,
        *,
        minimum_sequence: int | None = None,
        maximum_sequence: int | None = None,
    ) -> int:
        """How many records are selected (IDS 1.0.2, 3.9); see `records`."""
        selection = _selection(operator, which, minimum_sequence, maximum_sequence)
        return int(self.client.procedure("RacpReportNumberOfStoredRecords", **selection).fields["record_count"])

    def delete_records(
        self,
        operator: RacpOperator = RacpOperator.ALL,
        which: RacpFilter = RacpFilter.SEQUENCE_NUMBER,
        *,
        minimum_sequence: int | None = None,
        maximum_sequence: int | None = None,
    ) -> bool:
        """Deletes the records that are selected (IDS 1.0.2, 3.9); see `records`. Their numbers are not given again.

        Returns:
            Whether there were any.

        Raises:
            ProcedureError: the RACP's response code, 0x0A when a part of a group would be left; nothing is deleted.
        """
        selection = _selection(operator, which, minimum_sequence, maximum_sequence)
        answer = self.client.procedure("RacpDeleteStoredRecords", **selection)
        return bool(answer.fields["response_code"] != RacpResponseCode.NO_RECORDS_FOUND)


def _selection(
    operator: RacpOperator, which: RacpFilter, minimum_sequence: int | None, maximum_sequence: int | None
) -> dict[str, Any]:
    return {
        "operator": operator,
        "filter": which if operator in _BOUNDED else None,
        "minimum_sequence": minimum_sequence,
        "maximum_sequence": maximum_sequence,
    }


def _record(received: Received) -> HistoryRecord:
    fields = dict(received.fields)
    return HistoryRecord(fields.pop("sequence"), fields.pop("relative_offset_s"), received.name, fields)
