"""A board that one plugs in, without hardware: MicroPython's unix port with its own REPL and a littlefs, behind a pty.

It is there for what is done to boards over USB: finding, flashing, looking into. Its pins lead nowhere and its watchdog
never bites; `VirtualBoard` is the one that doses are proven on.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import termios
import threading
import tty
import weakref
from pathlib import Path

from pumplink.virtual.launch import micropython_command

__all__ = ["UsbBoard"]

FLASH_BYTES = 848 * 1024
HEAP_BYTES = 512 * 1024
_SHIMS = Path(__file__).resolve().parent / "shims" / "usb"
# Ctrl-C interrupts a program only on the terminal that the process calls its own. It ends with that terminal, even
# where whoever started it ignores hang-ups (nohup).
_OWN_TERMINAL = (
    "import fcntl,os,signal,sys,termios;signal.signal(signal.SIGHUP,signal.SIG_DFL);"
    "fcntl.ioctl(0,termios.TIOCSCTTY,0);os.execvp(sys.argv[1],sys.argv[1:])"
)
_POWER_ON, _HARD_RESET = 1, 2
_READ_OCTETS = 4096
_ENDS_WITHIN_S = 10.0
_READ_WITHIN_S = 1.0
_LOOK_EVERY_S = 0.01
_STEP_OCTETS = 64
_LOCAL_FLAGS = 3


class UsbBoard:
    """A board on a device that any serial program can open, from `plug` to `unplug`.

    Args:
        folder: where its flash stays between plugging in; a temporary folder when None.
        flash_bytes: size of its file system, whole blocks of 4096 octets.

    Attributes:
        device: the path of its serial device, the same each time that it is plugged in.
        unplug_after_octets: the board is pulled out when so many more octets have gone to it; None for never.
        starts: how often its MicroPython has started.
    """

    def __init__(self, folder: Path | None = None, flash_bytes: int = FLASH_BYTES) -> None:
        self._folder = folder or Path(tempfile.mkdtemp(prefix="pumprig-usb-"))
        self._folder.mkdir(parents=True, exist_ok=True)
        if folder is None:
            weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        self.device = self._folder / "ttyUSB"
        self.unplug_after_octets: int | None = None
        self.starts = 0
        self._flash = self._folder / "flash.img"
        if not self._flash.is_file():
            self._flash.write_bytes(b"\xff" * flash_bytes)
        self._thread: threading.Thread | None = None
        self._plugged = False
        self._wake: tuple[socket.socket, socket.socket] | None = None
        self._up = False
        self._terminal = False
        self._ended_cr = False
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._usb = self._line = self._line_end = -1
        # Keeps the number of a device that was pulled out from becoming that of another: whoever had it open may still
        # ask for it by its name, and still has the lock of that name.
        self._gone = contextlib.ExitStack()
        weakref.finalize(self, self._gone.close)

    def plug(self) -> UsbBoard:
        """Gives the board power and its device."""
        if self._plugged:
            return self
        # Whoever had the device open knows that it went before all of the board is away.
        self._joined()
        self._usb, slave = os.openpty()
        self._gone.close()
        tty.setraw(slave)
        os.set_blocking(self._usb, False)
        self.device.unlink(missing_ok=True)
        self.device.symlink_to(os.ttyname(slave))
        # Whoever has the device open holds the board: that must not be the board itself.
        os.close(slave)
        self._wake = socket.socketpair()
        self._start(_POWER_ON)
        self._plugged = True
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def unplug(self) -> None:
        """Pulls the board out, at once: its power goes, and its device. What its flash holds stays."""
        with contextlib.suppress(OSError):
            if self._wake is not None:
                self._wake[1].send(b"x")
        self._joined()

    def _joined(self) -> None:
        if self._thread is not None:
            self._thread.join(_ENDS_WITHIN_S)
            self._thread = None

    def __enter__(self) -> UsbBoard:
        return self.plug()

    def __exit__(self, *_exc: object) -> None:
        self.unplug()
        self._gone.close()

    # --- The process ------------------------------------------------------------------------------------------------

    def _start(self, cause: int) -> None:
        self._line, self._line_end = os.openpty()
        tty.setraw(self._line_end)
        self._interrupts(False)
        self._control, board = socket.socketpair()
        environment = {
            "PATH": os.environ.get("PATH", ""),
            "PUMPRIG_FLASH": str(self._flash),
            "PUMPRIG_SHIMS": str(_SHIMS),
            "PUMPRIG_CONTROL_FD": str(board.fileno()),
            "PUMPRIG_RESET_CAUSE": str(cause),
        }
        own = [sys.executable, "-I", "-S", "-c", _OWN_TERMINAL, *micropython_command()]
        with board:
            self._process = subprocess.Popen(
                [*own, "-X", f"heapsize={HEAP_BYTES}", "-i", str(_SHIMS / "boot.py")],
                cwd=self._folder, env=environment, pass_fds=[board.fileno()], start_new_session=True,
                stdin=self._line_end, stdout=self._line_end, stderr=self._line_end,
            )  # fmt: skip
        self.starts += 1
        self._up = False

    def _interrupts(self, armed: bool) -> None:
        settings = termios.tcgetattr(self._line_end)
        # A board keeps what came before the Ctrl-C.
        flags = settings[_LOCAL_FLAGS] | termios.NOFLSH
        settings[_LOCAL_FLAGS] = flags | termios.ISIG if armed else flags & ~termios.ISIG
        termios.tcsetattr(self._line_end, termios.TCSANOW, settings)
        self._terminal = armed

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        if self._control is not None:
            self._control.close()
            self._control = None
        for end in (self._line, self._line_end):
            with contextlib.suppress(OSError):
                os.close(end)

    # --- The line ---------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while self._step():
                pass
        finally:
            self._plugged = False
            self._end()
            with contextlib.suppress(OSError):
                self._gone.callback(os.close, os.open(self.device, os.O_RDWR | os.O_NOCTTY))
            self.device.unlink(missing_ok=True)
            os.close(self._usb)
            for socket_end in self._wake or ():
                socket_end.close()

    def _step(self) -> bool:
        """One round of passing on; False when the board is pulled out."""
        assert self._control is not None and self._wake is not None
        waiting: list[int | socket.socket] = [self._line, self._control, self._wake[0]]
        if self._has_host():
            waiting.append(self._usb)
        ready = select.select(waiting, [], [], _LOOK_EVERY_S)[0]
        if self._wake[0] in ready:
            self._wake[0].recv(1)
            return False
        if self._line in ready and not self._to_host():
            return True
        if self._control in ready and not self._controlled():
            return True
        return self._usb not in ready or self._to_board()

    def _has_host(self) -> bool:
        """Whether any program has the device open."""
        poller = select.poll()
        poller.register(self._usb, 0)
        return not poller.poll(0)

    def _to_host(self) -> bool:
        try:
            octets = os.read(self._line, _READ_OCTETS)
        except OSError:
            octets = b""
        if not octets:
            self._again()
            return False
        left = memoryview(self._as_of_a_chip(octets))
        # What nobody reads is lost in the end, as on a board.
        while left and self._has_host() and select.select([], [self._usb], [], _READ_WITHIN_S)[1]:
            left = left[os.write(self._usb, left) :]
        return True

    def _as_of_a_chip(self, octets: bytes) -> bytes:
        """What a REPL prints ends its lines with CR LF on a chip, and with LF alone on the unix port."""
        if not self._terminal:
            return octets
        before, self._ended_cr = self._ended_cr, octets.endswith(b"\r")
        whole = re.sub(rb"(?<!\r)\n", b"\r\n", octets)
        return whole[1:] if before and octets.startswith(b"\n") else whole

    def _to_board(self) -> bool:
        try:
            octets = os.read(self._usb, _READ_OCTETS if self.unplug_after_octets is None else _STEP_OCTETS)
        except OSError:
            # The program has closed the device meanwhile.
            return True
        if self.unplug_after_octets is not None:
            self.unplug_after_octets -= len(octets)
            if self.unplug_after_octets <= 0:
                self.unplug_after_octets = None
                return False
        with contextlib.suppress(OSError):
            # One that has just ended starts again in the next round.
            os.write(self._line, octets)
        return True

    def _controlled(self) -> bool:
        assert self._control is not None
        try:
            asked = self._control.recv(1)
        except OSError:
            asked = b""
        if asked in (b"", b"R"):
            self._again()
            return False
        if not self._up:
            # What came before the board was up is lost, as on a line that is not there yet.
            self._up = True
            termios.tcflush(self._line_end, termios.TCIFLUSH)
        self._interrupts(asked in b"IP")
        # A program that starts does not wait for the key.
        if asked != b"P":
            with contextlib.suppress(OSError):
                self._control.send(b".")
        return True

    def _again(self) -> None:
        self._end()
        self._start(_HARD_RESET)
