"""Query strings: ``filter[where][price][gt]=5`` as nested dicts and lists."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qsl

from ..errors import BadRequest

_KEY = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
_PART = re.compile(r"\[([^\[\]]*)\]")

#: How deep brackets may nest; filters have their own, lower bound.
MAX_DEPTH = 32


def parse_query(text: str, *, max_fields: int = 10_000) -> dict[str, Any]:
    """Parse a query string or a urlencoded body; values stay text.

    ``a[b]=1`` nests, ``a[]=1&a[]=2`` and a repeated ``a=1&a=2`` make lists, and so do keys that are
    all indexes: ``a[0]=x&a[1]=y``, in the order of the indexes and however many.

    :param text: the part behind ``?``.
    :param max_fields: the most fields that are taken.
    :raises BadRequest: where a key is malformed, or there are too many fields or levels.

    >>> parse_query("filter[where][price][gt]=5&filter[order][0]=name")
    {'filter': {'where': {'price': {'gt': '5'}}, 'order': ['name']}}
    """
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=max_fields, errors="strict")
    except UnicodeDecodeError:
        raise BadRequest("The query string is not UTF-8.") from None
    except ValueError:
        raise BadRequest(f"The query string has more than {max_fields} fields.") from None
    nested: dict[str, Any] = {}
    for key, value in pairs:
        _put(nested, key, value)
    return {key: _with_lists(value) for key, value in nested.items()}


def _put(nested: dict[str, Any], key: str, value: str) -> None:
    if "[" not in key:
        keys = [key]
    else:
        found = _KEY.fullmatch(key)
        if found is None:
            raise BadRequest(f"The query has the malformed key {key!r}.")
        keys = [found[1], *_PART.findall(found[2])]
    if len(keys) > MAX_DEPTH:
        raise BadRequest(f"The query key {key[:60]!r} nests more than {MAX_DEPTH} levels.")
    place = nested
    for part in keys[:-1]:
        inner = place.setdefault(part or _next_index(place), {})
        if not isinstance(inner, dict):
            raise BadRequest(f"The query key {key!r} is a value and holds others.")
        place = inner
    _put_last(place, keys[-1], value, key)


def _put_last(place: dict[str, Any], last: str, value: str, key: str) -> None:
    if not last:
        place[_next_index(place)] = value
    elif last not in place:
        place[last] = value
    elif isinstance(place[last], list):
        place[last].append(value)
    elif isinstance(place[last], str):
        place[last] = [place[last], value]
    else:
        raise BadRequest(f"The query key {key!r} is a value and holds others.")


def _next_index(place: dict[str, Any]) -> str:
    return str(len(place))


def _with_lists(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    converted = {key: _with_lists(item) for key, item in value.items()}
    if all(key.isascii() and key.isdecimal() for key in converted):
        return [converted[key] for key in sorted(converted, key=int)]
    return converted
