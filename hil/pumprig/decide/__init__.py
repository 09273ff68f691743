"""Decisions of the firmware's controllers without a pump: inputs as the reference names them, answers likewise."""
