"""The rig: brings a pump up, drives it through a schedule, and judges it while time passes.

Every input is sent half a second before the pump second at which it takes effect (D-002), each at a second of its
own choosing, so that lockstep, scaled and real time give the same dose events.
"""

from __future__ import annotations

import gc
import heapq
import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from pumplink.cgm_server import CgmServer
from pumplink.errors import AttError, BearerError, E2EError, ProcedureTimeout, PumpLinkError, WireError
from pumplink.link import Link
from pumplink.pump import Pump
from pumplink.results import Decision, Procedure
from pumprig import scenario_parts as parts
from pumprig.actions import Action, action_of, configure, fault_of, perform
from pumprig.audit import Audit
from pumprig.checks import CHECKS, CheckBook
from pumprig.dut import Dut, is_dead
from pumprig.errors import BlockedError, BuildMismatch
from pumprig.judge import Judge, SeenDecision
from pumprig.oracle import Oracle, OracleSettings
from pumprig.oracle import commands as oracle_commands
from pumprig.plan import BRING_UP_S, RunPlan
from pumprig.pulses import SeenPulse
from pumprig.record import RunRecord
from pumprig.repeat import Repeater
from pumprig.schedule import Stimulus
from pumprig.story import Story
from pumprig.trace import Sample
from pumprig.verdict import Reason, Verdict, VerdictBook
from pumpwire.enums import CgmWarningFlags, DecisionReason, StatusChangedFlags

__all__ = ["Rig"]

LEAD_S = 0.5
FITNESS_LIMIT_S = 0.5
AUDIT_EVERY_S = 3600
# Away from whole minutes, where samples fall.
AUDIT_PHASE_S = 97
ANNUNCIATION_READ_AFTER_S = 3
ANNUNCIATION_CONFIRM_AFTER_S = 603
FLUSH_EVERY_S = 0.2
SUBSCRIBE_STEP_S = 0.05

_REASONS = {
    DecisionReason.MANUAL: "manual",
    DecisionReason.NO_PREDICTION_KEEP: "no prediction",
    DecisionReason.PREDICTED_LOW: "predicted low",
    DecisionReason.LOW_NOW: "low now",
    DecisionReason.RISING: "rising",
    DecisionReason.NOT_LOW: "not low",
    DecisionReason.LIMIT_REACHED: "limit reached",
    DecisionReason.LOCKOUT: "lockout",
    DecisionReason.STALE: "stale",
    DecisionReason.MINIMUM_TIME: "minimum time",
    DecisionReason.THERAPY_STOPPED: "therapy not running",
    DecisionReason.INVALID_SAMPLE: "invalid sample",
}
_WARNINGS = {
    "": CgmWarningFlags(0),
    "low": CgmWarningFlags.BELOW_DEVICE_RANGE,
    "high": CgmWarningFlags.ABOVE_DEVICE_RANGE,
}


class _Unfit(Exception):
    """The bench lost its fitness; nothing that follows can be judged."""


