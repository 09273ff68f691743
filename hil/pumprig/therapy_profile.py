"""A wearer's own profile: basal, insulin sensitivity, carbohydrate ratio and target over the day, from an export.

Two shapes of JSON are read: profiles of Nightscout, as its API gives them (`/api/v1/profile.json`), and the
profile.json of an oref0 rig. Glucose in mmol/L becomes mg/dL with 18.02, as in a trace; what the wire cannot carry is
rounded: rates down, all else to the nearest. Nothing else of the file is used; the names in it reach no record.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pumprig.errors import ScenarioError, UsageError
from pumprig.json_lines import JsonLines
from pumprig.scenario_problems import problems_of
from pumprig.scenario_values import MINUTES_OF_DAY, PumpSettings, most_on_the_wire
from pumprig.toml_lines import Location
from pumprig.trace import MG_DL_PER_MMOL_L

__all__ = ["PROFILE_FORMATS", "TherapyProfile", "load_profile"]

PROFILE_FORMATS = "a Nightscout profile (/api/v1/profile.json of the site) or the profile.json of an oref0 rig"
_FILE_BYTES_MAX = 10_000_000
_NUMBER_END = 10**6
_TENTHS_MOST = Decimal("204.5")
# Of an export, beside the profiles: what the scenario says instead.
_LEFT = ("dia", "insulinPeakTime", "curve", "max_iob", "max_basal")
_CLOCK = re.compile(r"(\d{1,2}):([0-5]\d)(?::00)?")
_FACTORS = {"mgdl": Decimal(1), "mmol": Decimal(str(MG_DL_PER_MMOL_L)), "mmoll": Decimal(str(MG_DL_PER_MMOL_L))}

# Minute of the day, value and place in the file.
_Steps = list[tuple[int, Decimal, Location]]


@dataclass(frozen=True)
class TherapyProfile:
    """The four profiles of a day, and where each of their blocks stands.

    Attributes:
        file: name for messages.
        pump: the fields of `[pump]` that the file gives.
        places: for each of these, the places of its blocks in the file.
        lines: the lines of the file.
        left: what else of therapy stands in it and is not taken, as it is written.
    """

    file: str
    pump: dict[str, Any]
    places: dict[str, list[Location]]
    lines: JsonLines
    left: tuple[str, ...] = ()

    @property
    def note(self) -> str:
        """What was taken and what was not, for a person; empty when nothing was left."""
        if not self.left:
            return ""
        return (
            f"{self.file}: taken are basal, ISF, I:CHO and target, not {', '.join(self.left)}; a scenario sets "
            "dia_minutes in [settings], and limits of a loop in [oref]"
        )

    def line_of(self, location: Location) -> int:
        """The line that gave a field of `[pump]`, or a block of it."""
        blocks = self.places[str(location[0])]
        index = location[1] if len(location) > 1 and isinstance(location[1], int) else 0
        return self.lines.line_of(blocks[index])


def load_profile(path: str | Path) -> TherapyProfile:
    """Reads a wearer's profile.

    Args:
        path: the JSON file.

    Raises:
        UsageError: the file cannot be read, or is no profile.
        ScenarioError: mistakes in it, one line `file:line: field: message` for each.
    """
    file = str(path)
    text = _read(Path(path), file)
    try:
        raw = json.loads(text, parse_float=str, parse_int=str, parse_constant=str)
    except json.JSONDecodeError as error:
        where = f"{file}:{error.lineno}"
        raise UsageError(f"this is no JSON: {error.msg}", where=where, allowed=PROFILE_FORMATS) from None
    except RecursionError:
        raise UsageError("this JSON is nested too deeply", where=file, allowed=PROFILE_FORMATS) from None
    reader = _Reader(file, JsonLines(text), [])
    if isinstance(raw, dict) and "basalprofile" in raw:
        therapy, schedules = raw, reader.oref0(raw)
    else:
        therapy, *at = _store(raw, file)
        schedules = reader.nightscout(therapy, *at)
    remedy = f"Correct these lines; it must be {PROFILE_FORMATS}."
    if reader.problems:
        raise ScenarioError(reader.problems, remedy=remedy)
    profile = _profile(file, reader.lines, schedules)
    try:
        PumpSettings.model_validate(profile.pump)
    except ValidationError as error:
        raise ScenarioError(problems_of(error, profile.pump, file, profile, PumpSettings), remedy=remedy) from None
    left = tuple(f"{key} {therapy[key]}" for key in _LEFT if isinstance(therapy.get(key), str))
    return replace(profile, left=left)


def _read(path: Path, file: str) -> str:
    try:
        if path.stat().st_size > _FILE_BYTES_MAX:
            raise UsageError("the file is too large for a profile", where=file, allowed=PROFILE_FORMATS)
        return path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no UTF-8 text"
        raise UsageError(
            f"the profile cannot be read: {reason}", where=file, allowed=PROFILE_FORMATS, remedy="Check the path."
        ) from None


# The default profile of the newest record, and its place. A record may also be given alone, or one profile of a store.
def _store(raw: Any, file: str) -> tuple[Any, Location, Any]:
    place: Location = ()
    if isinstance(raw, list):
        records = [(str(record.get("startDate", "")), -at) for at, record in enumerate(raw) if isinstance(record, dict)]
        if records:
            place = (-max(records)[1],)
            raw = raw[-max(records)[1]]
    if isinstance(raw, dict) and "basal" in raw:
        return raw, place, raw.get("units")
    store = raw.get("store") if isinstance(raw, dict) else None
    if not isinstance(store, dict) or not store:
        raise UsageError("there is no profile in it", where=file, allowed=PROFILE_FORMATS)
    name = raw.get("defaultProfile", next(iter(store)))
    if not isinstance(name, str) or not isinstance(store.get(name), dict):
        raise UsageError(
            "defaultProfile names none of its profiles", where=file, allowed=", ".join(map(repr, store)),
            remedy="Correct defaultProfile.",
        )  # fmt: skip
    return store[name], (*place, "store", name), store[name].get("units", raw.get("units"))


@dataclass
class _Reader:
    """Takes the schedules of a day out of a profile, and notes each mistake with its line."""

    file: str
    lines: JsonLines
    problems: list[str]

    def nightscout(self, profile: dict[str, Any], place: Location, units: Any) -> dict[str, _Steps]:
        glucose = self._factor(units, (*place, "units"))
        keys = {"basal": None, "carbratio": None, "sens": glucose, "target_low": glucose, "target_high": glucose}
        return {
            key: self._steps(profile.get(key), (*place, key), "time", "value", factor or Decimal(1))
            for key, factor in keys.items()
        }

    def oref0(self, profile: dict[str, Any]) -> dict[str, _Steps]:
        def steps(key: str, inner: str, value: str, *, glucose: bool = False) -> _Steps:
            table = profile.get(key)
            given = table.get(inner) if isinstance(table, dict) else None
            factor = Decimal(1)
            if glucose:
                factor = self._factor(table.get("units") if isinstance(table, dict) else None, (key, "units"))
            return self._steps(given, (key, inner), "start", value, factor)

        if isinstance(ratios := profile.get("carb_ratios"), dict) and ratios.get("units", "grams") != "grams":
            self._note(("carb_ratios", "units"), "must be grams")
        return {
            "basal": self._steps(profile["basalprofile"], ("basalprofile",), "start", "rate", Decimal(1)),
            "carbratio": steps("carb_ratios", "schedule", "ratio"),
            "sens": steps("isfProfile", "sensitivities", "sensitivity", glucose=True),
            "target_low": steps("bg_targets", "targets", "low", glucose=True),
            "target_high": steps("bg_targets", "targets", "high", glucose=True),
        }

    def _note(self, place: Location, message: str) -> None:
        field = ".".join(str(part + 1 if isinstance(part, int) else part) for part in place)
        problem = f"{self.file}:{self.lines.line_of(place)}: {field}: {message}"
        if problem not in self.problems:
            self.problems.append(problem)

    def _factor(self, units: Any, place: Location) -> Decimal:
        factor = _FACTORS.get(re.sub(r"[^a-z]", "", units.lower())) if isinstance(units, str) else None
        if factor is None:
            what = "is missing" if units is None else "is no unit of glucose"
            self._note(place, f'{what}; allowed: "mg/dl", "mmol"')
        return factor or Decimal(1)

    def _steps(self, given: Any, place: Location, time: str, value: str, factor: Decimal) -> _Steps:
        if not isinstance(given, list) or not given:
            self._note(place, "is missing; a list of times and values is needed")
            return []
        steps: _Steps = []
        for index, item in enumerate(given):
            at = (*place, index)
            number = _number(item.get(value)) if isinstance(item, dict) else None
            clock = _CLOCK.fullmatch(str(item.get(time))) if isinstance(item, dict) else None
            minute = 60 * int(clock[1]) + int(clock[2]) if clock else MINUTES_OF_DAY
            if number is None:
                self._note((*at, value), "must be a number from 0 to 999999")
            elif minute >= MINUTES_OF_DAY:
                self._note((*at, time), "must be a time of the day such as 06:30")
            elif not steps and minute:
                self._note((*at, time), "the first block must begin at 00:00, else the profile is no whole day")
            elif steps and minute <= steps[-1][0]:
                self._note((*at, time), "the blocks must follow each other through the day")
            else:
                steps.append((minute, number * factor, at))
        return steps


def _number(written: Any) -> Decimal | None:
    # Numbers of the file come as they are written.
    if not isinstance(written, str):
        return None
    try:
        number = Decimal(written)
    except InvalidOperation:
        return None
    return number if number.is_finite() and 0 <= number < _NUMBER_END else None


def _profile(file: str, lines: JsonLines, schedules: dict[str, _Steps]) -> TherapyProfile:
    pump: dict[str, Any] = {}
    places: dict[str, list[Location]] = {}
    for field, value, key in (
        ("basal_profile", "rate_iu_per_h", "basal"),
        ("isf_profile", "isf_mg_dl_per_iu", "sens"),
        ("icho_profile", "icho_ratio_g_per_iu", "carbratio"),
    ):
        steps = schedules[key]
        places[field] = [place for _, _, place in steps]
        rounded = most_on_the_wire if field == "basal_profile" else _tenths
        pump[field] = [
            {"duration_minutes": minutes, value: rounded(number)}
            for minutes, (_, number, _) in zip(_durations([at for at, _, _ in steps]), steps, strict=True)
        ]
    low, high = schedules["target_low"], schedules["target_high"]
    starts = sorted({at for at, _, _ in (*low, *high)})
    places["target_profile"] = [_in_force(low, at)[2] for at in starts]
    pump["target_profile"] = [
        {
            "duration_minutes": minutes, "low_mg_dl": _tenths(_in_force(low, at)[1]),
            "high_mg_dl": _tenths(_in_force(high, at)[1]),
        }
        for minutes, at in zip(_durations(starts), starts, strict=True)
    ]  # fmt: skip
    return TherapyProfile(file, pump, places, lines)


def _durations(starts: list[int]) -> list[int]:
    return [end - at for at, end in zip(starts, [*starts[1:], MINUTES_OF_DAY], strict=True)]


def _in_force(steps: _Steps, minute: int) -> tuple[int, Decimal, Location]:
    return max((step for step in steps if step[0] <= minute), key=lambda step: step[0])


def _tenths(number: Decimal) -> Decimal:
    """The nearest number of tenths that an SFLOAT holds: whole from 204.5 on."""
    step = Decimal("0.1") if number <= _TENTHS_MOST else Decimal(1)
    return number.quantize(step, ROUND_HALF_UP)
