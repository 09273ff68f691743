"""Type stubs of the boards' MicroPython: installs them, and holds the firmware against each.

`python tests/typing/stubs.py install` puts what every `boards/*/board.toml` names into `typings/NAME`; `check` runs
mypy once for each board and ends with 1 when one of them found something. `names` writes `micropython.names`, which
tells the packing what MicroPython's own modules and objects are called. A new board needs no edit here.
"""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TYPINGS = ROOT / "typings"
STDLIB = "micropython-stdlib-stubs==1.29.0.post2"
NAMES = ROOT / "host/pumplink/packing/micropython.names"
MODULES = (
    "_thread array binascii bluetooth builtins collections deflate errno esp32 gc hashlib io json machine math "
    "micropython os random rp2 select struct sys time uctypes vfs"
)
# The virtual boards share one set; the modules of `virtual` are its shims, with a configuration of their own.
UNIX, UNIX_STUBS = "unix", "micropython-unix-stubs"


def boards() -> dict[str, str]:
    """Name of each board -> its stubs package, pinned."""
    found = {}
    for path in sorted((ROOT / "boards").glob("*/board.toml")):
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        stubs = data["micropython"]["stubs"]
        found[UNIX if stubs.startswith(UNIX_STUBS) else data["name"]] = stubs
    return found


def install() -> int:
    """Installs the stubs that are not there yet; what of them is another version is made again."""
    for name, package in boards().items():
        stamp = TYPINGS / name / ".installed"
        wanted = f"{package} {STDLIB}\n"
        if stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted:
            continue
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--upgrade"]
        subprocess.run([*pip, "--target", str(TYPINGS / name), package, STDLIB], check=True)
        stamp.write_text(wanted, encoding="utf-8")
    return 0


def check() -> int:
    """Runs mypy for each board."""
    failed = []
    template = (Path(__file__).parent / "board.ini").read_text(encoding="utf-8")
    for name in boards():
        config = Path(__file__).parent / "unix.ini"
        if name != UNIX:
            config = TYPINGS / f"{name}.ini"
            config.write_text(template.replace("BOARD", name), encoding="utf-8")
        print(f"{name}: ", end="", flush=True)
        # The probe is a firmware of its own, with a main.py of its own.
        of_probe = TYPINGS / f"{name}_probe.ini"
        text = config.read_text(encoding="utf-8").replace("files = firmware", "files = firmware/probe")
        text = text.replace("|^firmware/probe/", "").replace(":firmware:", ":firmware/probe:")
        of_probe.write_text(text, encoding="utf-8")
        for which in (config, of_probe):
            mypy = [sys.executable, "-m", "mypy", "--config-file", str(which)]
            if subprocess.run(mypy, cwd=ROOT, check=False).returncode:
                failed.append(name)
    if failed:
        print(f"the firmware does not fit the stubs of {', '.join(failed)}")
    return 1 if failed else 0


def _names(stub: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(stub.read_text(encoding="utf-8"))):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.AsyncFunctionDef)):
            found.add(node.name)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found.update(target.id for target in targets if isinstance(target, ast.Name))
    return {name for name in found if name[0] != "_"}


def names() -> int:
    """Writes what the stubs of all boards know, of the modules that a firmware uses."""
    found: dict[str, set[str]] = {}
    for name in boards():
        folder = TYPINGS / name
        for module in MODULES.split():
            files = (f"{module}.pyi", f"{module}/__init__.pyi")
            stubs = [folder / part / file for part in ("", "stdlib") for file in files]
            if module == "builtins":
                stubs += (folder / "_mpy_shed").rglob("*.pyi")
            for stub in stubs:
                if stub.is_file():
                    found.setdefault(module, set()).update(_names(stub))
    lines = ["# Names of MicroPython's modules and of the objects of their classes, from the type stubs of all boards."]
    lines += [" ".join([module, *sorted(found[module])]) for module in sorted(found)]
    NAMES.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit({"install": install, "check": check, "names": names}[sys.argv[1]]())
