"""A patient closes the loop.

Goal: the patient gets exactly what the motor delivered, whatever the pump was meant to do, and the sensor tells what
came of it; the same seed gives the same run on every clock. Method: runs of a virtual patient on the virtual board with
the real firmware and with firmware that is wrong on purpose, and the wearer alone where a boundary is to be met.
"""

import hashlib
import json
import re
from datetime import datetime

import pytest

from hil.rig_bench import Run, board_on_a_line, command, fault, firmware_copy, fit_run
from pumplink.virtual.clocks import parse_clock
from pumprig.cli import main
from pumprig.errors import ScenarioError, UsageError
from pumprig.patients import Meal, Patient, SensorNoise, patient_parameters
from pumprig.patients.plan import PatientPlan, patient_trace
from pumprig.runs import RunOptions, execute, make_plan
from pumprig.scenario import Scenario
from pumprig.trace import Sample
from pumprig.verdict import Verdict
from pumprig.wearer import Wearer

ADULT = '[patient]\nname = "adult#001"'
SENSITIVE = '[patient]\nname = "adult#007"'
START_S = 60


def lived(folder, *parts, patient=ADULT, clock="lockstep", firmware=None):
    """One run of a patient."""
    lines = [part for part in parts if not part.startswith("[")]
    text = "\n".join([*lines, patient, *(part for part in parts if part.startswith("["))])
    chosen = parse_clock(clock)
    plan = make_plan(Scenario.from_toml(text, folder=folder), chosen)
    options = RunOptions(board="virtual", clock=chosen, out=folder / "runs", firmware=firmware, report=False)
    return Run(execute(plan, options))


def sensor(run):
    return [event["glucose_mg_dl"] for event in run.events("sample")]


def plasma(run):
    return [event["plasma_mg_dl"] for event in run.events("patient")]


def expected_readings(pulses, hours, *, name="adult#001", seed=1, meals=()):
    """What the sensor must tell of a patient who got these pulses: the rule of the minute, written once more."""
    patient, noise = Patient(patient_parameters(name)), SensorNoise(seed)
    readings = []
    for minute in range(int(hours * 60)):
        if minute % 5 == 0:
            readings.append(noise.reading_mg_dl(minute, patient.glucose_mg_dl))
        for at, carbohydrate_g in meals:
            if at == minute:
                patient.eat(carbohydrate_g)
        due = [s for s in pulses if (60 * minute - 2 < s or minute == 0) and s <= 60 * minute + 58]
        patient.step(0.05 * len(due))
    return readings


def test_the_sensor_tells_of_the_patient_who_got_the_pulses_of_the_motor(tmp_path):
    (tmp_path / "meals.csv").write_text("07:10,30\n", encoding="utf-8")
    run = lived(tmp_path, "hours = 4", "start = 7", command(1800, "set_bolus", amount_iu=2),
                patient=ADULT + '\nmeals = "meals.csv"')  # fmt: skip
    assert run.verdict is Verdict.PASS, run.explain()
    assert sensor(run) == expected_readings(run.pulses, 4, meals=[(10, 30.0)])
    [meal] = run.events("meal")
    assert (meal["at_s"] - run.events("run")[0]["start_s"], meal["carbohydrate_g"]) == (600, 30.0)
    assert [event["at_s"] % 300 for event in run.events("patient")] == [run.events("run")[0]["start_s"] % 300] * 49


def test_the_profile_is_the_resting_rate_rounded_down(tmp_path):
    profile = lived(tmp_path, "hours = 0.5").events("run")[0]["basal_profile"]
    assert [[minutes, float(rate)] for minutes, rate in profile] == [[1440, 1.267]]


def test_less_insulin_is_more_glucose_and_a_suspension_by_the_pump_is_felt(tmp_path):
    full = lived(tmp_path, "hours = 6", 'controller = "manual"')
    none = lived(tmp_path, "hours = 6", 'controller = "manual"', command(0, "set_therapy_state", state="stop"))
    assert none.verdict is full.verdict is Verdict.PASS, none.explain()
    assert not none.pulses and len(full.pulses) > 100
    assert plasma(none)[-1] > plasma(full)[-1] + 50
    bolus = command(60, "set_bolus", amount_iu=5)
    low = lived(tmp_path, "hours = 4", 'controller = "plgs"', bolus, patient=SENSITIVE)
    held = lived(tmp_path, "hours = 4", 'controller = "manual"', bolus, patient=SENSITIVE)
    assert low.outcome.summary["suspensions"] >= 1
    assert len(low.pulses) < len(held.pulses) and min(plasma(low)) > min(plasma(held))


