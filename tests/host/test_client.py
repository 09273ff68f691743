"""Messages carry their end-to-end protection both ways, and a procedure ends as the control point says.

The other end is a scripted pump: it checks what it gets by the declarations and answers as each test asks.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from pumplink import CgmServer, Client, Pump
from pumplink.errors import AttError, E2EError, ProcedureError, ProcedureTimeout, PumpLinkError, WireError
from pumplink.results import DeliveredInsulin, Procedure
from pumplink_tools import ScriptedPump, att
from pumpwire import database, e2e
from pumpwire.cgms import CGM_FEATURE, CGM_SESSION_START_TIME, parse_notification
from pumpwire.database import Protection
from pumpwire.enums import (
    CgmFeatureFlags,
    CgmStatusFlags,
    CgmWarningFlags,
    RacpOperator,
    RacpResponseCode,
    ResponseCode,
    StatusChangedFlags,
)
from pumpwire.registry import MESSAGES

CCP = database.COMMAND_CONTROL_POINT
SRCP = database.STATUS_READER_CONTROL_POINT
SET_BOLUS = MESSAGES["SetBolus"]
CANCEL_TBR = MESSAGES["CancelTbrAdjustment"]


@pytest.fixture
def pump() -> ScriptedPump:
    """A scripted pump."""
    return ScriptedPump()


def opened(pump: ScriptedPump, strict: bool = True) -> Client:
    client = Client(pump.link, strict=strict)
    pump.link.open()
    return client


# --- End-to-end protection --------------------------------------------------------------------------------------


def test_written_counters_start_at_1_on_each_connection_and_skip_0(pump: ScriptedPump) -> None:
    client = opened(pump)
    pump.on_write = lambda handle, value: [
        att(b"\x13"),
        pump.indicate("CommandResponseCode", request_opcode=CANCEL_TBR.opcode, response_code=ResponseCode.SUCCESS),
    ]
    for _ in range(256):
        client.procedure("CancelTbrAdjustment")
    pump.link.open()
    client.procedure("CancelTbrAdjustment")
    counters = [e2e.check(value).counter for _, value in pump.writes]
    assert counters == [*range(1, 256), 1, 1]


def test_each_characteristic_counts_by_itself(pump: ScriptedPump) -> None:
    client = opened(pump)
    pump.on_write = lambda handle, value: [
        att(b"\x13"),
        pump.indicate("GetActiveBolusIdsResponse", bolus_ids=[])
        if handle == SRCP.handle
        else pump.indicate("CommandResponseCode", request_opcode=0x1111, response_code=ResponseCode.SUCCESS),
    ]
    for name in ("CancelTbrAdjustment", "GetActiveBolusIds", "CancelTbrAdjustment"):
        client.procedure(name)
    assert [(handle, e2e.check(value).counter) for handle, value in pump.writes] == [
        (CCP.handle, 1),
        (SRCP.handle, 1),
        (CCP.handle, 2),
    ]


@pytest.mark.parametrize(("code", "next_counter"), [(0x81, 1), (0x82, 1), (0xFD, 2), (0xFE, 2)])
def test_a_counter_is_used_up_unless_it_was_refused_itself(pump: ScriptedPump, code: int, next_counter: int) -> None:
    client = opened(pump)
    pump.on_write = lambda handle, value: [att(bytes((1, 0x12, handle, 0, code)))]
    for _ in range(2):
        with pytest.raises(AttError, match=f"0x{code:02X}"):
            client.procedure("CancelTbrAdjustment")
    assert [e2e.check(value).counter for _, value in pump.writes] == [1, next_counter]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda value: value[:-1] + bytes((value[-1] ^ 1,)), "CRC"),
        (lambda value: value[:2], "too few"),
        (lambda value: e2e.protect(value[:-3], 2), "E2E counter 2 follows 0; 1 is due"),
        (lambda value: e2e.protect(value[:-3], 0), "E2E counter 0"),
    ],
)
def test_a_read_value_with_wrong_protection_is_an_error(
    pump: ScriptedPump, spoil: Callable[[bytes], bytes], message: str
) -> None:
    client = opened(pump)
    pump.on_read = lambda handle: spoil(pump.value(database.STATUS_CHANGED, b"\x80\x00"))
    with pytest.raises(E2EError, match=message):
        client.read("IddStatusChanged")


def test_reads_and_indications_of_one_characteristic_share_a_counter(pump: ScriptedPump) -> None:
    client = opened(pump)
    seen: list[StatusChangedFlags] = []
    client.on_message(database.STATUS_CHANGED, lambda got: seen.append(got.fields["flags"]))
    pump.peer.come(0, pump.indicate("IddStatusChanged", flags=StatusChangedFlags(1)))
    pump.on_read = lambda handle: pump.value(database.STATUS_CHANGED, b"\x03\x00")
    assert client.read("IddStatusChanged")["flags"] == StatusChangedFlags(3)
    pump.link.run_until(1)
    assert seen == [StatusChangedFlags(1)]


def test_a_lossy_line_may_have_gaps_and_repetitions_when_asked_for(pump: ScriptedPump) -> None:
    client = opened(pump, strict=False)
    seen: list[int] = []
    client.on_message(database.STATUS_CHANGED, lambda got: seen.append(int(got.fields["flags"])))
    one = pump.indicate("IddStatusChanged", flags=StatusChangedFlags(1))
    four = pump.indicate("IddStatusChanged", skip=2, flags=StatusChangedFlags(4))
    for octets in (one, one, four):
        pump.peer.come(1, octets)
    pump.link.run_until(5)
    assert seen == [1, 4]
    assert (client.repeated, client.counter_gaps) == (1, 1)


def test_features_have_their_protection_in_front(pump: ScriptedPump) -> None:
    client = opened(pump)
    payload = MESSAGES["IddFeatures"].examples[0].octets
    pump.on_read = lambda handle: pump.value(database.FEATURES, payload)
    assert client.read("IddFeatures")["insulin_concentration_iu_per_ml"] == Decimal(100)


# --- Procedures -------------------------------------------------------------------------------------------------


def test_a_bolus_is_the_octets_of_the_specification_and_brings_its_id(pump: ScriptedPump) -> None:
    opened(pump)
    typed = Pump(pump.link)
    pump.on_write = lambda handle, value: [att(b"\x13"), pump.indicate("SetBolusResponse", bolus_id=5)]
    assert typed.set_bolus("2.5") == 5
    assert pump.writes[0][1].hex()[:-6] == "4b11" + "04" + "33" + "19f0" + "0000" + "0000" + "33"


@pytest.mark.parametrize("code", [code for code in ResponseCode if code is not ResponseCode.SUCCESS])
def test_a_refused_procedure_is_an_error_with_its_code(pump: ScriptedPump, code: ResponseCode) -> None:
    client = opened(pump)
    log: list[Procedure] = []
    client.on_procedure(log.append)
    pump.on_write = lambda handle, value: [
        att(b"\x13"),
        pump.indicate("CommandResponseCode", request_opcode=CANCEL_TBR.opcode, response_code=code),
    ]
    with pytest.raises(ProcedureError, match=f"CancelTbrAdjustment was refused: response code 0x{code:02X}") as caught:
        client.procedure("CancelTbrAdjustment")
    assert caught.value.code == code
    assert [(entry.name, entry.response_code) for entry in log] == [("CancelTbrAdjustment", code)]


def test_an_answer_to_an_earlier_request_is_passed_over(pump: ScriptedPump) -> None:
    client = opened(pump)
    pump.on_write = lambda handle, value: [
        att(b"\x13"),
        pump.indicate("CommandResponseCode", request_opcode=0x1178, response_code=ResponseCode.INVALID_OPERAND),
        pump.indicate("CommandResponseCode", request_opcode=0x1111, response_code=ResponseCode.SUCCESS),
    ]  # fmt: skip
    assert client.procedure("CancelTbrAdjustment").fields["response_code"] is ResponseCode.SUCCESS


def test_silence_ends_after_thirty_seconds_from_the_last_sign(pump: ScriptedPump) -> None:
    client = opened(pump)
    pump.on_write = lambda handle, value: [att(b"\x13")]
    record = pump.indicate("HistoryTherapyControlStateChanged", opcode=0x1B, sequence=0, relative_offset_s=0,
                           old_therapy_control_state=0x33, new_therapy_control_state=0x55)  # fmt: skip
    pump.peer.come(29, record)
    with pytest.raises(ProcedureTimeout, match="open it again"):
        client.procedure("RacpReportStoredRecords", operator=RacpOperator.ALL)
    assert pump.link.now_s == 59


def test_history_comes_oldest_first_and_none_is_no_error(pump: ScriptedPump) -> None:
    opened(pump)
    typed = Pump(pump.link)

    def end(code: RacpResponseCode) -> bytes:
        return pump.indicate("RacpResponseCode", operator=RacpOperator.NULL, request_opcode=0x33, response_code=code)

    def records(handle: int, value: bytes) -> list[bytes]:
        changed = [
            pump.indicate("HistoryMaxBolusChanged", opcode=0x1B, sequence=sequence, relative_offset_s=7,
                          old_max_bolus_iu=Decimal(10), new_max_bolus_iu=Decimal("12.5"))
            for sequence in (16, 17)
        ]  # fmt: skip
        return [att(b"\x13"), *changed, end(RacpResponseCode.SUCCESS)]

    pump.on_write = records
    history = typed.history(from_sequence=16)
    assert [(record.sequence, record.relative_offset_s, record.event) for record in history] == [
        (16, 7, "HistoryMaxBolusChanged"),
        (17, 7, "HistoryMaxBolusChanged"),
    ]
    assert history[0].fields == {"old_max_bolus_iu": Decimal(10), "new_max_bolus_iu": Decimal("12.5")}
    pump.on_write = lambda handle, value: [att(b"\x13"), end(RacpResponseCode.NO_RECORDS_FOUND)]
    assert typed.history() == []
    pump.on_write = lambda handle, value: [att(b"\x13"), end(RacpResponseCode.OPERATOR_NOT_SUPPORTED)]
    with pytest.raises(ProcedureError, match="operator not supported"):
        typed.history()


def test_a_profile_is_written_in_parts_of_three_blocks(pump: ScriptedPump) -> None:
    opened(pump)
    typed = Pump(pump.link)

    def answer(handle: int, value: bytes) -> list[bytes]:
        fields = MESSAGES["WriteBasalRateTemplate"].parse(value[:-3]).fields
        return [
            att(b"\x13"),
            pump.indicate("WriteBasalRateTemplateResponse", flags=fields["flags"] & 1, template_number=1,
                          first_block_number=fields["first_block_number"]),
        ]  # fmt: skip

    pump.on_write = answer
    typed.write_basal_profile([(180, "1"), (330, "1.5"), (345, "2"), (345, "0.5"), (240, 1)])
    # The two messages of the specification's own example (IDS 1.0.2, appendix B).
    assert [value.hex()[:-6] for _, value in pump.writes] == [
        "cc0f0601" + "01" + "b4000100" + "4a010ff0" + "59010200",
        "cc0f0301" + "04" + "590105f0" + "f0000100",
    ]
    pump.on_write = lambda handle, value: [
        att(b"\x13"),
        pump.indicate("WriteBasalRateTemplateResponse", flags=0, template_number=1, first_block_number=1),
    ]
    with pytest.raises(WireError, match="not complete"):
        typed.write_basal_profile([(1440, 1)])


def test_delivered_insulin_is_exact(pump: ScriptedPump) -> None:
    opened(pump)
    typed = Pump(pump.link)
    pump.on_write = lambda handle, value: [
        att(b"\x13"),
        pump.indicate("GetDeliveredInsulinResponse", bolus_delivered_iu=Decimal("204.87"),
                      basal_delivered_iu=Decimal("123.465")),
    ]  # fmt: skip
    delivered = typed.delivered_insulin()
    assert delivered == DeliveredInsulin(Decimal("204.87"), Decimal("123.465"))
    assert delivered.total_iu == Decimal("328.335")


@pytest.mark.parametrize(
    "octets", [b"", b"\x01\x02", b"\x34\x12", bytes.fromhex("550f1111aa"), b"\x55\x0f\x11\x11\x0f\x00"]
)
def test_an_answer_that_is_no_message_is_told_with_its_octets(pump: ScriptedPump, octets: bytes) -> None:
    client = opened(pump)
    pump.on_write = lambda handle, value: [
        att(b"\x13"),
        att(b"\x1d" + CCP.handle.to_bytes(2, "little") + pump.value(CCP, octets)),
    ]
    with pytest.raises(WireError, match="IDD Command Control Point"):
        client.procedure("CancelTbrAdjustment")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda pump: pump.set_bolus(1.0), "no float"),
        (lambda pump: pump.set_bolus("lots"), "no number"),
        (lambda pump: pump.set_bolus("20.555"), "SetBolus.fast_amount_iu"),
        (lambda pump: pump.set_bolus(-1), "SetBolus.fast_amount_iu"),
        (lambda pump: pump.set_tbr("0.5", 0), "SetTbrAdjustment.duration_minutes.*1 to 1440"),
        (lambda pump: pump.set_tbr("0.5", 1441), "SetTbrAdjustment.duration_minutes.*1 to 1440"),
        (lambda pump: pump.write_basal_profile([]), "at least one block"),
    ],
)  # fmt: skip
def test_what_cannot_be_said_is_refused_before_it_is_sent(
    pump: ScriptedPump, call: Callable[[Pump], object], message: str
) -> None:
    opened(pump)
    with pytest.raises(ValueError, match=message) as caught:
        call(Pump(pump.link))
    assert not isinstance(caught.value, PumpLinkError)
    assert pump.writes == []


# --- The sensor's side ------------------------------------------------------------------------------------------

START = datetime(2023, 6, 1, 12, 30)


def ask(pump: ScriptedPump, pdu: str) -> bytes:
    """What the rig answers to a request of the pump."""
    count = len(pump.peer.sent)
    pump.peer.come(0, att(bytes.fromhex(pdu)))
    pump.link.run_until(pump.link.now_s)
    return pump.peer.sent[count].body


def test_the_sensor_can_be_read(pump: ScriptedPump) -> None:
    CgmServer(pump.link, START)
    opened(pump)
    feature = e2e.check(ask(pump, "0a0501")[1:], Protection.CRC).payload
    assert CGM_FEATURE.parse(feature).fields["flags"] & CgmFeatureFlags.E2E_CRC
    start = e2e.check(ask(pump, "0a0801")[1:], Protection.CRC).payload
    fields = CGM_SESSION_START_TIME.parse(start).fields
    assert [fields[name] for name in ("year", "month", "day", "hour", "minute", "second")] == [2023, 6, 1, 12, 30, 0]


def test_measurements_go_out_only_while_the_pump_asks_for_them(pump: ScriptedPump) -> None:
    server = CgmServer(pump.link, START)
    told: list[str] = []
    server.on_subscribed(lambda: told.append("subscribed"))
    opened(pump)
    assert not server.send(0, 120)
    assert ask(pump, "0a0301") == b"\x0b\x00\x00"
    assert ask(pump, "1203010100") == b"\x13"
    assert ask(pump, "0a0301") == b"\x0b\x01\x00"
    assert server.send(5, 120)
    assert told == ["subscribed"]
    assert ask(pump, "1203010000") == b"\x13"
    assert not server.send(10, 120)
    ask(pump, "1203010100")
    pump.link.open()
    assert not server.subscribed


@pytest.mark.parametrize(("pdu", "error"), [("12030102 00", 0xFD), ("120301", 0x0D), ("12030101 0000", 0x0D)])
def test_a_wrong_configuration_is_refused(pump: ScriptedPump, pdu: str, error: int) -> None:
    CgmServer(pump.link, START)
    opened(pump)
    assert ask(pump, pdu) == bytes((0x01, 0x12, 0x03, 0x01, error))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"glucose_mg_dl": 39, "warning": CgmWarningFlags.BELOW_DEVICE_RANGE}, {"glucose_mg_dl": Decimal(39)}),
        ({"glucose_mg_dl": 401}, {"glucose_mg_dl": Decimal(401), "sensor_status": None}),
        ({"glucose_mg_dl": Decimal("100.5")}, {"glucose_mg_dl": Decimal("100.5")}),
        ({"glucose_mg_dl": None, "status": CgmStatusFlags.SENSOR_MALFUNCTION}, {"sensor_status": 8}),
        ({"glucose_mg_dl": 99, "trend_mg_dl_per_minute": Decimal(-2)}, {"trend_mg_dl_per_minute": Decimal(-2)}),
    ],
)  # fmt: skip
def test_a_measurement_says_what_was_given(
    pump: ScriptedPump, arguments: dict[str, Any], expected: dict[str, Any]
) -> None:
    server = CgmServer(pump.link, START)
    opened(pump)
    ask(pump, "1203010100")
    server.send(300, **arguments)
    pdu = pump.peer.sent[-1].body
    assert pdu[:3] == b"\x1b\x02\x01"
    (decoded,) = parse_notification(pdu[3:])
    assert decoded.ok
    assert decoded.fields["time_offset_minutes"] == 300
    assert {name: decoded.fields[name] for name in expected} == expected
