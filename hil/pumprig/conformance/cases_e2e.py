"""Cases: E2E-Protection, counters and CRCs in both directions (IDS 1.0.2, 3.1, 3.12)."""

from __future__ import annotations

from collections.abc import Callable

from pumprig.conformance.model import Failed, NotPossible, case
from pumprig.conformance.octets import hex_of, request
from pumprig.conformance.session import CCP, RACP, SRCP, Session
from pumprig.conformance.steps import (
    active_ids,
    configurable,
    from_sequence,
    run_therapy,
    selection,
    therapy,
)
from pumprig.conformance.told import Octets
from pumpwire import database, e2e
from pumpwire.database import Characteristic
from pumpwire.enums import IddFeatureFlags, RacpOperator, TemplateType, TherapyControlState

PROTECTED = IddFeatureFlags.E2E_PROTECTION
INVALID_CRC, INVALID_COUNTER = 0x81, 0x82
# What needs a stack that lets the server refuse a write, and one that tells it of reads.
REFUSES = ("write_error",)
COUNTS = ("read_counted",)
_SHORT = {SRCP: "srcp", CCP: "ccp", RACP: "racp"}
# Requests without a consequence.
_HARMLESS = {
    SRCP: request("GetTotalDailyInsulinStatus"),
    CCP: request("SetTherapyControlState", b"\x33"),
    RACP: request("RacpReportNumberOfStoredRecords", selection(RacpOperator.ALL)),
}


def _refused(s: Session, on: Characteristic, octets: bytes, *errors: int) -> None:
    error = s.write_octets(on.handle, octets)
    wanted = " or ".join(f"0x{code:02X}" for code in errors)
    seen = "no response" if error is None else f"ATT error 0x{error:02X}" if error else "a write response"
    s.holds(error in errors, f"ATT error {wanted} for {hex_of(octets)}", seen)
    value = s.take(on, 1.0)
    s.holds(value is None, "no indication after a refused write", f"{hex_of(value)}")


def _accepted(s: Session, on: Characteristic, counter: int) -> None:
    s.set_counter(on, counter - 1)
    answer = s.ask(on, _HARMLESS[on])
    s.holds(answer.error == 0 and answer.octets is not None, f"counter {counter} is taken", str(answer))


def _counted(s: Session, on: Characteristic, counter: int) -> bytes:
    return e2e.protect(_HARMLESS[on], counter)


def _bad_crc(s: Session, on: Characteristic) -> None:
    octets = _counted(s, on, 1)
    for at in (-1, -2):
        wrong = bytearray(octets)
        wrong[at] ^= 0x01
        _refused(s, on, bytes(wrong), INVALID_CRC)


def _missing(s: Session, on: Characteristic) -> None:
    _refused(s, on, _HARMLESS[on], INVALID_CRC, INVALID_COUNTER)


def _crc_over_counter(s: Session, on: Characteristic) -> None:
    octets = _counted(s, on, 1)
    _refused(s, on, octets[:-3] + b"\x02" + octets[-2:], INVALID_CRC)


def _bad_crc_keeps(s: Session, on: Characteristic) -> None:
    _refused(s, on, _counted(s, on, 1)[:-1] + b"\x00", INVALID_CRC)
    _accepted(s, on, 1)


def _first(s: Session, on: Characteristic) -> None:
    for counter in (2, 0, 255):
        _refused(s, on, _counted(s, on, counter), INVALID_COUNTER)
    _accepted(s, on, 1)


def _repeated(s: Session, on: Characteristic) -> None:
    _accepted(s, on, 1)
    _accepted(s, on, 2)
    _refused(s, on, _counted(s, on, 2), INVALID_COUNTER)


def _lower(s: Session, on: Characteristic) -> None:
    for counter in (1, 2, 3):
        _accepted(s, on, counter)
    _refused(s, on, _counted(s, on, 1), INVALID_COUNTER)


def _gap(s: Session, on: Characteristic) -> None:
    _accepted(s, on, 1)
    _refused(s, on, _counted(s, on, 3), INVALID_COUNTER)


def _goes_on(s: Session, on: Characteristic) -> None:
    _accepted(s, on, 1)
    _refused(s, on, _counted(s, on, 9), INVALID_COUNTER)
    _accepted(s, on, 2)


def _wrap(s: Session, on: Characteristic) -> None:
    for counter in range(1, 256):
        _accepted(s, on, counter)
    _refused(s, on, _counted(s, on, 0), INVALID_COUNTER)
    _accepted(s, on, 1)
    _accepted(s, on, 2)


