"""The conformance cases can fail.

Goal: each server that is wrong on purpose fails the cases that the catalogue names for it, and no others; the proof
itself notices a catalogue that is wrong. Method: patches on copies of the firmware, on the virtual board; a few here,
more in the slow tests, all in their whole.
"""

from dataclasses import replace

import pytest

from campaign import share
from pumplink.boards import default_firmware
from pumprig.cli import main
from pumprig.conformance.model import chosen_cases
from pumprig.conformance.prove import Proof, exit_code_of, load_servers, prove, table
from pumprig.errors import RigError
from pumprig.suite.catalogue import chosen
from pumprig.suite.patching import patched

SERVERS = load_servers()
A_FEW = ("features-rfu-bit", "reset-clears-all", "counter-gap", "rfu-operator-invalid")
FOR_A_FEW = ("features.*", "status-changed.*", "e2e.write.*", "racp.operator.*", "racp.abort.*", "run.*")
EDIT = '[[wrong.edit]]\nfile = "gatt/status.py"\nold = "a"\nnew = "b"\n'


def entry(text: str = "", cases: str = '["run.e2e"]') -> str:
    return f'[[wrong]]\nname = "one"\nabout = "Wrong."\ncases = {cases}\n{text}{EDIT}'


def test_a_few_wrong_servers_are_caught_by_the_cases_named_for_them_alone(tmp_path):
    proofs = prove(chosen(SERVERS, A_FEW), work=tmp_path, jobs=2, cases=chosen_cases(FOR_A_FEW))
    assert {proof.name: proof.problem for proof in proofs if proof.problem} == {}
    assert "4 of 4 wrong servers" in table(proofs)


@pytest.mark.slow
def test_every_wrong_server_is_caught_by_the_cases_named_for_it_alone(tmp_path):
    proofs = prove(share(SERVERS, every=3), work=tmp_path, jobs=2)
    assert {proof.name: proof.problem for proof in proofs if proof.problem} == {}
    assert exit_code_of(proofs) == 0


@pytest.mark.parametrize("server", SERVERS, ids=lambda server: server.name)
def test_every_patch_follows_the_firmware(server):
    """Else only the whole proof would notice, in the slow tests."""
    texts = patched(default_firmware(), server.edits, server.name)
    for file, text in texts.items():
        compile(text, file, "exec")


def test_the_catalogue_is_large_enough_and_spreads():
    assert len(SERVERS) >= 20
    groups = {name.partition(".")[0] for server in SERVERS for name in server.cases}
    assert groups >= {"e2e", "features", "srcp", "ccp", "racp", "history", "profile", "bolus", "tbr", "cccd",
                      "collision", "confirmation", "annunciation", "status-changed", "run"}  # fmt: skip


def test_a_case_that_does_not_fail_and_one_that_fails_unnamed_are_problems():
    from pumprig.conformance.prove import _judge

    server = replace(SERVERS[0], cases=("run.e2e",), also=("racp.*",))
    for failed, problem in (
        ({"run.e2e": "x", "racp.all": "y"}, ""),
        ({"racp.all": "y"}, "run.e2e does not catch it"),
        ({"run.e2e": "x", "features.format": "y"}, "it also fails features.format"),
    ):
        proof = Proof(server.name, server, dict(failed))
        _judge(proof)
        assert proof.problem == problem
        assert exit_code_of([proof]) == bool(problem)


def test_a_patch_that_does_not_apply_is_an_error(tmp_path):
    server = replace(SERVERS[0], edits=(replace(SERVERS[0].edits[0], old="nowhere to be found"),))
    proofs = prove([server], work=tmp_path, cases=chosen_cases(["run.*"]))
    [proof] = [proof for proof in proofs if proof.wrong is not None]
    assert proof.exit_code == 4 and "does not apply" in proof.problem
    assert exit_code_of([proof]) == 4


@pytest.mark.parametrize(
    "text",
    [
        "wrong = 1", entry(cases='["no.such"]'), entry('also = ["no.such"]\n'), entry('colour = "red"\n'),
        entry() + entry(), entry() + 'by = "hand"\n', '[[wrong]]\nname = "one"\n', "not toml",
    ],
)  # fmt: skip
def test_a_wrong_catalogue_is_refused(tmp_path, text):
    path = tmp_path / "wrong.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RigError, match=r"wrong\.toml"):
        load_servers(path)


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("no-such", ", ".join(server.name for server in SERVERS)),
        (SERVERS[0].name[:-1], f"names such as {SERVERS[0].name}"),
    ],
)
def test_a_name_that_no_server_has_is_refused_with_those_there_are(capsys, name, allowed):
    with pytest.raises(SystemExit) as left:
        main(["conformance", "--prove", "--only", name])
    assert left.value.code == 2
    assert f"--only: no wrong server is called {name}; allowed: {allowed}" in capsys.readouterr().err
