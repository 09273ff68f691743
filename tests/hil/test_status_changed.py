"""When Status Changed is indicated (D-908).

Goal: a pump that tells of a change late, never, or of none at all fails where that is its own doing; where a host may
be late or an indication cannot be told from another one, the run says that it did not judge it.
Method: a witness that is told of changes and indications by hand, and runs of firmware that tells late or too often.
"""

from __future__ import annotations

import json

import pytest

from hil.rig_bench import MANUAL, Run, command, firmware_copy, fit_run, flat, pump
from pumprig.bearers import BearerChoice
from pumprig.checks import CheckBook
from pumprig.oracle import events
from pumprig.status_changed import AWAITED_S, StatusWitness
from pumprig.verdict import Verdict, VerdictBook
from pumpwire.enums import StatusChangedFlags as Flags

HISTORY = Flags.HISTORY_EVENT_RECORDED
THERAPY = Flags.THERAPY_CONTROL_STATE_CHANGED
RESERVOIR = Flags.RESERVOIR_STATUS_CHANGED
MUCH_LATER_S = 100
PARTS = (MANUAL, pump((1440, 1)), command(310, "set_bolus", amount_iu=1))


class Scene:
    """A witness that knows all bits from the start."""

    def __init__(self, *args: float, **kind: bool) -> None:
        self.checks = CheckBook(VerdictBook(), real_time=False, **kind)
        self.witness = StatusWitness(self.checks, *args)
        self.witness.connection(up=True)
        self.witness.reset()

    def therapy(self, at_s: int) -> None:
        self.witness.due(events.TherapyChanged(at_s=at_s, old="stop", new="run"))

    def missed(self) -> list[str]:
        return [violation.check for violation in self.checks.violations]


def test_what_is_told_in_its_second_is_right():
    scene = Scene()
    # As early as an input for its second can come, and as late as the second lasts.
    for at_s, told_s in ((10, 9.0), (20, 20.0), (30, 30.999)):
        scene.therapy(at_s)
        scene.witness.indicated(THERAPY | HISTORY, told_s)
        scene.witness.settle(at_s + 5)
        scene.witness.reset()
    scene.witness.settle(MUCH_LATER_S)
    assert scene.missed() == []
    passed = [scene.checks.counts()[name]["passed"] for name in ("status-changed-in-time", "status-changed-once")]
    assert passed == [3, 3]


@pytest.mark.parametrize(("told_s", "late"), [(10.999, False), (11.0, True), (11.9, True)])
def test_the_second_is_the_bound(told_s, late):
    scene = Scene()
    scene.therapy(10)
    scene.witness.indicated(THERAPY | HISTORY, told_s)
    scene.witness.settle(MUCH_LATER_S)
    assert scene.missed() == (["status-changed-in-time"] if late else [])


def test_what_comes_minutes_later_is_late_though_nobody_looked_before():
    scene = Scene()
    scene.therapy(10)
    scene.witness.indicated(THERAPY | HISTORY, 70)
    scene.witness.settle(MUCH_LATER_S)
    assert scene.missed() == ["status-changed-in-time"]


def test_what_never_comes_is_missing():
    scene = Scene()
    scene.therapy(10)
    scene.witness.indicated(HISTORY, 10)
    scene.witness.settle(10 + AWAITED_S)
    assert scene.missed() == []
    scene.witness.settle(MUCH_LATER_S)
    assert scene.missed() == ["status-changed"]
    assert "THERAPY" in scene.checks.violations[0].message


def test_an_indication_that_tells_of_nothing_is_one_too_many():
    scene = Scene()
    scene.therapy(10)
    for told_s in (10.0, 10.2):
        scene.witness.indicated(THERAPY | HISTORY, told_s)
    scene.witness.settle(MUCH_LATER_S)
    assert scene.missed() == ["status-changed-once"]
    assert scene.checks.violations[0].at_s == 10.2


