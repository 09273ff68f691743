"""A bench on the wire of the real firmware: raw ATT PDUs, every counter, CRC and confirmation in the test's hand."""

from decimal import Decimal

from pumplink import VirtualBoard
from pumpwire import att, database, e2e
from pumpwire.declare import TO_CLIENT
from pumpwire.e2e import E2ECounter
from pumpwire.frame import Decoder, FrameType
from pumpwire.frame import body as frame_body
from pumpwire.frame import encode as frame_octets
from pumpwire.registry import MESSAGES, decode, is_served
from pumpwire.vendor import WIRE_VERSION

STATUS_CHANGED = database.STATUS_CHANGED
STATUS = database.STATUS
ANNUNCIATION_STATUS = database.ANNUNCIATION_STATUS
READER = database.STATUS_READER_CONTROL_POINT
COMMAND = database.COMMAND_CONTROL_POINT
DATA = database.COMMAND_DATA
RACP = database.RECORD_ACCESS_CONTROL_POINT
HISTORY = database.HISTORY_DATA
DECISION = database.CONTROLLER_DECISION
CONTROL_POINTS = (READER, COMMAND, RACP)

CRC_WRONG, COUNTER_WRONG, CCCD_WRONG, IN_PROGRESS = 0x81, 0x82, 0xFD, 0xFE
ATTRIBUTE_NOT_FOUND = 0x0A
SOON_S = 0.02
ANSWER_S = 1
SERVED = [
    c
    for service in database.SERVICES
    if service.owner == "pump"
    for c in service.characteristics
    if is_served(c) and database.SERIAL in c.bearers
]
_BY_HANDLE = {c.handle: c for c in database.CHARACTERISTICS.values()}


