"""Enumerations and flags of the messages (IDS 1.0.2, 3 and 5; CGMS 1.0.2, 3).

IDS takes every enumeration value from the extended Hamming code, so that a single flipped bit never makes another
valid value; 0 is never one.
"""

# Handing a name on takes an alias of the same name.
# ruff: noqa: PLC0414
from __future__ import annotations

from enum import IntEnum, IntFlag

from pumpwire.enums_own import AskedBy as AskedBy
from pumpwire.enums_own import Controller as Controller
from pumpwire.enums_own import ControllerAction as ControllerAction
from pumpwire.enums_own import DecisionReason as DecisionReason
from pumpwire.enums_own import FaultKind as FaultKind
from pumpwire.enums_own import FlatCgm as FlatCgm
from pumpwire.enums_own import OrefFlags as OrefFlags
from pumpwire.enums_own import PlgsFlags as PlgsFlags
from pumpwire.enums_own import PulseSource as PulseSource
from pumpwire.enums_own import RadioCommand as RadioCommand
from pumpwire.enums_own import RadioFlags as RadioFlags
from pumpwire.enums_own import RadioStack as RadioStack
from pumpwire.enums_own import RadioState as RadioState
from pumpwire.enums_own import ResetCause as ResetCause
from pumpwire.enums_own import TbrKindsFlags as TbrKindsFlags
from pumpwire.enums_plain import CgmCalibrationStatusFlags as CgmCalibrationStatusFlags
from pumpwire.enums_plain import CgmCalibrationTemperatureFlags as CgmCalibrationTemperatureFlags
from pumpwire.enums_plain import CgmFeatureFlags as CgmFeatureFlags
from pumpwire.enums_plain import CgmMeasurementFlags as CgmMeasurementFlags
from pumpwire.enums_plain import CgmRacpFilter as CgmRacpFilter
from pumpwire.enums_plain import CgmRacpOperator as CgmRacpOperator
from pumpwire.enums_plain import CgmRacpResponseCode as CgmRacpResponseCode
from pumpwire.enums_plain import CgmResponseCode as CgmResponseCode
from pumpwire.enums_plain import CgmSampleLocation as CgmSampleLocation
from pumpwire.enums_plain import CgmSampleType as CgmSampleType
from pumpwire.enums_plain import CgmStatusFlags as CgmStatusFlags
from pumpwire.enums_plain import CgmWarningFlags as CgmWarningFlags
from pumpwire.enums_plain import VendorIdSource as VendorIdSource

# fmt: off


class StatusChangedFlags(IntFlag):
    """IDD Status Changed (IDS 1.0.2, 3.2); the bits stay set until Reset Status clears them."""

    THERAPY_CONTROL_STATE_CHANGED = 1 << 0
    OPERATIONAL_STATE_CHANGED = 1 << 1
    RESERVOIR_STATUS_CHANGED = 1 << 2
    ANNUNCIATION_STATUS_CHANGED = 1 << 3
    TOTAL_DAILY_INSULIN_STATUS_CHANGED = 1 << 4
    ACTIVE_BASAL_RATE_STATUS_CHANGED = 1 << 5
    ACTIVE_BOLUS_STATUS_CHANGED = 1 << 6
    HISTORY_EVENT_RECORDED = 1 << 7


class TherapyControlState(IntEnum):
    """Whether the pump delivers (IDS 1.0.2, 3.3)."""

    UNDETERMINED = 0x0F
    STOP = 0x33
    PAUSE = 0x3C
    RUN = 0x55


class OperationalState(IntEnum):
    """What the drive is doing (IDS 1.0.2, 3.3)."""

    UNDETERMINED = 0x0F
    OFF = 0x33
    STANDBY = 0x3C
    PREPARING = 0x55
    PRIMING = 0x5A
    WAITING = 0x66
    READY = 0x96


class StatusFlags(IntFlag):
    """Flags of IDD Status (IDS 1.0.2, 3.3)."""

    RESERVOIR_ATTACHED = 1 << 0


