"""The vendor services and Current Time: settings in and out, the emulator's word about itself, injected faults.

Method: the real firmware over the wire; limits are those of DOSING.md section 10, each with the value beyond it.
"""

from decimal import Decimal

import pytest

from firmware.gatt_bench import GattBench
from pumplink.boards import default_firmware, firmware_hash
from pumpwire import e2e
from pumpwire.registry import MESSAGES
from pumpwire.vendor import WIRE_VERSION

OUT_OF_RANGE, INVALID_LENGTH = 0xFF, 0x0D
OCCLUSION, LEVEL, DETACHED, BATTERY, ANNUNCIATION = 0x33, 0x3C, 0x55, 0x5A, 0x66
STOP, RUN = 0x33, 0x55
DEFAULTS = dict(
    controller=0x33, suspend_predicted_mg_dl=80, suspend_now_mg_dl=70, horizon_minutes=30, suspend_limit_minutes=120,
    limit_window_minutes=150, stale_minutes=15, lockout_minutes=30, dia_minutes=300, peak_minutes=75,
    near_mg_dl=0, resume_mg_dl=0, resume_predicted_mg_dl=0, minimum_minutes=5, plgs_flags=3,
)  # fmt: skip
LIMITS = {
    "suspend_predicted_mg_dl": (60, 120), "suspend_now_mg_dl": (50, 100), "horizon_minutes": (10, 60),
    "suspend_limit_minutes": (5, 150), "limit_window_minutes": (120, 480), "stale_minutes": (5, 60),
    "lockout_minutes": (0, 240), "dia_minutes": (180, 480), "peak_minutes": (35, 120),
    "near_mg_dl": (0, 400), "resume_mg_dl": (0, 400), "resume_predicted_mg_dl": (0, 400), "minimum_minutes": (5, 60),
    "plgs_flags": (0, 3),
}  # fmt: skip


@pytest.fixture
def bench():
    """A subscribed pump in Stop."""
    bench = GattBench(confirms=True)
    bench.subscribed()
    yield bench
    bench.close()


# --- controller settings ---


def test_the_defaults(bench):
    assert bench.fields("ControllerSettings") == DEFAULTS


@pytest.mark.parametrize("field", LIMITS)
def test_settings_within_their_limits_are_taken(bench, field):
    for value in LIMITS[field]:
        if field == "dia_minutes":
            settings = {**DEFAULTS, field: value, "peak_minutes": 72}
        else:
            settings = {**DEFAULTS, field: value}
        assert bench.write_message("ControllerSettings", **settings) == 0
        assert bench.fields("ControllerSettings") == settings


def raw(settings):
    """The octets of settings that the declaration may not let through."""
    widths = dict(suspend_predicted_mg_dl=2, suspend_now_mg_dl=2, suspend_limit_minutes=2, limit_window_minutes=2,
                  dia_minutes=2, near_mg_dl=2, resume_mg_dl=2, resume_predicted_mg_dl=2)  # fmt: skip
    return b"".join(settings[name].to_bytes(widths.get(name, 1), "little") for name in DEFAULTS)


BEYOND = [(field, low - 1) for field, (low, _) in LIMITS.items() if low] + [
    (field, high + 1) for field, (_, high) in LIMITS.items() if field != "plgs_flags"
]


@pytest.mark.parametrize(("field", "beyond"), BEYOND)
def test_settings_beyond_a_limit_change_nothing(bench, field, beyond):
    """D-616: 0xFF, and every other value of the same write is refused with it."""
    settings = {**DEFAULTS, "lockout_minutes": 7, field: beyond}
    characteristic = MESSAGES["ControllerSettings"].on
    assert bench.write_raw(characteristic, raw(settings)) == OUT_OF_RANGE
    assert bench.fields("ControllerSettings") == DEFAULTS


@pytest.mark.parametrize("change", [
    {"dia_minutes": 180, "peak_minutes": 73}, {"peak_minutes": 121}, {"suspend_limit_minutes": 151},
    {"limit_window_minutes": 119}, {"controller": 0x34}, {"controller": 0x0F},
])  # fmt: skip
def test_settings_that_contradict_one_another_or_are_no_word(bench, change):
    characteristic = MESSAGES["ControllerSettings"].on
    assert bench.write_raw(characteristic, raw({**DEFAULTS, **change})) == OUT_OF_RANGE
    assert bench.fields("ControllerSettings") == DEFAULTS


