"""Whatever hypothesis thinks of, construct, the host's codec and the firmware's codec agree about it.

Goal: one meaning of every octet on the host, on the 64-bit board that runs are made with, and on a 32-bit one, where an
int beyond 2**30 would need heap; the firmware's codec takes none on either.
Method: hypothesis draws messages, values and damage; a process of each port stays up and answers case by case.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import ports
from campaign import size
from pumpwire import MESSAGES
from pumpwire.declare import Message
from pumpwire.strategies import damaged_octets_of, values_of

from . import board, cases

QUIET = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
QUICK = settings(QUIET, max_examples=120)
LONG = settings(QUIET, max_examples=size(1000, whole=3000))

# Text has no program: the firmware would send it as it stands.
CODED = [message for message in MESSAGES.values() if all(field.kind != "text" for field in message.fields)]
CODED_MESSAGES = st.sampled_from(CODED)


@pytest.fixture(scope="module", params=ports.NAMES)
def port(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ports.Port]:
    here = Path(__file__).parent
    script = tmp_path_factory.mktemp("script")
    (script / "codec_board.py").write_text((here / "codec_board.py").read_text(encoding="utf-8"), encoding="utf-8")
    codec = board.codec_of(tmp_path_factory.mktemp("codec"))
    with ports.Port.of(request.param, "codec_board", [codec, script]) as running:
        yield running


def _slots(message: Message, fields: dict[str, Any]) -> list[Any]:
    return board.to_slots(message, cases.board_values(message, fields))


def _agree(message: Message, octets: bytes, port: ports.Port) -> None:
    """All three read the octets alike, and the firmware's codec writes back what it read."""
    declared = message.parse_declared(octets)
    decoded = message.parse(octets)
    assert (decoded.outcome, decoded.field, decoded.detail) == (declared.outcome, declared.field, declared.detail)
    assert decoded.fields == declared.fields
    wanted = _slots(message, decoded.fields) if decoded.ok else [0] * len(board.slots_of(message))
    answer = board.ask(port, message, board.body_of(message, octets), wanted)
    assert answer.status == declared.outcome, declared.detail
    assert answer.heap_octets == 0
    if declared.field:
        assert answer.bad_slot == board.first_slot(declared.field)
    if declared.ok:
        assert answer.bad_slot == -1
        assert [got for want, got in zip(wanted, answer.slots, strict=True) if want is not None] == [
            want for want in wanted if want is not None
        ]
        if not any(field.rounding.value for field in message.layout):
            assert answer.encoded == board.body_of(message, message.build_declared(**decoded.fields))


def _good(port: ports.Port, data: st.DataObject) -> None:
    message = data.draw(CODED_MESSAGES)
    values = data.draw(values_of(message))
    octets = message.build_declared(**values)
    assert message.build(**values) == octets
    assert message.parse(octets).ok
    _agree(message, octets, port)


def _damaged(port: ports.Port, data: st.DataObject) -> None:
    message = data.draw(CODED_MESSAGES)
    octets = data.draw(damaged_octets_of(message))
    # Opcode and header are read before the codec: those of another message are another message's affair.
    head = message.build(**message.examples[0].fields)[: board.header_octets(message)]
    _agree(message, head + octets[len(head) :], port)


def _any_word(port: ports.Port, data: st.DataObject) -> None:
    message = data.draw(CODED_MESSAGES)
    octets = message.build(**data.draw(values_of(message)))
    word = data.draw(st.binary(min_size=2, max_size=2))
    for at in range(board.header_octets(message), len(octets) - 1):
        _agree(message, octets[:at] + word + octets[at + 2 :], port)


@QUICK
@given(data=st.data())
def test_good_messages_mean_the_same_everywhere(port, data):
    _good(port, data)


@QUICK
@given(data=st.data())
def test_damaged_messages_fail_alike_everywhere(port, data):
    _damaged(port, data)


@QUICK
@given(data=st.data())
def test_any_word_at_any_place_is_read_alike_everywhere(port, data):
    _any_word(port, data)


@pytest.mark.slow
@LONG
@given(data=st.data())
def test_good_messages_mean_the_same_in_a_long_campaign(port, data):
    _good(port, data)


@pytest.mark.slow
@LONG
@given(data=st.data())
def test_damaged_messages_fail_alike_in_a_long_campaign(port, data):
    _damaged(port, data)


@pytest.mark.slow
@LONG
@given(data=st.data())
def test_any_word_at_any_place_is_read_alike_in_a_long_campaign(port, data):
    _any_word(port, data)
