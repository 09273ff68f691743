"""The matrix: a run for each sensor and pump, in processes of their own, and what came of each."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pumprig.devices.cgm import CgmProfile, cgm_names, load_cgm
from pumprig.devices.pump import PumpProfile, load_pump, pump_names
from pumprig.errors import UsageError
from pumprig.interop.trace import interop_trace_path
from pumprig.interop.why import why_of
from pumprig.suite.slots import Job, Run, run_jobs
from pumprig.trace import load_trace

__all__ = ["MANUAL", "Cell", "Matrix", "Settings", "run_matrix"]

MANUAL = "manual"
SECONDS_MAX = 180.0
# Two units are an amount of every pump. While the connection is away some sensors keep what they measure.
BOLUS_AT, BOLUS_IU = "00:40:00", 2
DOWN_AT, DOWN_SECONDS = "02:46:00", 1500
OREF = """\
[oref]
smb = true
smb_always = true
[pump]
isf_profile = [{ duration_minutes = 1440, isf_mg_dl_per_iu = 45 }]
icho_profile = [{ duration_minutes = 1440, icho_ratio_g_per_iu = 10 }]
target_profile = [{ duration_minutes = 1440, low_mg_dl = 100, high_mg_dl = 110 }]
"""
"""What controller oref needs to know of the one who wears the pumps."""


@dataclass(frozen=True)
class Settings:
    """What a matrix is run with.

    Attributes:
        pumps, sensors: whose rows and columns there are.
        controller: on every pump that it can act on.
        trace: a file; the one that comes with pumprig when None.
        firmware: another firmware folder.
    """

    pumps: tuple[PumpProfile, ...]
    sensors: tuple[CgmProfile, ...]
    controller: str = "plgs"
    trace: Path | None = None
    firmware: Path | None = None

    @classmethod
    def of(cls, pumps: Sequence[str], sensors: Sequence[str], **values: Any) -> Settings:
        """The settings of names; all devices where none is named.

        Raises:
            UsageError: there is no device of a name.
        """
        rows = tuple(load_pump(name) for name in pumps or pump_names())
        columns = tuple(load_cgm(name) for name in sensors or cgm_names())
        return cls(rows, columns, **values)

    @property
    def trace_path(self) -> Path:
        """The file that is replayed."""
        return self.trace or interop_trace_path()

    def controller_of(self, pump: PumpProfile, cgm: CgmProfile) -> str:
        """The controller of a cell: none that doses where it must not or cannot."""
        return self.controller if cgm.dosing.value and pump.basal_adjustable.value else MANUAL


@dataclass(frozen=True)
class Cell:
    """What came of one sensor with one pump.

    Attributes:
        pump, cgm: the devices.
        run: of the rig.
        numbers: what is held against the expected results.
        why: why it is what it is, in a sentence.
        samples: (second of the run, mg/dL, flag) as they were sent.
        suspended: (from, to) in seconds of the run.
    """

    pump: PumpProfile
    cgm: CgmProfile
    run: Run
    numbers: dict[str, Any]
    why: str = ""
    samples: tuple[tuple[int, float, str], ...] = ()
    suspended: tuple[tuple[int, int], ...] = ()

    @property
    def key(self) -> tuple[str, str]:
        """Names of pump and sensor."""
        return self.pump.name, self.cgm.name

    @property
    def verdict(self) -> str:
        """That of the run."""
        return self.run.verdict


@dataclass
class Matrix:
    """A matrix that has been run.

    Attributes:
        settings: what it was run with.
        folder: where its records are.
        cells: row by row.
        changes: (pump, sensor, what changed) against the expected results; None where there are none for this trace.
        seconds: of host time.
    """

    settings: Settings
    folder: Path
    cells: list[Cell]
    changes: list[tuple[str, str, str]] | None = None
    seconds: float = 0.0
    _by_key: dict[tuple[str, str], Cell] = field(default_factory=dict)

    def cell(self, pump: str, cgm: str) -> Cell:
        """A cell by the names of its devices."""
        if not self._by_key:
            self._by_key = {cell.key: cell for cell in self.cells}
        return self._by_key[pump, cgm]

    @property
    def exit_code(self) -> int:
        """1 when a pump failed or a cell changed; else that of a run that came to no verdict."""
        if self.changes or any(cell.verdict == "FAIL" for cell in self.cells):
            return 1
        return min((cell.run.exit_code or 4 for cell in self.cells if cell.verdict != "PASS"), default=0)

    @property
    def verdict(self) -> str:
        """In the words of a run."""
        return {0: "PASS", 1: "FAIL", 7: "INCONCLUSIVE"}.get(self.exit_code, "ERROR")


def run_matrix(
    settings: Settings, folder: Path, *, slots: int = 2, on_cell: Callable[[str], None] = lambda name: None
) -> Matrix:
    """Run every cell.

    Args:
        settings: which devices, on which trace.
        folder: an existing folder for scenarios and records.
        slots: how many run at a time.
        on_cell: called with a name as each ends.

    Raises:
        UsageError: the trace cannot be read; nothing was started.
    """
    load_trace(settings.trace_path)
    pairs = [(pump, cgm) for pump in settings.pumps for cgm in settings.sensors]
    jobs = iter([_job(settings, pump, cgm, folder) for pump, cgm in pairs])
    ended: dict[str, Run] = {}
    for job, runs in run_jobs(lambda: next(jobs, None), slots):
        ended[job.key] = runs[0]
        on_cell(job.key)
    cells: list[Cell] = []
    for pump in settings.pumps:
        doses: list[str] | None = None
        for cgm in settings.sensors:
            run = ended[f"{pump.name} {cgm.name}"]
            cell, told = _cell(settings, pump, cgm, run, doses)
            doses = doses or told
            cells.append(cell)
    return Matrix(settings, folder, cells)


def _job(settings: Settings, pump: PumpProfile, cgm: CgmProfile, folder: Path) -> Job:
    name = f"{pump.name}-{cgm.name}"
    path = folder / "scenarios" / f"{name}.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(_scenario(settings, pump, cgm), encoding="utf-8")
    firmware = str(settings.firmware) if settings.firmware is not None else None
    out = str(folder / "records" / name)
    return Job(f"{pump.name} {cgm.name}", (str(path),), out, firmware, seconds_max=SECONDS_MAX)


def _scenario(settings: Settings, pump: PumpProfile, cgm: CgmProfile) -> str:
    bundled = settings.trace is None
    lines = [
        f'name = "{pump.title}, {cgm.title}"', "seed = 1",
        f"trace = {json.dumps(str(settings.trace_path.absolute()))}",
        f'controller = "{settings.controller_of(pump, cgm)}"',
        f'pump_profile = "{pump.name}"', f'cgm_profile = "{cgm.name}"',
    ]  # fmt: skip
    if bundled and cgm.dosing.value:
        lines += ["[[command]]", f'at = "{BOLUS_AT}"', 'kind = "set_bolus"', f"amount_iu = {BOLUS_IU}"]
    if settings.controller_of(pump, cgm) == "oref":
        lines.append(OREF)
    if bundled:
        lines += ["[[fault]]", f'at = "{DOWN_AT}"', 'kind = "bearer_down"', f"for_seconds = {DOWN_SECONDS}"]
    return "\n".join(lines) + "\n"


# --- What came of a run -----------------------------------------------------------------------------------------


def _cell(
    settings: Settings, pump: PumpProfile, cgm: CgmProfile, run: Run, reference: list[str] | None
) -> tuple[Cell, list[str]]:
    controller = settings.controller_of(pump, cgm)
    if not run.folder:
        why = f"It came to no end: {run.reasons[0]['message'] if run.reasons else 'no record'}"
        return Cell(pump, cgm, run, {"verdict": run.verdict, "controller": controller}, why), []
    folder = Path(run.folder)
    summary = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    doses = (folder / "doses.jsonl").read_text(encoding="utf-8").splitlines()
    start_s = summary["start_s"]
    samples: list[tuple[int, float, str]] = []
    decisions: list[dict[str, Any]] = []
    with (folder / "events.jsonl").open(encoding="utf-8") as events:
        for line in events:
            if '"kind":"sample"' in line:
                event = json.loads(line)
                samples.append((event["at_s"] - start_s, event["glucose_mg_dl"], event["flag"]))
            elif '"kind":"decision"' in line and '"action":"keep"' not in line:
                decisions.append(json.loads(line))
    pulses = summary.get("pulses", {})
    basal, bolus = (pulses.get(source, 0) for source in ("basal", "bolus"))
    pulse_iu = pump.pulse_mu.value / 1000
    numbers = {
        "verdict": run.verdict,
        "controller": controller,
        "samples": summary.get("samples_sent", 0),
        **_acts(controller, summary),
        "basal_pulses": basal,
        "bolus_pulses": bolus,
        "insulin_iu": f"{(basal + bolus) * pulse_iu:.3f}",
        "first_difference": _first_difference(reference, doses),
    }
    suspended = _suspended(doses)
    why = why_of(pump, cgm, numbers, [decision for decision in decisions if decision["action"] == "suspend"], start_s)
    return Cell(pump, cgm, run, numbers, why, tuple(samples), suspended), doses


# What the controller did by itself.
def _acts(controller: str, summary: dict[str, Any]) -> dict[str, Any]:
    if controller == "oref":
        small_iu = summary.get("small_bolus_mu", 0) / 1000
        return {"small_boluses": summary.get("small_boluses", 0), "small_bolus_iu": f"{small_iu:.3f}"}
    return {"suspensions": summary.get("suspensions", 0), "suspended_s": summary.get("suspended_s", 0)}


# Records stand in the order in which they were read, which a lost connection changes, and no dose. What comes before
# the first sample sets the pump up.
def _in_time(doses: list[str]) -> list[tuple[int, str]]:
    timed = ((int(json.loads(line)["s"]), line) for line in doses)
    return sorted(dose for dose in timed if dose[0] >= 0)


def _first_difference(reference: list[str] | None, doses: list[str]) -> str:
    """When the doses first part from those of the first sensor, as hh:mm:ss of the run; empty when they never do."""
    if reference is None:
        return ""
    pairs = itertools.zip_longest(_in_time(reference), _in_time(doses))
    parted = next(([dose[0] for dose in pair if dose is not None] for pair in pairs if pair[0] != pair[1]), None)
    if parted is None:
        return ""
    second = min(parted)
    return f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}"


def _suspended(doses: list[str]) -> tuple[tuple[int, int], ...]:
    spans: list[tuple[int, int]] = []
    since: int | None = None
    for line in doses:
        dose = json.loads(line)
        if dose["event"] == "suspend":
            since = dose["s"]
        elif since is not None and dose["event"] in ("resume", "HistoryTbrEnded", "HistoryTbrAdjustmentEnded"):
            spans.append((since, dose["s"]))
            since = None
    return tuple(spans)


def reference_cell(matrix: Matrix) -> PumpProfile:
    """The pump by which the page shows what a sensor does: the first that a controller can act on."""
    adjustable = [pump for pump in matrix.settings.pumps if pump.basal_adjustable.value]
    dash = [pump for pump in adjustable if pump.name == "omnipod_dash"]
    return (dash or adjustable or list(matrix.settings.pumps))[0]


def check_devices(settings: Settings) -> None:
    """Refuses a matrix without rows or columns.

    Raises:
        UsageError: a device is named twice.
    """
    for names, option in (
        ([pump.name for pump in settings.pumps], "--pump"), ([cgm.name for cgm in settings.sensors], "--cgm"),
    ):  # fmt: skip
        for name in names:
            if names.count(name) > 1:
                raise UsageError(f"{name} is named twice", where=option, allowed="each device once")
