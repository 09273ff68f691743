"""Insulin sensitivity, carbohydrate ratio and target range over the wire: written and read as the basal profile is.

D-910; IDS 1.0.2, 3.7.2 and 3.8. Method: the real firmware; every test for each of the three types, whose messages
differ in their fields, blocks and numbers. What they share with the basal profile is tested there.
"""

from dataclasses import dataclass
from decimal import Decimal

import pytest

from firmware.gatt_bench import COMMAND, DATA, GattBench
from pumpwire.registry import MESSAGES

SUCCESS, INVALID_OPERAND, OUT_OF_RANGE, NOT_APPLICABLE, NOT_PLAUSIBLE = 0x0F, 0x71, 0x73, 0x74, 0x75
END = 1


@dataclass(frozen=True)
class Profile:
    """One type: how its messages are called, its template numbers, the bounds of its values."""

    name: str
    record: str
    values: tuple[str, ...]
    first: int
    low: str
    high: str
    blocks: int = 3
    event_type: int = 0

    def block(self, minutes, value):
        """A block with the same value everywhere."""
        return (minutes, *[Decimal(value)] * len(self.values))


PROFILES = (
    Profile("IsfTemplate", "IsfBlockChanged", ("isf_mg_dl_per_iu",), 10, "1", "1000", event_type=0x3C),
    Profile("IchoRatioTemplate", "IchoRatioBlockChanged", ("icho_ratio_g_per_iu",), 12, "1", "300", event_type=0x55),
    Profile("TargetGlucoseRangeTemplate", "TargetGlucoseRangeBlockChanged", ("target_low_mg_dl", "target_high_mg_dl"),
            14, "40", "400", blocks=2, event_type=0x5A),
)  # fmt: skip
TARGET = PROFILES[2]


@pytest.fixture
def bench():
    """A pump without a profile."""
    bench = GattBench(confirms=True)
    bench.subscribed()
    yield bench
    bench.close()


@pytest.fixture(params=PROFILES, ids=lambda profile: profile.name)
def profile(request):
    """Each type in turn."""
    return request.param


def write(bench, profile, blocks, first=1, end=False, template=None):
    """Write one record; True and False for completed and not, or the response code."""
    template = profile.first if template is None else template
    flags = (END if end else 0) | (2 if len(blocks) > 1 else 0) | (4 if len(blocks) > 2 else 0)
    fields = {}
    for number, (minutes, *values) in enumerate(blocks, 1):
        fields[f"duration_minutes_{number}"] = minutes
        fields.update(zip((f"{name}_{number}" for name in profile.values), map(Decimal, values), strict=True))
    name, told = bench.procedure(
        f"Write{profile.name}", flags=flags, template_number=template, first_block_number=first, **fields
    )
    if name == "CommandResponseCode":
        return int(told["response_code"])
    assert (name, told["template_number"], told["first_block_number"]) == (
        f"Write{profile.name}Response", template, first,
    )  # fmt: skip
    return bool(told["flags"])


def read(bench, profile, template=None):
    """The blocks of a template, or the response code; the numbering is checked."""
    bench.notifications.clear()
    template = profile.first if template is None else template
    _, told = bench.procedure(f"Read{profile.name}", template_number=template)
    blocks = []
    for name, fields in bench.told(DATA):
        assert (name, fields["template_number"]) == (f"{profile.name}Data", template)
        assert fields["first_block_number"] == len(blocks) + 1
        for number in range(1, profile.blocks + 1):
            if fields[f"duration_minutes_{number}"] is not None:
                values = (fields[f"{value}_{number}"] for value in profile.values)
                blocks.append((fields[f"duration_minutes_{number}"], *values))
    return blocks or int(told["response_code"])


def raw_value(value):
    """Octets of an SFLOAT in tenths."""
    return (0xF000 | value & 0xFFF).to_bytes(2, "little")


@pytest.mark.parametrize("count", [1, 2, 3, 5, 24])
def test_a_profile_is_read_as_it_was_written(bench, profile, count):
    """Any number of blocks, as many in a message as fit; each block is recorded once the whole is there."""
    minutes = [60] * (count - 1) + [1440 - 60 * (count - 1)]
    blocks = [profile.block(minutes[i], f"{100 + i}.{i % 10}") for i in range(count)]
    for first in range(0, count, profile.blocks):
        end = first + profile.blocks >= count
        assert write(bench, profile, blocks[first : first + profile.blocks], first + 1, end=end) is end
    assert read(bench, profile) == blocks
    records = [fields for name, fields in bench.records(operator=0x33) if name == f"History{profile.record}"]
    assert [record["block_number"] for record in records] == list(range(1, count + 1))
    told = [(record["duration_minutes"], *(record[name] for name in profile.values)) for record in records]
    assert told == blocks
    assert {record["template_number"] for record in records} == {profile.first}


