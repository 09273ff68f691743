"""Goal: what a client writes and reads of a closed loop is what the pump has: D-616, D-1108, D-1110.

Method: the messages of the controller service, through the firmware's server on CPython; what survives a power cut,
through the journal.
"""

import pytest

from firmware.gatt_bench import GattBench
from firmware.test_journal import again, running
from pump import events
from pumpwire.registry import MESSAGES

SETTINGS = MESSAGES["OrefSettings"].examples[0].fields
OK, OUT_OF_RANGE = 0, 0xFF


@pytest.fixture
def bench():
    """A subscribed pump in Stop."""
    bench = GattBench(confirms=True)
    bench.subscribed()
    yield bench
    bench.close()


def test_settings_are_written_and_read(bench):
    """D-616: the pump's own at first, then those written, exactly."""
    assert bench.fields("OrefSettings") == SETTINGS
    changed = {**SETTINGS, "oref_flags": 0x7FFF, "flat_cgm": 0x3C, "temp_target_mg_dl": 140, "max_cob_g": 0}
    assert bench.write_message("OrefSettings", **changed) == OK
    assert bench.fields("OrefSettings") == changed


def test_settings_above_a_guardrail_are_refused(bench):
    """D-1208."""
    assert bench.write_message("OrefSettings", **{**SETTINGS, "max_iob_mu": 50001}) == OUT_OF_RANGE
    assert bench.fields("OrefSettings") == SETTINGS


def test_carbs_are_announced_and_recorded(bench):
    """D-1108."""
    for n in range(24):
        assert bench.write_message("CarbAnnouncement", carbs_g=40 + n, minutes_ago=20) == OK
    assert bench.write_message("CarbAnnouncement", carbs_g=1, minutes_ago=0) == OUT_OF_RANGE
    carbs = [fields for name, fields in bench.records(operator=0x33) if "Carbs" in str(name)]
    assert [fields["carbs_g"] for fields in carbs] == list(range(40, 64))


def test_detail_before_any_decision_is_none(bench):
    """D-1110."""
    told = bench.fields("ControllerDetail")
    assert (told["decision_sequence"], told["rule"], told["target_mg_dl"], told["small_bolus_mu"]) == (0, 0, 65535, 0)
    assert (told["bgi_hundredths"], told["carbs_required_g"], told["guardrail"]) == (32767, 32767, 0)


def test_settings_survive_and_carbs_do_not():
    """D-921, D-1108, D-1109."""
    bench = running()
    values = (0x7001, 0x3C, 2999, 2001, 1100, 1500, 140, 120, 180, 60, 45, 5, 100, 30, 80, 90, 7, 25, 150, 35, 55)
    assert bench.do(3, "configure_oref", *values) == events.SUCCESS
    assert bench.do(4, "announce_carbs", 40, 0) == events.SUCCESS
    bench.wake(600)
    pump = again(bench).pump
    assert tuple(pump.control.oref.values) == values
    assert pump.control.loop(pump).announced.count == 0
    assert (pump.iob_unknown(17999, 300), pump.iob_unknown(18000, 300)) == (True, False)


def test_a_blank_pump_knows_its_iob():
    """D-1109."""
    assert not running().pump.iob_unknown(0, 300)
