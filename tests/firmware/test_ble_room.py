"""How much a peer may make the radio's events hold (DOSING.md section 19).

Method: the firmware's bearer on CPython with a scripted stack; the loop does not come round while values come.
"""

from firmware.ble_bench import AirBench


def held(bench):
    """Octets that wait for the loop."""
    return sum(map(len, bench.bearer._events._octets))


def test_values_of_a_peer_that_has_proven_nothing_take_no_room(tmp_path):
    """D-1502: nobody fills the heap before the link is secure, nor after it ended."""
    bench = AirBench(tmp_path)
    bench.connect()
    for kind in (15, 18, 19):
        bench.interrupt(kind, 3, 5, memoryview(bytes(244)))
    assert held(bench) == 0
    bench.pair()
    bench.interrupt(18, 3, 5, memoryview(bytes(244)))
    assert held(bench) == 244
    bench.drop()
    bench.interrupt(18, 3, 5, memoryview(bytes(244)))
    assert held(bench) == 0
    assert not bench.stack.hung_up


def test_more_values_than_there_is_room_for_end_the_connection(tmp_path):
    """D-1509: also of a peer that is trusted; nothing is lost silently."""
    bench = AirBench(tmp_path)
    bench.secure()
    for _ in range(100):
        bench.interrupt(18, 3, 5, memoryview(bytes(244)))
    assert 8192 - 244 < held(bench) <= 8192
    bench.run()
    assert held(bench) == 0
    assert bench.stack.hung_up == [3]
    assert bench.bearer.dropped_frames == 1
