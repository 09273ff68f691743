"""Hosts and controllers of Bumble's that hand packets to one another as they are.

Bumble writes every packet as octets, reads it again on the other side of HCI, and forms lines for its log that nobody
reads: half of what a packet costs. Where both sides are in one process, data and their completion need none of it.
"""

from __future__ import annotations

from bumble import hci
from bumble.controller import Controller
from bumble.host import Host
from bumble.transport.common import AsyncPipeSink

from pumplink.virtual.radio.loop import DutLoop

__all__ = ["QuickHost", "hand_to_host"]

_AS_IT_IS = (hci.HCI_AclDataPacket, hci.HCI_Number_Of_Completed_Packets_Event)


class QuickHost(Host):
    """The host above a controller in the same loop.

    Args:
        controller: below it.
        loop: theirs.
    """

    def __init__(self, controller: Controller, loop: DutLoop) -> None:
        super().__init__(controller, AsyncPipeSink(controller))
        self._controller = controller
        self._dut_loop = loop

    def send_hci_packet(self, packet: hci.HCI_Packet) -> None:
        """Hands a packet to the controller."""
        if isinstance(packet, hci.HCI_AclDataPacket) and self.snooper is None:
            self._dut_loop.call_soon(self._controller.on_hci_acl_data_packet, packet)
        else:
            super().send_hci_packet(packet)

    def take(self, packet: hci.HCI_Packet) -> None:
        """Takes a packet from the controller."""
        if self.snooper is not None:
            self.on_hci_packet(packet)
        elif isinstance(packet, hci.HCI_AclDataPacket):
            self.on_hci_acl_data_packet(packet)
        elif isinstance(packet, hci.HCI_Number_Of_Completed_Packets_Event):
            self.on_hci_number_of_completed_packets_event(packet)


def hand_to_host(controller: Controller, packet: hci.HCI_Packet, loop: DutLoop) -> bool:
    """Hands a packet from a controller to its host as it is; false when it has to go as octets."""
    host = controller.host
    if isinstance(host, QuickHost) and isinstance(packet, _AS_IT_IS):
        loop.call_soon(host.take, packet)
        return True
    return False
