"""Cases: IDD Status, IDD Annunciation Status and IDD Status Changed (IDS 1.0.2, 3.2 to 3.4)."""

from __future__ import annotations

from decimal import Decimal

from pumprig.conformance.model import Failed, NotPossible, case
from pumprig.conformance.octets import Bolus, hex_of, request, u16
from pumprig.conformance.session import CCP, SRCP, Session
from pumprig.conformance.steps import KINDS, activate, basal_profile, run_therapy, set_bolus, therapy, write_profile
from pumpwire import database
from pumpwire.enums import (
    AnnunciationStatus,
    BolusType,
    FaultKind,
    IddFeatureFlags,
    OperationalState,
    ResponseCode,
    StatusChangedFlags,
    TherapyControlState,
)
from pumpwire.numbers import Special

STATUS, CHANGED, ANNUNCIATION = database.STATUS, database.STATUS_CHANGED, database.ANNUNCIATION_STATUS
SUCCESS, NOT_APPLICABLE = ResponseCode.SUCCESS, ResponseCode.PROCEDURE_NOT_APPLICABLE
ALL_BITS = 0x00FF
FAST, BASAL = IddFeatureFlags.FAST_BOLUS, IddFeatureFlags.BASAL_RATE

# --- IDD Status -------------------------------------------------------------------------------------------------


@case("status.format", "3.3", "IDD Status has 5 octets, known states, and RFU bits 0.")
def _format(s: Session) -> None:
    octets = s.read(STATUS)
    s.holds(len(octets) == 5, "5 octets", hex_of(octets))
    s.holds(octets[0] in set(TherapyControlState), "a known therapy control state", hex_of(octets))
    s.holds(octets[1] in set(OperationalState), "a known operational state", hex_of(octets))
    s.holds(not octets[4] & 0xFE, "bits 1 to 7 of the flags 0", hex_of(octets))


@case("status.reservoir", "3.3", "The reservoir is a number when attached, and NaN when not.")
def _reservoir(s: Session) -> None:
    fields = s.fields(STATUS)
    value = fields["reservoir_remaining_iu"]
    if fields["flags"] & 1:
        s.holds(isinstance(value, Decimal) and value >= 0, "a number that is not negative", str(value))
    else:
        s.equal("reservoir", value, Special.NAN)


@case("status.reservoir-detached", "3.3", "A reservoir that is taken away clears the flag, and its content is NaN.")
def _detached(s: Session) -> None:
    s.bench.fault(s, FaultKind.RESERVOIR_DETACHED, 1)
    s.wait(2.0)
    octets = s.read(STATUS)
    s.holds(octets[2:4] == b"\xff\x07" and not octets[4] & 1, "ff 07 and flag 0", hex_of(octets))


@case("status.reservoir-falls", "3.3", "What a bolus delivers is missing from the reservoir.", needs=FAST, command=True,
      seconds=90)  # fmt: skip
def _falls(s: Session) -> None:
    run_therapy(s, "0.5")
    before = s.fields(STATUS)["reservoir_remaining_iu"]
    set_bolus(s, BolusType.FAST, ("2", "1"))
    s.wait(90)
    after = s.fields(STATUS)["reservoir_remaining_iu"]
    s.holds(after < before, f"less than {before} IU", f"{after} IU")


@case("status.therapy-state", "3.3", "IDD Status shows the therapy control state that was set.", command=True)
def _tracks(s: Session) -> None:
    run_therapy(s)
    s.equal("therapy control state", s.fields(STATUS)["therapy_control_state"], TherapyControlState.RUN)
    s.has_code(therapy(s, TherapyControlState.STOP), SUCCESS)
    s.equal("therapy control state", s.fields(STATUS)["therapy_control_state"], TherapyControlState.STOP)


@case("status.pause", "3.3", "A pause that is accepted shows as Pause.", command=True)
def _pause(s: Session) -> None:
    run_therapy(s)
    answer = therapy(s, TherapyControlState.PAUSE)
    if answer.code == NOT_APPLICABLE:
        raise NotPossible("the server does not pause")
    s.has_code(answer, SUCCESS)
    s.equal("therapy control state", s.fields(STATUS)["therapy_control_state"], TherapyControlState.PAUSE)


