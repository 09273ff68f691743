"""A day under oref is the same on every port of MicroPython, to the last digit of each decision: D-1101 to D-1112.

Goal: on ports with doubles nothing may differ (D-1111), on one of 64 bits and on one of 32.
Method: a random day with carbs, small boluses, a client's TBRs and boluses, a Stop and another curve on CPython; one
process of each port does the same.
"""

import json
from pathlib import Path

import pytest

import ports
from firmware.loop_walk import DAY_SAMPLES, walk
from firmware.pump_bench import Bench
from firmware.pump_walk import Dice, fingerprint

HERE = Path(__file__).parent
FIRMWARE = HERE.parent.parent / "firmware"


@pytest.fixture(scope="module", params=ports.NAMES)
def port(request):
    with ports.Port.of(request.param, "loop_board", [FIRMWARE, HERE]) as running:
        yield running


def compare(port, seed, samples, bilinear):
    """A day here and there; gives the bench of here."""
    bench = Bench()
    codes, decided = walk(bench, Dice(seed), samples, bilinear)
    said = json.loads(port.ask(json.dumps([seed, samples, bilinear]))[0])
    assert said == [fingerprint(bench, codes), decided]
    return bench


@pytest.mark.parametrize(("seed", "samples", "bilinear"), [(1, DAY_SAMPLES, False), (20261122, 100, True)])
def test_every_port_spends_a_day_under_oref_as_cpython_does(port, seed, samples, bilinear):
    """D-1111."""
    bench = compare(port, seed, samples, bilinear)
    started = bench.all("TBR_STARTED", "TBR_CHANGED")
    assert len(started) > samples // 6
    assert {"TBR_STARTED", "TBR_CHANGED"} == {line[1] for line in started}
    assert len(bench.all("BOLUS_STARTED")) > samples // 30
    assert len(bench.all("CARBS")) > samples // 100


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(200, 206))
def test_every_port_spends_other_days_under_oref_as_cpython_does(port, seed):
    compare(port, seed, DAY_SAMPLES, seed % 2 == 1)
