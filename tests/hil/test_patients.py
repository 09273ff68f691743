"""Virtual patients.

Goal: a closed loop stands on people who answer to insulin and meals as the published equations say. Method: the 30
patients rest, eat and are dosed; what must hold of any body is held (rest, more insulin is less glucose, nothing
comes from nothing), and in a slow test the equations are held against another program that solves them.
"""

import json
import os
import subprocess
import sys
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pumprig.errors import UsageError
from pumprig.patients import Meal, Patient, SensorNoise, patient_names, patient_parameters, read_meals

DAY = 1440


def day(name, meals=(), extra_iu=None, basal=1.0):
    """Glucose of each minute of a day, given meals {minute: g} and insulin {minute: IU} beside the resting rate."""
    patient = Patient(patient_parameters(name))
    per_minute = basal * patient.parameters.resting_basal_iu_per_h / 60
    glucose = []
    for minute in range(DAY):
        if minute in dict(meals):
            patient.eat(dict(meals)[minute])
        glucose.append(patient.step(per_minute + dict(extra_iu or {}).get(minute, 0)))
    return glucose


def test_there_are_ten_adolescents_ten_adults_and_ten_children():
    assert len(patient_names()) == 30
    for kind in ("adolescent", "adult", "child"):
        assert [f"{kind}#{number:03d}" in patient_names() for number in range(1, 11)] == [True] * 10


@pytest.mark.parametrize("name", patient_names())
def test_at_rest_nothing_moves(name):
    patient = Patient(patient_parameters(name))
    at_rest = patient.glucose_mg_dl
    per_minute = patient.parameters.resting_basal_iu_per_h / 60
    assert all(abs(patient.step(per_minute) - at_rest) < 0.01 for _ in range(DAY))


@pytest.mark.parametrize("name", patient_names()[::5])
def test_a_meal_raises_glucose_and_a_bolus_lowers_it(name):
    rest, fed = day(name), day(name, {60: 50})
    dosed = day(name, {60: 50}, {60: 2})
    assert fed[59] == pytest.approx(rest[59])
    assert max(fed) > max(rest) + 20
    assert all(with_bolus <= without + 1e-9 for with_bolus, without in zip(dosed, fed, strict=True))
    assert min(dosed[120:600]) < min(fed[120:600])


@pytest.mark.parametrize("name", patient_names()[::5])
def test_without_insulin_glucose_only_climbs(name):
    glucose = day(name, basal=0)
    assert glucose[-1] > glucose[0] + 100
    assert all(later >= earlier - 1e-9 for earlier, later in pairwise(glucose[60:]))


def test_a_meal_is_eaten_at_five_grams_a_minute_and_two_small_plates_are_one_large():
    assert day("adult#001", {60: 30, 61: 30}) == pytest.approx(day("adult#001", {60: 60}), abs=1e-6)


@settings(deadline=None)
@given(extra=st.floats(0, 20), minute=st.integers(0, 300))
def test_glucose_stays_a_number_whatever_is_delivered(extra, minute):
    patient = Patient(patient_parameters("child#001"))
    for now in range(360):
        glucose = patient.step(extra if now == minute else 0.01)
        assert 0 <= glucose < 2000


def test_an_unknown_patient_is_named_with_those_there_are():
    with pytest.raises(UsageError, match=r"'adult#011'.*adult#001 to #010"):
        patient_parameters("adult#011")


# --- sensor ---


def test_the_same_seed_is_the_same_sensor_and_another_one_is_not():
    first, again, other = SensorNoise(1), SensorNoise(1), SensorNoise(2)
    minutes = range(0, DAY, 5)
    assert [first.error_mg_dl(m) for m in minutes] == [again.error_mg_dl(m) for m in reversed(minutes)][::-1]
    assert [first.error_mg_dl(m) for m in minutes] != [other.error_mg_dl(m) for m in minutes]


def test_the_error_goes_through_its_knots_without_a_jump():
    sensor = SensorNoise(3)
    for knot in range(15, 3000, 15):
        assert sensor.error_mg_dl(knot - 1e-6) == pytest.approx(sensor.error_mg_dl(knot), abs=1e-3)


