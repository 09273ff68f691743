"""The oracle's relative TBR, templates of every type, and profiles beside the basal one.

Goal: D-204, D-301, D-307, D-308 and D-910 with their boundaries. Method: the rules' worked examples and their
neighbours.
"""

from datetime import datetime
from decimal import Decimal

import pytest

from hil.oracle_bench import accept, code, profile, running, take
from pumprig.oracle import Oracle
from pumprig.oracle.commands import (
    ActivateProfile,
    ActivateTemplates,
    CancelTbr,
    ResetProfile,
    ResetTemplates,
    SetBolusTemplate,
    SetClock,
    SetTbr,
    SetTbrTemplate,
    SetTherapyState,
    WriteProfile,
)
from pumprig.oracle.events import (
    BasalChanged,
    IchoBlockChanged,
    IsfBlockChanged,
    ProfileActivated,
    TargetBlockChanged,
    TbrChanged,
    TbrEnded,
    TbrStarted,
    TbrTemplateChanged,
)
from pumprig.oracle.questions import (
    GetActivatedProfiles,
    GetActiveBasal,
    GetTbrTemplate,
    GetTemplateStatus,
    ReadProfile,
)


def relative(factor, minutes=60, **more):
    """Set TBR with a factor."""
    return SetTbr(Decimal(factor), minutes, tbr_type="relative", **more)


def by_template(number, **more):
    """Set TBR with a template and an operand that nothing may look at."""
    return SetTbr(Decimal("99"), 0, tbr_type="undetermined", template_number=number, **more)


def rate(oracle, at_s):
    """The rate in force."""
    oracle.advance(at_s)
    return oracle.state().rate_in_force_mu_per_h


# --- relative TBR ---


@pytest.mark.parametrize(
    ("basal", "factor", "expected"),
    [("0.825", "1.1", 907), ("30.0", "1.1", 30_000), ("1.0", "0", 0), ("0.001", "0.999", 0), ("12.0", "2.5", 30_000)],
)
def test_rate_is_rounded_down_and_limited(basal, factor, expected):
    """D-308: factor 1.1 over 0.825 U/h: 0.907 U/h; over a block of 30 U/h: 30 U/h."""
    oracle = running((1440, basal))
    accept(oracle, 10, relative(factor))
    assert rate(oracle, 10) == expected


@pytest.mark.parametrize(
    ("tbr", "expected"),
    [
        (relative("2.5"), 0x0F),
        (relative("0"), 0x0F),
        (relative("0.001"), 0x0F),
        (relative("2.51"), 0x73),
        (relative("-0.1"), 0x73),
        (relative("1.0001"), 0x73),
        (relative("1.0", 0), 0x73),
        (relative("1.0", 1440), 0x0F),
        (relative("1.0", 1441), 0x73),
        (SetTbr(Decimal("99"), 0, tbr_type="undetermined"), 0x71),
        (relative("2.51", change=True), 0x73),
        (relative("1.0", change=True), 0x74),
        (by_template(3), 0x73),
        (by_template(7), 0x73),
        (by_template(4), 0x74),
        (by_template(6), 0x0F),
        (by_template(6, change=True), 0x74),
    ],
)
def test_what_is_accepted(tbr, expected):
    """D-301: 0x71, 0x73, 0x74; with a template the operand is not looked at."""
    assert code(running(), 10, tbr) == expected


def test_it_follows_the_profile():
    """D-308: at a block boundary, recorded as a rate change with context device, and only when the rate differs."""
    oracle = running((1, "1.0"), (1, "1.001"), (1438, "2.0"))
    accept(oracle, 10, relative("0.5", context="AP controller"))
    take(oracle)
    oracle.advance(200)
    assert take(oracle) == [BasalChanged(at_s=120, old_mu_per_h=500, new_mu_per_h=1000, context="device")]
    accept(oracle, 210, WriteProfile(2, profile((1440, "3.0"))))
    accept(oracle, 211, ActivateProfile(2))
    assert take(oracle, BasalChanged) == [
        BasalChanged(at_s=211, old_mu_per_h=1000, new_mu_per_h=1500, context="device")
    ]


