# Puts the services together: which characteristic knows what, and in which order indications leave.
from gatt.cgms_client import CgmsClient
from gatt.codec import Codec
from gatt.command import CommandControlPoint
from gatt.current_time import CurrentTime
from gatt.device import Battery, device_information
from gatt.procedures import Procedures
from gatt.racp import HistoryData, RecordAccess
from gatt.radio import EmulatorRadio, EmulatorRadioCommand
from gatt.reader import StatusReader
from gatt.server import Server
from gatt.status import AnnunciationStatus, Features, Status, StatusChanged
from gatt.templates import CommandData, TemplateProcedures
from gatt.vendor import (
    CarbAnnouncement,
    ControllerDecision,
    ControllerDetail,
    ControllerGuardrails,
    ControllerSettings,
    EmulatorBolusCalculation,
    EmulatorCounters,
    EmulatorFault,
    EmulatorHealth,
    EmulatorIdentity,
    EmulatorPumpData,
    OrefSettings,
)


class Peripheral:
    # recorder: what the pump emits to; it is connected here. identity: has firmware_hash (8 octets), reset_cause (a
    # word of the wire), motor_pulse_ms, the board's name and its unique_id. radio: see gatt/radio.py. beside: the
    # peripheral on another bearer, or None.
    def __init__(
        self, clock, bearer, pump, history, recorder, settings, identity, mtu_max, radio, beside=None
    ):  # fmt: skip
        # What it holds nobody needs longer than it takes to handle one PDU.
        self.codec = codec = beside.codec if beside else Codec()
        self._radio = radio
        self.server = self.new_server(clock, bearer, pump, mtu_max)
        self.client = CgmsClient(self.server, codec, pump, clock)
        self.procedures = self.new_procedures(pump, beside.procedures if beside else None)
        self.server.add_part(self.procedures)
        self.status_changed = StatusChanged(beside.status_changed if beside else None)
        self.status = Status(codec, pump)
        self.annunciation_status = AnnunciationStatus(codec, pump)
        self.decision = ControllerDecision(codec, pump.decision)
        self.battery = Battery(pump)
        self._add_control_points(codec, bearer, pump, history)
        for characteristic in (
            self.status_changed, self.status, self.annunciation_status, self.decision, Features(codec, settings),
            ControllerSettings(codec, pump), OrefSettings(codec, pump), CarbAnnouncement(codec, pump),
            ControllerDetail(codec, pump.decision), ControllerGuardrails(codec, pump),
            EmulatorFault(codec, pump, recorder),
            EmulatorBolusCalculation(codec, pump), EmulatorCounters(codec, pump),
            EmulatorIdentity(codec, identity.firmware_hash),
            EmulatorPumpData(codec, settings, identity.motor_pulse_ms),
            EmulatorHealth(
                codec, clock, bearer, identity.reset_cause, self.server, self.client, pump.delivery
            ),
            CurrentTime(codec, pump, recorder.clock_set), self.battery,
        ):  # fmt: skip
            self.server.add(characteristic)
        for characteristic in self.of_bearer(pump):
            self.server.add(characteristic)
        for characteristic in device_information(settings, identity):
            self.server.add(characteristic)
        self.server.set_client(self.client)
        bearer.link = self.server
        recorder.connect(pump, self)

    # --- What differs from bearer to bearer -------------------------------------------------------------------------

    def new_server(self, clock, bearer, pump, mtu_max):
        return Server(clock, bearer, pump, mtu_max)

    def new_procedures(self, pump, beside):
        return Procedures(pump, beside)

    # Characteristics that another bearer does not have.
    def of_bearer(self, pump):
        return EmulatorRadio(self.codec, self._radio), EmulatorRadioCommand(self.codec, pump, self._radio)

    # Answers of control points are added first, as a client waits for them.
    def _add_control_points(self, codec, bearer, pump, history):
        server = self.server
        command = CommandControlPoint(self.procedures, codec, pump, bearer)
        command_data = CommandData(codec)
        command.templates = TemplateProcedures(command, command_data, server, codec, pump)
        history_data = HistoryData(history)
        records = RecordAccess(self.procedures, codec, history, history_data, server)
        server.add(command)
        server.add(StatusReader(self.procedures, codec, pump, self.status_changed))
        server.add(records)
        server.add(command_data)
        server.add(history_data)
        server.add_stream(command.templates)
        server.add_part(command.templates)
        server.add_stream(records)
