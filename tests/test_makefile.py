"""Goal: who lacks something gets one message with the remedy, and what is there once is not made twice.

Method: the Makefile runs in an empty folder with interpreters that are shell scripts lacking one thing each. Nothing is
installed: `make --dry-run` shows what would be.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TARGETS = ("help", "demo", "test", "slow", "check", "generate", "bench", "verify", "wasm", "clean")

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


@pytest.fixture
def checkout(tmp_path):
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def make(checkout, *arguments):
    """Run make as from a shell of its own, not as a part of the make that runs the tests."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run(
        ["make", *arguments], cwd=checkout, env=environment, capture_output=True, text=True, check=False
    )


def interpreter(folder, refuses):
    """A Python that fails when it is asked for something."""
    path = folder / "python"
    script = f'#!/bin/sh\ncase "$*" in *{refuses}*) exit 1;; esac\nexec {sys.executable} "$@"\n'
    path.write_text(script, encoding="utf-8")
    path.chmod(0o755)
    return path


def make_environment(checkout):
    """The files by which make knows an environment; the interpreter is the one that runs the tests."""
    venv = checkout / ".venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "python").symlink_to(sys.executable)
    (venv / "pyvenv.cfg").write_text(f"command = python3 -m venv {venv}\n", encoding="utf-8")
    for stamp in (".installed", ".installed-dev"):
        (venv / stamp).touch()
    return venv


def test_help_lists_every_target(checkout):
    listed = [line.split()[1] for line in make(checkout, "help").stdout.splitlines()]
    assert listed == list(TARGETS)
    assert make(checkout).stdout == make(checkout, "help").stdout


@pytest.mark.parametrize("target", ["demo", "test", "check"])
@pytest.mark.parametrize(
    ("lacks", "says"),
    [
        ("version_info", "3.11 to 3.14"),
        ("ensurepip", "apt install python3-venv"),
        (None, "apt install python3 python3-venv"),
    ],
)
def test_a_machine_that_lacks_something_gets_one_message(checkout, target, lacks, says):
    python = interpreter(checkout, lacks) if lacks else checkout / "no-python"
    run = make(checkout, target, f"PYTHON={python}")
    assert run.returncode == 2
    assert says in run.stderr
    assert run.stderr.count("Install it") + run.stderr.count("Name another") == 1
    assert "Traceback" not in run.stderr
    assert not (checkout / ".venv").exists()


def test_a_whole_environment_is_left_alone(checkout):
    make_environment(checkout)
    assert "pip" not in make(checkout, "--dry-run", "test").stdout


def test_a_changed_project_file_installs_again_into_the_same_environment(checkout):
    venv = make_environment(checkout)
    later_s = (venv / ".installed-dev").stat().st_mtime + 10
    os.utime(checkout / "pyproject.toml", (later_s, later_s))
    plan = make(checkout, "--dry-run", "test").stdout
    assert "pip" in plan
    assert "-m venv" not in plan


@pytest.mark.parametrize("broken", ["interpreter gone", "checkout copied"])
def test_an_environment_that_would_not_work_is_made_again(checkout, broken):
    venv = make_environment(checkout)
    if broken == "interpreter gone":
        (venv / "bin" / "python").unlink()
        (venv / "bin" / "python").symlink_to(venv / "gone")
    else:
        (venv / "pyvenv.cfg").write_text("command = python3 -m venv elsewhere/.venv\n", encoding="utf-8")
    plan = make(checkout, "--dry-run", "test").stdout
    assert plan.index("-m venv") < plan.index("--group dev")
