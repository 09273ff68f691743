# What tests/ports.py has a port of MicroPython do with a closed loop.
#
# A line is a JSON list [seed, samples, bilinear] for loop_walk.py; the answer is the fingerprint of the pump, and
# all decisions.
import json

from loop_walk import walk
from pump_bench import Bench
from pump_walk import Dice, fingerprint


def answer(line):
    seed, samples, bilinear = json.loads(line)
    bench = Bench()
    codes, decided = walk(bench, Dice(seed), samples, bilinear)
    return json.dumps([fingerprint(bench, codes), decided])
