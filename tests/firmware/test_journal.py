"""The journal on its own: what it keeps, how it finds it again, and what a clock that was lost does to the day.

Method: a pump on a flash in memory, booted again from the same flash; records of chance around the ends of blocks; a
device that takes whole pages only. Cuts have tests of their own.
"""

import pytest

from firmware.journal_bench import BLOCK_BYTES, STATE_BLOCKS, Device, JournalBench, day
from journal.history import DATA_CORRUPTION
from pump import events

SLOTS = BLOCK_BYTES // 32
PER_BLOCK = SLOTS - 1


def again(bench):
    """The same flash after a power cut while nothing was being written."""
    device = Device(bytearray(bench.device.image), program_bytes=bench.device.program_bytes)
    blocks = len(bench.device.image) // BLOCK_BYTES
    return JournalBench(device, blocks=blocks, **bench.replaced).boot()


def running(rate=1200, **replaced):
    """A pump in Run with a flat profile from second 1 on."""
    bench = JournalBench(**replaced).boot()
    bench.write(1, 1, (1440, rate))
    bench.do(1, "activate", [1], 0, 1)
    bench.do(1, "set_therapy_state", events.RUN)
    return bench


def names(bench):
    """Codes of what was recorded since the start."""
    return [event[0] for event in bench.events]


# --- What survives ----------------------------------------------------------------------------------------------


def test_a_blank_flash_is_a_first_start():
    """D-929: reservoir full, Stop, the reference time alone, sequence 0."""
    bench = JournalBench().boot()
    assert bench.events == [(events.REFERENCE_TIME, events.DATE_TIME_LOSS, 0, 0, 0, 0)]
    assert bench.pump.reservoir.remaining_pulses == 6000
    assert bench.pump.delivery.pulses_in_doubt == 0
    assert list(bench.records()) == [0]


