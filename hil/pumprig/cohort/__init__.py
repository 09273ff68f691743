"""Cohorts: every virtual patient through real firmware, with outcomes and every violation."""
