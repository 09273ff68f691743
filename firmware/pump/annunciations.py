# Annunciations: what the wearer should know, until it is confirmed (D-831).
#
# Pure logic: the caller passes s and finds in due_s when the next snooze ends. One slot per type, as no second one of a
# type is raised before the first is confirmed.
import struct
from array import array

from micropython import const

# Words of pump/events.py.
_ANNUNCIATION = const(0x033F)
_CGM_STALE = const(0xF00F)
_CONFIRMED = const(0x55)
_NEVER = const(0x3FFFFFFF)
_NOT_APPLICABLE = const(0x74)
_PAUSE_OVER = const(0xF033)
_PENDING = const(0x33)
_SNOOZED = const(0x3C)
_SUCCESS = const(0x0F)


_ID_MAX = const(65535)
SAVED = "<HHiB"
# The types of IDS 1.0.2, those that this pump raises by itself and the others, and the pump's own two.
_TYPES = (
    0x000F, 0x0033, 0x003C, 0x0055, 0x005A, 0x0066, 0x0069, 0x0096, 0x0099, 0x00A5, 0x00AA, 0x00C3, 0x00CC, 0x00F0,
    0x00FF, 0x0303, 0x030C, 0x0330, 0x033F, 0x0356, 0x0359, 0x0365, _CGM_STALE, _PAUSE_OVER,
)  # fmt: skip


class Annunciations:
    def __init__(self, settings, emit):
        self._emit = emit
        self._snooze_s = settings.SNOOZE_S
        self.types = array("H", _TYPES)
        slots = len(self.types)
        self.ids = array("H", bytes(2 * slots))
        self.statuses = bytearray(slots)
        self.ages = array("i", bytes(4 * slots))
        self._until_s = array("i", bytes(4 * slots))
        # What the journal holds of each.
        self._saved_ids = array("H", bytes(2 * slots))
        self._saved_statuses = bytearray(slots)
        self._slots = slots
        self.raised = 0
        self.due_s = _NEVER
        for slot in range(slots):
            self.statuses[slot] = self._saved_statuses[slot] = _CONFIRMED
            self._until_s[slot] = _NEVER

    def knows(self, kind):
        for slot in range(self._slots):
            if self.types[slot] == kind:
                return True
        return False

    # Raises one of the type, unless one is not confirmed yet; returns the ID of the one that stands.
    def announce(self, s, kind):
        slot = 0
        while self.types[slot] != kind:
            slot += 1
        if self.statuses[slot] == _CONFIRMED:
            self.ids[slot] = self.raised % _ID_MAX + 1
            self.raised += 1
            self.ages[slot] = self.raised
            self.turn(s, slot, _PENDING)
        return self.ids[slot]

    def confirm(self, s, annunciation_id):
        slot = self._find(annunciation_id)
        if slot < 0:
            return _NOT_APPLICABLE
        self._wake(slot, _NEVER)
        self.turn(s, slot, _CONFIRMED)
        return _SUCCESS

    # Snoozing what is snoozed counts its time afresh.
    def snooze(self, s, annunciation_id):
        slot = self._find(annunciation_id)
        if slot < 0:
            return _NOT_APPLICABLE
        self._wake(slot, s + self._snooze_s)
        if self.statuses[slot] != _SNOOZED:
            self.turn(s, slot, _SNOOZED)
        return _SUCCESS

    # Makes what was snoozed long enough pending again, the oldest first.
    def advance(self, s):
        while self.due_s <= s:
            slot = self.oldest(_SNOOZED, s)
            self._wake(slot, _NEVER)
            self.turn(s, slot, _PENDING)

    # The slot to show: the oldest pending one, else the oldest snoozed one, else -1.
    def shown(self):
        slot = self.oldest(_PENDING, _NEVER)
        return slot if slot >= 0 else self.oldest(_SNOOZED, _NEVER)

    # How many slots the journal does not hold as they are.
    def room(self):
        room = 0
        for slot in range(self._slots):
            room += self._unsaved(slot)
        return room

    def _unsaved(self, slot):
        return self._saved_ids[slot] != self.ids[slot] or self._saved_statuses[slot] != self.statuses[slot]

    # Puts the slot into buf for the journal; False when the journal holds it as it is. A whole journal begins with
    # forget_saved().
    def save(self, slot, buf, at):
        if not self._unsaved(slot):
            return False
        self._saved_ids[slot] = self.ids[slot]
        self._saved_statuses[slot] = self.statuses[slot]
        struct.pack_into(SAVED, buf, at, self.types[slot], self.ids[slot], self.ages[slot], self.statuses[slot])
        return True

    def forget_saved(self):
        for slot in range(self._slots):
            self._saved_ids[slot] = self.ids[slot] if self.statuses[slot] == _CONFIRMED else 0
            self._saved_statuses[slot] = _CONFIRMED

    # Sets when a snooze ends.
    def _wake(self, slot, until_s):
        self._until_s[slot] = until_s
        self.due_s = _NEVER
        for i in range(self._slots):
            self.due_s = min(self.due_s, self._until_s[i])

    # The oldest of a status, of those whose snooze ends by until_s or that are not snoozed.
    def oldest(self, status, until_s):
        found = -1
        for slot in range(self._slots):
            if self.statuses[slot] != status or (status == _SNOOZED and self._until_s[slot] > until_s):
                continue
            if found < 0 or self.ages[slot] < self.ages[found]:
                found = slot
        return found

    def _find(self, annunciation_id):
        for slot in range(self._slots):
            if self.ids[slot] == annunciation_id and self.statuses[slot] != _CONFIRMED:
                return slot
        return -1

    def turn(self, s, slot, status):
        self.statuses[slot] = status
        self._emit(_ANNUNCIATION, s, self.ids[slot], self.types[slot], status, 0, 0)
