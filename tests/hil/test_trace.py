"""Trace import, plain CSV and Nightscout JSON.

Goal: a trace holds what its file says and nothing else, and a file that could be read in two ways is refused with
its line and a remedy. Method: small files written here, each with one property at its edge.
"""

import hashlib
import json
from datetime import datetime
from pathlib import Path

import pytest

from pumprig.errors import PumprigError, TraceError, UsageError
from pumprig.trace import Gap, Sample, Trace, load_trace

NOW = datetime(2026, 6, 1, 12, 0)
HEADER = "time,glucose_mg_dl"


def plain(tmp_path: Path, *lines: str, header: str = HEADER, end: str = "\n") -> Path:
    path = tmp_path / "trace.csv"
    path.write_text("\n".join([header, *lines]) + end, encoding="utf-8")
    return path


def entries(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "entries.json"
    path.write_text(text, encoding="utf-8")
    return path


def read(path: Path, **options: object) -> Trace:
    return load_trace(path, now=NOW, **options)  # type: ignore[arg-type]


def refusal(path: Path, **options: object) -> str:
    with pytest.raises(PumprigError) as caught:
        read(path, **options)
    assert caught.value.exit_code == 2
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_a_plain_csv_is_read_as_it_stands(tmp_path):
    path = plain(tmp_path, "2026-03-04T06:00:10,100", "2026-03-04 06:05:10,101", "2026-03-04T06:10:10,99")
    trace = read(path)
    assert trace.samples == (Sample(0, 100, "", 2), Sample(5, 101, "", 3), Sample(10, 99, "", 4))
    assert trace.start == datetime(2026, 3, 4, 6, 0, 10)
    assert trace.source_sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (trace.source_format, trace.interval_minutes, trace.gaps, trace.notes) == ("plain", 5, (), ())
    assert trace.duration_minutes == 15


@pytest.mark.parametrize("header", ["t,mgdl,flag", "Time,Glucose_mg_dL", "time;glucose_mg_dl"])
def test_other_plain_headers(tmp_path, header):
    row = {"t,mgdl,flag": "2026-03-04T06:00:00,120.0,", "time;glucose_mg_dl": "2026-03-04T06:00:00;120,0"}
    trace = read(plain(tmp_path, row.get(header, "2026-03-04T06:00:00,120.0"), header=header))
    assert [sample.glucose_mg_dl for sample in trace.samples] == [120]


def test_comments_are_skipped_and_lines_still_count(tmp_path):
    trace = read(plain(tmp_path, "# a remark", "2026-03-04T06:00:00,100", header=f"# synthetic\n{HEADER}"))
    assert trace.samples == (Sample(0, 100, "", 4),)


@pytest.mark.parametrize(
    ("mmol_l", "mg_dl"),
    [("5.5", 99), ("10.0", 180), ("3.9", 70), ("2.25", 41), ("22,2", 400), ("0.05", 1), ("55.4", 998)],
)
def test_mmol_are_converted_with_18_02_and_rounded_half_up(tmp_path, mmol_l, mg_dl):
    rows = [f"2026-03-04T06:00:00;{mmol_l}", "2026-03-04T06:05:00;5.5", "2026-03-04T06:10:00;5.5"]
    assert read(plain(tmp_path, *rows, header="time;glucose_mmol_l")).samples[0].glucose_mg_dl == mg_dl


@pytest.mark.parametrize(("written", "mg_dl"), [("99.4", 99), ("99.5", 100), ("1", 1), ("0.5", 1), ("1000.4", 1000)])
def test_glucose_is_rounded_half_up(tmp_path, written, mg_dl):
    rows = [f"2026-03-04T06:00:00,{written}", "2026-03-04T06:05:00,100", "2026-03-04T06:10:00,100"]
    assert read(plain(tmp_path, *rows)).samples[0].glucose_mg_dl == mg_dl


def test_low_and_high_become_39_and_401_with_a_flag(tmp_path):
    rows = ["2026-03-04T06:00:00,Low", "2026-03-04T06:05:00,100", "2026-03-04T06:10:00,HIGH", "2026-03-04T06:15:00,39"]
    samples = read(plain(tmp_path, *rows)).samples
    assert [(s.glucose_mg_dl, s.flag) for s in samples] == [(39, "low"), (100, ""), (401, "high"), (39, "")]


def test_the_flag_column_flags(tmp_path):
    trace = read(plain(tmp_path, "2026-03-04T06:00:00,39.0,low", header="t,mgdl,flag"))
    assert trace.samples[0].flag == "low"


def test_gaps_stay_gaps(tmp_path):
    minutes = (0, 5, 10, 17, 25, 30, 75, 80)
    trace = read(plain(tmp_path, *(f"2026-03-04T{6 + m // 60:02d}:{m % 60:02d}:00,100" for m in minutes)))
    assert [sample.offset_minutes for sample in trace.samples] == list(minutes)
    # Seven minutes are one and a half intervals at most, eight are more.
    assert trace.gaps == (Gap(17, 25), Gap(30, 75))
    assert trace.gaps[1].minutes == 45


def test_a_newest_first_file_is_turned_round(tmp_path):
    rows = ["2026-03-04T06:10:00,102", "2026-03-04T06:05:00,101", "2026-03-04T06:00:00,100"]
    trace = read(plain(tmp_path, *rows))
    assert [(s.offset_minutes, s.glucose_mg_dl, s.line) for s in trace.samples] == [
        (0, 100, 4),
        (5, 101, 3),
        (10, 102, 2),
    ]
    assert trace.notes == ("The file is newest first; it was turned round.",)


@pytest.mark.parametrize("newest_first", [False, True])
def test_equal_duplicates_are_dropped_and_counted(tmp_path, newest_first):
    rows = ["2026-03-04T06:00:00,100", "2026-03-04T06:00:00,100", "2026-03-04T06:05:00,101", "2026-03-04T06:10:00,102"]
    # A duplicate need not stand beside its original: exports that overlap are often joined.
    rows.insert(3, "2026-03-04T06:00:00,100")
    trace = read(plain(tmp_path, *(reversed(rows) if newest_first else rows)))
    assert [s.glucose_mg_dl for s in trace.samples] == [100, 101, 102]
    assert trace.duplicates_dropped == 2
    assert "Equal duplicates dropped: 2." in trace.notes


@pytest.mark.parametrize("newest_first", [False, True])
def test_conflicting_readings_are_refused_with_both_lines_and_values(tmp_path, newest_first):
    rows = ["2026-03-04T06:00:00,100", "2026-03-04T06:05:00,101", "2026-03-04T06:05:00,111", "2026-03-04T06:10:00,102"]
    message = refusal(plain(tmp_path, *(reversed(rows) if newest_first else rows)))
    values = (
        ("111 mg/dL on line 3, 101 mg/dL on line 4") if newest_first else "101 mg/dL on line 3, 111 mg/dL on line 4"
    )
    assert f"trace.csv:4: conflicting readings at 2026-03-04 06:05:00: {values}" in message


def test_offsets_are_the_nearest_whole_minute(tmp_path):
    rows = ["2026-03-04T06:00:00,100", "2026-03-04T06:05:29,101", "2026-03-04T06:10:30,102", "2026-03-04T06:15:31,103"]
    assert [s.offset_minutes for s in read(plain(tmp_path, *rows)).samples] == [0, 5, 11, 16]


def test_of_two_readings_on_one_minute_the_later_is_kept(tmp_path):
    rows = ["2026-03-04T06:00:00,100", "2026-03-04T06:04:40,101", "2026-03-04T06:05:20,102", "2026-03-04T06:10:00,103"]
    trace = read(plain(tmp_path, *rows))
    assert [(s.offset_minutes, s.glucose_mg_dl) for s in trace.samples] == [(0, 100), (5, 102), (10, 103)]
    assert trace.notes == ("Readings that fall on the same minute offset as a later one, left out: 1.",)


def test_time_that_goes_back_is_refused(tmp_path):
    rows = ["2026-03-04T06:00:00,100", "2026-03-04T06:10:00,101", "2026-03-04T06:05:00,102", "2026-03-04T06:15:00,103"]
    message = refusal(plain(tmp_path, *rows))
    assert "trace.csv:4: time goes back to 2026-03-04 06:05:00 after 2026-03-04 06:10:00 on line 3" in message
    assert "cut the file at this line" in message


@pytest.mark.parametrize(
    ("kind", "time"),
    [
        ("impossible", "1999-12-31T23:59:59"),
        ("impossible", "2026-06-02T12:00:01"),
        ("impossible", "2026-02-30T06:00:00"),
        ("impossible", "2026-03-04T24:00:00"),
        ("impossible", "2026-03-04T13:00 PM"),
        ("unreadable", "2026-03-04"),
    ],
)
def test_impossible_and_unreadable_times_are_refused(tmp_path, kind, time):
    message = refusal(plain(tmp_path, "2026-03-04T06:00:00,100", f"{time},101", "2026-03-04T06:10:00,101"))
    assert f'trace.csv:3: {kind} time "{time}"; allowed: ' in message


@pytest.mark.parametrize("time", ["2000-01-01T00:00:00", "2026-06-02T12:00:00"])
def test_the_first_and_the_last_possible_time(tmp_path, time):
    assert len(read(plain(tmp_path, f"{time},101")).samples) == 1


@pytest.mark.parametrize("glucose", ["0", "0.4", "1000.5", "1001", "-5", "99999"])
def test_impossible_glucose_is_refused(tmp_path, glucose):
    message = refusal(plain(tmp_path, "2026-03-04T06:00:00,100", f"2026-03-04T06:05:00,{glucose}"))
    assert f"trace.csv:3: impossible glucose {glucose} mg/dL; allowed: 1 to 1000 mg/dL." in message


@pytest.mark.parametrize(
    ("glucose", "shown"),
    [
        ("12 3", '"12 3"'),
        ("1.2.3", '"1.2.3"'),
        # What is not made like a number may be anything, a name too, and is not repeated.
        ("abc", "(3 characters, not shown)"),
        ("1e2", "(3 characters, not shown)"),
        ("--", "(2 characters, not shown)"),
        ("123456789", "(9 characters, not shown)"),
    ],
)
def test_glucose_that_is_no_number_is_refused(tmp_path, glucose, shown):
    message = refusal(plain(tmp_path, f"2026-03-04T06:05:00,{glucose}"))
    assert f"trace.csv:2: glucose {shown} is no number; allowed: a number, Low or High." in message


def test_an_unknown_unit_is_named(tmp_path):
    message = refusal(plain(tmp_path, "2026-03-04T06:05:00,1.01", header="time,glucose_g_l"))
    assert 'trace.csv:1: unknown glucose unit "g_l"; allowed: mg/dL and mmol/L.' in message


def test_a_missing_unit_is_asked_for(tmp_path):
    message = refusal(plain(tmp_path, "2026-03-04T06:05:00,101", header="time,glucose"))
    assert "trace.csv:1: the header names no glucose unit; allowed: mg/dL and mmol/L." in message


def test_mg_dl_values_under_a_mmol_header_are_refused(tmp_path):
    message = refusal(plain(tmp_path, "2026-03-04T06:00:00,120", header="time,glucose_mmol_l"))
    assert "trace.csv:2: impossible glucose 120 mmol/L; it looks like mg/dL; allowed: 0.1 to 55 mmol/L." in message


def test_mmol_values_under_a_mg_dl_header_are_refused(tmp_path):
    rows = [f"2026-03-04T06:{minute:02d}:00,{5 + minute / 10}" for minute in (0, 5, 10)]
    assert "they look like mmol/L" in refusal(plain(tmp_path, *rows))


@pytest.mark.parametrize("end", ["2026-03-04T06:10:00,1", "2026-03-04T06:10:00,"])
def test_a_plain_csv_without_its_last_line_end_is_truncated(tmp_path, end):
    message = refusal(plain(tmp_path, "2026-03-04T06:00:00,100", "2026-03-04T06:05:00,101", end, end=""))
    assert "trace.csv:4: truncated file" in message


def test_a_plain_csv_cut_within_the_time_is_truncated(tmp_path):
    message = refusal(plain(tmp_path, "2026-03-04T06:00:00,100", "2026-03-04T06:05:00,101", "2026-03-0", end=""))
    assert "trace.csv:4: truncated file" in message


def test_a_short_line_in_the_middle_is_refused(tmp_path):
    message = refusal(plain(tmp_path, "2026-03-04T06:00:00,100", "2026-03-04T06:05:00", "2026-03-04T06:10:00,100"))
    assert "trace.csv:3: the record has 1 cells, the glucose would be cell 2" in message


@pytest.mark.parametrize("content", ["a,b\n1,2\n", "<html></html>", "[trace]\nx = 1\n", '{"status": 401}'])
def test_a_file_that_is_no_export_is_refused_with_the_accepted_formats(tmp_path, content):
    path = tmp_path / "some.file"
    path.write_text(content)
    message = refusal(path)
    assert "no CGM export" in message
    for name in ("Dexcom Clarity", "LibreView", "CareLink", "Nightscout", "time,glucose_mg_dl", "time,glucose_mmol_l"):
        assert name in message


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xef\xbb\xbf"])
def test_an_empty_file_is_refused_as_empty(tmp_path, content):
    path = tmp_path / "some.csv"
    path.write_bytes(content)
    assert "some.csv: the file is empty; allowed: the CSV exports of" in refusal(path)


@pytest.mark.parametrize("content", [b"PK\x03\x04 a spreadsheet", b"\x7fELF\x00\x00", bytes(range(256))])
def test_a_binary_file_is_no_export(tmp_path, content):
    path = tmp_path / "some.bin"
    path.write_bytes(content)
    assert "no CGM export" in refusal(path)


def test_a_missing_file_and_a_folder(tmp_path):
    assert "there is no such file" in refusal(tmp_path / "nothing.csv")
    assert "cannot be read" in refusal(tmp_path)


def test_a_header_without_records_holds_no_reading(tmp_path):
    assert "holds no CGM reading" in refusal(plain(tmp_path))


def test_utf_16_and_a_byte_order_mark_are_read(tmp_path):
    path = plain(tmp_path, "2026-03-04T06:00:00,100")
    for encoding in ("utf-16", "utf-8-sig"):
        path.write_bytes(f"{HEADER}\r\n2026-03-04T06:00:00,100\r\n".encode(encoding))
        assert len(read(path).samples) == 1


def test_a_zone_in_the_times_is_kept_as_the_wall_clock(tmp_path):
    trace = read(plain(tmp_path, "2026-03-04T06:00:00+02:00,100", "2026-03-04T06:05:00+02:00,100"))
    assert trace.start == datetime(2026, 3, 4, 6, 0)
    assert "zone +02:00" in trace.notes[0]


def test_a_zone_that_changes_is_refused(tmp_path):
    message = refusal(plain(tmp_path, "2026-03-04T06:00:00+02:00,100", "2026-03-04T06:05:00+01:00,100"))
    assert "trace.csv:3: the times change their zone" in message


# ---- dates with the year last ----------------------------------------------------------------------------------------


def test_a_day_after_the_twelfth_settles_the_date_order(tmp_path):
    rows = ["3/12/26 23:50,100", "3/13/26 0:05,101"]
    trace = read(plain(tmp_path, *rows))
    assert trace.start == datetime(2026, 3, 12, 23, 50)
    assert trace.notes == ("Dates were read month before day: line 3 settles it for the whole file.",)
    assert read(plain(tmp_path, "12-03-2026 23:50,100", "13-03-2026 00:05,101")).start == datetime(2026, 3, 12, 23, 50)


def test_an_ambiguous_date_is_refused_with_the_remedy(tmp_path):
    message = refusal(plain(tmp_path, "3/4/26 6:00,100", "3/4/26 6:15,101"))
    assert 'trace.csv:2: ambiguous date "3/4/26 6:00"' in message
    assert "--date-order mdy" in message
    assert "--date-order dmy" in message


@pytest.mark.parametrize(("order", "month", "day"), [("mdy", 3, 4), ("dmy", 4, 3)])
def test_the_caller_may_settle_an_ambiguous_date(tmp_path, order, month, day):
    trace = read(plain(tmp_path, "3/4/26 6:00,100", "3/4/26 6:15,101"), date_order=order)
    assert trace.start == datetime(2026, month, day, 6, 0)
    assert "as told" in trace.notes[0]


def test_a_told_order_that_the_file_contradicts_is_refused(tmp_path):
    message = refusal(plain(tmp_path, "3/4/26 6:00,100", "3/14/26 6:15,101"), date_order="dmy")
    assert 'trace.csv:3: date "3/14/26 6:15" cannot be read day before month' in message
    assert "--date-order mdy" in message


def test_dates_that_change_their_order_are_refused(tmp_path):
    message = refusal(plain(tmp_path, "3/14/26 6:00,100", "15/3/26 6:15,101"))
    assert 'trace.csv:2: the dates change their order: "3/14/26 6:00" here, "15/3/26 6:15" on line 3' in message


@pytest.mark.parametrize(("clock", "hour"), [("12:05 AM", 0), ("12:05 PM", 12), ("1:05 pm", 13), ("11:05 a.m.", 11)])
def test_twelve_hour_clocks(tmp_path, clock, hour):
    assert read(plain(tmp_path, f"3/14/2026 {clock},100")).start == datetime(2026, 3, 14, hour, 5)


# ---- window ----------------------------------------------------------------------------------------------------------


HOUR = [f"2026-03-04T06:{minute:02d}:00,{100 + minute}" for minute in range(0, 60, 5)]


@pytest.mark.parametrize("start", [0.5, "0.5", "2026-03-04T06:30", "2026-03-04 06:28:00", datetime(2026, 3, 4, 6, 30)])
def test_a_window_counts_from_its_own_first_sample(tmp_path, start):
    trace = read(plain(tmp_path, *HOUR), start=start, hours=0.25)
    assert trace.start == datetime(2026, 3, 4, 6, 30)
    assert [(s.offset_minutes, s.glucose_mg_dl) for s in trace.samples] == [(0, 130), (5, 135), (10, 140)]


@pytest.mark.parametrize(
    ("start", "hours", "what"),
    [
        (2, None, "no reading from 2026-03-04 08:00:00"),
        ("2026-03-05T00:00", 1, "no reading from 2026-03-05 00:00:00 within 1 hours"),
        ("noon", None, "start 'noon' cannot be read"),
        (-1, None, "start -1 cannot be read"),
        (None, 0, "hours 0 is no usable length"),
    ],
)
def test_a_window_without_readings_is_refused(tmp_path, start, hours, what):
    with pytest.raises(UsageError, match=what):
        read(plain(tmp_path, *HOUR), start=start, hours=hours)


# ---- Nightscout entries ----------------------------------------------------------------------------------------------


def entry(minute: int, sgv: object, **more: object) -> dict[str, object]:
    return {"date": 1_772_604_000_000 + 60_000 * minute + 123, "sgv": sgv, "device": "someone's phone", **more}


def test_entries_are_read_newest_first_with_their_lines(tmp_path):
    path = entries(tmp_path, json.dumps([entry(10, 102, type="sgv"), entry(5, 101), entry(0, 39)], indent=1))
    trace = read(path)
    assert [(s.offset_minutes, s.glucose_mg_dl, s.flag) for s in trace.samples] == [
        (0, 39, "low"),
        (5, 101, ""),
        (10, 102, ""),
    ]
    assert [s.line for s in trace.samples] == [13, 8, 2]
    assert trace.start == datetime(2026, 3, 4, 6, 0, 0)
    assert trace.source_format == "nightscout"


def test_entries_other_than_readings_and_error_codes_are_left_out(tmp_path):
    rows = [
        entry(0, 100),
        entry(1, 99, type="mbg"),
        {"type": "cal", "date": 1},
        entry(5, 5),
        entry(10, 38),
        entry(15, 401),
    ]
    trace = read(entries(tmp_path, json.dumps(rows)))
    assert [(s.offset_minutes, s.flag) for s in trace.samples] == [(0, ""), (15, "high")]
    assert "Error codes of the sensor (below 39), left out: 2." in trace.notes


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ('[{"date": 1772604000000, "sgv": 100},\n{"date": 17726', "entries.json:2: truncated file"),
        ('[{"date": 1772604000000, "sgv": 100},\n', "entries.json:2: truncated file"),
        ('[{"date": 1772604000000, "sgv": 100}\n', "entries.json:2: truncated file"),
        ('[{"date": 1772604000000, "dateString": "2026-03', "entries.json:1: truncated file"),
        ('[{"date": 1772604000000, "sgv": 100} {}]', "damaged JSON"),
        ('[\n{"date": 5, "sgv": 100}]', "entries.json:2: impossible time 5"),
        ('[\n{"sgv": 100}]', "entries.json:2: impossible time"),
        ('[{"date": 1772604000000, "sgv": 1001}]', "entries.json:1: impossible glucose 1001"),
        ('[{"date": 1772604000000, "sgv": -1}]', "entries.json:1: impossible glucose -1"),
        ('[{"date": 1772604000000, "sgv": "?"}]', "is no number"),
        ('[{"date": 1772604000000, "sgv": 5.5, "units": "mmol"}]', "unknown glucose unit"),
        ("[{}, 3]", "an entry is no JSON object"),
        ("[]", "holds no CGM reading"),
    ],
)
def test_bad_entries_are_refused(tmp_path, text, what):
    assert what in refusal(entries(tmp_path, text))


def test_conflicting_entries_are_refused(tmp_path):
    message = refusal(entries(tmp_path, "[" + ",\n".join(json.dumps(entry(0, sgv)) for sgv in (100, 101)) + "]"))
    assert "100 mg/dL on line 1, 101 mg/dL on line 2" in message


def test_every_prefix_of_a_trace_is_refused_or_read_as_whole_records(tmp_path):
    whole = f"{HEADER}\n" + "\n".join(HOUR) + "\n"
    path = tmp_path / "trace.csv"
    for length in range(len(whole)):
        path.write_text(whole[:length])
        try:
            samples = read(path).samples
        except TraceError:
            continue
        assert whole[:length].endswith("\n"), length
        assert [s.glucose_mg_dl for s in samples] == [100 + 5 * i for i in range(len(samples))]
