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
_BOLUS_CALCULATED = const(0x003C)
_BOLUS_STARTED = const(0x005A)
_BOLUS_ENDED = const(0x0069)
_BASAL_CHANGED = const(0x0099)
_TBR_STARTED = const(0x00A5)
_TBR_ENDED = const(0x00AA)
_TBR_CHANGED = const(0x00C3)
_PROFILE_ACTIVATED = const(0x00CC)
_BLOCK_CHANGED = const(0x00F0)
_DAILY = const(0x00FF)
_THERAPY = const(0x0303)
_OPERATIONAL = const(0x030C)
_RESERVOIR = const(0x0330)
_ANNUNCIATION = const(0x033F)
_ISF_BLOCK_CHANGED = const(0x0359)
_ICHO_BLOCK_CHANGED = const(0x0365)
_TARGET_BLOCK_CHANGED = const(0x036A)
_PRIMING_STARTED = const(0x0395)
_PRIMING_DONE = const(0x039A)
_BOLUS_TEMPLATE_CHANGED = const(0x03C0)
_TBR_TEMPLATE_CHANGED = const(0x03F3)
_MAX_BOLUS = const(0x03FC)
_DECISION = const(0x0000)
_CARBS = const(0xF033)
_GUARDRAIL = const(0xF00F)
_TEMPLATE_BASAL = const(0x33)
_TEMPLATE_ISF = const(0x5A)
_TEMPLATE_ICHO = const(0x66)
_TEMPLATE_TARGET = const(0x96)

_HISTORY_BOLUS_CALCULATED_2 = const(0x0055)
_HISTORY_BOLUS_PROGRAMMED_2 = const(0x0066)
_HISTORY_BOLUS_DELIVERED_2 = const(0x0096)
_HISTORY_ANNUNCIATION_STATUS_CHANGED_2 = const(0x0356)
_HISTORY_BOLUS_TEMPLATE_CHANGED_2 = const(0x03CF)

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
_BOLUS_EVENTS = (_BOLUS_STARTED, _BOLUS_ENDED, _BOLUS_CALCULATED, _BOLUS_TEMPLATE_CHANGED)
# The slot of a block's value; that of a second value follows it.
_BLOCK_VALUES = {
    _BLOCK_CHANGED: tables.RATE_IU_PER_H,
    _ISF_BLOCK_CHANGED: tables.ISF_MG_DL_PER_IU,
    _ICHO_BLOCK_CHANGED: tables.ICHO_RATIO_G_PER_IU,
    _TARGET_BLOCK_CHANGED: tables.TARGET_LOW_MG_DL,
}
# The history has other words for the types of profiles than the template status has.
_PROFILE_TEMPLATE_TYPES = {
    _TEMPLATE_BASAL: 0x33,
    _TEMPLATE_ISF: 0x3C,
    _TEMPLATE_ICHO: 0x55,
    _TEMPLATE_TARGET: 0x5A,
}
# The amounts of a calculated bolus, in the order of pump.calculated.
_CALCULATED = (
    tables.FAST_MEAL_AMOUNT_IU, tables.FAST_CORRECTION_AMOUNT_IU, tables.EXTENDED_MEAL_AMOUNT_IU,
    tables.EXTENDED_CORRECTION_AMOUNT_IU,
)  # fmt: skip

_BASAL_BITS = status.ACTIVE_BASAL_RATE | status.TOTAL_DAILY_INSULIN


