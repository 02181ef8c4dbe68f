"""Keys in rows: the values by which records lead to others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..connectors.base import Rows


def column_of(rows: Rows, name: str) -> list[Any]:
    """The values of one property in rows, as records hold them."""
    column = rows.layout.columns[name]
    convert = column.to_python
    if len(column.keys) > 1:
        return [each[name] for each in rows.records()]
    (key,) = column.keys
    if convert is None:
        return [row[key] for row in rows.raw]
    return [None if (raw := row[key]) is None else convert(raw) for row in rows.raw]


def keys_of_rows(rows: Rows, names: Sequence[str]) -> list[Any]:
    """For each row its key: a value, or a tuple of several; None where a part of it is null."""
    if len(names) == 1:
        return column_of(rows, names[0])
    columns = [column_of(rows, name) for name in names]
    return [None if None in key else key for key in zip(*columns, strict=True)]
