"""Enumerations and flags of what this pump has of its own: two vendor services and two history events.

`pumpwire.enums` has them too. As in IDS, every value is a word of the extended Hamming code.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag

# fmt: off


class Controller(IntEnum):
    """The controller that runs on the pump."""

    MANUAL = 0x33
    PLGS = 0x3C
    OREF = 0x55
    OWN = 0x5A


class ControllerAction(IntEnum):
    """What the controller decided to do on a sample."""

    NONE = 0x0F
    KEEP = 0x33
    SUSPEND = 0x3C
    RESUME = 0x55
    SET_TBR = 0x5A
    CANCEL_TBR = 0x66


class DecisionReason(IntEnum):
    """Which rule gave the controller's decision."""

    MANUAL = 0x0F
    NO_PREDICTION_KEEP = 0x33
    PREDICTED_LOW = 0x3C
    LOW_NOW = 0x55
    RISING = 0x5A
    NOT_LOW = 0x66
    LIMIT_REACHED = 0x69
    LOCKOUT = 0x96
    STALE = 0x99
    MINIMUM_TIME = 0xA5
    THERAPY_STOPPED = 0xAA
    INVALID_SAMPLE = 0xC3
    CONTROLLER_RULE = 0xCC
    NOT_CONFIGURED = 0xF0
    IOB_UNKNOWN = 0xFF


class PlgsFlags(IntFlag):
    """What a rising glucose does to a suspension of the predictive low glucose suspend."""

    RISING_RESUMES = 1 << 0
    RISING_HOLDS = 1 << 1


class OrefFlags(IntFlag):
    """Switches of the controller oref, as oref0 0.7.1 has them."""

    SKIP_NEUTRAL_TEMPS = 1 << 0
    SMB = 1 << 1
    SMB_ALWAYS = 1 << 2
    SMB_WITH_COB = 1 << 3
    SMB_AFTER_CARBS = 1 << 4
    SMB_WITH_LOW_TARGET = 1 << 5
    SMB_WITH_HIGH_TARGET = 1 << 6
    UAM = 1 << 7
    EXERCISE_MODE = 1 << 8
    HIGH_TARGET_RAISES_SENSITIVITY = 1 << 9
    LOW_TARGET_LOWERS_SENSITIVITY = 1 << 10
    SENSITIVITY_RAISES_TARGET = 1 << 11
    RESISTANCE_LOWERS_TARGET = 1 << 12
    BILINEAR_CURVE = 1 << 13
    SMB_AT_HIGH_BG = 1 << 14


class FlatCgm(IntEnum):
    """What the controller oref takes a glucose for that does not change."""

    DETECTED = 0x33
    IGNORED = 0x3C


class AskedBy(IntEnum):
    """Who asked for what a guardrail refused or limited."""

    DEVICE = 0x33
    CLIENT = 0x3C
    CONTROLLER = 0x55


class TbrKindsFlags(IntFlag):
    """Kinds of TBR that the pump offers to a client."""

    ABSOLUTE = 1 << 0
    RELATIVE = 1 << 1


class ResetCause(IntEnum):
    """Why the board started last."""

    UNDETERMINED = 0x0F
    POWER_ON = 0x33
    HARD = 0x3C
    WATCHDOG = 0x55
    DEEP_SLEEP = 0x5A
    SOFT = 0x66


class PulseSource(IntEnum):
    """What a motor pulse was for: *bolus* is the fast one, *extended* the extended or multiwave one."""

    NONE = 0x0F
    BASAL = 0x33
    BOLUS = 0x3C
    EXTENDED = 0x55
    PRIME = 0x5A


class FaultKind(IntEnum):
    """What of the hardware can be injected into an emulator."""

    OCCLUSION = 0x33
    RESERVOIR_LEVEL = 0x3C
    RESERVOIR_DETACHED = 0x55
    BATTERY_LEVEL = 0x5A
    ANNUNCIATION = 0x66


class RadioState(IntEnum):
    """What the radio of the pump is doing."""

    OFF = 0x33
    ADVERTISING_BONDED = 0x3C
    ADVERTISING = 0x55
    CONNECTED = 0x5A
    ENCRYPTED = 0x66


class RadioStack(IntEnum):
    """The Bluetooth stack of the board."""

    NONE = 0x0F
    NIMBLE = 0x33
    BTSTACK = 0x3C


class RadioFlags(IntFlag):
    """What the radio can do, and how it stands with its peer."""

    AUTHENTICATED_PAIRING = 1 << 0
    LAB_ONLY = 1 << 1
    LAB_ALLOWED = 1 << 2
    PAIRING_LOCKED = 1 << 3
    PEER_AUTHENTICATED = 1 << 4
    PEER_BONDED = 1 << 5


class RadioCommand(IntEnum):
    """What a rig asks of the radio."""

    ALLOW_LAB = 0x33
    FORBID_LAB = 0x3C
    FORGET_BOND = 0x55
    FORGET_ALL_BONDS = 0x5A
    DISCONNECT = 0x66
