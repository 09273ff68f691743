"""`pumprig run` as a process of its own, for tests of what a signal or a limit of the system does to it."""

import contextlib
import json
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from hil.rig_bench import flat, trace_csv

WITHIN_S = 60


def record_of(folder):
    """run.json, and every whole line of events.jsonl."""
    meta = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    events = []
    for line in (folder / "events.jsonl").read_text(encoding="utf-8").splitlines():
        with contextlib.suppress(ValueError):
            events.append(json.loads(line))
    return meta, events


LIMITED = (
    "import resource, sys; from pumprig.cli import main;"
    "resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2); main(sys.argv[2:])"
)


def start(folder, *arguments, limit_octets=None, minutes=60):
    """`pumprig run` as a process; with a limit, no file may become larger, as on a disk that is full."""
    (folder / "trace.csv").write_text(trace_csv(flat(minutes)), encoding="utf-8")
    program = ["-m", "pumprig.cli"] if limit_octets is None else ["-c", LIMITED, str(limit_octets)]
    return subprocess.Popen(
        [sys.executable, *program, "run", str(folder / "trace.csv"), "--out", str(folder / "runs"), "--no-live",
         *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder,
    )  # fmt: skip


def ended(process):
    out, err = process.communicate(timeout=WITHIN_S)
    assert "Traceback" not in err, err
    return process.returncode, out, err


def wait_for(condition):
    until = time.monotonic() + WITHIN_S
    pause = threading.Event()
    while time.monotonic() < until:
        found = condition()
        if found:
            return found
        pause.wait(0.02)
    raise AssertionError("what was waited for did not come")


def folder_in(runs):
    return wait_for(lambda: max(runs.glob("*"), default=None) if runs.is_dir() else None)


def busy(folder, *arguments, kind="command"):
    """Start a run in real time and wait until its record holds an event; again when the machine is too busy."""
    for _ in range(4):
        process = start(folder, *arguments)
        path = folder_in(folder / "runs") / "events.jsonl"
        wait_for(lambda process=process, path=path: process.poll() is not None or holds(path, kind))
        if process.poll() is None:
            return process
        code, _, err = ended(process)
        assert code == 7, err
        shutil.rmtree(folder / "runs")
    pytest.skip("this machine is too busy for a run in real time")


def holds(path, kind):
    return path.is_file() and f'"kind":"{kind}"' in path.read_text(encoding="utf-8")


def boards_of(pid):
    """Virtual boards that a process has started."""
    if not Path("/proc/self/stat").exists():
        pytest.skip("this system has no /proc to find the board's process in")
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parent = int((folder / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])
            if parent == pid and b"boot.py" in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
    return found


def has_ended(pid):
    """Whether a process has ended; one that nobody has waited for yet keeps its number."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return True
    return stat.rpartition(")")[2].split()[0] in "ZX"
