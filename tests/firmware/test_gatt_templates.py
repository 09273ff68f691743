"""TBR and bolus templates over the wire: setting, reading, using and resetting them; the status of every kind.

D-307, D-308, D-412; IDS 1.0.2, 3.7.2, 3.8 and 3.10. Method: the real firmware; each refusal with the value next to it
that is taken.
"""

from decimal import Decimal

import pytest

from firmware.gatt_bench import COMMAND, DATA, GattBench

SUCCESS, INVALID_OPERAND, OUT_OF_RANGE, NOT_APPLICABLE = 0x0F, 0x71, 0x73, 0x74
FAST, EXTENDED, MULTIWAVE = 0x33, 0x3C, 0x55
ABSOLUTE, RELATIVE = 0x33, 0x3C
TBR_TEMPLATES, PRESET, BOLUS_TEMPLATES = (4, 5, 6), 6, (7, 8, 9)
# Flags of a bolus template, and those of Set Bolus, which are others.
T_DELAY, T_CORRECTION, T_MEAL = 1, 2, 4
DELAY, TEMPLATE, ACTIVATION, CORRECTION, MEAL = 1, 2, 4, 8, 16


@pytest.fixture
def bench():
    """A pump in Run at 1 U/h."""
    bench = GattBench(confirms=True)
    bench.running()
    yield bench
    bench.close()


def tenths(value):
    """Hexadecimal of an SFLOAT in tenths."""
    return (0xF000 | value & 0xFFF).to_bytes(2, "little").hex()


def u16(value):
    return value.to_bytes(2, "little").hex()


def code(bench, hexadecimal):
    """The response code to a raw request; an answer of its own counts as success."""
    name, told = bench.raw_procedure(COMMAND, bytes.fromhex(hexadecimal))
    return told["response_code"] if name == "CommandResponseCode" else SUCCESS


def set_tbr_template(bench, number=4, kind=ABSOLUTE, value="2", minutes=30):
    name, told = bench.procedure(
        "SetTbrTemplate", template_number=number, tbr_type=kind, value=Decimal(value), duration_minutes=minutes
    )
    if name == "CommandResponseCode":
        return int(told["response_code"])
    assert (name, told) == ("SetTbrTemplateResponse", {"template_number": number})
    return SUCCESS


def set_bolus_template(bench, number=7, kind=FAST, fast="1", extended="0", minutes=0, flags=0, delay=None):
    name, told = bench.procedure(
        "SetBolusTemplate", template_number=number, flags=flags, bolus_type=kind, fast_amount_iu=Decimal(fast),
        extended_amount_iu=Decimal(extended), duration_minutes=minutes, delay_minutes=delay,
    )  # fmt: skip
    if name == "CommandResponseCode":
        return int(told["response_code"])
    assert (name, told) == ("SetBolusTemplateResponse", {"template_number": number})
    return SUCCESS


def use_bolus_template(bench, number, flags=0, **rest):
    """Set Bolus with a template and an operand that contradicts it in everything: the ID or the response code."""
    operand = dict(bolus_type=0x0F, fast_amount_iu=Decimal(20), extended_amount_iu=Decimal(20), duration_minutes=9999)
    name, told = bench.procedure("SetBolus", flags=flags | TEMPLATE, template_number=number, **{**operand, **rest})
    return told["bolus_id"] if name == "SetBolusResponse" else -int(told["response_code"])


def records(bench, *events):
    """Fields of the records of some events, oldest first."""
    return [
        {key: value for key, value in fields.items() if value is not None and key not in ("relative_offset_s",)}
        for name, fields in bench.records(operator=0x33)
        if name.removeprefix("History") in events
    ]


# --- TBR templates ---


