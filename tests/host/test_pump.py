"""The typed pump says and does over the virtual board what the real firmware says and does.

The firmware is the product's own; what it doses is proven elsewhere, here it is the way there and back.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

import pumplink
from pumplink import (
    CaptureBearer,
    CgmServer,
    Cut,
    Faults,
    FaultyBearer,
    Link,
    Pump,
    Realtime,
    Scaled,
    SerialBearer,
    VirtualBoard,
    VirtualPump,
)
from pumplink.boards import firmware_hash
from pumplink.errors import AttError, BearerLost, ProcedureError, PumpLinkError
from pumplink.results import BasalBlock, Decision, DeliveredInsulin, Procedure
from pumplink.virtual import Clock
from pumpwire import database
from pumpwire.enums import (
    BolusValueSelection,
    Controller,
    ControllerAction,
    FaultKind,
    OperationalState,
    ResponseCode,
    StatusChangedFlags,
    TbrType,
    TherapyControlState,
)
from pumpwire.frame import FrameType

NOON = datetime(2024, 2, 28, 12, 0, 0)
PULSE_IU = Decimal("0.05")


@pytest.fixture
def pump() -> Iterator[VirtualPump]:
    """A connected pump that runs 1 IU/h, its clock at noon, beside a sensor that measures nothing."""
    pump = VirtualPump(VirtualBoard().start())
    CgmServer(pump.link, NOON)
    with pump:
        pump.set_clock(NOON)
        pump.write_basal_profile([(1440, 1)])
        pump.activate(1)
        pump.start()
        yield pump


def test_the_example_of_the_package_runs(capsys: pytest.CaptureFixture[str]) -> None:
    documented = inspect.cleandoc(pumplink.__doc__ or "")
    lines = documented.partition("from pumplink import virtual_pump")[2].partition("A pump on a board")[0]
    exec(inspect.cleandoc("from pumplink import virtual_pump\n" + lines))
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "DeliveredInsulin(bolus_iu=Decimal('1'), basal_iu=Decimal('0.85'))"
    assert printed[1].startswith("3600")


def test_nothing_but_the_public_names_leaks() -> None:
    assert sorted(pumplink.__all__) == pumplink.__all__
    assert all(hasattr(pumplink, name) for name in pumplink.__all__)


def test_what_the_pump_is(pump: VirtualPump) -> None:
    assert pump.identity().firmware_hash == firmware_hash(pump.board.firmware_dir)
    assert Decimal(pump.pump_data().pulse_mu) / 1000 == PULSE_IU
    assert pump.features().insulin_concentration_iu_per_ml == 100
    status = pump.status()
    assert (status.therapy, status.operational) == (TherapyControlState.RUN, OperationalState.READY)
    assert status.reservoir_attached
    assert pump.annunciation() is None


def test_a_bolus_runs_and_can_be_followed(pump: VirtualPump) -> None:
    number = pump.set_bolus("2.0")
    pump.run_for(20)
    assert pump.active_bolus_ids() == [number]
    parts = [
        pump.active_bolus(number, selection).fast_iu
        for selection in (BolusValueSelection.DELIVERED, BolusValueSelection.REMAINING)
    ]
    assert sum(parts) == pump.active_bolus(number, BolusValueSelection.PROGRAMMED).fast_iu == 2
    assert all(part > 0 and part % PULSE_IU == 0 for part in parts)
    pump.cancel_bolus(number)
    assert pump.active_bolus_ids() == []
    with pytest.raises(ProcedureError) as caught:
        pump.cancel_bolus(number)
    assert caught.value.code == ResponseCode.PROCEDURE_NOT_APPLICABLE


def test_pulses_counters_and_sums_agree(pump: VirtualPump) -> None:
    pulses: list[int] = []
    pump.board.on_pulse(lambda _at_us, due_us: pulses.append(due_us))
    pump.set_bolus("1.5")
    pump.run_for(7210)
    counters = pump.pulse_counters()
    assert counters.basal + counters.bolus == len(pulses)
    assert pump.delivered_insulin() == DeliveredInsulin(Decimal("1.5"), counters.basal * PULSE_IU)
    assert pump.total_daily_insulin().total_iu == len(pulses) * PULSE_IU
    assert Decimal(1) < pump.insulin_on_board().iob_iu < len(pulses) * PULSE_IU


def test_a_tbr_starts_changes_and_ends(pump: VirtualPump) -> None:
    pump.set_tbr("0.5", 30)
    with pytest.raises(ProcedureError):
        pump.set_tbr("0.6", 30)
    pump.set_tbr(0, 60, change=True)
    pump.run_for(600)
    active = pump.active_basal()
    assert active is not None
    assert active.tbr is not None
    assert (active.profile_rate_iu_per_h, active.tbr.type, active.tbr.value) == (1, TbrType.ABSOLUTE, 0)
    assert active.tbr.programmed_minutes == 60
    assert 49 <= active.tbr.remaining_minutes <= 50
    pump.cancel_tbr()
    active = pump.active_basal()
    assert active is not None
    assert active.tbr is None
    pump.stop()
    assert pump.active_basal() is None


@pytest.mark.parametrize("count", [1, 2, 3, 4, 24])
def test_a_profile_comes_back_as_it_was_written(pump: VirtualPump, count: int) -> None:
    durations = [1440 // count] * (count - 1)
    blocks = [(minutes, Decimal(5 * (k + 1)) / 100) for k, minutes in enumerate([*durations, 1440 - sum(durations)])]
    pump.write_basal_profile(blocks, template=2)
    assert pump.read_basal_profile(2) == [BasalBlock(*block) for block in blocks]
    templates = pump.templates()[0]
    assert templates.configured == (1, 2)
    pump.activate(2)
    assert pump.activated_templates() == [2]
    pump.reset_templates(1)
    assert pump.templates()[0].configured == (2,)


def test_a_profile_that_is_no_day_is_refused(pump: VirtualPump) -> None:
    with pytest.raises(ProcedureError, match="plausibility"):
        pump.write_basal_profile([(1439, 1)], template=2)


def test_the_clock_goes_with_pump_time(pump: VirtualPump) -> None:
    pump.run_until(86400)
    clock = pump.clock()
    assert clock is not None
    assert abs(clock - NOON - timedelta(days=1)) <= timedelta(seconds=2)


def test_the_history_is_numbered_without_gaps_and_can_be_asked_for_in_part(pump: VirtualPump) -> None:
    pump.set_bolus("1")
    pump.run_for(3600)
    records = pump.history()
    assert [record.sequence for record in records] == list(range(len(records)))
    assert records[0].event == "HistoryReferenceTime"
    assert {"HistoryBolusProgrammed1", "HistoryBolusDelivered2"} <= {record.event for record in records}
    assert pump.history(5) == records[5:]
    assert pump.history_count() == len(records)
    assert pump.history(len(records)) == []


def test_status_changes_are_told_and_can_be_reset(pump: VirtualPump) -> None:
    seen: list[StatusChangedFlags] = []
    pump.on_status_changed(lambda flags, _at_s: seen.append(flags))
    pump.run_for(5)
    pump.reset_status(StatusChangedFlags(0xFF))
    assert pump.status_changed() == 0
    pump.run_for(5)
    seen.clear()
    pump.set_tbr(0, 15)
    pump.run_for(5)
    assert any(flags & StatusChangedFlags.ACTIVE_BASAL_RATE_STATUS_CHANGED for flags in seen)


def test_an_injected_fault_is_seen(pump: VirtualPump) -> None:
    pump.inject_fault(FaultKind.RESERVOIR_LEVEL, 100)
    pump.run_for(5)
    assert pump.pulse_counters().reservoir in (99, 100)
    assert pump.status().reservoir_iu == pump.pulse_counters().reservoir * PULSE_IU


def test_limits_of_the_pump_are_its_own_answers(pump: VirtualPump) -> None:
    pump.set_max_bolus("3.0")
    assert pump.max_bolus() == 3
    with pytest.raises(ProcedureError) as caught:
        pump.set_bolus("3.05")
    assert caught.value.code == ResponseCode.PARAMETER_OUT_OF_RANGE


def test_every_command_can_be_logged_with_its_times(pump: VirtualPump) -> None:
    log: list[Procedure] = []
    pump.on_procedure(log.append)
    pump.run_until(pump.now_s + 10.5)
    pump.set_bolus("0.1")
    pump.set_clock(NOON)
    names = [(entry.name, entry.response_code) for entry in log]
    assert names == [("SetBolus", None), ("CurrentTime", None)]
    assert log[0].answer["bolus_id"] >= 1
    assert all(0 <= entry.answered_at_s - entry.sent_at_s < 1 for entry in log)


def test_the_controller_reads_the_sensor_and_tells_its_decision() -> None:
    board = VirtualBoard().start()
    pump = VirtualPump(board)
    sensor = CgmServer(pump.link, NOON)
    decisions: list[Decision] = []
    pump.on_decision(lambda decision, _at_s: decisions.append(decision))
    with pump:
        pump.set_clock(NOON)
        pump.write_basal_profile([(1440, 1)])
        pump.activate(1)
        pump.start()
        pump.set_controller(Controller.PLGS)
        assert pump.controller_settings().controller is Controller.PLGS
        for k, glucose_mg_dl in enumerate((120, 110, 100, 90, 80)):
            pump.run_until(300 * k + 10.5)
            assert sensor.send(5 * k, glucose_mg_dl)
        pump.run_for(5)
        assert [decision.glucose_mg_dl for decision in decisions] == [120, 110, 100, 90, 80]
        assert [decision.at_s for decision in decisions] == [300 * k + 11 for k in range(5)]
        assert decisions[-1].action in (ControllerAction.SUSPEND, ControllerAction.KEEP)
        assert pump.decision() == decisions[-1]


def test_a_procedure_without_subscription_is_refused_by_att() -> None:
    board = VirtualBoard().start()
    with VirtualPump(board) as pump:
        pump.link.unsubscribe(database.COMMAND_CONTROL_POINT.handle)
        with pytest.raises(AttError, match="0xFD"):
            pump.start()
        pump.link.subscribe(database.COMMAND_CONTROL_POINT.handle, indicate=True)
        pump.set_max_bolus(5)


def test_a_fresh_connection_starts_all_counters_anew(pump: VirtualPump) -> None:
    for _ in range(5):
        pump.delivered_insulin()
    pump.link.close()
    with pytest.raises(BearerLost):
        pump.delivered_insulin()
    pump.link.open()
    pump.subscribe()
    for _ in range(300):
        pump.status()
    pump.delivered_insulin()


def test_a_fortnight_of_pump_time_ends_with_the_right_sum(pump: VirtualPump) -> None:
    pump.write_basal_profile([(1440, "0.5")], template=2)
    pump.activate(2)
    pump.run_until(14 * 86400)
    assert abs(pump.delivered_insulin().basal_iu - 14 * 24 * Decimal("0.5")) <= PULSE_IU


@pytest.mark.parametrize("cut_s", [1, 30, 5000])
def test_the_pump_goes_on_while_the_line_is_cut_and_comes_back(cut_s: float) -> None:
    board = VirtualBoard().start()
    bearer = FaultyBearer(board.bearer(), seed=1, cuts=(Cut(100, cut_s),))
    pump = VirtualPump(board, bearer)
    pump.link.open(keep_alive_ms=5000)
    pump.subscribe()
    with pump:
        pump.write_basal_profile([(1440, 1)])
        pump.activate(1)
        pump.start()
        pump.set_tbr(0, 60)
        pump.run_until(99)
        if cut_s > 15:
            with pytest.raises(BearerLost, match="keep-alives went unanswered"):
                pump.run_until(200 + cut_s)
            bearer.wait_until(200 + cut_s)
            pump.link.open()
            pump.subscribe()
        pump.run_until(7200)
        events = [record.event for record in pump.history()]
        assert events.count("HistoryTbrStarted") == events.count("HistoryTbrEnded") == 1
        assert pump.delivered_insulin().basal_iu == 1


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_bolus_on_a_bad_line_is_given_once_or_not_at_all(seed: int) -> None:
    faults = Faults(drop=0.03, corrupt=0.03, duplicate=0.1)
    attempts, told = 30, 0
    with VirtualBoard() as board:
        bearer = FaultyBearer(board.bearer(), seed, to_pump=faults, to_client=faults)
        pump = Pump(Link(bearer), strict=False)
        for _ in range(attempts):
            try:
                pump.link.open()
                pump.subscribe()
                if not told:
                    pump.start()
                pump.set_bolus("0.05")
            except PumpLinkError:
                continue
            told += 1
            pump.run_for(10)
        bearer.close()
        with VirtualPump(board) as clean:
            clean.run_for(60)
            given = [r.event for r in clean.history()].count("HistoryBolusProgrammed1")
            assert clean.delivered_insulin().bolus_iu == given * PULSE_IU
    assert 0 < told <= given < attempts


def test_what_crossed_the_line_can_be_kept(tmp_path: Path) -> None:
    board = VirtualBoard().start()
    bearer = CaptureBearer(board.bearer(), tmp_path / "capture.jsonl")
    with VirtualPump(board, bearer) as pump:
        pump.status()
    lines = (tmp_path / "capture.jsonl").read_text().splitlines()
    assert f'"type": {FrameType.OPEN.value}' in lines[0]
    assert "damaged" not in "".join(lines)


@pytest.mark.parametrize("clock", [Scaled(120), Realtime()])
def test_the_same_pump_runs_by_other_clocks(clock: Clock) -> None:
    with pumplink.virtual_pump(clock) as pump:
        pump.write_basal_profile([(1440, 1)])
        pump.activate(1)
        pump.start()
        pump.set_bolus("0.05")
        pump.run_for(3 * clock.scale)
        assert pump.delivered_insulin().bolus_iu == PULSE_IU


def test_a_pump_at_a_serial_port_is_the_same_pump() -> None:
    with (
        VirtualBoard(clock=Realtime()) as board,
        board.pty() as pty,
        Pump(Link(SerialBearer(f"port:{pty.path}"))) as pump,
    ):
        assert pump.status().therapy is TherapyControlState.STOP
        assert pump.health().dropped_frames == 0
