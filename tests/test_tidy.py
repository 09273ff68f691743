"""Goal: the checkout keeps the repository's rules, and each rule can fail.

Method: every rule gets a small bad tree in which it must name the file and line, and beside it a good twin, as near to
the bad one as the rule allows, in which it must stay silent. The checkout itself is judged last.
"""

from pathlib import Path

import pytest

import tidy

# The marks and words below are put together, so that this file keeps the rules it tests.
LONG = "x = 1\n" * 601
LONG_FUNCTION = "def f():\n" + "    x = 1\n" * 61
DOCUMENTED = 'def f():\n    """Text.\n' + "    more\n" * 30 + '    """\n' + "    x = 1\n" * 60
GENERATOR = "import sys\nsys.exit(%d)\n"

# rule: (path, bad text, line of the breach, good text)
CASES = {
    "file-length": ("host/pumplink/a.py", LONG, 601, LONG[:-6]),
    "function-length": ("firmware/a.py", LONG_FUNCTION, 1, DOCUMENTED),
    "import-arrows": ("host/pumplink/a.py", "import os\nfrom pumprig import rig\n", 2, "from pumpwire import frame\n"),
    "pure-pump": ("firmware/pump/a.py", "import micropython\nimport time\n", 2, "from pump import b\n"),
    "import-cycles": ("hil/pumprig/a.py", "from pumprig import a\nfrom pumprig.b import c\n", 2, "import pumplink.b\n"),
    "docstrings": ("hil/pumprig/a.py", "def f(): ...\n", 1, 'def _f(): ...\nclass A:\n    """One thing."""\n'),
    "test-docstrings": ("tests/host/test_a.py", "x = 1\n", 1, '"""Goal: one."""\n'),
    "star-imports": ("protocol/pumpwire/a.py", "from os import *\n", 1, "from os import path\n"),
    "bare-except": ("firmware/a.py", "try:\n    x\nexcept:\n    y\n", 3, "try:\n    x\nexcept OSError:\n    y\n"),
    "raise-exception": ("host/pumplink/a.py", "raise Exception" "('no')\n", 1, "raise ValueError('no')\n"),
    "global-state": ("firmware/a.py", "def f():\n    global x\n    x = 1\n", 2, "x = 1\n"),
    "test-sleeps": ("tests/test_a.py", '"""Goal."""\nimport time\ntime.sleep' "(1)\n", 3, '"""Goal: no sleep(1)."""\n'),
    "construct-compile": ("protocol/pumpwire/a.py", "S.compile()\n", 1, "import re\nre.compile('a')\n"),
    "unfinished-marks": ("README.md", "text\nTO" "DO: more\n", 2, "mastodon\n"),
    "machine-paths": ("README.md", "see /ho" "me/anna/x\n", 1, "see docs/ho" "me/x and {x}/tm" "p/y\n"),
    "network-addresses": ("Makefile", "## get\na:\n\tcurl https:" "//a.example\n", 3, "## get\na:\n\tpip install b\n"),
    "annunciations": ("host/pumplink/a.py", "low_ala" "rm = 1\n", 1, "low_annunciation = 1\n"),
    "minutes-spelt": ("host/pumplink/a.py", "wait_min = 3\n", 1, "wait_ms_min = wait_minutes = 3\n"),
    "not-for-therapy": ("README.md", "# A pump\n" + "word " * 200, 1, "# A pump\nA test tool. Not for\ntherapy.\n"),
    "help-of-targets": ("Makefile", "## one\na:\n\ttrue\nb:\n\ttrue\n", 4, "## one\na:\n\ttrue\n## two\nb:\n\ttrue\n"),
}


def judge(root: Path, rule: str, files: dict[str, str]) -> list[tuple[str, int]]:
    """Places that one rule names in a tree of these files."""
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return [(finding.path, finding.line) for finding in tidy.RULES[rule](tidy.Tree(root))]


