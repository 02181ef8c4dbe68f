"""Catalogue: the tables and views of a database, their columns and keys, as LoopBack lists them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeAlias

import sqlalchemy as sa

from ...errors import DefinitionError
from .reflection import is_quoted, property_of

#: What is known of a table, a column or a key, by LoopBack's names.
Row: TypeAlias = dict[str, Any]
Column: TypeAlias = dict[str, Any]

#: Schemas of the databases themselves.
_SYSTEM = frozenset(
    {"information_schema", "mysql", "performance_schema", "sys", "pg_catalog", "pg_toast", "temp"}
)
#: How many rows are looked at to find what a column of SQLite without a type holds.
_SAMPLE = 1000


class Catalogue:
    """The catalogue of a database, as a connection sees it.

    :param connection: the connection.
    :param backend: the connector's name.
    """

    def __init__(self, connection: sa.Connection, backend: str) -> None:
        self._connection, self._backend = connection, backend
        self._inspector = sa.inspect(connection)

    @property
    def default_owner(self) -> str | None:
        """The connection's own schema."""
        return self._inspector.default_schema_name

    def tables(
        self,
        *,
        owner: str | None = None,
        views: bool = True,
        all: bool = False,
        limit: int | None = None,
        offset: int = 0,
    ) -> list[Row]:
        """The tables and views of an owner, by name.

        :param owner: the schema; the connection's own where None.
        :param views: whether views are among them.
        :param all: those of all owners but the database itself.
        :param limit: how many at most.
        :param offset: how many are left out at the beginning.
        """
        owners = self._owners() if all and owner is None else [owner]
        found = [row for each in owners for row in self._tables_of(each, views=views)]
        found.sort(key=lambda row: (row["name"], row["owner"] or ""))
        return found[offset : None if limit is None else offset + limit]

    def columns(self, table: str, owner: str | None = None) -> list[Row]:
        """The columns of a table in their order, each with the ``property`` that it is.

        :raises DefinitionError: where there is no such table or view.
        """
        columns = self._columns(table, owner)
        ids = self._id_columns(table, owner)
        rowid = self._rowid(columns, table, owner)
        rows = []
        for column in columns:
            name = column["name"]
            id = ids.index(name) + 1 if name in ids else None
            written = property_of(
                column,
                self._backend,
                id=id,
                has_rowid=name == rowid,
                dialect=self._connection.dialect,
            )
            if len(ids) > 1 and id is not None and written.pop("generated", False):
                written["required"] = True  # no data source makes a part of an id
            head = {"owner": self._shown(owner), "tableName": table}
            rows.append({**head, **written[self._backend], "property": written})
        return rows

    def primary_keys(self, table: str, owner: str | None = None) -> list[Row]:
        """The columns of a table's primary key, in its order."""
        key = self._read(self._inspector.get_pk_constraint, table, owner)
        return [
            {
                "owner": self._shown(owner),
                "tableName": table,
                "columnName": str(column),
                "keySeq": position,
                "pkName": key["name"] and str(key["name"]),
            }
            for position, column in enumerate(key["constrained_columns"], 1)
        ]

    def unique_keys(self, table: str, owner: str | None = None) -> list[list[str]]:
        """The columns of each unique constraint and unique index of a table, each once."""
        more: Any = {"include_auto_indexes": True} if self._backend == "sqlite" else {}
        indexes = self._read(self._inspector.get_indexes, table, owner, **more)
        constraints = self._read(self._inspector.get_unique_constraints, table, owner)
        keys = [each["column_names"] for each in constraints]
        keys += [each["column_names"] for each in indexes if _holds_for_all(each)]
        by_columns = {frozenset(key): [str(column) for column in key] for key in keys if all(key)}
        return sorted(by_columns.values(), key=lambda key: (len(key), key))

    def foreign_keys(self, table: str, owner: str | None = None) -> list[Row]:
        """The columns of a table's foreign keys: a row for each column, those of a key together."""
        found = self._read(self._inspector.get_foreign_keys, table, owner)
        found = sorted(found, key=lambda key: self._places(key, table, owner))
        rows: list[Row] = []
        for number, key in enumerate(found, 1):
            there, their_owner = key["referred_table"], key["referred_schema"]
            theirs = key["referred_columns"]
            name = key["name"] or f"{table}_fk{number}"  # SQLite's need not have one
            primary = self._key_name(there, their_owner, theirs)
            for position, (own, other) in enumerate(
                zip(key["constrained_columns"], theirs, strict=True), 1
            ):
                rows.append(
                    {
                        "fkOwner": self._shown(owner),
                        "fkName": str(name),
                        "fkTableName": table,
                        "fkColumnName": str(own),
                        "keySeq": position,
                        "pkOwner": self._shown(their_owner),
                        "pkName": primary,
                        "pkTableName": there,
                        "pkColumnName": str(other),
                    }
                )
        return rows

    def exported_foreign_keys(self, table: str, owner: str | None = None) -> list[Row]:
        """The columns of the foreign keys that refer to a table, in rows of the same form."""
        wanted = (self._shown(owner), table)
        return [
            row
            for other in self.tables(views=False, all=True)
            for row in self.foreign_keys(other["name"], self._given(other["owner"]))
            if (row["pkOwner"], row["pkTableName"]) == wanted
        ]

    # Tables

    def _owners(self) -> list[str | None]:
        try:
            names = self._inspector.get_schema_names()
        except NotImplementedError:  # Firebird has none
            return [None]
        own = self._inspector.default_schema_name
        return [self._given(name) for name in names if name == own or not _is_system(name)]

    def _tables_of(self, owner: str | None, *, views: bool) -> Iterator[Row]:
        inspector: Any = self._inspector
        names = {"table": [*inspector.get_table_names(schema=owner)], "view": []}
        for kind in ("foreign_table",):
            names["table"] += _listed(inspector, kind, owner)
        if views:
            names["view"] += inspector.get_view_names(schema=owner)
            names["view"] += _listed(inspector, "materialized_view", owner)
        for kind, found in names.items():
            for name in dict.fromkeys(found):
                yield {"type": kind, "name": name, "owner": self._shown(owner)}

    def _shown(self, owner: str | None) -> str | None:
        """An owner, by name where it is the connection's own."""
        return owner or self._inspector.default_schema_name

    def _given(self, owner: str | None) -> str | None:
        """An owner, None where it is the connection's own."""
        return None if owner == self._inspector.default_schema_name else owner

    def _read(self, get: Callable[..., Any], table: str, owner: str | None, **more: Any) -> Any:
        try:
            with warnings.catch_warnings():
                # SQLAlchemy warns of types and indexes that it does not know.
                warnings.simplefilter("ignore", sa.exc.SAWarning)
                return get(self._quoted(table, owner), schema=owner, **more)
        except sa.exc.NoSuchTableError:
            shown = f"{owner}.{table}" if owner else table
            raise DefinitionError(f"there is no table or view {shown!r}") from None

    def _quoted(self, table: str, owner: str | None) -> str:
        """The name of a table, marked where it is found in quotes alone."""
        names = self._inspector.get_table_names(schema=owner)
        return next((name for name in names if name == table and is_quoted(name)), table)

    # Keys

    def _id_columns(self, table: str, owner: str | None) -> list[str]:
        """The columns that are the id: the primary key, or else a unique key without nulls."""
        key = [row["columnName"] for row in self.primary_keys(table, owner)]
        if key:
            return key
        required = {
            str(column["name"]) for column in self._columns(table, owner) if not column["nullable"]
        }
        fitting = (each for each in self.unique_keys(table, owner) if required.issuperset(each))
        return next(fitting, [])

    def _key_name(self, table: str, owner: str | None, columns: Iterable[str]) -> str | None:
        """The name of a primary key, where a foreign key refers to that."""
        try:
            rows = self.primary_keys(table, owner)
        except DefinitionError:
            return None  # SQLite lets a key refer to a table that is not there
        is_primary = [row["columnName"] for row in rows] == list(columns)
        return rows[0]["pkName"] if is_primary and rows else None

    def _places(self, key: Mapping[str, Any], table: str, owner: str | None) -> list[int]:
        """Where the columns of a foreign key are in the table."""
        names = [column["name"] for column in self._columns(table, owner)]
        return [names.index(name) for name in key["constrained_columns"]]

    # Columns

    def _columns(self, table: str, owner: str | None) -> list[Column]:
        columns: list[Column] = self._read(self._inspector.get_columns, table, owner)
        completed = _COMPLETED.get(self._backend)
        return columns if completed is None else completed(self._connection, columns, table, owner)

    def _rowid(self, columns: list[Column], table: str, owner: str | None) -> str | None:
        """The column that SQLite gives the number of the row where it is not given."""
        key = [column for column in columns if column.get("primary_key")]
        if self._backend != "sqlite" or len(key) != 1:
            return None
        written = _sqlite_types(self._connection, table, owner)[key[0]["name"]]
        options = self._inspector.get_table_options(table, schema=owner)
        has_rowid = written.upper() == "INTEGER" and options.get("sqlite_with_rowid", True)
        return str(key[0]["name"]) if has_rowid else None


