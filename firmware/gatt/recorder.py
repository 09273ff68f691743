# What the pump tells, as the client learns of it: records of the history, bits of Status Changed, indications of the
# status, notifications of decisions (IDS 1.0.2, 3.2 and 3.10).
#
# It has a codec of its own: the pump tells in the middle of a procedure whose fields are still needed.
from micropython import const

from gatt import status
from gatt import wire_tables as tables
from gatt.codec import NAN, Codec
from gatt.encode import encode
from pump import events

_HISTORY_BOLUS_PROGRAMMED_2 = const(0x0066)
_HISTORY_BOLUS_DELIVERED_2 = const(0x0096)
_HISTORY_ANNUNCIATION_STATUS_CHANGED_2 = const(0x0356)

_BOLUS_TYPE_FAST = const(0x33)
_TBR_TYPE_ABSOLUTE = const(0x33)
_PROFILE_TEMPLATE_TYPE_BASAL_RATE = const(0x33)
_BOLUS_FLAGS_ACTIVATION_TYPE_PRESENT = const(4)
_BOLUS_DELIVERED_FLAGS_ACTIVATION_TYPE_PRESENT = const(1)
_BOLUS_DELIVERED_FLAGS_END_REASON_PRESENT = const(2)
_BOLUS_DELIVERED_FLAGS_ANNUNCIATION_ID_PRESENT = const(4)
_TBR_ENDED_FLAGS_ANNUNCIATION_ID_PRESENT = const(2)
_BASAL_RATE_CHANGED_FLAGS_CONTEXT_PRESENT = const(1)
_DAY_BITS = const(5)

# Made once: a tuple of what is imported would be made anew at each use.
_TBR_EVENTS = (events.TBR_STARTED, events.TBR_CHANGED, events.TBR_ENDED)
_STATE_EVENTS = (events.THERAPY, events.OPERATIONAL, events.RESERVOIR)

_BASAL_BITS = status.ACTIVE_BASAL_RATE | status.TOTAL_DAILY_INSULIN


