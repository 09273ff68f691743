"""Profiles, the TBR over the basal one, and the local clock that both are read by (D-001, D-201 to D-308)."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import accumulate

from pumprig.oracle.terms import TbrType

__all__ = ["DAY_S", "Profile", "Tbr", "WallClock"]

DAY_S = 86_400
_EPOCH = datetime(1, 1, 1)


class WallClock:
    """Local time as an offset to the pump second (D-001).

    Args:
        wall: local date and time.
        at_s: the pump second at which it is that time.
    """

    def __init__(self, wall: datetime, at_s: int = 0) -> None:
        self._offset_s = self._seconds(wall) - at_s

    @staticmethod
    def _seconds(wall: datetime) -> int:
        return (wall - _EPOCH) // timedelta(seconds=1)

    def wall(self, at_s: int) -> datetime:
        """Local date and time at a pump second."""
        return _EPOCH + timedelta(seconds=self._offset_s + at_s)

    def day(self, at_s: int) -> date:
        """Local date at a pump second."""
        return self.wall(at_s).date()

    def second_of_day(self, at_s: int) -> int:
        """Seconds since local midnight."""
        return (self._offset_s + at_s) % DAY_S

    def midnight_after(self, at_s: int) -> int:
        """The pump second of the next local midnight."""
        return at_s + DAY_S - self.second_of_day(at_s)

    def pump_second(self, wall: datetime) -> int:
        """The pump second at which it is, or was, that local time; negative before the pump started."""
        return self._seconds(wall) - self._offset_s


class Profile:
    """Blocks that fill the day (D-201).

    Args:
        blocks: duration in minutes and value; for a target range duration, low and high (D-910).
    """

    def __init__(self, blocks: tuple[tuple[int, ...], ...]) -> None:
        self.blocks = blocks
        self._ends_s = [60 * minutes for minutes in accumulate(block[0] for block in blocks)]

    def at(self, second_of_day: int) -> tuple[int, int]:
        """Value and seconds to the end of the block in force; a boundary belongs to the later one (D-202)."""
        number = bisect_right(self._ends_s, second_of_day)
        return self.blocks[number][1], self._ends_s[number] - second_of_day

    def values_at(self, second_of_day: int) -> tuple[int, ...]:
        """All values of the block in force (D-202, D-910)."""
        return self.blocks[bisect_right(self._ends_s, second_of_day)][1:]


@dataclass
class Tbr:
    """The TBR that runs: in force from its last setting up to, and without, `end_s` (D-302).

    `value` is mU/h, or thousandths of the factor when relative; `template` 0 is none. An `automatic` one was set by
    the pump's own controller, and is a suspension when that was plgs (D-306, D-1107).
    """

    tbr_type: TbrType
    value: int
    start_s: int
    end_s: int
    programmed_minutes: int
    context: str
    template: int = 0
    suspension: bool = False
    automatic: bool = False

    def effective_minutes(self, at_s: int) -> int:
        """Whole minutes since the first start (D-303, D-305)."""
        return (at_s - self.start_s) // 60

    def remaining_minutes(self, at_s: int) -> int:
        """Minutes left, rounded up (D-305)."""
        return -((at_s - self.end_s) // 60)
