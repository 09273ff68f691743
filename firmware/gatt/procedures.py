# What the control points have in common: one procedure at a time over all of them, answered by an indication
# (IDS 1.0.2, 3.11).
#
# A procedure lasts from its write to the confirmation of its answer. A write is checked in this order: length and CRC,
# counter, client configuration, procedure in progress.
from micropython import const

from gatt import att, e2e
from gatt import wire_tables as tables
from gatt.characteristic import INDICATE, WRITE, Characteristic
from gatt.codec import find
from gatt.encode import encode

# Outcomes of a decoding.
DECODED = const(0)
OUT_OF_RANGE = const(4)

# Response codes that the control points give by themselves; the pump gives the others.
SUCCESS = const(0x0F)
OPCODE_NOT_SUPPORTED = const(0x70)
INVALID_OPERAND = const(0x71)
NOT_COMPLETED = const(0x72)
PARAMETER_OUT_OF_RANGE = const(0x73)
NOT_APPLICABLE = const(0x74)

_RESPONSE_OCTETS = const(20)


class Procedures:
    # beside: the procedures of the client on another bearer, or None. A profile is written by one of them at a time.
    def __init__(self, pump, beside=None):
        self._pump = pump
        self._writer = beside._writer if beside else [None]
        self.running = None

    # A transaction that writes a profile ends with the connection of its client, too.
    def reset(self):
        self.running = None
        if self._writer[0] in (None, self):
            self.drop_write()

    # Any procedure but its own next write drops a transaction that writes a profile (IDS 1.0.2, 3.7.2.6), whoever has
    # begun it (D-1509).
    def drop_write(self):
        self._writer[0] = self
        self._pump.drop_profile()

    # Whether no procedure of another client has come between.
    def writes(self):
        return self._writer[0] is self

    # Whether this client may have a procedure carried out.
    def allows(self, control_point, opcode):
        return True

    def begin(self, control_point):
        self.running = control_point

    def end(self, control_point):
        if self.running is control_point:
            self.running = None


class ControlPoint(Characteristic):
    # The message that carries a response code, and the table of all answers; a control point whose answers are others
    # has its own `respond`.
    response_opcode = 0
    responses = b""
    not_completed = NOT_COMPLETED

    # requests: table of the opcodes that are carried out. prohibited: first and last of those that get no answer.
    def __init__(self, handle, procedures, codec, requests, opcode_octets, prohibited=(1, 0)):
        self.procedures = procedures
        self.codec = codec
        self._requests = requests
        self._opcode_octets = opcode_octets
        self._prohibited = prohibited
        self._response = bytearray(_RESPONSE_OCTETS)
        self._response_end = 0
        super().__init__(handle, WRITE | INDICATE)

    def write(self, s, buf, start, end):
        error = self.check(buf, start, end)
        if error:
            return error
        end -= e2e.TRAILER_OCTETS
        at = start + self._opcode_octets
        if end < at:
            return att.INVALID_LENGTH
        opcode = self.opcode_of(buf, start)
        data = self.data_of(opcode)
        if not self.indicates() or data is not None and not data.notifies():
            return att.CONFIGURATION_IMPROPER
        if self.procedures.running is not None and not self.passes(opcode):
            return att.PROCEDURE_IN_PROGRESS
        if not self._prohibited[0] <= opcode <= self._prohibited[1]:
            self._execute(s, opcode, buf, at, end)
        return att.OK

    def opcode_of(self, buf, start):
        return buf[start] if self._opcode_octets == 1 else buf[start] | buf[start + 1] << 8

    # Whether an answer is still to come, or to be confirmed.
    def busy(self):
        return self.pending or self.procedures.running is self

    def _execute(self, s, opcode, buf, at, end):
        procedures = self.procedures
        if procedures.running is None:
            procedures.begin(self)
        if not self.continues_write(opcode) or not procedures.writes():
            procedures.drop_write()
        program = find(self._requests, opcode)
        if not procedures.allows(self, opcode):
            self.respond(opcode, self.not_completed)
        elif program >= 0 and self.offers(opcode):
            self.execute(s, opcode, self.codec.decode(program, buf, at, end))
        else:
            self.unsupported(opcode)

    # Whether this pump has a procedure that the service knows.
    def offers(self, opcode):
        return True

    # The characteristic whose notifications a procedure needs, or None.
    def data_of(self, opcode):
        return None

    # Whether a procedure is let through while another one runs.
    def passes(self, opcode):
        return False

    # Whether a procedure belongs to a transaction that writes a profile.
    def continues_write(self, opcode):
        return False

    def unsupported(self, opcode):
        self.respond(opcode, OPCODE_NOT_SUPPORTED)

    # Carries a procedure out, given how its operand decoded, and answers it, now or after its last notification.
    def execute(self, s, opcode, outcome):
        pass

    # The response code that a decoding which failed is answered with; SUCCESS for one that did not.
    def code_of(self, outcome):
        if outcome == DECODED:
            return SUCCESS
        return PARAMETER_OUT_OF_RANGE if outcome == OUT_OF_RANGE else INVALID_OPERAND

    # Answers with a response code.
    def respond(self, opcode, code):
        fields = self.codec.fields
        fields[tables.REQUEST_OPCODE] = opcode
        fields[tables.RESPONSE_CODE] = code
        self.answer(self.response_opcode, find(self.responses, self.response_opcode))

    # Ends a procedure with its answer, which the fields hold, or with a response code.
    def finish(self, opcode, code, answers):
        answer = find(answers, opcode)
        if code == SUCCESS and answer >= 0:
            self.answer(answer, find(self.responses, answer))
        else:
            self.respond(opcode, code)

    # Answers with the message that the fields hold.
    def answer(self, opcode, program):
        response = self._response
        response[0] = opcode & 0xFF
        if self._opcode_octets == 2:
            response[1] = opcode >> 8
        self._response_end = encode(self.codec, program, response, self._opcode_octets)
        self.pending = True

    def encode(self, s, buf, start):
        for at in range(self._response_end):
            buf[start + at] = self._response[at]
        return start + self._response_end

    def confirmed(self):
        self.procedures.end(self)