class AnnunciationStatusFlags(IntFlag):
    """Flags of IDD Annunciation Status (IDS 1.0.2, 3.4)."""

    ANNUNCIATION_PRESENT = 1 << 0
    AUX1_PRESENT = 1 << 1
    AUX2_PRESENT = 1 << 2
    AUX3_PRESENT = 1 << 3
    AUX4_PRESENT = 1 << 4
    AUX5_PRESENT = 1 << 5


class AnnunciationType(IntEnum):
    """What an annunciation is about (IDS 1.0.2, 3.4); 0xF000 and up are this pump's own."""

    SYSTEM_ISSUE = 0x000F
    MECHANICAL_ISSUE = 0x0033
    OCCLUSION_DETECTED = 0x003C
    RESERVOIR_ISSUE = 0x0055
    RESERVOIR_EMPTY = 0x005A
    RESERVOIR_LOW = 0x0066
    PRIMING_ISSUE = 0x0069
    INFUSION_SET_INCOMPLETE = 0x0096
    INFUSION_SET_DETACHED = 0x0099
    POWER_SOURCE_INSUFFICIENT = 0x00A5
    BATTERY_EMPTY = 0x00AA
    BATTERY_LOW = 0x00C3
    BATTERY_MEDIUM = 0x00CC
    BATTERY_FULL = 0x00F0
    TEMPERATURE_OUT_OF_RANGE = 0x00FF
    AIR_PRESSURE_OUT_OF_RANGE = 0x0303
    BOLUS_CANCELED = 0x030C
    TBR_OVER = 0x0330
    TBR_CANCELED = 0x033F
    MAX_DELIVERY = 0x0356
    DATE_TIME_ISSUE = 0x0359
    TEMPERATURE = 0x0365
    CGM_STALE = 0xF00F
    PAUSE_OVER = 0xF033


class AnnunciationStatus(IntEnum):
    """How far an annunciation has got (IDS 1.0.2, 3.4)."""

    UNDETERMINED = 0x0F
    PENDING = 0x33
    SNOOZED = 0x3C
    CONFIRMED = 0x55


class AnnunciationTemperatureFlags(IntFlag):
    """First octet of aux2 of an annunciation of the type temperature (IDS 1.0.2, 3.4)."""

    CELSIUS = 1 << 0
    TOO_LOW = 1 << 6
    TOO_HIGH = 1 << 7


class AnnunciationTemperatureContext(IntEnum):
    """Second octet of aux2 of an annunciation of the type temperature (IDS 1.0.2, 3.4)."""

    DEVICE = 0x0F
    INSULIN = 0x33


class IddFeatureFlags(IntFlag):
    """What the pump supports (IDS 1.0.2, 3.5)."""

    E2E_PROTECTION = 1 << 0
    BASAL_RATE = 1 << 1
    TBR_ABSOLUTE = 1 << 2
    TBR_RELATIVE = 1 << 3
    TBR_TEMPLATE = 1 << 4
    FAST_BOLUS = 1 << 5
    EXTENDED_BOLUS = 1 << 6
    MULTIWAVE_BOLUS = 1 << 7
    BOLUS_DELAY_TIME = 1 << 8
    BOLUS_TEMPLATE = 1 << 9
    BOLUS_ACTIVATION_TYPE = 1 << 10
    MULTIPLE_BOND = 1 << 11
    ISF_PROFILE_TEMPLATE = 1 << 12
    ICHO_RATIO_PROFILE_TEMPLATE = 1 << 13
    TARGET_GLUCOSE_RANGE_PROFILE_TEMPLATE = 1 << 14
    INSULIN_ON_BOARD = 1 << 15
    FEATURE_EXTENSION = 1 << 23


