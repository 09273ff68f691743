# What the pump tells, as the client learns of it: records of the history, bits of Status Changed, indications of the
# status, notifications of decisions (IDS 1.0.2, 3.2 and 3.10).
#
# It has a codec of its own: the pump tells in the middle of a procedure whose fields are still needed.
from micropython import const

from gatt import status
from gatt import wire_tables as tables
from gatt.codec import NAN, Codec, find
from gatt.encode import encode

# Words of pump/events.py.
_REFERENCE_TIME = const(0x000F)
_BOLUS_STARTED = const(0x005A)
_BOLUS_ENDED = const(0x0069)
_BASAL_CHANGED = const(0x0099)
_TBR_STARTED = const(0x00A5)
_TBR_ENDED = const(0x00AA)
_TBR_CHANGED = const(0x00C3)
_DAILY = const(0x00FF)
_THERAPY = const(0x0303)
_OPERATIONAL = const(0x030C)
_RESERVOIR = const(0x0330)
_ANNUNCIATION = const(0x033F)
_PRIMING_STARTED = const(0x0395)
_PRIMING_DONE = const(0x039A)
_DECISION = const(0x0000)
_GUARDRAIL = const(0xF00F)

_HISTORY_BOLUS_PROGRAMMED_2 = const(0x0066)
_HISTORY_BOLUS_DELIVERED_2 = const(0x0096)
_HISTORY_ANNUNCIATION_STATUS_CHANGED_2 = const(0x0356)

_BOLUS_FLAGS_ACTIVATION_TYPE_PRESENT = const(4)
_BOLUS_DELIVERED_FLAGS_ACTIVATION_TYPE_PRESENT = const(1)
_BOLUS_DELIVERED_FLAGS_END_REASON_PRESENT = const(2)
_BOLUS_DELIVERED_FLAGS_ANNUNCIATION_ID_PRESENT = const(4)
_TBR_EVENT_FLAGS_TEMPLATE_NUMBER_PRESENT = const(1)
_TBR_ENDED_FLAGS_ANNUNCIATION_ID_PRESENT = const(2)
_PRIMING_DONE_FLAGS_ANNUNCIATION_ID_PRESENT = const(1)
_BASAL_RATE_CHANGED_FLAGS_CONTEXT_PRESENT = const(1)
_DAY_BITS = const(5)

_TBR_EVENTS = (_TBR_STARTED, _TBR_CHANGED, _TBR_ENDED)
_STATE_EVENTS = (_THERAPY, _OPERATIONAL, _RESERVOIR)
_PRIMING_EVENTS = (_PRIMING_STARTED, _PRIMING_DONE)
_BOLUS_EVENTS = (_BOLUS_STARTED, _BOLUS_ENDED)

_BASAL_BITS = status.ACTIVE_BASAL_RATE | status.TOTAL_DAILY_INSULIN


