"""Goal: insulin on board of what the pump delivered is that of oref0's lib/iob/total.js: D-1012, D-1013.

Method: random pulses, boluses and deficits go to total.js as treatments, and to the firmware's code on CPython; insulin
left and activity at 48 points, with and without a zero temp from now on, are equal to the last digit shown.
"""

from datetime import UTC, datetime
from itertools import pairwise
from random import Random

import pytest

from oref0.cases import NOW_MS
from pump.control.oref.inputs import POINTS, Iob
from pump.control.oref.iob import BILINEAR, EXPONENTIAL, Curve, Insulin
from pump.doses import Doses

ROOM = 2000
HOUR_S = 3600


def curve_of(r):
    """A curve, and the profile that gives oref0 the same."""
    dia_hours = r.choice([2, 3, 4, 5, 5.5, 6, 7, 8, 10])
    if r.random() < 0.3:
        return Curve(BILINEAR, dia_hours * 60), {"dia": dia_hours, "curve": "bilinear"}
    name, peak = r.choice([("rapid-acting", 75), ("ultra-rapid", 55)])
    profile = {"dia": dia_hours, "curve": name}
    if r.random() < 0.5:
        peak = r.choice([50, 60, 90, 100])
        profile |= {"useCustomPeakTime": True, "insulinPeakTime": peak}
    return Curve(EXPONENTIAL, dia_hours * 60, peak), profile


def doses_of(r, now, pulse):
    """What was delivered and what was scheduled, up to now, and what a zero temp leaves out after it."""
    doses, scheduled = Doses(ROOM, pulse), Doses(ROOM, pulse)
    count = r.choice([0, 3, 50, 400])
    for s in sorted(r.randrange(now - 11 * HOUR_S, now + 1) for _ in range(count)):
        doses.add(s, r.choice([1, -1, 5, 100] if r.random() < 0.1 else [1, -1]))
    s = now
    while s < now + 4 * HOUR_S:
        s += r.choice([1, 90, 300, 600])
        scheduled.add(s, -1)
    return doses, scheduled


def rows_of(doses):
    """Seconds and doses of all entries, oldest first."""
    places = [(doses.first + n) % doses.room for n in range(doses.count)]
    return [(doses.second_at(place), doses.doses_at(place)) for place in places]


def treatments(doses):
    return [{"date": NOW_MS + 1000 * s, "insulin": count * doses.dose_mu / 1000} for s, count in rows_of(doses)]


def compare(reference, seeds):
    differences = []
    for seed in seeds:
        r = Random(seed)
        curve, profile = curve_of(r)
        now = 12 * HOUR_S + r.randrange(60)
        doses, scheduled = doses_of(r, now, r.choice([10, 25, 50]))
        times = [NOW_MS + 1000 * (now + 300 * i) for i in range(POINTS)]
        delivered, left_out = treatments(doses), treatments(scheduled)
        there = reference.ask("total", treatments=delivered, profile=profile, times=times)
        zero = reference.ask("total", treatments=delivered + left_out, profile=profile, times=times)
        iob, insulin = Iob(), Insulin(curve, ROOM)
        insulin.fill(doses, scheduled, now, iob)
        here = [insulin.left(doses, now + 300 * i) for i in range(POINTS)]
        same = here == [one["iob"] for one in there]
        same = same and list(iob.activities) == [one["activity"] for one in there]
        same = same and list(iob.zero_temp_activities) == [one["activity"] for one in zero]
        if not (same and iob.iob == here[0] and iob.activity == iob.activities[0] and iob.count == POINTS):
            differences.append(seed)
    print(f"{len(seeds)} histories of 48 points, {len(differences)} differences")
    assert not differences


def test_insulin_on_board_is_that_of_oref0(reference):
    compare(reference, range(60))


@pytest.mark.slow
def test_insulin_on_board_is_that_of_oref0_in_two_thousand_histories(reference):
    compare(reference, range(1000, 3000))


def test_basal_as_scheduled_counts_nothing():
    doses = Doses(4)
    for s in (180, 360, 540):
        doses.add(s, 50)
        doses.add(s, -50)
    assert Insulin(Curve(EXPONENTIAL, 300, 75), 4).left(doses, 600) == 0


