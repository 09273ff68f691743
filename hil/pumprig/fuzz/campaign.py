"""Runs rounds of cases, and shrinks what fails."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from pumplink.errors import BearerError, BoardUnavailable
from pumplink.virtual.board import VirtualBoard
from pumplink.virtual.clocks import Lockstep
from pumprig.errors import BlockedError
from pumprig.fuzz.air import AirMaker, AirPeer
from pumprig.fuzz.cases import CASES_OF_A_ROUND, Maker
from pumprig.fuzz.peer import Broken, Peer
from pumprig.fuzz.steps import Step

__all__ = ["Failure", "Outcome", "fuzz", "replay"]

SHRINK_TRIALS = 300
SHRINK_S = 60.0
_HANG_TIMEOUT_S = 10.0
# A pump collects its garbage for the health answer once a second: the last look is one at the heap as it is then.
_LAST = (Step("wait", seconds=1.0),)


@dataclass(frozen=True)
class Failure:
    """What a pump did wrong.

    Args:
        case: number of the case, from 0; -1 for a replay.
        message: what it did.
        steps: the steps that show it, shrunk.
        reproducible: whether these steps alone showed it again on a fresh board.
    """

    case: int
    message: str
    steps: list[Step]
    reproducible: bool = True


@dataclass
class Outcome:
    """How fuzzing ended.

    Args:
        seed: of all cases.
        cases: how many were run.
        requests: ATT requests sent.
        pulses: of the motor; without any, nothing was at stake.
        seconds: of host time.
        free_heap_octets_min: the least free heap the pump told.
        failure: None when there was none.
    """

    seed: int
    cases: int = 0
    requests: int = 0
    pulses: int = 0
    seconds: float = 0.0
    free_heap_octets_min: int | None = None
    failure: Failure | None = None
    _started: float = field(default_factory=time.monotonic, repr=False)

    def end(self) -> Outcome:
        """Takes the time."""
        self.seconds = time.monotonic() - self._started
        return self


def fuzz(
    seed: int, cases: int, firmware: Path | None = None, on_round: Callable[[Outcome], None] = lambda outcome: None,
    over_air: bool = False,
) -> Outcome:  # fmt: skip
    """Runs cases until one fails.

    Args:
        seed: the same seed gives the same cases.
        cases: how many.
        firmware: another firmware folder than the installed one.
        on_round: called after every round.
        over_air: by the board's radio instead of its cable.

    Raises:
        BlockedError: no virtual board can be started.
    """
    outcome = Outcome(seed)
    for number in range(-(-cases // CASES_OF_A_ROUND)):
        count = min(CASES_OF_A_ROUND, cases - outcome.cases)
        maker = (AirMaker if over_air else Maker)(random.Random(f"{seed}/{number}"))
        steps: list[list[Step]] = []
        error = _round(maker, count, steps, outcome, firmware, over_air)
        if error is not None:
            outcome.failure = _shrunk(outcome.cases - 1, error, steps, _Trials(firmware, over_air))
            break
        on_round(outcome)
    return outcome.end()


def _round(
    maker: Maker, count: int, steps: list[list[Step]], outcome: Outcome, firmware: Path | None, over_air: bool
) -> str | None:
    try:
        with _board(firmware, over_air) as board:
            peer = _peer(board, over_air)
            steps.append([Step("open")])
            _carry_out(peer, steps[0])
            for _ in range(count):
                steps.append(maker.next())
                outcome.cases += 1
                _carry_out(peer, steps[-1])
                free = peer.free_heap_octets
                low = outcome.free_heap_octets_min
                outcome.free_heap_octets_min = free if low is None else min(low, free)
            _carry_out(peer, _LAST)
            outcome.requests += peer.requests
            outcome.pulses += peer.pulses
    except (Broken, BearerError) as error:
        return str(error)
    return None


def _carry_out(peer: Peer, steps: Iterable[Step]) -> None:
    for step in steps:
        peer.run(step)
    peer.check()


def _peer(board: VirtualBoard, over_air: bool) -> Peer:
    return AirPeer(board) if over_air else Peer(board)


def _board(firmware: Path | None, over_air: bool) -> VirtualBoard:
    try:
        return VirtualBoard("virtual", firmware, Lockstep(), hang_timeout_s=_HANG_TIMEOUT_S, ble=over_air).start()
    except BoardUnavailable as error:
        raise BlockedError(str(error)) from None


def replay(steps: list[Step], firmware: Path | None = None, over_air: bool = False) -> str | None:
    """Carries steps out on a fresh board, with a check at the end; returns what the pump did wrong, or None.

    Args:
        steps: in their order.
        firmware: another firmware folder than the installed one.
        over_air: by the board's radio instead of its cable.

    Raises:
        BlockedError: no virtual board can be started.
    """
    try:
        with _board(firmware, over_air) as board:
            peer = _peer(board, over_air)
            for step in steps:
                peer.run(step)
            _carry_out(peer, _LAST)
    except (Broken, BearerError) as error:
        return str(error)
    return None


# --- Shrinking --------------------------------------------------------------------------------------------------


def _shrunk(case: int, message: str, cases: list[list[Step]], trials: _Trials) -> Failure:
    steps = [step for one in cases for step in (*one, Step("check"))]
    for shorter in ([Step("open"), *cases[-1]], steps[-60:], steps):
        said = trials.fails(shorter)
        if said:
            message, steps = said, shorter
            break
    else:
        return Failure(case, message, steps, reproducible=False)
    size = max(1, len(steps) // 2)
    while trials.left:
        smaller = _without_a_part(steps, size, trials)
        if smaller is not None:
            steps = smaller
        elif size == 1:
            break
        size = max(1, min(size, len(steps)) // 2) if smaller is None else min(size, max(1, len(steps)))
    steps = _shorter_octets(steps, trials)
    return Failure(case, trials.said or message, steps)


class _Trials:
    def __init__(self, firmware: Path | None, over_air: bool) -> None:
        self.firmware = firmware
        self.over_air = over_air
        self.said = ""
        self._count = SHRINK_TRIALS
        self._until = time.monotonic() + SHRINK_S

    @property
    def left(self) -> bool:
        return self._count > 0 and time.monotonic() < self._until

    def fails(self, steps: list[Step]) -> str | None:
        self._count -= 1
        said = replay(steps, self.firmware, self.over_air)
        if said:
            self.said = said
        return said


def _without_a_part(steps: list[Step], size: int, trials: _Trials) -> list[Step] | None:
    for start in range(0, len(steps), size):
        shorter = steps[:start] + steps[start + size :]
        if not trials.left:
            return None
        if shorter and trials.fails(shorter):
            return shorter
    return None


def _shorter_octets(steps: list[Step], trials: _Trials) -> list[Step]:
    for index, step in enumerate(steps):
        size = len(step.octets) // 2
        while size and trials.left:
            for start in range(0, len(step.octets), size):
                octets = step.octets[:start] + step.octets[start + size :]
                if not octets or not trials.left:
                    continue
                shorter = Step(step.kind, octets, step.handle, step.seconds)
                if trials.fails([*steps[:index], shorter, *steps[index + 1 :]]):
                    step = shorter
                    steps = [*steps[:index], shorter, *steps[index + 1 :]]
                    break
            else:
                size //= 2
            size = min(size, len(step.octets) // 2)
    return steps
