"""The REPL of a board on its USB line: getting it, running code there, files, and starting the firmware again."""

from __future__ import annotations

import contextlib
import io
import os
import re
import struct
import termios
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import serial
from mpremote.transport import TransportError, TransportExecError
from mpremote.transport_serial import SerialTransport

from pumplink.boards import default_firmware
from pumplink.errors import BearerLost, BoardFull, BoardRefused, BoardSilent
from pumplink.pack import retold
from pumplink.serial_bearer import explain_port, give_free
from pumplink.syntax import literal

__all__ = ["HAS_THE_LINE", "BoardFile", "Repl", "System"]

HAS_THE_LINE = b"pumprig: the firmware has the line"
"""What the firmware prints when octets are frames from then on."""

_CTRL_C = b"\x03"
_ASK_FOR_REPL = b"\x00" + 6 * _CTRL_C
_RAW_REPL = b"\r\x01"
_PATIENCE_S = 10.0
_RAW_PROMPT = b"raw REPL; CTRL-B to exit\r\n>"
# What the raw REPL says after the errors of what it ran.
_RAW_ENDED = b"\x04\x04>"
_WINDOW = b"Ctrl-C now gives"
_BAUD = 115200
_READ_TIMEOUT_S = 5.0
_AT_ONCE_S = 0.15
_AFTER_RESET_S = 12.0
_ANSWER_S = 2.0
_STEP_S = 0.05
_GONE_WITHIN_S = 0.5
_ASK_EVERY_S = 3.0
_STARTS_WITHIN_S = 20.0
_CHUNK_OCTETS = 3072
_SHOWN_CHARACTERS = 600

# Prints a line for each file: length, the begin of its SHA-256, path. What the pump remembers is none of the firmware.
_LIST = """
import hashlib,os
def _list(folder):
    for entry in os.ilistdir(folder or "/"):
        path=folder+"/"+entry[0]
        if entry[1]==0x4000:
            if path not in {left_out!r}: _list(path)
        else:
            digest=hashlib.sha256();octets=bytearray(512);view=memoryview(octets);size=0
            with open(path,"rb") as file:
                while True:
                    count=file.readinto(octets)
                    if not count: break
                    size+=count
                    digest.update(view[:count])
            print(size,digest.digest()[:8].hex(),path)
_list("")
"""
_SYSTEM = """
import sys
i=sys.implementation
print(repr((i.name,tuple(i.version)[:3],getattr(i,"_machine",""),getattr(i,"_mpy",0)&255,"loop" in sys.modules)))
"""


class System(NamedTuple):
    """What runs on a board: MicroPython's version, what it calls the machine, and the .mpy version that it takes."""

    name: str
    version: tuple[int, int, int]
    machine: str
    mpy: int
    firmware_loaded: bool

    @property
    def release(self) -> str:
        """Its version as in `1.29.0`."""
        return ".".join(str(part) for part in self.version)


class BoardFile(NamedTuple):
    """A file on a board: octets, and the first eight octets of its SHA-256 in hexadecimal."""

    octets: int
    digest: str


def _went_away(device: str, error: Exception) -> BearerLost:
    return BearerLost(
        f"{device}: the board went away ({error}); plug it in and do this again: what is half done is done anew"
    )


def _goes(device: str) -> bool:
    """Whether a device is gone, or is so in a moment: a line falls silent before its name vanishes."""
    until_s = time.monotonic() + _GONE_WITHIN_S
    while os.path.exists(device):
        if time.monotonic() >= until_s:
            return False
        time.sleep(_STEP_S)
    return True


@contextlib.contextmanager
def _told(device: str) -> Iterator[None]:
    """Errors of mpremote and of the serial port as ours, and nothing of mpremote's on the standard output."""
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    except TransportExecError as error:
        if "ENOSPC" in str(error) or "Errno 28" in str(error):
            raise BoardFull(f"{device}: the board's file system is full; remove files of yours from it") from error
        said = str(error).strip()[-_SHOWN_CHARACTERS:]
        raise BoardRefused(f"{device}: the board ended with an exception:\n{said}") from error
    except (OSError, serial.SerialException, termios.error, struct.error, TypeError) as error:
        raise _went_away(device, error) from error
    except TransportError as error:
        # What was pulled out in the moment in which mpremote looks for an answer reads as an answer of no octets.
        if _goes(device):
            raise _went_away(device, error) from error
        raise BoardSilent(f"{device}: the board does not answer as a REPL does ({error}); reset it by hand") from error