@case("status.indicates", "3.3", "A change of the therapy control state is indicated by IDD Status.", command=True)
def _status_indicates(s: Session) -> None:
    therapy(s, TherapyControlState.STOP)
    s.subscribe(STATUS)
    run_therapy(s)
    octets = s.take(STATUS, 3.0)
    s.holds(octets is not None and octets[0] == TherapyControlState.RUN, "an indication of Run", hex_of(octets))


# --- IDD Status Changed -----------------------------------------------------------------------------------------


def _flags(s: Session) -> int:
    octets = s.read(CHANGED)
    s.holds(len(octets) == 2, "2 octets", hex_of(octets))
    return int.from_bytes(octets, "little")


def _reset(s: Session, bits: int = ALL_BITS) -> None:
    s.code(SRCP, request("ResetStatus", u16(bits)), SUCCESS)


@case("status-changed.format", "3.2", "IDD Status Changed has 2 octets, and RFU bits 0.")
def _changed_format(s: Session) -> None:
    s.holds(not _flags(s) & 0xFF00, "bits 8 to 15 are 0", f"0x{_flags(s):04X}")


@case("status-changed.reset-all", "3.2", "Reset Status clears every bit that it names.")
def _reset_all(s: Session) -> None:
    _reset(s)
    s.equal("flags", _flags(s), 0)


@case("status-changed.latches", "3.2", "A bit stays set over reads, over its cause and over connections.", command=True)
def _latches(s: Session) -> None:
    _reset(s)
    run_therapy(s)
    bit = StatusChangedFlags.THERAPY_CONTROL_STATE_CHANGED
    s.has_code(therapy(s, TherapyControlState.STOP), SUCCESS)
    for _ in range(2):
        s.holds(bool(_flags(s) & bit), "bit 0 set", f"0x{_flags(s):04X}")
    s.open()
    s.holds(bool(_flags(s) & bit), "bit 0 set on the next connection", f"0x{_flags(s):04X}")


@case("status-changed.reset-named-alone", "3.2", "Reset Status leaves the bits alone that it does not name.",
      command=True)  # fmt: skip
def _named_alone(s: Session) -> None:
    run_therapy(s)
    before = _flags(s)
    if before.bit_count() < 2:
        raise NotPossible(f"only the bits 0x{before:04X} are set")
    _reset(s, StatusChangedFlags.THERAPY_CONTROL_STATE_CHANGED)
    s.equal("flags", _flags(s), before & ~StatusChangedFlags.THERAPY_CONTROL_STATE_CHANGED)


@case("status-changed.indicates", "3.2", "A bit that becomes set is indicated.", command=True)
def _indicates(s: Session) -> None:
    _reset(s)
    s.subscribe(CHANGED)
    run_therapy(s)
    octets = s.take(CHANGED, 3.0)
    s.holds(octets is not None, "an indication of IDD Status Changed", "none")


@case("status-changed.not-unasked", "3.2", "Without a client configuration IDD Status Changed is not indicated.",
      command=True,
      stack=("cccd_known",))  # fmt: skip
def _unasked(s: Session) -> None:
    s.configure(CHANGED, 0)
    _reset(s)
    run_therapy(s)
    octets = s.take(CHANGED, 2.0)
    s.holds(octets is None, "no indication", hex_of(octets))


def _sets(s: Session, bit: StatusChangedFlags) -> None:
    s.holds(bool(_flags(s) & bit), f"{bit.name} set", f"0x{_flags(s):04X}")


@case("status-changed.therapy", "3.2", "A change of the therapy control state sets bit 0.", command=True)
def _therapy_bit(s: Session) -> None:
    if s.bench.features & BASAL:
        basal_profile(s)
    _reset(s)
    s.has_code(therapy(s, TherapyControlState.RUN), SUCCESS)
    _sets(s, StatusChangedFlags.THERAPY_CONTROL_STATE_CHANGED)


@case("status-changed.history", "3.2", "An event that is recorded sets bit 7.", command=True, history=True)
def _history_bit(s: Session) -> None:
    _reset(s)
    run_therapy(s)
    _sets(s, StatusChangedFlags.HISTORY_EVENT_RECORDED)


@case("status-changed.basal", "3.2", "A change of the active basal rate sets bit 5.", command=True, needs=BASAL)
def _basal_bit(s: Session) -> None:
    number = run_therapy(s)
    _reset(s)
    write_profile(s, KINDS[0], number, [(1440, "2")])
    activate(s, number)
    _sets(s, StatusChangedFlags.ACTIVE_BASAL_RATE_STATUS_CHANGED)


