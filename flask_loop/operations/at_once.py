"""AtOnce: changes to one record in one statement, where nothing has to look at the record before.

The whole record must be valid when it is changed. What is changed is known; of the rest a where
says it, so that a record that is not valid is not found, and nothing is changed.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from functools import lru_cache
from itertools import chain
from typing import Any

from ..definition import ModelDefinition, Property
from ..query import EVERYTHING, And, Compare, Not, Or, Path, Pattern, Where, equality
from ..query.patterns import MAX_PATTERN
from ..types import DecimalNumber, Integer, Number, String
from ..validation import Length, Presence, Range, Rule, Validator

#: The most sets of properties that are changed together whose wheres are kept of one model.
KEPT_WHERES = 100


class AtOnce:
    """What wheres say of the rules of one model.

    :param definition: the model.
    :param validator: its rules, all of which look at one value alone.
    """

    def __init__(self, definition: ModelDefinition, validator: Validator) -> None:
        self.definition = definition
        self._wheres: dict[str, list[Where]] = {}
        self._known = lru_cache(KEPT_WHERES)(self._where)
        #: The properties of which no where says whether they are valid.
        self._unsaid = set(definition.embedded)
        for rule in validator.rules:
            kept = keeping(rule, definition.properties[rule.property])
            if kept is None:
                self._unsaid.add(rule.property)
            else:
                self._wheres.setdefault(rule.property, []).extend(kept)

    def where(self, changed: Iterable[str], *, validate: bool) -> Where | None:
        """What a record matches that is valid beside what is changed of it.

        :returns: the same object for the same properties; None where no where says that.
        """
        if not validate:
            return EVERYTHING
        names = frozenset(changed)
        if not self._unsaid <= names:
            return None
        return self._known(names)

    def _where(self, changed: Container[str]) -> Where:
        kept = (wheres for name, wheres in self._wheres.items() if name not in changed)
        return And(tuple(chain.from_iterable(kept)))


def keeping(rule: Rule, property_: Property) -> list[Where] | None:
    """What values match that surely keep a rule, or None where no where says it."""
    if rule.allow_null is not None or rule.needs_instance:
        return None
    kind = property_.type
    if type(rule) is Presence and isinstance(kind, String | Number | Integer | DecimalNumber):
        blank = [None, ""] if isinstance(kind, String) else [None]
        return [Not(equality(property_, each)) for each in blank]
    if type(rule) is Range and isinstance(kind, Number | Integer | DecimalNumber):
        bounds = {"gte": rule.min, "lte": rule.max}
        return [
            _null_or(property_, operator, bound)
            for operator, bound in bounds.items()
            if bound is not None
        ]
    if type(rule) is Length and isinstance(kind, String) and rule.is_ is None:
        return _of_length(rule, property_)
    return None


def _of_length(rule: Length, property_: Property) -> list[Where] | None:
    least, most = rule.min or 0, rule.max
    if max(least, most or 0) + 2 > MAX_PATTERN:
        return None
    found: list[Where] = []
    if least:
        blank = equality(property_, "")
        found.append(Or((blank, _null_or(property_, "like", Pattern("_" * least + "%")))))
    if most is not None:
        longer = Pattern("_" * (most + 1) + "%")
        found.append(Not(Compare(Path(property_, (), property_.type), "like", longer)))
    return found


def _null_or(property_: Property, operator: str, operand: Any) -> Where:
    compared = Compare(Path(property_, (), property_.type), operator, operand)
    return Or((equality(property_, None), compared)) if property_.nullable else compared
