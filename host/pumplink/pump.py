"""A pump with typed methods: commands, state, history, controller, and what the emulator knows of itself."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Self

from pumplink.client import Client
from pumplink.controllers import Controllers
from pumplink.emulator import Emulator
from pumplink.link import Link
from pumplink.procedures import Amount
from pumplink.records import Records
from pumplink.results import Procedure
from pumplink.state import State
from pumplink.templates import Templates
from pumplink.therapy import Therapy
from pumpwire import database
from pumpwire.enums import StatusChangedFlags

__all__ = ["Amount", "Pump"]


class Pump(Therapy, Templates, State, Records, Controllers, Emulator):
    """An insulin pump at the other end of a link.

    As a context manager it opens the connection, subscribes, and gives link and bearer back at the end.

    Args:
        link: the connection.
        strict: see `Client`.
    """

    def __init__(self, link: Link, *, strict: bool = True) -> None:
        self.link = link
        self.client = Client(link, strict=strict)

    def __enter__(self) -> Self:
        if not self.link.is_open:
            self.link.open()
            self.subscribe()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self.link.close()
        finally:
            self.link.bearer.close()

    @property
    def now_s(self) -> float:
        """DUT seconds, as the bearer counts them."""
        return self.link.now_s

    def run_until(self, at_s: float) -> float:
        """Lets DUT time pass until `at_s`; handlers are called meanwhile. Returns the lateness in DUT seconds."""
        return self.link.run_until(at_s)

    def run_for(self, seconds: float) -> float:
        """Lets `seconds` of DUT time pass; see `run_until`."""
        return self.link.run_until(self.link.now_s + seconds)

    def subscribe(self) -> None:
        """Asks for what procedures need, and for status changes and controller decisions (IDS 1.0.2, 3.11)."""
        for characteristic in (
            database.STATUS_READER_CONTROL_POINT,
            database.COMMAND_CONTROL_POINT,
            database.COMMAND_DATA,
            database.RECORD_ACCESS_CONTROL_POINT,
            database.HISTORY_DATA,
            database.STATUS_CHANGED,
            database.CONTROLLER_DECISION,
        ):
            self.client.subscribe(characteristic)

    def on_status_changed(self, callback: Callable[[StatusChangedFlags, float], None]) -> None:
        """Calls `callback(flags, at_s)` for every indication of IDD Status Changed."""
        self.client.on_message(database.STATUS_CHANGED, lambda got: callback(got.fields["flags"], got.at_s))

    def on_procedure(self, callback: Callable[[Procedure], None]) -> None:
        """Calls `callback(procedure)` after every procedure and every written message."""
        self.client.on_procedure(callback)
