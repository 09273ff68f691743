"""The motor as the bench sees it, apart from the pump's word: by a virtual board's pin edges, or by a probe."""

from __future__ import annotations

from collections.abc import Callable
from math import floor, isfinite
from typing import TypeVar

from pumplink.errors import BearerError, ProbeError
from pumplink.probe import Probe
from pumprig.checks import CheckBook
from pumprig.dut import Dut
from pumprig.pace import LEAD_S, Pace, Unfit
from pumprig.pulses import SeenPulse

__all__ = ["EARLY_S", "PinWatch", "ProbeWatch"]

EARLY_S = 0.25
"""A pulse that is seen by so much less before a second is one of that second: what clocks may be wrong by. A virtual
board never tells the due time of a pulse early; it errs late by what the host needs to wake it."""

# The pump tells its time in whole milliseconds, so its seconds are known to one.
CLOCK_STEP_S = 0.002
WIDTH_SHORT_S = 0.001
WIDTH_TIMES_MAX = 10

_Told = TypeVar("_Told")


class PinWatch:
    """The motor by pin edges of a virtual board; a real one shows none.

    Args:
        dut: the board.
        pace: pump time.
        edges: motor pulses as (at_us, due_us) of DUT time, appended as they are seen, and taken out here.
    """

    def __init__(self, dut: Dut, pace: Pace, edges: list[tuple[int, int]]) -> None:
        self._dut, self._pace, self._edges = dut, pace, edges

    def poll(self) -> None:
        """Nothing waits anywhere."""

    def look(self, _target_s: int | None) -> None:
        """Judge how late the board was.

        Raises:
            Unfit: a virtual board that wakes late does so because its host is busy.
        """
        if self._edges and self._dut.real_time and self._dut.board is not None:
            lateness_s = max(at_us - due_us for at_us, due_us in self._edges) / 1e6
            self._pace.judge(int(self._pace.now_s), lateness_s, "the virtual board's motor")

    def take(self) -> list[SeenPulse]:
        """The pulses since the last time, in order."""
        early_s = EARLY_S if self._dut.real_time else CLOCK_STEP_S
        of_bearer = self._pace.of_bearer
        found = [
            SeenPulse(floor(of_bearer(due_us / 1e6) + early_s), of_bearer(at_us / 1e6)) for at_us, due_us in self._edges
        ]
        self._edges.clear()
        return found

    def seen_until_s(self, at_s: int) -> int:
        """The pump second up to which all due pulses are known, at the input for `at_s`."""
        # One second more than lockstep needs, so that dose events stand in the same order at every clock.
        return at_s - 2


class ProbeWatch:
    """The motor by a probe on its pin (D-957, D-958).

    Args:
        probe: the opened probe.
        pins: the motor by a virtual board's pin edges, which say how late its host is; None for a real board.
        own_time: whether the pump's time is no host's, so that a long pulse is its own doing.
        pace: pump time.
        checks: where widths and the bench's fitness are judged.
        pulse_ms: how long the pump holds its motor pin high.

    Attributes:
        doubt_s_max: the worst doubt of when a pulse came.
        widths_unknown: how many pulses there were whose width the probe could not tell.
    """

    def __init__(
        self, probe: Probe, pins: PinWatch | None, pace: Pace, checks: CheckBook, pulse_ms: int, *, own_time: bool
    ) -> None:
        self._probe = probe
        self._pins = pins
        self._own_time = own_time
        self._pace = pace
        self._checks = checks
        self._pulse_s = pulse_ms / 1000
        self._dead = False
        self._found: list[SeenPulse] = []
        self._seen_until_s = -1
        self.doubt_s_max = 0.0
        self.widths_unknown = 0

    def poll(self) -> None:
        """Take what has come, so that nothing waits on the probe's line for long.

        Raises:
            Unfit: the probe is gone, or has missed something.
        """
        self._ask(self._probe.poll)

    def look(self, target_s: int | None) -> None:
        """Take all pulses that have come since the last look.

        Args:
            target_s: the second whose input is sent next, and must not come late by this; None for none.
        Raises:
            Unfit: the probe is gone, has missed something, does not know well enough when they came, or took too long.
        """
        if self._pins is not None:
            self._pins.look(None)
            self._pins.take()
        try:
            complete_s = self._ask(self._probe.exchange)
        finally:
            # What was told before the probe went away is still true.
            for pulse in self._probe.take():
                self._see(*pulse)
        self._seen_until_s = floor(self._pace.of_bearer(complete_s) - 1 - EARLY_S)
        if target_s is not None:
            self._pace.judge(target_s, self._pace.now_s - (target_s - LEAD_S), "an exchange with the probe")

    def take(self) -> list[SeenPulse]:
        """The pulses that were found, in order."""
        found, self._found = self._found, []
        return found

    def seen_until_s(self, at_s: int) -> int:
        """The pump second up to which all due pulses are known, at the input for `at_s`."""
        return min(at_s - 2, self._seen_until_s)

    def _ask(self, question: Callable[[], _Told]) -> _Told:
        if self._dead:
            raise Unfit
        try:
            return question()
        except (ProbeError, BearerError) as error:
            self._dead = True
            self._checks.expect(
                "bench-fitness", False, self._pace.now_s, message=f"the motor is not seen any more: {error}",
                expected="a probe that tells of every edge", observed=type(error).__name__, rule="D-957",
            )  # fmt: skip
            raise Unfit from None

    def _see(self, bearer_s: float, doubt_s: float, width_s: float | None) -> None:
        at_s = self._pace.of_bearer(bearer_s)
        doubt_s += self._pace.phase_doubt_s
        fit = self._checks.expect(
            "bench-fitness", doubt_s <= EARLY_S, at_s,
            message=f"when the motor turned is known to {doubt_s * 1000:.0f} ms only; use a slower clock, or an idle "
            "machine",
            expected=f"<= {EARLY_S * 1000:g} ms", observed=round(doubt_s * 1000, 1) if isfinite(doubt_s) else None,
            rule="D-957",
        )  # fmt: skip
        if not fit:
            self._dead = True
            raise Unfit
        self.doubt_s_max = max(self.doubt_s_max, doubt_s)
        self._judge_width(at_s, width_s)
        self._found.append(SeenPulse(floor(at_s + EARLY_S), at_s))

    def _judge_width(self, at_s: float, width_s: float | None) -> None:
        if width_s is None:
            self.widths_unknown += 1
            return
        most_s = self._pulse_s * WIDTH_TIMES_MAX if self._own_time else float("inf")
        shown = f"{width_s * 1000:.1f} ms" if isfinite(width_s) else "a second and longer"
        self._checks.expect(
            "pulse-width", self._pulse_s - WIDTH_SHORT_S <= width_s <= most_s and isfinite(width_s), at_s,
            message=f"the motor pin was high for {shown}, due {self._pulse_s * 1000:g} ms",
            expected=f"{self._pulse_s * 1000:g} ms", observed=round(width_s * 1000, 3) if isfinite(width_s) else None,
        )  # fmt: skip
