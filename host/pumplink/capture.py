"""Keeps what crosses a bearer, frame by frame."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from pumplink.bearer import Bearer, WrappedBearer
from pumpwire.frame import parse

__all__ = ["CaptureBearer"]


class CaptureBearer(WrappedBearer):
    """Wraps a bearer and writes every frame to a file, one JSON object a line.

    A sound frame is `{"at_s", "direction", "type", "body"}` with the body in hexadecimal and `direction` either
    `to_pump` or `to_client`; octets that make no sound frame are `{"at_s", "direction", "damaged"}`.

    Args:
        inner: the bearer to wrap; closed with this one.
        path: the file, written anew.
    """

    def __init__(self, inner: Bearer, path: Path) -> None:
        super().__init__(inner)
        self.path = path
        self._file = path.open("w", encoding="utf-8")
        self._held = {"to_pump": b"", "to_client": b""}

    def write(self, data: bytes) -> None:
        """Sends octets and keeps them; see `Bearer.write`."""
        self._keep("to_pump", data, self.inner.now_s)
        self.inner.write(data)

    def _receive(self, until_s: float) -> bytes:
        data = self.inner.receive(until_s)
        if data:
            self._keep("to_client", data, self.inner.received_at_s)
        return data

    def close(self) -> None:
        """Closes the wrapped bearer and the file; a second call does nothing."""
        self.inner.close()
        for direction, held in self._held.items():
            if held and not self._file.closed:
                self._line(direction, self.inner.now_s, {"damaged": held.hex()})
        self._held = {"to_pump": b"", "to_client": b""}
        self._file.close()

    def _keep(self, direction: str, data: bytes, at_s: float) -> None:
        *parts, self._held[direction] = (self._held[direction] + data).split(b"\0")
        for part in parts:
            if not part:
                continue
            frame = parse(part)
            content = {"damaged": part.hex()} if frame is None else {"type": int(frame.type), "body": frame.body.hex()}
            self._line(direction, at_s, content)

    def _line(self, direction: str, at_s: float, content: Mapping[str, object]) -> None:
        if not self._file.closed:
            line = {"at_s": round(at_s, 6), "direction": direction, **content}
            self._file.write(json.dumps(line, sort_keys=True) + "\n")
