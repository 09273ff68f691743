"""Runs on MicroPython: asks a pump for what it loads late while its heap is full, and again when there is room.

Prints `full ANSWERS`, `pulses N` and `room ANSWERS`: how the last PDU of each answer begins, in hexadecimal digits;
and `limits MU MU`: the maximum bolus after the one and after the other.
"""

import gc
from binascii import hexlify

from gatt_on_board import build

from octets import crc16

PUMP_DATA = (0x0A, 0x55, 0)
COMMAND, RECORDS = 0x21, 0x27
CONFIRMATION = b"\x1e"
HOUR_S = 3600
CHUNK_OCTETS = 8192
KEPT_OCTETS = 8


class Client:
    """Writes and reads; keeps what the pump sends."""

    def __init__(self):
        self.clock, _, self.bearer, self.server, self.pump = build()
        self.sent = bytearray(256)
        self.used = 0
        self.counters = {COMMAND: 0, RECORDS: 0}
        self.bearer.send = self.take

    def take(self, end):
        """A PDU leaves: its first octets are kept, without taking memory."""
        start = self.bearer.pdu_start
        self.used = min(end - start, len(self.sent))
        for i in range(self.used):
            self.sent[i] = self.bearer.pdu[start + i]

    def ask(self, pdu):
        """One PDU in, the last one out."""
        self.used = 0
        self.server.receive(pdu, 0, len(pdu))
        self.server.run()

    def written(self, handle, value):
        """The PDU that writes a protected value."""
        self.counters[handle] += 1
        value += bytes((self.counters[handle],))
        crc = crc16(value, 0, len(value))
        return bytes((0x12, handle, 0)) + value + bytes((crc & 0xFF, crc >> 8))

    def configure(self):
        """Asks for all answers."""
        for handle, bits in ((0x22, 2), (0x25, 1), (0x28, 2), (0x2B, 1)):
            self.ask(bytes((0x12, handle, 0, bits, 0)))

    def requests(self):
        """A read, the activated templates, the end of what is done with records, a maximum bolus of 5 IU."""
        return (
            bytes(PUMP_DATA), self.written(COMMAND, b"\x48\x12"), self.written(RECORDS, b"\x55\x0f"),
            self.written(COMMAND, b"\x8d\x14\x05\x00"),
        )  # fmt: skip

    def answers(self, requests, out):
        """Asks one after the other and keeps how each answer begins."""
        for i in range(len(requests)):
            self.ask(requests[i])
            for at in range(KEPT_OCTETS):
                out[KEPT_OCTETS * i + at] = self.sent[at]
            # An indication is confirmed, after which its procedure is over.
            if self.sent[0] == 0x1D:
                self.ask(CONFIRMATION)


def fill(hold):
    """Takes all of the heap in which anything else but a few words would have room."""
    octets = CHUNK_OCTETS
    while octets >= 64:
        try:
            hold.append(bytearray(octets))
        except MemoryError:
            octets //= 2


def main():
    """Ask, let an hour pass, ask again."""
    client = Client()
    client.configure()
    full, room = bytearray(4 * KEPT_OCTETS), bytearray(4 * KEPT_OCTETS)
    refused, done = client.requests(), client.requests()
    before = client.pump.delivery.basal_pulses
    hold = [None] * 512
    del hold[:]
    gc.collect()
    fill(hold)
    client.answers(refused, full)
    for s in range(0, HOUR_S + 1, 60):
        client.clock.s = s
        client.pump.advance(s)
        client.server.run()
    pulses = client.pump.delivery.basal_pulses - before
    limit_mu = client.pump.max_bolus_mu
    del hold
    gc.collect()
    client.answers(done, room)
    print("full", hexlify(full, " ").decode())
    print("pulses", pulses)
    print("room", hexlify(room, " ").decode())
    print("limits", limit_mu, client.pump.max_bolus_mu)


if __name__ == "__main__":
    main()
