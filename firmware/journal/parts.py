# What of the pump survives, as payloads of records: each part is written whole when something in it has changed.
#
# Counters of basal and bolus pulses are not in here: they stand in every commit, as they change with every pulse.
import struct

from micropython import const

from journal.ring import PAYLOAD

# Words of pump/events.py.
_ANNUNCIATION = const(0x033F)
_BLOCK_CHANGED = const(0x00F0)
_BOLUS_ENDED = const(0x0069)
_BOLUS_STARTED = const(0x005A)
_BOLUS_TEMPLATE_CHANGED = const(0x03C0)
_DAILY = const(0x00FF)
_ICHO_BLOCK_CHANGED = const(0x0365)
_ISF_BLOCK_CHANGED = const(0x0359)
_OPERATION_TIME_RESET = const(0x0002)
_OPERATIONAL = const(0x030C)
_POINTER = const(0x03A9)
_PRIMING_DONE = const(0x039A)
_PRIMING_STARTED = const(0x0395)
_PROFILE_ACTIVATED = const(0x00CC)
_REFERENCE_TIME = const(0x000F)
_TARGET_BLOCK_CHANGED = const(0x036A)
_TBR_TEMPLATE_CHANGED = const(0x03F3)
_TEMPLATE_BOLUS = const(0x55)
_TEMPLATE_TBR = const(0x3C)
_TEMPLATES_RESET = const(0x0001)
_THERAPY = const(0x0303)

# A change that no event tells of.
RECORDS_DELETED = const(0x0003)

# Kinds of records.
DELETION = const(0x50)
STATE = const(0x51)
BOLUSES = const(0x52)
SETTINGS = const(0x53)
COUNTS = const(0x54)
ANNUNCIATIONS = const(0x55)
PROFILES = const(0x56)
LIFE = const(0x57)
TEMPLATES = const(0x58)
GUARDRAILS = const(0x59)
OREF = const(0x5A)
FIRST = DELETION
LAST = OREF
ALL = const((1 << 11) - 1)

# Places of the sources of pulses.
BASAL = const(0)
FAST = const(1)
EXTENDED = const(2)
PRIME = const(3)

_STATE = "<BBBBBxiHHHHH"
_BOLUS = "<BBBBHHHHHHIi"
_SETTINGS = "<BHHBHHBBHBHHHBBB"
# Ends the settings. What an older firmware wrote is shorter, and in this place has no octet above 127.
_SETTINGS_FORMAT = const(0xA5)
_GUARDRAILS = "<HHHHIBBB"
# Settings of oref in two records: which it is, and the values.
_OREF_EACH = const(11)
_COUNTS = "<HBBBBIIIH"
_LIFE = "<IIIiII"
_TBR_TEMPLATE = "<BHH"
_TBR_TEMPLATE_OCTETS = const(5)
_BOLUS_TEMPLATE = "<BBHHHH"
_BOLUS_TEMPLATE_OCTETS = const(10)
# Records of templates: what there is of each, the TBR templates, two bolus templates, the others.
_TEMPLATE_RECORDS = const(4)
_BOLUS_TEMPLATES_EACH = const(2)

_BOLUS_EVENTS = (_BOLUS_STARTED, _BOLUS_ENDED)
_DAY_EVENTS = (_REFERENCE_TIME, _DAILY, _OPERATION_TIME_RESET)
_PRIMING_EVENTS = (_PRIMING_STARTED, _PRIMING_DONE, _OPERATIONAL)
_BLOCK_EVENTS = (_BLOCK_CHANGED, _ISF_BLOCK_CHANGED, _ICHO_BLOCK_CHANGED, _TARGET_BLOCK_CHANGED)
_TEMPLATE_EVENTS = (_TEMPLATES_RESET, _PROFILE_ACTIVATED, _TBR_TEMPLATE_CHANGED, _BOLUS_TEMPLATE_CHANGED)


# The bit of a kind.
def bit(kind):
    return 1 << kind - FIRST


