"""The power goes in every single operation of the flash during a day's dosing, and during the restart after it.

Method: the day runs once on a flash that notes its operations; for each of them the flash is put together as the cut
leaves it (the operation lost, half done, or garbage), a pump boots from it, and what it says is held against what the
motor had done and what a client had been told by then. The quick run takes every 31st operation, the slow one all.
"""

from functools import cache

import pytest

from campaign import size
from firmware.journal_bench import BLOCK_BYTES, KINDS, Device, JournalBench, apply, day, image_after_cut
from pump import events

CAPACITY_MU = 45000
BASAL, BOLUS = events.SOURCE_BASAL, events.SOURCE_BOLUS
SOURCES = (BASAL, BOLUS, events.SOURCE_EXTENDED, events.SOURCE_PRIME)
THINNED = 31


@cache
def the_day():
    """The day without a cut, and its records."""
    bench = day(JournalBench(RESERVOIR_CAPACITY_MU=CAPACITY_MU).boot())
    return bench, bench.records()


def boot(image):
    """A pump that finds this flash."""
    return JournalBench(Device(bytearray(image)), RESERVOIR_CAPACITY_MU=CAPACITY_MU).boot()


def cuts(operations, step, first=0):
    """(index, operation, kind, image after the cut) of the cuts, at every step-th operation."""
    image = Device().image
    for index, operation in enumerate(operations):
        if index >= first and (index - first) % step == 0:
            for kind in KINDS:
                yield index, operation, kind, image_after_cut(image, operation, kind, index)
        apply(image, operation)


def left_before(bench, index):
    """Pulses by source that the motor had made before an operation."""
    sources = [source for operations, source in bench.left if operations <= index]
    return [sources.count(source) for source in SOURCES]


def counted(pump):
    """Pulses by source that a pump counts."""
    delivery = pump.delivery
    fast = delivery.bolus_pulses - delivery.extended_pulses
    return [delivery.basal_pulses, fast, delivery.extended_pulses, delivery.prime_pulses]


def check_pulses(pump, left, doubts=0):
    """D-924, D-925: what the pump counts is what left, but for the one pulse that it says is in doubt."""
    delivery = pump.delivery
    more = [count - by_motor for count, by_motor in zip(counted(pump), left, strict=True)]
    if delivery.pulses_in_doubt == doubts:
        assert more == [0, 0, 0, 0]
    else:
        assert delivery.pulses_in_doubt == doubts + 1
        assert more in ([0, 0, 0, 0], [source == delivery.doubt_source for source in SOURCES])
    total = sum(counted(pump))
    assert pump.reservoir.remaining_pulses == CAPACITY_MU // 50 - total
    assert (delivery.basal_mu, delivery.bolus_mu) == (50 * delivery.basal_pulses, 50 * delivery.bolus_pulses)


def check_records(bench, reference, told, commits):
    """D-926: what a client was told is there, whole and unchanged; only whole groups are there."""
    records = bench.records()
    assert bench.durable >= told
    assert bench.durable in commits
    for sequence in range(min(records, default=0), bench.durable):
        assert records[sequence] == reference[sequence]
    assert len(records) == bench.history.next_sequence


def check_restart(bench, reference):
    """D-922: reference time first; what ran has ended, each thing once, with what was delivered."""
    pump = bench.pump
    assert pump.therapy == events.STOP
    assert pump.bolus_count() == 0
    assert not pump.priming.active
    assert pump.operational == events.READY
    assert not pump.tbr.active
    assert bench.events[0][:2] == (events.REFERENCE_TIME, events.DATE_TIME_LOSS)
    codes = [reference[sequence][0] for sequence in range(bench.durable)] + [event[0] for event in bench.events]
    assert codes.count(events.BOLUS_STARTED) == codes.count(events.BOLUS_ENDED)
    assert codes.count(events.TBR_STARTED) == codes.count(events.TBR_ENDED)
    assert codes.count(events.PRIMING_STARTED) == codes.count(events.PRIMING_DONE)
    for _code, bolus_id, fast_mu, extended_mu, reason, _ in (e for e in bench.events if e[0] == events.BOLUS_ENDED):
        (bolus,) = (bolus for bolus in pump.boluses if bolus.bolus_id == bolus_id)
        complete = (fast_mu, extended_mu) == (bolus.fast_mu, bolus.extended_mu)
        assert reason == (events.COMPLETE if complete else events.ERROR_ABORT)
    raised = [event for event in bench.events if event[0] == events.ANNUNCIATION and event[2] == events.SYSTEM_ISSUE]
    assert bool(raised) == (pump.delivery.pulses_in_doubt > 0)


