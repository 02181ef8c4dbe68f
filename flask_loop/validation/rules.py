"""Rules: LoopBack's validators, as Marshmallow validators that know their codes.

A rule looks at one property. Its ``__call__`` is what Marshmallow runs on the value alone; what
needs more than the value is run by :class:`~flask_loop.validation.Validator`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, ClassVar

from marshmallow import ValidationError as SchemaError
from marshmallow.validate import Validator as SchemaValidator

from ..definition import ModelDefinition, Property, nearest
from ..errors import DefinitionError
from ..query import And, Pattern, Where, equality
from ..query.patterns import MAX_PATTERN, BadPattern, searcher
from ..query.predicate import plain, same
from ..schema import Message
from ..types import PropertyType, TypeMismatch

Record = Mapping[str, Any]
#: A property's name, or a function of the instance.
Condition = str | Callable[[Any], Any]


_IS_BLANK = "is blank"


def is_blank(value: Any) -> bool:
    """Whether a value counts as not given: null, ``""``, ``[]`` and NaN do, 0 and false do not."""
    return value is None or value in ("", []) or value != value  # noqa: PLR0124 - NaN is blank


class Rule(SchemaValidator):
    """One rule for one property.

    :param property: the property's Python name.
    :param message: the message, or messages by kind: ``{"min": "too short"}``.
    :param if_: the rule holds only where this property is true, or this function of the instance.
    :param unless: the rule holds only where it is not.
    :param allow_null: whether null passes; where not given, rules of which :attr:`passes_blank` is
        true let it pass.
    """

    code = ""
    #: The messages by kind; the kind is ``""`` where there is but one.
    messages: ClassVar[Mapping[str, str]] = {}
    #: Whether null, ``""`` and ``[]`` pass where nothing else is said.
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
        self.allow_null = allow_null
        self._refuse_unknown_kinds()

    def __call__(self, value: Any) -> Any:
        problem = self.problem(value)
        if problem is not None and self.if_ is None and self.unless is None:
            raise SchemaError([problem])
        return value

    def problem(self, value: Any) -> Message | None:
        """Say what is wrong with a value, or None."""
        kind = self.broken_by_blank(value) if is_blank(value) else self.broken(value)
        return None if kind is None else self.make_message(kind)

    def broken(self, value: Any) -> str | None:
        """The kind of the rule that a value breaks, or None; ``""`` where there is but one.

        :param value: a value that is not blank.
        """
        raise NotImplementedError

    def broken_by_blank(self, value: Any) -> str | None:
        """The same for a blank value."""
        passes = self.passes_blank
        if self.allow_null is False or (self.allow_null and value is None):
            passes = self.allow_null
        return None if passes else "blank"

    def prepare(self, definition: ModelDefinition) -> None:
        """Fit what was given to the model's properties.

        :raises DefinitionError: where it does not fit.
        """

    def make_message(self, kind: str) -> Message:
        code = f"{self.code}.{kind}" if kind else self.code
        if isinstance(self.message, str):
            return Message(self.message, code)
        own = (self.message or {}).get(kind or self.code)
        return Message(own or self.default_message(kind), code)

    def default_message(self, kind: str) -> str:
        return _IS_BLANK if kind == "blank" else self.messages[kind]

    def _refuse_unknown_kinds(self) -> None:
        if not isinstance(self.message, Mapping):
            return
        kinds = {self.code, "blank", *filter(None, self.messages)}
        if unknown := set(self.message) - kinds:
            raise DefinitionError(
                f"{self.code} has no message {sorted(unknown)[0]!r}; "
                f"there are {', '.join(sorted(kinds))}"
            )

    def applies(self, subject: Any) -> bool:
        """Whether ``if_`` and ``unless`` let the rule hold for an instance."""
        if self.if_ is not None and not _holds(self.if_, subject):
            return False
        return self.unless is None or not _holds(self.unless, subject)

    @property
    def needs_instance(self) -> bool:
        return self.if_ is not None or self.unless is not None

    @property
    def blank_message(self) -> Message | None:
        """What is said of a value that is not given though null is none, if the rule says it."""
        return None

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
        return None

    def broken_by_blank(self, value: Any) -> str | None:
        return None if super().broken_by_blank(value) is None else ""

    @property
    def blank_message(self) -> Message | None:
        return self.make_message("")


class Absence(Rule):
    """The value must be blank."""

    code = "absence"
    messages: ClassVar[Mapping[str, str]] = {"": "can't be set"}

    def broken(self, value: Any) -> str | None:
        return ""

    def broken_by_blank(self, value: Any) -> str | None:
        return None


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
        if not hasattr(value, "__len__"):
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
    messages: ClassVar[Mapping[str, str]] = {
        "min": "must be at least {bound}",
        "max": "must be at most {bound}",
    }

    def __init__(self, property: str, *, min: Any = None, max: Any = None, **options: Any) -> None:
        super().__init__(property, **options)
        self.min, self.max = min, max

    def broken(self, value: Any) -> str | None:
        if self.min is not None and not _is_ordered(self.min, value):
            return "min"
        return "max" if self.max is not None and not _is_ordered(value, self.max) else None

    def default_message(self, kind: str) -> str:
        bound = self.min if kind == "min" else self.max
        return super().default_message(kind).format(bound=bound)


def _is_ordered(least: Any, most: Any) -> bool:
    """Whether one value is at most another; values of different types are not."""
    if isinstance(least, bool) or isinstance(most, bool):
        return False
    try:
        return bool(least <= most)
    except TypeError:
        return False


class Listed(Rule):
    """A rule that has a list of values.

    :param in_: the values.
    """

    def __init__(self, property: str, *, in_: Iterable[Any], **options: Any) -> None:
        super().__init__(property, **options)
        if isinstance(in_, str | bytes):
            raise DefinitionError(f"in_ is a list of values, not {in_!r}")
        self.values = tuple(in_)

    def prepare(self, definition: ModelDefinition) -> None:
        kind = definition.properties[self.property].type
        self.values = tuple(self._of_type(kind, value) for value in self.values)

    def has(self, value: Any) -> bool:
        """Whether the value is in the list."""
        return any(same(value, each) for each in self.values)

    def _of_type(self, kind: PropertyType, value: Any) -> Any:
        if value is None:
            return None
        try:
            return kind.load(value)
        except TypeMismatch as error:
            raise DefinitionError(
                f"the {self.code} of {self.property}: the value {value!r} {error}"
            ) from None


class Inclusion(Listed):
    """The value must be one of a list; null does not pass unless ``allow_null``."""

    code = "inclusion"
    messages: ClassVar[Mapping[str, str]] = {"": "is not included in the list"}
    passes_blank = False

    def broken(self, value: Any) -> str | None:
        return None if self.has(value) else ""

    def broken_by_blank(self, value: Any) -> str | None:
        return None if self.has(value) else super().broken_by_blank(value)


class Exclusion(Listed):
    """The value must be none of a list; blank passes, unless the list has it."""

    code = "exclusion"
    messages: ClassVar[Mapping[str, str]] = {"": "is reserved"}

    def broken(self, value: Any) -> str | None:
        return "" if self.has(value) else None

    def broken_by_blank(self, value: Any) -> str | None:
        return "" if self.has(value) else super().broken_by_blank(value)


class Numericality(Rule):
    """The value must be a number; null does not pass unless ``allow_null``.

    :param int: whether it must be whole.
    """

    code = "numericality"
    messages: ClassVar[Mapping[str, str]] = {
        "number": "is not a number",
        "int": "is not an integer",
    }
    passes_blank = False

    def __init__(self, property: str, *, int: bool = False, **options: Any) -> None:
        super().__init__(property, **options)
        self.whole = int

    def broken(self, value: Any) -> str | None:
        if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
            return "number"
        return "int" if self.whole and value % 1 else None


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
        value = plain(value)
        if isinstance(value, bool | list | Mapping):
            return ""
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
        scoped_to: str | Sequence[str] = (),
        ignore_case: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(property, **options)
        self.scoped_to = (scoped_to,) if isinstance(scoped_to, str) else tuple(scoped_to)
        self.ignore_case = ignore_case

    def prepare(self, definition: ModelDefinition) -> None:
        self.scoped_to = tuple(property_name(definition, name) for name in self.scoped_to)

    def broken(self, value: Any) -> str | None:
        return None

    @property
    def unique_key(self) -> tuple[str, ...]:
        if self.ignore_case or self.needs_instance:
            return ()
        return (self.property, *self.scoped_to)

    def where(self, record: Record, definition: ModelDefinition) -> Where | None:
        """What the records that collide with this one match, or None where none can."""
        value = record.get(self.property)
        if value is None:
            return None
        properties = definition.properties
        scope = (equality(properties[name], record.get(name)) for name in self.scoped_to)
        return And((self._same_value(properties[self.property], value), *scope))

    def _same_value(self, property_: Property, value: Any) -> Where:
        exact = equality(property_, value)
        if not self.ignore_case or not isinstance(value, str) or len(value) > MAX_PATTERN // 2:
            return exact
        pattern = Pattern(re.sub(r"([\\%_])", r"\\\1", value), ignore_case=True)
        return replace(exact, operator="like", operand=pattern)

    def signature(self, record: Record) -> str | None:
        """A text that two records have in common when they collide, or None where none can."""
        value = record.get(self.property)
        if value is None:
            return None
        if self.ignore_case and isinstance(value, str):
            value = value.lower()
        return repr((value, *(record.get(name) for name in self.scoped_to)))


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

    def broken_by_blank(self, value: Any) -> str | None:
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


def property_name(definition: ModelDefinition, name: str) -> str:
    """The Python name of the property that either of its names means."""
    found = definition.find(name)
    if found is None:
        hint = nearest(str(name), definition.properties)
        raise DefinitionError(f"{definition.name} has no property {name!r}{hint}")
    return found.name
