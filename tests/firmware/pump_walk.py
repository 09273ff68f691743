"""A long random walk through everything a pump can be told, the same on CPython and on MicroPython.

`python pump_walk.py SEED STEPS` prints the fingerprint of all events and pulses of the walk. The commands come from a
generator of its own, because the two interpreters' random numbers differ.
"""

import sys

MODULUS = 2147483629


class Dice:
    """Small random numbers from a seed (multiplicative, modulo a prime below 2**31)."""

    def __init__(self, seed):
        self._state = seed % (MODULUS - 1) + 1

    def roll(self, count):
        """A number from 0 to count - 1."""
        self._state = self._state * 16807 % MODULUS
        return self._state // 7 % count

    def pick(self, *choices):
        """One of the choices."""
        return choices[self.roll(len(choices))]


def command(dice, s):
    """A random command with its operands; most are allowed, some are not."""
    kind = dice.roll(34)
    if kind < 5:
        offset = max(0, s // 60 - dice.pick(0, 0, 0, 1, 20))
        return "cgm_sample", offset, dice.pick(-1, 39, 55, 60, 66, 71, 75, 90, 130, 401), 0
    if kind == 5:
        return "set_therapy_state", dice.pick(0x55, 0x55, 0x55, 0x3C, 0x33, 0x0F)
    if kind == 6:
        return tbr(dice)
    if kind == 7:
        return ("cancel_tbr",)
    if kind < 10 or kind >= 30:
        return bolus(dice)
    if kind >= 24:
        return "set_therapy_state", 0x55
    if kind == 10:
        return "cancel_bolus", dice.roll(8)
    if kind == 11:
        return dice.pick("confirm", "snooze"), 1 + dice.roll(6)
    if kind == 12:
        return "set_clock", 2026, 1 + dice.roll(12), 1 + dice.roll(31), dice.roll(24), dice.roll(60), 0, 0, 0
    if kind == 13:
        return ("configure", dice.pick(0x33, 0x3C, 0x3C), 80, 70, 30, dice.pick(5, 120), 150, dice.pick(5, 15, 60),
                dice.pick(0, 30), dice.pick(180, 300), dice.pick(35, 72, 75), 0, 0, 0, 5, 3)  # fmt: skip
    if kind == 14:
        return "inject", 0x33, dice.pick(0, 0, 0, 1)
    if kind == 15:
        return "inject", 0x3C, dice.pick(6000, 6000, 6000, 500, 401, 3, 0)
    if kind == 16:
        return "set_max_bolus", dice.pick(10000, 25000, 25000, 2000, 50, 75)
    return rarer(dice, kind)


def tbr(dice):
    """Absolute or relative, or from a template."""
    if dice.roll(4) == 0:
        return "set_tbr", 0x33, 0, 0, dice.pick(False, True), 0x3C, dice.pick(3, 4, 5, 6, 6, 7)
    value = dice.pick(0, 1, 825, 2500, 2501, 30000, 30001)
    return ("set_tbr", dice.pick(0x33, 0x33, 0x3C), value, dice.pick(0, 1, 30, 1440), dice.pick(False, True), 0x3C,
            0)  # fmt: skip


def bolus(dice):
    """Of any type, or from a template; some amounts do not fit their type."""
    if dice.roll(6) == 0:
        return "set_bolus", 0x33, 0, 0, 0, 0, dice.pick(6, 7, 8, 10), 0, 2
    kind = dice.pick(0x33, 0x3C, 0x55)
    fast = dice.pick(50, 200, 1000, 1900, 10000, 75) if kind != 0x3C else dice.pick(0, 0, 0, 50)
    extended = dice.pick(50, 100, 300, 2000, 10000, 75) if kind != 0x33 else 0
    minutes = dice.pick(1, 7, 7, 60, 60, 720, 721) if kind != 0x33 else dice.pick(0, 0, 0, 1)
    return "set_bolus", kind, fast, extended, minutes, dice.pick(0, 0, 1, 30, 720), 0, 0, 0


def rarer(dice, kind):
    """Templates, priming, the battery, and what only annunciates."""
    if kind == 17:
        return "set_tbr_template", dice.pick(4, 5, 6, 7), dice.pick(0x33, 0x3C), dice.pick(0, 1500, 2600), 30
    if kind == 18:
        return ("set_bolus_template", dice.pick(7, 8, 9, 10), dice.roll(8), 0x55, dice.pick(100, 5000, 30),
                dice.pick(1000, 5000), dice.pick(2, 30), dice.pick(0, 5))  # fmt: skip
    if kind == 19:
        return "activate", [dice.pick(1, 1, 2, 4)], 0, 1
    if kind == 20:
        return dice.pick(("start_priming", dice.pick(50, 1000, 25000, 75)), ("stop_priming",))
    if kind == 21:
        return dice.pick(("set_fill_level", dice.pick(0, 300000, 75)), ("inject", 0x55, dice.roll(2)))
    if kind == 22:
        return "inject", 0x5A, dice.pick(100, 100, 21, 20, 0)
    if dice.roll(2):
        return dice.pick(("inject", 0x66, dice.pick(0x00FF, 0x0066, 0x1234)), guard(dice))
    return dice.pick(("reset_templates", [dice.pick(4, 7, 8)], 0, 1), ("reset_operation_time",))


def guard(dice):
    """Guardrails that let most pass, or little."""
    return ("guard", dice.pick(30000, 30000, 1100, 49), dice.pick(25000, 25000, 2000), dice.pick(50000, 50000, 3000),
            dice.pick(60000, 60000, 9000), dice.pick(300000, 300000, 20000), 1, dice.pick(60, 60, 10),
            dice.pick(240, 60, 241))  # fmt: skip


def walk(bench, seed, steps, advance, rules=(), guardrails=()):
    """Let a bench do a walk; advance(s) is how time passes between the commands. rules: numbers that
    stand in for the last ones of each write of the controller settings; guardrails: those of second 0. Returns the
    response codes."""
    dice = Dice(seed)
    bench.profile(0, (360, 800), (361, 1200), (719, 30000))
    bench.do(0, "configure", 0x3C, 80, 70, 30, 120, 150, 15, 0, 300, 75, 0, 0, 0, 5, 3)
    bench.do(0, "cgm_session", 0)
    bench.do(0, "set_therapy_state", 0x55)
    if guardrails:
        bench.do(0, "guard", *guardrails)
    s = 0
    codes = []
    for _ in range(steps):
        s += dice.pick(1, 2, 59, 60, 180, 300, 300, 1800)
        advance(s)
        said = command(dice, s)
        if rules and said[0] == "configure":
            said = said[:-5] + tuple(rules)
        codes.append(bench.do(s, *said))
    return codes


def fingerprint(bench, codes):
    """A few numbers that differ when any event, pulse or response code does."""
    total = 1
    for line in bench.told:
        for value in line:
            number = len(value) if isinstance(value, str) else value
            total = (total * 31 + number) % MODULUS
    # Two loops: one joined list would not fit beside the rest in the pump's heap.
    for number in bench.pulses:
        total = (total * 31 + number) % MODULUS
    for code in codes:
        total = (total * 31 + (code or 0)) % MODULUS
    return [len(bench.told), len(bench.pulses), total]


if __name__ == "__main__":
    from pump_bench import Bench

    walker = Bench()
    done = walk(walker, int(sys.argv[1]), int(sys.argv[2]), walker.run)
    print(fingerprint(walker, done))
