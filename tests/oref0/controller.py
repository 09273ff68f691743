"""Controller oref on CPython, and what of its conditions a run has reached."""

from __future__ import annotations

import ast
import ctypes
import importlib
import importlib.machinery
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pumprig.decide.oref import SLOTS, request_of

__all__ = ["FOLDER", "Conditions", "Controller", "Single"]

FOLDER = Path(__file__).resolve().parent.parent.parent / "firmware/pump/control/oref"
PACKAGE = "pump.control.oref"


class Controller:
    """The controller in this process: as it stands in the firmware, or as `Conditions` or `Single` has changed it.

    Args:
        single: inputs are rounded to single precision.
    """

    def __init__(self, single: bool = False) -> None:
        self._number = Single.single if single else float
        inputs = importlib.import_module(f"{PACKAGE}.inputs")
        self.inputs, self.settings = inputs.Inputs(), inputs.Settings()
        self.oref = importlib.import_module(f"{PACKAGE}.controller").Oref()
        self.decision = importlib.import_module(f"{PACKAGE}.decision").Decision()
        holders = {"inputs": self.inputs, "settings": self.settings}
        holders |= {name: getattr(self.inputs, name) for name in ("glucose", "temp", "iob", "meal")}
        self._slots = [(holders[slot.partition(".")[0]], slot.partition(".")[2]) for slot in SLOTS]

    def decide(self, case: dict[str, Any], **settings: Any) -> Any:
        """The firmware's decision on an input with oref0's keys; its lines are then those that are shown."""
        request = request_of(case, **settings)
        for (holder, name), number in zip(self._slots, request.numbers, strict=True):
            setattr(holder, name, self._number(number))
        iob = self.inputs.iob
        iob.count = len(request.activities)
        for i, (activity, zero_temp) in enumerate(zip(request.activities, request.zero_temp, strict=True)):
            iob.activities[i], iob.zero_temp_activities[i] = activity, zero_temp
        self.decision.clear()
        self.oref.decide(self.inputs, self.settings, self.decision)
        self.oref.forecast.show(self.oref.targets.target)
        return self.decision


class Conditions(ast.NodeTransformer):
    """Conditions of the controller and the truth values each of them had.

    Each operand of `and`, `or` and `not` counts by itself, so this says more than branches do: when all operands were
    true and false, both ways behind them were gone.
    """

    def __init__(self) -> None:
        self.known: set[tuple[str, str, str]] = set()
        self.seen: set[tuple[str, str, str, bool]] = set()
        self._file = self._function = ""

    # What the changed code calls around each condition.
    def reached(self, file: str, function: str, text: str, value: Any) -> Any:
        """Notes the truth of a condition's value, and hands it on."""
        self.seen.add((file, function, text, bool(value)))
        return value

    def missing(self) -> set[tuple[str, str, str, bool]]:
        """Conditions that never had a truth value."""
        return {(*condition, value) for condition in self.known for value in (True, False)} - self.seen

    def compile(self, source: bytes, path: str) -> Any:
        """The code of a file, with its conditions noted."""
        self._file = Path(path).name
        tree = ast.fix_missing_locations(self.visit(ast.parse(source)))
        return compile(tree, path, "exec")

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        self._function = node.name
        return self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        node.values = [self._noted(value) for value in node.values]
        return node

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        if isinstance(node.op, ast.Not):
            node.operand = self._noted(node.operand)
            return node
        return self.generic_visit(node)

    def visit_If(self, node: ast.If) -> ast.AST:
        return self._tested(node)

    def visit_While(self, node: ast.While) -> ast.AST:
        return self._tested(node)

    def visit_IfExp(self, node: ast.IfExp) -> ast.AST:
        return self._tested(node)

    def _tested(self, node: Any) -> ast.AST:
        test = self._noted(node.test)
        node.test = ast.Constant(True)
        self.generic_visit(node)
        node.test = test
        return node

    def _noted(self, node: ast.expr) -> ast.expr:
        if isinstance(node, ast.BoolOp) or (isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)):
            return self.visit(node)
        condition = (self._file, self._function, ast.unparse(node))
        self.known.add(condition)
        arguments: list[ast.expr] = [ast.Constant(part) for part in condition]
        return ast.Call(ast.Name("_reached", ast.Load()), [*arguments, self.visit(node)], [])

    @contextmanager
    def watching(self) -> Iterator[None]:
        """While this holds, the controller is imported with its conditions noted."""
        with _rewritten(self.compile, {"_reached": self.reached}):
            yield


class Single(ast.NodeTransformer):
    """The controller with the floats of a board: the result of each operation is rounded to single precision."""

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        return _called("_single", self.generic_visit(node))

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        return _called("_single", node) if isinstance(node.value, float) else node

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST:
        source = ast.parse(ast.unparse(node.target), mode="eval").body
        return ast.Assign([node.target], self.visit(ast.BinOp(source, node.op, node.value)))

    @staticmethod
    def single(value: Any) -> Any:
        """A number as a board holds it."""
        return ctypes.c_float(value).value if isinstance(value, float) else value

    @contextmanager
    def rounding(self) -> Iterator[None]:
        """While this holds, the controller is imported with single precision."""

        def rewrite(source: bytes, path: str) -> Any:
            return compile(ast.fix_missing_locations(self.visit(ast.parse(source))), path, "exec")

        with _rewritten(rewrite, {"_single": self.single}):
            yield


def _called(name: str, argument: Any) -> ast.expr:
    return ast.Call(ast.Name(name, ast.Load()), [argument], [])


@contextmanager
def _rewritten(rewrite: Callable[[bytes, str], Any], names: dict[str, Any]) -> Iterator[None]:
    """While this holds, the controller's modules are imported as `rewrite` makes them, with more names in them."""

    class Loader(importlib.machinery.SourceFileLoader):
        def get_code(self, fullname: str) -> Any:
            return rewrite(self.get_data(self.path), self.path)

        def exec_module(self, module: Any) -> None:
            module.__dict__.update(names)
            super().exec_module(module)

    class Finder(importlib.machinery.PathFinder):
        @classmethod
        def find_spec(cls, fullname: str, path: Any = None, target: Any = None) -> Any:
            spec = super().find_spec(fullname, path, target) if fullname.startswith(PACKAGE) else None
            if spec is not None and spec.origin is not None:
                spec.loader = Loader(fullname, spec.origin)
            return spec

    kept = {name: sys.modules.pop(name) for name in list(sys.modules) if name.startswith(PACKAGE)}
    sys.meta_path.insert(0, Finder)
    try:
        yield
    finally:
        sys.meta_path.remove(Finder)
        for name in [name for name in sys.modules if name.startswith(PACKAGE)]:
            del sys.modules[name]
        sys.modules.update(kept)
