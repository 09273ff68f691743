# What of the pump survives, as payloads of records: each part is written whole when something in it has changed.
# journal/recovery.py reads them.
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
_SOURCE_BASAL = const(0x33)
_SOURCE_BOLUS = const(0x3C)
_SOURCE_EXTENDED = const(0x55)
_TARGET_BLOCK_CHANGED = const(0x036A)
_TBR_TEMPLATE_CHANGED = const(0x03F3)
TEMPLATE_BOLUS = const(0x55)
TEMPLATE_TBR = const(0x3C)
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

COMMIT_LAYOUT = "<IIIIHHHBB"
DELETION_LAYOUT = "<IIIIIB"
STATE_LAYOUT = "<BBBBBxiHHHHH"
BOLUS_LAYOUT = "<BBBBHHHHHHIi"
SETTINGS_LAYOUT = "<BHHBHHBBHBHHHBBB"
# Ends the settings. What an older firmware wrote is shorter, and in this place has no octet above 127.
SETTINGS_FORMAT = const(0xA5)
GUARDRAILS_LAYOUT = "<HHHHIBBB"
# Settings of oref in two records: which it is, and the values.
OREF_EACH = const(11)
COUNTS_LAYOUT = "<HBBBBIIIH"
LIFE_LAYOUT = "<IIIiII"
TBR_TEMPLATE_LAYOUT = "<BHH"
TBR_TEMPLATE_OCTETS = const(5)
BOLUS_TEMPLATE_LAYOUT = "<BBHHHH"
BOLUS_TEMPLATE_OCTETS = const(10)
# Records of templates: what there is of each, the TBR templates, two bolus templates, the others.
_TEMPLATE_RECORDS = const(4)
BOLUS_TEMPLATES_EACH = const(2)

_BOLUS_EVENTS = (_BOLUS_STARTED, _BOLUS_ENDED)
_DAY_EVENTS = (_REFERENCE_TIME, _DAILY, _OPERATION_TIME_RESET)
_PRIMING_EVENTS = (_PRIMING_STARTED, _PRIMING_DONE, _OPERATIONAL)
_BLOCK_EVENTS = (_BLOCK_CHANGED, _ISF_BLOCK_CHANGED, _ICHO_BLOCK_CHANGED, _TARGET_BLOCK_CHANGED)
_TEMPLATE_EVENTS = (_TEMPLATES_RESET, _PROFILE_ACTIVATED, _TBR_TEMPLATE_CHANGED, _BOLUS_TEMPLATE_CHANGED)


