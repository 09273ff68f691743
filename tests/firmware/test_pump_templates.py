"""Templates of TBR and bolus, and the profiles beside the basal one.

Method: templates set, used, activated and reset on the bench, at the boundaries of D-307, D-412 and D-910.
"""

import pytest

from firmware.pump_bench import Bench
from pump import events

ABSOLUTE, RELATIVE = events.ABSOLUTE, events.RELATIVE
FAST, EXTENDED, MULTIWAVE = events.FAST, events.EXTENDED, events.MULTIWAVE
ISF, ICHO, TARGET = events.TEMPLATE_ISF, events.TEMPLATE_ICHO, events.TEMPLATE_TARGET
DAY = 1440


def from_template(bench, s, template, flags=2, activation=0):
    """A bolus of a template, with an operand that is not to be looked at."""
    return bench.do(s, "set_bolus", 0x0F, 75, -1, 9999, 9999, template, activation, flags)


def tbr_from_template(bench, s, template, change=False):
    """A TBR of a template, with an operand that is not to be looked at."""
    return bench.do(s, "set_tbr", 0x0F, 99999, 0, change, events.REMOTE_CONTROL, template)


# --- Numbers --------------------------------------------------------------------------------------------------------


def test_numbers_are_unique_over_the_types():
    """D-307, D-412, D-910: where each type begins and how many it has."""
    templates = Bench().pump.templates
    kinds = (events.TEMPLATE_BASAL, events.TEMPLATE_TBR, events.TEMPLATE_BOLUS, ISF, ICHO, TARGET)
    assert [(templates.first(kind), templates.count_of(kind)) for kind in kinds] == [
        (1, 3), (4, 3), (7, 3), (10, 2), (12, 2), (14, 2),
    ]  # fmt: skip
    assert [templates.type_of(number) for number in (-1, 0, 1, 6, 9, 11, 13, 15, 16, 255)] == [
        0, 0, events.TEMPLATE_BASAL, events.TEMPLATE_TBR, events.TEMPLATE_BOLUS, ISF, ICHO, TARGET, 0, 0,
    ]  # fmt: skip
    assert [number for number in range(17) if not templates.exists(number)] == [0, 16]
    assert [number for number in range(17) if templates.configured(number)] == [6]
    assert [number for number in range(17) if not templates.configurable(number)] == [0, 6, 16]


# --- TBR templates (D-307) ------------------------------------------------------------------------------------------


def test_the_preset_halves_the_basal_rate_for_an_hour():
    """D-307: the worked example."""
    bench = Bench().dose(1000)
    assert tbr_from_template(bench, 10, 6) == events.SUCCESS
    assert bench.all("TBR_STARTED") == [(10, 500, 60, events.REMOTE_CONTROL, 6, 1)]
    assert bench.pump.delivered_rate_mu_per_h() == 500
    bench.run(5000)
    assert bench.all("TBR_ENDED") == [(3610, 60, events.COMPLETE, 0, 0, 0)]


@pytest.mark.parametrize(
    ("number", "kind", "value", "minutes", "code"),
    [
        (4, ABSOLUTE, 30000, 1440, events.SUCCESS),
        (5, RELATIVE, 2500, 1, events.SUCCESS),
        (5, RELATIVE, 2501, 1, events.OUT_OF_RANGE),
        (5, ABSOLUTE, 30001, 1, events.OUT_OF_RANGE),
        (5, ABSOLUTE, -1, 1, events.OUT_OF_RANGE),
        (5, ABSOLUTE, 0, 0, events.OUT_OF_RANGE),
        (5, ABSOLUTE, 0, 1441, events.OUT_OF_RANGE),
        (3, ABSOLUTE, 0, 1, events.OUT_OF_RANGE),
        (7, ABSOLUTE, 0, 1, events.OUT_OF_RANGE),
        (0, ABSOLUTE, 0, 1, events.OUT_OF_RANGE),
        (6, ABSOLUTE, 0, 1, events.NOT_APPLICABLE),
        (6, ABSOLUTE, 0, 0, events.OUT_OF_RANGE),
        (16, 0x0F, 0, 0, events.INVALID_OPERAND),
    ],
)  # fmt: skip
def test_what_a_tbr_template_may_be(number, kind, value, minutes, code):
    """D-307: judged as a TBR is; a number that is none 0x73, the preset 0x74. Also in Stop."""
    bench = Bench()
    assert bench.do(10, "set_tbr_template", number, kind, value, minutes) == code
    if code == events.SUCCESS:
        templates = bench.pump.tbr_templates
        assert (templates.kind(number), templates.value(number), templates.duration_minutes(number)) == (
            kind, value, minutes,
        )  # fmt: skip
        assert bench.pump.templates.configured(number)
        assert bench.all("TBR_TEMPLATE_CHANGED") == [(10, number, 0, 0, 0, 0)]
    else:
        assert bench.since(10) == []