@case("status-changed.bolus", "3.2", "A bolus that starts, and one that ends, set bit 6.", command=True, needs=FAST)
def _bolus_bit(s: Session) -> None:
    run_therapy(s)
    _reset(s)
    bolus_id, _ = set_bolus(s, BolusType.FAST)
    _sets(s, StatusChangedFlags.ACTIVE_BOLUS_STATUS_CHANGED)
    _reset(s)
    s.answered(CCP, request("CancelBolus", u16(bolus_id)), "CancelBolusResponse")
    _sets(s, StatusChangedFlags.ACTIVE_BOLUS_STATUS_CHANGED)


@case("status-changed.daily", "3.2", "The end of an effective delivery sets bit 4.", command=True, needs=FAST,
      seconds=90)  # fmt: skip
def _daily_bit(s: Session) -> None:
    run_therapy(s)
    _reset(s)
    set_bolus(s, BolusType.FAST)
    s.wait(90)
    _sets(s, StatusChangedFlags.TOTAL_DAILY_INSULIN_STATUS_CHANGED)


@case("status-changed.reservoir", "3.2", "A reservoir that is taken away sets bit 2.")
def _reservoir_bit(s: Session) -> None:
    _reset(s)
    s.bench.fault(s, FaultKind.RESERVOIR_DETACHED, 1)
    s.wait(2.0)
    _sets(s, StatusChangedFlags.RESERVOIR_STATUS_CHANGED)


@case("status-changed.annunciation", "3.2", "An annunciation that is raised sets bit 3.", command=True, needs=FAST)
def _annunciation_bit(s: Session) -> None:
    run_therapy(s)
    _reset(s)
    raise_annunciation(s)
    _sets(s, StatusChangedFlags.ANNUNCIATION_STATUS_CHANGED)


# --- Annunciations ----------------------------------------------------------------------------------------------


def raise_annunciation(s: Session) -> tuple[int, int]:
    """Lets an occlusion meet a bolus, unless an annunciation is shown already; returns its ID and type."""
    fields = s.fields(ANNUNCIATION)
    if fields["annunciation_id"] is None:
        s.bench.fault(s, FaultKind.OCCLUSION, 1)
        therapy(s, TherapyControlState.RUN)
        s.ask(CCP, Bolus(BolusType.FAST, "1").request())
        s.wait(10.0)
        s.bench.fault(s, FaultKind.OCCLUSION, 0)
        fields = s.fields(ANNUNCIATION)
    if fields["annunciation_id"] is None:
        raise Failed("an annunciation of an occlusion", "none")
    return int(fields["annunciation_id"]), int(fields["annunciation_type"])


def _shown(s: Session) -> dict[str, object]:
    return dict(s.fields(ANNUNCIATION))


@case("annunciation.none", "3.4", "Without an annunciation the value is one octet of flags, bit 0 clear.", fresh=True)
def _none(s: Session) -> None:
    octets = s.read(ANNUNCIATION)
    if octets[:1] != b"\x00":
        raise NotPossible("an annunciation is shown")
    s.equal("octets", octets.hex(), "00")


@case("annunciation.format", "3.4", "An annunciation is told with ID, type and status, and RFU bits 0.", command=True,
      needs=FAST)  # fmt: skip
def _annunciation_format(s: Session) -> None:
    run_therapy(s)
    raise_annunciation(s)
    octets = s.read(ANNUNCIATION)
    aux = (octets[0] >> 1 & 0x1F).bit_count()
    s.holds(not octets[0] & 0xC0, "bits 6 and 7 are 0", hex_of(octets))
    s.holds(len(octets) == 6 + 2 * aux, f"{6 + 2 * aux} octets", hex_of(octets))
    s.equal("status", _shown(s)["annunciation_status"], AnnunciationStatus.PENDING)


@case("annunciation.indicates", "3.4", "An annunciation that is raised is indicated.", command=True, needs=FAST,
      fresh=True)  # fmt: skip
def _annunciation_indicates(s: Session) -> None:
    run_therapy(s)
    if s.fields(ANNUNCIATION)["annunciation_id"] is not None:
        raise NotPossible("an annunciation is shown already")
    s.subscribe(ANNUNCIATION)
    shown, _ = raise_annunciation(s)
    octets = s.take(ANNUNCIATION, 3.0)
    s.holds(octets is not None and octets[1:3] == u16(shown), f"an indication of annunciation {shown}", hex_of(octets))


