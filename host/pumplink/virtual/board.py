"""The virtual board: the firmware under MicroPython's unix port, in a process of its own, and its supervisor."""

from __future__ import annotations

import contextlib
import math
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from pumplink.boards import BoardData, board_module, default_firmware, load_board
from pumplink.errors import BearerBusy, BearerError, BearerLost, BoardDied, BoardHung, BoardReset, PowerCut
from pumplink.pack import PackedFirmware
from pumplink.pump_data import PumpData, known_pump_data
from pumplink.virtual import frames
from pumplink.virtual.bearer import VirtualBearer
from pumplink.virtual.clocks import Clock, Lockstep
from pumplink.virtual.frames import LinkFrame, Reset
from pumplink.virtual.launch import firmware_for_board, fit_flash, link_sockets, start_process
from pumplink.virtual.output import BoardOutput
from pumplink.virtual.pty import BoardPty
from pumplink.virtual.radio import Stack, open_radio, with_radio, without_radio

if TYPE_CHECKING:
    from pumplink.virtual.radio.radio import Radio

__all__ = ["LinkFrame", "Reset", "VirtualBoard"]

WATCHDOG_CAUSE = 3
RESET_EXIT = 0xA5

_RECEIVE_BYTES = 1 << 18
_UART_PART_BYTES = 1024
_KEPT_FRAMES = 100
_US = 1_000_000
_FLASH = "flash.bin"
_CUT_KINDS = {"lost": 1, "half": 2, "garbage": 3}
_NOTIFY_QUEUE = 12
# How far a board in lockstep may compute past its grant before that is called a hang.
_OVERRUN_US = 100_000


