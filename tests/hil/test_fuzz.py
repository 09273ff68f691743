"""Fuzzing of the pump.

Goal: the firmware survives what `pumprig fuzz` throws at it; the fuzzer sees each kind of fault that it promises to
see, repeats itself exactly, and shrinks what fails to a command that shows it again.
Method: the real firmware, firmware that is wrong on purpose in one place, and the command line.
"""

import json
import random
import re

import pytest

from campaign import size
from pumplink.boards import default_firmware
from pumprig.cli import main
from pumprig.errors import UsageError
from pumprig.fuzz.authority import Authority
from pumprig.fuzz.campaign import fuzz, replay
from pumprig.fuzz.cases import Maker
from pumprig.fuzz.steps import Step, parse, text
from pumprig.suite.patching import Edit, copy_firmware, patched
from pumpwire import MESSAGES

CASES = 1500
CAUGHT_WITHIN = 4000
CASES_OVER_AIR = 100

# What is wrong with each, and the words in which that shows, which differ with what the dice bring first.
WRONG = {
    "crc unchecked": (
        Edit("gatt/e2e.py", "    return buf[end - 2] == crc & 0xFF and buf[end - 1] == crc >> 8", "    return True"),
        # A checksum that nobody looks at also takes a counter that nobody sent.
        "length, counter or CRC is wrong|refused a right counter or CRC",
    ),
    "counter unchecked": (
        Edit("gatt/characteristic.py", "elif buf[end - e2e.TRAILER_OCTETS] - self._received % 255 != 1:",
             "elif buf[end - e2e.TRAILER_OCTETS] == 0:"),
        "length, counter or CRC is wrong|refused a right counter or CRC|nobody validly asked for it",
    ),
    "right counter refused": (
        Edit("gatt/characteristic.py", "elif buf[end - e2e.TRAILER_OCTETS] - self._received % 255 != 1:",
             "elif buf[end - e2e.TRAILER_OCTETS] - self._received % 255 != 1 or self._received == 3:"),
        "refused a right counter",
    ),
    "exception": (
        Edit("gatt/server.py", "            return att.VALUE_NOT_ALLOWED", "            raise ValueError(bits)"),
        "ValueError",
    ),
    "hang": (
        Edit("gatt/server.py", "            return att.VALUE_NOT_ALLOWED",
             "            while True:\n                self._clock.read()"),
        "hangs",
    ),
    "leak": (
        Edit("gatt/server.py", "        s = self._advance()\n        opcode = buf[start]",
             "        s = self._advance()\n        self._leak = (getattr(self, '_leak', None), bytes(32))\n"
             "        opcode = buf[start]"),
        "free heap fell",
    ),
    "pulse out of nothing": (
        Edit("gatt/server.py", "        self._pdu(att.EXCHANGE_MTU_RESPONSE)",
             "        self._pump.delivery._motor.pulse(self._pump.now_s)\n"
             "        self._pdu(att.EXCHANGE_MTU_RESPONSE)"),
        "the motor pulsed",
    ),
    "double bolus": (
        Edit("gatt/command.py", "s, fields[tables.BOLUS_TYPE], fields[tables.FAST_AMOUNT_IU], ",
             "s, fields[tables.BOLUS_TYPE], 2 * fields[tables.FAST_AMOUNT_IU], "),
        "bolus pulses",
    ),
    "two answers": (
        Edit("gatt/server.py", "        self.mtu = max(att.MTU_DEFAULT, min(wanted, self._mtu_max))",
             "        self._bearer.send(self._bearer.pdu_start + 3)"),
        "03f700",
    ),
}  # fmt: skip


def wrong_firmware(name, tmp_path):
    edit, said = WRONG[name]
    firmware = default_firmware()
    return copy_firmware(firmware, tmp_path / "firmware", patched(firmware, [edit], name)), said


def test_the_firmware_survives():
    outcome = fuzz(20, CASES)
    assert outcome.failure is None, outcome.failure
    assert outcome.cases == CASES
    # Something was at stake: the pump was asked and delivered.
    assert outcome.requests > CASES
    assert outcome.pulses > 100


def test_the_firmware_survives_over_the_air():
    """D-1510 among the rest: a control point that was written wrongly has ended the connection."""
    pytest.importorskip("bumble", reason="the virtual radio needs the extra `ble`")
    outcome = fuzz(20, CASES_OVER_AIR, over_air=True)
    assert outcome.failure is None, outcome.failure
    assert outcome.requests > CASES_OVER_AIR and outcome.pulses > 0