class ResponseCode(IntEnum):
    """Outcome of a procedure of the two control points (IDS 1.0.2, 3.6.2 and 3.7.2)."""

    SUCCESS = 0x0F
    OPCODE_NOT_SUPPORTED = 0x70
    INVALID_OPERAND = 0x71
    PROCEDURE_NOT_COMPLETED = 0x72
    PARAMETER_OUT_OF_RANGE = 0x73
    PROCEDURE_NOT_APPLICABLE = 0x74
    PLAUSIBILITY_CHECK_FAILED = 0x75
    MAXIMUM_BOLUS_NUMBER_REACHED = 0x76


class BolusValueSelection(IntEnum):
    """Which amounts of a running bolus are meant (IDS 1.0.2, 3.6.2)."""

    PROGRAMMED = 0x0F
    REMAINING = 0x33
    DELIVERED = 0x3C


class BolusType(IntEnum):
    """Kind of bolus (IDS 1.0.2, 3.6.2)."""

    UNDETERMINED = 0x0F
    FAST = 0x33
    EXTENDED = 0x3C
    MULTIWAVE = 0x55


class BolusActivationType(IntEnum):
    """Who decided on a bolus (IDS 1.0.2, 3.6.2)."""

    UNDETERMINED = 0x0F
    MANUAL = 0x33
    RECOMMENDED = 0x3C
    MANUALLY_CHANGED_RECOMMENDED = 0x55
    COMMANDED = 0x5A


class BolusFlags(IntFlag):
    """Flags of a bolus (IDS 1.0.2, 3.7.2)."""

    DELAY_PRESENT = 1 << 0
    TEMPLATE_NUMBER_PRESENT = 1 << 1
    ACTIVATION_TYPE_PRESENT = 1 << 2
    REASON_CORRECTION = 1 << 3
    REASON_MEAL = 1 << 4


class AvailableBolusesFlags(IntFlag):
    """Kinds of bolus that can be set now (IDS 1.0.2, 3.7.2)."""

    FAST_AVAILABLE = 1 << 0
    EXTENDED_AVAILABLE = 1 << 1
    MULTIWAVE_AVAILABLE = 1 << 2


class TbrType(IntEnum):
    """How the value of a TBR is meant (IDS 1.0.2, 3.6.2)."""

    UNDETERMINED = 0x0F
    ABSOLUTE = 0x33
    RELATIVE = 0x3C


class DeliveryContext(IntEnum):
    """Who set a basal rate (IDS 1.0.2, 3.6.2)."""

    UNDETERMINED = 0x0F
    DEVICE = 0x33
    REMOTE_CONTROL = 0x3C
    AP_CONTROLLER = 0x55


class TbrFlags(IntFlag):
    """Flags of Set TBR Adjustment (IDS 1.0.2, 3.7.2.7)."""

    TEMPLATE_NUMBER_PRESENT = 1 << 0
    CONTEXT_PRESENT = 1 << 1
    CHANGE_TBR = 1 << 2


class ActiveBasalFlags(IntFlag):
    """Flags of Get Active Basal Rate Delivery Response (IDS 1.0.2, 3.6.2)."""

    TBR_PRESENT = 1 << 0
    TBR_TEMPLATE_NUMBER_PRESENT = 1 << 1
    CONTEXT_PRESENT = 1 << 2


class InsulinOnBoardFlags(IntFlag):
    """Flags of Get Insulin On Board Response (IDS 1.0.2, 3.6.2)."""

    REMAINING_DURATION_PRESENT = 1 << 0


class CounterType(IntEnum):
    """What a counter of the pump counts (IDS 1.0.2, 3.6.2)."""

    LIFETIME = 0x0F
    WARRANTY = 0x33
    LOANER = 0x3C
    RESERVOIR_INSULIN_OPERATION_TIME = 0x55


class CounterSelection(IntEnum):
    """Which way a counter is read (IDS 1.0.2, 3.6.2)."""

    REMAINING = 0x0F
    ELAPSED = 0x33


