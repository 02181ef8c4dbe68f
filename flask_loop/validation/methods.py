"""The ``validates_…`` class methods of models."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ..definition import ModelDefinition
from ..errors import DefinitionError
from .rules import (
    Absence,
    Custom,
    Exclusion,
    Format,
    Inclusion,
    Length,
    Numericality,
    Presence,
    Rule,
    Uniqueness,
    property_name,
)


class ValidationMethods:
    """The ``validates_…`` class methods that models have.

    Each takes the names of properties and, by keyword, ``message``, ``if_``, ``unless`` and
    ``allow_null``; see :class:`Rule`.
    """

    definition: ModelDefinition

    @classmethod
    def validates_presence_of(cls, *properties: str, **options: Any) -> None:
        """Refuse blank values of each property: null, ``""``, ``[]``."""
        cls._add_rules(Presence, properties, options)

    @classmethod
    def validates_absence_of(cls, *properties: str, **options: Any) -> None:
        """Refuse values that are not blank."""
        cls._add_rules(Absence, properties, options)

    @classmethod
    def validates_length_of(cls, *properties: str, **options: Any) -> None:
        """Hold the length of texts and lists within ``min`` and ``max``, or to ``is_``."""
        cls._add_rules(Length, properties, options)

    @classmethod
    def validates_inclusion_of(cls, *properties: str, **options: Any) -> None:
        """Refuse values that are not in the list ``in_``."""
        cls._add_rules(Inclusion, properties, options)

    @classmethod
    def validates_exclusion_of(cls, *properties: str, **options: Any) -> None:
        """Refuse values that are in the list ``in_``."""
        cls._add_rules(Exclusion, properties, options)

    @classmethod
    def validates_numericality_of(cls, *properties: str, **options: Any) -> None:
        """Refuse values that are no numbers or, with ``int=True``, not whole."""
        cls._add_rules(Numericality, properties, options)

    @classmethod
    def validates_format_of(cls, *properties: str, **options: Any) -> None:
        """Refuse texts in which the regular expression ``with_`` is not found."""
        cls._add_rules(Format, properties, options)

    validates_format = validates_format_of

    @classmethod
    def validates_uniqueness_of(cls, *properties: str, **options: Any) -> None:
        """Refuse a value that another record has; ``scoped_to`` says what else must be the same."""
        cls._add_rules(Uniqueness, properties, options)

    @classmethod
    def validate(cls, property: str, function: Callable[[Any], Any], **options: Any) -> None:
        """Let a function of the instance decide.

        :param property: the property that the failure is reported for.
        :param function: called with the instance; False, a message, or a ValueError is a failure.
        """
        cls._add_rules(lambda name, **given: Custom(name, function, **given), [property], options)

    @classmethod
    def _add_rules(
        cls, make: Callable[..., Rule], properties: Sequence[str], options: dict[str, Any]
    ) -> None:
        spelled = {_PYTHON_SPELLING.get(key, key): value for key, value in options.items()}
        if not properties:
            raise TypeError("name the properties that the rule is for")
        definition = cls.definition
        rules = [make(property_name(definition, name), **spelled) for name in properties]
        for rule in rules:
            _refuse_unknown_conditions(cls, rule)
            rule.prepare(definition)
        for model in _with_subclasses(cls):
            known = {id(rule) for rule in model.definition.rules}
            model.definition.rules.extend(rule for rule in rules if id(rule) not in known)
            model.definition.changed()


def _refuse_unknown_conditions(model: Any, rule: Rule) -> None:
    for name in (rule.if_, rule.unless):
        is_known = not isinstance(name, str) or hasattr(model, name)
        if not is_known:
            raise DefinitionError(
                f"the {rule.code} of {rule.property}: {model.definition.name} has neither a "
                f"property nor a method {name!r}"
            )


def _with_subclasses(model: Any) -> Iterator[Any]:
    """A model and those that were derived from it and are defined already."""
    yield model
    for derived in model.__subclasses__():
        if derived._definition is not None:
            yield from _with_subclasses(derived)


#: LoopBack's spellings of options, which a dict can carry: ``**{"in": [...]}``.
_PYTHON_SPELLING = {
    "in": "in_",
    "is": "is_",
    "with": "with_",
    "if": "if_",
    "allowNull": "allow_null",
    "scopedTo": "scoped_to",
    "ignoreCase": "ignore_case",
}
