"""Cases: the Command Control Point as a whole, therapy, flight mode, maximum bolus (IDS 1.0.2, 3.7)."""

from __future__ import annotations

from decimal import Decimal

from pumprig.conformance.model import NotPossible, case
from pumprig.conformance.octets import ANY_RFU, NAN, PINF, request, sf, u8, u16
from pumprig.conformance.session import CCP, SRCP, Session
from pumprig.conformance.steps import run_therapy, tbr_operand, therapy
from pumpwire import database
from pumpwire.enums import FaultKind, IddFeatureFlags, ResponseCode, TherapyControlState
from pumpwire.registry import MESSAGES

SUCCESS, INVALID = ResponseCode.SUCCESS, ResponseCode.INVALID_OPERAND
OUT_OF_RANGE, NOT_APPLICABLE = ResponseCode.PARAMETER_OUT_OF_RANGE, ResponseCode.PROCEDURE_NOT_APPLICABLE
NOT_SUPPORTED = ResponseCode.OPCODE_NOT_SUPPORTED
F = IddFeatureFlags
HUGE = sf(Decimal(2047).scaleb(7))

_PROFILE = (
    F.BASAL_RATE | F.ISF_PROFILE_TEMPLATE | F.ICHO_RATIO_PROFILE_TEMPLATE | F.TARGET_GLUCOSE_RANGE_PROFILE_TEMPLATE
)  # fmt: skip
_TBR = F.TBR_ABSOLUTE | F.TBR_RELATIVE
_BOLUS = F.FAST_BOLUS | F.EXTENDED_BOLUS | F.MULTIWAVE_BOLUS
_TEMPLATES = _PROFILE | F.TBR_TEMPLATE | F.BOLUS_TEMPLATE
# For each command the shortest right operand, the features of which one asks for it (None: the standard leaves it to
# the server), and its clause.
COMMANDS: dict[str, tuple[bytes, IddFeatureFlags | None, str]] = {
    "SetTherapyControlState": (u8(0x33), F(0), "3.7.2.2"),
    "SetFlightMode": (b"", F(0), "3.7.2.3"),
    "SnoozeAnnunciation": (u16(1), F(0), "3.7.2"),
    "ConfirmAnnunciation": (u16(1), F(0), "3.7.2"),
    "ReadBasalRateTemplate": (u8(1), F.BASAL_RATE, "3.7.2.6"),
    "WriteBasalRateTemplate": (u8(1) + u8(1) + u8(1) + u16(1440) + sf(1), F.BASAL_RATE, "3.7.2.6"),
    "SetTbrAdjustment": (tbr_operand(0x33, "1", 30), _TBR, "3.7.2.7"),
    "CancelTbrAdjustment": (b"", _TBR, "3.7.2.8"),
    "GetTbrTemplate": (u8(1), F.TBR_TEMPLATE, "3.7.2"),
    "SetTbrTemplate": (u8(1) + u8(0x33) + sf(1) + u16(30), F.TBR_TEMPLATE, "3.7.2"),
    "SetBolus": (u8(0) + u8(0x33) + sf(1) + sf(0) + u16(0), _BOLUS, "3.7.2.14"),
    "CancelBolus": (u16(1), _BOLUS, "3.7.2.15"),
    "GetAvailableBoluses": (b"", _BOLUS, "3.7.2"),
    "GetBolusTemplate": (u8(1), F.BOLUS_TEMPLATE, "3.7.2"),
    "SetBolusTemplate": (u8(1) + u8(0) + u8(0x33) + sf(1) + sf(0) + u16(0), F.BOLUS_TEMPLATE, "3.7.2"),
    "GetTemplateStatusAndDetails": (b"", _TEMPLATES, "3.7.2"),
    "ResetTemplateStatus": (u8(1) + u8(1), _TEMPLATES, "3.7.2"),
    "ActivateProfileTemplates": (u8(1) + u8(1), _PROFILE, "3.7.2"),
    "GetActivatedProfileTemplates": (b"", _PROFILE, "3.7.2"),
    "StartPriming": (sf(1), None, "3.7.2"),
    "StopPriming": (b"", None, "3.7.2"),
    "SetInitialReservoirFillLevel": (sf(100), None, "3.7.2"),
    "ResetReservoirInsulinOperationTime": (b"", None, "3.7.2"),
    "ReadIsfTemplate": (u8(1), F.ISF_PROFILE_TEMPLATE, "3.7.2"),
    "WriteIsfTemplate": (u8(1) + u8(1) + u8(1) + u16(1440) + sf(50), F.ISF_PROFILE_TEMPLATE, "3.7.2"),
    "ReadIchoRatioTemplate": (u8(1), F.ICHO_RATIO_PROFILE_TEMPLATE, "3.7.2"),
    "WriteIchoRatioTemplate": (u8(1) + u8(1) + u8(1) + u16(1440) + sf(10), F.ICHO_RATIO_PROFILE_TEMPLATE, "3.7.2"),
    "ReadTargetGlucoseRangeTemplate": (u8(1), F.TARGET_GLUCOSE_RANGE_PROFILE_TEMPLATE, "3.7.2"),
    "WriteTargetGlucoseRangeTemplate": (u8(1) + u8(1) + u8(1) + u16(1440) + sf(90) + sf(120),
                                        F.TARGET_GLUCOSE_RANGE_PROFILE_TEMPLATE, "3.7.2"),
    "GetMaxBolusAmount": (b"", None, "3.7.2"),
    "SetMaxBolusAmount": (sf(5), None, "3.7.2"),
}  # fmt: skip


