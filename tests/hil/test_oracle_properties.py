"""The oracle against a third reading: a pump that counts every single second in fractions.

Goal: jumping from event to event loses nothing. Whatever is commanded when, the oracle's pulses, remainder and ends are
those of a model that takes DOSING.md's steps one second after the other, in fractions of units, with no shortcut.
Method: hypothesis invents pumps and scripts of commands; both run them. Further properties: how the time is cut into
calls does not matter, the ledger balances, the history has no gap, no 150 minutes hold more than 120 suspended, and the
line of least squares is that of the textbook.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from hil.oracle_bench import accept, plgs, running
from pumprig.oracle.commands import CancelBolus, CancelTbr, SetBolus, SetTbr, SetTherapyState
from pumprig.oracle.events import Annunciation, BolusEnded, Pulse, TbrEnded
from pumprig.oracle.plgs import Cgm

HOUR = 3600
END_S = 3000


@dataclass
class EverySecond:
    """Delivery second by second, in units of one pulse."""

    pulse_mu: int
    speed_mu_per_minute: int
    profile_mu_per_h: int
    reservoir: int
    state: str = "run"
    pause_s: int = 0
    basal: Fraction = Fraction(0)
    tbr: tuple[int, int] | None = None
    bolus: list | None = None
    last_id: int = 0
    seen: list = field(default_factory=list)

    def stop(self, second, why):
        if self.bolus is not None and self.bolus[1]:
            self.end_bolus(second, why)
        if self.tbr is not None:
            self.tbr = None
            self.seen.append((second, "tbr", why))
        self.basal = Fraction(0)
        self.state = "stop"

    def end_bolus(self, second, why):
        self.seen.append((second, "bolus end", why))
        self.bolus = None

    def pulse(self, second, source):
        self.seen.append((second, "pulse", source))
        self.reservoir -= 1
        if self.reservoir == 0:
            self.stop(second, "error abort")

    def tick(self, second):
        rate = self.profile_mu_per_h if self.tbr is None else self.tbr[0]
        if self.state != "stop":
            self.basal += Fraction(rate, HOUR * self.pulse_mu)
        if self.state == "run" and self.bolus is not None:
            self.bolus[2] += Fraction(self.speed_mu_per_minute, 60 * self.pulse_mu)
        while self.state == "run" and self.bolus is not None and self.bolus[1] and self.bolus[2] >= 1:
            self.bolus[1] -= 1
            self.bolus[2] -= 1
            self.pulse(second, "bolus")
        if self.state == "run" and self.basal >= 1:
            self.basal -= 1
            self.pulse(second, "basal")
        if self.bolus is not None and not self.bolus[1]:
            self.end_bolus(second, "programmed amount delivered")
        if self.tbr is not None and second == self.tbr[1]:
            self.tbr = None
            self.seen.append((second, "tbr", "duration over"))
        if self.state == "pause" and second == self.pause_s + 900:
            self.stop(second, "canceled")

    def input(self, second, name, argument):
        if name == "state" and argument != self.state:
            allowed = {"stop": {"run"}, "run": {"pause", "stop"}, "pause": {"run", "stop"}}[self.state]
            if argument not in allowed or (argument == "run" and not self.reservoir):
                return
            if argument == "stop":
                self.stop(second, "canceled")
            self.state, self.pause_s = argument, second
        elif name in {"tbr", "change"} and self.state == "run" and (self.tbr is not None) == (name == "change"):
            rate, minutes = argument
            self.tbr = (rate, second + 60 * minutes)
        elif name == "cancel tbr" and self.tbr is not None:
            self.tbr = None
            self.seen.append((second, "tbr", "canceled"))
        elif name == "bolus" and self.state == "run" and self.bolus is None and argument <= self.reservoir:
            self.last_id += 1
            self.bolus = [self.last_id, argument, Fraction(0)]
        elif name == "cancel bolus" and self.bolus is not None:
            self.end_bolus(second, "canceled")


def command(name, argument, pulse_mu, last_id):
    """The oracle's command for one line of a script."""
    if name == "state":
        return SetTherapyState(argument)
    if name in {"tbr", "change"}:
        return SetTbr(Decimal(argument[0]) / 1000, argument[1], change=name == "change")
    if name == "bolus":
        return SetBolus(Decimal(argument * pulse_mu) / 1000)
    return CancelTbr() if name == "cancel tbr" else CancelBolus(last_id)


