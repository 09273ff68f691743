"""A cohort of virtual patients.

Goal: every patient goes through real firmware and is judged; what a pump did wrong fails the cohort unless it is
understood, and what was understood may not vanish; the page and the figures tell each patient's outcome. Method: short
cohorts with the right firmware and with one that delivers too much, findings that fit and that do not, and bad input.
"""

import dataclasses
import json

import pytest

from hil.rig_bench import firmware_copy
from pumprig.cli import main
from pumprig.cohort.cohort import Cohort, PatientOutcome, Settings, chosen_patients, run_cohort
from pumprig.cohort.findings import Finding, load_findings
from pumprig.cohort.page import write_page
from pumprig.cohort.show import as_dict, mean_of, show_cohort
from pumprig.devices.choice import Devices
from pumprig.errors import UsageError
from pumprig.patients import patient_names
from pumprig.report.metrics import glucose_metrics
from pumprig.suite.slots import Run

MISS = {"verdict": "FAIL", "check": "pulse", "rule": "D-102", "message": "a pulse came", "at_s": 90}
KNOWN = Finding(patient="adult#001", controller="plgs", days=1, check="pulse", rule="D-102", why="Understood.")


def cli(*arguments):
    with pytest.raises(SystemExit) as ended:
        main(["cohort", *arguments])
    return ended.value.code


def outcome(name, *reasons, verdict="PASS", exit_code=0, glucose=(100, 120, 260), controller="plgs"):
    run = Run(name, verdict, exit_code, list(reasons))
    metrics = glucose_metrics(glucose)
    return PatientOutcome(name, controller, run, metrics, metrics, tuple(map(float, glucose)), {})


def cohort_of(tmp_path, *outcomes, findings=(), **settings):
    values = {"patients": tuple(one.name for one in outcomes), "days": 1, "controllers": ("plgs",), **settings}
    made = Cohort(Settings(**values), tmp_path, list(outcomes))
    made.compare(findings)
    return made


# --- what a cohort comes to ---


def test_without_violations_a_cohort_passes(tmp_path):
    made = cohort_of(tmp_path, outcome("adult#001"), outcome("child#001"))
    assert (made.exit_code, made.verdict, made.new, made.gone) == (0, "PASS", [], [])


def test_a_violation_that_nobody_explained_fails(tmp_path):
    made = cohort_of(tmp_path, outcome("child#001", MISS, verdict="FAIL", exit_code=1), findings=[KNOWN])
    assert (made.exit_code, made.verdict) == (1, "FAIL")
    assert made.new == [(made.outcomes[0], MISS)] and not made.gone


def test_a_violation_that_is_understood_does_not(tmp_path):
    made = cohort_of(tmp_path, outcome("adult#001", MISS, verdict="FAIL", exit_code=1), findings=[KNOWN])
    assert (made.exit_code, made.known) == (0, [KNOWN])


@pytest.mark.parametrize("field", ["check", "rule"])
def test_another_check_or_rule_is_another_violation(tmp_path, field):
    miss = {**MISS, field: "other"}
    made = cohort_of(tmp_path, outcome("adult#001", miss, verdict="FAIL", exit_code=1), findings=[KNOWN])
    assert (made.exit_code, len(made.new), made.gone) == (1, 1, [KNOWN])


def test_a_finding_that_is_gone_fails(tmp_path):
    made = cohort_of(tmp_path, outcome("adult#001"), findings=[KNOWN])
    assert (made.exit_code, made.gone) == (1, [KNOWN])


@pytest.mark.parametrize(
    "other", [{"days": 2}, {"controller": "manual"}, {"seed": 2}, {"meals": "x"}, {"announced": True}]
)
def test_a_finding_of_another_run_is_not_missed(tmp_path, other):
    finding = KNOWN.model_copy(update=other)
    assert cohort_of(tmp_path, outcome("adult#001"), findings=[finding]).exit_code == 0


