"""Delivery accuracy.

Goal: windows over pulses are counted exactly at every position; the firmware passes; each bound fails a pump that
deserves it, and says where and by which two numbers; a board whose motor is not seen is refused. Method: series of
pulses made for the purpose, also beside a count by hand; whole measurements of the firmware and of wrong ones.
"""

import json
from fractions import Fraction
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.rig_bench import firmware_copy
from pumplink.results import PumpData
from pumprig.accuracy.campaign import Accuracy, measure, measurements_for, pump_data
from pumprig.accuracy.plan import PROFILE, Block, Settings, profile_for, programmed_mu_s, rates_for
from pumprig.accuracy.windows import WINDOWS_MINUTES, flow_mu_per_h, windows_of
from pumprig.cli import main
from pumprig.devices.pump import load_pump
from pumprig.errors import UsageError
from pumprig.suite.catalogue import chosen, load_wrong
from pumprig.verdict import Verdict
from pumpwire.enums import TbrKindsFlags

PUMP = PumpData(50, 1500, 300_000, 30_000, 25_000, 5, 1, 50, 1, 0, TbrKindsFlags(3))
DAY_S = 86400
ANALYSIS = {"from_s": DAY_S, "until_s": DAY_S + 25 * 3600}
EVERY_WINDOW = (*WINDOWS_MINUTES, 25 * 60)


