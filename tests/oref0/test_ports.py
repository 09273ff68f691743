"""Goal: glucose status and insulin on board come out alike on every port of MicroPython, D-1011 to D-1013.

Method: random readings and doses, on CPython and on one process of each port; determine-basal itself runs on the unix
port in all of test_determine_basal.py.
"""

import json
from pathlib import Path
from random import Random

import pytest

import ports
from oref0 import oref_board
from pump.control.oref.iob import BILINEAR, EXPONENTIAL

HERE = Path(__file__).parent
FIRMWARE = HERE.parent.parent / "firmware"
CASES = 40


@pytest.fixture(scope="module", params=ports.NAMES)
def port(request):
    with ports.Port.of(request.param, "oref_board", [FIRMWARE, HERE]) as running:
        yield running


def readings(r):
    age_ms, rows = 0, []
    for _ in range(r.randrange(1, 40)):
        rows.append([r.randrange(35, 300), age_ms, r.choice([1, 1, 1, 1, 1, 1, 1, 1, 0, 2])])
        age_ms += r.choice([60000, 300000, 300000, 149999, 150000, 900000])
    return {"readings": rows}


def doses(r):
    now = 40000
    return {
        "room": 128, "dose_mu": 50, "s": now,
        "curve": r.choice([[BILINEAR, 240], [EXPONENTIAL, 300, 75], [EXPONENTIAL, 360, 55]]),
        "doses": [[s, r.choice([1, -1, 40])] for s in sorted(r.sample(range(now - 24000, now + 1), 60))],
        "scheduled": [[s, -1] for s in range(now + 150, now + 14400, 180)],
    }  # fmt: skip


@pytest.mark.parametrize("make", [readings, doses])
def test_every_port_counts_as_cpython_does(port, make):
    for seed in range(CASES):
        line = json.dumps(make(Random(seed)))
        assert json.loads(port.ask(line)[0]) == json.loads(oref_board.answer(line)), line
