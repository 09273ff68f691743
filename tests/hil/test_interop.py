"""Every sensor with every pump.

Goal: each cell is a run of the real firmware whose numbers are those that were accepted; one that changed, a pump that
breaks a rule, or a device without expected results fails the matrix; each cell says why it is so. Method: a part of the
matrix against the committed results, results that were changed by hand, and a firmware that doses where it must not.
"""

import dataclasses
import json

import pytest

from hil.rig_bench import every_5_minutes, firmware_copy, trace_csv
from hil.test_rig_devices import DELIVERS_IN_STOP
from pumprig.cli import main
from pumprig.devices.cgm import cgm_names
from pumprig.devices.pump import pump_names
from pumprig.errors import UsageError
from pumprig.interop.expected import accept, compare, load_expected
from pumprig.interop.matrix import Matrix, Settings, run_matrix
from pumprig.interop.page import write_page
from pumprig.interop.show import as_dict, cell_words
from pumprig.interop.trace import interop_trace_path, trace_text

PUMPS, SENSORS = ("omnipod_dash", "v_go_20"), ("dexcom_g6", "libre2", "libre_rio")


def cli(*arguments):
    with pytest.raises(SystemExit) as ended:
        main(["interop", *arguments])
    return ended.value.code


@pytest.fixture(scope="module")
def matrix(tmp_path_factory):
    """A part of the matrix, run once."""
    return run_matrix(Settings.of(PUMPS, SENSORS), tmp_path_factory.mktemp("interop"))


def again(matrix, **changed):
    """The same matrix, its first cell with other numbers."""
    first, *others = matrix.cells
    first = dataclasses.replace(first, numbers={**first.numbers, **changed})
    return Matrix(matrix.settings, matrix.folder, [first, *others])


def test_the_trace_is_what_its_program_writes():
    assert interop_trace_path().read_text(encoding="utf-8") == trace_text()


def test_every_pair_has_its_expected_result_and_its_reason():
    expected = load_expected()["plgs"]
    assert set(expected) == {f"{pump}/{cgm}" for pump in pump_names() for cgm in cgm_names()}
    assert all(cell["verdict"] == "PASS" and cell["why"].endswith((".", ")")) for cell in expected.values())
    watched = [cell for key, cell in expected.items() if key.endswith("/libre_rio")]
    assert all(cell["basal_pulses"] == cell["bolus_pulses"] == 0 and cell["samples"] for cell in watched)


def test_a_part_of_the_matrix_gives_what_is_expected(matrix):
    compare(matrix, load_expected())
    assert matrix.changes == [] and (matrix.exit_code, matrix.verdict) == (0, "PASS")


@pytest.mark.slow
def test_the_whole_matrix_gives_what_is_expected(capsys, tmp_path):
    code = cli("--out", str(tmp_path))
    assert code == 0, [line for line in capsys.readouterr().out.splitlines() if line.startswith("CHANGED")]


def test_a_record_that_was_read_later_is_no_other_dose(tmp_path):
    """Method: the reservoir passes a step while the connection is away, and is told of at once then, or hours later."""
    matrix = run_matrix(Settings.of(("accu_chek_combo",), ("dexcom_g6", "libre2")), tmp_path)
    assert matrix.cell("accu_chek_combo", "libre2").numbers["first_difference"] == "03:11:01"


def test_a_sensor_of_15_minutes_suspends_late_and_one_that_only_watches_never_doses(matrix):
    fine, coarse, watched = (matrix.cell("omnipod_dash", name) for name in SENSORS)
    assert 0 < coarse.numbers["suspended_s"] < fine.numbers["suspended_s"]
    assert fine.numbers["first_difference"] == "" and coarse.numbers["first_difference"].startswith("03:11")
    assert "never gives plgs 3 in 17 min" in coarse.why and "foreseeing" in fine.why
    assert watched.numbers["controller"] == "manual" and cell_words(watched) == ("watched only", "0 U")
    assert "D-1301" in watched.why and watched.numbers["insulin_iu"] == "0.000"


def test_an_injector_gives_the_same_under_every_sensor(matrix):
    given = {matrix.cell("v_go_20", name).numbers["insulin_iu"] for name in ("dexcom_g6", "libre2")}
    assert given == {"7.000"} and "no automatic decision" in matrix.cell("v_go_20", "libre2").why