def _listed(inspector: Any, kind: str, owner: str | None) -> list[str]:
    """The names of what only some databases have."""
    try:
        names: list[str] = getattr(inspector, f"get_{kind}_names")(schema=owner)
    except (AttributeError, NotImplementedError):
        return []
    return names


def _is_system(name: str) -> bool:
    return name.lower() in _SYSTEM or name.startswith("pg_")


def _holds_for_all(index: Mapping[str, Any]) -> bool:
    """Whether an index is unique, for all rows of its table."""
    options = index.get("dialect_options", {})
    return bool(index["unique"]) and not any(
        value for key, value in options.items() if key.endswith("_where")
    )


# What SQLAlchemy does not tell of columns


def _complete_sqlite(
    connection: sa.Connection, columns: list[Column], table: str, owner: str | None
) -> list[Column]:
    """Columns of which those without a type have that of their values."""
    return [
        {**column, "type": _type_of_values(connection, column["name"], table, owner)}
        if isinstance(column["type"], sa.types.NullType)
        else column
        for column in columns
    ]


def _type_of_values(
    connection: sa.Connection, column: str, table: str, owner: str | None
) -> sa.types.TypeEngine[Any]:
    source = sa.table(table, sa.column(column), schema=owner)
    some = sa.select(source.c[column]).limit(_SAMPLE).subquery()
    kinds = set(connection.scalars(sa.select(sa.func.typeof(some.c[0])).distinct())) - {"null"}
    if kinds == {"integer"}:
        return sa.INTEGER()
    if kinds and kinds <= {"integer", "real"}:
        return sa.REAL()
    return sa.BLOB() if kinds == {"blob"} else sa.TEXT()


