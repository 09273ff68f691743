"""Meals of a virtual patient: a small CSV file, or none at all.

    # clock time of the day, carbohydrate in g
    time,carbohydrate_g
    07:30,45
    1d 12:15,70
    18:40,80

`HH:MM` comes every day; `Nd HH:MM` on day N alone, the first day being 0.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from pumprig.errors import UsageError

__all__ = ["Meal", "read_meals"]

_TIME = re.compile(r"(?:(\d{1,3})d\s+)?(\d{1,2}):(\d{2})")
_HEADER = "time,carbohydrate_g"
_CARBOHYDRATE_MAX_G = 300.0
_DAY_MINUTES = 1440


@dataclass(frozen=True)
class Meal:
    """A meal: minute of its day, carbohydrate in g, and the day, None for every day."""

    minute_of_day: int
    carbohydrate_g: float
    day: int | None = None

    def falls_on(self, minute: int) -> bool:
        """Whether it begins at a minute counted from the first midnight."""
        day, minute_of_day = divmod(minute, _DAY_MINUTES)
        return minute_of_day == self.minute_of_day and self.day in (None, day)


def read_meals(path: Path) -> tuple[Meal, ...]:
    """Read a file of meals.

    Raises:
        UsageError: the file cannot be read, or a line is no meal; names file, line and what is allowed.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text in UTF-8"
        raise UsageError(f"the meals cannot be read: {reason}", where=str(path)) from error
    meals = []
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if text and not text.startswith("#") and text.replace(" ", "") != _HEADER:
            meals.append(_meal(text, f"{path}:{number}"))
    return tuple(meals)


def _meal(text: str, where: str) -> Meal:
    allowed = f"HH:MM,grams or Nd HH:MM,grams, with 0 to {_CARBOHYDRATE_MAX_G:g} g"
    time, comma, grams = text.partition(",")
    match = _TIME.fullmatch(time.strip())
    try:
        carbohydrate_g = float(grams)
    except ValueError:
        carbohydrate_g = -1.0
    if not comma or match is None or not 0 <= carbohydrate_g <= _CARBOHYDRATE_MAX_G:
        raise UsageError(f"{text!r} is no meal", where=where, allowed=allowed)
    day, hour, minute = match.groups()
    if int(hour) > 23 or int(minute) > 59:
        raise UsageError(f"{time.strip()!r} is no time of the day", where=where, allowed=allowed)
    return Meal(60 * int(hour) + int(minute), carbohydrate_g, None if day is None else int(day))