RATES = st.one_of(st.integers(0, 30_000), st.sampled_from([0, 1, 999, 1000, 29_999, 30_000]))
INPUTS = st.one_of(
    st.tuples(st.just("state"), st.sampled_from(["run", "run", "pause", "stop"])),
    st.tuples(st.sampled_from(["tbr", "change"]), st.tuples(RATES, st.integers(1, 20))),
    st.tuples(st.just("bolus"), st.integers(1, 60)),
    st.tuples(st.sampled_from(["cancel tbr", "cancel bolus"]), st.none()),
)
SCRIPTS = st.lists(st.tuples(st.integers(1, END_S), INPUTS), max_size=12).map(lambda s: sorted(s, key=lambda i: i[0]))
PUMPS = st.fixed_dictionaries(
    {
        "pulse_mu": st.sampled_from([50, 25, 100, 7, 1]),
        "speed": st.one_of(st.integers(600, 15_000), st.just(1500)),
        "profile": RATES,
        "reservoir": st.one_of(st.integers(1, 400), st.just(100_000)),
    }
)


def pump_of(pump):
    """A running oracle of an invented pump."""
    return running(
        (1440, str(Decimal(pump["profile"]) / 1000)),
        pulse_mu=pump["pulse_mu"],
        bolus_speed_mu_per_minute=pump["speed"],
        max_bolus_mu=60 * pump["pulse_mu"],
        reservoir_pulses=pump["reservoir"],
        reservoir_low_mu=1,
    )


def told(events):
    """Events in the words of the model."""
    for event in events:
        if isinstance(event, Pulse):
            yield event.at_s, "pulse", event.source
        elif isinstance(event, BolusEnded):
            yield event.at_s, "bolus end", str(event.reason)
        elif isinstance(event, TbrEnded):
            yield event.at_s, "tbr", str(event.reason)


@settings(max_examples=120, deadline=None)
@given(PUMPS, SCRIPTS)
def test_the_oracle_is_the_pump_that_counts_every_second(pump, script):
    """D-003, D-101 to D-107, D-302 to D-304, D-404, D-502 to D-504, D-813: to the second and to the last fraction."""
    oracle = pump_of(pump)
    model = EverySecond(pump["pulse_mu"], pump["speed"], pump["profile"], pump["reservoir"])
    waiting = list(script)
    for second in range(1, END_S + 1):
        model.tick(second)
        while waiting and waiting[0][0] == second:
            _, (name, argument) = waiting.pop(0)
            oracle.command(second, command(name, argument, pump["pulse_mu"], model.last_id))
            model.input(second, name, argument)
    oracle.advance(END_S)
    assert list(told(oracle.take_events())) == model.seen
    state = oracle.state()
    assert state.remainder_mu == model.basal * pump["pulse_mu"]
    assert (state.therapy, state.reservoir_pulses) == (model.state, model.reservoir)
    assert (state.bolus is None) == (model.bolus is None)


@settings(max_examples=60, deadline=None)
@given(PUMPS, SCRIPTS, st.lists(st.integers(0, END_S), max_size=40))
def test_cutting_the_time_changes_nothing(pump, script, cuts):
    """D-003: calls of advance between the inputs change no event, no sum, no number."""
    runs = []
    for stops in ([], cuts):
        oracle = pump_of(pump)
        steps = [(at_s, None) for at_s in stops] + [(at_s, line) for at_s, line in script]
        answers = []
        for at_s, line in sorted(steps, key=lambda step: step[0]):
            if line is None:
                oracle.advance(at_s)
            else:
                answers.append(oracle.command(at_s, command(*line, pump["pulse_mu"], 1)))
        oracle.advance(END_S)
        events = [(event, event.sequence, event.offset_s, event.rule) for event in oracle.take_events()]
        runs.append((answers, events, oracle.ledger(), oracle.state()))
    assert runs[0] == runs[1]