def test_a_pump_that_delivers_double_is_caught_and_drives_glucose_low(tmp_path):
    line = "self._motor.pulse(s)"
    twice = firmware_copy(tmp_path, pump__delivery=(line, f"{line}; {line}"))
    right = lived(tmp_path, "hours = 6", 'controller = "manual"', patient=SENSITIVE)
    wrong = lived(tmp_path, "hours = 6", 'controller = "manual"', patient=SENSITIVE, firmware=twice)
    assert wrong.verdict is Verdict.FAIL
    assert "a pulse came" in wrong.outcome.reasons[0].message
    assert min(plasma(wrong)) < 54 < min(plasma(right))
    assert min(sensor(wrong)) < 54


def test_a_primed_line_reaches_nobody(tmp_path):
    stop, run = (command(at, "set_therapy_state", state=state) for at, state in ((60, "stop"), (900, "run")))
    primed = lived(tmp_path, "hours = 3", stop, command(120, "start_priming", amount_iu=5), run)
    dry = lived(tmp_path, "hours = 3", stop, run)
    assert primed.verdict is dry.verdict is Verdict.PASS, primed.explain()
    assert len(primed.pulses) == len(dry.pulses) + 100
    assert plasma(primed) == plasma(dry)


def test_the_same_seed_is_the_same_run_and_another_one_is_not(tmp_path):
    first, again = (lived(tmp_path, "hours = 2") for _ in range(2))
    assert first.dose_text == again.dose_text and sensor(first) == sensor(again)
    other = lived(tmp_path, "hours = 2", "seed = 2")
    assert sensor(other) != sensor(first)
    own = lived(tmp_path, "hours = 2", "seed = 2", patient=ADULT + "\nseed = 1")
    assert sensor(own) == sensor(first)


def test_a_faster_clock_gives_the_same_doses_and_samples(tmp_path):
    lockstep = lived(tmp_path, "hours = 0.1")
    scaled = fit_run(lambda: lived(tmp_path, "hours = 0.1", clock="scaled:30"))
    assert scaled.verdict is Verdict.PASS, scaled.explain()
    assert (scaled.dose_text, sensor(scaled)) == (lockstep.dose_text, sensor(lockstep))


def test_late_and_missed_samples_are_those_of_their_own_minute(tmp_path):
    bolus = command(60, "set_bolus", amount_iu=3)
    plain = lived(tmp_path, "hours = 2", bolus)
    late = lived(tmp_path, "hours = 2", bolus, fault(1500, "cgm_late", by_minutes=12))
    lost = lived(tmp_path, "hours = 2", bolus, fault(1700, "bearer_down", for_seconds=900))
    assert late.verdict is lost.verdict is Verdict.PASS, late.explain() + lost.explain()
    for run in (late, lost):
        told = {event["offset_minutes"]: event["glucose_mg_dl"] for event in run.events("sample")}
        assert [told[minute] for minute in range(0, 120, 5)] == sensor(plain)


@pytest.mark.slow
def test_over_a_line_the_patient_gets_what_the_pump_counts(tmp_path):
    """The readings are those of lockstep: what is counted at the end of a minute is what the motor did in it."""
    (tmp_path / "night.toml").write_text(
        "hours = 0.2\n" + ADULT + "\n" + command(60, "set_bolus", amount_iu=2) + "\n", encoding="utf-8"
    )
    seen = lived(tmp_path, "hours = 0.2", command(60, "set_bolus", amount_iu=2))

    def over_a_line():
        with board_on_a_line("scaled:10") as board:
            device = re.match(r"virtual board on (\S+),", board.stdout.readline())[1]
            chosen = parse_clock("scaled:10")
            plan = make_plan(Scenario.load(tmp_path / "night.toml"), chosen)
            options = RunOptions(board=f"port:{device}", clock=chosen, out=tmp_path / "runs", report=False)
            return Run(execute(plan, options))

    told = fit_run(over_a_line, 2)
    assert told.verdict is Verdict.PASS, told.explain()
    assert not told.pulses and len(seen.pulses) > 40
    assert (sensor(told), plasma(told)) == (sensor(seen), plasma(seen))


# --- the wearer alone ---


class Untold:
    """A story that nobody hears."""

    def patient(self, *_told):
        pass

    meal = patient


def a_wearer(*meals):
    made = Wearer(PatientPlan(patient_parameters("adult#001"), meals, 1), datetime(2026, 3, 4, 23, 58), Untold())
    made.begin(START_S, 50)
    return made


@pytest.mark.parametrize(
    ("due_s", "minute"), [(0, 0), (START_S + 58, 0), (START_S + 59, 1), (START_S + 118, 1), (START_S + 119, 2)]
)
def test_a_pulse_is_of_the_minute_that_ends_two_seconds_after_it_or_later(due_s, minute):
    wearer = a_wearer(Meal(1439, 20.0), Meal(1, 10.0, day=1))
    wearer.pulse(due_s, "basal")
    wearer.pulse(due_s, "prime")
    wearer.live(START_S + 1200)
    expected = Patient(patient_parameters("adult#001"))
    for now in range(20):
        if now in (1, 3):
            expected.eat(20.0 if now == 1 else 10.0)
        expected.step(0.05 if now == minute else 0.0)
    assert wearer._glucose_mg_dl[20] == expected.glucose_mg_dl


