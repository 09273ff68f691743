"""A pump with typed methods: commands, state, history, controller, and what the emulator knows of itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal, InvalidOperation
from types import TracebackType
from typing import Any, Self

from pumplink.client import Client, Received
from pumplink.errors import ProcedureError, WireError
from pumplink.link import Link
from pumplink.results import (
    ActiveBasal,
    ActiveBolus,
    Annunciation,
    BasalBlock,
    ControllerSettings,
    Decision,
    DeliveredInsulin,
    Features,
    Health,
    HistoryRecord,
    Identity,
    InsulinOnBoard,
    Procedure,
    PulseCounters,
    PumpData,
    Status,
    Tbr,
    TemplateStatus,
    TotalDailyInsulin,
)
from pumpwire import database
from pumpwire.clock import from_datetime, to_datetime
from pumpwire.command import unpack_template_states
from pumpwire.enums import (
    AdjustReasonFlags,
    BolusActivationType,
    BolusFlags,
    BolusType,
    BolusValueSelection,
    Controller,
    DeliveryContext,
    FaultKind,
    ProfileWriteFlags,
    ProfileWriteResponseFlags,
    RacpFilter,
    RacpOperator,
    ResponseCode,
    StatusChangedFlags,
    StatusFlags,
    TbrFlags,
    TbrType,
    TherapyControlState,
)
from pumpwire.numbers import Special
from pumpwire.vendor import NO_GLUCOSE, NO_PREDICTION

__all__ = ["Amount", "Pump"]

Amount = Decimal | int | str
"""An amount or a rate: exact, so no float. Texts such as "0.85" are fine."""

_BLOCKS_PER_MESSAGE = 3
_DAY_MINUTES = 1440


class Pump:
    """An insulin pump at the other end of a link.

    As a context manager it opens the connection, subscribes, and gives link and bearer back at the end.

    Args:
        link: the connection.
        strict: see `Client`.
    """

    def __init__(self, link: Link, *, strict: bool = True) -> None:
        self.link = link
        self.client = Client(link, strict=strict)

    def __enter__(self) -> Self:
        if not self.link.is_open:
            self.link.open()
            self.subscribe()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self.link.close()
        finally:
            self.link.bearer.close()

    # --- Time and events ----------------------------------------------------------------------------------------

    @property
    def now_s(self) -> float:
        """DUT seconds, as the bearer counts them."""
        return self.link.now_s

    def run_until(self, at_s: float) -> float:
        """Lets DUT time pass until `at_s`; handlers are called meanwhile. Returns the lateness in DUT seconds."""
        return self.link.run_until(at_s)

    def run_for(self, seconds: float) -> float:
        """Lets `seconds` of DUT time pass; see `run_until`."""
        return self.link.run_until(self.link.now_s + seconds)

    def subscribe(self) -> None:
        """Asks for what procedures need, and for status changes and controller decisions (IDS 1.0.2, 3.11)."""
        for characteristic in (
            database.STATUS_READER_CONTROL_POINT,
            database.COMMAND_CONTROL_POINT,
            database.COMMAND_DATA,
            database.RECORD_ACCESS_CONTROL_POINT,
            database.HISTORY_DATA,
            database.STATUS_CHANGED,
            database.CONTROLLER_DECISION,
        ):
            self.client.subscribe(characteristic)

    def on_status_changed(self, callback: Callable[[StatusChangedFlags, float], None]) -> None:
        """Calls `callback(flags, at_s)` for every indication of IDD Status Changed."""
        self.client.on_message(database.STATUS_CHANGED, lambda got: callback(got.fields["flags"], got.at_s))

    def on_decision(self, callback: Callable[[Decision, float], None]) -> None:
        """Calls `callback(decision, at_s)` for every decision the controller notifies; `at_s` is its arrival."""
        self.client.on_message(database.CONTROLLER_DECISION, lambda got: callback(_decision(got.fields), got.at_s))

    def on_procedure(self, callback: Callable[[Procedure], None]) -> None:
        """Calls `callback(procedure)` after every procedure and every written message."""
        self.client.on_procedure(callback)

    # --- Therapy ------------------------------------------------------------------------------------------------

    def set_therapy_state(self, state: TherapyControlState) -> None:
        """Stops, pauses or runs the therapy (IDS 1.0.2, 3.7.2.2)."""
        self.client.procedure("SetTherapyControlState", therapy_control_state=state)

    def start(self) -> None:
        """Therapy state Run: the pump delivers."""
        self.set_therapy_state(TherapyControlState.RUN)

    def pause(self) -> None:
        """Therapy state Pause."""
        self.set_therapy_state(TherapyControlState.PAUSE)

    def stop(self) -> None:
        """Therapy state Stop: the pump delivers nothing."""
        self.set_therapy_state(TherapyControlState.STOP)

    def set_bolus(self, amount_iu: Amount, activation: BolusActivationType | None = BolusActivationType.MANUAL) -> int:
        """Starts a fast bolus and returns its ID (IDS 1.0.2, 3.7.2.14).

        Raises:
            ProcedureError: refused, 0x73 for an amount the pump does not take.
        """
        answer = self.client.procedure(
            "SetBolus",
            flags=BolusFlags(0) if activation is None else BolusFlags.ACTIVATION_TYPE_PRESENT,
            bolus_type=BolusType.FAST,
            fast_amount_iu=_exact(amount_iu, "amount_iu"),
            extended_amount_iu=Decimal(0),
            duration_minutes=0,
            activation_type=activation,
        )
        return int(answer.fields["bolus_id"])

    def cancel_bolus(self, bolus_id: int) -> None:
        """Ends a running bolus (IDS 1.0.2, 3.7.2.15)."""
        self.client.procedure("CancelBolus", bolus_id=bolus_id)

    def set_tbr(
        self,
        rate_iu_per_h: Amount,
        duration_minutes: int,
        change: bool = False,
        context: DeliveryContext | None = DeliveryContext.REMOTE_CONTROL,
    ) -> None:
        """Starts an absolute TBR, or with `change` changes the running one (IDS 1.0.2, 3.7.2.7)."""
        flags = TbrFlags(0)
        if change:
            flags |= TbrFlags.CHANGE_TBR
        if context is not None:
            flags |= TbrFlags.CONTEXT_PRESENT
        self.client.procedure(
            "SetTbrAdjustment",
            flags=flags,
            tbr_type=TbrType.ABSOLUTE,
            value=_exact(rate_iu_per_h, "rate_iu_per_h"),
            duration_minutes=duration_minutes,
            context=context,
        )

    def cancel_tbr(self) -> None:
        """Ends the running TBR (IDS 1.0.2, 3.7.2.8)."""
        self.client.procedure("CancelTbrAdjustment")

    def max_bolus(self) -> Decimal:
        """The largest bolus the pump takes, in IU."""
        return _iu(self.client.procedure("GetMaxBolusAmount").fields["max_bolus_iu"])

    def set_max_bolus(self, amount_iu: Amount) -> None:
        """Sets the largest bolus the pump takes."""
        self.client.procedure("SetMaxBolusAmount", max_bolus_iu=_exact(amount_iu, "amount_iu"))

    def set_flight_mode(self) -> None:
        """Makes the radio quiet (IDS 1.0.2, 3.7.2.3)."""
        self.client.procedure("SetFlightMode")

    # --- Basal profiles -----------------------------------------------------------------------------------------

    def write_basal_profile(self, blocks: Sequence[tuple[int, Amount]], template: int = 1) -> None:
        """Writes a basal profile in one transaction (IDS 1.0.2, 3.7.2.6); `activate` makes it the running one.

        Args:
            blocks: (duration in minutes, rate in IU/h), from midnight on; the durations add up to 1440.
            template: number of the profile template.
        Raises:
            ValueError: there are no blocks.
            ProcedureError: refused, 0x75 when they do not add up to a day.
        """
        if not blocks:
            raise ValueError(f"a basal profile needs at least one block; they add up to {_DAY_MINUTES} minutes")
        for first in range(0, len(blocks), _BLOCKS_PER_MESSAGE):
            part = blocks[first : first + _BLOCKS_PER_MESSAGE]
            last = first + len(part) == len(blocks)
            flags = ProfileWriteFlags.END_TRANSACTION if last else ProfileWriteFlags(0)
            if len(part) > 1:
                flags |= ProfileWriteFlags.SECOND_BLOCK_PRESENT
            if len(part) > 2:
                flags |= ProfileWriteFlags.THIRD_BLOCK_PRESENT
            values: dict[str, Any] = {}
            for number, (duration_minutes, rate) in enumerate(part, 1):
                values[f"duration_minutes_{number}"] = duration_minutes
                values[f"rate_iu_per_h_{number}"] = _exact(rate, "rate_iu_per_h")
            answer = self.client.procedure(
                "WriteBasalRateTemplate",
                flags=flags,
                template_number=template,
                first_block_number=first + 1,
                **values,
            )
            completed = bool(answer.fields["flags"] & ProfileWriteResponseFlags.TRANSACTION_COMPLETED)
            if completed != last:
                raise WireError(
                    f"the pump says the write of basal profile {template} is "
                    f"{'complete' if completed else 'not complete'} after block {first + len(part)} of {len(blocks)}"
                )

    def read_basal_profile(self, template: int = 1) -> list[BasalBlock]:
        """The blocks of a basal profile, from midnight on (IDS 1.0.2, 3.7.2.6)."""
        answer = self.client.procedure("ReadBasalRateTemplate", template_number=template)
        blocks: list[BasalBlock] = []
        for received in answer.data:
            if received.fields["first_block_number"] != len(blocks) + 1:
                raise WireError(f"basal profile {template}: block {len(blocks) + 1} is missing")
            for number in range(1, _BLOCKS_PER_MESSAGE + 1):
                duration_minutes = received.fields[f"duration_minutes_{number}"]
                if duration_minutes is not None:
                    blocks.append(BasalBlock(duration_minutes, _iu(received.fields[f"rate_iu_per_h_{number}"])))
        return blocks

    def activate(self, *templates: int) -> None:
        """Makes profile templates the running ones."""
        self.client.procedure("ActivateProfileTemplates", template_numbers=list(templates))

    def activated_templates(self) -> list[int]:
        """The running profile templates."""
        return list(self.client.procedure("GetActivatedProfileTemplates").fields["template_numbers"])

    def reset_templates(self, *templates: int) -> None:
        """Empties templates."""
        self.client.procedure("ResetTemplateStatus", template_numbers=list(templates))

    def templates(self) -> list[TemplateStatus]:
        """The templates the pump has, a kind each."""
        return [_templates(received) for received in self.client.procedure("GetTemplateStatusAndDetails").data]

    # --- State --------------------------------------------------------------------------------------------------

    def status(self) -> Status:
        """IDD Status (IDS 1.0.2, 3.3)."""
        fields = self.client.read("IddStatus")
        reservoir = fields["reservoir_remaining_iu"]
        return Status(
            fields["therapy_control_state"],
            fields["operational_state"],
            None if isinstance(reservoir, Special) else reservoir,
            bool(fields["flags"] & StatusFlags.RESERVOIR_ATTACHED),
        )

    def status_changed(self) -> StatusChangedFlags:
        """What has changed since it was last reset (IDS 1.0.2, 3.2)."""
        return StatusChangedFlags(self.client.read("IddStatusChanged")["flags"])

    def reset_status(self, flags: StatusChangedFlags) -> None:
        """Clears bits of IDD Status Changed (IDS 1.0.2, 3.6.2.2)."""
        self.client.procedure("ResetStatus", flags=flags)

    def annunciation(self) -> Annunciation | None:
        """The annunciation the pump shows, or None (IDS 1.0.2, 3.4)."""
        fields = self.client.read("IddAnnunciationStatus")
        if fields["annunciation_id"] is None:
            return None
        aux = tuple(value for number in range(1, 6) if (value := fields[f"aux{number}"]) is not None)
        return Annunciation(fields["annunciation_id"], fields["annunciation_type"], fields["annunciation_status"], aux)

    def confirm_annunciation(self, annunciation_id: int) -> None:
        """Confirms an annunciation; the pump shows it no longer."""
        self.client.procedure("ConfirmAnnunciation", annunciation_id=annunciation_id)

    def snooze_annunciation(self, annunciation_id: int) -> None:
        """Snoozes an annunciation; it comes again."""
        self.client.procedure("SnoozeAnnunciation", annunciation_id=annunciation_id)

    def features(self) -> Features:
        """IDD Features (IDS 1.0.2, 3.5)."""
        fields = self.client.read("IddFeatures")
        return Features(_iu(fields["insulin_concentration_iu_per_ml"]), fields["flags"])

    def active_basal(self) -> ActiveBasal | None:
        """The basal delivery, None when there is none (IDS 1.0.2, 3.6.2.6)."""
        try:
            fields = self.client.procedure("GetActiveBasalRateDelivery").fields
        except ProcedureError as error:
            if error.code == ResponseCode.PROCEDURE_NOT_APPLICABLE:
                return None
            raise
        tbr = None
        if fields["tbr_type"] is not None:
            tbr = Tbr(
                fields["tbr_type"],
                _iu(fields["tbr_value"]),
                fields["tbr_programmed_duration_minutes"],
                fields["tbr_remaining_duration_minutes"],
            )
        rate = _iu(fields["configured_rate_iu_per_h"])
        return ActiveBasal(fields["profile_template_number"], rate, tbr, fields["context"])

    def active_bolus_ids(self) -> list[int]:
        """IDs of the boluses that run, oldest first (IDS 1.0.2, 3.6.2.3)."""
        return list(self.client.procedure("GetActiveBolusIds").fields["bolus_ids"])

    def active_bolus(
        self, bolus_id: int, selection: BolusValueSelection = BolusValueSelection.REMAINING
    ) -> ActiveBolus:
        """The amounts of a running bolus: programmed, remaining or delivered (IDS 1.0.2, 3.6.2.4)."""
        fields = self.client.procedure("GetActiveBolusDelivery", bolus_id=bolus_id, value_selection=selection).fields
        return ActiveBolus(
            fields["bolus_id"],
            fields["bolus_type"],
            _iu(fields["fast_amount_iu"]),
            _iu(fields["extended_amount_iu"]),
            fields["duration_minutes"],
        )

    def delivered_insulin(self) -> DeliveredInsulin:
        """What was delivered since the last rollover (IDS 1.0.2, 3.6.2.9)."""
        fields = self.client.procedure("GetDeliveredInsulin").fields
        return DeliveredInsulin(_iu(fields["bolus_delivered_iu"]), _iu(fields["basal_delivered_iu"]))

    def total_daily_insulin(self) -> TotalDailyInsulin:
        """What was delivered since local midnight (IDS 1.0.2, 3.6.2.7)."""
        fields = self.client.procedure("GetTotalDailyInsulinStatus").fields
        names = ("bolus_delivered_iu", "basal_delivered_iu", "total_delivered_iu")
        return TotalDailyInsulin(*(_iu(fields[name]) for name in names))

    def insulin_on_board(self) -> InsulinOnBoard:
        """Insulin on board (IDS 1.0.2, 3.6.2.10)."""
        fields = self.client.procedure("GetInsulinOnBoard").fields
        return InsulinOnBoard(_iu(fields["insulin_on_board_iu"]), fields["remaining_duration_minutes"])

    # --- Clock and history --------------------------------------------------------------------------------------

    def set_clock(self, moment: datetime, reason: AdjustReasonFlags = AdjustReasonFlags.MANUAL) -> None:
        """Sets the pump's local time (CTS 1.1, 3.1); whole seconds."""
        self.client.write(
            "CurrentTime",
            **from_datetime(moment),
            day_of_week=moment.isoweekday(),
            fractions_256=0,
            adjust_reason=reason,
        )

    def clock(self) -> datetime | None:
        """The pump's local time, None when it does not know it."""
        return to_datetime(dict(self.client.read("CurrentTime")))

    def history(self, from_sequence: int = 0) -> list[HistoryRecord]:
        """The records from a sequence number on, oldest first (IDS 1.0.2, 3.9)."""
        answer = self.client.procedure(
            "RacpReportStoredRecords",
            operator=RacpOperator.GREATER_THAN_OR_EQUAL,
            filter=RacpFilter.SEQUENCE_NUMBER,
            minimum_sequence=from_sequence,
        )
        return [_record(received) for received in answer.data]

    def history_count(self) -> int:
        """How many records the pump holds (IDS 1.0.2, 3.9)."""
        answer = self.client.procedure("RacpReportNumberOfStoredRecords", operator=RacpOperator.ALL)
        return int(answer.fields["record_count"])

    # --- Controller and emulator --------------------------------------------------------------------------------

    def controller_settings(self) -> ControllerSettings:
        """The on-pump controller and its limits."""
        return ControllerSettings(**self.client.read("ControllerSettings"))

    def set_controller_settings(self, settings: ControllerSettings) -> None:
        """Chooses the on-pump controller and its limits."""
        self.client.write("ControllerSettings", **asdict(settings))

    def set_controller(self, controller: Controller) -> None:
        """Chooses the on-pump controller; its limits stay."""
        self.set_controller_settings(
            ControllerSettings(**{**asdict(self.controller_settings()), "controller": controller})
        )

    def decision(self) -> Decision:
        """The controller's last decision; sequence 0 before the first."""
        return _decision(self.client.read("ControllerDecision"))

    def pulse_counters(self) -> PulseCounters:
        """Motor pulses since the pump first started, by what they were for."""
        fields = self.client.read("EmulatorCounters")
        names = ("basal_pulses", "bolus_pulses", "prime_pulses", "reservoir_pulses")
        return PulseCounters(*(fields[name] for name in names))

    def health(self) -> Health:
        """Reset cause, uptime, heap and failures of the emulator."""
        fields = self.client.read("EmulatorHealth")
        uptime_s = Decimal(fields["uptime_s"]) + Decimal(fields["uptime_ms"]) / 1000
        return Health(
            fields["reset_cause"],
            uptime_s,
            fields["free_heap_octets"],
            fields["dropped_frames"],
            fields["e2e_failures"],
            fields["pulses_in_doubt"],
            fields["doubt_source"],
        )

    def identity(self) -> Identity:
        """Wire version and hash of the firmware."""
        return Identity(**self.client.read("EmulatorIdentity"))

    def pump_data(self) -> PumpData:
        """Pulse, speed and limits of the pump."""
        return PumpData(**self.client.read("EmulatorPumpData"))

    def inject_fault(self, kind: FaultKind, value: int) -> None:
        """Injects a hardware fault: occlusion and detached 1 on, 0 off; reservoir level in pulses."""
        self.client.write("EmulatorFault", fault_kind=kind, fault_value=value)