# Which parts an event changes: more of them rather than fewer.
def touched_by(event):
    if event in _BOLUS_EVENTS:
        return bit(BOLUSES)
    if event in _DAY_EVENTS:
        return bit(LIFE)
    if event == _ANNUNCIATION:
        return bit(ANNUNCIATIONS) | bit(LIFE)
    if event in _PRIMING_EVENTS:
        return bit(COUNTS)
    if event in _BLOCK_EVENTS:
        return bit(PROFILES) | bit(TEMPLATES)
    if event in _TEMPLATE_EVENTS:
        return bit(TEMPLATES)
    if event == _POINTER:
        return bit(SETTINGS) | bit(GUARDRAILS) | bit(OREF)
    if event == RECORDS_DELETED:
        return bit(DELETION)
    # Stop drops what was earned.
    return bit(STATE) | bit(LIFE) if event == _THERAPY else bit(STATE)


class Parts:
    # history: has save and restore, for what was deleted of it. waiting, left: by source, the pulses that wait for the
    # motor and those that left it.
    def __init__(self, pump, history, waiting, left):
        self._pump = pump
        self._history = history
        self._waiting = waiting
        self._left = left
        # Pulses of its source before a bolus or the priming that runs began; by place, the priming last.
        self._before = [0, 0, 0]

    # How many records a part takes at most, and how many as it is.
    def records(self, kind):
        if kind == ANNUNCIATIONS:
            return len(self._pump.annunciations.types)
        if kind == PROFILES:
            return self._pump.templates.pieces()
        if kind == TEMPLATES:
            return _TEMPLATE_RECORDS
        return 2 if kind in (BOLUSES, OREF) else 1

    def room(self, kind):
        if kind == ANNUNCIATIONS:
            return self._pump.annunciations.room()
        return self._pump.templates.room() if kind == PROFILES else self.records(kind)

    # Everything is to be written again.
    def forget_saved(self):
        pump = self._pump
        pump.annunciations.forget_saved()
        pump.templates.forget_saved()
        for bolus in pump.boluses:
            bolus.unsaved = True

    # Puts record `index` of a part into a record's payload; False when there is nothing to say.
    def save(self, kind, index, out, now_s):
        pump = self._pump
        if kind == ANNUNCIATIONS:
            return pump.annunciations.save(index, out, PAYLOAD)
        if kind == PROFILES:
            return pump.templates.save(index, out, PAYLOAD)
        if kind == BOLUSES:
            return self._save_bolus(index, out)
        if kind == DELETION:
            return self._history.save(out, PAYLOAD)
        if kind == STATE:
            self._save_state(out)
        elif kind == TEMPLATES:
            self._save_templates(index, out)
        elif kind == SETTINGS:
            self._save_settings(out)
        elif kind == GUARDRAILS:
            self._save_guardrails(out)
        elif kind == OREF:
            self._save_oref(index, out)
        elif kind == COUNTS:
            self._save_counts(out)
        else:
            self._save_life(out, now_s)
        return True

    # Takes a part over from a record.
    def restore(self, kind, record):
        if kind == ANNUNCIATIONS:
            self._pump.annunciations.restore(record, PAYLOAD)
        elif kind == PROFILES:
            self._pump.templates.restore(record, PAYLOAD)
        elif kind == DELETION:
            self._history.restore(record, PAYLOAD)
        elif kind == STATE:
            self._restore_state(record)
        elif kind == BOLUSES:
            self._restore_bolus(record)
        elif kind == TEMPLATES:
            self._restore_templates(record)
        elif kind == SETTINGS:
            self._restore_settings(record)
        elif kind == GUARDRAILS:
            self._pump.guardrails.write(*struct.unpack_from(_GUARDRAILS, record, PAYLOAD))
        elif kind == OREF:
            self._restore_oref(record)
        elif kind == COUNTS:
            self._restore_counts(record)
        elif kind == LIFE:
            self._restore_life(record)

    def _save_state(self, out):
        pump = self._pump
        tbr = pump.tbr
        flags = (1 if tbr.active else 0) | (2 if pump.reservoir.attached else 0)
        struct.pack_into(
            _STATE, out, PAYLOAD, pump.therapy, flags, tbr.context, tbr.kind, tbr.template, tbr.start_s, tbr.value,
            tbr.duration_minutes, pump.reported_mu_per_h, pump.max_bolus_mu, pump.filled_at_pulse,
        )  # fmt: skip

    def _restore_state(self, record):
        pump = self._pump
        tbr = pump.tbr
        (
            pump.therapy, flags, tbr.context, tbr.kind, tbr.template, tbr.start_s, tbr.value, tbr.duration_minutes,
            pump.reported_mu_per_h, pump.max_bolus_mu, pump.filled_at_pulse,
        ) = struct.unpack_from(_STATE, record, PAYLOAD)  # fmt: skip
        tbr.active = flags & 1 != 0
        pump.reservoir.attached = flags & 2 != 0

    # The first octet says the place, and whether the bolus is active.
    def _save_bolus(self, place, out):
        bolus = self._pump.boluses[place]
        if not bolus.unsaved:
            return False
        bolus.unsaved = False
        struct.pack_into(
            _BOLUS, out, PAYLOAD, place << 1 | (1 if bolus.active else 0), bolus.flags, bolus.template,
            bolus.activation, bolus.bolus_id, self._pump.last_bolus_id, bolus.fast_mu, bolus.extended_mu,
            bolus.duration_minutes, bolus.delay_minutes, self._pulses_of(place) - bolus.delivered_pulses(),
            bolus.programmed_s,
        )  # fmt: skip
        return True

    # The pulses of all boluses of a place.
    def _pulses_of(self, place):
        delivery = self._pump.delivery
        return delivery.extended_pulses if place else delivery.bolus_pulses - delivery.extended_pulses

    def _restore_bolus(self, record):
        (
            place, flags, template, activation, bolus_id, last_id, fast_mu, extended_mu, minutes, delay_minutes, before,
            programmed_s,
        ) = struct.unpack_from(_BOLUS, record, PAYLOAD)  # fmt: skip
        bolus = self._pump.boluses[place >> 1]
        bolus.active = place & 1 != 0
        bolus.bolus_id = bolus_id
        bolus.flags = flags
        bolus.template = template
        bolus.activation = activation
        bolus.program(programmed_s, fast_mu, extended_mu, minutes, delay_minutes)
        self._before[place >> 1] = before
        self._pump.restore_bolus_id(last_id)

    def _save_settings(self, out):
        settings = self._pump.control.settings
        struct.pack_into(
            _SETTINGS, out, PAYLOAD, settings.controller, settings.suspend_predicted_mg_dl,
            settings.suspend_now_mg_dl, settings.horizon_minutes, settings.suspend_limit_minutes,
            settings.limit_window_minutes, settings.stale_minutes, settings.lockout_minutes, settings.dia_minutes,
            settings.peak_minutes, settings.near_mg_dl, settings.resume_mg_dl, settings.resume_predicted_mg_dl,
            settings.minimum_minutes, settings.plgs_flags, _SETTINGS_FORMAT,
        )  # fmt: skip

    # Those of another format are refused as a whole: the first values hold.
    def _restore_settings(self, record):
        values = struct.unpack_from(_SETTINGS, record, PAYLOAD)
        if values[-1] == _SETTINGS_FORMAT:
            self._pump.restore_settings(*values[:-1])

    def _save_oref(self, index, out):
        values = self._pump.control.oref.values
        out[PAYLOAD] = index
        at = PAYLOAD + 1
        for i in range(_OREF_EACH * index, min(_OREF_EACH * (index + 1), len(values))):
            out[at] = values[i] & 0xFF
            out[at + 1] = values[i] >> 8
            at += 2

    def _restore_oref(self, record):
        values = self._pump.control.oref.values
        index = record[PAYLOAD]
        at = PAYLOAD + 1
        for i in range(_OREF_EACH * index, min(_OREF_EACH * (index + 1), len(values))):
            values[i] = record[at] | record[at + 1] << 8
            at += 2

    def _save_guardrails(self, out):
        guardrails = self._pump.guardrails
        struct.pack_into(
            _GUARDRAILS, out, PAYLOAD, guardrails.basal_mu_per_h, guardrails.bolus_mu, guardrails.iob_mu,
            guardrails.hour_mu, guardrails.day_mu, guardrails.interval_minutes, guardrails.stale_minutes,
            guardrails.decision_minutes,
        )  # fmt: skip

    # What pulses that are neither basal nor of a fast bolus have changed, and what was in doubt.
    def _save_counts(self, out):
        delivery = self._pump.delivery
        priming = self._pump.priming
        struct.pack_into(
            _COUNTS, out, PAYLOAD, delivery.pulses_in_doubt, delivery.doubt_source, self._waiting[EXTENDED],
            self._waiting[PRIME], 1 if priming.active else 0, delivery.extended_pulses, delivery.prime_pulses,
            delivery.prime_pulses - priming.portion.delivered, priming.portion.pulses,
        )  # fmt: skip

    def _restore_counts(self, record):
        delivery = self._pump.delivery
        priming = self._pump.priming
        (
            delivery.pulses_in_doubt, delivery.doubt_source, extended_waiting, prime_waiting, priming.active,
            delivery.extended_pulses, delivery.prime_pulses, self._before[2], pulses,
        ) = struct.unpack_from(_COUNTS, record, PAYLOAD)  # fmt: skip
        priming.active = priming.active != 0
        priming.program(pulses)
        self._left[EXTENDED] = delivery.extended_pulses - extended_waiting
        self._left[PRIME] = delivery.prime_pulses - prime_waiting

    def _save_life(self, out, now_s):
        pump = self._pump
        struct.pack_into(
            _LIFE, out, PAYLOAD, pump.delivery.dropped_pulses, pump.delivery.dropped_rest, pump.annunciations.raised,
            pump.day(now_s), pump.counters.before_s, pump.counters.operation_start_s,
        )  # fmt: skip

    def _restore_life(self, record):
        pump = self._pump
        (
            pump.delivery.dropped_pulses, pump.delivery.dropped_rest, pump.annunciations.raised, pump.day_kept,
            pump.counters.before_s, pump.counters.operation_start_s,
        ) = struct.unpack_from(_LIFE, record, PAYLOAD)  # fmt: skip

    # The first octet says which record it is.
    def _save_templates(self, index, out):
        templates = self._pump.templates
        out[PAYLOAD] = index
        at = PAYLOAD + 1
        if index == 0:
            templates.save_directory(out, at)
            return
        kind = _TEMPLATE_TBR if index == 1 else _TEMPLATE_BOLUS
        number = templates.first(kind)
        end = number + templates.count_of(kind)
        if kind == _TEMPLATE_TBR:
            tbr = templates.tbr
            for n in range(number, end):
                struct.pack_into(_TBR_TEMPLATE, out, at, tbr.kind(n), tbr.value(n), tbr.duration_minutes(n))
                at += _TBR_TEMPLATE_OCTETS
            return
        bolus = templates.bolus
        number += (index - 2) * _BOLUS_TEMPLATES_EACH
        for n in range(number, min(number + _BOLUS_TEMPLATES_EACH, end)):
            struct.pack_into(
                _BOLUS_TEMPLATE, out, at, bolus.flags(n), bolus.kind(n), bolus.fast_mu(n), bolus.extended_mu(n),
                bolus.duration_minutes(n), bolus.delay_minutes(n),
            )  # fmt: skip
            at += _BOLUS_TEMPLATE_OCTETS

    def _restore_templates(self, record):
        templates = self._pump.templates
        index = record[PAYLOAD]
        at = PAYLOAD + 1
        if index == 0:
            templates.restore_directory(record, at)
            return
        kind = _TEMPLATE_TBR if index == 1 else _TEMPLATE_BOLUS
        number = templates.first(kind)
        end = number + templates.count_of(kind)
        if kind == _TEMPLATE_TBR:
            for n in range(number, end):
                templates.tbr.put(n, *struct.unpack_from(_TBR_TEMPLATE, record, at))
                at += _TBR_TEMPLATE_OCTETS
            return
        number += (index - 2) * _BOLUS_TEMPLATES_EACH
        for n in range(number, min(number + _BOLUS_TEMPLATES_EACH, end)):
            templates.bolus.put(n, *struct.unpack_from(_BOLUS_TEMPLATE, record, at))
            at += _BOLUS_TEMPLATE_OCTETS

    # After the last part: what only the whole of them says. at_s: the last second of the pump before the cut, which is
    # now second 0.
    def complete(self, at_s):
        pump = self._pump
        pump.resumed = True
        pump.tbr.start_s -= at_s
        pump.counters.before_s += at_s
        for place in range(2):
            bolus = pump.boluses[place]
            bolus.programmed_s -= at_s
            bolus.start_s -= at_s
            bolus.redeliver(self._pulses_of(place) - self._before[place])
        pump.priming.redeliver(pump.delivery.prime_pulses - self._before[2])
        pump.delivery.therapy = pump.therapy
        pump.basal.refresh(0)