WRONG_OVER_AIR = {
    "connection kept": (
        Edit("gatt/air.py", "            self._bearer.disconnect()\n", "            pass\n"), "the connection stands",
    ),
    "counter unchecked": (
        WRONG["counter unchecked"][0], "the connection stands|nobody validly asked for it",
    ),
    "exception": (
        Edit("gatt/air.py", "        self._look_at_configurations()\n        if handle in",
             "        if handle == 0x5E:\n            raise ValueError(handle)\n"
             "        self._look_at_configurations()\n        if handle in"),
        "ValueError",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", [
    "connection kept", pytest.param("counter unchecked", marks=pytest.mark.slow),
    pytest.param("exception", marks=pytest.mark.slow),
])  # fmt: skip
def test_a_wrong_pump_is_caught_over_the_air(name, tmp_path):
    pytest.importorskip("bumble", reason="the virtual radio needs the extra `ble`")
    edit, said = WRONG_OVER_AIR[name]
    firmware = default_firmware()
    wrong = copy_firmware(firmware, tmp_path / "firmware", patched(firmware, [edit], name))
    failure = fuzz(5, 10 * CASES_OVER_AIR, wrong, over_air=True).failure
    assert failure is not None and re.search(said, failure.message), failure


def test_the_same_seed_gives_the_same_cases():
    first, second, other = (Maker(random.Random(seed)) for seed in ("7/0", "7/0", "8/0"))
    one = [text(first.next()) for _ in range(300)]
    assert one == [text(second.next()) for _ in range(300)]
    assert one != [text(other.next()) for _ in range(300)]
    again = [fuzz(7, 100), fuzz(7, 100)]
    assert again[0].requests == again[1].requests and again[0].pulses == again[1].pulses


def test_steps_go_into_a_text_and_back():
    maker = Maker(random.Random(1))
    for _ in range(500):
        steps = maker.next()
        assert parse(text(steps)) == steps


@pytest.mark.parametrize("word", ["reopen", "att", "att:", "att:1", "value:21:00", "value:0021", "wait:soon", "raw:zz"])
def test_a_word_that_is_no_step_is_named(word):
    with pytest.raises(UsageError, match=word):
        parse(f"open {word}")


@pytest.mark.parametrize("name", WRONG)
def test_every_patch_applies(name, tmp_path):
    assert wrong_firmware(name, tmp_path)[0].is_dir()


@pytest.mark.parametrize(
    "name",
    [*(pytest.param(name, marks=pytest.mark.slow) for name in ("counter unchecked", "double bolus")), "exception"],
)
def test_a_firmware_that_deserves_it_fails_and_its_steps_show_it_again(name, tmp_path):
    firmware, said = wrong_firmware(name, tmp_path)
    outcome = fuzz(1, CAUGHT_WITHIN, firmware)
    assert outcome.failure is not None
    assert re.search(said, outcome.failure.message), outcome.failure
    assert outcome.failure.reproducible and len(outcome.failure.steps) <= 12
    assert re.search(said, replay(outcome.failure.steps, firmware) or "")
    assert replay(outcome.failure.steps) is None, "the right firmware has no such fault"


@pytest.mark.slow
@pytest.mark.parametrize("name", WRONG)
def test_every_kind_of_fault_is_seen(name, tmp_path):
    firmware, said = wrong_firmware(name, tmp_path)
    outcome = fuzz(2, 5 * CAUGHT_WITHIN, firmware)
    assert outcome.failure is not None
    assert re.search(said, outcome.failure.message), outcome.failure


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_the_firmware_survives_many_cases(seed):
    outcome = fuzz(seed, size(10_000, whole=25_000))
    assert outcome.failure is None, f"pumprig fuzz --replay '{text(outcome.failure.steps)}': {outcome.failure.message}"


def test_a_clock_at_the_end_of_the_wires_years_does_not_stop_the_pump():
    assert replay([Step("open"), *parse("att:1232000f270c1f17023b060006 wait:3600")]) is None


def test_the_command_line(capsys):
    with pytest.raises(SystemExit) as left:
        main(["fuzz", "--seed", "3", "--cases", "40", "--json"])
    said = json.loads(capsys.readouterr().out)
    assert left.value.code == 0
    assert (said["seed"], said["cases"], said["failure"]) == (3, 40, None)
    with pytest.raises(SystemExit) as left:
        main(["fuzz", "--replay", "open subscribe wait:2"])
    assert left.value.code == 0 and "nothing wrong" in capsys.readouterr().out
    with pytest.raises(SystemExit) as left:
        main(["fuzz", "--replay", "open shut"])
    assert left.value.code == 2 and "shut" in capsys.readouterr().err


