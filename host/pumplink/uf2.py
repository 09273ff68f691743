"""UF2 files, in which MicroPython is downloaded for some chips: what is in one, and whether it is the right one.

Source: the UF2 specification by Microsoft (blocks of 512 octets, each with its address, its number and a family).
"""

from __future__ import annotations

import struct
from pathlib import Path

__all__ = ["RP2040_FAMILY", "check_uf2"]

RP2040_FAMILY = 0xE48BFF56
"""The family of files for an RP2040."""

_BLOCK_OCTETS = 512
_HEAD = struct.Struct("<8I")
_END = struct.Struct("<I")
_START_0, _START_1, _LAST = 0x0A324655, 0x9E5D5157, 0x0AB16F30
_HAS_FAMILY = 0x2000
_PAYLOAD_OCTETS_MAX = 476
_FAMILIES = {
    0xE48BFF56: "RP2040", 0xE48BFF57: "any chip of the RP2 family", 0xE48BFF58: "RP2350", 0xE48BFF59: "RP2350",
    0xE48BFF5A: "RP2350", 0xE48BFF5B: "RP2350", 0xBFDD4EEE: "ESP32-S2", 0xC47E5767: "ESP32-S3", 0x1C5F21B0: "ESP32",
    0x70D16653: "STM32WB", 0xADA52840: "nRF52840",
}  # fmt: skip
_FLASH, _FLASH_END = 0x10000000, 0x11000000


def check_uf2(path: Path, family: int = RP2040_FAMILY) -> int:
    """Refuses what is no whole UF2 file for a chip.

    Args:
        path: the file.
        family: of the chip.
    Returns:
        How many octets of flash it holds.
    Raises:
        ValueError: it cannot be read, is no UF2 file, is damaged or cut short, or is one for another chip.
    """
    try:
        octets = path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror}") from error
    if len(octets) < 4 or _END.unpack_from(octets)[0] != _START_0:
        raise ValueError(f"{path}: this is no UF2 file; the download page has the one whose name ends in .uf2")
    if len(octets) % _BLOCK_OCTETS:
        whole = len(octets) // _BLOCK_OCTETS
        raise ValueError(f"{path}: the file is cut short in its block {whole}; download it again")
    held = 0
    count = len(octets) // _BLOCK_OCTETS
    for number in range(count):
        held += _check_block(path, octets[number * _BLOCK_OCTETS : (number + 1) * _BLOCK_OCTETS], number, count, family)
    return held


def _check_block(path: Path, block: bytes, number: int, count: int, family: int) -> int:
    start_0, start_1, flags, address, payload, told_number, told_count, told_family = _HEAD.unpack_from(block)
    if (start_0, start_1, _END.unpack_from(block, _BLOCK_OCTETS - _END.size)[0]) != (_START_0, _START_1, _LAST):
        raise ValueError(f"{path}: block {number} is damaged; download the file again")
    if not flags & _HAS_FAMILY or told_family != family:
        whose = _FAMILIES.get(told_family, f"family {told_family:#010x}") if flags & _HAS_FAMILY else "no chip by name"
        raise ValueError(f"{path}: this file is for {whose}, and {_FAMILIES.get(family, hex(family))} is needed")
    if told_count != count:
        raise ValueError(f"{path}: it has {count} of {told_count} blocks; download it again")
    if told_number != number:
        raise ValueError(f"{path}: block {told_number} stands where {number} should; download it again")
    if payload > _PAYLOAD_OCTETS_MAX or not _FLASH <= address <= _FLASH_END - payload:
        raise ValueError(f"{path}: block {number} does not belong into flash; download the file again")
    return payload