@pytest.mark.parametrize("rule", CASES)
def test_rule_names_the_breach_and_passes_its_good_twin(rule, tmp_path):
    path, bad, line, good = CASES[rule]
    beside = {"hil/pumprig/b.py": "from pumprig.a import d\n"} if rule == "import-cycles" else {}
    found = judge(tmp_path / "bad", rule, {path: bad, **beside})
    assert (path, line) in found or (beside and found)
    assert judge(tmp_path / "good", rule, {path: good, **beside}) == []


def test_every_rule_has_its_bad_tree_and_its_reason():
    apart = {"board-constants", "dosing-rules", "generated-fresh", "documented-commands"}
    assert set(CASES) | apart == set(tidy.RULES)
    assert all(rule.__doc__ for rule in tidy.RULES.values())


def test_dosing_rule_without_a_check_and_citation_without_a_rule(tmp_path):
    files = {
        "DOSING.md": "**D-001 One.** text\n\n**D-002 Two.** see D-001\n",
        "hil/pumprig/monitors.py": "RULE = 'D-001'\n# A comment is no check: D-002\n",
        "firmware/pump/tbr.py": "# D-009\n",
    }
    assert judge(tmp_path, "dosing-rules", files) == [("DOSING.md", 3), ("firmware/pump/tbr.py", 1)]


def test_dosing_rules_all_checked(tmp_path):
    files = {"DOSING.md": "**D-001 One.** text\n", "tests/hil/test_a.py": "'D-001'\n"}
    assert judge(tmp_path, "dosing-rules", files) == []


def test_dosing_rule_defined_twice(tmp_path):
    files = {"DOSING.md": "**D-001 One.**\n**D-001 Again.**\n", "tests/hil/test_a.py": "'D-001'\n"}
    assert judge(tmp_path, "dosing-rules", files) == [("DOSING.md", 2)]


@pytest.mark.parametrize(("keys", "breaches"), [("AA = 1\nBB = 2", 0), ("AA = 1", 1), ("AA = 1\nBB = 2\nCC = 3", 1)])
def test_boards_give_the_constants_that_the_firmware_is_checked_with(tmp_path, keys, breaches):
    files = {"tests/typing/board.pyi": "AA: int\nBB: int\n", "boards/one/board.toml": f"[firmware]\n{keys}\n"}
    assert judge(tmp_path, "board-constants", files) == [("boards/one/board.toml", 1)] * breaches


@pytest.mark.parametrize(("status", "breaches"), [(0, 0), (1, 1)])
def test_generated_files_are_fresh_only_when_the_generator_says_so(tmp_path, status, breaches):
    files = {"protocol/pumpwire/__init__.py": "", "protocol/pumpwire/generate/__init__.py": ""}
    files["protocol/pumpwire/generate/__main__.py"] = GENERATOR % status
    assert len(judge(tmp_path, "generated-fresh", files)) == breaches


def test_documented_commands_must_exist(tmp_path):
    files = {
        "Makefile": "## one\ndemo:\n\ttrue\n",
        "hil/pumprig/cli.py": "@main.command()\n@option('--clock')\ndef verify_suite(): ...\n",
        "README.md": "```\nmake demo\nmake demos\n.venv/bin/pumprig verify-suite --clock=lockstep  # make tea\n"
        "pumprig verify-suit\n$ pumprig verify-suite --clok lockstep\n```\nmake believe\n",
    }
    assert judge(tmp_path, "documented-commands", files) == [("README.md", 3), ("README.md", 5), ("README.md", 6)]


def test_generated_files_may_be_long(tmp_path):
    assert judge(tmp_path, "file-length", {"firmware/gatt/a.py": '"""Generated by x: leave it."""\n' + LONG}) == []


def test_lower_bound_is_known_by_its_upper_bound(tmp_path):
    assert judge(tmp_path, "minutes-spelt", {"a.py": "exponent_min, exponent_max = -8, 7\n"}) == []


def test_scenario_keys_spell_minutes(tmp_path):
    assert judge(tmp_path, "minutes-spelt", {"a.toml": "[x]\nstale_min = 3\n"}) == [("a.toml", 2)]


def test_the_checkout_keeps_its_rules():
    found = tidy.findings(tidy.Tree(Path(tidy.__file__).resolve().parent.parent))
    assert not found, "\n".join(str(finding) for finding in found)
