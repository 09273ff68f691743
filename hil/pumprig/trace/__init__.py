"""Recorded CGM traces: read, checked, and put on the minute grid that a CGM session counts in.

`load_trace` reads the exports of Dexcom Clarity, LibreView, CareLink and Nightscout, and a plain CSV. What it
cannot read without guessing it refuses, with the file and the line.
"""

from pumprig.trace.loader import ACCEPTED_FORMATS, bundled_trace_path, load_trace
from pumprig.trace.model import MG_DL_PER_MMOL_L, Gap, Sample, Trace

__all__ = ["ACCEPTED_FORMATS", "MG_DL_PER_MMOL_L", "Gap", "Sample", "Trace", "bundled_trace_path", "load_trace"]
