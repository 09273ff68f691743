"""The two readings of DOSING.md agree: the firmware's core and the rig's oracle, which share no code.

Method: the same random walk through all commands for both; every pulse, history event, decision and response code is
compared, and at the end the remainder, the sums and insulin on board (D-001 to D-907).
"""

from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.pump_bench import Bench
from firmware.pump_walk import walk
from pump import events
from pumprig.oracle import Oracle, OracleSettings, commands
from pumprig.oracle import events as expected

THERAPY = {events.STOP: "stop", events.PAUSE: "pause", events.RUN: "run", events.UNDETERMINED: "undetermined"}
CONTEXT = {events.DEVICE: "device", events.REMOTE_CONTROL: "remote control", events.AP_CONTROLLER: "AP controller"}
CONTROLLER = {events.MANUAL: "manual", events.PLGS: "plgs", events.OREF: "oref"}
ACTION = {events.ACTION_NONE: "none", events.ACTION_KEEP: "keep", events.ACTION_SUSPEND: "suspend",
          events.ACTION_RESUME: "resume", events.ACTION_SET_TBR: "set TBR",
          events.ACTION_CANCEL_TBR: "cancel TBR"}  # fmt: skip
REASON = {
    events.REASON_MANUAL: "manual", events.REASON_NO_PREDICTION: "no prediction", events.REASON_LOW_NOW: "low now",
    events.REASON_PREDICTED_LOW: "predicted low", events.REASON_RISING: "rising", events.REASON_NOT_LOW: "not low",
    events.REASON_LIMIT_REACHED: "limit reached", events.REASON_LOCKOUT: "lockout", events.REASON_STALE: "stale",
    events.REASON_MINIMUM_TIME: "minimum time", events.REASON_NOT_RUNNING: "therapy not running",
    events.REASON_INVALID_SAMPLE: "invalid sample", events.REASON_CONTROLLER_RULE: "controller rule",
    events.REASON_NOT_CONFIGURED: "not configured", events.REASON_IOB_UNKNOWN: "IOB unknown",
}  # fmt: skip
KIND = {
    events.RESERVOIR_LOW: "reservoir low", events.RESERVOIR_EMPTY: "reservoir empty", events.CGM_STALE: "stale CGM",
    events.OCCLUSION_DETECTED: "occlusion", events.PAUSE_OVER: "pause over", events.BATTERY_LOW: "battery low",
    events.BATTERY_EMPTY: "battery empty", 0x00FF: "temperature out of range", events.MAX_DELIVERY: "max delivery",
}  # fmt: skip
STATUS = {events.PENDING: "pending", events.SNOOZED: "snoozed", events.CONFIRMED: "confirmed"}
TBR_END = {events.COMPLETE: "duration over", events.CANCELED: "canceled", events.ERROR_ABORT: "error abort"}
BOLUS_END = {**TBR_END, events.COMPLETE: "programmed amount delivered"}
PRIMING_END = {events.STOPPED_BY_USER: "aborted by user", events.AMOUNT_REACHED: "amount reached",
               events.ERROR_ABORT: "error abort"}  # fmt: skip
OPERATIONAL = {events.PRIMING: "priming", events.READY: "ready"}
TBR_TYPE = {events.ABSOLUTE: "absolute", events.RELATIVE: "relative"}
BOLUS_TYPE = {events.FAST: "fast", events.EXTENDED: "extended", events.MULTIWAVE: "multiwave"}
ASKED_BY = {events.DEVICE: "device", events.REMOTE_CONTROL: "client", events.AP_CONTROLLER: "controller"}
TEMPLATE = {events.TEMPLATE_BASAL: "basal", events.TEMPLATE_ISF: "isf", events.TEMPLATE_ICHO: "icho",
            events.TEMPLATE_TARGET: "target"}  # fmt: skip
TIME = {events.DATE_TIME_LOSS: "date time loss", events.SET_DATE_TIME: "set date time", events.PERIODIC: "periodic"}