def test_a_cell_that_changed_fails_until_it_is_accepted(matrix, tmp_path):
    changed = again(matrix, basal_pulses=1)
    compare(changed, load_expected())
    [(pump, cgm, what)] = changed.changes
    assert (pump, cgm) == ("omnipod_dash", "dexcom_g6") and what.startswith("basal_pulses was ") and "is 1" in what
    assert (changed.exit_code, changed.verdict) == (1, "FAIL")
    accept(changed, tmp_path / "expected.toml")
    assert changed.exit_code == 0
    accepted = load_expected(tmp_path / "expected.toml")
    compare(matrix, accepted)
    assert len(matrix.changes) == 1
    compare(changed, accepted)
    assert changed.changes == []


def test_what_was_accepted_of_other_devices_stays(matrix, tmp_path):
    path = tmp_path / "expected.toml"
    path.write_text('[plgs."other/sensor"]\nverdict = "PASS"\n[manual."a/b"]\nverdict = "PASS"\n', encoding="utf-8")
    accept(matrix, path)
    kept = load_expected(path)
    assert "other/sensor" in kept["plgs"] and kept["manual"] == {"a/b": {"verdict": "PASS"}} and len(kept["plgs"]) == 7


def test_a_pair_without_expected_results_fails(matrix):
    lacking = again(matrix)
    compare(lacking, {"plgs": {}})
    assert len(lacking.changes) == 6 and "not among the expected" in lacking.changes[0][2]


def test_a_pump_that_doses_beside_a_sensor_that_only_watches_fails(tmp_path):
    wrong = firmware_copy(tmp_path, pump__delivery=DELIVERS_IN_STOP)
    made = run_matrix(Settings.of(["omnipod_dash"], ["libre_rio"], firmware=wrong), tmp_path)
    assert (made.exit_code, made.cells[0].verdict) == (1, "FAIL")
    assert "monitoring" in made.cells[0].run.checks
    with pytest.raises(UsageError, match="did not pass"):
        accept(made, tmp_path / "expected.toml")


def test_the_page_shows_every_cell_and_what_changed(matrix, tmp_path):
    changed = again(matrix, samples=1)
    compare(changed, load_expected())
    text = write_page(changed, tmp_path / "new").read_text(encoding="utf-8")
    assert text.count('class="cell ') >= 6 and "samples was 72, is 1" in text and "<script" not in text
    assert all(cell.why.replace("'", "&#x27;") in text for cell in changed.cells)
    assert text.count("<svg viewBox") >= 3


def test_plain_data_tells_each_cell(matrix):
    told = as_dict(matrix, "page")
    assert len(told["cells"]) == 6 and json.dumps(told) and told["cells"][0]["pump"] == "omnipod_dash"


def test_another_trace_is_held_against_nothing(capsys, tmp_path):
    trace = tmp_path / "trace.csv"
    trace.write_text(trace_csv(every_5_minutes([120] * 12)), encoding="utf-8")
    devices, out = ("--pump", "dana-i", "--cgm", "libre3"), ("--out", str(tmp_path / "runs"), "--json")
    assert cli("--trace", str(trace), *devices, *out, "--report", str(tmp_path / "report")) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["changes"] is None and told["cells"][0]["samples"] == 56
    assert {path.name for path in (tmp_path / "report").iterdir()} == {"interop.html", "interop.json"}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--pump", "omnipood_5"), "Do you mean omnipod_5"), (("--cgm", "libre2", "--cgm", "libre-2"), "named twice"),
        (("--trace", "nowhere.csv"), "there is no such file"), (("--trace", "a.csv", "--accept"), "--accept"),
    ],
)  # fmt: skip
def test_what_cannot_be_run_is_refused(capsys, tmp_path, arguments, told):
    assert cli(*arguments, "--out", str(tmp_path)) == 2
    assert told in capsys.readouterr().err


def test_a_loop_runs_on_a_pump_it_can_act_on_and_on_no_other(tmp_path):
    made = run_matrix(Settings.of(["ypsopump", "cequr_simplicity"], ["dexcom_g6"], controller="oref"), tmp_path)
    compare(made, load_expected())
    loop, meals_only = made.cells
    assert made.exit_code == 0 and made.changes is None
    assert loop.numbers["small_boluses"] > 0 and loop.numbers["controller"] == "oref" and "0.1 U" in loop.why
    # Nobody but the client gives a bolus, and that one in steps of 2 U.
    assert meals_only.numbers["controller"] == "manual" and meals_only.numbers["bolus_pulses"] == 1
