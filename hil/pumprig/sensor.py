"""The rig's sensor: gives samples to the pump, keeps those it missed, and tells the judge of each as it leaves.

A sample takes effect at the pump second after it leaves. Live ones leave when the schedule says so. Those that the pump
asks for after a lost connection (D-617) leave at a moment of the second that no other input uses: before all of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from math import floor

from pumplink.cgm_records import CgmRecord
from pumplink.cgm_server import CgmServer
from pumplink.link import Link
from pumprig.checks import CheckBook
from pumprig.judge import Judge
from pumprig.loop_watch import LoopWatch
from pumprig.oracle.carrying_out import Wanted
from pumprig.oracle.guardrails import Heard
from pumprig.pace import Pace
from pumprig.scenario_control import LOOPS
from pumprig.scenario_parts import CgmSample
from pumprig.story import Story
from pumprig.trace import Sample
from pumpwire.enums import CgmStatusFlags, CgmWarningFlags

__all__ = ["Sensor"]

# Where in a pump second stored samples leave: a computer's delays fit before and after it; lockstep has none.
_REAL_TIME_PHASE_S = 0.25
_LOCKSTEP_PHASE_S = 0.02
_PHASE_DOUBT_S = 0.001
_WARNINGS = {
    "": CgmWarningFlags(0),
    "low": CgmWarningFlags.BELOW_DEVICE_RANGE,
    "high": CgmWarningFlags.ABOVE_DEVICE_RANGE,
}


class Sensor:
    """A sensor that is there from the first connection on that finds the pump's clock set, as a wearer would do it.

    Args:
        link: the connection.
        pace: pump time.
        judge: holds the oracle.
        checks: where it is judged what the pump asks for.
        story: what the record is told.
        session_start: local time at which the session started.
        loop: tells the oracle of samples, and asks for the numbers behind a decision.
        real_time: whether computing takes time.
    """

    def __init__(
        self, link: Link, pace: Pace, judge: Judge, checks: CheckBook, story: Story, session_start: datetime,
        loop: LoopWatch, *, real_time: bool,
    ) -> None:  # fmt: skip
        self._loop = loop
        self.session_start = session_start
        self._link, self._pace = link, pace
        self._judge, self._checks, self._story = judge, checks, story
        self._phase_s = _REAL_TIME_PHASE_S if real_time else _LOCKSTEP_PHASE_S
        self._server: CgmServer | None = None
        self._samples: dict[int, Sample | CgmSample] = {}
        # Offsets that the pump has not got and must ask for, and the greatest that it has.
        self._owed: set[int] = set()
        self._newest_minutes = -1
        self._live_s: int | None = None

    @property
    def subscribed(self) -> bool:
        """Whether the pump asked for measurements on this connection."""
        return self._server is not None and self._server.subscribed

    def renew(self) -> None:
        """Nothing of its session is left: the pump that starts again finds a sensor without stored samples."""
        self._server = None
        self._samples.clear()
        self._owed.clear()
        self._loop.forget()
        self._newest_minutes = -1

    def before_connection(self, missed: Iterable[Sample]) -> None:
        """A connection is about to be opened.

        Args:
            missed: the samples that came while there was none.
        """
        if self._server is None:
            self._server = CgmServer(self._link, self.session_start)
            self._server.record_access.delay_s = self._until_phase_s
            self._server.on_sent(self._sent)
        for sample in missed:
            if sample.offset_minutes not in self._samples:
                self._measure(self._server, sample)
                if sample.offset_minutes > self._newest_minutes:
                    self._owed.add(sample.offset_minutes)

    def send(self, at_s: int, sample: Sample | CgmSample) -> bool:
        """Send a sample; false when the pump has not asked for any.

        Args:
            at_s: the pump second at which it takes effect, unless stored samples go before it.
            sample: the sample.
        """
        server = self._server
        assert server is not None
        self.settle(at_s)
        self._live_s = at_s
        try:
            if self._judge.oracle.controller not in LOOPS:
                return self._measure(server, sample)
            return self._loop.decide(at_s, lambda: self._measure(server, sample))
        finally:
            self._live_s = None

    def settle(self, at_s: int) -> None:
        """Judge whether the pump has asked for all that it missed, and the numbers behind the last decision on it."""
        if self._server is None or self._server.busy:
            return
        self._checks.expect(
            "decision-count", not self._owed, at_s,
            message="the pump has not asked the sensor for the samples that it missed", expected=sorted(self._owed),
            observed=[], rule="D-617",
        )  # fmt: skip
        self._owed.clear()
        if self._judge.oracle.controller in LOOPS:
            self._loop.catch_up(at_s)

    def _measure(self, server: CgmServer, sample: Sample | CgmSample) -> bool:
        self._samples[sample.offset_minutes] = sample
        warning, status = CgmWarningFlags(0), CgmStatusFlags(0)
        if isinstance(sample, Sample):
            warning = _WARNINGS[sample.flag]
        else:
            for word in sample.status:
                status |= CgmStatusFlags[word.upper()]
        return server.send(sample.offset_minutes, sample.glucose_mg_dl, status=status, warning=warning)

    def _until_phase_s(self, bursts: int) -> float:
        now_s = self._pace.now_s
        return floor(now_s - self._phase_s + _PHASE_DOUBT_S) + 1 + self._phase_s - now_s

    def _sent(self, record: CgmRecord, stored: bool) -> None:
        sent_s, sent_host_s = self._pace.now_s, self._story.record.host_s
        offset_minutes, at_s = record.offset_minutes, self._live_s
        if at_s is None:
            at_s = floor(sent_s) + 1
            # On a host that is late an input of a later second may have gone first.
            behind_s = max(0, self._judge.oracle.now_s - at_s)
            self._pace.judge(at_s, sent_s - floor(sent_s) - self._phase_s + behind_s, "a stored sample")
        if stored:
            self._checks.expect(
                "decision-count", offset_minutes in self._owed, at_s,
                message="the pump asked the sensor for a sample that it has", expected=sorted(self._owed),
                observed=offset_minutes, rule="D-617", offset_minutes=offset_minutes,
            )  # fmt: skip
        self._owed.discard(offset_minutes)
        self._newest_minutes = max(self._newest_minutes, offset_minutes)
        sample = self._samples[offset_minutes]
        status = record.fields["sensor_status"] or 0
        self._story.sample(sent_s, at_s, sample)

        def tell(own: Wanted | None, heard: Heard | None) -> None:
            wanted = self._judge.oracle.sample(at_s, offset_minutes, sample.glucose_mg_dl, int(status), own, heard)
            self._judge.sample_sent(wanted, sent_s, sent_host_s)
            self._judge.take()

        self._loop.sample_left(tell)
        self._story.totals.samples += 1
        self._story.progress(self._pace.now_s, at_s, self._judge.oracle.state(), self._checks.book.verdict)
