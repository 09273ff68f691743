"""The motor as the bench sees it, apart from the pump's word: by a virtual board's pin edges, or by a probe."""

from __future__ import annotations

from collections.abc import Callable
from math import floor, isfinite
from typing import TypeVar

from pumplink.errors import BearerError, ProbeError
from pumplink.probe import Probe
from pumprig.checks import CheckBook
from pumprig.dut import Dut
from pumprig.motor_pin import MotorPin
from pumprig.motor_width import PulseWidths
from pumprig.pace import LEAD_S, Pace, Unfit
from pumprig.pulses import SeenPulse

__all__ = ["EARLY_S", "PinWatch", "ProbeWatch"]

EARLY_S = 0.25
"""A pulse that is seen by so much less before a second is one of that second: what clocks may be wrong by. A virtual
board never tells the due time of a pulse early; it errs late by what the host needs to wake it."""

# The pump tells its time in whole milliseconds, so its seconds are known to one.
CLOCK_STEP_S = 0.002

_Told = TypeVar("_Told")


class PinWatch:
    """The motor by pin edges of a virtual board; a real one shows none.

    Args:
        dut: the board.
        pace: pump time.

    Attributes:
        widths: judges widths and pauses; None while nobody does.
    """

    def __init__(self, dut: Dut, pace: Pace) -> None:
        self._dut, self._pace = dut, pace
        self._edges: list[tuple[int, int]] = []
        self._endless_us: int | None = None
        self.widths: PulseWidths | None = None

    def poll(self) -> None:
        """Nothing waits anywhere."""

    def look(self, _target_s: int | None) -> None:
        """Judge how late the board was, and how long its pulses were.

        Raises:
            Unfit: a virtual board that wakes late, or holds its pin for long, may do so because its host is busy.
        """
        if self._dut.pin is not None:
            self._edges += self._dut.pin.risen()
            self._judge_widths(self._dut.pin)
        if self._edges and self._dut.real_time and self._dut.board is not None:
            lateness_s = max(at_us - due_us for at_us, due_us in self._edges) / 1e6
            self._pace.judge(int(self._pace.now_s), lateness_s, "the virtual board's motor")

    def _judge_widths(self, pin: MotorPin) -> None:
        ended = pin.ended()
        if self.widths is None:
            return
        for pulse in ended:
            at_s = self._pace.of_bearer(pulse.at_us / 1e6)
            if pulse.pause_us is not None:
                self.widths.paused(at_s, pulse.pause_us / 1e6)
            self.widths.ended(at_s, pulse.width_us / 1e6)
        began_us = pin.high_since_us
        if began_us is None or began_us == self._endless_us:
            return
        # One that has not ended yet may be as it must be; what is too long by now is told once before its end.
        for_s = self._dut.bearer.now_s - began_us / 1e6
        if self.widths.too_long(for_s):
            self._endless_us = began_us
            self.widths.high(self._pace.of_bearer(began_us / 1e6), for_s)

    def take(self) -> list[SeenPulse]:
        """The pulses that were found by the last look, in order."""
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
        pace: pump time.
        checks: where the bench's fitness is judged.
        widths: judges widths.
        on_report: called with each pulse that the probe tells of: pump second, doubt of it, and width, in seconds; the
            width is None where the probe does not know it, and infinite for a second and longer.

    Attributes:
        doubt_s_max: the worst doubt of when a pulse came.
        widths_unknown: how many pulses there were whose width the probe could not tell.
    """

    def __init__(
        self, probe: Probe, pins: PinWatch | None, pace: Pace, checks: CheckBook, widths: PulseWidths, *,
        on_report: Callable[[float, float, float | None], None],
    ) -> None:  # fmt: skip
        self._probe = probe
        self._pins = pins
        self._on_report = on_report
        self._pace = pace
        self._checks = checks
        self.widths = widths
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
        self._on_report(at_s, doubt_s, width_s)
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
        if width_s is None:
            self.widths_unknown += 1
        else:
            self.widths.ended(at_s, width_s)
        self._found.append(SeenPulse(floor(at_s + EARLY_S), at_s))