def test_out_of_range_reads_low_and_high_and_halves_round_up():
    exact = SensorNoise(1, scale=0)
    assert [exact.reading_mg_dl(0, glucose) for glucose in (12, 39.4, 99.49, 99.5, 400.6, 900)] == [
        39, 39, 99, 100, 401, 401,
    ]  # fmt: skip


# --- meals ---


def test_meals_are_read_for_every_day_and_for_one(tmp_path):
    path = tmp_path / "meals.csv"
    path.write_text("# a comment\ntime,carbohydrate_g\n07:30,45\n1d 12:15, 70.5\n", encoding="utf-8")
    every, once = read_meals(path)
    assert (every, once) == (Meal(450, 45.0), Meal(735, 70.5, day=1))
    assert [every.falls_on(450), every.falls_on(DAY + 450), every.falls_on(451)] == [True, True, False]
    assert [once.falls_on(735), once.falls_on(DAY + 735)] == [False, True]


@pytest.mark.parametrize("line", ["25:00,10", "07:60,10", "07:30", "07:30,much", "07:30,-1", "07:30,301", "noon,10"])
def test_a_line_that_is_no_meal_is_named_with_its_number(tmp_path, line):
    path = tmp_path / "meals.csv"
    path.write_text(f"07:00,20\n{line}\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"meals\.csv:2: .*allowed: HH:MM,grams"):
        read_meals(path)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"nothing\.csv: the meals cannot be read: No such file"):
        read_meals(tmp_path / "nothing.csv")


# --- another program that solves the same equations ---

REFERENCE = """
import importlib, json, os, sys, types
root = os.path.join(sys.argv[1], "simglucose")
for name, path in (("simglucose", root), ("simglucose.patient", os.path.join(root, "patient"))):
    module = types.ModuleType(name)
    module.__path__ = [path]
    sys.modules[name] = module
import pkg_resources
pkg_resources.resource_filename = lambda package, path: os.path.join(root, path)
t1d = importlib.import_module("simglucose.patient.t1dpatient")
glucose = {}
for name in sys.argv[2:]:
    patient = t1d.T1DPatient.withName(name)
    basal = patient._params.u2ss * patient._params.BW / 6000
    row = glucose[name] = []
    for minute in range(1440):
        insulin = 0 if 300 <= minute < 400 else basal + (2 if minute == 105 else 0)
        patient.step(t1d.Action(CHO=60 if minute in (100, 700) else 0, insulin=insulin))
        row.append(patient.observation.Gsub)
print(json.dumps(glucose))
"""


@pytest.mark.slow
def test_the_equations_agree_with_simglucose(tmp_path):
    """In an environment of its own: simglucose asks for packages that the project does not need."""
    environment, package = tmp_path / "venv", tmp_path / "package"
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    python = environment / "bin" / "python"
    for arguments in (
        ["scipy", "pandas", "setuptools<81"],
        ["--no-deps", "--target", str(package), "simglucose==0.2.11"],
    ):
        made = subprocess.run(
            [python, "-m", "pip", "install", "-q", *arguments], capture_output=True, text=True, check=False
        )
        if made.returncode:
            pytest.skip(f"simglucose cannot be installed here: {made.stderr.strip().splitlines()[-1][:200]}")
    names = ["adult#001", "child#004", "adolescent#002"]
    done = subprocess.run(
        [python, "-c", REFERENCE, package, *names], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )  # fmt: skip
    reference = json.loads(done.stdout.splitlines()[-1])
    for name in names:
        patient = Patient(patient_parameters(name))
        basal = patient.parameters.resting_basal_iu_per_h / 60
        for minute, expected in enumerate(reference[name]):
            if minute in (100, 700):
                patient.eat(60)
            insulin = 0 if 300 <= minute < 400 else basal + (2 if minute == 105 else 0)
            assert abs(patient.step(insulin) - expected) < 0.01, (name, minute)
