"""The whole of both services is declared.

Goal: no opcode, event, operator or code of IDS 1.0.2 and CGMS 1.0.2 is missing, whether the firmware serves it or not.
Method: IDS numbers its opcodes and events with consecutive words of the extended Hamming code, so they are counted out
here from the code; for CGMS the published numbers stand here.
"""

from __future__ import annotations

import pytest

from pumpwire import MESSAGES, database, enums, hamming
from pumpwire.declare import TO_CLIENT, TO_PUMP
from pumpwire.generate.program import Compiler
from pumpwire.generate.tables import Tables, handles, has_program
from pumpwire.registry import is_served, messages_of

MANUFACTURER_FROM = 0xF001


def _opcodes(*characteristics, direction=None):
    return sorted(m.opcode for c in characteristics for m in messages_of(c, direction))


def _consecutive_words(first, count):
    return hamming.words(first, 0xFFFF)[:count]


def test_all_16_opcodes_of_the_status_reader():
    assert _opcodes(database.STATUS_READER_CONTROL_POINT) == _consecutive_words(0x0303, 16)


def test_all_54_opcodes_of_commands_and_their_data():
    declared = _opcodes(database.COMMAND_CONTROL_POINT, database.COMMAND_DATA)
    assert declared == _consecutive_words(0x0F55, 54)
    assert len(_opcodes(database.COMMAND_DATA)) == 5


def test_all_31_events_of_the_history():
    standard = [code for code in _opcodes(database.HISTORY_DATA) if code < MANUFACTURER_FROM]
    assert standard == _consecutive_words(0x000F, 31)


def test_events_of_the_pump_itself_are_words_of_those_that_the_standard_leaves_to_manufacturers():
    own = [code for code in _opcodes(database.HISTORY_DATA) if code >= MANUFACTURER_FROM]
    assert own == hamming.words(MANUFACTURER_FROM, 0xFFF0)[:2]


def test_all_opcodes_of_the_record_access_control_points():
    assert _opcodes(database.RECORD_ACCESS_CONTROL_POINT) == sorted(enums.RacpOpcode)
    assert _opcodes(database.CGM_RECORD_ACCESS_CONTROL_POINT) == [1, 2, 3, 4, 5, 6]
    assert sorted(enums.RacpOperator) == [0x0F, 0x33, 0x3C, 0x55, 0x5A, 0x66, 0x69]
    assert sorted(enums.RacpFilter) == [0x0F, 0x33, 0x3C]
    assert sorted(enums.RacpResponseCode) == [2, 3, 4, 5, 6, 7, 8, 9, 10, 0xF0]


def test_all_28_opcodes_of_the_specific_operations():
    assert _opcodes(database.CGM_SPECIFIC_OPS_CONTROL_POINT) == list(range(1, 0x1D))
    answers = _opcodes(database.CGM_SPECIFIC_OPS_CONTROL_POINT, direction=TO_PUMP)
    assert answers == [3, 6, 9, 0x0C, 0x0F, 0x12, 0x15, 0x18, 0x1C]


@pytest.mark.parametrize("service", database.SERVICES, ids=lambda service: service.name)
def test_every_characteristic_has_a_message(service):
    assert all(messages_of(characteristic) for characteristic in service.characteristics)


def test_requests_of_control_points_name_their_answer():
    for characteristic in database.CHARACTERISTICS.values():
        if characteristic.opcode_octets and "write" in characteristic.properties:
            request = TO_CLIENT if characteristic.handle >= 0x100 else TO_PUMP
            for message in messages_of(characteristic):
                assert (message.answer is not None) == (message.direction == request), message.name
                assert message.answer is None or MESSAGES[message.answer].on is characteristic


def test_the_firmware_carries_what_it_serves_and_nothing_else():
    served, whole = Tables(), Tables(served_only=False)
    assert {m.name for m in MESSAGES.values() if m.served and has_program(m)} == set(served.programs)
    assert len(whole.programs) > len(served.programs)
    as_it_stands = {m.on for m in MESSAGES.values() if not has_program(m)}
    assert {c.clause[:3] for c in as_it_stands} == {"DIS", "BAS"}
    text = handles()
    for characteristic in database.CHARACTERISTICS.values():
        assert (f"\n{characteristic.constant} = " in text) == is_served(characteristic)


def test_all_messages_together_still_have_room_in_an_octet_of_slots():
    whole = Tables(served_only=False)
    assert whole.compiler.slots.size <= 255
    assert isinstance(whole.compiler, Compiler)
