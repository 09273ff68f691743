"""Speed and memory of the bench, as lines of `name value unit`: `make bench`, or `python -m pumprig.bench --json`.

A benchmark, not a test: figures depend on the machine. Times are medians over several rounds, in host time; memory is
what the firmware says of itself, on the 64-bit port of the virtual board. Behind a `#` stands what a figure should be;
one that misses it fails nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from pumplink.boards import default_firmware
from pumplink.cgm_server import CgmServer
from pumplink.errors import PumpLinkError
from pumplink.link import Link
from pumplink.pump import Pump
from pumplink.virtual import Lockstep, Realtime, VirtualBoard
from pumplink.virtual.launch import SHIM_HEAP_BYTES
from pumprig.bench_boards import flashing
from pumprig.bench_delivery import accuracy
from pumprig.bench_figures import BenchError, Figure
from pumprig.bench_firmware import allocation, firmware_codec, modules
from pumprig.bench_loop import oref_inside, oref_memory
from pumprig.bench_oref import LOOP_PROFILES, begin, oref_decisions
from pumprig.bench_patients import cohort, cohort_oref, patient_days
from pumprig.bench_radio import radio_commands, radio_history, radio_security
from pumprig.fuzz.campaign import fuzz
from pumprig.trace.synthetic import readings
from pumpwire import database
from pumpwire.enums import Controller
from pumpwire.generate.vectors import extremes
from pumpwire.registry import MESSAGES

__all__ = ["MEASURES", "BenchError", "Figure", "main"]

SAMPLE_S = 300
HOUR_S = 3600
WEEK_S = 7 * 24 * HOUR_S
SESSION_START = datetime(2026, 3, 4)
ATT_READS = 2000
ATT_VALUE_OCTETS = 16
"""With its counter and CRC, and the ATT opcode, these make a response of 20 octets."""
RECORDS = 5000
FUZZ_CASES = 3000
PROBE_PIN = 99
CODEC_PASSES = 50
CODEC_OCTETS_MIN = 15
"""Messages of this length, with every optional field in them."""
RUN_TIMEOUT_S = 300.0
"""A run that takes longer than this is stopped and has no figure."""

# Stands before the firmware's main.py: an edge of an input has the board say how much of its heap is free, and how
# much of it in one piece.
_PROBE = """
import gc
import machine

def _memory(pin):
    gc.collect()
    high = free = gc.mem_free()
    low = 0
    while high - low > 64:
        middle = (low + high) // 2
        try:
            bytearray(middle)
            low = middle
        except MemoryError:
            high = middle
    with open("/memory", "w") as file:
        file.write(str(free) + " " + str(low))