class ProfileWriteFlags(IntFlag):
    """Flags of a profile write (IDS 1.0.2, 3.7.2); other bits than when reading."""

    END_TRANSACTION = 1 << 0
    SECOND_BLOCK_PRESENT = 1 << 1
    THIRD_BLOCK_PRESENT = 1 << 2


class ProfileWriteResponseFlags(IntFlag):
    """Flags of the answer to a profile write (IDS 1.0.2, 3.7.2)."""

    TRANSACTION_COMPLETED = 1 << 0


class ProfileDataFlags(IntFlag):
    """Flags of profile data that is read (IDS 1.0.2, 3.8); other bits than when writing."""

    SECOND_BLOCK_PRESENT = 1 << 0
    THIRD_BLOCK_PRESENT = 1 << 1


class TargetWriteFlags(IntFlag):
    """Flags of a write of target glucose ranges (IDS 1.0.2, 3.7.2); two blocks are as many as fit."""

    END_TRANSACTION = 1 << 0
    SECOND_BLOCK_PRESENT = 1 << 1


class TargetDataFlags(IntFlag):
    """Flags of target glucose ranges that are read (IDS 1.0.2, 3.8)."""

    SECOND_BLOCK_PRESENT = 1 << 0


class BolusTemplateFlags(IntFlag):
    """Flags of a bolus template (IDS 1.0.2, 3.7.2); the reasons have other bits than in Set Bolus."""

    DELAY_PRESENT = 1 << 0
    REASON_CORRECTION = 1 << 1
    REASON_MEAL = 1 << 2


class TemplateType(IntEnum):
    """Kind of template in the template status (IDS 1.0.2, 3.8)."""

    UNDETERMINED = 0x0F
    BASAL_RATE_PROFILE = 0x33
    TBR = 0x3C
    BOLUS = 0x55
    ISF_PROFILE = 0x5A
    ICHO_RATIO_PROFILE = 0x66
    TARGET_GLUCOSE_RANGE_PROFILE = 0x96


class ProfileTemplateType(IntEnum):
    """Kind of profile template in a history event (IDS 1.0.2, 3.10); other values than `TemplateType`."""

    UNDETERMINED = 0x0F
    BASAL_RATE = 0x33
    ISF = 0x3C
    ICHO_RATIO = 0x55
    TARGET_GLUCOSE_RANGE = 0x5A


class RacpOperator(IntEnum):
    """Operators of the IDD RACP (IDS 1.0.2, 3.9)."""

    NULL = 0x0F
    ALL = 0x33
    LESS_THAN_OR_EQUAL = 0x3C
    GREATER_THAN_OR_EQUAL = 0x55
    WITHIN_RANGE = 0x5A
    FIRST = 0x66
    LAST = 0x69


class RacpFilter(IntEnum):
    """Filters of the IDD RACP (IDS 1.0.2, 3.9)."""

    SEQUENCE_NUMBER = 0x0F
    SEQUENCE_NUMBER_REFERENCE_TIME_EVENTS = 0x33
    SEQUENCE_NUMBER_OTHER_EVENTS = 0x3C


class RacpOpcode(IntEnum):
    """Opcodes of the IDD RACP, as its response repeats them (IDS 1.0.2, 3.9)."""

    RESPONSE_CODE = 0x0F
    REPORT_STORED_RECORDS = 0x33
    DELETE_STORED_RECORDS = 0x3C
    ABORT = 0x55
    REPORT_NUMBER_OF_STORED_RECORDS = 0x5A
    NUMBER_OF_STORED_RECORDS_RESPONSE = 0x66


class RacpResponseCode(IntEnum):
    """Outcome of an IDD RACP procedure (IDS 1.0.2, 3.9); success differs from the other control points."""

    OPCODE_NOT_SUPPORTED = 0x02
    INVALID_OPERATOR = 0x03
    OPERATOR_NOT_SUPPORTED = 0x04
    INVALID_OPERAND = 0x05
    NO_RECORDS_FOUND = 0x06
    ABORT_UNSUCCESSFUL = 0x07
    PROCEDURE_NOT_COMPLETED = 0x08
    OPERAND_NOT_SUPPORTED = 0x09
    PROCEDURE_NOT_APPLICABLE = 0x0A
    SUCCESS = 0xF0