@pytest.mark.parametrize("octets", [0, 1, 15, 22, 24, 59])
def test_settings_of_another_length(bench, octets):
    characteristic = MESSAGES["ControllerSettings"].on
    expected = 0x81 if octets == 0 else INVALID_LENGTH
    assert bench.write_raw(characteristic, (raw(DEFAULTS) + bytes(40))[:octets]) == expected


def test_a_longer_value_needs_a_greater_mtu(bench):
    """Of 26 octets an MTU of 23 carries 22 when they are read, and none when they are written."""
    characteristic = MESSAGES["ControllerSettings"].on
    value = e2e.protect(raw(DEFAULTS), 1, characteristic.protection)
    assert bench.read(characteristic.handle) == value[:22]
    assert bench.write(characteristic.handle, value) == INVALID_LENGTH
    bench.make_room(len(value))
    assert bench.write(characteristic.handle, value) == 0
    assert bench.read(characteristic.handle)[:-3] == raw(DEFAULTS)


def test_flags_that_nobody_declared_are_not_kept(bench):
    assert bench.write_raw(MESSAGES["ControllerSettings"].on, raw({**DEFAULTS, "plgs_flags": 0xFF})) == 0
    assert bench.fields("ControllerSettings") == DEFAULTS


def test_settings_outlast_the_connection(bench):
    bench.write_message("ControllerSettings", **{**DEFAULTS, "controller": 0x3C})
    bench.subscribed()
    assert bench.fields("ControllerSettings")["controller"] == 0x3C


# --- the emulator about itself ---


def test_identity_names_this_very_firmware(bench):
    told = bench.fields("EmulatorIdentity")
    assert told == {"wire_version": WIRE_VERSION, "firmware_hash": firmware_hash(default_firmware())}


def test_pump_data(bench):
    assert bench.fields("EmulatorPumpData") == {
        "pulse_mu": 50, "bolus_speed_mu_per_minute": 1500, "reservoir_capacity_mu": 300000,
        "basal_rate_limit_mu_per_h": 30000, "bolus_limit_mu": 25000, "motor_pulse_ms": 5,
        "basal_min_mu_per_h": 1, "bolus_min_mu": 50, "basal_adjustable": 1, "basal_fixed_mu_per_h": 0, "tbr_kinds": 3,
    }  # fmt: skip


def test_health_counts_time_from_the_start(bench):
    bench.run_until(70000.25)
    told = bench.fields("EmulatorHealth")
    assert (told["reset_cause"], told["uptime_s"]) == (0x33, 70000)
    assert 250 <= told["uptime_ms"] <= 251
    assert (told["dropped_frames"], told["e2e_failures"]) == (0, 0)


def test_there_is_heap_to_spare(bench):
    """384 KB on the 64-bit port, where everything takes twice what it takes on a board.

    The whole of IDS is served. Once it runs the firmware allocates next to nothing, so that 24 KB are plenty: they are
    there for boards whose modules take more than the stand-ins here, and for what a port keeps for itself.
    """
    assert bench.fields("EmulatorHealth")["free_heap_octets"] > 24 * 1024


def test_counters_count_motor_pulses(bench):
    """D-903."""
    assert set(bench.fields("EmulatorCounters").values()) == {0, 6000}
    bench.running(rate_mu_per_h=3000)
    bench.procedure("SetBolus", flags=0, bolus_type=0x33, fast_amount_iu=Decimal("0.5"), extended_amount_iu=0,
                    duration_minutes=0)  # fmt: skip
    bench.run_until(630)
    told = bench.fields("EmulatorCounters")
    assert told["bolus_pulses"] == 10
    assert told["basal_pulses"] + told["bolus_pulses"] == len(bench.pulses) == 6000 - told["reservoir_pulses"]
    assert told["prime_pulses"] == 0


# --- injected faults ---


def inject(bench, kind, value):
    return bench.write_message("EmulatorFault", fault_kind=kind, fault_value=value)


