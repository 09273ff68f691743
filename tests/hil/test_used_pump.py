"""Goal: a pump on a line that holds anything of an earlier use is refused with one message, and never judged by the
values of a new one; a new one is not refused.

Method: a virtual board with a flash of its own behind a device; it is used by `pumplink`, perhaps restarted, and then
given to a run. Nothing of the run may have been done to it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from hil.rig_bench import MANUAL, fit_run, pump
from pumplink.link import Link
from pumplink.pump import Pump
from pumplink.serial_bearer import SerialBearer
from pumplink.virtual.board import VirtualBoard
from pumplink.virtual.clocks import Scaled
from pumprig.errors import BlockedError
from pumprig.verdict import Verdict
from pumpwire.enums import FaultKind, RacpOperator

SCALE = 10
PARTS = (MANUAL, "hours = 0.02", pump())


@contextmanager
def device(board: VirtualBoard) -> Iterator[str]:
    with board.pty() as pty:
        yield pty.path


@contextmanager
def client(path: str) -> Iterator[Pump]:
    """The pump at a device, with a connection."""
    bearer = SerialBearer(path, scale=SCALE)
    link = Link(bearer)
    try:
        link.open(attempts=12)
        opened = Pump(link)
        opened.subscribe()
        yield opened
        link.close()
    finally:
        bearer.close()


@pytest.fixture
def board(tmp_path) -> Iterator[VirtualBoard]:
    with VirtualBoard("virtual", None, Scaled(SCALE), workdir=tmp_path / "board") as started:
        yield started


def given_to_a_run(bench, path: str):
    return bench.run(*PARTS, clock=f"scaled:{SCALE}", board=f"port:{path}")


def deliver(used: Pump) -> None:
    used.write_basal_profile([(1440, "20")])
    used.activate(1)
    used.start()
    used.run_for(30)
    used.stop()


def without_history(used: Pump) -> None:
    used.set_oref_settings(replace(used.oref_settings(), max_cob_g=90))
    used.delete_records(RacpOperator.ALL)


@pytest.mark.parametrize(
    ("use", "said"),
    [
        (deliver, "pulses delivered"),
        (lambda used: used.set_max_bolus(5), "a maximum bolus of 5 IU"),
        (lambda used: used.inject_fault(FaultKind.RESERVOIR_LEVEL, 1000), "50 IU in its reservoir"),
        (lambda used: used.write_isf_profile([(1440, 50)], 10), "templates 10"),
        (lambda used: used.set_guardrails(replace(used.guardrails(), interval_minutes=7)), "interval_minutes = 7"),
        (lambda used: used.set_controller_settings(replace(used.controller_settings(), dia_minutes=360)),
         "settings of controller (dia_minutes = 360)"),
        (without_history, "settings of oref (max_cob_g = 90)"),
    ],
    ids=["insulin", "maximum bolus", "reservoir", "template", "guardrail", "controller", "no history left"],
)  # fmt: skip
@pytest.mark.parametrize("restarted", [False, True], ids=["goes on", "restarted"])
def test_a_pump_that_was_used_is_refused_with_what_it_holds(bench, board, use, said, restarted):
    with device(board) as path, client(path) as used:
        use(used)
    if restarted:
        board.kill()
        board.start()
    with device(board) as path:
        with pytest.raises(BlockedError) as refused:
            given_to_a_run(bench, path)
        assert refused.value.exit_code == 3
        assert said in refused.value.message
        assert path in refused.value.message
        assert f"`pumprig reset --board port:{path} --factory`" in refused.value.message
        # Asked a second time it says the same: nothing was done to it.
        with pytest.raises(BlockedError) as again:
            given_to_a_run(bench, path)
    assert again.value.message == refused.value.message


def test_a_pump_that_started_twice_is_refused(bench, board):
    board.kill()
    board.start()
    with device(board) as path, pytest.raises(BlockedError, match="2 starts in its history"):
        given_to_a_run(bench, path)


def test_a_new_pump_that_somebody_has_looked_at_is_not_refused(bench, tmp_path):
    number = iter(range(9))

    def run():
        with (
            VirtualBoard("virtual", None, Scaled(SCALE), workdir=tmp_path / f"new{next(number)}") as fresh,
            device(fresh) as path,
        ):
            with client(path) as looked_at:
                looked_at.history()
                looked_at.controller_settings()
            return given_to_a_run(bench, path)

    ended = fit_run(run)
    assert ended.verdict in (Verdict.PASS, Verdict.INCONCLUSIVE), ended.explain()
    assert {reason.message for reason in ended.outcome.reasons} <= {"nothing was proven: no sample got a decision"}
