"""What a client can set up on a sensor: its session, levels, calibrations and interval (CGMS 1.0.2, 3.4, 3.5, 3.7)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from pumplink.cgm_attributes import ControlPoint
from pumplink.link import Link
from pumpwire import database
from pumpwire.cgms_control import CGM_RESPONSE_CODE
from pumpwire.declare import Message
from pumpwire.enums import (
    CgmCalibrationStatusFlags,
    CgmFeatureFlags,
    CgmResponseCode,
    CgmWarningFlags,
    DstOffset,
)
from pumpwire.numbers import Special
from pumpwire.registry import MESSAGES

__all__ = ["CgmCalibration", "CgmLevels", "CgmSession", "CgmSetup", "SpecificOperations"]

TIME_ZONE_UNKNOWN = -128
INTERVAL_FASTEST = 0xFF
LAST_CALIBRATION = 0xFFFF
_GLUCOSE_MG_DL = (1, 1000)
_RATE_MG_DL_PER_MINUTE = (Decimal("0.001"), 100)


@dataclass
class CgmLevels:
    """Levels at which the sensor warns: glucose in mg/dL, rates of change in mg/dL per minute."""

    patient_high_mg_dl: Decimal = Decimal(180)
    patient_low_mg_dl: Decimal = Decimal(70)
    hypo_mg_dl: Decimal = Decimal(54)
    hyper_mg_dl: Decimal = Decimal(250)
    rate_of_decrease_mg_dl_per_minute: Decimal = Decimal(3)
    rate_of_increase_mg_dl_per_minute: Decimal = Decimal(3)

    def warnings(self, glucose_mg_dl: Decimal | None, trend_mg_dl_per_minute: Decimal | None) -> CgmWarningFlags:
        """What a measurement exceeds; a value at a level does not (CGMS 1.0.2, 3.1)."""
        flags = CgmWarningFlags(0)
        if glucose_mg_dl is not None:
            for exceeds, flag in (
                (glucose_mg_dl < self.patient_low_mg_dl, CgmWarningFlags.BELOW_PATIENT_LOW),
                (glucose_mg_dl > self.patient_high_mg_dl, CgmWarningFlags.ABOVE_PATIENT_HIGH),
                (glucose_mg_dl < self.hypo_mg_dl, CgmWarningFlags.BELOW_HYPO),
                (glucose_mg_dl > self.hyper_mg_dl, CgmWarningFlags.ABOVE_HYPER),
            ):
                flags |= flag if exceeds else CgmWarningFlags(0)
        if trend_mg_dl_per_minute is not None:
            if -trend_mg_dl_per_minute > self.rate_of_decrease_mg_dl_per_minute:
                flags |= CgmWarningFlags.RATE_OF_DECREASE_EXCEEDED
            if trend_mg_dl_per_minute > self.rate_of_increase_mg_dl_per_minute:
                flags |= CgmWarningFlags.RATE_OF_INCREASE_EXCEEDED
        return flags


@dataclass(frozen=True)
class CgmCalibration:
    """A calibration record (CGMS 1.0.2, 3.7).

    Args:
        glucose_mg_dl: None when no calibration is stored.
        time_minutes: of the reference value, since the session's start.
        type_and_location: CgmSampleType in the low, CgmSampleLocation in the high four bits.
        next_minutes: when the next one is due, since the session's start; 0 at once.
        number: from 1; 0 when none is stored.
        status: what became of it.
    """

    glucose_mg_dl: Decimal | None = None
    time_minutes: int = 0
    type_and_location: int = 0
    next_minutes: int = 0
    number: int = 0
    status: CgmCalibrationStatusFlags = CgmCalibrationStatusFlags(0)  # noqa: RUF009


class CgmSession:
    """The session of a sensor.

    Args:
        now_s: gives the time, in any seconds.
        start: local time of its start, None while no client has told the time.
        elapsed_s: seconds since its start.
        run_time_hours: how long a session is expected to last.

    Attributes:
        running: whether it has not been stopped.
        time_zone_quarter_hours: as the client told it, -128 unknown.
        dst_offset: likewise.
    """

    def __init__(
        self, now_s: Callable[[], float], start: datetime | None, elapsed_s: float = 0.0, run_time_hours: int = 240
    ) -> None:
        self.start = start
        self.run_time_hours = run_time_hours
        self.running = True
        self.time_zone_quarter_hours = TIME_ZONE_UNKNOWN
        self.dst_offset = DstOffset.UNKNOWN
        self._now_s = now_s
        self._began_s = now_s() - elapsed_s
        self._ended_s = 0.0

    @property
    def elapsed_s(self) -> float:
        """Seconds since its start; they stand still once it is stopped."""
        return (self._now_s() if self.running else self._ended_s) - self._began_s

    def begin(self) -> None:
        """Start another one; its start time is unknown until a client tells the time."""
        self.start = None
        self.time_zone_quarter_hours = TIME_ZONE_UNKNOWN
        self.dst_offset = DstOffset.UNKNOWN
        self.running = True
        self._began_s = self._now_s()

    def stop(self) -> None:
        """End it."""
        self._ended_s = self._now_s()
        self.running = False

    def tell_time(self, local: datetime, time_zone_quarter_hours: int, dst_offset: DstOffset) -> None:
        """A client tells its present local time, from which the start follows (CGMS 1.0.2, 3.4)."""
        self.start = local - timedelta(seconds=int(self.elapsed_s))
        self.time_zone_quarter_hours = time_zone_quarter_hours
        self.dst_offset = dst_offset


@dataclass
class CgmSetup:
    """What the Specific Ops Control Point sets.

    Attributes:
        levels: at which the sensor warns.
        interval_minutes: of the notifications; 0 turns them off.
        fastest_interval_minutes: what the sensor can do.
        calibrations: by number, from 1.
        device_alert: whether the device specific alert is on.
    """

    levels: CgmLevels = field(default_factory=CgmLevels)
    interval_minutes: int = 5
    fastest_interval_minutes: int = 1
    calibrations: list[CgmCalibration] = field(default_factory=list)
    device_alert: bool = False


_FEATURES = {
    "Calibration": CgmFeatureFlags.CALIBRATION,
    "PatientHigh": CgmFeatureFlags.PATIENT_HIGH_LOW_ALERTS,
    "PatientLow": CgmFeatureFlags.PATIENT_HIGH_LOW_ALERTS,
    "Hypo": CgmFeatureFlags.HYPO_ALERTS,
    "Hyper": CgmFeatureFlags.HYPER_ALERTS,
    "RateOfDecrease": CgmFeatureFlags.RATE_OF_CHANGE_ALERTS,
    "RateOfIncrease": CgmFeatureFlags.RATE_OF_CHANGE_ALERTS,
    "CgmResetDeviceSpecificAlert": CgmFeatureFlags.DEVICE_SPECIFIC_ALERT,
}
_LEVELS = {item.name for item in fields(CgmLevels)}


class SpecificOperations(ControlPoint):
    """The CGM Specific Ops Control Point.

    Args:
        link: the connection.
        features: what the sensor supports; the rest is answered *opcode not supported*.
        session: which is started and stopped.
        setup: which is set and told.
        new_session: called when a session starts, so that data of the old one are deleted.
        finished: called when a procedure has ended.
    """

    def __init__(
        self, link: Link, features: CgmFeatureFlags, session: CgmSession, setup: CgmSetup,
        new_session: Callable[[], None], finished: Callable[[], None],
    ) -> None:  # fmt: skip
        protected = CgmFeatureFlags.E2E_CRC in features
        super().__init__(link, database.CGM_SPECIFIC_OPS_CONTROL_POINT, protected, CGM_RESPONSE_CODE, finished)
        self._features = features
        self._session = session
        self._setup = setup
        self._new_session = new_session

    def perform(self, message: Message, fields: dict[str, Any]) -> None:
        """Carry a procedure out."""
        name = message.name
        title = name.removeprefix("CgmSet").removeprefix("CgmGet")
        if _FEATURES.get(title, CgmFeatureFlags(0)) not in self._features:
            self._code(message, CgmResponseCode.OPCODE_NOT_SUPPORTED)
        elif name.startswith("CgmGet"):
            self._get(message, title, fields)
        elif name == "CgmSetCommunicationInterval":
            self._code(message, self._set_interval(fields["communication_interval_minutes"]))
        elif name == "CgmSetCalibration":
            self._code(message, self._calibrate(fields))
        elif name.startswith("CgmSet"):
            self._code(message, self._set_level(fields))
        elif name == "CgmResetDeviceSpecificAlert":
            self._setup.device_alert = False
            self._code(message, CgmResponseCode.SUCCESS)
        elif name == "CgmStartSession":
            self._code(message, self._start())
        else:
            self._code(message, self._stop())

    def _code(self, message: Message, code: CgmResponseCode) -> None:
        assert message.opcode is not None
        self.respond(message.opcode, code)

    def _get(self, message: Message, title: str, fields: dict[str, Any]) -> None:
        answer = MESSAGES[f"{message.name}Response"]
        if title == "CommunicationInterval":
            self.answer(answer.build(communication_interval_minutes=self._setup.interval_minutes))
        elif title == "Calibration":
            found = self._calibration(fields["calibration_record_number"])
            if found is None:
                self._code(message, CgmResponseCode.PARAMETER_OUT_OF_RANGE)
            else:
                self.answer(answer.build(**_wire(found)))
        else:
            (name,) = _LEVELS.intersection(answer.names)
            self.answer(answer.build(**{name: getattr(self._setup.levels, name)}))

    def _set_interval(self, minutes: int) -> CgmResponseCode:
        setup = self._setup
        if 0 < minutes < setup.fastest_interval_minutes:
            return CgmResponseCode.PARAMETER_OUT_OF_RANGE
        setup.interval_minutes = setup.fastest_interval_minutes if minutes == INTERVAL_FASTEST else minutes
        return CgmResponseCode.SUCCESS

    def _set_level(self, fields: dict[str, Any]) -> CgmResponseCode:
        ((name, value),) = fields.items()
        low, high = _RATE_MG_DL_PER_MINUTE if name.startswith("rate") else _GLUCOSE_MG_DL
        if not low <= value <= high:
            return CgmResponseCode.PARAMETER_OUT_OF_RANGE
        setattr(self._setup.levels, name, value)
        return CgmResponseCode.SUCCESS

    def _calibrate(self, fields: dict[str, Any]) -> CgmResponseCode:
        glucose = fields["calibration_glucose_mg_dl"]
        if not self._session.running:
            return CgmResponseCode.PROCEDURE_NOT_COMPLETED
        if isinstance(glucose, Special) or not _GLUCOSE_MG_DL[0] <= glucose <= _GLUCOSE_MG_DL[1]:
            return CgmResponseCode.PARAMETER_OUT_OF_RANGE
        calibrations = self._setup.calibrations
        calibrations.append(
            CgmCalibration(
                glucose, fields["calibration_time_minutes"], fields["type_and_location"],
                fields["next_calibration_minutes"], len(calibrations) + 1,
            )
        )  # fmt: skip
        return CgmResponseCode.SUCCESS

    def _calibration(self, number: int) -> CgmCalibration | None:
        calibrations = self._setup.calibrations
        if number == LAST_CALIBRATION:
            return calibrations[-1] if calibrations else CgmCalibration()
        return calibrations[number - 1] if 0 < number <= len(calibrations) else None

    def _start(self) -> CgmResponseCode:
        if not self._session.running and CgmFeatureFlags.MULTIPLE_SESSIONS not in self._features:
            return CgmResponseCode.PROCEDURE_NOT_COMPLETED
        self._session.begin()
        self._setup.calibrations.clear()
        self._new_session()
        return CgmResponseCode.SUCCESS

    def _stop(self) -> CgmResponseCode:
        if not self._session.running:
            return CgmResponseCode.OPCODE_NOT_SUPPORTED
        self._session.stop()
        return CgmResponseCode.SUCCESS


def _wire(calibration: CgmCalibration) -> dict[str, Any]:
    glucose = calibration.glucose_mg_dl
    return {
        "calibration_glucose_mg_dl": Special.NAN if glucose is None else glucose,
        "calibration_time_minutes": calibration.time_minutes,
        "type_and_location": calibration.type_and_location,
        "next_calibration_minutes": calibration.next_minutes,
        "calibration_record_number": calibration.number,
        "calibration_status": calibration.status,
    }