def iu(milliunits):
    """Milliunits as the wire has them."""
    return Decimal(milliunits) / 1000


class OracleBench:
    """An oracle that takes a walk's commands as a bench does."""

    def __init__(self, **replaced):
        self.oracle = Oracle(OracleSettings(**replaced))
        self.decisions = []

    def run(self, s):
        """Advance to s."""
        self.oracle.advance(s)

    def profile(self, s, *blocks, template=1):
        """Write and activate."""
        self.oracle.command(s, commands.WriteProfile(template, tuple((minutes, iu(rate)) for minutes, rate in blocks)))
        self.oracle.command(s, commands.ActivateProfile(template))

    def do(self, s, name, *operands):
        """One command; the response code as the core gives it."""
        if name == "cgm_sample":
            offset, glucose, status = operands
            glucose = None if glucose < 0 else glucose
            self.decisions.append(self.oracle.sample(s, offset, glucose, status))
            return None
        if name == "set_clock":
            return self._set_clock(s, *operands)
        expectation = self.oracle.command(s, self._command(name, *operands))
        if name == "cgm_session":
            return None
        return {0: events.SUCCESS, 0xFF: events.OUT_OF_RANGE}.get(expectation.code, expectation.code)

    def _set_clock(self, s, year, month, day, hour, minute, second, *zone):
        try:
            wall = datetime(year, month, day, hour, minute, second)
        except ValueError:
            self.oracle.advance(s)
            return events.OUT_OF_RANGE
        self.oracle.command(s, commands.SetClock(wall))
        return events.SUCCESS

    def _command(self, name, *operands):
        if name == "cgm_session":
            return commands.OpenCgmSession(datetime(2000, 1, 1))
        if name == "set_therapy_state":
            return commands.SetTherapyState(THERAPY[operands[0]])
        if name == "set_tbr":
            kind, value, minutes, change, context, template = operands
            return commands.SetTbr(iu(value), minutes, change, CONTEXT[context], TBR_TYPE[kind], template or None)
        if name == "set_tbr_template":
            number, kind, value, minutes = operands
            return commands.SetTbrTemplate(number, TBR_TYPE[kind], iu(value), minutes)
        if name == "set_bolus":
            kind, fast, extended, minutes, delay, template, _, _ = operands
            return commands.SetBolus(iu(fast), BOLUS_TYPE[kind], iu(extended), minutes, delay, template or None)
        if name == "set_bolus_template":
            number, _, kind, fast, extended, minutes, delay = operands
            return commands.SetBolusTemplate(number, BOLUS_TYPE[kind], iu(fast), iu(extended), minutes, delay)
        if name in AMOUNTS:
            return AMOUNTS[name](iu(operands[0]))
        if name in ("activate", "reset_templates"):
            numbers = tuple(operands[0])
            return commands.ActivateTemplates(numbers) if name == "activate" else commands.ResetTemplates(numbers)
        if name == "configure":
            return commands.Configure(CONTROLLER[operands[0]], *operands[1:])
        if name == "guard":
            return commands.SetGuardrails(*operands)
        if name == "announce_carbs":
            return commands.AnnounceCarbs(*operands)
        if name == "inject":
            kind, value = operands
            return INJECT[kind](value)
        plain = {"cancel_tbr": commands.CancelTbr, "cancel_bolus": commands.CancelBolus,
                 "confirm": commands.ConfirmAnnunciation, "snooze": commands.SnoozeAnnunciation,
                 "stop_priming": commands.StopPriming, "reset_operation_time": commands.ResetOperationTime}  # fmt: skip
        return plain[name](*operands)


AMOUNTS = {"set_max_bolus": commands.SetMaxBolus, "start_priming": commands.StartPriming,
           "set_fill_level": commands.SetFillLevel}  # fmt: skip
