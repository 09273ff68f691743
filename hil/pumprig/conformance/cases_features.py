"""Cases: IDD Features, and what other services a pump has (IDS 1.0.2, 3.5; IDP 1.0.2)."""

from __future__ import annotations

from decimal import Decimal

from pumprig.conformance.model import Failed, NotPossible, case
from pumprig.conformance.octets import hex_of
from pumprig.conformance.session import CCP, SRCP, Session
from pumprig.conformance.told import Octets
from pumpwire import database, e2e, numbers
from pumpwire.att import AttErrorCode
from pumpwire.database import Characteristic
from pumpwire.enums import IddFeatureFlags

FEATURES = database.FEATURES
_RFU_BITS = 0x7F0000
_EXTENSION = 1 << 23


def _octets(s: Session) -> bytes:
    octets = s.read_octets(FEATURES)
    if not isinstance(octets, bytes):
        raise Failed("IDD Features can be read", "no response" if octets is None else f"ATT error 0x{octets:02X}")
    return Octets(octets)


@case("features.format", "3.5", "IDD Features has 8 octets without an extension: CRC, counter, concentration, flags.")
def _format(s: Session) -> None:
    octets = _octets(s)
    s.holds(len(octets) == 8, "8 octets", f"{len(octets)}: {hex_of(octets)}")


@case("features.crc-first", "3.5", "With E2E-Protection a CRC over all that follows stands first, the counter second.",
      needs=IddFeatureFlags.E2E_PROTECTION)  # fmt: skip
def _crc_first(s: Session) -> None:
    octets = _octets(s)
    crc = e2e.crc16(octets[2:])
    s.holds(octets[:2] == crc.to_bytes(2, "little"), f"CRC {hex_of(crc.to_bytes(2, 'little'))} first", hex_of(octets))
    s.equal("the counter of the first read", octets[2], 1)


@case("features.no-protection", "3.5", "Without E2E-Protection the CRC is 0xFFFF and the counter 0.")
def _no_protection(s: Session) -> None:
    if s.bench.features & IddFeatureFlags.E2E_PROTECTION:
        raise NotPossible("the server has E2E-Protection")
    octets = _octets(s)
    s.holds(octets[:3] == b"\xff\xff\x00", "ff ff 00 first", hex_of(octets))


@case("features.concentration", "3.5", "The insulin concentration is a positive number.")
def _concentration(s: Session) -> None:
    octets = _octets(s)
    value = numbers.decode(numbers.SFLOAT, int.from_bytes(octets[3:5], "little"))
    s.holds(isinstance(value, Decimal) and value > 0, "a positive SFLOAT", f"{value}: {hex_of(octets)}")


@case("features.rfu-bits", "3.5", "Bits 16 to 22, and the feature extension of bit 23, are 0.")
def _rfu_bits(s: Session) -> None:
    octets = _octets(s)
    flags = int.from_bytes(octets[5:8], "little")
    s.holds(not flags & (_RFU_BITS | _EXTENSION), "bits 16 to 23 are 0", hex_of(octets))


@case("features.static", "3.5", "The features do not change during a connection.")
def _static(s: Session) -> None:
    first, second = _octets(s), _octets(s)
    s.equal("concentration and flags of the second read", second[3:].hex(), first[3:].hex())


@case("features.templates-have-owners", "3.5", "TBR and bolus templates are advertised only with a TBR, a bolus type.")
def _owners(s: Session) -> None:
    flags = s.bench.features
    tbr = flags & (IddFeatureFlags.TBR_ABSOLUTE | IddFeatureFlags.TBR_RELATIVE)
    bolus = flags & (IddFeatureFlags.FAST_BOLUS | IddFeatureFlags.EXTENDED_BOLUS | IddFeatureFlags.MULTIWAVE_BOLUS)
    s.holds(not flags & IddFeatureFlags.TBR_TEMPLATE or bool(tbr), "a TBR type with TBR templates", str(flags))
    s.holds(not flags & IddFeatureFlags.BOLUS_TEMPLATE or bool(bolus), "a bolus type with bolus templates", str(flags))


@case("features.mandatory-characteristics", "3", "The five mandatory characteristics can be read or configured.")
def _mandatory(s: Session) -> None:
    missing = [item.name for item in s.bench.mandatory if not s.bench.has(item)]
    s.holds(not missing, "all five", f"missing: {', '.join(missing)}")


@case("features.command-data", "3.8", "Command Data and Command Control Point come together.", command=True)
def _command_data(s: Session) -> None:
    s.holds(s.bench.has(database.COMMAND_DATA), "Command Data beside the Command Control Point", "none")


@case("features.history-data", "3.10", "History Data and the IDD RACP come together.", history=True)
def _history_data(s: Session) -> None:
    s.holds(s.bench.has(database.HISTORY_DATA), "History Data beside the IDD RACP", "none")


def _write_refused(characteristic: Characteristic) -> None:
    @case(f"features.read-only.{characteristic.constant.lower().replace('_', '-').removeprefix('idd-')}",
          characteristic.clause, f"{characteristic.name} cannot be written.")  # fmt: skip
    def _refused(s: Session) -> None:
        error = s.write_octets(characteristic.handle, bytes(5))
        s.holds(error == AttErrorCode.WRITE_NOT_PERMITTED, "ATT error 0x03",
                "no response" if error is None else f"ATT error 0x{error:02X}")  # fmt: skip


for _item in (database.STATUS_CHANGED, database.STATUS, database.ANNUNCIATION_STATUS, FEATURES):
    _write_refused(_item)


@case("features.control-points-cannot-be-read", "3.6", "Control points cannot be read.")
def _not_read(s: Session) -> None:
    for item in (SRCP, CCP, database.RECORD_ACCESS_CONTROL_POINT):
        if s.bench.has(item):
            seen = s.read_octets(item)
            s.holds(seen == AttErrorCode.READ_NOT_PERMITTED, f"ATT error 0x02 of {item.name}", repr(seen))


def _device_information(characteristic: Characteristic) -> None:
    @case(f"dis.{characteristic.constant.lower().replace('_', '-')}", f"IDP 1.0.2, 3; {characteristic.clause}",
          f"{characteristic.name} can be read, and says something.")  # fmt: skip
    def _read(s: Session) -> None:
        if not any(s.bench.has(item) for item in database.CHARACTERISTICS.values() if item.clause.startswith("DIS")):
            raise NotPossible("the server has no Device Information service at the handles of protocol/SPEC.md")
        octets = s.read_octets(characteristic)
        s.holds(isinstance(octets, bytes) and octets != b"", "a value", repr(octets))


for _item in (database.MANUFACTURER_NAME, database.MODEL_NUMBER, database.SYSTEM_ID):
    _device_information(_item)


