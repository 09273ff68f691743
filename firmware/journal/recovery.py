# What a start makes of the journal: what survived goes into the pump, and the records of the history are found. It is
# needed once: a board loads it when it starts, and forgets it.
import struct
import sys

from journal import parts
from journal.ring import COMMIT, EVENT, HEADER, PAYLOAD, PULSE


# Lets go of this module, which is loaded again when it is asked for.
def forget():
    del sys.modules[__name__]


# The serial number of a block, -1 when it has no header; leaves the header in the ring's `record`.
def serial_of(ring, block):
    if ring.read(block, 0) and ring.record[4] == HEADER:
        return ring.number()
    return -1


# The block with the highest serial number below a limit, -1 when there is none.
def newest_below(ring, limit):
    newest = -1
    highest = -1
    for block in range(ring.blocks):
        serial = serial_of(ring, block)
        if highest < serial < limit:
            highest = serial
            newest = block
    return newest


class Recovery:
    # ring: of the store. left: by source, the pulses that left the motor, filled here.
    def __init__(self, ring, pump, history, saved, left):
        self._ring = ring
        from pump.restart import Restart

        self._pump = pump
        self._restart = Restart(pump)
        self._history = history
        self._parts = saved
        self._left = left
        # The source of the last pulse, when that has no done.
        self.in_doubt = 0
        # Pulses of its source before a bolus or the priming that runs began; by place, the priming last.
        self._before = [0, 0, 0]

    # Puts everything that survived into the pump. Returns the sequence number before which the history is durable, -1
    # when nothing tells.
    def recover(self):
        ring = self._ring
        newest = newest_below(ring, 1 << 30)
        if newest >= 0:
            serial_of(ring, newest)
            ring.serial = ring.number()
        block, serial, last = newest, ring.serial, 0
        while block >= 0 and not last:
            last = self._last_commit(block, serial)
            if not last:
                block = newest_below(ring, serial)
                if block >= 0:
                    serial_of(ring, block)
                    serial = ring.number()
        if not last:
            return -1
        # The block that tells everything is the last one to be written over.
        ring.block = block
        return self._replay(block, serial, last)

    # The slot of the last commit of a block; 0 when not even the first group is whole.
    def _last_commit(self, block, serial):
        last = 0
        for slot in range(1, self._ring.slots):
            if not self._follows(block, serial, slot):
                break
            if self._ring.record[4] == COMMIT:
                last = slot
        return last

    # Reads a slot; False at the end of what was written.
    def _follows(self, block, serial, slot):
        ring = self._ring
        return ring.read(block, slot) and ring.number() == serial * ring.slots + slot and ring.record[4] != HEADER

    # Takes a block over, of what follows its last commit the pulses only. Returns the sequence number that is next.
    def _replay(self, block, serial, last):
        committed = at_s = 0
        record = self._ring.record
        for slot in range(1, self._ring.slots):
            if not self._follows(block, serial, slot):
                break
            kind = record[4]
            if kind == PULSE:
                self._replay_pulse(record)
            elif slot > last:
                continue
            elif kind == COMMIT:
                at_s, committed = self._replay_commit(record)
            else:
                self._restore(kind, record)
        self._complete(at_s)
        return committed

    def _replay_pulse(self, record):
        source, count = struct.unpack_from("<BI", record, PAYLOAD - 1)
        self._left[parts.place_of(source)] = count
        self.in_doubt = 0 if self._ring.done() else source

    def _replay_commit(self, record):
        pump = self._pump
        pulse_mu = pump.settings.PULSE_MU
        (
            at_s, committed, basal_pulses, bolus_pulses, reservoir_pulses, day_basal_pulses, day_bolus_pulses,
            basal_waiting, fast_waiting,
        ) = struct.unpack_from(parts.COMMIT_LAYOUT, record, PAYLOAD)  # fmt: skip
        self._restart.restore_pulses(basal_pulses, bolus_pulses)
        self._restart.restore_reservoir(reservoir_pulses)
        pump.daily.basal_mu = day_basal_pulses * pulse_mu
        pump.daily.bolus_mu = day_bolus_pulses * pulse_mu
        self._left[parts.BASAL] = basal_pulses - basal_waiting
        self._left[parts.FAST] = bolus_pulses - pump.delivery.extended_pulses - fast_waiting
        return at_s, committed

    # --- Parts ------------------------------------------------------------------------------------------------------

    # Takes a part over from a record.
    def _restore(self, kind, record):
        if kind == parts.ANNUNCIATIONS:
            self._restart.restore_annunciation(record, PAYLOAD)
        elif kind == parts.PROFILES:
            self._restart.restore_blocks(record, PAYLOAD)
        elif kind == parts.DELETION:
            self._restore_deletion(record)
        elif kind == parts.STATE:
            self._restore_state(record)
        elif kind == parts.BOLUSES:
            self._restore_bolus(record)
        elif kind == parts.TEMPLATES:
            self._restore_templates(record)
        elif kind == parts.SETTINGS:
            self._restore_settings(record)
        elif kind == parts.GUARDRAILS:
            self._restart.restore_guardrails(*struct.unpack_from(parts.GUARDRAILS_LAYOUT, record, PAYLOAD))
        elif kind == parts.OREF:
            self._restore_oref(record)
        elif kind == parts.COUNTS:
            self._restore_counts(record)
        elif kind == parts.LIFE:
            self._restore_life(record)

    # What was deleted of the history, and what is being deleted.
    def _restore_deletion(self, record):
        history = self._history
        (
            history.floor, history.hole_first, hole_end, history.delete_first, delete_end, history.delete_which,
        ) = struct.unpack_from(parts.DELETION_LAYOUT, record, PAYLOAD)  # fmt: skip
        history.hole_last = hole_end - 1
        history.delete_last = delete_end - 1
        history.delete_next = history.delete_first
        history.delete_durable = history.delete_resumed = history.deleting()

    def _restore_state(self, record):
        pump = self._pump
        tbr = pump.tbr
        (
            pump.therapy, flags, tbr.context, tbr.kind, tbr.template, tbr.start_s, tbr.value, tbr.duration_minutes,
            pump.reported_mu_per_h, pump.max_bolus_mu, pump.filled_at_pulse,
        ) = struct.unpack_from(parts.STATE_LAYOUT, record, PAYLOAD)  # fmt: skip
        tbr.active = flags & 1 != 0
        pump.reservoir.attached = flags & 2 != 0

    def _restore_bolus(self, record):
        (
            place, flags, template, activation, bolus_id, last_id, fast_mu, extended_mu, minutes, delay_minutes, before,
            programmed_s,
        ) = struct.unpack_from(parts.BOLUS_LAYOUT, record, PAYLOAD)  # fmt: skip
        bolus = self._pump.boluses[place >> 1]
        bolus.active = place & 1 != 0
        bolus.bolus_id = bolus_id
        bolus.flags = flags
        bolus.template = template
        bolus.activation = activation
        bolus.program(programmed_s, fast_mu, extended_mu, minutes, delay_minutes)
        self._before[place >> 1] = before
        self._pump.orders.last_id = last_id

    # Those of another format are refused as a whole: the first values hold.
    def _restore_settings(self, record):
        values = struct.unpack_from(parts.SETTINGS_LAYOUT, record, PAYLOAD)
        if values[-1] == parts.SETTINGS_FORMAT:
            self._restart.restore_settings(*values[:-1])

    def _restore_oref(self, record):
        values = self._pump.control.oref.values
        index = record[PAYLOAD]
        at = PAYLOAD + 1
        for i in range(parts.OREF_EACH * index, min(parts.OREF_EACH * (index + 1), len(values))):
            values[i] = record[at] | record[at + 1] << 8
            at += 2

    def _restore_counts(self, record):
        delivery = self._pump.delivery
        priming = self._pump.priming
        (
            delivery.pulses_in_doubt, delivery.doubt_source, extended_waiting, prime_waiting, priming.active,
            delivery.extended_pulses, delivery.prime_pulses, self._before[2], pulses,
        ) = struct.unpack_from(parts.COUNTS_LAYOUT, record, PAYLOAD)  # fmt: skip
        priming.active = priming.active != 0
        priming.program(pulses)
        self._left[parts.EXTENDED] = delivery.extended_pulses - extended_waiting
        self._left[parts.PRIME] = delivery.prime_pulses - prime_waiting

    def _restore_life(self, record):
        pump = self._pump
        (
            pump.delivery.dropped_pulses, pump.delivery.dropped_rest, pump.annunciations.raised, pump.day_kept,
            pump.counters.before_s, pump.counters.operation_start_s,
        ) = struct.unpack_from(parts.LIFE_LAYOUT, record, PAYLOAD)  # fmt: skip

    def _restore_templates(self, record):
        templates = self._pump.templates
        index = record[PAYLOAD]
        at = PAYLOAD + 1
        if index == 0:
            self._restart.restore_directory(record, at)
            return
        kind = parts.TEMPLATE_TBR if index == 1 else parts.TEMPLATE_BOLUS
        number = templates.first(kind)
        end = number + templates.count_of(kind)
        if kind == parts.TEMPLATE_TBR:
            for n in range(number, end):
                templates.tbr.put(n, *struct.unpack_from(parts.TBR_TEMPLATE_LAYOUT, record, at))
                at += parts.TBR_TEMPLATE_OCTETS
            return
        number += (index - 2) * parts.BOLUS_TEMPLATES_EACH
        for n in range(number, min(number + parts.BOLUS_TEMPLATES_EACH, end)):
            templates.bolus.put(n, *struct.unpack_from(parts.BOLUS_TEMPLATE_LAYOUT, record, at))
            at += parts.BOLUS_TEMPLATE_OCTETS

    # After the last part: what only the whole of them says. at_s: the last second of the pump before the cut, which is
    # now second 0.
    def _complete(self, at_s):
        pump = self._pump
        pump.resumed = True
        pump.tbr.start_s -= at_s
        pump.counters.before_s += at_s
        for place in range(2):
            bolus = pump.boluses[place]
            bolus.programmed_s -= at_s
            bolus.start_s -= at_s
            self._restart.redeliver(bolus, self._parts.pulses_of(place) - self._before[place])
        self._restart.redeliver_prime(pump.delivery.prime_pulses - self._before[2])
        pump.delivery.therapy = pump.therapy
        pump.basal.refresh(0)


