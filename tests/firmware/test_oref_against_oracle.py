"""The two readings of DOSING.md agree on the closed loop: the firmware's core and the rig's oracle.

Method: random hours under controller oref, with profiles, settings, carbs, boluses and TBR of a client, guardrails,
gaps and jumps of glucose, Stop and Pause; every event, pulse, answer and decision is equal, and every number of the
detail, because CPython counts in doubles as the oracle does (D-1101 to D-1110).
"""

from random import Random

import pytest

from campaign import share
from firmware.test_pump_against_oracle import DecidingBench, OracleBench, iu, told_by_oracle, told_by_pump
from pump import events
from pumprig.oracle import OrefSettings, commands
from pumprig.oracle import events as expected
from pumprig.oracle.oref_settings import FLAGS

HOUR_S = 3600
KINDS = {
    "isf": (events.TEMPLATE_ISF, 10), "icho": (events.TEMPLATE_ICHO, 12), "target": (events.TEMPLATE_TARGET, 14),
}  # fmt: skip
FLAT = {"detected": events.FLAT_CGM_DETECTED, "ignored": events.FLAT_CGM_IGNORED}
# The stored block of these three has no words of its own in the core's story.
BLOCKS = (expected.IsfBlockChanged, expected.IchoBlockChanged, expected.TargetBlockChanged)


class Firmware(DecidingBench):
    """The core, told of profiles and settings as the wire tells them."""

    def profiles(self, s, told):
        """Write and activate what is not the basal profile."""
        for kind, blocks in told.items():
            word, number = KINDS[kind]
            for index, (minutes, low, high) in enumerate(blocks, 1):
                self.do(s, "write_block", word, number, index, minutes, low, high)
            self.do(s, "complete_profile", word, number)
            self.do(s, "activate", (number,), 0, 1)

    def oref(self, s, settings):
        """Write the settings of controller oref."""
        values = [getattr(settings, name) for name in list(OrefSettings.__dataclass_fields__)[len(FLAGS) + 1 :]]
        return self.do(s, "configure_oref", settings.oref_flags, FLAT[settings.flat_cgm], *values)


class Reading(OracleBench):
    """The oracle, told the same."""

    def profiles(self, s, told):
        """Write and activate what is not the basal profile."""
        for kind, blocks in told.items():
            _, number = KINDS[kind]
            tenths = tuple(
                (minutes, *(iu(100 * value) for value in (low, high)[: 1 + (kind == "target")]))
                for minutes, low, high in blocks
            )
            self.oracle.command(s, commands.WriteProfile(number, tenths, kind))
            self.oracle.command(s, commands.ActivateTemplates((number,)))

    def oref(self, s, settings):
        """Write the settings of controller oref."""
        code = self.oracle.command(s, commands.ConfigureOref(settings)).code
        return {0: events.SUCCESS, 0xFF: events.OUT_OF_RANGE}[code]


def settings_of(r):
    """Random settings, mostly allowed."""
    flags = {name: r.random() < 0.4 for name in FLAGS}
    flags["smb"] = r.random() < 0.7
    flags["skip_neutral_temps"] = r.random() < 0.2
    return OrefSettings(
        **flags, flat_cgm=r.choice(["ignored", "ignored", "detected"]), max_iob_mu=r.choice([0, 1500, 3000, 6000]),
        max_basal_mu_per_h=r.choice([1200, 2500, 4000, 60_000 if r.random() < 0.1 else 4000]),
        autosens_thousandths=r.choice([0, 0, 830, 1200]), temp_target_mg_dl=r.choice([0, 0, 80, 140]),
        smb_high_bg_mg_dl=r.choice([0, 110, 180]), smb_basal_minutes=r.choice([0, 30, 90]),
        uam_smb_basal_minutes=r.choice([0, 30, 60]), smb_interval_minutes=r.choice([1, 3, 10]),
        max_cob_g=r.choice([120, 40]), min_carb_impact_tenths=r.choice([80, 30]),
        remaining_carbs_cap_g=r.choice([0, 30, 90]), remaining_carbs_percent=r.choice([100, 50]),
        delta_share_percent=r.choice([20, 30]), carbs_required_threshold_g=r.choice([1, 10]),
    )  # fmt: skip


def blocks_of(r, values, *, spread=0):
    """One or two blocks of a day."""
    split = 30 * r.randrange(1, 47)
    minutes = [1440] if r.random() < 0.4 else [split, 1440 - split]
    lows = [r.choice(values) for _ in minutes]
    return [(one, low, low + r.choice([0, spread])) for one, low in zip(minutes, lows, strict=True)]


def told(bench, r):
    """What a client says at the start."""
    bench.profile(0, *((minutes, rate) for minutes, rate, _ in blocks_of(r, [300, 825, 1000, 1450])))
    bench.profiles(0, {
        "isf": blocks_of(r, [350, 505, 1000]), "icho": blocks_of(r, [50, 100, 125]),
        "target": blocks_of(r, [900, 1000, 1105], spread=150),
    })  # fmt: skip
    codes = [bench.oref(0, settings_of(r)), bench.do(0, "cgm_session", 0)]
    codes.append(configure(bench, 0, events.OREF, r.choice([(300, 75), (360, 55), (180, 72)])))
    codes.append(bench.do(1, "set_therapy_state", events.RUN))
    return codes


