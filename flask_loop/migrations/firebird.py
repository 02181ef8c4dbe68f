"""What Alembic has to know of Firebird, of which it knows nothing by itself."""

from __future__ import annotations

from typing import Any

from alembic.ddl.base import (
    AddColumn,
    ColumnName,
    DropColumn,
    alter_table,
    format_column_name,
)
from alembic.ddl.impl import DefaultImpl
from sqlalchemy.ext.compiler import compiles

#: What sqlalchemy-firebird calls its dialect of firebird-driver.
NAME = "firebird.firebird"


class FirebirdImpl(DefaultImpl):
    """Firebird's way to change tables."""

    __dialect__ = NAME
    transactional_ddl = False


@compiles(AddColumn, NAME)
def _add_column(element: AddColumn, compiler: Any, **options: Any) -> str:
    table = alter_table(compiler, element.table_name, element.schema)
    return f"{table} ADD {compiler.get_column_specification(element.column, **options)}"


@compiles(DropColumn, NAME)
def _drop_column(element: DropColumn, compiler: Any, **options: Any) -> str:
    table = alter_table(compiler, element.table_name, element.schema)
    return f"{table} DROP {format_column_name(compiler, element.column.name)}"


@compiles(ColumnName, NAME)
def _rename(element: ColumnName, compiler: Any, **options: Any) -> str:
    table = alter_table(compiler, element.table_name, element.schema)
    old, new = (
        format_column_name(compiler, name) for name in (element.column_name, element.newname)
    )
    return f"{table} ALTER COLUMN {old} TO {new}"
