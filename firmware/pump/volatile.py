# The store of a pump that keeps nothing over a power cut: what a Pump is given when there is no other.
class Volatile:
    # A pulse of this source was queued for the motor.
    def queue(self, source):
        pass

    # Before and after each pulse, called by the motor.
    def intend(self):
        pass

    def done(self):
        pass

    # An event of pump/events.py, or one of the two settings there that are no event, changed what must survive.
    def touch(self, event):
        pass

    # Makes durable what was touched.
    def commit(self):
        pass

    # Does what may take time, while there is time.
    def tend(self):
        pass

    def restart(self):
        pass
