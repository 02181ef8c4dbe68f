"""JSON Schemas of values: property types, and what their rules say."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from ..types import Array, PropertyType, String
from ..validation import Format, Inclusion, Length, Numericality, Range, Rule

JsonSchema = dict[str, Any]

_UNTRUE_OF_BLANKS = ("minLength", "minItems", "pattern")
#: What RE2 and Python know in a pattern and JSON Schema's ECMA 262 does not.
_FOREIGN = re.compile(r"\(\?(?!:)|\\[AZzpPQECa]|\[\[:")


def nullable(schema: JsonSchema) -> JsonSchema:
    """The same schema with null as a further value."""
    if "anyOf" in schema:
        return {**schema, "anyOf": [*schema["anyOf"], {"type": "null"}]}
    if "$ref" in schema:
        return {"anyOf": [schema, {"type": "null"}]}
    if "type" not in schema or schema["type"] == "null":
        return schema
    widened = {**schema, "type": [schema["type"], "null"]}
    if "enum" in widened:
        widened["enum"] = [*widened["enum"], None]
    return widened


def constraints(
    kind: PropertyType, rules: Sequence[Rule], type_: Any, *, of_answers: bool = False
) -> JsonSchema:
    """What the rules of a property say, as far as JSON Schema has words for it.

    :param kind: the property's type.
    :param rules: its rules.
    :param type_: the JSON Schema ``type`` of the property's values.
    :param of_answers: whether it has to hold for all that may be stored, also for the blank values
        that most rules let pass.
    """
    said = _said(kind, rules, type_)
    blank: Any
    if isinstance(kind, String):
        blank, least = "", "minLength"
    elif isinstance(kind, Array):
        blank, least = [], "minItems"
    else:
        return said
    if refuses(rules, blank):
        return said if "enum" in said else {least: 1, **said}
    untrue = _UNTRUE_OF_BLANKS if of_answers else ()
    return {key: value for key, value in said.items() if key not in untrue}


def _said(kind: PropertyType, rules: Iterable[Rule], type_: Any) -> JsonSchema:
    said: JsonSchema = {}
    for rule in rules:
        if isinstance(rule, Length):
            said.update(_length(kind, rule))
        elif isinstance(rule, Range) and type_ in ("integer", "number"):
            said.update(_bounds("minimum", rule.min, "maximum", rule.max))
        elif isinstance(rule, Inclusion):
            said["enum"] = [kind.dump(value) for value in rule.values if value is not None]
        elif isinstance(rule, Format):
            said["x-pattern" if _FOREIGN.search(rule.pattern) else "pattern"] = rule.pattern
        elif isinstance(rule, Numericality) and rule.whole:
            said["type"] = "integer"
    return said


def refuses(rules: Iterable[Rule], value: Any) -> bool:
    """Whether a blank value breaks one of the rules."""
    return any(rule.problem(value) is not None for rule in rules)


def _length(kind: PropertyType, rule: Length) -> JsonSchema:
    if not isinstance(kind, String | Array):
        return {}
    what = "Items" if isinstance(kind, Array) else "Length"
    if rule.is_ is not None:
        return {f"min{what}": rule.is_, f"max{what}": rule.is_}
    return _bounds(f"min{what}", rule.min, f"max{what}", rule.max)


def _bounds(least: str, min: Any, most: str, max: Any) -> JsonSchema:
    return {key: value for key, value in ((least, min), (most, max)) if value is not None}
