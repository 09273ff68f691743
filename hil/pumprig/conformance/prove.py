"""Shows that the cases can fail: servers that are wrong on purpose, each caught by the cases named for it alone.

A wrong server is a patch on a copy of the firmware. The cases that it must fail are named before it runs.
"""

from __future__ import annotations

import multiprocessing
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from pumplink.boards import default_firmware
from pumplink.virtual.clocks import Lockstep
from pumprig.conformance.bench import Bench
from pumprig.conformance.model import Case, Verdict, all_cases
from pumprig.conformance.runner import run_cases
from pumprig.errors import PumprigError, RigError
from pumprig.suite.catalogue import read_entries
from pumprig.suite.patching import Edit, PatchError, copy_firmware, patched

__all__ = ["Proof", "WrongServer", "exit_code_of", "load_servers", "prove", "table"]

CORRECT = "correct firmware"
_SHOWN = 4
# How long a process has to give its board up when the proof is interrupted.
_END_S = 5.0
_ended = threading.Event()


@dataclass(frozen=True)
class WrongServer:
    """A server that is wrong on purpose.

    Args:
        name: what it is called.
        about: what is wrong with it, in one sentence.
        cases: ids of the cases that must fail.
        also: patterns of further cases that may.
        edits: the patch.
    """

    name: str
    about: str
    cases: tuple[str, ...]
    also: tuple[str, ...]
    edits: tuple[Edit, ...]


@dataclass
class Proof:
    """What became of a server.

    Args:
        name: of the server.
        wrong: the catalogue's entry; None for the correct firmware.
        failed: the cases that failed, with what they said.
        problem: what is not as the catalogue says.
        exit_code: of an error that is none of the server's.
    """

    name: str
    wrong: WrongServer | None = None
    failed: dict[str, str] = field(default_factory=dict)
    problem: str = ""
    exit_code: int = 0

    def as_dict(self) -> dict[str, Any]:
        """The proof as plain data."""
        wanted = {} if self.wrong is None else {"about": self.wrong.about, "cases": list(self.wrong.cases)}
        return {"name": self.name, **wanted, "failed": self.failed, "problem": self.problem or None}


def load_servers(path: Path | None = None) -> tuple[WrongServer, ...]:
    """Read the catalogue.

    Args:
        path: another catalogue than the one that comes with pumprig.

    Raises:
        RigError: the catalogue is wrong; the message names the entry.
    """
    ids = {one.id for one in all_cases()}
    found: list[WrongServer] = []
    path = path or Path(__file__).parent / "wrong.toml"
    for where, entry in read_entries(path, ("name", "about", "cases"), ("also",)):
        if strange := sorted(set(entry["cases"]) - ids):
            raise RigError(f"no case is called {strange[0]}", where=where)
        if idle := [one for one in entry.get("also", ()) if not any(fnmatchcase(name, one) for name in ids)]:
            raise RigError(f"no case is called {idle[0]}", where=where)
        cases, also = tuple(entry["cases"]), tuple(entry.get("also", ()))
        found.append(WrongServer(entry["name"], entry["about"], cases, also, entry["edit"]))
    return tuple(found)


def prove(
    servers: Sequence[WrongServer],
    *,
    work: Path,
    jobs: int = 2,
    firmware: Path | None = None,
    cases: Sequence[Case] | None = None,
    on_proof: Callable[[Proof], None] = lambda proof: None,
) -> list[Proof]:
    """Run cases against the correct firmware and against each wrong server.

    Args:
        servers: the wrong ones.
        work: folder for the firmware copies.
        jobs: how many servers at a time.
        firmware: the correct firmware; the installed one when None.
        cases: which; all when None.
        on_proof: called with each proof when it is complete.

    Returns:
        The proof of the correct firmware, then one for each wrong server in their order.
    """
    source = firmware or default_firmware()
    ids = tuple(one.id for one in cases or all_cases())
    proofs = [Proof(CORRECT), *(Proof(server.name, server) for server in servers)]
    # Processes of their own: a board keeps a processor busy, and Python uses one at a time.
    others = set(multiprocessing.active_children())
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool, _ending(pool, others):
        waiting = {}
        for proof in proofs:
            try:
                folder = source if proof.wrong is None else _copy(source, proof.wrong, work)
            except PatchError as error:
                proof.problem, proof.exit_code = error.message, error.exit_code
                on_proof(proof)
                continue
            waiting[_submit(pool, str(folder), ids)] = proof
        for future in as_completed(waiting):
            proof = waiting[future]
            try:
                proof.failed = future.result()
                _judge(proof)
            except PumprigError as error:
                proof.problem, proof.exit_code = error.message, error.exit_code
            on_proof(proof)
    return proofs


