"""CGM measurements: several records in one notification, each with its size and its CRC.

Goal: a notification gives back the records that were put into it, and a damaged one never gives a wrong value.
Method: notifications of one to three records, with and without CRC, cut at every octet and flipped at every bit.
"""

from __future__ import annotations

from decimal import Decimal

import pytest

from pumpwire import Outcome, Special
from pumpwire.cgms import CGM_MEASUREMENT, build_notification, parse_notification
from pumpwire.enums import CgmMeasurementFlags, CgmStatusFlags, CgmWarningFlags
from pumpwire.errors import E2EError

PLAIN = {"flags": CgmMeasurementFlags(0), "glucose_mg_dl": Decimal(120), "time_offset_minutes": 6}
WARNED = {
    "flags": CgmMeasurementFlags.STATUS_PRESENT | CgmMeasurementFlags.WARNING_PRESENT,
    "glucose_mg_dl": Decimal(39), "time_offset_minutes": 11,
    "sensor_status": CgmStatusFlags.DEVICE_BATTERY_LOW, "sensor_warning": CgmWarningFlags.BELOW_DEVICE_RANGE,
}  # fmt: skip
MISSING = {"flags": CgmMeasurementFlags(0), "glucose_mg_dl": Special.NAN, "time_offset_minutes": 16}


def _records(*all_fields):
    return [CGM_MEASUREMENT.build(**fields) for fields in all_fields]


def _said(value, with_crc):
    return [
        {name: item for name, item in decoded.fields.items() if item is not None}
        for decoded in parse_notification(value, with_crc)
        if decoded.ok
    ]


@pytest.mark.parametrize("with_crc", [True, False])
@pytest.mark.parametrize("fields", [[PLAIN], [PLAIN, WARNED], [PLAIN, MISSING]])
def test_records_come_back_in_order(fields, with_crc):
    assert _said(build_notification(_records(*fields), with_crc), with_crc) == fields


def test_the_size_octet_counts_itself_and_the_crc():
    assert build_notification(_records(PLAIN), with_crc=False)[0] == 6
    value = build_notification(_records(PLAIN), with_crc=True)
    assert value[0] == 8 == len(value)


def test_every_cut_is_seen():
    whole = build_notification(_records(PLAIN, MISSING))
    for end in range(len(whole)):
        cut = whole[:end]
        decoded = parse_notification(cut)
        assert len([item for item in decoded if item.ok]) == end // 8
        assert end % 8 == 0 or decoded[-1].outcome is Outcome.BAD_STRUCTURE


def test_no_flipped_bit_passes():
    whole = build_notification(_records(PLAIN))
    for bit in range(8 * len(whole)):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        try:
            decoded = parse_notification(bytes(damaged))
        except E2EError:
            continue
        assert decoded[0].outcome is Outcome.BAD_STRUCTURE


@pytest.mark.parametrize("size", [0, 1, 5])
def test_a_size_that_cannot_be_ends_the_list_and_the_loop(size):
    decoded = parse_notification(bytes([size]) + bytes(20), with_crc=False)
    assert [item.outcome for item in decoded] == [Outcome.BAD_STRUCTURE]


def test_a_size_that_does_not_suit_the_flags_is_a_bad_structure():
    record = _records(PLAIN)[0] + b"\0"
    assert parse_notification(build_notification([record]))[0].outcome is Outcome.BAD_STRUCTURE


def test_a_fraction_of_a_milligram_is_taken_as_it_is_sent():
    record = CGM_MEASUREMENT.build(**{**PLAIN, "glucose_mg_dl": Decimal("120.5")})
    assert CGM_MEASUREMENT.parse(record).fields["glucose_mg_dl"] == Decimal("120.5")