class Recorder:
    # order: what the client said of the bolus beyond what the pump needs.
    def __init__(self, history, order):
        self._history = history
        self._order = order
        self._codec = Codec()
        self._data = bytearray(20)
        self._programmed_s = 0
        self._pump = None
        self._server = None
        self._status_changed = None
        self._status = None
        self._annunciation_status = None
        self._decision = None

    # Nothing is told before this.
    def connect(self, pump, server, status_changed, pump_status, annunciation_status, decision):
        self._pump = pump
        self._server = server
        self._status_changed = status_changed
        self._status = pump_status
        self._annunciation_status = annunciation_status
        self._decision = decision

    # Takes an event of pump/events.py at second s.
    def emit(self, event, s, a, b, c, d, e):
        if event == events.DECISION:
            self._server.notify(s, self._decision)
            return
        if event == events.BASAL_CHANGED:
            bits = self._basal_changed(s, a, b, c)
        elif event in _TBR_EVENTS:
            bits = self._tbr(event, s, a, b, c)
        elif event == events.BOLUS_STARTED:
            bits = self._bolus_started(s, a, b)
        elif event == events.BOLUS_ENDED:
            bits = self._bolus_ended(s, a, b, c, d, e)
        elif event == events.REFERENCE_TIME:
            bits = self._reference_time(s, a)
        elif event == events.ANNUNCIATION:
            bits = self._annunciation(s, a, b, c)
        elif event in _STATE_EVENTS:
            bits = self._state(event, s, a, b)
        else:
            bits = self._setting(event, s, a, b, c, d, e)
        self._status_changed.set(bits | status.HISTORY)

    def _append(self, event, s):
        end = encode(self._codec, tables.HISTORY[event], self._data, 0)
        self._history.append(event, s, self._data, end)

    def _basal_changed(self, s, old_mu_per_h, new_mu_per_h, context):
        fields = self._codec.fields
        fields[tables.FLAGS] = _BASAL_RATE_CHANGED_FLAGS_CONTEXT_PRESENT
        fields[tables.OLD_RATE_IU_PER_H] = old_mu_per_h
        fields[tables.NEW_RATE_IU_PER_H] = new_mu_per_h
        fields[tables.CONTEXT] = context
        self._append(events.BASAL_CHANGED, s)
        return _BASAL_BITS

    def _tbr(self, event, s, a, b, c):
        fields = self._codec.fields
        fields[tables.FLAGS] = 0
        fields[tables.TBR_TYPE] = _TBR_TYPE_ABSOLUTE
        if event == events.TBR_ENDED:
            fields[tables.EFFECTIVE_DURATION_MINUTES] = a
            fields[tables.TBR_END_REASON] = b
            fields[tables.FLAGS] = _TBR_ENDED_FLAGS_ANNUNCIATION_ID_PRESENT if c else 0
            fields[tables.ANNUNCIATION_ID] = c
        else:
            fields[tables.VALUE] = a
            fields[tables.DURATION_MINUTES] = b
            fields[tables.ELAPSED_MINUTES] = c
        self._append(event, s)
        return status.ACTIVE_BASAL_RATE

    def _bolus_started(self, s, bolus_id, amount_mu):
        fields = self._codec.fields
        fields[tables.BOLUS_ID] = bolus_id
        fields[tables.BOLUS_TYPE] = _BOLUS_TYPE_FAST
        fields[tables.FAST_AMOUNT_IU] = amount_mu
        fields[tables.EXTENDED_AMOUNT_IU] = 0
        fields[tables.DURATION_MINUTES] = 0
        self._append(events.BOLUS_STARTED, s)
        fields[tables.FLAGS] = self._order.bolus_flags
        fields[tables.ACTIVATION_TYPE] = self._order.activation_type
        self._append(_HISTORY_BOLUS_PROGRAMMED_2, s)
        self._programmed_s = s
        return status.ACTIVE_BOLUS

    def _bolus_ended(self, s, bolus_id, delivered_mu, reason, annunciation_id, start_s):
        fields = self._codec.fields
        fields[tables.BOLUS_ID] = bolus_id
        fields[tables.BOLUS_TYPE] = _BOLUS_TYPE_FAST
        fields[tables.FAST_DELIVERED_IU] = delivered_mu
        fields[tables.EXTENDED_DELIVERED_IU] = 0
        fields[tables.EFFECTIVE_DURATION_MINUTES] = 0
        self._append(events.BOLUS_ENDED, s)
        flags = _BOLUS_DELIVERED_FLAGS_END_REASON_PRESENT
        if self._order.bolus_flags & _BOLUS_FLAGS_ACTIVATION_TYPE_PRESENT:
            flags |= _BOLUS_DELIVERED_FLAGS_ACTIVATION_TYPE_PRESENT
        if annunciation_id:
            flags |= _BOLUS_DELIVERED_FLAGS_ANNUNCIATION_ID_PRESENT
        offset_s = start_s - self._programmed_s
        fields[tables.FLAGS] = flags
        fields[tables.START_OFFSET_S_LOW] = offset_s & 0xFFFF
        fields[tables.START_OFFSET_S_HIGH] = offset_s >> 16
        fields[tables.ACTIVATION_TYPE] = self._order.activation_type
        fields[tables.BOLUS_END_REASON] = reason
        fields[tables.ANNUNCIATION_ID] = annunciation_id
        self._append(_HISTORY_BOLUS_DELIVERED_2, s)
        return status.ACTIVE_BOLUS | status.TOTAL_DAILY_INSULIN

    def _reference_time(self, s, reason):
        fields = self._codec.fields
        wall = self._pump.wall
        wall.read(s)
        fields[tables.RECORDING_REASON] = reason
        fields[tables.YEAR] = wall.year
        fields[tables.MONTH] = wall.month
        fields[tables.DAY] = wall.day_of_month
        fields[tables.HOUR] = wall.hour
        fields[tables.MINUTE] = wall.minute
        fields[tables.SECOND] = wall.second
        fields[tables.TIME_ZONE_QUARTER_HOURS] = wall.zone
        fields[tables.DST_OFFSET] = wall.dst
        self._append(events.REFERENCE_TIME, s)
        return 0

    def _annunciation(self, s, annunciation_id, kind, state):
        fields = self._codec.fields
        fields[tables.FLAGS] = 0
        fields[tables.ANNUNCIATION_ID] = annunciation_id
        fields[tables.ANNUNCIATION_TYPE] = kind
        fields[tables.ANNUNCIATION_STATUS] = state
        self._append(events.ANNUNCIATION, s)
        fields[tables.FLAGS] = 0
        self._append(_HISTORY_ANNUNCIATION_STATUS_CHANGED_2, s)
        self._annunciation_status.changed()
        return status.ANNUNCIATION

    # What IDD Status shows.
    def _state(self, event, s, a, b):
        fields = self._codec.fields
        if event == events.THERAPY:
            fields[tables.OLD_THERAPY_CONTROL_STATE] = a
            fields[tables.NEW_THERAPY_CONTROL_STATE] = b
            bits = status.THERAPY
        elif event == events.OPERATIONAL:
            fields[tables.OLD_OPERATIONAL_STATE] = a
            fields[tables.NEW_OPERATIONAL_STATE] = b
            bits = status.OPERATIONAL
        else:
            fields[tables.RESERVOIR_REMAINING_IU] = a if self._pump.reservoir.attached else NAN
            bits = status.RESERVOIR
        self._append(event, s)
        self._status.changed()
        return bits

    def _setting(self, event, s, a, b, c, d, e):
        fields = self._codec.fields
        bits = 0
        if event == events.PROFILE_ACTIVATED:
            fields[tables.PROFILE_TEMPLATE_TYPE] = _PROFILE_TEMPLATE_TYPE_BASAL_RATE
            fields[tables.OLD_TEMPLATE_NUMBER] = a
            fields[tables.NEW_TEMPLATE_NUMBER] = b
            bits = status.ACTIVE_BASAL_RATE
        elif event == events.BLOCK_CHANGED:
            fields[tables.TEMPLATE_NUMBER] = a
            fields[tables.BLOCK_NUMBER] = b
            fields[tables.DURATION_MINUTES] = c
            fields[tables.RATE_IU_PER_H] = d
        elif event == events.DAILY:
            fields[tables.FLAGS] = c
            fields[tables.BOLUS_DELIVERED_IU] = a
            fields[tables.BASAL_DELIVERED_IU] = b
            fields[tables.YEAR] = d
            fields[tables.MONTH] = e >> _DAY_BITS
            fields[tables.DAY] = e & (1 << _DAY_BITS) - 1
            bits = status.TOTAL_DAILY_INSULIN
        elif event == events.MAX_BOLUS:
            fields[tables.OLD_MAX_BOLUS_IU] = a
            fields[tables.NEW_MAX_BOLUS_IU] = b
        self._append(event, s)
        return bits
