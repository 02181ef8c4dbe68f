"""Column types of revisions: SQLAlchemy's own, so that a revision runs without Flask-Loop."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from ..connectors.sql.differences import type_text

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext

#: What a revision says of a type that SQLAlchemy has none for.
_VERBATIM = '''

class Verbatim(sa.types.UserDefinedType):
    """A column type as the database calls it."""

    cache_ok = True

    def __init__(self, name: str) -> None:
        self.name = name

    def get_col_spec(self, **options: object) -> str:
        return self.name
'''
_CALL = re.compile(r"(\w+)(?:\((\d+(?:, ?\d+)*)\))?")


def render_type(kind: str, found: Any, context: AutogenContext) -> str | bool:
    """Write a type as Python; False where Alembic shall write it as it is.

    It is Alembic's ``render_item``.
    """
    if kind != "type" or type(found).__module__.startswith("sqlalchemy."):
        return False
    dialect: Any = context.dialect
    text = type_text(found, dialect)
    for plain in _candidates(text, dialect):
        if type_text(plain, dialect) == text:
            return f"sa.{plain!r}"
    context.imports.add(_VERBATIM)
    return f"Verbatim({text!r})"


def _candidates(text: str, dialect: sa.Dialect) -> list[Any]:
    """Types of SQLAlchemy's that may be the one that a database calls so."""
    found: list[Any] = [sa.Text(), sa.LargeBinary(), sa.Boolean(), sa.Double()]
    match = _CALL.fullmatch(text)
    named = getattr(sa, match[1].upper(), None) if match else None
    if match is not None and isinstance(named, type):
        sizes = [int(size) for size in (match[2] or "").split(",") if size]
        found.insert(0, named(*sizes))
    return found
