"""oref0's input keys: where each goes in controller oref, and what may stand there (DOSING.md, D-1001)."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pumprig.errors import UsageError

__all__ = ["FIELDS", "NOTHING", "Field", "Line"]

NOTHING = math.nan

# No number of insulin, glucose or time left is larger; beyond, sums would end in what is no number.
_LARGEST = 1e6
# Moments up to the year 2100.
_LATEST_MS = 4_102_444_800_000


@dataclass(frozen=True)
class Field:
    """A key of the input and the attribute of the controller that takes it.

    Args:
        key: with its object, as `profile.sens`.
        slot: `holder.attribute` in the firmware.
        flag: it is true or false; otherwise a number.
        required: it may not be left out.
        least, most: bounds.
        absent: what stands for it when it is left out.
        null: null means left out; otherwise null is refused, because oref0 takes it for a zero.
    """

    key: str
    slot: str
    flag: bool = False
    required: bool = False
    least: float = -_LARGEST
    most: float = _LARGEST
    absent: float = NOTHING
    null: bool = False

    @property
    def allowed(self) -> str:
        """What may stand there, in words."""
        if self.flag:
            return "true or false"
        if self.least > -_LARGEST or self.most < _LARGEST:
            return f"a number from {self.least:g} to {self.most:g}"
        return "a number"


def _flag(key: str, slot: str, absent: float = 0.0) -> Field:
    return Field(key, slot, flag=True, absent=absent, null=True)


FIELDS = (
    Field("glucose_status.glucose", "glucose.mg_dl", required=True, least=0, most=1000),
    Field("glucose_status.delta", "glucose.delta", required=True),
    Field("glucose_status.short_avgdelta", "glucose.short_delta", required=True),
    Field("glucose_status.long_avgdelta", "glucose.long_delta", required=True),
    Field("glucose_status.noise", "glucose.noise", null=True),
    Field("currenttemp.rate", "temp.rate", required=True, least=0),
    Field("currenttemp.duration", "temp.minutes", required=True, least=0),
    Field("meal.carbs", "meal.carbs", least=0),
    Field("meal.mealCOB", "meal.cob", least=0),
    Field("meal.slopeFromMaxDeviation", "meal.slope_from_max"),
    Field("meal.slopeFromMinDeviation", "meal.slope_from_min"),
    _flag("meal.bwFound", "meal.bolus_wizard"),
    Field("autosens.ratio", "inputs.autosens_ratio", least=0.1, most=10),
    _flag("microBolusAllowed", "inputs.micro_bolus_allowed"),
    Field("profile.current_basal", "settings.current_basal", required=True, least=0),
    Field("profile.max_basal", "settings.max_basal", required=True, least=0),
    Field("profile.max_daily_basal", "settings.max_daily_basal", required=True, least=0),
    Field("profile.max_iob", "settings.max_iob", required=True),
    Field("profile.sens", "settings.isf", required=True, least=1, most=10000),
    Field("profile.carb_ratio", "settings.carb_ratio", required=True, least=0.1, most=10000),
    Field("profile.min_bg", "settings.min_bg", required=True, least=1, most=1000),
    Field("profile.max_bg", "settings.max_bg", required=True, least=1, most=1000),
    _flag("profile.temptargetSet", "settings.temp_target"),
    _flag("profile.exercise_mode", "settings.exercise_mode"),
    _flag("profile.high_temptarget_raises_sensitivity", "settings.high_target_raises_sensitivity"),
    _flag("profile.low_temptarget_lowers_sensitivity", "settings.low_target_lowers_sensitivity"),
    _flag("profile.sensitivity_raises_target", "settings.sensitivity_raises_target"),
    _flag("profile.resistance_lowers_target", "settings.resistance_lowers_target"),
    Field("profile.half_basal_exercise_target", "settings.half_basal_target", null=True),
    Field("profile.autosens_max", "settings.autosens_ratio_max", least=0.1, most=10),
    Field("profile.noisyCGMTargetMultiplier", "settings.noisy_target_multiplier", least=0.1, most=10),
    Field("profile.max_daily_safety_multiplier", "settings.daily_basal_multiplier", null=True),
    Field("profile.current_basal_safety_multiplier", "settings.current_basal_multiplier", null=True),
    _flag("profile.skip_neutral_temps", "settings.skip_neutral_temps"),
    Field("profile.remainingCarbsCap", "settings.remaining_carbs_cap", null=True),
    Field("profile.remainingCarbsFraction", "settings.remaining_carbs_fraction", null=True),
    Field("profile.carbsReqThreshold", "settings.carbs_required_threshold"),
    _flag("profile.enableUAM", "settings.uam"),
    _flag("profile.enableSMB_always", "settings.smb_always"),
    _flag("profile.enableSMB_with_COB", "settings.smb_with_cob"),
    _flag("profile.enableSMB_after_carbs", "settings.smb_after_carbs"),
    _flag("profile.enableSMB_with_temptarget", "settings.smb_with_low_target"),
    _flag("profile.allowSMB_with_high_temptarget", "settings.smb_with_high_target"),
    _flag("profile.enableSMB_high_bg", "settings.smb_at_high_bg"),
    Field("profile.enableSMB_high_bg_target", "settings.smb_high_bg", null=True),
    _flag("profile.A52_risk_enable", "settings.smb_after_bolus_wizard", absent=1.0),
    Field("profile.maxSMBBasalMinutes", "settings.smb_basal_minutes", least=0),
    Field("profile.maxUAMSMBBasalMinutes", "settings.uam_smb_basal_minutes", null=True, least=0),
    Field("profile.SMBInterval", "settings.smb_interval_minutes", null=True),
    Field("profile.bolus_increment", "settings.bolus_increment", null=True, least=0),
    Field("profile.maxDelta_bg_threshold", "settings.delta_share_max"),
)  # fmt: skip
"""The keys that are numbers or true and false. Times, strings and the IOB array are read apart."""


class Line:
    """A line of the input, whose errors name the line and the key.

    Args:
        number: of the line, from 1.
        data: the object that stands there.
    """

    def __init__(self, number: int, data: Mapping[str, Any]) -> None:
        self.number = number
        self.data = data

    def wrong(self, key: str, what: str, allowed: str = "") -> UsageError:
        """The error about a key."""
        return UsageError(what, where=f"line {self.number}: {key}", allowed=allowed)

    def find(self, key: str) -> Any:
        """The value of a key, None when it is not there. Its object must be one, where there is one."""
        holder: Any = self.data
        *outer, last = key.split(".")
        for depth, name in enumerate(outer):
            holder = holder.get(name)
            if holder is None:
                return None
            if not isinstance(holder, dict):
                raise self.wrong(".".join(outer[: depth + 1]), f"is {shown(holder)}", "an object")
        return holder.get(last)

    def has(self, key: str) -> bool:
        """Whether the key is there, be it with null."""
        *outer, last = key.split(".")
        holder = self.find(".".join(outer)) if outer else self.data
        return isinstance(holder, dict) and last in holder

    def number_of(self, field: Field) -> float:
        """The value of a field as a number."""
        value = self.find(field.key)
        if value is None:
            if field.required or (self.has(field.key) and not field.null):
                what = "is null" if self.has(field.key) else "is missing"
                remedy = field.allowed if field.required else f"{field.allowed}, or no such key"
                raise self.wrong(field.key, what, remedy)
            return field.absent
        if field.flag:
            if not isinstance(value, bool):
                raise self.wrong(field.key, f"is {shown(value)}", field.allowed)
            return float(value)
        number = self.plain_number(field.key, value, field.allowed)
        if not field.least <= number <= field.most:
            raise self.wrong(field.key, f"is {shown(value)}", field.allowed)
        return number

    def plain_number(self, key: str, value: Any, allowed: str = "a number", largest: float = _LARGEST) -> float:
        """A value that must be a number, and not beyond reason."""
        if isinstance(value, bool) or not isinstance(value, int | float) or not -largest <= value <= largest:
            raise self.wrong(key, f"is {shown(value)}", allowed)
        return float(value)

    def time_ms(self, key: str) -> float:
        """A moment, in milliseconds since 1970; NaN when it is not there."""
        value = self.find(key)
        if value is None and self.has(key):
            raise self.wrong(key, "is null", "a moment, or no such key")
        return self.moment_ms(key, value)

    def moment_ms(self, key: str, value: Any) -> float:
        """A value that must be a moment or None, in milliseconds since 1970."""
        allowed = "milliseconds since 1970, or a time as 2018-11-17T08:00:00Z (UTC without a zone)"
        if value is None:
            return NOTHING
        if not isinstance(value, str):
            return self.plain_number(key, value, allowed, _LATEST_MS)
        try:
            at = datetime.fromisoformat(value)
        except ValueError:
            raise self.wrong(key, f"is {shown(value)}", allowed) from None
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        since = at - datetime(1970, 1, 1, tzinfo=UTC)
        return float((since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000)


def shown(value: Any) -> str:
    """A value as it stood in the input, cut short when it is long."""
    text = json.dumps(value, default=repr)
    return text if len(text) <= 40 else text[:37] + "..."