class Recorder:
    def __init__(self, history):
        self._history = history
        self._codec = Codec()
        self._data = bytearray(20)
        self._pump = None
        # One for each bearer.
        self._peripherals = []

    # Nothing is told before this, which is called once for each bearer.
    def connect(self, pump, peripheral):
        self._pump = pump
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
        elif event == _CARBS:
            bits = self._carbs(s, a, b)
        elif event == _GUARDRAIL:
            bits = self._guardrail(s, a, b, c, d)
        elif event in _BLOCK_VALUES:
            bits = self._block(event, s, a, b, c, d, e)
        else:
            bits = self._setting(event, s, a, b, c, d, e)
        # The bits are the same for all.
        if self._peripherals[0].status_changed.set(bits | status.HISTORY):
            for peripheral in self._peripherals:
                peripheral.status_changed.changed()

    def _append(self, event, s):
        end = encode(self._codec, find(tables.HISTORY, event), self._data, 0)
        self._history.append(event, s, self._data, end)

    def _basal_changed(self, s, old_mu_per_h, new_mu_per_h, context):
        fields = self._codec.fields
        fields[tables.FLAGS] = _BASAL_RATE_CHANGED_FLAGS_CONTEXT_PRESENT
        fields[tables.OLD_RATE_IU_PER_H] = old_mu_per_h
        fields[tables.NEW_RATE_IU_PER_H] = new_mu_per_h
        fields[tables.CONTEXT] = context
        self._append(_BASAL_CHANGED, s)
        return _BASAL_BITS

    def _tbr(self, event, s, a, reason, annunciation_id):
        fields = self._codec.fields
        tbr = self._pump.tbr
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
        self._append(event, s)
        return status.ACTIVE_BASAL_RATE

    # What is in two parts.
    def _bolus(self, event, s, a, reason, annunciation_id):
        if event == _BOLUS_STARTED:
            self._bolus_started(s, self._pump.boluses[a])
            return status.ACTIVE_BOLUS
        if event == _BOLUS_ENDED:
            self._bolus_ended(s, self._pump.boluses[a], reason, annunciation_id)
            return status.ACTIVE_BOLUS | status.TOTAL_DAILY_INSULIN
        if event == _BOLUS_CALCULATED:
            self._calculated(event, s, 0)
            self._calculated(_HISTORY_BOLUS_CALCULATED_2, s, len(_CALCULATED))
        else:
            self._bolus_template(s, a, self._pump.bolus_templates)
        return 0

    def _calculated(self, event, s, first):
        for i in range(len(_CALCULATED)):
            self._codec.fields[_CALCULATED[i]] = self._pump.calculated[first + i]
        self._append(event, s)

    def _bolus_template(self, s, template, templates):
        fields = self._codec.fields
        fields[tables.TEMPLATE_NUMBER] = template
        fields[tables.BOLUS_TYPE] = templates.kind(template)
        fields[tables.FAST_AMOUNT_IU] = templates.fast_mu(template)
        fields[tables.EXTENDED_AMOUNT_IU] = templates.extended_mu(template)
        fields[tables.DURATION_MINUTES] = templates.duration_minutes(template)
        self._append(_BOLUS_TEMPLATE_CHANGED, s)
        fields[tables.FLAGS] = templates.flags(template)
        fields[tables.DELAY_MINUTES] = templates.delay_minutes(template)
        self._append(_HISTORY_BOLUS_TEMPLATE_CHANGED_2, s)

    def _bolus_started(self, s, bolus):
        fields = self._codec.fields
        fields[tables.BOLUS_ID] = bolus.bolus_id
        fields[tables.BOLUS_TYPE] = bolus.kind
        fields[tables.FAST_AMOUNT_IU] = bolus.fast_mu
        fields[tables.EXTENDED_AMOUNT_IU] = bolus.extended_mu
        fields[tables.DURATION_MINUTES] = bolus.duration_minutes
        self._append(_BOLUS_STARTED, s)
        fields[tables.FLAGS] = bolus.flags
        fields[tables.DELAY_MINUTES] = bolus.delay_minutes
        fields[tables.TEMPLATE_NUMBER] = bolus.template
        fields[tables.ACTIVATION_TYPE] = bolus.activation
        self._append(_HISTORY_BOLUS_PROGRAMMED_2, s)

    def _bolus_ended(self, s, bolus, reason, annunciation_id):
        fields = self._codec.fields
        fields[tables.BOLUS_ID] = bolus.bolus_id
        fields[tables.BOLUS_TYPE] = bolus.kind
        fields[tables.FAST_DELIVERED_IU] = bolus.fast_delivered_mu
        fields[tables.EXTENDED_DELIVERED_IU] = bolus.extended_delivered_mu
        fields[tables.EFFECTIVE_DURATION_MINUTES] = bolus.effective_minutes(s)
        self._append(_BOLUS_ENDED, s)
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
        self._append(_HISTORY_BOLUS_DELIVERED_2, s)

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
        self._append(_REFERENCE_TIME, s)
        return 0

    def _annunciation(self, s, annunciation_id, kind, state):
        fields = self._codec.fields
        fields[tables.FLAGS] = 0
        fields[tables.ANNUNCIATION_ID] = annunciation_id
        fields[tables.ANNUNCIATION_TYPE] = kind
        fields[tables.ANNUNCIATION_STATUS] = state
        self._append(_ANNUNCIATION, s)
        fields[tables.FLAGS] = 0
        self._append(_HISTORY_ANNUNCIATION_STATUS_CHANGED_2, s)
        for peripheral in self._peripherals:
            peripheral.annunciation_status.changed()
        return status.ANNUNCIATION

    # What IDD Status shows.
    def _state(self, event, s, a, b):
        fields = self._codec.fields
        if event == _THERAPY:
            fields[tables.OLD_THERAPY_CONTROL_STATE] = a
            fields[tables.NEW_THERAPY_CONTROL_STATE] = b
            bits = status.THERAPY
        elif event == _OPERATIONAL:
            fields[tables.OLD_OPERATIONAL_STATE] = a
            fields[tables.NEW_OPERATIONAL_STATE] = b
            bits = status.OPERATIONAL
        else:
            fields[tables.RESERVOIR_REMAINING_IU] = a if self._pump.reservoir.attached else NAN
            bits = status.RESERVOIR
        self._append(event, s)
        for peripheral in self._peripherals:
            peripheral.status.changed()
        return bits

    def _priming(self, event, s, amount_mu, reason, annunciation_id):
        fields = self._codec.fields
        if event == _PRIMING_STARTED:
            fields[tables.PRIMING_AMOUNT_IU] = amount_mu
        else:
            fields[tables.FLAGS] = _PRIMING_DONE_FLAGS_ANNUNCIATION_ID_PRESENT if annunciation_id else 0
            fields[tables.PRIMING_DELIVERED_IU] = amount_mu
            fields[tables.PRIMING_END_REASON] = reason
            fields[tables.ANNUNCIATION_ID] = annunciation_id
        self._append(event, s)
        return 0

    def _block(self, event, s, template, block, duration_minutes, value, high):
        fields = self._codec.fields
        fields[tables.TEMPLATE_NUMBER] = template
        fields[tables.BLOCK_NUMBER] = block
        fields[tables.DURATION_MINUTES] = duration_minutes
        fields[_BLOCK_VALUES[event]] = value
        if event == _TARGET_BLOCK_CHANGED:
            fields[tables.TARGET_HIGH_MG_DL] = high
        self._append(event, s)
        return 0

    def _guardrail(self, s, number, who, asked, allowed):
        fields = self._codec.fields
        fields[tables.GUARDRAIL] = number
        fields[tables.ASKED_BY] = who
        fields[tables.ASKED_LOW] = asked & 0xFFFF
        fields[tables.ASKED_HIGH] = asked >> 16
        fields[tables.ALLOWED_LOW] = allowed & 0xFFFF
        fields[tables.ALLOWED_HIGH] = allowed >> 16
        self._append(_GUARDRAIL, s)
        return 0

    def _setting(self, event, s, a, b, c, d, e):
        fields = self._codec.fields
        bits = 0
        if event == _PROFILE_ACTIVATED:
            fields[tables.PROFILE_TEMPLATE_TYPE] = _PROFILE_TEMPLATE_TYPES[a]
            fields[tables.OLD_TEMPLATE_NUMBER] = b
            fields[tables.NEW_TEMPLATE_NUMBER] = c
            bits = status.ACTIVE_BASAL_RATE
        elif event == _DAILY:
            fields[tables.FLAGS] = c
            fields[tables.BOLUS_DELIVERED_IU] = a
            fields[tables.BASAL_DELIVERED_IU] = b
            fields[tables.YEAR] = d
            fields[tables.MONTH] = e >> _DAY_BITS
            fields[tables.DAY] = e & (1 << _DAY_BITS) - 1
            bits = status.TOTAL_DAILY_INSULIN
        elif event == _MAX_BOLUS:
            fields[tables.OLD_MAX_BOLUS_IU] = a
            fields[tables.NEW_MAX_BOLUS_IU] = b
        elif event == _TBR_TEMPLATE_CHANGED:
            templates = self._pump.tbr_templates
            fields[tables.TEMPLATE_NUMBER] = a
            fields[tables.TBR_TYPE] = templates.kind(a)
            fields[tables.VALUE] = templates.value(a)
            fields[tables.DURATION_MINUTES] = templates.duration_minutes(a)
        self._append(event, s)
        return bits

    def _carbs(self, s, grams, minutes_ago):
        fields = self._codec.fields
        fields[tables.CARBS_G] = grams
        fields[tables.MINUTES_AGO] = minutes_ago
        self._append(_CARBS, s)
        return 0