def short_of(name: str) -> str:
    """A message name for an id."""
    return "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("-")


def _asked_for(s: Session, features: IddFeatureFlags | None) -> bool:
    return features is not None and (not features or bool(features & s.bench.features))


def _command(name: str, right: bytes, features: IddFeatureFlags | None, clause: str) -> None:
    short = short_of(name)

    if name != "SetFlightMode":

        @case(f"ccp.{short}.supported", clause, f"{name} is known where a feature asks for it.", command=True)
        def _supported(s: Session) -> None:
            answer = s.ask(CCP, request(name, right))
            s.supported(answer, optional=not _asked_for(s, features))
            known = answer.octets is not None and answer.code != NOT_SUPPORTED
            s.holds(known, f"an answer other than 0x70 to {name}", str(answer))

    def wrong(s: Session, *operands: bytes) -> None:
        for operand in operands:
            answer = s.ask(CCP, request(name, operand))
            s.supported(answer, optional=not _asked_for(s, features))
            s.has_code(answer, INVALID)

    @case(f"ccp.{short}.too-long", clause, f"Octets behind the operand of {name} answer 0x71.", command=True)
    def _long(s: Session) -> None:
        most = MESSAGES[name].on.operand_octets_max - 2
        # A Write has room for more blocks than one: what follows is no block then.
        wrong(s, *{right + b"\x00", right + bytes(max(1, min(3, most - len(right))))})

    if right:

        @case(f"ccp.{short}.too-short", clause, f"A truncated operand of {name} answers 0x71.", command=True)
        def _short(s: Session) -> None:
            wrong(s, *(right[:length] for length in range(len(right))))


for _name, (_right, _features, _clause) in COMMANDS.items():
    _command(_name, _right, _features, _clause)


@case("ccp.opcode.not-advertised", "3.7.2", "Commands for features that are not advertised answer 0x70.", command=True)
def _not_advertised(s: Session) -> None:
    without = [name for name, (_, needed, _) in COMMANDS.items() if needed is not None and not _asked_for(s, needed)]
    if not without:
        raise NotPossible("the server advertises a feature for each command")
    for name in without:
        s.code(CCP, request(name, COMMANDS[name][0]), NOT_SUPPORTED)


@case("ccp.opcode.rfu", "3.7.1", "RFU opcodes, and opcodes of answers, answer 0x70.", command=True)
def _rfu(s: Session) -> None:
    for opcode in (0x14B1, 0x1B7D, 0x0F56, 0xFFFF, 0x0F55, 0x0F96, 0x1177, 0x030C):
        s.code(CCP, request(opcode), NOT_SUPPORTED)


@case("ccp.opcode.prohibited", "3.7.1", "Opcodes from 0x148E to 0x14B0 are neither carried out nor answered.",
      command=True, seconds=9)  # fmt: skip
def _prohibited(s: Session) -> None:
    for opcode in (0x148E, 0x149F, 0x14B0):
        answer = s.ask(CCP, request(opcode), s.bench.quiet_s)
        s.holds(answer.octets is None, f"no indication to opcode 0x{opcode:04X}", str(answer))


@case("ccp.opcode.prohibited-then-next", "3.7.1", "After a prohibited opcode the next procedure is carried out.",
      command=True, seconds=3)  # fmt: skip
def _prohibited_next(s: Session) -> None:
    s.ask(CCP, request(0x148E), s.bench.quiet_s)
    s.code(CCP, request("SetTherapyControlState", u8(TherapyControlState.STOP)), SUCCESS)


# --- Therapy ----------------------------------------------------------------------------------------------------


@case("ccp.therapy.stop", "3.7.2.2", "Stop is accepted from Run, and again in Stop.", command=True)
def _stop(s: Session) -> None:
    run_therapy(s)
    for _ in range(2):
        s.has_code(therapy(s, TherapyControlState.STOP), SUCCESS)


