"""The oracle's ledger under whatever a client may send, and over power cuts.

Goal: commanded = delivered + remaining + dropped, pulses = what left the reservoir, extended pulses where the rule puts
them, and no gap in the history. Method: hypothesis invents scripts of commands of every kind; one property runs a model
beside the oracle that counts two boluses second by second, in fractions, with no shortcut.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from hil.oracle_bench import accept, running
from pumprig.oracle import commands as c
from pumprig.oracle.commands import CancelBolus, SetBolus, SetTherapyState
from pumprig.oracle.events import BolusEnded, BolusStarted, PrimingStarted, Pulse

END_S = 4000
PULSE_IU = Decimal("0.05")


def bolus(kind, fast, extended, minutes, delay):
    """Set Bolus of so many pulses."""
    fast_iu, extended_iu = PULSE_IU * fast, PULSE_IU * extended
    if kind == "fast":
        return SetBolus(fast_iu, delay_minutes=delay)
    return SetBolus(fast_iu if kind == "multiwave" else Decimal(0), kind, extended_iu, minutes, delay)


BOLUSES = st.builds(
    bolus,
    st.sampled_from(["fast", "extended", "multiwave"]),
    st.integers(1, 60),
    st.integers(1, 60),
    st.integers(1, 30),
    st.one_of(st.none(), st.integers(0, 20)),
)
STATES = st.builds(SetTherapyState, st.sampled_from(["run", "run", "run", "pause", "stop"]))
IDS = st.builds(CancelBolus, st.integers(1, 4))
RATES = st.integers(0, 30_000).map(lambda rate: Decimal(rate) / 1000)
ANYTHING = st.one_of(
    BOLUSES,
    STATES,
    IDS,
    st.builds(c.SetTbr, RATES, st.integers(1, 20), st.booleans()),
    st.builds(lambda factor, change: c.SetTbr(Decimal(factor) / 1000, 9, change, None, "relative"),
              st.integers(0, 2500), st.booleans()),
    st.builds(lambda number, change: c.SetTbr(Decimal(0), 0, change, template_number=number),
              st.integers(3, 7), st.booleans()),
    st.just(c.CancelTbr()),
    st.builds(lambda number: SetBolus(Decimal(0), template_number=number), st.integers(6, 10)),
    st.builds(c.SetBolusTemplate, st.integers(7, 9), st.just("multiwave"), st.just(PULSE_IU), st.just(PULSE_IU * 3),
              st.integers(1, 9)),
    st.builds(c.StartPriming, st.integers(1, 200).map(lambda pulses: PULSE_IU * pulses)),
    st.just(c.StopPriming()),
    st.builds(c.SetFillLevel, st.integers(0, 6000).map(lambda pulses: PULSE_IU * pulses)),
    st.builds(c.SetReservoir, st.integers(0, 100)),
    st.builds(c.AttachReservoir, st.booleans()),
    st.builds(c.InjectOcclusion, st.booleans()),
    st.builds(c.SetBattery, st.integers(0, 100)),
    st.builds(c.ActivateTemplates, st.lists(st.integers(1, 3), max_size=2).map(tuple)),
)  # fmt: skip


def scripts(inputs, longest=16):
    """Inputs in the order of their seconds."""
    lines = st.lists(st.tuples(st.integers(1, END_S), inputs), max_size=longest)
    return lines.map(lambda script: sorted(script, key=lambda line: line[0]))


def balanced(oracle):
    """Every account of the ledger, and pulses against the reservoir's loss."""
    ledger = oracle.ledger()
    accounts = [ledger.basal, ledger.bolus, ledger.prime, *ledger.boluses.values()]
    assert all(account.balanced and account.remaining_mu >= 0 for account in accounts)
    assert sum(account.delivered_mu for account in ledger.boluses.values()) == ledger.bolus.delivered_mu
    assert sum(account.dropped_mu for account in ledger.boluses.values()) == ledger.bolus.dropped_mu
    counters = oracle.state().counters
    assert ledger.pulses == counters.basal_pulses + counters.bolus_pulses + counters.prime_pulses
    assert ledger.pulses == ledger.reservoir_used_pulses
    return ledger.pulses


