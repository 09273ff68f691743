"""The reference of the scenario file.

Goal: hil/SCENARIOS.md names every field, kind, word and limit that a scenario may hold, and its example loads as it is.
Method: the schema of the scenario's model, which knows all of them, is held against the tables of the document.
"""

import re
from pathlib import Path

import pytest

from pumprig.scenario import Scenario, demo_scenario_path

DOCUMENT = Path(__file__).resolve().parents[2] / "hil" / "SCENARIOS.md"
TEXT = DOCUMENT.read_text(encoding="utf-8")
SCHEMA = Scenario.model_json_schema(by_alias=True)
PARTS = {"Scenario": SCHEMA, **SCHEMA["$defs"]}


def kinds(table: str) -> dict[str, dict]:
    mapping = SCHEMA["properties"][table]["items"]["discriminator"]["mapping"]
    return {kind: PARTS[reference.rpartition("/")[2]] for kind, reference in mapping.items()}


def section(heading: str) -> str:
    return TEXT.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]


def words(schema: object) -> set[str]:
    if isinstance(schema, dict):
        return set(schema.get("enum", ())) | {word for value in schema.values() for word in words(value)}
    return {word for item in schema for word in words(item)} if isinstance(schema, list) else set()


def limits(schema: dict) -> set[int]:
    return {schema[key] for key in ("minimum", "maximum") if key in schema}


@pytest.mark.parametrize("part", PARTS)
def test_every_field_is_named(part):
    for name in PARTS[part]["properties"]:
        assert f"`{name}`" in TEXT, f"{part}.{name}"


@pytest.mark.parametrize("table", ["command", "fault"])
def test_every_kind_has_its_row_with_its_fields_and_their_limits(table):
    rows = {row.split("`")[1]: row for row in section(f"`[[{table}]]`").splitlines() if row.startswith("| `")}
    assert set(rows) == set(kinds(table))
    for kind, part in kinds(table).items():
        for name, field in part["properties"].items():
            if name not in ("at", "kind"):
                assert f"`{name}`" in rows[kind], f"{kind}.{name}"
                for branch in [field, *field.get("anyOf", [])]:
                    missing = [bound for bound in limits(branch) if str(bound) not in rows[kind]]
                    assert not missing or "as above" in rows[kind], f"{kind}.{name}: {missing}"


def shown(value: object) -> str:
    return f'`"{value}"`' if isinstance(value, str) else str(value).lower()


@pytest.mark.parametrize(
    ("heading", "part"),
    [("`[settings]`", "ControllerSettings"), ("`[oref]`", "OrefSettings"), ("`[guardrails]`", "GuardrailSettings")],
)
def test_every_setting_has_its_limits_and_its_value_when_left_out(heading, part):
    rows = {row.split("`")[1]: row for row in section(heading).splitlines() if row.startswith("| `")}
    assert set(rows) == set(PARTS[part]["properties"])
    for name, field in PARTS[part]["properties"].items():
        bounded = [branch for branch in (field, *field.get("anyOf", ())) if "minimum" in branch]
        wanted = [f"{branch['minimum']} to {branch['maximum']}" for branch in bounded]
        if "0 for none" in rows[name]:
            wanted = [f"to {branch['maximum']}" for branch in bounded]
        if field.get("type") == "boolean":
            wanted = ["true or false"]
        wanted += [shown(word) for word in field.get("enum", ())]
        if field["default"] is not None:
            wanted.append(f"| {shown(field['default'])} |")
        assert all(text in rows[name] for text in wanted), f"{name}: {wanted}"


def test_every_word_that_a_field_allows_is_named():
    for word in words(SCHEMA):
        assert f"`{word}`" in TEXT or f'`"{word}"`' in TEXT, word


def test_the_example_loads():
    [example] = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)
    scenario = Scenario.from_toml(example)
    assert scenario.faults and scenario.commands and scenario.load_trace().samples


def test_the_demonstration_shows_a_fault_that_can_be_switched_on():
    text = demo_scenario_path().read_text(encoding="utf-8")
    commented = re.search(r"# \[\[fault\]\]\n(?:# \w+ = .*\n)+", text)
    assert commented
    switched_on = text.replace(commented[0], commented[0].replace("# ", ""))
    assert len(Scenario.from_toml(switched_on).faults) == 1
