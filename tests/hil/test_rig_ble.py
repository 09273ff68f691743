"""Goal: the same scenario gives the same dose events over the radio as over the serial line, and a run says what went
wrong with a radio.

Method: scenarios in lockstep over the virtual radio, held against the serial line, octet for octet; a short one with
time that passes by itself.
"""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from hil.rig_bench import MANUAL, PLGS, Run, command, every_5_minutes, fault, fit_run, pump
from hil.test_rig_clocks import BUSY, FALLING
from pumplink.virtual.clocks import Lockstep
from pumprig.bearers import BearerChoice, real_radio
from pumprig.errors import BlockedError, UsageError
from pumprig.runs import RunOptions, execute, make_plan
from pumprig.scenario import Scenario, demo_scenario_path
from pumprig.verdict import Verdict

pytest.importorskip("bumble", reason="the extra `ble` is not installed")

BLE = BearerChoice.of("ble")
SPLIT = BearerChoice.of("ble", "serial")


def same_doses(first: Run, second: Run) -> None:
    assert first.verdict is Verdict.PASS, first.explain()
    assert second.verdict is Verdict.PASS, second.explain()
    assert first.dose_text == second.dose_text


def test_the_radio_gives_the_doses_of_the_serial_line(bench):
    """Method: suspension, TBR, boluses, Pause and a bearer that goes down."""
    same_doses(bench.run(*BUSY, readings=FALLING), bench.run(*BUSY, readings=FALLING, bearer=BLE))


def test_the_sensor_may_stay_on_the_cable(bench):
    """Method: the same with Insulin Delivery over the air, and the sensor on the serial line."""
    same_doses(bench.run(*BUSY, readings=FALLING), bench.run(*BUSY, readings=FALLING, bearer=SPLIT))


def test_a_cut_and_a_repeated_command_over_the_radio(bench):
    """Goal: the bond survives a power cut, and a repeated command is refused by the end of the connection (D-1510).
    Method: both, with a bolus before."""
    parts = (PLGS, command(310, "set_bolus", amount_iu=1), fault(340, "repeat_command"))
    run = bench.run(*parts, fault(910, "power_cut", for_seconds=60), bearer=BLE)
    assert run.verdict is Verdict.PASS, run.explain()
    assert [event["name"] for event in run.events("fault")][:2] == ["repeat_command", "power_cut"]
    assert not any("passkey" in line and any(map(str.isdigit, line)) for line in log(run))


def test_a_link_that_is_lost_is_no_answer_to_a_repeated_command(bench, monkeypatch):
    """D-405. Method: the radio gives another reason for the end than that the pump did it."""
    monkeypatch.setattr("pumplink.ble.bumble_port._ENDED", {})
    parts = (PLGS, command(310, "set_bolus", amount_iu=1), fault(340, "repeat_command"))
    run = bench.run(*parts, bearer=BLE)
    assert {reason.rule for reason in run.outcome.reasons} == {"D-954"}, run.explain()


@pytest.mark.parametrize("way", [BLE, SPLIT, BearerChoice.of("ble", interval_ms=30.0)], ids=str)
def test_an_occlusion_over_the_radio(bench, way):
    """Goal: what goes wrong at the pump is told over the air as by the cable. Method: an occlusion that ends bolus and
    TBR, goes again, and is met by the next bolus no more; whatever the radio."""
    parts = (
        MANUAL, pump((1440, 0)), command(500, "set_tbr", rate_iu_per_h=Decimal("0.1"), duration_minutes=60),
        command(600, "set_bolus", amount_iu=1), fault(607, "occlusion", on=True), fault(700, "occlusion", on=False),
        command(710, "set_therapy_state", state="run"), command(720, "set_bolus", amount_iu=1),
    )  # fmt: skip
    over_air = bench.run(*parts, bearer=way)
    same_doses(bench.run(*parts), over_air)
    first = over_air.events("annunciation")[0]
    assert (first["at_s"] - 60, first["type"]) == (608, "occlusion")
    assert over_air.pulses == [602, 604, 606, *range(722, 761, 2)]


def log(run: Run) -> list[str]:
    return (run.folder / "dut.log").read_text(encoding="utf-8").splitlines()


def test_a_record_tells_the_way_and_how_quick_it_was(bench, tmp_path):
    """Goal: bearer and link figures are in the record, the passkey is not, and it is repeated the same way. Method: a
    short run with a report, its files searched."""
    run = bench.run(PLGS, "hours = 0.1", bearer=SPLIT, report=True)
    meta = json.loads((run.folder / "run.json").read_text(encoding="utf-8"))
    assert (meta["bearer"], meta["cgm_bearer"]) == ("ble", "serial")
    link = run.outcome.summary["link"]
    assert (link["bearer"], link["cgm_bearer"], link["time"]) == ("ble", "serial", "host")
    assert 0 < link["response_ms"]["median"] <= link["response_ms"]["p99"]
    assert link["command_ms"]["count"] > 5
    assert "Request to response" in (run.folder / "report.html").read_text(encoding="utf-8")
    assert [line for line in log(run) if "passkey" in line] == ["pumprig: passkey ******"]