def test_a_pulse_that_is_seen_late_is_not_lost():
    wearer = a_wearer()
    wearer.live(START_S + 300)
    wearer.pulse(START_S + 10, "unexpected")
    before = wearer._glucose_mg_dl[5]
    wearer.live(START_S + 1200)
    assert wearer._glucose_mg_dl[5] == before
    assert not wearer._pulses


def test_counted_pulses_are_as_good_as_seen_ones():
    seen, told = a_wearer(), a_wearer()
    for minute, pulses in enumerate((1, 0, 3, 2)):
        for _ in range(pulses):
            seen.pulse(START_S + 60 * minute + 30, "basal")
    for minute, total in enumerate((1, 1, 4, 6)):
        told.counted(START_S + 60 * minute + 59, total)
        told.live(START_S + 60 * minute + 60)
    seen.live(START_S + 240)
    assert seen._glucose_mg_dl == told._glucose_mg_dl


def test_without_a_patient_samples_stay_as_they_are():
    nobody = Wearer(None, datetime(2026, 3, 4), Untold())
    sample = Sample(5, 123)
    nobody.begin(START_S, 50)
    nobody.pulse(70, "basal")
    assert nobody.measured(sample) is sample


# --- plans and bad input ---


def test_samples_are_planned_every_five_minutes_of_the_run():
    plan = PatientPlan.of("child#001", None, 1)
    day = patient_trace(plan, None, None)
    assert (len(day.samples), day.duration_minutes, day.start.hour) == (288, 1440, 0)
    assert [s.offset_minutes for s in patient_trace(plan, 30.5, 0.2).samples] == [0, 5, 10]
    assert patient_trace(plan, 30.5, 1).start.strftime("%H:%M") == "06:30"
    assert len(patient_trace(plan, None, 1092).samples) == 13104
    with pytest.raises(UsageError, match="1092"):
        patient_trace(plan, None, 1092.5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('trace = "bundled"\n' + ADULT, "trace: a run has a trace or a patient, not both"),
        ('name = "nothing"', "trace: is missing"),
        ('[patient]\nname = "adult#011"', r"patient.name: there is no patient 'adult#011'; allowed: adolescent#001"),
        ('[patient]\nmeals = "none"', "patient.name: is missing"),
        (ADULT + "\nseed = -1", "patient.seed: must be"),
        (ADULT + '\nmeal = "none"', "patient.meal: unknown field; do you mean meals"),
    ],
)
def test_a_scenario_with_a_wrong_patient_is_refused(text, message):
    with pytest.raises(ScenarioError, match=message):
        Scenario.from_toml(text)


def test_meals_that_a_scenario_names_and_are_not_there_are_told_with_their_line():
    scenario = Scenario.from_toml(ADULT + '\nmeals = "none.csv"', file="night.toml")
    with pytest.raises(ScenarioError, match=r"night\.toml:3: patient\.meals: .*none\.csv: the meals cannot be read"):
        make_plan(scenario)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--patient", "adult#011"], "--patient: there is no patient 'adult#011'"),
        (["--patient", "adult#001", "--meals", "no.csv"], "no.csv: the meals cannot be read"),
        (["trace.csv", "--patient", "adult#001"], "--patient: trace.csv gives a trace, which has no patient"),
        (["--meals", "none"], "--meals: meals need somebody who eats them"),
        (["--patient", "adult#001", "--hours", "1093"], "more than one CGM session can count"),
    ],
)
def test_bad_input_gets_one_message_and_starts_nothing(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["run", *arguments, "--out", "runs"])
    assert ended.value.code == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_a_run_of_a_patient_can_be_replayed_while_the_meals_stay(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    meals = tmp_path / "meals.csv"
    meals.write_text("00:10,30\n", encoding="utf-8")
    (tmp_path / "night.toml").write_text("hours = 1\n[patient]\nname = 'adult#002'\n", encoding="utf-8")
    arguments = ["night.toml", "--patient", "adult#001", "--meals", "meals.csv", "--json", "--out", "runs"]

    def told(*words):
        with pytest.raises(SystemExit) as ended:
            main([*words])
        return ended.value.code, capsys.readouterr()

    code, shown = told("run", *arguments)
    run = json.loads(shown.out)
    doses = (tmp_path / run["run"] / "doses.jsonl").read_bytes()
    assert (code, run["doses_sha256"]) == (0, hashlib.sha256(doses).hexdigest())
    code, shown = told("replay", run["run"], "--json")
    assert (code, json.loads(shown.out)["doses_sha256"]) == (0, run["doses_sha256"]), shown.err
    meals.write_text("00:10,40\n", encoding="utf-8")
    code, shown = told("replay", run["run"])
    assert code == 2 and "the meals have changed since the run" in shown.err