def test_a_tbr_template_is_read_as_it_was_set(bench):
    for number, kind, value, minutes in ((4, ABSOLUTE, "2.5", 1440), (5, RELATIVE, "0.125", 1), (4, RELATIVE, "0", 7)):
        assert set_tbr_template(bench, number, kind, value, minutes) == SUCCESS
        name, told = bench.procedure("GetTbrTemplate", template_number=number)
        assert name == "GetTbrTemplateResponse"
        assert told == {
            "template_number": number, "tbr_type": kind, "value": Decimal(value), "duration_minutes": minutes,
        }  # fmt: skip
        changed = records(bench, "TbrTemplateChanged")[-1]
        del changed["sequence"]
        assert changed == told


def test_the_preset_is_there_and_stays(bench):
    """D-307."""
    _, told = bench.procedure("GetTbrTemplate", template_number=PRESET)
    assert (told["tbr_type"], told["value"], told["duration_minutes"]) == (RELATIVE, Decimal("0.5"), 60)
    assert set_tbr_template(bench, PRESET) == NOT_APPLICABLE
    assert bench.code("ResetTemplateStatus", template_numbers=[PRESET]) == NOT_APPLICABLE
    assert bench.procedure("GetTbrTemplate", template_number=PRESET)[1] == told


@pytest.mark.parametrize("number", [4, 5])
def test_a_tbr_template_that_was_not_set(bench, number):
    assert bench.code("GetTbrTemplate", template_number=number) == NOT_APPLICABLE
    assert set_tbr_template(bench, number) == SUCCESS
    assert bench.procedure("ResetTemplateStatus", template_numbers=[number])[1] == {"template_numbers": [number]}
    assert bench.code("GetTbrTemplate", template_number=number) == NOT_APPLICABLE
    assert bench.code("ResetTemplateStatus", template_numbers=[number]) == NOT_APPLICABLE


@pytest.mark.parametrize("number", [0, 3, 7, 10, 16, 255])
def test_numbers_of_no_tbr_template(bench, number):
    assert bench.code("GetTbrTemplate", template_number=number) == OUT_OF_RANGE
    assert set_tbr_template(bench, number) == OUT_OF_RANGE


@pytest.mark.parametrize(("operand", "expected"), [
    ("04" + "33" + tenths(300) + u16(1), SUCCESS),
    ("04" + "33" + tenths(301) + u16(1), OUT_OF_RANGE),
    ("04" + "3c" + tenths(25) + u16(1440), SUCCESS),
    ("04" + "3c" + tenths(26) + u16(1440), OUT_OF_RANGE),
    ("04" + "33" + tenths(10) + u16(0), OUT_OF_RANGE),
    ("04" + "33" + tenths(10) + u16(1441), OUT_OF_RANGE),
    ("04" + "33" + "01c0" + u16(1), OUT_OF_RANGE),
    ("04" + "33" + "ff07" + u16(1), OUT_OF_RANGE),
    ("04" + "33" + tenths(-1) + u16(1), OUT_OF_RANGE),
    ("04" + "33" + "0108" + u16(1), INVALID_OPERAND),
    ("04" + "0f" + tenths(301) + u16(0), INVALID_OPERAND),
    ("04" + "34" + tenths(10) + u16(1), INVALID_OPERAND),
    ("06" + "33" + tenths(301) + u16(1), OUT_OF_RANGE),
    ("06" + "0f" + tenths(10) + u16(1), INVALID_OPERAND),
    ("06" + "33" + tenths(10) + u16(1), NOT_APPLICABLE),
])  # fmt: skip
def test_set_tbr_template(bench, operand, expected):
    """D-307: as Set TBR, then whether it can be set."""
    assert code(bench, "2d11" + operand) == expected


def tbr(bench):
    told = bench.procedure("GetActiveBasalRateDelivery")[1]
    return (told["tbr_type"], told["tbr_value"], told["tbr_programmed_duration_minutes"], told["tbr_template_number"])


