"""Guardrails, steps and a basal that cannot be adjusted, as a client on the wire meets them.

Method: the real firmware on the virtual board, with the data of other pumps where that is what counts.
"""

from decimal import Decimal

import pytest

from firmware.gatt_bench import DATA, GattBench
from pumpwire.registry import MESSAGES

OUT_OF_RANGE = 0xFF
ALL = 0x33
DEFAULTS = dict(
    guard_basal_mu_per_h=30000, guard_bolus_mu=25000, guard_iob_mu=50000, guard_hour_mu=60000, guard_day_mu=300000,
    guard_interval_minutes=1, guard_stale_minutes=60, guard_decision_minutes=240,
)  # fmt: skip
WIDTHS = (2, 2, 2, 2, 4, 1, 1, 1)
TBR, FAST, ABSOLUTE, RELATIVE, RUN = "SetTbrAdjustment", 0x33, 0x33, 0x3C, 0x55
FIXED = {"BASAL_ADJUSTABLE": 0, "BASAL_FIXED_MU_PER_H": 500}


def running(**options):
    """A subscribed pump in Run with 1 U/h."""
    bench = GattBench(confirms=True, **options)
    bench.subscribed()
    bench.running()
    return bench


def raw(values):
    """The octets of guardrails that the declaration may not let through."""
    return b"".join(value.to_bytes(width, "little") for value, width in zip(values.values(), WIDTHS, strict=True))


def records(bench):
    """Guardrail events of the history."""
    return [
        (fields["guardrail"], fields["asked_by"], fields["asked"], fields["allowed"])
        for name, fields in bench.records(operator=ALL) if name == "HistoryGuardrailEvent"
    ]  # fmt: skip


def bolus_code(bench, amount):
    """The code that a fast bolus of so many IU is answered with."""
    name, told = bench.procedure(
        "SetBolus", flags=0, bolus_type=FAST, fast_amount_iu=Decimal(amount), extended_amount_iu=Decimal(0),
        duration_minutes=0,
    )  # fmt: skip
    return int(told["response_code"]) if name == "CommandResponseCode" else 0x0F


def tbr_code(bench, value, kind=ABSOLUTE):
    """The code that a TBR of 30 min is answered with."""
    return bench.code(TBR, flags=0, tbr_type=kind, value=Decimal(value), duration_minutes=30)


def test_guardrails_are_read_and_written():
    """D-1201: the defaults, tighter ones, and the pointer event."""
    bench = running()
    assert bench.fields("ControllerGuardrails") == DEFAULTS
    tighter = {**DEFAULTS, "guard_bolus_mu": 2000, "guard_day_mu": 70000, "guard_interval_minutes": 240}
    assert bench.write_message("ControllerGuardrails", **tighter) == 0
    assert bench.fields("ControllerGuardrails") == tighter
    assert [name for name, _ in bench.records(operator=ALL)].count("HistoryPointerEvent") == 1
    bench.close()


@pytest.mark.parametrize(("field", "value"), [
    ("guard_basal_mu_per_h", 30001), ("guard_bolus_mu", 49), ("guard_iob_mu", 65535), ("guard_hour_mu", 0),
    ("guard_day_mu", 300001), ("guard_day_mu", 0xFFFFFFFF), ("guard_interval_minutes", 0),
    ("guard_interval_minutes", 255), ("guard_stale_minutes", 61), ("guard_decision_minutes", 4),
])  # fmt: skip
def test_guardrails_beyond_their_bounds_change_nothing(field, value):
    """D-1201: 0xFF, no pointer event."""
    bench = running()
    characteristic = MESSAGES["ControllerGuardrails"].on
    assert bench.write_raw(characteristic, raw({**DEFAULTS, "guard_bolus_mu": 1000, field: value})) == OUT_OF_RANGE
    assert bench.fields("ControllerGuardrails") == DEFAULTS
    assert "HistoryPointerEvent" not in [name for name, _ in bench.records(operator=ALL)]
    bench.close()


