"""Packed firmware that is kept for the next process: a folder for each state of the sources, in the user's cache.

Whoever uses a folder holds a lock of the kernel on it, which goes with the process. When there are many, the ones that
were not used for longest go, but for those that somebody holds. Beside the files stands the digest of each: a folder
that is not as it was made is made again.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

__all__ = ["Kept", "all_kept", "kept"]

_KEPT_MAX = 48
_LOCK = ".lock"
_MAKING = "making"
_ATTEMPTS = 20
_DIGESTS = "digests.json"


class _NotToBeKept(Exception):
    """What was made is not what the next process should get."""


class Kept:
    """A folder that stays for as long as this object does.

    Attributes:
        path: of the folder.
    """

    def __init__(self, path: Path, free: Callable[[], object]) -> None:
        self.path = path
        self._finalizer = weakref.finalize(self, free)


def _root() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pumprig" / "packed"


def kept(key: str, fill: Callable[[Path], bool]) -> Kept:
    """The folder of that key, made when there is none.

    Args:
        key: what is in it, as hexadecimal digits.
        fill: fills a folder, and says whether it is for other processes, too.
    Raises:
        OSError: there is no room for it, or no right to write anywhere.
    """
    with contextlib.suppress(OSError, _NotToBeKept):
        root = _root()
        root.mkdir(parents=True, exist_ok=True)
        for _ in range(_ATTEMPTS):
            found = _held(root, key, fill)
            if found is not None:
                return found
    # Nothing can be kept there: for this process alone.
    own = Path(tempfile.mkdtemp(prefix="pumprig-packed-")).resolve()
    try:
        fill(own)
    except BaseException:
        shutil.rmtree(own, ignore_errors=True)
        raise
    return Kept(own, lambda: shutil.rmtree(own, ignore_errors=True))


def all_kept() -> list[Path]:
    """Folders that are there, the one that was used last first. Any of them may go at any time."""
    root = _root()
    return list(_by_age(root)) if root.is_dir() else []


def _held(root: Path, key: str, fill: Callable[[Path], bool]) -> Kept | None:
    lock = _locked(root / f"{key}{_LOCK}", fcntl.LOCK_SH)
    if lock is None:
        return None
    try:
        path = root / key
        if not _is_whole(path):
            with _one_at_a_time(root / f"{_MAKING}-{key[:1]}"):
                if not _is_whole(path):
                    _make(path, fill)
                    _trim(root)
        os.utime(path)
    except BaseException:
        os.close(lock)
        raise
    return Kept(path, lambda: os.close(lock))


@contextlib.contextmanager
def _one_at_a_time(path: Path) -> Iterator[None]:
    """Processes that start together want the same: it is made once, and the others wait."""
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and path.name != _DIGESTS
    }


def _is_whole(folder: Path) -> bool:
    """Whether a folder is there and as it was made: a power cut may have taken some of it."""
    try:
        return bool(json.loads((folder / _DIGESTS).read_text(encoding="utf-8")) == _digests(folder))
    except (OSError, ValueError):
        return False


def _flush(folder: Path) -> None:
    for path in [*folder.rglob("*"), folder]:
        place = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(place)
        finally:
            os.close(place)


def _make(path: Path, fill: Callable[[Path], bool]) -> None:
    # Aside, so that one that was interrupted is not taken for a whole one.
    aside = Path(tempfile.mkdtemp(prefix="new-", dir=path.parent))
    try:
        if not fill(aside):
            raise _NotToBeKept
        (aside / _DIGESTS).write_text(json.dumps(_digests(aside)), encoding="utf-8")
        _flush(aside)
        if path.is_dir():
            broken = Path(tempfile.mkdtemp(prefix="new-", dir=path.parent))
            path.rename(broken / path.name)
            shutil.rmtree(broken, ignore_errors=True)
        with contextlib.suppress(OSError):
            # Another may have been first.
            aside.rename(path)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _locked(path: Path, how: int) -> int | None:
    """A descriptor that holds the lock; None when it is another's, or the file went meanwhile."""
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, how)
        if os.stat(path).st_ino == os.fstat(lock).st_ino:
            return lock
    except OSError:
        pass
    os.close(lock)
    return None


def _trim(root: Path) -> None:
    for path in list(_by_age(root))[_KEPT_MAX:]:
        lock = _locked(root / f"{path.name}{_LOCK}", fcntl.LOCK_EX | fcntl.LOCK_NB)
        if lock is not None:
            shutil.rmtree(path, ignore_errors=True)
            (root / f"{path.name}{_LOCK}").unlink(missing_ok=True)
            os.close(lock)


def _by_age(root: Path) -> Iterator[Path]:
    """Folders, the one that was used last first."""
    ages = []
    for path in root.iterdir():
        with contextlib.suppress(OSError):
            if path.is_dir():
                ages.append((path.stat().st_mtime, path))
    return (path for _, path in sorted(ages, reverse=True))
