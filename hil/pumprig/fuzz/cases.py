"""Makes the cases: valid steps of every kind, in every state, and what damages them."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection

from pumprig.fuzz.steps import Step
from pumpwire import database, e2e
from pumpwire.att import AttOpcode
from pumpwire.cgms import CGM_MEASUREMENT, build_notification
from pumpwire.database import Characteristic, Protection
from pumpwire.declare import TO_PUMP, Message
from pumpwire.frame import DELIMITER, FrameType, body, encode
from pumpwire.registry import MESSAGES, messages_of
from pumpwire.tools import sample
from pumpwire.vendor import WIRE_VERSION

__all__ = ["CASES_OF_A_ROUND", "Maker"]

CASES_OF_A_ROUND = 500
"""Cases that one fresh board gets, one after the other."""

_SITUATION_EVERY = 25
_PUMP_HANDLES_MAX = 0x00FF
_COMMAND = database.COMMAND_CONTROL_POINT
_WRITTEN = [item for item in database.CHARACTERISTICS.values() if item.handle <= _PUMP_HANDLES_MAX
            and "write" in item.properties]  # fmt: skip
_REQUESTS = [message for item in _WRITTEN for message in messages_of(item, TO_PUMP)]
_HANDLES = [item.handle for item in database.CHARACTERISTICS.values()]
_HANDLES += [item.configuration_handle for item in database.CHARACTERISTICS.values() if item.configuration_handle]
_MTU_247 = Step("att", bytes((AttOpcode.EXCHANGE_MTU_REQUEST, 247, 0)))
_SETTINGS = MESSAGES["ControllerSettings"].examples[0].fields
_SETTLE = Step("wait", seconds=0.1)
_WAITS_S = (0.5, 1.0, 1.0, 2.0, 7.0, 31.0, 60.0, 301.0, 1800.0)


def _message(name: str, **values: object) -> Step:
    message = MESSAGES[name]
    return Step("value", message.build(**values), message.on.handle)


def _frame(pdu: bytes) -> bytes:
    return encode(FrameType.ATT, pdu)


def _write(handle: int, value: bytes) -> bytes:
    return bytes((AttOpcode.WRITE_REQUEST,)) + handle.to_bytes(2, "little") + value


class Maker:
    """Makes cases.

    Args:
        dice: all chance comes from here.
    """

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self._number = 0
        self._ways: list[tuple[int, Callable[[], list[Step]]]] = [
            (20, self._valid), (20, self._damaged_operand), (8, self._other_opcode), (8, self._counter),
            (6, self._protection), (8, self._pdu), (6, self._any_pdu), (6, self._configuration),
            (8, self._damaged_frame), (5, self._delimiters), (4, self._other_frame), (3, self._open),
            (4, self._garbage), (6, self._measurement), (4, self._sensor), (3, self._confirmations),
            (6, self._waiting), (2, self._at_once), (1, self._exchange_mtu),
        ]  # fmt: skip
        self._weights = [weight for weight, _ in self._ways]

    def leave_out(self, names: Collection[str]) -> None:
        """Leaves ways of damage out, by the names of their methods."""
        self._ways = [(weight, way) for weight, way in self._ways if way.__name__ not in names]
        self._weights = [weight for weight, _ in self._ways]

    def next(self) -> list[Step]:
        """The steps of the next case; from time to time they begin with what brings the pump into another state."""
        steps = self._situation() if self._number % _SITUATION_EVERY == 0 else []
        self._number += 1
        ((_, way),) = self.dice.choices(self._ways, self._weights)
        return steps + way()

    # --- States -------------------------------------------------------------------------------------------------

    # The states of a pump in which every opcode must be safe.
    def _situation(self) -> list[Step]:
        # The longest settings need more than the smallest MTU; a controller that doses stays for a while at most.
        manual = _message("ControllerSettings", **_SETTINGS | {"controller": 0x33})
        connected = [Step("open"), _MTU_247, Step("subscribe"), Step("unmute"), *self.dice.choice(([], [manual]))]
        stop = _message("SetTherapyControlState", therapy_control_state=0x33)
        run = _message("SetTherapyControlState", therapy_control_state=0x55)
        pause = _message("SetTherapyControlState", therapy_control_state=0x3C)
        block = {"template_number": 1, "first_block_number": 1, "duration_minutes_1": 1440}
        profile = _message("WriteBasalRateTemplate", flags=1, rate_iu_per_h_1=self.dice.choice((1, 5, 30)), **block)
        begun = _message("WriteBasalRateTemplate", flags=0, rate_iu_per_h_1=1, **block | {"duration_minutes_1": 60})
        activate = _message("ActivateProfileTemplates", template_numbers=[1])
        running = [stop, _SETTLE, profile, _SETTLE, activate, _SETTLE, run, _SETTLE]
        tbr = _message("SetTbrAdjustment", flags=0, tbr_type=0x33, value=self.dice.choice((0, 2)), duration_minutes=60)
        bolus = {"flags": 0, "bolus_type": 0x33, "extended_amount_iu": 0, "duration_minutes": 0}
        extended = {"flags": 1, "bolus_type": 0x55, "extended_amount_iu": 3, "duration_minutes": 20, "delay_minutes": 1}
        held = {"template_number": 7, "flags": 0, "bolus_type": 0x3C, "fast_amount_iu": 0, "extended_amount_iu": 2}
        template = _message("SetBolusTemplate", duration_minutes=5, **held)
        by_template = _message("SetBolus", **bolus | {"flags": 2, "fast_amount_iu": 9}, template_number=7)
        factor = {"template_number": 4, "tbr_type": 0x3C, "value": 2, "duration_minutes": 30}
        tbr_by_template = _message("SetTbrAdjustment", flags=1, **factor | {"value": 9, "duration_minutes": 1})
        prime = _message("StartPriming", priming_amount_iu=10)
        report = _message("RacpReportStoredRecords", operator=0x33)
        return self.dice.choice(
            [
                [Step("open"), Step("unmute")],
                connected,
                [*connected, stop],
                [*connected, *running],
                [*connected, *running, Step("wait", seconds=3600.0)],
                [*connected, *running, pause],
                [*connected, *running, tbr],
                [*connected, *running, _message("SetBolus", fast_amount_iu=5, **bolus), _SETTLE],
                [*connected, *running, _message("SetBolus", fast_amount_iu=2, **extended), _SETTLE],
                [*connected, *running, _message("SetBolus", fast_amount_iu=2, **extended), _SETTLE,
                 _message("SetBolus", fast_amount_iu=1, **bolus), _SETTLE],
                [*connected, *running, template, _SETTLE, by_template, _SETTLE],
                [*connected, *running, _message("SetTbrTemplate", **factor), _SETTLE, tbr_by_template],
                [*connected, stop, _SETTLE, prime, _SETTLE],
                [*connected, begun],
                [*connected, report],
                [*connected, Step("mute"), report],
                [*connected, Step("mute"), _message("GetInsulinOnBoard")],
                [*connected, *running, Step("mute"), _message("CancelTbrAdjustment")],
            ]
        )

    # --- Ways ---------------------------------------------------------------------------------------------------

    def _request(self) -> Message:
        return self.dice.choice(_REQUESTS)

    def _valid(self) -> list[Step]:
        message = self._request()
        return [Step("value", sample.octets_of(message, self.dice), message.on.handle)]

    def _damaged_operand(self) -> list[Step]:
        message = self._request()
        octets = bytearray(sample.octets_of(message, self.dice))
        self._damage(octets, message.on.opcode_octets)
        return [Step("value", bytes(octets), message.on.handle)]

    def _damage(self, octets: bytearray, first: int = 0) -> None:
        for _ in range(self.dice.choice((1, 1, 1, 2, 4))):
            way = self.dice.randrange(5)
            at = self.dice.randrange(first, len(octets)) if len(octets) > first else len(octets)
            if way == 0 and at < len(octets):
                octets[at] ^= 1 << self.dice.randrange(8)
            elif way == 1 and at < len(octets):
                octets[at] = self.dice.choice((0, 1, 0x7F, 0x80, 0xFE, 0xFF, self.dice.randrange(256)))
            elif way == 2:
                del octets[at:]
            elif way == 3:
                octets += self.dice.randbytes(self.dice.choice((1, 1, 2, 3, 20)))
            else:
                octets[at:at] = bytes((self.dice.choice((0, 0xFF, self.dice.randrange(256))),))

    def _other_opcode(self) -> list[Step]:
        characteristic = self.dice.choice([item for item in _WRITTEN if item.opcode_octets])
        known = [message.opcode for message in MESSAGES.values() if message.opcode is not None]
        opcode = self.dice.choice((self.dice.choice(known), self.dice.randrange(0x10000), 0x148E, 0x14B0, 0))
        octets = opcode.to_bytes(2, "little")[: characteristic.opcode_octets]
        return [Step("value", octets + self.dice.randbytes(self.dice.randrange(16)), characteristic.handle)]

    # The counter of the value before it once more, 0, or any other; the CRC is right.
    def _counter(self) -> list[Step]:
        message = self._request()
        payload = sample.octets_of(message, self.dice)
        counter = self.dice.choice((0, 1, 255, self.dice.randrange(256)))
        value = e2e.protect(payload, counter, message.on.protection)
        return [Step("att", _write(message.on.handle, value))] * self.dice.choice((1, 1, 2))

    def _protection(self) -> list[Step]:
        message = self._request()
        value = bytearray(e2e.protect(sample.octets_of(message, self.dice), self.dice.randrange(1, 256)))
        for _ in range(self.dice.randint(1, 3)):
            value[self.dice.randrange(len(value))] ^= 1 << self.dice.randrange(8)
        return [Step("att", _write(message.on.handle, bytes(value)))]

    def _pdu(self) -> list[Step]:
        message = self._request()
        value = e2e.protect(sample.octets_of(message, self.dice), self.dice.randrange(1, 256))
        pdu = bytearray(_write(self.dice.choice((message.on.handle, *_HANDLES)), value))
        if self.dice.random() < 0.5:
            pdu[0] = self.dice.choice([*AttOpcode, 0x04, 0x08, 0x10, 0x16, 0x18, 0x52, 0xD2, self.dice.randrange(256)])
        if self.dice.random() < 0.6:
            self._damage(pdu, 1)
        return [Step("att", bytes(pdu))]

    def _any_pdu(self) -> list[Step]:
        opcode = self.dice.choice([*AttOpcode, self.dice.randrange(256)])
        handle = self.dice.choice((*_HANDLES, self.dice.randrange(0x10000))).to_bytes(2, "little")
        octets = self.dice.randbytes(self.dice.choice((0, 1, 2, 17, 20, 21, 100, 243, 244)))
        return [Step("att", bytes((opcode,)) + self.dice.choice((handle, b"", handle[:1])) + octets)]

    def _exchange_mtu(self) -> list[Step]:
        mtu = self.dice.choice((0, 22, 23, 185, 247, 248, 0xFFFF, self.dice.randrange(0x10000)))
        return [Step("att", bytes((AttOpcode.EXCHANGE_MTU_REQUEST,)) + mtu.to_bytes(2, "little"))]

    def _configuration(self) -> list[Step]:
        handle = self.dice.choice(_HANDLES)
        value = self.dice.choice((b"\0\0", b"\1\0", b"\2\0", b"\3\0", b"\0", b"", b"\1\0\0", b"\xff\xff"))
        return [Step("att", _write(handle, value)), Step("att", b"\x0a" + handle.to_bytes(2, "little"))]

    def _damaged_frame(self) -> list[Step]:
        message = self._request()
        value = e2e.protect(sample.octets_of(message, self.dice), self.dice.randrange(1, 256))
        octets = bytearray(_frame(_write(message.on.handle, value)))
        self._damage(octets)
        return [Step("raw", bytes(octets) or DELIMITER)]

    def _delimiters(self) -> list[Step]:
        message = self._request()
        octets = bytearray(_frame(_write(message.on.handle, sample.octets_of(message, self.dice))))
        for _ in range(self.dice.randint(1, 4)):
            at = self.dice.randrange(len(octets))
            octets[at:at] = DELIMITER * self.dice.choice((1, 1, 5))
        return [Step("raw", bytes(octets))]

    def _other_frame(self) -> list[Step]:
        kind = self.dice.choice([*FrameType])
        frame = bytearray(encode(kind, self.dice.randbytes(self.dice.choice((0, 1, 6, 7, 8, 9, 30)))))
        return [Step("raw", bytes(frame))]

    def _open(self) -> list[Step]:
        values = {
            "nonce": self.dice.randrange(1 << 32),
            "wire_version": self.dice.choice((WIRE_VERSION, WIRE_VERSION, 0, WIRE_VERSION - 1, 0xFFFF)),
            "keep_alive_ms": self.dice.choice((0, 0, 1, 1000, 0xFFFF)),
        }
        return [Step("raw", encode(FrameType.OPEN, body(FrameType.OPEN, **values)))]

    def _garbage(self) -> list[Step]:
        return [Step("raw", self.dice.randbytes(self.dice.choice((1, 2, 5, 64, 65, 250, 300, 700))))]

    def _measurement(self) -> list[Step]:
        records = [sample.octets_of(CGM_MEASUREMENT, self.dice) for _ in range(self.dice.choice((1, 1, 2)))]
        value = bytearray(build_notification(records, with_crc=self.dice.random() < 0.8))
        if self.dice.random() < 0.5:
            self._damage(value)
        handle = self.dice.choice((database.CGM_MEASUREMENT.handle,) * 4 + (database.CGM_FEATURE.handle, 0x0002))
        opcode = self.dice.choice((AttOpcode.NOTIFICATION, AttOpcode.NOTIFICATION, AttOpcode.INDICATION))
        return [Step("att", bytes((opcode,)) + handle.to_bytes(2, "little") + bytes(value))]

    # What the sensor answers to the pump's next request, after the pump has had a reason to ask.
    def _sensor(self) -> list[Step]:
        answer = bytearray(
            self.dice.choice(
                (
                    b"\x0b" + e2e.protect(MESSAGES["CgmFeature"].examples[0].octets, 0, Protection.CRC),
                    b"\x0b" + e2e.protect(MESSAGES["CgmSessionStartTime"].examples[0].octets, 0, Protection.CRC),
                    b"\x01\x0a\x05\x01\x05",
                    b"\x13",
                )
            )
        )
        self._damage(answer, 1)
        steps = [Step("sensor", bytes(answer)) for _ in range(self.dice.randint(1, 3))]
        return [*steps, Step("open"), Step("subscribe"), Step("wait", seconds=self.dice.choice((1.0, 31.0)))]

    def _confirmations(self) -> list[Step]:
        return [Step(self.dice.choice(("mute", "unmute")))] + [Step("att", b"\x1e")] * self.dice.randrange(3)

    def _waiting(self) -> list[Step]:
        return [Step("wait", seconds=self.dice.choice(_WAITS_S))]

    # Several requests that arrive together, so that one procedure meets another.
    def _at_once(self) -> list[Step]:
        octets = b""
        for _ in range(self.dice.randint(2, 6)):
            item: Characteristic = self.dice.choice(_WRITTEN)
            message = self.dice.choice(messages_of(item, TO_PUMP))
            value = e2e.protect(sample.octets_of(message, self.dice), self.dice.randrange(1, 256), item.protection)
            read = bytes((AttOpcode.READ_REQUEST,)) + item.handle.to_bytes(2, "little")
            octets += _frame(self.dice.choice((_write(item.handle, value), read)))
        return [Step("raw", octets)]