def _reconnect(s: Session, on: Characteristic) -> None:
    for counter in (1, 2, 3):
        _accepted(s, on, counter)
    s.open()
    _refused(s, on, _counted(s, on, 4), INVALID_COUNTER)
    _accepted(s, on, 1)


_WRITES: tuple[tuple[str, str, Callable[[Session, Characteristic], None]], ...] = (
    ("bad-crc", "A wrong CRC is refused with ATT error 0x81.", _bad_crc),
    ("missing", "A value without counter and CRC is refused with ATT error 0x81 or 0x82.", _missing),
    ("crc-covers-counter", "The CRC covers the counter: another counter behind the same CRC is 0x81.",
     _crc_over_counter),
    ("bad-crc-keeps-counter", "A value with a wrong CRC leaves the counter as it was.", _bad_crc_keeps),
    ("first-is-1", "The first counter of a connection is 1; 0, 2 and 255 are refused with 0x82.", _first),
    ("repeated", "A counter that was used already is refused with 0x82.", _repeated),
    ("lower", "A counter below the last one is refused with 0x82.", _lower),
    ("gap", "A counter that leaves one out is refused with 0x82.", _gap),
    ("goes-on", "After a counter that was refused the one that was due is taken.", _goes_on),
    ("wrap", "255 is followed by 1, never by 0.", _wrap),
    ("reconnect", "A fresh connection counts from 1 again.", _reconnect),
)  # fmt: skip


def _write_case(on: Characteristic, name: str, about: str, run: Callable[[Session, Characteristic], None]) -> None:
    @case(f"e2e.write.{_SHORT[on]}.{name}", "3.12", about, needs=PROTECTED, command=on is CCP, history=on is RACP,
          stack=REFUSES)  # fmt: skip
    def _run(s: Session) -> None:
        run(s, on)


for _on in (SRCP, CCP, RACP):
    for _name, _about, _function in _WRITES:
        _write_case(_on, _name, _about, _function)


@case("e2e.write.per-characteristic", "3.12", "Each control point has a counter of its own.", needs=PROTECTED,
      command=True)  # fmt: skip
def _per_characteristic(s: Session) -> None:
    for counter in (1, 2, 3):
        _accepted(s, SRCP, counter)
    _accepted(s, CCP, 1)
    _accepted(s, SRCP, 4)


@case("e2e.write.does-nothing", "3.12", "A command whose CRC is wrong is not carried out.", needs=PROTECTED,
      command=True, stack=REFUSES)  # fmt: skip
def _does_nothing(s: Session) -> None:
    run_therapy(s)
    octets = s.protected(CCP, request("SetTherapyControlState", b"\x33"))
    _refused(s, CCP, octets[:-1] + bytes((octets[-1] ^ 0x80,)), INVALID_CRC)
    state = s.fields(database.STATUS)["therapy_control_state"]
    s.equal("therapy control state", state, TherapyControlState.RUN)


@case("e2e.write.no-doubling", "3.12", "A Set Bolus that comes twice with one counter is one bolus.", command=True,
      needs=PROTECTED | IddFeatureFlags.FAST_BOLUS, stack=REFUSES)  # fmt: skip
def _no_doubling(s: Session) -> None:
    from pumprig.conformance.steps import set_bolus
    from pumpwire.enums import BolusType

    run_therapy(s)
    _, bolus = set_bolus(s, BolusType.FAST)
    octets = e2e.protect(bolus.request(), s.next_counter(CCP) - 1)
    _refused(s, CCP, octets, INVALID_COUNTER)
    s.equal("active boluses", len(active_ids(s)), 1)


# --- What the server sends --------------------------------------------------------------------------------------


def _counters(s: Session, characteristic: Characteristic, count: int) -> list[int]:
    seen = []
    for _ in range(count):
        octets = s.read_octets(characteristic)
        if not isinstance(octets, bytes):
            raise Failed(f"{characteristic.name} can be read", repr(octets))
        at = 2 if characteristic is database.FEATURES else -3
        seen.append(Octets(octets)[at])
    return seen


