"""The words of DOSING.md that the oracle answers with, as enumerations whose values read as in the text."""

from __future__ import annotations

from enum import StrEnum

__all__ = [
    "ATT_OK",
    "ATT_VALUE_REFUSED",
    "INVALID_OPERAND",
    "NOT_APPLICABLE",
    "NOT_COMPLETED",
    "OUT_OF_RANGE",
    "PLAUSIBILITY",
    "SUCCESS",
    "TOO_MANY_BOLUSES",
    "Action",
    "AnnunciationStatus",
    "AnnunciationType",
    "Context",
    "Controller",
    "EndReason",
    "Reason",
    "TherapyState",
    "TimeReason",
]

# Response codes of the IDS control points (IDS 1.0.2, 3.6.2 and 3.7.2), and the two ATT outcomes of a settings write.
SUCCESS = 0x0F
INVALID_OPERAND = 0x71
NOT_COMPLETED = 0x72
OUT_OF_RANGE = 0x73
NOT_APPLICABLE = 0x74
PLAUSIBILITY = 0x75
TOO_MANY_BOLUSES = 0x76
ATT_OK = 0x00
ATT_VALUE_REFUSED = 0xFF


class TherapyState(StrEnum):
    """Therapy control state, D-501."""

    UNDETERMINED = "undetermined"
    STOP = "stop"
    PAUSE = "pause"
    RUN = "run"


class Controller(StrEnum):
    """Which controller runs on the pump, D-615."""

    MANUAL = "manual"
    PLGS = "plgs"


class Action(StrEnum):
    """What a decision does, D-615."""

    NONE = "none"
    KEEP = "keep"
    SUSPEND = "suspend"
    RESUME = "resume"


class Reason(StrEnum):
    """Why a decision does it, D-602 and D-615."""

    STALE = "stale"
    INVALID_SAMPLE = "invalid sample"
    MANUAL = "manual"
    NOT_RUNNING = "therapy not running"
    MINIMUM_TIME = "minimum time"
    RISING = "rising"
    NOT_LOW = "not low"
    NO_PREDICTION = "no prediction"
    LOW_NOW = "low now"
    PREDICTED_LOW = "predicted low"
    LOCKOUT = "lockout"
    LIMIT_REACHED = "limit reached"


class EndReason(StrEnum):
    """Why a bolus or a TBR ended (IDS 1.0.2, history events 0x0096 and 0x00AA)."""

    DELIVERED = "programmed amount delivered"
    DURATION_OVER = "duration over"
    CANCELED = "canceled"
    ERROR_ABORT = "error abort"


class Context(StrEnum):
    """Delivery context of a basal rate (IDS 1.0.2, 3.6.2.6)."""

    DEVICE = "device"
    REMOTE_CONTROL = "remote control"
    AP_CONTROLLER = "AP controller"


class AnnunciationType(StrEnum):
    """Annunciations that the pump raises, section 9."""

    RESERVOIR_LOW = "reservoir low"
    RESERVOIR_EMPTY = "reservoir empty"
    OCCLUSION = "occlusion"
    STALE_CGM = "stale CGM"
    PAUSE_OVER = "pause over"


class AnnunciationStatus(StrEnum):
    """Status of an annunciation, D-831."""

    PENDING = "pending"
    SNOOZED = "snoozed"
    CONFIRMED = "confirmed"


class TimeReason(StrEnum):
    """Why a reference time was recorded, D-906."""

    LOST = "date time loss"
    SET = "set date time"
    PERIODIC = "periodic"