def test_the_command_line_prints_what_repeats_a_failure(capsys, tmp_path):
    firmware, said = wrong_firmware("exception", tmp_path)
    with pytest.raises(SystemExit) as left:
        main(["fuzz", "--seed", "1", "--cases", str(CAUGHT_WITHIN), "--firmware", str(firmware)])
    out, err = capsys.readouterr()
    assert left.value.code == 1 and said in err
    again = next(line for line in out.splitlines() if "--replay" in line)
    script = again.split("'")[1]
    with pytest.raises(SystemExit) as left:
        main(["fuzz", "--replay", script, "--firmware", str(firmware)])
    assert left.value.code == 1 and said in capsys.readouterr().err


# --- What may have been delivered -------------------------------------------------------------------------------


def ask(authority, name, at_s, **fields):
    message = MESSAGES[name]
    authority.asked(message, message.parse(message.build(**fields)).fields, at_s)


def tell(authority, name, at_s, **fields):
    message = MESSAGES[name]
    return authority.answered(message, message.parse(message.build(**fields)).fields, at_s)


BOLUS = {"flags": 0, "bolus_type": 0x33, "fast_amount_iu": 1, "extended_amount_iu": 0, "duration_minutes": 0}
BLOCK = {"flags": 1, "template_number": 1, "first_block_number": 1, "duration_minutes_1": 1440, "rate_iu_per_h_1": 1}


def test_nothing_may_move_before_it_is_asked_for():
    authority = Authority(50)
    assert authority.judge(0, 0, 0, 86400) is None
    assert "basal" in (authority.judge(1, 0, 0, 86400) or "")
    assert "bolus" in (authority.judge(0, 1, 0, 86400) or "")
    assert "prime" in (authority.judge(0, 0, 1, 86400) or "")


def test_a_bolus_counts_from_its_asking_until_it_is_refused():
    authority = Authority(50)
    ask(authority, "SetBolus", 10, **BOLUS)
    assert authority.judge(0, 20, 0, 60) is None
    assert authority.judge(0, 21, 0, 60) is not None
    assert tell(authority, "CommandResponseCode", 61, request_opcode=0x114B, response_code=0x75) is None
    assert authority.judge(0, 1, 0, 62) is not None


def test_basal_may_flow_in_run_at_the_rates_that_were_written():
    authority = Authority(50)
    ask(authority, "WriteBasalRateTemplate", 5, **BLOCK)
    assert authority.judge(1, 0, 0, 3605) is not None, "it does not run yet"
    ask(authority, "SetTherapyControlState", 3605, therapy_control_state=0x55)
    assert authority.judge(21, 0, 0, 7205) is None, "20 pulses, and one of rounding"
    assert authority.judge(22, 0, 0, 7205) is not None


def test_what_nobody_asked_for_is_noticed_when_it_is_done():
    authority = Authority(50)
    assert tell(authority, "SetBolusResponse", 1, bolus_id=1) is not None
    assert tell(authority, "CommandResponseCode", 1, request_opcode=0x0F5A, response_code=0x0F) is not None
    assert tell(authority, "CommandResponseCode", 1, request_opcode=0x0F5A, response_code=0x71) is None
    ask(authority, "SetBolus", 2, **BOLUS)
    assert tell(authority, "SetBolusResponse", 3, bolus_id=1) is None
    assert tell(authority, "SetBolusResponse", 4, bolus_id=2) is not None


def test_a_template_allows_what_was_written_into_it_and_its_numbers_are_not_looked_at():
    authority = Authority(50)
    by_template = {**BOLUS, "flags": 2, "fast_amount_iu": 9, "template_number": 7}
    ask(authority, "SetBolus", 10, **by_template)
    assert authority.judge(0, 1, 0, 60) is not None, "nobody has written it"
    held = {"template_number": 7, "flags": 0, "bolus_type": 0x3C, "fast_amount_iu": 0, "extended_amount_iu": 1}
    ask(authority, "SetBolusTemplate", 70, **held, duration_minutes=5)
    ask(authority, "SetBolus", 71, **by_template)
    assert authority.judge(0, 20, 0, 80) is None
    assert authority.judge(0, 21, 0, 80) is not None


