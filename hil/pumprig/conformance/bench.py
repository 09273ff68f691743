"""Where the server stands: opened anew for each case where that is possible, with whatever hands the bench has."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pumplink.boards import board_names, load_board
from pumplink.errors import BearerError
from pumplink.stacks import limits_of
from pumplink.virtual.clocks import Clock, Lockstep
from pumprig.bearers import SERIAL, BearerChoice
from pumprig.conformance.channel import Channel
from pumprig.conformance.model import NotPossible
from pumprig.conformance.octets import hex_of
from pumprig.conformance.session import CCP, SRCP, Session
from pumprig.dut import Dut, open_dut
from pumprig.errors import BlockedError
from pumpwire import database
from pumpwire.att import AttErrorCode
from pumpwire.database import Characteristic, Protection
from pumpwire.enums import FaultKind, IddFeatureFlags
from pumpwire.registry import MESSAGES

__all__ = ["Bench", "Noted"]

_LEAST_FEATURES_OCTETS = 8
_QUIET_S = 3.0
_QUIET_LOCKSTEP_S = 31.0


@dataclass(frozen=True)
class Noted:
    """Something wrong with a value, whatever the case was about.

    Args:
        kind: "e2e", "format", "size" or "pdu".
        case: id of the case during which it came.
        text: what is wrong, with the octets.
    """

    kind: str
    case: str
    text: str


class Bench:
    """A board, and the server on it.

    Args:
        board: as on the command line.
        clock: by what its time passes.
        firmware: another firmware for the virtual board.
        patience_s: host seconds that a case may take where time is real.
        bearer: the way to it.

    Attributes:
        limits: what the server's Bluetooth stack cannot do, by the keys of `pumplink.stacks`, each with its reason.
        features: what the server advertises.
        noted: what was wrong with values, over all cases.
        mandatory: characteristics that every server has.
    """

    mandatory = (
        database.STATUS_CHANGED, database.STATUS, database.ANNUNCIATION_STATUS, database.FEATURES, SRCP,
    )  # fmt: skip

    def __init__(
        self, board: str, clock: Clock, *, firmware: Path | None = None, patience_s: float = 10.0,
        bearer: BearerChoice = SERIAL,
    ) -> None:  # fmt: skip
        self.board = board
        self.bearer = bearer
        self.limits: dict[str, str] = {}
        self.clock = clock
        self.patience_s = patience_s
        self.features = IddFeatureFlags(0)
        self.noted: list[Noted] = []
        self.case = ""
        self._faults: set[FaultKind] = set()
        self._firmware = firmware
        self._dut: Dut | None = None
        self._channel: Channel | None = None
        self._there: dict[Characteristic, bool] = {}
        try:
            self._know()
        except BaseException as error:
            self.close()
            if isinstance(error, BearerError):
                raise BlockedError(str(error), where=board) from None
            raise

    # --- The server ---------------------------------------------------------------------------------------------

    @property
    def lockstep(self) -> bool:
        """Whether waiting costs nothing."""
        return isinstance(self.clock, Lockstep)

    @property
    def virtual(self) -> bool:
        """Whether there can be a fresh server at any time."""
        return not self.board.startswith(("port:", "id:", "ble:"))

    @property
    def quiet_s(self) -> float:
        """After so many seconds without a sign nothing more is expected."""
        return _QUIET_LOCKSTEP_S if self.lockstep else _QUIET_S

    def host_seconds(self, seconds: float) -> float:
        """What some DUT seconds cost here."""
        return 0.0 if self.lockstep else seconds / max(1, self.clock.scale)

    def has(self, characteristic: Characteristic) -> bool:
        """Whether the server has a characteristic."""
        return self._there.get(characteristic, False)

    def is_protected(self, characteristic: Characteristic) -> bool:
        """Whether the values of a characteristic carry counter or CRC."""
        if characteristic.protection is Protection.NONE:
            return False
        if characteristic.clause.startswith("vendor"):
            return True
        return bool(self.features & IddFeatureFlags.E2E_PROTECTION)

    def note(self, kind: str, text: str) -> None:
        """Keeps what is wrong with a value."""
        self.noted.append(Noted(kind, self.case, text))

    def session(self, *, fresh: bool = False) -> Session:
        """A fresh connection, with `fresh` on a fresh server where that is possible."""
        if fresh and self.virtual:
            self.close()
        if self._dut is None:
            self._dut = open_dut(self.board, self.clock, firmware=self._firmware, bearer=self.bearer)
            self._channel = Channel(self._dut.bearer, lambda octets: self.note("pdu", hex_of(octets)))
        assert self._channel is not None
        session = Session(self, self._channel)
        session.open()
        return session

    def end_case(self, session: Session, *, spent: bool) -> None:
        """Leaves no therapy running: a virtual server that is spent ends, another one is stopped."""
        if spent and self.virtual:
            self.close()
        elif session.touched or self._faults:
            self.calm()

    def calm(self) -> None:
        """Takes faults back, ends what the server delivers, and puts it into Stop."""
        from pumprig.conformance.steps import calm

        try:
            session = self.session()
            for kind in tuple(self._faults):
                self.fault(session, kind, 0)
            if self.has(CCP):
                calm(session)
        except BearerError:
            if not self.virtual:
                raise
            self.close()

    def close(self) -> None:
        """Gives the server up."""
        if self._dut is not None:
            self._dut.close()
        self._dut = self._channel = None
        self._faults.clear()

    def _know(self) -> None:
        session = self.session()
        octets = session.read_octets(database.FEATURES)
        if not isinstance(octets, bytes) or len(octets) < _LEAST_FEATURES_OCTETS:
            self.close()
            raise BlockedError(
                "IDD Features cannot be read, so nothing is known of the server", where=self.board,
                remedy="Is an Insulin Delivery Service with the handles of protocol/SPEC.md on the other end?",
            )  # fmt: skip
        self.features = IddFeatureFlags(int.from_bytes(octets[5:8], "little"))
        for characteristic in database.CHARACTERISTICS.values():
            if characteristic.handle < database.RIG_HANDLES_FROM:
                self._there[characteristic] = _is_there(session, characteristic)
        if self.bearer.radio:
            self.limits = self._stack_limits(session)
        if self.virtual:
            self.close()
        self.noted.clear()

    # The model of a pump of ours is the name of its board, whose data tells what its stack cannot do.
    def _stack_limits(self, session: Session) -> dict[str, str]:
        octets = session.read_octets(database.MODEL_NUMBER)
        name = octets.decode(errors="replace") if isinstance(octets, bytes) else ""
        return limits_of(load_board(name)) if name in board_names() else {}

    # --- Hands --------------------------------------------------------------------------------------------------

    def power_cycle(self, session: Session) -> None:
        """Takes the server's power away and gives it back; the connection is opened again.

        Raises:
            NotPossible: nobody can do that here.
        """
        if self._dut is None or self._dut.board is None:
            raise NotPossible("the server's power cannot be switched from here; the virtual board's can")
        self._dut.power_cycle()
        session.open()

    def fault(self, session: Session, kind: FaultKind, value: int) -> None:
        """Injects a fault.

        Raises:
            NotPossible: the server has no emulator service.
        """
        if not self.has(database.EMULATOR_FAULT):
            raise NotPossible("the server has no emulator service to inject faults with")
        message = MESSAGES["EmulatorFault"].build(fault_kind=kind, fault_value=value)
        error = session.write_octets(
            database.EMULATOR_FAULT.handle, session.protected(database.EMULATOR_FAULT, message)
        )
        if error != 0:
            raise NotPossible(f"the emulator service does not take the fault {kind.name.lower()}")
        (self._faults.add if value else self._faults.discard)(kind)


def _is_there(session: Session, characteristic: Characteristic) -> bool:
    if characteristic.configuration_handle is not None:
        bits = 2 if "indicate" in characteristic.properties else 1
        error = session.configure(characteristic, bits)
        session.configure(characteristic, 0)
        return error == 0
    if "read" in characteristic.properties:
        return isinstance(session.read_octets(characteristic), bytes)
    # A value that can only be written: an empty one is refused, but not for its handle.
    error = session.write_octets(characteristic.handle, b"")
    if session.channel.closed:
        session.open(subscribe=False)
    return error != AttErrorCode.INVALID_HANDLE