def test_a_tbr_from_a_template_and_what_is_told_of_it(bench):
    """D-301, D-307: the operand is not looked at; a template that changes changes no TBR."""
    set_tbr_template(bench, 5, RELATIVE, "1.5", 30)
    bench.run_until(int(bench.now_s) + 1.5)
    start_s = int(bench.now_s) + 1
    assert code(bench, "ff0f" + "03" + "0f" + "ff07" + "0000" + "05" + "55") == SUCCESS
    assert tbr(bench) == (RELATIVE, Decimal("1.5"), 30, 5)
    set_tbr_template(bench, 5, ABSOLUTE, "3", 10)
    assert tbr(bench) == (RELATIVE, Decimal("1.5"), 30, 5)
    bench.run_until(start_s + 59.5)
    assert code(bench, "ff0f" + "05" + "33" + "0000" + "1e00" + "05") == SUCCESS
    assert tbr(bench) == (ABSOLUTE, Decimal(3), 10, 5)
    bench.run_until(start_s + 700)
    assert tbr(bench) == (None, None, None, None)
    started, changed, ended = records(bench, "TbrStarted", "TbrChanged", "TbrEnded")
    assert (started["flags"], started["tbr_type"], started["value"], started["template_number"]) == (
        1, RELATIVE, Decimal("1.5"), 5,
    )  # fmt: skip
    assert (changed["value"], changed["elapsed_minutes"], changed["template_number"]) == (3, 1, 5)
    assert (ended["flags"], ended["tbr_type"], ended["effective_duration_minutes"]) == (1, ABSOLUTE, 11)
    assert ended["template_number"] == 5
    rates = [told["new_rate_iu_per_h"] for told in records(bench, "DeliveredBasalRateChanged")]
    assert rates[-3:] == [Decimal("1.5"), 3, 1]


def test_a_relative_tbr_is_told_as_a_factor(bench):
    """D-308."""
    relative = dict(flags=0, tbr_type=RELATIVE, value=Decimal("0.907"), duration_minutes=5)
    assert bench.code("SetTbrAdjustment", **relative) == SUCCESS
    assert tbr(bench) == (RELATIVE, Decimal("0.907"), 5, None)
    assert records(bench, "DeliveredBasalRateChanged")[-1]["new_rate_iu_per_h"] == Decimal("0.907")
    assert records(bench, "TbrStarted")[0]["tbr_type"] == RELATIVE


# --- bolus templates ---


def test_a_bolus_template_is_read_as_it_was_set(bench):
    for number, fields in (
        (7, dict(kind=FAST, fast="1.05")), (8, dict(kind=EXTENDED, fast="0", extended="2", minutes=120, flags=T_MEAL)),
        (9, dict(kind=MULTIWAVE, extended="2", minutes=90, flags=T_DELAY | T_CORRECTION, delay=15)),
    ):  # fmt: skip
        assert set_bolus_template(bench, number, **fields) == SUCCESS
        name, told = bench.procedure("GetBolusTemplate", template_number=number)
        assert name == "GetBolusTemplateResponse"
        expected = {"fast": "1", "extended": "0", "minutes": 0, "flags": 0, "delay": None, **fields}
        assert told == {
            "template_number": number, "flags": expected["flags"], "bolus_type": expected["kind"],
            "fast_amount_iu": Decimal(expected["fast"]), "extended_amount_iu": Decimal(expected["extended"]),
            "duration_minutes": expected["minutes"], "delay_minutes": expected["delay"],
        }  # fmt: skip
        first, second = records(bench, "BolusTemplateChanged1", "BolusTemplateChanged2")[-2:]
        assert second.pop("sequence") == first.pop("sequence") + 1
        assert {**first, **second} == {key: value for key, value in told.items() if value is not None}