@settings(max_examples=60, deadline=None)
@given(PUMPS, SCRIPTS)
def test_ledger_balances_and_history_has_no_gap(pump, script):
    """D-904, D-905, D-811: after every input, to zero; pulses seen = counted = taken from the reservoir."""
    oracle = pump_of(pump)
    sequence, seen = None, 0
    for at_s, (name, argument) in [*script, (END_S, ("cancel tbr", None))]:
        oracle.command(at_s, command(name, argument, pump["pulse_mu"], 1))
        ledger, state = oracle.ledger(), oracle.state()
        assert all(account.balanced for account in (ledger.basal, ledger.bolus, *ledger.boluses.values()))
        for event in oracle.take_events():
            seen += isinstance(event, Pulse)
            if event.codes:
                assert sequence in (None, event.sequence)
                sequence = event.sequence + len(event.codes)
        used = pump["reservoir"] - state.reservoir_pulses
        assert seen == used == ledger.pulses == state.counters.basal_pulses + state.counters.bolus_pulses


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 12), st.integers(40, 110)), min_size=30, max_size=120), st.data())
def test_no_window_is_suspended_for_longer_than_the_limit(readings, data):
    """D-611: of the 9000 s before any second at most 7200 are suspended, whatever the glucose does."""
    oracle = plgs((1440, "0"), lockout_minutes=0, stale_minutes=60)
    spans, since, offset = [], None, 0
    for gap, glucose in readings:
        offset += gap
        late_s = data.draw(st.integers(0, 59))
        decision = oracle.sample(60 * offset + late_s, offset, glucose)
        for event in oracle.take_events():
            if isinstance(event, TbrEnded):
                spans.append((since, event.at_s))
                since = None
        if decision.action == "suspend":
            since = decision.at_s
            assert 5 <= oracle.state().tbr.programmed_minutes <= 120
    if since is not None:
        spans.append((since, oracle.now_s))
    for second in {moment + 9000 for span in spans for moment in span} | {span[1] for span in spans}:
        assert sum(max(0, min(end, second) - max(start, second - 9000)) for start, end in spans) <= 7200


@given(
    st.lists(st.tuples(st.integers(1, 9), st.integers(1, 1000)), min_size=3, max_size=30),
    st.integers(10, 60),
)
def test_prediction_is_the_textbooks_line(readings, horizon):
    """D-604, D-605: means and slope in fractions, from the samples of the last 17 min, three at least."""
    cgm, points, offset = Cgm(), [], 0
    cgm.start_s = 0
    for gap, glucose in readings:
        offset += gap
        cgm.keep(offset, glucose)
        points = [p for p in [*points, (offset, glucose)] if p[0] >= offset - 17]
        prediction = cgm.predict(horizon)
        if len(points) < 3:
            assert prediction is None
            continue
        mean_x, mean_y = (Fraction(sum(p[axis] for p in points), len(points)) for axis in (0, 1))
        slope = sum((x - mean_x) * (y - mean_y) for x, y in points) / sum((x - mean_x) ** 2 for x, _ in points)
        exact = mean_y + slope * (offset + horizon - mean_x)
        assert prediction.exact == exact
        assert prediction.displayed == (exact + Fraction(1, 2)).__floor__()
        for limit in (exact.__floor__(), exact.__ceil__(), 80):
            assert prediction.below(limit) == (exact < limit)


@given(st.integers(1, 200), st.integers(1, 400))
def test_annunciation_of_the_low_level_comes_exactly_once(low_pulses, fill_pulses):
    """D-812: when the fill begins above the level and falls to it, and never otherwise."""
    oracle = running((1440, "30.0"), reservoir_pulses=fill_pulses, reservoir_low_mu=50 * low_pulses)
    oracle.advance(2400)
    raised = [e.at_s for e in oracle.take_events() if isinstance(e, Annunciation) and e.type == "reservoir low"]
    expected = [6 * (fill_pulses - low_pulses)] if fill_pulses > low_pulses else []
    assert raised == [second for second in expected if second <= 2400]


def test_two_weeks_are_counted_to_the_pulse():
    """D-102, D-103: 14 days of an odd rate: the number of pulses is the floor of what was earned."""
    oracle = running((1440, "1.237"), reservoir_pulses=10_000)
    accept(oracle, 1, SetTbr(Decimal("2.345"), 1440))
    oracle.advance(14 * 86_400)
    earned = 1237 * (14 * 86_400 - 86_400) + 2345 * 86_400
    assert oracle.state().counters.basal_pulses == earned // 180_000
    assert oracle.state().remainder_mu == Fraction(earned % 180_000, 3600)