@pytest.mark.slow
@pytest.mark.parametrize("clock", ["scaled:10", "realtime"])
def test_time_that_passes_by_itself_gives_the_same_doses(bench, clock):
    """Method: a bolus within a short while, on the clocks on which computing takes time."""
    parts = ("hours = 0.02", pump((1440, 6)), command(20, "set_bolus", amount_iu=1))
    readings = every_5_minutes([110])
    first = bench.run(*parts, readings=readings, bearer=BLE)
    same_doses(first, fit_run(lambda: bench.run(*parts, readings=readings, bearer=BLE, clock=clock)))


def test_a_wrong_passkey_blocks_the_run(bench):
    """Goal: nothing is said of a pump that nobody spoke to: exit code 3. Method: a passkey of somebody's own."""
    with pytest.raises(BlockedError, match="wrong passkey") as blocked:
        bench.run(PLGS, bearer=BearerChoice.of("ble", None, "000000"))
    assert blocked.value.exit_code == 3


@pytest.mark.parametrize(
    ("options", "where"),
    [
        (("bluetooth",), "--bearer"),
        (("ble+hci:",), "--bearer"),
        (("serial", "serial"), "--cgm-bearer"),
        (("ble", "usb"), "--cgm-bearer"),
        (("ble", None, "12345"), "--passkey"),
        (("serial", None, "123456"), "--passkey"),
        (("usb", None, None, "pico_w"), "--allow-lab"),
        (("serial", None, None, None, 30.0), "--connection-interval-ms"),
    ],
)
def test_options_that_mean_nothing_are_refused(options, where):
    with pytest.raises(UsageError) as refused:
        BearerChoice.of(*options)
    assert refused.value.where.startswith(where)
    assert refused.value.allowed


@pytest.mark.parametrize("bearer", ["usb", "ble+hci:usb:0"])
def test_the_virtual_board_has_a_uart_and_a_radio_of_its_own(bench, bearer):
    with pytest.raises(UsageError, match="the virtual board has no"):
        bench.run(PLGS, bearer=BearerChoice.of(bearer))


@pytest.mark.slow
def test_a_recorded_day_over_the_radio_gives_the_doses_of_the_serial_line(tmp_path: Path):
    """Method: the bundled day over both."""
    plan = make_plan(Scenario.load(demo_scenario_path()))
    runs = [
        Run(execute(plan, RunOptions("virtual", Lockstep(), tmp_path, report=False, bearer=way)))
        for way in (BearerChoice(), BLE)
    ]
    same_doses(*runs)
    assert len(runs[0].doses) > 500


@pytest.mark.parametrize("interval_ms", [7.5, 30.0, 50.0])
def test_a_connection_interval_delays_and_changes_no_dose(bench, interval_ms):
    """Method: a link that carries packets now and then, held against the cable; record and report have the interval."""
    way = BearerChoice.of("ble", interval_ms=interval_ms)
    parts = ("hours = 1", pump((1440, 6)), command(310, "set_bolus", amount_iu=1))
    run = bench.run(*parts, bearer=way, report=True)
    same_doses(bench.run(*parts), run)
    meta = json.loads((run.folder / "run.json").read_text(encoding="utf-8"))
    assert meta["connection_interval_ms"] == run.outcome.summary["link"]["connection_interval_ms"] == interval_ms
    assert f"{interval_ms:g} ms of the pump" in (run.folder / "report.html").read_text(encoding="utf-8")


def test_an_interval_that_is_too_long_for_the_bench_says_nothing_of_the_pump(bench):
    """D-955."""
    run = bench.run(PLGS, bearer=BearerChoice.of("ble", interval_ms=100.0))
    assert run.verdict is Verdict.INCONCLUSIVE
    assert "use a shorter connection interval" in run.explain()


@pytest.mark.parametrize("interval_ms", [-7.5, 1.25, 6.25, 8.0, 101.25, float("nan"), float("inf")])
def test_an_interval_that_no_radio_has_is_refused(interval_ms):
    with pytest.raises(UsageError, match="no connection interval") as refused:
        BearerChoice.of("ble", interval_ms=interval_ms)
    assert "7.5 to 100" in refused.value.allowed


def test_a_real_radio_chooses_its_own_interval():
    with pytest.raises(UsageError, match="choose their own"):
        real_radio("port:/dev/nowhere", BearerChoice.of("ble", interval_ms=30.0), None)
