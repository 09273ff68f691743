"""The sensor's side: a CGM Service that the pump reads and subscribes to over the same link."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal

from pumplink.errors import AttError
from pumplink.link import Link
from pumpwire import database
from pumpwire.att import AttErrorCode
from pumpwire.cgms import CGM_FEATURE, CGM_MEASUREMENT, CGM_SESSION_START_TIME, build_notification
from pumpwire.clock import from_datetime
from pumpwire.database import Protection
from pumpwire.e2e import protect
from pumpwire.enums import CgmFeatureFlags, CgmMeasurementFlags, CgmStatusFlags, CgmWarningFlags, DstOffset
from pumpwire.numbers import Special

__all__ = ["CgmServer"]

TIME_ZONE_UNKNOWN = -128
INTERSTITIAL_FLUID_SUBCUTANEOUS = 0x59

_NOTIFY = 1


class CgmServer:
    """A sensor (CGMS 1.0.2) with E2E-CRC. Make it before the link is opened: the pump asks at once.

    Args:
        link: the connection to the pump.
        session_start: local time at which the session started; time offsets count from there.

    Attributes:
        subscribed: whether the pump asked for measurements on this connection.
    """

    def __init__(self, link: Link, session_start: datetime) -> None:
        self.link = link
        self.session_start = session_start
        self.subscribed = False
        self._subscribe_callbacks: list[Callable[[], None]] = []
        measurement = database.CGM_MEASUREMENT
        assert measurement.configuration_handle is not None
        link.serve(database.CGM_FEATURE.handle, read=self._read_feature)
        link.serve(database.CGM_SESSION_START_TIME.handle, read=self._read_session_start)
        link.serve(measurement.configuration_handle, read=self._read_configuration, write=self._write_configuration)
        link.on_open(self._fresh)

    def on_subscribed(self, callback: Callable[[], None]) -> None:
        """Calls `callback()` when the pump asks for measurements; it must not make requests."""
        self._subscribe_callbacks.append(callback)

    def send(
        self,
        offset_minutes: int,
        glucose_mg_dl: int | Decimal | None,
        *,
        status: CgmStatusFlags = CgmStatusFlags(0),  # noqa: B008
        warning: CgmWarningFlags = CgmWarningFlags(0),  # noqa: B008
        trend_mg_dl_per_minute: Decimal | None = None,
    ) -> bool:
        """Notifies one measurement (CGMS 1.0.2, 3.1).

        Args:
            offset_minutes: minutes since the session's start.
            glucose_mg_dl: None for no valid measurement, which is sent as NaN.
            status: sensor status; its octet is sent only when a bit is set.
            warning: warnings about the value; likewise.
            trend_mg_dl_per_minute: sent when given.
        Returns:
            Whether the pump has subscribed; nothing is sent otherwise.
        """
        return self.send_records([self.record(offset_minutes, glucose_mg_dl, status, warning, trend_mg_dl_per_minute)])

    def send_records(self, records: list[bytes]) -> bool:
        """Notifies several records of `record` in one value; false when the pump has not subscribed."""
        if not self.subscribed:
            return False
        self.link.notify(database.CGM_MEASUREMENT.handle, build_notification(records))
        return True

    @staticmethod
    def record(
        offset_minutes: int,
        glucose_mg_dl: int | Decimal | None,
        status: CgmStatusFlags = CgmStatusFlags(0),  # noqa: B008
        warning: CgmWarningFlags = CgmWarningFlags(0),  # noqa: B008
        trend_mg_dl_per_minute: Decimal | None = None,
    ) -> bytes:
        """One record, without its size and CRC; see `send`."""
        flags = CgmMeasurementFlags(0)
        if status:
            flags |= CgmMeasurementFlags.STATUS_PRESENT
        if warning:
            flags |= CgmMeasurementFlags.WARNING_PRESENT
        if trend_mg_dl_per_minute is not None:
            flags |= CgmMeasurementFlags.TREND_PRESENT
        return CGM_MEASUREMENT.build(
            flags=flags,
            glucose_mg_dl=Special.NAN if glucose_mg_dl is None else Decimal(glucose_mg_dl),
            time_offset_minutes=offset_minutes,
            sensor_status=status or None,
            sensor_warning=warning or None,
            trend_mg_dl_per_minute=trend_mg_dl_per_minute,
        )

    def _fresh(self) -> None:
        self.subscribed = False

    def _read_feature(self) -> bytes:
        flags = CgmFeatureFlags.E2E_CRC | CgmFeatureFlags.TREND
        payload = CGM_FEATURE.build(flags=flags, type_and_location=INTERSTITIAL_FLUID_SUBCUTANEOUS)
        return protect(payload, protection=Protection.CRC)

    def _read_session_start(self) -> bytes:
        payload = CGM_SESSION_START_TIME.build(
            **from_datetime(self.session_start),
            time_zone_quarter_hours=TIME_ZONE_UNKNOWN,
            dst_offset=DstOffset.UNKNOWN,
        )
        return protect(payload, protection=Protection.CRC)

    def _read_configuration(self) -> bytes:
        return bytes((_NOTIFY if self.subscribed else 0, 0))

    def _write_configuration(self, value: bytes) -> None:
        if len(value) != 2:
            raise AttError(AttErrorCode.INVALID_ATTRIBUTE_VALUE_LENGTH, database.CGM_MEASUREMENT.handle + 1)
        bits = value[0] | value[1] << 8
        if bits & ~_NOTIFY:
            raise AttError(AttErrorCode.CCCD_IMPROPERLY_CONFIGURED, database.CGM_MEASUREMENT.handle + 1)
        self.subscribed = bool(bits)
        if self.subscribed:
            for callback in self._subscribe_callbacks:
                callback()
