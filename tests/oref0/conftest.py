"""oref0 in Node, for each test that asks it."""

from collections.abc import Iterator

import pytest

from oref0.reference import Reference


@pytest.fixture
def reference() -> Iterator[Reference]:
    process = Reference()
    yield process
    process.close()