class Recorder:
    def __init__(self, history):
        self._history = history
        self.codec = Codec()
        self._data = bytearray(20)
        self.pump = None
        # One for each bearer.
        self._peripherals = []
        # Records what a client seldom changes (gatt/seldom_records.py), from the first such request on.
        self.seldom = None

    # Nothing is told before this, which is called once for each bearer.
    def connect(self, pump, peripheral):
        self.pump = pump
        self._peripherals.append(peripheral)

    def clock_set(self, s):
        for peripheral in self._peripherals:
            peripheral.client.clock_set(s)

    def battery_changed(self, s):
        for peripheral in self._peripherals:
            peripheral.server.notify(s, peripheral.battery)

    # Takes an event of pump/events.py at second s.
    def emit(self, event, s, a, b, c, d, e):
        if event == _DECISION:
            for peripheral in self._peripherals:
                peripheral.server.notify(s, peripheral.decision)
            return
        if event == _BASAL_CHANGED:
            bits = self._basal_changed(s, a, b, c)
        elif event in _TBR_EVENTS:
            bits = self._tbr(event, s, a, b, c)
        elif event in _BOLUS_EVENTS:
            bits = self._bolus(event, s, a, b, c)
        elif event == _REFERENCE_TIME:
            bits = self._reference_time(s, a)
        elif event == _ANNUNCIATION:
            bits = self._annunciation(s, a, b, c)
        elif event in _STATE_EVENTS:
            bits = self._state(event, s, a, b)
        elif event in _PRIMING_EVENTS:
            bits = self._priming(event, s, a, b, c)
        elif event == _GUARDRAIL:
            bits = self._guardrail(s, a, b, c, d)
        elif event == _DAILY:
            bits = self._daily(s, a, b, c, d, e)
        else:
            bits = self._seldom(event, s, a, b, c, d, e)
        # The bits are the same for all.
        if self._peripherals[0].status_changed.set(bits | status.HISTORY):
            for peripheral in self._peripherals:
                peripheral.status_changed.changed()

    # What a client commands has brought the module along; whoever calls the pump without a client has not.
    def _seldom(self, event, s, a, b, c, d, e):
        if self.seldom is None:
            from gatt.seldom_records import record

            self.seldom = record
        return self.seldom(self, event, s, a, b, c, d, e)

    # Appends what the fields say to the history.
    def append(self, event, s):
        end = encode(self.codec, find(tables.HISTORY, event), self._data, 0)
        self._history.append(event, s, self._data, end)

    def _basal_changed(self, s, old_mu_per_h, new_mu_per_h, context):
        fields = self.codec.fields
        fields[tables.FLAGS] = _BASAL_RATE_CHANGED_FLAGS_CONTEXT_PRESENT
        fields[tables.OLD_RATE_IU_PER_H] = old_mu_per_h
        fields[tables.NEW_RATE_IU_PER_H] = new_mu_per_h
        fields[tables.CONTEXT] = context
        self.append(_BASAL_CHANGED, s)
        return _BASAL_BITS

    def _tbr(self, event, s, a, reason, annunciation_id):
        fields = self.codec.fields
        tbr = self.pump.tbr
        flags = _TBR_EVENT_FLAGS_TEMPLATE_NUMBER_PRESENT if tbr.template else 0
        fields[tables.TBR_TYPE] = tbr.kind
        fields[tables.TEMPLATE_NUMBER] = tbr.template
        if event == _TBR_ENDED:
            if annunciation_id:
                flags |= _TBR_ENDED_FLAGS_ANNUNCIATION_ID_PRESENT
            fields[tables.EFFECTIVE_DURATION_MINUTES] = a
            fields[tables.TBR_END_REASON] = reason
            fields[tables.ANNUNCIATION_ID] = annunciation_id
        else:
            fields[tables.VALUE] = tbr.value
            fields[tables.DURATION_MINUTES] = tbr.duration_minutes
            fields[tables.ELAPSED_MINUTES] = a
        fields[tables.FLAGS] = flags
        self.append(event, s)
        return status.ACTIVE_BASAL_RATE

    # What is in two parts.
    def _bolus(self, event, s, a, reason, annunciation_id):
        if event == _BOLUS_STARTED:
            self._bolus_started(s, self.pump.boluses[a])
            return status.ACTIVE_BOLUS
        self._bolus_ended(s, self.pump.boluses[a], reason, annunciation_id)
        return status.ACTIVE_BOLUS | status.TOTAL_DAILY_INSULIN

    def _bolus_started(self, s, bolus):
        fields = self.codec.fields
        fields[tables.BOLUS_ID] = bolus.bolus_id
        fields[tables.BOLUS_TYPE] = bolus.kind
        fields[tables.FAST_AMOUNT_IU] = bolus.fast_mu
        fields[tables.EXTENDED_AMOUNT_IU] = bolus.extended_mu
        fields[tables.DURATION_MINUTES] = bolus.duration_minutes
        self.append(_BOLUS_STARTED, s)
        fields[tables.FLAGS] = bolus.flags
        fields[tables.DELAY_MINUTES] = bolus.delay_minutes
        fields[tables.TEMPLATE_NUMBER] = bolus.template
        fields[tables.ACTIVATION_TYPE] = bolus.activation
        self.append(_HISTORY_BOLUS_PROGRAMMED_2, s)

    def _bolus_ended(self, s, bolus, reason, annunciation_id):
        fields = self.codec.fields
        fields[tables.BOLUS_ID] = bolus.bolus_id
        fields[tables.BOLUS_TYPE] = bolus.kind
        fields[tables.FAST_DELIVERED_IU] = bolus.fast_delivered_mu
        fields[tables.EXTENDED_DELIVERED_IU] = bolus.extended_delivered_mu
        fields[tables.EFFECTIVE_DURATION_MINUTES] = bolus.effective_minutes(s)
        self.append(_BOLUS_ENDED, s)
        flags = _BOLUS_DELIVERED_FLAGS_END_REASON_PRESENT
        if bolus.flags & _BOLUS_FLAGS_ACTIVATION_TYPE_PRESENT:
            flags |= _BOLUS_DELIVERED_FLAGS_ACTIVATION_TYPE_PRESENT
        if annunciation_id:
            flags |= _BOLUS_DELIVERED_FLAGS_ANNUNCIATION_ID_PRESENT
        # One that waits for its start until it ends has begun at its end (D-415).
        offset_s = min(bolus.start_s, s) - bolus.programmed_s
        fields[tables.FLAGS] = flags
        fields[tables.START_OFFSET_S_LOW] = offset_s & 0xFFFF
        fields[tables.START_OFFSET_S_HIGH] = offset_s >> 16
        fields[tables.ACTIVATION_TYPE] = bolus.activation
        fields[tables.BOLUS_END_REASON] = reason
        fields[tables.ANNUNCIATION_ID] = annunciation_id
        self.append(_HISTORY_BOLUS_DELIVERED_2, s)

    def _reference_time(self, s, reason):
        fields = self.codec.fields
        wall = self.pump.wall
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
        self.append(_REFERENCE_TIME, s)
        return 0

    def _annunciation(self, s, annunciation_id, kind, state):
        fields = self.codec.fields
        fields[tables.FLAGS] = 0
        fields[tables.ANNUNCIATION_ID] = annunciation_id
        fields[tables.ANNUNCIATION_TYPE] = kind
        fields[tables.ANNUNCIATION_STATUS] = state
        self.append(_ANNUNCIATION, s)
        fields[tables.FLAGS] = 0
        self.append(_HISTORY_ANNUNCIATION_STATUS_CHANGED_2, s)
        for peripheral in self._peripherals:
            peripheral.annunciation_status.changed()
        return status.ANNUNCIATION

    # What IDD Status shows.
    def _state(self, event, s, a, b):
        fields = self.codec.fields
        if event == _THERAPY:
            fields[tables.OLD_THERAPY_CONTROL_STATE] = a
            fields[tables.NEW_THERAPY_CONTROL_STATE] = b
            bits = status.THERAPY
        elif event == _OPERATIONAL:
            fields[tables.OLD_OPERATIONAL_STATE] = a
            fields[tables.NEW_OPERATIONAL_STATE] = b
            bits = status.OPERATIONAL
        else:
            fields[tables.RESERVOIR_REMAINING_IU] = a if self.pump.reservoir.attached else NAN
            bits = status.RESERVOIR
        self.append(event, s)
        for peripheral in self._peripherals:
            peripheral.status.changed()
        return bits

    def _priming(self, event, s, amount_mu, reason, annunciation_id):
        fields = self.codec.fields
        if event == _PRIMING_STARTED:
            fields[tables.PRIMING_AMOUNT_IU] = amount_mu
        else:
            fields[tables.FLAGS] = _PRIMING_DONE_FLAGS_ANNUNCIATION_ID_PRESENT if annunciation_id else 0
            fields[tables.PRIMING_DELIVERED_IU] = amount_mu
            fields[tables.PRIMING_END_REASON] = reason
            fields[tables.ANNUNCIATION_ID] = annunciation_id
        self.append(event, s)
        return 0

    def _guardrail(self, s, number, who, asked, allowed):
        fields = self.codec.fields
        fields[tables.GUARDRAIL] = number
        fields[tables.ASKED_BY] = who
        fields[tables.ASKED_LOW] = asked & 0xFFFF
        fields[tables.ASKED_HIGH] = asked >> 16
        fields[tables.ALLOWED_LOW] = allowed & 0xFFFF
        fields[tables.ALLOWED_HIGH] = allowed >> 16
        self.append(_GUARDRAIL, s)
        return 0

    def _daily(self, s, bolus_mu, basal_mu, date_changed, year, month_and_day):
        fields = self.codec.fields
        fields[tables.FLAGS] = date_changed
        fields[tables.BOLUS_DELIVERED_IU] = bolus_mu
        fields[tables.BASAL_DELIVERED_IU] = basal_mu
        fields[tables.YEAR] = year
        fields[tables.MONTH] = month_and_day >> _DAY_BITS
        fields[tables.DAY] = month_and_day & (1 << _DAY_BITS) - 1
        self.append(_DAILY, s)
        return status.TOTAL_DAILY_INSULIN