@case("annunciation.confirm", "3.7.2", "A confirmed annunciation is shown no longer, and sets bit 3.", command=True,
      needs=FAST)  # fmt: skip
def _confirm(s: Session) -> None:
    run_therapy(s)
    shown, _ = raise_annunciation(s)
    _reset(s)
    answer = s.answered(CCP, request("ConfirmAnnunciation", u16(shown)), "ConfirmAnnunciationResponse")
    s.equal("ID of the answer", answer.fields["annunciation_id"], shown)
    s.holds(_shown(s)["annunciation_id"] != shown, f"annunciation {shown} shown no longer", "it is shown")
    _sets(s, StatusChangedFlags.ANNUNCIATION_STATUS_CHANGED)


@case("annunciation.confirm-twice", "3.7.2", "Confirming a confirmed annunciation answers 0x74.", command=True,
      needs=FAST)  # fmt: skip
def _confirm_twice(s: Session) -> None:
    run_therapy(s)
    shown, _ = raise_annunciation(s)
    s.answered(CCP, request("ConfirmAnnunciation", u16(shown)), "ConfirmAnnunciationResponse")
    s.code(CCP, request("ConfirmAnnunciation", u16(shown)), NOT_APPLICABLE)


@case("annunciation.snooze", "3.7.2", "A snoozed annunciation has the status snoozed, and sets bit 3.", command=True,
      needs=FAST)  # fmt: skip
def _snooze(s: Session) -> None:
    run_therapy(s)
    shown, _ = raise_annunciation(s)
    _reset(s)
    answer = s.answered(CCP, request("SnoozeAnnunciation", u16(shown)), "SnoozeAnnunciationResponse")
    s.equal("ID of the answer", answer.fields["annunciation_id"], shown)
    _sets(s, StatusChangedFlags.ANNUNCIATION_STATUS_CHANGED)
    if _shown(s)["annunciation_id"] == shown:
        s.equal("status", _shown(s)["annunciation_status"], AnnunciationStatus.SNOOZED)


@case("annunciation.snooze-ends", "3.7.2", "When its snooze is over an annunciation is pending again, and sets bit 3.",
      command=True, needs=FAST, seconds=7200)  # fmt: skip
def _snooze_ends(s: Session) -> None:
    run_therapy(s)
    shown, _ = raise_annunciation(s)
    s.answered(CCP, request("SnoozeAnnunciation", u16(shown)), "SnoozeAnnunciationResponse")
    _reset(s)
    for _ in range(24):
        s.wait(300)
        if _shown(s)["annunciation_status"] == AnnunciationStatus.PENDING:
            _sets(s, StatusChangedFlags.ANNUNCIATION_STATUS_CHANGED)
            return
    raise NotPossible("the snooze lasts longer than two hours")


@case("annunciation.snooze-confirmed", "3.7.2", "Snoozing a confirmed annunciation answers 0x74.", command=True,
      needs=FAST)  # fmt: skip
def _snooze_confirmed(s: Session) -> None:
    run_therapy(s)
    shown, _ = raise_annunciation(s)
    s.answered(CCP, request("ConfirmAnnunciation", u16(shown)), "ConfirmAnnunciationResponse")
    s.code(CCP, request("SnoozeAnnunciation", u16(shown)), NOT_APPLICABLE)


@case("annunciation.stays", "3.4", "An annunciation stays until it is confirmed, over connections and reads.",
      command=True,
      needs=FAST)  # fmt: skip
def _stays(s: Session) -> None:
    run_therapy(s)
    shown, kind = raise_annunciation(s)
    s.open()
    fields = _shown(s)
    s.equal("ID and type", (fields["annunciation_id"], fields["annunciation_type"]), (shown, kind))


def _unknown(name: str, word: str) -> None:
    @case(f"annunciation.{word}-unknown", "3.7.2", f"{word.capitalize()} of an ID that was never given answers 0x74.",
          command=True)  # fmt: skip
    def _never(s: Session) -> None:
        for annunciation_id in (0, 0xFFF0):
            s.code(CCP, request(name, u16(annunciation_id)), NOT_APPLICABLE)


_unknown("SnoozeAnnunciation", "snooze")
_unknown("ConfirmAnnunciation", "confirm")
