"""Goal: controller oref decides as oref0 0.7.1: D-1001 to D-1003, D-1014 to D-1053.

Method: random inputs made for the corners of the rules (cases.py) go to the npm package in Node and, through the same
code as `pumprig decide`, to the firmware on MicroPython. Every key of the answers is equal but the text of the reason.
"""

import pytest

from oref0.reference import rules_without_difference
from pumprig.decide.oref import OrefDecider

QUICK = range(500)
SLOW = range(1_000_000, 1_020_000)
PARTS = 4
EXACT = range(2_000_000, 2_004_000)
RULES = {
    "D-1014", "D-1025", "D-1026", "D-1041", "D-1042", "D-1043", "D-1044", "D-1045", "D-1046", "D-1049", "D-1050",
}  # fmt: skip


def compare(reference, seeds, exact=False):
    with OrefDecider(exact=exact) as decider:

        def decide(asked):
            here = decider.decide_on(asked)
            return here.pop("reason").partition(":")[0], here

        return rules_without_difference(reference, seeds, decide, exact)


def test_decides_as_oref0(reference):
    assert compare(reference, QUICK) == RULES


def test_decides_as_oref0_without_the_pumps_steps(reference):
    compare(reference, EXACT[:100], exact=True)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_decides_as_oref0_on_twenty_thousand_inputs(reference, part):
    compare(reference, SLOW[part::PARTS])


@pytest.mark.slow
def test_decides_as_oref0_without_the_pumps_steps_on_four_thousand_inputs(reference):
    compare(reference, EXACT, exact=True)
