"""What the parts of a scenario are made of: times, amounts, blocks of a day, settings of the pump."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, time
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

__all__ = [
    "BLOCKS_SENT_MAX",
    "MINUTES_OF_DAY",
    "START_ALLOWED",
    "Amount",
    "At",
    "BasalBlock",
    "FieldProblem",
    "Hours",
    "IchoBlock",
    "IsfBlock",
    "Part",
    "PumpSettings",
    "Seconds",
    "SettingAmount",
    "Start",
    "TargetBlock",
    "WireAmount",
    "clock_text",
    "known_century",
    "most_on_the_wire",
    "seconds_problem",
    "without_zone",
]

SFLOAT_MANTISSA_MAX = 2045
MINUTES_OF_DAY = 1440
BLOCKS_MAX = 24
BLOCKS_SENT_MAX = 255
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


def most_on_the_wire(number: Decimal) -> Decimal:
    """The greatest number that is no greater, of whole thousandths, and can be sent."""
    return _nearest_on_the_wire(number)[0]


def _whole_mu(number: Decimal) -> Decimal:
    if number * 1000 % 1:
        raise ValueError(f"{number} is no whole number of milliunits")
    return number


def _whole_tenths(number: Decimal) -> Decimal:
    if number * 10 % 1:
        raise ValueError(f"{number} is no whole number of tenths")
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


def known_century(value: datetime) -> datetime:
    """A date that any pump's clock can show."""
    if not 1583 <= value.year <= 9990:
        raise ValueError("must be a year from 1583 to 9990")
    return value


def without_zone(value: datetime) -> datetime:
    """A local time of whole seconds."""
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
TenthsAmount = Annotated[Decimal, BeforeValidator(lambda value: _whole_tenths(_on_the_wire(_decimal(value))))]
Hours = Annotated[float, BeforeValidator(_hours), Field(gt=0, le=8784)]
Start = Annotated[float | datetime, BeforeValidator(_start)]


class FieldProblem(ValueError):
    """What is wrong with a field in view of the others.

    Args:
        field: its name.
        message: what is wrong with it.
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class Part(BaseModel):
    """A part of a scenario: no unknown field, no silent conversion, never changed."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, populate_by_name=True)


class At(Part):
    """Something that takes effect at a second of the run."""

    at: Seconds


class BasalBlock(Part):
    """One block of a basal profile (D-201)."""

    duration_minutes: Annotated[int, Field(ge=1, le=MINUTES_OF_DAY)]
    rate_iu_per_h: SettingAmount


class IsfBlock(Part):
    """One block of a profile of insulin sensitivity (D-910)."""

    duration_minutes: Annotated[int, Field(ge=1, le=MINUTES_OF_DAY)]
    isf_mg_dl_per_iu: Annotated[TenthsAmount, Field(ge=0, le=2000)]


class IchoBlock(Part):
    """One block of a profile of carbohydrate ratios (D-910)."""

    duration_minutes: Annotated[int, Field(ge=1, le=MINUTES_OF_DAY)]
    icho_ratio_g_per_iu: Annotated[TenthsAmount, Field(ge=0, le=1000)]


class TargetBlock(Part):
    """One block of a profile of target ranges (D-910)."""

    duration_minutes: Annotated[int, Field(ge=1, le=MINUTES_OF_DAY)]
    low_mg_dl: Annotated[TenthsAmount, Field(ge=0, le=2000)]
    high_mg_dl: Annotated[TenthsAmount, Field(ge=0, le=2000)]


_Blocks = TypeVar("_Blocks", bound=Sequence[BasalBlock | IsfBlock | IchoBlock | TargetBlock])
# D-910: what a pump takes.
_VALUES = {
    "isf_mg_dl_per_iu": (1, 1000), "icho_ratio_g_per_iu": (1, 300), "low_mg_dl": (40, 400), "high_mg_dl": (40, 400),
}  # fmt: skip


def _whole_day(blocks: _Blocks) -> _Blocks:
    total = sum(block.duration_minutes for block in blocks)
    if total != MINUTES_OF_DAY:
        raise ValueError(f"the blocks last {total} minutes together, a day has {MINUTES_OF_DAY}")
    return blocks


def _within(blocks: _Blocks) -> _Blocks:
    for block in blocks:
        for name in type(block).model_fields:
            least, most = _VALUES.get(name, (0, NUMBER_END))
            if not least <= getattr(block, name) <= most:
                raise ValueError(f"{name} is {getattr(block, name)}; allowed: {least} to {most} (D-910)")
        if isinstance(block, TargetBlock) and block.low_mg_dl > block.high_mg_dl:
            raise ValueError(f"low_mg_dl {block.low_mg_dl} lies above high_mg_dl {block.high_mg_dl} (D-910)")
    return blocks


_Day = (Field(min_length=1, max_length=BLOCKS_MAX), AfterValidator(_whole_day), AfterValidator(_within))
BasalProfile = Annotated[list[BasalBlock], *_Day]
IsfProfile = Annotated[list[IsfBlock], *_Day]
IchoProfile = Annotated[list[IchoBlock], *_Day]
TargetProfile = Annotated[list[TargetBlock], *_Day]


class PumpSettings(Part):
    """What the pump is set to before the run begins; controller oref needs all four profiles."""

    basal_profile: BasalProfile = [
        BasalBlock(duration_minutes=240, rate_iu_per_h=Decimal("0.75")),
        BasalBlock(duration_minutes=240, rate_iu_per_h=Decimal("1.05")),
        BasalBlock(duration_minutes=240, rate_iu_per_h=Decimal("0.9")),
        BasalBlock(duration_minutes=360, rate_iu_per_h=Decimal("0.8")),
        BasalBlock(duration_minutes=360, rate_iu_per_h=Decimal("0.95")),
    ]
    isf_profile: IsfProfile | None = None
    icho_profile: IchoProfile | None = None
    target_profile: TargetProfile | None = None
    max_bolus_iu: SettingAmount = Decimal(10)
    reservoir_iu: Amount = Decimal(300)
