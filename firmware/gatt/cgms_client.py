# The pump as a client of the sensor: reads its features and the session's start, asks for measurements, and hands
# each one to the pump (CGMS 1.0.2).
#
# One request is under way at a time. A sensor that refuses or does not answer is asked again after a while.
from micropython import const

from clock import Timeout
from gatt import att, e2e, handles
from gatt import wire_tables as tables
from gatt.codec import NAN, OK, OUT_OF_RANGE
from pump.wall import day_number

_FEATURE = const(0)
_SESSION_START = const(1)
_CONFIGURATION = const(2)
_SUBSCRIBED = const(3)

_NOTIFY = const(1)
_CGM_FEATURE_FLAGS_E2E_CRC = const(0x1000)
_RETRY_MS = const(30000)
_ANSWER_MS = const(30000)
_CRC_UNSUPPORTED = const(0xFFFF)

_RECORD_OCTETS_MIN = const(6)
_SESSION_START_OCTETS = const(9)
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
        self.reset()

    # Forgets what belongs to a connection; the session is the sensor's.
    def reset(self):
        self._step = _FEATURE
        self._protected = False
        self._waiting = False
        self._retry.stop()
        self._answer.stop()

    # A connection has begun.
    def opened(self):
        self._retry.start(0)

    # Makes the next request, or the same one once more; to be called after each reading of the clock.
    def run(self):
        if self._answer.over():
            self._refused()
        if not self._retry.over():
            return
        self._retry.stop()
        self._waiting = True
        self._answer.start(_ANSWER_MS)
        if self._step == _FEATURE:
            self._server.request_read(handles.CGM_FEATURE)
        elif self._step == _SESSION_START:
            self._server.request_read(handles.CGM_SESSION_START_TIME)
        else:
            self._server.request_configuration(handles.CGM_MEASUREMENT_CCCD, _NOTIFY)

    # Milliseconds until `run` has something to do, or -1.
    def wait_ms(self):
        if self._answer.running:
            return self._answer.left_ms()
        return self._retry.left_ms() if self._retry.running else -1

    def _refused(self):
        self._waiting = False
        self._answer.stop()
        self._step = _FEATURE
        self._retry.start(_RETRY_MS)

    def refused(self, s, error):
        if self._waiting:
            self._refused()

    def response(self, s, opcode, buf, start, end):
        if not self._waiting:
            return
        self._waiting = False
        self._answer.stop()
        if self._step == _FEATURE:
            good = opcode == att.READ_RESPONSE and self._take_feature(buf, start, end)
        elif self._step == _SESSION_START:
            good = opcode == att.READ_RESPONSE and self._take_session_start(s, buf, start, end)
        else:
            good = opcode == att.WRITE_RESPONSE
        if not good:
            self._refused()
            return
        self._step += 1
        if self._step < _SUBSCRIBED:
            self._retry.start(0)

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

    def _intact(self, buf, start, end):
        if e2e.crc_matches(buf, start, end):
            return True
        self.e2e_failures += 1
        return False

    # --- The session ------------------------------------------------------------------------------------------------

    # The same start read again is the same session, at the second it was first found to begin (D-601).
    def _take_session_start(self, s, buf, start, end):
        if self._protected:
            if end - start <= e2e.CRC_OCTETS or not self._intact(buf, start, end):
                return False
            end -= e2e.CRC_OCTETS
        if end - start != _SESSION_START_OCTETS:
            self.malformed += 1
            return False
        same = self._session_known
        for i in range(_SESSION_START_OCTETS):
            same = same and self._session_start[i] == buf[start + i]
            self._session_start[i] = buf[start + i]
        if not same:
            self._session_known = True
            self._place_session(s)
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

    # --- Measurements -----------------------------------------------------------------------------------------------

    # A notification holds one record or several; a record whose size cannot be ends it.
    def notified(self, s, handle, buf, start, end):
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
        self._pump.cgm_sample(s, fields[tables.TIME_OFFSET_MINUTES], glucose_mg_dl, status)
