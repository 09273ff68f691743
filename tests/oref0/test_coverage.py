"""Goal: the random inputs of test_determine_basal.py reach every condition of controller oref, both ways.

Method: the controller runs on CPython with each operand of its conditions noted (controller.py); what is not reached is
listed with its reason in not_reached.toml, and nothing else.
"""

import tomllib
from pathlib import Path

from oref0.cases import case
from oref0.controller import FOLDER, Conditions, Controller

CASES = 1500
LISTED = tomllib.loads((Path(__file__).parent / "not_reached.toml").read_text(encoding="utf-8"))
# Their inputs are readings and doses (test_glucose_status.py, test_insulin.py, test_meal.py), or they decide nothing.
APART = {"ages.py", "ages_native.py", "buckets.py", "decision.py", "glucose.py", "iob.py", "meal.py"}


def test_every_condition_is_reached_both_ways_but_those_listed():
    conditions = Conditions()
    with conditions.watching():
        controller = Controller()
        for seed in range(CASES):
            flat = ("detect", "detect", "detect", "told", "ignore")[seed % 5]
            told = {"flatBGsDetected": seed % 2 == 0}
            controller.decide(case(seed) | told, exact=seed % 4 == 0, flat_cgm=flat)
    files = {path.name for path in FOLDER.glob("*.py")} - APART - {"__init__.py"}
    assert {file for file, _, _ in conditions.known} == files
    listed = {(file, one["function"], one["condition"], one["value"]) for file, ones in LISTED.items() for one in ones}
    print(f"{2 * len(conditions.known)} outcomes of conditions, {len(conditions.missing())} not reached")
    assert conditions.missing() == listed