def test_what_no_longer_works_is_forgotten_and_changes_nothing():
    curve = Curve(EXPONENTIAL, 300, 75)
    doses, insulin = Doses(8), Insulin(curve, 8)
    for s in (0, 9000, 18000, 18060):
        doses.add(s, 50)
    before = insulin.left(doses, 18100)
    doses.forget(18100 - 60 * curve.minutes - 60)
    assert (insulin.left(doses, 18100), doses.count) == (before, 3)


def test_a_full_history_counts_the_oldest_doses_as_one_and_younger():
    doses = Doses(3)
    for s in (0, 60, 120, 180):
        doses.add(s, 50)
    assert rows_of(doses) == [(60, 100), (120, 50), (180, 50)]


# --- against oref0's own reading of a pump's history ---

BASAL_MU_PER_H = 1000
PULSE_MU = 50
TEMP_HOURS = 8


def at(s):
    return datetime.fromtimestamp(NOW_MS / 1000 + s, UTC).isoformat()


def temps_of(r, now):
    """TBRs of the last hours as (second, rate, minutes), one after the other, with pauses."""
    s, temps = now - TEMP_HOURS * HOUR_S, []
    while s < now - 1800:
        minutes = r.choice([30, 30, 60, 90, 120])
        temps.append((s, r.choice([0, 0, 300, 650, 1500, 2750, 4000]), minutes))
        s += 60 * r.choice([minutes, minutes, r.randrange(5, minutes), minutes + r.randrange(5, 60)])
    return temps


def delivered_of(temps, now):
    """The pulses that TBRs and basal earn second after second, and those that the basal alone had earned."""
    doses, delivered, scheduled = Doses(ROOM, PULSE_MU), 0, 0
    for s in range(now - TEMP_HOURS * HOUR_S + 1, now + 1):
        running = [rate for start, rate, minutes in temps[-1:] if start < s <= start + 60 * minutes]
        for (start, rate, minutes), (following, _, _) in pairwise(temps):
            if start < s <= min(start + 60 * minutes, following):
                running = [rate]
        delivered += running[0] if running else BASAL_MU_PER_H
        scheduled += BASAL_MU_PER_H
        if delivered >= PULSE_MU * HOUR_S:
            delivered -= PULSE_MU * HOUR_S
            doses.add(s, 1)
        if scheduled >= PULSE_MU * HOUR_S:
            scheduled -= PULSE_MU * HOUR_S
            doses.add(s, -1)
    return doses


def history_of(temps):
    history = []
    for s, rate, minutes in temps:
        history.append({"_type": "TempBasalDuration", "duration (min)": minutes, "timestamp": at(s)})
        history.append({"_type": "TempBasal", "temp": "absolute", "rate": rate / 1000, "timestamp": at(s)})
    return history[::-1]


def test_insulin_on_board_is_near_what_oref0_makes_of_the_same_temps(reference):
    """Whole pulses against oref0's small boluses of 0.05 U: at most that much apart for each piece of 30 min."""
    curve, worst, worst_a_piece = Curve(EXPONENTIAL, 300, 75), 0.0, 0.0
    profile = {
        "dia": 5, "curve": "rapid-acting", "current_basal": 1, "max_daily_basal": 1,
        "basalprofile": [{"i": 0, "start": "00:00:00", "minutes": 0, "rate": 1}],
    }  # fmt: skip
    for seed in range(20):
        now = 12 * HOUR_S
        temps = temps_of(Random(seed), now)
        there = reference.ask("iob", history=history_of(temps), profile=profile, clock=at(now))
        insulin = Insulin(curve, ROOM)
        here = insulin.left(delivered_of(temps, now), now)
        pieces = sum(-(-minutes // 30) for s, _, minutes in temps if s + 60 * minutes > now - 5 * HOUR_S)
        apart = abs(here - there[0]["iob"])
        worst, worst_a_piece = max(worst, apart), max(worst_a_piece, apart / pieces)
    print(f"20 histories: at most {worst:.3f} U apart, {worst_a_piece:.4f} U a piece")
    assert worst_a_piece <= 0.05
