"""Pulses that are too short, too long or without end (D-958).

Goal: a motor that is driven for another time than it takes fails the run where that is the pump's doing; where this
host may have done it the run says that it was not judged, or proves nothing; and a power cut is nobody's fault.
Method: the pump's firmware with another width, or a pin that stays high, at every kind of clock; a board whose power
goes while its pin is high.
"""

from __future__ import annotations

import html
import json
from pathlib import Path

import pytest

from hil.rig_bench import PLGS, Run, command, firmware_copy, fit_run, pump
from pumplink.boards import load_board
from pumplink.virtual.clocks import Lockstep
from pumplink_tools import PULSES, write_firmware
from pumprig.checks import CheckBook
from pumprig.dut import Dut, open_dut
from pumprig.motor_pin import EndedPulse
from pumprig.motor_width import PulseWidths
from pumprig.pace import Unfit
from pumprig.report.reading import read_record
from pumprig.report.summary import bench_numbers, checks
from pumprig.verdict import Verdict, VerdictBook

SHORT = [(0, 90), (1, 80), (2, 68)]
PARTS = (PLGS, pump((1440, 20)), command(30, "set_bolus", amount_iu=1))
SCALED = "scaled:20"
START = "            self._edge.start(self._pulse_ms)\n\n"
# Ends a pulse in the statement after its begin: no busy machine makes each of these pulses as long as a motor needs.
AT_ONCE = "            self.off()\n            self._store.done()\n"
PULSE_US = 5000


def with_width(tmp_path: Path, width: str) -> Path:
    return firmware_copy(tmp_path, motor=(START, f"            self._edge.start({width})\n\n"))


def reasons(run: Run) -> list[tuple[str, str, str]]:
    return [(reason.verdict.name, reason.check, reason.rule) for reason in run.outcome.reasons]


def seen_checks(run: Run) -> dict:
    return json.loads((run.folder / "run.json").read_text(encoding="utf-8"))["checks"]


# --- In lockstep ---


def test_right_pulses_are_judged_one_by_one_and_the_widths_are_recorded(bench):
    run = bench.run(*PARTS, readings=SHORT)
    assert run.verdict is Verdict.PASS, run.explain()
    assert seen_checks(run)["pulse-width"]["passed"] == len(run.events("pulse")) > 30
    # Each has an end, and all but the first a pause before it.
    assert seen_checks(run)["pulse-end"]["passed"] == 2 * len(run.events("pulse")) - 1
    assert PULSE_US <= 1000 * run.outcome.summary["pulse_ms_min"] <= 1000 * run.outcome.summary["pulse_ms_max"] < 6000


@pytest.mark.parametrize(
    ("width", "check"), [("3", "pulse-width"), ("4", None), ("8", None), ("10", "pulse-end"), ("60", "pulse-end")]
)
def test_the_bounds_of_a_width(bench, tmp_path, width, check):
    run = bench.run(*PARTS, readings=SHORT, firmware=with_width(tmp_path, width))
    assert reasons(run) == ([("FAIL", check, "D-958")] if check else []), run.explain()


@pytest.mark.parametrize("check", ["pulse-width", "pulse-end"])
def test_a_check_that_is_switched_off_says_so(bench, tmp_path, check):
    wrong = with_width(tmp_path, "3" if check == "pulse-width" else "60")
    run = bench.run(*PARTS, readings=SHORT, firmware=wrong, without=frozenset({check}))
    assert run.verdict is Verdict.PASS, run.explain()
    assert seen_checks(run)[check]["why_not"] == "it was switched off"


def test_the_last_pulse_of_a_run_that_never_ends_fails_it(bench, tmp_path):
    right = bench.run(*PARTS, readings=SHORT)
    last_s = max(event["due_s"] for event in right.events("pulse"))
    silent = f"        if self._clock.s < {last_s}:\n            self._pin.value(0)\n"
    run = bench.run(
        *PARTS, readings=SHORT, firmware=firmware_copy(tmp_path, motor=("        self._pin.value(0)\n", silent))
    )
    assert run.dose_text == right.dose_text
    assert reasons(run) == [("FAIL", "pulse-end", "D-958")], run.explain()


def test_a_pump_that_misstates_its_pulse_length_is_not_believed(bench, tmp_path):
    firmware = firmware_copy(tmp_path, start=("motor_pulse_ms = board.MOTOR_PULSE_MS", "motor_pulse_ms = 3"))
    run = bench.run(*PARTS, readings=SHORT, firmware=firmware)
    assert run.outcome.reasons[0].check == "pump-data", run.explain()
    assert "motor pulse, ms" in run.outcome.reasons[0].message


# --- Where time is real ---


def test_where_the_host_may_hold_pins_up_a_short_pulse_is_judged_and_a_long_one_is_told_as_not(bench, tmp_path):
    parts = (*PARTS, "hours = 0.02")
    short = firmware_copy(tmp_path / "short", motor=(START, AT_ONCE + START))
    run = fit_run(lambda: bench.run(*parts, readings=SHORT, clock=SCALED, firmware=short))
    assert ("FAIL", "pulse-width", "D-958") in reasons(run), run.explain()
    long = with_width(tmp_path / "long", "60")
    run = fit_run(lambda: bench.run(*parts, readings=SHORT, clock=SCALED, firmware=long, report=True))
    assert run.verdict is Verdict.PASS, run.explain()
    told = seen_checks(run)
    assert told["pulse-width"]["passed"] == len(run.events("pulse"))
    assert (told["pulse-end"]["judged"], told["pulse-end"]["passed"]) == (False, 0)
    assert told["pulse-end"]["why_not"] == "the pump's time is the host's, which may hold the pump up"
    for page in ("report.html", "junit.xml"):
        assert told["pulse-end"]["why_not"] in html.unescape((run.folder / page).read_text(encoding="utf-8"))


