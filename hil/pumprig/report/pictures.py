"""The pictures of the documents, made from a run of the bundled day: `python -m pumprig.report.pictures [FOLDER]`.

Writes report.png, the report as a headless Chromium draws it, and live.svg, the live view some hours into the day.
"""

from __future__ import annotations

import argparse
import io
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console

from pumprig.errors import BlockedError, PumprigError, RigError
from pumprig.live_view import Frame, LiveState
from pumprig.report.reading import EVENTS, RUN, parse_events, run_title

LIVE_SIZE = (100, 30)
LIVE_SHARE = 0.86
REPORT_SIZE = (1280, 1500)
_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--hide-scrollbars", "--virtual-time-budget=8000",
)  # fmt: skip


def draw_report(report: Path, picture: Path) -> None:
    """Draw the upper part of a report as a PNG.

    Args:
        report: a report.html.
        picture: the file to write.

    Raises:
        BlockedError: no Chromium is installed.
        RigError: Chromium did not draw it.
    """
    names = ("chromium", "chromium-browser", "google-chrome")
    chromium = next(filter(None, map(shutil.which, names)), None)
    if chromium is None:
        raise BlockedError(
            "no Chromium to draw the report with", allowed=", ".join(names), remedy="Install one of them."
        )
    with tempfile.TemporaryDirectory() as profile:
        size = f"--window-size={REPORT_SIZE[0]},{REPORT_SIZE[1]}"
        own = [f"--user-data-dir={profile}", f"--screenshot={picture.absolute()}"]
        command = [chromium, *_FLAGS, size, *own, report.absolute().as_uri()]
        subprocess.run(command, capture_output=True, check=False, timeout=120)
    if not picture.is_file():
        raise RigError("Chromium drew no picture", where=str(report), remedy="Open the report in it to see why.")


def draw_live(run_dir: Path, picture: Path, share: float = LIVE_SHARE) -> None:
    """Draw the live view as an SVG that asks for no font from a network.

    Args:
        run_dir: a run's folder.
        picture: the file to write.
        share: how far into the run.
    """
    info, _ = parse_events((run_dir / RUN).read_bytes().replace(b"\n", b" "))
    events, _ = parse_events((run_dir / EVENTS).read_bytes())
    state = LiveState(title=run_title(info[0]) if info else "")
    for event in events:
        state.apply(event)
        if event.get("kind") == "progress" and state.share >= share:
            break
    width, height = LIVE_SIZE
    console = Console(
        record=True, width=width, height=height, file=io.StringIO(), force_terminal=True, color_system="truecolor"
    )
    console.print(Frame(width, height).draw(state))
    form = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    form = form.replace("Fira Code, monospace", "ui-monospace, Menlo, Consolas, DejaVu Sans Mono, monospace")
    svg = console.export_svg(title="pumprig run", code_format=form, unique_id="live")
    picture.write_text(svg, encoding="utf-8")


def main(arguments: list[str] | None = None) -> int:
    """Run the bundled day and draw both pictures. Returns 0, or the exit code of what failed."""
    parser = argparse.ArgumentParser(
        prog="python -m pumprig.report.pictures", description="Draw the documents' pictures."
    )
    parser.add_argument("folder", type=Path, nargs="?", default=Path("hil/pictures"), help="where the pictures go")
    folder = parser.parse_args(arguments).folder
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as out:
        run = [sys.executable, "-m", "pumprig.cli", "run", "--no-live", "--out", out]
        done = subprocess.run(run, check=False)
        if done.returncode:
            return done.returncode
        run_dir = next(Path(out).iterdir())
        try:
            draw_report(run_dir / "report.html", folder / "report.png")
            draw_live(run_dir, folder / "live.svg")
        except PumprigError as error:
            sys.stderr.write(f"pumprig: {error.message}\n")
            return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
