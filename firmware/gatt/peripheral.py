# Puts the services together: which characteristic knows what, and in which order indications leave.
from gatt import handles
from gatt.cgms_client import CgmsClient
from gatt.codec import Codec
from gatt.command import CommandControlPoint
from gatt.procedures import Procedures
from gatt.reader import StatusReader
from gatt.records import RecordAccess
from gatt.server import Server
from gatt.status import AnnunciationStatus, Battery, ControllerDecision, Features, Status, StatusChanged

# Handles of what gatt/seldom.py has.
_SELDOM = bytes((
    handles.CURRENT_TIME, handles.EMULATOR_IDENTITY, handles.EMULATOR_PUMP_DATA, handles.EMULATOR_HEALTH,
    handles.EMULATOR_COUNTERS, handles.EMULATOR_FAULT, handles.EMULATOR_BOLUS_CALCULATION, handles.EMULATOR_RADIO,
    handles.EMULATOR_RADIO_COMMAND, handles.MANUFACTURER_NAME, handles.MODEL_NUMBER, handles.SERIAL_NUMBER,
    handles.HARDWARE_REVISION, handles.FIRMWARE_REVISION, handles.SYSTEM_ID, handles.PNP_ID,
    handles.CONTROLLER_SETTINGS, handles.OREF_SETTINGS, handles.CARB_ANNOUNCEMENT, handles.CONTROLLER_GUARDRAILS,
    handles.CONTROLLER_DETAIL,
))  # fmt: skip


class Peripheral:
    # recorder: what the pump emits to; it is connected here. identity: has firmware_hash (8 octets), reset_cause (a
    # word of the wire), motor_pulse_ms, the board's name and its unique_id. radio: see gatt/radio.py, None on a board
    # without one. beside: the peripheral on another bearer, or None.
    def __init__(
        self, clock, bearer, pump, history, recorder, settings, identity, mtu_max, radio, beside=None
    ):  # fmt: skip
        # What it holds nobody needs longer than it takes to handle one PDU.
        self.codec = codec = beside.codec if beside else Codec()
        self.clock = clock
        self.bearer = bearer
        self.pump = pump
        self.recorder = recorder
        self.settings = settings
        self.identity = identity
        self.radio = radio
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
            self.battery,
        ):  # fmt: skip
            self.server.add(characteristic)
        self.add_seldom_asked()
        self.server.set_client(self.client)
        bearer.link = self.server
        recorder.connect(pump, self)

    # --- What differs from bearer to bearer -------------------------------------------------------------------------

    def new_server(self, clock, bearer, pump, mtu_max):
        return Server(clock, bearer, pump, mtu_max)

    def new_procedures(self, pump, beside):
        return Procedures(pump, beside)

    # What is seldom asked for is added when it is.
    def add_seldom_asked(self):
        self.server.seldom_asked = _SELDOM
        self.server.add_late = self.add_late

    # Adds it; False when that fails, as it does where memory is short: then it is tried again with the next request.
    def add_late(self):
        self.server.before_loading()
        try:
            from gatt.seldom import characteristics

            for characteristic in characteristics(self):
                self.server.add(characteristic)
        except Exception:  # noqa: BLE001
            return False
        return True

    # Answers of control points are added first, as a client waits for them.
    def _add_control_points(self, codec, bearer, pump, history):
        server = self.server
        command = CommandControlPoint(self.procedures, codec, pump, bearer, server, self.recorder)
        records = RecordAccess(self.procedures, codec, history, server)
        server.add(command)
        server.add(StatusReader(self.procedures, codec, pump, self.status_changed))
        server.add(records)
        server.add(command.data)
        server.add(records.data)