def _sqlite_types(connection: sa.Connection, table: str, owner: str | None) -> dict[str, str]:
    """The types of columns as they were written."""
    quoted = connection.dialect.identifier_preparer.quote_identifier
    schema = f"{quoted(owner)}." if owner else ""
    rows = connection.exec_driver_sql(f"PRAGMA {schema}table_xinfo({quoted(table)})")
    return {row.name: row.type for row in rows}


def _complete_postgresql(
    connection: sa.Connection, columns: list[Column], table: str, owner: str | None
) -> list[Column]:
    """Columns with the names of those types that SQLAlchemy does not know."""
    if not any(isinstance(column["type"], sa.types.NullType) for column in columns):
        return columns
    quoted = connection.dialect.identifier_preparer.quote
    place = ".".join(quoted(part) for part in filter(None, (owner, table)))
    rows = connection.execute(
        sa.text(
            "SELECT attname, format_type(atttypid, NULL) FROM pg_attribute "
            "WHERE attrelid = CAST(:place AS regclass) AND attnum > 0 AND NOT attisdropped"
        ),
        {"place": place},
    )
    return _declared(columns, {name: declared.upper() for name, declared in rows})


def _complete_mysql(
    connection: sa.Connection, columns: list[Column], table: str, owner: str | None
) -> list[Column]:
    """Columns with the names of unknown types; JSON, which MariaDB keeps as checked text, as such.

    Shapes are the bytes that MySQL keeps of them.
    """
    rows = connection.execute(
        sa.text(
            "SELECT column_name, data_type FROM information_schema.columns "
            "WHERE table_schema = coalesce(:owner, database()) AND table_name = :table"
        ),
        {"owner": owner, "table": table},
    )
    columns = [
        {**column, "type": sa.BLOB()} if column.get("declared") in _SHAPES else column
        for column in _declared(columns, {name: declared.upper() for name, declared in rows})
    ]
    if not getattr(connection.dialect, "is_mariadb", False):
        return columns
    checks = connection.scalars(
        sa.text(
            "SELECT check_clause FROM information_schema.check_constraints "
            "WHERE constraint_schema = coalesce(:owner, database()) AND table_name = :table"
        ),
        {"owner": owner, "table": table},
    )
    valid = {f"json_valid(`{column['name']}`)": column["name"] for column in columns}
    named = {valid[check] for check in checks if check in valid}
    return [
        {**column, "type": sa.JSON(), "declared": "LONGTEXT"} if column["name"] in named else column
        for column in columns
    ]


_SHAPES = frozenset(
    {
        "GEOMETRY",
        "GEOMETRYCOLLECTION",
        "LINESTRING",
        "MULTILINESTRING",
        "MULTIPOINT",
        "MULTIPOLYGON",
        "POINT",
        "POLYGON",
    }
)


def _complete_firebird(
    connection: sa.Connection, columns: list[Column], table: str, owner: str | None
) -> list[Column]:
    """Columns of which computed ones that have a fraction are no integers."""
    dialect: Any = connection.dialect
    rows = connection.exec_driver_sql(
        "SELECT TRIM(rf.rdb$field_name), f.rdb$field_scale FROM rdb$relation_fields rf "
        "JOIN rdb$fields f ON f.rdb$field_name = rf.rdb$field_source "
        "WHERE rf.rdb$relation_name = ? AND f.rdb$field_scale < 0",
        (dialect.denormalize_name(table),),
    )
    scales = {dialect.normalize_name(name): -scale for name, scale in rows}
    return [
        {**column, "type": sa.NUMERIC(18, scales[column["name"]])}
        if column["name"] in scales and isinstance(column["type"], sa.Integer)
        else column
        for column in columns
    ]


def _declared(columns: list[Column], names: Mapping[str, str]) -> list[Column]:
    """Columns of which those with a type that SQLAlchemy does not know have its name."""
    return [
        {**column, "declared": names.get(column["name"])}
        if isinstance(column["type"], sa.types.NullType)
        else column
        for column in columns
    ]


_COMPLETED = {
    "sqlite": _complete_sqlite,
    "postgresql": _complete_postgresql,
    "mysql": _complete_mysql,
    "firebird": _complete_firebird,
}
