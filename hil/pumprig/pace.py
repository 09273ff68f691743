"""The pace of a run: pump time on this bench, and whether the bench keeps up with it (D-002, D-955)."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager
from math import floor

from pumplink.link import Link
from pumplink.pump import Pump
from pumprig.checks import CheckBook
from pumprig.dut import Dut

__all__ = ["LEAD_S", "Pace", "Unfit", "no_collector_pauses"]

LEAD_S = 0.5
"""How long before its second an input is sent, in pump time, where time is real."""

# In lockstep any moment of the second before will do, so the early, the middle and the late ones are tried (D-002).
LEADS_S = (0.95, 0.5, 0.2, 0.5)
LATENESS_S_MAX = 0.5
PHASE_LOOKS = 5
PHASE_DOUBT_S_MAX = 0.1
CLOCK_DRIFT_S_MAX = 0.25
SECOND_S = 1.0
SECOND_STEP_S = 0.02
CLOCK_STEP_S = 0.002
# Quartzes part by less than 100 ppm, and a host whose clock is being set by 500 more.
DRIFT_PPM_MAX = 600
# Of a pump second: another clock than the run was told of, not one that is wrong.
RATE_OFF_S_MAX = 0.25
SLEPT_S_MAX = 0.1


def asleep_s() -> float:
    """Seconds that this host has slept, up to a constant: its monotonic clock stands still meanwhile."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC_RAW)) - time.monotonic()


class Unfit(Exception):
    """The bench has lost its fitness; nothing that follows can be judged."""


