"""Whether a record is that of a whole run, by what it holds itself.

The orderly end of a run writes `complete` into run.json, last of all. Whatever ends a run before that (an interrupt, a
dead board, a full disk, a defect of ours, a kill) leaves the field false, and what was never judged is not passed.
"""

from __future__ import annotations

import enum
import fcntl
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pumprig.checks import CHECKS
from pumprig.verdict import Verdict

__all__ = ["Ending", "ending_of", "is_written", "judged_until", "verdict_of"]

_Kinds = Mapping[str, Sequence[Mapping[str, Any]]]
# A sample is told of when it leaves, and that time passes is told while nobody judges.
_JUDGED_AS_THEY_COME = ("command", "decision", "pulse")


class Ending(enum.Enum):
    """How a record ends."""

    GOES_ON = "goes on"
    COMPLETE = "complete"
    BROKEN_OFF = "broken off"
    UNTOLD = "untold"
    """It was made before runs told that they were complete, and what else it holds speaks for it."""


def is_written(events: Path) -> bool:
    """Whether a process holds the log of a run open to write more of it.

    Args:
        events: path of events.jsonl.
    """
    try:
        with events.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        # A file system without locks: whoever writes there cannot be seen.
        return False
    return False


def ending_of(info: Mapping[str, Any], kinds: _Kinds, *, written: bool, torn: bool) -> Ending:
    """How a record ends.

    Args:
        info: run.json, and the first event.
        kinds: the events by kind.
        written: whether its writer was there before it was read.
        torn: whether the last line of its events has no end.
    """
    complete = info.get("complete")
    if written and complete is not True:
        return Ending.GOES_ON
    if torn or not kinds.get("verdict") or complete is False:
        return Ending.BROKEN_OFF
    if complete is True:
        return Ending.COMPLETE
    # The heap is the last that a pump was asked for, and the state one of the last audit's.
    after_the_end = any(_second(state) > _number(info.get("end_s")) for state in kinds.get("state", ()))
    return Ending.UNTOLD if "free_heap_octets" in info or after_the_end else Ending.BROKEN_OFF


def verdict_of(info: Mapping[str, Any], kinds: _Kinds, ending: Ending) -> str:
    """The verdict that a record bears: the worst that it holds, and never PASS for one that is broken off.

    Args:
        info, kinds: as for `ending_of`.
        ending: what that gave.

    Returns:
        PASS, INCONCLUSIVE, ERROR or FAIL; RUNNING while the run goes on.
    """
    if ending is Ending.GOES_ON:
        return "RUNNING"
    names = [info.get("verdict"), *(event.get("verdict") for event in kinds.get("verdict", ()))]
    found = [Verdict[str(name).upper()] for name in names if str(name).upper() in Verdict.__members__]
    if ending is Ending.BROKEN_OFF:
        found.append(Verdict.INCONCLUSIVE)
        if any(not _of_the_bench(event) for event in kinds.get("violation", ())):
            found.append(Verdict.FAIL)
    # A verdict that nobody can read proves nothing.
    return max(found, default=Verdict.INCONCLUSIVE).name


def judged_until(info: Mapping[str, Any], kinds: _Kinds) -> str:
    """One sentence that says what of a run that broke off was judged, and until when.

    Times are those of the pump, hours, minutes and seconds from the first sample.

    Args:
        info, kinds: as for `ending_of`.
    """
    if not kinds.get("run"):
        return "The run broke off before the pump was brought up: nothing was judged."
    start_s, end_s = _number(info.get("start_s")), _number(info.get("end_s"))
    came_s = max(_number(events[-1].get("t")) for events in kinds.values() if events)
    judged_s = max((_second(kinds[kind][-1]) for kind in _JUDGED_AS_THEY_COME if kinds.get(kind)), default=0.0)
    if not kinds.get("sample"):
        return "The run broke off before the first sample: nothing but its bring-up was judged."

    def clock(at_s: float) -> str:
        whole = max(0, int(at_s - start_s))
        return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}"

    where = f"at {clock(came_s)}"
    if end_s > start_s:
        where += f" of {clock(end_s)}" if came_s < end_s else ", before its last audit was through"
    audits = kinds.get("audit")
    asked = f"until the audit that ended at {clock(_second(audits[-1]))}" if audits else "not at all"
    return (
        f"The run broke off {where}: what the pump did was judged until {clock(judged_s)}, what it "
        f"says of itself and its history {asked}."
    )


def _of_the_bench(event: Mapping[str, Any]) -> bool:
    check = CHECKS.get(str(event.get("check")))
    return check is not None and check.fitness


def _second(event: Mapping[str, Any]) -> float:
    return _number(event.get("at_s", event.get("due_s", event.get("t"))))


def _number(value: object) -> float:
    return float(value) if isinstance(value, (int, float)) else 0.0
