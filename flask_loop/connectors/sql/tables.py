"""A model's table: its columns and indexes, and where each property is found in a row."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import inflection
import sqlalchemy as sa

from ...definition import ModelDefinition, Property
from ...errors import DefinitionError, NotIndexable
from ...query.related import possible_keys
from ...types import Integer
from ..base import Column, Layout
from ..options import FIELD_NAMES, check_options, named_field
from .cache import Cache
from .codecs import Codec
from .dialect import Dialect
from .existing import existing_codec, names_type
from .mending import RowMending

#: Gives a record's raw values, in the order of the columns of some properties.
Binder = Callable[[Mapping[str, Any]], list[Any]]

_OF_MODELS = ("table", "tableName", "schema", "quoted")
_OF_PROPERTIES = (
    *FIELD_NAMES,
    *("dataType", "dataLength", "dataPrecision", "dataScale"),
    *("quoted", "computed"),
)
#: The most sets of properties whose layouts and binders are kept of one model.
KEPT_SETS = 200


class ModelTable:
    """The table of one model.

    :param definition: the model.
    :param dialect: the database's; under its name options are found: ``table`` and ``schema`` of
        the model, ``column`` (or LoopBack's ``columnName``) of a property.
    :raises DefinitionError: where two properties have one column, one has none here, or options
        mean nothing.

    :ivar table: the SQLAlchemy table.
    :ivar columns: the columns of each property, by Python name.
    :ivar codecs: how each property is stored.
    """

    def __init__(self, definition: ModelDefinition, dialect: Dialect) -> None:
        check_options(definition, dialect.name, model=_OF_MODELS, properties=_OF_PROPERTIES)
        self.definition = definition
        self.dialect = dialect
        options = definition.settings.options.get(dialect.name, {})
        named = options.get("table") or options.get("tableName")
        name = self._checked_name(named or default_table(definition.name))
        self.codecs: dict[str, Codec] = self._make_codecs()
        self.columns: dict[str, tuple[sa.Column[Any], ...]] = {
            each.name: tuple(self._columns_of(each)) for each in definition.properties.values()
        }
        self._refuse_shared_columns()
        self._mending = RowMending(definition, self.codecs)
        if dialect.nulls_collide:
            self._refuse_colliding_nulls()
        every = [column for columns in self.columns.values() for column in columns]
        self.table = sa.Table(
            name,
            sa.MetaData(),
            *every,
            schema=options.get("schema"),
            quote=self._quoted(name, options),
            sqlite_autoincrement=True,  # an id that was deleted is not given again
        )
        self.every_layout = self._make_layout(None)
        self._layouts: Cache[Layout] = Cache(KEPT_SETS)
        self._binders: Cache[Binder] = Cache(KEPT_SETS)
        self.by_column = {
            column.name: property_name
            for property_name, columns in self.columns.items()
            for column in columns
        }

    def _make_codecs(self) -> dict[str, Codec]:
        indexed = {name for index in self.definition.indexes() for name in index.keys}
        indexed.update(each.name for each in self.definition.ids)
        try:
            return {
                each.name: self._codec_of(each, is_indexed=each.name in indexed)
                for each in self.definition.properties.values()
            }
        except NotIndexable as error:
            raise NotIndexable(f"{self.definition.name}: {error}") from None

    def _refuse_colliding_nulls(self) -> None:
        for index in self.definition.indexes():
            found = [self.definition.properties[name] for name in index.keys]
            if index.unique and len(found) > 1 and any(each.nullable for each in found):
                names = ", ".join(index.keys)
                raise NotIndexable(
                    f"{self.definition.name}: to {self.dialect.name}, records with null in some of "
                    f"{names} are not unique: none of them may be nullable"
                )

    def _codec_of(self, property_: Property, *, is_indexed: bool) -> Codec:
        """How a property is stored: as its options say, or as the database does by itself."""
        codecs, backend = self.dialect.codecs, self.dialect.name
        if not names_type(property_, backend):
            return codecs.codec(property_, is_indexed=is_indexed)
        usual = codecs.codec(property_)
        return existing_codec(property_, backend, usual) or usual

    def indexes(self, table: sa.Table | None = None) -> list[sa.Index]:
        """The indexes that the definition asks for now.

        :param table: the copy of the table that they are made of, or None for one of their own.
        """
        made_of = self.table.to_metadata(sa.MetaData()) if table is None else table
        found = [
            sa.Index(
                self._index_name(index.keys, index.unique),
                *(
                    made_of.c[column.name]
                    for property_name in index.keys
                    for column in self.columns[property_name]
                ),
                unique=index.unique,
            )
            for index in self.definition.indexes()
            if not self._is_id(index.keys)
        ]
        return found + self.dialect.further_indexes(self, made_of)

    def index_prefix(self) -> str:
        """What the names of our own indexes of this table begin with."""
        return f"loop_{self.table.name}__"

    def unique_columns(self) -> list[tuple[str, ...]]:
        """The columns of the id, and of each unique index that the definition asks for."""
        ids = tuple(each.name for each in self.definition.ids)
        keys = [ids, *(index.keys for index in self.definition.indexes() if index.unique)]
        return [tuple(column.name for column in self.columns_of(each)) for each in keys]

    def columns_of(self, names: Iterable[str]) -> list[sa.Column[Any]]:
        """The columns of properties, in order."""
        return [column for name in names for column in self.columns[name]]

    def properties_of(self, described: str) -> tuple[str, ...]:
        """The properties of columns that a driver named as ``table.column, …``; none if unknown."""
        for columns in self.unique_columns():
            if described == ", ".join(f"{self.table.name}.{column}" for column in columns):
                return self._owners(columns)
        return self._owners([each.rpartition(".")[2] for each in described.split(", ")])

    def properties_of_columns(self, columns: Iterable[str]) -> tuple[str, ...]:
        """The properties that columns belong to; none where one is nobody's."""
        return self._owners(columns)

    def _owners(self, columns: Iterable[str]) -> tuple[str, ...]:
        """The properties that have the columns, or none where one is nobody's."""
        found = dict.fromkeys(map(self.by_column.get, columns))
        return () if None in found else tuple(name for name in found if name is not None)

    def layout(self, fields: tuple[str, ...] | None = None) -> Layout:
        """How rows of these properties are read; of all where None."""
        if fields is None:
            return self.every_layout
        return self._layouts.get(fields, lambda: self._make_layout(fields))

    def narrowed(self, fields: tuple[str, ...] | None) -> Layout:
        """How these properties are read in rows that have all; of all where None."""
        if fields is None:
            return self.every_layout
        columns = {name: self.every_layout.columns[name] for name in fields}
        return Layout(columns, mend=partial(self._mending.mend, columns))

    def selected(self, fields: tuple[str, ...] | None) -> list[sa.ColumnElement[Any]]:
        """The columns of these properties as they are read, in the order of the layout."""
        return [
            column if read_as is None else sa.cast(column, read_as)
            for name in (self.columns if fields is None else fields)
            for read_as in [self.codecs[name].read_as]
            for column in self.columns[name]
        ]

    def binder(self, names: tuple[str, ...]) -> Binder:
        """A function that gives the raw values of a record's properties."""
        return self._binders.get(names, lambda: _make_binder(names, self.codecs))

    def raw_keys(self, names: tuple[str, ...], keys: Iterable[Any]) -> tuple[list[Any], int]:
        """The raw values of keys, one after the other, and how many each is.

        :param keys: values of one property, or tuples of those of several.
        """
        codecs = [self.codecs[name] for name in names]
        width = sum(len(codec.types) for codec in codecs)
        keys = possible_keys([self.definition.properties[name] for name in names], keys)
        if len(codecs) == 1:
            return codecs[0].raw_list(keys), width
        pairs = (pair for key in keys for pair in zip(codecs, key, strict=True))
        return [raw for codec, value in pairs for raw in codec.raw(value)], width

    def layout_at(self, position: int, names: Iterable[str]) -> Layout:
        """How properties are read whose columns begin somewhere in a row."""
        columns: dict[str, Column] = {}
        for name in names:
            codec = self.codecs[name]
            keys = tuple(range(position, position + len(codec.types)))
            position += len(keys)
            columns[name] = Column(keys, codec.to_python, codec.to_wire)
        return Layout(columns, mend=partial(self._mending.mend, columns))

    def _make_layout(self, fields: tuple[str, ...] | None) -> Layout:
        return self.layout_at(0, self.columns if fields is None else fields)

    def _columns_of(self, property_: Property) -> Iterable[sa.Column[Any]]:
        codec = self.codecs[property_.name]
        options = property_.options.get(self.dialect.name, {})
        name = named_field(property_, self.dialect.name) or property_.name
        is_made = bool(property_.id) and property_.generated and len(self.definition.ids) == 1
        if is_made and not isinstance(property_.type, Integer):
            raise DefinitionError(
                f"{self.definition.name}.{property_.name} is generated, but {self.dialect.name} "
                "makes integers; give it a default_fn, such as uuid"
            )
        for sql_type, suffix in zip(codec.types, codec.suffixes, strict=True):
            made = [sa.Identity()] if is_made and self.dialect.has_identity else []
            full_name = self._checked_name(f"{name}{suffix}")
            yield sa.Column(
                full_name,
                sql_type,
                *made,
                primary_key=bool(property_.id),
                nullable=property_.nullable,
                server_default=codec.server_defaults.get(suffix),
                autoincrement=is_made,
                quote=self._quoted(full_name, options),
            )

    def _quoted(self, name: str, options: Mapping[str, Any]) -> bool | None:
        """Whether a name is quoted; None where SQLAlchemy knows."""
        is_reserved = name.lower() in self.dialect.reserved
        quoted: bool | None = options.get("quoted")
        return True if is_reserved and quoted is None else quoted

    def _checked_name(self, name: Any) -> str:
        """The name of a table or column, which may have any characters but NUL.

        :raises DefinitionError: where it is no such text, or too long.
        """
        if not isinstance(name, str) or "\0" in name:
            raise DefinitionError(
                f"{self.definition.name}: {name!r} is no name of a table or column"
            )
        if len(name.encode()) > self.dialect.name_length:
            raise DefinitionError(
                f"{self.definition.name}: the name {name!r} has more than "
                f"{self.dialect.name_length} bytes, which {self.dialect.name} does not take; give "
                "another by options"
            )
        return name

    def _refuse_shared_columns(self) -> None:
        owners: dict[str, str] = {}
        for name, columns in self.columns.items():
            for column in columns:
                owner = owners.setdefault(column.name.lower(), name)
                if owner != name:
                    raise DefinitionError(
                        f"{self.definition.name}: {owner!r} and {name!r} would both be the column "
                        f"{column.name!r}; give one another name by its options"
                    )

    def _index_name(self, keys: tuple[str, ...], unique: bool) -> str:
        name = f"{self.index_prefix()}{'__'.join(keys)}{'__unique' if unique else ''}"
        return self.dialect.short_name(name)

    def _is_id(self, keys: tuple[str, ...]) -> bool:
        return keys == tuple(each.name for each in self.definition.ids)


def _make_binder(names: tuple[str, ...], codecs: Mapping[str, Codec]) -> Binder:
    """A function, compiled for some properties, that gives their raw values.

    Names and codecs enter the generated code as constants of its namespace, never as source.
    """
    namespace: dict[str, Any] = {}
    items = []
    for position, name in enumerate(names):
        namespace[f"n{position}"] = name
        namespace[f"c{position}"] = codecs[name].bind
        items.append(_binding_source(position, codecs[name]))
    source = f"lambda record: [{', '.join(items)}]"
    return eval(source, namespace)  # type: ignore[no-any-return]  # noqa: S307 - built from integers


def _binding_source(position: int, codec: Codec) -> str:
    value = f"record.get(n{position})"
    if codec.bind is None:
        return value
    several = len(codec.types) > 1
    null = f"{(None,) * len(codec.types)}" if several else "None"
    bound = f"({null} if (value := {value}) is None else c{position}(value))"
    return f"*{bound}" if several else bound


def default_table(name: str) -> str:
    """The table of a model that names none: ``CoffeeShop``, ``coffee-shop`` → ``coffee_shop``."""
    return inflection.underscore(name)
