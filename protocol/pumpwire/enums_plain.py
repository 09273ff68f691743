"""Enumerations and flags of the services whose values are plain numbers (CGMS 1.0.2, DIS 1.1).

`pumpwire.enums` has them too.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag

# fmt: off


class CgmMeasurementFlags(IntFlag):
    """Flags of a CGM measurement (CGMS 1.0.2, 3.1)."""

    TREND_PRESENT = 1 << 0
    QUALITY_PRESENT = 1 << 1
    WARNING_PRESENT = 1 << 5
    CALIBRATION_TEMPERATURE_PRESENT = 1 << 6
    STATUS_PRESENT = 1 << 7


class CgmStatusFlags(IntFlag):
    """Sensor status, octet 1 (CGMS 1.0.2, 3.1)."""

    SESSION_STOPPED = 1 << 0
    DEVICE_BATTERY_LOW = 1 << 1
    SENSOR_TYPE_INCORRECT = 1 << 2
    SENSOR_MALFUNCTION = 1 << 3
    DEVICE_SPECIFIC_ALERT = 1 << 4
    GENERAL_DEVICE_FAULT = 1 << 5


class CgmCalibrationTemperatureFlags(IntFlag):
    """Sensor status, octet 2: calibration and temperature (CGMS 1.0.2, 3.1)."""

    TIME_SYNCHRONISATION_REQUIRED = 1 << 0
    CALIBRATION_NOT_ALLOWED = 1 << 1
    CALIBRATION_RECOMMENDED = 1 << 2
    CALIBRATION_REQUIRED = 1 << 3
    SENSOR_TEMPERATURE_TOO_HIGH = 1 << 4
    SENSOR_TEMPERATURE_TOO_LOW = 1 << 5
    CALIBRATION_PENDING = 1 << 6


class CgmWarningFlags(IntFlag):
    """Sensor status, octet 3: warnings about the value (CGMS 1.0.2, 3.1)."""

    BELOW_PATIENT_LOW = 1 << 0
    ABOVE_PATIENT_HIGH = 1 << 1
    BELOW_HYPO = 1 << 2
    ABOVE_HYPER = 1 << 3
    RATE_OF_DECREASE_EXCEEDED = 1 << 4
    RATE_OF_INCREASE_EXCEEDED = 1 << 5
    BELOW_DEVICE_RANGE = 1 << 6
    ABOVE_DEVICE_RANGE = 1 << 7


class CgmFeatureFlags(IntFlag):
    """What the sensor supports (CGMS 1.0.2, 3.2)."""

    CALIBRATION = 1 << 0
    PATIENT_HIGH_LOW_ALERTS = 1 << 1
    HYPO_ALERTS = 1 << 2
    HYPER_ALERTS = 1 << 3
    RATE_OF_CHANGE_ALERTS = 1 << 4
    DEVICE_SPECIFIC_ALERT = 1 << 5
    MALFUNCTION_DETECTION = 1 << 6
    TEMPERATURE_DETECTION = 1 << 7
    RESULT_HIGH_LOW_DETECTION = 1 << 8
    LOW_BATTERY_DETECTION = 1 << 9
    SENSOR_TYPE_ERROR_DETECTION = 1 << 10
    GENERAL_DEVICE_FAULT = 1 << 11
    E2E_CRC = 1 << 12
    MULTIPLE_BOND = 1 << 13
    MULTIPLE_SESSIONS = 1 << 14
    TREND = 1 << 15
    QUALITY = 1 << 16


class CgmSampleType(IntEnum):
    """Low four bits of the type and location of a sample (CGMS 1.0.2, 3.2)."""

    CAPILLARY_WHOLE_BLOOD = 1
    CAPILLARY_PLASMA = 2
    VENOUS_WHOLE_BLOOD = 3
    VENOUS_PLASMA = 4
    ARTERIAL_WHOLE_BLOOD = 5
    ARTERIAL_PLASMA = 6
    UNDETERMINED_WHOLE_BLOOD = 7
    UNDETERMINED_PLASMA = 8
    INTERSTITIAL_FLUID = 9
    CONTROL_SOLUTION = 10


class CgmSampleLocation(IntEnum):
    """High four bits of the type and location of a sample (CGMS 1.0.2, 3.2)."""

    FINGER = 1
    ALTERNATE_SITE = 2
    EARLOBE = 3
    CONTROL_SOLUTION = 4
    SUBCUTANEOUS_TISSUE = 5
    NOT_AVAILABLE = 15


class CgmRacpOperator(IntEnum):
    """Operators of the Record Access Control Point (CGMS 1.0.2, 3.6)."""

    NULL = 0
    ALL = 1
    LESS_THAN_OR_EQUAL = 2
    GREATER_THAN_OR_EQUAL = 3
    WITHIN_RANGE = 4
    FIRST = 5
    LAST = 6


class CgmRacpFilter(IntEnum):
    """Filters of the Record Access Control Point; the user facing time, 2, is not for CGM (CGMS 1.0.2, 3.6)."""

    TIME_OFFSET = 1


class CgmRacpResponseCode(IntEnum):
    """Outcome of a procedure of the Record Access Control Point (CGMS 1.0.2, 3.6)."""

    SUCCESS = 1
    OPCODE_NOT_SUPPORTED = 2
    INVALID_OPERATOR = 3
    OPERATOR_NOT_SUPPORTED = 4
    INVALID_OPERAND = 5
    NO_RECORDS_FOUND = 6
    ABORT_UNSUCCESSFUL = 7
    PROCEDURE_NOT_COMPLETED = 8
    OPERAND_NOT_SUPPORTED = 9
    SERVER_BUSY = 10


class CgmResponseCode(IntEnum):
    """Outcome of a procedure of the CGM Specific Ops Control Point (CGMS 1.0.2, 3.7)."""

    SUCCESS = 1
    OPCODE_NOT_SUPPORTED = 2
    INVALID_OPERAND = 3
    PROCEDURE_NOT_COMPLETED = 4
    PARAMETER_OUT_OF_RANGE = 5


class CgmCalibrationStatusFlags(IntFlag):
    """What became of a calibration (CGMS 1.0.2, 3.7)."""

    REJECTED = 1 << 0
    OUT_OF_RANGE = 1 << 1
    PROCESS_PENDING = 1 << 2


class VendorIdSource(IntEnum):
    """Who gave a vendor its number (DIS 1.1, 3.9)."""

    BLUETOOTH_SIG = 1
    USB_IMPLEMENTERS_FORUM = 2