def test_it_follows_the_clock():
    """D-203, D-308: a clock change brings the block of the new local time."""
    oracle = running((720, "1.0"), (720, "2.0"))
    accept(oracle, 10, relative("0.5"))
    accept(oracle, 20, SetClock(datetime(2000, 1, 1, 13)))
    assert rate(oracle, 20) == 1000


def test_the_records_of_a_relative_one():
    """D-302 to D-304, D-905: type, factor in thousandths and template in each."""
    oracle = running((1440, "10.0"))
    accept(oracle, 60, relative("1.1", 30))
    accept(oracle, 120, by_template(6, change=True))
    accept(oracle, 200, CancelTbr())
    assert take(oracle) == [
        TbrStarted(at_s=60, tbr_type="relative", value=1100, duration_minutes=30, context="remote control"),
        BasalChanged(at_s=60, old_mu_per_h=10_000, new_mu_per_h=11_000, context="remote control"),
        TbrChanged(
            at_s=120, tbr_type="relative", value=500, duration_minutes=60, elapsed_minutes=1, context="remote control",
            template=6,
        ),
        BasalChanged(at_s=120, old_mu_per_h=11_000, new_mu_per_h=5000, context="remote control"),
        TbrEnded(at_s=200, tbr_type="relative", reason="canceled", effective_minutes=2, template=6),
        BasalChanged(at_s=200, old_mu_per_h=5000, new_mu_per_h=10_000, context="device"),
    ]  # fmt: skip


def test_the_active_basal_of_a_template():
    """D-305, D-307, D-308: the value is the factor, beside the configured rate of the profile."""
    oracle = running()
    accept(oracle, 60, by_template(6))
    assert accept(oracle, 61, GetActiveBasal()) == {
        "template": 1, "profile_rate_mu_per_h": 1000, "tbr_type": "relative", "tbr_value": 500,
        "programmed_minutes": 60, "remaining_minutes": 60, "tbr_template": 6, "context": "remote control",
    }  # fmt: skip
    assert oracle.state().tbr.rate_mu_per_h == 500
    accept(oracle, 62, CancelTbr())
    assert accept(oracle, 62, GetActiveBasal())["tbr_type"] is None
    accept(oracle, 63, SetTherapyState("stop"))
    assert code(oracle, 64, GetActiveBasal()) == 0x74


# --- TBR templates ---


def test_the_preset():
    """D-307: relative 0.5 for 60 min, always configured, never configurable; over 1 U/h 0.5 U/h for an hour."""
    oracle = running()
    preset = {"number": 6, "tbr_type": "relative", "value": 500, "duration_minutes": 60}
    assert accept(oracle, 10, GetTbrTemplate(6)) == preset
    assert code(oracle, 10, SetTbrTemplate(6, "relative", Decimal("0.5"), 60)) == 0x74
    assert code(oracle, 10, ResetProfile(6)) == 0x74
    accept(oracle, 100, by_template(6))
    assert (rate(oracle, 3699), rate(oracle, 3700)) == (500, 1000)


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        (SetTbrTemplate(4, "absolute", Decimal("30.0"), 1440), 0x0F),
        (SetTbrTemplate(5, "relative", Decimal("2.5"), 1), 0x0F),
        (SetTbrTemplate(3, "relative", Decimal("2.5"), 1), 0x73),
        (SetTbrTemplate(7, "relative", Decimal("2.5"), 1), 0x73),
        (SetTbrTemplate(4, "relative", Decimal("2.51"), 1), 0x73),
        (SetTbrTemplate(4, "absolute", Decimal("30.1"), 1), 0x73),
        (SetTbrTemplate(4, "absolute", Decimal("1.0"), 0), 0x73),
        (SetTbrTemplate(4, "undetermined", Decimal("99"), 0), 0x71),
        (SetTbrTemplate(6, "relative", Decimal("2.51"), 1), 0x73),
    ],
)
def test_setting_a_tbr_template(template, expected):
    """D-307: judged as D-301 does; it makes the template configured."""
    oracle = running()
    assert code(oracle, 10, GetTbrTemplate(4)) == 0x74
    assert code(oracle, 10, template) == expected
    changed = [event.template for event in take(oracle, TbrTemplateChanged)]
    assert changed == ([template.number] if expected == 0x0F else [])
    assert code(oracle, 11, GetTbrTemplate(3)) == 0x73


