"""The one definition of the wire: messages of the Insulin Delivery Service and the CGM Service, frames and ATT PDUs.

Everything else about the wire (the firmware's codec tables, the handle table, the interface document) is generated
from here by `python -m pumpwire.generate`.
"""

from __future__ import annotations

from pumpwire import cgms, clock, command, e2e, enums, errors, history, numbers, reader, records, status, vendor
from pumpwire.database import CHARACTERISTICS, SERVICES, Characteristic, Protection, Service
from pumpwire.declare import Decoded, Example, Message, Outcome
from pumpwire.errors import WireError
from pumpwire.numbers import FLOAT, SFLOAT, Special, toward_zero
from pumpwire.registry import MESSAGES, decode, messages_of
from pumpwire.vendor import WIRE_VERSION

__all__ = [
    "CHARACTERISTICS",
    "FLOAT",
    "MESSAGES",
    "SERVICES",
    "SFLOAT",
    "WIRE_VERSION",
    "Characteristic",
    "Decoded",
    "Example",
    "Message",
    "Outcome",
    "Protection",
    "Service",
    "Special",
    "WireError",
    "cgms",
    "clock",
    "command",
    "decode",
    "e2e",
    "enums",
    "errors",
    "history",
    "messages_of",
    "numbers",
    "reader",
    "records",
    "status",
    "toward_zero",
    "vendor",
]
