"""How what is not installed gets into this very installation."""

from __future__ import annotations

import json
import shlex
import sys
from importlib.metadata import PackageNotFoundError, distribution
from os.path import relpath
from pathlib import Path
from urllib.parse import unquote, urlsplit

__all__ = ["install_command"]

_NAME = "pumprig"


def install_command(extra: str = "") -> str:
    """The command line that installs pumprig again, with one of its extras.

    It takes this Python, which may be that of an environment that is not active, and the folder that pumprig was
    installed from, if it was one (the Python packaging specification "Recording the Direct URL Origin", PEP 610).

    Args:
        extra: name of the extra; empty for none.
    """
    folder = _folder()
    what = f"{folder or _NAME}[{extra}]" if extra else f"{folder or _NAME}"
    editable = ["--editable"] if folder is not None else []
    return shlex.join([_shown(Path(sys.executable)), "-m", "pip", "install", *editable, what])


def _folder() -> str | None:
    try:
        told = distribution(_NAME).read_text("direct_url.json")
    except PackageNotFoundError:
        return None
    origin = json.loads(told) if told else {}
    if not origin.get("dir_info", {}).get("editable"):
        return None
    return _shown(Path(unquote(urlsplit(origin["url"]).path)))


# Below the current folder a path is shorter without it.
def _shown(path: Path) -> str:
    here = Path.cwd()
    return relpath(path, here) if path.is_relative_to(here) else str(path)
