"""Goal: on a board, whose floats are single, oref decides as with doubles but for a small, known share (D-1111).

Method: the controller on CPython with the result of each operation rounded to single precision (controller.py) meets
the random inputs beside the one with doubles. Both may round a half to different sides, which the lines show at
once and a TBR or a small bolus seldom: those are counted, and their share is bounded.
"""

from dataclasses import replace

import pytest

from oref0.cases import case
from oref0.controller import Controller, Single
from oref0.oracle_reading import inputs_of
from pumprig.oracle.oref import WantedTbr, decide, decide_beside

# What is left of a number after single precision; steps of rates and boluses are coarser.
TOLERANCE = 0.0005
SHARE_MOST = 0.005
WHAT = ("rule", "acts", "rate", "minutes", "smb")


def compare(seeds):
    doubles = Controller()
    with Single().rounding():
        singles = Controller(single=True)
    assert (doubles.oref.forecast.iob.points.typecode, singles.oref.forecast.iob.points.typecode) == ("d", "f")
    differ, most = 0, 0.0
    for seed in seeds:
        asked = case(seed)
        there, here = doubles.decide(asked), singles.decide(asked)
        apart = [abs(getattr(here, name) - getattr(there, name)) for name in WHAT]
        if any(one > TOLERANCE for one in apart):
            differ += 1
            most = max(most, apart[WHAT.index("rate")])
            assert allowed(asked, here), f"seed {seed}"
    print(f"{len(seeds)} inputs, {differ} decisions differ in single precision; rates by up to {most:.3f} U/h")
    assert differ <= SHARE_MOST * len(seeds)


def allowed(asked, here):
    """Whether the oracle takes over what single precision has decided."""
    tbr = WantedTbr(round(float(here.rate), 3), float(here.minutes)) if here.acts else None
    decision = decide_beside(inputs_of(asked), here.rule, tbr, round(float(here.smb), 3))
    return (decision.rule, decision.tbr, decision.small_bolus) == (here.rule, tbr, round(float(here.smb), 3))


@pytest.mark.parametrize("seeds", [range(75), pytest.param(range(75, 300), marks=pytest.mark.slow)], ids=str)
def test_hardly_a_step_is_taken_over_that_nobody_decided(seeds):
    """D-1111: one step of the rate, one increment of the bolus, or half an hour."""
    taken, asked = 0, 0
    for seed in seeds:
        inputs = inputs_of(case(seed))
        right = decide(inputs)
        tbr = right.tbr or WantedTbr(1.0, 30)
        for other in (
            (replace(tbr, rate=tbr.rate + 0.05), right.small_bolus),
            (replace(tbr, minutes=tbr.minutes + 30), right.small_bolus),
            (right.tbr, right.small_bolus + inputs.settings.bolus_increment),
        ):
            found = decide_beside(inputs, right.rule, *other)
            asked += 1
            taken += (found.tbr, found.small_bolus) == other
    assert taken <= asked // 50, f"{taken} of {asked}"


@pytest.mark.parametrize(("rate", "taken"), [(0.08, False), (0.09, True), (0.1, True), (0.105, False), (0.11, False)])
def test_a_half_may_be_rounded_to_either_side(rate, taken):
    """D-1111: 0.95 U/h x 3 min / 30 is 0.095 (D-1049)."""
    inputs = inputs_of(case(442))
    right = decide(inputs)
    assert (right.rule, right.tbr, right.small_bolus) == (1049, WantedTbr(0.09, 30), 0)
    found = decide_beside(inputs, 1049, WantedTbr(rate, 30), 0.0)
    assert (found.tbr.rate == rate) is taken


def test_single_precision_changes_few_decisions():
    compare(range(800))


@pytest.mark.slow
def test_single_precision_changes_few_of_ten_thousand_decisions():
    compare(range(1_000_000, 1_010_000))
