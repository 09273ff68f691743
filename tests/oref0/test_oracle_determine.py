"""Goal: the oracle's reading of section 14 decides as oref0 0.7.1: D-1001 to D-1003, D-1014 to D-1053.

Method: the random inputs of cases.py go to the npm package in Node and to the oracle; every key of the answers is equal
but the text of the reason. Without the package the oracle still decides on all of them, and its conditions are counted
(test_oracle_coverage.py).
"""

import pytest

from oref0.oracle_reading import decision_of, said_of
from oref0.reference import rules_without_difference

QUICK = range(3_000_000, 3_000_400)
SLOW = range(1_000_000, 1_020_000)
PARTS = 2
EXACT = range(2_000_000, 2_004_000)
RULES = {1014, 1025, 1026, 1041, 1042, 1043, 1044, 1045, 1046, 1049, 1050}


def compare(reference, seeds, exact=False):
    def decide(asked):
        decision = decision_of(asked, exact=exact)
        return decision.rule, said_of(asked, decision)

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
