"""The hands of the rig: every input is given to the pump and told to the oracle, and the two answers compared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from pumplink.link import Link
from pumplink.pump import Pump
from pumprig.actions import Action, Answered, Known, action_of, fault_of, perform
from pumprig.checks import CheckBook
from pumprig.dut import Dut
from pumprig.judge import Judge
from pumprig.loop_watch import LoopWatch
from pumprig.oracle import commands as oracle_commands
from pumprig.oracle.guardrails import Held
from pumprig.oracle.questions import GetBolusTemplate
from pumprig.pace import Pace
from pumprig.repeat import DROPPED, Repeater
from pumprig.scenario_parts import CgmSample, DeleteRecords
from pumprig.sensor import Sensor
from pumprig.story import Story
from pumprig.trace import Sample
from pumprig.wearer import Wearer
from pumpwire.enums import ResponseCode

__all__ = ["Hands"]

SUBSCRIBE_STEP_S = 0.05


class Hands:
    """Gives inputs. Time has already passed to the moment at which each is sent.

    Args:
        dut: the board.
        pump: the pump on it.
        pace: its time.
        judge: holds the oracle.
        checks: where answers are judged.
        story: what the record is told.
        repeater: sends a write again.
        session_start: local time at which the sensor's session started.
        wearer: whose glucose the sensor measures.
    """

    def __init__(
        self,
        dut: Dut,
        pump: Pump,
        pace: Pace,
        judge: Judge,
        checks: CheckBook,
        story: Story,
        repeater: Repeater,
        session_start: datetime,
        wearer: Wearer,
    ) -> None:
        self._dut, self._pump, self._pace = dut, pump, pace
        self._judge, self._checks, self._story = judge, checks, story
        self._repeater = repeater
        self._wearer = wearer
        self._force: Callable[[], None] | None = None
        loop = LoopWatch(pump, judge, checks, pace, real_time=dut.real_time, single=dut.single)
        self._sensor = Sensor(pump.link, pace, judge, checks, story, session_start, loop, real_time=dut.real_time)

    @property
    def _link(self) -> Link:
        return self._pump.link

    # --- Connection and sensor ----------------------------------------------------------------------------------

    def connect(self, at_s: int, missed: Sequence[Sample] = ()) -> None:
        """Open the connection with the sensor on it, which has kept the samples missed since the last one."""
        sensor = self._sensor
        sensor.before_connection(self._wearer.all_measured(missed))
        self._link.open()
        self._pace.connected = True
        self._wait_for_sensor(at_s, subscribe=True)

    def _wait_for_sensor(self, at_s: int, *, subscribe: bool = False) -> None:
        sensor = self._sensor
        while not sensor.subscribed and self._pace.now_s < at_s:
            self._pace.run_until(self._pace.now_s + SUBSCRIBE_STEP_S)
        self._pace.in_time(at_s)
        if subscribe:
            self._pump.subscribe()
        if self._judge.oracle.now_s > at_s:
            # At a faster clock a slow host lets the pump go on to the next second.
            self._pace.in_time(at_s)
        self._judge.oracle.command(at_s, oracle_commands.OpenCgmSession(sensor.session_start))
        self._judge.take()
        self._judge.status.connection(up=True)
        self._checks.expect(
            "response", sensor.subscribed, at_s, message="the pump has not asked the sensor for measurements",
            expected="subscribed", observed="not subscribed", rule="D-601",
        )  # fmt: skip

    def disconnect(self) -> None:
        """Close the connection; samples under way are lost."""
        self._link.close()
        self._pace.connected = False
        self._judge.forget_pending()
        self._judge.status.connection(up=False)

    def lose_power(self, at_s: int, back_s: int) -> None:
        """The pump loses its power; the connection goes with it, without a word.

        Args:
            at_s: the second of the cut.
            back_s: the second at which the power is back.
        """
        self._link.is_open = False
        self._pace.connected = False
        self._judge.forget_pending()
        self._judge.status.power_lost()
        self._sensor.renew()
        self._sensor.before_connection(())
        self._story.fault(self._pace.now_s, at_s, "power_cut", {"for_seconds": back_s - at_s})

    def restore_force(self) -> None:
        """A board that starts again finds its line as blocked as it was."""
        if self._force:
            self._force()

    def find_sensor(self, at_s: int) -> None:
        """Wait until a pump that knows the time again asks the sensor."""
        self._wait_for_sensor(at_s)

    def bearer_down(self, at_s: int) -> None:
        """The connection goes, as a fault."""
        self.disconnect()
        self._story.fault(self._pace.now_s, at_s, "bearer_down", {})

    def sample(self, at_s: int, sample: Sample | CgmSample) -> None:
        """Notify a sample."""
        sample = self._wearer.sent(sample)
        if not self._sensor.send(at_s, sample):
            # The connection is up, or the schedule would have withheld the sample: the pump does not want it.
            self._story.sample(self._pace.now_s, at_s, sample)
            self._checks.expect(
                "decision-count", False, at_s, message="the pump no longer asks the sensor for measurements",
                expected="subscribed", observed="not subscribed", rule="D-615",
                offset_minutes=sample.offset_minutes,
            )  # fmt: skip

    def finish(self, at_s: int) -> None:
        """No more inputs come."""
        self._wearer.live(at_s)
        self._sensor.settle(at_s)

    # --- Commands -----------------------------------------------------------------------------------------------

    def command(self, at_s: int, command: Any) -> None:
        """Give a scenario's command."""
        shown_id = 0
        if getattr(command, "annunciation_id", 0) is None:
            shown = self._pump.annunciation()
            shown_id = shown.id if shown is not None else 0
        if isinstance(command, DeleteRecords):
            # What the pump records up to this second may be what is deleted.
            self._judge.advance(at_s)
        known = Known(
            self._story.totals.last_bolus_id, shown_id, self._judge.history.stored_ends(),
            self._judge.oracle.state().guardrails,
        )  # fmt: skip
        self.give(at_s, action_of(command, known))

    def give(self, at_s: int, action: Action) -> None:
        """Give an action to pump and oracle, and compare their answers."""
        sent_s = self._pace.now_s
        answers: list[Answered] = []

        def held(_: Held) -> bool | None:
            # Where both answers are right, the pump's must be known before the rules go on (D-1204).
            answers.append(perform(action, self._pump))
            refused = answers[0].code == ResponseCode.PROCEDURE_NOT_COMPLETED
            return refused if refused or answers[0].code == ResponseCode.SUCCESS else None

        wanted = self._judge.oracle.command(at_s, action.command, held)
        self._judge.take()
        [answered] = answers or [perform(action, self._pump)]
        latency_ms = (self._pace.now_s - sent_s) * 1000
        self._pace.in_time(at_s)
        self._story.command(sent_s, at_s, action.name, action.fields, answered.code, latency_ms)
        self._checks.expect(
            "response", answered.code in wanted.codes, at_s,
            message=f"{action.name} was answered 0x{answered.code:02X}",
            expected=" or ".join(f"0x{code:02X}" for code in sorted(wanted.codes)),
            observed=f"0x{answered.code:02X}", rule=wanted.rule,
        )  # fmt: skip
        if action.name == "set_controller":
            settings = self._judge.oracle.state().controller
            self._judge.suspended.settings(
                at_s, settings.suspend_limit_minutes, settings.limit_window_minutes, plgs=settings.controller == "plgs"
            )
        if isinstance(action.command, oracle_commands.SetBolus):
            self._bolus_answered(at_s, action.command, wanted, answered)
        elif isinstance(action.command, oracle_commands.DeleteRecords) and wanted.fields.get("deleted"):
            command = action.command
            self._judge.history.deleted(command.least, command.most, command.only)

    def _bolus_answered(
        self, at_s: int, command: oracle_commands.SetBolus, wanted: oracle_commands.Expected, answered: Answered
    ) -> None:
        wanted_id, bolus_id = wanted.fields.get("bolus_id"), answered.fields.get("bolus_id")
        limit_mu = self._judge.oracle.state().max_bolus_mu
        amount_mu = self._amount_mu(at_s, command)
        self._checks.expect(
            "bolus-limit", bolus_id is None or amount_mu <= limit_mu, at_s,
            message="a bolus above the maximum was accepted", expected=f"<= {limit_mu} mU", observed=amount_mu,
        )  # fmt: skip
        if bolus_id is None:
            return
        self._story.totals.last_bolus_id = bolus_id
        self._story.totals.boluses += 1
        self._checks.expect(
            "response", bolus_id == wanted_id, at_s, message="the bolus ID is wrong", expected=wanted_id,
            observed=bolus_id, rule="D-402",
        )  # fmt: skip

    def _amount_mu(self, at_s: int, command: oracle_commands.SetBolus) -> int:
        if command.template_number is None:
            return int((command.amount_iu + command.extended_amount_iu) * 1000)
        held = self._judge.oracle.command(at_s, GetBolusTemplate(command.template_number)).fields
        return int(held.get("fast_mu", 0) + held.get("extended_mu", 0))

    # --- Faults -------------------------------------------------------------------------------------------------

    def fault(self, at_s: int, fault: Any, pulse_mu: int, *, bring_up: bool = False) -> None:
        """Do a fault of the hardware, or use its means to bring the pump up."""
        name, fields, told, do = fault_of(fault, self._dut, pulse_mu)
        do(self._pump)
        self._pace.in_time(at_s)
        if isinstance(told, oracle_commands.SetForce):
            self._force = lambda: do(self._pump)
        self._judge.oracle.command(at_s, told)
        self._judge.take()
        if not bring_up:
            self._story.fault(self._pace.now_s, at_s, name, fields)

    def repeat(self, at_s: int) -> None:
        """Send the last write again, octet for octet (D-405)."""
        code = self._repeater.repeat(at_s)
        self._pace.in_time(at_s)
        self._story.fault(self._pace.now_s, at_s, "repeat_command", {"att_error": max(0, code)})
        if code == DROPPED:
            self.disconnect()