def _exact(amount: Amount, name: str) -> Decimal:
    if isinstance(amount, bool) or not isinstance(amount, Decimal | int | str):
        raise ValueError(f'{name} is {amount!r}; give a text such as "0.85", a Decimal or a whole number, no float')
    try:
        return Decimal(amount)
    except InvalidOperation:
        raise ValueError(f'{name} is {amount!r}, which is no number; give a text such as "0.85"') from None


# Fields that can be no number are looked at where they are read; elsewhere NaN breaks the message's contract.
def _iu(value: Decimal | Special) -> Decimal:
    if isinstance(value, Special):
        raise WireError(f"the pump sent {value.name} where a number is due")
    return value


def _decision(fields: Any) -> Decision:
    glucose, predicted = fields["glucose_mg_dl"], fields["predicted_mg_dl"]
    return Decision(
        fields["decision_sequence"],
        fields["time_offset_minutes"],
        fields["at_s"],
        None if glucose == NO_GLUCOSE else glucose,
        None if predicted == NO_PREDICTION else predicted,
        fields["iob_mu"],
        fields["action"],
        fields["reason"],
    )


def _record(received: Received) -> HistoryRecord:
    fields = dict(received.fields)
    return HistoryRecord(fields.pop("sequence"), fields.pop("relative_offset_s"), received.name, fields)


def _templates(received: Received) -> TemplateStatus:
    fields = received.fields
    first, count = fields["first_template_number"], fields["template_count"]
    states = unpack_template_states(fields["template_states"], count)
    return TemplateStatus(
        fields["template_type"],
        first,
        count,
        fields["max_blocks"],
        tuple(first + index for index, (configurable, _) in enumerate(states) if configurable),
        tuple(first + index for index, (_, configured) in enumerate(states) if configured),
    )
