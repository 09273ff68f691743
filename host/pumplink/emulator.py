"""The vendor service *emulator*: what only an emulator has."""

from __future__ import annotations

from dataclasses import asdict
from decimal import Decimal

from pumplink.procedures import Procedures
from pumplink.results import BolusAmounts, Health, Identity, PulseCounters, PumpData
from pumpwire.enums import FaultKind

__all__ = ["Emulator"]


class Emulator(Procedures):
    """Counters, health and faults of the emulator."""

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
        """Injects a fault or a state of the hardware.

        Args:
            kind: of which sort.
            value: occlusion and detached: 1 on, 0 off; reservoir level: pulses; battery level: percent; annunciation:
                the word of its type.
        Raises:
            AttError: 0xFF for a value that cannot be.
        """
        self.client.write("EmulatorFault", fault_kind=kind, fault_value=value)

    def tell_calculated(self, recommended: BolusAmounts, confirmed: BolusAmounts) -> None:
        """Takes the part of a bolus calculator on the pump: what it recommended, and what its user confirmed.

        It is recorded (IDS 1.0.2, event bolus calculated) and moves no insulin.

        Raises:
            AttError: 0xFF for an amount that no bolus can have.
        """
        values = {
            f"{prefix}{name.removesuffix('_iu')}_amount_iu": amount
            for prefix, amounts in (("", recommended), ("confirmed_", confirmed))
            for name, amount in asdict(amounts).items()
        }
        self.client.write("EmulatorBolusCalculation", **values)
