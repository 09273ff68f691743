"""What the benchmark measures of the virtual radio, both Bluetooth hosts and the firmware included, in host time."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from pumplink.ble.bearer import BleBearer
from pumplink.ble.radios import virtual_bearer
from pumplink.link import Link
from pumplink.pump import Pump
from pumplink.virtual import Lockstep, VirtualBoard
from pumprig.bench_figures import BenchError, Figure

__all__ = ["radio_commands", "radio_history", "radio_security"]

NOW = datetime(2026, 3, 4)
COMMANDS = 300
RECORDS = 5000
RECORDS_BY_TBR = 8
APART_S = 0.5


@contextmanager
def _pump() -> Iterator[tuple[Pump, BleBearer]]:
    with VirtualBoard(clock=Lockstep(), ble=True) as board:
        bearer = virtual_bearer(board)
        with Pump(Link(bearer)) as pump:
            pump.set_clock(NOW)
            pump.write_basal_profile([(1440, 1)])
            pump.activate(1)
            pump.start()
            yield pump, bearer


def radio_commands(_rounds: int) -> list[Figure]:
    """Set TBR over the air, from the write to its indication, and a read of 16 octets."""
    taken_ms: dict[str, list[float]] = {"command": [], "question": []}
    with _pump() as (pump, _):
        for _ in range(COMMANDS):
            pump.run_for(APART_S)
            start = time.perf_counter()
            pump.set_tbr(2, 30)
            taken_ms["command"].append((time.perf_counter() - start) * 1000)
            start = time.perf_counter()
            pump.pulse_counters()
            taken_ms["question"].append((time.perf_counter() - start) * 1000)
            pump.cancel_tbr()
    command, question = (round(statistics.median(taken_ms[name]), 3) for name in ("command", "question"))
    return [
        Figure("radio_command_to_response_median", command, "ms", "below 5"),
        Figure("radio_read_median", question, "ms"),
    ]


def radio_history(rounds: int) -> list[Figure]:
    """Reading 5,000 history records over the air."""
    taken = []
    with _pump() as (pump, _):
        while pump.history_count() < RECORDS:
            # In their own seconds a TBR and its end leave some records each.
            for _ in range(RECORDS // RECORDS_BY_TBR):
                pump.set_tbr(2, 30)
                pump.cancel_tbr()
        oldest = pump.history()[-RECORDS].sequence
        for _ in range(rounds):
            start = time.perf_counter()
            if len(pump.history(oldest)) != RECORDS:
                raise BenchError(f"the pump did not tell {RECORDS} records")
            taken.append(time.perf_counter() - start)
    return [Figure("radio_history_5000_records", statistics.median(taken), "s", "at most 20")]


def radio_security(rounds: int) -> list[Figure]:
    """From link-up to an encrypted link: with a passkey, and by a bond."""
    paired_ms: list[float] = []
    encrypted_ms: list[float] = []
    for _ in range(rounds):
        with VirtualBoard(clock=Lockstep(), ble=True) as board:
            bearer = virtual_bearer(board)
            link = Link(bearer)
            for taken_ms in (paired_ms, encrypted_ms, encrypted_ms):
                link.open()
                taken_ms.append(bearer.port.secured_in_s * 1000)
                link.close()
            bearer.close()
    return [
        Figure("radio_pairing_from_link_up", round(statistics.median(paired_ms), 1), "ms", "below 200"),
        Figure("radio_reencryption_from_link_up", round(statistics.median(encrypted_ms), 1), "ms", "below 20"),
    ]