class Rig:
    """One run of one plan on one DUT.

    Args:
        plan: what to do.
        dut: the opened board.
        record: where everything seen is kept.
        book: the verdict.
        motor: motor pulses as (at_us, due_us) of DUT time, appended as they are seen; the rig takes them out.
    """

    def __init__(
        self, plan: RunPlan, dut: Dut, record: RunRecord, book: VerdictBook, motor: list[tuple[int, int]]
    ) -> None:
        self.plan, self.dut, self.record, self.book = plan, dut, record, book
        self.story = Story(record, plan)
        self.totals = self.story.totals
        self.checks = CheckBook(
            book, real_time=dut.real_time, without=plan.without, on_violation=self.story.violation
        )
        self.link = Link(dut.bearer)
        self.pump = Pump(self.link)
        self._repeater = Repeater(self.link, self.checks)
        self.pulse_mu = 0
        self._cgm: CgmServer | None = None
        self._judge: Judge | None = None
        self._audit: Audit | None = None
        self._phase_s = 0.0
        self._queue: list[tuple[int, int, int, Callable[[int], None]]] = []
        self._numbers = itertools.count()
        self._motor = motor
        self._connected = False
        self._target_s = 0
        self._annunciation_due_s = -1
        self._handles_annunciations = any(
            isinstance(command, (parts.ConfirmAnnunciation, parts.SnoozeAnnunciation))
            for command in plan.scenario.commands
        )
        self._flushed_s = 0.0
        self._end_s = plan.schedule.end_s

    # --- A run --------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Bring the pump up, run the plan, and leave the verdict in the book.

        Raises:
            BlockedError: the bench cannot run this plan.
            BuildMismatch: the board runs another firmware or another wire.
        """
        with _no_collector_pauses():
            try:
                self._bring_up()
                self._plan_stimuli()
                self._drive()
                self._finish()
            except _Unfit:
                pass
            except BearerError as error:
                self._bearer_failed(error)
            except (ProcedureTimeout, E2EError, WireError, AttError) as error:
                self._protocol_failed(error)
            except PumpLinkError as error:
                self._add(Verdict.ERROR, str(error))

    @property
    def judge(self) -> Judge:
        """The judge; there from the bring-up on."""
        if self._judge is None:
            raise RuntimeError("the pump has not been brought up")
        return self._judge

    @property
    def now_s(self) -> float:
        """Pump time in seconds."""
        return self.dut.bearer.now_s - self._phase_s

    def _bearer_failed(self, error: BearerError) -> None:
        if is_dead(error):
            self.checks.expect(
                "alive", False, self.now_s, message=str(error), expected="running", observed=type(error).__name__
            )
            return
        self._add(Verdict.ERROR, f"{self.dut.name}: {error}")

    def _protocol_failed(self, error: Exception) -> None:
        self.checks.expect(
            "response", False, self.now_s, message=str(error), expected="an answer by the wire's rules",
            observed=type(error).__name__, rule="D-954",
        )  # fmt: skip

    def _add(self, verdict: Verdict, message: str) -> None:
        self.book.add(Reason(verdict, message, at_s=round(self.now_s, 3)))

    def summary(self) -> dict[str, Any]:
        """Counts of the run and of its checks, as plain data for run.json."""
        totals = self.totals
        summary: dict[str, Any] = {
            "checks": self.checks.counts(),
            "violations": sum(self.checks.missed(check) for check in CHECKS),
            "samples_sent": totals.samples,
            "decisions": totals.decisions,
            "pulses": totals.pulses,
            "boluses": totals.boluses,
            "latency_dut_ms_max": round(totals.latency_dut_ms_max, 3),
            "latency_host_ms_max": round(totals.latency_host_ms_max, 3),
            "lateness_ms_max": round(totals.lateness_ms_max, 3),
        }
        if self._judge is not None:
            ledger = self._judge.oracle.ledger()
            summary["suspensions"] = self._judge.suspensions
            summary["suspended_s"] = self._judge.suspended_seconds(self._judge.oracle.now_s)
            summary["pulse_lateness_ms_max"] = round(self._judge.pulses.lateness_s_max * 1000, 3)
            summary["ledger_mu"] = {
                name: {
                    part: float(getattr(getattr(ledger, name), f"{part}_mu"))
                    for part in ("commanded", "delivered", "remaining", "dropped")
                }
                for name in ("basal", "bolus")
            }
        return summary

    # --- Bring-up -----------------------------------------------------------------------------------------------

    def _bring_up(self) -> None:
        start = self.plan.trace.start
        self.link.open()
        identity = self.pump.identity()
        if self.plan.expected_firmware not in (None, identity.firmware_hash):
            raise BuildMismatch(
                f"the board runs firmware {identity.firmware_hash.hex()}", where=self.dut.name,
                allowed=self.plan.expected_firmware.hex() if self.plan.expected_firmware else "",
                remedy="Flash this build, or run without a fixed build.",
            )  # fmt: skip
        data = self.pump.pump_data()
        self.pulse_mu = data.pulse_mu
        self._find_phase()
        self._refuse_used_pump()
        settings = OracleSettings(
            pulse_mu=data.pulse_mu,
            bolus_speed_mu_per_minute=data.bolus_speed_mu_per_minute,
            basal_limit_mu_per_h=data.basal_rate_limit_mu_per_h,
            reservoir_capacity_mu=data.reservoir_capacity_mu,
        )
        self._start_judging(settings)
        self._say_what_runs(identity.firmware_hash, identity.wire_version)
        self.pump.on_status_changed(self._status_changed)
        self.pump.on_decision(self._decided)
        self.pump.on_procedure(self._answered)
        # A tenth of a host second to get ready in, whatever the speed of the clock.
        first_s = int(self.now_s) + 2 + self.dut.clock.scale // 10
        if first_s > self.plan.schedule.start_s - BRING_UP_S // 2:
            raise BlockedError(
                f"the pump has run for {first_s} s", where=self.dut.name,
                remedy="Reset the board and start again; at a fast clock, use a slower one.",
            )  # fmt: skip
        self._set_up(first_s, start)

    def _start_judging(self, settings: OracleSettings) -> None:
        self._judge = Judge(
            Oracle(settings),
            self.checks,
            on_pulse=self._pulse_judged,
            on_record=lambda record, at_s: self.story.history(self.now_s, record, at_s),
            on_event=lambda event: self.story.expected(event, self.judge.oracle.state().tbr is not None),
            on_decision=self.story.decision,
            basal_pulses_per_hour_max=-(-settings.basal_limit_mu_per_h // settings.pulse_mu),
        )
        self._audit = Audit(
            self.pump, self._judge, self.checks, self.record, pulse_mu=settings.pulse_mu,
            sees_pulses=self.dut.sees_pulses,
        )  # fmt: skip

    def _say_what_runs(self, firmware_hash: bytes, wire_version: int) -> None:
        self.record.meta(firmware_hash=firmware_hash.hex(), wire_version=wire_version, pulse_mu=self.pulse_mu)
        self.story.begin(self.now_s, self.dut, self.pulse_mu)

    def _find_phase(self) -> None:
        # The pump tells its time to the millisecond; half of the round trip is the best guess of when it looked.
        before_s = self.dut.bearer.now_s
        uptime_s = float(self.pump.health().uptime_s)
        self._phase_s = (before_s + self.dut.bearer.now_s) / 2 - uptime_s

    def _refuse_used_pump(self) -> None:
        counters = self.pump.pulse_counters()
        if counters.basal or counters.bolus or counters.prime:
            raise BlockedError(
                "the pump has delivered since its start, so its history is not this run's", where=self.dut.name,
                remedy="Reset the board and start again.",
            )  # fmt: skip

    def _set_up(self, first_s: int, start: datetime) -> None:
        scenario, schedule = self.plan.scenario, self.plan.schedule
        pump, seconds = scenario.pump, itertools.count(first_s)
        clock_s = next(seconds)
        wall = start - timedelta(seconds=schedule.start_s - clock_s)
        self._command(clock_s, parts.SetClock.model_construct(to=wall))
        # The sensor is connected once the pump knows the time, as a wearer would do it.
        self._go_to(next(seconds))
        self.link.close()
        self._cgm = CgmServer(self.link, start)
        self._connect(next(seconds))
        level = parts.ReservoirLevel.model_construct(amount_iu=pump.reservoir_iu)
        if pump.reservoir_iu * 1000 != self.judge.oracle.settings.reservoir_capacity_mu:
            self._fault(next(seconds), level)
        for command in (
            parts.SetMaxBolus.model_construct(amount_iu=pump.max_bolus_iu),
            parts.WriteBasalProfile.model_construct(template_number=1, basal_profile=pump.basal_profile),
            parts.ActivateBasalProfile.model_construct(template_number=1),
        ):
            self._command(next(seconds), command)
        settings_s = next(seconds)
        self._go_to(settings_s)
        self._give(configure(scenario.controller, scenario.settings), settings_s)
        self._command(schedule.start_s - 10, parts.SetTherapyState.model_construct(state="run"))

    def _connect(self, at_s: int) -> None:
        assert self._cgm is not None
        self._go_to(at_s)
        self.link.open()
        self._connected = True
        while not self._cgm.subscribed and self.now_s < at_s:
            self._run_until(self.now_s + SUBSCRIBE_STEP_S)
        self._in_time(at_s)
        self.pump.subscribe()
        self.judge.oracle.command(at_s, oracle_commands.OpenCgmSession(self._cgm.session_start))
        self.judge.take()
        self.checks.expect(
            "response", self._cgm.subscribed, at_s, message="the pump has not asked the sensor for measurements",
            expected="subscribed", observed="not subscribed", rule="D-601",
        )  # fmt: skip

    # --- Time ---------------------------------------------------------------------------------------------------

    def _run_until(self, pump_s: float) -> float:
        return self.link.run_until(pump_s + self._phase_s) if self._connected else self._wait(pump_s)

    def _wait(self, pump_s: float) -> float:
        return self.dut.bearer.wait_until(pump_s + self._phase_s)

    def _go_to(self, at_s: int) -> None:
        """Let time pass to the moment at which an input for `at_s` is sent, and judge all that happened."""
        self._target_s = at_s
        lateness_s = max(0.0, self._run_until(at_s - LEAD_S))
        self.totals.lateness_ms_max = max(self.totals.lateness_ms_max, lateness_s * 1000)
        self._judge_fitness(at_s, lateness_s, "a stimulus")
        self._take_pulses()
        judge = self.judge
        judge.advance(max(at_s - 1, judge.oracle.now_s))
        seen_until_s = at_s - (2 if self.dut.real_time else 1)
        if self.dut.sees_pulses:
            judge.settle(seen_until_s)
            assert self._audit is not None
            self._audit.settle(seen_until_s)
        judge.overdue(at_s - LEAD_S)
        if self.record.host_s - self._flushed_s > FLUSH_EVERY_S:
            self._flushed_s = self.record.host_s
            self.record.flush()

    def _take_pulses(self) -> None:
        if not self._motor:
            return
        if self.dut.real_time and self.dut.board is not None:
            # A virtual board that wakes late does so because its host is busy.
            lateness_s = max(at_us - due_us for at_us, due_us in self._motor) / 1e6
            self._judge_fitness(int(self.now_s), lateness_s, "the virtual board's motor")
        for at_us, due_us in self._motor:
            at_s = at_us / 1e6 - self._phase_s
            due_s = round(due_us / 1e6 - self._phase_s)
            self.judge.pulses.seen(SeenPulse(due_s, at_s))
        self._motor.clear()

    def _judge_fitness(self, at_s: float, lateness_s: float, what: str) -> None:
        fit = self.checks.expect(
            "bench-fitness", lateness_s <= FITNESS_LIMIT_S, at_s,
            message=f"{what} was {lateness_s * 1000:.0f} ms late in pump time; use a slower clock or an idle machine",
            expected="<= 500 ms", observed=round(lateness_s * 1000, 1),
        )  # fmt: skip
        if not fit:
            raise _Unfit

    def _in_time(self, at_s: int) -> None:
        """An exchange that must end before its second begins, or its effect cannot be told from the next one's."""
        if self.dut.board is not None and self.dut.real_time:
            self._judge_fitness(at_s, self.now_s - at_s + FITNESS_LIMIT_S, "an exchange with the virtual board")

    # --- Stimuli ------------------------------------------------------------------------------------------------

    def _later(self, at_s: int, order: int, action: Callable[[int], None]) -> None:
        heapq.heappush(self._queue, (at_s, order, next(self._numbers), action))

    def _plan_stimuli(self) -> None:
        for stimulus in self.plan.schedule.stimuli:
            self._later(stimulus.at_s, 0, _bound(self._stimulate, stimulus))
        start_s = self.plan.schedule.start_s
        for audit_s in range(start_s + AUDIT_EVERY_S + AUDIT_PHASE_S, self._end_s - 60, AUDIT_EVERY_S):
            self._plan_audit(audit_s)

    def _plan_audit(self, at_s: int) -> None:
        assert self._audit is not None
        for number, question in enumerate(self._audit.questions):
            self._later(at_s + number, 2, _asking(self, question))

    def _drive(self) -> None:
        while self._queue:
            at_s, _, _, action = heapq.heappop(self._queue)
            if at_s > self._end_s:
                break
            self._go_to(at_s)
            action(at_s)

    def _stimulate(self, at_s: int, stimulus: Stimulus) -> None:
        match stimulus.kind:
            case "sample":
                assert isinstance(stimulus.payload, Sample)
                self._sample(at_s, stimulus.payload)
            case "command":
                self._command(at_s, stimulus.payload)
            case "fault":
                self._fault(at_s, stimulus.payload)
            case "repeat":
                self._repeat(at_s)
            case "bearer_down":
                self._bearer_down(at_s)
            case "bearer_up":
                self._connect(at_s)

    def _sample(self, at_s: int, sample: Sample) -> None:
        assert self._cgm is not None
        sent_s, sent_host_s = self.now_s, self.record.host_s
        sent = self._cgm.send(sample.offset_minutes, sample.glucose_mg_dl, warning=_WARNINGS[sample.flag])
        self.story.sample(sent_s, at_s, sample)
        if not sent:
            return
        wanted = self.judge.oracle.sample(at_s, sample.offset_minutes, sample.glucose_mg_dl)
        self.judge.sample_sent(wanted, sent_s, sent_host_s)
        self.judge.take()
        self.totals.samples += 1
        self.story.progress(self.now_s, at_s, self.judge.oracle.state(), self.book.verdict)

    def _command(self, at_s: int, command: Any) -> None:
        self._go_to(at_s)
        shown_id = 0
        if getattr(command, "annunciation_id", 0) is None:
            shown = self.pump.annunciation()
            shown_id = shown.id if shown is not None else 0
        self._give(
            action_of(command, newest_bolus_id=self.totals.last_bolus_id, shown_annunciation_id=shown_id), at_s
        )

    def _give(self, action: Action, at_s: int) -> None:
        wanted = self.judge.oracle.command(at_s, action.command)
        self.judge.take()
        sent_s = self.now_s
        answered = perform(action, self.pump)
        latency_ms = (self.now_s - sent_s) * 1000
        self._in_time(at_s)
        self.record.event(
            "command", sent_s, at_s=at_s, name=action.name, fields=action.fields, response=answered.code,
            latency_ms=round(latency_ms, 3),
        )  # fmt: skip
        if action.name == "set_controller":
            settings = self.judge.oracle.state().controller
            self.judge.suspended.settings(at_s, settings.suspend_limit_minutes, settings.limit_window_minutes)
        ok = answered.code in wanted.codes
        self.checks.expect(
            "response", ok, at_s, message=f"{action.name} was answered 0x{answered.code:02X}",
            expected=" or ".join(f"0x{code:02X}" for code in sorted(wanted.codes)),
            observed=f"0x{answered.code:02X}", rule=wanted.rule,
        )  # fmt: skip
        bolus_id = answered.fields.get("bolus_id")
        if bolus_id is not None:
            self.totals.last_bolus_id = bolus_id
            self.totals.boluses += 1
            self.checks.expect(
                "response", bolus_id == wanted.fields.get("bolus_id"), at_s, message="the bolus ID is wrong",
                expected=wanted.fields.get("bolus_id"), observed=bolus_id, rule="D-402",
            )  # fmt: skip
        if action.name == "set_bolus" and answered.code in wanted.codes:
            limit_mu = self.judge.oracle.state().max_bolus_mu
            refused = bolus_id is None
            amount_mu = float(action.fields["amount_iu"]) * 1000
            self.checks.expect(
                "bolus-limit", refused or amount_mu <= limit_mu, at_s, message="a bolus above the maximum was accepted",
                expected=f"<= {limit_mu} mU", observed=amount_mu,
            )  # fmt: skip

    def _fault(self, at_s: int, fault: Any) -> None:
        self._go_to(at_s)
        name, fields, told, do = fault_of(fault, self.dut, self.pulse_mu)
        do(self.pump)
        self._in_time(at_s)
        self.judge.oracle.command(at_s, told)
        self.judge.take()
        self.record.event("fault", self.now_s, at_s=at_s, name=name, fields=fields)

    def _repeat(self, at_s: int) -> None:
        code = self._repeater.repeat(at_s)
        self._in_time(at_s)
        self.record.event("fault", self.now_s, at_s=at_s, name="repeat_command", fields={"att_error": code})

    def _bearer_down(self, at_s: int) -> None:
        self.link.close()
        self._connected = False
        self.judge.forget_pending()
        self.record.event("fault", self.now_s, at_s=at_s, name="bearer_down", fields={})

    def _ask(self, at_s: int, question: Callable[[int, Any], None]) -> None:
        if not self._connected:
            return
        self.judge.advance(at_s)
        question(at_s, self.judge.oracle.state())
        self._in_time(at_s)

    # --- What the pump says of itself ---------------------------------------------------------------------------

    def _status_changed(self, flags: StatusChangedFlags, arrived_s: float) -> None:
        if not flags & StatusChangedFlags.ANNUNCIATION_STATUS_CHANGED:
            return
        if self._annunciation_due_s >= self._target_s:
            return
        # The rig is on its way to its next stimulus and asks after that one.
        self._annunciation_due_s = self._target_s + ANNUNCIATION_READ_AFTER_S
        assert self._audit is not None
        self._later(self._annunciation_due_s, 1, _asking(self, self._audit.annunciation))
        self._later(self._annunciation_due_s + 1, 1, self._clear_annunciation_bit)

    def _clear_annunciation_bit(self, at_s: int) -> None:
        if not self._connected:
            return
        self.pump.reset_status(StatusChangedFlags.ANNUNCIATION_STATUS_CHANGED)
        self._in_time(at_s)
        if self.pump.annunciation() is not None and not self._handles_annunciations:
            self._later(at_s + ANNUNCIATION_CONFIRM_AFTER_S, 1, self._confirm_shown)

    def _confirm_shown(self, at_s: int) -> None:
        if self._connected and self.pump.annunciation() is not None:
            self._command(at_s, parts.ConfirmAnnunciation.model_construct(annunciation_id=None))

    def _decided(self, decision: Decision, arrived_s: float) -> None:
        seen = SeenDecision(
            decision.sequence, decision.offset_minutes, decision.at_s, decision.glucose_mg_dl or 0,
            decision.predicted_mg_dl, decision.iob_mu, decision.action.name.lower(), _REASONS[decision.reason],
        )  # fmt: skip
        at_s = arrived_s - self._phase_s
        self._in_time(seen.at_s)
        self.judge.decision_seen(seen, at_s, self.record.host_s)

    def _answered(self, procedure: Procedure) -> None:
        latency_ms = (procedure.answered_at_s - procedure.sent_at_s) * 1000
        if self.dut.clock.scale == 1:
            self.checks.expect(
                "response-deadline", latency_ms <= 250 or "Racp" in procedure.name, self.now_s,
                message=f"{procedure.name} was answered after {latency_ms:.0f} ms", expected="<= 250 ms",
                observed=round(latency_ms, 1),
            )  # fmt: skip

    # --- What was judged ----------------------------------------------------------------------------------------

    def _pulse_judged(self, pulse: SeenPulse, source: str) -> None:
        assert self._audit is not None
        self._audit.pulse_seen(pulse.due_s)
        self.story.pulse(pulse, source)

    # --- The end ------------------------------------------------------------------------------------------------

    def _finish(self) -> None:
        assert self._audit is not None
        end_s = self._end_s
        if not self._connected:
            self._connect(end_s + 1)
        for number, question in enumerate(self._audit.questions, 2):
            self._go_to(end_s + number)
            self._ask(end_s + number, question)
        # Two seconds more, so that what fell due at the last question is seen too.
        last_s = end_s + len(self._audit.questions) + 5
        self._go_to(last_s)
        self.judge.history.finish(last_s)
        self.judge.suspended.finish(last_s)
        self._judge_expectations(last_s)
        self.record.meta(free_heap_octets=self.pump.health().free_heap_octets)
        self.link.close()

    def _judge_expectations(self, at_s: int) -> None:
        expect = self.plan.scenario.expect
        state = self.judge.oracle.state()
        delivered = {"basal_iu": state.counters.basal_pulses, "bolus_iu": state.counters.bolus_pulses}
        for name, pulses in delivered.items():
            wanted = getattr(expect, name)
            if wanted is not None:
                got = pulses * self.pulse_mu / 1000
                self.checks.expect(
                    "expectation", float(wanted) == got, at_s, message=f"expected {name} {wanted}, it is {got}",
                    expected=float(wanted), observed=got,
                )  # fmt: skip
        if expect.suspensions_at_least is not None:
            self.checks.expect(
                "expectation", self.judge.suspensions >= expect.suspensions_at_least, at_s,
                message=f"expected {expect.suspensions_at_least} suspensions, there were {self.judge.suspensions}",
                expected=f">= {expect.suspensions_at_least}", observed=self.judge.suspensions,
            )  # fmt: skip
        for check, count in expect.violations.items():
            missed = self.checks.missed(check)
            self.checks.expect(
                "expectation", missed == count, at_s, message=f"the scenario expects {count} violations of {check}",
                expected=count, observed=missed,
            )  # fmt: skip


def _bound(method: Callable[[int, Stimulus], None], stimulus: Stimulus) -> Callable[[int], None]:
    return lambda at_s: method(at_s, stimulus)


def _asking(rig: Rig, question: Callable[[int, Any], None]) -> Callable[[int], None]:
    return lambda at_s: rig._ask(at_s, question)


@contextmanager
def _no_collector_pauses() -> Iterator[None]:
    # A collection of the whole heap takes tens of milliseconds, which at 60 times real time are seconds of the pump.
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
