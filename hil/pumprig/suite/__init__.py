"""The suite that shows that the rig can fail: scenarios, pumps that are wrong on purpose, and mutants."""
