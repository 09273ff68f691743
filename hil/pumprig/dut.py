"""The device under test: which board, over which bearer, by which clock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pumplink.bearer import Bearer
from pumplink.ble.passkey import redacted
from pumplink.boards import BoardData, board_names, has_single_floats, load_board
from pumplink.errors import BearerBusy, BearerError, BearerMissing, BoardUnavailable
from pumplink.plugged.lock import BoardLock
from pumplink.pump_data import PumpData
from pumplink.serial_bearer import SerialBearer
from pumplink.virtual.board import VirtualBoard
from pumplink.virtual.clocks import Clock, Lockstep, parse_clock
from pumprig.bearers import SERIAL, BearerChoice, allow_lab, radio_of_board, real_radio
from pumprig.errors import BlockedError, UsageError
from pumprig.motor_pin import MotorPin
from pumprig.motor_probe import MotorProbe, open_probe
from pumprig.plugged import ALLOWED, port_of, told

__all__ = ["Dut", "clock_of", "open_dut"]

_BAUD = 115200


@dataclass
class Dut:
    """An opened board.

    Args:
        name: as given on the command line.
        bearer: the way to it.
        clock: by what its time passes.
        board: the virtual board, None for a real one.
        lock: that of a real board's device.
        single: whether its data says that its floats are of single precision (D-1111).
        choice: which way the bearer takes.
        probe: the one on its motor pin, if there is one.
        pin: the motor pin of a virtual board.
    """

    name: str
    bearer: Bearer
    clock: Clock
    board: VirtualBoard | None = None
    lock: BoardLock | None = None
    single: bool = False
    choice: BearerChoice = SERIAL
    probe: MotorProbe | None = None
    pin: MotorPin | None = None

    @property
    def real_time(self) -> bool:
        """Whether computing takes time, so that checks of speed can be judged."""
        return not isinstance(self.clock, Lockstep)

    @property
    def is_of_this_host(self) -> bool:
        """Whether the pump is as quick as this host: a virtual one, also behind a line, where no other is scaled."""
        return self.board is not None or self.clock.scale > 1

    @property
    def has_own_time(self) -> bool:
        """Whether this host cannot hold the pump up: in lockstep nothing can, and a real board computes by itself."""
        return not self.real_time or not self.is_of_this_host

    @property
    def sees_pulses(self) -> bool:
        """Whether the rig sees the motor itself, apart from the pump's word."""
        return self.board is not None or self.probe is not None

    @property
    def motor_pulse_ms(self) -> int | None:
        """How long the data of a virtual board hold the motor pin high."""
        return int(self.board.data.firmware["MOTOR_PULSE_MS"]) if self.board is not None else None

    @property
    def output(self) -> list[str]:
        """What the board printed, as far as it can be seen, without passkeys."""
        return redacted(self.board.output) if self.board is not None else []

    @property
    def tracebacks(self) -> int:
        """How many tracebacks the board has printed, as far as it can be seen."""
        return self.board.tracebacks if self.board is not None else 0

    def power_cycle(self) -> None:
        """Takes the virtual board's power away and gives it back. What was allowed on the command line is allowed anew.

        Raises:
            BlockedError: it is no virtual board.
        """
        if self.board is None:
            raise BlockedError("only the virtual board's power can be switched from here", where=self.name)
        self.board.kill()
        if self.pin is not None:
            self.pin.power_lost()
        self.board.start()
        allow_lab(self.board, self.choice, self.bearer)

    def close(self) -> None:
        """Give the board up: a virtual one ends."""
        if self.probe is not None:
            self.probe.close()
        self.bearer.close()
        if self.board is not None:
            self.board.stop()
        if self.lock is not None:
            self.lock.release()


def clock_of(text: str) -> Clock:
    """The clock named on a command line.

    Raises:
        UsageError: no such clock.
    """
    try:
        return parse_clock(text)
    except ValueError as error:
        raise UsageError(str(error)) from None


def open_dut(
    name: str,
    clock: Clock,
    *,
    firmware: Path | None = None,
    on_pulse: Callable[[int, int], None] = lambda at_us, due_us: None,
    hang_timeout_s: float = 10.0,
    pump_data: PumpData | None = None,
    bearer: BearerChoice = SERIAL,
    probe: str | None = None,
) -> Dut:
    """Open the board named on a command line.

    Args:
        name: that of a board (`virtual` is started), `id:SERIAL`, `port:DEVICE`, or for a radio `ble:ADDRESS`.
        clock: lockstep needs the virtual board.
        firmware: another firmware folder for the virtual board.
        on_pulse: called with (at_us, due_us) for each motor pulse that is seen.
        hang_timeout_s: host seconds after which a silent virtual board counts as hung.
        pump_data: what kind of pump the virtual board is; a real one is what was flashed.
        bearer: the way to it.
        probe: the probe on its motor pin (`virtual`, `id:SERIAL` or `port:DEVICE`), None for none.

    Raises:
        UsageError: a name, clock or bearer that cannot be.
        BlockedError: no such board or probe, or it is busy, or there is no radio.
    """
    dut = _open(name, clock, firmware, on_pulse, hang_timeout_s, pump_data, bearer)
    if probe is not None:
        try:
            dut.probe = open_probe(probe, clock, lambda: dut.bearer.now_s, dut.board)
        except BaseException:
            dut.close()
            raise
    return dut


