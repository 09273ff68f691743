"""Basal profile: what may be written, which block is in force, and when an activation counts.

Method: write transactions and activations on the bench, at the boundaries of D-201 to D-204 (IDS 1.0.2, 3.7.2).
"""

import pytest

from firmware.pump_bench import Bench
from pump import events

BASAL = events.TEMPLATE_BASAL


def write(bench, *blocks, template=1, s=0):
    """Writes (index, minutes, mU/h) records and the end; returns the first code that is no success."""
    for block in blocks:
        code = bench.do(s, "write_block", BASAL, template, *block, 0)
        if code != events.SUCCESS:
            return code
    return bench.do(s, "complete_profile", BASAL, template)


def test_the_boundary_second_belongs_to_the_later_block():
    """D-202: the rate becomes 1.0 U/h at 06:00:00, so that the second that ends there still earns 0.8."""
    bench = Bench()
    bench.profile(0, (360, 800), (1080, 1000))
    bench.do(0, "set_therapy_state", events.RUN)
    assert bench.run(21599).basal.rate_mu_per_h == 800
    pump = bench.run(21600)
    assert pump.basal.rate_mu_per_h == 1000
    assert len(bench.pulses) * 180000 + pump.delivery.rest() == 21600 * 800
    assert bench.all("BASAL_CHANGED") == [
        (0, 0, 800, events.DEVICE, 0, 0),
        (21600, 800, 1000, events.DEVICE, 0, 0),
    ]


def test_the_first_block_returns_at_midnight():
    """D-202: day after day."""
    bench = Bench()
    bench.profile(0, (360, 800), (1080, 1000))
    bench.do(0, "set_therapy_state", events.RUN)
    bench.run(3 * 86400)
    changes = [(s, new) for s, _, new, *_ in bench.all("BASAL_CHANGED")]
    assert changes[:4] == [(0, 800), (21600, 1000), (86400, 800), (86400 + 21600, 1000)]


def test_templates_are_apart():
    """D-204: the activated one is in force, whatever the others hold."""
    bench = Bench()
    assert write(bench, *((index, 60, 5000) for index in range(1, 25))) == events.SUCCESS
    assert write(bench, (1, 720, 100), (2, 720, 200), template=3) == events.SUCCESS
    bench.profile(0, (360, 800), (1080, 1000), template=2)
    rates = [bench.run(60 * minute).basal.rate_mu_per_h for minute in (0, 359, 360, 1439, 1440)]
    assert rates == [800, 800, 1000, 1000, 800]


def test_a_boundary_between_equal_rates_is_not_recorded():
    """D-905: a change to the same delivered rate is none."""
    bench = Bench()
    bench.profile(0, (360, 800), (1080, 800))
    bench.do(0, "set_therapy_state", events.RUN)
    bench.run(86400)
    assert len(bench.all("BASAL_CHANGED")) == 1


def test_twenty_four_blocks_in_any_order():
    """D-201: the order of writing does not matter, and block 24 is the last."""
    bench = Bench()
    blocks = [(index, 60, 100 * index) for index in range(24, 0, -1)]
    assert write(bench, *blocks) == events.SUCCESS
    templates = bench.pump.templates
    assert [templates.value(1, i) for i in range(templates.count(1))] == [100 * n for n in range(1, 25)]
    assert bench.all("BLOCK_CHANGED") == [(0, 1, n, 60, 100 * n, 0) for n in range(1, 25)]


@pytest.mark.parametrize(
    "blocks",
    [
        ((1, 1439, 800),),
        ((1, 1440, 800), (2, 1, 800)),
        ((1, 720, 800), (3, 720, 800)),
        ((2, 1440, 800),),
        ((1, 1440, 800), (3, 1440, 800)),
        ((1, 720, 800), (1, 720, 900)),
        (),
    ],
)
def test_an_implausible_profile_drops_the_whole_transaction(blocks):
    """D-201: a sum of 1439 or 1441, a gap, a block given twice, no block: 0x75, and nothing is left of it."""
    bench = Bench()
    assert write(bench, *blocks) == events.NOT_PLAUSIBLE
    assert not bench.pump.templates.configured(1)
    assert bench.all("BLOCK_CHANGED") == []
    assert write(bench, (1, 1440, 500)) == events.SUCCESS


