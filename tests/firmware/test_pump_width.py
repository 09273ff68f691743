"""No sum of the pump outgrows the small int of a 32-bit board, where a larger one would be put onto the heap.

Method: a copy of the core in which every arithmetic operation checks its result, driven to the bounds of all its
parameters by random walks and by the worst samples, rates, clocks and lengths of time.
"""

import ast
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
FIRMWARE = HERE.parent.parent / "firmware"

CHECK = """
def _small(value):
    if type(value) is int and not -(2**30) <= value < 2**30:
        raise OverflowError(value)
    return value
"""

DRIVE = """
from pump import core
from pump_bench import Bench
from pump_walk import walk

assert core._small
for seed in range(12):
    bench = Bench()
    walk(bench, seed, 400, bench.run)

# The fastest bolus, the highest rate, all that a Pause can withhold, and the longest action.
wide = {"GUARD_IOB_MU": 1000000, "GUARD_HOUR_MU": 1000000, "GUARD_DAY_MU": 10000000}
wide.update({"BOLUS_SPEED_MU_PER_MINUTE": 60000, "BOLUS_MAX_MU": 25000, "RESERVOIR_CAPACITY_MU": 80000000})
bench = Bench(wide)
bench.dose(30000)
bench.do(0, "configure", 0x33, 80, 70, 60, 240, 480, 60, 240, 480, 120, 0, 0, 0, 5, 3)
for s in range(10, 30000, 1000):
    assert bench.bolus(s, 25000) == 0x0F
    bench.bolus(s, 0, 25000, 720)
    bench.do(s + 50, "set_therapy_state", 0x3C)
    bench.do(s + 949, "set_therapy_state", 0x55)
assert bench.pump.iob.total_mu(s) > 300000

# The steepest lines through the fullest window, near the last time offset, of a session that began before the pump.
bench = Bench().dose(30000)
bench.do(0, "configure", 0x3C, 120, 100, 60, 240, 480, 60, 240, 480, 120, 0, 0, 0, 5, 3)
bench.do(0, "cgm_session", -60 * 65000)
for offset in range(65000, 65536):
    steep = 1000 if offset % 18 < 9 else 1
    bench.do(60 * (offset - 65000), "cgm_sample", offset, steep, 0xFFFFD2)
    bench.do(60 * (offset - 65000), "set_therapy_state", 0x55)
assert abs(bench.pump.decision.predicted_mg_dl) < 0x7FFF

# Seventeen years on, and all dates that can be set.
bench = Bench().dose(0)
bench.pump.now_s = bench.pump.midnight_s = bench.pump._reference_s = 2**29
bench.pump.basal.boundary_s = 2**29
for year in (1583, 2000, 9999):
    bench.do(2**29 + year, "set_clock", year, 12, 31, 23, 59, 59, 56, 8)
bench.do(2**29 + 90000, "set_therapy_state", 0x55)
assert bench.factor(2**29 + 90000, 2500, 1440) == 0x0F
assert bench.bolus(2**29 + 90001, 5000, 5000, 720, 720) == 0x0F
assert bench.pump.counter_minutes(2**29 + 90001, 0x0F, 0x0F) < 0
"""


class _Checked(ast.NodeTransformer):
    """Puts a check around every arithmetic result."""

    def visit_BinOp(self, node):
        """a + b becomes _small(a + b)."""
        self.generic_visit(node)
        return ast.Call(ast.Name("_small", ast.Load()), [node], [])

    def visit_AugAssign(self, node):
        """a += b becomes a = _small(a + b), where a is a name or an attribute of one."""
        self.generic_visit(node)
        read = ast.parse(ast.unparse(node.target), mode="eval").body
        value = ast.Call(ast.Name("_small", ast.Load()), [ast.BinOp(read, node.op, node.value)], [])
        return ast.Assign([node.target], value)


def test_every_sum_is_a_small_int(tmp_path):
    """D-102, D-605, D-702, D-902 and all others at their bounds."""
    for path in (FIRMWARE / "pump").rglob("*.py"):
        copy = tmp_path / path.relative_to(FIRMWARE)
        copy.parent.mkdir(parents=True, exist_ok=True)
        tree = _Checked().visit(ast.parse(path.read_text()))
        copy.write_text(CHECK + ast.unparse(ast.fix_missing_locations(tree)))
    (tmp_path / "settings.py").write_text((FIRMWARE / "settings.py").read_text())
    folders = os.pathsep.join(map(str, (tmp_path, HERE, HERE / "stubs")))
    run = subprocess.run(
        [sys.executable, "-c", DRIVE],
        env={"PYTHONPATH": folders}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
