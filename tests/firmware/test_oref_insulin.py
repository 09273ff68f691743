"""Goal: insulin at work is the same whether a look builds on the look before or begins anew (D-1013).

Method: doses as a pump gives them over random hours; one Insulin looks again and again, at whole points after the look
before and at other seconds, and each time another one looks for the first time.
"""

from random import Random

import pytest

from pump.control.oref.inputs import Iob
from pump.control.oref.iob import BILINEAR, EXPONENTIAL, Curve, Insulin
from pump.doses import Doses

PULSE_MU = 50


def entries(doses):
    """What a store holds, oldest first: (second, doses)."""
    places = [(doses.first + n) % doses.room for n in range(doses.count)]
    return [(doses.second_at(place), doses.doses_at(place)) for place in places]


def seen(insulin, doses, to_come, s):
    """IOB and all points at a second."""
    iob = Iob()
    insulin.fill(doses, to_come, s, iob)
    return iob.iob, list(iob.activities), list(iob.zero_temp_activities)


@pytest.mark.parametrize("kind", [EXPONENTIAL, BILINEAR])
@pytest.mark.parametrize("room", [1024, 90], ids=["room for all", "oldest joined"])
@pytest.mark.parametrize("seed", range(3))
def test_a_look_that_builds_on_the_one_before_sees_the_same(kind, room, seed):
    """D-1013, D-1103."""
    r = Random(seed)
    curve = Curve(kind, 300)
    doses, to_come = Doses(room, PULSE_MU), Doses(4, PULSE_MU)
    doses.old_s = 60 * (curve.minutes + 1)
    insulin, s, given_s = Insulin(curve, room), 0, 0
    for after_s in r.choices([300, 300, 300, 600, 299, 301, 60, 15000], k=60):
        s += after_s
        while given_s < s:
            given_s += r.choice([1, 2, 30, 120, 300])
            if given_s <= s:
                doses.add(given_s, r.choice([-1, 1, 1, 3]))
        doses.forget(s - doses.old_s)
        to_come.clear()
        for ahead_s in (1, 299, 300, 7200):
            to_come.add(s + ahead_s, -1)
        assert seen(insulin, doses, to_come, s) == seen(Insulin(curve, room), doses, to_come, s)


def test_doses_that_were_dropped_work_no_more():
    """D-1103."""
    doses, to_come = Doses(16, PULSE_MU), Doses(4, PULSE_MU)
    insulin = Insulin(Curve(EXPONENTIAL, 300), 16)
    doses.add(0, 20)
    assert seen(insulin, doses, to_come, 600)[0] > 0
    doses.clear()
    assert seen(insulin, doses, to_come, 900) == (0, [0] * 48, [0] * 48)


def test_another_curve_is_that_of_the_next_look():
    """D-1012."""
    doses, to_come = Doses(16, PULSE_MU), Doses(4, PULSE_MU)
    insulin = Insulin(Curve(EXPONENTIAL, 480, 100), 16)
    doses.add(0, 20)
    seen(insulin, doses, to_come, 600)
    for kind, dia_minutes, peak_minutes in ((BILINEAR, 180, 75), (EXPONENTIAL, 300, 75)):
        insulin.follow(kind, dia_minutes, peak_minutes)
        fresh = Insulin(Curve(kind, dia_minutes, peak_minutes), 16)
        assert seen(insulin, doses, to_come, 900) == seen(fresh, doses, to_come, 900)


@pytest.mark.parametrize(("old_s", "oldest"), [(181, 2), (180, 1)])
def test_a_full_store_joins_the_oldest_while_it_works(old_s, oldest):
    """D-1103: an entry works until it is old_s old; also after the store has begun again at its beginning."""
    doses = Doses(3)
    doses.old_s = old_s
    for s in (9000, 9060, 9120, 9180):
        doses.add(s, 1)
    assert entries(doses) == [(9060, oldest), (9120, 1), (9180, 1)]
    for s in (9240, 9300, 9360):
        doses.add(s, 1)
    assert doses.count == 3


@pytest.mark.parametrize(("gap_s", "kept"), [(65535, True), (65536, False), (65537, False), (1 << 20, False)])
@pytest.mark.parametrize("start_s", [0, 65535, 65536, (1 << 29) - 1])
def test_the_longest_gap_keeps_its_second(start_s, gap_s, kept):
    """D-1103: a dose that is too old for its second to be known works no more, and is forgotten."""
    doses = Doses(4)
    doses.add(start_s, 1)
    doses.add(start_s + gap_s, -1)
    newest = (start_s + gap_s, -1)
    assert entries(doses) == ([(start_s, 1), newest] if kept else [newest])


def test_more_doses_of_a_second_than_an_octet_says_are_all_there():
    """D-1103."""
    for sign, most in ((1, 127), (-1, 128)):
        doses = Doses(4)
        for _ in range(most):
            doses.add(70000, sign)
        assert entries(doses) == [(70000, sign * most)]
        doses.add(70000, sign)
        doses.add(70001, sign)
        assert entries(doses) == [(70000, sign * most), (70000, sign), (70001, sign)]


def test_what_the_oldest_took_over_goes_with_it():
    """D-1103: a store of three joins five hundred doses, works with them, and forgets them when they work no more."""
    doses, whole = Doses(3, PULSE_MU), Doses(600, PULSE_MU)
    doses.old_s = 1000
    for s in range(2, 502):
        doses.add(s, 1)
    assert entries(doses) == [(499, 498), (500, 1), (501, 1)]
    for s, count in [(499, 127)] * 3 + [(499, 117), (500, 1), (501, 1)]:
        whole.add(s, count)
    to_come, curve = Doses(4, PULSE_MU), Curve(EXPONENTIAL, 300)
    assert seen(Insulin(curve, 3), doses, to_come, 900) == seen(Insulin(curve, 600), whole, to_come, 900)
    doses.add(1499, 1)
    assert entries(doses) == [(500, 1), (501, 1), (1499, 1)]
    doses.clear()
    doses.add(2000, -1)
    assert entries(doses) == [(2000, -1)]


@pytest.mark.parametrize("seed", range(5))
def test_a_store_holds_what_a_list_would(seed):
    """D-1103: random doses, gaps, and a store too small for them, beside a plain list of the same rules."""
    r = Random(seed)
    doses, wanted, s = Doses(12), [], r.randrange(1 << 20)
    doses.old_s = 3000
    for _ in range(3000):
        s += r.choice([0, 0, 1, 7, 300, r.choice([2999, 3000, 3001, 65535, 65536])])
        count = r.choice([-1, -1, 1, 1, 2])
        wanted = [entry for entry in wanted if s - entry[0] <= 65535]
        if wanted and wanted[-1][0] == s:
            wanted[-1] = (s, wanted[-1][1] + count)
        else:
            if len(wanted) == 12:
                (old_s, old), (next_s, following) = wanted[:2]
                wanted[:2] = [(next_s, following + (old if s - old_s < 3000 else 0))]
            wanted.append((s, count))
        doses.add(s, count)
        assert entries(doses) == wanted
