"""The command line of the protocol engineer.

Goal: every command of `pumprig spec` prints what it promises, takes its input in the promised forms, and ends bad input
with one message and exit code 2.
Method: the command line itself, called as a user calls it, and a short run that keeps its capture.
"""

import io
import json

import pytest

from pumprig.cli import main
from pumpwire import MESSAGES

BOLUS = "4b110033190000000000"
COMMAND = "command control point"


@pytest.fixture
def pumprig(capsys):
    """Calls the command line: (exit code, standard output, standard error)."""

    def call(*arguments):
        with pytest.raises(SystemExit) as left:
            main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return left.value.code, said.out, said.err

    return call


@pytest.fixture(scope="session")
def captured(tmp_path_factory):
    """A short run that kept its exchange: (folder of runs, capture)."""
    folder = tmp_path_factory.mktemp("captured")
    capture = folder / "kept" / "run.btsnoop"
    capture.parent.mkdir()
    with pytest.raises(SystemExit) as left:
        main(["run", "--hours", "0.5", "--no-live", "--out", str(folder / "runs"), "--capture", str(capture)])
    assert left.value.code == 0
    return folder / "runs", capture


def test_list_and_show(pumprig):
    code, out, _ = pumprig("spec", "list", "bolus")
    assert code == 0 and "SetBolus" in out and "CgmFeature" not in out
    code, out, _ = pumprig("spec", "show", "setbolus")
    assert code == 0 and "IDS 1.0.2, 3.7" in out and "fast_amount_iu" in out
    code, out, _ = pumprig("spec", "show", "SetBolus", "--json")
    assert code == 0 and json.loads(out)["opcode"] == 0x114B
    code, out, _ = pumprig("spec", "list", "--json")
    assert code == 0 and len(json.loads(out)) == len(MESSAGES)


def test_decode_prints_each_field_with_its_place(pumprig):
    code, out, err = pumprig("spec", "decode", BOLUS, "--on", COMMAND)
    assert (code, err) == (0, "")
    assert "SetBolus" in out and "  4  1900         fast_amount_iu 25" in out
    code, out, _ = pumprig("spec", "decode", BOLUS, "--on", "0x2B25", "--json")
    assert code == 0 and json.loads(out)["fields"]["bolus_type"] == "FAST"


def test_decode_finds_the_characteristic_when_only_one_fits(pumprig):
    code, out, _ = pumprig("spec", "decode", BOLUS)
    assert code == 0 and "SetBolus" in out
    code, _, err = pumprig("spec", "decode", "5a0f56")
    assert code == 2 and "SetTherapyControlState.therapy_control_state at octet 2" in err
    code, _, err = pumprig("spec", "decode", "0000")
    assert code == 2 and "--on" in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["4b110034190000000000", "--on", COMMAND], ["SetBolus.bolus_type at octet 3", "0x34", "FAST 0x33"]),
        (["4b1100", "--on", COMMAND], ["SetBolus.bolus_type at octet 3", "1 octets for u8"]),
        ([BOLUS + "00", "--on", COMMAND], ["SetBolus at octet 10", "1 octets too many (00)"]),
        ([BOLUS, "--on", COMMAND, "--direction", "to_client"], ["opcode 0x114B", "CommandResponseCode"]),
        ([BOLUS, "--on", COMMAND, "--e2e"], ["CRC"]),
        ([BOLUS, "--on", "nothing like it"], ["no characteristic", "IDD Status"]),
        (["4b1", "--on", COMMAND], ["middle of an octet"]),
        (["4b11" * 400, "--on", COMMAND], ["SetBolus.bolus_type at octet 3", "0x11"]),
        (["capture.btsnoop"], ["capture.btsnoop", "cannot be read"]),
    ],
)
def test_decode_names_what_is_wrong(pumprig, arguments, said):
    code, _, err = pumprig("spec", "decode", *arguments)
    assert code == 2
    assert all(text in err for text in said), err
    assert "Traceback" not in err


def test_decode_takes_a_file_for_no_octets(pumprig, tmp_path):
    path = tmp_path / "capture.pcap"
    path.write_bytes(b"no capture that pumprig knows")
    code, _, err = pumprig("spec", "decode", path)
    assert code == 2
    assert err == f"pumprig: {path}: this is a file that is no capture; allowed: octets, or a FILE.btsnoop.\n"


