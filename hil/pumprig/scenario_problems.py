"""What is wrong with a scenario, as one line for each mistake: `file.toml:LINE: field: message`."""

from __future__ import annotations

import difflib
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from pumprig.scenario_parts import START_ALLOWED, seconds_problem
from pumprig.scenario_values import FieldProblem
from pumprig.toml_lines import Lines, Location

__all__ = ["ARGUMENTS", "line_of", "problems_of", "toml_problem"]

ARGUMENTS = "arguments"
"""What stands for the file where a command line gives the values."""
_OPTIONS = {name: name for name in ("controller", "seed", "hours", "start", "date_order")}
_OPTIONS |= {"patient.name": "patient", "patient.meals": "meals", "pump_profile": "pump", "cgm_profile": "cgm"}


def line_of(file: str, lines: Lines | None, location: Location, message: str) -> str:
    """One line for a mistake at a place: the option where a command line gave it, else `file:line: field: message`."""
    where = f"{file}:{lines.line_of(location)}" if lines else file
    field = ".".join(str(part + 1 if isinstance(part, int) else part) for part in location)
    if file == ARGUMENTS and field in _OPTIONS:
        return f"--{_OPTIONS[field].replace('_', '-')}: {message}"
    return f"{where}: {field}: {message}" if field else f"{where}: {message}"


def toml_problem(file: str, message: str, text: str) -> str:
    """The line for a text that is no TOML, from what its reader says."""
    what, _, place = message.rpartition(" (at ")
    if place.startswith("line "):
        return f"{file}:{place.split()[1].strip(',')}: this is no TOML: {what}"
    return f"{file}:{text.count(chr(10)) + 1}: this is no TOML: {what or message}"


def problems_of(
    error: ValidationError, raw: dict[str, Any], file: str, lines: Lines | None, model: type[BaseModel]
) -> list[str]:
    """One line for each mistake that a model found, in the order of the file.

    Args:
        error: what the model says.
        raw: the values it was given.
        file: name for messages.
        lines: the lines of the file; None where there is none.
        model: the model, whose fields say what is allowed.
    """
    found: list[tuple[int, str]] = []
    for details in error.errors(include_url=False):
        location = _location(details, raw)
        number = lines.line_of(location) if lines else 0
        found.append((number, line_of(file, lines, location, _message(details, model))))
        if details["type"].startswith("union_tag") and isinstance(details["input"], dict):
            found += _time_of_unknown_kind(details["input"], location, file, lines)
    return list(dict.fromkeys(text for _, text in sorted(found, key=lambda item: item[0])))


# Without a known kind pydantic looks at no other field of that command or fault.
def _time_of_unknown_kind(
    item: dict[str, Any], location: Location, file: str, lines: Lines | None
) -> list[tuple[int, str]]:
    place = (*location, "at")
    message = seconds_problem(item["at"]) if "at" in item else "is missing"
    return [(lines.line_of(place) if lines else 0, line_of(file, lines, place, message))] if message else []


# What is wrong with a whole command or fault is told at its table, or at the field that it is about.
def _location(details: ErrorDetails, raw: dict[str, Any]) -> Location:
    place = details["loc"]
    if details["type"] != "value_error" or not isinstance(details["input"], dict):
        return _without_tags(place, raw)
    found = _without_tags((*place, ""), raw)[:-1]
    problem = details["ctx"]["error"]
    return (*found, problem.field) if isinstance(problem, FieldProblem) else found


# pydantic puts the kind of a command, and the branch of a choice of types, into a location. The file knows neither.
def _without_tags(location: tuple[int | str, ...], raw: Any) -> Location:
    kept: list[str | int] = []
    value: Any = raw
    for index, part in enumerate(location):
        is_last = index == len(location) - 1
        if isinstance(value, dict) and (part in value or (is_last and isinstance(part, str))):
            value = value.get(part)
            kept.append(part)
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            value = value[part]
            kept.append(part)
    return tuple(kept)


