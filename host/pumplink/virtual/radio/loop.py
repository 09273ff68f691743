"""An asyncio loop on the time of the DUT: it runs what can be run, and never waits."""

from __future__ import annotations

import asyncio
import heapq
import math
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["DutLoop"]

_RESOLUTION_S = 1e-6
_OURS = str(Path(__file__).resolve().parents[2])
_FAULTS_KEPT = 20


class _NeverWaits:
    """Where another loop would sleep until something happens, this one comes to an end."""

    def __init__(self, loop: DutLoop) -> None:
        self._loop = loop

    def select(self, timeout: float | None) -> list[Any]:
        if timeout is None or timeout > 0:
            self._loop.stop()
        return []


class DutLoop(asyncio.BaseEventLoop):
    """An event loop whose `time()` is DUT seconds and which is run by `settle`.

    It has no file descriptors. What its callbacks raise is kept in `faults` when it is the stack's own doing (a peer
    may send it anything), and leaves `settle` when it comes from pumplink.

    Args:
        now_s: gives the DUT seconds; where they start again, the loop goes on from where it was.
    """

    def __init__(self, now_s: Callable[[], float]) -> None:
        super().__init__()
        self._now_s = now_s
        self._shift_s = 0.0
        self._last_s = 0.0
        self._clock_resolution = _RESOLUTION_S
        self._selector = _NeverWaits(self)
        self.faults: list[str] = []
        self._raised: BaseException | None = None
        self.set_exception_handler(self._on_fault)

    def time(self) -> float:
        """DUT seconds, which never go back."""
        now_s = self._now_s() + self._shift_s
        if now_s < self._last_s:
            self._shift_s += self._last_s - now_s
            return self._last_s
        self._last_s = now_s
        return now_s

    def settle(self) -> None:
        """Runs everything that can be run at the present DUT time; no time passes."""
        if self._ready or self.next_timer_s + self._shift_s < self.time() + _RESOLUTION_S:  # type: ignore[attr-defined]
            self.run_forever()
        if self._raised is not None:
            raised, self._raised = self._raised, None
            raise raised

    @property
    def next_timer_s(self) -> float:
        """DUT second of the earliest timer, as `now_s` counts them; inf when there is none."""
        timers = self._scheduled  # type: ignore[attr-defined]
        while timers and timers[0].cancelled():
            self._timer_cancelled_count -= 1  # type: ignore[attr-defined]
            heapq.heappop(timers)._scheduled = False
        return timers[0].when() - self._shift_s if timers else math.inf

    def end(self) -> None:
        """Cancels every task and closes the loop. A second call does nothing."""
        if self.is_closed():
            return
        for _ in range(3):
            for task in asyncio.all_tasks(self):
                task.cancel()
            self.run_forever()
        self.close()

    def __del__(self) -> None:
        if not self.is_closed():
            self.close()

    def _process_events(self, event_list: list[Any]) -> None:
        pass

    def _write_to_self(self) -> None:
        pass

    def _on_fault(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        frames = traceback.extract_tb(error.__traceback__) if error is not None else []
        if error is not None and frames and frames[-1].filename.startswith(_OURS):
            self._raised = self._raised or error
        else:
            where = f" in {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
            self.faults.append(f"{context.get('message')}: {error!r}{where}")
            del self.faults[:-_FAULTS_KEPT]