@pytest.mark.parametrize("octets", [b"\x00", b"\x5a", b"\x11\x00"])
def test_a_flash_of_which_nothing_can_be_read_is_a_first_start(octets):
    """D-929."""
    image = bytearray(octets * (8 * BLOCK_BYTES // len(octets)))
    bench = JournalBench(Device(image)).boot()
    assert bench.pump.reservoir.remaining_pulses == 6000
    assert list(again(bench).records()) == [0, 1]


def test_settings_templates_and_limits_survive():
    """D-921."""
    bench = running()
    values = (events.PLGS, 90, 65, 25, 100, 200, 20, 45, 360, 80, 140, 90, 110, 30, 0)
    bench.do(2, "configure", *values)
    bench.do(2, "set_max_bolus", 7500)
    bench.write(3, 3, *((60, 100 * n) for n in range(1, 25)))
    bench.do(4, "activate", [3], 0, 1)
    pump = again(bench).pump
    kept = pump.control.settings
    assert (kept.controller, kept.suspend_predicted_mg_dl, kept.suspend_now_mg_dl) == values[:3]
    assert (kept.horizon_minutes, kept.suspend_limit_minutes, kept.limit_window_minutes) == values[3:6]
    assert (kept.stale_minutes, kept.lockout_minutes, kept.dia_minutes, kept.peak_minutes) == values[6:10]
    assert (kept.near_mg_dl, kept.resume_mg_dl, kept.resume_predicted_mg_dl) == values[10:13]
    assert (kept.minimum_minutes, kept.plgs_flags) == values[13:]
    assert pump.max_bolus_mu == 7500
    assert pump.basal.template == 3
    assert [pump.templates.count(number) for number in (1, 2, 3)] == [1, 0, 24]
    assert [pump.templates.value(3, block) for block in range(24)] == [100 * n for n in range(1, 25)]


def test_a_template_that_was_reset_stays_so():
    """D-921."""
    bench = running()
    bench.write(2, 2, (1440, 500))
    assert again(bench).pump.templates.configured(2)
    bench.do(3, "reset_templates", [2], 0, 1)
    assert not again(bench).pump.templates.configured(2)


def test_templates_of_all_types_survive():
    """D-921: what is in them, which are activated, which were reset."""
    bench = running()
    bench.write(2, 11, *((60, 10 + n) for n in range(24)))
    bench.write(2, 12, (1440, 3000))
    bench.write(2, 15, *((60, 400 + n, 4000 - n) for n in range(24)))
    bench.do(3, "activate", [11, 15], 0, 2)
    bench.do(4, "set_tbr_template", 4, events.ABSOLUTE, 30000, 1440)
    bench.do(4, "set_tbr_template", 5, events.RELATIVE, 2500, 1)
    bench.do(5, "set_bolus_template", 7, 0, events.FAST, 150, 0, 0, 0)
    bench.do(5, "set_bolus_template", 8, 7, events.EXTENDED, 0, 9000, 720, 720)
    bench.do(5, "set_bolus_template", 9, 5, events.MULTIWAVE, 100, 9000, 30, 1)
    bench.do(6, "reset_templates", [5, 7, 12], 0, 3)
    for pump in (bench.pump, again(bench).pump, again(again(bench)).pump):
        templates = pump.templates
        assert [n for n in range(17) if templates.configured(n)] == [1, 4, 6, 8, 9, 11, 15]
        activated = [pump.activated(kind) for kind in (0x33, 0x5A, 0x66, 0x96)]
        assert activated == [1, 11, 0, 15]
        assert [(templates.duration_minutes(11, n), templates.value(11, n)) for n in range(24)] == [
            (60, 10 + n) for n in range(24)
        ]
        assert [(templates.value(15, n), templates.high(15, n)) for n in range(24)] == [
            (400 + n, 4000 - n) for n in range(24)
        ]
        tbr = pump.tbr_templates
        assert [(tbr.kind(n), tbr.value(n), tbr.duration_minutes(n)) for n in (4, 6)] == [
            (events.ABSOLUTE, 30000, 1440), (events.RELATIVE, 500, 60),
        ]  # fmt: skip
        bolus = pump.bolus_templates
        assert [(bolus.kind(n), bolus.flags(n), bolus.fast_mu(n), bolus.extended_mu(n), bolus.duration_minutes(n),
                 bolus.delay_minutes(n)) for n in (8, 9)] == [
            (events.EXTENDED, 7, 0, 9000, 720, 720), (events.MULTIWAVE, 5, 100, 9000, 30, 1),
        ]  # fmt: skip


def test_everything_at_once_fits_into_a_block_and_leaves_room():
    """D-929: all templates full, all annunciations raised; the pump goes on without a turn at every word."""
    bench = JournalBench().boot()
    for number in (1, 2, 3, 10, 11, 12, 13, 14, 15):
        bench.write(2, number, *((60, 400 + n, 400 + n) for n in range(24)))
    for number in (7, 8, 9):
        bench.do(3, "set_bolus_template", number, 0, events.MULTIWAVE, 100, 100, 10, 0)
    for kind in bench.pump.annunciations.types:
        bench.do(4, "inject", events.INJECTED_ANNUNCIATION, kind)
    bench.do(5, "activate", [1], 0, 1)
    bench.do(5, "set_therapy_state", events.RUN)
    turns = sum(bench.device.erased[:STATE_BLOCKS])
    bench.wake(36005)
    assert len(bench.left) == 80
    assert sum(bench.device.erased[:STATE_BLOCKS]) - turns <= 12
    after = again(bench)
    assert sum(after.pump.annunciations.statuses) == 24 * events.PENDING
    assert [after.pump.templates.count(n) for n in (1, 2, 3, 10, 11, 12, 13, 14, 15)] == [24] * 9


def test_the_lifetime_goes_on_from_what_was_durable():
    """D-514, D-921: 3600 s before the first cut, of which a reference time told, 600 more before the second."""
    bench = running()
    bench.do(1800, "reset_operation_time")
    bench.wake(3600)
    once = again(bench)
    once.do(600, "set_max_bolus", 5000)
    pump = again(once).pump
    assert pump.counter_minutes(0, events.COUNTER_LIFETIME, events.COUNTER_ELAPSED) == 70
    assert pump.counter_minutes(59, events.COUNTER_LOANER, events.COUNTER_REMAINING) == 259200 - 70
    assert pump.counter_minutes(60, events.COUNTER_OPERATION, events.COUNTER_ELAPSED) == 41


def test_annunciations_survive_and_a_snooze_is_over():
    """D-921, D-922: numbering goes on; the snoozed one is pending again, and recorded."""
    bench = running()
    bench.do(10, "inject", events.FAULT_RESERVOIR_LEVEL, 0)
    number = bench.pump.annunciations.ids[bench.pump.annunciations.shown()]
    bench.do(20, "snooze", number)
    after = again(bench)
    shown = after.pump.annunciations.shown()
    assert after.pump.annunciations.ids[shown] == number
    assert after.pump.annunciations.statuses[shown] == events.PENDING
    assert names(after) == [events.REFERENCE_TIME, events.ANNUNCIATION, events.ANNUNCIATION + 1]
    after.do(5, "confirm", number)
    last = again(after)
    assert last.pump.annunciations.shown() == -1
    assert names(last) == [events.REFERENCE_TIME]
    assert last.pump.annunciations.announce(1, events.PAUSE_OVER) == number + 1


def test_an_annunciation_survives_the_turn_of_every_block():
    """D-921: it is written again at the beginning of each."""
    bench = running()
    bench.do(10, "inject", events.FAULT_RESERVOIR_LEVEL, 0)
    for n in range(600):
        bench.do(20 + n, "set_max_bolus", 5000 + 50 * (n % 2))
    assert min(bench.device.erased[:STATE_BLOCKS]) > 1
    after = again(bench)
    assert after.pump.annunciations.types[after.pump.annunciations.shown()] == events.RESERVOIR_EMPTY


def test_the_reservoir_stays_detached():
    """D-921."""
    bench = running()
    bench.do(10, "inject", events.FAULT_RESERVOIR_DETACHED, 1)
    assert not again(bench).pump.reservoir.attached


def test_a_profile_that_was_not_complete_is_forgotten():
    """D-921."""
    bench = running()
    bench.do(2, "write_block", events.TEMPLATE_BASAL, 2, 1, 720, 500, 0)
    assert again(bench).do(2, "complete_profile", events.TEMPLATE_BASAL, 2) == events.NOT_PLAUSIBLE


# --- What the restart tells -------------------------------------------------------------------------------------


def test_what_ran_ends_at_the_restart_in_its_order():
    """D-922: reference time, bolus, TBR with its rate, therapy state, rate."""
    bench = running()
    bench.tbr(100, 2000, 30)
    bench.bolus(200, 2000)
    bench.wake(215)
    bench.do(216, "set_max_bolus", 5000)
    after = again(bench)
    assert after.events == [
        (events.REFERENCE_TIME, events.DATE_TIME_LOSS, 0, 0, 0, 0),
        (events.BOLUS_ENDED, 1, 400, 0, events.ERROR_ABORT, 0),
        (events.BOLUS_ENDED + 1, 1, 400, 0, events.ERROR_ABORT, 0),
        (events.TBR_ENDED, 1, events.ERROR_ABORT, 0, 0, 0),
        (events.BASAL_CHANGED, 2000, 1200, events.DEVICE, 0, 0),
        (events.THERAPY, events.RUN, events.STOP, 0, 0, 0),
        (events.BASAL_CHANGED, 1200, 0, events.DEVICE, 0, 0),
    ]
    assert names(again(after)) == [events.REFERENCE_TIME]


def test_two_boluses_a_relative_tbr_and_their_order():
    """D-922, D-411: the one whose delivery started first ends first; each with what it delivered."""
    bench = running()
    bench.do(100, "set_tbr", events.RELATIVE, 1500, 30, False, 0x3C, 0)
    bench.bolus(200, 0, 1000, 10)
    bench.bolus(300, 2000)
    bench.wake(321)
    bench.do(322, "set_max_bolus", 5000)
    after = again(bench)
    assert after.events[1:6:2] == [
        (events.BOLUS_ENDED, 1, 0, 200, events.ERROR_ABORT, 0),
        (events.BOLUS_ENDED, 2, 550, 0, events.ERROR_ABORT, 0),
        (events.TBR_ENDED, 3, events.ERROR_ABORT, 0, 0, 0),
    ]
    assert after.events[6:] == [
        (events.BASAL_CHANGED, 1800, 1200, events.DEVICE, 0, 0),
        (events.THERAPY, events.RUN, events.STOP, 0, 0, 0),
        (events.BASAL_CHANGED, 1200, 0, events.DEVICE, 0, 0),
    ]
    assert (after.pump.tbr.kind, after.pump.tbr.value) == (events.RELATIVE, 1500)
    extended = after.pump.boluses[1]
    assert (extended.kind, extended.flags, extended.activation) == (events.EXTENDED, 4, 0x33)
    assert (extended.programmed_s, extended.start_s, extended.effective_minutes(0)) == (-122, -122, 2)


def test_a_bolus_that_waits_is_forgotten_with_its_delay():
    """D-413, D-922: nothing was delivered; the delay that had passed is known."""
    bench = running()
    bench.bolus(100, 500, 500, 10, 10)
    bench.do(130, "set_max_bolus", 5000)
    after = again(bench)
    assert (events.BOLUS_ENDED, 1, 0, 0, events.ERROR_ABORT, 0) in after.events
    bolus = after.pump.boluses[1]
    assert (bolus.programmed_s, bolus.start_s, bolus.effective_minutes(0)) == (-30, 570, 0)


def test_a_priming_ends_at_the_restart():
    """D-922, D-905: what it delivered, error abort, ready again."""
    bench = JournalBench().boot()
    bench.do(10, "start_priming", 1000)
    bench.wake(17)
    after = again(bench)
    assert after.events[1:] == [
        (events.PRIMING_DONE, 150, events.ERROR_ABORT, 0, 0, 0),
        (events.OPERATIONAL, events.PRIMING, events.READY, 0, 0, 0),
    ]
    assert after.pump.delivery.prime_pulses == 3
    assert after.pump.reservoir.remaining_pulses == 5997
    assert names(again(after)) == [events.REFERENCE_TIME]


def test_the_next_bolus_has_the_next_id():
    """D-921."""
    bench = running()
    bench.bolus(10, 100)
    after = again(bench)
    after.do(5, "set_therapy_state", events.RUN)
    after.bolus(6, 100)
    assert after.pump.last_bolus_id == 2


def test_delivered_insulin_rolls_over_where_it_would_have():
    """D-902, D-921: the sums follow from the counters."""
    bench = running(DELIVERED_ROLLOVER_MU=200)
    for count, expected in ((4, 200), (5, 0), (6, 50)):
        bench.wake(1 + 150 * count)
        assert bench.pump.delivery.basal_mu == expected
        assert again(bench).pump.delivery.basal_mu == expected


@pytest.mark.parametrize(("day_set", "recorded"), [(2, None), (3, (5, 2))])
def test_the_day_goes_on_until_the_clock_says_otherwise(day_set, recorded):
    """D-928: set to the same date nothing is recorded; to another, the day is recorded with the date that it had."""
    bench = running()
    bench.do(2, "set_clock", 2024, 5, 2, 6, 0, 0, 0, 0)
    bench.wake(1501)
    assert bench.pump.daily.basal_mu == 500
    after = again(again(bench))
    assert after.pump.daily.basal_mu == 500
    after.do(5, "set_clock", 2024, 5, day_set, 7, 0, 0, 0, 0)
    closed = [event for event in after.events if event[0] == events.DAILY]
    if recorded is None:
        assert closed == []
        assert after.pump.daily.basal_mu == 500
    else:
        month, number = recorded
        assert closed == [(events.DAILY, 0, 500, 1, 2024, month * 32 + number)]
        assert after.pump.daily.basal_mu == 0


def test_midnight_on_the_lost_clock_records_the_day_that_was():
    """D-928."""
    bench = running()
    bench.do(2, "set_clock", 2024, 5, 2, 6, 0, 0, 0, 0)
    bench.wake(1501)
    after = again(bench)
    after.wake(86400)
    assert [e for e in after.events if e[0] == events.DAILY] == [(events.DAILY, 0, 500, 0, 2024, 5 * 32 + 2)]
    after.wake(2 * 86400)
    assert [e[4:] for e in after.events if e[0] == events.DAILY][1:] == [(2000, 1 * 32 + 2)]


# --- The history in flash -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, PER_BLOCK - 1, PER_BLOCK, PER_BLOCK + 1, 3 * PER_BLOCK - 20, 1000])
def test_records_are_found_again_across_blocks(count):
    """D-926: the newest of them, as they were written, numbered without a gap."""
    bench = JournalBench().boot()
    for n in range(1, count):
        bench.history.append(0x0330, n % 3600, n.to_bytes(4, "little"), 4)
    bench.store.commit()
    before = bench.records()
    kept = min(count, 3 * PER_BLOCK - 16)
    assert len(before) >= kept
    assert all(int.from_bytes(data, "little") == n for n, (_, _, data) in before.items() if n)
    after = again(bench)
    assert [n for n in before if n not in after.records()] == []
    assert all(after.records()[n] == before[n] for n in before)


def test_five_thousand_records_are_kept():
    """D-926: with the blocks that the virtual board has for them."""
    bench = JournalBench(blocks=STATE_BLOCKS + 48).boot()
    for n in range(1, 20000):
        bench.history.append(0x0330, n % 3600, n.to_bytes(4, "little"), 4)
        if n % 7 == 0:
            bench.store.commit()
            bench.store.tend()
        assert bench.history.next_sequence - bench.history.oldest >= min(n, 5000)
    bench.store.commit()
    assert len(again(bench).records()) >= 5000


def test_a_spoilt_slot_costs_a_slot_and_no_record():
    """D-926: what follows it is a run of its own."""
    bench = JournalBench().boot()
    bench.do(1, "set_max_bolus", 5000)
    at = (STATE_BLOCKS * BLOCK_BYTES) + 32 * (1 + bench.history.next_sequence)
    bench.device.image[at : at + 16] = b"\x55" * 16
    after = again(bench)
    after.do(1, "set_max_bolus", 6000)
    last = again(after)
    assert [event for event, _, _ in last.records().values()] == [
        events.REFERENCE_TIME, events.MAX_BOLUS, events.REFERENCE_TIME, events.MAX_BOLUS, events.REFERENCE_TIME,
    ]  # fmt: skip


def test_a_damaged_record_is_never_read():
    """D-926: a bit that has fallen is seen, and told of in the record's place."""
    bench = JournalBench().boot()
    for n in range(20):
        bench.do(n + 1, "set_max_bolus", 5000 + 50 * n)
    bench.device.image[STATE_BLOCKS * BLOCK_BYTES + 32 * 11 + 12] &= 0xFE
    bench.device.image[STATE_BLOCKS * BLOCK_BYTES + 32 * 11 + 11] ^= 0x40
    told = [(bench.history.load(n), bench.history.event) for n in (9, 10, 11)]
    assert told == [(True, events.MAX_BOLUS), (True, DATA_CORRUPTION), (True, events.MAX_BOLUS)]


def test_a_device_of_whole_pages_keeps_the_same():
    """D-929: what is padded changes nothing that stands in the page."""
    by_page = day(JournalBench(Device(program_bytes=256)).boot(), hours=3)
    by_record = day(JournalBench().boot(), hours=3)
    assert by_page.device.image == by_record.device.image
    assert again(by_page).pump.delivery.basal_pulses == by_page.pump.delivery.basal_pulses


def test_all_blocks_wear_alike():
    """D-929: the worked number."""
    bench = day(JournalBench().boot())
    state = bench.device.erased[:STATE_BLOCKS]
    assert max(state) - min(state) <= 1
    assert sum(state) <= 16
    assert len(bench.left) > 700
