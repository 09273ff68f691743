"""Writes report.html: one file that opens offline, made from the record alone."""

from __future__ import annotations

import base64
import hashlib
import os
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

from pumprig.errors import RigError
from pumprig.report.chart import chart_json
from pumprig.report.html import esc
from pumprig.report.page import body, title_of
from pumprig.report.reading import Record, read_record

REPORT = "report.html"


def _chart_library() -> bytes:
    """The script of the charts, read from the installed plotly without importing it: that takes longer than a run."""
    spec = find_spec("plotly")
    for place in (spec.submodule_search_locations or []) if spec else []:
        script = Path(place, "package_data", "plotly.min.js")
        if script.is_file():
            return script.read_bytes()
    raise RigError("the chart library is missing", where="plotly", remedy="Install it: pip install plotly.")


def _hash(script: bytes) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(script).digest()).decode() + "'"


def write_report(run_dir: Path, record: Record | None = None) -> Path:
    """Write the report of a run, finished or not.

    The page's content security policy names the hashes of its two scripts and allows no other source, so the report
    neither asks the network for anything nor runs what a record might smuggle in.

    Args:
        run_dir: the run's folder, which holds events.jsonl and run.json.
        record: what it holds, when that has been read already.

    Returns:
        The path of report.html in that folder.

    Raises:
        UsageError: the folder holds no record.
        RigError: the chart library is missing, or the report cannot be written.
    """
    record = record or read_record(run_dir)
    own = files("pumprig.report")
    script = own.joinpath("report.js").read_bytes()
    style = own.joinpath("report.css").read_text(encoding="utf-8")
    library = _chart_library()
    policy = (
        f"default-src 'none'; script-src {_hash(library)} {_hash(script)}; style-src 'unsafe-inline'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )
    top = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{esc(policy)}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{esc(record.verdict)}: {esc(title_of(record))}</title><style>\n{style}</style></head>\n<body>"
        f'{body(record)}\n<script type="application/json" id="run-data">{chart_json(record)}</script>\n<script>'
    )
    parts = (top.encode(), library, b"</script>\n<script>", script, b"</script>\n</body></html>\n")
    path = run_dir / REPORT
    unfinished = run_dir / (REPORT + ".part")
    try:
        with unfinished.open("wb") as out:
            out.writelines(parts)
        os.replace(unfinished, path)
    except OSError as error:
        raise RigError(
            f"the report cannot be written ({error.strerror})",
            where=str(path),
            remedy="Make room, then: pumprig report RUN.",
        ) from error
    return path
