"""A run from plan to reports: opens the board, lets the rig work, and leaves a folder that tells everything."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pumplink.ble.passkey import redacted
from pumplink.boards import default_firmware, firmware_hash
from pumplink.btsnoop import Capture, capture_link
from pumplink.errors import BearerError, BoardUnavailable
from pumplink.own_controller import OwnControllerError, can_be_loaded, own_firmware
from pumplink.virtual.clocks import Clock, Lockstep
from pumplink.virtual.frames import LinkFrame
from pumprig.bearers import SERIAL, BearerChoice
from pumprig.devices.choice import Devices
from pumprig.dut import is_dead, open_dut
from pumprig.errors import BlockedError, PumprigError, RigError, UsageError
from pumprig.plan import RunPlan, start_second
from pumprig.record import RunRecord, new_run_folder
from pumprig.rig import Rig
from pumprig.scenario import Scenario
from pumprig.schedule import announced, make_schedule
from pumprig.verdict import EXIT_CODES, INTERRUPTED_EXIT_CODE, Reason, Verdict, VerdictBook
from pumpwire.vendor import WIRE_VERSION

__all__ = ["BROKE_OFF", "Outcome", "RunOptions", "execute", "make_plan"]

REAL_TIME_NICENESS = -15
BROKE_OFF = "the run did not come to its end"


@dataclass(frozen=True)
class RunOptions:
    """How a plan is run, apart from what it is.

    Args:
        board: `virtual`, `id:SERIAL` or `port:DEVICE`.
        clock: by what time passes.
        out: the folder that holds runs.
        firmware: another firmware folder for the virtual board.
        live: start the live view in a process of its own.
        report: write report.html, junit.xml and signals.npz.
        hang_timeout_s: host seconds after which a silent virtual board counts as hung.
        capture: a btsnoop file for all ATT PDUs of the run, None for none.
        bearer: the way to the board.
        probe: the probe on the motor pin: `virtual`, `id:SERIAL` or `port:DEVICE`; None for none.
        probe_firmware: hash of the one build that the probe may run, None for any.
    """

    board: str
    clock: Clock
    out: Path
    firmware: Path | None = None
    live: bool = False
    report: bool = True
    hang_timeout_s: float = 10.0
    capture: Path | None = None
    bearer: BearerChoice = SERIAL
    probe: str | None = None
    probe_firmware: bytes | None = None


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Args:
        folder: its record.
        verdict: the verdict.
        reasons: why it is no PASS.
        exit_code: for the command line.
        summary: run.json's content.
    """

    folder: Path
    verdict: Verdict
    reasons: tuple[Reason, ...]
    exit_code: int
    summary: dict[str, Any]


def make_plan(
    scenario: Scenario,
    clock: Clock | None = None,
    *,
    without: frozenset[str] = frozenset(),
    fixed: bytes | None = None,
) -> RunPlan:
    """Read a scenario's trace, or its patient, and lay out its schedule.

    Args:
        scenario: what to do.
        clock: by what time will pass; lockstep when None.
        without: checks to switch off.
        fixed: hash of the one firmware that the board may run.

    Raises:
        UsageError: the trace or the scenario cannot be used.
    """
    devices, given = Devices.of(scenario), frozenset(scenario.pump.model_fields_set)
    devices.refuse(scenario, given)
    scenario = devices.fitted(scenario.settled(), given)
    pump = devices.oracle_settings
    scenario.refuse_levels(pump.pulse_mu, pump.reservoir_capacity_mu)
    scenario.refuse_controller(pump)
    patient = scenario.patient_plan()
    there = scenario.load_trace()
    trace = devices.sensed(there, scenario.cgm_age_minutes, measured=patient is None)
    start_s = start_second(clock.scale if clock else 0)
    told = announced(scenario, patient, there)
    schedule = make_schedule(told, trace, start_s, devices.latency_s, there.duration_minutes)
    return RunPlan(scenario, trace, schedule, without, fixed, patient, devices)


def execute(plan: RunPlan, options: RunOptions) -> Outcome:
    """Run a plan and write its record and reports.

    Raises:
        PumprigError: the run could not be made; its record is kept up to that moment.
        UsageError: the file of an own controller is none; there is no record.
    """
    file = plan.scenario.own_controller
    if file is None:
        return _execute(plan, options)
    try:
        with own_firmware(file, options.firmware) as firmware:
            loads = can_be_loaded(firmware)
            return _execute(replace(plan, own_loads=loads), replace(options, firmware=firmware))
    except BoardUnavailable as error:
        raise BlockedError(str(error)) from None
    except OwnControllerError as error:
        raise UsageError(error.what, where=error.where, allowed=error.allowed) from None