def test_a_running_tbr_is_not_changed_with_its_template():
    """D-307: what was programmed stays, also when the template is reset."""
    oracle = running()
    accept(oracle, 10, SetTbrTemplate(4, "absolute", Decimal("2.0"), 30))
    accept(oracle, 20, by_template(4))
    accept(oracle, 30, SetTbrTemplate(4, "absolute", Decimal("3.0"), 60))
    accept(oracle, 40, ResetTemplates((4,)))
    assert rate(oracle, 50) == 2000
    assert code(oracle, 60, by_template(4, change=True)) == 0x74


# --- profiles beside the basal one ---

ISF = WriteProfile(10, profile((720, "50.0"), (720, "45.1")), "isf")
ICHO = WriteProfile(12, profile((1440, "10.0")), "icho")
TARGET = WriteProfile(14, ((1440, Decimal(80), Decimal(140)),), "target")


def test_each_is_written_read_and_recorded():
    """D-910: in whole tenths, one record a block."""
    oracle = running()
    for command in (ISF, ICHO, TARGET):
        accept(oracle, 10, command)
    assert take(oracle) == [
        IsfBlockChanged(at_s=10, template=10, block=1, duration_minutes=720, value=500),
        IsfBlockChanged(at_s=10, template=10, block=2, duration_minutes=720, value=451),
        IchoBlockChanged(at_s=10, template=12, block=1, duration_minutes=1440, value=100),
        TargetBlockChanged(at_s=10, template=14, block=1, duration_minutes=1440, value=800, high=1400),
    ]
    assert accept(oracle, 11, ReadProfile(10, "isf")) == {"blocks": ((720, 500), (720, 451))}
    assert accept(oracle, 11, ReadProfile(14, "target")) == {"blocks": ((1440, 800, 1400),)}
    assert accept(oracle, 11, ReadProfile(1)) == {"blocks": ((1440, 1000),)}
    assert code(oracle, 11, ReadProfile(11, "isf")) == 0x74
    assert code(oracle, 11, ReadProfile(10, "icho")) == 0x73
    assert code(oracle, 11, ReadProfile(4)) == 0x73


def whole_day(kind, number, *values):
    """A profile of one block."""
    return WriteProfile(number, ((1440, *map(Decimal, values)),), kind)


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (whole_day("isf", 10, "1"), 0x0F),
        (whole_day("isf", 11, "1000"), 0x0F),
        (whole_day("isf", 10, "0.9"), 0x73),
        (whole_day("isf", 10, "1000.1"), 0x73),
        (whole_day("isf", 10, "45.15"), 0x73),
        (whole_day("isf", 9, "45"), 0x73),
        (whole_day("isf", 12, "45"), 0x73),
        (whole_day("icho", 13, "1"), 0x0F),
        (whole_day("icho", 12, "300"), 0x0F),
        (whole_day("icho", 12, "300.1"), 0x73),
        (whole_day("icho", 12, "0.9"), 0x73),
        (whole_day("target", 15, "40", "400"), 0x0F),
        (whole_day("target", 14, "100", "100"), 0x0F),
        (whole_day("target", 14, "100.1", "100"), 0x75),
        (whole_day("target", 14, "39.9", "100"), 0x73),
        (whole_day("target", 14, "100", "400.1"), 0x73),
        (whole_day("target", 14, "400", "39"), 0x73),
        (WriteProfile(10, profile((720, "50"), (719, "50")), "isf"), 0x75),
        (WriteProfile(10, profile((720, "50"), (721, "50")), "isf"), 0x75),
        (WriteProfile(10, profile((0, "50"), (1440, "50")), "isf"), 0x73),
        (WriteProfile(12, profile(*[(57, "5")] * 24, (72, "5")), "icho"), 0x73),
        (WriteProfile(12, profile(*[(60, "5")] * 24), "icho"), 0x0F),
    ],
)
def test_what_a_profile_may_hold(command, expected):
    """D-910: each bound, whole tenths, low not above high; D-201 for blocks and their sum."""
    oracle = running()
    assert code(oracle, 10, command) == expected
    assert bool(take(oracle)) == (expected == 0x0F)