# Looks for the records of the history.
class Search:
    # firsts, whole: what the history knows of its blocks, filled here.
    def __init__(self, ring, firsts, whole):
        self._ring = ring
        self._firsts = firsts
        self._whole = whole

    # Returns the sequence number that is next. committed: the one before which all is durable; -1 when nobody knows.
    def find(self, committed):
        newest = self._newest(committed)
        if newest < 0:
            return max(committed, 0)
        self._ring.block = newest
        first = self._first_of(newest)
        self._index(first)
        return self._read_newest(first, self._readable_end(first) if committed < 0 else committed)

    # The newest block in which something is durable. Its header may have rotted.
    def _newest(self, committed):
        ring = self._ring
        limit = 1 << 30
        newest = -1
        while newest < 0:
            newest = newest_below(ring, limit)
            if newest < 0:
                return -1
            limit = ring.serial = serial_of(ring, newest)
            if 0 <= committed < self._first_of(newest):
                newest = -1
        following = (newest + 1) % ring.blocks
        if serial_of(ring, following) < 0 and not ring.blank():
            first = self._first_of(following)
            if first > self._first_of(newest) and (committed < 0 or first <= committed):
                ring.serial += 1
                return following
        return newest

    # The number that a block begins with; -1 when there is none. Without its header, its first record tells.
    def _first_of(self, block):
        ring = self._ring
        if serial_of(ring, block) >= 0:
            return struct.unpack_from("<I", ring.record, PAYLOAD)[0]
        before = 0
        blank = ring.blank()
        for slot in range(1, 1 if blank else ring.slots):
            if self._read(block, slot):
                return ring.number() - before
            if not ring.spoilt():
                before += 1
        return -1

    # Where each block begins, from the oldest to the newest; a header says, too, whether the block before is whole.
    def _index(self, newest_first):
        ring = self._ring
        least = 0
        for i in range(1, ring.blocks + 1):
            block = (ring.block + i) % ring.blocks
            first = self._first_of(block)
            if not least <= first <= newest_first:
                continue
            self._firsts[block] = least = first
            if i > 1 and serial_of(ring, block) >= 0:
                self._whole[block - 1] = ring.record[PAYLOAD + 4]

    # The number after the last record that can be read.
    def _readable_end(self, first):
        end = first
        for slot in range(1, self._ring.slots):
            if self._read(self._ring.block, slot):
                end = self._ring.number() + 1
        return end

    # What is not durable is not there: its slots are wiped, so that they count for nothing. Returns the number that is
    # next.
    def _read_newest(self, first, committed):
        ring = self._ring
        block = ring.block
        at = first
        whole = 1
        ring.slot = 1
        for slot in range(1, ring.slots):
            readable = self._read(block, slot)
            if not readable and ring.blank():
                continue
            ring.slot = slot + 1
            number = ring.number() if readable else at
            if not readable and ring.spoilt():
                pass
            elif number >= committed:
                ring.wipe(block, slot, False)
            else:
                at = number + 1
            if at - first != slot:
                whole = 0
        self._whole[block] = whole
        if at < committed:
            # Some of the newest cannot be found any more: what follows begins a block.
            ring.slot = ring.slots
        return max(at, committed)

    # Whether a record of the history stands in a slot.
    def _read(self, block, slot):
        ring = self._ring
        return ring.read(block, slot) and ring.record[4] == EVENT
