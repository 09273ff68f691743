"""The sensor's side: a CGM Service that the pump reads, subscribes to and asks for records over the same link.

    sensor = CgmServer(link, datetime(2026, 3, 4, 6))    before link.open(): the pump asks at once
    link.open()
    sensor.send(5, 112)                                  stored, and notified when the pump has subscribed
    sensor.send(10, None, status=CgmStatusFlags.SENSOR_MALFUNCTION)

What is measured while the pump is away stays stored, and the pump fetches it when it is back.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal

from pumplink.cgm_attributes import Configuration, unprotected
from pumplink.cgm_operations import CgmSession, CgmSetup, SpecificOperations
from pumplink.cgm_records import CgmRecord, CgmRecords, RecordAccess
from pumplink.errors import AttError
from pumplink.link import Link
from pumpwire import database
from pumpwire.att import AttErrorCode
from pumpwire.cgms import CGM_FEATURE, CGM_MEASUREMENT, CGM_SESSION_START_TIME, build_notification
from pumpwire.cgms_control import CGM_SESSION_RUN_TIME, CGM_STATUS
from pumpwire.clock import from_datetime, to_datetime
from pumpwire.database import Protection
from pumpwire.declare import Outcome
from pumpwire.e2e import protect
from pumpwire.enums import (
    CgmCalibrationTemperatureFlags,
    CgmFeatureFlags,
    CgmMeasurementFlags,
    CgmStatusFlags,
    CgmWarningFlags,
)
from pumpwire.numbers import Special

__all__ = ["FEATURES", "CgmServer"]

INTERSTITIAL_FLUID_SUBCUTANEOUS = 0x59
FEATURES = ~CgmFeatureFlags.MULTIPLE_BOND
"""Everything of CGMS 1.0.2 but several bonds, of which a link has none."""

_OFFSET_MINUTES_MAX = 0xFFFF
_NO_DATE = {"year": 0, "month": 0, "day": 0, "hour": 0, "minute": 0, "second": 0}
_NO_CRC = b"\xff\xff"

SentCallback = Callable[[CgmRecord, bool], None]


class CgmServer:
    """A sensor (CGMS 1.0.2). Make it before the link is opened: the pump asks at once.

    Args:
        link: the connection to the pump.
        session_start: local time at which the session started, None while no client has told the time; time offsets
            count from there.
        features: what the sensor supports; E2E_CRC among them protects every value but the record access's.
        elapsed_s: seconds since the session's start.
        run_time_hours: how long a session is expected to last.

    Attributes:
        session: start, run time, and whether it runs.
        setup: levels, interval, calibrations and alert, as the control point sets them.
        records: what is stored, oldest first.
        record_access: the procedures on them.
        status, calibration_temperature, warning: what CGM Status tells; each measurement sets them.
    """

    def __init__(
        self, link: Link, session_start: datetime | None, *, features: CgmFeatureFlags = FEATURES,
        elapsed_s: float = 0.0, run_time_hours: int = 240,
    ) -> None:  # fmt: skip
        self.link = link
        self.features = features
        self.session = CgmSession(lambda: link.now_s, session_start, elapsed_s, run_time_hours)
        self.setup = CgmSetup()
        self.records = CgmRecords()
        self.status, self.warning = CgmStatusFlags(0), CgmWarningFlags(0)
        self.calibration_temperature = CgmCalibrationTemperatureFlags(0)
        self._waiting: list[list[CgmRecord]] = []
        self._subscribe_callbacks: list[Callable[[], None]] = []
        self._sent_callbacks: list[SentCallback] = []
        self._protected = CgmFeatureFlags.E2E_CRC in features
        self._measurement = Configuration(link, database.CGM_MEASUREMENT, self._configured)
        self.record_access = RecordAccess(
            link, self.records, self._measurement, self._report, self._protected, self._procedure_finished
        )
        self._operations = SpecificOperations(
            link, features, self.session, self.setup, self._forget_measurements, self._procedure_finished
        )
        link.serve(database.CGM_FEATURE.handle, read=self._read_feature)
        link.serve(database.CGM_STATUS.handle, read=self._read_status)
        link.serve(database.CGM_SESSION_RUN_TIME.handle, read=self._read_run_time)
        link.serve(
            database.CGM_SESSION_START_TIME.handle, read=self._read_session_start, write=self._write_session_start
        )
        link.on_open(self._fresh)

    @property
    def subscribed(self) -> bool:
        """Whether the pump asked for measurements on the connection there is."""
        return self._measurement.on and self.link.is_open

    @property
    def busy(self) -> bool:
        """Whether a procedure of a control point is under way; measurements wait for its end."""
        return self.record_access.busy or self._operations.busy

    @property
    def session_start(self) -> datetime | None:
        """Local time at which the session started."""
        return self.session.start

    def on_subscribed(self, callback: Callable[[], None]) -> None:
        """Calls `callback()` when the pump asks for measurements; it must not make requests."""
        self._subscribe_callbacks.append(callback)

    def on_sent(self, callback: SentCallback) -> None:
        """Calls `callback(record, stored)` for each record as it leaves; it must not make requests.

        `stored` tells a record that the pump asked for by record access from a measurement notified by itself.
        """
        self._sent_callbacks.append(callback)

    # --- Measurements -------------------------------------------------------------------------------------------

    def send(
        self,
        offset_minutes: int,
        glucose_mg_dl: int | Decimal | None,
        *,
        status: CgmStatusFlags = CgmStatusFlags(0),  # noqa: B008
        warning: CgmWarningFlags = CgmWarningFlags(0),  # noqa: B008
        trend_mg_dl_per_minute: Decimal | None = None,
        calibration_temperature: CgmCalibrationTemperatureFlags = CgmCalibrationTemperatureFlags(0),  # noqa: B008
        quality_percent: Decimal | None = None,
    ) -> bool:
        """Stores one measurement and notifies it (CGMS 1.0.2, 3.1).

        Args:
            offset_minutes: minutes since the session's start.
            glucose_mg_dl: None for no valid measurement, which is sent as NaN.
            status: sensor status; its octet is sent only when a bit is set.
            warning: warnings about the value, beside those of the levels that it exceeds; likewise.
            trend_mg_dl_per_minute: sent when given.
            calibration_temperature: about calibration and temperature; likewise as status.
            quality_percent: sent when given.
        Returns:
            Whether the pump gets it now, or at the end of the procedure under way: it has subscribed, and neither is
            the session stopped, in which nothing is stored either, nor are notifications turned off.
        """
        glucose = None if glucose_mg_dl is None else Decimal(glucose_mg_dl)
        warning |= self.setup.levels.warnings(glucose, trend_mg_dl_per_minute)
        octets = self.record(
            offset_minutes, glucose, status, warning, trend_mg_dl_per_minute, calibration_temperature, quality_percent
        )
        return self.send_records([octets])

    def send_records(self, records: list[bytes]) -> bool:
        """Stores several records of `record` and notifies them in one value; returns as `send` does."""
        if not self.session.running:
            return False
        given = [CgmRecord.of(octets) for octets in records]
        for record in given:
            self.records.add(record)
            fields = record.fields
            self.status = fields["sensor_status"] or CgmStatusFlags(0)
            self.warning = fields["sensor_warning"] or CgmWarningFlags(0)
            told = fields["sensor_calibration_temperature"]
            self.calibration_temperature = told or CgmCalibrationTemperatureFlags(0)
        if not self.subscribed or self.setup.interval_minutes == 0:
            return False
        if self.busy:
            self._waiting.append(given)
        else:
            self._notify(given, stored=False)
        return True

    @staticmethod
    def record(
        offset_minutes: int,
        glucose_mg_dl: int | Decimal | None,
        status: CgmStatusFlags = CgmStatusFlags(0),  # noqa: B008
        warning: CgmWarningFlags = CgmWarningFlags(0),  # noqa: B008
        trend_mg_dl_per_minute: Decimal | None = None,
        calibration_temperature: CgmCalibrationTemperatureFlags = CgmCalibrationTemperatureFlags(0),  # noqa: B008
        quality_percent: Decimal | None = None,
    ) -> bytes:
        """One record, without its size and CRC; see `send`."""
        flags = CgmMeasurementFlags(0)
        for there, flag in (
            (status, CgmMeasurementFlags.STATUS_PRESENT),
            (calibration_temperature, CgmMeasurementFlags.CALIBRATION_TEMPERATURE_PRESENT),
            (warning, CgmMeasurementFlags.WARNING_PRESENT),
            (trend_mg_dl_per_minute is not None, CgmMeasurementFlags.TREND_PRESENT),
            (quality_percent is not None, CgmMeasurementFlags.QUALITY_PRESENT),
        ):
            flags |= flag if there else CgmMeasurementFlags(0)
        return CGM_MEASUREMENT.build(
            flags=flags,
            glucose_mg_dl=Special.NAN if glucose_mg_dl is None else Decimal(glucose_mg_dl),
            time_offset_minutes=offset_minutes,
            sensor_status=status or None,
            sensor_calibration_temperature=calibration_temperature or None,
            sensor_warning=warning or None,
            trend_mg_dl_per_minute=trend_mg_dl_per_minute,
            quality_percent=quality_percent,
        )

    def _notify(self, records: list[CgmRecord], *, stored: bool) -> None:
        value = build_notification([record.octets for record in records], self._protected)
        self.link.notify(database.CGM_MEASUREMENT.handle, value)
        for record in records:
            for callback in self._sent_callbacks:
                callback(record, stored)

    def _report(self, records: list[CgmRecord]) -> None:
        self._notify(records, stored=True)

    def _procedure_finished(self) -> None:
        while self._waiting and not self.busy:
            self._notify(self._waiting.pop(0), stored=False)

    # --- The connection and the session -------------------------------------------------------------------------

    def _fresh(self) -> None:
        self._measurement.on = False
        self._waiting.clear()
        self.record_access.reset()
        self._operations.reset()

    def _configured(self) -> None:
        if not self.subscribed:
            self._waiting.clear()
            return
        for callback in self._subscribe_callbacks:
            callback()

    def _forget_measurements(self) -> None:
        self.records.clear()
        self._waiting.clear()
        self.status, self.warning = CgmStatusFlags(0), CgmWarningFlags(0)
        self.calibration_temperature = CgmCalibrationTemperatureFlags(0)

    # --- Values that are read and written -----------------------------------------------------------------------

    def _protect(self, payload: bytes) -> bytes:
        return protect(payload, protection=Protection.CRC) if self._protected else payload

    def _read_feature(self) -> bytes:
        payload = CGM_FEATURE.build(flags=self.features, type_and_location=INTERSTITIAL_FLUID_SUBCUTANEOUS)
        return self._protect(payload) if self._protected else payload + _NO_CRC

    def _read_status(self) -> bytes:
        newest = self.records.newest
        minutes = max(int(self.session.elapsed_s // 60), newest.offset_minutes if newest else 0)
        status = self.status
        if not self.session.running:
            status |= CgmStatusFlags.SESSION_STOPPED
        if self.setup.device_alert:
            status |= CgmStatusFlags.DEVICE_SPECIFIC_ALERT
        payload = CGM_STATUS.build(
            time_offset_minutes=min(minutes, _OFFSET_MINUTES_MAX), sensor_status=status,
            sensor_calibration_temperature=self.calibration_temperature, sensor_warning=self.warning,
        )  # fmt: skip
        return self._protect(payload)

    def _read_run_time(self) -> bytes:
        return self._protect(CGM_SESSION_RUN_TIME.build(session_run_time_hours=self.session.run_time_hours))

    def _read_session_start(self) -> bytes:
        session = self.session
        payload = CGM_SESSION_START_TIME.build(
            **(_NO_DATE if session.start is None else from_datetime(session.start)),
            time_zone_quarter_hours=session.time_zone_quarter_hours,
            dst_offset=session.dst_offset,
        )
        return self._protect(payload)

    def _write_session_start(self, value: bytes) -> None:
        characteristic = database.CGM_SESSION_START_TIME
        payload = unprotected(characteristic, value) if self._protected else value
        decoded = CGM_SESSION_START_TIME.parse(payload)
        if decoded.outcome is Outcome.BAD_STRUCTURE:
            raise AttError(AttErrorCode.INVALID_ATTRIBUTE_VALUE_LENGTH, characteristic.handle)
        try:
            local = to_datetime(decoded.fields) if decoded.ok else None
        except ValueError:
            local = None
        if local is None:
            raise AttError(AttErrorCode.OUT_OF_RANGE, characteristic.handle)
        fields = decoded.fields
        self.session.tell_time(local, fields["time_zone_quarter_hours"], fields["dst_offset"])
