"""Goal: the random inputs of cases.py reach every condition of the oracle's section 14, both ways.

Method: the oracle's modules are imported once more with each operand of their conditions noted (controller.py), and
decide on inputs without oref0; what is not reached is listed here with its reason, and nothing else.
"""

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path

import pumprig.oracle.oref as package
from oref0.cases import case
from oref0.controller import Conditions

CASES = 1500
FOLDER = Path(package.__file__).parent
# Their inputs are readings, doses and carbs: test_oracle_insulin.py and test_oracle_meal.py.
APART = {"glucose.py", "insulin.py", "meal.py", "__init__.py"}
NOT_REACHED = {
    ("decide.py", "_small_bolus", "isnan(required)", True): "only carbs announced for two hours ahead, with a COB line",
}


@contextmanager
def noted(conditions: Conditions) -> Iterator[None]:
    """While this holds, the oracle's section 14 is that with its conditions noted."""

    class Loader(SourceFileLoader):
        def get_code(self, fullname):
            return self.source_to_code(Path(self.path).read_bytes(), self.path)

        def source_to_code(self, data, path, **_):
            return conditions.compile(bytes(data), str(path))

        def exec_module(self, module):
            module._reached = conditions.reached
            super().exec_module(module)

    class Finder:
        @staticmethod
        def find_spec(name, path=None, target=None):
            if not name.startswith(package.__name__ + "."):
                return None
            file = FOLDER / (name.rpartition(".")[2] + ".py")
            return spec_from_file_location(name, file, loader=Loader(name, str(file)))

    # Importing a module also puts it into the package, over a function of its name.
    offered = dict(vars(package))
    held = {name: sys.modules.pop(name) for name in list(sys.modules) if name.startswith(package.__name__ + ".")}
    sys.meta_path.insert(0, Finder)
    try:
        yield
    finally:
        sys.meta_path.remove(Finder)
        sys.modules.update(held)
        vars(package).update(offered)


def test_every_condition_is_reached_both_ways_but_those_listed():
    conditions = Conditions()
    reader = "oref0.oracle_reading"
    held = sys.modules.pop(reader, None)
    with noted(conditions):
        names = ("aim", "inputs", "decide")
        modules = {name: importlib.import_module(f"{package.__name__}.{name}") for name in names}
        reading = importlib.import_module(reader)
        reading.FlatCgm = modules["inputs"].FlatCgm
        for name in ("GlucoseStatus", "Inputs", "InsulinPoint", "LastTbr", "Meal", "RunningTbr", "Settings"):
            setattr(reading, name, getattr(modules["inputs"], name))
        for seed in range(CASES):
            how = ("detected", "detected", "detected", "told", "ignored")[seed % 5]
            asked = case(seed) | {"flatBGsDetected": seed % 2 == 0}
            inputs = reading.inputs_of(asked, how, seed % 4 == 0)
            decision = modules["decide"].decide(inputs)
            if seed % 10 == 0:
                # An aim that is told is the one that would have been found (D-1111).
                told = modules["decide"].decide(inputs, modules["aim"].aim_of(inputs))
                assert (told.rule, told.tbr, told.small_bolus) == (decision.rule, decision.tbr, decision.small_bolus)
            # Lines are worked out when somebody looks.
            if decision.forecast is not None:
                assert len(decision.forecast.iob_line) <= 48 >= len(decision.forecast.zero_temp_line)
    if held is not None:
        sys.modules[reader] = held
    files = {path.name for path in FOLDER.glob("*.py")} - APART
    known = {condition for condition in conditions.known if condition[0] in files}
    missing = {one for one in conditions.missing() if one[0] in files}
    print(f"{2 * len(known)} outcomes of conditions, {len(missing)} not reached")
    assert missing == NOT_REACHED.keys()