@pytest.mark.parametrize("number", BOLUS_TEMPLATES)
def test_a_bolus_template_that_was_not_set(bench, number):
    assert bench.code("GetBolusTemplate", template_number=number) == NOT_APPLICABLE
    assert use_bolus_template(bench, number) == -NOT_APPLICABLE
    assert set_bolus_template(bench, number) == SUCCESS
    bench.procedure("ResetTemplateStatus", template_numbers=[number])
    assert bench.code("GetBolusTemplate", template_number=number) == NOT_APPLICABLE


@pytest.mark.parametrize("number", [0, 1, 6, 10, 16, 255])
def test_numbers_of_no_bolus_template(bench, number):
    assert bench.code("GetBolusTemplate", template_number=number) == OUT_OF_RANGE
    assert set_bolus_template(bench, number) == OUT_OF_RANGE
    assert use_bolus_template(bench, number) == -OUT_OF_RANGE


@pytest.mark.parametrize(("operand", "expected"), [
    ("00" + "33" + tenths(100) + "0000" + u16(0), SUCCESS),
    ("00" + "33" + tenths(101) + "0000" + u16(0), OUT_OF_RANGE),
    ("00" + "33" + tenths(0) + "0000" + u16(0), OUT_OF_RANGE),
    ("00" + "33" + "07e0" + "0000" + u16(0), OUT_OF_RANGE),
    ("00" + "33" + "ff07" + "0000" + u16(0), OUT_OF_RANGE),
    ("00" + "33" + tenths(10) + tenths(10) + u16(0), INVALID_OPERAND),
    ("00" + "33" + tenths(101) + "0000" + u16(1), INVALID_OPERAND),
    ("00" + "3c" + tenths(1) + tenths(10) + u16(30), INVALID_OPERAND),
    ("00" + "3c" + "0000" + tenths(10) + u16(720), SUCCESS),
    ("00" + "3c" + "0000" + tenths(10) + u16(721), OUT_OF_RANGE),
    ("00" + "3c" + "0000" + tenths(60) + u16(3), OUT_OF_RANGE),
    ("00" + "55" + tenths(50) + tenths(51) + u16(30), OUT_OF_RANGE),
    ("00" + "0f" + tenths(10) + "0000" + u16(0), INVALID_OPERAND),
    ("00" + "34" + tenths(10) + "0000" + u16(0), INVALID_OPERAND),
    ("01" + "33" + tenths(10) + "0000" + u16(0) + u16(720), SUCCESS),
    ("01" + "33" + tenths(10) + "0000" + u16(0) + u16(721), OUT_OF_RANGE),
    ("01" + "33" + tenths(10) + "0000" + u16(0), INVALID_OPERAND),
    ("00" + "33" + tenths(10) + "0000" + u16(0) + u16(0), INVALID_OPERAND),
])  # fmt: skip
def test_set_bolus_template(bench, operand, expected):
    """D-412: as Set Bolus."""
    assert code(bench, "dd11" + "07" + operand) == expected


def test_a_bolus_from_a_template_and_what_is_told_of_it(bench):
    """D-401, D-412: type, amounts, duration, delay and reasons are the template's, the activation the operand's."""
    set_bolus_template(bench, 8, MULTIWAVE, extended="2", minutes=30, flags=T_DELAY | T_MEAL, delay=5)
    number = use_bolus_template(
        bench, 8, flags=DELAY | ACTIVATION | CORRECTION, delay_minutes=700, activation_type=0x3C
    )
    assert number == 1
    told = bench.procedure("GetActiveBolusDelivery", bolus_id=number, value_selection=0x0F)[1]
    assert told == {
        "flags": DELAY | TEMPLATE | ACTIVATION | MEAL, "bolus_id": number, "bolus_type": MULTIWAVE,
        "fast_amount_iu": 1, "extended_amount_iu": 2, "duration_minutes": 30, "delay_minutes": 5, "template_number": 8,
        "activation_type": 0x3C,
    }  # fmt: skip
    (second,) = records(bench, "BolusProgrammed2")
    assert (second["flags"], second["delay_minutes"], second["template_number"]) == (told["flags"], 5, 8)
    assert use_bolus_template(bench, 8) == -0x76


