"""Bonds of this host: with which pumps it has paired, and the keys, in one file per user and nowhere else."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path
from typing import Any

import platformdirs
from bumble.keys import KeyStore, PairingKeys

from pumplink.errors import BearerMissing

__all__ = ["BondFile", "bonds_path"]

_MODE = 0o600
_VERSION = 1
# The two highest bits make an address a static random one (Bluetooth Core 5.4, Vol 6, Part B, 1.3.2.1).
_STATIC = 0xC0


def bonds_path() -> Path:
    """The file of this user."""
    return platformdirs.user_state_path("pumprig") / "bonds.json"


class BondFile(KeyStore):
    """The bonds in a file that only its owner may read.

    Args:
        path: the file; made when it is first written.
    Raises:
        BearerMissing: it cannot be read or written, or is damaged; the message says what to do.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or bonds_path()
        self._content = self._read()

    @property
    def own_address(self) -> str:
        """The address under which pumps know this host: chosen once, and kept with the bonds."""
        if "address" not in self._content:
            octets = bytearray(secrets.token_bytes(6))
            octets[0] |= _STATIC
            self._content["address"] = octets.hex(":").upper()
            self._write()
        return str(self._content["address"])

    async def get(self, name: str) -> PairingKeys | None:
        """The keys of a pump; None without a bond."""
        keys = self._content["bonds"].get(name)
        return None if keys is None else PairingKeys.from_dict(keys)

    async def get_all(self) -> list[tuple[str, PairingKeys]]:
        """All bonds."""
        return [(name, PairingKeys.from_dict(keys)) for name, keys in self._content["bonds"].items()]

    async def update(self, name: str, keys: PairingKeys) -> None:
        """Keeps the keys of a pump."""
        self._content["bonds"][name] = keys.to_dict()
        self._write()

    async def delete(self, name: str) -> None:
        """Forgets a pump."""
        if self._content["bonds"].pop(name, None) is not None:
            self._write()

    def forget(self, address: str) -> bool:
        """Forgets a pump by its address, and says whether there was a bond."""
        names = [name for name in self._content["bonds"] if name.partition("/")[0] == address.upper()]
        for name in names:
            del self._content["bonds"][name]
        if names:
            self._write()
        return bool(names)

    @property
    def addresses(self) -> list[str]:
        """Of the pumps that there are bonds with."""
        return sorted(name.partition("/")[0] for name in self._content["bonds"])

    def _read(self) -> dict[str, Any]:
        try:
            content = json.loads(self.path.read_text(encoding="utf-8"))
            if content["version"] != _VERSION or not isinstance(content["bonds"], dict):
                raise ValueError("another version")
            for keys in content["bonds"].values():
                PairingKeys.from_dict(keys)
        except FileNotFoundError:
            return {"version": _VERSION, "bonds": {}}
        except OSError as error:
            raise BearerMissing(f"{self.path}: the bonds cannot be read: {error.strerror}") from None
        except (ValueError, KeyError, TypeError, AttributeError):
            raise BearerMissing(
                f"{self.path}: the file of the bonds is damaged; remove it, have the pumps forget this host, and pair "
                "anew"
            ) from None
        return dict(content)

    def _write(self) -> None:
        fresh = self.path.with_name(self.path.name + ".new")
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _MODE), "w", encoding="utf-8") as file:
                os.fchmod(file.fileno(), _MODE)
                json.dump(self._content, file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self.path)
        except OSError as error:
            raise BearerMissing(f"{self.path}: the bonds cannot be kept: {error.strerror}") from None
