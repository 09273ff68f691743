"""Controller oref with oref0's own keys: a JSON object in, a JSON object out, the decision by the firmware's code."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pumprig.decide.board import POINTS, Answer, OrefBoard
from pumprig.decide.fields import FIELDS, NOTHING, Line, shown
from pumprig.errors import UsageError

__all__ = ["FLAT_CGM", "KEYS", "SLOTS", "OrefDecider", "Request", "request_of"]

KEYS = (
    "glucose_status", "currenttemp", "iob", "profile", "autosens", "meal", "microBolusAllowed", "reservoir", "now",
    "flatBGsDetected",
)  # fmt: skip
"""The keys of an input. `flatBGsDetected` is asked for only where the flat CGM is told from outside."""

FLAT_CGM = {"detect": 0.0, "told": 1.0, "ignore": 2.0}
"""Who says that the CGM is flat, and the firmware's word for it."""

_OBJECTS = ("glucose_status", "currenttemp", "profile", "meal")
# Slots that are worked out here: ages, so that the firmware knows no time, and what hangs on a text.
_OWN_SLOTS = (
    "settings.exact", "settings.flat_cgm", "settings.fine_steps", "glucose.age_ms", "glucose.simulated", "glucose.flat",
    "meal.last_carb_age_ms", "inputs.minute_of_hour", "iob.iob", "iob.activity", "iob.last_bolus_age_ms",
    "iob.last_temp", "iob.last_temp_rate", "iob.last_temp_minutes", "iob.last_temp_age_ms",
)  # fmt: skip
_RULE_CGM = 1014
_RULE_LOW = 1041
_RULE_FAILED = 1112
_WHY = {
    1014: "CGM faulty, old or flat",
    1025: "the running TBR is not the one of the history",
    1026: "a TBR runs that ended by the history",
    1041: "below the threshold, now or soon",
    1042: "end of the hour",
    1043: "eventually below the range",
    1044: "falls faster than expected",
    1045: "in range",
    1046: "IOB above its limit",
    1049: "low temp beside a small bolus",
    1050: "insulin required",
}


SLOTS = (*(field.slot for field in FIELDS), *_OWN_SLOTS)
"""Where the numbers of a request go in the controller, in their order."""


@dataclass(frozen=True)
class Request:
    """An input as the controller takes it.

    Args:
        line: where it came from.
        now_ms: the moment of the decision.
        numbers: for `SLOTS`.
        activities, zero_temp: of the insulin on board, U/min, every 5 min.
    """

    line: Line
    now_ms: float
    numbers: list[float]
    activities: list[float]
    zero_temp: list[float]


def request_of(data: Mapping[str, Any], number: int = 1, *, exact: bool = False, flat_cgm: str = "detect") -> Request:
    """The request for an input with oref0's keys.

    Args:
        data: the input.
        number: of its line, for errors.
        exact: rates are not rounded to the pump's steps.
        flat_cgm: a key of `FLAT_CGM`.
    Raises:
        UsageError: the input cannot be decided on; line and key are named.
    """
    line = Line(number, data)
    _check_keys(line)
    numbers = [line.number_of(field) for field in FIELDS]
    _check_together(line, dict(zip(SLOTS, numbers, strict=False)))
    now_ms = line.time_ms("now")
    if math.isnan(now_ms):
        raise line.wrong("now", "is missing", "milliseconds since 1970, or a time as 2018-11-17T08:00:00Z")
    now_ms = float(math.trunc(now_ms))
    first, activities, zero_temp = _iob(line)
    numbers += [float(exact), FLAT_CGM[flat_cgm], *_around(line, now_ms), *_first(line, first, now_ms)]
    return Request(line, now_ms, numbers, activities, zero_temp)


