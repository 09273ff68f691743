"""Boards with a few lines of firmware."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pumplink import VirtualBoard
from pumplink_tools import HEAD, write_firmware


@pytest.fixture
def make_board(tmp_path: Path) -> Iterator[Callable[..., VirtualBoard]]:
    """Makes boards with a firmware given as source, and stops them at the end."""
    boards: list[VirtualBoard] = []

    def make(source: str, head: str = HEAD, **options: object) -> VirtualBoard:
        firmware = write_firmware(tmp_path / f"firmware_{len(boards)}", source, head)
        boards.append(VirtualBoard("virtual", firmware, **options))  # type: ignore[arg-type]
        return boards[-1]

    yield make
    for board in boards:
        board.stop()
