"""The history records that the rules give: each expected event with the records, and fields, that it must leave."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

from pumprig.oracle import events as expected
from pumprig.oracle import terms
from pumpwire.enums import (
    AnnunciationEvent1Flags,
    AnnunciationEvent2Flags,
    AnnunciationStatus,
    AnnunciationType,
    AskedBy,
    BasalRateChangedFlags,
    BolusActivationType,
    BolusDeliveredFlags,
    BolusEndReason,
    BolusFlags,
    BolusTemplateFlags,
    BolusType,
    DeliveryContext,
    DstOffset,
    OperationalState,
    PrimingDoneFlags,
    PrimingEndReason,
    ProfileTemplateType,
    RecordingReason,
    TbrEndedFlags,
    TbrEndReason,
    TbrEventFlags,
    TbrType,
    TherapyControlState,
    TotalDailyInsulinFlags,
)
from pumpwire.numbers import Special, toward_zero

__all__ = ["ANNUNCIATION_TYPES", "Within", "records_of"]

# As the wire writes it: what sets the clock says nothing of a time zone.
_ZONE_UNKNOWN = -128

Records = Iterator[tuple[str, dict[str, Any]]]

# The specification's own words, where they are not the wire's.
_OTHER_NAMES = {"OCCLUSION": "OCCLUSION_DETECTED", "STALE_CGM": "CGM_STALE"}
ANNUNCIATION_TYPES = {
    str(kind): AnnunciationType[_OTHER_NAMES.get(kind.name, kind.name)] for kind in terms.AnnunciationType
}
"""Types of annunciations, by the oracle's word."""

_TIME_REASONS = {
    "date time loss": RecordingReason.DATE_TIME_LOSS,
    "set date time": RecordingReason.SET_DATE_TIME,
    "periodic": RecordingReason.PERIODIC,
}
_PROFILE_TYPES = {
    "basal": ProfileTemplateType.BASAL_RATE,
    "isf": ProfileTemplateType.ISF,
    "icho": ProfileTemplateType.ICHO_RATIO,
    "target": ProfileTemplateType.TARGET_GLUCOSE_RANGE,
}


def _iu(milliunits: int) -> Decimal:
    return toward_zero(Decimal(milliunits) / 1000)


def _tenths(value: int) -> Decimal:
    return toward_zero(Decimal(value) / 10)


def _word(text: str) -> str:
    return text.upper().replace(" ", "_")


def _reference(event: expected.ReferenceTime) -> Records:
    wall = event.wall
    yield "HistoryReferenceTime", {
        "recording_reason": _TIME_REASONS[event.reason],
        "year": wall.year, "month": wall.month, "day": wall.day,
        "hour": wall.hour, "minute": wall.minute, "second": wall.second,
        "time_zone_quarter_hours": _ZONE_UNKNOWN, "dst_offset": DstOffset.UNKNOWN,
    }  # fmt: skip


def _therapy(event: expected.TherapyChanged) -> Records:
    yield (
        "HistoryTherapyControlStateChanged",
        {
            "old_therapy_control_state": TherapyControlState[_word(event.old)],
            "new_therapy_control_state": TherapyControlState[_word(event.new)],
        },
    )


def _operational(event: expected.OperationalChanged) -> Records:
    yield (
        "HistoryOperationalStateChanged",
        {
            "old_operational_state": OperationalState[_word(event.old)],
            "new_operational_state": OperationalState[_word(event.new)],
        },
    )


def _basal(event: expected.BasalChanged) -> Records:
    yield (
        "HistoryDeliveredBasalRateChanged",
        {
            "flags": BasalRateChangedFlags.CONTEXT_PRESENT,
            "old_rate_iu_per_h": _iu(event.old_mu_per_h),
            "new_rate_iu_per_h": _iu(event.new_mu_per_h),
            "context": DeliveryContext[_word(event.context)],
        },
    )


def _tbr_set(event: expected.TbrStarted | expected.TbrChanged) -> dict[str, Any]:
    return {
        "flags": TbrEventFlags.TEMPLATE_NUMBER_PRESENT if event.template else TbrEventFlags(0),
        "tbr_type": TbrType[_word(event.tbr_type)], "value": _iu(event.value),
        "duration_minutes": event.duration_minutes, "template_number": event.template or None,
    }  # fmt: skip


def _tbr_started(event: expected.TbrStarted) -> Records:
    yield "HistoryTbrStarted", _tbr_set(event)


def _tbr_changed(event: expected.TbrChanged) -> Records:
    yield "HistoryTbrChanged", _tbr_set(event) | {"elapsed_minutes": event.elapsed_minutes}


def _tbr_ended(event: expected.TbrEnded) -> Records:
    flags = TbrEndedFlags.TEMPLATE_NUMBER_PRESENT if event.template else TbrEndedFlags(0)
    if event.annunciation_id is not None:
        flags |= TbrEndedFlags.ANNUNCIATION_ID_PRESENT
    yield "HistoryTbrEnded", {
        "flags": flags, "tbr_type": TbrType[_word(event.tbr_type)],
        "effective_duration_minutes": event.effective_minutes, "tbr_end_reason": TbrEndReason[_word(event.reason)],
        "template_number": event.template or None, "annunciation_id": event.annunciation_id,
    }  # fmt: skip