def test_the_bounds_of_a_value(bench, profile):
    for value, expected in (
        (profile.low, True), (profile.high, True), (Decimal(profile.low) - Decimal("0.1"), OUT_OF_RANGE),
        (Decimal(profile.high) + 1, OUT_OF_RANGE),
    ):  # fmt: skip
        assert write(bench, profile, [profile.block(1440, value)], end=True) == expected


@pytest.mark.parametrize("word", ["ff07", "fe07", "01e0", "ffff"])
def test_values_that_are_no_tenths_or_no_numbers(bench, profile, word):
    """NaN, infinity, a hundredth, below 0."""
    opcode = MESSAGES[f"Write{profile.name}"].opcode.to_bytes(2, "little")
    value = bytes.fromhex(word) + bytes.fromhex("6400") * (len(profile.values) - 1)
    told = bench.raw_procedure(COMMAND, opcode + bytes((END, profile.first, 1)) + b"\xa0\x05" + value)[1]
    assert told["response_code"] == OUT_OF_RANGE
    assert read(bench, profile) == NOT_APPLICABLE


@pytest.mark.parametrize(("low", "high", "expected"), [
    ("100", "100", True), ("100", "99.9", NOT_PLAUSIBLE), ("400", "40", NOT_PLAUSIBLE), ("39.9", "401", OUT_OF_RANGE),
    ("100", "401", OUT_OF_RANGE),
])  # fmt: skip
def test_low_is_not_above_high(bench, low, high, expected):
    assert write(bench, TARGET, [(1440, low, high)], end=True) == expected


@pytest.mark.parametrize(("blocks", "expected"), [
    ([1439], NOT_PLAUSIBLE), ([1440, 1], NOT_PLAUSIBLE), ([0, 1440], OUT_OF_RANGE), ([1441], OUT_OF_RANGE),
    ([1, 1439], True),
])  # fmt: skip
def test_the_sum_of_a_profile(bench, profile, blocks, expected):
    """D-201."""
    given = [profile.block(minutes, 100) for minutes in blocks]
    assert write(bench, profile, given, end=True) == expected


@pytest.mark.parametrize(("first", "expected"), [
    (0, OUT_OF_RANGE), (24, False), (25, OUT_OF_RANGE), (255, OUT_OF_RANGE),
])  # fmt: skip
def test_the_numbers_of_blocks(bench, profile, first, expected):
    opcode = MESSAGES[f"Write{profile.name}"].opcode.to_bytes(2, "little")
    value = b"\x64\x00" * len(profile.values)
    name, told = bench.raw_procedure(COMMAND, opcode + bytes((0, profile.first, first)) + b"\x3c\x00" + value)
    assert (told["response_code"] if name == "CommandResponseCode" else bool(told["flags"])) == expected


def test_a_block_given_twice(bench, profile):
    assert write(bench, profile, [profile.block(60, 100)]) is False
    assert write(bench, profile, [profile.block(60, 100)]) == NOT_PLAUSIBLE
    assert write(bench, profile, [profile.block(1380, 100)], first=2, end=True) == NOT_PLAUSIBLE


def test_numbers_of_other_types(bench, profile):
    for template in (0, 1, 4, 7, 16, 255, profile.first - 1, profile.first + 2):
        assert write(bench, profile, [profile.block(1440, 100)], end=True, template=template) == OUT_OF_RANGE
        assert read(bench, profile, template) == OUT_OF_RANGE
    for template in (profile.first, profile.first + 1):
        assert read(bench, profile, template) == NOT_APPLICABLE
        assert write(bench, profile, [profile.block(1440, 100)], end=True, template=template) is True


def test_a_transaction_has_one_opcode_and_one_template(bench, profile):
    """A write of another type is another procedure, which drops the transaction and begins one of its own."""
    other = PROFILES[(PROFILES.index(profile) + 1) % 3]
    assert write(bench, profile, [profile.block(720, 100)]) is False
    assert write(bench, profile, [profile.block(720, 100)], 2, end=True, template=profile.first + 1) == NOT_PLAUSIBLE
    assert write(bench, profile, [profile.block(720, 100)]) is False
    assert write(bench, other, [other.block(720, 100)]) is False
    assert write(bench, other, [other.block(720, 100)], 2, end=True) is True
    assert write(bench, profile, [profile.block(720, 100)], 2, end=True) == NOT_PLAUSIBLE
    assert read(bench, profile) == NOT_APPLICABLE
    assert len(read(bench, other)) == 2


