"""Cases that judge every value that came during the run, whatever the case was about."""

from __future__ import annotations

from pumprig.conformance.model import Failed, case
from pumprig.conformance.session import Session
from pumpwire.enums import IddFeatureFlags

_SHOWN = 3


def _nothing_noted(s: Session, kind: str, expected: str) -> None:
    found = [noted for noted in s.bench.noted if noted.kind == kind]
    if found:
        shown = "; ".join(f"in {noted.case}: {noted.text}" for noted in found[:_SHOWN])
        raise Failed(expected, f"{len(found)} others: {shown}")


@case("run.e2e", "3.1", "Over the whole run each value has a right CRC and the counter that is due.", last=True,
      needs=IddFeatureFlags.E2E_PROTECTION)  # fmt: skip
def _e2e(s: Session) -> None:
    _nothing_noted(s, "e2e", "right counters and CRCs")


@case("run.format", "3", "Over the whole run each value has its format, RFU bits 0, and no RFU value.", last=True)
def _format(s: Session) -> None:
    _nothing_noted(s, "format", "values in their format")


@case("run.size", "3", "With the default ATT_MTU of 23 no value has more than 20 octets.", last=True)
def _size(s: Session) -> None:
    _nothing_noted(s, "size", "values of at most 20 octets")


@case("run.pdus", "Bluetooth Core 5.4, Vol 3, Part F, 3.4", "The server sends nothing but ATT PDUs.",
      last=True)  # fmt: skip
def _pdus(s: Session) -> None:
    _nothing_noted(s, "pdu", "PDUs that can be")
