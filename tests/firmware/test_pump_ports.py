"""The pump decides alike on every port of MicroPython: on the 64-bit one of all runs, and on one of 32 bits.

Goal: events, pulses and response codes are those of CPython to the second, insulin on board within D-703; no sum of
the delivering pump outgrows a 32-bit board's small int, which ends at 2**30: it would need heap.
Method: random walks through all that a pump can be told, and delivery with the heap locked; one process of each port.
"""

import json
from bisect import bisect_right
from pathlib import Path

import pytest

import ports
from campaign import share
from firmware.pump_bench import Bench
from firmware.pump_walk import fingerprint, walk

HERE = Path(__file__).parent
FIRMWARE = HERE.parent.parent / "firmware"
STEPS = 250
ACTION_S_MAX = 8 * 3600
PULSE_MU = 50
DELIVERED_PULSES_MIN = 500

WIDTH = """
import micropython

def answer(line):
    half = int(line)
    micropython.heap_lock()
    try:
        half + half
        return "small"
    except MemoryError:
        return "heap"
    finally:
        micropython.heap_unlock()
"""


@pytest.fixture(scope="module", params=ports.NAMES)
def port(request):
    with ports.Port.of(request.param, "walk_board", [FIRMWARE, HERE]) as running:
        yield running


def compare(port, seed, steps):
    """Walks here and there."""
    bench = Bench()
    iob = []

    def advance(s):
        mu = bench.run(s).iob.total_mu(s)
        acting = len(bench.pulses) - bisect_right(bench.pulses, s - ACTION_S_MAX)
        iob.append((mu, 1 + acting * PULSE_MU / 32768))

    codes = walk(bench, seed, steps, advance)
    said, told = json.loads(port.ask(json.dumps(["walk", seed, steps]))[0])
    assert said == fingerprint(bench, codes)
    assert len(told) == len(iob)
    assert all(abs(mu - there_mu) <= tolerance for (mu, tolerance), there_mu in zip(iob, told, strict=True))


@pytest.mark.parametrize("seed", [2, 3, 20261121])
def test_every_port_walks_as_cpython_does(port, seed):
    """D-001 to D-907, and D-703."""
    compare(port, seed, STEPS)


def test_delivery_takes_no_heap_on_any_port(port):
    """D-954."""
    assert json.loads(port.ask('["deliver"]')[0]) > DELIVERED_PULSES_MIN


@pytest.mark.slow
def test_every_port_walks_many_walks_as_cpython_does(port):
    for seed in share(range(100, 150), every=2):
        compare(port, seed, 2 * STEPS)


@pytest.mark.parametrize("name", ports.NAMES)
def test_the_ports_differ_in_what_this_proves(name, tmp_path):
    (tmp_path / "width.py").write_text(WIDTH, encoding="utf-8")
    with ports.Port.of(name, "width", [tmp_path]) as running:
        answers = running.ask(str((1 << 29) - 1), str(1 << 29))
    assert answers == {"unix": ["small", "small"], "wasm": ["small", "heap"]}[name]
