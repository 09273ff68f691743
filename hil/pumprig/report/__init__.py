"""What a run leaves to be read: report.html, junit.xml and signals.npz, each made from the record alone."""

from __future__ import annotations

from pumprig.report.junit import write_junit
from pumprig.report.reading import read_record
from pumprig.report.signals import write_signals
from pumprig.report.write import write_report

__all__ = ["read_record", "write_junit", "write_report", "write_signals"]