def test_two_changes_of_a_second_may_be_told_one_by_one_or_at_once():
    for told in (((9.5, THERAPY | HISTORY), (10.0, THERAPY | HISTORY | RESERVOIR)),
                 ((10.0, THERAPY | HISTORY | RESERVOIR),)):  # fmt: skip
        scene = Scene()
        scene.therapy(10)
        scene.witness.due(events.ReservoirChanged(at_s=10, remaining_mu=200_000))
        for at_s, flags in told:
            scene.witness.indicated(flags, at_s)
        scene.witness.settle(MUCH_LATER_S)
        assert scene.missed() == []


def test_a_bit_that_was_reset_is_news_again():
    scene = Scene()
    scene.therapy(10)
    scene.witness.indicated(THERAPY | HISTORY, 10)
    scene.witness.reset(THERAPY)
    scene.therapy(20)
    scene.witness.indicated(THERAPY | HISTORY, 20)
    scene.witness.settle(MUCH_LATER_S)
    assert scene.missed() == []


def test_what_is_told_while_its_bits_are_not_known_is_not_judged():
    scene = Scene()
    scene.witness.power_lost()
    scene.witness.connection(up=True)
    scene.therapy(10)
    scene.witness.indicated(THERAPY, 50)
    scene.witness.settle(60)
    scene.witness.reset()
    scene.witness.settle(MUCH_LATER_S)
    assert scene.missed() == []


def test_a_host_that_slept_is_waited_for_and_late_is_not_the_pumps_there():
    scene = Scene(6.0, 6.0, own_time=False, exact=False)
    scene.therapy(10)
    scene.witness.settle(15)
    assert scene.missed() == []
    scene.witness.indicated(THERAPY | HISTORY, 30)
    scene.witness.indicated(THERAPY | HISTORY, 31)
    scene.witness.settle(MUCH_LATER_S)
    assert scene.missed() == []
    counts = scene.checks.counts()
    assert [name for name in counts if name.startswith("status") and not counts[name]["judged"]] == [
        "status-changed-in-time", "status-changed-once",
    ]  # fmt: skip


# --- Runs ---


def judged(run: Run) -> dict[str, bool]:
    checks = json.loads((run.folder / "run.json").read_text(encoding="utf-8"))["checks"]
    return {name: checks[name]["judged"] for name in ("status-changed-in-time", "status-changed-once")}


def talkative(tmp_path):
    """A pump that indicates Status Changed with every record."""
    asked = "        if self._peripherals[0].status_changed.set(bits | status.HISTORY):\n"
    return firmware_copy(tmp_path, gatt__recorder=(asked, asked.replace("):\n", ") or True:\n")))


def test_in_lockstep_over_the_cable_each_indication_has_a_cause(bench, tmp_path):
    right = bench.run(*PARTS, readings=flat(20))
    assert right.verdict is Verdict.PASS, right.explain()
    assert judged(right) == {"status-changed-in-time": True, "status-changed-once": True}
    wrong = bench.run(*PARTS, readings=flat(20), firmware=talkative(tmp_path))
    assert [(reason.check, reason.rule) for reason in wrong.outcome.reasons] == [("status-changed-once", "D-908")]


def test_over_the_air_a_repetition_is_not_judged_and_the_record_says_so(bench, tmp_path):
    pytest.importorskip("bumble", reason="the virtual radio needs the extra `ble`")
    run = bench.run(*PARTS, readings=flat(20), firmware=talkative(tmp_path), bearer=BearerChoice.of("ble"))
    assert run.verdict is Verdict.PASS, run.explain()
    assert judged(run) == {"status-changed-in-time": True, "status-changed-once": False}


def test_where_the_host_may_be_late_neither_is_judged(bench):
    parts = (MANUAL, "hours = 0.02", pump((1440, 1)), command(10, "set_bolus", amount_iu=1))
    run = fit_run(lambda: bench.run(*parts, clock="scaled:20"))
    assert run.verdict is Verdict.PASS, run.explain()
    assert judged(run) == {"status-changed-in-time": False, "status-changed-once": False}