def test_what_a_guardrail_refuses_is_answered_and_recorded():
    """D-1201 to D-1204: 0x73 of 1 and 2, 0x72 of 3, and events with all their numbers."""
    bench = running()
    tighter = {**DEFAULTS, "guard_basal_mu_per_h": 2000, "guard_bolus_mu": 2000, "guard_iob_mu": 1000}
    bench.write_message("ControllerGuardrails", **tighter)
    assert [tbr_code(bench, "2.5"), bolus_code(bench, "2.05"), bolus_code(bench, "1.05")] == [0x73, 0x73, 0x72]
    assert bolus_code(bench, "1.0") == 0x0F
    assert records(bench) == [(1, 0x3C, 2500, 2000), (2, 0x3C, 2050, 2000), (3, 0x3C, 1050, 1000)]
    bench.close()


def test_a_full_window_stops_the_pump():
    """D-1205: max delivery is shown, and numbers above 16 bits are told."""
    bench = running(pump_data={"GUARD_DAY_MU": 70000})
    bench.write_message("ControllerGuardrails", **{**DEFAULTS, "guard_hour_mu": 500, "guard_day_mu": 70000})
    assert bolus_code(bench, "0.5") == 0x0F
    bench.run_for(400)
    assert bench.fields("IddAnnunciationStatus")["annunciation_type"] == 0x0356
    assert bench.fields("IddStatus")["therapy_control_state"] == 0x33
    assert records(bench) == [(4, 0x33, 550, 500)]
    bench.close()


def test_a_stale_limit_above_its_guardrail_is_refused():
    """D-1207: 0xFF with an event."""
    bench = running()
    bench.write_message("ControllerGuardrails", **{**DEFAULTS, "guard_stale_minutes": 10})
    settings = bench.fields("ControllerSettings")
    assert bench.write_message("ControllerSettings", **settings) == OUT_OF_RANGE
    assert records(bench) == [(7, 0x3C, 15, 10)]
    bench.close()


def test_another_pump_has_other_steps():
    """D-109: kinds of TBR in the features, and steps in the answers."""
    data = {
        "TBR_KINDS": 1, "BASAL_MIN_MU_PER_H": 25, "BASAL_STEPS": ((1000, 25), (35001, 50)), "BOLUS_MIN_MU": 100,
        "BOLUS_STEPS": ((25001, 100),),
    }  # fmt: skip
    bench = running(pump_data=data)
    features = int(bench.fields("IddFeatures")["flags"])
    assert features & 0xFF == 0xF7
    assert [tbr_code(bench, "1.025"), tbr_code(bench, "1.2", RELATIVE), tbr_code(bench, "1.05")] == [0x73, 0x71, 0x0F]
    assert [bolus_code(bench, "0.15"), bolus_code(bench, "0.2")] == [0x73, 0x0F]
    bench.close()


def test_a_basal_that_cannot_be_adjusted():
    """D-205: 0x70, features, template status, controllers."""
    bench = GattBench(confirms=True, pump_data=FIXED)
    bench.subscribed()
    assert int(bench.fields("IddFeatures")["flags"]) == 0xF7FF & ~0x1E
    assert tbr_code(bench, "0.5") == 0x70
    assert bench.code("CancelTbrAdjustment") == 0x70
    assert bench.code("GetTbrTemplate", template_number=6) == 0x70
    assert (
        bench.code("SetTbrTemplate", template_number=4, tbr_type=ABSOLUTE, value=Decimal(1), duration_minutes=9) == 0x70
    )
    assert bench.code("ReadBasalRateTemplate", template_number=1) == 0x70
    assert bench.code(
        "WriteBasalRateTemplate", flags=1, template_number=1, first_block_number=1, duration_minutes_1=1440,
        rate_iu_per_h_1=Decimal(1),
    ) == 0x70  # fmt: skip
    assert bench.code("ActivateProfileTemplates", template_numbers=[1]) == 0x74
    bench.procedure("GetTemplateStatusAndDetails")
    assert [int(fields["template_type"]) for _, fields in bench.told(DATA)] == [0x55, 0x5A, 0x66, 0x96]
    settings = bench.fields("ControllerSettings")
    assert bench.write_message("ControllerSettings", **{**settings, "controller": 0x3C}) == OUT_OF_RANGE
    assert bench.code("SetTherapyControlState", therapy_control_state=RUN) == 0x0F
    assert bench.code("GetActiveBasalRateDelivery") == 0x74
    bench.run_for(730)
    assert len(bench.pulses) == 2
    bench.close()
