"""Decisions of a board with single-precision floats are judged as D-1111 says, and those of any other exactly.

Goal: what such a board decides passes and is dosed, what no rounding explains fails, and no other board may.
Method: a virtual board whose data says single, and firmwares that are off by a step at each decision.
"""

import pytest

from hil.rig_bench import every_5_minutes, firmware_copy
from hil.test_rig_loop import OREF, PUMP, RISING
from pumplink.boards import load_board
from pumplink.link import Link
from pumplink.pump import Pump
from pumplink.virtual.board import VirtualBoard
from pumplink.virtual.clocks import Scaled
from pumprig.dut import open_dut
from pumprig.line import identify, open_first
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


def off_by(tmp_path, what, amount):
    """A firmware whose decisions are off from a glucose of 150 on, told as they are dosed."""
    return firmware_copy(
        tmp_path,
        pump__control__loop=(
            "decide(self.inputs, self.settings, self.decision)",
            "decide(self.inputs, self.settings, self.decision)\n"
            "        if self.decision.acts and self.inputs.glucose.mg_dl >= 150:\n"
            f"            self.decision.{what} += {amount}",
        ),
    )


def test_what_single_precision_decides_passes(bench, single):
    """D-1111: with the pump's dose the motor is judged exactly."""
    run = bench.run(OREF, PUMP, readings=every_5_minutes(RISING), board=single)
    assert run.verdict is Verdict.PASS, run.explain()


@pytest.mark.parametrize(
    ("what", "amount"),
    [("rate", 0.05), ("rate", -0.05), ("rate", 0.5), ("minutes", 30), ("smb", 0.05)],
)
def test_not_one_step_is_taken_over_that_no_rounding_explains(bench, tmp_path, single, what, amount):
    """D-1111: a pump that gives a step more at each decision is wrong at nearly each of them."""
    firmware = off_by(tmp_path, what, amount)
    run = bench.run(OREF, PUMP, readings=every_5_minutes(RISING), firmware=firmware, board=single)
    assert run.verdict is Verdict.FAIL, run.explain()


def test_a_bolus_beside_every_decision_is_not_taken_over(bench, tmp_path, single):
    """D-1111: 0.05 U more, whatever was decided."""
    firmware = firmware_copy(
        tmp_path,
        pump__control__loop=(
            "decide(self.inputs, self.settings, self.decision)",
            "decide(self.inputs, self.settings, self.decision)\n        self.decision.smb += 0.05",
        ),
    )
    run = bench.run(OREF, PUMP, readings=every_5_minutes(RISING), firmware=firmware, board=single)
    assert run.verdict is Verdict.FAIL, run.explain()


def test_a_board_with_doubles_may_not_differ(bench, tmp_path):
    """D-1111."""
    run = bench.run(OREF, PUMP, readings=every_5_minutes(RISING), firmware=off_by(tmp_path, "rate", 0.05))
    assert run.verdict is Verdict.FAIL


@pytest.mark.parametrize(("name", "is_single"), [("virtual", False), ("virtual_single", True)])
def test_a_board_that_is_known_by_its_line_tells_its_floats(single, name, is_single):
    """D-1111: by its Model Number. Method: a board on a device, opened as one."""
    with VirtualBoard(name, clock=Scaled(20)) as board, board.pty() as line:
        dut = open_dut(f"port:{line.path}", Scaled(20))
        try:
            link = Link(dut.bearer)
            open_first(dut, link)
            identify(dut, Pump(link), None)
            assert dut.single is is_single
        finally:
            dut.close()
