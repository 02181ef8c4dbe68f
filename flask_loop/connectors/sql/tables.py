"""A model's table: its columns and indexes, and where each property is found in a row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import inflection
import sqlalchemy as sa

from ...definition import ModelDefinition, Property
from ...errors import DefinitionError
from ..base import Column, Layout
from .codecs import Codec, codec_for


class ModelTable:
    """The table of one model.

    :param definition: the model.
    :param backend: the connector's name, under which options are found: ``table`` and ``schema`` of
        the model, ``column`` (or LoopBack's ``columnName``) of a property.
    :raises DefinitionError: where two properties have one column.

    :ivar table: the SQLAlchemy table.
    :ivar columns: the columns of each property, by Python name.
    :ivar codecs: how each property is stored.
    """

    def __init__(self, definition: ModelDefinition, backend: str) -> None:
        self.definition = definition
        self.backend = backend
        options = definition.settings.options.get(backend, {})
        name = options.get("table") or options.get("tableName") or default_table(definition.name)
        self.codecs: dict[str, Codec] = {
            each.name: codec_for(each) for each in definition.properties.values()
        }
        self.columns: dict[str, tuple[sa.Column[Any], ...]] = {
            each.name: tuple(self._columns_of(each)) for each in definition.properties.values()
        }
        self._refuse_shared_columns()
        every = [column for columns in self.columns.values() for column in columns]
        self.table = sa.Table(name, sa.MetaData(), *every, schema=options.get("schema"))
        self._layouts: dict[tuple[str, ...] | None, Layout] = {}
        self.by_column = {
            column.name: property_name
            for property_name, columns in self.columns.items()
            for column in columns
        }

    def indexes(self) -> list[sa.Index]:
        """The indexes that the definition asks for now, as objects of a copy of the table."""
        table = self.table.to_metadata(sa.MetaData())
        return [
            sa.Index(
                self._index_name(index.keys, index.unique),
                *(
                    table.c[column.name]
                    for property_name in index.keys
                    for column in self.columns[property_name]
                ),
                unique=index.unique,
            )
            for index in self.definition.indexes()
            if not self._is_id(index.keys)
        ]

    def index_prefix(self) -> str:
        """What the names of our own indexes of this table begin with."""
        return f"loop_{self.table.name}_"

    def layout(self, fields: tuple[str, ...] | None = None) -> Layout:
        """How rows of these properties are read; of all where None."""
        if fields not in self._layouts:
            self._layouts[fields] = self._make_layout(fields)
        return self._layouts[fields]

    def selected(self, fields: tuple[str, ...] | None) -> list[sa.Column[Any]]:
        """The columns of these properties, in the order of the layout."""
        names = self.columns if fields is None else fields
        return [column for name in names for column in self.columns[name]]

    def bind(self, record: Mapping[str, Any], names: Iterable[str]) -> list[Any]:
        """The raw values of a record's properties, in the order of their columns."""
        values: list[Any] = []
        for name in names:
            value = record.get(name)
            codec = self.codecs[name]
            if len(codec.types) > 1:
                values.extend((None,) * len(codec.types) if value is None else codec.bind(value))
            else:
                values.append(None if value is None else codec.bind(value))
        return values

    def _make_layout(self, fields: tuple[str, ...] | None) -> Layout:
        columns: dict[str, Column] = {}
        position = 0
        for name in self.columns if fields is None else fields:
            codec = self.codecs[name]
            keys = tuple(range(position, position + len(codec.types)))
            position += len(keys)
            columns[name] = Column(keys, codec.to_python, codec.to_wire)
        return Layout(columns)

    def _columns_of(self, property_: Property) -> Iterable[sa.Column[Any]]:
        codec = self.codecs[property_.name]
        options = property_.options.get(self.backend, {})
        name = options.get("column") or options.get("columnName") or property_.name
        is_only_id = bool(property_.id) and len(self.definition.ids) == 1
        for sql_type, suffix in zip(codec.types, codec.suffixes, strict=True):
            yield sa.Column(
                f"{name}{suffix}",
                sql_type,
                primary_key=bool(property_.id),
                nullable=property_.nullable,
                autoincrement=is_only_id and property_.generated,
            )

    def _refuse_shared_columns(self) -> None:
        owners: dict[str, str] = {}
        for name, columns in self.columns.items():
            for column in columns:
                if column.name in owners:
                    raise DefinitionError(
                        f"{self.definition.name}: {owners[column.name]!r} and {name!r} would both "
                        f"be the column {column.name!r}"
                    )
                owners[column.name] = name

    def _index_name(self, keys: tuple[str, ...], unique: bool) -> str:
        return f"{self.index_prefix()}{'_'.join(keys)}{'_unique' if unique else ''}"

    def _is_id(self, keys: tuple[str, ...]) -> bool:
        return keys == tuple(each.name for each in self.definition.ids)


def default_table(name: str) -> str:
    """The table of a model that names none: ``CoffeeShop``, ``coffee-shop`` → ``coffee_shop``."""
    return inflection.underscore(name)
