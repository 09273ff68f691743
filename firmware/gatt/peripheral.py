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
    # word of the wire), motor_pulse_ms, the board's name and its unique_id. radio: see gatt/radio.py.
    def __init__(self, clock, bearer, pump, history, recorder, settings, identity, mtu_max, radio):
        codec = Codec()
        self.server = Server(clock, bearer, pump, mtu_max)
        self.client = CgmsClient(self.server, codec, pump, clock)
        self._procedures = Procedures(pump)
        self.server.add_part(self._procedures)
        status_changed = StatusChanged()
        status = Status(codec, pump)
        annunciation_status = AnnunciationStatus(codec, pump)
        decision = ControllerDecision(codec, pump.decision)
        battery = Battery(pump)
        self._add_control_points(codec, bearer, pump, history, status_changed)
        for characteristic in (
            status_changed, status, annunciation_status, decision, Features(codec, settings),
            ControllerSettings(codec, pump), OrefSettings(codec, pump), CarbAnnouncement(codec, pump),
            ControllerDetail(codec, pump.decision), ControllerGuardrails(codec, pump),
            EmulatorFault(codec, pump, self.server, battery),
            EmulatorBolusCalculation(codec, pump), EmulatorCounters(codec, pump),
            EmulatorIdentity(codec, identity.firmware_hash),
            EmulatorPumpData(codec, settings, identity.motor_pulse_ms),
            EmulatorHealth(
                codec, clock, bearer, identity.reset_cause, self.server, self.client, pump.delivery
            ),
            CurrentTime(codec, pump, self.client.clock_set), battery,
            EmulatorRadio(codec, radio), EmulatorRadioCommand(codec, pump, radio),
        ):  # fmt: skip
            self.server.add(characteristic)
        for characteristic in device_information(settings, identity):
            self.server.add(characteristic)
        self.server.set_client(self.client)
        bearer.link = self.server
        recorder.connect(pump, self.server, status_changed, status, annunciation_status, decision)

    # Answers of control points are added first, as a client waits for them.
    def _add_control_points(self, codec, bearer, pump, history, status_changed):
        server = self.server
        command = CommandControlPoint(self._procedures, codec, pump, bearer)
        command_data = CommandData(codec)
        command.templates = TemplateProcedures(command, command_data, server, codec, pump)
        history_data = HistoryData(history)
        records = RecordAccess(self._procedures, codec, history, history_data, server)
        server.add(command)
        server.add(StatusReader(self._procedures, codec, pump, status_changed))
        server.add(records)
        server.add(command_data)
        server.add(history_data)
        server.add_stream(command.templates)
        server.add_part(command.templates)
        server.add_stream(records)