@pytest.mark.parametrize(
    "template, block",
    [(1, (1, 1440, 30001)), (1, (1, 1440, -1)), (0, (1, 1440, 1)), (4, (1, 1440, 1)), (1, (0, 1440, 1)),
     (1, (25, 1440, 1)), (1, (1, 0, 1)), (1, (1, 1441, 1))],
)  # fmt: skip
def test_a_value_out_of_range_is_refused(template, block):
    """D-201, D-801: rate, template, block or duration out of range: 0x73, and the transaction is gone."""
    bench = Bench()
    assert bench.do(0, "write_block", BASAL, 1, 2, 720, 500, 0) == events.SUCCESS
    assert bench.do(0, "write_block", BASAL, template, *block, 0) == events.OUT_OF_RANGE
    assert write(bench, (1, 720, 500)) == events.NOT_PLAUSIBLE


def test_the_limit_itself_is_a_rate():
    """D-801: 30.0 U/h is accepted."""
    assert write(Bench(), (1, 1440, 30000)) == events.SUCCESS


def test_one_transaction_is_one_template():
    """D-201: a record for another template ends the transaction."""
    bench = Bench()
    bench.do(0, "write_block", BASAL, 1, 1, 720, 500, 0)
    assert bench.do(0, "write_block", BASAL, 2, 2, 720, 500, 0) == events.NOT_PLAUSIBLE
    assert bench.do(0, "write_block", BASAL, 1, 2, 720, 500, 0) == events.SUCCESS
    assert bench.do(0, "complete_profile", BASAL, 1) == events.NOT_PLAUSIBLE


def test_another_procedure_drops_the_transaction():
    """D-201, IDS 1.0.2, 3.7.2: what comes in between ends it without effect."""
    bench = Bench()
    bench.do(0, "write_block", BASAL, 1, 1, 720, 500, 0)
    bench.pump.drop_profile()
    assert write(bench, (2, 720, 500)) == events.NOT_PLAUSIBLE


def test_a_failed_write_leaves_the_template_in_force():
    """D-201: a profile is replaced whole or not at all."""
    bench = Bench().dose(1000)
    assert write(bench, (1, 1439, 2000), s=10) == events.NOT_PLAUSIBLE
    pump = bench.run(180)
    assert (pump.basal.rate_mu_per_h, bench.pulses) == (1000, [180])


def test_activation_takes_effect_at_its_second():
    """D-204: at 50 with 1 U/h, the first pulse is at 230; without a template the rate is 0."""
    bench = Bench()
    bench.do(0, "set_therapy_state", events.RUN)
    assert bench.pump.delivered_rate_mu_per_h() == 0
    bench.profile(50, (1440, 1000))
    bench.run(300)
    assert bench.pulses == [230]
    assert bench.since(50) == [(50, "BLOCK_CHANGED"), (50, "PROFILE_ACTIVATED"), (50, "BASAL_CHANGED")]


def test_writing_the_activated_template_takes_effect_at_its_second():
    """D-204: and writing another one does not."""
    bench = Bench().dose(1000)
    assert write(bench, (1, 1440, 5000), template=2, s=50) == events.SUCCESS
    assert bench.pump.delivered_rate_mu_per_h() == 1000
    assert write(bench, (1, 1440, 2000), s=100) == events.SUCCESS
    bench.run(140)
    assert bench.pulses == [140]


def test_activating_the_activated_one_again_is_recorded():
    """D-204: accepted; the rate stays, and so nothing is said of it."""
    bench = Bench().dose(1000)
    assert bench.do(10, "activate", [1], 0, 1) == events.SUCCESS
    assert bench.since(10) == [(10, "PROFILE_ACTIVATED")]
    assert bench.all("PROFILE_ACTIVATED")[-1] == (10, BASAL, 1, 1, 0, 0)


def test_activation_is_all_or_nothing():
    """D-204: one template of the list is not configured: 0x74 and no change."""
    bench = Bench()
    write(bench, (1, 1440, 500))
    for numbers in ([1, 2], [2], [0], [4]):
        assert bench.do(1, "activate", numbers, 0, len(numbers)) == events.NOT_APPLICABLE
    assert bench.pump.basal.template == 0


def test_an_activated_template_cannot_be_reset():
    """D-204: 0x74, and none of the others listed is reset."""
    bench = Bench().dose(1000)
    write(bench, (1, 1440, 500), template=2)
    assert bench.do(1, "reset_templates", [2, 1], 0, 2) == events.NOT_APPLICABLE
    assert bench.pump.templates.configured(2)
    assert bench.do(1, "reset_templates", [9, 2], 1, 1) == events.SUCCESS
    assert not bench.pump.templates.configured(2)
    assert bench.do(1, "reset_templates", [2], 0, 1) == events.NOT_APPLICABLE
