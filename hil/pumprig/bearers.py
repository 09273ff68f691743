"""Which way a command takes to a pump: the options `--bearer` and its companions, and the bearers that they mean."""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from pumplink.bearer import Bearer
from pumplink.errors import BearerError, PumpLinkError
from pumplink.link import Link
from pumplink.pump import Pump
from pumplink.stacks import limits_of
from pumprig.errors import BlockedError, UsageError
from pumpwire.enums import RadioFlags

if TYPE_CHECKING:
    from pumplink.ble.finding import Wanted
    from pumplink.ble.passkey import Source
    from pumplink.boards import BoardData
    from pumplink.results import Radio
    from pumplink.virtual.board import VirtualBoard

__all__ = ["SERIAL", "BearerChoice", "Cable", "allow_lab", "bearer_options", "radio_of_board", "real_radio"]

ALLOWED = "serial, usb, ble, ble+hci:TRANSPORT such as ble+hci:usb:0"
_HCI = "ble+hci:"
_INTERVAL = "--connection-interval-ms"
_INTERVALS = "0, or 7.5 to 100 in steps of 1.25"
_ADDRESS = re.compile(r"([0-9A-F]{2}:){5}[0-9A-F]{2}|[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}", re.IGNORECASE)


@dataclass(frozen=True)
class BearerChoice:
    """A way to a pump.

    Args:
        kind: `serial`, `usb`, `ble`, or `ble+hci`.
        transport: of `ble+hci`, as Bumble names it.
        cgm: `serial` when the sensor goes by the cable beside the radio; None for the same way.
        passkey: that the pump shows, when it was given; never kept.
        allow_lab: name of the board that is allowed lab use; None for none.
        interval_ms: DUT milliseconds between two connection events of the virtual board's radio; 0: packets travel at
            once.
    """

    kind: str = "serial"
    transport: str = ""
    cgm: str | None = None
    passkey: int | None = None
    allow_lab: str | None = None
    interval_ms: float = 0.0

    @staticmethod
    def of(
        bearer: str, cgm_bearer: str | None = None, passkey: str | None = None, allow_lab: str | None = None,
        interval_ms: float | None = None,
    ) -> BearerChoice:  # fmt: skip
        """What the options of a command line mean.

        Raises:
            UsageError: one of them means nothing, or not beside the others.
        """
        kind, transport = bearer, ""
        if bearer.startswith(_HCI):
            kind, transport = _HCI.rstrip(":"), bearer.removeprefix(_HCI)
        if kind not in ("serial", "usb", "ble", "ble+hci") or (kind == "ble+hci" and not transport):
            raise UsageError(f"{bearer} is no bearer", where="--bearer", allowed=ALLOWED)
        radio = kind.startswith("ble")
        given = {
            "--cgm-bearer": cgm_bearer, "--passkey": passkey, "--allow-lab": allow_lab, _INTERVAL: interval_ms or None,
        }  # fmt: skip
        for option, value in given.items():
            if value is not None and not radio:
                raise UsageError(f"this is for a radio, and the bearer is {kind}", where=option, allowed="--bearer ble")
        if cgm_bearer not in (None, "serial", "ble"):
            raise UsageError(f"{cgm_bearer} is no bearer for the sensor", where="--cgm-bearer", allowed="serial, ble")
        if passkey is not None and not re.fullmatch(r"\d{6}", passkey):
            raise UsageError("that is no passkey", where="--passkey", allowed="the six digits that the pump shows")
        if interval_ms and not _is_interval(interval_ms):
            raise UsageError(f"{interval_ms:g} is no connection interval", where=_INTERVAL, allowed=_INTERVALS)
        return BearerChoice(
            kind, transport, "serial" if cgm_bearer == "serial" else None, None if passkey is None else int(passkey),
            allow_lab, interval_ms or 0.0,
        )  # fmt: skip

    @property
    def radio(self) -> bool:
        """Whether it is a radio."""
        return self.kind.startswith("ble")

    def __str__(self) -> str:
        return f"{self.kind}:{self.transport}" if self.transport else self.kind