@case("ccp.therapy.rfu", "3.7.2.2", "An RFU state answers 0x71, and changes nothing.", command=True)
def _therapy_rfu(s: Session) -> None:
    run_therapy(s)
    for state in (ANY_RFU, 0x00, 0x5A, 0xFF):
        s.code(CCP, request("SetTherapyControlState", u8(state)), INVALID)
    s.equal("therapy control state", s.fields(database.STATUS)["therapy_control_state"], TherapyControlState.RUN)


@case("ccp.therapy.undetermined", "3.7.2.2", "Undetermined answers 0x71.", command=True)
def _undetermined(s: Session) -> None:
    s.has_code(therapy(s, TherapyControlState.UNDETERMINED), INVALID)


@case("ccp.therapy.run-without-reservoir", "3.7.2.2", "Run without a reservoir answers 0x74.", command=True)
def _no_reservoir(s: Session) -> None:
    s.bench.fault(s, FaultKind.RESERVOIR_DETACHED, 1)
    s.wait(2.0)
    s.has_code(therapy(s, TherapyControlState.RUN), NOT_APPLICABLE)


@case("ccp.therapy.stop-ends-bolus", "3.7.2.2", "In Stop no bolus is active.", command=True, needs=F.FAST_BOLUS)
def _stop_ends(s: Session) -> None:
    from pumprig.conformance.steps import active_ids, set_bolus
    from pumpwire.enums import BolusType

    run_therapy(s)
    set_bolus(s, BolusType.FAST)
    s.has_code(therapy(s, TherapyControlState.STOP), SUCCESS)
    s.equal("active boluses", active_ids(s), [])


@case("ccp.flight-mode", "3.7.2.3", "Set Flight Mode is answered, and then the radio is quiet.",
      command=True, fresh=True)  # fmt: skip
def _flight(s: Session) -> None:
    if not s.bench.virtual:
        raise NotPossible("flight mode ends the connection, and a hand at the pump must end flight mode")
    s.code(CCP, request("SetFlightMode"), SUCCESS)
    s.wait(2.0)
    error = s.write_octets(SRCP.handle, s.protected(SRCP, request("GetTotalDailyInsulinStatus")))
    s.equal("response in flight mode", error, None)


# --- Maximum bolus ----------------------------------------------------------------------------------------------


def _max_bolus(s: Session) -> Decimal:
    answer = s.answered(CCP, request("GetMaxBolusAmount"), "GetMaxBolusAmountResponse", optional=True)
    value = answer.fields["max_bolus_iu"]
    s.holds(isinstance(value, Decimal) and value > 0, "a positive amount", str(answer))
    return Decimal(value)


@case("ccp.max-bolus.get", "3.7.2", "The maximum bolus is a positive number.", command=True)
def _get_max(s: Session) -> None:
    _max_bolus(s)


@case("ccp.max-bolus.set", "3.7.2", "A maximum bolus that is accepted reads back.", command=True)
def _set_max(s: Session) -> None:
    before = _max_bolus(s)
    for value in ("5", str(before)):
        answer = s.ask(CCP, request("SetMaxBolusAmount", sf(value)))
        s.supported(answer)
        s.has_code(answer, SUCCESS)
        s.equal("maximum bolus", _max_bolus(s), Decimal(value))


@case("ccp.max-bolus.limits", "3.7.2", "A bolus above the maximum bolus answers 0x73.", command=True,
      needs=F.FAST_BOLUS)  # fmt: skip
def _limits(s: Session) -> None:
    from pumprig.conformance.octets import Bolus
    from pumpwire.enums import BolusType

    run_therapy(s)
    before = _max_bolus(s)
    answer = s.ask(CCP, request("SetMaxBolusAmount", sf("2")))
    s.supported(answer)
    s.has_code(answer, SUCCESS)
    s.code(CCP, Bolus(BolusType.FAST, "3").request(), OUT_OF_RANGE)
    s.ask(CCP, request("SetMaxBolusAmount", sf(before)))


@case("ccp.max-bolus.out-of-range", "3.7.2", "A maximum bolus beyond all bounds answers 0x73.", command=True)
def _max_range(s: Session) -> None:
    for value in (HUGE, sf("-1")):
        answer = s.ask(CCP, request("SetMaxBolusAmount", value))
        s.supported(answer)
        s.has_code(answer, OUT_OF_RANGE)


@case("ccp.max-bolus.no-number", "3.7.2", "NaN and infinity are no maximum bolus: 0x71 or 0x73.", command=True)
def _max_nan(s: Session) -> None:
    before = _max_bolus(s)
    for value in (NAN, PINF):
        answer = s.ask(CCP, request("SetMaxBolusAmount", value))
        s.supported(answer)
        s.has_code(answer, INVALID, OUT_OF_RANGE)
    s.equal("maximum bolus", _max_bolus(s), before)