INJECT = {
    0x33: lambda value: commands.InjectOcclusion(bool(value)), 0x3C: commands.SetReservoir,
    0x55: lambda value: commands.AttachReservoir(not value), 0x5A: commands.SetBattery,
    0x66: lambda value: commands.RaiseAnnunciation(KIND.get(value, "no such type")),
}  # fmt: skip

# Each event of the core: the words that its values stand for, None for a number.
WORDS = {
    "REFERENCE_TIME": (TIME,),
    "THERAPY": (THERAPY, THERAPY),
    "BASAL_CHANGED": (None, None, CONTEXT),
    "TBR_STARTED": (None, None, CONTEXT, None),
    "TBR_CHANGED": (None, None, None, None),
    "TBR_ENDED": (None, TBR_END, None),
    "BOLUS_STARTED": (None, None, None, None, None),
    "BOLUS_ENDED": (None, None, BOLUS_END, None),
    "BOLUS_TEMPLATE_CHANGED": (None,),
    "TBR_TEMPLATE_CHANGED": (None,),
    "PROFILE_ACTIVATED": (TEMPLATE, None, None),
    "BLOCK_CHANGED": (None, None, None, None),
    "OPERATIONAL": (OPERATIONAL, OPERATIONAL),
    "PRIMING_STARTED": (None,),
    "PRIMING_DONE": (None, PRIMING_END, None),
    "RESERVOIR": (None,),
    "ANNUNCIATION": (None, KIND, STATUS),
    "DAILY": (None, None, None, None, None),
    "MAX_BOLUS": (None, None),
    "POINTER": (),
    "GUARDRAIL": (None, ASKED_BY, None, None),
    "CARBS": (None, None),
}
# The same of the oracle: its class, and the fields in the core's order.
FIELDS = {
    expected.ReferenceTime: ("REFERENCE_TIME", "reason"),
    expected.TherapyChanged: ("THERAPY", "old new"),
    expected.BasalChanged: ("BASAL_CHANGED", "old_mu_per_h new_mu_per_h context"),
    expected.TbrStarted: ("TBR_STARTED", "value duration_minutes context template"),
    expected.TbrChanged: ("TBR_CHANGED", "value duration_minutes elapsed_minutes template"),
    expected.TbrEnded: ("TBR_ENDED", "effective_minutes reason annunciation_id"),
    expected.BolusStarted: ("BOLUS_STARTED", "bolus_id fast_mu extended_mu duration_minutes delay_minutes"),
    expected.BolusEnded: ("BOLUS_ENDED", "bolus_id delivered_mu reason annunciation_id"),
    expected.BolusTemplateChanged: ("BOLUS_TEMPLATE_CHANGED", "template"),
    expected.TbrTemplateChanged: ("TBR_TEMPLATE_CHANGED", "template"),
    expected.ProfileActivated: ("PROFILE_ACTIVATED", "kind old new"),
    expected.BlockChanged: ("BLOCK_CHANGED", "template block duration_minutes value"),
    expected.OperationalChanged: ("OPERATIONAL", "old new"),
    expected.PrimingStarted: ("PRIMING_STARTED", "amount_mu"),
    expected.PrimingDone: ("PRIMING_DONE", "delivered_mu reason annunciation_id"),
    expected.ReservoirChanged: ("RESERVOIR", "remaining_mu"),
    expected.Annunciation: ("ANNUNCIATION", "annunciation_id type status"),
    expected.DailyInsulin: ("DAILY", "bolus_mu basal_mu clock_changed day"),
    expected.MaxBolusChanged: ("MAX_BOLUS", "old_mu new_mu"),
    expected.SettingsWritten: ("POINTER", ""),
    expected.GuardrailHeld: ("GUARDRAIL", "guardrail asked_by asked allowed"),
    expected.CarbsAnnounced: ("CARBS", "carbs_g minutes_ago"),
}


