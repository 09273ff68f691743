"""Decisions of a board with single-precision floats are judged as D-1111 says, and those of any other exactly.

Goal: what such a board may decide passes and is dosed, what no rounding explains fails, and no other board may.
Method: a virtual board whose data says single, and firmwares that are off by a step or by more.
"""

import pytest

from hil.rig_bench import every_5_minutes, firmware_copy
from hil.test_rig_loop import OREF, PUMP, RISING
from pumplink.boards import load_board
from pumprig.verdict import Verdict


@pytest.fixture
def single(tmp_path, monkeypatch):
    """The name of a virtual board with such floats."""
    folder = tmp_path / "boards" / "virtual_single"
    folder.mkdir(parents=True)
    text = (load_board("virtual").folder / "board.toml").read_text(encoding="utf-8")
    for old, new in (('name = "virtual"', 'name = "virtual_single"'), ("[limits]\n", '[limits]\nfloats = "single"\n')):
        assert text.count(old) == 1
        text = text.replace(old, new)
    (folder / "board.toml").write_text(text, encoding="utf-8")
    monkeypatch.setenv("PUMPRIG_BOARDS", str(folder.parent))
    return "virtual_single"


def off_by(tmp_path, u_per_h):
    """A firmware whose rates are off from a glucose of 150 on, told as they are dosed."""
    return firmware_copy(
        tmp_path,
        pump__control__loop=(
            "decide(self.inputs, self.settings, self.decision)",
            "decide(self.inputs, self.settings, self.decision)\n"
            "        if self.decision.acts and self.inputs.glucose.mg_dl >= 150:\n"
            f"            self.decision.rate += {u_per_h}",
        ),
    )


@pytest.mark.parametrize(("u_per_h", "passes"), [(0.05, True), (-0.05, True), (0.1, False), (0.5, False)])
def test_one_step_is_taken_over_and_no_more(bench, tmp_path, single, u_per_h, passes):
    """D-1111: with the pump's rate the motor is judged exactly."""
    run = bench.run(OREF, PUMP, readings=every_5_minutes(RISING), firmware=off_by(tmp_path, u_per_h), board=single)
    assert run.verdict is (Verdict.PASS if passes else Verdict.FAIL), run.explain()


def test_a_board_with_doubles_may_not_differ(bench, tmp_path):
    """D-1111."""
    run = bench.run(OREF, PUMP, readings=every_5_minutes(RISING), firmware=off_by(tmp_path, 0.05))
    assert run.verdict is Verdict.FAIL