@pytest.mark.parametrize(
    ("number", "code"), [(3, events.OUT_OF_RANGE), (255, events.OUT_OF_RANGE), (4, events.NOT_APPLICABLE)]
)
def test_which_tbr_template_can_be_used(number, code):
    """D-301: no TBR template's number, or one that is not configured."""
    assert tbr_from_template(Bench().dose(0), 10, number) == code


def test_a_tbr_that_runs_is_not_changed_when_its_template_is():
    """D-307; a change of a TBR can come from a template, too."""
    bench = Bench().dose(1000)
    bench.do(1, "set_tbr_template", 4, ABSOLUTE, 2000, 30)
    assert tbr_from_template(bench, 10, 4) == events.SUCCESS
    bench.do(20, "set_tbr_template", 4, RELATIVE, 100, 5)
    assert bench.pump.delivered_rate_mu_per_h() == 2000
    assert tbr_from_template(bench, 70, 4, change=True) == events.SUCCESS
    assert bench.all("TBR_CHANGED") == [(70, 100, 5, 1, 4, 1)]
    assert bench.pump.delivered_rate_mu_per_h() == 100


# --- Bolus templates (D-412) ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "kind", "fast", "extended", "minutes", "delay", "code"),
    [
        (7, FAST, 50, 0, 0, 0, events.SUCCESS),
        (8, EXTENDED, 0, 10000, 720, 720, events.SUCCESS),
        (9, MULTIWAVE, 50, 50, 1, 0, events.SUCCESS),
        (9, MULTIWAVE, 5050, 5000, 30, 0, events.OUT_OF_RANGE),
        (9, EXTENDED, 0, 6000, 3, 0, events.OUT_OF_RANGE),
        (9, EXTENDED, 0, 50, 1, 721, events.OUT_OF_RANGE),
        (9, EXTENDED, 50, 50, 1, 0, events.INVALID_OPERAND),
        (6, FAST, 50, 0, 0, 0, events.OUT_OF_RANGE),
        (10, FAST, 50, 0, 0, 0, events.OUT_OF_RANGE),
        (10, 0x0F, 50, 0, 0, 0, events.INVALID_OPERAND),
    ],
)  # fmt: skip
def test_what_a_bolus_template_may_be(number, kind, fast, extended, minutes, delay, code):
    """D-412: judged as a bolus is; a number that is none 0x73. Also in Stop."""
    bench = Bench()
    assert bench.do(10, "set_bolus_template", number, 5, kind, fast, extended, minutes, delay) == code
    if code == events.SUCCESS:
        kept = bench.pump.bolus_templates
        assert (kept.kind(number), kept.flags(number), kept.fast_mu(number), kept.extended_mu(number),
                kept.duration_minutes(number), kept.delay_minutes(number)) == (
            kind, 5, fast, extended, minutes, delay,
        )  # fmt: skip
        assert bench.pump.templates.configured(number)
        assert bench.all("BOLUS_TEMPLATE_CHANGED") == [(10, number, 0, 0, 0, 0)]
    else:
        assert bench.since(10) == []