def _execute(plan: RunPlan, options: RunOptions) -> Outcome:
    inputs = _inputs(plan, options)
    folder = new_run_folder(options.out, _run_id(plan, options))
    record = RunRecord(folder)
    book = VerdictBook()
    record.meta(**inputs, verdict=None, complete=False)
    viewer = _start_viewer(folder) if options.live else None
    rigs: list[Rig] = []
    problem: PumprigError | None = None
    interrupted = False
    try:
        with _priority(options.clock):
            _open_and_run(plan, options, record, book, rigs)
    except PumprigError as error:
        problem = error
        book.add(Reason(Verdict.ERROR, error.message))
    except KeyboardInterrupt:
        interrupted = True
        book.add(Reason(Verdict.INCONCLUSIVE, "the run was interrupted"))
    except Exception as error:  # noqa: BLE001 - a defect of the rig must cost neither the record nor a proven FAIL
        problem = _broken(folder, error)
        book.add(Reason(Verdict.ERROR, problem.message))
    finished = bool(rigs) and rigs[0].finished and not interrupted and problem is None
    if not finished and book.verdict is Verdict.PASS:
        # What ended it was switched off with its check.
        book.add(Reason(Verdict.INCONCLUSIVE, BROKE_OFF))
    wanted = plan.scenario.expect.verdict
    if wanted != "PASS" and book.verdict is Verdict.PASS:
        book.add(Reason(Verdict.FAIL, f"the scenario expects {wanted}, and the run passed", check="expectation"))
    # A proven FAIL is final, whatever broke or was broken off afterwards.
    exit_code = EXIT_CODES[book.verdict]
    if book.verdict is not Verdict.FAIL:
        exit_code = INTERRUPTED_EXIT_CODE if interrupted else problem.exit_code if problem else exit_code
    summary, unwritten = _close(record, rigs[0] if rigs else None, book, exit_code, finished=finished)
    problem = problem or unwritten
    try:
        if options.report:
            _write_reports(folder)
    except RigError as error:
        problem = problem or error
    finally:
        if viewer is not None:
            viewer.wait()
    if problem is not None and book.verdict is not Verdict.FAIL:
        raise problem
    return Outcome(folder, book.verdict, book.reasons, exit_code, summary)


def _broken(folder: Path, error: Exception) -> RigError:
    path = folder / "rig_error.txt"
    with contextlib.suppress(OSError):
        path.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
    return RigError(
        f"the rig broke: {type(error).__name__}: {error}; the record is kept", where=str(path),
        remedy="This is a defect of pumprig; report it with this folder.",
    )  # fmt: skip


def _open_and_run(
    plan: RunPlan, options: RunOptions, record: RunRecord, book: VerdictBook, rigs: list[Rig]
) -> None:
    try:
        dut = open_dut(
            options.board, options.clock, firmware=options.firmware, hang_timeout_s=options.hang_timeout_s,
            pump_data=plan.devices.pump_data, bearer=options.bearer, probe=options.probe,
        )  # fmt: skip
    except BearerError as error:
        if not is_dead(error):
            raise BlockedError(str(error)) from None
        _log_output(record, redacted(getattr(error, "output", [])))
        book.add(Reason(Verdict.FAIL, str(error), "D-954", "alive"))
        return
    capture: Capture | None = None
    try:
        rig = Rig(plan, dut, record, book)
        rigs.append(rig)
        if dut.probe is not None:
            record.meta(probe=dut.probe.record())
            dut.probe.refuse_other(options.probe_firmware)
        if options.capture is not None:
            capture = _start_capture(rig, options.capture)
        rig.run()
    finally:
        # The board ends whatever the record still takes.
        dut.close()
        if capture is not None:
            capture.close()
        _log_output(record, dut.output)
        if dut.board is not None:
            _keep_frames(record, dut.board.last_frames)


def _start_capture(rig: Rig, path: Path) -> Capture:
    try:
        return capture_link(rig.link, path)
    except OSError as error:
        raise UsageError(f"cannot be written: {error.strerror}", where=f"--capture {path}") from None


@contextlib.contextmanager
def _priority(clock: Clock) -> Iterator[None]:
    """Where it is allowed, rig and virtual board go before other work of this machine: lateness makes a run unfit."""
    if isinstance(clock, Lockstep) or not hasattr(os, "setpriority"):
        yield
        return
    before = os.getpriority(os.PRIO_PROCESS, 0)
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, REAL_TIME_NICENESS)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, 0, before)