machine.Pin({pin}).irq(_memory)
"""


def write_trace(path: Path, days: int) -> None:
    """Write a plain CSV of synthetic days in a row, each with its own sensor noise."""
    lines = ["time,glucose_mg_dl"]
    for day in range(days):
        lines += [f"{(at + timedelta(days=day)).isoformat()},{mg_dl}" for at, mg_dl in readings(seed=day)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _run_s(days: int, rounds: int, controller: str = "plgs") -> float:
    """Host seconds of `pumprig run` as a whole process, from its start to the finished report.

    Its modules are compiled, as an installed package has them: where Python is told to keep none, each start compiles
    some 190 of them anew.
    """
    taken = []
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    start = [sys.executable, "-m", "pumprig.cli", "run", "--help"]
    subprocess.run(start, capture_output=True, check=False, timeout=RUN_TIMEOUT_S, env=environment)
    with tempfile.TemporaryDirectory(prefix="pumprig-bench-") as folder:
        trace = Path(folder) / "trace.csv"
        write_trace(trace, days)
        scenario = Path(folder) / "scenario.toml"
        scenario.write_text('trace = "trace.csv"\n' + (LOOP_PROFILES if controller == "oref" else ""), encoding="utf-8")
        command = [sys.executable, "-m", "pumprig.cli", "run", str(scenario)]
        command += ["--controller", controller, "--clock", "lockstep", "--out", str(Path(folder) / "runs")]
        for _ in range(rounds):
            began = time.perf_counter()
            run = subprocess.run(
                command, capture_output=True, text=True, check=False, timeout=RUN_TIMEOUT_S, env=environment
            )
            taken.append(time.perf_counter() - began)
            if run.returncode:
                said = (run.stderr or run.stdout).strip().splitlines()[-1:]
                raise BenchError(f"pumprig run ended with exit code {run.returncode}: {' '.join(said)}")
    return statistics.median(taken)


@contextmanager
def _pump(board: VirtualBoard) -> Iterator[tuple[Pump, CgmServer]]:
    """A virtual pump under plgs with 1 U/h, and its sensor."""
    board.start()
    try:
        link = Link(board.bearer())
        sensor = CgmServer(link, SESSION_START)
        with Pump(link) as pump:
            pump.set_clock(SESSION_START)
            pump.write_basal_profile([(1440, 1)])
            pump.activate(1)
            pump.set_controller(Controller.PLGS)
            pump.start()
            yield pump, sensor
    finally:
        board.stop()


def run_1_day(rounds: int) -> list[Figure]:
    """One day under plgs in lockstep as a whole process, report included."""
    return [Figure("run_1_day_lockstep", _run_s(1, rounds), "s")]


def run_14_days(rounds: int) -> list[Figure]:
    """Fourteen days (4,032 sample times) under plgs in lockstep as a whole process, all checks on."""
    return [Figure("run_14_days_lockstep", _run_s(14, rounds), "s")]


def run_1_day_oref(rounds: int) -> list[Figure]:
    """The same day under oref."""
    return [Figure("run_1_day_oref_lockstep", _run_s(1, rounds, "oref"), "s", "at most 3")]


def run_14_days_oref(rounds: int) -> list[Figure]:
    """The same fourteen days under oref."""
    return [Figure("run_14_days_oref_lockstep", _run_s(14, rounds, "oref"), "s", "at most 20")]


def att_read(_rounds: int) -> list[Figure]:
    """An ATT read whose response has 20 octets, through the whole firmware, in real time."""
    taken_us = []
    handle = database.EMULATOR_COUNTERS.handle
    with _pump(VirtualBoard(clock=Realtime())) as (pump, _):
        octets = len(pump.link.request_read(handle))
        if octets != ATT_VALUE_OCTETS:
            raise BenchError(f"Emulator Counters has {octets} octets, not {ATT_VALUE_OCTETS}: measure another value")
        for _ in range(ATT_READS):
            start = time.perf_counter()
            pump.link.request_read(handle)
            taken_us.append((time.perf_counter() - start) * 1e6)
    return [Figure("att_read_20_octets_median", round(statistics.median(taken_us), 1), "us")]


class _Probed:
    """A board in lockstep whose heap can be looked into."""

    def __init__(self, folder: Path) -> None:
        firmware = folder / "firmware"
        shutil.copytree(default_firmware(), firmware, ignore=shutil.ignore_patterns("__pycache__"))
        main = firmware / "main.py"
        main.write_text(_PROBE.format(pin=PROBE_PIN) + main.read_text(encoding="utf-8"), encoding="utf-8")
        self._answer = folder / "board" / "memory"
        self.board = VirtualBoard(firmware_dir=firmware, clock=Lockstep(), workdir=folder / "board")

    def figures(self, pump: Pump, when: str) -> list[Figure]:
        """What is free now, without what the shims were given beyond what they hold."""
        for level in (True, False):
            self.board.set_level(PROBE_PIN, level)
            pump.run_until(pump.now_s + 1)
        free, largest = (int(octets) for octets in self._answer.read_text(encoding="utf-8").split())
        free -= SHIM_HEAP_BYTES - self.board.shim_heap_bytes
        goal = "at least 16384" if when == "week" else ""
        return [
            Figure(f"firmware_free_heap_after_{when}", free, "octets"),
            Figure(f"firmware_largest_free_block_after_{when}", min(free, largest), "octets", goal),
        ]


def heap(_rounds: int) -> list[Figure]:
    """Free heap of the firmware after an hour and after a week of basal, samples and decisions."""
    figures = []
    samples = [mg_dl for _, mg_dl in readings(seed=0)]
    with tempfile.TemporaryDirectory(prefix="pumprig-bench-") as folder:
        probed = _Probed(Path(folder))
        with _pump(probed.board) as (pump, sensor):
            start_s = int(pump.now_s) + 1
            for number in range(WEEK_S // SAMPLE_S + 1):
                pump.run_until(start_s + number * SAMPLE_S + 0.5)
                if number * SAMPLE_S in {HOUR_S, WEEK_S}:
                    figures += probed.figures(pump, "hour" if number * SAMPLE_S == HOUR_S else "week")
                sensor.send(number * SAMPLE_S // 60, samples[number % len(samples)])
    return figures


def heap_oref(_rounds: int) -> list[Figure]:
    """The same after a day under oref, with carbs every six hours."""
    samples = [mg_dl for _, mg_dl in readings(seed=0)]
    with tempfile.TemporaryDirectory(prefix="pumprig-bench-") as folder:
        probed = _Probed(Path(folder))
        with _pump(probed.board) as (pump, sensor):
            begin(pump)
            start_s = int(pump.now_s) + 1
            for number in range(24 * HOUR_S // SAMPLE_S):
                pump.run_until(start_s + number * SAMPLE_S + 0.5)
                if number % 72 == 36:
                    pump.announce_carbs(40)
                sensor.send(number * SAMPLE_S // 60, samples[number % len(samples)])
            return probed.figures(pump, "day_of_oref")


def history(rounds: int) -> list[Figure]:
    """Reading 5,000 history records from the flash: host time in lockstep, and the pump's own time."""
    with _pump(VirtualBoard(clock=Lockstep())) as (pump, _):
        while pump.history_count() < RECORDS:
            # In their own seconds a TBR and its end leave some records each.
            for _ in range(RECORDS // 8):
                pump.set_tbr(2, 30)
                pump.cancel_tbr()
        oldest = pump.history()[-RECORDS].sequence
        host, line = [], []
        for _ in range(rounds):
            start, start_s = time.perf_counter(), pump.now_s
            if len(pump.history(oldest)) != RECORDS:
                raise BenchError(f"the pump did not tell {RECORDS} records")
            host.append(time.perf_counter() - start)
            line.append(pump.now_s - start_s)
        return [
            Figure("history_5000_records_lockstep", statistics.median(host), "s"),
            Figure("history_5000_records_pump_time", statistics.median(line), "s"),
        ]


def fuzzing(rounds: int) -> list[Figure]:
    """Fuzz cases in a second, each with its health request, boards started included."""
    taken = []
    for seed in range(rounds):
        outcome = fuzz(seed, FUZZ_CASES)
        if outcome.failure is not None:
            raise BenchError(f"seed {seed}: {outcome.failure.message}")
        taken.append(outcome.cases / outcome.seconds)
    return [Figure("fuzz_cases", round(statistics.median(taken)), "per second", "at least 1000")]


def host_codec(rounds: int) -> list[Figure]:
    """Decoding and encoding long messages on the host: with the generated codec, and by construct alone."""
    whole = ((message, extremes(message, greatest=True)) for message in MESSAGES.values())
    built = [(message, values, message.build(**values)) for message, values in whole]
    long = [(message, values, octets) for message, values, octets in built if len(octets) >= CODEC_OCTETS_MIN]

    def generated() -> None:
        for message, values, octets in long:
            message.parse(octets)
            message.build(**values)

    def declared() -> None:
        for message, values, octets in long:
            message.parse_declared(octets)
            message.build_declared(**values)

    taken: dict[str, float] = {}
    for name, work in (("host_codec", generated), ("construct", declared)):
        work()
        times = []
        for _ in range(rounds):
            start = time.perf_counter()
            for _ in range(CODEC_PASSES):
                work()
            times.append(time.perf_counter() - start)
        taken[name] = statistics.median(times) / CODEC_PASSES / len(long) * 1e6
    figures = [Figure(f"{name}_decode_encode", round(taken[name], 3), "us") for name in taken]
    ratio = round(taken["construct"] / taken["host_codec"], 1)
    return [*figures, Figure("host_codec_speed", ratio, "times construct", "at least 20")]


MEASURES: dict[str, Callable[[int], list[Figure]]] = {
    measure.__name__: measure
    for measure in (
        run_1_day, run_14_days, run_1_day_oref, run_14_days_oref, oref_decisions, oref_inside,
        oref_memory, att_read, history, fuzzing, host_codec, firmware_codec, allocation, heap, heap_oref, modules,
        patient_days, cohort, flashing, cohort_oref, accuracy, radio_commands, radio_history, radio_security,
    )
}  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    """Print the figures as they come; 1 when one could not be had."""
    parser = argparse.ArgumentParser(prog="python -m pumprig.bench", description="Measure speed and memory.")
    parser.add_argument("names", nargs="*", metavar="MEASURE", help=f"all when none is named: {', '.join(MEASURES)}")
    parser.add_argument("--rounds", type=int, default=3, help="runs of which the median is taken (default 3)")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of lines")
    options = parser.parse_args(arguments)
    if unknown := sorted(set(options.names) - set(MEASURES)):
        parser.error(f"there is no measure {', '.join(unknown)}; there are {', '.join(MEASURES)}")
    figures: list[Figure] = []
    failed = False
    for name in options.names or MEASURES:
        try:
            taken = MEASURES[name](max(1, options.rounds))
        except (BenchError, PumpLinkError, OSError, subprocess.TimeoutExpired) as error:
            print(f"{name}: {error}", file=sys.stderr)
            failed = True
            continue
        figures += taken
        if not options.json:
            print(*taken, sep="\n", flush=True)
    if options.json:
        shown = {
            figure.name: {"value": figure.value, "unit": figure.unit} | ({"goal": figure.goal} if figure.goal else {})
            for figure in figures
        }
        print(json.dumps(shown, indent=2))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