@pytest.mark.parametrize(
    ("own", "flags", "expected"),
    [(0, 2 | 8 | 16 | 1, 2), (1, 2, 2 | 1), (2, 2 | 4, 2 | 4 | 8), (4, 2 | 8, 2 | 16), (7, 2, 2 | 1 | 8 | 16)],
)
def test_a_bolus_of_a_template_has_its_delay_and_reasons(own, flags, expected):
    """D-401: they take the place of the operand's; what only the operand says stays."""
    bench = Bench().dose(0)
    bench.do(1, "set_bolus_template", 8, own, MULTIWAVE, 200, 300, 10, 1)
    assert from_template(bench, 10, 8, flags, 0x3C) == events.SUCCESS
    assert bench.all("BOLUS_STARTED") == [(10, 1, 200, 300, 10, 1)]
    bolus = bench.pump.boluses[1]
    assert (bolus.kind, bolus.flags, bolus.template, bolus.activation) == (MULTIWAVE, expected, 8, 0x3C)


@pytest.mark.parametrize(
    ("number", "code"), [(6, events.OUT_OF_RANGE), (255, events.OUT_OF_RANGE), (7, events.NOT_APPLICABLE)]
)
def test_which_bolus_template_can_be_used(number, code):
    """D-401: no bolus template's number, or one that is not configured."""
    assert from_template(Bench().dose(0), 10, number) == code


def test_an_amount_is_judged_again_when_it_is_used():
    """D-412: template of 2 U, maximum lowered to 1 U."""
    bench = Bench().dose(0)
    bench.do(1, "set_bolus_template", 7, 0, FAST, 2000, 0, 0, 0)
    bench.do(2, "set_max_bolus", 1000)
    assert from_template(bench, 3, 7) == events.OUT_OF_RANGE
    bench.do(4, "set_max_bolus", 2000)
    assert from_template(bench, 5, 7) == events.SUCCESS
    assert from_template(bench, 6, 7) == events.NO_MORE_BOLUSES


# --- Profiles (D-910) -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "event"), [(10, "ISF_BLOCK_CHANGED"), (12, "ICHO_BLOCK_CHANGED"), (14, "TARGET_BLOCK_CHANGED")]
)
def test_a_profile_is_kept_and_each_block_is_told(number, event):
    """D-910: the worked example; the basal profile stays as it was."""
    bench = Bench().dose(1000)
    high = 600 if number == 14 else 0
    assert bench.write(10, number, (720, 500, high), (720, 451, high)) == events.SUCCESS
    assert bench.all(event) == [(10, number, 1, 720, 500, high), (10, number, 2, 720, 451, high)]
    templates = bench.pump.templates
    assert templates.count(number) == 2
    assert [(templates.duration_minutes(number, n), templates.value(number, n), templates.high(number, n))
            for n in range(2)] == [(720, 500, high), (720, 451, high)]  # fmt: skip
    assert (templates.count(1), templates.value(1, 0), templates.high(1, 0)) == (1, 1000, 0)
    assert bench.pump.delivered_rate_mu_per_h() == 1000


@pytest.mark.parametrize(
    ("number", "value", "high", "code"),
    [
        (10, 10, 0, events.SUCCESS), (10, 9, 0, events.OUT_OF_RANGE),
        (11, 10000, 0, events.SUCCESS), (11, 10001, 0, events.OUT_OF_RANGE),
        (12, 10, 0, events.SUCCESS), (12, 9, 0, events.OUT_OF_RANGE),
        (13, 3000, 0, events.SUCCESS), (13, 3001, 0, events.OUT_OF_RANGE),
        (14, 400, 4000, events.SUCCESS), (14, 399, 4000, events.OUT_OF_RANGE),
        (15, 4000, 4000, events.SUCCESS), (15, 4000, 4001, events.OUT_OF_RANGE),
        (15, 1001, 1000, events.NOT_PLAUSIBLE), (15, 400, 399, events.OUT_OF_RANGE),
        (15, -(2**30), 1000, events.OUT_OF_RANGE),
    ],
)  # fmt: skip
def test_the_bounds_of_a_profile(number, value, high, code):
    """D-910: a value out of range 0x73, low above high 0x75; the transaction is gone then."""
    bench = Bench()
    kind = bench.pump.templates.type_of(number)
    assert bench.do(1, "write_block", kind, number, 1, DAY, value, high) == code
    again = events.SUCCESS if code == events.SUCCESS else events.NOT_PLAUSIBLE
    assert bench.do(1, "complete_profile", kind, number) == again