@pytest.mark.parametrize(("name", "fields"), [
    ("GetActiveBolusIds", {}), ("GetMaxBolusAmount", {}), ("RacpAbort", {"operator": 0x0F}),
    ("GetTbrTemplate", {"template_number": 6}), ("GetTemplateStatusAndDetails", {}),
])  # fmt: skip
def test_any_other_procedure_drops_the_transaction(bench, profile, name, fields):
    assert write(bench, profile, [profile.block(720, 100)]) is False
    bench.procedure(name, **fields)
    assert write(bench, profile, [profile.block(720, 100)], first=2, end=True) == NOT_PLAUSIBLE


def test_a_read_drops_the_transaction(bench, profile):
    assert write(bench, profile, [profile.block(720, 100)]) is False
    assert read(bench, profile) == NOT_APPLICABLE
    assert write(bench, profile, [profile.block(720, 100)], first=2, end=True) == NOT_PLAUSIBLE


def test_a_malformed_write_drops_the_transaction(bench, profile):
    opcode = MESSAGES[f"Write{profile.name}"].opcode.to_bytes(2, "little")
    assert write(bench, profile, [profile.block(720, 100)]) is False
    told = bench.raw_procedure(COMMAND, opcode + bytes((END, profile.first, 2)) + b"\xd0\x02")[1]
    assert told["response_code"] == INVALID_OPERAND
    assert write(bench, profile, [profile.block(720, 100)], first=2, end=True) == NOT_PLAUSIBLE


# --- activation ---


def activate(bench, *numbers):
    name, told = bench.procedure("ActivateProfileTemplates", template_numbers=list(numbers))
    return told["template_numbers"] == list(numbers) if name != "CommandResponseCode" else int(told["response_code"])


def activated(bench):
    return list(bench.procedure("GetActivatedProfileTemplates")[1]["template_numbers"])


def test_one_of_each_type_is_activated(bench):
    """D-910: activating one type leaves the others; the history has other words for types than the status has."""
    for profile in PROFILES:
        for number in (profile.first, profile.first + 1):
            assert write(bench, profile, [profile.block(1440, 100)], end=True, template=number) is True
    assert activated(bench) == []
    assert activate(bench, 12) is True
    assert activated(bench) == [12]
    assert activate(bench, 15, 10) is True
    assert activated(bench) == [10, 12, 15]
    assert activate(bench, 14, 13, 11, 13) == 0x74
    assert activate(bench, 14, 13, 11) is True
    assert activated(bench) == [11, 13, 14]
    told = [
        (fields["profile_template_type"], fields["old_template_number"], fields["new_template_number"])
        for name, fields in bench.records(operator=0x33)
        if name == "HistoryProfileTemplateActivated"
    ]
    assert told == [
        (0x55, 0, 12), (0x5A, 0, 15), (0x3C, 0, 10), (0x5A, 15, 14), (0x55, 12, 13), (0x3C, 10, 11),
    ]  # fmt: skip


def test_what_is_activated_or_not_there_is_neither_reset_nor_activated(bench, profile):
    assert write(bench, profile, [profile.block(1440, 100)], end=True) is True
    assert activate(bench, profile.first + 1) == NOT_APPLICABLE
    assert activate(bench, profile.first) is True
    assert bench.code("ResetTemplateStatus", template_numbers=[profile.first]) == NOT_APPLICABLE
    assert bench.code("ResetTemplateStatus", template_numbers=[profile.first + 1]) == NOT_APPLICABLE
    assert write(bench, profile, [profile.block(1440, 120)], end=True) is True
    assert read(bench, profile) == [profile.block(1440, 120)]


def test_a_block_needs_its_flag(bench, profile):
    """SPEC.md, choices: in a write the second block has bit 1; a target range has no bit for a third."""
    message = MESSAGES[f"Write{profile.name}"]
    block = b"\xd0\x02" + b"\x64\x00" * len(profile.values)
    for flags in (0x02, 0x04, 0x07):
        octets = message.opcode.to_bytes(2, "little") + bytes((flags, profile.first, 1)) + block
        told = bench.raw_procedure(COMMAND, octets)
        third_ignored = profile is TARGET and flags == 0x04
        assert (told[0] == "CommandResponseCode") is not third_ignored
