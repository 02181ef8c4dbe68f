"""Statements that a caller wrote in SQL, with parameters by name."""

from __future__ import annotations

import datetime as dt
import enum
import re
import uuid
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from ...definition import Property
from ...types import Boolean, Buffer, Date, DateTime, Object, PropertyType, Uuid
from .connections import Values
from .dialect import Dialect

#: How values are bound that drivers do not take, or take in another way than columns have them.
_TYPES: dict[type, PropertyType] = {
    bool: Boolean(),
    bytes: Buffer(),
    dt.datetime: DateTime(),
    dt.date: Date(),
    uuid.UUID: Uuid(),
    dict: Object(),
}


def compiled(
    sql: str, params: Mapping[str, Any], dialect: Dialect, sa_dialect: sa.Dialect
) -> tuple[str, Values]:
    """A statement as the driver takes it, and the values of its parameters.

    :param sql: has parameters as ``:name``; a list of values stands for ``(:a, :b, …)``.
    :param params: the values by name.
    :raises TypeError: naming a parameter without a value, or a value without a parameter.
    """
    if not isinstance(sql, str):
        raise TypeError(f"a statement is text, not {sql!r}")
    if not isinstance(params, Mapping):
        raise TypeError(f"the parameters are a dict by name, not {params!r}")
    statement = sa.text(sql)
    _refuse_others(set(statement.compile(dialect=sa_dialect).params), params)
    empty = [name for name, value in params.items() if _is_list(value) and not value]
    if empty and dialect.empty_lists is not None:
        statement = sa.text(_without_lists(sql, empty, *dialect.empty_lists))
        left = statement.compile(dialect=sa_dialect).params
        params = {name: value for name, value in params.items() if name in left}
    bound = [_bound(name, value, dialect) for name, value in params.items()]
    made = statement.bindparams(*bound).compile(
        dialect=sa_dialect, compile_kwargs={"render_postcompile": True}
    )
    if made.positional:
        return str(made), tuple(made.params[name] for name in made.positiontup or ())
    return str(made), dict(made.params)


def _refuse_others(wanted: set[str], given: Mapping[str, Any]) -> None:
    for name in sorted(wanted - given.keys()):
        raise TypeError(f"the parameter :{name} has no value")
    for name in given.keys() - wanted:
        raise TypeError(f"the statement has no parameter :{name}")


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple | set | frozenset)


def _without_lists(sql: str, names: list[str], of_in: str, of_not_in: str) -> str:
    """A statement whose comparisons with lists of no values are written out."""
    pattern = re.compile(rf"\b(NOT\s+)?IN\s*:(?:{'|'.join(names)})\b", re.IGNORECASE)
    return pattern.sub(lambda found: of_not_in if found[1] else of_in, sql)


def _bound(name: str, value: Any, dialect: Dialect) -> sa.BindParameter[Any]:
    if _is_list(value):
        values = [_raw(each, dialect) for each in value]
        return sa.bindparam(name, values, sa.types.NullType(), expanding=True)
    return sa.bindparam(name, _raw(value, dialect), sa.types.NullType())


def _raw(value: Any, dialect: Dialect) -> Any:
    """A value as the columns of models have it."""
    if isinstance(value, enum.Enum):
        value = value.value
    kind = _TYPES.get(type(value))
    if kind is None:
        return value
    codec = dialect.codecs.codec(Property("value", "value", kind))
    return codec.raw(kind.load(value))[0]


def rows_or_count(cursor: Any) -> list[dict[str, Any]] | int:
    """What the statement of a cursor gave: its rows by column, or how many it wrote."""
    if cursor.description is None:
        return max(0, int(cursor.rowcount))
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
