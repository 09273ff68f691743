"""Boards that are plugged in: which there are, who holds them, their REPL, and the firmware that goes onto them."""