def steady(rate_mu_per_h, until_s=ANALYSIS["until_s"], pulse_mu=50):
    """The seconds of the pulses that D-102 gives."""
    full = 3600 * pulse_mu
    return [-(-number * full // rate_mu_per_h) for number in range(1, until_s * rate_mu_per_h // full + 1)]


def measured(name, firmware=None, **asked) -> Accuracy:
    """The measurements whose name begins so."""
    chosen = Settings(firmware=firmware, **asked)
    pump = pump_data(chosen)
    found = [one for one in measurements_for(chosen, pump) if one.name.startswith(name)]
    return measure(chosen, pump, found)


def missed(accuracy):
    """Ids of the checks that failed."""
    return {violation.check for outcome in accuracy.outcomes for violation in outcome.violations}


# --- windows (D-1401, D-1402) ---


@pytest.mark.parametrize("rate", [1, 50, 820, 1000, 2045, 29_990, 30_000])
def test_what_the_rules_deliver_lies_within_the_bounds_at_every_position(rate):
    for window in windows_of(steady(rate), rate, 50, minutes=EVERY_WINDOW, **ANALYSIS):
        assert window.outside == 0
        assert window.pulses_min <= window.least.pulses <= window.greatest.pulses <= window.pulses_max


@pytest.mark.parametrize(("rate", "minutes", "allowed"), [(820, 15, (4, 5)), (1000, 15, (5, 5)), (50, 15, (0, 1))])
def test_the_bounds_are_floor_and_ceiling(rate, minutes, allowed):
    (window,) = windows_of(steady(rate), rate, 50, minutes=[minutes], **ANALYSIS)
    assert (window.pulses_min, window.pulses_max) == allowed


@pytest.mark.parametrize("minutes", EVERY_WINDOW)
def test_every_window_misses_a_pulse(minutes):
    pulses = steady(1000)
    lost_s = pulses.pop(700)
    (window,) = windows_of(pulses, 1000, 50, minutes=[minutes], **ANALYSIS)
    assert window.least.pulses == window.pulses_min - 1 and window.greatest.pulses <= window.pulses_max
    assert window.least.from_s == max(DAY_S, lost_s - 60 * minutes)
    # Each window that holds the second of the lost pulse.
    last_s = ANALYSIS["until_s"] - 60 * minutes
    assert window.outside == min(last_s, lost_s - 1) - max(DAY_S, lost_s - 60 * minutes) + 1


@pytest.mark.parametrize("minutes", EVERY_WINDOW)
def test_every_window_sees_a_pulse_too_many(minutes):
    pulses = sorted([*steady(1000), DAY_S + 12 * 3600 + 77])
    (window,) = windows_of(pulses, 1000, 50, minutes=[minutes], **ANALYSIS)
    assert window.greatest.pulses == window.pulses_max + 1 and window.outside > 0


def test_a_second_of_jitter_breaks_a_window_that_is_whole_pulses():
    pulses = steady(1000)
    pulses[600] += 1
    (window,) = windows_of(pulses, 1000, 50, minutes=[15], **ANALYSIS)
    assert (window.least.pulses, window.greatest.pulses, window.outside) == (4, 6, 2)


def test_a_window_begins_after_its_second_and_ends_with_its_last():
    (window,) = windows_of([60, 120], 1, 50, from_s=0, until_s=180, minutes=[1])
    assert (window.least.pulses, window.greatest.pulses, window.positions) == (0, 1, 121)
    assert (window.greatest.from_s, window.least.from_s) == (0, 120)


def test_the_errors_are_those_of_the_trumpet_curve():
    """D-1401: the extremes in percent of what was programmed."""
    (window,) = windows_of(steady(50), 50, 50, minutes=[15], **ANALYSIS)
    assert (window.programmed_mu, window.error_percent_min, window.error_percent_max) == (Fraction(25, 2), -100, 300)


@settings(deadline=None)
@given(st.data())
def test_windows_are_those_that_one_counts_by_hand(data):
    until_s = data.draw(st.integers(60, 400))
    pulses = sorted(data.draw(st.lists(st.integers(1, until_s), max_size=40)))
    from_s = data.draw(st.integers(0, until_s - 60))
    rate = data.draw(st.integers(1, 30_000))
    (window,) = windows_of(pulses, rate, 50, from_s=from_s, until_s=until_s, minutes=[1])
    counts = [sum(a < pulse <= a + 60 for pulse in pulses) for a in range(from_s, until_s - 59)]
    assert (window.least.pulses, window.greatest.pulses, window.positions) == (min(counts), max(counts), len(counts))
    assert counts[window.least.from_s - from_s] == min(counts)
    assert counts[window.greatest.from_s - from_s] == max(counts)
    assert window.outside == sum(not window.pulses_min <= count <= window.pulses_max for count in counts)


def test_the_start_up_is_a_rate_over_time():
    assert flow_mu_per_h([1, 60, 61], 50, from_s=0, until_s=120, minutes=1) == [6000, 3000]


# --- what is measured (D-1405) ---


def test_least_middle_and_greatest_rate():
    assert rates_for(PUMP) == (50, 1000, 30_000)


def test_a_rate_of_ones_own():
    assert rates_for(PUMP, (2050, 820, 2050)) == (820, 2050)


@pytest.mark.parametrize("rate", [30_001, 20_505])
def test_a_rate_that_cannot_be_programmed(rate):
    with pytest.raises(UsageError, match="cannot be programmed"):
        rates_for(PUMP, (rate,))


def test_the_profile_of_the_drift_is_a_day_in_which_every_block_leaves_a_remainder():
    profile = profile_for(PUMP)
    assert sum(block.minutes for block in profile) == 1440
    assert all(minutes * rate % (60 * PUMP.pulse_mu) for minutes, rate in PROFILE)


def test_what_a_profile_gives_is_summed_over_days_and_within_one():
    profile = (Block(600, 100), Block(840, 10))
    assert programmed_mu_s(profile, 0) == 0
    assert programmed_mu_s(profile, 36_001) == 36_000 * 100 + 10
    assert programmed_mu_s(profile, 2 * DAY_S + 1) == 2 * (36_000 * 100 + 50_400 * 10) + 100


# --- the firmware ---


def test_the_firmware_is_exact_at_a_rate_that_leaves_remainders():
    accuracy = measured("basal", rates_mu_per_h=(2045,))
    (result,) = accuracy.basal
    assert accuracy.verdict is Verdict.PASS and not any(window.outside for window in result.windows)
    assert all(window.least.pulses < window.greatest.pulses for window in result.windows)
    assert abs(result.overall_percent) < Fraction(100 * 50, 25 * 2045)


def test_every_bolus_of_the_firmware_comes_to_the_pulse_over_refills():
    """D-1403."""
    accuracy = measured("bolus")
    assert accuracy.verdict is Verdict.PASS
    assert [(one.amount_mu, set(one.pulses), len(one.pulses), one.refills) for one in accuracy.boluses] == [
        (50, {1}, 25, 0), (25_000, {500}, 25, 2),
    ]  # fmt: skip
    assert all(set(one.errors_percent) == {0} and one.mean_percent == 0 for one in accuracy.boluses)


def test_the_firmware_does_not_drift():
    """D-1404."""
    accuracy = measured("drift", days=4)
    assert accuracy.verdict is Verdict.PASS
    assert [day.pulses for day in accuracy.drift.days] == [427, 855, 1282, 1710]


@pytest.mark.parametrize(
    ("name", "rates", "amounts"),
    [
        ("v_go_20", ["0.833"], ["2", "24"]), ("cequr_simplicity", [], ["2", "20"]),
        ("ypsopump", ["0.1", "1", "40"], ["0.1", "30"]), ("tslim_x2", ["0.1", "1", "15"], ["0.05", "25"]),
    ],
)  # fmt: skip
def test_any_pump_is_measured_at_its_own_limits(name, rates, amounts):
    """D-1405: rates on its steps, a basal that cannot be adjusted as it is, and none where there is none."""
    chosen = Settings(days=2, pump=load_pump(name))
    names = [one.name for one in measurements_for(chosen, pump_data(chosen))]
    basal, boluses = [f"basal {rate} U/h" for rate in rates], [f"bolus {amount} U" for amount in amounts]
    assert names == [*basal, *boluses, *["drift over 2 d"] * bool(rates)]


def test_a_bolus_beside_a_basal_that_cannot_be_stopped_comes_to_the_pulse():
    accuracy = measured("bolus 2 ", pump=load_pump("v_go_40"))
    assert accuracy.verdict is Verdict.PASS and accuracy.boluses[0].pulses == (40,) * 25
    # Of 56 U, the basal takes its share too: a fresh filling begins the basal anew.
    assert accuracy.boluses[0].refills >= 1 and len(accuracy.outcomes[0].pulses) > 25 * 40


# --- wrong firmwares ---


def test_a_pump_that_loses_a_pulse_a_day_fails_its_windows_and_drifts(tmp_path):
    lossy = "if self.basal_pulses % 433 != 432:\n            self._motor.pulse(s)"
    firmware = firmware_copy(tmp_path, pump__delivery=("self._motor.pulse(s)", lossy))
    basal = measured("basal", firmware, rates_mu_per_h=(1000,))
    assert basal.verdict is Verdict.FAIL and missed(basal) == {"window"}
    first = basal.outcomes[0].violations[0]
    assert first.rule == "D-1402" and (first.expected, first.observed) == ("5", 4)
    assert "4 pulses in the 15 min from 43:03:00, 5 are right (900 of 89,101 positions)" in first.message
    drift = measured("drift", firmware, days=2)
    assert drift.verdict is Verdict.FAIL and missed(drift) == {"drift", "counters"}
    assert [day.pulses - day.due for day in drift.drift.days] == [0, -1]


def test_a_pump_whose_pulses_jitter_fails_its_windows(tmp_path):
    firmware = firmware_copy(tmp_path, motor=("% _QUEUE] = s\n", "% _QUEUE] = s + s // 180 % 7\n"))
    accuracy = measured("basal", firmware, rates_mu_per_h=(1000,))
    assert accuracy.verdict is Verdict.FAIL and missed(accuracy) == {"window"}
    (result,) = accuracy.basal
    assert result.windows[0].error_percent_min < 0 < result.windows[0].error_percent_max


@pytest.mark.parametrize(
    ("module", "old", "new"),
    [
        ("pump__machine", "def _apply_rate(self):\n", "def _apply_rate(self):\n        self.delivery._rest = 0\n"),
        ("pump__delivery", "self.rate_mu_per_h * seconds", "self.rate_mu_per_h // 50 * 50 * seconds"),
    ],
    ids=["remainder lost at a change of rate", "rate rounded to the pulse"],
)
def test_a_pump_that_rounds_drifts(tmp_path, module, old, new):
    accuracy = measured("drift", firmware_copy(tmp_path, **{module: (old, new)}), days=1)
    assert accuracy.verdict is Verdict.FAIL and missed(accuracy) == {"drift"}
    (violation,) = accuracy.outcomes[0].violations
    assert violation.rule == "D-1404" and violation.observed < violation.expected == 427


def test_a_pump_that_rounds_a_bolus_fails_each(tmp_path):
    firmware = firmware_copy(
        tmp_path, pump__bolus=("fast_mu // self._pulse_mu,", "fast_mu // self._pulse_mu - fast_mu // 25000,")
    )
    accuracy = measured("bolus 25", firmware)
    assert accuracy.verdict is Verdict.FAIL and missed(accuracy) == {"bolus-amount"}
    violation = accuracy.outcomes[0].violations[0]
    assert (violation.rule, violation.expected, violation.observed) == ("D-1403", 500, 499)
    (result,) = accuracy.boluses
    assert result.mean_percent == Fraction(-1, 5)


def test_a_pump_that_is_slow_with_its_bolus_fails(tmp_path):
    firmware = firmware_copy(tmp_path, pump__bolus=("60 * self._pulse_mu)", "61 * self._pulse_mu)"))
    accuracy = measured("bolus 0.05", firmware)
    assert missed(accuracy) == {"bolus-speed"} and accuracy.verdict is Verdict.FAIL
    violation = accuracy.outcomes[0].violations[0]
    assert (violation.rule, violation.expected, violation.observed) == ("D-106", 2, 3)


def test_a_pump_that_is_late_with_a_pulse_fails(tmp_path):
    (wrong,) = chosen(load_wrong(), ("pulse-late",))
    (edit,) = wrong.edits
    firmware = firmware_copy(tmp_path, motor=(edit.old, edit.new))
    accuracy = measured("drift", firmware, days=1)
    assert "pulse-timing" in missed(accuracy) and accuracy.verdict is Verdict.FAIL


def test_a_pump_that_refuses_its_own_greatest_rate_fails(tmp_path):
    limit = "self.rate_mu_per_h_max = settings.BASAL_LIMIT_MU_PER_H"
    accuracy = measured("basal 30", firmware_copy(tmp_path, pump__profiles=(limit, limit + " - 1")))
    assert accuracy.verdict is Verdict.FAIL and missed(accuracy) == {"command"}
    assert accuracy.outcomes[0].result is None


def test_a_pump_that_crashes_fails(tmp_path):
    crash = "if self.basal_pulses == 30:\n            raise OSError(5)\n        self._motor.pulse(s)"
    firmware = firmware_copy(tmp_path, pump__delivery=("self._motor.pulse(s)", crash))
    accuracy = measured("basal", firmware, rates_mu_per_h=(1000,))
    assert accuracy.verdict is Verdict.FAIL and missed(accuracy) == {"alive"}
    assert accuracy.basal == [] and len(accuracy.outcomes[0].pulses) == 30


# --- the command ---


def cli(*arguments):
    with pytest.raises(SystemExit) as ended:
        main(["accuracy", *arguments])
    return ended.value.code


def test_the_command_leaves_a_record_that_shows_everything(tmp_path, capsys):
    assert cli("--rate", "0.82", "--days", "1", "--out", str(tmp_path)) == 0
    shown = capsys.readouterr().out
    assert "PASS" in shown and "4 or 5" in shown and "1 day of basal: 427 pulses, 427 due, 0 pulses off" in shown
    (folder,) = tmp_path.iterdir()
    told = json.loads((folder / "accuracy.json").read_text(encoding="utf-8"))
    assert [one["name"] for one in told["measurements"]] == [
        "basal 0.82 U/h", "bolus 0.05 U", "bolus 25 U", "drift over 1 d",
    ]  # fmt: skip
    pulses = (folder / "pulses.csv").read_text(encoding="utf-8").splitlines()
    assert len(pulses) == 1 + sum(one["pulses"] for one in told["measurements"])
    suite = ElementTree.parse(folder / "junit.xml").getroot()
    assert (suite.get("failures"), suite.get("errors")) == ("0", "0") and int(suite.get("tests", "0")) > 8
    page = (folder / "accuracy.html").read_text(encoding="utf-8")
    assert "Trumpet curve at 0.82 U/h" in page and "<script" not in page and "://" not in page


def test_a_pump_that_is_wrong_is_told_in_every_form(tmp_path, capsys):
    firmware = firmware_copy(
        tmp_path, pump__bolus=("fast_mu // self._pulse_mu,", "fast_mu // self._pulse_mu - fast_mu // 25000,")
    )
    out = tmp_path / "runs"
    assert cli("--rate", "30", "--days", "0", "--firmware", str(firmware), "--out", str(out), "--json") == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["verdict"], told["exit_code"]) == ("FAIL", 1)
    (folder,) = out.iterdir()
    (failure,) = ElementTree.parse(folder / "junit.xml").getroot().findall("testcase/failure")
    assert "bolus 1 brought 499 pulses, 500 were programmed (25 of 25 missed)" in failure.get("message", "")
    page = (folder / "accuracy.html").read_text(encoding="utf-8")
    assert "Why FAIL" in page and "bolus 1 brought 499 pulses" in page


@pytest.mark.parametrize("board", ["port:/dev/ttyACM0", "id:E66", "pico_w"])
def test_a_board_whose_motor_is_not_seen_is_refused(board, capsys):
    assert cli("--board", board) == 2
    assert f"the motor of {board} is not seen" in capsys.readouterr().err


@pytest.mark.parametrize("rate", ["0", "-1", "0.0001", "one", "nan", "inf"])
def test_a_rate_that_is_none(rate, capsys):
    assert cli("--rate", rate) == 2
    assert "is no basal rate" in capsys.readouterr().err
