"""Goal: sources are taken apart in two threads at the same time, as `flash` does while it asks a board for its REPL.

Method: threads that change places far more often than they do by themselves, also while a tree is made (a callback of
the garbage collector lets them), over the largest modules of the firmware.
"""

import ast
import gc
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from pumplink.boards import default_firmware
from pumplink.pack import in_memory, sources_of
from pumplink.syntax import literal, parsed


@pytest.fixture
def restless() -> Iterator[None]:
    """Threads change places at every turn."""

    def turn(phase: str, info: dict[str, int]) -> None:
        for _ in range(10):
            pass

    interval, thresholds = sys.getswitchinterval(), gc.get_threshold()
    sys.setswitchinterval(1e-6)
    gc.set_threshold(50)
    gc.callbacks.append(turn)
    yield
    gc.callbacks.remove(turn)
    gc.set_threshold(*thresholds)
    sys.setswitchinterval(interval)


def test_two_threads_get_the_trees_that_one_gets(restless):
    files = sorted(default_firmware().rglob("*.py"), key=lambda path: path.stat().st_size)[-20:]
    sources = [path.read_text(encoding="utf-8") for path in files]
    with ThreadPoolExecutor(4) as threads:
        trees = list(threads.map(parsed, sources * 4))
    assert [ast.dump(tree) for tree in trees] == [ast.dump(ast.parse(source)) for source in sources] * 4


def test_a_firmware_is_packed_while_another_thread_reads_what_a_board_says(restless):
    sources, packed = sources_of(default_firmware()), threading.Event()

    def listen() -> int:
        answers = 0
        while not packed.is_set():
            assert literal("('rp2', (1, 28, 0), 'armv6m', 3, [True, {'a': -1}])")[1] == (1, 28, 0)
            answers += 1
        return answers

    with ThreadPoolExecutor(1) as threads:
        answers = threads.submit(listen)
        try:
            assert in_memory(sources).merged is not None
        finally:
            packed.set()
        assert answers.result() > 0


@pytest.mark.parametrize(("text", "error"), [("def f(:", SyntaxError), ("a = 1\0", (SyntaxError, ValueError))])
def test_what_is_no_python_is_said_as_python_says_it(text, error):
    with pytest.raises(error):
        parsed(text)
    assert isinstance(parsed("a = 1"), ast.Module)
