# What of the pump survives, as payloads of records: each part is written whole when something in it has changed.
#
# Counters of pulses are not in here: they stand in every commit, as they change with every pulse.
import struct

from micropython import const

from journal.ring import PAYLOAD
from pump.events import (
    ANNUNCIATION,
    BLOCK_CHANGED,
    BOLUS_ENDED,
    BOLUS_STARTED,
    CONTROLLER_SETTINGS,
    DAILY,
    REFERENCE_TIME,
    TEMPLATES_RESET,
)

# A change that no event tells of.
RECORDS_DELETED = const(0x0003)

# Kinds of records.
DELETION = const(0x50)
STATE = const(0x51)
BOLUS = const(0x52)
SETTINGS = const(0x53)
COUNTS = const(0x54)
ANNUNCIATIONS = const(0x55)
TEMPLATES = const(0x56)
FIRST = DELETION
LAST = TEMPLATES
ALL = const((1 << 7) - 1)

_STATE = "<BBBBiHHHH"
_BOLUS = "<BBBxHHI"
_SETTINGS = "<BHHBHHBBHB"
_COUNTS = "<HBxIIIIi"


# Made once: a tuple of what is imported would be made anew at each use.
_BOLUS_EVENTS = (BOLUS_STARTED, BOLUS_ENDED)
_DAY_EVENTS = (REFERENCE_TIME, DAILY)
_TEMPLATE_EVENTS = (BLOCK_CHANGED, TEMPLATES_RESET)


# The bit of a kind.
def bit(kind):
    return 1 << kind - FIRST


# Which parts an event changes: more of them rather than fewer.
def touched_by(event):
    if event in _BOLUS_EVENTS:
        return bit(BOLUS)
    if event in _DAY_EVENTS:
        return bit(COUNTS)
    if event == ANNUNCIATION:
        return bit(ANNUNCIATIONS) | bit(COUNTS)
    if event in _TEMPLATE_EVENTS:
        return bit(TEMPLATES)
    if event == CONTROLLER_SETTINGS:
        return bit(SETTINGS)
    if event == RECORDS_DELETED:
        return bit(DELETION)
    return bit(STATE) | bit(COUNTS)


class Parts:
    # order: what the client said of the bolus beyond what the pump needs. history: has save and restore, for what was
    # deleted of it.
    def __init__(self, pump, order, history):
        self._pump = pump
        self._order = order
        self._history = history
        # Bolus pulses before the bolus that runs began.
        self._pulses_before_bolus = 0

    # How many records a part takes.
    def records(self, kind):
        if kind == ANNUNCIATIONS:
            return len(self._pump.annunciations.types)
        if kind == TEMPLATES:
            return self._pump.templates.pieces()
        return 1

    # Puts record `index` of a part into a record's payload; False when there is nothing to say.
    def save(self, kind, index, out, now_s):
        pump = self._pump
        if kind == ANNUNCIATIONS:
            return pump.annunciations.save(index, out, PAYLOAD)
        if kind == TEMPLATES:
            return pump.templates.save(index, out, PAYLOAD)
        if kind == DELETION:
            return self._history.save(out, PAYLOAD)
        if kind == STATE:
            self._save_state(out)
        elif kind == BOLUS:
            self._save_bolus(out)
        elif kind == SETTINGS:
            self._save_settings(out)
        else:
            self._save_counts(out, now_s)
        return True

    # Takes a part over from a record.
    def restore(self, kind, record):
        if kind == ANNUNCIATIONS:
            self._pump.annunciations.restore(record, PAYLOAD)
        elif kind == TEMPLATES:
            self._pump.templates.restore(record, PAYLOAD)
        elif kind == DELETION:
            self._history.restore(record, PAYLOAD)
        elif kind == STATE:
            self._restore_state(record)
        elif kind == BOLUS:
            self._restore_bolus(record)
        elif kind == SETTINGS:
            self._pump.restore_settings(*struct.unpack_from(_SETTINGS, record, PAYLOAD))
        elif kind == COUNTS:
            self._restore_counts(record)

    def _save_state(self, out):
        pump = self._pump
        tbr = pump.tbr
        flags = (1 if tbr.active else 0) | (2 if pump.reservoir.attached else 0)
        struct.pack_into(
            _STATE, out, PAYLOAD, pump.therapy, pump.basal.template, flags, tbr.context, tbr.start_s,
            tbr.rate_mu_per_h, tbr.duration_minutes, pump.reported_mu_per_h, pump.max_bolus_mu,
        )  # fmt: skip

    def _restore_state(self, record):
        pump = self._pump
        tbr = pump.tbr
        (
            pump.therapy, pump.basal.template, flags, tbr.context, tbr.start_s, tbr.rate_mu_per_h,
            tbr.duration_minutes, pump.reported_mu_per_h, pump.max_bolus_mu,
        ) = struct.unpack_from(_STATE, record, PAYLOAD)  # fmt: skip
        tbr.active = flags & 1 != 0
        pump.reservoir.attached = flags & 2 != 0

    def _save_bolus(self, out):
        bolus = self._pump.bolus
        before = self._pump.delivery.bolus_pulses - bolus.delivered_pulses
        struct.pack_into(
            _BOLUS, out, PAYLOAD, 1 if bolus.active else 0, self._order.bolus_flags, self._order.activation_type,
            bolus.bolus_id, bolus.amount_pulses, before,
        )  # fmt: skip

    def _restore_bolus(self, record):
        active, flags, activation, bolus_id, pulses, self._pulses_before_bolus = struct.unpack_from(
            _BOLUS, record, PAYLOAD
        )
        self._pump.bolus.restore(active == 1, bolus_id, pulses)
        self._order.take(flags, activation)

    def _save_settings(self, out):
        settings = self._pump.control.settings
        struct.pack_into(
            _SETTINGS, out, PAYLOAD, settings.controller, settings.suspend_predicted_mg_dl,
            settings.suspend_now_mg_dl, settings.horizon_minutes, settings.suspend_limit_minutes,
            settings.limit_window_minutes, settings.stale_minutes, settings.lockout_minutes, settings.dia_minutes,
            settings.peak_minutes,
        )  # fmt: skip

    def _save_counts(self, out, now_s):
        pump = self._pump
        delivery = pump.delivery
        struct.pack_into(
            _COUNTS, out, PAYLOAD, delivery.pulses_in_doubt, delivery.doubt_source, delivery.prime_pulses,
            delivery.dropped_pulses, delivery.dropped_rest, pump.annunciations.raised, pump.day(now_s),
        )  # fmt: skip

    def _restore_counts(self, record):
        pump = self._pump
        delivery = pump.delivery
        (
            delivery.pulses_in_doubt, delivery.doubt_source, delivery.prime_pulses, delivery.dropped_pulses,
            delivery.dropped_rest, pump.annunciations.raised, pump.day_kept,
        ) = struct.unpack_from(_COUNTS, record, PAYLOAD)  # fmt: skip

    # After the last part: what only the whole of them says. at_s: the last second of the pump before the cut, which is
    # now second 0.
    def complete(self, at_s):
        pump = self._pump
        pump.tbr.start_s -= at_s
        if pump.bolus.active:
            pump.bolus.redeliver(pump.delivery.bolus_pulses - self._pulses_before_bolus)
        pump.delivery.therapy = pump.therapy
        pump.basal.refresh(0)