def _activation(word: str | None) -> BolusActivationType | None:
    return None if word is None else BolusActivationType[_word(word)]


def _bolus_started(event: expected.BolusStarted) -> Records:
    yield "HistoryBolusProgrammed1", {
        "bolus_id": event.bolus_id, "bolus_type": BolusType[_word(event.bolus_type)],
        "fast_amount_iu": _iu(event.fast_mu), "extended_amount_iu": _iu(event.extended_mu),
        "duration_minutes": event.duration_minutes,
    }  # fmt: skip
    flags = BolusFlags(0)
    for reason in event.reasons:
        flags |= BolusFlags[f"REASON_{_word(reason)}"]
    for flag, given in (
        (BolusFlags.DELAY_PRESENT, event.delay_minutes is not None),
        (BolusFlags.TEMPLATE_NUMBER_PRESENT, event.template != 0),
        (BolusFlags.ACTIVATION_TYPE_PRESENT, event.activation is not None),
    ):
        if given:
            flags |= flag
    yield "HistoryBolusProgrammed2", {
        "flags": flags, "delay_minutes": event.delay_minutes, "template_number": event.template or None,
        "activation_type": _activation(event.activation),
    }  # fmt: skip


def _bolus_ended(event: expected.BolusEnded) -> Records:
    yield "HistoryBolusDelivered1", {
        "bolus_id": event.bolus_id, "bolus_type": BolusType[_word(event.bolus_type)],
        "fast_delivered_iu": _iu(event.fast_mu), "extended_delivered_iu": _iu(event.extended_mu),
        "effective_duration_minutes": event.effective_minutes,
    }  # fmt: skip
    flags = BolusDeliveredFlags.END_REASON_PRESENT
    if event.activation is not None:
        flags |= BolusDeliveredFlags.ACTIVATION_TYPE_PRESENT
    if event.annunciation_id is not None:
        flags |= BolusDeliveredFlags.ANNUNCIATION_ID_PRESENT
    yield "HistoryBolusDelivered2", {
        "flags": flags, "start_offset_s": event.start_offset_s, "activation_type": _activation(event.activation),
        "bolus_end_reason": BolusEndReason[_word(event.reason)], "annunciation_id": event.annunciation_id,
    }  # fmt: skip


def _calculated(event: expected.BolusCalculated) -> Records:
    names = ("fast_meal", "fast_correction", "extended_meal", "extended_correction")
    for part, amounts in enumerate((event.recommended, event.confirmed), 1):
        yield (
            f"HistoryBolusCalculated{part}",
            {f"{name}_amount_iu": _iu(amount) for name, amount in zip(names, amounts, strict=True)},
        )


def _activated(event: expected.ProfileActivated) -> Records:
    yield "HistoryProfileTemplateActivated", {
        "profile_template_type": _PROFILE_TYPES[event.kind],
        "old_template_number": event.old, "new_template_number": event.new,
    }  # fmt: skip


def _block_of(event: expected.BlockChanged, **values: Decimal) -> dict[str, Any]:
    return {
        "template_number": event.template, "block_number": event.block, "duration_minutes": event.duration_minutes,
        **values,
    }  # fmt: skip


def _basal_block(event: expected.BlockChanged) -> Records:
    yield "HistoryBasalBlockChanged", _block_of(event, rate_iu_per_h=_iu(event.value))


def _isf_block(event: expected.IsfBlockChanged) -> Records:
    yield "HistoryIsfBlockChanged", _block_of(event, isf_mg_dl_per_iu=_tenths(event.value))


def _icho_block(event: expected.IchoBlockChanged) -> Records:
    yield "HistoryIchoRatioBlockChanged", _block_of(event, icho_ratio_g_per_iu=_tenths(event.value))


def _target_block(event: expected.TargetBlockChanged) -> Records:
    yield (
        "HistoryTargetGlucoseRangeBlockChanged",
        _block_of(event, target_low_mg_dl=_tenths(event.value), target_high_mg_dl=_tenths(event.high)),
    )


def _tbr_template(event: expected.TbrTemplateChanged) -> Records:
    yield "HistoryTbrTemplateChanged", {
        "template_number": event.template, "tbr_type": TbrType[_word(event.tbr_type)], "value": _iu(event.value),
        "duration_minutes": event.duration_minutes,
    }  # fmt: skip


def _bolus_template(event: expected.BolusTemplateChanged) -> Records:
    yield "HistoryBolusTemplateChanged1", {
        "template_number": event.template, "bolus_type": BolusType[_word(event.bolus_type)],
        "fast_amount_iu": _iu(event.fast_mu), "extended_amount_iu": _iu(event.extended_mu),
        "duration_minutes": event.duration_minutes,
    }  # fmt: skip
    flags = BolusTemplateFlags(0) if event.delay_minutes is None else BolusTemplateFlags.DELAY_PRESENT
    for reason in event.reasons:
        flags |= BolusTemplateFlags[f"REASON_{_word(reason)}"]
    yield "HistoryBolusTemplateChanged2", {"flags": flags, "delay_minutes": event.delay_minutes}