class Repl:
    """The raw REPL of a board. Its firmware does not run meanwhile.

    Args:
        device: the serial device.
        patience_s: how long the board may be silent while it runs code.
    Raises:
        BearerBusy: another program holds the port.
        BearerMissing: no such device, or no permission.
    """

    def __init__(self, device: str, patience_s: float = _PATIENCE_S) -> None:
        self.device = device
        self._patience_s = patience_s
        self._asked = 0
        self._transport = self._opened()

    def _opened(self) -> SerialTransport:
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                transport = SerialTransport(self.device, _BAUD, timeout=_READ_TIMEOUT_S)
        except (TransportError, OSError, ValueError) as error:
            # mpremote keeps the reason to itself.
            try:
                serial.serial_for_url(self.device, exclusive=True).close()
            except (serial.SerialException, OSError, ValueError) as reason:
                raise explain_port(self.device, reason) from error
            raise BearerLost(f"{self.device}: the port cannot be opened now ({error}); do this again") from error
        # A pty and a port behave alike here: what is there is read, and nothing is waited for.
        transport.is_pty = False
        return transport

    def close(self) -> None:
        """Gives the port free. A second call does nothing."""
        with contextlib.suppress(OSError, serial.SerialException, termios.error):
            give_free(self._transport.serial)
            self._transport.close()
        # mpremote leaves a port open that went away.
        with contextlib.suppress(OSError, serial.SerialException):
            self._transport.serial.close()

    def __enter__(self) -> Repl:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    # --- Getting it -------------------------------------------------------------------------------------------------

    def interrupt(self) -> None:
        """Ends what runs, so that the board takes code. A firmware that has started a watchdog is reset first.

        Raises:
            BearerLost: the board went away.
            BoardSilent: it gives no REPL; the message says what to do.
        """
        with _told(self.device):
            given = self._asked_for_prompt(_CTRL_C * 2, _AT_ONCE_S)
        if given and not self.system().firmware_loaded:
            return
        if given:
            self.reset()
        self._interrupt_start()

    def _interrupt_start(self) -> None:
        """Meets the board in the first moments after its reset, in which its port may be gone."""
        until_s = time.monotonic() + _AFTER_RESET_S
        ask_s = 0.0
        while time.monotonic() < until_s:
            with contextlib.suppress(OSError, serial.SerialException, termios.error):
                # Who misses those moments asks again.
                if time.monotonic() >= ask_s:
                    self._transport.serial.write(_ASK_FOR_REPL)
                    ask_s = time.monotonic() + _ASK_EVERY_S
                if self._asked_for_prompt(_CTRL_C, _STEP_S * 4):
                    return
                continue
            self._again(until_s)
        raise BoardSilent(
            f"{self.device}: the board gives no REPL. Reset it by hand while this waits; if that does not help, put "
            "MicroPython onto it anew: `pumprig boards --known` says how"
        )

    def _again(self, until_s: float) -> None:
        self.close()
        while time.monotonic() < until_s:
            if os.path.exists(self.device):
                with contextlib.suppress(BearerLost):
                    self._transport = self._opened()
                    return
            time.sleep(_STEP_S)
        raise BearerLost(f"{self.device}: the board went away and did not come back; plug it in and do this again")

    def _asked_for_prompt(self, before: bytes, within_s: float) -> bool:
        port = self._transport.serial
        port.write(before + _RAW_REPL)
        # A board that tells of its window had not heard this yet: the next one reaches it at once.
        if not self._hears(within_s, lambda said: said.endswith(_RAW_PROMPT) or _WINDOW in said).endswith(_RAW_PROMPT):
            return False
        # Octets are answered in their order: with this all else that was asked for has been answered.
        self._asked += 1
        mark = f"asked {self._asked}".encode()
        answers_within_s = self._patience_s / _PATIENCE_S * _ANSWER_S
        port.write(b"print('%s')\x04" % mark)
        if mark not in self._hears(answers_within_s, lambda said: _ended(said, mark)):
            return False
        # mpremote begins with the last octet of a prompt.
        port.write(_RAW_REPL)
        self._transport.read_until(1, _RAW_PROMPT[:-1], timeout=answers_within_s)
        self._transport.in_raw_repl = True
        return True

    def _hears(self, within_s: float, enough: Callable[[bytes], bool]) -> bytes:
        port = self._transport.serial
        said = b""
        until_s = time.monotonic() + within_s
        while not enough(said) and time.monotonic() < until_s:
            if port.in_waiting:
                said += port.read(port.in_waiting)
            else:
                time.sleep(_STEP_S / 10)
        return said

    # --- What one does there ----------------------------------------------------------------------------------------

    def run(self, code: str) -> str:
        """Runs code and returns what it printed.

        Args:
            code: MicroPython source.
        Raises:
            BoardRefused: it ended with an exception, which is in the message.
            BearerLost: the board went away.
        """
        with _told(self.device):
            said = self._executed(code).decode("utf-8", "replace")
        # What a chip prints ends its lines as a terminal wants it; a unix port's does not.
        return said.replace("\r\n", "\n")

    def _executed(self, code: str) -> bytes:
        said, error = self._transport.exec_raw(code, timeout=self._patience_s)
        if error:
            raise TransportExecError(said, error.decode("utf-8", "replace"))
        return bytes(said)

    def system(self) -> System:
        """What runs on the board."""
        found = re.search(r"^\(.*\)$", self.run(_SYSTEM), re.MULTILINE)
        if found is None:
            raise BoardRefused(f"{self.device}: the board does not say which MicroPython it runs")
        name, version, machine, mpy, loaded = _literal(found.group())
        return System(name, version, machine, mpy, loaded)

    def files(self, left_out: tuple[str, ...]) -> Mapping[str, BoardFile]:
        """All files of the board in one call, by path.

        Args:
            left_out: folders that are not looked into.
        """
        found = {}
        for line in self.run(_LIST.replace("{left_out!r}", repr(left_out))).splitlines():
            octets, digest, path = line.split(" ", 2)
            found[path] = BoardFile(int(octets), digest)
        return found

    def write(self, path: str, octets: bytes) -> None:
        """Writes a file: whole, or not at all when the board goes away meanwhile.

        Args:
            path: from the root of the board's file system.
            octets: what the file holds.
        Raises:
            BoardFull: there is no room for it.
        """
        aside = path + ".new"
        try:
            with _told(self.device):
                run = self._executed
                run(f"from binascii import a2b_base64\nf=open({aside!r},'wb')")
                # Octets as Python writes them take three characters each, these four for three.
                for at in range(0, len(octets), _CHUNK_OCTETS):
                    run(f"f.write(a2b_base64({b64encode(octets[at : at + _CHUNK_OCTETS])!r}))")
                run(f"f.close()\nimport os\nos.rename({aside!r},{path!r})")
        except BoardFull:
            with contextlib.suppress(BoardRefused, BoardFull):
                self.run(f"import os\nf.close()\nos.remove({aside!r})")
            raise

    def reset(self) -> None:
        """Resets the board; its firmware starts, and waits for Ctrl-C first."""
        with _told(self.device):
            self._transport.exec_raw_no_follow("import machine\nmachine.reset()")

    def start(self) -> None:
        """Resets the board and returns when its firmware has the line.

        Raises:
            BoardSilent: it did not come that far; the message has what the board printed.
        """
        self.reset()
        said = bytearray()
        until_s = time.monotonic() + _STARTS_WITHIN_S
        asked = 0
        while time.monotonic() < until_s:
            try:
                port = self._transport.serial
                said += port.read(port.in_waiting) if port.in_waiting else b""
                if HAS_THE_LINE in said:
                    return
                if said.count(_WINDOW) > asked:
                    asked += 1
                    # An octet that no key of a REPL sends ends the wait for Ctrl-C.
                    port.write(b" ")
            except (OSError, serial.SerialException, termios.error):
                self._again(until_s)
            time.sleep(_STEP_S / 5)
            if b"Traceback" in said and said.rstrip().endswith(b">>>"):
                break
        lines = bytes(said).decode("utf-8", "replace").strip().splitlines()
        told = "\n".join(retold(lines, default_firmware()))[-_SHOWN_CHARACTERS:]
        raise BoardSilent(f"{self.device}: the firmware does not start; the board printed:\n{told or '(nothing)'}")


def _ended(said: bytes, mark: bytes) -> bool:
    return mark in said and said.endswith(_RAW_ENDED)


def _literal(text: str) -> tuple[str, tuple[int, int, int], str, int, bool]:
    value = literal(text)
    assert isinstance(value, tuple)
    return value