def test_a_template_is_judged_again_when_it_is_used(bench):
    """D-412: 2 U were within the maximum when the template was set."""
    assert set_bolus_template(bench, fast="2") == SUCCESS
    bench.code("SetMaxBolusAmount", max_bolus_iu=1)
    assert use_bolus_template(bench, 7) == -OUT_OF_RANGE
    bench.code("SetMaxBolusAmount", max_bolus_iu=2)
    assert use_bolus_template(bench, 7) == 1


def test_reserved_words_are_refused_beside_a_template_too(bench):
    """SPEC.md, choices: replaced by a template."""
    set_bolus_template(bench)
    assert code(bench, "4b11" + "02" + "34" + "0000" + "0000" + "0000" + "07") == INVALID_OPERAND
    assert code(bench, "4b11" + "02" + "33" + "0108" + "0000" + "0000" + "07") == INVALID_OPERAND
    assert code(bench, "4b11" + "02" + "33" + "fe07" + "01c0" + "ffff" + "07") == SUCCESS


# --- the status of every kind ---


def states(bench):
    """Template number -> (configurable, configured), over all kinds; kinds and numbers are checked."""
    bench.notifications.clear()
    assert bench.code("GetTemplateStatusAndDetails") == SUCCESS
    out = {}
    kinds = []
    for name, told in bench.told(DATA):
        assert name == "TemplateStatusData"
        assert told["first_template_number"] == len(out) + 1
        kinds.append((int(told["template_type"]), told["template_count"], told["max_blocks"]))
        for i in range(told["template_count"]):
            bits = told["template_states"][i // 4] >> 2 * (i % 4) & 3
            out[len(out) + 1] = (bool(bits & 1), bool(bits & 2))
    assert kinds == [(0x33, 3, 24), (0x3C, 3, 0), (0x55, 3, 0), (0x5A, 2, 24), (0x66, 2, 24), (0x96, 2, 24)]
    return out


def test_the_states_of_all_templates(bench):
    """One notification for each kind, with the history's other words for them kept apart (SPEC.md, choices)."""
    empty = dict.fromkeys(range(1, 16), (True, False))
    assert states(bench) == {**empty, 1: (True, True), PRESET: (False, True)}
    set_tbr_template(bench, 5)
    set_bolus_template(bench, 9)
    bench.procedure("WriteIsfTemplate", flags=1, template_number=11, first_block_number=1, duration_minutes_1=1440,
                    isf_mg_dl_per_iu_1=50)  # fmt: skip
    told = states(bench)
    assert [number for number, (_, configured) in told.items() if configured] == [1, 5, PRESET, 9, 11]
    bench.procedure("ResetTemplateStatus", template_numbers=[11, 5, 9])
    assert states(bench) == {**empty, 1: (True, True), PRESET: (False, True)}


@pytest.mark.parametrize("wrong", [0, 1, 4, PRESET, 8, 15, 16, 255])
def test_one_wrong_template_resets_none(bench, wrong):
    """1 is activated, 4, 8 and 15 have no content, 6 cannot be configured, the others do not exist."""
    set_tbr_template(bench, 5)
    set_bolus_template(bench, 9)
    before = states(bench)
    for numbers in ([5, 9, wrong], [wrong, 5, 9]):
        assert bench.code("ResetTemplateStatus", template_numbers=numbers) == NOT_APPLICABLE
    assert states(bench) == before


@pytest.mark.parametrize("number", [5, PRESET, 9])
def test_what_is_no_profile_is_not_activated(bench, number):
    set_tbr_template(bench, 5)
    set_bolus_template(bench, 9)
    assert bench.code("ActivateProfileTemplates", template_numbers=[number]) == NOT_APPLICABLE
    assert bench.procedure("GetActivatedProfileTemplates")[1]["template_numbers"] == [1]