def configure(bench, s, controller, curve=(300, 75)):
    """Choose a controller."""
    return bench.do(s, "configure", controller, 80, 70, 30, 120, 150, 15, 30, *curve, 0, 0, 0, 5, 3)


def disturb(bench, r, s):
    """Something beside the samples."""
    kind = r.randrange(13)
    if kind < 4:
        return bench.do(s, "announce_carbs", r.choice([5, 30, 60, 250]), r.choice([0, 0, 15, 120, 360]))
    if kind < 6:
        amount = r.choice([50, 300, 1500, 2500])
        return bench.do(s, "set_bolus", events.FAST, amount, 0, 0, 0, 0, 0, 0)
    if kind == 6:
        return bench.do(s, "set_bolus", events.EXTENDED, 0, 1000, 90, 0, 0, 0, 0)
    if kind == 7:
        rate, change = r.choice([0, 400, 3000]), r.random() < 0.5
        return bench.do(s, "set_tbr", events.ABSOLUTE, rate, r.choice([10, 45]), change, events.REMOTE_CONTROL, 0)
    if kind == 8:
        return bench.do(s, "cancel_tbr")
    if kind == 9:
        return bench.do(s, "set_therapy_state", r.choice([events.PAUSE, events.STOP]))
    if kind == 10:
        return bench.oref(s, settings_of(r))
    if kind == 11:
        return configure(bench, s, r.choice([events.MANUAL, events.PLGS, events.OREF]))
    # IOB is never near these of D-1204, where D-703 lets both answers be right.
    rails = r.choice([(30000, 25000, 50000, 60000, 300000), (2000, 300, 50, 5000, 40000)])
    return bench.do(s, "guard", *rails, r.choice([1, 12]), 60, r.choice([20, 240]))


def hours(bench, seed, length):
    """Samples every 5 min with what comes between, the same for both; the answers."""
    r = Random(seed)
    codes = told(bench, r)
    glucose, drift, minute, s = r.randrange(70, 220), 0.0, 0, 1
    end = 60 * length
    while minute < end:
        drift = 0.85 * drift + r.choice([0, 0, r.uniform(-6, 6)])
        glucose = min(401, max(39, glucose + drift))
        s = max(s, 60 * minute + r.choice([1, 1, 1, 20, 59, 200]))
        bench.do(s, "cgm_sample", minute, r.choice([round(glucose)] * 40 + [-1, 38]), 0)
        for _ in range(r.choice([0, 0, 0, 0, 0, 1, 2])):
            s += r.choice([0, 0, 1, 7])
            codes.append(disturb(bench, r, s))
        if r.random() < 0.5:
            s += 1
            codes.append(bench.do(s, "set_therapy_state", events.RUN))
            codes.append(configure(bench, s, events.OREF))
        minute += 5 if r.random() < 0.95 else r.choice([1, 4, 10, 25, 60])
    bench.run(60 * end + 300)
    return codes


def recorded(story):
    """What of a story the history has."""
    return [event for event in story if not isinstance(event, expected.Pulse)]


def as_told(event, line):
    """An event of the oracle; what is asked of IOB as the core said it, when that is within D-703."""
    told = told_by_oracle(event)
    if isinstance(event, expected.GuardrailHeld) and told[:4] == line[:4]:
        assert abs(event.asked - line[4]) <= 1 + event.doubt_mu
        return *told[:4], line[4], told[5]
    return told


def compare(seed, length):
    """Both live through the same hours."""
    core, reading = Firmware(), Reading()
    assert hours(reading, seed, length) == hours(core, seed, length)
    for at, (mine, theirs) in enumerate(zip(core.decisions, reading.decisions, strict=True)):
        assert mine[:7] == (
            theirs.sequence, theirs.at_s, theirs.offset_minutes, theirs.glucose_mg_dl, theirs.predicted_mg_dl,
            theirs.action, theirs.reason,
        ), (seed, at)  # fmt: skip
        assert core.details[at] == list(theirs.detail.wire().values())[1:], (seed, at, theirs)
    story = [event for event in reading.oracle.take_events() if not isinstance(event, BLOCKS)]
    assert core.pulses == [event.at_s for event in story if isinstance(event, expected.Pulse)]
    blocks = ("ISF_BLOCK_CHANGED", "ICHO_BLOCK_CHANGED", "TARGET_BLOCK_CHANGED", "DECISION")
    said = [told_by_pump(line) for line in core.told if line[1] not in blocks]
    story = recorded(story)
    assert said[: len(story)] == [as_told(event, line) for event, line in zip(story, said, strict=False)], seed
    assert len(said) == len(story)
    return len(core.decisions)


def test_both_readings_close_the_loop_in_the_same_way():
    decisions = sum(compare(seed, 8) for seed in range(12))
    print(f"{decisions} decisions, none different")


@pytest.mark.slow
@pytest.mark.parametrize("part", range(4))
def test_both_readings_close_the_loop_in_the_same_way_for_weeks(part):
    decisions = sum(compare(seed, 30) for seed in share(range(1000 + part, 1060, 4), every=3))
    print(f"{decisions} decisions, none different")