def _copy(source: Path, server: WrongServer, work: Path) -> Path:
    return copy_firmware(source, work / server.name, patched(source, server.edits, server.name))


def _submit(pool: ProcessPoolExecutor, folder: str, ids: tuple[str, ...]) -> Future[dict[str, str]]:
    # A process that is started here inherits the mask: Ctrl-C is for this process, which then ends the others.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        return pool.submit(_work, folder, ids)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


@contextmanager
def _ending(pool: ProcessPoolExecutor, others: set[BaseProcess]) -> Iterator[None]:
    # Whatever interrupts the proof ends what waits and what runs; the pool alone would run all of it to its end.
    try:
        yield
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        ours = [child for child in multiprocessing.active_children() if child not in others]
        for child in ours:
            child.terminate()
        until_s = time.monotonic() + _END_S
        for child in ours:
            child.join(max(0.0, until_s - time.monotonic()))
            child.kill()
        raise


def _work(firmware: str, ids: tuple[str, ...]) -> dict[str, str]:
    # Runs in a process of its own. One that is asked to end gives its board up, runs no server that waits in its queue,
    # and leaves as at its end, so that no folder stays behind.
    if _ended.is_set():
        return {}
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return failures(firmware, ids)
    except KeyboardInterrupt:
        before = signal.SIG_IGN
        _ended.set()
        return {}
    finally:
        signal.signal(signal.SIGTERM, before)


def failures(firmware: str, ids: tuple[str, ...]) -> dict[str, str]:
    """The cases that a firmware fails, with what they say.

    Raises:
        RigError: a case itself broke.
    """
    cases = [one for one in all_cases() if one.id in ids]
    results = run_cases(Bench("virtual", Lockstep(), firmware=Path(firmware)), cases)
    broken = next((result for result in results if result.verdict is Verdict.ERROR), None)
    if broken is not None:
        raise RigError(broken.text, where=broken.case.id)
    return {result.case.id: result.text for result in results if result.verdict is Verdict.FAIL}


def _judge(proof: Proof) -> None:
    wrong = proof.wrong
    if wrong is None:
        if proof.failed:
            proof.problem = f"the correct firmware fails {', '.join(list(proof.failed)[:_SHOWN])}"
        return
    missed = [name for name in wrong.cases if name not in proof.failed]
    others = [
        name for name in proof.failed
        if name not in wrong.cases and not any(fnmatchcase(name, pattern) for pattern in wrong.also)
    ]  # fmt: skip
    if missed:
        proof.problem = f"{', '.join(missed)} does not catch it"
    elif others:
        more = f" and {len(others) - _SHOWN} more" if len(others) > _SHOWN else ""
        proof.problem = f"it also fails {', '.join(others[:_SHOWN])}{more}"


def exit_code_of(proofs: Sequence[Proof]) -> int:
    """0 when all is as named, the error's code when something broke, else 1."""
    errors = [proof.exit_code for proof in proofs if proof.exit_code]
    return min(errors) if errors else int(any(proof.problem for proof in proofs))


def table(proofs: Sequence[Proof]) -> str:
    """The proofs for a person."""
    lines = []
    for proof in proofs:
        word = "ok" if not proof.problem else "ERROR" if proof.exit_code else "NOT AS NAMED"
        if proof.wrong is None:
            lines.append(f"{word:12} {proof.name}: passes" if not proof.problem else f"{word:12} {proof.problem}")
            continue
        lines.append(f"{word:12} {proof.name}: {proof.wrong.about}")
        for name in proof.wrong.cases:
            lines.append(f"{'':12}   {name}: {proof.failed.get(name, 'does not fail')}")
        others = len(set(proof.failed) - set(proof.wrong.cases))
        if others:
            lines.append(f"{'':12}   and {others} others")
        if proof.problem:
            lines.append(f"{'':12}   {proof.problem}")
    wrong = [proof for proof in proofs if proof.wrong is not None]
    caught = sum(not proof.problem for proof in wrong)
    lines.append(f"{caught} of {len(wrong)} wrong servers are caught by the cases named for them, and by no others.")
    return "\n".join(lines)
