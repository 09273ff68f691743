"""The air between radios: connection events, the loss of a link, and advertising that costs nothing unheard."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

from bumble import hci, ll
from bumble.controller import Connection, Controller, LegacyAdvertiser
from bumble.core import PhysicalTransport
from bumble.link import LocalLink

from pumplink.virtual.radio.loop import DutLoop
from pumplink.virtual.radio.quick import hand_to_host

__all__ = ["BoardController", "HostController", "RadioLink"]

SUPERVISION_TIMEOUT_S = 4.0
DEFAULT_INTERVAL_S = 0.03
PDUS_PER_EVENT = 6
ACL_OCTETS = 251
_LOST = hci.HCI_ErrorCode.CONNECTION_TIMEOUT_ERROR
_INTERVAL_UNIT_S = 0.00125
_TIMEOUT_UNIT_S = 0.01
_ADVERTISING_UNIT_S = 0.000625


class _InOrder(dict[Any, None]):
    """A set that keeps its order, so that two runs are alike."""

    def add(self, item: Any) -> None:
        self[item] = None

    def remove(self, item: Any) -> None:
        self.pop(item, None)


class RadioLink(LocalLink):
    """A link of Bumble's that knows connection intervals, and from whom a packet is.

    Args:
        loop: the loop that everything on this link runs in.
        interval_s: DUT seconds between two connection events, at which packets travel; 0.0: they travel at once.

    Attributes:
        loop, interval_s: as given.
        on_arrived: called with the sending controller and the octets of each packet that arrived.
    """

    def __init__(self, loop: DutLoop, interval_s: float = 0.0) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.controllers = _InOrder()  # type: ignore[assignment]
        self.interval_s = interval_s
        self.on_arrived: Callable[[Controller, bytes], None] = lambda _controller, _data: None
        self.loop = loop
        self._waiting: dict[Controller, deque[Callable[[], None]]] = {}
        self._event: asyncio.TimerHandle | None = None

    def listeners(self, controller: Controller) -> bool:
        """Whether anybody else scans or wants to connect."""
        return any(
            other is not controller and (other.le_scan_enable or other.pending_le_connection is not None)
            for other in self.controllers
        )

    def wake(self) -> None:
        """Lets those who advertise send again, if anybody listens now."""
        for controller in list(self.controllers):
            if isinstance(controller, BoardController):
                controller.advertiser.wake()

    def lose(self, controller: Controller, after_s: float = 0.0) -> None:
        """Takes a controller off the air without a word. Its peers see their links drop, in so many DUT seconds."""
        self.remove_controller(controller)
        self._waiting.pop(controller, None)
        for connection in list(controller.le_connections.values()):
            for other in self.controllers:
                end = other.le_connections.get(connection.self_address)
                if end is not None and end.self_address == connection.peer_address:
                    self.loop.call_later(after_s, partial(_drop, other, end))
            self.loop.call_soon(_drop, controller, connection)

    # --- What Bumble's controllers call --------------------------------------------------------------------------

    def send_acl_data(
        self,
        sender_controller: Controller,
        destination_address: hci.Address,
        transport: PhysicalTransport,
        data: bytes,
    ) -> None:
        """Carries a packet to the other end of the sender's connection."""
        connection = sender_controller.le_connections.get(destination_address)
        receiver = self.find_le_controller(destination_address)
        if connection is None or receiver is None:
            return
        source = connection.self_address
        end = receiver.le_connections.get(source)
        arrive = partial(self._arrive, sender_controller, receiver, end, transport, data)
        self._carry(sender_controller, arrive)

    def send_ll_control_pdu(
        self, sender_address: hci.Address, receiver_address: hci.Address, packet: ll.ControlPdu
    ) -> None:
        """Carries a control PDU behind what its sender has sent before."""
        receiver = self.find_le_controller(receiver_address)
        sender = self.find_le_controller(sender_address)
        if receiver is None or sender is None:
            return
        self._carry(sender, partial(receiver.on_ll_control_pdu, sender_address, packet))

    # What is still on its way when its connection ends is not of the connection that is next.
    def _arrive(
        self, sender: Controller, receiver: Controller, end: Connection | None, transport: PhysicalTransport,
        data: bytes,
    ) -> None:  # fmt: skip
        stands = end is not None and receiver.le_connections.get(end.peer_address) is end
        if end is not None and stands and receiver in self.controllers:
            receiver.on_link_acl_data(end.peer_address, transport, data)
        self.on_arrived(sender, data)

    def _carry(self, sender: Controller, arrive: Callable[[], None]) -> None:
        if not self.interval_s:
            self.loop.call_soon(arrive)
            return
        self._waiting.setdefault(sender, deque()).append(arrive)
        if self._event is None:
            now_s = self.loop.time()
            next_s = (math.floor(now_s / self.interval_s + 1e-6) + 1) * self.interval_s
            self._event = self.loop.call_at(next_s, self._connection_event)

    def _connection_event(self) -> None:
        self._event = None
        for waiting in list(self._waiting.values()):
            for _ in range(min(PDUS_PER_EVENT, len(waiting))):
                waiting.popleft()()
        if any(self._waiting.values()) and self._event is None:
            self._event = self.loop.call_later(self.interval_s, self._connection_event)