class RecordingReason(IntEnum):
    """Why a reference time was recorded (IDS 1.0.2, 3.10)."""

    UNDETERMINED = 0x0F
    SET_DATE_TIME = 0x33
    PERIODIC = 0x3C
    DATE_TIME_LOSS = 0x55


class DstOffset(IntEnum):
    """Daylight saving time in units of 15 minutes (GATT Specification Supplement, DST Offset)."""

    STANDARD = 0
    HALF_HOUR = 2
    ONE_HOUR = 4
    TWO_HOURS = 8
    UNKNOWN = 255


class BolusDeliveredFlags(IntFlag):
    """Flags of bolus delivered, part 2 (IDS 1.0.2, 3.10)."""

    ACTIVATION_TYPE_PRESENT = 1 << 0
    END_REASON_PRESENT = 1 << 1
    ANNUNCIATION_ID_PRESENT = 1 << 2


class BolusEndReason(IntEnum):
    """Why a bolus ended (IDS 1.0.2, 3.10)."""

    UNDETERMINED = 0x0F
    PROGRAMMED_AMOUNT_DELIVERED = 0x33
    CANCELED = 0x3C
    ERROR_ABORT = 0x55


class BasalRateChangedFlags(IntFlag):
    """Flags of delivered basal rate changed (IDS 1.0.2, 3.10)."""

    CONTEXT_PRESENT = 1 << 0


class TbrEventFlags(IntFlag):
    """Flags of TBR started and TBR changed (IDS 1.0.2, 3.10)."""

    TEMPLATE_NUMBER_PRESENT = 1 << 0


class TbrEndedFlags(IntFlag):
    """Flags of TBR ended (IDS 1.0.2, 3.10)."""

    TEMPLATE_NUMBER_PRESENT = 1 << 0
    ANNUNCIATION_ID_PRESENT = 1 << 1


class TbrEndReason(IntEnum):
    """Why a TBR ended (IDS 1.0.2, 3.10)."""

    UNDETERMINED = 0x0F
    DURATION_OVER = 0x33
    CANCELED = 0x3C
    ERROR_ABORT = 0x55


class TotalDailyInsulinFlags(IntFlag):
    """Flags of the daily total (IDS 1.0.2, 3.10)."""

    DATE_TIME_CHANGED = 1 << 0


class AnnunciationEvent1Flags(IntFlag):
    """Flags of annunciation status changed, part 1 (IDS 1.0.2, 3.10)."""

    AUX1_PRESENT = 1 << 0
    AUX2_PRESENT = 1 << 1


class AnnunciationEvent2Flags(IntFlag):
    """Flags of annunciation status changed, part 2 (IDS 1.0.2, 3.10)."""

    AUX3_PRESENT = 1 << 0
    AUX4_PRESENT = 1 << 1
    AUX5_PRESENT = 1 << 2


class PrimingDoneFlags(IntFlag):
    """Flags of priming done (IDS 1.0.2, 3.10)."""

    ANNUNCIATION_ID_PRESENT = 1 << 0


class PrimingEndReason(IntEnum):
    """Why priming ended (IDS 1.0.2, 3.10)."""

    UNDETERMINED = 0x0F
    ABORTED_BY_USER = 0x33
    AMOUNT_REACHED = 0x3C
    ERROR_ABORT = 0x55


class AdjustReasonFlags(IntFlag):
    """Why a clock was set (CTS 1.1, 3.1.2.1)."""

    MANUAL = 1 << 0
    EXTERNAL_REFERENCE = 1 << 1
    TIME_ZONE_CHANGE = 1 << 2
    DST_CHANGE = 1 << 3
