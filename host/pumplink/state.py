"""What a pump says when it is asked: state, active delivery, sums and counters (IDS 1.0.2, 3.2 to 3.6)."""

from __future__ import annotations

from pumplink.errors import ProcedureError
from pumplink.procedures import Procedures, number
from pumplink.results import (
    ActiveBasal,
    ActiveBolus,
    Annunciation,
    DeliveredInsulin,
    DeviceInformation,
    Features,
    InsulinOnBoard,
    Status,
    Tbr,
    TotalDailyInsulin,
)
from pumpwire.enums import (
    BolusFlags,
    BolusValueSelection,
    CounterSelection,
    CounterType,
    ResponseCode,
    StatusChangedFlags,
    StatusFlags,
)
from pumpwire.numbers import Special

__all__ = ["State"]


class State(Procedures):
    """Questions. None of them changes the pump, but for `reset_status`, which clears bits of Status Changed."""

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
        aux = tuple(value for place in range(1, 6) if (value := fields[f"aux{place}"]) is not None)
        return Annunciation(fields["annunciation_id"], fields["annunciation_type"], fields["annunciation_status"], aux)

    def features(self) -> Features:
        """IDD Features (IDS 1.0.2, 3.5)."""
        fields = self.client.read("IddFeatures")
        return Features(number(fields["insulin_concentration_iu_per_ml"]), fields["flags"])

    # --- Active delivery ----------------------------------------------------------------------------------------

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
                number(fields["tbr_value"]),
                fields["tbr_programmed_duration_minutes"],
                fields["tbr_remaining_duration_minutes"],
                fields["tbr_template_number"],
            )
        rate = number(fields["configured_rate_iu_per_h"])
        return ActiveBasal(fields["profile_template_number"], rate, tbr, fields["context"])

    def active_bolus_ids(self) -> list[int]:
        """IDs of the active boluses, that whose delivery starts first at the front (IDS 1.0.2, 3.6.2.3)."""
        return list(self.client.procedure("GetActiveBolusIds").fields["bolus_ids"])

    def active_bolus(
        self, bolus_id: int, selection: BolusValueSelection = BolusValueSelection.REMAINING
    ) -> ActiveBolus:
        """An active bolus: programmed, remaining or delivered amounts and minutes (IDS 1.0.2, 3.6.2.4).

        Raises:
            ProcedureError: 0x74 when no such bolus is active.
        """
        fields = self.client.procedure("GetActiveBolusDelivery", bolus_id=bolus_id, value_selection=selection).fields
        return ActiveBolus(
            fields["bolus_id"],
            fields["bolus_type"],
            number(fields["fast_amount_iu"]),
            number(fields["extended_amount_iu"]),
            fields["duration_minutes"],
            fields["delay_minutes"],
            fields["template_number"],
            fields["activation_type"],
            BolusFlags(fields["flags"]) & (BolusFlags.REASON_CORRECTION | BolusFlags.REASON_MEAL),
        )

    # --- Sums and counters --------------------------------------------------------------------------------------

    def delivered_insulin(self) -> DeliveredInsulin:
        """What was delivered since the last rollover (IDS 1.0.2, 3.6.2.9)."""
        fields = self.client.procedure("GetDeliveredInsulin").fields
        return DeliveredInsulin(number(fields["bolus_delivered_iu"]), number(fields["basal_delivered_iu"]))

    def total_daily_insulin(self) -> TotalDailyInsulin:
        """What was delivered since local midnight (IDS 1.0.2, 3.6.2.7)."""
        fields = self.client.procedure("GetTotalDailyInsulinStatus").fields
        names = ("bolus_delivered_iu", "basal_delivered_iu", "total_delivered_iu")
        return TotalDailyInsulin(*(number(fields[name]) for name in names))

    def insulin_on_board(self) -> InsulinOnBoard:
        """Insulin on board (IDS 1.0.2, 3.6.2.10)."""
        fields = self.client.procedure("GetInsulinOnBoard").fields
        return InsulinOnBoard(number(fields["insulin_on_board_iu"]), fields["remaining_duration_minutes"])

    def counter(self, counter: CounterType, selection: CounterSelection = CounterSelection.ELAPSED) -> int:
        """A counter in minutes (IDS 1.0.2, 3.6.2.8); what remains falls below 0 when the time is exceeded.

        Raises:
            ProcedureError: 0x71 for a counter that the pump does not have.
        """
        fields = self.client.procedure("GetCounter", counter_type=counter, counter_selection=selection).fields
        return int(fields["counter_minutes"])

    # --- What the pump is ---------------------------------------------------------------------------------------

    def battery_percent(self) -> int:
        """Battery level in percent (BAS 1.0, 3.1)."""
        return int(self.client.read("BatteryLevel")["battery_percent"])

    def device_information(self) -> DeviceInformation:
        """Device Information (DIS 1.1, 3)."""
        text = {
            name: str(self.client.read(message)["text"])
            for name, message in (
                ("manufacturer", "ManufacturerName"),
                ("model", "ModelNumber"),
                ("serial_number", "SerialNumber"),
                ("hardware_revision", "HardwareRevision"),
                ("firmware_revision", "FirmwareRevision"),
            )
        }
        system, product = self.client.read("SystemId"), self.client.read("PnpId")
        return DeviceInformation(
            **text,
            system_id=bytes(system["manufacturer_identifier"]) + bytes(system["organizationally_unique_identifier"]),
            vendor_id=product["vendor_id"],
            product_id=product["product_id"],
            product_version=product["product_version"],
        )
