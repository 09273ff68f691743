"""The rig: brings a pump up, drives it through a schedule, and judges it while time passes.

Every input is sent half a second before the pump second at which it takes effect (D-002), each at a second of its
own choosing, so that lockstep, scaled and real time give the same dose events.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from math import ceil, floor
from typing import Any

from pumplink.errors import (
    AttError,
    AttTimeout,
    BearerError,
    E2EError,
    ProcedureError,
    ProcedureTimeout,
    PumpLinkError,
    WireError,
)
from pumplink.link import ATT_TIMEOUT_S, Link
from pumplink.meter import LinkMeter
from pumplink.pump import Pump
from pumplink.results import Decision, Procedure, PumpData
from pumprig import scenario_parts as parts
from pumprig.actions import configure
from pumprig.asking import Question
from pumprig.audit import Audit
from pumprig.checks import CHECKS, CheckBook
from pumprig.dut import Dut, is_dead
from pumprig.expectations import judge_expectations
from pumprig.hands import Hands
from pumprig.judge import Judge, SeenDecision
from pumprig.line import Line, identify, link_summary, open_first
from pumprig.lives import Lives
from pumprig.missed import MissedQuestions
from pumprig.motor_watch import PinWatch, ProbeWatch
from pumprig.motor_width import PulseWidths
from pumprig.oracle import OracleSettings, State
from pumprig.oracle.settings import PAUSE_LIMIT_S
from pumprig.own_trouble import controller_errors, with_its_name
from pumprig.pace import Pace, Unfit, no_collector_pauses
from pumprig.plan import BRING_UP_S, RunPlan
from pumprig.power import PowerCuts
from pumprig.pulses import SeenPulse
from pumprig.pump_numbers import pump_numbers
from pumprig.record import RunRecord
from pumprig.repeat import Repeater
from pumprig.schedule import Stimulus
from pumprig.self_told import judge_health, judge_watchdog
from pumprig.status_changed import status_witness
from pumprig.story import Story
from pumprig.trace import Sample
from pumprig.used_pump import refuse_used
from pumprig.verdict import Reason, Verdict, VerdictBook
from pumprig.wearer import Wearer
from pumpwire.enums import StatusChangedFlags

__all__ = ["Rig"]

AUDIT_EVERY_S = 3600
# Away from whole minutes, where samples fall.
AUDIT_PHASE_S = 97
ANNUNCIATION_READ_AFTER_S = 3
ANNUNCIATION_CONFIRM_AFTER_S = 603
FLUSH_EVERY_S = 0.2
WATCH_EVERY_S = 0.5
RESPONSE_MS_MAX = 250
HOST_HOLDS_BACK_S_MAX = 0.25
BOLUS_ASKED_AFTER_S = 11
PHASE_ASKED_EVERY_S = 47


class Rig:
    """One run of one plan on one DUT.

    Args:
        plan: what to do.
        dut: the opened board.
        record: where everything seen is kept.
        book: the verdict.

    Attributes:
        finished: whether the run came to its orderly end, so that everything of it was judged.
    """

    def __init__(self, plan: RunPlan, dut: Dut, record: RunRecord, book: VerdictBook) -> None:
        self.plan, self.dut, self.record, self.book = plan, dut, record, book
        self.story = Story(record)
        self.checks = CheckBook(
            book, real_time=dut.real_time, scaled=dut.clock.scale > 1, own_time=dut.has_own_time,
            exact=not (dut.real_time or dut.choice.radio), sees_pulses=dut.sees_pulses, without=plan.without,
            on_violation=self.story.violation,
        )  # fmt: skip
        # At scaled speed the host's share is multiplied: an answer that it holds back makes what follows late (D-955).
        self.link = Link(dut.bearer, att_timeout_s=ATT_TIMEOUT_S * max(1, dut.clock.scale))
        self.meter = LinkMeter(self.link)
        self.line = Line(self.link, self.checks, disturbed=dut.board is None)
        self.pump = Pump(self.link)
        self.pace = Pace(dut, self.link, self.checks, plan.scenario.seed)
        self.pulse_mu = 0
        self._wearer = Wearer(plan.patient, plan.trace.start, self.story, plan.devices.told)
        self._repeater = Repeater(self.link, self.checks)
        self._watch: PinWatch | ProbeWatch = PinWatch(dut, self.pace)
        self._judge: Judge | None = None
        self._queue: list[tuple[int, int, int, Callable[[int], None]]] = []
        self._numbers = itertools.count()
        self._missed = MissedQuestions(
            lambda at_s, question: self._later(at_s, 2, self._asking(question)), self.pace.steady
        )
        self._target_s = 0
        self._annunciation_due_s = -1
        self._handles_annunciations = any(
            isinstance(command, (parts.ConfirmAnnunciation, parts.SnoozeAnnunciation))
            for command in plan.scenario.commands
        )
        self._flushed_s = 0.0
        self._fit = True
        self._dead = False
        self.finished = False

    # --- A run --------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Bring the pump up, run the plan, and leave the verdict in the book.

        Raises:
            BlockedError: the bench cannot run this plan.
            BuildMismatch: the board runs another firmware or another wire.
        """
        with no_collector_pauses():
            try:
                self._bring_up()
                self._plan_stimuli()
                self._drive()
                self._finish()
                self.finished = True
            except Unfit:
                self._fit = False
            except BearerError as error:
                self._bearer_failed(error)
            except (ProcedureTimeout, ProcedureError, E2EError, WireError, AttError, AttTimeout) as error:
                self._protocol_failed(error)
            except PumpLinkError as error:
                self._add(Verdict.ERROR, str(error))
            except KeyboardInterrupt:
                # It comes between any two steps: what is half done then is recorded, and cannot be judged.
                self._fit = False
                raise
            finally:
                self.pace.end()
                self._take_stock()

    @property
    def _approach_s(self) -> int:
        # A virtual radio is there at once when it was there just now.
        return ceil(self.dut.bearer.approach_s) if self.dut.board is None else 0

    @property
    def judge(self) -> Judge:
        """The judge; there from the bring-up on."""
        if self._judge is None:
            raise RuntimeError("the pump has not been brought up")
        return self._judge

    def _take_stock(self) -> None:
        """However a run ends, what the motor did until then is recorded, and judged as far as the bench was fit."""
        if self._judge is None:
            return
        with suppress(Unfit):
            self._take_pulses(None)
        # A board that runs on has done things by now that nobody has read yet; one that is dead has told all.
        all_seen = self.dut.sees_pulses and (not self.dut.real_time or self._dead)
        if self._fit and all_seen:
            until_s = floor(self.pace.now_s) - 1
            self.judge.advance(max(until_s, self.judge.oracle.now_s))
            self.judge.settle(until_s)
        self.judge.pulses.leave()

    def _bearer_failed(self, error: BearerError) -> None:
        # The line to a virtual board cannot break, so whatever ended the connection there is the pump's doing.
        self._dead = is_dead(error)
        if self._dead or self.dut.board is not None:
            self.checks.expect(
                "alive", False, self.pace.now_s, message=with_its_name(str(error), self.plan.scenario.own_controller),
                expected="running", observed=type(error).__name__,
            )  # fmt: skip
            return
        # A port that went away names itself.
        named = self.dut.name.partition(":")[2] in str(error)
        self._add(Verdict.ERROR, str(error) if named else f"{self.dut.name}: {error}")

    def _protocol_failed(self, error: Exception) -> None:
        self.checks.expect(
            "response", False, self.pace.now_s, message=str(error), expected="an answer by the wire's rules",
            observed=type(error).__name__, rule="D-954",
        )  # fmt: skip

    def _add(self, verdict: Verdict, message: str) -> None:
        self.book.add(Reason(verdict, message, at_s=round(self.pace.now_s, 3)))

    def summary(self) -> dict[str, Any]:
        """Counts of the run and of its checks, as plain data for run.json."""
        totals = self.story.totals
        summary: dict[str, Any] = {
            "checks": self.checks.counts(),
            "violations": sum(self.checks.missed(check) for check in CHECKS if not CHECKS[check].fitness),
            **totals.counts(),
            "own_controller": own.name if (own := self.plan.scenario.own_controller) is not None else None,
            "controller_errors": controller_errors(self.dut.output, own),
            "latency_dut_ms_max": round(totals.latency_dut_ms_max, 3),
            "latency_host_ms_max": round(totals.latency_host_ms_max, 3),
            "link": link_summary(self.dut, self.meter.figures),
            "lateness_ms_max": round(self.pace.lateness_s_max * 1000, 3),
        }
        if self._judge is not None:
            ledger = self._judge.oracle.ledger()
            summary["suspensions"] = self._judge.suspensions
            if not self.dut.sees_pulses:
                counters = self._judge.oracle.state().counters
                summary["pulses"] = {"counted": counters.basal_pulses + counters.bolus_pulses}
            summary["suspended_s"] = self._judge.suspended_seconds(self._judge.oracle.now_s)
            summary |= {"pulse_ms_min": self._widths.shortest_ms, "pulse_ms_max": self._widths.longest_ms}
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
        open_first(self.dut, self.link)
        identity = identify(self.dut, self.pump, self.plan.expected_firmware)
        self.record.meta(firmware_hash=identity.firmware_hash.hex(), wire_version=identity.wire_version)
        data = self.pump.pump_data()
        self.pace.find_phase(self.pump)
        self._refuse_used_pump()
        settings = self.plan.oracle_settings
        self._judge_pump_data(data, settings)
        widths = self._widths = PulseWidths(
            self.checks, data.motor_pulse_ms, real_time=self.dut.real_time, own_time=self.dut.has_own_time
        )
        if self.dut.probe is not None:
            pins = self._watch if self.dut.board is not None and isinstance(self._watch, PinWatch) else None
            self._watch = ProbeWatch(
                self.dut.probe.probe, pins, self.pace, self.checks, widths, on_report=self.story.probe
            )
        else:
            self._watch.widths = widths
        self._start_judging(settings)
        judge_watchdog(self.dut, self.checks, self.pace.now_s)
        self._health = self.pump.health()
        self._make_room()
        self.story.begin(self.pace.now_s, self.plan, self.dut, self.pulse_mu)
        self._wearer.begin(self.plan.schedule.start_s, self.pulse_mu)
        self.pump.on_status_changed(self._status_changed)
        self.pump.on_decision(self._decided)
        self.pump.on_procedure(self._answered)
        self._set_up(self._ready_s())

    def _ready_s(self) -> int:
        # A tenth of a host second to get ready in, whatever the speed of the clock.
        return int(self.pace.now_s) + 2 + self.dut.clock.scale // 10

    def _make_room(self) -> None:
        # A pump that has run for a while gets its first sample later, by whole minutes: insulin on board counts those.
        late_s = self._ready_s() + BRING_UP_S // 2 - self.plan.schedule.start_s
        if late_s > 0:
            self.plan = self.plan.later(60 * -(-late_s // 60))

    def _judge_pump_data(self, data: PumpData, settings: OracleSettings) -> None:
        self.pulse_mu = settings.pulse_mu
        for name, due, told in pump_numbers(settings, data, self.dut.motor_pulse_ms):
            self.checks.expect(
                "pump-data", due == told, self.pace.now_s, message=f"{name}: due {due}, the pump says {told}",
                expected=due, observed=told,
            )  # fmt: skip

    def _start_judging(self, settings: OracleSettings) -> None:
        judge = self._judge = Judge(
            Lives(settings),
            self.checks,
            on_pulse=self._pulse_judged,
            on_record=lambda record, at_s: self.story.history(self.pace.now_s, record, at_s),
            on_event=self.story.expected,
            on_decision=self.story.decision,
            # What a Pause has withheld comes on top of an hour (D-503).
            basal_pulses_per_hour_max=1
            + settings.basal_limit_mu_per_h * (3600 + PAUSE_LIMIT_S) // 3600 // settings.pulse_mu,
            status=status_witness(self.dut, self.checks),
        )
        self._audit = Audit(
            self.pump, judge, self.checks, self.record, sees_pulses=self.dut.sees_pulses, in_time=self.pace.in_time
        )
        self._hands = Hands(
            self.dut, self.pump, self.pace, judge, self.checks, self.story, self._repeater, self.plan.trace.start,
            self._wearer,
        )  # fmt: skip
        self._power = PowerCuts(self.dut, self.pump, self.pace, judge, self.checks, self._hands)

    def _refuse_used_pump(self) -> None:
        counters = self.pump.pulse_counters()
        delivered = counters.basal + counters.bolus + counters.prime
        if delivered and self.dut.board is not None:
            self.checks.expect(
                "ledger", False, self.pace.now_s, message=f"a pump that has just started counts {delivered} pulses",
                expected=0, observed=delivered, rule="D-903",
            )  # fmt: skip
            raise Unfit
        if self.dut.board is None:
            self.pump.subscribe()
            refuse_used(self.pump, self.plan.oracle_settings, self.dut.name)

    def _set_up(self, first_s: int) -> None:
        scenario, schedule = self.plan.scenario, self.plan.schedule
        pump, seconds = scenario.pump, itertools.count(first_s)
        clock_s = next(seconds)
        wall = self.plan.trace.start - timedelta(seconds=schedule.start_s - clock_s)
        self._command(clock_s, parts.SetClock.model_construct(to=wall))
        # The sensor is connected once the pump knows the time.
        self._go_to(next(seconds))
        self._hands.disconnect()
        self.dut.bearer.approach()
        for _ in range(self._approach_s):
            next(seconds)
        self._do(next(seconds), self._hands.connect)
        self._do(next(seconds), self._reset_status)
        if pump.reservoir_iu * 1000 != self.judge.oracle.settings.reservoir_capacity_mu:
            self._fault(next(seconds), parts.ReservoirLevel.model_construct(amount_iu=pump.reservoir_iu))
        for command in self.plan.first_commands():
            self._command(next(seconds), command)
        action = configure(scenario.controller_word, scenario.settings)
        self._do(next(seconds), lambda at_s: self._hands.give(at_s, action))
        if not self.plan.devices.monitoring_only:
            self._command(schedule.start_s - 10, parts.SetTherapyState.model_construct(state="run"))

    def _reset_status(self, at_s: int) -> None:
        self.judge.advance(at_s)
        self.pump.reset_status(self.pump.status_changed())
        self.judge.status.reset()
        self.pace.in_time(at_s)

    # --- Time ---------------------------------------------------------------------------------------------------

    def _go_to(self, at_s: int) -> None:
        """Let time pass to the moment at which an input for `at_s` is sent, and judge all that happened."""
        self._target_s = at_s
        self._wait_in_view(at_s)
        self.pace.run_to_input(at_s)
        self.line.judge(at_s)
        self._take_pulses(at_s)
        judge = self.judge
        judge.advance(max(at_s - 1, judge.oracle.now_s))
        if self.dut.sees_pulses:
            seen_s = self._watch.seen_until_s(at_s)
            judge.settle(seen_s)
            self._audit.settle(seen_s)
        judge.overdue(self.pace.now_s)
        # In real time a busy host may hold back what the pump has told.
        judge.status.settle(at_s - 1 - HOST_HOLDS_BACK_S_MAX * self.dut.clock.scale)
        if self.record.host_s - self._flushed_s > FLUSH_EVERY_S:
            self._flushed_s = self.record.host_s
            self.record.flush()

    def _wait_in_view(self, at_s: int) -> None:
        """In real time a wait is long: those who watch the record see it pass."""
        if not self.dut.real_time:
            return
        step_s = WATCH_EVERY_S * max(1, self.dut.clock.scale)
        while True:
            self.record.flush()
            self._watch.poll()
            next_s = self.pace.now_s + step_s
            if next_s >= at_s - 1:
                return
            self.pace.run_until(next_s)
            self.story.waiting(self.pace.now_s)

    def _take_pulses(self, target_s: int | None) -> None:
        try:
            self._watch.look(target_s)
        except Unfit:
            self._fit = False
            raise
        finally:
            for pulse in self._watch.take():
                self.judge.pulses.seen(pulse, timed=self._fit)

    def _do(self, at_s: int, action: Callable[[int], None]) -> None:
        self._go_to(at_s)
        action(at_s)

    def _command(self, at_s: int, command: Any) -> None:
        self._do(at_s, lambda second: self._hands.command(second, command))

    def _fault(self, at_s: int, fault: Any) -> None:
        self._do(at_s, lambda second: self._hands.fault(second, fault, self.pulse_mu, bring_up=True))

    # --- Stimuli ------------------------------------------------------------------------------------------------

    def _later(self, at_s: int, order: int, action: Callable[[int], None]) -> None:
        heapq.heappush(self._queue, (at_s, order, next(self._numbers), action))

    def _plan_stimuli(self) -> None:
        approach_s = ceil(self.dut.bearer.approach_s)
        for stimulus in self.plan.schedule.stimuli:
            self._later(stimulus.at_s, 0, self._action_of(stimulus))
            if stimulus.kind == "bearer_up" and approach_s:
                self._later(stimulus.at_s - approach_s, 0, lambda _at_s: self.dut.bearer.approach())
        start_s = self.plan.schedule.start_s
        for audit_s in range(start_s + AUDIT_EVERY_S + AUDIT_PHASE_S, self.plan.schedule.end_s - 60, AUDIT_EVERY_S):
            for number, question in enumerate(self._audit.questions):
                self.pace.steady.add(audit_s + number)
                self._later(audit_s + number, 2, self._asking(question))
        if self.dut.board is None:
            for ask_s in range(start_s + PHASE_ASKED_EVERY_S, self.plan.schedule.end_s, PHASE_ASKED_EVERY_S):
                self._later(ask_s, 2, self._asking(self._keep_phase))
        if not self.dut.sees_pulses:
            for ask_s in range(start_s + 59, self.plan.schedule.end_s, 60):
                self._later(ask_s, 2, self._asking(self._ask_counters))

    def _keep_phase(self, at_s: int, state: State) -> None:
        self.pace.keep_phase(self.pump, at_s)

    def _ask_counters(self, at_s: int, state: State) -> None:
        counters = self._audit.counted(at_s, state)
        if self._wearer.is_there:
            self._wearer.counted(at_s, counters.basal + counters.bolus)

    def _drive(self) -> None:
        while self._queue:
            at_s, order, _, action = heapq.heappop(self._queue)
            if at_s > self.plan.schedule.end_s:
                break
            if order and self.pace.now_s >= at_s:
                # The pump took so long over an input, as it may over a deletion: what the rig asks on its own can wait.
                self._later(floor(self.pace.now_s) + 2, order, action)
                continue
            self._do(at_s, action)

    def _action_of(self, stimulus: Stimulus) -> Callable[[int], None]:
        hands, payload = self._hands, stimulus.payload
        match stimulus.kind:
            case "sample":
                assert isinstance(payload, Sample | parts.CgmSample)
                sample = payload
                return lambda at_s: hands.sample(at_s, sample)
            case "command":
                return lambda at_s: self._give(at_s, payload)
            case "fault":
                return lambda at_s: hands.fault(at_s, payload, self.pulse_mu)
            case "repeat":
                return self._repeat
            case "bearer_down":
                return hands.bearer_down
            case "bearer_up":
                return self._reconnect
            case "power_cut":
                return lambda at_s: self._cut_power(at_s, payload)

    def _reconnect(self, at_s: int) -> None:
        self._hands.connect(at_s, self.plan.missed(at_s))
        self._missed.connected(at_s)

    def _repeat(self, at_s: int) -> None:
        self._hands.repeat(at_s)
        if not self.pace.connected:
            self.dut.bearer.approach()
            self._do(at_s + 1 + self._approach_s, self._reconnect)

    def _cut_power(self, at_s: int, fault: Any) -> None:
        clock_s, sensor_s = self._power.cut(at_s, fault)
        self._command(clock_s, self._power.clock_command(clock_s))
        self._do(sensor_s, self._hands.find_sensor)
        self._do(sensor_s + 1, self._reset_status)

    def _give(self, at_s: int, command: Any) -> None:
        self._hands.command(at_s, command)
        if isinstance(command, parts.SetBolus):
            # While it runs, most likely.
            for number, question in enumerate(self._audit.delivery.boluses, BOLUS_ASKED_AFTER_S):
                self._later(at_s + number, 2, self._asking(question))

    def _asking(self, question: Question) -> Callable[[int], None]:
        def ask(at_s: int) -> None:
            if not self.pace.connected:
                self._missed.add(question)
                return
            self.judge.advance(at_s)
            try:
                question(at_s, self.judge.oracle.state())
            except (ProcedureError, AttError):
                # An answer that came too late may refuse what has ended meanwhile.
                self.pace.in_time(at_s)
                raise
            self.pace.in_time(at_s)

        return ask

    # --- What the pump says of itself ---------------------------------------------------------------------------

    def _status_changed(self, flags: StatusChangedFlags, arrived_s: float) -> None:
        self.judge.status.indicated(flags, self.pace.of_bearer(arrived_s))
        if not flags & StatusChangedFlags.ANNUNCIATION_STATUS_CHANGED or self._annunciation_due_s >= self._target_s:
            return
        # The rig is on its way to its next stimulus and asks after that one.
        self._annunciation_due_s = self._target_s + ANNUNCIATION_READ_AFTER_S
        self._later(self._annunciation_due_s, 1, self._asking(self._audit.annunciation))
        self._later(self._annunciation_due_s + 1, 1, self._asking(self._clear_annunciation_bit))

    def _clear_annunciation_bit(self, at_s: int, state: State) -> None:
        self.pump.reset_status(StatusChangedFlags.ANNUNCIATION_STATUS_CHANGED)
        self.judge.status.reset(StatusChangedFlags.ANNUNCIATION_STATUS_CHANGED)
        self.pace.in_time(at_s)
        if self.pump.annunciation() is not None and not self._handles_annunciations:
            self._later(at_s + ANNUNCIATION_CONFIRM_AFTER_S, 1, self._confirm_shown)

    def _confirm_shown(self, at_s: int) -> None:
        if self.pace.connected and self.pump.annunciation() is not None:
            self._hands.command(at_s, parts.ConfirmAnnunciation.model_construct(annunciation_id=None))

    def _decided(self, decision: Decision, arrived_s: float) -> None:
        seen = SeenDecision.of(decision, self.judge.oracle.epoch_s)
        due_s = self.judge.pending_s()
        if due_s is not None and seen.at_s != due_s:
            # In real time a virtual board that got the sample a second late may have a busy host to thank.
            self.pace.in_time(due_s)
        self.judge.decision_seen(seen, self.pace.of_bearer(arrived_s), self.record.host_s)

    def _answered(self, procedure: Procedure) -> None:
        if self.dut.clock.scale != 1 or procedure.name.startswith("Racp"):
            return
        latency_ms = (procedure.answered_at_s - procedure.sent_at_s) * 1000
        self.checks.expect(
            "response-deadline", latency_ms <= RESPONSE_MS_MAX, self.pace.now_s,
            message=f"{procedure.name} was answered after {latency_ms:.0f} ms", expected="<= 250 ms",
            observed=round(latency_ms, 1),
        )  # fmt: skip

    def _pulse_judged(self, pulse: SeenPulse, source: str) -> None:
        self._audit.pulse_seen(pulse.due_s)
        self._wearer.pulse(pulse.due_s, source)
        self.story.pulse(pulse, source)
        self._judge_monitoring(pulse.due_s, 1)

    def _judge_monitoring(self, at_s: int, pulses: int) -> None:
        cgm = self.plan.devices.cgm
        if cgm is not None and not cgm.dosing.value:
            self.checks.expect(
                "monitoring", not pulses, at_s, message=f"insulin left the pump, though {cgm.title} only monitors",
                expected=0, observed=pulses,
            )  # fmt: skip

    # --- The end ------------------------------------------------------------------------------------------------

    def _finish(self) -> None:
        end_s = self.plan.schedule.end_s
        if not self.pace.connected:
            self._do(end_s + 1, self._reconnect)
        questions = self._audit.last_questions
        for number, question in enumerate(questions, 2):
            self.pace.steady.add(end_s + number)
            self._do(end_s + number, self._asking(question))
        # Some seconds more, so that what fell due at the last question is seen too.
        last_s = end_s + len(questions) + 5
        self._go_to(last_s - 2)
        self.record.meta(clock_drift_ms=self.pace.judge_drift(self.pump, last_s))
        self._go_to(last_s)
        self._hands.finish(last_s)
        self.judge.history.finish(last_s)
        self.judge.suspended.finish(last_s)
        self._judge_monitoring(last_s, sum(self.story.totals.pulses.values()))
        if not self.story.totals.decisions:
            self._add(Verdict.INCONCLUSIVE, "nothing was proven: no sample got a decision")
        printed = self.dut.tracebacks
        self.checks.expect(
            "alive", not printed, last_s, message="the pump printed a traceback; dut.log has it", expected="none",
            observed=printed,
        )  # fmt: skip
        judge_expectations(self.plan.scenario.expect, self.judge, self.checks, self.pulse_mu, last_s)
        health = self.pump.health()
        self.record.meta(free_heap_octets=health.free_heap_octets)
        judge_health(self.dut, self.checks, self._health, health, last_s)
        self.line.judge(last_s)
        self.link.close()
