"""Validation rules: LoopBack's validators, as Marshmallow validators that know their codes.

A rule looks at one property. Its ``__call__`` is what Marshmallow runs on the value alone; a
:class:`Validator` runs all rules of a model on a whole record, with ``if_`` and ``unless``, custom
functions and uniqueness, which need more than the value.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from numbers import Number
from typing import Any, ClassVar

from marshmallow import ValidationError as SchemaError
from marshmallow.validate import Validator as SchemaValidator

from .definition import Embedded, ModelDefinition, Property
from .errors import DefinitionError, Failure
from .query import Pattern
from .query.patterns import BadPattern, searcher
from .schema import Message
from .types import Array

Record = Mapping[str, Any]
#: A property's name, or a function of the instance.
Condition = str | Callable[[Any], Any]


def is_blank(value: Any) -> bool:
    """Whether a value counts as not given: null, ``""``, ``[]`` and NaN do, 0 and false do not."""
    return value is None or value in ("", []) or value != value  # noqa: PLR0124 - NaN is blank


class Rule(SchemaValidator):
    """One rule for one property.

    :param property: the property's Python name.
    :param message: the message, or messages by kind: ``{"min": "too short"}``.
    :param if_: the rule holds only where this property is true, or this function of the instance.
    :param unless: the rule holds only where it is not.
    :param allow_null: whether null passes.
    """

    code = ""
    messages: ClassVar[Mapping[str, str]] = {}
    #: Whether null and blank pass where nothing else is said.
    passes_blank = True

    def __init__(
        self,
        property: str,
        *,
        message: str | Mapping[str, str] | None = None,
        if_: Condition | None = None,
        unless: Condition | None = None,
        allow_null: bool | None = None,
    ) -> None:
        self.property = property
        self.message = message
        self.if_ = if_
        self.unless = unless
        self.allow_null = self.passes_blank if allow_null is None else allow_null

    def __call__(self, value: Any) -> Any:
        problem = self.problem(value)
        if problem is not None and self.if_ is None and self.unless is None:
            raise SchemaError([problem])
        return value

    def problem(self, value: Any) -> Message | None:
        """Say what is wrong with a value, or None."""
        if is_blank(value) and self.allow_null:
            return None
        kind = self.broken(value)
        return None if kind is None else self.make_message(kind)

    def broken(self, value: Any) -> str | None:
        """The kind of the rule that a value breaks, or None; ``""`` where there is but one."""
        raise NotImplementedError

    def make_message(self, kind: str) -> Message:
        code = f"{self.code}.{kind}" if kind else self.code
        if isinstance(self.message, str):
            return Message(self.message, code)
        own = (self.message or {}).get(kind or self.code)
        return Message(own or self.default_message(kind), code)

    def default_message(self, kind: str) -> str:
        return self.messages[kind]

    def applies(self, subject: Any) -> bool:
        """Whether ``if_`` and ``unless`` let the rule hold for an instance."""
        if self.if_ is not None and not _holds(self.if_, subject):
            return False
        return self.unless is None or not _holds(self.unless, subject)

    @property
    def needs_instance(self) -> bool:
        return self.if_ is not None or self.unless is not None

    @property
    def unique_key(self) -> tuple[str, ...]:
        """The properties over which a unique index holds the rule, or none."""
        return ()


def _holds(condition: Condition, subject: Any) -> bool:
    if isinstance(condition, str):
        value = getattr(subject, condition)
        return bool(value() if callable(value) else value)
    return bool(condition(subject))


class Presence(Rule):
    """The value must not be blank."""

    code = "presence"
    messages: ClassVar[Mapping[str, str]] = {"": "can't be blank"}
    passes_blank = False

    def broken(self, value: Any) -> str | None:
        return "" if is_blank(value) else None


class Absence(Rule):
    """The value must be blank."""

    code = "absence"
    messages: ClassVar[Mapping[str, str]] = {"": "can't be set"}

    def broken(self, value: Any) -> str | None:
        return None if is_blank(value) else ""


class Length(Rule):
    """The length of a text or list must be within bounds; blank passes.

    :param min: the least length.
    :param max: the greatest length.
    :param is_: the only length.
    """

    code = "length"
    messages: ClassVar[Mapping[str, str]] = {
        "min": "too short",
        "max": "too long",
        "is": "length is wrong",
    }

    def __init__(
        self,
        property: str,
        *,
        min: int | None = None,
        max: int | None = None,
        is_: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__(property, **options)
        if min is None and max is None and is_ is None:
            raise DefinitionError("a length needs min, max or is_")
        self.min, self.max, self.is_ = min, max, is_

    def broken(self, value: Any) -> str | None:
        if is_blank(value) or not hasattr(value, "__len__"):
            return None
        length = len(value)
        if self.min is not None and length < self.min:
            return "min"
        if self.max is not None and length > self.max:
            return "max"
        return "is" if self.is_ is not None and length != self.is_ else None


class Range(Rule):
    """The value must be within bounds.

    :param min: the least value.
    :param max: the greatest value.
    """

    code = "range"

    def __init__(self, property: str, *, min: Any = None, max: Any = None, **options: Any) -> None:
        super().__init__(property, **options)
        self.min, self.max = min, max

    def broken(self, value: Any) -> str | None:
        if value is None:
            return None
        if self.min is not None and value < self.min:
            return "min"
        return "max" if self.max is not None and value > self.max else None

    def default_message(self, kind: str) -> str:
        bound = self.min if kind == "min" else self.max
        return f"must be at {'least' if kind == 'min' else 'most'} {bound}"


class Inclusion(Rule):
    """The value must be one of a list; null does not pass unless ``allow_null``."""

    code = "inclusion"
    messages: ClassVar[Mapping[str, str]] = {"": "is not included in the list", "blank": "is blank"}
    passes_blank = False

    def __init__(self, property: str, *, in_: Iterable[Any], **options: Any) -> None:
        super().__init__(property, **options)
        self.values = tuple(in_)

    def broken(self, value: Any) -> str | None:
        if value in self.values:
            return None
        return "blank" if is_blank(value) else ""


class Exclusion(Rule):
    """The value must be none of a list; blank passes."""

    code = "exclusion"
    messages: ClassVar[Mapping[str, str]] = {"": "is reserved"}

    def __init__(self, property: str, *, in_: Iterable[Any], **options: Any) -> None:
        super().__init__(property, **options)
        self.values = tuple(in_)

    def broken(self, value: Any) -> str | None:
        return "" if value in self.values else None


class Numericality(Rule):
    """The value must be a number; null does not pass unless ``allow_null``.

    :param int: whether it must be whole.
    """

    code = "numericality"
    messages: ClassVar[Mapping[str, str]] = {
        "number": "is not a number",
        "int": "is not an integer",
        "blank": "is blank",
    }
    passes_blank = False

    def __init__(self, property: str, *, int: bool = False, **options: Any) -> None:
        super().__init__(property, **options)
        self.int = int

    def broken(self, value: Any) -> str | None:
        if is_blank(value):
            return "blank"
        if isinstance(value, bool) or not _is_number(value):
            return "number"
        return "int" if self.int and value != math.floor(value) else None


def _is_number(value: Any) -> bool:
    return isinstance(value, Number | Decimal)


class Format(Rule):
    """A regular expression must be found in the text; blank passes.

    :param with_: a pattern in RE2's syntax, or a compiled one of :mod:`re`.
    """

    code = "format"
    messages: ClassVar[Mapping[str, str]] = {"": "is invalid"}

    def __init__(self, property: str, *, with_: str | re.Pattern[str], **options: Any) -> None:
        super().__init__(property, **options)
        self.pattern = with_ if isinstance(with_, str) else with_.pattern
        self.found = _finder(with_)

    def broken(self, value: Any) -> str | None:
        if is_blank(value):
            return None
        return None if self.found(str(value)) else ""


def _finder(pattern: str | re.Pattern[str]) -> Callable[[str], bool]:
    if isinstance(pattern, re.Pattern):
        return lambda text: pattern.search(text) is not None
    try:
        return searcher("regexp", Pattern(pattern))
    except BadPattern as error:
        raise DefinitionError(f"the pattern {pattern!r} {error}") from None


class Uniqueness(Rule):
    """No other record has the same value; null passes.

    :param scoped_to: further properties that must be the same for two records to collide.
    :param ignore_case: whether texts that differ in case only are the same.
    """

    code = "uniqueness"
    messages: ClassVar[Mapping[str, str]] = {"": "is not unique"}

    def __init__(
        self,
        property: str,
        *,
        scoped_to: Sequence[str] = (),
        ignore_case: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(property, **options)
        self.scoped_to = tuple(scoped_to)
        self.ignore_case = ignore_case

    def broken(self, value: Any) -> str | None:
        return None

    @property
    def unique_key(self) -> tuple[str, ...]:
        if self.ignore_case or self.needs_instance:
            return ()
        return (self.property, *self.scoped_to)

    def where(self, record: Record) -> dict[str, Any] | None:
        """What the records that collide with this one match, or None where none can."""
        value = record.get(self.property)
        if value is None:
            return None
        same: Any = {"eq": value}
        if self.ignore_case and isinstance(value, str):
            same = {"ilike": re.sub(r"([\\%_])", r"\\\1", value)}
        return {self.property: same, **{name: record.get(name) for name in self.scoped_to}}


class Custom(Rule):
    """A function of the instance decides.

    :param function: called with the instance; False, a message or a ValueError is a failure.
    """

    code = "custom"
    messages: ClassVar[Mapping[str, str]] = {"": "is invalid"}

    def __init__(
        self, property: str, function: Callable[[Any], Any], *, code: str = "custom", **options: Any
    ) -> None:
        super().__init__(property, **options)
        self.function = function
        self.code = code

    def broken(self, value: Any) -> str | None:
        return None

    def judge(self, subject: Any) -> Message | None:
        try:
            verdict = self.function(subject)
        except ValueError as error:
            return Message(self.message if isinstance(self.message, str) else str(error), self.code)
        if isinstance(verdict, str):
            return Message(verdict, self.code)
        return self.make_message("") if verdict is False else None

    @property
    def needs_instance(self) -> bool:
        return True


def constraint_rules(property_: Property) -> list[Rule]:
    """The rules that a property's own keys stand for: ``required``, ``min``, ``enum`` and so on."""
    name, given = property_.name, property_.constraints
    rules: list[Rule] = []
    if property_.required:
        rules.append(Presence(name))
    if "min_length" in given or "max_length" in given:
        rules.append(Length(name, min=given.get("min_length"), max=given.get("max_length")))
    if "min" in given or "max" in given:
        bounds = {key: property_.type.load(given[key]) for key in ("min", "max") if key in given}
        rules.append(Range(name, **bounds))
    if "pattern" in given:
        rules.append(Format(name, with_=given["pattern"]))
    if "enum" in given:
        rules.append(Inclusion(name, in_=given["enum"], allow_null=True))
    if property_.unique:
        rules.append(Uniqueness(name))
    return rules