@pytest.mark.parametrize(("kind", "value", "error"), [
    (OCCLUSION, 0, 0), (OCCLUSION, 1, 0), (OCCLUSION, 2, OUT_OF_RANGE), (OCCLUSION, 0xFFFFFFFF, OUT_OF_RANGE),
    (LEVEL, 0, 0), (LEVEL, 6000, 0), (LEVEL, 6001, OUT_OF_RANGE), (LEVEL, 0x10001, OUT_OF_RANGE),
    (DETACHED, 0, 0), (DETACHED, 1, 0), (DETACHED, 2, OUT_OF_RANGE), (DETACHED, 0x10000, OUT_OF_RANGE),
    (BATTERY, 0, 0), (BATTERY, 100, 0), (BATTERY, 101, OUT_OF_RANGE), (BATTERY, 0x10000, OUT_OF_RANGE),
    (ANNUNCIATION, 0x000F, 0), (ANNUNCIATION, 0x0365, 0), (ANNUNCIATION, 0xF033, 0), (ANNUNCIATION, 0, OUT_OF_RANGE),
    (ANNUNCIATION, 0x0010, OUT_OF_RANGE), (ANNUNCIATION, 0x0368, OUT_OF_RANGE), (ANNUNCIATION, 0x1000F, OUT_OF_RANGE),
])  # fmt: skip
def test_which_faults_can_be_injected(bench, kind, value, error):
    assert inject(bench, kind, value) == error


@pytest.mark.parametrize("payload", ["0f01000000", "3401000000", "0001000000"])
def test_no_other_kind_of_fault(bench, payload):
    assert bench.write_raw(MESSAGES["EmulatorFault"].on, bytes.fromhex(payload)) == OUT_OF_RANGE


def test_an_injected_occlusion_stops_at_the_next_pulse(bench):
    """D-821."""
    bench.running()
    bench.run_for(200)
    pulses = len(bench.pulses)
    inject(bench, OCCLUSION, 1)
    assert bench.fields("IddStatus")["therapy_control_state"] == RUN
    bench.run_for(200)
    assert len(bench.pulses) == pulses
    assert bench.fields("IddStatus")["therapy_control_state"] == STOP
    inject(bench, OCCLUSION, 0)
    assert bench.code("SetTherapyControlState", therapy_control_state=RUN) == 0x0F


def test_the_force_on_the_motor_stops_at_the_next_pulse(bench):
    """D-821: at the limit is an occlusion, one below is not."""
    bench.running()
    bench.board.set_analog(26, 49999)
    bench.run_for(200)
    assert len(bench.pulses) == 1
    bench.board.set_analog(26, 50000)
    bench.run_for(200)
    assert len(bench.pulses) == 1
    assert bench.fields("IddStatus")["therapy_control_state"] == STOP


def test_without_a_reservoir_there_is_no_run(bench):
    inject(bench, DETACHED, 1)
    assert bench.code("SetTherapyControlState", therapy_control_state=RUN) == 0x74
    inject(bench, DETACHED, 0)
    assert bench.code("SetTherapyControlState", therapy_control_state=RUN) == 0x0F


# --- the clock ---


CLOCK = dict(year=2024, month=2, day=29, hour=23, minute=59, second=58, day_of_week=4, fractions_256=0)


def test_the_clock_runs_on_from_what_was_set(bench):
    """D-001: the second of effect has the time that was written."""
    bench.run_until(100.5)
    assert bench.write_message("CurrentTime", adjust_reason=1, **CLOCK) == 0
    told = bench.fields("CurrentTime")
    assert {name: told[name] for name in CLOCK} == CLOCK
    bench.run_until(103.5)
    told = bench.fields("CurrentTime")
    assert (told["month"], told["day"], told["hour"], told["second"], told["day_of_week"]) == (3, 1, 0, 1, 5)


def test_until_it_is_set_the_clock_counts_from_2000(bench):
    """D-906. 2000-01-01 was a Saturday."""
    told = bench.fields("CurrentTime")
    assert (told["year"], told["month"], told["day"], told["hour"], told["day_of_week"]) == (2000, 1, 1, 0, 6)


@pytest.mark.parametrize("change", [
    {"year": 0}, {"year": 1582}, {"month": 0}, {"month": 13}, {"day": 0}, {"day": 30}, {"hour": 24}, {"minute": 60},
    {"second": 60}, {"day_of_week": 8},
])  # fmt: skip
def test_a_time_that_does_not_exist_is_out_of_range(bench, change):
    at = {**CLOCK, **change}
    octets = at["year"].to_bytes(2, "little") + bytes(at[name] for name in list(CLOCK)[1:]) + b"\x01"
    assert bench.write(MESSAGES["CurrentTime"].on.handle, octets) == OUT_OF_RANGE
    assert bench.fields("CurrentTime")["year"] == 2000


@pytest.mark.parametrize("octets", [0, 9, 11])
def test_a_time_of_another_length(bench, octets):
    value = bytes.fromhex("e8070201000000040001" + "00")[:octets]
    assert bench.write(MESSAGES["CurrentTime"].on.handle, value) == INVALID_LENGTH
