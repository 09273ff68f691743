"""The history ring: records come back as they were written, numbered without a gap, the newest of them.

Method: records appended to a small ring and read through scan and load, around its wrap (D-905, D-906).
"""

from pump import events
from pump.history import History

LOW = 0x0330


def stored(history, from_sequence=0):
    """All records from a sequence number on: (sequence, event, offset, data)."""
    records = []
    sequence = history.scan(from_sequence)
    while history.load(sequence):
        records.append((history.sequence, history.event, history.offset_s, bytes(history.data[: history.length])))
        sequence += 1
    return records


def test_a_record_comes_back_as_it_was_written():
    """D-905: event, number, seconds since the reference time, data of 0 to 10 octets."""
    history = History(10)
    assert history.append(events.REFERENCE_TIME, 0, b"0123456789", 10) == 0
    assert history.append(0xF00F, 300, b"ab..", 2) == 1
    assert history.append(LOW, 3599, b"", 0) == 2
    assert stored(history) == [
        (0, events.REFERENCE_TIME, 0, b"0123456789"),
        (1, 0xF00F, 300, b"ab"),
        (2, LOW, 3599, b""),
    ]


def test_offsets_count_from_the_last_reference_time():
    """D-906: the reference's own offset counts from the one before."""
    history = History(10)
    for event, s in ((events.REFERENCE_TIME, 0), (LOW, 30), (events.REFERENCE_TIME, 3600), (LOW, 3610)):
        history.append(event, s, b"", 0)
    assert [record[2] for record in stored(history)] == [0, 30, 3600, 10]


def test_a_full_ring_overwrites_its_oldest():
    """D-905: numbers go on, and what is gone is not found."""
    history = History(4)
    for n in range(11):
        history.append(LOW, n, bytes([n]), 1)
    assert history.count() == 4
    assert [(record[0], record[3][0]) for record in stored(history)] == [(7, 7), (8, 8), (9, 9), (10, 10)]
    assert not history.load(6)
    assert not history.load(11)
    assert not history.load(-1)


def test_scan_finds_where_to_begin():
    """D-905: the oldest stored one from there on, or the next number when there is none yet."""
    history = History(4)
    assert (history.scan(0), history.scan(5)) == (0, 0)
    for n in range(6):
        history.append(LOW, n, b"", 0)
    assert [history.scan(n) for n in (0, 2, 3, 5, 6, 100)] == [2, 2, 3, 5, 6, 6]


def test_a_shorter_record_leaves_nothing_of_the_longer_one():
    """D-905: the slot is written again."""
    history = History(1)
    history.append(LOW, 0, b"0123456789", 10)
    history.append(LOW, 1, b"x", 1)
    assert stored(history) == [(1, LOW, 1, b"x")]