def _open(
    name: str, clock: Clock, firmware: Path | None, on_pulse: Callable[[int, int], None], hang_timeout_s: float,
    pump_data: PumpData | None, bearer: BearerChoice,
) -> Dut:  # fmt: skip
    if name.startswith("ble:"):
        return _open_aloft(name, clock, firmware, bearer)
    if name.startswith(("port:", "id:")):
        return _open_plugged(name, clock, firmware, None, bearer)
    try:
        data = load_board(name)
    except ValueError as error:
        raise UsageError(str(error), where="--board", allowed=ALLOWED) from None
    if data.kind != "virtual":
        return _open_plugged(name, clock, firmware, data, bearer)
    return _start_virtual(name, clock, firmware, on_pulse, hang_timeout_s, pump_data, bearer)


def _start_virtual(
    name: str, clock: Clock, firmware: Path | None, on_pulse: Callable[[int, int], None], hang_timeout_s: float,
    pump_data: PumpData | None, choice: BearerChoice,
) -> Dut:  # fmt: skip
    if choice.kind not in ("serial", "ble"):
        raise UsageError(f"the virtual board has no {choice.kind}", where="--bearer", allowed="serial, ble")
    try:
        single = has_single_floats(load_board(name))
        board = VirtualBoard(
            name, firmware, clock, hang_timeout_s=hang_timeout_s, pump_data=pump_data, ble=choice.radio,
            connection_interval_ms=choice.interval_ms,
        )  # fmt: skip
    except BearerError as error:
        raise BlockedError(str(error)) from None
    except (FileNotFoundError, ValueError) as error:
        raise UsageError(str(error), where="--firmware" if firmware else "--board") from None
    board.on_pulse(on_pulse)
    pin = MotorPin()

    def motor_edge(number: int, level: int, at_us: int, due_us: int) -> None:
        if number == board.motor_pin:
            pin.edge(level, at_us, due_us)

    board.on_pin(motor_edge)
    try:
        board.start()
    except BoardUnavailable as error:
        raise BlockedError(str(error)) from None
    if not choice.radio:
        return Dut(name, board.bearer(), clock, board, single=single, pin=pin)
    try:
        return Dut(name, radio_of_board(board, choice), clock, board, single=single, choice=choice, pin=pin)
    except BaseException:
        board.stop()
        raise


def _refuse_for_real(name: str, clock: Clock, firmware: Path | None) -> None:
    if isinstance(clock, Lockstep):
        raise UsageError(
            f"lockstep needs the virtual board, {name} keeps its own time", where="--clock",
            allowed="realtime, scaled:N",
        )  # fmt: skip
    if firmware is not None:
        raise UsageError("this is for the virtual board alone", where="--firmware", remedy="Flash it instead.")


def _open_aloft(name: str, clock: Clock, firmware: Path | None, choice: BearerChoice) -> Dut:
    """A pump that is known by its radio alone."""
    if not choice.radio:
        raise UsageError(f"{name} is a pump's radio, and the bearer is {choice}", where="--bearer", allowed="ble+hci")
    _refuse_for_real(name, clock, firmware)
    return Dut(name, real_radio(name, choice, None), clock, choice=choice)


def _open_plugged(
    name: str, clock: Clock, firmware: Path | None, data: BoardData | None, choice: BearerChoice
) -> Dut:
    _refuse_for_real(name, clock, firmware)
    device = port_of(name).device
    baud = _BAUD if data is None else int(data.firmware.get("BAUD", _BAUD))
    with told():
        lock = BoardLock(device)
    try:
        line = SerialBearer(device, baud, scale=max(1, clock.scale))
        bearer = real_radio(name, choice, line, data) if choice.radio else line
        single = data is not None and has_single_floats(data)
        return Dut(name, bearer, clock, lock=lock, single=single, choice=choice)
    except BaseException as error:
        lock.release()
        if isinstance(error, (BearerBusy, BearerMissing)):
            raise BlockedError(str(error)) from None
        raise


def known_boards() -> list[str]:
    """Names of the boards whose data is installed."""
    return board_names()


def is_dead(error: BearerError) -> bool:
    """Whether an error of the bearer proves that the pump itself died, not the way to it."""
    from pumplink.errors import BoardDied, BoardHung

    return isinstance(error, (BoardDied, BoardHung))
