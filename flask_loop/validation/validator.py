"""Validator: all rules of a model, run on whole records."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from typing import Any

from marshmallow import ValidationError as SchemaError

from ..definition import Embedded, ModelDefinition, Property
from ..errors import Failure
from ..query import Where
from ..schema import Message, spell_path
from ..types import Array, PropertyType
from .rules import Custom, Record, Rule, Uniqueness, constraint_rules


class Validator:
    """All rules of a model, as they stand at one version of its definition.

    :param definition: the model.
    """

    def __init__(self, definition: ModelDefinition) -> None:
        self.definition = definition
        self.version = definition.version
        own = [
            rule
            for property_ in definition.properties.values()
            for rule in constraint_rules(property_)
        ]
        self.rules: list[Rule] = [*own, *definition.rules]
        self.uniqueness = [rule for rule in self.rules if isinstance(rule, Uniqueness)]
        self._plain = [rule for rule in self.rules if _looks_at_value_only(rule)]
        self._others = [rule for rule in self.rules if not _looks_at_value_only(rule)]
        self._embedded = [
            EmbeddedRules(property_, kind)
            for property_ in definition.properties.values()
            if isinstance(kind := _item_type(property_.type), Embedded)
        ]

    def by_property(self) -> dict[str, list[Callable[[Any], Any]]]:
        """What looks at one value alone, for the fields of the Marshmallow schema."""
        grouped: dict[str, list[Callable[[Any], Any]]] = {}
        rules: list[Rule | EmbeddedRules] = [*self._plain, *self._embedded]
        for rule in rules:
            grouped.setdefault(rule.property, []).append(rule)
        return grouped

    @property
    def needs_records(self) -> bool:
        """Whether a rule looks at more of a record than the properties that are changed."""
        return any(
            rule.needs_instance or (isinstance(rule, Uniqueness) and rule.scoped_to)
            for rule in self._others
        )

    def check(
        self,
        record: Record,
        *,
        subject: Callable[[], Any],
        is_taken: Callable[[Where], bool],
        only: Container[str] | None = None,
        skip: Container[str] = (),
    ) -> list[Failure]:
        """Run the rules on a record.

        :param record: by Python names.
        :param subject: gives the instance, for rules that need one.
        :param is_taken: whether another record matches a where, for uniqueness.
        :param only: the properties whose rules run, or None for all.
        :param skip: properties that failed already and have no value to look at.
        """
        failures = self.check_values(record, only=only, skip=skip)
        failures += self.check_rest(
            record, subject=subject, is_taken=is_taken, only=only, skip=skip
        )
        return failures

    def check_values(
        self, record: Record, *, only: Container[str] | None = None, skip: Container[str] = ()
    ) -> list[Failure]:
        """Run the rules that look at one value alone; see :meth:`check`."""
        failures = [
            Failure((rule.property,), message.code, message)
            for rule in self._plain
            if _is_wanted(rule.property, only, skip)
            and (message := rule.problem(record.get(rule.property)))
        ]
        for rules in self._embedded:
            if _is_wanted(rules.property, only, skip):
                failures.extend(rules.failures(record.get(rules.property)))
        return failures

    def check_rest(
        self,
        record: Record,
        *,
        subject: Callable[[], Any],
        is_taken: Callable[[Where], bool],
        only: Container[str] | None = None,
        skip: Container[str] = (),
    ) -> list[Failure]:
        """Run the rules that look at more than one value; see :meth:`check`."""
        return [
            Failure((rule.property,), message.code, message)
            for rule in self._others
            if _is_wanted(rule.property, only, skip)
            and (message := _judge(rule, self.definition, record, subject, is_taken))
        ]


class EmbeddedRules:
    """The rules of an embedded model, for the values of one property.

    :param property: the property.
    :param kind: its type, or that of its items.
    """

    def __init__(self, property: Property, kind: Embedded) -> None:
        self.property = property.name
        self._type = property.type
        self._kind = kind
        self._validator: Validator | None = None

    def __call__(self, value: Any) -> Any:
        messages: dict[Any, Any] = {}
        for failure in self.failures(value):
            place = messages
            *parents, last = spell_path(self._type, failure.path[1:], "wire")
            for key in parents:
                place = place.setdefault(key, {})
            place.setdefault(last, []).append(Message(failure.message, failure.code))
        if messages:
            raise SchemaError(messages)
        return value

    def failures(self, value: Any) -> list[Failure]:
        """What is wrong with a value: a record, a list of them, or None."""
        return list(self._walk((self.property,), value)) if value else []

    @property
    def validator(self) -> Validator:
        """The rules of the embedded model as they stand now."""
        definition = self._kind.definition
        if self._validator is None or self._validator.version != definition.version:
            self._validator = Validator(definition)
        return self._validator

    def _walk(self, path: tuple[str | int, ...], value: Any) -> Iterator[Failure]:
        if isinstance(value, list):
            for index, item in enumerate(value):
                yield from self._walk((*path, index), item)
        elif value is not None:
            found = self.validator.check(
                value, subject=lambda: self._instance(value), is_taken=lambda where: False
            )
            for failure in found:
                yield Failure((*path, *failure.path), failure.code, failure.message)

    def _instance(self, record: Record) -> Any:
        model = self._kind.definition.model
        return record if model is None else model.from_record(record)


class Batch:
    """Records that are written together, and what they must not have in common.

    :param validator: the rules.
    """

    def __init__(self, validator: Validator) -> None:
        self._rules = validator.uniqueness
        self._seen: set[tuple[int, str]] = set()

    def add(self, record: Record, subject: Callable[[], Any]) -> list[Failure]:
        """Add a record, and say where it collides with one before it."""
        failures = []
        for position, rule in enumerate(self._rules):
            signature = rule.signature(record)
            if signature is None or (rule.needs_instance and not rule.applies(subject())):
                continue
            if (position, signature) in self._seen:
                message = rule.make_message("")
                failures.append(Failure((rule.property,), message.code, message))
            self._seen.add((position, signature))
        return failures


def _is_wanted(name: str, only: Container[str] | None, skip: Container[str]) -> bool:
    return name not in skip and (only is None or name in only)


def _looks_at_value_only(rule: Rule) -> bool:
    return not (rule.needs_instance or isinstance(rule, Uniqueness))


def _item_type(kind: PropertyType) -> PropertyType:
    while isinstance(kind, Array):
        kind = kind.item
    return kind


def _judge(
    rule: Rule,
    definition: ModelDefinition,
    record: Record,
    subject: Callable[[], Any],
    is_taken: Callable[[Where], bool],
) -> Message | None:
    if rule.needs_instance and not rule.applies(subject()):
        return None
    if isinstance(rule, Custom):
        return rule.judge(subject())
    problem = rule.problem(record.get(rule.property))
    if problem is None and isinstance(rule, Uniqueness):
        where = rule.where(record, definition)
        return rule.make_message("") if where is not None and is_taken(where) else None
    return problem