@settings(max_examples=150, deadline=None)
@given(scripts(ANYTHING, 30))
def test_ledger_and_history_of_any_script(script):
    """D-904, D-905, D-811: after every input, to zero."""
    oracle = running((1440, "2.345"), reservoir_pulses=500)
    accept(oracle, 0, c.WriteProfile(2, ((720, Decimal("7.0")), (720, Decimal("0.1")))))
    sequence, seen, left = None, 0, oracle.state().reservoir_pulses
    for at_s, command in [*script, (END_S, c.CancelTbr())]:
        oracle.advance(at_s)
        before = oracle.state()
        pulses = balanced(oracle)
        assert left - before.reservoir_pulses == pulses - seen
        oracle.command(at_s, command)
        seen, left = balanced(oracle), oracle.state().reservoir_pulses
        if not isinstance(command, (c.SetReservoir, c.SetFillLevel)):
            assert left == before.reservoir_pulses
        for event in oracle.take_events():
            if event.codes:
                assert sequence in (None, event.sequence)
                sequence = event.sequence + len(event.codes)
    assert all(rate >= 0 for rate in (oracle.state().rate_in_force_mu_per_h,))


@settings(max_examples=80, deadline=None)
@given(scripts(ANYTHING), st.data())
def test_ledger_over_power_cuts(script, data):
    """D-921, D-924 to D-926: whatever pulses and records a cut leaves, the accounts balance and numbers go on."""
    oracle = running((1440, "2.345"), reservoir_pulses=500)
    for at_s, command in script:
        oracle.command(at_s, command)
    oracle.advance(END_S)
    given_pulses = oracle.pulses_given()
    lost = data.draw(st.integers(0, min(3, len(given_pulses))))
    kept = given_pulses[: len(given_pulses) - lost]
    groups = oracle.records_stored()
    # What a client was answered is durable, so no bolus or priming is lost whose pulses left (D-926); with it goes all
    # that its second recorded.
    events = [event for event in oracle.take_events() if event.codes]
    began = {event.at_s for event in events if isinstance(event, (BolusStarted, PrimingStarted))}
    answered = max((event.sequence + len(event.codes) for event in events if event.at_s in began), default=1)
    records = data.draw(st.sampled_from([last + 1 for _, last in groups[-5:] if last + 1 >= answered]))
    counted = {source: kept.count(source) for source in set(given_pulses)}
    after = oracle.power_cut(counted, doubt=data.draw(st.sampled_from([None, "basal", "bolus"])), records=records)
    balanced(after)
    counters = after.state().counters
    assert counters.bolus_pulses == kept.count("bolus") + kept.count("extended")
    assert (counters.basal_pulses, counters.prime_pulses) == (kept.count("basal"), kept.count("prime"))
    events = after.take_events()
    assert events[0].codes == (0x000F,) and events[0].sequence <= records
    assert {event.at_s for event in events} == {0}
    state = after.state()
    assert (state.therapy, state.boluses, state.tbr, state.operational) == ("stop", (), None, "ready")
    assert state.rate_in_force_mu_per_h == 0
    # What comes up is a pump like any other.
    after.command(1, c.SetReservoir(500))
    after.command(1, c.AttachReservoir(True))
    accept(after, 2, SetTherapyState("run"))
    after.command(3, SetBolus(Decimal("1.0")))
    after.advance(100)
    balanced(after)


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 200), st.integers(1, 720), st.integers(0, 720), st.integers(1, 1000))
def test_extended_pulses_fall_where_the_rule_puts_them(count, duration, delay, at_s):
    """D-108, D-413: pulse k of n at ceil(k x 60 D / n) after the start of delivery."""
    oracle = running((1440, "0"))
    answer = oracle.command(at_s, bolus("extended", 0, count, duration, delay))
    assert answer.code == (0x0F if count <= 30 * duration else 0x73)
    if answer.code != 0x0F:
        return
    oracle.advance(at_s + 60 * (delay + duration))
    due = [event.at_s for event in oracle.take_events() if isinstance(event, Pulse)]
    assert due == [at_s + 60 * delay + -(-k * 60 * duration // count) for k in range(1, count + 1)]
    assert oracle.state().bolus is None


@dataclass
class Part:
    """Pulses at so many a second, in fractions of one."""

    source: str
    pulses: int
    per_s: Fraction
    earned: Fraction = Fraction(0)


@dataclass
class TwoBoluses:
    """Run, Pause, Stop and two boluses, second by second."""

    state: str = "run"
    pause_s: int = 0
    last_id: int = 0
    places: dict = field(default_factory=dict)
    seen: list = field(default_factory=list)

    def end(self, second, place, why):
        _, start_s, accepted_s, _ = self.places[place][1:]
        self.seen.append((second, self.places.pop(place)[0], why, min(start_s, second) - accepted_s))

    def order(self):
        return sorted(self.places, key=lambda place: (self.places[place][2], self.places[place][0]))

    def stop(self, second, why):
        for place in self.order():
            self.end(second, place, why)
        self.state = "stop"

    def tick(self, second):
        for place in ("bolus", "extended"):
            if self.state != "run" or place not in self.places or second <= self.places[place][2]:
                continue
            for part in self.places[place][1]:
                part.earned += part.per_s
                while part.pulses and part.earned >= 1:
                    part.pulses, part.earned = part.pulses - 1, part.earned - 1
                    self.seen.append((second, part.source))
        for place in self.order():
            if not any(part.pulses for part in self.places[place][1]):
                self.end(second, place, "programmed amount delivered")
        if self.state == "pause" and second == self.pause_s + 900:
            self.stop(second, "canceled")

    def input(self, second, command):
        if isinstance(command, SetTherapyState) and command.state != self.state:
            allowed = {"stop": {"run"}, "run": {"pause", "stop"}, "pause": {"run", "stop"}}[self.state]
            if command.state not in allowed:
                return
            if command.state == "stop":
                self.stop(second, "canceled")
            self.state, self.pause_s = command.state, second
        elif isinstance(command, SetBolus) and self.state == "run":
            place = "bolus" if command.bolus_type == "fast" else "extended"
            slow = command.extended_amount_iu / PULSE_IU
            if place in self.places or slow > 30 * command.duration_minutes:
                return
            self.last_id += 1
            parts = [Part(place, int(command.amount_iu / PULSE_IU), Fraction(1500, 60 * 50))]
            if slow:
                parts.append(Part(place, int(slow), Fraction(int(slow), 60 * command.duration_minutes)))
            start_s = second + 60 * (command.delay_minutes or 0)
            self.places[place] = (self.last_id, parts, start_s, second, None)
        elif isinstance(command, CancelBolus):
            for place in list(self.places):
                if self.places[place][0] == command.bolus_id:
                    self.end(second, place, "canceled")


def told(events):
    """Events in the words of the model."""
    for event in events:
        if isinstance(event, Pulse):
            yield event.at_s, event.source
        elif isinstance(event, BolusEnded):
            yield event.at_s, event.bolus_id, str(event.reason), event.start_offset_s


@settings(max_examples=80, deadline=None)
@given(scripts(st.one_of(BOLUSES, BOLUSES, STATES, IDS)))
def test_two_boluses_as_counted_every_second(script):
    """D-003, D-106 to D-108, D-403, D-411 to D-415, D-502 to D-504: each pulse and each end, in their order."""
    oracle, model = running((1440, "0")), TwoBoluses()
    waiting = list(script)
    for second in range(1, END_S + 1):
        model.tick(second)
        while waiting and waiting[0][0] == second:
            command = waiting.pop(0)[1]
            oracle.command(second, command)
            model.input(second, command)
    oracle.advance(END_S)
    assert list(told(oracle.take_events())) == model.seen
    assert [state.bolus_id for state in oracle.state().boluses] == [model.places[place][0] for place in model.order()]
