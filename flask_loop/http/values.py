"""What remote methods give, as JSON."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import orjson

from ..geo import GeoPoint
from ..model import Model
from ..types import Buffer, Date, DateTime, DecimalNumber, Geo

JSON = "application/json; charset=utf-8"

_JSON_OF: dict[type, Callable[[Any], Any]] = {
    Model: lambda record: record.to_dict(),
    datetime: lambda value: DateTime().dump(DateTime().load(value)),
    date: Date().dump,
    Decimal: DecimalNumber().dump,
    bytes: Buffer().dump,
    GeoPoint: Geo().dump,
}


def to_json(value: Any, option: int = 0) -> bytes:
    """Write what a remote method gave: JSON values, records, and values of property types.

    Keys that are no text become text, as in Python's own ``json``.

    :param option: further options of orjson's.
    """
    option |= orjson.OPT_PASSTHROUGH_DATETIME
    value = _without_records(value)
    try:
        return orjson.dumps(value, default=json_value, option=option)
    except orjson.JSONEncodeError:
        # It takes longer, and so is for those that need it.
        return orjson.dumps(value, json_value, option | orjson.OPT_NON_STR_KEYS)


def _without_records(value: Any) -> Any:
    """A record, or a list of them, as JSON objects.

    orjson calls back for each, and from Python 3.12 on it keeps the class of what it asks for.
    """
    if isinstance(value, Model):
        return value.to_dict()
    if type(value) is list and value and isinstance(value[0], Model):
        return [each.to_dict() if isinstance(each, Model) else each for each in value]
    return value


def json_value(value: Any) -> Any:
    """A record, or a value of a property type, as what JSON knows.

    :raises TypeError: where it has no form in JSON.
    """
    for kind, give_json in _JSON_OF.items():
        if isinstance(value, kind):
            return give_json(value)
    raise TypeError(f"a {type(value).__name__} has no JSON form")
