# What the pump shows without being asked: status changed, status, annunciation status, features (IDS 1.0.2, 3.2-3.5),
# the last decision of the controller, the battery (BAS 1.0).
from array import array

from micropython import const

from gatt import e2e, handles
from gatt import wire_tables as tables
from gatt.characteristic import INDICATE, NOTIFY, READ, Characteristic
from gatt.codec import NAN
from gatt.encode import encode

# Bits of Status Changed.
THERAPY = const(0x01)
OPERATIONAL = const(0x02)
RESERVOIR = const(0x04)
ANNUNCIATION = const(0x08)
TOTAL_DAILY_INSULIN = const(0x10)
ACTIVE_BASAL_RATE = const(0x20)
ACTIVE_BOLUS = const(0x40)
HISTORY = const(0x80)

_STATUS_FLAGS_RESERVOIR_ATTACHED = const(1)
_ANNUNCIATION_STATUS_FLAGS_ANNUNCIATION_PRESENT = const(1)

# Every feature of IDS 1.0.2 but multiple bond.
_FEATURES = const(0x00F7FF)
# Of these, basal rates with all that is temporary, and the two types of TBR.
_BASAL_FEATURES = const(0x1E)
_TBR_ABSOLUTE = const(0x04)
_TBR_RELATIVE = const(0x08)
_OFFERS_ABSOLUTE = const(1)
_OFFERS_RELATIVE = const(2)
_MU_PER_IU = const(1000)


# Bits stay set until Reset Status clears them; a bit that becomes set is worth an indication to each client.
class StatusChanged(Characteristic):
    # beside: the same on another bearer, or None. The bits are the pump's, for all its clients.
    def __init__(self, beside=None):
        self._flags = beside._flags if beside else array("H", (0,))
        super().__init__(handles.IDD_STATUS_CHANGED, READ | INDICATE)

    # True when a bit has become set.
    def set(self, bits):
        fresh = bits & ~self._flags[0]
        self._flags[0] |= fresh
        return fresh != 0

    def clear(self, bits):
        self._flags[0] &= ~bits

    def flags(self):
        return self._flags[0]

    def encode(self, s, buf, start):
        flags = self._flags[0]
        buf[start] = flags & 0xFF
        buf[start + 1] = flags >> 8
        return start + 2


class Status(Characteristic):
    def __init__(self, codec, pump):
        self._codec = codec
        self._pump = pump
        super().__init__(handles.IDD_STATUS, READ | INDICATE)

    def encode(self, s, buf, start):
        fields = self._codec.fields
        pump = self._pump
        attached = pump.reservoir.attached
        fields[tables.THERAPY_CONTROL_STATE] = pump.therapy
        fields[tables.OPERATIONAL_STATE] = pump.operational
        fields[tables.RESERVOIR_REMAINING_IU] = pump.reservoir.remaining_mu if attached else NAN
        fields[tables.FLAGS] = _STATUS_FLAGS_RESERVOIR_ATTACHED if attached else 0
        return encode(self._codec, tables.IDD_STATUS, buf, start)


class AnnunciationStatus(Characteristic):
    def __init__(self, codec, pump):
        self._codec = codec
        self._annunciations = pump.annunciations
        super().__init__(handles.IDD_ANNUNCIATION_STATUS, READ | INDICATE)

    def encode(self, s, buf, start):
        fields = self._codec.fields
        shown = self._annunciations.shown()
        fields[tables.FLAGS] = 0
        if shown >= 0:
            fields[tables.FLAGS] = _ANNUNCIATION_STATUS_FLAGS_ANNUNCIATION_PRESENT
            fields[tables.ANNUNCIATION_ID] = self._annunciations.ids[shown]
            fields[tables.ANNUNCIATION_TYPE] = self._annunciations.types[shown]
            fields[tables.ANNUNCIATION_STATUS] = self._annunciations.statuses[shown]
        return encode(self._codec, tables.IDD_ANNUNCIATION_STATUS, buf, start)


# What a pump of these data supports.
def _features(settings):
    if not settings.BASAL_ADJUSTABLE:
        return _FEATURES & ~_BASAL_FEATURES
    flags = _FEATURES
    if not settings.TBR_KINDS & _OFFERS_ABSOLUTE:
        flags &= ~_TBR_ABSOLUTE
    if not settings.TBR_KINDS & _OFFERS_RELATIVE:
        flags &= ~_TBR_RELATIVE
    return flags


# CRC and counter stand at its start.
class Features(Characteristic):
    def __init__(self, codec, settings):
        self._codec = codec
        self._concentration_iu_per_ml = settings.CONCENTRATION_IU_PER_ML
        self._flags = _features(settings)
        super().__init__(handles.IDD_FEATURES, READ)

    def value(self, s, buf, start):
        counter_at = start + e2e.CRC_OCTETS
        buf[counter_at] = self.next_counter()
        fields = self._codec.fields
        fields[tables.INSULIN_CONCENTRATION_IU_PER_ML] = self._concentration_iu_per_ml * _MU_PER_IU
        fields[tables.FLAGS] = self._flags
        end = encode(self._codec, tables.IDD_FEATURES, buf, counter_at + 1)
        e2e.put_crc(buf, counter_at, end, start)
        return end


class ControllerDecision(Characteristic):
    def __init__(self, codec, decision):
        self._codec = codec
        self._decision = decision
        super().__init__(handles.CONTROLLER_DECISION, READ | NOTIFY)

    def encode(self, s, buf, start):
        fields = self._codec.fields
        decision = self._decision
        fields[tables.DECISION_SEQUENCE] = decision.sequence
        fields[tables.TIME_OFFSET_MINUTES] = decision.offset_minutes
        fields[tables.AT_S_LOW] = decision.at_s & 0xFFFF
        fields[tables.AT_S_HIGH] = decision.at_s >> 16 & 0xFFFF
        fields[tables.GLUCOSE_MG_DL] = decision.glucose_mg_dl
        fields[tables.PREDICTED_MG_DL] = decision.predicted_mg_dl
        fields[tables.IOB_MU] = decision.iob_mu
        fields[tables.ACTION] = decision.action
        fields[tables.REASON] = decision.reason
        return encode(self._codec, tables.CONTROLLER_DECISION, buf, start)


class Battery(Characteristic):
    protected = False

    def __init__(self, pump):
        self._pump = pump
        super().__init__(handles.BATTERY_LEVEL, READ | NOTIFY)

    def encode(self, s, buf, start):
        buf[start] = self._pump.battery_percent
        return start + 1
