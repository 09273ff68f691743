"""Bits of the history's flash flip, and records are deleted from it: nothing else is lost, and nothing in silence.

D-911, D-926; IDS 1.0.2, 3.10, data corruption. Method: a pump on a flash in memory whose store has wrapped around, with
slots that power cuts have spoilt; every slot gets a flipped bit in turn, or many by chance; a delete is cut in each of
its operations, and so is the start after it.
"""

import random
from functools import cache

import pytest

from campaign import size
from firmware.journal_bench import (
    BLOCK_BYTES,
    HISTORY_BLOCKS,
    KINDS,
    STATE_BLOCKS,
    Device,
    JournalBench,
    apply,
    program,
)
from firmware.journal_bench import image_after_cut as after_cut
from journal.history import ANY, DATA_CORRUPTION, OTHERS, REFERENCES
from pump import events

SLOT = 32
HISTORY_AT = STATE_BLOCKS * BLOCK_BYTES
SLOTS = HISTORY_BLOCKS * BLOCK_BYTES // SLOT
EVERY = 10


def record(bench, count):
    """So many more records, each tenth a reference time; the others say their number."""
    history = bench.history
    for _ in range(count):
        number = history.next_sequence
        event = events.REFERENCE_TIME if number % EVERY == 0 else events.MAX_BOLUS
        history.append(event, number, number.to_bytes(4, "little"), 4)
        bench.store.commit()
        bench.store.tend()


def boot(image):
    """A pump that finds this flash."""
    return JournalBench(Device(bytearray(image))).boot()


@cache
def wrapped():
    """A flash whose store has wrapped around, with torn and untold records here and there."""
    bench = JournalBench().boot()
    for life in range(6):
        record(bench, 130)
        image = bytearray(bench.device.image)
        ring = bench.history._ring
        at = ring._address(ring.block, ring.slot) if ring.free() else 0
        if at and life % 2:
            program(image, at, random.Random(life).randbytes(SLOT))
        elif ring.free() > 2:
            bench.history.append(events.MAX_BOLUS, 0, b"gone", 4)
            bench.history.append(events.MAX_BOLUS, 0, b"gone", 4)
            image = bytearray(bench.device.image)
        bench = boot(image)
    assert bench.history.oldest > 0
    return bytes(bench.device.image), stored(bench.history), bench.history.next_sequence


def stored(history):
    """Sequence number -> (event, data) of what is stored; `DATA_CORRUPTION` stands under the number it is for."""
    found = {}
    for number in range(history.oldest, history.next_sequence):
        if history.load(number):
            assert history.sequence == (-1 if history.event == DATA_CORRUPTION else number)
            found[number] = history.event, bytes(history.data[: history.length])
    return found


