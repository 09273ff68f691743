"""The verdict on a change of the wire, from the command line.

Goal: `spec diff` and `spec breaking` take files and commits, print text, JSON, JUnit and workflow commands, and a break
ends with exit code 6, unless a raised wire version announces it.
Method: lock files that differ from the declared wire in one place, so that the declared wire is the change.
"""

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from pumprig.cli import main
from pumprig.spec import changes


@pytest.fixture
def pumprig(capsys):
    """Calls the command line: (exit code, standard output, standard error)."""

    def call(*arguments):
        with pytest.raises(SystemExit) as left:
            main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return left.value.code, said.out, said.err

    return call


@pytest.fixture
def lock(tmp_path):
    """Writes the declared wire with a change to a file."""

    def write(change=lambda wire: None, name="old.json"):
        wire = changes.now()
        change(wire)
        path = tmp_path / name
        path.write_text(json.dumps(wire), encoding="utf-8")
        return path

    return write


def shorter(wire):
    """The wire before EmulatorHealth got its last field."""
    wire["messages"]["EmulatorHealth"]["fields"].pop()


def renamed(wire):
    wire["messages"]["EmulatorHealth"]["fields"][0]["name"] = "cause"


def other_remark(wire):
    wire["messages"]["EmulatorHealth"]["doc"] = "Another remark."


def test_the_committed_lock_is_what_is_declared():
    assert changes.load(str(Path(__file__).parents[2] / changes.LOCK)) == changes.now()


def test_no_change_is_no_break(pumprig, lock):
    code, out, _ = pumprig("spec", "breaking", "--against", lock())
    assert code == 0 and out.startswith("0 breaking changes")
    assert pumprig("spec", "diff", lock())[:2] == (0, "no change\n")


def test_a_field_added_to_a_vendor_message_breaks_its_readers(pumprig, lock):
    code, out, err = pumprig("spec", "breaking", "--against", lock(shorter))
    assert code == 6
    assert "BREAKING wire: EmulatorHealth.doubt_source" in out
    assert "WIRE_VERSION" in err


def test_levels_count_what_is_as_grave_or_graver(pumprig, lock):
    codes = {
        (change.__name__, level): pumprig("spec", "breaking", "--level", level, "--against", lock(change))[0]
        for change in (shorter, renamed, other_remark)
        for level in ("wire", "source", "docs")
    }
    assert codes == {
        ("shorter", "wire"): 6, ("shorter", "source"): 6, ("shorter", "docs"): 6,
        ("renamed", "wire"): 0, ("renamed", "source"): 6, ("renamed", "docs"): 6,
        ("other_remark", "wire"): 0, ("other_remark", "source"): 0, ("other_remark", "docs"): 6,
    }  # fmt: skip


def test_a_raised_version_announces_the_break(pumprig, lock):
    def before(wire):
        shorter(wire)
        wire["wire_version"] -= 1

    code, out, err = pumprig("spec", "breaking", "--against", lock(before))
    assert code == 0 and "EmulatorHealth.doubt_source" in out and "announced" in err


def test_the_formats(pumprig, lock):
    old = lock(shorter)
    code, out, _ = pumprig("spec", "breaking", "--against", old, "--format", "json")
    said = json.loads(out)
    assert code == 6 and said["breaking"] == 1 and not said["announced"]
    assert [item["where"] for item in said["changes"] if item["breaking"]] == ["EmulatorHealth.doubt_source"]
    code, out, _ = pumprig("spec", "breaking", "--against", old, "--format", "junit")
    suite = ElementTree.fromstring(out)
    assert code == 6 and suite.get("failures") == "1"
    assert [case.get("name") for case in suite if case.find("failure") is not None] == ["EmulatorHealth.doubt_source"]
    code, out, _ = pumprig("spec", "breaking", "--against", old, "--format", "github")
    assert code == 6
    assert out.startswith("::error file=protocol/wire.lock.json,title=wire%3A EmulatorHealth.doubt_source::")


def test_diff_of_two_files(pumprig, lock):
    old, new = lock(name="a.json"), lock(other_remark, "b.json")
    code, out, _ = pumprig("spec", "diff", old, new)
    assert code == 0 and out.startswith("docs: EmulatorHealth: doc")
    code, out, _ = pumprig("spec", "diff", old, new, "--format", "json")
    assert json.loads(out)["breaks"] is None


@pytest.mark.parametrize(
    ("content", "said"), [(None, "cannot be read"), ("{", "no JSON"), ("[]", "no description"), ("{}", "lacks")]
)
def test_what_is_no_lock_is_refused(pumprig, tmp_path, content, said):
    path = tmp_path / "old.json"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    code, _, err = pumprig("spec", "breaking", "--against", path)
    assert code == 2 and said in err and "Traceback" not in err


def test_a_commit_that_is_not_there_is_refused(pumprig):
    code, _, err = pumprig("spec", "diff", "git:no-such-revision")
    assert code == 2 and "no-such-revision" in err
