"""The vendor service *emulator*: what only an emulator has."""

from __future__ import annotations

from dataclasses import asdict
from decimal import Decimal

from pumplink.procedures import Procedures
from pumplink.results import BolusAmounts, Health, Identity, PulseCounters, PumpData, Radio
from pumpwire.enums import FaultKind, RadioCommand
from pumpwire.radio import BOARD_NAME_OCTETS_MAX, NO_PASSKEY

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

    def radio(self) -> Radio:
        """State of the radio, over the serial bearer alone.

        Raises:
            AttError: 0x01 over the air, where nobody is told the passkey.
        """
        fields = self.client.read("EmulatorRadio")
        return Radio(
            state=fields["radio_state"],
            stack=fields["radio_stack"],
            flags=fields["radio_flags"],
            passkey=None if fields["passkey"] == NO_PASSKEY else fields["passkey"],
            bonds=fields["bonds"],
            failed_pairings=fields["failed_pairings"],
            locked_s=fields["locked_s"],
            address=fields["radio_address"],
            mtu=fields["radio_mtu"],
        )

    def allow_lab(self, board_name: str) -> None:
        """Lets a peer that cannot be authenticated command therapy, until the next start or `forbid_lab`.

        Args:
            board_name: of this very board, as its Model Number String has it.
        Raises:
            ValueError: no board has so long a name.
            AttError: 0xFF, it is another board or one whose peers can be authenticated; 0x01 over the air.
        """
        if len(board_name.encode()) > BOARD_NAME_OCTETS_MAX:
            raise ValueError(f"board_name: is {board_name!r}; allowed are up to {BOARD_NAME_OCTETS_MAX} octets")
        self._command_radio(RadioCommand.ALLOW_LAB, board_name=board_name)

    def forbid_lab(self) -> None:
        """Takes `allow_lab` back. Raises as that one does."""
        self._command_radio(RadioCommand.FORBID_LAB)

    def forget_bond(self, index: int) -> None:
        """Removes a bond of the pump; a peer that is connected by it is disconnected.

        Args:
            index: which one, from 0, in the order in which they were made.
        Raises:
            AttError: 0xFF, there is no such bond; 0x01 over the air.
        """
        self._command_radio(RadioCommand.FORGET_BOND, index)

    def forget_all_bonds(self) -> None:
        """Removes every bond of the pump. Raises as `forget_bond` does."""
        self._command_radio(RadioCommand.FORGET_ALL_BONDS)

    def disconnect_radio(self) -> None:
        """Ends the connection over the air; without one nothing happens. Raises as `forbid_lab` does."""
        self._command_radio(RadioCommand.DISCONNECT)

    def _command_radio(self, command: RadioCommand, index: int = 0, board_name: str = "") -> None:
        octets = board_name.encode()
        self.client.write(
            "EmulatorRadioCommand",
            radio_command=command,
            bond_index=index,
            board_name_octets=len(octets),
            board_name=octets,
        )

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
