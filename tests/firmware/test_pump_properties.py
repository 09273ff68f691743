"""What holds for any sequence of commands: conservation, limits, and that jumping over time changes nothing.

Method: random walks through all commands, and random CGM sessions under plgs; the pump is driven twice or held
against sums that are counted here, second by second (D-003, D-104, D-611, D-801, D-904).
"""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.loop_bench import SMB, loop, sample
from firmware.pump_bench import Bench, Settings
from firmware.pump_walk import walk
from pump import events

FULL = 180000


class Watch:
    """Drives a bench second by second and counts for itself what each second earns."""

    def __init__(self, bench):
        self.bench = bench
        self.earned = 0
        self.rate_max = 0

    def advance(self, s):
        """Pass time up to s, checking each second."""
        pump = self.bench.pump
        for at_s in range(pump.now_s + 1, s + 1):
            before = len(self.bench.told), len(self.bench.pulses)
            due_s = pump.due_s()
            if pump.therapy != events.STOP:
                self.earned += pump.delivery.rate_mu_per_h
            self.rate_max = max(self.rate_max, pump.delivery.rate_mu_per_h)
            pump.advance(at_s)
            if (len(self.bench.told), len(self.bench.pulses)) != before:
                assert due_s == at_s, f"due_s() said {due_s}, and something happened at {at_s}"
            delivery = pump.delivery
            assert len(self.bench.pulses) == delivery.basal_pulses + delivery.bolus_pulses + delivery.prime_pulses


class Warden:
    """Drives a bench second by second and holds what it does against the guardrails of that second."""

    def __init__(self, bench):
        self.bench = bench
        self.doses_s = []
        self.read = 0

    def advance(self, s):
        """Pass time up to s, checking what was commanded before and each second."""
        pump = self.bench.pump
        for at_s in range(pump.now_s + 1, s + 1):
            self._check_commands()
            counted = pump.delivery.basal_pulses + pump.delivery.bolus_pulses
            pump.advance(at_s)
            fresh = pump.delivery.basal_pulses + pump.delivery.bolus_pulses - counted
            self.doses_s += [at_s] * fresh
            if fresh:
                self._check_windows(at_s)
            assert pump.delivery.rate_mu_per_h <= pump.guardrails.basal_mu_per_h

    def _check_commands(self):
        guardrails = self.bench.pump.guardrails
        for _, name, *values in self.bench.told[self.read :]:
            if name == "BOLUS_STARTED":
                assert values[1] + values[2] <= guardrails.bolus_mu
            if name == "TBR_STARTED" and values[2] == events.AP_CONTROLLER:
                assert values[1] <= guardrails.decision_minutes
            if name == "MAX_BOLUS":
                assert values[1] <= guardrails.bolus_mu
        self.read = len(self.bench.told)

    def _check_windows(self, at_s):
        guardrails = self.bench.pump.guardrails
        hour = sum(s // 60 > at_s // 60 - 60 for s in self.doses_s)
        day = sum(s // 3600 > at_s // 3600 - 24 for s in self.doses_s)
        assert 50 * hour <= guardrails.hour_mu
        assert 50 * day <= guardrails.day_mu


# Guardrails that a walk runs into every now and then.
TIGHT = (
    (1000, 2000, 50000, 60000, 300000, 1, 60, 60), (30000, 25000, 50000, 5000, 300000, 1, 60, 240),
    (30000, 25000, 50000, 60000, 12000, 1, 60, 5), (1100, 4000, 6000, 7000, 40000, 30, 15, 30),
)  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**9), st.sampled_from(TIGHT))
def test_nothing_passes_a_guardrail(seed, guardrails):
    """D-1201 to D-1205, D-1208: whatever is commanded and decided, no rate, bolus or window is above its guardrail."""
    bench = Bench()
    walk(bench, seed, 60, Warden(bench).advance, guardrails=guardrails)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(-15, 25), min_size=30, max_size=30), st.sampled_from(TIGHT))
def test_no_closed_loop_passes_a_guardrail(steps_mg_dl, guardrails):
    """D-1201 to D-1206, D-1208: small boluses and high TBRs of oref, whose own limits are as wide as they go."""
    bench = loop(
        1000, max_iob_mu=50000, max_basal_mu_per_h=30000, flags=SMB, smb_interval_minutes=1, delta_share_percent=30
    )
    assert bench.do(0, "guard", *guardrails) == events.SUCCESS
    warden = Warden(bench)
    mg_dl = 150
    for offset, step in enumerate(steps_mg_dl):
        mg_dl = max(60, min(400, mg_dl + step))
        warden.advance(300 * offset)
        sample(bench, 5 * offset, mg_dl)
    given_s = [s for s, *_ in bench.all("BOLUS_STARTED")]
    assert all(b - a >= 60 * guardrails[5] for a, b in pairwise(given_s))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**9))
