"""Filters as text: JSON, and query strings such as ``filter[where][price][gt]=5``."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote_to_bytes

import orjson

from ..errors import BadRequest, FilterError

_KEY = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
_PART = re.compile(r"\[([^\[\]]*)\]")
#: The query string of a field by itself, under a key that needs no unescaping.
_ONE_FIELD = re.compile(r"(\w+)=([^&]*)", re.ASCII)
_INDEX = re.compile(r"\d{1,9}", re.ASCII)
_LONG_INTEGER = re.compile(r"\d{19}")

#: How deep brackets may nest; filters have their own, lower bound.
MAX_DEPTH = 32


def parse_query(text: str | bytes, *, max_fields: int = 10_000) -> dict[str, Any]:
    """Parse a query string or a urlencoded body; values stay text.

    ``a[b]=1`` nests, ``a[]=1&a[]=2`` and a repeated ``a=1&a=2`` make lists, and so do keys that are
    all indexes: ``a[0]=x&a[1]=y``, in the order of the indexes and however many.

    :param text: the part behind ``?``; bytes are UTF-8, whether they are escaped or not.
    :param max_fields: the most fields that are taken.
    :raises BadRequest: where a key is malformed, or there are too many fields or levels.

    >>> parse_query("filter[where][price][gt]=5&filter[order][0]=name")
    {'filter': {'where': {'price': {'gt': '5'}}, 'order': ['name']}}
    """
    try:
        text = text.decode() if isinstance(text, bytes) else text
        alone = _ONE_FIELD.fullmatch(text)
        if alone is not None:
            return {alone[1]: unquote_to_bytes(alone[2].replace("+", " ")).decode()}
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=max_fields, errors="strict")
    except UnicodeDecodeError:
        raise BadRequest("The query string is not UTF-8.") from None
    except ValueError:
        raise BadRequest(f"The query string has more than {max_fields} fields.") from None
    return parse_pairs(pairs)


def parse_pairs(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Nest the fields of a query string or a form, as :func:`parse_query` does.

    :param pairs: each field's key and value, both unescaped.
    :raises BadRequest: where a key is malformed, or there are too many levels.
    """
    root = _Nest()
    for key, value in pairs:
        _put(root, key, value)
    return {key: _with_lists(value) for key, value in root.items()}


class _Nest(dict[str, Any]):
    """What is below one key, by the next key.

    :ivar next_index: the index that empty brackets mean.
    """

    __slots__ = ("next_index",)

    def __init__(self) -> None:
        super().__init__()
        self.next_index = 0

    def key_of(self, part: str) -> str:
        """The key that stands between two brackets; of empty ones, the next index."""
        key = part or str(self.next_index)
        if _INDEX.fullmatch(key):
            self.next_index = max(self.next_index, int(key) + 1)
        return key


def _put(root: _Nest, key: str, value: str) -> None:
    first, *parts = _split(key)
    place, last = root, first
    for part in parts:
        inner = place.setdefault(last, _Nest())
        if not isinstance(inner, _Nest):
            raise BadRequest(f"The query key {key!r} is a value and holds others.")
        place, last = inner, inner.key_of(part)
    held = place.get(last)
    if held is None:
        place[last] = value
    elif isinstance(held, list):
        held.append(value)
    elif isinstance(held, str):
        place[last] = [held, value]
    else:
        raise BadRequest(f"The query key {key!r} is a value and holds others.")


def _split(key: str) -> list[str]:
    """``a[b][]`` as ``a``, ``b`` and an empty part."""
    if "[" not in key:
        return [key]
    found = _KEY.fullmatch(key)
    if found is None:
        raise BadRequest(f"The query has the malformed key {key!r}.")
    parts = _PART.findall(found[2])
    if len(parts) >= MAX_DEPTH:
        raise BadRequest(f"The query key {key[:60]!r} nests more than {MAX_DEPTH} levels.")
    return [found[1], *parts]


def _with_lists(value: Any) -> Any:
    if not isinstance(value, _Nest):
        return value
    converted = {key: _with_lists(item) for key, item in value.items()}
    if all(map(_INDEX.fullmatch, converted)):
        return [converted[key] for key in sorted(converted, key=int)]
    return converted


def parse_json(at: str, text: str | bytes) -> Any:
    """Parse JSON in a filter.

    :param at: where it stands, for the error.
    :raises FilterError: where it is none.
    """
    try:
        text = text.decode() if isinstance(text, bytes) else text
        if _LONG_INTEGER.search(text):
            # orjson gives the nearest float of an integer past 64 bits.
            return json.loads(text, parse_constant=_refuse_constant)
        return orjson.loads(text)
    except (ValueError, RecursionError) as error:
        raise FilterError(at, f"is not JSON: {error}") from None


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON value")


def is_nothing(given: Any) -> bool:
    """Whether the value of a filter's key is as if it was not there."""
    return given is None or (isinstance(given, str | list | tuple | Mapping) and not given)