# The place of a source among the sources.
def place_of(source):
    if source == _SOURCE_BASAL:
        return BASAL
    if source == _SOURCE_BOLUS:
        return FAST
    return EXTENDED if source == _SOURCE_EXTENDED else PRIME


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
    # history: has save, for what was deleted of it. waiting: by source, the pulses that wait for the motor.
    def __init__(self, pump, history, waiting):
        self._pump = pump
        self._history = history
        self._waiting = waiting

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

    def _save_state(self, out):
        pump = self._pump
        tbr = pump.tbr
        flags = (1 if tbr.active else 0) | (2 if pump.reservoir.attached else 0)
        struct.pack_into(
            STATE_LAYOUT, out, PAYLOAD, pump.therapy, flags, tbr.context, tbr.kind, tbr.template, tbr.start_s,
            tbr.value, tbr.duration_minutes, pump.reported_mu_per_h, pump.max_bolus_mu, pump.filled_at_pulse,
        )  # fmt: skip

    # The first octet says the place, and whether the bolus is active.
    def _save_bolus(self, place, out):
        bolus = self._pump.boluses[place]
        if not bolus.unsaved:
            return False
        bolus.unsaved = False
        struct.pack_into(
            BOLUS_LAYOUT, out, PAYLOAD, place << 1 | (1 if bolus.active else 0), bolus.flags, bolus.template,
            bolus.activation, bolus.bolus_id, self._pump.last_bolus_id, bolus.fast_mu, bolus.extended_mu,
            bolus.duration_minutes, bolus.delay_minutes, self.pulses_of(place) - bolus.delivered_pulses(),
            bolus.programmed_s,
        )  # fmt: skip
        return True

    # The pulses of all boluses of a place.
    def pulses_of(self, place):
        delivery = self._pump.delivery
        return delivery.extended_pulses if place else delivery.bolus_pulses - delivery.extended_pulses

    def _save_settings(self, out):
        settings = self._pump.control.settings
        struct.pack_into(
            SETTINGS_LAYOUT, out, PAYLOAD, settings.controller, settings.suspend_predicted_mg_dl,
            settings.suspend_now_mg_dl, settings.horizon_minutes, settings.suspend_limit_minutes,
            settings.limit_window_minutes, settings.stale_minutes, settings.lockout_minutes, settings.dia_minutes,
            settings.peak_minutes, settings.near_mg_dl, settings.resume_mg_dl, settings.resume_predicted_mg_dl,
            settings.minimum_minutes, settings.plgs_flags, SETTINGS_FORMAT,
        )  # fmt: skip

    def _save_oref(self, index, out):
        values = self._pump.control.oref.values
        out[PAYLOAD] = index
        at = PAYLOAD + 1
        for i in range(OREF_EACH * index, min(OREF_EACH * (index + 1), len(values))):
            out[at] = values[i] & 0xFF
            out[at + 1] = values[i] >> 8
            at += 2

    def _save_guardrails(self, out):
        guardrails = self._pump.guardrails
        struct.pack_into(
            GUARDRAILS_LAYOUT, out, PAYLOAD, guardrails.basal_mu_per_h, guardrails.bolus_mu, guardrails.iob_mu,
            guardrails.hour_mu, guardrails.day_mu, guardrails.interval_minutes, guardrails.stale_minutes,
            guardrails.decision_minutes,
        )  # fmt: skip

    # What pulses that are neither basal nor of a fast bolus have changed, and what was in doubt.
    def _save_counts(self, out):
        delivery = self._pump.delivery
        priming = self._pump.priming
        struct.pack_into(
            COUNTS_LAYOUT, out, PAYLOAD, delivery.pulses_in_doubt, delivery.doubt_source, self._waiting[EXTENDED],
            self._waiting[PRIME], 1 if priming.active else 0, delivery.extended_pulses, delivery.prime_pulses,
            delivery.prime_pulses - priming.portion.delivered, priming.portion.pulses,
        )  # fmt: skip

    def _save_life(self, out, now_s):
        pump = self._pump
        struct.pack_into(
            LIFE_LAYOUT, out, PAYLOAD, pump.delivery.dropped_pulses, pump.delivery.dropped_rest,
            pump.annunciations.raised, pump.day(now_s), pump.counters.before_s, pump.counters.operation_start_s,
        )  # fmt: skip

    # The first octet says which record it is.
    def _save_templates(self, index, out):
        templates = self._pump.templates
        out[PAYLOAD] = index
        at = PAYLOAD + 1
        if index == 0:
            templates.save_directory(out, at)
            return
        kind = TEMPLATE_TBR if index == 1 else TEMPLATE_BOLUS
        number = templates.first(kind)
        end = number + templates.count_of(kind)
        if kind == TEMPLATE_TBR:
            tbr = templates.tbr
            for n in range(number, end):
                struct.pack_into(TBR_TEMPLATE_LAYOUT, out, at, tbr.kind(n), tbr.value(n), tbr.duration_minutes(n))
                at += TBR_TEMPLATE_OCTETS
            return
        bolus = templates.bolus
        number += (index - 2) * BOLUS_TEMPLATES_EACH
        for n in range(number, min(number + BOLUS_TEMPLATES_EACH, end)):
            struct.pack_into(
                BOLUS_TEMPLATE_LAYOUT, out, at, bolus.flags(n), bolus.kind(n), bolus.fast_mu(n), bolus.extended_mu(n),
                bolus.duration_minutes(n), bolus.delay_minutes(n),
            )  # fmt: skip
            at += BOLUS_TEMPLATE_OCTETS
