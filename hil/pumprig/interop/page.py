"""The page of a matrix: one file that opens offline, without any script."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

from pumprig.devices.cgm import CgmProfile
from pumprig.devices.pump import PumpProfile
from pumprig.devices.show import basal_text, minutes_text, units
from pumprig.errors import RigError
from pumprig.interop.matrix import Cell, Matrix, reference_cell
from pumprig.interop.show import cell_words
from pumprig.report.html import Html, join, section, still_page, tag, verdict_icon, write_whole
from pumprig.report.words import count, duration_words
from pumprig.trace import Trace, load_trace

__all__ = ["PAGE", "write_page"]

PAGE = "interop.html"
_WIDTH, _HEIGHT, _LEFT, _BOTTOM = 380, 170, 30, 18
_TOP_MG_DL, _LOW_MG_DL = 440, 70
_MARKS = (70, 180, 300, 400)


def write_page(matrix: Matrix, folder: Path) -> Path:
    """Write the page of a matrix.

    Args:
        matrix: what was run.
        folder: where the page goes; made when it is not there.

    Raises:
        RigError: it cannot be written.
    """
    path = folder / PAGE
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RigError(f"the folder cannot be made ({error.strerror})", where=str(folder)) from error
    write_whole(path, still_page(f"{matrix.verdict}: {_title(matrix)}", _body(matrix, folder), "interop/interop.css"))
    return path


def _title(matrix: Matrix) -> str:
    settings = matrix.settings
    return f"{count(len(settings.sensors), 'sensor')} with {count(len(settings.pumps), 'pump')}, {settings.controller}"


def _body(matrix: Matrix, folder: Path) -> Html:
    return join([
        _head(matrix),
        tag("main", _changes(matrix), _table(matrix, folder), _pictures(matrix), _reasons(matrix)),
        tag("footer", tag("p", "pumprig is a test tool. It is not for therapy."),
            tag("p", "A pump here counts as its namesake does, by the numbers, and is not that device.")),
    ])  # fmt: skip


def _head(matrix: Matrix) -> Html:
    settings, verdict = matrix.settings, matrix.verdict
    bundled = settings.trace is None
    facts = (
        ("Controller", settings.controller), ("Trace", "synthetic, six hours" if bundled else "a file"),
        ("Runs", len(matrix.cells)), ("Clock", "lockstep"), ("Took", duration_words(matrix.seconds)),
    )  # fmt: skip
    claim = {
        "PASS": "Proved logic and order of every dose of every pair.",
        "FAIL": "A pump broke a rule, or a pair gives something else than it did.",
    }.get(verdict, "Not every run came to a verdict.")
    held = "on a trace without committed results" if matrix.changes is None else "held against the committed results"
    return tag(
        "header",
        tag("p", verdict_icon(verdict), tag("span", verdict), class_="badge"),
        tag("div", tag("p", "pumprig interop ", tag("code", matrix.folder.name), class_="eyebrow"),
            tag("h1", _title(matrix)),
            tag("dl", *(tag("div", tag("dt", name), tag("dd", value)) for name, value in facts), class_="facts"),
            class_="what"),
        tag("p", tag("strong", claim), f" Each cell is a run of the real firmware, {held}.", class_="proven"),
        class_="head", data_verdict=verdict,
    )  # fmt: skip


def _changes(matrix: Matrix) -> Html:
    if not matrix.changes:
        return Html("")
    rows = [tag("li", tag("strong", f"{pump} with {cgm}"), f": {what}") for pump, cgm, what in matrix.changes]
    return section(f"Changed ({len(rows)})", tag("ul", *rows, class_="plain"), id_="changes", class_="card bad")


# --- The table --------------------------------------------------------------------------------------------------


def _state(cell: Cell, changed: bool) -> str:
    if changed:
        return "changed"
    if cell.verdict != "PASS":
        return cell.verdict.lower()
    if not cell.cgm.dosing.value:
        return "watched"
    if cell.numbers["controller"] == "manual":
        return "plain"
    return "acted" if cell.numbers.get("suspensions") or cell.numbers.get("small_boluses") else "quiet"


def _cell(cell: Cell, changed: bool, folder: Path) -> Html:
    decided, delivered = cell_words(cell)
    sign = {"PASS": "✓", "FAIL": "✕"}.get(cell.verdict, "?")
    parted = cell.numbers.get("first_difference") or ""
    sign = sign if cell.verdict == "PASS" else f"{sign} {cell.verdict}"
    parts: list[object] = [
        tag("span", sign, class_="sign", aria_label=cell.verdict), tag("b", delivered or "-"), tag("span", decided),
    ]  # fmt: skip
    if parted and cell.cgm.dosing.value:
        parts.append(tag("small", f"parts at {parted[:5]}"))
    if changed:
        parts.append(tag("small", "changed", class_="flag"))
    inside: object = join(parts)
    if cell.run.folder and cell.verdict != "PASS":
        inside = tag("a", inside, href=quote(os.path.relpath(cell.run.folder, folder)))
    return tag("td", inside, class_=f"cell {_state(cell, changed)}", title=cell.why)


def _about_sensor(cgm: CgmProfile) -> str:
    every = f"every {cgm.interval_minutes.value} min"
    backfill = cgm.backfill_minutes.value
    return f"{every}, {f'keeps {minutes_text(backfill)}' if backfill else 'no back-fill'}"


def _about_pump(pump: PumpProfile) -> str:
    return f"pulse {units(pump.pulse_mu.value)} U, basal {basal_text(pump).split(' by ')[0]}"


def _table(matrix: Matrix, folder: Path) -> Html:
    sensors = matrix.settings.sensors
    changed = {(pump, cgm) for pump, cgm, _ in matrix.changes or ()}
    heads = [tag("th", cgm.title, tag("small", _about_sensor(cgm)), scope="col") for cgm in sensors]
    rows = []
    for pump in matrix.settings.pumps:
        cells = [matrix.cell(pump.name, cgm.name) for cgm in sensors]
        rows.append(
            tag("tr", tag("th", pump.title, tag("small", _about_pump(pump)), scope="row"),
                *(_cell(cell, cell.key in changed, folder) for cell in cells))
        )  # fmt: skip
    shown = tag(
        "table", tag("caption", "What each pair gives"), tag("thead", tag("tr", tag("td"), *heads)),
        tag("tbody", *rows),
    )  # fmt: skip
    keys = (
        ("acted", "The controller acted"), ("quiet", "It never had to"), ("plain", "Nothing automatic can act"),
        ("watched", "Monitoring only: no insulin"),
    )  # fmt: skip
    legend = tag("ul", *(tag("li", tag("i", class_=f"key cell {name}"), text) for name, text in keys), class_="ranges")
    first = sensors[0].title
    note = f"Insulin of the run. “Parts at” is when doses first differ from those under {first}."
    return section("The matrix", legend, tag("div", shown, class_="scroll"), id_="matrix", class_="card", note=note)


# --- What each sensor tells -------------------------------------------------------------------------------------


def _x(second: float, end_s: float) -> float:
    return _LEFT + (_WIDTH - _LEFT - 4) * second / max(end_s, 1)


def _y(glucose: float) -> float:
    return (_HEIGHT - _BOTTOM) * (1 - min(max(glucose, 0), _TOP_MG_DL) / _TOP_MG_DL)


def _picture(trace: Trace, cell: Cell) -> Html:
    end_s = 60 * trace.duration_minutes
    parts = [
        f'<rect class="suspended" x="{_x(begin, end_s):.1f}" y="0" height="{_HEIGHT - _BOTTOM}" '
        f'width="{max(_x(end, end_s) - _x(begin, end_s), 1):.1f}"/>'
        for begin, end in cell.suspended
    ]
    for mark in _MARKS:
        y = _y(mark)
        parts.append(f'<line x1="{_LEFT}" x2="{_WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{_LEFT - 5}" y="{y + 4:.1f}" text-anchor="end">{mark}</text>')
    hours = max(1, round(end_s / 3600))
    for hour in range(0, hours + 1, max(1, hours // 6)):
        anchor = "start" if hour == 0 else "end" if hour == hours else "middle"
        parts.append(
            f'<text x="{_x(3600 * hour, end_s):.0f}" y="{_HEIGHT - 3}" text-anchor="{anchor}">{hour} h</text>'
        )
    points = " ".join(f"{_x(60 * s.offset_minutes, end_s):.1f},{_y(s.glucose_mg_dl):.1f}" for s in trace.samples)
    parts.append(f'<polyline class="there" points="{points}"/>')
    radius = 1.2 if len(cell.samples) > 200 else 2.4
    for second, glucose, flag in cell.samples:
        x, y = _x(second, end_s), _y(glucose)
        kind = f"told {flag}".strip()
        parts.append(f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="{radius if not flag else radius + 0.6}"/>')
    label = f"{len(cell.samples)} samples of {cell.cgm.title}"
    return Html(f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{label}">{"".join(parts)}</svg>')


def _pictures(matrix: Matrix) -> Html:
    trace, pump = load_trace(matrix.settings.trace_path), reference_cell(matrix)
    figures = []
    for cgm in matrix.settings.sensors:
        cell = matrix.cell(pump.name, cgm.name)
        told = f"{count(len(cell.samples), 'sample')}; " + ("dosing" if cgm.dosing.value else "monitoring only")
        caption = tag("figcaption", tag("b", cgm.title), f" {told}")
        figures.append(tag("figure", _picture(trace, cell), caption))
    note = f"Line: what is there. Dots: what arrives, in colour where Low or High. Shaded: suspended, {pump.title}."
    return section("What each sensor tells", tag("div", *figures, class_="panels"), id_="sensors", note=note)


def _reasons(matrix: Matrix) -> Html:
    groups = []
    for pump in matrix.settings.pumps:
        cells = [matrix.cell(pump.name, cgm.name) for cgm in matrix.settings.sensors]
        rows = [join([tag("dt", cell.cgm.title), tag("dd", cell.why)]) for cell in cells]
        groups.append(tag("details", tag("summary", pump.title), tag("dl", *rows)))
    return section("Why", *groups, id_="why", note="A sentence for each cell.")
