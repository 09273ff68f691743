"""A measurement of accuracy: several pumps, each on a board of its own, and the verdict over all of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from pumplink.errors import BearerError, BoardUnavailable, PumpLinkError
from pumplink.results import PumpData
from pumprig.accuracy.basal import BasalResult, measure_basal
from pumprig.accuracy.bolus import BolusResult, bolus_hours, measure_boluses
from pumprig.accuracy.checks import ACCURACY_CHECKS
from pumprig.accuracy.drift import DriftResult, measure_drift
from pumprig.accuracy.plan import Settings, profile_for, rates_for
from pumprig.accuracy.stand import Pulse, Stand, Stopped
from pumprig.accuracy.windows import ANALYSIS_HOURS, STABILISATION_HOURS
from pumprig.checks import CheckBook, Violation
from pumprig.errors import BlockedError
from pumprig.verdict import EXIT_CODES, Reason, Verdict, VerdictBook

__all__ = ["Accuracy", "Measurement", "Outcome", "measure", "measurements_for", "pump_data"]

Result = BasalResult | BolusResult | DriftResult


@dataclass(frozen=True)
class Measurement:
    """One pump that is measured.

    Args:
        name: as it is shown.
        run: measures it.
        hours: of pump time that it takes about, for the progress.
    """

    name: str
    run: Callable[[Stand, CheckBook], Result]
    hours: int


@dataclass
class Outcome:
    """What came of a measurement.

    Attributes:
        name: of it.
        result: None when the pump did not come to the end.
        verdict: of its checks.
        reasons: why it is not a PASS.
        violations: the first of each check, and more of them.
        counts: for each check what held and what did not, see `CheckBook.counts`.
        pulses: everything that the motor did.
    """

    name: str
    result: Result | None = None
    verdict: Verdict = Verdict.PASS
    reasons: tuple[Reason, ...] = ()
    violations: list[Violation] = field(default_factory=list)
    counts: dict[str, dict[str, Any]] = field(default_factory=dict)
    pulses: list[Pulse] = field(default_factory=list)


@dataclass
class Accuracy:
    """All measurements of a pump.

    Attributes:
        settings: what was asked for.
        pump: what it says it is made of.
        outcomes: one for each measurement.
        seconds: of host time.
    """

    settings: Settings
    pump: PumpData
    outcomes: list[Outcome]
    seconds: float = 0.0

    @property
    def profile_name(self) -> str:
        """Of the kind of pump; empty for the one that the firmware is by itself."""
        return self.settings.pump.name if self.settings.pump is not None else ""

    @property
    def title(self) -> str:
        """The kind of pump for people."""
        return self.settings.pump.title if self.settings.pump is not None else "pump"

    @property
    def verdict(self) -> Verdict:
        """The worst of them."""
        return max(outcome.verdict for outcome in self.outcomes)

    @property
    def exit_code(self) -> int:
        """As of a run."""
        return EXIT_CODES[self.verdict]

    @property
    def basal(self) -> list[BasalResult]:
        """The basal rates that came to their end, lowest first."""
        return [outcome.result for outcome in self.outcomes if isinstance(outcome.result, BasalResult)]

    @property
    def boluses(self) -> list[BolusResult]:
        """The bolus settings that came to their end, smallest first."""
        return [outcome.result for outcome in self.outcomes if isinstance(outcome.result, BolusResult)]

    @property
    def drift(self) -> DriftResult | None:
        """The days of basal, when they came to their end."""
        return next((outcome.result for outcome in self.outcomes if isinstance(outcome.result, DriftResult)), None)


def pump_data(settings: Settings) -> PumpData:
    """Ask a pump what it is made of.

    Raises:
        BlockedError: it does not come up.
    """
    try:
        with Stand(settings.firmware, settings.pump) as stand:
            return stand.data
    except PumpLinkError as error:
        raise BlockedError(str(error)) from None


def measurements_for(settings: Settings, pump: PumpData) -> list[Measurement]:
    """The measurements of a pump: basal rates, boluses, drift (D-1405).

    Raises:
        UsageError: a rate that was asked for cannot be programmed.
    """
    found = [
        Measurement(
            f"basal {rate / 1000:g} U/h", partial(measure_basal, rate_mu_per_h=rate),
            STABILISATION_HOURS + ANALYSIS_HOURS,
        )
        for rate in rates_for(pump, settings.rates_mu_per_h, settings.pump)
    ]  # fmt: skip
    for amount in sorted({pump.bolus_min_mu, pump.bolus_limit_mu}):
        run = partial(measure_boluses, amount_mu=amount)
        found.append(Measurement(f"bolus {amount / 1000:g} U", run, bolus_hours(pump, amount)))
    profile = profile_for(pump, settings.pump)
    if settings.days and profile:
        run_drift = partial(measure_drift, profile=profile, days=settings.days)
        found.append(Measurement(f"drift over {settings.days} d", run_drift, 24 * settings.days))
    return found


def measure(
    settings: Settings, pump: PumpData, measurements: Sequence[Measurement],
    *, on_hour: Callable[[str], None] = lambda name: None,
) -> Accuracy:  # fmt: skip
    """Run the measurements, a few at a time, the longest first.

    Args:
        settings: what was asked for.
        pump: as `pump_data` told it.
        measurements: as `measurements_for` chose them.
        on_hour: called with a measurement's name for each hour of pump time in it.

    Raises:
        BlockedError: no board can be started.
    """
    stop = threading.Event()
    with ThreadPoolExecutor(settings.jobs) as pool:
        try:
            running = {
                one.name: pool.submit(_one, one, settings, stop, partial(on_hour, one.name))
                for one in sorted(measurements, key=lambda one: -one.hours)
            }
            outcomes = [running[one.name].result() for one in measurements]
        except BaseException:
            # A thread waits for its board and nobody can wake it, but it looks up after every hour of the pump.
            stop.set()
            pool.shutdown(cancel_futures=True)
            raise
    return Accuracy(settings, pump, outcomes)


def _one(one: Measurement, settings: Settings, stop: threading.Event, on_hour: Callable[[], None]) -> Outcome:
    book = VerdictBook()
    checks = CheckBook(book, real_time=False, declared=ACCURACY_CHECKS)
    outcome = Outcome(one.name)
    stand = Stand(settings.firmware, settings.pump, stop=stop, on_hour=on_hour)
    try:
        with stand:
            try:
                outcome.result = one.run(stand, checks)
            finally:
                _judge_motor(stand, checks)
    except BoardUnavailable as error:
        raise BlockedError(str(error)) from None
    except BearerError as error:
        # The line to a virtual board cannot break: whatever ended it is the pump's doing.
        _failed(checks, stand, "alive", error, "running")
    except PumpLinkError as error:
        _failed(checks, stand, "command", error, "taken")
    except Stopped:
        pass
    outcome.verdict, outcome.reasons = book.verdict, book.reasons
    outcome.violations, outcome.counts, outcome.pulses = checks.violations, checks.counts(), stand.pulses
    return outcome


def _failed(checks: CheckBook, stand: Stand, check: str, error: Exception, expected: str) -> None:
    at_s = stand.pulses[-1].at_s if stand.pulses else 0
    checks.expect(check, False, at_s, message=str(error), expected=expected, observed=type(error).__name__)


def _judge_motor(stand: Stand, checks: CheckBook) -> None:
    for pulse in stand.pulses:
        checks.expect(
            "pulse-timing", pulse.late_s < 1, pulse.at_s,
            message=f"the pulse due at {pulse.due_s} s left the motor {pulse.late_s:.3f} s later",
            expected="< 1 s", observed=round(pulse.late_s, 3),
        )  # fmt: skip
    checks.expect(
        "alive", not stand.tracebacks, stand.now_s, message=f"the pump printed {stand.tracebacks} tracebacks",
        expected=0, observed=stand.tracebacks,
    )  # fmt: skip