def _log_output(record: RunRecord, lines: Sequence[str]) -> None:
    for line in lines:
        record.log(line)


def _keep_frames(record: RunRecord, frames: Iterable[LinkFrame]) -> None:
    for frame in frames:
        record.frame(frame.at_s, frame.direction, frame.data)


def _run_id(plan: RunPlan, options: RunOptions) -> str:
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    return f"{stamp}-{plan.scenario.controller_word}-{options.board.partition(':')[0]}"


def _hash_of(firmware: Path | None) -> str | None:
    try:
        return firmware_hash(firmware).hex() if firmware is not None else None
    except OSError as error:
        raise UsageError(
            f"the firmware cannot be read: {error.strerror}", where=str(error.filename), allowed="a folder with main.py"
        ) from None


def _inputs(plan: RunPlan, options: RunOptions) -> dict[str, Any]:
    scenario, trace = plan.scenario, plan.trace
    firmware = options.firmware
    if firmware is None and not options.board.startswith(("port:", "id:", "ble:")):
        firmware = default_firmware()
    return {
        "pumprig": version("pumprig"),
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "scenario": json.loads(scenario.to_json()),
        "seed": scenario.seed,
        "controller": scenario.controller_word,
        "board": options.board,
        "bearer": str(options.bearer),
        "cgm_bearer": options.bearer.cgm,
        "allow_lab": options.bearer.allow_lab,
        "connection_interval_ms": options.bearer.interval_ms or None,
        "clock": str(options.clock),
        "probe": {"name": options.probe} if options.probe is not None else None,
        "without": sorted(plan.without),
        "trace_sha256": trace.source_sha256,
        "trace_format": trace.source_format,
        "trace_notes": list(trace.notes),
        "trace_duplicates_dropped": trace.duplicates_dropped,
        "samples": len(trace.samples),
        "devices": plan.devices.record(),
        "firmware_hash": _hash_of(firmware),
        "firmware_folder": str(options.firmware) if options.firmware is not None else None,
        "capture": str(options.capture.resolve()) if options.capture is not None else None,
        "wire_version": WIRE_VERSION,
        "proves": "logic and order" if isinstance(options.clock, Lockstep) else "logic, order and deadlines of speed",
    }


def _start_viewer(folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "pumprig.live", str(folder)])


# Each file gets its end, whatever the others still take, and run.json says so when one did not. Returns the summary,
# and what could not be written first.
def _close(
    record: RunRecord, rig: Rig | None, book: VerdictBook, exit_code: int, *, finished: bool
) -> tuple[dict[str, Any], RigError | None]:
    summary: dict[str, Any] = {
        "without": sorted(rig.plan.without) if rig is not None else [],
        "start_s": rig.plan.schedule.start_s if rig is not None else 0,
        "verdict": book.verdict.name,
        "reasons": [reason.as_dict() for reason in book.reasons],
        "exit_code": exit_code,
    }
    now_s = 0.0
    if rig is not None:
        summary |= rig.summary()
        now_s = rig.pace.now_s
    verdict = {key: summary.get(key, {}) for key in ("verdict", "reasons", "checks")}
    writes: tuple[Callable[[], None], ...] = (
        lambda: record.meta(**summary, host_seconds=round(record.host_s, 3)),
        lambda: record.event("verdict", now_s, **verdict),
        lambda: record.close(complete=finished and problem is None),
    )
    problem: RigError | None = None
    for write in writes:
        try:
            write()
        except RigError as error:
            problem = problem or error
    if problem is not None:
        book.add(Reason(Verdict.ERROR, problem.message))
        failed = book.verdict is Verdict.FAIL
        summary |= {
            "verdict": book.verdict.name,
            "reasons": [reason.as_dict() for reason in book.reasons],
            "exit_code": exit_code if failed else problem.exit_code,
        }
        with contextlib.suppress(RigError):
            record.meta(**summary)
    doses = (record.folder / "doses.jsonl").read_bytes()
    told = {"complete": finished and problem is None, "doses_sha256": hashlib.sha256(doses).hexdigest()}
    return summary | told, problem


def _write_reports(folder: Path) -> None:
    from pumprig.report import read_record, write_junit, write_report, write_signals

    try:
        record = read_record(folder)
        write_signals(folder, record)
        write_junit(folder, record)
        write_report(folder, record)
    except OSError as error:
        raise RigError(
            f"cannot write the report: {error.strerror}; the record is kept", where=str(folder),
            remedy="Free some space and run `pumprig report` on it.",
        ) from None  # fmt: skip
