"""The interface document."""

from __future__ import annotations


def specification() -> str:
    """protocol/SPEC.md."""
    return "# The wire\n"