class Validator:
    """All rules of a model, as they stand at one version of its definition.

    :param definition: the model.
    """

    def __init__(self, definition: ModelDefinition) -> None:
        self.definition = definition
        own = [
            rule
            for property_ in definition.properties.values()
            for rule in constraint_rules(property_)
        ]
        self.rules: list[Rule] = [*own, *definition.rules]
        self._plain = [rule for rule in self.rules if _looks_at_value_only(rule)]
        self._others = [rule for rule in self.rules if not _looks_at_value_only(rule)]
        self._nested = {
            property_.name: Validator(kind.definition)
            for property_ in definition.properties.values()
            if isinstance(kind := _item_type(property_), Embedded)
            and kind.definition is not definition
        }

    def by_property(self) -> dict[str, list[Rule]]:
        """The rules that look at the value alone, for the fields of the Marshmallow schema."""
        grouped: dict[str, list[Rule]] = {}
        for rule in self._plain:
            grouped.setdefault(rule.property, []).append(rule)
        return grouped

    def check(
        self,
        record: Record,
        *,
        subject: Callable[[], Any],
        is_taken: Callable[[dict[str, Any]], bool],
        only: Iterable[str] | None = None,
        skip: Iterable[str] = (),
    ) -> list[Failure]:
        """Run the rules on a record.

        :param record: by Python names.
        :param subject: gives the instance, for rules that need one.
        :param is_taken: whether another record matches a where, for uniqueness.
        :param only: the properties whose rules run, or None for all.
        :param skip: properties that failed already and have no value to look at.
        """
        wanted = set(record if only is None else only) - set(skip)
        if only is None:
            wanted |= {rule.property for rule in self.rules} - set(skip)
        failures = [
            Failure((rule.property,), message.code, message)
            for rule in self._plain
            if rule.property in wanted and (message := rule.problem(record.get(rule.property)))
        ]
        failures.extend(
            Failure((rule.property,), message.code, message)
            for rule in self._others
            if rule.property in wanted and (message := _judge(rule, record, subject, is_taken))
        )
        for name, nested in self._nested.items():
            if name in wanted:
                failures.extend(nested._check_embedded(name, record.get(name)))
        return failures

    def _check_embedded(self, name: str, value: Any) -> Iterable[Failure]:
        if isinstance(value, list):
            for index, item in enumerate(value):
                for failure in self._check_value(item):
                    yield Failure((name, index, *failure.path), failure.code, failure.message)
        elif value is not None:
            for failure in self._check_value(value):
                yield Failure((name, *failure.path), failure.code, failure.message)

    def _check_value(self, value: Record) -> list[Failure]:
        return self.check(value, subject=lambda: value, is_taken=lambda where: False)


def _looks_at_value_only(rule: Rule) -> bool:
    return not (rule.needs_instance or isinstance(rule, Uniqueness))


def _item_type(property_: Property) -> Any:
    return property_.type.item if isinstance(property_.type, Array) else property_.type


def _judge(
    rule: Rule,
    record: Record,
    subject: Callable[[], Any],
    is_taken: Callable[[dict[str, Any]], bool],
) -> Message | None:
    if rule.needs_instance and not rule.applies(subject()):
        return None
    if isinstance(rule, Custom):
        return rule.judge(subject())
    if isinstance(rule, Uniqueness):
        where = rule.where(record)
        return rule.make_message("") if where is not None and is_taken(where) else None
    return rule.problem(record.get(rule.property))


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
        for name in properties:
            found = cls.definition.find(name)
            if found is None:
                raise DefinitionError(f"{cls.definition.name} has no property {name!r}")
            cls.definition.rules.append(make(found.name, **spelled))
        cls.definition.changed()


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