# Guardrails that most walks run into, and numbers of plgs after the ten that a walk writes.
GUARDED = (
    (30000, 25000, 50000, 60000, 300000, 1, 60, 240), (1000, 2000, 50000, 60000, 300000, 1, 60, 60),
    (30000, 25000, 3000, 60000, 300000, 1, 10, 240), (30000, 25000, 50000, 5000, 300000, 1, 60, 240),
    (30000, 25000, 50000, 60000, 12000, 1, 60, 5), (1100, 4000, 6000, 7000, 40000, 30, 15, 30),
)  # fmt: skip
RULE_SETS = ((), (0, 0, 0, 5, 0), (0, 0, 0, 5, 1), (0, 0, 0, 10, 2), (75, 66, 0, 5, 3), (120, 75, 90, 30, 0))
# Pump data, and the same for the oracle.
PUMPS = (
    (
        {"PULSE_MU": 25, "BOLUS_MIN_MU": 50, "BOLUS_STEPS": ((1001, 25), (25001, 50)), "BASAL_MIN_MU_PER_H": 25,
         "BASAL_STEPS": ((1000, 25), (10000, 50), (35001, 100))},
        {"pulse_mu": 25, "bolus_min_mu": 50, "bolus_steps": ((1001, 25), (25001, 50)), "basal_min_mu_per_h": 25,
         "basal_steps": ((1000, 25), (10000, 50), (35001, 100)), "reservoir_pulses": 12000},
    ),
    (
        {"PULSE_MU": 10, "BOLUS_MIN_MU": 10, "BOLUS_STEPS": ((25001, 10),), "TBR_KINDS": 1, "TBR_MINUTES_STEP": 30,
         "TBR_MINUTES_MAX": 720, "BOLUS_SPEED_MU_PER_MINUTE": 300},
        {"pulse_mu": 10, "bolus_min_mu": 10, "bolus_steps": ((25001, 10),), "tbr_relative": False,
         "tbr_minutes_step": 30, "tbr_minutes_max": 720, "bolus_speed_mu_per_minute": 300, "reservoir_pulses": 30000},
    ),
    (
        {"PULSE_MU": 100, "BOLUS_MIN_MU": 100, "BOLUS_STEPS": ((25001, 100),), "TBR_KINDS": 2, "TBR_FACTOR_STEP": 10,
         "TBR_FACTOR_MAX": 2000, "RESERVOIR_CAPACITY_MU": 600000},
        {"pulse_mu": 100, "bolus_min_mu": 100, "bolus_steps": ((25001, 100),), "tbr_absolute": False,
         "tbr_factor_step": 10, "tbr_factor_max": 2000, "reservoir_pulses": 6000, "reservoir_capacity_mu": 600000},
    ),
)  # fmt: skip


