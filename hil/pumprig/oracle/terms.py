"""The words of DOSING.md that the oracle answers with, as enumerations whose values read as in the text."""

from __future__ import annotations

from enum import StrEnum

__all__ = [
    "ATT_OK",
    "ATT_VALUE_REFUSED",
    "INVALID_OPERAND",
    "LOOPED",
    "NOT_APPLICABLE",
    "NOT_COMPLETED",
    "NO_RECORDS",
    "OPCODE_NOT_SUPPORTED",
    "OUT_OF_RANGE",
    "PLAUSIBILITY",
    "RACP_NOT_APPLICABLE",
    "RACP_SUCCESS",
    "SUCCESS",
    "TOO_MANY_BOLUSES",
    "Action",
    "Activation",
    "AnnunciationStatus",
    "AnnunciationType",
    "BolusType",
    "Context",
    "Controller",
    "CounterType",
    "EndReason",
    "OperationalState",
    "PrimingReason",
    "Reason",
    "Selection",
    "TbrType",
    "TemplateKind",
    "TherapyState",
    "TimeReason",
]

# Response codes of the IDS control points (IDS 1.0.2, 3.6.2 and 3.7.2), of its record access control point (3.9), and
# the two ATT outcomes of a plain write.
SUCCESS = 0x0F
OPCODE_NOT_SUPPORTED = 0x70
INVALID_OPERAND = 0x71
NOT_COMPLETED = 0x72
OUT_OF_RANGE = 0x73
NOT_APPLICABLE = 0x74
PLAUSIBILITY = 0x75
TOO_MANY_BOLUSES = 0x76
RACP_SUCCESS = 0xF0
NO_RECORDS = 0x06
RACP_NOT_APPLICABLE = 0x0A
ATT_OK = 0x00
ATT_VALUE_REFUSED = 0xFF


class TherapyState(StrEnum):
    """Therapy control state, D-501."""

    UNDETERMINED = "undetermined"
    STOP = "stop"
    PAUSE = "pause"
    RUN = "run"


class OperationalState(StrEnum):
    """Operational state, D-511."""

    PRIMING = "priming"
    READY = "ready"


class TbrType(StrEnum):
    """What the value of a TBR is, D-301: a rate, or a factor of the profile's."""

    ABSOLUTE = "absolute"
    RELATIVE = "relative"


class BolusType(StrEnum):
    """How a bolus is spread, D-401."""

    FAST = "fast"
    EXTENDED = "extended"
    MULTIWAVE = "multiwave"


class Activation(StrEnum):
    """Who decided on a bolus (IDS 1.0.2, 3.6.2)."""

    UNDETERMINED = "undetermined"
    MANUAL = "manual"
    RECOMMENDED = "recommended"
    CHANGED = "manually changed recommended"
    COMMANDED = "commanded"


class TemplateKind(StrEnum):
    """What a template holds, D-204, D-307, D-412, D-910."""

    BASAL = "basal"
    TBR = "tbr"
    BOLUS = "bolus"
    ISF = "isf"
    ICHO = "icho"
    TARGET = "target"


class Selection(StrEnum):
    """Which amounts of an active bolus are asked for, D-415."""

    PROGRAMMED = "programmed"
    REMAINING = "remaining"
    DELIVERED = "delivered"


class CounterType(StrEnum):
    """What a counter counts, D-514."""

    LIFETIME = "lifetime"
    WARRANTY = "warranty"
    LOANER = "loaner"
    OPERATION_TIME = "reservoir insulin operation time"


class Controller(StrEnum):
    """Which controller runs on the pump, D-615."""

    MANUAL = "manual"
    PLGS = "plgs"
    OREF = "oref"
    OWN = "own"


LOOPED = (Controller.OREF, Controller.OWN)
"""The controllers that close the loop, D-1101."""


class Action(StrEnum):
    """What a decision does, D-615."""

    NONE = "none"
    KEEP = "keep"
    SUSPEND = "suspend"
    RESUME = "resume"
    SET_TBR = "set TBR"
    CANCEL_TBR = "cancel TBR"


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
    CONTROLLER_RULE = "controller rule"
    NOT_CONFIGURED = "not configured"
    IOB_UNKNOWN = "IOB unknown"


class EndReason(StrEnum):
    """Why a bolus or a TBR ended (IDS 1.0.2, history events 0x0096 and 0x00AA)."""

    DELIVERED = "programmed amount delivered"
    DURATION_OVER = "duration over"
    CANCELED = "canceled"
    ERROR_ABORT = "error abort"


class PrimingReason(StrEnum):
    """Why a priming ended, D-511 and D-512."""

    USER = "aborted by user"
    REACHED = "amount reached"
    ERROR_ABORT = "error abort"


class Context(StrEnum):
    """Delivery context of a basal rate (IDS 1.0.2, 3.6.2.6)."""

    DEVICE = "device"
    REMOTE_CONTROL = "remote control"
    AP_CONTROLLER = "AP controller"


class AnnunciationType(StrEnum):
    """Annunciations of section 9, and all that the emulator service may raise (D-842)."""

    SYSTEM_ISSUE = "system issue"
    MECHANICAL_ISSUE = "mechanical issue"
    OCCLUSION = "occlusion"
    RESERVOIR_ISSUE = "reservoir issue"
    RESERVOIR_EMPTY = "reservoir empty"
    RESERVOIR_LOW = "reservoir low"
    PRIMING_ISSUE = "priming issue"
    INFUSION_SET_INCOMPLETE = "infusion set incomplete"
    INFUSION_SET_DETACHED = "infusion set detached"
    POWER_SOURCE_INSUFFICIENT = "power source insufficient"
    BATTERY_EMPTY = "battery empty"
    BATTERY_LOW = "battery low"
    BATTERY_MEDIUM = "battery medium"
    BATTERY_FULL = "battery full"
    TEMPERATURE_OUT_OF_RANGE = "temperature out of range"
    AIR_PRESSURE_OUT_OF_RANGE = "air pressure out of range"
    BOLUS_CANCELED = "bolus canceled"
    TBR_OVER = "TBR over"
    TBR_CANCELED = "TBR canceled"
    MAX_DELIVERY = "max delivery"
    DATE_TIME_ISSUE = "date time issue"
    TEMPERATURE = "temperature"
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
