"""The rig: replays recorded CGM into a pump and proves, while it runs, that every dose was right."""