def test_activating_several_at_once():
    """D-204, D-910: one of each type; the others are left as they are."""
    oracle = Oracle()
    for command in (ISF, ICHO, TARGET, WriteProfile(2, profile((1440, "1.0")))):
        accept(oracle, 10, command)
    take(oracle)
    assert accept(oracle, 11, GetActivatedProfiles()) == {"numbers": ()}
    assert accept(oracle, 12, ActivateTemplates((14, 2, 10))) == {"numbers": (14, 2, 10)}
    assert [(event.kind, event.old, event.new) for event in take(oracle, ProfileActivated)] == [
        ("target", 0, 14),
        ("basal", 0, 2),
        ("isf", 0, 10),
    ]
    accept(oracle, 13, ActivateProfile(12))
    accept(oracle, 14, ActivateProfile(12))
    assert [(event.old, event.new) for event in take(oracle, ProfileActivated)] == [(0, 12), (12, 12)]
    assert accept(oracle, 15, GetActivatedProfiles()) == {"numbers": (2, 10, 12, 14)}


@pytest.mark.parametrize("numbers", [(10, 11), (10, 6), (10, 4), (10, 16), (10, 0), (10, 15), ()])
def test_nothing_is_activated(numbers):
    """D-204, D-910: one that is not written, no profile or unknown refuses all; so do two of one type."""
    oracle = running()
    accept(oracle, 10, ISF)
    accept(oracle, 10, whole_day("isf", 11, "45") if numbers == (10, 11) else TARGET)
    take(oracle)
    assert code(oracle, 11, ActivateTemplates(numbers)) == 0x74
    assert take(oracle) == []
    assert accept(oracle, 12, GetActivatedProfiles()) == {"numbers": (1,)}


def test_reset_over_all_types():
    """D-204: an activated, a fixed or an empty one refuses all of them."""
    oracle = running()
    accept(oracle, 10, ISF)
    accept(oracle, 10, SetTbrTemplate(4, "absolute", Decimal("1.0"), 30))
    accept(oracle, 10, SetBolusTemplate(7, "fast", Decimal("1.0")))
    for refused in (1, 6, 5, 16, 0, 11):
        assert code(oracle, 11, ResetTemplates((10, refused))) == 0x74
    assert code(oracle, 11, ResetTemplates(())) == 0x74
    accept(oracle, 12, ResetTemplates((10, 4, 7)))
    assert code(oracle, 13, ReadProfile(10, "isf")) == 0x74
    assert code(oracle, 13, ResetTemplates((7,))) == 0x74


def test_status_of_all_templates():
    """D-201, D-307, D-412, D-910: numbers, blocks and (configurable, configured) of every type."""
    oracle = running()
    accept(oracle, 10, ISF)
    types = accept(oracle, 11, GetTemplateStatus())["types"]
    assert [(str(kind.kind), kind.first, kind.count, kind.blocks_max) for kind in types] == [
        ("basal", 1, 3, 24),
        ("tbr", 4, 3, 0),
        ("bolus", 7, 3, 0),
        ("isf", 10, 2, 24),
        ("icho", 12, 2, 24),
        ("target", 14, 2, 24),
    ]
    assert types[0].flags == ((True, True), (True, False), (True, False))
    assert types[1].flags == ((True, False), (True, False), (False, True))
    assert types[3].flags == ((True, True), (True, False))
