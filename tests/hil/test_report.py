"""The reports of a run: the page, JUnit and the signals, made from the record alone.

Records are synthetic (`view_fixture`), so that every kind of event, verdict and damage can be had. The page is read as
text for what it must hold and must not hold (markup out of a record, anything from a network), and opened in a headless
Chromium, without which that one test skips: there its own policy refuses every script but its two and every address.
"""

import json
import os
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy
import pytest

from hil.view_fixture import LATE, OVERDOSE, being_written, write_run
from pumprig.checks import CHECKS
from pumprig.errors import UsageError
from pumprig.report import write_junit, write_report, write_signals
from pumprig.report.chart import chart_data
from pumprig.report.metrics import glucose_metrics
from pumprig.report.page import body
from pumprig.report.reading import parse_events, read_record
from pumprig.report.words import duration_words, proven
from pumprig.trace import load_trace

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--host-resolver-rules=MAP * ~NOTFOUND",
    "--window-size=1280,2000", "--virtual-time-budget=8000",
]  # fmt: skip


class Page(HTMLParser):
    """Elements with their attributes, and the text outside of scripts and styles."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.quiet = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.quiet = tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:
        self.quiet = False

    def handle_data(self, data: str) -> None:
        if not self.quiet:
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def page_of(folder: Path) -> Page:
    return Page(write_report(folder).read_text(encoding="utf-8"))


def chart_of(folder: Path) -> dict:
    html = write_report(folder).read_text(encoding="utf-8")
    found = re.search(r'<script type="application/json" id="run-data">(.*?)</script>', html, re.DOTALL)
    assert found
    return json.loads(found.group(1))


def append(folder: Path, line: bytes) -> None:
    with (folder / "events.jsonl").open("ab") as out:
        out.write(line)


# --- what the page says ---


@pytest.mark.parametrize("verdict", ["PASS", "FAIL", "ERROR", "INCONCLUSIVE"])
def test_the_verdict_stands_at_the_top_in_words(tmp_path, verdict):
    page = page_of(write_run(tmp_path, hours=2, verdict=verdict))
    assert {"class": "head", "data-verdict": verdict} in page.all("header")
    assert page.text.index(verdict) < page.text.index("Timeline")
    if verdict in ("ERROR", "INCONCLUSIVE"):
        assert "the rig was 700 ms late" in page.text


def test_a_run_without_a_verdict_is_said_to_be_running_and_shows_what_it_has(tmp_path):
    with being_written(write_run(tmp_path, hours=3, verdict=None)) as folder:
        page = page_of(folder)
    assert {"class": "head", "data-verdict": "RUNNING"} in page.all("header")
    assert "No verdict yet: the run goes on." in page.text
    assert len(chart_of(tmp_path)["glucose"]["s"]) == 36


def test_a_violation_before_the_replay_lies_within_the_timeline(tmp_path):
    folder = write_run(tmp_path, hours=2, verdict="FAIL")
    assert chart_of(folder)["first_s"] == chart_of(folder)["start_s"] == 60
    early = {"t": 8.4, "host": 0.1, "kind": "violation", "at_s": 8, "check": "response", "rule": "D-301"}
    append(folder, json.dumps(early).encode() + b"\n")
    assert chart_of(folder)["first_s"] == 8


def test_a_run_that_never_began_has_no_charts_to_be_empty(tmp_path):
    reason = {"verdict": "FAIL", "message": "it does not boot", "rule": "D-954", "check": "alive", "at_s": None}
    verdict = {"t": 0.0, "host": 0.9, "kind": "verdict", "verdict": "FAIL", "reasons": [reason], "checks": {}}
    (tmp_path / "events.jsonl").write_text(json.dumps(verdict) + "\n", encoding="utf-8")
    page = page_of(tmp_path)
    assert "The run never began: there is nothing to draw." in page.text and "2000-01-01" not in page.text
    assert "it does not boot" in page.text
    assert "chart" not in {attributes.get("id") for attributes in page.all("div")}


def test_lockstep_says_that_speed_was_not_judged(tmp_path):
    assert "deadlines of speed were not judged" in page_of(write_run(tmp_path, hours=1)).text
    assert "60 times real time" in proven("scaled:60")[1]


def test_violations_are_listed_with_rule_numbers_and_a_way_into_the_timeline(tmp_path):
    folder = write_run(tmp_path, hours=24, verdict="FAIL", violations=(OVERDOSE, LATE))
    page = page_of(folder)
    for part in ("D-104", "A pulse more than the rate earned.", "16 pulses", "17 pulses", "515 min"):
        assert part in page.text
    assert {"30960", "65460"} <= {attributes.get("data-at") for attributes in page.all("a")}
    assert chart_of(folder)["marks"]["violation"]["s"] == [30960, 65460]


UNFIT = {
    "check": "bench-fitness", "rule": "D-955", "message": "the rig was late", "expected": "at most 500 ms",
    "observed": "700 ms", "offset_minutes": 30,
}  # fmt: skip


def test_an_unfit_bench_is_not_listed_as_a_violation(tmp_path):
    text = page_of(write_run(tmp_path, hours=2, verdict="INCONCLUSIVE", violations=(UNFIT,))).text
    assert "Bench unfit (1)" in text and "the bench was unfit 1 time" in text
    assert "Violations (" not in text and "Violations0" in text


def test_a_fail_without_a_violation_says_that_the_pump_failed_before(tmp_path):
    text = page_of(write_run(tmp_path, hours=1, verdict="FAIL")).text
    assert "The pump failed before a rule could be judged." in text
    assert "Violations0the pump failed, see the reason" in text


def test_a_run_that_ended_before_anything_was_told_waits_for_nothing(tmp_path):
    folder = write_run(tmp_path, hours=1, verdict="FAIL")
    events = folder / "events.jsonl"
    ended = [line for line in events.read_text(encoding="utf-8").splitlines() if '"kind": "verdict"' in line]
    assert len(ended) == 1
    events.write_text(ended[0] + "\n", encoding="utf-8")
    text = page_of(folder).text
    assert "No sample yet" not in text and "No decision yet" not in text
    assert "GlucoseNone in this run." in text and "None in this run." in text.partition("Decisions")[2]


def test_the_tiles_tell_what_the_motor_gave_apart_from_what_was_due(tmp_path):
    folder = write_run(tmp_path, hours=24, verdict="FAIL", violations=(OVERDOSE,))
    due = len([event for event in read_record(folder).of("pulse") if event["source"] == "basal"])
    append(folder, b'{"kind": "pulse", "t": 90000, "due_s": 90000, "source": "unexpected"}\n')
    text = page_of(folder).text
    assert f"{due} pulses by the rules" in text and "U; 1 that no rule gives" in text


def test_pulses_that_were_due_and_did_not_come_are_counted(tmp_path):
    folder = write_run(tmp_path, hours=24, verdict="FAIL", violations=(OVERDOSE,))
    assert "U; 1 due did not come" in page_of(folder).text


def test_a_run_that_sees_no_motor_says_so(tmp_path):
    folder = write_run(tmp_path, hours=1)
    info = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps({**info, "sees_pulses": False, "pulses": {"counted": 1}}))
    text = page_of(folder).text
    assert "its motor was not seen" in text and "not seen1 pulse by the pump's word" in text


def test_every_check_stands_there_with_its_rules_and_what_it_saw(tmp_path):
    text = page_of(write_run(tmp_path, hours=24, verdict="FAIL", violations=(OVERDOSE,))).text
    assert "✕ brokenEvery pulse falls at the second it is due, and no other pulse doesD-101D-102" in text
    assert "– not judgedA command is answered within 250 msD-95200" not in text
    assert "– not judgedA command is answered within 250 msD-952" in text


def test_the_ledger_closes_or_says_by_how_much_it_does_not(tmp_path):
    folder = write_run(tmp_path, hours=5)
    assert "✓ closes" in page_of(folder).text
    info = json.loads((folder / "run.json").read_text())
    info["ledger_mu"]["basal"]["commanded"] += 50
    (folder / "run.json").write_text(json.dumps(info))
    assert "✕ off by 0.05 U" in page_of(folder).text


def test_the_command_that_replays_the_run_is_there(tmp_path):
    folder = write_run(tmp_path / "runs" / "one", hours=1)
    assert "pumprig replay runs/one" in page_of(folder).text


def test_folders_and_file_names_of_the_machine_stay_out_of_the_page(tmp_path):
    folder = write_run(tmp_path, hours=1)
    html = str(body(read_record(folder)))
    assert "folder/" not in html
    assert "a file (.csv)" in html


# --- what the chart is given ---


def test_a_gap_breaks_the_line_and_is_marked(tmp_path):
    chart = chart_of(write_run(tmp_path, hours=24))
    glucose = chart["glucose"]
    assert glucose["v"].count(None) == 1
    hole = glucose["v"].index(None)
    assert chart["gaps"] == [[glucose["s"][hole - 1], glucose["s"][hole + 1]]]


def test_only_the_controllers_zero_rate_is_a_suspension(tmp_path):
    # D-306: a client's TBR of 0 U/h is no suspension.
    folder = write_run(tmp_path, hours=1, verdict=None)
    rate = {"kind": "rate", "t": 3660, "at_s": 3660, "rate_iu_per_h": 0.0, "tbr": True}
    append(folder, json.dumps({**rate, "context": "remote control"}).encode() + b"\n")
    assert chart_of(folder)["suspensions"] == []
    append(folder, json.dumps({**rate, "at_s": 3660, "context": "AP controller"}).encode() + b"\n")
    append(folder, json.dumps({"kind": "state", "t": 4000, "at_s": 4000, "therapy": "run"}).encode() + b"\n")
    assert chart_of(folder)["suspensions"] == [[3660, 4000]]


def test_pulses_rates_and_boluses_are_all_there(tmp_path):
    folder = write_run(tmp_path, hours=24)
    chart, record = chart_of(folder), read_record(folder)
    assert sum(len(times) for times in chart["pulses"].values()) == len(record.of("pulse"))
    assert len(chart["rate"]["s"]) == len(record.of("rate"))
    assert [(bolus["programmed"], bolus["delivered"]) for bolus in chart["boluses"]] == [
        (5.5,) * 2,
        (4.2,) * 2,
        (6.05,) * 2,
    ]


def test_pulses_of_every_bolus_are_bolus_and_prime_pulses_stand_apart(tmp_path):
    folder = write_run(tmp_path, hours=1, verdict=None)
    before = chart_of(folder)["pulses"]
    append(folder, b'{"kind":"pulse","t":3000,"due_s":3000,"source":"extended"}\n')
    append(folder, b'{"kind":"pulse","t":3100,"due_s":3100,"source":"prime"}\n')
    after = chart_of(folder)["pulses"]
    assert (after["bolus"], after["prime"]) == ([*before["bolus"], 3000], [3100])
    assert "1 to prime" in page_of(folder).text


def test_pulses_that_no_rule_gives_stand_apart(tmp_path):
    folder = write_run(tmp_path, hours=1, verdict=None)
    append(folder, b'{"kind":"pulse","t":3000.5,"due_s":3000,"source":"unexpected"}\n')
    assert chart_of(folder)["pulses"]["unexpected"] == [3000]
    assert "1 that no rule gives" in page_of(folder).text


def test_two_changes_of_rate_in_one_second_leave_the_last(tmp_path):
    folder = write_run(tmp_path, hours=1, verdict=None)
    before = len(chart_of(folder)["rate"]["s"])
    for rate in (0.8, 0.0):
        event = {
            "kind": "rate",
            "t": 3000,
            "at_s": 3000,
            "rate_iu_per_h": rate,
            "tbr": True,
            "context": "AP controller",
        }
        append(folder, json.dumps(event).encode() + b"\n")
    chart = chart_of(folder)["rate"]
    assert len(chart["s"]) == before + 1
    assert (chart["s"][-1], chart["v"][-1]) == (3000, 0.0)


def test_the_first_violation_of_each_check_leads(tmp_path):
    again = {**OVERDOSE, "offset_minutes": 600}
    folder = write_run(tmp_path, hours=24, verdict="FAIL", violations=(OVERDOSE, again, LATE))
    assert chart_of(folder)["marks"]["violation"]["first"] == [1, 0, 1]


# --- records that are damaged, odd or hostile ---


def test_a_torn_last_line_is_left_out_and_said(tmp_path):
    folder = write_run(tmp_path, hours=2, verdict=None)
    append(folder, b'{"t": 7300, "kind": "sam')
    assert "The last line of events.jsonl is torn" in page_of(folder).text


@pytest.mark.parametrize(
    ("data", "events", "said"),
    [
        (b"", 0, 0),
        (b'{"kind":"run"}\n', 1, 0),
        (b'{"kind":"run"}', 1, 0),
        (b'{"kind":"run"}\n{"kind', 1, 1),
        (b'{"kind":"run"}\n\x00\x00\x00\n{"kind":"gap"}\n', 2, 1),
        (b'{"kind":"run"}\n[1]\n{"kind":"gap"}\n', 2, 1),
        (b'{"kind":"run","a":NaN}\n', 1, 0),
    ],
)
def test_what_can_be_read_is_read_and_the_rest_is_said(data, events, said):
    found, notes = parse_events(data)
    assert (len(found), len(notes)) == (events, said)


def test_a_record_without_run_json_still_gives_a_report(tmp_path):
    folder = write_run(tmp_path, hours=1)
    (folder / "run.json").unlink()
    assert "There is no run.json yet" in page_of(folder).text


def test_an_empty_record_still_gives_a_report(tmp_path):
    (tmp_path / "events.jsonl").write_bytes(b"")
    with being_written(tmp_path):
        assert {"class": "head", "data-verdict": "RUNNING"} in page_of(tmp_path).all("header")
    page = page_of(tmp_path)
    assert {"class": "head", "data-verdict": "INCONCLUSIVE"} in page.all("header")
    assert "broke off before the pump was brought up: nothing was judged" in page.text


def test_a_folder_that_is_no_run_is_refused_with_the_remedy(tmp_path):
    with pytest.raises(UsageError, match=r"no events\.jsonl.*pumprig run TRACE"):
        write_report(tmp_path)


def test_a_record_cannot_put_markup_into_the_page(tmp_path):
    evil = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\u2028"
    attack = {**OVERDOSE, "message": evil, "expected": evil, "observed": {evil: evil}, "check": evil}
    folder = write_run(tmp_path, hours=24, verdict="FAIL", violations=(attack,))
    info = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps({**info, "controller": evil, "board": evil, "seed": evil}))
    page = page_of(folder)
    assert len(page.all("script")) == 3
    assert page.all("img") == []
    assert page.text.count(evil) > 3
    assert chart_of(folder)["marks"]["violation"]["text"][0].startswith(evil)


def test_nothing_is_fetched_from_anywhere(tmp_path):
    page = page_of(write_run(tmp_path, hours=1))
    addresses = [
        value for _, attributes in page.elements for key, value in attributes.items() if key in ("src", "data")
    ]
    links = [attributes["href"] for _, attributes in page.elements if "href" in attributes]
    assert addresses == []
    assert set(links) <= {"#timeline"}
    policy = next(m["content"] or "" for m in page.all("meta") if m.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")
    assert "http" not in policy and "unsafe-eval" not in policy and "script-src 'unsafe-inline'" not in policy
    style = (Path(write_report.__code__.co_filename).parent / "report.css").read_text()
    assert "url(" not in style and "@import" not in style


# --- numbers ---


def test_glucose_metrics_follow_their_formulas():
    metrics = glucose_metrics([53, 54, 69, 70, 180, 181, 250, 251])
    assert metrics is not None
    shares = (metrics.very_low_percent, metrics.low_percent, metrics.in_range_percent)
    assert shares == (12.5, 37.5, 25.0)
    assert (metrics.high_percent, metrics.very_high_percent) == (37.5, 12.5)
    assert metrics.mean_mg_dl == 138.5
    assert metrics.gmi_percent == pytest.approx(3.31 + 0.02392 * 138.5)
    assert glucose_metrics([]) is None


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "0 s"), (59, "59 s"), (60, "1 min"), (86400, "24 h"), (1209600, "14 d")]
)
def test_durations_read_as_people_say_them(seconds, words):
    assert duration_words(seconds) == words


def test_glucose_metrics_of_a_recorded_trace_equal_the_published_implementation():
    # Computed with the R package iglu.
    path = Path(os.environ.get("PUMPRIG_SAMPLES", "../shared")) / "traces" / "dexcom_clarity_8_days.csv"
    if not path.is_file():
        pytest.skip(f"no recorded samples at {path}: set PUMPRIG_SAMPLES")
    metrics = glucose_metrics([sample.glucose_mg_dl for sample in load_trace(path).samples])
    assert metrics is not None and metrics.readings == 2148
    found = (metrics.mean_mg_dl, metrics.sd_mg_dl, metrics.cv_percent, metrics.in_range_percent, metrics.low_percent)
    assert found == pytest.approx((111.8966, 28.7997, 25.7378, 93.9944, 1.6294), abs=5e-5)
    found = (metrics.very_low_percent, metrics.high_percent, metrics.gmi_percent, metrics.lbgi, metrics.hbgi)
    assert found == pytest.approx((0.3724, 4.3762, 5.9866, 0.909286, 0.942588), abs=5e-5)


# --- patients ---


def write_patient(folder: Path) -> Path:
    run = write_run(folder, hours=2)
    events = [
        {"kind": "patient", "t": 60 + 300 * n, "at_s": 60 + 300 * n, "plasma_mg_dl": 100.04 + n, "glucose_mg_dl": 99.0}
        for n in range(24)
    ]
    events.append({"kind": "meal", "t": 1260, "at_s": 1260, "carbohydrate_g": 45.0})
    with (run / "events.jsonl").open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(event) + "\n" for event in events)
    info = json.loads((run / "run.json").read_text(encoding="utf-8"))
    info |= {"patient": "adult#001", "scenario": {"patient": {"name": "adult#001", "meals": "folder/my meals.csv"}}}
    (run / "run.json").write_text(json.dumps(info), encoding="utf-8")
    return run


def test_a_patient_is_named_with_plasma_glucose_and_meals(tmp_path):
    record = read_record(write_patient(tmp_path))
    page = Page(body(record))
    for said in ("adult#001, with meals", "Plasma glucose", "In the plasma", "45 g of carbohydrate", "a file (.csv)"):
        assert said in page.text, said
    assert "does not respond" not in page.text and "my meals" not in page.text
    data = chart_data(record)
    assert (data["plasma"]["s"][:2], data["plasma"]["v"][:2]) == ([60, 360], [100.0, 101.0])
    assert data["marks"]["meal"]["title"] == ["45 g of carbohydrate"]
    signals = numpy.load(write_signals(record.folder))
    assert signals["plasma_mg_dl"][1] == pytest.approx(101.04)
    assert (list(signals["meal_s"]), list(signals["meal_carbohydrate_g"])) == ([1260], [45])


def test_a_replayed_trace_has_no_plasma(tmp_path):
    record = read_record(write_run(tmp_path, hours=2))
    assert "Plasma" not in Page(body(record)).text
    assert chart_data(record)["plasma"] == {"s": [], "v": []}


# --- JUnit ---


def cases(folder: Path) -> dict[str, list[tuple[str, str]]]:
    suite = ElementTree.parse(write_junit(folder)).getroot()
    found = {
        case.get("name", "").partition(":")[0]: [(child.tag, child.get("message", "")) for child in case]
        for case in suite.iter("testcase")
    }
    assert suite.get("tests") == str(len(found))
    for key, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        assert suite.get(key) == str(sum(name == tag for children in found.values() for name, _ in children))
    return found


def test_a_pass_has_no_failure_and_skips_only_what_lockstep_cannot_judge(tmp_path):
    found = cases(write_run(tmp_path, hours=1))
    skipped = {name for name, children in found.items() if children}
    assert skipped == {name for name, check in CHECKS.items() if check.speed} != set()
    assert {tag for name in skipped for tag, _ in found[name]} == {"skipped"}


def test_a_fail_names_rule_numbers_and_sample_in_its_check(tmp_path):
    folder = write_run(tmp_path, hours=24, verdict="FAIL", violations=(OVERDOSE,))
    found = cases(folder)
    assert [tag for tag, _ in found["pulse"]] == ["failure"]
    assert [tag for tag, _ in found["verdict"]] == ["failure"]
    text = (folder / "junit.xml").read_text(encoding="utf-8")
    assert "D-104 at pump second 30960, sample at 515 min" in text
    assert "expected 16 pulses, observed 17 pulses" in text


@pytest.mark.parametrize("verdict", ["ERROR", "INCONCLUSIVE", None])
def test_no_verdict_that_proves_nothing_is_a_skip(tmp_path, verdict):
    children = cases(write_run(tmp_path, hours=1, verdict=verdict))["verdict"]
    assert [tag for tag, _ in children] == ["error"]
    assert children[0][1].startswith(verdict or "INCONCLUSIVE")


def test_what_a_pump_prints_cannot_break_the_xml(tmp_path):
    attack = {**OVERDOSE, "message": "\x00\x1b[31m\ud800 ]]> <&>"}
    text = cases(write_run(tmp_path, hours=24, verdict="FAIL", violations=(attack,)))["pulse"][0][1]
    assert "]]> <&>" in text


# --- signals ---


def test_signals_hold_the_run_as_arrays(tmp_path):
    folder = write_run(tmp_path, hours=24)
    record = read_record(folder)
    with numpy.load(write_signals(folder)) as arrays:
        assert len(arrays["glucose_s"]) == len(arrays["glucose_mg_dl"]) == len(record.of("sample"))
        assert len(arrays["basal_pulse_s"]) + len(arrays["bolus_pulse_s"]) == len(record.of("pulse"))
        assert arrays["bolus_delivered_iu"].tolist() == [5.5, 4.2, 6.05]
        assert arrays["suspension_s"].shape[1] == 2
        assert set(arrays["decision_action"]) == {"keep", "suspend", "resume"}


def test_signals_of_an_empty_record_are_empty_arrays(tmp_path):
    (tmp_path / "events.jsonl").write_bytes(b"")
    with numpy.load(write_signals(tmp_path)) as arrays:
        assert all(len(arrays[name]) == 0 for name in arrays if name != "pulse_mu")
        assert arrays["suspension_s"].shape == (0, 2)


# --- in a browser ---


def browse(path: Path, profile: Path) -> str:
    command = [str(CHROMIUM), *FLAGS, f"--user-data-dir={profile}", "--dump-dom", path.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=100).stdout


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine: apt install chromium")
def test_the_report_draws_its_chart_in_a_browser_with_no_network(tmp_path):
    folder = write_run(tmp_path / "run", hours=24, verdict="FAIL", violations=(OVERDOSE, LATE))
    html = browse(write_report(folder), tmp_path / "profile")
    head, _, rest = html.partition("<body")
    chart = rest[rest.index('id="chart"') : rest.index('id="violations"')]
    assert 'data-chart="ready"' in head
    # Four panels with their lines, the readings as dots, and each violation on the curve and in its lane.
    assert chart.count('class="subplot ') == 5
    assert len(re.findall(r'class="trace scatter', chart)) >= 15
    assert len(re.findall(r'<path class="point"', chart)) > len(read_record(folder).of("sample"))
    marks = re.findall(r'<path class="point"[^>]*fill: rgb\(194, 31, 31\)', chart)
    assert len(marks) == 4
    assert 'data-hours="all" aria-pressed="true"' in rest
