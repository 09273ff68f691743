"""Goal: firmware and oracle agree on scenarios that nobody has thought of.

Method: seeded scenarios of chance (`random_scenarios`) of three to six pump hours, each with its trace, legal and
refused commands, and faults, from `LOOPED_FROM` on with controller oref, carbs and guardrails; every one must end PASS,
which means that each pulse, decision, answer and history record was the one that the rules give. A seed that does not:
`PYTHONPATH=tests python -m hil.random_scenarios SEED SEED+1`.
"""

import pytest

from campaign import share
from hil.random_scenarios import LOOPED_FROM, Maker, run_seed
from pumprig.verdict import Verdict


@pytest.mark.parametrize("seed", [*range(25), *range(LOOPED_FROM, LOOPED_FROM + 10)])
def test_a_scenario_of_chance_passes(seed, tmp_path):
    run = run_seed(seed, tmp_path)
    assert run.verdict is Verdict.PASS, run.explain()


MORE = [*range(100, 400, 25), *range(LOOPED_FROM + 100, LOOPED_FROM + 200, 25)]


@pytest.mark.slow
@pytest.mark.parametrize("first", share(MORE, every=3))
def test_more_scenarios_of_chance_pass(first, tmp_path):
    for seed in range(first, first + 25):
        folder = tmp_path / str(seed)
        folder.mkdir()
        run = run_seed(seed, folder)
        assert run.verdict is Verdict.PASS, f"seed {seed}: {run.explain()}"


def test_a_seed_is_the_same_scenario_again_and_another_one_another():
    first, again, other = Maker(7), Maker(7), Maker(8)
    assert (first.readings(), first.parts()) == (again.readings(), again.parts())
    assert other.parts() != first.parts()