class VirtualBoard:
    """Real firmware on MicroPython's unix port, as a board with UART, pins, analog inputs, watchdog and clock.

    Args:
        board_dir: the folder with `board.toml`, a loaded board, or the name of a known board.
        firmware_dir: the folder with `main.py`; the installed firmware when None.
        clock: `Lockstep()`, `Scaled(n)` or `Realtime()`.
        heap_bytes: the firmware's heap; the board's own when None.
        workdir: the board's file system, kept afterwards; a temporary one when None.
        ticks_start_ms: what the board's tick counters show at its start (they wrap at 2**30).
        auto_restart: starts the board again after a reset, as a real one does; otherwise a reset is `BoardReset`.
        cut_at_operation: the power goes in this operation of the flash (a programming or an erasing), counted from 1
            at each start; whoever waits for the board gets `PowerCut`, and the next `start` runs without a cut.
        cut_kind: what becomes of that operation: `lost`, `half` or `garbage`.
        hang_timeout_s: host seconds until a silent board counts as hung: in lockstep always, else while it boots.
        pump_data: what kind of pump it is: constants of the firmware's module `settings` with other values.
        ble: it has a radio, with the module `bluetooth` for its firmware and `radio` for the host.
        ble_stack: `nimble` or `btstack`: whose limits that module has; when None, what the board's data says.
        connection_interval_ms: DUT milliseconds between two connection events; 0: a packet travels at once.

    Attributes:
        radio: what is around the board's radio, from `start` to `stop`; None for a board without one.
    Raises:
        ValueError: the board's data is wrong, or the firmware has no such constant.
        BoardUnavailable: a radio is asked for, and Bumble is not installed.
        FileNotFoundError: there is no `main.py` in the firmware's folder.
    """

    def __init__(
        self,
        board_dir: str | Path | BoardData = "virtual",
        firmware_dir: Path | None = None,
        clock: Clock | None = None,
        heap_bytes: int | None = None,
        workdir: Path | None = None,
        *,
        ticks_start_ms: int = 0,
        auto_restart: bool = False,
        cut_at_operation: int | None = None,
        cut_kind: str = "lost",
        hang_timeout_s: float = 10.0,
        pump_data: PumpData | None = None,
        ble: bool = False,
        ble_stack: str | None = None,
        connection_interval_ms: float = 0.0,
    ) -> None:
        self.data = board_dir if isinstance(board_dir, BoardData) else load_board(board_dir)
        self.firmware_dir = (firmware_dir or default_firmware()).resolve()
        if not (self.firmware_dir / "main.py").is_file():
            raise FileNotFoundError(f"{self.firmware_dir}: no main.py; name the folder of a firmware")
        self.pump_data = known_pump_data(pump_data, self.firmware_dir)
        self.clock: Clock = clock or Lockstep()
        self.heap_bytes = heap_bytes or int(str(self.data.sections.get("virtual", {}).get("heap_bytes", 262144)))
        self.ticks_start_ms = ticks_start_ms
        if cut_kind not in _CUT_KINDS:
            raise ValueError(f"cut kind is {cut_kind!r}; allowed are {', '.join(_CUT_KINDS)}")
        self.auto_restart = auto_restart
        self.cut_at_operation = cut_at_operation
        self.cut_kind = cut_kind
        self.hang_timeout_s = hang_timeout_s
        self.ble_stack: Stack | None = None
        if ble:
            self.data, self.ble_stack = with_radio(self.data, ble_stack)
        elif self.data.firmware.get("BLE"):
            self.data = without_radio(self.data)
        self.notify_queue = int(str(self.data.sections.get("limits", {}).get("notify_queue", _NOTIFY_QUEUE)))
        self._interval_s = connection_interval_ms / 1000
        self.radio: Radio | None = self._open_radio()
        self.uart_id = int(self.data.firmware.get("UART_ID", 0))
        self.motor_pin = int(self.data.firmware.get("MOTOR_PIN", -1))
        self.reset_cause = 1
        self.resets: list[Reset] = []
        self.shim_heap_bytes = 0
        self.last_frames: deque[LinkFrame] = deque(maxlen=_KEPT_FRAMES)
        self.watchdog_ms = 0
        self._given_work = workdir
        self._work: Path | None = None
        self._remove_work: Callable[[], object] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._packed: PackedFirmware | None = None
        self._socket: socket.socket | None = None
        self._output = BoardOutput()
        self._pulse_callbacks: list[Callable[[int, int], None]] = []
        self._pin_callbacks: list[Callable[[int, int, int, int], None]] = []
        self._inbox = bytearray(_RECEIVE_BYTES)
        self._inbox_view = memoryview(self._inbox)
        self._inbox_used = 0
        self._outbox = bytearray()
        self._sending = threading.Lock()
        self._received = bytearray()
        self._received_us = 0
        self._base_us = 0
        self._now_us = 0
        self._latest_us = 0
        self._zero = 0.0
        self._idle = False
        self._reset: Reset | None = None
        self._cut: tuple[float, int] | None = None
        self._fed_us = -1
        self._bearer: VirtualBearer | None = None

    # --- Life ---------------------------------------------------------------------------------------------------

    def start(self) -> VirtualBoard:
        """Starts the board and returns when its firmware sleeps for the first time.

        Raises:
            BoardDied: the firmware did not come that far; the message holds its last output.
            BoardHung: it neither ended nor slept.
            BoardUnavailable: this machine has no MicroPython; the message says how to get one.
        """
        if self._process is not None:
            raise BearerBusy("the virtual board is already running; stop it first, or use its bearer")
        source = board_module(self.data, self.firmware_dir)
        if self.radio is not None and self.radio.loop.is_closed():
            self.radio = self._open_radio()
        try:
            if self._work is None:
                self._work = self._file_system()
            (self._work / "board.py").write_text(source, encoding="utf-8")
            fit_flash(self._work / _FLASH, self.data)
            self._boot()
        except PowerCut:
            raise
        except BaseException:
            self.stop()
            raise
        return self

    def _open_radio(self) -> Radio | None:
        return None if self.ble_stack is None else open_radio(self, self.ble_stack, self._interval_s)

    def _file_system(self) -> Path:
        if self._given_work is not None:
            self._given_work.mkdir(parents=True, exist_ok=True)
            return self._given_work.resolve()
        work = Path(tempfile.mkdtemp(prefix="pumprig-board-")).resolve()
        # A board that nobody stops, and one that runs at the end of Python, leave no folder behind either.
        self._remove_work = weakref.finalize(self, shutil.rmtree, work, ignore_errors=True)
        return work

    def _boot(self) -> None:
        assert self._work is not None
        self._socket, board = link_sockets(self.hang_timeout_s)
        self._inbox_used = 0
        self._idle = False
        self._reset = None
        self._cut = None
        self._fed_us = -1
        if self.radio is not None:
            self.radio.board_starts()
        with board:
            self._packed = firmware_for_board(self.firmware_dir, self.pump_data)
            self._process = start_process(
                link_fd=board.fileno(),
                work=self._work,
                firmware=self._packed.path,
                heap_bytes=self.heap_bytes,
                scale=self.clock.scale,
                ticks_start_ms=self.ticks_start_ms,
                reset_cause=self.reset_cause,
                cut_at_operation=self.cut_at_operation or 0,
                cut_kind=_CUT_KINDS[self.cut_kind],
                ble_stack=self.ble_stack or 0,
                notify_queue=self.notify_queue,
            )
        self._output.read(self._process, self._packed.told)
        while not self._idle:
            self._take(block=True)

    def stop(self) -> None:
        """Ends the board and removes its temporary file system. A second call does nothing."""
        self._end_process()
        if self.radio is not None:
            self.radio.close()
        if self._remove_work is not None:
            self._remove_work()
        self._work = None
        if self._bearer is not None:
            self._bearer.board_ended()
            self._bearer = None

    def kill(self) -> None:
        """Takes the board's power away at once; its file system and its flash stay for another `start`."""
        self._end_process()
        self.reset_cause = 1

    def _end_process(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._output.join()
            self._process = None
            self._packed = None
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if self.radio is not None:
            self.radio.board_ends()

    def __enter__(self) -> VirtualBoard:
        return self.start() if self._process is None else self

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    # --- What one sees of it ------------------------------------------------------------------------------------

    @property
    def now_s(self) -> float:
        """DUT seconds since the start; a reset does not set them back."""
        if self.clock.scale and self._process is not None:
            return (time.monotonic() - self._zero) * self.clock.scale
        return self._now_us / _US

    @property
    def output(self) -> list[str]:
        """The last lines the board printed, tracebacks included."""
        return self._output.lines

    @property
    def tracebacks(self) -> int:
        """How many tracebacks the board has printed."""
        return self._output.tracebacks

    @property
    def running(self) -> bool:
        """True between `start` and the end of the board's process."""
        return self._process is not None and self._process.poll() is None

    def fileno(self) -> int:
        """The descriptor that becomes readable when the board has something to say.

        Raises:
            BearerLost: the board is not running.
        """
        if self._socket is None:
            raise self._gone()
        return self._socket.fileno()

    def on_pulse(self, callback: Callable[[int, int], None]) -> None:
        """Calls `callback(at_us, due_us)` for every pulse of the motor pin, in order, in DUT microseconds.

        `due_us` is the deadline the firmware last woke for, or the time of its last look at input: never before the
        second in which the pulse was due, and in that second as long as the board is less than a second late.
        """
        self._pulse_callbacks.append(callback)

    def on_pin(self, callback: Callable[[int, int, int, int], None]) -> None:
        """Calls `callback(pin, level, at_us, due_us)` for every edge of every output pin."""
        self._pin_callbacks.append(callback)

    def bearer(self) -> VirtualBearer:
        """The board's UART as a bearer.

        Raises:
            BearerBusy: it is already in use.
        """
        if self._bearer is not None:
            raise BearerBusy("the virtual board's UART is in use; close the bearer (or the pty) that holds it first")
        self._bearer = VirtualBearer(self)
        return self._bearer

    def pty(self) -> BoardPty:
        """Joins the board's UART to a pseudo-terminal for another program; not in lockstep.

        Raises:
            ValueError: the board's clock is lockstep.
            BearerBusy: the UART is already in use.
        """
        return BoardPty(self)

    # --- What one does to it ------------------------------------------------------------------------------------

    def set_analog(self, pin: int, value: int) -> None:
        """Sets what `ADC(pin).read_u16()` reads, 0 to 65535, from the board's next step on."""
        if not 0 <= value <= 0xFFFF:
            raise ValueError(f"analog value of pin {pin} is {value}; allowed is 0 to 65535")
        self._send(frames.ANALOG.pack(frames.ANALOG_KIND, 3, pin, value))

    def set_level(self, pin: int, level: bool) -> None:
        """Sets the level of an input pin, from the board's next step on."""
        self._send(frames.LEVEL.pack(frames.LEVEL_KIND, 2, pin, int(level)))

    def write_uart(self, data: bytes) -> None:
        """Sends octets into the board's UART. In lockstep they arrive at the present DUT time."""
        for at in range(0, len(data), _UART_PART_BYTES):
            part = data[at : at + _UART_PART_BYTES]
            self._send(frames.HEAD.pack(frames.UART_KIND, len(part) + 1) + bytes([self.uart_id]) + part)
        self.last_frames.append(LinkFrame(self.now_s, "to_board", self.uart_id, bytes(data)))

    @property
    def uart_waiting(self) -> bool:
        """Whether `read_uart` has octets to give at once."""
        return bool(self._received)

    def read_uart(self, until_s: float) -> bytes:
        """Lets DUT time pass until the board sends octets, at most until `until_s`; none when it was reached."""
        if not self._received:
            self.run_until(until_s, lambda: bool(self._received))
        data = bytes(self._received)
        self._received.clear()
        return data

    def send_radio(self, frame: bytes) -> None:
        """Gives the board's stack an event. In lockstep it arrives at the present DUT time."""
        with self._sending:
            self._outbox += frames.HEAD.pack(frames.RADIO_KIND, len(frame)) + frame
            if self.clock.scale and self._socket is not None:
                # A board that is gone is missed by whoever waits for it.
                with contextlib.suppress(OSError):
                    self._socket.sendall(self._outbox)
                self._outbox.clear()

    def reply_radio(self, frame: bytes) -> None:
        """Gives the board the reply it waits for; what waits for the next grant stays behind."""
        with self._sending:
            if self._socket is not None:
                with contextlib.suppress(OSError):
                    self._socket.sendall(frames.HEAD.pack(frames.RADIO_KIND, len(frame)) + frame)

    # --- Time ---------------------------------------------------------------------------------------------------

    def run_until(self, until_s: float, stop: Callable[[], bool] = lambda: False) -> bool:
        """Lets DUT time pass until `stop()` is true, at most until `until_s`; the radio runs meanwhile.

        Args:
            until_s: DUT seconds.
            stop: asked after everything that has happened.
        Returns:
            What `stop()` said last.
        Raises:
            BearerError: the board ended, or its firmware did.
        """
        until_us = round(until_s * _US)
        radio = self.radio
        while True:
            limit_us = until_us
            if radio is not None:
                radio.settle()
                limit_us = min(until_us, max(self._now_us + 1, math.ceil(min(radio.next_timer_s * _US, until_us))))
            if stop():
                return True
            if self.clock.scale:
                if not self._run_free(limit_us / _US) and self.now_s >= until_s:
                    return stop()
            elif self._now_us >= until_us:
                return False
            else:
                self._grant(limit_us)

    def _grant(self, until_us: int, *, wait: bool = True) -> None:
        # A board that is not idle works on a grant that nobody waited for yet.
        if self._idle:
            self._outbox += frames.GRANT.pack(frames.GRANT_KIND, 8, until_us - self._base_us)
            self._idle = False
            self._flush()
        while wait and not self._idle:
            self._take(block=True)
            if self._latest_us > until_us + _OVERRUN_US:
                raise self._hung(f"it computed on to {self._latest_us / _US:.3f} s without a sleep")

    # Waits for a sign of the board; false when `until_s` came first.
    def _run_free(self, until_s: float) -> bool:
        left_s = (until_s - self.now_s) / self.clock.scale
        if self._readable(max(0.0, min(left_s, self._watchdog_left_s()))):
            self._take(block=False)
            return True
        self._check_watchdog()
        return False

    def _readable(self, timeout_s: float) -> bool:
        return bool(select.select([self.fileno()], [], [], timeout_s)[0])

    # A feed is reported at most every quarter period, so a sound board can look a quarter older than it is.
    def _watchdog_left_s(self) -> float:
        if self._fed_us < 0:
            return 3600.0
        bites_s = (self._fed_us + self.watchdog_ms * 1250) / _US
        return max(0.0, (bites_s - self.now_s) / self.clock.scale) + 0.05

    def _check_watchdog(self) -> None:
        if self._fed_us >= 0 and self.now_s > (self._fed_us + self.watchdog_ms * 1250) / _US:
            self._after_reset(Reset(self.now_s, WATCHDOG_CAUSE))

    # --- The link -----------------------------------------------------------------------------------------------

    def _send(self, frame: bytes) -> None:
        with self._sending:
            if self._socket is None:
                raise self._gone()
            self._outbox += frame
            if self.clock.scale:
                self._flush()

    def _flush(self) -> None:
        if self._socket is None:
            raise self._gone()
        try:
            self._socket.sendall(self._outbox)
        except BlockingIOError:
            raise self._hung("it takes nothing from its link any more") from None
        except OSError:
            # The board is gone; what it said last tells why.
            self._take(block=True)
        finally:
            self._outbox.clear()

    def _take(self, block: bool) -> None:
        if self._socket is None:
            raise self._gone()
        try:
            view = self._inbox_view[self._inbox_used :]
            count = self._socket.recv_into(view, 0, 0 if block else socket.MSG_DONTWAIT)
        except BlockingIOError:
            if block:
                raise self._hung(f"no sign of life for {self.hang_timeout_s:g} s of host time") from None
            return
        except ConnectionResetError:
            count = 0
        if count == 0:
            raise self._died()
        self._parse(self._inbox_used + count)
        if self.radio is not None:
            self.radio.serve()
        if self._cut is not None:
            self._after_cut(*self._cut)
        if self._reset is not None:
            self._after_reset(self._reset)

    def _parse(self, end: int) -> None:
        inbox = self._inbox
        at = 0
        while end - at >= 3:
            kind, count = frames.HEAD.unpack_from(inbox, at)
            body = at + 3
            if end - body < count:
                break
            at = body + count
            if kind == frames.PIN_KIND:
                at_us, due_us, pin, level = frames.EDGE.unpack_from(inbox, body)
                self._edge(at_us + self._base_us, due_us + self._base_us, pin, level)
            elif kind == frames.UART_KIND:
                at_us = frames.STAMP.unpack_from(inbox, body)[0] + self._base_us
                self._uart(at_us, inbox[body + 8], inbox[body + 9 : at])
            elif kind == frames.RADIO_KIND and self.radio is not None:
                self._now_us = self._latest_us = frames.STAMP.unpack_from(inbox, body)[0] + self._base_us
                self.radio.take(bytes(inbox[body + 8 : at]))
            elif kind == frames.IDLE_KIND:
                self._idle = True
                self._now_us = self._latest_us = frames.IDLE.unpack_from(inbox, body)[0] + self._base_us
            elif kind == frames.WATCHDOG_KIND:
                fed_us, self.watchdog_ms = frames.WATCHDOG.unpack_from(inbox, body)
                self._fed_us = fed_us + self._base_us
            elif kind == frames.RESET_KIND:
                at_us, cause = frames.RESET.unpack_from(inbox, body)
                self._reset = Reset((at_us + self._base_us) / _US, cause)
            elif kind == frames.CUT_KIND:
                at_us, operation = frames.CUT.unpack_from(inbox, body)
                self._cut = ((at_us + self._base_us) / _US, operation)
            elif kind == frames.HELLO_KIND:
                self._hello(*frames.HELLO.unpack_from(inbox, body))
            else:
                raise BearerLost(f"the virtual board's link carries an unknown frame {kind:#04x}; stop the board")
        rest = end - at
        if rest and at:
            inbox[:rest] = inbox[at:end]
        self._inbox_used = rest

    def _hello(self, host_us: int, shim_heap_bytes: int) -> None:
        self.shim_heap_bytes = shim_heap_bytes
        if self.clock.scale:
            # Where MicroPython reads the clock that Python reads, a busy host falsifies nothing.
            now_s, told_s = time.monotonic(), host_us / _US
            began_s = told_s if 0 <= now_s - told_s < self.hang_timeout_s else now_s
            self._zero = self._zero or began_s
            self._base_us = round((began_s - self._zero) * self.clock.scale * _US)

    def _edge(self, at_us: int, due_us: int, pin: int, level: int) -> None:
        self._latest_us = at_us
        if level and pin == self.motor_pin:
            for pulse in self._pulse_callbacks:
                pulse(at_us, due_us)
        for edge in self._pin_callbacks:
            edge(pin, level, at_us, due_us)

    def _uart(self, at_us: int, uart: int, data: bytearray) -> None:
        self._latest_us = self._received_us = at_us
        self.last_frames.append(LinkFrame(at_us / _US, "to_host", uart, bytes(data)))
        if uart == self.uart_id:
            self._received += data

    # --- Ends ---------------------------------------------------------------------------------------------------

    def _after_reset(self, reset: Reset) -> None:
        self.resets.append(reset)
        self.reset_cause = reset.cause
        self._end_process()
        if not self.auto_restart:
            raise BoardReset(reset.cause, self.output, reset.at_s)
        self._base_us = self._now_us = round(reset.at_s * _US)
        self._outbox.clear()
        self._boot()

    def _after_cut(self, at_s: float, operation: int) -> None:
        self.cut_at_operation = None
        self.reset_cause = 1
        self._end_process()
        raise PowerCut(operation, at_s)

    def _died(self) -> BearerError:
        process = self._process
        if process is None:
            return self._gone()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=2)
        code = process.poll()
        at_s = self._latest_us / _US
        self._end_process()
        if code == 0:
            reason = "main.py came to its end; a pump's never does"
        elif code == 1:
            reason = "an exception left main.py"
        elif code is not None and code < 0:
            reason = f"its process was ended by {signal.Signals(-code).name}"
        else:
            reason = f"its process ended with exit code {code}"
        return BoardDied(reason, self.output, at_s)

    # The interrupt makes MicroPython print where it hangs.
    def _hung(self, reason: str) -> BoardHung:
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=0.5)
        self._end_process()
        return BoardHung(reason, self.output)

    @staticmethod
    def _gone() -> BearerLost:
        return BearerLost("the virtual board is not running; start it")