def check_low(bench, reference):
    """D-927: reservoir low was raised once, as soon as the reservoir was low."""
    codes = [reference[sequence][0:1] + reference[sequence][2:] for sequence in range(bench.durable)]
    low = sum(code == events.ANNUNCIATION and data[2:5] == b"\x66\x00\x33" for code, data in codes)
    low += sum(e[0] == events.ANNUNCIATION and e[2:4] == (events.RESERVOIR_LOW, events.PENDING) for e in bench.events)
    awake = sum(code == events.ANNUNCIATION and data[2:5] == b"\x66\x00\x3c" for code, data in codes)
    assert (low > 0) == (bench.pump.reservoir.remaining_pulses <= 400)
    assert low <= 1 + awake


def check_day(index, image):
    """Boot after a cut in an operation of the day and check everything."""
    bench, reference = the_day()
    after = boot(image)
    told = max((records for operations, records in bench.told if operations <= index), default=0)
    check_pulses(after.pump, left_before(bench, index))
    check_records(after, reference, told, bench.commits | {0})
    check_restart(after, reference)
    check_low(after, reference)
    return after


@pytest.mark.parametrize("step", [THINNED, pytest.param(1, marks=pytest.mark.slow)])
def test_after_a_cut_at_any_operation_the_pump_knows_what_it_delivered(step):
    """D-921 to D-927: for each operation of the day, each kind of cut."""
    bench, _ = the_day()
    doubts = tried = 0
    for index, _operation, _kind, image in cuts(bench.device.operations, step):
        after = check_day(index, image)
        doubts += after.pump.delivery.pulses_in_doubt
        tried += 1
    assert tried == 3 * len(range(0, len(bench.device.operations), step))
    assert doubts > 0


@pytest.mark.parametrize("step", [401, pytest.param(size(197, whole=97), marks=pytest.mark.slow)])
def test_a_cut_during_the_restart_changes_nothing(step):
    """D-921, D-926: the restart is cut at each of its own operations; the next one tells the same."""
    bench, reference = the_day()
    for index, _operation, _kind, image in cuts(bench.device.operations, step, first=100):
        once = check_day(index, image)
        before = bytearray(image)
        oldest = min(once.records(), default=0)
        told = max((records for operations, records in bench.told if operations <= index), default=0)
        for number, operation in enumerate(once.device.operations):
            for kind in KINDS:
                twice = boot(image_after_cut(before, operation, kind, number))
                again = twice.records()
                check_pulses(twice.pump, left_before(bench, index))
                assert min(again, default=0) == oldest
                assert twice.durable >= told
                assert twice.durable in (once.durable, once.history.next_sequence)
                assert twice.pump.delivery.pulses_in_doubt == once.pump.delivery.pulses_in_doubt
                assert all(again[n] == reference[n] for n in range(oldest, told))
            apply(before, operation)


