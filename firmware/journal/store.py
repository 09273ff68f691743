# The store: what of the pump survives a power cut, and the intent before each pulse (DOSING.md section 12).
#
# A ring of blocks holds groups of records, each closed by a commit: a group without one never was. A block begins with
# a group of all there is, so that after a cut the newest block with a whole first group tells everything. Between the
# groups stand pulses: the intent is written before the pulse, that it is done after it. A commit carries the counters
# as they were told, and how many pulses of these still wait for the motor. Pulses of an extended bolus and of priming
# are rarer: a group that follows them has their counters in a part.
import struct
from array import array

from micropython import const

from journal import parts
from journal.ring import COMMIT, PAYLOAD

_QUEUE = const(64)
# Slots of a block that pulses may still take while the motor is busy; it turns to the next one before.
_ROOM_SLOTS = const(24)
_SOURCES = const(4)


class Store:
    def __init__(self, ring):
        self._ring = ring
        self._pump = None
        self._history = None
        self._parts = None
        # Sources of the pulses that wait for the motor, in their order.
        self._sources = bytearray(_QUEUE)
        self._first = 0
        self._waiting = 0
        # By source: pulses that wait, and pulses that left the motor.
        self._waiting_of = bytearray(_SOURCES)
        self._left_of = array("i", bytes(4 * _SOURCES))
        self._turning = 0
        # What a recovery found: the last pulse has no done.
        self._in_doubt = 0
        self._touched = parts.ALL
        # Parts that are written with the next group: no reason for one.
        self._stale = 0
        self._open = False
        self._telling = False

    # --- The pump's side ------------------------------------------------------------------------------------------

    def queue(self, source):
        if self._waiting < _QUEUE:
            self._sources[(self._first + self._waiting) % _QUEUE] = source
            self._waiting += 1
            place = parts.place_of(source)
            self._waiting_of[place] += 1
            self._count(place)

    # The part that counts pulses of a source, if any, is not as the journal has it.
    def _count(self, place):
        if place >= parts.EXTENDED:
            self._stale |= parts.bit(parts.COUNTS)

    def touch(self, event):
        self._touched |= parts.touched_by(event)

    # --- The motor's side -----------------------------------------------------------------------------------------

    # The oldest pulse that waits is about to leave.
    def intend(self):
        if not self._waiting:
            return
        if not self._ring.free():
            self._turn()
        source = self._sources[self._first]
        self._first = (self._first + 1) % _QUEUE
        self._waiting -= 1
        place = parts.place_of(source)
        self._waiting_of[place] -= 1
        self._left_of[place] += 1
        self._count(place)
        self._turning = source
        self._put_intent()

    def _put_intent(self):
        self._ring.put_intent(self._number(), self._turning, self._left_of[parts.place_of(self._turning)])

    def done(self):
        if self._turning:
            self._turning = 0
            self._ring.put_done()

    # --- Groups ---------------------------------------------------------------------------------------------------

    # Makes durable all that has been touched.
    def commit(self):
        if not self._touched or not self._telling:
            return
        self._touched |= self._stale
        needed = 1
        for kind in range(parts.FIRST, parts.LAST + 1):
            if self._touched & parts.bit(kind):
                needed += self._parts.room(kind)
        if not self._open or needed > self._ring.free():
            self._turn()
        else:
            self._write_group()

    def _write_group(self):
        for kind in range(parts.FIRST, parts.LAST + 1):
            if self._touched & parts.bit(kind):
                for index in range(self._parts.records(kind)):
                    if self._parts.save(kind, index, self._ring.out, self._pump.now_s):
                        self._ring.put(self._number(), kind, 0)
        self._touched = self._stale = 0
        self._write_commit()

    def _write_commit(self):
        pump = self._pump
        delivery = pump.delivery
        pulse_mu = pump.settings.PULSE_MU
        struct.pack_into(
            parts.COMMIT_LAYOUT, self._ring.out, PAYLOAD, max(pump.now_s, 0), self._history.next_sequence,
            delivery.basal_pulses, delivery.bolus_pulses, pump.reservoir.remaining_pulses,
            pump.daily.basal_mu // pulse_mu, pump.daily.bolus_mu // pulse_mu, self._waiting_of[parts.BASAL],
            self._waiting_of[parts.FAST],
        )  # fmt: skip
        self._ring.put(self._number(), COMMIT, 0)

    # Goes on in the next block, which begins with everything there is. A pulse under way goes with it.
    def _turn(self):
        ring = self._ring
        ring.turn()
        self._open = True
        self._touched = parts.ALL
        self._parts.forget_saved()
        self._write_group()
        if self._turning:
            self._put_intent()

    # Records of a block are numbered on from those of the block before, by the room there is.
    def _number(self):
        return self._ring.serial * self._ring.slots + self._ring.slot

    # While the motor rests and nobody waits: erases ahead, and leaves a block in which pulses may lack room.
    def tend(self):
        ring = self._ring
        self._history.prepare()
        if ring.free() < 2 * _ROOM_SLOTS:
            ring.prepare()
            if ring.free() < _ROOM_SLOTS:
                self._turn()

    # --- After a start --------------------------------------------------------------------------------------------

    # Puts everything that survived into the pump and opens the history.
    def connect(self, pump, history):
        from journal.recovery import Recovery

        self._pump = pump
        self._history = history
        self._parts = parts.Parts(pump, history, self._waiting_of)
        recovery = Recovery(self._ring, pump, history, self._parts, self._left_of)
        history.open(recovery.recover())
        self._in_doubt = recovery.in_doubt

    # Second 0: the pump tells what became of what ran. Only now is there something to commit.
    def restart(self):
        from pump import bounds, restart

        pump = self._pump
        delivery = pump.delivery
        self._telling = True
        if self._in_doubt:
            delivery.pulses_in_doubt += 1
            delivery.doubt_source = self._in_doubt
        left = self._left_of
        restart.Restart(pump).begin(
            left[parts.BASAL] - delivery.basal_pulses,
            left[parts.FAST] - delivery.bolus_pulses + delivery.extended_pulses,
            left[parts.EXTENDED] - delivery.extended_pulses,
            left[parts.PRIME] - delivery.prime_pulses,
            self._in_doubt != 0,
        )
        restart.forget()
        bounds.forget()
        self.commit()