class OrefDecider:
    """Decides on one input after the other.

    Args:
        exact: rates are not rounded to the pump's steps.
        flat_cgm: a key of `FLAT_CGM`.
        own: the folder of a firmware whose controller *own* decides instead.
    Raises:
        BlockedError: there is no MicroPython for this machine.
    """

    def __init__(self, *, exact: bool = False, flat_cgm: str = "detect", own: Path | None = None) -> None:
        self._own = own is not None
        self._exact = exact
        self._flat_cgm = flat_cgm
        self._board = OrefBoard(SLOTS, own, self._own)

    def close(self) -> None:
        """End the process."""
        self._board.close()

    def __enter__(self) -> OrefDecider:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def decide(self, text: str, number: int) -> dict[str, Any]:
        """The decision on a line of input.

        Args:
            text: a JSON object.
            number: of the line, for errors.
        Raises:
            UsageError: what stands there cannot be decided on; line and key are named.
        """
        return self.decide_on(_parsed(text, number), number)

    def decide_on(self, data: Mapping[str, Any], number: int = 1) -> dict[str, Any]:
        """The decision on an input that is parsed already; as `decide`."""
        request = request_of(data, number, exact=self._exact, flat_cgm=self._flat_cgm)
        answer = self._board.decide(request.numbers, request.activities, request.zero_temp)
        return _shown_own(answer) if self._own else _shown(request, answer)


def _parsed(text: str, number: int) -> dict[str, Any]:
    def refuse(word: str) -> Any:
        raise UsageError(f"{word} is no JSON", where=f"line {number}")

    try:
        data = json.loads(text, parse_constant=refuse)
    except json.JSONDecodeError as error:
        what = f"no JSON: {error.msg} at column {error.colno}"
        raise UsageError(what, where=f"line {number}", allowed="one JSON object a line") from None
    except (ValueError, RecursionError):
        raise UsageError("a number too long, or nested too deep", where=f"line {number}") from None
    if not isinstance(data, dict):
        raise UsageError(f"is {shown(data)}", where=f"line {number}", allowed="one JSON object a line")
    return data


def _check_keys(line: Line) -> None:
    plain = {key.replace("_", "").lower(): key for key in KEYS}
    for key in line.data:
        known = plain.get(key.replace("_", "").lower(), key)
        if known != key:
            raise line.wrong(key, "is no key", f"{known}")
    for key in _OBJECTS:
        value = line.data.get(key)
        if not isinstance(value, dict):
            what = "is missing" if value is None else f"is {shown(value)}"
            raise line.wrong(key, what, "an object" + (", {} without carbs" if key == "meal" else ""))
    if line.find("autosens") is not None and line.find("autosens.ratio") is None:
        raise line.wrong("autosens.ratio", "is missing", "a number greater than 0, or no autosens")


# Keys that are needed only beside others: oref0 would go on with no number, and answer without a rate.
def _check_together(line: Line, of: Mapping[str, float]) -> None:
    def need(key: str, because: str) -> None:
        if line.find(key) is None:
            raise line.wrong(key, f"is missing, and {because}", "a number")

    if of["meal.carbs"] > 0:
        need("meal.mealCOB", "meal.carbs is not 0")
        need("meal.lastCarbTime", "meal.carbs is not 0")
    elif of["meal.cob"] > 0:
        raise line.wrong("meal.carbs", "is 0 or missing, and meal.mealCOB is not 0", "the carbs that COB is left of")
    if 2 <= of["glucose.noise"] < 3:
        need("profile.noisyCGMTargetMultiplier", "glucose_status.noise is 2 or more")
    if of["settings.temp_target"]:
        need("profile.autosens_max", "profile.temptargetSet is true")


def _text(line: Line, key: str) -> str:
    value = line.find(key)
    if value is not None and not isinstance(value, str):
        raise line.wrong(key, f"is {shown(value)}", "a text")
    return value or ""


