"""The pump's history against the history that the rules give, record by record."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from pumprig.checks import CheckBook
from pumprig.oracle import events as expected
from pumpwire.enums import (
    AnnunciationStatus,
    AnnunciationType,
    BolusEndReason,
    BolusType,
    DeliveryContext,
    ProfileTemplateType,
    RecordingReason,
    TbrEndReason,
    TbrType,
    TherapyControlState,
)
from pumpwire.numbers import Special, toward_zero

__all__ = ["ANNUNCIATION_TYPES", "HistoryWitness", "Record", "records_of"]

ANNUNCIATION_TYPES = {
    "reservoir low": AnnunciationType.RESERVOIR_LOW,
    "reservoir empty": AnnunciationType.RESERVOIR_EMPTY,
    "occlusion": AnnunciationType.OCCLUSION_DETECTED,
    "stale CGM": AnnunciationType.CGM_STALE,
    "pause over": AnnunciationType.PAUSE_OVER,
}
_CONTEXTS = {
    "device": DeliveryContext.DEVICE,
    "remote control": DeliveryContext.REMOTE_CONTROL,
    "AP controller": DeliveryContext.AP_CONTROLLER,
}
_TIME_REASONS = {
    "date time loss": RecordingReason.DATE_TIME_LOSS,
    "set date time": RecordingReason.SET_DATE_TIME,
    "periodic": RecordingReason.PERIODIC,
}


@dataclass(frozen=True)
class Record:
    """One history record as read from a pump: sequence, seconds since the last reference time, name and fields."""

    sequence: int
    offset_s: int
    name: str
    fields: Mapping[str, Any]


def _iu(milliunits: int) -> Decimal:
    return toward_zero(Decimal(milliunits) / 1000)


def _word(text: str) -> str:
    return text.upper().replace(" ", "_")


def _reference(event: expected.ReferenceTime) -> Iterator[tuple[str, dict[str, Any]]]:
    wall = event.wall
    yield "HistoryReferenceTime", {
        "recording_reason": _TIME_REASONS[event.reason],
        "year": wall.year, "month": wall.month, "day": wall.day,
        "hour": wall.hour, "minute": wall.minute, "second": wall.second,
    }  # fmt: skip


def _therapy(event: expected.TherapyChanged) -> Iterator[tuple[str, dict[str, Any]]]:
    yield "HistoryTherapyControlStateChanged", {
        "old_therapy_control_state": TherapyControlState[_word(event.old)],
        "new_therapy_control_state": TherapyControlState[_word(event.new)],
    }


def _basal(event: expected.BasalChanged) -> Iterator[tuple[str, dict[str, Any]]]:
    yield "HistoryDeliveredBasalRateChanged", {
        "old_rate_iu_per_h": _iu(event.old_mu_per_h),
        "new_rate_iu_per_h": _iu(event.new_mu_per_h),
        "context": _CONTEXTS[event.context],
    }


def _tbr_started(event: expected.TbrStarted) -> Iterator[tuple[str, dict[str, Any]]]:
    yield "HistoryTbrStarted", {
        "tbr_type": TbrType.ABSOLUTE, "value": _iu(event.rate_mu_per_h), "duration_minutes": event.duration_minutes,
    }  # fmt: skip


def _tbr_changed(event: expected.TbrChanged) -> Iterator[tuple[str, dict[str, Any]]]:
    yield "HistoryTbrChanged", {
        "tbr_type": TbrType.ABSOLUTE, "value": _iu(event.rate_mu_per_h), "duration_minutes": event.duration_minutes,
        "elapsed_minutes": event.elapsed_minutes,
    }  # fmt: skip


def _tbr_ended(event: expected.TbrEnded) -> Iterator[tuple[str, dict[str, Any]]]:
    yield "HistoryTbrEnded", {
        "tbr_type": TbrType.ABSOLUTE, "effective_duration_minutes": event.effective_minutes,
        "tbr_end_reason": TbrEndReason[_word(event.reason)], "annunciation_id": event.annunciation_id,
    }  # fmt: skip


def _bolus_started(event: expected.BolusStarted) -> Iterator[tuple[str, dict[str, Any]]]:
    yield "HistoryBolusProgrammed1", {
        "bolus_id": event.bolus_id, "bolus_type": BolusType.FAST, "fast_amount_iu": _iu(event.amount_mu),
        "extended_amount_iu": Decimal(0), "duration_minutes": 0,
    }  # fmt: skip
    yield "HistoryBolusProgrammed2", {}


def _bolus_ended(event: expected.BolusEnded) -> Iterator[tuple[str, dict[str, Any]]]:
    yield "HistoryBolusDelivered1", {
        "bolus_id": event.bolus_id, "bolus_type": BolusType.FAST, "fast_delivered_iu": _iu(event.delivered_mu),
        "extended_delivered_iu": Decimal(0), "effective_duration_minutes": 0,
    }  # fmt: skip
    yield "HistoryBolusDelivered2", {
        "start_offset_s": 0, "bolus_end_reason": BolusEndReason[_word(event.reason)],
        "annunciation_id": event.annunciation_id,
    }  # fmt: skip


def _activated(event: expected.ProfileActivated) -> Iterator[tuple[str, dict[str, Any]]]:
    yield "HistoryProfileTemplateActivated", {
        "profile_template_type": ProfileTemplateType.BASAL_RATE,
        "old_template_number": event.old, "new_template_number": event.new,
    }  # fmt: skip


def _block(event: expected.BlockChanged) -> Iterator[tuple[str, dict[str, Any]]]:
    yield "HistoryBasalBlockChanged", {
        "template_number": event.template, "block_number": event.block, "duration_minutes": event.duration_minutes,
        "rate_iu_per_h": _iu(event.rate_mu_per_h),
    }  # fmt: skip


def _max_bolus(event: expected.MaxBolusChanged) -> Iterator[tuple[str, dict[str, Any]]]:
    yield "HistoryMaxBolusChanged", {"old_max_bolus_iu": _iu(event.old_mu), "new_max_bolus_iu": _iu(event.new_mu)}


def _reservoir(event: expected.ReservoirChanged) -> Iterator[tuple[str, dict[str, Any]]]:
    remaining = Special.NAN if event.remaining_mu is None else _iu(event.remaining_mu)
    yield "HistoryReservoirRemainingChanged", {"reservoir_remaining_iu": remaining}


def _annunciation(event: expected.Annunciation) -> Iterator[tuple[str, dict[str, Any]]]:
    yield "HistoryAnnunciationStatusChanged1", {
        "annunciation_id": event.annunciation_id, "annunciation_type": ANNUNCIATION_TYPES[event.type],
        "annunciation_status": AnnunciationStatus[_word(event.status)],
    }  # fmt: skip
    yield "HistoryAnnunciationStatusChanged2", {}


def _daily(event: expected.DailyInsulin) -> Iterator[tuple[str, dict[str, Any]]]:
    yield "HistoryTotalDailyInsulin", {
        "flags": int(event.clock_changed), "bolus_delivered_iu": _iu(event.bolus_mu),
        "basal_delivered_iu": _iu(event.basal_mu), "year": event.day.year, "month": event.day.month,
        "day": event.day.day,
    }  # fmt: skip


_WRITERS: dict[type[expected.Event], Callable[[Any], Iterator[tuple[str, dict[str, Any]]]]] = {
    expected.ReferenceTime: _reference,
    expected.TherapyChanged: _therapy,
    expected.BasalChanged: _basal,
    expected.TbrStarted: _tbr_started,
    expected.TbrChanged: _tbr_changed,
    expected.TbrEnded: _tbr_ended,
    expected.BolusStarted: _bolus_started,
    expected.BolusEnded: _bolus_ended,
    expected.ProfileActivated: _activated,
    expected.BlockChanged: _block,
    expected.MaxBolusChanged: _max_bolus,
    expected.ReservoirChanged: _reservoir,
    expected.Annunciation: _annunciation,
    expected.DailyInsulin: _daily,
}


def records_of(event: expected.Event) -> Iterator[tuple[str, dict[str, Any]]]:
    """The history records that an event must leave: name, and the fields that the rules fix."""
    return _WRITERS[type(event)](event)


@dataclass(frozen=True)
class _Due:
    at_s: int
    offset_s: int
    rule: str
    name: str
    fields: Mapping[str, Any]


class HistoryWitness:
    """Compares history records with expected ones in order.

    Args:
        checks: where each judgement goes.
        on_record: called with (record, pump second) for every record read.
    """

    def __init__(self, checks: CheckBook, on_record: Callable[[Record, int], None]) -> None:
        self._checks = checks
        self._on_record = on_record
        self._due: deque[_Due] = deque()
        self._read: deque[Record] = deque()
        self._reference_s = 0
        self._lost = False
        self.next_sequence = 0

    def due(self, event: expected.Event) -> None:
        """An event that the rules give."""
        for name, fields in records_of(event):
            self._due.append(_Due(event.at_s, event.offset_s, event.rule, name, fields))

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
        recorded_s = self._reference_s + record.offset_s
        if record.name == "HistoryReferenceTime":
            self._reference_s = recorded_s
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
        wrong = [
            name for name, value in due.fields.items() if _value(record.fields.get(name)) != _value(value)
        ]
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
            if due.name == "HistoryReferenceTime":
                self._checks.expect("reference-time", True, at_s)
            return
        seen = {key: record.fields.get(key) for key in due.fields}
        check = "reference-time" if due.name == "HistoryReferenceTime" else "history"
        self._checks.expect(
            check, False, due.at_s, message=message,
            expected=f"{due.name} {_plain(due.fields)} +{due.offset_s} s",
            observed=f"{record.name} {_plain(seen)} +{record.offset_s} s",
            rule=due.rule or "D-905",
        )  # fmt: skip


def _value(value: Any) -> Any:
    return int(value) if isinstance(value, int) else value


def _plain(fields: Mapping[str, Any]) -> str:
    return " ".join(f"{key}={getattr(value, 'name', value)}" for key, value in fields.items())
