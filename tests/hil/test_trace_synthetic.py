"""The bundled synthetic day.

Goal: the file is what its generator writes, says that it is synthetic, and holds what the demonstration needs. Method:
the file is compared with the generator's output, and its shapes are looked for in the loaded trace.
"""

import subprocess
import sys

import pytest

from pumprig.trace import Gap, bundled_trace_path, load_trace
from pumprig.trace.synthetic import DEFAULT_SEED, synthetic_day


@pytest.fixture(scope="module")
def day():
    return load_trace(bundled_trace_path())


def test_the_file_is_the_output_of_its_generator():
    assert bundled_trace_path().read_text(encoding="utf-8") == synthetic_day(DEFAULT_SEED)


def test_the_command_in_the_file_writes_the_file():
    command = bundled_trace_path().read_text(encoding="utf-8").splitlines()[1].removeprefix("# python ").split()
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=True)
    assert done.stdout == bundled_trace_path().read_text(encoding="utf-8")


def test_another_seed_gives_another_day():
    assert synthetic_day(1) == synthetic_day(1) != synthetic_day(2)


def test_the_file_says_that_it_is_synthetic():
    assert "Synthetic" in bundled_trace_path().read_text(encoding="utf-8").splitlines()[0]


def test_it_is_one_day_with_one_gap(day):
    assert (day.interval_minutes, day.duration_minutes) == (5, 1440)
    assert day.gaps == (Gap(925, 970),)
    assert day.notes == ()


def test_it_holds_a_low_and_a_high(day):
    glucose = [sample.glucose_mg_dl for sample in day.samples]
    assert 45 <= min(glucose) <= 54
    assert 250 < max(glucose) < 400


def test_it_holds_a_compression_dip(day):
    by_offset = {sample.offset_minutes: sample.glucose_mg_dl for sample in day.samples}
    before, bottom, after = by_offset[1245], by_offset[1265], by_offset[1285]
    assert bottom < 70 < 100 < min(before, after)
    # Faster than glucose falls in a body: more than 4 mg/dL a minute.
    assert by_offset[1250] - by_offset[1255] > 20


def test_it_holds_three_meals(day):
    by_offset = {sample.offset_minutes: sample.glucose_mg_dl for sample in day.samples}
    for before, peak in ((75, 130), (375, 445), (765, 825)):
        assert by_offset[peak] - by_offset[before] > 60
