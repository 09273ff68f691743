"""The audit: what the pump says of itself when asked, against the oracle, the motor and each other.

One question a second, so that at any speed of the clock each answer belongs to a known pump second.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable
from decimal import Decimal

from pumplink.pump import Pump
from pumplink.results import PulseCounters
from pumprig import read_back
from pumprig.asking import Asker, Question, iu
from pumprig.audit_delivery import DeliveryQuestions
from pumprig.audit_templates import TemplateQuestions
from pumprig.checks import CheckBook
from pumprig.expected_records import ANNUNCIATION_TYPES
from pumprig.history import Record
from pumprig.judge import Judge
from pumprig.oracle import State
from pumprig.oracle.questions import GetCounter
from pumprig.record import RunRecord
from pumpwire.enums import CounterSelection, CounterType, RacpOperator, StatusChangedFlags
from pumpwire.registry import MESSAGES

__all__ = ["Audit"]

# Beyond this many records a pump may let go of the oldest (D-926).
_RECORDS_KEPT = 5000


class Audit:
    """Asks the pump and judges its answers. A question's answer is that of the pump second at which it is put.

    Args:
        pump: the pump.
        judge: holds the oracle, advanced to the second of a question.
        checks: where each judgement goes.
        record: where what was read is kept.
        sees_pulses: whether motor pulses are seen, so that the pump's word can be held against them.
        in_time: called with the second of a question when its answer has come, before that is judged; raises when
            the bench was too slow for it.
    """

    def __init__(
        self,
        pump: Pump,
        judge: Judge,
        checks: CheckBook,
        record: RunRecord,
        *,
        sees_pulses: bool,
        in_time: Callable[[int], None],
    ) -> None:
        self._pump = pump
        self._judge = judge
        self._record = record
        self._sees_pulses = sees_pulses
        self._asker = asker = Asker(pump, judge, checks, in_time)
        self._heard, self._expect = asker.heard, asker.expect
        self.delivery = DeliveryQuestions(asker)
        self.templates = TemplateQuestions(asker)
        self._seen_due_s: list[int] = []
        self._claims: list[tuple[int, int]] = []
        # By life of the pump, counter and selection: minutes that it was off at its first reading.
        self._counter_offsets: dict[tuple[int, CounterType, CounterSelection], int] = {}

    @property
    def questions(self) -> tuple[Question, ...]:
        """The questions of one audit, in their order."""
        return (
            self.counters, self.delivered, self.status, self.delivery.active_basal, *self.delivery.boluses, self.daily,
            self.iob, self.settings, *self._of_oref, *self._of_guardrails, self.annunciation, self.battery,
            self.elapsed, self.remaining, *self.templates.questions, self.history, self.stored, self.reset_status,
        )  # fmt: skip

    @property
    def _of_guardrails(self) -> tuple[Question, ...]:
        return (self.guardrails,) if MESSAGES["ControllerGuardrails"].served else ()

    @property
    def _of_oref(self) -> tuple[Question, ...]:
        return (self.oref_settings,) if MESSAGES["OrefSettings"].served else ()

    @property
    def last_questions(self) -> tuple[Question, ...]:
        """The questions at the end of a run: everything once more."""

        def all_templates(at_s: int, state: State) -> None:
            self.templates.all = True

        # What was counted until the very end, too: the counters are the last to be asked for.
        counters, delivered, *others = self.questions
        return (all_templates, *others, delivered, counters)

    # --- Pulses by the pump's word ------------------------------------------------------------------------------

    def pulse_seen(self, due_s: int) -> None:
        """A motor pulse was seen; pulses come in order."""
        self._seen_due_s.append(due_s)

    def settle(self, seen_until_s: int) -> None:
        """Hold the counters read before against the motor pulses seen since."""
        while self._claims and self._claims[0][0] <= seen_until_s:
            at_s, claimed = self._claims.pop(0)
            seen = bisect.bisect_right(self._seen_due_s, at_s)
            self._expect("ledger", claimed == seen, at_s, "motor pulses, seen and counted", seen, claimed)

    def counters(self, at_s: int, state: State) -> None:
        """Pulse counters against oracle, motor and reservoir (D-903, D-904)."""
        seen = self.counted(at_s, state)
        if self._sees_pulses:
            self._claims.append((at_s, seen.basal + seen.bolus + seen.prime))
        self._close_ledger(at_s)
        if self.templates.all:
            self._told(at_s)

    def _told(self, at_s: int) -> None:
        self._record.event("audit", at_s, at_s=at_s)

    def counted(self, at_s: int, state: State) -> PulseCounters:
        """Pulse counters against oracle and reservoir alone (D-903)."""
        seen = self._heard(at_s, self._pump.pulse_counters())
        wanted = state.counters
        for name, right, got in (
            ("basal pulses", wanted.basal_pulses, seen.basal),
            ("bolus pulses", wanted.bolus_pulses, seen.bolus),
            ("prime pulses", wanted.prime_pulses, seen.prime),
            ("pulses left in the reservoir", wanted.reservoir_pulses, seen.reservoir),
        ):
            self._expect("ledger", right == got, at_s, name, right, got, "D-903")
        return seen

    def _close_ledger(self, at_s: int) -> None:
        ledger = self._judge.oracle.ledger()
        for name in ("basal", "bolus", "prime"):
            account = getattr(ledger, name)
            accounted = account.delivered_mu + account.remaining_mu + account.dropped_mu
            self._expect(
                "ledger", account.balanced, at_s, f"{name} insulin commanded, mU", account.commanded_mu, accounted,
                "D-904",
            )  # fmt: skip

    # --- What IDS says ------------------------------------------------------------------------------------------

    def delivered(self, at_s: int, state: State) -> None:
        """Get Delivered Insulin (D-902)."""
        seen = self._heard(at_s, self._pump.delivered_insulin())
        for name, right, got in (
            ("bolus", Decimal(state.delivered_bolus_mu) / 1000, seen.bolus_iu),
            ("basal", Decimal(state.delivered_basal_mu) / 1000, seen.basal_iu),
        ):
            self._expect("delivered-insulin", right == got, at_s, f"delivered {name} insulin, IU", right, got)

    def status(self, at_s: int, state: State) -> None:
        """IDD Status: therapy state and reservoir (D-501, D-811)."""
        seen = self._heard(at_s, self._pump.status())
        wanted = state.therapy.upper()
        self._expect("therapy", seen.therapy.name == wanted, at_s, "therapy control state", wanted, seen.therapy.name)
        right = None if state.reservoir_mu is None else iu(state.reservoir_mu)
        self._expect("ledger", right == seen.reservoir_iu, at_s, "reservoir, IU", right, seen.reservoir_iu, "D-811")
        operational = state.operational.upper()
        self._expect(
            "therapy", seen.operational.name == operational, at_s, "operational state", operational,
            seen.operational.name, "D-511",
        )  # fmt: skip
        attached = state.reservoir_attached
        self._expect("ledger", attached == seen.reservoir_attached, at_s, "reservoir attached", attached,
                     seen.reservoir_attached, "D-814")  # fmt: skip
        self._record.event("state", at_s, at_s=at_s, therapy=seen.therapy.name.lower(), reservoir_iu=seen.reservoir_iu)

    def settings(self, at_s: int, state: State) -> None:
        """What was set, read back: controller settings, maximum bolus, clock (D-203, D-616, D-802)."""
        due, seen = self._heard(at_s, read_back.controller_settings(state, self._pump))
        self._expect("settings", due == seen, at_s, "controller settings", due, seen, "D-616")
        limit, got = iu(state.max_bolus_mu), self._heard(at_s, self._pump.max_bolus())
        self._expect("settings", limit == got, at_s, "maximum bolus, IU", limit, got, "D-802")
        wall = self._heard(at_s, self._pump.clock())
        self._expect("settings", wall == state.wall, at_s, "local time", state.wall, wall, "D-203")

    def oref_settings(self, at_s: int, state: State) -> None:
        """The settings of controller oref, read back whichever controller runs: the next one may be oref (D-1102)."""
        due, seen = self._heard(at_s, read_back.oref_settings(state, self._pump))
        wrong = [name for name, value in due.items() if value != seen[name]]
        right, got = ({name: values[name] for name in wrong or due} for values in (due, seen))
        self._expect("settings", not wrong, at_s, "settings of oref", right, got, "D-1102")

    def guardrails(self, at_s: int, state: State) -> None:
        """The guardrails, read back (D-1201)."""
        due, seen = self._heard(at_s, read_back.guardrails(state, self._pump))
        self._expect("settings", due == seen, at_s, "guardrails", due, seen, "D-1201")

    def daily(self, at_s: int, state: State) -> None:
        """Get Total Daily Insulin Status (D-901)."""
        seen = self._heard(at_s, self._pump.total_daily_insulin())
        right = (iu(state.day_bolus_mu), iu(state.day_basal_mu), iu(state.day_bolus_mu + state.day_basal_mu))
        got = (seen.bolus_iu, seen.basal_iu, seen.total_iu)
        self._expect("daily-insulin", right == got, at_s, "insulin of the day (bolus, basal, total), IU",
                     " ".join(map(str, right)), " ".join(map(str, got)))  # fmt: skip

    def iob(self, at_s: int, state: State) -> None:
        """Get Insulin On Board (D-702 to D-704)."""
        seen_mu = float(self._heard(at_s, self._pump.insulin_on_board()).iob_iu * 1000)
        # Rounding toward zero may take one unit of the format's last digit away, 10 mU from 2.046 IU on.
        rounding_mu = state.iob_mu - float(iu(int(state.iob_mu)) * 1000)
        low_mu = state.iob_mu - rounding_mu - state.iob_tolerance_mu - (10 if state.iob_mu > 2045 else 1)
        ok = low_mu <= seen_mu <= state.iob_mu + state.iob_tolerance_mu
        self._expect("iob", ok, at_s, "insulin on board, mU", round(state.iob_mu, 3), seen_mu, "D-704")

    def annunciation(self, at_s: int, state: State) -> None:
        """IDD Annunciation Status (D-831)."""
        seen = self._heard(at_s, self._pump.annunciation())
        shown = state.shown
        right = "none"
        if shown is not None:
            right = f"{shown.annunciation_id} {ANNUNCIATION_TYPES[shown.type].name} {shown.status.upper()}"
        got = "none"
        if seen is not None:
            got = " ".join(map(str, (seen.id, seen.type.name, seen.status.name, *seen.aux)))
        self._expect("annunciation", right == got, at_s, "annunciation shown", right, got, "D-831")

    def battery(self, at_s: int, state: State) -> None:
        """Battery Level (D-841)."""
        seen = self._heard(at_s, self._pump.battery_percent())
        self._expect("battery", state.battery_percent == seen, at_s, "battery level, %", state.battery_percent, seen)

    def elapsed(self, at_s: int, state: State) -> None:
        """Get Counter, what has passed (D-514)."""
        self._counters(at_s, CounterSelection.ELAPSED)

    def remaining(self, at_s: int, state: State) -> None:
        """Get Counter, what is left (D-514)."""
        self._counters(at_s, CounterSelection.REMAINING)

    def _counters(self, at_s: int, selection: CounterSelection) -> None:
        for counter in CounterType:
            name = counter.name.lower().replace("_", " ")
            due = self._asker.wanted(at_s, GetCounter(name, selection.name.lower())).fields["minutes"]
            seen = self._heard(at_s, self._pump.counter(counter, selection))
            # Up to so much a power cut may have taken, or left. How much it was shows at the first reading after it,
            # but for a part of a minute; a counter that was reset since has none of it.
            doubtful_s = self._judge.oracle.doubtful_s
            first = self._counter_offsets.setdefault((doubtful_s, counter, selection), seen - due)
            held = seen == due or (abs(seen - due) <= -(-doubtful_s // 60) and abs(seen - due - first) <= 1)
            what = f"counter {name}, {selection.name.lower()} minutes"
            self._expect("counter", held, at_s, what, due, seen)

    def stored(self, at_s: int, state: State) -> None:
        """How many records the pump holds, and which is the first and the last (D-911)."""
        witness = self._judge.history
        if witness.stored > _RECORDS_KEPT:
            return
        seen = self._heard(at_s, self._pump.count_records())
        self._expect("stored-records", witness.stored == seen, at_s, "records held", witness.stored, seen)
        if witness.stored:
            ends = [self._pump.records(operator) for operator in (RacpOperator.FIRST, RacpOperator.LAST)]
            got = tuple(record.sequence for records in ends for record in records)
            due = witness.stored_ends()
            self._expect("stored-records", due == got, at_s, "first and last record", due, got)

    def history(self, at_s: int, state: State) -> None:
        """All history records since the last audit (D-905)."""
        for record in self._pump.history(self._judge.history.next_sequence):
            self._judge.history.read(
                Record(record.sequence, record.relative_offset_s, record.event, record.fields), at_s
            )
        self._judge.history.settle(at_s, at_s)

    def reset_status(self, at_s: int, state: State) -> None:
        """Clear the bits of Status Changed, so that the next change is indicated again."""
        seen = self._heard(at_s, self._pump.status_changed())
        self._judge.status.read(seen, at_s)
        flags = seen & ~StatusChangedFlags.ANNUNCIATION_STATUS_CHANGED
        if flags:
            self._pump.reset_status(flags)
            self._judge.status.reset(flags)
        if not self.templates.all:
            self._told(at_s)
