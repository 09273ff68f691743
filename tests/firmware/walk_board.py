# What tests/ports.py has a port of MicroPython do with the dosing core.
#
# A line is a JSON list. ["walk", seed, steps]: one of the random walks of pump_walk.py; the answer is its fingerprint,
# and insulin on board after each step in mU. ["deliver"]: half a day of delivery with the heap locked, so that garbage
# counts too; the answer is the motor's pulses meanwhile.
import json

import micropython
import pump_on_board
from pump_bench import Bench
from pump_walk import fingerprint, walk

import settings


def answer(line):
    kind, *operands = json.loads(line)
    return json.dumps(walked(*operands) if kind == "walk" else delivered())


def walked(seed, steps):
    bench = Bench()
    iob = []

    def advance(s):
        iob.append(bench.run(s).iob.total_mu(s))

    codes = walk(bench, seed, steps, advance)
    return [fingerprint(bench, codes), iob]


def delivered():
    pump, motor = pump_on_board.dosing(settings)
    pump_on_board.deliver(pump, 1, 40000)
    before = motor.pulses
    micropython.heap_lock()
    try:
        pump_on_board.deliver(pump, 40020, 90000)
    finally:
        micropython.heap_unlock()
    return motor.pulses - before