def test_a_run_that_broke_is_told_by_its_exit_code_unless_a_pump_failed(tmp_path):
    broken = outcome("adult#001", {**MISS, "verdict": "ERROR", "check": ""}, verdict="ERROR", exit_code=4)
    unfit = outcome("adult#002", {**MISS, "verdict": "INCONCLUSIVE"}, verdict="INCONCLUSIVE", exit_code=7)
    assert (cohort_of(tmp_path, unfit).exit_code, cohort_of(tmp_path, unfit).verdict) == (7, "INCONCLUSIVE")
    assert (cohort_of(tmp_path, broken, unfit).exit_code, cohort_of(tmp_path, broken).verdict) == (4, "ERROR")
    failed = outcome("adult#003", MISS, verdict="FAIL", exit_code=1)
    assert cohort_of(tmp_path, broken, failed).exit_code == 1


def test_means_count_each_patient_the_same():
    one, other = glucose_metrics([100, 100, 100]), glucose_metrics([200])
    assert mean_of([one, other]).mean_mg_dl == 150 and mean_of([]) is None
    assert mean_of([one, other]).readings == 4


def test_the_page_tells_every_patient_and_runs_no_script(tmp_path):
    failed = outcome("child#001", MISS, verdict="FAIL", exit_code=1, glucose=(40, 60, 120))
    nothing = dataclasses.replace(outcome("child#002", verdict="ERROR", exit_code=4), sensor=None, plasma_mg_dl=())
    made = cohort_of(
        tmp_path, outcome("adult#001", MISS, verdict="FAIL", exit_code=1), failed, nothing, findings=[KNOWN]
    )
    text = write_page(made).read_text(encoding="utf-8")
    for said in ("adult#001", "child#001", "child#002", "no sample", "new: not understood yet", "Understood.", "FAIL"):
        assert said in text, said
    assert "70 to 180 33.3 %" in text and "Below 54 33.3 %" in text
    assert "<script" not in text and "default-src 'none'" in text.replace("&#x27;", "'")


def test_controllers_are_compared_patient_by_patient(tmp_path, capsys):
    finding = KNOWN.model_copy(update={"controller": "oref"})
    lived = [
        outcome(name, *([MISS] if controller == "oref" and name == "adult#001" else []), controller=controller,
                glucose=(100, 120, 190) if controller == "plgs" else (100, 120, 130))
        for name in ("adult#001", "adult#002") for controller in ("plgs", "oref")
    ]  # fmt: skip
    made = Cohort(Settings(("adult#001", "adult#002"), 1, ("plgs", "oref")), tmp_path, lived)
    made.compare([finding])
    assert (made.known, made.new, made.gone) == ([finding], [], [])
    page = write_page(made)
    text = page.read_text(encoding="utf-8")
    for said in ("adult#001, plgs", "adult#001, oref", "2 adults, plgs", "66.7 / 100.0 %", "plgs and oref"):
        assert said in text, said
    show_cohort(made, str(page))
    shown = capsys.readouterr().out
    assert shown.index("adult#001, plgs") < shown.index("adult#001, oref") < shown.index("2 adults, oref")
    assert [one["controller"] for one in as_dict(made, "")["patients"]] == ["plgs", "oref"] * 2


@pytest.mark.parametrize(("peak_mg_dl", "said"), [(450, False), (451, True)])
def test_a_line_that_the_page_cuts_off_is_said_to_be(tmp_path, peak_mg_dl, said):
    page = write_page(cohort_of(tmp_path, outcome("adult#001", glucose=(100, peak_mg_dl, 100))))
    note = f"Cut off at 450 mg/dL; the highest is {peak_mg_dl}."
    assert (note in page.read_text(encoding="utf-8")) is said


# --- through real firmware ---


def test_two_patients_live_a_day_and_the_same_day_again(tmp_path):
    settings = Settings(("child#004", "adult#001"), 1, ("plgs",))
    for name in ("first", "again"):
        (tmp_path / name).mkdir()
    first, again = (run_cohort(settings, tmp_path / name, (), slots=2) for name in ("first", "again"))
    assert first.exit_code == 0, first.new
    assert [one.name for one in first.outcomes] == ["child#004", "adult#001"]
    for one, other in zip(first.outcomes, again.outcomes, strict=True):
        assert one.sensor.readings == 288 and len(one.plasma_mg_dl) == 289
        assert (one.sensor, one.plasma_mg_dl) == (other.sensor, other.plasma_mg_dl)
    assert first.outcomes[0].insulin_iu("basal") < first.outcomes[1].insulin_iu("basal")


