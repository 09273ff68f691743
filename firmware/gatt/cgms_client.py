# The pump as a client of the sensor: reads what it is and where its session stands, asks for measurements and for those
# missed, and hands each one to the pump (CGMS 1.0.2).
#
# One request is under way at a time. A sensor that refuses what it must have, or does not answer, is asked again after
# a while; one that stores no records, or tells no status, is taken as it is.
#
# The communication interval is left alone: it says how often the sensor talks, not how often it measures.
from micropython import const

from clock import Timeout
from gatt import att, e2e, handles
from gatt import wire_tables as tables
from gatt.codec import NAN, OK, OUT_OF_RANGE
from gatt.encode import encode
from pump.wall import day_number

# What is read, in this order; the places in _READ.
_FEATURE = const(0)
_SESSION_START = const(1)
_STATUS = const(2)
# What is written: two client configurations and the request for what was missed.
_RECORD_ACCESS = const(3)
_MEASUREMENT = const(4)
_MISSED = const(5)
_SETTLED = const(6)

_READ = (handles.CGM_FEATURE, handles.CGM_SESSION_START_TIME, handles.CGM_STATUS)
_NOTIFY = b"\x01\x00"
_INDICATE = b"\x02\x00"
_CGM_FEATURE_FLAGS_E2E_CRC = const(0x1000)
_RETRY_MS = const(30000)
_ANSWER_MS = const(30000)
_CRC_UNSUPPORTED = const(0xFFFF)

_CGM_RACP_REPORT_STORED_RECORDS = const(0x01)
_CGM_RACP_RESPONSE_CODE = const(0x06)
_CGM_RACP_OPERATOR_GREATER_THAN_OR_EQUAL = const(0x03)
_CGM_RACP_FILTER_TIME_OFFSET = const(0x01)
_CGM_RACP_RESPONSE_CODE_PROCEDURE_NOT_COMPLETED = const(0x08)
_CGM_RACP_RESPONSE_CODE_SERVER_BUSY = const(0x0A)
_REPORT_OCTETS = const(5)

_RECORD_OCTETS_MIN = const(6)
_SESSION_START_OCTETS = const(9)
_OFFSET_MINUTES_MAX = const(0xFFFF)
_DAY_S = const(86400)
_DAYS_MAX = const(6000)  # What lies further off stays a small int of seconds, and is no usable time anyway.


