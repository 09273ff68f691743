"""The parts of a scenario: times, amounts, pump and controller settings, commands, faults, expectations.

Limits here are those of the format and of the bench. A command that the pump must refuse is a legal part of a
scenario, as long as the wire can carry it.
"""

from __future__ import annotations

import re
from datetime import datetime, time
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, model_validator

from pumprig.checks import CHECKS

SFLOAT_MANTISSA_MAX = 2045
MINUTES_OF_DAY = 1440
BLOCKS_MAX = 24
NUMBER_END = 10**6
START_ALLOWED = "must be hours since the first reading, or a time such as 2026-03-04T06:00:00"


def _seconds(value: Any) -> Any:
    if isinstance(value, time) and not value.microsecond:
        return value.hour * 3600 + value.minute * 60 + value.second
    match = re.fullmatch(r"(\d{1,4}):([0-5]\d):([0-5]\d)", value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("must be hours, minutes and whole seconds since the run began, such as 01:30:00")
    return int(match[1]) * 3600 + int(match[2]) * 60 + int(match[3])


def clock_text(seconds: int) -> str:
    """Seconds as `hh:mm:ss`."""
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def _decimal(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        raise ValueError("must be a number")
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise ValueError("must be a number") from None
    if not number.is_finite() or not 0 <= number < NUMBER_END:
        raise ValueError("must be a number from 0 to 999999")
    return number


def _on_the_wire(number: Decimal) -> Decimal:
    digits = number.normalize().as_tuple()
    mantissa = int("".join(map(str, digits.digits)))
    # Trailing zeros of the mantissa went into the exponent, so this is the shortest form an SFLOAT could take.
    if mantissa > SFLOAT_MANTISSA_MAX or not -8 <= int(digits.exponent) <= 7:
        near = " and ".join(f"{value:f}" for value in _nearest_on_the_wire(number))
        raise ValueError(f"{number:f} cannot be sent, it has too many digits; the nearest that can: {near}")
    return number


# The next smaller and the next greater number that an SFLOAT holds, in whole thousandths.
def _nearest_on_the_wire(number: Decimal) -> list[Decimal]:
    smaller, greater = [], []
    for exponent in range(-3, 6):
        step = Decimal(10) ** exponent
        whole = int(number / step)
        smaller.append(min(whole, SFLOAT_MANTISSA_MAX) * step)
        if whole < SFLOAT_MANTISSA_MAX:
            greater.append((whole + 1) * step)
    return [value.normalize() for value in (max(smaller), min(greater)) if value < NUMBER_END]


def _whole_mu(number: Decimal) -> Decimal:
    if number * 1000 % 1:
        raise ValueError(f"{number} is no whole number of milliunits")
    return number


def _hours(value: Any) -> Any:
    return float(value) if isinstance(value, int | Decimal) and not isinstance(value, bool) else value


def _start(value: Any) -> Any:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise ValueError(START_ALLOWED) from None
    return _hours(value)


def _known_century(value: datetime) -> datetime:
    if not 1583 <= value.year <= 9990:
        raise ValueError("must be a year from 1583 to 9990")
    return value


def _without_zone(value: datetime) -> datetime:
    if value.tzinfo is not None:
        raise ValueError("must be a local time without a zone")
    return value.replace(microsecond=0)


def seconds_problem(value: Any) -> str:
    """What is wrong with the time of a command or fault; empty when nothing is."""
    try:
        _seconds(value)
    except ValueError as error:
        return str(error)
    return ""


Seconds = Annotated[int, BeforeValidator(_seconds), PlainSerializer(clock_text, return_type=str)]
Amount = Annotated[Decimal, BeforeValidator(lambda value: _whole_mu(_decimal(value)))]
WireAmount = Annotated[Decimal, BeforeValidator(lambda value: _on_the_wire(_decimal(value)))]
SettingAmount = Annotated[Decimal, BeforeValidator(lambda value: _whole_mu(_on_the_wire(_decimal(value))))]
Hours = Annotated[float, BeforeValidator(_hours), Field(gt=0, le=8784)]
Start = Annotated[float | datetime, BeforeValidator(_start)]


class Part(BaseModel):
    """A part of a scenario: no unknown field, no silent conversion, never changed."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, populate_by_name=True)


class BasalBlock(Part):
    """One block of a basal profile (D-201)."""

    duration_minutes: Annotated[int, Field(ge=1, le=MINUTES_OF_DAY)]
    rate_iu_per_h: SettingAmount


def _whole_day(blocks: list[BasalBlock]) -> list[BasalBlock]:
    total = sum(block.duration_minutes for block in blocks)
    if total != MINUTES_OF_DAY:
        raise ValueError(f"the blocks last {total} minutes together, a day has {MINUTES_OF_DAY}")
    return blocks


BasalProfile = Annotated[list[BasalBlock], Field(min_length=1, max_length=BLOCKS_MAX), AfterValidator(_whole_day)]


class PumpSettings(Part):
    """What the pump is set to before the run begins."""

    basal_profile: BasalProfile = [
        BasalBlock(duration_minutes=240, rate_iu_per_h=Decimal("0.75")),
        BasalBlock(duration_minutes=240, rate_iu_per_h=Decimal("1.05")),
        BasalBlock(duration_minutes=240, rate_iu_per_h=Decimal("0.9")),
        BasalBlock(duration_minutes=360, rate_iu_per_h=Decimal("0.8")),
        BasalBlock(duration_minutes=360, rate_iu_per_h=Decimal("0.95")),
    ]
    max_bolus_iu: SettingAmount = Decimal(10)
    reservoir_iu: Amount = Decimal(300)


class WrittenSettings(Part):
    """Controller settings as the wire can carry them: each in its range, whether they agree or not."""

    suspend_predicted_mg_dl: Annotated[int, Field(ge=60, le=120)] = 80
    suspend_now_mg_dl: Annotated[int, Field(ge=50, le=100)] = 70
    horizon_minutes: Annotated[int, Field(ge=10, le=60)] = 30
    suspend_limit_minutes: Annotated[int, Field(ge=5, le=240)] = 120
    limit_window_minutes: Annotated[int, Field(ge=5, le=480)] = 150
    stale_minutes: Annotated[int, Field(ge=5, le=60)] = 15
    lockout_minutes: Annotated[int, Field(ge=0, le=240)] = 30
    dia_minutes: Annotated[int, Field(ge=180, le=480)] = 300
    peak_minutes: Annotated[int, Field(ge=35, le=120)] = 75


class ControllerSettings(WrittenSettings):
    """Parameters of the on-pump controller: names and ranges of the dosing specification, section 10."""

    @model_validator(mode="after")
    def _judge(self) -> ControllerSettings:
        if self.suspend_limit_minutes > self.limit_window_minutes:
            raise ValueError("suspend_limit_minutes may not exceed limit_window_minutes (D-616)")
        if 5 * self.peak_minutes > 2 * self.dia_minutes:
            raise ValueError("peak_minutes may not exceed two fifths of dia_minutes (D-616)")
        return self


class _At(Part):
    at: Seconds


class SetTbr(_At):
    """Set TBR Adjustment, absolute."""

    kind: Literal["set_tbr"] = "set_tbr"
    rate_iu_per_h: SettingAmount
    duration_minutes: Annotated[int, Field(ge=1, le=MINUTES_OF_DAY)]
    change: bool = False


class CancelTbr(_At):
    """Cancel TBR Adjustment."""

    kind: Literal["cancel_tbr"] = "cancel_tbr"


class SetBolus(_At):
    """Set Bolus, fast."""

    kind: Literal["set_bolus"] = "set_bolus"
    amount_iu: SettingAmount


class CancelBolus(_At):
    """Cancel Bolus; without an ID the newest one."""

    kind: Literal["cancel_bolus"] = "cancel_bolus"
    bolus_id: Annotated[int, Field(ge=0, le=65535)] | None = None


class SetMaxBolus(_At):
    """Set Max Bolus Amount."""

    kind: Literal["set_max_bolus"] = "set_max_bolus"
    amount_iu: SettingAmount


class SetTherapyState(_At):
    """Set Therapy Control State."""

    kind: Literal["set_therapy_state"] = "set_therapy_state"
    state: Literal["run", "pause", "stop"]


class SetClock(_At):
    """A write of Current Time: the pump's wall clock."""

    kind: Literal["set_clock"] = "set_clock"
    to: Annotated[datetime, AfterValidator(_without_zone), AfterValidator(_known_century)]


class ConfirmAnnunciation(_At):
    """Confirm Annunciation; without an ID the one that the pump shows."""

    kind: Literal["confirm_annunciation"] = "confirm_annunciation"
    annunciation_id: Annotated[int, Field(ge=0, le=65535)] | None = None


class SnoozeAnnunciation(_At):
    """Snooze Annunciation; without an ID the one that the pump shows."""

    kind: Literal["snooze_annunciation"] = "snooze_annunciation"
    annunciation_id: Annotated[int, Field(ge=0, le=65535)] | None = None


class WriteBasalProfile(_At):
    """Write Basal Rate Template: all blocks of one template; the pump refuses blocks that make no day."""

    kind: Literal["write_basal_profile"] = "write_basal_profile"
    template_number: Annotated[int, Field(ge=1, le=255)] = 1
    basal_profile: Annotated[list[BasalBlock], Field(min_length=1, max_length=255)]


class ActivateBasalProfile(_At):
    """Activate Profile Templates: one basal rate template."""

    kind: Literal["activate_basal_profile"] = "activate_basal_profile"
    template_number: Annotated[int, Field(ge=1, le=255)] = 1


class ResetBasalProfile(_At):
    """Reset Template Status: one basal rate template."""

    kind: Literal["reset_basal_profile"] = "reset_basal_profile"
    template_number: Annotated[int, Field(ge=1, le=255)] = 1


class SetController(_At):
    """A write of the controller's settings (D-616); the pump refuses settings that do not agree."""

    kind: Literal["set_controller"] = "set_controller"
    controller: Literal["manual", "plgs"]
    settings: WrittenSettings = WrittenSettings()


Command = Annotated[
    SetTbr
    | CancelTbr
    | SetBolus
    | CancelBolus
    | SetMaxBolus
    | SetTherapyState
    | SetClock
    | ConfirmAnnunciation
    | SnoozeAnnunciation
    | WriteBasalProfile
    | ActivateBasalProfile
    | ResetBasalProfile
    | SetController,
    Field(discriminator="kind"),
]


class Occlusion(_At):
    """The line is blocked, or free again."""

    kind: Literal["occlusion"] = "occlusion"
    on: bool


class ReservoirLevel(_At):
    """The reservoir holds this much from now on."""

    kind: Literal["reservoir_level"] = "reservoir_level"
    amount_iu: Amount


class ReservoirDetached(_At):
    """The reservoir is taken out, or put back."""

    kind: Literal["reservoir_detached"] = "reservoir_detached"
    on: bool


class CgmLate(_At):
    """The next sample measured at this time or later arrives late."""

    kind: Literal["cgm_late"] = "cgm_late"
    by_minutes: Annotated[int, Field(ge=1, le=MINUTES_OF_DAY)]


class CgmDrop(_At):
    """Samples measured from this time on, for so long, never arrive."""

    kind: Literal["cgm_drop"] = "cgm_drop"
    for_minutes: Annotated[int, Field(ge=1, le=65535)]


class CgmDuplicate(_At):
    """The next sample measured at this time or later arrives twice, a second apart."""

    kind: Literal["cgm_duplicate"] = "cgm_duplicate"


SensorStatus = Literal[
    "session_stopped", "device_battery_low", "sensor_type_incorrect", "sensor_malfunction", "device_specific_alert",
    "general_device_fault",
]  # fmt: skip


class CgmSample(_At):
    """A sample beside those of the trace, at any second and of any time; without glucose it holds no measurement."""

    kind: Literal["cgm_sample"] = "cgm_sample"
    offset_minutes: Annotated[int, Field(ge=0, le=65535)]
    glucose_mg_dl: WireAmount | None = None
    status: list[SensorStatus] = []


class BearerDown(_At):
    """The connection is closed for so long. Samples of that time are lost."""

    kind: Literal["bearer_down"] = "bearer_down"
    for_seconds: Annotated[int, Field(ge=1, le=7 * 86400)]


class RepeatCommand(_At):
    """The newest command comes a second time, octet for octet, and must be refused (D-405)."""

    kind: Literal["repeat_command"] = "repeat_command"


Fault = Annotated[
    Occlusion
    | ReservoirLevel
    | ReservoirDetached
    | CgmLate
    | CgmDrop
    | CgmDuplicate
    | CgmSample
    | BearerDown
    | RepeatCommand,
    Field(discriminator="kind"),
]


class Expect(Part):
    """What must come out besides the rules. A field that is left out is not judged.

    Attributes:
        verdict: the run's verdict; a run that must not pass and does is a FAIL.
        basal_iu: basal insulin delivered, exactly.
        bolus_iu: bolus insulin delivered, exactly.
        suspensions_at_least: number of plgs suspensions.
        violations: violations of each named check, exactly; a check that is not named is not judged.
    """

    verdict: Literal["PASS", "FAIL", "ERROR", "INCONCLUSIVE"] = "PASS"
    basal_iu: Amount | None = None
    bolus_iu: Amount | None = None
    suspensions_at_least: Annotated[int, Field(ge=0)] | None = None
    violations: dict[str, Annotated[int, Field(ge=0)]] = {}

    @model_validator(mode="after")
    def _judge(self) -> Expect:
        for check in self.violations:
            if check not in CHECKS:
                raise ValueError(f"violations: no check is called {check}; allowed: {', '.join(CHECKS)}")
        return self