@pytest.mark.parametrize(
    ("kind", "number"),
    [(ISF, 9), (ISF, 12), (ICHO, 11), (ICHO, 14), (TARGET, 13), (TARGET, 16), (events.TEMPLATE_BASAL, 4)],
)
def test_a_number_of_another_type_does_not_exist_for_it(kind, number):
    """D-201, D-910: 0x73, at a block and at the end."""
    bench = Bench()
    value = 500
    assert bench.do(1, "write_block", kind, number, 1, DAY, value, value) == events.OUT_OF_RANGE
    assert bench.do(1, "complete_profile", kind, number) == events.OUT_OF_RANGE


def test_each_type_has_one_that_is_activated():
    """D-204, D-910: what is activated of one type leaves the others as they are."""
    bench = Bench().dose(1000)
    for number in (2, 10, 11, 14):
        assert bench.write(5, number, (DAY, 500, 500)) == events.SUCCESS
    assert bench.do(10, "activate", [11, 14], 0, 2) == events.SUCCESS
    assert bench.all("PROFILE_ACTIVATED")[1:] == [(10, ISF, 0, 11, 0, 0), (10, TARGET, 0, 14, 0, 0)]
    assert bench.since(10) == [(10, "PROFILE_ACTIVATED"), (10, "PROFILE_ACTIVATED")]
    activated = [bench.pump.activated(kind) for kind in (events.TEMPLATE_BASAL, ISF, ICHO, TARGET)]
    assert activated == [1, 11, 0, 14]
    for two_of_a_type in ([10, 11], [2, 10, 10]):
        assert bench.do(11, "activate", two_of_a_type, 0, len(two_of_a_type)) == events.NOT_APPLICABLE
    assert [bench.pump.activated(kind) for kind in (events.TEMPLATE_BASAL, ISF)] == [1, 11]
    assert bench.do(12, "activate", [2, 10], 0, 2) == events.SUCCESS
    assert bench.pump.delivered_rate_mu_per_h() == 500


@pytest.mark.parametrize("number", [0, 6, 8, 11, 12, 16, 255])
def test_what_is_no_profile_cannot_be_activated(number):
    """D-204: 0x74, and nothing of the list is."""
    bench = Bench()
    bench.write(1, 10, (DAY, 500))
    bench.do(1, "set_bolus_template", 8, 0, FAST, 50, 0, 0, 0)
    assert bench.do(2, "activate", [10, number], 0, 2) == events.NOT_APPLICABLE
    assert bench.pump.activated(ISF) == 0


@pytest.mark.parametrize("number", [0, 4, 6, 9, 10, 12, 16])
def test_what_cannot_be_reset(number):
    """D-204, D-307: not configured, the preset, or activated; nothing of the list is reset then."""
    bench = Bench()
    bench.write(1, 10, (DAY, 500))
    bench.write(1, 11, (DAY, 500))
    bench.do(1, "activate", [10], 0, 1)
    assert bench.do(2, "reset_templates", [11, number], 0, 2) == events.NOT_APPLICABLE
    assert bench.pump.templates.configured(11)


def test_templates_of_all_types_are_reset_at_once():
    """D-910: and can be set again."""
    bench = Bench()
    bench.do(1, "set_tbr_template", 5, ABSOLUTE, 100, 10)
    bench.do(1, "set_bolus_template", 8, 0, FAST, 50, 0, 0, 0)
    bench.write(1, 3, (DAY, 500))
    bench.write(1, 15, (DAY, 500, 500))
    assert bench.do(2, "reset_templates", [0, 3, 5, 8, 15], 1, 4) == events.SUCCESS
    assert [number for number in range(17) if bench.pump.templates.configured(number)] == [6]
    assert bench.do(3, "set_tbr_template", 5, RELATIVE, 100, 10) == events.SUCCESS
    assert bench.write(3, 15, (DAY, 600, 700)) == events.SUCCESS