def test_decode_says_when_the_end_to_end_protection_was_forgotten(pumprig):
    _, value, _ = pumprig("spec", "encode", "CancelTbrAdjustment", "--e2e")
    code, _, err = pumprig("spec", "decode", value.strip(), "--on", COMMAND)
    assert code == 2 and "--e2e" in err
    code, out, _ = pumprig("spec", "decode", value.strip(), "--on", COMMAND, "--e2e")
    assert code == 0 and "counter 1, CRC right" in out


def test_encode_from_the_command_line_and_from_standard_input(pumprig, monkeypatch):
    values = '{"bolus_type": "FAST", "fast_amount_iu": 25, "extended_amount_iu": 0, "duration_minutes": 0}'
    assert pumprig("spec", "encode", "SetBolus", "--json", values)[:2] == (0, BOLUS + "\n")
    monkeypatch.setattr("sys.stdin", io.StringIO(values))
    assert pumprig("spec", "encode", "SetBolus")[:2] == (0, BOLUS + "\n")
    assert pumprig("spec", "encode", "GetInsulinOnBoard")[:2] == (0, "f303\n")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ('{"bolus_type": "QUICK"}', ["SetBolus.bolus_type", "'QUICK'", "FAST 0x33"]),
        ('{"bolus_type": "FAST"}', ["SetBolus.fast_amount_iu at octet 4", "missing"]),
        ('{"amount": 1}', ["SetBolus.amount", "fast_amount_iu"]),
        ("{", ["no JSON", "line 1"]),
    ],
)
def test_encode_names_what_is_wrong(pumprig, values, said):
    code, out, err = pumprig("spec", "encode", "SetBolus", "--json", values)
    assert (code, out) == (2, "")
    assert all(text in err for text in said), err


def test_lint_is_clean(pumprig):
    code, out, _ = pumprig("spec", "lint")
    assert code == 0 and out.endswith(" 0 breaches\n")
    assert pumprig("spec", "lint", "--json")[:2] == (0, "[]\n")


# --- Captures of runs -------------------------------------------------------------------------------------------


def test_a_run_keeps_its_exchange_and_its_transcript_can_be_read(pumprig, captured):
    code, out, _ = pumprig("spec", "decode", captured[1])
    assert code == 0
    lines = out.splitlines()
    assert lines[0].endswith("=== connection ===")
    assert any("-->  write request  IDD Command Control Point" in line for line in lines)
    assert any("CommandResponseCode request_opcode=SetTherapyControlState, response_code=SUCCESS" in line
               for line in lines)  # fmt: skip
    assert any("CgmMeasurement flags=0, glucose_mg_dl=" in line for line in lines)
    assert not [line for line in lines if " ! " in line], "nothing of a sound run is wrong"
    code, out, _ = pumprig("spec", "decode", captured[1], "--json")
    steps = [json.loads(line) for line in out.splitlines()]
    assert all(value.get("wrong") is None for step in steps for value in step.get("values", ()))


def test_coverage_of_a_run_by_its_folder_and_by_its_capture(pumprig, captured):
    code, out, _ = pumprig("spec", "coverage", captured[0], "--json")
    assert code == 0
    by_folder = json.loads(out)
    assert by_folder["messages"]["seen"]["SetTherapyControlState"] == 1
    assert "SetTbrAdjustment" in by_folder["messages"]["missing"]
    code, out, _ = pumprig("spec", "coverage", captured[1], "--json")
    assert json.loads(out)["messages"] == by_folder["messages"]
    code, out, _ = pumprig("spec", "coverage", captured[1], "--missing")
    assert code == 0 and "-  SetTbrAdjustment" in out


def test_a_run_without_a_capture_says_how_to_get_one(pumprig, tmp_path):
    code, _, err = pumprig("spec", "coverage", tmp_path)
    assert code == 2 and "--capture" in err


def test_a_capture_that_cannot_be_written_is_refused(pumprig, tmp_path):
    code, _, err = pumprig("run", "--hours", "0.1", "--no-live", "--out", tmp_path, "--capture", "x.pcap")
    assert code == 2 and ".btsnoop" in err
    missing = tmp_path / "nowhere" / "x.btsnoop"
    code, _, err = pumprig("run", "--hours", "0.1", "--no-live", "--out", tmp_path, "--capture", missing)
    assert code == 2 and "cannot be written" in err
