"""End-to-end protection and the code words: what guards a value against a flipped bit.

Goal: CRC and counter are those of the standard, in every layout, and no damage of up to three bits passes.
Method: published check values, the counter's whole cycle, and every flip of one or two bits in a protected value.
"""

from __future__ import annotations

import itertools

import pytest

from pumpwire import database, e2e, enums, enums_plain, hamming
from pumpwire.database import Protection
from pumpwire.errors import E2EError
from pumpwire.generate.enumerations import enumerations
from pumpwire.registry import MESSAGES


@pytest.mark.parametrize(("data", "crc"), [
    (b"123456789", 0x6F91), (b"A", 0x5C0A), (bytes.fromhex("3e010203040506070809"), 0x2F01), (b"", 0xFFFF),
])  # fmt: skip
def test_published_crc_values(data, crc):
    assert e2e.crc16(data) == crc


def test_the_counter_goes_from_1_to_255_and_never_to_0():
    counter = e2e.E2ECounter()
    seen = [counter.next() for _ in range(257)]
    assert seen == [*range(1, 256), 1, 2]
    counter.reset()
    assert counter.next() == 1


def test_a_counter_follows_its_predecessor_only():
    assert e2e.counter_follows(255, 1)
    for last, current in itertools.product(range(1, 256), range(256)):
        assert e2e.counter_follows(last, current) == (current == last % 255 + 1)


@pytest.mark.parametrize(("protection", "value"), [
    (Protection.TRAILER, b"\x11\x11\x07"), (Protection.LEADING, None), (Protection.CRC, b"\x11\x11"),
    (Protection.NONE, b"\x11\x11"),
])  # fmt: skip
def test_every_layout_gives_its_payload_back(protection, value):
    protected = e2e.protect(b"\x11\x11", 7, protection)
    if value is not None:
        assert protected.startswith(value)
    else:
        assert protected[2:] == b"\x07\x11\x11"
    payload, counter = e2e.check(protected, protection)
    assert payload == b"\x11\x11"
    assert counter == (7 if protection in (Protection.TRAILER, Protection.LEADING) else None)


@pytest.mark.parametrize("protection", [Protection.TRAILER, Protection.LEADING, Protection.CRC])
def test_no_flip_of_one_or_two_bits_passes(protection):
    protected = e2e.protect(bytes.fromhex("4b11143319f0000000000033"), 9, protection)
    bits = range(8 * len(protected))
    for flips in itertools.chain(((bit,) for bit in bits), itertools.combinations(bits, 2)):
        damaged = bytearray(protected)
        for bit in flips:
            damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(E2EError):
            e2e.check(bytes(damaged), protection)


@pytest.mark.parametrize("value", [b"", b"\x01", b"\x01\x02"])
def test_a_value_without_room_for_a_trailer_is_refused(value):
    with pytest.raises(E2EError, match="too few"):
        e2e.check(value)


def test_the_code_words_of_eight_bits_are_the_published_fifteen():
    assert bytes(hamming.words(0, 255)).hex() == "0f333c555a666996" + "99a5aac3ccf0ff"


def test_sixteen_bits_have_2047_words_four_bits_apart():
    words = hamming.words(0, 0xFFFF)
    assert len(words) == 2047
    assert all((a ^ b).bit_count() >= 4 for a, b in itertools.combinations(words[:300], 2))


# Enumerations that the standards number otherwise.
PLAIN = {enums.ResponseCode, enums.RacpResponseCode, enums.DstOffset}
PLAIN |= {value for value in vars(enums_plain).values() if isinstance(value, type)}
PLAIN_OPCODES = {database.CGM_RECORD_ACCESS_CONTROL_POINT, database.CGM_SPECIFIC_OPS_CONTROL_POINT}


def test_opcodes_events_and_enumerations_are_code_words():
    for message in MESSAGES.values():
        if message.opcode is not None and message.on not in PLAIN_OPCODES:
            assert hamming.is_word(message.opcode), message.name
    for members in enumerations():
        if members not in PLAIN and not issubclass(members, enums.IntFlag):
            assert all(hamming.is_word(member) for member in members), members.__name__
    assert hamming.is_word(enums.ResponseCode.SUCCESS)
    assert hamming.is_word(enums.RacpResponseCode.SUCCESS)


def test_the_pumps_own_annunciations_are_in_the_manufacturers_range():
    own = [kind for kind in enums.AnnunciationType if kind >= 0xF000]
    assert own == [enums.AnnunciationType.CGM_STALE, enums.AnnunciationType.PAUSE_OVER]
    assert all(kind <= 0xFFF0 for kind in own)
