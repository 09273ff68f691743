"""Pieces of HTML. Every text is escaped unless it is Html already, so nothing in a record can become markup."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path

from pumprig.errors import RigError


class Html(str):
    """Text that is markup already."""

    __slots__ = ()


def esc(value: object) -> Html:
    """A value as escaped text; Html stays as it is."""
    return value if isinstance(value, Html) else Html(escape(str(value), quote=True))


def tag(name: str, *children: object, **attributes: object) -> Html:
    """An element. `class_` becomes `class`, other underscores become hyphens; None leaves an attribute out."""
    shown = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{esc(value)}"' for key, value in attributes.items() if value is not None
    )
    return Html(f"<{name}{shown}>{join(children)}</{name}>")


def join(parts: Iterable[object]) -> Html:
    """Parts one after another, each escaped if it is not Html."""
    return Html("".join(esc(part) for part in parts))


def table(
    headings: Sequence[str], rows: Iterable[Sequence[object]], numbers: Sequence[int] = (), caption: str = ""
) -> Html:
    """A table.

    Args:
        headings: one for each column.
        rows: the cells, text or Html.
        numbers: columns that are set to the right, as numbers are.
        caption: what the table shows, for those who do not see it.
    """

    def cells(name: str, row: Sequence[object], **attributes: object) -> Html:
        return join(
            tag(name, cell, class_="number" if index in numbers else None, **attributes)
            for index, cell in enumerate(row)
        )

    head = tag("thead", tag("tr", cells("th", headings, scope="col")))
    body = tag("tbody", *(tag("tr", cells("td", row)) for row in rows))
    parts = [tag("caption", caption)] if caption else []
    return tag("div", tag("table", *parts, head, body), class_="scroll")


def section(title: str, *children: object, id_: str | None = None, class_: str = "card", note: str = "") -> Html:
    """A titled part of the page; a note stands beside the title."""
    heading = tag("h2", title)
    beside = [tag("p", note, class_="note")] if note else []
    return tag("section", tag("header", heading, *beside), *children, class_=class_, id=id_)


_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"


def still_page(title: str, body: Html, *styles: str) -> str:
    """A page without any script, which opens offline.

    Args:
        title: of its window.
        body: what it shows.
        styles: files below `pumprig` whose rules come after the report's own.
    """
    own = files("pumprig")
    style = "".join(
        own.joinpath(name).read_text(encoding="utf-8") for name in ("report/report.css", "report/panels.css", *styles)
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{esc(_POLICY)}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{esc(title)}</title><style>\n{style}</style></head>\n<body>{body}</body></html>\n"
    )


def write_whole(path: Path, text: str) -> None:
    """Write a file so that nobody ever sees half of it.

    Raises:
        RigError: it cannot be written.
    """
    unfinished = path.with_name(path.name + ".part")
    try:
        unfinished.write_text(text, encoding="utf-8")
        os.replace(unfinished, path)
    except OSError as error:
        remedy = "Make room there, or name another folder with --out."
        raise RigError(f"the file cannot be written ({error.strerror})", where=str(path), remedy=remedy) from error


_PATHS = {
    "PASS": '<path d="M7 12.5l3.4 3.4L17.5 8.6"/>',
    "FAIL": '<path d="M8 8l8 8M16 8l-8 8"/>',
    "ERROR": '<path d="M12 6.6v7M12 17.2v.2"/>',
    "INCONCLUSIVE": '<path d="M9 9.3a3 3 0 1 1 4.4 2.8c-1 .6-1.4 1.1-1.4 2.2M12 17.4v.2"/>',
    "RUNNING": '<path d="M12 7v5.2l3.2 2"/>',
}


def verdict_icon(verdict: str) -> Html:
    """A sign that tells the verdict without its colour."""
    path = _PATHS.get(verdict, _PATHS["INCONCLUSIVE"])
    return Html(f'<svg viewBox="0 0 24 24" aria-hidden="true"><circle cx="12" cy="12" r="10"/>{path}</svg>')
