"""Insulin Delivery over one bearer, the sensor over another: a radio of the operating system can be a client only."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from pumplink.bearer import Bearer
from pumplink.ble.bearer import BleBearer
from pumpwire import frame
from pumpwire.att import AttOpcode
from pumpwire.database import RIG_HANDLES_FROM
from pumpwire.frame import Frame, FrameType, OpenStatus

__all__ = ["SplitBearer"]

_SLICE_S = 0.005
_OF_SERVER = (AttOpcode.NOTIFICATION, AttOpcode.INDICATION, AttOpcode.READ_RESPONSE, AttOpcode.WRITE_RESPONSE)


class SplitBearer(Bearer):
    """Two bearers to one pump, as one. Its time is that of the first.

    Args:
        ids: Insulin Delivery and the vendor services.
        cgm: the sensor, whose client the pump is. It is opened after the first.
        cgm_waiting: whether the second has octets, where both share a board's time; it is looked at now and then when
            None.
    """

    def __init__(self, ids: BleBearer, cgm: Bearer, cgm_waiting: Callable[[], bool] | None = None) -> None:
        super().__init__()
        self.ids = ids
        self.cgm = cgm
        self.open_within_s = ids.open_within_s + cgm.open_within_s
        self.prepares_values = ids.prepares_values
        self.approach_s = ids.approach_s
        self.misses_first_values = ids.misses_first_values
        self._cgm_waiting = cgm_waiting
        self._decoder = frame.Decoder()
        self._from_ids = frame.Decoder()
        self._from_cgm = frame.Decoder()
        self._inbox: deque[tuple[float, bytes]] = deque()
        self._received_at_s = 0.0
        self._opening: bytes | None = None
        self._is_open = False
        self._early: list[tuple[float, bytes]] = []
        self._cgm_indicates = False

    @property
    def why_closed(self) -> str:  # type: ignore[override]
        """As the bearer that closed says."""
        return self.ids.why_closed or self.cgm.why_closed

    @property
    def now_s(self) -> float:
        """DUT seconds of the first bearer."""
        return self.ids.now_s

    @property
    def received_at_s(self) -> float:
        """DUT second at which what was last received came."""
        return self._received_at_s

    def approach(self) -> None:
        """As the first bearer does."""
        self.ids.approach()

    def close(self) -> None:
        """Closes both bearers."""
        self.ids.close()
        self.cgm.close()

    # --- To the pump --------------------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Sends frames, each over the bearer that it is for; see `Bearer.write`."""
        for got in self._decoder.feed(data):
            octets = frame.encode(got.type, got.body)
            if got.type is FrameType.OPEN:
                self._begin(octets)
            elif got.type is FrameType.ATT:
                (self.cgm if self._for_sensor(got.body) else self.ids).write(octets)
            elif got.type is FrameType.CLOSE:
                self._is_open = False
                self.cgm.write(octets)
                self.ids.write(octets)
            else:
                self.cgm.write(octets)

    def _begin(self, octets: bytes) -> None:
        if octets != self._opening:
            self._opening = octets
            self._is_open = False
            self._inbox.clear()
            self._early.clear()
        self.ids.write(octets)

    def _for_sensor(self, pdu: bytes) -> bool:
        opcode = pdu[0] if pdu else 0
        if opcode == AttOpcode.CONFIRMATION:
            return self._cgm_indicates
        if opcode == AttOpcode.ERROR_RESPONSE:
            return int.from_bytes(pdu[2:4], "little") >= RIG_HANDLES_FROM
        return opcode in _OF_SERVER

    # --- From the pump ------------------------------------------------------------------------------------------

    def _receive(self, until_s: float) -> bytes:
        while not self._inbox:
            joint = self._cgm_waiting is not None
            wait_s = until_s if joint else min(until_s, self.now_s + _SLICE_S)
            self.ids.air.run_until(wait_s, self._something)
            reached = wait_s >= until_s and not self._something()
            if self.ids.waiting():
                self._take_from_ids(self.ids.receive(self.ids.now_s))
            self._take_from_cgm(self.cgm.receive(self.cgm.now_s))
            if reached and not self._inbox:
                return b""
        self._received_at_s, data = self._inbox.popleft()
        return data

    def _something(self) -> bool:
        return self.ids.waiting() or (self._cgm_waiting is not None and self._cgm_waiting())

    def _take_from_ids(self, data: bytes) -> None:
        for got in self._from_ids.feed(data):
            if got.type is FrameType.OPEN_ACK and self._opening is not None:
                # The pump looks for the sensor as soon as it is there: then somebody must answer.
                self._from_cgm.clear()
                self.cgm.write(self._opening)
            elif got.type is FrameType.CLOSE:
                self._is_open = False
                self.cgm.write(frame.encode(FrameType.CLOSE))
                self._emit(self.ids.received_at_s, got)
            else:
                self._note_indication(got, of_cgm=False)
                self._hand_on(self.ids.received_at_s, got)

    def _take_from_cgm(self, data: bytes) -> None:
        for got in self._from_cgm.feed(data):
            at_s = self.now_s
            if got.type is FrameType.OPEN_ACK:
                self._is_open = frame.parse_body(got)["status"] == OpenStatus.OK
                self._emit(at_s, got)
                self._inbox.extend(self._early)
                self._early.clear()
            elif got.type is FrameType.CLOSE:
                self._is_open = False
                self.ids.write(frame.encode(FrameType.CLOSE))
                self._emit(at_s, got)
            else:
                self._note_indication(got, of_cgm=True)
                self._hand_on(at_s, got)

    # A confirmation does not say what it confirms: at most one indication of an end is under way.
    def _note_indication(self, got: Frame, *, of_cgm: bool) -> None:
        if got.type is FrameType.ATT and got.body[:1] == bytes((AttOpcode.INDICATION,)):
            self._cgm_indicates = of_cgm

    def _hand_on(self, at_s: float, got: Frame) -> None:
        if self._is_open:
            self._emit(at_s, got)
        else:
            self._early.append((at_s, frame.encode(got.type, got.body)))

    def _emit(self, at_s: float, got: Frame) -> None:
        self._inbox.append((at_s, frame.encode(got.type, got.body)))