def told_by_pump(line):
    """An event of the core in the oracle's words."""
    s, name, *values = line
    words = WORDS[name]
    said = [value if word is None else word[value] for value, word in zip(values, words, strict=False)]
    if name == "DAILY":
        said[3:] = [date(said[3], said[4] // 32, said[4] % 32)]
    return s, name, *said


def told_by_oracle(event):
    """An event of the oracle in the same form; no annunciation is 0."""
    name, fields = FIELDS[type(event)]
    return event.at_s, name, *(getattr(event, field) or 0 for field in fields.split())


def agree(mine, theirs):
    """Whether both tell the same; what a guardrail was asked has the tolerance of insulin on board."""
    expected_line = told_by_oracle(theirs)
    if mine[1] == "GUARDRAIL" == expected_line[1] and abs(mine[4] - theirs.asked) <= theirs.doubt_mu:
        mine = (*mine[:4], theirs.asked, *mine[5:])
    return mine == expected_line


class DecidingBench(Bench):
    """A bench that keeps every decision, and of each bolus that ended what only the wire shows."""

    def __init__(self, replaced=None):
        self.decisions = []
        self.details = []
        self.ended = []
        super().__init__(replaced)

    def _emit(self, event, s, *values):
        if event == events.RESERVOIR and not self.pump.reservoir.attached:
            values = (0, 0, 0, 0, 0)
        super()._emit(event, s, *values)
        if event == events.BOLUS_ENDED:
            bolus = self.pump.boluses[values[0]]
            self.ended.append((
                BOLUS_TYPE[bolus.kind], bolus.fast_delivered_mu, bolus.extended_delivered_mu,
                bolus.effective_minutes(s), min(s, bolus.start_s) - bolus.programmed_s,
            ))  # fmt: skip

    def do(self, s, command, *operands):
        """As the bench does, with the decision kept."""
        code = super().do(s, command, *operands)
        if command == "cgm_sample":
            decision = self.pump.decision
            predicted = decision.predicted_mg_dl
            self.decisions.append(
                (
                    decision.sequence,
                    decision.at_s,
                    decision.offset_minutes,
                    decision.glucose_mg_dl,
                    None if predicted == events.NO_PREDICTION_MG_DL else predicted,
                    ACTION[decision.action],
                    REASON[decision.reason],
                    decision.iob_mu,
                )
            )
            self.details.append(list(decision.detail))  # fmt: skip
        return code


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**9))
def test_both_readings_tell_the_same_story(seed):
    """D-905: the same events in the same order at the same seconds, the same pulses, decisions and answers."""
    hold_against_each_other(seed, DecidingBench(), OracleBench())


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**9), st.sampled_from(GUARDED), st.sampled_from(RULE_SETS))
def test_both_readings_keep_to_tight_guardrails_and_other_rules(seed, guardrails, rules):
    """D-1201 to D-1208, D-606 to D-618: from the first second on."""
    hold_against_each_other(seed, DecidingBench(), OracleBench(), rules, guardrails)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**9), st.sampled_from(PUMPS))
def test_both_readings_know_other_pumps(seed, data):
    """D-109, D-205: other pulses, steps and types of TBR."""
    mine, theirs = data
    hold_against_each_other(seed, DecidingBench(mine), OracleBench(**theirs))


def hold_against_each_other(seed, bench, other, rules=(), guardrails=()):
    """Let both do one walk and compare all that they tell."""
    codes = walk(bench, seed, 120, bench.run, rules, guardrails)
    assert walk(other, seed, 120, other.run, rules, guardrails) == codes
    story = other.oracle.take_events()
    assert bench.pulses == [event.at_s for event in story if isinstance(event, expected.Pulse)]
    told = [told_by_pump(line) for line in bench.told if line[1] != "DECISION"]
    theirs = [event for event in story if not isinstance(event, expected.Pulse)]
    assert [line for line, event in zip(told, theirs, strict=False) if not agree(line, event)] == []
    assert len(told) == len(theirs)
    assert bench.ended == [
        (event.bolus_type, event.fast_mu, event.extended_mu, event.effective_minutes, event.start_offset_s)
        for event in story if isinstance(event, expected.BolusEnded)
    ]  # fmt: skip
    for mine, theirs in zip(bench.decisions, other.decisions, strict=True):
        assert mine[:-1] == (
            theirs.sequence, theirs.at_s, theirs.offset_minutes, theirs.glucose_mg_dl, theirs.predicted_mg_dl,
            theirs.action, theirs.reason,
        )  # fmt: skip
        assert abs(mine[-1] - theirs.iob_mu) <= theirs.iob_tolerance_mu
    pump, state = bench.pump, other.oracle.state()
    earned = pump.delivery.owed_pulses() * 3600 * pump.settings.PULSE_MU + pump.delivery.rest()
    assert Fraction(earned, 3600) == state.remainder_mu
    assert (pump.delivery.basal_mu, pump.delivery.bolus_mu) == (state.delivered_basal_mu, state.delivered_bolus_mu)
    assert (pump.daily.basal_mu, pump.daily.bolus_mu) == (state.day_basal_mu, state.day_bolus_mu)
    assert pump.reservoir.remaining_pulses == state.reservoir_pulses