def _message(details: ErrorDetails, model: type[BaseModel]) -> str:
    kind, context = details["type"], details.get("ctx", {})
    name = str(details["loc"][-1]) if details["loc"] else ""
    if kind == "missing":
        return "is missing"
    if kind == "extra_forbidden":
        near = _nearest(name, details["loc"], model)
        return "unknown field" + (f"; do you mean {near}?" if near else "")
    if kind == "union_tag_invalid":
        return f"unknown kind {context['tag']!r}; allowed: {str(context['expected_tags']).replace(chr(39), '')}"
    if kind == "union_tag_not_found":
        return "kind is missing"
    if kind == "value_error":
        return str(context["error"])
    if details["loc"][:1] == ("start",):
        return START_ALLOWED
    return _plain_message(details, name, model)


# What pydantic says of types and limits, as somebody says it who writes TOML and knows no type of Python.
def _plain_message(details: ErrorDetails, name: str, model: type[BaseModel]) -> str:
    kind, context = details["type"], details.get("ctx", {})
    allowed = _allowed_range(name, details["loc"], model)
    unquoted = ", without quotes" if isinstance(details["input"], str) else ""
    if kind.startswith(("greater_than", "less_than")):
        return "must be" + (allowed or f" at least {context.get('ge', 0)}")
    if kind == "literal_error":
        return f"must be {context['expected']}"
    if kind in ("too_short", "too_long"):
        bound = f"at least {context['min_length']}" if kind == "too_short" else f"at most {context['max_length']}"
        return f"must hold {bound}, not {context['actual_length']}"
    return {
        "int_type": f"must be a whole number{allowed}{unquoted}",
        "int_from_float": f"must be a whole number{allowed}",
        "float_type": f"must be a number{allowed}{unquoted}",
        "finite_number": f"must be a number{allowed}",
        "bool_type": f"must be true or false{unquoted}",
        "string_type": "must be text in quotes",
        "string_too_short": "must not be empty",
        "string_too_long": f"must have at most {context.get('max_length')} characters",
        "list_type": "must be a list",
        "dict_type": "must be a table of fields",
        "model_type": "must be a table of fields",
        "model_attributes_type": "must be a table of fields",
        "datetime_type": f"must be a local time such as 2026-03-04T06:00:00{unquoted}",
    }.get(kind, details["msg"][:1].lower() + details["msg"][1:])


# The fields of each part of a scenario; those of the kinds that a location names come first.
def _parts(location: tuple[int | str, ...], model: type[BaseModel]) -> list[dict[str, dict[str, Any]]]:
    schema = model.model_json_schema(by_alias=True)
    parts = [schema.get("properties", {}), *(part.get("properties", {}) for part in schema.get("$defs", {}).values())]
    # A table of its own, such as [guardrails], has names that others have, too.
    own = [
        schema["$defs"][str(at["$ref"]).rpartition("/")[2]].get("properties", {})
        for at in (schema.get("properties", {}).get(part, {}) for part in location[:1])
        if "$ref" in at
    ]
    parts.sort(key=lambda part: part.get("kind", {}).get("const") not in location)
    return own + parts


def _nearest(name: str, location: tuple[int | str, ...], model: type[BaseModel]) -> str:
    for part in _parts(location, model):
        near = difflib.get_close_matches(name, part, n=1)
        if near and part.get("kind", {}).get("const") in location:
            return near[0]
    # A field of that very name elsewhere is no help here.
    names = sorted({one for part in _parts(location, model) for one in part} - {name})
    return next(iter(difflib.get_close_matches(name, names, n=1)), "")


# The schema says `gt` and `le` where a value is converted.
def _allowed_range(name: str, location: tuple[int | str, ...], model: type[BaseModel]) -> str:
    for part in _parts(location, model):
        field = part.get(name, {})
        for branch in (field, *field.get("anyOf", ())):
            if "maximum" in branch:
                return f" from {branch['minimum']} to {branch['maximum']}"
            if "le" in branch:
                return f" more than {branch['gt']} and at most {branch['le']}"
    return ""