class GattBench:
    """A virtual board in lockstep and what came from it.

    `indications` and `notifications` hold (handle, value) in order of arrival; they are confirmed by `confirm`, or as
    they come with `confirms`. CRC and counter of whatever comes are checked as it comes.
    `requests` holds what the pump asks of the sensor; `sensor(pdu)` gives the answer, by default a refusal.
    """

    def __init__(self, confirms=False, **options):
        self.confirms = confirms
        self.board = VirtualBoard("virtual", **options).start()
        self.bearer = self.board.bearer()
        self.sensor = self._no_sensor
        self.pulses = []
        self.board.on_pulse(lambda at_us, due_us: self.pulses.append(round(due_us / 1_000_000)))
        self._deframer = Decoder()
        self._forget()

    def _forget(self):
        self.frames = []
        self.answers = []
        self.indications = []
        self.notifications = []
        self.requests = []
        self.counters = {}
        self.seen = {}
        self.mtu = att.MTU_DEFAULT

    @staticmethod
    def _no_sensor(pdu):
        return bytes((0x01, pdu[0])) + pdu[1:3] + bytes((ATTRIBUTE_NOT_FOUND,))

    def close(self):
        """Stop the board; it must not have printed anything."""
        output = list(self.board.output)
        self.board.stop()
        assert output == [], output

    # --- Time and octets ----------------------------------------------------------------------------------------

    @property
    def now_s(self):
        """DUT seconds."""
        return self.bearer.now_s

    def run_until(self, at_s):
        """Let DUT time pass and sort what comes."""
        while data := self.bearer.receive(at_s):
            for frame in self._deframer.feed(data):
                self._sort(frame)

    def run_for(self, seconds):
        """The same, for a while."""
        self.run_until(self.now_s + seconds)

    def _sort(self, frame):
        self.frames.append(frame)
        if frame.type != FrameType.ATT:
            return
        pdu = frame.body
        handle = pdu[1] | pdu[2] << 8 if len(pdu) >= 3 else 0
        if pdu[0] == 0x1D:
            self.indications.append((handle, self._payload(handle, pdu[3:])))
            if self.confirms:
                self.send(b"\x1e")
        elif pdu[0] == 0x1B:
            self.notifications.append((handle, self._payload(handle, pdu[3:])))
        elif pdu[0] in (0x0A, 0x12):
            self.requests.append(pdu)
            answer = self.sensor(pdu)
            if answer is not None:
                self.send(answer)
        else:
            self.answers.append(pdu)

    def send_frame(self, kind, body=b""):
        """One frame."""
        self.bearer.write(frame_octets(kind, body))

    def send(self, pdu):
        """One ATT PDU."""
        self.send_frame(FrameType.ATT, pdu)

    def exchange(self, pdu, for_s=SOON_S):
        """Send a PDU and return the answers to it that came soon."""
        before = len(self.answers)
        self.send(pdu)
        self.run_for(for_s)
        return self.answers[before:]

    # --- Connections --------------------------------------------------------------------------------------------

    def open(self, keep_alive_ms=0, wire_version=WIRE_VERSION, nonce=0x01020304):
        """Open a connection and return the status of its acknowledgement, None without one."""
        self._forget()
        body = frame_body(FrameType.OPEN, nonce=nonce, wire_version=wire_version, keep_alive_ms=keep_alive_ms)
        self.send_frame(FrameType.OPEN, body)
        self.run_for(SOON_S)
        acks = [frame.body for frame in self.frames if frame.type == FrameType.OPEN_ACK]
        assert all(ack[:4] == nonce.to_bytes(4, "little") for ack in acks)
        return acks[-1][6] if acks else None

    def subscribed(self, *left_out):
        """Open a connection with every client configuration set, but for those left out."""
        assert self.open() == 0
        for characteristic in SERVED:
            if characteristic.configuration_handle and characteristic not in left_out:
                bits = 2 if "indicate" in characteristic.properties else 1
                assert self.write(characteristic.configuration_handle, bytes((bits, 0))) == 0
        return self

    def disconnect(self):
        """End the connection."""
        self.send_frame(FrameType.CLOSE)
        self.run_for(SOON_S)

    # --- Requests -----------------------------------------------------------------------------------------------

    def read(self, handle):
        """The value, or the ATT error code as an int."""
        (answer,) = self.exchange(bytes((0x0A, handle & 0xFF, handle >> 8)))
        return answer[4] if answer[0] == 0x01 else answer[1:]

    def write(self, handle, value):
        """The ATT error code, 0 when the write was taken."""
        (answer,) = self.exchange(bytes((0x12, handle & 0xFF, handle >> 8)) + value)
        return answer[4] if answer[0] == 0x01 else 0

    def confirm(self):
        """Confirm an indication."""
        self.send(b"\x1e")
        self.run_for(SOON_S)

    def make_room(self, octets):
        """Exchange the MTU when a value of so many octets does not fit."""
        if octets + 3 > self.mtu:
            self.mtu = octets + 3
            assert self.exchange(bytes((0x02, self.mtu, 0)))[0][0] == 0x03

    def protected(self, characteristic, payload):
        """A payload with its next counter."""
        counter = self.counters.setdefault(characteristic, E2ECounter())
        return e2e.protect(payload, counter.next(), characteristic.protection)

    def write_message(self, name, **fields):
        """Write a message with its counter; returns the ATT error code."""
        message = MESSAGES[name]
        self.make_room(message.on.value_octets_max)
        return self.write(message.on.handle, self.protected(message.on, message.build(**fields)))

    def write_raw(self, characteristic, payload):
        """Write any payload with a good counter and CRC; returns the ATT error code."""
        self.make_room(characteristic.value_octets_max)
        return self.write(characteristic.handle, self.protected(characteristic, payload))

    def fields(self, name):
        """Read the characteristic of a message: its fields."""
        handle = MESSAGES[name].on.handle
        self.make_room(MESSAGES[name].on.value_octets_max)
        return self.decoded(handle, self._payload(handle, self.read(handle)))[1]

    def _payload(self, handle, value):
        """A value without its protection, which must be right."""
        characteristic = _BY_HANDLE[handle]
        payload, counter = e2e.check(value, characteristic.protection)
        if counter is not None:
            assert counter == self.seen.get(handle, 0) % 255 + 1, f"{characteristic.name}: counter {counter}"
            self.seen[handle] = counter
        return payload

    @staticmethod
    def decoded(handle, payload):
        """(message name, fields) of a payload from the pump."""
        message, decoded = decode(_BY_HANDLE[handle], payload, TO_CLIENT)
        assert decoded.ok, decoded.detail
        return message.name, decoded.fields

    # --- Procedures ---------------------------------------------------------------------------------------------

    def answer(self, characteristic):
        """The one indication of a control point that has come, confirmed: (message name, fields)."""
        until_s = self.now_s + ANSWER_S
        while True:
            while not self.indications and self.now_s < until_s:
                self.run_for(SOON_S)
            assert self.indications, f"{characteristic.name} has not answered"
            handle, payload = self.indications.pop(0)
            if not self.confirms:
                self.confirm()
            told = self.decoded(handle, payload)
            if handle == characteristic.handle:
                return told

    def procedure(self, name, **fields):
        """Run a procedure to its end: (message name, fields) of its answer."""
        assert self.write_message(name, **fields) == 0
        return self.answer(MESSAGES[name].on)

    def raw_procedure(self, characteristic, payload):
        """The same for any payload."""
        assert self.write_raw(characteristic, payload) == 0
        return self.answer(characteristic)

    def code(self, name, **fields):
        """The response code of a procedure that answers with one."""
        _, told = self.procedure(name, **fields)
        assert told["request_opcode"] == MESSAGES[name].opcode
        return int(told["response_code"])

    def told(self, characteristic):
        """What was notified of a characteristic so far: [(message name, fields)]; it is taken away."""
        mine = [pair for pair in self.notifications if pair[0] == characteristic.handle]
        self.notifications = [pair for pair in self.notifications if pair[0] != characteristic.handle]
        return [self.decoded(handle, payload) for handle, payload in mine]

    def records(self, **selection):
        """History records by RACP, oldest first: [(event name, fields)]."""
        assert self.write_message("RacpReportStoredRecords", **selection) == 0
        while not any(handle == RACP.handle for handle, _ in self.indications):
            self.run_for(1)
        _, told = self.answer(RACP)
        self.last_racp_code = int(told["response_code"])
        return self.told(HISTORY)

    # --- Shortcuts ----------------------------------------------------------------------------------------------

    def running(self, rate_mu_per_h=1000):
        """A subscribed pump in Run with one flat profile."""
        self.subscribed()
        rate = Decimal(rate_mu_per_h) / 1000
        self.procedure(
            "WriteBasalRateTemplate", flags=1, template_number=1, first_block_number=1, duration_minutes_1=1440,
            rate_iu_per_h_1=rate,
        )  # fmt: skip
        self.procedure("ActivateProfileTemplates", template_numbers=[1])
        assert self.code("SetTherapyControlState", therapy_control_state=0x55) == 0x0F
        self.drain()
        return self

    def drain(self):
        """Confirm and take away what is indicated and notified unasked; the handles of the indications."""
        handles = []
        while self.indications:
            handles.append(self.indications.pop(0)[0])
            if not self.confirms:
                self.confirm()
        self.notifications.clear()
        return handles