# --- Priming, fill level, operation time ------------------------------------------------------------------------


def _optional(s: Session, name: str, operand: bytes, *codes: int) -> None:
    answer = s.ask(CCP, request(name, operand))
    s.supported(answer)
    s.has_code(answer, *codes)


def _operational(s: Session) -> int:
    return int(s.fields(database.STATUS)["operational_state"])


@case("ccp.priming.start", "3.7.2", "Priming that is accepted shows as Priming, and Ready or another state after it.",
      command=True, seconds=60)  # fmt: skip
def _priming(s: Session) -> None:
    _optional(s, "StartPriming", sf("1"), SUCCESS)
    s.equal("operational state", _operational(s), 0x5A)
    s.wait(60)
    s.holds(_operational(s) != 0x5A, "another state than Priming after the amount", "Priming")


@case("ccp.priming.stop", "3.7.2", "Stop Priming ends priming.", command=True)
def _stop_priming(s: Session) -> None:
    _optional(s, "StartPriming", sf("10"), SUCCESS)
    _optional(s, "StopPriming", b"", SUCCESS)
    s.holds(_operational(s) != 0x5A, "another state than Priming", "Priming")


@case("ccp.priming.stop-without", "3.7.2", "Stop Priming without priming, or after it was stopped, answers 0x74.",
      command=True)  # fmt: skip
def _stop_without(s: Session) -> None:
    _optional(s, "StopPriming", b"", NOT_APPLICABLE)
    _optional(s, "StartPriming", sf("10"), SUCCESS)
    _optional(s, "StopPriming", b"", SUCCESS)
    _optional(s, "StopPriming", b"", NOT_APPLICABLE)


@case("ccp.priming.not-in-run", "3.3", "In Run the pump is not primed: 0x74.", command=True)
def _run_priming(s: Session) -> None:
    run_therapy(s)
    _optional(s, "StartPriming", sf("1"), NOT_APPLICABLE)


@case("ccp.priming.out-of-range", "3.7.2", "A priming amount out of range answers 0x73.", command=True)
def _priming_range(s: Session) -> None:
    for amount in (HUGE, sf("-1")):
        _optional(s, "StartPriming", amount, OUT_OF_RANGE)


@case("ccp.priming.no-number", "3.7.2", "NaN is no priming amount: 0x71 or 0x73.", command=True)
def _priming_nan(s: Session) -> None:
    _optional(s, "StartPriming", NAN, INVALID, OUT_OF_RANGE)


@case("ccp.priming.pair", "3.7.2", "A server with Start Priming has Stop Priming.", command=True)
def _pair(s: Session) -> None:
    _optional(s, "StartPriming", sf("1"), SUCCESS, NOT_APPLICABLE, OUT_OF_RANGE)
    answer = s.ask(CCP, request("StopPriming"))
    s.holds(answer.code not in (None, NOT_SUPPORTED), "Stop Priming is supported", str(answer))


@case("ccp.fill-level.set", "3.7.2", "A fill level that is accepted shows in IDD Status.", command=True)
def _fill(s: Session) -> None:
    _optional(s, "SetInitialReservoirFillLevel", sf("150"), SUCCESS)
    s.equal("reservoir", s.fields(database.STATUS)["reservoir_remaining_iu"], Decimal(150))


@case("ccp.fill-level.out-of-range", "3.7.2", "A fill level out of range answers 0x73.", command=True)
def _fill_range(s: Session) -> None:
    for level in (HUGE, sf("-1")):
        _optional(s, "SetInitialReservoirFillLevel", level, OUT_OF_RANGE)


@case("ccp.operation-time.reset", "3.7.2",
      "Reset Reservoir Insulin Operation Time sets elapsed to 0, remaining to all.",
      command=True, seconds=180)  # fmt: skip
def _operation_time(s: Session) -> None:
    def counter(selection: int) -> int:
        answer = s.ask(SRCP, request("GetCounter", u8(0x55), u8(selection)))
        s.supported(answer)
        if answer.code is not None:
            raise NotPossible(f"the server does not tell the operation time: {answer}")
        s.holds(bool(answer.fields), "GetCounterResponse", str(answer))
        return int(list(answer.fields.values())[-1])

    s.wait(180)
    total = counter(0x0F) + counter(0x33)
    _optional(s, "ResetReservoirInsulinOperationTime", b"", SUCCESS)
    s.equal("elapsed", counter(0x33), 0)
    s.equal("remaining", counter(0x0F), total)