# Ages, so that the firmware knows no time, and what hangs on a text.
def _around(line: Line, now_ms: float) -> list[float]:
    model = _text(line, "profile.model")
    glucose_ms = line.time_ms("glucose_status.date")
    if not math.isnan(glucose_ms):
        glucose_ms = float(math.trunc(glucose_ms))
    flat = line.find("flatBGsDetected")
    if not (flat is None or isinstance(flat, bool)):
        raise line.wrong("flatBGsDetected", f"is {shown(flat)}", "true or false")
    return [
        float(model.endswith(("54", "23"))),
        now_ms - glucose_ms,
        float(_text(line, "glucose_status.device") == "fakecgm"),
        float(bool(flat)),
        now_ms - line.time_ms("meal.lastCarbTime"),
        float(int(now_ms) // 60000 % 60),
    ]


# The first point, and the activities of all points up to the first without a zero temp, where oref0 ends its lines.
def _iob(line: Line) -> tuple[dict[str, Any], list[float], list[float]]:
    value = line.find("iob")
    points = value if isinstance(value, list) else []
    first = points[0] if len(points) > 1 else value
    if not isinstance(first, dict):
        what = "is missing" if value is None else "is no object and no array of two or more"
        raise line.wrong("iob", what, f"an array of {POINTS} objects")
    if len(points) > POINTS:
        raise line.wrong("iob", f"has {len(points)} points", f"at most {POINTS}")
    activities, zero_temp = [], []
    for i, point in enumerate(points):
        key = f"iob[{i}]"
        if not isinstance(point, dict):
            raise line.wrong(key, f"is {shown(point)}", "an object")
        without = point.get("iobWithZeroTemp")
        if without is None:
            break
        if not isinstance(without, dict):
            raise line.wrong(f"{key}.iobWithZeroTemp", f"is {shown(without)}", "an object")
        activities.append(line.plain_number(f"{key}.activity", point.get("activity")))
        zero_temp.append(line.plain_number(f"{key}.iobWithZeroTemp.activity", without.get("activity")))
    return first, activities, zero_temp


def _first(line: Line, first: Mapping[str, Any], now_ms: float) -> list[float]:
    where = "iob[0]" if isinstance(line.find("iob"), list) else "iob"

    def value(holder: Mapping[str, Any], name: str, key: str) -> Any:
        # oref0 takes null for a zero: for a bolus or a TBR of 1970.
        if name in holder and holder[name] is None:
            raise line.wrong(f"{where}.{key}", "is null", "a number, or no such key")
        return holder.get(name)

    def number(holder: Mapping[str, Any], name: str, key: str) -> float:
        given = value(holder, name, key)
        return NOTHING if given is None else line.plain_number(f"{where}.{key}", given)

    def age_ms(holder: Mapping[str, Any], name: str, key: str) -> float:
        return now_ms - line.moment_ms(f"{where}.{key}", value(holder, name, key))

    numbers = [line.plain_number(f"{where}.{name}", first.get(name)) for name in ("iob", "activity")]
    numbers.append(age_ms(first, "lastBolusTime", "lastBolusTime"))
    last = first.get("lastTemp")
    if last is None:
        return [*numbers, 0.0, NOTHING, NOTHING, NOTHING]
    if not isinstance(last, dict):
        raise line.wrong(f"{where}.lastTemp", f"is {shown(last)}", "an object with date, rate and duration")
    numbers += [1.0, number(last, "rate", "lastTemp.rate"), number(last, "duration", "lastTemp.duration")]
    return [*numbers, age_ms(last, "date", "lastTemp.date")]


# --- what is printed ---


def _plain(number: float) -> float | int | None:
    if math.isnan(number) or math.isinf(number):
        return None
    return int(number) if number == int(number) else number


def _half_up(number: float) -> int:
    return math.floor(number + 0.5)


def _glucose_as(number: float, units: str) -> int | str:
    if units == "mmol/L":
        tenths = _half_up(number / 18 * 10)
        return f"{tenths / 10:.1f}"
    return _half_up(number)


def _shown_own(answer: Answer) -> dict[str, Any]:
    of = answer.of
    said: dict[str, Any] = {}
    if of["decision.smb"]:
        said["units"] = _plain(of["decision.smb"])
    if of["decision.acts"]:
        said |= {"rate": _plain(of["decision.rate"]), "duration": _plain(of["decision.minutes"])}
    if of["decision.rule"] == _RULE_FAILED:
        return {"reason": f"D-1112: {_of_traceback(answer.error)}"}
    return said | {"reason": "own controller"}


# The error and its line in the file, without the rest of the traceback.
def _of_traceback(text: str) -> str:
    lines = text.strip().splitlines()
    places = re.findall(r'own\.py", line (\d+)', text)
    return (f"line {places[-1]}: " if places else "") + (lines[-1] if lines else "the controller raised")


def _shown(request: Request, answer: Answer) -> dict[str, Any]:
    of = answer.of
    rule = int(of["decision.rule"])
    said: dict[str, Any] = {}
    if rule != _RULE_CGM or of["decision.acts"]:
        at = datetime.fromtimestamp(request.now_ms / 1000, UTC)
        said |= {"temp": "absolute", "deliverAt": at.isoformat(timespec="milliseconds")[:-6] + "Z"}
    if rule >= _RULE_LOW:
        said |= _foreseen(request, answer)
    if of["decision.smb"]:
        said["units"] = _plain(of["decision.smb"])
    if of["decision.acts"]:
        said |= {"rate": _plain(of["decision.rate"]), "duration": _plain(of["decision.minutes"])}
    said["reason"] = _reason(rule, of)
    return said


def _foreseen(request: Request, answer: Answer) -> dict[str, Any]:
    of, units = answer.of, _text(request.line, "profile.out_units")
    given = dict(zip(SLOTS, request.numbers, strict=True))
    lines = {"IOB": "iob", "ZT": "zt"}
    lines |= {"COB": "cob"} if of["forecast.cob_shown"] else {}
    lines |= {"UAM": "uam"} if of["forecast.uam_shown"] else {}
    delta = _half_up(given["glucose.delta"])
    said: dict[str, Any] = {
        "bg": _plain(given["glucose.mg_dl"]),
        "tick": f"+{delta}" if given["glucose.delta"] > -0.5 else delta,
        "eventualBG": _plain(of["decision.eventual"]),
        "insulinReq": _plain(of["decision.insulin_required"]),
        "predBGs": {name: [_plain(point) for point in answer.lines[part]] for name, part in lines.items()},
        "IOB": _plain(given["iob.iob"]),
        "BGI": _glucose_as(of["decision.bgi"], units),
        "deviation": _glucose_as(of["decision.deviation"], units),
        "ISF": _glucose_as(of["targets.isf"], units),
        "CR": _half_up(given["settings.carb_ratio"] * 100) / 100,
        "target_bg": _glucose_as(of["targets.target"], units),
    }
    optional = {
        "reservoir": request.line.find("reservoir"), "sensitivityRatio": _plain(of["targets.ratio"]),
        "COB": _plain(given["meal.cob"]), "carbsReq": _plain(of["decision.carbs_required"]),
    }  # fmt: skip
    return said | {key: value for key, value in optional.items() if value is not None}


def _reason(rule: int, of: Mapping[str, float]) -> str:
    said = f"D-{rule}: {_WHY[rule]}"
    if rule >= _RULE_LOW:
        numbers = {"eventual": "decision.eventual", "min pred": "forecast.min_pred", "min guard": "forecast.min_guard"}
        numbers |= {"threshold": "targets.threshold", "target": "targets.target"}
        said += "; " + ", ".join(f"{name} {_plain(of[slot])}" for name, slot in numbers.items())
        said += ", SMB off: glucose jumps" if of["decision.smb_jump"] else ""
    return said
