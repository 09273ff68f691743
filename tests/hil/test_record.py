"""Goal: the record of a run is whole at every moment: readable while it grows, synced when it matters, kept when the
disk is full, and made of the same octets for the same doses.

Method: a record is written by hand with a clock of its own; a disk that is full is `/dev/full`, where there is one.
"""

import contextlib
import json
import os
from pathlib import Path

import pytest

from hil.rig_bench import MANUAL, PLGS, command, every_5_minutes, pump
from pumplink.virtual.clocks import Lockstep
from pumprig.errors import RigError, UsageError
from pumprig.record import RunRecord, new_run_folder
from pumprig.runs import RunOptions, execute, make_plan
from pumprig.scenario import Scenario

FULL = Path("/dev/full")


@pytest.fixture
def record(tmp_path):
    opened = RunRecord(tmp_path, clock=iter(range(1000)).__next__)
    yield opened
    opened.close()


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


# --- Folders ---


def test_a_folder_is_made_below_out_and_never_used_twice(tmp_path):
    out = tmp_path / "some" / "where"
    names = [new_run_folder(out, "20260304-060000-plgs").name for _ in range(3)]
    assert names == ["20260304-060000-plgs", "20260304-060000-plgs-2", "20260304-060000-plgs-3"]


def test_a_folder_that_cannot_be_made_is_usage(tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(UsageError, match="--out"):
        new_run_folder(tmp_path / "file", "run")


# --- What is written ---


def test_an_event_is_a_line_with_the_pumps_time_and_the_hosts(record, tmp_path):
    record.event("sample", 60.1234567, offset_minutes=0, glucose_mg_dl=120)
    record.flush()
    (event,) = lines(tmp_path / "events.jsonl")
    assert event == {"t": 60.123457, "host": 1, "kind": "sample", "offset_minutes": 0, "glucose_mg_dl": 120}


@pytest.mark.parametrize("kind", ["run", "violation", "verdict"])
def test_what_matters_is_on_the_disk_at_once(record, tmp_path, kind, monkeypatch):
    synced = []
    monkeypatch.setattr(os, "fsync", synced.append)
    record.event("sample", 1)
    assert (tmp_path / "events.jsonl").read_text(encoding="utf-8") == ""
    record.event(kind, 2)
    assert [event["kind"] for event in lines(tmp_path / "events.jsonl")] == ["sample", kind]
    assert len(synced) == 1


def test_dose_events_are_canonical(record, tmp_path):
    record.dose(60, "HistoryTbrStarted", value="0.3", duration_minutes=30)
    record.dose(180, "pulse")
    record.close()
    assert (tmp_path / "doses.jsonl").read_text(encoding="utf-8") == (
        '{"duration_minutes":30,"event":"HistoryTbrStarted","s":60,"value":"0.3"}\n{"event":"pulse","s":180}\n'
    )


def test_what_the_board_printed_is_kept_line_by_line(record, tmp_path):
    record.log("Traceback (most recent call last):\n")
    record.log("  Größe über 9 ✗")
    # It is there before the record is closed.
    assert (tmp_path / "dut.log").read_text(encoding="utf-8").splitlines() == [
        "Traceback (most recent call last):", "  Größe über 9 ✗",
    ]  # fmt: skip


def test_frames_are_kept_as_octets(record, tmp_path):
    record.frame(1.25, "to_board", b"\x00\xff")
    record.close()
    assert lines(tmp_path / "frames.jsonl") == [{"t": 1.25, "direction": "to_board", "octets": "00ff"}]


def test_run_json_grows_and_is_never_seen_by_halves(record, tmp_path):
    record.meta(seed=7, verdict=None)
    record.meta(verdict="PASS")
    assert json.loads((tmp_path / "run.json").read_text(encoding="utf-8")) == {"seed": 7, "verdict": "PASS"}
    assert not (tmp_path / "run.json.new").exists()


# --- A disk that is full ---


@pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("name", ["events.jsonl", "doses.jsonl", "dut.log", "frames.jsonl"])
def test_a_full_disk_is_one_error_that_names_file_and_remedy(tmp_path, name):
    (tmp_path / name).symlink_to(FULL)
    record = RunRecord(tmp_path)
    write = {
        "events.jsonl": lambda: record.event("violation", 1), "doses.jsonl": lambda: record.dose(1, "pulse" * 9999),
        "dut.log": lambda: record.log("x"), "frames.jsonl": lambda: record.frame(1, "to_board", bytes(9999)),
    }[name]  # fmt: skip
    with pytest.raises(RigError) as told:
        write()
        write()
    assert told.value.exit_code == 4
    assert str(tmp_path / name) in told.value.message
    assert "No space left on device" in told.value.message
    assert "Free some space" in told.value.message
    with contextlib.suppress(RigError):
        record.close()


@pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")
def test_one_file_that_cannot_be_closed_does_not_keep_the_others_open(tmp_path):
    (tmp_path / "events.jsonl").symlink_to(FULL)
    record = RunRecord(tmp_path)
    record.event("sample", 1)
    record.dose(60, "pulse")
    record.frame(1, "to_host", b"\x01")
    with pytest.raises(RigError, match=r"events\.jsonl"):
        record.close()
    assert len(lines(tmp_path / "doses.jsonl")) == 1
    assert len(lines(tmp_path / "frames.jsonl")) == 1


# --- The record of a real run ---


def test_the_record_of_a_run_tells_its_story_in_order(bench):
    run = bench.run(
        PLGS, pump(), command(310, "set_bolus", amount_iu=1), readings=every_5_minutes([90, 80, 65, 64, 90])
    )
    text = (run.folder / "events.jsonl").read_text(encoding="utf-8")
    events = [json.loads(line) for line in text.splitlines()]
    assert [events[0]["kind"], events[-1]["kind"]] == ["run", "verdict"]
    assert {"sample", "decision", "pulse", "rate", "bolus", "command", "history", "state", "progress"} <= {
        event["kind"] for event in events
    }
    hosts = [event["host"] for event in events]
    assert hosts == sorted(hosts)
    assert all(isinstance(event["t"], (int, float)) for event in events)
    (decision, *_) = [event for event in events if event["kind"] == "decision"]
    assert set(decision) >= {
        "sequence", "offset_minutes", "glucose_mg_dl", "predicted_mg_dl", "iob_iu", "action", "reason", "at_s",
        "latency_dut_ms", "latency_host_ms",
    }  # fmt: skip
    shares = [event["share"] for event in events if event["kind"] == "progress"]
    assert shares == sorted(shares)
    assert events[-1]["verdict"] == "PASS"


def test_a_violation_stands_in_the_record_with_rule_and_both_numbers(bench):
    run = bench.run(MANUAL, pump(), "[expect]\nbasal_iu = 2")
    (violation,) = run.events("violation")
    assert (violation["check"], violation["expected"], violation["observed"]) == ("expectation", 2.0, 1.0)
    meta = json.loads((run.folder / "run.json").read_text(encoding="utf-8"))
    assert meta["verdict"] == "FAIL"
    assert meta["reasons"] == [reason.as_dict() for reason in run.outcome.reasons]


def test_names_and_serial_numbers_of_an_export_are_in_no_file_of_a_record(bench):
    export = "\n".join([
        "Index,Timestamp (YYYY-MM-DDThh:mm:ss),Event Type,Event Subtype,Patient Info,Device Info,Source Device ID,"
        "Glucose Value (mg/dL),Insulin Value (u),Carb Value (grams),Duration (hh:mm:ss),"
        "Glucose Rate of Change (mg/dL/min),Transmitter Time (Long Integer),Transmitter ID",
        "1,,FirstName,,Wilhelmina,,,,,,,,,", "2,,LastName,,Testperson,,,,,,,,,", "3,,DateOfBirth,,1901-02-03,,,,,,,,,",
        *(f"{4 + n},2026-03-04T06:{5 * n:02d}:00,EGV,,,,SERIAL-4711,100,,,,,{7200 + n},8XYZZY" for n in range(6)),
    ])  # fmt: skip
    path = bench.folder / "clarity.csv"
    path.write_text(export + "\n", encoding="utf-8")
    plan = make_plan(Scenario.from_trace(path))
    outcome = execute(plan, RunOptions(board="virtual", clock=Lockstep(), out=bench.folder / "runs", report=True))
    assert outcome.summary["samples_sent"] == 6
    for file in outcome.folder.iterdir():
        data = file.read_bytes()
        for word in (b"Wilhelmina", b"Testperson", b"1901-02-03", b"SERIAL-4711", b"8XYZZY"):
            assert word not in data, (file.name, word)