def test_a_pin_that_stays_high_at_a_scaled_clock_proves_nothing(bench, tmp_path):
    right = bench.run(*PARTS, readings=SHORT)
    last = max(dose["s"] for dose in right.doses if dose["event"] == "pulse")

    def run() -> Run:
        start_s = json.loads((right.folder / "run.json").read_text(encoding="utf-8"))["start_s"]
        silent = f"        if self._clock.s < {start_s + last - 20}:\n            self._pin.value(0)\n"
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        firmware = firmware_copy(folder, motor=("        self._pin.value(0)\n", silent))
        return bench.run(*PARTS, readings=SHORT, clock=SCALED, firmware=firmware)

    ended = run()
    assert ended.verdict in (Verdict.INCONCLUSIVE, Verdict.FAIL), ended.explain()
    # Nothing but the motor itself, or the busy machine, is to blame.
    assert {check for _, check, _ in reasons(ended)} <= {"bench-fitness", "pulse"}, ended.explain()


def test_records_of_before_widths_were_judged_show_none(bench):
    run = bench.run(*PARTS, readings=SHORT)
    path = run.folder / "run.json"
    meta = json.loads(path.read_text(encoding="utf-8"))
    del meta["pulse_ms_min"], meta["pulse_ms_max"]
    for check in meta["checks"].values():
        del check["why_not"]
    del meta["checks"]["pulse-end"]
    meta["checks"]["pulse-width"] |= {"judged": False, "passed": 0}
    path.write_text(json.dumps(meta), encoding="utf-8")
    events = run.folder / "events.jsonl"
    lines = [line for line in events.read_text(encoding="utf-8").splitlines() if '"verdict"' not in line]
    events.write_text("\n".join(lines) + "\n", encoding="utf-8")
    record = read_record(run.folder)
    rows = {row.id: row for row in checks(record)}
    assert "pulse-end" not in rows and not rows["pulse-width"].judged
    assert not any("pulse" in name and "hortest" in name for name, _ in bench_numbers(record))


# --- The pin and the judge ---


@pytest.fixture
def pulsing(tmp_path):
    """A board that makes a pulse every 20 s and does nothing else."""
    dut = open_dut("virtual", Lockstep(), firmware=write_firmware(tmp_path / "pulses", PULSES))
    yield dut
    dut.close()


def run_to(dut: Dut, at_s: float) -> None:
    assert dut.board is not None
    dut.board.run_until(at_s)


def test_the_pin_knows_each_pulse_with_its_width_and_the_pause_before_it(pulsing):
    run_to(pulsing, 45)
    first, second = pulsing.pin.ended()
    assert first.pause_us is None
    width_us = 1000 * int(load_board("virtual").firmware["MOTOR_PULSE_MS"])
    assert [pulse.width_us for pulse in (first, second)] == pytest.approx([width_us] * 2, abs=20)
    assert second.pause_us == second.at_us - first.at_us - first.width_us
    assert [at_us for at_us, _ in pulsing.pin.risen()] == [first.at_us, second.at_us]
    assert pulsing.pin.ended() == pulsing.pin.risen() == []


def test_a_pulse_that_a_power_cut_breaks_off_has_no_width(pulsing):
    run_to(pulsing, 20.002)
    assert pulsing.pin.high_since_us == pytest.approx(20_000_000, abs=50)
    pulsing.power_cycle()
    assert (pulsing.pin.high_since_us, pulsing.pin.broken_off) == (None, 1)
    run_to(pulsing, 21)
    pulsing.pin.risen()
    run_to(pulsing, 60)
    ended = pulsing.pin.ended()
    # The next life's first pulse has no pause before it.
    assert ended and ended[0].pause_us is None and all(pulse.width_us < 6000 for pulse in ended)
    assert isinstance(ended[0], EndedPulse)


def judged(*, real_time: bool, own_time: bool) -> tuple[PulseWidths, CheckBook]:
    book = CheckBook(VerdictBook(), real_time=real_time, own_time=own_time)
    return PulseWidths(book, 5, real_time=real_time, own_time=own_time), book


@pytest.mark.parametrize(
    ("real_time", "own_time", "least_ms", "most_ms"), [(False, True, 4, 9), (True, True, 4, 50), (True, False, 4, None)]
)
def test_exactly_the_bound_is_right(real_time, own_time, least_ms, most_ms):
    widths, book = judged(real_time=real_time, own_time=own_time)
    for ms in filter(None, (least_ms, most_ms, 999.999 if most_ms is None else None)):
        widths.ended(1, ms / 1000)
    assert book.book.verdict is Verdict.PASS
    if most_ms is not None:
        widths.ended(2, (most_ms + 0.001) / 1000)
        assert book.missed("pulse-end") == 1
        widths.ended(3, float("inf"))
        assert book.missed("pulse-end") == 2
    widths.ended(4, (least_ms - 0.001) / 1000)
    assert book.missed("pulse-width") == 1
    assert book.book.verdict is Verdict.FAIL


@pytest.mark.parametrize("width_s", [1.0, 70.0, float("inf")])
def test_a_second_on_a_host_that_may_hold_pins_up_proves_nothing(width_s):
    widths, book = judged(real_time=True, own_time=False)
    with pytest.raises(Unfit):
        widths.ended(1, width_s)
    assert book.book.verdict is Verdict.INCONCLUSIVE


def test_a_pause_that_is_too_short_makes_one_pulse_of_two():
    widths, book = judged(real_time=False, own_time=True)
    widths.paused(1, 0.004)
    assert book.book.verdict is Verdict.PASS
    widths.paused(2, 0.003999)
    assert [violation.check for violation in book.violations] == ["pulse-end"]