class Pace:
    """Turns pump seconds into time of the bearer.

    Args:
        dut: the opened board.
        link: the connection, served while time passes.
        checks: where lateness is judged.
        seed: which moments of a second inputs are sent at in lockstep.

    Attributes:
        connected: whether the connection is up.
        steady: pump seconds whose inputs are sent half a second before in any case, because their exchange is long.
        lateness_s_max: the worst lateness of a stimulus.
    """

    def __init__(self, dut: Dut, link: Link, checks: CheckBook, seed: int) -> None:
        self._dut = dut
        self._link = link
        self._checks = checks
        self._phase_s = 0.0
        self._drifted_s = 0.0
        self._doubt_s = 0.0
        self._asked_s = 0.0
        self._first_asked_s, self._first_doubt_s = 0.0, 0.0
        self._asleep_s = asleep_s()
        self._epoch_s = 0
        self._ended_s: float | None = None
        self._seed = seed
        self.steady: set[int] = set()
        self.connected = False
        self.lateness_s_max = 0.0

    @property
    def now_s(self) -> float:
        """Pump time in seconds; after the end, the last one."""
        return self.of_bearer(self._dut.bearer.now_s) if self._ended_s is None else self._ended_s

    def of_bearer(self, bearer_s: float) -> float:
        """Pump time of a moment in the bearer's time."""
        return bearer_s - self._phase_s

    def restarted(self, epoch_s: int) -> None:
        """The virtual board has just started anew; `find_phase` says it better.

        Args:
            epoch_s: the second of the run that is the pump's second 0.
        """
        self._epoch_s = epoch_s
        self._phase_s = (self._dut.bearer.now_s if self._dut.real_time else 0.0) - epoch_s

    def find_phase(self, pump: Pump) -> None:
        """Ask the pump for its time: it tells it to the millisecond, or where values are prepared, by the second.

        Raises:
            Unfit: the bench is too slow to tell the pump's seconds apart, or the pump's last much longer or shorter.
        """
        self._phase_s, doubt_s = self._ask_phase(pump, SECOND_S)
        self._doubt_s, self._asked_s = doubt_s, self._dut.bearer.now_s
        self._first_doubt_s, self._first_asked_s = doubt_s, self._asked_s
        fit = not self._dut.real_time or self._checks.expect(
            "bench-fitness", doubt_s <= PHASE_DOUBT_S_MAX, 0,
            message=f"the pump's time is known to {doubt_s * 1000:.0f} ms only; use a slower clock or an idle machine",
            expected="<= 100 ms", observed=round(doubt_s * 1000, 1),
        )  # fmt: skip
        if not fit:
            raise Unfit
        if self._dut.board is None:
            self._judge_second(pump)

    def _judge_second(self, pump: Pump) -> None:
        pump.run_for(SECOND_S)
        phase_s, doubt_s = self._ask_phase(pump, SECOND_S)
        passed_s = self._dut.bearer.now_s - self._asked_s
        lost_s = phase_s - self._phase_s
        fit = self._checks.expect(
            "bench-fitness", abs(lost_s) - doubt_s - self._doubt_s <= RATE_OFF_S_MAX * passed_s, 0,
            message=f"the pump's clock goes {max(0.0, 1 - lost_s / passed_s):.3g} times as fast as --clock says; give "
            "the clock that the board runs at (a real one: realtime)",
            expected="1 time", observed=round(1 - lost_s / passed_s, 3), rule="D-959",
        )  # fmt: skip
        if not fit:
            raise Unfit

    def keep_phase(self, pump: Pump, at_s: int) -> None:
        """Ask a pump for its time again whose clock is not the bench's, and judge how that clock goes (D-959).

        Args:
            pump: is asked.
            at_s: pump second that the judgement is recorded at.
        """
        phase_s, doubt_s = self._ask_again(pump)
        self._judge_rate(phase_s, doubt_s, at_s)
        if doubt_s <= self.phase_doubt_s:
            self._drifted_s += phase_s - self._phase_s
            self._phase_s, self._doubt_s, self._asked_s = phase_s, doubt_s, self._dut.bearer.now_s

    @property
    def phase_doubt_s(self) -> float:
        """By how much the pump's time may be wrong now."""
        if self._dut.board is not None:
            return self._doubt_s
        return self._doubt_s + (self._dut.bearer.now_s - self._asked_s) * DRIFT_PPM_MAX / 1e6

    def judge_drift(self, pump: Pump, at_s: int) -> float:
        """Judge how far pump and bench have come apart since `find_phase`.

        Args:
            pump: is asked.
            at_s: pump second that the judgement is recorded at.

        Returns:
            Milliseconds that the pump's clock has lost.
        """
        phase_s, doubt_s = self._ask_again(pump)
        drift_s = phase_s - self._phase_s + self._drifted_s
        if self._dut.board is None:
            self._judge_rate(phase_s, doubt_s, at_s)
        else:
            self._checks.expect(
                "clock", abs(drift_s) - doubt_s <= CLOCK_DRIFT_S_MAX, at_s,
                message=f"the pump's clock is {drift_s * 1000:.0f} ms off since the start", expected="<= 250 ms",
                observed=round(drift_s * 1000, 1),
            )  # fmt: skip
        return round(drift_s * 1000, 3)

    # Since the last asking a leap shows, and since the first a clock that is a little slow.
    def _judge_rate(self, phase_s: float, doubt_s: float, at_s: int) -> None:
        slept_s = asleep_s() - self._asleep_s
        fit = self._checks.expect(
            "bench-fitness", slept_s <= SLEPT_S_MAX, at_s,
            message=f"this host slept for {slept_s:.1f} s, and its clock stood still; keep it awake", expected="0 s",
            observed=round(slept_s, 1), rule="D-959",
        )  # fmt: skip
        if not fit:
            raise Unfit
        lost_s = phase_s - self._phase_s
        spans = (
            (lost_s, self._asked_s, self._doubt_s), (lost_s + self._drifted_s, self._first_asked_s, self._first_doubt_s)
        )  # fmt: skip
        for lost_s, since_s, known_s in spans:
            passed_s = self._dut.bearer.now_s - since_s
            most_s = CLOCK_DRIFT_S_MAX + passed_s * DRIFT_PPM_MAX / 1e6 + doubt_s + known_s
            way = "lost" if lost_s > 0 else "gained"
            right = self._checks.expect(
                "clock", abs(lost_s) <= most_s, at_s,
                message=f"the pump's clock has {way} {abs(lost_s) * 1000:.0f} ms in {passed_s:.0f} s",
                expected=f"<= {most_s * 1000:.0f} ms", observed=round(lost_s * 1000, 1), rule="D-959",
            )  # fmt: skip
            if not right:
                return

    def _ask_again(self, pump: Pump) -> tuple[float, float]:
        if self._dut.bearer.prepares_values and self._dut.real_time:
            # The next second is awaited from shortly before it on.
            self.run_until(floor(self.now_s) + 1 - CLOCK_DRIFT_S_MAX)
        return self._ask_phase(pump, 2 * CLOCK_DRIFT_S_MAX)

    def _ask_phase(self, pump: Pump, within_s: float) -> tuple[float, float]:
        if self._dut.bearer.prepares_values:
            return self._see_second(pump, within_s)
        looks = []
        for _ in range(PHASE_LOOKS):
            before_s = self._dut.bearer.now_s
            uptime_s = float(pump.health().uptime_s)
            after_s = self._dut.bearer.now_s
            looks.append(((after_s - before_s) / 2, (before_s + after_s) / 2 - uptime_s))
        # The quickest look says best when the pump looked: somewhere within its round trip.
        doubt_s, phase_s = min(looks)
        return phase_s - self._epoch_s, doubt_s

    # A prepared value says which second it is. When the second began is seen by its change; in lockstep both begin
    # their seconds at one moment.
    def _see_second(self, pump: Pump, within_s: float) -> tuple[float, float]:
        bearer = self._dut.bearer
        before_s = bearer.now_s
        first_s = second_s = floor(pump.health().uptime_s)
        after_s, until_s = bearer.now_s, before_s + within_s + SECOND_STEP_S
        if not self._dut.real_time:
            return float(floor(before_s + CLOCK_STEP_S) - first_s - self._epoch_s), 0.0
        while second_s == first_s and after_s < until_s:
            pump.run_for(SECOND_STEP_S)
            last_s, before_s = before_s, bearer.now_s
            second_s, after_s = floor(pump.health().uptime_s), bearer.now_s
            if second_s != first_s:
                return (last_s + after_s) / 2 - second_s - self._epoch_s, (after_s - last_s) / 2
        # Its seconds last too long, or are not told.
        return after_s - second_s - self._epoch_s, SECOND_S

    def lead_s(self, at_s: int) -> float:
        """How long before pump second `at_s` an input is sent."""
        if self._dut.real_time or at_s in self.steady:
            return LEAD_S
        if self._dut.choice.interval_ms:
            return LEADS_S[0]
        return LEADS_S[(at_s * 40503 + self._seed) // 7 % len(LEADS_S)]

    def end(self) -> None:
        """The board is given up; its time stands still."""
        self._ended_s = self.now_s

    def run_until(self, pump_s: float) -> float:
        """Let pump time pass; the connection is served meanwhile. Returns the lateness in pump seconds."""
        bearer_s = pump_s + self._phase_s
        return self._link.run_until(bearer_s) if self.connected else self._dut.bearer.wait_until(bearer_s)

    def run_to_input(self, at_s: int) -> None:
        """Let time pass to the moment at which an input for pump second `at_s` is sent.

        Raises:
            Unfit: the bench is too late for it.
        """
        lateness_s = max(0.0, self.run_until(at_s - self.lead_s(at_s)))
        self.lateness_s_max = max(self.lateness_s_max, lateness_s)
        if not (self._dut.real_time or self._dut.choice.interval_ms) and lateness_s > LATENESS_S_MAX:
            # In lockstep the bench cannot be late: it is the pump that took so long over the exchange before.
            self._checks.expect(
                "response", False, at_s, message=f"the pump was {lateness_s:.1f} s late with its last answer",
                expected="<= 250 ms", observed=round(lateness_s * 1000, 1), rule="D-952",
            )  # fmt: skip
            raise Unfit
        self.judge(at_s, lateness_s, "a stimulus")

    def in_time(self, at_s: int) -> None:
        """An exchange must end before its second begins, or its effect cannot be told from the next one's.

        Raises:
            Unfit: it did not, on a virtual board, whose speed and connection interval are this bench's.
        """
        if self._dut.is_of_this_host and (self._dut.real_time or self._dut.choice.interval_ms):
            self.judge(at_s, self.now_s - at_s + LATENESS_S_MAX, "an exchange with the virtual board")

    def judge(self, at_s: float, lateness_s: float, what: str) -> None:
        """Judge one lateness.

        Raises:
            Unfit: it is more than the bench may be late.
        """
        remedies = ["a slower clock", "an idle machine"] if self._dut.real_time else []
        if self._dut.choice.interval_ms:
            remedies.append("a shorter connection interval")
        fit = self._checks.expect(
            "bench-fitness", lateness_s <= LATENESS_S_MAX, at_s,
            message=f"{what} was {lateness_s * 1000:.0f} ms late in pump time; use {' or '.join(remedies)}",
            expected="<= 500 ms", observed=round(lateness_s * 1000, 1),
        )  # fmt: skip
        if not fit:
            raise Unfit


@contextmanager
def no_collector_pauses() -> Iterator[None]:
    """Collecting the whole heap takes tens of milliseconds; at 60 times real time these are seconds of the pump."""
    enabled = gc.isenabled()
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.unfreeze()
        if enabled:
            gc.enable()
