"""Lists of values in SQL: few are bound one by one, many go in one parameter as JSON.

Many would be more parameters than a statement can have.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import orjson
import sqlalchemy as sa

from .codecs import Codec

Expression = sa.ColumnElement[Any]
#: Gives the next bound parameter.
NextParameter = Callable[[], Expression]

#: The most values that are bound one by one; more go in one parameter, as a JSON list.
MOST_BOUND = 128
#: The same for values that JSON does not keep exactly; of more, Python does the comparison.
MOST_UNLISTED = 1024


def padded(count: int) -> int:
    """The next power of two, so that lists of many lengths share few statements."""
    return 1 << (count - 1).bit_length() if count else 0


def can_be_listed(codec: Codec, operand: Sequence[Any]) -> bool:
    """Whether SQL takes so many values of a property."""
    if len(operand) <= MOST_BOUND:
        return True
    if len(codec.types) > 1:
        return False
    return len(operand) <= MOST_UNLISTED or _is_json(codec.raw_list(operand))


def listed(raw: list[Any], width: int = 1) -> tuple[list[Any], int]:
    """The parameters for the raw values of a list.

    :param raw: the values, one after the other.
    :param width: how many each is.
    :returns: them, and how many values are bound one by one: 0 where they are one JSON list.
    """
    count = len(raw) // width
    if not count:
        return ["[]"], 0
    if count > MOST_BOUND and width == 1 and _is_json(raw):
        return [orjson.dumps(raw).decode()], 0
    many = padded(count)
    return (raw + raw[-width:] * (many - count) if many > count else raw), many


def is_in(columns: Sequence[Expression], many: int, parameter: NextParameter) -> Expression:
    """Whether columns have one of the values that :func:`listed` gave the parameters of."""
    if not many:
        items = sa.func.json_each(parameter()).table_valued("value")
        return columns[0].in_(sa.select(items.c.value))
    if len(columns) > 1:
        return sa.or_(*(equals(columns, parameter) for _ in range(many)))
    return columns[0].in_([parameter() for _ in range(many)])


def equals(columns: Sequence[Expression], parameter: NextParameter) -> Expression:
    """Whether columns have the values of so many parameters."""
    return sa.and_(*(column == parameter() for column in columns))


def listed_keys(raw: list[Any], width: int) -> tuple[list[Any], int]:
    """Like :func:`listed`, for keys, which may be several columns."""
    if width == 1 or not _is_json(raw):
        return listed(raw, width)
    keys = [raw[start : start + width] for start in range(0, len(raw), width)]
    return [orjson.dumps(keys).decode()], 0


def key_chunks(raw: list[Any], width: int) -> list[list[Any]]:
    """Keys, as many at a time as :func:`listed_keys` takes: nearly always all."""
    if len(raw) <= MOST_BOUND * width or _is_json(raw):
        return [raw]
    most = MOST_BOUND * width if width > 1 else MOST_UNLISTED
    return [raw[start : start + most] for start in range(0, len(raw), most)]


def is_key_in(columns: Sequence[Expression], many: int, parameter: NextParameter) -> Expression:
    """Like :func:`is_in`, for what :func:`listed_keys` gave the parameters of."""
    if many or len(columns) == 1:
        return is_in(columns, many, parameter)
    keys = sa.func.json_each(parameter()).table_valued("value")
    values = (
        sa.func.json_extract(keys.c.value, sa.text(f"'$[{at}]'")) for at in range(len(columns))
    )
    return sa.tuple_(*columns).in_(sa.select(*values))


def _is_json(raw: Sequence[Any]) -> bool:
    # SQLite does not read every float back from text as it was.
    return all(isinstance(value, int | str) for value in raw)
