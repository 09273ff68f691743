"""The Python client of a pump, and the virtual board. A test tool: not for therapy.

A pump without hardware, in lockstep, where an hour passes in milliseconds:

    from pumplink import virtual_pump

    with virtual_pump() as pump:
        pump.write_basal_profile([(1440, "0.85")])
        pump.activate(1)
        pump.start()
        pump.set_bolus("1.0")
        pump.run_for(3600)
        print(pump.delivered_insulin())
        print(pump.board.now_s, "s of pump time")

A pump on a board at a serial port:

    from pumplink import Link, Pump, SerialBearer

    with Pump(Link(SerialBearer("port:/dev/ttyACM0"))) as pump:
        print(pump.status())

The layers, each usable without those above it:

    VirtualBoard, SerialBearer     a way to the board (CaptureBearer, FaultyBearer wrap any)
    Link                           connection and ATT, client and server on the one link
    Client                         messages, end-to-end protection, procedures
    Pump, CgmServer                typed commands and state; the sensor's side

Every error is in `pumplink.errors`, whose docstring draws the tree.
"""

from pumplink.bearer import Bearer
from pumplink.capture import CaptureBearer
from pumplink.cgm_server import CgmServer
from pumplink.client import Answer, Client, Received
from pumplink.faulty import Cut, Faults, FaultyBearer, Injected
from pumplink.link import Link, Value
from pumplink.pump import Pump
from pumplink.serial_bearer import SerialBearer
from pumplink.virtual import Lockstep, Realtime, Scaled, VirtualBoard, parse_clock
from pumplink.virtual.pump import VirtualPump, virtual_pump

__all__ = [
    "Answer",
    "Bearer",
    "CaptureBearer",
    "CgmServer",
    "Client",
    "Cut",
    "Faults",
    "FaultyBearer",
    "Injected",
    "Link",
    "Lockstep",
    "Pump",
    "Realtime",
    "Received",
    "Scaled",
    "SerialBearer",
    "Value",
    "VirtualBoard",
    "VirtualPump",
    "parse_clock",
    "virtual_pump",
]