def _drop(controller: Controller, connection: Connection) -> None:
    if controller.le_connections.get(connection.peer_address) is connection:
        controller.on_le_disconnected(connection, _LOST)


class _Advertiser(LegacyAdvertiser):
    """Keeps its rhythm without a timer while nobody listens: a board that advertises for days costs nothing."""

    started_s = 0.0

    def start(self) -> None:
        self.stop()
        self.enabled = True
        self.started_s = asyncio.get_running_loop().time()
        self._on_timer_fired()

    def wake(self) -> None:
        controller = self.controller
        assert isinstance(controller, BoardController)
        if not self.enabled or self.timer_handle is not None or not controller.air.listeners(controller):
            return
        loop = controller.air.loop
        passed = math.ceil((loop.time() - self.started_s) / self._interval_s)
        self.timer_handle = loop.call_at(self.started_s + passed * self._interval_s, self._on_timer_fired)

    @property
    def _interval_s(self) -> float:
        return max(0.02, self.advertising_interval_max * _ADVERTISING_UNIT_S)

    def _on_timer_fired(self) -> None:
        self.timer_handle = None
        controller = self.controller
        assert isinstance(controller, BoardController)
        if not controller.air.listeners(controller):
            return
        # An active scanner asks for the rest at once, so it has the one right behind the other.
        data = bytes(self.advertising_data) + bytes(self.scan_response_data)
        controller.send_advertising_pdu(ll.AdvInd(advertiser_address=self.address, data=data))
        self.timer_handle = controller.air.loop.call_later(self._interval_s, self._on_timer_fired)


class BoardController(Controller):
    """The controller of a board: no extended advertising, packets of 251 octets, parameters of this link.

    Args:
        link: the air it is on.
    """

    def __init__(self, link: RadioLink) -> None:
        super().__init__("board", link=link)
        self.air = link
        self.le_features = self.le_features & ~hci.LeFeatureMask.LE_EXTENDED_ADVERTISING
        _long_packets(self)
        self.le_legacy_advertiser = self.advertiser = _Advertiser(self)

    def on_le_connect_ind(self, packet: ll.ConnectInd) -> None:
        """Takes a connection, if it advertises that it takes any."""
        connectable = hci.HCI_LE_Set_Advertising_Parameters_Command.AdvertisingType.ADV_IND
        if self.advertiser.advertising_type == connectable:
            super().on_le_connect_ind(packet)

    def send_hci_packet(self, packet: hci.HCI_Packet) -> None:
        """Hands a packet to the host, with what the link's parameters are."""
        if hand_to_host(self, packet, self.air.loop):
            return
        if isinstance(packet, hci.HCI_LE_Connection_Complete_Event):
            packet = hci.HCI_LE_Connection_Complete_Event(
                status=packet.status,
                connection_handle=packet.connection_handle,
                role=packet.role,
                peer_address_type=packet.peer_address_type,
                peer_address=packet.peer_address,
                connection_interval=round((self.air.interval_s or DEFAULT_INTERVAL_S) / _INTERVAL_UNIT_S),
                peripheral_latency=packet.peripheral_latency,
                supervision_timeout=round(SUPERVISION_TIMEOUT_S / _TIMEOUT_UNIT_S),
                central_clock_accuracy=packet.central_clock_accuracy,
            )
        super().send_hci_packet(packet)


class HostController(Controller):
    """A controller for the other end of the air. It is made inside a coroutine of the loop.

    Args:
        name: how it calls itself.
        link: the air it is on.
    """

    def __init__(self, name: str, link: RadioLink) -> None:
        super().__init__(name, link=link)
        self._air = link
        _long_packets(self)

    def send_hci_packet(self, packet: hci.HCI_Packet) -> None:
        """Hands a packet to the host."""
        if not hand_to_host(self, packet, self._air.loop):
            super().send_hci_packet(packet)


def _long_packets(controller: Controller) -> None:
    controller.le_acl_data_packet_length = ACL_OCTETS
    controller.supported_max_tx_octets = controller.supported_max_rx_octets = ACL_OCTETS