def test_a_cancel_voids_one_bolus_and_leaves_the_one_beside_it():
    authority = Authority(50)
    for bolus_id, values in ((1, BOLUS), (2, {**BOLUS, "bolus_type": 0x3C, "fast_amount_iu": 0,
                                              "extended_amount_iu": 2, "duration_minutes": 9})):  # fmt: skip
        ask(authority, "SetBolus", 10, **values)
        assert tell(authority, "SetBolusResponse", 11, bolus_id=bolus_id) is None
    assert authority.judge(0, 60, 0, 12) is None
    ask(authority, "CancelBolus", 13, bolus_id=1)
    assert tell(authority, "CancelBolusResponse", 14, bolus_id=1) is None
    assert authority.needs_counters
    assert authority.judge(0, 5, 0, 15) is None
    assert authority.judge(0, 45, 0, 16) is None, "the 5 delivered and the 40 of the other"
    assert authority.judge(0, 46, 0, 16) is not None


def test_priming_moves_its_amount_until_it_is_stopped():
    authority = Authority(50)
    ask(authority, "StartPriming", 1, priming_amount_iu=1)
    assert authority.judge(0, 0, 20, 60) is None
    assert authority.judge(0, 0, 21, 60) is not None
    assert tell(authority, "CommandResponseCode", 61, request_opcode=0x127B, response_code=0x74) is None
    assert authority.judge(0, 0, 1, 62) is not None
    ask(authority, "StartPriming", 63, priming_amount_iu=1)
    assert tell(authority, "CommandResponseCode", 64, request_opcode=0x127B, response_code=0x0F) is None
    ask(authority, "StopPriming", 65)
    assert tell(authority, "CommandResponseCode", 66, request_opcode=0x1284, response_code=0x0F) is None
    assert authority.judge(0, 0, 4, 67) is None
    assert authority.judge(0, 0, 5, 68) is not None


def test_a_relative_tbr_follows_the_profile_that_is_written_under_it():
    authority = Authority(50)
    ask(authority, "WriteBasalRateTemplate", 0, **BLOCK)
    ask(authority, "SetTherapyControlState", 0, therapy_control_state=0x55)
    ask(authority, "SetTbrAdjustment", 0, flags=0, tbr_type=0x3C, value=2, duration_minutes=60)
    ask(authority, "WriteBasalRateTemplate", 0, **{**BLOCK, "rate_iu_per_h_1": 2})
    assert authority.judge(80, 0, 0, 3600) is None
    assert authority.judge(83, 0, 0, 3600) is not None


CONTROLLER = MESSAGES["ControllerSettings"].examples[0].fields


def running_under(controller):
    """A pump in Run at 1 U/h whose controller was chosen at second 0."""
    authority = Authority(50)
    ask(authority, "WriteBasalRateTemplate", 0, **BLOCK)
    ask(authority, "SetTherapyControlState", 0, therapy_control_state=0x55)
    ask(authority, "ControllerSettings", 0, **{**CONTROLLER, "controller": controller})
    return authority


@pytest.mark.parametrize("controller", [0x33, 0x3C])
def test_a_controller_that_only_suspends_gives_nothing_more(controller):
    authority = running_under(controller)
    assert authority.judge(21, 0, 0, 3600) is None
    assert authority.judge(22, 0, 0, 3600) is not None
    assert authority.judge(0, 1, 0, 3600) is not None


@pytest.mark.parametrize("controller", [0x55, 0x5A])
def test_a_controller_that_doses_keeps_to_its_guardrails_and_the_delivery_speed(controller):
    authority = running_under(controller)
    assert authority.judge(601, 1801, 0, 3600) is None
    for pulses in ((602, 0), (0, 1802)):
        authority = running_under(controller)
        assert authority.judge(*pulses, 0, 3600) is not None


def test_what_a_controller_did_not_give_in_time_it_has_not_put_aside():
    authority = running_under(0x55)
    assert authority.judge(0, 0, 0, 3600) is None
    assert authority.judge(0, 31, 0, 3660) is None
    assert authority.judge(0, 31 + 31, 0, 3720) is None
    assert authority.judge(0, 31 + 31 + 32, 0, 3780) is not None


def test_a_bolus_of_a_controller_outlasts_it_by_its_own_length():
    authority = running_under(0x55)
    ask(authority, "ControllerSettings", 60, **CONTROLLER)
    assert authority.judge(0, 30, 0, 60) is None
    assert authority.judge(0, 530, 0, 1060) is None, "25 U at 1.5 U/min"
    assert authority.judge(0, 540, 0, 2000) is not None
