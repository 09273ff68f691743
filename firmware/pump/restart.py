# What a pump makes of what survived a power cut (D-921 to D-925). Nothing is delivered before it is through: a board
# loads it when it starts, and lets go of it.
import struct
import sys

from micropython import const

from pump.annunciations import SAVED
from pump.templates import ACTIVATED

# Words of pump/events.py.
_COMPLETE = const(0x33)
_ERROR_ABORT = const(0x55)
_PENDING = const(0x33)
_RESERVOIR_EMPTY = const(0x005A)
_SNOOZED = const(0x3C)
_SYSTEM_ISSUE = const(0x000F)

_NEVER = const(0x3FFFFFFF)
_PULSE_MASK = const(0xFFFF)


# Lets go of this module, which is loaded again when it is asked for.
def forget():
    if __name__ in sys.modules:
        del sys.modules[__name__]


class Restart:
    def __init__(self, pump):
        self._pump = pump

    # --- As the journal has it: nothing is told -----------------------------------------------------------------------

    # The pulses of basal and of all boluses; those of one bolus and of priming are set apart.
    def restore_pulses(self, basal_pulses, bolus_pulses):
        delivery = self._pump.delivery
        pulse_mu = self._pump.settings.PULSE_MU
        sums = self._pump.settings.DELIVERED_ROLLOVER_MU // pulse_mu + 1
        delivery.basal_pulses = basal_pulses
        delivery.bolus_pulses = bolus_pulses
        delivery.basal_mu = basal_pulses % sums * pulse_mu
        delivery.bolus_mu = bolus_pulses % sums * pulse_mu

    def restore_reservoir(self, pulses):
        reservoir = self._pump.reservoir
        reservoir.remaining_pulses = min(pulses, reservoir.capacity_pulses)
        reservoir.remaining_mu = reservoir.remaining_pulses * self._pump.settings.PULSE_MU

    # What a bolus has delivered, counted anew. Both parts began together, so that the number alone tells them apart.
    def redeliver(self, bolus, pulses):
        fast = bolus.fast
        extended = bolus.extended
        fast.delivered = extended.delivered = 0
        for _ in range(min(pulses, bolus.pulses())):
            if extended.delivered == extended.pulses or (
                fast.delivered < fast.pulses
                and fast.second_of(fast.delivered + 1) <= extended.second_of(extended.delivered + 1)
            ):
                fast.delivered += 1
            else:
                extended.delivered += 1

    def redeliver_prime(self, pulses):
        portion = self._pump.priming.portion
        portion.delivered = max(0, min(pulses, portion.pulses))

    # An annunciation. What the journal does not name is confirmed.
    def restore_annunciation(self, buf, at):
        annunciations = self._pump.annunciations
        kind, annunciation_id, age, status = struct.unpack_from(SAVED, buf, at)
        for slot in range(len(annunciations.types)):
            if annunciations.types[slot] == kind:
                annunciations.ids[slot] = annunciation_id
                annunciations.ages[slot] = age
                annunciations.statuses[slot] = status

    # Blocks of a profile.
    def restore_blocks(self, buf, at):
        templates = self._pump.templates
        row, first, blocks = buf[at], buf[at + 1], buf[at + 2]
        cell = row * templates.blocks_max + first
        at += 3
        for i in range(cell, cell + blocks):
            templates.durations[i], templates.values[i] = struct.unpack_from("<HH", buf, at)
            at += 4
            if templates.high_rows >> row & 1:
                templates.highs[i] = struct.unpack_from("<H", buf, at)[0]
                at += 2

    # An octet for each template: how many blocks a profile has, and whether it is activated.
    def restore_directory(self, buf, at):
        templates = self._pump.templates
        types = self._pump.settings.TEMPLATE_TYPES
        for number in range(1, len(types)):
            row = templates.row_of[number]
            if row:
                said = buf[at + number - 1]
                templates.counts[row] = said & ~ACTIVATED
                first = templates.first(types[number])
                if said & ACTIVATED:
                    templates.activated_of[first] = number
                elif templates.activated_of[first] == number:
                    templates.activated_of[first] = 0

    def restore_settings(self, *values):
        from pump import bounds

        pump = self._pump
        control = pump.control.settings
        if bounds.settings_within(control, *values):
            bounds.take_settings(control, *values)
            pump.iob.configure(control.dia_minutes, control.peak_minutes)

    def restore_guardrails(self, *values):
        from pump import bounds

        bounds.take_guardrails(self._pump.guardrails, *values)

    # --- Second 0 -----------------------------------------------------------------------------------------------------

    # With all that survived in its place: what ran has ended (D-922). The pulses are those that the counters do not
    # know of (below 0: know of too much): basal, of the fast bolus, of the other one, prime. in_doubt: the last of them
    # may not have left.
    def begin(self, basal_pulses, fast_pulses, extended_pulses, prime_pulses, in_doubt):
        pump = self._pump
        pump.advance(0)
        pump.iob.scheduled.follow(0, pump.basal.rate_mu_per_h)
        pump.prepare_controller(0)
        delivery = pump.delivery
        lost = -(basal_pulses + fast_pulses + extended_pulses + prime_pulses)
        since_filled = delivery.pulses() - pump.filled_at_pulse & _PULSE_MASK
        self._settle(basal_pulses, fast_pulses, extended_pulses, prime_pulses)
        # What the power took goes back into the reservoir that it came from, if that is still there (D-925).
        if lost > 0:
            self.restore_reservoir(pump.reservoir.remaining_pulses + min(lost, since_filled))
        if lost > since_filled:
            pump.filled_at_pulse = delivery.pulses() & _PULSE_MASK
        # The window of 24 h: what is known of the day.
        pump.guardrails.begin_with((pump.daily.basal_mu + pump.daily.bolus_mu) // pump.settings.PULSE_MU)
        annunciation_id = 0
        if in_doubt:
            annunciation_id = pump.annunciations.announce(0, _SYSTEM_ISSUE)
        if pump.moving() and not pump.reservoir.remaining_pulses:
            annunciation_id = pump.annunciations.announce(0, _RESERVOIR_EMPTY)
        self._wake_annunciations()
        first = pump.orders.nth(0)
        second = pump.orders.nth(1)
        if first.active:
            self._end_bolus(first, annunciation_id)
        if second.active:
            self._end_bolus(second, annunciation_id)
        pump.stop(0, _ERROR_ABORT, annunciation_id)
        pump.end_complete(0)

    # Counts pulses that left before the power cut and were not counted yet, and takes back (below 0) what was counted
    # and never left; of the fast bolus, the other one, and priming. What is taken back is still missing in the
    # reservoir.
    def _settle(self, basal_pulses, fast_pulses, extended_pulses, prime_pulses):
        pump = self._pump
        delivery, daily = pump.delivery, pump.daily
        pulse_mu = pump.settings.PULSE_MU
        bolus_pulses = fast_pulses + extended_pulses
        self.restore_pulses(delivery.basal_pulses + basal_pulses, delivery.bolus_pulses + bolus_pulses)
        delivery.extended_pulses += extended_pulses
        delivery.prime_pulses += prime_pulses
        daily.basal_mu = max(0, daily.basal_mu + basal_pulses * pulse_mu)
        daily.bolus_mu = max(0, daily.bolus_mu + bolus_pulses * pulse_mu)
        # Those that have ended, too: their last pulse may be one that never left.
        fast, other = pump.boluses
        self.redeliver(fast, fast.delivered_pulses() + fast_pulses)
        self.redeliver(other, other.delivered_pulses() + extended_pulses)
        self.redeliver_prime(pump.priming.portion.delivered + prime_pulses)
        for _ in range(basal_pulses + bolus_pulses + prime_pulses):
            pump.reservoir.take(0)

    # Nobody knows how long a snooze still lasts: it is over.
    def _wake_annunciations(self):
        annunciations = self._pump.annunciations
        slot = annunciations.oldest(_SNOOZED, _NEVER)
        while slot >= 0:
            annunciations.turn(0, slot, _PENDING)
            slot = annunciations.oldest(_SNOOZED, _NEVER)

    def _end_bolus(self, bolus, annunciation_id):
        if bolus.complete():
            self._pump.orders.end(0, bolus, _COMPLETE, 0)
        else:
            self._pump.orders.end(0, bolus, _ERROR_ABORT, annunciation_id)