def _read_case(characteristic: Characteristic) -> None:
    name = characteristic.constant.lower().replace("_", "-").removeprefix("idd-")
    # Where the server does not know who asked for it, it may indicate it in between.
    stack = (*COUNTS, "cccd_known") if characteristic is database.STATUS_CHANGED else COUNTS

    @case(f"e2e.read.{name}", "3.1", f"Reads of {characteristic.name} count from 1 on each connection.",
          needs=PROTECTED, stack=stack)  # fmt: skip
    def _read(s: Session) -> None:
        before = len(s.bench.noted)
        s.equal("counters of four reads", _counters(s, characteristic, 4), [1, 2, 3, 4])
        s.open()
        s.equal("counters on the next connection", _counters(s, characteristic, 2), [1, 2])
        wrong = [noted.text for noted in s.bench.noted[before:] if noted.kind == "e2e"]
        s.holds(not wrong, "right counters and CRCs", "; ".join(wrong))


for _item in (database.STATUS_CHANGED, database.STATUS, database.ANNUNCIATION_STATUS, database.FEATURES):
    _read_case(_item)


@case("e2e.read.wrap", "3.1", "The server's counter goes from 255 to 1.", needs=PROTECTED, stack=COUNTS)
def _read_wrap(s: Session) -> None:
    seen = _counters(s, database.STATUS, 257)
    s.equal("counters from the 254th read on", seen[253:], [254, 255, 1, 2])


@case("e2e.indicate.counts", "3.1", "Indications of a control point count from 1, apart from those of another one.",
      needs=PROTECTED, command=True)  # fmt: skip
def _indications(s: Session) -> None:
    before = len(s.bench.noted)
    for on in (SRCP, SRCP, CCP, SRCP, CCP):
        answer = s.ask(on, _HARMLESS[on])
        s.holds(answer.octets is not None, "an indication", str(answer))
    wrong = [noted.text for noted in s.bench.noted[before:] if noted.kind == "e2e"]
    s.holds(not wrong, "counters from 1 for each control point", "; ".join(wrong))


@case("e2e.notify.command-data", "3.1", "Notifications of Command Data count from 1, over procedures.", command=True,
      needs=PROTECTED | IddFeatureFlags.BASAL_RATE)  # fmt: skip
def _command_data(s: Session) -> None:
    from pumprig.conformance.steps import KINDS, kind_blocks, read_profile, write_profile

    before = len(s.bench.noted)
    number = configurable(s, TemplateType.BASAL_RATE_PROFILE)[0]
    write_profile(s, KINDS[0], number, kind_blocks(KINDS[0]))
    for _ in range(3):
        read_profile(s, KINDS[0], number)
    wrong = [noted.text for noted in s.bench.noted[before:] if noted.kind == "e2e"]
    s.holds(not wrong, "counters from 1, one more each", "; ".join(wrong))


@case("e2e.history-crc-alone", "3.10", "A history record carries a CRC and no counter.", needs=PROTECTED, history=True)
def _history(s: Session) -> None:
    octets = s.protected(RACP, request("RacpReportStoredRecords", from_sequence(0)))
    s.write_octets(RACP.handle, octets)
    value = s.channel.value((database.HISTORY_DATA.handle, RACP.handle), 30.0)
    if value is None or value.handle == RACP.handle:
        raise NotPossible("the history is empty")
    crc = e2e.crc16(value.octets[:-2]).to_bytes(2, "little")
    s.holds(value.octets[-2:] == crc, f"the CRC {hex_of(crc)} over the record alone", hex_of(value.octets))


@case("e2e.status-changed-shared", "3.1", "Reads and indications of Status Changed share one counter.", needs=PROTECTED,
      command=True, stack=COUNTS)  # fmt: skip
def _shared(s: Session) -> None:
    before = len(s.bench.noted)
    s.subscribe(database.STATUS_CHANGED)
    s.read(database.STATUS_CHANGED)
    therapy(s, TherapyControlState.RUN)
    therapy(s, TherapyControlState.STOP)
    s.take(database.STATUS_CHANGED, 3.0)
    s.read(database.STATUS_CHANGED)
    wrong = [noted.text for noted in s.bench.noted[before:] if noted.text.startswith("IDD Status Changed")]
    s.holds(not wrong, "one counter for both", "; ".join(wrong))


@case("e2e.none", "3.1", "Without E2E-Protection a control point takes a value without counter and CRC.")
def _none(s: Session) -> None:
    if s.bench.features & PROTECTED:
        raise NotPossible("the server has E2E-Protection")
    s.answered(SRCP, request("GetTotalDailyInsulinStatus"), "GetTotalDailyInsulinStatusResponse")


