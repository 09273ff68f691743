"""What the pump shows without being asked: status changed, status, annunciation, features (IDS 1.0.2, 3.2 to 3.5)."""

from __future__ import annotations

from decimal import Decimal

from construct import Struct

from pumpwire.database import ANNUNCIATION_STATUS, FEATURES, STATUS, STATUS_CHANGED
from pumpwire.declare import TO_CLIENT, Example, Message
from pumpwire.enums import (
    AnnunciationStatus,
    AnnunciationStatusFlags,
    AnnunciationType,
    IddFeatureFlags,
    OperationalState,
    StatusChangedFlags,
    StatusFlags,
    TherapyControlState,
)
from pumpwire.fields import Bits, InRange, Int8ul, Int16ul, Int24ul, Present, Sfloat, Word
from pumpwire.numbers import Special

_AUX_REQUIRES = {
    flag: AnnunciationStatusFlags.ANNUNCIATION_PRESENT
    for flag in AnnunciationStatusFlags
    if flag is not AnnunciationStatusFlags.ANNUNCIATION_PRESENT
}

IDD_STATUS_CHANGED = Message(
    "IddStatusChanged", on=STATUS_CHANGED, direction=TO_CLIENT, clause="IDS 1.0.2, 3.2",
    body=Struct("flags" / Bits(Int16ul, StatusChangedFlags)),
    examples=[
        Example(
            "c000",
            flags=StatusChangedFlags.ACTIVE_BOLUS_STATUS_CHANGED | StatusChangedFlags.HISTORY_EVENT_RECORDED,
        )
    ],
    doc="Each bit stays set until Reset Status clears it.",
)  # fmt: skip

IDD_STATUS = Message(
    "IddStatus", on=STATUS, direction=TO_CLIENT, clause="IDS 1.0.2, 3.3",
    body=Struct(
        "therapy_control_state" / Word(Int8ul, TherapyControlState),
        "operational_state" / Word(Int8ul, OperationalState),
        "reservoir_remaining_iu" / InRange(Sfloat(1000, specials=True), 0, 500000) * "IU; NaN without a reservoir",
        "flags" / Bits(Int8ul, StatusFlags),
    ),
    examples=[
        Example(
            "5596c3f701", therapy_control_state=TherapyControlState.RUN, operational_state=OperationalState.READY,
            reservoir_remaining_iu=Decimal("198.7"), flags=StatusFlags.RESERVOIR_ATTACHED,
        ),
        Example(
            "3366ff0700", therapy_control_state=TherapyControlState.STOP, operational_state=OperationalState.WAITING,
            reservoir_remaining_iu=Special.NAN, flags=StatusFlags(0),
        ),
    ],
)  # fmt: skip

IDD_ANNUNCIATION_STATUS = Message(
    "IddAnnunciationStatus", on=ANNUNCIATION_STATUS, direction=TO_CLIENT, clause="IDS 1.0.2, 3.4",
    body=Struct(
        "flags" / Bits(Int8ul, AnnunciationStatusFlags, requires=_AUX_REQUIRES),
        "annunciation_id" / Present(AnnunciationStatusFlags.ANNUNCIATION_PRESENT, Int16ul),
        "annunciation_type"
        / Present(AnnunciationStatusFlags.ANNUNCIATION_PRESENT, Word(Int16ul, AnnunciationType)),
        "annunciation_status"
        / Present(AnnunciationStatusFlags.ANNUNCIATION_PRESENT, Word(Int8ul, AnnunciationStatus)),
        "aux1" / Present(AnnunciationStatusFlags.AUX1_PRESENT, Int16ul),
        "aux2" / Present(AnnunciationStatusFlags.AUX2_PRESENT, Int16ul),
        "aux3" / Present(AnnunciationStatusFlags.AUX3_PRESENT, Int16ul),
        "aux4" / Present(AnnunciationStatusFlags.AUX4_PRESENT, Int16ul),
        "aux5" / Present(AnnunciationStatusFlags.AUX5_PRESENT, Int16ul),
    ),
    examples=[
        Example("00", flags=AnnunciationStatusFlags(0)),
        Example(
            "0107003c0033", flags=AnnunciationStatusFlags.ANNUNCIATION_PRESENT, annunciation_id=7,
            annunciation_type=AnnunciationType.OCCLUSION_DETECTED, annunciation_status=AnnunciationStatus.PENDING,
        ),
        Example(
            "0308000ff033" + "1900",
            flags=AnnunciationStatusFlags.ANNUNCIATION_PRESENT | AnnunciationStatusFlags.AUX1_PRESENT,
            annunciation_id=8, annunciation_type=AnnunciationType.CGM_STALE,
            annunciation_status=AnnunciationStatus.PENDING, aux1=25,
        ),
    ],
    doc="One active annunciation of the pump's choice; a confirmed one is no longer shown.",
)  # fmt: skip

IDD_FEATURES = Message(
    "IddFeatures", on=FEATURES, direction=TO_CLIENT, clause="IDS 1.0.2, 3.5",
    body=Struct(
        "insulin_concentration_iu_per_ml" / InRange(Sfloat(1000), 0, 500000),
        "flags" / Bits(Int24ul, IddFeatureFlags),
    ),
    examples=[
        Example(
            "6400" + "278400", insulin_concentration_iu_per_ml=Decimal(100),
            flags=IddFeatureFlags.E2E_PROTECTION | IddFeatureFlags.BASAL_RATE | IddFeatureFlags.TBR_ABSOLUTE
            | IddFeatureFlags.FAST_BOLUS | IddFeatureFlags.BOLUS_ACTIVATION_TYPE | IddFeatureFlags.INSULIN_ON_BOARD,
        )
    ],
    doc="Does not change while a connection lasts.",
)  # fmt: skip