def flip(image, slot, bit):
    """One bit of a slot of the history."""
    image[HISTORY_AT + slot * SLOT + bit // 8] ^= 1 << bit % 8


def check(history, truth, rotten_max):
    """All numbers are there but for a block that was written over; at most so many of them cannot be read."""
    found = stored(history)
    truth = {number: told for number, told in truth.items() if number >= history.oldest}
    assert len(truth) > (HISTORY_BLOCKS - 2) * (BLOCK_BYTES // SLOT - 1) - 30
    rotten = [number for number in truth if found[number][0] == DATA_CORRUPTION]
    assert all(found[number] == truth[number] for number in truth if number not in rotten)
    assert len(rotten) <= rotten_max
    return rotten


# --- Rot ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [8, pytest.param(3, marks=pytest.mark.slow)])
def test_a_flipped_bit_in_any_slot_costs_at_most_its_record(step):
    """D-926: seen while the pump runs, after a start, and after a life that goes on; also in the head of a block."""
    image, truth, following = wrapped()
    chance = random.Random(1)
    rotten = 0
    for slot in range(0, SLOTS, step):
        bench = boot(image)
        bit = chance.randrange(8 * SLOT)
        flip(bench.device.image, slot, bit)
        check(bench.history, truth, 1)
        rotted = bytearray(image)
        flip(rotted, slot, bit)
        after = boot(rotted)
        assert after.history.next_sequence == following + 1
        rotten += len(check(after.history, truth, 1))
        record(after, 3)
        later = boot(after.device.image)
        assert later.history.next_sequence == following + 5
        check(later.history, truth, 1)
    assert 0.7 * SLOTS / step < rotten <= SLOTS / step


@pytest.mark.parametrize("seed", range(10))
def test_many_flipped_bits_cost_no_more_than_their_records(seed):
    """D-926: at any place of the history, block heads included."""
    image, truth, following = wrapped()
    chance = random.Random(seed)
    rotted = bytearray(image)
    flips = chance.choice((5, 20, 60))
    for slot in chance.sample(range(SLOTS), flips):
        flip(rotted, slot, chance.randrange(8 * SLOT))
    after = boot(rotted)
    assert after.history.next_sequence == following + 1
    check(after.history, truth, flips)
    assert JournalBench(Device(rotted)).boot().pump.reservoir.remaining_pulses == 6000


def test_a_rotten_record_can_be_deleted():
    """D-911: its place says which one it was."""
    image, truth, following = wrapped()
    rotted = bytearray(image)
    for slot in range(40, SLOTS, 97):
        flip(rotted, slot, 100)
    bench = boot(rotted)
    rotten = check(bench.history, truth, SLOTS)
    assert len(rotten) >= 3
    for number in rotten:
        delete(bench, number, number, OTHERS)
    assert not set(rotten) & set(stored(bench.history))
    after = boot(bench.device.image)
    assert set(stored(after.history)) == (set(truth) | {following, following + 1}) - set(rotten)


# --- Deleting -----------------------------------------------------------------------------------------------------


def delete(bench, first, last, which):
    """A delete until it can be answered."""
    bench.history.delete(first, last, which)
    bench.store.commit()
    finish(bench)


def finish(bench):
    """While the motor rests."""
    while bench.history.deleting():
        bench.store.tend()
    bench.store.commit()


def kept_of(truth, first, last, which):
    """What a delete leaves."""
    meant = {ANY: (True, False), REFERENCES: (True,), OTHERS: (False,)}[which]
    return {
        number: told
        for number, told in truth.items()
        if not (first <= number <= last and (told[0] == events.REFERENCE_TIME) in meant)
    }


def deletes():
    """(first, last, which) around the middle of what is stored: a floor, a range, filters."""
    _, truth, _ = wrapped()
    middle = min(truth) + len(truth) // 2
    return [(0, middle, ANY), (middle, middle + 30, ANY), (middle - 20, middle + 20, REFERENCES), (0, middle, OTHERS)]


@pytest.mark.parametrize("number", range(4))
@pytest.mark.parametrize("step", [23, pytest.param(size(11, whole=3), marks=pytest.mark.slow)])
def test_a_cut_in_a_delete_leaves_all_of_it_or_none(number, step):
    """D-911: in each of its operations, and in each of the start that goes on with it; answered, it stays."""
    image, truth, following = wrapped()
    selection = deletes()[number]
    kept = kept_of(truth, *selection)
    bench = boot(image)
    begun = len(bench.device.operations)
    delete(bench, *selection)
    assert {n: told for n, told in stored(bench.history).items() if n < following} == kept
    rotted = bytearray(image)
    for index, operation in enumerate(bench.device.operations):
        if index >= begun and (index - begun) % step == 0:
            for kind in KINDS:
                check_cut(after_cut(rotted, operation, kind, index), truth, kept, following, index % 3)
        apply(rotted, operation)
    assert {n: told for n, told in stored(boot(rotted).history).items() if n < following} == kept


def check_cut(image, truth, kept, following, nth):
    """A start after a cut goes on with the delete, or knows nothing of it; so does one that is cut in that start."""
    after = boot(image)
    finish(after)
    found = {n: told for n, told in stored(after.history).items() if n < following}
    assert found in (kept, truth)
    before = bytearray(image)
    for index, operation in enumerate(after.device.operations[:60]):
        if index % 7 == nth:
            twice = boot(after_cut(before, operation, KINDS[nth], index))
            finish(twice)
            assert {n: told for n, told in stored(twice.history).items() if n < following} == found
        apply(before, operation)


@pytest.mark.parametrize(("number", "operations_max"), [(0, 2), (1, 31 + 4)])
def test_what_a_delete_costs(number, operations_max):
    """D-911: from the oldest on two operations, whatever it deletes; else one for each record."""
    bench = boot(wrapped()[0])
    before = len(bench.device.operations)
    delete(bench, *deletes()[number])
    assert len(bench.device.operations) - before <= operations_max


def test_what_is_deleted_stays_so_while_the_store_goes_round():
    """D-911: floors and holes are overtaken by what is written, and numbers go on."""
    image, _, _ = wrapped()
    bench = boot(image)
    for life in range(12):
        first = bench.history.oldest
        newest = bench.history.next_sequence - 1
        delete(bench, newest - 60, newest - 30, (ANY, OTHERS, REFERENCES)[life % 3])
        if life % 4 == 3:
            delete(bench, first, first + 40, ANY)
        truth = stored(bench.history)
        record(bench, 90)
        after = boot(bench.device.image)
        oldest = after.history.oldest
        expected = {n: told for n, told in stored(bench.history).items() if n >= oldest}
        assert {n: told for n, told in stored(after.history).items() if n <= newest + 90} == expected
        assert {n for n in truth if n >= oldest} == {n for n in expected if n <= newest}
        bench = after
