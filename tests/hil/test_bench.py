"""Goal: the benchmark's lines can be read by a program, and its figures are of what they name.

Method: the command is called as `make bench` calls it; measures that take long are marked slow. No figure of time is
judged here: that would be a timed test.
"""

import json

import pytest

from pumprig import bench
from pumprig.trace import load_trace


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
    assert json.loads(capsys.readouterr().out) == {"allocation_per_pulse": {"value": 0, "unit": "octets"}}


@pytest.mark.slow
@pytest.mark.parametrize("measure", ["run_1_day", "att_read"])
def test_figures_come_from_the_whole_rig(measure, capsys):
    assert bench.main([measure, "--rounds", "1"]) == 0
    name, value, unit = capsys.readouterr().out.split()
    assert name.startswith(measure)
    assert float(value) > 0
    assert unit in {"s", "us"}


@pytest.mark.slow
def test_the_firmware_holds_no_more_heap_after_a_week_than_after_an_hour(capsys):
    assert bench.main(["heap", "--json"]) == 0
    free = {name: figure["value"] for name, figure in json.loads(capsys.readouterr().out).items()}
    assert free["firmware_free_heap_after_week"] >= free["firmware_free_heap_after_hour"]
