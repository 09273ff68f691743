"""The records that a sensor stores, and the procedures on them (CGMS 1.0.2, 3.6)."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from pumplink.cgm_attributes import Configuration, ControlPoint
from pumplink.link import Link
from pumpwire import database
from pumpwire.att import AttErrorCode
from pumpwire.cgms import CGM_MEASUREMENT
from pumpwire.cgms_control import CGM_RACP_NUMBER_OF_STORED_RECORDS_RESPONSE, CGM_RACP_RESPONSE_CODE
from pumpwire.declare import Message
from pumpwire.enums import CgmRacpOperator, CgmRacpResponseCode

__all__ = ["CgmRecord", "CgmRecords", "RecordAccess", "notifications"]

_HEADER_OCTETS = 3
_SIZE_OCTETS = 1
_CRC_OCTETS = 2
# What a board takes in at once: half of the octets that its UART keeps, with the bearer's framing around them.
BURST_OCTETS = 160
BURST_PAUSE_S = 0.25


@dataclass(frozen=True)
class CgmRecord:
    """A measurement as it is stored.

    Args:
        offset_minutes: since the session's start.
        octets: the record without its size and CRC.
    """

    offset_minutes: int
    octets: bytes

    @classmethod
    def of(cls, octets: bytes) -> CgmRecord:
        """The record in octets of `CGM_MEASUREMENT.build`."""
        return cls(int.from_bytes(octets[3:5], "little"), octets)

    @property
    def fields(self) -> dict[str, Any]:
        """What it says, as CgmMeasurement declares it."""
        return CGM_MEASUREMENT.parse(self.octets).fields


class CgmRecords:
    """Stored records, oldest first. One offset has one record: the last one given."""

    def __init__(self) -> None:
        self._records: list[CgmRecord] = []

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[CgmRecord]:
        return iter(self._records)

    @property
    def newest(self) -> CgmRecord | None:
        """The record with the greatest offset."""
        return self._records[-1] if self._records else None

    def add(self, record: CgmRecord) -> None:
        """Store a record at its place."""
        at = bisect.bisect_left(self._records, record.offset_minutes, key=lambda item: item.offset_minutes)
        same = at < len(self._records) and self._records[at].offset_minutes == record.offset_minutes
        self._records[at : at + same] = [record]

    def select(
        self, operator: CgmRacpOperator, minimum_minutes: int | None = None, maximum_minutes: int | None = None
    ) -> list[CgmRecord]:
        """Copies of the records that an operator means, oldest first; bounds are in."""
        if operator is CgmRacpOperator.FIRST:
            return self._records[:1]
        if operator is CgmRacpOperator.LAST:
            return self._records[-1:]
        low = 0 if minimum_minutes is None else minimum_minutes
        high = 0xFFFF if maximum_minutes is None else maximum_minutes
        return [record for record in self._records if low <= record.offset_minutes <= high]

    def delete(self, records: Iterable[CgmRecord]) -> None:
        """Forget records."""
        gone = {record.offset_minutes for record in records}
        self._records = [record for record in self._records if record.offset_minutes not in gone]

    def clear(self) -> None:
        """Forget all."""
        self._records.clear()


def notifications(records: Iterable[CgmRecord], mtu: int, with_crc: bool) -> list[list[CgmRecord]]:
    """Records in groups of which each fills a notification as far as the ATT_MTU allows (CGMS 1.0.2, 3.1)."""
    frame = _SIZE_OCTETS + (_CRC_OCTETS if with_crc else 0)
    out: list[list[CgmRecord]] = []
    left = 0
    for record in records:
        octets = len(record.octets) + frame
        if octets > left:
            out.append([])
            left = mtu - _HEADER_OCTETS
        out[-1].append(record)
        left -= octets
    return out


class RecordAccess(ControlPoint):
    """The Record Access Control Point of a sensor: report, count, delete and abort. It has no CRC.

    Args:
        link: the connection.
        records: what is stored.
        measurement: the client configuration of CGM Measurement.
        notify: sends one group of stored records as a notification.
        with_crc: whether records carry a CRC.
        finished: called when a procedure has ended.

    Attributes:
        delay_s: DUT seconds before the next burst of a report, called with the bursts sent so far. A report pauses
            because a serial line cannot say stop.
    """

    def __init__(
        self, link: Link, records: CgmRecords, measurement: Configuration, notify: Callable[[list[CgmRecord]], None],
        with_crc: bool, finished: Callable[[], None],
    ) -> None:  # fmt: skip
        super().__init__(
            link, database.CGM_RECORD_ACCESS_CONTROL_POINT, False, CGM_RACP_RESPONSE_CODE, finished,
            operator=CgmRacpOperator.NULL,
        )  # fmt: skip
        self.delay_s: Callable[[int], float] = lambda bursts: BURST_PAUSE_S if bursts else 0.0
        self._records = records
        self._measurement = measurement
        self._notify = notify
        self._with_crc = with_crc
        # What a report has still to send, None when there is no report under way.
        self._report: list[list[CgmRecord]] | None = None
        self._bursts = 0

    def reset(self) -> None:
        """A connection has begun."""
        super().reset()
        self._report = None

    def interrupts(self, message: Message | None) -> bool:
        """Only an abort, and only a report."""
        return message is not None and message.name == "CgmRacpAbort" and self._report is not None

    def perform(self, message: Message, fields: dict[str, Any]) -> None:
        """Carry a procedure out.

        Raises:
            AttError: records are to be reported, and the client has not asked for measurements.
        """
        opcode, operator = message.opcode, fields["operator"]
        assert opcode is not None
        if message.name == "CgmRacpAbort":
            self._abort(opcode, operator)
        elif operator is CgmRacpOperator.NULL:
            self.respond(opcode, CgmRacpResponseCode.INVALID_OPERATOR)
        elif operator is CgmRacpOperator.WITHIN_RANGE and not _rises(fields):
            self.respond(opcode, CgmRacpResponseCode.INVALID_OPERAND)
        else:
            self._selected(message, fields)

    def _selected(self, message: Message, fields: dict[str, Any]) -> None:
        opcode = message.opcode
        assert opcode is not None
        found = self._records.select(
            fields["operator"], fields["minimum_time_offset_minutes"], fields["maximum_time_offset_minutes"]
        )
        if message.name == "CgmRacpReportNumberOfStoredRecords":
            answer = CGM_RACP_NUMBER_OF_STORED_RECORDS_RESPONSE
            self.answer(answer.build(operator=CgmRacpOperator.NULL, stored_record_count=len(found)))
            return
        reports = message.name == "CgmRacpReportStoredRecords"
        if reports and not self._measurement.on:
            raise self._refusal(AttErrorCode.CCCD_IMPROPERLY_CONFIGURED)
        if not found:
            self.respond(opcode, CgmRacpResponseCode.NO_RECORDS_FOUND)
        elif reports:
            self.busy = True
            self._report = notifications(found, self._link.mtu, self._with_crc)
            self._bursts = 0
            self._burst_later(opcode, self._report)
        else:
            self._records.delete(found)
            self.respond(opcode, CgmRacpResponseCode.SUCCESS)

    def _abort(self, opcode: int, operator: CgmRacpOperator) -> None:
        if operator is not CgmRacpOperator.NULL:
            self.respond(opcode, CgmRacpResponseCode.INVALID_OPERATOR)
            return
        self._report = None
        self.respond(opcode, CgmRacpResponseCode.SUCCESS)

    def _confirmed(self) -> None:
        # A report goes on while an abort that could not be understood is answered.
        if self._report is None:
            super()._confirmed()

    def _burst_later(self, opcode: int, report: list[list[CgmRecord]]) -> None:
        self._link.after(self.delay_s(self._bursts), lambda: self._burst(opcode, report))

    def _burst(self, opcode: int, report: list[list[CgmRecord]]) -> None:
        # An abort, and another report after it, leave the bursts of the one before behind.
        if self._report is not report:
            return
        if not self._measurement.on:
            self._report = None
            self.respond(opcode, CgmRacpResponseCode.PROCEDURE_NOT_COMPLETED)
            return
        octets = 0
        while report and octets < BURST_OCTETS:
            group = report.pop(0)
            octets += sum(len(record.octets) + _SIZE_OCTETS + _CRC_OCTETS for record in group)
            self._notify(group)
        self._bursts += 1
        if report:
            self._burst_later(opcode, report)
            return
        self._report = None
        self.respond(opcode, CgmRacpResponseCode.SUCCESS)


def _rises(fields: dict[str, Any]) -> bool:
    return bool(fields["minimum_time_offset_minutes"] <= fields["maximum_time_offset_minutes"])