# As the link layer counts intervals (Bluetooth Core 5.4, Vol 6, Part B, 4.5.1). A command takes two; with longer ones
# none is answered in time (D-952).
def _is_interval(interval_ms: float) -> bool:
    return 7.5 <= interval_ms <= 100 and (interval_ms / 1.25).is_integer()


SERIAL = BearerChoice()

_OPTIONS = (
    click.option(
        "--bearer", metavar="serial|usb|ble|ble+hci:TRANSPORT",
        help="The way to the pump. ble is the virtual board's radio, or this machine's adapter; ble+hci a dongle of "
        "its own, such as ble+hci:usb:0.  [default: serial]",
    ),
    click.option("--cgm-bearer", metavar="serial|ble", help="Another way for the sensor: the cable beside the radio."),
    click.option("--passkey", metavar="DIGITS", help="What the pump shows; by itself where its console is seen."),
    click.option("--allow-lab", metavar="NAME", help="Let a board without authenticated pairing, by its name, dose."),
    click.option(
        _INTERVAL, "interval_ms", type=float, metavar="MS",
        help="How often the virtual board's radio carries packets, in the pump's time: 7.5 to 100.  [default: at once]",
    ),
)  # fmt: skip


def bearer_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Gives a command the options of a bearer, as its argument `bearer`: a choice, or None when none was given."""

    @functools.wraps(function)
    def chosen(
        *arguments: Any, bearer: str | None, cgm_bearer: str | None, passkey: str | None, allow_lab: str | None,
        interval_ms: float | None, **others: Any,
    ) -> Any:  # fmt: skip
        choice = None
        if (bearer, cgm_bearer, passkey, allow_lab, interval_ms) != (None,) * 5:
            choice = BearerChoice.of(bearer or "serial", cgm_bearer, passkey, allow_lab, interval_ms)
        return function(*arguments, bearer=choice, **others)

    command = chosen
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


class Cable:
    """The serial line beside a radio, by which a rig that nobody watches learns what the radio does not tell.

    Args:
        bearer: the line. Others may use it before and after.
    """

    def __init__(self, bearer: Bearer) -> None:
        self.bearer = bearer

    def radio(self) -> Radio | None:
        """State of the radio; None when nobody answers on the line."""
        try:
            return self._asked(Pump.radio)
        except PumpLinkError:
            return None

    def passkey(self) -> int | None:
        """The passkey that is shown now."""
        radio = self.radio()
        return None if radio is None else radio.passkey

    def allow_lab(self, name: str) -> None:
        """Lets a board dose whose peers nobody can authenticate.

        Raises:
            BlockedError: the board refused, or nobody answers.
        """
        try:
            self._asked(lambda pump: pump.allow_lab(name))
        except (PumpLinkError, ValueError) as error:
            raise BlockedError(
                str(error), where=f"--allow-lab {name}", allowed="the name of a board that says `lab only`"
            ) from None

    def _asked(self, question: Callable[[Pump], Any]) -> Any:
        link = Link(self.bearer)
        link.open(attempts=2)
        try:
            return question(Pump(link))
        finally:
            link.close()


def radio_of_board(board: VirtualBoard, choice: BearerChoice) -> Bearer:
    """The radio of a virtual board.

    Args:
        board: started, with a radio.
        choice: `ble`.
    Raises:
        BlockedError: it cannot be used.
    """
    from pumplink.ble.radios import virtual_bearer
    from pumplink.ble.split import SplitBearer

    allow_lab(board, choice)
    try:
        radio = virtual_bearer(board, passkey=_given(choice), serve=choice.cgm is None)
    except BearerError as error:
        raise BlockedError(str(error)) from None
    if choice.cgm is None:
        return radio
    return SplitBearer(radio, board.bearer(), lambda: board.uart_waiting)


def allow_lab(board: VirtualBoard, choice: BearerChoice, held: Bearer | None = None) -> None:
    """Allows a virtual board what `--allow-lab` says, by its cable; nothing without that option.

    Args:
        board: started.
        choice: what the command line says.
        held: the bearer in use, of which the cable may be a part.
    Raises:
        BlockedError: the board refused.
    """
    if choice.allow_lab is None:
        return
    line = getattr(held, "cgm", None)
    if line is not None:
        Cable(line).allow_lab(choice.allow_lab)
        return
    with board.bearer() as line:
        Cable(line).allow_lab(choice.allow_lab)


def real_radio(name: str, choice: BearerChoice, line: Bearer | None, data: BoardData | None = None) -> Bearer:
    """A radio of this machine.

    Args:
        name: as given on the command line; `ble:ADDRESS` or `ble:NAME` for a pump without a cable.
        choice: `ble` or `ble+hci`.
        line: the cable to the board; None without one.
        data: of the board; None where only the pump itself can tell what it is.
    Raises:
        UsageError: the options do not go together.
        BlockedError: the radio cannot be used.
    """
    if choice.interval_ms:
        raise UsageError(f"{name} and its peer choose their own", where=_INTERVAL, allowed="the virtual board")
    from pumplink.ble.radios import hci_bearer, system_bearer
    from pumplink.ble.split import SplitBearer

    cable = None if line is None else Cable(line)
    split = choice.cgm == "serial" or choice.kind == "ble"
    if split and line is None:
        raise UsageError(
            "the sensor needs the cable here, and a pump that is named by its radio has none", where="--cgm-bearer",
            remedy="Name the board by its serial device, or use --bearer ble+hci with a dongle.",
        )  # fmt: skip
    if choice.allow_lab is not None:
        if cable is None:
            raise UsageError("lab use is allowed by the cable", where="--allow-lab", allowed="a board with one")
        cable.allow_lab(choice.allow_lab)
    told = None if cable is None else cable.radio()
    wanted = _wanted(name, told)
    try:
        if choice.kind == "ble":
            radio = system_bearer(wanted=wanted)
        else:
            radio = hci_bearer(
                choice.transport, wanted=wanted, passkey=_source(choice, cable), serve=not split, lab=_lab(told, data)
            )
    except BearerError as error:
        raise BlockedError(str(error)) from None
    return SplitBearer(radio, line) if split and line is not None else radio


def _wanted(name: str, told_by_cable: Radio | None) -> Wanted:
    from pumplink.ble.finding import Wanted

    if name.startswith("ble:"):
        told = name.removeprefix("ble:")
        return Wanted(address=told) if _ADDRESS.fullmatch(told) else Wanted(name=told or None)
    # Any pump in the air would be somebody else's.
    if told_by_cable is None or not any(told_by_cable.address):
        why = "nobody answers on the cable" if told_by_cable is None else "its radio has no address"
        raise BlockedError(
            f"which radio is this board's is not known: {why}", where=f"--board {name}",
            allowed="a board with a radio that runs the firmware, or ble:ADDRESS",
        )  # fmt: skip
    return Wanted(address=told_by_cable.address.hex(":").upper())


def _lab(told_by_cable: Radio | None, data: BoardData | None) -> bool:
    """Whether the board can show no passkey: its data says so, or, without data, its own cable."""
    if data is not None:
        return "passkey" in limits_of(data)
    return told_by_cable is not None and bool(told_by_cable.flags & RadioFlags.LAB_ONLY)


def _given(choice: BearerChoice) -> Source | None:
    return None if choice.passkey is None else lambda: choice.passkey


def _source(choice: BearerChoice, cable: Cable | None) -> Source:
    given = _given(choice)
    if given is not None:
        return given
    return _Asked() if cable is None else cable.passkey


class _Asked:
    """Asks whoever sits at the terminal, once for a pairing."""

    def __call__(self) -> int | None:
        if not sys.stdin.isatty():
            return None
        told = click.prompt("The passkey that the pump shows", err=True, type=click.IntRange(0, 999_999))
        return int(told)
