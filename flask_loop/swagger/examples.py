"""Examples that the API would take: values that are of a property's type and keep its rules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ..definition import MISSING
from ..types import (
    AnyValue,
    Array,
    Boolean,
    Buffer,
    Date,
    DateTime,
    DecimalNumber,
    Enumeration,
    Geo,
    Integer,
    Number,
    Object,
    PropertyType,
    String,
    TypeMismatch,
    Uuid,
)
from ..validation import Inclusion, Length, Range, Rule

#: Texts in common forms, for properties with a pattern.
_TEXTS = (
    *("string", "String", "STRING", "abc", "ABC", "a", "A", "en", "EN", "123", "1", "12345"),
    *("AB-123", "ABC-123", "abc-123", "ABC123", "2026-01-31", "12:30", "#00ff00"),
    *("ada@example.com", "https://example.com", "+15550100", "example.com"),
)
_FITTING_NAMES = {
    "email": "ada@example.com",
    "url": "https://example.com",
    "phone": "+15550100",
    "password": "correct horse battery",
}
_SAMPLES: dict[type[PropertyType], Sequence[Any]] = {
    Boolean: (True, False),
    Integer: (1, 0),
    Number: (9.5, 1, 0),
    DecimalNumber: ("9.50", "1", "0", "0.5"),
    DateTime: ("2026-01-31T12:30:00.000Z",),
    Date: ("2026-01-31",),
    Buffer: ("SGVsbG8=",),
    Geo: ({"lat": 52.52, "lng": 13.405},),
    Uuid: ("3fa85f64-5717-4562-b3fc-2c963f66afa6",),
    Object: ({"key": "value"},),
    AnyValue: ("string", 1, True),
}


def example(
    kind: PropertyType, rules: Iterable[Rule] = (), default: Any = MISSING, name: str = ""
) -> Any:
    """A value as JSON that has a type and keeps the rules, or MISSING where none is found.

    :param kind: the type.
    :param rules: what the value has to keep.
    :param default: tried first.
    :param name: the property's name, which may say what the text is.
    """
    rules = list(rules)
    for candidate in _candidates(kind, rules, default, name):
        try:
            loaded = kind.load(candidate)
            if not any(rule.problem(loaded) for rule in rules):
                return kind.dump(loaded)
        except (TypeError, TypeMismatch):
            continue
    return MISSING


def _candidates(
    kind: PropertyType, rules: Sequence[Rule], default: Any, name: str
) -> Iterator[Any]:
    if default is not MISSING and default is not None:
        yield default
    for rule in rules:
        if isinstance(rule, Inclusion):
            yield from rule.values
    if isinstance(kind, String):
        yield from _texts(rules, name)
    elif isinstance(kind, Enumeration):
        yield from kind.values
    elif isinstance(kind, Array):
        yield from _lists(kind, rules)
    elif isinstance(kind, Object) and not isinstance(kind.values, AnyValue):
        value = example(kind.values)
        yield from ([] if value is MISSING else [{"key": value}])
    else:
        yield from kind.samples or _SAMPLES.get(type(kind), ())
    for rule in rules:
        if isinstance(rule, Range):
            yield from (bound for bound in (rule.min, rule.max) if bound is not None)


def _texts(rules: Sequence[Rule], name: str) -> Iterator[str]:
    yield from (text for part, text in _FITTING_NAMES.items() if part in name.lower())
    yield from _TEXTS
    for length in _lengths(rules):
        yield ("string " * (length // 7 + 1))[:length].ljust(length, "x")


def _lists(kind: Array, rules: Sequence[Rule]) -> Iterator[list[Any]]:
    item = example(kind.item)
    if item is MISSING:
        return
    yield [item]
    for length in _lengths(rules):
        yield [item] * length


def _lengths(rules: Sequence[Rule]) -> Iterator[int]:
    for rule in rules:
        if isinstance(rule, Length):
            wanted = (rule.is_, rule.min, rule.max)
            yield from (length for length in wanted if length is not None and length < 1000)
