"""The bench that runs scenarios in a folder of the test's own."""

import pytest

from hil.rig_bench import Bench


@pytest.fixture
def bench(tmp_path):
    """A bench for runs of a few pump hours in lockstep."""
    return Bench(tmp_path)