class CgmsClient:
    def __init__(self, server, codec, pump, clock):
        self.e2e_failures = 0
        self.malformed = 0
        self._server = server
        self._codec = codec
        self._pump = pump
        self._retry = Timeout(clock)
        self._answer = Timeout(clock)
        self._session_start = bytearray(_SESSION_START_OCTETS)
        self._session_known = False
        self._clock_set = False
        # The offset from which samples of the session are missing; -1 when there is nothing to tell it by.
        self._missing = -1
        self.reset()

    # Forgets what belongs to a connection; the session is the sensor's.
    def reset(self):
        self._step = _FEATURE
        self._protected = False
        self._stores = False
        self._waiting = False
        self._retry.stop()
        self._answer.stop()

    # A connection has begun.
    def opened(self):
        self._retry.start(0)

    # Makes the next request, or the same one once more; to be called after each reading of the clock.
    def run(self):
        if self._answer.over():
            self._failed()
        if not self._retry.over():
            return
        self._retry.stop()
        # A record that came since may have the greatest offset there is: nothing can be missing after it.
        if self._step == _MISSED and not self._knows_missing():
            self._step = _SETTLED
            return
        self._waiting = True
        self._answer.start(_ANSWER_MS)
        if self._step < _RECORD_ACCESS:
            self._server.request_read(_READ[self._step])
        elif self._step == _RECORD_ACCESS:
            self._server.request_write(handles.CGM_RECORD_ACCESS_CONTROL_POINT_CCCD, _INDICATE)
        elif self._step == _MEASUREMENT:
            self._server.request_write(handles.CGM_MEASUREMENT_CCCD, _NOTIFY)
        else:
            self._server.request_write(handles.CGM_RECORD_ACCESS_CONTROL_POINT, self._report())

    # Milliseconds until `run` has something to do, or -1.
    def wait_ms(self):
        if self._answer.running:
            return self._answer.left_ms()
        return self._retry.left_ms() if self._retry.running else -1

    # Feature, session and measurements are what a decision needs; the rest may be missing.
    def _failed(self):
        self._waiting = False
        self._answer.stop()
        if self._step == _STATUS or self._step == _RECORD_ACCESS or self._step == _MISSED:
            self._go_on()
            return
        self._step = _FEATURE
        self._retry.start(_RETRY_MS)

    def _go_on(self):
        self._step += 1
        if self._step == _MISSED and not self._knows_missing():
            self._step = _SETTLED
        if self._step < _SETTLED:
            self._retry.start(0)

    def refused(self, s, error):
        if self._waiting:
            self._failed()

    def response(self, s, opcode, buf, start, end):
        if not self._waiting:
            return
        self._waiting = False
        self._answer.stop()
        if self._take(s, opcode, buf, start, end):
            self._go_on()
        else:
            self._failed()

    def _take(self, s, opcode, buf, start, end):
        if self._step >= _RECORD_ACCESS:
            good = opcode == att.WRITE_RESPONSE
            if self._step == _RECORD_ACCESS:
                self._stores = good
            return good
        if opcode != att.READ_RESPONSE:
            return False
        if self._step == _FEATURE:
            return self._take_feature(buf, start, end)
        if self._step == _SESSION_START:
            return self._take_session_start(s, buf, start, end)
        return self._take_status(buf, start, end)

    # The CRC field is there in any case; 0xFFFF stands in it where the sensor has no E2E-CRC.
    def _take_feature(self, buf, start, end):
        stop = end - e2e.CRC_OCTETS
        if stop <= start or self._codec.decode(tables.CGM_FEATURE, buf, start, stop) != OK:
            self.malformed += 1
            return False
        self._protected = self._codec.fields[tables.FLAGS] & _CGM_FEATURE_FLAGS_E2E_CRC != 0
        if not self._protected:
            return buf[stop] | buf[stop + 1] << 8 == _CRC_UNSUPPORTED
        return self._intact(buf, start, end)

    # The end of a value that is not a record, without its CRC; -1 when it is damaged.
    def _checked(self, buf, start, end):
        if not self._protected:
            return end
        if end - start <= e2e.CRC_OCTETS or not self._intact(buf, start, end):
            return -1
        return end - e2e.CRC_OCTETS

    def _intact(self, buf, start, end):
        if e2e.crc_matches(buf, start, end):
            return True
        self.e2e_failures += 1
        return False

    # --- The session ------------------------------------------------------------------------------------------------

    # The same start read again is the same session, at the second it was first found to begin (D-601).
    def _take_session_start(self, s, buf, start, end):
        end = self._checked(buf, start, end)
        if end < 0:
            return False
        if end - start != _SESSION_START_OCTETS:
            self.malformed += 1
            return False
        same = self._session_known
        for i in range(_SESSION_START_OCTETS):
            same = same and self._session_start[i] == buf[start + i]
            self._session_start[i] = buf[start + i]
        if not same:
            self._session_known = True
            self._missing = -1
            self._place_session(s)
        return True

    # In a session that is seen for the first time, what is still usable is missing (D-617).
    def _take_status(self, buf, start, end):
        end = self._checked(buf, start, end)
        if end < 0:
            return False
        if self._codec.decode(tables.CGM_STATUS, buf, start, end) != OK:
            self.malformed += 1
            return False
        if self._missing < 0:
            minutes = self._codec.fields[tables.TIME_OFFSET_MINUTES] - self._pump.control.settings.stale_minutes
            self._missing = max(minutes, 0)
        return True

    # Finds the session's start on the pump's clock: both clocks are local.
    def _place_session(self, s):
        fields = self._codec.fields
        wall = self._pump.wall
        outcome = self._codec.decode(tables.CGM_SESSION_START_TIME, self._session_start, 0, _SESSION_START_OCTETS)
        if outcome != OK or not fields[tables.YEAR] or not fields[tables.MONTH] or not fields[tables.DAY]:
            self._session_known = False
            return
        day = day_number(fields[tables.YEAR], fields[tables.MONTH], fields[tables.DAY])
        days_ago = max(-_DAYS_MAX, min(_DAYS_MAX, wall.day(s) - day))
        second = 3600 * fields[tables.HOUR] + 60 * fields[tables.MINUTE] + fields[tables.SECOND]
        self._pump.cgm_session(s, s - days_ago * _DAY_S - wall.second_of_day(s) + second)

    # The clock has been set. Before it was set for the first time nothing could be placed on it.
    def clock_set(self, s):
        first = not self._clock_set
        self._clock_set = True
        if first and self._session_known:
            self._place_session(s)
            if self._step == _SETTLED and self._knows_missing():
                self._step = _MISSED
                self._retry.start(0)

    # --- What was missed --------------------------------------------------------------------------------------------

    # A sample that comes before the clock is set cannot be placed, and would be lost (D-601).
    def _knows_missing(self):
        return self._stores and self._clock_set and 0 <= self._missing <= _OFFSET_MINUTES_MAX

    # The records come as measurements do, before the indication that ends the procedure.
    def _report(self):
        fields = self._codec.fields
        report = bytearray(_REPORT_OCTETS)
        report[0] = _CGM_RACP_REPORT_STORED_RECORDS
        fields[tables.OPERATOR] = _CGM_RACP_OPERATOR_GREATER_THAN_OR_EQUAL
        fields[tables.FILTER] = _CGM_RACP_FILTER_TIME_OFFSET
        fields[tables.MINIMUM_TIME_OFFSET_MINUTES] = self._missing
        encode(self._codec, tables.CGM_RACP_REPORT_STORED_RECORDS, report, 1)
        return report

    # Whatever ends it but these two codes would end it again.
    def _reported(self, buf, start, end):
        if end == start or buf[start] != _CGM_RACP_RESPONSE_CODE or self._step != _SETTLED:
            return
        if self._codec.decode(tables.CGM_RACP_RESPONSE_CODE, buf, start + 1, end) != OK:
            self.malformed += 1
            return
        code = self._codec.fields[tables.RESPONSE_CODE]
        if code == _CGM_RACP_RESPONSE_CODE_PROCEDURE_NOT_COMPLETED or code == _CGM_RACP_RESPONSE_CODE_SERVER_BUSY:
            self._step = _MISSED
            self._retry.start(_RETRY_MS)

    # --- Measurements -----------------------------------------------------------------------------------------------

    # A notification of measurements holds one record or several; a record whose size cannot be ends it.
    def notified(self, s, handle, buf, start, end):
        if handle == handles.CGM_RECORD_ACCESS_CONTROL_POINT:
            self._reported(buf, start, end)
        if handle != handles.CGM_MEASUREMENT:
            return
        while start < end:
            stop = start + buf[start]
            if stop - start < _RECORD_OCTETS_MIN or stop > end:
                self.malformed += 1
                return
            self._take_record(s, buf, start, stop)
            start = stop

    def _take_record(self, s, buf, start, end):
        if self._protected:
            if not self._intact(buf, start, end):
                return
            end -= e2e.CRC_OCTETS
        fields = self._codec.fields
        outcome = self._codec.decode(tables.CGM_MEASUREMENT, buf, start + 1, end)
        if outcome != OK and outcome != OUT_OF_RANGE:
            self.malformed += 1
            return
        status = max(fields[tables.SENSOR_STATUS], 0)
        status |= max(fields[tables.SENSOR_CALIBRATION_TEMPERATURE], 0) << 8
        status |= max(fields[tables.SENSOR_WARNING], 0) << 16
        glucose_mg_dl = fields[tables.GLUCOSE_MG_DL]
        # The special words of the format are all below the least number.
        if glucose_mg_dl <= NAN or self._codec.bad_slot == tables.GLUCOSE_MG_DL:
            glucose_mg_dl = -1
        offset_minutes = fields[tables.TIME_OFFSET_MINUTES]
        self._missing = max(self._missing, offset_minutes + 1)
        self._pump.cgm_sample(s, offset_minutes, glucose_mg_dl, status)
