"""Seeded, replayable, spec-aware fuzzing of a live pump (`pumprig fuzz`).

A case is a short script of steps (see `steps`); a round is a fresh virtual board with a few hundred cases in a row.
After every case the pump must answer a health request, must not have restarted or lost memory, and must not have moved
insulin that no valid command asked for (`authority`). A failing round is shrunk to the few steps that matter.
"""