def test_jumping_equals_counting_every_second(seed):
    """D-003, D-904: same events, pulses and answers; nothing earned is lost or doubled; no rate above the limit."""
    slow = Bench()
    watch = Watch(slow)
    codes = walk(slow, seed, 40, watch.advance)
    fast = Bench()
    assert walk(fast, seed, 40, fast.run) == codes
    assert fast.told == slow.told
    assert fast.pulses == slow.pulses
    delivery = slow.pump.delivery
    held = delivery.owed_pulses() * FULL + delivery.rest()
    dropped = delivery.dropped_pulses * FULL + delivery.dropped_rest
    assert watch.earned == delivery.basal_pulses * FULL + held + dropped
    assert watch.rate_max <= Settings({}).BASAL_LIMIT_MU_PER_H


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**9))
def test_every_bolus_ends_once_with_what_it_delivered(seed):
    """D-904: by the pump's word the boluses sum up to the bolus pulses, and none exceeds its amount."""
    bench = Bench()
    walk(bench, seed, 150, bench.run)
    pump = bench.pump
    amounts = {}
    delivered = 0
    for _, name, bolus_id, amount, *more in bench.all("BOLUS_STARTED", "BOLUS_ENDED"):
        if name == "BOLUS_STARTED":
            assert bolus_id not in amounts
            amounts[bolus_id] = amount + more[0]
        else:
            assert amount <= amounts.pop(bolus_id)
            delivered += amount
    running = [bolus for bolus in pump.boluses if bolus.active]
    assert sorted(amounts) == sorted(bolus.bolus_id for bolus in running)
    delivered += 50 * sum(bolus.delivered_pulses() for bolus in running)
    assert delivered // 50 == pump.delivery.bolus_pulses


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**9))
def test_the_delivered_rate_is_one_unbroken_story(seed):
    """D-905, D-907: each old rate is the new one before it, and TBRs start and end in turn."""
    bench = Bench()
    walk(bench, seed, 150, bench.run)
    rate = 0
    for _, old, new, *_ in bench.all("BASAL_CHANGED"):
        assert old == rate
        rate = new
    assert rate == bench.pump.delivered_rate_mu_per_h()
    told = [line[1] for line in bench.all("TBR_STARTED", "TBR_ENDED")]
    assert told == (["TBR_STARTED", "TBR_ENDED"] * len(told))[: len(told)]
    for i, line in enumerate(bench.told):
        if line[1] in ("TBR_STARTED", "TBR_ENDED", "TBR_CHANGED"):
            assert bench.told[i + 1][:2] == (line[0], "BASAL_CHANGED")


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 12), st.sampled_from([39, 55, 60, 61, 90]), st.integers(0, 9)), max_size=120),
    st.sampled_from([(120, 150), (5, 5), (60, 480), (30, 31)]),
)
def test_no_window_holds_more_suspended_seconds_than_its_limit(steps, bounds):
    """D-611: whatever samples, cancels, Pauses and Stops come, for every window."""
    limit, window = bounds
    bench = Bench().dose(1000)
    bench.do(0, "configure", events.PLGS, 80, 70, 30, limit, window, 60, 0, 300, 75, 0, 0, 0, 5, 3)
    bench.do(0, "cgm_session", 0)
    offset = 0
    for minutes, glucose, extra in steps:
        offset += minutes
        s = 60 * offset
        bench.do(s, "cgm_sample", offset, glucose, 0)
        if extra == 0:
            bench.do(s + 7, "cancel_tbr")
        elif extra == 1:
            bench.do(s + 7, "set_therapy_state", events.PAUSE)
        elif extra == 2:
            bench.do(s + 7, "set_therapy_state", events.STOP)
        elif extra < 6:
            bench.do(s + 9, "set_therapy_state", events.RUN)
    end = 60 * offset + 36000
    bench.run(end)
    suspended = bytearray(end + 1)
    start = None
    for s, name, *_ in bench.all("TBR_STARTED", "TBR_ENDED"):
        if name == "TBR_STARTED":
            start = s
        else:
            suspended[start:s] = b"\1" * (s - start)
    inside = 0
    for s in range(end):
        inside += suspended[s] - (suspended[s - 60 * window] if s >= 60 * window else 0)
        assert inside <= 60 * limit
