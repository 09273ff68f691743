"""The conformance cases over the air.

Goal: the firmware passes over the air whatever a board's Bluetooth stack leaves room for; what it does not leave room
for is listed here, each case with its reason, so that none comes to the list unseen. Method: the command on the virtual
board, whose radio offers what the board's data says; radios that can do more or less are made up.
"""

from __future__ import annotations

import json

import pytest

from hil.test_conformance import NOT_POSSIBLE as ON_SERIAL
from hil.test_conformance import made_up, run
from pumplink.stacks import CANNOT
from pumplink.virtual.clocks import Lockstep
from pumprig.bearers import BearerChoice
from pumprig.conformance.bench import Bench
from pumprig.conformance.model import Verdict, all_cases
from pumprig.conformance.runner import run_cases

pytest.importorskip("bumble", reason="the virtual radio needs the extra `ble`")

QUICK = ("radio.*", "srcp.opcode.*", "cccd.*", "size.*", "e2e.*")
POINTS = ("srcp", "ccp", "racp")
WRITES = (
    "bad-crc", "missing", "crc-covers-counter", "bad-crc-keeps-counter", "first-is-1", "repeated", "lower", "gap",
    "goes-on", "wrap", "reconnect",
)  # fmt: skip
# Where a write cannot be refused, the cases in radio.* see what comes in the place of the refusal.
REFUSALS = {
    *(f"e2e.write.{point}.{name}" for point in POINTS for name in WRITES),
    "e2e.write.does-nothing", "e2e.write.no-doubling",
    *(f"cccd.{point}.off" for point in POINTS), "cccd.history-data.off", "cccd.command-data.off",
    "cccd.command-data.status-off", *(f"collision.{point}" for point in POINTS), "collision.set-bolus",
}  # fmt: skip
# What the virtual board's radio leaves no room for; the others are those of the cable.
OVER_AIR = (
    {name: reason for name, reason in ON_SERIAL.items() if not name.startswith("radio.")}
    | dict.fromkeys(REFUSALS, CANNOT["write_error"])
    | dict.fromkeys(
        ("racp.interrupted", "e2e.read.status-changed", "status-changed.not-unasked"), CANNOT["cccd_known"]
    )
)


def not_possible(cases):
    """The cases that could not be tried; of a reason as much as the list holds."""
    reasons = {one["id"]: one["reason"] for one in cases if one["verdict"] == "NOT_POSSIBLE"}
    return {name: reason[: len(OVER_AIR.get(name, reason))] for name, reason in reasons.items()}


def outcome(capsys, *arguments):
    """The exit code and the cases of the command over the air."""
    code = run("--bearer", "ble", "--json", *arguments)
    return code, json.loads(capsys.readouterr().out)["cases"]


def test_what_the_air_leaves_room_for_is_passed(capsys):
    """D-1510, D-1511 and D-1512: among them what comes in the place of an ATT error."""
    code, cases = outcome(capsys, *(part for pattern in QUICK for part in ("--include", pattern)))
    assert code == 0, [one for one in cases if one["verdict"] == "FAIL"]
    tried = {one["id"] for one in cases}
    assert not_possible(cases) == {name: reason for name, reason in OVER_AIR.items() if name in tried}
    assert len([one for one in cases if one["verdict"] == "PASS"]) > 25


def test_a_connection_interval_is_waited_for(capsys):
    """Goal: a connection that takes seconds, as a real one does, is one. Method: procedures that end with theirs."""
    code, cases = outcome(capsys, "--connection-interval-ms", "50", "--include", "collision.*")
    assert code == 0, [one for one in cases if one["verdict"] == "FAIL"]


@pytest.mark.slow
def test_every_case_is_passed_over_the_air(capsys):
    code, cases = outcome(capsys)
    assert code == 0, [one for one in cases if one["verdict"] == "FAIL"]
    assert not_possible(cases) == OVER_AIR


BTSTACK = ("--board", "virtual_btstack", "--allow-lab", "virtual_btstack")


def test_a_stack_that_cannot_authenticate_passes_what_it_leaves_room_for(capsys):
    """D-1515 and D-1516: lab use is allowed by name, anew after each loss of power; the reasons are the board's."""
    parts = ("--include", "run.*", "--include", "history.powers", "--include", "e2e.*")
    code, cases = outcome(capsys, *BTSTACK, *parts)
    assert code == 0, [one for one in cases if one["verdict"] == "FAIL"]
    reasons = {one["id"]: one["reason"] for one in cases if one["verdict"] == "NOT_POSSIBLE"}
    assert {reason for name, reason in reasons.items() if name not in ON_SERIAL} <= set(CANNOT.values())
    assert CANNOT["read_counted"] in reasons.values()
    assert {"e2e.indicate.counts", "history.powers", "run.e2e"}.isdisjoint(reasons)


@pytest.mark.slow
def test_every_case_that_it_leaves_room_for_is_passed(capsys):
    """The rest is the emulator service, which has no room, or was no case on the cable either."""
    code, cases = outcome(capsys, *BTSTACK)
    assert code == 0, [one for one in cases if one["verdict"] == "FAIL"]
    here = {one["id"]: one["reason"] for one in cases if one["verdict"] == "NOT_POSSIBLE"}
    own = {name: reason for name, reason in here.items() if name not in ON_SERIAL and reason not in CANNOT.values()}
    assert own and all("no emulator service" in reason for reason in own.values()), own


def test_without_lab_use_a_stack_that_cannot_authenticate_fails_what_doses(capsys):
    """D-1515: nobody takes a pump that doses for nobody for one that passes."""
    code, cases = outcome(capsys, *BTSTACK[:2], "--include", "bolus.fast*")
    assert code == 1 and {one["verdict"] for one in cases} >= {"FAIL"}


def test_what_a_case_needs_of_a_stack_is_a_key_of_the_boards():
    for one in all_cases():
        assert set(one.stack) <= set(CANNOT), one.id


@pytest.mark.parametrize(("limits", "verdict"), [
    ({}, Verdict.PASS), ({"passkey": "no"}, Verdict.PASS), ({"write_error": "because"}, Verdict.NOT_POSSIBLE),
])  # fmt: skip
def test_a_stack_that_cannot_is_not_asked(limits, verdict):
    bench = Bench("virtual", Lockstep())
    bench.limits = limits
    [result] = run_cases(bench, [made_up(stack=("write_error",))])
    assert (result.verdict, result.reason) == (verdict, limits.get("write_error", ""))


def test_the_limits_are_those_of_the_board_that_the_server_names():
    over_air = Bench("virtual", Lockstep(), bearer=BearerChoice.of("ble"))
    by_cable = Bench("virtual", Lockstep())
    for bench in (over_air, by_cable):
        bench.close()
    assert set(over_air.limits) == {"write_error", "cccd_known", "accept_list"} and by_cable.limits == {}


def test_a_proof_is_for_the_cable(capsys):
    assert run("--prove", "--bearer", "ble") == 2
    assert "--bearer" in capsys.readouterr().err
