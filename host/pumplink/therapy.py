"""What changes delivery at once: therapy state, boluses, TBR, priming and the reservoir (IDS 1.0.2, 3.7)."""

from __future__ import annotations

from decimal import Decimal

from pumplink.procedures import Amount, Procedures, exact, number
from pumplink.results import NO_REASONS
from pumpwire.enums import (
    AvailableBolusesFlags,
    BolusActivationType,
    BolusFlags,
    BolusType,
    DeliveryContext,
    TbrFlags,
    TbrType,
    TherapyControlState,
)

__all__ = ["Therapy"]

# What stands in a field whose value a template replaces, where the field has no 0.
_UNUSED_MINUTES = 1


class Therapy(Procedures):
    """Commands that start, change and end delivery. A refused one raises `ProcedureError` with its response code."""

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

    # --- Boluses ------------------------------------------------------------------------------------------------

    def set_bolus(
        self,
        fast_iu: Amount = 0,
        extended_iu: Amount = 0,
        duration_minutes: int = 0,
        *,
        bolus_type: BolusType | None = None,
        delay_minutes: int | None = None,
        template: int | None = None,
        activation: BolusActivationType | None = BolusActivationType.MANUAL,
        reasons: BolusFlags = NO_REASONS,
    ) -> int:
        """Starts a bolus and returns its ID (IDS 1.0.2, 3.7.2.14).

        Args:
            fast_iu: what is delivered at once.
            extended_iu: what is spread over the duration.
            duration_minutes: of the extended part; 0 for a fast bolus.
            bolus_type: fast, extended or multiwave; None for the one that the amounts tell.
            delay_minutes: before delivery begins; None for a bolus without that field.
            template: number of the bolus template whose values take the place of those given here.
            activation: who decided on it.
            reasons: `REASON_MEAL`, `REASON_CORRECTION` or both.
        Raises:
            ProcedureError: refused: 0x71 for a type or what does not go with it, 0x72 when the reservoir does not hold
                as much, 0x73 for an amount or time that the pump does not take, 0x74 when it does not run or the
                template is empty, 0x76 while one of this type is active.
        """
        fast, extended = exact(fast_iu, "fast_iu"), exact(extended_iu, "extended_iu")
        flags = reasons & (BolusFlags.REASON_CORRECTION | BolusFlags.REASON_MEAL)
        for flag, value in (
            (BolusFlags.DELAY_PRESENT, delay_minutes),
            (BolusFlags.TEMPLATE_NUMBER_PRESENT, template),
            (BolusFlags.ACTIVATION_TYPE_PRESENT, activation),
        ):
            if value is not None:
                flags |= flag
        answer = self.client.procedure(
            "SetBolus",
            flags=flags,
            bolus_type=_type_of(fast, extended) if bolus_type is None else bolus_type,
            fast_amount_iu=fast,
            extended_amount_iu=extended,
            duration_minutes=duration_minutes,
            delay_minutes=delay_minutes,
            template_number=template,
            activation_type=activation,
        )
        return int(answer.fields["bolus_id"])

    def cancel_bolus(self, bolus_id: int) -> None:
        """Ends a running bolus, or one that waits for its delay (IDS 1.0.2, 3.7.2.15)."""
        self.client.procedure("CancelBolus", bolus_id=bolus_id)

    def available_boluses(self) -> AvailableBolusesFlags:
        """The types of bolus that can be set now (IDS 1.0.2, 3.7.2)."""
        return AvailableBolusesFlags(self.client.procedure("GetAvailableBoluses").fields["flags"])

    def max_bolus(self) -> Decimal:
        """The largest bolus the pump takes, in IU."""
        return number(self.client.procedure("GetMaxBolusAmount").fields["max_bolus_iu"])

    def set_max_bolus(self, amount_iu: Amount) -> None:
        """Sets the largest bolus the pump takes."""
        self.client.procedure("SetMaxBolusAmount", max_bolus_iu=exact(amount_iu, "amount_iu"))

    # --- TBR ----------------------------------------------------------------------------------------------------

    def set_tbr(
        self,
        value: Amount = 0,
        duration_minutes: int = _UNUSED_MINUTES,
        change: bool = False,
        context: DeliveryContext | None = DeliveryContext.REMOTE_CONTROL,
        *,
        tbr_type: TbrType = TbrType.ABSOLUTE,
        template: int | None = None,
    ) -> None:
        """Starts a TBR, or with `change` changes the running one (IDS 1.0.2, 3.7.2.7).

        Args:
            value: IU/h when absolute, a factor when relative.
            duration_minutes: from now on, 1 to 1440.
            change: whether a TBR runs that is to be changed.
            context: who sets it.
            tbr_type: absolute or relative.
            template: number of the TBR template whose type, value and duration take the place of those given here.
        Raises:
            ProcedureError: refused: 0x71 for the type, 0x73 for value or template number, 0x74 when the pump does not
                run, the template is empty, or `change` does not fit.
        """
        flags = TbrFlags(0)
        if change:
            flags |= TbrFlags.CHANGE_TBR
        if context is not None:
            flags |= TbrFlags.CONTEXT_PRESENT
        if template is not None:
            flags |= TbrFlags.TEMPLATE_NUMBER_PRESENT
        self.client.procedure(
            "SetTbrAdjustment",
            flags=flags,
            tbr_type=tbr_type,
            value=exact(value, "value"),
            duration_minutes=duration_minutes,
            template_number=template,
            context=context,
        )

    def cancel_tbr(self) -> None:
        """Ends the running TBR (IDS 1.0.2, 3.7.2.8)."""
        self.client.procedure("CancelTbrAdjustment")

    # --- Priming and reservoir ----------------------------------------------------------------------------------

    def start_priming(self, amount_iu: Amount) -> None:
        """Moves insulin that is not delivered, with the therapy stopped (IDS 1.0.2, 3.7.2).

        Raises:
            ProcedureError: refused: 0x72 when the reservoir does not hold as much, 0x73 for the amount, 0x74 when the
                therapy is not stopped, or priming is under way.
        """
        self.client.procedure("StartPriming", priming_amount_iu=exact(amount_iu, "amount_iu"))

    def stop_priming(self) -> None:
        """Ends a priming; refused with 0x74 when none is under way (IDS 1.0.2, 3.7.2)."""
        self.client.procedure("StopPriming")

    def set_fill_level(self, amount_iu: Amount) -> None:
        """Tells what a fresh reservoir holds (IDS 1.0.2, 3.7.2).

        Raises:
            ProcedureError: refused: 0x73 for the amount, 0x74 when the therapy is not stopped.
        """
        self.client.procedure("SetInitialReservoirFillLevel", reservoir_fill_level_iu=exact(amount_iu, "amount_iu"))

    def reset_operation_time(self) -> None:
        """The reservoir's insulin operation time begins anew (IDS 1.0.2, 3.7.2)."""
        self.client.procedure("ResetReservoirInsulinOperationTime")

    # --- Annunciations and the radio ----------------------------------------------------------------------------

    def confirm_annunciation(self, annunciation_id: int) -> None:
        """Confirms an annunciation; the pump shows it no longer."""
        self.client.procedure("ConfirmAnnunciation", annunciation_id=annunciation_id)

    def snooze_annunciation(self, annunciation_id: int) -> None:
        """Snoozes an annunciation; it comes again."""
        self.client.procedure("SnoozeAnnunciation", annunciation_id=annunciation_id)

    def set_flight_mode(self) -> None:
        """Makes the radio quiet (IDS 1.0.2, 3.7.2.3)."""
        self.client.procedure("SetFlightMode")


def _type_of(fast: Decimal, extended: Decimal) -> BolusType:
    if extended:
        return BolusType.MULTIWAVE if fast else BolusType.EXTENDED
    return BolusType.FAST
