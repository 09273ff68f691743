"""The stand: a pump on a virtual board in lockstep, driven from pump second to pump second, its motor watched."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Callable, Sequence
from datetime import datetime
from math import floor
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from pumplink.link import Link
from pumplink.pump import Pump
from pumplink.results import PumpData
from pumplink.virtual.clocks import Lockstep
from pumprig.accuracy.plan import Block
from pumprig.devices.pump import PumpProfile
from pumprig.dut import Dut, open_dut
from pumprig.pace import LEAD_S
from pumpwire.enums import FaultKind

__all__ = ["MIDNIGHT", "Pulse", "Stand", "Stopped"]

MIDNIGHT = datetime(2026, 3, 1)
"""Local time at which delivery begins."""
_HOUR_S = 3600
# A bearer's time may stop short of a moment by its own smallest step.
_STEP_S = 1e-5
_TEMPLATE = 1
_GUARD_DAY_MU = 100_000_000


class Stopped(Exception):
    """The measurement was told to end early."""


class Pulse(NamedTuple):
    """A pulse at the motor.

    Args:
        at_s: pump second in which it left the motor, whole.
        due_s: pump second for which the pump woke.
        late_s: how long after the beginning of that second it left.
    """

    at_s: int
    due_s: int
    late_s: float


class Stand:
    """A pump whose motor is seen; a context manager, within which the board runs.

    In lockstep the seconds of the board are those of the pump (D-001).

    Its guardrail of insulin per day is out of the way: it would end what is to be measured (D-1405).

    Args:
        firmware: another firmware folder, None for the installed one.
        profile: the kind of pump, None for the one that the firmware is by itself.
        stop: set from outside to end the measurement at its next step.
        on_hour: called for each hour of pump time that has passed.

    Attributes:
        pulses: every pulse seen so far, in order.
        pump: the client.
        data: what the pump says it is made of.
    """

    def __init__(
        self, firmware: Path | None = None, profile: PumpProfile | None = None,
        *, stop: threading.Event | None = None, on_hour: Callable[[], None] = lambda: None,
    ) -> None:  # fmt: skip
        self._firmware = firmware
        self._profile = profile
        self._running_since_s = 0
        self._stop = stop or threading.Event()
        self._on_hour = on_hour
        self._hours = 0
        self._filled_at_pulse = 0
        self._dut: Dut | None = None
        self.pulses: list[Pulse] = []
        self.pump: Pump
        self.data: PumpData

    def __enter__(self) -> Self:
        data = self._profile.pump_data() if self._profile is not None else {}
        data["GUARD_DAY_MU"] = _GUARD_DAY_MU
        self._dut = open_dut(
            "virtual", Lockstep(), firmware=self._firmware, on_pulse=self._pulse, pump_data=data
        )
        try:
            self.pump = Pump(Link(self._dut.bearer)).__enter__()
            self.data = self.pump.pump_data()
        except BaseException:
            self._dut.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._dut is not None
        self._dut.close()

    @property
    def tracebacks(self) -> int:
        """How many tracebacks the board has printed."""
        return self._dut.tracebacks if self._dut is not None else 0

    @property
    def now_s(self) -> float:
        """Pump time in seconds."""
        return self.pump.now_s

    def _pulse(self, at_us: int, due_us: int) -> None:
        at_s, due_s = at_us / 1e6, floor(due_us / 1e6)
        self.pulses.append(Pulse(floor(at_s), due_s, at_s - due_s))

    # --- Time ---------------------------------------------------------------------------------------------------

    def run_to(self, at_s: float) -> None:
        """Let pump time pass, hour by hour.

        Raises:
            Stopped: somebody asked for it.
        """
        while True:
            if self._stop.is_set():
                raise Stopped
            step_s = min(at_s, (self._hours + 1) * _HOUR_S)
            self.pump.run_until(step_s)
            while self.now_s >= (self._hours + 1) * _HOUR_S - _STEP_S:
                self._hours += 1
                self._on_hour()
            if self.now_s >= at_s - _STEP_S:
                return

    def run_to_input(self, at_s: int) -> None:
        """Let time pass to the moment at which an input for pump second `at_s` is sent (D-002)."""
        self.run_to(at_s - LEAD_S)

    def next_input_s(self) -> int:
        """The next second for which an input can still be sent."""
        return floor(self.now_s + LEAD_S) + 1

    def counted(self, from_s: int, until_s: int) -> int:
        """Pulses of the seconds after `from_s` up to `until_s`."""
        return bisect_right(self.pulses, until_s, key=_second) - bisect_right(self.pulses, from_s, key=_second)

    def seconds(self, from_s: int, until_s: int) -> list[int]:
        """The seconds of those pulses, counted from `from_s`."""
        first = bisect_right(self.pulses, from_s, key=_second)
        last = bisect_right(self.pulses, until_s, key=_second)
        return [pulse.at_s - from_s for pulse in self.pulses[first:last]]

    # --- The pump -----------------------------------------------------------------------------------------------

    def begin(self, profile: Sequence[Block]) -> int:
        """Fill the pump, set its clock to midnight, give it a profile and let it run, all at one pump second.

        A pump whose basal cannot be adjusted keeps its own.

        Returns:
            That second, from which the profile counts.
        """
        start_s = self.next_input_s()
        self.run_to_input(start_s)
        pump = self.pump
        pump.set_fill_level(iu(self.data.reservoir_capacity_mu))
        self._filled_at_pulse = len(self.pulses)
        pump.set_clock(MIDNIGHT)
        if self.data.basal_adjustable:
            pump.write_basal_profile([(block.minutes, iu(block.rate_mu_per_h)) for block in profile], _TEMPLATE)
            pump.activate(_TEMPLATE)
        pump.start()
        self._running_since_s = start_s
        return start_s

    def used_mu(self) -> int:
        """What has left the reservoir since it was filled."""
        return (len(self.pulses) - self._filled_at_pulse) * self.data.pulse_mu

    def top_up(self) -> None:
        """Set the reservoir to full while the therapy runs on, through the emulator's fault of that name."""
        self.pump.inject_fault(FaultKind.RESERVOIR_LEVEL, self.data.reservoir_capacity_mu // self.data.pulse_mu)
        self._filled_at_pulse = len(self.pulses)

    def refill(self) -> None:
        """Fill the reservoir as its wearer does: Stop, Set Initial Reservoir Fill Level, Run; a second for each."""
        for command in (
            self.pump.stop, lambda: self.pump.set_fill_level(iu(self.data.reservoir_capacity_mu)), self.pump.start,
        ):  # fmt: skip
            self._running_since_s = self.next_input_s()
            self.run_to_input(self._running_since_s)
            command()
        self._filled_at_pulse = len(self.pulses)


    def fixed_basal_s(self, from_s: int, until_s: int) -> list[int]:
        """Where a basal that cannot be adjusted has its pulses, counted from `from_s`; none for other pumps."""
        rate, full = self.data.basal_fixed_mu_per_h, _HOUR_S * self.data.pulse_mu
        if self.data.basal_adjustable or not rate:
            return []
        first, last = ((second - self._running_since_s) * rate // full for second in (from_s, until_s))
        return [self._running_since_s - from_s - -number * full // rate for number in range(first + 1, last + 1)]


def _second(pulse: Pulse) -> int:
    return pulse.at_s


def iu(amount_mu: int) -> str:
    """Milliunits as the exact text in IU that pumplink takes."""
    return f"{amount_mu // 1000}.{amount_mu % 1000:03d}"