@pytest.mark.parametrize("restarts", [30, pytest.param(size(200, whole=600), marks=pytest.mark.slow)])
def test_hundreds_of_cuts_in_one_life(restarts):
    """D-925, D-926, D-929: one flash; numbers go on, nothing seen is lost, all blocks wear alike."""
    image = Device().image
    seen: dict[int, tuple] = {}
    before = [0, 0, 0, 0]
    doubts = 0
    worn = [0] * 8
    for life in range(restarts):
        bench = JournalBench(Device(bytearray(image)), RESERVOIR_CAPACITY_MU=3000000).boot()
        pump = bench.pump
        delivery = pump.delivery
        assert delivery.pulses_in_doubt - doubts in (0, 1)
        now = counted(pump)
        assert all(count >= by_motor for count, by_motor in zip(now, before, strict=True))
        assert sum(now) - sum(before) <= delivery.pulses_in_doubt - doubts
        doubts = delivery.pulses_in_doubt
        records = bench.records()
        assert all(records[n] == seen[n] for n in seen if n in records)
        assert max(seen, default=-1) < bench.history.next_sequence
        seen = records
        day(bench, hours=1 + life % 3)
        operations = bench.device.operations
        cut_at = (life * 7919 + 13) % len(operations)
        cut_at = max(cut_at, bench.told[0][0])
        cut = bytearray(image)
        for operation in operations[:cut_at]:
            apply(cut, operation)
        if cut_at < len(operations):
            cut = image_after_cut(cut, operations[cut_at], KINDS[life % 3], life)
        told = max(records for count, records in bench.told if count <= cut_at)
        everything = bench.records()
        seen.update({n: everything[n] for n in everything if n < told})
        before = [count + more for count, more in zip(now, left_before(bench, cut_at), strict=True)]
        image = cut
        for at, octets in operations[:cut_at]:
            worn[at // BLOCK_BYTES] += octets is None
    for blocks in (worn[:4], worn[4:]):
        assert max(blocks) - min(blocks) <= 2 + sum(blocks) // 10


# --- Two boluses and a priming ----------------------------------------------------------------------------------


def side_by_side():
    """A multiwave with a delay, fast boluses beside it, a Pause, then Stop and a priming."""
    bench = JournalBench(RESERVOIR_CAPACITY_MU=CAPACITY_MU).boot()
    bench.write(1, 1, (1440, 3000))
    bench.do(1, "activate", [1], 0, 1)
    bench.do(1, "set_therapy_state", events.RUN)
    bench.bolus(10, 450, 700, 3, 1)
    bench.bolus(60, 300)
    bench.do(90, "set_therapy_state", events.PAUSE)
    bench.do(100, "set_therapy_state", events.RUN)
    bench.bolus(150, 100)
    bench.wake(270)
    bench.bolus(280, 0, 500, 4)
    bench.do(340, "set_therapy_state", events.STOP)
    bench.do(341, "start_priming", 400)
    bench.wake(360)
    return bench


# Seconds of earning at which the pulses of the multiwave fall: 9 of its fast part, 14 of the extended one.
MULTIWAVE = sorted([(2 * n, 0) for n in range(1, 10)] + [(-(-180 * n // 14), 1) for n in range(1, 15)])


@pytest.mark.parametrize("kind", KINDS)
def test_each_pulse_is_counted_to_its_bolus_whenever_the_power_goes(kind):
    """D-921 to D-925: both parts of a multiwave, the fast bolus beside it, the priming; every operation is cut."""
    bench = side_by_side()
    assert [source for _, source in bench.left].count(events.SOURCE_PRIME) == 8
    image = Device().image
    doubts = set()
    for index, operation in enumerate(bench.device.operations):
        cut = image_after_cut(image, operation, kind, index)
        apply(image, operation)
        after = boot(cut)
        check_pulses(after.pump, left_before(bench, index))
        check_restart(after, bench.records())
        doubts.add(after.pump.delivery.doubt_source)
        for event in after.events:
            if event[:2] == (events.BOLUS_ENDED, 1):
                count = counted(after.pump)[2]
                fast = sum(part == 0 for _, part in MULTIWAVE[:count])
                assert event[2:4] == (50 * fast, 50 * (count - fast))
            elif event[:2] == (events.BOLUS_ENDED, 4):
                assert event[2:4] == (0, 50 * (counted(after.pump)[2] - len(MULTIWAVE)))
            elif event[0] == events.PRIMING_DONE:
                primed = counted(after.pump)[3]
                reached = events.AMOUNT_REACHED if primed == 8 else events.ERROR_ABORT
                assert event[1:3] == (50 * primed, reached)
    assert doubts == ({events.NO_SOURCE, *SOURCES} if kind == "lost" else {events.NO_SOURCE})


def test_a_pulse_in_doubt_is_named_by_the_end_of_the_priming():
    """D-924, D-512: system issue."""
    bench = JournalBench(RESERVOIR_CAPACITY_MU=CAPACITY_MU).boot()
    bench.do(10, "start_priming", 200)
    bench.wake(13)
    bench.pump.advance(14)
    bench.store.intend()
    after = boot(bench.device.image)
    assert after.pump.delivery.doubt_source == events.SOURCE_PRIME
    assert after.pump.delivery.prime_pulses == 2
    done = next(event for event in after.events if event[0] == events.PRIMING_DONE)
    assert done == (events.PRIMING_DONE, 100, events.ERROR_ABORT, 1, 0, 0)


def test_prime_and_extended_pulses_that_were_told_of_and_never_left_are_taken_back():
    """D-925: as those of basal and fast bolus are."""
    bench = JournalBench(RESERVOIR_CAPACITY_MU=CAPACITY_MU).boot()
    bench.do(1, "start_priming", 1000)
    bench.wake(4)
    bench.pump.advance(5)
    bench.pump.set_max_bolus(5, 5000)
    bench.store.commit()
    assert bench.pump.delivery.prime_pulses == 2
    assert boot(bench.device.image).pump.delivery.prime_pulses == 1
    bench = JournalBench(RESERVOIR_CAPACITY_MU=CAPACITY_MU).boot()
    bench.do(1, "set_therapy_state", events.RUN)
    bench.bolus(10, 100, 100, 1)
    bench.wake(11)
    bench.pump.advance(12)
    bench.pump.set_max_bolus(12, 5000)
    bench.store.commit()
    after = boot(bench.device.image)
    assert counted(after.pump) == [0, 0, 0, 0]
    assert after.pump.reservoir.remaining_pulses == CAPACITY_MU // 50
    assert (events.BOLUS_ENDED, 1, 0, 0, events.ERROR_ABORT, 0) in after.events


# --- One pulse ----------------------------------------------------------------------------------------------------


def at_the_bolus_pulse(part):
    """(bench, index of the operation): intent or done of the second pulse of a bolus that begins at 10."""
    bench = JournalBench(RESERVOIR_CAPACITY_MU=CAPACITY_MU).boot()
    bench.do(1, "set_therapy_state", events.RUN)
    bench.tbr(9, 100, 60)
    bench.bolus(10, 200)
    bench.wake(20)
    operations, source = bench.left[1]
    assert source == BOLUS
    return bench, operations - 1 if part == "intent" else operations


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("part", ["intent", "done"])
def test_only_a_done_that_was_never_begun_leaves_a_pulse_in_doubt(part, kind):
    """D-923, D-924: it counts as delivered, and what names it says so: annunciation, bolus and TBR, source."""
    bench, index = at_the_bolus_pulse(part)
    image = Device().image
    for operation in bench.device.operations[:index]:
        apply(image, operation)
    after = boot(image_after_cut(image, bench.device.operations[index], kind, 1))
    delivery = after.pump.delivery
    in_doubt = part == "done" and kind == "lost"
    assert delivery.bolus_pulses == (1 if part == "intent" else 2)
    assert delivery.pulses_in_doubt == in_doubt
    assert delivery.doubt_source == (BOLUS if in_doubt else events.NO_SOURCE)
    told = {event[0]: event[1:] for event in after.events}
    assert (events.ANNUNCIATION in told) == in_doubt
    assert told[events.BOLUS_ENDED] == (1, 50 * delivery.bolus_pulses, 0, events.ERROR_ABORT, int(in_doubt))
    assert told[events.TBR_ENDED][:3] == (0, events.ERROR_ABORT, int(in_doubt))
    once_more = boot(after.device.image)
    assert once_more.pump.delivery.pulses_in_doubt == in_doubt
    assert (once_more.pump.annunciations.shown() >= 0) == in_doubt


def test_a_pulse_that_was_told_of_and_never_left_is_taken_back():
    """D-925: an answer in the second before the pulse counts it; the power goes before it leaves."""
    bench, _ = at_the_bolus_pulse("intent")
    bench.bolus(21, 200)
    bench.wake(22)
    bench.pump.advance(23)
    bench.pump.set_max_bolus(23, 5000)
    bench.store.commit()
    assert bench.pump.delivery.bolus_pulses == 5
    after = boot(bench.device.image)
    assert after.durable == bench.history.next_sequence
    assert after.pump.delivery.bolus_pulses == 4
    assert after.pump.reservoir.remaining_pulses == CAPACITY_MU // 50 - 4
    assert after.pump.daily.bolus_mu == 200
    assert [event[2] for event in after.events if event[0] == events.BOLUS_ENDED] == [0]
    assert after.pump.delivery.pulses_in_doubt == 0


@pytest.mark.parametrize("done", [False, True])
def test_a_block_that_is_turned_under_a_pulse_takes_its_doubt_along(done):
    """D-924: answers that fill the block while the motor turns."""
    bench, _ = at_the_bolus_pulse("intent")
    bench.bolus(21, 200)
    bench.pump.advance(23)
    bench.store.intend()
    serial = bench.store._ring.serial
    for number in range(200):
        bench.pump.set_max_bolus(23, 5000 + 50 * (number % 2))
        bench.store.commit()
    assert bench.store._ring.serial > serial
    if done:
        bench.store.done()
    after = boot(bench.device.image)
    assert after.pump.delivery.bolus_pulses == 5
    assert after.pump.delivery.pulses_in_doubt == (0 if done else 1)


def test_cuts_in_every_restart_never_write_over_what_is_good():
    """D-921: the first group of block after block is cut, more often than there are blocks."""
    bench, _ = at_the_bolus_pulse("intent")
    image = bench.device.image
    for life in range(12):
        after = boot(image)
        assert after.pump.delivery.bolus_pulses == 4
        first_group = [n for n, (at, octets) in enumerate(after.device.operations) if octets and at < 4 * BLOCK_BYTES]
        for operation in after.device.operations[: first_group[2 + life % 3]]:
            apply(image, operation)
    assert boot(image).pump.delivery.bolus_pulses == 4


def test_the_pulse_that_empties_the_reservoir_stops_the_pump_after_the_cut_too():
    """D-813, D-927: its consequences were not yet durable."""
    bench, _ = at_the_bolus_pulse("intent")
    bench.do(30, "inject", events.FAULT_RESERVOIR_LEVEL, 1)
    bench.tbr(31, 30000, 60, True)
    bench.wake(36)
    bench.pump.advance(37)
    bench._turn()
    assert bench.pump.reservoir.remaining_pulses == 0
    after = boot(bench.device.image)
    assert after.pump.reservoir.remaining_pulses == 0
    raised = [event[2] for event in after.events if event[0] == events.ANNUNCIATION]
    assert raised == [events.RESERVOIR_EMPTY]
