"""Cases: what a server does over the air whose stack acknowledges each write by itself.

IDS 1.0.2 has an ATT error for a wrong counter, a wrong CRC, a collision and a missing configuration. Where none can be
sent, the connection ends, or the control point answers (DOSING.md, D-1510 and D-1511); either way nothing is done.
"""

from __future__ import annotations

from pumprig.conformance.cases_procedures import long_report
from pumprig.conformance.model import Failed, NotPossible, case
from pumprig.conformance.octets import Bolus, hex_of, request, u8
from pumprig.conformance.session import CCP, RACP, SRCP, Answer, Session
from pumprig.conformance.steps import active_ids, run_therapy, selection, set_bolus
from pumpwire import database, e2e
from pumpwire.database import Characteristic
from pumpwire.enums import (
    BolusType,
    FaultKind,
    IddFeatureFlags,
    RacpOperator,
    RacpResponseCode,
    ResponseCode,
    TherapyControlState,
)
from pumpwire.registry import MESSAGES

PROTECTED = IddFeatureFlags.E2E_PROTECTION
ENDS_WITHIN_S = 5.0
_SHORT = {SRCP: "srcp", CCP: "ccp", RACP: "racp"}
_HARMLESS = {
    SRCP: request("GetTotalDailyInsulinStatus"),
    CCP: request("SetTherapyControlState", u8(TherapyControlState.STOP)),
    RACP: request("RacpReportNumberOfStoredRecords", selection(RacpOperator.ALL)),
}


def _no_error_possible(s: Session) -> None:
    if "write_error" not in s.bench.limits:
        raise NotPossible("a write can be refused by an ATT error here, which other cases want to see")


def _ends(s: Session, on: Characteristic, octets: bytes) -> None:
    """Writes a value that is wrong, and wants the connection to end without an answer."""
    s.write_octets(on.handle, octets)
    until_s = s.channel.now_s + ENDS_WITHIN_S
    while not s.channel.closed and s.channel.now_s < until_s:
        s.wait(0.25)
    value = s.take(on, 0.25)
    s.holds(value is None, "no indication after a wrong write", hex_of(value))
    s.holds(s.channel.closed, f"the connection ends after {hex_of(octets)}", "a connection that stands")
    s.open()


def _wrong(on: Characteristic, name: str, about: str, octets: bytes) -> None:
    @case(f"radio.write.{_SHORT[on]}.{name}", "3.12", f"{about} ends the connection, and the next one counts from 1.",
          needs=PROTECTED, command=on is CCP, history=on is RACP)  # fmt: skip
    def _run(s: Session) -> None:
        _no_error_possible(s)
        _ends(s, on, octets)
        answer = s.ask(on, _HARMLESS[on])
        s.holds(answer.octets is not None, "an indication on the next connection", str(answer))


def _spoilt(octets: bytes) -> bytes:
    return octets[:-1] + bytes((octets[-1] ^ 0x01,))


for _on in (SRCP, CCP, RACP):
    _wrong(_on, "bad-crc", "A wrong CRC", _spoilt(e2e.protect(_HARMLESS[_on], 1)))
    _wrong(_on, "bad-counter", "A counter that leaves one out", e2e.protect(_HARMLESS[_on], 2))
    _wrong(_on, "missing", "A value without counter and CRC", _HARMLESS[_on])


@case("radio.write.no-doubling", "3.12", "A Set Bolus that comes twice with one counter is one bolus.", command=True,
      needs=PROTECTED | IddFeatureFlags.FAST_BOLUS)  # fmt: skip
def _no_doubling(s: Session) -> None:
    _no_error_possible(s)
    run_therapy(s)
    _, bolus = set_bolus(s, BolusType.FAST)
    _ends(s, CCP, e2e.protect(bolus.request(), s.next_counter(CCP) - 1))
    s.equal("active boluses", len(active_ids(s)), 1)


@case("radio.write.does-nothing", "3.12", "A command whose CRC is wrong is not carried out.", needs=PROTECTED,
      command=True)  # fmt: skip
def _does_nothing(s: Session) -> None:
    _no_error_possible(s)
    run_therapy(s)
    _ends(s, CCP, _spoilt(s.protected(CCP, _HARMLESS[CCP])))
    state = s.fields(database.STATUS)["therapy_control_state"]
    s.equal("therapy control state", state, TherapyControlState.RUN)


def _collision(on: Characteristic) -> None:
    @case(f"radio.collision.{_SHORT[on]}", "3.11",
          f"While a report runs, the {on.name} answers that a procedure was not completed, and the report stays whole.",
          command=on is CCP, history=True)  # fmt: skip
    def _refused(s: Session) -> None:
        _no_error_possible(s)
        running = long_report(s)
        answer = Answer(on, _HARMLESS[on], s.write_octets(on.handle, s.protected(on, _HARMLESS[on])))
        s.has_code(s.finish(running), RacpResponseCode.SUCCESS)
        codes = RacpResponseCode if on is RACP else ResponseCode
        s.has_code(s.finish(answer), codes.PROCEDURE_NOT_COMPLETED)


for _on in (SRCP, CCP, RACP):
    _collision(_on)


@case("radio.collision.set-bolus", "3.11", "A Set Bolus that collides starts nothing.", command=True, history=True,
      needs=IddFeatureFlags.FAST_BOLUS)  # fmt: skip
def _bolus(s: Session) -> None:
    _no_error_possible(s)
    run_therapy(s)
    running = long_report(s)
    message = Bolus(BolusType.FAST, "1").request()
    answer = Answer(CCP, message, s.write_octets(CCP.handle, s.protected(CCP, message)))
    s.finish(running)
    s.has_code(s.finish(answer), ResponseCode.PROCEDURE_NOT_COMPLETED)
    s.equal("active boluses", active_ids(s), [])


@case("radio.write-result", "3", "A value of a vendor's service that is refused is refused, whatever the stack says.")
def _told(s: Session) -> None:
    on = database.EMULATOR_FAULT
    if not s.bench.has(on):
        raise NotPossible("the server has no emulator service to write to")
    good = MESSAGES["EmulatorFault"].build(fault_kind=FaultKind.BATTERY_LEVEL, fault_value=50)
    for octets, wanted in ((good, 0), (good[:1] + b"\x65" + good[2:], 0xFF), (good[:2], 0x0D)):
        error = s.write_octets(on.handle, s.protected(on, octets))
        s.equal(f"ATT error of {hex_of(octets)}", error, wanted)
    error = s.write_octets(on.handle, _spoilt(s.protected(on, good)))
    s.equal("ATT error of a wrong CRC", error, 0x81)
    if s.channel.closed:
        raise Failed("a connection that stands", "its end")