def _priming_started(event: expected.PrimingStarted) -> Records:
    yield "HistoryPrimingStarted", {"priming_amount_iu": _iu(event.amount_mu)}


def _priming_done(event: expected.PrimingDone) -> Records:
    named = event.annunciation_id is not None
    yield "HistoryPrimingDone", {
        "flags": PrimingDoneFlags.ANNUNCIATION_ID_PRESENT if named else PrimingDoneFlags(0),
        "priming_delivered_iu": _iu(event.delivered_mu), "priming_end_reason": PrimingEndReason[_word(event.reason)],
        "annunciation_id": event.annunciation_id,
    }  # fmt: skip


def _settings(event: expected.SettingsWritten) -> Records:
    yield "HistoryPointerEvent", {}


def _max_bolus(event: expected.MaxBolusChanged) -> Records:
    yield "HistoryMaxBolusChanged", {"old_max_bolus_iu": _iu(event.old_mu), "new_max_bolus_iu": _iu(event.new_mu)}


def _reservoir(event: expected.ReservoirChanged) -> Records:
    remaining = Special.NAN if event.remaining_mu is None else _iu(event.remaining_mu)
    yield "HistoryReservoirRemainingChanged", {"reservoir_remaining_iu": remaining}


class Within(int):
    """A whole number that a pump may tell a little differently."""

    doubt: float

    def __new__(cls, value: int, doubt: float) -> Within:
        """Take a number and how far the pump may be from it."""
        made = super().__new__(cls, value)
        made.doubt = doubt
        return made

    def holds(self, other: object) -> bool:
        """Whether another number is near enough; both were rounded down."""
        return isinstance(other, int) and abs(other - self) <= self.doubt + 1


def _guardrail(event: expected.GuardrailHeld) -> Records:
    yield "HistoryGuardrailEvent", {
        "guardrail": event.guardrail, "asked_by": AskedBy[_word(event.asked_by)],
        "asked": Within(event.asked, event.doubt_mu) if event.doubt_mu else event.asked, "allowed": event.allowed,
    }  # fmt: skip


def _carbs(event: expected.CarbsAnnounced) -> Records:
    yield "HistoryCarbsEvent", {"carbs_g": event.carbs_g, "minutes_ago": event.minutes_ago}


def _annunciation(event: expected.Annunciation) -> Records:
    yield "HistoryAnnunciationStatusChanged1", {
        "flags": AnnunciationEvent1Flags(0), "annunciation_id": event.annunciation_id,
        "annunciation_type": ANNUNCIATION_TYPES[event.type],
        "annunciation_status": AnnunciationStatus[_word(event.status)], "aux1": None, "aux2": None,
    }  # fmt: skip
    yield (
        "HistoryAnnunciationStatusChanged2",
        {"flags": AnnunciationEvent2Flags(0), "aux3": None, "aux4": None, "aux5": None},
    )


def _daily(event: expected.DailyInsulin) -> Records:
    yield "HistoryTotalDailyInsulin", {
        "flags": TotalDailyInsulinFlags(event.clock_changed), "bolus_delivered_iu": _iu(event.bolus_mu),
        "basal_delivered_iu": _iu(event.basal_mu), "year": event.day.year, "month": event.day.month,
        "day": event.day.day,
    }  # fmt: skip


_WRITERS: dict[type[expected.Event], Callable[[Any], Records]] = {
    expected.ReferenceTime: _reference,
    expected.TherapyChanged: _therapy,
    expected.OperationalChanged: _operational,
    expected.BasalChanged: _basal,
    expected.TbrStarted: _tbr_started,
    expected.TbrChanged: _tbr_changed,
    expected.TbrEnded: _tbr_ended,
    expected.BolusStarted: _bolus_started,
    expected.BolusEnded: _bolus_ended,
    expected.BolusCalculated: _calculated,
    expected.ProfileActivated: _activated,
    expected.BlockChanged: _basal_block,
    expected.IsfBlockChanged: _isf_block,
    expected.IchoBlockChanged: _icho_block,
    expected.TargetBlockChanged: _target_block,
    expected.TbrTemplateChanged: _tbr_template,
    expected.BolusTemplateChanged: _bolus_template,
    expected.PrimingStarted: _priming_started,
    expected.PrimingDone: _priming_done,
    expected.SettingsWritten: _settings,
    expected.MaxBolusChanged: _max_bolus,
    expected.ReservoirChanged: _reservoir,
    expected.Annunciation: _annunciation,
    expected.GuardrailHeld: _guardrail,
    expected.CarbsAnnounced: _carbs,
    expected.DailyInsulin: _daily,
}


def records_of(event: expected.Event) -> Records:
    """The history records that an event must leave: name, and every field; None for one that must not be there."""
    return _WRITERS[type(event)](event)