def test_a_pump_that_delivers_too_much_fails_the_cohort_and_its_report_is_made(tmp_path, monkeypatch, capsys):
    line = "self._owed_pulses -= 1"
    wrong = firmware_copy(tmp_path, pump__delivery=(line, line + " if self.basal_pulses % 10 else 0"))
    monkeypatch.chdir(tmp_path)
    arguments = ["--patients", "adult#001", "--days", "1", "--firmware", str(wrong), "--out", "runs", "--json"]
    assert cli(*arguments) == 1
    told = json.loads(capsys.readouterr().out)
    assert {one["check"] for one in told["new"]} >= {"pulse"} and not told["known"]
    [patient] = told["patients"]
    assert patient["verdict"] == "FAIL" and patient["sensor"]["mean_mg_dl"] > 40
    assert (tmp_path / patient["run"] / "report.html").is_file()
    page = (tmp_path / told["page"]).read_text(encoding="utf-8")
    assert 'href="records/adult-001/' in page

    listed = "".join(
        f"[[finding]]\npatient = 'adult#001'\ncontroller = 'plgs'\ndays = 1\n"
        f"check = '{one['check']}'\nrule = '{one['rule']}'\nwhy = 'The firmware is wrong on purpose.'\n"
        for one in told["new"]
    )
    (tmp_path / "known.toml").write_text(listed, encoding="utf-8")
    assert cli(*arguments, "--findings", "known.toml") == 0
    assert len(json.loads(capsys.readouterr().out)["known"]) == len(told["new"])


# --- bad input ---


def test_names_are_patients_each_once():
    assert chosen_patients("all") == patient_names()
    assert chosen_patients("adult#002, child#001") == ("adult#002", "child#001")
    with pytest.raises(UsageError, match="twice"):
        chosen_patients("adult#001,adult#001")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--patients", "adult#001,nobody"], "there is no patient 'nobody'"),
        (["--patients", ""], "there is no patient ''"),
        (["--meals", "no.csv"], "the meals cannot be read"),
        (["--findings", "no.toml"], "the findings cannot be read"),
        (["--firmware", "nowhere"], "this is no firmware"),
        (["--days", "46"], "46"),
        (["--controller", "oracle"], "oracle is no controller"),
        (["--controller", "plgs,plgs"], "plgs is named twice"),
        (["--announce-meals"], "there are no meals to tell of"),
    ],
)
def test_bad_input_gets_one_message_and_starts_nothing(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert cli(*arguments, "--out", "runs") == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    "text", ["[[finding]]\npatient = 'adult#001'\n", "[[finding]]\nwhy = ''\n", "no toml", "other = 1"]
)
def test_a_list_of_findings_with_a_mistake_is_refused(tmp_path, text):
    path = tmp_path / "findings.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=r"findings\.toml"):
        load_findings(path)


def test_every_finding_that_is_committed_names_a_patient_and_says_why():
    assert all(finding.patient in patient_names() and len(finding.why) > 20 for finding in load_findings())


# --- devices ---


def test_a_cohort_can_wear_another_pump_and_another_sensor(tmp_path):
    devices = Devices.named("minimed_x23", "libre2")
    cohort = run_cohort(Settings(("adult#001",), 1, ("plgs",), devices=devices), tmp_path, [KNOWN])
    [lived] = cohort.outcomes
    # What the usual pump is known to do is no finding of this one.
    assert (cohort.exit_code, cohort.gone, lived.run.verdict) == (0, [], "PASS")
    assert lived.summary["samples_sent"] == 96 and lived.summary["devices"]["pump"]["pulse_mu"] == 25
    assert lived.insulin_iu("basal") == lived.summary["pulses"]["basal"] * 0.025
    assert "MiniMed x23" in write_page(cohort).read_text(encoding="utf-8")


@pytest.mark.parametrize(("option", "name", "rule"), [("--cgm", "libre_rio", "D-1301"), ("--pump", "v_go_20", "D-205")])
def test_devices_that_a_controller_has_nothing_to_do_with_are_refused(capsys, tmp_path, option, name, rule):
    assert cli("--patients", "adult#001", option, name, "--out", str(tmp_path)) == 2
    assert rule in capsys.readouterr().err and not list(tmp_path.iterdir())
